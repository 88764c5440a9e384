ALTER TABLE accounts DROP COLUMN plan_since;

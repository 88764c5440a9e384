ALTER TABLE accounts DROP COLUMN plan_until;
ALTER TABLE accounts DROP COLUMN plan_since;

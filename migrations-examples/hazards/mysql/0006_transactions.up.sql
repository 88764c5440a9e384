-- TX. There is no transaction around DDL: the first ALTER commits the UPDATE before it, and a
-- failure of the second leaves the migration half done.
-- Downhaul says: implicit-commit, session-state-leaks

SET foreign_key_checks = 0;
UPDATE accounts SET plan = 'gold' WHERE plan = 'free';
ALTER TABLE accounts ADD COLUMN plan_since date;
ALTER TABLE accounts ADD COLUMN plan_until date;

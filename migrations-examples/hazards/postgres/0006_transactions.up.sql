-- TX. The BEGIN ends nothing and the COMMIT ends too much where a runner wraps the file; rows stay
-- locked while the ALTER waits for its lock; the setting outlives the migration.
-- Downhaul says: transaction-in-transaction, mixed-ddl-and-backfill, session-state-leaks

BEGIN;
SET search_path = public, pg_temp;
UPDATE accounts SET plan = 'basic' WHERE plan = 'free';
ALTER TABLE accounts ADD COLUMN plan_since date;
COMMIT;

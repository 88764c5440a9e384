-- TX. The BEGIN ends nothing and the COMMIT ends too much where a runner wraps the file; the
-- setting outlives the migration.
-- Downhaul says: nested-transaction, session-state-leaks

BEGIN;
PRAGMA recursive_triggers = ON;
ALTER TABLE accounts ADD COLUMN plan_since TEXT;
COMMIT;

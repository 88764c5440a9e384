-- TX. The BEGIN ends nothing and the COMMIT ends too much where a runner wraps the file.
-- Downhaul says: transaction-in-transaction

BEGIN;
ALTER TABLE accounts ADD COLUMN plan_since TEXT;
COMMIT;

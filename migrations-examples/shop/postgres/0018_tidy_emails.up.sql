-- Bad. Every row is written anew in one transaction, and what the addresses looked like is gone.
-- The ALTER TABLE that follows waits for a strong lock while all rows stay locked.
-- Downhaul says: unbounded-delete-update, mixed-ddl-and-backfill

UPDATE customers SET email = lower(email);

ALTER TABLE customers ADD COLUMN email_verified boolean NOT NULL DEFAULT false;

-- Bad. What the addresses looked like is gone.
-- Downhaul says: unbounded-delete-update

UPDATE customers SET email = lower(email);

ALTER TABLE customers ADD COLUMN email_verified BOOLEAN NOT NULL DEFAULT 0;

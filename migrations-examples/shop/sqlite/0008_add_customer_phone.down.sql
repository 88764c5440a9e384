-- The phone numbers that the new release collected would be gone. Downhaul keeps them.
-- Downhaul says: down-loses-data

ALTER TABLE customers DROP COLUMN phone;

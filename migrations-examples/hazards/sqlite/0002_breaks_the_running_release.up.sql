-- BC. The release that is still running reads full_name and entries.
-- Downhaul says: rename-column, rename-table

ALTER TABLE accounts RENAME COLUMN full_name TO name;
ALTER TABLE entries RENAME TO bookings;

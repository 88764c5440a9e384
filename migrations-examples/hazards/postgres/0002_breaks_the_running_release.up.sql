-- BC. The release that is still running reads full_name, relies on plan's default, and inserts no
-- region.
-- Downhaul says: rename-column, drop-default, add-required-column

ALTER TABLE accounts RENAME COLUMN full_name TO name;
ALTER TABLE accounts ALTER COLUMN plan DROP DEFAULT;
ALTER TABLE tokens ADD COLUMN region text NOT NULL;

-- PH. Says that it only adds, and takes away.
-- Downhaul says: contract-in-expand, drop-column

-- downhaul:phase expand
ALTER TABLE accounts ADD COLUMN locale varchar(10);
ALTER TABLE accounts DROP COLUMN created_at;

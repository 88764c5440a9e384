-- DL. A column with its values, every row's spelling, the cents below a cent, and all tokens.
-- Downhaul says: drop-loses-data, unbounded-delete-update, lossy-cast, truncate

ALTER TABLE accounts DROP COLUMN note;
UPDATE accounts SET email = lower(email);
ALTER TABLE entries ALTER COLUMN amount TYPE numeric(12,2);
TRUNCATE tokens;

-- DL. A column with its values, every row's spelling, and all tokens.
-- Downhaul says: drop-loses-data, unbounded-delete-update

ALTER TABLE accounts DROP COLUMN note;
UPDATE accounts SET email = lower(email);
DELETE FROM tokens;

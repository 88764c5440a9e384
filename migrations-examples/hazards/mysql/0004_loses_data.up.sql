-- DL. A column with its values, every row's spelling, the cents below a cent, and all tokens.
-- MySQL commits after every ALTER: what is gone is gone, whatever fails afterwards.
-- Downhaul says: drop-loses-data, unbounded-delete-update, lossy-cast, truncate

ALTER TABLE accounts DROP COLUMN note;
UPDATE accounts SET email = lower(email);
ALTER TABLE entries MODIFY amount decimal(12,2) NOT NULL;
TRUNCATE TABLE tokens;

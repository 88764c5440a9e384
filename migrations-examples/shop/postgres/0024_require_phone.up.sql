-- Bad, three times. One UPDATE over many rows; then a scan of the whole table under an
-- AccessExclusiveLock; and the running release still inserts customers without a phone, which
-- fails from now on. Better: a default first, CHECK (phone IS NOT NULL) NOT VALID, backfill,
-- VALIDATE, then SET NOT NULL, which needs no scan any more.
-- Downhaul says: set-not-null, set-not-null-scans, mixed-ddl-and-backfill

UPDATE customers SET phone = 'unknown' WHERE phone IS NULL;
ALTER TABLE customers ALTER COLUMN phone SET NOT NULL;

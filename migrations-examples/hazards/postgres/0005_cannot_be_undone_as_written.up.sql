-- RV. See the down: it forgets the index and makes the column shorter than it was.

DROP INDEX entries_account_id_idx;
ALTER TABLE entries DROP COLUMN reference;

-- RV. See the down: it forgets the index.

DROP INDEX tokens_account_id_idx;
ALTER TABLE bookings DROP COLUMN reference;

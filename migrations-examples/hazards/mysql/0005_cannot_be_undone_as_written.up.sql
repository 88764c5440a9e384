-- RV. See the down: it makes the column shorter than it was.

ALTER TABLE entries DROP COLUMN reference;

-- Bad. Between this migration and the end of the roll-out, every old instance fails on
-- `column "price_cents" does not exist`. 0014, 0015 and 0021 show the right way.
-- Downhaul says: rename-column

ALTER TABLE products RENAME COLUMN price_cents TO unit_price_cents;

-- Bad. Between this migration and the end of the roll-out, every old instance fails on
-- `no such column: price_cents`. 0011, 0012 and 0018 show the right way.
-- Downhaul says: rename-column

ALTER TABLE products RENAME COLUMN price_cents TO unit_price_cents;

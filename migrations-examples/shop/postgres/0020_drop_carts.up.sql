-- Bad. Carts were said to be unused.
-- Downhaul says: drop-table, drop-loses-data

DROP TABLE cart_items;
DROP TABLE carts;

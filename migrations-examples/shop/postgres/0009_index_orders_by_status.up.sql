-- Bad. The index build holds a ShareLock: nobody can place or change an order until it is done.
-- 0010 shows the right way.
-- Downhaul says: index-not-concurrent

CREATE INDEX orders_status_idx ON orders (status);

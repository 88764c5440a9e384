-- Good. CONCURRENTLY blocks no writes. It cannot run in a transaction, so it stands alone in its
-- file; were it cut off, Downhaul would find the invalid index and build it anew.

-- downhaul:no-transaction
CREATE INDEX CONCURRENTLY orders_placed_at_idx ON orders (placed_at);

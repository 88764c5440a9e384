-- Bad. Forgets both foreign key indexes and the default of quantity, and brings back empty tables.
-- Downhaul names every difference before it ships, and mends them when it has to go back.
-- Downhaul says: down-does-not-invert

CREATE TABLE carts (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    customer_id INTEGER NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
    touched_at  TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE cart_items (
    cart_id    INTEGER NOT NULL REFERENCES carts (id) ON DELETE CASCADE,
    product_id INTEGER NOT NULL REFERENCES products (id),
    quantity   INTEGER NOT NULL,
    PRIMARY KEY (cart_id, product_id)
);

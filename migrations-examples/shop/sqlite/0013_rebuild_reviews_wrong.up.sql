-- Bad. SQLite cannot add a CHECK to a table, so the table is made anew; its index and its trigger
-- go with the old one and nobody makes them again.
-- Downhaul says: sqlite-table-rebuild

CREATE TABLE reviews_new (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    product_id  INTEGER NOT NULL REFERENCES products (id),
    customer_id INTEGER NOT NULL REFERENCES customers (id),
    stars       INTEGER NOT NULL CHECK (stars BETWEEN 1 AND 5),
    body        TEXT,
    changed_at  TEXT,
    CONSTRAINT reviews_once_key UNIQUE (product_id, customer_id)
);
INSERT INTO reviews_new SELECT * FROM reviews;
DROP TABLE reviews;
ALTER TABLE reviews_new RENAME TO reviews;

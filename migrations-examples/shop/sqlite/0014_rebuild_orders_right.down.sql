-- downhaul:allow-file sqlite-table-rebuild "Downhaul sets the pragma before its transaction begins"
PRAGMA foreign_keys = OFF;

DROP VIEW order_summary;

CREATE TABLE orders_old (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    customer_id INTEGER NOT NULL REFERENCES customers (id),
    status      TEXT NOT NULL DEFAULT 'open',
    placed_at   TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT orders_status_check CHECK (status IN ('open', 'paid', 'shipped', 'cancelled'))
);
INSERT INTO orders_old (id, customer_id, status, placed_at)
SELECT id, customer_id, status, placed_at FROM orders;
DROP TABLE orders;
ALTER TABLE orders_old RENAME TO orders;

CREATE INDEX orders_customer_id_idx ON orders (customer_id);
CREATE INDEX orders_status_idx ON orders (status);

CREATE VIEW order_summary (id, customer_id, status, placed_at, lines, total_cents) AS
SELECT o.id, o.customer_id, o.status, o.placed_at, count(i.line),
       coalesce(sum(i.total_cents), 0)
FROM orders AS o
LEFT JOIN order_items AS i ON i.order_id = o.id
GROUP BY o.id;

PRAGMA foreign_keys = ON;

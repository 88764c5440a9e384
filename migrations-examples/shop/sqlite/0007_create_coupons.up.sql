-- Good.

CREATE TABLE coupons (
    code       TEXT PRIMARY KEY NOT NULL,
    kind       TEXT NOT NULL,
    value      INTEGER NOT NULL,
    valid_till TEXT
);

CREATE VIEW order_summary (id, customer_id, status, placed_at, lines, total_cents) AS
SELECT o.id, o.customer_id, o.status, o.placed_at, count(i.line),
       coalesce(sum(i.total_cents), 0)
FROM orders AS o
LEFT JOIN order_items AS i ON i.order_id = o.id
GROUP BY o.id;

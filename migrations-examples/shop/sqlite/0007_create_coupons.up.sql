-- Good.

CREATE TABLE coupons (
    code       TEXT PRIMARY KEY NOT NULL,
    kind       TEXT NOT NULL,
    value      INTEGER NOT NULL,
    valid_till TEXT
);

CREATE VIEW order_summary AS
SELECT o.id, o.customer_id, o.status, o.placed_at, count(i.line) AS lines,
       coalesce(sum(i.total_cents), 0) AS total_cents
FROM orders AS o
LEFT JOIN order_items AS i ON i.order_id = o.id
GROUP BY o.id;

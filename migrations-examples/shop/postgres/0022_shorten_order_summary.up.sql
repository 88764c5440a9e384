-- Bad. The running release still selects placed_at and lines from the view.
-- Downhaul says: drop-or-change-view

DROP VIEW order_summary;

CREATE VIEW order_summary (id, customer_id, status, total_cents) AS
SELECT o.id, o.customer_id, o.status, coalesce(sum(i.total_cents), 0)
FROM orders AS o
LEFT JOIN order_items AS i ON i.order_id = o.id
GROUP BY o.id;

-- What the new release writes after 0006: it knows neither phone numbers nor order notes.

INSERT INTO customers (email, full_name, country, created_at)
SELECT CONCAT('new.customer', n, '@example.com'), CONCAT('New Customer ', n), 'DE',
       '2026-02-01 08:00:00' + INTERVAL n * 5 MINUTE
FROM (SELECT id AS n FROM products WHERE id <= 60) AS series
ORDER BY n;

INSERT INTO orders (customer_id, status, placed_at)
SELECT c.id, 'paid', c.created_at + INTERVAL 1 HOUR
FROM customers AS c
WHERE c.email LIKE 'new.customer%'
ORDER BY c.id;

INSERT INTO order_items (order_id, line, product_id, quantity, price_cents)
SELECT o.id, 1, p.id, 1, p.price_cents
FROM orders AS o
JOIN products AS p ON p.id = 1 + o.id % 500
WHERE o.id > 20000;

INSERT INTO payments (order_id, method, amount_cents, paid_at)
SELECT o.id, 'card', i.price_cents, o.placed_at + INTERVAL 2 MINUTE
FROM orders AS o
JOIN order_items AS i ON i.order_id = o.id
WHERE o.id > 20000
ORDER BY o.id;

INSERT INTO sessions (token, customer_id, expires_at)
SELECT LEFT(SHA2(CONCAT('new session ', n), 256), 32), n * 40, '2026-03-01 00:00:00'
FROM (SELECT id AS n FROM products WHERE id <= 100) AS series;

-- Customers marry and move, one writes her address in a new way, orders leave the house.
UPDATE customers SET full_name = CONCAT(full_name, '-Lind') WHERE id % 50 = 0 AND id <= 5000;
UPDATE customers SET country = 'DK' WHERE id % 77 = 0 AND id <= 5000;
UPDATE customers SET email = 'ada.new@example.com' WHERE id = 8;
UPDATE orders SET status = 'shipped' WHERE status = 'paid' AND id % 9 = 0;

-- Some hundred rows for the schema of 0008. Always the same.

WITH RECURSIVE series(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM series WHERE n < 200)
INSERT INTO customers (email, full_name, country, created_at, phone)
SELECT 'Customer.' || n || '@Example.com', 'Customer ' || char(65 + n % 26) || ' ' || n,
       substr('DEFRDK', 1 + 2 * (n % 3), 2), datetime('2025-01-01', n || ' hours'),
       CASE WHEN n % 4 > 0 THEN '+49 30 ' || (1000 + n) END
FROM series;

WITH RECURSIVE series(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM series WHERE n < 16)
INSERT INTO categories (parent_id, name)
SELECT CASE WHEN n > 4 THEN 1 + n % 4 END, 'Category ' || n FROM series;

WITH RECURSIVE series(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM series WHERE n < 50)
INSERT INTO products (category_id, sku, name, price_cents, attributes)
SELECT 1 + n % 16, 'SKU-' || n, 'Product ' || n, n * 10, '{"weight": ' || n || '}' FROM series;

WITH RECURSIVE series(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM series WHERE n < 600)
INSERT INTO orders (customer_id, status, placed_at)
SELECT 1 + n % 200,
       CASE n % 4 WHEN 0 THEN 'open' WHEN 1 THEN 'paid' WHEN 2 THEN 'shipped' ELSE 'cancelled' END,
       datetime('2025-06-01', (n * 7) || ' minutes')
FROM series;

INSERT INTO order_items (order_id, line, product_id, quantity, price_cents)
SELECT o.id, l.line, 1 + (o.id + l.line) % 50, 1 + o.id % 3, 10 * o.id
FROM orders AS o, (SELECT 1 AS line UNION ALL SELECT 2) AS l;

INSERT INTO payments (order_id, method, amount_cents, paid_at)
SELECT id, 'card', 100 + id, placed_at FROM orders WHERE status IN ('paid', 'shipped') ORDER BY id;

INSERT INTO sessions (token, customer_id, expires_at, data)
SELECT printf('%016x', id * 2654435761), id, '2026-01-01 00:00:00', CAST('data ' || id AS BLOB)
FROM customers WHERE id <= 150;

INSERT INTO carts (customer_id, touched_at)
SELECT id, '2025-07-01 00:00:00' FROM customers WHERE id <= 80;

INSERT INTO cart_items (cart_id, product_id, quantity) SELECT id, 1 + id % 50, 2 FROM carts;

INSERT INTO reviews (product_id, customer_id, stars, body)
SELECT 1 + id % 50, id, 1 + id % 5,
       CASE WHEN id % 3 > 0 THEN 'It''s "good";' || char(10) || 'really.' END
FROM customers WHERE id <= 120;

INSERT INTO coupons (code, kind, value, valid_till) VALUES
    ('SPRING-2026', 'percent', 10, '2026-05-31'),
    ('WELCOME', 'amount', 500, NULL),
    ('ÜBERRASCHUNG-1', 'percent', 25, '9999-12-31');

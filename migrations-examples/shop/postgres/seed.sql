-- Some hundred rows for the schema of 0008. Always the same.

INSERT INTO customers (email, full_name, country, created_at, phone)
SELECT 'Customer.' || n || '@Example.com', 'Customer ' || chr(64 + n % 26 + 1) || ' ' || n,
       (ARRAY['DE', 'FR', 'DK'])[1 + n % 3], timestamptz '2025-01-01 00:00:00+00' + n * interval '1 hour',
       CASE WHEN n % 4 > 0 THEN '+49 30 ' || 1000 + n END
FROM generate_series(1, 200) AS n;

INSERT INTO categories (parent_id, name)
SELECT CASE WHEN n > 4 THEN 1 + n % 4 END, 'Category ' || n FROM generate_series(1, 16) AS n;

INSERT INTO products (category_id, sku, name, price_cents, attributes)
SELECT 1 + n % 16, 'SKU-' || n, 'Product ' || n, n * 10, jsonb_build_object('weight', n)
FROM generate_series(1, 50) AS n;

INSERT INTO orders (customer_id, status, placed_at)
SELECT 1 + n % 200, (ARRAY['open', 'paid', 'shipped', 'cancelled'])[1 + n % 4],
       timestamptz '2025-06-01 00:00:00+00' + n * interval '7 minutes'
FROM generate_series(1, 600) AS n;

INSERT INTO order_items (order_id, line, product_id, quantity, price_cents)
SELECT n, line, 1 + (n + line) % 50, 1 + n % 3, 10 * n
FROM generate_series(1, 600) AS n, generate_series(1, 2) AS line;

INSERT INTO payments (order_id, method, amount_cents)
SELECT id, 'card', 100 + id FROM orders WHERE status IN ('paid', 'shipped') ORDER BY id;

INSERT INTO sessions (token, customer_id, expires_at, data)
SELECT md5('session ' || n)::uuid, n, timestamptz '2026-01-01 00:00:00+00',
       decode(md5(n::text), 'hex')
FROM generate_series(1, 150) AS n;

INSERT INTO carts (customer_id, touched_at)
SELECT n, timestamptz '2025-07-01 00:00:00+00' FROM generate_series(1, 80) AS n;

INSERT INTO cart_items (cart_id, product_id, quantity)
SELECT n, 1 + n % 50, 2 FROM generate_series(1, 80) AS n;

INSERT INTO reviews (product_id, customer_id, stars, body)
SELECT 1 + n % 50, n, 1 + n % 5, CASE WHEN n % 3 > 0 THEN 'It''s "good";' || chr(10) || 'really.' END
FROM generate_series(1, 120) AS n;

INSERT INTO coupons (code, kind, value, valid_till) VALUES
    ('SPRING-2026', 'percent', 10, '2026-05-31'),
    ('WELCOME', 'amount', 500, NULL),
    ('ÜBERRASCHUNG-1', 'percent', 25, 'infinity');

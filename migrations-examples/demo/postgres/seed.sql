-- The same rows at every run: everything follows from the row's number.

INSERT INTO customers (email, full_name, country, created_at, phone, marketing_opt_in)
SELECT
    (ARRAY['Ada', 'Grace', 'Linus', 'Edsger', 'Barbara', 'Donald', 'Margaret', 'Ken'])[1 + n % 8]
        || '.' || (ARRAY['Berg', 'Costa', 'Dubois', 'Egede', 'Ferri', 'García', 'Horváth'])[1 + n % 7]
        || n || '@' || (ARRAY['Example.com', 'example.org', 'Mail.Example.net'])[1 + n % 3],
    (ARRAY['Ada', 'Grace', 'Linus', 'Edsger', 'Barbara', 'Donald', 'Margaret', 'Ken'])[1 + n % 8]
        || ' ' || (ARRAY['Berg', 'Costa', 'Dubois', 'Egede', 'Ferri', 'García', 'Horváth'])[1 + n % 7],
    (ARRAY['DE', 'FR', 'ES', 'IT', 'HU', 'DK'])[1 + n % 6],
    timestamptz '2024-01-01 08:00:00+00' + n * interval '97 minutes',
    CASE WHEN n % 5 = 0 THEN NULL
         ELSE '+49 30 ' || lpad((n * 7919 % 10000000)::text, 7, '0') END,
    n % 3 = 0
FROM generate_series(1, 5000) AS n;

INSERT INTO products (sku, name, price_cents)
SELECT
    'SKU-' || lpad(n::text, 4, '0'),
    (ARRAY['Oak', 'Steel', 'Linen', 'Copper', 'Wool'])[1 + n % 5] || ' '
        || (ARRAY['Table', 'Lamp', 'Chair', 'Shelf', 'Blanket', 'Kettle'])[1 + n % 6] || ' ' || n,
    500 + n * 137 % 20000
FROM generate_series(1, 500) AS n;

INSERT INTO orders (customer_id, status, placed_at)
SELECT
    1 + n * 7919 % 5000,
    CASE WHEN n % 20 = 0 THEN 'cancelled' WHEN n % 10 < 7 THEN 'shipped' ELSE 'paid' END,
    timestamptz '2025-01-01 09:00:00+00' + n * interval '23 minutes'
FROM generate_series(1, 20000) AS n;

INSERT INTO order_items (order_id, line, product_id, quantity, price_cents)
SELECT n, line, p.id, 1 + (n + line) % 4, p.price_cents
FROM generate_series(1, 20000) AS n
CROSS JOIN generate_series(1, 2) AS line
JOIN products AS p ON p.id = 1 + (n * 31 + line * 17) % 500
ORDER BY n, line;

INSERT INTO payments (order_id, method, amount_cents, paid_at)
SELECT
    o.id,
    (ARRAY['card', 'card', 'transfer', 'voucher'])[1 + o.id % 4],
    sum(i.quantity * i.price_cents),
    o.placed_at + interval '3 minutes'
FROM orders AS o
JOIN order_items AS i ON i.order_id = o.id
WHERE o.status <> 'cancelled'
GROUP BY o.id
ORDER BY o.id;

INSERT INTO sessions (token, customer_id, expires_at)
SELECT
    md5('session ' || n),
    1 + n * 13 % 5000,
    timestamptz '2026-01-01 00:00:00+00' + n * interval '11 minutes'
FROM generate_series(1, 8000) AS n;

INSERT INTO order_notes (order_id, author, body, written_at)
SELECT
    1 + n * 3 % 20000,
    (ARRAY['Mia', 'Noor', 'Olek'])[1 + n % 3],
    (ARRAY['Ring twice.', 'Customer asked for a gift wrap.', 'Refund promised: "next week".',
           E'Left at the neighbour''s.\nCalled back.'])[1 + n % 4] || ' #' || n,
    timestamptz '2025-02-01 10:00:00+00' + n * interval '71 minutes'
FROM generate_series(1, 6000) AS n;

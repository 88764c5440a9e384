-- The same rows at every run: everything follows from the row's number.

CREATE TABLE numbers (n integer NOT NULL PRIMARY KEY);
INSERT INTO numbers VALUES (1);
INSERT INTO numbers SELECT n + 1 FROM numbers;
INSERT INTO numbers SELECT n + 2 FROM numbers;
INSERT INTO numbers SELECT n + 4 FROM numbers;
INSERT INTO numbers SELECT n + 8 FROM numbers;
INSERT INTO numbers SELECT n + 16 FROM numbers;
INSERT INTO numbers SELECT n + 32 FROM numbers;
INSERT INTO numbers SELECT n + 64 FROM numbers;
INSERT INTO numbers SELECT n + 128 FROM numbers;
INSERT INTO numbers SELECT n + 256 FROM numbers;
INSERT INTO numbers SELECT n + 512 FROM numbers;
INSERT INTO numbers SELECT n + 1024 FROM numbers;
INSERT INTO numbers SELECT n + 2048 FROM numbers;
INSERT INTO numbers SELECT n + 4096 FROM numbers;
INSERT INTO numbers SELECT n + 8192 FROM numbers;
INSERT INTO numbers SELECT n + 16384 FROM numbers;

INSERT INTO customers (email, full_name, country, created_at, phone, marketing_opt_in)
SELECT
    CONCAT(
        ELT(1 + n % 8, 'Ada', 'Grace', 'Linus', 'Edsger', 'Barbara', 'Donald', 'Margaret', 'Ken'),
        '.', ELT(1 + n % 7, 'Berg', 'Costa', 'Dubois', 'Egede', 'Ferri', 'García', 'Horváth'),
        n, '@', ELT(1 + n % 3, 'Example.com', 'example.org', 'Mail.Example.net')),
    CONCAT(
        ELT(1 + n % 8, 'Ada', 'Grace', 'Linus', 'Edsger', 'Barbara', 'Donald', 'Margaret', 'Ken'),
        ' ', ELT(1 + n % 7, 'Berg', 'Costa', 'Dubois', 'Egede', 'Ferri', 'García', 'Horváth')),
    ELT(1 + n % 6, 'DE', 'FR', 'ES', 'IT', 'HU', 'DK'),
    '2024-01-01 08:00:00' + INTERVAL n * 97 MINUTE,
    CASE WHEN n % 5 = 0 THEN NULL ELSE CONCAT('+49 30 ', LPAD(n * 7919 % 10000000, 7, '0')) END,
    n % 3 = 0
FROM (SELECT n FROM numbers WHERE n <= 5000) AS series
ORDER BY n;

INSERT INTO products (sku, name, price_cents)
SELECT
    CONCAT('SKU-', LPAD(n, 4, '0')),
    CONCAT(
        ELT(1 + n % 5, 'Oak', 'Steel', 'Linen', 'Copper', 'Wool'), ' ',
        ELT(1 + n % 6, 'Table', 'Lamp', 'Chair', 'Shelf', 'Blanket', 'Kettle'), ' ', n),
    500 + n * 137 % 20000
FROM (SELECT n FROM numbers WHERE n <= 500) AS series
ORDER BY n;

INSERT INTO orders (id, customer_id, status, placed_at)
SELECT
    n,
    1 + n * 7919 % 5000,
    CASE WHEN n % 20 = 0 THEN 'cancelled' WHEN n % 10 < 7 THEN 'shipped' ELSE 'paid' END,
    '2025-01-01 09:00:00' + INTERVAL n * 23 MINUTE
FROM (SELECT n FROM numbers WHERE n <= 20000) AS series
ORDER BY n;

INSERT INTO order_items (order_id, line, product_id, quantity, price_cents)
SELECT o.id, l.line, p.id, 1 + (o.id + l.line) % 4, p.price_cents
FROM orders AS o
CROSS JOIN (SELECT 1 AS line UNION ALL SELECT 2) AS l
JOIN products AS p ON p.id = 1 + (o.id * 31 + l.line * 17) % 500
ORDER BY o.id, l.line;

INSERT INTO payments (order_id, method, amount_cents, paid_at)
SELECT
    o.id,
    ELT(1 + o.id % 4, 'card', 'card', 'transfer', 'voucher'),
    SUM(i.quantity * i.price_cents),
    o.placed_at + INTERVAL 3 MINUTE
FROM orders AS o
JOIN order_items AS i ON i.order_id = o.id
WHERE o.status <> 'cancelled'
GROUP BY o.id, o.placed_at
ORDER BY o.id;

INSERT INTO sessions (token, customer_id, expires_at)
SELECT
    LEFT(SHA2(CONCAT('session ', n), 256), 32),
    1 + n * 13 % 5000,
    '2026-01-01 00:00:00' + INTERVAL n * 11 MINUTE
FROM (SELECT n FROM numbers WHERE n <= 8000) AS series;

INSERT INTO order_notes (order_id, author, body, written_at)
SELECT
    1 + n * 3 % 20000,
    ELT(1 + n % 3, 'Mia', 'Noor', 'Olek'),
    CONCAT(
        ELT(1 + n % 4, 'Ring twice.', 'Customer asked for a gift wrap.',
            'Refund promised: "next week".', 'Left at the neighbour''s.\nCalled back.'), ' #', n),
    '2025-02-01 10:00:00' + INTERVAL n * 71 MINUTE
FROM (SELECT n FROM numbers WHERE n <= 6000) AS series
ORDER BY n;

DROP TABLE numbers;

-- The same rows at every run: everything follows from the row's number.

WITH RECURSIVE
    series(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM series WHERE n < 5000),
    people(n, first, last, host) AS (
        SELECT n,
               CASE n % 8 WHEN 0 THEN 'Ada' WHEN 1 THEN 'Grace' WHEN 2 THEN 'Linus'
                          WHEN 3 THEN 'Edsger' WHEN 4 THEN 'Barbara' WHEN 5 THEN 'Donald'
                          WHEN 6 THEN 'Margaret' ELSE 'Ken' END,
               CASE n % 7 WHEN 0 THEN 'Berg' WHEN 1 THEN 'Costa' WHEN 2 THEN 'Dubois'
                          WHEN 3 THEN 'Egede' WHEN 4 THEN 'Ferri' WHEN 5 THEN 'García'
                          ELSE 'Horváth' END,
               CASE n % 3 WHEN 0 THEN 'Example.com' WHEN 1 THEN 'example.org'
                          ELSE 'Mail.Example.net' END
        FROM series
    )
INSERT INTO customers (email, full_name, country, created_at, phone, marketing_opt_in)
SELECT
    first || '.' || last || n || '@' || host,
    first || ' ' || last,
    substr('DEFRESITHUDK', 1 + 2 * (n % 6), 2),
    datetime('2024-01-01 08:00:00', (n * 97) || ' minutes'),
    CASE WHEN n % 5 = 0 THEN NULL ELSE '+49 30 ' || printf('%07d', n * 7919 % 10000000) END,
    n % 3 = 0
FROM people;

WITH RECURSIVE series(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM series WHERE n < 500)
INSERT INTO products (sku, name, price_cents)
SELECT
    printf('SKU-%04d', n),
    CASE n % 5 WHEN 0 THEN 'Oak' WHEN 1 THEN 'Steel' WHEN 2 THEN 'Linen' WHEN 3 THEN 'Copper'
               ELSE 'Wool' END || ' '
        || CASE n % 6 WHEN 0 THEN 'Table' WHEN 1 THEN 'Lamp' WHEN 2 THEN 'Chair'
                      WHEN 3 THEN 'Shelf' WHEN 4 THEN 'Blanket' ELSE 'Kettle' END || ' ' || n,
    500 + n * 137 % 20000
FROM series;

WITH RECURSIVE series(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM series WHERE n < 20000)
INSERT INTO orders (customer_id, status, placed_at)
SELECT
    1 + n * 7919 % 5000,
    CASE WHEN n % 20 = 0 THEN 'cancelled' WHEN n % 10 < 7 THEN 'shipped' ELSE 'paid' END,
    datetime('2025-01-01 09:00:00', (n * 23) || ' minutes')
FROM series;

INSERT INTO order_items (order_id, line, product_id, quantity, price_cents)
SELECT o.id, l.line, p.id, 1 + (o.id + l.line) % 4, p.price_cents
FROM orders AS o
CROSS JOIN (SELECT 1 AS line UNION ALL SELECT 2) AS l
JOIN products AS p ON p.id = 1 + (o.id * 31 + l.line * 17) % 500
ORDER BY o.id, l.line;

INSERT INTO payments (order_id, method, amount_cents, paid_at)
SELECT
    o.id,
    CASE o.id % 4 WHEN 2 THEN 'transfer' WHEN 3 THEN 'voucher' ELSE 'card' END,
    sum(i.quantity * i.price_cents),
    datetime(o.placed_at, '3 minutes')
FROM orders AS o
JOIN order_items AS i ON i.order_id = o.id
WHERE o.status <> 'cancelled'
GROUP BY o.id
ORDER BY o.id;

WITH RECURSIVE series(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM series WHERE n < 8000)
INSERT INTO sessions (token, customer_id, expires_at)
SELECT
    printf('%08x%08x', n * 2654435761 % 4294967296, n),
    1 + n * 13 % 5000,
    datetime('2026-01-01 00:00:00', (n * 11) || ' minutes')
FROM series;

WITH RECURSIVE series(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM series WHERE n < 6000)
INSERT INTO order_notes (order_id, author, body, written_at)
SELECT
    1 + n * 3 % 20000,
    CASE n % 3 WHEN 0 THEN 'Mia' WHEN 1 THEN 'Noor' ELSE 'Olek' END,
    CASE n % 4 WHEN 0 THEN 'Ring twice.' WHEN 1 THEN 'Customer asked for a gift wrap.'
               WHEN 2 THEN 'Refund promised: "next week".'
               ELSE 'Left at the neighbour''s.' || char(10) || 'Called back.' END || ' #' || n,
    datetime('2025-02-01 10:00:00', (n * 71) || ' minutes')
FROM series;

-- A budget: the schema on which the cases of sqlite_fifth.tsv are measured, with rows in every table.
CREATE TABLE accounts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL DEFAULT 'bank' CHECK (kind IN ('bank', 'cash', 'card')),
    currency VARCHAR(3) NOT NULL DEFAULT 'EUR',
    balance INTEGER NOT NULL DEFAULT 0,
    note TEXT,
    closed_at DATETIME
);
WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 1000)
INSERT INTO accounts (id, name, note) SELECT n, 'Account ' || n, hex(zeroblob(80)) FROM c;
CREATE TABLE categories (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES categories (id), label TEXT NOT NULL, color TEXT DEFAULT '#fff', memo TEXT);
WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 1000)
INSERT INTO categories (id, label, memo) SELECT n, 'Category ' || n, hex(zeroblob(70)) FROM c;
CREATE UNIQUE INDEX categories_label ON categories (label COLLATE NOCASE);
CREATE TABLE transactions (
    id INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    category_id INTEGER REFERENCES categories (id) ON DELETE SET NULL,
    booked TEXT NOT NULL,
    amount INTEGER NOT NULL,
    payee TEXT,
    reconciled BOOLEAN NOT NULL DEFAULT 0,
    reference TEXT,
    updated_at TEXT
);
WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 1500)
INSERT INTO transactions (id, account_id, category_id, booked, amount, payee, reference, updated_at) SELECT n, 1 + n % 900, 1 + n % 900, '2024-01-01', n, hex(zeroblob(40)), 'r' || n, '2024-01-01' FROM c;
CREATE INDEX transactions_account ON transactions (account_id, booked);
CREATE INDEX transactions_category ON transactions (category_id);
CREATE TABLE budgets (month TEXT NOT NULL, category_id INTEGER NOT NULL, cents INTEGER NOT NULL, spare TEXT, PRIMARY KEY (month, category_id)) WITHOUT ROWID;
WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 1200)
INSERT INTO budgets SELECT '2024-01', n, n, hex(zeroblob(60)) FROM c;
CREATE TABLE rates (day TEXT, currency TEXT, rate REAL, source BLOB);
WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 1200)
INSERT INTO rates SELECT '2024-01-' || n, 'USD', 1.1, zeroblob(130) FROM c;
CREATE VIEW open_accounts AS SELECT id, name, balance FROM accounts WHERE closed_at IS NULL;
CREATE TRIGGER transactions_touch AFTER UPDATE OF amount, payee ON transactions BEGIN UPDATE transactions SET updated_at = CURRENT_TIMESTAMP WHERE id = NEW.id; END;

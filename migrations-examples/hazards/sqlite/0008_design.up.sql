-- DS. Two that cost later: a foreign key without an index, a table without a key.
-- Downhaul says: foreign-key-without-index, table-without-primary-key

CREATE TABLE invoices (
    number     INTEGER PRIMARY KEY,
    account_id INTEGER REFERENCES accounts (id),
    total      REAL
);

CREATE TABLE audit (at TEXT, what TEXT);

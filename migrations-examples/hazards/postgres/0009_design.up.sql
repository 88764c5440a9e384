-- DS. Taste, except for the two that cost later: a foreign key without an index, a table without
-- a key.
-- Downhaul says: foreign-key-without-index, table-without-primary-key

CREATE TABLE invoices (
    number     serial PRIMARY KEY,
    account_id bigint REFERENCES accounts (id),
    total      money,
    issued_at  timestamp,
    code       char(10)
);

CREATE TABLE audit (at timestamp, what json);

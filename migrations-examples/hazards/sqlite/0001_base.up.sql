-- The tables that the hazards happen to.

CREATE TABLE accounts (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    email      TEXT NOT NULL,
    full_name  TEXT NOT NULL,
    plan       TEXT NOT NULL DEFAULT 'free',
    note       TEXT,
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE entries (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL,
    amount     NUMERIC NOT NULL,
    reference  TEXT
);

CREATE INDEX entries_account_id_idx ON entries (account_id);

CREATE TABLE tokens (
    token      TEXT PRIMARY KEY NOT NULL,
    account_id INTEGER NOT NULL REFERENCES accounts (id)
);

CREATE INDEX tokens_account_id_idx ON tokens (account_id);

-- Good. A new table blocks nobody: no running release reads it yet.

CREATE TABLE customers (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    email      TEXT NOT NULL,
    full_name  TEXT NOT NULL,
    country    TEXT NOT NULL CHECK (length(country) = 2),
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT customers_email_key UNIQUE (email)
);

-- A library: people who know each other, books, and who has them.
CREATE TABLE person (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    email TEXT UNIQUE,
    mentor INTEGER REFERENCES person (id) ON DELETE SET NULL ON UPDATE CASCADE,
    deputy INTEGER REFERENCES person (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    active BOOLEAN NOT NULL DEFAULT 1,
    label TEXT GENERATED ALWAYS AS (lower(name) || coalesce(email, '')) STORED
);
CREATE UNIQUE INDEX person_active_name ON person (lower(name)) WHERE active AND email IS NULL;
CREATE TABLE shelf (
    code TEXT PRIMARY KEY NOT NULL,
    keeper INTEGER UNIQUE DEFAULT 1 REFERENCES person (id) ON DELETE SET DEFAULT ON UPDATE CASCADE,
    rank INTEGER UNIQUE
) WITHOUT ROWID;
-- Two that refer to each other.
CREATE TABLE book (
    id INTEGER PRIMARY KEY,
    shelf TEXT REFERENCES shelf (code) ON DELETE CASCADE ON UPDATE CASCADE,
    loan INTEGER REFERENCES loan (number) ON DELETE SET NULL ON UPDATE CASCADE,
    title TEXT NOT NULL,
    price REAL,
    cover BLOB,
    CHECK (price IS NULL OR price >= 0)
);
CREATE TABLE loan (
    number INTEGER PRIMARY KEY,
    book INTEGER UNIQUE REFERENCES book (id) ON DELETE CASCADE,
    person INTEGER REFERENCES person (id) ON DELETE SET NULL ON UPDATE CASCADE,
    due DATE
);

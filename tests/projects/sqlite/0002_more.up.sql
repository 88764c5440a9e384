CREATE TABLE note (
    book INTEGER REFERENCES book (id) ON DELETE CASCADE ON UPDATE CASCADE,
    line INTEGER,
    stars INTEGER NOT NULL,
    text TEXT,
    PRIMARY KEY (book, line)
);
-- Without a key.
CREATE TABLE payment (
    person INTEGER REFERENCES person (id) ON DELETE SET NULL ON UPDATE CASCADE,
    amount NUMERIC,
    by
);
-- Told apart by what is not its primary key.
CREATE TABLE setting (
    name TEXT NOT NULL UNIQUE,
    value BLOB
);
CREATE TABLE exact (
    id INTEGER PRIMARY KEY,
    a INT,
    b TEXT,
    c ANY,
    UNIQUE (a, b)
) STRICT;
ALTER TABLE book ADD COLUMN stars INTEGER NOT NULL DEFAULT 0;
-- The stars of a book follow its notes.
CREATE TRIGGER stars_more AFTER INSERT ON note BEGIN
    UPDATE book SET stars = (SELECT total(stars) FROM note WHERE book = NEW.book) WHERE id = NEW.book;
END;
CREATE TRIGGER stars_less AFTER DELETE ON note BEGIN
    UPDATE book SET stars = (SELECT total(stars) FROM note WHERE book = OLD.book) WHERE id = OLD.book;
END;
-- Who goes is remembered.
CREATE TABLE gone (id INTEGER, name TEXT, how INTEGER NOT NULL DEFAULT 1);
CREATE TRIGGER tidy BEFORE DELETE ON person BEGIN
    INSERT INTO gone (id, name) VALUES (OLD.id, OLD.name);
    UPDATE shelf SET rank = NULL WHERE keeper = OLD.id;
END;

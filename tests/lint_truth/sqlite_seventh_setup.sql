-- A reader of books: the schema on which the cases of sqlite_seventh.tsv are measured, with rows in every
-- table.
CREATE TABLE numbers (n INTEGER PRIMARY KEY);
INSERT INTO numbers WITH RECURSIVE up (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < 700) SELECT n FROM up;
CREATE TABLE options (name TEXT PRIMARY KEY NOT NULL, value TEXT, is_synced INTEGER DEFAULT 0 NOT NULL);
INSERT INTO options (name, value) VALUES ('theme', 'black'), ('fontSize', '12'), ('encryption_session_timeout', '600'), ('hide_images', '1'), ('version', '12');
CREATE TABLE info (property TEXT PRIMARY KEY, value TEXT NOT NULL);
INSERT INTO info VALUES ('version', '9'), ('updated', '1700000000');
CREATE TABLE users (
    id TEXT PRIMARY KEY NOT NULL,
    email TEXT NOT NULL,
    name TEXT,
    role TEXT DEFAULT 'user',
    password TEXT,
    bio TEXT
);
CREATE UNIQUE INDEX users_email_unique ON users (email);
INSERT INTO users (id, email, name, role, bio) SELECT 'u' || n, 'reader' || n || '@books.example', 'Reader ' || n, CASE n % 50 WHEN 0 THEN 'uploader' ELSE 'user' END, hex(zeroblob(120)) FROM numbers;
CREATE TABLE user_settings (user_id TEXT PRIMARY KEY NOT NULL, timezone TEXT DEFAULT 'UTC', open_action TEXT NOT NULL DEFAULT 'resume', FOREIGN KEY (user_id) REFERENCES users (id) ON UPDATE NO ACTION ON DELETE CASCADE);
INSERT INTO user_settings (user_id, timezone) SELECT 'u' || n, 'Europe/Oslo' FROM numbers;
CREATE TABLE authors (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name VARCHAR(150) NOT NULL,
    sort_name TEXT,
    born INTEGER,
    about TEXT
);
INSERT INTO authors (name, sort_name, about) SELECT 'Author ' || n, 'author ' || n, hex(zeroblob(120)) FROM numbers;
CREATE TABLE books (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    title TEXT NOT NULL,
    author_id INTEGER REFERENCES authors (id) ON UPDATE CASCADE ON DELETE SET NULL,
    isbn VARCHAR(20),
    file_path TEXT NOT NULL,
    file_hash TEXT NOT NULL DEFAULT '',
    weight INTEGER DEFAULT 2000,
    rating INTEGER,
    is_deleted INTEGER NOT NULL DEFAULT 0,
    content TEXT,
    created_date DATETIME NOT NULL DEFAULT (DATETIME('now'))
);
CREATE INDEX books_author_id ON books (author_id);
CREATE INDEX books_title ON books (title);
INSERT INTO books (title, author_id, isbn, file_path, rating, is_deleted, content, created_date) SELECT 'Book ' || n, n, '978' || n, '/books/' || n || '.epub', n % 5, n % 40 = 0, hex(zeroblob(120)), '2024-01-01 00:00:00' FROM numbers;
CREATE TABLE book_metadata (
    book_id INTEGER NOT NULL PRIMARY KEY,
    summary TEXT NOT NULL DEFAULT '',
    publisher TEXT,
    issued_time INTEGER,
    paid_time INTEGER,
    FOREIGN KEY (book_id) REFERENCES books (id)
);
INSERT INTO book_metadata (book_id, summary, publisher, issued_time, paid_time) SELECT n, hex(zeroblob(120)), 'House ' || n % 9, 1600000000 + n, 1600000000 FROM numbers;
CREATE TABLE book_tags (tag TEXT NOT NULL, book_id INTEGER NOT NULL REFERENCES books (id) ON DELETE CASCADE);
CREATE INDEX book_tags_book ON book_tags (book_id);
INSERT INTO book_tags SELECT CASE n % 3 WHEN 0 THEN ' Fiction' ELSE 'History' END, n FROM numbers;
INSERT INTO book_tags SELECT 'history', n FROM numbers WHERE n % 3 > 0;
CREATE TABLE notes (
    note_id TEXT NOT NULL PRIMARY KEY,
    title TEXT,
    content TEXT,
    is_protected INT NOT NULL DEFAULT 0,
    is_deleted INT NOT NULL DEFAULT 0,
    date_modified TEXT NOT NULL DEFAULT '1970-01-01T00:00:00.000Z'
);
CREATE INDEX IDX_notes_is_deleted ON notes (is_deleted);
INSERT INTO notes (note_id, title, content, is_deleted) SELECT 'n' || n, 'Note ' || n, hex(zeroblob(120)), n % 10 = 0 FROM numbers;
CREATE TABLE note_tree (
    note_tree_id TEXT NOT NULL PRIMARY KEY,
    note_id TEXT NOT NULL,
    parent_note_id TEXT NOT NULL,
    note_position INTEGER NOT NULL,
    prefix TEXT,
    is_expanded BOOLEAN
);
CREATE INDEX IDX_note_tree_note_id_parent ON note_tree (note_id, parent_note_id);
INSERT INTO note_tree SELECT 't' || n, 'n' || n, 'root', n, hex(zeroblob(100)), 0 FROM numbers;
CREATE TABLE recent_notes (note_tree_id TEXT NOT NULL PRIMARY KEY, note_path TEXT NOT NULL, date_accessed TEXT NOT NULL);
INSERT INTO recent_notes SELECT 't' || n, 'root/n' || n, '2024-05-05' FROM numbers WHERE n <= 20;
CREATE TABLE shelves (id TEXT PRIMARY KEY, name TEXT UNIQUE, is_default INTEGER DEFAULT 0, sort_order REAL, tombstone INTEGER DEFAULT 0);
INSERT INTO shelves (id, name, sort_order) SELECT 's' || n, 'Shelf ' || n, n FROM numbers WHERE n <= 30;
CREATE TABLE shelf_books (
    shelf_id TEXT NOT NULL,
    book_id INTEGER NOT NULL REFERENCES books (id),
    added INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (shelf_id, book_id)
);
INSERT INTO shelf_books SELECT 's' || (1 + n % 30), n, 1700000000 FROM numbers;
CREATE TABLE progress (
    id TEXT PRIMARY KEY,
    book_id INTEGER NOT NULL REFERENCES books (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    page INTEGER NOT NULL,
    is_child INTEGER NOT NULL DEFAULT 0,
    witness TEXT,
    finished BOOLEAN NOT NULL DEFAULT 0,
    linked_id TEXT,
    locator TEXT
);
CREATE INDEX progress_user ON progress (user_id);
INSERT INTO progress (id, book_id, user_id, page, is_child, witness, linked_id, locator) SELECT CASE n % 2 WHEN 0 THEN 'p' || n ELSE 'p' || n || '/1' END, n, 'u' || n, n, n % 2, hex(zeroblob(120)), 'p' || (n + 1), CASE WHEN n % 7 = 0 THEN 'loc' || n END FROM numbers;
CREATE TABLE feeds (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    address TEXT UNIQUE NOT NULL,
    enabled BOOLEAN NOT NULL DEFAULT 1,
    date_modified INTEGER NOT NULL DEFAULT (cast(strftime('%s', 'now') AS int)),
    comment TEXT
);
INSERT INTO feeds (address, comment, date_modified) SELECT 'https://opds.example/' || n, hex(zeroblob(100)), 1700000000 FROM numbers;
CREATE TRIGGER tr_feeds_update AFTER UPDATE ON feeds BEGIN
    UPDATE feeds SET date_modified = 1800000000 WHERE address = NEW.address;
END;
CREATE TABLE feed_groups (feed_id INTEGER NOT NULL, group_id INTEGER NOT NULL, PRIMARY KEY (feed_id, group_id));
INSERT INTO feed_groups SELECT n, n % 4 FROM numbers;
CREATE TABLE event_log (id TEXT PRIMARY KEY, note_id TEXT, comment TEXT, date_added TEXT NOT NULL);
INSERT INTO event_log SELECT 'e' || n, 'n' || n, hex(zeroblob(120)), '2024-02-02' FROM numbers;
CREATE TABLE invites (id TEXT PRIMARY KEY NOT NULL, email TEXT NOT NULL, token TEXT NOT NULL, expires_at INTEGER);
INSERT INTO invites SELECT 'i' || n, 'guest' || n || '@books.example', 'tok' || n, 1800000000 FROM numbers;
CREATE TABLE login_locations (user_id TEXT NOT NULL, ip TEXT NOT NULL, last_seen INTEGER NOT NULL, PRIMARY KEY (user_id, ip)) STRICT;
INSERT INTO login_locations SELECT 'u' || n, '10.0.0.' || n % 250, 1700000000 FROM numbers;
CREATE VIEW v_books AS SELECT b.id AS id, b.title AS title, a.name AS author, b.rating AS rating FROM books b LEFT JOIN authors a ON a.id = b.author_id WHERE b.is_deleted = 0;
CREATE VIEW v_reading AS SELECT p.user_id, p.book_id, p.page FROM progress p WHERE p.finished = 0;

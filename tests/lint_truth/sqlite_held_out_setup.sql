-- Notes: the schema on which the cases of sqlite_held_out.tsv are measured, with rows in every table.
CREATE TABLE "users" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "email" TEXT NOT NULL,
    "name" VARCHAR(100),
    "isAdmin" BOOLEAN NOT NULL DEFAULT false,
    "avatar" BLOB,
    "created_at" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP
);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
INSERT INTO users (id, email, name, avatar, created_at) SELECT i, 'u' || i || '@example.org', 'User ' || i, zeroblob(150), '2024-01-01' FROM n;
CREATE UNIQUE INDEX "users_email_key" ON "users" ("email");
CREATE TABLE notes (
    id integer PRIMARY KEY,
    user_id integer NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    title text NOT NULL CHECK (length(title) > 0),
    body text,
    pinned integer DEFAULT 0,
    words integer GENERATED ALWAYS AS (length(body)) VIRTUAL,
    UNIQUE (user_id, title)
);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
INSERT INTO notes (id, user_id, title, body) SELECT i, i, 'Note ' || i, hex(zeroblob(80)) FROM n;
CREATE INDEX notes_pinned ON notes (pinned) WHERE pinned = 1;
CREATE TABLE tags (name text PRIMARY KEY, color text) WITHOUT ROWID;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
INSERT INTO tags SELECT 'tag' || i, hex(zeroblob(60)) FROM n;
CREATE TABLE note_tags (note_id integer NOT NULL REFERENCES notes, tag text NOT NULL REFERENCES tags (name), PRIMARY KEY (note_id, tag));
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
INSERT INTO note_tags SELECT i, 'tag' || i FROM n;
CREATE TABLE settings (key text, value text, extra text) STRICT;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 800)
INSERT INTO settings SELECT 'k' || i, hex(zeroblob(60)), 'e' FROM n;
CREATE TABLE history (note_id integer, at text);
INSERT INTO history VALUES (1, '2024-01-01');
CREATE TRIGGER notes_history AFTER UPDATE ON notes BEGIN INSERT INTO history VALUES (old.id, datetime('now')); END;
CREATE VIEW pinned_notes AS SELECT id, title FROM notes WHERE pinned = 1;
CREATE TABLE proof (n integer NOT NULL CHECK (n > 1));

-- Podcasts: the schema on which the cases of sqlite_third.tsv are measured, with rows in every table.
CREATE TABLE feeds (
    id INTEGER PRIMARY KEY,
    url TEXT NOT NULL UNIQUE,
    title TEXT,
    etag TEXT,
    paused INTEGER NOT NULL DEFAULT 0 CHECK (paused IN (0, 1)),
    added_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d', 'now'))
);
WITH RECURSIVE c(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM c WHERE n < 1000)
INSERT INTO feeds (id, url, title, etag, added_at) SELECT n, 'http://localhost/feed/' || n, 'Feed ' || n, hex(zeroblob(70)), '2024-01-01' FROM c;
CREATE TABLE episodes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    feed_id INTEGER NOT NULL,
    guid TEXT NOT NULL,
    title TEXT NOT NULL,
    notes TEXT,
    duration REAL,
    played_until INTEGER DEFAULT 0,
    file_path TEXT,
    CONSTRAINT episodes_feed FOREIGN KEY (feed_id) REFERENCES feeds (id) ON DELETE CASCADE,
    CONSTRAINT episodes_guid UNIQUE (feed_id, guid)
);
WITH RECURSIVE c(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM c WHERE n < 1000)
INSERT INTO episodes (id, feed_id, guid, title, notes, duration, file_path) SELECT n, n, 'g' || n, 'Episode ' || n, hex(zeroblob(80)), n * 1.5, '/tmp/' || n FROM c;
CREATE INDEX episodes_title ON episodes (title COLLATE NOCASE);
CREATE INDEX episodes_unplayed ON episodes (feed_id) WHERE played_until = 0;
CREATE TABLE playlists (name TEXT PRIMARY KEY COLLATE NOCASE, "order" INTEGER, cover BLOB) WITHOUT ROWID;
WITH RECURSIVE c(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM c WHERE n < 500)
INSERT INTO playlists SELECT 'list ' || n, n, zeroblob(120) FROM c;
CREATE TABLE playlist_items (
    playlist TEXT NOT NULL REFERENCES playlists (name) ON UPDATE CASCADE,
    episode_id INTEGER NOT NULL REFERENCES episodes (id),
    position INTEGER NOT NULL,
    UNIQUE (playlist, position)
);
WITH RECURSIVE c(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM c WHERE n < 500)
INSERT INTO playlist_items SELECT 'list ' || n, n, 1 FROM c;
CREATE TABLE prefs (k TEXT NOT NULL, v ANY, PRIMARY KEY (k)) STRICT;
WITH RECURSIVE c(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM c WHERE n < 900)
INSERT INTO prefs SELECT 'pref' || n, hex(zeroblob(60)) FROM c;
CREATE TABLE downloads (episode_id INTEGER, started TEXT, bytes INTEGER);
WITH RECURSIVE c(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM c WHERE n < 1500)
INSERT INTO downloads SELECT n, hex(zeroblob(50)), n FROM c;
CREATE TABLE changes (what TEXT, row_id INTEGER);
INSERT INTO changes VALUES ('start', 0);
CREATE TRIGGER episodes_changed AFTER UPDATE OF played_until ON episodes BEGIN INSERT INTO changes (what, row_id) VALUES ('played', new.id); END;
CREATE VIEW unplayed AS SELECT e.id, e.title, f.title AS feed FROM episodes e JOIN feeds f ON f.id = e.feed_id WHERE e.played_until = 0;

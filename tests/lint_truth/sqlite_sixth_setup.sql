-- A notebook for bird watchers: the schema on which the cases of sqlite_sixth.tsv are measured, with
-- rows in every table.
CREATE TABLE numbers (n INTEGER PRIMARY KEY);
INSERT INTO numbers WITH RECURSIVE up (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < 700) SELECT n FROM up;
CREATE TABLE settings (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL);
INSERT INTO settings (key, value) VALUES ('theme', 'dark'), ('units', 'metric'), ('sync_interval', '15'), ('old_sync_url', 'http://sync.example'), ('list_order', 'taxonomic');
CREATE TABLE families (id INTEGER PRIMARY KEY, name TEXT NOT NULL, sort INTEGER);
INSERT INTO families (id, name, sort) SELECT n, 'Family ' || n, n FROM numbers WHERE n <= 20;
CREATE TABLE species (
    id INTEGER PRIMARY KEY,
    code TEXT NOT NULL UNIQUE,
    common_name TEXT NOT NULL,
    latin_name TEXT,
    family_id INTEGER REFERENCES families (id),
    description TEXT
);
CREATE INDEX idx_species_family_id ON species (family_id);
INSERT INTO species (code, common_name, latin_name, family_id, description) SELECT printf('SP%04d', n), 'Bird ' || n, 'Avis ' || n, 1 + n % 20, hex(zeroblob(120)) FROM numbers;
CREATE TABLE observers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    email VARCHAR(255) NOT NULL COLLATE NOCASE,
    display_name VARCHAR(100),
    is_admin BOOLEAN NOT NULL DEFAULT FALSE,
    password_hash BLOB,
    bio TEXT NOT NULL DEFAULT '',
    created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE UNIQUE INDEX idx_observers_email ON observers (email);
INSERT INTO observers (email, display_name, bio) SELECT 'o' || n || '@birds.example', 'Observer ' || n % 300, hex(zeroblob(120)) FROM numbers;
CREATE TABLE sites (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    lat REAL,
    lon REAL,
    habitat TEXT,
    url TEXT,
    notes TEXT NOT NULL DEFAULT ''
);
CREATE INDEX idx_sites_name ON sites (name);
CREATE INDEX idx_sites_habitat ON sites (habitat);
INSERT INTO sites (name, lat, lon, habitat, url, notes) SELECT 'Site ' || n, 60 + n / 1000.0, 10, CASE n % 3 WHEN 0 THEN 'forest' WHEN 1 THEN 'marsh' END, 'https://sites.example/' || n, hex(zeroblob(120)) FROM numbers;
CREATE TABLE outings (
    id INTEGER PRIMARY KEY,
    uuid TEXT NOT NULL UNIQUE,
    site_id INTEGER NOT NULL REFERENCES sites (id) ON DELETE CASCADE,
    observer_id INTEGER REFERENCES observers (id) ON DELETE SET NULL,
    started_at TEXT NOT NULL,
    ended_at TEXT,
    weather TEXT,
    distance_km REAL,
    row_status TEXT NOT NULL CHECK (row_status IN ('NORMAL', 'ARCHIVED')) DEFAULT 'NORMAL',
    payload TEXT NOT NULL DEFAULT '{}'
);
CREATE INDEX idx_outings_site_id ON outings (site_id);
INSERT INTO outings (uuid, site_id, observer_id, started_at, weather, payload) SELECT printf('%032x', n), n, n, '2024-05-01 06:00', 'sun', '{"wind": "' || hex(zeroblob(110)) || '"}' FROM numbers;
CREATE TABLE sightings (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    outing_id INTEGER NOT NULL REFERENCES outings (id) ON DELETE CASCADE,
    species_id INTEGER NOT NULL REFERENCES species (id),
    count INTEGER NOT NULL DEFAULT 1 CHECK (count > 0),
    heard_only BOOLEAN NOT NULL DEFAULT 0,
    note TEXT,
    created_ts BIGINT NOT NULL DEFAULT (strftime('%s', 'now')),
    updated_ts BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX idx_sightings_outing ON sightings (outing_id);
CREATE INDEX idx_sightings_species ON sightings (species_id, created_ts);
INSERT INTO sightings (outing_id, species_id, count, note, created_ts) SELECT n, n, n, hex(zeroblob(120)), 1714550000 + n FROM numbers;
CREATE TRIGGER sightings_touch_updated_ts AFTER UPDATE OF note, count ON sightings FOR EACH ROW BEGIN
    UPDATE sightings SET updated_ts = strftime('%s', 'now') WHERE rowid = old.rowid;
END;
CREATE TABLE photos (
    id INTEGER PRIMARY KEY,
    sighting_id INTEGER REFERENCES sightings (id) ON DELETE SET NULL,
    path TEXT NOT NULL,
    sha256 TEXT,
    width INTEGER,
    height INTEGER,
    size INTEGER NOT NULL DEFAULT 0,
    exif TEXT
);
INSERT INTO photos (sighting_id, path, sha256, size, exif) SELECT n, '/photos/' || n || '.jpg', printf('%064x', n % 690), n * 1000, hex(zeroblob(120)) FROM numbers;
CREATE TABLE tags (name TEXT PRIMARY KEY NOT NULL, color TEXT);
INSERT INTO tags (name, color) SELECT 'tag' || n, '#11AA88' FROM numbers WHERE n <= 15;
CREATE TABLE sighting_tags (
    sighting_id INTEGER NOT NULL REFERENCES sightings (id) ON DELETE CASCADE,
    tag TEXT NOT NULL REFERENCES tags (name) ON UPDATE CASCADE,
    PRIMARY KEY (sighting_id, tag)
) WITHOUT ROWID;
INSERT INTO sighting_tags SELECT n, 'tag' || (1 + n % 15) FROM numbers;
CREATE TABLE life_list (
    observer_id INTEGER NOT NULL,
    species_id INTEGER NOT NULL,
    first_seen TEXT NOT NULL,
    remark TEXT NOT NULL DEFAULT '',
    UNIQUE (observer_id, species_id)
);
INSERT INTO life_list SELECT n, n, '2023-05-05', hex(zeroblob(120)) FROM numbers;
CREATE TABLE sync_queue (id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, payload BLOB, tries INTEGER NOT NULL DEFAULT 0, created_at INTEGER NOT NULL);
CREATE INDEX idx_sync_queue_kind ON sync_queue (kind);
INSERT INTO sync_queue (kind, payload, created_at) SELECT CASE n % 50 WHEN 0 THEN 'photo' ELSE 'sighting' END, zeroblob(200), 1714550000 + n FROM numbers;
CREATE TABLE checklist_cache (cache_key TEXT NOT NULL, body TEXT);
INSERT INTO checklist_cache SELECT 'key' || n, hex(zeroblob(120)) FROM numbers;
CREATE VIEW recent_sightings AS SELECT s.id, s.count, s.created_ts, p.common_name FROM sightings s JOIN species p ON p.id = s.species_id WHERE s.created_ts > 1714000000;
CREATE VIEW site_totals AS SELECT o.site_id, count(*) AS outings FROM outings o GROUP BY o.site_id;

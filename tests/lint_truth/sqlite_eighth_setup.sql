-- A collection of plants, with photographs: the schema on which the cases of sqlite_eighth.tsv are measured, with
-- rows in nearly every table.
CREATE TABLE numbers (n INTEGER PRIMARY KEY);
INSERT INTO numbers WITH RECURSIVE up (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < 700) SELECT n FROM up;
CREATE TABLE `schema_info` (`version` integer NOT NULL, `dirty` boolean NOT NULL DEFAULT 0);
INSERT INTO schema_info VALUES (12, 0);
CREATE TABLE system_setting (name TEXT NOT NULL, value TEXT NOT NULL, description TEXT NOT NULL DEFAULT '', UNIQUE (name));
INSERT INTO system_setting (name, value) VALUES ('serverId', 'abc'), ('allowSignUp', 'true'), ('customizedProfile', '{"name":"Garden"}');
CREATE TABLE `nurseries` (
    `id` integer not null primary key autoincrement,
    `name` varchar(255) not null,
    `url` varchar(255),
    `checksum` varchar(255) not null,
    `parent_id` integer default null CHECK (`id` IS NOT `parent_id`) REFERENCES `nurseries` (`id`) on delete set null,
    `image` blob,
    `created_at` datetime not null
);
CREATE UNIQUE INDEX `nurseries_checksum_unique` on `nurseries` (`checksum`);
INSERT INTO nurseries (name, url, checksum, image, created_at) SELECT 'Nursery ' || n, 'https://n.example/' || n, hex(n), zeroblob(60), '2024-01-01' FROM numbers;
CREATE TABLE `plants` (
    `id` integer not null primary key autoincrement,
    `checksum` varchar(255) not null,
    `name` varchar(255),
    `family` varchar(20),
    `sown` date,
    `height` varchar(255),
    `details` text,
    `url` varchar(255),
    `rating` tinyint,
    `favourite` boolean not null default '0',
    `nursery_id` integer,
    `created_at` datetime not null,
    `updated_at` datetime not null,
    foreign key (`nursery_id`) references `nurseries` (`id`) on delete set null
);
CREATE INDEX `index_plants_on_name` on `plants` (`name`);
CREATE INDEX `index_plants_on_nursery_id` on `plants` (`nursery_id`);
INSERT INTO plants (checksum, name, family, sown, height, details, url, rating, nursery_id, created_at, updated_at) SELECT hex(n), 'Plant ' || n, 'Rosaceae', CASE n % 9 WHEN 0 THEN '0001-01-01' ELSE '2023-05-05' END, n || ' cm', hex(zeroblob(100)), 'https://p.example/' || n, n % 6, n, '2024-01-01', '2024-01-02' FROM numbers;
CREATE TABLE `photos` (
    `id` integer not null primary key autoincrement,
    `path` varchar(510) not null,
    `checksum` varchar(255) not null,
    `title` varchar(255),
    `size` varchar(255),
    `taken` date,
    `plant_id` integer,
    `file_mod_time` datetime,
    `o_counter` tinyint not null default 0,
    foreign key (`plant_id`) references `plants` (`id`) on delete CASCADE
);
CREATE UNIQUE INDEX `photos_path_unique` ON `photos` (`path`);
CREATE UNIQUE INDEX `photos_checksum_unique` ON `photos` (`checksum`);
CREATE INDEX `index_photos_on_plant_id` ON `photos` (`plant_id`);
INSERT INTO photos (path, checksum, title, size, taken, plant_id) SELECT '/ph/' || n || '.jpg', hex(n * 7), 'Photo ' || n, n * 100, '', n FROM numbers;
CREATE TABLE `tags` (`id` integer not null primary key autoincrement, `name` varchar(255), `created_at` datetime not null, `updated_at` datetime not null);
CREATE UNIQUE INDEX `tags_name_unique` on `tags` (`name`);
INSERT INTO tags (name, created_at, updated_at) SELECT 'tag' || n, '2024-01-01', '2024-01-01' FROM numbers WHERE n <= 60;
CREATE TABLE `plants_tags` (`plant_id` integer NOT NULL, `tag_id` integer NOT NULL, foreign key (`plant_id`) references `plants` (`id`) on delete CASCADE, foreign key (`tag_id`) references `tags` (`id`) on delete CASCADE);
CREATE INDEX `index_plants_tags_on_tag_id` on `plants_tags` (`tag_id`);
INSERT INTO plants_tags SELECT n, 1 + n % 60 FROM numbers;
CREATE TABLE user (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    created_ts BIGINT NOT NULL DEFAULT (strftime('%s', 'now')),
    row_status TEXT NOT NULL CHECK (row_status IN ('NORMAL', 'ARCHIVED')) DEFAULT 'NORMAL',
    username TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL CHECK (role IN ('HOST', 'USER')) DEFAULT 'USER',
    email TEXT NOT NULL DEFAULT '',
    avatar_url TEXT NOT NULL DEFAULT ''
);
INSERT INTO user (created_ts, username, email) SELECT 1700000000, 'u' || n, 'u' || n || '@garden.example' FROM numbers;
CREATE TABLE memo (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    creator_id INTEGER NOT NULL,
    created_ts BIGINT NOT NULL DEFAULT (strftime('%s', 'now')),
    content TEXT NOT NULL DEFAULT '',
    visibility TEXT NOT NULL CHECK (visibility IN ('PUBLIC', 'PRIVATE')) DEFAULT 'PRIVATE',
    internal_path TEXT,
    external_link TEXT DEFAULT '',
    FOREIGN KEY (creator_id) REFERENCES user (id) ON DELETE CASCADE
);
CREATE INDEX idx_memo_creator_id ON memo (creator_id);
INSERT INTO memo (creator_id, created_ts, content, internal_path) SELECT n, 1700000000, hex(zeroblob(100)), '/in/' || n FROM numbers;
CREATE TABLE memo_organizer (memo_id INTEGER NOT NULL, user_id INTEGER NOT NULL, pinned INTEGER NOT NULL CHECK (pinned IN (0, 1)) DEFAULT 0, UNIQUE (memo_id, user_id));
INSERT INTO memo_organizer SELECT n, n, 1 FROM numbers;
CREATE TABLE bookmark (
    id INTEGER NOT NULL,
    url TEXT NOT NULL,
    title TEXT NOT NULL,
    modified TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    has_content BOOLEAN NOT NULL DEFAULT 0,
    CONSTRAINT bookmark_PK PRIMARY KEY (id),
    CONSTRAINT bookmark_url_UNIQUE UNIQUE (url)
);
INSERT INTO bookmark (url, title, modified) SELECT 'https://b.example/' || n, 'Bookmark ' || n, '2024-02-02 02:02:02' FROM numbers;
CREATE VIRTUAL TABLE bookmark_content USING fts4 (title, content, html);
INSERT INTO bookmark_content (docid, title, content) SELECT n, 'Bookmark ' || n, 'Words ' || n FROM numbers WHERE n <= 50;
CREATE TABLE "media" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "mediaType" varchar NOT NULL, "tmdbId" integer NOT NULL, "imdbId" varchar, "status" integer NOT NULL DEFAULT (1), "createdAt" datetime NOT NULL DEFAULT (datetime('now')));
CREATE INDEX "IDX_7157aad07c" ON "media" ("tmdbId");
CREATE INDEX "IDX_7ff2d11f6a" ON "media" ("imdbId");
INSERT INTO media ("mediaType", "tmdbId", "imdbId", "createdAt") SELECT 'film', n, 'tt' || n, '2024-01-01' FROM numbers;
CREATE TABLE "media_request" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "status" integer NOT NULL, "mediaId" integer, "is4k" boolean NOT NULL DEFAULT (0), CONSTRAINT "FK_a1aa" FOREIGN KEY ("mediaId") REFERENCES "media" ("id") ON DELETE CASCADE);
INSERT INTO media_request (status, "mediaId") SELECT 1, n FROM numbers;
CREATE TABLE accounts (localpart TEXT NOT NULL PRIMARY KEY, created_ts BIGINT NOT NULL, password_hash TEXT, appservice_id TEXT);
INSERT INTO accounts SELECT 'acc' || n, 1700000000, 'hash' || n, CASE n % 50 WHEN 0 THEN 'bridge' END FROM numbers;
CREATE TABLE receipts (id BIGINT PRIMARY KEY, room_id TEXT NOT NULL, user_id TEXT NOT NULL, event_id TEXT NOT NULL);
INSERT INTO receipts SELECT n, 'r' || n % 9, 'u' || n, 'e' || n FROM numbers;
CREATE TABLE stream_id (stream_name TEXT NOT NULL PRIMARY KEY, stream_id INT DEFAULT 0);
INSERT INTO stream_id VALUES ('global', 9), ('receipt', 700);
CREATE TABLE webhook (id INTEGER PRIMARY KEY AUTOINCREMENT, url TEXT NOT NULL);
CREATE TABLE cache (user_id integer NOT NULL default 0, cache_key varchar(128) NOT NULL default '', data text NOT NULL, PRIMARY KEY (user_id, cache_key));
INSERT INTO cache SELECT n, 'k', hex(zeroblob(50)) FROM numbers;
CREATE VIEW favourite_plants AS SELECT id, name, family FROM plants WHERE favourite = 1;
CREATE TRIGGER plants_touch AFTER UPDATE OF name ON plants BEGIN UPDATE plants SET updated_at = '2024-12-12' WHERE id = NEW.id; END;

-- A home server with posts, papers, sensors, shell history, recordings and a workflow or two: the schema on which the
-- cases of sqlite_tenth.tsv are measured, with rows in nearly every table. Tables that grow have some thousand rows;
-- those that one sets up by hand have a few.
CREATE TABLE numbers (n INTEGER PRIMARY KEY);
INSERT INTO numbers WITH RECURSIVE up (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < 9000) SELECT n FROM up;
CREATE TABLE "accounts" ("id" CHAR(26) NOT NULL, "created_at" timestamptz NOT NULL DEFAULT current_timestamp, "username" VARCHAR NOT NULL, "domain" VARCHAR, "display_name" VARCHAR, "note" VARCHAR, "memorial" BOOLEAN DEFAULT false, "bot" BOOLEAN DEFAULT false, "uri" VARCHAR NOT NULL UNIQUE, "inbox_uri" VARCHAR, "sensitized_at" timestamptz, PRIMARY KEY ("id"), UNIQUE ("username", "domain"));
CREATE INDEX accounts_domain_idx ON accounts (domain);
INSERT INTO accounts (id, created_at, username, domain, display_name, note, uri, inbox_uri) SELECT printf('%026d', n), '2024-01-01', 'user' || n, CASE n % 3 WHEN 0 THEN NULL ELSE 'd' || (n % 50) || '.example' END, 'User ' || n, 'Writes about gardens and trains, number ' || n, 'https://home.example/users/' || n, 'https://home.example/users/' || n || '/inbox' FROM numbers WHERE n <= 2000;
CREATE TABLE "statuses" ("id" CHAR(26) NOT NULL, "created_at" timestamptz NOT NULL DEFAULT current_timestamp, "uri" VARCHAR NOT NULL UNIQUE, "url" VARCHAR, "content" VARCHAR, "account_id" CHAR(26) NOT NULL, "in_reply_to_id" CHAR(26), "boost_of_id" CHAR(26), "visibility" VARCHAR NOT NULL, "sensitive" BOOLEAN NOT NULL DEFAULT false, "language" VARCHAR, "federated" BOOLEAN NOT NULL DEFAULT true, "pinned" BOOLEAN NOT NULL DEFAULT false, PRIMARY KEY ("id"));
CREATE INDEX statuses_account_id_idx ON statuses (account_id);
CREATE INDEX statuses_in_reply_to_id_idx ON statuses (in_reply_to_id);
INSERT INTO statuses (id, created_at, uri, url, content, account_id, in_reply_to_id, visibility, language) SELECT printf('%026d', n), '2024-02-01', 'https://home.example/s/' || n, 'https://home.example/@u/' || n, 'The train was late again today, ' || n, printf('%026d', 1 + n % 2000), CASE n % 4 WHEN 0 THEN printf('%026d', n - 1) END, CASE n % 5 WHEN 0 THEN 'unlocked' ELSE 'public' END, 'nb' FROM numbers WHERE n <= 9000;
CREATE TABLE "emojis" ("id" CHAR(26) NOT NULL PRIMARY KEY, "shortcode" VARCHAR NOT NULL, "domain" VARCHAR, "disabled" BOOLEAN NOT NULL DEFAULT false, "category_id" CHAR(26), CONSTRAINT "shortcodedomain" UNIQUE ("shortcode", "domain"));
INSERT INTO emojis (id, shortcode, domain) SELECT printf('%026d', n), 'blob' || n, 'd' || n || '.example' FROM numbers WHERE n <= 3000;
CREATE TABLE "instance_settings" ("id" INTEGER PRIMARY KEY AUTOINCREMENT, "title" VARCHAR NOT NULL DEFAULT '', "rules" VARCHAR, "contact_account_id" CHAR(26));
INSERT INTO instance_settings (title, rules) VALUES ('Home', 'Be kind');

CREATE TABLE django_migrations ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "app" varchar(255) NOT NULL, "name" varchar(255) NOT NULL, "applied" datetime NOT NULL);
INSERT INTO django_migrations (app, name, applied) SELECT CASE n % 20 WHEN 0 THEN 'django_celery_results' ELSE 'documents' END, 'm' || n, '2024-01-01' FROM numbers WHERE n <= 40;
CREATE TABLE "auth_user" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "username" varchar(150) NOT NULL UNIQUE, "is_staff" bool NOT NULL, "date_joined" datetime NOT NULL);
INSERT INTO auth_user (username, is_staff, date_joined) VALUES ('kari', 1, '2024-01-01'), ('ola', 0, '2024-01-01'), ('per', 0, '2024-01-01');
CREATE TABLE "documents_correspondent" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "name" varchar(128) NOT NULL UNIQUE, "match" varchar(256) NOT NULL, "is_insensitive" bool NOT NULL);
INSERT INTO documents_correspondent (name, "match", is_insensitive) SELECT 'Firm ' || n, 'firm' || n, 1 FROM numbers WHERE n <= 40;
CREATE TABLE "documents_document" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "title" varchar(128) NOT NULL, "content" text NOT NULL, "created" datetime NOT NULL, "checksum" varchar(32) NOT NULL UNIQUE, "mime_type" varchar(256) NOT NULL, "storage_type" varchar(11) NOT NULL, "filename" varchar(1024) NULL, "archive_serial_number" integer NULL, "correspondent_id" integer NULL REFERENCES "documents_correspondent" ("id") DEFERRABLE INITIALLY DEFERRED, "owner_id" integer NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED);
CREATE INDEX "documents_document_correspondent_id_61" ON "documents_document" ("correspondent_id");
CREATE INDEX "documents_document_owner_id_44" ON "documents_document" ("owner_id");
INSERT INTO documents_document (title, content, created, checksum, mime_type, storage_type, filename, archive_serial_number, correspondent_id, owner_id) SELECT 'Bill ' || n, 'Please pay before the end of the month, thank you, ' || n, '2024-02-02', printf('%032x', n), 'application/pdf', 'unencrypted', n || '.pdf', n, 1 + n % 40, 1 + n % 3 FROM numbers;
CREATE TABLE "documents_tag" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "name" varchar(128) NOT NULL UNIQUE, "colour" integer NOT NULL, "is_inbox_tag" bool NOT NULL);
INSERT INTO documents_tag (name, colour, is_inbox_tag) SELECT 'tag' || n, 1, 0 FROM numbers WHERE n <= 25;
CREATE TABLE "documents_document_tags" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "document_id" integer NOT NULL REFERENCES "documents_document" ("id") DEFERRABLE INITIALLY DEFERRED, "tag_id" integer NOT NULL REFERENCES "documents_tag" ("id") DEFERRABLE INITIALLY DEFERRED);
CREATE UNIQUE INDEX "documents_document_tags_uniq" ON "documents_document_tags" ("document_id", "tag_id");
INSERT INTO documents_document_tags (document_id, tag_id) SELECT n, 1 + n % 25 FROM numbers;
CREATE TABLE "paperless_mail_mailrule" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "name" varchar(256) NOT NULL UNIQUE, "folder" varchar(256) NOT NULL, "maximum_age" integer unsigned NOT NULL CHECK ("maximum_age" >= 0), "action" integer unsigned NOT NULL);
INSERT INTO paperless_mail_mailrule (name, folder, maximum_age, action) VALUES ('Bills', 'INBOX', 30, 3), ('School', 'INBOX.school', 10, 2);

CREATE TABLE "event_types" ("event_type_id" INTEGER NOT NULL, "event_type" VARCHAR(64), PRIMARY KEY (event_type_id));
CREATE UNIQUE INDEX ix_event_types_event_type ON event_types (event_type);
INSERT INTO event_types SELECT n, 'type_' || n FROM numbers WHERE n <= 30;
CREATE TABLE "states" ("state_id" INTEGER NOT NULL, "entity_id" CHAR(0), "state" VARCHAR(255), "attributes" TEXT, "event_id" SMALLINT, "last_changed" DATETIME, "last_updated" DATETIME, "last_updated_ts" FLOAT, "old_state_id" INTEGER, "attributes_id" INTEGER, "context_id" VARCHAR(36), PRIMARY KEY (state_id), FOREIGN KEY (old_state_id) REFERENCES states (state_id));
CREATE INDEX ix_states_event_id ON states (event_id);
CREATE INDEX ix_states_last_updated_ts ON states (last_updated_ts);
INSERT INTO states (state_id, entity_id, state, attributes, event_id, last_changed, last_updated, last_updated_ts, context_id) SELECT n, 'sensor.s' || (n % 40), n % 30, '{"unit": "C"}', n, '2024-03-01', '2024-03-01', 1709251200 + n, 'ctx' || n FROM numbers;
CREATE TABLE "statistics_meta" ("id" INTEGER NOT NULL, "statistic_id" VARCHAR(255), "source" VARCHAR(32), "unit_of_measurement" VARCHAR(255), "has_mean" BOOLEAN, "has_sum" BOOLEAN, PRIMARY KEY (id));
CREATE INDEX ix_statistics_meta_statistic_id ON statistics_meta (statistic_id);
INSERT INTO statistics_meta SELECT n, 'sensor.s' || n, 'recorder', 'C', 1, 0 FROM numbers WHERE n <= 40;
CREATE TABLE "recorder_runs" ("run_id" INTEGER NOT NULL PRIMARY KEY, "start" DATETIME NOT NULL, "end" DATETIME, "closed_incorrect" BOOLEAN NOT NULL DEFAULT 0);
INSERT INTO recorder_runs SELECT n, '2024-01-01', '2024-01-02', 0 FROM numbers WHERE n <= 50;

CREATE TABLE history (id text PRIMARY KEY, timestamp integer NOT NULL, duration integer NOT NULL, exit integer NOT NULL, command text NOT NULL, cwd text NOT NULL, session text NOT NULL, hostname text NOT NULL, UNIQUE (timestamp, cwd, command));
CREATE INDEX idx_history_timestamp ON history (timestamp);
INSERT INTO history SELECT 'h' || n, 1700000000 + n, 10, n % 2, 'cargo test number ' || n, '/home/kari/project', 's' || (n % 90), 'laptop' FROM numbers;
CREATE TABLE events (id text PRIMARY KEY, timestamp integer NOT NULL, hostname text NOT NULL, event_type text NOT NULL, history_id text NOT NULL);
INSERT INTO events SELECT 'e' || n, 1700000000 + n, 'laptop', 'create', 'h' || n FROM numbers;
CREATE TABLE store (id text PRIMARY KEY, idx integer NOT NULL, host text NOT NULL, tag text NOT NULL, timestamp integer NOT NULL, version text NOT NULL, data blob NOT NULL, cek blob NOT NULL);
CREATE UNIQUE INDEX record_uniq ON store (host, tag, idx);
INSERT INTO store SELECT 'r' || n, n, 'laptop', 'history', n, 'v0', 'data', 'key' FROM numbers WHERE n <= 3000;

CREATE TABLE "workflow_entity" ("id" varchar(36) PRIMARY KEY NOT NULL, "name" varchar(128) NOT NULL, "active" boolean NOT NULL, "nodes" text, "connections" text NOT NULL, "settings" text, "staticData" text, "createdAt" datetime(3) NOT NULL DEFAULT (STRFTIME('%Y-%m-%d %H:%M:%f', 'NOW')), "updatedAt" datetime(3) NOT NULL DEFAULT (STRFTIME('%Y-%m-%d %H:%M:%f', 'NOW')));
CREATE INDEX "IDX_workflow_name" ON "workflow_entity" ("name");
INSERT INTO workflow_entity (id, name, active, nodes, connections, settings, createdAt, updatedAt) SELECT 'w' || n, 'Flow ' || n, n % 2, '[]', '{}', '{}', '2024-04-01', '2024-04-01' FROM numbers WHERE n <= 25;
CREATE TABLE "execution_entity" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "workflowId" varchar(36) NOT NULL, "finished" boolean NOT NULL, "mode" varchar NOT NULL, "retryOf" varchar, "startedAt" datetime NOT NULL, "stoppedAt" datetime, "waitTill" datetime, "status" varchar, FOREIGN KEY("workflowId") REFERENCES "workflow_entity" ("id") ON DELETE CASCADE);
CREATE INDEX "IDX_execution_stoppedAt" ON "execution_entity" ("stoppedAt");
INSERT INTO execution_entity (workflowId, finished, mode, startedAt, stoppedAt, status) SELECT 'w' || (1 + n % 25), n % 3 > 0, 'trigger', '2024-04-02', '2024-04-02', CASE n % 6 WHEN 0 THEN NULL ELSE 'success' END FROM numbers;
CREATE TABLE "credentials_entity" ("id" varchar(36) PRIMARY KEY NOT NULL, "name" varchar(128) NOT NULL, "data" text NOT NULL, "type" varchar(32) NOT NULL, "nodesAccess" text NOT NULL);
INSERT INTO credentials_entity SELECT 'c' || n, 'Key ' || n, 'x', 'httpAuth', '[]' FROM numbers WHERE n <= 8;
CREATE TABLE "settings" ("key" TEXT NOT NULL, "value" TEXT NOT NULL DEFAULT '', "loadOnStartup" boolean NOT NULL DEFAULT false, PRIMARY KEY("key"));
INSERT INTO settings VALUES ('ui.theme', 'dark', 1), ('userManagement.isInstanceOwnerSetUp', 'false', 1), ('license.cert', 'x', 0);

CREATE TABLE "TypedBaseItems" ("Id" TEXT NOT NULL CONSTRAINT "PK_BaseItems" PRIMARY KEY, "Type" TEXT NOT NULL, "Name" TEXT NULL, "Path" TEXT NULL, "ParentId" TEXT NULL, "Overview" TEXT NULL, "ProductionYear" INTEGER NULL, "IsLocked" INTEGER NOT NULL, "Data" TEXT NULL);
CREATE INDEX "IX_BaseItems_ParentId" ON "TypedBaseItems" ("ParentId");
CREATE INDEX "IX_BaseItems_Path" ON "TypedBaseItems" ("Path");
INSERT INTO TypedBaseItems SELECT 'b' || n, 'Movie', 'Film ' || n, '/media/film/' || n || '.mkv', 'p' || (n % 20), 'A film about a family and its dog, part ' || n, 1950 + n % 70, 0, '{}' FROM numbers;
CREATE TABLE "UserDatas" ("ItemId" TEXT NOT NULL, "UserId" INTEGER NOT NULL, "PlayCount" INTEGER NOT NULL, "IsFavorite" INTEGER NOT NULL, "PlaybackPositionTicks" INTEGER NOT NULL, "Rating" REAL NULL, CONSTRAINT "PK_UserDatas" PRIMARY KEY ("ItemId", "UserId"), CONSTRAINT "FK_UserDatas_BaseItems" FOREIGN KEY ("ItemId") REFERENCES "TypedBaseItems" ("Id") ON DELETE CASCADE);
INSERT INTO UserDatas SELECT 'b' || n, 1, n % 3, 0, 0, NULL FROM numbers;
CREATE TABLE "Preferences" ("Id" INTEGER NOT NULL CONSTRAINT "PK_Preferences" PRIMARY KEY AUTOINCREMENT, "Kind" INTEGER NOT NULL, "Value" TEXT NOT NULL, "UserId" INTEGER NULL);
INSERT INTO Preferences (Kind, Value, UserId) SELECT n, 'v', 1 FROM numbers WHERE n <= 12;

CREATE TABLE messages (id INTEGER PRIMARY KEY AUTOINCREMENT, mid TEXT NOT NULL, time INT NOT NULL, topic TEXT NOT NULL, message TEXT NOT NULL, title TEXT NOT NULL, priority INT NOT NULL, tags TEXT NOT NULL, attachment_name TEXT NOT NULL, published INT NOT NULL);
CREATE INDEX idx_mid ON messages (mid);
CREATE INDEX idx_topic ON messages (topic);
INSERT INTO messages (mid, time, topic, message, title, priority, tags, attachment_name, published) SELECT 'm' || n, n, 'alerts', 'The freezer is warm, reading ' || n, 'Freezer', 3, '', '', 1 FROM numbers;
CREATE TABLE schemaVersion (id INT PRIMARY KEY, version INT NOT NULL);
INSERT INTO schemaVersion VALUES (1, 9);
CREATE TABLE feed (id INTEGER PRIMARY KEY AUTOINCREMENT, url VARCHAR(32768) NOT NULL, name VARCHAR(255) NOT NULL, priority TINYINT(2) NOT NULL DEFAULT 10, ttl INT NOT NULL DEFAULT 0, UNIQUE (url));
INSERT INTO feed (url, name) SELECT 'https://feed.example/' || n, 'Feed ' || n FROM numbers WHERE n <= 30;
CREATE TABLE entry (id BIGINT NOT NULL, guid VARCHAR(760) NOT NULL, title VARCHAR(255) NOT NULL, content TEXT, link VARCHAR(16383) NOT NULL, date INTEGER, is_read TINYINT NOT NULL DEFAULT 0, id_feed SMALLINT NOT NULL, tags VARCHAR(2048), PRIMARY KEY (id), FOREIGN KEY (id_feed) REFERENCES feed (id) ON DELETE CASCADE ON UPDATE CASCADE, UNIQUE (id_feed, guid));
CREATE INDEX entry_is_read_index ON entry (is_read);
INSERT INTO entry SELECT n, 'g' || n, 'Entry ' || n, 'A long text about things that happened, number ' || n, 'https://e.example/' || n, n, n % 2, 1 + n % 30, '' FROM numbers;
CREATE TABLE entrytmp (id BIGINT NOT NULL PRIMARY KEY, guid VARCHAR(760) NOT NULL, title VARCHAR(255) NOT NULL);
INSERT INTO entrytmp SELECT 100000 + n, 'tmp' || n, 'New ' || n FROM numbers WHERE n <= 20;

CREATE TRIGGER entry_read AFTER UPDATE OF is_read ON entry BEGIN UPDATE feed SET priority = priority + 1 WHERE id = NEW.id_feed; END;
CREATE TRIGGER store_guard BEFORE DELETE ON store BEGIN SELECT RAISE(ABORT, 'records stay'); END;
CREATE VIEW unread AS SELECT e.id, e.title, f.name AS feed FROM entry e JOIN feed f ON f.id = e.id_feed WHERE NOT e.is_read;
CREATE VIEW failed_runs AS SELECT id, "workflowId", "startedAt" FROM execution_entity WHERE "status" = 'error';

-- A housing cooperative: its talk, its workflows, its shared cars, its papers and its meters: the schema on which the
-- cases of postgres_tenth.tsv are measured, with rows in nearly every table.
CREATE ROLE coop_web;
CREATE ROLE coop_report;
CREATE ROLE coop_device;
CREATE SCHEMA meters;
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE TYPE inbox_state AS ENUM ('open', 'snoozed', 'resolved');
CREATE TYPE "ObservationLevel" AS ENUM ('DEBUG', 'DEFAULT', 'ERROR');
CREATE TYPE "MembershipRole" AS ENUM ('OWNER', 'MEMBER', 'NONE');
CREATE TYPE list_optin AS ENUM ('single', 'double');
CREATE TYPE unit_of_length AS ENUM ('km', 'mi');
CREATE DOMAIN ulid AS char(26) CHECK (char_length(VALUE) = 26);

CREATE TABLE schema_migrations (version varchar NOT NULL PRIMARY KEY);
INSERT INTO schema_migrations SELECT (20230101000000 + n)::text FROM generate_series(1, 30) AS n;

CREATE TABLE members (
    id bigserial PRIMARY KEY,
    name varchar NOT NULL,
    email varchar NOT NULL,
    phone_number varchar(20),
    locale varchar(10) DEFAULT 'nb',
    custom_attributes jsonb DEFAULT '{}',
    availability integer NOT NULL DEFAULT 0,
    ui_settings json DEFAULT '{}',
    last_seen_at timestamp(6),
    otp_secret varchar,
    silenced boolean NOT NULL DEFAULT false,
    actor_type varchar,
    uri varchar NOT NULL DEFAULT '',
    followers_count integer NOT NULL DEFAULT 0,
    created_at timestamp(6) NOT NULL DEFAULT now(),
    updated_at timestamp(6) NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX index_members_on_email ON members (email);
CREATE INDEX index_members_on_uri ON members (uri);
CREATE INDEX index_members_on_phone_number ON members (phone_number);
INSERT INTO members (name, email, phone_number, custom_attributes, last_seen_at, otp_secret, actor_type, uri)
SELECT 'Neighbour ' || n, 'n' || n || '@coop.example', CASE WHEN n % 4 > 0 THEN '+47' || n END, '{"flat": 1}', '2024-05-01 10:00:00', CASE WHEN n % 2 = 0 THEN 'otp' || n END, 'Person', 'https://coop.example/u/' || n FROM generate_series(1, 300) AS n;

CREATE TABLE inboxes (
    id bigserial PRIMARY KEY,
    name varchar NOT NULL,
    channel_type varchar NOT NULL DEFAULT 'Channel::Email',
    greeting_message varchar,
    working_hours_enabled boolean DEFAULT false,
    timezone varchar(40) DEFAULT 'UTC'
);
INSERT INTO inboxes (name, greeting_message) VALUES ('Board', 'Hello'), ('Caretaker', NULL), ('Laundry', 'Hi');
CREATE TABLE conversations (
    id bigserial PRIMARY KEY,
    inbox_id bigint NOT NULL,
    member_id bigint NOT NULL,
    assignee_id bigint,
    display_id integer NOT NULL,
    state inbox_state NOT NULL DEFAULT 'open',
    priority integer,
    additional_attributes jsonb DEFAULT '{}',
    snoozed_until timestamp(6),
    identifier varchar,
    uuid uuid NOT NULL DEFAULT gen_random_uuid(),
    last_activity_at timestamp(6) NOT NULL DEFAULT now(),
    created_at timestamp(6) NOT NULL DEFAULT now(),
    CONSTRAINT fk_rails_conversations_member FOREIGN KEY (member_id) REFERENCES members (id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX index_conversations_on_display_id ON conversations (display_id);
CREATE INDEX index_conversations_on_member_id ON conversations (member_id);
CREATE INDEX index_conversations_on_inbox_and_state ON conversations (inbox_id, state);
INSERT INTO conversations (inbox_id, member_id, assignee_id, display_id, state, priority, identifier, last_activity_at, created_at)
SELECT 1 + n % 3, n, CASE WHEN n % 3 = 0 THEN 1 END, n, CASE WHEN n % 5 = 0 THEN 'resolved' ELSE 'open' END::inbox_state, n % 4, 'id' || n, '2024-05-02', '2024-05-01' FROM generate_series(1, 300) AS n;
CREATE TABLE messages (
    id bigserial PRIMARY KEY,
    conversation_id bigint NOT NULL REFERENCES conversations (id),
    sender_id bigint,
    content text,
    content_type integer NOT NULL DEFAULT 0,
    private boolean DEFAULT false,
    status integer DEFAULT 0,
    source_id varchar,
    sentiment jsonb DEFAULT '{}',
    created_at timestamp(6) NOT NULL DEFAULT now()
);
CREATE INDEX index_messages_on_conversation_id ON messages (conversation_id);
CREATE INDEX index_messages_on_source_id ON messages (source_id);
INSERT INTO messages (conversation_id, sender_id, content, source_id, created_at) SELECT n, n, 'The lift is stuck ' || n, 'src' || n, '2024-05-03' FROM generate_series(1, 300) AS n;

CREATE TABLE statuses (
    id bigserial PRIMARY KEY,
    member_id bigint NOT NULL,
    text text NOT NULL DEFAULT '',
    in_reply_to_id bigint,
    reblog_of_id bigint,
    url varchar,
    visibility integer NOT NULL DEFAULT 0,
    spoiler_text text NOT NULL DEFAULT '',
    language varchar,
    deleted_at timestamp,
    created_at timestamp NOT NULL DEFAULT now(),
    CONSTRAINT fk_statuses_member FOREIGN KEY (member_id) REFERENCES members (id) ON DELETE CASCADE,
    CONSTRAINT fk_statuses_reblog FOREIGN KEY (reblog_of_id) REFERENCES statuses (id) ON DELETE CASCADE
);
CREATE INDEX index_statuses_on_reblog_of_id ON statuses (reblog_of_id);
CREATE INDEX index_statuses_on_deleted_at ON statuses (deleted_at) WHERE deleted_at IS NOT NULL;
INSERT INTO statuses (member_id, text, in_reply_to_id, reblog_of_id, url, language, created_at) SELECT n, 'Found a glove ' || n, CASE WHEN n > 10 THEN n - 10 END, CASE WHEN n > 200 THEN n - 200 END, 'https://coop.example/s/' || n, 'nb', '2024-06-01' FROM generate_series(1, 300) AS n;
CREATE TABLE tags (id bigserial PRIMARY KEY, name varchar NOT NULL DEFAULT '', score integer, listable boolean, usable boolean, created_at timestamp NOT NULL DEFAULT now());
CREATE UNIQUE INDEX index_tags_on_name ON tags (name);
INSERT INTO tags (name, score, listable) SELECT 'tag' || n, n, n % 2 = 0 FROM generate_series(1, 300) AS n;
CREATE TABLE statuses_tags (status_id bigint NOT NULL, tag_id bigint NOT NULL);
CREATE UNIQUE INDEX index_statuses_tags_on_tag_id_and_status_id ON statuses_tags (tag_id, status_id);
INSERT INTO statuses_tags SELECT n, n FROM generate_series(1, 300) AS n;

CREATE TABLE "project" ("id" varchar(36) PRIMARY KEY NOT NULL, "name" varchar(255) NOT NULL, "type" varchar(36) NOT NULL, "createdAt" timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3));
INSERT INTO "project" SELECT 'p' || n, 'Project ' || n, 'team', '2024-01-01' FROM generate_series(1, 60) AS n;
CREATE TABLE "workflow_entity" (
    "id" varchar(36) PRIMARY KEY NOT NULL,
    "name" varchar(128) NOT NULL,
    "active" boolean NOT NULL,
    "nodes" json NOT NULL,
    "connections" json NOT NULL,
    "settings" json,
    "staticData" json,
    "versionId" char(36),
    "triggerCount" integer NOT NULL DEFAULT 0,
    "createdAt" timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    "updatedAt" timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3)
);
CREATE INDEX "IDX_workflow_entity_name" ON "workflow_entity" ("name");
INSERT INTO "workflow_entity" ("id", "name", "active", "nodes", "connections", "settings", "createdAt", "updatedAt") SELECT 'w' || n, 'Flow ' || n, n % 2 = 0, '[]', '{}', '{"tz": 1}', '2024-01-01', '2024-01-01' FROM generate_series(1, 300) AS n;
CREATE TABLE "execution_entity" (
    "id" SERIAL PRIMARY KEY,
    "finished" boolean NOT NULL,
    "mode" varchar NOT NULL,
    "retryOf" varchar,
    "startedAt" timestamptz(3) NOT NULL,
    "stoppedAt" timestamptz(3),
    "waitTill" timestamptz(3),
    "status" varchar,
    "workflowId" varchar(36) NOT NULL,
    "deletedAt" timestamptz(3),
    CONSTRAINT "fk_execution_entity_workflow_id" FOREIGN KEY ("workflowId") REFERENCES "workflow_entity" ("id") ON DELETE CASCADE
);
CREATE INDEX "IDX_execution_entity_stoppedAt" ON "execution_entity" ("stoppedAt");
CREATE INDEX "IDX_execution_entity_workflowId_id" ON "execution_entity" ("workflowId", "id");
INSERT INTO "execution_entity" ("finished", "mode", "startedAt", "stoppedAt", "status", "workflowId") SELECT n % 3 > 0, 'trigger', '2024-02-01', '2024-02-01 00:01', CASE WHEN n % 7 = 0 THEN NULL WHEN n % 3 = 0 THEN 'failed' ELSE 'success' END, 'w' || n FROM generate_series(1, 300) AS n;
CREATE TABLE "execution_data" ("executionId" integer PRIMARY KEY NOT NULL, "workflowData" json NOT NULL, "data" text NOT NULL, CONSTRAINT "execution_data_fk" FOREIGN KEY ("executionId") REFERENCES "execution_entity" ("id") ON DELETE CASCADE);
INSERT INTO "execution_data" SELECT n, '{}', '[]' FROM generate_series(1, 300) AS n;
CREATE TABLE "credentials_entity" ("id" varchar(36) PRIMARY KEY NOT NULL, "name" varchar(128) NOT NULL, "data" text NOT NULL, "type" varchar(32) NOT NULL, "nodesAccess" json NOT NULL);
INSERT INTO "credentials_entity" SELECT 'c' || n, 'Key ' || n, 'x', 'httpAuth', '[]' FROM generate_series(1, 60) AS n;

CREATE TABLE "traces" (
    "id" TEXT NOT NULL,
    "timestamp" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "name" TEXT,
    "project_id" TEXT NOT NULL,
    "metadata" JSONB,
    "external_id" TEXT,
    "user_id" TEXT,
    "release" TEXT,
    "version" TEXT,
    "public" BOOLEAN NOT NULL DEFAULT false,
    CONSTRAINT "traces_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "traces_project_id_idx" ON "traces"("project_id");
CREATE INDEX "traces_external_id_idx" ON "traces"("external_id");
INSERT INTO "traces" ("id", "timestamp", "name", "project_id", "external_id", "user_id") SELECT 't' || n, '2024-03-01', 'Ask ' || n, 'p' || (1 + n % 60), 'x' || n, 'u' || n FROM generate_series(1, 300) AS n;
CREATE TABLE "observations" (
    "id" TEXT NOT NULL,
    "trace_id" TEXT,
    "level" "ObservationLevel" NOT NULL DEFAULT 'DEFAULT',
    "model" TEXT,
    "input" JSONB,
    "prompt_tokens" INTEGER NOT NULL DEFAULT 0,
    "total_cost" DECIMAL(65,30),
    "start_time" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "end_time" TIMESTAMP(3),
    CONSTRAINT "observations_pkey" PRIMARY KEY ("id")
);
ALTER TABLE "observations" ADD CONSTRAINT "observations_trace_id_fkey" FOREIGN KEY ("trace_id") REFERENCES "traces"("id") ON DELETE SET NULL ON UPDATE CASCADE;
CREATE UNIQUE INDEX "observations_id_model_key" ON "observations"("id", "model");
INSERT INTO "observations" ("id", "trace_id", "model", "input", "prompt_tokens", "start_time") SELECT 'o' || n, 't' || n, 'm', '{}', n, '2024-03-01' FROM generate_series(1, 300) AS n;
CREATE TABLE "memberships" ("org_id" TEXT NOT NULL, "user_id" TEXT NOT NULL, "role" "MembershipRole" NOT NULL, "created_at" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, CONSTRAINT "memberships_pkey" PRIMARY KEY ("org_id","user_id"));
INSERT INTO "memberships" SELECT 'org' || (n % 5), 'u' || n, CASE WHEN n % 9 = 0 THEN 'OWNER' ELSE 'MEMBER' END::"MembershipRole", '2024-01-01' FROM generate_series(1, 300) AS n;

CREATE TABLE rooms (room_id text PRIMARY KEY NOT NULL, is_public boolean, creator text, room_version text, has_auth_chain_index boolean);
INSERT INTO rooms SELECT '!r' || n, n % 2 = 0, '@a:coop', CASE WHEN n % 6 = 0 THEN NULL ELSE '9' END, true FROM generate_series(1, 300) AS n;
CREATE TABLE events (
    stream_ordering integer PRIMARY KEY,
    topological_ordering bigint NOT NULL,
    event_id text NOT NULL,
    type text NOT NULL,
    room_id text NOT NULL,
    content text,
    processed boolean NOT NULL,
    outlier boolean NOT NULL,
    depth bigint NOT NULL DEFAULT 0,
    origin_server_ts bigint,
    sender text,
    contains_url boolean,
    instance_name text,
    state_key text,
    UNIQUE (event_id)
);
CREATE INDEX events_room_stream ON events (room_id, stream_ordering);
CREATE INDEX events_order_room ON events (room_id, topological_ordering, stream_ordering);
INSERT INTO events SELECT n, n, '$e' || n, 'm.room.message', '!r' || n, '{}', true, false, n, n, '@a:coop', n % 2 = 0, 'master', NULL FROM generate_series(1, 300) AS n;
CREATE TABLE devices (user_id text NOT NULL, device_id text NOT NULL, display_name text, last_seen bigint, ip text, user_agent text, CONSTRAINT device_uniqueness UNIQUE (user_id, device_id));
INSERT INTO devices SELECT '@u' || n, 'D' || n, 'Phone', n, '10.0.0.1', 'x' FROM generate_series(1, 300) AS n;
CREATE TABLE room_aliases (room_alias text NOT NULL, room_id text NOT NULL, creator text, UNIQUE (room_alias));
INSERT INTO room_aliases SELECT '#a' || n, '!r' || n, '@a:coop' FROM generate_series(1, 300) AS n;
CREATE TABLE background_updates (update_name text NOT NULL, progress_json text NOT NULL, depends_on text, ordering integer NOT NULL DEFAULT 0, CONSTRAINT background_updates_uniqueness UNIQUE (update_name));
INSERT INTO background_updates (update_name, progress_json) VALUES ('populate_stats', '{}');
CREATE SEQUENCE events_stream_seq START 1;
SELECT setval('events_stream_seq', 300);

CREATE TABLE cars (
    id bigserial PRIMARY KEY,
    eid bigint NOT NULL,
    vid bigint NOT NULL,
    vin text,
    model varchar(255),
    efficiency double precision,
    trim_badging text,
    inserted_at timestamp(0) NOT NULL DEFAULT now(),
    updated_at timestamp(0) NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX cars_eid_index ON cars (eid);
INSERT INTO cars (eid, vid, vin, model, efficiency) SELECT n, n + 1000, CASE WHEN n % 8 > 0 THEN 'VIN' || n END, 'S', 0.15 FROM generate_series(1, 300) AS n;
CREATE TABLE drives (
    id serial PRIMARY KEY,
    car_id bigint NOT NULL,
    start_date timestamp NOT NULL,
    end_date timestamp,
    distance double precision,
    duration_min smallint,
    start_km double precision,
    end_km double precision,
    start_address varchar(255),
    end_address varchar(255),
    outside_temp_avg numeric(4,1),
    CONSTRAINT drives_car_id_fkey FOREIGN KEY (car_id) REFERENCES cars (id) ON DELETE CASCADE
);
CREATE INDEX drives_car_id_index ON drives (car_id);
INSERT INTO drives (car_id, start_date, end_date, distance, duration_min, start_km, end_km, start_address, end_address, outside_temp_avg) SELECT n, '2024-04-01', '2024-04-01 01:00', n, 60, n, n + 10, 'Home', 'Shop', 4.5 FROM generate_series(1, 300) AS n;
CREATE TABLE charges (
    id serial PRIMARY KEY,
    drive_id integer REFERENCES drives (id),
    date timestamp NOT NULL,
    battery_level smallint,
    charger_phases smallint,
    charger_power smallint NOT NULL,
    fast_charger_present boolean,
    cost numeric(6,2)
);
INSERT INTO charges (drive_id, date, battery_level, charger_phases, charger_power, cost) SELECT n, '2024-04-02', 80, CASE WHEN n % 9 = 0 THEN 0 ELSE 3 END, 11, 30.5 FROM generate_series(1, 300) AS n;
CREATE TABLE car_settings (id bigserial PRIMARY KEY, unit_of_length unit_of_length NOT NULL DEFAULT 'km', base_url varchar(255), suspend_min integer NOT NULL DEFAULT 21, CONSTRAINT suspend_min_positive CHECK (suspend_min > 0));
INSERT INTO car_settings (base_url) VALUES ('https://cars.coop.example');

CREATE TABLE auth_user (id integer GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, username varchar(150) NOT NULL UNIQUE, is_staff boolean NOT NULL, date_joined timestamptz NOT NULL);
INSERT INTO auth_user (username, is_staff, date_joined) SELECT 'user' || n, false, '2024-01-01' FROM generate_series(1, 300) AS n;
CREATE TABLE documents_correspondent (id integer GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, name varchar(128) NOT NULL, match varchar(256) NOT NULL, CONSTRAINT documents_correspondent_name_key UNIQUE (name));
INSERT INTO documents_correspondent (name, match) SELECT 'Firm ' || n, '' FROM generate_series(1, 100) AS n;
CREATE TABLE documents_document (
    id integer GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    title varchar(128) NOT NULL,
    content text NOT NULL,
    created timestamptz NOT NULL,
    checksum varchar(32) NOT NULL,
    mime_type varchar(256) NOT NULL,
    archive_checksum varchar(32) NULL,
    archive_serial_number integer NULL CONSTRAINT documents_document_asn_check CHECK (archive_serial_number >= 0),
    page_count smallint NULL,
    storage_type varchar(11) NOT NULL,
    filename varchar(1024) NULL,
    correspondent_id integer NULL,
    owner_id integer NULL,
    CONSTRAINT documents_document_checksum_key UNIQUE (checksum),
    CONSTRAINT documents_document_correspondent_id_6164_fk FOREIGN KEY (correspondent_id) REFERENCES documents_correspondent (id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX documents_document_title_a1b2 ON documents_document (title);
CREATE INDEX documents_document_title_a1b2_like ON documents_document (title varchar_pattern_ops);
CREATE INDEX documents_document_correspondent_id_6164 ON documents_document (correspondent_id);
INSERT INTO documents_document (title, content, created, checksum, mime_type, archive_serial_number, storage_type, filename, correspondent_id) SELECT 'Bill ' || n, 'To pay ' || n, '2024-02-02 10:00+00', md5(n::text), 'application/pdf', n, CASE WHEN n % 4 = 0 THEN 'gpg' ELSE 'unencrypted' END, n || '.pdf', 1 + n % 100 FROM generate_series(1, 300) AS n;
CREATE TABLE documents_tag (id integer GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, name varchar(128) NOT NULL UNIQUE, colour integer NOT NULL, color varchar(7) NOT NULL, is_inbox_tag boolean NOT NULL);
INSERT INTO documents_tag (name, colour, color, is_inbox_tag) SELECT 'label' || n, 1 + n % 12, '#a6cee3', false FROM generate_series(1, 100) AS n;
CREATE TABLE documents_document_tags (id integer GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, document_id integer NOT NULL REFERENCES documents_document (id) DEFERRABLE INITIALLY DEFERRED, tag_id integer NOT NULL REFERENCES documents_tag (id) DEFERRABLE INITIALLY DEFERRED, CONSTRAINT documents_document_tags_document_id_tag_id_uniq UNIQUE (document_id, tag_id));
INSERT INTO documents_document_tags (document_id, tag_id) SELECT n, 1 + n % 100 FROM generate_series(1, 300) AS n;

CREATE TABLE history (id bigserial PRIMARY KEY, client_id text NOT NULL UNIQUE, user_id bigserial NOT NULL, hostname text NOT NULL, timestamp timestamp NOT NULL, data varchar(8192) NOT NULL, created_at timestamp NOT NULL DEFAULT current_timestamp);
INSERT INTO history (client_id, hostname, timestamp, data) SELECT 'cl' || n, 'pc', '2024-01-05', 'ls' FROM generate_series(1, 300) AS n;
CREATE TABLE features (created_at timestamp with time zone DEFAULT now(), name varchar(255) PRIMARY KEY NOT NULL, enabled integer DEFAULT 0, description text, strategies json, project varchar DEFAULT 'default', stale boolean DEFAULT false, variants json DEFAULT '[]');
INSERT INTO features (created_at, name, enabled, description, strategies) SELECT '2024-01-01', 'feature' || n, n % 2, 'Feature ' || n, '[]' FROM generate_series(1, 300) AS n;
CREATE TABLE client_instances (app_name varchar(255), instance_id varchar(255), client_ip varchar(255), last_seen timestamp DEFAULT now(), created_at timestamp DEFAULT now(), PRIMARY KEY (app_name, instance_id));
INSERT INTO client_instances (app_name, instance_id, client_ip, last_seen) SELECT 'app' || (n % 7), 'i' || n, '10.0.0.2', '2024-01-01' FROM generate_series(1, 300) AS n;
CREATE TABLE client_applications (app_name varchar(255) PRIMARY KEY NOT NULL, seen_at timestamp, strategies json, url varchar(255), color varchar(255));
INSERT INTO client_applications SELECT 'app' || n, '2024-01-01', '[]', 'https://a.example', '#fff' FROM generate_series(1, 300) AS n;

CREATE TABLE subscribers (id serial PRIMARY KEY, uuid uuid NOT NULL UNIQUE, email text NOT NULL, name text NOT NULL, attribs jsonb NOT NULL DEFAULT '{}', status text NOT NULL DEFAULT 'enabled', created_at timestamptz DEFAULT now());
CREATE UNIQUE INDEX idx_subs_email ON subscribers (lower(email));
INSERT INTO subscribers (uuid, email, name) SELECT ('80000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'sub' || n || '@coop.example', 'Sub ' || n FROM generate_series(1, 300) AS n;
CREATE TABLE lists (id serial PRIMARY KEY, name text NOT NULL, optin list_optin NOT NULL DEFAULT 'single', tags varchar(100)[]);
INSERT INTO lists (name) SELECT 'List ' || n FROM generate_series(1, 20) AS n;
CREATE TABLE subscriber_lists (subscriber_id integer REFERENCES subscribers (id) ON DELETE CASCADE ON UPDATE CASCADE, list_id integer NULL REFERENCES lists (id) ON DELETE CASCADE ON UPDATE CASCADE, PRIMARY KEY (subscriber_id, list_id));
INSERT INTO subscriber_lists SELECT n, 1 + n % 20 FROM generate_series(1, 300) AS n;
CREATE TABLE shares (id ulid PRIMARY KEY, owner_id bigint NOT NULL, percent numeric(5,2) NOT NULL, issued_on date NOT NULL DEFAULT '2024-01-01', note varchar(40));
INSERT INTO shares (id, owner_id, percent) SELECT lpad(n::text, 26, '0'), n, 0.3 FROM generate_series(1, 300) AS n;

CREATE TABLE meters.readings (meter_id integer NOT NULL, taken_at timestamptz NOT NULL, value double precision NOT NULL, quality text, PRIMARY KEY (meter_id, taken_at)) PARTITION BY RANGE (taken_at);
CREATE TABLE meters.readings_2024 PARTITION OF meters.readings FOR VALUES FROM ('2024-01-01 00:00+00') TO ('2025-01-01 00:00+00');
CREATE TABLE meters.readings_2025 PARTITION OF meters.readings FOR VALUES FROM ('2025-01-01 00:00+00') TO ('2026-01-01 00:00+00');
CREATE TABLE meters.readings_rest PARTITION OF meters.readings DEFAULT;
INSERT INTO meters.readings SELECT n, '2024-06-01 12:00+00'::timestamptz + n * interval '1 day', n, 'ok' FROM generate_series(1, 400) AS n;
CREATE TABLE meters.readings_2023 (meter_id integer NOT NULL, taken_at timestamptz NOT NULL, value double precision NOT NULL, quality text, PRIMARY KEY (meter_id, taken_at));
INSERT INTO meters.readings_2023 SELECT n, '2023-06-01 12:00+00', n, 'ok' FROM generate_series(1, 300) AS n;
CREATE TABLE meters.device_log (device text NOT NULL, line text NOT NULL, at timestamptz NOT NULL DEFAULT now());
INSERT INTO meters.device_log SELECT 'd' || n, 'boot', '2024-01-01' FROM generate_series(1, 300) AS n;

CREATE TABLE notices (id bigserial PRIMARY KEY, member_id bigint NOT NULL, title varchar(120) NOT NULL, body text, draft boolean NOT NULL DEFAULT false, archived boolean NOT NULL DEFAULT false);
INSERT INTO notices (member_id, title, body, draft) SELECT n, 'Notice ' || n, 'Snow', n % 3 = 0 FROM generate_series(1, 300) AS n;
ALTER TABLE notices ENABLE ROW LEVEL SECURITY;
CREATE POLICY notices_public ON notices FOR SELECT TO coop_web USING (NOT draft);
GRANT SELECT ON notices TO coop_web;
GRANT SELECT ON members, shares TO coop_report;
GRANT USAGE ON SCHEMA meters TO coop_device;
GRANT INSERT ON meters.device_log TO coop_device;
CREATE TABLE kv (key text PRIMARY KEY, value jsonb NOT NULL, label varchar(40), updated_at timestamptz NOT NULL DEFAULT now());
INSERT INTO kv (key, value, updated_at) VALUES ('site.title', '"Coop"', '2024-01-01'), ('mail.from', '"post@coop.example"', '2024-01-01'), ('beta', 'false', '2024-01-01'), ('legacy.theme', '"blue"', '2024-01-01');

CREATE VIEW open_conversations AS SELECT id, display_id, inbox_id, member_id, last_activity_at FROM conversations WHERE state = 'open';
CREATE MATERIALIZED VIEW member_activity AS SELECT m.id AS member_id, count(s.id) AS statuses FROM members m LEFT JOIN statuses s ON s.member_id = m.id GROUP BY m.id;
CREATE UNIQUE INDEX index_member_activity_on_member_id ON member_activity (member_id);
CREATE FUNCTION convert_km(n double precision, unit text) RETURNS double precision LANGUAGE sql IMMUTABLE AS $$ SELECT CASE WHEN $2 = 'km' THEN $1 WHEN $2 = 'mi' THEN $1 / 1.60934 END $$;
CREATE FUNCTION touch_conversation() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE conversations SET last_activity_at = '2024-07-07' WHERE id = NEW.conversation_id; RETURN NEW; END $$;
CREATE TRIGGER messages_touch AFTER INSERT ON messages FOR EACH ROW EXECUTE FUNCTION touch_conversation();
CREATE FUNCTION kv_updated() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.updated_at := '2024-08-08'; RETURN NEW; END $$;
CREATE TRIGGER kv_updated BEFORE UPDATE ON kv FOR EACH ROW EXECUTE FUNCTION kv_updated();
-- Whether an index is read or the table depends on what is known of the rows.
ANALYZE statuses, events, rooms;

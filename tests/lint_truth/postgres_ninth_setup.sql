-- Festivals and what is sold, signed and worked there: the schema on which the cases of postgres_ninth.tsv are
-- measured, with rows in nearly every table. Its parts look as the tools make them that many projects use.
CREATE ROLE fest_web;
CREATE ROLE fest_report;
CREATE ROLE fest_gate;
CREATE EXTENSION IF NOT EXISTS btree_gist;
CREATE SCHEMA gate;
CREATE TYPE festival_state AS ENUM ('draft', 'announced', 'open', 'over');
CREATE TYPE order_channel AS ENUM ('web', 'door', 'partner');
CREATE TYPE "RecipientRole" AS ENUM ('SIGNER', 'VIEWER', 'APPROVER');
CREATE TYPE "EnvelopeStatus" AS ENUM ('DRAFT', 'PENDING', 'COMPLETED');
CREATE DOMAIN currency_code AS char(3) CHECK (VALUE ~ '^[A-Z]{3}$');

CREATE TABLE schema_migrations (version varchar NOT NULL PRIMARY KEY);
INSERT INTO schema_migrations SELECT (20240101000000 + n)::text FROM generate_series(1, 40) AS n;
CREATE TABLE ar_internal_metadata (key varchar NOT NULL PRIMARY KEY, value varchar, created_at timestamp(6) NOT NULL, updated_at timestamp(6) NOT NULL);
INSERT INTO ar_internal_metadata VALUES ('environment', 'production', '2024-01-01', '2024-01-01');

CREATE TABLE accounts (
    id bigserial PRIMARY KEY,
    email varchar NOT NULL,
    display_name varchar(60),
    encrypted_password varchar(255),
    locale varchar(8) NOT NULL DEFAULT 'en',
    settings jsonb DEFAULT '{}',
    admin boolean NOT NULL DEFAULT false,
    country char(2),
    bio text,
    sign_in_count integer NOT NULL DEFAULT 0,
    orders_count integer NOT NULL DEFAULT 0,
    last_sign_in_at timestamp(6),
    current_sign_in_ip inet,
    remember_token varchar,
    deleted_at timestamp(6),
    created_at timestamp(6) NOT NULL DEFAULT now(),
    updated_at timestamp(6) NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX index_accounts_on_lower_email ON accounts (lower(email));
CREATE INDEX index_accounts_on_remember_token ON accounts (remember_token);
INSERT INTO accounts (email, display_name, encrypted_password, locale, settings, country, bio, sign_in_count, last_sign_in_at, current_sign_in_ip, remember_token, deleted_at)
SELECT 'guest' || n || '@fest.example', 'Guest ' || n, 'hash' || n, CASE WHEN n % 3 = 0 THEN 'nb' ELSE 'en' END, '{"news": true}', CASE WHEN n % 5 = 0 THEN NULL ELSE 'NO' END, 'Likes music ' || n, n, '2024-04-01', '10.0.0.1', 'rt' || n, CASE WHEN n % 50 = 0 THEN '2024-05-05'::timestamp END
FROM generate_series(1, 300) AS n;

CREATE TABLE user_tokens (
    id bigserial PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES accounts (id),
    token varchar NOT NULL,
    expiry timestamp(6) NOT NULL,
    referer text
);
CREATE UNIQUE INDEX user_tokens_token_idx ON user_tokens (token);
INSERT INTO user_tokens (account_id, token, expiry) SELECT n, 'ut' || n, '2024-06-01' FROM generate_series(1, 300) AS n;

CREATE TABLE festivals (
    id bigserial PRIMARY KEY,
    slug varchar(80) NOT NULL,
    name varchar(200) NOT NULL,
    state festival_state NOT NULL DEFAULT 'draft',
    starts_on date NOT NULL,
    ends_on date NOT NULL,
    capacity integer,
    description text,
    sidebar text,
    contact_email varchar(254),
    lat double precision,
    lon double precision,
    archived boolean NOT NULL DEFAULT false,
    owner_id bigint REFERENCES accounts (id) ON DELETE SET NULL,
    published_at timestamp,
    CONSTRAINT festivals_slug_key UNIQUE (slug),
    CONSTRAINT festivals_capacity_check CHECK (capacity >= 0),
    CONSTRAINT festivals_dates CHECK (ends_on >= starts_on)
);
CREATE UNIQUE INDEX idx_festivals_name_lower ON festivals (lower(name));
INSERT INTO festivals (slug, name, state, starts_on, ends_on, capacity, description, sidebar, contact_email, lat, lon, owner_id, published_at)
SELECT 'fest-' || n, 'Festival ' || n, CASE WHEN n % 4 = 0 THEN 'open' ELSE 'announced' END::festival_state, '2025-06-01'::date + n, '2025-06-03'::date + n, 500 + n, 'About ' || n, 'Rules ' || n, 'f' || n || '@fest.example', 60.1, 10.2, n, '2024-02-02 12:00:00' FROM generate_series(1, 300) AS n;

CREATE TABLE stages (
    id bigserial PRIMARY KEY,
    festival_id bigint NOT NULL REFERENCES festivals (id) ON DELETE CASCADE,
    name varchar(100) NOT NULL,
    position smallint NOT NULL DEFAULT 0,
    covered boolean
);
CREATE INDEX stages_festival_id_idx ON stages (festival_id);
INSERT INTO stages (festival_id, name, position, covered) SELECT n, 'Stage ' || n, n % 5, n % 2 = 0 FROM generate_series(1, 300) AS n;

CREATE TABLE artists (
    id serial PRIMARY KEY,
    name text NOT NULL,
    sort_name text,
    mbid uuid,
    links text[] NOT NULL DEFAULT '{}',
    genre varchar(40),
    bio text,
    popularity real NOT NULL DEFAULT 0,
    meta json,
    inserted_at timestamp(0) NOT NULL DEFAULT now(),
    updated_at timestamp(0) NOT NULL DEFAULT now()
);
CREATE INDEX artists_name_index ON artists (name);
CREATE UNIQUE INDEX artists_mbid_index ON artists (mbid) WHERE mbid IS NOT NULL;
INSERT INTO artists (name, sort_name, mbid, genre, bio, popularity, meta)
SELECT 'Band ' || n, 'band' || n, ('30000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, CASE WHEN n % 7 = 0 THEN NULL ELSE 'folk' END, 'Since ' || n, n, '{"label": "own"}' FROM generate_series(1, 300) AS n;

CREATE TABLE performances (
    id bigserial PRIMARY KEY,
    stage_id bigint NOT NULL REFERENCES stages (id) ON DELETE CASCADE,
    artist_id integer NOT NULL,
    title varchar(200),
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    notes text,
    search tsvector,
    cancelled boolean NOT NULL DEFAULT false,
    CONSTRAINT performances_artist_id_fkey FOREIGN KEY (artist_id) REFERENCES artists (id),
    CONSTRAINT performances_no_overlap EXCLUDE USING gist (stage_id WITH =, tstzrange(starts_at, ends_at) WITH &&)
);
INSERT INTO performances (stage_id, artist_id, title, starts_at, ends_at, notes)
SELECT n, n, 'Set ' || n, '2025-06-01 18:00+00'::timestamptz + n * interval '1 day', '2025-06-01 19:00+00'::timestamptz + n * interval '1 day', 'Soundcheck ' || n FROM generate_series(1, 300) AS n;

CREATE TABLE promo_codes (
    id bigserial PRIMARY KEY,
    code varchar(30) NOT NULL,
    percent smallint NOT NULL DEFAULT 10,
    uses integer NOT NULL DEFAULT 0,
    festival_id bigint,
    expires_at timestamp(6)
);
CREATE UNIQUE INDEX index_promo_codes_on_code ON promo_codes (code);
INSERT INTO promo_codes (code, percent, festival_id, expires_at) SELECT 'SAVE' || n, 10, n, '2025-01-01' FROM generate_series(1, 300) AS n;

CREATE SEQUENCE order_numbers START WITH 1;
CREATE TABLE orders (
    id bigserial PRIMARY KEY,
    account_id bigint NOT NULL CONSTRAINT fk_rails_orders_account REFERENCES accounts (id),
    number varchar(20) NOT NULL,
    state varchar(20) NOT NULL DEFAULT 'cart',
    channel order_channel NOT NULL DEFAULT 'web',
    total numeric(10, 2) NOT NULL DEFAULT 0,
    currency currency_code NOT NULL DEFAULT 'NOK',
    promo_code_id bigint,
    legacy_ref varchar,
    note text,
    placed_at timestamp(6),
    created_at timestamp(6) NOT NULL DEFAULT now(),
    updated_at timestamp(6) NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX index_orders_on_number ON orders (number);
CREATE INDEX index_orders_on_account_id ON orders (account_id);
CREATE INDEX index_orders_on_legacy_ref ON orders (legacy_ref);
INSERT INTO orders (account_id, number, state, total, promo_code_id, legacy_ref, note, placed_at)
SELECT n, 'R' || n, CASE WHEN n % 2 = 0 THEN 'complete' ELSE 'cart' END, n * 10, CASE WHEN n % 3 = 0 THEN n END, 'old' || n, 'Row ' || n, '2024-06-01'::timestamp + n * interval '1 hour' FROM generate_series(1, 300) AS n;
SELECT setval('order_numbers', 300);

CREATE TABLE tickets (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    order_id bigint NOT NULL REFERENCES orders (id),
    festival_id bigint NOT NULL REFERENCES festivals (id),
    kind varchar(30) NOT NULL DEFAULT 'day',
    price_cents integer NOT NULL,
    serial varchar(40) NOT NULL,
    holder jsonb,
    checked_in_at timestamptz,
    void boolean NOT NULL DEFAULT false,
    CONSTRAINT tickets_serial_key UNIQUE (serial),
    CONSTRAINT tickets_price_cents_check CHECK (price_cents >= 0)
);
CREATE INDEX index_tickets_on_order_id ON tickets (order_id);
CREATE INDEX index_tickets_on_festival_id ON tickets (festival_id);
INSERT INTO tickets (id, order_id, festival_id, kind, price_cents, serial, holder, checked_in_at)
SELECT ('40000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, n, n, 'day', 45000, 'T' || n, '{"name": "x"}', '2025-06-05 12:00+00' FROM generate_series(1, 300) AS n;

CREATE TABLE payments (
    id bigserial PRIMARY KEY,
    order_id bigint NOT NULL,
    gateway varchar(30) NOT NULL,
    gateway_ref varchar,
    amount numeric(10, 2) NOT NULL,
    raw json,
    captured_at timestamp,
    CONSTRAINT payments_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE CASCADE
);
CREATE INDEX payments_order_id_idx ON payments (order_id);
INSERT INTO payments (order_id, gateway, gateway_ref, amount, raw, captured_at) SELECT n, 'vipps', 'g' || n, n * 10, '{"ok": true}', '2024-07-01 10:00:00' FROM generate_series(1, 300) AS n;

CREATE TABLE order_events (
    order_id bigint NOT NULL,
    what varchar(40) NOT NULL,
    data jsonb,
    happened_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX order_events_order_id_idx ON order_events (order_id);
INSERT INTO order_events (order_id, what, data) SELECT n, 'placed', '{}' FROM generate_series(1, 300) AS n;

CREATE TABLE volunteers_profile (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    name varchar(150) NOT NULL,
    phone varchar(20) NOT NULL,
    shirt varchar(3) NOT NULL,
    active boolean NOT NULL,
    born date,
    extra jsonb NOT NULL,
    score integer NOT NULL CONSTRAINT volunteers_profile_score_check CHECK (score >= 0)
);
INSERT INTO volunteers_profile (name, phone, shirt, active, born, extra, score) SELECT 'Helper ' || n, '47' || n, 'M', true, '1990-01-01', '{}', n FROM generate_series(1, 300) AS n;
CREATE TABLE volunteers_shift (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    profile_id bigint NOT NULL,
    festival_id bigint NOT NULL,
    starts_at timestamptz NOT NULL,
    hours smallint NOT NULL CONSTRAINT volunteers_shift_hours_check CHECK (hours >= 0),
    kind varchar(16) NOT NULL,
    comments text NOT NULL,
    approved boolean NULL,
    CONSTRAINT volunteers_shift_profile_id_e1a2_uniq UNIQUE (profile_id, starts_at),
    CONSTRAINT volunteers_shift_profile_id_e1a2_fk FOREIGN KEY (profile_id) REFERENCES volunteers_profile (id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX volunteers_shift_profile_id_e1a2 ON volunteers_shift (profile_id);
CREATE INDEX volunteers_shift_kind_5c0a_like ON volunteers_shift (kind varchar_pattern_ops);
INSERT INTO volunteers_shift (profile_id, festival_id, starts_at, hours, kind, comments) SELECT n, n, '2025-06-01 08:00+00'::timestamptz + n * interval '1 hour', 4, 'gate', '' FROM generate_series(1, 300) AS n;
CREATE TABLE volunteers_tag (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, name varchar(100) NOT NULL UNIQUE, slug varchar(100) NOT NULL, color varchar(6) NOT NULL, weight smallint NOT NULL DEFAULT 1000);
INSERT INTO volunteers_tag (name, slug, color) SELECT 'tag' || n, 'tag-' || n, CASE WHEN n % 2 = 0 THEN 'AABBCC' ELSE 'ddeeff' END FROM generate_series(1, 300) AS n;
CREATE TABLE django_content_type (id integer GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, app_label varchar(100) NOT NULL, model varchar(100) NOT NULL, CONSTRAINT django_content_type_app_label_model_uniq UNIQUE (app_label, model));
INSERT INTO django_content_type (app_label, model) VALUES ('volunteers', 'profile'), ('volunteers', 'shift'), ('volunteers', 'tag');

CREATE TABLE "User" (
    "id" SERIAL NOT NULL,
    "name" TEXT,
    "email" TEXT NOT NULL,
    "emailVerified" TIMESTAMP(3),
    "source" TEXT,
    "roles" TEXT[] DEFAULT ARRAY['USER']::TEXT[],
    CONSTRAINT "User_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "User_email_key" ON "User"("email");
INSERT INTO "User" ("name", "email", "emailVerified") SELECT 'Signer ' || n, 's' || n || '@sign.example', CASE WHEN n % 2 = 0 THEN '2024-01-01'::timestamp END FROM generate_series(1, 300) AS n;
CREATE TABLE "Envelope" (
    "id" TEXT NOT NULL,
    "title" TEXT NOT NULL,
    "status" "EnvelopeStatus" NOT NULL DEFAULT 'DRAFT',
    "userId" INTEGER NOT NULL,
    "teamId" INTEGER,
    "visibility" TEXT NOT NULL DEFAULT 'EVERYONE',
    "externalId" TEXT,
    "created" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3),
    CONSTRAINT "Envelope_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "Envelope_userId_idx" ON "Envelope"("userId");
ALTER TABLE "Envelope" ADD CONSTRAINT "Envelope_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE CASCADE;
INSERT INTO "Envelope" ("id", "title", "userId", "visibility", "externalId", "created") SELECT 'e' || n, 'Contract ' || n, n, CASE WHEN n % 10 = 0 THEN 'ADMIN' ELSE 'EVERYONE' END, 'x' || n, '2024-03-03' FROM generate_series(1, 300) AS n;
CREATE TABLE "Recipient" (
    "id" SERIAL NOT NULL,
    "envelopeId" TEXT NOT NULL,
    "email" VARCHAR(255) NOT NULL,
    "name" VARCHAR(255) NOT NULL DEFAULT '',
    "token" TEXT NOT NULL,
    "role" "RecipientRole" NOT NULL DEFAULT 'SIGNER',
    "signedAt" TIMESTAMP(3),
    "expired" TIMESTAMP(3),
    CONSTRAINT "Recipient_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "Recipient_token_key" ON "Recipient"("token");
CREATE UNIQUE INDEX "Recipient_envelopeId_email_key" ON "Recipient"("envelopeId", "email");
ALTER TABLE "Recipient" ADD CONSTRAINT "Recipient_envelopeId_fkey" FOREIGN KEY ("envelopeId") REFERENCES "Envelope"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
INSERT INTO "Recipient" ("envelopeId", "email", "token") SELECT 'e' || n, 'r' || n || '@sign.example', 'tok' || n FROM generate_series(1, 300) AS n;
CREATE TABLE "WebhookCall" ("id" TEXT NOT NULL, "status" TEXT NOT NULL, "url" TEXT NOT NULL, "requestBody" JSONB NOT NULL, "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, CONSTRAINT "WebhookCall_pkey" PRIMARY KEY ("id"));
INSERT INTO "WebhookCall" ("id", "status", "url", "requestBody") SELECT 'w' || n, 'SUCCESS', 'https://w.example/' || n, '{}' FROM generate_series(1, 300) AS n;

CREATE TABLE documents (
    id uuid NOT NULL PRIMARY KEY,
    title varchar(255) NOT NULL,
    emoji varchar(255),
    text text,
    "collectionId" uuid,
    "teamId" uuid NOT NULL,
    "revisionCount" integer DEFAULT 0,
    "archivedAt" timestamptz,
    "createdAt" timestamptz NOT NULL,
    "updatedAt" timestamptz NOT NULL
);
CREATE INDEX "documents_collection_id" ON documents ("collectionId");
INSERT INTO documents (id, title, emoji, text, "collectionId", "teamId", "createdAt", "updatedAt")
SELECT ('50000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'Doc ' || n, 'x', 'Body ' || n, ('60000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, '70000000-0000-4000-8000-000000000001', '2024-01-01', '2024-01-02' FROM generate_series(1, 300) AS n;
CREATE TABLE backlinks (id uuid NOT NULL PRIMARY KEY, "documentId" uuid NOT NULL, "reverseDocumentId" uuid NOT NULL, "createdAt" timestamptz NOT NULL, CONSTRAINT "backlinks_documentId_fkey" FOREIGN KEY ("documentId") REFERENCES documents (id));
INSERT INTO backlinks SELECT ('80000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, ('50000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, ('50000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, '2024-01-01' FROM generate_series(1, 300) AS n;

CREATE TABLE "Send" (
    "Id" uuid NOT NULL,
    "UserId" uuid,
    "OrganizationId" uuid,
    "Data" text,
    "Emails" character varying(1024),
    "Type" smallint NOT NULL,
    "AccessCount" integer NOT NULL,
    "DeletionDate" timestamp with time zone NOT NULL,
    "Disabled" boolean NOT NULL,
    CONSTRAINT "PK_Send" PRIMARY KEY ("Id")
);
INSERT INTO "Send" SELECT ('90000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, ('a0000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, NULL, 'd' || n, 'a@b.example', 0, n, '2025-01-01', false FROM generate_series(1, 300) AS n;
CREATE TABLE "Group" ("Id" uuid NOT NULL, "Name" character varying(100) NOT NULL, "AccessAll" boolean NOT NULL DEFAULT false, "ExternalId" character varying(300), "RevisionDate" timestamp with time zone NOT NULL, CONSTRAINT "PK_Group" PRIMARY KEY ("Id"));
INSERT INTO "Group" SELECT ('b0000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'Group ' || n, false, 'ext' || n, '2024-01-01' FROM generate_series(1, 300) AS n;
CREATE TABLE "__EFMigrationsHistory" ("MigrationId" character varying(150) NOT NULL CONSTRAINT "PK___EFMigrationsHistory" PRIMARY KEY, "ProductVersion" character varying(32) NOT NULL);
INSERT INTO "__EFMigrationsHistory" VALUES ('20240101000000_Init', '8.0.0');

CREATE SEQUENCE hibernate_sequence START WITH 1 INCREMENT BY 1;
CREATE TABLE vendor (
    id bigint NOT NULL PRIMARY KEY,
    version integer,
    company varchar(255) NOT NULL,
    org_no varchar(255),
    fee numeric(19, 2),
    kind varchar(31) NOT NULL,
    stall_no integer,
    rating double precision
);
INSERT INTO vendor (id, version, company, org_no, fee, kind, stall_no, rating) SELECT nextval('hibernate_sequence'), 0, 'Vendor ' || n, '9' || n, 100, 'food', n, 4.5 FROM generate_series(1, 300) AS n;

CREATE TABLE jobs (
    id bigserial PRIMARY KEY,
    state text NOT NULL DEFAULT 'available',
    queue text NOT NULL DEFAULT 'default',
    worker text NOT NULL,
    args jsonb NOT NULL DEFAULT '{}',
    errors jsonb[] NOT NULL DEFAULT ARRAY[]::jsonb[],
    attempt integer NOT NULL DEFAULT 0,
    priority integer,
    scheduled_at timestamp(0) NOT NULL DEFAULT timezone('UTC', now()),
    completed_at timestamp(0),
    CONSTRAINT queue_length CHECK (char_length(queue) > 0 AND char_length(queue) < 128)
);
CREATE INDEX jobs_state_queue_scheduled_at_index ON jobs (state, queue, scheduled_at);
INSERT INTO jobs (state, worker, args, completed_at) SELECT CASE WHEN n % 2 = 0 THEN 'completed' ELSE 'available' END, 'Mailer', '{"to": 1}', CASE WHEN n % 2 = 0 THEN '2024-08-01'::timestamp END FROM generate_series(1, 300) AS n;

CREATE TABLE gate.scans (
    id bigint GENERATED ALWAYS AS IDENTITY,
    serial varchar(40) NOT NULL,
    gate_no smallint,
    result text NOT NULL DEFAULT 'ok',
    scanned_at timestamptz NOT NULL,
    PRIMARY KEY (id, scanned_at)
) PARTITION BY RANGE (scanned_at);
CREATE TABLE gate.scans_2025_05 PARTITION OF gate.scans FOR VALUES FROM ('2025-05-01 00:00+00') TO ('2025-06-01 00:00+00');
CREATE TABLE gate.scans_2025_06 PARTITION OF gate.scans FOR VALUES FROM ('2025-06-01 00:00+00') TO ('2025-07-01 00:00+00');
INSERT INTO gate.scans (serial, gate_no, scanned_at) SELECT 'T' || n, n % 9, '2025-05-02 10:00+00'::timestamptz + n * interval '4 hours' FROM generate_series(1, 300) AS n;
CREATE TABLE metrics (
    name text NOT NULL,
    value double precision NOT NULL,
    day date NOT NULL
) PARTITION BY RANGE (day);
CREATE TABLE metrics_2024 PARTITION OF metrics FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE metrics_rest PARTITION OF metrics DEFAULT;
INSERT INTO metrics SELECT 'visits', n, '2024-01-01'::date + n FROM generate_series(1, 300) AS n;
INSERT INTO metrics SELECT 'visits', n, '2026-01-01'::date + n FROM generate_series(1, 300) AS n;
CREATE TABLE metrics_2023 (name text NOT NULL, value double precision NOT NULL, day date NOT NULL);
INSERT INTO metrics_2023 SELECT 'visits', n, '2023-01-01'::date + n FROM generate_series(1, 300) AS n;

CREATE TABLE messages (
    id bigserial PRIMARY KEY,
    account_id bigint NOT NULL,
    subject varchar(100),
    body text NOT NULL,
    seen boolean NOT NULL DEFAULT false,
    hidden boolean NOT NULL DEFAULT false
);
INSERT INTO messages (account_id, subject, body, hidden) SELECT n, 'Hello', 'Text ' || n, n % 2 = 0 FROM generate_series(1, 300) AS n;
ALTER TABLE messages ENABLE ROW LEVEL SECURITY;
CREATE POLICY messages_visible ON messages FOR SELECT TO fest_web USING (NOT hidden);

CREATE TABLE app_settings (key varchar(60) PRIMARY KEY, value text, updated_at timestamptz NOT NULL DEFAULT now());
INSERT INTO app_settings (key, value) VALUES ('signup', 'open'), ('theme', 'dark'), ('mail_from', 'post@fest.example'), ('telemetry', 'true');
CREATE TABLE page_cache (path text PRIMARY KEY, html text NOT NULL, made_at timestamptz NOT NULL DEFAULT now());
INSERT INTO page_cache (path, html) SELECT '/p/' || n, '<p>' || n || '</p>' FROM generate_series(1, 300) AS n;

CREATE FUNCTION count_orders() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE accounts SET orders_count = orders_count + 1 WHERE id = NEW.account_id;
    RETURN NULL;
END;
$$;
CREATE TRIGGER orders_count AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION count_orders();
CREATE FUNCTION performances_search() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.search := to_tsvector('simple', coalesce(NEW.title, '') || ' ' || coalesce(NEW.notes, ''));
    RETURN NEW;
END;
$$;
CREATE TRIGGER performances_search BEFORE INSERT OR UPDATE ON performances FOR EACH ROW EXECUTE FUNCTION performances_search();
UPDATE performances SET title = title;
CREATE FUNCTION ticket_price(cents integer) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT (cents / 100)::text || '' kr''';
CREATE FUNCTION next_order_number() RETURNS text LANGUAGE sql AS 'SELECT ''R'' || nextval(''order_numbers'')';

CREATE VIEW open_festivals AS SELECT id, slug, name, starts_on, ends_on, capacity FROM festivals WHERE state = 'open' AND NOT archived;
CREATE VIEW order_totals AS SELECT account_id, count(*) AS orders, sum(total) AS total FROM orders GROUP BY account_id;
CREATE MATERIALIZED VIEW artist_stats AS SELECT artist_id, count(*) AS sets, min(starts_at) AS first_at FROM performances GROUP BY artist_id;
CREATE UNIQUE INDEX artist_stats_artist_id ON artist_stats (artist_id);

GRANT SELECT ON messages, festivals, stages, artists TO fest_web;
GRANT SELECT ON orders, tickets, order_totals TO fest_report;
GRANT USAGE ON SCHEMA gate TO fest_gate;
GRANT SELECT, INSERT ON gate.scans TO fest_gate;

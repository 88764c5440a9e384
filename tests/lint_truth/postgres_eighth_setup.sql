-- A climbing gym: the schema on which the cases of postgres_eighth.tsv are measured, with rows in nearly every
-- table.
CREATE ROLE gym_web;
CREATE ROLE gym_desk;
CREATE ROLE gym_board;
CREATE SCHEMA auth;
CREATE EXTENSION IF NOT EXISTS pgcrypto;
CREATE TYPE auth.aal_level AS ENUM ('aal1', 'aal2');
CREATE TYPE booking_state AS ENUM ('held', 'paid', 'used', 'void');
CREATE TYPE enum_part AS ENUM ('rope', 'harness', 'shoes');
CREATE TYPE "Plan" AS ENUM ('FREE', 'STARTER', 'TEAM', 'PRO');
CREATE DOMAIN grade AS text CHECK (VALUE ~ '^[0-9][abc]?[+]?$');

CREATE TABLE auth.users (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email varchar(255),
    phone varchar(15) DEFAULT NULL,
    encrypted_password varchar(255),
    email_confirmed_at timestamptz,
    phone_confirmed_at timestamptz,
    invited_at timestamptz,
    raw_meta jsonb NOT NULL DEFAULT '{}',
    is_super_admin boolean,
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now(),
    CONSTRAINT users_email_key UNIQUE (email)
);
CREATE INDEX users_lower_email_idx ON auth.users (lower(email));
INSERT INTO auth.users (id, email, phone, encrypted_password, email_confirmed_at, raw_meta)
SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'climber' || n || '@gym.example', '47' || n, 'hash' || n, '2024-01-01 10:00:00+00', '{"lang": "nb"}'
FROM generate_series(1, 300) AS n;

CREATE TABLE auth.identities (
    id text NOT NULL,
    user_id uuid NOT NULL,
    identity_data jsonb NOT NULL,
    provider text NOT NULL,
    last_sign_in_at timestamptz,
    CONSTRAINT identities_pkey PRIMARY KEY (provider, id),
    CONSTRAINT identities_user_id_fkey FOREIGN KEY (user_id) REFERENCES auth.users (id) ON DELETE CASCADE
);
INSERT INTO auth.identities (id, user_id, identity_data, provider)
SELECT 'id' || n, ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, '{"email": "x"}', CASE WHEN n % 3 = 0 THEN 'github' ELSE 'email' END FROM generate_series(1, 300) AS n;

CREATE TABLE auth.refresh_tokens (
    id bigserial PRIMARY KEY,
    token varchar(255),
    user_id varchar(255),
    revoked boolean,
    created_at timestamptz DEFAULT now()
);
CREATE INDEX refresh_tokens_token_idx ON auth.refresh_tokens (token);
CREATE UNIQUE INDEX refresh_tokens_token_unique_idx ON auth.refresh_tokens (token);
INSERT INTO auth.refresh_tokens (token, user_id, revoked) SELECT 'tok' || n, 'u' || n, n % 2 = 0 FROM generate_series(1, 300) AS n;

CREATE TABLE institutions (
    id bigserial PRIMARY KEY,
    short_name text NOT NULL UNIQUE,
    display_timezone text NOT NULL DEFAULT 'Europe/Oslo',
    provider text DEFAULT 'local'
);
INSERT INTO institutions (short_name) SELECT 'gym' || n FROM generate_series(1, 20) AS n;

CREATE TABLE members (
    member_id bigserial PRIMARY KEY,
    auth_id uuid REFERENCES auth.users (id),
    institution_id bigint NOT NULL DEFAULT 1 REFERENCES institutions (id) ON UPDATE CASCADE ON DELETE CASCADE,
    uid text NOT NULL,
    name varchar(100),
    card_no integer,
    timezone text,
    plan "Plan" NOT NULL DEFAULT 'FREE',
    deleted_at timestamptz,
    avatar text,
    created_at timestamp NOT NULL DEFAULT now(),
    updated_at timestamp NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX members_uid_key ON members (uid);
CREATE INDEX members_institution_id_idx ON members (institution_id);
INSERT INTO members (auth_id, institution_id, uid, name, card_no, timezone, plan)
SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 1 + n % 20, 'm' || n, 'Member ' || n, n, CASE WHEN n % 4 = 0 THEN NULL ELSE 'Europe/Oslo' END, CASE WHEN n % 10 = 0 THEN 'TEAM'::"Plan" ELSE 'FREE' END
FROM generate_series(1, 300) AS n;

CREATE TABLE groups (
    id bigserial PRIMARY KEY,
    name text,
    deleted_at timestamptz,
    join_code varchar(8)
);
INSERT INTO groups (name, deleted_at, join_code) SELECT 'Group ' || n, CASE WHEN n % 10 = 0 THEN '2024-01-01'::timestamptz END, 'J' || n FROM generate_series(1, 100) AS n;
CREATE TABLE group_members (
    group_id bigint NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    member_id bigint NOT NULL CONSTRAINT fk_group_members_member REFERENCES members (member_id),
    kind integer NOT NULL DEFAULT 0,
    deleted boolean NOT NULL DEFAULT false,
    CONSTRAINT group_members_unique_member UNIQUE (member_id, group_id)
);
INSERT INTO group_members (group_id, member_id) SELECT 1 + n % 100, n FROM generate_series(1, 300) AS n;
CREATE INDEX group_members_group_idx ON group_members (group_id);

CREATE TABLE routes (
    id bigserial PRIMARY KEY,
    wall text NOT NULL,
    colour varchar(20) NOT NULL,
    grade grade NOT NULL DEFAULT '5a',
    set_by bigint REFERENCES members (member_id) ON UPDATE CASCADE ON DELETE SET NULL,
    number integer,
    heading text,
    tags text[] DEFAULT '{}',
    options jsonb,
    downloads integer NOT NULL DEFAULT 0,
    search tsvector,
    modified_at timestamptz DEFAULT CURRENT_TIMESTAMP,
    parse_errors jsonb,
    allow_photos boolean DEFAULT true,
    CONSTRAINT routes_colour_check CHECK (colour <> '')
);
CREATE INDEX routes_wall_idx ON routes (wall);
CREATE FUNCTION routes_search() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.search := to_tsvector('simple', NEW.wall || ' ' || NEW.colour);
    RETURN NEW;
END;
$$;
CREATE TRIGGER routes_search_update BEFORE INSERT OR UPDATE ON routes FOR EACH ROW EXECUTE FUNCTION routes_search();
INSERT INTO routes (wall, colour, grade, set_by, number, heading, options, parse_errors)
SELECT 'Wall ' || n % 12, 'red', '6b+', n, n, 'Heading ' || n, '{"bolts": 5}', '[]' FROM generate_series(1, 300) AS n;

CREATE TABLE climbs (
    id bigserial PRIMARY KEY,
    route_id bigint NOT NULL REFERENCES routes (id) ON DELETE CASCADE ON UPDATE CASCADE,
    member_id bigint NOT NULL,
    climbed_at timestamp NOT NULL DEFAULT now(),
    duration interval DEFAULT interval '0 seconds',
    score double precision,
    attempts smallint NOT NULL DEFAULT 1,
    note varchar(2000),
    format_errors text,
    broken_by bigint REFERENCES members (member_id)
);
CREATE INDEX climbs_route_id_idx ON climbs (route_id);
CREATE INDEX climbs_member_id_climbed_at_idx ON climbs (member_id, climbed_at DESC);
INSERT INTO climbs (route_id, member_id, climbed_at, score, note) SELECT n, n, '2024-05-01 10:00:00'::timestamp + n * interval '1 hour', n * 1.5, 'Felt good ' || n FROM generate_series(1, 300) AS n;

CREATE TABLE bookings (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    member_id bigint NOT NULL REFERENCES members (member_id) ON DELETE CASCADE,
    state booking_state NOT NULL DEFAULT 'held',
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    price numeric(8, 2) NOT NULL DEFAULT 0,
    code text NOT NULL,
    product_id varchar(128),
    CONSTRAINT bookings_code_key UNIQUE (code),
    CONSTRAINT bookings_times CHECK (ends_at > starts_at)
);
CREATE INDEX bookings_member_idx ON bookings (member_id);
INSERT INTO bookings (id, member_id, state, starts_at, ends_at, price, code, product_id)
SELECT ('10000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, n, CASE WHEN n % 2 = 0 THEN 'paid' ELSE 'held' END::booking_state, '2024-06-01'::timestamptz + n * interval '1 day', '2024-06-02'::timestamptz + n * interval '1 day', 120 + n, 'B' || n, 'day-pass'
FROM generate_series(1, 300) AS n;

CREATE TABLE payments (
    transaction_id text PRIMARY KEY,
    booking_id uuid REFERENCES bookings (id),
    user_id uuid REFERENCES auth.users (id) ON DELETE SET NULL,
    environment smallint NOT NULL DEFAULT 0,
    amount integer NOT NULL,
    receipt text NOT NULL DEFAULT '',
    paid_at timestamptz NOT NULL DEFAULT '1970-01-01 00:00:00 UTC'
);
CREATE INDEX payments_user_id_paid_at_idx ON payments (user_id, paid_at DESC);
INSERT INTO payments (transaction_id, booking_id, user_id, amount, receipt, paid_at)
SELECT 'tx' || n, ('10000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, CASE WHEN n % 5 = 0 THEN NULL ELSE ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid END, n * 100, 'r' || n, '2024-06-06 06:06:06+00' FROM generate_series(1, 300) AS n;

CREATE TABLE gear (
    id serial PRIMARY KEY,
    part enum_part NOT NULL,
    serial_no varchar(64) NOT NULL,
    bought date,
    weight_g real,
    location_id integer,
    checksum bytea,
    retired boolean
);
INSERT INTO gear (part, serial_no, bought, weight_g, checksum) SELECT 'shoes', 'SN' || n, '2020-01-01'::date + n, n / 2.0, decode(md5(n::text), 'hex') FROM generate_series(1, 300) AS n;

CREATE TABLE jobs (
    id bigserial PRIMARY KEY,
    assessment_id bigint,
    type text NOT NULL,
    status text NOT NULL DEFAULT 'queued',
    data jsonb NOT NULL DEFAULT '{}',
    priority smallint NOT NULL DEFAULT 0,
    heartbeat_at timestamptz,
    CONSTRAINT jobs_type_member UNIQUE (type, assessment_id)
);
CREATE INDEX jobs_status_idx ON jobs (status) WHERE status = 'queued';
INSERT INTO jobs (assessment_id, type, status) SELECT n, 'sync', 'done' FROM generate_series(1, 300) AS n;

CREATE TABLE page_view_logs (
    id bigserial PRIMARY KEY,
    path text NOT NULL,
    member_id bigint,
    client_fingerprint_id bigint,
    viewed_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO page_view_logs (path, member_id, client_fingerprint_id) SELECT '/p/' || n, n, n FROM generate_series(1, 300) AS n;
CREATE TABLE client_fingerprints (
    id bigserial PRIMARY KEY,
    agent text NOT NULL
);
INSERT INTO client_fingerprints (agent) SELECT 'Agent/' || n FROM generate_series(1, 300) AS n;

CREATE TABLE system_setting (
    name text NOT NULL,
    value text NOT NULL,
    description text NOT NULL DEFAULT '',
    UNIQUE (name)
);
INSERT INTO system_setting (name, value) VALUES ('serverId', 'abc'), ('allowSignUp', 'true'), ('schema_version', '12');

CREATE TABLE schema_migration (
    schema_version smallint NOT NULL PRIMARY KEY,
    migration_time timestamptz NOT NULL
);
INSERT INTO schema_migration SELECT n, '2024-01-01' FROM generate_series(1, 41) AS n;

CREATE TABLE old_sessions (
    sid text PRIMARY KEY,
    data json NOT NULL,
    expires timestamptz
);
CREATE TABLE stream_positions (
    position bigint NOT NULL,
    name text NOT NULL PRIMARY KEY
);
INSERT INTO stream_positions VALUES (42, 'climbs'), (7, 'bookings');
CREATE SEQUENCE receipt_number_seq START WITH 5000;

CREATE TABLE "Answer" (
    "id" TEXT NOT NULL,
    "resultId" TEXT NOT NULL,
    "blockId" TEXT NOT NULL,
    "groupId" TEXT NOT NULL,
    "itemId" TEXT,
    "content" TEXT NOT NULL,
    "storageUsed" INTEGER,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "Answer_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "Answer_blockId_itemId_idx" ON "Answer" ("blockId", "itemId");
CREATE UNIQUE INDEX "Answer_resultId_blockId_groupId_key" ON "Answer" ("resultId", "blockId", "groupId");
INSERT INTO "Answer" ("id", "resultId", "blockId", "groupId", "itemId", "content", "storageUsed", "createdAt") SELECT 'a' || n, 'r' || n, 'b' || n, 'g' || n, 'i' || n, 'Yes', n, '2022-01-01' FROM generate_series(1, 300) AS n;

CREATE TABLE notes (
    id bigserial PRIMARY KEY,
    member_id bigint NOT NULL,
    body text NOT NULL,
    visible boolean NOT NULL DEFAULT false
);
INSERT INTO notes (member_id, body, visible) SELECT n, 'Note ' || n, n % 2 = 0 FROM generate_series(1, 300) AS n;
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY notes_visible ON notes FOR SELECT TO gym_web USING (visible);

CREATE VIEW active_members AS SELECT member_id, uid, name, plan FROM members WHERE deleted_at IS NULL;
CREATE VIEW route_counts AS SELECT wall, count(*) AS routes FROM routes GROUP BY wall;
CREATE MATERIALIZED VIEW recent_climbs AS SELECT route_id, count(*) AS climbs FROM climbs GROUP BY route_id;
CREATE UNIQUE INDEX recent_climbs_route_id ON recent_climbs (route_id);
CREATE FUNCTION grade_number(g text) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT substring($1, 1, 1)::integer';
CREATE FUNCTION next_receipt(prefix text) RETURNS text LANGUAGE sql AS 'SELECT prefix || nextval(''receipt_number_seq'')';

GRANT USAGE ON SCHEMA auth TO gym_desk;
GRANT SELECT ON notes, members, routes TO gym_web;
GRANT SELECT, INSERT, UPDATE ON bookings, payments TO gym_desk;
GRANT SELECT ON auth.users TO gym_desk;

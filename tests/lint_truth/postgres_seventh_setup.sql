-- A host of podcasts: the schema on which the cases of postgres_seventh.tsv are measured, with rows in
-- nearly every table.
CREATE ROLE cast_web;
CREATE ROLE cast_stats;
CREATE SCHEMA stats;
CREATE TYPE episode_state AS ENUM ('draft', 'scheduled', 'published', 'removed');
CREATE TYPE login_kind AS ENUM ('password', 'github');
CREATE TYPE payout_status AS ENUM ('pending_review', 'sent', 'bounced');
CREATE TYPE "MemberRole" AS ENUM ('OWNER', 'EDITOR', 'VIEWER');
CREATE SEQUENCE receipt_seq START WITH 1000;

CREATE FUNCTION set_modified() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END;
$$;

CREATE TABLE accounts (
    id bigserial PRIMARY KEY,
    email text NOT NULL,
    login varchar(60) NOT NULL,
    kind login_kind NOT NULL DEFAULT 'password',
    password_hash text,
    first_name varchar(80),
    last_name varchar(80),
    props text,
    timezone text DEFAULT '{}',
    theme text DEFAULT 'default',
    plan text NOT NULL DEFAULT 'FREE',
    is_admin boolean DEFAULT false,
    sec_key_1 text,
    deleted boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX accounts_email_idx ON accounts (email);
CREATE UNIQUE INDEX accounts_login_lower ON accounts (lower(login));
INSERT INTO accounts (email, login, password_hash, first_name, last_name, props, timezone, theme, plan)
SELECT 'listener' || n || '@cast.example', CASE WHEN n % 20 = 0 THEN 'org:' || n ELSE 'listener' || n END, 'hash' || n, 'First' || n, 'Last' || n, '{"beta": true}', '{"auto": "Europe/Oslo"}', CASE WHEN n % 3 = 0 THEN 'black' ELSE 'default' END, CASE WHEN n % 10 = 0 THEN 'PRO' ELSE 'FREE' END
FROM generate_series(1, 300) AS n;

CREATE TABLE sessions (
    id text PRIMARY KEY,
    account_id bigint NOT NULL,
    user_agent text,
    ip text,
    expires_at timestamp NOT NULL,
    CONSTRAINT sessions_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts (id)
);
CREATE INDEX sessions_account_id_idx ON sessions (account_id);
INSERT INTO sessions SELECT md5(n::text), n, 'Agent/' || n, '10.0.0.' || n % 250, '2024-08-01 10:00:00' FROM generate_series(1, 300) AS n;

CREATE TABLE shows (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    owner_id bigint NOT NULL REFERENCES accounts (id),
    slug varchar(64) NOT NULL,
    title varchar(200) NOT NULL,
    description varchar(1024) NOT NULL DEFAULT '',
    language char(2) NOT NULL DEFAULT 'en',
    image_path text,
    photo text,
    feed_url text,
    storage_bytes integer NOT NULL DEFAULT 0,
    extra jsonb DEFAULT '{}',
    verified boolean,
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT shows_slug_key UNIQUE (slug),
    CONSTRAINT proper_slug CHECK (slug ~ '^[a-z0-9_-]+$')
);
CREATE TRIGGER shows_touch BEFORE UPDATE ON shows FOR EACH ROW EXECUTE FUNCTION set_modified();
INSERT INTO shows (id, owner_id, slug, title, description, photo, feed_url, storage_bytes, extra)
SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, n, 'show-' || n, 'Show ' || n, 'All about ' || n, '/photo/' || n, 'https://feeds.example/' || n, n * 1000, '{"itunes": "yes"}'
FROM generate_series(1, 300) AS n;

CREATE TABLE "ShowMember" (
    "id" TEXT NOT NULL,
    "showId" UUID NOT NULL,
    "accountId" BIGINT NOT NULL,
    "role" "MemberRole" NOT NULL DEFAULT 'EDITOR',
    "title" TEXT,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "ShowMember_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "ShowMember_showId_fkey" FOREIGN KEY ("showId") REFERENCES shows (id) ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT "ShowMember_accountId_fkey" FOREIGN KEY ("accountId") REFERENCES accounts (id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX "ShowMember.showId_accountId_unique" ON "ShowMember" ("showId", "accountId");
INSERT INTO "ShowMember" ("id", "showId", "accountId", "role", "title", "createdAt")
SELECT 'mem' || n, ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, n, 'OWNER', 'Host', '2024-03-03 12:00:00' FROM generate_series(1, 300) AS n;

CREATE TABLE episodes (
    id bigserial PRIMARY KEY,
    show_id uuid NOT NULL,
    number integer,
    title text NOT NULL,
    guid text NOT NULL DEFAULT gen_random_uuid()::text,
    state episode_state NOT NULL DEFAULT 'draft',
    published_at timestamptz,
    duration_s integer,
    audio_path text NOT NULL,
    thumb_path text,
    summary text,
    search tsvector,
    root_id bigint,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT episodes_show_id_fkey FOREIGN KEY (show_id) REFERENCES shows (id),
    CONSTRAINT episodes_show_number_key UNIQUE (show_id, number)
);
CREATE INDEX episodes_state_idx ON episodes (state);
CREATE INDEX episodes_root_id_idx ON episodes (root_id);
CREATE INDEX episodes_search_idx ON episodes USING gin (search);
INSERT INTO episodes (show_id, number, title, guid, state, published_at, duration_s, audio_path, thumb_path, summary, search)
SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 1, 'Episode ' || n, 'guid-' || n, CASE WHEN n % 5 = 0 THEN 'draft' ELSE 'published' END::episode_state, CASE WHEN n % 5 = 0 THEN NULL ELSE '2024-02-01'::timestamptz + n * interval '1 hour' END, 600 + n, '/audio/' || n || '.mp3', '/thumb/' || n || '.webp', 'Summary ' || n, to_tsvector('simple', 'episode ' || n)
FROM generate_series(1, 300) AS n;

CREATE TABLE audio_files (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    episode_id bigint NOT NULL,
    media_id uuid,
    mime varchar(30) NOT NULL DEFAULT 'audio/mpeg',
    size integer NOT NULL,
    checksum bytea,
    path text NOT NULL,
    is_primary boolean NOT NULL DEFAULT true,
    CONSTRAINT audio_file_episode_fkey FOREIGN KEY (episode_id) REFERENCES episodes (id) ON DELETE CASCADE
);
CREATE INDEX audio_files_checksum_partial ON audio_files (checksum) WHERE checksum IS NOT NULL;
INSERT INTO audio_files (id, episode_id, media_id, size, checksum, path)
SELECT ('10000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, n, ('20000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, n * 5000, decode(md5(n::text), 'hex'), '/store/' || n FROM generate_series(1, 300) AS n;

CREATE TABLE plays (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    episode_id bigint NOT NULL,
    session_id uuid NOT NULL,
    listener text,
    at timestamp NOT NULL DEFAULT now(),
    seconds smallint NOT NULL DEFAULT 0,
    country char(2)
);
CREATE INDEX plays_episode_at_idx ON plays (episode_id, at);
INSERT INTO plays (episode_id, session_id, listener, at, seconds, country)
SELECT n, ('30000000-0000-4000-8000-' || lpad((n % 90)::text, 12, '0'))::uuid, 'l' || n % 90, '2024-05-05 05:05:05'::timestamp + n * interval '1 minute', n, CASE WHEN n % 7 = 0 THEN NULL ELSE 'NO' END FROM generate_series(1, 300) AS n;

CREATE TABLE stats.daily (
    day date NOT NULL,
    show_id uuid NOT NULL,
    plays bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (day, show_id)
) PARTITION BY RANGE (day);
CREATE TABLE stats.daily_2024_01 PARTITION OF stats.daily FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
CREATE TABLE stats.daily_2024_02 PARTITION OF stats.daily FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
INSERT INTO stats.daily SELECT '2024-01-01'::date + n % 55, ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, n FROM generate_series(1, 300) AS n;

CREATE TABLE comments (
    id bigserial PRIMARY KEY,
    episode_id bigint NOT NULL REFERENCES episodes (id) ON DELETE CASCADE,
    account_id bigint NOT NULL,
    body text NOT NULL,
    props varchar(8000),
    file_ids varchar(150),
    reactions integer NOT NULL DEFAULT 0,
    hidden boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT comments_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts (id)
);
CREATE INDEX comments_episode_id_idx ON comments (episode_id);
INSERT INTO comments (episode_id, account_id, body, props, hidden) SELECT n, n, 'Nice one ' || n, '{"via": "web"}', n % 10 = 0 FROM generate_series(1, 300) AS n;

CREATE TABLE tags (
    id serial PRIMARY KEY,
    name varchar(40) NOT NULL UNIQUE
);
INSERT INTO tags (name) SELECT 'tag' || n FROM generate_series(1, 40) AS n;
CREATE TABLE episode_tags (
    episode_id bigint NOT NULL REFERENCES episodes (id) ON DELETE CASCADE,
    tag_id integer NOT NULL REFERENCES tags (id),
    PRIMARY KEY (episode_id, tag_id)
);
INSERT INTO episode_tags SELECT n, 1 + n % 30 FROM generate_series(1, 300) AS n;

CREATE TABLE subscriptions (
    id bigserial PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES accounts (id),
    show_id uuid NOT NULL REFERENCES shows (id),
    tier varchar(16) NOT NULL DEFAULT 'basic',
    status text NOT NULL DEFAULT 'active',
    price_cents integer NOT NULL,
    renewed_on date NOT NULL DEFAULT '2024-01-01',
    cancelled_at timestamptz,
    CONSTRAINT subscriptions_status_check CHECK (status IN ('active', 'paused', 'cancelled'))
);
CREATE UNIQUE INDEX subscriptions_account_show_index ON subscriptions (account_id, show_id);
INSERT INTO subscriptions (account_id, show_id, tier, status, price_cents)
SELECT n, ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, CASE WHEN n % 4 = 0 THEN 'gold' ELSE 'basic' END, CASE WHEN n % 9 = 0 THEN 'paused' ELSE 'active' END, 300 + n FROM generate_series(1, 300) AS n;

CREATE TABLE payouts (
    id serial PRIMARY KEY,
    owner_id bigint NOT NULL REFERENCES accounts (id),
    reviewer_id bigint,
    amount integer NOT NULL,
    fee integer DEFAULT 0,
    status payout_status NOT NULL DEFAULT 'pending_review',
    lookup_id text,
    iban varchar(34),
    paid_on date
);
CREATE UNIQUE INDEX payouts_lookup_id_unique ON payouts (lookup_id);
INSERT INTO payouts (owner_id, reviewer_id, amount, status, lookup_id, iban) SELECT n, 1, n * 100, CASE WHEN n % 2 = 0 THEN 'sent' ELSE 'pending_review' END::payout_status, 'lk' || n, 'NO93' || n FROM generate_series(1, 300) AS n;

CREATE TABLE promo_codes (
    id serial PRIMARY KEY,
    code varchar(32) NOT NULL DEFAULT 'WELCOME',
    show_id uuid REFERENCES shows (id),
    discount numeric(5, 2) NOT NULL DEFAULT 10,
    is_public boolean NOT NULL DEFAULT false
);
INSERT INTO promo_codes (code, show_id, is_public) SELECT 'CODE' || n, CASE WHEN n % 2 = 0 THEN ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid END, n <= 50 FROM generate_series(1, 300) AS n;
ALTER TABLE promo_codes ENABLE ROW LEVEL SECURITY;
CREATE POLICY promo_public ON promo_codes FOR SELECT TO cast_web USING (is_public);

CREATE TABLE job_queue (
    id bigserial PRIMARY KEY,
    name text NOT NULL,
    args jsonb NOT NULL DEFAULT '{}',
    status varchar(20) NOT NULL DEFAULT 'new',
    priority smallint NOT NULL DEFAULT 0,
    run_after timestamptz NOT NULL DEFAULT now(),
    attempts integer NOT NULL DEFAULT 0
);
CREATE INDEX job_queue_status_idx ON job_queue (status, run_after);
INSERT INTO job_queue (name, status) SELECT CASE WHEN n % 3 = 0 THEN 'Task::Encode' ELSE 'Task::Notify' END, 'done' FROM generate_series(1, 300) AS n;

CREATE TABLE settings (
    key varchar(100) PRIMARY KEY,
    value jsonb NOT NULL
);
INSERT INTO settings VALUES ('thumbnail.jpegSize', '1440'), ('thumbnail.webpSize', '250'), ('alteration_state', '{"at": 7}'), ('site_name', '"Cast"');

CREATE TABLE event_log (
    seq bigserial PRIMARY KEY,
    entity text NOT NULL,
    op text NOT NULL,
    payload jsonb NOT NULL,
    leaf_index bigint,
    created timestamptz NOT NULL DEFAULT now()
);
INSERT INTO event_log (entity, op, payload) SELECT 'episode/' || n, 'create', '{}' FROM generate_series(1, 300) AS n;

CREATE TABLE redirects (
    id serial PRIMARY KEY,
    old_url varchar(255) NOT NULL,
    new_url varchar(255) NOT NULL,
    CONSTRAINT redirects_old_url_key UNIQUE (old_url)
);
INSERT INTO redirects (old_url, new_url) SELECT '/old/' || n, '/new/' || n FROM generate_series(1, 300) AS n;

CREATE TABLE import_runs (
    id bigint NOT NULL,
    worker uuid,
    started timestamptz NOT NULL DEFAULT now(),
    log text
);
INSERT INTO import_runs (id, worker, log) SELECT n, ('40000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'ok' FROM generate_series(1, 300) AS n;

CREATE TABLE old_tokens (
    id text NOT NULL,
    value text NOT NULL,
    PRIMARY KEY (id, value)
);
INSERT INTO old_tokens SELECT 'u' || n, 't' || n FROM generate_series(1, 300) AS n;

CREATE TABLE quartz_locks (
    sched_name varchar(120) NOT NULL,
    lock_name varchar(40) NOT NULL,
    PRIMARY KEY (sched_name, lock_name)
);

CREATE VIEW published_episodes AS SELECT e.id, e.show_id, e.title, e.published_at, e.duration_s FROM episodes e WHERE e.state = 'published';
CREATE VIEW show_totals AS SELECT show_id, count(*) AS episodes, max(published_at) AS latest FROM episodes GROUP BY show_id;
CREATE MATERIALIZED VIEW top_shows AS SELECT show_id, sum(plays) AS plays FROM stats.daily GROUP BY show_id;
CREATE UNIQUE INDEX top_shows_show_id_key ON top_shows (show_id);

GRANT USAGE ON SCHEMA stats TO cast_stats;
GRANT SELECT ON promo_codes, comments, shows TO cast_web;
GRANT SELECT ON plays, stats.daily TO cast_stats;

-- A harbour: the schema on which the cases of postgres_sixth.tsv are measured, with rows in nearly
-- every table.
CREATE ROLE harbour_app;
CREATE ROLE harbour_report;
CREATE SCHEMA audit;
CREATE TYPE vessel_kind AS ENUM ('cargo', 'tanker', 'passenger', 'fishing', 'tug');
CREATE TYPE call_status AS ENUM ('announced', 'confirmed', 'moored', 'departed', 'cancelled');
CREATE TYPE job_state AS ENUM ('queued', 'running', 'done', 'failed');
CREATE TYPE notice_level AS ENUM ('info', 'warning');
CREATE DOMAIN email_address AS varchar(254) CHECK (VALUE LIKE '%_@_%');
CREATE SEQUENCE invoice_number_seq START WITH 5000;
CREATE SEQUENCE old_receipt_seq;

CREATE FUNCTION touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END;
$$;
CREATE FUNCTION call_reference(call_id bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'PC-' || lpad(call_id::text, 8, '0') $$;
CREATE FUNCTION berth_length(berth integer) RETURNS integer LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN 100 + berth;
END;
$$;

CREATE TABLE countries (
    code char(2) PRIMARY KEY,
    name text NOT NULL
);
INSERT INTO countries (code, name) VALUES ('NO', 'Norway'), ('DK', 'Denmark'), ('SE', 'Sweden'), ('DE', 'Germany'), ('NL', 'Netherlands'), ('PA', 'Panama'), ('LR', 'Liberia');

CREATE TABLE hazmat_classes (
    id smallint PRIMARY KEY,
    code varchar(4) NOT NULL,
    title varchar(60) NOT NULL
);
INSERT INTO hazmat_classes (id, code, title) VALUES (1, '1', 'Explosives'), (2, '2.1', 'Flammable gas'), (3, '3', 'Flammable liquids'), (4, '4.1', 'Flammable solids'), (5, '5.1', 'Oxidizing substances');

CREATE TABLE users (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email varchar(255) NOT NULL,
    username varchar(40) NOT NULL,
    password_hash text,
    role text NOT NULL DEFAULT 'clerk',
    locale varchar(8),
    settings jsonb NOT NULL DEFAULT '{}',
    last_login timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT users_email_key UNIQUE (email),
    CONSTRAINT users_role_check CHECK (role IN ('clerk', 'master', 'admin'))
);
CREATE UNIQUE INDEX users_username_lower_key ON users (lower(username));
INSERT INTO users (id, email, username, password_hash, role, settings)
SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'user' || n || '@harbour.example', 'user' || n, 'x' || n, CASE WHEN n <= 3 THEN 'admin' ELSE 'clerk' END, '{"theme": "dark"}'
FROM generate_series(1, 300) AS n;

CREATE TABLE user_tokens (
    id bigserial PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    token char(64) NOT NULL UNIQUE,
    expires_at timestamp NOT NULL
);
CREATE INDEX user_tokens_user_id_idx ON user_tokens (user_id);
INSERT INTO user_tokens (user_id, token, expires_at)
SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, lpad(n::text, 64, '0'), '2024-06-01 12:00:00'
FROM generate_series(1, 300) AS n;

CREATE TABLE companies (
    id bigserial PRIMARY KEY,
    name varchar(120) NOT NULL,
    vat_no varchar(20),
    email email_address,
    phone varchar(30),
    address jsonb NOT NULL DEFAULT '{}',
    rating integer,
    credit_limit numeric(12, 2) NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz
);
CREATE UNIQUE INDEX companies_vat_no_key ON companies (vat_no) WHERE deleted_at IS NULL;
CREATE INDEX companies_name_idx ON companies (name);
CREATE TRIGGER companies_touch BEFORE UPDATE ON companies FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
INSERT INTO companies (name, vat_no, email, rating, credit_limit)
SELECT 'Company ' || n, 'NO' || (900000000 + n), 'office' || n || '@lines.example', n % 5, n * 100
FROM generate_series(1, 300) AS n;

CREATE TABLE vessels (
    id bigserial PRIMARY KEY,
    imo varchar(7) NOT NULL,
    name varchar(80) NOT NULL,
    kind vessel_kind NOT NULL DEFAULT 'cargo',
    flag char(2) NOT NULL REFERENCES countries (code),
    owner_id bigint REFERENCES companies (id),
    length_m numeric(6, 2),
    gross_tonnage integer,
    call_sign varchar(10),
    tags text[] NOT NULL DEFAULT '{}',
    search tsvector GENERATED ALWAYS AS (to_tsvector('simple', name)) STORED,
    is_active boolean NOT NULL DEFAULT true,
    notes text,
    CONSTRAINT vessels_imo_key UNIQUE (imo),
    CONSTRAINT vessels_tonnage_check CHECK (gross_tonnage > 0)
);
CREATE INDEX vessels_owner_id_idx ON vessels (owner_id);
CREATE INDEX vessels_search_idx ON vessels USING gin (search);
INSERT INTO vessels (imo, name, kind, flag, owner_id, length_m, gross_tonnage, call_sign, notes)
SELECT (9000000 + n)::text, 'Vessel ' || n, (ARRAY['cargo', 'tanker', 'passenger', 'fishing'])[1 + n % 4]::vessel_kind, CASE WHEN n % 2 = 0 THEN 'NO' ELSE 'PA' END, n, 50 + n / 10.0, 1000 + n, 'LA' || n, 'note ' || n
FROM generate_series(1, 300) AS n;

CREATE TABLE berths (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code varchar(8) NOT NULL UNIQUE,
    quay varchar(40) NOT NULL,
    max_draught numeric(4, 1) NOT NULL,
    status varchar(10) NOT NULL DEFAULT 'open',
    lat double precision,
    lon double precision
);
INSERT INTO berths (code, quay, max_draught, lat, lon)
SELECT 'B' || n, 'Quay ' || n % 7, 8 + n % 6, 59.9, 10.7 FROM generate_series(1, 40) AS n;

CREATE TABLE port_calls (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    reference text NOT NULL,
    vessel_id bigint NOT NULL,
    berth_id integer REFERENCES berths (id) ON DELETE SET NULL,
    agent_id bigint,
    status call_status NOT NULL DEFAULT 'announced',
    purpose varchar(50),
    eta timestamptz NOT NULL,
    ata timestamp,
    atd timestamp,
    passengers smallint,
    fee_cents integer NOT NULL DEFAULT 0,
    remarks text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT port_calls_reference_key UNIQUE (reference),
    CONSTRAINT port_calls_vessel_id_fkey FOREIGN KEY (vessel_id) REFERENCES vessels (id) ON DELETE CASCADE,
    CONSTRAINT port_calls_times_check CHECK (atd >= ata)
);
CREATE INDEX port_calls_vessel_id_idx ON port_calls (vessel_id);
CREATE INDEX port_calls_status_eta_idx ON port_calls (status, eta);
CREATE TRIGGER port_calls_touch BEFORE UPDATE ON port_calls FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
INSERT INTO port_calls (reference, vessel_id, berth_id, agent_id, status, purpose, eta, ata, atd, passengers, fee_cents)
SELECT 'PC-' || n, n, 1 + n % 40, n, (ARRAY['announced', 'confirmed', 'moored', 'departed'])[1 + n % 4]::call_status, 'discharge', '2024-05-01 08:00:00+00'::timestamptz + n * interval '1 hour', '2024-05-01 09:00:00'::timestamp + n * interval '1 hour', '2024-05-03 09:00:00'::timestamp + n * interval '1 hour', n % 50, n * 10
FROM generate_series(1, 300) AS n;

CREATE TABLE audit.entries (
    id bigserial PRIMARY KEY,
    table_name text NOT NULL,
    row_id text NOT NULL,
    action char(1) NOT NULL,
    actor text NOT NULL DEFAULT current_user,
    happened_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO audit.entries (table_name, row_id, action, actor, happened_at) SELECT 'port_calls', n::text, 'I', 'import', '2024-04-01' FROM generate_series(1, 300) AS n;
CREATE FUNCTION audit.log_port_call() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit.entries (table_name, row_id, action) VALUES (TG_TABLE_NAME, NEW.id::text, left(TG_OP, 1));
    RETURN NULL;
END;
$$;
CREATE TRIGGER port_calls_audit AFTER INSERT OR UPDATE ON port_calls FOR EACH ROW EXECUTE FUNCTION audit.log_port_call();

CREATE TABLE cargo_items (
    id bigserial PRIMARY KEY,
    call_id bigint NOT NULL REFERENCES port_calls (id) ON DELETE CASCADE,
    description text NOT NULL,
    hs_code varchar(12),
    weight_kg numeric(12, 3) NOT NULL,
    unit_count integer NOT NULL DEFAULT 1,
    hazardous boolean NOT NULL DEFAULT false,
    hazmat_class_id smallint,
    CONSTRAINT cargo_items_weight_check CHECK (weight_kg >= 0)
);
ALTER TABLE cargo_items ADD CONSTRAINT cargo_items_hazmat_check CHECK (NOT hazardous OR hazmat_class_id IS NOT NULL) NOT VALID;
CREATE INDEX cargo_items_call_id_idx ON cargo_items (call_id);
INSERT INTO cargo_items (call_id, description, hs_code, weight_kg, unit_count, hazmat_class_id)
SELECT n, 'Container ' || n, '8703' || n, n * 10, n, 1 + n % 5 FROM generate_series(1, 300) AS n;

CREATE TABLE pilots (
    id serial PRIMARY KEY,
    user_id uuid NOT NULL UNIQUE REFERENCES users (id),
    licence varchar(20) NOT NULL UNIQUE,
    valid_until date,
    phone varchar(30)
);
INSERT INTO pilots (user_id, licence, valid_until)
SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'L-' || n, '2026-01-01' FROM generate_series(1, 25) AS n;

CREATE TABLE pilotages (
    call_id bigint NOT NULL REFERENCES port_calls (id) ON DELETE CASCADE,
    pilot_id integer NOT NULL REFERENCES pilots (id),
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    CONSTRAINT pilotages_pkey PRIMARY KEY (call_id, pilot_id)
);
INSERT INTO pilotages (call_id, pilot_id, started_at) SELECT n, 1 + n % 25, '2024-05-01' FROM generate_series(1, 300) AS n;

CREATE TABLE tariffs (
    id serial PRIMARY KEY,
    code varchar(16) NOT NULL,
    valid_from date NOT NULL,
    valid_to date,
    price numeric(10, 2) NOT NULL,
    unit varchar(10) NOT NULL DEFAULT 'gt',
    UNIQUE (code, valid_from)
);
INSERT INTO tariffs (code, valid_from, price) VALUES ('QUAY', '2024-01-01', 0.45), ('WATER', '2024-01-01', 12), ('WASTE', '2024-01-01', 80.5), ('PILOT', '2024-01-01', 410), ('QUAY', '2023-01-01', 0.41);

CREATE TABLE invoices (
    id bigserial PRIMARY KEY,
    number varchar(20) NOT NULL DEFAULT 'I' || nextval('invoice_number_seq'),
    company_id bigint NOT NULL REFERENCES companies (id),
    call_id bigint REFERENCES port_calls (id),
    state text NOT NULL DEFAULT 'draft',
    total numeric(12, 2) NOT NULL DEFAULT 0,
    total_with_vat numeric(14, 2) GENERATED ALWAYS AS (total * 1.25) STORED,
    currency char(3) NOT NULL DEFAULT 'NOK',
    issued_on date,
    due_on date,
    paid_at timestamptz,
    CONSTRAINT invoices_number_key UNIQUE (number),
    CONSTRAINT invoices_state_check CHECK (state IN ('draft', 'sent', 'paid'))
);
CREATE INDEX invoices_company_id_idx ON invoices (company_id);
INSERT INTO invoices (company_id, call_id, state, total, issued_on, due_on)
SELECT n, n, CASE WHEN n % 3 = 0 THEN 'paid' ELSE 'sent' END, n * 100, '2024-05-10', CASE WHEN n % 10 = 0 THEN NULL ELSE '2024-06-10'::date END FROM generate_series(1, 300) AS n;

CREATE TABLE invoice_lines (
    invoice_id bigint NOT NULL,
    line_no integer NOT NULL,
    tariff_id integer REFERENCES tariffs (id),
    label text NOT NULL,
    quantity numeric(10, 2) NOT NULL DEFAULT 1,
    amount numeric(12, 2) NOT NULL,
    CONSTRAINT invoice_lines_pkey PRIMARY KEY (invoice_id, line_no)
);
INSERT INTO invoice_lines (invoice_id, line_no, tariff_id, label, amount) SELECT n, 1, 1 + n % 5, 'Line ' || n, n FROM generate_series(1, 300) AS n;

CREATE TABLE documents (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    call_id bigint NOT NULL REFERENCES port_calls (id) ON DELETE CASCADE,
    file_name text NOT NULL,
    mime_type varchar(60) NOT NULL DEFAULT 'application/pdf',
    size_bytes integer NOT NULL,
    visibility text NOT NULL DEFAULT 'private',
    uploaded_by uuid REFERENCES users (id),
    uploaded_at timestamp NOT NULL DEFAULT now()
);
CREATE INDEX documents_call_id_idx ON documents (call_id);
INSERT INTO documents (id, call_id, file_name, size_bytes, visibility, uploaded_by)
SELECT ('10000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, n, 'file' || n || '.pdf', n * 1000, CASE WHEN n <= 20 THEN 'public' ELSE 'private' END, ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid
FROM generate_series(1, 300) AS n;
ALTER TABLE documents ENABLE ROW LEVEL SECURITY;
CREATE POLICY documents_public ON documents FOR SELECT TO harbour_app USING (visibility = 'public');

CREATE TABLE background_jobs (
    id bigserial PRIMARY KEY,
    kind text NOT NULL,
    payload jsonb NOT NULL DEFAULT '{}',
    state job_state NOT NULL DEFAULT 'queued',
    attempts smallint NOT NULL DEFAULT 0,
    run_at timestamptz NOT NULL DEFAULT now(),
    locked_by varchar(60),
    finished_at timestamptz
);
CREATE INDEX background_jobs_state_run_at_idx ON background_jobs (state, run_at);
CREATE INDEX background_jobs_kind_idx ON background_jobs (kind);
INSERT INTO background_jobs (kind, payload, state)
SELECT CASE WHEN n % 3 = 0 THEN 'mail' ELSE 'sync_ais' END, jsonb_build_object('tenant', 't' || n % 4), 'done' FROM generate_series(1, 300) AS n;

CREATE TABLE settings (
    key text PRIMARY KEY,
    value jsonb NOT NULL,
    description text
);
INSERT INTO settings (key, value) VALUES ('port_name', '"Nordhavn"'), ('opening_hours', '{"from": 6, "to": 22}'), ('mail_sender', '"post@harbour.example"'), ('max_stay_days', '14'), ('maintenance', 'false');

CREATE TABLE webhook_endpoints (
    id serial PRIMARY KEY,
    url text NOT NULL,
    secret text,
    event_kinds text[] NOT NULL DEFAULT '{}'
);
INSERT INTO webhook_endpoints (url, secret) VALUES ('https://hooks.example/1', 's1'), ('https://hooks.example/2', NULL), ('https://hooks.example/3', 's3');

CREATE TABLE ais_positions (
    id bigint GENERATED ALWAYS AS IDENTITY,
    vessel_id bigint NOT NULL,
    lat double precision NOT NULL,
    lon double precision NOT NULL,
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (id, seen_at)
) PARTITION BY RANGE (seen_at);
CREATE TABLE ais_positions_2024_04 PARTITION OF ais_positions FOR VALUES FROM ('2024-04-01 00:00:00+00') TO ('2024-05-01 00:00:00+00');
CREATE TABLE ais_positions_2024_05 PARTITION OF ais_positions FOR VALUES FROM ('2024-05-01 00:00:00+00') TO ('2024-06-01 00:00:00+00');
CREATE INDEX ais_positions_vessel_id_idx ON ais_positions (vessel_id);
INSERT INTO ais_positions (vessel_id, lat, lon, seen_at) SELECT n, 59.9, 10.6, '2024-04-01 06:00:00+00'::timestamptz + n * interval '4 hours' FROM generate_series(1, 300) AS n;

CREATE TABLE weather_reports (
    id bigserial PRIMARY KEY,
    station text NOT NULL,
    reported_at timestamp NOT NULL,
    wind_ms real,
    visibility_m integer,
    raw text
);
INSERT INTO weather_reports (station, reported_at, wind_ms, visibility_m, raw) SELECT 'ST' || n % 3, '2024-05-01'::timestamp + n * interval '1 hour', n % 20, n * 10, 'METAR ' || n FROM generate_series(1, 300) AS n;

CREATE TABLE legacy_manifests (
    id integer PRIMARY KEY,
    body text
);
INSERT INTO legacy_manifests SELECT n, 'manifest ' || n FROM generate_series(1, 300) AS n;

CREATE TABLE berth_closures (
    id serial PRIMARY KEY,
    berth_id integer NOT NULL REFERENCES berths (id),
    reason text,
    closed_from date NOT NULL,
    closed_to date NOT NULL
);

CREATE VIEW open_calls AS SELECT c.id, c.reference, c.eta, v.name AS vessel FROM port_calls c JOIN vessels v ON v.id = c.vessel_id WHERE c.status IN ('announced', 'confirmed');
CREATE VIEW company_directory AS SELECT id, name, phone FROM companies WHERE deleted_at IS NULL;
CREATE VIEW unpaid_totals AS SELECT company_id, sum(total) AS total FROM invoices WHERE state = 'sent' GROUP BY company_id;
CREATE MATERIALIZED VIEW monthly_traffic AS SELECT date_trunc('month', eta AT TIME ZONE 'UTC') AS month, count(*) AS calls FROM port_calls GROUP BY 1;
CREATE UNIQUE INDEX monthly_traffic_month_key ON monthly_traffic (month);

GRANT USAGE ON SCHEMA audit TO harbour_report;
GRANT SELECT ON documents, vessels TO harbour_app;
GRANT SELECT ON vessels, port_calls, audit.entries TO harbour_report;
COMMENT ON TABLE port_calls IS 'One visit of one vessel';

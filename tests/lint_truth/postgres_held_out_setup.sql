-- A shop: the schema on which the cases of postgres_held_out.tsv are measured, with rows in every table.
CREATE ROLE shop_app;
CREATE ROLE shop_report;
CREATE SCHEMA app;
CREATE SCHEMA audit;
CREATE EXTENSION pg_trgm;
CREATE TYPE app.order_status AS ENUM ('new', 'paid', 'shipped', 'cancelled');
CREATE TYPE app.address AS (street text, zip varchar(10));
CREATE DOMAIN app.email AS text CHECK (VALUE LIKE '%@%');
CREATE DOMAIN app.percent AS smallint DEFAULT 0;
CREATE FUNCTION app.set_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END
$$;
CREATE FUNCTION app.vat(amount numeric, rate numeric DEFAULT 0.25) RETURNS numeric
    LANGUAGE sql IMMUTABLE AS 'SELECT amount * rate';
CREATE PROCEDURE app.purge() LANGUAGE sql AS 'SELECT 1';
CREATE TABLE app.customers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email app.email NOT NULL,
    name varchar(100) NOT NULL,
    "displayName" text,
    phone varchar(20),
    credit numeric(10,2) NOT NULL DEFAULT 0,
    country char(2) NOT NULL DEFAULT 'NO',
    settings jsonb NOT NULL DEFAULT '{}',
    home app.address,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz,
    deleted_at timestamptz,
    CONSTRAINT customers_email_key UNIQUE (email),
    CONSTRAINT customers_phone_check CHECK (phone ~ '^[0-9+]*$') NOT VALID
);
INSERT INTO app.customers (email, name, "displayName", phone, credit, created_at)
SELECT 'c' || g || '@example.org', 'Customer ' || g, 'c' || g, '+47' || g, g + 0.25, '2024-01-01 10:00:00.5+00'
FROM generate_series(1, 300) g;
CREATE INDEX customers_created_at_idx ON app.customers (created_at);
CREATE INDEX customers_name_trgm ON app.customers USING gin (name gin_trgm_ops);
CREATE TRIGGER customers_updated BEFORE UPDATE ON app.customers
    FOR EACH ROW EXECUTE FUNCTION app.set_updated_at();
CREATE TABLE app."Orders" (
    id bigserial PRIMARY KEY,
    customer_id bigint NOT NULL CONSTRAINT orders_customer_fk REFERENCES app.customers (id) ON DELETE CASCADE,
    status app.order_status NOT NULL DEFAULT 'new',
    total numeric(12,2) NOT NULL,
    note varchar(200),
    discount app.percent,
    placed_on date NOT NULL DEFAULT CURRENT_DATE,
    total_cents bigint GENERATED ALWAYS AS ((total * 100)::bigint) STORED,
    CONSTRAINT orders_total_positive CHECK (total >= 0)
);
INSERT INTO app."Orders" (customer_id, status, total, note, placed_on)
SELECT g, 'paid', g + 0.25, 'note ' || g, DATE '2024-01-01' + g FROM generate_series(1, 300) g;
CREATE INDEX orders_customer_idx ON app."Orders" (customer_id);
CREATE INDEX orders_vat_idx ON app."Orders" (app.vat(total, 0.25));
CREATE TABLE app.order_lines (
    order_id bigint NOT NULL REFERENCES app."Orders" (id) ON DELETE CASCADE,
    line_no integer NOT NULL,
    sku text NOT NULL,
    qty integer NOT NULL DEFAULT 1 CHECK (qty > 0),
    price real,
    PRIMARY KEY (order_id, line_no)
);
INSERT INTO app.order_lines SELECT g, 1, 'SKU-' || g, 2, g + 0.5 FROM generate_series(1, 300) g;
CREATE TABLE app.events (
    id bigint NOT NULL,
    happened_at timestamptz NOT NULL,
    kind text NOT NULL,
    payload json,
    PRIMARY KEY (id, happened_at)
) PARTITION BY RANGE (happened_at);
CREATE TABLE app.events_2023 PARTITION OF app.events FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE app.events_2024 PARTITION OF app.events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
INSERT INTO app.events SELECT g, timestamptz '2023-03-01' + g * interval '1 day', 'click', '{"a": 1}' FROM generate_series(1, 300) g;
CREATE TABLE app.events_archive (
    id bigint NOT NULL,
    happened_at timestamptz NOT NULL,
    kind text NOT NULL,
    payload json,
    PRIMARY KEY (id, happened_at)
);
INSERT INTO app.events_archive SELECT g, timestamptz '2022-03-01' + g * interval '1 day', 'click', '{"a": 1}' FROM generate_series(1, 200) g;
CREATE TABLE public.tenants (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), slug text NOT NULL, plan text DEFAULT 'free', seats integer);
INSERT INTO public.tenants (slug, seats) SELECT 'Tenant-' || g, g FROM generate_series(1, 200) g;
CREATE UNIQUE INDEX tenants_slug_key ON public.tenants (lower(slug));
ALTER TABLE public.tenants ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenants_read ON public.tenants FOR SELECT TO shop_app USING (true);
GRANT USAGE ON SCHEMA app TO shop_app, shop_report;
GRANT SELECT ON public.tenants TO shop_app;
GRANT SELECT, INSERT, UPDATE ON app.order_lines TO shop_app;
GRANT SELECT ON app."Orders" TO shop_report;
CREATE TABLE audit.log (at timestamptz DEFAULT now(), who text, what jsonb);
INSERT INTO audit.log (who, what) SELECT 'u' || g, '{}' FROM generate_series(1, 200) g;
CREATE TABLE app.legacy_import (a text, b text, n integer);
INSERT INTO app.legacy_import SELECT g::text, 'b' || g, g FROM generate_series(1, 200) g;
CREATE VIEW app.active_customers AS SELECT id, email, name FROM app.customers WHERE deleted_at IS NULL;
CREATE MATERIALIZED VIEW app.sales AS SELECT placed_on, sum(total) AS total FROM app."Orders" GROUP BY placed_on;
CREATE UNIQUE INDEX sales_day ON app.sales (placed_on);
CREATE SEQUENCE app.invoice_no START 1000;
SELECT nextval('app.invoice_no');

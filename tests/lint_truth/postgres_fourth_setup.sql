-- A hotel: the schema on which the cases of postgres_fourth.tsv are measured, with rows in every table.
CREATE ROLE hotel_web;
CREATE TYPE room_class AS ENUM ('single', 'double', 'suite');
CREATE TABLE hotels (
    hotel_id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    stars smallint,
    country_code character(2) NOT NULL DEFAULT 'DE',
    homepage varchar(200),
    opened_at timestamp without time zone,
    active boolean NOT NULL DEFAULT true,
    UNIQUE (name, country_code)
);
INSERT INTO hotels (name, stars, homepage, opened_at) SELECT 'Hotel ' || g, 3, 'http://localhost/' || g, '2001-01-01 10:00' FROM generate_series(1, 150) g;
CREATE TABLE rooms (
    id integer PRIMARY KEY,
    hotel_id bigint NOT NULL CONSTRAINT rooms_hotel_fkey REFERENCES hotels ON DELETE CASCADE,
    number varchar(6) NOT NULL,
    class room_class NOT NULL DEFAULT 'double',
    beds integer NOT NULL DEFAULT 2 CONSTRAINT rooms_beds_check CHECK (beds > 0),
    price numeric(8,2) NOT NULL,
    amenities jsonb DEFAULT '[]',
    remark text,
    CONSTRAINT rooms_number_unique UNIQUE (hotel_id, number)
);
INSERT INTO rooms (id, hotel_id, number, price, remark) SELECT g, g, g::text, g + 0.5, 'r' || g FROM generate_series(1, 150) g;
CREATE TABLE guests (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    email text NOT NULL,
    given_name text,
    family_name text NOT NULL,
    points integer DEFAULT 0,
    passport varchar(20),
    newsletter boolean,
    created timestamptz DEFAULT CURRENT_TIMESTAMP NOT NULL
);
INSERT INTO guests (id, email, given_name, family_name, points, passport) SELECT ('00000000-0000-0000-0000-' || lpad(g::text, 12, '0'))::uuid, 'g' || g || '@example.org', 'G', 'Guest ' || g, g, 'P' || g FROM generate_series(1, 150) g;
CREATE UNIQUE INDEX guests_email_idx ON guests (lower(email));
CREATE INDEX guests_family ON guests (family_name, given_name);
CREATE TABLE stays (
    id bigserial PRIMARY KEY,
    room_id integer NOT NULL REFERENCES rooms (id),
    guest_id uuid REFERENCES guests (id) ON DELETE SET NULL,
    arrives date NOT NULL,
    leaves date NOT NULL,
    status varchar(10) NOT NULL DEFAULT 'booked',
    paid_cents integer,
    code text,
    CONSTRAINT stays_status_ok CHECK (status IN ('booked', 'in', 'out')),
    CONSTRAINT stays_order CHECK (leaves > arrives),
    CONSTRAINT stays_code_given CHECK (code IS NOT NULL) NOT VALID
);
INSERT INTO stays (room_id, guest_id, arrives, leaves, paid_cents, code) SELECT g, ('00000000-0000-0000-0000-' || lpad(g::text, 12, '0'))::uuid, date '2024-01-01' + g, date '2024-01-03' + g, g * 100, 'C' || g FROM generate_series(1, 150) g;
CREATE INDEX stays_room_arrives ON stays (room_id, arrives DESC);
CREATE TABLE readings (sensor integer NOT NULL, at timestamptz NOT NULL, celsius real) PARTITION BY RANGE (at);
CREATE TABLE readings_old PARTITION OF readings FOR VALUES FROM (MINVALUE) TO ('2024-01-01 00:00+00');
CREATE TABLE readings_2024 PARTITION OF readings FOR VALUES FROM ('2024-01-01 00:00+00') TO ('2025-01-01 00:00+00');
INSERT INTO readings SELECT g, '2023-06-01 00:00+00'::timestamptz + g * interval '2 days', 20 FROM generate_series(1, 150) g;
CREATE INDEX readings_sensor ON readings (sensor);
CREATE TABLE "Invoice Archive" (no integer, body xml, scanned bytea);
INSERT INTO "Invoice Archive" (no) SELECT g FROM generate_series(1, 150) g;
CREATE VIEW arrivals AS SELECT s.id, s.arrives, g.family_name FROM stays s LEFT JOIN guests g ON g.id = s.guest_id;
CREATE FUNCTION price_with_tax(p numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$ SELECT p * 1.07 $$;
CREATE FUNCTION note_stay() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.code := coalesce(NEW.code, 'none'); RETURN NEW; END $$;
CREATE TRIGGER stays_note BEFORE INSERT OR UPDATE ON stays FOR EACH ROW EXECUTE FUNCTION note_stay();
GRANT SELECT, UPDATE ON stays TO hotel_web;
GRANT SELECT ON arrivals TO hotel_web;

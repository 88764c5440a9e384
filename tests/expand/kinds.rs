//! Every kind of change that pgroll and reshape publish as an example, said in plain SQL, on schemas of
//! our own: all go up and down together, phase by phase, and in between the statements of both releases
//! work and see what the other one wrote. The table in docs/expand-contract.md lists them.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use std::fs;
use std::path::PathBuf;

use downhaul_kit::{Photograph, Postgres, Program, Session};

use crate::PROGRAM;

/// A kind of change.
struct Kind {
    name: &'static str,
    base: &'static str,
    change: &'static str,
    /// The ends of the migrations' names that come out: `["expand", "contract"]`; `[""]` for one
    /// without phases.
    phases: &'static [&'static str],
    /// Statements of the old release, which work until contract.
    old: &'static [&'static str],
    /// Statements of the new release, which work behind backfill.
    new: &'static [&'static str],
    /// While both work: a write, a query, what it gives.
    flows: &'static [(&'static str, &'static str, &'static str)],
}

const PLAIN: &[&str] = &[""];
const THREE: &[&str] = &["expand", "backfill", "contract"];
const FOUR: &[&str] = &["expand", "backfill", "switch", "contract"];

const KINDS: &[Kind] = &[
    Kind {
        name: "create_tables",
        base: "CREATE TABLE ct_old (id int PRIMARY KEY);",
        change: "CREATE TABLE ct_made (id serial PRIMARY KEY, name varchar(80) UNIQUE DEFAULT 'none', CONSTRAINT ct_named CHECK (length(name) > 2));\nCREATE TABLE ct_pair (a text, b int, made int CONSTRAINT ct_fk REFERENCES ct_made ON DELETE CASCADE, PRIMARY KEY (a, b));\nCOMMENT ON TABLE ct_made IS 'made';",
        phases: PLAIN,
        old: &["SELECT id FROM ct_old"],
        new: &["INSERT INTO ct_made (name) VALUES ('new')"],
        flows: &[],
    },
    Kind {
        name: "create_table_with_exclusion",
        base: "",
        change: "CREATE TABLE ce_books (id serial PRIMARY KEY, title text, CONSTRAINT ce_once EXCLUDE USING btree (title WITH =) WHERE (title IS NOT NULL));",
        phases: PLAIN,
        old: &[],
        new: &["INSERT INTO ce_books (title) VALUES ('a'), (NULL), (NULL)"],
        flows: &[],
    },
    Kind {
        name: "add_nullable_column",
        base: "CREATE TABLE an_t (id int PRIMARY KEY);",
        change: "ALTER TABLE an_t ADD COLUMN opened timestamp;",
        phases: PLAIN,
        old: &["INSERT INTO an_t VALUES (901)"],
        new: &["INSERT INTO an_t (id, opened) VALUES (902, now())"],
        flows: &[],
    },
    Kind {
        name: "add_column_with_default",
        base: "CREATE TABLE ad_t (a text, b int, PRIMARY KEY (a, b));\nINSERT INTO ad_t VALUES ('x', 1);",
        change: "ALTER TABLE ad_t ADD COLUMN rating int NOT NULL DEFAULT 10;",
        phases: PLAIN,
        old: &["INSERT INTO ad_t VALUES ('y', 2)"],
        new: &["SELECT rating FROM ad_t"],
        flows: &[(
            "INSERT INTO ad_t VALUES ('z', 1)",
            "SELECT rating FROM ad_t WHERE a = 'z'",
            "10",
        )],
    },
    Kind {
        name: "add_column_computed",
        base: "CREATE TABLE ac_t (id int PRIMARY KEY, name text NOT NULL);\nINSERT INTO ac_t SELECT g, 'n' || g FROM generate_series(1, 50) g;",
        change: "-- downhaul:forward \"upper(name)\"\nALTER TABLE ac_t ADD COLUMN loud varchar(80);",
        phases: THREE,
        old: &["INSERT INTO ac_t VALUES (901, 'x')", "UPDATE ac_t SET name = 'y' WHERE id = 1"],
        new: &["INSERT INTO ac_t (id, name, loud) VALUES (902, 'x', 'OWN')"],
        flows: &[
            ("INSERT INTO ac_t VALUES (903, 'abc')", "SELECT loud FROM ac_t WHERE id = 903", "ABC"),
            (
                "UPDATE ac_t SET name = 'new' WHERE id = 7",
                "SELECT loud FROM ac_t WHERE id = 7",
                "NEW",
            ),
            ("SELECT 1", "SELECT count(*) FROM ac_t WHERE loud = upper(name)", "50"),
        ],
    },
    Kind {
        name: "add_column_required_computed",
        base: "CREATE TABLE ar_t (id int PRIMARY KEY, name text NOT NULL);\nINSERT INTO ar_t SELECT g, 'n' || g FROM generate_series(1, 50) g;",
        change: "-- downhaul:forward \"name || '-kind'\"\nALTER TABLE ar_t ADD COLUMN kind varchar(80) NOT NULL;\nCOMMENT ON COLUMN ar_t.kind IS 'what it is';",
        phases: THREE,
        old: &["INSERT INTO ar_t VALUES (901, 'x')"],
        new: &["INSERT INTO ar_t VALUES (902, 'x', 'own')"],
        flows: &[(
            "INSERT INTO ar_t VALUES (903, 'abc')",
            "SELECT kind FROM ar_t WHERE id = 903",
            "abc-kind",
        )],
    },
    Kind {
        name: "add_column_constant_computed",
        base: "CREATE TABLE ak_t (id int PRIMARY KEY);\nINSERT INTO ak_t SELECT g FROM generate_series(1, 50) g;",
        change: "-- downhaul:forward \"'for now'\"\nALTER TABLE ak_t ADD COLUMN remark varchar(80) NOT NULL;",
        phases: THREE,
        old: &["INSERT INTO ak_t VALUES (901)"],
        new: &["INSERT INTO ak_t VALUES (902, 'own')"],
        flows: &[(
            "INSERT INTO ak_t VALUES (903)",
            "SELECT remark FROM ak_t WHERE id = 903",
            "for now",
        )],
    },
    Kind {
        name: "add_column_from_json",
        base: "CREATE TABLE aj_t (id int PRIMARY KEY, data jsonb);\nINSERT INTO aj_t SELECT g, '{\"a\": {\"b\": \"deep\"}}' FROM generate_series(1, 20) g;",
        change: "-- downhaul:forward \"data #>> '{a,b}'\"\nALTER TABLE aj_t ADD COLUMN found text;",
        phases: THREE,
        old: &["INSERT INTO aj_t VALUES (901, '{}')"],
        new: &["SELECT found FROM aj_t"],
        flows: &[("SELECT 1", "SELECT found FROM aj_t WHERE id = 3", "deep")],
    },
    Kind {
        name: "add_column_volatile_default",
        base: "CREATE TABLE av_t (id int PRIMARY KEY);\nINSERT INTO av_t SELECT g FROM generate_series(1, 50) g;",
        change: "ALTER TABLE av_t ADD COLUMN lot int DEFAULT (random() * 1000)::int;",
        phases: &["expand", "backfill"],
        old: &["INSERT INTO av_t VALUES (901)"],
        new: &["INSERT INTO av_t VALUES (902, 3)"],
        flows: &[(
            "INSERT INTO av_t VALUES (903)",
            "SELECT count(*) FROM av_t WHERE lot IS NULL",
            "0",
        )],
    },
    Kind {
        name: "add_serial_column",
        base: "CREATE TABLE \"as T\" (name text PRIMARY KEY);\nINSERT INTO \"as T\" SELECT 'n' || g FROM generate_series(1, 50) g;",
        change: "ALTER TABLE \"as T\" ADD COLUMN \"No\" bigserial;\nALTER TABLE \"as T\" ADD COLUMN other serial UNIQUE;",
        phases: THREE,
        old: &[
            "INSERT INTO \"as T\" VALUES ('x')",
            "UPDATE \"as T\" SET name = 'y' WHERE name = 'n1'",
        ],
        new: &[
            "INSERT INTO \"as T\" (name) VALUES ('x') RETURNING \"No\"",
            "INSERT INTO \"as T\" (name, other) VALUES ('z', 9000)",
        ],
        flows: &[
            (
                "SELECT 1",
                "SELECT count(DISTINCT \"No\") + count(DISTINCT other) FROM \"as T\"",
                "100",
            ),
            (
                "INSERT INTO \"as T\" VALUES ('x')",
                "SELECT \"No\" > 50 AND other > 50 FROM \"as T\" WHERE name = 'x'",
                "t",
            ),
        ],
    },
    Kind {
        name: "add_column_with_check",
        base: "CREATE TABLE ah_t (id int PRIMARY KEY);\nINSERT INTO ah_t VALUES (1);",
        change: "ALTER TABLE ah_t ADD COLUMN age int DEFAULT 18 CONSTRAINT ah_grown CHECK (age >= 18);",
        phases: &["expand", "contract", "validate"],
        old: &["INSERT INTO ah_t VALUES (901)"],
        new: &["INSERT INTO ah_t VALUES (902, 20)"],
        flows: &[],
    },
    Kind {
        name: "add_enum_column",
        base: "CREATE TABLE ae_t (id int PRIMARY KEY);\nINSERT INTO ae_t VALUES (1);",
        change: "CREATE TYPE ae_size AS ENUM ('small', 'large');\nALTER TABLE ae_t ADD COLUMN size ae_size NOT NULL DEFAULT 'small';",
        phases: PLAIN,
        old: &["INSERT INTO ae_t VALUES (901)"],
        new: &["INSERT INTO ae_t VALUES (902, 'large')"],
        flows: &[],
    },
    Kind {
        name: "drop_enum",
        base: "CREATE TYPE de_mood AS ENUM ('glad', 'sad');",
        change: "DROP TYPE de_mood;",
        phases: &["contract"],
        old: &["SELECT 'glad'::de_mood"],
        new: &[],
        flows: &[],
    },
    Kind {
        name: "rename_table",
        base: "CREATE TABLE rt_people (id serial PRIMARY KEY, name text NOT NULL DEFAULT 'x');\nINSERT INTO rt_people (name) VALUES ('a');",
        change: "ALTER TABLE rt_people RENAME TO rt_persons;",
        phases: &["expand", "contract"],
        old: &["INSERT INTO rt_people (id) VALUES (901) ON CONFLICT (id) DO NOTHING"],
        new: &[
            "INSERT INTO rt_persons (id, name) VALUES (902, 'b')",
            "SELECT name FROM rt_persons",
        ],
        flows: &[(
            "INSERT INTO rt_people VALUES (903, 'seen')",
            "SELECT name FROM rt_persons WHERE id = 903",
            "seen",
        )],
    },
    Kind {
        name: "drop_table",
        base: "CREATE TABLE dt_gone (id int PRIMARY KEY, v text);\nINSERT INTO dt_gone VALUES (1, 'kept');",
        change: "DROP TABLE dt_gone;",
        phases: &["contract"],
        old: &["SELECT v FROM dt_gone"],
        new: &[],
        flows: &[],
    },
    Kind {
        name: "drop_column_fed",
        base: "CREATE TABLE df_t (id int PRIMARY KEY, fee numeric(10,2) NOT NULL);\nINSERT INTO df_t SELECT g, g FROM generate_series(1, 20) g;",
        change: "-- downhaul:back \"0\"\nALTER TABLE df_t DROP COLUMN fee;",
        phases: &["expand", "contract"],
        old: &["INSERT INTO df_t VALUES (901, 3)", "SELECT fee FROM df_t"],
        new: &["INSERT INTO df_t (id) VALUES (902)"],
        flows: &[(
            "INSERT INTO df_t (id) VALUES (903)",
            "SELECT fee FROM df_t WHERE id = 903",
            "0.00",
        )],
    },
    Kind {
        name: "drop_column_with_index",
        base: "CREATE TABLE di_t (id int PRIMARY KEY, name text);\nCREATE INDEX di_name ON di_t (name);\nINSERT INTO di_t VALUES (1, 'a');",
        change: "ALTER TABLE di_t DROP COLUMN name;",
        phases: &["contract"],
        old: &["SELECT name FROM di_t"],
        new: &["INSERT INTO di_t (id) VALUES (902)"],
        flows: &[],
    },
    Kind {
        name: "rename_column",
        base: "CREATE TABLE rc_staff (id serial PRIMARY KEY, role varchar(80) NOT NULL);\nCOMMENT ON COLUMN rc_staff.role IS 'what they do';\nINSERT INTO rc_staff (role) SELECT 'r' || g FROM generate_series(1, 50) g;",
        change: "ALTER TABLE rc_staff RENAME COLUMN role TO job;",
        phases: THREE,
        old: &["INSERT INTO rc_staff (role) VALUES ('x')", "SELECT role FROM rc_staff"],
        new: &["INSERT INTO rc_staff (job) VALUES ('y')", "SELECT job FROM rc_staff"],
        flows: &[
            (
                "INSERT INTO rc_staff (role) VALUES ('fresh')",
                "SELECT count(*) FROM rc_staff WHERE job = 'fresh'",
                "1",
            ),
            (
                "UPDATE rc_staff SET job = 'moved' WHERE id = 3",
                "SELECT role FROM rc_staff WHERE id = 3",
                "moved",
            ),
        ],
    },
    Kind {
        name: "change_type",
        base: "CREATE TABLE ty_notes (id serial PRIMARY KEY, stars text DEFAULT '0');\nINSERT INTO ty_notes (stars) SELECT (g % 5)::text FROM generate_series(1, 50) g;",
        change: "ALTER TABLE ty_notes ALTER COLUMN stars DROP DEFAULT, ALTER COLUMN stars TYPE integer USING stars::integer, ALTER COLUMN stars SET DEFAULT 3;",
        phases: FOUR,
        old: &["SELECT stars FROM ty_notes", "INSERT INTO ty_notes (stars) VALUES ('4')"],
        new: &["INSERT INTO ty_notes (stars) VALUES (4)"],
        flows: &[(
            "INSERT INTO ty_notes (id, stars) VALUES (903, '2')",
            "SELECT stars FROM ty_notes WHERE id = 903",
            "2",
        )],
    },
    Kind {
        name: "change_values",
        base: "CREATE TABLE cv_t (id int PRIMARY KEY, name varchar(80), n int NOT NULL, m int NOT NULL);\nCREATE INDEX cv_pair ON cv_t (name, n);\nCREATE INDEX cv_hash ON cv_t USING hash (name);\nINSERT INTO cv_t SELECT g, 'name ' || g, g, g FROM generate_series(1, 50) g;",
        change: "-- downhaul:forward name \"upper(name)\"\n-- downhaul:back name \"lower(name)\"\nALTER TABLE cv_t ALTER COLUMN name TYPE varchar(80);",
        phases: FOUR,
        old: &[
            "SELECT name FROM cv_t",
            "INSERT INTO cv_t (id, name, n, m) VALUES (901, 'x', 1, 1)",
        ],
        new: &["INSERT INTO cv_t (id, name, n, m) VALUES (902, 'X', 1, 1)"],
        flows: &[("SELECT 1", "SELECT name FROM cv_t WHERE id = 7", "NAME 7")],
    },
    Kind {
        name: "change_several_columns",
        base: "CREATE TABLE cs_t (id int PRIMARY KEY, n int NOT NULL, m int NOT NULL);\nINSERT INTO cs_t SELECT g, g, g FROM generate_series(1, 50) g;",
        change: "-- downhaul:forward n \"n + 1\"\n-- downhaul:back n \"n - 1\"\n-- downhaul:forward m \"m + 1\"\n-- downhaul:back m \"m - 1\"\nALTER TABLE cs_t ALTER COLUMN n TYPE int, ALTER COLUMN m TYPE int;",
        phases: FOUR,
        old: &["SELECT n, m FROM cs_t"],
        new: &["INSERT INTO cs_t (id, n, m) VALUES (902, 1, 1)"],
        flows: &[("SELECT 1", "SELECT n + m FROM cs_t WHERE id = 7", "16")],
    },
    Kind {
        name: "change_unique_values",
        base: "CREATE TABLE cu_t (id int PRIMARY KEY, name text);\nCREATE UNIQUE INDEX cu_once ON cu_t (name);\nINSERT INTO cu_t SELECT g, 'name ' || g FROM generate_series(1, 50) g;",
        change: "-- downhaul:back \"lower(name)\"\nALTER TABLE cu_t ALTER COLUMN name TYPE text USING upper(name);",
        phases: FOUR,
        old: &["INSERT INTO cu_t (id, name) VALUES (901, 'x') ON CONFLICT (name) DO NOTHING"],
        new: &["INSERT INTO cu_t (id, name) VALUES (902, 'X') ON CONFLICT (name) DO NOTHING"],
        flows: &[("SELECT 1", "SELECT name FROM cu_t WHERE id = 7", "NAME 7")],
    },
    Kind {
        name: "set_not_null",
        base: "CREATE TABLE sn_notes (id int PRIMARY KEY, item text NOT NULL, body text);\nINSERT INTO sn_notes SELECT g, 'i' || g, CASE g % 2 WHEN 0 THEN 'b' END FROM generate_series(1, 50) g;",
        change: "-- downhaul:forward \"item || ' is good'\"\nALTER TABLE sn_notes ALTER COLUMN body SET NOT NULL;",
        phases: &["backfill", "contract", "validate"],
        old: &["INSERT INTO sn_notes (id, item) VALUES (901, 'x')"],
        new: &["INSERT INTO sn_notes VALUES (902, 'x', 'y')"],
        flows: &[("SELECT 1", "SELECT count(*) FROM sn_notes WHERE body IS NULL", "0")],
    },
    Kind {
        name: "drop_not_null",
        base: "CREATE TABLE dn_posts (id int PRIMARY KEY, title varchar(80) NOT NULL);\nCREATE INDEX dn_title ON dn_posts (title);\nINSERT INTO dn_posts VALUES (1, 'a');",
        change: "-- downhaul:back \"'placeholder'\"\nALTER TABLE dn_posts ALTER COLUMN title DROP NOT NULL;",
        phases: &["expand"],
        old: &["INSERT INTO dn_posts VALUES (901, 'x')"],
        new: &["INSERT INTO dn_posts (id) VALUES (902)"],
        flows: &[],
    },
    Kind {
        name: "set_default",
        base: "CREATE TABLE sd_t (id int PRIMARY KEY, n int);",
        change: "ALTER TABLE sd_t ALTER COLUMN n SET DEFAULT 5;",
        phases: PLAIN,
        old: &["INSERT INTO sd_t VALUES (901, 1)"],
        new: &["INSERT INTO sd_t (id) VALUES (902)"],
        flows: &[],
    },
    Kind {
        name: "drop_default",
        base: "CREATE TABLE dd_t (id int PRIMARY KEY, kind varchar(20) NOT NULL DEFAULT 'paper');",
        change: "ALTER TABLE dd_t ALTER COLUMN kind DROP DEFAULT;",
        phases: &["contract"],
        old: &["INSERT INTO dd_t (id) VALUES (901)"],
        new: &["INSERT INTO dd_t VALUES (902, 'x')"],
        flows: &[],
    },
    Kind {
        name: "many_at_once",
        base: "CREATE TABLE ma_events (id serial PRIMARY KEY, name varchar(255) DEFAULT 'event');\nINSERT INTO ma_events (name) SELECT CASE WHEN g > 3 THEN 'event ' || g END FROM generate_series(1, 30) g;",
        change: "-- downhaul:forward name \"'placeholder ' || id\"\nALTER TABLE ma_events ALTER COLUMN name TYPE text, ALTER COLUMN name SET DEFAULT 'unknown event', ALTER COLUMN name SET NOT NULL, ADD CONSTRAINT ma_once UNIQUE (name), ADD CONSTRAINT ma_long CHECK (length(name) > 3);\nCOMMENT ON COLUMN ma_events.name IS 'the whole name';",
        phases: &["expand", "backfill", "contract", "validate"],
        old: &["INSERT INTO ma_events (name) VALUES ('event of old')"],
        new: &["INSERT INTO ma_events (name) VALUES ('event of new')"],
        flows: &[("SELECT 1", "SELECT count(*) FROM ma_events WHERE name IS NULL", "0")],
    },
    Kind {
        name: "filled_in_two_ways",
        base: "CREATE TABLE fw_orders (id int PRIMARY KEY, note text, state text DEFAULT 'new', total float8);\nINSERT INTO fw_orders SELECT g, 'n' || g, CASE WHEN g % 3 > 0 THEN 'old' END, g + 0.126 FROM generate_series(1, 30) g;",
        change: "ALTER TABLE fw_orders RENAME COLUMN note TO remark;\nALTER TABLE fw_orders ALTER COLUMN state SET NOT NULL;\n-- downhaul:back \"total::float8\"\nALTER TABLE fw_orders ALTER COLUMN total TYPE numeric(9, 2) USING round(total::numeric, 2);\nUPDATE fw_orders SET remark = 'thirty' WHERE remark = 'n30';",
        phases: &["expand", "backfill", "fill", "switch", "contract", "validate"],
        old: &[
            "INSERT INTO fw_orders (id, note) VALUES (901, 'x')",
            "UPDATE fw_orders SET note = 'y' WHERE id = 1",
        ],
        new: &["INSERT INTO fw_orders (id, remark) VALUES (902, 'x')"],
        flows: &[
            ("SELECT 1", "SELECT count(*) FROM fw_orders WHERE state = 'new'", "10"),
            (
                "SELECT 1",
                "SELECT note || remark || total FROM fw_orders WHERE id = 30",
                "thirtythirty30.13",
            ),
            (
                "UPDATE fw_orders SET note = 'y' WHERE id = 1",
                "SELECT remark FROM fw_orders WHERE id = 1",
                "y",
            ),
        ],
    },
    Kind {
        name: "add_unique",
        base: "CREATE TABLE au_notes (id int PRIMARY KEY, body text);\nINSERT INTO au_notes SELECT g, 'b' || g % 20 FROM generate_series(1, 50) g;",
        change: "-- downhaul:forward \"body || '-' || id\"\nALTER TABLE au_notes ADD CONSTRAINT au_once UNIQUE (body);",
        phases: &["backfill", "contract"],
        old: &["INSERT INTO au_notes VALUES (901, 'x'), (902, 'x')"],
        new: &["INSERT INTO au_notes VALUES (903, 'y')"],
        flows: &[("SELECT 1", "SELECT count(*) - count(DISTINCT body) FROM au_notes", "0")],
    },
    Kind {
        name: "drop_unique",
        base: "CREATE TABLE du_t (id int PRIMARY KEY, name text CONSTRAINT du_once UNIQUE);",
        change: "ALTER TABLE du_t DROP CONSTRAINT du_once;",
        phases: &["contract"],
        old: &["INSERT INTO du_t VALUES (901, 'x') ON CONFLICT (name) DO NOTHING"],
        new: &["INSERT INTO du_t VALUES (902, 'y')"],
        flows: &[],
    },
    Kind {
        name: "add_table_unique",
        base: "CREATE TABLE at_tickets (id serial PRIMARY KEY, town text NOT NULL, zip int NOT NULL);\nINSERT INTO at_tickets (town, zip) SELECT 't', g FROM generate_series(1, 20) g;",
        change: "ALTER TABLE at_tickets ADD CONSTRAINT at_pair UNIQUE (town, zip);",
        phases: &["contract"],
        old: &["INSERT INTO at_tickets (town, zip) VALUES ('x', 1)"],
        new: &["INSERT INTO at_tickets (town, zip) VALUES ('x', 1)"],
        flows: &[],
    },
    Kind {
        name: "add_check",
        base: "CREATE TABLE ak_posts (id int PRIMARY KEY, title varchar(80));\nINSERT INTO ak_posts SELECT g, repeat('x', g % 6) FROM generate_series(1, 50) g;",
        change: "-- downhaul:forward \"lpad(title, 4, '-')\"\nALTER TABLE ak_posts ADD CONSTRAINT ak_long CHECK (length(title) > 3);",
        phases: &["backfill", "contract", "validate"],
        old: &["INSERT INTO ak_posts VALUES (901, 'x')"],
        new: &["INSERT INTO ak_posts VALUES (902, 'long enough')"],
        flows: &[("SELECT 1", "SELECT count(*) FROM ak_posts WHERE length(title) <= 3", "0")],
    },
    Kind {
        name: "add_table_check",
        base: "CREATE TABLE al_tickets (id int PRIMARY KEY, town text, zip int);\nINSERT INTO al_tickets SELECT g, 't', g - 3 FROM generate_series(1, 20) g;",
        change: "-- downhaul:forward zip \"123\"\nALTER TABLE al_tickets ADD CONSTRAINT al_ok CHECK (town = 'here' OR zip > 0);",
        phases: &["backfill", "contract", "validate"],
        old: &["INSERT INTO al_tickets VALUES (901, 'x', -1)"],
        new: &["INSERT INTO al_tickets VALUES (902, 'x', 1)"],
        flows: &[("SELECT 1", "SELECT count(*) FROM al_tickets WHERE zip = 123", "3")],
    },
    Kind {
        name: "drop_check",
        base: "CREATE TABLE dc_t (id int PRIMARY KEY, zip int CONSTRAINT dc_ok CHECK (zip > 0));",
        change: "ALTER TABLE dc_t DROP CONSTRAINT dc_ok;",
        phases: PLAIN,
        old: &["INSERT INTO dc_t VALUES (901, 1)"],
        new: &["INSERT INTO dc_t VALUES (902, -1)"],
        flows: &[],
    },
    Kind {
        name: "rename_constraint",
        base: "CREATE TABLE rn_t (id int PRIMARY KEY, zip int CONSTRAINT rn_ok CHECK (zip > 0));",
        change: "ALTER TABLE rn_t RENAME CONSTRAINT rn_ok TO rn_positive;",
        phases: PLAIN,
        old: &["INSERT INTO rn_t VALUES (901, 1)"],
        new: &["INSERT INTO rn_t VALUES (902, 1)"],
        flows: &[],
    },
    Kind {
        name: "add_foreign_key",
        base: "CREATE TABLE fk_users (id int PRIMARY KEY);\nCREATE TABLE fk_posts (id int PRIMARY KEY, author int);\nINSERT INTO fk_users SELECT g FROM generate_series(1, 10) g;\nINSERT INTO fk_posts SELECT g, g FROM generate_series(1, 20) g;",
        change: "-- downhaul:forward \"NULL\"\nALTER TABLE fk_posts ADD CONSTRAINT fk_author FOREIGN KEY (author) REFERENCES fk_users ON DELETE CASCADE;",
        phases: &["backfill", "contract", "validate"],
        old: &["INSERT INTO fk_posts VALUES (901, 77)"],
        new: &["INSERT INTO fk_posts VALUES (902, 7)"],
        flows: &[("SELECT 1", "SELECT count(*) FROM fk_posts WHERE author IS NULL", "10")],
    },
    Kind {
        name: "drop_foreign_key",
        base: "CREATE TABLE dk_users (id int PRIMARY KEY);\nCREATE TABLE dk_posts (id int PRIMARY KEY, author int CONSTRAINT dk_author REFERENCES dk_users);\nINSERT INTO dk_users VALUES (1);",
        change: "ALTER TABLE dk_posts DROP CONSTRAINT dk_author;",
        phases: PLAIN,
        old: &["INSERT INTO dk_posts VALUES (901, 1)"],
        new: &["INSERT INTO dk_posts VALUES (902, 99)"],
        flows: &[],
    },
    Kind {
        name: "add_table_foreign_key",
        base: "CREATE TABLE ft_sellers (name text, zip int, PRIMARY KEY (name, zip));\nCREATE TABLE ft_tickets (id int PRIMARY KEY, seller text, zip int);\nINSERT INTO ft_sellers VALUES ('a', 1);\nINSERT INTO ft_tickets VALUES (1, 'a', 1);",
        change: "ALTER TABLE ft_tickets ADD CONSTRAINT ft_seller FOREIGN KEY (seller, zip) REFERENCES ft_sellers (name, zip);",
        phases: &["contract", "validate"],
        old: &["INSERT INTO ft_tickets VALUES (901, 'a', 1)"],
        new: &["INSERT INTO ft_tickets VALUES (902, 'a', 1)"],
        flows: &[],
    },
    Kind {
        name: "add_primary_key",
        base: "CREATE TABLE pk_tasks (id serial, title varchar(80));\nINSERT INTO pk_tasks (title) VALUES ('a'), ('b');",
        change: "ALTER TABLE pk_tasks ADD CONSTRAINT pk_tasks_pkey PRIMARY KEY (id);",
        phases: &["contract"],
        old: &["INSERT INTO pk_tasks (title) VALUES ('x')"],
        new: &["INSERT INTO pk_tasks (title) VALUES ('y')"],
        flows: &[],
    },
    Kind {
        name: "indexes",
        base: "CREATE TABLE ix_t (id bigint PRIMARY KEY, name text, data jsonb);\nINSERT INTO ix_t SELECT g, 'n' || g, '{}' FROM generate_series(1, 20) g;",
        change: "CREATE INDEX ix_name ON ix_t (name);\nCREATE INDEX ix_part ON ix_t (id) WHERE id > 10;\nCREATE INDEX ix_hash ON ix_t USING hash (name) WITH (fillfactor = 70);\nCREATE INDEX ix_class ON ix_t (id int8_ops);\nCREATE INDEX ix_gin ON ix_t USING gin (data);",
        phases: PLAIN,
        old: &["INSERT INTO ix_t VALUES (901, 'x')"],
        new: &["SELECT id FROM ix_t WHERE name = 'n3'"],
        flows: &[],
    },
    Kind {
        name: "unique_index",
        base: "CREATE TABLE ui_t (id int PRIMARY KEY, name text);\nINSERT INTO ui_t VALUES (1, 'a');",
        change: "CREATE UNIQUE INDEX ui_once ON ui_t (name);",
        phases: &["contract"],
        old: &["INSERT INTO ui_t VALUES (901, 'a')"],
        new: &["INSERT INTO ui_t VALUES (902, 'b')"],
        flows: &[],
    },
    Kind {
        name: "drop_index",
        base: "CREATE TABLE dx_t (id int PRIMARY KEY, name text);\nCREATE INDEX dx_name ON dx_t (lower(name));",
        change: "DROP INDEX dx_name;",
        phases: &["contract"],
        old: &["SELECT id FROM dx_t WHERE lower(name) = 'a'"],
        new: &["INSERT INTO dx_t VALUES (902, 'b')"],
        flows: &[],
    },
    Kind {
        name: "comment_and_replica_identity",
        base: "CREATE TABLE ri_t (id int PRIMARY KEY, role text);\nCOMMENT ON COLUMN ri_t.role IS 'old';",
        change: "COMMENT ON COLUMN ri_t.role IS NULL;\nALTER TABLE ri_t REPLICA IDENTITY USING INDEX ri_t_pkey;",
        phases: PLAIN,
        old: &["INSERT INTO ri_t VALUES (901, 'x')"],
        new: &["INSERT INTO ri_t VALUES (902, 'x')"],
        flows: &[],
    },
    Kind {
        name: "split_columns",
        base: "CREATE TABLE sp_users (id int PRIMARY KEY, name text);\nINSERT INTO sp_users SELECT g, 'Ann' || g || ' Lee' || g FROM generate_series(1, 50) g;",
        change: "-- downhaul:forward first \"split_part(name, ' ', 1)\"\n-- downhaul:forward last \"split_part(name, ' ', 2)\"\n-- downhaul:back name \"first || ' ' || last\"\nALTER TABLE sp_users ADD COLUMN first text, ADD COLUMN last text, DROP COLUMN name;",
        phases: THREE,
        old: &["INSERT INTO sp_users (id, name) VALUES (901, 'A B')"],
        new: &["INSERT INTO sp_users (id, first, last) VALUES (902, 'C', 'D')"],
        flows: &[
            (
                "INSERT INTO sp_users (id, name) VALUES (903, 'Ada Byron')",
                "SELECT last FROM sp_users WHERE id = 903",
                "Byron",
            ),
            (
                "UPDATE sp_users SET last = 'Moore' WHERE id = 4",
                "SELECT name FROM sp_users WHERE id = 4",
                "Ann4 Moore",
            ),
        ],
    },
    Kind {
        name: "add_column_from_other_table",
        base: "CREATE TABLE af_users (id int PRIMARY KEY, name text);\nCREATE TABLE af_posts (id int PRIMARY KEY, author int REFERENCES af_users);\nCREATE INDEX af_author ON af_posts (author);\nINSERT INTO af_users SELECT g, 'u' || g FROM generate_series(1, 20) g;\nINSERT INTO af_posts SELECT g, 1 + g % 20 FROM generate_series(1, 50) g;",
        change: "ALTER TABLE af_posts ADD COLUMN author_name text;\nUPDATE af_posts p SET author_name = u.name FROM af_users u WHERE p.author = u.id;\nALTER TABLE af_posts ALTER COLUMN author_name SET NOT NULL;",
        phases: THREE,
        old: &[
            "INSERT INTO af_posts VALUES (901, 3)",
            "UPDATE af_users SET name = 'x' WHERE id = 1",
            "UPDATE af_posts SET author = 4 WHERE id = 1",
        ],
        new: &["INSERT INTO af_posts VALUES (902, 3, 'own')", "SELECT author_name FROM af_posts"],
        flows: &[
            (
                "INSERT INTO af_posts (id, author) VALUES (903, 7)",
                "SELECT author_name FROM af_posts WHERE id = 903",
                "u7",
            ),
            (
                "UPDATE af_users SET name = 'renamed' WHERE id = 5",
                "SELECT author_name FROM af_posts WHERE author = 5 LIMIT 1",
                "renamed",
            ),
        ],
    },
    Kind {
        name: "move_column_to_related_table",
        base: "CREATE TABLE mv_users (id int PRIMARY KEY, email text);\nCREATE TABLE mv_profiles (id int PRIMARY KEY, user_id int UNIQUE REFERENCES mv_users);\nINSERT INTO mv_users SELECT g, 'm' || g FROM generate_series(1, 20) g;\nINSERT INTO mv_profiles SELECT g, g FROM generate_series(1, 20) g;",
        change: "ALTER TABLE mv_profiles ADD COLUMN email text;\nUPDATE mv_profiles SET email = u.email FROM mv_users u WHERE u.id = user_id;\n-- downhaul:back \"(SELECT p.email FROM mv_profiles p WHERE p.user_id = mv_users.id)\"\nALTER TABLE mv_users DROP COLUMN email;",
        phases: THREE,
        old: &[
            "INSERT INTO mv_users VALUES (901, 'x')",
            "UPDATE mv_users SET email = 'x' WHERE id = 3",
            "SELECT email FROM mv_users",
        ],
        new: &[
            "INSERT INTO mv_users (id) VALUES (902)",
            "UPDATE mv_profiles SET email = 'y' WHERE id = 4",
            "SELECT email FROM mv_profiles",
        ],
        flows: &[
            (
                "UPDATE mv_users SET email = 'moved' WHERE id = 7",
                "SELECT email FROM mv_profiles WHERE user_id = 7",
                "moved",
            ),
            (
                "UPDATE mv_profiles SET email = 'back' WHERE user_id = 8",
                "SELECT email FROM mv_users WHERE id = 8",
                "back",
            ),
        ],
    },
    Kind {
        name: "relation_into_a_table",
        base: "CREATE TABLE ex_users (id int PRIMARY KEY, provider text);\nINSERT INTO ex_users SELECT g, 'p' || g FROM generate_series(1, 20) g;",
        change: "CREATE TABLE ex_links (id int PRIMARY KEY, account int NOT NULL, provider text);\nINSERT INTO ex_links SELECT id, id, provider FROM ex_users;\nALTER TABLE ex_users DROP COLUMN provider;",
        phases: THREE,
        old: &[
            "INSERT INTO ex_users VALUES (901, 'x')",
            "UPDATE ex_users SET provider = 'y' WHERE id = 3",
            "DELETE FROM ex_users WHERE id = 5",
        ],
        new: &["SELECT provider FROM ex_links", "INSERT INTO ex_users (id) VALUES (902)"],
        flows: &[
            ("SELECT 1", "SELECT provider FROM ex_links WHERE account = 7", "p7"),
            (
                "UPDATE ex_users SET provider = 'later' WHERE id = 8",
                "SELECT provider FROM ex_links WHERE account = 8",
                "later",
            ),
            (
                "INSERT INTO ex_users VALUES (903, 'came')",
                "SELECT provider FROM ex_links WHERE account = 903",
                "came",
            ),
            (
                "DELETE FROM ex_users WHERE id = 9",
                "SELECT count(*)::text FROM ex_links WHERE account = 9",
                "0",
            ),
        ],
    },
];

/// What is asked for, or cannot be: the change, and words of the refusal.
const REFUSED: &[(&str, &str)] = &[
    // Several rows, or none: nobody could tell which of them it follows.
    (
        "-- downhaul:forward \"(SELECT max(provider) FROM ex_users WHERE ex_users.id = an_t.id)\"\nALTER TABLE an_t ADD COLUMN provider text;",
        "does not look up one row of one other table",
    ),
    (
        "-- downhaul:forward \"(SELECT u.id FROM ex_users u WHERE u.provider = cu_t.name)\"\nALTER TABLE cu_t ADD COLUMN provider int;",
        "several rows of ex_users may belong to one of cu_t",
    ),
    ("ALTER TABLE cu_t ALTER COLUMN name TYPE varchar(80) USING upper(name);", "downhaul:back"),
    (
        "-- downhaul:forward \"INVALID $$$\"\nALTER TABLE an_t ADD COLUMN x text;",
        "is not one expression",
    ),
];

/// A migration of a kind.
struct File {
    /// Which group of migrations it runs with.
    rank: usize,
    stem: PathBuf,
    name: String,
}

const RANKS: [&[&str]; 5] =
    [&["", "expand"], &["backfill", "fill"], &["switch"], &["contract"], &["validate"]];

fn expanded(program: &Program) -> Vec<File> {
    let mut files = Vec::new();
    for kind in KINDS {
        let name = kind.name;
        let draft = format!("drafts/{name}/0002_{name}.sql");
        program.write(&draft, kind.change);
        let out = format!("staged/{name}");
        let listed = program.ok(&["expand", &draft, "--dialect", "postgres", "--out", &out]);
        let mut found = Vec::new();
        for line in listed.stdout.lines() {
            let Some(stem) = line.strip_suffix(".up.sql") else { continue };
            let label = stem.rsplit('/').next().unwrap();
            let end = label.split_once(name).map_or("", |(_, end)| end.trim_start_matches('_'));
            found.push(end.to_owned());
            files.push(File {
                rank: RANKS.iter().position(|ends| ends.contains(&end)).unwrap(),
                stem: program.dir().join(stem),
                name: label.split_once('_').unwrap().1.to_owned(),
            });
        }
        if listed.stdout.contains("safe as it stands") {
            found.push(String::new());
            program.write(&format!("{out}/0002_{name}.up.sql"), kind.change);
            let stem = program.dir().join(format!("{out}/0002_{name}"));
            fs::write(stem.with_extension("down.sql"), "").unwrap();
            files.push(File { rank: 0, stem, name: name.to_owned() });
        }
        assert_eq!(found, kind.phases, "{name}: {listed}");
    }
    files
}

/// Runs statements in a transaction that is rolled back, and gives what the last one says.
async fn tried(session: &mut Session, kind: &Kind, when: &str, statements: &[&str]) -> String {
    session.run("BEGIN").await;
    let mut last = String::new();
    for sql in statements {
        if sql.starts_with("SELECT") {
            let rows = session.try_rows(sql).await;
            let rows = rows.unwrap_or_else(|e| panic!("{}, {when}: {sql}: {e}", kind.name));
            let first = rows.first().and_then(|row| row.first().cloned());
            last = first.flatten().unwrap_or_default();
        } else {
            let done = session.try_run(sql).await;
            done.unwrap_or_else(|e| panic!("{}, {when}: {sql}: {e}", kind.name));
        }
    }
    session.run("ROLLBACK").await;
    last
}

async fn works(session: &mut Session, old: bool, new: bool, when: &str) {
    for kind in KINDS {
        for sql in kind.old.iter().filter(|_| old).chain(kind.new.iter().filter(|_| new)) {
            tried(session, kind, when, &[sql]).await;
        }
        for (write, query, wanted) in kind.flows.iter().filter(|_| old && new) {
            let given = tried(session, kind, when, &[write, query]).await;
            assert_eq!(given, *wanted, "{}, {when}: {write}; {query}", kind.name);
        }
    }
}

async fn photograph(session: &mut Session) -> Photograph {
    let mut photograph = Photograph::of(session).await;
    // Where a counter stands is no row: an INSERT that is rolled back moves it.
    photograph.0.retain(|name, _| !name.contains("sequence"));
    photograph
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_published_kind_is_carried_through() {
    let database = Postgres::shared().fresh_database().await;
    let program = Program::new(PROGRAM).database(database.url());
    let base: Vec<&str> = KINDS.iter().map(|kind| kind.base).collect();
    program.migration("0001_base", &base.join("\n"), "SELECT 1;\n");
    program.ok(&["up", "--yes"]);
    for (at, (change, words)) in REFUSED.iter().enumerate() {
        let draft = format!("drafts/refused{at}/change.sql");
        program.write(&draft, change);
        let outcome = program.run(&["expand", &draft, "--dialect", "postgres"]);
        assert_eq!(outcome.code, Some(1), "{change}\n{outcome}");
        assert!(outcome.stderr.contains(words), "{change}\n{outcome}");
    }
    let files = expanded(&program);
    // By phase, as if all were one release.
    let mut counts = Vec::new();
    for rank in 0..RANKS.len() {
        let group: Vec<&File> = files.iter().filter(|f| f.rank == rank).collect();
        for (at, file) in group.iter().enumerate() {
            let label = format!("{}_{}", 1000 * (rank + 1) + at, file.name);
            let read = |end: &str| fs::read_to_string(file.stem.with_extension(end)).unwrap();
            let down = match read("down.sql") {
                // Plain ones come without a way back of their own.
                none if none.is_empty() => String::new(),
                down => down,
            };
            program.write(&format!("migrations/{label}.up.sql"), read("up.sql"));
            if down.is_empty() {
                program.ok(&["generate-down", &format!("migrations/{label}.up.sql"), "--write"]);
            } else {
                program.write(&format!("migrations/{label}.down.sql"), down);
            }
        }
        counts.push(group.len());
    }
    let mut session = database.session().await;
    let before = photograph(&mut session).await;
    let steps =
        |groups: &[usize]| groups.iter().map(|rank| counts[*rank]).sum::<usize>().to_string();
    let up = |n: String| program.ok(&["up", "--yes", "--steps", &n]);
    let down = |n: String| program.ok(&["down", "--yes", "--steps", &n]);
    works(&mut session, true, false, "before").await;
    up(steps(&[0]));
    works(&mut session, true, false, "behind expand").await;
    up(steps(&[1, 2]));
    works(&mut session, true, true, "behind backfill").await;
    let both = photograph(&mut session).await;
    up(steps(&[3, 4]));
    works(&mut session, false, true, "behind contract").await;
    let after = photograph(&mut session).await;
    down(steps(&[3, 4]));
    down(steps(&[1, 2]));
    works(&mut session, true, false, "back behind expand").await;
    down(steps(&[0]));
    works(&mut session, true, false, "back at the beginning").await;
    let differ = before.differences(&photograph(&mut session).await);
    assert!(differ.is_empty(), "all the way back: {differ:#?}");
    up(steps(&[0]));
    up(steps(&[1, 2]));
    works(&mut session, true, true, "once more behind backfill").await;
    let schema = |d: Vec<String>| -> Vec<String> {
        d.into_iter().filter(|line| !line.contains("rows of av_t")).collect()
    };
    let differ = schema(both.differences(&photograph(&mut session).await));
    assert!(differ.is_empty(), "behind backfill again: {differ:#?}");
    up(steps(&[3, 4]));
    let differ = schema(after.differences(&photograph(&mut session).await));
    assert!(differ.is_empty(), "behind contract again: {differ:#?}");
}

//! Keys that change their type together with what refers to them (PostgreSQL).

use crate::cases::{Case, Engine};

pub(crate) const KEY_CASES: &[Case] = &[
    // Foreign keys of all kinds, a chain, a table that refers to itself, one that stays behind, a view over
    // two of the tables, and one foreign key that was never proven.
    Case {
        name: "keys_and_references",
        engine: Engine::Postgres,
        base: "CREATE TABLE users (id serial PRIMARY KEY, boss int REFERENCES users ON DELETE SET NULL ON UPDATE CASCADE, name text DEFAULT 'x');\n\
               CREATE TABLE orders (id int PRIMARY KEY, user_id int NOT NULL CONSTRAINT fk_user REFERENCES users ON DELETE CASCADE ON UPDATE CASCADE, n int DEFAULT 0);\n\
               CREATE INDEX orders_user ON orders (user_id);\n\
               CREATE TABLE badges (user_id int REFERENCES users ON DELETE CASCADE ON UPDATE CASCADE, kind int, PRIMARY KEY (user_id, kind));\n\
               CREATE TABLE awards (id int PRIMARY KEY, user_id int, kind int, FOREIGN KEY (user_id, kind) REFERENCES badges ON DELETE SET NULL ON UPDATE CASCADE);\n\
               CREATE INDEX awards_badge ON awards (user_id, kind);\n\
               CREATE TABLE visits (id int PRIMARY KEY, user_id int);\n\
               CREATE INDEX visits_user ON visits (user_id);\n\
               ALTER TABLE visits ADD CONSTRAINT visits_user_fkey FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE ON UPDATE CASCADE NOT VALID;\n\
               CREATE TABLE sessions (id int PRIMARY KEY, user_id int REFERENCES users DEFERRABLE INITIALLY DEFERRED);\n\
               CREATE INDEX sessions_user ON sessions (user_id);\n\
               CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users ON DELETE CASCADE ON UPDATE CASCADE);\n\
               CREATE INDEX logs_user ON logs (user_id);\n\
               CREATE VIEW owned AS SELECT o.id, u.id AS user_id, u.name FROM orders o JOIN users u ON u.id = o.user_id;",
        rows: "INSERT INTO users (id, boss) SELECT g, nullif(g / 3, 0) FROM generate_series(1, {rows}) g; SELECT setval('users_id_seq', 100000000);\n\
               INSERT INTO orders SELECT g, g FROM generate_series(1, {rows}) g; INSERT INTO badges SELECT g, g % 3 FROM generate_series(1, {rows}) g;\n\
               INSERT INTO awards SELECT g, g, g % 3 FROM generate_series(1, {rows}) g; INSERT INTO sessions SELECT g, g FROM generate_series(1, {rows}) g;\n\
               SET session_replication_role = replica; INSERT INTO visits SELECT g, g - 2 FROM generate_series(1, {rows}) g; RESET session_replication_role",
        change: "ALTER TABLE orders ALTER COLUMN user_id TYPE bigint;\n\
                 ALTER TABLE users ALTER COLUMN id TYPE bigint, ALTER COLUMN boss TYPE bigint, ADD COLUMN age int;\n\
                 ALTER TABLE badges ALTER COLUMN user_id TYPE bigint USING user_id::bigint;\n\
                 ALTER TABLE awards ALTER COLUMN user_id TYPE bigint;\n\
                 ALTER TABLE visits ALTER COLUMN user_id TYPE bigint;\n\
                 ALTER TABLE sessions ALTER COLUMN user_id TYPE bigint;",
        old: &[
            "INSERT INTO users (id, boss) VALUES ({n}, {id})",
            "INSERT INTO orders (id, user_id) VALUES ({n}, {n} - 1)",
            "INSERT INTO badges (user_id, kind) VALUES ({n} - 2, 1)",
            "INSERT INTO awards (id, user_id, kind) VALUES ({n}, {n} - 3, 1)",
            "INSERT INTO visits (id, user_id) VALUES ({n}, {n} - 4); INSERT INTO logs VALUES ({n}, {n} - 4)",
            "INSERT INTO sessions (id, user_id) VALUES ({n}, -{n}); INSERT INTO users (id) VALUES (-{n})",
            "UPDATE users SET id = -{n} WHERE id = {n} - 6",
            "UPDATE orders SET n = n + 1 WHERE user_id = {id}",
            "DELETE FROM users WHERE id = 2 - {n}",
            "INSERT INTO users (boss) VALUES ({id})",
            "SELECT name FROM owned WHERE user_id = {id}",
        ],
        new: &[
            "INSERT INTO users (id, boss, age) VALUES ({n}, {id}, 3)",
            "INSERT INTO orders (id, user_id) VALUES ({n}, {n} - 1)",
            "INSERT INTO badges (user_id, kind) VALUES ({n} - 2, 1)",
            "INSERT INTO awards (id, user_id, kind) VALUES ({n}, {n} - 3, 1)",
            "UPDATE users SET id = -{n} WHERE id = {n} - 4",
            "INSERT INTO sessions (id, user_id) VALUES ({n}, -{n}); INSERT INTO users (id) VALUES (-{n})",
            "DELETE FROM users WHERE id = 2 - {n}",
            "INSERT INTO users (boss) VALUES ({id})",
            "SELECT name FROM owned WHERE user_id = {id}",
        ],
        disagree: "SELECT 'users', id FROM users WHERE id IS DISTINCT FROM id_old OR boss IS DISTINCT FROM boss_old\n\
                   UNION ALL SELECT 'orders', id FROM orders WHERE user_id IS DISTINCT FROM user_id_old\n\
                   UNION ALL SELECT 'badges', kind FROM badges WHERE user_id IS DISTINCT FROM user_id_old\n\
                   UNION ALL SELECT 'awards', id FROM awards WHERE user_id IS DISTINCT FROM user_id_old\n\
                   UNION ALL SELECT 'visits', id FROM visits WHERE user_id IS DISTINCT FROM user_id_old\n\
                   UNION ALL SELECT 'sessions', id FROM sessions WHERE user_id IS DISTINCT FROM user_id_old",
        after: &[
            (
                "SELECT string_agg(attrelid::regclass || '.' || attname || ' ' || format_type(atttypid, NULL), ', ' ORDER BY attrelid::regclass::text, attname) FROM pg_attribute WHERE attname IN ('boss', 'user_id') AND attrelid::regclass::text IN ('users', 'orders', 'badges', 'awards', 'visits', 'sessions', 'logs', 'owned') OR attname = 'id' AND attrelid = 'users'::regclass",
                "awards.user_id bigint, badges.user_id bigint, logs.user_id integer, orders.user_id bigint, owned.user_id bigint, sessions.user_id bigint, users.boss bigint, users.id bigint, visits.user_id bigint",
            ),
            (
                "SELECT string_agg(conname || ' ' || pg_get_constraintdef(oid), '; ' ORDER BY conname) FROM pg_constraint WHERE contype = 'f'",
                "awards_user_id_kind_fkey FOREIGN KEY (user_id, kind) REFERENCES badges(user_id, kind) ON UPDATE CASCADE ON DELETE SET NULL; \
                 badges_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON UPDATE CASCADE ON DELETE CASCADE; \
                 fk_user FOREIGN KEY (user_id) REFERENCES users(id) ON UPDATE CASCADE ON DELETE CASCADE; \
                 logs_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON UPDATE CASCADE ON DELETE CASCADE; \
                 sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) DEFERRABLE INITIALLY DEFERRED; \
                 users_boss_fkey FOREIGN KEY (boss) REFERENCES users(id) ON UPDATE CASCADE ON DELETE SET NULL; \
                 visits_user_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON UPDATE CASCADE ON DELETE CASCADE NOT VALID",
            ),
            (
                "SELECT string_agg(indexrelid::regclass::text, ' ' ORDER BY indexrelid::regclass::text) FROM pg_index WHERE indrelid IN ('users'::regclass, 'orders'::regclass, 'badges'::regclass, 'awards'::regclass)",
                "awards_badge awards_pkey badges_pkey orders_pkey orders_user users_pkey",
            ),
            ("SELECT count(*) FROM visits WHERE user_id IN (-1, 0)", "2"),
            ("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal", "0"),
            ("SELECT pg_get_serial_sequence('users', 'id')", "public.users_id_seq"),
        ],
    },
    // A key of two, both of which change; an identity; a foreign key of the table to itself with one column at
    // both ends; rules and indexes over several of the columns.
    Case {
        name: "composite_keys_and_references",
        engine: Engine::Postgres,
        base: "CREATE TABLE items (tenant int, id int GENERATED BY DEFAULT AS IDENTITY, parent int, label int DEFAULT 0, n int DEFAULT 0, PRIMARY KEY (tenant, id), UNIQUE (label, id), CHECK (parent < id), FOREIGN KEY (tenant, parent) REFERENCES items (tenant, id));\n\
               CREATE INDEX items_parent ON items (tenant, parent) WHERE parent IS NOT NULL;\n\
               CREATE TABLE lines (id int PRIMARY KEY, tenant int NOT NULL, item int NOT NULL, FOREIGN KEY (tenant, item) REFERENCES items ON DELETE CASCADE);\n\
               CREATE INDEX lines_item ON lines (tenant, item);",
        rows: "INSERT INTO items (tenant, id) SELECT 1 + g % 2, g FROM generate_series(1, {rows}) g; SELECT setval('items_id_seq', 100000000); INSERT INTO lines SELECT g, 1 + g % 2, g FROM generate_series(1, {rows}) g",
        change: "ALTER TABLE items ALTER COLUMN tenant TYPE bigint, ALTER COLUMN id TYPE bigint, ALTER COLUMN parent TYPE bigint;\n\
                 ALTER TABLE lines ALTER COLUMN tenant TYPE bigint;\nALTER TABLE lines ALTER COLUMN item TYPE bigint;",
        old: &[
            "INSERT INTO items (tenant, id) VALUES (1, {n})",
            "INSERT INTO items (tenant, id, parent) VALUES (1, {n}, {n} - 1)",
            "INSERT INTO lines (id, tenant, item) VALUES ({n}, 1, {n} - 1)",
            "INSERT INTO items (tenant) VALUES (2)",
            "UPDATE items SET n = n + 1 WHERE tenant = 1 + {id} % 2 AND id = {id}",
            "DELETE FROM items WHERE tenant = 1 AND id = {n} - 4",
            "INSERT INTO items (tenant, id) VALUES (1 + {id} % 2, {id}) ON CONFLICT (tenant, id) DO UPDATE SET n = 7",
            "SELECT l.id FROM lines l JOIN items i ON i.tenant = l.tenant AND i.id = l.item WHERE i.id = {id}",
        ],
        new: &[
            "INSERT INTO items (tenant, id) VALUES (1, {n})",
            "INSERT INTO items (tenant, id, parent) VALUES (1, {n}, {n} - 1)",
            "INSERT INTO lines (id, tenant, item) VALUES ({n}, 1, {n} - 1)",
            "DELETE FROM items WHERE tenant = 1 AND id = {n} - 2",
            "INSERT INTO items (tenant, id) VALUES (1 + {id} % 2, {id}) ON CONFLICT (label, id) DO UPDATE SET n = 8",
        ],
        disagree: "SELECT 'items', id FROM items WHERE (tenant, id, parent) IS DISTINCT FROM (tenant_old, id_old, parent_old)\n\
                   UNION ALL SELECT 'lines', id FROM lines WHERE (tenant, item) IS DISTINCT FROM (tenant_old, item_old)",
        after: &[
            (
                "SELECT string_agg(pg_get_constraintdef(oid), '; ' ORDER BY conname) FROM pg_constraint WHERE 'items'::regclass IN (conrelid, confrelid)",
                "CHECK ((parent < id)); UNIQUE (label, id); PRIMARY KEY (tenant, id); FOREIGN KEY (tenant, parent) REFERENCES items(tenant, id); FOREIGN KEY (tenant, item) REFERENCES items(tenant, id) ON DELETE CASCADE",
            ),
            (
                "SELECT string_agg(attname || ' ' || format_type(atttypid, NULL), ', ' ORDER BY attname) FROM pg_attribute WHERE attrelid = 'items'::regclass AND attnum > 0 AND NOT attisdropped",
                "id bigint, label integer, n integer, parent bigint, tenant bigint",
            ),
            (
                "SELECT pg_get_indexdef('items_parent'::regclass)",
                "CREATE INDEX items_parent ON public.items USING btree (tenant, parent) WHERE (parent IS NOT NULL)",
            ),
            ("SELECT pg_get_serial_sequence('items', 'id')", "public.items_id_seq"),
        ],
    },
    // PostgreSQL asks for the way round by which files change both ends to a type of another kind.
    Case {
        name: "keys_to_text",
        engine: Engine::Postgres,
        base: "CREATE TABLE codes (id int PRIMARY KEY, name text);\n\
               CREATE TABLE uses (id int PRIMARY KEY, code int NOT NULL DEFAULT 1 CONSTRAINT uses_code REFERENCES codes ON DELETE CASCADE ON UPDATE CASCADE, n int DEFAULT 0);\n\
               CREATE INDEX uses_of ON uses (code);",
        rows: "INSERT INTO codes SELECT g, 'c' || g FROM generate_series(1, {rows}) g; INSERT INTO uses SELECT g, g FROM generate_series(1, {rows}) g",
        change: "ALTER TABLE uses DROP CONSTRAINT uses_code;\n\
                 ALTER TABLE codes ALTER COLUMN id TYPE text USING id::text;\n\
                 ALTER TABLE uses ALTER COLUMN code DROP DEFAULT, ALTER COLUMN code TYPE text, ALTER COLUMN code SET DEFAULT '2';\n\
                 ALTER TABLE uses ADD CONSTRAINT uses_code FOREIGN KEY (code) REFERENCES codes (id) ON UPDATE CASCADE ON DELETE CASCADE;",
        old: &[
            "INSERT INTO codes (id, name) VALUES ('{n}', 'old')",
            "INSERT INTO uses (id, code) VALUES ({n}, '{id}')",
            "INSERT INTO uses (id) VALUES ({n})",
            "INSERT INTO codes (id, name) VALUES ('-{n}', 'old'); INSERT INTO uses (id, code) VALUES ({n}, '-{n}')",
            "DELETE FROM codes WHERE id = '-{id}'",
            "UPDATE uses SET n = n + 1 WHERE code = '{id}'",
            "SELECT c.name FROM codes c JOIN uses u ON u.code = c.id WHERE c.id = '{id}'",
        ],
        new: &[
            "INSERT INTO codes (id, name) VALUES ('{n}', 'new')",
            "INSERT INTO uses (id, code) VALUES ({n}, '{id}')",
            "INSERT INTO uses (id) VALUES ({n})",
            "UPDATE codes SET name = 'new' WHERE id = '{id}'",
        ],
        disagree: "SELECT 'codes', id FROM codes WHERE id IS DISTINCT FROM id_old::text UNION ALL SELECT 'uses', code FROM uses WHERE code IS DISTINCT FROM code_old::text",
        after: &[
            (
                "SELECT string_agg(pg_get_constraintdef(oid), '; ' ORDER BY conname) FROM pg_constraint WHERE contype = 'f'",
                "FOREIGN KEY (code) REFERENCES codes(id) ON UPDATE CASCADE ON DELETE CASCADE",
            ),
            (
                "SELECT string_agg(table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || coalesce(' ' || column_default, ''), ', ' ORDER BY table_name) FROM information_schema.columns WHERE table_name = 'codes' AND column_name = 'id' OR column_name = 'code'",
                "codes.id text NO, uses.code text NO '2'::text",
            ),
        ],
    },
    // Dropped and added again with an action: bound all the while, and from the expand phase on nobody is refused.
    Case {
        name: "reference_that_begins_to_act",
        engine: Engine::Postgres,
        base: "CREATE TABLE users (id int PRIMARY KEY); CREATE TABLE orders (id int PRIMARY KEY, user_id int NOT NULL REFERENCES users);",
        rows: "INSERT INTO users SELECT g FROM generate_series(1, {rows}) g; INSERT INTO orders SELECT g, g FROM generate_series(1, {rows}) g",
        change: "ALTER TABLE orders DROP CONSTRAINT orders_user_id_fkey;\nALTER TABLE orders ADD FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE;",
        old: &[
            "INSERT INTO users VALUES ({n})",
            "INSERT INTO orders VALUES ({n}, {n} - 1)",
            "DELETE FROM orders WHERE user_id = {n} - 8",
            "INSERT INTO users VALUES ({n})",
            "DELETE FROM users WHERE id = {n} - 1",
        ],
        new: &[
            "INSERT INTO users VALUES ({n})",
            "INSERT INTO orders VALUES ({n}, {n} - 1)",
            "DELETE FROM users WHERE id = {n} - 2",
        ],
        disagree: "SELECT id FROM orders WHERE user_id NOT IN (SELECT id FROM users)",
        after: &[
            ("SELECT count(*) FROM orders WHERE user_id NOT IN (SELECT id FROM users)", "0"),
            (
                "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'orders_user_id_fkey'",
                "FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE",
            ),
        ],
    },
    // The old release counts on what the old one does.
    Case {
        name: "reference_that_acts_otherwise",
        engine: Engine::Postgres,
        base: "CREATE TABLE users (id int PRIMARY KEY); CREATE TABLE orders (id int PRIMARY KEY, user_id int CONSTRAINT of_user REFERENCES users ON DELETE CASCADE);",
        rows: "INSERT INTO users SELECT g FROM generate_series(1, {rows}) g; INSERT INTO orders SELECT g, g FROM generate_series(1, {rows}) g",
        change: "ALTER TABLE orders DROP CONSTRAINT of_user, ADD CONSTRAINT user_of FOREIGN KEY (user_id) REFERENCES users ON DELETE RESTRICT;",
        old: &[
            "INSERT INTO users VALUES ({n})",
            "INSERT INTO orders VALUES ({n}, {n} - 1)",
            "DELETE FROM users WHERE id = {n} - 2",
        ],
        new: &[
            "INSERT INTO users VALUES ({n})",
            "INSERT INTO orders VALUES ({n}, {n} - 1)",
            "DELETE FROM orders WHERE user_id = {n} - 2",
            "DELETE FROM users WHERE id = {n} - 3",
        ],
        disagree: "SELECT id FROM orders WHERE user_id NOT IN (SELECT id FROM users)",
        after: &[(
            "SELECT string_agg(conname || ' ' || pg_get_constraintdef(oid), ';') FROM pg_constraint WHERE contype = 'f'",
            "user_of FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE RESTRICT",
        )],
    },
];

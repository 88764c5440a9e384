//! Changes, and what two releases do meanwhile.

/// Where a case runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Postgres,
    MariaDb,
    MySql,
    Sqlite,
}

/// A change under load.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) engine: Engine,
    /// The schema before.
    pub(crate) base: &'static str,
    /// Its rows: `{rows}` of them, with the keys 1 to `{rows}`.
    pub(crate) rows: &'static str,
    /// What the developer wrote.
    pub(crate) change: &'static str,
    /// Statements of the release that knows the old side only.
    pub(crate) old: &'static [&'static str],
    /// Statements of the release that knows the new side only.
    pub(crate) new: &'static [&'static str],
    /// Rows in which both sides are there and do not agree; must be none. May be empty.
    pub(crate) disagree: &'static str,
    /// Queries behind the last phase, and what they give.
    pub(crate) after: &'static [(&'static str, &'static str)],
}

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "rename_column",
        engine: Engine::Postgres,
        base: "CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL DEFAULT 'anon' CHECK (name <> ''), tag text UNIQUE, n int DEFAULT 0);\n\
               CREATE INDEX users_name ON users (lower(name));\n\
               COMMENT ON COLUMN users.name IS 'spoken';",
        rows: "INSERT INTO users SELECT g, 'name ' || g, 'tag ' || g FROM generate_series(1, {rows}) g",
        change: "ALTER TABLE users RENAME COLUMN name TO full_name;\nALTER TABLE users RENAME COLUMN tag TO label;",
        old: &[
            "INSERT INTO users (id, name, tag) VALUES ({n}, 'old {n}', 't{n}')",
            "INSERT INTO users (id) VALUES ({n})",
            "UPDATE users SET name = 'o{n}' WHERE id = {id}",
            "UPDATE users SET n = n + 1 WHERE id = {id}",
            "UPDATE users SET tag = NULL WHERE id = {id}",
            "UPDATE users SET tag = 'to{n}' WHERE id = {id}",
            "INSERT INTO users (id, name, tag) VALUES ({n}, 'u', 'same') ON CONFLICT (tag) DO UPDATE SET name = EXCLUDED.name",
            "INSERT INTO users (id, name) VALUES ({id}, 'up {n}') ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name",
            "DELETE FROM users WHERE id = {n} - 4",
            "SELECT id, name, tag FROM users WHERE lower(name) = 'name 7'",
        ],
        new: &[
            "INSERT INTO users (id, full_name, label) VALUES ({n}, 'new {n}', 'n{n}')",
            "INSERT INTO users (id) VALUES ({n})",
            "UPDATE users SET full_name = 'w{n}' WHERE id = {id}",
            "UPDATE users SET n = n + 1 WHERE id = {id}",
            "UPDATE users SET label = NULL WHERE id = {id}",
            "UPDATE users SET label = 'tn{n}' WHERE id = {id}",
            "INSERT INTO users (id, full_name, label) VALUES ({n}, 'u', 'same') ON CONFLICT (label) DO UPDATE SET full_name = EXCLUDED.full_name",
            "SELECT id, full_name, label FROM users WHERE lower(full_name) = 'name 7'",
        ],
        disagree: "SELECT id, name, full_name, tag, label FROM users WHERE name IS DISTINCT FROM full_name OR tag IS DISTINCT FROM label",
        after: &[
            ("SELECT count(*) FROM users WHERE full_name IS NULL", "0"),
            (
                "SELECT string_agg(indexname, ' ' ORDER BY indexname) FROM pg_indexes WHERE tablename = 'users'",
                "users_name users_pkey users_tag_key",
            ),
        ],
    },
    Case {
        name: "rename_odd_column",
        engine: Engine::Postgres,
        base: "CREATE TABLE \"Odd Tab\" (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), k int, \"select\" json, \"Num\"\"ber\" numeric NOT NULL);",
        rows: "INSERT INTO \"Odd Tab\" (k, \"select\", \"Num\"\"ber\") SELECT g, '{\"a\": 1}', g FROM generate_series(1, {rows}) g",
        change: "ALTER TABLE \"Odd Tab\" RENAME COLUMN \"select\" TO \"a'b$sync$c\";\nALTER TABLE \"Odd Tab\" RENAME COLUMN \"Num\"\"ber\" TO nummer_die_einen_namen_hat_der_laenger_ist_als_alle_anderen_namen;",
        old: &[
            "INSERT INTO \"Odd Tab\" (\"Num\"\"ber\") VALUES (1.0)",
            "UPDATE \"Odd Tab\" SET \"Num\"\"ber\" = \"Num\"\"ber\" + 0.00 WHERE k = {id}",
            "UPDATE \"Odd Tab\" SET \"select\" = '{\"a\":  1}' WHERE k = {id}",
        ],
        new: &[
            "INSERT INTO \"Odd Tab\" (nummer_die_einen_namen_hat_der_laenger_ist_als_alle_anderen_namen) VALUES (2.50)",
            "UPDATE \"Odd Tab\" SET \"a'b$sync$c\" = '[{n}]' WHERE k = {id}",
        ],
        disagree: "SELECT id FROM \"Odd Tab\" WHERE \"select\"::text IS DISTINCT FROM \"a'b$sync$c\"::text OR \"Num\"\"ber\"::text IS DISTINCT FROM nummer_die_einen_namen_hat_der_laenger_ist_als_alle_anderen_namen::text",
        after: &[],
    },
    Case {
        name: "rename_foreign_key",
        engine: Engine::Postgres,
        base: "CREATE TABLE teams (id int PRIMARY KEY); CREATE TABLE players (id int PRIMARY KEY, team int NOT NULL REFERENCES teams ON DELETE CASCADE);",
        rows: "INSERT INTO teams SELECT g FROM generate_series(1, {rows}) g; INSERT INTO players SELECT g, g FROM generate_series(1, {rows}) g",
        change: "ALTER TABLE players RENAME COLUMN team TO crew",
        old: &[
            "INSERT INTO teams VALUES ({n})",
            "INSERT INTO players VALUES ({n}, {n} - 1)",
            "UPDATE players SET team = 1 + {n} % 300 WHERE id = {id}",
        ],
        new: &[
            "INSERT INTO players (id, crew) VALUES ({n}, {id})",
            "UPDATE players SET crew = {id} WHERE id = {id}",
        ],
        disagree: "SELECT id FROM players WHERE team IS DISTINCT FROM crew",
        after: &[(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'players_team_fkey'",
            "FOREIGN KEY (crew) REFERENCES teams(id) ON DELETE CASCADE",
        )],
    },
    // What cannot be built for a second column goes with the first one, which takes the new name.
    Case {
        name: "rename_key",
        engine: Engine::Postgres,
        base: "CREATE TABLE users (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, boss int REFERENCES users, name text NOT NULL, n int DEFAULT 0);\n\
               CREATE TABLE posts (id int PRIMARY KEY, author int NOT NULL REFERENCES users ON DELETE CASCADE);\n\
               CREATE INDEX posts_author ON posts (author);\n\
               CREATE VIEW people AS SELECT id, name FROM users;",
        rows: "INSERT INTO users (id, boss, name) SELECT g, 1, 'name ' || g FROM generate_series(1, {rows}) g; SELECT setval('users_id_seq', 100000000); INSERT INTO posts SELECT g, g FROM generate_series(1, {rows}) g",
        change: "ALTER TABLE users RENAME COLUMN id TO user_id;",
        old: &[
            "INSERT INTO users (id, boss, name) VALUES ({n}, {id}, 'old {n}')",
            "INSERT INTO posts VALUES ({n}, {n} - 1)",
            "INSERT INTO users (name) VALUES ('counted {n}')",
            "INSERT INTO users (id, name) VALUES ({n}, 'moves')",
            "UPDATE users SET id = {n} WHERE id = {n} - 1",
            "INSERT INTO users (id, name) VALUES ({id}, 'up {n}') ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name",
            "UPDATE users SET n = n + 1, boss = {id} WHERE id = {id}",
            "UPDATE people SET name = 'seen {n}' WHERE id = {id}",
            "DELETE FROM users WHERE id = {n} - 8",
            "SELECT u.id, p.id, s.name FROM users u JOIN posts p ON p.author = u.id JOIN people s ON s.id = u.id WHERE u.id = {id}",
        ],
        new: &[
            "INSERT INTO users (user_id, boss, name) VALUES ({n}, {id}, 'new {n}')",
            "INSERT INTO posts VALUES ({n}, {n} - 1)",
            "INSERT INTO users (name) VALUES ('counted {n}')",
            "INSERT INTO users (user_id, name) VALUES ({n}, 'moves')",
            "UPDATE users SET user_id = {n} WHERE user_id = {n} - 1",
            "INSERT INTO users (user_id, name) VALUES ({id}, 'up {n}') ON CONFLICT (user_id) DO UPDATE SET name = EXCLUDED.name",
            "UPDATE users SET n = n + 1, boss = {id} WHERE user_id = {id}",
            "UPDATE people SET name = 'seen {n}' WHERE id = {id}",
            "DELETE FROM users WHERE user_id = {n} - 8",
            "SELECT u.user_id, p.id, s.name FROM users u JOIN posts p ON p.author = u.user_id JOIN people s ON s.id = u.user_id WHERE u.user_id = {id}",
        ],
        disagree: "SELECT id, user_id FROM users WHERE id IS DISTINCT FROM user_id",
        after: &[
            (
                "SELECT string_agg(pg_get_constraintdef(oid), '; ' ORDER BY conname) FROM pg_constraint WHERE conrelid IN ('users'::regclass, 'posts'::regclass) AND conname <> 'posts_pkey'",
                "FOREIGN KEY (author) REFERENCES users(user_id) ON DELETE CASCADE; FOREIGN KEY (boss) REFERENCES users(user_id); PRIMARY KEY (user_id)",
            ),
            (
                "SELECT string_agg(column_name, ' ' ORDER BY ordinal_position) FROM information_schema.columns WHERE table_name = 'people'",
                "id name",
            ),
            (
                "SELECT attname::text || ' ' || attidentity::text || ' ' || pg_get_serial_sequence('users', 'user_id') FROM pg_attribute WHERE attrelid = 'users'::regclass AND attnum = 1",
                "user_id d public.users_id_seq",
            ),
            ("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal", "0"),
            ("SELECT count(*) FROM pg_indexes WHERE tablename = 'users'", "1"),
        ],
    },
    Case {
        name: "rename_read_columns",
        engine: Engine::Postgres,
        base: "CREATE TABLE items (id int PRIMARY KEY, price numeric(8,2) NOT NULL DEFAULT 1, qty int DEFAULT 2, code text, owner text NOT NULL DEFAULT 'me', span int4range, total numeric GENERATED ALWAYS AS (price * qty) STORED, CONSTRAINT one_code UNIQUE NULLS NOT DISTINCT (code), CONSTRAINT apart EXCLUDE USING gist (span WITH &&));\n\
               ALTER TABLE items ENABLE ROW LEVEL SECURITY;\n\
               CREATE POLICY mine ON items USING (owner = current_user) WITH CHECK (owner <> '');\n\
               CREATE VIEW priced AS SELECT id, price, owner FROM items;\n\
               CREATE VIEW dear AS SELECT id, price * 2 AS twice FROM priced WHERE price > 0;\n\
               CREATE MATERIALIZED VIEW sums AS SELECT owner, sum(price) AS price FROM items GROUP BY owner;",
        rows: "INSERT INTO items (id, price, code, span) SELECT g, g, 'c' || g, int4range(g, g + 1) FROM generate_series(1, {rows}) g; REFRESH MATERIALIZED VIEW sums",
        change: "ALTER TABLE items RENAME COLUMN price TO amount;\n\
                 ALTER TABLE items RENAME COLUMN owner TO holder;\n\
                 ALTER TABLE items RENAME COLUMN code TO sku;\n\
                 ALTER TABLE items RENAME COLUMN span TO period;",
        old: &[
            "INSERT INTO items (id, price, code, owner, span) VALUES ({n}, 3.50, 'o{n}', 'old', int4range({n}, {n} + 1))",
            "INSERT INTO items (id, code) VALUES ({n}, 'd{n}')",
            "UPDATE items SET price = price + 1 WHERE id = {id}",
            "UPDATE items SET code = 'u{n}', owner = 'o{n}' WHERE id = {id}",
            "UPDATE items SET span = NULL WHERE id = {id}",
            "UPDATE items SET span = int4range({n}, {n} + 1) WHERE id = {id}",
            "UPDATE items SET qty = 1 + {n} % 5 WHERE id = {id}",
            "INSERT INTO items (id, code) VALUES ({n}, 'same') ON CONFLICT (code) DO UPDATE SET owner = EXCLUDED.owner",
            "UPDATE priced SET price = 7 WHERE id = {id}",
            "SELECT d.twice, p.owner, i.total FROM dear d JOIN priced p ON p.id = d.id JOIN items i ON i.id = d.id WHERE i.code = 'c{id}' AND i.price > 0",
            "SELECT owner, price FROM sums",
        ],
        new: &[
            "INSERT INTO items (id, amount, sku, holder, period) VALUES ({n}, 4.50, 'n{n}', 'new', int4range({n}, {n} + 1))",
            "INSERT INTO items (id, sku) VALUES ({n}, 'd{n}')",
            "UPDATE items SET amount = amount + 1 WHERE id = {id}",
            "UPDATE items SET sku = 'w{n}', holder = 'n{n}' WHERE id = {id}",
            "UPDATE items SET period = int4range({n}, {n} + 1) WHERE id = {id}",
            "UPDATE items SET qty = 1 + {n} % 5 WHERE id = {id}",
            "INSERT INTO items (id, sku) VALUES ({n}, 'same') ON CONFLICT (sku) DO UPDATE SET holder = EXCLUDED.holder",
            "UPDATE priced SET price = 8 WHERE id = {id}",
            "SELECT d.twice, p.owner, i.total FROM dear d JOIN priced p ON p.id = d.id JOIN items i ON i.id = d.id WHERE i.sku = 'c{id}' AND i.amount > 0",
            "SELECT owner, price FROM sums",
        ],
        disagree: "SELECT id FROM items WHERE price IS DISTINCT FROM amount OR owner IS DISTINCT FROM holder OR code IS DISTINCT FROM sku OR span IS DISTINCT FROM period OR total IS DISTINCT FROM price * qty",
        after: &[
            (
                "SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'items'::regclass AND attnum > 0 AND NOT attisdropped",
                "id amount qty sku holder period total",
            ),
            (
                "SELECT string_agg(pg_get_constraintdef(oid), '; ' ORDER BY conname) FROM pg_constraint WHERE conrelid = 'items'::regclass AND contype <> 'n'",
                "EXCLUDE USING gist (period WITH &&); PRIMARY KEY (id); UNIQUE NULLS NOT DISTINCT (sku)",
            ),
            ("SELECT pg_get_expr(polqual, polrelid) FROM pg_policy", "(holder = CURRENT_USER)"),
            ("SELECT count(*) FROM items WHERE total IS DISTINCT FROM amount * qty", "0"),
            (
                "SELECT string_agg(column_name, ' ' ORDER BY ordinal_position) FROM information_schema.columns WHERE table_name = 'priced'",
                "id price owner",
            ),
        ],
    },
    Case {
        name: "rename_table",
        engine: Engine::Postgres,
        base: "CREATE TABLE users (id serial PRIMARY KEY, name text NOT NULL DEFAULT 'anon', n int DEFAULT 0);",
        rows: "INSERT INTO users (name) SELECT 'name ' || g FROM generate_series(1, {rows}) g",
        change: "ALTER TABLE users RENAME TO people",
        old: &[
            "INSERT INTO users (name) VALUES ('old {n}')",
            "UPDATE users SET n = n + 1 WHERE id = {id}",
            "SELECT * FROM users WHERE id = {id}",
        ],
        new: &[
            "INSERT INTO people (name) VALUES ('new {n}')",
            "INSERT INTO people DEFAULT VALUES",
            "INSERT INTO people (id, name) VALUES ({id}, 'again') ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name",
            "UPDATE people SET n = n + 1 WHERE id = {id}",
            "DELETE FROM people WHERE name = 'new {n}'",
            "SELECT * FROM people WHERE id = {id}",
        ],
        disagree: "",
        after: &[("SELECT relkind FROM pg_class WHERE relname = 'people'", "r")],
    },
    Case {
        name: "text_to_number",
        engine: Engine::Postgres,
        base: "CREATE TABLE items (id int PRIMARY KEY, price text NOT NULL DEFAULT '0', n int DEFAULT 0); CREATE INDEX items_price ON items (price);",
        rows: "INSERT INTO items SELECT g, CASE g % 3 WHEN 0 THEN '00' ELSE '' END || g FROM generate_series(1, {rows}) g",
        change: "ALTER TABLE items ALTER COLUMN price DROP DEFAULT;\nALTER TABLE items ALTER COLUMN n TYPE bigint;",
        old: &[
            "INSERT INTO items (id, price) VALUES ({n}, '1')",
            "UPDATE items SET n = n + 1 WHERE id = {id}",
            "UPDATE items SET price = '{n}' WHERE id = {id}",
            "SELECT id, n FROM items WHERE id = {id}",
        ],
        new: &[
            "INSERT INTO items (id, price, n) VALUES ({n}, '1', {n})",
            "UPDATE items SET n = n + 1 WHERE id = {id}",
            "SELECT id, n FROM items WHERE id = {id}",
        ],
        disagree: "SELECT id FROM items WHERE n IS DISTINCT FROM n_old",
        after: &[("SELECT pg_typeof(n)::text FROM items LIMIT 1", "bigint")],
    },
    Case {
        name: "key_to_bigint",
        engine: Engine::Postgres,
        base: "CREATE TABLE users (id serial PRIMARY KEY, name text); CREATE TABLE posts (id int PRIMARY KEY, author int NOT NULL REFERENCES users ON DELETE CASCADE);",
        rows: "INSERT INTO users (name) SELECT 'u' || g FROM generate_series(1, {rows}) g; INSERT INTO posts SELECT g, g FROM generate_series(1, {rows}) g",
        change: "ALTER TABLE users ALTER COLUMN id TYPE bigint",
        old: &[
            "INSERT INTO users (name) VALUES ('old')",
            "INSERT INTO posts VALUES ({n}, {id})",
            "UPDATE users SET name = 'x{n}' WHERE id = {id}",
            "SELECT posts.id, users.id FROM posts JOIN users ON users.id = author WHERE posts.id = {id}",
        ],
        new: &[
            "INSERT INTO users (name) VALUES ('new')",
            "INSERT INTO posts VALUES ({n}, {id})",
            "UPDATE users SET name = 'y{n}' WHERE id = {id}",
        ],
        disagree: "SELECT id FROM users WHERE id IS DISTINCT FROM id_old",
        after: &[
            ("SELECT pg_typeof(id)::text FROM users LIMIT 1", "bigint"),
            ("SELECT pg_get_serial_sequence('users', 'id')", "public.users_id_seq"),
            (
                "SELECT convalidated::text FROM pg_constraint WHERE conname = 'posts_author_fkey'",
                "true",
            ),
        ],
    },
    Case {
        name: "split_column",
        engine: Engine::Postgres,
        base: "CREATE TABLE people (id int PRIMARY KEY, name text NOT NULL);",
        rows: "INSERT INTO people SELECT g, 'First' || g || ' Last' || g || CASE g % 5 WHEN 0 THEN ' Jr' ELSE '' END FROM generate_series(1, {rows}) g",
        change: "-- downhaul:forward first \"split_part(name, ' ', 1)\"\n\
                 -- downhaul:forward last \"split_part(name, ' ', 2)\"\n\
                 -- downhaul:back name \"first || ' ' || last\"\n\
                 ALTER TABLE people ADD COLUMN first text NOT NULL, ADD COLUMN last text NOT NULL, DROP COLUMN name;",
        old: &[
            "INSERT INTO people (id, name) VALUES ({n}, 'Ada L{n}')",
            "UPDATE people SET name = 'Grace H{n}' WHERE id = {id}",
        ],
        new: &[
            "INSERT INTO people (id, first, last) VALUES ({n}, 'New', 'N{n}')",
            "UPDATE people SET last = 'Married{n}' WHERE id = {id}",
            "UPDATE people SET first = 'F{n}', last = 'G{n}' WHERE id = {id}",
        ],
        disagree: "SELECT id FROM people WHERE first IS DISTINCT FROM split_part(name, ' ', 1) OR last IS DISTINCT FROM split_part(name, ' ', 2)",
        after: &[("SELECT count(*) FROM people WHERE first IS NULL OR last IS NULL", "0")],
    },
    Case {
        name: "random_default",
        engine: Engine::Postgres,
        base: "CREATE TABLE users (id int PRIMARY KEY, n int DEFAULT 0);",
        rows: "INSERT INTO users SELECT g FROM generate_series(1, {rows}) g",
        change: "ALTER TABLE users ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid()",
        old: &["INSERT INTO users VALUES ({n})", "UPDATE users SET n = n + 1 WHERE id = {id}"],
        new: &[
            "INSERT INTO users (id) VALUES ({n})",
            "INSERT INTO users (id, token) VALUES ({n}, gen_random_uuid())",
        ],
        disagree: "SELECT id FROM users WHERE token IS NULL",
        after: &[("SELECT (count(*) - count(DISTINCT token))::text FROM users", "0")],
    },
    Case {
        name: "computed_column",
        engine: Engine::Postgres,
        base: "CREATE TABLE docs (id int PRIMARY KEY, title text NOT NULL);",
        rows: "INSERT INTO docs SELECT g, 'Title ' || g FROM generate_series(1, {rows}) g",
        change: "-- downhaul:forward \"lower(replace(title, ' ', '-'))\"\nALTER TABLE docs ADD COLUMN slug text NOT NULL;",
        old: &[
            "INSERT INTO docs VALUES ({n}, 'Old {n}')",
            // Also while the column is gone: it has to come back as the title then is.
            "UPDATE docs SET title = 'Retitled {n}' WHERE id = {id}",
        ],
        new: &["INSERT INTO docs VALUES ({n}, 'New {n}', 'own-{n}')"],
        disagree: "SELECT id FROM docs WHERE slug IS NULL OR slug NOT LIKE 'own%' AND slug <> lower(replace(title, ' ', '-'))",
        after: &[],
    },
    Case {
        name: "drop_fed_column",
        engine: Engine::Postgres,
        base: "CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL, fax text NOT NULL);",
        rows: "INSERT INTO users SELECT g, 'n' || g, 'fax ' || g FROM generate_series(1, {rows}) g",
        change: "-- downhaul:back \"'none for ' || name\"\nALTER TABLE users DROP COLUMN fax;",
        old: &[
            "INSERT INTO users (id, name, fax) VALUES ({n}, 'old', '1')",
            "SELECT id, fax FROM users WHERE id = {id}",
        ],
        new: &["INSERT INTO users (id, name) VALUES ({n}, 'new')"],
        disagree: "SELECT id FROM users WHERE fax IS NULL",
        after: &[],
    },
    Case {
        name: "set_not_null",
        engine: Engine::Postgres,
        base: "CREATE TABLE users (id int PRIMARY KEY, name text, email text);",
        rows: "INSERT INTO users SELECT g, 'n' || g, CASE g % 2 WHEN 0 THEN 'mail' || g END FROM generate_series(1, {rows}) g",
        change: "-- downhaul:forward \"name || '@example.org'\"\nALTER TABLE users ALTER COLUMN email SET NOT NULL;",
        old: &["UPDATE users SET name = 'x{n}' WHERE id = {id}"],
        new: &["INSERT INTO users VALUES ({n}, 'new', 'new@example.org')"],
        disagree: "",
        after: &[(
            "SELECT attnotnull::text FROM pg_attribute WHERE attrelid = 'users'::regclass AND attname = 'email'",
            "true",
        )],
    },
    Case {
        name: "constraints",
        engine: Engine::Postgres,
        base: "CREATE TABLE teams (id int PRIMARY KEY); CREATE TABLE users (id int PRIMARY KEY, team int, email text);",
        rows: "INSERT INTO teams SELECT g FROM generate_series(1, {rows}) g; INSERT INTO users SELECT g, g, 'm' || g FROM generate_series(1, {rows}) g",
        change: "ALTER TABLE users ADD CONSTRAINT team_there FOREIGN KEY (team) REFERENCES teams;\n\
                 ALTER TABLE users ADD CONSTRAINT mail_not_empty CHECK (email <> '');\n\
                 ALTER TABLE users ADD CONSTRAINT mail_once UNIQUE (email);\n\
                 CREATE INDEX users_team ON users (team);",
        old: &[
            "INSERT INTO users VALUES ({n}, 1, 'old{n}')",
            "UPDATE users SET team = {id} WHERE id = {id}",
        ],
        new: &[
            "INSERT INTO users VALUES ({n}, 2, 'new{n}')",
            "UPDATE users SET team = {id} WHERE id = {id}",
        ],
        disagree: "",
        after: &[(
            "SELECT count(*) FROM pg_constraint WHERE conrelid = 'users'::regclass AND convalidated",
            "4",
        )],
    },
    Case {
        name: "primary_key",
        engine: Engine::Postgres,
        base: "CREATE TABLE lines (tenant int NOT NULL, id int PRIMARY KEY, note text);",
        rows: "INSERT INTO lines SELECT g % 7, g, 'n' FROM generate_series(1, {rows}) g",
        change: "ALTER TABLE lines DROP CONSTRAINT lines_pkey, ADD PRIMARY KEY (tenant, id);",
        old: &[
            "INSERT INTO lines VALUES (1, {n}, 'old')",
            "INSERT INTO lines VALUES (0, {id}, 'up {n}') ON CONFLICT (id) DO UPDATE SET note = EXCLUDED.note",
            "SELECT id, note FROM lines WHERE id = {id}",
        ],
        new: &[
            "INSERT INTO lines VALUES (2, {n}, 'new')",
            "INSERT INTO lines SELECT tenant, id, 'up {n}' FROM lines WHERE id = {id} ON CONFLICT (tenant, id) DO UPDATE SET note = EXCLUDED.note",
            "UPDATE lines SET note = 'x{n}' WHERE id = {id}",
        ],
        disagree: "",
        after: &[(
            "SELECT string_agg(conname || ' ' || pg_get_constraintdef(oid), '; ') FROM pg_constraint WHERE conrelid = 'lines'::regclass",
            "lines_pkey PRIMARY KEY (tenant, id)",
        )],
    },
    Case {
        name: "primary_key_of_a_column_with_nulls",
        engine: Engine::Postgres,
        base: "CREATE TABLE lines (tenant int, id int PRIMARY KEY, note text);",
        rows: "INSERT INTO lines SELECT CASE WHEN g % 4 > 0 THEN g % 7 END, g, 'n' FROM generate_series(1, {rows}) g",
        change: "-- downhaul:forward tenant \"0\"\nALTER TABLE lines DROP CONSTRAINT lines_pkey, ADD PRIMARY KEY (tenant, id);",
        old: &[
            "INSERT INTO lines (id, note) VALUES ({n}, 'old')",
            "INSERT INTO lines VALUES (0, {id}, 'up {n}') ON CONFLICT (id) DO UPDATE SET note = EXCLUDED.note",
        ],
        new: &[
            "INSERT INTO lines VALUES (2, {n}, 'new')",
            "INSERT INTO lines SELECT coalesce(tenant, 9), {n}, 'up {n}' FROM lines WHERE id = {id} ON CONFLICT (tenant, id) DO UPDATE SET note = EXCLUDED.note",
        ],
        disagree: "",
        after: &[
            ("SELECT count(*) FROM lines WHERE tenant IS NULL", "0"),
            (
                "SELECT string_agg(conname || ' ' || pg_get_constraintdef(oid), '; ') FROM pg_constraint WHERE conrelid = 'lines'::regclass",
                "lines_pkey PRIMARY KEY (tenant, id)",
            ),
        ],
    },
    // What a drop takes is kept, and the schema before it looked at: the index is there by then.
    Case {
        name: "unique_beside_drop",
        engine: Engine::Postgres,
        base: "CREATE TABLE users (id int PRIMARY KEY, email text, fax text);",
        rows: "INSERT INTO users SELECT g, 'm' || g, 'f' || g FROM generate_series(1, {rows}) g",
        change: "ALTER TABLE users ADD CONSTRAINT mail_once UNIQUE (email);\nALTER TABLE users DROP COLUMN fax;",
        old: &[
            "INSERT INTO users VALUES ({n}, 'old{n}', 'f')",
            "UPDATE users SET fax = 'x{n}' WHERE id = {id}",
        ],
        new: &["INSERT INTO users (id, email) VALUES ({n}, 'new{n}')"],
        disagree: "",
        after: &[("SELECT count(*) FROM pg_index WHERE indrelid = 'users'::regclass", "2")],
    },
    Case {
        name: "text_to_enum",
        engine: Engine::Postgres,
        base: "CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy'); CREATE TABLE people (id int PRIMARY KEY, mood text NOT NULL);",
        rows: "INSERT INTO people SELECT g, CASE g % 2 WHEN 0 THEN 'ok' ELSE 'happy' END FROM generate_series(1, {rows}) g",
        change: "ALTER TABLE people ALTER COLUMN mood TYPE mood USING mood::mood;",
        old: &[
            "INSERT INTO people (id, mood) VALUES ({n}, 'ok')",
            "UPDATE people SET mood = 'happy' WHERE id = {id}",
            "SELECT id, mood FROM people WHERE mood = 'ok' AND id = {id}",
        ],
        new: &[
            "INSERT INTO people (id, mood) VALUES ({n}, 'sad')",
            "UPDATE people SET mood = 'sad' WHERE id = {id}",
            "SELECT id, mood FROM people WHERE mood = 'sad' AND id = {id}",
        ],
        disagree: "SELECT id FROM people WHERE mood::text IS DISTINCT FROM mood_old::text",
        after: &[("SELECT pg_typeof(mood)::text FROM people LIMIT 1", "mood")],
    },
    Case {
        name: "rename_enum_column",
        engine: Engine::Postgres,
        base: "CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy'); CREATE TABLE people (id int PRIMARY KEY, mood mood NOT NULL);",
        rows: "INSERT INTO people SELECT g, 'ok' FROM generate_series(1, {rows}) g",
        change: "ALTER TABLE people RENAME COLUMN mood TO feeling;",
        old: &[
            "INSERT INTO people (id, mood) VALUES ({n}, 'ok')",
            "UPDATE people SET mood = 'happy' WHERE id = {id}",
        ],
        new: &[
            "INSERT INTO people (id, feeling) VALUES ({n}, 'sad')",
            "UPDATE people SET feeling = 'sad' WHERE id = {id}",
        ],
        disagree: "SELECT id FROM people WHERE mood IS DISTINCT FROM feeling",
        after: &[("SELECT pg_typeof(feeling)::text FROM people LIMIT 1", "mood")],
    },
    Case {
        name: "collation",
        engine: Engine::Postgres,
        base: "CREATE TABLE people (id int PRIMARY KEY, name text NOT NULL); CREATE INDEX people_name ON people (name);",
        rows: "INSERT INTO people SELECT g, 'name ' || g FROM generate_series(1, {rows}) g",
        change: "ALTER TABLE people ALTER COLUMN name TYPE text COLLATE \"POSIX\";",
        old: &[
            "INSERT INTO people (id, name) VALUES ({n}, 'old {n}')",
            "UPDATE people SET name = 'o{n}' WHERE id = {id}",
            "SELECT id FROM people WHERE name > 'name 7' ORDER BY name LIMIT 3",
        ],
        new: &[
            "INSERT INTO people (id, name) VALUES ({n}, 'new {n}')",
            "UPDATE people SET name = 'w{n}' WHERE id = {id}",
        ],
        disagree: "SELECT id FROM people WHERE name COLLATE \"C\" IS DISTINCT FROM name_old COLLATE \"C\"",
        after: &[(
            "SELECT collname FROM pg_attribute a JOIN pg_collation c ON c.oid = attcollation WHERE attrelid = 'people'::regclass AND attname = 'name'",
            "POSIX",
        )],
    },
    Case {
        name: "reference_to_bigint",
        engine: Engine::Postgres,
        base: "CREATE TABLE users (id int PRIMARY KEY); CREATE TABLE posts (id int PRIMARY KEY, author int NOT NULL REFERENCES users ON DELETE CASCADE); CREATE INDEX posts_author ON posts (author);",
        rows: "INSERT INTO users SELECT g FROM generate_series(1, {rows}) g; INSERT INTO posts SELECT g, g FROM generate_series(1, {rows}) g",
        change: "ALTER TABLE posts ALTER COLUMN author TYPE bigint;",
        old: &[
            "INSERT INTO posts (id, author) VALUES ({n}, {id})",
            "UPDATE posts SET author = {id} WHERE id = {id}",
            "SELECT posts.id FROM posts JOIN users ON users.id = author WHERE posts.id = {id}",
        ],
        new: &[
            "INSERT INTO posts (id, author) VALUES ({n}, {id})",
            "UPDATE posts SET author = {id} WHERE id = {id}",
        ],
        disagree: "SELECT id FROM posts WHERE author IS DISTINCT FROM author_old",
        after: &[
            ("SELECT pg_typeof(author)::text FROM posts LIMIT 1", "bigint"),
            (
                "SELECT convalidated::text FROM pg_constraint WHERE conname = 'posts_author_fkey'",
                "true",
            ),
        ],
    },
    // Keys of all kinds that become bigint.
    Case {
        name: "identity_to_bigint",
        engine: Engine::Postgres,
        base: "CREATE TABLE nodes (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, parent int REFERENCES nodes ON DELETE CASCADE, name text NOT NULL DEFAULT 'x', n int DEFAULT 0);\n\
               CREATE INDEX nodes_parent ON nodes (parent);\n\
               CREATE TABLE leaves (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, node int NOT NULL REFERENCES nodes);\n\
               CREATE INDEX leaves_node ON leaves (node);\n\
               CREATE VIEW roots AS SELECT id, name FROM nodes WHERE parent IS NULL;\n\
               CREATE VIEW following AS SELECT id + 1 AS next, name FROM roots;\n\
               COMMENT ON VIEW roots IS 'without a parent';",
        rows: "INSERT INTO nodes (id, parent) SELECT g, nullif(g / 3, 0) FROM generate_series(1, {rows}) g; SELECT setval('nodes_id_seq', 100000000); INSERT INTO leaves (node) SELECT g FROM generate_series(1, {rows}) g",
        change: "ALTER TABLE nodes ALTER COLUMN id TYPE bigint;\nALTER TABLE leaves ALTER COLUMN id SET DATA TYPE bigint USING id::bigint;",
        old: &[
            "INSERT INTO nodes (id, parent) VALUES ({n}, {id})",
            "INSERT INTO nodes (id, parent) VALUES ({n}, {n} - 1)",
            "INSERT INTO nodes (parent) VALUES ({n} - 1)",
            "WITH new AS (INSERT INTO leaves (node) VALUES ({n} - 2) RETURNING id) SELECT id FROM new",
            "DELETE FROM leaves WHERE node = {n} - 3",
            "DELETE FROM nodes WHERE id = {n} - 5",
            "UPDATE nodes SET n = n + 1 WHERE id = {id}",
            "SELECT f.next, r.name FROM following f JOIN roots r ON r.id + 1 = f.next LIMIT 3",
            "INSERT INTO nodes (id, name) VALUES ({id}, 'up') ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name",
        ],
        new: &[
            "INSERT INTO nodes (id, parent) VALUES ({n}, {id})",
            "INSERT INTO nodes (parent) VALUES ({n} - 1)",
            "INSERT INTO leaves (node) VALUES ({n} - 2)",
            "UPDATE nodes SET n = n + 1 WHERE id = {id}",
            "UPDATE roots SET name = 'root {n}' WHERE id = {id}",
        ],
        disagree: "SELECT id, id_old FROM nodes WHERE id IS DISTINCT FROM id_old",
        after: &[
            (
                "SELECT string_agg(pg_typeof(id)::text, ' ') FROM (SELECT id FROM (SELECT id FROM nodes LIMIT 1) a UNION ALL SELECT id FROM (SELECT id FROM leaves LIMIT 1) b UNION ALL SELECT id FROM (SELECT id FROM roots LIMIT 1) c) x",
                "bigint bigint bigint",
            ),
            (
                "SELECT string_agg(attidentity::text || ' ' || pg_get_serial_sequence(attrelid::regclass::text, 'id'), ', ' ORDER BY attrelid) FROM pg_attribute WHERE attrelid IN ('nodes'::regclass, 'leaves'::regclass) AND attidentity <> ''",
                "d public.nodes_id_seq, a public.leaves_id_seq",
            ),
            (
                "SELECT string_agg(seqtypid::regtype::text, ' ') FROM pg_sequence WHERE seqrelid IN ('nodes_id_seq'::regclass, 'leaves_id_seq'::regclass)",
                "bigint bigint",
            ),
            (
                "SELECT string_agg(pg_get_constraintdef(oid), '; ' ORDER BY conname) FROM pg_constraint WHERE confrelid = 'nodes'::regclass",
                "FOREIGN KEY (node) REFERENCES nodes(id); FOREIGN KEY (parent) REFERENCES nodes(id) ON DELETE CASCADE",
            ),
            ("SELECT obj_description('roots'::regclass)", "without a parent"),
            ("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal", "0"),
        ],
    },
    Case {
        name: "key_of_two_to_bigint",
        engine: Engine::Postgres,
        base: "CREATE TABLE items (tenant int, id serial, parent int, n int DEFAULT 0, PRIMARY KEY (tenant, id), FOREIGN KEY (tenant, parent) REFERENCES items (tenant, id));\n\
               CREATE TABLE lines (id int PRIMARY KEY, tenant int NOT NULL, item int NOT NULL, FOREIGN KEY (tenant, item) REFERENCES items);\n\
               CREATE INDEX lines_item ON lines (tenant, item);",
        rows: "INSERT INTO items (tenant, id) SELECT 1 + g % 2, g FROM generate_series(1, {rows}) g; SELECT setval('items_id_seq', 100000000); INSERT INTO lines SELECT g, 1 + g % 2, g FROM generate_series(1, {rows}) g",
        change: "ALTER TABLE items ALTER COLUMN id TYPE bigint;",
        old: &[
            "INSERT INTO items (tenant, id) VALUES (1, {n})",
            "INSERT INTO items (tenant, id, parent) VALUES (1, {n}, {n} - 1)",
            "INSERT INTO lines VALUES ({n}, 1, {n} - 1)",
            "INSERT INTO items (tenant) VALUES (2)",
            "UPDATE items SET n = n + 1 WHERE tenant = 1 + {id} % 2 AND id = {id}",
            "DELETE FROM lines WHERE id = {n} - 3",
            "INSERT INTO items (tenant, id) VALUES (1 + {id} % 2, {id}) ON CONFLICT (tenant, id) DO UPDATE SET n = 7",
            "SELECT l.id FROM lines l JOIN items i ON i.tenant = l.tenant AND i.id = l.item WHERE i.id = {id}",
        ],
        new: &[
            "INSERT INTO items (tenant, id) VALUES (1, {n})",
            "INSERT INTO lines VALUES ({n}, 1, {n} - 1)",
            "UPDATE items SET n = n + 1 WHERE tenant = 1 + {id} % 2 AND id = {id}",
        ],
        disagree: "SELECT tenant, id FROM items WHERE id IS DISTINCT FROM id_old",
        after: &[
            ("SELECT pg_typeof(id)::text FROM items LIMIT 1", "bigint"),
            (
                "SELECT string_agg(pg_get_constraintdef(oid), '; ' ORDER BY conname) FROM pg_constraint WHERE 'items'::regclass IN (conrelid, confrelid)",
                "PRIMARY KEY (tenant, id); FOREIGN KEY (tenant, parent) REFERENCES items(tenant, id); FOREIGN KEY (tenant, item) REFERENCES items(tenant, id)",
            ),
        ],
    },
    // Views and policies that read what changes its type.
    Case {
        name: "retype_read_columns",
        engine: Engine::Postgres,
        base: "CREATE TABLE items (id int PRIMARY KEY, price int NOT NULL DEFAULT 1, label varchar(20) NOT NULL DEFAULT 'none', owner text DEFAULT 'me');\n\
               ALTER TABLE items ENABLE ROW LEVEL SECURITY;\n\
               CREATE POLICY cheap ON items USING (price < 1000000) WITH CHECK (price >= 0);\n\
               CREATE VIEW priced AS SELECT id, price, label FROM items WHERE price >= 0;\n\
               CREATE VIEW dear (nr, twice) AS SELECT id, price * 2 FROM priced;\n\
               CREATE VIEW labels AS SELECT p.id, upper(p.label) AS label FROM priced p JOIN items USING (id);\n\
               GRANT SELECT ON priced TO public;",
        rows: "INSERT INTO items (id, price) SELECT g, g FROM generate_series(1, {rows}) g",
        change: "ALTER TABLE items ALTER COLUMN price TYPE numeric(12,2);\nALTER TABLE items ALTER COLUMN label TYPE varchar(40);",
        old: &[
            "INSERT INTO items (id, price, label) VALUES ({n}, 5, 'old {n}')",
            "INSERT INTO items (id) VALUES ({n})",
            "UPDATE items SET price = {n} % 100 WHERE id = {id}",
            "UPDATE priced SET label = 'p{n}' WHERE id = {id}",
            "SELECT d.twice, p.price, l.label FROM dear d JOIN priced p ON p.id = d.nr JOIN labels l ON l.id = p.id WHERE p.id = {id}",
        ],
        new: &[
            "INSERT INTO items (id, price) VALUES ({n}, 5.25)",
            "UPDATE items SET price = price + 0.5 WHERE id = {id}",
            "UPDATE priced SET price = 2.5, label = 'n{n}' WHERE id = {n} - 2",
            "SELECT twice FROM dear WHERE nr = {id}",
        ],
        disagree: "SELECT id, price, price_old FROM items WHERE price::int IS DISTINCT FROM price_old",
        after: &[
            (
                "SELECT string_agg(table_name || '.' || column_name || ' ' || data_type, ', ' ORDER BY table_name, ordinal_position) FROM information_schema.columns WHERE table_name IN ('priced', 'dear') AND column_name <> 'label'",
                "dear.nr integer, dear.twice numeric, priced.id integer, priced.price numeric",
            ),
            (
                "SELECT character_maximum_length FROM information_schema.columns WHERE table_name = 'priced' AND column_name = 'label'",
                "40",
            ),
            (
                "SELECT pg_get_expr(polqual, polrelid) || pg_get_expr(polwithcheck, polrelid) FROM pg_policy",
                "(price < (1000000)::numeric)(price >= (0)::numeric)",
            ),
            ("SELECT relacl::text LIKE '%=r/%' FROM pg_class WHERE relname = 'priced'", "t"),
        ],
    },
    // As PostgreSQL wants it said: the views go and come back around the change.
    Case {
        name: "views_dropped_and_created",
        engine: Engine::Postgres,
        base: "CREATE TABLE items (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, price int NOT NULL DEFAULT 1, fax text);\n\
               CREATE VIEW priced WITH (security_barrier = on) AS SELECT id, price FROM items WHERE price >= 0 WITH CHECK OPTION;\n\
               CREATE VIEW faxes AS SELECT id, price, fax FROM items;",
        rows: "INSERT INTO items (id, price, fax) SELECT g, g, 'f' || g FROM generate_series(1, {rows}) g; SELECT setval('items_id_seq', 100000000)",
        change: "DROP VIEW faxes, priced;\n\
                 ALTER TABLE items ALTER COLUMN id TYPE bigint;\n\
                 ALTER TABLE items DROP COLUMN fax;\n\
                 CREATE VIEW priced WITH (security_barrier) AS SELECT id, price FROM items WHERE price >= 0 WITH CASCADED CHECK OPTION;\n\
                 CREATE VIEW faxes AS SELECT id, price FROM items;",
        old: &[
            "INSERT INTO items (id, price, fax) VALUES ({n}, 5, 'old {n}')",
            "INSERT INTO items (fax) VALUES ('counted')",
            "UPDATE faxes SET fax = 'g{n}' WHERE id = {id}",
            "SELECT f.fax, p.price FROM faxes f JOIN priced p ON p.id = f.id WHERE p.id = {id}",
        ],
        new: &[
            "INSERT INTO items (id, price) VALUES ({n}, 5)",
            "INSERT INTO items (price) VALUES (3)",
            "UPDATE priced SET price = {n} % 70 WHERE id = {id}",
            "SELECT f.price, p.price FROM faxes f JOIN priced p ON p.id = f.id WHERE p.id = {id}",
        ],
        disagree: "SELECT id, id_old FROM items WHERE id IS DISTINCT FROM id_old",
        after: &[
            (
                "SELECT array_to_string(ARRAY(SELECT unnest(reloptions) ORDER BY 1), ' ') FROM pg_class WHERE relname = 'priced'",
                "check_option=cascaded security_barrier=true",
            ),
            (
                "SELECT string_agg(table_name || '.' || column_name || ' ' || data_type, ', ' ORDER BY table_name, ordinal_position) FROM information_schema.columns WHERE table_name IN ('priced', 'faxes')",
                "faxes.id bigint, faxes.price integer, priced.id bigint, priced.price integer",
            ),
        ],
    },
    Case {
        name: "merge_columns",
        engine: Engine::Postgres,
        base: "CREATE TABLE people (id int PRIMARY KEY, first text NOT NULL, last text NOT NULL);",
        rows: "INSERT INTO people SELECT g, 'First' || g, 'Last' || g FROM generate_series(1, {rows}) g",
        change: "-- downhaul:forward name \"first || ' ' || last\"\n\
                 -- downhaul:back first \"split_part(name, ' ', 1)\"\n\
                 -- downhaul:back last \"split_part(name, ' ', 2)\"\n\
                 ALTER TABLE people ADD COLUMN name text NOT NULL, DROP COLUMN first, DROP COLUMN last;",
        old: &[
            "INSERT INTO people (id, first, last) VALUES ({n}, 'Old', 'N{n}')",
            "UPDATE people SET last = 'Married{n}' WHERE id = {id}",
        ],
        new: &[
            "INSERT INTO people (id, name) VALUES ({n}, 'Ada L{n}')",
            "UPDATE people SET name = 'Grace H{n}' WHERE id = {id}",
        ],
        disagree: "SELECT id FROM people WHERE name IS DISTINCT FROM first || ' ' || last",
        after: &[("SELECT count(*) FROM people WHERE name IS NULL", "0")],
    },
    Case {
        name: "rules_and_defaults",
        engine: Engine::Postgres,
        base: "CREATE TABLE items (id int PRIMARY KEY, code varchar(20) NOT NULL CONSTRAINT code_short CHECK (length(code) < 15), kind text NOT NULL DEFAULT 'plain', old_kind text DEFAULT 'x', n int NOT NULL DEFAULT 0); CREATE INDEX items_code ON items (code);",
        rows: "INSERT INTO items SELECT g, 'c' || g FROM generate_series(1, {rows}) g",
        change: "ALTER TABLE items DROP CONSTRAINT code_short;\n\
                 ALTER TABLE items ALTER COLUMN code TYPE varchar(40);\n\
                 ALTER TABLE items ALTER COLUMN kind SET DEFAULT 'fancy';\n\
                 ALTER TABLE items ALTER COLUMN old_kind DROP DEFAULT;\n\
                 ALTER TABLE items ALTER COLUMN n DROP NOT NULL;\n\
                 CREATE INDEX items_kind ON items (kind, code);\n\
                 DROP INDEX items_code;",
        old: &[
            "INSERT INTO items (id, code) VALUES ({n}, 'o{n}')",
            "UPDATE items SET code = 'u{n}' WHERE id = {id}",
            "SELECT id, code, kind FROM items WHERE code = 'c7'",
        ],
        new: &[
            "INSERT INTO items (id, code, n) VALUES ({n}, 'n{n}', NULL)",
            "UPDATE items SET n = NULL, kind = 'k{n}' WHERE id = {id}",
            "SELECT id, code, kind FROM items WHERE kind = 'fancy' AND code = 'c7'",
        ],
        disagree: "",
        after: &[(
            "SELECT string_agg(indexname, ',' ORDER BY indexname) FROM pg_indexes WHERE tablename = 'items' AND schemaname = 'public'",
            "items_kind,items_pkey",
        )],
    },
    Case {
        name: "drop_table",
        engine: Engine::Postgres,
        base: "CREATE TABLE logs (id int PRIMARY KEY, line text); CREATE TABLE users (id int PRIMARY KEY);",
        rows: "INSERT INTO logs SELECT g, 'line ' || g FROM generate_series(1, {rows}) g",
        change: "DROP TABLE logs;",
        old: &[
            "INSERT INTO logs VALUES ({n}, 'old')",
            "UPDATE logs SET line = 'x{n}' WHERE id = {id}",
        ],
        new: &["INSERT INTO users VALUES ({n})"],
        disagree: "",
        after: &[("SELECT to_regclass('logs')::text IS NULL", "t")],
    },
    // A column that follows another table.
    Case {
        name: "from_other_table",
        engine: Engine::Postgres,
        base: "CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, n int DEFAULT 0);\n\
               CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customers, n int DEFAULT 0);\n\
               CREATE INDEX orders_customer ON orders (customer_id);",
        rows: "INSERT INTO customers SELECT g, 'c' || g FROM generate_series(1, {rows}) g; INSERT INTO orders SELECT g, 1 + g * 7 % {rows} FROM generate_series(1, {rows}) g",
        change: "ALTER TABLE orders ADD COLUMN customer_name text NOT NULL;\n\
                 UPDATE orders SET customer_name = c.name FROM customers c WHERE c.id = orders.customer_id;",
        old: &[
            "INSERT INTO orders (id, customer_id) VALUES ({n}, {id})",
            "UPDATE customers SET name = 'o{n}' WHERE id = {id}",
            "UPDATE orders SET n = n + 1 WHERE id = {id}",
            "UPDATE customers SET n = n + 1 WHERE id = {id}",
            "UPDATE orders SET customer_id = 1 + {n} % 400 WHERE id = {id}",
            "INSERT INTO orders (id, customer_id) VALUES ({id}, 1 + {n} % 400) ON CONFLICT (id) DO UPDATE SET customer_id = EXCLUDED.customer_id",
            "DELETE FROM orders WHERE id = {n} - 6",
            "SELECT o.id, c.name FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.id = {id}",
        ],
        new: &[
            "INSERT INTO orders (id, customer_id, customer_name) VALUES ({n}, {id}, 'own {n}')",
            "UPDATE orders SET customer_name = 'own {n}' WHERE id = {id}",
            // It knows both sides, and writes both.
            "WITH c AS (UPDATE customers SET name = 'n{n}' WHERE id = {id} RETURNING id, name) UPDATE orders SET customer_name = c.name FROM c WHERE customer_id = c.id",
            "SELECT id, customer_name FROM orders WHERE id = {id}",
        ],
        disagree: "SELECT o.id, o.customer_name, c.name FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.customer_name IS NULL OR o.customer_name NOT LIKE 'own%' AND o.customer_name <> c.name",
        after: &[
            ("SELECT count(*) FROM orders WHERE customer_name IS NULL", "0"),
            ("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal", "0"),
            ("SELECT count(*) FROM pg_class WHERE relname LIKE '%unseen%'", "0"),
        ],
    },
    Case {
        name: "priced_from_other_table",
        engine: Engine::Postgres,
        base: "CREATE TABLE products (sku text PRIMARY KEY, k int UNIQUE, price numeric(10,2));\n\
               CREATE TABLE lines (id int PRIMARY KEY, product text, qty int NOT NULL);\n\
               CREATE INDEX lines_product ON lines (product);",
        rows: "INSERT INTO products SELECT 'p' || g, g, g FROM generate_series(1, {rows}) g; INSERT INTO lines SELECT g, 'p' || (1 + g * 3 % {rows}), g % 9 FROM generate_series(1, {rows}) g",
        change: "-- downhaul:forward \"(SELECT p.price * qty FROM products p WHERE sku = lines.product)\"\nALTER TABLE lines ADD COLUMN total numeric;",
        old: &[
            "INSERT INTO lines VALUES ({n}, 'p{id}', 3)",
            "UPDATE lines SET qty = 1 + {n} % 7 WHERE id = {id}",
            "UPDATE lines SET product = 'p' || (1 + {n} % 400) WHERE id = {id}",
            "UPDATE lines SET product = NULL WHERE id = {id}",
            "UPDATE products SET price = {n} % 50 WHERE k = {id}",
            "UPDATE products SET price = NULL WHERE k = {id}",
        ],
        new: &[
            "INSERT INTO lines (id, product, qty) VALUES ({n}, 'p{id}', 2)",
            "SELECT total FROM lines WHERE id = {id}",
        ],
        disagree: "SELECT l.id, l.total, p.price, l.qty FROM lines l LEFT JOIN products p ON p.sku = l.product WHERE l.total IS DISTINCT FROM p.price * l.qty",
        after: &[],
    },
    // A column that moves to a related table. Each release changes rows of its own: both ends of one
    // value at the same instant are a deadlock (docs/limits.md).
    Case {
        name: "move_column",
        engine: Engine::Postgres,
        base: "CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL, n int DEFAULT 0);\n\
               CREATE TABLE profiles (id int PRIMARY KEY, user_id int NOT NULL UNIQUE REFERENCES users, n int DEFAULT 0);",
        rows: "INSERT INTO users SELECT g, 'm' || g FROM generate_series(1, {rows}) g; INSERT INTO profiles SELECT g, g FROM generate_series(1, {rows}) g",
        change: "ALTER TABLE profiles ADD COLUMN email text;\n\
                 UPDATE profiles SET email = u.email FROM users u WHERE u.id = profiles.user_id;\n\
                 -- downhaul:back \"(SELECT p.email FROM profiles p WHERE p.user_id = users.id)\"\n\
                 ALTER TABLE users DROP COLUMN email;",
        old: &[
            "INSERT INTO users (id, email) VALUES ({n}, 'old {n}')",
            "INSERT INTO profiles (id, user_id) VALUES ({n}, {n} - 1)",
            "UPDATE users SET email = 'o{n}' WHERE id = {id} AND id % 2 = 0",
            "UPDATE users SET n = n + 1 WHERE id = {id} AND id % 2 = 0",
            "SELECT email FROM users WHERE id = {id}",
        ],
        new: &[
            "WITH u AS (INSERT INTO users (id) VALUES ({n}) RETURNING id) INSERT INTO profiles (id, user_id, email) SELECT id, id, 'new {n}' FROM u",
            "UPDATE profiles SET email = 'n{n}' WHERE user_id = {id} AND user_id % 2 = 1",
            "UPDATE profiles SET n = n + 1 WHERE user_id = {id} AND user_id % 2 = 1",
            "SELECT email FROM profiles WHERE user_id = {id}",
        ],
        disagree: "SELECT u.id, u.email, p.email FROM users u JOIN profiles p ON p.user_id = u.id WHERE u.email IS DISTINCT FROM p.email",
        after: &[
            ("SELECT count(*) FROM profiles WHERE email IS NULL", "0"),
            ("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal", "0"),
        ],
    },
    // A relation that moves out of a table into one of its own, which the same file makes.
    Case {
        name: "relation_into_a_table",
        engine: Engine::Postgres,
        base: "CREATE TABLE users (id int PRIMARY KEY, provider text, level int, n int DEFAULT 0);",
        rows: "INSERT INTO users SELECT g, CASE WHEN g % 5 > 0 THEN 'p' || g END, g FROM generate_series(1, {rows}) g",
        change: "CREATE TABLE links (id serial PRIMARY KEY, account int NOT NULL UNIQUE REFERENCES users, provider text NOT NULL, rank numeric(9,1), since timestamptz DEFAULT now());\n\
                 INSERT INTO links (account, provider, rank) SELECT u.id, lower(u.provider), level / 3.0 FROM users u WHERE u.provider IS NOT NULL;\n\
                 -- downhaul:back \"(SELECT l.provider FROM links l WHERE l.account = users.id)\"\n\
                 ALTER TABLE users DROP COLUMN provider;",
        old: &[
            "INSERT INTO users (id, provider, level) VALUES ({n}, 'old{n}', 3)",
            "UPDATE users SET provider = 'o{n}' WHERE id = {id} AND id % 2 = 0 AND provider IS NOT NULL",
            "UPDATE users SET level = {n} WHERE id = {id} AND id % 2 = 0",
            "UPDATE users SET n = n + 1 WHERE id = {id} AND id % 2 = 0",
            "INSERT INTO users (id) VALUES ({n})",
            "UPDATE users SET provider = 'first{n}' WHERE id = {n} - 1",
            "DELETE FROM users WHERE id = {n} - 6",
            "SELECT provider FROM users WHERE id = {id}",
        ],
        new: &[
            "WITH u AS (INSERT INTO users (id) VALUES ({n}) RETURNING id) SELECT id FROM u",
            "INSERT INTO links (account, provider) VALUES ({n} - 1, 'new{n}')",
            "UPDATE links SET provider = 'n{n}' WHERE account = {id} AND account % 2 = 1",
            "UPDATE links SET rank = 1 WHERE account = {id} AND account % 2 = 1",
            "SELECT l.provider FROM links l JOIN users u ON u.id = l.account WHERE u.id = {id}",
        ],
        disagree: "SELECT u.id, u.provider, l.provider FROM users u LEFT JOIN links l ON l.account = u.id WHERE lower(u.provider) IS DISTINCT FROM l.provider",
        after: &[
            ("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal", "0"),
            ("SELECT count(*) FROM links WHERE account NOT IN (SELECT id FROM users)", "0"),
        ],
    },
];

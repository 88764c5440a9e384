//! Changes, and what two releases do meanwhile.

/// Where a case runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Postgres,
    MariaDb,
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

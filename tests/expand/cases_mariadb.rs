//! The same for MariaDB.

use crate::cases::{Case, Engine};

pub(crate) const MARIADB_CASES: &[Case] = &[
    Case {
        name: "mariadb_rename_column",
        engine: Engine::MariaDb,
        base: "CREATE TABLE users (id int PRIMARY KEY, name varchar(40) NOT NULL DEFAULT 'anon' COMMENT 'spoken', tag varchar(40) UNIQUE, n int DEFAULT 0) CHARACTER SET utf8mb4;\nCREATE INDEX users_name ON users (name);",
        rows: "INSERT INTO users SELECT seq, concat('name ', seq), concat('tag ', seq), 0 FROM seq_1_to_{rows}",
        change: "ALTER TABLE users RENAME COLUMN name TO full_name;\nALTER TABLE users RENAME COLUMN tag TO label;",
        old: &[
            "INSERT INTO users (id, name, tag) VALUES ({n}, 'old {n}', 't{n}')",
            "INSERT INTO users (id) VALUES ({n})",
            "UPDATE users SET name = 'o{n}' WHERE id = {id}",
            "UPDATE users SET name = upper(name) WHERE id = {id}",
            "UPDATE users SET n = n + 1 WHERE id = {id}",
            "UPDATE users SET tag = NULL WHERE id = {id}",
            "UPDATE users SET tag = 'to{n}' WHERE id = {id}",
            "INSERT INTO users (id, name) VALUES ({id}, 'up {n}') ON DUPLICATE KEY UPDATE name = VALUES(name)",
            "DELETE FROM users WHERE id = {n} - 4",
            "SELECT id, name, tag FROM users WHERE name = 'name 7'",
        ],
        new: &[
            "INSERT INTO users (id, full_name, label) VALUES ({n}, 'new {n}', 'n{n}')",
            "INSERT INTO users (id) VALUES ({n})",
            "UPDATE users SET full_name = 'w{n}' WHERE id = {id}",
            "UPDATE users SET full_name = lower(full_name) WHERE id = {id}",
            "UPDATE users SET n = n + 1 WHERE id = {id}",
            "UPDATE users SET label = NULL WHERE id = {id}",
            "UPDATE users SET label = 'tn{n}' WHERE id = {id}",
            "SELECT id, full_name, label FROM users WHERE full_name = 'name 7'",
        ],
        disagree: "SELECT id, name, full_name, tag, label FROM users WHERE NOT (BINARY name <=> BINARY full_name) OR NOT (BINARY tag <=> BINARY label)",
        after: &[
            ("SELECT count(*) FROM users WHERE full_name IS NULL", "0"),
            (
                "SELECT group_concat(DISTINCT INDEX_NAME ORDER BY INDEX_NAME) FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = database() AND TABLE_NAME = 'users'",
                "PRIMARY,tag,users_name",
            ),
        ],
    },
    Case {
        name: "mariadb_split_column",
        engine: Engine::MariaDb,
        base: "CREATE TABLE people (id int PRIMARY KEY, name varchar(80) NOT NULL);",
        rows: "INSERT INTO people SELECT seq, concat('Ann', seq, ' Lee', seq) FROM seq_1_to_{rows}",
        change: "-- downhaul:forward first \"substring_index(name, ' ', 1)\"\n\
                 -- downhaul:forward last \"substring_index(name, ' ', -1)\"\n\
                 -- downhaul:back name \"concat(first, ' ', last)\"\n\
                 ALTER TABLE people ADD COLUMN first varchar(80) NOT NULL, ADD COLUMN last varchar(80) NOT NULL, DROP COLUMN name;",
        old: &[
            "INSERT INTO people (id, name) VALUES ({n}, 'Old Name{n}')",
            "UPDATE people SET name = 'Bob Old{n}' WHERE id = {id}",
        ],
        new: &[
            "INSERT INTO people (id, first, last) VALUES ({n}, 'New', 'Name{n}')",
            "UPDATE people SET first = 'F{n}', last = 'G{n}' WHERE id = {id}",
        ],
        disagree: "SELECT id FROM people WHERE NOT (first <=> substring_index(name, ' ', 1)) OR NOT (last <=> substring_index(name, ' ', -1))",
        after: &[("SELECT count(*) FROM people WHERE first IS NULL OR last IS NULL", "0")],
    },
    Case {
        name: "mariadb_computed_column",
        engine: Engine::MariaDb,
        base: "CREATE TABLE docs (id int PRIMARY KEY, title varchar(80) NOT NULL);",
        rows: "INSERT INTO docs SELECT seq, concat('Title ', seq) FROM seq_1_to_{rows}",
        change: "-- downhaul:forward \"lower(replace(title, ' ', '-'))\"\nALTER TABLE docs ADD COLUMN slug varchar(80) NOT NULL;",
        // No change of a title: one between the drop of the triggers and that of the column makes its
        // value look like a release's own (docs/limits.md).
        old: &["INSERT INTO docs (id, title) VALUES ({n}, 'Old {n}')"],
        new: &["INSERT INTO docs (id, title, slug) VALUES ({n}, 'New {n}', 'own-{n}')"],
        disagree: "SELECT id FROM docs WHERE slug IS NULL OR slug NOT LIKE 'own%' AND slug <> lower(replace(title, ' ', '-'))",
        after: &[],
    },
    Case {
        name: "mariadb_drop_fed_column",
        engine: Engine::MariaDb,
        base: "CREATE TABLE users (id int PRIMARY KEY, name varchar(40) NOT NULL, fax varchar(40) NOT NULL);",
        rows: "INSERT INTO users SELECT seq, concat('n', seq), concat('fax ', seq) FROM seq_1_to_{rows}",
        change: "-- downhaul:back \"concat('none for ', name)\"\nALTER TABLE users DROP COLUMN fax;",
        old: &[
            "INSERT INTO users (id, name, fax) VALUES ({n}, 'old', '1')",
            "SELECT id, fax FROM users WHERE id = {id}",
        ],
        new: &["INSERT INTO users (id, name) VALUES ({n}, 'new')"],
        disagree: "SELECT id FROM users WHERE fax IS NULL",
        after: &[],
    },
    Case {
        name: "mariadb_set_not_null",
        engine: Engine::MariaDb,
        base: "CREATE TABLE users (id int PRIMARY KEY, name varchar(40), email varchar(80));",
        rows: "INSERT INTO users SELECT seq, concat('n', seq), if(seq % 2, NULL, concat('mail', seq)) FROM seq_1_to_{rows}",
        change: "-- downhaul:forward \"concat(name, '@example.org')\"\nALTER TABLE users MODIFY COLUMN email varchar(80) NOT NULL;",
        old: &["UPDATE users SET name = 'x{n}' WHERE id = {id}"],
        new: &["INSERT INTO users VALUES ({n}, 'new', 'new@example.org')"],
        disagree: "",
        after: &[(
            "SELECT IS_NULLABLE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = database() AND TABLE_NAME = 'users' AND COLUMN_NAME = 'email'",
            "NO",
        )],
    },
    Case {
        name: "mariadb_indexes",
        engine: Engine::MariaDb,
        base: "CREATE TABLE users (id int PRIMARY KEY, team int, email varchar(80), KEY old_team (team));",
        rows: "INSERT INTO users SELECT seq, seq, concat('m', seq) FROM seq_1_to_{rows}",
        change: "CREATE INDEX users_mail ON users (email, team);\n\
                 ALTER TABLE users ADD CONSTRAINT mail_once UNIQUE (email);\n\
                 DROP INDEX old_team ON users;\n\
                 ALTER TABLE users ADD COLUMN note varchar(20) DEFAULT 'none';",
        old: &[
            "INSERT INTO users (id, team, email) VALUES ({n}, 1, 'old{n}')",
            "UPDATE users SET team = {id} WHERE id = {id}",
        ],
        new: &[
            "INSERT INTO users (id, team, email) VALUES ({n}, 2, 'new{n}')",
            "UPDATE users SET team = {id} WHERE id = {id}",
        ],
        disagree: "",
        after: &[(
            "SELECT group_concat(DISTINCT INDEX_NAME ORDER BY INDEX_NAME) FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = database() AND TABLE_NAME = 'users'",
            "mail_once,PRIMARY,users_mail",
        )],
    },
    Case {
        name: "mariadb_merge_columns",
        engine: Engine::MariaDb,
        base: "CREATE TABLE people (id int PRIMARY KEY, first varchar(40) NOT NULL, last varchar(40) NOT NULL);",
        rows: "INSERT INTO people SELECT seq, concat('Ann', seq), concat('Lee', seq) FROM seq_1_to_{rows}",
        change: "-- downhaul:forward name \"concat(first, ' ', last)\"\n\
                 -- downhaul:back first \"substring_index(name, ' ', 1)\"\n\
                 -- downhaul:back last \"substring_index(name, ' ', -1)\"\n\
                 ALTER TABLE people ADD COLUMN name varchar(81) NOT NULL, DROP COLUMN first, DROP COLUMN last;",
        old: &[
            "INSERT INTO people (id, first, last) VALUES ({n}, 'Old', 'N{n}')",
            "UPDATE people SET last = 'Married{n}' WHERE id = {id}",
        ],
        new: &[
            "INSERT INTO people (id, name) VALUES ({n}, 'Ada L{n}')",
            "UPDATE people SET name = 'Grace H{n}' WHERE id = {id}",
        ],
        disagree: "SELECT id FROM people WHERE NOT (name <=> concat(first, ' ', last))",
        after: &[("SELECT count(*) FROM people WHERE name IS NULL", "0")],
    },
    // A type that would copy the table, under a new name.
    Case {
        name: "mariadb_int_to_bigint",
        engine: Engine::MariaDb,
        base: "CREATE TABLE items (id int PRIMARY KEY, n int NOT NULL);",
        rows: "INSERT INTO items SELECT seq, seq FROM seq_1_to_{rows}",
        change: "-- downhaul:forward \"n\"\n-- downhaul:back \"amount\"\n\
                 ALTER TABLE items ADD COLUMN amount bigint NOT NULL, DROP COLUMN n;",
        old: &[
            "INSERT INTO items (id, n) VALUES ({n}, 2)",
            "UPDATE items SET n = n + 1 WHERE id = {id}",
        ],
        new: &[
            "INSERT INTO items (id, amount) VALUES ({n}, 3)",
            "UPDATE items SET amount = amount + 1 WHERE id = {id}",
        ],
        disagree: "SELECT id FROM items WHERE NOT (n <=> amount)",
        after: &[("SELECT count(*) FROM items WHERE amount IS NULL", "0")],
    },
    Case {
        name: "mariadb_rules_and_defaults",
        engine: Engine::MariaDb,
        base: "CREATE TABLE teams (id int PRIMARY KEY);\nCREATE TABLE items (id int PRIMARY KEY, team int, code varchar(20) NOT NULL, kind varchar(20) NOT NULL DEFAULT 'plain', n int NOT NULL DEFAULT 0, mood enum('sad', 'ok') DEFAULT 'ok', KEY items_team (team));",
        rows: "INSERT INTO teams SELECT seq FROM seq_1_to_{rows}; INSERT INTO items (id, team, code) SELECT seq, seq, concat('c', seq) FROM seq_1_to_{rows}",
        change: "ALTER TABLE items MODIFY COLUMN code varchar(40) NOT NULL;\n\
                 ALTER TABLE items MODIFY COLUMN mood enum('sad', 'ok', 'happy') DEFAULT 'ok';\n\
                 ALTER TABLE items ALTER COLUMN kind SET DEFAULT 'fancy';\n\
                 -- downhaul:back \"0\"\n\
                 ALTER TABLE items MODIFY COLUMN n int DEFAULT 0;\n\
                 ALTER TABLE items ADD CONSTRAINT code_there CHECK (code <> '');\n\
                 ALTER TABLE items ADD CONSTRAINT team_there FOREIGN KEY (team) REFERENCES teams (id);",
        old: &[
            "INSERT INTO items (id, team, code) VALUES ({n}, 1, 'o{n}')",
            "UPDATE items SET team = {id} WHERE id = {id}",
        ],
        new: &[
            "INSERT INTO items (id, team, code, n) VALUES ({n}, 2, 'n{n}', 7)",
            "UPDATE items SET code = 'u{n}' WHERE id = {id}",
        ],
        disagree: "",
        after: &[(
            "SELECT COLUMN_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = database() AND TABLE_NAME = 'items' AND COLUMN_NAME = 'code'",
            "varchar(40)",
        )],
    },
    Case {
        name: "mariadb_drop_table",
        engine: Engine::MariaDb,
        base: "CREATE TABLE logs (id int PRIMARY KEY, line varchar(40));\nCREATE TABLE users (id int PRIMARY KEY);",
        rows: "INSERT INTO logs SELECT seq, concat('line ', seq) FROM seq_1_to_{rows}",
        change: "DROP TABLE logs;",
        old: &[
            "INSERT INTO logs VALUES ({n}, 'old')",
            "UPDATE logs SET line = 'x{n}' WHERE id = {id}",
        ],
        new: &["INSERT INTO users VALUES ({n})"],
        disagree: "",
        after: &[(
            "SELECT count(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = database() AND TABLE_NAME = 'logs'",
            "0",
        )],
    },
];

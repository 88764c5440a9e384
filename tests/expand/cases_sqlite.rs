//! The same for SQLite.

use crate::cases::{Case, Engine};

/// Numbers from 1 to `{rows}`.
macro_rules! seq {
    ($insert:literal, $select:literal) => {
        concat!(
            "INSERT INTO ",
            $insert,
            " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) SELECT ",
            $select,
            " FROM n"
        )
    };
}

pub(crate) const SQLITE_CASES: &[Case] = &[
    Case {
        name: "sqlite_rename_column",
        engine: Engine::Sqlite,
        base: "CREATE TABLE teams (id INTEGER PRIMARY KEY, title TEXT);\n\
               CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL CHECK (name <> ''), tag TEXT COLLATE NOCASE UNIQUE, team INTEGER REFERENCES teams (id) ON DELETE CASCADE, n INTEGER DEFAULT 0);\n\
               CREATE TABLE posts (id INTEGER PRIMARY KEY, author INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE);\n\
               CREATE INDEX users_name ON users (lower(name));\n\
               CREATE TABLE logins (id INTEGER PRIMARY KEY, who INTEGER, name TEXT);\n\
               CREATE TRIGGER posted AFTER INSERT ON posts BEGIN UPDATE users SET name = 'p' || name WHERE id = NEW.author; END;\n\
               CREATE TRIGGER seen AFTER UPDATE OF name ON users WHEN NEW.name <> '' BEGIN INSERT INTO logins (who, name) VALUES (NEW.id, NEW.name); END;\n\
               CREATE VIEW names AS SELECT id, name FROM users;",
        rows: seq!("users (id, name, tag)", "i, 'name ' || i, 'tag ' || i"),
        change: "ALTER TABLE users RENAME COLUMN name TO full_name;",
        old: &[
            "INSERT INTO users (id, name, tag) VALUES ({n}, 'old {n}', 't{n}')",
            "INSERT INTO posts (author) VALUES ({id})",
            "UPDATE users SET name = 'o{n}' WHERE id = {id}",
            "UPDATE users SET name = upper(name) WHERE id = {id}",
            "UPDATE users SET n = n + 1 WHERE id = {id}",
            "INSERT INTO users (id, name) VALUES ({id}, 'up {n}') ON CONFLICT (id) DO UPDATE SET name = excluded.name",
            "INSERT OR REPLACE INTO users (id, name) VALUES ({n}, 'replaced')",
            "SELECT id, name, tag FROM users WHERE lower(name) = 'name 7'",
        ],
        new: &[
            "INSERT INTO users (id, full_name, tag) VALUES ({n}, 'new {n}', 'n{n}')",
            "INSERT INTO posts (author) VALUES ({id})",
            "UPDATE users SET full_name = 'w{n}' WHERE id = {id}",
            "UPDATE users SET full_name = lower(full_name) WHERE id = {id}",
            "UPDATE users SET n = n + 1 WHERE id = {id}",
            "INSERT INTO users (id, full_name) VALUES ({id}, 'nup {n}') ON CONFLICT (id) DO UPDATE SET full_name = excluded.full_name",
            "SELECT id, full_name FROM users WHERE lower(full_name) = 'name 7'",
        ],
        disagree: "SELECT id, name, full_name FROM users WHERE name IS NOT full_name",
        after: &[
            ("SELECT count(*) FROM users WHERE full_name IS NULL", "0"),
            ("SELECT count(*) FROM pragma_foreign_key_check", "0"),
            ("SELECT group_concat(name) FROM sqlite_schema WHERE type = 'trigger'", "posted,seen"),
            (
                "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND sql LIKE '%full_name%'",
                "2",
            ),
        ],
    },
    Case {
        name: "sqlite_rename_unique_column",
        engine: Engine::Sqlite,
        base: "CREATE TABLE users (id INTEGER PRIMARY KEY, tag TEXT COLLATE NOCASE UNIQUE, kind TEXT NOT NULL DEFAULT 'plain', n INTEGER DEFAULT 0);",
        rows: seq!("users (id, tag)", "i, 'tag ' || i"),
        change: "ALTER TABLE users RENAME COLUMN tag TO label;",
        old: &[
            "INSERT INTO users (id, tag) VALUES ({n}, 'Old{n}')",
            "UPDATE users SET tag = NULL WHERE id = {id}",
            "UPDATE users SET tag = 'to{n}' WHERE id = {id}",
            "UPDATE users SET tag = upper(tag) WHERE id = {id}",
            "INSERT INTO users (id, tag) VALUES ({n}, 'same') ON CONFLICT (tag) DO UPDATE SET n = n + 1",
        ],
        new: &[
            "INSERT INTO users (id, label) VALUES ({n}, 'New{n}')",
            "UPDATE users SET label = NULL WHERE id = {id}",
            "UPDATE users SET label = 'tn{n}' WHERE id = {id}",
            "INSERT INTO users (id, label) VALUES ({n}, 'same') ON CONFLICT (label) DO UPDATE SET n = n + 1",
        ],
        disagree: "SELECT id, tag, label FROM users WHERE tag COLLATE BINARY IS NOT label",
        after: &[("SELECT count(*) FROM users WHERE label = 'SAME'", "1")],
    },
    Case {
        name: "sqlite_split_column",
        engine: Engine::Sqlite,
        base: "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL);",
        rows: seq!(
            "people",
            "i, 'First' || i || ' Last' || i || CASE i % 5 WHEN 0 THEN ' Jr' ELSE '' END"
        ),
        change: "-- downhaul:forward first \"substr(name, 1, instr(name, ' ') - 1)\"\n\
                 -- downhaul:forward last \"substr(name, instr(name, ' ') + 1)\"\n\
                 -- downhaul:back name \"first || ' ' || last\"\n\
                 ALTER TABLE people ADD COLUMN first TEXT NOT NULL, ADD COLUMN last TEXT NOT NULL, DROP COLUMN name;",
        old: &[
            "INSERT INTO people (id, name) VALUES ({n}, 'Ada L{n}')",
            "UPDATE people SET name = 'Grace H{n}' WHERE id = {id}",
        ],
        new: &[
            "INSERT INTO people (id, first, last) VALUES ({n}, 'New', 'N{n}')",
            "UPDATE people SET last = 'Married{n}' WHERE id = {id}",
            "UPDATE people SET first = 'F{n}', last = 'G{n}' WHERE id = {id}",
        ],
        disagree: "SELECT id FROM people WHERE name IS NOT first || ' ' || last",
        after: &[("SELECT count(*) FROM people WHERE first IS NULL OR last IS NULL", "0")],
    },
    Case {
        name: "sqlite_computed_column",
        engine: Engine::Sqlite,
        base: "CREATE TABLE docs (id INTEGER PRIMARY KEY, title TEXT NOT NULL);",
        rows: seq!("docs", "i, 'Title ' || i"),
        change: "-- downhaul:forward \"lower(replace(title, ' ', '-'))\"\nALTER TABLE docs ADD COLUMN slug TEXT NOT NULL;",
        old: &[
            "INSERT INTO docs (id, title) VALUES ({n}, 'Old {n}')",
            "UPDATE docs SET title = 'Retitled {n}' WHERE id = {id}",
        ],
        new: &["INSERT INTO docs (id, title, slug) VALUES ({n}, 'New {n}', 'own-{n}')"],
        disagree: "SELECT id FROM docs WHERE slug IS NULL OR slug NOT LIKE 'own%' AND slug <> lower(replace(title, ' ', '-'))",
        after: &[],
    },
    Case {
        name: "sqlite_default_of_now",
        engine: Engine::Sqlite,
        base: "CREATE TABLE docs (id INTEGER PRIMARY KEY, n INTEGER DEFAULT 0);",
        rows: seq!("docs (id)", "i"),
        change: "ALTER TABLE docs ADD COLUMN made TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP;",
        old: &["INSERT INTO docs (id) VALUES ({n})", "UPDATE docs SET n = n + 1 WHERE id = {id}"],
        new: &[
            "INSERT INTO docs (id) VALUES ({n})",
            "INSERT INTO docs (id, made) VALUES ({n}, 'own')",
        ],
        disagree: "SELECT id FROM docs WHERE made IS NULL",
        after: &[("SELECT count(*) FROM docs WHERE made IS NULL", "0")],
    },
    Case {
        name: "sqlite_drop_fed_column",
        engine: Engine::Sqlite,
        base: "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL, fax TEXT NOT NULL);\nCREATE INDEX users_fax ON users (fax);",
        rows: seq!("users", "i, 'n' || i, 'fax ' || i"),
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
        name: "sqlite_set_not_null",
        engine: Engine::Sqlite,
        base: "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, email TEXT);\nCREATE TABLE logins (id INTEGER PRIMARY KEY, who INTEGER REFERENCES users (id) ON DELETE CASCADE);",
        rows: seq!("users", "i, 'n' || i, CASE i % 2 WHEN 0 THEN 'mail' || i END"),
        change: "-- downhaul:forward \"name || '@example.org'\"\nALTER TABLE users ALTER COLUMN email SET NOT NULL;",
        old: &[
            "UPDATE users SET name = 'x{n}' WHERE id = {id}",
            "INSERT INTO users (id, name) VALUES ({n}, 'late')",
            "INSERT INTO logins (who) VALUES ({id})",
        ],
        new: &["INSERT INTO users VALUES ({n}, 'new', 'new@example.org')"],
        disagree: "",
        after: &[
            ("SELECT \"notnull\" FROM pragma_table_info('users') WHERE name = 'email'", "1"),
            ("SELECT count(*) > 0 FROM logins", "1"),
        ],
    },
    Case {
        name: "sqlite_rules",
        engine: Engine::Sqlite,
        base: "CREATE TABLE teams (id INTEGER PRIMARY KEY);\nCREATE TABLE users (id INTEGER PRIMARY KEY, team INTEGER, email TEXT);",
        rows: seq!("users", "i, NULL, 'm' || i"),
        change: "ALTER TABLE users ADD CONSTRAINT mail_not_empty CHECK (email <> '');\nCREATE TABLE extra (id INTEGER PRIMARY KEY);",
        old: &["INSERT INTO users VALUES ({n}, NULL, 'old{n}')"],
        new: &["INSERT INTO users VALUES ({n}, NULL, 'new{n}')"],
        disagree: "",
        after: &[("SELECT count(*) FROM sqlite_schema WHERE sql LIKE '%mail_not_empty%'", "1")],
    },
    Case {
        name: "sqlite_retype",
        engine: Engine::Sqlite,
        base: "CREATE TABLE items (id INTEGER PRIMARY KEY, price TEXT NOT NULL DEFAULT '0', n INTEGER DEFAULT 0);\nCREATE INDEX items_price ON items (price);",
        rows: seq!("items (id, price)", "i, CASE i % 3 WHEN 0 THEN '00' ELSE '' END || i"),
        change: "ALTER TABLE items ALTER COLUMN price TYPE INTEGER;",
        old: &[
            "INSERT INTO items (id, price) VALUES ({n}, '1')",
            "UPDATE items SET n = n + 1 WHERE id = {id}",
            "SELECT price FROM items WHERE id = {id}",
        ],
        new: &[
            "INSERT INTO items (id, price) VALUES ({n}, 1)",
            "SELECT price + 1 FROM items WHERE id = {id}",
        ],
        disagree: "",
        after: &[("SELECT DISTINCT typeof(price) FROM items", "integer")],
    },
    // How its values compare belongs to a column, not to its type.
    Case {
        name: "sqlite_retype_collated",
        engine: Engine::Sqlite,
        base: "CREATE TABLE users (id INTEGER PRIMARY KEY, tag VARCHAR(40) COLLATE NOCASE UNIQUE, nick VARCHAR(40) NOT NULL COLLATE RTRIM, mail VARCHAR(40) COLLATE NOCASE);",
        rows: seq!("users", "i, 'Tag ' || i, 'nick ' || i, 'Mail ' || i"),
        change: "ALTER TABLE users ALTER COLUMN tag TYPE TEXT;\nALTER TABLE users ALTER COLUMN nick TYPE TEXT;\nALTER TABLE users ALTER COLUMN mail TYPE TEXT COLLATE \"binary\";",
        old: &[
            "INSERT INTO users VALUES ({n}, 'Old{n}', 'o', NULL)",
            "UPDATE users SET tag = upper(tag) WHERE id = {id}",
            "INSERT INTO users VALUES ({n}, 'same', 'o', NULL) ON CONFLICT (tag) DO UPDATE SET nick = excluded.nick",
        ],
        new: &[
            "INSERT INTO users VALUES ({n}, 'New{n}', 'n', NULL)",
            "INSERT INTO users VALUES ({n}, 'SAME', 'n', NULL) ON CONFLICT (tag) DO UPDATE SET nick = excluded.nick",
        ],
        disagree: "",
        after: &[
            ("SELECT count(*) FROM users WHERE tag = 'sAmE'", "1"),
            ("SELECT count(*) FROM users WHERE nick = 'nick 7  '", "1"),
            ("SELECT count(*) FROM users WHERE mail = 'mail 7'", "0"),
            (
                "SELECT group_concat(type, ' ') FROM pragma_table_info('users')",
                "INTEGER TEXT TEXT TEXT",
            ),
        ],
    },
    Case {
        name: "sqlite_rename_and_retype",
        engine: Engine::Sqlite,
        base: "CREATE TABLE items (id INTEGER PRIMARY KEY, price TEXT NOT NULL DEFAULT '0', n INTEGER DEFAULT 0);\nCREATE INDEX items_price ON items (price);\nCREATE INDEX items_n ON items (n);",
        rows: seq!("items (id, price)", "i, i"),
        change: "ALTER TABLE items RENAME COLUMN price TO cents;\nALTER TABLE items ALTER COLUMN cents TYPE INTEGER;",
        old: &[
            "INSERT INTO items (id, price) VALUES ({n}, '1')",
            "INSERT INTO items (id) VALUES ({n})",
            "UPDATE items SET price = '7' WHERE id = {id}",
            "UPDATE items SET n = n + 1 WHERE id = {id}",
            "SELECT price FROM items WHERE price = '7'",
        ],
        new: &[
            "INSERT INTO items (id, cents) VALUES ({n}, 1)",
            "UPDATE items SET cents = cents + 1 WHERE id = {id}",
            "SELECT cents + 1 FROM items WHERE cents = 7",
        ],
        disagree: "SELECT id FROM items WHERE price IS NOT cents",
        after: &[
            ("SELECT DISTINCT typeof(cents) FROM items", "integer"),
            (
                "SELECT type || ' ' || \"notnull\" || ' ' || dflt_value FROM pragma_table_info('items') WHERE name = 'cents'",
                "INTEGER 1 '0'",
            ),
        ],
    },
    Case {
        name: "sqlite_drop_indexed_column",
        engine: Engine::Sqlite,
        base: "CREATE TABLE items (id INTEGER PRIMARY KEY, price TEXT, n INTEGER DEFAULT 0);\nCREATE INDEX items_price ON items (price, n);",
        rows: seq!("items (id, price)", "i, i"),
        change: "DROP INDEX items_price;\nALTER TABLE items DROP COLUMN price;",
        old: &[
            "INSERT INTO items (id, price) VALUES ({n}, '1')",
            "SELECT price FROM items WHERE price = '7'",
        ],
        new: &["INSERT INTO items (id, n) VALUES ({n}, 1)"],
        disagree: "",
        after: &[(
            "SELECT count(*) FROM sqlite_schema WHERE sql LIKE '%price%' AND tbl_name NOT LIKE 'downhaul%'",
            "0",
        )],
    },
];

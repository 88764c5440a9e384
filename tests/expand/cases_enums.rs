//! The same for enums that are made anew.

use crate::cases::{Case, Engine};

pub(crate) const ENUM_CASES: &[Case] = &[
    // As Prisma writes it, but for the CASE: a label goes, the others change their order.
    Case {
        name: "enum_remade",
        engine: Engine::Postgres,
        base: "CREATE TYPE \"Mood\" AS ENUM ('sad', 'ok', 'happy', 'none');\n\
               CREATE TABLE people (id int PRIMARY KEY, \"Mood\" \"Mood\" NOT NULL DEFAULT 'ok', n int DEFAULT 0);\n\
               CREATE INDEX people_mood ON people (\"Mood\") WHERE \"Mood\" <> 'sad';\n\
               CREATE TABLE pets (id int PRIMARY KEY, was \"Mood\"[], feels \"Mood\");",
        rows: "INSERT INTO people SELECT g, (ARRAY['sad', 'ok', 'happy', 'none'])[1 + g % 4]::\"Mood\" FROM generate_series(1, {rows}) g; INSERT INTO pets SELECT g, '{sad,ok}', 'happy' FROM generate_series(1, {rows}) g",
        change: "BEGIN;\n\
                 CREATE TYPE \"Mood_new\" AS ENUM ('happy', 'ok', 'sad');\n\
                 ALTER TABLE \"people\" ALTER COLUMN \"Mood\" DROP DEFAULT;\n\
                 ALTER TABLE \"people\" ALTER COLUMN \"Mood\" TYPE \"Mood_new\" USING (CASE \"Mood\"::text WHEN 'none' THEN 'ok' ELSE \"Mood\"::text END::\"Mood_new\");\n\
                 ALTER TABLE \"pets\" ALTER COLUMN \"was\" TYPE \"Mood_new\"[] USING (array_remove(\"was\"::text[], 'none')::\"Mood_new\"[]);\n\
                 ALTER TABLE \"pets\" ALTER COLUMN \"feels\" TYPE \"Mood_new\" USING (nullif(\"feels\"::text, 'none')::\"Mood_new\");\n\
                 ALTER TYPE \"Mood\" RENAME TO \"Mood_old\";\n\
                 ALTER TYPE \"Mood_new\" RENAME TO \"Mood\";\n\
                 DROP TYPE \"Mood_old\";\n\
                 ALTER TABLE \"people\" ALTER COLUMN \"Mood\" SET DEFAULT 'happy';\n\
                 COMMIT;",
        old: &[
            "INSERT INTO people (id, \"Mood\") VALUES ({n}, CAST('ok' AS \"Mood\"))",
            "INSERT INTO people (id) VALUES ({n})",
            "UPDATE people SET \"Mood\" = 'happy'::\"Mood\", n = n + 1 WHERE id = {id}",
            "SELECT id FROM people WHERE \"Mood\" = 'ok'::\"Mood\" AND id = {id}",
            "INSERT INTO pets (id, was, feels) VALUES ({n}, ARRAY['sad', 'ok']::\"Mood\"[], 'sad'::\"Mood\")",
            "UPDATE pets SET feels = NULL WHERE id = {id}",
        ],
        new: &[
            "INSERT INTO people (id, \"Mood\") VALUES ({n}, CAST('sad' AS \"Mood\"))",
            "INSERT INTO people (id) VALUES ({n})",
            "UPDATE people SET \"Mood\" = 'sad'::\"Mood\" WHERE id = {id}",
            "SELECT id FROM people WHERE \"Mood\" > 'happy'::\"Mood\" AND id = {id}",
            "INSERT INTO pets (id, was, feels) VALUES ({n}, ARRAY['sad']::\"Mood\"[], 'ok'::\"Mood\")",
            "UPDATE pets SET feels = 'happy' WHERE id = {id}",
        ],
        disagree: "SELECT id FROM people WHERE \"Mood\"::text IS DISTINCT FROM replace(\"Mood_old\"::text, 'none', 'ok') UNION ALL SELECT id FROM pets WHERE was::text IS DISTINCT FROM was_old::text OR feels::text IS DISTINCT FROM feels_old::text",
        after: &[
            (
                "SELECT string_agg(typname || ' ' || enumlabel, ', ' ORDER BY enumsortorder) FROM pg_enum e JOIN pg_type t ON t.oid = enumtypid WHERE typname LIKE 'Mood%'",
                "Mood happy, Mood ok, Mood sad",
            ),
            (
                "SELECT string_agg(DISTINCT format_type(atttypid, NULL), ' ') FROM pg_attribute WHERE attrelid IN ('people'::regclass, 'pets'::regclass) AND attname IN ('Mood', 'was', 'feels')",
                "\"Mood\" \"Mood\"[]",
            ),
            (
                "SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = 'people'::regclass AND adnum = (SELECT attnum FROM pg_attribute WHERE attrelid = 'people'::regclass AND attname = 'Mood')",
                "'happy'::\"Mood\"",
            ),
        ],
    },
    // The old one steps aside first; a label comes besides one that goes.
    Case {
        name: "enum_steps_aside",
        engine: Engine::Postgres,
        base: "CREATE SCHEMA hr; CREATE TYPE hr.state AS ENUM ('open', 'stale', 'done');\n\
               CREATE TABLE hr.tasks (id int PRIMARY KEY, state hr.state);",
        rows: "INSERT INTO hr.tasks SELECT g, (ARRAY['open', 'done', 'stale'])[1 + g % 3]::hr.state FROM generate_series(1, {rows}) g",
        change: "ALTER TYPE hr.state RENAME TO state_old;\n\
                 CREATE TYPE hr.state AS ENUM ('open', 'waits', 'done');\n\
                 -- downhaul:back \"CASE state::text WHEN 'waits' THEN 'stale' ELSE state::text END::hr.state_old\"\n\
                 ALTER TABLE hr.tasks ALTER COLUMN state TYPE hr.state USING CASE state::text WHEN 'stale' THEN 'waits' ELSE state::text END::hr.state;\n\
                 DROP TYPE hr.state_old;",
        old: &[
            "INSERT INTO hr.tasks (id, state) VALUES ({n}, 'open'::hr.state)",
            "UPDATE hr.tasks SET state = 'done' WHERE id = {id}",
        ],
        new: &[
            "INSERT INTO hr.tasks (id, state) VALUES ({n}, 'waits'::hr.state)",
            "UPDATE hr.tasks SET state = 'waits' WHERE id = {id}",
        ],
        disagree: "SELECT id FROM hr.tasks WHERE replace(state_old::text, 'stale', 'waits') IS DISTINCT FROM state::text",
        after: &[(
            "SELECT string_agg(typname || ' ' || enumlabel, ', ' ORDER BY enumsortorder) FROM pg_enum e JOIN pg_type t ON t.oid = enumtypid WHERE typname LIKE 'state%'",
            "state open, state waits, state done",
        )],
    },
];

//! Changes of partitioned tables: one divided once, one twice, with a partition that takes the rest.

use super::cases::{Case, Engine};

/// A table with all that may stand on a column, in partitions of two levels.
macro_rules! base {
    () => {
        "CREATE TABLE teams (id int PRIMARY KEY);\n\
         CREATE TABLE seen (id int NOT NULL, at int NOT NULL, what text NOT NULL DEFAULT 'none' CHECK (what <> ''), who int REFERENCES teams, tag text, n int DEFAULT 0, PRIMARY KEY (id, at), UNIQUE (tag, at)) PARTITION BY RANGE (at);\n\
         CREATE TABLE seen_low PARTITION OF seen FOR VALUES FROM (0) TO (100);\n\
         CREATE TABLE seen_mid PARTITION OF seen FOR VALUES FROM (100) TO (200) PARTITION BY RANGE (at);\n\
         CREATE TABLE seen_mid_a PARTITION OF seen_mid FOR VALUES FROM (100) TO (150);\n\
         CREATE TABLE seen_mid_b PARTITION OF seen_mid FOR VALUES FROM (150) TO (200);\n\
         CREATE TABLE seen_rest PARTITION OF seen DEFAULT;\n\
         CREATE INDEX seen_what ON seen (lower(what));\n\
         CREATE TABLE notes (id int PRIMARY KEY, seen int, at int, FOREIGN KEY (seen, at) REFERENCES seen ON DELETE CASCADE);"
    };
}

const ROWS: &str = "INSERT INTO teams SELECT g FROM generate_series(1, {rows}) g; INSERT INTO seen SELECT g, g % 250, 'what ' || g, g, 'tag ' || g FROM generate_series(1, {rows}) g; INSERT INTO notes SELECT g, g, g % 250 FROM generate_series(1, {rows}) g";

pub(crate) const PARTITIONED_CASES: &[Case] = &[
    Case {
        name: "partitioned_rename",
        engine: Engine::Postgres,
        base: base!(),
        rows: ROWS,
        change: "ALTER TABLE seen RENAME COLUMN what TO event;\nALTER TABLE seen RENAME COLUMN tag TO label;\nALTER TABLE seen RENAME COLUMN who TO team;",
        old: &[
            "INSERT INTO seen (id, at, what, who, tag) VALUES ({n}, {n} % 300, 'old {n}', {id}, 't{n}')",
            "INSERT INTO seen (id, at) VALUES ({n}, {n} % 300)",
            "UPDATE seen SET what = 'o{n}', who = {id} WHERE id = {id}",
            "UPDATE seen SET n = n + 1 WHERE id = {id}",
            // To another partition.
            "UPDATE seen SET at = 200 + {n} % 90, tag = 'to{n}' WHERE id = {n} - 4",
            "UPDATE seen SET tag = NULL WHERE id = {id}",
            "INSERT INTO seen (id, at, what, tag) VALUES ({n}, 7, 'u', 'same') ON CONFLICT (tag, at) DO UPDATE SET what = EXCLUDED.what",
            "DELETE FROM seen WHERE id = {n} - 6",
            "SELECT id, what, who, tag FROM seen WHERE lower(what) = 'what 7'",
        ],
        new: &[
            "INSERT INTO seen (id, at, event, team, label) VALUES ({n}, {n} % 300, 'new {n}', {id}, 'n{n}')",
            "INSERT INTO seen (id, at) VALUES ({n}, {n} % 300)",
            "UPDATE seen SET event = 'w{n}', team = {id} WHERE id = {id}",
            "UPDATE seen SET at = 200 + {n} % 90, label = 'tn{n}' WHERE id = {n} - 3",
            "UPDATE seen SET label = NULL WHERE id = {id}",
            "INSERT INTO seen (id, at, event, label) VALUES ({n}, 8, 'u', 'same') ON CONFLICT (label, at) DO UPDATE SET event = EXCLUDED.event",
            "SELECT id, event, team, label FROM seen WHERE lower(event) = 'what 7'",
        ],
        disagree: "SELECT id, at, what, event, tag, label, who, team FROM seen WHERE what IS DISTINCT FROM event OR tag IS DISTINCT FROM label OR who IS DISTINCT FROM team",
        after: &[
            ("SELECT count(*) FROM seen WHERE event IS NULL", "0"),
            (
                "SELECT string_agg(indexrelid::regclass::text, ' ' ORDER BY indexrelid::regclass::text) FROM pg_index WHERE indrelid = 'seen_mid_a'::regclass AND indisvalid",
                "seen_mid_a_lower_idx seen_mid_a_pkey seen_mid_a_tag_at_key",
            ),
        ],
    },
    Case {
        name: "partitioned_rename_key",
        engine: Engine::Postgres,
        base: base!(),
        rows: ROWS,
        change: "ALTER TABLE seen RENAME COLUMN id TO nr;",
        old: &[
            "INSERT INTO seen (id, at, tag) VALUES ({n}, {n} % 300, 't{n}')",
            "INSERT INTO seen (id, at) VALUES ({id}, {id} % 250) ON CONFLICT (id, at) DO UPDATE SET n = seen.n + 1",
            "INSERT INTO notes VALUES ({n}, {id}, {id} % 250)",
            "UPDATE seen SET id = -{n} WHERE id = {n} - 3",
        ],
        new: &[
            "INSERT INTO seen (nr, at, tag) VALUES ({n}, {n} % 300, 'n{n}')",
            "INSERT INTO seen (nr, at) VALUES ({id}, {id} % 250) ON CONFLICT (nr, at) DO UPDATE SET n = seen.n + 1",
            "UPDATE seen SET nr = -{n} WHERE nr = {n} - 2",
        ],
        disagree: "SELECT id, nr FROM seen WHERE id IS DISTINCT FROM nr",
        after: &[(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'notes_seen_at_fkey'",
            "FOREIGN KEY (seen, at) REFERENCES seen(nr, at) ON DELETE CASCADE",
        )],
    },
    Case {
        name: "partitioned_rules",
        engine: Engine::Postgres,
        base: "CREATE TABLE teams (id int PRIMARY KEY); CREATE TABLE seen (id int, at int, who int, tag text, note text, extra text NOT NULL DEFAULT 'x', PRIMARY KEY (id, at)) PARTITION BY LIST (at);\n\
               CREATE TABLE seen_one PARTITION OF seen FOR VALUES IN (1);\n\
               CREATE TABLE seen_rest PARTITION OF seen DEFAULT;\n\
               CREATE INDEX seen_extra ON seen (extra);",
        rows: "INSERT INTO teams SELECT g FROM generate_series(1, {rows}) g; INSERT INTO seen SELECT g, g % 3, g, 'tag ' || g FROM generate_series(1, {rows}) g",
        change: "ALTER TABLE seen ADD CONSTRAINT who_there FOREIGN KEY (who) REFERENCES teams ON DELETE CASCADE;\n\
                 ALTER TABLE seen ADD CONSTRAINT tag_not_empty CHECK (tag <> '');\n\
                 ALTER TABLE seen ADD CONSTRAINT tag_once UNIQUE (tag, at);\n\
                 -- downhaul:forward \"'none'\"\n\
                 ALTER TABLE seen ALTER COLUMN note SET NOT NULL;\n\
                 ALTER TABLE seen ALTER COLUMN extra DROP NOT NULL;\n\
                 CREATE INDEX seen_who ON seen (who);\n\
                 DROP INDEX seen_extra;",
        old: &[
            "INSERT INTO seen (id, at, who, tag, note) VALUES ({n}, {n} % 3, 1, 'old{n}', 'n')",
            "UPDATE seen SET who = {id} WHERE id = {id}",
        ],
        new: &[
            "INSERT INTO seen (id, at, who, tag, note) VALUES ({n}, {n} % 3, 2, 'new{n}', 'n')",
            "UPDATE seen SET who = {id} WHERE id = {id}",
            "INSERT INTO teams VALUES ({n})",
        ],
        disagree: "",
        after: &[
            (
                "SELECT string_agg(conname, ' ' ORDER BY conname) FROM pg_constraint WHERE conrelid = 'seen'::regclass AND convalidated",
                "seen_pkey tag_not_empty tag_once who_there",
            ),
            (
                "SELECT count(*) FROM pg_constraint WHERE conrelid = 'seen_one'::regclass AND convalidated AND (conparentid <> 0 OR contype = 'c')",
                "4",
            ),
            (
                "SELECT string_agg(relname || ' ' || indisvalid, ', ' ORDER BY relname) FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE indrelid = 'seen'::regclass",
                "seen_pkey true, seen_who true, tag_once true",
            ),
        ],
    },
    Case {
        name: "partitioned_retype",
        engine: Engine::Postgres,
        base: base!(),
        rows: ROWS,
        change: "ALTER TABLE seen ALTER COLUMN who TYPE bigint, ALTER COLUMN tag TYPE varchar(40) USING tag::varchar(40);",
        old: &[
            "INSERT INTO seen (id, at, what, who, tag) VALUES ({n}, {n} % 300, 'old {n}', {id}, 't{n}')",
            "UPDATE seen SET who = {id} WHERE id = {id}",
            "UPDATE seen SET tag = NULL WHERE id = {id}",
            "UPDATE seen SET at = 200 + {n} % 90, tag = 'to{n}' WHERE id = {n} - 3",
            "INSERT INTO seen (id, at, tag) VALUES ({n}, 7, 'same') ON CONFLICT (tag, at) DO UPDATE SET what = EXCLUDED.what",
        ],
        new: &[
            "INSERT INTO seen (id, at, what, who, tag) VALUES ({n}, {n} % 300, 'new {n}', {id}, 'n{n}')",
            "UPDATE seen SET who = {id} WHERE id = {id}",
            "INSERT INTO seen (id, at, tag) VALUES ({n}, 7, 'same') ON CONFLICT (tag, at) DO UPDATE SET what = EXCLUDED.what",
        ],
        disagree: "",
        after: &[
            (
                "SELECT string_agg(format_type(atttypid, atttypmod), ' ' ORDER BY attname) FROM pg_attribute WHERE attrelid = 'seen_mid_a'::regclass AND attname IN ('who', 'tag')",
                "character varying(40) bigint",
            ),
            (
                "SELECT string_agg(conname || ' ' || convalidated, ', ' ORDER BY conname) FROM pg_constraint WHERE conrelid = 'seen'::regclass AND confrelid <> 0 OR conrelid = 'seen'::regclass AND contype = 'u'",
                "seen_tag_at_key true, seen_who_fkey true",
            ),
        ],
    },
    Case {
        name: "partitioned_key_to_bigint",
        engine: Engine::Postgres,
        base: "CREATE TABLE seen (id int, at int, n int DEFAULT 0, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);\n\
               CREATE TABLE seen_low PARTITION OF seen FOR VALUES FROM (0) TO (100);\n\
               CREATE TABLE seen_rest PARTITION OF seen DEFAULT PARTITION BY RANGE (at);\n\
               CREATE TABLE seen_rest_a PARTITION OF seen_rest DEFAULT;",
        rows: "INSERT INTO seen SELECT g, g % 250 FROM generate_series(1, {rows}) g",
        change: "ALTER TABLE seen ALTER COLUMN id TYPE bigint;",
        old: &[
            "INSERT INTO seen (id, at) VALUES ({n}, {n} % 300)",
            "INSERT INTO seen (id, at) VALUES ({id}, {id} % 250) ON CONFLICT (id, at) DO UPDATE SET n = seen.n + 1",
        ],
        new: &[
            "INSERT INTO seen (id, at) VALUES ({n}, {n} % 300)",
            "INSERT INTO seen (id, at) VALUES ({id}, {id} % 250) ON CONFLICT (id, at) DO UPDATE SET n = seen.n + 1",
        ],
        disagree: "",
        after: &[(
            "SELECT string_agg(conname || ' ' || (conparentid <> 0), ', ' ORDER BY conname) FROM pg_constraint WHERE conrelid = 'seen_low'::regclass AND contype = 'p'",
            "seen_low_pkey2 true",
        )],
    },
    Case {
        name: "partitioned_split",
        engine: Engine::Postgres,
        base: "CREATE TABLE people (region int, name text NOT NULL, fax text) PARTITION BY LIST (region);\n\
               CREATE TABLE people_one PARTITION OF people FOR VALUES IN (1);\n\
               CREATE TABLE people_rest PARTITION OF people DEFAULT;\n\
               CREATE INDEX people_fax ON people (fax);",
        rows: "INSERT INTO people SELECT g % 3, 'First' || g || ' Last' || g, g FROM generate_series(1, {rows}) g",
        change: "-- downhaul:forward first \"split_part(name, ' ', 1)\"\n\
                 -- downhaul:forward last \"split_part(name, ' ', 2)\"\n\
                 -- downhaul:back name \"first || ' ' || last\"\n\
                 ALTER TABLE people ADD COLUMN first text NOT NULL, ADD COLUMN last text NOT NULL, DROP COLUMN name;\n\
                 ALTER TABLE people DROP COLUMN fax;",
        old: &[
            "INSERT INTO people (region, name) VALUES ({n} % 3, 'Ada L{n}')",
            "UPDATE people SET name = 'Grace H{n}' WHERE name = 'Ada L{n}'",
            "SELECT name, fax FROM people WHERE region = 1 LIMIT 5",
        ],
        new: &[
            "INSERT INTO people (region, first, last) VALUES ({n} % 3, 'New', 'N{n}')",
            "UPDATE people SET last = 'Married{n}' WHERE last = 'Last{id}'",
        ],
        disagree: "SELECT name FROM people WHERE first IS DISTINCT FROM split_part(name, ' ', 1) OR last IS DISTINCT FROM split_part(name, ' ', 2)",
        after: &[("SELECT count(*) FROM people WHERE first IS NULL OR last IS NULL", "0")],
    },
];

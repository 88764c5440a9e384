//! Another primary key, said in several statements (PostgreSQL).

use crate::cases::{Case, Engine};

pub(crate) const REKEYED_CASES: &[Case] = &[
    // The column of the old key goes, between the statements that speak of the key.
    Case {
        name: "another_key_and_its_column_goes",
        engine: Engine::Postgres,
        base: "CREATE TABLE events (id bigserial PRIMARY KEY, block int NOT NULL, nr int NOT NULL, note text);\n\
               CREATE TABLE likes (id serial PRIMARY KEY, person int NOT NULL, post int NOT NULL, note text, CONSTRAINT likes_once UNIQUE (post, person));",
        rows: "INSERT INTO events (block, nr) SELECT g % 7, g FROM generate_series(1, {rows}) g; INSERT INTO likes (person, post) SELECT g, g % 7 FROM generate_series(1, {rows}) g",
        change: "ALTER TABLE events DROP CONSTRAINT events_pkey;\nALTER TABLE events DROP COLUMN id;\nALTER TABLE events ADD PRIMARY KEY (block, nr);\n\
                 ALTER TABLE likes DROP COLUMN id, ADD PRIMARY KEY (person, post), DROP CONSTRAINT likes_once;",
        old: &[
            "INSERT INTO events (block, nr, note) VALUES (1, {n}, 'old')",
            "UPDATE events SET note = 'o{n}' WHERE id = {id}",
            "INSERT INTO events (id, block, nr) VALUES ({id}, 9, {n}) ON CONFLICT (id) DO UPDATE SET note = 'c'",
            "INSERT INTO likes (person, post) VALUES ({n}, 1)",
            "INSERT INTO likes (person, post) VALUES ({id}, 1) ON CONFLICT (post, person) DO UPDATE SET note = 'c'",
            "SELECT e.id, l.id FROM events e JOIN likes l ON l.person = e.nr WHERE e.id = {id}",
        ],
        new: &[
            "INSERT INTO events (block, nr, note) VALUES (2, {n}, 'new')",
            "UPDATE events SET note = 'n{n}' WHERE nr = {id}",
            "DELETE FROM events WHERE block = 2 AND nr = {n} - 3",
            "INSERT INTO likes (person, post) VALUES ({n}, 2)",
            "INSERT INTO likes (person, post) SELECT {id}, 2 WHERE NOT EXISTS (SELECT FROM likes WHERE person = {id} AND post = 2)",
        ],
        disagree: "",
        after: &[
            (
                "SELECT string_agg(conname || ' ' || pg_get_constraintdef(oid), '; ' ORDER BY conname) FROM pg_constraint WHERE contype IN ('p', 'u') AND conrelid IN ('events'::regclass, 'likes'::regclass)",
                "events_pkey PRIMARY KEY (block, nr); likes_pkey PRIMARY KEY (person, post)",
            ),
            (
                "SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'events'::regclass AND attnum > 0 AND NOT attisdropped",
                "block nr note",
            ),
        ],
    },
    // A column of the key without a default goes: the old release writes it, the new one does not.
    Case {
        name: "a_column_leaves_the_key",
        engine: Engine::Postgres,
        base: "CREATE TABLE proofs (batch int, kind text NOT NULL, note text, PRIMARY KEY (batch, kind));",
        rows: "INSERT INTO proofs SELECT g, 'sgx', 'n' FROM generate_series(1, {rows}) g",
        change: "ALTER TABLE proofs DROP CONSTRAINT proofs_pkey;\nALTER TABLE proofs ADD PRIMARY KEY (batch);\n-- downhaul:back kind \"'sgx'\"\nALTER TABLE proofs DROP COLUMN kind;",
        old: &[
            "INSERT INTO proofs (batch, kind, note) VALUES ({n}, 'tdx', 'old')",
            "UPDATE proofs SET note = 'o{n}' WHERE batch = {id} AND kind = 'sgx'",
            "INSERT INTO proofs (batch, kind, note) VALUES ({id}, 'sgx', 'up') ON CONFLICT (batch, kind) DO UPDATE SET note = EXCLUDED.note",
            "DELETE FROM proofs WHERE batch = {n} - 4 AND kind = 'tdx'",
        ],
        new: &[
            "INSERT INTO proofs (batch, note) VALUES ({n}, 'new')",
            "UPDATE proofs SET note = 'n{n}' WHERE batch = {id}",
            "DELETE FROM proofs WHERE batch = {n} - 2",
        ],
        disagree: "SELECT batch FROM proofs WHERE kind IS NULL",
        after: &[
            (
                "SELECT string_agg(conname || ' ' || pg_get_constraintdef(oid), '; ' ORDER BY conname) FROM pg_constraint WHERE contype IN ('p', 'u') AND conrelid = 'proofs'::regclass",
                "proofs_pkey PRIMARY KEY (batch)",
            ),
            ("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal", "0"),
        ],
    },
];

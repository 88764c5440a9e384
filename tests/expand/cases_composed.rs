//! Several statements of a file about one column (PostgreSQL).

use crate::cases::{Case, Engine};

pub(crate) const COMPOSED_CASES: &[Case] = &[
    // Another name and another type; the last of two names; a name, a type that leaves the rows alone and a
    // rule; the type with an expression, and another default.
    Case {
        name: "rename_and_retype",
        engine: Engine::Postgres,
        base: "CREATE TABLE teams (id int PRIMARY KEY);\n\
               CREATE TABLE players (id int PRIMARY KEY, team int REFERENCES teams ON DELETE SET NULL, score varchar(20) NOT NULL DEFAULT '0' CHECK (score <> ''), nick varchar(30) UNIQUE, born int, n int DEFAULT 0);\n\
               CREATE INDEX players_team ON players (team, n);\n\
               CREATE INDEX players_score ON players (score) WHERE n > 0;\n\
               COMMENT ON COLUMN players.score IS 'counted';",
        rows: "INSERT INTO teams SELECT g FROM generate_series(1, {rows}) g; INSERT INTO players SELECT g, nullif(g % 50, 0), g, 'nick ' || g, 1900 + g, g % 3 FROM generate_series(1, {rows}) g",
        change: "ALTER TABLE players DROP CONSTRAINT players_score_check;\n\
                 ALTER TABLE players RENAME COLUMN team TO crew;\n\
                 ALTER TABLE players ALTER COLUMN crew TYPE bigint;\n\
                 -- downhaul:back \"score::text\"\n\
                 ALTER TABLE players ALTER COLUMN score TYPE integer USING score::integer;\n\
                 ALTER TABLE players RENAME COLUMN score TO points;\n\
                 ALTER TABLE players ALTER COLUMN points SET DEFAULT 7;\n\
                 ALTER TABLE players RENAME COLUMN nick TO alias;\n\
                 ALTER TABLE players ALTER COLUMN alias TYPE text;\n\
                 ALTER TABLE players ALTER COLUMN alias SET NOT NULL;\n\
                 ALTER TABLE players RENAME COLUMN born TO year;\n\
                 ALTER TABLE players RENAME COLUMN year TO born_in;",
        old: &[
            "INSERT INTO players (id, team, score, nick, born) VALUES ({n}, {id}, '12', 'o{n}', 2000)",
            "INSERT INTO players (id, nick) VALUES ({n}, 'p{n}')",
            "UPDATE players SET team = {id} WHERE id = {id}",
            "UPDATE players SET team = NULL WHERE id = {id}",
            "UPDATE players SET score = '{id}', born = {id} WHERE id = {id}",
            "UPDATE players SET n = n + 1 WHERE id = {id}",
            "UPDATE players SET nick = 'q{n}' WHERE id = {id}",
            "INSERT INTO players (id, nick, score) VALUES ({n}, 'same', '4') ON CONFLICT (nick) DO UPDATE SET score = EXCLUDED.score",
            "DELETE FROM players WHERE id = {n} - 4",
            "SELECT p.score, p.nick, p.born FROM players p JOIN teams t ON t.id = p.team WHERE p.id = {id}",
        ],
        new: &[
            "INSERT INTO players (id, crew, points, alias, born_in) VALUES ({n}, {id}, 12, 'o{n}', 2000)",
            "INSERT INTO players (id, alias) VALUES ({n}, 'p{n}')",
            "UPDATE players SET crew = {id} WHERE id = {id}",
            "UPDATE players SET crew = NULL WHERE id = {id}",
            "UPDATE players SET points = points + 1, born_in = {id} WHERE id = {id}",
            "UPDATE players SET n = n + 1 WHERE id = {id}",
            "UPDATE players SET alias = 'alias {n}' WHERE id = {id}",
            "INSERT INTO players (id, alias, points) VALUES ({n}, 'same', 4) ON CONFLICT (alias) DO UPDATE SET points = EXCLUDED.points",
            "DELETE FROM players WHERE id = {n} - 4",
            "SELECT p.points, p.alias, p.born_in FROM players p JOIN teams t ON t.id = p.crew WHERE p.id = {id}",
        ],
        disagree: "SELECT id, team, crew, score, points, nick, alias, born, born_in FROM players WHERE team IS DISTINCT FROM crew OR score IS DISTINCT FROM points::text OR nick IS DISTINCT FROM alias OR born IS DISTINCT FROM born_in",
        after: &[
            (
                "SELECT string_agg(column_name || ' ' || data_type || ' ' || is_nullable || coalesce(' ' || column_default, ''), ', ' ORDER BY column_name) FROM information_schema.columns WHERE table_name = 'players'",
                "alias text NO, born_in integer YES, crew bigint YES, id integer NO, n integer YES 0, points integer NO 7",
            ),
            (
                "SELECT string_agg(indexname, ' ' ORDER BY indexname) FROM pg_indexes WHERE tablename = 'players'",
                "players_nick_key players_pkey players_score players_team",
            ),
        ],
    },
    // A type that changes twice, with a default and a rule; another column of the table whose key others refer
    // to; and what is written between the name and the rule.
    Case {
        name: "retype_twice",
        engine: Engine::Postgres,
        base: "CREATE TABLE items (id int PRIMARY KEY, qty int DEFAULT 1, code varchar(20) NOT NULL, note text, n int NOT NULL DEFAULT 0);\n\
               CREATE INDEX items_code ON items (code);\n\
               CREATE TABLE parts (id int PRIMARY KEY, item int NOT NULL REFERENCES items ON DELETE CASCADE);",
        rows: "INSERT INTO items SELECT g, g, 'code ' || g, nullif('note ' || g, 'note 7') FROM generate_series(1, {rows}) g; INSERT INTO parts SELECT g, g FROM generate_series(1, {rows}) g",
        change: "ALTER TABLE items ALTER COLUMN qty TYPE bigint;\n\
                 ALTER TABLE items ALTER COLUMN qty TYPE text;\n\
                 ALTER TABLE items ALTER COLUMN qty SET DEFAULT '2';\n\
                 ALTER TABLE items ALTER COLUMN qty SET NOT NULL;\n\
                 ALTER TABLE items ALTER COLUMN code TYPE varchar(20) COLLATE \"C\";\n\
                 ALTER TABLE items RENAME COLUMN note TO remark;\n\
                 UPDATE items SET remark = 'none' WHERE remark IS NULL;\n\
                 ALTER TABLE items ALTER COLUMN remark SET NOT NULL, ALTER COLUMN n DROP NOT NULL;",
        old: &[
            "INSERT INTO items (id, code, note) VALUES ({n}, 'c', 'x')",
            "INSERT INTO items (id, qty, code, note) VALUES ({n}, '5', 'c', 'y')",
            "INSERT INTO parts VALUES ({n}, {id})",
            "UPDATE items SET qty = '{id}' WHERE id = {id}",
            "UPDATE items SET code = 'c{n}', note = 'z{n}' WHERE id = {id}",
            "UPDATE items SET n = n + 1 WHERE id = {id}",
            "DELETE FROM items WHERE id = {n} - 4",
            "SELECT i.qty, i.code, i.note FROM items i JOIN parts p ON p.item = i.id WHERE i.code > 'c' AND i.id = {id}",
        ],
        new: &[
            "INSERT INTO items (id, code, remark) VALUES ({n}, 'c', 'x')",
            "INSERT INTO items (id, qty, code, remark) VALUES ({n}, '5', 'c', 'y')",
            "INSERT INTO parts VALUES ({n}, {id})",
            "UPDATE items SET qty = '{id}' WHERE id = {id}",
            "UPDATE items SET code = 'c{n}', remark = 'z{n}' WHERE id = {id}",
            "UPDATE items SET n = n + 1 WHERE id = {id}",
            "SELECT i.qty, i.code, i.remark FROM items i JOIN parts p ON p.item = i.id WHERE i.code > 'c' AND i.id = {id}",
        ],
        disagree: "SELECT id, qty, qty_old, code, code_old, note, remark FROM items WHERE qty IS DISTINCT FROM qty_old::text OR code IS DISTINCT FROM code_old OR note IS DISTINCT FROM remark",
        after: &[
            (
                "SELECT string_agg(column_name || ' ' || data_type || ' ' || is_nullable || coalesce(' ' || collation_name, '') || coalesce(' ' || column_default, ''), ', ' ORDER BY column_name) FROM information_schema.columns WHERE table_name = 'items'",
                "code character varying NO C, id integer NO, n integer YES 0, qty text NO '2'::text, remark text NO",
            ),
            (
                "SELECT count(*) FROM pg_constraint WHERE conrelid = 'parts'::regclass AND contype = 'f'",
                "1",
            ),
        ],
    },
    // Defaults that the new type does not take: said in one statement and in several, with an enum of the file,
    // a boolean, jsonb, a domain and another name. Until the contract what the old one comes to holds.
    Case {
        name: "retype_defaults",
        engine: Engine::Postgres,
        base: "CREATE DOMAIN code AS text CHECK (VALUE <> 'none');\n\
               CREATE TABLE tasks (id int PRIMARY KEY, state varchar(10) NOT NULL DEFAULT 'Open', flag varchar(1) NOT NULL DEFAULT '-', doc text DEFAULT 'none', kind text DEFAULT 'none', amount text DEFAULT 'zero', level text NOT NULL DEFAULT 'low', note text);\n\
               CREATE INDEX tasks_state ON tasks (state);",
        rows: "INSERT INTO tasks SELECT g, CASE g % 2 WHEN 0 THEN 'Open' ELSE 'Done' END, CASE g % 3 WHEN 0 THEN 'Y' ELSE '-' END, '{\"a\": 1}', 'k' || g, g FROM generate_series(1, {rows}) g",
        change: "CREATE TYPE state AS ENUM ('open', 'done');\n\
                 -- downhaul:back \"initcap(state::text)\"\n\
                 ALTER TABLE tasks ALTER COLUMN state DROP DEFAULT, ALTER COLUMN state TYPE state USING lower(tasks.state)::state, ALTER COLUMN state SET DEFAULT 'done';\n\
                 ALTER TABLE tasks ALTER COLUMN flag DROP DEFAULT;\n\
                 -- downhaul:back \"CASE WHEN flag THEN 'Y' ELSE '-' END\"\n\
                 ALTER TABLE tasks ALTER COLUMN flag TYPE boolean USING CASE flag WHEN '-' THEN false ELSE flag = 'Y' END;\n\
                 ALTER TABLE tasks ALTER COLUMN flag SET DEFAULT true;\n\
                 -- downhaul:back \"CASE WHEN doc = '{}' THEN 'none' ELSE doc::text END\"\n\
                 ALTER TABLE tasks ALTER COLUMN doc DROP DEFAULT;\n\
                 ALTER TABLE tasks ALTER COLUMN doc TYPE jsonb USING CASE doc WHEN 'none' THEN '{}' ELSE doc::jsonb END;\n\
                 ALTER TABLE tasks ALTER COLUMN doc SET DEFAULT '[]'::jsonb;\n\
                 -- downhaul:back \"CASE kind WHEN 'unknown' THEN 'none' ELSE kind END\"\n\
                 ALTER TABLE tasks ALTER COLUMN kind DROP DEFAULT, ALTER COLUMN kind TYPE code USING (CASE kind WHEN 'none' THEN 'unknown' ELSE kind END)::code, ALTER COLUMN kind SET DEFAULT 'new';\n\
                 -- downhaul:back \"CASE amount WHEN 0 THEN 'zero' ELSE amount::text END\"\n\
                 ALTER TABLE tasks ALTER COLUMN amount DROP DEFAULT, ALTER COLUMN amount TYPE integer USING CASE amount WHEN 'zero' THEN 0 ELSE amount::integer END;\n\
                 ALTER TABLE tasks ALTER COLUMN level DROP DEFAULT;\n\
                 ALTER TABLE tasks RENAME COLUMN level TO rank;\n\
                 -- downhaul:back \"CASE rank WHEN 1 THEN 'low' ELSE 'high' END\"\n\
                 ALTER TABLE tasks ALTER COLUMN rank TYPE integer USING CASE rank WHEN 'low' THEN 1 ELSE 2 END;\n\
                 ALTER TABLE tasks ALTER COLUMN rank SET DEFAULT 2;",
        old: &[
            "INSERT INTO tasks (id, note) VALUES ({n}, 'by the old default')",
            "INSERT INTO tasks (id, level) VALUES ({n}, 'high')",
            "UPDATE tasks SET note = 'touched' WHERE id = {id}",
            "DELETE FROM tasks WHERE id = {n} - 30",
            "SELECT state, flag, doc, kind, amount FROM tasks WHERE id = {id}",
        ],
        new: &[
            "INSERT INTO tasks (id, note) VALUES ({n}, 'by default')",
            "INSERT INTO tasks (id, state, flag, doc, kind, amount, rank) VALUES ({n}, 'done', true, '{\"a\": 2}', 'x', 7, 2)",
            "UPDATE tasks SET state = 'done', flag = NOT flag, amount = amount + 1 WHERE id = {id}",
            "DELETE FROM tasks WHERE id = {n} - 30",
            "SELECT state, flag, doc, kind, amount, rank FROM tasks WHERE id = {id}",
        ],
        disagree: "SELECT * FROM tasks WHERE state::text <> lower(state_old) OR flag <> (flag_old = 'Y') OR kind::text <> replace(kind_old, 'none', 'unknown') OR amount::text <> replace(amount_old, 'zero', '0') OR rank <> CASE level WHEN 'low' THEN 1 ELSE 2 END \
                   OR note = 'by the old default' AND (state_old, flag_old, doc_old, kind_old, amount_old, level) IS DISTINCT FROM ('Open', '-', 'none', 'none', 'zero', 'low')",
        after: &[
            (
                "SELECT string_agg(column_name || ' ' || udt_name || ' ' || is_nullable || coalesce(' ' || column_default, ''), ', ' ORDER BY column_name) FROM information_schema.columns WHERE table_name = 'tasks'",
                "amount int4 YES, doc jsonb YES '[]'::jsonb, flag bool NO true, id int4 NO, kind text YES 'new'::text, note text YES, rank int4 NO 2, state state NO 'done'::state",
            ),
            (
                "SELECT count(*) > 0 FROM tasks WHERE note = 'by default' AND (state::text, flag, doc::text, kind::text, amount, rank) IS NOT DISTINCT FROM ('done', true, '[]', 'new', NULL, 2)",
                "t",
            ),
        ],
    },
    // A second column that is filled and takes the name, and a first one that steps aside for it; with what stands
    // on them, other defaults, and rows for which another value is written.
    Case {
        name: "retyped_by_hand",
        engine: Engine::Postgres,
        base: "CREATE TABLE carts (id int PRIMARY KEY, total text NOT NULL DEFAULT '0', paid text DEFAULT 'no', note text);\n\
               CREATE INDEX carts_total ON carts (total);",
        rows: "INSERT INTO carts SELECT g, g, CASE g % 2 WHEN 0 THEN 'yes' ELSE 'no' END FROM generate_series(1, {rows}) g",
        change: "ALTER TABLE carts ADD COLUMN total_new bigint, ADD COLUMN paid_new boolean NOT NULL DEFAULT false;\n\
                 -- downhaul:back paid_new \"CASE WHEN paid_new THEN 'yes' ELSE 'no' END\"\n\
                 UPDATE carts SET total_new = total::bigint, paid_new = (paid = 'yes');\n\
                 ALTER TABLE carts ALTER COLUMN total_new SET NOT NULL;\n\
                 ALTER TABLE carts DROP COLUMN total, DROP COLUMN paid;\n\
                 ALTER TABLE carts RENAME COLUMN total_new TO total;\n\
                 ALTER TABLE carts RENAME COLUMN paid_new TO paid;\n\
                 CREATE INDEX carts_total ON carts (total);\n\
                 ALTER TABLE carts ALTER COLUMN total SET DEFAULT 10;",
        old: &[
            "INSERT INTO carts (id, note) VALUES ({n}, 'by the old default')",
            "INSERT INTO carts (id, total, paid) VALUES ({n}, '{id}', 'yes')",
            "UPDATE carts SET note = 'touched' WHERE id = {id}",
            "DELETE FROM carts WHERE id = {n} - 30",
            "SELECT total, paid FROM carts WHERE id = {id}",
        ],
        new: &[
            "INSERT INTO carts (id) VALUES ({n})",
            "INSERT INTO carts (id, total, paid) VALUES ({n}, 7, true)",
            "UPDATE carts SET total = total + 1, paid = NOT paid WHERE id = {id}",
            "DELETE FROM carts WHERE id = {n} - 30",
            "SELECT total, paid FROM carts WHERE total > 3 AND id = {id}",
        ],
        disagree: "SELECT * FROM carts WHERE total::text IS DISTINCT FROM total_old OR paid IS DISTINCT FROM (paid_old = 'yes') \
                   OR note = 'by the old default' AND (total_old, paid_old) IS DISTINCT FROM ('0', 'no')",
        after: &[
            (
                "SELECT string_agg(column_name || ' ' || udt_name || ' ' || is_nullable || coalesce(' ' || column_default, ''), ', ' ORDER BY column_name) FROM information_schema.columns WHERE table_name = 'carts'",
                "id int4 NO, note text YES, paid bool NO false, total int8 NO 10",
            ),
            (
                "SELECT string_agg(indexdef, ' ' ORDER BY indexname) FROM pg_indexes WHERE tablename = 'carts' AND indexname <> 'carts_pkey'",
                "CREATE INDEX carts_total ON public.carts USING btree (total)",
            ),
        ],
    },
    // What stands on a renamed column gets its name in the same file, as frameworks write it: first the column.
    Case {
        name: "rename_with_its_index",
        engine: Engine::Postgres,
        base: "CREATE TABLE teams (id int PRIMARY KEY);\n\
               CREATE TABLE players (id int PRIMARY KEY, team int REFERENCES teams, nick text UNIQUE, n int);\n\
               CREATE INDEX players_team ON players (team, n);",
        rows: "INSERT INTO teams SELECT g FROM generate_series(1, {rows}) g; INSERT INTO players SELECT g, g, 'nick ' || g, 0 FROM generate_series(1, {rows}) g",
        change: "ALTER TABLE players RENAME COLUMN team TO crew;\n\
                 ALTER INDEX players_team RENAME TO players_crew;\n\
                 ALTER TABLE players RENAME CONSTRAINT players_team_fkey TO players_crew_fkey;\n\
                 ALTER TABLE players RENAME COLUMN nick TO alias;\n\
                 ALTER TABLE players RENAME CONSTRAINT players_nick_key TO players_alias_key;",
        old: &[
            "INSERT INTO players (id, team, nick) VALUES ({n}, {id}, 'o{n}')",
            "UPDATE players SET team = {id}, nick = 'p{n}' WHERE id = {id}",
            "INSERT INTO players (id, nick) VALUES ({n}, 'same') ON CONFLICT (nick) DO UPDATE SET n = 1",
            "SELECT team, nick FROM players WHERE team = {id}",
        ],
        new: &[
            "INSERT INTO players (id, crew, alias) VALUES ({n}, {id}, 'o{n}')",
            "UPDATE players SET crew = {id}, alias = 'a{n}' WHERE id = {id}",
            "INSERT INTO players (id, alias) VALUES ({n}, 'same') ON CONFLICT (alias) DO UPDATE SET n = 1",
            "SELECT crew, alias FROM players WHERE crew = {id}",
        ],
        disagree: "SELECT * FROM players WHERE team IS DISTINCT FROM crew OR nick IS DISTINCT FROM alias",
        after: &[
            (
                "SELECT string_agg(conname, ' ' ORDER BY conname) FROM pg_constraint WHERE conrelid = 'players'::regclass",
                "players_alias_key players_crew_fkey players_pkey",
            ),
            (
                "SELECT string_agg(indexname, ' ' ORDER BY indexname) FROM pg_indexes WHERE tablename = 'players'",
                "players_alias_key players_crew players_pkey",
            ),
        ],
    },
];

//! The promise: ways in which other systems were seen to lose data are not ours. Each story is
//! named after its pitfall: what a transaction does between a mark and the way back to it.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

mod first_statement;
mod partitions;
mod stage;
mod strategies;

use downhaul::exit_code::Code;

use crate::stage::{Stage, check};

/// Name, what is there, which tables are compared, what happens after the mark.
type Story = (&'static str, &'static str, &'static [&'static str], &'static str);

const STORIES: &[Story] = &[
    (
        "p02: nested triggers write the log in another order than things happened",
        "CREATE TABLE n (id int PRIMARY KEY, v int); INSERT INTO n VALUES (1, 0), (2, 0); \
         CREATE FUNCTION nest() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.v < 100 THEN UPDATE n SET v = v + 100 WHERE v < 100; END IF; RETURN NULL; END $$; \
         CREATE TRIGGER a_nest AFTER UPDATE ON n FOR EACH ROW EXECUTE FUNCTION nest()",
        &["n"],
        "UPDATE n SET v = v + 1; UPDATE n SET v = v + 1 WHERE id = 1",
    ),
    (
        "p02: one statement deletes and inserts the same key",
        "CREATE TABLE c (id int PRIMARY KEY, v text); INSERT INTO c SELECT g, 'v' || g FROM generate_series(1, 5) g",
        &["c"],
        "WITH d AS (DELETE FROM c WHERE id = 1 RETURNING id) INSERT INTO c SELECT id, 'x' FROM d; \
         WITH i AS (INSERT INTO c VALUES (2, 'y')) DELETE FROM c WHERE id = 2; UPDATE c SET v = 'z'",
    ),
    (
        "p02: MERGE inserts, updates and deletes",
        "CREATE TABLE c (id int PRIMARY KEY, v text); INSERT INTO c SELECT g, 'v' || g FROM generate_series(1, 5) g",
        &["c"],
        "MERGE INTO c USING (VALUES (1, 'd'), (9, 'n'), (3, 'u')) s (id, v) ON c.id = s.id \
         WHEN MATCHED AND s.v = 'd' THEN DELETE WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.v)",
    ),
    (
        "p03: TRUNCATE, and the sequence with it",
        "CREATE TABLE c (id serial PRIMARY KEY, v text); INSERT INTO c (v) SELECT 'v' || g FROM generate_series(1, 5) g",
        &["c"],
        "TRUNCATE c RESTART IDENTITY; INSERT INTO c (v) VALUES ('n')",
    ),
    (
        "p07: savepoints, and transactions that end in ROLLBACK",
        "CREATE TABLE c (id int PRIMARY KEY, v int); INSERT INTO c SELECT g, 0 FROM generate_series(1, 5) g",
        &["c"],
        "BEGIN; UPDATE c SET v = 1; SAVEPOINT s; UPDATE c SET v = 2; DELETE FROM c WHERE id = 1; ROLLBACK TO s; UPDATE c SET v = 3 WHERE id = 2; COMMIT; \
         BEGIN; UPDATE c SET v = 9; DELETE FROM c; ROLLBACK",
    ),
    (
        "p09: a row that comes, changes and goes in one transaction",
        "CREATE TABLE c (id int PRIMARY KEY, v int); INSERT INTO c VALUES (1, 1)",
        &["c"],
        "BEGIN; INSERT INTO c VALUES (2, 2); UPDATE c SET v = 3; DELETE FROM c WHERE id = 2; INSERT INTO c VALUES (2, 4); DELETE FROM c WHERE id = 1; INSERT INTO c VALUES (1, 5); COMMIT",
    ),
    (
        "p10: values that look alike, and types that text loses",
        "CREATE TYPE mood AS ENUM ('a', 'b'); CREATE DOMAIN dom AS numeric CHECK (value > 0); CREATE TYPE comp AS (x int, y text); \
         CREATE TABLE c (id dom PRIMARY KEY, m mood, arr mood[], co comp, j json, jb jsonb, by bytea, n numeric, f float8, ts timestamptz, \
           g int GENERATED ALWAYS AS (length(j::text)) STORED, i bigint GENERATED ALWAYS AS IDENTITY, r int4range, x xml); \
         INSERT INTO c (id, m, arr, co, j, jb, by, n, f, ts, r, x) VALUES \
           (1.0, 'a', '{a,b}', ROW(1, 'q \" x'), '{\"b\":1,\"a\":2,\"a\":3}', 'null', '\\xdead', 1.00, '-0', now(), '[1,5)', '<a/>'), \
           (2, 'b', NULL, NULL, NULL, NULL, NULL, 'NaN', 'NaN', 'infinity', NULL, NULL)",
        &["c"],
        "UPDATE c SET n = 1.0, f = 0, j = '{}', jb = NULL, m = 'b', arr = '{}', co = ROW(2, NULL), ts = '-infinity' WHERE id = 1; \
         UPDATE c SET id = 1.00 WHERE id = 1; DELETE FROM c WHERE id = 2; INSERT INTO c (id, m) VALUES (3, 'a')",
    ),
    (
        "p19, p20: partitions written directly, rows that move between them, a partition emptied",
        "CREATE TABLE pt (id int, k int, v text, PRIMARY KEY (id, k)) PARTITION BY LIST (k); \
         CREATE TABLE pt1 PARTITION OF pt FOR VALUES IN (1); CREATE TABLE pt2 PARTITION OF pt FOR VALUES IN (2); \
         INSERT INTO pt VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 1, 'c')",
        &["pt"],
        "UPDATE pt SET v = 'aa' WHERE id = 1; UPDATE pt1 SET v = 'leaf' WHERE id = 1; UPDATE pt SET k = 1 WHERE id = 2; TRUNCATE pt1; INSERT INTO pt2 VALUES (9, 2, 'n')",
    ),
    (
        "p19: inheritance",
        "CREATE TABLE c (id int PRIMARY KEY, v int); CREATE TABLE d (e int) INHERITS (c); ALTER TABLE d ADD PRIMARY KEY (id); \
         INSERT INTO c SELECT g, 0 FROM generate_series(1, 5) g; INSERT INTO d VALUES (10, 0, 10)",
        &["c", "d"],
        "UPDATE c SET v = v + 1; UPDATE c SET id = id + 100; DELETE FROM ONLY c WHERE id = 101; INSERT INTO d VALUES (12, 1, 12); TRUNCATE ONLY c; INSERT INTO c VALUES (1, 7)",
    ),
    (
        "p20: keys that change, all at once",
        "CREATE TABLE c (id int PRIMARY KEY DEFERRABLE, v text); INSERT INTO c SELECT g, 'v' || g FROM generate_series(1, 50) g",
        &["c"],
        "UPDATE c SET id = id + 1; DELETE FROM c WHERE id = 7; UPDATE c SET id = 7 WHERE id = 8; INSERT INTO c VALUES (8, 'n')",
    ),
    (
        "p20: a BEFORE trigger changes the key",
        "CREATE TABLE c (id int PRIMARY KEY, v text); INSERT INTO c VALUES (1, 'a'); \
         CREATE FUNCTION move() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.id := NEW.id + 10; RETURN NEW; END $$; \
         CREATE TRIGGER move BEFORE UPDATE ON c FOR EACH ROW EXECUTE FUNCTION move()",
        &["c"],
        "UPDATE c SET v = 'b'",
    ),
    (
        "p21: unique values change places",
        "CREATE TABLE u (id int PRIMARY KEY, code text UNIQUE, n int); INSERT INTO u VALUES (1, 'x', 1), (2, 'y', 1), (3, 'z', 1)",
        &["u"],
        "UPDATE u SET code = 't' WHERE id = 1; UPDATE u SET code = 'x' WHERE id = 2; UPDATE u SET code = 'y' WHERE id = 1; DELETE FROM u WHERE id = 3; INSERT INTO u VALUES (4, 'z', 2)",
    ),
    (
        "p21: the same where rows of another table would go with them",
        "CREATE TABLE u (id int PRIMARY KEY, code text UNIQUE NOT NULL, n int); CREATE TABLE k (id int PRIMARY KEY, u int REFERENCES u ON DELETE CASCADE); \
         INSERT INTO u VALUES (1, 'x', 1), (2, 'y', 1), (3, 'z', 1); INSERT INTO k VALUES (1, 1), (2, 2), (3, 3)",
        &["u", "k"],
        "UPDATE u SET code = 't' WHERE id = 1; UPDATE u SET code = 'x' WHERE id = 2; UPDATE u SET code = 'y' WHERE id = 1; DELETE FROM u WHERE id = 3; INSERT INTO u VALUES (4, 'z', 2); INSERT INTO k VALUES (3, 4)",
    ),
    (
        "p21: the same where they refer to a row that goes",
        "CREATE TABLE par (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY, code text UNIQUE, p int REFERENCES par ON DELETE CASCADE); \
         CREATE TABLE k (id int PRIMARY KEY, u int REFERENCES u ON DELETE CASCADE); \
         INSERT INTO par VALUES (1); INSERT INTO u VALUES (1, 'x', 1), (2, 'y', 1); INSERT INTO k VALUES (1, 1), (2, 2)",
        &["par", "u", "k"],
        "INSERT INTO par VALUES (2); UPDATE u SET code = 't', p = 2 WHERE id = 1; UPDATE u SET code = 'x' WHERE id = 2; UPDATE u SET code = 'y' WHERE id = 1",
    ),
    (
        "p21: exclusion, and identities that nobody may assign",
        "CREATE TABLE c (id int PRIMARY KEY, i bigint GENERATED ALWAYS AS IDENTITY, at int4range, EXCLUDE USING gist (at WITH &&)); \
         INSERT INTO c (id, at) VALUES (1, '[1,5)'), (2, '[5,9)'), (3, '[9,12)')",
        &["c"],
        "DELETE FROM c WHERE id < 3; INSERT INTO c (id, at) VALUES (1, '[5,9)'), (2, '[1,5)'); UPDATE c SET at = '[9,11)' WHERE id = 3",
    ),
    (
        "p27: a row that refers to its own table, and a circle of tables",
        "CREATE TABLE s (id int PRIMARY KEY, p int REFERENCES s ON DELETE CASCADE, v text); INSERT INTO s VALUES (1, NULL, 'r'), (2, 1, 'a'), (3, 2, 'b'), (4, 1, 'c'); \
         CREATE TABLE a (id int PRIMARY KEY, b int); CREATE TABLE b (id int PRIMARY KEY, a int NOT NULL REFERENCES a); ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b; \
         INSERT INTO a VALUES (1, NULL), (2, NULL); INSERT INTO b VALUES (1, 1), (2, 2); UPDATE a SET b = id",
        &["s", "a", "b"],
        "UPDATE s SET p = 1 WHERE id = 3; DELETE FROM s WHERE id = 2; INSERT INTO s VALUES (5, 4, 'n'); UPDATE s SET p = 5 WHERE id = 3; \
         UPDATE a SET b = NULL; DELETE FROM b; DELETE FROM a WHERE id = 1; INSERT INTO a VALUES (3, NULL)",
    ),
    (
        "p02: foreign keys write to one row several times in one statement",
        "CREATE TABLE par (id int PRIMARY KEY, n int); INSERT INTO par SELECT g, 0 FROM generate_series(1, 40) g; \
         CREATE TABLE k (id int PRIMARY KEY, p int REFERENCES par ON DELETE SET NULL ON UPDATE CASCADE, q int REFERENCES par ON DELETE SET NULL ON UPDATE CASCADE, r int DEFAULT 40 REFERENCES par ON DELETE SET DEFAULT ON UPDATE CASCADE); \
         INSERT INTO k SELECT g, g % 40 + 1, g * 7 % 40 + 1, g * 3 % 40 + 1 FROM generate_series(1, 300) g",
        &["par", "k"],
        "DELETE FROM par WHERE id % 3 <> 0 AND id < 40; UPDATE par SET id = id + 100 WHERE id % 2 = 0 AND id < 40",
    ),
    (
        "p02: one foreign key empties a row that another deletes, while triggers write to it too",
        "CREATE TABLE par (id int PRIMARY KEY, n int); INSERT INTO par SELECT g, 0 FROM generate_series(1, 40) g; \
         CREATE TABLE k (id int PRIMARY KEY, p int REFERENCES par ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED, q int REFERENCES par ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED, \
           own int REFERENCES k ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED, n int); \
         INSERT INTO k SELECT g, g % 40 + 1, g * 7 % 40 + 1, nullif(g / 2, 0), 0 FROM generate_series(1, 300) g; \
         CREATE FUNCTION told() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE k SET n = n + 1 WHERE p = OLD.id OR id = OLD.id; RETURN NULL; END $$; \
         CREATE TRIGGER a_first AFTER DELETE ON par FOR EACH ROW EXECUTE FUNCTION told(); CREATE TRIGGER z_last AFTER DELETE ON par FOR EACH ROW EXECUTE FUNCTION told()",
        &["par", "k"],
        "DELETE FROM par WHERE id % 3 = 0; DELETE FROM par WHERE id % 3 = 1",
    ),
    (
        "p02: one statement changes rows that go with others which it deletes",
        "CREATE TABLE par (id int PRIMARY KEY); INSERT INTO par SELECT g FROM generate_series(1, 40) g; \
         CREATE TABLE k (id int PRIMARY KEY, q int REFERENCES par ON DELETE CASCADE, n int); INSERT INTO k SELECT g, g * 7 % 40 + 1, 0 FROM generate_series(1, 300) g; \
         CREATE TABLE kk (id int PRIMARY KEY, k int REFERENCES k ON DELETE SET NULL); INSERT INTO kk SELECT g, g FROM generate_series(1, 300) g",
        &["par", "k", "kk"],
        "WITH d AS (DELETE FROM par WHERE id % 3 = 1 RETURNING id), g AS (DELETE FROM k WHERE id > 290) UPDATE k SET n = 9 FROM d WHERE k.q = d.id AND k.id <= 290; \
         WITH g AS (DELETE FROM k WHERE id > 280 RETURNING id), d AS (DELETE FROM par WHERE id % 3 = 0 AND (SELECT count(*) FROM g) > 0 RETURNING id), n AS (INSERT INTO k SELECT 1000 + id, NULL, 1 FROM d) \
         UPDATE k SET n = 8 FROM d WHERE k.q = d.id AND k.id <= 280",
    ),
    (
        "p21: unique values for which nothing stands in",
        "CREATE TYPE app AS ENUM ('a', 'b'); CREATE DOMAIN dom AS text CHECK (length(value) = 1); \
         CREATE TABLE u (id int PRIMARY KEY, grp int, app app NOT NULL, code char(2) NOT NULL, place int NOT NULL CHECK (place > 0), short varchar(3) NOT NULL UNIQUE, d dom UNIQUE, UNIQUE (grp, app), UNIQUE (code), UNIQUE (grp, place)); \
         CREATE TABLE k (id int PRIMARY KEY, u int REFERENCES u ON DELETE CASCADE, own text, code char(2) REFERENCES u (code) ON DELETE SET NULL ON UPDATE CASCADE); COMMENT ON CONSTRAINT k_u_fkey ON k IS 'it''s'; \
         INSERT INTO u VALUES (1, 1, 'a', 'x', 1, 's1', 'p'), (2, 1, 'b', 'y', 2, 's2', 'q'), (3, 2, 'a', 'z', 1, 's3', NULL); INSERT INTO k VALUES (1, 1, 'k1', 'x'), (2, 2, 'k2', 'z'), (3, 3, 'k3', 'y')",
        &["u", "k"],
        "BEGIN; UPDATE u SET grp = 9 WHERE id = 1; UPDATE u SET app = 'a', code = 'v' WHERE id = 2; UPDATE u SET grp = 1, app = 'b', code = 'y', place = 5 WHERE id = 1; UPDATE u SET place = 1, short = 'n' WHERE id = 2; \
         UPDATE u SET short = 's2', d = NULL WHERE id = 1; UPDATE u SET d = 'p' WHERE id = 3; COMMIT; DELETE FROM u WHERE id = 3; INSERT INTO u VALUES (4, 2, 'a', 'z', 1, 's4', 'p'); INSERT INTO k VALUES (4, 4, 'k4', 'z')",
    ),
    (
        "p27: a circle of tables that cannot wait",
        "CREATE TABLE base (id int PRIMARY KEY); CREATE TABLE conf (id int PRIMARY KEY, base int REFERENCES base ON DELETE CASCADE, cache int); \
         CREATE TABLE cache (id int PRIMARY KEY, conf int REFERENCES conf ON DELETE RESTRICT); ALTER TABLE conf ADD CONSTRAINT \"to cache\" FOREIGN KEY (cache) REFERENCES cache ON DELETE CASCADE NOT VALID; \
         INSERT INTO base VALUES (1), (2); INSERT INTO conf VALUES (1, 1, NULL), (2, 2, NULL); INSERT INTO cache VALUES (1, 1); UPDATE conf SET cache = 1 WHERE id = 2",
        &["base", "conf", "cache"],
        "INSERT INTO base VALUES (3); INSERT INTO conf VALUES (3, 3, 1); INSERT INTO cache VALUES (2, 3), (3, 2); UPDATE conf SET cache = 2 WHERE id = 3; UPDATE cache SET conf = 3 WHERE id = 1; DELETE FROM base WHERE id = 1",
    ),
    (
        "p27: a value that others refer to is handed to another row",
        "CREATE TABLE o (f int, t int, name text UNIQUE, PRIMARY KEY (f, t)); CREATE TABLE copies (name text PRIMARY KEY REFERENCES o (name) ON DELETE CASCADE, n int); \
         INSERT INTO o VALUES (1, 1, 'a'), (2, 1, 'b'); INSERT INTO copies VALUES ('a', 1), ('b', 2)",
        &["o", "copies"],
        "UPDATE o SET f = 9 WHERE f = 1; UPDATE copies SET n = 5 WHERE name = 'b'",
    ),
    (
        "p23: a sequence whose column holds no numbers any more, or ones beyond it",
        "CREATE TABLE c (id serial PRIMARY KEY, n bigserial UNIQUE); INSERT INTO c (n) SELECT g FROM generate_series(1, 3) g; ALTER TABLE c ALTER id TYPE text; ALTER SEQUENCE c_n_seq MAXVALUE 100; \
         INSERT INTO c VALUES ('x', 5000), ('99', 42)",
        &["c"],
        "DELETE FROM c WHERE n <> 2; INSERT INTO c (id) VALUES ('y')",
    ),
    (
        "p29: INSERT … ON CONFLICT DO UPDATE",
        "CREATE TABLE c (id int PRIMARY KEY, v int); INSERT INTO c VALUES (1, 1)",
        &["c"],
        "INSERT INTO c VALUES (1, 5), (2, 6) ON CONFLICT (id) DO UPDATE SET v = EXCLUDED.v; INSERT INTO c VALUES (1, 7) ON CONFLICT DO NOTHING",
    ),
    (
        "tables without a key",
        "CREATE TABLE c (a int, b text, j json); INSERT INTO c VALUES (1, 'x', '1'), (1, 'x', '1'), (2, NULL, NULL)",
        &["c"],
        "UPDATE c SET b = 'y' WHERE ctid IN (SELECT ctid FROM c WHERE a = 1 LIMIT 1); DELETE FROM c WHERE a = 2; INSERT INTO c VALUES (2, NULL, NULL), (2, NULL, NULL)",
    ),
    (
        "odd names",
        "CREATE SCHEMA \"Odd \"\"s\"\"\"; CREATE TABLE \"Odd \"\"s\"\"\".\"T a'b\" (\"I d\" int, \"select\" text, downhaul_p int, \"a\\b\" text, PRIMARY KEY (\"I d\", \"select\")); \
         INSERT INTO \"Odd \"\"s\"\"\".\"T a'b\" VALUES (1, 'x', 1, 'y'); CREATE VIEW v AS TABLE \"Odd \"\"s\"\"\".\"T a'b\"",
        &["v"],
        "UPDATE \"Odd \"\"s\"\"\".\"T a'b\" SET \"select\" = 'q'; INSERT INTO \"Odd \"\"s\"\"\".\"T a'b\" VALUES (2, 'x', 1, 'y'); TRUNCATE \"Odd \"\"s\"\"\".\"T a'b\"; \
         INSERT INTO \"Odd \"\"s\"\"\".\"T a'b\" VALUES (1, 'x', 1, 'y2')",
    ),
    (
        "p18: a session with triggers off, and an empty search_path",
        "CREATE TABLE c (id int PRIMARY KEY, v int); INSERT INTO c VALUES (1, 1), (2, 2)",
        &["c"],
        "SET session_replication_role = replica; SET search_path = ''; UPDATE public.c SET v = 5; DELETE FROM public.c WHERE id = 2; INSERT INTO public.c VALUES (3, 3); RESET ALL",
    ),
];

#[tokio::test]
async fn every_story_goes_back_and_forth() {
    // Both ways to write rows back, and both kinds of triggers.
    for (triggers, strategy) in [("auto", "auto"), ("row", "rewrite")] {
        for (name, setup, tables, ops) in STORIES {
            let mut stage = Stage::new(setup).await;
            stage.track(triggers);
            stage.mark("m");
            let then = stage.photograph(tables).await;
            stage.db.run(ops).await;
            let later = stage.photograph(tables).await;
            let restore = ["snapshot", "restore", "--yes", "--strategy", strategy];
            let out = stage.program.run(&[&restore[..], &["--to", "m"]].concat());
            assert_eq!(out.code, Some(0), "{name} ({triggers})\n{out}");
            assert_eq!(stage.photograph(tables).await, then, "{name} ({triggers})");
            let out = stage.program.run(&[&restore[..], &["--undo"]].concat());
            assert_eq!(out.code, Some(0), "undo of {name} ({triggers})\n{out}");
            assert_eq!(stage.photograph(tables).await, later, "undo of {name} ({triggers})");
        }
    }
}

#[tokio::test]
async fn p01_a_mark_never_splits_a_transaction() {
    let mut stage = Stage::new(
        "CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 0), (2, 0)",
    )
    .await;
    stage.track("auto");
    let mut open = stage.another().await;
    open.run("BEGIN; UPDATE t SET v = 1 WHERE id = 1").await;
    // The mark neither waits for the open transaction nor cuts it in two.
    stage.mark("m");
    open.run("UPDATE t SET v = 1 WHERE id = 2; COMMIT").await;
    stage.program.ok(&["snapshot", "restore", "--to", "m", "--yes"]);
    assert_eq!(stage.photograph(&["t"]).await, ["(1,0)", "(2,0)"]);
}

#[tokio::test]
async fn p02_a_statement_that_waited_comes_after_the_one_it_waited_for() {
    let mut stage = Stage::new(
        "CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 0), (2, 0)",
    )
    .await;
    stage.track("auto");
    stage.mark("m");
    let mut slow = stage.another().await;
    let waiting = tokio::spawn(async move {
        slow.run("UPDATE t SET v = v + 10 WHERE id = 1 OR (id = 2 AND pg_sleep(0.7) IS NOT NULL)")
            .await;
    });
    tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    stage.db.run("UPDATE t SET v = v + 1 WHERE id = 2").await;
    waiting.await.unwrap();
    stage.program.ok(&["snapshot", "restore", "--to", "m", "--yes"]);
    assert_eq!(stage.photograph(&["t"]).await, ["(1,0)", "(2,0)"]);
}

#[tokio::test]
async fn p03_a_truncate_that_cannot_see_all_rows_is_refused() {
    let mut stage =
        Stage::new("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)").await;
    stage.track("auto");
    let mut old = stage.another().await;
    old.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM t").await;
    stage.db.run("INSERT INTO t VALUES (2)").await;
    let refused = old.try_run("TRUNCATE t").await.unwrap_err();
    assert!(refused.to_string().contains("READ COMMITTED"), "{refused}");
    old.run("ROLLBACK").await;
    assert_eq!(stage.photograph(&["t"]).await, ["(1)", "(2)"]);
}

#[tokio::test]
async fn p04_p11_migrations_change_the_form_and_nothing_is_lost() {
    for triggers in ["auto", "row"] {
        forms_change(triggers).await;
    }
}

async fn forms_change(triggers: &str) {
    let mut stage = Stage::new(
        "CREATE TABLE c (id int PRIMARY KEY, a text, b numeric(10,4), d text DEFAULT 'dd'); \
         INSERT INTO c SELECT g, 'a' || g, g + 0.1234, 'd' || g FROM generate_series(1, 5) g; \
         CREATE TABLE gone (id int PRIMARY KEY, v text); INSERT INTO gone VALUES (1, 'x'), (2, 'y')",
    )
    .await;
    stage.program.migration(
        "0001_x",
        "ALTER TABLE c ADD COLUMN n int NOT NULL DEFAULT 7; UPDATE c SET n = id, a = upper(a); ALTER TABLE c RENAME COLUMN a TO aa; \
         ALTER TABLE c DROP COLUMN d; ALTER TABLE c ALTER COLUMN b TYPE numeric(10,1); ALTER TABLE c ALTER COLUMN id TYPE bigint; \
         DELETE FROM c WHERE id = 5; ALTER TABLE c RENAME TO cc; DROP TABLE gone;",
        "CREATE TABLE gone (id int PRIMARY KEY, v text); ALTER TABLE cc RENAME TO c; ALTER TABLE c ALTER COLUMN id TYPE int; \
         ALTER TABLE c ALTER COLUMN b TYPE numeric(10,4); ALTER TABLE c ADD COLUMN d text DEFAULT 'dd'; \
         ALTER TABLE c RENAME COLUMN aa TO a; ALTER TABLE c DROP COLUMN n;",
    );
    stage.track(triggers);
    stage.mark("m");
    const ROWS: &str = "SELECT ROW(id, a, b, d)::text FROM c ORDER BY 1";
    let then = stage.db.rows(ROWS).await;
    stage.db.run("UPDATE c SET a = 'pre' WHERE id = 1; DELETE FROM gone WHERE id = 1").await;
    stage.program.ok(&["up", "--yes"]);
    // The application goes on writing to the new form.
    stage.db.run("INSERT INTO cc VALUES (9, 'n', 1, 1); UPDATE cc SET b = 9.9 WHERE id = 2; DELETE FROM cc WHERE id = 3").await;
    check(&stage.program.run(&["snapshot", "diff", "m"]), Code::Clean, &["not compared", "cc:"]);
    stage.program.ok(&["down", "--yes"]);
    stage.program.ok(&["snapshot", "restore", "--to", "m", "--yes"]);
    assert_eq!(stage.db.rows(ROWS).await, then);
    assert_eq!(stage.photograph(&["gone"]).await, ["(1,x)", "(2,y)"]);
    check(&stage.program.run(&["snapshot", "status"]), Code::Clean, &[]);
    check(&stage.program.run(&["verify"]), Code::Clean, &["as the last run left it"]);
}

/// Types of which a key may be, with two values each.
const KEYS: &[(&str, &str, &str)] = &[
    ("smallint", "1", "2"),
    ("bigint", "1", "2"),
    ("numeric", "1.0", "1.01"),
    ("double precision", "'NaN'", "'-0'"),
    ("text COLLATE \"C\"", "'a'", "'A'"),
    ("text COLLATE loose", "'a'", "'b'"),
    ("varchar(9)", "'a'", "'a '"),
    ("char(9)", "'a'", "'b'"),
    ("name", "'a'", "'b'"),
    ("\"char\"", "'a'", "'b'"),
    ("bytea", "'\\x00'", "'\\x0000'"),
    ("uuid", "'00000000-0000-0000-0000-000000000000'", "'00000000-0000-0000-0000-000000000001'"),
    ("boolean", "true", "false"),
    ("date", "'infinity'", "'2026-01-01'"),
    ("timestamptz", "'2026-01-01'", "'2026-01-02'"),
    ("interval", "'1 day'", "'25 hours'"),
    ("inet", "'::1'", "'::1/64'"),
    ("macaddr8", "'08:00:2b:01:02:03:04:05'", "'08:00:2b:01:02:03:04:06'"),
    ("bit(3)", "'101'", "'100'"),
    ("varbit", "'101'", "'1010'"),
    ("int4range", "'[1,2)'", "'empty'"),
    ("integer[]", "'{1,NULL}'", "'{1,2}'"),
    ("jsonb", "'[1]'", "'1'"),
    ("regclass", "'pg_class'", "'pg_type'"),
    ("pg_lsn", "'0/1'", "'0/2'"),
    ("tsvector", "'a'", "'b'"),
    ("money", "1", "2"),
    ("mood", "'sad'", "'glad'"),
    ("few", "1", "2"),
];

#[tokio::test]
async fn keys_of_every_type_change_and_go_back() {
    let mut setup = "CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE DOMAIN few AS int CHECK (VALUE < 9); \
         CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
        .to_owned();
    let mut ops = String::new();
    let tables: Vec<String> = (0..KEYS.len()).map(|n| format!("k{n}")).collect();
    for (n, (ty, one, other)) in KEYS.iter().enumerate() {
        setup.push_str(&format!(
            "CREATE TABLE k{n} (k {ty}, half int, v int, PRIMARY KEY (half, k)); \
             INSERT INTO k{n} VALUES ({one}, 1, 1), ({one}, 2, 2);"
        ));
        // A key that changes in one of its columns; a row that takes the place of another.
        ops.push_str(&format!(
            "UPDATE k{n} SET k = {other}; UPDATE k{n} SET half = 3 WHERE half = 1; UPDATE k{n} SET half = 1, v = 9 WHERE half = 2; \
             UPDATE k{n} SET v = v + 1; DELETE FROM k{n} WHERE half = 3; INSERT INTO k{n} VALUES ({one}, 3, 7);"
        ));
    }
    for triggers in ["row", "statement"] {
        let mut stage = Stage::new(&setup).await;
        stage.track(triggers);
        stage.mark("m");
        let tables: Vec<&str> = tables.iter().map(String::as_str).collect();
        let then = stage.photograph(&tables).await;
        stage.db.run(&ops).await;
        let later = stage.photograph(&tables).await;
        stage.program.ok(&["snapshot", "restore", "--to", "m", "--yes"]);
        assert_eq!(stage.photograph(&tables).await, then, "{triggers}");
        stage.program.ok(&["snapshot", "restore", "--undo", "--yes"]);
        assert_eq!(stage.photograph(&tables).await, later, "{triggers}");
        // A text that another collation takes for the same is the same key.
        stage.mark("n");
        stage
            .db
            .run("UPDATE k5 SET k = 'B' WHERE k = 'b'; UPDATE k5 SET v = 5 WHERE k = 'b'")
            .await;
        stage.program.ok(&["snapshot", "restore", "--to", "n", "--yes"]);
        assert_eq!(stage.photograph(&tables).await, later, "{triggers}");
    }
}

#[tokio::test]
async fn triggers_that_an_earlier_release_made_suffice() {
    let mut stage =
        Stage::new("CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 1)").await;
    stage.track("row");
    // It had one more, for keys that change.
    stage
        .db
        .run(
            "CREATE FUNCTION downhaul.log_1_k() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; \
             CREATE TRIGGER \"!downhaul_track_k\" AFTER UPDATE ON t FOR EACH ROW WHEN (OLD.id IS DISTINCT FROM NEW.id) EXECUTE FUNCTION downhaul.log_1_k(); \
             ALTER TABLE t ENABLE ALWAYS TRIGGER \"!downhaul_track_k\"; \
             UPDATE downhaul.tracked SET detail = jsonb_set(detail::jsonb, '{triggers}', detail::jsonb -> 'triggers' || '[\"!downhaul_track_k\"]')::text",
        )
        .await;
    stage.mark("m");
    stage.db.run("CREATE INDEX ON t (v); UPDATE t SET id = 2, v = 2").await;
    check(&stage.program.run(&["snapshot", "status"]), Code::Clean, &["reaches back to mark `m`"]);
    stage.program.ok(&["snapshot", "restore", "--to", "m", "--yes"]);
    assert_eq!(stage.photograph(&["t"]).await, ["(1,1)"]);
    stage.db.run("ALTER TABLE t DISABLE TRIGGER \"!downhaul_track_u\"").await;
    check(&stage.program.run(&["snapshot", "status"]), Code::Drift, &["triggers are missing"]);
}

#[tokio::test]
async fn p05_a_form_changed_by_hand_is_told_and_never_guessed() {
    let mut stage = Stage::new(
        "CREATE TABLE c (id int PRIMARY KEY, v int, w int); INSERT INTO c VALUES (1, 1, 1)",
    )
    .await;
    stage.track("auto");
    stage.mark("m");
    stage.db.run("ALTER TABLE c DROP COLUMN w").await;
    check(&stage.program.run(&["snapshot", "status"]), Code::Drift, &["changed by hand"]);
    check(
        &stage.program.run(&["snapshot", "restore", "--to", "m", "--table", "c"]),
        Code::Findings,
        &["changed by hand", "downhaul snapshot track c"],
    );
    check(&stage.program.run(&["snapshot", "track", "c", "--yes"]), Code::Clean, &["begins anew"]);
    stage.db.run("UPDATE c SET v = 2").await;
    check(
        &stage.program.run(&["snapshot", "restore", "--to", "m", "--table", "c"]),
        Code::SnapshotNotSound,
        &["after the mark `m`"],
    );
    stage.mark("m2");
    stage.db.run("UPDATE c SET v = 3").await;
    stage.program.ok(&["snapshot", "restore", "--to", "m2", "--yes"]);
    assert_eq!(stage.photograph(&["c"]).await, ["(1,2)"]);
    // A trigger that was switched off has missed something.
    stage.db.run("ALTER TABLE c DISABLE TRIGGER \"~downhaul_track_u\"").await;
    check(&stage.program.run(&["snapshot", "status"]), Code::Drift, &["triggers are missing"]);
}

#[tokio::test]
async fn p12_p27_a_restore_that_cannot_be_whole_changes_nothing() {
    let mut stage = Stage::new(
        "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p ON DELETE CASCADE); INSERT INTO p VALUES (1)",
    )
    .await;
    check(&stage.program.run(&["snapshot", "track", "p", "--yes"]), Code::Clean, &[]);
    stage.mark("m");
    stage.db.run("INSERT INTO p VALUES (2); INSERT INTO c VALUES (1, 2)").await;
    check(
        &stage.program.run(&["snapshot", "restore", "--to", "m", "--yes"]),
        Code::SnapshotNotSound,
        &["1 row of public.c refer to rows that would go"],
    );
    assert_eq!(stage.photograph(&["p", "c"]).await, ["(1)", "(2)", "(1,2)"]);
    // A rule that swallows writes is found out.
    stage.db.run("DELETE FROM c; CREATE RULE r AS ON DELETE TO p DO INSTEAD NOTHING").await;
    check(
        &stage.program.run(&["snapshot", "restore", "--to", "m", "--yes"]),
        Code::SnapshotNotSound,
        &["not what they should be"],
    );
    assert_eq!(stage.db.value("SELECT count(*) FROM downhaul.restoration").await, Some("0".into()));
}

#[tokio::test]
async fn p23_numbers_are_never_handed_out_twice() {
    let mut stage = Stage::new(
        "CREATE TABLE c (id serial PRIMARY KEY, v int); INSERT INTO c (v) VALUES (1), (2)",
    )
    .await;
    stage.track("auto");
    stage.mark("m");
    stage.db.run("INSERT INTO c (v) VALUES (3)").await;
    stage.program.ok(&["snapshot", "restore", "--to", "m", "--yes"]);
    stage.db.run("INSERT INTO c (v) VALUES (4)").await;
    assert_eq!(stage.photograph(&["c"]).await, ["(1,1)", "(2,2)", "(4,4)"]);
}

#[tokio::test]
async fn whoever_may_write_to_the_table_needs_no_right_on_its_history() {
    let mut stage =
        Stage::new("CREATE TABLE c (id int PRIMARY KEY, v int); INSERT INTO c VALUES (1, 1)").await;
    stage.track("auto");
    stage.mark("m");
    let role = format!("app_{}", std::process::id());
    stage.db.run(&format!("CREATE ROLE {role}; GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON c TO {role}; SET ROLE {role}")).await;
    stage.db.run("UPDATE c SET v = 2; INSERT INTO c VALUES (2, 2); DELETE FROM c WHERE id = 1; TRUNCATE c").await;
    let refused = stage.db.try_run("SELECT * FROM downhaul.log_1_1").await.unwrap_err();
    assert!(refused.to_string().contains("permission denied"), "{refused}");
    stage.db.run("RESET ROLE").await;
    stage.program.ok(&["snapshot", "restore", "--to", "m", "--yes"]);
    assert_eq!(stage.photograph(&["c"]).await, ["(1,1)"]);
    stage.db.run(&format!("REVOKE ALL ON c FROM {role}; DROP ROLE {role}")).await;
}

#[tokio::test]
async fn an_owner_without_any_other_right_can_do_it_all() {
    let stage = Stage::new("SELECT 1").await;
    let role = format!("owner_{}", std::process::id());
    let mut admin = stage.another().await;
    admin.run(&format!("CREATE ROLE {role} LOGIN; DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO {role}', current_database()); END $$; GRANT CREATE ON SCHEMA public TO {role}")).await;
    let mut owned = Stage::as_user(&stage, &role).await;
    owned.db.run("CREATE TABLE p (id int PRIMARY KEY, u int UNIQUE); CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p ON DELETE CASCADE, v text); \
        ALTER TABLE c ENABLE ROW LEVEL SECURITY; ALTER TABLE c FORCE ROW LEVEL SECURITY; CREATE POLICY some_of_it ON c USING (id < 100) WITH CHECK (true); \
        INSERT INTO p VALUES (1, 1), (2, 2); INSERT INTO c VALUES (1, 1, 'a'), (2, 2, 'b'); \
        CREATE FUNCTION loud() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'a user trigger fired'; END $$").await;
    owned.track("auto");
    owned.mark("m");
    owned.db.run("DELETE FROM p WHERE id = 1; UPDATE p SET u = 1; UPDATE c SET v = 'x'; CREATE TRIGGER loud BEFORE INSERT ON c FOR EACH ROW EXECUTE FUNCTION loud()").await;
    // A row that its own policy hides from the owner.
    admin.run("ALTER TABLE c DISABLE TRIGGER loud; INSERT INTO c VALUES (100, 2, 'hidden'); ALTER TABLE c ENABLE TRIGGER loud").await;
    assert_eq!(owned.db.value("SELECT count(*) FROM c").await, Some("1".into()));
    check(
        &owned.program.run(&["snapshot", "restore", "--to", "m"]),
        Code::FailedUnchanged,
        &["row-level security"],
    );
    owned.program.ok(&["snapshot", "restore", "--to", "m", "--yes"]);
    assert_eq!(owned.photograph(&["p", "c"]).await, ["(1,1)", "(2,2)", "(1,1,a)", "(2,2,b)"]);
    assert_eq!(admin.value("SELECT count(*) FROM c").await, Some("2".into()));
    // Everything is as it was: the trigger fires, the key is checked at once, security is forced.
    assert!(owned.db.try_run("INSERT INTO c VALUES (9, 1, 'z')").await.is_err());
    assert_eq!(
        owned.db.value("SELECT (SELECT relforcerowsecurity FROM pg_class WHERE relname = 'c') AND NOT (SELECT condeferrable FROM pg_constraint WHERE conname = 'c_p_fkey')").await,
        Some("t".into())
    );
}

//! A table that is emptied and filled anew is what row by row would have made of it, and nothing
//! that hangs on it is lost.

use downhaul::exit_code::Code;
use downhaul_kit::Session;

use crate::stage::{Stage, check};

const TABLE: &str = "CREATE ROLE strategy_reader; CREATE TYPE mood AS ENUM ('a', 'b'); \
     CREATE TABLE big (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, grp int, code text UNIQUE, n numeric, mood mood, j json, \
       twice int GENERATED ALWAYS AS (grp * 2) STORED, CHECK (grp >= 0)); \
     CREATE INDEX big_grp ON big (grp DESC) WITH (fillfactor = 70) WHERE grp > 3; CREATE INDEX big_told ON big (n); COMMENT ON INDEX big_told IS 'told'; \
     CREATE UNIQUE INDEX big_low ON big (lower(code)); \
     COMMENT ON TABLE big IS 'c'; GRANT SELECT ON big TO strategy_reader; ALTER TABLE big ENABLE ROW LEVEL SECURITY; \
     CREATE POLICY p ON big USING (grp > 1); CREATE VIEW seen AS SELECT id, grp FROM big; \
     CREATE TABLE touched (n int); \
     CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO touched VALUES (1); RETURN NULL; END $$; \
     CREATE TRIGGER t AFTER INSERT OR TRUNCATE ON big FOR EACH STATEMENT EXECUTE FUNCTION fire(); \
     CREATE TRIGGER off AFTER UPDATE ON big FOR EACH STATEMENT EXECUTE FUNCTION fire(); ALTER TABLE big DISABLE TRIGGER off; \
     INSERT INTO big (grp, code, n, mood, j) SELECT g % 9, 'c' || g, g + 0.10, CASE WHEN g % 2 = 0 THEN 'a'::mood END, '{\"a\":1,\"a\":2}' FROM generate_series(1, 12000) g; \
     ANALYZE big; DELETE FROM touched";

/// Changes, puts in and takes out.
const WORK: &str = "UPDATE big SET grp = grp + 1, n = n + 0.0 WHERE id % 10 <> 0; DELETE FROM big WHERE id % 7 = 0; \
     UPDATE big SET code = 'c' || (id + 1) WHERE id = 12001; \
     INSERT INTO big (grp, code, mood) SELECT 1, 'new' || g, 'b' FROM generate_series(1, 500) g; DELETE FROM touched";

/// What hangs on the table.
const HANGS: &str = "SELECT pg_get_indexdef(indexrelid) || indisvalid::text || coalesce(obj_description(indexrelid), '') FROM pg_index WHERE indrelid = 'big'::regclass \
     UNION ALL SELECT pg_get_triggerdef(oid) || tgenabled::text FROM pg_trigger WHERE tgrelid = 'big'::regclass \
     UNION ALL SELECT concat(relacl, relrowsecurity, obj_description(oid), oid) FROM pg_class WHERE oid = 'big'::regclass \
     UNION ALL SELECT concat(conname, pg_get_constraintdef(oid), condeferrable, convalidated, obj_description(oid)) FROM pg_constraint WHERE conrelid = 'big'::regclass \
     UNION ALL SELECT attname || attnotnull::text FROM pg_attribute WHERE attrelid = 'big'::regclass AND attnum > 0 \
     UNION ALL SELECT polname::text FROM pg_policy UNION ALL SELECT count(*)::text FROM seen UNION ALL SELECT count(*)::text FROM touched ORDER BY 1";

/// Each table goes back to the mark `m` by being written anew.
const REWRITE: &[&str] = &["snapshot", "restore", "--to", "m", "--strategy", "rewrite"];

async fn hangs(stage: &mut Stage) -> Vec<Option<String>> {
    stage.db.rows(HANGS).await.into_iter().map(|mut row| row.swap_remove(0)).collect()
}

#[tokio::test]
async fn a_table_written_anew_keeps_all_that_hangs_on_it() {
    let mut stage = Stage::new(&TABLE.replace("strategy_reader", "strategy_reader_a")).await;
    stage.track("statement");
    stage.mark("m");
    let (then, hanging) = (stage.photograph(&["big"]).await, hangs(&mut stage).await);
    stage.db.run(WORK).await;
    let (later, hanging_later) = (stage.photograph(&["big"]).await, hangs(&mut stage).await);
    let preview = stage.program.run(&["snapshot", "restore", "--to", "m"]);
    check(
        &preview,
        Code::Clean,
        &[
            "written anew as a whole, readers wait",
            "% of its rows change",
            "judged by this preview",
        ],
    );
    for (to, wanted, around) in [
        (vec!["--to", "m"], &then, &hanging),
        (vec!["--undo"], &later, &hanging_later),
        (vec!["--undo"], &then, &hanging),
    ] {
        let args = [vec!["snapshot", "restore", "--yes"], to].concat();
        let out = stage.program.run(&args);
        check(&out, Code::Clean, &["written anew as a whole", "all as they should be"]);
        assert!(!out.stderr.contains("row by row"), "{out}");
        assert_eq!(stage.photograph(&["big"]).await, *wanted, "{args:?}");
        assert_eq!(hangs(&mut stage).await, *around, "{args:?}");
    }
    // It is tracked as before.
    stage.mark("n");
    stage.db.run("UPDATE big SET grp = 3; TRUNCATE big").await;
    stage.program.ok(&["snapshot", "restore", "--to", "n", "--yes"]);
    assert_eq!(stage.photograph(&["big"]).await, then);
}

#[tokio::test]
async fn who_has_an_older_snapshot_keeps_a_table_from_being_written_anew() {
    let mut stage = Stage::new(
        "CREATE TABLE p (id int PRIMARY KEY, v int); CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p); \
         CREATE TABLE pub (id int PRIMARY KEY, v int); CREATE TABLE free (id int PRIMARY KEY, v int); \
         CREATE TABLE ruled (id int PRIMARY KEY, v int); CREATE RULE r AS ON INSERT TO ruled WHERE NEW.id < 0 DO INSTEAD NOTHING; \
         CREATE TABLE bag (v int); \
         INSERT INTO p SELECT g, 0 FROM generate_series(1, 9) g; INSERT INTO c SELECT id, id FROM p; INSERT INTO pub SELECT * FROM p; \
         INSERT INTO free SELECT * FROM p; INSERT INTO ruled SELECT * FROM p; INSERT INTO bag SELECT 0 FROM p; CREATE PUBLICATION pubs FOR TABLE pub",
    )
    .await;
    stage.track("auto");
    stage.mark("m");
    let tables = ["p", "c", "pub", "free", "ruled", "bag"];
    let then = stage.photograph(&tables).await;
    stage.db.run("UPDATE p SET v = 1; UPDATE c SET p = 1; UPDATE pub SET v = 1; UPDATE free SET v = 1; UPDATE ruled SET v = 1; UPDATE bag SET v = 1").await;
    let mut old = stage.another().await;
    old.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM p").await;
    check(
        &stage.program.run(REWRITE),
        Code::Clean,
        &[
            "row by row: you chose so, but c refers to it",
            "row by row: you chose so, but it is published to other servers",
            "row by row: you chose so, but it has rules",
            "row by row: you chose so, but it has no key",
            "written anew as a whole, readers wait: you chose so",
            "whoever reads c, free waits until it is done, and finds the restored rows",
            "will still look as before",
        ],
    );
    check(
        &stage.program.run(&[REWRITE, &["--yes"]].concat()),
        Code::Clean,
        &[
            "free: row by row, since a transaction that began before may keep to an older snapshot: process ",
        ],
    );
    assert_eq!(stage.photograph(&tables).await, then);
    // The old snapshot sees what it saw.
    assert_eq!(old.value("SELECT sum(v) FROM free").await.as_deref(), Some("9"));
    old.run("COMMIT").await;
}

#[tokio::test]
async fn rows_that_differ_in_a_byte_have_other_hashes() {
    let mut stage = Stage::new("CREATE TYPE mood AS ENUM ('a', 'b')").await;
    for (ty, values) in [
        ("numeric", vec!["'1.0'", "'1.00'", "'1'", "'NaN'", "'Infinity'", "NULL"]),
        ("numeric(6,2)", vec!["1", "1.01", "0", "'NaN'", "NULL"]),
        ("double precision", vec!["'0'", "'-0'", "'NaN'"]),
        ("text", vec!["''", "' '", "'a'", "'A'", "NULL"]),
        ("character varying(9)", vec!["'a'", "'a '", "'b'"]),
        ("json", vec!["'[1,2]'", "'[1, 2]'", "'null'", "NULL"]),
        ("bytea", vec![r"'\\x00'", r"'\\x0000'", "''"]),
        ("timestamp with time zone", vec!["'infinity'", "'2026-01-01'", "'-infinity'"]),
        ("boolean", vec!["true", "false", "NULL"]),
        ("text[]", vec!["'{}'", "'{NULL}'", "'{\"\"}'"]),
        ("mood", vec!["'a'", "'b'"]),
    ] {
        let known = if ty == "mood" { "" } else { ty };
        let hash =
            downhaul_snapshot::sql::row_hash(&[("1".into(), "integer"), ("v".into(), known)]);
        let rows: Vec<String> = values.iter().map(|value| format!("({value}::{ty})")).collect();
        let sql = format!(
            "SELECT count(DISTINCT {hash}), count(*) FROM (VALUES {}) t (v)",
            rows.join(", ")
        );
        let found = stage.db.rows(&sql).await.swap_remove(0);
        assert_eq!(found[0], found[1], "{sql}");
    }
}

#[tokio::test]
async fn what_slips_in_while_a_table_is_filled_is_found() {
    let mut stage = Stage::new(
        "CREATE FUNCTION slip(int, int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN \
           IF $1 = 7 AND $2 = 1 AND current_query() LIKE 'COPY%FROM STDIN%' THEN INSERT INTO t VALUES (-7, 0); END IF; RETURN true; END $$; \
         CREATE TABLE t (id int PRIMARY KEY, v int, CHECK (slip(id, v))); INSERT INTO t SELECT g, 1 FROM generate_series(1, 40) g",
    )
    .await;
    stage.track("statement");
    stage.mark("m");
    stage.db.run("UPDATE t SET v = 2; UPDATE t SET v = 3 WHERE id > 5").await;
    let later = stage.photograph(&["t"]).await;
    let out = stage.program.run(&[REWRITE, &["--yes"]].concat());
    check(&out, Code::SnapshotNotSound, &["something changed them on the way"]);
    assert_eq!(stage.photograph(&["t"]).await, later);
    stage.program.ok(&["snapshot", "restore", "--to", "m", "--strategy", "rows", "--yes"]);
    assert_eq!(stage.db.value("SELECT sum(v) FROM t").await.as_deref(), Some("40"));
}

/// A table that takes as long to fill as somebody holds the advisory lock 77.
const GATED: &str = "CREATE FUNCTION gate(int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM pg_advisory_xact_lock_shared(77); RETURN true; END $$; \
     CREATE TABLE t (id int PRIMARY KEY, v int CHECK (gate(v)), big text); CREATE TABLE aside (n int); \
     INSERT INTO t SELECT g, 1, repeat(md5(g::text), CASE WHEN g % 50 = 0 THEN 2000 ELSE 1 END) FROM generate_series(1, 400) g; ALTER TABLE t ALTER big SET STORAGE EXTERNAL; ANALYZE t; \
     CREATE FUNCTION sum_of_t() RETURNS bigint STABLE LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT sum(v) FROM t); END $$";

async fn until(db: &mut Session, what: &str, sql: &str) {
    for _ in 0..600 {
        if db.value(sql).await.as_deref() == Some("t") {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("{what}: never came true: {sql}");
}

#[tokio::test]
async fn nobody_ever_finds_a_table_empty_that_is_written_anew() {
    let mut stage = Stage::new(GATED).await;
    stage.track("auto");
    stage.mark("m");
    let then = stage.photograph(&["t"]).await;
    stage.db.run("UPDATE t SET v = 3, big = big || 'x'").await;
    let mut gate = stage.another().await;
    // Sessions as they are when it begins: idle, idle in a transaction, with a plan of their own.
    let mut idle = stage.another().await;
    idle.run("BEGIN; SELECT 1").await;
    let mut prepared = stage.another().await;
    prepared.run("SET plan_cache_mode = force_generic_plan; PREPARE q AS SELECT sum(v) FROM t; EXECUTE q; EXECUTE q").await;
    let mut late = stage.another().await;
    gate.run("SELECT pg_advisory_lock(77)").await;
    let restore = stage.program.spawn(&[REWRITE, &["--yes", "--lock-timeout", "100000"]].concat());
    until(
        &mut gate,
        "the restore fills the table",
        "SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND objid = 77 AND NOT granted",
    )
    .await;
    // It is empty now, but for what is not committed. Snapshots that are taken by now:
    late.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM aside").await;
    let mut serial = stage.another().await;
    serial.run("BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT count(*) FROM aside").await;
    let mut exporting = stage.another().await;
    exporting.run("BEGIN ISOLATION LEVEL REPEATABLE READ").await;
    let exported = exporting.value("SELECT pg_export_snapshot()").await.unwrap();
    let mut importing = stage.another().await;
    importing
        .run(&format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT '{exported}'; SELECT count(*) FROM aside"
        ))
        .await;
    // These come to the table while it is locked.
    let mut waiting = Vec::new();
    for (what, sql) in [
        ("READ COMMITTED", "SELECT sum(v) FROM t"),
        ("a stable function", "SELECT sum_of_t()"),
        (
            "a transaction that waits with its first statement",
            "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT sum(v) FROM t; COMMIT",
        ),
        ("a cursor", "BEGIN; DECLARE c CURSOR FOR SELECT sum(v) FROM t; FETCH c; COMMIT"),
    ] {
        let mut session = stage.another().await;
        waiting.push((what, tokio::spawn(async move { session.value(sql).await })));
    }
    waiting.push(("a plan", tokio::spawn(async move { prepared.value("EXECUTE q").await })));
    until(
        &mut gate,
        "all of them wait",
        "SELECT count(*) = 5 FROM pg_locks WHERE relation = 't'::regclass AND NOT granted",
    )
    .await;
    gate.run("SELECT pg_advisory_unlock(77)").await;
    let done = stage.program.wait(restore);
    check(&done, Code::Clean, &["written anew as a whole", "all as they should be"]);
    assert!(!done.stderr.contains("row by row"), "{done}");
    for (what, task) in waiting {
        assert_eq!(task.await.unwrap().as_deref(), Some("400"), "{what}");
    }
    for (what, mut session) in [
        ("idle in transaction", idle),
        ("a snapshot from meanwhile", late),
        ("SERIALIZABLE", serial),
        ("an exported snapshot", exporting),
        ("an imported snapshot", importing),
    ] {
        assert_eq!(session.value("SELECT sum(v) FROM t").await.as_deref(), Some("400"), "{what}");
        assert_eq!(
            session
                .value("SET enable_seqscan = off; SELECT v FROM t WHERE id = 7")
                .await
                .as_deref(),
            Some("1"),
            "{what}, by the index"
        );
    }
    assert_eq!(stage.photograph(&["t"]).await, then);
    stage.program.ok(&["snapshot", "restore", "--undo", "--yes"]);
    assert_eq!(stage.db.value("SELECT sum(v) FROM t").await.as_deref(), Some("1200"));
}

#[tokio::test]
async fn who_cannot_be_known_counts_as_having_a_snapshot() {
    let stage = Stage::new("CREATE TABLE theirs (n int)").await;
    let role = format!("blind_{}", std::process::id());
    let mut admin = stage.another().await;
    admin.run(&format!("CREATE ROLE {role} LOGIN; DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO {role}', current_database()); END $$; GRANT CREATE ON SCHEMA public TO {role}")).await;
    let mut owned = Stage::as_user(&stage, &role).await;
    owned.db.run("CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t SELECT g, 1 FROM generate_series(1, 9) g").await;
    owned.track("auto");
    owned.mark("m");
    owned.db.run("UPDATE t SET v = 2").await;
    let rewrite = [REWRITE, &["--yes", "--lock-timeout", "200"]].concat();
    // It has no snapshot between its statements, but its owner alone could know.
    admin.run("BEGIN; SELECT count(*) FROM theirs").await;
    check(
        &owned.program.run(&rewrite),
        Code::Clean,
        &[
            "row by row, since a transaction that began before",
            "of which this user may see no more",
        ],
    );
    assert_eq!(owned.db.value("SELECT sum(v) FROM t").await.as_deref(), Some("9"));
    admin.run("COMMIT").await;
    owned.db.run("UPDATE t SET v = 2").await;
    let out = owned.program.run(&rewrite);
    check(&out, Code::Clean, &["written anew as a whole"]);
    assert!(!out.stderr.contains("row by row"), "{out}");
    assert_eq!(owned.db.value("SELECT sum(v) FROM t").await.as_deref(), Some("9"));
    // Who reads it in a cursor goes on reading.
    owned.db.run("UPDATE t SET v = 2").await;
    let mut reading = owned.another().await;
    reading.run("BEGIN; DECLARE c CURSOR FOR SELECT v FROM t ORDER BY id; FETCH c").await;
    check(&owned.program.run(&rewrite), Code::Clean, &["row by row, since"]);
    assert_eq!(reading.value("FETCH c").await.as_deref(), Some("2"));
}

#[tokio::test]
async fn the_tables_of_one_restore_go_the_same_way() {
    let mut stage = Stage::new(
        "CREATE TABLE p (id int PRIMARY KEY, v int); CREATE TABLE big (id int PRIMARY KEY, p int REFERENCES p, v int); CREATE TABLE small (id int PRIMARY KEY, v int); \
         INSERT INTO p SELECT g, 0 FROM generate_series(1, 9) g; INSERT INTO small SELECT * FROM p; \
         INSERT INTO big SELECT g, 1, 0 FROM generate_series(1, 12000) g; ANALYZE",
    )
    .await;
    stage.track("auto");
    stage.mark("m");
    let then = stage.photograph(&["p", "small", "big"]).await;
    stage.db.run("UPDATE big SET v = 1; UPDATE small SET v = 1").await;
    check(
        &stage.program.run(&["snapshot", "restore", "--to", "m"]),
        Code::Clean,
        &["100 % of its rows change", "it is small, and big is written anew"],
    );
    // The parent of others cannot be emptied, so none of them is.
    stage.db.run("UPDATE p SET v = 1").await;
    let out = stage.program.run(&["snapshot", "restore", "--to", "m", "--yes"]);
    check(&out, Code::Clean, &["100 % of its rows change, but p goes row by row"]);
    assert!(!out.stdout.contains("anew as a whole"), "{out}");
    assert_eq!(stage.photograph(&["p", "small", "big"]).await, then);
}

/// Tables on whose keys something hangs, or that are more than their columns say.
const KEYS: &str = "CREATE TABLE grouped (id int PRIMARY KEY, v int); CREATE VIEW by_id AS SELECT id, v FROM grouped GROUP BY id; \
     CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree, v int); CREATE TABLE told (id int PRIMARY KEY, v int); COMMENT ON CONSTRAINT told_pkey ON told IS 'told'; \
     CREATE TABLE late (id int PRIMARY KEY, code int UNIQUE DEFERRABLE INITIALLY DEFERRED, v int); \
     CREATE TABLE wide (id int, place text COLLATE \"C\", v int, CONSTRAINT \"the Key\" PRIMARY KEY (place, id) INCLUDE (v) WITH (fillfactor = 60), UNIQUE (v, id) WITH (fillfactor = 50)); \
     CREATE TABLE replicated (id int PRIMARY KEY, code int NOT NULL UNIQUE, v int); ALTER TABLE replicated REPLICA IDENTITY USING INDEX replicated_code_key; \
     CREATE TABLE clustered (id int PRIMARY KEY, code int UNIQUE, v int); ALTER TABLE clustered CLUSTER ON clustered_code_key; \
     CREATE TABLE ranged (id int PRIMARY KEY, span int4range, v int, EXCLUDE USING gist (span WITH &&)); \
     INSERT INTO grouped SELECT g, 0 FROM generate_series(1, 9) g; INSERT INTO tree SELECT id, nullif(id - 1, 0), 0 FROM grouped; INSERT INTO told SELECT * FROM grouped; \
     INSERT INTO late SELECT id, id, 0 FROM grouped; INSERT INTO wide SELECT id, 'p' || id, 0 FROM grouped; INSERT INTO replicated SELECT id, id, 0 FROM grouped; \
     INSERT INTO clustered SELECT id, id, 0 FROM grouped; INSERT INTO ranged SELECT id, int4range(id, id + 1), 0 FROM grouped";

const THEIR_KEYS: &str = "SELECT concat(conrelid::regclass, conname, pg_get_constraintdef(oid), condeferrable, condeferred, convalidated, obj_description(oid)) FROM pg_constraint WHERE connamespace = 'public'::regnamespace \
     UNION ALL SELECT concat(pg_get_indexdef(indexrelid), indisvalid, indisunique, indisprimary, indisreplident, indisclustered, indimmediate) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE relnamespace = 'public'::regnamespace \
     UNION ALL SELECT concat(attrelid::regclass, attname, attnotnull) FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1";

#[tokio::test]
async fn keys_are_what_they_were_after_a_table_was_written_anew() {
    let mut stage = Stage::new(KEYS).await;
    let tables = ["grouped", "tree", "told", "late", "wide", "replicated", "clustered", "ranged"];
    stage.track("statement");
    stage.mark("m");
    let keys = stage.db.rows(THEIR_KEYS).await;
    let then = stage.photograph(&tables).await;
    for table in tables {
        stage.db.run(&format!("UPDATE {table} SET v = id; DELETE FROM {table} WHERE id = 9")).await;
    }
    let later = stage.photograph(&tables).await;
    for (args, wanted) in [
        (["--to", "m", "--strategy", "rewrite"].as_slice(), &then),
        (&["--undo", "--strategy", "rewrite"], &later),
    ] {
        let out = stage.program.run(&[&["snapshot", "restore", "--yes"], args].concat());
        check(&out, Code::Clean, &["written anew as a whole", "all as they should be"]);
        assert!(!out.stdout.contains("row by row"), "{out}");
        assert_eq!(stage.photograph(&tables).await, *wanted);
        assert_eq!(stage.db.rows(THEIR_KEYS).await, keys, "{args:?}");
    }
    assert_eq!(stage.db.value("SELECT count(*) FROM by_id").await.as_deref(), Some("8"));
}

/// Values of many kinds, in the order of the key and in none; what is made on the way is told by `made`.
const ALL_ROWS: &str = "CREATE TYPE hue AS ENUM ('red', 'blue'); CREATE DOMAIN positive AS int CHECK (VALUE > 0); \
     CREATE TABLE sorted (id int PRIMARY KEY, v int, hue hue, p positive, n numeric(6,2), long text, twice int GENERATED ALWAYS AS (v * 2) STORED); \
     ALTER TABLE sorted ALTER long SET STORAGE EXTERNAL; CREATE INDEX ON sorted (v); \
     INSERT INTO sorted SELECT g, g, CASE WHEN g % 3 = 0 THEN 'blue'::hue END, g, CASE WHEN g % 5 = 0 THEN 'NaN' ELSE g / 100.0 END, repeat('y', CASE WHEN g % 1000 = 0 THEN 9000 ELSE 3 END) \
       FROM generate_series(1, 12000) g; \
     CREATE TABLE shuffled (place text, id int, v float8, PRIMARY KEY (place, id)); \
     INSERT INTO shuffled SELECT md5(g::text), g, CASE WHEN g % 2 = 0 THEN '-0' ELSE g END FROM generate_series(1, 12000) g; \
     CREATE TABLE coloured (hue hue, id int, v int, PRIMARY KEY (id, hue)); INSERT INTO coloured SELECT 'red', g, g FROM generate_series(1, 12000) g; ANALYZE; \
     CREATE TABLE made (name text); \
     CREATE FUNCTION tell() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.made SELECT object_identity FROM pg_event_trigger_ddl_commands(); END $$; \
     CREATE EVENT TRIGGER tell ON ddl_command_end WHEN TAG IN ('CREATE TABLE AS') EXECUTE FUNCTION tell()";

#[tokio::test]
async fn all_rows_of_one_statement_come_back_from_where_the_history_has_them() {
    let mut stage = Stage::new(ALL_ROWS).await;
    stage.program.ok(&[
        "snapshot",
        "track",
        "sorted",
        "shuffled",
        "coloured",
        "--yes",
        "--triggers",
        "statement",
    ]);
    // The histories know more than what is wanted of them.
    stage.db.run("UPDATE sorted SET v = v + 3; UPDATE shuffled SET v = v WHERE id > 6000").await;
    stage.mark("m");
    let tables = ["sorted", "shuffled", "coloured"];
    let then = stage.photograph(&tables).await;
    // Of some rows nothing becomes another value.
    stage.db.run("UPDATE sorted SET v = CASE WHEN id % 4 = 0 THEN v ELSE -v END, hue = 'red', n = n + 1, long = left(long, 8000)").await;
    stage.db.run("UPDATE shuffled SET v = v * 2; UPDATE coloured SET v = v + 1").await;
    let later = stage.photograph(&tables).await;
    let made = |name: &str| {
        format!("SELECT count(DISTINCT name) FROM made WHERE name LIKE '%downhaul_{name}%'")
    };
    for (to, wanted) in [(vec!["--to", "m"], &then), (vec!["--undo"], &later)] {
        let out = stage.program.run(&[vec!["snapshot", "restore", "--yes"], to.clone()].concat());
        check(&out, Code::Clean, &["written anew as a whole", "all as they should be"]);
        assert!(!out.stderr.contains("row by row"), "{out}");
        assert_eq!(stage.photograph(&tables).await, *wanted, "{to:?}");
        let (plans, sorts) = (made("plan"), made("whole"));
        assert_eq!(stage.db.value(&plans).await.as_deref(), Some("0"), "nothing is copied");
        if to[0] == "--to" {
            assert_eq!(stage.db.value(&sorts).await.as_deref(), Some("1"), "but to be sorted");
        }
    }
    // What is not the whole of it is written down first.
    for more in [vec!["--where", "v < 0"], vec!["--columns", "v"], vec!["--strategy", "rows"]] {
        let args = [vec!["snapshot", "restore", "--to", "m", "--yes"], more].concat();
        stage.program.ok(&args);
        stage.program.ok(&["snapshot", "restore", "--undo", "--yes"]);
        assert_eq!(stage.photograph(&tables).await, later, "{args:?}");
    }
    assert_ne!(stage.db.value(&made("plan")).await.as_deref(), Some("0"));
    // A plan in a file is written down to be compared.
    let file = std::env::temp_dir().join(format!("downhaul_all_rows_{}.json", std::process::id()));
    let file = file.to_str().unwrap();
    stage.program.ok(&["snapshot", "restore", "--to", "m", "--out", file]);
    stage.program.ok(&["snapshot", "restore", "--plan", file]);
    std::fs::remove_file(file).unwrap();
    assert_eq!(stage.photograph(&tables).await, then);
    // One row that the statement passed over, or one of another statement, is noticed.
    for but in [
        "UPDATE coloured SET v = v + 5 WHERE id > 1",
        "WITH gone AS (DELETE FROM coloured WHERE id = 2) UPDATE coloured SET v = v + 5 WHERE id > 2",
        "UPDATE coloured SET id = id + 20000",
    ] {
        let (mark, then) = (format!("n{}", but.len()), stage.photograph(&tables).await);
        stage.mark(&mark);
        stage.db.run("DELETE FROM made").await;
        stage.db.run(but).await;
        stage.program.ok(&["snapshot", "restore", "--to", &mark, "--yes"]);
        assert_eq!(stage.photograph(&tables).await, then, "{but}");
        assert_ne!(stage.db.value(&made("plan")).await.as_deref(), Some("0"), "{but}");
    }
}

#[tokio::test]
async fn what_is_done_at_once_is_compared_only_where_rows_may_be_equal() {
    let mut stage = Stage::new(
        "CREATE TABLE t (id int PRIMARY KEY, v int, w text); INSERT INTO t SELECT g, g, 'w' || g FROM generate_series(1, 12000) g; ANALYZE",
    )
    .await;
    stage.track("statement");
    let restore = |stage: &Stage, to: &[&str]| {
        let out = stage.program.ok(&[&["snapshot", "restore", "--format", "json"], to].concat());
        let found: serde_json::Value = serde_json::from_str(&out.stdout).unwrap();
        let table = &found["tables"][0];
        let told = (table["counts"].as_str().unwrap(), table["updates"].as_i64().unwrap());
        let columns = table["columns"].as_array().unwrap().len();
        (told.0.to_owned(), told.1, columns)
    };
    for (mark, work, told) in [
        ("all", "UPDATE t SET v = v + 1, w = w || 'x'", ("at most", 12_000, 0)),
        ("a half", "UPDATE t SET v = v + id % 2", ("exact", 6_000, 1)),
        ("but one", "UPDATE t SET v = v + 1 WHERE id <> 77", ("exact", 11_999, 1)),
        ("two", "UPDATE t SET v = v + 1; UPDATE t SET w = w || 'y'", ("exact", 12_000, 2)),
    ] {
        let told = (told.0.to_owned(), told.1, told.2);
        let then = stage.photograph(&["t"]).await;
        stage.mark(mark);
        stage.db.run(work).await;
        let later = stage.photograph(&["t"]).await;
        let (exact, rows, _) = restore(&stage, &["--to", mark]);
        assert_eq!((exact.as_str(), rows), ("exact", told.1), "a preview of {mark}");
        assert_eq!(restore(&stage, &["--to", mark, "--yes"]), told, "{mark}");
        assert_eq!(stage.photograph(&["t"]).await, then, "{mark}");
        restore(&stage, &["--undo", "--yes"]);
        assert_eq!(stage.photograph(&["t"]).await, later, "{mark}");
    }
    // Who turns out to be in the way has the rows compared after all.
    let then = stage.photograph(&["t"]).await;
    stage.mark("read");
    stage.db.run("UPDATE t SET v = v - 5").await;
    let later = stage.photograph(&["t"]).await;
    let mut reading = stage.another().await;
    reading.run("BEGIN; DECLARE c CURSOR FOR SELECT v FROM t ORDER BY id; FETCH c").await;
    let args = ["snapshot", "restore", "--to", "read", "--yes", "--lock-timeout", "200"];
    let done = stage.program.run(&args);
    check(&done, Code::Clean, &["row by row, since", "12,000 rows compared afterwards"]);
    assert_eq!(stage.photograph(&["t"]).await, then);
    reading.run("COMMIT").await;
    stage.program.ok(&["snapshot", "restore", "--undo", "--yes"]);
    assert_eq!(stage.photograph(&["t"]).await, later);
}

/// Neither statistics nor the size of a table say how many rows it has: it was never analyzed, and is full of dead ones.
#[tokio::test]
async fn a_share_is_one_of_the_rows_that_are_there() {
    let mut stage = Stage::new(
        "CREATE TABLE big (id int PRIMARY KEY, n int, note text) WITH (autovacuum_enabled = off); \
         INSERT INTO big SELECT g, 0, repeat('x', 100) FROM generate_series(1, 30000) g",
    )
    .await;
    for _ in 0..3 {
        stage.db.run("UPDATE big SET n = n + 1").await;
    }
    stage.track("statement");
    stage.mark("m");
    let then = stage.photograph(&["big"]).await;
    stage.db.run("UPDATE big SET n = -1 WHERE id % 2 = 0").await;
    let preview = stage.program.run(&["snapshot", "restore", "--to", "m"]);
    let before = preview.stdout.split(" % of its rows change").next().unwrap();
    let share: i32 = before.rsplit(' ').next().unwrap().parse().unwrap();
    assert!((45..=55).contains(&share), "{preview}");
    check(&preview, Code::Clean, &["written anew as a whole"]);
    stage.program.ok(&["snapshot", "restore", "--to", "m", "--yes"]);
    assert_eq!(stage.photograph(&["big"]).await, then);
}

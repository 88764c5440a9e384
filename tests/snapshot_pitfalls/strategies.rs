//! A table that is emptied and filled anew is what row by row would have made of it, and nothing
//! that hangs on it is lost.

use downhaul::exit_code::Code;

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
     UNION ALL SELECT polname::text FROM pg_policy UNION ALL SELECT count(*)::text FROM seen UNION ALL SELECT count(*)::text FROM touched ORDER BY 1";

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
async fn who_would_find_a_table_empty_keeps_it_from_being_written_anew() {
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
        &stage.program.run(&["snapshot", "restore", "--to", "m", "--strategy", "rewrite"]),
        Code::Clean,
        &[
            "row by row: you chose so, but c refers to it",
            "row by row: you chose so, but it is published to other servers",
            "row by row: you chose so, but it has rules",
            "row by row: you chose so, but it has no key",
            "written anew as a whole, readers wait: you chose so",
        ],
    );
    check(
        &stage.program.run(&["snapshot", "restore", "--to", "m", "--strategy", "rewrite", "--yes"]),
        Code::Clean,
        &["free: row by row, since other transactions have a snapshot that would find it empty"],
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
        ("numeric(6,2)", vec!["1", "1.01", "NULL"]),
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

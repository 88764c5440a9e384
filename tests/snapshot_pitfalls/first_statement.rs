//! Several statements since the mark, the first of which changed every row: the table becomes what that one left
//! in the history, as long as nothing else lies between.

use downhaul::exit_code::Code;

use crate::stage::{Stage, check};

/// In the order of its key, in none, and one whose statements nest. `made` tells which tables are made on the way.
const TABLES: &str = "CREATE TABLE sorted (id int PRIMARY KEY, v int, n numeric, name text); \
     INSERT INTO sorted SELECT g, g, g / 4.0, 't' || g FROM generate_series(1, 12000) g; \
     CREATE TABLE shuffled (id text PRIMARY KEY, v int, n numeric, name text); \
     INSERT INTO shuffled SELECT md5(g::text), g, NULLIF(g % 3, 0), 't' FROM generate_series(1, 12000) g; \
     CREATE TABLE nested (id int PRIMARY KEY, v int, n numeric, name text); INSERT INTO nested SELECT * FROM sorted; \
     CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
       IF pg_trigger_depth() = 1 THEN UPDATE nested SET v = v + 100, name = 'again'; END IF; RETURN NULL; END $$; \
     CREATE TRIGGER again AFTER UPDATE ON nested FOR EACH STATEMENT EXECUTE FUNCTION again(); \
     CREATE TABLE parent (id int PRIMARY KEY, v int, n numeric, name text); INSERT INTO parent SELECT * FROM sorted; \
     CREATE TABLE child (id int REFERENCES parent); ANALYZE; CREATE TABLE made (name text); \
     CREATE FUNCTION tell() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.made SELECT object_identity FROM pg_event_trigger_ddl_commands(); END $$; \
     CREATE EVENT TRIGGER tell ON ddl_command_end WHEN TAG IN ('CREATE TABLE AS') EXECUTE FUNCTION tell()";

const NAMES: [&str; 4] = ["sorted", "shuffled", "nested", "parent"];

/// Whether a plan was written down.
const WRITTEN: &str = "SELECT count(*) > 0 FROM made WHERE name LIKE '%downhaul_plan%'";

async fn stage() -> Stage {
    let stage = Stage::new(TABLES).await;
    let mut args = vec!["snapshot", "track"];
    args.extend(NAMES);
    args.extend(["--yes", "--triggers", "statement"]);
    stage.program.ok(&args);
    stage
}

/// Restores to a mark, with all that lies between; then that is undone, and done again.
async fn goes_back(stage: &mut Stage, (table, mark): (&str, &str), then: &[String], written: bool) {
    let later = stage.photograph(&NAMES).await;
    stage.db.run("DELETE FROM made").await;
    let out = stage.program.run(&["snapshot", "restore", "--to", mark, "--table", table, "--yes"]);
    let told = if then == later { "nothing differs" } else { "all as they should be" };
    check(&out, Code::Clean, &[told]);
    assert_eq!(stage.photograph(&NAMES).await, then, "{mark}");
    let found = stage.db.value(WRITTEN).await;
    assert_eq!(found.as_deref(), Some(if written { "t" } else { "f" }), "{mark}: {out}");
    if then == later {
        return;
    }
    for wanted in [&later[..], then] {
        stage.program.ok(&["snapshot", "restore", "--undo", "--yes"]);
        assert_eq!(stage.photograph(&NAMES).await, wanted, "{mark}");
    }
}

#[tokio::test]
async fn what_was_made_and_reverted_is_only_compared() {
    let mut stage = stage().await;
    for table in ["sorted", "shuffled", "parent"] {
        let (one, other) = (format!("{table} 1"), format!("{table} 2"));
        let then = stage.photograph(&NAMES).await;
        stage.mark(&one);
        for what in
            ["v + 1", "v - 1", "v + 7 WHERE v % 2 = 0", "v - 7 WHERE v % 2 = 1 AND name LIKE '%7'"]
        {
            stage.db.run(&format!("UPDATE {table} SET v = {what}")).await;
        }
        let back = "UPDATE {} t SET v = s.v FROM (SELECT id, row_number() OVER (ORDER BY length(name), name)::int AS v FROM {}) s WHERE s.id = t.id";
        match table {
            // Rows are numbered as they were.
            "shuffled" => stage.db.run("UPDATE shuffled t SET v = g FROM generate_series(1, 12000) g WHERE id = md5(g::text)").await,
            _ => stage.db.run(&back.replace("{}", table)).await,
        }
        goes_back(&mut stage, (table, &one), &then, false).await;
        // One column was, another was not.
        stage.mark(&other);
        stage.db.run(&format!("UPDATE {table} SET v = v + 1, name = name || 'x'")).await;
        stage.db.run(&format!("UPDATE {table} SET v = v - 1, n = n + 0.0")).await;
        let later = stage.photograph(&NAMES).await;
        stage.db.run("DELETE FROM made").await;
        let to = ["snapshot", "restore", "--to", &other, "--table", table, "--yes", "--columns"];
        check(&stage.program.run(&[&to[..], &["v"]].concat()), Code::Clean, &["nothing differs"]);
        assert_eq!(stage.db.value(WRITTEN).await.as_deref(), Some("f"), "{table}");
        assert_eq!(stage.photograph(&NAMES).await, later);
        stage.program.ok(&[&to[..], &["name"]].concat());
        stage.program.ok(&[&to[..], &["n"]].concat());
        assert_eq!(stage.photograph(&NAMES).await, then);
    }
}

#[tokio::test]
async fn whatever_changed_after_all_rows_did_goes_back_with_them() {
    let mut stage = stage().await;
    let mut session = stage.another().await;
    for table in ["sorted", "shuffled"] {
        let then = stage.photograph(&NAMES).await;
        let mark = format!("{table} later");
        // It was open when the mark was made, so all that it did comes after.
        session.run("BEGIN; SELECT pg_current_xact_id()").await;
        stage.mark(&mark);
        session.run(&format!("UPDATE {table} SET v = v + 1, name = 'w' WHERE true; COMMIT")).await;
        stage.db.run(&format!("BEGIN; UPDATE {table} SET v = -v WHERE v % 3 = 0; SAVEPOINT s; DELETE FROM {table}; ROLLBACK TO s; UPDATE {table} SET n = NULL; COMMIT")).await;
        stage
            .db
            .run(&format!(
                "UPDATE {table} SET name = 'last' WHERE v % 5 = 0; UPDATE {table} SET v = 5"
            ))
            .await;
        goes_back(&mut stage, (table, &mark), &then, false).await;
    }
}

#[tokio::test]
async fn what_lies_between_is_noticed() {
    let mut stage = stage().await;
    for (what, work) in [
        ("an insert", "UPDATE sorted SET v = v + 1; INSERT INTO sorted VALUES (0, 0)"),
        ("an insert before", "INSERT INTO sorted VALUES (0, 0); UPDATE sorted SET v = v + 1"),
        ("a delete", "UPDATE sorted SET v = v + 1; DELETE FROM sorted WHERE id = 7"),
        (
            "a row that was passed over and went",
            "UPDATE sorted SET v = v + 1 WHERE id <> 7; DELETE FROM sorted WHERE id = 7",
        ),
        (
            "a row that went and came",
            "UPDATE sorted SET v = v + 1; DELETE FROM sorted WHERE id = 7; INSERT INTO sorted VALUES (7, 7)",
        ),
        (
            "one for another",
            "UPDATE sorted SET v = v + 1; DELETE FROM sorted WHERE id = 7; INSERT INTO sorted VALUES (0, 7)",
        ),
        (
            "keys",
            "UPDATE sorted SET v = v + 1; UPDATE sorted SET id = id + 20000; UPDATE sorted SET id = id - 20000 WHERE id > 20009",
        ),
        ("keys at once", "UPDATE sorted SET v = v + 1, id = id + 20000"),
        (
            "all of them",
            "UPDATE sorted SET v = v + 1; TRUNCATE sorted; INSERT INTO sorted SELECT g, 0 FROM generate_series(1, 12000) g",
        ),
        (
            "an upsert",
            "UPDATE sorted SET v = v + 1; INSERT INTO sorted VALUES (7, 9), (0, 9) ON CONFLICT (id) DO UPDATE SET v = 3",
        ),
        (
            "one row before",
            "UPDATE sorted SET name = 'y' WHERE id = 7; UPDATE sorted SET v = v + 1",
        ),
        (
            "one row that was passed over",
            "UPDATE sorted SET v = v + 1 WHERE id <> 7; UPDATE sorted SET v = v + 1",
        ),
        ("a trigger that does it again", "UPDATE nested SET v = v + 1"),
    ] {
        let table = if work.contains("nested") { "nested" } else { "sorted" };
        let then = stage.photograph(&NAMES).await;
        stage.mark(what);
        stage.db.run(work).await;
        stage.db.run(&format!("UPDATE {table} SET v = v + 2, name = 'x'")).await;
        goes_back(&mut stage, (table, what), &then, true).await;
    }
}

#[tokio::test]
async fn who_was_first_decides_and_not_who_began() {
    let mut stage = stage().await;
    let then = stage.photograph(&NAMES).await;
    // One row is changed before the mark by somebody who has not ended, so after it; the statement on all of them
    // waits for that.
    let (mut early, mut all) = (stage.another().await, stage.another().await);
    early.run("BEGIN; UPDATE sorted SET v = -7, name = 'early' WHERE id = 7").await;
    stage.mark("m");
    let work = tokio::spawn(async move { all.run("UPDATE sorted SET v = v + 1").await });
    let waits = "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND locktype IN ('transactionid', 'tuple')";
    while stage.db.value(waits).await.as_deref() != Some("t") {
        assert!(!work.is_finished(), "it waits for the row");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    early.run("COMMIT").await;
    work.await.unwrap();
    stage.db.run("UPDATE sorted SET v = v + 1").await;
    goes_back(&mut stage, ("sorted", "m"), &then, true).await;
    // And one that was passed over by all of them since it was not there for them.
    stage.mark("n");
    let mut old = stage.another().await;
    old.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM sorted").await;
    stage.db.run("INSERT INTO sorted VALUES (0, 0)").await;
    old.run("UPDATE sorted SET v = v + 1; UPDATE sorted SET v = v + 1; COMMIT").await;
    goes_back(&mut stage, ("sorted", "n"), &then, true).await;
}

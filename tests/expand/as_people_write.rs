//! Files as people write them: a column is added, filled by an `UPDATE` of its own row, and the old one
//! dropped. What the old release writes between the phases follows, and no gate stays closed behind it.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use downhaul_kit::{MariaDb, Postgres, Program, Session};

use crate::PROGRAM;

const BASE: &str = "CREATE TABLE people (id int PRIMARY KEY, name varchar(80), kind varchar(20) NOT NULL, touched int);";

const SPLIT: &str = "
-- two columns instead of one
alter table people add column first_name varchar(80), add column level int;
update people p set first_name = upper(p.name);
update people set level = 1 where kind = 'guest';
update people set level = 2
where kind = 'member'
  and touched > 5;
alter table people drop column name;
";

async fn begun(url: &str, dialect: &str, file: &str) -> (Program, Session) {
    let program = Program::new(PROGRAM).database(url);
    program.migration("0001_base", BASE, "DROP TABLE people;\n");
    program.ok(&["up", "--yes"]);
    let mut session = Session::connect(url).await;
    session
        .run("INSERT INTO people VALUES (1, 'ada', 'guest', 1), (2, NULL, 'member', 9), (3, 'linus', 'member', 1), (4, 'grace', 'other', NULL)")
        .await;
    program.write("drafts/split.sql", file);
    program.ok(&["expand", "drafts/split.sql", "--dialect", dialect]);
    (program, session)
}

/// One row, as text.
async fn row(session: &mut Session, id: u32) -> String {
    let sql = format!(
        "SELECT concat(coalesce(first_name, '-'), ' ', coalesce(level, 0)) FROM people WHERE id = {id}"
    );
    session.value(&sql).await.unwrap()
}

async fn split(url: &str, dialect: &str) {
    let (program, mut session) = begun(url, dialect, SPLIT).await;
    program.ok(&["up", "--yes", "--phase", "expand"]);
    session.run("INSERT INTO people (id, name, kind) VALUES (5, 'edsger', 'guest')").await;
    program.ok(&["up", "--yes", "--phase", "backfill"]);
    session.run("INSERT INTO people (id, name, kind) VALUES (6, 'barbara', 'guest')").await;
    session.run("UPDATE people SET name = 'ada l', kind = 'other' WHERE id = 1").await;
    for (id, wanted) in [
        (1, "ADA L 0"),
        (2, "- 2"),
        (3, "LINUS 0"),
        (4, "GRACE 0"),
        (5, "EDSGER 1"),
        (6, "BARBARA 1"),
    ] {
        assert_eq!(row(&mut session, id).await, wanted, "{dialect} {id}");
    }
    // The new release writes the column itself, and what comes along with every row does not undo it.
    session.run("UPDATE people SET level = 7, touched = 1 WHERE id = 3").await;
    session.run("UPDATE people SET touched = 2 WHERE id = 3").await;
    assert_eq!(row(&mut session, 3).await, "LINUS 7", "{dialect}");
    session.run("UPDATE people SET touched = 6 WHERE id = 3").await;
    assert_eq!(row(&mut session, 3).await, "LINUS 2", "{dialect}");

    program.ok(&["up", "--yes", "--phase", "contract"]);
    session.run("UPDATE people SET first_name = 'Ada' WHERE id = 1").await;
    program.ok(&["down", "--yes", "--steps", "1"]);
    let name = "SELECT name FROM people WHERE id = 3";
    assert_eq!(session.value(name).await.as_deref(), Some("linus"), "{dialect}");
    assert_eq!(row(&mut session, 1).await, "Ada 0", "{dialect}: written since");
    program.ok(&["down", "--yes", "--to", "0001"]);
    program.ok(&["up", "--yes"]);
    assert_eq!(row(&mut session, 6).await, "BARBARA 1", "{dialect}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_column_that_an_update_fills_follows_on_postgres() {
    let database = Postgres::shared().fresh_database().await;
    split(database.url(), "postgres").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_column_that_an_update_fills_follows_on_mariadb() {
    let database = MariaDb::shared().fresh_database().await;
    split(database.url(), "mariadb").await;
}

/// An `UPDATE` that asks for nothing that it writes, or leaves rows as they are, is over when it has run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_that_stays_one_leaves_no_gate_closed() {
    let postgres = Postgres::shared().fresh_database().await;
    let maria = MariaDb::shared().fresh_database().await;
    for (url, dialect) in [(postgres.url(), "postgres"), (maria.url(), "mariadb")] {
        let file = "alter table people add column old boolean not null default false;
            update people set old = true where kind = 'guest';
            update people set kind = lower(kind), touched = coalesce(touched, 0) where kind like '%e%';
            alter table people drop column name;";
        let (program, mut session) = begun(url, dialect, file).await;
        program.ok(&["up", "--yes", "--phase", "backfill"]);
        program.ok(&["up", "--yes", "--phase", "contract"]);
        let old = "SELECT count(*) FROM people WHERE old";
        assert_eq!(session.value(old).await.as_deref(), Some("1"), "{dialect}");
    }
}

/// A column that must have a value gets another name, and a second one comes: what a release wrote to the second
/// comes back on the next way up, to rows that the backfill has not reached.
async fn another_name_and_a_new_column(url: &str, dialect: &str) {
    let file = "ALTER TABLE people RENAME COLUMN kind TO sort; ALTER TABLE people ADD COLUMN hue varchar(9);";
    let (program, mut session) = begun(url, dialect, file).await;
    program.ok(&["up", "--yes", "--phase", "expand"]);
    session.run("UPDATE people SET hue = 'red' WHERE id = 1").await;
    session.run("INSERT INTO people (id, sort, hue) VALUES (5, 'robot', 'blue')").await;
    program.ok(&["down", "--yes"]);
    session.run("UPDATE people SET kind = 'host' WHERE id = 1").await;
    program.ok(&["up", "--yes", "--phase", "expand"]);
    program.ok(&["up", "--yes", "--phase", "backfill"]);
    let rows = "SELECT id, kind, sort, hue FROM people WHERE hue IS NOT NULL ORDER BY id";
    let rows: Vec<String> = session
        .rows(rows)
        .await
        .into_iter()
        .map(|row| row.into_iter().flatten().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(rows, ["1 host host red", "5 robot robot blue"], "{dialect}");
}

/// Values without a type of their own, each for some rows: they are what the column takes.
#[tokio::test]
async fn texts_for_columns_of_other_types() {
    let file = "ALTER TABLE people ADD COLUMN since timestamptz, ADD COLUMN share numeric(4,1);\n\
                UPDATE people SET since = '2020-02-02 00:00:00 UTC' WHERE kind = 'guest';\n\
                UPDATE people SET share = '12.25' WHERE kind = 'guest';\n\
                UPDATE people SET share = NULL WHERE kind = 'other';";
    let database = Postgres::shared().fresh_database().await;
    let (program, mut session) = begun(database.url(), "postgres", file).await;
    program.ok(&["up", "--yes", "--phase", "expand"]);
    program.ok(&["up", "--yes", "--phase", "backfill"]);
    session.run("INSERT INTO people (id, kind) VALUES (5, 'guest')").await;
    let filled = "SELECT string_agg(id::text, ',' ORDER BY id) FROM people WHERE since = '2020-02-02 00:00:00 UTC' AND share = 12.3";
    assert_eq!(session.value(filled).await.as_deref(), Some("1,5"));
    program.ok(&["down", "--yes", "--to", "0001"]);
}

/// A view whose text means nothing over the new type is told before anything has changed, also one that reads it
/// through another view; one that casts goes along.
#[tokio::test]
async fn a_view_that_cannot_read_the_new_type() {
    let file = "-- downhaul:back \"name #>> '{}'\"\nALTER TABLE people ALTER COLUMN name TYPE jsonb USING to_jsonb(name);";
    for (views, fails) in [
        (
            "CREATE VIEW loud AS SELECT id, upper(name) AS name FROM people WHERE id > 0;",
            "upper(jsonb)",
        ),
        (
            "CREATE VIEW plain (nr, called) AS SELECT p.id, p.name FROM people p;\n\
             CREATE VIEW loud AS WITH few AS (SELECT called FROM plain) SELECT btrim(called) AS name FROM few;",
            "btrim(jsonb)",
        ),
        (
            "CREATE VIEW plain (nr, called) AS SELECT p.id, p.name FROM people p;\n\
             CREATE VIEW loud AS SELECT upper(CAST(called AS text)) AS name FROM public.plain;\n\
             CREATE VIEW counted AS SELECT id, name, count(*) AS n FROM people GROUP BY id;",
            "",
        ),
    ] {
        let database = Postgres::shared().fresh_database().await;
        let program = Program::new(PROGRAM).database(database.url());
        program.migration("0001_base", &format!("{BASE}\n{views}"), "SELECT 1;\n");
        program.ok(&["up", "--yes"]);
        let mut session = Session::connect(database.url()).await;
        session.run("INSERT INTO people VALUES (1, 'ada', 'guest', 1)").await;
        program.write("drafts/json.sql", file);
        program.ok(&["expand", "drafts/json.sql", "--dialect", "postgres"]);
        if fails.is_empty() {
            program.ok(&["up", "--yes"]);
            let loud = "SELECT name FROM loud";
            assert_eq!(session.value(loud).await.as_deref(), Some("\"ADA\""));
            program.ok(&["down", "--yes", "--to", "0001"]);
            assert_eq!(session.value(loud).await.as_deref(), Some("ADA"));
            continue;
        }
        let outcome = program.run(&["up", "--yes", "--phase", "expand"]);
        assert!(outcome.code != Some(0) && outcome.stderr.contains(fails), "{outcome}");
        let columns = "SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'people'::regclass AND attnum > 0";
        assert_eq!(session.value(columns).await.as_deref(), Some("id name kind touched"));
        let applied = program.ok(&["status"]).stdout;
        assert!(!applied.contains("half"), "{applied}");
    }
}

#[tokio::test]
async fn another_name_and_a_new_column_on_postgres() {
    let database = Postgres::shared().fresh_database().await;
    another_name_and_a_new_column(database.url(), "postgres").await;
}

#[tokio::test]
async fn another_name_and_a_new_column_on_mariadb() {
    let database = MariaDb::shared().fresh_database().await;
    another_name_and_a_new_column(database.url(), "mariadb").await;
}

//! The way back of a phase that added columns keeps what somebody has written to them, byte for byte, and nothing
//! else.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use downhaul_kit::{MariaDb, Postgres, Program, Session, SqliteFile};

use crate::PROGRAM;

const ROWS: usize = 900;

const UP: &str = "-- downhaul:phase expand
ALTER TABLE users ADD COLUMN pager varchar(20);
ALTER TABLE users ADD COLUMN level int NOT NULL DEFAULT 3;
ALTER TABLE users ADD COLUMN code varchar(9) DEFAULT 'abc';
";
const DOWN: &str = "ALTER TABLE users DROP COLUMN pager;
ALTER TABLE users DROP COLUMN level;
ALTER TABLE users DROP COLUMN code;
";

async fn stage(url: &str, session: &mut Session) -> Program {
    let program = Program::new(PROGRAM).database(url);
    program.migration(
        "0001_base",
        "CREATE TABLE users (id int PRIMARY KEY, name varchar(20) NOT NULL);\n",
        "DROP TABLE users;\n",
    );
    program.ok(&["up", "--yes"]);
    session
        .run(&format!(
            "INSERT INTO users WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS}) SELECT i, 'bob' FROM n"
        ))
        .await;
    program
}

async fn only_what_was_written(url: &str, session: &mut Session) {
    let program = stage(url, session).await;
    program.migration("0002_pager", UP, DOWN);
    program.ok(&["up", "--yes"]);
    let untouched = program.ok(&["down", "--yes"]);
    assert!(!untouched.to_string().contains("kept "), "nobody wrote: {untouched}");
    program.ok(&["up", "--yes"]);
    // An other case and a NULL are values of their own, whatever the collation and the default say.
    for write in [
        "UPDATE users SET pager = 'x' WHERE id = 5",
        "UPDATE users SET level = 4 WHERE id = 6",
        "UPDATE users SET level = 3 WHERE id = 7",
        "UPDATE users SET code = 'ABC' WHERE id = 8",
        "UPDATE users SET code = NULL WHERE id = 9",
    ] {
        session.run(write).await;
    }
    let all = "SELECT id, pager, level, code FROM users ORDER BY id";
    let before = session.rows(all).await;
    let down = program.ok(&["down", "--yes"]).to_string();
    match session {
        // Each statement by itself.
        Session::MySql(_) => {
            for part in ["pager (1 row)", "level (1 row)", "code (2 rows)"] {
                assert!(down.contains(&format!("column {part}")), "{part}\n{down}");
            }
        }
        _ => assert!(down.contains("column pager, level, code (4 rows)"), "{down}"),
    }
    program.ok(&["up", "--yes"]);
    assert_eq!(session.rows(all).await, before);
    program.ok(&["down", "--yes"]);

    // Where the migration writes rows itself, one that looks untouched may come again as another one.
    let writes = format!("{UP}UPDATE users SET pager = 'p', level = 5;\n");
    program.migration("0002_pager", &writes.replace("-- downhaul:phase expand\n", ""), DOWN);
    program.ok(&["up", "--yes"]);
    session.run("UPDATE users SET pager = NULL, level = 3 WHERE id = 4").await;
    let before = session.rows(all).await;
    assert_eq!(before[3][1..3], [None, Some("3".to_owned())]);
    program.ok(&["down", "--yes"]);
    program.ok(&["up", "--yes"]);
    assert_eq!(session.rows(all).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_was_written_is_kept_on_postgres() {
    let database = Postgres::shared().fresh_database().await;
    only_what_was_written(database.url(), &mut database.session().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_was_written_is_kept_on_mariadb() {
    let database = MariaDb::shared().fresh_database().await;
    only_what_was_written(database.url(), &mut database.session().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_was_written_is_kept_on_sqlite() {
    let file = SqliteFile::new();
    only_what_was_written(&file.url(), &mut file.session().await).await;
}

/// A value of the new release that the collation takes for the computed one is one of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_computed_column_keeps_what_was_written_in_another_case() {
    let database = MariaDb::shared().fresh_database().await;
    let mut session = database.session().await;
    let program = stage(database.url(), &mut session).await;
    program.write(
        "drafts/draft.sql",
        "-- downhaul:forward \"lower(name)\"\nALTER TABLE users ADD COLUMN slug varchar(80) NOT NULL;\n",
    );
    program.ok(&["expand", "drafts/draft.sql", "--dialect", "mariadb"]);
    program.ok(&["up", "--yes", "--phase", "backfill"]);
    session.run("UPDATE users SET slug = 'BOB' WHERE id = 7").await;
    let down = program.ok(&["down", "--yes", "--to", "0001"]);
    assert!(down.to_string().contains("column slug (1 row)"), "{down}");
    program.ok(&["up", "--yes", "--phase", "backfill"]);
    let slugs = "SELECT hex(slug), count(*) FROM users GROUP BY 1 ORDER BY 2";
    let hex = |text: &str| text.bytes().map(|b| format!("{b:02X}")).collect::<String>();
    let found = session.rows(slugs).await;
    let expected = [[hex("BOB"), "1".into()], [hex("bob"), (ROWS - 1).to_string()]];
    assert_eq!(found, expected.map(|row| row.map(Some).to_vec()));
}

/// `json` has no `=`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_computed_column_of_json_goes_back() {
    let database = Postgres::shared().fresh_database().await;
    let mut session = database.session().await;
    let program = stage(database.url(), &mut session).await;
    program.write(
        "drafts/draft.sql",
        "-- downhaul:forward \"json_build_object('n', name)\"\nALTER TABLE users ADD COLUMN doc json NOT NULL;\n",
    );
    program.ok(&["expand", "drafts/draft.sql", "--dialect", "postgres"]);
    program.ok(&["up", "--yes", "--phase", "backfill"]);
    session.run("UPDATE users SET doc = '{}' WHERE id = 7").await;
    let all = "SELECT id, doc::text FROM users ORDER BY id";
    let before = session.rows(all).await;
    let down = program.ok(&["down", "--yes", "--to", "0001"]);
    assert!(down.to_string().contains("column doc (1 row)"), "{down}");
    program.ok(&["up", "--yes", "--phase", "backfill"]);
    assert_eq!(session.rows(all).await, before);
}

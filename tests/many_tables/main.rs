//! The promise: that a database has many tables changes nothing but the time, which grows with their number alone.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

mod counting;
mod mariadb;

use downhaul::exit_code::Code;
use downhaul_engine::{LockBudget, Session as _, Target, connect};
use downhaul_kit::{Program, Session, SqliteFile, check};
use downhaul_snapshot::mark::{self, Origin};
use downhaul_snapshot::track::install::Standing;
use downhaul_snapshot::track::{self, Around, install, intend, report};

use crate::counting::Counting;

const PROGRAM: &str = env!("CARGO_BIN_EXE_downhaul");

/// Tables of each kind that is tracked in another way, some of them with names that want quoting.
fn tables(how_many: usize) -> (String, Vec<String>) {
    let (mut sql, mut names) = (String::new(), Vec::new());
    for n in 0..how_many {
        let name = match n % 7 {
            5 => format!("a \"quoted\" 'name' [of] `table` {n}"),
            6 => format!("Größe_{n};--"),
            _ => format!("t{n}"),
        };
        let quoted = name.replace('"', "\"\"");
        let before = names.last().cloned().unwrap_or_else(|| name.clone()).replace('"', "\"\"");
        let columns = match n % 5 {
            0 => "id INTEGER PRIMARY KEY, v TEXT UNIQUE".to_owned(),
            1 => format!(
                "id INT PRIMARY KEY, v, p INT REFERENCES \"{before}\" (id) ON DELETE CASCADE"
            ),
            2 => "id TEXT NOT NULL PRIMARY KEY, v TEXT, UNIQUE (v, id)".to_owned(),
            3 => format!("id INT, v, p REFERENCES \"{before}\" (id) ON UPDATE SET NULL"),
            _ => "id INT NOT NULL, v TEXT COLLATE NOCASE, PRIMARY KEY (id, v)".to_owned(),
        };
        let kind = if n % 10 == 4 { " WITHOUT ROWID" } else { "" };
        sql.push_str(&format!("CREATE TABLE \"{quoted}\" ({columns}){kind};\n"));
        sql.push_str(&format!("INSERT INTO \"{quoted}\" (id, v) VALUES (1, 'a'), (2, 'b');\n"));
        names.push(name);
    }
    (sql, names)
}

/// The whole schema as it is written down.
async fn schema(session: &mut Session) -> Vec<String> {
    let rows = session
        .rows("SELECT quote(type) || ' ' || quote(name) || ' ' || quote(tbl_name) || ' ' || (rootpage = 0) || ' ' || quote(sql) FROM sqlite_schema ORDER BY rowid")
        .await;
    rows.into_iter().map(|row| row[0].clone().unwrap()).collect()
}

async fn is_sound(session: &mut Session) {
    assert_eq!(session.value("PRAGMA integrity_check").await.as_deref(), Some("ok"));
    assert!(session.rows("PRAGMA foreign_key_check").await.is_empty());
}

/// How often the whole schema is read to track so many tables, to look at them, to mark, and to end it.
async fn readings(tables: usize) -> [usize; 4] {
    let file = SqliteFile::new();
    let mut session = Session::connect(&file.url()).await;
    session.run(&self::tables(tables).0).await;
    session.close().await;
    let target = Target::parse(&file.url()).unwrap();
    let mut counting = Counting { inner: connect(&target, false).await.unwrap(), readings: 0 };
    let mut found = [0; 4];

    let mut around = Around::with_sizes(&mut counting).await.unwrap();
    let names = intend::untracked(&mut counting, &around).await.unwrap();
    assert_eq!(names.len(), tables);
    around.read_shapes(&mut counting, &names).await.unwrap();
    let mut intents = Vec::new();
    for name in &names {
        intents.push(intend::intend(&mut counting, &around, name, None).await.unwrap());
    }
    let budget = LockBudget::default();
    counting.inner.begin(budget).await.unwrap();
    around.refresh(&mut counting).await.unwrap();
    let tracked = install::track(&mut counting, &around, &intents).await.unwrap();
    counting.inner.commit().await.unwrap();
    found[0] = std::mem::take(&mut counting.readings);

    let standing = report::standing(&mut counting).await.unwrap();
    assert!(standing.iter().all(|one| one.drift.is_none()), "{standing:?}");
    assert_eq!(standing.len(), tables);
    found[1] = std::mem::take(&mut counting.readings);

    mark::alone(&mut counting, budget, "one", Origin::Person, "me").await.unwrap().unwrap();
    found[2] = std::mem::take(&mut counting.readings);

    counting.inner.begin(budget).await.unwrap();
    let triggers = Standing::read(&mut counting).await.unwrap();
    install::untrack(&mut counting, &tracked, &triggers).await.unwrap();
    counting.inner.commit().await.unwrap();
    found[3] = counting.readings;
    assert!(track::all(&mut counting).await.unwrap().is_empty());
    Box::new(counting).close().await;
    found
}

#[tokio::test]
async fn the_schema_of_sqlite_is_read_as_often_for_many_tables_as_for_few() {
    let (few, many) = (readings(25).await, readings(75).await);
    for (what, (few, many)) in
        ["track", "status", "mark", "untrack"].iter().zip(few.iter().zip(&many))
    {
        // One more for every hundred triggers, which are written by one statement.
        assert!(*many <= few + 6, "{what}: {few} readings for 25 tables, {many} for 75");
    }
}

#[tokio::test]
async fn triggers_that_are_made_together_are_those_made_one_by_one() {
    let (sql, names) = tables(35);
    let (one, together) = (SqliteFile::new(), SqliteFile::new());
    let (first, second) =
        (Program::new(PROGRAM).database(one.url()), Program::new(PROGRAM).database(together.url()));
    let (mut a, mut b) =
        (Session::connect(&one.url()).await, Session::connect(&together.url()).await);
    a.run(&sql).await;
    b.run(&sql).await;
    let bare = schema(&mut b).await;
    for name in &names {
        let quoted = format!("\"{}\"", name.replace('"', "\"\""));
        first.ok(&["snapshot", "track", &quoted, "--yes"]);
    }
    check(
        &second.run(&["snapshot", "track", "--all", "--yes"]),
        Code::Clean,
        &["35 tables tracked"],
    );
    let in_order = |mut lines: Vec<String>| {
        // Of each table; its triggers fire in the order in which they stand there.
        lines.sort_by_key(|line| line.split("' '").nth(2).map(str::to_owned));
        lines
    };
    assert_eq!(in_order(schema(&mut a).await), in_order(schema(&mut b).await));
    is_sound(&mut b).await;
    let again = second.run(&["snapshot", "track", "--all", "--yes"]);
    check(&again, Code::Clean, &["nothing to do"]);

    // A session that was open before meets them, and what it changes comes back.
    check(&second.run(&["snapshot", "mark", "whole"]), Code::Clean, &["made"]);
    let content = async |session: &mut Session| {
        let mut all = Vec::new();
        for name in &names {
            let quoted = name.replace('"', "\"\"");
            all.push(session.rows(&format!("SELECT id, v FROM \"{quoted}\" ORDER BY id, v")).await);
        }
        all
    };
    let whole = content(&mut b).await;
    for name in &names {
        let quoted = name.replace('"', "\"\"");
        b.run(&format!(
            "UPDATE \"{quoted}\" SET v = 'c' WHERE id = 1; DELETE FROM \"{quoted}\" WHERE id = 2; INSERT INTO \"{quoted}\" (id, v) VALUES (7, 'new')"
        ))
        .await;
    }
    check(
        &second.run(&["snapshot", "restore", "--to", "whole", "--yes"]),
        Code::Clean,
        &["restored to `whole`"],
    );
    assert_eq!(content(&mut b).await, whole);
    check(&second.run(&["snapshot", "status"]), Code::Clean, &["since"]);

    check(
        &second.run(&["snapshot", "untrack", "--all", "--yes"]),
        Code::Clean,
        &["35 tables no longer tracked"],
    );
    let ours = |line: &String| line.contains("'downhaul_") || line.contains("'sqlite_sequence'");
    let left: Vec<String> = schema(&mut b).await.into_iter().filter(|line| !ours(line)).collect();
    let bare: Vec<String> = bare.into_iter().filter(|line| !ours(line)).collect();
    assert_eq!(left, bare);
    is_sound(&mut b).await;
    assert_eq!(content(&mut b).await, whole);
}

/// What SQLite refuses of many triggers is found before the commit.
#[tokio::test]
async fn a_name_that_is_taken_is_found_and_nothing_is_tracked() {
    let file = SqliteFile::new();
    let program = Program::new(PROGRAM).database(file.url());
    let mut db = Session::connect(&file.url()).await;
    db.run(&tables(30).0).await;
    db.run("CREATE TABLE mine (id); CREATE TRIGGER downhaul_track_11_d AFTER DELETE ON mine BEGIN SELECT 1; END")
        .await;
    let before = schema(&mut db).await;
    let outcome = program.run(&["snapshot", "track", "--all", "--yes"]);
    assert_ne!(outcome.code, Some(i32::from(Code::Clean)), "{}", outcome.stdout);
    assert!(outcome.stderr.contains("downhaul_track_11_d"), "{}", outcome.stderr);
    let after = schema(&mut db).await;
    let tracked =
        |all: &[String]| all.iter().filter(|line| line.contains("'downhaul_log_")).count();
    assert_eq!(tracked(&after), 0, "{after:?}");
    assert!(before.iter().all(|line| after.contains(line)));
    is_sound(&mut db).await;
    // Nobody is in the way any more.
    db.run("DROP TRIGGER downhaul_track_11_d").await;
    check(
        &program.run(&["snapshot", "track", "--all", "--yes"]),
        Code::Clean,
        &["31 tables tracked"],
    );
}

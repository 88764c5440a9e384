//! The same on MariaDB.

use downhaul::exit_code::Code;
use downhaul_kit::{MariaDb, MariaDbOptions, Program, Session, check};

use crate::PROGRAM;

/// Tables in chains of foreign keys, some with names of 64 characters, quotes and letters that files write otherwise.
fn tables(how_many: usize) -> (String, Vec<String>) {
    let (mut sql, mut names): (String, Vec<String>) = (String::new(), Vec::new());
    for n in 0..how_many {
        let name = match n % 6 {
            2 => format!("{}{n:04}", "x".repeat(60)),
            3 => format!("a `b` \"c\" 'd' {n}"),
            4 => format!("Größe/{n}"),
            _ => format!("t{n}"),
        };
        let quote = |name: &str| format!("`{}`", name.replace('`', "``"));
        // Chains of four.
        let parent = match (n % 4, names.last()) {
            (0, _) | (_, None) => String::new(),
            (at, Some(before)) => format!(
                ", p int, CONSTRAINT of_{n} FOREIGN KEY (p) REFERENCES {} (id) {}",
                quote(before),
                if at == 2 { "ON DELETE CASCADE" } else { "" }
            ),
        };
        let counts = if n % 5 == 0 { " AUTO_INCREMENT" } else { "" };
        sql.push_str(&format!(
            "CREATE TABLE {} (id int{counts} PRIMARY KEY, v varchar(20){parent});\nINSERT INTO {0} (id, v) VALUES (1, 'a'), (2, 'b');\n",
            quote(&name)
        ));
        names.push(name);
    }
    (sql, names)
}

/// How often tables were opened.
async fn opened(server: &MariaDb) -> u64 {
    let mut session = Session::connect(&server.url()).await;
    let rows = session
        .rows("SHOW GLOBAL STATUS WHERE Variable_name IN ('Table_open_cache_hits', 'Table_open_cache_misses')")
        .await;
    session.close().await;
    rows.iter().map(|row| row[1].clone().unwrap().parse::<u64>().unwrap()).sum()
}

/// The same by each of some commands.
async fn opened_by(how_many: usize) -> Vec<(String, u64)> {
    let server = MariaDb::start();
    let database = server.fresh_database().await;
    let program = Program::new(PROGRAM).database(database.url());
    let mut session = Session::connect(database.url()).await;
    let (sql, names) = tables(how_many);
    session.run(&sql).await;
    let mut found = Vec::new();
    let mut run = async |label: &str, args: &[&str], wanted: &[&str]| {
        let before = opened(&server).await;
        check(&program.run(args), Code::Clean, wanted);
        found.push((label.to_owned(), opened(&server).await - before));
    };
    let tracked = format!("{how_many} tables tracked");
    run("track", &["snapshot", "track", "--all", "--yes"], &[&tracked]).await;
    run("again", &["snapshot", "track", "--all", "--yes"], &["nothing to do"]).await;
    run("mark", &["snapshot", "mark", "whole"], &["made"]).await;
    run("status", &["snapshot", "status"], &["since"]).await;
    program.migration(
        "0001_note",
        "ALTER TABLE t0 ADD COLUMN note int;\n",
        "ALTER TABLE t0 DROP COLUMN note;\n",
    );
    run("up", &["up", "--yes"], &["0001_note"]).await;
    run("down", &["down", "--yes"], &["0001_note"]).await;

    let content = async |session: &mut Session| {
        let mut all = Vec::new();
        for name in &names {
            let name = name.replace('`', "``");
            all.push(session.rows(&format!("SELECT id, v FROM `{name}` ORDER BY id")).await);
        }
        all
    };
    let whole = content(&mut session).await;
    for name in &names {
        let name = name.replace('`', "``");
        session
            .run(&format!("UPDATE `{name}` SET v = 'c' WHERE id = 1; DELETE FROM `{name}` WHERE id = 2; INSERT INTO `{name}` (id, v) VALUES (7, 'new')"))
            .await;
    }
    let restore = ["snapshot", "restore", "--to", "whole", "--yes"];
    run("restore", &restore, &["restored to `whole`"]).await;
    assert_eq!(content(&mut session).await, whole);
    let untracked = format!("{how_many} tables no longer tracked");
    run("untrack", &["snapshot", "untrack", "--all", "--yes"], &[&untracked]).await;
    let left = "SELECT count(*) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()";
    assert_eq!(session.value(left).await.as_deref(), Some("0"));
    session.close().await;
    found
}

#[tokio::test]
async fn as_many_tables_are_opened_for_each_of_many_tables_as_of_few() {
    let (few, many) = (opened_by(24).await, opened_by(96).await);
    println!("{few:?}\n{many:?}");
    for ((what, few), (_, many)) in few.iter().zip(&many) {
        assert!(*many <= 5 * few + 200, "{what}: {few} tables opened for 24, {many} for 96");
    }
}

/// Of a foreign key whose table has a name that the views of InnoDB cut off the server is asked in another way.
#[tokio::test]
async fn names_that_innodb_cuts_off() {
    let server = MariaDbOptions::default().start();
    let database = server.fresh_database().await;
    let program = Program::new(PROGRAM).database(database.url());
    let mut session = Session::connect(database.url()).await;
    let long = "@".repeat(46);
    session
        .run(&format!(
            "CREATE TABLE `{long}p` (id int PRIMARY KEY, v int); INSERT INTO `{long}p` VALUES (1, 1), (2, 2);
             CREATE TABLE `{long}c` (id int PRIMARY KEY, p int, CONSTRAINT k FOREIGN KEY (p) REFERENCES `{long}p` (id) ON DELETE CASCADE);
             INSERT INTO `{long}c` VALUES (1, 1), (2, 2);
             CREATE TABLE plain (id int PRIMARY KEY); CREATE TABLE of_plain (id int PRIMARY KEY, p int, FOREIGN KEY (p) REFERENCES plain (id) ON DELETE CASCADE);
             INSERT INTO plain VALUES (1); INSERT INTO of_plain VALUES (1, 1)"
        ))
        .await;
    check(
        &program.run(&["snapshot", "track", "--all", "--yes"]),
        Code::Clean,
        &["4 tables tracked"],
    );
    check(&program.run(&["snapshot", "mark", "whole"]), Code::Clean, &["made"]);
    session.run(&format!("DELETE FROM `{long}p`; DELETE FROM plain")).await;
    let restore = ["snapshot", "restore", "--to", "whole", "--yes"];
    check(&program.run(&restore), Code::Clean, &["restored to `whole`"]);
    let counts = format!(
        "SELECT concat_ws(',', (SELECT count(*) FROM `{long}p`), (SELECT count(*) FROM `{long}c`), (SELECT count(*) FROM plain), (SELECT count(*) FROM of_plain))"
    );
    assert_eq!(session.value(&counts).await.as_deref(), Some("2,2,1,1"));
    session.close().await;
}

/// A mark of many tables waits for whoever writes to one, also for the first time; histories to which nobody ever
/// wrote are left alone.
#[tokio::test]
async fn a_mark_locks_what_was_written_to() {
    let server = MariaDbOptions::default().start();
    let database = server.fresh_database().await;
    let program = Program::new(PROGRAM).database(database.url());
    let mut session = Session::connect(database.url()).await;
    let tables: Vec<String> = (0..130)
        .map(|n| format!("CREATE TABLE t{n} (id int PRIMARY KEY, v int); INSERT INTO t{n} VALUES (1, 0), (2, 0)"))
        .collect();
    session.run(&tables.join("; ")).await;
    program.ok(&["snapshot", "track", "--all", "--yes"]);
    let history =
        "SELECT CONCAT('downhaul_log_', id, '_1') FROM downhaul_tracked WHERE table_name = '`t77`'";
    let history = session.value(history).await.unwrap();

    let mut other = Session::connect(database.url()).await;
    other.run(&format!("LOCK TABLES {history} WRITE")).await;
    check(&program.run(&["snapshot", "mark", "beside"]), Code::Clean, &["made"]);
    other.run("UNLOCK TABLES").await;

    // Its first row is not committed, and it may have written to others before.
    session.run("BEGIN; UPDATE t77 SET v = 1 WHERE id = 1").await;
    let child = program.spawn(&["snapshot", "mark", "between"]);
    let waits =
        "SELECT count(*) FROM information_schema.processlist WHERE state LIKE 'Waiting for table%'";
    let mut waiting = false;
    for _ in 0..3000 {
        waiting = other.value(waits).await.as_deref() == Some("1");
        if waiting {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(waiting, "the mark waits for nobody");
    session.run("UPDATE t3 SET v = 1; COMMIT").await;
    check(&program.wait(child), Code::Clean, &["made"]);
    session.run("UPDATE t77 SET v = 2; UPDATE t4 SET v = 2; DELETE FROM t3 WHERE id = 2").await;

    let content = "SELECT CONCAT((SELECT GROUP_CONCAT(v) FROM t77), ' ', (SELECT GROUP_CONCAT(v) FROM t3), ' ', (SELECT GROUP_CONCAT(v) FROM t4))";
    for (to, expect) in [("between", "1,0 1,1 0,0"), ("beside", "0,0 0,0 0,0")] {
        program.ok(&["snapshot", "restore", "--to", to, "--yes"]);
        assert_eq!(session.value(content).await.as_deref(), Some(expect), "{to}");
    }
}

//! The promise: on a Galera cluster, where a lock is a node's own, each migration runs exactly once
//! whichever nodes the runners come to, also when one of them dies.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use std::time::{Duration, Instant};

use downhaul::exit_code::Code;
use downhaul_kit::{Galera, LockHolder, Program, Session, check};
use tokio::sync::OnceCell;

const PROGRAM: &str = env!("CARGO_BIN_EXE_downhaul");

/// Ten migrations; each writes down that it ran, in a table without a key.
fn migrations(program: &Program) {
    program.migration("0001_runs", "CREATE TABLE runs (id int AUTO_INCREMENT PRIMARY KEY, migration int);\nINSERT INTO runs (migration) VALUES (1);\n", "DROP TABLE runs;\n");
    for number in 2..=10 {
        program.migration(
            &format!("{number:04}_step"),
            &format!("INSERT INTO runs (migration) VALUES ({number});\nCREATE TABLE t{number} (id int PRIMARY KEY);\nINSERT INTO runs (migration) VALUES ({number});\n"),
            &format!("DROP TABLE t{number};\n"),
        );
    }
}

static CLUSTER: OnceCell<Galera> = OnceCell::const_new();

/// The promise in three acts on one cluster, since a cluster takes long to start.
#[tokio::test]
async fn each_migration_runs_once_on_a_cluster() {
    let cluster = CLUSTER.get_or_init(|| Galera::start(2)).await;
    let mut session = Session::connect(&cluster.url(0, "mysql")).await;

    // Two runners at once, on two nodes, several times.
    for round in 0..3 {
        let name = format!("race{round}");
        session.run(&format!("CREATE DATABASE {name}")).await;
        let programs: Vec<Program> =
            (0..4).map(|i| Program::new(PROGRAM).database(cluster.url(i % 2, &name))).collect();
        programs.iter().for_each(migrations);
        let children: Vec<_> =
            programs.iter().map(|p| p.spawn(&["up", "--yes", "--wait", "90"])).collect();
        for (program, child) in programs.iter().zip(children) {
            check(&program.wait(child), Code::Clean, &[]);
        }
        let counts = session
            .rows(&format!(
                "SELECT migration, count(*) FROM {name}.runs GROUP BY migration ORDER BY 1"
            ))
            .await;
        let expect: Vec<Vec<Option<String>>> = (1..=10)
            .map(|n| vec![Some(n.to_string()), Some(if n == 1 { "1" } else { "2" }.to_owned())])
            .collect();
        assert_eq!(counts, expect, "round {round}");
        check(&programs[1].run(&["status"]), Code::Clean, &["10 applied, 0 pending"]);
        check(&programs[0].run(&["verify"]), Code::Clean, &[]);
    }

    // One is at work on node 0: another one on node 1 leaves, and says who it is.
    session.run("CREATE DATABASE held").await;
    let first = Program::new(PROGRAM).database(cluster.url(0, "held")).env("USER", "ada");
    let second = Program::new(PROGRAM).database(cluster.url(1, "held")).env("USER", "grace");
    for program in [&first, &second] {
        migrations(program);
        // A definition waits for nobody on a cluster: it ends whoever is in its way.
        program.migration(
            "0011_wait",
            "UPDATE runs SET migration = 100 WHERE migration = 1;\n",
            "UPDATE runs SET migration = 1 WHERE migration = 100;\n",
        );
    }
    check(&first.run(&["up", "--yes", "--to", "0010"]), Code::Clean, &["10 migrations applied"]);
    let mut holder = LockHolder::with_statements(
        &cluster.url(0, "held"),
        "UPDATE runs SET migration = 7 WHERE migration = 1",
    )
    .await;
    let child = first.spawn(&["up", "--yes", "--lock-retry", "600"]);
    // It has the lock and the row that all nodes certify, and has told the journal so.
    let begun = Instant::now();
    let at_work = "SELECT count(*) FROM held.downhaul_operation WHERE state = 'running'";
    while session.value(at_work).await.as_deref() == Some("0") {
        assert!(begun.elapsed() < Duration::from_secs(60), "it never came to work");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let outcome = second.run(&["up", "--yes", "--wait", "1"]);
    check(&outcome, Code::Locked, &["another run is going on", "ada@", "another node"]);

    // It dies. Its node's neighbour sees its counter stand still, and takes over.
    downhaul_kit::fault::kill9(child.id());
    let _ = child.wait_with_output();
    holder.session().run("ROLLBACK").await;
    holder.release().await;
    let begun = Instant::now();
    check(&second.run(&["up", "--yes", "--wait", "110"]), Code::Clean, &["0011_wait"]);
    // Not at once: it may only have been slow.
    let took = begun.elapsed();
    assert!(took > Duration::from_secs(10), "{took:?}");
    let changed = session.value("SELECT count(*) FROM held.runs WHERE migration = 100").await;
    assert_eq!(changed.as_deref(), Some("1"));

    // On its own node a dead runner's lock is free at once.
    check(&first.run(&["down", "--yes", "--wait", "0"]), Code::Clean, &["1 migration taken back"]);
    // No lock keeps the writers of other nodes away from a table that is about to go.
    check(
        &second.run(&["down", "--yes", "--wait", "5"]),
        Code::SnapshotNotSound,
        &["on a Galera cluster", "downhaul:protect off"],
    );
}

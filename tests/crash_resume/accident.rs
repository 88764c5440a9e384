//! Kills, cuts, full disks.

use std::process::Command;
use std::time::Duration;

use downhaul::exit_code::Code;
use downhaul_kit::fault::{self, Fault};
use downhaul_kit::{
    LockHolder, MariaDb, MySql, Postgres, PostgresOptions, Program, Proxy, Session,
};

use crate::stage::{DOWN, PROGRAM, Stage, UP, expect};

/// Kills of each direction on each engine; `DOWNHAUL_KILLS=n` for more.
fn kills() -> u32 {
    std::env::var("DOWNHAUL_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(10)
}

/// Starts the program, kills it after a while; whether it was still running.
fn kill_after(program: &Program, args: &[&str], delay: Duration) -> bool {
    let mut child = program.spawn(args);
    std::thread::sleep(delay);
    let running = child.try_wait().unwrap().is_none();
    fault::kill9(child.id());
    child.wait().unwrap();
    running
}

/// Waits until the query says yes, a minute at most.
async fn until(session: &mut Session, query: &str) {
    for _ in 0..3000 {
        if session.value(query).await.as_deref() == Some("t") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never true: {query}");
}

/// Goes the other way after a kill. What no transaction holds may be half done: then the other way
/// is refused until the first is finished, and the message says so.
fn turns_round(stage: &Stage, args: &[&str]) -> bool {
    let outcome = stage.program.run(args);
    if outcome.code == Some(Code::PartlyApplied as i32) {
        assert!(outcome.stderr.contains("finishes it; then run this command again"), "{outcome}");
        return false;
    }
    expect(&outcome, Code::Clean);
    true
}

/// At even distances over the time that a run takes: kill `up`, finish it; kill `down`, finish it.
async fn killed_at_many_instants(stage: Stage) {
    let (after, up, down) = stage.rehearse().await;
    // The first run of all may be slow; the accidents are to fall within the later ones.
    let (_, up_again, down_again) = stage.rehearse().await;
    let (up, down) = (up.min(up_again), down.min(down_again));
    let kills = kills();
    let (mut met_up, mut met_down) = (0, 0);
    // A rehearsal on a busy machine may take longer than the runs after it: a kill that came too
    // late draws the next ones nearer.
    let (mut pace_up, mut pace_down) = (1.0, 1.0);
    let mut kill = |args: &[&str], takes: Duration, share: f64| {
        let (met, pace) =
            if args == UP { (&mut met_up, &mut pace_up) } else { (&mut met_down, &mut pace_down) };
        if kill_after(&stage.program, args, takes.mul_f64(share * *pace)) {
            *met += 1;
        } else {
            *pace *= 0.6;
        }
    };
    for n in 0..kills {
        let share = f64::from(n) / f64::from(kills);
        kill(UP, up, share);
        // Or go back instead of on: a whole `up` is taken back, of half a one nothing is left.
        if n % 4 == 3 && turns_round(&stage, DOWN) {
            let when = format!("up killed at {share:.2} of its way, then down");
            stage.check(&stage.before, &when).await;
        }
        expect(&stage.program.run(UP), Code::Clean);
        stage.check(&after, &format!("up killed at {share:.2} of its way, then up")).await;
        kill(DOWN, down, share);
        if n % 4 == 1 && turns_round(&stage, UP) {
            let when = format!("down killed at {share:.2} of its way, then up");
            stage.check(&after, &when).await;
        }
        expect(&stage.program.run(DOWN), Code::Clean);
        stage
            .check(&stage.before, &format!("down killed at {share:.2} of its way, then down"))
            .await;
    }
    assert!(met_up >= kills / 4 && met_down >= kills / 4, "{met_up} and {met_down} of {kills} met");
}

#[tokio::test]
async fn killed_at_many_instants_on_sqlite() {
    let stage = Stage::sqlite().await;
    stage.program.write("downhaul.toml", "[protect]\npolicy = \"tombstone\"\n");
    killed_at_many_instants(stage).await;
}

#[tokio::test]
async fn killed_at_many_instants_on_postgres() {
    let stage = Stage::postgres().await;
    // The table that goes is set aside, however small.
    stage.program.write("downhaul.toml", "[protect]\npolicy = \"tombstone\"\n");
    killed_at_many_instants(stage).await;
}

#[tokio::test]
async fn killed_at_many_instants_on_mariadb() {
    let stage = Stage::mariadb().await;
    stage.program.write("downhaul.toml", "[protect]\npolicy = \"tombstone\"\n");
    killed_at_many_instants(stage).await;
}

#[tokio::test]
#[ignore = "wants MySQL: scripts/mysql-tests"]
async fn killed_at_many_instants_on_mysql() {
    let stage = Stage::mysql().await;
    stage.program.write("downhaul.toml", "[protect]\npolicy = \"tombstone\"\n");
    killed_at_many_instants(stage).await;
}

#[tokio::test]
#[ignore = "wants MySQL: scripts/mysql-tests"]
async fn the_mysql_server_is_killed() {
    let server = MySql::start(&[]);
    let stage = Stage::mysql_on(&server).await;
    killed_and_started_again(server, (MySql::kill9, MySql::restart), stage, 6).await;
}

#[tokio::test]
async fn the_mariadb_server_is_killed() {
    let server = MariaDb::start();
    let stage = Stage::mariadb_on(&server).await;
    killed_and_started_again(server, (MariaDb::kill9, MariaDb::restart), stage, 6).await;
}

/// Statements that no transaction holds: each is recorded before and after, and after a kill the
/// next run finds out whether it had taken effect.
const PIECES_UP: &str = "\
-- downhaul:no-transaction
CREATE TABLE wishes (id bigint PRIMARY KEY, what text);
INSERT INTO wishes SELECT n, 'wish ' || n FROM generate_series(1, 2000) AS n;
CREATE INDEX CONCURRENTLY wishes_what_idx ON wishes (what);
ALTER TABLE wishes ADD COLUMN granted boolean NOT NULL DEFAULT false;
DROP INDEX CONCURRENTLY order_items_product_id_idx;
";

const PIECES_DOWN: &str = "\
-- downhaul:no-transaction
CREATE INDEX CONCURRENTLY order_items_product_id_idx ON order_items (product_id);
DROP TABLE wishes;
";

#[tokio::test]
async fn killed_between_statements_that_stand_alone() {
    let stage = Stage::postgres().await;
    stage.program.migration("0007_wishes", PIECES_UP, PIECES_DOWN);
    killed_at_many_instants(stage).await;
}

/// The server goes on building after its client was killed; the next run must not be misled by
/// the index that is not valid yet.
#[tokio::test]
async fn killed_while_an_index_is_built_concurrently() {
    let stage = Stage::postgres().await;
    stage.program.migration(
        "0006_slim_customers",
        "CREATE INDEX CONCURRENTLY orders_status_idx ON orders (status);\n",
        "DROP INDEX CONCURRENTLY orders_status_idx;\n",
    );
    let (after, ..) = stage.rehearse().await;
    // A concurrent build waits for every transaction that could still see the table without it.
    let writer =
        LockHolder::with_statements(&stage.url(), "UPDATE orders SET status = status WHERE id = 1")
            .await;
    let mut child = stage.program.spawn(UP);
    let mut session = stage.session().await;
    until(&mut session, "SELECT to_regclass('orders_status_idx') IS NOT NULL").await;
    assert!(child.try_wait().unwrap().is_none());
    fault::kill9(child.id());
    child.wait().unwrap();
    let index = "SELECT count(*) FROM pg_index WHERE indexrelid = 'orders_status_idx'::regclass";
    assert_eq!(session.value(index).await.as_deref(), Some("1"));
    let next = stage.program.spawn(UP);
    tokio::time::sleep(Duration::from_millis(700)).await;
    writer.release().await;
    let outcome = stage.program.wait(next);
    expect(&outcome, Code::Clean);
    stage.check(&after, "after the second run").await;
    stage.program.ok(DOWN);
    stage.check(&stage.before, "after the way back").await;
}

/// Cuts the connection after so many bytes, from either side, up to and with the last byte.
#[tokio::test]
async fn the_connection_is_cut() {
    let stage = Stage::postgres().await;
    let (after, ..) = stage.rehearse().await;
    let port = Postgres::shared().port();
    let proxy = Proxy::start(port);
    let through = Program::new(PROGRAM).database(proxy.url(&stage.url(), port));
    through.migrations_from(&stage.program.dir().join("migrations"));

    let measure = async |args: &[&str]| {
        proxy.set(Fault::None);
        let child = through.spawn(args);
        let outcome = tokio::task::spawn_blocking({
            let program = Program::new(PROGRAM);
            move || program.wait(child)
        })
        .await
        .unwrap();
        expect(&outcome, Code::Clean);
        proxy.passed()
    };
    let (up_bytes, down_bytes) = (measure(UP).await, measure(DOWN).await);
    stage.check(&stage.before, "measured").await;

    let cuts = kills();
    for n in 1..=cuts {
        for from_server in [false, true] {
            let at = |(client, server): (u64, u64)| {
                let share = |total: u64| (total * u64::from(n) / u64::from(cuts)).max(1) - 1;
                if from_server {
                    Fault::CutAfterServerBytes(share(server))
                } else {
                    Fault::CutAfterClientBytes(share(client))
                }
            };
            for (args, bytes, reached) in
                [(UP, up_bytes, &after), (DOWN, down_bytes, &stage.before)]
            {
                let fault = at(bytes);
                proxy.set(fault);
                let child = through.spawn(args);
                let program = Program::new(PROGRAM);
                let outcome =
                    tokio::task::spawn_blocking(move || program.wait(child)).await.unwrap();
                // The last bytes are goodbyes: the work may be done and known to be.
                assert!(
                    [Code::Unreachable as i32, Code::Clean as i32]
                        .map(Some)
                        .contains(&outcome.code),
                    "{fault:?} of {bytes:?}\n{outcome}"
                );
                assert!(!outcome.stderr.contains("panicked"), "{outcome}");
                expect(&stage.program.run(args), Code::Clean);
                stage.check(reached, &format!("{args:?} cut by {fault:?} of {bytes:?}")).await;
            }
        }
    }
}

/// What is done to a server.
type Act<S> = fn(&mut S);

/// The server dies at so many instants of the way up and of the way down.
async fn killed_and_started_again<S>(
    mut server: S,
    (kill, restart): (Act<S>, Act<S>),
    stage: Stage,
    instants: u32,
) {
    let (after, up, down) = stage.rehearse().await;
    for n in 0..instants {
        let share = f64::from(n) / f64::from(instants);
        for (args, time, reached) in [(UP, up, &after), (DOWN, down, &stage.before)] {
            let child = stage.program.spawn(args);
            tokio::time::sleep(time.mul_f64(share)).await;
            kill(&mut server);
            let outcome = stage.program.wait(child);
            restart(&mut server);
            assert!(
                [Code::Unreachable as i32, Code::Clean as i32].map(Some).contains(&outcome.code),
                "{outcome}"
            );
            expect(&stage.program.run(args), Code::Clean);
            stage.check(reached, &format!("server killed at {share:.2} of {args:?}")).await;
        }
    }
}

#[tokio::test]
async fn the_server_is_killed() {
    let server = Postgres::start();
    let stage = Stage::postgres_on(&server).await;
    killed_and_started_again(server, (Postgres::kill9, Postgres::restart), stage, 4).await;
}

/// Rows for some 30 MB, which the disk does not have.
#[tokio::test]
async fn the_servers_disk_is_full() {
    let server = PostgresOptions::default().start();
    let stage = Stage::postgres_on(&server).await;
    stage.program.migration(
        "0007_too_much",
        "UPDATE customers SET country = 'XX';\nCREATE TABLE big AS SELECT n, repeat('x', 200) AS x FROM generate_series(1, 120000) AS n;\n",
        "DROP TABLE big;\n",
    );
    let (after, ..) = stage.rehearse().await;
    // What the rehearsal kept is longer than the limit: its pages are to be on the disk before that.
    let mut session = stage.session().await;
    session.run("CHECKPOINT").await;
    session.close().await;
    // WAL files are 16 MiB long.
    fault::limit_file_size(server.pid(), 17 << 20).unwrap();
    let outcome = stage.program.run(UP);
    expect(&outcome, Code::FailedUnchanged);
    assert!(
        outcome.stderr.contains("too large") || outcome.stderr.contains("No space"),
        "{outcome}"
    );
    // 0006 fits and is applied; of 0007 nothing is.
    let status = stage.program.ok(&["status"]).stdout;
    assert!(status.contains("1 pending"), "{status}");
    expect(&stage.program.run(DOWN), Code::Clean);
    stage.check(&stage.before, "back from a full disk").await;
    fault::limit_file_size(server.pid(), u64::MAX >> 1).unwrap();
    expect(&stage.program.run(UP), Code::Clean);
    stage.check(&after, "there is room again").await;
}

/// A file that may not grow: every size at which some step of `up` and `down` meets the end.
#[tokio::test]
async fn the_disk_of_a_sqlite_file_is_full() {
    let stage = Stage::sqlite().await;
    let (after, ..) = stage.rehearse().await;
    let file = stage.url().trim_start_matches("sqlite://").split('?').next().unwrap().to_owned();
    let limited = |args: &[&str], kib: u64| {
        let mut command = Command::new("bash");
        let script = format!("trap '' XFSZ; ulimit -f {kib}; exec \"$@\"");
        let plain = stage.program.command(args);
        command.args(["-c", &script, "bash"]).arg(plain.get_program()).args(plain.get_args());
        command.current_dir(stage.program.dir()).env("DATABASE_URL", stage.url());
        command.stdin(std::process::Stdio::null());
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let mut met = 0;
    for (args, reached, other) in [(UP, &after, &stage.before), (DOWN, &stage.before, &after)] {
        // Without the pages that an earlier run has left free.
        let mut session = stage.session().await;
        session.run("VACUUM").await;
        session.close().await;
        for step in 0..6 {
            let size = std::fs::metadata(&file).unwrap().len() / 1024;
            let (code, stderr) = limited(args, size + step * 24);
            assert!(!stderr.contains("panicked"), "{stderr}");
            if code == Some(Code::Clean as i32) {
                break;
            }
            met += 1;
            assert_eq!(code, Some(Code::FailedUnchanged as i32), "{stderr}");
            stage.check(other, &format!("{args:?} on a full disk: {stderr}")).await;
        }
        expect(&stage.program.run(args), Code::Clean);
        stage.check(reached, "there is room again").await;
    }
    assert!(met >= 2, "the disk was full only {met} times");
}

/// Ctrl-C: the migration that runs is finished or rolled back, the rest is left, and it says so.
#[tokio::test]
async fn interrupted_between_migrations() {
    let stage = Stage::postgres().await;
    stage.program.migration("0007_slow", "SELECT pg_sleep(3);\n", "SELECT 1;\n");
    stage.program.migration(
        "0008_after",
        "CREATE TABLE after_all (x int);\n",
        "DROP TABLE after_all;\n",
    );
    let child = stage.program.spawn(UP);
    let mut session = stage.session().await;
    until(
        &mut session,
        "SELECT count(*) > 0 FROM pg_stat_activity \
          WHERE state = 'active' AND query LIKE '%pg_sleep(3)%' AND pid <> pg_backend_pid()",
    )
    .await;
    assert!(fault::signal(child.id(), "INT"));
    let outcome = stage.program.wait(child);
    expect(&outcome, Code::Interrupted);
    let status = stage.program.ok(&["status"]).stdout;
    assert!(
        status.contains("7 applied, 1 pending") || status.contains("6 applied, 2 pending"),
        "{status}"
    );
    stage.program.ok(UP);
    stage.program.ok(DOWN);
    stage.check(&stage.before, "after an interruption").await;
}

//! Others who hold what a run needs.

use std::time::{Duration, Instant};

use downhaul::exit_code::Code;
use downhaul_kit::{LockHolder, Outcome};

use crate::stage::{DOWN, Stage, UP, expect};

/// Several runs at once: each migration is applied once, the others wait and find nothing left.
async fn several_at_once(stage: Stage) {
    let (after, ..) = stage.rehearse().await;
    for (args, reached) in [(UP, &after), (DOWN, &stage.before)] {
        let children: Vec<_> = (0..4).map(|_| stage.program.spawn(args)).collect();
        let outcomes: Vec<Outcome> =
            children.into_iter().map(|child| stage.program.wait(child)).collect();
        let mut worked = 0;
        for outcome in &outcomes {
            expect(outcome, Code::Clean);
            worked += usize::from(outcome.stdout.contains("0006_slim_customers"));
        }
        assert_eq!(worked, 1, "{outcomes:?}");
        stage.check(reached, &format!("four {args:?} at once")).await;
    }
}

#[tokio::test]
async fn several_at_once_on_sqlite() {
    several_at_once(Stage::sqlite().await).await;
}

#[tokio::test]
async fn several_at_once_on_postgres() {
    several_at_once(Stage::postgres().await).await;
}

#[tokio::test]
async fn several_at_once_on_mariadb() {
    several_at_once(Stage::mariadb().await).await;
}

#[tokio::test]
#[ignore = "wants MySQL: scripts/mysql-tests"]
async fn several_at_once_on_mysql() {
    several_at_once(Stage::mysql().await).await;
}

/// One run is held up; the next one leaves with a clear message instead of running beside it.
async fn a_second_run_leaves(stage: Stage) {
    let (after, ..) = stage.rehearse().await;
    let statements = if stage.is_sqlite() {
        ""
    } else if stage.is_mysql() {
        "UPDATE customers SET country = country WHERE id = 1"
    } else {
        "LOCK TABLE customers IN SHARE MODE"
    };
    let holder = LockHolder::with_statements(&stage.url(), statements).await;
    // However long it takes until the others have left the right to run to it.
    let mut patient = UP.to_vec();
    patient.extend(["--wait", "600", "--lock-retry", "600"]);
    let first = stage.program.spawn(&patient);
    let outcome = second_run(&stage, first.id());
    expect(&outcome, Code::Locked);
    assert!(outcome.stderr.contains("--wait"), "{outcome}");
    holder.release().await;
    expect(&stage.program.wait(first), Code::Clean);
    stage.check(&after, "the first run went on").await;
}

/// What a run sees that comes while the first is at work. One that comes too early, before the first
/// has the right to run, would be held up in its stead: it is let go after a while and tried again.
fn second_run(stage: &Stage, first: u32) -> Outcome {
    for _ in 0..60 {
        let args = ["up", "--yes", "--wait", "0", "--lock-timeout", "100", "--lock-retry", "0"];
        let outcome = stage.program.run(&args);
        if outcome.stderr.contains("--wait") {
            return outcome;
        }
        expect(&outcome, Code::Locked);
        assert!(downhaul_kit::fault::is_running(first), "the first run ended: {outcome}");
        // Room for the first one, which asks twice a second.
        std::thread::sleep(Duration::from_secs(2));
    }
    panic!("the first run never came to work");
}

#[tokio::test]
async fn a_second_run_leaves_on_sqlite() {
    a_second_run_leaves(Stage::sqlite().await).await;
}

#[tokio::test]
async fn a_second_run_leaves_on_mariadb() {
    a_second_run_leaves(Stage::mariadb().await).await;
}

#[tokio::test]
#[ignore = "wants MySQL: scripts/mysql-tests"]
async fn a_second_run_leaves_on_mysql() {
    a_second_run_leaves(Stage::mysql().await).await;
}

#[tokio::test]
async fn a_second_run_leaves_on_postgres() {
    a_second_run_leaves(Stage::postgres().await).await;
}

/// A long transaction holds the table: the run gives up in time, names who holds it, and leaves
/// everything as it was; once it is gone, the same command works.
async fn a_lock_is_held(stage: Stage) {
    let (after, ..) = stage.rehearse().await;
    for (args, reached, other) in [(UP, &after, &stage.before), (DOWN, &stage.before, &after)] {
        let statements = if stage.is_sqlite() { "" } else { "SELECT count(*) FROM customers" };
        let holder = LockHolder::with_statements(&stage.url(), statements).await;
        let mut command = args.to_vec();
        command.extend(["--lock-timeout", "200", "--lock-retry", "1"]);
        let started = Instant::now();
        let outcome = stage.program.run(&command);
        expect(&outcome, Code::Locked);
        let took = started.elapsed();
        assert!(took < Duration::from_secs(40), "gave up only after {took:?}\n{outcome}");
        if !stage.is_sqlite() {
            assert!(outcome.stdout.contains("waiting"), "{outcome}");
        }
        holder.release().await;
        stage.check(other, &format!("{args:?} gave up")).await;
        expect(&stage.program.run(args), Code::Clean);
        stage.check(reached, &format!("{args:?} after the lock was gone")).await;
    }
}

#[tokio::test]
async fn a_lock_is_held_on_sqlite() {
    a_lock_is_held(Stage::sqlite().await).await;
}

#[tokio::test]
async fn a_lock_is_held_on_postgres() {
    a_lock_is_held(Stage::postgres().await).await;
}

/// A SQLite file has one writer: the journal's own statements wait for whoever it is as long as
/// `--lock-retry` says, not only those of the migration. The journal is there, or made first.
#[tokio::test]
async fn a_busy_sqlite_file_is_waited_for() {
    let stage = Stage::sqlite().await;
    for args in [UP, DOWN] {
        let holder = LockHolder::with_statements(&stage.url(), "").await;
        let child = stage.program.spawn(args);
        tokio::time::sleep(Duration::from_secs(3)).await;
        holder.release().await;
        expect(&stage.program.wait(child), Code::Clean);
    }
    stage.check(&stage.before, "up and down on a busy file").await;
}

/// While a run waits for a lock, the application behind it must not queue for longer than one try.
#[tokio::test]
async fn traffic_passes_while_a_run_waits() {
    let stage = Stage::postgres().await;
    let (after, ..) = stage.rehearse().await;
    let holder = LockHolder::reader(&stage.url(), "customers").await;
    let child =
        stage.program.spawn(&["up", "--yes", "--lock-timeout", "300", "--lock-retry", "30"]);
    let mut session = stage.session().await;
    let mut slowest = Duration::ZERO;
    let started = Instant::now();
    // Long enough for the run to have met the holder.
    let enough = Duration::from_secs(4);
    while started.elapsed() < enough
        || slowest < Duration::from_millis(100) && started.elapsed() < 5 * enough
    {
        let asked = Instant::now();
        let statement = session.run("UPDATE customers SET country = country WHERE id = 1");
        tokio::time::timeout(Duration::from_secs(60), statement).await.expect("a statement waits");
        slowest = slowest.max(asked.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    holder.release().await;
    let outcome = stage.program.wait(child);
    expect(&outcome, Code::Clean);
    stage.check(&after, "after the wait").await;
    // It tried, and was met, or found a holder already older than a try and did not queue at all.
    assert!(outcome.stdout.contains("waiting"), "the run never waited: {outcome}");
    // One try of 300 ms, and what a busy machine adds; without a budget it would be for as long as
    // the holder holds, which is until this loop ends.
    assert!(slowest < Duration::from_secs(10), "a statement waited {slowest:?}");
}

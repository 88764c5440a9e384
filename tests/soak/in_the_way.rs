//! Sessions of an application that are in a run's way, and those who end what a run does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use downhaul_kit::{Rng, Session};
use tokio::task::JoinHandle;

/// A session that holds tables, rows and the journal for a moment each, again and again (MariaDB).
pub(crate) struct InTheWay {
    over: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl InTheWay {
    pub(crate) fn start(url: String, seed: u64) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&over);
        let task = tokio::spawn(async move {
            let mut rng = Rng::new(seed);
            let Ok(mut session) = Session::try_connect(&url).await else { return };
            while !told.load(Ordering::SeqCst) {
                let (take, give) = match rng.below(6) {
                    0 => ("BEGIN; SELECT count(*) FROM people", "COMMIT"),
                    1 => ("BEGIN; SELECT count(*) FROM notes", "COMMIT"),
                    2 => ("BEGIN; SELECT * FROM people WHERE id < 5 FOR UPDATE", "COMMIT"),
                    3 => ("LOCK TABLES downhaul_step READ", "UNLOCK TABLES"),
                    4 => ("LOCK TABLES downhaul_migration READ", "UNLOCK TABLES"),
                    _ => ("FLUSH TABLES WITH READ LOCK", "UNLOCK TABLES"),
                };
                let hold = Duration::from_millis(match rng.below(8) {
                    // Longer than a lock is waited for.
                    0 => 2300,
                    _ => rng.below(300) as u64,
                });
                // Tables come and go, and so does the server.
                let _ = session.try_run("SET SESSION lock_wait_timeout = 1").await;
                if session.try_run(take).await.is_ok() {
                    tokio::time::sleep(hold).await;
                }
                if session.try_run(give).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(rng.below(60) as u64)).await;
            }
            session.close().await;
        });
        Self { over, task }
    }

    /// Until its locks are gone.
    pub(crate) async fn end(self) {
        self.over.store(true, Ordering::SeqCst);
        self.task.await.expect("it does nothing that panics");
    }
}

/// Ends a session of the run, or only what it does. Whether there was one.
pub(crate) async fn end_one_of_the_run(url: &str, what: &str, rng: &mut Rng) -> bool {
    let mut session = Session::connect(url).await;
    // The session that holds the lock of the run, and the one that works.
    let mut others = "SELECT ID FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND ID <> CONNECTION_ID() \
                      AND (INFO IS NULL OR INFO NOT LIKE 'FLUSH%')"
        .to_owned();
    let mut tries = 1;
    if what == "QUERY" {
        // At work just then: most of the time they are not.
        others.push_str(" AND COMMAND = 'Query' AND INFO IS NOT NULL");
        tries = 100;
    }
    let mut ended = false;
    while !ended && tries > 0 {
        tries -= 1;
        let found = session.rows(&others).await;
        let ids: Vec<&str> = found.iter().filter_map(|row| row[0].as_deref()).collect();
        ended = !ids.is_empty()
            && session.try_run(&format!("KILL {what} {}", ids[rng.below(ids.len())])).await.is_ok();
    }
    session.close().await;
    ended
}

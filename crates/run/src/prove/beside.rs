//! The queries of a release while a migration runs, from a session of their own.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use downhaul_engine::{EngineError, Session};

use super::Queries;
use super::certificate::Certificate;

/// How often an application sends the next one here.
const PAUSE: Duration = Duration::from_millis(2);

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Told {
    run: u64,
    slowest: Duration,
    problems: Vec<String>,
}

impl Told {
    /// Enters it into the certificate; the milliseconds of the slowest query.
    pub(super) fn enter(self, label: &str, when: &str, certificate: &mut Certificate) -> u64 {
        certificate.queries_run += self.run;
        certificate.tell(label, when, self.problems);
        u64::try_from(self.slowest.as_millis()).unwrap_or(u64::MAX)
    }
}

/// Does some work that leads from `low` migrations applied to `high`, or back, while the queries that
/// must work on both sides of it are run again and again, at least once each.
pub(super) async fn beside<T>(
    queries: &Queries<'_>,
    session: Option<&mut Box<dyn Session>>,
    (low, high, count): (usize, usize, usize),
    work: impl Future<Output = T>,
) -> (T, Told) {
    let over = AtomicBool::new(false);
    let work = async {
        let result = work.await;
        over.store(true, Ordering::SeqCst);
        result
    };
    let asking = async {
        let mut told = Told::default();
        let list: Vec<_> = queries
            .valid(low, count)
            .into_iter()
            .filter(|(release, _)| queries.valid(high, count).iter().any(|(r, _)| r == release))
            .collect();
        let Some(session) = session.filter(|_| !list.is_empty()) else { return told };
        loop {
            for (release, query) in &list {
                let begun = Instant::now();
                let result = queries.one(&mut **session, &query.text).await;
                told.run += 1;
                told.slowest = told.slowest.max(begun.elapsed());
                if let Err(error) = result {
                    let problem = format!(
                        "{} of the {release} release fails while it runs: {error}: {}",
                        query.place, query.text
                    );
                    if !told.problems.contains(&problem) {
                        told.problems.push(problem);
                    }
                    if matches!(error, EngineError::Disconnected(_)) {
                        return told;
                    }
                }
                tokio::time::sleep(PAUSE).await;
            }
            if over.load(Ordering::SeqCst) {
                return told;
            }
        }
    };
    tokio::join!(work, asking)
}

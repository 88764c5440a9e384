//! Reads of the table between batches, behind which nobody queues and which wait no longer than a batch does.

use std::time::Instant;

use downhaul_engine::{EngineError, LockBudget, Session};
use downhaul_syntax::Dialect;

use super::{PAUSE, in_the_way};
use crate::apply::gives_way;
use crate::patience::{blame, next_pause};
use crate::{Event, Observer, Runner};

/// Reads, again and again while somebody keeps all others from the table: each try within the limits of a
/// statement, and all of them as long as batches are tried. Of one that may run for long (a scan) only the wait is
/// limited.
pub(super) async fn patiently<T>(
    runner: &mut Runner,
    observer: &mut dyn Observer,
    read: impl AsyncFn(&mut dyn Session) -> Result<T, EngineError>,
) -> Result<T, EngineError> {
    if runner.session.dialect() == Dialect::Sqlite {
        return read(&mut *runner.session).await;
    }
    let budget = LockBudget { statement_timeout: None, ..runner.options.budget };
    let (started, mut pause) = (Instant::now(), PAUSE);
    loop {
        let session = &mut *runner.session;
        let result = async {
            session.begin_reading(budget).await?;
            read(&mut *session).await
        }
        .await;
        let error = match result {
            Ok(found) => {
                session.rollback().await?;
                return Ok(found);
            }
            Err(error) => error,
        };
        // After a broken connection there is nothing to roll back.
        let _ = session.rollback().await;
        let blockers = in_the_way(session, &error, &[]).await;
        let over = started.elapsed() >= runner.options.lock_retry || runner.stop_asked();
        if !gives_way(&error) || over {
            return Err(blame(error, &blockers));
        }
        observer.event(Event::Waiting { blockers: &blockers, pause, queued: true });
        tokio::time::sleep(pause).await;
        pause = next_pause(pause, started);
    }
}

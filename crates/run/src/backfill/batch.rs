//! One batch: a transaction of its own, together with the place that it reached.
//!
//! On a server it is one message: how long a batch may keep a processor to itself decides what others
//! notice of it, and with several messages most of a short one would be their way. Since nobody can look
//! at an answer within a message, each asks at its end where the next batch ends.

use std::time::{Duration, Instant};

use downhaul_engine::{AT_ONCE, EngineError, LockBudget, Row, Session};
use downhaul_syntax::Dialect;

use super::MARK;
use super::ledger::{Ledger, Place, count};
use super::stretches::Stretch;
use super::walk::{Walk, Way};

/// What is done to which rows: the same for every session that is at work.
pub(super) struct Fill {
    pub(super) ledger: Ledger,
    pub(super) walk: Walk,
    /// The statement before its condition, what it names as its table, and the condition, empty
    /// where there is none.
    pub(super) head: String,
    pub(super) target: String,
    pub(super) filter: String,
    /// The table, for people.
    pub(super) table: String,
    pub(super) shape: Shape,
    pub(super) budget: LockBudget,
    /// For how long a batch that does not get its locks is tried again.
    pub(super) retry: Duration,
}

/// How a batch goes to the server.
pub(super) enum Shape {
    /// In one message (PostgreSQL).
    Returning,
    /// In one message, behind statements that make its transaction what it has to be beside writers
    /// (MariaDB, MySQL).
    Counting { gently: String },
    /// Statement by statement.
    Stepwise,
}

/// Where a batch ends, as asked before it.
#[derive(Clone, Debug)]
pub(crate) struct Ahead {
    /// The key of its last row, or the number of the block behind it; `None`: with its stretch or the table.
    until: Option<Vec<String>>,
    /// The rows that were asked for.
    rows: u64,
    at: Instant,
}

/// What a batch took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Took {
    /// The rows that it was to have.
    pub(super) rows: u64,
    /// How long the server was at work on them: on a slow line messages take longer than the rows of a
    /// batch, and smaller batches would not make them shorter.
    pub(super) work: Duration,
    /// How long it took to record the place, which smaller batches would not make shorter either.
    pub(super) record: Duration,
    /// How long the server was not at work in all that time: the message and its answer were on their way.
    /// Not where it waits for the disk meanwhile.
    pub(super) way: Duration,
}

/// How long the answer to where a batch ends is good for: meanwhile rows may come into being there.
const FRESH: Duration = Duration::from_secs(1);

impl Ahead {
    /// Whether a batch of so many rows may end there. One that is larger than wanted is asked for
    /// anew; a smaller one costs less than the question.
    fn fits(&self, rows: u64) -> bool {
        self.at.elapsed() < FRESH && self.rows <= rows + rows / 2
    }
}

/// PostgreSQL: nobody waits until a batch has reached the disk, so that its log goes there with that
/// of the writers, little by little, and not all at once while they wait. What a crash of the server
/// takes back are the last batches together with the place that they reached; the end of the backfill
/// is on disk with all before it (PostgreSQL manual §30.4).
const UNHURRIED: &str = "SET LOCAL synchronous_commit = off";

/// PostgreSQL: how many rows the batch has changed, for the statements behind it.
const FILLED: &str = "downhaul.filled";

/// PostgreSQL: seconds since the message arrived. All statements of a message have the same
/// `statement_timestamp()`.
const SINCE: &str =
    "SELECT extract(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.statement_timestamp())";

impl Shape {
    /// How batches go to this server.
    pub(super) async fn of(session: &mut dyn Session, walk: &Walk) -> Result<Self, EngineError> {
        Ok(match session.dialect() {
            Dialect::Sqlite => Self::Stepwise,
            // What is counted within its own statement must not be another one by a rule, which the
            // server refuses (PostgreSQL manual §7.8.4).
            Dialect::Postgres if walk.has_rules || matches!(walk.way, Way::Whole) => Self::Stepwise,
            Dialect::Postgres => Self::Returning,
            Dialect::Mysql | Dialect::MariaDb => Self::Counting { gently: gently(session).await? },
        })
    }
}

/// What makes the transaction of a batch one that writers do not notice.
///
/// No writer is caught with it in a deadlock, of which the server would end the writer, who has
/// done less. It locks no gaps between keys (not where the binary log holds statements, which need
/// them), and it never waits for a row: the batch is rolled back and tried again. On MariaDB a setting says so;
/// MySQL waits for a second at least, so its rows are locked before they are written ([`Fill::holds`]).
async fn gently(session: &mut dyn Session) -> Result<String, EngineError> {
    let free = session
        .number("SELECT @@global.log_bin = 0 OR @@session.binlog_format <> 'STATEMENT'")
        .await?;
    let level = if free == 0 { "REPEATABLE READ" } else { "READ COMMITTED" };
    let wait = u8::from(session.dialect() == Dialect::Mysql);
    Ok(format!(
        "ROLLBACK; SET SESSION innodb_lock_wait_timeout = {wait}; SET TRANSACTION ISOLATION LEVEL {level}; START TRANSACTION"
    ))
}

impl Fill {
    /// One batch, in a transaction of its own together with the place that it reached.
    pub(super) async fn turn(
        &self,
        session: &mut dyn Session,
        place: &mut Place,
        stretch: Option<&Stretch>,
    ) -> Result<Took, EngineError> {
        let upper = stretch.and_then(|stretch| stretch.upper.as_ref());
        if matches!(self.shape, Shape::Stepwise) {
            return self.stepwise(session, place, stretch).await;
        }
        let end = match place.ahead.take().filter(|ahead| ahead.fits(place.batch)) {
            Some(end) => end,
            None => {
                let behind = place.cursor.as_ref();
                let answer = match self.walk.question(behind, place.batch, upper) {
                    Some(question) => {
                        session.transact_rows(self.patience(place), &question).await?
                    }
                    None => Vec::new(),
                };
                self.end(place, upper, answer.first())?
            }
        };
        let changes = self.statement(place.cursor.as_ref(), end.until.as_ref(), upper);
        let counted = match self.shape {
            Shape::Returning => {
                format!("CAST(pg_catalog.current_setting('{FILLED}') AS bigint)")
            }
            _ => "@downhaul_filled".to_owned(),
        };
        let mut reached = self.behind(place, &end);
        let record = self.record(stretch, &reached, end.until.is_none(), &counted);
        let question = match end.until {
            Some(_) => self.walk.question(reached.cursor.as_ref(), place.batch, upper),
            None => None,
        };
        let holds = self.holds(place.cursor.as_ref(), end.until.as_ref(), upper);
        let mut message = match &self.shape {
            Shape::Counting { gently } => format!(
                "{gently}; SET @downhaul_begun = SYSDATE(6); {holds}{changes}\n; \
                 SET @downhaul_filled = ROW_COUNT(), @downhaul_took = TIMESTAMPDIFF(MICROSECOND, @downhaul_begun, SYSDATE(6)) * 0.000001; {record}; \
                 SELECT @downhaul_filled; SELECT @downhaul_took; SELECT @downhaul_took"
            ),
            _ => format!(
                "{UNHURRIED}; WITH downhaul_filled AS ({changes}\nRETURNING 1) \
                 SELECT pg_catalog.set_config('{FILLED}', CAST((SELECT count(*) FROM downhaul_filled) AS text), true); \
                 {SINCE}; {record}; {SINCE}"
            ),
        };
        if let Some(question) = &question {
            message.push_str("; ");
            message.push_str(question);
        }
        let sent = Instant::now();
        let rows = session
            .transact_rows(self.patience(place), &message)
            .await
            .map_err(|error| error.of_statement(&changes))?;
        let took = sent.elapsed();
        let [changed, worked, recorded, answer @ ..] = rows.as_slice() else {
            return Err(EngineError::Protocol("a batch was answered with too few rows".into()));
        };
        let changed = count(changed, 0)?;
        reached.rows += changed;
        if end.until.is_none() {
            reached.passed += changed;
        } else {
            reached.ahead = Some(self.end(&reached, upper, answer.first())?);
        }
        let (worked, recorded) = (seconds(worked)?, seconds(recorded)?);
        reached.goes_on_from(place);
        *place = reached;
        let way = match self.shape {
            Shape::Counting { .. } => Duration::ZERO,
            _ => took.saturating_sub(recorded),
        };
        let record = recorded.saturating_sub(worked);
        Ok(Took { rows: end.rows, work: worked, record, way })
    }

    /// Whether a batch lets go at once of what it holds, and is tried again as a smaller one (PostgreSQL). While
    /// it holds a row and waits for another one, whoever came the other way round is ended by the server, which
    /// looks at it before it looks at the batch (manual, `deadlock_timeout`: a second from the begin of a wait). A
    /// batch of one row holds nothing that anybody else could wait for.
    pub(super) fn gives_way(&self, place: &Place) -> bool {
        matches!(self.shape, Shape::Returning) && place.batch > 1
    }

    /// How long a batch waits.
    fn patience(&self, place: &Place) -> LockBudget {
        let mut budget = self.budget;
        if self.gives_way(place) {
            budget.lock_timeout = budget.lock_timeout.min(AT_ONCE);
        }
        budget
    }

    /// The same, a statement at a time.
    async fn stepwise(
        &self,
        session: &mut dyn Session,
        place: &mut Place,
        stretch: Option<&Stretch>,
    ) -> Result<Took, EngineError> {
        let upper = stretch.and_then(|stretch| stretch.upper.as_ref());
        let opening = Instant::now();
        session.begin(self.budget).await?;
        let message = match self.ledger.dialect {
            // There are no messages; it waits for other writers.
            Dialect::Sqlite => Duration::ZERO,
            _ => opening.elapsed(),
        };
        let done = async {
            let begun = Instant::now();
            let answer = match self.walk.question(place.cursor.as_ref(), place.batch, upper) {
                Some(question) => session.row(&question).await?,
                None => None,
            };
            let end = self.end(place, upper, answer.as_ref())?;
            let changes = self.statement(place.cursor.as_ref(), end.until.as_ref(), upper);
            let changed = session.execute(&changes).await?;
            // One asks where the batch ends, and one is the batch.
            let work = begun.elapsed().saturating_sub(message * 2);
            let mut reached = self.behind(place, &end);
            let last = end.until.is_none();
            let mut record = self.record(stretch, &reached, last, &changed.to_string());
            if self.ledger.dialect == Dialect::Postgres {
                record = format!("{UNHURRIED}; {record}");
            }
            session.commit_with(&record).await?;
            reached.rows += changed;
            if last {
                reached.passed += changed;
            }
            reached.goes_on_from(place);
            let (record, way) = (Duration::ZERO, Duration::ZERO);
            Ok((reached, Took { rows: end.rows, work, record, way }))
        }
        .await;
        match done {
            Ok((reached, took)) => {
                *place = reached;
                Ok(took)
            }
            Err(error) => {
                if !matches!(error, EngineError::Disconnected(_)) {
                    session.rollback().await?;
                }
                Err(error)
            }
        }
    }

    /// Where the batch behind a place ends, by the answer to the question for it.
    fn end(
        &self,
        place: &Place,
        upper: Option<&Vec<String>>,
        answer: Option<&Row>,
    ) -> Result<Ahead, EngineError> {
        let until = self.walk.answered(place.cursor.as_ref(), place.batch, upper, answer)?;
        Ok(Ahead { until, rows: place.batch, at: Instant::now() })
    }

    /// The `UPDATE` of the rows of a batch.
    fn statement(
        &self,
        behind: Option<&Vec<String>>,
        until: Option<&Vec<String>>,
        upper: Option<&Vec<String>>,
    ) -> String {
        format!("{} {MARK} {}", self.head, self.condition(behind, until, upper))
    }

    /// MySQL: locks the rows of a batch, without waiting for any, before the `UPDATE`.
    fn holds(
        &self,
        behind: Option<&Vec<String>>,
        until: Option<&Vec<String>>,
        upper: Option<&Vec<String>>,
    ) -> String {
        if self.ledger.dialect != Dialect::Mysql {
            return String::new();
        }
        format!(
            "SELECT count(*) INTO @downhaul_held FROM {} {MARK} {} FOR UPDATE NOWAIT; ",
            self.target,
            self.condition(behind, until, upper)
        )
    }

    /// `WHERE …`: which rows are those of a batch.
    fn condition(
        &self,
        behind: Option<&Vec<String>>,
        until: Option<&Vec<String>>,
        upper: Option<&Vec<String>>,
    ) -> String {
        let range = self.walk.range(behind, until, upper);
        match (self.filter.as_str(), range.as_str()) {
            ("", "") => String::new(),
            (filter, "") => format!("WHERE {filter}"),
            ("", range) => format!("WHERE {range}"),
            (filter, range) => format!("WHERE ({filter}\n) AND {range}"),
        }
    }

    /// The place behind a batch, without the rows that it changed, which are not known yet.
    fn behind(&self, place: &Place, end: &Ahead) -> Place {
        let passes = end.until.as_ref().map_or(0, |_| self.walk.passes(end.rows));
        Place {
            ended: end.until.is_none(),
            cursor: end.until.clone().or_else(|| place.cursor.clone()),
            passed: place.passed + passes,
            ..place.clone()
        }
    }

    /// The statement that records a place, given what the rows are that were `counted`.
    fn record(
        &self,
        stretch: Option<&Stretch>,
        reached: &Place,
        last: bool,
        counted: &str,
    ) -> String {
        let rows = format!("{} + {counted}", reached.rows);
        let passed = match last {
            true => format!("{} + {counted}", reached.passed),
            false => reached.passed.to_string(),
        };
        match stretch {
            Some(stretch) => self.ledger.reach_in(stretch.number, reached, &rows, &passed),
            None => self.ledger.reach_by(reached, &rows, &passed),
        }
    }

    /// Whether the statement would still find a row.
    pub(super) async fn remains(&self, session: &mut dyn Session) -> Result<bool, EngineError> {
        if self.filter.is_empty() {
            return Ok(false);
        }
        let rows = session
            .rows(&format!("SELECT 1 FROM {} {MARK} WHERE {} LIMIT 1", self.target, self.filter))
            .await?;
        Ok(!rows.is_empty())
    }
}

/// A time that the server told, in seconds.
fn seconds(row: &Row) -> Result<Duration, EngineError> {
    row.text(0)
        .parse()
        .ok()
        // A clock that was set back.
        .map(|seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or_default())
        .ok_or_else(|| EngineError::Protocol(format!("expected seconds, got `{}`", row.text(0))))
}

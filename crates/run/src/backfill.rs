//! One `UPDATE` in many small transactions.
//!
//! Batches follow the primary key (or another unique key without NULLs), else the blocks of the
//! table. Each commits together with the place that it reached, so that a kill at any instant loses
//! no batch and repeats none. What writers change meanwhile behind that place is the matter of the
//! trigger that the expand phase made; at the end the condition of the `UPDATE` is asked once more
//! of the whole table, and rows that it still finds are gone over again.

use std::time::{Duration, Instant};

use downhaul_engine::{EngineError, Row, Session};
use downhaul_plan::{Direction, Version};
use downhaul_syntax::lexer::{TokenKind, lex};
use downhaul_syntax::{Change, Dialect, Statement};

use crate::apply::gives_way;
use crate::patience::next_pause;
use crate::{Event, Journal, Observer, Runner};

/// What a batch should take: short enough that nobody who waits for one of its rows notices.
const TARGET: Duration = Duration::from_millis(250);
/// Rows of the first batch, and the bounds that later ones keep to.
const FIRST: u64 = 1000;
const BOUNDS: (u64, u64) = (20, 50_000);
/// A replica that is further behind makes the backfill wait.
const LAG: Duration = Duration::from_secs(5);
/// How often the whole table is gone over before rows that remain are taken for what they are.
const PASSES: u32 = 3;

/// The parts of an `UPDATE` that can be cut into batches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parts<'s> {
    /// All before `WHERE`.
    head: &'s str,
    /// What stands between `UPDATE` and `SET`: the table, perhaps with an alias.
    target: &'s str,
    /// The condition; empty where there is none.
    filter: &'s str,
}

/// Cuts an `UPDATE` of one table apart; `None` where it reads other tables in a `FROM`, returns
/// rows, or is something else.
pub(crate) fn parts(statement: &Statement) -> Option<Parts<'_>> {
    let [Change::Update { .. }] = statement.changes() else { return None };
    let text = statement.text.as_str();
    let lexed = lex(text, Dialect::Postgres);
    let (mut depth, mut before) = (0_i32, String::new());
    let (mut update, mut set, mut filter) = (None, None, None);
    for token in &lexed.tokens {
        let found = token.span.text(text);
        match found {
            "(" | "[" => depth += 1,
            ")" | "]" => depth -= 1,
            _ => {}
        }
        if token.kind != TokenKind::Word || depth != 0 {
            if !matches!(
                token.kind,
                TokenKind::Whitespace | TokenKind::LineComment | TokenKind::BlockComment
            ) {
                before.clear();
            }
            continue;
        }
        let word = found.to_ascii_uppercase();
        match word.as_str() {
            "UPDATE" if update.is_none() => update = Some(token.span.end),
            "SET" if set.is_none() => set = Some(token.span.start),
            "WHERE" if filter.is_none() => filter = Some(token.span),
            "FROM" if before != "DISTINCT" => return None,
            "WITH" | "RETURNING" | "CURRENT" => return None,
            _ => {}
        }
        before = word;
    }
    let target = text.get(update?..set?)?.trim();
    let (head, filter) = match filter {
        Some(span) => (text.get(..span.start)?, text.get(span.end..)?.trim()),
        None => (text, ""),
    };
    Some(Parts { head, target, filter })
}

/// How a table is walked.
enum Walk {
    /// By the columns of a key, with their types.
    Key(Vec<(String, String)>),
    /// By its blocks.
    Blocks,
    /// It cannot be: all at once.
    Whole,
}

/// How far it is.
struct Place {
    /// Values of the key behind which the next batch begins, or the number of a block.
    cursor: Option<Vec<String>>,
    rows: u64,
    batch: u64,
}

/// A statement's line in the journal's table of backfills.
struct Ledger<'a> {
    journal: Journal,
    version: &'a Version,
    direction: Direction,
    ordinal: usize,
}

impl Ledger<'_> {
    fn table(&self) -> String {
        self.journal.table("backfill")
    }

    fn key(&self) -> String {
        format!(
            "version = {} AND direction = '{}' AND ordinal = {}",
            self.journal.text(self.version.as_str()),
            self.direction,
            self.ordinal
        )
    }

    /// The place at which an earlier run was cut off, or the beginning.
    async fn open(&self, session: &mut dyn Session, total: u64) -> Result<Place, EngineError> {
        session
            .execute(&format!(
                "CREATE TABLE IF NOT EXISTS {} (version text NOT NULL, direction text NOT NULL, ordinal bigint NOT NULL, place text, row_count bigint NOT NULL, total bigint NOT NULL, batch bigint NOT NULL, paused boolean NOT NULL, speed bigint NOT NULL, done boolean NOT NULL, started_at text NOT NULL, at text NOT NULL, PRIMARY KEY (version, direction, ordinal))",
                self.table()
            ))
            .await?;
        let rows = session
            .rows(&format!(
                "SELECT place, row_count, batch FROM {} WHERE {} AND NOT done",
                self.table(),
                self.key()
            ))
            .await?;
        if let Some(row) = rows.first() {
            return Ok(Place {
                cursor: row.opt(0).and_then(|text| serde_json::from_str(text).ok()),
                rows: count(row, 1)?,
                batch: count(row, 2)?.max(1),
            });
        }
        session
            .execute(&format!(
                "DELETE FROM {table} WHERE {key}; INSERT INTO {table} (version, direction, ordinal, place, row_count, total, batch, paused, speed, done, started_at, at) VALUES ({version}, '{direction}', {ordinal}, NULL, 0, {total}, {FIRST}, false, 100, false, {now}, {now})",
                table = self.table(),
                key = self.key(),
                version = self.journal.text(self.version.as_str()),
                direction = self.direction,
                ordinal = self.ordinal,
                now = self.journal.now(),
            ))
            .await?;
        Ok(Place { cursor: None, rows: 0, batch: FIRST })
    }

    /// Statement that records a place.
    fn reach(&self, place: &Place, done: bool) -> String {
        let cursor = place.cursor.as_ref().map_or_else(
            || "NULL".to_owned(),
            |values| {
                let text = serde_json::to_string(values).unwrap_or_default();
                self.journal.text(&text)
            },
        );
        format!(
            "UPDATE {} SET place = {cursor}, row_count = {}, batch = {}, done = {done}, at = {} WHERE {}",
            self.table(),
            place.rows,
            place.batch,
            self.journal.now(),
            self.key()
        )
    }

    /// Whether somebody wants it to rest, and at which speed (percent) it runs.
    async fn wish(&self, session: &mut dyn Session) -> Result<(bool, u64), EngineError> {
        let rows = session
            .rows(&format!("SELECT paused, speed FROM {} WHERE {}", self.table(), self.key()))
            .await?;
        match rows.first() {
            Some(row) => Ok((row.flag(0), count(row, 1)?.clamp(1, 100))),
            None => Ok((false, 100)),
        }
    }
}

fn count(row: &Row, column: usize) -> Result<u64, EngineError> {
    Ok(u64::try_from(row.number(column)?).unwrap_or(0))
}

/// How a backfill ended, where nothing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Every row is done.
    Done,
    /// It was asked to stop, and will go on from where it is.
    Stopped,
}

/// Runs an `UPDATE` in batches to its end, from where an earlier run left it.
pub(crate) async fn run(
    runner: &mut Runner,
    (version, direction): (&Version, Direction),
    index: usize,
    statement: &Statement,
    observer: &mut dyn Observer,
) -> Result<End, EngineError> {
    let Some(parts) = parts(statement) else {
        return Err(EngineError::Protocol("the statement cannot be run in batches".into()));
    };
    let ledger = Ledger { journal: runner.journal, version, direction, ordinal: index + 1 };
    let table = table_of(statement);
    let walk = walk(&mut *runner.session, &table).await?;
    let total = estimate(&mut *runner.session, &table).await?;
    let mut place = ledger.open(&mut *runner.session, total).await?;
    if place.cursor.is_some() {
        observer.event(Event::Note(&format!(
            "an earlier run was cut off in this backfill: it goes on behind {} rows",
            place.rows
        )));
    }
    let begun = Instant::now();
    let mut pass = 1;
    loop {
        let end = passes(runner, &ledger, &parts, &table, &walk, &mut place, observer).await?;
        if end == End::Stopped {
            return Ok(End::Stopped);
        }
        // The assertion: what the statement wants done is done, also for rows written meanwhile.
        if pass == PASSES || !remains(&mut *runner.session, &parts).await? {
            break;
        }
        pass += 1;
        place.cursor = None;
    }
    runner.session.execute(&ledger.reach(&place, true)).await?;
    observer.event(Event::Note(&format!(
        "{}: {} rows filled in batches, {:.0} rows a second",
        table_name(&parts),
        place.rows,
        rate(place.rows, begun.elapsed())
    )));
    Ok(End::Done)
}

/// The table once, from the place on.
async fn passes(
    runner: &mut Runner,
    ledger: &Ledger<'_>,
    parts: &Parts<'_>,
    table: &str,
    walk: &Walk,
    place: &mut Place,
    observer: &mut dyn Observer,
) -> Result<End, EngineError> {
    let mut pause = Duration::from_millis(100);
    let mut held_since: Option<Instant> = None;
    loop {
        if runner.stop_asked() {
            return Ok(End::Stopped);
        }
        let (paused, speed) = ledger.wish(&mut *runner.session).await?;
        if paused || lagging(&mut *runner.session).await? {
            tokio::time::sleep(Duration::from_millis(500)).await;
            continue;
        }
        let batch = Instant::now();
        let budget = runner.options.budget;
        let session = &mut *runner.session;
        session.begin(budget).await?;
        let result = one(session, ledger, parts, table, walk, place).await;
        let more = match result {
            Ok(more) => {
                session.commit().await?;
                held_since = None;
                pause = Duration::from_millis(100);
                more
            }
            Err(error) => {
                if !matches!(error, EngineError::Disconnected(_)) {
                    session.rollback().await?;
                }
                let since = *held_since.get_or_insert(batch);
                if gives_way(&error) && since.elapsed() < runner.options.lock_retry {
                    // A smaller batch holds, and waits for, fewer rows.
                    place.batch = (place.batch / 2).max(BOUNDS.0);
                    let blockers = session.oldest_transactions().await.unwrap_or_default();
                    observer.event(Event::Waiting { blockers: &blockers, pause, queued: true });
                    tokio::time::sleep(pause).await;
                    pause = next_pause(pause, since);
                    continue;
                }
                return Err(error);
            }
        };
        if !more {
            return Ok(End::Done);
        }
        let took = batch.elapsed();
        place.batch = adapted(place.batch, took);
        let rest = took.mul_f64((100 - speed) as f64 / speed as f64);
        tokio::time::sleep(rest.min(Duration::from_secs(60))).await;
    }
}

/// The size of the next batch, given what the last one took.
fn adapted(batch: u64, took: Duration) -> u64 {
    let ratio = TARGET.as_secs_f64() / took.as_secs_f64().max(0.001);
    ((batch as f64 * ratio.clamp(0.5, 2.0)) as u64).clamp(BOUNDS.0, BOUNDS.1)
}

/// One batch within a transaction; whether more follow.
async fn one(
    session: &mut dyn Session,
    ledger: &Ledger<'_>,
    parts: &Parts<'_>,
    table: &str,
    walk: &Walk,
    place: &mut Place,
) -> Result<bool, EngineError> {
    let (range, next) = match walk {
        Walk::Whole => (String::new(), None),
        Walk::Key(key) => by_key(session, ledger, table, key, place).await?,
        Walk::Blocks => by_blocks(session, ledger, table, place).await?,
    };
    let filter = match (parts.filter, range.as_str()) {
        ("", "") => String::new(),
        (filter, "") => format!("WHERE {filter}"),
        ("", range) => format!("WHERE {range}"),
        (filter, range) => format!("WHERE ({filter}\n) AND {range}"),
    };
    let touched = session.execute(&format!("{} {filter}", parts.head)).await?;
    let more = next.is_some();
    let reached = Place {
        cursor: next.or_else(|| place.cursor.clone()),
        rows: place.rows + touched,
        batch: place.batch,
    };
    session.execute(&ledger.reach(&reached, false)).await?;
    *place = reached;
    Ok(more)
}

/// The condition of the next batch by key, and where it ends; `None` for the last one.
async fn by_key(
    session: &mut dyn Session,
    ledger: &Ledger<'_>,
    table: &str,
    key: &[(String, String)],
    place: &Place,
) -> Result<(String, Option<Vec<String>>), EngineError> {
    let columns: Vec<&str> = key.iter().map(|(column, _)| column.as_str()).collect();
    let row = |values: &[String]| {
        let values: Vec<String> = values
            .iter()
            .zip(key)
            .map(|(value, (_, ty))| format!("CAST({} AS {ty})", ledger.journal.text(value)))
            .collect();
        format!("({})", values.join(", "))
    };
    let columns = columns.join(", ");
    let behind = place.cursor.as_ref().map(|values| format!("({columns}) > {}", row(values)));
    let filter = behind.as_ref().map(|b| format!(" WHERE {b}")).unwrap_or_default();
    let texts: Vec<String> = key.iter().map(|(c, _)| format!("CAST({c} AS text)")).collect();
    let found = session
        .rows(&format!(
            "SELECT {} FROM {table}{filter} ORDER BY {columns} OFFSET {} LIMIT 1",
            texts.join(", "),
            place.batch - 1
        ))
        .await?;
    let end: Option<Vec<String>> =
        found.first().map(|found| (0..key.len()).map(|i| found.text(i).to_owned()).collect());
    let until = end.as_ref().map(|values| format!("({columns}) <= {}", row(values)));
    let range: Vec<String> = [behind, until].into_iter().flatten().collect();
    Ok((range.join(" AND "), end))
}

/// The condition of the next batch by blocks, and the block behind it.
async fn by_blocks(
    session: &mut dyn Session,
    ledger: &Ledger<'_>,
    table: &str,
    place: &Place,
) -> Result<(String, Option<Vec<String>>), EngineError> {
    // 100 rows a block is a guess that the adapted size makes good.
    let step = (place.batch / 100).max(1);
    let from: u64 = place
        .cursor
        .as_ref()
        .and_then(|values| values.first())
        .and_then(|value| value.parse().ok())
        .unwrap_or(0);
    let to = from + step;
    let rows = session
        .rows(&format!(
            "SELECT pg_relation_size(CAST({} AS regclass)) / current_setting('block_size')::bigint",
            ledger.journal.text(table)
        ))
        .await?;
    let blocks = rows.first().map_or(Ok(0), |row| count(row, 0))?;
    if to >= blocks {
        return Ok((format!("ctid >= '({from},0)'::tid"), None));
    }
    let range = format!("ctid >= '({from},0)'::tid AND ctid < '({to},0)'::tid");
    Ok((range, Some(vec![to.to_string()])))
}

/// The table's name, quoted.
fn table_of(statement: &Statement) -> String {
    match statement.changes() {
        [Change::Update { table, .. }] => Dialect::Postgres.quote_name(table),
        _ => String::new(),
    }
}

fn table_name<'s>(parts: &Parts<'s>) -> &'s str {
    parts.target.split_whitespace().next().unwrap_or(parts.target)
}

fn rate(rows: u64, took: Duration) -> f64 {
    rows as f64 / took.as_secs_f64().max(0.001)
}

/// Whether the statement would still find a row.
async fn remains(session: &mut dyn Session, parts: &Parts<'_>) -> Result<bool, EngineError> {
    if parts.filter.is_empty() {
        return Ok(false);
    }
    let rows = session
        .rows(&format!("SELECT 1 FROM {} WHERE {} LIMIT 1", parts.target, parts.filter))
        .await?;
    Ok(!rows.is_empty())
}

/// Rows, as the server guesses.
async fn estimate(session: &mut dyn Session, table: &str) -> Result<u64, EngineError> {
    let rows = session
        .rows(&format!(
            "SELECT greatest(CAST(reltuples AS bigint), 0) FROM pg_class WHERE oid = CAST({} AS regclass)",
            Dialect::Postgres.literal(table)
        ))
        .await?;
    rows.first().map_or(Ok(0), |row| count(row, 0))
}

/// Whether a replica is too far behind. Whoever may not see replicas does not wait for them.
async fn lagging(session: &mut dyn Session) -> Result<bool, EngineError> {
    let rows = session
        .rows(&format!(
            "SELECT coalesce(max(extract(epoch FROM replay_lag)), 0) > {} FROM pg_stat_replication",
            LAG.as_secs()
        ))
        .await?;
    Ok(rows.first().is_some_and(|row| row.flag(0)))
}

/// The best way over a table.
async fn walk(session: &mut dyn Session, table: &str) -> Result<Walk, EngineError> {
    let name = Dialect::Postgres.literal(table);
    let rows = session
        .rows(&format!(
            "SELECT i.indexrelid, quote_ident(a.attname), format_type(a.atttypid, NULL) \
             FROM pg_index i \
             CROSS JOIN LATERAL unnest(CAST(i.indkey AS int2[])) WITH ORDINALITY k(attnum, ord) \
             JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum \
             WHERE i.indrelid = CAST({name} AS regclass) AND i.indisunique AND i.indisvalid AND i.indimmediate \
               AND i.indpred IS NULL AND i.indexprs IS NULL AND k.ord <= i.indnkeyatts \
               AND NOT EXISTS (SELECT 1 FROM pg_attribute n WHERE n.attrelid = i.indrelid AND n.attnum = ANY (i.indkey) AND NOT n.attnotnull) \
             ORDER BY i.indisprimary DESC, i.indexrelid, k.ord"
        ))
        .await?;
    if let Some(first) = rows.first() {
        let index = first.text(0).to_owned();
        let key = rows
            .iter()
            .filter(|row| row.text(0) == index)
            .map(|row| (row.text(1).to_owned(), row.text(2).to_owned()))
            .collect();
        return Ok(Walk::Key(key));
    }
    let rows = session
        .rows(&format!("SELECT relkind FROM pg_class WHERE oid = CAST({name} AS regclass)"))
        .await?;
    Ok(match rows.first().map(|row| row.text(0)) {
        Some("r") => Walk::Blocks,
        _ => Walk::Whole,
    })
}

#[cfg(test)]
mod tests {
    use downhaul_syntax::parse_script;

    use super::*;

    fn cut(sql: &str) -> Option<(String, String, String)> {
        let script = parse_script(sql, Dialect::Postgres);
        let parts = parts(&script.statements[0])?;
        Some((parts.head.trim().into(), parts.target.into(), parts.filter.into()))
    }

    #[test]
    fn an_update_is_cut_at_its_own_where() {
        let cut_one = cut(
            "UPDATE \"a b\" SET c = (SELECT 1 WHERE true), d = x IS DISTINCT FROM y /* where */ WHERE c IS DISTINCT FROM d OR e = 'where'",
        )
        .unwrap();
        assert_eq!(cut_one.1, "\"a b\"");
        assert!(cut_one.0.ends_with("y /* where */"), "{}", cut_one.0);
        assert_eq!(cut_one.2, "c IS DISTINCT FROM d OR e = 'where'");
        assert_eq!(cut("UPDATE a SET b = 1").unwrap().2, "");
        assert_eq!(cut("UPDATE a SET b = c.d FROM c WHERE c.id = a.id"), None);
        assert_eq!(cut("UPDATE a SET b = 1 WHERE b = 2 RETURNING id"), None);
        assert_eq!(cut("WITH x AS (SELECT 1) UPDATE a SET b = 1"), None);
        assert_eq!(cut("DELETE FROM a"), None);
    }

    #[test]
    fn batches_grow_and_shrink_towards_the_target() {
        assert_eq!(adapted(1000, Duration::from_millis(10)), 2000);
        assert_eq!(adapted(1000, Duration::from_millis(500)), 500);
        assert_eq!(adapted(1000, Duration::from_secs(9)), 500);
        assert_eq!(adapted(20, Duration::from_secs(9)), BOUNDS.0);
        assert_eq!(adapted(50_000, Duration::from_millis(1)), BOUNDS.1);
    }
}

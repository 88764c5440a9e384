//! Who reads while a table is written anew.
//!
//! The rows of such a table are written frozen (`COPY … FREEZE`): every snapshot sees them from the
//! commit on, older ones too, so that nobody ever finds the table empty. To a transaction that keeps to
//! one snapshot, the restore then lies before it. That is no contradiction to anything it may see if it
//! took the snapshot when the tables were locked against writers already; if it did so before, it
//! might miss other work of a transaction whose rows it finds here. So whoever had a snapshot then has
//! to be gone. A snapshot that was exported then and imported later is not recognized.

use downhaul_engine::{Row, Session, Wanted, lock_tables};
use downhaul_syntax::Dialect;

use super::plan::TablePlan;
use crate::store::SnapshotError;

const D: Dialect = Dialect::Postgres;

/// A transaction of somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Onlooker {
    /// Its number, which nobody else gets.
    transaction: String,
    /// Who that is, for people.
    who: String,
}

impl Onlooker {
    /// From a row of a transaction's number and who that is.
    fn read(row: &Row) -> Self {
        Self { transaction: row.text(0).to_owned(), who: row.text(1).to_owned() }
    }
}

/// Other transactions in this database that have a snapshot, or of which that is not to be known:
/// without `pg_read_all_stats` one sees of other roles' sessions only that they are there.
pub(super) async fn with_snapshots(
    session: &mut dyn Session,
) -> Result<Vec<Onlooker>, SnapshotError> {
    let rows = session
        .rows(
            "SELECT k.virtualxid, pg_catalog.format('process %s (%s)', a.pid, pg_catalog.concat_ws(', ', nullif(a.application_name, ''), \
                 a.usename, CASE WHEN a.backend_type IS NULL THEN 'of which this user may see no more' END)) \
             FROM pg_catalog.pg_stat_activity a JOIN pg_catalog.pg_locks k ON k.pid = a.pid AND k.locktype = 'virtualxid' AND k.granted \
             WHERE a.datname = pg_catalog.current_database() AND a.pid <> pg_catalog.pg_backend_pid() \
               AND (a.backend_type IS NULL OR a.backend_type NOT LIKE 'autovacuum%' AND a.backend_xmin IS NOT NULL) ORDER BY a.pid",
        )
        .await?;
    Ok(rows.iter().map(Onlooker::read).collect())
}

/// Looks at transactions, so far apart.
const PAUSE: &str = "0.05";

/// Waits as long as for a lock until those who had a snapshot are gone, while others go on reading;
/// then keeps readers off the tables. `Some`: why that was not to be had; then nothing more is locked
/// than was.
pub(super) async fn keep_off(
    session: &mut dyn Session,
    tables: &[&TablePlan],
    earlier: &[Onlooker],
) -> Result<Option<String>, SnapshotError> {
    if tables.is_empty() {
        return Ok(None);
    }
    // Milliseconds; 0 is no limit, which would be none here either.
    let budget = session
        .number("SELECT setting::bigint FROM pg_catalog.pg_settings WHERE name = 'lock_timeout'")
        .await?;
    let mut looks = (budget / 50).max(1);
    let mut old = earlier.to_vec();
    while !old.is_empty() {
        let now = with_snapshots(session).await?;
        old.retain(|one| now.iter().any(|other| other.transaction == one.transaction));
        if old.is_empty() {
            break;
        }
        if looks == 0 {
            return Ok(Some(format!(
                "a transaction that began before may keep to an older snapshot: {}",
                named(&old)
            )));
        }
        looks -= i64::from(budget > 0);
        session.row(&format!("SELECT pg_catalog.pg_sleep({PAUSE})")).await?;
    }
    session.execute("SAVEPOINT downhaul_hold").await?;
    for table in tables {
        let name = D.quote_name(&table.tracked.name);
        // Those who look for a free moment make nobody wait who waits for us.
        let wanted: Vec<Wanted> = vec![(name, "ACCESS EXCLUSIVE".to_owned())];
        match lock_tables(session, &wanted).await {
            Ok(()) => {}
            Err(error) if error.is_contention() => {
                session.execute("ROLLBACK TO SAVEPOINT downhaul_hold").await?;
                let who = readers_of(session, table).await?;
                return Ok(Some(format!(
                    "{} is being read: {}",
                    table.tracked.label(),
                    named(&who)
                )));
            }
            Err(error) => return Err(error.into()),
        }
    }
    session.execute("RELEASE SAVEPOINT downhaul_hold").await?;
    Ok(None)
}

fn named(who: &[Onlooker]) -> String {
    if who.is_empty() {
        return "by somebody who has ended since".to_owned();
    }
    let mut names: Vec<&str> = who.iter().take(3).map(|one| one.who.as_str()).collect();
    if who.len() > names.len() {
        names.push("…");
    }
    names.join(", ")
}

/// Who holds a lock on a table at this moment.
async fn readers_of(
    session: &mut dyn Session,
    table: &TablePlan,
) -> Result<Vec<Onlooker>, SnapshotError> {
    let rows = session
        .rows(&format!(
            "SELECT k.virtualtransaction, pg_catalog.format('process %s (%s)', a.pid, pg_catalog.concat_ws(', ', nullif(a.application_name, ''), a.usename)) \
             FROM pg_catalog.pg_locks k JOIN pg_catalog.pg_stat_activity a ON a.pid = k.pid \
             WHERE k.locktype = 'relation' AND k.relation = {} AND k.granted AND k.pid <> pg_catalog.pg_backend_pid() \
               AND k.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) ORDER BY a.pid",
            table.tracked.relation
        ))
        .await?;
    Ok(rows.iter().map(Onlooker::read).collect())
}

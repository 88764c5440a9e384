//! What a way back takes away: tables and columns of which the older schema knows nothing, how many rows lie in
//! them now, and what becomes of those.

use downhaul_engine::{EngineError, TableShape};
use downhaul_snapshot::keep::{self, Endangered};
use downhaul_snapshot::loss::TableLoss;
use downhaul_snapshot::{losses, tombstone};
use downhaul_syntax::{Ident, ObjectName, Statement};

use crate::{DownPlan, KeptSummary, PlannedDown, RunError, Runner};

/// Rows up to which they are counted: a preview should not read all of a large table.
const COUNTED: u64 = 1_000_000;

/// How many rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Counted.
    Exactly(u64),
    /// More than are counted: as many as the server estimates, or as were counted.
    About(u64),
    /// Those that a newer migration of the same way back brings back before.
    Returned(u64),
    /// Not known before the statements run, or nobody could count them.
    Unknown,
}

/// What becomes of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Copied into Downhaul's own tables.
    Copied,
    /// Renamed out of the way, nothing is copied.
    SetAside,
    /// Gone for good: the file, or the call, says that nothing is kept.
    Gone,
}

/// What a down takes away of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The table.
    pub table: String,
    /// "the whole table", "all rows", "column email", "rows".
    pub what: String,
    /// How many rows that concerns.
    pub rows: Rows,
    /// Where they go.
    pub fate: Fate,
}

impl Runner {
    /// What each migration of a plan takes away. Reads only: what is written before it runs is not counted.
    pub async fn takes_away(&mut self, plan: &DownPlan) -> Result<Vec<Vec<Taken>>, RunError> {
        let mut all = Vec::with_capacity(plan.migrations.len());
        // What newer migrations of the plan bring back before.
        let mut returned: Vec<&KeptSummary> = Vec::new();
        for migration in &plan.migrations {
            all.push(self.taken_by(migration, &returned).await?);
            returned.extend(&migration.kept);
        }
        Ok(all)
    }

    async fn taken_by(
        &mut self,
        migration: &PlannedDown,
        returned: &[&KeptSummary],
    ) -> Result<Vec<Taken>, RunError> {
        let prepared = &migration.down;
        let dialect = self.session.dialect();
        let statements: Vec<&Statement> = prepared.statements.iter().collect();
        // What the file gives up is missing in the second.
        let destroyed = losses(&prepared.statements, dialect);
        let guarded = prepared.losses(&prepared.statements, dialect);
        let protected = self.options.protect && !guarded.all_given_up;
        let mut found = Vec::new();
        let live = reading(keep::endangered(&mut *self.session, &destroyed).await)?;
        for (name, loss) in destroyed.tables.iter().filter(|(_, loss)| loss.destroys()) {
            // Not there yet: what a newer migration brings back goes at once.
            let there = live.iter().any(|table| is_called(&table.shape.name, name));
            let back = returned.iter().find(|kept| names(&kept.table, name));
            if let (false, Some(back)) = (there, back) {
                let kept = protected && guarded.tables.get(name).is_some_and(TableLoss::destroys);
                let fate = if kept { Fate::Copied } else { Fate::Gone };
                let what = what(loss);
                let rows = Rows::Returned(back.rows);
                found.push(Taken { table: back.table.clone(), what, rows, fate });
            }
        }
        for table in live {
            if table.is_catalog(dialect) {
                continue;
            }
            let Endangered { shape, loss } = &table;
            let given_up = guarded.given_up.iter().any(|name| is_called(&shape.name, name));
            let fate = if !protected || given_up {
                Fate::Gone
            } else {
                let wish = prepared.wish(&shape.name, loss, &self.options);
                let choice = tombstone::choose(&mut *self.session, &table, wish, &statements).await;
                if reading(choice)?.is_aside() { Fate::SetAside } else { Fate::Copied }
            };
            let whole = loss.dropped || loss.truncated || !loss.columns.is_empty();
            let rows = if whole || !loss.retyped.is_empty() {
                self.count(shape).await?
            } else {
                Rows::Unknown
            };
            found.push(Taken { table: shape.name.to_string(), what: what(loss), rows, fate });
        }
        found.sort_by(|a, b| a.table.cmp(&b.table));
        Ok(found)
    }

    /// Rows of a table, in a transaction of its own: where somebody holds it, nobody is waited for.
    async fn count(&mut self, shape: &TableShape) -> Result<Rows, RunError> {
        let table = self.session.dialect().quote_name(&shape.name);
        self.session.begin(self.options.budget).await?;
        let some = format!("SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT {}) x", COUNTED + 1);
        let counted = self.session.number(&some).await;
        let ended = self.session.rollback().await;
        match counted {
            Ok(rows) => {
                ended?;
                let rows = u64::try_from(rows).unwrap_or(0);
                Ok(if rows <= COUNTED {
                    Rows::Exactly(rows)
                } else {
                    Rows::About(shape.rows.unwrap_or(rows).max(rows))
                })
            }
            Err(error @ EngineError::Disconnected(_)) => Err(error.into()),
            Err(_) => Ok(Rows::Unknown),
        }
    }
}

fn reading<T>(result: Result<T, downhaul_snapshot::SnapshotError>) -> Result<T, RunError> {
    result.map_err(|error| match error {
        downhaul_snapshot::SnapshotError::Engine(error) => RunError::Engine(error),
        other => RunError::Engine(EngineError::Protocol(other.to_string())),
    })
}

fn is_called(table: &ObjectName, written: &ObjectName) -> bool {
    table.name == written.name && (written.schema.is_none() || written.schema == table.schema)
}

/// Whether a table as people read it (`public.visits`) is the one that a statement names.
fn names(shown: &str, written: &ObjectName) -> bool {
    let bare = written.name.to_string();
    shown == written.to_string() || shown == bare || shown.ends_with(&format!(".{bare}"))
}

fn what(loss: &TableLoss) -> String {
    if loss.dropped {
        return "the whole table".to_owned();
    }
    if loss.truncated {
        return "all rows".to_owned();
    }
    let list = |names: &std::collections::BTreeSet<Ident>| {
        names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    let mut parts = Vec::new();
    if !loss.columns.is_empty() {
        parts.push(format!("column {}", list(&loss.columns)));
    }
    if !loss.retyped.is_empty() {
        parts.push(format!("values of {} that its other type does not hold", list(&loss.retyped)));
    }
    if loss.rows {
        parts.push("rows that its statements change or delete".to_owned());
    }
    parts.join(", ")
}

//! Migrations that delete a few rows, among others of one message: the rows are kept by the statement
//! that deletes them.

use std::collections::{BTreeMap, BTreeSet};

use downhaul_engine::EngineError;
use downhaul_snapshot::{Kept, packed};
use downhaul_syntax::Dialect;

use super::{Piece, Table};
use crate::Runner;
use crate::apply::Work;
use crate::journal::{Journal, Planned};

/// How the rows of one statement are kept.
pub(super) struct Keeping {
    /// Its place in the migration.
    pub(super) statement: usize,
    kept: Kept,
    /// Number of the restore point.
    pub(super) point: i64,
    /// Number of the table, and what changes with its definition.
    table: (String, String),
}

impl Keeping {
    /// The deletion, and what the journal says of it.
    pub(super) fn statements(
        &self,
        work: &Work<'_>,
        journal: Journal,
        planned: &Planned,
    ) -> Result<[String; 2], EngineError> {
        let (oid, state) = (self.table.0.as_str(), self.table.1.as_str());
        let numbers = (work.operation, self.point);
        Ok([
            packed::delete(&work.prepared.statements[self.statement], &self.kept),
            journal.keep(planned, work.version, numbers, &self.kept, (oid, state))?,
        ])
    }
}

/// Works out how rows that go are kept, and leaves out the pieces from the first one on of which they
/// cannot be kept so. `numbers`: whether they can be at all, and of the newest restore point and store.
pub(super) async fn keep(
    runner: &mut Runner,
    pieces: &mut Vec<Piece<'_>>,
    tables: &BTreeMap<String, Table>,
    numbers: Option<(bool, i64, i64)>,
) -> Result<(), EngineError> {
    if pieces.iter().all(|piece| piece.deletions.is_empty()) {
        return Ok(());
    }
    let (ready, mut point, mut id) = numbers.unwrap_or((false, 0, 0));
    // What one of them alters is another table for those behind it.
    let mut altered: BTreeSet<&str> = BTreeSet::new();
    let mut fitting = 0;
    for piece in pieces.iter() {
        let known = piece.deleted_from().all(|name| {
            tables
                .get(&name)
                .is_some_and(|t| t.state.is_some() && !altered.contains(t.name.as_str()))
        });
        let fits = piece.deletions.is_empty() || ready && known;
        if !fits {
            break;
        }
        for need in piece.needs.iter().filter(|need| !need.mode.starts_with("ROW ")) {
            let name = Dialect::Postgres.quote_name(&need.table);
            altered.extend(tables.get(&name).map(|table| table.name.as_str()));
        }
        fitting += 1;
    }
    pieces.truncate(fitting);
    let of_all = pieces.iter().flat_map(|piece| &piece.deletions);
    let names: Vec<_> = of_all.map(|(_, deletion)| deletion.table.clone()).collect();
    if names.is_empty() {
        return Ok(());
    }
    let mut shapes = runner.session.table_shapes(&names).await?.into_iter();
    let mut fitting = pieces.len();
    for (place, piece) in pieces.iter_mut().enumerate() {
        point += i64::from(!piece.deletions.is_empty());
        for (statement, deletion) in &piece.deletions {
            id += 1;
            let table = tables.get(&Dialect::Postgres.quote_name(&deletion.table));
            let kept = shapes.next().flatten().and_then(|shape| deletion.keeps(&shape, id));
            let (Some(kept), Some(table)) = (kept, table) else {
                fitting = fitting.min(place);
                continue;
            };
            let state = table.state.clone().unwrap_or_default();
            let table = (table.oid.clone(), state);
            piece.keeping.push(Keeping { statement: *statement, kept, point, table });
        }
    }
    pieces.truncate(fitting);
    Ok(())
}

/// The server counts rows that this message deletes: has it tell them to the others at once, and so
/// begin anew, where it can; else what is counted is taken down.
pub(super) fn forget_counts(
    runner: &mut Runner,
    pieces: &[Piece<'_>],
    tables: &BTreeMap<String, Table>,
    transactions: &mut [String],
) {
    if runner.session.server().major >= 15
        && pieces.iter().any(|piece| !piece.deletions.is_empty())
        && let Some(last) = transactions.last_mut()
    {
        last.push_str("\n;\nSELECT pg_catalog.pg_stat_force_next_flush()");
        return;
    }
    for name in pieces.iter().flat_map(Piece::deleted_from) {
        if let Some(table) = tables.get(&name) {
            runner.counted.rows_of(&table.oid);
        }
    }
}

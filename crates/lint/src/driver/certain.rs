//! Whether a problem of the catalog is one that the server surely has too.

use downhaul_catalog::Problem;
use downhaul_syntax::{Change, Dialect, ObjectName};

use super::Run;

impl Run<'_> {
    /// Whether the server surely refuses: an object that may have been made outside of the series
    /// is no problem, and what an empty table would take is none either.
    pub(super) fn is_certain(&self, problem: &Problem, change: &Change) -> bool {
        let reads =
            change.is_dml() || matches!(change, Change::Select { .. } | Change::CopyFrom { .. });
        match problem {
            // Which names of a query are tables is not always sure.
            Problem::Missing { kind, name } if reads && kind == "table" => {
                self.history_known && target_of(change).is_some_and(|t| t.to_string() == *name)
            }
            Problem::Missing { kind, .. } => {
                self.history_known || matches!(kind.as_str(), "column" | "constraint" | "trigger")
            }
            Problem::Exists { .. } | Problem::DependsOn { .. } if self.doubt => false,
            Problem::Refused { reason } => !reason.contains("NOT NULL column with default value"),
            _ => true,
        }
    }

    /// SQLite takes a name in double quotes that is no column for a string, but not where only a
    /// column can stand.
    pub(super) fn is_text_to_sqlite(&self, problem: &Problem, change: &Change, text: &str) -> bool {
        let Problem::Missing { kind, name } = problem else { return false };
        let Some((_, column)) = name.rsplit_once('.').filter(|_| kind == "column") else {
            return false;
        };
        let targets = match change {
            Change::Insert { columns, .. } | Change::Update { columns, .. } => columns.as_slice(),
            Change::CreateIndex { .. }
            | Change::CreateTable { .. }
            | Change::Delete { .. }
            | Change::Select { .. } => &[],
            _ => return false,
        };
        self.options.dialect == Dialect::Sqlite
            && targets.iter().all(|c| c.as_str() != column)
            && text.contains(&format!("\"{column}\""))
    }
}

/// The table that a statement writes.
fn target_of(change: &Change) -> Option<&ObjectName> {
    match change {
        Change::Insert { table, .. }
        | Change::Update { table, .. }
        | Change::Delete { table, .. }
        | Change::Merge { table, .. }
        | Change::CopyFrom { table, .. } => Some(table),
        _ => None,
    }
}

//! Runners that send a file as it is: what the server then does about transactions.

use downhaul_syntax::{Change, Dialect, parse_script};

use super::TransactionMode;

/// A file sent in one piece: PostgreSQL makes one transaction of several statements (manual
/// §55.2.2.1), but neither of a single one nor where the file begins one itself.
pub(super) fn sent_whole(text: &str) -> TransactionMode {
    let script = parse_script(text, Dialect::Postgres);
    let own = script
        .statements
        .iter()
        .flat_map(|s| s.changes())
        .any(|change| matches!(change, Change::Transaction { .. }));
    if own || script.statements.len() < 2 {
        TransactionMode::None
    } else {
        TransactionMode::Wrapped
    }
}

/// The file holds a statement that PostgreSQL refuses inside a transaction.
pub(super) fn needs_none(text: &str) -> bool {
    let upper = text.to_ascii_uppercase();
    let words = ["CONCURRENTLY", "VACUUM", "CREATE DATABASE", "DROP DATABASE", "ALTER SYSTEM"];
    if !words.iter().any(|word| upper.contains(word)) {
        return false;
    }
    let script = parse_script(text, Dialect::Postgres);
    script.statements.iter().flat_map(|s| s.changes()).any(|change| {
        matches!(
            change,
            Change::CreateIndex { concurrently: true, .. }
                | Change::DropIndex { concurrently: true, .. }
                | Change::Reindex { concurrently: true, .. }
                | Change::DetachPartition { concurrently: true, .. }
                | Change::Vacuum { .. }
                | Change::CreateDatabase { .. }
                | Change::DropDatabase { .. }
        )
    })
}

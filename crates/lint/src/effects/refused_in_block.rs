//! What a server takes outside of a transaction block only, or not with what stands beside it.

use downhaul_syntax::change::ReindexTarget;
use downhaul_syntax::{Change, Dialect, ObjectKind};

use super::{Scene, refused_mysql};

/// Why the server refuses a change that it would take elsewhere: in a transaction block, or with
/// the `ALGORITHM=` and `LOCK=` that stand beside it.
pub(crate) fn by_circumstance(
    change: &Change,
    scene: &Scene<'_>,
    in_block: bool,
) -> Option<String> {
    if let Some(what) = needs_no_block(change, scene).filter(|_| in_block) {
        return Some(format!("`{what}` cannot run inside a transaction block"));
    }
    refused_mysql::online(change, scene).map(|refused| refused.why)
}

/// What the server takes outside of a transaction block only.
pub(crate) fn needs_no_block(change: &Change, scene: &Scene<'_>) -> Option<&'static str> {
    let postgres = match scene.state.dialect() {
        Dialect::Postgres => true,
        Dialect::Sqlite => false,
        Dialect::Mysql | Dialect::MariaDb => return None,
    };
    let state = &scene.state;
    Some(match change {
        Change::Vacuum { .. } => "VACUUM",
        _ if !postgres => return None,
        Change::CreateIndex { concurrently: true, .. } => "CREATE INDEX CONCURRENTLY",
        Change::DropIndex { concurrently: true, .. } => "DROP INDEX CONCURRENTLY",
        Change::Reindex { concurrently: true, .. } => "REINDEX CONCURRENTLY",
        Change::Reindex { target: ReindexTarget::Database | ReindexTarget::Schema(_), .. } => {
            "REINDEX of a database or schema"
        }
        Change::Reindex { target: ReindexTarget::Table(table), .. }
            if state.is_partitioned(table) =>
        {
            "REINDEX of a partitioned table"
        }
        Change::Reindex { target: ReindexTarget::Index(index), .. }
            if state.index_table(index, None).is_some_and(|t| state.is_partitioned(&t)) =>
        {
            "REINDEX of a partitioned index"
        }
        Change::Cluster { table: None } => "CLUSTER of all tables",
        Change::Cluster { table: Some(table) } if state.is_partitioned(table) => {
            "CLUSTER of a partitioned table"
        }
        Change::DetachPartition { concurrently: true, .. } => "DETACH PARTITION CONCURRENTLY",
        Change::CreateDatabase { .. } => "CREATE DATABASE",
        Change::DropDatabase { .. } => "DROP DATABASE",
        Change::AddEnumValue { .. } if !scene.state.options.at_least(12, 0, 0) => {
            "ALTER TYPE … ADD VALUE"
        }
        Change::CreateOther { kind: ObjectKind::Subscription, text, .. }
            if !text.contains("create_slot") && !text.contains("connect") =>
        {
            "CREATE SUBSCRIPTION"
        }
        Change::CreateOther { kind: ObjectKind::Other, .. }
        | Change::AlterOther { kind: ObjectKind::Other | ObjectKind::Database, .. }
        | Change::DropOther { kind: ObjectKind::Other, .. }
        | Change::NoEffect { .. } => of_the_cluster(scene.statement)?,
        _ => return None,
    })
}

/// Statements about the whole server, which the catalog does not model.
fn of_the_cluster(statement: &str) -> Option<&'static str> {
    let mut words = statement.split_ascii_whitespace();
    let pair = [words.next()?, words.next()?].map(str::to_ascii_uppercase);
    Some(match [pair[0].as_str(), pair[1].trim_end_matches(';')] {
        ["ALTER", "SYSTEM"] => "ALTER SYSTEM",
        ["CREATE", "TABLESPACE"] => "CREATE TABLESPACE",
        ["DROP", "TABLESPACE"] => "DROP TABLESPACE",
        ["DISCARD", "ALL"] => "DISCARD ALL",
        ["ALTER", "DATABASE"]
            if words.next().is_some()
                && words.next()?.eq_ignore_ascii_case("SET")
                && words.next()?.eq_ignore_ascii_case("TABLESPACE") =>
        {
            "ALTER DATABASE SET TABLESPACE"
        }
        _ => return None,
    })
}

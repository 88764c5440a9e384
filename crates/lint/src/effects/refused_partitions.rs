//! What MySQL and MariaDB refuse of tables that are divided into partitions: unique keys without the
//! columns that say where a row lies, and foreign keys. Run on MariaDB 10.11.

use std::sync::Arc;

use downhaul_catalog::{MysqlPartitions, Table};
use downhaul_syntax::{Change, ConstraintKind, Ident, ObjectName, Partitioning, TableDef};

use super::Scene;

const KEY: &str = "a unique key must contain all columns by which the table is partitioned";
const FOREIGN_KEY: &str = "a partitioned table takes no part in foreign keys";

/// Why the server refuses a change.
pub(super) fn refused(change: &Change, scene: &Scene<'_>) -> Option<String> {
    let state = &scene.state;
    let divided = |name: &ObjectName| {
        state.table(name).and_then(|t| partitions(t.partitioning.as_ref(), scene))
    };
    let why = match change {
        Change::AddConstraint { table, constraint, .. } => match &constraint.kind {
            ConstraintKind::PrimaryKey { columns, .. } | ConstraintKind::Unique { columns, .. } => {
                lacks_key(&*divided(table)?, state.table(table)?, columns).then_some(KEY)
            }
            ConstraintKind::ForeignKey { table: to, .. } => {
                (divided(table).is_some() || divided(to).is_some()).then_some(FOREIGN_KEY)
            }
            _ => None,
        },
        Change::CreateIndex { index, .. } if index.unique => {
            let columns: Vec<Ident> = index.parts.iter().filter_map(|p| p.column.clone()).collect();
            lacks_key(&*divided(&index.table)?, state.table(&index.table)?, &columns).then_some(KEY)
        }
        Change::MysqlPartition { table, verb, text } if verb == "by" => {
            let known = state.table(table)?;
            let partitions = state.catalog.mysql_partitions(text);
            let mut keys = keys_of(known);
            if keys.any(|columns| lacks_key(&partitions, known, columns)) {
                Some(KEY)
            } else {
                let refers = known
                    .constraints
                    .iter()
                    .any(|c| matches!(c.kind, ConstraintKind::ForeignKey { .. }));
                (refers || !state.referencing(table).is_empty()).then_some(FOREIGN_KEY)
            }
        }
        Change::CreateTable { def, if_not_exists } => {
            if *if_not_exists && state.table(&def.name).is_some() {
                return None;
            }
            new_table(def, scene, &divided)
        }
        _ => None,
    }?;
    Some(why.to_owned())
}

fn partitions(
    partitioning: Option<&Partitioning>,
    scene: &Scene<'_>,
) -> Option<Arc<MysqlPartitions>> {
    match partitioning {
        Some(Partitioning::By(text)) => Some(scene.state.catalog.mysql_partitions(text)),
        _ => None,
    }
}

/// A column of the table by which it is divided is not among these.
fn lacks_key(partitions: &MysqlPartitions, table: &Table, columns: &[Ident]) -> bool {
    let mut names = table.columns.iter().map(|c| &c.name);
    !columns.is_empty()
        && !partitions.is_by_primary_key()
        && names.any(|name| partitions.reads(name) && !columns.contains(name))
}

fn keys_of(table: &Table) -> impl Iterator<Item = &[Ident]> {
    table.constraints.iter().filter_map(|c| match &c.kind {
        ConstraintKind::PrimaryKey { columns, .. } | ConstraintKind::Unique { columns, .. } => {
            Some(columns.as_slice())
        }
        _ => None,
    })
}

fn new_table(
    def: &TableDef,
    scene: &Scene<'_>,
    divided: &dyn Fn(&ObjectName) -> Option<Arc<MysqlPartitions>>,
) -> Option<&'static str> {
    let inline = def.columns.iter().flat_map(|c| c.constraints.iter().map(move |k| (k, Some(c))));
    let all = def.constraints.iter().map(|k| (k, None)).chain(inline);
    let own = partitions(def.partitioning.as_ref(), scene);
    for (constraint, column) in all {
        match (&constraint.kind, &own) {
            (ConstraintKind::ForeignKey { table: to, .. }, own)
                if own.is_some() || divided(to).is_some() =>
            {
                return Some(FOREIGN_KEY);
            }
            (
                ConstraintKind::PrimaryKey { columns, .. } | ConstraintKind::Unique { columns, .. },
                Some(own),
            ) if !own.is_by_primary_key() => {
                let inside = |name: &Ident| {
                    columns.contains(name) || column.is_some_and(|c| c.name == *name)
                };
                if def.columns.iter().any(|c| own.reads(&c.name) && !inside(&c.name)) {
                    return Some(KEY);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use crate::examples::cases;
    use crate::rules::find_rule;

    #[test]
    fn as_the_server_says() {
        let rule = find_rule("TX10").unwrap();
        let base = "-- history\nCREATE TABLE p (at date NOT NULL, n int) PARTITION BY RANGE \
                    COLUMNS (at) (PARTITION a VALUES LESS THAN ('2024-01-01'), PARTITION b VALUES \
                    LESS THAN ('2025-01-01'));\n\
                    CREATE TABLE t (id int PRIMARY KEY, n int);\n\
                    CREATE TABLE same (at date NOT NULL, n int);\n-- up\n";
        for (up, expect) in [
            ("ALTER TABLE p ADD UNIQUE (n)", true),
            ("ALTER TABLE p ADD UNIQUE (n, at)", false),
            ("ALTER TABLE p ADD PRIMARY KEY (at)", false),
            ("CREATE UNIQUE INDEX i ON p (n)", true),
            ("CREATE INDEX i ON p (n)", false),
            ("ALTER TABLE p ADD FOREIGN KEY (n) REFERENCES t (id)", true),
            ("ALTER TABLE t PARTITION BY HASH (n)", true),
            ("ALTER TABLE t PARTITION BY HASH (id)", false),
            ("ALTER TABLE t PARTITION BY KEY () PARTITIONS 2", false),
            ("CREATE TABLE q (a int PRIMARY KEY, b int) PARTITION BY HASH (b)", true),
            ("CREATE TABLE q (a int, b int, PRIMARY KEY (a, b)) PARTITION BY HASH (b)", false),
            ("ALTER TABLE p ADD PARTITION (PARTITION c VALUES LESS THAN ('2026-01-01'))", false),
            ("ALTER TABLE p ADD PARTITION (PARTITION c VALUES LESS THAN ('2024-06-01'))", true),
            ("ALTER TABLE p ADD PARTITION (PARTITION a VALUES LESS THAN ('2026-01-01'))", true),
            ("ALTER TABLE p DROP PARTITION a", false),
            ("ALTER TABLE p DROP PARTITION c", true),
            ("ALTER TABLE p DROP PARTITION IF EXISTS c", false),
            ("ALTER TABLE p DROP PARTITION a, b", true),
            ("ALTER TABLE p TRUNCATE PARTITION c", true),
            ("ALTER TABLE p EXCHANGE PARTITION a WITH TABLE same", false),
            ("ALTER TABLE p EXCHANGE PARTITION a WITH TABLE t", true),
            ("ALTER TABLE p EXCHANGE PARTITION a WITH TABLE nothere", true),
            ("ALTER TABLE t DROP PARTITION a", true),
            ("ALTER TABLE p REMOVE PARTITIONING; ALTER TABLE p ADD UNIQUE (n)", false),
        ] {
            cases(rule, &[("mariadb", &format!("{base}{up}"), expect)]);
        }
    }
}

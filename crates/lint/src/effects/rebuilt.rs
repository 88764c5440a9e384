//! A table of SQLite that is made anew with other rules: what it refuses that the old one took, and what
//! it lets in.

use downhaul_catalog::{Catalog, Table};
use downhaul_syntax::{ConstraintKind, Ident, TableDef};

use super::unique::Key;
use super::{condition, dropped};

fn kinds(def: &TableDef) -> impl Iterator<Item = &ConstraintKind> {
    let of_columns = def.columns.iter().flat_map(|c| &c.constraints);
    def.constraints.iter().chain(of_columns).map(|c| &c.kind)
}

/// What the new table refuses and the old one did not, for a sentence.
pub(crate) fn refuses(old: &Table, def: &TableDef, catalog: &Catalog) -> Option<String> {
    if old.assumed || old.columns_unknown {
        return None;
    }
    let empty = def.columns.iter().find(|c| {
        let nullable = old.column(&c.name).is_some_and(|o| !o.not_null && o.generated.is_none());
        c.not_null && nullable
    });
    if let Some(column) = empty {
        return Some(format!("NULL in `{}`", column.name));
    }
    let keys: Vec<Key> = keys_of(old, catalog);
    let known = |name: &Ident| old.column(name).is_some();
    kinds(def).find_map(|kind| match kind {
        ConstraintKind::Check { expr, .. } => {
            let holds = condition::holds_already(&expr.text, old, &[], catalog)
                || dropped::is_checked_already(old, expr, catalog.dialect);
            let reads_old = expr.columns.iter().any(known);
            (reads_old && !holds).then(|| format!("what fails the check {}", expr.text))
        }
        ConstraintKind::PrimaryKey { columns, .. } | ConstraintKind::Unique { columns, .. } => {
            let new = Key::of_constraint(kind, Some(old))?;
            let there = keys.iter().any(|k| k.implies(&new));
            (columns.iter().all(known) && !there).then(|| "duplicates".to_owned())
        }
        _ => None,
    })
}

/// A key of the old table that the new one lacks, for a sentence.
pub(crate) fn lets_in(old: &Table, def: &TableDef) -> Option<String> {
    if old.assumed || old.columns_unknown {
        return None;
    }
    let new: Vec<Key> = kinds(def).filter_map(|k| Key::of_constraint(k, Some(old))).collect();
    let kept = |name: &Ident| def.columns.iter().any(|c| c.name == *name);
    old.constraints.iter().find_map(|c| match &c.kind {
        ConstraintKind::PrimaryKey { columns, .. } | ConstraintKind::Unique { columns, .. } => {
            let key = Key::of_constraint(&c.kind, Some(old))?;
            let gone = columns.iter().all(kept) && !new.iter().any(|n| n.implies(&key));
            let names: Vec<&str> = columns.iter().map(|c| c.as_str()).collect();
            gone.then(|| format!("the key ({})", names.join(", ")))
        }
        ConstraintKind::ForeignKey { columns, table: to, .. } => {
            let again = kinds(def).any(
                |k| matches!(k, ConstraintKind::ForeignKey { columns: new, .. } if new == columns),
            );
            (columns.iter().all(kept) && !again).then(|| format!("the reference to `{to}`"))
        }
        _ => None,
    })
}

fn keys_of(table: &Table, catalog: &Catalog) -> Vec<Key> {
    let constraints =
        table.constraints.iter().filter_map(|c| Key::of_constraint(&c.kind, Some(table)));
    let indexes = table.indexes.iter().filter_map(|i| Key::of_index(i, table, catalog.dialect));
    constraints.chain(indexes).collect()
}

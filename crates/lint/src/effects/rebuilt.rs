//! A table that is made anew by hand: what the new one lacks of the old one, refuses that it took, and
//! lets in.

use downhaul_catalog::{Catalog, Column, Table};
use downhaul_syntax::{Change, ColumnDef, ConstraintKind, Ident, ObjectName, TableDef};

use super::unique::Key;
use super::{condition, dropped};
use crate::facts::{Item, Rebuild, Way};
use crate::state::State;

/// A table that is made anew, at the change where the old one is still known.
#[derive(Clone, Copy)]
pub(crate) struct Remade<'a> {
    /// As the release knows it.
    pub(crate) name: &'a ObjectName,
    /// What is there.
    pub(crate) old: &'a Table,
    /// What takes its place.
    pub(crate) new: &'a TableDef,
    /// Item of the `INSERT` that fills it, among those of the migration.
    fill: Option<&'a Change>,
}

/// What becomes of a column of the old table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The new one has none of this name; its values stand in another column.
    Moved,
    /// The new one has none of this name, and its values are gone.
    Gone,
    /// The new one has it, and its values are not copied.
    Emptied,
}

impl<'a> Remade<'a> {
    /// Where the item `at` begins to make a table anew.
    pub(crate) fn at(
        at: usize,
        items: &'a [Item<'a>],
        rebuilds: &'a [Rebuild],
        state: &State<'a>,
    ) -> Option<Self> {
        let rebuild = rebuilds
            .iter()
            .find(|r| at == if r.way == Way::ThereAndBack { r.drop } else { r.create })?;
        let now = match rebuild.way {
            Way::RenameFirst => &rebuild.stand_in,
            Way::NewThenRename | Way::ThereAndBack => &rebuild.table,
        };
        let old = state.table(now).filter(|t| state.existed(t.origin))?;
        let Change::CreateTable { def, .. } = items.get(rebuild.create)?.change else {
            return None;
        };
        let fill = rebuild.copy.and_then(|copy| items.get(copy)).map(|item| item.change);
        Some(Self { name: &rebuild.table, old, new: def, fill })
    }

    /// Columns that do not go on as they were.
    pub(crate) fn lost(&self) -> Vec<(&'a Ident, Fate)> {
        let Some(Change::Insert { columns, from_query: Some(query), .. }) = self.fill else {
            return Vec::new();
        };
        if self.old.assumed || self.old.columns_unknown || self.new.as_query.is_some() {
            return Vec::new();
        }
        let fate = |column: &'a Column| {
            let kept = self.new.columns.iter().any(|c| c.name == column.name);
            let read = query.star || query.columns.contains(&column.name);
            let given = columns.is_empty() || columns.contains(&column.name);
            match (kept, given, read) {
                (true, false, _) => Some((&column.name, Fate::Emptied)),
                (true, true, _) => None,
                (false, _, true) => Some((&column.name, Fate::Moved)),
                (false, _, false) => Some((&column.name, Fate::Gone)),
            }
        };
        let own = |c: &&Column| c.generated.is_none();
        self.old.columns.iter().filter(own).filter_map(fate).collect()
    }

    /// A condition leaves rows out.
    pub(crate) fn leaves_rows_out(&self) -> bool {
        let Some(Change::Insert { from_query: Some(query), .. }) = self.fill else { return false };
        let lower = query.text.to_lowercase();
        lower.split_whitespace().any(|word| matches!(word, "where" | "limit"))
    }
}

/// An `INSERT` has to give it a value.
fn is_required(column: &ColumnDef, def: &TableDef) -> bool {
    let key = kinds(def).any(
        |k| matches!(k, ConstraintKind::PrimaryKey { columns, .. } if columns.as_slice() == [column.name.clone()]),
    ) || column.constraints.iter().any(|c| matches!(c.kind, ConstraintKind::PrimaryKey { .. }));
    // The number of the row.
    let row = key && column.ty.as_ref().is_some_and(|t| t.name.eq_ignore_ascii_case("integer"));
    column.not_null
        && column.default.is_none()
        && column.generated.is_none()
        && column.identity.is_none()
        && !column.auto_increment
        && !row
}

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
    let left_out = def.columns.iter().find(|c| {
        let needless = old.column(&c.name).is_none_or(|o| o.default.is_some() || !o.not_null);
        is_required(c, def) && needless
    });
    if let Some(column) = left_out {
        return Some(format!("inserts that leave out `{}`", column.name));
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

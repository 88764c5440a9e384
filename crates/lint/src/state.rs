//! The catalog that a change meets, with what the deployment makes of it.

use downhaul_catalog::{Catalog, Column, MysqlPartitions, Origin, Table};
use downhaul_syntax::change::RowFilter;
use downhaul_syntax::{
    Change, ConstraintKind, Dialect, Ident, IndexPart, ObjectName, Partitioning, Query,
    ReferentialAction,
};

use crate::LintOptions;

/// Below this many rows a scan, a rewrite or an index build is over before anyone notices.
const SMALL_TABLE_ROWS: u64 = 5_000;

/// From this many rows on, and on tables named as hot, also a short lock is worth a warning.
const LARGE_TABLE_ROWS: u64 = 1_000_000;

/// A name in dynamic SQL that is only known when it runs.
fn is_placeholder(name: &ObjectName) -> bool {
    name.name.as_str().contains("{{")
}

/// The constants of `FOR VALUES …`.
fn bound_values(bounds: &str) -> Vec<&str> {
    let parts = bounds.split(['(', ')', ',']).map(str::trim);
    let constant = |v: &&str| v.starts_with('\'') || v.starts_with(|c: char| c.is_ascii_digit());
    parts.filter(constant).collect()
}

/// A catalog and the deployment that is judged.
#[derive(Clone, Copy)]
pub(crate) struct State<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) options: &'a LintOptions,
    /// Index in the series of the first migration of this deployment.
    pub(crate) deployment: usize,
    /// The whole history was replayed: what the catalog does not know does not exist.
    pub(crate) history_known: bool,
}

impl<'a> State<'a> {
    pub(crate) fn dialect(&self) -> Dialect {
        self.catalog.dialect
    }

    pub(crate) fn table(&self, name: &ObjectName) -> Option<&'a Table> {
        self.catalog.table(name)
    }

    pub(crate) fn column(&self, table: &ObjectName, column: &Ident) -> Option<&'a Column> {
        self.table(table)?.column(column)
    }

    /// The object was there before this deployment.
    pub(crate) fn existed(&self, origin: Origin) -> bool {
        match origin {
            Origin::Baseline => true,
            Origin::Series(i) => i < self.deployment,
        }
    }

    /// Old releases may use the table: it existed before this deployment, or nothing is known of
    /// it although it may exist.
    pub(crate) fn in_use(&self, name: &ObjectName) -> bool {
        match self.table(name) {
            Some(table) => !table.temporary && self.existed(table.origin),
            None => self.catalog.view(name).is_none() && !self.surely_absent_table(name),
        }
    }

    /// In use, and not known to be small: a lock that lasts as long as the table is large hurts.
    pub(crate) fn populated(&self, name: &ObjectName) -> bool {
        self.in_use(name) && !self.small(name)
    }

    /// Named as hot by the configuration, or a live server counts a million rows.
    pub(crate) fn is_large(&self, name: &ObjectName) -> bool {
        self.options.hot_tables.contains(&name.name)
            || self
                .table(name)
                .and_then(|t| t.stats)
                .is_some_and(|stats| stats.rows >= LARGE_TABLE_ROWS)
    }

    fn small(&self, name: &ObjectName) -> bool {
        self.options.small_tables.contains(&name.name)
            || self
                .table(name)
                .and_then(|t| t.stats)
                .is_some_and(|stats| stats.rows < SMALL_TABLE_ROWS)
    }

    /// Old releases may use the column.
    pub(crate) fn column_in_use(&self, table: &ObjectName, column: &Ident) -> bool {
        if !self.in_use(table) {
            return false;
        }
        match self.table(table) {
            Some(t) => match t.column(column) {
                Some(c) => self.existed(c.origin),
                None => t.columns_unknown || self.catalog.uncertain || !self.history_known,
            },
            None => true,
        }
    }

    /// The catalog is complete and has no such table.
    pub(crate) fn surely_absent_table(&self, name: &ObjectName) -> bool {
        self.history_known
            && !self.catalog.uncertain
            && !is_placeholder(name)
            && self.table(name).is_none()
            && self.catalog.view(name).is_none()
    }

    /// The catalog is complete and has no such view.
    pub(crate) fn surely_absent_view(&self, name: &ObjectName) -> bool {
        self.history_known && !self.catalog.uncertain && self.catalog.view(name).is_none()
    }

    /// Old releases may use the table, view, materialized view or sequence.
    pub(crate) fn relation_in_use(&self, name: &ObjectName) -> bool {
        if let Some(view) = self.catalog.view(name) {
            return self.existed(view.origin);
        }
        if self.table(name).is_none()
            && let Some(sequence) = self.catalog.sequences.get(&self.catalog.normalize(name))
        {
            return self.existed(sequence.origin);
        }
        self.in_use(name)
    }

    /// The table of an index, constraint indexes included.
    pub(crate) fn index_table(
        &self,
        name: &ObjectName,
        table: Option<&ObjectName>,
    ) -> Option<ObjectName> {
        if self.dialect().is_mysql_family() {
            let table = self.table(table?)?;
            return table.indexes.named(&name.name).map(|_| table.name.clone());
        }
        self.catalog.index_owner(name).cloned()
    }

    /// The table and the index of this name; indexes of constraints have none.
    pub(crate) fn index(
        &self,
        name: &ObjectName,
        table: Option<&ObjectName>,
    ) -> Option<(&'a Table, &'a downhaul_catalog::Index)> {
        let owner = self.index_table(name, table)?;
        let table = self.catalog.tables.get(&owner)?;
        table.indexes.named(&name.name).map(|i| (table, i))
    }

    /// Partitions and heirs of a table, direct ones.
    pub(crate) fn children(&self, parent: &ObjectName) -> Vec<ObjectName> {
        let parent = self.catalog.normalize(parent);
        self.catalog
            .perhaps_children(&parent)
            .filter(|name| {
                self.catalog.tables.get(*name).is_some_and(|t| {
                    t.inherits.iter().any(|p| self.catalog.normalize(p) == parent)
                        || matches!(&t.partitioning, Some(Partitioning::Of { parent: p, .. })
                            if self.catalog.normalize(p) == parent)
                })
            })
            .cloned()
            .collect()
    }

    /// Tables with a foreign key to this one.
    pub(crate) fn referencing(&self, table: &ObjectName) -> Vec<ObjectName> {
        let table = self.catalog.normalize(table);
        self.catalog
            .perhaps_referencing(&table)
            .filter(|name| **name != table && self.references(name).contains(&table))
            .cloned()
            .collect()
    }

    /// Views that read a table or view.
    pub(crate) fn views_reading(&self, name: &ObjectName) -> Vec<&'a downhaul_catalog::View> {
        let name = self.catalog.normalize(name);
        self.catalog
            .perhaps_reading(&name)
            .filter_map(|by| self.catalog.views.get(by))
            .filter(|v| v.query.tables.iter().any(|t| self.catalog.normalize(t) == name))
            .collect()
    }

    /// What `TRUNCATE` empties: with `CASCADE` all that reference it.
    pub(crate) fn truncated(&self, tables: &[ObjectName], cascade: bool) -> Vec<ObjectName> {
        let mut out: Vec<ObjectName> = Vec::new();
        let mut next: Vec<ObjectName> = tables.iter().map(|t| self.catalog.normalize(t)).collect();
        while let Some(table) = next.pop() {
            if out.contains(&table) {
                continue;
            }
            if cascade {
                next.extend(self.referencing(&table));
            }
            out.push(table);
        }
        out.sort();
        out
    }

    /// Whether an index, unique constraint or primary key has the column as a key.
    pub(crate) fn is_indexed(&self, table: &ObjectName, column: &Ident) -> bool {
        let Some(table) = self.table(table) else { return false };
        let in_constraint = table.constraints.reading(column).any(|c| match &c.kind {
            ConstraintKind::PrimaryKey { columns, .. }
            | ConstraintKind::Unique { columns, .. }
            | ConstraintKind::Exclude { columns, .. } => columns.contains(column),
            _ => false,
        });
        in_constraint
            || table.indexes.reading(column).any(|i| {
                i.parts.iter().any(|p| {
                    p.column.as_ref() == Some(column)
                        || p.expr.as_ref().is_some_and(|e| e.columns.contains(column))
                })
            })
    }

    /// Whether an index is built anew with any change of the column's type: one with a condition, one
    /// of expressions. That of a key keeps its file where the values stay as they are (measured on 15).
    pub(crate) fn is_indexed_anew(&self, table: &ObjectName, column: &Ident) -> bool {
        let Some(table) = self.table(table) else { return false };
        table.indexes.reading(column).any(|i| {
            i.predicate.is_some()
                || i.parts.iter().any(|p| {
                    p.expr.as_ref().is_some_and(|e| p.column.is_none() && !e.columns.is_empty())
                })
        })
    }

    /// Whether a CHECK constraint reads the column.
    pub(crate) fn is_checked(&self, table: &ObjectName, column: &Ident) -> bool {
        self.table(table).is_some_and(|t| {
            t.constraints.reading(column).any(|c| matches!(&c.kind, ConstraintKind::Check { .. }))
        })
    }

    /// Whether a key column of the index may hold NULL, as far as known.
    pub(crate) fn index_has_nullable_column(&self, table: &ObjectName, index: &Ident) -> bool {
        let Some(table) = self.table(table) else { return false };
        let Some(index) = table.indexes.named(index) else {
            return false;
        };
        index.parts.iter().filter_map(|p| p.column.as_ref()).any(|c| {
            table.column(c).is_some_and(|c| !c.not_null) && !self.not_null_proven(&table.name, c)
        })
    }

    /// Tables of a schema.
    pub(crate) fn tables_in_schema(&self, schema: &Ident) -> Vec<ObjectName> {
        let is_default = self.catalog.default_schema.as_ref() == Some(schema);
        self.catalog
            .tables
            .keys()
            .filter(|t| t.schema.as_ref().map_or(is_default, |s| s == schema))
            .cloned()
            .collect()
    }

    /// Views of a schema.
    pub(crate) fn views_in_schema(&self, schema: &Ident) -> Vec<ObjectName> {
        let is_default = self.catalog.default_schema.as_ref() == Some(schema);
        let views = self.catalog.views.keys();
        views.filter(|v| v.schema.as_ref().map_or(is_default, |s| s == schema)).cloned().collect()
    }

    /// Nothing of the known table is indexed.
    pub(crate) fn has_no_index(&self, table: &ObjectName) -> bool {
        self.table(table).is_some_and(|t| {
            !t.assumed
                && t.indexes.is_empty()
                && !t.constraints.iter().any(|c| {
                    matches!(
                        c.kind,
                        ConstraintKind::PrimaryKey { .. }
                            | ConstraintKind::Unique { .. }
                            | ConstraintKind::Exclude { .. }
                    )
                })
        })
    }

    /// Tables with a foreign key to this one that deletes or changes their rows with its own.
    pub(crate) fn cascading(&self, table: &ObjectName) -> Vec<ObjectName> {
        let known = self.catalog.normalize(table);
        let follows = |t: &Table| {
            t.constraints.iter().any(|c| {
                matches!(&c.kind, ConstraintKind::ForeignKey { table: to, on_delete, .. }
                    if *on_delete == ReferentialAction::Cascade
                        && self.catalog.normalize(to) == known)
            })
        };
        let mut by = self.referencing(table);
        by.retain(|name| self.table(name).is_some_and(follows));
        by
    }

    /// The type existed before this deployment, or may have.
    pub(crate) fn type_in_use(&self, name: &ObjectName) -> bool {
        match self.catalog.types.get(&self.catalog.normalize(name)) {
            Some(ty) => self.existed(ty.origin),
            None => !self.history_known || self.catalog.uncertain,
        }
    }

    /// A routine of this name existed before this deployment, or may have.
    pub(crate) fn routine_in_use(&self, name: &ObjectName) -> bool {
        let name = self.catalog.normalize(name);
        let from = downhaul_catalog::RoutineKey { name: name.clone(), args: Vec::new() };
        let mut known =
            self.catalog.routines.range(from..).take_while(|(k, _)| k.name == name).peekable();
        if known.peek().is_none() {
            return !self.history_known || self.catalog.uncertain;
        }
        known.any(|(_, r)| self.existed(r.origin))
    }

    /// A routine of this name.
    pub(crate) fn routine(&self, name: &ObjectName) -> Option<&'a downhaul_syntax::RoutineDef> {
        let name = self.catalog.normalize(name);
        let from = downhaul_catalog::RoutineKey { name: name.clone(), args: Vec::new() };
        let mut known = self.catalog.routines.range(from..).take_while(|(k, _)| k.name == name);
        known.next().map(|(_, routine)| &routine.def)
    }

    /// Body of a routine of this name.
    pub(crate) fn routine_body(&self, name: &ObjectName) -> Option<&'a str> {
        let name = self.catalog.normalize(name);
        let from = downhaul_catalog::RoutineKey { name: name.clone(), args: Vec::new() };
        let mut known = self.catalog.routines.range(from..).take_while(|(k, _)| k.name == name);
        known.find_map(|(_, routine)| routine.def.body.as_deref())
    }

    /// Tables that have a column of a type.
    pub(crate) fn tables_of_type(&self, ty: &ObjectName) -> Vec<ObjectName> {
        let ty = self.catalog.normalize(ty);
        self.catalog
            .tables
            .values()
            .filter(|t| {
                t.columns.iter().filter_map(|c| c.ty.as_ref()).any(|c| {
                    c.name == ty.name.as_str()
                        && (c.schema.is_none() || ty.schema.is_none() || c.schema == ty.schema)
                })
            })
            .map(|t| t.name.clone())
            .collect()
    }

    /// A valid CHECK of the table names every value of the partition's bounds and says that no key
    /// is NULL: then `ATTACH PARTITION` need not read the rows (PostgreSQL manual §5.12.2.2).
    pub(crate) fn bounds_proven(&self, partition: &ObjectName, bounds: Option<&str>) -> bool {
        let (Some(table), Some(bounds)) = (self.table(partition), bounds) else { return false };
        let values = bound_values(bounds);
        !values.is_empty()
            && table.constraints.iter().any(|c| match &c.kind {
                ConstraintKind::Check { expr, .. } => {
                    !c.not_valid && values.iter().all(|v| expr.text.contains(v))
                }
                _ => false,
            })
    }

    /// A valid CHECK of the DEFAULT partition leaves out all between the bounds of a new one, `FROM (a) TO
    /// (b)`: it is not read (measured).
    pub(crate) fn default_leaves_out(&self, default: &Table, bounds: &str) -> bool {
        let [from, to] = bound_values(bounds)[..] else { return false };
        let flat = |text: &str| {
            let plain =
                text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '(' | ')' | '"'));
            plain.collect::<String>().to_lowercase()
        };
        let checks: Vec<String> = default
            .constraints
            .iter()
            .filter(|c| !c.not_valid && !c.not_enforced)
            .filter_map(|c| match &c.kind {
                ConstraintKind::Check { expr, .. } => Some(flat(&expr.text)),
                _ => None,
            })
            .collect();
        default.columns.iter().filter(|c| c.not_null).any(|c| {
            let ways = [
                format!("{0} < {from} or {0} >= {to}", c.name),
                format!("{0} >= {to} or {0} < {from}", c.name),
                format!("not ({0} >= {from} and {0} < {to})", c.name),
            ];
            ways.iter().any(|way| checks.contains(&flat(way)))
        })
    }

    /// A valid CHECK proves that the column is never NULL.
    pub(crate) fn not_null_proven(&self, table: &ObjectName, column: &Ident) -> bool {
        let Some(table) = self.table(table) else { return false };
        table.constraints.reading(column).any(|c| match &c.kind {
            ConstraintKind::Check { expr, .. } => {
                !c.not_valid && !c.not_enforced && check_proves_not_null(&expr.text, column)
            }
            ConstraintKind::NotNull { column: c2 } => !c.not_valid && c2 == column,
            _ => false,
        })
    }

    /// A CHECK, valid for old rows or not, already refuses NULL in new writes.
    pub(crate) fn null_refused(&self, table: &ObjectName, column: &Ident) -> bool {
        let Some(table) = self.table(table) else { return false };
        table.constraints.reading(column).any(|c| match &c.kind {
            ConstraintKind::Check { expr, .. } => {
                !c.not_enforced
                    && self.existed(c.origin)
                    && check_proves_not_null(&expr.text, column)
            }
            _ => false,
        })
    }

    /// The DEFAULT partition of a partitioned table.
    pub(crate) fn default_partition(&self, parent: &ObjectName) -> Option<&'a Table> {
        let parent = self.catalog.normalize(parent);
        self.catalog
            .perhaps_default_partition(&parent)
            .filter_map(|name| self.catalog.tables.get(name))
            .find(|t| {
                matches!(&t.partitioning, Some(Partitioning::Of { parent: p, bounds: None, .. })
                    if self.catalog.normalize(p) == parent)
            })
    }

    /// Whether the table may have one of the partitions that `DROP PARTITION` and its like name
    /// (MySQL); `IF EXISTS` may name some that are not there.
    pub(crate) fn may_have_partition(&self, table: &ObjectName, text: &str) -> bool {
        let Some(Partitioning::By(divided)) =
            self.table(table).and_then(|t| t.partitioning.as_ref())
        else {
            return true;
        };
        let known = self.catalog.mysql_partitions(divided);
        let named = MysqlPartitions::named(text, self.dialect());
        known.names().next().is_none()
            || named.iter().any(|n| n.key() == "all" || known.names().any(|k| k == n))
    }

    pub(crate) fn is_partitioned(&self, name: &ObjectName) -> bool {
        self.table(name).is_some_and(|t| matches!(t.partitioning, Some(Partitioning::By(_))))
    }

    /// Foreign keys of a table: the referenced tables.
    pub(crate) fn references(&self, name: &ObjectName) -> Vec<ObjectName> {
        let Some(table) = self.table(name) else { return Vec::new() };
        let mut out: Vec<ObjectName> = table
            .constraints
            .iter()
            .filter_map(|c| match &c.kind {
                ConstraintKind::ForeignKey { table: to, .. } => Some(self.catalog.normalize(to)),
                _ => None,
            })
            .filter(|to| *to != table.name)
            .collect();
        out.dedup();
        out
    }

    /// `orders (41 M rows, 12 GB)` where a live server told the size, else the name in backticks.
    pub(crate) fn describe(&self, name: &ObjectName) -> String {
        match self.table(name).and_then(|t| t.stats) {
            Some(stats) => {
                format!("`{name}` ({} rows, {})", short_count(stats.rows), short_bytes(stats.bytes))
            }
            None => format!("`{name}`"),
        }
    }
}

/// Whether a CHECK condition is (a conjunction with) `column IS NOT NULL`.
pub(crate) fn check_proves_not_null(condition: &str, column: &Ident) -> bool {
    has_conjunct(condition, column, "is not null")
}

/// Whether a condition is (a conjunction with) `column IS NULL`.
fn demands_null(condition: &str, column: &Ident) -> bool {
    has_conjunct(condition, column, "is null")
}

/// `SET c = … WHERE c IS NULL`, for every column that it sets: no value goes but the knowledge of which
/// rows had none.
#[must_use]
pub fn fills_nulls(change: &Change) -> bool {
    let Change::Update { columns, rows: RowFilter::Where(condition), .. } = change else {
        return false;
    };
    !columns.is_empty() && columns.iter().all(|c| demands_null(&condition.text, c))
}

/// `SELECT 'owner', min(id) FROM t`: aggregates of all rows make one, as `VALUES` does.
pub(crate) fn is_one_row(query: &Query) -> bool {
    let lower = query.text.to_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    let many = ["group", "over", "union", "with", "distinct"];
    // A function of the list itself, not of one of its subqueries.
    let list = lower.split(" from ").next().unwrap_or_default();
    let aggregates = ["min(", "max(", "count(", "sum(", "avg("];
    let aggregated = list.matches("select ").count() == 1
        && aggregates.iter().any(|f| list.replace(" (", "(").contains(f));
    aggregated && !words.iter().any(|w| many.contains(w)) && !lower.contains("over(")
}

fn has_conjunct(condition: &str, column: &Ident, says: &str) -> bool {
    let plain: String = condition
        .chars()
        .filter(|c| !matches!(c, '(' | ')' | '"' | '`' | '[' | ']'))
        .collect::<String>()
        .to_lowercase();
    let wanted = format!("{} {says}", column.as_str().to_lowercase());
    let mut parts = Vec::new();
    let words: Vec<&str> = plain.split_whitespace().collect();
    if words.contains(&"or") {
        return false;
    }
    let mut part = Vec::new();
    for word in words {
        if word == "and" {
            parts.push(part.join(" "));
            part.clear();
        } else {
            part.push(word);
        }
    }
    parts.push(part.join(" "));
    parts.iter().any(|p| p.rsplit('.').next().is_some_and(|tail| tail == wanted))
}

/// Whether the key of an index begins with these columns, in any order.
pub(crate) fn index_leads_with(parts: &[IndexPart], columns: &[Ident]) -> bool {
    parts.len() >= columns.len()
        && !columns.is_empty()
        && parts[..columns.len()]
            .iter()
            .all(|p| p.column.as_ref().is_some_and(|c| columns.contains(c)))
}

fn short_count(n: u64) -> String {
    match n {
        0..1_000 => n.to_string(),
        1_000..1_000_000 => format!("{} k", n / 1_000),
        1_000_000..1_000_000_000 => format!("{} M", n / 1_000_000),
        _ => format!("{} G", n / 1_000_000_000),
    }
}

fn short_bytes(n: u64) -> String {
    match n {
        0..1_000_000 => format!("{} kB", n / 1_000),
        1_000_000..1_000_000_000 => format!("{} MB", n / 1_000_000),
        _ => format!("{} GB", n / 1_000_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_proves_not_null_only_as_a_conjunct() {
        let c = Ident::new(Dialect::Postgres, "total", false);
        for yes in ["total IS NOT NULL", "(\"total\" is not null)", "total IS NOT NULL AND a > 1"] {
            assert!(check_proves_not_null(yes, &c), "{yes}");
        }
        for no in ["subtotal IS NOT NULL", "total IS NOT NULL OR a > 1", "total > 0"] {
            assert!(!check_proves_not_null(no, &c), "{no}");
        }
    }
}

//! DL05.

use downhaul_syntax::{Change, ConstraintKind, ObjectName};

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports `DROP … CASCADE` and names what goes with it, as far as the schema is known. Silent
    /// where the schema is known and nothing depends.
    ///
    /// ## Why is this bad
    ///
    /// `CASCADE` drops whatever depends at that moment: views, foreign keys, columns of a type. On
    /// production that may be more than on the machine where the migration was written.
    ///
    /// ## What to do
    ///
    /// Drop each dependent object by name first.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES customers, note text, state varchar(20), total numeric(10,4) NOT NULL);
    /// CREATE VIEW open_orders AS SELECT id, note FROM orders;
    /// -- up
    /// -- downhaul:phase contract
    /// DROP TABLE orders CASCADE;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES customers, note text, state varchar(20), total numeric(10,4) NOT NULL);
    /// -- up
    /// -- downhaul:phase contract
    /// DROP TABLE orders CASCADE;
    /// ```
    "DL05" "cascade"
    severity: Warning,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let (what, mut gone): (String, Vec<String>) = match cx.change {
        Change::DropTable { name, cascade: true, .. }
        | Change::DropView { name, cascade: true, .. } => {
            if (cx.surely_absent_table(name) && cx.surely_absent_view(name)) || cx.in_rebuild() {
                return None;
            }
            let mut gone: Vec<String> =
                cx.views_reading(name).iter().map(|v| format!("view `{}`", v.name)).collect();
            gone.extend(cx.referencing(name).iter().map(|t| format!("the foreign key of `{t}`")));
            (format!("`{name}`"), gone)
        }
        Change::DropColumn { table, column, cascade: true, .. } => {
            if cx.table(table).is_some_and(|t| t.column(column).is_none() && !t.columns_unknown) {
                return None;
            }
            let known = cx.catalog.normalize(table);
            let mut gone: Vec<String> = cx
                .views_reading(table)
                .iter()
                .filter(|v| v.reads.iter().any(|r| r.table == known && r.column == *column))
                .map(|v| format!("view `{}`", v.name))
                .collect();
            for other in cx.referencing(table) {
                let refers = cx.table(&other).is_some_and(|t| {
                    t.constraints.iter().any(|c| {
                        matches!(&c.kind, ConstraintKind::ForeignKey { table: to, referred, .. }
                            if cx.catalog.normalize(to) == known
                                && (referred.contains(column)
                                    || referred.is_empty()
                                        && cx.table(table).is_some_and(|t| t.primary_key().contains(column))))
                    })
                });
                if refers {
                    gone.push(format!("the foreign key of `{other}`"));
                }
            }
            (format!("`{table}.{column}`"), gone)
        }
        Change::DropType { name, cascade: true, .. } => (
            format!("type `{name}`"),
            cx.tables_of_type(name).iter().map(|t| format!("columns of `{t}`")).collect(),
        ),
        Change::DropSchema { name, cascade: true, .. } => (
            format!("schema `{name}`"),
            cx.tables_in_schema(name).iter().map(|t| format!("table `{t}`")).collect(),
        ),
        Change::DropConstraint { table, name, cascade: true, .. } => {
            let key = cx.table(table).and_then(|t| t.constraint(name)).is_none_or(|c| {
                matches!(c.kind, ConstraintKind::PrimaryKey { .. } | ConstraintKind::Unique { .. })
            });
            if !key {
                return None;
            }
            (
                format!("`{name}`"),
                cx.referencing(table).iter().map(|t| format!("the foreign key of `{t}`")).collect(),
            )
        }
        Change::DropRoutine { name, cascade: true, .. } => {
            (format!("`{name}`"), triggers_of(cx, name))
        }
        Change::DropExtension { name, cascade: true, .. } => {
            return Some(
                Draft::new(format!(
                    "all columns and indexes that use extension `{name}` are dropped with it"
                ))
                .help("drop each dependent object by name first"),
            );
        }
        _ => return None,
    };
    gone.sort();
    gone.dedup();
    let more = gone.len().saturating_sub(8);
    gone.truncate(8);
    if gone.is_empty() {
        if cx.history_known && !cx.catalog.uncertain {
            return None;
        }
        return Some(
            Draft::new(format!("whatever depends on {what} is dropped with it"))
                .help("drop each dependent object by name first"),
        );
    }
    let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
    Some(
        Draft::new(format!("with {what} go {}{tail}", gone.join(", ")))
            .help("drop each dependent object by name first"),
    )
}

fn triggers_of(cx: &ChangeContext<'_>, function: &ObjectName) -> Vec<String> {
    cx.catalog
        .tables
        .values()
        .flat_map(|t| &t.triggers)
        .filter(|t| t.function.as_ref().is_some_and(|f| f.name == function.name))
        .map(|t| format!("trigger `{}` on `{}`", t.name, t.table))
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::examples::cases;

    #[test]
    fn cases_of_the_rule() {
        cases(
            &super::RULE,
            &[(
                "postgres",
                r#"-- up
DROP TABLE t CASCADE;"#,
                true,
            )],
        );
    }
}

//! TX12.

use downhaul_syntax::{Change, ColumnDef, ConstraintKind, Dialect};

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports `REFERENCES` written behind a column on MySQL before version 9.
    ///
    /// ## Why is this bad
    ///
    /// MySQL reads it and forgets it, without a word: there is no foreign key. (MariaDB makes one
    /// since 10.5.)
    ///
    /// ## What to do
    ///
    /// Write `FOREIGN KEY (column) REFERENCES …` as a clause of its own.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- up
    /// CREATE TABLE p (id int PRIMARY KEY);
    /// CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p (id));
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- up
    /// CREATE TABLE p (id int PRIMARY KEY);
    /// CREATE TABLE c (id int PRIMARY KEY, p int, FOREIGN KEY (p) REFERENCES p (id));
    /// ```
    "TX12" "inline-references-ignored"
    severity: Warning,
    dialects: &[Dialect::Mysql],
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    if cx.options.at_least(9, 0, 0) {
        return None;
    }
    let columns: &[ColumnDef] = match cx.change {
        Change::CreateTable { def, .. } => &def.columns,
        Change::AddColumn { column, .. } => std::slice::from_ref(column),
        _ => return None,
    };
    let column = columns.iter().find(|c| {
        c.constraints.iter().any(|k| matches!(k.kind, ConstraintKind::ForeignKey { .. }))
    })?;
    Some(
        Draft::new(format!(
            "MySQL ignores REFERENCES behind `{}`: there is no foreign key",
            column.name
        ))
        .help("write FOREIGN KEY (column) REFERENCES … as a clause of its own"),
    )
}

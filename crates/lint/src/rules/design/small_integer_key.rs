//! DS01.

use downhaul_syntax::{Change, ConstraintKind, Dialect, Ident};

use super::new_columns;
use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a primary key, or a column that references another table, of type `integer` or
    /// `smallint`.
    ///
    /// ## Why is this bad
    ///
    /// 2,147,483,647 keys are gone sooner than one thinks: each failed insert takes one too. The way
    /// to `bigint` writes the table anew.
    ///
    /// ## What to do
    ///
    /// Use `bigint` from the start.
    ///
    /// ## Unsafe example
    ///
    /// ```sql postgres
    /// -- up
    /// CREATE TABLE t (id integer PRIMARY KEY);
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql postgres
    /// -- up
    /// CREATE TABLE t (id bigint PRIMARY KEY);
    /// ```
    "DS01" "small-integer-key"
    severity: Info,
    dialects: ALL,
    default: off,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    // SQLite integers have eight bytes, whatever the type is called.
    if cx.dialect() == Dialect::Sqlite {
        return None;
    }
    let table_keys: Vec<&Ident> = match cx.change {
        Change::CreateTable { def, .. } => {
            def.constraints.iter().flat_map(|c| key_columns(&c.kind)).collect()
        }
        _ => Vec::new(),
    };
    new_columns(cx.change).into_iter().find_map(|column| {
        let ty = column.ty.as_ref()?;
        let small = matches!(
            ty.name.as_str(),
            "integer" | "int" | "smallint" | "mediumint" | "tinyint" | "serial" | "smallserial"
        );
        let key = table_keys.contains(&&column.name)
            || column.constraints.iter().any(|c| !key_columns(&c.kind).is_empty());
        (small && key).then(|| {
            Draft::new(format!("key `{}` of type `{}` runs out", column.name, ty.raw))
                .help("use bigint")
                .at(column.span)
        })
    })
}

fn key_columns(kind: &ConstraintKind) -> &[Ident] {
    match kind {
        ConstraintKind::PrimaryKey { columns, .. } | ConstraintKind::ForeignKey { columns, .. } => {
            columns
        }
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use crate::examples::cases;

    #[test]
    fn cases_of_the_rule() {
        cases(
            &super::RULE,
            &[
                (
                    "postgres",
                    "-- up\nCREATE TABLE p (id bigint PRIMARY KEY);\nCREATE TABLE t (p integer REFERENCES p);",
                    true,
                ),
                ("mysql", "-- up\nCREATE TABLE t (id int, PRIMARY KEY (id));", true),
                ("sqlite", "-- up\nCREATE TABLE t (id integer PRIMARY KEY);", false),
                ("postgres", "-- up\nCREATE TABLE t (id bigint PRIMARY KEY, n integer);", false),
            ],
        );
    }
}

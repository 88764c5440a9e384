//! BC10.

use downhaul_syntax::Change;

use crate::Severity;
use crate::effects::type_change::{Fit, labels_fit};

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports labels of an enum that get another name (`ALTER TYPE … RENAME VALUE`), or a MySQL
    /// `ENUM` or `SET` that is stated anew with labels dropped, or moved (warning).
    ///
    /// ## Why is this bad
    ///
    /// The running release reads and writes the old labels. MySQL stores an `ENUM` by number: a
    /// label put in the middle rebuilds the table, and a dropped one turns stored values into the
    /// empty string or makes the statement fail.
    ///
    /// ## What to do
    ///
    /// Add the new label at the end, move the rows, release code that uses it, leave the old label.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TYPE state AS ENUM ('open', 'done');
    /// -- up
    /// ALTER TYPE state RENAME VALUE 'done' TO 'closed';
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TYPE state AS ENUM ('open', 'done');
    /// -- up
    /// ALTER TYPE state ADD VALUE 'closed';
    /// ```
    "BC10" "change-enum"
    severity: Error,
    dialects: SERVERS,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    if cx.is_contract() {
        return None;
    }
    match cx.change {
        Change::RenameEnumValue { name, .. }
            if cx.history_known
                && !cx.catalog.uncertain
                && cx.tables_of_type(name).is_empty()
                && !cx.catalog.routines.values().any(|r| {
                    r.def.definition.to_lowercase().contains(&name.name.as_str().to_lowercase())
                }) =>
        {
            None
        }
        Change::RenameEnumValue { name, from, to } => cx.type_in_use(name).then(|| {
            Draft::new(format!(
                "the running release still reads and writes '{from}' of type `{name}`, which would \
                 be called '{to}'"
            ))
            .help(format!("add '{to}', move the rows, release code that uses it, leave '{from}'"))
        }),
        Change::ModifyColumn { table, from, column, .. } => {
            let old = cx.column(table, from)?.ty.as_ref()?;
            let new = column.ty.as_ref()?;
            let labels = |name: &str| matches!(name, "enum" | "set");
            if !labels(&old.name) || !labels(&new.name) || !cx.column_in_use(table, from) {
                return None;
            }
            match labels_fit(old, new) {
                Fit::Same => None,
                Fit::Wider => Some(
                    Draft::new(format!("labels of `{table}.{from}` change their order: the table is copied while writes wait, and the order of values changes"))
                        .severity(Severity::Warning)
                        .help("add new labels at the end"),
                ),
                _ => {
                    let gone: Vec<String> = old
                        .args
                        .iter()
                        .filter(|l| !new.args.contains(l))
                        .map(|l| format!("'{l}'"))
                        .collect();
                    Some(
                        Draft::new(format!("`{table}.{from}` loses {}: the running release may still write it, and rows that hold it are damaged or make the statement fail", gone.join(", ")))
                            .help("keep the old labels; add new ones at the end"),
                    )
                }
            }
        }
        _ => None,
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
                    "mysql",
                    r#"-- history
CREATE TABLE t (e enum('a','b'));
-- up
ALTER TABLE t MODIFY e enum('a');"#,
                    true,
                ),
                (
                    "mysql",
                    r#"-- history
CREATE TABLE t (e enum('a','b'));
-- up
ALTER TABLE t MODIFY e enum('a','b','c');"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- up
CREATE TYPE s AS ENUM ('a');
ALTER TYPE s RENAME VALUE 'a' TO 'b';"#,
                    false,
                ),
            ],
        );
    }
}

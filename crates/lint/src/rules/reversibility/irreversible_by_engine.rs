//! RV05.

use downhaul_syntax::Change;

use crate::Severity;

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a step that the database has no way back for: `ALTER TYPE … ADD VALUE` (PostgreSQL
    /// cannot remove a label). Also a type change that cuts or rounds values, a warning where no
    /// restore point is kept.
    ///
    /// ## Why is this bad
    ///
    /// The down cannot lead back to the schema or the values before.
    ///
    /// ## What to do
    ///
    /// Know it before. A label that is left over harms nobody; to remove it the type has to be made
    /// anew.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TYPE state AS ENUM ('open');
    /// -- up
    /// ALTER TYPE state ADD VALUE 'closed';
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- up
    /// CREATE TYPE state AS ENUM ('open');
    /// ALTER TYPE state ADD VALUE 'closed';
    /// ```
    "RV05" "irreversible-by-engine"
    severity: Info,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    match cx.change {
        Change::AddEnumValue { name, value, .. } if cx.type_in_use(name) => Some(
            Draft::new(format!("no down can take '{value}' out of type `{name}` again"))
                .help("a label that is left over harms nobody"),
        ),
        Change::AlterColumnType { table, .. } | Change::ModifyColumn { table, .. } => {
            let lost = cx.effects.loses.first()?;
            (!cx.protected(table)).then(|| {
                let column = lost.column.as_ref().map_or_else(String::new, |c| format!(".{c}"));
                Draft::new(format!(
                    "values of `{table}{column}` that are cut or rounded cannot come back"
                ))
                .severity(Severity::Warning)
                .help("keep the old column until nobody needs the way back")
            })
        }
        _ => None,
    }
}

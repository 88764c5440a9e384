//! PH01.

use downhaul_syntax::Change;

use crate::context::ChangeContext;
use crate::facts::Phase;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports what takes something away from the running release in a migration marked `--
    /// downhaul:phase expand`.
    ///
    /// ## Why is this bad
    ///
    /// An expand runs before the new release is out: whatever it drops, renames or tightens is still
    /// in use.
    ///
    /// ## What to do
    ///
    /// Move it to a migration marked `-- downhaul:phase contract`, which goes out when no old release
    /// runs any more.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, total int, sum bigint);
    /// -- up
    /// -- downhaul:phase expand
    /// ALTER TABLE orders ADD COLUMN note text;
    /// ALTER TABLE orders DROP COLUMN total;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, total int, sum bigint);
    /// -- up
    /// -- downhaul:phase expand
    /// ALTER TABLE orders ADD COLUMN note text;
    /// ```
    "PH01" "contract-in-expand"
    severity: Error,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let takes_away = matches!(
        cx.change,
        Change::DropTable { .. }
            | Change::DropColumn { .. }
            | Change::RenameTable { .. }
            | Change::RenameColumn { .. }
            | Change::DropView { .. }
            | Change::DropRoutine { .. }
            | Change::DropSequence { .. }
            | Change::DropSchema { .. }
            | Change::AlterColumnType { .. }
            | Change::ModifyColumn { .. }
            | Change::SetNotNull { .. }
            | Change::DropDefault { .. }
            | Change::DropIdentity { .. }
            | Change::RenameEnumValue { .. }
            | Change::Revoke { .. }
    );
    let broken = cx.effects.breaks.first()?;
    (takes_away && cx.facts.phase == Some(Phase::Expand)).then(|| {
        Draft::new(format!(
            "an expand only adds, but this takes away: `{}`, {}",
            broken.object, broken.reason
        ))
        .help("move it to a migration marked `-- downhaul:phase contract`")
    })
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
                    "-- history\nCREATE TABLE orders (id bigint PRIMARY KEY, total int, sum bigint);\n-- up\n-- downhaul:phase contract\nALTER TABLE orders DROP COLUMN total;",
                    false,
                ),
                (
                    "postgres",
                    "-- history\nCREATE TABLE orders (id bigint PRIMARY KEY, total int, sum bigint);\n-- up\n-- downhaul:phase expand\nCREATE TABLE t (a int);\nDROP TABLE t;",
                    false,
                ),
                (
                    "postgres",
                    "-- history\nCREATE TABLE orders (id bigint PRIMARY KEY, total int, sum bigint);\n-- up\n-- downhaul:phase expand\nALTER TABLE orders RENAME total TO t;",
                    true,
                ),
            ],
        );
    }
}

//! DL10.

use downhaul_syntax::{Change, Ident, ObjectName};

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports `RESTART` of a sequence or identity that existed before, and `setval` other than to
    /// the largest number in use.
    ///
    /// ## Why is this bad
    ///
    /// A sequence that is set back gives out numbers that are taken: inserts of the running release
    /// fail, or, where nothing is unique, two things get one number.
    ///
    /// ## What to do
    ///
    /// Set it to the largest number in use: `SELECT setval('s', (SELECT max(id) FROM t))`.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE SEQUENCE numbers;
    /// -- up
    /// ALTER SEQUENCE numbers RESTART WITH 1;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE t (id bigserial PRIMARY KEY);
    /// -- up
    /// SELECT setval('t_id_seq', (SELECT max(id) FROM t));
    /// ```
    "DL10" "sequence-reset"
    severity: Warning,
    dialects: POSTGRES,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let name = match cx.change {
        Change::AlterSequence { name, restart: true, .. } if cx.relation_in_use(name) => {
            name.to_string()
        }
        Change::AlterIdentity { table, column, text, .. }
            if text.to_lowercase().contains("restart") && cx.column_in_use(table, column) =>
        {
            format!("{table}.{column}")
        }
        Change::SetSequenceValue { sequence } => {
            let text = cx.statement.statement.text.to_lowercase();
            let computed =
                ["max(", "max (", "last_value", "count("].iter().any(|f| text.contains(f));
            let name = ObjectName::bare(Ident::stored(cx.dialect(), sequence));
            if computed || cx.catalog.sequences.get(&name).is_some_and(|s| !cx.existed(s.origin)) {
                return None;
            }
            sequence.clone()
        }
        _ => return None,
    };
    Some(
        Draft::new(format!("`{name}` may give out numbers that are taken"))
            .help("set it to the largest number in use"),
    )
}

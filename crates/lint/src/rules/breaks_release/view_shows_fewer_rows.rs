//! BC24.

use downhaul_syntax::{Change, ObjectName, Query};

use crate::Severity;
use crate::context::ChangeContext;
use crate::effects::view_rows;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a view that is defined anew with a condition that it did not have, and that does not
    /// follow from those it had. Not where rows are added only, and not where the view reads other
    /// tables than before: what it then shows is not to be seen from the text.
    ///
    /// ## Why is this bad
    ///
    /// No statement of the running release fails, and none is told: rows that it found are no longer
    /// there, and what counts or updates through the view passes them by.
    ///
    /// ## What to do
    ///
    /// Create the new view under a new name, switch the code, drop the old one later.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, state text NOT NULL);
    /// CREATE VIEW open_orders AS SELECT id FROM orders WHERE state IN ('new', 'paid');
    /// -- up
    /// CREATE OR REPLACE VIEW open_orders AS SELECT id FROM orders WHERE state = 'new';
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, state text NOT NULL);
    /// CREATE VIEW open_orders AS SELECT id FROM orders WHERE state = 'new';
    /// -- up
    /// CREATE OR REPLACE VIEW open_orders AS SELECT id FROM orders WHERE state IN ('new', 'paid');
    /// ```
    "BC24" "view-shows-fewer-rows"
    severity: Warning,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    if cx.is_contract() {
        return None;
    }
    let (name, new): (&ObjectName, &Query) = match cx.change {
        Change::CreateView { name, or_replace: true, query, .. } => (name, query),
        Change::DropView { name, .. } => cx.later().find_map(|i| match i.change {
            Change::CreateView { name: new, query, .. } if new.name == name.name => {
                Some((new, query))
            }
            _ => None,
        })?,
        _ => return None,
    };
    let old = cx.catalog.view(name).filter(|v| cx.existed(v.origin))?;
    let condition = view_rows::left_out(&old.query, new, cx)?;
    let readers = cx.listed(cx.queries.of_table(name));
    let unread = readers.is_empty() && !cx.queries.is_empty();
    let severity = if unread { Severity::Info } else { Severity::Warning };
    Some(
        Draft::new(format!(
            "view `{name}` no longer shows rows unless `{condition}`: the running release may miss \
             them{readers}"
        ))
        .severity(severity)
        .help("create the new view under a new name, switch the code, drop the old one later"),
    )
}

#[cfg(test)]
mod tests {
    use crate::examples::cases;

    #[test]
    fn conditions_that_were_not_there() {
        let history = "-- history\nCREATE TABLE t (id int PRIMARY KEY, a int NOT NULL, s varchar(9) NOT NULL);\n\
                       CREATE VIEW v AS SELECT id, a FROM t WHERE a > 5 AND s = 'x';\n\
                       CREATE VIEW w AS SELECT id FROM t;\n-- up\n";
        for (what, expect) in [
            ("CREATE OR REPLACE VIEW v AS SELECT id, a FROM t WHERE s = 'x' AND a > 5;", false),
            ("CREATE OR REPLACE VIEW v AS SELECT id, a, s FROM t WHERE (a > 5);", false),
            (
                "CREATE OR REPLACE VIEW v AS SELECT id, a FROM t WHERE a > 1 AND s IN ('x', 'y');",
                false,
            ),
            ("CREATE OR REPLACE VIEW v AS SELECT id, a FROM t WHERE a > 5 OR s = 'z';", false),
            ("CREATE OR REPLACE VIEW v AS SELECT id, a FROM t;", false),
            ("CREATE OR REPLACE VIEW v AS SELECT id, a FROM t WHERE a > 7 AND s = 'x';", true),
            ("CREATE OR REPLACE VIEW v AS SELECT id, a FROM t WHERE a > 5 AND s = 'y';", true),
            ("CREATE OR REPLACE VIEW w AS SELECT id FROM t WHERE a <> 3;", true),
            ("CREATE OR REPLACE VIEW w AS SELECT id FROM t WHERE id > 0;", false),
            ("DROP VIEW w;\nCREATE VIEW w AS SELECT id FROM t WHERE a <> 3;", true),
            ("DROP VIEW w;\nCREATE VIEW w AS SELECT id FROM t ORDER BY id;", false),
        ] {
            for dialect in ["postgres", "mariadb"] {
                cases(&super::RULE, &[(dialect, &format!("{history}{what}"), expect)]);
            }
        }
    }
}

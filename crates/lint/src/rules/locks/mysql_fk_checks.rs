//! LK21.

use downhaul_syntax::{Change, ConstraintKind};

use crate::Severity;
use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a foreign key added to a populated table: with `foreign_key_checks = 1` because the
    /// table is copied while writes wait, with `0` (a warning) because no row is checked.
    ///
    /// ## Why is this bad
    ///
    /// With checks the only algorithm is `COPY`. Without them it is quick, but rows that point
    /// nowhere stay, and nothing ever says so.
    ///
    /// ## What to do
    ///
    /// Set `foreign_key_checks = 0` for the statement, set it back, and look for rows without their
    /// parent with a query of your own. Then allow this rule with that reason.
    ///
    /// ## Unsafe example
    ///
    /// ```sql mariadb
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint);
    /// -- up
    /// ALTER TABLE orders ADD FOREIGN KEY (customer) REFERENCES customers (id);
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql mariadb
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// -- up
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, FOREIGN KEY (customer) REFERENCES customers (id));
    /// ```
    "LK21" "mysql-fk-checks"
    severity: Error,
    dialects: MYSQL_FAMILY,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let Change::AddConstraint { table, constraint, .. } = cx.change else { return None };
    let ConstraintKind::ForeignKey { columns, table: to, .. } = &constraint.kind else {
        return None;
    };
    if !cx.populated(table) {
        return None;
    }
    let name = cx.describe(table);
    if cx.scene.setting_is("foreign_key_checks", &["0", "off"]) {
        let new_columns = columns
            .iter()
            .all(|c| cx.column(table, c).is_some_and(|c| !cx.existed(c.origin) && !c.not_null));
        return (!new_columns).then(|| {
            Draft::new(format!(
                "rows of {name} without their row in `{to}` stay, for nothing checks them"
            ))
            .help("look for such rows with a query before or after")
            .severity(Severity::Warning)
        });
    }
    Some(
        Draft::new(format!("{name} is copied while writes to it wait, to check it against `{to}`"))
            .help("set foreign_key_checks = 0 for this statement, and look for rows without their parent yourself"),
    )
}

#[cfg(test)]
mod tests {
    use crate::examples::cases;

    #[test]
    fn cases_of_the_rule() {
        let history = "-- history\nCREATE TABLE p (id int PRIMARY KEY);\n\
                       CREATE TABLE t (id int PRIMARY KEY, a int);\n-- up\n";
        let add = "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES p (id);";
        let all = [
            (add.to_owned(), true),
            (format!("SET foreign_key_checks = 0;\n{add}"), true),
            ("ALTER TABLE t DROP FOREIGN KEY f;".to_owned(), false),
        ];
        for (up, expect) in all {
            cases(&super::RULE, &[("mysql", &format!("{history}{up}"), expect)]);
        }
    }
}

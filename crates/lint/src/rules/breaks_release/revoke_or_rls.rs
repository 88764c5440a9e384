//! BC14.

use downhaul_syntax::{Change, ObjectKind};

use crate::Severity;

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports `REVOKE` on what existed before, a new owner, and `ENABLE ROW LEVEL SECURITY`: an
    /// error where the table has no policy, for then nobody but the owner sees a row.
    ///
    /// ## Why is this bad
    ///
    /// The role of the running release may lose access, or silently see no rows.
    ///
    /// ## What to do
    ///
    /// Create the policies first; grant the new right before the old one is taken away; try it as
    /// the role of the application.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0);
    /// CREATE VIEW open_orders AS SELECT id, note FROM orders;
    /// CREATE FUNCTION price(bigint) RETURNS numeric LANGUAGE sql AS 'SELECT 1.0';
    /// -- up
    /// ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0);
    /// CREATE VIEW open_orders AS SELECT id, note FROM orders;
    /// CREATE FUNCTION price(bigint) RETURNS numeric LANGUAGE sql AS 'SELECT 1.0';
    /// -- up
    /// GRANT SELECT ON orders TO app;
    /// ```
    "BC14" "revoke-or-rls"
    severity: Warning,
    dialects: POSTGRES,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    match cx.change {
        Change::Revoke { privileges, kind, objects, from, .. } => {
            let hit: Vec<String> = objects
                .iter()
                .filter(|o| match kind {
                    ObjectKind::Function | ObjectKind::Procedure => cx.routine_in_use(o),
                    ObjectKind::Table | ObjectKind::View | ObjectKind::Sequence => {
                        cx.relation_in_use(o)
                    }
                    _ => false,
                })
                .map(|o| format!("`{o}`"))
                .collect();
            (!hit.is_empty()).then(|| {
                Draft::new(format!(
                    "{} loses {} on {}: statements of the running release may be refused",
                    from.join(", "),
                    privileges.join(", "),
                    hit.join(", ")
                ))
                .help("grant what takes its place first, and try it as the role of the application")
            })
        }
        Change::RowSecurity { table, enabled: Some(true), .. } if cx.in_use(table) => {
            let known = cx.table(table);
            if known.is_some_and(|t| t.row_security) {
                return None;
            }
            let policies = known.is_some_and(|t| !t.policies.is_empty())
                || cx.later().any(|i| matches!(i.change, Change::CreatePolicy { table: t, .. } if t.name == table.name));
            Some(if policies {
                Draft::new(format!("from now on roles other than the owner see only rows of `{table}` that a policy allows"))
                    .help("try it as the role of the application")
            } else {
                Draft::new(format!(
                    "`{table}` has no policy: roles other than its owner see no row and write none"
                ))
                .severity(Severity::Error)
                .help("create the policies in the same transaction")
            })
        }
        Change::SetOwner { kind: ObjectKind::Table | ObjectKind::View, name, owner }
            if cx.relation_in_use(name) =>
        {
            let known = cx.table(name).and_then(|t| t.owner.as_ref());
            (known != Some(owner)).then(|| {
                Draft::new(format!("the old owner of `{name}` loses the right to alter it, and its own access unless granted"))
                    .severity(Severity::Info)
                    .help("grant the old owner what the running release needs")
            })
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
                    "postgres",
                    r#"-- history
CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0);
CREATE VIEW open_orders AS SELECT id, note FROM orders;
CREATE FUNCTION price(bigint) RETURNS numeric LANGUAGE sql AS 'SELECT 1.0';
-- up
REVOKE SELECT ON orders FROM app;"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- up
CREATE TABLE t (a int);
REVOKE ALL ON t FROM PUBLIC;"#,
                    false,
                ),
            ],
        );
    }
}

//! BC14.

use downhaul_catalog::Table;
use downhaul_syntax::{Change, Dialect, Ident, ObjectKind, ObjectName};

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
                    ObjectKind::Table if o.name.as_str() == "*" => {
                        o.schema.as_ref().is_some_and(|s| granted_in(cx, s, from))
                    }
                    ObjectKind::Schema => {
                        cx.catalog.grants.iter().any(|(kind, name, grantee, _)| {
                            *kind == ObjectKind::Schema
                                && name.name == o.name
                                && from.contains(grantee)
                        })
                    }
                    ObjectKind::Table if surely_not_held(cx, o, privileges, from) => false,
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
            if cx.later().any(|i| admits_all(cx, i.change, table)) {
                return Some(
                    Draft::new(format!(
                        "from now on policies decide who sees rows of `{table}`; one of this \
                         migration lets through whoever has a right on it"
                    ))
                    .severity(Severity::Info)
                    .help("try it as the role of the application"),
                );
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
        Change::AlterPolicy { name, table, text } if cx.in_use(table) => {
            let flat = text.to_lowercase().replace(' ', "");
            let decides = flat.contains("using(") || flat.contains("check(") || flat.contains("to");
            (decides && !flat.contains("using(true)")).then(|| {
                Draft::new(format!(
                    "policy `{name}` lets other rows of `{table}` through: the running release may \
                     see or write fewer"
                ))
                .help("try it as the role of the application")
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

/// A table of the schema is granted to one of these roles.
fn granted_in(cx: &ChangeContext<'_>, schema: &Ident, roles: &[String]) -> bool {
    let tables = cx.tables_in_schema(schema);
    tables.iter().filter_map(|t| cx.table(t)).any(|t| {
        cx.existed(t.origin) && t.grants.iter().any(|(grantee, _)| roles.contains(grantee))
    })
}

/// What was granted on the table is on record, and this is not among it.
fn surely_not_held(
    cx: &ChangeContext<'_>,
    table: &ObjectName,
    privileges: &[String],
    roles: &[String],
) -> bool {
    let Some(known) = cx.table(table).filter(|t| !t.assumed && cx.history_known) else {
        return false;
    };
    let word = |p: &str| p.split([' ', '(']).next().unwrap_or_default().to_lowercase();
    roles.iter().all(|role| {
        let held: Vec<&String> =
            known.grants.iter().filter(|(grantee, _)| grantee == role).map(|(_, p)| p).collect();
        // Nobody has rights on a table by being anybody, unless they were granted.
        let public = role.eq_ignore_ascii_case("public") && cx.dialect() == Dialect::Postgres;
        if held.is_empty() && public {
            return true;
        }
        // What the role may do is written down in this history, and this is not among it.
        if held.is_empty() {
            let granted = |t: &Table| t.grants.iter().any(|(grantee, _)| grantee == role);
            return cx.catalog.tables.values().any(granted);
        }
        !held.is_empty()
            && privileges.iter().all(|p| {
                let p = word(p);
                p != "all" && !held.iter().any(|h| **h == p || h.as_str() == "all")
            })
    })
}

/// A policy for all commands, `USING (true)`, for every role to which the table is granted.
fn admits_all(cx: &ChangeContext<'_>, change: &Change, table: &ObjectName) -> bool {
    let Change::CreatePolicy { table: on, text, .. } = change else { return false };
    let lower = text.to_lowercase();
    let flat: String = lower.split_whitespace().collect();
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    if on.name != table.name
        || words.contains(&"for")
        || words.contains(&"restrictive")
        || !flat.contains("using(true)")
        || flat.contains("check(") && !flat.contains("check(true)")
    {
        return false;
    }
    let to = words.iter().position(|w| *w == "to");
    to.is_none_or(|at| words.get(at + 1) == Some(&"public"))
        || cx.table(table).is_some_and(|t| {
            !t.grants.is_empty()
                && t.grants.iter().all(|(role, _)| words.contains(&role.to_lowercase().as_str()))
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
                (
                    "postgres",
                    r#"-- history
CREATE TABLE s.t (a int);
GRANT SELECT ON s.t TO app;
-- up
REVOKE ALL ON ALL TABLES IN SCHEMA s FROM app;"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE t (a int);
GRANT SELECT ON t TO app;
-- up
REVOKE DELETE ON t FROM app;"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE SCHEMA s;
GRANT USAGE ON SCHEMA s TO app;
-- up
REVOKE USAGE ON SCHEMA s FROM app;"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE t (a int);
CREATE POLICY p ON t USING (true);
-- up
ALTER POLICY p ON t USING (a > 5);"#,
                    true,
                ),
            ],
        );
    }
}

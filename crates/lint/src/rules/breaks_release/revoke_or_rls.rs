//! BC14.

use downhaul_catalog::Table;
use downhaul_syntax::{Change, Dialect, Ident, ObjectKind, ObjectName};

use crate::Severity;

use crate::context::ChangeContext;
use crate::effects::policy::admits;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports `REVOKE` on what existed before, a new owner, a view that is read with the rights of
    /// the caller from now on (`security_invoker`), and `ENABLE ROW LEVEL SECURITY`: an error where
    /// the table has no policy, for then nobody but the owner sees a row.
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
    dialects: SERVERS,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    if let Some(draft) = read_by_the_caller(cx) {
        return Some(draft);
    }
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
            if known.is_some_and(|t| nobody_else(cx, t)) {
                return Some(
                    Draft::new(format!(
                        "from now on policies decide who sees rows of `{table}`; as far as the history \
                         tells, nobody but its owner has a right on it"
                    ))
                    .severity(Severity::Info)
                    .help("try it as the role of the application"),
                );
            }
            if cx.later().any(|i| admits_all(cx, i.change, table))
                || known.is_some_and(|t| all_admitted(cx, t, table))
            {
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
        Change::CreatePolicy { name, table, text }
            if cx.in_use(table)
                && cx.table(table).is_some_and(|t| t.row_security)
                && text.to_lowercase().split(|c: char| !c.is_alphanumeric()).any(|w| w == "restrictive")
                && !text.to_lowercase().replace(' ', "").contains("using(true)") =>
        {
            Some(
                Draft::new(format!(
                    "policy `{name}` hides rows of `{table}` that the running release sees or writes"
                ))
                .help("try it as the role of the application"),
            )
        }
        Change::SetOwner { kind: ObjectKind::View, name, owner }
            if cx.catalog.view(name).is_some_and(|v| {
                cx.existed(v.origin) && v.query.tables.iter().any(|t| !may_read(cx, t, owner))
            }) =>
        {
            Some(
                Draft::new(format!(
                    "`{name}` is read with the rights of `{owner}` from now on, to whom its tables are \
                     not granted"
                ))
                .help("grant the new owner what the view reads first"),
            )
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

/// `security_invoker` of a view: whoever reads it needs the rights on its tables, too, and policies
/// decide by its name and no longer by the owner's (PostgreSQL 15).
fn read_by_the_caller(cx: &ChangeContext<'_>) -> Option<Draft> {
    let name = match cx.change {
        Change::SetTableOptions { table, .. } => table,
        Change::CreateView { name, or_replace: true, .. } => name,
        _ => return None,
    };
    let view = cx.catalog.view(name).filter(|v| cx.existed(v.origin))?;
    let flat: String = cx.statement.statement.text.to_lowercase().split_whitespace().collect();
    let (_, value) = flat.split_once("security_invoker")?;
    let value = value.trim_start_matches(['=', '\'']);
    if flat.contains("reset(")
        || ["false", "off", "no", "0"].iter().any(|off| value.starts_with(off))
    {
        return None;
    }
    let readers = || {
        let reads = |p: &str| p == "all" || p == "select";
        view.grants.iter().filter(move |(_, p)| reads(p)).map(|(role, _)| role.as_str())
    };
    let tables = || view.query.tables.iter();
    let refused = readers().find_map(|role| {
        let table = tables().find(|t| !may_read(cx, t, role))?;
        Some(format!(
            "`{role}` may read view `{name}`, and is refused now: not granted is `{table}`"
        ))
    });
    let hidden = || {
        let guarded = tables().find(|t| cx.table(t).is_some_and(|t| t.row_security))?;
        let role = readers().next()?;
        Some(format!(
            "policies of `{guarded}` decide which rows of view `{name}` `{role}` sees now"
        ))
    };
    let what = refused.or_else(hidden)?;
    Some(
        Draft::new(what)
            .help("grant its readers what the view reads first, and try it as one of them"),
    )
}

/// As far as the history tells: what it does not know may be granted.
fn may_read(cx: &ChangeContext<'_>, table: &ObjectName, role: &str) -> bool {
    let Some(known) = cx.table(table).filter(|t| !t.assumed && cx.history_known) else {
        return true;
    };
    let reads = |p: &str| p == "all" || p.starts_with("select");
    let on_record = cx.catalog.tables.values().any(|t| t.grants.iter().any(|(to, _)| to == role));
    !on_record
        || known.owner.as_deref() == Some(role)
        || known.grants.iter().any(|(to, p)| (to == role || to == "public") && reads(p))
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

/// What roles may do is on record, and none may do anything here.
fn nobody_else(cx: &ChangeContext<'_>, table: &Table) -> bool {
    let granted = || cx.catalog.tables.values().any(|t| !t.grants.is_empty());
    cx.history_known && !table.assumed && table.grants.is_empty() && granted()
}

/// Every right that was granted is let through by a policy of this migration, as it is.
fn all_admitted(cx: &ChangeContext<'_>, table: &Table, name: &ObjectName) -> bool {
    let lets = |role: &str, privilege: &str| {
        cx.later().any(|i| {
            matches!(i.change, Change::CreatePolicy { table: on, text, .. }
                if on.name == name.name && admits(text, role, privilege))
        })
    };
    !table.grants.is_empty() && table.grants.iter().all(|(role, privilege)| lets(role, privilege))
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
    use super::*;
    use crate::examples::cases;

    #[test]
    fn a_view_that_its_caller_must_be_able_to_read() {
        let history = "-- history\nCREATE ROLE web;\nCREATE TABLE t (id int PRIMARY KEY);\n\
                       CREATE TABLE u (id int PRIMARY KEY);\nCREATE VIEW v AS SELECT id FROM t;\n\
                       CREATE VIEW w AS SELECT id FROM u;\nCREATE VIEW x AS SELECT id FROM t;\n\
                       GRANT SELECT ON v, w, u TO web;\n";
        for (more, what, expect) in [
            ("", "ALTER VIEW v SET (security_invoker = true);", true),
            ("", "ALTER VIEW v SET (security_invoker);", true),
            (
                "",
                "CREATE OR REPLACE VIEW v WITH (security_invoker = on) AS SELECT id FROM t;",
                true,
            ),
            ("", "ALTER VIEW v SET (security_invoker = false);", false),
            ("", "ALTER VIEW v RESET (security_invoker);", false),
            ("", "ALTER VIEW v SET (security_barrier = true);", false),
            // The reader has the right; or nobody was granted the view.
            ("", "ALTER VIEW w SET (security_invoker = true);", false),
            ("", "ALTER VIEW x SET (security_invoker = true);", false),
            (
                "GRANT SELECT ON t TO PUBLIC;\n",
                "ALTER VIEW v SET (security_invoker = true);",
                false,
            ),
            (
                "ALTER TABLE u ENABLE ROW LEVEL SECURITY;\n\
                 CREATE POLICY own ON u USING (id > 5);\n",
                "ALTER VIEW w SET (security_invoker = true);",
                true,
            ),
        ] {
            cases(&super::RULE, &[("postgres", &format!("{history}{more}-- up\n{what}"), expect)]);
        }
    }

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

    #[test]
    fn who_sees_fewer_rows() {
        const TABLES: &str = "CREATE TABLE t (a int); GRANT SELECT ON t TO app; CREATE TABLE own (a int); \
             CREATE VIEW v AS SELECT a FROM own; CREATE VIEW w AS SELECT a FROM t; \
             CREATE TABLE r (a int); ALTER TABLE r ENABLE ROW LEVEL SECURITY;";
        // Information alone is no warning.
        for (up, expect) in [
            ("ALTER TABLE own ENABLE ROW LEVEL SECURITY;", false),
            ("ALTER TABLE t ENABLE ROW LEVEL SECURITY;", true),
            (
                "ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON t FOR SELECT USING (true);",
                false,
            ),
            (
                "ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON t FOR SELECT USING (a = 1);",
                true,
            ),
            ("CREATE POLICY p ON r AS RESTRICTIVE USING (a = 1);", true),
            ("CREATE POLICY p ON r AS RESTRICTIVE USING (true);", false),
            ("ALTER VIEW v OWNER TO app;", true),
            ("ALTER VIEW w OWNER TO app;", false),
        ] {
            let text = format!("-- history\n{TABLES}\n-- up\n{up}");
            let options = crate::LintOptions::new(Dialect::Postgres);
            let report = crate::lint_series(&crate::examples::series(&text), &options);
            let warns = |f: &crate::Finding| f.code == "BC14" && f.severity >= Severity::Warning;
            assert_eq!(report.findings.iter().any(warns), expect, "{up}");
        }
    }
}

//! SE04.

use downhaul_catalog::Table;
use downhaul_syntax::Change;

use crate::Severity;
use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports row-level security taken off a table that was there before (`DISABLE`, `NO FORCE`),
    /// a policy that is dropped and not made again, one that lets everybody do everything
    /// (`USING (true)` without `FOR SELECT`), and one `USING (true)` beside others: policies add up.
    ///
    /// Such a policy is information where row-level security was off before this migration: then it
    /// lifts nothing.
    ///
    /// ## Why is this bad
    ///
    /// Rows that one tenant must not see become visible to every role with a right on the table, in
    /// the moment of the commit.
    ///
    /// ## What to do
    ///
    /// Make the policy that takes its place in the same migration, under the same name or another.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, tenant bigint);
    /// ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
    /// CREATE POLICY own ON orders USING (tenant = current_setting('app.tenant')::bigint);
    /// -- up
    /// ALTER TABLE orders DISABLE ROW LEVEL SECURITY;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, tenant bigint);
    /// ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
    /// CREATE POLICY own ON orders USING (tenant = current_setting('app.tenant')::bigint);
    /// -- up
    /// DROP POLICY own ON orders;
    /// CREATE POLICY own ON orders USING (tenant = current_setting('app.tenant')::bigint AND id > 0);
    /// ```
    "SE04" "row-security-lifted"
    severity: Warning,
    dialects: POSTGRES,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    match cx.change {
        Change::RowSecurity { table, enabled, forced } if cx.in_use(table) => {
            let known = cx.table(table).filter(|t| !t.assumed);
            let lifted = *enabled == Some(false) && known.is_none_or(|t| t.row_security);
            let unforced = *forced == Some(false) && known.is_none_or(|t| t.row_security_forced);
            if lifted {
                let draft = Draft::new(format!(
                    "`{table}` shows all its rows to every role with a right on it"
                ))
                .help("keep row-level security on and change the policies");
                let open = known.is_some_and(|t| cx.history_known && held_nobody(t));
                return Some(if open { draft.severity(Severity::Info) } else { draft });
            }
            unforced.then(|| {
                Draft::new(format!("the owner of `{table}` is no longer held by its policies"))
                    .help("let the application use another role than the owner")
            })
        }
        Change::DropPolicy { name, table, .. } if cx.in_use(table) => {
            let known = cx.table(table).filter(|t| !t.assumed);
            if known.is_some_and(|t| !t.policies.contains_key(name)) {
                return None;
            }
            let replaced = cx.later().any(|i| {
                matches!(i.change, Change::CreatePolicy { table: t, .. } if t.name == table.name)
                    || matches!(i.change, Change::DropTable { name: t, .. } if t.name == table.name)
            });
            let column_policy_made_before = cx.earlier().any(|i| {
                matches!(i.change, Change::CreatePolicy { table: t, .. } if t.name == table.name)
            });
            (!replaced && !column_policy_made_before).then(|| {
                Draft::new(format!(
                    "policy `{name}` no longer holds on `{table}`, and none takes its place"
                ))
                .help("make the policy that takes its place in the same migration")
            })
        }
        Change::CreatePolicy { name, table, text } | Change::AlterPolicy { name, table, text }
            if lets_all(text) =>
        {
            let on_before = cx.table(table).is_none_or(|t| t.assumed || t.row_security)
                && !cx.earlier().any(|i| {
                    matches!(i.change, Change::RowSecurity { table: t, enabled: Some(true), .. }
                        if t.name == table.name)
                });
            let draft = Draft::new(format!(
                "policy `{name}` lets every role read and write all rows of `{table}`"
            ))
            .help("write the condition, or restrict it: FOR SELECT, TO role");
            Some(if on_before { draft } else { draft.severity(Severity::Info) })
        }
        Change::CreatePolicy { name, table, text } => {
            let known = cx.table(table).filter(|t| !t.assumed)?;
            let replaces = cx.earlier().any(|i| {
                matches!(i.change, Change::DropPolicy { table: t, .. }
                    | Change::RowSecurity { table: t, .. } if t.name == table.name)
            });
            let shows = known.row_security && cx.in_use(table) && !replaces && shows_more(text);
            shows.then(|| {
                Draft::new(format!(
                    "policy `{name}` shows rows of `{table}` beside those that its other policies show"
                ))
                .help("policies add up: if it is to narrow what is seen, say AS RESTRICTIVE")
                .severity(Severity::Warning)
            })
        }
        _ => None,
    }
}

/// It lets all rows be read.
fn shows_more(text: &str) -> bool {
    let flat: String = text.to_lowercase().split_whitespace().collect();
    flat.contains("using(true)") && !flat.contains("asrestrictive")
}

/// Every right that was granted on the table is let through by a policy `USING (true)` as it is.
fn held_nobody(table: &Table) -> bool {
    let lets = |text: &str, role: &str, privilege: &str| {
        let lower = text.to_lowercase();
        let flat: String = lower.split_whitespace().collect();
        let words: Vec<&str> = lower
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .filter(|w| !w.is_empty())
            .collect();
        let behind = |word: &str| {
            words.iter().position(|w| *w == word).and_then(|at| words.get(at + 1)).copied()
        };
        let command = behind("for").is_none_or(|c| c == privilege || c == "all");
        let to = words.iter().position(|w| *w == "to");
        let everyone = to.is_none_or(|at| words[at..].contains(&"public"));
        command
            && (everyone || words.contains(&role.to_lowercase().as_str()))
            && flat.contains("using(true)")
            && !words.contains(&"restrictive")
            && (!flat.contains("check(") || flat.contains("check(true)"))
    };
    !table.grants.is_empty()
        && table.grants.iter().all(|(role, privilege)| {
            table.policies.values().any(|text| lets(text, role, privilege))
        })
}

/// `USING (true)` for all commands and all roles.
fn lets_all(text: &str) -> bool {
    let flat: String =
        text.to_lowercase().chars().map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
    let words: Vec<&str> = flat.split([' ', '(', ')', ',']).filter(|w| !w.is_empty()).collect();
    let follows = |a: &str, b: &[&str]| words.windows(2).any(|w| w[0] == a && b.contains(&w[1]));
    let restrictive = words.contains(&"restrictive");
    let limited = follows("for", &["select", "insert"]);
    let to = words.iter().position(|w| *w == "to").and_then(|at| words.get(at + 1));
    let condition = flat.replace(' ', "").contains("using(true)");
    condition && !restrictive && !limited && to.is_none_or(|r| *r == "public")
}

#[cfg(test)]
mod tests {
    use crate::examples::cases;

    #[test]
    fn cases_of_the_rule() {
        let history = "-- history\nCREATE TABLE t (a int, b int);\n\
                       ALTER TABLE t ENABLE ROW LEVEL SECURITY;\n\
                       CREATE POLICY p ON t USING (a = 1);\n-- up\n";
        let case = |up: &str| format!("{history}{up}");
        let all = [
            ("DROP POLICY p ON t;", true),
            ("DROP POLICY IF EXISTS q ON t;", false),
            ("ALTER TABLE t NO FORCE ROW LEVEL SECURITY;", false),
            ("CREATE POLICY q ON t USING (true);", true),
            ("CREATE POLICY q ON t FOR SELECT USING (true);", true),
            ("CREATE POLICY q ON t TO admin USING (true);", true),
            ("CREATE POLICY q ON t AS RESTRICTIVE FOR SELECT USING (true);", false),
            ("CREATE POLICY q ON t FOR SELECT USING (b = 1);", false),
            ("DROP POLICY p ON t; CREATE POLICY p ON t FOR SELECT USING (true);", false),
            ("DROP TABLE t;", false),
            ("ALTER TABLE t DISABLE ROW LEVEL SECURITY;", true),
        ];
        for (up, expect) in all {
            cases(&super::RULE, &[("postgres", &case(up), expect)]);
        }
        cases(
            &super::RULE,
            &[(
                "postgres",
                "-- up\nCREATE TABLE t (a int);\nALTER TABLE t DISABLE ROW LEVEL SECURITY;",
                false,
            )],
        );
    }
}

//! SE04.

use downhaul_catalog::Table;
use downhaul_syntax::Change;

use crate::Severity;
use crate::context::ChangeContext;
use crate::effects::dropped;
use crate::effects::policy::admits;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports row-level security taken off a table that was there before (`DISABLE`, `NO FORCE`),
    /// a policy that is dropped and not made again, and one that shows more rows.
    ///
    /// A policy shows more where it stands beside others, for policies add up, where it shows other
    /// rows than the one in whose place it comes, and where it lets everybody do everything
    /// (`USING (true)` without `FOR SELECT`). Roles that may not read the table, as far as the history
    /// tells what was granted, see nothing more.
    ///
    /// A policy that lets all through is information where row-level security was off before this
    /// migration: then it lifts nothing.
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
    /// CREATE POLICY tenant ON orders USING (tenant = current_setting('app.tenant')::bigint);
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
            let lifted = cx.earlier().any(|i| {
                matches!(i.change, Change::RowSecurity { table: t, .. } if t.name == table.name)
            });
            let own = cx.catalog.normalize(table);
            let mut before = dropped::policies(cx.scene.dropped, &own).peekable();
            let replaces = before.peek().is_some();
            let same = before.any(|(_, old)| shows_as(old, text));
            let shows = known.row_security
                && cx.in_use(table)
                && !lifted
                && !same
                && shows_rows(text)
                && somebody_sees_more(cx, known, text);
            shows.then(|| {
                let what = match replaces {
                    true => "shows other rows than the one in whose place it comes",
                    false => "shows rows beside those that its other policies show",
                };
                Draft::new(format!("policy `{name}` of `{table}` {what}"))
                    .help("policies add up: if it is to narrow what is seen, say AS RESTRICTIVE")
            })
        }
        _ => None,
    }
}

/// The words of a policy, lower case.
fn words_of(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.filter(|w| !w.is_empty()).map(str::to_owned).collect()
}

/// It lets rows be read, some or all.
fn shows_rows(text: &str) -> bool {
    let words = words_of(text);
    let flat: String = text.to_lowercase().split_whitespace().collect();
    let command = words.iter().position(|w| w == "for").and_then(|at| words.get(at + 1));
    let reads = command.is_none_or(|c| c == "select" || c == "all");
    reads && !words.iter().any(|w| w == "restrictive") && !flat.contains("using(false)")
}

/// One policy shows the rows that the other showed, to the same roles.
fn shows_as(old: &str, new: &str) -> bool {
    // All up to what may be written.
    let shown = |text: &str| {
        let lower = text.to_lowercase().replace('(', " ( ").replace(')', " ) ");
        let words: Vec<&str> = lower.split_whitespace().collect();
        let end = words.windows(2).position(|w| *w == ["with", "check"]).unwrap_or(words.len());
        words[..end].join(" ")
    };
    shown(old) == shown(new)
}

/// A role that the policy is for may read the table, as far as the history tells, and no policy shows
/// it all rows.
fn somebody_sees_more(cx: &ChangeContext<'_>, table: &Table, text: &str) -> bool {
    let words = words_of(text);
    let to = words.iter().position(|w| w == "to");
    let end = words.iter().position(|w| w == "using" || w == "with").unwrap_or(words.len());
    let roles = to.filter(|at| *at < end).map_or(&[][..], |at| &words[at + 1..end]);
    let everyone = roles.is_empty() || roles.iter().any(|r| r == "public");
    let is_for = |role: &str| {
        everyone || role.eq_ignore_ascii_case("public") || roles.contains(&role.to_lowercase())
    };
    let mut readers =
        table.grants.iter().filter(|(_, p)| matches!(p.to_lowercase().as_str(), "select" | "all"));
    let sees_all = |role: &str| table.policies.values().any(|other| admits(other, role, "select"));
    if readers.any(|(role, _)| is_for(role) && !sees_all(role)) {
        return true;
    }
    // What these roles may read is written down elsewhere, or nothing of it here.
    let known = cx.history_known
        && cx.catalog.tables.values().any(|t| t.grants.iter().any(|(role, _)| is_for(role)));
    !known && !table.policies.values().any(|other| everyone && lets_all(other))
}

/// Every right that was granted on the table is let through by a policy `USING (true)` as it is.
fn held_nobody(table: &Table) -> bool {
    !table.grants.is_empty()
        && table.grants.iter().all(|(role, privilege)| {
            table.policies.values().any(|text| admits(text, role, privilege))
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
            ("CREATE POLICY q ON t FOR SELECT USING (b = 1);", true),
            ("CREATE POLICY q ON t FOR INSERT WITH CHECK (b = 1);", false),
            ("CREATE POLICY q ON t AS RESTRICTIVE USING (b = 1);", false),
            ("DROP POLICY p ON t; CREATE POLICY q ON t USING (a = 1);", false),
            ("DROP POLICY p ON t; CREATE POLICY p ON t USING (a = 1 OR b = 1);", true),
            ("GRANT SELECT ON t TO app; CREATE POLICY q ON t TO admin USING (b = 1);", true),
            ("DROP POLICY p ON t; CREATE POLICY p ON t FOR SELECT USING (true);", true),
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

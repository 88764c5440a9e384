//! SE02.

use downhaul_syntax::Change;

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a `SECURITY DEFINER` routine that does not fix its `search_path`.
    ///
    /// ## Why is this bad
    ///
    /// It runs with the rights of its owner, but looks names up along the path of the caller, who
    /// can put a table, function or operator of his own in front (PostgreSQL manual, "Writing
    /// SECURITY DEFINER Functions Safely").
    ///
    /// ## What to do
    ///
    /// Add `SET search_path = pg_catalog, your_schema, pg_temp`, or an empty one and qualify every
    /// name.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- up
    /// CREATE FUNCTION top_secret() RETURNS integer LANGUAGE sql SECURITY DEFINER
    /// AS 'SELECT max(level) FROM secrets';
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- up
    /// CREATE FUNCTION top_secret() RETURNS integer LANGUAGE sql SECURITY DEFINER
    /// SET search_path = ''
    /// AS 'SELECT max(level) FROM public.secrets';
    /// ```
    "SE02" "security-definer-search-path"
    severity: Warning,
    dialects: POSTGRES,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let name = match cx.change {
        Change::CreateRoutine { def, .. }
            if def.security_definer && !def.settings.iter().any(|s| sets_path(s)) =>
        {
            &def.name
        }
        Change::AlterRoutine { name, text, .. }
            if text.to_lowercase().contains("security definer") && !sets_path(text) =>
        {
            let from =
                downhaul_catalog::RoutineKey { name: cx.catalog.normalize(name), args: Vec::new() };
            let known = cx.catalog.routines.range(from.clone()..).next();
            if known.is_some_and(|(key, routine)| {
                key.name == from.name && routine.def.settings.iter().any(|s| sets_path(s))
            }) {
                return None;
            }
            name
        }
        _ => return None,
    };
    let set_later = cx.later().any(|i| {
        matches!(i.change, Change::AlterRoutine { name: n, text, .. }
            if n.name == name.name && sets_path(text))
    });
    (!set_later).then(|| {
        Draft::new(format!(
            "`{name}` runs with its owner's rights, but looks names up along the caller's search_path"
        ))
        .help("add SET search_path = pg_catalog, pg_temp and qualify the names in it")
    })
}

fn sets_path(text: &str) -> bool {
    text.to_lowercase().contains("search_path")
}

#[cfg(test)]
mod tests {
    use crate::examples::cases;

    #[test]
    fn cases_of_the_rule() {
        let body = "RETURNS int LANGUAGE sql AS 'SELECT 1'";
        cases(
            &super::RULE,
            &[
                ("postgres", &format!("-- up\nCREATE FUNCTION f() {body};"), false),
                (
                    "postgres",
                    &format!("-- up\nCREATE FUNCTION f() {body} SECURITY INVOKER;"),
                    false,
                ),
                ("postgres", &format!("-- up\nCREATE FUNCTION f() {body} SECURITY DEFINER;"), true),
                (
                    "postgres",
                    &format!(
                        "-- up\nCREATE FUNCTION f() {body} SECURITY DEFINER;\n\
                         ALTER FUNCTION f() SET search_path = '';"
                    ),
                    false,
                ),
                (
                    "postgres",
                    &format!(
                        "-- history\nCREATE FUNCTION f() {body};\n-- up\n\
                         ALTER FUNCTION f() SECURITY DEFINER;"
                    ),
                    true,
                ),
                (
                    "postgres",
                    &format!(
                        "-- history\nCREATE FUNCTION f() {body} SET search_path = '';\n-- up\n\
                         ALTER FUNCTION f() SECURITY DEFINER;"
                    ),
                    false,
                ),
            ],
        );
    }
}

//! BC12.

use std::collections::BTreeSet;

use downhaul_syntax::{Change, Dialect, ObjectKind, ObjectName, RoutineDef, TriggerDef};

use crate::Severity;

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a function, procedure, sequence, type or extension that is dropped or renamed, and a trigger
    /// (warning), where the migration does not make it again in the same shape.
    ///
    /// ## Why is this bad
    ///
    /// Statements of the running release that call or use it fail. A trigger that is gone no longer
    /// does what the running release relies on.
    ///
    /// ## What to do
    ///
    /// Add the new one beside it, release code that uses the new one, drop the old one later.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0);
    /// CREATE VIEW open_orders AS SELECT id, note FROM orders;
    /// CREATE FUNCTION price(bigint) RETURNS numeric LANGUAGE sql AS 'SELECT 1.0';
    /// -- up
    /// DROP FUNCTION price(bigint);
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
    /// DROP FUNCTION price(bigint);
    /// CREATE FUNCTION price(bigint) RETURNS numeric LANGUAGE sql AS 'SELECT 2.0';
    /// ```
    "BC12" "drop-routine"
    severity: Error,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    if cx.is_contract() {
        return None;
    }
    if let Change::CreateRoutine { def, or_replace: true, .. } = cx.change
        && cx.dialect() == Dialect::Postgres
    {
        return assigns_less(cx, def).or_else(|| ambiguous(cx, def));
    }
    if let Change::CreateRoutine { def, .. } = cx.change
        && cx.dialect() == Dialect::Postgres
    {
        return ambiguous(cx, def);
    }
    let (draft, used) = match cx.change {
        Change::CreateTrigger { def, or_replace: true, .. } => {
            let known = cx.table(&def.table)?;
            let old = known.triggers.iter().find(|t| t.name == def.name)?;
            (
                Draft::new(format!(
                    "trigger `{}` does less than the one in whose place it comes, for writes of the \
                     running release",
                    def.name
                ))
                .severity(Severity::Warning),
                cx.in_use(&def.table) && !does_as_much(old, def),
            )
        }
        // Where the name alone is the identity, another list of arguments takes its place.
        Change::CreateRoutine { def, or_replace: true, .. } if cx.dialect().is_mysql_family() => {
            let name = cx.catalog.normalize(&def.name);
            let other = cx.catalog.routines.iter().any(|(key, old)| {
                key.name == name && key.args.len() != def.args.len() && cx.existed(old.origin)
            });
            (
                Draft::new(format!(
                    "the running release calls `{}` with another number of arguments",
                    def.name
                ))
                .help("create the new one under another name"),
                other,
            )
        }
        Change::DropRoutine { name, args, .. } => {
            let again = cx.later().any(|i| match i.change {
                Change::CreateRoutine { def, .. } if def.name.name == name.name => match args {
                    // Another type is another function: a number with decimals is not taken for one
                    // that is exact.
                    Some(args) => *args == def.args,
                    // MySQL names no arguments: the old ones are on record.
                    None if cx.dialect().is_mysql_family() => {
                        cx.routine(name).is_none_or(|old| old.args.len() == def.args.len())
                    }
                    None => true,
                },
                _ => false,
            });
            let fires_only = is_trigger_function(cx, name);
            let (callers, severity) = cx.judged_by_queries(
                cx.queries.of_function(name),
                Severity::Error,
                cx.unless_in_server_code(&name.name),
            );
            (
                Draft::new(format!("the running release may still call `{name}`{callers}"))
                    .severity(severity),
                cx.routine_in_use(name) && !again && !fires_only && !is_another(cx, name, args),
            )
        }
        Change::DropTrigger { name, table, .. } => {
            let old = match table {
                Some(table) => {
                    cx.table(table).and_then(|t| t.triggers.iter().find(|g| g.name == *name))
                }
                // Triggers of SQLite and MySQL lie in the schema.
                None => {
                    cx.catalog.tables.values().flat_map(|t| &t.triggers).find(|g| g.name == *name)
                }
            };
            let again = cx.later().any(|i| {
                matches!(i.change, Change::CreateTrigger { def, .. }
                    if def.name == *name && old.is_none_or(|old| does_as_much(old, def)))
                    || matches!((i.change, table), (Change::DropTable { name, .. }, Some(t)) if name.name == t.name)
            });
            let used = match table {
                Some(table) => {
                    cx.in_use(table)
                        && cx.table(table).is_none_or(|t| {
                            t.columns_unknown || t.triggers.iter().any(|g| g.name == *name)
                        })
                }
                None => {
                    !cx.history_known
                        || cx
                            .catalog
                            .tables
                            .values()
                            .any(|t| t.triggers.iter().any(|g| g.name == *name))
                }
            };
            (
                Draft::new(format!(
                    "what trigger `{name}` does no longer happens for writes of the running release"
                ))
                .severity(Severity::Warning),
                used && !again,
            )
        }
        Change::SetTriggerEnabled { table, trigger, enabled: false } => {
            let again = cx.later().any(|i| {
                matches!(i.change, Change::SetTriggerEnabled { table: t, enabled: true, .. } if t.name == table.name)
            });
            let which =
                trigger.as_ref().map_or_else(|| "triggers".into(), |t| format!("trigger `{t}`"));
            (
                Draft::new(format!("{which} of `{table}` no longer fire for writes of the running release; ALL also switches foreign keys off"))
                    .severity(Severity::Warning),
                cx.in_use(table) && !again,
            )
        }
        Change::DropSequence { name, .. } => {
            let owned = cx.catalog.sequences.get(&cx.catalog.normalize(name)).is_none();
            let known = cx.history_known && owned;
            let (users, severity) = cx.release_use(&name.name, cx.queries.of_table(name));
            (
                Draft::new(format!(
                    "the running release may still draw numbers from `{name}`{users}"
                ))
                .severity(severity),
                !known && cx.relation_in_use(name),
            )
        }
        Change::DropType { name, .. } => {
            let known = cx.catalog.types.contains_key(&cx.catalog.normalize(name));
            let again = cx.later().any(|i| {
                matches!(i.change, Change::CreateType { name: new, .. } if new.name == name.name)
            });
            // The swap of an enum: renamed away, made new, columns moved over.
            let swapped = cx
                .earlier()
                .any(|i| matches!(i.change, Change::Rename { to, .. } if *to == name.name));
            (
                {
                    let (users, severity) = cx.release_use(&name.name, std::iter::empty());
                    Draft::new(format!(
                        "statements of the running release that name type `{name}` fail{users}"
                    ))
                    .severity(severity)
                },
                (known || !cx.history_known) && cx.type_in_use(name) && !again && !swapped,
            )
        }
        Change::Rename { kind, from, .. } => {
            let (used, severity) = match kind {
                ObjectKind::Function | ObjectKind::Procedure | ObjectKind::Aggregate => {
                    (cx.routine_in_use(from), Severity::Error)
                }
                ObjectKind::Sequence => (cx.relation_in_use(from), Severity::Error),
                ObjectKind::Type | ObjectKind::Domain => (cx.type_in_use(from), Severity::Warning),
                _ => return None,
            };
            // The old name is given to a new object: the swap of an enum.
            let again = cx.later().any(|i| match i.change {
                Change::CreateType { name, .. } => name.name == from.name,
                Change::CreateRoutine { def, .. } => def.name.name == from.name,
                _ => false,
            });
            (
                {
                    let (users, severity) = cx.judged_by_queries(
                        cx.queries.of_function(from).chain(cx.queries.of_table(from)),
                        severity,
                        cx.unless_in_server_code(&from.name),
                    );
                    Draft::new(format!(
                        "statements of the running release that name `{from}` fail{users}"
                    ))
                    .severity(severity)
                },
                used && !again,
            )
        }
        Change::DropExtension { name, .. } => {
            let known = cx.catalog.extensions.contains(name);
            (
                Draft::new(format!(
                    "functions and types of extension `{name}` are gone for the running release"
                )),
                known || !cx.history_known,
            )
        }
        _ => return None,
    };
    used.then(|| draft.help("add the new one beside it, switch the code, drop the old one later"))
}

/// It fires as often, and what it writes by its own words is no less.
fn does_as_much(old: &TriggerDef, new: &TriggerDef) -> bool {
    let named = |f: &Option<ObjectName>| f.as_ref().map(|f| f.name.clone());
    // Another function may do anything.
    let body = named(&old.function) != named(&new.function)
        || old.function.is_none() && written(&old.text).is_subset(&written(&new.text))
        || old.function.is_some();
    let when = limited(&new.text);
    let everything = |w: &String| w.trim_matches(['(', ')']) == "old.*isdistinctfromnew.*";
    fires_as_often(old, new)
        && body
        && (when.is_none()
            || when == limited(&old.text)
            // Only an update that changes nothing is left out.
            || when.as_ref().is_some_and(everything))
}

/// The condition of `WHEN (…)`, where there is one in front of what it does.
fn limited(text: &str) -> Option<String> {
    let lower = text.to_lowercase();
    let head = lower.split(["begin", "execute "].iter().find(|w| lower.contains(**w))?).next()?;
    let (_, condition) = head.split_once("when")?;
    Some(condition.split_whitespace().collect())
}

/// Tables that the text writes to, and columns of the row that it sets.
fn written(text: &str) -> BTreeSet<String> {
    let lower = text.to_lowercase().replace(['`', '"'], "");
    let words: Vec<&str> = lower
        .split(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '.' | '='))
        .filter(|w| !w.is_empty())
        .collect();
    let tables = words.windows(2).filter_map(|pair| {
        let writes = matches!(pair[0], "into" | "update" | "from");
        (writes && !matches!(pair[1], "set" | "or" | "of")).then(|| pair[1].to_owned())
    });
    let fields = words.windows(2).filter_map(|pair| {
        let field = pair[0].strip_prefix("new.")?;
        (pair[1] == "=").then(|| format!("new.{field}"))
    });
    tables.chain(fields).collect()
}

/// Every kind of write that fired the old one fires the new one, of each column and each row.
fn fires_as_often(old: &TriggerDef, new: &TriggerDef) -> bool {
    let words = |text: &str| -> Vec<String> {
        let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
        words.filter(|w| !w.is_empty()).map(str::to_lowercase).collect()
    };
    let (before, after) = (words(&old.event), words(&new.event));
    let fires = |event: &[String], verb: &str| event.iter().any(|w| w == verb);
    // The columns behind `UPDATE OF`; `None` for all.
    let columns = |event: &[String]| {
        let at = event.windows(2).position(|w| w == ["update", "of"])?;
        let of = event[at + 2..].iter().take_while(|w| *w != "or");
        Some(of.cloned().collect::<BTreeSet<String>>())
    };
    let columns_too = match (columns(&before), columns(&after)) {
        (_, None) => true,
        (None, Some(_)) => !fires(&before, "update"),
        (Some(old), Some(new)) => old.is_subset(&new),
    };
    columns_too
        && ["insert", "update", "delete", "truncate"]
            .iter()
            .all(|verb| !fires(&before, verb) || fires(&after, verb))
}

/// Columns that a function of triggers gives a value: `NEW.x := …`.
fn assigned(body: &str) -> BTreeSet<String> {
    let flat: String = body.to_lowercase().split_whitespace().collect();
    flat.split("new.")
        .skip(1)
        .filter_map(|rest| rest.split_once(":="))
        .map(|(column, _)| column.to_owned())
        .filter(|c| c.chars().all(|c| c.is_alphanumeric() || c == '_'))
        .collect()
}

/// A function that triggers call is made again, and no longer gives a column its value.
fn assigns_less(cx: &ChangeContext<'_>, def: &RoutineDef) -> Option<Draft> {
    let name = cx.catalog.normalize(&def.name);
    let old = assigned(cx.routine_body(&def.name)?);
    let new: String = def.body.as_deref()?.to_lowercase().split_whitespace().collect();
    let still = |c: &String| [":=", "="].iter().any(|op| new.contains(&format!("new.{c}{op}")));
    let column = old.iter().find(|c| !still(c))?;
    let table = cx.catalog.tables.values().find(|t| {
        let calls = |f: &ObjectName| cx.catalog.normalize(f) == name;
        cx.in_use(&t.name) && t.triggers.iter().any(|g| g.function.as_ref().is_some_and(calls))
    })?;
    Some(
        Draft::new(format!(
            "a trigger of `{}` no longer gives `{column}` its value for writes of the running release",
            table.name
        ))
        .severity(Severity::Warning)
        .help("keep it until the release that writes the column is everywhere"),
    )
}

/// PostgreSQL: beside one that takes the first arguments alone, defaults for all others make a call of
/// that one fit both, and it is refused.
fn ambiguous(cx: &ChangeContext<'_>, def: &RoutineDef) -> Option<Draft> {
    let name = cx.catalog.normalize(&def.name);
    let args = arguments(&def.definition)?;
    let filled = |arg: &String| arg.contains('=') || arg.contains(" default ");
    if args.len() != def.args.len() {
        return None;
    }
    let few = cx.catalog.routines.iter().find_map(|(key, old)| {
        let few = key.args.len().min(args.len());
        let known = arguments(&old.def.definition)?;
        let rest = if key.args.len() < args.len() { &args } else { &known };
        (key.name == name
            && cx.existed(old.origin)
            && key.args.len() != args.len()
            && known.len() == key.args.len()
            && key.args[..few] == def.args[..few]
            && rest[few..].iter().all(filled))
        .then_some(few)
    })?;
    Some(
        Draft::new(format!(
            "a call of `{}` with {} fits `{}` too: the running release's calls are refused as not unique",
            def.name,
            match few {
                1 => "one argument".to_owned(),
                n => format!("{n} arguments"),
            },
            def.name
        ))
        .help("drop the old one in the same migration, or give the new one another name"),
    )
}

/// The arguments as written, in lower case.
fn arguments(definition: &str) -> Option<Vec<String>> {
    let inside = definition.trim_start().strip_prefix('(')?;
    let mut depth = 0_i32;
    let end = inside.find(|c: char| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        depth < 0
    })?;
    let inside = inside[..end].trim();
    Some(match inside {
        "" => Vec::new(),
        _ => inside.split(',').map(str::to_lowercase).collect(),
    })
}

/// The routines of this name are known, and none has arguments of these types.
fn is_another(cx: &ChangeContext<'_>, name: &ObjectName, args: &Option<Vec<String>>) -> bool {
    let Some(args) = args.as_ref().filter(|_| cx.history_known && !cx.catalog.uncertain) else {
        return false;
    };
    let name = cx.catalog.normalize(name);
    let mut known = cx.catalog.routines.keys().filter(|k| k.name == name).peekable();
    known.peek().is_some() && known.all(|k| k.args != *args)
}

/// Nobody but triggers can call it.
fn is_trigger_function(cx: &ChangeContext<'_>, name: &ObjectName) -> bool {
    let name = cx.catalog.normalize(name);
    cx.catalog
        .routines
        .iter()
        .filter(|(k, _)| k.name == name)
        .any(|(_, r)| r.def.returns.as_deref().is_some_and(|t| t.eq_ignore_ascii_case("trigger")))
}

#[cfg(test)]
mod tests {
    use crate::examples::cases;

    #[test]
    fn a_trigger_that_passes_over_what_stays_as_it_is() {
        let history = "-- history\nCREATE TABLE t (a int, b int);\nCREATE FUNCTION f() RETURNS trigger \
                       LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;\nCREATE TRIGGER g BEFORE UPDATE ON t \
                       FOR EACH ROW EXECUTE FUNCTION f();\n-- up\nCREATE OR REPLACE TRIGGER g BEFORE UPDATE \
                       ON t FOR EACH ROW WHEN ";
        for (when, expect) in
            [("(OLD.* IS DISTINCT FROM NEW.*)", false), ("(OLD.a IS DISTINCT FROM NEW.a)", true)]
        {
            let up = format!("{history}{when} EXECUTE FUNCTION f();");
            cases(&super::RULE, &[("postgres", &up, expect)]);
        }
    }

    #[test]
    fn calls_that_fit_two_functions() {
        let history = "-- history\nCREATE FUNCTION f(a numeric, b numeric DEFAULT 0.25) RETURNS numeric \
                       LANGUAGE sql AS 'SELECT 1.0';\n-- up\nCREATE OR REPLACE FUNCTION f";
        for (arguments, expect) in [
            ("(a numeric)", true),
            ("(a text)", false),
            ("(a numeric, b numeric DEFAULT 1)", false),
            ("(a numeric, b numeric, c numeric DEFAULT 1)", true),
            ("(a numeric, b numeric, c numeric)", false),
        ] {
            let up = format!("{history}{arguments} RETURNS numeric LANGUAGE sql AS 'SELECT 2.0';");
            cases(&super::RULE, &[("postgres", &up, expect)]);
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
DROP FUNCTION price(bigint);
CREATE FUNCTION price(bigint, text) RETURNS numeric LANGUAGE sql AS 'SELECT 2.0';"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0);
CREATE VIEW open_orders AS SELECT id, note FROM orders;
CREATE FUNCTION price(bigint) RETURNS numeric LANGUAGE sql AS 'SELECT 1.0';
-- up
DROP FUNCTION IF EXISTS nothing(int);"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE orders (id bigint PRIMARY KEY);
CREATE FUNCTION price(bigint) RETURNS numeric LANGUAGE sql AS 'SELECT 1.0';
-- up
DROP FUNCTION IF EXISTS price(text);"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TYPE s AS ENUM ('a');
-- up
DROP TYPE s;"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- up
CREATE TYPE s AS ENUM ('a');
DROP TYPE s;"#,
                    false,
                ),
            ],
        );
    }

    #[test]
    fn triggers_and_functions_made_again() {
        const OLD: &str = "CREATE TABLE t (a int, b int); CREATE FUNCTION f(a bigint) RETURNS int \
             LANGUAGE sql AS 'SELECT 1'; CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN RETURN NEW; END'; CREATE TRIGGER tr BEFORE UPDATE OF a, b ON t FOR EACH ROW \
             EXECUTE FUNCTION g();";
        for (up, expect) in [
            (
                "CREATE FUNCTION f(a bigint, b int DEFAULT 1) RETURNS int LANGUAGE sql AS 'SELECT 2';",
                true,
            ),
            ("CREATE FUNCTION f(a bigint, b int) RETURNS int LANGUAGE sql AS 'SELECT 2';", false),
            (
                "CREATE OR REPLACE TRIGGER tr BEFORE UPDATE OF a ON t FOR EACH ROW EXECUTE FUNCTION g();",
                true,
            ),
            (
                "CREATE OR REPLACE TRIGGER tr BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION g();",
                false,
            ),
            (
                "DROP TRIGGER tr ON t; CREATE TRIGGER tr BEFORE UPDATE ON t FOR EACH ROW WHEN (NEW.a > 1) EXECUTE FUNCTION g();",
                true,
            ),
            ("ALTER TABLE t ENABLE REPLICA TRIGGER tr;", true),
            ("ALTER TABLE t ENABLE ALWAYS TRIGGER tr;", false),
            (
                "CREATE FUNCTION f(a text, b int DEFAULT 1) RETURNS int LANGUAGE sql AS 'SELECT 2';",
                false,
            ),
            (
                "DROP TRIGGER tr ON t; CREATE TRIGGER tr BEFORE UPDATE OF a ON t FOR EACH ROW EXECUTE FUNCTION g();",
                true,
            ),
            (
                "DROP TRIGGER tr ON t; CREATE TRIGGER tr BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION g();",
                false,
            ),
        ] {
            let text = format!("-- history\n{OLD}\n-- up\n{up}");
            cases(&super::RULE, &[("postgres", &text, expect)]);
        }
    }

    #[test]
    fn what_a_trigger_writes() {
        const OLD: &str = "CREATE TABLE t (a int, b int); CREATE TABLE log (a int); CREATE TRIGGER tr \
             BEFORE INSERT ON t FOR EACH ROW BEGIN SET NEW.b = NEW.a; INSERT INTO log VALUES (NEW.a); END;\n\
             CREATE PROCEDURE p(x int) SELECT 1;";
        for (up, expect) in [
            (
                "DROP TRIGGER tr; CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.b = NEW.a;",
                true,
            ),
            (
                "DROP TRIGGER tr; CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW BEGIN SET NEW.b = 2; INSERT INTO log VALUES (1); END;",
                false,
            ),
            (
                "CREATE OR REPLACE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW INSERT INTO log VALUES (NEW.a);",
                true,
            ),
            ("DROP PROCEDURE p; CREATE PROCEDURE p(x int) SELECT 2;", false),
            ("DROP PROCEDURE p; CREATE PROCEDURE p(x int, y int) SELECT 2;", true),
        ] {
            let text = format!("-- history\n{OLD}\n-- up\n{up}");
            cases(&super::RULE, &[("mariadb", &text, expect)]);
        }
    }
}

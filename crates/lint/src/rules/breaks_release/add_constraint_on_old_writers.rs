//! BC09.

use downhaul_catalog::Table;
use downhaul_syntax::change::DomainAction;
use downhaul_syntax::{
    Change, ColumnDef, ConstraintKind, Dialect, Ident, ObjectKind, ObjectName, RoutineDef,
    TriggerDef,
};

use crate::Severity;

use crate::context::ChangeContext;
use crate::effects::{condition, dropped};
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a new CHECK, UNIQUE, FOREIGN KEY or EXCLUDE constraint, a unique index or a check of a
    /// domain on columns that the running release writes, a new trigger that refuses rows, and a rule
    /// that does something else instead of a write.
    ///
    /// With any rule ON INSERT or ON UPDATE PostgreSQL takes no `ON CONFLICT` any more.
    ///
    /// A trigger refuses rows where its text or its function raises an error (`RAISE EXCEPTION`,
    /// `RAISE(ABORT)`, `SIGNAL`) or uses a column or table that is not there. A key that contains
    /// one that is unique already refuses nothing new. Nor does a check that the types of its columns,
    /// their `NOT NULL` or another check imply, or a constraint that takes the place of
    /// one which this migration drops and which was as strict: a reference with another `ON DELETE`,
    /// a list with more values, a key of more columns.
    ///
    /// ## Why is this bad
    ///
    /// A constraint binds new writes at once, also `NOT VALID`: what the running release still
    /// writes may be refused.
    ///
    /// ## What to do
    ///
    /// Make sure that the running release already keeps the rule. Where it does not, release that
    /// first.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0, state varchar(20));
    /// -- up
    /// ALTER TABLE orders ADD CONSTRAINT total_positive CHECK (total > 0);
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0, state varchar(20));
    /// -- up
    /// ALTER TABLE orders ADD COLUMN weight int;
    /// ALTER TABLE orders ADD CONSTRAINT w CHECK (weight > 0) NOT VALID;
    /// ```
    "BC09" "add-constraint-on-old-writers"
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
    if let Change::AlterDomain { name, action: DomainAction::AddConstraint(_) } = cx.change {
        let users = cx.tables_of_type(name);
        let user = users.iter().find(|t| cx.in_use(t))?;
        return Some(
            Draft::new(format!(
                "from now on values that fail the check of `{name}` are refused in `{user}`, also \
                 those that the running release writes"
            ))
            .help("make sure that the running release already keeps this rule"),
        );
    }
    if let Change::AddColumn { table, column, .. } = cx.change {
        return orphaned(cx, table, column);
    }
    if let Change::CreateOther { kind: ObjectKind::Rule, table: Some(table), text, .. } = cx.change
    {
        let lower = text.to_lowercase();
        let mut words = lower.split_whitespace().peekable();
        let mut instead = false;
        while let Some(word) = words.next() {
            instead |= word == "do" && words.peek() == Some(&"instead");
        }
        let mut events = lower.split_whitespace().skip_while(|w| *w != "on").skip(1);
        let upserts = events.next().is_some_and(|e| matches!(e, "insert" | "update"));
        if upserts && !instead && cx.in_use(table) {
            return Some(
                Draft::new(format!(
                    "from now on `INSERT … ON CONFLICT` into `{table}` is refused: PostgreSQL takes \
                     none on a table with a rule ON INSERT or ON UPDATE"
                ))
                .help("write a trigger instead"),
            );
        }
        return (instead && cx.in_use(table)).then(|| {
            Draft::new(format!(
                "writes of the running release to `{table}` do something else from now on, or \
                 nothing, and nobody is told"
            ))
            .help("release code that writes elsewhere first")
        });
    }
    if let Change::CreateTrigger { def, .. } = cx.change {
        return refusing_trigger(cx, def);
    }
    if let Change::CreateRoutine { def, or_replace: true, .. } = cx.change {
        return refusing_function(cx, def);
    }
    let (table, columns, what, careful) = match cx.change {
        Change::AddConstraint { table, constraint, if_not_exists: true }
            if constraint
                .name
                .as_ref()
                .is_some_and(|n| cx.table(table).is_some_and(|t| t.constraint(n).is_some())) =>
        {
            return None;
        }
        Change::AddConstraint { table, constraint, .. } if !constraint.not_enforced => {
            let (columns, what): (Vec<_>, _) = match &constraint.kind {
                ConstraintKind::Check { expr, .. } => {
                    (expr.columns.clone(), "rows that fail the check")
                }
                ConstraintKind::ForeignKey { columns, .. } => {
                    (columns.clone(), "rows whose referenced row is missing")
                }
                ConstraintKind::Unique { columns, using_index: None, .. }
                | ConstraintKind::PrimaryKey { columns, using_index: None } => {
                    (columns.clone(), "duplicates")
                }
                ConstraintKind::Exclude { columns, .. } => (columns.clone(), "rows that conflict"),
                _ => return None,
            };
            (table, columns, what, constraint.not_valid)
        }
        Change::CreateIndex { index, .. } if index.unique => {
            let columns = index.parts.iter().filter_map(|p| p.column.clone()).collect();
            (&index.table, columns, "duplicates", true)
        }
        _ => return None,
    };
    let written = columns.is_empty() || columns.iter().any(|c| cx.column_in_use(table, c));
    if !cx.in_use(table) || !written || keys_already(cx, table, &columns) {
        return None;
    }
    if let Change::AddConstraint { constraint, .. } = cx.change {
        let name = cx.catalog.normalize(table);
        let before = dropped::was_stricter(cx.scene.dropped, &name, constraint, cx.dialect());
        let checks = dropped::checks(cx.scene.dropped, &name);
        let holds = |t: &Table| match &constraint.kind {
            ConstraintKind::Check { expr, .. } => {
                condition::holds_already(&expr.text, t, &checks, cx.catalog)
            }
            _ => dropped::is_in_force(t, constraint),
        };
        if before || cx.table(table).is_some_and(holds) {
            return None;
        }
    }
    let draft = Draft::new(format!(
        "from now on {what} are refused in `{table}`, also those that the running release writes"
    ))
    .help("make sure that the running release already keeps this rule");
    // Not valid for old rows, it binds new ones all the same (measured).
    Some(if careful { draft.severity(Severity::Warning) } else { draft })
}

/// SQLite takes a reference to a table that is not there, and then refuses every write.
fn orphaned(cx: &ChangeContext<'_>, table: &ObjectName, column: &ColumnDef) -> Option<Draft> {
    let to = column.constraints.iter().find_map(|c| match &c.kind {
        ConstraintKind::ForeignKey { table: to, .. } => Some(to),
        _ => None,
    })?;
    let made = cx
        .later()
        .any(|i| matches!(i.change, Change::CreateTable { def, .. } if def.name.name == to.name));
    let refused = cx.dialect() == Dialect::Sqlite
        && cx.in_use(table)
        && to.name != table.name
        && cx.surely_absent_table(to)
        && !made;
    refused.then(|| {
        Draft::new(format!(
            "`{table}` references `{to}`, which is not there: inserts are refused from now on"
        ))
        .help("create the referenced table first")
    })
}

/// Some of these columns are unique already, so that all of them can refuse nothing new.
fn keys_already(cx: &ChangeContext<'_>, table: &ObjectName, columns: &[Ident]) -> bool {
    let unique = match cx.change {
        Change::CreateIndex { .. } => true,
        Change::AddConstraint { constraint, .. } => matches!(
            constraint.kind,
            ConstraintKind::Unique { .. } | ConstraintKind::PrimaryKey { .. }
        ),
        _ => false,
    };
    let within = |key: &[Ident]| !key.is_empty() && key.iter().all(|c| columns.contains(c));
    let Some(known) = cx.table(table).filter(|_| unique) else { return false };
    let name = cx.catalog.normalize(table);
    dropped::keys(cx.scene.dropped, &name).any(within)
        || known.constraints.iter().any(|c| match &c.kind {
            ConstraintKind::PrimaryKey { columns, .. } | ConstraintKind::Unique { columns, .. } => {
                within(columns)
            }
            _ => false,
        })
        || known.indexes.iter().any(|i| {
            let key: Vec<Ident> = i.parts.iter().filter_map(|p| p.column.clone()).collect();
            i.unique && i.predicate.is_none() && key.len() == i.parts.len() && within(&key)
        })
}

/// A trigger whose text, or the text of its function, raises an error.
fn refusing_trigger(cx: &ChangeContext<'_>, def: &TriggerDef) -> Option<Draft> {
    if !cx.in_use(&def.table) {
        return None;
    }
    let body = match &def.function {
        Some(function) => cx.routine_body(function)?,
        None => def.text.as_str(),
    };
    if let Some(missing) = missing_field(cx, def, body) {
        return Some(
            Draft::new(format!(
                "trigger `{}` uses {missing}, which is not there: every write that fires it fails",
                def.name
            ))
            .help("correct the trigger, or add what it needs first"),
        );
    }
    refuses(body).then(|| {
        Draft::new(format!(
            "from now on trigger `{}` refuses rows of `{}`, also those that the running release writes",
            def.name, def.table
        ))
        .help("make sure that the running release already keeps this rule")
    })
}

/// The function of a trigger that is in use raises an error now and did not before.
fn refusing_function(cx: &ChangeContext<'_>, def: &RoutineDef) -> Option<Draft> {
    let name = cx.catalog.normalize(&def.name);
    let old = cx.routine_body(&def.name)?;
    let new = def.body.as_deref()?;
    if refuses(old) || !refuses(new) {
        return None;
    }
    let table = cx.catalog.tables.values().find(|t| {
        let calls = |f: &ObjectName| cx.catalog.normalize(f) == name;
        cx.in_use(&t.name) && t.triggers.iter().any(|g| g.function.as_ref().is_some_and(calls))
    })?;
    Some(
        Draft::new(format!(
            "from now on `{}`, which a trigger of `{}` calls, refuses rows, also those that the \
             running release writes",
            def.name, table.name
        ))
        .help("make sure that the running release already keeps this rule"),
    )
}

/// `NEW.x` or `OLD.x` of a function that the table has no column for, or a table that a trigger of
/// SQLite writes and nobody made.
fn missing_field(cx: &ChangeContext<'_>, def: &TriggerDef, body: &str) -> Option<String> {
    let lower = body.to_lowercase();
    let words: Vec<&str> =
        lower.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '.').collect();
    if cx.dialect() == Dialect::Sqlite {
        let words: Vec<&str> = words.iter().copied().filter(|w| !w.is_empty()).collect();
        return words.windows(2).find_map(|w| {
            let named = matches!(w[0], "into" | "update" | "from");
            let table = ObjectName::bare(Ident::new(Dialect::Sqlite, w[1], false));
            let plain = !matches!(w[1], "or" | "of" | "set" | "select");
            (named && plain && !lower.contains("with ") && cx.surely_absent_table(&table))
                .then(|| format!("table `{}`", w[1]))
        });
    }
    let known = cx.table(&def.table).filter(|t| !t.columns_unknown && !t.assumed)?;
    if def.function.is_none() || body.contains('"') {
        return None;
    }
    words.iter().find_map(|w| {
        let field = w.strip_prefix("new.").or_else(|| w.strip_prefix("old."))?;
        let plain = !field.is_empty() && !field.contains('.');
        let column = Ident::new(Dialect::Postgres, field, false);
        (plain && known.column(&column).is_none()).then(|| format!("`{w}`"))
    })
}

/// It raises an error: PL/pgSQL, SQLite, MySQL.
fn refuses(body: &str) -> bool {
    let lower = body.to_lowercase();
    let words: Vec<&str> =
        lower.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty()).collect();
    words.windows(2).any(|w| match *w {
        ["raise", kind] => matches!(kind, "exception" | "abort" | "fail" | "rollback" | "ignore"),
        ["signal", kind] => kind == "sqlstate",
        _ => false,
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
                    r#"-- up
CREATE TABLE t (a int);
ALTER TABLE t ADD CHECK (a > 0);"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE t (a text CONSTRAINT k CHECK (a IN ('x', 'y')));
-- up
ALTER TABLE t DROP CONSTRAINT k, ADD CONSTRAINT k CHECK (a IN ('x', 'y', 'z')) NOT VALID;"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE t (a text CONSTRAINT k CHECK (a IN ('x', 'y')));
-- up
ALTER TABLE t DROP CONSTRAINT k, ADD CONSTRAINT k CHECK (a IN ('x')) NOT VALID;"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE p (id int PRIMARY KEY);
CREATE TABLE t (a int CONSTRAINT k REFERENCES p);
-- up
ALTER TABLE t DROP CONSTRAINT k;
ALTER TABLE t ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES p (id) ON DELETE CASCADE NOT VALID;"#,
                    false,
                ),
                (
                    "mariadb",
                    r#"-- history
CREATE TABLE t (a int, b int, UNIQUE k (a));
-- up
ALTER TABLE t DROP INDEX k, ADD UNIQUE k (a, b);"#,
                    false,
                ),
                (
                    "mariadb",
                    r#"-- history
CREATE TABLE t (a int, b int, UNIQUE k (a, b));
-- up
ALTER TABLE t DROP INDEX k, ADD UNIQUE k (a);"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE t (a int);
-- up
CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION stop();"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE t (a int);
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'x'; RETURN NEW; END $$;
-- up
CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION touch();"#,
                    false,
                ),
                (
                    "sqlite",
                    r#"-- history
CREATE TABLE t (a int);
-- up
CREATE TRIGGER g BEFORE INSERT ON t BEGIN SELECT RAISE(ABORT, 'no'); END;"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0, state varchar(20));
-- up
ALTER TABLE orders ADD COLUMN c bigint;
ALTER TABLE orders ADD FOREIGN KEY (c) REFERENCES orders (id);"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0, state varchar(20));
-- up
ALTER TABLE orders ADD UNIQUE (note);"#,
                    true,
                ),
            ],
        );
    }
}

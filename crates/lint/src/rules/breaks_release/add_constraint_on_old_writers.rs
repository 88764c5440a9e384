//! BC09.

use downhaul_catalog::Table;
use downhaul_syntax::change::DomainAction;
use downhaul_syntax::{
    Change, ColumnDef, ConstraintKind, Dialect, Ident, IndexPart, ObjectKind, ObjectName, Query,
    ReferentialAction, RoutineDef, TriggerDef,
};

use crate::context::ChangeContext;
use crate::effects::computed::{self, Demand};
use crate::effects::unique::Key;
use crate::effects::{condition, dropped, published, rebuilt};
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a new CHECK, UNIQUE, FOREIGN KEY or EXCLUDE constraint, a unique index or a check of a
    /// domain on columns that the running release writes.
    ///
    /// So it does for a new trigger that refuses rows, an expression that fails for some values, a
    /// table of SQLite that is made anew with such a rule, and a rule that does something else instead
    /// of a write.
    ///
    /// And rows that are copied into a new table which references the old one without `ON DELETE`: the
    /// running release can no longer delete what they refer to.
    ///
    /// With any rule ON INSERT or ON UPDATE PostgreSQL takes no `ON CONFLICT` any more. Once a table without
    /// a primary key is published there, its updates and deletes are refused.
    ///
    /// A trigger refuses rows where its text or its function raises an error (`RAISE EXCEPTION`,
    /// `RAISE(ABORT)`, `SIGNAL`) or uses a column or table that is not there. A generated column or an
    /// index that reads text as JSON refuses all other text (SQLite, PostgreSQL). A key that contains
    /// one that is unique already refuses nothing new, nor does one over a new column that is NULL in
    /// the rows of the running release. Nor does a check that the types of its columns,
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
    if let Change::CreateTable { def, .. } = cx.change {
        let inline = def.columns.iter().flat_map(|c| &c.constraints);
        if let Some(draft) = inline.chain(&def.constraints).find_map(|c| mismatched(cx, &c.kind)) {
            return Some(draft);
        }
    }
    if let Some(remade) = cx.remade_in_sqlite() {
        return rebuilt::refuses(remade.old, remade.new, cx.catalog)
            .map(|what| refused(&what, remade.name));
    }
    if let Change::CreateTable { .. } = cx.change {
        return None;
    }
    if let Change::AddColumn { table, column, .. } = cx.change {
        let demand = cx.table(table).and_then(|t| computed::of_column(column, t, cx.dialect()));
        return demanded(cx, table, demand)
            .or_else(|| orphaned(cx, table, column))
            .or_else(|| column.constraints.iter().find_map(|c| mismatched(cx, &c.kind)));
    }
    if let Change::CreateIndex { index, .. } = cx.change
        && let Some(known) = cx.table(&index.table)
        && let Some(draft) =
            demanded(cx, &index.table, computed::of_index(index, known, cx.dialect()))
    {
        return Some(draft);
    }
    if let Change::Insert { table, from_query: Some(query), .. } = cx.change {
        return held(cx, table, query);
    }
    if let Change::CreateOther { kind: ObjectKind::Publication, .. }
    | Change::AlterOther { kind: ObjectKind::Publication, .. } = cx.change
    {
        let statement = &cx.statement.statement.text;
        let tables = published::refusing(statement, &cx.scene.state);
        let names: Vec<String> = tables.iter().map(|t| format!("`{}`", t.name)).collect();
        return (!names.is_empty()).then(|| {
            Draft::new(format!(
                "from now on updates and deletes of {} are refused: it is published, and has no \
                 primary key to tell its rows apart",
                names.join(", ")
            ))
            .help("give it a primary key or `REPLICA IDENTITY` before, or publish inserts only")
        });
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
    if let Some(key) = Key::added(cx.change, &cx.scene.state) {
        return duplicates(cx, &key);
    }
    let Change::AddConstraint { table, constraint, if_not_exists } = cx.change else {
        return None;
    };
    let there = |name: &Ident| cx.table(table).is_some_and(|t| t.constraint(name).is_some());
    if constraint.not_enforced || *if_not_exists && constraint.name.as_ref().is_some_and(there) {
        return None;
    }
    let (columns, what) = match &constraint.kind {
        ConstraintKind::Check { expr, .. } => (&expr.columns, "rows that fail the check"),
        ConstraintKind::ForeignKey { columns, .. } => {
            (columns, "rows whose referenced row is missing")
        }
        ConstraintKind::Exclude { columns, .. } => (columns, "rows that conflict"),
        _ => return None,
    };
    let written = columns.is_empty() || columns.iter().any(|c| cx.column_in_use(table, c));
    if !cx.in_use(table) || !written {
        return None;
    }
    let name = cx.catalog.normalize(table);
    let before = dropped::was_stricter(cx.scene.dropped, &name, constraint, cx.dialect());
    let checks = dropped::checks(cx.scene.dropped, &name);
    let holds = |t: &Table| match &constraint.kind {
        ConstraintKind::Check { expr, .. } => {
            condition::holds_already(&expr.text, t, &checks, cx.catalog)
        }
        _ => dropped::is_in_force(t, constraint),
    };
    // Not valid for old rows, it binds new ones all the same (measured).
    (!before && !cx.table(table).is_some_and(holds)).then(|| refused(what, table))
}

fn refused(what: &str, table: &ObjectName) -> Draft {
    Draft::new(format!(
        "from now on {what} are refused in `{table}`, also those that the running release writes"
    ))
    .help("make sure that the running release already keeps this rule")
}

/// A new key that refuses more than those which are, or were, in force.
fn duplicates(cx: &ChangeContext<'_>, key: &Key) -> Option<Draft> {
    let (table, if_not_exists, name) = match cx.change {
        Change::AddConstraint { table, constraint, if_not_exists } => {
            (table, *if_not_exists, constraint.name.as_ref())
        }
        Change::CreateIndex { index, if_not_exists, .. } => {
            (&index.table, *if_not_exists, index.name.as_ref().map(|n| &n.name))
        }
        _ => return None,
    };
    let known = cx.table(table);
    let there =
        |t: &Table, name: &Ident| t.constraint(name).is_some() || t.indexes.named(name).is_some();
    let exists = known.is_some_and(|t| name.is_some_and(|name| there(t, name)));
    if !cx.in_use(table) || if_not_exists && exists {
        return None;
    }
    let mut reads = key.reads().peekable();
    let old = reads.peek().is_none() || reads.any(|c| cx.column_in_use(table, c));
    if let Some(known) = known {
        let dialect = cx.dialect();
        let constraints = &known.constraints;
        let in_force = constraints.iter().filter_map(|c| Key::of_constraint(&c.kind, Some(known)));
        let indexes = known.indexes.iter().filter_map(|i| Key::of_index(i, known, dialect));
        let name = cx.catalog.normalize(table);
        let mut before = dropped::keys(cx.scene.dropped, &name);
        if key.refuses_nothing(known, &cx.scene.state)
            || in_force.chain(indexes).any(|other| other.implies(key))
            || before.any(|other| other.implies(key))
        {
            return None;
        }
    }
    let constant = known.is_some_and(|t| {
        key.reads().filter_map(|c| t.column(c)).any(|c| c.default.is_some() || c.not_null)
    });
    (old || constant).then(|| refused("duplicates", table))
}

/// An expression that is computed with every write fails for some values.
fn demanded(
    cx: &ChangeContext<'_>,
    table: &ObjectName,
    demand: Option<Demand<'_>>,
) -> Option<Draft> {
    let Demand { column, refused } = demand?;
    cx.column_in_use(table, &column.name).then(|| {
        Draft::new(format!(
            "from now on {refused} is refused in `{table}.{}`, for the expression fails on it",
            column.name
        ))
        .help("make sure that the running release writes none, or let the expression stand it")
    })
}

/// SQLite takes a reference to columns that are no key, and then refuses every write that has to look
/// for a row there, or for those that refer to it ("foreign key mismatch").
fn mismatched(cx: &ChangeContext<'_>, kind: &ConstraintKind) -> Option<Draft> {
    let ConstraintKind::ForeignKey { table: to, referred, .. } = kind else { return None };
    let known = cx.table(to).filter(|t| !t.assumed && !t.columns_unknown)?;
    if cx.dialect() != Dialect::Sqlite || !cx.in_use(to) || referred.is_empty() {
        return None;
    }
    let same = |columns: &[Ident]| {
        columns.len() == referred.len() && columns.iter().all(|c| referred.contains(c))
    };
    let in_constraint = known.constraints.iter().any(|c| match &c.kind {
        ConstraintKind::PrimaryKey { columns, .. } | ConstraintKind::Unique { columns, .. } => {
            same(columns)
        }
        _ => false,
    });
    let whole = |parts: &[IndexPart]| {
        let columns: Vec<Ident> = parts.iter().filter_map(|p| p.column.clone()).collect();
        columns.len() == parts.len() && same(&columns)
    };
    let in_index =
        known.indexes.iter().any(|i| i.unique && i.predicate.is_none() && whole(&i.parts));
    let later = cx.later().any(|i| {
        matches!(i.change, Change::CreateIndex { index, .. }
            if index.unique && index.table.name == to.name && whole(&index.parts))
    });
    (!in_constraint && !in_index && !later).then(|| {
        let columns: Vec<&str> = referred.iter().map(Ident::as_str).collect();
        Draft::new(format!(
            "`{}` of `{to}` is no key: rows of `{to}` can no longer be deleted, nor be given another value \
             there (foreign key mismatch)",
            columns.join(", ")
        ))
        .help("reference the primary key, or make a unique index on these columns first")
    })
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

/// Rows of a table that the release does not know refer to rows that it deletes. What is checked only at
/// the end of a transaction is left out.
fn held(cx: &ChangeContext<'_>, table: &ObjectName, query: &Query) -> Option<Draft> {
    let known = cx.table(table).filter(|t| !t.temporary && !cx.existed(t.origin))?;
    if cx.in_rebuild() {
        return None;
    }
    let holds = |kind: &ConstraintKind| match kind {
        ConstraintKind::ForeignKey { table: to, on_delete, .. } => {
            let to = cx.catalog.normalize(to);
            let read = query.tables.iter().any(|t| cx.catalog.normalize(t) == to);
            let stays =
                matches!(on_delete, ReferentialAction::NoAction | ReferentialAction::Restrict);
            (read && stays && to != known.name && cx.in_use(&to)).then_some(to)
        }
        _ => None,
    };
    let there =
        known.constraints.iter().filter(|c| !c.initially_deferred).find_map(|c| holds(&c.kind));
    let to = there.or_else(|| {
        cx.later().find_map(|i| match i.change {
            Change::AddConstraint { table: t, constraint, .. }
                if t.name == table.name && !constraint.initially_deferred =>
            {
                holds(&constraint.kind)
            }
            _ => None,
        })
    })?;
    Some(
        Draft::new(format!(
            "rows of `{to}` to which the new rows of `{table}` refer can no longer be deleted by the \
             running release, which does not know `{table}`"
        ))
        .help("reference it ON DELETE CASCADE or SET NULL, or add the reference with the next release"),
    )
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
    if swallows_deletes(cx, def, body) {
        return Some(
            Draft::new(format!(
                "from now on nothing is deleted from `{}`, and nobody is told: the function of trigger \
                 `{}` returns NEW, which a DELETE has not",
                def.table, def.name
            ))
            .help("let it return OLD for a DELETE"),
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

/// A function of PostgreSQL that returns NULL to a `BEFORE DELETE … FOR EACH ROW`.
fn swallows_deletes(cx: &ChangeContext<'_>, def: &TriggerDef, body: &str) -> bool {
    let event = def.event.to_lowercase();
    let lower = body.to_lowercase();
    let words: Vec<&str> =
        lower.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty()).collect();
    let mut returned = words.windows(2).filter(|w| w[0] == "return").map(|w| w[1]).peekable();
    cx.dialect() == Dialect::Postgres
        && event.starts_with("before")
        && event.contains("delete")
        && def.text.to_lowercase().contains("each row")
        && returned.peek().is_some()
        && returned.all(|value| matches!(value, "new" | "null"))
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
    fn rows_that_hold_others_fast() {
        for (made, more, expect) in [
            ("p int REFERENCES p (id)", "", true),
            ("p int REFERENCES p (id) ON DELETE CASCADE", "", false),
            ("p int REFERENCES p (id) DEFERRABLE INITIALLY DEFERRED", "", false),
            ("p int", "ALTER TABLE n ADD CONSTRAINT n_p FOREIGN KEY (p) REFERENCES p (id);", true),
            ("p int", "ALTER TABLE n ADD CONSTRAINT n_p FOREIGN KEY (p) REFERENCES o (id);", false),
        ] {
            let text = format!(
                "-- history\nCREATE TABLE p (id int PRIMARY KEY);\nCREATE TABLE o (id int PRIMARY KEY);\n-- \
                 up\nCREATE TABLE n ({made});\nINSERT INTO n SELECT id FROM p WHERE id > 3;\n{more}"
            );
            cases(&super::RULE, &[("postgres", &text, expect)]);
        }
    }

    #[test]
    fn a_published_table_without_a_key() {
        for (before, up, expect) in [
            ("", "CREATE PUBLICATION p FOR TABLE bare;", true),
            ("", "CREATE PUBLICATION p FOR TABLE keyed;", false),
            ("", "CREATE PUBLICATION p FOR ALL TABLES;", true),
            ("", "CREATE PUBLICATION p FOR TABLE bare WITH (publish = 'insert');", false),
            ("CREATE PUBLICATION p;", "ALTER PUBLICATION p ADD TABLE public.bare;", true),
            ("CREATE PUBLICATION p FOR TABLE bare;", "ALTER PUBLICATION p DROP TABLE bare;", false),
            (
                "ALTER TABLE bare REPLICA IDENTITY FULL;",
                "CREATE PUBLICATION p FOR TABLE bare;",
                false,
            ),
        ] {
            let text = format!(
                "-- history\nCREATE TABLE bare (a int NOT NULL UNIQUE);\nCREATE TABLE keyed (a int PRIMARY \
                 KEY);\n{before}\n-- up\n{up}"
            );
            cases(&super::RULE, &[("postgres", &text, expect)]);
        }
    }

    #[test]
    fn references_to_what_is_no_key() {
        let history = "-- history\nCREATE TABLE n (id INTEGER PRIMARY KEY, a TEXT, b TEXT, c TEXT UNIQUE);\n\
                       CREATE UNIQUE INDEX n_ab ON n (a, b);\n-- up\n";
        for (up, expect) in [
            ("CREATE TABLE x (y TEXT REFERENCES n (a));", true),
            ("CREATE TABLE x (y TEXT REFERENCES n (c));", false),
            ("CREATE TABLE x (y TEXT REFERENCES n);", false),
            ("CREATE TABLE x (y TEXT, z TEXT, FOREIGN KEY (y, z) REFERENCES n (b, a));", false),
            (
                "CREATE TABLE o (i INTEGER PRIMARY KEY);\nALTER TABLE o ADD COLUMN y TEXT REFERENCES n (a);",
                true,
            ),
            (
                "CREATE TABLE o (i INTEGER PRIMARY KEY);\nALTER TABLE o ADD COLUMN y INT REFERENCES n (id);",
                false,
            ),
        ] {
            cases(&super::RULE, &[("sqlite", &format!("{history}{up}"), expect)]);
        }
    }

    #[test]
    fn a_constraint_that_is_there_and_passed_over() {
        let history = "-- history\nCREATE TABLE p (id int PRIMARY KEY);\nCREATE TABLE c (p int, \
                       CONSTRAINT c_p FOREIGN KEY (p) REFERENCES p (id), q int);\n-- up\nDO $$ BEGIN \
                       ALTER TABLE c ADD CONSTRAINT ";
        for (rest, expect) in [
            (
                "c_p FOREIGN KEY (p) REFERENCES p (id); EXCEPTION WHEN duplicate_object THEN null; END $$;",
                false,
            ),
            (
                "c_q FOREIGN KEY (q) REFERENCES p (id); EXCEPTION WHEN duplicate_object THEN null; END $$;",
                true,
            ),
        ] {
            cases(&super::RULE, &[("postgres", &format!("{history}{rest}"), expect)]);
        }
    }

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
                    "sqlite",
                    r#"-- history
CREATE TABLE t (a int);
-- up
ALTER TABLE t ADD COLUMN code TEXT NOT NULL DEFAULT '';
CREATE UNIQUE INDEX codes ON t (code) WHERE code <> '';"#,
                    false,
                ),
                (
                    "sqlite",
                    r#"-- history
CREATE TABLE t (a int);
-- up
ALTER TABLE t ADD COLUMN code TEXT NOT NULL DEFAULT '';
CREATE UNIQUE INDEX codes ON t (code) WHERE code <> 'none';"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE t (a int);
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
-- up
CREATE TRIGGER tr BEFORE DELETE ON t FOR EACH ROW EXECUTE FUNCTION f();"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE t (a int);
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END';
-- up
CREATE TRIGGER tr BEFORE DELETE ON t FOR EACH ROW EXECUTE FUNCTION f();"#,
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

    #[test]
    fn keys_that_refuse_nothing_new() {
        const TABLE: &str = "CREATE TABLE t (id bigint PRIMARY KEY, a text, b text, gone int, \
             code text NOT NULL); CREATE UNIQUE INDEX t_a ON t (a) WHERE gone IS NULL; \
             CREATE UNIQUE INDEX t_lower ON t (lower(b));";
        for (dialect, up, expect) in [
            ("postgres", "CREATE UNIQUE INDEX u ON t (id, a);", false),
            ("postgres", "CREATE UNIQUE INDEX u ON t (b) WHERE b IS NULL;", false),
            (
                "postgres",
                "CREATE UNIQUE INDEX u ON t (b) NULLS NOT DISTINCT WHERE b IS NULL;",
                true,
            ),
            ("postgres", "CREATE UNIQUE INDEX u ON t (b) WHERE code IS NULL;", false),
            ("postgres", "CREATE UNIQUE INDEX u ON t (b) WHERE gone IS NULL;", true),
            ("postgres", "CREATE UNIQUE INDEX u ON t (a, b) WHERE gone IS NULL;", false),
            ("postgres", "CREATE UNIQUE INDEX u ON t (a) WHERE gone IS NULL AND b = 'x';", false),
            ("postgres", "CREATE UNIQUE INDEX u ON t (a) WHERE gone IS NULL OR b = 'x';", true),
            ("postgres", "CREATE UNIQUE INDEX u ON t (a);", true),
            ("postgres", "CREATE UNIQUE INDEX u ON t (lower((b)::text), code);", false),
            ("postgres", "CREATE UNIQUE INDEX u ON t (upper(b));", true),
            (
                "postgres",
                "DROP INDEX t_a; CREATE UNIQUE INDEX u ON t (a) WHERE gone IS NULL;",
                false,
            ),
            ("postgres", "DROP INDEX t_a; CREATE UNIQUE INDEX u ON t (a);", true),
            (
                "postgres",
                "ALTER TABLE t ADD COLUMN n int; CREATE UNIQUE INDEX u ON t (b, n);",
                false,
            ),
            (
                "postgres",
                "ALTER TABLE t ADD COLUMN n int DEFAULT 1; ALTER TABLE t ADD UNIQUE (n);",
                true,
            ),
            (
                "postgres",
                "ALTER TABLE t ADD n uuid DEFAULT gen_random_uuid(); ALTER TABLE t ADD UNIQUE (n);",
                false,
            ),
            ("sqlite", "CREATE UNIQUE INDEX u ON t (lower(b), code);", false),
            ("sqlite", "CREATE UNIQUE INDEX u ON t (b COLLATE NOCASE);", true),
        ] {
            let text = format!("-- history\n{TABLE}\n-- up\n{up}");
            cases(&super::RULE, &[(dialect, &text, expect)]);
        }
    }

    #[test]
    fn expressions_and_tables_made_anew() {
        const TABLE: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, j TEXT, \
             k TEXT CHECK (json_valid(k)), n TEXT NOT NULL UNIQUE CHECK (n <> ''));";
        let anew = |columns: &str| {
            format!(
                "CREATE TABLE x ({columns}); INSERT INTO x SELECT id, a, n FROM t; DROP TABLE t; \
                 ALTER TABLE x RENAME TO t;"
            )
        };
        for (up, expect) in [
            ("ALTER TABLE t ADD COLUMN v TEXT AS (json_extract(j, '$.v'));".to_owned(), true),
            ("ALTER TABLE t ADD COLUMN v TEXT AS (k ->> '$.v');".to_owned(), false),
            (
                "ALTER TABLE t ADD v TEXT AS (iif(json_valid(j), j ->> '$.v', ''));".to_owned(),
                false,
            ),
            ("ALTER TABLE t ADD COLUMN v TEXT AS (a || n) NOT NULL;".to_owned(), true),
            ("ALTER TABLE t ADD COLUMN v TEXT AS (coalesce(a, n)) NOT NULL;".to_owned(), false),
            ("CREATE INDEX i ON t (j ->> '$.v');".to_owned(), true),
            ("CREATE INDEX i ON t (lower(j));".to_owned(), false),
            (anew("id INTEGER PRIMARY KEY, a TEXT, n TEXT NOT NULL UNIQUE"), false),
            (anew("id INTEGER PRIMARY KEY, a TEXT NOT NULL, n TEXT NOT NULL UNIQUE"), true),
            (anew("id INTEGER PRIMARY KEY, a TEXT UNIQUE, n TEXT NOT NULL UNIQUE"), true),
            (anew("id INTEGER PRIMARY KEY, a TEXT, n TEXT NOT NULL UNIQUE CHECK (n <> '')"), false),
            (anew("id INTEGER PRIMARY KEY, a TEXT CHECK (a > ''), n TEXT UNIQUE"), true),
        ] {
            let text = format!("-- history\n{TABLE}\n-- up\n{up}");
            cases(&super::RULE, &[("sqlite", &text, expect)]);
        }
    }
}

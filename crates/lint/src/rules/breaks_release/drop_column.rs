//! BC01.

use downhaul_syntax::{Change, Dialect, Ident, ObjectName, TriggerDef};

use crate::Severity;
use crate::context::ChangeContext;
use crate::effects::rebuilt::{Fate, Remade};
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports `DROP COLUMN` of a column that existed before this deployment, and a table that is made
    /// anew by hand (as SQLite needs it) without the column. On SQLite, MariaDB and MySQL also, in any phase, a trigger
    /// that goes on naming the column: the server lets it go, and each write that fires the trigger fails from then on.
    ///
    /// ## Why is this bad
    ///
    /// The release that is still running names the column in its statements: each of them fails
    /// from the moment the column is gone until the new release has replaced the old one
    /// everywhere. Many object mappers also read the list of columns once, at the start.
    ///
    /// ## What to do
    ///
    /// First release code that neither reads nor writes the column (if it is `NOT NULL` without a
    /// default, let it have a default before that). Drop it in a later migration, in the contract
    /// phase.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text);
    /// -- up
    /// ALTER TABLE orders DROP COLUMN note;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text);
    /// -- up
    /// -- downhaul:phase contract
    /// ALTER TABLE orders DROP COLUMN note;
    /// ```
    "BC01" "drop-column"
    severity: Error,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    if let Some(remade) = cx.scene.remade {
        return made_anew_without(cx, &remade);
    }
    let Change::DropColumn { table, column, .. } = cx.change else { return None };
    if let Some(draft) = left_in_trigger(cx, table, column) {
        return Some(draft);
    }
    if cx.is_contract() || !cx.column_in_use(table, column) {
        return None;
    }
    let (readers, severity) = cx.release_use(column, cx.queries.of_column(table, column));
    Some(
        Draft::new(format!(
            "the running release may still use `{table}.{column}`: its statements fail once the \
             column is gone{readers}"
        ))
        .severity(severity)
        .help(
            "release code that no longer names the column, then drop it in a later migration \
             marked `-- downhaul:phase contract`",
        ),
    )
}

/// A trigger goes on naming a column that is not there any more (measured: SQLite 3.51, MariaDB 10.11; PostgreSQL
/// refuses the statement). Not where the migration takes that trigger away or makes it anew.
pub(super) fn left_in_trigger(
    cx: &ChangeContext<'_>,
    table: &ObjectName,
    column: &Ident,
) -> Option<Draft> {
    let catalog = &cx.scene.state.catalog;
    if catalog.dialect == Dialect::Postgres {
        return None;
    }
    let goes = |trigger: &TriggerDef| {
        cx.later().any(|item| match item.change {
            Change::DropTrigger { name, .. } => *name == trigger.name,
            Change::CreateTrigger { def, .. } => def.name == trigger.name,
            Change::DropTable { name, .. } => catalog.normalize(name) == trigger.table,
            _ => false,
        })
    };
    let naming = catalog.triggers_naming(table, column);
    let found = naming.iter().find(|found| found.certain && !goes(found.trigger))?.trigger;
    Some(
        Draft::new(format!(
            "the trigger `{}` on `{}` goes on naming `{table}.{column}`: each write that fires it fails from here on",
            found.name, found.table
        ))
        .help("DROP TRIGGER before it, in the same migration, and CREATE it anew behind it without the column"),
    )
}

/// A table that is made anew by hand lacks columns of the old one.
fn made_anew_without(cx: &ChangeContext<'_>, remade: &Remade<'_>) -> Option<Draft> {
    if cx.is_contract() {
        return None;
    }
    let old = &remade.old.name;
    let gone: Vec<&Ident> = remade
        .lost()
        .into_iter()
        .filter(|(column, fate)| *fate != Fate::Emptied && cx.column_in_use(old, column))
        .map(|(column, _)| column)
        .collect();
    let users = || gone.iter().flat_map(|column| cx.queries.of_column(remade.name, column));
    let (readers, severity) = cx.release_use(gone.first()?, users());
    let severity = gone.iter().map(|c| cx.release_use(c, users()).1).fold(severity, Severity::max);
    let names: Vec<String> = gone.iter().map(|c| format!("`{}.{c}`", remade.name)).collect();
    Some(
        Draft::new(format!(
            "the running release may still use {}: its statements fail once the table is made anew \
             without it{readers}",
            names.join(", ")
        ))
        .severity(severity)
        .help(
            "release code that no longer names the column, then leave it out in a later migration \
             marked `-- downhaul:phase contract`",
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::super::rename_column;
    use crate::examples::cases;

    #[test]
    fn triggers_that_go_on_naming_the_column() {
        let history = "-- history\nCREATE TABLE u (id integer PRIMARY KEY, nick text, name text);\n\
            CREATE TABLE p (id integer PRIMARY KEY, title text);\n\
            CREATE TRIGGER t AFTER INSERT ON p FOR EACH ROW BEGIN UPDATE u SET nick = NEW.title; END;\n\
            CREATE TRIGGER o AFTER INSERT ON p FOR EACH ROW BEGIN UPDATE p SET title = upper(title); END;\n\
            -- up\n-- downhaul:phase contract\n";
        for (rule, up, expect) in [
            (&super::RULE, "ALTER TABLE u DROP COLUMN nick;", true),
            (&super::RULE, "ALTER TABLE u DROP COLUMN name;", false),
            (&super::RULE, "DROP TRIGGER t;\nALTER TABLE u DROP COLUMN nick;", false),
            (&super::RULE, "ALTER TABLE u DROP COLUMN nick;\nDROP TRIGGER t;", false),
            (&rename_column::RULE, "ALTER TABLE u RENAME COLUMN nick TO alias;", true),
        ] {
            for dialect in ["sqlite", "mariadb", "mysql"] {
                // SQLite's triggers follow a column that is renamed.
                let expect = expect && !(dialect == "sqlite" && up.contains("RENAME"));
                cases(rule, &[(dialect, &format!("{history}{up}"), expect)]);
            }
        }
    }

    #[test]
    fn tables_that_are_made_anew_by_hand() {
        let history =
            "-- history\nCREATE TABLE t (id integer PRIMARY KEY, a text, b text);\n-- up\n";
        for (what, expect) in [
            (
                "CREATE TABLE n (id integer PRIMARY KEY, a text);\nINSERT INTO n SELECT id, a FROM t;\n\
                 DROP TABLE t;\nALTER TABLE n RENAME TO t;",
                true,
            ),
            (
                "CREATE TABLE n (id integer PRIMARY KEY, a text, c text);\n\
                 INSERT INTO n (id, a, c) SELECT id, a, b FROM t;\nDROP TABLE t;\nALTER TABLE n RENAME TO t;",
                true,
            ),
            (
                "CREATE TABLE n (id integer PRIMARY KEY, a text, b text NOT NULL);\n\
                 INSERT INTO n SELECT * FROM t;\nDROP TABLE t;\nALTER TABLE n RENAME TO t;",
                false,
            ),
            (
                "ALTER TABLE t RENAME TO o;\nCREATE TABLE t (id integer PRIMARY KEY, a text);\n\
                 INSERT INTO t (id, a) SELECT id, a FROM o;\nDROP TABLE o;",
                true,
            ),
            (
                "CREATE TABLE x AS SELECT id, a FROM t;\nDROP TABLE t;\n\
                 CREATE TABLE t (id integer PRIMARY KEY, a text);\nINSERT INTO t SELECT id, a FROM x;\n\
                 DROP TABLE x;",
                true,
            ),
            (
                "CREATE TEMPORARY TABLE x (id integer, a text, b text);\n\
                 INSERT INTO x SELECT id, a, b FROM t;\nDROP TABLE t;\n\
                 CREATE TABLE t (id integer PRIMARY KEY, a text, b text, c text);\n\
                 INSERT INTO t (id, a, b) SELECT id, a, b FROM x;\nDROP TABLE x;",
                false,
            ),
            (
                "ALTER TABLE t ADD COLUMN z text;\n\
                 CREATE TABLE n (id integer PRIMARY KEY, a text, b text);\n\
                 INSERT INTO n SELECT id, a, b FROM t;\nDROP TABLE t;\nALTER TABLE n RENAME TO t;",
                false,
            ),
        ] {
            for dialect in ["sqlite", "postgres", "mariadb"] {
                cases(&super::RULE, &[(dialect, &format!("{history}{what}"), expect)]);
            }
        }
    }
}

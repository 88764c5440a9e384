//! LK22.

use downhaul_catalog::Table;
use downhaul_syntax::{Change, ConstraintKind, ObjectName, ReferentialAction, TableDef};

use crate::Severity;
use crate::context::ChangeContext;
use crate::effects::rebuilt::Remade;
use crate::facts::{Rebuild, Way};
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Follows the rebuild of a SQLite table (create new, copy, drop old, rename; or copy to another
    /// table, drop, create, copy back) and reports where it goes wrong. That is:
    ///
    /// - `PRAGMA foreign_keys` inside a transaction, which does nothing;
    /// - a drop that cascades into other tables;
    /// - the old table renamed first, so that foreign keys of other tables follow it;
    /// - indexes, triggers, `STRICT`, `WITHOUT ROWID` or the `AUTOINCREMENT` counter left behind;
    /// - a copy by position into other columns.
    ///
    /// ## Why is this bad
    ///
    /// Each of these was measured on SQLite 3.40, and none of them is an error: `DROP TABLE` deletes
    /// every row first, and with `foreign_keys = ON` that empties the tables whose foreign keys say
    /// `ON DELETE CASCADE`.
    ///
    /// ## What to do
    ///
    /// `PRAGMA foreign_keys = OFF` before the transaction begins; create the new table, copy by
    /// column names, drop the old, rename the new; create indexes and triggers again; `PRAGMA
    /// foreign_key_check` before the commit (SQLite manual, "Making Other Kinds Of Table Schema
    /// Changes").
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE p (id integer PRIMARY KEY, a int);
    /// CREATE TABLE c (id integer PRIMARY KEY, p int REFERENCES p ON DELETE CASCADE);
    /// -- up
    /// CREATE TABLE p2 (id integer PRIMARY KEY, a int NOT NULL DEFAULT 0);
    /// INSERT INTO p2 (id, a) SELECT id, a FROM p;
    /// DROP TABLE p;
    /// ALTER TABLE p2 RENAME TO p;
    /// ```
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE t (id integer PRIMARY KEY, a int);
    /// CREATE INDEX t_a ON t (a);
    /// -- up
    /// CREATE TABLE t2 (id integer PRIMARY KEY, a text);
    /// INSERT INTO t2 (id, a) SELECT id, a FROM t;
    /// DROP TABLE t;
    /// ALTER TABLE t2 RENAME TO t;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE t (id integer PRIMARY KEY, a int);
    /// CREATE INDEX t_a ON t (a);
    /// -- up
    /// CREATE TABLE t2 (id integer PRIMARY KEY, a text);
    /// INSERT INTO t2 (id, a) SELECT id, a FROM t;
    /// DROP TABLE t;
    /// ALTER TABLE t2 RENAME TO t;
    /// CREATE INDEX t_a ON t (a);
    /// ```
    "LK22" "sqlite-table-rebuild"
    severity: Error,
    dialects: SQLITE,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    if let Change::SetVariable { name, .. } = cx.change {
        // Downhaul takes the pragma out of the file and sets it before its own transaction begins.
        let transaction = cx.statement.in_block && !(cx.facts.wrapped && cx.options.restore_points);
        return (name == "foreign_keys" && transaction && drops_a_parent(cx)).then(|| {
            Draft::new("`PRAGMA foreign_keys` does nothing inside a transaction")
                .help("set it before the transaction begins: mark the file `-- downhaul:no-transaction` and write BEGIN and COMMIT behind it")
        });
    }
    let rebuild = cx.facts.rebuilds.iter().find(|r| r.items.contains(&cx.index));
    if let Change::DropTable { name, .. } = cx.change
        && let Some(draft) = cascades(cx, name, rebuild.is_some())
    {
        return Some(draft);
    }
    let rebuild = rebuild?;
    if let Change::DropTable { name, .. } = cx.change
        && let Some(draft) = rename_refused(cx, rebuild, name)
    {
        return Some(draft);
    }
    if let Some(remade) = cx.scene.remade {
        return left_behind(cx, &remade);
    }
    match cx.change {
        Change::RenameTable { from, .. } if rebuild.way == Way::RenameFirst => {
            renamed_first(cx, from)
        }
        Change::Insert { .. } => copied_by_position(cx, rebuild),
        _ => None,
    }
}

/// The migration drops a table that others reference, so that the pragma was meant to matter.
fn drops_a_parent(cx: &ChangeContext<'_>) -> bool {
    cx.later().any(
        |i| matches!(i.change, Change::DropTable { name, .. } if !cx.referencing(name).is_empty()),
    )
}

/// `foreign_keys` was put off in force: outside of a transaction.
fn foreign_keys_off(cx: &ChangeContext<'_>) -> bool {
    let mut off = false;
    let own_runner = cx.facts.wrapped && cx.options.restore_points;
    for item in cx.earlier() {
        if let Change::SetVariable { name, value, .. } = item.change
            && name == "foreign_keys"
            && (own_runner || !cx.facts.statements[item.statement].in_block)
        {
            let value = value.trim_matches(['\'', '"', ' ']).to_lowercase();
            off = matches!(value.as_str(), "0" | "off" | "false" | "no");
        }
    }
    off
}

fn cascades(cx: &ChangeContext<'_>, name: &ObjectName, rebuilt: bool) -> Option<Draft> {
    if foreign_keys_off(cx) || !cx.in_use(name) {
        return None;
    }
    let wanted = cx.catalog.normalize(name);
    let hit: Vec<String> = cx
        .referencing(name)
        .iter()
        .filter(|t| {
            cx.table(t).is_some_and(|t| {
                t.constraints.iter().any(|c| {
                    matches!(&c.kind, ConstraintKind::ForeignKey { table, on_delete, .. }
                        if cx.catalog.normalize(table) == wanted
                            && matches!(on_delete, ReferentialAction::Cascade
                                | ReferentialAction::SetNull | ReferentialAction::SetDefault))
                })
            })
        })
        .map(|t| format!("`{t}`"))
        .collect();
    (!hit.is_empty()).then(|| {
        let while_on = if rebuilt { "this rebuild" } else { "this" };
        Draft::new(format!(
            "with foreign_keys on {while_on} deletes all rows of `{name}` first, and their foreign keys change {}",
            hit.join(", ")
        ))
        .help("PRAGMA foreign_keys = OFF before the transaction begins")
    })
}

/// `RENAME` reads the whole schema: a view, or a trigger of another table, that names the dropped
/// table makes it fail (measured on 3.40; not with `legacy_alter_table`).
fn rename_refused(cx: &ChangeContext<'_>, rebuild: &Rebuild, name: &ObjectName) -> Option<Draft> {
    if rebuild.way != Way::NewThenRename
        || cx.scene.setting_is("legacy_alter_table", &["1", "on", "true", "yes"])
    {
        return None;
    }
    let mut users: Vec<String> =
        cx.views_reading(name).iter().map(|v| format!("view `{}`", v.name)).collect();
    let word = name.name.as_str().to_lowercase();
    for table in cx.catalog.tables.values().filter(|t| t.name.name != name.name) {
        for trigger in &table.triggers {
            let text = trigger.text.to_lowercase();
            let mut words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
            if words.any(|w| w == word) {
                users.push(format!("trigger `{}`", trigger.name));
            }
        }
    }
    (!users.is_empty()).then(|| {
        Draft::new(format!(
            "the rename that follows fails: {} names `{name}`, which is dropped here",
            users.join(", ")
        ))
        .help("drop it before and create it again, or PRAGMA legacy_alter_table = ON")
    })
}

fn renamed_first(cx: &ChangeContext<'_>, from: &ObjectName) -> Option<Draft> {
    if cx.scene.setting_is("legacy_alter_table", &["1", "on", "true", "yes"]) {
        return None;
    }
    let hit: Vec<String> = cx.referencing(from).iter().map(|t| format!("`{t}`")).collect();
    (!hit.is_empty()).then(|| {
        Draft::new(format!(
            "foreign keys of {} follow `{from}` to its new name, and point nowhere once it is dropped",
            hit.join(", ")
        ))
        .help("create the new table under another name, copy, drop the old, rename the new")
    })
}

/// What the old table has and the new one will not have.
fn left_behind(cx: &ChangeContext<'_>, remade: &Remade<'_>) -> Option<Draft> {
    let (old, def) = (remade.old, remade.new);
    let mut lost: Vec<String> = Vec::new();
    for index in &old.indexes {
        let name = &index.name;
        let again = cx.later().any(|i| {
            matches!(i.change, Change::CreateIndex { index: new, .. }
                if new.name.as_ref().is_some_and(|n| n.name == name.name)
                    || new.parts.iter().map(|p| &p.column).eq(index.parts.iter().map(|p| &p.column)))
        });
        let dropped =
            cx.facts.items.iter().any(
                |i| matches!(i.change, Change::DropIndex { name: n, .. } if n.name == name.name),
            );
        let gone = index
            .parts
            .iter()
            .any(|p| p.column.as_ref().is_some_and(|c| !def.columns.iter().any(|d| d.name == *c)));
        if !again && !dropped && !gone {
            lost.push(format!("index `{name}`"));
        }
    }
    for trigger in &old.triggers {
        let touched = cx.facts.items.iter().any(|i| match i.change {
            Change::CreateTrigger { def, .. } => def.name == trigger.name,
            Change::DropTrigger { name, .. } => *name == trigger.name,
            _ => false,
        });
        if !touched {
            lost.push(format!("trigger `{}`", trigger.name));
        }
    }
    for option in ["strict", "without rowid"] {
        if old.options.contains_key(option) && !def.options.iter().any(|(n, _)| n == option) {
            lost.push(option.to_uppercase());
        }
    }
    if !lost.is_empty() {
        return Some(
            Draft::new(format!(
                "the new `{}` lacks {} of the old one",
                remade.name,
                lost.join(", ")
            ))
            .help("create it again behind the rename"),
        );
    }
    counter_lost(cx, old, def)
}

/// The highest key ever given is forgotten, and given again.
fn counter_lost(cx: &ChangeContext<'_>, old: &Table, def: &TableDef) -> Option<Draft> {
    let counts = old.columns.iter().any(|c| c.auto_increment);
    let kept = cx.facts.items.iter().any(|i| {
        matches!(i.change,
            Change::Insert { table, .. } | Change::Update { table, .. } if table.name.as_str() == "sqlite_sequence")
    });
    (counts && !kept).then(|| {
        let still = def.columns.iter().any(|c| c.auto_increment);
        Draft::new(if still {
            format!(
                "the AUTOINCREMENT counter of `{}` starts again behind the highest copied key",
                old.name
            )
        } else {
            format!("`{}` loses AUTOINCREMENT: keys of deleted rows are given again", old.name)
        })
        .help("copy its row of sqlite_sequence")
        .severity(Severity::Info)
    })
}

/// `INSERT INTO new SELECT * FROM old`, with columns that do not stand in the same places.
fn copied_by_position(cx: &ChangeContext<'_>, rebuild: &Rebuild) -> Option<Draft> {
    let Change::Insert { table, columns, from_query: Some(query), .. } = cx.change else {
        return None;
    };
    if !columns.is_empty() || !query.star {
        return None;
    }
    let from = match rebuild.way {
        Way::NewThenRename => &rebuild.table,
        Way::RenameFirst | Way::ThereAndBack => &rebuild.stand_in,
    };
    let (old, new) = (cx.table(from)?, cx.table(table)?);
    let names = |t: &Table| -> Vec<_> {
        t.columns.iter().filter(|c| c.generated.is_none()).map(|c| c.name.clone()).collect()
    };
    let (old_names, new_names) = (names(old), names(new));
    let moved = old_names
        .iter()
        .zip(&new_names)
        .find(|(a, b)| a != b && (new_names.contains(a) || old_names.contains(b)));
    moved.map(|(a, b)| {
        Draft::new(format!(
            "this copy goes by position: `{a}` of the old table lands in `{b}` of the new"
        ))
        .help("name the columns on both sides")
    })
}

#[cfg(test)]
mod tests {
    use crate::examples::cases;

    const OLD: &str = "-- history\nCREATE TABLE p (id integer PRIMARY KEY AUTOINCREMENT, a int, b int);\n\
                       CREATE TABLE c (id integer PRIMARY KEY, p int REFERENCES p ON DELETE CASCADE);\n";
    const REBUILD: &str = "CREATE TABLE p2 (id integer PRIMARY KEY AUTOINCREMENT, a int, b int NOT NULL);\n\
                           INSERT INTO p2 (id, a, b) SELECT id, a, b FROM p;\nDROP TABLE p;\n\
                           ALTER TABLE p2 RENAME TO p;\n";

    #[test]
    fn cases_of_the_rule() {
        let cases_with_text = [
            (format!("{OLD}-- up\nPRAGMA foreign_keys = OFF;\n{REBUILD}"), true),
            (
                format!(
                    "{OLD}-- up\n-- downhaul:no-transaction\nPRAGMA foreign_keys = OFF;\nBEGIN;\n{REBUILD}\
                     INSERT INTO sqlite_sequence VALUES ('p', 1);\nCOMMIT;\nPRAGMA foreign_keys = ON;"
                ),
                false,
            ),
            (
                "-- history\nCREATE TABLE t (a int, b int);\n-- up\nCREATE TABLE t2 (b int, a int);\n\
                 INSERT INTO t2 SELECT * FROM t;\nDROP TABLE t;\nALTER TABLE t2 RENAME TO t;"
                    .to_owned(),
                true,
            ),
            (
                "-- history\nCREATE TABLE t (a int, b int);\n-- up\nCREATE TABLE t2 (a int, b int NOT NULL);\n\
                 INSERT INTO t2 SELECT * FROM t;\nDROP TABLE t;\nALTER TABLE t2 RENAME TO t;"
                    .to_owned(),
                false,
            ),
            (
                "-- history\nCREATE TABLE t (a int) STRICT;\n-- up\nCREATE TABLE t2 (a int);\n\
                 INSERT INTO t2 (a) SELECT a FROM t;\nDROP TABLE t;\nALTER TABLE t2 RENAME TO t;"
                    .to_owned(),
                true,
            ),
            (
                "-- history\nCREATE TABLE p (id integer PRIMARY KEY);\nCREATE TABLE c (p int REFERENCES p);\n\
                 -- up\nALTER TABLE p RENAME TO old;\nCREATE TABLE p (id integer PRIMARY KEY);\n\
                 INSERT INTO p (id) SELECT id FROM old;\nDROP TABLE old;"
                    .to_owned(),
                true,
            ),
        ];
        for (text, expect) in &cases_with_text {
            cases(&super::RULE, &[("sqlite", text, *expect)]);
        }
    }
}

//! A table that a file makes anew, by `DROP` and `CREATE` of one name or beside the old one: what changes from
//! the old definition to the new one, as the statements that say it.

use downhaul_catalog::{Catalog, changes_between, render};
use downhaul_syntax::{Change, Dialect, ObjectName, Script};

use super::{HERE, Refused, Scene, names, refused};

/// Tables that were there, and that a file drops and makes again under their names, or gives their names to others
/// that it makes.
pub(crate) fn tables(script: &Script, before: &Catalog) -> Vec<(ObjectName, Option<String>)> {
    let (mut gone, mut out) = (Vec::new(), Vec::new());
    for change in script.statements.iter().flat_map(|statement| statement.changes()) {
        match change {
            Change::DropTable { name, .. } => gone.extend(before.table(name).map(|t| &t.name)),
            Change::RenameTable { from, .. } => gone.extend(before.table(from).map(|t| &t.name)),
            _ => {}
        }
        let made = match change {
            Change::CreateTable { def, .. } => before.normalize(&def.name),
            Change::RenameTable { from, to } if before.table(from).is_none() => {
                before.normalize(to)
            }
            _ => continue,
        };
        if gone.contains(&&made) {
            let lines = lines(&made, script, before);
            out.push((made, lines));
        }
    }
    out
}

/// Whether a table that the file has made takes the name of one that it drops.
pub(crate) fn is_made(from: &ObjectName, to: &ObjectName, scene: &Scene<'_>) -> bool {
    let to = scene.now.normalize(to);
    scene.now.table(from).is_some_and(|table| table.origin == HERE)
        && scene.by_hand.iter().any(|(of, _)| *of == to)
}

/// Says what to write instead.
pub(crate) fn refuse<T>(name: &ObjectName, scene: &Scene<'_>) -> Result<T, Refused> {
    let lines = scene.by_hand.iter().find(|(of, _)| of == name).and_then(|(_, l)| l.as_ref());
    let mut next = Vec::new();
    if let Some(lines) = lines {
        let beside = match scene.dialect() {
            Dialect::Sqlite => {
                "each in a file of its own, also where SQLite does not know the statement: `expand` builds the table anew"
            }
            _ => "rows are brought along",
        };
        next.push(format!("where rows stay, say what changes ({beside}):\n{lines}"));
    }
    let dialect = scene.dialect();
    let fresh = ObjectName {
        schema: name.schema.clone(),
        name: names::free_part(scene.now, name, name.name.as_str()),
    };
    let (fresh, old) = (dialect.quote_name_if_needed(&fresh), dialect.quote_name_if_needed(name));
    next.push(format!(
        "where they may go, let the new release call its table otherwise: CREATE TABLE {fresh} (…), and DROP TABLE {old} behind it in this file; each release has its own until the contract"
    ));
    refused(
        format!("{name} is dropped and made anew under its name, which both releases use"),
        next.join("\n"),
    )
}

/// The lines, one statement each; `None` where nothing of the table changes, or what does has no statement.
fn lines(table: &ObjectName, script: &Script, before: &Catalog) -> Option<String> {
    let mut after = before.clone();
    after.apply_script(script, HERE);
    let meant = after.table(table)?.clone();
    if before.table(table)?.columns_unknown || meant.columns_unknown {
        return None;
    }
    let (mut from, mut to) = (before.clone(), before.clone());
    to.tables.insert(before.normalize(table), meant);
    let sqlite = before.dialect == Dialect::Sqlite;
    let dialect = if sqlite {
        // Said in the words that `expand` takes, of which SQLite knows few.
        (from.dialect, to.dialect) = (Dialect::Postgres, Dialect::Postgres);
        Dialect::Postgres
    } else {
        before.dialect
    };
    let way = changes_between(&from, &to);
    if !way.blocked.is_empty() {
        return None;
    }
    let mut out = Vec::new();
    for change in &way.changes {
        // What is named after a table for the time being, and what is said of it, nobody has to say again.
        if matches!(
            change,
            Change::RenameConstraint { .. }
                | Change::RenameIndex { .. }
                | Change::Comment { .. }
                | Change::Grant { .. }
                | Change::Revoke { .. }
                | Change::SetOwner { .. }
        ) {
            continue;
        }
        if !is_of(change, table, before) {
            return None;
        }
        for sql in render(change, dialect).ok()? {
            let words: Vec<&str> = sql.lines().map(str::trim).collect();
            out.push(format!("  {};", words.join(" ")));
        }
    }
    (!out.is_empty()).then(|| out.join("\n"))
}

/// Whether a change is about the table, and of a kind that `expand` carries.
fn is_of(change: &Change, name: &ObjectName, before: &Catalog) -> bool {
    let is = |table: &ObjectName| before.normalize(table) == *name;
    match change {
        Change::AddColumn { table, .. }
        | Change::DropColumn { table, .. }
        | Change::AlterColumnType { table, .. }
        | Change::ModifyColumn { table, .. }
        | Change::SetNotNull { table, .. }
        | Change::DropNotNull { table, .. }
        | Change::SetDefault { table, .. }
        | Change::DropDefault { table, .. }
        | Change::AddConstraint { table, .. }
        | Change::DropConstraint { table, .. }
        | Change::AddIdentity { table, .. }
        | Change::DropIdentity { table, .. } => is(table),
        Change::CreateIndex { index, .. } => is(&index.table),
        Change::DropIndex { .. } => true,
        _ => false,
    }
}

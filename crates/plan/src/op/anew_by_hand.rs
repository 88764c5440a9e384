//! A table that a file makes anew, by `DROP` and `CREATE` of one name or beside the old one: what changes from
//! the old definition to the new one, as the statements that say it.

use downhaul_catalog::{Catalog, Table, changes_between, mentions_ident, render};
use downhaul_syntax::query::{ExprKind, Item, Path, QueryStatement, SetBody};
use downhaul_syntax::{Change, Dialect, Ident, ObjectName, Script, parse_query};

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
    let renamed = renamed(table, before.table(table)?, &meant, script, before)?;
    let (mut from, mut to) = (before.clone(), before.clone());
    for change in &renamed {
        from.apply(change, HERE);
    }
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
    for change in renamed.iter().chain(&way.changes) {
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

/// Columns whose rows are copied under another name: to drop the one and add the other would lose them. `None` where
/// what a column held that goes is copied in another way.
fn renamed(
    name: &ObjectName,
    old: &Table,
    meant: &Table,
    script: &Script,
    before: &Catalog,
) -> Option<Vec<Change>> {
    let changes = || script.statements.iter().flat_map(|statement| statement.changes());
    let is_made = |table: &ObjectName| {
        let table = before.normalize(table);
        table == *name
            || changes().any(|change| {
                matches!(change, Change::RenameTable { from, to }
                    if before.normalize(from) == table && before.normalize(to) == *name)
            })
    };
    let mut out = Vec::new();
    for statement in &script.statements {
        let [Change::Insert { table, from_query: Some(query), .. }] = statement.changes() else {
            continue;
        };
        let reads_it = query.tables.iter().any(|table| before.normalize(table) == *name);
        if !is_made(table) || !reads_it {
            continue;
        }
        let parsed = parse_query(&statement.text, script.dialect).ok();
        let Some(QueryStatement::Insert(insert)) = parsed else { continue };
        let Some(SetBody::Core(core)) = insert.rows.map(|rows| rows.body) else { continue };
        for (to, item) in insert.columns.iter().map(|c| &c.ident).zip(&core.items) {
            let Item::Expr(value, _) = item else { break };
            let (mut paths, is_new): (Vec<&Path>, _) = (Vec::new(), old.column(to).is_none());
            // What stands in double quotes is a column to SQLite where there is one of that name.
            let alone = match &value.kind {
                ExprKind::Column(path) | ExprKind::QuotedColumn(path) => Some(path),
                _ => None,
            };
            paths.extend(alone);
            let known = alone.is_some() || value.row_columns(&mut paths);
            let goes =
                |column: &Ident| old.column(column).is_some() && meant.column(column).is_none();
            let gone: Vec<&Ident> =
                paths.iter().map(|path| path.name()).filter(|column| goes(column)).collect();
            let named = || {
                let text = |column| mentions_ident(&statement.text, script.dialect, column);
                old.columns.iter().any(|column| goes(&column.name) && text(&column.name))
            };
            match gone.as_slice() {
                [] if known || !named() => {}
                [from] if is_new && alone.is_some() => {
                    let (from, to) = ((*from).clone(), to.clone());
                    out.push(Change::RenameColumn { table: name.clone(), from, to });
                }
                _ => return None,
            }
        }
    }
    Some(out)
}

/// Whether a change is about the table, and of a kind that `expand` carries.
fn is_of(change: &Change, name: &ObjectName, before: &Catalog) -> bool {
    let is = |table: &ObjectName| before.normalize(table) == *name;
    match change {
        Change::AddColumn { table, .. }
        | Change::DropColumn { table, .. }
        | Change::RenameColumn { table, .. }
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

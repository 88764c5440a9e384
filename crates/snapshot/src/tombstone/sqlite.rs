//! Setting a table of SQLite aside.
//!
//! `ALTER TABLE … RENAME` moves the table, its legacy form so that nobody else's text is rewritten.
//! Names of indexes are shared by the whole file and cannot be changed by any statement; so they are
//! changed in `sqlite_schema` itself, which SQLite allows for texts that define the same (`PRAGMA
//! writable_schema`, lang_altertable.html §7). All of it belongs to the migration's transaction.

use downhaul_engine::{EngineError, Session};
use downhaul_syntax::lexer::{TokenKind, lex};
use downhaul_syntax::{Change, Dialect, Ident, Statement};

use super::{Obstacles, Part, PartKind, Tombstone};
use crate::keep::{self, Endangered};
use crate::sql;
use crate::store::{Kept, KeptMode, SnapshotError};

const D: Dialect = Dialect::Sqlite;

/// Looks at a live table that `statements` drop.
pub(super) async fn obstacles(
    session: &mut dyn Session,
    table: &Endangered,
    statements: &[&Statement],
) -> Result<Obstacles, SnapshotError> {
    let name = &table.shape.name;
    let literal = D.literal(name.name.as_str());
    let sizes = session.sizes().await?;
    let bytes = sizes.iter().find(|size| size.name == *name).map_or(0, |size| size.bytes);
    let tracked = session
        .number(&format!(
            "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = {literal} COLLATE NOCASE AND name LIKE 'downhaul\\_%' ESCAPE '\\'"
        ))
        .await?;
    let replaced = statements
        .iter()
        .flat_map(|s| s.changes())
        .any(|change| matches!(change, Change::RenameTable { to, .. } if to.name == name.name));
    let checked = session.number("SELECT foreign_keys FROM pragma_foreign_keys").await? != 0;
    let why = if replaced {
        Some("another takes its place at once")
    } else if tracked > 0 {
        Some("it is tracked")
    } else if !table.shape.foreign_keys.is_empty() {
        Some("it has foreign keys, which SQLite cannot take off: they would act out of sight")
    } else if checked && !table.shape.referenced_by.is_empty() {
        Some("other tables refer to it, so SQLite deletes its rows one by one")
    } else {
        None
    };
    Ok(Obstacles { bytes, why })
}

/// Describes the tombstone that a table will become.
pub(super) async fn announce(
    session: &mut dyn Session,
    table: &Endangered,
    id: i64,
) -> Result<Kept, SnapshotError> {
    let sizes = session.sizes().await?;
    let size = sizes.iter().find(|size| size.name == table.shape.name);
    let rows = match size {
        Some(size) if size.bytes >= super::LARGE => size.rows,
        _ => {
            let live = sql::table(D, &table.shape.name);
            let rows = session.number(&format!("SELECT count(*) FROM {live}")).await?;
            u64::try_from(rows).unwrap_or(0)
        }
    };
    let columns: Vec<_> = table.shape.writable().collect();
    let key = table.shape.key.clone();
    Ok(keep::described(table, id, KeptMode::Tombstone, key, &columns, rows))
}

/// Runs a `DROP TABLE` whose table is to be set aside; `None` where it is none. Returns the statements
/// that stood for it, and a remark where a copy had to be made after all.
pub(super) async fn drop_table(
    session: &mut dyn Session,
    statement: &Statement,
    kept: &mut [Kept],
) -> Result<Option<(Vec<String>, Option<String>)>, SnapshotError> {
    let [Change::DropTable { name, .. }] = statement.changes() else { return Ok(None) };
    let Some(shape) = session.table_shape(name).await? else { return Ok(None) };
    let found = kept
        .iter_mut()
        .find(|k| k.mode == KeptMode::Tombstone && k.tombstone.is_none() && k.table == shape.name);
    let Some(kept) = found else { return Ok(None) };
    session.execute("SAVEPOINT downhaul_drop").await?;
    let failure = match hide(session, kept).await {
        Ok((tombstone, statements)) => {
            session.execute("RELEASE downhaul_drop").await?;
            kept.tombstone = Some(tombstone);
            return Ok(Some((statements, None)));
        }
        Err(SnapshotError::Engine(EngineError::Statement(failure))) => failure,
        Err(error) => return Err(error),
    };
    session.execute("ROLLBACK TO downhaul_drop; RELEASE downhaul_drop").await?;
    let live = sql::table(D, &kept.table);
    copy(session, kept, &live).await?;
    session.execute(&statement.text).await?;
    let note = format!("{} could not be set aside and was copied: {}", kept.table, failure.message);
    Ok(Some((vec![statement.shown().to_owned()], Some(note))))
}

/// Moves a table out of sight. Returns what has to be known to bring it back, and what ran.
async fn hide(
    session: &mut dyn Session,
    kept: &Kept,
) -> Result<(Tombstone, Vec<String>), SnapshotError> {
    let literal = D.literal(kept.table.name.as_str());
    let rows = session
        .rows(&format!(
            "SELECT type, name, sql FROM sqlite_schema WHERE tbl_name = {literal} COLLATE NOCASE AND sql IS NOT NULL ORDER BY type <> 'table', rowid"
        ))
        .await?;
    let hidden = sql::own(D, &kept.store());
    let mut tombstone = Tombstone::default();
    let mut renames = Vec::new();
    let mut statements = Vec::new();
    for row in &rows {
        match row.text(0) {
            "trigger" => statements.push(format!("DROP TRIGGER {}", D.quote_str(row.text(1)))),
            "index" => {
                let part = Part {
                    kind: PartKind::Index,
                    name: Ident::stored(D, row.text(1)),
                    hidden: Ident::stored(D, &format!("{hidden}_{}", tombstone.parts.len() + 1)),
                };
                let text = index_renamed(row.text(2), part.hidden.as_str());
                renames.push(rewrite("index", row.text(1), part.hidden.as_str(), &text));
                tombstone.parts.push(part);
                tombstone.texts.push(row.text(2).to_owned());
            }
            _ => tombstone.texts.insert(0, row.text(2).to_owned()),
        }
    }
    rewrite_schema(session, &renames).await?;
    statements.push(format!("ALTER TABLE {} RENAME TO {hidden}", sql::table(D, &kept.table)));
    legacy(session, &statements).await?;
    Ok((tombstone, statements))
}

/// Runs statements while `ALTER TABLE … RENAME` changes no other text than the table's own.
async fn legacy(session: &mut dyn Session, statements: &[String]) -> Result<(), SnapshotError> {
    let was = session.number("SELECT legacy_alter_table FROM pragma_legacy_alter_table").await?;
    session.execute("PRAGMA legacy_alter_table = ON").await?;
    let mut result = Ok(0);
    for statement in statements {
        if result.is_ok() {
            result = session.execute(statement).await;
        }
    }
    if was == 0 {
        session.execute("PRAGMA legacy_alter_table = OFF").await?;
    }
    result?;
    Ok(())
}

/// A statement for [`rewrite_schema`].
fn rewrite(kind: &str, name: &str, new: &str, text: &str) -> String {
    format!(
        "UPDATE sqlite_schema SET name = {}, sql = {} WHERE type = '{kind}' AND name = {}",
        D.literal(new),
        D.literal(text),
        D.literal(name)
    )
}

/// Changes texts of `sqlite_schema` to others that define the same.
async fn rewrite_schema(
    session: &mut dyn Session,
    updates: &[String],
) -> Result<(), SnapshotError> {
    if updates.is_empty() {
        return Ok(());
    }
    session.execute("PRAGMA writable_schema = ON").await?;
    let result = session.execute(&updates.join("; ")).await;
    // Reads the texts anew.
    session.execute("PRAGMA writable_schema = RESET").await?;
    result?;
    // A change that SQLite counts: other connections, and a rollback of ours, forget what they read.
    session.execute("CREATE TABLE downhaul_touched (a); DROP TABLE downhaul_touched").await?;
    Ok(())
}

/// `CREATE UNIQUE INDEX a ON t (…)` under another name: SQLite keeps nothing between these words.
fn index_renamed(create: &str, name: &str) -> String {
    let tokens = lex(create, D).tokens;
    let mut words = tokens.iter().filter(|t| !t.kind.is_trivia());
    let index = words.find(|t| create[t.span.start..t.span.end].eq_ignore_ascii_case("index"));
    match index.and_then(|_| words.next()) {
        Some(token) if token.kind != TokenKind::LeftParen => {
            format!("{}{name}{}", &create[..token.span.start], &create[token.span.end..])
        }
        _ => create.to_owned(),
    }
}

/// Moves a tombstone to where it was; nothing of that name must be there.
pub(super) async fn unhide(session: &mut dyn Session, kept: &Kept) -> Result<(), SnapshotError> {
    let Some(tombstone) = &kept.tombstone else { return Ok(()) };
    let hidden = sql::own(D, &kept.store());
    let live = sql::table(D, &kept.table);
    legacy(session, &[format!("ALTER TABLE {hidden} RENAME TO {live}")]).await?;
    let own = kept.table.name.as_str();
    let mut texts = tombstone.texts.iter();
    let mut updates: Vec<String> =
        texts.next().map(|text| rewrite("table", own, own, text)).into_iter().collect();
    for (part, text) in tombstone.parts.iter().zip(texts) {
        updates.push(rewrite("index", part.hidden.as_str(), part.name.as_str(), text));
    }
    rewrite_schema(session, &updates).await
}

/// Copies the rows of `source` into the store of `kept`, which is no tombstone from now on.
pub(super) async fn copy(
    session: &mut dyn Session,
    kept: &mut Kept,
    source: &str,
) -> Result<(), SnapshotError> {
    kept.mode = KeptMode::Copy;
    kept.tombstone = None;
    let store = sql::own(D, &kept.store());
    let names: Vec<String> = kept.columns.iter().map(|c| D.quote(&c.name)).collect();
    let comma = if names.is_empty() { "" } else { ", " };
    let names = names.join(", ");
    session
        .execute(&format!(
            "CREATE TABLE {store} (downhaul_op{comma}{names}); INSERT INTO {store} SELECT 'D'{comma}{names} FROM {source}"
        ))
        .await?;
    let rows = session.number(&format!("SELECT count(*) FROM {store}")).await?;
    kept.rows = u64::try_from(rows).unwrap_or(0);
    kept.rows_gone = kept.rows;
    Ok(())
}

/// What a tombstone looks like: a change of it means that somebody altered or dropped it.
pub(super) async fn signature(
    session: &mut dyn Session,
    kept: &Kept,
) -> Result<String, SnapshotError> {
    let hidden = D.literal(&sql::own(D, &kept.store()));
    let row = session
        .row(&format!(
            "SELECT group_concat(name || ' ' || type, ',') FROM (SELECT name, type FROM pragma_table_xinfo({hidden}) ORDER BY cid)"
        ))
        .await?;
    Ok(format!("columns:{}", row.as_ref().and_then(|row| row.opt(0)).unwrap_or("none")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_renamed_at_its_name_only() {
        for (create, expected) in [
            ("CREATE INDEX a ON a (a)", "CREATE INDEX n ON a (a)"),
            (
                "CREATE UNIQUE INDEX \"in dex\" ON t (index_of)",
                "CREATE UNIQUE INDEX n ON t (index_of)",
            ),
            ("CREATE INDEX [index] ON t (a) WHERE a > 1", "CREATE INDEX n ON t (a) WHERE a > 1"),
        ] {
            assert_eq!(index_renamed(create, "n"), expected);
        }
    }
}

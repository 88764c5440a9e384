//! Columns of MariaDB and MySQL that a migration drops are renamed and made invisible instead: neither
//! `SELECT *` nor an `INSERT` without column names sees them. One `ALTER TABLE` does all of it, without
//! touching a row, and one brings it back.

use downhaul_engine::{DumpKind, EngineError, Session, TableShape};
use downhaul_syntax::{Change, Dialect, Ident, Statement};

use super::column::HiddenColumn;
use super::{LARGE, Part, PartKind, Policy, Tombstone};
use crate::keep::Endangered;
use crate::loss::Names;
use crate::restore::Restored;
use crate::sql;
use crate::stepwise::{self, GroupKind};
use crate::store::{Kept, KeptMode, SnapshotError};
use crate::track;

/// Whether the columns that a table loses are to be hidden, as far as its size decides.
pub(super) async fn is_wanted(
    session: &mut dyn Session,
    table: &Endangered,
    policy: Policy,
) -> Result<bool, SnapshotError> {
    if policy != Policy::Auto {
        return Ok(policy == Policy::Tombstone);
    }
    let name = session.dialect().literal(table.shape.name.name.as_str());
    let size = session
        .row(&format!(
            "SELECT coalesce(DATA_LENGTH, 0) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = {name}"
        ))
        .await?;
    let bytes: u64 = size.and_then(|row| row.text(0).parse().ok()).unwrap_or(0);
    Ok(bytes >= LARGE)
}

/// The columns that a statement drops, if it does nothing else.
fn only_drops(statement: &Statement, table: &Ident) -> Option<Vec<Ident>> {
    statement
        .changes()
        .iter()
        .map(|change| match change {
            Change::DropColumn { table: of, column, .. } if of.name == *table => {
                Some(column.clone())
            }
            _ => None,
        })
        .collect()
}

/// Why they cannot be hidden; `None` where they can.
pub(super) async fn obstacle(
    session: &mut dyn Session,
    table: &Endangered,
    statements: &[&Statement],
) -> Result<Option<&'static str>, SnapshotError> {
    let (shape, loss) = (&table.shape, &table.loss);
    let own = &shape.name.name;
    if loss.rows || loss.truncated || !loss.retyped.is_empty() || !loss.renamed_columns.is_empty() {
        return Ok(Some("the migration changes the table in other ways too"));
    }
    if shape.name.schema.is_some() {
        return Ok(Some("it is in another database"));
    }
    if shape.divided {
        return Ok(Some("the table is partitioned"));
    }
    if track::all(session).await?.iter().any(|t| t.relation != 0 && t.name == shape.name) {
        return Ok(Some("the table is tracked, and its history has no column that nobody sees"));
    }
    if shape.key.is_empty() || shape.key.iter().any(|column| loss.columns.contains(column)) {
        return Ok(Some("nothing would tell its rows apart if it had to be copied after all"));
    }
    let drops: Vec<Option<Vec<Ident>>> = statements.iter().map(|s| only_drops(s, own)).collect();
    let ours = |columns: &[Ident]| columns.iter().any(|column| loss.columns.contains(column));
    let dropped: usize =
        drops.iter().flatten().flatten().filter(|c| loss.columns.contains(*c)).count();
    if dropped < loss.columns.len() {
        return Ok(Some("it is dropped by a statement that does other things too"));
    }
    let first = drops.iter().position(|found| found.as_ref().is_some_and(|found| ours(found)));
    let before = statements[..first.unwrap_or(0)].iter().copied();
    let before = before.filter(|statement| only_drops(statement, own).is_none());
    let before = crate::loss::losses(before, session.dialect());
    let altered = before.tables.iter().any(|(name, loss)| name.name == *own && loss.altered);
    if altered || before.tables.values().any(|l| l.renamed_to.as_ref() == Some(&shape.name)) {
        return Ok(Some("the migration changes the table before"));
    }
    for column in &loss.columns {
        if let Some(why) = obstacle_of(session, shape, column).await? {
            return Ok(Some(why));
        }
    }
    Ok(None)
}

async fn obstacle_of(
    session: &mut dyn Session,
    shape: &TableShape,
    column: &Ident,
) -> Result<Option<&'static str>, SnapshotError> {
    let d = session.dialect();
    let Some(of) = shape.column(column) else { return Ok(Some("there is no such column")) };
    if of.generated || shape.sequences.iter().any(|s| s.column.as_ref() == Some(column)) {
        return Ok(Some("it is generated or counted"));
    }
    if of.not_null && of.default.is_none() {
        return Ok(Some("new rows must have a value for it, and there is no default"));
    }
    let place = format!(
        "TABLE_SCHEMA = DATABASE() AND TABLE_NAME = {}",
        d.literal(shape.name.name.as_str())
    );
    let name = d.literal(column.as_str());
    let keys = session
        .number(&format!(
            "SELECT count(*) FROM information_schema.KEY_COLUMN_USAGE WHERE {place} AND COLUMN_NAME = {name} AND REFERENCED_TABLE_NAME IS NOT NULL \
             OR REFERENCED_TABLE_SCHEMA = DATABASE() AND REFERENCED_TABLE_NAME = {} AND REFERENCED_COLUMN_NAME = {name}",
            d.literal(shape.name.name.as_str())
        ))
        .await?;
    if keys > 0 {
        return Ok(Some("a foreign key needs it"));
    }
    let shared = session
        .number(&format!(
            "SELECT count(*) FROM information_schema.STATISTICS a WHERE {place} AND COLUMN_NAME = {name} \
             AND (NON_UNIQUE = 0 AND {} OR INDEX_NAME = 'PRIMARY' OR 1 < (SELECT count(*) FROM information_schema.STATISTICS b \
               WHERE b.TABLE_SCHEMA = a.TABLE_SCHEMA AND b.TABLE_NAME = a.TABLE_NAME AND b.INDEX_NAME = a.INDEX_NAME))",
            i32::from(of.default.is_some())
        ))
        .await?;
    if shared > 0 {
        return Ok(Some(
            "an index needs it that has other columns too, or keeps its values unique",
        ));
    }
    // Texts that name it, or may.
    let alter = format!("ALTER TABLE {} ", d.quote_name(&shape.name));
    let dump = session.dump().await?;
    let quoted = d.quote(column);
    let named = dump.objects.iter().any(|object| {
        let own = object.create.starts_with(&alter);
        let text = object.create.rsplit_once(" AFTER `").map_or(object.create.as_str(), |t| t.0);
        let reads = text.contains(" CHECK ") || text.contains(" AS (");
        own && reads
            && matches!(object.id.kind, DumpKind::Column | DumpKind::NotNull | DumpKind::Constraint)
            && text.contains(&quoted)
    });
    Ok(named.then_some("a check or a generated column may name it"))
}

/// Describes what will be hidden.
pub(super) async fn announce(
    session: &mut dyn Session,
    table: &Endangered,
    names: &Names,
    id: i64,
) -> Result<Kept, SnapshotError> {
    let d = session.dialect();
    let shape = &table.shape;
    let mut kept = stepwise::describe(table, names, GroupKind::Definition, id);
    kept.mode = KeptMode::Hidden;
    kept.rows = shape.rows.unwrap_or(0);
    let mut tombstone = Tombstone::default();
    let alter = format!("ALTER TABLE {} ", d.quote_name(&shape.name));
    let dump = session.dump().await?;
    for column in &table.loss.columns {
        let own = d.quote(column);
        let whole = format!("{alter}MODIFY COLUMN {own} ");
        let bare = format!("{alter}ADD COLUMN {own} ");
        let of = |kind: DumpKind, head: &str| {
            let mut texts = dump.objects.iter().filter(|o| o.id.kind == kind);
            texts.find_map(|object| object.create.strip_prefix(head).map(str::to_owned))
        };
        let definition = of(DumpKind::NotNull, &whole).or_else(|| {
            let text = of(DumpKind::Column, &bare)?;
            let place = text.rsplit_once(" AFTER `").or_else(|| text.rsplit_once(" FIRST"));
            Some(place.map_or_else(|| text.clone(), |(head, _)| head.to_owned()))
        });
        let Some(definition) = definition else {
            return Err(SnapshotError::CannotRestore(format!(
                "the definition of {}.{column} cannot be read",
                shape.name
            )));
        };
        let hidden = format!("downhaul_tomb_{id}_{}", tombstone.columns.len() + 1);
        tombstone.columns.push(HiddenColumn {
            name: column.clone(),
            hidden: Ident::stored(d, &hidden),
            loosened: false,
        });
        tombstone.texts.push(definition);
        let indexes = session
            .rows(&format!(
                "SELECT INDEX_NAME FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = {} AND COLUMN_NAME = {} ORDER BY 1",
                d.literal(shape.name.name.as_str()),
                d.literal(column.as_str())
            ))
            .await?;
        for row in &indexes {
            let number = tombstone.parts.len() + 1;
            tombstone.parts.push(Part {
                kind: PartKind::Index,
                name: Ident::stored(d, row.text(0)),
                hidden: Ident::stored(d, &format!("downhaul_tomb_{id}_i{number}")),
            });
        }
    }
    for column in kept.columns.iter_mut().filter(|c| table.loss.columns.contains(&c.name)) {
        column.after = None;
        column.after_ty = String::new();
    }
    kept.tombstone = Some(tombstone);
    Ok(kept)
}

/// The table as it is now, where it has the hidden columns.
async fn live(session: &mut dyn Session, kept: &Kept) -> Result<Option<TableShape>, EngineError> {
    let Some(tombstone) = &kept.tombstone else { return Ok(None) };
    for name in [Some(&kept.table), kept.after.as_ref()].into_iter().flatten() {
        if let Some(shape) = session.table_shape(name).await?
            && tombstone.columns.iter().all(|c| shape.column(&c.hidden).is_some())
        {
            return Ok(Some(shape));
        }
    }
    Ok(None)
}

/// Whether the columns are hidden.
pub(super) async fn is_aside(session: &mut dyn Session, kept: &Kept) -> Result<bool, EngineError> {
    Ok(live(session, kept).await?.is_some())
}

/// No row may be touched.
fn algorithm(dialect: Dialect) -> &'static str {
    if dialect == Dialect::MariaDb { "ALGORITHM=INSTANT" } else { "ALGORITHM=INPLACE" }
}

/// The statement that hides them; `None` where an earlier try did.
pub(super) async fn hide(
    session: &mut dyn Session,
    kept: &Kept,
) -> Result<Option<String>, SnapshotError> {
    if is_aside(session, kept).await? {
        return Ok(None);
    }
    let d = session.dialect();
    let Some(tombstone) = &kept.tombstone else { return Ok(None) };
    let mut parts: Vec<String> = Vec::new();
    for (column, text) in tombstone.columns.iter().zip(&tombstone.texts) {
        let invisible = if text.contains(" INVISIBLE") { "" } else { " INVISIBLE" };
        let (name, hidden) = (d.quote(&column.name), d.quote(&column.hidden));
        parts.push(format!("CHANGE COLUMN {name} {hidden} {text}{invisible}"));
    }
    parts.extend(
        tombstone.parts.iter().map(|part| {
            format!("RENAME INDEX {} TO {}", d.quote(&part.name), d.quote(&part.hidden))
        }),
    );
    let table = sql::table(d, kept.after.as_ref().unwrap_or(&kept.table));
    Ok(Some(format!("ALTER TABLE {table} {}, {}", parts.join(", "), algorithm(d))))
}

/// What brings them back, said behind `ALTER TABLE t`.
fn back(d: Dialect, tombstone: &Tombstone) -> Vec<String> {
    let columns = tombstone.columns.iter().zip(&tombstone.texts).map(|(column, text)| {
        format!("CHANGE COLUMN {} {} {text}", d.quote(&column.hidden), d.quote(&column.name))
    });
    let indexes = tombstone
        .parts
        .iter()
        .map(|part| format!("RENAME INDEX {} TO {}", d.quote(&part.hidden), d.quote(&part.name)));
    columns.chain(indexes).collect()
}

/// Brings them back while nothing stands in their place.
pub(super) async fn unhide(session: &mut dyn Session, kept: &Kept) -> Result<(), SnapshotError> {
    let d = session.dialect();
    let (Some(now), Some(tombstone)) = (live(session, kept).await?, &kept.tombstone) else {
        return Ok(());
    };
    let table = sql::table(d, &now.name);
    session.execute(&format!("ALTER TABLE {table} {}", back(d, tombstone).join(", "))).await?;
    Ok(())
}

/// Puts them in the place of those that the way back has made, if it has. False, and nothing has happened, where
/// these have another type, or somebody has written to them by now.
pub(super) async fn exchange(
    session: &mut dyn Session,
    kept: &Kept,
) -> Result<bool, SnapshotError> {
    let d = session.dialect();
    let (Some(now), Some(tombstone)) = (live(session, kept).await?, &kept.tombstone) else {
        return Ok(false);
    };
    let table = sql::table(d, &now.name);
    let mut written = Vec::new();
    let mut parts = Vec::new();
    for column in &tombstone.columns {
        let old = kept.shape.column(&column.name).map(|old| (&old.ty, old.generated));
        let same = |name: &Ident| old == now.column(name).map(|c| (&c.ty, c.generated));
        // Where the down file forgot it there is nothing in its place.
        let there = now.column(&column.name);
        if !same(&column.hidden) || there.is_some() && !same(&column.name) {
            return Ok(false);
        }
        let Some(there) = there else { continue };
        let name = d.quote(&column.name);
        let given = match &there.default {
            Some(default) => default.clone(),
            // What the server gives to rows that are there.
            None if there.not_null => sql::placeholder(&there.ty).to_owned(),
            None => "NULL".to_owned(),
        };
        written.push(format!("NOT ({name} <=> {given})"));
        parts.push(format!("DROP COLUMN {name}"));
    }
    parts.extend(back(d, tombstone));
    session.execute(&format!("LOCK TABLES {table} WRITE")).await?;
    let found = if written.is_empty() {
        Ok(0)
    } else {
        let test = written.join(" OR ");
        session.number(&format!("SELECT EXISTS (SELECT 1 FROM {table} WHERE {test})")).await
    };
    let result = match found {
        Ok(0) => {
            let alter = format!("ALTER TABLE {table} {}", parts.join(", "));
            session.execute(&alter).await.map(|_| true)
        }
        Ok(_) => Ok(false),
        Err(error) => Err(error),
    };
    session.execute("UNLOCK TABLES").await?;
    match result {
        // Something stands upon the new column.
        Err(EngineError::Statement(_)) => Ok(false),
        other => Ok(other?),
    }
}

/// What to tell of columns that have come back.
pub(super) fn returned(kept: &Kept) -> Restored {
    let columns = kept.tombstone.as_ref().map(|t| t.columns.as_slice()).unwrap_or_default();
    Restored {
        table: kept.table.to_string(),
        updated: kept.rows,
        columns: columns.iter().map(|c| c.name.to_string()).collect(),
        ..Restored::default()
    }
}

/// Copies hidden columns, with the key of every row, into the store of `copy`. Within a transaction.
pub(super) async fn fill_copy(
    session: &mut dyn Session,
    kept: &Kept,
    copy: &Kept,
) -> Result<(), SnapshotError> {
    let d = session.dialect();
    let (Some(now), Some(tombstone)) = (live(session, kept).await?, &kept.tombstone) else {
        return Err(SnapshotError::NotSound {
            table: kept.table.to_string(),
            reason: "the hidden columns are gone".into(),
        });
    };
    let mut names = Vec::new();
    let mut values = Vec::new();
    for column in &copy.columns {
        let hidden = tombstone.columns.iter().find(|c| c.name == column.name);
        names.push(d.quote(&column.name));
        values.push(d.quote(hidden.map_or(&column.name, |c| &c.hidden)));
    }
    session
        .execute(&format!(
            "INSERT INTO {} (downhaul_op, {}) SELECT 'U', {} FROM {}",
            sql::own(d, &copy.store()),
            names.join(", "),
            values.join(", "),
            sql::table(d, &now.name)
        ))
        .await?;
    Ok(())
}

/// Drops hidden columns of which there is a copy.
pub(super) async fn drop_copied(session: &mut dyn Session, kept: &Kept) -> Result<(), EngineError> {
    let d = session.dialect();
    if let (Some(now), Some(tombstone)) = (live(session, kept).await?, &kept.tombstone) {
        let drops: Vec<String> = tombstone
            .columns
            .iter()
            .map(|c| format!("DROP COLUMN {}", d.quote(&c.hidden)))
            .collect();
        let table = sql::table(d, &now.name);
        session.execute(&format!("ALTER TABLE {table} {}", drops.join(", "))).await?;
    }
    Ok(())
}

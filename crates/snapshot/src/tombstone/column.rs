//! Columns of PostgreSQL that a migration drops are renamed instead, where that was asked for.
//!
//! Nothing hides a column from `SELECT *`, so a person has to want it. The column stays where it is,
//! with its values, its default and its indexes, under a name of ours. What the real statement takes
//! beside it (constraints, foreign keys, views under `CASCADE`) goes as it does then, and comes back
//! with the schema; `NOT NULL` only where new rows would have no value.
//!
//! On the way back the down file makes the column anew; if it has the type that the old one had, the
//! old one takes its place. Else it becomes a copy and goes the way of all copies.

use std::collections::BTreeSet;

use downhaul_engine::{DumpKind, EngineError, Session};
use downhaul_syntax::{Change, Dialect, Ident, Statement};
use serde::{Deserialize, Serialize};

use super::{Part, PartKind, Tombstone};
use crate::keep::{self, Endangered};
use crate::restore::Restored;
use crate::sql;
use crate::store::{Kept, KeptMode, SnapshotError};

const D: Dialect = Dialect::Postgres;

/// A column that was renamed out of the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HiddenColumn {
    /// Its own name.
    pub name: Ident,
    /// Its name while it is out of the way.
    pub hidden: Ident,
    /// New rows have no value for it, although it must have one.
    pub loosened: bool,
}

/// Why the columns that a table loses cannot be renamed instead; `None` where they can.
pub(super) async fn obstacle(
    session: &mut dyn Session,
    table: &Endangered,
    statements: &[&Statement],
    others: bool,
) -> Result<Option<&'static str>, SnapshotError> {
    let loss = &table.loss;
    if session.dialect() != D {
        return Ok(Some("columns can be put aside on PostgreSQL only"));
    }
    if loss.rows || loss.truncated || !loss.retyped.is_empty() || !loss.renamed_columns.is_empty() {
        return Ok(Some("the migration changes the table in other ways too"));
    }
    let key = &table.shape.key;
    if key.is_empty() || key.iter().any(|column| loss.columns.contains(column)) {
        return Ok(Some("nothing would tell its rows apart if it had to be copied after all"));
    }
    let mut dropped = BTreeSet::new();
    for statement in statements {
        let changes = statement.changes();
        let of_table = |change: &Change| match change {
            Change::DropColumn { table: of, column, .. } if of.name == table.shape.name.name => {
                Some(column.clone())
            }
            _ => None,
        };
        let columns: Vec<Ident> = changes.iter().filter_map(of_table).collect();
        if columns.len() == changes.len() {
            dropped.extend(columns);
        }
    }
    if loss.columns.iter().any(|column| !dropped.contains(column)) {
        return Ok(Some("it is dropped by a statement that does other things too"));
    }
    let literal = D.literal(&D.quote_name(&table.shape.name));
    for column in &loss.columns {
        let name = D.literal(column.as_str());
        let row = session
            .row(&format!(
                "SELECT c.relkind <> 'r' OR c.relispartition OR (EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid) OR EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid)), \
                   c.relpersistence = 't' OR c.reloftype <> 0, \
                   NOT pg_catalog.pg_has_role(c.relowner, 'USAGE'), \
                   EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.classid = 'pg_catalog.pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e'), \
                   EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname ~ '^[!~]downhaul'), \
                   a.attgenerated <> '' OR EXISTS (SELECT FROM pg_catalog.pg_attrdef f JOIN pg_catalog.pg_attribute g ON g.attrelid = f.adrelid AND g.attnum = f.adnum AND g.attgenerated <> '' \
                     JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.objid = f.oid \
                     WHERE f.adrelid = c.oid AND d.refobjid = c.oid AND d.refobjsubid = a.attnum), \
                   a.attidentity <> '' OR EXISTS (SELECT FROM pg_catalog.pg_depend s WHERE s.refclassid = 'pg_catalog.pg_class'::regclass AND s.refobjid = c.oid \
                     AND s.refobjsubid = a.attnum AND s.classid = 'pg_catalog.pg_class'::regclass AND s.deptype IN ('a', 'i') \
                     AND EXISTS (SELECT FROM pg_catalog.pg_class q WHERE q.oid = s.objid AND q.relkind = 'S')), \
                   EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'p' AND a.attnum = ANY (k.conkey)) \
                     OR EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE {refers} AND k.contype = 'f' AND a.attnum = ANY (k.confkey)), \
                   EXISTS (SELECT FROM pg_catalog.pg_attrdef f JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.objid = f.oid \
                     WHERE f.adrelid = c.oid AND f.adnum = a.attnum AND d.refobjid >= 16384 AND d.refobjid <> c.oid), \
                   EXISTS (SELECT FROM pg_catalog.pg_index x WHERE x.indrelid = c.oid AND a.attnum = ANY (x.indkey::int2[]) AND (x.indisreplident OR x.indisunique \
                     AND (a.atthasdef OR coalesce((pg_catalog.to_jsonb(x) ->> 'indnullsnotdistinct')::boolean, false)))), \
                   a.atttypid >= 16384 \
                 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attname = {name} \
                 WHERE c.oid = pg_catalog.to_regclass({literal})",
                refers = sql::refers_to("k", "c.oid"),
            ))
            .await?;
        let Some(row) = row else { return Ok(Some("there is no such column")) };
        let reasons = [
            "the table is partitioned or inherits",
            "it is a temporary or a typed table",
            "that needs the rights of its owner",
            "the table belongs to an extension",
            "the table is tracked",
            "it is generated, or a generated column is made of it",
            "a sequence gives its values",
            "it is part of the primary key, or other tables refer to it",
            "its default calls something that could be changed meanwhile",
            "it is unique with a default, or tells replicas the rows apart",
        ];
        if let Some(why) = reasons.iter().enumerate().find(|(at, _)| row.flag(*at)) {
            return Ok(Some(why.1));
        }
        if others && row.flag(reasons.len()) {
            return Ok(Some("its type may be dropped by the same migration"));
        }
    }
    Ok(None)
}

/// Describes what will be kept, and locks the table as its statement will.
pub async fn announce(
    session: &mut dyn Session,
    table: &Endangered,
    id: i64,
) -> Result<Kept, SnapshotError> {
    let name = sql::table(D, &table.shape.name);
    let rows = session
        .row(&format!(
            "LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE; SELECT greatest(reltuples, 0)::bigint FROM pg_catalog.pg_class WHERE oid = {}::pg_catalog.regclass",
            D.literal(&name)
        ))
        .await?;
    let rows = rows.and_then(|row| row.text(0).parse().ok()).unwrap_or(0);
    let kept_columns: Vec<_> = table
        .shape
        .writable()
        .filter(|c| table.shape.key.contains(&c.name) || table.loss.columns.contains(&c.name))
        .collect();
    let key = table.shape.key.clone();
    let mut kept = keep::described(table, id, KeptMode::Hidden, key, &kept_columns, rows);
    kept.tombstone = Some(Tombstone::default());
    Ok(kept)
}

/// Runs a statement of which the columns are to be renamed instead; `None` where it drops none of
/// them. Returns the statements that stood for it, and a remark where a copy had to be made after all.
pub(super) async fn drop_columns(
    session: &mut dyn Session,
    statement: &Statement,
    all: &mut [Kept],
) -> Result<Option<(Vec<String>, Option<String>)>, SnapshotError> {
    let [Change::DropColumn { table, .. }, ..] = statement.changes() else { return Ok(None) };
    let Some(shape) = session.table_shape(table).await? else { return Ok(None) };
    let found = all.iter_mut().find(|k| k.mode == KeptMode::Hidden && k.table == shape.name);
    let Some(kept) = found else { return Ok(None) };
    let mut columns = Vec::new();
    for change in statement.changes() {
        let Change::DropColumn { column, .. } = change else { return Ok(None) };
        // `IF EXISTS` of one that is not there.
        if shape.column(column).is_some() {
            columns.push(column.clone());
        }
    }
    session.execute("SAVEPOINT downhaul_drop").await?;
    let before = session.dump().await?;
    session.execute(&statement.text).await?;
    let wanted = session.dump().await?;
    session.execute("ROLLBACK TO SAVEPOINT downhaul_drop").await?;
    let gone: Vec<_> = {
        let stay: BTreeSet<_> = wanted.objects.iter().map(|object| &object.id).collect();
        before.objects.iter().filter(|object| !stay.contains(&object.id)).cloned().collect()
    };
    let failure = match hide(session, kept, &shape, &columns, &gone).await {
        Ok(statements) => {
            session.execute("RELEASE SAVEPOINT downhaul_drop").await?;
            return Ok(Some((statements, None)));
        }
        Err(SnapshotError::Engine(EngineError::Statement(failure)))
            if failure.code.as_deref() != Some("40P01") =>
        {
            failure.message
        }
        Err(SnapshotError::UnforeseenLoss { what }) => format!("{what} goes with it"),
        Err(error) => return Err(error),
    };
    session.execute("ROLLBACK TO SAVEPOINT downhaul_drop").await?;
    make_copy(session, kept).await?;
    session.execute(&statement.text).await?;
    let note = format!("{} could not be put aside and was copied: {failure}", kept.table);
    Ok(Some((vec![statement.shown().to_owned()], Some(note))))
}

async fn hide(
    session: &mut dyn Session,
    kept: &mut Kept,
    shape: &downhaul_engine::TableShape,
    columns: &[Ident],
    gone: &[downhaul_engine::DumpObject],
) -> Result<Vec<String>, SnapshotError> {
    let table = sql::table(D, &kept.table);
    let literal = D.literal(&table);
    let mut tombstone = kept.tombstone.clone().unwrap_or_default();
    let mut done = Vec::new();
    for column in columns {
        let hidden =
            Ident::stored(D, &format!("downhaul_tomb_{}_{}", kept.id, tombstone.columns.len() + 1));
        let name = D.literal(column.as_str());
        // Those of unique constraints take the constraint's name with them.
        let indexes = session
            .rows(&format!(
                "SELECT DISTINCT n.nspname, i.relname FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_index x ON x.indrelid = a.attrelid \
                 JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = i.relnamespace \
                 WHERE a.attrelid = {literal}::pg_catalog.regclass AND a.attname = {name} AND (a.attnum = ANY (x.indkey::int2[]) \
                   OR EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = i.oid AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum)) \
                   AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = i.oid AND k.conrelid = a.attrelid AND k.contype NOT IN ('u', 'f')) \
                   AND i.relname !~ '^downhaul_tomb_' ORDER BY 1, 2"
            ))
            .await?;
        for row in &indexes {
            let part = Part {
                kind: PartKind::Index,
                name: Ident::stored(D, row.text(1)),
                hidden: Ident::stored(
                    D,
                    &format!("downhaul_tomb_{}_i{}", kept.id, tombstone.parts.len() + 1),
                ),
            };
            done.push(format!(
                "ALTER INDEX {}.{} RENAME TO {}",
                D.quote_str(row.text(0)),
                D.quote(&part.name),
                D.quote(&part.hidden)
            ));
            tombstone.parts.push(part);
        }
        let column_shape = shape.column(column);
        let loosened = column_shape.is_some_and(|c| c.not_null && c.default.is_none());
        let own = D.quote(column);
        if loosened {
            done.push(format!("ALTER TABLE {table} ALTER COLUMN {own} DROP NOT NULL"));
        }
        tombstone.columns.push(HiddenColumn { name: column.clone(), hidden, loosened });
    }
    if !done.is_empty() {
        session.execute(&done.join("; ")).await?;
    }
    let now = session.dump().await?;
    let ours: BTreeSet<String> =
        columns.iter().map(|column| format!("{table}.{}", D.quote(column))).collect();
    for object in gone.iter().rev().filter(|object| now.get(&object.id).is_some()) {
        match object.id.kind {
            DumpKind::Column if is_one_of(&object.id.name, &ours) => {}
            DumpKind::Column | DumpKind::Table => {
                return Err(SnapshotError::UnforeseenLoss {
                    what: format!("{} {}", object.id.kind.as_str(), object.id.name),
                });
            }
            // These belong to what they are said of: the column keeps them, or they go with it.
            DumpKind::Default
            | DumpKind::NotNull
            | DumpKind::ColumnOption
            | DumpKind::Comment
            | DumpKind::Owner
            | DumpKind::Grant => {}
            _ if object.remove.is_empty() => {}
            _ => {
                session.execute(&object.remove).await?;
                done.push(object.remove.clone());
            }
        }
    }
    let mut renames = Vec::new();
    for column in tombstone.columns.iter().filter(|c| columns.contains(&c.name)) {
        renames.push(format!(
            "ALTER TABLE {table} RENAME COLUMN {} TO {}",
            D.quote(&column.name),
            D.quote(&column.hidden)
        ));
    }
    if !renames.is_empty() {
        session.execute(&renames.join("; ")).await?;
    }
    done.extend(renames);
    kept.tombstone = Some(tombstone);
    Ok(done)
}

/// Names of a dump are quoted where they need it, ours always.
fn is_one_of(name: &str, quoted: &BTreeSet<String>) -> bool {
    let plain = |name: &str| name.replace('"', "");
    quoted.iter().any(|one| plain(one) == plain(name))
}

/// The live table that has the columns now: where the migration left it, or where it was.
async fn live(
    session: &mut dyn Session,
    kept: &Kept,
) -> Result<Option<downhaul_engine::TableShape>, SnapshotError> {
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

/// What the columns look like: a change means that somebody altered or dropped one.
pub(super) async fn signature(
    session: &mut dyn Session,
    kept: &Kept,
) -> Result<String, SnapshotError> {
    let Some(tombstone) = &kept.tombstone else { return Ok("columns:none".into()) };
    let Some(shape) = live(session, kept).await? else { return Ok("columns:none".into()) };
    let columns: Vec<String> = tombstone
        .columns
        .iter()
        .filter_map(|c| Some(format!("{} {}", c.hidden, shape.column(&c.hidden)?.ty)))
        .collect();
    Ok(format!("columns:{}", columns.join(",")))
}

/// Statements that give the columns up.
#[must_use]
pub fn give_up(dialect: Dialect, kept: &Kept) -> String {
    let columns = kept.tombstone.as_ref().map(|t| t.columns.as_slice()).unwrap_or_default();
    // MySQL knows neither.
    let missing = if dialect == Dialect::Mysql { "" } else { "IF EXISTS " };
    let drops: Vec<String> = columns
        .iter()
        .map(|c| format!("DROP COLUMN {missing}{}", dialect.quote(&c.hidden)))
        .collect();
    let table = sql::table(dialect, kept.after.as_ref().unwrap_or(&kept.table));
    match drops.as_slice() {
        [] => "SELECT 1".to_owned(),
        _ => format!("ALTER TABLE {missing}{table} {}", drops.join(", ")),
    }
}

/// Makes a copy of columns that were put aside, or are about to be, with the key of every row. Rows
/// that were written since and have no value, although there must be one, are left out.
pub(super) async fn make_copy(
    session: &mut dyn Session,
    kept: &mut Kept,
) -> Result<(), SnapshotError> {
    let tombstone = kept.tombstone.take().unwrap_or_default();
    let with_columns = Kept { tombstone: Some(tombstone.clone()), ..kept.clone() };
    kept.mode = KeptMode::Columns;
    let Some(shape) = live(session, &with_columns).await? else {
        return Err(SnapshotError::NotSound {
            table: kept.table.to_string(),
            reason: "the columns that were put aside are gone".into(),
        });
    };
    let mut values = Vec::new();
    let mut given = Vec::new();
    for column in &kept.columns {
        let hidden = tombstone.columns.iter().find(|c| c.name == column.name);
        let source = D.quote(hidden.map_or(&column.name, |c| &c.hidden));
        if hidden.is_some_and(|c| c.loosened) {
            given.push(format!("{source} IS NOT NULL"));
        }
        let Some(of) = kept.shape.column(&column.name) else { continue };
        values.push(format!(", {} AS {}", sql::to_store(D, &source, of), D.quote(&column.name)));
    }
    let only =
        if given.is_empty() { String::new() } else { format!(" WHERE {}", given.join(" OR ")) };
    let store = sql::own(D, &kept.store());
    let table = sql::table(D, &shape.name);
    session
        .execute(&format!(
            "CREATE TABLE {store} AS SELECT 'U'::text AS downhaul_op{} FROM {table}{only}",
            values.concat()
        ))
        .await?;
    let drops: Vec<String> =
        tombstone.columns.iter().map(|c| format!("DROP COLUMN {}", D.quote(&c.hidden))).collect();
    if !drops.is_empty() {
        session.execute(&format!("ALTER TABLE {table} {}", drops.join(", "))).await?;
    }
    let rows = session.number(&format!("SELECT count(*) FROM {store}")).await?;
    kept.rows = u64::try_from(rows).unwrap_or(0);
    Ok(())
}

/// Puts columns in the place of those that the way back has made, or makes copies of them. Within the
/// transaction of the way back, once the table has its old columns.
pub(super) async fn bring_back(
    session: &mut dyn Session,
    kept: &mut Kept,
) -> Result<Option<Restored>, SnapshotError> {
    let Some(now) = session.table_shape(&kept.table).await? else { return Ok(None) };
    let Some(tombstone) = kept.tombstone.clone() else { return Ok(None) };
    let same = tombstone.columns.iter().all(|c| {
        let old = kept.shape.column(&c.name).map(|old| (&old.ty, old.generated));
        let there = |name: &Ident| now.column(name).map(|c| (&c.ty, c.generated));
        old.is_some() && old == there(&c.name) && old == there(&c.hidden)
    });
    if !same {
        make_copy(session, kept).await?;
        return Ok(None);
    }
    session.execute("SAVEPOINT downhaul_return").await?;
    match exchange(session, kept, &now, &tombstone).await {
        Ok(()) => {
            session.execute("RELEASE SAVEPOINT downhaul_return").await?;
            kept.tombstone = None;
            Ok(Some(Restored {
                table: kept.table.to_string(),
                updated: kept.rows,
                columns: tombstone.columns.iter().map(|c| c.name.to_string()).collect(),
                ..Restored::default()
            }))
        }
        // Something stands upon the new column, or a name is taken.
        Err(EngineError::Statement(failure)) if failure.code.as_deref() != Some("40P01") => {
            session.execute("ROLLBACK TO SAVEPOINT downhaul_return").await?;
            make_copy(session, kept).await?;
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

async fn exchange(
    session: &mut dyn Session,
    kept: &Kept,
    now: &downhaul_engine::TableShape,
    tombstone: &Tombstone,
) -> Result<(), EngineError> {
    let table = sql::table(D, &kept.table);
    for column in &tombstone.columns {
        let (name, hidden) = (D.quote(&column.name), D.quote(&column.hidden));
        // Rows written since have what the down file gives to rows that have nothing.
        let given = now.column(&column.name).and_then(|c| c.default.as_ref());
        if let (true, Some(given)) = (column.loosened, given) {
            session
                .execute(&format!("UPDATE {table} SET {hidden} = {given} WHERE {hidden} IS NULL"))
                .await?;
        }
        session.execute(&format!("ALTER TABLE {table} DROP COLUMN {name}")).await?;
        session.execute(&format!("ALTER TABLE {table} RENAME COLUMN {hidden} TO {name}")).await?;
    }
    let schema = kept.table.schema.as_ref().map_or("public".into(), |s| D.quote(s));
    for part in &tombstone.parts {
        let (name, hidden) = (D.quote(&part.name), D.quote(&part.hidden));
        session.execute(&format!("ALTER INDEX {schema}.{hidden} RENAME TO {name}")).await?;
    }
    Ok(())
}

//! Setting a table of PostgreSQL aside.

use std::collections::BTreeSet;

use downhaul_engine::{DumpKind, EngineError, SchemaDump, Session};
use downhaul_syntax::{Change, Dialect, Ident, ObjectName, Statement};

use super::{LARGE, Obstacles, Part, PartKind, Tombstone};
use crate::keep::{self, Endangered};
use crate::sql;
use crate::store::{Kept, KeptMode, SnapshotError};

const D: Dialect = Dialect::Postgres;

/// Looks at a live table. `others` says that the migration drops things that tables are made of.
pub(super) async fn obstacles(
    session: &mut dyn Session,
    table: &ObjectName,
    others: bool,
) -> Result<Option<Obstacles>, SnapshotError> {
    let literal = D.literal(&D.quote_name(table));
    let row = session
        .row(&format!(
            "SELECT pg_catalog.pg_table_size(c.oid), \
               c.relkind <> 'r' OR c.relispartition OR (EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid) OR EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid)), \
               c.relpersistence = 't' OR c.reloftype <> 0, \
               NOT (pg_catalog.pg_has_role(c.relowner, 'USAGE') AND pg_catalog.has_schema_privilege(c.relnamespace, 'CREATE') \
                 AND coalesce((SELECT pg_catalog.has_schema_privilege(o.oid, 'CREATE') FROM pg_catalog.pg_namespace o WHERE o.nspname = 'downhaul'), true)), \
               EXISTS (SELECT FROM pg_catalog.pg_publication_rel p WHERE p.prrelid = c.oid), \
               EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.classid = 'pg_catalog.pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e'), \
               EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname ~ '^[!~]downhaul'), \
               EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE ({}) AND ({})) \
             FROM pg_catalog.pg_class c WHERE c.oid = pg_catalog.to_regclass({literal})",
            own_objects("c.oid"),
            foreign_reference("c.oid"),
        ))
        .await?;
    let Some(row) = row else { return Ok(None) };
    let reasons = [
        (1, "it is partitioned or inherits"),
        (2, "it is a temporary or a typed table"),
        (3, "that needs the rights of its owner, and CREATE on its schema"),
        (4, "it is part of a publication"),
        (5, "it belongs to an extension"),
        (6, "it is tracked"),
    ];
    let mut why = reasons.iter().find(|(at, _)| row.flag(*at)).map(|(_, why)| *why);
    if why.is_none() && others && row.flag(7) {
        why = Some("it uses types or functions, and the migration may drop them");
    }
    Ok(Some(Obstacles { bytes: u64::try_from(row.number(0)?).unwrap_or(0), why }))
}

/// A test on `pg_depend d`: the dependent is the table or a part of it that goes with it.
fn own_objects(oid: &str) -> String {
    format!(
        "d.classid = 'pg_catalog.pg_class'::regclass AND (d.objid = {oid} OR d.objid IN (SELECT x.indexrelid FROM pg_catalog.pg_index x WHERE x.indrelid = {oid})) \
         OR d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.objid IN (SELECT a.oid FROM pg_catalog.pg_attrdef a WHERE a.adrelid = {oid}) \
         OR d.classid = 'pg_catalog.pg_constraint'::regclass AND d.objid IN (SELECT k.oid FROM pg_catalog.pg_constraint k WHERE k.conrelid = {oid} AND k.contype <> 'f')"
    )
}

/// A test on `pg_depend d`: what it refers to is neither the table, nor a part of it, nor its schema,
/// nor a sequence of its own. What comes with the server is not in `pg_depend` at all.
fn foreign_reference(oid: &str) -> String {
    format!(
        "d.refclassid NOT IN ('pg_catalog.pg_namespace'::regclass, 'pg_catalog.pg_constraint'::regclass) \
         AND NOT (d.refclassid = 'pg_catalog.pg_class'::regclass AND (d.refobjid = {oid} \
           OR d.refobjid IN (SELECT x.indexrelid FROM pg_catalog.pg_index x WHERE x.indrelid = {oid}) \
           OR d.refobjid IN (SELECT s.objid FROM pg_catalog.pg_depend s WHERE s.classid = 'pg_catalog.pg_class'::regclass \
                AND s.refclassid = 'pg_catalog.pg_class'::regclass AND s.refobjid = {oid} AND s.deptype IN ('a', 'i')))) \
         AND d.refobjid >= 16384"
    )
}

/// Describes the tombstone that a table will become, and locks the table as its drop will.
pub(super) async fn announce(
    session: &mut dyn Session,
    table: &Endangered,
    id: i64,
) -> Result<Kept, SnapshotError> {
    let name = sql::table(D, &table.shape.name);
    session.execute(&format!("LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE")).await?;
    let literal = D.literal(&name);
    let size = session.number(&format!("SELECT pg_catalog.pg_table_size({literal})")).await?;
    let rows = if u64::try_from(size).is_ok_and(|size| size < LARGE) {
        session.number(&format!("SELECT count(*) FROM ONLY {name}")).await?
    } else {
        // The planner looks at the present size, and that takes no longer on a larger table.
        let plan = session.row(&format!("EXPLAIN SELECT FROM ONLY {name}")).await?;
        plan.as_ref()
            .and_then(|row| row.text(0).split("rows=").nth(1))
            .and_then(|rest| rest.split(' ').next())
            .and_then(|rows| rows.parse().ok())
            .unwrap_or(0)
    };
    let rows = u64::try_from(rows).unwrap_or(0);
    let columns: Vec<_> = table.shape.writable().collect();
    let key = table.shape.key.clone();
    Ok(keep::described(table, id, KeptMode::Tombstone, key, &columns, rows))
}

/// Runs a `DROP TABLE` whose tables are to be set aside; `None` where it names none of them. Returns
/// the statements that stood for it, and a remark where a copy had to be made after all.
pub(super) async fn drop_tables(
    session: &mut dyn Session,
    statement: &Statement,
    kept: &mut [Kept],
) -> Result<Option<(Vec<String>, Option<String>)>, SnapshotError> {
    let mut aside: Vec<usize> = Vec::new();
    let mut rest: Vec<String> = Vec::new();
    let (mut missing_ok, mut cascades) = (false, false);
    for change in statement.changes() {
        let Change::DropTable { name, if_exists, cascade } = change else { return Ok(None) };
        missing_ok |= if_exists;
        cascades |= cascade;
        let live = resolve(session, name).await?;
        let found = kept.iter().position(|k| {
            k.mode == KeptMode::Tombstone
                && k.tombstone.is_none()
                && live.as_ref() == Some(&k.table)
        });
        match found {
            Some(index) if aside.contains(&index) => {}
            Some(index) => aside.push(index),
            None => rest.push(D.quote_name(name)),
        }
    }
    if aside.is_empty() {
        return Ok(None);
    }
    // The server itself says whether it may be dropped, and what CASCADE takes.
    session.execute("SAVEPOINT downhaul_drop").await?;
    session.execute(&statement.text).await?;
    let wanted = if cascades { Some(session.dump().await?) } else { None };
    session.execute("ROLLBACK TO SAVEPOINT downhaul_drop").await?;
    let rest = (!rest.is_empty()).then(|| {
        let missing = if missing_ok { "IF EXISTS " } else { "" };
        let cascade = if cascades { " CASCADE" } else { "" };
        format!("DROP TABLE {missing}{}{cascade}", rest.join(", "))
    });
    let why = match set_aside(session, kept, &aside, rest, wanted).await {
        Ok(Ok(done)) => {
            session.execute("RELEASE SAVEPOINT downhaul_drop").await?;
            return Ok(Some((done, None)));
        }
        Ok(Err(why)) => why,
        Err(SnapshotError::Engine(EngineError::Statement(failure)))
            if failure.code.as_deref() != Some("40P01") =>
        {
            failure.message
        }
        Err(error) => return Err(error),
    };
    session.execute("ROLLBACK TO SAVEPOINT downhaul_drop").await?;
    let mut names = Vec::new();
    for index in aside {
        let kept = &mut kept[index];
        kept.tombstone = None;
        copy(session, kept, &sql::table(D, &kept.table.clone())).await?;
        names.push(kept.table.to_string());
    }
    session.execute(&statement.text).await?;
    let note = format!("{} could not be set aside and was copied: {why}", names.join(", "));
    Ok(Some((vec![statement.shown().to_owned()], Some(note))))
}

/// Copies the rows of `source` into the store of `kept`, which is no tombstone from now on.
pub(super) async fn copy(
    session: &mut dyn Session,
    kept: &mut Kept,
    source: &str,
) -> Result<(), SnapshotError> {
    kept.mode = KeptMode::Copy;
    kept.tombstone = None;
    let columns: Vec<String> = kept
        .columns
        .iter()
        .filter_map(|column| {
            let shape = kept.shape.column(&column.name)?;
            let name = D.quote(&column.name);
            Some(format!(", {} AS {name}", sql::to_store(D, &name, shape)))
        })
        .collect();
    let store = sql::own(D, &kept.store());
    session
        .execute(&format!(
            "CREATE TABLE {store} AS SELECT 'D'::text AS downhaul_op{} FROM {source}",
            columns.concat()
        ))
        .await?;
    let rows = session.number(&format!("SELECT count(*) FROM {store}")).await?;
    kept.rows = u64::try_from(rows).unwrap_or(0);
    kept.rows_gone = kept.rows;
    Ok(())
}

/// The live table of this name, schema included.
async fn resolve(
    session: &mut dyn Session,
    name: &ObjectName,
) -> Result<Option<ObjectName>, SnapshotError> {
    let row = session
        .row(&format!(
            "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.oid = pg_catalog.to_regclass({})",
            D.literal(&D.quote_name(name))
        ))
        .await?;
    Ok(row.map(|row| ObjectName {
        schema: Some(Ident::stored(D, row.text(0))),
        name: Ident::stored(D, row.text(1)),
    }))
}

/// Moves tables out of sight, and takes away what the real statement takes. `Err` of the inner result
/// says why that did not come to the same.
async fn set_aside(
    session: &mut dyn Session,
    kept: &mut [Kept],
    aside: &[usize],
    rest: Option<String>,
    wanted: Option<SchemaDump>,
) -> Result<Result<Vec<String>, String>, SnapshotError> {
    let mut done = Vec::new();
    for index in aside {
        let (tombstone, statements) = hide(session, &kept[*index]).await?;
        session.execute(&statements.join("; ")).await?;
        kept[*index].tombstone = Some(tombstone);
        done.extend(statements);
    }
    if let Some(rest) = rest {
        session.execute(&rest).await?;
        done.push(rest);
    }
    let Some(wanted) = wanted else { return Ok(Ok(done)) };
    let now = session.dump().await?;
    let stay: BTreeSet<_> = wanted.objects.iter().map(|object| &object.id).collect();
    for object in now.objects.iter().rev().filter(|object| !stay.contains(&object.id)) {
        if matches!(object.id.kind, DumpKind::Table | DumpKind::Column) {
            return Err(SnapshotError::UnforeseenLoss {
                what: format!("{} {}", object.id.kind.as_str(), object.id.name),
            });
        }
        // Owners go with what they own, and grants too.
        if object.part || object.remove.is_empty() || object.id.kind == DumpKind::Grant {
            continue;
        }
        session.execute(&object.remove).await?;
        done.push(object.remove.clone());
    }
    let now = session.dump().await?;
    if let Some(difference) = wanted.differences(&now).first() {
        let id = difference.id();
        return Ok(Err(format!("{} {} would be left otherwise", id.kind.as_str(), id.name)));
    }
    Ok(Ok(done))
}

/// The statements that move a table out of sight.
async fn hide(
    session: &mut dyn Session,
    kept: &Kept,
) -> Result<(Tombstone, Vec<String>), SnapshotError> {
    let table = sql::table(D, &kept.table);
    let literal = D.literal(&table);
    let found = session
        .row(&format!(
            "SELECT c.oid, pg_catalog.pg_total_relation_size(c.oid) FROM pg_catalog.pg_class c WHERE c.oid = pg_catalog.to_regclass({literal})"
        ))
        .await?;
    let Some(found) = found else {
        return Err(SnapshotError::CannotRestore(format!("{} is not there", kept.table)));
    };
    let oid = found.number(0)?;
    let bytes = u64::try_from(found.number(1)?).unwrap_or(0);
    let mut statements = Vec::new();
    // What acts on others, or would keep them from being dropped.
    let strip = session
        .rows(&format!(
            "SELECT pg_catalog.format('ALTER TABLE %s DROP CONSTRAINT %I', {literal}, k.conname) FROM pg_catalog.pg_constraint k WHERE k.conrelid = {oid} AND k.contype = 'f' AND k.conparentid = 0 \
             UNION ALL SELECT pg_catalog.format('DROP TRIGGER %I ON %s', t.tgname, {literal}) FROM pg_catalog.pg_trigger t WHERE t.tgrelid = {oid} AND NOT t.tgisinternal \
             UNION ALL SELECT pg_catalog.format('DROP RULE %I ON %s', r.rulename, {literal}) FROM pg_catalog.pg_rewrite r WHERE r.ev_class = {oid} \
             UNION ALL SELECT pg_catalog.format('DROP POLICY %I ON %s', p.polname, {literal}) FROM pg_catalog.pg_policy p WHERE p.polrelid = {oid} \
             UNION ALL SELECT pg_catalog.format('ALTER TABLE %s DROP CONSTRAINT %I', {literal}, k.conname) FROM pg_catalog.pg_constraint k \
               WHERE k.conrelid = {oid} AND k.contype = 'c' AND EXISTS (SELECT FROM pg_catalog.pg_depend d \
                 WHERE d.classid = 'pg_catalog.pg_constraint'::regclass AND d.objid = k.oid AND {refers}) \
             UNION ALL SELECT pg_catalog.format('ALTER TABLE %s ALTER COLUMN %I DROP DEFAULT', {literal}, a.attname) FROM pg_catalog.pg_attrdef f \
               JOIN pg_catalog.pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum AND a.attgenerated = '' \
               WHERE f.adrelid = {oid} AND EXISTS (SELECT FROM pg_catalog.pg_depend d \
                 WHERE d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.objid = f.oid AND {refers})",
            refers = foreign_reference(&oid.to_string()),
        ))
        .await?;
    statements.extend(strip.iter().map(|row| row.text(0).to_owned()));
    let parts = session
        .rows(&format!(
            "SELECT 'i', c.relname, n.nspname FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid \
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE x.indrelid = {oid} \
             UNION ALL SELECT 's', c.relname, n.nspname FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class c ON c.oid = d.objid AND c.relkind = 'S' \
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
               WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = {oid} AND d.deptype IN ('a', 'i') \
             UNION ALL SELECT 'x', e.stxname, n.nspname FROM pg_catalog.pg_statistic_ext e JOIN pg_catalog.pg_namespace n ON n.oid = e.stxnamespace \
               WHERE e.stxrelid = {oid}"
        ))
        .await?;
    let hidden = format!("downhaul_tomb_{}", kept.id);
    let mut tombstone = Tombstone { bytes, ..Tombstone::default() };
    for (number, row) in parts.iter().enumerate() {
        let kind = match row.text(0) {
            "i" => PartKind::Index,
            "s" => PartKind::Sequence,
            _ => PartKind::Statistics,
        };
        let part = Part {
            kind,
            name: Ident::stored(D, row.text(1)),
            hidden: Ident::stored(D, &format!("{hidden}_{}", number + 1)),
        };
        let schema = D.quote_str(row.text(2));
        statements.push(format!(
            "ALTER {} {schema}.{} RENAME TO {}",
            kind.word(),
            D.quote(&part.name),
            D.quote(&part.hidden)
        ));
        if kind == PartKind::Statistics {
            let statistics = format!("{schema}.{}", D.quote(&part.hidden));
            statements.push(format!("ALTER STATISTICS {statistics} SET SCHEMA downhaul"));
        }
        tombstone.parts.push(part);
    }
    let hidden_table =
        ObjectName { schema: kept.table.schema.clone(), name: Ident::stored(D, &hidden) };
    statements.push(format!("ALTER TABLE {table} RENAME TO {hidden}"));
    statements.push(format!("ALTER TABLE {} SET SCHEMA downhaul", sql::table(D, &hidden_table)));
    statements.push(format!("ALTER TABLE downhaul.{hidden} RENAME TO {}", kept.store()));
    Ok((tombstone, statements))
}

/// The statements that move a tombstone to where it was.
pub(super) fn unhide(kept: &Kept) -> Vec<String> {
    let Some(tombstone) = &kept.tombstone else { return Vec::new() };
    let hidden = format!("downhaul_tomb_{}", kept.id);
    let schema = kept.table.schema.as_ref().map_or("public".into(), |s| D.quote(s));
    let mut statements = vec![
        format!("ALTER TABLE downhaul.{} RENAME TO {hidden}", kept.store()),
        format!("ALTER TABLE downhaul.{hidden} SET SCHEMA {schema}"),
        format!("ALTER TABLE {schema}.{hidden} RENAME TO {}", D.quote(&kept.table.name)),
    ];
    for part in &tombstone.parts {
        if part.kind == PartKind::Statistics {
            let statistics = D.quote(&part.hidden);
            statements.push(format!("ALTER STATISTICS downhaul.{statistics} SET SCHEMA {schema}"));
        }
        statements.push(format!(
            "ALTER {} {schema}.{} RENAME TO {}",
            part.kind.word(),
            D.quote(&part.hidden),
            D.quote(&part.name)
        ));
    }
    statements
}

/// What a tombstone looks like: a change of it means that somebody altered or dropped it.
pub(super) async fn signature(
    session: &mut dyn Session,
    kept: &Kept,
) -> Result<String, SnapshotError> {
    let store = D.literal(&sql::own(D, &kept.store()));
    let row = session
        .row(&format!(
            "SELECT pg_catalog.md5(pg_catalog.string_agg(a.attname || ' ' || pg_catalog.format_type(a.atttypid, a.atttypmod), ',' ORDER BY a.attnum)) \
             FROM pg_catalog.pg_attribute a WHERE a.attrelid = pg_catalog.to_regclass({store}) AND a.attnum > 0 AND NOT a.attisdropped"
        ))
        .await?;
    Ok(format!("columns:{}", row.as_ref().and_then(|row| row.opt(0)).unwrap_or("none")))
}

/// What all tombstones of the database look like, to see whether a migration changes one.
pub async fn all(session: &mut dyn Session) -> Result<BTreeSet<String>, SnapshotError> {
    let rows = session
        .rows(
            "SELECT c.relname || ' ' || coalesce(pg_catalog.string_agg(a.attname, ',' ORDER BY a.attnum), '') \
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
             WHERE n.nspname = 'downhaul' AND c.relkind = 'r' AND c.relname ~ '^tomb_[0-9]+$' GROUP BY c.oid, c.relname",
        )
        .await?;
    Ok(rows.iter().map(|row| row.text(0).to_owned()).collect())
}

//! The way back: what the file forgot of the schema, and the data that was kept.

use std::collections::BTreeSet;

use downhaul_engine::{DumpKind, ObjectId, SchemaDump, Session};
use downhaul_plan::Direction;
use downhaul_snapshot::Kept;
use downhaul_snapshot::complete::{self, Action, Stage};
use downhaul_snapshot::restore::{self, Held};
use downhaul_snapshot::{seeded, tombstone};
use downhaul_syntax::{Change, Dialect, Ident, Parsed, Statement, parse_script};

use super::{Applied, Stop, Substitute, dependents};
use crate::journal::{RestorePoint, schemas_of};
use crate::tracking::Tracking;
use crate::{Event, Observer};

/// Puts back what restore points hold. Returns the numbers of the stores that still hold
/// something that could not go back.
pub(super) async fn bring_back(
    session: &mut dyn Session,
    direction: Direction,
    (points, holds): (&mut [RestorePoint], &[Vec<Held>]),
    foreign_keys_off: bool,
    applied: &mut Applied,
    tracking: &mut Tracking,
    observer: &mut dyn Observer,
) -> Result<Vec<i64>, Stop> {
    let mut remaining = Vec::new();
    if points.is_empty() {
        return Ok(remaining);
    }
    let schemas = schemas_of(points);
    let schemas = (&schemas.0, &schemas.1);
    let strict = Strict::of(points);
    // Only the way down promises the old schema; the way up brings the new one by itself.
    let complete = direction == Direction::Down;
    if complete {
        if session.dialect() == Dialect::Sqlite {
            add_missing_columns(session, points).await?;
        }
        let stage = (Stage::Structure, strict);
        run_completions(session, schemas, stage, foreign_keys_off, applied, observer).await?;
        tracking.follow(session).await?;
    }
    let mut built_upon = Vec::new();
    for (point, held) in points.iter_mut().zip(holds) {
        if !complete {
            tombstone::back::into_copies(session, &mut point.kept).await?;
            continue;
        }
        let returned = tombstone::back::bring_back(session, &mut point.kept, held).await?;
        for restored in returned.restored {
            observer.event(Event::Restored(&restored));
            applied.restored.push(restored);
        }
        built_upon.extend(returned.built_upon);
    }
    let quiet = quiet(session, points).await?;
    for (point, held) in points.iter().zip(holds) {
        for (kept, held) in point.kept.iter().zip(held) {
            seeded::give_way(session, kept, held).await?;
        }
        let all: Vec<_> = point.kept.iter().zip(held).filter(|(k, _)| k.has_store()).collect();
        let restored = restore::restore(session, &all).await?;
        for ((kept, _), restored) in all.into_iter().zip(restored) {
            observer.event(Event::Restored(&restored));
            if restored.remains_in.is_some() {
                remaining.push(kept.id);
            }
            applied.restored.push(restored);
        }
    }
    for statement in quiet {
        session.execute(&statement).await?;
    }
    if complete {
        for kept in points.iter().flat_map(|point| &point.kept) {
            restore::check_filled(session, kept).await?;
        }
        let stage = (Stage::Rest, strict);
        run_completions(session, schemas, stage, foreign_keys_off, applied, observer).await?;
        if session.dialect() == Dialect::Postgres {
            for kept in points.iter().flat_map(|point| &point.kept) {
                restore::require_values(session, kept).await?;
            }
        }
        tombstone::back::rebuild(session, &built_upon).await?;
        tracking.follow(session).await?;
    }
    Ok(remaining)
}

/// What follows where a part of the schema cannot be put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strict {
    /// Data goes back with all that belongs to it, or not at all.
    Fail,
    /// Nothing but schema was to come back.
    Tell,
}

impl Strict {
    pub(crate) fn of(points: &[RestorePoint]) -> Self {
        let hold_data = |point: &RestorePoint| !point.kept.is_empty() || !point.pruned.is_empty();
        if points.iter().any(hold_data) { Self::Fail } else { Self::Tell }
    }
}

/// Bytes of a table on which an index is built while it is taken back, and writes wait.
const SMALL: i64 = 256 * 1024 * 1024;

pub(crate) async fn run_completions(
    session: &mut dyn Session,
    (before, after): (&SchemaDump, &SchemaDump),
    (stage, strict): (Stage, Strict),
    foreign_keys_off: bool,
    applied: &mut Applied,
    observer: &mut dyn Observer,
) -> Result<(), Stop> {
    let dialect = session.dialect();
    // Putting one object back can bring others with it (a table its columns), so look again after
    // each; every round settles one object, which bounds the loop.
    let mut seen = BTreeSet::new();
    if before.differences(after).is_empty() {
        return Ok(());
    }
    loop {
        let now = session.dump().await?;
        let next = complete::objects(dialect, before, after, &now, stage)
            .into_iter()
            .find(|completion| seen.insert(completion.object.clone()));
        let Some(completion) = next else { return Ok(()) };
        let done = match &completion.action {
            Action::Run(statements) => {
                let schemas = (before, after, &now);
                let why = match strict {
                    Strict::Fail => {
                        run_all(session, &completion.id, statements, schemas).await?;
                        None
                    }
                    Strict::Tell => {
                        run_if_it_can_be(session, &completion.id, statements, schemas).await?
                    }
                };
                if let Some(why) = why {
                    let by_hand = statements.join("; ");
                    let object = &completion.object;
                    observer.event(Event::Forgotten { object, why: &why, by_hand: &by_hand });
                    applied.left.push(completion.object);
                    continue;
                }
                true
            }
            Action::Rebuild { table, create } if foreign_keys_off => {
                complete::rebuild(session, table, create).await?;
                true
            }
            Action::Rebuild { .. } | Action::Leave => false,
        };
        observer.event(Event::Completed { object: &completion.object, done });
        if done {
            applied.completed.push(completion.object);
        } else {
            applied.left.push(completion.object);
        }
    }
}

async fn run_all(
    session: &mut dyn Session,
    id: &ObjectId,
    statements: &[String],
    schemas: (&SchemaDump, &SchemaDump, &SchemaDump),
) -> Result<(), Stop> {
    if session.dialect() == Dialect::Postgres {
        return dependents::run(session, id, statements, schemas).await;
    }
    for statement in statements {
        session.execute(statement).await?;
    }
    Ok(())
}

/// Returns why it cannot be, or should not while everybody waits.
async fn run_if_it_can_be(
    session: &mut dyn Session,
    id: &ObjectId,
    statements: &[String],
    schemas: (&SchemaDump, &SchemaDump, &SchemaDump),
) -> Result<Option<String>, Stop> {
    let dialect = session.dialect();
    if dialect == Dialect::Postgres && id.kind == DumpKind::Index {
        let made = statements.iter().flat_map(|s| parse_script(s, dialect).statements);
        let of = made.flat_map(|s| s.changes().to_vec()).find_map(|change| match change {
            Change::CreateIndex { index, .. } => Some(dialect.quote_name(&index.table)),
            _ => None,
        });
        if let Some(table) = of {
            let size = format!(
                "SELECT coalesce(pg_catalog.pg_relation_size(pg_catalog.to_regclass({})), 0)",
                dialect.literal(&table)
            );
            if session.number(&size).await? > SMALL {
                return Ok(Some("its table is large, and writes would wait for it".to_owned()));
            }
        }
    }
    let transactional = !dialect.is_mysql_family();
    if transactional {
        session.execute("SAVEPOINT downhaul_mend").await?;
    }
    match run_all(session, id, statements, schemas).await {
        Ok(()) => {
            if transactional {
                session.execute("RELEASE SAVEPOINT downhaul_mend").await?;
            }
            Ok(None)
        }
        Err(stop) => {
            let Some(why) = stop.refusal() else { return Err(stop) };
            if transactional {
                session.execute("ROLLBACK TO SAVEPOINT downhaul_mend").await?;
                session.execute("RELEASE SAVEPOINT downhaul_mend").await?;
            }
            Ok(Some(why))
        }
    }
}

/// SQLite: columns that the down did not bring back, added bare so that their values can go in; the
/// rebuild by the old definition follows.
async fn add_missing_columns(
    session: &mut dyn Session,
    points: &[RestorePoint],
) -> Result<(), Stop> {
    for kept in points.iter().flat_map(|point| &point.kept) {
        let Some(now) = session.table_shape(&kept.table).await? else { continue };
        for column in kept.lost_columns().filter(|c| now.column(&c.name).is_none()) {
            if let Some(shape) = kept.shape.column(&column.name) {
                session.execute(&bare_column(Dialect::Sqlite, kept, shape)).await?;
            }
        }
    }
    Ok(())
}

/// Turns off the user's triggers and defers foreign keys on the tables that data goes back to.
/// Returns the statements that undo it, in order.
async fn quiet(session: &mut dyn Session, points: &[RestorePoint]) -> Result<Vec<String>, Stop> {
    let dialect = session.dialect();
    let mut off = Vec::new();
    let mut check = Vec::new();
    let mut on = Vec::new();
    let tables: BTreeSet<_> =
        points.iter().flat_map(|point| &point.kept).map(|kept| kept.table.clone()).collect();
    if dialect == Dialect::Sqlite && !tables.is_empty() {
        off.push("PRAGMA defer_foreign_keys = ON".to_owned());
    }
    for name in tables {
        let Some(shape) = session.table_shape(&name).await? else { continue };
        let table = dialect.quote_name(&shape.name);
        for trigger in &shape.triggers {
            let quoted = dialect.quote(trigger);
            if dialect == Dialect::Postgres {
                off.push(format!("ALTER TABLE {table} DISABLE TRIGGER {quoted}"));
                on.push(format!("ALTER TABLE {table} ENABLE TRIGGER {quoted}"));
            } else {
                let literal = dialect.literal(trigger.as_str());
                let row = session
                    .row(&format!(
                        "SELECT sql FROM sqlite_schema WHERE type = 'trigger' AND name = {literal}"
                    ))
                    .await?;
                if let Some(row) = row {
                    off.push(format!("DROP TRIGGER {quoted}"));
                    on.push(row.text(0).to_owned());
                }
            }
        }
        if dialect == Dialect::Postgres && shape.foreign_keys.iter().any(|key| !key.deferrable) {
            for (table, name) in undeferred(session, &table).await? {
                // The owner may do this, and it costs nothing: no row is checked again.
                let defer = format!(
                    "ALTER TABLE {table} ALTER CONSTRAINT {name} DEFERRABLE INITIALLY DEFERRED"
                );
                if off.contains(&defer) {
                    continue;
                }
                off.push(defer);
                on.push(format!("ALTER TABLE {table} ALTER CONSTRAINT {name} NOT DEFERRABLE"));
                check = vec!["SET CONSTRAINTS ALL IMMEDIATE".to_owned()];
            }
        }
    }
    for statement in &off {
        session.execute(statement).await?;
    }
    check.extend(on);
    Ok(check)
}

/// The foreign keys of a table (quoted) that cannot wait, as table and name: those of a partition belong
/// to its partitioned table, which alone can change them.
async fn undeferred(session: &mut dyn Session, table: &str) -> Result<Vec<(String, String)>, Stop> {
    let own = "k.oid, k.conparentid, k.conrelid, k.conname, k.condeferrable";
    let rows = session
        .rows(&format!(
            "WITH RECURSIVE up AS (SELECT {own} FROM pg_catalog.pg_constraint k WHERE k.conrelid = {}::regclass AND k.contype = 'f' \
               UNION SELECT {own} FROM pg_catalog.pg_constraint k JOIN up ON k.oid = up.conparentid) \
             SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), pg_catalog.format('%I', up.conname) FROM up \
             JOIN pg_catalog.pg_class c ON c.oid = up.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE up.conparentid = 0 AND NOT up.condeferrable ORDER BY up.oid",
            Dialect::Postgres.literal(table)
        ))
        .await?;
    Ok(rows.iter().map(|row| (row.text(0).to_owned(), row.text(1).to_owned())).collect())
}

/// `ADD COLUMN c text NOT NULL` cannot run on a table with rows, although we hold a value for each
/// of them: the column is added bare, filled, and then made as it was.
pub(crate) fn substitute(
    dialect: Dialect,
    statement: &Statement,
    points: &[RestorePoint],
) -> Substitute {
    let Parsed::Changes(changes) = &statement.parsed else { return Substitute::None };
    let [Change::AddColumn { table, column, .. }] = changes.as_slice() else {
        return Substitute::None;
    };
    let lost = |name: &Ident| {
        points.iter().flat_map(|point| &point.kept).find_map(|kept| {
            let of_table = kept.table.name == table.name;
            let lost = of_table && kept.column(name).is_some_and(|column| column.is_lost());
            kept.shape.column(name).filter(|_| lost).map(|shape| (kept, shape))
        })
    };
    if dialect == Dialect::Sqlite && column.not_null && column.generated.is_none() {
        // It could be NULL before; the table is built anew by its old definition at the end.
        if let Some((kept, shape)) = lost(&column.name).filter(|(_, shape)| !shape.not_null) {
            let default = column.default.as_ref().map(|default| format!("({})", default.text));
            return Substitute::Instead(vec![bare(dialect, kept, shape, default.as_deref())]);
        }
    }
    // MySQL fills in what the type means by nothing, but for dates and JSON there is no such value.
    let dates = ["date", "datetime", "timestamp", "json"];
    let fills = dialect.is_mysql_family()
        && !column.ty.as_ref().is_some_and(|ty| dates.contains(&ty.name.as_str()));
    if fills
        || !column.not_null
        || column.default.is_some()
        || column.generated.is_some()
        || column.identity.is_some()
    {
        return Substitute::None;
    }
    match lost(&column.name) {
        Some((kept, shape)) => Substitute::Instead(vec![bare_column(dialect, kept, shape)]),
        None => Substitute::None,
    }
}

/// Statement that adds a lost column without what would refuse rows written since.
fn bare_column(dialect: Dialect, kept: &Kept, shape: &downhaul_engine::ColumnShape) -> String {
    bare(dialect, kept, shape, shape.default.as_deref())
}

fn bare(
    dialect: Dialect,
    kept: &Kept,
    shape: &downhaul_engine::ColumnShape,
    default: Option<&str>,
) -> String {
    let default = default.map(|default| format!(" DEFAULT {default}")).unwrap_or_default();
    format!(
        "ALTER TABLE {} ADD COLUMN {} {}{default}",
        dialect.quote_name(&kept.table),
        dialect.quote(&shape.name),
        shape.ty
    )
}

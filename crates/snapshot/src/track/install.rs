//! Switching tracking on and off.

use std::collections::BTreeMap;

use downhaul_engine::{Row, Session, TableShape};
use downhaul_syntax::Dialect;

use super::around::{Around, form};
use super::choose::Facts;
use super::intend::{Intent, facts_here as facts, refused};
use super::{Tracked, TrackedColumn, Version, postgres, record};
use crate::composite;
use crate::numbered;
use crate::store::SnapshotError;

const D: Dialect = Dialect::Postgres;

/// The form that a table has now.
pub(super) async fn version_of(
    session: &mut dyn Session,
    shape: &TableShape,
    facts: &Facts,
    number: i64,
) -> Result<Version, SnapshotError> {
    let numbers = session
        .rows(&format!(
            "SELECT attname, attnum, attlen FROM pg_catalog.pg_attribute WHERE attrelid = {} AND attnum > 0 AND NOT attisdropped",
            facts.relation
        ))
        .await?;
    let numbers: BTreeMap<&str, _> = numbers.iter().map(|row| (row.text(0), row)).collect();
    let (mut columns, mut lengths) = (Vec::new(), Vec::new());
    for column in shape.writable() {
        let number = numbers.get(column.name.as_str());
        lengths.push(match number {
            // Held as text.
            Some(row) if !column.user_type => row.number(2)?,
            _ => -1,
        });
        columns.push(TrackedColumn {
            name: column.name.clone(),
            ty: column.ty.clone(),
            user_type: column.user_type,
            number: match number {
                Some(row) => row.number(1)?,
                None => 0,
            },
        });
    }
    // A generated column in the key is not kept, so it cannot tell rows of the history apart.
    let key = if shape.key.iter().all(|k| columns.iter().any(|c| c.name == *k)) {
        shape.key.clone()
    } else {
        Vec::new()
    };
    // Rows without a key are counted, and counting has no order.
    let again = facts.again && !key.is_empty();
    // What is written down before it happens is in order by itself.
    let nested = facts.nests && !key.is_empty() && !again;
    let composite = composite::wide(&lengths);
    Ok(Version { number, relation: facts.relation, columns, key, nested, again, composite })
}

/// Leaves of a partition tree with their names, quoted; the table itself where it has none.
pub(super) async fn leaves(
    session: &mut dyn Session,
    tracked: &Tracked,
) -> Result<Vec<(i64, String)>, SnapshotError> {
    if !tracked.partitioned {
        return Ok(vec![(tracked.relation, D.quote_name(&tracked.name))]);
    }
    let rows = session
        .rows(&format!(
            "SELECT c.oid, pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_partition_tree({}) p \
             JOIN pg_catalog.pg_class c ON c.oid = p.relid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE p.isleaf AND c.relkind = 'r' ORDER BY c.oid",
            tracked.relation
        ))
        .await?;
    rows.iter().map(|row| Ok((row.number(0)?, row.text(1).to_owned()))).collect()
}

/// Makes the functions and triggers of the current version, in place of those that are there.
pub(super) async fn install(
    session: &mut dyn Session,
    tracked: &mut Tracked,
) -> Result<(), SnapshotError> {
    let gone = [remove_triggers(session, tracked.id).await?, vec![drop_functions(tracked.id)]];
    session.execute(&gone.concat().join(";\n")).await?;
    make(session, tracked).await
}

/// Statement that takes the functions of a tracked table away, its triggers being gone.
fn drop_functions(id: i64) -> String {
    format!("DROP FUNCTION IF EXISTS {}", postgres::function_names(id).join(", "))
}

/// The same where there are none. In one message, since thousands of tables may be tracked one behind the other.
async fn make(session: &mut dyn Session, tracked: &mut Tracked) -> Result<(), SnapshotError> {
    let mut statements = postgres::functions(tracked);
    let leaves = leaves(session, tracked).await?;
    let root = D.quote_name(&tracked.name);
    let mut names = Vec::new();
    for trigger in postgres::triggers(tracked) {
        let tables: Vec<String> = if trigger.on_leaves {
            leaves.iter().map(|(_, name)| name.clone()).collect()
        } else {
            vec![root.clone()]
        };
        let name = D.quote_str(&trigger.name);
        for table in tables {
            statements
                .push(format!("CREATE TRIGGER {name} {}", trigger.body.replace("{}", &table)));
            // Also what a subscription applies, or a session with triggers off writes.
            statements.push(format!("ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}"));
        }
        names.push(trigger.name);
    }
    session.execute(&statements.join(";\n")).await?;
    tracked.triggers = names;
    let parts = leaves.into_iter().filter(|_| tracked.partitioned);
    tracked.leaves = parts.map(|(number, _)| number).collect();
    Ok(())
}

/// Statements that take the triggers of a tracked table away, wherever they are: a partition that was
/// detached has some still.
async fn remove_triggers(session: &mut dyn Session, id: i64) -> Result<Vec<String>, SnapshotError> {
    // By their functions, of which the server has indexes.
    let names = postgres::FUNCTIONS.map(|name| format!("'log_{id}_{name}'"));
    let found = session
        .rows(&format!(
            "SELECT pg_catalog.format('%I', t.tgname), pg_catalog.format('%I.%I', n.nspname, c.relname) \
             FROM pg_catalog.pg_proc f JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_proc'::regclass AND d.refobjid = f.oid \
             JOIN pg_catalog.pg_trigger t ON d.classid = 'pg_catalog.pg_trigger'::regclass AND t.oid = d.objid \
             JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE t.tgparentid = 0 AND NOT t.tgisinternal AND t.tgname LIKE '_downhaul\\_track%' \
               AND f.pronamespace = 'downhaul'::regnamespace AND f.proname IN ({})",
            names.join(", ")
        ))
        .await?;
    let gone = |row: &Row| format!("DROP TRIGGER {} ON {}", row.text(0), row.text(1));
    Ok(found.iter().map(gone).collect())
}

/// The table's owner, not a superuser who switches tracking on, is whose rights the functions use.
pub(super) async fn hand_over(
    session: &mut dyn Session,
    tracked: &Tracked,
    facts: &Facts,
) -> Result<(), SnapshotError> {
    if !facts.superuser || facts.owner == session.server().user {
        return Ok(());
    }
    let owner = D.quote_str(&facts.owner);
    let (id, version) = (tracked.id, tracked.current().number);
    let table = super::history(id, version);
    let mut statements = vec![format!("ALTER TABLE {table} OWNER TO {owner}")];
    let may = session
        .row(&format!(
            "SELECT pg_catalog.has_schema_privilege({}, 'downhaul', 'USAGE')",
            D.literal(&facts.owner)
        ))
        .await?;
    if !may.is_some_and(|row| row.flag(0)) {
        // Not again for each of its tables: what changes a schema makes the server forget all plans.
        statements.insert(0, format!("GRANT USAGE ON SCHEMA downhaul TO {owner}"));
    }
    if tracked.current().composite {
        let form = postgres::form(id, version);
        statements.push(format!("ALTER TABLE {form} OWNER TO {owner}"));
    }
    statements.push(format!("ALTER SEQUENCE downhaul.log_{id}_seq OWNER TO {owner}"));
    for function in postgres::functions(tracked) {
        let name = function
            .split_once("FUNCTION ")
            .and_then(|(_, rest)| rest.split_once(' '))
            .map_or("", |(name, _)| name);
        statements.push(format!("ALTER FUNCTION {name} OWNER TO {owner}"));
    }
    session.execute(&statements.join(";\n")).await?;
    Ok(())
}

/// Begins to track a table. Within a transaction, under the migration lock; from its commit on
/// every change is kept.
pub async fn track(
    session: &mut dyn Session,
    around: &Around,
    intents: &[Intent],
) -> Result<Vec<Tracked>, SnapshotError> {
    if numbered::is(session.dialect()) {
        return numbered::install::track(session, around, intents).await;
    }
    let mut done = Vec::with_capacity(intents.len());
    for intent in intents {
        done.push(track_here(session, intent).await?);
    }
    Ok(done)
}

/// The same of one table of PostgreSQL.
async fn track_here(session: &mut dyn Session, intent: &Intent) -> Result<Tracked, SnapshotError> {
    super::ensure(session).await?;
    let name = &intent.shape.name;
    // Waits until whoever has written has ended: from here on every writer meets the triggers.
    session
        .execute(&format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", D.quote_name(name)))
        .await?;
    // What was looked at before the lock may have changed.
    let facts = facts(session, name).await?;
    let shape =
        session.table_shape(name).await?.ok_or_else(|| refused(name, "there is no such table"))?;
    let known = session
        .number(&format!(
            "SELECT count(*) FROM downhaul.tracked WHERE relation = {}",
            facts.relation
        ))
        .await?;
    if known > 0 {
        return Err(refused(name, "it is tracked already"));
    }
    // Names of functions and tables are never used twice.
    let mut id = session.number("SELECT coalesce(max(id), 0) + 1 FROM downhaul.tracked").await?;
    let is_taken =
        |id: i64| format!("SELECT count(pg_catalog.to_regclass('downhaul.log_{id}_seq'))");
    while session.number(&is_taken(id)).await? > 0 {
        id += 1;
    }
    let version = version_of(session, &shape, &facts, 1).await?;
    let mut tracked = Tracked {
        capture: intent.capture,
        chosen: intent.chosen,
        partitioned: facts.kind == "p",
        ..Tracked::new(id, shape.name.clone(), D, vec![version])
    };
    // CACHE 1: numbers must follow the order in which they are drawn.
    let mut statements = vec![format!("CREATE SEQUENCE downhaul.log_{id}_seq CACHE 1")];
    statements.extend(postgres::create_history(&tracked));
    session.execute(&statements.join(";\n")).await?;
    make(session, &mut tracked).await?;
    hand_over(session, &tracked, &facts).await?;
    session.execute(&record(&tracked, true)?).await?;
    tracked.seen = form(session, &Around::default(), &tracked).await?;
    session.execute(&record(&tracked, false)?).await?;
    Ok(tracked)
}

/// MariaDB and MySQL: triggers of all trackings, which are looked for once.
#[derive(Debug, Default)]
pub struct Standing(BTreeMap<i64, Vec<String>>);

impl Standing {
    /// Looks for them.
    pub async fn read(session: &mut dyn Session) -> Result<Self, SnapshotError> {
        Ok(Self(numbered::install::all_standing(session).await?))
    }
}

/// Ends the tracking of a table and drops its history.
pub async fn untrack(
    session: &mut dyn Session,
    tables: &[Tracked],
    standing: &Standing,
) -> Result<(), SnapshotError> {
    if numbered::is(session.dialect()) {
        return numbered::install::untrack(session, tables, &standing.0).await;
    }
    for tracked in tables {
        untrack_here(session, tracked).await?;
    }
    Ok(())
}

/// The same of one table of PostgreSQL.
async fn untrack_here(session: &mut dyn Session, tracked: &Tracked) -> Result<(), SnapshotError> {
    let mut statements = remove_triggers(session, tracked.id).await?;
    statements.push(drop_functions(tracked.id));
    for version in &tracked.versions {
        let table = super::history(tracked.id, version.number);
        statements.push(format!("DROP TABLE IF EXISTS {table}"));
        if version.composite {
            let form = postgres::form(tracked.id, version.number);
            statements.push(format!("DROP TABLE IF EXISTS {form}"));
        }
    }
    statements.push(format!("DROP SEQUENCE IF EXISTS downhaul.log_{}_seq", tracked.id));
    statements.push(format!("DELETE FROM downhaul.tracked WHERE id = {}", tracked.id));
    session.execute(&statements.join(";\n")).await?;
    Ok(())
}

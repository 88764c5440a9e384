//! Switching tracking on and off, and keeping it in step with the table.

use downhaul_engine::{Session, TableShape};
use downhaul_syntax::{Change, Dialect, Ident, ObjectName};

use super::choose::{self, Facts};
use super::{Capture, Event, Tracked, TrackedColumn, Version, postgres, record};
use crate::numbered;
use crate::sql;
use crate::store::SnapshotError;

const D: Dialect = Dialect::Postgres;

/// A joined row may have 1,664 columns (PostgreSQL manual, appendix K, and MaxTupleAttributeNumber):
/// a restore that keeps what came later joins three states of each row.
const MOST_COLUMNS: usize = 540;

/// What a table will cost, before it is tracked.
#[derive(Clone, Debug)]
pub struct Intent {
    /// Engine.
    pub dialect: Dialect,
    /// The table.
    pub shape: TableShape,
    /// What is known of it.
    pub facts: Facts,
    /// How it will be captured.
    pub capture: Capture,
    /// The person chose so.
    pub chosen: bool,
    /// Why.
    pub reason: String,
    /// What a person should know before.
    pub warnings: Vec<String>,
}

fn refused(name: &ObjectName, reason: &str) -> SnapshotError {
    SnapshotError::CannotTrack(format!("{name} cannot be tracked: {reason}"))
}

/// What the server knows of a table.
pub async fn facts(session: &mut dyn Session, name: &ObjectName) -> Result<Facts, SnapshotError> {
    if numbered::is(session.dialect()) {
        return numbered::install::facts(session, name).await;
    }
    let literal = D.literal(&D.quote_name(name));
    let row = session
        .row(&format!(
            "SELECT c.oid, c.relkind, c.relispartition, \
               c.relkind = 'r' AND NOT c.relispartition AND EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE c.oid IN (i.inhrelid, i.inhparent)), \
               EXISTS (SELECT FROM pg_catalog.pg_subscription_rel s WHERE s.srrelid IN (SELECT c.oid UNION SELECT p.relid FROM pg_catalog.pg_partition_tree(c.oid) p)), \
               EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgtype & 66 = 0 \
                        AND t.tgname NOT LIKE '_downhaul%') \
                 OR EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.confrelid = c.oid AND k.contype = 'f' \
                        AND (k.confdeltype IN ('c','n','d') OR k.confupdtype IN ('c','n','d'))), \
               c.relforcerowsecurity, \
               (SELECT rolsuper OR rolbypassrls FROM pg_catalog.pg_roles WHERE rolname = current_user), \
               pg_catalog.pg_has_role(c.relowner, 'USAGE'), pg_catalog.pg_get_userbyid(c.relowner), \
               (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user), \
               c.relpersistence, \
               coalesce((SELECT sum(greatest(x.reltuples, 0)) FROM pg_catalog.pg_class x WHERE x.oid = c.oid OR x.oid IN (SELECT relid FROM pg_catalog.pg_partition_tree(c.oid))), 0)::bigint, \
               coalesce((SELECT sum(pg_catalog.pg_table_size(x.oid)) FROM pg_catalog.pg_class x WHERE x.oid = c.oid OR x.oid IN (SELECT relid FROM pg_catalog.pg_partition_tree(c.oid))), 0)::bigint, \
               coalesce((SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_catalog.pg_stat_all_tables s WHERE s.relid = c.oid), 0)::bigint, \
               coalesce((SELECT sum(n_tup_upd + n_tup_del) FROM pg_catalog.pg_stat_all_tables s WHERE s.relid = c.oid), 0)::bigint, \
               coalesce((SELECT xact_commit FROM pg_catalog.pg_stat_database WHERE datname = current_database()), 0)::bigint, \
               coalesce((SELECT extract(epoch FROM pg_catalog.now() - coalesce(stats_reset, pg_catalog.pg_postmaster_start_time())) FROM pg_catalog.pg_stat_database WHERE datname = current_database()), 0)::bigint \
             FROM pg_catalog.pg_class c WHERE c.oid = pg_catalog.to_regclass({literal})"
        ))
        .await?
        .ok_or_else(|| refused(name, "there is no such table"))?;
    Ok(Facts {
        relation: row.number(0)?,
        kind: row.text(1).to_owned(),
        is_partition: row.flag(2),
        inherits: row.flag(3),
        subscribed: row.flag(4),
        nests: row.flag(5),
        forced_row_security: row.flag(6),
        bypasses_row_security: row.flag(7),
        owned: row.flag(8),
        owner: row.text(9).to_owned(),
        superuser: row.flag(10),
        persistence: row.text(11).to_owned(),
        rows: row.number(12)?,
        bytes: row.number(13)?,
        writes: row.number(14)?,
        overwrites: row.number(15)?,
        commits: row.number(16)?,
        seconds: row.number(17)?,
    })
}

/// Works out how a table would be tracked; refuses those that cannot be.
pub async fn intend(
    session: &mut dyn Session,
    name: &ObjectName,
    wish: Option<Capture>,
) -> Result<Intent, SnapshotError> {
    super::check_engine(session)?;
    if numbered::is(session.dialect()) {
        return numbered::install::intend(session, name, wish).await;
    }
    let facts = facts(session, name).await?;
    match facts.kind.as_str() {
        "r" | "p" => {}
        "v" | "m" => return Err(refused(name, "it is a view: track the tables that it reads")),
        "f" => return Err(refused(name, "its rows live on another server")),
        _ => return Err(refused(name, "it is no table")),
    }
    if facts.is_partition {
        return Err(refused(name, "it is a partition: track the table that it belongs to"));
    }
    match facts.persistence.as_str() {
        "t" => return Err(refused(name, "it is temporary")),
        "u" => {
            return Err(refused(
                name,
                "it is UNLOGGED: a crash empties it without a trace, so its history would lie",
            ));
        }
        _ => {}
    }
    if !facts.owned {
        return Err(refused(
            name,
            &format!("only its owner ({}) may put triggers on it and read its rows", facts.owner),
        ));
    }
    let shape =
        session.table_shape(name).await?.ok_or_else(|| refused(name, "there is no such table"))?;
    let columns = shape.writable().count();
    if columns == 0 {
        return Err(refused(name, "it has no column that could be kept"));
    }
    if columns > MOST_COLUMNS {
        return Err(refused(
            name,
            &format!("it has {columns} columns; history has room for {MOST_COLUMNS}"),
        ));
    }
    let (capture, reason) = choose::capture(&facts, wish);
    let mut warnings = Vec::new();
    if shape.key.is_empty() {
        warnings.push("it has no key: rows are told apart by their whole content, and both what a row was and what it became are kept".to_owned());
    }
    if facts.forced_row_security && !facts.bypasses_row_security {
        warnings.push("row security binds its owner too: TRUNCATE is refused while it is tracked, and a restore lifts FORCE ROW LEVEL SECURITY for its transaction".to_owned());
    }
    if facts.inherits {
        warnings.push(
            "only its own rows are tracked: track the tables that inherit from it as well"
                .to_owned(),
        );
    }
    let chosen = wish == Some(capture);
    Ok(Intent { dialect: D, shape, facts, capture, chosen, reason, warnings })
}

/// The form that a table has now.
async fn version_of(
    session: &mut dyn Session,
    shape: &TableShape,
    facts: &Facts,
    number: i64,
) -> Result<Version, SnapshotError> {
    let numbers = session
        .rows(&format!(
            "SELECT attname, attnum FROM pg_catalog.pg_attribute WHERE attrelid = {} AND attnum > 0 AND NOT attisdropped",
            facts.relation
        ))
        .await?;
    let mut columns = Vec::new();
    for column in shape.writable() {
        let number = numbers.iter().find(|row| row.text(0) == column.name.as_str());
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
    let nested = facts.nests && !key.is_empty();
    Ok(Version { number, relation: facts.relation, columns, key, nested })
}

/// Leaves of a partition tree with their names, quoted; the table itself where it has none.
async fn leaves(
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
async fn install(session: &mut dyn Session, tracked: &mut Tracked) -> Result<(), SnapshotError> {
    remove_triggers(session, tracked.id).await?;
    for function in postgres::function_names(tracked.id) {
        session.execute(&format!("DROP FUNCTION IF EXISTS {function}")).await?;
    }
    for function in postgres::functions(tracked) {
        session.execute(&function).await?;
    }
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
            session
                .execute(&format!("CREATE TRIGGER {name} {}", trigger.body.replace("{}", &table)))
                .await?;
            // Also what a subscription applies, or a session with triggers off writes.
            session.execute(&format!("ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")).await?;
        }
        names.push(trigger.name);
    }
    tracked.triggers = names;
    let parts = leaves.into_iter().filter(|_| tracked.partitioned);
    tracked.leaves = parts.map(|(number, _)| number).collect();
    Ok(())
}

/// Takes the triggers of a tracked table away, wherever they are: a partition that was detached has
/// some still.
async fn remove_triggers(session: &mut dyn Session, id: i64) -> Result<(), SnapshotError> {
    let found = session
        .rows(&format!(
            "SELECT pg_catalog.format('%I', t.tgname), pg_catalog.format('%I.%I', n.nspname, c.relname) \
             FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_proc f ON f.oid = t.tgfoid \
             WHERE t.tgparentid = 0 AND NOT t.tgisinternal AND t.tgname LIKE '_downhaul\\_track%' \
               AND f.pronamespace = 'downhaul'::regnamespace AND f.proname LIKE 'log\\_{id}\\_%'"
        ))
        .await?;
    for row in &found {
        session.execute(&format!("DROP TRIGGER {} ON {}", row.text(0), row.text(1))).await?;
    }
    Ok(())
}

/// The table's owner, not a superuser who switches tracking on, is whose rights the functions use.
async fn hand_over(
    session: &mut dyn Session,
    tracked: &Tracked,
    facts: &Facts,
) -> Result<(), SnapshotError> {
    if !facts.superuser || facts.owner == session.server().user {
        return Ok(());
    }
    let owner = D.quote_str(&facts.owner);
    let (id, version) = (tracked.id, tracked.current().number);
    session.execute(&format!("GRANT USAGE ON SCHEMA downhaul TO {owner}")).await?;
    let table = super::history(id, version);
    session.execute(&format!("ALTER TABLE {table} OWNER TO {owner}")).await?;
    session.execute(&format!("ALTER SEQUENCE downhaul.log_{id}_seq OWNER TO {owner}")).await?;
    for function in postgres::functions(tracked) {
        let name = function
            .split_once("FUNCTION ")
            .and_then(|(_, rest)| rest.split_once(' '))
            .map_or("", |(name, _)| name);
        session.execute(&format!("ALTER FUNCTION {name} OWNER TO {owner}")).await?;
    }
    Ok(())
}

/// Begins to track a table. Within a transaction, under the migration lock; from its commit on
/// every change is kept.
pub async fn track(session: &mut dyn Session, intent: &Intent) -> Result<Tracked, SnapshotError> {
    if numbered::is(session.dialect()) {
        return numbered::install::track(session, intent).await;
    }
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
    if super::all(session).await?.iter().any(|t| t.relation == facts.relation) {
        return Err(refused(name, "it is tracked already"));
    }
    // Names of functions and tables are never used twice.
    let id = session
        .number(
            "SELECT greatest((SELECT coalesce(max(id), 0) FROM downhaul.tracked), \
               (SELECT coalesce(max(substring(relname FROM '^log_(\\d+)_')::bigint), 0) FROM pg_catalog.pg_class \
                WHERE relnamespace = 'downhaul'::regnamespace)) + 1",
        )
        .await?;
    let version = version_of(session, &shape, &facts, 1).await?;
    let mut tracked = Tracked {
        id,
        relation: facts.relation,
        name: shape.name.clone(),
        capture: intent.capture,
        chosen: intent.chosen,
        partitioned: facts.kind == "p",
        versions: vec![version],
        triggers: Vec::new(),
        kept_whole: false,
        dialect: D,
        former: None,
        leaves: Vec::new(),
        built: None,
    };
    // CACHE 1: numbers must follow the order in which they are drawn.
    session.execute(&format!("CREATE SEQUENCE downhaul.log_{id}_seq CACHE 1")).await?;
    for statement in postgres::create_history(&tracked) {
        session.execute(&statement).await?;
    }
    install(session, &mut tracked).await?;
    hand_over(session, &tracked, &facts).await?;
    session.execute(&record(&tracked, true)?).await?;
    Ok(tracked)
}

/// Ends the tracking of a table and drops its history.
pub async fn untrack(session: &mut dyn Session, tracked: &Tracked) -> Result<(), SnapshotError> {
    if numbered::is(session.dialect()) {
        return numbered::install::untrack(session, tracked).await;
    }
    remove_triggers(session, tracked.id).await?;
    for function in postgres::function_names(tracked.id) {
        session.execute(&format!("DROP FUNCTION IF EXISTS {function}")).await?;
    }
    for version in &tracked.versions {
        let table = super::history(tracked.id, version.number);
        session.execute(&format!("DROP TABLE IF EXISTS {table}")).await?;
    }
    session.execute(&format!("DROP SEQUENCE IF EXISTS downhaul.log_{}_seq", tracked.id)).await?;
    session.execute(&format!("DELETE FROM downhaul.tracked WHERE id = {}", tracked.id)).await?;
    Ok(())
}

/// A way in which tracking is not in step with its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drift {
    /// The table is gone.
    Gone,
    /// Its name changed.
    Renamed,
    /// Columns or key changed.
    Reshaped,
    /// Triggers are missing, switched off, or no longer suffice.
    Triggers,
    /// It was emptied or built anew behind the triggers.
    Emptied,
    /// A partition was detached or dropped, and its rows with it.
    Partitions,
}

/// Looks whether tracking still fits the table. Reads only.
pub async fn drift(
    session: &mut dyn Session,
    tracked: &Tracked,
) -> Result<Option<Drift>, SnapshotError> {
    if numbered::is(session.dialect()) {
        return numbered::install::drift(session, tracked).await;
    }
    let Some(name) = name_of(session, tracked.relation).await? else {
        return Ok(Some(Drift::Gone));
    };
    let Some(shape) = session.table_shape(&name).await? else { return Ok(Some(Drift::Gone)) };
    let facts = facts(session, &name).await?;
    let current = tracked.current();
    let now = version_of(session, &shape, &facts, current.number).await?;
    if now.columns != current.columns || now.key != current.key {
        return Ok(Some(Drift::Reshaped));
    }
    if name != tracked.name {
        return Ok(Some(Drift::Renamed));
    }
    let (capture, _) = choose::capture(&facts, tracked.chosen.then_some(tracked.capture));
    let must_be_row = capture == Capture::Row && tracked.capture == Capture::Statement && {
        facts.subscribed || facts.inherits || facts.kind == "p"
    };
    if must_be_row || now.nested && !current.nested {
        return Ok(Some(Drift::Triggers));
    }
    let leaves = leaves(session, tracked).await?;
    if tracked.leaves.iter().any(|known| !leaves.iter().any(|(number, _)| number == known)) {
        return Ok(Some(Drift::Partitions));
    }
    let leaves = leaves.len();
    let wanted: usize = postgres::triggers(tracked)
        .iter()
        .map(|trigger| if trigger.on_leaves { leaves } else { 1 })
        .sum();
    let found = session
        .number(&format!(
            "SELECT count(*) FROM pg_catalog.pg_trigger t WHERE t.tgname LIKE '_downhaul\\_track%' AND t.tgenabled = 'A' AND t.tgparentid = 0 \
             AND (t.tgrelid = {0} OR t.tgrelid IN (SELECT relid FROM pg_catalog.pg_partition_tree({0})))",
            tracked.relation
        ))
        .await?;
    let missing = usize::try_from(found).unwrap_or(0) != wanted;
    Ok(missing.then_some(Drift::Triggers))
}

async fn name_of(
    session: &mut dyn Session,
    relation: i64,
) -> Result<Option<ObjectName>, SnapshotError> {
    let row = session
        .row(&format!(
            "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = {relation}"
        ))
        .await?;
    Ok(row.map(|row| ObjectName {
        schema: Some(Ident::stored(D, row.text(0))),
        name: Ident::stored(D, row.text(1)),
    }))
}

/// What a migration is about to do to a tracked table that its triggers cannot see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endangering {
    /// `DROP TABLE`.
    Drop(ObjectName),
    /// Columns dropped or of another type.
    Reshape(ObjectName, Vec<Ident>),
    /// `DETACH PARTITION`.
    Detach(ObjectName),
}

impl Endangering {
    /// The table.
    #[must_use]
    pub fn table(&self) -> &ObjectName {
        match self {
            Self::Drop(name) | Self::Reshape(name, _) | Self::Detach(name) => name,
        }
    }
}

/// Before a statement of a migration: writes down what its triggers would not see, and takes a
/// trigger out of the way that would forbid the statement. Within the migration's transaction. `all`
/// that the statement does of this kind.
pub async fn before(
    session: &mut dyn Session,
    endangering: &Endangering,
    all: &[Endangering],
) -> Result<(), SnapshotError> {
    if numbered::is(session.dialect()) {
        return numbered::install::before(session, endangering).await;
    }
    let name = endangering.table();
    if matches!(endangering, Endangering::Drop(_) | Endangering::Detach(_)) {
        leave(session, name, all).await?;
    }
    let Some(shape) = session.table_shape(name).await? else { return Ok(()) };
    let found = super::all(session).await?.into_iter().find(|t| t.name == shape.name);
    let Some(mut tracked) = found.filter(|t| t.relation != 0) else { return Ok(()) };
    // The statement takes this lock anyway; the copy then sees the same rows.
    let table = D.quote_name(&shape.name);
    session.execute(&format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")).await?;
    let current = tracked.current().clone();
    match endangering {
        Endangering::Drop(_) => {
            session.execute(&postgres::copy_all(&tracked, &current, Event::Truncated)).await?;
            tracked.kept_whole = true;
            session.execute(&record(&tracked, false)?).await?;
        }
        Endangering::Reshape(_, columns) if tracked.has_key() => {
            session.execute(&postgres::copy_all(&tracked, &current, Event::Reshaped)).await?;
            if columns.iter().any(|c| current.key.contains(c)) {
                let name = D.quote_str(&format!("{}_k", postgres::FIRST));
                session.execute(&format!("DROP TRIGGER IF EXISTS {name} ON {table}")).await?;
            }
        }
        Endangering::Reshape(..) => {
            // Counted rows: all of this form go, and come again in the next.
            session.execute(&postgres::copy_all(&tracked, &current, Event::Truncated)).await?;
            tracked.kept_whole = true;
            session.execute(&record(&tracked, false)?).await?;
        }
        // What is tracked is no partition.
        Endangering::Detach(_) => {}
    }
    Ok(())
}

/// Rows of a partition are about to leave its table: they are written down as deleted.
async fn leave(
    session: &mut dyn Session,
    name: &ObjectName,
    all: &[Endangering],
) -> Result<(), SnapshotError> {
    let oid =
        |name: &ObjectName| format!("pg_catalog.to_regclass({})", D.literal(&D.quote_name(name)));
    let going: Vec<String> = all
        .iter()
        .filter(|e| !matches!(e, Endangering::Reshape(..)))
        .map(|e| oid(e.table()))
        .collect();
    let row = session
        .row(&format!(
            "SELECT pg_catalog.pg_partition_root(c.oid)::oid, pg_catalog.format('%I.%I', n.nspname, c.relname), \
               (SELECT pg_catalog.format('%I.%I', pn.nspname, p.relname) FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class p ON p.oid = i.inhparent \
                  JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace WHERE i.inhrelid = c.oid), \
               EXISTS (SELECT FROM pg_catalog.pg_partition_ancestors(c.oid) a WHERE a.relid <> c.oid AND a.relid IN ({})) \
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = {} AND c.relispartition",
            going.join(", "),
            oid(name)
        ))
        .await?;
    // Where the whole goes too, its rows are written down with it.
    let Some(row) = row.filter(|row| !row.flag(3)) else { return Ok(()) };
    let root = row.number(0)?;
    let found = super::all(session).await?.into_iter().find(|t| t.relation == root);
    let Some(tracked) = found else { return Ok(()) };
    let (partition, parent) = (row.text(1), row.text(2));
    // The statement takes these locks anyway, in this order.
    session
        .execute(&format!("LOCK TABLE ONLY {parent}, {partition} IN ACCESS EXCLUSIVE MODE"))
        .await?;
    let version = tracked.current();
    session.execute(&postgres::copy_from(&tracked, version, Event::Truncated, partition)).await?;
    Ok(())
}

/// Who changed a table's form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The migration that runs: [`before`] was called where it had to be.
    Migration,
    /// Somebody, by hand: nobody kept what that destroyed.
    Outside,
}

/// Brings tracking back into step with the tables: after each statement of a migration, so that
/// nobody meets a table whose form and triggers do not fit, and before its first one. Within a
/// transaction. `changes`: what that statement does, which says what got another name where the
/// server does not number tables and columns. Returns what a person should know.
pub async fn resync(
    session: &mut dyn Session,
    origin: Origin,
    changes: &[Change],
) -> Result<Vec<String>, SnapshotError> {
    if numbered::is(session.dialect()) {
        return numbered::install::resync(session, origin, changes).await;
    }
    let mut notes = Vec::new();
    for mut tracked in super::all(session).await? {
        let broken = if tracked.relation == 0 {
            // It may have come back under its name.
            let Some(shape) = session.table_shape(&tracked.name).await? else { continue };
            come_back(session, &mut tracked, &shape).await?
        } else {
            match drift(session, &tracked).await? {
                None => continue,
                Some(Drift::Gone) => {
                    tracked.relation = 0;
                    session.execute(&record(&tracked, false)?).await?;
                    continue;
                }
                Some(Drift::Renamed) => {
                    let Some(name) = name_of(session, tracked.relation).await? else { continue };
                    tracked.name = name;
                    false
                }
                Some(
                    drift
                    @ (Drift::Reshaped | Drift::Triggers | Drift::Emptied | Drift::Partitions),
                ) => follow(session, &mut tracked, drift, origin).await?,
            }
        };
        session.execute(&record(&tracked, false)?).await?;
        if broken {
            notes.push(format!(
                "the history of {} begins anew: marks from before cannot be reached for it",
                tracked.label()
            ));
            session
                .execute(&format!(
                    "UPDATE downhaul.tracked SET since_xid = pg_catalog.pg_current_xact_id(), \
                     since_at = pg_catalog.clock_timestamp() WHERE id = {}",
                    tracked.id
                ))
                .await?;
        }
    }
    Ok(notes)
}

/// A table that was dropped is there again. Returns whether the history has a hole.
async fn come_back(
    session: &mut dyn Session,
    tracked: &mut Tracked,
    shape: &TableShape,
) -> Result<bool, SnapshotError> {
    let facts = facts(session, &shape.name).await?;
    if !matches!(facts.kind.as_str(), "r" | "p") || facts.is_partition {
        return Ok(false);
    }
    let before = tracked.current().clone();
    tracked.relation = facts.relation;
    new_version(session, tracked, shape, &facts).await?;
    let current = tracked.current().clone();
    session.execute(&postgres::copy_all(tracked, &current, Event::Born)).await?;
    let whole = std::mem::take(&mut tracked.kept_whole);
    Ok(!whole || before.key != current.key)
}

/// The form of a table, or what may happen to it, changed. Returns whether the history has a hole.
async fn follow(
    session: &mut dyn Session,
    tracked: &mut Tracked,
    drift: Drift,
    origin: Origin,
) -> Result<bool, SnapshotError> {
    let Some(name) = name_of(session, tracked.relation).await? else { return Ok(false) };
    let Some(shape) = session.table_shape(&name).await? else { return Ok(false) };
    let facts = facts(session, &name).await?;
    tracked.name = name;
    let before = tracked.current().clone();
    let known = tracked.leaves.clone();
    let wish = tracked.chosen.then_some(tracked.capture);
    let (capture, _) = choose::capture(&facts, wish);
    if facts.subscribed || facts.inherits || facts.kind == "p" {
        tracked.capture = capture;
    }
    new_version(session, tracked, &shape, &facts).await?;
    let now = tracked.current().clone();
    let numbers = |v: &Version| -> Vec<i64> {
        v.key.iter().filter_map(|k| v.column(k)).map(|c| c.number).collect()
    };
    if numbers(&before) != numbers(&now) {
        tracked.kept_whole = false;
        return Ok(true);
    }
    let still_there =
        |old: &TrackedColumn| now.columns.iter().any(|c| c.number == old.number && c.ty == old.ty);
    let lost_something = !before.columns.iter().all(still_there);
    let unseen = matches!(drift, Drift::Triggers | Drift::Partitions);
    if origin == Origin::Outside && (lost_something || unseen) {
        return Ok(true);
    }
    if tracked.partitioned && drift != Drift::Reshaped {
        // Rows with which a partition comes are new to the table.
        let unborn = postgres::not_born_yet(tracked);
        for (number, leaf) in leaves(session, tracked).await? {
            if !known.contains(&number) {
                let born = postgres::copy_from(tracked, &now, Event::Born, &leaf);
                session.execute(&format!("{born}{unborn}")).await?;
            }
        }
    }
    if drift == Drift::Reshaped && now.key.is_empty() {
        if !std::mem::take(&mut tracked.kept_whole) {
            session.execute(&postgres::copy_all(tracked, &before, Event::Truncated)).await?;
        }
        session.execute(&postgres::copy_all(tracked, &now, Event::Born)).await?;
    }
    Ok(false)
}

async fn new_version(
    session: &mut dyn Session,
    tracked: &mut Tracked,
    shape: &TableShape,
    facts: &Facts,
) -> Result<(), SnapshotError> {
    let number = tracked.current().number + 1;
    let version = version_of(session, shape, facts, number).await?;
    tracked.name = shape.name.clone();
    tracked.partitioned = facts.kind == "p";
    tracked.versions.push(version);
    for statement in postgres::create_history(tracked) {
        session.execute(&statement).await?;
    }
    install(session, tracked).await?;
    hand_over(session, tracked, facts).await
}

/// As [`parse_name`], for any engine.
pub fn parse_name_in(dialect: Dialect, text: &str) -> Result<ObjectName, SnapshotError> {
    if !dialect.is_mysql_family() {
        return parse_name(text);
    }
    // Names keep their case: on some systems it tells tables apart.
    let bare = text.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
    let name = bare.map_or_else(|| text.to_owned(), |name| name.replace("``", "`"));
    if name.is_empty() {
        return Err(SnapshotError::CannotTrack(format!("`{text}` is no name of a table")));
    }
    Ok(ObjectName::bare(Ident::stored(dialect, &name)))
}

/// How a live table's name is written by a person: `orders`, `shop.orders`, `"Odd name"`.
pub fn parse_name(text: &str) -> Result<ObjectName, SnapshotError> {
    let mut parts: Vec<Ident> = Vec::new();
    let mut rest = text;
    loop {
        let (part, quoted, after) = if let Some(body) = rest.strip_prefix('"') {
            let mut end = 0;
            let bytes = body.as_bytes();
            loop {
                match bytes.get(end) {
                    Some(b'"') if bytes.get(end + 1) == Some(&b'"') => end += 2,
                    Some(b'"') => break,
                    Some(_) => end += 1,
                    None => {
                        return Err(SnapshotError::CannotTrack(format!(
                            "`{text}` is no name of a table"
                        )));
                    }
                }
            }
            (body[..end].replace("\"\"", "\""), true, &body[end + 1..])
        } else {
            let end = rest.find('.').unwrap_or(rest.len());
            (rest[..end].to_owned(), false, &rest[end..])
        };
        if part.is_empty() {
            return Err(SnapshotError::CannotTrack(format!("`{text}` is no name of a table")));
        }
        parts.push(if quoted { Ident::stored(D, &part) } else { Ident::new(D, &part, false) });
        match after.strip_prefix('.') {
            Some(more) => rest = more,
            None if after.is_empty() => break,
            None => {
                return Err(SnapshotError::CannotTrack(format!("`{text}` is no name of a table")));
            }
        }
    }
    let name = parts.pop().expect("a loop that ends has pushed a part");
    match (parts.pop(), parts.is_empty()) {
        (schema, true) => Ok(ObjectName { schema, name }),
        _ => Err(SnapshotError::CannotTrack(format!("`{text}` has too many parts"))),
    }
}

/// Name of a live table as the history's owner sees it, for statements.
#[must_use]
pub fn quoted(name: &ObjectName) -> String {
    sql::table(D, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_people_write_them() {
        let read = |text: &str| D.quote_name(&parse_name(text).unwrap());
        assert_eq!(read("Orders"), r#""orders""#);
        assert_eq!(read("shop.Orders"), r#""shop"."orders""#);
        assert_eq!(read(r#""Odd ""name"".x""#), r#""Odd ""name"".x""#);
        assert_eq!(read(r#"shop."a.b""#), r#""shop"."a.b""#);
        for wrong in ["", "a.", ".a", "\"a", "a.b.c", "\"a\"b"] {
            assert!(parse_name(wrong).is_err(), "{wrong}");
        }
    }
}

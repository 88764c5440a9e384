//! How a table would be tracked, and why it cannot be.

use std::collections::BTreeSet;

use downhaul_engine::{Session, TableShape};
use downhaul_syntax::{Dialect, Ident, ObjectName};

use super::Capture;
use super::around::Around;
use super::choose::{self, CHANGES_ROWS, Facts};
use crate::numbered;
use crate::sql;
use crate::store::SnapshotError;

const D: Dialect = Dialect::Postgres;

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

pub(super) fn refused(name: &ObjectName, reason: &str) -> SnapshotError {
    SnapshotError::CannotTrack(format!("{name} cannot be tracked: {reason}"))
}

/// What the server knows of a table.
pub async fn facts(
    session: &mut dyn Session,
    around: &Around,
    name: &ObjectName,
) -> Result<Facts, SnapshotError> {
    if numbered::is(session.dialect()) {
        return numbered::intend::facts(session, around, name).await;
    }
    facts_here(session, name).await
}

/// The same on PostgreSQL.
pub(super) async fn facts_here(
    session: &mut dyn Session,
    name: &ObjectName,
) -> Result<Facts, SnapshotError> {
    let literal = D.literal(&D.quote_name(name));
    let row = session
        .row(&format!(
            "SELECT c.oid, c.relkind, c.relispartition, \
               c.relkind = 'r' AND NOT c.relispartition AND (EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid) OR EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid)), \
               EXISTS (SELECT FROM pg_catalog.pg_subscription_rel s WHERE s.srrelid = ANY ({tree})), \
               EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgtype & 66 = 0 \
                        AND t.tgname NOT LIKE '_downhaul%') \
                 OR EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE {refers} AND k.contype = 'f' \
                        AND (k.confdeltype IN ('c','n','d') OR k.confupdtype IN ('c','n','d'))), \
               EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'f' \
                        AND {CHANGES_ROWS}), \
               c.relforcerowsecurity, \
               (SELECT rolsuper OR rolbypassrls FROM pg_catalog.pg_roles WHERE rolname = current_user), \
               pg_catalog.pg_has_role(c.relowner, 'USAGE'), pg_catalog.pg_get_userbyid(c.relowner), \
               (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user), \
               c.relpersistence, \
               coalesce((SELECT sum(CASE WHEN x.reltuples > 0 THEN x.reltuples ELSE pg_catalog.pg_relation_size(x.oid) / 100 END) FROM pg_catalog.pg_class x WHERE x.oid = ANY ({tree})), 0)::bigint, \
               coalesce((SELECT sum(pg_catalog.pg_table_size(x.oid)) FROM pg_catalog.pg_class x WHERE x.oid = ANY ({tree})), 0)::bigint, \
               pg_catalog.pg_stat_get_tuples_inserted(c.oid) + pg_catalog.pg_stat_get_tuples_updated(c.oid) + pg_catalog.pg_stat_get_tuples_deleted(c.oid), \
               pg_catalog.pg_stat_get_tuples_updated(c.oid) + pg_catalog.pg_stat_get_tuples_deleted(c.oid), \
               pg_catalog.pg_stat_get_db_xact_commit(b.oid), \
               extract(epoch FROM pg_catalog.now() - coalesce(pg_catalog.pg_stat_get_db_stat_reset_time(b.oid), pg_catalog.pg_postmaster_start_time()))::bigint, \
               (SELECT sum(w.avg_width * (1 - w.null_frac))::bigint FROM pg_catalog.pg_stats w JOIN pg_catalog.pg_namespace n ON n.nspname = w.schemaname \
                WHERE n.oid = c.relnamespace AND w.tablename = c.relname AND w.inherited = (c.relkind = 'p')), \
               coalesce((SELECT sum(pg_catalog.pg_table_size(x.reltoastrelid)) FROM pg_catalog.pg_class x WHERE x.oid = ANY ({tree}) AND x.reltoastrelid <> 0), 0)::bigint \
             FROM pg_catalog.pg_database b, pg_catalog.pg_class c WHERE b.datname = current_database() AND c.oid = pg_catalog.to_regclass({literal})",
            refers = sql::refers_to("k", "c.oid"),
            tree = sql::tree("c.oid"),
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
        again: row.flag(6),
        forced_row_security: row.flag(7),
        bypasses_row_security: row.flag(8),
        owned: row.flag(9),
        owner: row.text(10).to_owned(),
        superuser: row.flag(11),
        persistence: row.text(12).to_owned(),
        rows: row.number(13)?,
        bytes: row.number(14)?,
        writes: row.number(15)?,
        overwrites: row.number(16)?,
        commits: row.number(17)?,
        seconds: row.number(18)?,
        width: row.opt(19).and_then(|width| width.parse().ok()),
        out_of_line: row.number(20)?,
    })
}

/// Every table of the user's that could be tracked, and is not.
pub async fn untracked(
    session: &mut dyn Session,
    around: &Around,
) -> Result<Vec<ObjectName>, SnapshotError> {
    super::check_engine(session)?;
    if !numbered::is(session.dialect()) {
        let tracked: BTreeSet<i64> =
            super::all(session).await?.iter().map(|tracked| tracked.relation).collect();
        let rows = session
            .rows(
                "SELECT c.oid, n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                 WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname NOT LIKE 'pg\\_%' \
                   AND n.nspname NOT IN ('information_schema', 'downhaul') ORDER BY n.nspname, c.oid",
            )
            .await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            if !tracked.contains(&row.number(0)?) {
                let schema = Some(Ident::stored(D, row.text(1)));
                found.push(ObjectName { schema, name: Ident::stored(D, row.text(2)) });
            }
        }
        return Ok(found);
    }
    let schema = if session.dialect() == Dialect::Sqlite { "main" } else { "" };
    let mut found = Vec::new();
    for name in session.tables_of_schema(schema).await? {
        // The names are as the server has them, so that the number of the tracking is found without a look at
        // the table.
        if numbered::install::tracking_of(session.dialect(), around, &name).is_none() {
            found.push(name);
        }
    }
    Ok(found)
}

/// Works out how a table would be tracked; refuses those that cannot be.
pub async fn intend(
    session: &mut dyn Session,
    around: &Around,
    name: &ObjectName,
    wish: Option<Capture>,
) -> Result<Intent, SnapshotError> {
    super::check_engine(session)?;
    if numbered::is(session.dialect()) {
        return numbered::intend::intend(session, around, name, wish).await;
    }
    let facts = facts_here(session, name).await?;
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

//! Asking the database what happened.

use downhaul_engine::{EngineError, Session, StatementFailure};
use downhaul_syntax::{Change, Dialect, ObjectName, Statement};

/// What is known of an index.
enum IndexState {
    Absent,
    Invalid,
    /// Another session may be building it right now.
    Building,
    Valid,
}

/// A condition: another session holds what the builder of an index of table `x.indrelid` holds all the
/// while, SHARE UPDATE EXCLUSIVE (PostgreSQL manual §13.3.1).
const BUSY: &str = "EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.locktype = 'relation' AND l.relation = x.indrelid \
     AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) \
     AND l.mode = 'ShareUpdateExclusiveLock' AND l.granted AND l.pid <> pg_catalog.pg_backend_pid())";

async fn index_state(
    session: &mut dyn Session,
    name: &ObjectName,
) -> Result<IndexState, EngineError> {
    let literal = Dialect::Postgres.literal(&Dialect::Postgres.quote_name(name));
    let row = session
        .row(&format!(
            "SELECT x.indisvalid, {BUSY} FROM pg_catalog.pg_index x WHERE x.indexrelid = pg_catalog.to_regclass({literal})"
        ))
        .await?;
    Ok(match row {
        None => IndexState::Absent,
        Some(row) if row.flag(0) => IndexState::Valid,
        Some(row) if row.flag(1) => IndexState::Building,
        Some(_) => IndexState::Invalid,
    })
}

/// The index that a statement builds concurrently, named as the server will find it: an index
/// lives in its table's schema.
fn built_index(statement: &Statement) -> Option<ObjectName> {
    statement.changes().iter().find_map(|change| match change {
        Change::CreateIndex { index, concurrently: true, .. } => {
            let name = index.name.as_ref()?;
            let schema = name.schema.clone().or_else(|| index.table.schema.clone());
            Some(ObjectName { schema, name: name.name.clone() })
        }
        _ => None,
    })
}

/// Whether the server still works on a statement of a run that was cut off: it notices that its
/// client is gone only when it wants to answer.
pub(crate) async fn still_running(
    session: &mut dyn Session,
    statement: &Statement,
) -> Result<bool, EngineError> {
    if session.dialect() != Dialect::Postgres {
        return Ok(false);
    }
    // track_activity_query_size is 1024 bytes by default.
    let text: String = statement.text.chars().take(200).collect();
    let literal = Dialect::Postgres.literal(&text);
    let running = session
        .number(&format!(
            "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE pid <> pg_catalog.pg_backend_pid() \
             AND datname = pg_catalog.current_database() AND state = 'active' AND pg_catalog.strpos(query, {literal}) = 1"
        ))
        .await?;
    Ok(running > 0)
}

/// Whether a statement that was under way when its run was cut off took effect. What a failed
/// `CREATE INDEX CONCURRENTLY` left behind is removed.
pub(crate) async fn took_effect(
    session: &mut dyn Session,
    statement: &Statement,
) -> Result<bool, EngineError> {
    if session.dialect() != Dialect::Postgres {
        return Ok(false);
    }
    if let Some(index) = built_index(statement) {
        return Ok(match index_state(session, &index).await? {
            IndexState::Valid => true,
            IndexState::Absent | IndexState::Building => false,
            IndexState::Invalid => {
                drop_invalid(session, &index).await?;
                false
            }
        });
    }
    for change in statement.changes() {
        match change {
            Change::DropIndex { name, concurrently: true, .. } => {
                return Ok(matches!(index_state(session, name).await?, IndexState::Absent));
            }
            Change::CreateDatabase { name, .. } | Change::DropDatabase { name, .. } => {
                let literal = Dialect::Postgres.literal(name.as_str());
                let there = session
                    .number(&format!(
                        "SELECT count(*) FROM pg_catalog.pg_database WHERE datname = {literal}"
                    ))
                    .await?
                    > 0;
                return Ok(there == matches!(change, Change::CreateDatabase { .. }));
            }
            _ => {}
        }
    }
    // VACUUM, REINDEX and their kin may run again.
    Ok(false)
}

/// INVALID indexes, quoted, of the tables on which a statement builds indexes concurrently: also
/// those without a name of their own, and what `REINDEX CONCURRENTLY` leaves. An index that another
/// session may be building right now is not one of them.
pub(crate) async fn invalid_indexes(
    session: &mut dyn Session,
    statement: &Statement,
) -> Result<Vec<String>, EngineError> {
    if session.dialect() != Dialect::Postgres {
        return Ok(Vec::new());
    }
    let builds = statement.changes().iter().any(|change| {
        matches!(
            change,
            Change::CreateIndex { concurrently: true, .. }
                | Change::Reindex { concurrently: true, .. }
        )
    });
    if !builds {
        return Ok(Vec::new());
    }
    let on = statement.changes().iter().find_map(|change| match change {
        Change::CreateIndex { index, concurrently: true, .. } => Some(&index.table),
        _ => None,
    });
    let table = on.map_or_else(String::new, |table| {
        let literal = Dialect::Postgres.literal(&Dialect::Postgres.quote_name(table));
        format!(" AND x.indrelid = pg_catalog.to_regclass({literal})")
    });
    let rows = session
        .rows(&format!(
            "SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) FROM pg_catalog.pg_index x \
             JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE NOT x.indisvalid AND c.relkind = 'i' AND n.nspname NOT LIKE 'pg\\_toast%'{table} \
             AND NOT {BUSY}"
        ))
        .await?;
    Ok(rows.iter().map(|row| row.text(0).to_owned()).collect())
}

async fn drop_invalid(session: &mut dyn Session, index: &ObjectName) -> Result<(), EngineError> {
    let name = Dialect::Postgres.quote_name(index);
    session.execute(&format!("DROP INDEX CONCURRENTLY IF EXISTS {name}")).await.map(drop)
}

/// After a concurrent build: the index must be valid. `IF NOT EXISTS` "succeeds" on an invalid one.
pub(crate) async fn check_valid(
    session: &mut dyn Session,
    statement: &Statement,
    before: &[String],
) -> Result<(), EngineError> {
    if session.dialect() != Dialect::Postgres {
        return Ok(());
    }
    let new: Vec<String> = invalid_indexes(session, statement)
        .await?
        .into_iter()
        .filter(|index| !before.contains(index))
        .collect();
    if let Some(index) = new.first() {
        return Err(EngineError::Statement(StatementFailure {
            message: format!("index {index} was built and is INVALID"),
            code: None,
            detail: Some("it has been removed; run the migration again to build it".into()),
            position: None,
            sql: statement.shown().to_owned(),
        }));
    }
    let Some(index) = built_index(statement) else { return Ok(()) };
    match index_state(session, &index).await? {
        IndexState::Invalid => Err(EngineError::Statement(StatementFailure {
            message: format!("index {index} is there but INVALID: an earlier build failed"),
            code: None,
            detail: Some("it has been removed; run the migration again to build it".into()),
            position: None,
            sql: statement.shown().to_owned(),
        })),
        IndexState::Building => Err(EngineError::Statement(StatementFailure {
            message: format!("index {index} is there but not valid yet"),
            code: None,
            detail: Some(
                "another session is at work on its table; run the migration again when it is done"
                    .into(),
            ),
            position: None,
            sql: statement.shown().to_owned(),
        })),
        IndexState::Absent | IndexState::Valid => Ok(()),
    }
}

/// After a failed statement: removes the INVALID index that a failed concurrent build leaves.
pub(crate) async fn clean_up(
    session: &mut dyn Session,
    statement: &Statement,
    before: &[String],
) -> Result<(), EngineError> {
    if session.dialect() != Dialect::Postgres {
        return Ok(());
    }
    for index in invalid_indexes(session, statement).await? {
        if !before.contains(&index) {
            session.execute(&format!("DROP INDEX CONCURRENTLY IF EXISTS {index}")).await?;
        }
    }
    if let Some(index) = built_index(statement)
        && matches!(index_state(session, &index).await?, IndexState::Invalid)
    {
        drop_invalid(session, &index).await?;
    }
    Ok(())
}

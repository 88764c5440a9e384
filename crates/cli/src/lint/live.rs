//! `lint --database-url`: judge against the schema that is really there.

use std::collections::BTreeSet;

use downhaul_catalog::Catalog;
use downhaul_engine::{ServerInfo, Session, connect, live_catalog};
use downhaul_lint::{KnownQuery, ServerVersion};
use downhaul_plan::Version;
use downhaul_run::Journal;
use downhaul_syntax::Dialect;

use super::queries::recorded;
use crate::error::CliError;

/// What a live database told.
#[derive(Debug)]
pub struct Live {
    /// Its schema, with sizes.
    pub catalog: Catalog,
    /// Its version.
    pub version: ServerVersion,
    /// Migrations that its journal knows; `None` where it has no journal.
    pub applied: Option<BTreeSet<Version>>,
    /// Statements that the server has counted, the most frequent first; empty where not asked for.
    pub queries: Vec<KnownQuery>,
}

/// Reads a database, and with `queries` the statements that it has counted. Changes nothing in it.
pub async fn read(url: &str, queries: bool) -> Result<Live, CliError> {
    let target = crate::commands::target(Some(url))?;
    let mut session = connect(&target, false).await?;
    let journal = Journal::new(session.dialect());
    let found = async {
        let catalog = live_catalog(&mut *session).await?;
        let applied = if journal.exists(&mut *session).await? {
            Some(journal.versions(&mut *session).await?.into_iter().collect())
        } else {
            None
        };
        Ok::<_, downhaul_engine::EngineError>((catalog, applied))
    }
    .await;
    let version = server_version(session.server());
    let counted = if queries { counted(&mut *session).await } else { Ok(Vec::new()) };
    session.close().await;
    let (catalog, applied) = found?;
    Ok(Live { catalog, version, applied, queries: counted? })
}

/// What the server has counted: `pg_stat_statements`, or the digests of the performance schema.
async fn counted(session: &mut dyn Session) -> Result<Vec<KnownQuery>, CliError> {
    let (source, sql, hint) = match session.dialect() {
        Dialect::Postgres => (
            "pg_stat_statements",
            "SELECT s.query FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid \
             WHERE d.datname = current_database() ORDER BY s.calls DESC",
            "add pg_stat_statements to shared_preload_libraries, restart, and CREATE EXTENSION \
             pg_stat_statements; or name a file with --queries",
        ),
        Dialect::Mysql | Dialect::MariaDb => (
            "performance_schema",
            "SELECT DIGEST_TEXT FROM performance_schema.events_statements_summary_by_digest \
             WHERE SCHEMA_NAME = DATABASE() AND DIGEST_TEXT IS NOT NULL ORDER BY COUNT_STAR DESC",
            "start the server with performance_schema=ON, or name a file with --queries",
        ),
        Dialect::Sqlite => {
            return Err(CliError::usage("SQLite does not count statements")
                .hint("name files with --queries instead of `live`"));
        }
    };
    let rows = session.rows(sql).await.map_err(|error| {
        CliError::usage(format!("the server does not tell its statements: {error}")).hint(hint)
    })?;
    let texts = rows.iter().map(|row| row.text(0).to_owned());
    Ok(texts
        .enumerate()
        .map(|(at, text)| KnownQuery {
            source: source.to_owned(),
            line: at + 1,
            text,
            ..recorded()
        })
        .collect())
}

/// The source of statements that PostgreSQL has counted.
pub const COUNTED: &str = "pg_stat_statements";

/// What clients have sent, as `pg_stat_statements` counts it, without what Downhaul sent itself, and
/// since when. `None` where the server does not count.
pub async fn statements_of_clients(
    session: &mut dyn Session,
) -> Result<Option<(Vec<KnownQuery>, String)>, CliError> {
    if session.dialect() != Dialect::Postgres {
        return Ok(None);
    }
    let installed = session
        .number("SELECT count(*) FROM pg_extension WHERE extname = 'pg_stat_statements'")
        .await?;
    // Installed, but not among the preloaded libraries, it fails when asked.
    if installed == 0 {
        return Ok(None);
    }
    let Ok(mut queries) = counted(session).await else { return Ok(None) };
    queries.retain(|query| !query.text.contains("downhaul"));
    let since = match session.row("SELECT stats_reset FROM pg_stat_statements_info").await {
        Ok(Some(row)) => format!(" since {}", row.text(0).split('.').next().unwrap_or_default()),
        _ => String::new(),
    };
    Ok(Some((queries, since)))
}

/// The version by which statements are judged.
#[must_use]
pub fn server_version(server: &ServerInfo) -> ServerVersion {
    ServerVersion { major: server.major, minor: server.minor, patch: 0 }
}

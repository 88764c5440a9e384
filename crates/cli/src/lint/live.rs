//! `lint --database-url`: judge against the schema that is really there.

use std::collections::BTreeSet;

use downhaul_catalog::Catalog;
use downhaul_engine::{ServerInfo, Target, connect, live_catalog};
use downhaul_lint::ServerVersion;
use downhaul_plan::Version;
use downhaul_run::Journal;

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
}

/// Reads a database. Changes nothing in it.
pub async fn read(url: &str) -> Result<Live, CliError> {
    let target = Target::parse(url)?;
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
    session.close().await;
    let (catalog, applied) = found?;
    Ok(Live { catalog, version, applied })
}

/// The version by which statements are judged.
#[must_use]
pub fn server_version(server: &ServerInfo) -> ServerVersion {
    ServerVersion { major: server.major, minor: server.minor, patch: 0 }
}

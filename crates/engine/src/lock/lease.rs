//! Galera: `GET_LOCK` is a node's own, so a row decides that all nodes certify. Of two nodes that
//! change it at once, one fails when it commits (error 1213).
//!
//! The row names its holder and counts the beats of its heart. A counter that stands still while one
//! looks on belongs to a holder that is gone: clocks of different machines are never compared.

use std::time::{Duration, Instant};

use downhaul_syntax::Dialect;

use crate::EngineError;
use crate::session::Session;

/// How often the holder counts on.
pub(super) const BEAT: Duration = Duration::from_secs(4);

/// A counter that stood still for so long is a dead holder's.
const STILL: Duration = Duration::from_secs(20);

const TABLE: &str = "downhaul_lease";

/// The right of one runner on the whole cluster, or the wish for it.
#[derive(Clone, Debug)]
pub(super) struct Lease {
    token: String,
    who: String,
    node: String,
    /// What the row said when we first saw it so.
    seen: Option<(String, String, Instant)>,
}

impl Lease {
    /// A wish for it, in the name of this session. Makes the row if there is none.
    pub(super) async fn new(session: &mut dyn Session, who: &str) -> Result<Self, EngineError> {
        // The node's identity; a node that was started anew is another one.
        let rows = session.rows("SHOW STATUS LIKE 'wsrep_gcomm_uuid'").await?;
        let node = rows.first().map(|row| row.text(1).to_owned()).unwrap_or_default();
        let row = session.row("SELECT UUID()").await?;
        let token = row.map(|row| row.text(0).to_owned()).unwrap_or_default();
        let there = session
            .number(&format!(
                "SELECT count(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = '{TABLE}'"
            ))
            .await?;
        if there == 0 {
            session
                .execute(&format!(
                    "CREATE TABLE IF NOT EXISTS {TABLE} (id int PRIMARY KEY, token varchar(64) NOT NULL, who varchar(255) NOT NULL, \
                       node varchar(64) NOT NULL, beat bigint NOT NULL) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
                ))
                .await?;
        }
        match session
            .execute(&format!("INSERT IGNORE INTO {TABLE} VALUES (1, '', '', '', 0)"))
            .await
        {
            // Another node was faster: the row is there.
            Ok(_) | Err(EngineError::LockTimeout(_)) => {}
            Err(error) => return Err(error),
        }
        let who = who.chars().take(250).collect();
        Ok(Self { token, who, node, seen: None })
    }

    /// One try, with the node's own lock in hand: a holder on this node is dead.
    pub(super) async fn try_take(
        &mut self,
        session: &mut dyn Session,
    ) -> Result<bool, EngineError> {
        let row =
            session.row(&format!("SELECT token, beat, node FROM {TABLE} WHERE id = 1")).await?;
        let Some(row) = row else { return Ok(false) };
        let (token, beat) = (row.text(0).to_owned(), row.text(1).to_owned());
        if !token.is_empty() && row.text(2) != self.node {
            let same = |(t, b, _): &&(String, String, Instant)| *t == token && *b == beat;
            match self.seen.as_ref().filter(same) {
                Some((.., since)) if since.elapsed() >= STILL => {}
                Some(_) => return Ok(false),
                None => {
                    self.seen = Some((token, beat, Instant::now()));
                    return Ok(false);
                }
            }
        }
        let d = Dialect::MariaDb;
        let taken = session
            .execute(&format!(
                "UPDATE {TABLE} SET token = {}, who = {}, node = {}, beat = beat + 1 WHERE id = 1 AND token = {} AND beat = {beat}",
                d.literal(&self.token),
                d.literal(&self.who),
                d.literal(&self.node),
                d.literal(&token),
            ))
            .await;
        match taken {
            Ok(rows) => Ok(rows == 1),
            Err(EngineError::LockTimeout(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Counts on; false where the lease is another's by now.
    pub(super) async fn beat(&self, session: &mut dyn Session) -> Result<bool, EngineError> {
        let rows = session
            .execute(&format!(
                "UPDATE {TABLE} SET beat = beat + 1 WHERE id = 1 AND token = {}",
                Dialect::MariaDb.literal(&self.token)
            ))
            .await?;
        Ok(rows == 1)
    }

    /// Lets the next one take it at once.
    pub(super) async fn give_up(&self, session: &mut dyn Session) -> Result<(), EngineError> {
        session
            .execute(&format!(
                "UPDATE {TABLE} SET token = '', who = '', node = '' WHERE id = 1 AND token = {}",
                Dialect::MariaDb.literal(&self.token)
            ))
            .await
            .map(drop)
    }

    /// Who holds it, for people.
    pub(super) async fn holder(&self, session: &mut dyn Session) -> Result<String, EngineError> {
        let row = session.row(&format!("SELECT who FROM {TABLE} WHERE id = 1")).await?;
        Ok(match row {
            Some(row) if !row.text(0).is_empty() => {
                format!("{}, on another node of the cluster", row.text(0))
            }
            _ => "another runner on the cluster".to_owned(),
        })
    }
}

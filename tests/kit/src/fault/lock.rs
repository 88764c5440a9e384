//! Sessions that hold locks while a test looks on.

use crate::session::Session;

/// A session with an open transaction. Its locks go with [`Self::release`] or when it is dropped.
#[derive(Debug)]
pub struct LockHolder {
    session: Session,
}

impl LockHolder {
    /// Opens a transaction and runs statements in it, for example an `UPDATE` of one row.
    ///
    /// # Panics
    /// When it cannot connect or a statement fails.
    pub async fn with_statements(url: &str, sql: &str) -> Self {
        let mut session = Session::connect(url).await;
        let begin = match session {
            // A deferred transaction of SQLite holds nothing yet.
            Session::Sqlite(_) => "BEGIN IMMEDIATE",
            Session::Postgres(_) | Session::MySql(_) => "BEGIN",
        };
        session.run(begin).await;
        if !sql.is_empty() {
            session.run(sql).await;
        }
        Self { session }
    }

    /// Holds a lock on a table of PostgreSQL; `mode` as in `LOCK TABLE`: `ACCESS SHARE`, ….
    ///
    /// # Panics
    /// When it cannot connect or lock.
    pub async fn table(url: &str, table: &str, mode: &str) -> Self {
        Self::with_statements(url, &format!("LOCK TABLE {table} IN {mode} MODE")).await
    }

    /// Holds a metadata lock on a table of MySQL or MariaDB, or a read lock on one of PostgreSQL,
    /// as a long report does.
    ///
    /// # Panics
    /// When it cannot connect or read.
    pub async fn reader(url: &str, table: &str) -> Self {
        Self::with_statements(url, &format!("SELECT count(*) FROM {table}")).await
    }

    /// The session, for more statements in the same transaction.
    pub fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    /// Commits and closes.
    ///
    /// # Panics
    /// When the commit fails.
    pub async fn release(mut self) {
        self.session.run("COMMIT").await;
        self.session.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Postgres, SqliteFile};

    #[tokio::test]
    async fn a_held_lock_blocks_until_released() {
        let database = Postgres::shared().fresh_database().await;
        let mut session = database.session().await;
        session.run("CREATE TABLE t (a int); SET lock_timeout = '50ms'").await;
        let holder = LockHolder::table(database.url(), "t", "ACCESS SHARE").await;
        assert!(session.try_run("ALTER TABLE t ADD b int").await.is_err());
        session.run("INSERT INTO t VALUES (1)").await;
        holder.release().await;
        session.run("ALTER TABLE t ADD b int").await;
    }

    #[tokio::test]
    async fn sqlite_too() {
        let file = SqliteFile::new();
        let mut session = file.session().await;
        session.run("CREATE TABLE t (a int); PRAGMA busy_timeout = 50").await;
        let holder = LockHolder::with_statements(&file.url(), "").await;
        assert!(session.try_run("INSERT INTO t VALUES (1)").await.is_err());
        holder.release().await;
        session.run("INSERT INTO t VALUES (1)").await;
    }
}

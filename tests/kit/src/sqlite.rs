//! Temporary SQLite files.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::session::Session;

/// A SQLite database file in a folder of its own, removed when dropped.
#[derive(Debug)]
pub struct SqliteFile {
    dir: TempDir,
    path: PathBuf,
}

impl SqliteFile {
    /// A place for a new database; the file appears with its first write.
    ///
    /// # Panics
    /// When no temporary folder can be made.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "making a folder is no default value")]
    pub fn new() -> Self {
        let dir = tempfile::Builder::new()
            .prefix("downhaul-sqlite-")
            .tempdir()
            .unwrap_or_else(|e| panic!("cannot make a temporary folder: {e}"));
        let path = dir.path().join("test.db");
        Self { dir, path }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder, in which `-wal` and `-journal` files lie too.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// URL that creates the file where it is missing.
    #[must_use]
    pub fn url(&self) -> String {
        format!("sqlite://{}?mode=rwc", self.path.display())
    }

    /// URL that may only read.
    #[must_use]
    pub fn read_only_url(&self) -> String {
        format!("sqlite://{}?mode=ro", self.path.display())
    }

    /// A session on it, `foreign_keys` on as sqlx has it.
    ///
    /// # Panics
    /// When it cannot be opened.
    pub async fn session(&self) -> Session {
        Session::connect(&self.url()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn values_come_back_as_text() {
        let file = SqliteFile::new();
        let mut session = file.session().await;
        session.run("CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 'x'), (2.5, NULL)").await;
        let some = |s: &str| Some(s.to_owned());
        let rows = session.rows("SELECT a, b FROM t ORDER BY a").await;
        assert_eq!(rows, [vec![some("1"), some("x")], vec![some("2.5"), None]]);
        session.close().await;
        let mut reader = Session::connect(&file.read_only_url()).await;
        assert!(reader.try_run("DELETE FROM t").await.is_err());
        let dir = file.dir().to_owned();
        drop(file);
        assert!(!dir.exists());
    }
}

//! A database, and copies of it.

use std::process::{Command, Stdio};

use downhaul_kit::{DatabaseHandle, MariaDb, Postgres, Session, SqliteFile};

use crate::project::Engine;

pub(crate) enum Place {
    Postgres(DatabaseHandle),
    MariaDb(DatabaseHandle),
    Sqlite(SqliteFile, String),
}

impl Place {
    pub(crate) async fn new(engine: Engine) -> Self {
        match engine {
            Engine::Postgres => Self::Postgres(Postgres::shared().fresh_database().await),
            Engine::MySql => Self::MariaDb(MariaDb::shared().fresh_database().await),
            Engine::Sqlite => {
                let file = SqliteFile::new();
                let url = file.url();
                Self::Sqlite(file, url)
            }
        }
    }

    pub(crate) fn url(&self) -> &str {
        match self {
            Self::Postgres(database) | Self::MariaDb(database) => database.url(),
            Self::Sqlite(_, url) => url,
        }
    }

    /// Nothing rolls back there, so that a trial needs a database of its own.
    pub(crate) fn copies_for_trials(&self) -> bool {
        matches!(self, Self::MariaDb(_))
    }

    /// The same once more. Nobody may be connected to a database of PostgreSQL.
    pub(crate) async fn copy(&self) -> Self {
        match self {
            Self::Postgres(database) => {
                let server = Postgres::shared();
                let copy = server.fresh_database().await;
                let mut session = Session::connect(&server.url()).await;
                session.run(&format!("DROP DATABASE {} WITH (FORCE)", copy.name())).await;
                let sql = format!("CREATE DATABASE {} TEMPLATE {}", copy.name(), database.name());
                // A session that has just left takes a moment to go.
                for attempt in 0.. {
                    match session.try_run(&sql).await {
                        Ok(()) => break,
                        Err(error) if attempt > 50 => panic!("{error}"),
                        Err(_) => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
                    }
                }
                session.close().await;
                Self::Postgres(copy)
            }
            Self::MariaDb(database) => {
                let server = MariaDb::shared();
                let copy = server.fresh_database().await;
                let port = server.port().to_string();
                let mut dump = Command::new("mariadb-dump")
                    .args(["--no-defaults", "-h127.0.0.1", "-uroot", "-P", &port])
                    .args(["--routines", "--triggers", database.name()])
                    .stdout(Stdio::piped())
                    .spawn()
                    .unwrap();
                let loaded = Command::new("mariadb")
                    .args(["--no-defaults", "-h127.0.0.1", "-uroot", "-P", &port, copy.name()])
                    .stdin(dump.stdout.take().unwrap())
                    .status()
                    .unwrap();
                assert!(loaded.success() && dump.wait().unwrap().success());
                Self::MariaDb(copy)
            }
            Self::Sqlite(file, _) => {
                let copy = SqliteFile::new();
                std::fs::copy(file.path(), copy.path()).unwrap();
                let url = copy.url();
                Self::Sqlite(copy, url)
            }
        }
    }
}

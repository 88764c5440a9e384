//! A private pgbouncer in front of one server.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, Instant};

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

use crate::postgres::Postgres;
use crate::process::{self, ServerFolder, ServerProcess};
use crate::session::Session;

/// A pooler on `127.0.0.1`, stopped when dropped.
#[derive(Debug)]
pub struct PgBouncer {
    port: u16,
    process: Option<ServerProcess>,
    folder: ServerFolder,
}

fn program() -> PathBuf {
    if let Some(path) = std::env::var_os("DOWNHAUL_PGBOUNCER").map(PathBuf::from) {
        return path;
    }
    process::find_programs(&process::path_dirs(), &["pgbouncer"])
        .unwrap_or_else(|| {
            panic!(
                "pgbouncer is not installed: not in PATH\n  next: `apt-get install pgbouncer` \
                 (scripts/test does it without starting a service), or set DOWNHAUL_PGBOUNCER"
            )
        })
        .join("pgbouncer")
}

impl PgBouncer {
    /// Starts one in front of a server, in `session` or `transaction` mode, with so many sessions of
    /// the server for each database.
    ///
    /// # Panics
    /// When pgbouncer is not installed or does not start; the message holds its log.
    #[must_use]
    pub fn start(server: &Postgres, mode: &str, pool: u32) -> Self {
        for _ in 0..10 {
            let port = process::free_port();
            let folder = ServerFolder::new("bouncer", "postgres");
            folder.write("users.txt", "\"postgres\" \"\"\n");
            let users = folder.path().join("users.txt").display().to_string();
            // `any` makes everybody the user of this line.
            let config = folder.write(
                "pgbouncer.ini",
                &format!(
                    "[databases]\n* = user=postgres host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
                     listen_port = {port}\nunix_socket_dir =\nauth_type = any\nauth_file = {users}\n\
                     pool_mode = {mode}\ndefault_pool_size = {pool}\nmax_client_conn = 100\n\
                     query_wait_timeout = 20\n",
                    server.port()
                ),
            );
            let mut command = folder.command(&program());
            command.arg(&config);
            let mut process = folder.spawn(&mut command);
            let deadline = Instant::now() + Duration::from_secs(20);
            while Instant::now() < deadline && process.ended().is_none() {
                if folder.log().contains("process up") {
                    return Self { port, process: Some(process), folder };
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            let log = folder.log();
            process.stop("KILL", Duration::ZERO);
            assert!(log.contains("in use"), "pgbouncer did not start:\n{log}");
        }
        panic!("pgbouncer found no free port in ten attempts");
    }

    /// URL of a database through the pooler.
    #[must_use]
    pub fn database_url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// A client of the pooler, which must not ask for what poolers refuse.
    ///
    /// # Panics
    /// When it cannot connect.
    pub async fn session(&self, database: &str) -> Session {
        let url = self.database_url(database);
        let options = PgConnectOptions::from_str(&url)
            .unwrap_or_else(|e| panic!("not a URL: {url}: {e}"))
            .extra_float_digits(None);
        match options.connect().await {
            Ok(connection) => Session::Postgres(connection),
            Err(e) => panic!("cannot connect to {url}: {e}\n{}", self.log()),
        }
    }

    /// The pooler's log so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.folder.log()
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        if let Some(process) = self.process.take() {
            process.stop("KILL", Duration::ZERO);
        }
        if std::thread::panicking() {
            self.folder.keep_log();
        }
    }
}

//! Private MariaDB servers.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::certificates::ServerCertificate;
use crate::fault::Disk;
use crate::process::{self, Attempt, ServerFolder, ServerProcess};
use crate::session::{DatabaseHandle, Session};

/// How to start a server.
#[derive(Clone, Debug, Default)]
pub struct MariaDbOptions {
    bin: Option<PathBuf>,
    password: Option<String>,
    settings: Vec<String>,
    certificate: Option<ServerCertificate>,
    disk: Option<Disk>,
}

impl MariaDbOptions {
    /// Programs of this folder (`mariadbd`, `mariadb-install-db`).
    #[must_use]
    pub fn bin(mut self, dir: impl Into<PathBuf>) -> Self {
        self.bin = Some(dir.into());
        self
    }

    /// `root` must give this password.
    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Encrypted connections, with this certificate.
    #[must_use]
    pub fn certificate(mut self, certificate: ServerCertificate) -> Self {
        self.certificate = Some(certificate);
        self
    }

    /// All that it writes goes to this disk.
    #[must_use]
    pub fn disk(mut self, disk: &Disk) -> Self {
        self.disk = Some(disk.clone());
        self
    }

    /// An option as on the command line, without its dashes: `sql-mode=ANSI`.
    #[must_use]
    pub fn setting(mut self, option: impl Into<String>) -> Self {
        self.settings.push(option.into());
        self
    }

    /// Starts the server.
    ///
    /// # Panics
    /// When MariaDB is not installed or does not start; the message holds the server's log.
    #[must_use]
    pub fn start(self) -> MariaDb {
        MariaDb::launch(self)
    }
}

/// Where the programs were found; Debian has them in two folders.
#[derive(Clone, Debug)]
struct Programs {
    server: PathBuf,
    install: PathBuf,
}

impl Programs {
    fn find(bin: Option<&Path>) -> Self {
        let named = bin
            .map(Path::to_owned)
            .or_else(|| std::env::var_os("DOWNHAUL_MARIADB_BIN").map(PathBuf::from));
        let dirs = match &named {
            Some(dir) => vec![dir.clone(), dir.join("../sbin"), dir.join("../scripts")],
            None => process::path_dirs(),
        };
        let program = |names: &[&str]| {
            names
                .iter()
                .find_map(|name| process::find_programs(&dirs, &[name]).map(|dir| dir.join(name)))
        };
        let server = program(&["mariadbd", "mysqld"]);
        let install = program(&["mariadb-install-db", "mysql_install_db"]);
        match (server, install) {
            (Some(server), Some(install)) => Self { server, install },
            _ => panic!(
                "MariaDB is not installed: no `mariadbd` and `mariadb-install-db` in {}\n  next: \
                 `apt-get install mariadb-server` (scripts/test does it without starting a \
                 service), or set DOWNHAUL_MARIADB_BIN to a folder that holds them",
                named.map_or("PATH".into(), |dir| format!("`{}`", dir.display()))
            ),
        }
    }
}

/// Where the server and its installer are.
pub(crate) fn programs() -> (PathBuf, PathBuf) {
    let found = Programs::find(None);
    (found.server, found.install)
}

/// A private MariaDB server on `127.0.0.1` and a unix socket, stopped when dropped.
#[derive(Debug)]
pub struct MariaDb {
    options: MariaDbOptions,
    programs: Programs,
    port: u16,
    process: Option<ServerProcess>,
    // Last: it is removed after the server has stopped.
    folder: ServerFolder,
}

impl MariaDb {
    /// Starts a server with default options.
    ///
    /// # Panics
    /// See [`MariaDbOptions::start`].
    #[must_use]
    pub fn start() -> Self {
        MariaDbOptions::default().start()
    }

    /// Starts a server whose `root` must give this password.
    ///
    /// # Panics
    /// See [`MariaDbOptions::start`].
    #[must_use]
    pub fn start_with_password(password: &str) -> Self {
        MariaDbOptions::default().password(password).start()
    }

    /// The one server of this test process, started by the first caller.
    ///
    /// # Panics
    /// See [`MariaDbOptions::start`].
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<MariaDb> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    fn launch(mut options: MariaDbOptions) -> Self {
        let programs = Programs::find(options.bin.as_deref());
        let folder = ServerFolder::new("mariadb", "mysql");
        // Runs at every start: `root` over TCP, with the password asked for (none is empty).
        let password = options.password.as_deref().unwrap_or_default();
        folder.write(
            "init.sql",
            &format!(
                "CREATE OR REPLACE USER root@'127.0.0.1' IDENTIFIED BY '{password}';\n\
                 GRANT ALL PRIVILEGES ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;\n"
            ),
        );
        if let Some(ServerCertificate { certificate, key }) = &options.certificate {
            let certificate = folder.write("server.pem", certificate);
            let key = folder.write_secret("server.key", key);
            options.settings.push(format!("ssl-cert={}", certificate.display()));
            options.settings.push(format!("ssl-key={}", key.display()));
        }
        let mut install = folder.command(&programs.install);
        install
            .arg("--no-defaults")
            .arg(format!("--datadir={}", folder.path().join("data").display()))
            // A server that starts removes what looks like temporary tables, whosever they are.
            .arg(format!("--tmpdir={}", folder.path().display()))
            .args(["--auth-root-authentication-method=normal", "--skip-test-db"])
            .args(["--innodb-log-file-size=16M", "--innodb-flush-log-at-trx-commit=0"]);
        folder.run(&mut install);
        let mut server = Self { options, programs, port: 0, process: None, folder };
        server.start_process();
        server
    }

    fn start_process(&mut self) {
        let started = process::started(self.port, |port| {
            self.port = port;
            self.try_start().map_err(Attempt::logged)
        });
        match started {
            Ok(process) => self.process = Some(process),
            Err(Some(why)) => panic!(
                "`{}` did not start:\n--- server log ---\n{why}",
                self.programs.server.display()
            ),
            Err(None) => panic!(
                "MariaDB did not start in ten attempts\n--- server log ---\n{}",
                self.folder.log_tail()
            ),
        }
    }

    /// The error is what the server logged in this attempt.
    fn try_start(&self) -> Result<ServerProcess, String> {
        let log_before = self.folder.log().len();
        let path = self.folder.path().display();
        let mut command = self.folder.command(&self.programs.server);
        command
            .arg("--no-defaults")
            .arg(format!("--datadir={path}/data"))
            .arg(format!("--tmpdir={path}"))
            .arg(format!("--socket={path}/mariadb.sock"))
            .arg(format!("--pid-file={path}/mariadb.pid"))
            .arg(format!("--init-file={path}/init.sql"))
            .arg(format!("--tmpdir={path}"))
            .arg(format!("--port={}", self.port))
            .args(["--bind-address=127.0.0.1", "--skip-name-resolve", "--default-time-zone=+00:00"])
            .args(["--innodb-buffer-pool-size=32M", "--innodb-log-file-size=16M"])
            // 2: commits reach the kernel, so a killed server loses none; fast, as tests want it.
            .arg("--innodb-print-all-deadlocks=ON")
            .args(["--innodb-flush-log-at-trx-commit=2", "--skip-innodb-doublewrite"])
            // A killed server loses nothing that the system has taken; only its own crash would.
            .args(["--debug-no-sync", "--sync-frm=OFF", "--innodb-flush-method=nosync"])
            .args(["--character-set-server=utf8mb4", "--performance-schema=OFF"]);
        for option in &self.options.settings {
            command.arg(format!("--{option}"));
        }
        if let Some(disk) = &self.options.disk {
            command.envs(disk.environment());
        }
        let mut process = self.folder.spawn(&mut command);
        let deadline = Instant::now() + Duration::from_secs(90);
        loop {
            let log = self.folder.log();
            let new = log.get(log_before..).unwrap_or(&log);
            if process.ended().is_some() {
                process.stop("KILL", Duration::ZERO);
                return Err(new.to_owned());
            }
            if new.contains("ready for connections") {
                return Ok(process);
            }
            if Instant::now() > deadline {
                process.stop("KILL", Duration::ZERO);
                return Err(format!("{new}\n(not ready after 90 s)"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// URL of the database `mysql`, for work on the server as a whole.
    #[must_use]
    pub fn url(&self) -> String {
        self.database_url("mysql")
    }

    /// URL of a database, over TCP as `root`.
    #[must_use]
    pub fn database_url(&self, database: &str) -> String {
        self.url_as("root", self.options.password.as_deref().unwrap_or_default(), database)
    }

    /// URL for another user or password; an empty password is left out. Neither is escaped.
    #[must_use]
    pub fn url_as(&self, user: &str, password: &str, database: &str) -> String {
        let colon = if password.is_empty() { "" } else { ":" };
        format!("mysql://{user}{colon}{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Folder with the socket `mariadb.sock`.
    #[must_use]
    pub fn socket_dir(&self) -> &Path {
        self.folder.path()
    }

    /// Process id.
    ///
    /// # Panics
    /// When it was killed or stopped.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("the server was stopped").pid()
    }

    /// The server's log so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.folder.log()
    }

    /// SIGKILL, as a crash.
    pub fn kill9(&mut self) {
        if let Some(process) = self.process.take() {
            process.stop("KILL", Duration::from_secs(5));
        }
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.process.as_mut().is_none_or(|process| process.ended().is_some())
    }

    /// Orderly stop (SIGTERM).
    pub fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.stop("TERM", Duration::from_secs(60));
        }
    }

    /// Starts it again on the same data and port, after [`Self::kill9`] or [`Self::stop`].
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&mut self) {
        self.stop();
        self.start_process();
    }

    /// A new empty database, dropped with its handle.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn fresh_database(&self) -> DatabaseHandle {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("fresh_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let mut session = Session::connect(&self.url()).await;
        session.run(&format!("CREATE DATABASE {name}")).await;
        session.close().await;
        DatabaseHandle::new(
            self.url(),
            // A session that still holds a lock must not hang the test's end.
            format!("SET lock_wait_timeout = 2; DROP DATABASE IF EXISTS {name}"),
            self.database_url(&name),
            name,
            self.folder.log_path(),
        )
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        if let Some(process) = self.process.take() {
            // Nothing is kept: an orderly stop would only take longer.
            process.stop("KILL", Duration::ZERO);
        }
        if std::thread::panicking() {
            self.folder.keep_log();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault;

    #[tokio::test]
    async fn starts_answers_survives_a_kill_and_goes() {
        let mut server = MariaDb::start_with_password("right");
        let database = server.fresh_database().await;
        let url = database.url().to_owned();
        let mut session = Session::connect(&url).await;
        assert_eq!(session.value("SELECT 1").await.as_deref(), Some("1"));
        session.run("CREATE TABLE t (a int); INSERT INTO t SELECT seq FROM seq_1_to_1000").await;
        let wrong = server.url_as("root", "wrong", "mysql");
        let error = Session::try_connect(&wrong).await.err().unwrap().to_string();
        assert!(error.contains("Access denied"), "{error}");
        server.kill9();
        assert!(Session::try_connect(&url).await.is_err());
        server.restart();
        let mut session = Session::connect(&url).await;
        assert_eq!(session.value("SELECT count(*) FROM t").await.as_deref(), Some("1000"));
        let (pid, folder) = (server.pid(), server.socket_dir().to_owned());
        drop(database);
        drop(server);
        assert!(!fault::is_running(pid) && !folder.exists());
    }
}

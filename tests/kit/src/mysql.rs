//! Private MySQL servers, for tests that are run by hand: no distribution that CI uses has MySQL
//! beside MariaDB.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::process::{self, Attempt, ServerFolder, ServerProcess};
use crate::session::{DatabaseHandle, Session};

/// Where packages of MySQL were unpacked: a tree with `usr/sbin/mysqld` and the libraries that it wants.
fn root() -> PathBuf {
    let named = std::env::var_os("DOWNHAUL_MYSQL_ROOT").map(PathBuf::from);
    let cache = std::env::var_os("DOWNHAUL_MYSQL_CACHE")
        .map_or_else(|| PathBuf::from("/var/tmp/downhaul-mysql"), PathBuf::from);
    let root = named.unwrap_or_else(|| cache.join("root"));
    assert!(
        root.join("usr/sbin/mysqld").is_file(),
        "MySQL is not there: no `{}/usr/sbin/mysqld`\n  next: `scripts/mysql-tests` fetches it and runs \
         these tests, or set DOWNHAUL_MYSQL_ROOT to a folder into which its packages were unpacked",
        root.display()
    );
    root
}

/// A private MySQL server on `127.0.0.1`, stopped when dropped.
#[derive(Debug)]
pub struct MySql {
    root: PathBuf,
    settings: Vec<String>,
    port: u16,
    process: Option<ServerProcess>,
    // Last: it is removed after the server has stopped.
    folder: ServerFolder,
}

impl MySql {
    /// The one server of this test process, started by the first caller, with the settings that
    /// DOWNHAUL_MYSQL_OPTIONS names (without their dashes).
    ///
    /// # Panics
    /// See [`Self::start`].
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<MySql> = OnceLock::new();
        SHARED.get_or_init(|| {
            let options = std::env::var("DOWNHAUL_MYSQL_OPTIONS").unwrap_or_default();
            Self::start(&options.split_whitespace().collect::<Vec<_>>())
        })
    }

    /// Starts a server. Settings are options as on the command line, without their dashes.
    ///
    /// # Panics
    /// When MySQL is not there or does not start; the message holds the server's log.
    #[must_use]
    pub fn start(settings: &[&str]) -> Self {
        let root = root();
        let folder = ServerFolder::new("mysql", "mysql");
        folder.write(
            "init.sql",
            "CREATE USER IF NOT EXISTS root@'127.0.0.1' IDENTIFIED BY '';\n\
             GRANT ALL PRIVILEGES ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;\n",
        );
        let mut install = server_command(&folder, &root);
        install.args(["--initialize-insecure", "--innodb-redo-log-capacity=16M"]);
        folder.run(&mut install);
        let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        let mut server = Self { root, settings, port: 0, process: None, folder };
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
            Err(Some(why)) => panic!("MySQL did not start:\n--- server log ---\n{why}"),
            Err(None) => panic!(
                "MySQL did not start in ten attempts\n--- server log ---\n{}",
                self.folder.log_tail()
            ),
        }
    }

    /// SIGKILL, as a crash.
    pub fn kill9(&mut self) {
        if let Some(process) = self.process.take() {
            process.stop("KILL", Duration::from_secs(5));
        }
    }

    /// Starts again on the same files and port.
    ///
    /// # Panics
    /// When it does not start; the message holds the server's log.
    pub fn restart(&mut self) {
        self.kill9();
        self.start_process();
    }

    /// TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.process.as_mut().is_none_or(|process| process.ended().is_some())
    }

    /// The error is what the server logged in this attempt.
    fn try_start(&self) -> Result<ServerProcess, String> {
        let Self { root, settings, port, folder, .. } = self;
        let path = folder.path().display();
        let log_before = folder.log().len();
        let mut command = server_command(folder, root);
        command
            .arg(format!("--socket={path}/mysql.sock"))
            .arg(format!("--pid-file={path}/mysql.pid"))
            .arg(format!("--init-file={path}/init.sql"))
            .arg(format!("--port={port}"))
            .args(["--bind-address=127.0.0.1", "--skip-name-resolve", "--default-time-zone=+00:00"])
            .args(["--innodb-buffer-pool-size=64M", "--innodb-redo-log-capacity=16M"])
            // 2: commits reach the kernel, so a killed server loses none; fast, as tests want it.
            .args(["--innodb-flush-log-at-trx-commit=2", "--innodb-doublewrite=OFF"])
            .args(["--innodb-flush-method=nosync", "--performance-schema=OFF"]);
        // Both ways are a server's default somewhere; without it everything is faster.
        if !settings.iter().any(|setting| setting.starts_with("log-bin")) {
            command.arg("--skip-log-bin");
        }
        command.args(settings.iter().map(|setting| format!("--{setting}")));
        let mut process = folder.spawn(&mut command);
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let log = folder.log();
            let new = log.get(log_before..).unwrap_or(&log);
            if process.ended().is_some() {
                process.stop("KILL", Duration::ZERO);
                return Err(new.to_owned());
            }
            // It says so a first time while it looks for work of the init file.
            if new.lines().any(|line| {
                line.contains("ready for connections") && line.contains(&format!("port: {port}"))
            }) {
                return Ok(process);
            }
            if Instant::now() > deadline {
                process.stop("KILL", Duration::ZERO);
                return Err(format!("{new}\n(not ready after 120 s)"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// URL of a database, over TCP as `root`.
    #[must_use]
    pub fn database_url(&self, database: &str) -> String {
        self.url_as("root", "", database)
    }

    /// URL for another user; an empty password is left out. Neither is escaped.
    #[must_use]
    pub fn url_as(&self, user: &str, password: &str, database: &str) -> String {
        let colon = if password.is_empty() { "" } else { ":" };
        format!("mysql://{user}{colon}{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// A new empty database, dropped with its handle.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn fresh_database(&self) -> DatabaseHandle {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("fresh_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let admin = self.database_url("mysql");
        let mut session = Session::connect(&admin).await;
        session.run(&format!("CREATE DATABASE {name}")).await;
        session.close().await;
        DatabaseHandle::new(
            admin,
            // A session that still holds a lock must not hang the test's end.
            format!("SET lock_wait_timeout = 2; DROP DATABASE IF EXISTS {name}"),
            self.database_url(&name),
            name,
            self.folder.log_path(),
        )
    }
}

/// The server, with the C library and the files that came with it.
fn server_command(folder: &ServerFolder, root: &Path) -> std::process::Command {
    let lib = root.join("usr/lib/x86_64-linux-gnu");
    let share = root.join("usr/share/mysql");
    let path = folder.path().display();
    let mut command = folder.command(&lib.join("ld-linux-x86-64.so.2"));
    command
        .arg("--library-path")
        .arg(&lib)
        .arg(root.join("usr/sbin/mysqld"))
        .arg("--no-defaults")
        .arg(format!("--datadir={path}/data"))
        .arg(format!("--tmpdir={path}"))
        .arg(format!("--lc-messages-dir={}", share.display()))
        .arg(format!("--character-sets-dir={}/charsets", share.display()))
        .arg(format!("--plugin-dir={}/usr/lib/mysql/plugin", root.display()))
        .args(["--mysqlx=OFF", "--secure-file-priv=NULL"]);
    command
}

impl Drop for MySql {
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

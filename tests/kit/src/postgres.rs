//! Private PostgreSQL servers.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::certificates::ServerCertificate;
use crate::fault::Disk;
use crate::process::{self, Attempt, ServerFolder, ServerProcess};
use crate::session::{DatabaseHandle, Session};

/// What a commit must survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// A kill of the server: commits reach the kernel, not the disk (`fsync = off`,
    /// `synchronous_commit = on`). A `kill -9` loses nothing that was committed; a power cut may.
    ServerCrash,
    /// A power cut: everything as an installation has it.
    PowerCut,
}

/// How to start a server.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    bin: Option<PathBuf>,
    durability: Durability,
    password: Option<String>,
    settings: Vec<(String, String)>,
    data_parent: Option<PathBuf>,
    certificate: Option<ServerCertificate>,
    disk: Option<Disk>,
    wal_segment_mb: Option<u32>,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            bin: None,
            durability: Durability::ServerCrash,
            password: None,
            settings: Vec::new(),
            data_parent: None,
            certificate: None,
            disk: None,
            wal_segment_mb: None,
        }
    }
}

impl PostgresOptions {
    /// Programs of this folder (`initdb`, `postgres`), for tests over several versions.
    #[must_use]
    pub fn bin(mut self, dir: impl Into<PathBuf>) -> Self {
        self.bin = Some(dir.into());
        self
    }

    /// What a commit must survive.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// The superuser `postgres` must give this password (SCRAM), also over the socket.
    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// A setting of `postgresql.conf`; the last one of a name wins.
    #[must_use]
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
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

    /// Size of a file of the log: a power of two, 16 if nothing is said.
    #[must_use]
    pub fn wal_segment_mb(mut self, megabytes: u32) -> Self {
        self.wal_segment_mb = Some(megabytes);
        self
    }

    /// The data directory goes below this folder (for example a [`crate::LimitedFolder`]).
    #[must_use]
    pub fn data_in(mut self, folder: impl Into<PathBuf>) -> Self {
        self.data_parent = Some(folder.into());
        self
    }

    /// Starts the server.
    ///
    /// # Panics
    /// When PostgreSQL is not installed or does not start; the message holds the server's log.
    #[must_use]
    pub fn start(self) -> Postgres {
        Postgres::launch(self)
    }
}

/// A private PostgreSQL server on `127.0.0.1` and a unix socket, stopped when dropped.
#[derive(Debug)]
pub struct Postgres {
    options: PostgresOptions,
    bin: PathBuf,
    data: PathBuf,
    port: u16,
    process: Option<ServerProcess>,
    // Last: it is removed after the server has stopped.
    folder: ServerFolder,
}

/// Where Debian, Red Hat and `PATH` keep the programs, newest version first.
fn bin_dirs() -> Vec<PathBuf> {
    let mut versioned: Vec<(u32, PathBuf)> = Vec::new();
    for (parent, prefix, suffix) in [("/usr/lib/postgresql", "", "bin"), ("/usr", "pgsql-", "bin")]
    {
        for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Some(version) = name.strip_prefix(prefix).and_then(|v| v.parse().ok()) {
                versioned.push((version, entry.path().join(suffix)));
            }
        }
    }
    versioned.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    versioned.into_iter().map(|(_, dir)| dir).chain(process::path_dirs()).collect()
}

fn find_bin() -> PathBuf {
    const PROGRAMS: &[&str] = &["initdb", "postgres"];
    if let Some(dir) = std::env::var_os("DOWNHAUL_PG_BIN").map(PathBuf::from) {
        return process::find_programs(std::slice::from_ref(&dir), PROGRAMS).unwrap_or_else(|| {
            panic!("DOWNHAUL_PG_BIN=`{}` holds no `initdb` and `postgres`", dir.display())
        });
    }
    process::find_programs(&bin_dirs(), PROGRAMS).unwrap_or_else(|| {
        panic!(
            "PostgreSQL is not installed: no `initdb` and `postgres` in /usr/lib/postgresql/*/bin \
             or PATH\n  next: `apt-get install postgresql-15` (scripts/test does it without \
             starting a service), or set DOWNHAUL_PG_BIN to a folder that holds them"
        )
    })
}

impl Postgres {
    /// Starts a server with default options.
    ///
    /// # Panics
    /// See [`PostgresOptions::start`].
    #[must_use]
    pub fn start() -> Self {
        PostgresOptions::default().start()
    }

    /// Starts a server that asks for this password.
    ///
    /// # Panics
    /// See [`PostgresOptions::start`].
    #[must_use]
    pub fn start_with_password(password: &str) -> Self {
        PostgresOptions::default().password(password).start()
    }

    /// The one server of this test process, started by the first caller. Take a
    /// [`Self::fresh_database`] from it.
    ///
    /// # Panics
    /// See [`PostgresOptions::start`].
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    fn launch(mut options: PostgresOptions) -> Self {
        let bin = options.bin.clone().unwrap_or_else(find_bin);
        let folder = ServerFolder::new("pg", "postgres");
        let data = options.data_parent.as_deref().unwrap_or(folder.path()).join("data");
        let mut initdb = folder.command(&bin.join("initdb"));
        initdb.args(["-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync", "-D"]).arg(&data);
        if let Some(megabytes) = options.wal_segment_mb {
            initdb.arg(format!("--wal-segsize={megabytes}"));
        }
        match &options.password {
            None => initdb.args(["-A", "trust"]),
            Some(password) => {
                let file = folder.write("password", password);
                initdb.args(["-A", "scram-sha-256"]).arg(format!("--pwfile={}", file.display()))
            }
        };
        folder.run(&mut initdb);
        if let Some(ServerCertificate { certificate, key }) = &options.certificate {
            let certificate = folder.write("server.pem", certificate);
            let key = folder.write_secret("server.key", key);
            let setting = |name: &str, path: &Path| (name.to_owned(), path.display().to_string());
            options.settings.push(("ssl".to_owned(), "on".to_owned()));
            options.settings.push(setting("ssl_cert_file", &certificate));
            options.settings.push(setting("ssl_key_file", &key));
        }
        let mut server = Self { options, bin, data, port: 0, process: None, folder };
        server.start_process();
        server
    }

    /// A streaming replica of this server, in a folder of its own, that tells every second how far it
    /// is. `name` is what the server knows it by.
    ///
    /// # Panics
    /// When it cannot be copied or does not start.
    #[must_use]
    pub fn standby(&self, name: &str) -> Self {
        let folder = ServerFolder::new("pg", "postgres");
        let data = folder.path().join("data");
        let mut copy = folder.command(&self.bin.join("pg_basebackup"));
        copy.args(["-h", "127.0.0.1", "-U", "postgres", "-c", "fast", "-X", "stream", "-R", "-N"])
            .args(["-p", &self.port.to_string()])
            .arg("-D")
            .arg(&data);
        folder.run(&mut copy);
        let options = PostgresOptions::default()
            .setting("wal_receiver_status_interval", "1s")
            .setting("cluster_name", name);
        let (bin, process) = (self.bin.clone(), None);
        let mut standby = Self { options, bin, data, port: 0, process, folder };
        standby.start_process();
        standby
    }

    /// Starts the process on a free port, again with another one when somebody was faster.
    fn start_process(&mut self) {
        let started = process::started(self.port, |port| {
            self.port = port;
            self.try_start()
        });
        match started {
            Ok(process) => self.process = Some(process),
            Err(Some(why)) => panic!(
                "PostgreSQL from `{}` did not start: {why}\n--- server log ---\n{}",
                self.bin.display(),
                self.folder.log_tail()
            ),
            Err(None) => panic!(
                "PostgreSQL did not start in ten attempts\n--- server log ---\n{}",
                self.folder.log_tail()
            ),
        }
    }

    fn try_start(&self) -> Result<ServerProcess, Attempt> {
        let log_before = self.folder.log().len();
        let mut command = self.folder.command(&self.bin.join("postgres"));
        command.arg("-D").arg(&self.data).args(["-p", &self.port.to_string()]);
        let socket_dir = self.folder.path().display().to_string();
        let mut settings: Vec<(&str, &str)> = vec![
            ("listen_addresses", "127.0.0.1"),
            ("unix_socket_directories", &socket_dir),
            ("max_connections", "100"),
            ("shared_buffers", "16MB"),
            ("log_line_prefix", "%m [%p] %d "),
            ("timezone", "UTC"),
            ("jit", "off"),
        ];
        if self.options.durability == Durability::ServerCrash {
            settings.extend([("fsync", "off"), ("full_page_writes", "off")]);
        }
        settings.extend(self.options.settings.iter().map(|(n, v)| (n.as_str(), v.as_str())));
        for (name, value) in settings {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        if let Some(disk) = &self.options.disk {
            command.envs(disk.environment());
        }
        let mut process = self.folder.spawn(&mut command);
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = process.ended() {
                let log = self.folder.log();
                let new = log.get(log_before..).unwrap_or(&log);
                process.stop("KILL", Duration::ZERO);
                return Err(if new.contains("Address already in use") {
                    Attempt::PortTaken
                } else if new.contains("is still in use") || new.contains("already exists") {
                    Attempt::StillInUse
                } else {
                    Attempt::Failed(format!("it ended with {status}"))
                });
            }
            if self.says_ready(process.pid()) {
                return Ok(process);
            }
            if Instant::now() > deadline {
                process.stop("KILL", Duration::ZERO);
                return Err(Attempt::Failed("it was not ready after 60 s".into()));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Whether `postmaster.pid` names our process (line 1) and says `ready` (line 8).
    fn says_ready(&self, pid: u32) -> bool {
        let text = std::fs::read_to_string(self.data.join("postmaster.pid")).unwrap_or_default();
        let mut lines = text.lines();
        lines.next().and_then(|l| l.trim().parse().ok()) == Some(pid)
            && lines.nth(6).map(str::trim) == Some("ready")
    }

    /// URL of the database `postgres`.
    #[must_use]
    pub fn url(&self) -> String {
        self.database_url("postgres")
    }

    /// URL of a database, over TCP.
    #[must_use]
    pub fn database_url(&self, database: &str) -> String {
        match &self.options.password {
            None => self.url_as("postgres", "", database),
            Some(password) => self.url_as("postgres", password, database),
        }
    }

    /// URL for another user or password; an empty password is left out. Neither is escaped.
    #[must_use]
    pub fn url_as(&self, user: &str, password: &str, database: &str) -> String {
        let colon = if password.is_empty() { "" } else { ":" };
        format!("postgres://{user}{colon}{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// URL of a database, over the unix socket.
    #[must_use]
    pub fn socket_url(&self, database: &str) -> String {
        let password = self.options.password.as_ref().map(|p| format!(":{p}")).unwrap_or_default();
        format!(
            "postgres://postgres{password}@localhost:{}/{database}?host={}",
            self.port,
            self.folder.path().display().to_string().replace('/', "%2F")
        )
    }

    /// TCP port, also the number of the socket.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Folder of the unix socket.
    #[must_use]
    pub fn socket_dir(&self) -> &Path {
        self.folder.path()
    }

    /// Folder of the programs (`psql`, `pg_dump` lie there too when they are installed).
    #[must_use]
    pub fn bin_dir(&self) -> &Path {
        &self.bin
    }

    /// Process id of the postmaster.
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

    /// SIGKILL to the postmaster, as a crash: its backends end by themselves.
    pub fn kill9(&mut self) {
        if let Some(process) = self.process.take() {
            process.stop("KILL", Duration::from_secs(5));
        }
    }

    /// Whether it has ended by itself, as it does when it cannot start anew after a crash.
    pub fn has_ended(&mut self) -> bool {
        self.process.as_mut().is_none_or(|process| process.ended().is_some())
    }

    /// Orderly stop (SIGINT, "fast"): sessions are cut, everything is written.
    pub fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.stop("INT", Duration::from_secs(30));
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

    /// Starts it again as a replica that follows nobody: every transaction is read-only, as on
    /// the wrong end of a replication.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart_as_replica(&mut self) {
        self.stop();
        let signal = self.data.join("standby.signal");
        std::fs::write(&signal, "")
            .unwrap_or_else(|e| panic!("cannot write `{}`: {e}", signal.display()));
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
            format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
            self.database_url(&name),
            name,
            self.folder.log_path(),
        )
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(process) = self.process.take() {
            process.stop("QUIT", Duration::from_secs(5));
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
    async fn starts_answers_and_goes() {
        let first = Postgres::start();
        let second = Postgres::start();
        assert_ne!(first.port(), second.port());
        for url in [first.url(), second.url(), first.socket_url("postgres")] {
            assert_eq!(Session::connect(&url).await.value("SELECT 1").await.as_deref(), Some("1"));
        }
        let (pid, folder) = (first.pid(), first.socket_dir().to_owned());
        assert!(fault::is_running(pid) && folder.exists());
        drop(first);
        assert!(!fault::is_running(pid) && !folder.exists());
        assert!(fault::is_running(second.pid()));
    }

    #[tokio::test]
    async fn commits_survive_a_kill() {
        let mut server = Postgres::start();
        let url = server.url();
        let mut session = Session::connect(&url).await;
        session.run("CREATE TABLE t (a int); INSERT INTO t SELECT generate_series(1, 1000)").await;
        server.kill9();
        // A backend notices the death of the postmaster when it next looks.
        let mut cut = false;
        for _ in 0..100 {
            cut = session.try_run("SELECT 1").await.is_err();
            if cut {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(cut);
        assert!(Session::try_connect(&url).await.is_err());
        server.restart();
        let mut session = Session::connect(&url).await;
        assert_eq!(session.value("SELECT count(*) FROM t").await.as_deref(), Some("1000"));
    }

    #[tokio::test]
    async fn a_wrong_password_is_refused() {
        let server = Postgres::start_with_password("right");
        assert!(Session::try_connect(&server.url()).await.is_ok());
        let wrong = server.url_as("postgres", "wrong", "postgres");
        let error = Session::try_connect(&wrong).await.err().unwrap().to_string();
        assert!(error.contains("password authentication failed"), "{error}");
    }

    #[tokio::test]
    async fn databases_are_private_and_dropped() {
        let server = Postgres::shared();
        let (one, two) = (server.fresh_database().await, server.fresh_database().await);
        Session::connect(one.url()).await.run("CREATE TABLE t (a int)").await;
        assert!(Session::connect(two.url()).await.try_run("SELECT * FROM t").await.is_err());
        let exists = format!("SELECT count(*) FROM pg_database WHERE datname = '{}'", one.name());
        let mut admin = Session::connect(&server.url()).await;
        assert_eq!(admin.value(&exists).await.as_deref(), Some("1"));
        let open = Session::connect(one.url()).await;
        drop(one);
        assert_eq!(admin.value(&exists).await.as_deref(), Some("0"), "dropped though in use");
        drop(open);
    }

    /// The test binary starts itself, and is killed in the middle: nothing may stay behind.
    #[test]
    fn a_killed_test_process_leaves_nothing() {
        const MARK: &str = "DOWNHAUL_KIT_CHILD";
        if let Some(report) = std::env::var_os(MARK) {
            let server = Postgres::start();
            let told = format!("{} {}", server.pid(), server.socket_dir().display());
            let part = PathBuf::from(&report).with_extension("part");
            std::fs::write(&part, told).unwrap();
            std::fs::rename(&part, &report).unwrap();
            std::thread::sleep(Duration::from_secs(120));
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let report = dir.path().join("report");
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "postgres::tests::a_killed_test_process_leaves_nothing"])
            .env(MARK, &report)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let wait_until = |what: &str, condition: &dyn Fn() -> bool| {
            let deadline = Instant::now() + Duration::from_secs(60);
            while !condition() {
                assert!(Instant::now() < deadline, "{what}");
                std::thread::sleep(Duration::from_millis(20));
            }
        };
        wait_until("the child starts a server", &|| report.exists());
        let told = std::fs::read_to_string(&report).unwrap();
        let (pid, folder) = told.split_once(' ').unwrap();
        let pid = pid.parse().unwrap();
        assert!(fault::is_running(pid));
        child.kill().unwrap();
        child.wait().unwrap();
        wait_until("the server ends", &|| !fault::is_running(pid));
        wait_until("its folder goes", &|| !Path::new(folder).exists());
    }

    #[test]
    fn a_server_that_cannot_start_shows_its_log() {
        let panic = std::panic::catch_unwind(|| {
            PostgresOptions::default().setting("shared_buffers", "many").start()
        });
        let message = *panic.unwrap_err().downcast::<String>().unwrap();
        assert!(message.contains("shared_buffers"), "{message}");
    }
}

//! Server processes: their folder, their account, their end.
//!
//! Three things must hold whatever happens to the test process: the server dies with it, its
//! folder goes away, and no other process is ever touched. A small shell, the *watchdog*, waits
//! beside each server on a pipe whose other end only the test process holds. The pipe closes when
//! the test process ends in any way, SIGKILL included; the watchdog then stops exactly the server
//! whose pid stands in the folder and removes the folder.

use std::fs::{self, File};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// What the watchdog runs. `$1` is the folder. It gives the server 5 s to go in peace.
const WATCHDOG: &str = r#"
alive() {
    kill -0 "$1" 2>/dev/null && ! grep -q '^State:[[:space:]]*Z' "/proc/$1/status" 2>/dev/null
}
read -r word
[ "$word" = done ] && exit 0
pid=$(cat "$1/server.pid" 2>/dev/null) || pid=
if [ -n "$pid" ]; then
    kill -QUIT "$pid" 2>/dev/null
    kill -CONT "$pid" 2>/dev/null
    n=0
    while [ $n -lt 50 ] && alive "$pid"; do sleep 0.1; n=$((n + 1)); done
    kill -KILL "$pid" 2>/dev/null
fi
sleep 0.1
rm -rf -- "$1"
"#;

/// Why a server did not start.
pub(crate) enum Attempt {
    /// Somebody else was faster.
    PortTaken,
    /// What a killed server leaves goes a moment after its process.
    StillInUse,
    Failed(String),
}

impl Attempt {
    /// Of MariaDB and MySQL: what the server logged in this attempt says why.
    pub(crate) fn logged(why: String) -> Self {
        if why.contains("Address already in use") {
            Self::PortTaken
        } else if why.contains("Unable to lock") {
            Self::StillInUse
        } else {
            Self::Failed(why)
        }
    }
}

/// Starts a server on `port`, which clients may know already, or where that is 0 or taken on a free one. `attempt`
/// gets the port. The error is why it failed; `None` where it did not start in ten attempts.
pub(crate) fn started(
    mut port: u16,
    mut attempt: impl FnMut(u16) -> Result<ServerProcess, Attempt>,
) -> Result<ServerProcess, Option<String>> {
    for _ in 0..10 {
        if port == 0 {
            port = free_port();
        }
        match attempt(port) {
            Ok(process) => return Ok(process),
            Err(Attempt::PortTaken) => port = 0,
            Err(Attempt::StillInUse) => std::thread::sleep(Duration::from_millis(300)),
            Err(Attempt::Failed(why)) => return Err(Some(why)),
        }
    }
    Err(None)
}

/// An account to run servers under. Servers refuse to run as root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    uid: u32,
    gid: u32,
}

impl Account {
    /// The named account, or `nobody`, when this process is root (the owner of `own_file` tells);
    /// `None` for an ordinary user.
    fn unprivileged(preferred: &str, own_file: &Path) -> Option<Self> {
        let owner = fs::metadata(own_file).map(|m| m.uid()).unwrap_or(0);
        if owner != 0 {
            return None;
        }
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let find = |name: &str| {
            passwd.lines().find_map(|line| {
                let fields: Vec<_> = line.split(':').collect();
                match fields[..] {
                    [n, _, uid, gid, ..] if n == name => {
                        Some(Self { uid: uid.parse().ok()?, gid: gid.parse().ok()? })
                    }
                    _ => None,
                }
            })
        };
        find(preferred).or_else(|| find("nobody")).or(Some(Self { uid: 65534, gid: 65534 }))
    }
}

/// A private folder with a watchdog that outlives the test process just long enough to clean up.
#[derive(Debug)]
pub(crate) struct ServerFolder {
    dir: Option<TempDir>,
    path: PathBuf,
    account: Option<Account>,
    watchdog: Child,
    alive: Option<ChildStdin>,
}

impl ServerFolder {
    /// Makes the folder; when root, it belongs to the account `preferred` or else to `nobody`.
    pub(crate) fn new(prefix: &str, preferred: &str) -> Self {
        // A unix socket path may have 107 bytes: a long TMPDIR is no place for one.
        let mut base = std::env::temp_dir();
        if base.as_os_str().len() > 60 {
            base = PathBuf::from("/tmp");
        }
        let dir = tempfile::Builder::new()
            .prefix(&format!("downhaul-{prefix}-"))
            .tempdir_in(&base)
            .unwrap_or_else(|e| panic!("cannot make a folder in `{}`: {e}", base.display()));
        let path = dir.path().to_owned();
        let account = Account::unprivileged(preferred, &path);
        if let Some(account) = account {
            chown(&path, Some(account.uid), Some(account.gid))
                .unwrap_or_else(|e| panic!("cannot chown `{}`: {e}", path.display()));
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700))
            .unwrap_or_else(|e| panic!("cannot chmod `{}`: {e}", path.display()));
        let mut watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "downhaul-kit-watchdog"])
            .arg(&path)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Own group: a Ctrl-C at the terminal must not reach it.
            .process_group(0)
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start `sh` as watchdog: {e}"));
        let alive = watchdog.stdin.take();
        Self { dir: Some(dir), path, account, watchdog, alive }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A file in the folder with this content, readable by the server.
    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path.join(name);
        fs::write(&path, content)
            .unwrap_or_else(|e| panic!("cannot write `{}`: {e}", path.display()));
        if let Some(account) = self.account {
            chown(&path, Some(account.uid), Some(account.gid))
                .unwrap_or_else(|e| panic!("cannot chown `{}`: {e}", path.display()));
        }
        path
    }

    /// A file as [`Self::write`] makes it, which nobody but the server may read.
    pub(crate) fn write_secret(&self, name: &str, content: &str) -> PathBuf {
        let path = self.write(name, content);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))
            .unwrap_or_else(|e| panic!("cannot chmod `{}`: {e}", path.display()));
        path
    }

    /// A command under the server's account, with an environment that says nothing of this one's.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("LC_ALL", "C").env("TZ", "UTC").env("HOME", &self.path);
        for name in ["PATH", "LD_LIBRARY_PATH"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.current_dir(&self.path).stdin(Stdio::null()).process_group(0);
        if let Some(account) = self.account {
            command.gid(account.gid).uid(account.uid);
        }
        command
    }

    /// Runs a command to its end; panics with its output when it fails.
    pub(crate) fn run(&self, command: &mut Command) {
        let output = command
            .output()
            .unwrap_or_else(|e| panic!("cannot run {:?}: {e}", command.get_program()));
        assert!(
            output.status.success(),
            "{:?} failed ({}):\n{}{}",
            command.get_program(),
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// Where the server writes what it has to say.
    pub(crate) fn log_path(&self) -> PathBuf {
        self.path.join("server.log")
    }

    /// The log so far.
    pub(crate) fn log(&self) -> String {
        fs::read(self.log_path())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// The last lines of the log, for panic messages.
    pub(crate) fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// Starts the server; its output goes to the log, its pid to the watchdog.
    pub(crate) fn spawn(&self, command: &mut Command) -> ServerProcess {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_path())
            .unwrap_or_else(|e| panic!("cannot open `{}`: {e}", self.log_path().display()));
        let errors = log
            .try_clone()
            .unwrap_or_else(|e| panic!("cannot clone the handle of the server's log: {e}"));
        let child = command
            .stdout(log)
            .stderr(errors)
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start {:?}: {e}", command.get_program()));
        let pid_file = self.path.join("server.pid");
        fs::write(&pid_file, child.id().to_string())
            .unwrap_or_else(|e| panic!("cannot write `{}`: {e}", pid_file.display()));
        ServerProcess { child, pid_file }
    }

    /// Copies the log to where it outlives the folder, and says where.
    #[expect(clippy::print_stderr, reason = "the reader of a failed test needs the place")]
    pub(crate) fn keep_log(&self) {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let kept = std::env::temp_dir().join("downhaul-kit-logs");
        let target = kept.join(format!("{name}.log"));
        if fs::create_dir_all(&kept).and_then(|()| fs::copy(self.log_path(), &target)).is_ok() {
            eprintln!("the server's log is kept: {}", target.display());
        }
    }
}

impl Drop for ServerFolder {
    fn drop(&mut self) {
        drop(self.dir.take());
        if let Some(mut pipe) = self.alive.take() {
            // A watchdog that is already gone has nothing left to do.
            let _ = pipe.write_all(b"done\n");
        }
        let _ = self.watchdog.wait();
    }
}

/// A running server process.
#[derive(Debug)]
pub(crate) struct ServerProcess {
    child: Child,
    pid_file: PathBuf,
}

impl ServerProcess {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its exit status, if it has ended.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Sends the signal, waits at most `patience` for the end, then kills. The pid file goes
    /// before the process is reaped, so that the watchdog never sees a pid that may be another's.
    pub(crate) fn stop(mut self, signal: &str, patience: Duration) {
        crate::fault::signal(self.pid(), signal);
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline && crate::fault::is_running(self.pid()) {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = fs::remove_file(&self.pid_file);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that is free now. Another process may take it before the server does: callers retry.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .unwrap_or_else(|e| panic!("no free port on 127.0.0.1: {e}"))
}

/// The first of the directories that holds all of the programs.
pub(crate) fn find_programs(dirs: &[PathBuf], programs: &[&str]) -> Option<PathBuf> {
    dirs.iter().find(|dir| programs.iter().all(|p| dir.join(p).is_file())).cloned()
}

/// The directories of `PATH`, and the ones for servers that an ordinary user's lacks.
pub(crate) fn path_dirs() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut dirs: Vec<_> = std::env::split_paths(&path).collect();
    dirs.extend(["/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin"].map(PathBuf::from));
    dirs
}

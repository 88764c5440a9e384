//! Full disks.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A folder that holds only so many bytes: a tmpfs of its own, unmounted when dropped.
///
/// Mounting needs `CAP_SYS_ADMIN` (root on a machine, not in most containers); without it use
/// [`limit_file_size`] on the server's process.
#[derive(Debug)]
pub struct LimitedFolder {
    path: PathBuf,
}

impl LimitedFolder {
    /// Mounts a tmpfs of this size; anyone may write into it.
    ///
    /// # Errors
    /// What `mount` says where it is not permitted.
    pub fn mount(bytes: u64) -> Result<Self, String> {
        let path = tempfile::Builder::new()
            .prefix("downhaul-disk-")
            .tempdir()
            .map_err(|e| format!("cannot make a temporary folder: {e}"))?
            .keep();
        let output = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={bytes},mode=1777"), "tmpfs"])
            .arg(&path)
            .output();
        let error = match output {
            Ok(output) if output.status.success() => return Ok(Self { path }),
            Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
            Err(e) => e.to_string(),
        };
        let _ = fs::remove_dir(&path);
        Err(format!("cannot mount a tmpfs: {error}"))
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for LimitedFolder {
    fn drop(&mut self) {
        // Lazily: a server that was killed a moment ago may still hold files open.
        let _ = Command::new("umount").arg("-l").arg(&self.path).output();
        let _ = fs::remove_dir(&self.path);
    }
}

/// Lets a running process write no file beyond this size (`RLIMIT_FSIZE`); children that it starts
/// afterwards inherit it. A write beyond fails like one to a full disk, but with `EFBIG`. Needs
/// no privilege; works for PostgreSQL sessions opened afterwards.
///
/// # Errors
/// What `prlimit` (util-linux) says.
pub fn limit_file_size(pid: u32, bytes: u64) -> Result<(), String> {
    let mut command = Command::new("prlimit");
    command.args([format!("--pid={pid}"), format!("--fsize={bytes}:")]);
    // Root without CAP_SYS_RESOURCE, as in containers, may not do this to another account's
    // process; that account itself may.
    if let Ok(owner) = fs::metadata(format!("/proc/{pid}"))
        && fs::metadata("/proc/self").is_ok_and(|own| own.uid() != owner.uid())
    {
        command.gid(owner.gid()).uid(owner.uid());
    }
    let output = command.output().map_err(|e| format!("cannot run `prlimit`: {e}"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// A disk under a server that is full when a test says so, to the byte, and has room again when it says
/// so: needs neither a mount nor a privilege, only the C compiler with which Rust links. The server's
/// own calls are refused with `ENOSPC`; see `full_disk.c`.
///
/// Give it to [`crate::PostgresOptions::disk`] or [`crate::MariaDbOptions::disk`].
#[derive(Clone, Debug)]
pub struct Disk {
    // The folder lives as long as one of its handles does.
    dir: std::sync::Arc<TempDir>,
}

impl Default for Disk {
    fn default() -> Self {
        Self::new()
    }
}

impl Disk {
    /// Where the numbers stand that processes share, and where the path does.
    const LEFT: u64 = 0;
    const GROWN: u64 = 8;
    const REFUSED: u64 = 16;
    const ONLY: u64 = 24;
    const SIZE: usize = 256;

    /// A disk with as much room as there is.
    ///
    /// # Panics
    /// When there is no C compiler.
    #[must_use]
    pub fn new() -> Self {
        let dir = tempfile::Builder::new()
            .prefix("downhaul-disk-")
            .tempdir()
            .unwrap_or_else(|e| panic!("cannot make a temporary folder: {e}"));
        let disk = Self { dir: std::sync::Arc::new(dir) };
        let source = disk.dir.path().join("full_disk.c");
        let write = |path: &Path, content: &[u8], mode| {
            fs::write(path, content)
                .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
                .unwrap_or_else(|e| panic!("cannot write `{}`: {e}", path.display()));
        };
        write(&source, include_bytes!("full_disk.c"), 0o644);
        // Servers run under another account.
        write(&disk.shared(), &[0; Self::SIZE], 0o666);
        fs::set_permissions(disk.dir.path(), fs::Permissions::from_mode(0o755))
            .unwrap_or_else(|e| panic!("cannot chmod `{}`: {e}", disk.dir.path().display()));
        let output = Command::new("cc")
            .args(["-O1", "-shared", "-fPIC", "-o"])
            .arg(disk.library())
            .arg(&source)
            .arg("-ldl")
            .output()
            .unwrap_or_else(|e| panic!("cannot run `cc`, with which Rust links: {e}"));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        disk.make_room();
        disk
    }

    fn library(&self) -> PathBuf {
        self.dir.path().join("full_disk.so")
    }

    fn shared(&self) -> PathBuf {
        self.dir.path().join("shared")
    }

    /// What a server's environment needs.
    pub(crate) fn environment(&self) -> [(&'static str, PathBuf); 2] {
        [("LD_PRELOAD", self.library()), ("DOWNHAUL_KIT_DISK", self.shared())]
    }

    fn open(&self) -> File {
        File::options()
            .read(true)
            .write(true)
            .open(self.shared())
            .unwrap_or_else(|e| panic!("cannot open `{}`: {e}", self.shared().display()))
    }

    fn number(&self, at: u64) -> u64 {
        let mut bytes = [0; 8];
        self.open().read_exact_at(&mut bytes, at).expect("the file was written whole");
        u64::from_ne_bytes(bytes)
    }

    fn put(&self, at: u64, bytes: &[u8]) {
        self.open().write_all_at(bytes, at).expect("the file can be written to");
    }

    /// The disk is full once files whose path holds `only` have grown by so many bytes.
    ///
    /// # Panics
    /// When `only` is longer than 200 bytes.
    pub fn full_after(&self, bytes: u64, only: &str) {
        assert!(only.len() <= 200, "a path of that length is not foreseen");
        self.make_room();
        let mut text = only.as_bytes().to_vec();
        text.push(0);
        self.put(Self::ONLY, &text);
        self.put(Self::GROWN, &[0; 16]);
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.put(Self::LEFT, &bytes.to_ne_bytes());
    }

    /// There is room again.
    pub fn make_room(&self) {
        self.put(Self::LEFT, &(i64::MAX / 2).to_ne_bytes());
    }

    /// Bytes by which files have grown since [`Self::full_after`].
    #[must_use]
    pub fn grown(&self) -> u64 {
        self.number(Self::GROWN)
    }

    /// Writes that were refused since [`Self::full_after`].
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.number(Self::REFUSED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Postgres, PostgresOptions, Session};

    #[tokio::test]
    async fn a_limited_process_meets_a_full_disk() {
        let server = Postgres::start();
        let mut before = Session::connect(&server.url()).await;
        before.run("CREATE TABLE t (a text); INSERT INTO t VALUES ('kept')").await;
        limit_file_size(server.pid(), 1 << 20).unwrap();
        let mut limited = Session::connect(&server.url()).await;
        // Temporary tables need no WAL, whose segments are larger than the limit.
        let error = limited
            .try_run(
                "CREATE TEMP TABLE big AS SELECT repeat('x', 1000) FROM generate_series(1, 10000)",
            )
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("could not") && error.contains("file"), "{error}");
        assert_eq!(before.value("SELECT a FROM t").await.as_deref(), Some("kept"));
    }

    #[tokio::test]
    async fn a_disk_is_full_when_it_is_told_to_be_and_has_room_again() {
        let disk = Disk::new();
        let server = PostgresOptions::default().disk(&disk).start();
        let mut session = Session::connect(&server.url()).await;
        session.run("CREATE TABLE t (a text)").await;
        let fill = "INSERT INTO t SELECT repeat('x', 1000) FROM generate_series(1, 500)";
        disk.full_after(100_000, "/base/");
        let error = session.try_run(fill).await.unwrap_err();
        assert_eq!(crate::error_code(&error), "53100", "{error}");
        assert!(disk.grown() <= 100_000 && disk.grown() > 50_000 && disk.refused() > 0);
        disk.make_room();
        session.run(fill).await;
        assert_eq!(session.value("SELECT count(*) FROM t").await.as_deref(), Some("500"));
    }

    #[test]
    fn a_limited_folder_fills_up_where_mounting_is_permitted() {
        match LimitedFolder::mount(1 << 20) {
            Ok(folder) => {
                let path = folder.path().to_owned();
                fs::write(path.join("small"), vec![0; 1000]).unwrap();
                let error = fs::write(path.join("large"), vec![0; 2 << 20]).unwrap_err();
                assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
                drop(folder);
                assert!(!path.exists());
            }
            Err(why) => assert!(why.contains("cannot mount"), "{why}"),
        }
    }
}

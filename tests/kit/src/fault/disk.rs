//! Full disks.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Postgres, Session};

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

//! Signals by process id.

use std::process::{Command, Stdio};

/// Sends a signal by its name without `SIG` (`KILL`, `TERM`, `STOP`, `CONT`, …); returns whether
/// the process was there to receive it.
pub fn signal(pid: u32, name: &str) -> bool {
    // The shell's own `kill`: the program is not on every machine.
    Command::new("sh")
        .args(["-c", "kill -s \"$1\" \"$2\"", "kill", name, &pid.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// SIGKILL to exactly this process.
pub fn kill9(pid: u32) -> bool {
    signal(pid, "KILL")
}

/// Whether the process exists and is not a zombie.
#[must_use]
pub fn is_running(pid: u32) -> bool {
    match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        // `pid (name) state …`; the name may hold anything, also `)`.
        Ok(stat) => stat
            .rsplit_once(") ")
            .and_then(|(_, rest)| rest.chars().next())
            .is_none_or(|state| state != 'Z' && state != 'X'),
        Err(_) if std::path::Path::new("/proc/self/stat").exists() => false,
        // No procfs: ask by signal 0, which also finds zombies.
        Err(_) => signal(pid, "0"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_process_dies() {
        let spawn = || Command::new("sleep").arg("60").spawn().unwrap();
        let (mut one, mut two) = (spawn(), spawn());
        assert!(is_running(one.id()) && is_running(two.id()));
        assert!(kill9(one.id()));
        one.wait().unwrap();
        assert!(!is_running(one.id()) && is_running(two.id()));
        assert!(!kill9(one.id()), "it is gone");
        two.kill().unwrap();
        two.wait().unwrap();
    }
}

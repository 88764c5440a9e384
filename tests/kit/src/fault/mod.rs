//! Faults: killed processes, cut connections, held locks, full disks.

mod disk;
mod lock;
mod proxy;
mod signal;

pub use disk::{Disk, LimitedFolder, limit_file_size};
pub use lock::LockHolder;
pub use proxy::{Fault, Proxy};
pub use signal::{is_running, kill9, signal};

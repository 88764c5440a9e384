//! The only crate that talks to a database.
//!
//! [`Target`] says where a database is; [`connect`] opens a [`Session`] on it. A session is an
//! object-safe trait with one folder per engine behind it, so that everything above this crate is
//! written once. Statements go to the server as text by the simple protocol: prepared statements
//! collide behind transaction poolers.
//!
//! Absent on purpose: printing, reading the environment, any notion of a migration.

pub mod blocker;
pub mod dump;
pub mod error;
pub mod exact;
pub mod live;
pub mod lock;
mod mysql;
mod postgres;
pub mod row_digest;
pub mod session;
pub mod shape;
mod sqlite;
pub mod target;
mod tls;

pub use blocker::{Blocker, TableLock};
pub use dump::{DumpKind, DumpObject, ObjectId, SchemaDump};
pub use error::{EngineError, Rule, StatementFailure};
pub use live::{TableSize, catalog_of, live_catalog};
pub use lock::{LockHolder, MigrationLock, Watcher};
pub use postgres::lock_tables::{AT_ONCE, Wanted, lock_tables};
pub use row_digest::RowDigest;
pub use session::{LockBudget, Row, ServerInfo, Session, TakeRow, WorkDone, connect};
pub use shape::{ColumnShape, ForeignKeyShape, SequenceState, TableShape};
pub use target::Target;

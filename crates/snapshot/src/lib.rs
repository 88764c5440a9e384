//! Keeps what a destructive migration would lose and brings it back.
//!
//! The life of a restore point, all of it inside the migration's own transaction:
//!
//! 1. [`loss::losses`] reads from the statements which tables lose what (pure).
//! 2. [`keep::keep`] locks those tables and copies what they would lose, or sets triggers that
//!    record the rows that change, and counts what it copied. Large tables that are dropped become
//!    [`tombstone`]s instead. A few rows that plain statements delete are [`packed`] into one table.
//! 3. The migration runs.
//! 4. [`settle::settle`] compares what was kept with what is there now and keeps the net
//!    difference: lost rows, lost columns, changed values with the value they were changed to.
//!
//! And on the way back:
//!
//! 5. [`restore::hold`] notes, before the first statement of the down, which of the changed values
//!    are still as the migration left them: only those are put back. What was written since wins.
//! 6. The down runs.
//! 7. [`complete::objects`] puts back what the down forgot of the schema, [`restore::restore`] the
//!    data, and verifies it row by row.
//!
//! Beside that stands the history of tracked tables, which knows every change and not only those of
//! migrations: [`track`] writes it, [`mark`] names moments, [`history`] reads tables as they were,
//! [`merge`] says which value wins, and [`restore_to`] brings tables back. On SQLite a snapshot may also be
//! a copy of the whole file ([`whole`]).

pub mod added;
pub mod complete;
mod composite;
pub mod difference;
pub mod empty;
pub mod hidden;
pub mod history;
pub mod in_parts;
pub mod keep;
pub mod loss;
pub mod mark;
pub mod merge;
pub mod numbered;
pub mod packed;
pub mod references;
pub mod restore;
pub mod restore_to;
pub mod seeded;
pub mod settle;
pub mod sql;
pub mod stepwise;
pub mod store;
pub mod tombstone;
pub mod track;
pub mod views;
pub mod whole;

pub use loss::{Losses, Names, TableLoss, losses};
pub use store::{Kept, KeptColumn, KeptMode, SnapshotError};

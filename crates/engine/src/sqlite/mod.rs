//! SQLite.

mod connect;
mod dump;
mod shape;

pub(crate) use connect::{Sqlite, connect};

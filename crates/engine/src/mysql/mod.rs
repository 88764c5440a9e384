//! MySQL and MariaDB.

mod blockers;
mod connect;
mod definition;
mod dump;
mod shape;

pub(crate) use connect::{MySql, connect};

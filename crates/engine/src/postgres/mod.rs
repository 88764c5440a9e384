//! PostgreSQL.

mod blockers;
mod connect;
mod dump;
pub(crate) mod lock_tables;
mod shape;

pub(crate) use connect::{Postgres, TRANSACTION_KEY, connect};

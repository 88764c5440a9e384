//! PostgreSQL.

mod blockers;
mod connect;
mod dump;
mod shape;

pub(crate) use connect::{Postgres, TRANSACTION_KEY, connect};

//! The promise: what a migration drops is set aside in no time, and comes back as it was.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

mod columns;
mod mariadb;
mod postgres;
mod sqlite;

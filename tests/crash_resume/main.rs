//! The promise: at any instant, after any kill, cut or failure, the journal and the schema tell
//! exactly what was done; the next `up` finishes, or the next `down` returns, and schema and rows
//! are exactly what they are without the accident.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

mod accident;
mod journal_in_the_way;
mod locks;
mod mended;
mod stage;
mod writers;

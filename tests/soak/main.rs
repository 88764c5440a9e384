//! The promise: whatever is killed, cut or run twice, and whoever works beside it, the journal tells
//! what was done and nothing is lost. Short here; `scripts/soak` runs the long ones.
//!
//! `DOWNHAUL_SEED=n` repeats a run, `DOWNHAUL_ROUNDS=n` makes it longer, `DOWNHAUL_PROGRAM=path` takes
//! another build of the program.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot set its stage has failed; a long one shows where it is"
)]

mod accident;
mod crowd;
mod fill;
mod in_the_way;
mod kill;
mod phases;
mod race;
mod snapshot;
mod stage;
mod traffic;

//! The promise: `downhaul lint` judges what it is given, in the right order and dialect, by the
//! settings that hold for it, says so in every format, and its exit code can be trusted.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

mod changed;
mod folder;
mod generate_down;
mod inputs;
mod output;
mod reference;
mod settings;

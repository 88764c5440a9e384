//! `downhaul`.
fn main() {}

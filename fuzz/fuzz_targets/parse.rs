//! Any text in any dialect: no panic, no hang, true spans, nothing lost.
//! The first byte chooses the dialect, the rest is the text.

#![no_main]

#[path = "../../crates/syntax/tests/invariants/mod.rs"]
mod invariants;

use downhaul_syntax::Dialect;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let dialect = Dialect::ALL[usize::from(*first) % Dialect::ALL.len()];
    invariants::check(&String::from_utf8_lossy(rest), dialect);
});

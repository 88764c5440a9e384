//! A name that is quoted for a statement reads back as the same name, and nothing else is read.

#![no_main]

#[path = "../../crates/syntax/tests/quoting/mod.rs"]
mod quoting;

use downhaul_syntax::Dialect;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let dialect = Dialect::ALL[usize::from(*first) % Dialect::ALL.len()];
    quoting::check(&String::from_utf8_lossy(rest), dialect);
});

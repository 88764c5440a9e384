//! What stands around a directory: whose migrations these are, where their names do not tell.

use std::path::Path;

/// How many directories above the migrations are looked at.
const ABOVE: usize = 7;

/// One of the directories above holds a file `name` whose text mentions one of `words`.
pub(super) fn above(root: &Path, name: &str, words: &[&str]) -> bool {
    let absolute = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
    absolute.ancestors().take(ABOVE).any(|dir| {
        std::fs::read_to_string(dir.join(name))
            .is_ok_and(|text| words.iter().any(|word| text.contains(word)))
    })
}

/// One of the directories above holds an entry of this name.
pub(super) fn beside(root: &Path, name: &str) -> bool {
    let absolute = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
    absolute.ancestors().take(ABOVE).any(|dir| dir.join(name).exists())
}

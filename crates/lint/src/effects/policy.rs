//! What a policy of row-level security lets through.

/// A policy lets a role use a privilege on all rows.
pub(crate) fn admits(text: &str, role: &str, privilege: &str) -> bool {
    let lower = text.to_lowercase();
    let flat: String = lower.split_whitespace().collect();
    let words: Vec<&str> =
        lower.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty()).collect();
    let behind = |word: &str| {
        words.iter().position(|w| *w == word).and_then(|at| words.get(at + 1)).copied()
    };
    let command = behind("for").is_none_or(|c| c == privilege || c == "all");
    let to = words.iter().position(|w| *w == "to");
    let everyone = to.is_none_or(|at| words[at..].contains(&"public"));
    command
        && (everyone || words.contains(&role.to_lowercase().as_str()))
        && flat.contains("using(true)")
        && !words.contains(&"restrictive")
        && (!flat.contains("check(") || flat.contains("check(true)"))
}

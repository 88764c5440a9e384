//! Tables of a publication of PostgreSQL in which nothing tells one row from another: once they are
//! published, their updates and deletes are refused (measured).

use downhaul_catalog::Table;
use downhaul_syntax::ConstraintKind;

use crate::state::State;

/// Tables in use that `CREATE PUBLICATION` or `ALTER PUBLICATION` adds, and whose updates and deletes are
/// refused from then on.
pub(crate) fn refusing<'a>(text: &str, state: &State<'a>) -> Vec<&'a Table> {
    if !publishes_changes(text) {
        return Vec::new();
    }
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    let says = |wanted: &[&str]| words.windows(wanted.len()).any(|w| w == wanted);
    if words.first() == Some(&"alter") && !says(&["add", "table"]) && !says(&["set", "table"]) {
        return Vec::new();
    }
    let all = says(&["for", "all", "tables"]);
    let listed = listed(text);
    state
        .catalog
        .tables
        .values()
        .filter(|t| !t.unlogged && !t.temporary && !t.assumed && state.in_use(&t.name))
        .filter(|t| all || listed.iter().any(|name| is_called(t, name)))
        .filter(|t| !has_identity(t))
        .collect()
}

/// `WITH (publish = 'insert')` leaves updates and deletes alone.
fn publishes_changes(text: &str) -> bool {
    let flat: String = text.to_lowercase().split_whitespace().collect();
    let Some((_, behind)) = flat.split_once("publish='") else { return true };
    let kinds = behind.split('\'').next().unwrap_or_default();
    kinds.split(',').any(|kind| matches!(kind, "update" | "delete"))
}

/// What stands behind `TABLE`, without columns and conditions.
fn listed(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let (mut depth, mut wanted, mut quoted) = (0_i32, false, false);
    let mut word = String::new();
    for c in text.chars().chain([' ']) {
        quoted ^= c == '"';
        if quoted || c == '"' || c.is_alphanumeric() || matches!(c, '_' | '.' | '$') {
            word.push(c);
            continue;
        }
        if depth == 0 && !word.is_empty() {
            match word.to_lowercase().as_str() {
                "table" => wanted = true,
                "only" => {}
                // `, TABLES IN SCHEMA s` and `WITH (…)`.
                "with" | "tables" => break,
                _ if wanted => {
                    names.push(word.clone());
                    wanted = false;
                }
                _ => {}
            }
        }
        word.clear();
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => wanted = !names.is_empty(),
            _ => {}
        }
    }
    names
}

fn is_called(table: &Table, written: &str) -> bool {
    let own = table.name.to_string();
    let plain = |name: &str| {
        let folded = if name.contains('"') { name.to_owned() } else { name.to_lowercase() };
        folded.replace('"', "")
    };
    let (own, written) = (own.replace('"', ""), plain(written));
    own == written || own.trim_start_matches("public.") == written.trim_start_matches("public.")
}

/// A primary key, or what `REPLICA IDENTITY` names.
fn has_identity(table: &Table) -> bool {
    match &table.replica_identity {
        Some(stated) => !stated.eq_ignore_ascii_case("nothing"),
        None => {
            table.constraints.iter().any(|c| matches!(c.kind, ConstraintKind::PrimaryKey { .. }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{listed, publishes_changes};

    #[test]
    fn what_is_listed() {
        for (text, expect) in [
            ("CREATE PUBLICATION p FOR TABLE a, ONLY b.c", vec!["a", "b.c"]),
            (
                "CREATE PUBLICATION p FOR TABLE \"A b\" (x, y) WHERE (x > 1), TABLE c",
                vec!["\"A b\"", "c"],
            ),
            (
                "CREATE PUBLICATION p FOR TABLE a, TABLES IN SCHEMA s WITH (publish = 'insert')",
                vec!["a"],
            ),
            ("ALTER PUBLICATION p ADD TABLE a", vec!["a"]),
            ("CREATE PUBLICATION p FOR ALL TABLES", vec![]),
        ] {
            assert_eq!(listed(text), expect, "{text}");
        }
    }

    #[test]
    fn kinds_of_writes() {
        for (text, expect) in [
            ("CREATE PUBLICATION p FOR TABLE a", true),
            ("CREATE PUBLICATION p FOR TABLE a WITH (publish = 'insert')", false),
            ("CREATE PUBLICATION p FOR TABLE a WITH (publish='insert, delete')", true),
        ] {
            assert_eq!(publishes_changes(text), expect, "{text}");
        }
    }
}

//! All rules. A new rule is one file and two lines in the `mod.rs` of its hazard.

mod breaks_release;
mod data_loss;
mod design;
mod locks;
mod not_understood;
mod phases;
mod reversibility;
mod security;
mod transactions;

use std::sync::LazyLock;

use downhaul_syntax::nearest;

use crate::Rule;

pub(crate) use not_understood::{unknown_directive, unresolved_query};

static RULES: LazyLock<Vec<&'static Rule>> = LazyLock::new(|| {
    [
        breaks_release::RULES,
        locks::RULES,
        data_loss::RULES,
        reversibility::RULES,
        transactions::RULES,
        phases::RULES,
        security::RULES,
        design::RULES,
        not_understood::RULES,
    ]
    .concat()
});

/// All rules, in the order of the documentation.
#[must_use]
pub fn all_rules() -> &'static [&'static Rule] {
    &RULES
}

/// The rule of a code (`BC01`) or name (`drop-column`), in any case.
#[must_use]
pub fn find_rule(code_or_name: &str) -> Option<&'static Rule> {
    let wanted = code_or_name.trim();
    all_rules()
        .iter()
        .copied()
        .find(|r| r.code.eq_ignore_ascii_case(wanted) || r.name.eq_ignore_ascii_case(wanted))
}

/// The name of the rule that was most likely meant, where one is close enough.
#[must_use]
pub fn suggest_rule(written: &str) -> Option<&'static str> {
    nearest(written, all_rules().iter().flat_map(|r| [r.name, r.code]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_found_by_code_and_name_and_typos_get_a_suggestion() {
        assert_eq!(find_rule("bc01").map(|r| r.name), Some("drop-column"));
        assert_eq!(find_rule(" Drop-Column ").map(|r| r.code), Some("BC01"));
        assert!(find_rule("drop-colum").is_none());
        assert_eq!(suggest_rule("drop-colum"), Some("drop-column"));
        assert_eq!(suggest_rule("entirely-else-where"), None);
    }

    #[test]
    fn codes_and_names_are_unique_and_sorted() {
        let mut seen = std::collections::HashSet::new();
        for rule in all_rules() {
            assert!(seen.insert(rule.code), "{} twice", rule.code);
            assert!(seen.insert(rule.name), "{} twice", rule.name);
            assert!(crate::Hazard::of_code(rule.code).is_some(), "{}", rule.code);
        }
        for pair in all_rules().windows(2) {
            let key = |r: &Rule| (r.hazard(), r.code);
            assert!(key(pair[0]) < key(pair[1]), "{} before {}", pair[0].code, pair[1].code);
        }
    }
}

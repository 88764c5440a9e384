//! Versions of migrations.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The version of a migration, as its file name states it (`0007`, `20260102030405`, `1.2`).
///
/// Ordered as people count: runs of digits by their number, whatever their length or leading
/// zeros. Two versions that differ in leading zeros only are equal in order but not in text.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(String);

impl Version {
    /// A version from its text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text cut into runs of digits (leading zeros stripped) and runs of the rest.
fn runs(text: &str) -> impl Iterator<Item = (bool, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let digit = rest.chars().next()?.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != digit).unwrap_or(rest.len());
        let (run, tail) = rest.split_at(end);
        rest = tail;
        Some((digit, if digit { run.trim_start_matches('0') } else { run }))
    })
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        // Mostly they are numbers of one length, and compared very often.
        let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if self.0.len() == other.0.len() && number(&self.0) && number(&other.0) {
            return self.0.cmp(&other.0);
        }
        let (mut a, mut b) = (runs(&self.0), runs(&other.0));
        loop {
            let order = match (a.next(), b.next()) {
                (None, None) => return Ordering::Equal,
                (None, Some(_)) => return Ordering::Less,
                (Some(_), None) => return Ordering::Greater,
                (Some((true, x)), Some((true, y))) => x.len().cmp(&y.len()).then_with(|| x.cmp(y)),
                (Some((_, x)), Some((_, y))) => x.cmp(y),
            };
            if order != Ordering::Equal {
                return order;
            }
        }
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_count_as_people_do() {
        let ordered = ["0001", "2", "10", "010.1", "10.2", "11", "20260101", "20260101120000"];
        for pair in ordered.windows(2) {
            assert!(Version::new(pair[0]) < Version::new(pair[1]), "{pair:?}");
        }
        assert_eq!(Version::new("0003"), Version::new("3"));
    }
}

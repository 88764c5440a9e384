//! Which part of a change a migration is, when the change goes out around a release.

use std::fmt;

use downhaul_syntax::{Dialect, DirectiveKind, parse_script};
use serde::{Deserialize, Serialize};

use crate::{SourceFile, SourceMigration};

/// A phase, in the order in which they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The new shape comes; the old and the new release both work.
    Expand,
    /// Data moves into the new shape in small batches, while everybody writes.
    Backfill,
    /// The old shape goes.
    Contract,
}

impl Phase {
    /// Every phase, in order.
    pub const ALL: [Self; 3] = [Self::Expand, Self::Backfill, Self::Contract];

    /// The word of `-- downhaul:phase` and of file names.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expand => "expand",
            Self::Backfill => "backfill",
            Self::Contract => "contract",
        }
    }

    /// The phase that this word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == word)
    }

    /// The phase that a file declares with `-- downhaul:phase`, the first one counting.
    #[must_use]
    pub fn declared(file: &SourceFile, dialect: Dialect) -> Option<Self> {
        // Most files declare none: only those that may are read.
        if !file.text.contains("downhaul:phase") {
            return None;
        }
        parse_script(&file.text, dialect).directives.iter().find_map(|directive| {
            match &directive.kind {
                DirectiveKind::Phase(word) => Self::parse(word),
                _ => None,
            }
        })
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl SourceMigration {
    /// The phase that its up file declares, else the one with which its name ends
    /// (`0007_slim_customers_contract`, `0007_slim-customers.contract`).
    #[must_use]
    pub fn phase(&self, dialect: Dialect) -> Option<Phase> {
        let declared = self.up.as_ref().and_then(|file| Phase::declared(file, dialect));
        declared.or_else(|| Phase::parse(self.name.rsplit(['_', '.', '-', ' ']).next()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{TransactionMode, Version};

    #[test]
    fn a_directive_counts_more_than_a_name() {
        let phase = |name: &str, text: &str| {
            let migration = SourceMigration {
                version: Version::new("1"),
                name: name.into(),
                up: Some(SourceFile::sql(
                    "x.sql".into(),
                    text.to_owned(),
                    TransactionMode::Wrapped,
                )),
                down: None,
                repeatable: false,
            };
            migration.phase(Dialect::Postgres)
        };
        assert_eq!(phase("slim", "SELECT 1;"), None);
        assert_eq!(phase("slim_contract", "SELECT 1;"), Some(Phase::Contract));
        assert_eq!(phase("slim.backfill", ""), Some(Phase::Backfill));
        assert_eq!(phase("expanded", ""), None);
        let text = "-- why\n-- downhaul:phase expand\nSELECT 1;";
        assert_eq!(phase("slim_contract", text), Some(Phase::Expand));
        assert!(Phase::Expand < Phase::Backfill && Phase::Backfill < Phase::Contract);
    }
}

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
    /// The phase that its up file declares.
    #[must_use]
    pub fn phase(&self, dialect: Dialect) -> Option<Phase> {
        self.up.as_ref().and_then(|file| Phase::declared(file, dialect))
    }
}

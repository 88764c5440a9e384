//! What an operation is made of: steps, each with the reason why it is there.

use downhaul_catalog::render;
use downhaul_syntax::{Change, Dialect, ObjectName};

use super::{Refused, refused};
use crate::Phase;

/// The migration that a piece belongs to: a phase, and which of its migrations. A phase has a
/// second one where a lock must not be held while the next step scans the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) phase: Phase,
    pub(crate) part: u8,
}

impl Slot {
    pub(crate) const EXPAND: Self = Self { phase: Phase::Expand, part: 0 };
    pub(crate) const BACKFILL: Self = Self { phase: Phase::Backfill, part: 0 };
    /// Beside a backfill whose values follow from other columns, so that nothing of them is kept: values of the
    /// file's own, of which what they overwrite is kept.
    pub(crate) const FILL: Self = Self { phase: Phase::Backfill, part: 2 };
    /// Behind the commit of the backfill: the filled column takes its place.
    pub(crate) const SWITCH: Self = Self { phase: Phase::Backfill, part: 1 };
    pub(crate) const CONTRACT: Self = Self { phase: Phase::Contract, part: 0 };
    /// Behind the commit of the first contract.
    pub(crate) const CONTRACT_LATER: Self = Self { phase: Phase::Contract, part: 1 };
    /// In the order in which they run.
    pub(crate) const ALL: [Self; 6] = [
        Self::EXPAND,
        Self::BACKFILL,
        Self::FILL,
        Self::SWITCH,
        Self::CONTRACT,
        Self::CONTRACT_LATER,
    ];
}

impl Slot {
    /// The end of a migration's name: `expand`, `backfill`, `fill`, `switch`, `contract`, `validate`.
    pub(crate) fn suffix(self) -> &'static str {
        match (self.phase, self.part) {
            (Phase::Backfill, 1) => "switch",
            (Phase::Backfill, 2) => "fill",
            (Phase::Contract, 1) => "validate",
            (phase, _) => phase.as_str(),
        }
    }
}

/// A statement with the reason for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Comment for the reader; may be empty.
    pub(crate) why: String,
    /// One statement without its terminator.
    pub(crate) sql: String,
}

/// Steps in the order in which they run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Side {
    pub(crate) steps: Vec<Step>,
}

impl Side {
    /// Adds raw SQL.
    pub(crate) fn sql(&mut self, why: &str, sql: impl Into<String>) -> &mut Self {
        self.steps.push(Step { why: why.to_owned(), sql: sql.into() });
        self
    }

    /// Adds a change.
    pub(crate) fn change(
        &mut self,
        why: &str,
        change: &Change,
        dialect: Dialect,
    ) -> Result<&mut Self, Refused> {
        let statements = match render(change, dialect) {
            Ok(statements) => statements,
            Err(error) => return refused(error.to_string(), "write this change by hand"),
        };
        for (at, sql) in statements.into_iter().enumerate() {
            self.sql(if at == 0 { why } else { "" }, sql);
        }
        Ok(self)
    }

    /// Adds several actions on one table as one `ALTER TABLE`: nobody sees the state between them.
    pub(crate) fn together(
        &mut self,
        why: &str,
        table: &ObjectName,
        changes: &[Change],
        dialect: Dialect,
    ) -> Result<&mut Self, Refused> {
        let mut parts = Self::default();
        for change in changes {
            parts.change("", change, dialect)?;
        }
        let head = format!("ALTER TABLE {} ", dialect.quote_name_if_needed(table));
        let actions: Option<Vec<&str>> =
            parts.steps.iter().map(|step| step.sql.strip_prefix(&head)).collect();
        match actions {
            Some(actions) => {
                self.sql(why, format!("{head}{}", actions.join(",\n    ")));
            }
            None => self.append(parts),
        }
        Ok(self)
    }

    pub(crate) fn append(&mut self, other: Self) {
        self.steps.extend(other.steps);
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// As the text of a file: every statement ended by `;`, reasons as comments.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        for (at, step) in self.steps.iter().enumerate() {
            if !step.why.is_empty() {
                if at > 0 {
                    out.push('\n');
                }
                for line in wrapped(&step.why, 96) {
                    out.push_str("-- ");
                    out.push_str(&line);
                    out.push('\n');
                }
            }
            out.push_str(&step.sql);
            out.push_str(";\n");
        }
        out
    }
}

/// A text cut into lines of at most `width` characters, at spaces.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Something that goes one way and comes back.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    /// Both ways are written out.
    Made { up: Side, down: Side },
    /// A statement as it was written; its way back is its inverse, given the schema that it meets.
    AsWritten { why: String, text: String },
}

impl Piece {
    pub(crate) fn made(up: Side, down: Side) -> Self {
        Self::Made { up, down }
    }

    pub(crate) fn as_written(text: String) -> Self {
        Self::AsWritten { why: String::new(), text }
    }

    /// All SQL of both ways.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Made { up, down } => format!("{}{}", up.text(), down.text()),
            Self::AsWritten { text, .. } => text.clone(),
        }
    }

    /// Statements of the way there.
    pub(crate) fn up_sql(&self) -> Vec<String> {
        match self {
            Self::Made { up, .. } => up.steps.iter().map(|s| s.sql.clone()).collect(),
            Self::AsWritten { text, .. } => vec![text.clone()],
        }
    }
}

/// One migration of an expansion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhaseFile {
    /// Its phase; `None` where the file needs none because it is safe as it is.
    pub phase: Option<Phase>,
    /// Name without version: `split_name_expand`.
    pub name: String,
    /// Text of the up file.
    pub up: String,
    /// Text of the down file.
    pub down: String,
}

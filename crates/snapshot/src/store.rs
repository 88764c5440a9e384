//! Where kept data lies, and what is known of it.

use downhaul_engine::{EngineError, SequenceState, TableShape};
use downhaul_syntax::{Ident, ObjectName};
use serde::{Deserialize, Serialize};

use crate::tombstone::Tombstone;

/// What can go wrong with a restore point.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The database.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// What was kept is not what was there: the migration must not go on.
    #[error("the restore point of {table} is not sound: {reason}")]
    NotSound {
        /// Table.
        table: String,
        /// What is wrong.
        reason: String,
    },
    /// The migration destroyed something that nobody had foreseen.
    #[error(
        "the migration destroyed {what} through a statement that Downhaul could not read, so there is no copy of it"
    )]
    UnforeseenLoss {
        /// Names of what is gone.
        what: String,
    },
    /// A copy of its rows takes more columns than the server lets a table have.
    #[error("{table} has {columns} columns, and what it would lose can be kept of up to {most}")]
    TooWide {
        /// Table.
        table: String,
        /// Columns to keep.
        columns: usize,
        /// Columns that a store has room for.
        most: usize,
    },
    /// Rows were changed or deleted behind the text of the statements.
    #[error(
        "the migration changed or deleted {what} through a function, trigger, rule or view that Downhaul could not foresee, so there is no copy of them"
    )]
    HiddenChange {
        /// How many rows of which tables.
        what: String,
    },
    /// Rows written since have no value for a column that needs one again.
    #[error(
        "{rows} rows of {table} written since have no value for {column}, which must have one again"
    )]
    NoValue {
        /// Table.
        table: String,
        /// Column.
        column: String,
        /// How many rows.
        rows: i64,
    },
    /// A table cannot be tracked, or its history not be used.
    #[error("{0}")]
    CannotTrack(String),
    /// No such mark.
    #[error("there is no mark `{name}`")]
    UnknownMark {
        /// What was asked for.
        name: String,
        /// The newest ones that there are.
        known: Vec<String>,
    },
    /// The history does not reach so far.
    #[error("the history of {table} begins at {since}, after the mark `{mark}`")]
    OutOfReach {
        /// Table.
        table: String,
        /// Mark.
        mark: String,
        /// When its history begins.
        since: String,
    },
    /// Rows were changed both by what is undone and since.
    #[error("{} changed by what is undone and again since", were(*rows))]
    Conflicts {
        /// How many.
        rows: i64,
        /// For people: a table and some keys a line.
        which: Vec<String>,
    },
    /// What was shown is no longer what would be done.
    #[error("rows have changed since this plan was made")]
    PlanOutdated,
    /// Part of what is to go back refers to what does not.
    #[error("{} would point to nothing, the first being one of {child} that refers to {parent}", counted(*rows))]
    PointsToNothing {
        /// How many.
        rows: i64,
        /// Table of the first.
        child: String,
        /// To which it refers.
        parent: String,
    },
    /// The way back does not lead back.
    #[error("{0}")]
    CannotRestore(String),
    /// A snapshot of a whole file cannot be made, or is not what it was.
    #[error("{0}")]
    WholeFile(String),
}

/// A column of a kept table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptColumn {
    /// Name before the migration, and in the store.
    pub name: Ident,
    /// Type before the migration, as the server writes it.
    pub ty: String,
    /// Kept as text, since the type may be dropped.
    pub user_type: bool,
    /// Name after the migration; `None` where the column is gone.
    pub after: Option<Ident>,
    /// Type after the migration.
    pub after_ty: String,
    /// Column of the store that holds the value that the migration left, where some row's value
    /// was changed.
    pub left_as: Option<Ident>,
    /// It followed from others of its row: NULL stands for that, and nothing goes back then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub follows: bool,
    /// From which expression over the columns of its row, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub formula: Option<String>,
}

impl KeptColumn {
    /// The migration took the column away.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.after.is_none()
    }
}

/// How a table's data is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeptMode {
    /// A copy of every row.
    Copy,
    /// A copy of the key and some columns of every row.
    Columns,
    /// The rows that triggers saw change.
    Capture,
    /// The table itself, moved out of sight.
    Tombstone,
    /// Columns of the table itself, renamed out of the way.
    Hidden,
}

/// One table's kept data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Number, unique within the database.
    pub id: i64,
    /// How it was kept.
    pub mode: KeptMode,
    /// The table before the migration.
    pub table: ObjectName,
    /// The table after the migration; `None` where it is gone.
    pub after: Option<ObjectName>,
    /// Columns that tell rows apart; empty where rows can only be told by their whole content.
    pub key: Vec<Ident>,
    /// Columns kept.
    pub columns: Vec<KeptColumn>,
    /// Rows kept.
    pub rows: u64,
    /// Rows that the migration took away.
    pub rows_gone: u64,
    /// Sequences behind the table, where the table itself is gone.
    pub sequences: Vec<SequenceState>,
    /// The migration changed rows that cannot be told apart: fingerprint of what it left. They
    /// can be put back only while nobody has written to the table since.
    pub keyless_after: Option<String>,
    /// Fingerprint of what is kept; a difference means that somebody changed it.
    pub digest: String,
    /// The table as it was.
    pub shape: TableShape,
    /// What was moved out of sight, and has not gone back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tombstone: Option<Tombstone>,
    /// Its rows lie in the table that many restore points share, and in none of its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub packed: bool,
    /// When somebody gave it up (UTC): there is no store any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pruned: Option<String>,
}

impl Kept {
    /// Local name of the store.
    #[must_use]
    pub fn store(&self) -> String {
        match self.mode {
            KeptMode::Tombstone | KeptMode::Hidden => format!("tomb_{}", self.id),
            _ => store_name(self.id),
        }
    }

    /// Whether there is a store: what was set aside and went back as it was has left none.
    #[must_use]
    pub fn has_store(&self) -> bool {
        !self.is_aside() || self.tombstone.is_some()
    }

    /// Whether it was set aside: nothing was copied.
    #[must_use]
    pub fn is_aside(&self) -> bool {
        matches!(self.mode, KeptMode::Tombstone | KeptMode::Hidden)
    }

    /// The column of this name before the migration.
    #[must_use]
    pub fn column(&self, name: &Ident) -> Option<&KeptColumn> {
        self.columns.iter().find(|c| c.name == *name)
    }

    /// Columns that the migration took from rows that are still there.
    pub fn lost_columns(&self) -> impl Iterator<Item = &KeptColumn> {
        self.columns.iter().filter(|c| c.is_lost())
    }

    /// Columns in which the migration changed values.
    pub fn changed_columns(&self) -> impl Iterator<Item = &KeptColumn> {
        self.columns.iter().filter(|c| c.left_as.is_some())
    }
}

/// Local name of a store.
#[must_use]
pub fn store_name(id: i64) -> String {
    format!("kept_{id}")
}

/// `1 row was`, `2 rows were`.
fn were(rows: i64) -> String {
    format!("{} {}", counted(rows), if rows == 1 { "was" } else { "were" })
}

/// `1 row`, `2 rows`.
pub(crate) fn counted(rows: i64) -> String {
    if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") }
}

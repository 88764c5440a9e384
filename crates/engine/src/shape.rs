//! What a live table looks like: as much of it as capture and restore need.

use downhaul_syntax::{Ident, ObjectName};
use serde::{Deserialize, Serialize};

/// A column of a live table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnShape {
    /// Name.
    pub name: Ident,
    /// Type as the server writes it; empty where SQLite has none.
    pub ty: String,
    /// NOT NULL.
    pub not_null: bool,
    /// Computed by the server: never written.
    pub generated: bool,
    /// `GENERATED ALWAYS AS IDENTITY`: written only with `OVERRIDING SYSTEM VALUE`.
    pub identity_always: bool,
    /// The type is not built in: it may be dropped, so its values are kept as text.
    pub user_type: bool,
    /// Default, as the server writes it.
    pub default: Option<String>,
}

/// A foreign key of a live table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignKeyShape {
    /// Its name, where it has one.
    pub name: Option<Ident>,
    /// The table it points to.
    pub table: ObjectName,
    /// Deleting or updating there changes rows here (`CASCADE`, `SET NULL`, `SET DEFAULT`).
    pub acts: bool,
    /// It can wait until the end of the transaction.
    pub deferrable: bool,
    /// The columns that point.
    #[serde(default)]
    pub columns: Vec<Ident>,
    /// The columns that they point to, in the same order.
    #[serde(default)]
    pub references: Vec<Ident>,
}

/// A sequence that a column of the table draws from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequenceState {
    /// Column it serves.
    pub column: Option<Ident>,
    /// Its name, where it is an object of its own.
    #[serde(default)]
    pub name: Option<ObjectName>,
    /// Last value handed out.
    pub last_value: i64,
    /// Whether `last_value` was handed out already.
    pub is_called: bool,
}

/// A live table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableShape {
    /// Name as the server knows it, schema included where the engine has them.
    pub name: ObjectName,
    /// Columns in order.
    pub columns: Vec<ColumnShape>,
    /// Columns that tell rows apart: the primary key, else a unique key without nullable columns;
    /// empty without either.
    pub key: Vec<Ident>,
    /// The key allows NULL and holds none now: it tells the present rows apart, and perhaps not later
    /// ones (SQLite, a primary key that is neither `INTEGER` nor `NOT NULL`).
    #[serde(default)]
    pub key_may_be_null: bool,
    /// Foreign keys from this table.
    pub foreign_keys: Vec<ForeignKeyShape>,
    /// Tables whose rows change or go when rows of this one do.
    pub acted_on: Vec<ObjectName>,
    /// Tables that reference this one at all.
    pub referenced_by: Vec<ObjectName>,
    /// Sequences behind its columns (`sqlite_sequence` for SQLite).
    pub sequences: Vec<SequenceState>,
    /// Triggers of the user that fire on ordinary sessions (not the ones behind constraints).
    pub triggers: Vec<Ident>,
    /// The table takes part in partitioning or inheritance: statement triggers do not see all.
    pub divided: bool,
    /// Estimated rows, where the server has an estimate.
    pub rows: Option<u64>,
}

impl TableShape {
    /// The column of this name.
    #[must_use]
    pub fn column(&self, name: &Ident) -> Option<&ColumnShape> {
        self.columns.iter().find(|c| c.name == *name)
    }

    /// The same with a key only if it tells rows apart for good.
    #[must_use]
    pub fn with_lasting_key(mut self) -> Self {
        if std::mem::take(&mut self.key_may_be_null) {
            self.key.clear();
        }
        self
    }

    /// Columns that can be written: all but the generated ones.
    pub fn writable(&self) -> impl Iterator<Item = &ColumnShape> {
        self.columns.iter().filter(|c| !c.generated)
    }
}

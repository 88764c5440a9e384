//! In-memory model of a schema.
//!
//! A [`Catalog`] is built in one way only: by applying changes, be they replayed from migration
//! files or read from the DDL that a live server gives of itself. `apply` takes a change,
//! [`diff()`] compares two catalogs, [`inverse()`] turns a change back given the catalog before it,
//! [`render()`] writes changes as SQL of a dialect.
//!
//! Absent on purpose: I/O, async, any opinion on what is dangerous.

mod apply;
mod between;
mod diff;
mod inverse;
mod lookup;
mod model;
mod objects;
mod partitions;
mod parts;
mod render;
mod text;
pub mod view_columns;

pub use apply::{
    Problem, ScriptProblem, TriggerMention, column_def, constraint_def, index_def, serial_base,
};
pub use between::{Way, changes_between, changes_without_foreign_keys};
pub use diff::{DiffOptions, Difference, DifferenceKind, diff};
pub use inverse::{
    Inverse, InverseScript, InverseStatement, NotInverted, NotInvertedKind, inverse,
    inverse_script, inverse_without_foreign_keys,
};
pub use lookup::range_ends;
pub use model::*;
pub use objects::{Iter, Objects};
pub use partitions::{MysqlPartition, MysqlPartitions, PartitionProblem};
pub use parts::{Iter as PartsIter, Part, Parts};
pub use render::{RenderError, render, render_type};
pub use text::{mentions_ident, rename_ident, rename_types, same_type};

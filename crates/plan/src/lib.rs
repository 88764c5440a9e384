//! Migrations: where they come from, in which order they run, and whether they were edited.
//!
//! `source/` reads the file layouts of many tools into one shape, a [`Series`]. This crate reads
//! files; it never connects to a database and never prints.

pub mod checksum;
pub mod op;
pub mod phase;
pub mod source;
pub mod squash;
pub mod variables;
pub mod version;

pub use checksum::Checksum;
pub use op::{ExpandOptions, Expansion, PhaseFile, Refusal, expand};
pub use phase::Phase;
pub use source::{
    Direction, LayoutId, Series, SourceError, SourceFile, SourceMigration, TransactionMode, detect,
    load, load_known, load_lenient, load_with_layout,
};
pub use squash::{Member, SquashRefusal, Squashed, members, squash};
pub use variables::{UnknownVariable, Variables};
pub use version::Version;

//! SQL text to typed changes, for PostgreSQL, MySQL, MariaDB and SQLite.
//!
//! Text goes in, a [`Script`] comes out: every statement with its byte span in the source and the
//! typed [`Change`]s it makes. Parsing never fails: a statement that nothing understands is kept
//! as [`Parsed::Unparsed`] with the place and the reason, and the others are still judged.
//!
//! Absent on purpose: I/O, async, any notion of a schema (that is `downhaul-catalog`), any
//! opinion (that is `downhaul-lint`).

pub mod change;
pub mod dialect;
pub mod directive;
pub mod ident;
pub mod lexer;
pub mod nearest;
pub mod object;
pub mod parse;
pub mod postgres_types;
pub mod query;
pub mod significant;
pub mod span;
pub mod split;

pub use change::Change;
pub use dialect::Dialect;
pub use directive::{Conversion, Directive, DirectiveKind, misread};
pub use ident::{Ident, ObjectName};
pub use nearest::nearest;
pub use object::*;
pub use parse::{Parsed, Script, Statement, parse_query, parse_script};
pub use postgres_types::{is_built_in_type, is_plain_type};
pub use significant::significant;
pub use span::{LineIndex, Position, Span};

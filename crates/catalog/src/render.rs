//! Changes as SQL.

use downhaul_syntax::{Change, Dialect, SqlType};

/// The dialect has no statement for the change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{dialect} has no statement for this: {what}")]
pub struct RenderError {
    /// Dialect asked for.
    pub dialect: Dialect,
    /// What could not be written.
    pub what: String,
}

/// The statements that make a change, without terminators. Never uses sqlparser's `Display`
/// (it re-renders string literals unescaped); names go through [`Dialect::quote`].
pub fn render(_change: &Change, dialect: Dialect) -> Result<Vec<String>, RenderError> {
    Err(RenderError { dialect, what: "not written yet".into() })
}

/// A type as SQL.
#[must_use]
pub fn render_type(ty: &SqlType, _dialect: Dialect) -> String {
    ty.raw.clone()
}

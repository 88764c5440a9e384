//! What differs between two catalogs.

use serde::{Deserialize, Serialize};

use crate::Catalog;

/// How strictly to compare.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiffOptions {
    /// Also report columns that only stand in another order.
    pub column_order: bool,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// What kind.
    pub kind: DifferenceKind,
    /// Kind of the object: "column", "index", "default" …
    pub object: String,
    /// Its full name for people: `orders.total`.
    pub name: String,
    /// In the first catalog, as short SQL; `None` where it is absent.
    pub left: Option<String>,
    /// In the second catalog.
    pub right: Option<String>,
}

/// Kinds of difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DifferenceKind {
    /// Only the first has it.
    OnlyLeft,
    /// Only the second has it.
    OnlyRight,
    /// Both have it, and it differs.
    Changed,
}

/// Every difference between two catalogs, in a stable order.
#[must_use]
pub fn diff(_left: &Catalog, _right: &Catalog, _options: DiffOptions) -> Vec<Difference> {
    Vec::new()
}

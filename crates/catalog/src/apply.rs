//! A change applied to a catalog.

use downhaul_syntax::{Change, ObjectName};
use serde::{Deserialize, Serialize};

use crate::{Catalog, Origin};

/// Why a change cannot run against a catalog: the server would refuse it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "problem", rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Problem {
    /// The object does not exist.
    Missing { kind: String, name: String },
    /// The object exists already.
    Exists { kind: String, name: String },
    /// Another object depends on it (without CASCADE).
    DependsOn { name: String, dependents: Vec<String> },
    /// Anything else, as the server would say it.
    Refused { reason: String },
}

impl Catalog {
    /// Applies a change as the server would, `origin` being when it happens. Returns why the
    /// server would refuse it; the catalog then takes what sense it can of the change, so that one
    /// bad statement does not spoil the judgement of the next.
    pub fn apply(&mut self, _change: &Change, _origin: Origin) -> Vec<Problem> {
        Vec::new()
    }

    /// Views, constraints, indexes, triggers, generated columns and routines that stand or fall
    /// with a table, or with one of its columns, for people and for `DROP … CASCADE`.
    #[must_use]
    pub fn dependents(
        &self,
        _table: &ObjectName,
        _column: Option<&downhaul_syntax::Ident>,
    ) -> Vec<String> {
        Vec::new()
    }
}

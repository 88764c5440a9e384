//! What differs between two catalogs.
//!
//! Objects are matched by name; what the server normalises away (white space, case, parentheses,
//! spelling of types, casts of literals) is no difference. What a catalog cannot know (a table
//! that was only assumed to exist) is none either.

mod object;
mod table;

pub(crate) use object::{same_check, same_routine};
pub(crate) use table::{same_constraint, same_index, same_policy, same_trigger};

use std::collections::BTreeMap;
use std::fmt;

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
    /// Kind of the object or of the property: "column", "index", "default", "comment" …
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

impl Difference {
    /// It is about something that an object has (a default, a comment), not about an object itself.
    #[must_use]
    pub fn is_of_property(&self) -> bool {
        is_property(&self.object)
    }
}

/// One line for people, the first catalog being "before" and the second "now".
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { object, name, .. } = self;
        let of = if is_property(object) { " of" } else { "" };
        let shown = |text: &Option<String>| {
            text.as_deref().map(|t| shortened(t, 120)).filter(|t| !t.is_empty())
        };
        let (left, right) = (shown(&self.left), shown(&self.right));
        match self.kind {
            DifferenceKind::OnlyLeft => {
                write!(f, "{object}{of} {name} is gone")?;
                left.map_or(Ok(()), |l| write!(f, " (was: {l})"))
            }
            DifferenceKind::OnlyRight => {
                write!(f, "{object}{of} {name} is left over")?;
                right.map_or(Ok(()), |r| write!(f, " ({r})"))
            }
            DifferenceKind::Changed => {
                let was = left.unwrap_or_else(|| "nothing".into());
                let now = right.unwrap_or_else(|| "nothing".into());
                write!(f, "{object}{of} {name} differs: was {was}, is now {now}")
            }
        }
    }
}

/// Whether the word names a property of the named object, not the object itself.
fn is_property(object: &str) -> bool {
    !matches!(
        object,
        "schema"
            | "extension"
            | "table"
            | "column"
            | "constraint"
            | "index"
            | "trigger"
            | "policy"
            | "view"
            | "materialized view"
            | "type"
            | "domain"
            | "enum value"
            | "sequence"
            | "function"
            | "procedure"
            | "aggregate"
            | "object"
    )
}

/// At most `limit` characters of a text on one line.
fn shortened(text: &str, limit: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(limit) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

/// Every difference between two catalogs, in a stable order. Temporary tables are no part of the
/// schema.
#[must_use]
pub fn diff(left: &Catalog, right: &Catalog, options: DiffOptions) -> Vec<Difference> {
    let mut compare = Compare { left, right, options, out: Vec::new() };
    compare.schemas();
    compare.types();
    compare.tables();
    compare.sequences();
    compare.views();
    compare.routines();
    compare.others();
    compare.out
}

/// Two catalogs, and what was found to differ.
struct Compare<'c> {
    left: &'c Catalog,
    right: &'c Catalog,
    options: DiffOptions,
    out: Vec<Difference>,
}

impl Compare<'_> {
    fn push(
        &mut self,
        kind: DifferenceKind,
        object: &str,
        name: impl Into<String>,
        left: Option<String>,
        right: Option<String>,
    ) {
        let name = name.into();
        self.out.push(Difference { kind, object: object.into(), name, left, right });
    }

    fn only_left(&mut self, object: &str, name: impl Into<String>, text: String) {
        self.push(DifferenceKind::OnlyLeft, object, name, Some(text), None);
    }

    fn only_right(&mut self, object: &str, name: impl Into<String>, text: String) {
        self.push(DifferenceKind::OnlyRight, object, name, None, Some(text));
    }

    /// A property that both, one or none may have; `same` says whether two texts mean the same.
    fn property(
        &mut self,
        object: &str,
        name: &str,
        left: Option<String>,
        right: Option<String>,
        same: impl Fn(&str, &str) -> bool,
    ) {
        let kind = match (&left, &right) {
            (None, None) => return,
            (Some(l), Some(r)) if same(l, r) => return,
            (Some(_), Some(_)) => DifferenceKind::Changed,
            (Some(_), None) => DifferenceKind::OnlyLeft,
            (None, Some(_)) => DifferenceKind::OnlyRight,
        };
        self.push(kind, object, name, left, right);
    }

    /// A property that holds or does not.
    fn flag(&mut self, object: &str, name: &str, left: bool, right: bool, text: &str) {
        let shown = |holds: bool| holds.then(|| text.to_owned());
        self.property(object, name, shown(left), shown(right), |_, _| true);
    }
}

/// What both maps hold under one key, in order of the keys.
pub(crate) fn matched<'m, K: Ord, V>(
    left: &'m BTreeMap<K, V>,
    right: &'m BTreeMap<K, V>,
) -> Vec<(&'m K, Option<&'m V>, Option<&'m V>)> {
    let mut out = Vec::new();
    let (mut l, mut r) = (left.iter().peekable(), right.iter().peekable());
    loop {
        let order = match (l.peek(), r.peek()) {
            (None, None) => return out,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some((a, _)), Some((b, _))) => a.cmp(b),
        };
        let (a, b) = match order {
            std::cmp::Ordering::Less => (l.next(), None),
            std::cmp::Ordering::Greater => (None, r.next()),
            std::cmp::Ordering::Equal => (l.next(), r.next()),
        };
        if let Some((key, _)) = a.or(b) {
            out.push((key, a.map(|(_, v)| v), b.map(|(_, v)| v)));
        }
    }
}

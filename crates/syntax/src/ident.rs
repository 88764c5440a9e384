//! Names of database objects, compared as the server compares them.

use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::Dialect;

/// One identifier: the text as the server stores it, compared as the server compares it.
///
/// PostgreSQL folds an unquoted identifier to lower case and then compares exactly
/// (manual §4.1.1); MySQL, MariaDB and SQLite keep the text and compare without case.
///
/// A copy costs nothing: names are copied far more often than made.
#[derive(Clone, Serialize, Deserialize)]
pub struct Ident {
    text: SmolStr,
    /// What is compared, where it differs from the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<SmolStr>,
}

impl Ident {
    /// An identifier as written in SQL, its quotes already removed.
    #[must_use]
    pub fn new(dialect: Dialect, written: &str, quoted: bool) -> Self {
        match dialect {
            Dialect::Postgres => {
                let text = if quoted { SmolStr::new(written) } else { fold_ascii(written) };
                let key = clipped(&text).map(SmolStr::new);
                Self { text, key }
            }
            Dialect::Mysql | Dialect::MariaDb | Dialect::Sqlite => {
                let folds = |b: u8| b.is_ascii_uppercase() || !b.is_ascii();
                let key = written
                    .bytes()
                    .any(folds)
                    .then(|| SmolStr::from(written.to_lowercase()))
                    .filter(|folded| folded != written);
                Self { text: SmolStr::new(written), key }
            }
        }
    }

    /// An identifier exactly as the server reports it.
    #[must_use]
    pub fn stored(dialect: Dialect, name: &str) -> Self {
        Self::new(dialect, name, true)
    }

    /// The text as the server stores it, without quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What the server compares.
    #[must_use]
    pub fn key(&self) -> &str {
        self.key.as_deref().unwrap_or(&self.text)
    }
}

/// What PostgreSQL keeps of a longer name: 63 bytes (`NAMEDATALEN` - 1), no character cut in two.
fn clipped(text: &str) -> Option<&str> {
    if text.len() <= 63 {
        return None;
    }
    let end = (0..=63).rev().find(|at| text.is_char_boundary(*at))?;
    text.get(..end)
}

/// PostgreSQL folds ASCII letters only in multi-byte encodings.
fn fold_ascii(text: &str) -> SmolStr {
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        SmolStr::from(text.to_ascii_lowercase())
    } else {
        SmolStr::new(text)
    }
}

impl PartialEq for Ident {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Ident {}

impl Hash for Ident {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl PartialOrd for Ident {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ident {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(other.key())
    }
}

impl fmt::Debug for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.text)
    }
}

impl fmt::Display for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// An object's name with its schema, where one was written.
///
/// `Display` is for people and never goes into SQL: use [`Dialect::quote_name`] there.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectName {
    /// Schema (PostgreSQL), database (MySQL) or attached database (SQLite).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Ident>,
    /// The object itself.
    pub name: Ident,
}

impl ObjectName {
    /// A name without a schema.
    #[must_use]
    pub fn bare(name: Ident) -> Self {
        Self { schema: None, name }
    }
}

impl fmt::Debug for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{schema}.")?;
        }
        write!(f, "{}", self.name)
    }
}

//! What a lint run found, in the formats that people and machines read. One file a format.
//!
//! A [`Document`] goes in, text comes out: [`render`]. Absent on purpose: I/O, any decision on what
//! is shown (the caller has filtered), any opinion on severities.

mod document;
mod fingerprint;
mod github;
mod gitlab;
mod json;
mod junit;
pub mod plan;
mod pretty;
pub mod rules;
mod sarif;

use std::fmt;
use std::str::FromStr;

pub use document::{Document, JudgedSeries, Problem};
pub use fingerprint::fingerprints;
pub use json::VERSION as JSON_VERSION;
pub use pretty::{Look, dialect_name};

/// Output formats of `downhaul lint`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Pretty,
    /// For programs: `docs/json-format.md`.
    Json,
    /// SARIF 2.1.0 (OASIS), for code scanning.
    Sarif,
    /// Workflow commands of GitHub Actions.
    Github,
    /// GitLab's Code Quality report.
    Gitlab,
    /// JUnit XML.
    Junit,
}

impl Format {
    /// Every format, in the order in which they are documented.
    pub const ALL: [Self; 6] =
        [Self::Pretty, Self::Json, Self::Sarif, Self::Github, Self::Gitlab, Self::Junit];

    /// The name as users type it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pretty => "pretty",
            Self::Json => "json",
            Self::Sarif => "sarif",
            Self::Github => "github",
            Self::Gitlab => "gitlab",
            Self::Junit => "junit",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|format| format.as_str() == text)
            .ok_or_else(|| format!("unknown format `{text}`"))
    }
}

/// The document in a format. Ends with a line end where it is not empty.
#[must_use]
pub fn render(document: &Document<'_>, format: Format, look: &Look) -> String {
    match format {
        Format::Pretty => pretty::render(document, look),
        Format::Json => json::render(document),
        Format::Sarif => sarif::render(document),
        Format::Github => github::render(document),
        Format::Gitlab => gitlab::render(document),
        Format::Junit => junit::render(document),
    }
}

/// Writes the document in a format, without holding a long report in memory where the format can
/// be written as it is made (JSON).
///
/// # Errors
/// Those of the writer.
pub fn write(
    document: &Document<'_>,
    format: Format,
    look: &Look,
    out: &mut impl std::io::Write,
) -> Result<(), std::io::Error> {
    match format {
        Format::Json => json::write(document, out),
        _ => out.write_all(render(document, format, look).as_bytes()),
    }
}

/// 1 → `1 error`, 2 → `2 errors`.
fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

//! Which migrations a file stands for.

use downhaul_syntax::directive::parse_directive;
use downhaul_syntax::lexer::lex;
use downhaul_syntax::{Dialect, DirectiveKind, Span};

use crate::Version;

/// A migration that a squash stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Version.
    pub version: Version,
    /// Hash over the tokens of its up ([`crate::Checksum::tokens`]).
    pub tokens: String,
    /// Name, for people.
    pub name: String,
}

impl Member {
    /// `0007_slim_customers`.
    #[must_use]
    pub fn label(&self) -> String {
        if self.name.is_empty() {
            self.version.to_string()
        } else {
            format!("{}_{}", self.version, self.name)
        }
    }

    /// The line that says so in a file.
    pub(super) fn line(&self) -> String {
        format!("-- downhaul:squashed {} {} {}", self.version, self.tokens, self.name)
            .trim_end()
            .to_owned()
    }
}

/// The migrations that a file stands for, in the order of its lines; none for most files. Where a
/// squash was squashed again, its version stands there twice: as it was, and as the squash.
#[must_use]
pub fn members(text: &str, dialect: Dialect) -> Vec<Member> {
    if !text.contains("downhaul:squashed") {
        return Vec::new();
    }
    lex(text, dialect)
        .tokens
        .iter()
        .filter(|token| token.kind.is_comment())
        .filter_map(|token| parse_directive(token.span.text(text), Span::default()))
        .filter_map(|directive| match directive.kind {
            DirectiveKind::Squashed { version, hash, name } => {
                Some(Member { version: Version::new(version), tokens: hash, name })
            }
            _ => None,
        })
        .collect()
}

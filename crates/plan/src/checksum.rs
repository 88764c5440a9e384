//! Has a file been edited since it was applied?

use downhaul_syntax::{Dialect, significant};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// SHA-256 in lower-case hexadecimal.
pub(crate) fn sha256(parts: impl Iterator<Item = impl AsRef<[u8]>>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Two hashes of a migration file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checksum {
    /// SHA-256 over the tokens, comments and white space left out: what decides. A file whose line
    /// ends or comments changed is the same migration. Directives (`-- downhaul:…`) count, since
    /// they change what is done.
    pub tokens: String,
    /// SHA-256 over the bytes.
    pub raw: String,
}

impl Checksum {
    /// The checksum of a migration's text.
    #[must_use]
    pub fn of(text: &str, dialect: Dialect) -> Self {
        let tokens = significant(text, dialect);
        Self {
            tokens: sha256(tokens.iter().flat_map(|token| [token.as_bytes(), b"\0"])),
            raw: sha256(std::iter::once(text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(a: &str, b: &str) -> bool {
        let (a, b) = (Checksum::of(a, Dialect::Postgres), Checksum::of(b, Dialect::Postgres));
        a.tokens == b.tokens
    }

    #[test]
    fn layout_and_comments_do_not_matter_but_tokens_do() {
        assert!(same("CREATE TABLE t (a int);\r\n", "-- a table\nCREATE TABLE t\n  (a int);"));
        assert!(!same("CREATE TABLE t (a int);", "CREATE TABLE t (a bigint);"));
        assert!(!same("SELECT 'a  b'", "SELECT 'a b'"));
        assert!(!same("SELECT 'ab'", "SELECT 'a' 'b'"));
        assert!(!same("SELECT 1", "-- downhaul:no-transaction\nSELECT 1"));
    }
}

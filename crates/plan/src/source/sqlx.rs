//! sqlx: `<integer>_<name>.sql`, or `.up.sql` and `.down.sql`, in one directory. A transaction
//! wraps each file unless its first line begins with `-- no-transaction`.
//! (`sqlx-core/src/migrate/source.rs` of sqlx 0.9.)

use super::evidence::{above, beside};
use super::marked::numbered;
use super::{
    Direction, Layout, LayoutId, Listing, Pairs, Problems, SourceError, SourceFile,
    SourceMigration, TransactionMode,
};

pub(super) struct Sqlx;

const NO_TRANSACTION: &str = "-- no-transaction";

impl Layout for Sqlx {
    fn id(&self) -> LayoutId {
        LayoutId::Sqlx
    }

    fn detect(&self, listing: &Listing) -> u8 {
        let mut numbered = listing.flat_sql().filter(|file| numbered(stem(file).0).is_some());
        let Some(first) = numbered.next() else { return 0 };
        if beside(&listing.root, "sqlx.toml") || beside(&listing.root, ".sqlx") {
            return 20;
        }
        // Pairs in a crate that uses sqlx read the same as Downhaul's own.
        let simple = |file: &str| !file.ends_with(".up.sql") && !file.ends_with(".down.sql");
        let own = |file: &str| {
            simple(file) || listing.text(file).is_ok_and(|text| text.starts_with(NO_TRANSACTION))
        };
        // The files are read only where it matters.
        let used = above(&listing.root, "Cargo.toml", &["sqlx"]);
        if used && (own(first) || numbered.any(own)) { 20 } else { 0 }
    }

    fn read(&self, listing: &Listing) -> Result<Vec<SourceMigration>, Problems> {
        let mut pairs = Pairs::default();
        for file in listing.flat_sql() {
            let (stem, direction) = stem(file);
            // A file without `_` is none of sqlx's.
            if !stem.contains('_') {
                continue;
            }
            let path = listing.path(file);
            let Some((version, name)) = numbered(stem) else {
                return Err(SourceError::Malformed {
                    path,
                    line: 1,
                    message: "what stands before the first `_` is no integer".into(),
                    next: "rename it to <integer>_<name>.sql, for example 20260102030405_init.sql"
                        .into(),
                }
                .into());
            };
            let text = listing.text(file)?;
            let alone = text.starts_with(NO_TRANSACTION);
            let transaction = if alone { TransactionMode::None } else { TransactionMode::Wrapped };
            pairs.add_by_version(
                version,
                &name,
                direction,
                SourceFile::sql(path, text, transaction),
            );
        }
        pairs.finish(|m| format!("{}.up.sql", m.label()))
    }
}

/// The name without its ending, and the direction that the ending tells.
fn stem(file: &str) -> (&str, Direction) {
    if let Some(stem) = file.strip_suffix(".down.sql") {
        return (stem, Direction::Down);
    }
    let stem = file.strip_suffix(".up.sql").or_else(|| file.strip_suffix(".sql"));
    (stem.unwrap_or(file), Direction::Up)
}

#[cfg(test)]
mod tests {
    use crate::LayoutId;
    use crate::source::fixture::{check, refusal};

    #[test]
    fn reversible_and_simple_files() {
        check(
            LayoutId::Sqlx,
            &[
                ("sqlx.toml", ""),
                ("1_a.sql", "A"),
                ("2_b_c.up.sql", "-- no-transaction\nB"),
                ("2_b_c.down.sql", "b"),
                ("readme.sql", "x"),
            ],
            &["1 a up(A)", "2 b_c up!(-- no-transaction B) down(b)"],
        );
        let message = refusal(&[("sqlx.toml", ""), ("1_a.sql", "A"), ("x_b.sql", "B")]);
        assert!(message.contains("no integer") && message.contains("x_b.sql"), "{message}");
    }
}

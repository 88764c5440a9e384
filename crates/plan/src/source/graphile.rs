//! graphile-migrate: `committed/000001[-name].sql`, each with a header `--! Previous: …`, and the
//! uncommitted `current.sql` (or `current/*.sql`), which runs again at every change. A transaction
//! wraps each unless it says `--! no-transaction`. There is no way down.

use super::{
    Layout, LayoutId, Listing, Order, Problems, SourceFile, SourceMigration, TransactionMode,
};
use crate::Version;

pub(super) struct Graphile;

impl Layout for Graphile {
    fn id(&self) -> LayoutId {
        LayoutId::Graphile
    }

    fn detect(&self, listing: &Listing) -> u8 {
        let first = listing.files.iter().find(|file| committed(file).is_some());
        let marked = first
            .and_then(|file| listing.text(file).ok())
            .is_some_and(|text| text.lines().any(|line| line.starts_with("--! ")));
        if marked { 50 } else { 0 }
    }

    fn order(&self) -> Order {
        Order::AsRead
    }

    fn read(&self, listing: &Listing) -> Result<Vec<SourceMigration>, Problems> {
        let mut migrations = Vec::new();
        let one = |file: &String, version: &str, name: &str, repeatable| {
            let text = listing.text(file)?;
            let alone = text.lines().any(|line| line.trim() == "--! no-transaction");
            let transaction = if alone { TransactionMode::None } else { TransactionMode::Wrapped };
            Ok::<_, Problems>(SourceMigration {
                version: Version::new(version),
                name: name.to_owned(),
                up: Some(SourceFile::sql(listing.path(file), text, transaction)),
                down: None,
                repeatable,
            })
        };
        for file in &listing.files {
            if let Some((version, name)) = committed(file) {
                migrations.push(one(file, version, name, false)?);
            }
        }
        for file in &listing.files {
            let part = file.strip_prefix("current/").and_then(|f| f.strip_suffix(".sql"));
            if file == "current.sql" {
                migrations.push(one(file, "current", "", true)?);
            } else if let Some(part) = part {
                migrations.push(one(file, "current", part, true)?);
            }
        }
        Ok(migrations)
    }
}

/// `committed/000001-name.sql` → (`000001`, `name`).
fn committed(file: &str) -> Option<(&str, &str)> {
    let stem = file.strip_prefix("committed/")?.strip_suffix(".sql")?;
    let (version, name) = stem.split_once('-').unwrap_or((stem, ""));
    let digits = !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit());
    digits.then_some((version, name))
}

#[cfg(test)]
mod tests {
    use crate::LayoutId;
    use crate::source::fixture::check;

    #[test]
    fn committed_then_current() {
        check(
            LayoutId::Graphile,
            &[
                ("committed/000001.sql", "--! Previous: -\n--! Hash: sha1:x\n\nA"),
                ("committed/000002-b.sql", "--! Previous: sha1:x\n\n--! no-transaction\nB"),
                ("current.sql", "C"),
            ],
            &[
                "000001  up(--! Previous: - --! Hash: sha1:x A)",
                "000002 b up!(--! Previous: sha1:x --! no-transaction B)",
                "current  up(C) again",
            ],
        );
    }
}

//! refinery: `V<number>__<name>.sql` (in order) and `U<number>__<name>.sql` (may come late), in
//! any sub-directory. A transaction wraps each file; there is no way down.
//! (`refinery_core/src/util.rs` of refinery 0.10.)

use super::evidence::{above, beside};
use super::{
    Direction, Layout, LayoutId, Listing, Pairs, Problems, SourceFile, SourceMigration,
    TransactionMode,
};
use crate::Version;

pub(super) struct Refinery;

impl Layout for Refinery {
    fn id(&self) -> LayoutId {
        LayoutId::Refinery
    }

    fn detect(&self, listing: &Listing) -> u8 {
        let named = listing.flat_sql().any(|file| parse_name(file).is_some());
        let evident = || {
            beside(&listing.root, "refinery.toml")
                || above(&listing.root, "Cargo.toml", &["refinery"])
        };
        if named && evident() { 45 } else { 0 }
    }

    fn read(&self, listing: &Listing) -> Result<Vec<SourceMigration>, Problems> {
        let mut pairs = Pairs::default();
        for file in &listing.files {
            let base = file.rsplit('/').next().unwrap_or(file);
            let Some((version, name)) = parse_name(base) else { continue };
            if base.ends_with(".rs") {
                let program = SourceFile::program(listing.path(file));
                pairs.add(version, name, Direction::Up, program);
                continue;
            }
            let text = listing.text(file)?;
            let source = SourceFile::sql(listing.path(file), text, TransactionMode::Wrapped);
            pairs.add(version, name, Direction::Up, source);
        }
        pairs.finish(SourceMigration::label)
    }
}

/// `V1.2__name.sql` → (`1.2`, `name`).
fn parse_name(file: &str) -> Option<(Version, &str)> {
    let stem = file.strip_suffix(".sql").or_else(|| file.strip_suffix(".rs"))?;
    let (version, name) = stem.strip_prefix(['V', 'U'])?.split_once("__")?;
    let number = version.starts_with(|c: char| c.is_ascii_digit())
        && version.chars().all(|c| c.is_ascii_digit() || c == '.');
    let word = name.chars().all(|c| c.is_alphanumeric() || c == '_') && !name.is_empty();
    (number && word).then(|| (Version::new(version), name))
}

#[cfg(test)]
mod tests {
    use crate::LayoutId;
    use crate::source::fixture::check;

    #[test]
    fn versions_in_order() {
        check(
            LayoutId::Refinery,
            &[
                ("Cargo.toml", "[dependencies]\nrefinery = \"0.10\""),
                ("V10__b.sql", "B"),
                ("V2__a.sql", "A"),
                ("later/U3__c.sql", "C"),
                ("V4_x.sql", "no"),
                ("V5__d.rs", "pub fn migration() -> String"),
            ],
            &["2 a up(A)", "3 c up(C)", "5 d program", "10 b up(B)"],
        );
    }
}

//! Prisma: a directory for each migration, `<14 digits>_<name>/migration.sql`, perhaps with a
//! `down.sql` of the team's own. A file is sent whole, and no transaction is added.

use super::single::sent_whole;
use super::{
    Direction, Layout, LayoutId, Listing, Order, Pairs, Problems, SourceFile, SourceMigration,
};
use crate::Version;

pub(super) struct Prisma;

impl Layout for Prisma {
    fn id(&self) -> LayoutId {
        LayoutId::Prisma
    }

    fn detect(&self, listing: &Listing) -> u8 {
        let one = |file: &String| {
            file.strip_suffix("/migration.sql").is_some_and(|dir| !dir.contains('/'))
        };
        if listing.files.iter().any(one) { 40 } else { 0 }
    }

    fn order(&self) -> Order {
        Order::Text
    }

    fn read(&self, listing: &Listing) -> Result<Vec<SourceMigration>, Problems> {
        let mut pairs = Pairs::default();
        for file in &listing.files {
            let Some((dir, name)) = file.split_once('/') else { continue };
            let direction = match name {
                "migration.sql" => Direction::Up,
                "down.sql" => Direction::Down,
                _ => continue,
            };
            let text = listing.text(file)?;
            let transaction = sent_whole(&text);
            let source = SourceFile::sql(listing.path(file), text, transaction);
            // The whole name is the identity: two may have one time.
            pairs.add(Version::new(dir), "", direction, source);
        }
        pairs.finish(|m| format!("{}/migration.sql", m.label()))
    }
}

#[cfg(test)]
mod tests {
    use crate::LayoutId;
    use crate::source::fixture::check;

    #[test]
    fn a_directory_for_each() {
        check(
            LayoutId::Prisma,
            &[
                ("migration_lock.toml", "provider = \"postgresql\""),
                ("20260102030405_a/migration.sql", "SELECT 1; SELECT 2"),
                ("20260102030405_a/down.sql", "SELECT 3"),
                ("20260102030405_b/migration.sql", "CREATE INDEX CONCURRENTLY i ON t (a)"),
            ],
            &[
                "20260102030405_a  up(SELECT 1; SELECT 2) down!(SELECT 3)",
                "20260102030405_b  up!(CREATE INDEX CONCURRENTLY i ON t (a))",
            ],
        );
    }
}

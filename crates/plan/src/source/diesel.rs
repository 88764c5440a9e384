//! Diesel: a directory for each migration with `up.sql` and `down.sql`. A transaction wraps each
//! unless its `metadata.toml` says `run_in_transaction = false`.
//! (`diesel_migrations/src/file_based_migrations.rs` of diesel 2.3.)

use super::{
    Direction, Layout, LayoutId, Listing, Order, Pairs, Problems, SourceFile, SourceMigration,
    TransactionMode,
};
use crate::Version;

pub(super) struct Diesel;

impl Layout for Diesel {
    fn id(&self) -> LayoutId {
        LayoutId::Diesel
    }

    fn detect(&self, listing: &Listing) -> u8 {
        let one = |file: &String| {
            file.strip_suffix("/up.sql").is_some_and(|dir| {
                !dir.contains('/') && dir.starts_with(|c: char| c.is_ascii_digit())
            })
        };
        if listing.files.iter().any(one) { 40 } else { 0 }
    }

    fn order(&self) -> Order {
        Order::Text
    }

    fn read(&self, listing: &Listing) -> Result<Vec<SourceMigration>, Problems> {
        let mut pairs = Pairs::default();
        for file in &listing.files {
            let Some((dir, direction)) = place(file) else { continue };
            let (version, name) = dir.split_once('_').unwrap_or((dir, ""));
            let version = Version::new(version.replace('-', ""));
            let metadata = format!("{dir}/metadata.toml");
            let mut transaction = TransactionMode::Wrapped;
            if listing.files.contains(&metadata) && outside(&listing.text(&metadata)?) {
                transaction = TransactionMode::None;
            }
            let text = listing.text(file)?;
            let source = SourceFile::sql(listing.path(file), text, transaction);
            pairs.add(version, name, direction, source);
        }
        pairs.finish(|m| format!("{}/up.sql", m.label()))
    }
}

/// `dir/up.sql` → (`dir`, up).
fn place(file: &str) -> Option<(&str, Direction)> {
    let (dir, name) = file.split_once('/')?;
    match name {
        "up.sql" => Some((dir, Direction::Up)),
        "down.sql" => Some((dir, Direction::Down)),
        _ => None,
    }
}

/// `run_in_transaction = false`.
fn outside(metadata: &str) -> bool {
    metadata.lines().any(|line| {
        let line = line.split('#').next().unwrap_or("");
        line.split_once('=').is_some_and(|(key, value)| {
            key.trim() == "run_in_transaction" && value.trim() == "false"
        })
    })
}

#[cfg(test)]
mod tests {
    use crate::LayoutId;
    use crate::source::fixture::check;

    #[test]
    fn a_directory_for_each() {
        check(
            LayoutId::Diesel,
            &[
                ("00000000000000_diesel_initial_setup/up.sql", "S"),
                ("00000000000000_diesel_initial_setup/down.sql", "s"),
                ("2026-01-02-030405-0000_add_a/up.sql", "A"),
                ("2026-01-02-030405-0000_add_a/down.sql", "a"),
                ("2026-01-02-030405-0000_add_a/metadata.toml", "run_in_transaction = false # x"),
                ("notes/README.md", "x"),
            ],
            &[
                "00000000000000 diesel_initial_setup up(S) down(s)",
                "202601020304050000 add_a up!(A) down!(a)",
            ],
        );
    }
}

//! golang-migrate: `<version>_<title>.up.sql` and `.down.sql` in one directory. A file is sent
//! whole, and no transaction is added. (`source/parse.go` of golang-migrate 4.19.)

use super::evidence::{above, beside};
use super::marked::numbered;
use super::single::sent_whole;
use super::{Direction, Layout, LayoutId, Listing, Pairs, Problems, SourceFile, SourceMigration};

pub(super) struct GolangMigrate;

impl Layout for GolangMigrate {
    fn id(&self) -> LayoutId {
        LayoutId::GolangMigrate
    }

    fn detect(&self, listing: &Listing) -> u8 {
        if !listing.flat_sql().any(|file| place(file).is_some()) {
            return 0;
        }
        let names = ["golang-migrate/migrate", "mattes/migrate", "mattermost/morph"];
        if above(&listing.root, "go.mod", &names) {
            25
        } else if beside(&listing.root, "go.mod") {
            // Of Go's runners, this one's names are these.
            10
        } else {
            0
        }
    }

    fn read(&self, listing: &Listing) -> Result<Vec<SourceMigration>, Problems> {
        let mut pairs = Pairs::default();
        for file in listing.flat_sql() {
            let Some((stem, direction)) = place(file) else { continue };
            let Some((version, name)) = numbered(stem) else { continue };
            let text = listing.text(file)?;
            let transaction = sent_whole(&text);
            let source = SourceFile::sql(listing.path(file), text, transaction);
            pairs.add_by_version(version, &name, direction, source);
        }
        pairs.finish(|m| format!("{}.up.sql", m.label()))
    }
}

fn place(file: &str) -> Option<(&str, Direction)> {
    match file.strip_suffix(".up.sql") {
        Some(stem) => Some((stem, Direction::Up)),
        None => file.strip_suffix(".down.sql").map(|stem| (stem, Direction::Down)),
    }
}

#[cfg(test)]
mod tests {
    use crate::LayoutId;
    use crate::source::fixture::check;

    #[test]
    fn a_file_is_sent_whole() {
        check(
            LayoutId::GolangMigrate,
            &[
                ("go.mod", "require github.com/golang-migrate/migrate/v4 v4.19.1"),
                ("1_a.up.sql", "CREATE TABLE a (b int); CREATE TABLE c (d int)"),
                ("1_a.down.sql", "DROP TABLE a"),
                ("2_b.up.sql", "BEGIN; DROP TABLE a; COMMIT"),
                ("2_c.down.sql", "SELECT 1"),
                ("2_b.sql", "not one of these"),
            ],
            &[
                "1 a up(CREATE TABLE a (b int); CREATE TABLE c (d int)) down!(DROP TABLE a)",
                "2 b up!(BEGIN; DROP TABLE a; COMMIT) down!(SELECT 1)",
            ],
        );
    }
}

//! Downhaul's own layout: `<version>_<name>.up.sql` and `<version>_<name>.down.sql` in one
//! directory. A transaction wraps each file unless it says `-- downhaul:no-transaction`.
//! `R__<name>.sql` and `repeatable/<name>.sql` run again whenever they change.

use super::{
    Direction, Layout, LayoutId, Listing, Pairs, Problems, SourceError, SourceFile,
    SourceMigration, TransactionMode,
};
use crate::Version;

pub(super) struct Plain;

/// `0007_slim_customers.up.sql` → (`0007`, `slim_customers`, up).
fn parse_name(file: &str) -> Option<(Version, &str, Direction)> {
    let (stem, direction) = if let Some(stem) = file.strip_suffix(".up.sql") {
        (stem, Direction::Up)
    } else if let Some(stem) = file.strip_suffix(".down.sql") {
        (stem, Direction::Down)
    } else {
        (file.strip_suffix(".sql")?, Direction::Up)
    };
    let (version, name) = stem.split_once('_').unwrap_or((stem, ""));
    let digits = !version.is_empty()
        && version.chars().all(|c| c.is_ascii_digit() || c == '.')
        && version.starts_with(|c: char| c.is_ascii_digit());
    digits.then(|| (Version::new(version), name, direction))
}

impl Layout for Plain {
    fn id(&self) -> LayoutId {
        LayoutId::Plain
    }

    fn detect(&self, listing: &Listing) -> u8 {
        let paired = listing.files.iter().any(|f| !f.contains('/') && f.ends_with(".up.sql"));
        u8::from(paired)
    }

    fn read(&self, listing: &Listing) -> Result<Vec<SourceMigration>, Problems> {
        let mut pairs = Pairs::default();
        for file in listing.files.iter().filter(|f| f.ends_with(".sql") && !f.contains('/')) {
            let Some((version, name, direction)) = parse_name(file) else {
                if file.ends_with(".up.sql") || file.ends_with(".down.sql") {
                    return Err(SourceError::Malformed {
                        path: listing.path(file),
                        line: 1,
                        message: "the name has no version before its first `_`".into(),
                        next: "rename it to <version>_<name>.up.sql, for example 0001_init.up.sql"
                            .into(),
                    }
                    .into());
                }
                continue;
            };
            let text = listing.text(file)?;
            let source = SourceFile::sql(listing.path(file), text, TransactionMode::Wrapped);
            pairs.add(version, name, direction, source);
        }
        let mut migrations = pairs.finish(|m| format!("{}.up.sql", m.label()))?;
        for file in &listing.files {
            let Some(name) = repeatable(file) else { continue };
            let text = listing.text(file)?;
            let source = SourceFile::sql(listing.path(file), text, TransactionMode::Wrapped);
            migrations.push(SourceMigration {
                version: Version::new(name),
                name: String::new(),
                up: Some(source),
                down: None,
                repeatable: true,
            });
        }
        Ok(migrations)
    }
}

/// `R__views.sql` and `repeatable/views.sql` → `views`.
fn repeatable(file: &str) -> Option<&str> {
    let stem = file.strip_suffix(".sql")?;
    let name = stem.strip_prefix("R__").or_else(|| stem.strip_prefix("repeatable/"))?;
    (!name.is_empty() && !name.contains('/')).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::load;

    fn dir(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        dir
    }

    fn refusal(files: &[(&str, &[u8])]) -> String {
        load(dir(files).path()).unwrap_err().to_string()
    }

    #[test]
    fn pairs_are_read_in_order() {
        let dir = dir(&[
            ("10_b.up.sql", b"B"),
            ("10_b.down.sql", b"b"),
            ("2_a.up.sql", b"\xef\xbb\xbfA"),
            ("README.md", b"x"),
        ]);
        let series = load(dir.path()).unwrap();
        let labels: Vec<_> = series.migrations.iter().map(SourceMigration::label).collect();
        assert_eq!(labels, ["2_a", "10_b"]);
        assert_eq!(series.migrations[0].up.as_ref().unwrap().text, "A");
        assert!(series.migrations[0].down.is_none());
    }

    #[test]
    fn bad_directories_are_refused_with_file_and_next_step() {
        let twice = refusal(&[("01_a.up.sql", b""), ("1_b.up.sql", b"")]);
        assert!(twice.contains("claimed twice") && twice.contains("1_b.up.sql"), "{twice}");
        let other = refusal(&[("1_add_a.up.sql", b""), ("1_drop_a.down.sql", b"")]);
        assert!(
            other.contains("different names") && other.contains("1_drop_a.down.sql"),
            "{other}"
        );
        let alone = refusal(&[("01_a.down.sql", b"")]);
        assert!(alone.contains("no up file") && alone.contains("01_a.up.sql"), "{alone}");
        let latin1 = refusal(&[("01_a.up.sql", b"ok\nSELECT '\xe9'")]);
        assert!(latin1.contains(":2:9:") && latin1.contains("0xe9"), "{latin1}");
        let nameless = refusal(&[("first.up.sql", b"")]);
        assert!(nameless.contains("no version"), "{nameless}");
        let missing = load(std::path::Path::new("/no/such/dir")).unwrap_err().to_string();
        assert!(missing.contains("downhaul init"), "{missing}");
    }
}

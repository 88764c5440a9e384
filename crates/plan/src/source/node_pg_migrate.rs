//! node-pg-migrate, its SQL files: `<timestamp>_<name>.sql` with `-- Up Migration` and
//! `-- Down Migration`; a file without markers is all up. A transaction wraps them.
//! (`src/sqlMigration.ts` of node-pg-migrate 9.)

use super::marked::{Marker, Sections, any_marked, read_marked, sections};
use super::{Direction, Layout, LayoutId, Listing, Problems, SourceMigration};
use crate::Version;

pub(super) struct NodePgMigrate;

impl Layout for NodePgMigrate {
    fn id(&self) -> LayoutId {
        LayoutId::NodePgMigrate
    }

    fn detect(&self, listing: &Listing) -> u8 {
        if any_marked(listing, |line| marker(line).is_some()) { 50 } else { 0 }
    }

    fn read(&self, listing: &Listing) -> Result<Vec<SourceMigration>, Problems> {
        read_marked(listing, version, cut, "-- Up Migration", &[".js", ".ts", ".mjs", ".cjs"])
    }
}

fn cut(text: &str) -> Sections {
    let mut found = sections(text, marker);
    if found.up.is_none() {
        let end = text.lines().next().map_or(0, |_| match &found.down {
            Some(down) => down[0].start,
            None => text.len(),
        });
        found.up = Some(std::iter::once(0..end).collect());
    }
    found
}

/// The whole name is the identity.
fn version(stem: &str) -> Option<(Version, String)> {
    stem.starts_with(|c: char| c.is_ascii_digit()).then(|| (Version::new(stem), String::new()))
}

/// `-- Up Migration`, `---- down migration`: in any case, with dashes and spaces before.
fn marker(line: &str) -> Option<Marker> {
    let rest = line.trim_start().strip_prefix("--")?;
    let mut words =
        rest.trim_start_matches(|c: char| c == '-' || c.is_whitespace()).split_whitespace();
    let direction = match words.next()? {
        word if word.eq_ignore_ascii_case("up") => Direction::Up,
        word if word.eq_ignore_ascii_case("down") => Direction::Down,
        _ => return None,
    };
    let migration = words.next()?;
    let named = migration.get(..9).is_some_and(|m| m.eq_ignore_ascii_case("migration"));
    named.then_some((direction, false))
}

#[cfg(test)]
mod tests {
    use crate::LayoutId;
    use crate::source::fixture::check;

    #[test]
    fn markers_in_any_case() {
        check(
            LayoutId::NodePgMigrate,
            &[
                ("1767323045000_add-a.sql", "-- Up Migration\nA\n\n-- Down Migration\na\n"),
                ("1767323046000_b.sql", "B\n---- down migration\nb\n"),
                ("1767323047000_c.sql", "C"),
            ],
            &[
                "1767323045000_add-a  up(A) down(a)",
                "1767323046000_b  up(B ---- down migration) down(b)",
                "1767323047000_c  up(C)",
            ],
        );
    }
}

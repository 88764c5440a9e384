//! Atlas: `<version>_<name>.sql` beside `atlas.sum`, in order of their names. A transaction wraps
//! each file unless it says `-- atlas:txmode none`; an archive (`-- atlas:txtar`) holds the parts
//! `-- migration.sql --` and `-- down.sql --`. (`sql/migrate/dir.go` of Atlas 1.2.)

use std::ops::Range;

use super::marked::{lines, masked};
use super::{
    Direction, Layout, LayoutId, Listing, Order, Pairs, Problems, SourceFile, SourceMigration,
    TransactionMode,
};
use crate::Version;

pub(super) struct Atlas;

impl Layout for Atlas {
    fn id(&self) -> LayoutId {
        LayoutId::Atlas
    }

    fn detect(&self, listing: &Listing) -> u8 {
        if listing.files.iter().any(|file| file == "atlas.sum") { 35 } else { 0 }
    }

    fn order(&self) -> Order {
        Order::Text
    }

    fn read(&self, listing: &Listing) -> Result<Vec<SourceMigration>, Problems> {
        let mut pairs = Pairs::default();
        for file in listing.flat_sql() {
            // Atlas also keeps the sums of golang-migrate's pairs.
            let (stem, direction) = match file.strip_suffix(".down.sql") {
                Some(stem) => (stem, Direction::Down),
                None => {
                    let stem = file.strip_suffix(".up.sql").or_else(|| file.strip_suffix(".sql"));
                    (stem.unwrap_or(file), Direction::Up)
                }
            };
            let (version, name) = stem.split_once('_').unwrap_or((stem, ""));
            let version = Version::new(version);
            let path = listing.path(file);
            let text = listing.text(file)?;
            let transaction = match header(&text, "txmode") {
                Some("none") => TransactionMode::None,
                _ => TransactionMode::Wrapped,
            };
            let mut add = |direction, text| {
                let source = SourceFile::sql(path.clone(), text, transaction);
                pairs.add(version.clone(), name, direction, source);
            };
            if header(&text, "txtar").is_none() {
                add(direction, text);
                continue;
            }
            let keep = |part: &str| part_of(&text, part).map(|range| masked(&text, &[range]));
            add(Direction::Up, keep("migration.sql").unwrap_or_else(|| masked(&text, &[])));
            if let Some(down) = keep("down.sql") {
                add(Direction::Down, down);
            }
        }
        pairs.finish(|m| format!("{}.sql", m.label()))
    }
}

/// The value of `-- atlas:name value` among the comments that a file begins with.
fn header<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines().take_while(|line| line.trim().is_empty() || line.starts_with("--")).find_map(
        |line| {
            let rest = line.trim_start_matches('-').trim_start().strip_prefix("atlas:")?;
            let rest = rest.strip_prefix(name)?;
            (rest.is_empty() || rest.starts_with(char::is_whitespace)).then(|| rest.trim())
        },
    )
}

/// Where a part of an archive stands: behind its line `-- name --` up to the next such line.
fn part_of(text: &str, part: &str) -> Option<Range<usize>> {
    let mut start = None;
    for (range, line) in lines(text) {
        let Some(name) = line.strip_prefix("-- ").and_then(|l| l.strip_suffix(" --")) else {
            continue;
        };
        if let Some(start) = start {
            return Some(start..range.start);
        }
        if name.trim() == part {
            start = Some(range.end);
        }
    }
    start.map(|start| start..text.len())
}

#[cfg(test)]
mod tests {
    use crate::LayoutId;
    use crate::source::fixture::check;

    #[test]
    fn headers_and_archives() {
        check(
            LayoutId::Atlas,
            &[
                ("atlas.sum", "h1:x"),
                ("20260101_a.sql", "A"),
                ("20260102_b.sql", "-- atlas:txmode none\n\nB"),
                (
                    "20260103_c.sql",
                    "-- atlas:txtar\n\n-- checks.sql --\nX\n-- migration.sql --\nC\n-- down.sql --\nc\n",
                ),
            ],
            &[
                "20260101 a up(A)",
                "20260102 b up!(-- atlas:txmode none B)",
                "20260103 c up(C) down(c)",
            ],
        );
    }
}

//! sql-migrate (rubenv): files with `-- +migrate Up` and `-- +migrate Down`, in order of the
//! number that their names begin with. `notransaction` behind the marker leaves out the
//! transaction that wraps the direction. (`sqlparse/sqlparse.go` of sql-migrate 1.8.)

use super::marked::{Marker, any_marked, read_marked, sections};
use super::{Direction, Layout, LayoutId, Listing, Problems, SourceMigration};
use crate::Version;

pub(super) struct SqlMigrate;

impl Layout for SqlMigrate {
    fn id(&self) -> LayoutId {
        LayoutId::SqlMigrate
    }

    fn detect(&self, listing: &Listing) -> u8 {
        if any_marked(listing, |line| marker(line).is_some()) { 50 } else { 0 }
    }

    fn read(&self, listing: &Listing) -> Result<Vec<SourceMigration>, Problems> {
        read_marked(listing, version, |text| sections(text, marker), "-- +migrate Up", &[])
    }
}

/// The whole name is the identity.
fn version(stem: &str) -> Option<(Version, String)> {
    Some((Version::new(stem), String::new()))
}

fn marker(line: &str) -> Option<Marker> {
    let rest = line.strip_prefix("--")?.trim_start().strip_prefix("+migrate")?;
    let mut words = rest.strip_prefix(char::is_whitespace)?.split_whitespace();
    let direction = match words.next()? {
        "Up" => Direction::Up,
        "Down" => Direction::Down,
        _ => return None,
    };
    Some((direction, words.any(|word| word == "notransaction")))
}

#[cfg(test)]
mod tests {
    use crate::LayoutId;
    use crate::source::fixture::check;

    #[test]
    fn markers() {
        check(
            LayoutId::SqlMigrate,
            &[
                ("10-b.sql", "-- +migrate Up notransaction\nB\n"),
                ("2-a.sql", "-- +migrate Up\nA\n-- +migrate Down\na\n"),
            ],
            &["2-a  up(A) down(a)", "10-b  up!(B)"],
        );
    }
}

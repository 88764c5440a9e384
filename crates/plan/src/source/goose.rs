//! goose: `<integer>_<name>.sql` with `-- +goose Up` and `-- +goose Down`. A transaction wraps
//! each direction unless the file says `-- +goose NO TRANSACTION`.
//! (`internal/sqlparser/parser.go` of goose 3.27.)

use super::marked::{Marker, Sections, any_marked, numbered, read_marked, sections};
use super::{Direction, Layout, LayoutId, Listing, Problems, SourceMigration};

pub(super) struct Goose;

impl Layout for Goose {
    fn id(&self) -> LayoutId {
        LayoutId::Goose
    }

    fn detect(&self, listing: &Listing) -> u8 {
        if any_marked(listing, |line| annotation(line).is_some()) { 50 } else { 0 }
    }

    fn read(&self, listing: &Listing) -> Result<Vec<SourceMigration>, Problems> {
        read_marked(listing, numbered, cut, "-- +goose Up", &[".go"])
    }
}

fn cut(text: &str) -> Sections {
    let mut found = sections(text, marker);
    let alone = text
        .lines()
        .filter_map(annotation)
        .any(|words| words.eq_ignore_ascii_case("NO TRANSACTION"));
    found.up_alone |= alone;
    found.down_alone |= alone;
    found
}

/// What stands behind `-- +goose`.
fn annotation(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("--")?.trim_start().strip_prefix("+goose")?;
    rest.starts_with(char::is_whitespace).then(|| rest.trim())
}

fn marker(line: &str) -> Option<Marker> {
    match annotation(line)? {
        words if words.eq_ignore_ascii_case("Up") => Some((Direction::Up, false)),
        words if words.eq_ignore_ascii_case("Down") => Some((Direction::Down, false)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::LayoutId;
    use crate::source::fixture::check;

    #[test]
    fn annotations() {
        check(
            LayoutId::Goose,
            &[
                (
                    "00001_a.sql",
                    "-- +goose Up\n-- +goose StatementBegin\nA\n-- +goose StatementEnd\n-- +goose Down\na\n",
                ),
                ("00002_b.sql", "-- +goose NO TRANSACTION\n--+goose up\nB"),
                ("00003_c.go", "package migrations"),
                ("00003_c_test.go", "package migrations"),
                ("main.go", "package main"),
            ],
            &[
                "00001 a up(-- +goose StatementBegin A -- +goose StatementEnd) down(a)",
                "00002 b up!(B)",
                "00003 c program",
            ],
        );
    }
}

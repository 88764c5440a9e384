//! dbmate: `<digits>_<name>.sql` with sections `-- migrate:up` and `-- migrate:down`, in order of
//! their names. A transaction wraps each section unless its marker says `transaction:false`.
//! (`pkg/dbmate/parsing.go` of dbmate 2.36.)

use super::marked::{Marker, any_marked, read_marked, sections};
use super::{Direction, Layout, LayoutId, Listing, Order, Problems, SourceMigration};
use crate::Version;

pub(super) struct Dbmate;

impl Layout for Dbmate {
    fn id(&self) -> LayoutId {
        LayoutId::Dbmate
    }

    fn detect(&self, listing: &Listing) -> u8 {
        if any_marked(listing, |line| matches!(marker(line), Some((Direction::Up, _)))) {
            50
        } else {
            0
        }
    }

    fn order(&self) -> Order {
        Order::Text
    }

    fn read(&self, listing: &Listing) -> Result<Vec<SourceMigration>, Problems> {
        read_marked(listing, version, |text| sections(text, marker), "-- migrate:up", &[])
    }
}

/// Leading digits; what follows them is the name.
fn version(stem: &str) -> Option<(Version, String)> {
    let digits = stem.bytes().take_while(u8::is_ascii_digit).count();
    let name = stem[digits..].trim_start_matches('_');
    (digits > 0).then(|| (Version::new(&stem[..digits]), name.to_owned()))
}

fn marker(line: &str) -> Option<Marker> {
    let rest = line.strip_prefix("--")?.trim_start();
    let (direction, options) = match rest.strip_prefix("migrate:up") {
        Some(options) => (Direction::Up, options),
        None => (Direction::Down, rest.strip_prefix("migrate:down")?),
    };
    if !options.is_empty() && !options.starts_with(char::is_whitespace) {
        return None;
    }
    Some((direction, options.split_whitespace().any(|option| option == "transaction:false")))
}

#[cfg(test)]
mod tests {
    use crate::LayoutId;
    use crate::source::fixture::{check, refusal};

    #[test]
    fn sections_and_options() {
        check(
            LayoutId::Dbmate,
            &[
                ("2_a.sql", "-- note\n-- migrate:up\nA\n-- migrate:down transaction:false\na"),
                ("10_b.sql", "--migrate:up\nB\n-- migrate:down"),
            ],
            &["10 b up(B) down()", "2 a up(A) down!(a)"],
        );
        let message = refusal(&[("1_a.sql", "-- migrate:up\n"), ("2_b.sql", "B")]);
        assert!(message.contains("2_b.sql") && message.contains("-- migrate:up"), "{message}");
    }
}

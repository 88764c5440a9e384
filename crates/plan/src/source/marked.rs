//! Files that hold both directions, told apart by comment lines.

use std::ops::Range;
use std::path::Path;

use super::{
    Direction, Listing, Pairs, Problems, SourceError, SourceFile, SourceMigration, TransactionMode,
};
use crate::Version;

/// The text with all but `keep` replaced by spaces, byte for byte; line ends stay.
pub(super) fn masked(text: &str, keep: &[Range<usize>]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for range in keep {
        blank(&text[at..range.start], &mut out);
        out.push_str(&text[range.start..range.end]);
        at = range.end;
    }
    blank(&text[at..], &mut out);
    out
}

fn blank(text: &str, out: &mut String) {
    out.extend(text.bytes().map(|b| if matches!(b, b'\n' | b'\r') { char::from(b) } else { ' ' }));
}

/// The lines of a text with their ranges, line ends left out.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (Range<usize>, &str)> {
    let mut at = 0;
    text.split_inclusive('\n').map(move |whole| {
        let start = at;
        at += whole.len();
        let line = whole.trim_end_matches(['\n', '\r']);
        (start..start + line.len(), line)
    })
}

/// Line (from 1) of a byte offset.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset].iter().filter(|b| **b == b'\n').count() + 1
}

/// What the marker lines of a text say.
#[derive(Default)]
pub(super) struct Sections {
    /// Where the up stands; several pieces are allowed.
    pub(super) up: Option<Vec<Range<usize>>>,
    /// Where the down stands.
    pub(super) down: Option<Vec<Range<usize>>>,
    /// The up's marker asks for no transaction.
    pub(super) up_alone: bool,
    /// The down's marker asks for no transaction.
    pub(super) down_alone: bool,
}

/// A marker line: which direction begins, and whether it is to run without a transaction.
pub(super) type Marker = (Direction, bool);

/// Cuts a text at its marker lines. What stands before the first belongs to no direction.
pub(super) fn sections(text: &str, marker: impl Fn(&str) -> Option<Marker>) -> Sections {
    let mut found = Sections::default();
    let mut open: Option<(Direction, usize)> = None;
    let close = |found: &mut Sections, open: Option<(Direction, usize)>, end: usize| {
        if let Some((direction, start)) = open {
            let slot = match direction {
                Direction::Up => &mut found.up,
                Direction::Down => &mut found.down,
            };
            slot.get_or_insert_default().push(start..end);
        }
    };
    for (range, line) in lines(text) {
        if let Some((direction, alone)) = marker(line) {
            close(&mut found, open.take(), range.start);
            open = Some((direction, range.end));
            match direction {
                Direction::Up => found.up_alone |= alone,
                Direction::Down => found.down_alone |= alone,
            }
        }
    }
    close(&mut found, open, text.len());
    found
}

/// Reads a flat directory of marked files, and of programs whose names end in one of `programs`.
/// `version` gives version and name of a file name
/// without `.sql`, or `None` for a file that is no migration; `cut` finds the sections; `missing`
/// is the marker that every file needs.
pub(super) fn read_marked(
    listing: &Listing,
    version: impl Fn(&str) -> Option<(Version, String)>,
    cut: impl Fn(&str) -> Sections,
    missing: &str,
    programs: &[&str],
) -> Result<Vec<SourceMigration>, Problems> {
    let mut pairs = Pairs::default();
    for file in listing.flat_sql() {
        let stem = file.strip_suffix(".sql").unwrap_or(file);
        let Some((version, name)) = version(stem) else { continue };
        let path = listing.path(file);
        let text = listing.text(file)?;
        let found = cut(&text);
        let Some(up) = &found.up else {
            return Err(SourceError::Malformed {
                path,
                line: 1,
                message: format!("it has no line `{missing}`"),
                next: "put the line above the statements of the way up".into(),
            }
            .into());
        };
        pairs.add(
            version.clone(),
            &name,
            Direction::Up,
            source(&path, masked(&text, up), found.up_alone),
        );
        if let Some(down) = &found.down {
            let down = source(&path, masked(&text, down), found.down_alone);
            pairs.add(version, &name, Direction::Down, down);
        }
    }
    for file in listing.files.iter().filter(|file| !file.contains('/')) {
        let stem = programs.iter().find_map(|ending| file.strip_suffix(ending));
        // Tests and type declarations stand beside them.
        let stem = stem.filter(|s| !s.ends_with("_test") && !s.ends_with(".d"));
        if let Some((version, name)) = stem.and_then(&version) {
            let program = SourceFile::program(listing.path(file));
            pairs.add(version, &name, Direction::Up, program);
        }
    }
    pairs.finish(SourceMigration::label)
}

fn source(path: &Path, text: String, alone: bool) -> SourceFile {
    let transaction = if alone { TransactionMode::None } else { TransactionMode::Wrapped };
    SourceFile::sql(path.to_owned(), text, transaction)
}

/// `0007_slim_customers` → (`0007`, `slim_customers`): digits up to the first `_`.
pub(super) fn numbered(stem: &str) -> Option<(Version, String)> {
    let (version, name) = stem.split_once('_').unwrap_or((stem, ""));
    let digits = !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| (Version::new(version), name.to_owned()))
}

/// The first few `.sql` files of the directory itself, of which one bears the marker: enough to
/// know whose they are.
pub(super) fn any_marked(listing: &Listing, marker: impl Fn(&str) -> bool) -> bool {
    listing
        .flat_sql()
        .take(5)
        .filter_map(|file| listing.text(file).ok())
        .any(|text| text.lines().any(&marker))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masking_keeps_every_place() {
        let text = "é--\r\nab\nc";
        let masked = masked(text, &[0..2, 6..8]);
        assert_eq!(masked, "é  \r\nab\n ");
        assert_eq!(masked.len(), text.len());
    }
}

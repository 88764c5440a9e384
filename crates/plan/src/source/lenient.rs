//! Reading a directory for judgement: what cannot be read is named, and the rest is still read.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::{Layout, LayoutId, Listing, Series, SourceError, find_layout, read_layout, surest};

/// Reads a directory as [`super::load`] does, but sets aside each file that cannot be read, is no
/// UTF-8, clashes with another or does not fit the layout, and says why.
///
/// # Errors
/// The directory itself cannot be listed.
pub fn load_lenient(
    dir: &Path,
    layout: Option<LayoutId>,
) -> Result<(Series, Vec<SourceError>), SourceError> {
    let mut listing = Listing::read(dir)?;
    let problems = listing.preload();
    let layout = find_layout(&listing, layout);
    Ok(read_rest(listing, layout, problems))
}

/// As [`load_lenient`], where a layout knows the directory as its own; else `None`.
///
/// # Errors
/// The directory itself cannot be listed.
pub fn load_known(dir: &Path) -> Result<Option<(Series, Vec<SourceError>)>, SourceError> {
    let mut listing = Listing::read(dir)?;
    // A folder above many series is not read to the end for nothing.
    Ok(surest(&listing).map(|layout| {
        let problems = listing.preload();
        read_rest(listing, layout, problems)
    }))
}

fn read_rest(
    mut listing: Listing,
    layout: &dyn Layout,
    mut problems: Vec<SourceError>,
) -> (Series, Vec<SourceError>) {
    loop {
        let found = match read_layout(layout, &listing) {
            Ok(series) => return (series, problems),
            Err(found) => found,
        };
        let culprits: HashSet<PathBuf> =
            found.0.iter().filter_map(SourceError::path).map(Path::to_owned).collect();
        let before = listing.files.len();
        let root = listing.root.clone();
        listing.files.retain(|file| !culprits.contains(&root.join(file)));
        problems.extend(found.0);
        // An error that names no listed file would come back for ever.
        if listing.files.len() == before {
            return (
                Series { layout: layout.id(), migrations: Vec::new(), variables: None },
                problems,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_file_does_not_hide_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let files: [(&str, &[u8]); 7] = [
            ("01_a.up.sql", b"A"),
            ("02_b.up.sql", b"ok\n\xe9"),
            ("03_c.up.sql", b"C"),
            ("3_clash.up.sql", b"D"),
            ("04_d.down.sql", b"d"),
            ("x.up.sql", b"X"),
            ("05_e.up.sql", b"\xef\xbb\xbfE"),
        ];
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let (series, problems) = load_lenient(dir.path(), None).unwrap();
        let labels: Vec<_> = series.migrations.iter().map(|m| m.label()).collect();
        assert_eq!(labels, ["01_a", "03_c", "05_e"]);
        assert_eq!(series.migrations[2].up.as_ref().unwrap().text, "E");
        let mut named: Vec<_> = problems
            .iter()
            .map(|p| p.path().unwrap().file_name().unwrap().to_str().unwrap())
            .collect();
        named.sort_unstable();
        assert_eq!(named, ["02_b.up.sql", "04_d.down.sql", "3_clash.up.sql", "x.up.sql"]);
        let latin1 = problems.iter().find(|p| p.to_string().contains("0xe9")).unwrap();
        assert_eq!(latin1.place(), Some((2, 1)));
        assert!(load_lenient(&dir.path().join("none"), None).is_err());
    }
}

//! Liquibase formatted SQL: files that begin with `--liquibase formatted sql`, cut into
//! `--changeset author:id`. Each change set is a migration; `--rollback` lines and
//! `/* liquibase rollback … */` are its way back. A transaction wraps each unless it says
//! `runInTransaction:false`. (`FormattedSqlChangeLogParser.java` of Liquibase 5.)
//!
//! Files follow one another as a changelog of the directory mentions them, else by their names.

use std::collections::HashSet;
use std::ops::Range;

use super::marked::{line_of, lines, masked};
use super::{
    Layout, LayoutId, Listing, Order, Problems, SourceError, SourceFile, SourceMigration,
    TransactionMode,
};
use crate::Version;

pub(super) struct Liquibase;

impl Layout for Liquibase {
    fn id(&self) -> LayoutId {
        LayoutId::Liquibase
    }

    fn detect(&self, listing: &Listing) -> u8 {
        let few = listing.files.iter().filter(|file| file.ends_with(".sql")).take(5);
        let marked = few.filter_map(|file| listing.text(file).ok()).any(|text| is_formatted(&text));
        if marked { 50 } else { 0 }
    }

    fn order(&self) -> Order {
        Order::AsRead
    }

    fn read(&self, listing: &Listing) -> Result<Vec<SourceMigration>, Problems> {
        let mut migrations: Vec<SourceMigration> = Vec::new();
        let mut seen = HashSet::new();
        for file in in_order(listing) {
            let text = listing.text(file)?;
            if !is_formatted(&text) {
                continue;
            }
            let path = listing.path(file);
            let stem = file.strip_suffix(".sql").unwrap_or(file);
            for set in change_sets(&text) {
                let version = Version::new(set.identity);
                // An identity counts within its file.
                if !seen.insert((file, set.identity.to_owned())) {
                    return Err(SourceError::Malformed {
                        path,
                        line: line_of(&text, set.start),
                        message: format!(
                            "the change set `{}` stands twice in this file",
                            set.identity
                        ),
                        next: "give one of them an id of its own".into(),
                    }
                    .into());
                }
                let transaction = match set.attribute("runInTransaction") {
                    Some("false") => TransactionMode::None,
                    _ => TransactionMode::Wrapped,
                };
                let part = |keep: &[Range<usize>]| {
                    SourceFile::sql(path.clone(), masked(&text, keep), transaction)
                };
                let again = |name| set.attribute(name) == Some("true");
                migrations.push(SourceMigration {
                    version,
                    name: stem.to_owned(),
                    up: Some(part(std::slice::from_ref(&set.body))),
                    down: (!set.rollback.is_empty()).then(|| part(&set.rollback)),
                    repeatable: again("runOnChange") || again("runAlways"),
                });
            }
        }
        Ok(migrations)
    }
}

/// The first line that is not blank says `--liquibase formatted sql`.
fn is_formatted(text: &str) -> bool {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("");
    directive(first).is_some_and(|rest| {
        let mut words = rest.split_whitespace();
        words.next().is_some_and(|w| w.eq_ignore_ascii_case("liquibase"))
            && words.next().is_some_and(|w| w.eq_ignore_ascii_case("formatted"))
    })
}

/// What stands behind `--` at the start of a line.
fn directive(line: &str) -> Option<&str> {
    line.trim_start().strip_prefix("--").map(str::trim_start)
}

/// The `.sql` files as a changelog mentions them; those that none mentions follow by name.
fn in_order(listing: &Listing) -> Vec<&String> {
    let mut mentioned: Vec<(usize, usize, &String)> = Vec::new();
    let changelogs: Vec<String> = listing
        .files
        .iter()
        .filter(|file| [".xml", ".yaml", ".yml", ".json"].iter().any(|end| file.ends_with(end)))
        .filter_map(|file| listing.text(file).ok())
        .collect();
    for file in listing.files.iter().filter(|file| file.ends_with(".sql")) {
        let base = file.rsplit('/').next().unwrap_or(file);
        let place = changelogs
            .iter()
            .enumerate()
            .find_map(|(log, text)| text.find(base).map(|at| (log, at)))
            .unwrap_or((usize::MAX, 0));
        mentioned.push((place.0, place.1, file));
    }
    mentioned.sort();
    mentioned.into_iter().map(|(_, _, file)| file).collect()
}

struct ChangeSet<'t> {
    /// `author:id`.
    identity: &'t str,
    /// Where its line begins.
    start: usize,
    attributes: &'t str,
    body: Range<usize>,
    rollback: Vec<Range<usize>>,
}

impl ChangeSet<'_> {
    /// The value of `name:value`.
    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .split_whitespace()
            .filter_map(|word| word.split_once(':'))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim_matches('"'))
    }
}

fn change_sets(text: &str) -> Vec<ChangeSet<'_>> {
    let mut sets: Vec<ChangeSet<'_>> = Vec::new();
    let mut in_rollback = false;
    for (range, line) in lines(text) {
        if in_rollback {
            // Inside `/* liquibase rollback … */`.
            let end = line.find("*/").map_or(range.end, |at| range.start + at);
            in_rollback = !line.contains("*/");
            if let Some(set) = sets.last_mut() {
                set.rollback.push(range.start..end);
                set.body.end = range.end;
            }
            continue;
        }
        let rest = directive(line);
        if let Some(rest) = rest.and_then(|rest| after(rest, "changeset")) {
            let (identity, attributes) = identity(rest);
            let body = range.end..range.end;
            sets.push(ChangeSet {
                identity,
                start: range.start,
                attributes,
                body,
                rollback: vec![],
            });
            continue;
        }
        let Some(set) = sets.last_mut() else { continue };
        set.body.end = range.end;
        if let Some(sql) = rest.and_then(|rest| after(rest, "rollback")) {
            let word = sql.trim();
            let nothing = word.eq_ignore_ascii_case("empty")
                || word.eq_ignore_ascii_case("not required")
                || word.starts_with("changesetId:")
                || word.starts_with("changeSetId:");
            if !nothing && !word.is_empty() {
                set.rollback.push(range.end - sql.len()..range.end);
            }
        } else if let Some(open) = line.trim_start().strip_prefix("/*")
            && after(open.trim_start(), "liquibase")
                .is_some_and(|words| after(words.trim_start(), "rollback").is_some())
        {
            in_rollback = !line.contains("*/");
        }
    }
    sets
}

/// What follows a word, in whatever case it stands.
fn after<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    let head = text.get(..word.len())?;
    let rest = &text[word.len()..];
    let ends = rest.is_empty() || rest.starts_with(|c: char| c.is_whitespace() || c == ':');
    (head.eq_ignore_ascii_case(word) && ends).then(|| rest.trim_start_matches(':'))
}

/// `author:id` and the attributes behind it; either may be quoted and then hold spaces.
fn identity(text: &str) -> (&str, &str) {
    let text = text.trim();
    let mut quoted = false;
    let end = text
        .find(|c: char| {
            quoted ^= c == '"';
            c.is_whitespace() && !quoted
        })
        .unwrap_or(text.len());
    (&text[..end], &text[end..])
}

#[cfg(test)]
mod tests {
    use crate::LayoutId;
    use crate::source::fixture::{check, refusal};

    #[test]
    fn change_sets_are_migrations() {
        check(
            LayoutId::Liquibase,
            &[
                ("changelog.xml", "<include file=\"z.sql\"/><include file=\"a.sql\"/>"),
                (
                    "a.sql",
                    "-- liquibase formatted sql\n-- changeset ann:2 runOnChange:true\nB;\n/* liquibase rollback\nb;\n*/\n",
                ),
                (
                    "z.sql",
                    "--liquibase formatted sql\n\n--changeset \"ann lee\":1 runInTransaction:false\n--comment x\nA;\n--rollback a;\n--rollback aa;\n\n--changeset bob:1\nC;\n--rollback empty\n",
                ),
            ],
            &[
                "\"ann lee\":1 z up!(--comment x A; --rollback a; --rollback aa;) down!(a; aa;)",
                "bob:1 z up(C; --rollback empty)",
                "ann:2 a up(B; /* liquibase rollback b; */) down(b;) again",
            ],
        );
        let twice = "--liquibase formatted sql\n--changeset a:1\nX;\n--changeset a:1\nY;\n";
        let message = refusal(&[("a.sql", twice)]);
        assert!(message.contains(":4:") && message.contains("a:1"), "{message}");
    }
}

//! Flyway: `V1_2__name.sql` up, `U1_2__name.sql` its undo, `R__name.sql` repeatable, `B3__name.sql`
//! a baseline, in any sub-directory. A transaction wraps each file unless it holds a statement
//! that cannot run inside one, or its `.conf` says `executeInTransaction=false`.

use super::single::needs_none;
use super::{
    Direction, Layout, LayoutId, Listing, Pairs, Problems, SourceFile, SourceMigration,
    TransactionMode,
};
use crate::Version;

pub(super) struct Flyway;

impl Layout for Flyway {
    fn id(&self) -> LayoutId {
        LayoutId::Flyway
    }

    fn detect(&self, listing: &Listing) -> u8 {
        let kind = |file: &str| parse_name(file).map(|(kind, ..)| kind);
        if listing.flat_sql().any(|file| kind(file) == Some('V')) {
            return 40;
        }
        // All in sub-directories, as teams sort them by year or release; where these are several
        // databases, each is a series of its own.
        let below: Vec<&String> =
            listing.files.iter().filter(|f| kind(base(f)) == Some('V')).collect();
        let by_release = !below.is_empty()
            && below.iter().all(|f| {
                f.trim_start_matches(['v', 'V']).starts_with(|c: char| c.is_ascii_digit())
            });
        if by_release { 30 } else { 0 }
    }

    fn read(&self, listing: &Listing) -> Result<Vec<SourceMigration>, Problems> {
        let mut pairs = Pairs::default();
        let mut repeatable = Vec::new();
        let mut baselines = Vec::new();
        for file in &listing.files {
            let Some((kind, version, name)) = parse_name(base(file)) else { continue };
            let text = listing.text(file)?;
            let conf = format!("{file}.conf");
            let outside = match listing.files.contains(&conf) {
                true => {
                    setting(&listing.text(&conf)?, "executeInTransaction").as_deref()
                        == Some("false")
                }
                false => false,
            };
            let alone = outside || needs_none(&text);
            let transaction = if alone { TransactionMode::None } else { TransactionMode::Wrapped };
            let source = SourceFile::sql(listing.path(file), text, transaction);
            match kind {
                'V' => pairs.add(version, name, Direction::Up, source),
                'U' => pairs.add(version, name, Direction::Down, source),
                'B' => baselines.push((version, name, source)),
                _ => repeatable.push(SourceMigration {
                    version: Version::new(name),
                    name: String::new(),
                    up: Some(source),
                    down: None,
                    repeatable: true,
                }),
            }
        }
        // A baseline stands for what came up to it; where that is still there, it is not run.
        baselines.sort_by(|a, b| a.0.cmp(&b.0));
        if let Some((version, name, source)) = baselines.pop()
            && pairs.migrations.keys().all(|other| *other > version)
        {
            pairs.add(version, name, Direction::Up, source);
        }
        let mut migrations = pairs.finish(|m| format!("V{}__{}.sql", m.version, m.name))?;
        migrations.append(&mut repeatable);
        Ok(migrations)
    }
}

fn base(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

/// `V1_2__add_a.sql` → (`V`, `1.2`, `add_a`); `R__name.sql` → (`R`, empty, `name`).
fn parse_name(file: &str) -> Option<(char, Version, &str)> {
    let stem = file.strip_suffix(".sql")?;
    let kind = stem.chars().next().filter(|c| matches!(c, 'V' | 'U' | 'R' | 'B'))?;
    let (version, name) = stem[1..].split_once("__")?;
    let number = version.starts_with(|c: char| c.is_ascii_digit())
        && version.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '_'));
    let fits = if kind == 'R' { version.is_empty() } else { number };
    fits.then(|| (kind, Version::new(version.replace('_', ".")), name))
}

/// A value of a properties file.
fn setting(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(['=', ':'])?;
        (key.trim() == name).then(|| value.trim().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use crate::LayoutId;
    use crate::source::fixture::check;

    #[test]
    fn versions_undo_and_repeatable() {
        check(
            LayoutId::Flyway,
            &[
                ("V2__b.sql", "B"),
                ("V1_10__a.sql", "A"),
                ("U1_10__a.sql", "a"),
                ("V1_9__first.sql", "F"),
                ("R__views.sql", "V"),
                ("B1__base.sql", "base"),
                ("B2__base.sql", "base"),
                ("V3__c.sql", "CREATE INDEX CONCURRENTLY i ON t (a)"),
                ("V4__d.sql", "D"),
                ("V4__d.sql.conf", "executeInTransaction=false"),
                ("beforeMigrate.sql", "x"),
            ],
            &[
                "1.9 first up(F)",
                "1.10 a up(A) down(a)",
                "2 b up(B)",
                "3 c up!(CREATE INDEX CONCURRENTLY i ON t (a))",
                "4 d up!(D)",
                "views  up(V) again",
            ],
        );
        check(
            LayoutId::Flyway,
            &[("B2__base.sql", "base"), ("V3__c.sql", "C")],
            &["2 base up(base)", "3 c up(C)"],
        );
    }

    #[test]
    fn releases_in_directories() {
        check(
            LayoutId::Flyway,
            &[("2025/V1__a.sql", "A"), ("2026/V2__b.sql", "B")],
            &["1 a up(A)", "2 b up(B)"],
        );
    }
}

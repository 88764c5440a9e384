//! Sqitch: `sqitch.plan` gives the order, `deploy/<change>.sql` the way up and
//! `revert/<change>.sql` the way back. The client runs the scripts as they are: what is to be one
//! transaction says so itself. (`lib/App/Sqitch/Plan.pm` of Sqitch 1.6.)

use super::{
    Layout, LayoutId, Listing, Order, Problems, SourceError, SourceFile, SourceMigration,
    TransactionMode,
};
use crate::Version;

pub(super) struct Sqitch;

const PLAN: &str = "sqitch.plan";

impl Layout for Sqitch {
    fn id(&self) -> LayoutId {
        LayoutId::Sqitch
    }

    fn detect(&self, listing: &Listing) -> u8 {
        if listing.files.iter().any(|file| file == PLAN) { 60 } else { 0 }
    }

    fn order(&self) -> Order {
        Order::AsRead
    }

    fn read(&self, listing: &Listing) -> Result<Vec<SourceMigration>, Problems> {
        let plan = listing.text(PLAN)?;
        let mut migrations = Vec::new();
        for (name, line) in changes(&plan) {
            let script = |folder: &str| -> Result<Option<SourceFile>, SourceError> {
                let file = format!("{folder}/{name}.sql");
                if !listing.files.contains(&file) {
                    return Ok(None);
                }
                let text = listing.text(&file)?;
                let transaction = TransactionMode::None;
                Ok(Some(SourceFile::sql(listing.path(&file), text, transaction)))
            };
            let (up, down) = (script("deploy")?, script("revert")?);
            if up.is_none() {
                return Err(SourceError::Malformed {
                    path: listing.path(PLAN),
                    line,
                    message: format!("the change `{name}` has no `deploy/{name}.sql`"),
                    next: "add the script, or take the change out of the plan".into(),
                }
                .into());
            }
            migrations.push(SourceMigration {
                version: Version::new(name),
                name: String::new(),
                up,
                down,
                repeatable: false,
            });
        }
        Ok(migrations)
    }
}

/// The changes of a plan in order, each with its line. A change that was reworked later has its
/// script under the tag that followed it: `name@tag`.
fn changes(plan: &str) -> Vec<(String, usize)> {
    let mut found: Vec<(String, usize)> = Vec::new();
    let mut tags: Vec<(usize, &str)> = Vec::new();
    for (index, line) in plan.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['%', '#']) {
            continue;
        }
        let word = line.split_whitespace().next().unwrap_or("");
        if let Some(tag) = word.strip_prefix('@') {
            tags.push((found.len(), tag));
            continue;
        }
        let name = word.trim_start_matches(['+', '-']);
        let reworked = found.iter().position(|(known, _)| known == name);
        if let Some(at) = reworked
            && let Some((_, tag)) = tags.iter().find(|(count, _)| *count > at)
        {
            found[at].0 = format!("{name}@{tag}");
        }
        found.push((name.to_owned(), index + 1));
    }
    found
}

#[cfg(test)]
mod tests {
    use crate::LayoutId;
    use crate::source::fixture::{check, refusal};

    const PLAN: &str = "%syntax-version=1.0.0\n%project=shop\n\n\
        zebra 2026-01-02T03:04:05Z A <a@b.c> # first\n\
        apple [zebra] 2026-01-03T03:04:05Z A <a@b.c>\n\
        @v1 2026-01-04T03:04:05Z A <a@b.c>\n\
        zebra [zebra@v1] 2026-01-05T03:04:05Z A <a@b.c>\n";

    #[test]
    fn the_plan_gives_the_order() {
        check(
            LayoutId::Sqitch,
            &[
                ("sqitch.plan", PLAN),
                ("deploy/apple.sql", "BEGIN; A; COMMIT"),
                ("revert/apple.sql", "a"),
                ("deploy/zebra@v1.sql", "Z1"),
                ("deploy/zebra.sql", "Z2"),
                ("verify/zebra.sql", "x"),
            ],
            &["zebra@v1  up!(Z1)", "apple  up!(BEGIN; A; COMMIT) down!(a)", "zebra  up!(Z2)"],
        );
        let message = refusal(&[("sqitch.plan", "%project=x\nlost 2026 A <a>\n")]);
        assert!(message.contains(":2:") && message.contains("deploy/lost.sql"), "{message}");
    }
}

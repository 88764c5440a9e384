//! Parses ahead of the replay: parsing is independent from file to file, replaying is not.

use downhaul_syntax::{Dialect, Script, parse_script};

use crate::input::MigrationInput;

/// Migrations that are parsed together. Two batches are in memory at once.
const BATCH: usize = 64;

/// The parsed texts of a migration. Of one that is not judged only the up.
#[derive(Default)]
pub(crate) struct Scripts {
    pub(crate) up: Option<Script>,
    pub(crate) down: Option<Script>,
}

fn parse(migration: &MigrationInput, dialect: Dialect) -> Scripts {
    Scripts {
        up: migration.up.as_ref().map(|up| parse_script(&up.text, dialect)),
        down: migration
            .down
            .as_ref()
            .filter(|_| migration.judged)
            .map(|down| parse_script(&down.text, dialect)),
    }
}

/// Calls `take` for each migration in order. While it works on one batch, another thread parses
/// the next.
pub(crate) fn for_each<'a>(
    migrations: &'a [MigrationInput],
    dialect: Dialect,
    mut take: impl FnMut(usize, &'a MigrationInput, Scripts),
) {
    let several = migrations.len() > BATCH
        && std::thread::available_parallelism().is_ok_and(|threads| threads.get() > 1);
    if !several {
        for (index, migration) in migrations.iter().enumerate() {
            take(index, migration, parse(migration, dialect));
        }
        return;
    }
    let parse_batch =
        |batch: &'a [MigrationInput]| batch.iter().map(|m| parse(m, dialect)).collect::<Vec<_>>();
    let mut batches = migrations.chunks(BATCH);
    let mut current = batches.next().unwrap_or_default();
    let mut parsed = parse_batch(current);
    let mut index = 0;
    while !current.is_empty() {
        let next = batches.next().unwrap_or_default();
        parsed = std::thread::scope(|scope| {
            let ahead = scope.spawn(|| parse_batch(next));
            for (migration, scripts) in current.iter().zip(parsed.drain(..)) {
                take(index, migration, scripts);
                index += 1;
            }
            match ahead.join() {
                Ok(parsed) => parsed,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        });
        current = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::SourceText;

    #[test]
    fn every_migration_comes_once_in_order_with_its_own_scripts() {
        for n in [0, 1, BATCH, BATCH + 1, 3 * BATCH, 5 * BATCH + 7] {
            let migrations: Vec<MigrationInput> = (0..n)
                .map(|i| MigrationInput {
                    up: Some(SourceText::new("a", format!("DROP TABLE t{i};"))),
                    down: (i % 2 == 0).then(|| SourceText::new("b", format!("SELECT {i};"))),
                    judged: i % 4 == 0,
                    ..MigrationInput::default()
                })
                .collect();
            let mut seen = 0;
            for_each(&migrations, Dialect::Postgres, |index, migration, scripts| {
                assert_eq!(index, seen);
                assert!(std::ptr::eq(migration, &raw const migrations[index]));
                let up = scripts.up.expect("each has an up");
                assert_eq!(up.statements[0].text, format!("DROP TABLE t{index}"));
                assert_eq!(scripts.down.is_some(), index % 4 == 0);
                seen += 1;
            });
            assert_eq!(seen, n);
        }
    }
}

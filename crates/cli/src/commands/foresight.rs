//! What the analyzer knows of statements that are about to run: their locks, and to which phase a
//! migration belongs that does not say so.

use std::collections::BTreeMap;

use downhaul_engine::TableLock;
use downhaul_lint::{
    LintOptions, LintReport, MigrationInput, SourceText, fills_nulls, lint_series,
};
use downhaul_plan::{Phase, Series, Version};
use downhaul_run::{Foreseen, Prepared};
use downhaul_syntax::{Change, Dialect, Script, Statement};

/// Judges texts, one migration each, without a schema: every table that they do not make is taken
/// for one in use.
fn judge<'a>(texts: impl Iterator<Item = (&'a Version, &'a str)>, dialect: Dialect) -> LintReport {
    let mut options = LintOptions::new(dialect);
    options.one_deployment = true;
    let inputs: Vec<MigrationInput> = texts
        .map(|(version, text)| MigrationInput {
            path: version.to_string(),
            version: version.to_string(),
            up: Some(SourceText::new(version.to_string(), text)),
            ..MigrationInput::default()
        })
        .collect();
    lint_series(&inputs, &options)
}

/// Notes with each statement which locks it will take, so that the runner can look before it queues, and
/// whether it may take long.
pub(crate) fn foresee(migrations: &mut [(&Version, &mut Prepared)], dialect: Dialect) {
    if dialect == Dialect::Sqlite {
        return;
    }
    let texts = migrations.iter().map(|(version, prepared)| (*version, prepared.text.as_str()));
    let report = judge(texts, dialect);
    let mut found: BTreeMap<(&str, usize), Foreseen> = BTreeMap::new();
    for one in &report.effects {
        let effects = &one.effects;
        let locks = effects
            .locks
            .iter()
            .map(|lock| TableLock { table: lock.table.clone(), mode: lock.mode.to_owned() });
        let of_rows = [&effects.rewrites, &effects.scans, &effects.builds_indexes];
        let lasts = of_rows.iter().any(|tables| !tables.is_empty());
        found.insert(
            (one.version.as_str(), one.span.start),
            Foreseen { locks: locks.collect(), lasts },
        );
    }
    for (version, prepared) in migrations {
        let of = |statement: &Statement| {
            let key = (version.as_str(), statement.span.start);
            let mut foreseen = found.get(&key).cloned().unwrap_or_default();
            foreseen.lasts |= statement.changes().is_empty()
                || statement.changes().iter().any(|change| {
                    writes_rows(change)
                        || matches!(change, Change::Insert { from_query: Some(_), .. })
                });
            foreseen
        };
        prepared.foreseen = prepared.statements.iter().map(of).collect();
    }
}

/// The phases of migrations that declare none: what breaks a running release or loses data contracts,
/// what changes rows moves data, which filling empty values is, everything else expands.
pub(crate) fn phases(series: &Series, dialect: Dialect) -> BTreeMap<Version, Phase> {
    let unmarked: Vec<(&Version, &str)> = series
        .migrations
        .iter()
        .filter(|migration| !migration.repeatable && migration.phase(dialect).is_none())
        .filter_map(|migration| Some((&migration.version, migration.up.as_ref()?.text.as_str())))
        .collect();
    let mut options = LintOptions::new(dialect);
    options.one_deployment = false;
    let inputs: Vec<MigrationInput> = series
        .migrations
        .iter()
        .filter(|migration| !migration.repeatable)
        .filter_map(|migration| {
            Some(MigrationInput {
                path: migration.version.to_string(),
                version: migration.version.to_string(),
                up: Some(SourceText::new(
                    migration.version.to_string(),
                    migration.up.as_ref()?.text.as_str(),
                )),
                ..MigrationInput::default()
            })
        })
        .collect();
    let report = lint_series(&inputs, &options);
    unmarked
        .into_iter()
        .map(|(version, text)| {
            let of_it = report.effects.iter().filter(|e| e.version == version.as_str());
            let script = downhaul_syntax::parse_script(text, dialect);
            let fills = |at: usize| {
                script.statements.iter().any(|s| {
                    s.span.start == at
                        && !s.changes().is_empty()
                        && s.changes().iter().all(fills_nulls)
                })
            };
            let contracts = of_it.clone().any(|e| {
                !e.effects.breaks.is_empty() || !e.effects.loses.is_empty() && !fills(e.span.start)
            });
            let phase = if contracts {
                Phase::Contract
            } else if moves_rows(&script) {
                Phase::Backfill
            } else {
                Phase::Expand
            };
            (version.clone(), phase)
        })
        .collect()
}

fn moves_rows(script: &Script) -> bool {
    script.statements.iter().flat_map(|s| s.changes()).any(writes_rows)
}

fn writes_rows(change: &Change) -> bool {
    matches!(change, Change::Update { .. } | Change::Delete { .. } | Change::Merge { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use downhaul_plan::{SourceFile, SourceMigration, TransactionMode};

    #[test]
    fn migrations_that_say_nothing_are_classified() {
        let texts = [
            ("1", "CREATE TABLE t (id int PRIMARY KEY, a text);"),
            ("2", "ALTER TABLE t ADD COLUMN b text;"),
            ("3", "UPDATE t SET b = a WHERE b IS NULL;"),
            ("4", "ALTER TABLE t DROP COLUMN a;"),
            ("5", "-- downhaul:phase expand\nALTER TABLE t DROP COLUMN b;"),
        ];
        let migrations = texts
            .iter()
            .map(|(version, text)| SourceMigration {
                version: Version::new(*version),
                name: String::new(),
                up: Some(SourceFile::sql(
                    version.into(),
                    (*text).to_owned(),
                    TransactionMode::Wrapped,
                )),
                down: None,
                repeatable: false,
            })
            .collect();
        let series = Series { layout: downhaul_plan::LayoutId::Plain, migrations, variables: None };
        let found: Vec<(String, Phase)> = phases(&series, Dialect::Postgres)
            .into_iter()
            .map(|(version, phase)| (version.to_string(), phase))
            .collect();
        let expect = [
            ("1", Phase::Expand),
            ("2", Phase::Expand),
            ("3", Phase::Backfill),
            ("4", Phase::Contract),
        ];
        assert_eq!(found, expect.map(|(version, phase)| (version.to_owned(), phase)));
    }
}

//! Replaying a series costs time in proportion to its length, also where the state before each
//! migration is kept and compared.

use std::time::Duration;

use downhaul_catalog::{Catalog, DiffOptions, Origin, diff, inverse_script};
use downhaul_syntax::{Dialect, Script, parse_script};

/// Ups and downs of a series that keeps adding tables, columns, indexes and foreign keys to one
/// table in the middle.
fn series(length: usize) -> Vec<(Script, Script)> {
    let parse = |text: &str| parse_script(text, Dialect::Postgres);
    (0..length)
        .map(|n| match n % 4 {
            0 => (
                parse(&format!(
                    "CREATE TABLE t{n} (id bigserial PRIMARY KEY, hub bigint REFERENCES hub (id), note text);"
                )),
                parse(&format!("DROP TABLE t{n};")),
            ),
            1 => (
                parse(&format!("ALTER TABLE t{} ADD COLUMN c{n} int NOT NULL DEFAULT 0;", n - 1)),
                parse(&format!("ALTER TABLE t{} DROP COLUMN c{n};", n - 1)),
            ),
            2 => (
                parse(&format!("CREATE INDEX i{n} ON t{} (note);", n - 2)),
                parse(&format!("DROP INDEX i{n};")),
            ),
            _ => (
                parse(&format!("CREATE VIEW v{n} AS SELECT id, note FROM t{};", n - 3)),
                parse(&format!("DROP VIEW v{n};")),
            ),
        })
        .collect()
}

/// Ups and downs of a series that adds nothing but columns, keys and indexes to one table.
fn one_table(length: usize) -> Vec<(Script, Script)> {
    let parse = |text: &str| parse_script(text, Dialect::Postgres);
    (0..length)
        .map(|n| match n % 3 {
            0 => (
                parse(&format!("ALTER TABLE hub ADD COLUMN c{n} int NOT NULL DEFAULT 0;")),
                parse(&format!("ALTER TABLE hub DROP COLUMN c{n};")),
            ),
            1 => (
                parse(&format!("CREATE INDEX i{n} ON hub (c{});", n - 1)),
                parse(&format!("DROP INDEX i{n};")),
            ),
            _ => (
                parse(&format!("ALTER TABLE hub ADD CONSTRAINT k{n} CHECK (c{} > 0);", n - 2)),
                parse(&format!("ALTER TABLE hub DROP CONSTRAINT k{n};")),
            ),
        })
        .collect()
}

/// The CPU time of this thread so far: what else the machine does leaves no mark on it. Where the
/// system does not tell, the time of day.
fn clock() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = told.and_then(|told| told.split(' ').next()?.parse().ok());
    nanos.map_or_else(
        || std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default(),
        Duration::from_nanos,
    )
}

/// The least of three times that replaying takes.
fn time(series: &[(Script, Script)]) -> Duration {
    (0..3)
        .map(|_| {
            let mut catalog = Catalog::new(Dialect::Postgres);
            let base = parse_script("CREATE TABLE hub (id bigint PRIMARY KEY);", Dialect::Postgres);
            catalog.apply_script(&base, Origin::Baseline);
            let started = clock();
            for (at, (up, down)) in series.iter().enumerate() {
                let before = catalog.clone();
                assert!(catalog.apply_script(up, Origin::Series(at)).is_empty());
                let mut after = catalog.clone();
                assert!(after.apply_script(down, Origin::Series(at)).is_empty());
                assert!(diff(&before, &after, DiffOptions::default()).is_empty());
            }
            clock().saturating_sub(started)
        })
        .min()
        .expect("three times are measured")
}

#[test]
fn time_grows_with_the_series_not_with_its_square() {
    grows_evenly("many tables", &series(4000));
    grows_evenly("one table", &one_table(4000));
}

/// Four times as many: 4 is linear, 16 quadratic. Pointers to chunks, caches and a busy machine
/// cost something.
fn grows_evenly(name: &str, all: &[(Script, Script)]) {
    let quarter = all.len() / 4;
    let (short, long) = (time(&all[..quarter]), time(all));
    let ratio = long.as_secs_f64() / short.as_secs_f64();
    assert!(
        ratio < 10.0,
        "{name}: {quarter} migrations take {short:?}, {} take {long:?}: {ratio:.1} times",
        all.len()
    );
}

#[test]
fn the_way_back_of_a_change_costs_no_more_on_a_large_table() {
    let time = |columns: usize| -> Duration {
        let mut catalog = Catalog::new(Dialect::Postgres);
        let columns: Vec<String> = (0..columns).map(|n| format!("c{n} int")).collect();
        let base = format!("CREATE TABLE hub (id bigint PRIMARY KEY, {});", columns.join(", "));
        catalog.apply_script(&parse_script(&base, Dialect::Postgres), Origin::Baseline);
        let up = "ALTER TABLE hub ADD COLUMN new int; CREATE INDEX i ON hub (new);
                  ALTER TABLE hub ADD CONSTRAINT k CHECK (new > 0); ALTER TABLE hub DROP COLUMN c7;
                  ALTER TABLE hub RENAME COLUMN c8 TO other;";
        let up = parse_script(up, Dialect::Postgres);
        let times = (0..3).map(|_| {
            let started = clock();
            for _ in 0..20 {
                assert_eq!(inverse_script(&up, &catalog).statements.len(), 5);
            }
            clock() - started
        });
        times.min().expect("three times are measured")
    };
    let (short, long) = (time(100), time(5000));
    let ratio = long.as_secs_f64() / short.as_secs_f64();
    assert!(ratio < 20.0, "100 columns take {short:?}, 5,000 take {long:?}: {ratio:.1} times");
}

//! Judging a series costs time in proportion to its length, also where all of it changes one table:
//! each migration is judged, and its down replayed and compared.

use std::time::{Duration, Instant};

use downhaul_lint::{LintOptions, MigrationInput, SourceText, lint_series};
use downhaul_syntax::Dialect;

type Shape = fn(usize) -> (String, String);

/// A first migration, and what each later one does.
const SHAPES: &[(&str, Dialect, &str, Shape)] = &[
    (
        "partitions of MariaDB",
        Dialect::MariaDb,
        "CREATE TABLE hub (id bigint, k int) PARTITION BY RANGE (k) (PARTITION p0 VALUES LESS THAN (0));",
        |n| {
            (
                format!("ALTER TABLE hub ADD PARTITION (PARTITION p{n} VALUES LESS THAN ({n}));"),
                format!("ALTER TABLE hub DROP PARTITION p{n};"),
            )
        },
    ),
    ("columns", Dialect::Postgres, "CREATE TABLE hub (id bigint PRIMARY KEY, k int);", |n| {
        (
            format!("ALTER TABLE hub ADD COLUMN c{n} int;"),
            format!("ALTER TABLE hub DROP COLUMN c{n};"),
        )
    }),
    (
        "partitions",
        Dialect::Postgres,
        "CREATE TABLE hub (id bigint, k int) PARTITION BY LIST (k);",
        |n| {
            (
                format!("CREATE TABLE p{n} PARTITION OF hub FOR VALUES IN ({n});"),
                format!("DROP TABLE p{n};"),
            )
        },
    ),
    (
        "ranges",
        Dialect::Postgres,
        "CREATE TABLE hub (id bigint, k int) PARTITION BY RANGE (k);",
        |n| {
            (
                format!("CREATE TABLE p{n} PARTITION OF hub FOR VALUES FROM ({n}) TO ({});", n + 1),
                format!("DROP TABLE p{n};"),
            )
        },
    ),
    ("indexes", Dialect::Postgres, "CREATE TABLE hub (id bigint PRIMARY KEY, k int);", |n| {
        (format!("CREATE INDEX i{n} ON hub (k);"), format!("DROP INDEX i{n};"))
    }),
    ("checks", Dialect::Postgres, "CREATE TABLE hub (id bigint PRIMARY KEY, k int);", |n| {
        (
            format!("ALTER TABLE hub ADD CONSTRAINT k{n} CHECK (k > {n});"),
            format!("ALTER TABLE hub DROP CONSTRAINT k{n};"),
        )
    }),
    ("all at once", Dialect::Postgres, "CREATE TABLE hub (id bigint PRIMARY KEY, k int);", |n| {
        (
            format!(
                "CREATE TABLE t{n} (id bigint PRIMARY KEY, hub bigint REFERENCES hub (id));
                 ALTER TABLE hub ADD COLUMN c{n} int;
                 CREATE INDEX i{n} ON hub (c{n});"
            ),
            format!(
                "DROP INDEX i{n};
                 ALTER TABLE hub DROP COLUMN c{n};
                 DROP TABLE t{n};"
            ),
        )
    }),
];

fn series(first: &str, shape: Shape, length: usize) -> Vec<MigrationInput> {
    let migration = |n: usize, up: String, down: String| MigrationInput {
        version: n.to_string(),
        up: Some(SourceText::new(format!("{n}.up.sql"), up)),
        down: Some(SourceText::new(format!("{n}.down.sql"), down)),
        ..MigrationInput::default()
    };
    let mut all = vec![migration(0, first.to_owned(), "DROP TABLE hub;".to_owned())];
    all.extend((1..=length).map(|n| {
        let (up, down) = shape(n);
        migration(n, up, down)
    }));
    all
}

/// CPU time of this thread where the kernel tells (Linux), so that a busy machine does not matter.
fn clock() -> Duration {
    static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = told.and_then(|t| t.split_whitespace().next()?.parse().ok());
    nanos.map_or_else(|| START.elapsed(), Duration::from_nanos)
}

/// The least of some times that judging takes.
fn time(series: &[MigrationInput], dialect: Dialect, times: usize) -> Duration {
    (0..times)
        .map(|_| {
            let started = clock();
            let report = lint_series(series, &LintOptions::new(dialect));
            let took = clock() - started;
            let left: Vec<_> = report.findings.iter().filter(|f| f.code == "RV02").collect();
            assert!(left.is_empty(), "each down takes its up back: {left:?}");
            assert_eq!(report.summary.migrations, series.len());
            took
        })
        .min()
        .expect("it is measured at least once")
}

#[test]
fn time_grows_with_what_is_done_to_one_table_not_with_its_square() {
    for (name, dialect, first, shape) in SHAPES {
        let long = series(first, *shape, 1200);
        let short = time(&long[..301], *dialect, 3);
        let long = time(&long, *dialect, 1);
        // Four times as many: 4 is linear, 16 quadratic. Rules that look at all parts of a table
        // cost a little with its size, and so do caches and a busy machine. Of MariaDB's partitions, whose
        // list is written as text after each change, it was up to 11.1 (a debug build;
        // docs/benchmarks.md has the times of a release build).
        let ratio = long.as_secs_f64() / short.as_secs_f64();
        assert!(ratio < 13.0, "{name}: 300 take {short:?}, 1,200 take {long:?}: {ratio:.1} times");
    }
}

/// `cargo test --release -p downhaul-lint --test scale -- --ignored --nocapture`
#[test]
#[ignore = "prints a table of times; asserts nothing"]
#[allow(clippy::print_stdout, reason = "its result is what it prints")]
fn times_of_longer_series() {
    println!("| shape | 2,500 | 10,000 |");
    for (name, dialect, first, shape) in SHAPES {
        let all = series(first, *shape, 10_000);
        println!(
            "| {name} | {:.2?} | {:.2?} |",
            time(&all[..2501], *dialect, 1),
            time(&all, *dialect, 1)
        );
    }
}

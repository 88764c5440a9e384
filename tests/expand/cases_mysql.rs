//! The same for MySQL: the cases of MariaDB, in MySQL's words. `scripts/mysql-tests expand` runs them.

use std::sync::LazyLock;

use crate::cases::{Case, Engine};
use crate::cases_mariadb::MARIADB_CASES;

/// MySQL has no sequences: numbers come from a recursion.
const NUMBERS: &str = "FROM (WITH RECURSIVE numbers (seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM numbers WHERE seq < {rows}) SELECT seq FROM numbers) AS numbers";

/// What MySQL says otherwise, and what it tells otherwise.
const WORDS: [(&str, &str); 5] = [
    ("FROM seq_1_to_{rows}", NUMBERS),
    // Integers have no width to be shown in.
    ("bigint(20)", "bigint"),
    ("int(11)", "int"),
    // It renames no column that a CHECK names.
    (" NOT NULL CHECK (code <> '')", " NOT NULL"),
    (" CONSTRAINT code_there CHECK (code <> 'none' OR id < 0),", ""),
];

fn mysql(text: &'static str) -> &'static str {
    let text = WORDS.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    Box::leak(text.into_boxed_str())
}

/// What the old release does here too: MariaDB asks for a value or a default of the new column (error 1364)
/// before it fires the trigger that looks it up.
const MORE: &[(&str, &[&str])] = &[(
    "mariadb_from_other_table",
    &[
        "INSERT INTO orders (id, customer_id) SELECT {n}, {id}",
        "REPLACE INTO orders (id, customer_id) SELECT {n}, {id}",
    ],
)];

static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
    let all = |texts: &[&'static str], more: &[&'static str]| -> &'static [&'static str] {
        Box::leak(texts.iter().chain(more).map(|text| mysql(text)).collect())
    };
    let more = |case: &Case| {
        MORE.iter().find(|(name, _)| *name == case.name).map_or(&[][..], |(_, more)| more)
    };
    let after =
        |pairs: &[(&'static str, &'static str)]| -> &'static [(&'static str, &'static str)] {
            let pairs = pairs.iter().filter(|(query, _)| !query.contains("CHECK_CONSTRAINTS"));
            Box::leak(pairs.map(|(query, found)| (mysql(query), mysql(found))).collect())
        };
    MARIADB_CASES
        .iter()
        .map(|case| Case {
            name: case.name,
            engine: Engine::MySql,
            base: mysql(case.base),
            rows: mysql(case.rows),
            change: mysql(case.change),
            old: all(case.old, more(case)),
            new: all(case.new, &[]),
            disagree: mysql(case.disagree),
            after: after(case.after),
        })
        .collect()
});

/// A case by the name that it has for MariaDB.
pub(crate) fn mysql_case(name: &str) -> &'static Case {
    CASES.iter().find(|case| case.name == name).unwrap()
}

use std::fmt::Write as _;

use downhaul_kit::SqliteFile;

use crate::{NAMES, Shown, Step, there_and_back, up_and_down};

/// Values of every storage class. A column of any type may hold each of them.
const VALUES: &[&str] = &[
    "NULL",
    "0",
    "-9223372036854775808",
    "9223372036854775807",
    "0.0",
    "-0.0",
    "1e999",
    "-1e999",
    "5e-324",
    "1.7976931348623157e308",
    "0.1",
    "0.30000000000000004",
    "1.0",
    "''",
    "'5'",
    "'5.0'",
    "'0x10'",
    "' 7 '",
    "'it''s \"quoted\" `so`'",
    "char(0)",
    "'a' || char(0) || 'b'",
    "char(55296)",
    "'🐘 ' || char(769)",
    "CAST(x'ff00fe' AS TEXT)",
    "x''",
    "x'00'",
    "x'27225c00ff'",
    "zeroblob(300000)",
    "randomblob(2000000)",
    "hex(zeroblob(400000))",
    "'2026-02-30'",
    "'infinity'",
    "9007199254740993",
];

/// Declared types, with every affinity, and none.
const TYPES: &[&str] = &[
    "INTEGER",
    "INT",
    "BIGINT UNSIGNED",
    "TEXT",
    "VARCHAR(3)",
    "CLOB",
    "BLOB",
    "REAL",
    "DOUBLE PRECISION",
    "NUMERIC",
    "DECIMAL(10, 2)",
    "BOOLEAN",
    "DATE",
    "DATETIME",
    "JSON",
    "FLOATING POINT",
    "",
];

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Storage class and every byte.
fn exact(column: &str) -> String {
    format!(
        "typeof({column}), CASE WHEN length({column}) > 2000 AND typeof({column}) = 'blob' \
           THEN length({column}) || hex(substr({column}, 1, 500)) || hex(substr({column}, -500)) \
         WHEN typeof({column}) IN ('text', 'blob') THEN substr(hex({column}), 1, 4000) || length(hex({column})) \
         ELSE quote({column}) END"
    )
}

struct Every {
    columns: Vec<String>,
    create: String,
    setup: String,
}

fn every() -> Every {
    let columns: Vec<String> = (0..TYPES.len()).map(|n| format!("c{n}")).collect();
    let typed: Vec<String> =
        columns.iter().zip(TYPES).map(|(name, ty)| format!("{name} {ty}")).collect();
    let create = format!("CREATE TABLE every (id INTEGER PRIMARY KEY, {});\n", typed.join(", "));
    let mut setup = create.clone();
    for (id, value) in VALUES.iter().enumerate() {
        // The same bytes in all columns of a row: random ones are drawn once.
        let list = vec!["v"; TYPES.len()].join(", ");
        writeln!(setup, "INSERT INTO every SELECT {id}, {list} FROM (SELECT {value} AS v);")
            .unwrap();
    }
    Every { columns, create, setup }
}

impl Every {
    fn shown(&self) -> Shown {
        let list: Vec<String> = self.columns.iter().map(|c| exact(c)).collect();
        Shown {
            label: "every".into(),
            select: format!("SELECT id, {} FROM every ORDER BY id", list.join(", ")),
        }
    }

    /// Each row gets the values of the next one.
    fn shift(&self) -> String {
        let list = self.columns.join(", ");
        format!(
            "UPDATE every SET ({list}) = (SELECT {list} FROM every n WHERE n.id = (every.id + 1) % {});\n",
            VALUES.len()
        )
    }
}

#[tokio::test]
async fn every_value_comes_back_after_a_migration() {
    let every = every();
    let file = SqliteFile::new();
    file.session().await.run(&every.setup).await;
    let odd: Vec<usize> = (0..TYPES.len()).step_by(2).collect();
    let drops: String =
        odd.iter().map(|n| format!("ALTER TABLE every DROP COLUMN c{n};\n")).collect();
    let adds: String =
        odd.iter().map(|n| format!("ALTER TABLE every ADD COLUMN c{n} {};\n", TYPES[*n])).collect();
    let steps = [
        Step::new(every.shift(), "SELECT 1;\n"),
        Step::new("DELETE FROM every WHERE id % 2 = 0;\n", "SELECT 1;\n"),
        Step::new(drops, adds),
        Step::new("DROP TABLE every;\n", every.create.clone()),
    ];
    up_and_down(&file.url(), &[every.shown()], &steps[..3]).await;
    let file = SqliteFile::new();
    file.session().await.run(&every.setup).await;
    up_and_down(&file.url(), &[every.shown()], &steps[3..]).await;
}

#[tokio::test]
async fn every_value_returns_to_a_mark() {
    let every = every();
    let file = SqliteFile::new();
    file.session().await.run(&every.setup).await;
    let spoil = format!("{}DELETE FROM every WHERE id = 1;", every.shift());
    there_and_back(&file.url(), &[every.shown()], &spoil).await;
}

fn named() -> (String, Vec<Shown>) {
    let mut setup = String::new();
    let mut shown = Vec::new();
    for (at, name) in names() {
        let n = quote(name);
        let (index, trigger) = (quote(&format!("i {name}")), quote(&format!("t {name}")));
        writeln!(
            setup,
            "CREATE TABLE {n} (id INTEGER PRIMARY KEY, {n} text CONSTRAINT {n} CHECK ({n} <> 'never'), other int);\n\
             CREATE INDEX {index} ON {n} ({n}, other);\n\
             CREATE TRIGGER {trigger} AFTER INSERT ON {n} WHEN NEW.other = 77 BEGIN UPDATE {n} SET other = 78 WHERE id = NEW.id; END;\n\
             INSERT INTO {n} VALUES (1, 'value', {at}), (2, NULL, 0), (3, '{}', 1);",
            name.replace('\'', "''"),
        )
        .unwrap();
        shown.push(Shown {
            label: name.to_owned(),
            select: format!("SELECT id, {n}, other FROM {n} ORDER BY id"),
        });
    }
    (setup, shown)
}

/// Names that begin with `downhaul_` are Downhaul's own, since there are no schemas.
fn names() -> impl Iterator<Item = (usize, &'static str)> {
    NAMES.into_iter().filter(|name| !name.starts_with("downhaul_")).enumerate()
}

#[tokio::test]
async fn every_name_comes_back_after_a_migration() {
    let (setup, shown) = named();
    let file = SqliteFile::new();
    file.session().await.run(&setup).await;
    let of_each = |write: &dyn Fn(&str) -> String| {
        names().map(|(_, name)| write(&quote(name))).collect::<String>()
    };
    let steps = [
        Step::new(
            of_each(&|n| format!("UPDATE {n} SET {n} = 'changed' WHERE id > 1;\n")),
            "SELECT 1;\n",
        ),
        Step::new(of_each(&|n| format!("DELETE FROM {n} WHERE id = 1;\n")), "SELECT 1;\n"),
        Step::new(
            of_each(&|n| format!("DROP TABLE {n};\n")),
            of_each(&|n| {
                format!(
                    "CREATE TABLE {n} (id INTEGER PRIMARY KEY, {n} text CONSTRAINT {n} CHECK ({n} <> 'never'), other int);\n"
                )
            }),
        ),
    ];
    up_and_down(&file.url(), &shown, &steps).await;
}

#[tokio::test]
async fn every_name_returns_to_a_mark() {
    let (setup, shown) = named();
    let file = SqliteFile::new();
    file.session().await.run(&setup).await;
    let mut spoil = String::new();
    for (_, name) in names() {
        let n = quote(name);
        writeln!(spoil, "UPDATE {n} SET {n} = 'changed' WHERE id > 1; DELETE FROM {n} WHERE id = 1; INSERT INTO {n} VALUES (9, '', 9);").unwrap();
    }
    there_and_back(&file.url(), &shown, &spoil).await;
}

#[tokio::test]
async fn a_wide_table_and_one_that_computes() {
    let columns: Vec<String> = (1..1990).map(|n| format!("c{n} int")).collect();
    let create = format!("CREATE TABLE wide (id INTEGER PRIMARY KEY, {});\n", columns.join(", "));
    let made = "CREATE TABLE made (a int, twice int GENERATED ALWAYS AS (a * 2) STORED, thrice int AS (a * 3), t text COLLATE NOCASE PRIMARY KEY) WITHOUT ROWID;\n";
    let file = SqliteFile::new();
    file.session()
        .await
        .run(&format!(
            "{create}{made}INSERT INTO wide (id, c1, c1989) VALUES (1, 2, 3), (4, 5, 6), (7, 8, 9);\n\
             INSERT INTO made (a, t) VALUES (1, 'a'), (2, 'B'), (3, 'c');"
        ))
        .await;
    let shown = [
        Shown {
            label: "wide".into(),
            select: "SELECT id, c1, c700, c1989 FROM wide ORDER BY id".into(),
        },
        Shown {
            label: "made".into(),
            select: "SELECT a, twice, thrice, t FROM made ORDER BY t".into(),
        },
    ];
    let steps = [
        Step::new(
            "UPDATE wide SET c1989 = 0, c700 = 1 WHERE id > 1;\nUPDATE made SET a = a + 1;\n",
            "SELECT 1;\n",
        ),
        Step::new(
            "DELETE FROM wide WHERE id = 4;\nDELETE FROM made WHERE t = 'b';\n",
            "SELECT 1;\n",
        ),
        Step::new("DROP TABLE wide;\nDROP TABLE made;\n", format!("{create}{made}")),
    ];
    up_and_down(&file.url(), &shown, &steps).await;
}

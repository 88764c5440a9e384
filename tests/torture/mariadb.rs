use std::fmt::Write as _;

use downhaul_kit::MariaDb;

use crate::{NAMES, Shown, Step, there_and_back, up_and_down};

/// Types with their extremes, as expressions.
const TYPES: &[(&str, &[&str])] = &[
    ("tinyint", &["-128", "127"]),
    ("tinyint unsigned", &["0", "255"]),
    ("smallint", &["-32768", "32767"]),
    ("mediumint", &["-8388608", "8388607"]),
    ("int", &["-2147483648", "2147483647"]),
    ("int(5) zerofill", &["7", "4294967295"]),
    ("bigint", &["-9223372036854775808", "9223372036854775807"]),
    ("bigint unsigned", &["0", "18446744073709551615"]),
    (
        "decimal(65,30)",
        &[
            "-99999999999999999999999999999999999.999999999999999999999999999999",
            "0.000000000000000000000000000001",
        ],
    ),
    ("float", &["0.1", "3.40282e38", "1e-38", "16777217"]),
    (
        "double",
        &["0.1", "1.7976931348623157e308", "2.2250738585072014e-308", "0.30000000000000004"],
    ),
    ("bit(64)", &["b'0'", "b'1111111111111111111111111111111111111111111111111111111111111111'"]),
    ("boolean", &["TRUE", "FALSE"]),
    ("date", &["'1000-01-01'", "'9999-12-31'"]),
    ("time(6)", &["'-838:59:59.999999'", "'838:59:59.999999'"]),
    (
        "datetime(6)",
        &["'1000-01-01 00:00:00.000000'", "'9999-12-31 23:59:59.999999'", "'2026-03-29 02:30:00'"],
    ),
    ("timestamp(6) NULL", &["'1970-01-02 00:00:01'", "'2038-01-18 03:14:07.999999'"]),
    ("year", &["1901", "2155", "0"]),
    ("char(5)", &["'a'", "''", "'ä☃'"]),
    (
        "varchar(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
        &["'trailing   '", "'ẞ'", "'🐘'", "'it''s \\\\ \"q\" `b`'", "''"],
    ),
    ("varchar(50) CHARACTER SET latin1", &["'Grüße'", "'ÿ'"]),
    (
        "varchar(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        &["'A'", "'a'", "CONCAT('a', CHAR(0), 'b')"],
    ),
    ("binary(4)", &["x'00'", "x'ff00ff00'"]),
    ("varbinary(300)", &["x''", "x'00'", "x'27225c00ff'", "' '"]),
    ("tinyblob", &["x''", "REPEAT(x'ff', 255)"]),
    ("longblob", &["x'00'", "REPEAT(x'00ff5c27', 300000)"]),
    ("tinytext", &["''", "'x '"]),
    ("mediumtext", &["'a\\nb\\tc'", "REPEAT('long ', 100000)"]),
    ("text COMPRESSED", &["''", "REPEAT('compressed ', 500)"]),
    ("enum('', 'it''s', 'a,b', '☃')", &["''", "'it''s'", "'☃'"]),
    ("set('a', 'b c', 'it''s')", &["''", "'a,it''s'"]),
    ("json", &["'{\"b\":1, \"a\":2,  \"a\":3}'", "'null'", "'[ ]'"]),
    ("uuid", &["'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"]),
    ("inet6", &["'::'", "'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'"]),
    ("inet4", &["'0.0.0.0'", "'255.255.255.255'"]),
    ("point", &["ST_GeomFromText('POINT(0 -0)')", "ST_GeomFromText('POINT(1e308 0.1)')"]),
    (
        "geometry",
        &[
            "ST_GeomFromText('LINESTRING(0 0,1 1,2 0)')",
            "ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 2),POINT(3 4))')",
        ],
    ),
    ("polygon", &["ST_GeomFromText('POLYGON((0 0,1 1,2 0,0 0))')"]),
];

fn quote(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// Every byte of a value: a float by the double that it is.
fn exact(column: &str, ty: &str) -> String {
    let text = match ty.split(['(', ' ']).next().unwrap_or(ty) {
        "float" => format!("CAST({column} + 0e0 AS CHAR)"),
        "double" => format!("CAST({column} AS CHAR)"),
        "bit" => format!("CAST({column} + 0 AS CHAR)"),
        "point" | "geometry" | "polygon" => format!("HEX({column})"),
        _ => format!("HEX(CAST({column} AS BINARY))"),
    };
    format!("IF(LENGTH({text}) > 2000, CONCAT(LENGTH({text}), ':', MD5({text})), {text})")
}

struct Every {
    columns: Vec<String>,
    create: String,
    setup: String,
    rows: usize,
}

fn every() -> Every {
    let rows = TYPES.iter().map(|(_, values)| values.len()).max().unwrap() + 1;
    let columns: Vec<String> = (0..TYPES.len()).map(|n| format!("c{n}")).collect();
    let typed: Vec<String> =
        columns.iter().zip(TYPES).map(|(name, (ty, _))| format!("{name} {ty}")).collect();
    let create =
        format!("CREATE TABLE `every` (id int PRIMARY KEY, {}) ENGINE=InnoDB;\n", typed.join(", "));
    let mut setup = create.clone();
    for row in 0..rows {
        let values: Vec<&str> = TYPES
            .iter()
            .map(|(_, values)| if row + 1 < rows { values[row % values.len()] } else { "NULL" })
            .collect();
        writeln!(setup, "INSERT INTO `every` VALUES ({row}, {});", values.join(", ")).unwrap();
    }
    Every { columns, create, setup, rows }
}

impl Every {
    fn shown(&self) -> Shown {
        let list: Vec<String> =
            self.columns.iter().zip(TYPES).map(|(c, (ty, _))| exact(c, ty)).collect();
        Shown {
            label: "every".into(),
            select: format!(
                "SELECT CAST(id AS CHAR), {} FROM `every` ORDER BY id",
                list.join(", ")
            ),
        }
    }

    /// Each row gets the values of the next one.
    fn shift(&self) -> String {
        let list: Vec<String> = self.columns.iter().map(|c| format!("e.{c} = n.{c}")).collect();
        let copies: Vec<String> = self.columns.iter().map(|c| format!("t.{c}")).collect();
        format!(
            "UPDATE `every` e JOIN (SELECT t.id, {} FROM `every` t) n ON n.id = (e.id + 1) % {} SET {};\n",
            copies.join(", "),
            self.rows,
            list.join(", ")
        )
    }
}

#[tokio::test]
async fn every_type_comes_back_after_a_migration() {
    let every = every();
    let database = MariaDb::shared().fresh_database().await;
    database.session().await.run(&every.setup).await;
    let odd: Vec<usize> = (0..TYPES.len()).step_by(2).collect();
    let drops: Vec<String> = odd.iter().map(|n| format!("DROP COLUMN c{n}")).collect();
    let adds: Vec<String> =
        odd.iter().map(|n| format!("ADD COLUMN c{n} {}", TYPES[*n].0)).collect();
    let steps = [
        Step::new(every.shift(), "SELECT 1;\n"),
        Step::new("DELETE FROM `every` WHERE id % 2 = 0;\n", "SELECT 1;\n"),
        Step::new(
            format!("ALTER TABLE `every` {};\n", drops.join(", ")),
            format!("ALTER TABLE `every` {};\n", adds.join(", ")),
        ),
    ];
    up_and_down(database.url(), &[every.shown()], &steps).await;
}

#[tokio::test]
async fn every_type_comes_back_with_its_table() {
    let every = every();
    let database = MariaDb::shared().fresh_database().await;
    database.session().await.run(&every.setup).await;
    let steps = [Step::new("DROP TABLE `every`;\n", every.create.clone())];
    up_and_down(database.url(), &[every.shown()], &steps).await;
}

#[tokio::test]
async fn every_type_returns_to_a_mark() {
    let every = every();
    let database = MariaDb::shared().fresh_database().await;
    database.session().await.run(&every.setup).await;
    let spoil = format!("{}DELETE FROM `every` WHERE id = 1;", every.shift());
    there_and_back(database.url(), &[every.shown()], &spoil).await;
}

/// Names that begin with `downhaul_` are Downhaul's own, since there are no schemas; a name that
/// ends with a space is refused by the server.
fn names() -> impl Iterator<Item = (usize, &'static str)> {
    NAMES
        .into_iter()
        .filter(|name| {
            !name.starts_with("downhaul_") && !name.ends_with(' ') && !name.contains('🐘')
        })
        .enumerate()
}

fn named() -> (String, Vec<Shown>) {
    let mut setup = String::new();
    let mut shown = Vec::new();
    for (at, name) in names() {
        let n = quote(name);
        writeln!(
            setup,
            "CREATE TABLE {n} (id int PRIMARY KEY, {n} varchar(64), other int, CONSTRAINT {n} CHECK ({n} <> 'never')) ENGINE=InnoDB;\n\
             CREATE INDEX {n} ON {n} ({n}, other);\n\
             INSERT INTO {n} VALUES (1, 'value', {at}), (2, NULL, 0), (3, '{}', 1);",
            name.replace('\\', "\\\\").replace('\'', "''"),
        )
        .unwrap();
        shown.push(Shown {
            label: name.to_owned(),
            select: format!(
                "SELECT CAST(id AS CHAR), HEX({n}), CAST(other AS CHAR) FROM {n} ORDER BY id"
            ),
        });
    }
    (setup, shown)
}

#[tokio::test]
async fn every_name_comes_back_after_a_migration() {
    let (setup, shown) = named();
    let database = MariaDb::shared().fresh_database().await;
    database.session().await.run(&setup).await;
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
            of_each(&|n| format!("ALTER TABLE {n} DROP COLUMN other;\n")),
            of_each(&|n| format!("ALTER TABLE {n} ADD COLUMN other int;\n")),
        ),
        Step::new(
            of_each(&|n| format!("DROP TABLE {n};\n")),
            of_each(&|n| {
                format!(
                    "CREATE TABLE {n} (id int PRIMARY KEY, {n} varchar(64), other int, CONSTRAINT {n} CHECK ({n} <> 'never')) ENGINE=InnoDB;\n"
                )
            }),
        ),
    ];
    // Behind the third step the tables cannot be read as before.
    let [update, delete, column, table] = steps;
    up_and_down(database.url(), &shown, &[update, delete, column]).await;
    let database = MariaDb::shared().fresh_database().await;
    database.session().await.run(&setup).await;
    up_and_down(database.url(), &shown, &[table]).await;
}

#[tokio::test]
async fn every_name_returns_to_a_mark() {
    let (setup, shown) = named();
    let database = MariaDb::shared().fresh_database().await;
    database.session().await.run(&setup).await;
    let mut spoil = String::new();
    for (_, name) in names() {
        let n = quote(name);
        writeln!(spoil, "UPDATE {n} SET {n} = 'changed' WHERE id > 1; DELETE FROM {n} WHERE id = 1; INSERT INTO {n} VALUES (9, '', 9);").unwrap();
    }
    there_and_back(database.url(), &shown, &spoil).await;
}

#[tokio::test]
async fn a_wide_table_and_one_that_computes() {
    let columns: Vec<String> = (1..500).map(|n| format!("c{n} smallint")).collect();
    let create =
        format!("CREATE TABLE wide (id int PRIMARY KEY, {}) ENGINE=InnoDB;\n", columns.join(", "));
    let made = "CREATE TABLE made (id int AUTO_INCREMENT PRIMARY KEY, a int, twice int AS (a * 2) STORED, thrice int AS (a * 3) VIRTUAL, hidden int INVISIBLE DEFAULT 7) ENGINE=InnoDB;\n";
    let database = MariaDb::shared().fresh_database().await;
    database
        .session()
        .await
        .run(&format!(
            "{create}{made}INSERT INTO wide (id, c1, c499) VALUES (1, 2, 3), (4, 5, 6), (7, 8, 9);\n\
             INSERT INTO made (a, hidden) VALUES (1, 1), (2, 2), (3, NULL);"
        ))
        .await;
    let shown = [
        Shown { label: "wide".into(), select: "SELECT CONCAT_WS(',', id, c1, c300, c499) FROM wide ORDER BY id".into() },
        Shown { label: "made".into(), select: "SELECT CONCAT_WS(',', id, a, twice, thrice, IFNULL(hidden, 'N')) FROM made ORDER BY id".into() },
    ];
    let steps = [
        Step::new(
            "UPDATE wide SET c499 = 0, c300 = 1 WHERE id > 1;\nUPDATE made SET a = a + 1, hidden = 9;\n",
            "SELECT 1;\n",
        ),
        Step::new(
            "DELETE FROM wide WHERE id = 4;\nDELETE FROM made WHERE id = 2;\n",
            "SELECT 1;\n",
        ),
        Step::new("DROP TABLE wide;\nDROP TABLE made;\n", format!("{create}{made}")),
    ];
    up_and_down(database.url(), &shown, &steps).await;
}

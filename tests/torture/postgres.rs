use std::collections::BTreeSet;
use std::fmt::Write as _;

use downhaul::exit_code::Code;
use downhaul_kit::{Postgres, Program, check};

use crate::{NAMES, PROGRAM, Shown, Step, there_and_back, up_and_down};

/// Every built-in type that has a text form to read, with its extremes. `!` before a value: an
/// expression, not a literal.
const TYPES: &[(&str, &[&str])] = &[
    ("bool", &["t", "f"]),
    ("bytea", &["\\x", "\\x00ff27225c", "!decode(repeat('00ff5c27', 500000), 'hex')"]),
    ("char", &["a", "\\200", ""]),
    ("name", &["", "a name with spaces, \"quotes\" and 63 bytes in all, no more than it"]),
    ("int8", &["-9223372036854775808", "9223372036854775807", "0"]),
    ("int2", &["-32768", "32767"]),
    ("int2vector", &["", "1 -2 3"]),
    ("int4", &["-2147483648", "2147483647"]),
    ("regproc", &["now", "-"]),
    (
        "text",
        &[
            "",
            " ",
            "NULL",
            "\\N",
            "a\tb\nc\r\\",
            "it's \"quoted\"",
            "🐘 e\u{301}",
            "!repeat('long ', 400000)",
        ],
    ),
    ("oid", &["0", "4294967295"]),
    ("tid", &["(0,0)", "(4294967295,65535)"]),
    ("xid", &["0", "4294967295"]),
    ("cid", &["0", "4294967295"]),
    ("oidvector", &["", "1 4294967295"]),
    ("json", &["{\"b\":1, \"a\":2,  \"a\":3}", "null", "\"\\u0000\"", "1.50", "[ ]"]),
    ("xml", &["<a b=\"c\"> d </a>", "plain &amp; text"]),
    ("point", &["(0,-0)", "(1e308,-1e-307)", "(Infinity,NaN)", "(0.1,0.30000000000000004)"]),
    ("lseg", &["[(0,0),(1e300,1e-300)]", "[(NaN,0),(-Infinity,1)]"]),
    ("path", &["((0,0),(1,1),(2,0))", "[(0,0),(1,1)]"]),
    ("box", &["(1,1),(0,0)", "(Infinity,2),(1,-Infinity)"]),
    ("polygon", &["((0,0),(1,1),(2,0))", "((0.1,0.2))"]),
    ("line", &["{1,2,3}", "{-1e300,1e-300,0}"]),
    ("circle", &["<(0,0),1>", "<(0.1,NaN),Infinity>"]),
    ("float4", &["NaN", "Infinity", "-Infinity", "-0", "1e-45", "3.4028235e38", "0.1"]),
    ("float8", &["NaN", "Infinity", "-Infinity", "-0", "5e-324", "1.7976931348623157e308", "0.1"]),
    ("money", &["-92233720368547758.08", "92233720368547758.07"]),
    ("macaddr", &["00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"]),
    ("macaddr8", &["00:00:00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff:ff:ff"]),
    (
        "inet",
        &["0.0.0.0", "255.255.255.255/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/127"],
    ),
    ("cidr", &["0.0.0.0/0", "10.0.0.0/8", "::/0"]),
    ("aclitem", &["=r*w*/pg_monitor", "pg_monitor=arwdDxt/pg_monitor"]),
    ("bpchar", &["a", "trailing   ", ""]),
    ("varchar", &["", "trailing   ", "!repeat('x', 100000)"]),
    ("date", &["infinity", "-infinity", "4713-01-01 BC", "5874897-12-31"]),
    ("time", &["00:00:00", "23:59:59.999999", "24:00:00"]),
    (
        "timestamp",
        &["infinity", "-infinity", "4713-01-01 00:00:00 BC", "294276-12-31 23:59:59.999999"],
    ),
    (
        "timestamptz",
        &["infinity", "-infinity", "4713-01-02 00:00:00+00 BC", "2026-03-29 02:30:00.123456+01"],
    ),
    (
        "interval",
        &[
            "178000000 years",
            "-178000000 years -1 mon -1 day -00:00:00.000001",
            "0",
            "1 mon -30 days",
        ],
    ),
    ("timetz", &["00:00:00+15:59:59", "24:00:00-15:59:59", "12:34:56.789012+01"]),
    ("bit", &["1", "0"]),
    ("varbit", &["", "101", "!repeat('10', 5000)::varbit"]),
    (
        "numeric",
        &[
            "NaN",
            "Infinity",
            "-Infinity",
            "1.0",
            "1.00",
            "0.000000000000000000000000000001",
            "!('1' || repeat('0', 100000))::numeric",
            "!('-0.' || repeat('0', 16000) || '1')::numeric",
        ],
    ),
    ("refcursor", &["", "a cursor"]),
    ("regprocedure", &["now()", "-"]),
    ("regoper", &["!0::regoper", "!'pg_catalog.||/'::regoper"]),
    ("regoperator", &["+(integer,integer)", "0"]),
    ("regclass", &["pg_class", "-"]),
    ("regtype", &["integer", "-"]),
    ("regrole", &["pg_monitor", "-"]),
    ("regnamespace", &["pg_catalog", "-"]),
    ("regcollation", &["\"C\"", "-"]),
    ("regconfig", &["english", "!0::regconfig"]),
    ("regdictionary", &["simple", "!0::regdictionary"]),
    ("uuid", &["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"]),
    ("pg_lsn", &["0/0", "FFFFFFFF/FFFFFFFF"]),
    ("tsvector", &["", "'a':1A,2B 'it''s' 'sp ace':16383"]),
    ("tsquery", &["", "'a':*B & !( 'b' <-> 'c' )"]),
    (
        "jsonb",
        &[
            "{\"b\":1,\"a\":[null,true,\"\\\\\"]}",
            "null",
            "1.50",
            "!(repeat('[', 500) || repeat(']', 500))::jsonb",
            "!jsonb_build_object('k', repeat('v', 1000000))",
        ],
    ),
    ("jsonpath", &["$", "strict $.a[*] ? (@ > 1 && @.\"b c\" like_regex \"^x\")"]),
    ("txid_snapshot", &["1:1:", "10:20:10,14,15"]),
    ("pg_snapshot", &["1:1:", "10:20:10,14,15"]),
    ("xid8", &["0", "18446744073709551615"]),
    ("int4range", &["empty", "(,)", "[1,5)"]),
    ("int8range", &["empty", "[-9223372036854775808,9223372036854775807)"]),
    ("numrange", &["empty", "(,)", "[NaN,NaN]", "(1.0,1.00]", "[1.0,2.50)"]),
    ("tsrange", &["empty", "[-infinity,infinity]"]),
    ("tstzrange", &["empty", "(,infinity)"]),
    ("daterange", &["empty", "[2026-01-01,infinity)"]),
    ("int4multirange", &["{}", "{[1,2),[5,)}"]),
    ("int8multirange", &["{}", "{(,)}"]),
    ("nummultirange", &["{}", "{[1.0,1.50],(2,3)}"]),
    ("tsmultirange", &["{}", "{[2026-01-01,infinity)}"]),
    ("tstzmultirange", &["{}", "{[2026-01-01 00:00+00,)}"]),
    ("datemultirange", &["{}", "{[2026-01-01,2026-02-01)}"]),
];

/// Types whose input function refuses everything: no column ever holds a value that was written.
const WITHOUT_INPUT: [&str; 7] = [
    "gtsvector",
    "pg_brin_bloom_summary",
    "pg_brin_minmax_multi_summary",
    "pg_dependencies",
    "pg_mcv_list",
    "pg_ndistinct",
    "pg_node_tree",
];

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str, ty: &str) -> String {
    let ty = format!("pg_catalog.{}", quote(ty));
    match text.strip_prefix('!') {
        Some(expression) => format!("({expression})::{ty}"),
        None => format!("'{}'::{ty}", text.replace('\'', "''")),
    }
}

/// A table of all types, and of an array of each.
struct Every {
    /// Name and type.
    columns: Vec<(String, String)>,
    create: String,
    setup: String,
    rows: usize,
}

fn every() -> Every {
    let rows = TYPES.iter().map(|(_, values)| values.len()).max().unwrap() + 1;
    let mut columns = Vec::new();
    for (ty, _) in TYPES {
        columns.push((format!("c {ty}"), format!("pg_catalog.{}", quote(ty))));
        columns.push((format!("a {ty}"), format!("pg_catalog.{}[]", quote(ty))));
    }
    columns.push(("bit 9".into(), "bit(9)".into()));
    columns.push(("char 5".into(), "character(5)".into()));
    columns.push(("num".into(), "numeric(1000,500)".into()));
    columns.push(("interval y".into(), "interval year to month".into()));
    columns.push(("time 3".into(), "time(3)".into()));
    columns.push(("collated".into(), "text COLLATE \"C\"".into()));
    columns.push(("mood".into(), "\"odd's\".\"mo\"\"od\"".into()));
    columns.push(("moods".into(), "\"odd's\".\"mo\"\"od\"[]".into()));
    columns.push(("pair".into(), "\"odd's\".pair".into()));
    columns.push(("pairs".into(), "\"odd's\".pair[]".into()));
    columns.push(("nested".into(), "\"odd's\".nested".into()));
    columns.push(("positive".into(), "\"odd's\".positive".into()));
    columns.push(("tags".into(), "\"odd's\".tags".into()));
    columns.push(("floats".into(), "\"odd's\".floatrange".into()));
    let mut setup = String::from(
        "CREATE SCHEMA \"odd's\";\n\
         CREATE TYPE \"odd's\".\"mo\"\"od\" AS ENUM ('', 'it''s', '☃', 'a,b');\n\
         CREATE TYPE \"odd's\".pair AS (\"a b\" int, c text);\n\
         CREATE TYPE \"odd's\".nested AS (p \"odd's\".pair, q \"odd's\".pair[]);\n\
         CREATE DOMAIN \"odd's\".positive AS int CHECK (VALUE > 0);\n\
         CREATE DOMAIN \"odd's\".tags AS text[] CHECK (cardinality(VALUE) < 9);\n\
         CREATE TYPE \"odd's\".floatrange AS RANGE (subtype = float8, subtype_diff = float8mi);\n",
    );
    let list: Vec<String> =
        columns.iter().map(|(name, ty)| format!("{} {ty}", quote(name))).collect();
    let create = format!("CREATE TABLE every (id int PRIMARY KEY, {});\n", list.join(", "));
    setup.push_str(&create);
    for row in 0..rows {
        let mut values = vec![row.to_string()];
        for (ty, extremes) in TYPES {
            // The last row is all NULL.
            let value = (row + 1 < rows).then(|| literal(extremes[row % extremes.len()], ty));
            values.push(value.clone().unwrap_or_else(|| "NULL".into()));
            values.push(match value {
                // An array of megabytes adds nothing to its elements.
                Some(value) if !value.contains("repeat(") => format!("ARRAY[{value}, NULL]"),
                Some(_) => "'{}'".into(),
                None => "NULL".into(),
            });
        }
        for own in [
            ["'101010101'", "NULL"],
            ["'ab  '", "''"],
            ["-1.5", "'NaN'"],
            ["'-3 years -2 mons'", "'0'"],
            ["'23:59:59.9996'", "NULL"],
            ["'z'", "'Ä'"],
            ["'it''s'", "'☃'"],
            ["'{\"\",NULL,\"a,b\"}'", "'{}'"],
            ["ROW(1, 'a,\"b\\')", "ROW(NULL, NULL)"],
            ["ARRAY[ROW(1, 'x'), NULL]::\"odd's\".pair[]", "'[5:5]={\"(,)\"}'"],
            ["ROW(ROW(1, ''), ARRAY[ROW(2, NULL)]::\"odd's\".pair[])", "ROW(NULL, NULL)"],
            ["7", "NULL"],
            ["ARRAY['a', NULL]", "'{}'"],
            ["'[NaN,NaN]'", "'(-Infinity,-0]'"],
        ] {
            values.push(own[row % 2].to_owned());
        }
        writeln!(setup, "INSERT INTO every VALUES ({});", values.join(", ")).unwrap();
    }
    Every { columns, create, setup, rows }
}

impl Every {
    fn shown(&self) -> Shown {
        let texts: Vec<String> =
            self.columns.iter().map(|(name, _)| format!("{}::text", quote(name))).collect();
        // Texts of megabytes by their hash and length.
        let list: Vec<String> = texts
            .iter()
            .map(|text| {
                format!("CASE WHEN length({text}) > 2000 THEN length({text}) || md5({text}) ELSE {text} END")
            })
            .collect();
        Shown {
            label: "every".into(),
            select: format!("SELECT id, {} FROM every ORDER BY id", list.join(", ")),
        }
    }

    /// Each row gets the values of the next one.
    fn shift(&self) -> String {
        let names: Vec<String> = self.columns.iter().map(|(name, _)| quote(name)).collect();
        let names = names.join(", ");
        format!(
            "UPDATE every SET ({names}) = (SELECT {names} FROM every n WHERE n.id = (every.id + 1) % {});\n",
            self.rows
        )
    }
}

#[tokio::test]
async fn the_types_are_all_there() {
    let database = Postgres::shared().fresh_database().await;
    let mut session = database.session().await;
    let known: BTreeSet<String> = session
        .rows(
            "SELECT typname::text FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace \
             AND typtype IN ('b', 'r', 'm') AND typcategory <> 'A' OR typname IN ('int2vector', 'oidvector')",
        )
        .await
        .into_iter()
        .map(|row| row[0].clone().unwrap())
        .collect();
    let here: BTreeSet<String> =
        TYPES.iter().map(|(ty, _)| *ty).chain(WITHOUT_INPUT).map(str::to_owned).collect();
    let missing: Vec<_> = known.difference(&here).collect();
    assert!(missing.is_empty(), "the server has types that are not tried: {missing:?}");
}

#[tokio::test]
async fn every_type_comes_back_after_a_migration() {
    let every = every();
    let database = Postgres::shared().fresh_database().await;
    database.session().await.run(&every.setup).await;
    let half: Vec<_> = every.columns.iter().step_by(2).collect();
    let drops: Vec<String> =
        half.iter().map(|(name, _)| format!("DROP COLUMN {}", quote(name))).collect();
    let adds: Vec<String> =
        half.iter().map(|(name, ty)| format!("ADD COLUMN {} {ty}", quote(name))).collect();
    let steps = [
        Step::new(every.shift(), "SELECT 1;\n"),
        Step::new("DELETE FROM every WHERE id % 2 = 0;\n", "SELECT 1;\n"),
        Step::new(
            format!("ALTER TABLE every {};\n", drops.join(", ")),
            format!("ALTER TABLE every {};\n", adds.join(", ")),
        ),
    ];
    up_and_down(database.url(), &[every.shown()], &steps).await;
}

#[tokio::test]
async fn every_type_comes_back_with_its_table() {
    let every = every();
    let database = Postgres::shared().fresh_database().await;
    database.session().await.run(&every.setup).await;
    let steps = [Step::new("DROP TABLE every;\n", every.create.clone())];
    up_and_down(database.url(), &[every.shown()], &steps).await;
}

#[tokio::test]
async fn every_type_returns_to_a_mark() {
    let every = every();
    let database = Postgres::shared().fresh_database().await;
    database.session().await.run(&every.setup).await;
    let spoil = format!("{}DELETE FROM every WHERE id = 1;\n", every.shift());
    there_and_back(database.url(), &[every.shown()], &spoil).await;
}

/// A schema, a table, a column, an index, a constraint, a sequence and a trigger of each name.
fn named() -> (String, Vec<Shown>) {
    let mut setup = String::new();
    let mut shown = Vec::new();
    for (at, name) in NAMES.iter().enumerate() {
        let n = quote(name);
        let table = if at % 3 == 0 { format!("{n}.{n}") } else { n.clone() };
        if at % 3 == 0 {
            writeln!(setup, "CREATE SCHEMA {n};").unwrap();
        }
        let schema = if at % 3 == 0 { format!("{n}.") } else { String::new() };
        writeln!(
            setup,
            "CREATE TABLE {table} (id int PRIMARY KEY, {n} text CONSTRAINT {n} CHECK ({n} <> 'never'), other int);\n\
             CREATE INDEX {} ON {table} (({n} || 'x'));\n\
             CREATE FUNCTION {schema}{n}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.other := NEW.other + 1; RETURN NEW; END';\n\
             CREATE TRIGGER {n} BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION {schema}{n}();\n\
             COMMENT ON COLUMN {table}.{n} IS '{}';\n\
             INSERT INTO {table} SELECT i, 'value ' || i, i FROM generate_series(1, 5) i;",
            quote(&format!("i{at}")),
            name.replace('\'', "''"),
        )
        .unwrap();
        shown.push(Shown {
            label: (*name).to_owned(),
            select: format!("SELECT id::text, {n}, other::text FROM {table} ORDER BY id"),
        });
    }
    (setup, shown)
}

fn table(at: usize, name: &str) -> String {
    let n = quote(name);
    if at.is_multiple_of(3) { format!("{n}.{n}") } else { n }
}

#[tokio::test]
async fn every_name_comes_back_after_a_migration() {
    let (setup, shown) = named();
    let database = Postgres::shared().fresh_database().await;
    database.session().await.run(&setup).await;
    let of_each = |write: &dyn Fn(&str, &str) -> String| {
        NAMES
            .iter()
            .enumerate()
            .map(|(at, name)| write(&table(at, name), &quote(name)))
            .collect::<String>()
    };
    let steps = [
        Step::new(
            of_each(&|t, c| format!("UPDATE {t} SET {c} = 'changed' WHERE id > 2;\n")),
            "SELECT 1;\n",
        ),
        Step::new(of_each(&|t, _| format!("DELETE FROM {t} WHERE id = 1;\n")), "SELECT 1;\n"),
        Step::new(
            of_each(&|t, c| format!("ALTER TABLE {t} DROP COLUMN {c};\n")),
            of_each(&|t, c| {
                format!(
                    "ALTER TABLE {t} ADD COLUMN {c} text CONSTRAINT {c} CHECK ({c} <> 'never');\n"
                )
            }),
        ),
        Step::new(
            of_each(&|t, _| format!("DROP TABLE {t};\n")),
            of_each(&|t, _| format!("CREATE TABLE {t} (id int PRIMARY KEY, other int);\n")),
        ),
    ];
    up_and_down(database.url(), &shown, &steps).await;
}

#[tokio::test]
async fn every_name_returns_to_a_mark() {
    let (setup, shown) = named();
    let database = Postgres::shared().fresh_database().await;
    database.session().await.run(&setup).await;
    let mut spoil = String::new();
    for (at, name) in NAMES.iter().enumerate() {
        let (t, c) = (table(at, name), quote(name));
        let first = if at % 2 == 0 { "DELETE FROM" } else { "TRUNCATE" };
        writeln!(spoil, "UPDATE {t} SET {c} = 'changed' WHERE id > 2; {first} {t}; INSERT INTO {t} VALUES (9, '', 9);").unwrap();
    }
    there_and_back(database.url(), &shown, &spoil).await;
}

/// Almost as many columns as PostgreSQL lets a table have, for a store has some of its own; and none.
#[tokio::test]
async fn the_widest_and_the_narrowest_table() {
    let columns: Vec<String> = (1..1597).map(|n| format!("c{n} smallint")).collect();
    let create = format!("CREATE TABLE wide (id int PRIMARY KEY, {});\n", columns.join(", "));
    let database = Postgres::shared().fresh_database().await;
    database
        .session()
        .await
        .run(&format!(
            "{create}INSERT INTO wide (id, c1, c800, c1596) SELECT i, i, -i, i * 2 FROM generate_series(1, 50) i;\n\
             CREATE TABLE nothing ();\n\
             INSERT INTO nothing DEFAULT VALUES; INSERT INTO nothing DEFAULT VALUES;\n\
             CREATE TABLE made (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int, twice int GENERATED ALWAYS AS (a * 2) STORED, \
                 serial bigserial, n int GENERATED BY DEFAULT AS IDENTITY);\n\
             INSERT INTO made (a) SELECT i FROM generate_series(1, 9) i;"
        ))
        .await;
    let shown = [
        Shown {
            label: "wide".into(),
            select: "SELECT md5(wide::text) FROM wide ORDER BY id".into(),
        },
        Shown { label: "nothing".into(), select: "SELECT 'a row' FROM nothing".into() },
        Shown { label: "made".into(), select: "SELECT made::text FROM made ORDER BY id".into() },
    ];
    let steps = [
        Step::new(
            "UPDATE wide SET c1596 = 7, c3 = id WHERE id > 10;\nUPDATE made SET a = a + 1;\n",
            "SELECT 1;\n",
        ),
        Step::new(
            "DELETE FROM wide WHERE id % 2 = 0;\nDELETE FROM nothing;\nDELETE FROM made WHERE a > 3;\n",
            "SELECT 1;\n",
        ),
        Step::new(
            "DROP TABLE wide;\nDROP TABLE nothing;\nDROP TABLE made;\n",
            format!(
                "{create}CREATE TABLE nothing ();\n\
                 CREATE TABLE made (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int, twice int GENERATED ALWAYS AS (a * 2) STORED, \
                 serial bigserial, n int GENERATED BY DEFAULT AS IDENTITY);\n"
            ),
        ),
    ];
    up_and_down(database.url(), &shown, &steps).await;
}

/// What cannot be kept is not destroyed.
#[tokio::test]
async fn a_table_that_is_too_wide_for_a_copy() {
    let columns: Vec<String> = (1..1600).map(|n| format!("c{n} smallint")).collect();
    let create = format!("CREATE TABLE wide (id int PRIMARY KEY, {});\n", columns.join(", "));
    let database = Postgres::shared().fresh_database().await;
    database
        .session()
        .await
        .run(&format!(
            "{create}INSERT INTO wide (id, c1599) SELECT i, i FROM generate_series(1, 50) i;"
        ))
        .await;
    let shown = [Shown {
        label: "wide".into(),
        select: "SELECT md5(wide::text) FROM wide ORDER BY id".into(),
    }];
    let program = Program::new(PROGRAM).database(database.url());
    program.migration("0001_step", "DELETE FROM wide WHERE id > 9;\n", "SELECT 1;\n");
    check(
        &program.run(&["up", "--yes"]),
        Code::SnapshotNotSound,
        &["wide has 1600 columns", "up to 1598", "the database is as it was", "protect tombstone"],
    );
    let aside = Step::new("-- downhaul:protect tombstone wide\nDROP TABLE wide;\n", create);
    up_and_down(database.url(), &shown, &[aside]).await;
}

/// As many columns as PostgreSQL lets a table have, and none; with a key and without, of the user's
/// types, behind dropped columns, and as full as a page can be.
#[tokio::test]
async fn the_widest_and_the_narrowest_table_return_to_a_mark() {
    let kinds = ["smallint", "text", "boolean", "numeric(6,2)", "mood", "real", "date"];
    let columns = |from: usize, to: usize| {
        let all = (from..to).map(|n| format!("c{n} {}", kinds[n % kinds.len()]));
        all.collect::<Vec<_>>().join(", ")
    };
    let uuids: Vec<String> = (1..508).map(|n| format!("u{n} uuid NOT NULL")).collect();
    let full = vec!["md5(i::text)::uuid"; 507].join(", ");
    let database = Postgres::shared().fresh_database().await;
    let mut session = database.session().await;
    session
        .run(&format!(
            "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN filled AS text NOT NULL CHECK (VALUE <> '');\n\
             CREATE TABLE wide (id int PRIMARY KEY, {}, must filled);\n\
             INSERT INTO wide (id, c1, c4, c7, c799, c1596, must) SELECT i, 'text ' || i, 'ok', i, 'é', -i, 'm' FROM generate_series(1, 40) i;\n\
             CREATE TABLE loose ({}); ALTER TABLE loose DROP COLUMN c9;\n\
             INSERT INTO loose (c1, c2, c598) SELECT 'x', i % 2 = 0, i % 5 FROM generate_series(1, 20) i;\n\
             CREATE TABLE holed (a int, gone text, b int, PRIMARY KEY (b, a), {}, sum int GENERATED ALWAYS AS (a + b) STORED, must filled);\n\
             ALTER TABLE holed DROP COLUMN gone, DROP COLUMN c8;\n\
             INSERT INTO holed (a, b, c4, must) SELECT i, i % 3, 'sad', 'm' FROM generate_series(1, 30) i;\n\
             CREATE TABLE brim (id int PRIMARY KEY, {}); INSERT INTO brim SELECT i, {full} FROM generate_series(1, 20) i;\n\
             CREATE TABLE nothing (); INSERT INTO nothing SELECT FROM generate_series(1, 5);",
            columns(1, 1599),
            columns(1, 600),
            columns(1, 700),
            uuids.join(", "),
        ))
        .await;
    let shown = ["wide", "loose", "holed", "brim", "nothing"].map(|table| Shown {
        label: table.into(),
        select: format!("SELECT md5({table}::text) FROM {table} ORDER BY 1"),
    });
    let spoil = "UPDATE wide SET c1 = 'bad', c1596 = 7, must = 'n' WHERE id > 10; DELETE FROM wide WHERE id < 4; INSERT INTO wide (id, must) VALUES (1, 'new'), (90, 'new');\n\
         UPDATE wide SET id = id + 100 WHERE id = 20;\n\
         UPDATE loose SET c598 = 9 WHERE c598 = 1; DELETE FROM loose WHERE c2; INSERT INTO loose (c3) VALUES (1.50);\n\
         UPDATE holed SET c4 = 'ok', a = a + 50 WHERE b = 1; DELETE FROM holed WHERE b = 2;\n\
         UPDATE brim SET u507 = u1, u9 = md5('x')::uuid WHERE id > 5; DELETE FROM brim WHERE id = 1;\n\
         DELETE FROM nothing WHERE ctid = '(0,1)'; INSERT INTO nothing DEFAULT VALUES; TRUNCATE nothing; INSERT INTO nothing DEFAULT VALUES;";
    there_and_back(database.url(), &shown, spoil).await;

    // What was written since stays, value by value; the past can be read and compared.
    let program = Program::new(PROGRAM).database(database.url());
    program.ok(&["snapshot", "mark", "spoilt"]);
    session
        .run("UPDATE wide SET c2 = true WHERE id = 11; UPDATE wide SET c1 = 'since' WHERE id = 12")
        .await;
    let refused = program.run(&[
        "snapshot",
        "restore",
        "--to",
        "whole",
        "--keep-since",
        "spoilt",
        "--table",
        "wide",
        "--yes",
    ]);
    check(&refused, Code::Findings, &["(12)"]);
    program.ok(&[
        "snapshot",
        "restore",
        "--to",
        "whole",
        "--keep-since",
        "spoilt",
        "--table",
        "wide",
        "--table",
        "nothing",
        "--on-conflict",
        "keep-new",
        "--yes",
    ]);
    let row = "SELECT concat_ws(' ', c1, c2, c1596, must) FROM wide WHERE id =";
    for (id, wanted) in [(11, "text 11 t -11 m"), (12, "since -12 m"), (20, "text 20 -20 m")] {
        let found = session.value(&format!("{row} {id}")).await;
        assert_eq!(found.as_deref(), Some(wanted), "row {id}");
    }
    let shown = program
        .ok(&[
            "snapshot", "show", "wide", "--as-of", "spoilt", "--where", "id = 11", "--format",
            "json",
        ])
        .stdout;
    assert!(shown.contains(r#""c1": "bad""#) && shown.contains(r#""must": "n""#), "{shown}");
    let none =
        program.ok(&["snapshot", "show", "nothing", "--as-of", "whole", "--format", "json"]).stdout;
    assert_eq!(none.matches("{}").count(), 5, "{none}");
    let between = program
        .ok(&[
            "snapshot", "diff", "whole", "spoilt", "--table", "wide", "--table", "loose",
            "--format", "json",
        ])
        .stdout;
    assert!(between.contains(r#""bad""#) && between.contains(r#""1.50""#), "{between}");
    program.ok(&["snapshot", "show", "wide", "--as-of", "whole", "--view"]);
    let rows =
        session.value("SELECT count(*)::text FROM downhaul.wide_at_1 WHERE c1 LIKE 'text %'").await;
    assert_eq!(rows.as_deref(), Some("40"));

    // The history follows from form to form.
    session.run("DROP VIEW downhaul.wide_at_1").await;
    program.migration(
        "0001_less",
        "ALTER TABLE wide DROP COLUMN c5, DROP COLUMN c799;\n",
        "SELECT 1;\n",
    );
    program.ok(&["up", "--yes"]);
    session.run("UPDATE wide SET c3 = 3.25").await;
    program.ok(&["snapshot", "restore", "--to", "whole", "--table", "wide", "--yes"]);
    let rows = session
        .value("SELECT count(*)::text FROM wide WHERE c1 LIKE 'text %' AND c3 IS NULL")
        .await;
    assert_eq!(rows.as_deref(), Some("40"));
    program.ok(&["snapshot", "untrack", "--all", "--yes"]);
    let left =
        session.value("SELECT count(*)::text FROM pg_class WHERE relname ~ '^(log|form)_'").await;
    assert_eq!(left.as_deref(), Some("0"));
}

#[tokio::test]
async fn generated_values_return_to_a_mark() {
    let database = Postgres::shared().fresh_database().await;
    database
        .session()
        .await
        .run(
            "CREATE TABLE made (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int, twice int GENERATED ALWAYS AS (a * 2) STORED, \
                 serial bigserial, n int GENERATED BY DEFAULT AS IDENTITY);\n\
             INSERT INTO made (a) SELECT i FROM generate_series(1, 9) i;",
        )
        .await;
    let shown =
        [Shown { label: "made".into(), select: "SELECT made::text FROM made ORDER BY id".into() }];
    let spoil =
        "UPDATE made SET a = a + 1; DELETE FROM made WHERE id = 3; INSERT INTO made (a) VALUES (0)";
    there_and_back(database.url(), &shown, spoil).await;
}

/// What one run costs must not grow with the tables that it has nothing to do with.
#[tokio::test]
async fn a_crowd_of_tables() {
    let tables = std::env::var("DOWNHAUL_TABLES").ok().and_then(|n| n.parse().ok()).unwrap_or(400);
    let database = Postgres::shared().fresh_database().await;
    let mut session = database.session().await;
    session
        .run("CREATE TABLE wanted (id int PRIMARY KEY, v text); INSERT INTO wanted SELECT i, 'v' || i FROM generate_series(1, 9) i")
        .await;
    for chunk in 0..(tables / 100) {
        session
            .run(&format!(
                "DO $$ BEGIN FOR i IN 1..100 LOOP \
                   EXECUTE format('CREATE TABLE crowd_%s (id int PRIMARY KEY, v text)', {chunk} * 100 + i); END LOOP; END $$"
            ))
            .await;
    }
    let shown = [Shown {
        label: "wanted".into(),
        select: "SELECT wanted::text FROM wanted ORDER BY id".into(),
    }];
    let steps = [
        Step::new("DELETE FROM wanted WHERE id > 4;\n", "SELECT 1;\n"),
        Step::new("ALTER TABLE wanted DROP COLUMN v;\n", "ALTER TABLE wanted ADD COLUMN v text;\n"),
    ];
    up_and_down(database.url(), &shown, &steps).await;
    let program = Program::new(PROGRAM).database(database.url());
    program.ok(&["snapshot", "track", "--all", "--yes"]);
    program.ok(&["snapshot", "mark", "whole"]);
    session.run("UPDATE wanted SET v = 'bad'; UPDATE crowd_7 SET v = 'x'; INSERT INTO crowd_100 VALUES (1, 'new')").await;
    program.ok(&["snapshot", "restore", "--to", "whole", "--yes"]);
    assert_eq!(
        session.value("SELECT count(*)::text FROM wanted WHERE v LIKE 'v%'").await.as_deref(),
        Some("9")
    );
    assert_eq!(session.value("SELECT count(*)::text FROM crowd_100").await.as_deref(), Some("0"));
}

//! Random values by SQL type, as literals of the engine. Edge values come often.

use std::fmt::Write;

use super::Rng;

/// Whose literals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sql {
    /// PostgreSQL.
    Postgres,
    /// MariaDB (and MySQL).
    MariaDb,
    /// SQLite.
    Sqlite,
}

/// A column type and how its values come about.
#[derive(Clone, Copy)]
pub struct SqlType {
    /// As in `CREATE TABLE`.
    pub name: &'static str,
    literal: fn(&mut Rng) -> String,
}

impl std::fmt::Debug for SqlType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl SqlType {
    /// The types of an engine.
    #[must_use]
    pub fn all(sql: Sql) -> &'static [Self] {
        match sql {
            Sql::Postgres => POSTGRES,
            Sql::MariaDb => MARIADB,
            Sql::Sqlite => SQLITE,
        }
    }

    /// A literal of this type, never NULL.
    pub fn literal(&self, rng: &mut Rng) -> String {
        (self.literal)(rng)
    }

    /// A literal of this type, NULL in one of eight cases.
    pub fn literal_or_null(&self, rng: &mut Rng) -> String {
        if rng.one_in(8) { "NULL".into() } else { self.literal(rng) }
    }
}

/// An edge value in one of four cases.
fn edge_or(rng: &mut Rng, edges: &[&str], usual: impl FnOnce(&mut Rng) -> String) -> String {
    if rng.one_in(4) { (*rng.pick(edges)).to_owned() } else { usual(rng) }
}

fn int(rng: &mut Rng, low: i64, high: i64) -> String {
    match rng.below(8) {
        0 => low,
        1 => high,
        2 => 0,
        3 => rng.between(low, high),
        _ => rng.between(low.max(-1000), high.min(1000)),
    }
    .to_string()
}

/// Standard quoting: only the quote is doubled.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// MariaDB reads backslashes as escapes.
fn quoted_backslash(text: &str) -> String {
    quoted(&text.replace('\\', "\\\\"))
}

fn hex(rng: &mut Rng, longest: usize) -> String {
    let mut hex = String::new();
    for _ in 0..rng.below(longest + 1) {
        let _ = write!(hex, "{:02x}", rng.below(256));
    }
    hex
}

fn digits(rng: &mut Rng, most: usize) -> String {
    (0..=rng.below(most)).map(|_| char::from(*rng.pick(b"0123456789"))).collect()
}

fn date(rng: &mut Rng) -> String {
    format!("{:04}-{:02}-{:02}", rng.between(1900, 2100), rng.between(1, 12), rng.between(1, 28))
}

fn clock(rng: &mut Rng) -> String {
    format!(
        "{:02}:{:02}:{:02}.{:06}",
        rng.below(24),
        rng.below(60),
        rng.below(60),
        rng.below(1_000_000)
    )
}

fn json(rng: &mut Rng, depth: usize) -> String {
    match rng.below(if depth == 0 { 5 } else { 7 }) {
        0 => "null".into(),
        1 => "true".into(),
        2 => rng.between(-1_000_000, 1_000_000).to_string(),
        3 => format!("{}.{}", rng.below(100), rng.below(1000)),
        4 => format!("\"{}\"", rng.name()),
        5 => {
            let items: Vec<_> = (0..rng.below(3)).map(|_| json(rng, depth - 1)).collect();
            format!("[{}]", items.join(", "))
        }
        _ => {
            let items: Vec<_> = (0..rng.below(3))
                .map(|_| format!("\"{}\": {}", rng.name(), json(rng, depth - 1)))
                .collect();
            format!("{{{}}}", items.join(", "))
        }
    }
}

fn float(rng: &mut Rng) -> String {
    // A quarter of all bit patterns would be as good, but subnormal values say little to a reader.
    format!("{}.{}e{}", rng.between(-9, 9), digits(rng, 12), rng.between(-30, 30))
}

fn list(rng: &mut Rng, item: impl Fn(&mut Rng) -> String) -> String {
    let items: Vec<_> = (0..rng.below(4)).map(|_| item(rng)).collect();
    items.join(", ")
}

const POSTGRES: &[SqlType] = &[
    SqlType { name: "smallint", literal: |r| int(r, i16::MIN.into(), i16::MAX.into()) },
    SqlType { name: "integer", literal: |r| int(r, i32::MIN.into(), i32::MAX.into()) },
    SqlType { name: "bigint", literal: |r| int(r, i64::MIN, i64::MAX) },
    SqlType { name: "boolean", literal: |r| r.pick(&["true", "false"]).to_string() },
    SqlType { name: "text", literal: |r| quoted(&r.text(40)) },
    SqlType { name: "varchar(20)", literal: |r| quoted(&r.text(20)) },
    SqlType { name: "char(5)", literal: |r| quoted(&r.text(5)) },
    SqlType { name: "\"char\"", literal: |r| r.pick(&["'x'", "''", "' '"]).to_string() },
    SqlType { name: "name", literal: |r| quoted(&r.name()) },
    SqlType { name: "bytea", literal: |r| format!("'\\x{}'", hex(r, 30)) },
    SqlType {
        name: "numeric",
        literal: |r| {
            let edges = ["'NaN'", "'Infinity'", "'-Infinity'", "0.000", "1e-300", "-0"];
            edge_or(r, &edges, |r| format!("{}.{}", digits(r, 30), digits(r, 20)))
        },
    },
    SqlType {
        name: "numeric(10,2)",
        literal: |r| {
            edge_or(r, &["99999999.99", "-99999999.99", "'NaN'"], |r| {
                format!("{}.{:02}", r.between(-1_000_000, 1_000_000), r.below(100))
            })
        },
    },
    SqlType {
        name: "double precision",
        literal: |r| {
            let edges = ["'NaN'", "'Infinity'", "'-Infinity'", "'-0'", "5e-324", "0.1"];
            edge_or(r, &edges, float)
        },
    },
    SqlType {
        name: "real",
        literal: |r| edge_or(r, &["'NaN'", "'-0'", "1e-45", "3.4028235e38", "0.1"], float),
    },
    SqlType { name: "money", literal: |r| format!("'{}.{:02}'", r.below(100_000), r.below(100)) },
    SqlType {
        name: "date",
        literal: |r| {
            let edges = ["'infinity'", "'-infinity'", "'4713-01-01 BC'", "'5874897-12-31'"];
            edge_or(r, &edges, |r| format!("'{}'", date(r)))
        },
    },
    SqlType {
        name: "timestamp",
        literal: |r| {
            let edges = ["'infinity'", "'-infinity'", "'0001-01-01 00:00:00 BC'", "'epoch'"];
            edge_or(r, &edges, |r| format!("'{} {}'", date(r), clock(r)))
        },
    },
    SqlType {
        name: "timestamptz",
        literal: |r| {
            let edges = ["'infinity'", "'-infinity'", "'2026-03-29 02:30:00 Europe/Berlin'"];
            edge_or(r, &edges, |r| format!("'{} {}+{:02}'", date(r), clock(r), r.below(14)))
        },
    },
    SqlType {
        name: "time",
        literal: |r| edge_or(r, &["'24:00:00'"], |r| format!("'{}'", clock(r))),
    },
    SqlType { name: "timetz", literal: |r| format!("'{}+{:02}'", clock(r), r.below(14)) },
    SqlType {
        name: "interval",
        literal: |r| {
            let (months, days) = (r.between(-40, 40), r.between(-400, 400));
            format!("'{months} mons {days} days {}'", clock(r))
        },
    },
    SqlType {
        name: "uuid",
        literal: |r| {
            let (a, b) = (r.bits(), r.bits());
            format!("'{a:016x}{b:016x}'")
        },
    },
    SqlType { name: "json", literal: |r| quoted(&json(r, 3)) },
    SqlType { name: "jsonb", literal: |r| quoted(&json(r, 3)) },
    SqlType {
        name: "integer[]",
        literal: |r| {
            let items = list(r, |r| if r.one_in(5) { "NULL".into() } else { int(r, -99, 99) });
            format!("ARRAY[{items}]::integer[]")
        },
    },
    SqlType {
        name: "text[]",
        literal: |r| {
            let items = list(r, |r| if r.one_in(5) { "NULL".into() } else { quoted(&r.text(9)) });
            format!("ARRAY[{items}]::text[]")
        },
    },
    SqlType {
        name: "int4range",
        literal: |r| {
            let low = r.between(-99, 99);
            edge_or(r, &["'empty'", "'(,)'", "'[1,)'"], |r| {
                format!("'[{low},{})'", low + r.between(0, 99))
            })
        },
    },
    SqlType { name: "inet", literal: |r| format!("'10.{}.0.1/{}'", r.below(256), r.below(33)) },
    SqlType { name: "cidr", literal: |r| format!("'10.{}.0.0/16'", r.below(256)) },
    SqlType { name: "macaddr", literal: |r| format!("'08:00:2b:01:02:{:02x}'", r.below(256)) },
    SqlType {
        name: "bit varying",
        literal: |r| {
            let bits: String = (0..r.below(20)).map(|_| *r.pick(&['0', '1'])).collect();
            format!("B'{bits}'")
        },
    },
    SqlType { name: "point", literal: |r| format!("'({},{})'", r.below(99), r.below(99)) },
    SqlType { name: "tsvector", literal: |r| format!("'{}:1 {}:2A'", r.name(), r.name()) },
    SqlType { name: "oid", literal: |r| r.below(100_000).to_string() },
];

const MARIADB: &[SqlType] = &[
    SqlType { name: "tinyint", literal: |r| int(r, i8::MIN.into(), i8::MAX.into()) },
    SqlType { name: "smallint unsigned", literal: |r| int(r, 0, u16::MAX.into()) },
    SqlType { name: "int", literal: |r| int(r, i32::MIN.into(), i32::MAX.into()) },
    SqlType { name: "bigint", literal: |r| int(r, i64::MIN, i64::MAX) },
    SqlType {
        name: "bigint unsigned",
        literal: |r| edge_or(r, &["0", "18446744073709551615"], |r| r.bits().to_string()),
    },
    SqlType { name: "boolean", literal: |r| r.pick(&["true", "false"]).to_string() },
    SqlType {
        name: "decimal(20,4)",
        literal: |r| {
            edge_or(r, &["9999999999999999.9999", "0.0001"], |r| {
                format!("{}.{:04}", r.between(-1_000_000, 1_000_000), r.below(10_000))
            })
        },
    },
    SqlType { name: "double", literal: |r| edge_or(r, &["0", "-0.0", "1e-300", "1e308"], float) },
    SqlType { name: "varchar(40)", literal: |r| quoted_backslash(&r.text(40)) },
    SqlType { name: "text", literal: |r| quoted_backslash(&r.text(60)) },
    SqlType { name: "varbinary(30)", literal: |r| format!("x'{}'", hex(r, 30)) },
    SqlType { name: "blob", literal: |r| format!("x'{}'", hex(r, 60)) },
    SqlType { name: "bit(8)", literal: |r| format!("b'{:08b}'", r.below(256)) },
    SqlType { name: "enum('a','b','')", literal: |r| r.pick(&["'a'", "'b'", "''"]).to_string() },
    SqlType {
        name: "set('x','y','z')",
        literal: |r| r.pick(&["''", "'x'", "'x,z'", "'x,y,z'"]).to_string(),
    },
    SqlType {
        name: "date",
        literal: |r| edge_or(r, &["'9999-12-31'", "'1000-01-01'"], |r| format!("'{}'", date(r))),
    },
    SqlType {
        name: "datetime(6)",
        literal: |r| {
            edge_or(r, &["'9999-12-31 23:59:59.999999'"], |r| format!("'{} {}'", date(r), clock(r)))
        },
    },
    SqlType {
        name: "timestamp(6) null",
        literal: |r| {
            let (year, day) = (r.between(1971, 2037), r.between(1, 28));
            format!("'{year}-06-{day:02} {}'", clock(r))
        },
    },
    SqlType {
        name: "time(6)",
        literal: |r| edge_or(r, &["'838:59:59'", "'-838:59:59'"], |r| format!("'{}'", clock(r))),
    },
    SqlType { name: "year", literal: |r| r.between(1901, 2155).to_string() },
    SqlType { name: "json", literal: |r| quoted(&json(r, 3)) },
];

const SQLITE: &[SqlType] = &[
    SqlType { name: "INTEGER", literal: |r| int(r, -i64::MAX, i64::MAX) },
    SqlType { name: "REAL", literal: |r| edge_or(r, &["0.1", "9e999", "-9e999", "5e-324"], float) },
    SqlType { name: "TEXT", literal: |r| quoted(&r.text(40)) },
    SqlType { name: "BLOB", literal: |r| format!("x'{}'", hex(r, 40)) },
    SqlType {
        name: "NUMERIC",
        literal: |r| {
            edge_or(r, &["'not a number'", "9007199254740993", "'0.10'"], |r| {
                format!("{}.{:02}", r.between(-1_000_000, 1_000_000), r.below(100))
            })
        },
    },
    SqlType { name: "BOOLEAN", literal: |r| r.pick(&["0", "1"]).to_string() },
    SqlType { name: "DATETIME", literal: |r| format!("'{} {}'", date(r), clock(r)) },
    // No type at all: any class of value, as it comes.
    SqlType {
        name: "",
        literal: |r| match r.below(4) {
            0 => int(r, -i64::MAX, i64::MAX),
            1 => float(r),
            2 => quoted(&r.text(20)),
            _ => format!("x'{}'", hex(r, 8)),
        },
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MariaDb, Postgres, Session, SqliteFile};

    /// The server takes every literal.
    async fn check(sql: Sql, session: &mut Session) {
        let mut rng = Rng::new(7);
        for (i, sql_type) in SqlType::all(sql).iter().enumerate() {
            session.run(&format!("CREATE TABLE t{i} (id int, v {})", sql_type.name)).await;
            let rows: Vec<_> =
                (0..60).map(|n| format!("({n}, {})", sql_type.literal_or_null(&mut rng))).collect();
            session.run(&format!("INSERT INTO t{i} VALUES {}", rows.join(", "))).await;
            let count = format!("SELECT count(*) FROM t{i} WHERE v IS NOT NULL");
            let filled: usize = session.value(&count).await.unwrap().parse().unwrap();
            assert!((30..60).contains(&filled), "{sql_type:?}: {filled}");
        }
    }

    #[tokio::test]
    async fn postgres_takes_every_literal() {
        let database = Postgres::shared().fresh_database().await;
        check(Sql::Postgres, &mut database.session().await).await;
    }

    #[tokio::test]
    async fn mariadb_takes_every_literal() {
        let database = MariaDb::shared().fresh_database().await;
        check(Sql::MariaDb, &mut database.session().await).await;
    }

    #[tokio::test]
    async fn sqlite_takes_every_literal() {
        let file = SqliteFile::new();
        check(Sql::Sqlite, &mut file.session().await).await;
    }
}

//! Tracking on MariaDB and MySQL, as statements. Pure.
//!
//! Row triggers write what a row was after it has changed: the row is locked by then until its
//! transaction ends, so that the numbers of a key's events follow each other as its transactions
//! do. A trigger cannot write to the table that it stands on, so nothing nests.

use downhaul_syntax::{Dialect, Ident};

use super::history;
use crate::sql;
use crate::track::{Event, Tracked, TrackedColumn, Version};

/// Names and values are written alike on both.
const D: Dialect = Dialect::MariaDb;

/// InnoDB takes 1,017 columns (manuals, InnoDB limits); two are ours.
pub const MOST_COLUMNS: usize = 1000;

/// What tracking needs beside the history.
pub const TABLES: [&str; 3] = [
    "CREATE TABLE downhaul_tracked (id BIGINT NOT NULL PRIMARY KEY, table_name TEXT NOT NULL, since_mark BIGINT NOT NULL, \
     since_at VARCHAR(32) NOT NULL, detail LONGTEXT NOT NULL) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    "CREATE TABLE downhaul_mark (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, name VARCHAR(255) NOT NULL UNIQUE, origin VARCHAR(20) NOT NULL, \
     at VARCHAR(32) NOT NULL, versions LONGTEXT NOT NULL, positions LONGTEXT NOT NULL, who TEXT NOT NULL) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    "CREATE TABLE downhaul_restoration (id BIGINT NOT NULL PRIMARY KEY, at VARCHAR(32) NOT NULL, who TEXT NOT NULL, target TEXT NOT NULL, \
     before_mark BIGINT NOT NULL, after_mark BIGINT NOT NULL, tables LONGTEXT NOT NULL, undoes BIGINT, undone_by BIGINT) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
];

/// Statement that makes the history table of the current version.
#[must_use]
pub fn create_history(tracked: &Tracked, from: i64) -> Vec<String> {
    let version = tracked.current();
    let columns: String =
        version.columns.iter().map(|c| format!(", {} {} NULL", D.quote(&c.name), c.ty)).collect();
    vec![format!(
        "CREATE TABLE {} (downhaul_pos BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, downhaul_op CHAR(1) CHARACTER SET ascii COLLATE ascii_bin NOT NULL{columns}) \
         ENGINE=InnoDB AUTO_INCREMENT={}",
        history(D, tracked.id, version.number),
        from + 1
    )]
}

/// Name of a trigger.
#[must_use]
pub fn trigger_name(tracked: &Tracked, letter: &str) -> String {
    match tracked.generation {
        0 => format!("downhaul_track_{}_{letter}", tracked.id),
        generation => format!("downhaul_track_{}_g{generation}_{letter}", tracked.id),
    }
}

/// What [`trigger_name`] made a name of.
#[must_use]
pub fn trigger_letter(name: &str) -> &str {
    name.rsplit('_').next().unwrap_or(name)
}

/// The triggers of the current version: name, time and verb, body.
#[must_use]
pub fn triggers(tracked: &Tracked) -> Vec<(String, &'static str, String)> {
    let version = tracked.current();
    let keyed = !version.key.is_empty();
    let log = history(D, tracked.id, version.number);
    let insert = |event: Event, row: &str, only_key: bool| {
        let (mut names, mut values) = (String::new(), String::new());
        for column in &version.columns {
            if !only_key || version.key.contains(&column.name) {
                let name = D.quote(&column.name);
                names.push_str(&format!(", {name}"));
                values.push_str(&format!(", {row}.{name}"));
            }
        }
        format!(
            "INSERT INTO {log} (downhaul_op{names}) SELECT '{}'{values} FROM DUAL",
            event.letter()
        )
    };
    let name = |letter: &str| trigger_name(tracked, letter);
    let update = if keyed {
        let test = |left: &str, operator: &str, right: &str| -> String {
            let of = |k| {
                let name = D.quote(k);
                format!("{left}.{name} {operator} {right}.{name}")
            };
            version.key.iter().map(of).collect::<Vec<_>>().join(" AND ")
        };
        let live = tracked.live();
        // A row that `UPDATE IGNORE` cannot change fires this too, and is left with its old key (seen on MariaDB 10.11).
        format!(
            "BEGIN {}; IF NOT ({}) AND NOT EXISTS (SELECT 1 FROM {live} WHERE {}) THEN {}; END IF; END",
            insert(Event::Updated, "OLD", false),
            test("OLD", "<=>", "NEW"),
            test(&live, "=", "OLD"),
            insert(Event::KeyBorn, "NEW", true),
        )
    } else {
        format!(
            "BEGIN {}; {}; END",
            insert(Event::Deleted, "OLD", false),
            insert(Event::Born, "NEW", false)
        )
    };
    vec![
        (name("d"), "AFTER DELETE", insert(Event::Deleted, "OLD", false)),
        (name("u"), "AFTER UPDATE", update),
        (name("i"), "AFTER INSERT", insert(Event::Born, "NEW", keyed)),
    ]
}

/// Statement that makes a trigger.
#[must_use]
pub fn create_trigger(tracked: &Tracked, (name, when, body): &(String, &str, String)) -> String {
    format!("CREATE TRIGGER {name} {when} ON {} FOR EACH ROW {body}", D.quote_name(&tracked.name))
}

/// Statement that writes down all rows of a table in the form of now. (No alias: a table that is locked
/// has the name under which it was.)
#[must_use]
pub fn copy_all(tracked: &Tracked, version: &Version, event: Event) -> String {
    let only_key = event == Event::Born && !version.key.is_empty();
    let columns = version.columns.iter().filter(|c| !only_key || version.key.contains(&c.name));
    let names: String = columns.map(|c| format!(", {}", D.quote(&c.name))).collect();
    format!(
        "INSERT INTO {} (downhaul_op{names}) SELECT '{}'{names} FROM {}",
        history(D, tracked.id, version.number),
        event.letter(),
        tracked.live()
    )
}

/// A test that two values differ in any way.
#[must_use]
pub fn differs(column: &TrackedColumn, left: &str, right: &str) -> String {
    // What CASE makes of an ENUM or a SET is a text, which has no number.
    let chosen = left.contains("CASE ") || right.contains("CASE ");
    let ty = if chosen && is_listed(column) { "text" } else { column.ty.as_str() };
    let (left, right) = (sql::exact(D, left, ty), sql::exact(D, right, ty));
    format!("({})", sql::differs(D, &left, &right))
}

/// What [`carried`] made of a value of any of `types`, as a column of the newest one has it; where they are of
/// different kinds, as it reads.
#[must_use]
pub fn as_newest(value: &str, newest: &str, types: &[&str]) -> String {
    let family = Family::of(newest);
    let one_kind = types.iter().all(|ty| Family::of(ty) == family);
    if !one_kind || types.iter().all(|ty| *ty == newest) {
        return value.to_owned();
    }
    let base = newest.split(['(', ' ']).next().unwrap_or_default();
    let digits = newest.find('(').zip(newest.find(')'));
    let digits = digits.and_then(|(from, to)| newest.get(from..=to)).unwrap_or_default();
    let ty = match base {
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" if newest.contains("unsigned") => {
            "UNSIGNED".to_owned()
        }
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" => "SIGNED".to_owned(),
        "decimal" => format!("DECIMAL{digits}"),
        "float" | "double" => "DOUBLE".to_owned(),
        "date" => "DATE".to_owned(),
        "datetime" | "timestamp" => format!("DATETIME{digits}"),
        _ => return value.to_owned(),
    };
    format!("CAST({value} AS {ty})")
}

/// What kind of key a value of this type is: those of one kind are the same key if they are equal.
#[must_use]
pub fn kind(ty: &str) -> String {
    let ty = ty.to_ascii_lowercase();
    let base = ty.split(['(', ' ']).next().unwrap_or_default();
    match base {
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" => "integer".to_owned(),
        "varchar" => format!("varchar{}", ty.split_once(')').map_or("", |(_, rest)| rest)),
        _ => ty,
    }
}

/// What values of different types are beside each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Number,
    Time,
    Text,
    Bytes,
}

impl Family {
    fn of(ty: &str) -> Self {
        match ty.split(['(', ' ']).next().unwrap_or_default() {
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "decimal" | "float"
            | "double" | "bit" | "year" => Self::Number,
            "date" | "datetime" | "timestamp" => Self::Time,
            "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob"
            | "geometry" | "point" | "linestring" | "polygon" | "multipoint"
            | "multilinestring" | "multipolygon" | "geometrycollection" | "geomcollection"
            | "vector" => Self::Bytes,
            _ => Self::Text,
        }
    }
}

/// A value of a column that had all of `types`, in a form that holds the values of each of them, for a
/// UNION, which would else choose one by itself: of texts in two collations none, of a bit its byte, of
/// a float six digits. `newest`: the type of now.
#[must_use]
pub fn carried(value: &str, ty: &str, newest: &str, types: &[&str]) -> String {
    if types.iter().all(|other| *other == ty) {
        return value.to_owned();
    }
    let family = |all: Family| types.iter().all(|ty| Family::of(ty) == all);
    let base = ty.split(['(', ' ']).next().unwrap_or_default();
    let number = match base {
        // As the server writes it, where it became a text.
        "float" if Family::of(newest) != Family::Text => format!("CAST({value} AS DOUBLE)"),
        "bit" => format!("({value} + 0)"),
        _ => value.to_owned(),
    };
    if family(Family::Number) {
        return number;
    }
    if family(Family::Time) {
        return value.to_owned();
    }
    if types.iter().any(|ty| Family::of(ty) == Family::Bytes) {
        return format!("CAST({number} AS BINARY)");
    }
    // Any character is one of these.
    format!("CONVERT({number} USING utf8mb4)")
}

/// An ENUM or a SET.
#[must_use]
pub fn is_listed(column: &TrackedColumn) -> bool {
    column.ty.starts_with("enum") || column.ty.starts_with("set")
}

/// One text for the whole content of a row. `numbers`: the members of an ENUM or SET are told by number
/// in a column of this name and the column's place.
#[must_use]
pub fn content(
    dialect: Dialect,
    columns: &[&TrackedColumn],
    row: &str,
    numbers: Option<&str>,
) -> String {
    let parts: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(at, c)| {
            let value = match numbers {
                Some(numbers) if is_listed(c) => format!("{row}.{numbers}{at}"),
                _ => sql::exact(D, &format!("{row}.{}", D.quote(&c.name)), &c.ty),
            };
            format!("COALESCE(HEX(CAST({value} AS BINARY)), 'N')")
        })
        .collect();
    let whole = format!("CONCAT_WS(',', {})", parts.join(", "));
    // MySQL 9 has no MD5() any more.
    if dialect == Dialect::Mysql { format!("SHA2({whole}, 256)") } else { format!("MD5({whole})") }
}

/// A value as people read it.
#[must_use]
pub fn text(column: &TrackedColumn, value: &str) -> String {
    let base = column.ty.split(['(', ' ']).next().unwrap_or("");
    match base {
        "binary" | "varbinary" | "blob" | "tinyblob" | "mediumblob" | "longblob" | "bit"
        | "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring"
        | "multipolygon" | "geometrycollection" | "geomcollection" | "vector" => {
            format!("CONCAT('0x', HEX({value}))")
        }
        _ => format!("CAST({value} AS CHAR CHARACTER SET utf8mb4)"),
    }
}

/// A key of a table of ours over these columns; none where one of them cannot be indexed whole.
#[must_use]
pub fn index(version: &Version, key: &[Ident]) -> String {
    let whole = key.iter().all(|k| {
        version.column(k).is_some_and(|c| !c.ty.contains("text") && !c.ty.contains("blob"))
    });
    if whole && !key.is_empty() { format!("KEY ({})", sql::list(D, key)) } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_several_types_stand_beside_each_other() {
        for (ty, newest, types, expected, read) in [
            ("int(11)", "int(11)", &["int(11)"][..], "v", "v"),
            ("int(11)", "bigint(20)", &["int(11)", "bigint(20)"], "v", "CAST(v AS SIGNED)"),
            ("float", "double", &["float", "double"], "CAST(v AS DOUBLE)", "CAST(v AS DOUBLE)"),
            (
                "bit(5)",
                "int(10) unsigned",
                &["bit(5)", "int(10) unsigned"],
                "(v + 0)",
                "CAST(v AS UNSIGNED)",
            ),
            (
                "decimal(9,4)",
                "decimal(6,2)",
                &["decimal(9,4)", "decimal(6,2)"],
                "v",
                "CAST(v AS DECIMAL(6,2))",
            ),
            (
                "datetime",
                "timestamp(3)",
                &["datetime", "timestamp(3)"],
                "v",
                "CAST(v AS DATETIME(3))",
            ),
            ("float", "varchar(9)", &["float", "varchar(9)"], "CONVERT(v USING utf8mb4)", "v"),
            ("text", "int(11)", &["text", "int(11)"], "CONVERT(v USING utf8mb4)", "v"),
            ("varchar(9)", "blob", &["varchar(9)", "blob"], "CAST(v AS BINARY)", "v"),
        ] {
            assert_eq!(carried("v", ty, newest, types), expected, "{types:?}");
            assert_eq!(as_newest("v", newest, types), read, "{types:?}");
        }
    }

    #[test]
    fn keys_of_one_kind_are_the_same() {
        assert_eq!(kind("int(11)"), kind("bigint(20) unsigned"));
        let of = |length: u32, collation: &str| {
            kind(&format!("varchar({length}) CHARACTER SET latin1 COLLATE {collation}"))
        };
        assert_eq!(of(9, "latin1_bin"), of(30, "latin1_bin"));
        assert_ne!(of(9, "latin1_bin"), of(9, "latin1_swedish_ci"));
        assert_ne!(kind("int(11)"), kind("decimal(9,0)"));
    }
}

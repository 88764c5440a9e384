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
     at VARCHAR(32) NOT NULL, versions TEXT NOT NULL, positions TEXT NOT NULL, who TEXT NOT NULL) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    "CREATE TABLE downhaul_restoration (id BIGINT NOT NULL PRIMARY KEY, at VARCHAR(32) NOT NULL, who TEXT NOT NULL, target TEXT NOT NULL, \
     before_mark BIGINT NOT NULL, after_mark BIGINT NOT NULL, tables TEXT NOT NULL, undoes BIGINT, undone_by BIGINT) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
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
    let name = |letter: &str| format!("downhaul_track_{}_{letter}", tracked.id);
    let update = if keyed {
        let same: Vec<String> =
            version.key.iter().map(|k| format!("OLD.{0} <=> NEW.{0}", D.quote(k))).collect();
        format!(
            "BEGIN {}; {} WHERE NOT ({}); END",
            insert(Event::Updated, "OLD", false),
            insert(Event::KeyBorn, "NEW", true),
            same.join(" AND ")
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

/// A test that two values differ in any way.
#[must_use]
pub fn differs(column: &TrackedColumn, left: &str, right: &str) -> String {
    // What CASE makes of an ENUM or a SET is a text, which has no number.
    let chosen = left.contains("CASE ") || right.contains("CASE ");
    let ty = if chosen && is_listed(column) { "text" } else { column.ty.as_str() };
    let (left, right) = (sql::exact(D, left, ty), sql::exact(D, right, ty));
    format!("({})", sql::differs(D, &left, &right))
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

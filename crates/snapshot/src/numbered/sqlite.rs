//! Tracking on SQLite, as statements. Pure.
//!
//! One writer at a time makes the order of events the order of their numbers. What triggers of
//! SQLite do not show is written down beforehand: rows that `OR REPLACE` removes fire no trigger
//! (unless `recursive_triggers` is on), so each row that an insert may replace is kept before it.
//! Cascades of foreign keys do fire triggers; `DELETE` without a condition does too.
//!
//! Columns of the history have no type: without an affinity a value stays what it is, text, number
//! or bytes.

use downhaul_syntax::{Dialect, Ident};

use super::history;
use super::nested::{self, Nesting};
use crate::track::{Event, Tracked, Version};

const D: Dialect = Dialect::Sqlite;

/// Columns that one statement can carry: expressions grow with them, and have a depth of 1,000
/// at most (limits.html §4).
pub const MOST_COLUMNS: usize = 400;

/// What tracking needs beside the history.
pub const TABLES: [&str; 3] = [
    "CREATE TABLE downhaul_tracked (id INTEGER PRIMARY KEY AUTOINCREMENT, table_name TEXT NOT NULL, since_mark INTEGER NOT NULL, \
     since_at TEXT NOT NULL, detail TEXT NOT NULL)",
    "CREATE TABLE downhaul_mark (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, origin TEXT NOT NULL, at TEXT NOT NULL, \
     versions TEXT NOT NULL, positions TEXT NOT NULL, who TEXT NOT NULL)",
    "CREATE TABLE downhaul_restoration (id INTEGER PRIMARY KEY, at TEXT NOT NULL, who TEXT NOT NULL, target TEXT NOT NULL, \
     before_mark INTEGER NOT NULL, after_mark INTEGER NOT NULL, tables TEXT NOT NULL, undoes INTEGER, undone_by INTEGER)",
];

/// A rule by which two rows may not be the same: columns with their collations.
pub type Unique = Vec<(Ident, String)>;

/// Event of a row that an insert may replace, where rows are counted: it counts once it is known
/// that the row went.
const PROBE: char = 'P';

/// Statements that make the history table of the current version. `from`: the last number given to
/// an event of an older one.
#[must_use]
pub fn create_history(tracked: &Tracked, from: i64) -> Vec<String> {
    let version = tracked.current();
    let table = history(D, tracked.id, version.number);
    let columns: String =
        version.columns.iter().map(|c| format!(", {}", D.quote(&c.name))).collect();
    let mut statements = vec![format!(
        "CREATE TABLE {table} (downhaul_pos INTEGER PRIMARY KEY AUTOINCREMENT, downhaul_op TEXT NOT NULL, downhaul_row INTEGER{columns})"
    )];
    // Whoever writes to such a table looks through all of these: those that nobody writes to have none.
    if from > 0 {
        statements
            .push(format!("INSERT INTO sqlite_sequence (name, seq) VALUES ('{table}', {from})"));
    }
    if version.key.is_empty() {
        statements.push(format!(
            "CREATE INDEX {table}_probe ON {table} (downhaul_row) WHERE downhaul_op = '{PROBE}'"
        ));
    }
    statements
}

/// Name of the column that numbers the rows, hidden by none of the table's own.
pub(super) fn row_number(version: &Version) -> &'static str {
    ["rowid", "_rowid_", "oid"]
        .into_iter()
        .find(|name| !version.columns.iter().any(|c| c.name.as_str().eq_ignore_ascii_case(name)))
        .unwrap_or("rowid")
}

/// Columns as they follow others: `, a, b`, or `, o.a, o.b`.
pub(super) fn list(prefix: &str, columns: &[String]) -> String {
    columns.iter().map(|c| format!(", {prefix}{c}")).collect()
}

fn differs_from_old(column: &Ident) -> String {
    let name = D.quote(column);
    format!(
        "NEW.{name} IS NOT OLD.{name} COLLATE BINARY OR typeof(NEW.{name}) <> typeof(OLD.{name})"
    )
}

/// A test in an UPDATE: whether it changes what a rule is about.
pub(super) fn changes(unique: &Unique) -> String {
    let changed: Vec<String> = unique.iter().map(|(c, _)| differs_from_old(c)).collect();
    changed.join(" OR ")
}

fn names(version: &Version, only_key: bool) -> (String, impl Fn(&str) -> String) {
    let columns: Vec<String> = version
        .columns
        .iter()
        .filter(|c| !only_key || version.key.contains(&c.name))
        .map(|c| D.quote(&c.name))
        .collect();
    (list("", &columns), move |row: &str| columns.iter().map(|c| format!(", {row}.{c}")).collect())
}

/// The triggers of the current version: name and definition. `numbered`: rows have a number (`rowid`) beside
/// their key.
#[must_use]
pub fn triggers(
    tracked: &Tracked,
    uniques: &[Unique],
    nesting: Nesting,
    numbered: bool,
) -> Vec<(String, String)> {
    let version = tracked.current();
    let keyed = !version.key.is_empty();
    let table = D.quote_name(&tracked.name);
    let log = history(D, tracked.id, version.number);
    let (all, values) = names(version, false);
    let (keys, key_values) = names(version, true);
    let mut triggers = Vec::new();
    let mut trigger = |letter: &str, when: &str, condition: &str, body: String| {
        let name = format!("downhaul_track_{}_{letter}", tracked.id);
        let condition =
            if condition.is_empty() { String::new() } else { format!(" WHEN {condition}") };
        triggers.push((
            name.clone(),
            format!(
                "CREATE TRIGGER {name} {when} ON {table} FOR EACH ROW{condition} BEGIN {body} END"
            ),
        ));
    };
    if !keyed && nesting != Nesting::Nothing {
        for (letter, when, body) in nested::triggers(tracked, uniques, nesting) {
            trigger(letter, when, "", body);
        }
        return triggers;
    }
    let image = |event: Event| {
        format!(
            "INSERT INTO {log} (downhaul_op{all}) VALUES ('{}'{});",
            event.letter(),
            values("OLD")
        )
    };
    let row = row_number(version);
    // Rows that would break a rule if the new one came.
    let in_the_way = |same: &str| {
        let (op, number) = if keyed {
            (Event::InTheWay.letter(), "NULL".to_owned())
        } else {
            (PROBE, format!("o.{row}"))
        };
        format!(
            "INSERT INTO {log} (downhaul_op, downhaul_row{all}) SELECT '{op}', {number}{} FROM {table} AS o WHERE {same};",
            values("o"),
        )
    };
    let by_rule = |unique: &Unique| {
        let same: Vec<String> = unique
            .iter()
            .map(|(column, collation)| {
                let name = D.quote(column);
                format!("o.{name} COLLATE {} = NEW.{name}", D.quote_str(collation))
            })
            .collect();
        in_the_way(&same.join(" AND "))
    };
    if !uniques.is_empty() {
        trigger("bi", "BEFORE INSERT", "", uniques.iter().map(by_rule).collect());
    }
    for (number, unique) in uniques.iter().enumerate() {
        trigger(&format!("bu{number}"), "BEFORE UPDATE", &changes(unique), by_rule(unique));
    }
    if numbered {
        // A statement may give the number of another row, which then goes.
        let number = format!("o.{row} = NEW.{row}");
        let taken = format!("EXISTS (SELECT 1 FROM {table} AS o WHERE {number})");
        trigger("bin", "BEFORE INSERT", &taken, in_the_way(&number));
        let moved = format!("NEW.{row} <> OLD.{row} AND {taken}");
        trigger("bun", "BEFORE UPDATE", &moved, in_the_way(&number));
    }
    let born = |event: Event, list: &str, values: String| {
        format!("INSERT INTO {log} (downhaul_op{list}) VALUES ('{}'{values});", event.letter())
    };
    if keyed {
        // Before, so that what nested statements do comes after it.
        trigger("u", "BEFORE UPDATE", "", image(Event::Updated));
        trigger("d", "BEFORE DELETE", "", image(Event::Deleted));
        let changed: Vec<String> = version.key.iter().map(differs_from_old).collect();
        // Foreign keys that refer to the row, its own among them, act before this trigger: what they
        // did to the row under its new key is no sign that the key was there before.
        let same = |log: &str, row: &str| {
            let equal: Vec<String> =
                version.key.iter().map(|c| format!("{log}.{0} IS {row}.{0}", D.quote(c))).collect();
            equal.join(" AND ")
        };
        let cascaded = format!(
            "DELETE FROM {log} WHERE downhaul_op = '{0}' AND {new} AND downhaul_pos > \
             (SELECT h.downhaul_pos FROM {log} AS h WHERE h.downhaul_op = '{0}' AND {old} ORDER BY h.downhaul_pos DESC LIMIT 1); ",
            Event::Updated.letter(),
            new = same(&log, "NEW"),
            old = same("h", "OLD"),
        );
        trigger(
            "k",
            "AFTER UPDATE",
            &changed.join(" OR "),
            cascaded + &born(Event::KeyBorn, &keys, key_values("NEW")),
        );
        trigger("i", "AFTER INSERT", "", born(Event::Born, &keys, key_values("NEW")));
    } else {
        // A row may be in the way by two rules, or of a statement before that was ignored: it goes once.
        let settle = format!(
            "DELETE FROM {log} WHERE downhaul_op = '{PROBE}' AND downhaul_pos < (SELECT max(p.downhaul_pos) FROM {log} AS p \
             WHERE p.downhaul_op = '{PROBE}' AND p.downhaul_row = {log}.downhaul_row); \
             UPDATE {log} SET downhaul_op = '{0}' WHERE downhaul_op = '{PROBE}' AND (downhaul_row = NEW.{row} \
             OR NOT EXISTS (SELECT 1 FROM {table} AS o WHERE o.{row} = downhaul_row)); \
             DELETE FROM {log} WHERE downhaul_op = '{PROBE}';",
            Event::Deleted.letter()
        );
        let any = format!("EXISTS (SELECT 1 FROM {log} WHERE downhaul_op = '{PROBE}')");
        let fresh = born(Event::Born, &all, values("NEW"));
        // The row itself is in its own way where it changes: what it was is written below.
        let own = format!(
            "DELETE FROM {log} WHERE downhaul_op = '{PROBE}' AND downhaul_row = OLD.{row};"
        );
        trigger("us", "AFTER UPDATE", &any, format!("{own} {settle}"));
        trigger("ds", "AFTER DELETE", &any, own);
        trigger("is", "AFTER INSERT", &any, settle);
        trigger("u", "AFTER UPDATE", "", format!("{} {fresh}", image(Event::Deleted)));
        trigger("d", "AFTER DELETE", "", image(Event::Deleted));
        trigger("i", "AFTER INSERT", "", fresh);
    }
    triggers
}

/// Statement that writes down every row of the table in one of its forms.
#[must_use]
pub fn copy_all(tracked: &Tracked, version: &Version, event: Event) -> String {
    let only_key = event == Event::Born && !version.key.is_empty();
    let (mut names, mut values) = (String::new(), String::new());
    for column in &version.columns {
        if only_key && !version.key.contains(&column.name) {
            continue;
        }
        let now = tracked.current().columns.iter().find(|c| c.number == column.number);
        names.push_str(&format!(", {}", tracked.dialect.quote(&column.name)));
        values.push_str(&format!(", t.{}", tracked.dialect.quote(&now.unwrap_or(column).name)));
    }
    format!(
        "INSERT INTO {} (downhaul_op{names}) SELECT '{}'{values} FROM {} AS t",
        history(tracked.dialect, tracked.id, version.number),
        event.letter(),
        tracked.dialect.quote_name(&tracked.name)
    )
}

/// A test that two values of a column of this type differ in any way.
#[must_use]
pub fn differs(ty: &str, left: &str, right: &str) -> String {
    // No collation makes two texts equal.
    let differ = format!("{left} IS NOT {right} COLLATE BINARY");
    if !keeps_any(ty) {
        return format!("({differ})");
    }
    // `IS NOT` finds 1 and 1.0 to be the same.
    format!("({differ} OR typeof({left}) <> typeof({right}))")
}

/// Whether a column of this type may hold 1 and 1.0 as well: those with an affinity make one of them the other
/// (datatype3.html §3), and `ANY` of a `STRICT` table has none.
fn keeps_any(ty: &str) -> bool {
    affinity(ty) == "BLOB" || ty.eq_ignore_ascii_case("ANY")
}

/// A value as people read it.
#[must_use]
pub fn text(value: &str) -> String {
    format!(
        "CASE WHEN typeof({value}) IN ('blob', 'real') THEN quote({value}) ELSE CAST({value} AS TEXT) END"
    )
}

/// The affinity of a column of this type (datatype3.html §3.1).
#[must_use]
pub fn affinity(ty: &str) -> &'static str {
    let ty = ty.to_ascii_uppercase();
    let has = |part: &str| ty.contains(part);
    if has("INT") {
        "INTEGER"
    } else if has("CHAR") || has("CLOB") || has("TEXT") {
        "TEXT"
    } else if has("BLOB") || ty.is_empty() {
        "BLOB"
    } else if has("REAL") || has("FLOA") || has("DOUB") {
        "REAL"
    } else {
        "NUMERIC"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn affinities() {
        for (ty, expect) in [
            ("INT", "INTEGER"),
            ("CHARINT", "INTEGER"),
            ("varchar(9)", "TEXT"),
            ("", "BLOB"),
            ("double precision", "REAL"),
            ("decimal(10,2)", "NUMERIC"),
            ("DATETIME", "NUMERIC"),
        ] {
            assert_eq!(affinity(ty), expect, "{ty}");
        }
    }
}

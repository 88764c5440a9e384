//! Tracking of rows without a key on SQLite, where one statement may write to the table while another
//! one is at work on it. Pure.
//!
//! Rows that are told apart by their content are counted, so each has to be written down as gone once,
//! with what it was in that instant. Neither is what triggers say where statements nest: what `OLD` is
//! was read before a `BEFORE` trigger of a user changed that very row (lang_createtrigger.html §4), and a
//! row that `OR REPLACE` removes without a trigger may have been changed since it was seen to be in the way.
//!
//! So there is a note of each row that is about to change or in the way: what the history believes it to be.
//! Once a statement has changed its row, the history is brought from the note to what the table holds, and the note with it.
//! Whoever comes first does that, a statement within or the one around it, and the other finds nothing
//! left to do. Rows that a statement within has just written have notes too, since the one around it may
//! replace them, which asked what is in its way before they were there.
//!
//! Notes are dropped when the outermost statement has written its row: statements are counted as
//! they begin and end. One that is ignored never ends; then the notes last until the time is another one,
//! since `'now'` stands still within a statement and all that nests in it (lang_datefunc.html §2).

use downhaul_syntax::Dialect;

use super::history;
use super::sqlite::{Unique, changes, list, row_number};
use crate::sql;
use crate::track::{Event, Tracked};

const D: Dialect = Dialect::Sqlite;
const NOW: &str = "julianday('now')";

/// What may write to a table while a statement is at work on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nesting {
    /// Nothing but the statement.
    Nothing,
    /// Triggers of others, or what a foreign key of another table sets off.
    Others,
    /// A foreign key to the table itself, which may take away the very row that changes.
    Itself,
}

/// Name of the table of the notes.
#[must_use]
pub fn name(id: i64) -> String {
    sql::own(D, &format!("note_{id}"))
}

/// Columns that notes have: those of the history, and those of the rules that are computed.
fn columns(tracked: &Tracked, uniques: &[Unique]) -> Vec<String> {
    let mut columns: Vec<String> =
        tracked.current().columns.iter().map(|c| D.quote(&c.name)).collect();
    for (column, _) in uniques.iter().flatten() {
        let column = D.quote(column);
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    columns
}

/// Statements that make the table of the notes. Its first row counts the statements.
#[must_use]
pub fn create(tracked: &Tracked, uniques: &[Unique]) -> Vec<String> {
    let notes = name(tracked.id);
    let mut statements = vec![
        format!(
            "CREATE TABLE {notes} (downhaul_row INTEGER, downhaul_at REAL, downhaul_depth INTEGER{})",
            list("", &columns(tracked, uniques))
        ),
        format!("CREATE UNIQUE INDEX {notes}_row ON {notes} (downhaul_row)"),
        format!("INSERT INTO {notes} (downhaul_at, downhaul_depth) VALUES (0, 0)"),
    ];
    for (number, unique) in uniques.iter().enumerate() {
        let columns: Vec<String> = unique
            .iter()
            .map(|(column, collation)| {
                format!("{} COLLATE {}", D.quote(column), D.quote_str(collation))
            })
            .collect();
        statements
            .push(format!("CREATE INDEX {notes}_{number} ON {notes} ({})", columns.join(", ")));
    }
    statements
}

/// What the triggers are made of.
struct Body<'a> {
    table: String,
    log: String,
    notes: String,
    row: &'static str,
    kept: Vec<String>,
    noted: Vec<String>,
    uniques: &'a [Unique],
}

impl Body<'_> {
    fn begin(&self) -> String {
        let notes = &self.notes;
        // Joined, so that it is asked once and not of every note.
        format!(
            "DELETE FROM {notes} WHERE rowid IN (SELECT x.rowid FROM {notes} AS m CROSS JOIN {notes} AS x \
             WHERE m.downhaul_row IS NULL AND m.downhaul_at <> {NOW} AND x.downhaul_row IS NOT NULL); \
             UPDATE {notes} SET downhaul_depth = CASE WHEN downhaul_at = {NOW} THEN downhaul_depth + 1 ELSE 1 END, \
             downhaul_at = {NOW} WHERE downhaul_row IS NULL; "
        )
    }

    fn end(&self) -> String {
        let notes = &self.notes;
        format!(
            "UPDATE {notes} SET downhaul_depth = downhaul_depth - 1 WHERE downhaul_row IS NULL; \
             DELETE FROM {notes} WHERE rowid IN (SELECT x.rowid FROM {notes} AS m CROSS JOIN {notes} AS x \
             WHERE m.downhaul_row IS NULL AND m.downhaul_depth = 0 AND x.downhaul_row IS NOT NULL);"
        )
    }

    /// Takes a note, unless there is one, of rows that meet a condition.
    fn note(&self, condition: &str) -> String {
        let Self { table, notes, row, noted, .. } = self;
        format!(
            "INSERT INTO {notes} (downhaul_row{}) SELECT o.{row}{} FROM {table} AS o WHERE {condition} \
             AND NOT EXISTS (SELECT 1 FROM {notes} AS n WHERE n.downhaul_row = o.{row}); ",
            list("", noted),
            list("o.", noted)
        )
    }

    /// The same of those that would break a rule if the new row came.
    fn in_the_way(&self, guard: impl Fn(&Unique) -> String) -> String {
        let one = |unique: &Unique| {
            let same: Vec<String> = unique
                .iter()
                .map(|(column, collation)| {
                    let name = D.quote(column);
                    format!("o.{name} COLLATE {} = NEW.{name}", D.quote_str(collation))
                })
                .collect();
            self.note(&format!("{}{}", guard(unique), same.join(" AND ")))
        };
        self.uniques.iter().map(one).collect()
    }

    /// Writes down as gone the rows of notes that meet a condition.
    fn gone(&self, condition: impl Fn(&str) -> String) -> String {
        let Self { log, notes, kept, .. } = self;
        format!(
            "INSERT INTO {log} (downhaul_op{}) SELECT '{}'{} FROM {notes} AS n WHERE {}; DELETE FROM {notes} WHERE {}; ",
            list("", kept),
            Event::Deleted.letter(),
            list("n.", kept),
            condition("n"),
            condition(notes)
        )
    }

    fn is_gone(&self, note: &str) -> String {
        format!(
            "NOT EXISTS (SELECT 1 FROM {} AS o WHERE o.{} = {note}.downhaul_row)",
            self.table, self.row
        )
    }

    /// Notes of rows that the new one replaced, each kind found by an index of its own.
    fn replaced(&self, note: &str, other: &str) -> String {
        let one = |unique: &Unique| {
            // Without a sign before it the new value would bring its affinity along, and the index be of no use.
            let same: Vec<String> = unique
                .iter()
                .map(|(column, collation)| {
                    let name = D.quote(column);
                    format!("{note}.{name} COLLATE {} = +NEW.{name}", D.quote_str(collation))
                })
                .collect();
            format!(" OR {}{other} AND {}", same.join(" AND "), self.is_gone(note))
        };
        self.uniques.iter().map(one).collect()
    }
}

/// The triggers of the current version: letter, when, and what they do.
#[must_use]
pub fn triggers(
    tracked: &Tracked,
    uniques: &[Unique],
    nesting: Nesting,
) -> Vec<(&'static str, &'static str, String)> {
    let version = tracked.current();
    let body = Body {
        table: D.quote_name(&tracked.name),
        log: history(D, tracked.id, version.number),
        notes: name(tracked.id),
        row: row_number(version),
        kept: version.columns.iter().map(|c| D.quote(&c.name)).collect(),
        noted: columns(tracked, uniques),
        uniques,
    };
    let Body { table, log, notes, row, kept, noted, .. } = &body;
    let (begin, end, born) = (body.begin(), body.end(), Event::Born.letter());
    let moved = format!("NEW.{row} <> OLD.{row}");
    // What was removed without a trigger is settled before another row can get its number.
    let reused = body.gone(|n| {
        format!(
            "({n}.downhaul_row = NEW.{row} OR {n}.downhaul_row > coalesce((SELECT max(x.{row}) FROM {table} AS x), 0)) AND {}",
            body.is_gone(n)
        )
    });
    let before_insert = [
        begin.clone(),
        reused,
        body.note(&format!("o.{row} = NEW.{row}")),
        body.in_the_way(|_| String::new()),
    ];
    let after_insert = [
        body.gone(|n| format!("{n}.downhaul_row = NEW.{row}{}", body.replaced(n, ""))),
        format!(
            "INSERT INTO {log} (downhaul_op{}) VALUES ('{born}'{}); \
             INSERT INTO {notes} (downhaul_row{}) SELECT NEW.{row}{} WHERE (SELECT m.downhaul_depth FROM {notes} AS m WHERE m.downhaul_row IS NULL) > 1; ",
            list("", kept),
            list("NEW.", kept),
            list("", noted),
            list("NEW.", noted)
        ),
        end.clone(),
    ];
    let before_update = [
        begin.clone(),
        body.gone(|n| format!("{n}.downhaul_row = NEW.{row} AND {moved} AND {}", body.is_gone(n))),
        body.note(&format!("o.{row} = OLD.{row}")),
        body.note(&format!("{moved} AND o.{row} = NEW.{row}")),
        body.in_the_way(|unique| format!("({}) AND ", changes(unique))),
    ];
    let after_update = [
        body.gone(|n| {
            format!(
                "{n}.downhaul_row = NEW.{row} AND {moved}{}",
                body.replaced(n, &format!(" AND {n}.downhaul_row <> OLD.{row}"))
            )
        }),
        format!(
            "INSERT INTO {log} (downhaul_op{all}) SELECT '{gone}'{of_note} FROM {notes} AS n WHERE n.downhaul_row = OLD.{row} \
               AND (NEW.{row} = OLD.{row} OR {is_gone}); \
             INSERT INTO {log} (downhaul_op{all}) SELECT '{born}'{of_row} FROM {table} AS o WHERE o.{row} = NEW.{row} \
               AND ({moved} OR EXISTS (SELECT 1 FROM {notes} AS n WHERE n.downhaul_row = OLD.{row})); \
             DELETE FROM {notes} WHERE downhaul_row = OLD.{row}; ",
            all = list("", kept),
            gone = Event::Deleted.letter(),
            of_note = list("n.", kept),
            of_row = list("o.", kept),
            is_gone = body.is_gone("n"),
        ),
        body.note(&format!("o.{row} = NEW.{row}")),
        end.clone(),
    ];
    let before_delete = [begin, body.note(&format!("o.{row} = OLD.{row}"))];
    let after_delete = [
        body.gone(|n| match nesting {
            // A row that a cascade took away from under an UPDATE never comes to the end of that, which
            // may have replaced others before.
            Nesting::Itself => format!("{n}.downhaul_row IS NOT NULL AND {}", body.is_gone(n)),
            _ => format!("{n}.downhaul_row = OLD.{row} AND {}", body.is_gone(n)),
        }),
        end,
    ];
    vec![
        ("bi", "BEFORE INSERT", before_insert.concat()),
        ("bu", "BEFORE UPDATE", before_update.concat()),
        ("bd", "BEFORE DELETE", before_delete.concat()),
        ("u", "AFTER UPDATE", after_update.concat()),
        ("d", "AFTER DELETE", after_delete.concat()),
        ("i", "AFTER INSERT", after_insert.concat()),
    ]
}

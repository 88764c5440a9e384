//! Triggers.

use crate::parse::Out;
use crate::parse::cursor::{Cursor, Parse};
use crate::{Change, TriggerDef};

/// Behind `CREATE … TRIGGER`.
pub(crate) fn create_trigger(
    cursor: &mut Cursor<'_>,
    out: &mut Out,
    or_replace: bool,
) -> Parse<()> {
    let from = cursor.pos;
    let if_not_exists = cursor.if_not_exists();
    let name = cursor.object_name("a trigger name")?.name;
    let event = cursor.pos;
    if !cursor.is_sqlite() && !cursor.is_any(&["BEFORE", "AFTER", "INSTEAD"]) {
        return Err(cursor.expected("BEFORE, AFTER or INSTEAD OF"));
    }
    cursor.skip_until(|c| c.is("ON"));
    let event_end = cursor.pos;
    cursor.expect("ON")?;
    let table = cursor.object_name("a table name")?;
    let start = cursor.pos;
    let mut function = None;
    if cursor.is_postgres() {
        cursor.skip_until(|c| c.is("EXECUTE"));
        cursor.expect("EXECUTE")?;
        if cursor.eat_any(&["FUNCTION", "PROCEDURE"]).is_none() {
            return Err(cursor.expected("FUNCTION"));
        }
        function = Some(cursor.object_name("a function name")?);
        cursor.skip_group()?;
        if !cursor.at_end() {
            return Err(cursor.expected("the end of the statement"));
        }
    } else {
        cursor.rest();
    }
    let text = cursor.verbatim(start, cursor.pos).to_owned();
    let event_text = cursor.text_of(event, event_end);
    let mut columns = cursor.expr_of(event, event_end).columns;
    for column in cursor.expr_of(start, cursor.pos).columns {
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    let events = [
        "before",
        "after",
        "instead",
        "insert",
        "update",
        "delete",
        "truncate",
        "each",
        "row",
        "statement",
        "old",
        "new",
        "begin",
        "execute",
        "function",
        "procedure",
        "referencing",
    ];
    columns.retain(|c| !events.contains(&c.key()));
    let def = TriggerDef { name, table, event: event_text, text, function, columns };
    out.push(cursor, from, Change::CreateTrigger { def, or_replace, if_not_exists });
    Ok(())
}

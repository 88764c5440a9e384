//! The triggers that keep two sides in step: one for INSERT, one for UPDATE. They assign to the row
//! before it is written, so neither fires the other.

use downhaul_catalog::{Catalog, Table};
use downhaul_syntax::{Dialect, Ident, ObjectName};

use crate::op::names;
use crate::op::piece::Side;
use crate::op::sync::Sync;

/// A free name for a pair of triggers: names belong to the schema.
pub(super) fn name(now: &Catalog, table: &ObjectName, base: &str) -> (Ident, ObjectName) {
    let taken = |name: &str| {
        now.tables.values().flat_map(|t| &t.triggers).any(|trigger| {
            ["ins", "upd"].iter().any(|end| *trigger.name.as_str() == format!("{name}_{end}"))
        })
    };
    // Room for the ends.
    let base: String = format!("{}_{base}_sync", table.name).chars().take(56).collect();
    let name = names::free(&base, taken);
    let trigger = Ident::stored(now.dialect, &name);
    (trigger.clone(), ObjectName { schema: table.schema.clone(), name: trigger })
}

/// Triggers of a table that are not of the kind that is made here, for a note.
pub(super) fn of_others(table: &Table) -> Option<String> {
    let ours = |name: &str| name.ends_with("_sync_ins") || name.ends_with("_sync_upd");
    let names: Vec<&str> =
        table.triggers.iter().map(|t| t.name.as_str()).filter(|name| !ours(name)).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

fn quoted(trigger: &Ident, table: &ObjectName, dialect: Dialect, event: &str) -> String {
    let end = if event == "INSERT" { "ins" } else { "upd" };
    let name = Ident::stored(dialect, &format!("{trigger}_{end}"));
    let name = ObjectName { schema: table.schema.clone(), name };
    dialect.quote_name_if_needed(&name)
}

/// `CREATE TRIGGER …`, twice.
pub(super) fn create(sync: &Sync, side: &mut Side, why: &str) {
    let mut insert = format!(
        "    IF {} THEN\n        -- Written by a release that does not know the new side.\n{}",
        sync.all_null(&sync.second),
        assign(sync, true)
    );
    if !sync.back.is_empty() {
        insert.push_str(&format!(
            "    ELSEIF {} THEN\n        -- Written by a release that knows the new side only.\n{}",
            sync.off(&sync.second, &sync.forward),
            assign(sync, false)
        ));
    }
    insert.push_str("    END IF;\n");
    of_sync(sync, "INSERT", &insert, side, why);

    let mut update = format!(
        "    IF {} THEN\n        -- Whoever changes both sides at once knows what it does.\n        IF NOT ({}) THEN\n{}        END IF;\n",
        sync.changed(&sync.first),
        sync.stays(),
        assign(sync, true)
    );
    if !sync.back.is_empty() {
        update.push_str(&format!(
            "    ELSEIF {} THEN\n        -- The backfill writes what the old side says: nothing flows back then.\n        IF {} THEN\n{}        END IF;\n",
            sync.changed(&sync.second),
            sync.off(&sync.second, &sync.forward),
            assign(sync, false)
        ));
    }
    update.push_str(&format!(
        "    ELSEIF {} THEN\n        -- A row that the backfill has not reached.\n{}",
        sync.unfilled(),
        assign(sync, true)
    ));
    if !sync.back.is_empty() {
        update.push_str(&format!(
            "    ELSEIF {} AND ({}) THEN\n        -- The same on the way back.\n{}",
            sync.all_null(&sync.first),
            sync.off(&sync.first, &sync.back),
            assign(sync, false)
        ));
    }
    update.push_str("    END IF;\n");
    of_sync(sync, "UPDATE", &update, side, "");
}

/// As [`create`], for a second side that is only filled where it is empty.
pub(super) fn fill_only(sync: &Sync, side: &mut Side, why: &str) {
    let mut body = String::new();
    for ((column, _), conv) in sync.second.iter().zip(&sync.forward) {
        let new = sync.incoming(column);
        body.push_str(&format!(
            "    IF {new} IS NULL THEN\n        SET {new} = {};\n    END IF;\n",
            sync.in_trigger(conv)
        ));
    }
    of_sync(sync, "INSERT", &body, side, why);
    of_sync(sync, "UPDATE", &body, side, "");
}

/// Assignments to the second side, or to the first.
fn assign(sync: &Sync, forward: bool) -> String {
    let (side, convs) =
        if forward { (&sync.second, &sync.forward) } else { (&sync.first, &sync.back) };
    side.iter()
        .zip(convs)
        .map(|((column, _), conv)| {
            format!("        SET {} = {};\n", sync.incoming(column), sync.in_trigger(conv))
        })
        .collect()
}

fn of_sync(sync: &Sync, event: &str, body: &str, side: &mut Side, why: &str) {
    one(&sync.trigger, &sync.table, sync.dialect, event, body, side, why);
}

/// `CREATE TRIGGER …` for one event, `INSERT` or `UPDATE`.
pub(super) fn one(
    trigger: &Ident,
    table: &ObjectName,
    dialect: Dialect,
    event: &str,
    body: &str,
    side: &mut Side,
    why: &str,
) {
    side.sql(
        why,
        format!(
            "CREATE TRIGGER {} BEFORE {event} ON {} FOR EACH ROW\nBEGIN\n{body}END",
            quoted(trigger, table, dialect, event),
            dialect.quote_name_if_needed(table)
        ),
    );
}

/// `DROP TRIGGER …`, twice.
pub(super) fn drop(sync: &Sync, side: &mut Side, why: &str) {
    drop_named(&sync.trigger, &sync.table, sync.dialect, side, why);
}

/// As [`drop`], for a pair of this name.
pub(super) fn drop_named(
    trigger: &Ident,
    table: &ObjectName,
    dialect: Dialect,
    side: &mut Side,
    why: &str,
) {
    side.sql(why, format!("DROP TRIGGER {}", quoted(trigger, table, dialect, "INSERT")));
    side.sql("", format!("DROP TRIGGER {}", quoted(trigger, table, dialect, "UPDATE")));
}

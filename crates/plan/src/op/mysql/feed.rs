//! A column from another table, on MariaDB and MySQL.
//!
//! Locking reads and writes see the newest rows here, whatever a transaction's snapshot: `LOCK IN SHARE
//! MODE` where a row is fed and an `UPDATE` where the other table changes are all it takes. What a
//! foreign key locks anyway is the same row.

use downhaul_catalog::{Catalog, Table};
use downhaul_syntax::{ColumnDef, Ident, ObjectName};

use super::{INPLACE, INSTANT, add, added, dropped, modify};
use crate::Direction;
use crate::op::conversion::differ;
use crate::op::feed::Feed;
use crate::op::names;
use crate::op::piece::{Piece, Side, Slot};
use crate::op::{Made, Refused, Scene, stale};

/// Taken by whoever looks a value up.
const SHARE: &str = " LOCK IN SHARE MODE";

/// A trigger: its name, its event, its table, its body.
type Trigger = (ObjectName, &'static str, ObjectName, String);

/// The column comes empty, is filled behind the writers, and both tables keep it in step.
pub(super) fn add_fed_column(
    known: &Table,
    column: &ColumnDef,
    feed: &Feed,
    scene: &Scene<'_>,
    made: &mut Made,
) -> Result<(), Refused> {
    let dialect = scene.dialect();
    let table = &known.name;
    feed.refuse_default(table, column)?;
    let source = scene.table(&feed.source)?;
    for note in feed.notes(known, source) {
        made.note(note);
    }
    made.note(feed.note_on_locks("LOCK IN SHARE MODE"));
    made.note(format!(
        "until the contract a statement that changes in {source} what the column follows, and names {table} too (a join, a subquery), fails (error 1442): the trigger of {source} writes {table}, which the server refuses to a statement that uses it. Every other statement over both tables goes on. Where a release has such statements, fill the column in a backfill of your own, and let the new release write it",
        source = source.name
    ));
    made.note(feed.note_on_own_values());
    let Triggers { resets, fed_ins, fed_upd, feeds } = triggers(feed, known, source, scene.now);
    let create = |side: &mut Side, why: &str, triggers: &mut dyn Iterator<Item = &Trigger>| {
        let mut why = why;
        for (name, event, of, body) in triggers {
            side.sql(
                why,
                format!(
                    "CREATE TRIGGER {} {event} ON {} FOR EACH ROW\nBEGIN\n{body}END",
                    dialect.quote_name_if_needed(name),
                    dialect.quote_name_if_needed(of)
                ),
            );
            why = "";
        }
    };
    let drop = |side: &mut Side, why: &str, triggers: &mut dyn Iterator<Item = &Trigger>| {
        let mut why = why;
        for (name, ..) in triggers {
            side.sql(why, format!("DROP TRIGGER {}", dialect.quote_name_if_needed(name)));
            why = "";
        }
    };
    let one = std::iter::once::<&Trigger>;
    let q = dialect.quote_if_needed(&column.name);
    let bare = ColumnDef { not_null: false, not_null_name: None, default: None, ..column.clone() };
    let (mut up, mut down) = (Side::default(), Side::default());
    add(
        &mut up,
        "Empty: this touches no row. Nothing fills it before the backfill phase.",
        &added(table, bare.clone()),
        INSTANT,
        dialect,
    )?;
    let mut gone = Side::default();
    add(&mut gone, "", &dropped(table, &column.name), INPLACE, dialect)?;
    down.append(stale::as_computed(&column.name, &feed.lookup(""), gone));
    made.push(Slot::EXPAND, Piece::made(up, down));

    let (mut up, mut down) = (Side::default(), Side::default());
    let all = || feeds.iter().chain([&fed_ins, &fed_upd]);
    let [emptied_here, emptied_there] = &resets;
    create(
        &mut up,
        "Triggers come one by one here. Until all of them stand, what ceases to be true is emptied: so at no instant does a row hold what is not so, and the UPDATE below finds what is empty.",
        &mut one(emptied_here),
    );
    create(
        &mut up,
        "The old release does not know the column: the triggers look it up. What a release writes itself stands.",
        &mut all(),
    );
    drop(&mut up, "Nothing has to be emptied any more.", &mut one(emptied_here));
    up.sql(
        "Downhaul runs this in small batches, by key. Run by another client it is one long UPDATE.",
        feed.backfill(SHARE),
    );
    if column.not_null {
        add(
            &mut up,
            "Every row is filled. The table is built anew in the background, while others read and write.",
            &modify(table, ColumnDef { not_null: true, ..bare.clone() }),
            INPLACE,
            dialect,
        )?;
        add(&mut down, "", &modify(table, bare), INPLACE, dialect)?;
    }
    create(&mut down, "From here on nothing is filled any more.", &mut one(emptied_here));
    drop(&mut down, "", &mut [&fed_upd, &fed_ins].into_iter());
    create(&mut down, "", &mut one(emptied_there));
    drop(&mut down, "", &mut feeds.iter().rev());
    down.sql(
        "Only what a release wrote itself is left, which is kept when the column goes.",
        format!(
            "UPDATE {} SET {q} = NULL\nWHERE {q} IS NOT NULL\n  AND NOT ({})",
            dialect.quote_name_if_needed(table),
            differ(&feed.fed_column(), &feed.lookup(""), feed.ty.as_ref(), dialect),
        ),
    );
    drop(&mut down, "", &mut [emptied_there, emptied_here].into_iter());
    made.push(Slot::BACKFILL, Piece::made(up, down));
    made.derive(Slot::BACKFILL, &[Direction::Up, Direction::Down]);

    let (mut up, mut down) = (Side::default(), Side::default());
    drop(
        &mut up,
        "The old release is gone: the new one writes the column itself.",
        &mut [&fed_upd, &fed_ins].into_iter().chain(feeds.iter().rev()),
    );
    create(&mut down, "Both tables are kept in step again.", &mut all());
    made.push(Slot::CONTRACT, Piece::made(up, down));
    Ok(())
}

/// What keeps a column in step.
struct Triggers {
    /// On the fed table and on the source: what ceases to be true is emptied.
    resets: [Trigger; 2],
    /// On the fed table: values are looked up.
    fed_ins: Trigger,
    fed_upd: Trigger,
    /// On the source: the rows that it feeds are written.
    feeds: Vec<Trigger>,
}

/// The triggers of a feed, named.
fn triggers(feed: &Feed, fed: &Table, source: &Table, now: &Catalog) -> Triggers {
    let dialect = now.dialect;
    let q = |c: &Ident| dialect.quote_if_needed(c);
    let taken = |name: &str| {
        let mut all = now.tables.values().flat_map(|t| &t.triggers);
        all.any(|trigger| trigger.name.as_str() == name)
    };
    let base: String = format!("{}_{}", fed.name.name, feed.column).chars().take(50).collect();
    let named = |end: &str, of: &ObjectName| ObjectName {
        schema: of.schema.clone(),
        name: Ident::stored(dialect, &names::free(&format!("{base}_{end}"), taken)),
    };
    let on_fed =
        |end: &str, event, body: String| (named(end, &fed.name), event, fed.name.clone(), body);
    let on_source = |end: &str, event, body: String| {
        (named(end, &source.name), event, source.name.clone(), body)
    };
    let new = format!("NEW.{}", q(&feed.column));
    let unchanged = {
        let old = format!("OLD.{}", q(&feed.column));
        format!("NOT ({})", differ(&new, &old, feed.ty.as_ref(), dialect))
    };
    let moved = feed.changed(&feed.fed_columns(), fed);
    let looked_up = feed.lookup_for_new(SHARE);
    let emptied_here = format!("    IF {moved} THEN\n        SET {new} = NULL;\n    END IF;\n");
    let insert = format!(
        "    -- A change of the row that is read, if one is under way, is waited for; a later one waits for\n    -- this transaction, and finds its row.\n    IF {new} IS NULL THEN\n        SET {new} = {looked_up};\n    END IF;\n"
    );
    let update = format!(
        "    IF {moved} THEN\n        -- Whoever writes the column itself knows what it does.\n        IF {new} IS NULL OR {unchanged} THEN\n            SET {new} = {looked_up};\n        END IF;\n    END IF;\n"
    );
    let row: Vec<String> = feed.read.iter().map(|c| format!("NEW.{0} AS {0}", q(c))).collect();
    let write = |value: &str, indent: &str| {
        format!(
            "{indent}UPDATE {}, (SELECT {}) AS {} SET {} = {value}\n{indent}WHERE {};\n",
            dialect.quote_name_if_needed(&fed.name),
            row.join(", "),
            q(&feed.alias),
            feed.fed_column(),
            feed.reached()
        )
    };
    let changed = feed.changed(&feed.read, source);
    let if_changed = |write: String| format!("    IF {changed} THEN\n{write}    END IF;\n");
    let mut feeds =
        vec![on_source("feed_upd", "AFTER UPDATE", if_changed(write(feed.value(), "        ")))];
    if !feed.is_bound(fed) {
        feeds.push(on_source("feed_ins", "AFTER INSERT", write(feed.value(), "    ")));
    }
    Triggers {
        resets: [
            on_fed("reset", "BEFORE UPDATE", emptied_here),
            on_source(
                "feed_reset",
                "AFTER UPDATE",
                if_changed(format!(
                    "        UPDATE {}, (SELECT {}) AS {} SET {} = NULL\n        WHERE {};\n",
                    dialect.quote_name_if_needed(&fed.name),
                    row.join(", "),
                    q(&feed.alias),
                    feed.fed_column(),
                    feed.condition()
                )),
            ),
        ],
        fed_ins: on_fed("ins", "BEFORE INSERT", insert),
        fed_upd: on_fed("upd", "BEFORE UPDATE", update),
        feeds,
    }
}

//! Watches on SQLite. What keeps columns in step there writes the row once more behind the statement,
//! which is no use by a release and is told apart by its values.

use downhaul_syntax::Ident;

use super::{Trigger, Watched};
use crate::op::Scene;
use crate::op::conversion::differ;
use crate::op::piece::Side;

/// A table has no comment here: a default says what it is.
pub(super) fn create(watched: &Watched<'_>, side: &mut Side, why: &str) {
    side.sql(
        why,
        format!(
            "CREATE TABLE {} (n INTEGER PRIMARY KEY, at TEXT NOT NULL, what TEXT NOT NULL DEFAULT {})",
            watched.quoted(),
            watched.mark()
        ),
    );
}

pub(super) fn triggers(watched: &Watched<'_>, scene: &Scene<'_>) -> Vec<Trigger> {
    let (table, watch) = (watched.quoted_table(), watched.quoted());
    let trigger = |end: &str, event: &str, when: Option<String>| {
        let when = when.map(|when| format!("({when})\n    AND ")).unwrap_or_default();
        let body = format!(
            "AFTER {event} ON {table} FOR EACH ROW\n    WHEN {when}NOT EXISTS (SELECT 1 FROM {watch} w WHERE w.at > datetime('now', '-10 seconds'))\nBEGIN\n    INSERT INTO {watch} (at) VALUES (datetime('now'));\nEND"
        );
        (watched.trigger_of_schema(scene, end), body)
    };
    let Some((column, successor)) = watched.column else {
        return ["INSERT", "UPDATE", "DELETE"]
            .map(|event| trigger(&event[..3].to_lowercase(), event, None))
            .into();
    };
    let q = |c: &Ident| watched.dialect.quote_if_needed(c);
    let inserted =
        watched.inserted(column, successor).map(|when| trigger("ins", "INSERT", Some(when)));
    let mut changed = vec![watched.changed(column)];
    match successor {
        // What follows the other name becomes the same.
        Some(successor) => changed.push(differ(
            &format!("NEW.{}", q(column)),
            &format!("NEW.{}", q(successor)),
            watched.ty(column),
            watched.dialect,
        )),
        None if watched.fed => changed.push(format!("OLD.{} IS NOT NULL", q(column))),
        None => {}
    }
    let event = format!("UPDATE OF {}", q(column));
    let updated = trigger("upd", &event, Some(changed.join(" AND ")));
    inserted.into_iter().chain([updated]).collect()
}

//! Watches on MariaDB and MySQL: triggers that run with the rights of who made them, before those that
//! keep columns in step, which would make every write look like one of both.

use downhaul_syntax::{Change, Dialect, Ident, parse_script};

use super::{Trigger, Watched};
use crate::op::Scene;
use crate::op::piece::{Piece, Side, Slot};

/// The first trigger for each event that the expand phase makes.
pub(super) fn synced(pieces: &[(Slot, Piece)], scene: &Scene<'_>) -> Vec<(String, Ident)> {
    let mut found: Vec<(String, Ident)> = Vec::new();
    if !scene.dialect().is_mysql_family() {
        return found;
    }
    for (_, piece) in pieces.iter().filter(|(slot, _)| *slot == Slot::EXPAND) {
        for sql in piece.up_sql() {
            for statement in &parse_script(&sql, Dialect::MariaDb).statements {
                for change in statement.changes() {
                    let Change::CreateTrigger { def, .. } = change else { continue };
                    let event = def.event.trim().to_ascii_uppercase();
                    if !found.iter().any(|(other, _)| *other == event) {
                        found.push((event, def.name.clone()));
                    }
                }
            }
        }
    }
    found
}

pub(super) fn create(watched: &Watched<'_>, side: &mut Side, why: &str) {
    side.sql(
        why,
        format!(
            "CREATE TABLE {} (n bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, at datetime NOT NULL) ENGINE=InnoDB COMMENT={}",
            watched.quoted(),
            watched.mark()
        ),
    );
}

pub(super) fn triggers(watched: &Watched<'_>, scene: &Scene<'_>) -> Vec<Trigger> {
    let (table, watch) = (watched.quoted_table(), watched.quoted());
    let trigger = |end: &str, event: &str, when: Option<String>| {
        let event = format!("BEFORE {event}");
        let before = watched.synced.iter().find(|(other, _)| *other == event);
        let before = before
            .map(|(_, name)| format!(" PRECEDES {}", watched.dialect.quote_if_needed(name)))
            .unwrap_or_default();
        let when = when.map(|when| format!("({when}) AND ")).unwrap_or_default();
        let body = format!(
            "{event} ON {table} FOR EACH ROW{before}\nBEGIN\n    IF {when}coalesce((SELECT w.at FROM {watch} w ORDER BY w.n DESC LIMIT 1) < UTC_TIMESTAMP() - INTERVAL 10 SECOND, TRUE) THEN\n        INSERT INTO {watch} (at) VALUES (UTC_TIMESTAMP());\n    END IF;\nEND"
        );
        (watched.trigger_of_schema(scene, end), body)
    };
    let Some((column, successor)) = watched.column else {
        return ["INSERT", "UPDATE", "DELETE"]
            .map(|event| trigger(&event[..3].to_lowercase(), event, None))
            .into();
    };
    let inserted =
        watched.inserted(column, successor).map(|when| trigger("ins", "INSERT", Some(when)));
    let updated = trigger("upd", "UPDATE", Some(watched.changed(column)));
    inserted.into_iter().chain([updated]).collect()
}

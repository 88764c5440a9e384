//! The plan of one table as a query. Pure.

use downhaul_syntax::{Dialect, Ident};

use crate::history::Past;
use crate::merge::OnConflict;
use crate::sql;
use crate::track::TrackedColumn;

const D: Dialect = Dialect::Postgres;

/// Temporary table with what keys were at the mark to which one returns.
pub(super) fn was(id: i64) -> String {
    format!("pg_temp.downhaul_was_{id}")
}

/// Temporary table with what keys were at the mark up to which work is undone.
pub(super) fn until(id: i64) -> String {
    format!("pg_temp.downhaul_until_{id}")
}

/// Temporary table with what has to change.
pub(super) fn name(id: i64) -> String {
    format!("pg_temp.downhaul_plan_{id}")
}

/// What a query needs to know.
pub(super) struct Query<'a> {
    pub(super) past: &'a Past<'a>,
    pub(super) id: i64,
    pub(super) live: String,
    /// Columns of the table that come back: the key and what was asked for.
    pub(super) wanted: Vec<&'a TrackedColumn>,
    /// Columns that the past of the second mark has.
    pub(super) known_until: Option<Vec<Ident>>,
    pub(super) policy: OnConflict,
    /// Only some columns come back, so no row comes or goes.
    pub(super) only_columns: bool,
    pub(super) filter: Option<&'a str>,
    /// Columns on which rows must differ, or that cannot be assigned.
    pub(super) unique: &'a [Ident],
}

fn differs(column: &TrackedColumn, left: &str, right: &str) -> String {
    let ty = if column.user_type { "" } else { column.ty.as_str() };
    sql::differs(D, &sql::exact(D, left, ty), &sql::exact(D, right, ty))
}

fn any(tests: Vec<String>) -> String {
    if tests.is_empty() { "false".to_owned() } else { format!("({})", tests.join(" OR ")) }
}

impl Query<'_> {
    fn quoted(column: &TrackedColumn) -> String {
        D.quote(&column.name)
    }

    /// The person's condition over a row, `false` where it is unknown.
    fn condition(&self, row: &str) -> String {
        match self.filter {
            None => "true".to_owned(),
            Some(filter) => {
                let columns: Vec<String> = self
                    .past
                    .columns
                    .iter()
                    .map(|c| format!("{row}.{0} AS {0}", Self::quoted(c)))
                    .collect();
                // On lines of its own: the condition may end with a comment.
                format!(
                    "coalesce((SELECT (\n{filter}\n) FROM (SELECT {}) AS downhaul_row), false)",
                    columns.join(", ")
                )
            }
        }
    }

    /// What has to change, of a table with a key: the key, `downhaul_action` (`I`, `U`, `D`, `-`
    /// for a conflict that is left), `downhaul_conflict`, `downhaul_moves`, `downhaul_changed` (the
    /// names of changed columns), and each column as it becomes.
    pub(super) fn keyed(&self) -> String {
        let key = self.past.key();
        let one = &key[0];
        let bad_known = format!("m.{one} IS NULL");
        let bad = |column: &TrackedColumn| {
            let name = Self::quoted(column);
            match &self.known_until {
                None => format!("l.{name}"),
                Some(known) if known.contains(&column.name) => {
                    format!("CASE WHEN {bad_known} THEN l.{name} ELSE m.{name} END")
                }
                Some(_) => format!("l.{name}"),
            }
        };
        let (base_there, now_there) = ("w.downhaul_was".to_owned(), format!("l.{one} IS NOT NULL"));
        let bad_there = if self.known_until.is_some() {
            format!("(CASE WHEN {bad_known} THEN {now_there} ELSE m.downhaul_was END)")
        } else {
            // A reset: whatever is there now is to be undone.
            now_there.clone()
        };
        let restore_old = self.policy == OnConflict::RestoreOld;

        // Columns of a row that was there all the time.
        let mut takes = Vec::new();
        let mut conflicts = Vec::new();
        for column in &self.wanted {
            let name = Self::quoted(column);
            let (base, now, bad) = (format!("w.{name}"), format!("l.{name}"), bad(column));
            let base_now = differs(column, &base, &now);
            if self.known_until.is_none() {
                takes.push((column, base_now));
                continue;
            }
            let base_bad = differs(column, &base, &bad);
            let bad_now = differs(column, &bad, &now);
            // As in `merge::column`.
            let conflict = format!("({base_bad} AND {bad_now} AND {base_now})");
            let take = if restore_old {
                format!("({base_bad} AND {base_now})")
            } else {
                format!("({base_bad} AND NOT ({bad_now}))")
            };
            takes.push((column, take));
            conflicts.push(conflict);
        }
        let take_any = any(takes.iter().map(|(_, test)| test.clone()).collect());
        let conflict_any = any(conflicts);
        let all: Vec<&TrackedColumn> = self.past.columns.clone();
        let rows_differ = |left: &dyn Fn(&TrackedColumn) -> String,
                           right: &dyn Fn(&TrackedColumn) -> String| {
            any(all.iter().map(|c| differs(c, &left(c), &right(c))).collect())
        };
        let base_of = |c: &TrackedColumn| format!("w.{}", Self::quoted(c));
        let now_of = |c: &TrackedColumn| format!("l.{}", Self::quoted(c));
        let bad_of = |c: &TrackedColumn| bad(c);

        // As in `merge::row`. Each case: condition, action, whether it is a conflict.
        let mut cases: Vec<(String, String, &str)> = Vec::new();
        let left = if restore_old { None } else { Some("'-'".to_owned()) };
        cases.push((
            format!("{base_there} AND {bad_there} AND {now_there}"),
            format!(
                "CASE WHEN {take_any} THEN 'U' {} END",
                if conflict_any == "false" {
                    String::new()
                } else {
                    format!("WHEN {conflict_any} THEN '-'")
                }
            ),
            conflict_any.as_str(),
        ));
        if !self.only_columns {
            if self.known_until.is_some() {
                let untouched = rows_differ(&base_of, &bad_of);
                cases.push((
                    format!("{base_there} AND {bad_there} AND NOT ({untouched})"),
                    "NULL".into(),
                    "false",
                ));
                cases.push((
                    format!("{base_there} AND {bad_there}"),
                    left.clone().unwrap_or_else(|| "'I'".into()),
                    "true",
                ));
                let written_again = rows_differ(&base_of, &now_of);
                cases.push((
                    format!("{base_there} AND {now_there} AND NOT ({written_again})"),
                    "NULL".into(),
                    "false",
                ));
                cases.push((
                    format!("{base_there} AND {now_there}"),
                    left.clone().unwrap_or_else(|| "'U'".into()),
                    "true",
                ));
            }
            cases.push((base_there.clone(), "'I'".into(), "false"));
            if self.known_until.is_some() {
                let written_since = rows_differ(&bad_of, &now_of);
                cases.push((
                    format!("{bad_there} AND {now_there} AND {written_since}"),
                    left.unwrap_or_else(|| "'D'".into()),
                    "true",
                ));
            }
            cases.push((format!("{bad_there} AND {now_there}"), "'D'".into(), "false"));
        }
        let action: String =
            cases.iter().map(|(when, then, _)| format!(" WHEN {when} THEN {then}")).collect();
        let conflict: String =
            cases.iter().map(|(when, _, yes)| format!(" WHEN {when} THEN {yes}")).collect();
        let whole_base = format!("NOT ({bad_there}) OR NOT ({now_there})");
        let targets: Vec<String> = all
            .iter()
            .map(|column| {
                let name = Self::quoted(column);
                let taken = takes.iter().find(|(c, _)| c.name == column.name);
                match taken {
                    // A reset takes every value, whether it differs or not.
                    Some(_) if self.known_until.is_none() => format!("w.{name} AS {name}"),
                    Some((_, take)) => format!(
                        "CASE WHEN {whole_base} OR {take} THEN w.{name} ELSE l.{name} END AS {name}"
                    ),
                    None => {
                        format!("CASE WHEN {now_there} THEN l.{name} ELSE w.{name} END AS {name}")
                    }
                }
            })
            .collect();
        let changed: Vec<String> = takes
            .iter()
            .map(|(column, take)| {
                format!("CASE WHEN {take} THEN {} END", D.literal(column.name.as_str()))
            })
            .collect();
        let changed = format!(
            "CASE WHEN {base_there} AND {now_there} THEN array_remove(ARRAY[{}]::text[], NULL) END",
            changed.join(", ")
        );
        let moves = any(takes
            .iter()
            .filter(|(c, _)| self.unique.contains(&c.name))
            .map(|(_, take)| take.clone())
            .collect());
        let keys: Vec<String> = key.iter().map(|k| format!("w.{k} AS {k}")).collect();
        let others: Vec<String> = targets
            .into_iter()
            .zip(&all)
            .filter(|(_, c)| !key.contains(&Self::quoted(c)))
            .map(|(target, _)| format!(", {target}"))
            .collect();
        let middle = if self.known_until.is_some() {
            format!(" LEFT JOIN {} m ON {}", until(self.id), self.past.join("m", "w"))
        } else {
            String::new()
        };
        let filter = match self.filter {
            None => String::new(),
            Some(_) => format!(
                " AND (w.downhaul_was AND {} OR {now_there} AND {})",
                self.condition("w"),
                self.condition("l")
            ),
        };
        format!(
            "SELECT * FROM (SELECT {keys}, CASE{action} END AS downhaul_action, CASE{conflict} ELSE false END AS downhaul_conflict, \
               {base_there} AND {now_there} AND {moves} AS downhaul_moves, {changed} AS downhaul_changed{others} \
             FROM {was} w LEFT JOIN {live} l ON {join}{middle} WHERE true{filter}) p WHERE downhaul_action IS NOT NULL",
            keys = keys.join(", "),
            others = others.concat(),
            was = was(self.id),
            live = self.live,
            join = self.past.join("l", "w"),
        )
    }

    /// The same for a table without a key: `downhaul_content`, `downhaul_net` (rows to add, or to
    /// take away), `downhaul_now` (rows of it now), `downhaul_conflict` (rows to take away that are
    /// no longer there), and the columns.
    pub(super) fn keyless(&self) -> String {
        let names: Vec<String> = self.past.columns.iter().map(|c| Self::quoted(c)).collect();
        let content = self.past.content("l");
        let source = if self.known_until.is_some() {
            let columns: Vec<String> =
                names.iter().map(|n| format!("coalesce(w.{n}, m.{n}) AS {n}")).collect();
            format!(
                "SELECT coalesce(w.downhaul_content, m.downhaul_content) AS downhaul_content, \
                   coalesce(w.downhaul_net, 0) - coalesce(m.downhaul_net, 0) AS downhaul_net, {} \
                 FROM {} w FULL JOIN {} m ON m.downhaul_content = w.downhaul_content",
                columns.join(", "),
                was(self.id),
                until(self.id)
            )
        } else {
            format!(
                "SELECT downhaul_content, downhaul_net, {} FROM {} w",
                names.join(", "),
                was(self.id)
            )
        };
        let columns: Vec<String> = names.iter().map(|n| format!("s.{n}")).collect();
        format!(
            "SELECT s.downhaul_content, greatest(s.downhaul_net, -coalesce(n.rows, 0))::bigint AS downhaul_net, coalesce(n.rows, 0) AS downhaul_now, \
               (-s.downhaul_net - coalesce(n.rows, 0) > 0) AS downhaul_conflict, {columns} \
             FROM ({source}) s LEFT JOIN (SELECT {content} AS content, count(*) AS rows FROM {live} l \
               WHERE {content} IN (SELECT downhaul_content FROM ({source}) c) GROUP BY 1) n ON n.content = s.downhaul_content \
             WHERE s.downhaul_net <> 0 AND {filter}",
            columns = columns.join(", "),
            live = self.live,
            filter = self.condition("s"),
        )
    }
}

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
    /// What keys were at the mark to which one returns: [`was`], or a query in parentheses.
    pub(super) was: String,
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

/// Columns whose changes one number tells, a bit each.
pub(super) const MASK: usize = 60;

/// Names of the numbers that tell which of so many columns change.
pub(super) fn masks(columns: usize) -> Vec<String> {
    (0..columns.div_ceil(MASK).max(1)).map(|n| format!("downhaul_changed_{n}")).collect()
}

/// The numbers themselves: a bit for each test that holds.
pub(super) fn bits(tests: &[String]) -> Vec<String> {
    let of = |chunk: &[String]| {
        let bits: Vec<String> = chunk
            .iter()
            .enumerate()
            .map(|(bit, test)| format!("CASE WHEN {test} THEN {}::bigint ELSE 0 END", 1_i64 << bit))
            .collect();
        bits.join(" | ")
    };
    tests.chunks(MASK).map(of).collect()
}

/// A test that one of these columns changes.
pub(super) fn moves<'a>(columns: impl Iterator<Item = &'a Ident>, unique: &[Ident]) -> String {
    let changed = columns.enumerate().filter(|(_, name)| unique.contains(name));
    any(changed.map(|(at, _)| changes(at)).collect())
}

/// Columns of a plan over so many columns that tell what kind a row is of.
pub(super) fn kinds(columns: usize) -> String {
    format!("downhaul_action, downhaul_conflict, downhaul_moves, {}", masks(columns).join(", "))
}

/// A test that the column at this place changes.
pub(super) fn changes(at: usize) -> String {
    format!("downhaul_changed_{} & {}::bigint <> 0", at / MASK, 1_i64 << (at % MASK))
}

pub(super) fn differs(column: &TrackedColumn, left: &str, right: &str) -> String {
    let ty = if column.user_type { "" } else { column.ty.as_str() };
    sql::differs_exactly(left, right, ty)
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
    /// for a conflict that is left), `downhaul_conflict`, `downhaul_moves`, `downhaul_changed_0`…
    /// (a bit for each of [`MASK`] columns that change), and each column as it becomes.
    pub(super) fn keyed(&self) -> String {
        let key = self.past.key();
        let one = &key[0];
        let bad_known = format!("m.{one} IS NULL");
        let bad = |column: &TrackedColumn| {
            let name = Self::quoted(column);
            match &self.known_until {
                Some(known) if known.contains(&column.name) => {
                    format!("CASE WHEN {bad_known} THEN l.{name} ELSE m.{name} END")
                }
                _ => format!("l.{name}"),
            }
        };
        let since = self.known_until.is_some();
        let (base_there, now_there) = ("w.downhaul_was", format!("l.{one} IS NOT NULL"));
        let bad_there = if since {
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
            if !since {
                takes.push((*column, base_now));
                continue;
            }
            let base_bad = differs(column, &base, &bad);
            let bad_now = differs(column, &bad, &now);
            // As in `merge::column`.
            conflicts.push(format!("({base_bad} AND {bad_now} AND {base_now})"));
            takes.push((
                *column,
                if restore_old {
                    // A row that was gone comes back as a whole, with its NULLs.
                    format!("(({base_bad} OR NOT {bad_there}) AND {base_now})")
                } else {
                    format!("({base_bad} AND NOT ({bad_now}))")
                },
            ));
        }
        // The inner query compares, each value once; the outer one decides.
        let mut inner: Vec<String> = key.iter().map(|k| format!("w.{k} AS {k}")).collect();
        inner.push(format!("{base_there} AS downhaul_base"));
        inner.push(format!("{bad_there} AS downhaul_bad"));
        inner.push(format!("{now_there} AS downhaul_now"));
        let masks = masks(takes.len());
        let tests: Vec<String> = takes.iter().map(|(_, take)| take.clone()).collect();
        for (bits, mask) in bits(&tests).iter().zip(&masks) {
            inner.push(format!(
                "CASE WHEN {base_there} AND {now_there} THEN {bits} ELSE 0 END AS {mask}"
            ));
        }
        let all = &self.past.columns;
        let rows_differ = |left: &dyn Fn(&TrackedColumn) -> String,
                           right: &dyn Fn(&TrackedColumn) -> String| {
            any(all.iter().map(|c| differs(c, &left(c), &right(c))).collect())
        };
        let base_of = |c: &TrackedColumn| format!("w.{}", Self::quoted(c));
        let now_of = |c: &TrackedColumn| format!("l.{}", Self::quoted(c));
        if since {
            let (b, d, n) = (base_there, &bad_there, &now_there);
            inner.push(format!(
                "CASE WHEN {b} AND {d} AND {n} THEN {} END AS downhaul_both",
                any(conflicts)
            ));
            if !self.only_columns {
                inner.push(format!(
                    "CASE WHEN {b} AND {d} AND NOT {n} THEN {} END AS downhaul_touched",
                    rows_differ(&base_of, &bad)
                ));
                inner.push(format!(
                    "CASE WHEN {b} AND NOT {d} AND {n} THEN {} END AS downhaul_again",
                    rows_differ(&base_of, &now_of)
                ));
                inner.push(format!(
                    "CASE WHEN NOT {b} AND {d} AND {n} THEN {} END AS downhaul_since",
                    rows_differ(&bad, &now_of)
                ));
            }
        }
        let whole_base = format!("NOT ({bad_there}) OR NOT ({now_there})");
        for column in all.iter().filter(|c| !key.contains(&Self::quoted(c))) {
            let name = Self::quoted(column);
            let taken = takes.iter().find(|(c, _)| c.name == column.name);
            inner.push(match taken {
                // A reset takes every value, whether it differs or not.
                Some(_) if !since => format!("w.{name} AS {name}"),
                Some((_, take)) => format!(
                    "CASE WHEN {whole_base} OR {take} THEN w.{name} ELSE l.{name} END AS {name}"
                ),
                None => format!("CASE WHEN {now_there} THEN l.{name} ELSE w.{name} END AS {name}"),
            });
        }
        let (action, conflict) = self.verdicts(&masks);
        let moves = moves(takes.iter().map(|(column, _)| &column.name), self.unique);
        let others: String = if self.past.is_composite() {
            format!(", {} AS downhaul_row", self.past.pack(Self::quoted))
        } else {
            let rest = all.iter().map(|c| Self::quoted(c)).filter(|name| !key.contains(name));
            rest.map(|name| format!(", {name}")).collect()
        };
        let middle = until(self.id);
        let states = self.past.beside(
            (&self.was, "w", "downhaul_was"),
            &self.live,
            since.then_some((middle.as_str(), "m", "downhaul_was")),
        );
        let filter = match self.filter {
            None => String::new(),
            Some(_) => format!(
                " WHERE w.downhaul_was AND {} OR {now_there} AND {}",
                self.condition("w"),
                self.condition("l")
            ),
        };
        format!(
            "SELECT * FROM (SELECT {keys}, {action} AS downhaul_action, {conflict} AS downhaul_conflict, \
               downhaul_base AND downhaul_now AND {moves} AS downhaul_moves, {masks}{others} \
             FROM (SELECT {inner} FROM {states}{filter} OFFSET 0) i) p WHERE downhaul_action IS NOT NULL",
            keys = key.join(", "),
            masks = masks.join(", "),
            inner = inner.join(", "),
        )
    }

    /// Action and conflict of a row, as in `merge::row`.
    fn verdicts(&self, masks: &[String]) -> (String, String) {
        let since = self.known_until.is_some();
        // One byte: it is grouped and compared a million times.
        let letter = |action: char| format!("'{action}'::\"char\"");
        let left =
            |action| letter(if self.policy == OnConflict::RestoreOld { action } else { '-' });
        let taken = any(masks.iter().map(|mask| format!("{mask} <> 0")).collect());
        let (both, stays) = if since {
            ("downhaul_both", format!(" WHEN downhaul_both THEN {}", letter('-')))
        } else {
            ("false", String::new())
        };
        // Condition, action, conflict.
        let mut cases: Vec<(&str, String, &str)> = vec![(
            "downhaul_base AND downhaul_bad AND downhaul_now",
            format!("CASE WHEN {taken} THEN {}{stays} END", letter('U')),
            both,
        )];
        if !self.only_columns {
            if since {
                cases.extend([
                    (
                        "downhaul_base AND downhaul_bad AND NOT downhaul_touched",
                        "NULL".into(),
                        "false",
                    ),
                    ("downhaul_base AND downhaul_bad", left('I'), "true"),
                    (
                        "downhaul_base AND downhaul_now AND NOT downhaul_again",
                        "NULL".into(),
                        "false",
                    ),
                    ("downhaul_base AND downhaul_now", left('U'), "true"),
                ]);
            }
            cases.push(("downhaul_base", letter('I'), "false"));
            if since {
                cases.push(("downhaul_bad AND downhaul_now AND downhaul_since", left('D'), "true"));
            }
            cases.push(("downhaul_bad AND downhaul_now", letter('D'), "false"));
        }
        let action: String =
            cases.iter().map(|(when, then, _)| format!(" WHEN {when} THEN {then}")).collect();
        let conflict: String =
            cases.iter().map(|(when, _, yes)| format!(" WHEN {when} THEN {yes}")).collect();
        (format!("CASE{action} END"), format!("CASE{conflict} ELSE false END"))
    }

    /// The same for a table without a key: `downhaul_content`, `downhaul_net` (rows to add, or to
    /// take away), `downhaul_now` (rows of it now), `downhaul_conflict` (rows to take away that are
    /// no longer there), and the columns.
    pub(super) fn keyless(&self) -> String {
        let names = self.past.carried();
        let content = self.past.content("l");
        let source = if self.known_until.is_some() {
            let columns: Vec<String> =
                names.iter().map(|n| format!(", coalesce(w.{n}, m.{n}) AS {n}")).collect();
            format!(
                "SELECT coalesce(w.downhaul_content, m.downhaul_content) AS downhaul_content, \
                   coalesce(w.downhaul_net, 0) - coalesce(m.downhaul_net, 0) AS downhaul_net{} \
                 FROM {} w FULL JOIN {} m ON m.downhaul_content = w.downhaul_content",
                columns.concat(),
                was(self.id),
                until(self.id)
            )
        } else {
            let columns: String = names.iter().map(|n| format!(", {n}")).collect();
            format!("SELECT downhaul_content, downhaul_net{columns} FROM {} w", was(self.id))
        };
        let columns: String = names.iter().map(|n| format!(", s.{n}")).collect();
        let rows = if self.filter.is_some() {
            let own = ["downhaul_content", "downhaul_net", "downhaul_row"];
            self.past.opened(&format!("({source})"), &own)
        } else {
            format!("({source})")
        };
        format!(
            "SELECT s.downhaul_content, greatest(s.downhaul_net, -coalesce(n.rows, 0))::bigint AS downhaul_net, coalesce(n.rows, 0) AS downhaul_now, \
               (-s.downhaul_net - coalesce(n.rows, 0) > 0) AS downhaul_conflict{columns} \
             FROM {rows} s LEFT JOIN (SELECT {content} AS content, count(*) AS rows FROM {live} l \
               WHERE {content} IN (SELECT downhaul_content FROM ({source}) c) GROUP BY 1) n ON n.content = s.downhaul_content \
             WHERE s.downhaul_net <> 0 AND {filter}",
            live = self.live,
            filter = self.condition("s"),
        )
    }
}

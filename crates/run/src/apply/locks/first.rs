//! The locks with which a transaction begins.
//!
//! A file changes one table and then another, and holds the first while it waits for the second. A writer who
//! holds that one, and came for the first while the transaction was not yet waiting, is looked at by the server
//! before it (manual, `deadlock_timeout`: a second from the begin of a wait), and ended. So all tables of a
//! transaction are locked before its first statement; where one of its statements may take long, only those that
//! are locked until then, since the others would stand still all the while.

use std::collections::BTreeMap;
use std::time::Duration;

use downhaul_engine::{EngineError, Session, Wanted, lock_tables};
use downhaul_snapshot::keep::{Endangered, lock_of};
use downhaul_syntax::{Change, Dialect, ObjectName, Statement};

use super::locked_together;
use crate::prepare::{Foreseen, Prepared};

/// Longest wait for a lock by a transaction that holds one already.
const GIVES_WAY: Duration = Duration::from_millis(500);

/// More tables than these are locked one after the other: there may never be a moment in which all are free.
const MANY: usize = 32;

/// Modes that keep writers waiting, the weaker ones first (manual, 13.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Mode {
    Share,
    ShareRowExclusive,
    Exclusive,
    AccessExclusive,
}

impl Mode {
    fn of(text: &str) -> Option<Self> {
        match text.to_ascii_uppercase().as_str() {
            "SHARE" => Some(Self::Share),
            "SHARE ROW EXCLUSIVE" => Some(Self::ShareRowExclusive),
            "EXCLUSIVE" => Some(Self::Exclusive),
            "ACCESS EXCLUSIVE" => Some(Self::AccessExclusive),
            _ => None,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Share => "SHARE",
            Self::ShareRowExclusive => "SHARE ROW EXCLUSIVE",
            Self::Exclusive => "EXCLUSIVE",
            Self::AccessExclusive => "ACCESS EXCLUSIVE",
        }
    }
}

/// Tables that a transaction has to lock before its statements do.
pub(in crate::apply) enum Needed<'t> {
    /// They hold nothing, and go or lose columns.
    Empty(&'t [ObjectName]),
    /// What they lose is kept.
    Kept(&'t [Endangered]),
}

/// Tables and their locks, in the order in which they are named.
#[derive(Debug, Default)]
struct Locks(Vec<(ObjectName, Mode)>);

impl Locks {
    fn add(&mut self, table: &ObjectName, mode: Mode) {
        match self.0.iter_mut().find(|(known, _)| same(known, table)) {
            Some((_, known)) => *known = mode.max(*known),
            None => self.0.push((table.clone(), mode)),
        }
    }

    fn has(&self, table: &ObjectName) -> bool {
        self.0.iter().any(|(known, _)| same(known, table))
    }

    /// What is needed, with what statements lock.
    fn of<'s>(
        needed: &Needed<'_>,
        statements: impl Iterator<Item = (&'s Statement, Option<&'s Foreseen>)> + Clone,
    ) -> Self {
        let mut found = Self::default();
        match needed {
            Needed::Empty(names) => {
                names.iter().for_each(|name| found.add(name, Mode::AccessExclusive));
            }
            Needed::Kept(endangered) => {
                for table in *endangered {
                    found.add(
                        &table.shape.name,
                        Mode::of(lock_of(table)).unwrap_or(Mode::AccessExclusive),
                    );
                }
            }
        }
        let mut all = Self(found.0.clone());
        for (_, foreseen) in statements.clone() {
            let Some(foreseen) = foreseen else { break };
            for lock in &foreseen.locks {
                if let Some(mode) = Mode::of(&lock.mode) {
                    all.add(&lock.table, mode);
                }
            }
            if foreseen.lasts {
                break;
            }
        }
        if all.0.len() <= MANY {
            found = all;
        }
        // Tables that a statement locks together are locked so, wherever it stands.
        for (statement, _) in statements.clone() {
            if let Some((tables, mode)) = locked_together(statement)
                && let Some(mode) = Mode::of(mode)
                && tables.iter().any(|table| found.has(table))
            {
                tables.iter().for_each(|table| found.add(table, mode));
            }
        }
        // A lock is not to become stronger while others are held.
        for change in statements.flat_map(|(statement, _)| statement.changes()) {
            if let Change::LockTable { tables, mode } = change
                && let Some(mode) = Mode::of(mode)
            {
                let known = tables.iter().filter(|table| found.has(table)).collect::<Vec<_>>();
                known.into_iter().for_each(|table| found.add(table, mode));
            }
        }
        found
    }
}

/// A table under two names, of which one may leave the schema to the search path.
fn same(one: &ObjectName, other: &ObjectName) -> bool {
    let schema = one.schema.is_none() || other.schema.is_none() || one.schema == other.schema;
    one.name == other.name && schema
}

/// What statements take away, for [`THERE`]: a foreign key that goes with it locks the table at its other end as
/// well (its triggers stand there), in the order in which the server comes to it.
fn gone<'s>(statements: impl Iterator<Item = &'s Statement>) -> Vec<String> {
    let quoted = |table: &ObjectName| Dialect::Postgres.quote_name(table);
    let mut found = Vec::new();
    for change in statements.flat_map(Statement::changes) {
        match change {
            Change::DropTable { name, .. } => found.push(format!("{}\u{2}t", quoted(name))),
            Change::DropConstraint { table, name, .. } => {
                found.push(format!("{}\u{2}k\u{2}{}", quoted(table), name.as_str()));
            }
            Change::DropColumn { table, column, .. } => {
                found.push(format!("{}\u{2}c\u{2}{}", quoted(table), column.as_str()));
            }
            _ => {}
        }
    }
    found
}

/// The statements up to the first one that may take long.
fn short<'p>(prepared: &'p Prepared, members: &'p [usize]) -> impl Iterator<Item = &'p Statement> {
    members
        .iter()
        .take_while(|index| prepared.foreseen.get(**index).is_some_and(|found| !found.lasts))
        .map(|index| &prepared.statements[*index])
}

fn locks(needed: &Needed<'_>, prepared: &Prepared, members: &[usize]) -> Locks {
    let statements =
        members.iter().map(|index| (&prepared.statements[*index], prepared.foreseen.get(*index)));
    Locks::of(needed, statements)
}

/// Whether a transaction locks several tables, or may do so, whatever it needs before.
pub(in crate::apply) fn locks_several(prepared: &Prepared, members: &[usize]) -> bool {
    locks(&Needed::Empty(&[]), prepared, members).0.len() > 1
        || !gone(short(prepared, members)).is_empty()
}

/// Takes the locks with which a transaction begins, if there are several (PostgreSQL): those of tables that are
/// needed before its statements, and of these. Tables that the transaction makes itself are locked by whoever
/// makes them, and those that we may not lock by the statement that does. Whether they were taken.
pub(in crate::apply) async fn at_first(
    session: &mut dyn Session,
    needed: Needed<'_>,
    (prepared, members): (&Prepared, &[usize]),
    lock_timeout: Duration,
) -> Result<bool, EngineError> {
    let dialect = Dialect::Postgres;
    if session.dialect() != dialect {
        return Ok(false);
    }
    let Locks(locks) = locks(&needed, prepared, members);
    let gone = if locks.len() <= MANY { gone(short(prepared, members)) } else { Vec::new() };
    if locks.is_empty() || locks.len() < 2 && gone.is_empty() {
        return Ok(false);
    }
    let names: Vec<String> = locks.iter().map(|(name, _)| dialect.quote_name(name)).collect();
    let about = [names.join("\u{1}"), gone.join("\u{1}")].join("\u{3}");
    let there = session.ask(&[THERE], &about).await?;
    // The same table may have two names.
    let mut wanted: BTreeMap<String, (i64, Mode)> = BTreeMap::new();
    for row in &there {
        let place = row.number(0)?;
        let named = usize::try_from(place - 1).ok().and_then(|at| locks.get(at));
        let mode = named.map_or(Mode::AccessExclusive, |(_, mode)| *mode);
        let known = wanted.entry(row.text(1).to_owned()).or_insert((place, mode));
        known.1 = known.1.max(mode);
    }
    if wanted.len() < 2 {
        return Ok(false);
    }
    let mut wanted: Vec<(String, (i64, Mode))> = wanted.into_iter().collect();
    wanted.sort_by_key(|(_, (place, _))| *place);
    let wanted: Vec<Wanted> =
        wanted.into_iter().map(|(name, (_, mode))| (name, mode.as_str().to_owned())).collect();
    let wait = lock_timeout.min(GIVES_WAY);
    session.execute(&format!("SET LOCAL lock_timeout = {}", wait.as_millis())).await?;
    lock_tables(session, &wanted).await?;
    Ok(true)
}

/// Which of the tables `$1` are there and may be locked by us, by their number, with their full names; behind
/// the separator, of what goes ([`gone`]), those at the other ends of foreign keys, by a number behind all.
const THERE: &str = "SELECT w.n, pg_catalog.format('%I.%I', s.nspname, c.relname) \
     FROM (SELECT v.n, pg_catalog.to_regclass(v.name)::pg_catalog.oid AS oid \
         FROM unnest(string_to_array(split_part($1, chr(3), 1), chr(1))) WITH ORDINALITY v (name, n) \
       UNION ALL SELECT 1000000, CASE WHEN f.conrelid = g.oid THEN f.confrelid ELSE f.conrelid END \
         FROM (SELECT pg_catalog.to_regclass(split_part(e, chr(2), 1))::pg_catalog.oid AS oid, split_part(e, chr(2), 2) AS kind, split_part(e, chr(2), 3) AS name \
           FROM unnest(string_to_array(split_part($1, chr(3), 2), chr(1))) e) g \
         JOIN pg_catalog.pg_constraint f ON f.contype = 'f' AND f.conrelid <> f.confrelid AND (g.oid = f.conrelid OR g.oid = f.confrelid) \
         WHERE g.kind = 't' OR g.oid = f.conrelid AND (g.kind = 'k' AND f.conname = g.name \
           OR g.kind = 'c' AND EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = g.oid AND a.attnum = ANY (f.conkey) AND a.attname = g.name))) w \
     JOIN pg_catalog.pg_class c ON c.oid = w.oid \
     JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace \
     WHERE c.relkind IN ('r', 'p') AND (pg_catalog.has_table_privilege(c.oid, 'UPDATE') \
       OR pg_catalog.has_table_privilege(c.oid, 'DELETE') OR pg_catalog.has_table_privilege(c.oid, 'TRUNCATE')) \
     ORDER BY w.n";

#[cfg(test)]
mod tests {
    use downhaul_engine::TableLock;
    use downhaul_syntax::{Ident, parse_script};

    use super::*;

    fn table(name: &str) -> ObjectName {
        ObjectName { schema: None, name: Ident::stored(Dialect::Postgres, name) }
    }

    /// The locks of statements, each with a table, a mode, and whether it lasts.
    fn locks_of(empty: &[&str], all: &[(&str, &str, &str, bool)]) -> Vec<(String, Mode)> {
        let scripts: Vec<_> =
            all.iter().map(|(sql, ..)| parse_script(sql, Dialect::Postgres)).collect();
        let foreseen: Vec<Foreseen> = all
            .iter()
            .map(|(_, name, mode, lasts)| Foreseen {
                locks: vec![TableLock { table: table(name), mode: (*mode).to_owned() }],
                lasts: *lasts,
            })
            .collect();
        let statements = scripts.iter().map(|script| &script.statements[0]);
        let empty: Vec<ObjectName> = empty.iter().map(|name| table(name)).collect();
        let found = Locks::of(&Needed::Empty(&empty), statements.zip(foreseen.iter().map(Some)));
        found.0.into_iter().map(|(name, mode)| (name.to_string(), mode)).collect()
    }

    const ADD_A: (&str, &str, &str, bool) =
        ("ALTER TABLE a ADD COLUMN x int", "a", "ACCESS EXCLUSIVE", false);
    const ADD_B: (&str, &str, &str, bool) =
        ("ALTER TABLE b ADD COLUMN x int", "b", "ACCESS EXCLUSIVE", false);

    #[test]
    fn all_tables_until_a_statement_lasts() {
        let of = |name: &str, mode| (name.to_owned(), mode);
        assert_eq!(
            locks_of(&[], &[ADD_A, ADD_B]),
            [of("a", Mode::AccessExclusive), of("b", Mode::AccessExclusive)]
        );
        let index = ("CREATE INDEX ON b (x)", "b", "SHARE", true);
        let light = ("COMMENT ON TABLE c IS 'x'", "c", "SHARE UPDATE EXCLUSIVE", false);
        assert_eq!(
            locks_of(&[], &[light, ADD_A, index, ADD_B]),
            [of("a", Mode::AccessExclusive), of("b", Mode::Share)]
        );
        let update = ("UPDATE c SET x = 1", "c", "ROW EXCLUSIVE", true);
        assert_eq!(locks_of(&[], &[update, ADD_A, ADD_B]), []);
    }

    #[test]
    fn what_is_locked_together_is_so_wherever_it_stands() {
        let of = |name: &str, mode| (name.to_owned(), mode);
        let update = ("UPDATE c SET x = 1", "c", "ROW EXCLUSIVE", true);
        let lock = ("LOCK TABLE a, b IN EXCLUSIVE MODE", "c", "ROW EXCLUSIVE", false);
        assert_eq!(
            locks_of(&["b"], &[update, lock]),
            [of("b", Mode::AccessExclusive), of("a", Mode::Exclusive)]
        );
        assert_eq!(locks_of(&["d"], &[update, lock]), [of("d", Mode::AccessExclusive)]);
    }
}

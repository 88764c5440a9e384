//! The foreign keys between the tables of a restore: in which order rows go and come, and which keys are in
//! the way of any order.
//!
//! A key that says `NO ACTION` waits for the end of the transaction ([`super::apply`]). One that says
//! `RESTRICT`, or does something to the rows that refer, cannot be made to wait (PostgreSQL manual, CREATE
//! TABLE, REFERENCES): where no order of the tables suits it, it is taken off and put back, with every row
//! that has it looked at once more.

use std::collections::{BTreeMap, BTreeSet};

use downhaul_engine::Session;
use downhaul_syntax::{Dialect, Ident};

use super::apply::Back;
use super::plan::TablePlan;
use super::statement;
use crate::history::Past;
use crate::sql;
use crate::store::SnapshotError;

const D: Dialect = Dialect::Postgres;

/// A foreign key that touches a table of the plan.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    oid: i64,
    pub(super) name: String,
    pub(super) child: i64,
    pub(super) child_name: String,
    pub(super) parent: i64,
    pub(super) columns: Vec<(String, String)>,
    /// The columns referred to.
    referred: Vec<Ident>,
    /// `ON DELETE CASCADE`, `SET NULL`, `SET DEFAULT`.
    pub(super) acts: bool,
    /// `NO ACTION`: can wait.
    pub(super) waits: bool,
    pub(super) deferrable: bool,
    /// Was taken off for the time of the restore.
    pub(super) off: bool,
}

impl Reference {
    /// Whether a row of `relation` cannot be taken out for a moment for it.
    pub(super) fn holds(&self, relation: i64) -> bool {
        self.parent == relation && !self.waits && !self.off
    }
}

/// The foreign keys of the tables, and those that refer to them.
pub(super) async fn references(
    session: &mut dyn Session,
    tables: &[&TablePlan],
) -> Result<Vec<Reference>, SnapshotError> {
    if tables.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<String> = tables.iter().map(|t| t.tracked.relation.to_string()).collect();
    let list = ids.join(", ");
    let rows = session
        .rows(&format!(
            "SELECT k.oid, pg_catalog.format('%I', k.conname), k.conrelid, pg_catalog.format('%I.%I', n.nspname, c.relname), k.confrelid, \
               k.confdeltype IN ('c','n','d'), k.confdeltype = 'a', k.condeferrable, \
               pg_catalog.format('%I', a.attname), pg_catalog.format('%I', r.attname), r.attname \
             FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             CROSS JOIN LATERAL unnest(k.conkey, k.confkey) WITH ORDINALITY AS u(own, other, place) \
             JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.own \
             JOIN pg_catalog.pg_attribute r ON r.attrelid = k.confrelid AND r.attnum = u.other \
             WHERE k.contype = 'f' AND k.conparentid = 0 AND (k.conrelid IN ({list}) OR k.confrelid IN ({list})) ORDER BY k.oid, u.place"
        ))
        .await?;
    let mut found: Vec<Reference> = Vec::new();
    for row in &rows {
        let oid = row.number(0)?;
        if found.last().is_none_or(|last| last.oid != oid) {
            found.push(Reference {
                oid,
                name: row.text(1).to_owned(),
                child: row.number(2)?,
                child_name: row.text(3).to_owned(),
                parent: row.number(4)?,
                columns: Vec::new(),
                referred: Vec::new(),
                acts: row.flag(5),
                waits: row.flag(6),
                deferrable: row.flag(7),
                off: false,
            });
        }
        if let Some(last) = found.last_mut() {
            last.columns.push((row.text(8).to_owned(), row.text(9).to_owned()));
            last.referred.push(Ident::stored(D, row.text(10)));
        }
    }
    Ok(found)
}

/// The tables in groups, children before their parents; those of a group refer to each other in a circle.
pub(super) fn circles<'a>(
    tables: &[&'a TablePlan],
    references: &[Reference],
) -> Vec<Vec<&'a TablePlan>> {
    let places: BTreeMap<i64, usize> =
        tables.iter().enumerate().map(|(at, t)| (t.tracked.relation, at)).collect();
    let mut children: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); tables.len()];
    for reference in references {
        if let (Some(&child), Some(&parent)) =
            (places.get(&reference.child), places.get(&reference.parent))
            && child != parent
        {
            children[parent].insert(child);
        }
    }
    groups(&children)
        .into_iter()
        .map(|group| group.into_iter().map(|at| tables[at]).collect())
        .collect()
}

/// The strongly connected components of a graph, each behind those to which its edges lead (Tarjan, without
/// recursion: a chain may be as long as there are tables).
fn groups(edges: &[BTreeSet<usize>]) -> Vec<Vec<usize>> {
    const UNSEEN: usize = usize::MAX;
    let (mut number, mut low) = (vec![UNSEEN; edges.len()], vec![0; edges.len()]);
    let (mut open, mut is_open) = (Vec::new(), vec![false; edges.len()]);
    let (mut found, mut next) = (Vec::new(), 0);
    for start in 0..edges.len() {
        if number[start] != UNSEEN {
            continue;
        }
        let mut path = vec![(start, edges[start].iter())];
        (number[start], low[start], is_open[start]) = (next, next, true);
        open.push(start);
        next += 1;
        while let Some((at, rest)) = path.last_mut() {
            let at = *at;
            if let Some(&to) = rest.next() {
                if number[to] == UNSEEN {
                    (number[to], low[to], is_open[to]) = (next, next, true);
                    open.push(to);
                    next += 1;
                    path.push((to, edges[to].iter()));
                } else if is_open[to] {
                    low[at] = low[at].min(number[to]);
                }
                continue;
            }
            path.pop();
            if let Some((before, _)) = path.last() {
                low[*before] = low[*before].min(low[at]);
            }
            if low[at] == number[at] {
                let from = open.iter().rposition(|one| *one == at).unwrap_or(0);
                let mut group = open.split_off(from);
                for one in &group {
                    is_open[*one] = false;
                }
                group.sort_unstable();
                found.push(group);
            }
        }
    }
    found
}

/// Marks the keys within a circle that cannot wait: whatever table comes first, its rows may be held by, or
/// take along, rows of another whose turn has not come.
pub(super) fn within_circles(groups: &[Vec<&TablePlan>], references: &[Reference]) -> Vec<usize> {
    let mut place = BTreeMap::new();
    for (number, group) in groups.iter().enumerate().filter(|(_, group)| group.len() > 1) {
        for table in group {
            place.insert(table.tracked.relation, (number, table.deletes > 0));
        }
    }
    let in_circle = |r: &Reference| match (place.get(&r.parent), place.get(&r.child)) {
        (Some((parent, goes)), Some((child, _))) => *goes && parent == child && r.parent != r.child,
        _ => false,
    };
    references
        .iter()
        .enumerate()
        .filter(|(_, r)| !r.waits && in_circle(r))
        .map(|(at, _)| at)
        .collect()
}

/// Keys that refer to a value which a row that goes hands over to one that comes: whoever refers to it is to
/// stay, though the row is gone in between.
pub(super) async fn handed_over(
    session: &mut dyn Session,
    table: &TablePlan,
    past: &Past<'_>,
    references: &[Reference],
) -> Result<Vec<usize>, SnapshotError> {
    let mut found = Vec::new();
    let key = &table.tracked.current().key;
    if table.deletes == 0 || table.inserts + table.updates == 0 || key.is_empty() {
        return Ok(found);
    }
    let plan = statement::name(table.tracked.id);
    let own = ["downhaul_action"];
    for (at, reference) in references.iter().enumerate() {
        let of_the_past = |name: &Ident| past.columns.iter().any(|c| c.name == *name);
        // What goes and what comes have different keys.
        if !reference.holds(table.tracked.relation)
            || key.iter().all(|name| reference.referred.contains(name))
            || !reference.referred.iter().all(of_the_past)
        {
            continue;
        }
        let same: Vec<String> =
            reference.referred.iter().map(|name| format!("n.{0} = l.{0}", D.quote(name))).collect();
        let row = session
            .row(&format!(
                "SELECT EXISTS (SELECT FROM {live} l JOIN {plan} p ON {going} AND p.downhaul_action = 'D' \
                   JOIN {coming} n ON n.downhaul_action IN ('I', 'U') AND {same})",
                live = table.tracked.live(),
                going = sql::keys_match(D, "l", key, "p", key),
                coming = past.opened(&plan, &own),
                same = same.join(" AND "),
            ))
            .await?;
        if row.is_some_and(|row| row.flag(0)) {
            found.push(at);
        }
    }
    Ok(found)
}

/// Takes foreign keys off, and says how they are put back. One whose checks somebody has switched off stays:
/// put back, it would check again.
pub(super) async fn take_off(
    session: &mut dyn Session,
    which: &BTreeSet<usize>,
    references: &mut [Reference],
    back: &mut Back,
) -> Result<Vec<String>, SnapshotError> {
    let mut notes = Vec::new();
    for at in which {
        let reference = &mut references[*at];
        let (child, name) = (&reference.child_name, &reference.name);
        let row = session
            .row(&format!(
                "SELECT pg_catalog.pg_get_constraintdef(k.oid), pg_catalog.quote_literal(pg_catalog.obj_description(k.oid, 'pg_constraint')), \
                   EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgconstraint = k.oid AND t.tgenabled <> 'O') \
                 FROM pg_catalog.pg_constraint k WHERE k.oid = {}",
                reference.oid
            ))
            .await?;
        let Some(row) = row else { continue };
        if row.flag(2) {
            continue;
        }
        session.execute(&format!("ALTER TABLE {child} DROP CONSTRAINT {name}")).await?;
        back.on.push(format!("ALTER TABLE {child} ADD CONSTRAINT {name} {}", row.text(0)));
        if let Some(comment) = row.opt(1) {
            back.on.push(format!("COMMENT ON CONSTRAINT {name} ON {child} IS {comment}"));
        }
        notes.push(format!(
            "{child}: the foreign key {name} was taken off for the restore and put back, which looked at each of its rows"
        ));
        reference.off = true;
    }
    Ok(notes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(usize, usize)], size: usize) -> Vec<Vec<usize>> {
        let mut children = vec![BTreeSet::new(); size];
        for (parent, child) in edges {
            children[*parent].insert(*child);
        }
        groups(&children)
    }

    #[test]
    fn children_come_first() {
        assert_eq!(graph(&[(0, 1), (1, 2)], 3), [vec![2], vec![1], vec![0]]);
        assert_eq!(graph(&[], 2), [vec![0], vec![1]]);
    }

    #[test]
    fn a_circle_is_one_group_between_what_is_behind_and_before_it() {
        // 0 → 1 ⇄ 2 → 3
        assert_eq!(graph(&[(0, 1), (1, 2), (2, 1), (2, 3)], 4), [vec![3], vec![1, 2], vec![0]]);
    }

    #[test]
    fn circles_that_touch_are_one() {
        assert_eq!(graph(&[(0, 1), (1, 0), (1, 2), (2, 1), (3, 0)], 4), [vec![0, 1, 2], vec![3]]);
    }

    #[test]
    fn a_long_chain_does_not_exhaust_the_stack() {
        let edges: Vec<(usize, usize)> = (0..200_000).map(|n| (n, n + 1)).collect();
        assert_eq!(graph(&edges, 200_001).first(), Some(&vec![200_000]));
    }
}

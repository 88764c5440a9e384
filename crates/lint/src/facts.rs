//! What can be read off a migration's text before it is replayed.

use std::collections::HashMap;
use std::ops::Range;

use downhaul_syntax::change::{OnlineDdl, TransactionControl};
use downhaul_syntax::{
    Change, DirectiveKind, Ident, LineIndex, ObjectName, Query, Script, Span, Statement,
};

use crate::input::{SourceText, TransactionMode};

/// Phase that a migration declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Expand,
    Backfill,
    Contract,
}

/// One change in the order of execution; those of a `DO` block or of resolved dynamic SQL stand
/// for themselves.
#[derive(Clone, Copy)]
pub(crate) struct Item<'a> {
    pub(crate) change: &'a Change,
    pub(crate) span: Span,
    /// Index of its statement.
    pub(crate) statement: usize,
    /// Index of the change of that statement that it is, or that holds it.
    pub(crate) clause: usize,
    /// Inside a `DO` block or dynamic SQL, which may run it or not.
    pub(crate) nested: bool,
}

/// One statement.
pub(crate) struct StatementFacts<'a> {
    pub(crate) statement: &'a Statement,
    pub(crate) index: usize,
    /// First line.
    pub(crate) line: usize,
    /// Statements with the same number run in the same transaction.
    pub(crate) transaction: usize,
    /// Inside a transaction block, so that more than this statement is rolled back together.
    pub(crate) in_block: bool,
    /// MySQL `ALGORITHM=` and `LOCK=`.
    pub(crate) online: Option<&'a OnlineDdl>,
    /// Its items among [`MigrationFacts::items`].
    pub(crate) items: Range<usize>,
}

/// In which order a table is made anew by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Create the new one, copy, drop the old one, rename the new one.
    NewThenRename,
    /// Rename the old one away, create the new one, copy, drop the old one (L11).
    RenameFirst,
    /// Copy the rows to another table, drop, create anew, copy them back (SQLite's FAQ).
    ThereAndBack,
}

/// A table that is made anew by hand, as SQLite needs it.
#[derive(Clone, Debug)]
pub(crate) struct Rebuild {
    /// The table that is rebuilt.
    pub(crate) table: ObjectName,
    /// Its stand-in: the table that holds the rows meanwhile.
    pub(crate) stand_in: ObjectName,
    /// Items that make it up.
    pub(crate) items: Vec<usize>,
    /// Item that creates it in its new shape.
    pub(crate) create: usize,
    /// Item that drops the old one.
    pub(crate) drop: usize,
    /// Item that copies the rows into the new one.
    pub(crate) copy: Option<usize>,
    /// The order.
    pub(crate) way: Way,
}

/// All that the text of one direction says.
pub(crate) struct MigrationFacts<'a> {
    pub(crate) path: &'a str,
    pub(crate) source: &'a str,
    pub(crate) script: &'a Script,
    pub(crate) lines: LineIndex,
    pub(crate) statements: Vec<StatementFacts<'a>>,
    pub(crate) items: Vec<Item<'a>>,
    pub(crate) phase: Option<Phase>,
    /// The runner wraps this file in a transaction.
    pub(crate) wrapped: bool,
    pub(crate) rebuilds: Vec<Rebuild>,
    /// The runner that sends these several statements as one string.
    pub(crate) sent_whole_by: Option<&'a str>,
}

impl<'a> MigrationFacts<'a> {
    pub(crate) fn new(text: &'a SourceText, script: &'a Script, mode: TransactionMode) -> Self {
        let (path, source) = (text.path.as_str(), text.text.as_str());
        let lines = LineIndex::new(source);
        let no_transaction =
            script.directives.iter().any(|d| d.kind == DirectiveKind::NoTransaction);
        let wrapped = mode == TransactionMode::Wrapped && !no_transaction;
        let phase = script.directives.iter().find_map(|d| match &d.kind {
            DirectiveKind::Phase(p) => match p.as_str() {
                "expand" => Some(Phase::Expand),
                "backfill" => Some(Phase::Backfill),
                "contract" => Some(Phase::Contract),
                _ => None,
            },
            _ => None,
        });
        let mut items = Vec::new();
        let mut statements: Vec<StatementFacts<'a>> = Vec::with_capacity(script.statements.len());
        let mut transaction = 0;
        let mut explicit = false;
        for (index, statement) in script.statements.iter().enumerate() {
            let mut in_block = wrapped || explicit;
            let control = statement.changes().iter().find_map(|c| match c {
                Change::Transaction { control } => Some(control),
                _ => None,
            });
            match control {
                Some(TransactionControl::Begin) => {
                    if !explicit {
                        transaction += 1;
                    }
                    explicit = true;
                    in_block = true;
                }
                Some(TransactionControl::Commit | TransactionControl::Rollback) => {
                    explicit = false;
                }
                _ if !in_block => transaction += 1,
                _ => {}
            }
            let online = statement.changes().iter().find_map(|c| match c {
                Change::Online { online, .. } => Some(online),
                _ => None,
            });
            statements.push(StatementFacts {
                statement,
                index,
                line: lines.position(source, statement.span.start).line,
                transaction,
                in_block,
                online,
                items: 0..0,
            });
            if matches!(control, Some(TransactionControl::Commit | TransactionControl::Rollback)) {
                transaction += 1;
            }
            let first = items.len();
            for (clause, (change, span)) in statement.spanned_changes().enumerate() {
                let at = Item { change, span, statement: index, clause, nested: false };
                flatten(at, &mut items);
            }
            if let Some(last) = statements.last_mut() {
                last.items = first..items.len();
            }
        }
        let rebuilds = find_rebuilds(&items);
        let sent_whole_by = text.sent_whole_by.as_deref().filter(|_| statements.len() > 1);
        Self {
            path,
            source,
            script,
            lines,
            statements,
            items,
            phase,
            wrapped,
            rebuilds,
            sent_whole_by,
        }
    }

    /// Changes that are not nested in a `DO` block.
    pub(crate) fn changes(&self) -> impl Iterator<Item = &'a Change> + '_ {
        self.items.iter().map(|i| i.change)
    }

    /// Nothing in it does anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.script.errors.is_empty()
            && self.items.iter().all(|i| {
                matches!(
                    i.change,
                    Change::NoEffect { .. }
                        | Change::Transaction { .. }
                        | Change::SetVariable { .. }
                ) || matches!(i.change, Change::Select { query } if query.tables.is_empty()
                        && query.functions.is_empty())
            })
            && self
                .script
                .statements
                .iter()
                .all(|s| !matches!(s.parsed, downhaul_syntax::Parsed::Unparsed(_)))
    }

    /// Whether an item belongs to a rebuild of a table that copies the rows.
    pub(crate) fn in_rebuild(&self, item: usize) -> bool {
        self.rebuilds.iter().any(|r| r.copy.is_some() && r.items.contains(&item))
    }

    /// `downhaul:protect off` names the table, or all.
    pub(crate) fn unprotected(&self, table: &ObjectName) -> bool {
        self.script.directives.iter().any(|d| match &d.kind {
            DirectiveKind::Protect { policy, tables } => {
                policy == "off"
                    && (tables.is_empty()
                        || tables.iter().any(|t| {
                            t.eq_ignore_ascii_case(table.name.as_str())
                                || t.eq_ignore_ascii_case(&table.to_string())
                        }))
            }
            _ => false,
        })
    }
}

fn flatten<'a>(item: Item<'a>, out: &mut Vec<Item<'a>>) {
    match item.change {
        Change::Do { body: changes, body_spans: spans, .. }
        | Change::Dynamic { changes, change_spans: spans, .. } => {
            for (at, change) in changes.iter().enumerate() {
                let span = spans.get(at).copied().filter(|s| !s.is_empty());
                let span = span.unwrap_or(item.span);
                flatten(Item { change, span, nested: true, ..item }, out);
            }
        }
        _ => out.push(item),
    }
}

/// Where tables are created, filled and dropped among the items, by name.
#[derive(Default)]
struct TableLife {
    creates: HashMap<Ident, Vec<usize>>,
    drops: HashMap<Ident, Vec<usize>>,
    /// Copies between two tables, by the one that is filled.
    copies: HashMap<Ident, Vec<(usize, Vec<Ident>)>>,
}

impl TableLife {
    fn new(items: &[Item<'_>]) -> Self {
        let mut life = Self::default();
        let names = |q: &Query| q.tables.iter().map(|t| t.name.clone()).collect::<Vec<_>>();
        for (at, item) in items.iter().enumerate() {
            match item.change {
                Change::CreateTable { def, .. } => {
                    life.creates.entry(def.name.name.clone()).or_default().push(at);
                    if let Some(query) = &def.as_query {
                        let copies = life.copies.entry(def.name.name.clone()).or_default();
                        copies.push((at, names(query)));
                    }
                }
                Change::DropTable { name, .. } => {
                    life.drops.entry(name.name.clone()).or_default().push(at);
                }
                Change::Insert { table, from_query: Some(query), .. } => {
                    let copies = life.copies.entry(table.name.clone()).or_default();
                    copies.push((at, names(query)));
                }
                _ => {}
            }
        }
        life
    }

    /// The last item before `end` among these.
    fn last_before(list: Option<&Vec<usize>>, end: usize) -> Option<usize> {
        let list = list?;
        list[..list.partition_point(|at| *at < end)].last().copied()
    }

    /// The first item behind `start` among these.
    fn first_behind(list: Option<&Vec<usize>>, start: usize) -> Option<usize> {
        let list = list?;
        list[list.partition_point(|at| *at <= start)..].first().copied()
    }

    /// A copy between two tables, in either direction, before an item.
    fn copy(&self, a: &Ident, b: &Ident, end: usize) -> Option<usize> {
        [(a, b), (b, a)].into_iter().find_map(|(to, from)| {
            self.copies
                .get(to)?
                .iter()
                .find(|(at, sources)| *at < end && sources.contains(from))
                .map(|(at, _)| *at)
        })
    }
}

/// `CREATE TABLE new; INSERT INTO new … FROM old; DROP TABLE old; RENAME new TO old`, the wrong order
/// `RENAME old TO x; CREATE TABLE old; INSERT …; DROP TABLE x`, and `INSERT INTO x … FROM old; DROP TABLE
/// old; CREATE TABLE old; INSERT INTO old … FROM x`. Found in every dialect.
fn find_rebuilds(items: &[Item<'_>]) -> Vec<Rebuild> {
    let mut rebuilds = Vec::new();
    if !items.iter().any(|i| matches!(i.change, Change::DropTable { .. })) {
        return rebuilds;
    }
    let life = TableLife::new(items);
    rebuilds.extend(there_and_back(items, &life));
    for (r, item) in items.iter().enumerate() {
        let Change::RenameTable { from, to } = item.change else { continue };
        let (old, new) = (&from.name, &to.name);
        let drop = TableLife::last_before(life.drops.get(new), r);
        let create = TableLife::last_before(life.creates.get(old), r);
        if let (Some(drop), Some(create)) = (drop, create)
            && create < drop
        {
            let copy = life.copy(old, new, drop);
            let mut parts = vec![create, drop, r];
            parts.extend(copy);
            parts.sort_unstable();
            rebuilds.push(Rebuild {
                table: to.clone(),
                stand_in: from.clone(),
                items: parts,
                create,
                drop,
                copy,
                way: Way::NewThenRename,
            });
            continue;
        }
        let create = TableLife::first_behind(life.creates.get(old), r);
        let drop = TableLife::first_behind(life.drops.get(new), r);
        if let (Some(create), Some(drop)) = (create, drop)
            && create < drop
        {
            let copy = life.copy(old, new, drop).filter(|c| *c > r);
            let mut parts = vec![r, create, drop];
            parts.extend(copy);
            parts.sort_unstable();
            rebuilds.push(Rebuild {
                table: from.clone(),
                stand_in: to.clone(),
                items: parts,
                create,
                drop,
                copy,
                way: Way::RenameFirst,
            });
        }
    }
    rebuilds
}

fn there_and_back(items: &[Item<'_>], life: &TableLife) -> Vec<Rebuild> {
    let mut out = Vec::new();
    for (drop, item) in items.iter().enumerate() {
        let Change::DropTable { name, .. } = item.change else { continue };
        let Some(create) = TableLife::first_behind(life.creates.get(&name.name), drop) else {
            continue;
        };
        let filled = |table: &Ident| life.copies.get(table).into_iter().flatten();
        // Back from a table that was filled from this one before it was dropped.
        let back = filled(&name.name).filter(|(at, _)| *at > create).find_map(|(at, sources)| {
            let meanwhile = sources
                .iter()
                .find(|x| filled(x).any(|(out, from)| *out < drop && from.contains(&name.name)))?;
            Some((*at, meanwhile))
        });
        if let Some((copy, stand_in)) = back {
            out.push(Rebuild {
                table: name.clone(),
                stand_in: ObjectName::bare(stand_in.clone()),
                items: vec![drop, create, copy],
                create,
                drop,
                copy: Some(copy),
                way: Way::ThereAndBack,
            });
        }
    }
    out
}

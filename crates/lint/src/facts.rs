//! What can be read off a migration's text before it is replayed.

use std::ops::Range;

use downhaul_syntax::change::{OnlineDdl, TransactionControl};
use downhaul_syntax::{
    Change, DirectiveKind, Ident, LineIndex, ObjectName, Script, Span, Statement,
};

use crate::input::TransactionMode;

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

/// A SQLite table rebuild: create new, copy, drop old, rename new.
#[derive(Clone, Debug)]
pub(crate) struct Rebuild {
    /// The table that is rebuilt.
    pub(crate) table: ObjectName,
    /// Its stand-in.
    pub(crate) stand_in: ObjectName,
    /// Items that make it up.
    pub(crate) items: Vec<usize>,
    /// Item that copies the rows.
    pub(crate) copy: Option<usize>,
    /// Item that drops the old table.
    pub(crate) drop: usize,
    /// Old table was renamed away first (L11).
    pub(crate) rename_first: bool,
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
}

impl<'a> MigrationFacts<'a> {
    pub(crate) fn new(
        path: &'a str,
        source: &'a str,
        script: &'a Script,
        mode: TransactionMode,
    ) -> Self {
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
        Self { path, source, script, lines, statements, items, phase, wrapped, rebuilds }
    }

    /// Changes that are not nested in a `DO` block.
    pub(crate) fn changes(&self) -> impl Iterator<Item = &'a Change> + '_ {
        self.items.iter().map(|i| i.change)
    }

    /// Some statement could not be understood, or hides what it does.
    pub(crate) fn opaque(&self) -> bool {
        !self.script.errors.is_empty()
            || self
                .script
                .statements
                .iter()
                .any(|s| matches!(s.parsed, downhaul_syntax::Parsed::Unparsed(_)))
            || self.items.iter().any(|i| {
                matches!(
                    i.change,
                    Change::DynamicUnknown { .. }
                        | Change::Call { .. }
                        | Change::ClientCommand { .. }
                )
            })
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

/// `CREATE TABLE new; INSERT INTO new … FROM old; DROP TABLE old; RENAME new TO old`, and the
/// wrong order `RENAME old TO x; CREATE TABLE old; INSERT …; DROP TABLE x`. Found in every dialect,
/// linear in the number of items.
fn find_rebuilds(items: &[Item<'_>]) -> Vec<Rebuild> {
    let mut rebuilds = Vec::new();
    for (r, item) in items.iter().enumerate() {
        let Change::RenameTable { from, to } = item.change else { continue };
        let drop = items[..r].iter().rposition(|i| drops_table(i.change, &to.name));
        let create = items[..r].iter().position(|i| creates_table(i.change, &from.name));
        if let (Some(drop), Some(create)) = (drop, create)
            && create < drop
        {
            let copy = items[..drop].iter().position(|i| copies(i.change, &from.name, &to.name));
            let mut parts = vec![create, drop, r];
            parts.extend(copy);
            parts.sort_unstable();
            rebuilds.push(Rebuild {
                table: to.clone(),
                stand_in: from.clone(),
                items: parts,
                copy,
                drop,
                rename_first: false,
            });
            continue;
        }
        let tail = &items[r + 1..];
        let create = tail.iter().position(|i| creates_table(i.change, &from.name));
        let drop = tail.iter().position(|i| drops_table(i.change, &to.name));
        if let (Some(create), Some(drop)) = (create, drop)
            && create < drop
        {
            let copy = tail[..drop].iter().position(|i| copies(i.change, &from.name, &to.name));
            let mut parts = vec![r, r + 1 + create, r + 1 + drop];
            parts.extend(copy.map(|c| r + 1 + c));
            parts.sort_unstable();
            rebuilds.push(Rebuild {
                table: from.clone(),
                stand_in: to.clone(),
                items: parts,
                copy: copy.map(|c| r + 1 + c),
                drop: r + 1 + drop,
                rename_first: true,
            });
        }
    }
    rebuilds
}

fn drops_table(change: &Change, name: &Ident) -> bool {
    matches!(change, Change::DropTable { name: n, .. } if n.name == *name)
}

fn creates_table(change: &Change, name: &Ident) -> bool {
    matches!(change, Change::CreateTable { def, .. } if def.name.name == *name)
}

fn copies(change: &Change, a: &Ident, b: &Ident) -> bool {
    matches!(change, Change::Insert { table, from_query: Some(query), .. }
        if (table.name == *a && query.tables.iter().any(|t| t.name == *b))
            || (table.name == *b && query.tables.iter().any(|t| t.name == *a)))
        || matches!(change, Change::CreateTable { def, .. }
            if def.name.name == *a
                && def.as_query.as_ref().is_some_and(|q| q.tables.iter().any(|t| t.name == *b)))
}

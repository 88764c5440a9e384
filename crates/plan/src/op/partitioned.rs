//! What a partitioned table takes only partition by partition (PostgreSQL).
//!
//! Operations speak of a table as one. Here a statement that the server refuses for a partitioned table
//! becomes those that do the same: an index is built `CONCURRENTLY` for each partition and then taken over
//! by the one of the parent, which by itself would lock out writers; a key is made over such indexes; a
//! foreign key, which the parent takes only once it is proven (before PostgreSQL 18), binds and is proven
//! for each partition before.
//!
//! What the parent takes over it makes for partitions that have come since: those are attached or made
//! between two phases, and no file knows them.

use std::cell::RefCell;
use std::collections::BTreeMap;

use downhaul_catalog::{Catalog, Difference, Index, constraint_def, render};
use downhaul_syntax::{
    Change, ConstraintDef, ConstraintKind, Dialect, Expr, Ident, IndexDef, IndexPart, ObjectName,
    Partitioning, parse_script,
};

use super::names;
use super::pair::{drop_constraint, key_columns, rename_constraint};
use super::piece::{Piece, Side, Step};
use super::{HERE, Made, Refused, refused};

/// Partitions that no migration knows may be as large as this: what is built for them locks out writers.
const SMALL: u32 = 8 * 1024 * 1024;

/// Whether a table is divided into partitions.
pub(crate) fn is_divided(now: &Catalog, table: &ObjectName) -> bool {
    now.dialect == Dialect::Postgres
        && now.table(table).is_some_and(|t| {
            matches!(t.partitioning, Some(Partitioning::By(_)))
                || t.options.contains_key("partition by")
        })
}

/// The partitions that hold rows.
fn leaves(now: &Catalog, table: &ObjectName) -> Vec<ObjectName> {
    below(now, table).into_iter().filter(|part| !is_divided(now, part)).collect()
}

/// All partitions, those of partitions before these.
fn below(now: &Catalog, table: &ObjectName) -> Vec<ObjectName> {
    let table = now.normalize(table);
    let mut out = Vec::new();
    for child in now.perhaps_children(&table) {
        let is_part = now.table(child).is_some_and(
            |t| matches!(&t.partitioning, Some(Partitioning::Of { parent, .. }) if *parent == table),
        );
        if !is_part {
            continue;
        }
        out.extend(below(now, child));
        out.push(child.clone());
    }
    out
}

/// Statements for the tables that a file meets.
pub(crate) struct Partitioned {
    /// Indexes that a constraint takes over, and whether it is a primary key.
    keys: BTreeMap<Ident, bool>,
    /// What each of them is for the partitions: partition, and name.
    parts: RefCell<BTreeMap<Ident, Vec<(ObjectName, Ident)>>>,
}

/// The schema that a step meets, and the one that a way back has to lead to.
#[derive(Clone, Copy)]
struct Around<'c> {
    now: &'c Catalog,
    to: Option<&'c Catalog>,
}

impl Partitioned {
    /// For the pieces of a file.
    pub(crate) fn new<'m>(before: &Catalog, all: impl IntoIterator<Item = &'m Made>) -> Self {
        let mut keys = BTreeMap::new();
        let divided = before.dialect == Dialect::Postgres
            && before.tables.keys().any(|table| is_divided(before, table));
        let pieces = all.into_iter().filter(|_| divided).flat_map(|made| &made.pieces);
        for (_, piece) in pieces {
            let script = parse_script(&piece.text(), before.dialect);
            for change in script.statements.iter().flat_map(|s| s.changes()) {
                if let Change::AddConstraint { constraint, .. } = change
                    && let Some(index) = used(&constraint.kind)
                {
                    let primary = matches!(constraint.kind, ConstraintKind::PrimaryKey { .. });
                    keys.insert(index.clone(), primary);
                }
            }
        }
        Self { keys, parts: RefCell::default() }
    }

    /// The way there of a piece, given the schema that it meets.
    pub(crate) fn up(&self, piece: &Piece, now: &Catalog) -> Vec<String> {
        let mut side = Side::default();
        for sql in piece.up_sql() {
            side.sql("", sql);
        }
        let side = self.side(&side, now, None).unwrap_or(side);
        side.steps.into_iter().map(|step| step.sql).collect()
    }

    /// All steps of a side, given the schema that it meets; for a way back also the one that it leads to.
    pub(crate) fn side(
        &self,
        side: &Side,
        now: &Catalog,
        to: Option<&Catalog>,
    ) -> Result<Side, Refused> {
        if now.dialect != Dialect::Postgres {
            return Ok(side.clone());
        }
        let mut met = now.clone();
        let mut out = Side::default();
        for step in &side.steps {
            for step in self.steps(step, &met, to)? {
                met.apply_script(&parse_script(&step.sql, now.dialect), HERE);
                out.steps.push(step);
            }
        }
        Ok(out)
    }

    /// What a step becomes.
    fn steps(
        &self,
        step: &Step,
        now: &Catalog,
        to: Option<&Catalog>,
    ) -> Result<Vec<Step>, Refused> {
        let as_it_is = || Ok(vec![step.clone()]);
        let script = parse_script(&step.sql, now.dialect);
        let [statement] = script.statements.as_slice() else { return as_it_is() };
        let changes = statement.changes();
        if !changes.iter().any(|change| is_meant(change, now)) {
            return as_it_is();
        }
        let mut out = Side::default();
        let mut met = now.clone();
        let mut why = step.why.as_str();
        for change in changes {
            let mut side = Side::default();
            if is_meant(change, &met) {
                self.one(change, why, Around { now: &met, to }, &mut side)?;
            } else {
                side.change(why, change, now.dialect)?;
            }
            for step in &side.steps {
                met.apply_script(&parse_script(&step.sql, now.dialect), HERE);
            }
            out.append(side);
            why = "";
        }
        Ok(out.steps)
    }

    /// What a change becomes that the server refuses, or does otherwise.
    fn one(
        &self,
        change: &Change,
        why: &str,
        around: Around<'_>,
        side: &mut Side,
    ) -> Result<(), Refused> {
        let now = around.now;
        let dialect = now.dialect;
        match change {
            Change::CreateIndex { index, if_not_exists, .. } => {
                self.index(index, *if_not_exists, why, around, side)?;
            }
            Change::DropIndex { name, table, if_exists, cascade, .. } => {
                let drop = Change::DropIndex {
                    name: name.clone(),
                    table: table.clone(),
                    concurrently: false,
                    if_exists: *if_exists,
                    cascade: *cascade,
                };
                side.change(
                    &said(why, "The parts of the partitions go with it, in an instant: an index of a partitioned table is not dropped CONCURRENTLY."),
                    &drop,
                    dialect,
                )?;
            }
            Change::AddConstraint { table, constraint, .. } => {
                if let Some(index) = used(&constraint.kind) {
                    self.key(table, constraint, index, why, now, side)?;
                } else {
                    reference(table, constraint, why, now, side)?;
                }
            }
            Change::ValidateConstraint { table, name } => proven(table, name, why, now, side)?,
            Change::DropConstraint { table, name, .. } => {
                let Some((constraint, parts)) = of_parts(table, name, now) else { return Ok(()) };
                lock(table, &constraint, "ACCESS EXCLUSIVE", why, dialect, side);
                for leaf in parts {
                    side.change("", &drop_constraint(&leaf, name), dialect)?;
                }
            }
            Change::RenameConstraint { table, from, to } => {
                let mut why = why;
                if now.table(table).is_some_and(|t| t.constraint(from).is_some()) {
                    side.change(why, &rename_constraint(table, from, to), dialect)?;
                    why = "";
                }
                for leaf in of_parts(table, from, now).into_iter().flat_map(|(_, parts)| parts) {
                    side.change(why, &rename_constraint(&leaf, from, to), dialect)?;
                    why = "";
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// `CREATE INDEX CONCURRENTLY`.
    fn index(
        &self,
        index: &IndexDef,
        if_not_exists: bool,
        why: &str,
        around: Around<'_>,
        side: &mut Side,
    ) -> Result<(), Refused> {
        let dialect = around.now.dialect;
        let (parts, mut all) = (known(&index.table, around.now)?, Vec::new());
        ask(&index.table, &leaves(around.now, &index.table), dialect, side);
        let mut why = said(
            why,
            "Partition by partition: an index of a partitioned table is not built CONCURRENTLY.",
        );
        let key = index.name.as_ref().and_then(|name| self.keys.get(&name.name)).copied();
        for part in &parts {
            let name = name_of_part(part, index, key, around);
            all.extend(name.iter().map(|name| (part.clone(), name.clone())));
            let divided = is_divided(around.now, part);
            if divided && key.is_some() {
                continue;
            }
            let name = name.map(|name| ObjectName { schema: part.schema.clone(), name });
            let index = IndexDef { name, table: part.clone(), only: false, ..index.clone() };
            let create = Change::CreateIndex { index, concurrently: !divided, if_not_exists };
            side.change(&why, &create, dialect)?;
            why.clear();
        }
        if let (Some(_), Some(name)) = (key, &index.name) {
            // The constraint of the parent takes over constraints.
            self.parts.borrow_mut().insert(name.name.clone(), all);
            return Ok(());
        }
        let create =
            Change::CreateIndex { index: index.clone(), concurrently: false, if_not_exists };
        side.change(
            "Takes over what the partitions have, in an instant. A partition that has come since gets its own here.",
            &create,
            dialect,
        )?;
        Ok(())
    }

    /// A key over an index that is there.
    fn key(
        &self,
        table: &ObjectName,
        constraint: &ConstraintDef,
        index: &Ident,
        why: &str,
        now: &Catalog,
        side: &mut Side,
    ) -> Result<(), Refused> {
        let dialect = now.dialect;
        let parts = self.parts.borrow().get(index).cloned().unwrap_or_default();
        if parts.is_empty() {
            return refused(
                format!(
                    "{table} is partitioned, and its constraint over {index} is added by itself"
                ),
                "add the constraint without USING INDEX: its index is built for each partition then",
            );
        }
        lock(table, constraint, "ACCESS EXCLUSIVE", why, dialect, side);
        let mut columns = Vec::new();
        for (part, name) in parts {
            let found = now.table(&part).and_then(|t| t.indexes.named(&name));
            let kind = match found {
                Some(found) => {
                    columns = found.parts.iter().filter_map(|p| p.column.clone()).collect();
                    over(&constraint.kind, Vec::new(), Some(name.clone()))
                }
                // Divided itself, it takes over those of its partitions.
                None => over(&constraint.kind, columns.clone(), None),
            };
            let def = ConstraintDef { name: Some(name), kind, ..constraint.clone() };
            side.change("", &add(&part, def), dialect)?;
        }
        let kind = over(&constraint.kind, columns, None);
        let def = ConstraintDef { kind, ..constraint.clone() };
        side.change(
            "Takes over the keys of the partitions, in an instant. A partition that has come since gets its own here.",
            &add(table, def),
            dialect,
        )?;
        Ok(())
    }
}

/// The name of what a partition gets: what it had, or as the server would call it.
fn name_of_part(
    leaf: &ObjectName,
    index: &IndexDef,
    key: Option<bool>,
    around: Around<'_>,
) -> Option<Ident> {
    let now = around.now.table(leaf)?;
    let columns: Option<Vec<Ident>> = index.parts.iter().map(|p| p.column.clone()).collect();
    let is_free =
        |name: &&Ident| now.indexes.named(name).is_none() && now.constraint(name).is_none();
    if let Some(there) = around.to.and_then(|to| to.table(leaf)) {
        let keys = there.constraints.iter().filter(|c| {
            key.is_some() && is_unique(&c.kind) && columns.as_deref() == Some(key_columns(&c.kind))
        });
        let same = |i: &&Index| {
            let texts = |parts: &[IndexPart]| -> Vec<String> {
                parts.iter().map(|part| part.text.clone()).collect()
            };
            let predicate = |e: &Option<Expr>| e.as_ref().map(|e| e.text.clone());
            i.unique == index.unique
                && texts(&i.parts) == texts(&index.parts)
                && predicate(&i.predicate) == predicate(&index.predicate)
                && i.include == index.include
        };
        let indexes = there.indexes.iter().filter(same).map(|i| &i.name.name);
        if let Some(name) = keys.filter_map(|c| c.name.as_ref()).chain(indexes).find(is_free) {
            return Some(name.clone());
        }
    }
    if key == Some(true) {
        return Some(names::free_part(around.now, leaf, &format!("{}_pkey", leaf.name)));
    }
    let mut with = around.now.clone();
    if let (Some(columns), true) = (columns, key.is_some()) {
        let kind = ConstraintKind::Unique { columns, nulls_not_distinct: false, using_index: None };
        let constraint = ConstraintDef {
            name: None,
            kind,
            not_valid: false,
            deferrable: false,
            initially_deferred: false,
            not_enforced: false,
            span: downhaul_syntax::Span::default(),
        };
        with.apply(&add(leaf, constraint), HERE);
    } else {
        let index = IndexDef { name: None, table: leaf.clone(), only: false, ..index.clone() };
        with.apply(&Change::CreateIndex { index, concurrently: false, if_not_exists: false }, HERE);
    }
    let with = with.table(leaf)?;
    let keys = with.constraints.iter().filter_map(|c| c.name.as_ref());
    keys.chain(with.indexes.iter().map(|i| &i.name.name)).find(is_free).cloned()
}

/// Whether it says nothing but how a part of a partition is called: that is the server's affair.
pub(crate) fn names_a_part(difference: &Difference, now: &Catalog) -> bool {
    let of_partition = || {
        now.tables.iter().any(|(name, table)| {
            matches!(table.partitioning, Some(Partitioning::Of { .. }))
                && difference.name.starts_with(&format!("{name}."))
        })
    };
    matches!(difference.object.as_str(), "constraint name" | "index name") && of_partition()
}

/// A reason, and what it leaves unsaid.
fn said(why: &str, more: &str) -> String {
    if why.is_empty() { String::new() } else { format!("{why} {more}") }
}

/// Whether the server refuses the change for a partitioned table, or leaves the partitions out.
fn is_meant(change: &Change, now: &Catalog) -> bool {
    let has = |table: &ObjectName, name: &Ident| {
        now.table(table).is_some_and(|t| t.constraint(name).is_some())
    };
    let reference = |table: &ObjectName, name: &Ident| {
        of_parts(table, name, now)
            .is_some_and(|(c, _)| matches!(c.kind, ConstraintKind::ForeignKey { .. }))
    };
    match change {
        Change::CreateIndex { index, concurrently: true, .. } => is_divided(now, &index.table),
        Change::DropIndex { name, concurrently: true, .. } => {
            now.index_owner(name).is_some_and(|owner| is_divided(now, owner))
        }
        Change::AddConstraint { table, constraint, .. } => {
            let foreign = matches!(constraint.kind, ConstraintKind::ForeignKey { .. });
            is_divided(now, table)
                && (used(&constraint.kind).is_some() || foreign && constraint.not_valid)
        }
        Change::ValidateConstraint { table, name } | Change::DropConstraint { table, name, .. } => {
            is_divided(now, table) && !has(table, name) && reference(table, name)
        }
        Change::RenameConstraint { table, from, .. } => {
            is_divided(now, table) && reference(table, from)
        }
        _ => false,
    }
}

fn is_unique(kind: &ConstraintKind) -> bool {
    matches!(kind, ConstraintKind::PrimaryKey { .. } | ConstraintKind::Unique { .. })
}

/// The index that a key is made over.
fn used(kind: &ConstraintKind) -> Option<&Ident> {
    match kind {
        ConstraintKind::PrimaryKey { using_index, .. }
        | ConstraintKind::Unique { using_index, .. } => using_index.as_ref(),
        _ => None,
    }
}

/// The same kind of key over columns, or over an index.
fn over(kind: &ConstraintKind, columns: Vec<Ident>, using_index: Option<Ident>) -> ConstraintKind {
    let columns = if using_index.is_none() && columns.is_empty() {
        key_columns(kind).to_vec()
    } else {
        columns
    };
    match kind {
        ConstraintKind::Unique { nulls_not_distinct, .. } => {
            ConstraintKind::Unique { columns, nulls_not_distinct: *nulls_not_distinct, using_index }
        }
        _ => ConstraintKind::PrimaryKey { columns, using_index },
    }
}

fn add(table: &ObjectName, constraint: ConstraintDef) -> Change {
    Change::AddConstraint { table: table.clone(), constraint, if_not_exists: false }
}

/// All partitions, of which one that holds rows has to be known.
fn known(table: &ObjectName, now: &Catalog) -> Result<Vec<ObjectName>, Refused> {
    let parts = below(now, table);
    if leaves(now, table).is_empty() {
        return refused(
            format!("{table} is partitioned, and no migration makes a partition of it"),
            "give the partitions that are there with --schema FILE (the output of pg_dump --schema-only): what each of them gets while writers go on has to be said for each",
        );
    }
    Ok(parts)
}

/// Fails, before anything has changed, where a partition is large of which no migration knows.
fn ask(table: &ObjectName, parts: &[ObjectName], dialect: Dialect, side: &mut Side) {
    let quoted = |name: &ObjectName| dialect.literal(&dialect.quote_name_if_needed(name));
    let parts: Vec<String> =
        parts.iter().map(|part| format!("to_regclass({})", quoted(part))).collect();
    side.sql(
        "What a partition gets is built while writers go on only where it is named below. Fails where a large one is not; no row is right.",
        format!(
            "SELECT CAST('no migration knows the partition ' || CAST(relid AS text) || ': say for it here what the others get' AS int)\nFROM pg_catalog.pg_partition_tree(CAST({} AS regclass))\nWHERE isleaf AND (relid = ANY (ARRAY[{}])) IS NOT TRUE AND pg_catalog.pg_relation_size(relid) > {SMALL}",
            quoted(table),
            parts.join(", ")
        ),
    );
}

/// Locks the parent before its partitions, as writers do, and then what is referred to.
fn lock(
    table: &ObjectName,
    constraint: &ConstraintDef,
    mode: &str,
    why: &str,
    dialect: Dialect,
    side: &mut Side,
) {
    let mut tables = vec![dialect.quote_name_if_needed(table)];
    if let ConstraintKind::ForeignKey { table: target, .. } = &constraint.kind
        && target != table
    {
        tables.push(dialect.quote_name_if_needed(target));
    }
    side.sql(
        &said(why, "The parent is locked first, as writers do: nobody can be caught in between."),
        format!("LOCK TABLE {} IN {mode} MODE", tables.join(", ")),
    );
}

/// `FOREIGN KEY … NOT VALID`: of each partition.
fn reference(
    table: &ObjectName,
    constraint: &ConstraintDef,
    why: &str,
    now: &Catalog,
    side: &mut Side,
) -> Result<(), Refused> {
    let dialect = now.dialect;
    known(table, now)?;
    lock(table, constraint, "SHARE ROW EXCLUSIVE", why, dialect, side);
    let mut why = "Of each partition: the parent takes it once it is proven.";
    for leaf in &leaves(now, table) {
        side.change(why, &add(leaf, constraint.clone()), dialect)?;
        why = "";
    }
    Ok(())
}

/// `VALIDATE CONSTRAINT` of each partition, and then the foreign key of the parent.
fn proven(
    table: &ObjectName,
    name: &Ident,
    why: &str,
    now: &Catalog,
    side: &mut Side,
) -> Result<(), Refused> {
    let dialect = now.dialect;
    let Some((constraint, parts)) = of_parts(table, name, now) else { return Ok(()) };
    let mut why = why;
    for leaf in parts {
        let validate = Change::ValidateConstraint { table: leaf, name: name.clone() };
        side.change(why, &validate, dialect)?;
        why = "";
    }
    let def = ConstraintDef { not_valid: false, ..constraint };
    side.change(
        "Takes over those of the partitions, and reads no row of theirs. A partition that has come since is read here.",
        &add(table, def),
        dialect,
    )?;
    Ok(())
}

/// A constraint of this name that partitions have, and those that do.
fn of_parts(
    table: &ObjectName,
    name: &Ident,
    now: &Catalog,
) -> Option<(ConstraintDef, Vec<ObjectName>)> {
    let found = |leaf: &ObjectName| now.table(leaf).and_then(|t| t.constraint(name));
    let parts: Vec<ObjectName> =
        below(now, table).into_iter().filter(|part| found(part).is_some()).collect();
    let first = parts.first().and_then(found).map(constraint_def)?;
    Some((first, parts))
}

/// Rows of a partition that was filled apart, where no trigger is, and attached since the backfill: they hold
/// the one side only. Each column with its value.
pub(crate) fn late(
    table: &ObjectName,
    columns: &[(Ident, String)],
    dialect: Dialect,
    side: &mut Side,
) {
    let all = |each: &dyn Fn(&str, &str) -> String, between: &str| {
        let all = columns.iter().map(|(c, value)| each(&dialect.quote_if_needed(c), value));
        all.collect::<Vec<_>>().join(between)
    };
    side.sql(
        "Rows of a partition that was filled apart and attached since the backfill. No others are found.",
        format!(
            "UPDATE {} SET {}\nWHERE {} AND ({})",
            dialect.quote_name_if_needed(table),
            all(&|c, value| format!("{c} = {value}"), ", "),
            all(&|c, _| format!("{c} IS NULL"), " AND "),
            all(&|_, value| format!("{value} IS NOT NULL"), " OR ")
        ),
    );
}

/// The same statement `CONCURRENTLY`, for an index of a table that was there before.
pub(crate) fn concurrently(
    index: &IndexDef,
    if_not_exists: bool,
    dialect: Dialect,
) -> Option<Vec<String>> {
    let change = Change::CreateIndex { index: index.clone(), concurrently: true, if_not_exists };
    render(&change, dialect).ok()
}

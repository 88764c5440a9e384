//! Many migrations written as one: the schema that they give, and what has to run as it stands.
//!
//! A series is replayed, and the schema at its end is rendered. Statements that change rows, and
//! those whose effects a catalog cannot hold, run behind it, in their order and as they were
//! written: where that would let one of them meet other tables than it was written for, the later
//! changes of these tables are kept as they stand, too. Changes of rows in tables that nothing has
//! filled are left out: a squash runs on a new database only. The text that comes out is read
//! back, replayed and compared; one that gives another schema is refused.

mod idle;
mod members;
mod order;
mod role;

use std::collections::BTreeSet;
use std::path::PathBuf;

use downhaul_catalog::{
    Catalog, DiffOptions, Origin, Problem, Table, changes_between, diff, render,
};
use downhaul_syntax::{
    Change, Dialect, DirectiveKind, LineIndex, ObjectName, Parsed, Script, Statement, TypeDef,
    parse_script,
};

use crate::{Checksum, SourceFile, SourceMigration, TransactionMode};
use role::{Item, Role, Touch, changed_between, key, words};

pub use members::{Member, members};

/// A series as one migration.
#[derive(Clone, Debug, Default)]
pub struct Squashed {
    /// Text of the up.
    pub up: String,
    /// Text of the down.
    pub down: String,
    /// Statements that stand in the up as they were written.
    pub kept: Vec<Noted>,
    /// Statements that do nothing on a new database, and are not in the up.
    pub left_out: Vec<Noted>,
    /// What the down does not take back.
    pub not_undone: Vec<String>,
}

/// A statement of the series, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    /// Its file.
    pub path: PathBuf,
    /// Its line, from 1.
    pub line: usize,
    /// Its first line.
    pub text: String,
    /// Why.
    pub why: String,
}

/// Why a series cannot be squashed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct SquashRefusal {
    /// What stands in the way, with its place.
    pub what: String,
    /// What to do.
    pub next: String,
}

fn refusal(what: impl Into<String>, next: impl Into<String>) -> SquashRefusal {
    SquashRefusal { what: what.into(), next: next.into() }
}

const EARLIER: &str = "squash up to the version before it";

/// Writes migrations, oldest first, as one. `base` is the schema before the first.
pub fn squash(migrations: &[&SourceMigration], base: &Catalog) -> Result<Squashed, SquashRefusal> {
    let dialect = base.dialect;
    let scripts: Vec<(&SourceFile, Script)> = migrations
        .iter()
        .map(|migration| {
            let up = readable(migration)?;
            let script = parse_script(&up.text, dialect);
            match script.errors.first() {
                None => Ok((up, script)),
                Some(error) => Err(refusal(
                    format!("{}: {}", place(up, error.span.start), error.message),
                    "mend the file at that place",
                )),
            }
        })
        .collect::<Result<_, _>>()?;
    let (items, last) = read(&scripts, base)?;
    let series = Series { migrations, scripts: &scripts, items: &items, base, last: &last };
    let mut kept: Vec<bool> =
        items.iter().map(|i| !i.idle && matches!(i.role, Role::Kept(..))).collect();
    let first = kept.iter().position(|k| *k);
    series.settle(&mut kept)?;
    match (series.write(&kept), first) {
        // All from the first of them on as it stands: nothing moves.
        (Err(_), Some(first)) => {
            let behind = |at: usize| at >= first && !items[at].idle;
            let mut kept: Vec<bool> = (0..items.len()).map(behind).collect();
            for (at, item) in items.iter().enumerate() {
                kept[at] &= matches!(item.role, Role::Schema | Role::Kept(..));
            }
            series.write(&kept)
        }
        (written, _) => written,
    }
}

fn readable(migration: &SourceMigration) -> Result<&SourceFile, SquashRefusal> {
    match &migration.up {
        Some(up) if up.program => {
            Err(refusal(format!("{} is a program, which is not read", up.path.display()), EARLIER))
        }
        Some(up) => Ok(up),
        None => Err(refusal(format!("{} has no up file", migration.label()), EARLIER)),
    }
}

/// `migrations/0001_a.up.sql:3`.
fn place(file: &SourceFile, offset: usize) -> String {
    let line = LineIndex::new(&file.text).position(&file.text, offset).line;
    format!("{}:{line}", file.path.display())
}

fn origin(migration: usize) -> Origin {
    Origin::Series(migration)
}

/// Statements with the schema that each met, and the schema behind the last.
fn read<'s>(
    scripts: &'s [(&SourceFile, Script)],
    base: &Catalog,
) -> Result<(Vec<Item<'s>>, Catalog), SquashRefusal> {
    let dialect = base.dialect;
    let mut now = base.clone();
    let mut filled = idle::Filled::of(base);
    let mut items = Vec::new();
    for (migration, (file, script)) in scripts.iter().enumerate() {
        for statement in &script.statements {
            if statement.copy_data.is_some() {
                return Err(refusal(
                    format!(
                        "{}: COPY with its rows in the file",
                        place(file, statement.span.start)
                    ),
                    format!("write them as INSERT, or {EARLIER}"),
                ));
            }
            let met = now.clone();
            let problems = apply(&mut now, statement, migration);
            let role = role::role(statement, &met, &now);
            let mut item = Item {
                migration,
                statement,
                problems,
                changed: changed_between(&met, &now),
                words: words(&statement.text, dialect),
                role,
                met,
                idle: false,
            };
            item.idle = filled.passes(&item);
            items.push(item);
        }
    }
    Ok((items, now))
}

fn apply(catalog: &mut Catalog, statement: &Statement, migration: usize) -> Vec<Problem> {
    match &statement.parsed {
        Parsed::Changes(changes) => catalog
            .apply_statement(changes, origin(migration))
            .into_iter()
            .map(|(_, problem)| problem)
            .collect(),
        Parsed::Unparsed(_) => {
            catalog.uncertain = true;
            Vec::new()
        }
    }
}

/// A series that is being squashed.
struct Series<'s> {
    migrations: &'s [&'s SourceMigration],
    scripts: &'s [(&'s SourceFile, Script)],
    items: &'s [Item<'s>],
    base: &'s Catalog,
    /// The schema at its end.
    last: &'s Catalog,
}

impl Series<'_> {
    /// Whether a statement's schema is written anew.
    fn is_rendered(&self, at: usize, kept: &[bool]) -> bool {
        !kept[at] && self.items[at].role == Role::Schema
    }

    /// Adds to what is kept until every kept statement meets what it was written for.
    fn settle(&self, kept: &mut [bool]) -> Result<(), SquashRefusal> {
        loop {
            let grow = match self.named_by_kept(kept) {
                some if !some.is_empty() => some,
                _ => self.met_otherwise(kept)?,
            };
            if grow.is_empty() {
                return Ok(());
            }
            for at in grow {
                kept[at] = true;
            }
        }
    }

    /// Later statements that speak of what a kept one makes or alters.
    fn named_by_kept(&self, kept: &[bool]) -> BTreeSet<usize> {
        let mut tainted: BTreeSet<&str> = BTreeSet::new();
        let mut grow = BTreeSet::new();
        for (at, item) in self.items.iter().enumerate() {
            if kept[at] {
                tainted.extend(item.changed.iter().map(String::as_str));
            } else if item.role == Role::Schema
                && tainted.iter().any(|name| item.words.contains(*name))
            {
                grow.insert(at);
                tainted.extend(item.changed.iter().map(String::as_str));
            }
        }
        grow
    }

    /// The schema of what is written anew, and statements that cannot be part of it.
    fn early(&self, kept: &[bool]) -> (Catalog, BTreeSet<usize>) {
        let mut state = self.base.clone();
        let mut grow = BTreeSet::new();
        for (at, item) in self.items.iter().enumerate() {
            if kept[at] || matches!(item.role, Role::Kept(..) | Role::Nothing) {
                continue;
            }
            let problems = apply(&mut state, item.statement, item.migration);
            if problems.iter().any(|p| !item.problems.contains(p)) {
                grow.insert(at);
            }
        }
        (state, grow)
    }

    /// Later statements that keep a kept one from meeting what it was written for.
    fn met_otherwise(&self, kept: &[bool]) -> Result<BTreeSet<usize>, SquashRefusal> {
        let (mut state, grow) = self.early(kept);
        if !grow.is_empty() {
            return Ok(grow);
        }
        let later = |at: usize| (at + 1..self.items.len()).filter(|l| self.is_rendered(*l, kept));
        for (at, item) in self.items.iter().enumerate() {
            if !kept[at] && item.role != Role::Session {
                continue;
            }
            if let Role::Kept(touch, _) = &item.role {
                let found = self.unlike(at, touch, &state, kept);
                match found {
                    None => {}
                    Some(names) => {
                        let mut grow: BTreeSet<usize> = later(at)
                            .filter(|l| {
                                names.is_empty()
                                    || self.items[*l].changed.iter().any(|c| names.contains(c))
                            })
                            .collect();
                        if grow.is_empty() {
                            grow = later(at).collect();
                        }
                        if grow.is_empty() {
                            return Err(self.stuck(at));
                        }
                        return Ok(grow);
                    }
                }
            }
            let problems = apply(&mut state, item.statement, item.migration);
            if kept[at] && problems.iter().any(|p| !item.problems.contains(p)) {
                let grow: BTreeSet<usize> = later(at).collect();
                if grow.is_empty() {
                    return Err(self.stuck(at));
                }
                return Ok(grow);
            }
        }
        Ok(BTreeSet::new())
    }

    fn stuck(&self, at: usize) -> SquashRefusal {
        let item = &self.items[at];
        let file = self.scripts[item.migration].0;
        refusal(
            format!(
                "{}: `{}` has to run as it stands, and would meet another schema",
                place(file, item.statement.span.start),
                first_line(&item.statement.text)
            ),
            EARLIER,
        )
    }

    /// Names of what a kept statement would meet otherwise than it did; `None` where all is alike,
    /// and no name where it may be anything.
    fn unlike(
        &self,
        at: usize,
        touch: &Touch,
        state: &Catalog,
        kept: &[bool],
    ) -> Option<BTreeSet<String>> {
        let met = &self.items[at].met;
        let mut unlike: BTreeSet<String> = BTreeSet::new();
        for (name, old, new) in met.types.unshared(&state.types) {
            if old.is_some() && !old.zip(new).is_some_and(|(o, n)| type_holds(&o.def, &n.def)) {
                unlike.insert(key(name));
            }
        }
        for (routine, old, new) in met.routines.unshared(&state.routines) {
            if old.is_some() && old != new {
                unlike.insert(key(&routine.name));
            }
        }
        match touch {
            Touch::Everything => {
                return (!changed_between(met, state).is_empty()).then(BTreeSet::new);
            }
            Touch::Names(names) => {
                for name in names {
                    let tables = (met.tables.get(name), state.tables.get(name));
                    let alike = match tables {
                        (Some(old), Some(new)) => {
                            bare(old) == bare(new) || self.harmless(at, name, kept)
                        }
                        (old, new) => old.is_none() && new.is_none(),
                    };
                    let views = (met.views.get(name), state.views.get(name));
                    let same_view = match views {
                        (Some(old), Some(new)) => old.query.text == new.query.text,
                        (old, new) => old.is_none() && new.is_none(),
                    };
                    if !alike
                        || !same_view
                        || met.sequences.get(name).is_some() != state.sequences.get(name).is_some()
                    {
                        unlike.insert(key(name));
                    }
                }
            }
        }
        (!unlike.is_empty()).then_some(unlike)
    }

    /// Whether later changes of a table make no difference to a statement that runs behind them.
    fn harmless(&self, at: usize, table: &ObjectName, kept: &[bool]) -> bool {
        let item = &self.items[at];
        let names_columns = item.statement.changes().iter().all(|change| match change {
            Change::Insert { columns, from_query, .. } => {
                !columns.is_empty() && from_query.as_ref().is_none_or(|q| !q.star)
            }
            Change::Update { query, .. } | Change::Delete { query, .. } => !query.star,
            Change::Select { query } => !query.star,
            Change::SetSequenceValue { .. } => true,
            _ => false,
        });
        let name = key(table);
        let mut later = (at + 1..self.items.len())
            .filter(|l| self.is_rendered(*l, kept) && self.items[*l].changed.contains(&name));
        names_columns && later.all(|l| self.items[l].statement.changes().iter().all(is_harmless))
    }

    /// The text of both directions, proven by replaying it.
    fn write(&self, kept: &[bool]) -> Result<Squashed, SquashRefusal> {
        let dialect = self.base.dialect;
        let (early, _) = self.early(kept);
        let mut out = Squashed::default();
        out.up.push_str(&self.head(kept));
        let way = changes_between(self.base, &early);
        if let Some(why) = way.blocked.first() {
            return Err(refusal(format!("this cannot be written anew: {why}"), EARLIER));
        }
        let mut written = Vec::with_capacity(way.changes.len());
        for change in way.changes {
            let statements =
                render(&change, dialect).map_err(|error| refusal(error.to_string(), EARLIER))?;
            written.push((change, statements));
        }
        for statement in order::in_order(&written, dialect) {
            push(&mut out.up, &statement);
        }
        self.write_kept(kept, &mut out);
        let up = parse_script(&out.up, dialect);
        let mut again = self.base.clone();
        let problems = again.apply_script(&up, Origin::Series(usize::MAX));
        let known = |p: &Problem| self.items.iter().any(|i| i.problems.contains(p));
        if let Some((at, _, problem)) = problems.iter().find(|(_, _, p)| !known(p)) {
            let text = up.statements.get(*at).map_or("", |s| s.text.as_str());
            return Err(refusal(
                format!("what comes out would not run: {problem} (`{}`)", first_line(text)),
                EARLIER,
            ));
        }
        let differences = diff(self.last, &again, DiffOptions { column_order: true });
        if let Some(first) = differences.first() {
            return Err(refusal(format!("what comes out gives another schema: {first}"), EARLIER));
        }
        self.write_down(&again, kept, &mut out)?;
        Ok(out)
    }

    /// What the file stands for, and what the kept statements were told.
    fn head(&self, kept: &[bool]) -> String {
        let dialect = self.base.dialect;
        let mut out = String::from(
            "-- Written by `downhaul squash`. A database that has applied these one by one is known by\n\
             -- the lines below, and nothing of this runs there.\n",
        );
        for (migration, (file, _)) in self.migrations.iter().zip(self.scripts) {
            let inner = members(&file.text, dialect);
            let own = Member {
                version: migration.version.clone(),
                tokens: Checksum::of(&file.text, dialect).tokens,
                name: migration.name.clone(),
            };
            for member in inner.iter().chain(std::iter::once(&own)) {
                out.push_str(&member.line());
                out.push('\n');
            }
        }
        let mut told = BTreeSet::new();
        for (index, (file, script)) in self.scripts.iter().enumerate() {
            if !self.items.iter().zip(kept).any(|(i, k)| *k && i.migration == index) {
                continue;
            }
            if file.transaction == TransactionMode::None {
                told.insert("-- downhaul:no-transaction".to_owned());
            }
            for directive in &script.directives {
                if matches!(
                    directive.kind,
                    DirectiveKind::NoTransaction | DirectiveKind::Protect { .. }
                ) {
                    told.insert(directive.span.text(&file.text).trim().to_owned());
                }
            }
        }
        for line in told {
            out.push_str(&line);
            out.push('\n');
        }
        out.push('\n');
        out
    }

    fn write_kept(&self, kept: &[bool], out: &mut Squashed) {
        for (index, (file, _)) in self.scripts.iter().enumerate() {
            let of = || self.items.iter().enumerate().filter(move |(_, i)| i.migration == index);
            let noted = |item: &Item<'_>, why: &str| Noted {
                path: file.path.clone(),
                line: LineIndex::new(&file.text)
                    .position(&file.text, item.statement.span.start)
                    .line,
                text: first_line(&item.statement.text),
                why: why.to_owned(),
            };
            for (_, item) in of().filter(|(_, item)| item.idle) {
                let why = "its tables are empty on a new database";
                out.left_out.push(noted(item, why));
            }
            let Some(last) = of().filter(|(at, _)| kept[*at]).map(|(at, _)| at).next_back() else {
                continue;
            };
            out.up.push_str(&format!("\n-- from {}\n", self.migrations[index].label()));
            let mut settings = Vec::new();
            for (at, item) in of() {
                if kept[at] {
                    let why = match &item.role {
                        Role::Kept(_, why) => why,
                        _ => "it stands behind one that is kept",
                    };
                    out.kept.push(noted(item, why));
                    push(&mut out.up, &item.statement.text);
                } else if item.role == Role::Session && at < last {
                    push(&mut out.up, &item.statement.text);
                    settings.extend(item.statement.changes().iter().filter_map(|c| match c {
                        Change::SetVariable { name, .. } => Some(name.as_str()),
                        _ => None,
                    }));
                }
            }
            settings.dedup();
            for name in settings {
                if let Some(reset) = reset(name, self.base.dialect) {
                    push(&mut out.up, &reset);
                }
            }
        }
    }

    fn write_down(
        &self,
        again: &Catalog,
        kept: &[bool],
        out: &mut Squashed,
    ) -> Result<(), SquashRefusal> {
        let dialect = self.base.dialect;
        let way = changes_between(again, self.base);
        out.not_undone.extend(way.blocked);
        for (item, _) in self.items.iter().zip(kept).filter(|(_, k)| **k) {
            let what = first_line(&item.statement.text);
            match &item.role {
                Role::Kept(Touch::Everything, why) => {
                    out.not_undone.push(format!("what `{what}` did beyond the schema: {why}"));
                }
                Role::Kept(Touch::Names(names), _) => {
                    if let Some(name) = names.iter().find(|n| self.base.tables.contains_key(*n)) {
                        out.not_undone.push(format!("the rows of {name} that `{what}` changed"));
                    }
                }
                _ => {}
            }
        }
        out.down.push_str("-- Takes all of it back. Written by `downhaul squash`.\n");
        for line in &out.not_undone {
            out.down.push_str(&format!("-- Not undone: {}\n", line.replace('\n', " ")));
        }
        out.down.push('\n');
        for change in way.changes {
            let statements =
                render(&change, dialect).map_err(|error| refusal(error.to_string(), EARLIER))?;
            for statement in statements {
                push(&mut out.down, &statement);
            }
        }
        let mut back = again.clone();
        back.apply_script(&parse_script(&out.down, dialect), Origin::Series(usize::MAX - 1));
        let differences = diff(self.base, &back, DiffOptions::default());
        if let Some(first) = differences.first().filter(|_| out.not_undone.is_empty()) {
            return Err(refusal(format!("its down would not lead back: {first}"), EARLIER));
        }
        Ok(())
    }
}

/// A statement behind the others.
fn push(out: &mut String, statement: &str) {
    let statement = statement.trim_end().trim_end_matches(';');
    out.push_str(statement);
    // A comment at the end would hide the terminator.
    if statement.rsplit('\n').next().is_some_and(|line| line.contains("--") || line.contains('#')) {
        out.push('\n');
    }
    out.push_str(";\n");
}

fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default().trim();
    match line.char_indices().nth(80) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None if text.trim().lines().count() > 1 => format!("{line} …"),
        None => line.to_owned(),
    }
}

/// What ends a setting that its file made for its own session.
fn reset(name: &str, dialect: Dialect) -> Option<String> {
    match dialect {
        Dialect::Postgres if name == "timezone" => Some("RESET TIME ZONE".into()),
        Dialect::Postgres => Some(format!("RESET {name}")),
        Dialect::Mysql | Dialect::MariaDb => match name {
            "names" | "character set" => Some("SET NAMES DEFAULT".into()),
            _ if name.starts_with('@') && !name.starts_with("@@") => None,
            _ => {
                let bare = name.trim_start_matches("@@").trim_start_matches("session.");
                Some(format!("SET SESSION {bare} = DEFAULT"))
            }
        },
        Dialect::Sqlite => None,
    }
}

/// A table without what no row feels.
fn bare(table: &Table) -> Table {
    let mut bare = table.clone();
    bare.indexes.retain(|index| index.unique);
    bare.comment = None;
    bare.grants.clear();
    bare.owner = None;
    bare.replica_identity = None;
    bare.stats = None;
    bare.columns.change_where(
        |c| c.comment.is_some() || !c.options.is_empty(),
        |column| {
            column.comment = None;
            column.options.clear();
        },
    );
    bare.constraints.change_where(|c| c.comment.is_some(), |c| c.comment = None);
    bare
}

/// Whether a value of the old type is one of the new.
fn type_holds(old: &TypeDef, new: &TypeDef) -> bool {
    match (old, new) {
        (TypeDef::Enum(old), TypeDef::Enum(new)) => old.iter().all(|value| new.contains(value)),
        (old, new) => old == new,
    }
}

/// A change of a table that a statement which names its columns does not feel, whether it runs
/// before or behind it.
fn is_harmless(change: &Change) -> bool {
    match change {
        Change::AddColumn { column, .. } => {
            let constant = column
                .default
                .as_ref()
                .is_none_or(|d| d.functions.is_empty() && !d.text.contains('('));
            constant
                && column.constraints.is_empty()
                && column.generated.is_none()
                && column.identity.is_none()
                && !column.auto_increment
                && (!column.not_null || column.default.is_some())
                && !column
                    .ty
                    .as_ref()
                    .is_some_and(|t| t.raw.to_ascii_lowercase().contains("serial"))
        }
        Change::CreateIndex { index, .. } => !index.unique,
        Change::Comment { .. } | Change::Grant { .. } | Change::SetOwner { .. } => true,
        _ => false,
    }
}

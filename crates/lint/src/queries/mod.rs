//! Statements of the running release: what each names, and whether a migration breaks it.
//!
//! Each is resolved against the schema that the release sees, and again after a migration. One that
//! resolved before and does not after is broken, and the first change that left it so is to blame.

mod expr;
mod functions;
mod resolve;
mod scope;
mod select;
mod source;
mod types;
mod view;
mod write;

use std::collections::{BTreeSet, HashMap, HashSet};

use downhaul_catalog::{Catalog, Origin};
use downhaul_syntax::query::QueryStatement;
use downhaul_syntax::{
    Change, Dialect, Ident, LineIndex, ObjectName, Position, Query, Script, Span, parse_query,
    parse_script,
};
use serde::Serialize;

use crate::input::KnownQuery;
use resolve::{Resolution, World, resolve};
use types::Ty;

/// Why a statement no longer works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// No such table, view or sequence.
    UnknownTable,
    /// No such column.
    UnknownColumn,
    /// Two tables of the query have the column now.
    AmbiguousColumn,
    /// Another number of columns or values than is wanted.
    WrongCount,
    /// A column demands a value and gets none.
    RequiredColumn,
    /// The types do not fit.
    TypeMismatch,
    /// No unique index behind `ON CONFLICT`.
    NoConflictTarget,
    /// An enum has no such value.
    EnumLabel,
    /// No such index, which a hint demands.
    UnknownIndex,
    /// No such function with that many arguments.
    UnknownFunction,
    /// No such type.
    UnknownType,
    /// A column is not grouped by.
    NotGrouped,
    /// A generated column gets a value.
    Generated,
    /// A view that it reads fails.
    BrokenView,
    /// The client was built for another result.
    ResultType,
}

/// One reference that does not resolve.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    /// Place in the query.
    pub(crate) span: Span,
    pub(crate) why: String,
}

/// What a query names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Uses {
    tables: BTreeSet<ObjectName>,
    columns: BTreeSet<(ObjectName, Ident)>,
    stars: BTreeSet<ObjectName>,
    positional: BTreeSet<ObjectName>,
    functions: BTreeSet<ObjectName>,
}

impl Uses {
    fn table(&mut self, table: &ObjectName, _: Span) {
        self.tables.insert(table.clone());
    }

    fn column(&mut self, table: &ObjectName, column: &Ident, _: Span) {
        self.columns.insert((table.clone(), column.clone()));
    }

    fn star(&mut self, table: &ObjectName, _: Span) {
        self.stars.insert(table.clone());
    }

    fn positional(&mut self, table: &ObjectName, _: Span) {
        self.positional.insert(table.clone());
    }

    fn function(&mut self, name: &ObjectName, _: Span) {
        self.functions.insert(name.clone());
    }
}

/// A statement that a migration breaks.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BrokenQuery {
    /// File, or `pg_stat_statements`.
    pub source: String,
    /// Line of the reference; of the statement, where its text stands in a record.
    pub line: usize,
    /// Column of the reference, where `line` is its line.
    pub column: Option<usize>,
    /// Line and column of the reference in the statement's own text.
    pub in_query: (usize, usize),
    /// The statement.
    pub query: String,
    /// What kind of break.
    pub kind: FaultKind,
    /// Why, naming the object.
    pub why: String,
}

/// One statement of the running release.
pub(crate) struct IndexedQuery {
    known: KnownQuery,
    /// Text in one line.
    pub(crate) text: String,
    statement: Result<QueryStatement, downhaul_syntax::parse::SyntaxError>,
    parameters: Vec<Ty>,
    /// Against what the release sees.
    before: Resolution,
    /// Blamed on a migration of this deployment.
    blamed: bool,
    /// It resolved at some time.
    ever: bool,
}

impl IndexedQuery {
    fn resolve(&self, catalog: &Catalog, before: Option<&Catalog>, complete: bool) -> Resolution {
        let Ok(statement) = &self.statement else { return Resolution::default() };
        let world = World {
            catalog,
            before,
            complete,
            search_path: &self.known.search_path,
            parameters: &self.parameters,
        };
        resolve(statement, world)
    }

    fn resolved(&self) -> bool {
        self.statement.is_ok() && self.before.faults.is_empty()
    }

    /// `src/orders.sql:12:8`.
    pub(crate) fn place(&self, span: Span) -> String {
        let (line, column, (in_line, in_column)) = self.position(span);
        match column {
            Some(column) => format!("{}:{line}:{column}", self.known.source),
            None => format!("{}:{line} ({in_line}:{in_column} of the query)", self.known.source),
        }
    }

    fn position(&self, span: Span) -> (usize, Option<usize>, (usize, usize)) {
        let Position { line, column, .. } =
            LineIndex::new(&self.known.text).position(&self.known.text, span.start);
        if !self.known.verbatim {
            return (self.known.line, None, (line, column));
        }
        let at = if line == 1 { self.known.column + column - 1 } else { column };
        (self.known.line + line - 1, Some(at), (line, column))
    }

    fn broken(&self, fault: &Fault) -> BrokenQuery {
        let (line, column, in_query) = self.position(fault.span);
        BrokenQuery {
            source: self.known.source.clone(),
            line,
            column,
            in_query,
            query: self.text.clone(),
            kind: fault.kind,
            why: fault.why.clone(),
        }
    }
}

/// A statement that breaks, and the change that breaks it.
#[derive(Clone, Debug)]
pub(crate) struct Broken {
    pub(crate) query: usize,
    pub(crate) statement: usize,
    pub(crate) clause: usize,
    pub(crate) faults: Vec<Fault>,
}

/// A remark about a statement itself.
pub(crate) struct Remark {
    pub(crate) source: String,
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) text: String,
    pub(crate) message: String,
}

/// All known statements.
#[derive(Default)]
pub(crate) struct QueryIndex {
    pub(crate) queries: Vec<IndexedQuery>,
    /// By the last part of each name that the text mentions.
    by_name: HashMap<Ident, Vec<usize>>,
    /// What the release sees, and whether that is all there is.
    base: Option<(Catalog, bool)>,
}

impl QueryIndex {
    pub(crate) fn new(queries: &[KnownQuery], dialect: Dialect) -> Self {
        let mut index = Self::default();
        for known in queries {
            let at = index.queries.len();
            for name in names(&known.text, dialect) {
                let list = index.by_name.entry(name).or_default();
                if list.last() != Some(&at) {
                    list.push(at);
                }
            }
            let statement = parse_query(&known.text, dialect).or_else(|error| {
                // Drivers of Python write parameters as `%s` and `%(name)s`.
                match driver_parameters(&known.text, dialect) {
                    Some(text) => parse_query(&text, dialect).map_err(|_| error),
                    None => Err(error),
                }
            });
            index.queries.push(IndexedQuery {
                text: known.text.split_whitespace().collect::<Vec<_>>().join(" "),
                statement,
                parameters: known.parameters.iter().map(|t| Ty::of_client(t)).collect(),
                before: Resolution::default(),
                blamed: false,
                ever: false,
                known: known.clone(),
            });
        }
        index
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queries.is_empty()
    }

    /// Says what the release sees from now on: the schema before the migrations that go out.
    /// `complete`: what the catalog lacks does not exist.
    pub(crate) fn release_sees(&mut self, catalog: &Catalog, complete: bool) {
        let touched = match &self.base {
            Some((old, was)) if *was == complete => Some(self.touched(old, catalog)),
            _ => None,
        };
        for (at, query) in self.queries.iter_mut().enumerate() {
            if touched.as_ref().is_none_or(|t| t.contains(&at)) {
                query.before = query.resolve(catalog, None, complete);
                query.blamed = false;
            }
            query.ever |= query.resolved();
        }
        self.base = Some((catalog.clone(), complete));
    }

    pub(crate) fn has_base(&self) -> bool {
        self.base.is_some()
    }

    /// Queries that a difference between two catalogs can reach.
    fn touched(&self, old: &Catalog, new: &Catalog) -> HashSet<usize> {
        let everything = !old.types.unshared(&new.types).is_empty()
            || !old.sequences.unshared(&new.sequences).is_empty()
            || old.uncertain != new.uncertain;
        if everything {
            return (0..self.queries.len()).collect();
        }
        let mut names: BTreeSet<ObjectName> = BTreeSet::new();
        names.extend(old.tables.unshared(&new.tables).iter().map(|(n, ..)| (*n).clone()));
        names.extend(old.views.unshared(&new.views).iter().map(|(n, ..)| (*n).clone()));
        names.extend(old.routines.unshared(&new.routines).iter().map(|(k, ..)| k.name.clone()));
        // Views over what changed, and views over those.
        let mut open: Vec<ObjectName> = names.iter().cloned().collect();
        while let Some(name) = open.pop() {
            for catalog in [old, new] {
                for by in catalog.perhaps_reading(&name) {
                    if catalog.views.contains_key(by) && names.insert(by.clone()) {
                        open.push(by.clone());
                    }
                }
            }
        }
        names.iter().filter_map(|n| self.by_name.get(&n.name)).flatten().copied().collect()
    }

    /// What an up breaks of that which the release sends. `now` is the schema before it.
    pub(crate) fn broken_by(
        &mut self,
        now: &Catalog,
        script: &Script,
        migration: usize,
    ) -> Vec<Broken> {
        let Some((base, complete)) = &self.base else { return Vec::new() };
        let mut end = now.clone();
        end.apply_script(script, Origin::Series(migration));
        let mut suspects: Vec<usize> = self
            .touched(now, &end)
            .into_iter()
            .filter(|at| {
                let query = &self.queries[*at];
                query.resolved()
                    && !query.blamed
                    && !self.faults(*at, base, &end, *complete).is_empty()
            })
            .collect();
        suspects.sort_unstable();
        if suspects.is_empty() {
            return Vec::new();
        }
        // Once more, change by change: the one that leaves a query broken for good is to blame.
        let mut state = now.clone();
        let mut blame: HashMap<usize, (usize, usize)> = HashMap::new();
        for (at, statement) in script.statements.iter().enumerate() {
            let changes = statement.changes();
            let before = state.clone();
            for clause in state.begin_statement(changes, &statement.text) {
                state.apply(&changes[clause], Origin::Series(migration));
                let reached = self.touched(&before, &state);
                for query in suspects.iter().filter(|q| reached.contains(q)) {
                    if self.faults(*query, base, &state, *complete).is_empty() {
                        blame.remove(query);
                    } else {
                        blame.entry(*query).or_insert((at, clause));
                    }
                }
            }
            state.end_statement();
        }
        let mut out = Vec::new();
        for query in suspects {
            let (statement, clause) = blame.get(&query).copied().unwrap_or((0, 0));
            let faults = self.faults(query, base, &end, *complete);
            out.push(Broken { query, statement, clause, faults });
        }
        for broken in &out {
            self.queries[broken.query].blamed = true;
        }
        out
    }

    fn faults(&self, at: usize, base: &Catalog, catalog: &Catalog, complete: bool) -> Vec<Fault> {
        let query = &self.queries[at];
        let after = query.resolve(catalog, Some(base), complete);
        if !after.faults.is_empty() {
            return after.faults;
        }
        client_faults(&query.known, &query.before, &after)
    }

    /// Shape of a report.
    pub(crate) fn report(&self, broken: &Broken) -> Vec<BrokenQuery> {
        broken.faults.iter().map(|f| self.queries[broken.query].broken(f)).collect()
    }

    /// Statements that the release is said to send and that never resolved, or are not understood.
    pub(crate) fn remarks(&mut self, end: &Catalog, complete: bool, fixed: bool) -> Vec<Remark> {
        let mut remarks = Vec::new();
        if self.base.is_none() {
            return remarks;
        }
        for query in &self.queries {
            let (span, message) = match &query.statement {
                Err(error) => (
                    error.span,
                    format!(
                        "this query is not understood, so nothing is said of it: {}",
                        error.message
                    ),
                ),
                Ok(_) if query.ever => continue,
                Ok(_) => {
                    if !fixed && query.resolve(end, None, complete).faults.is_empty() {
                        continue;
                    }
                    let Some(fault) = query.before.faults.first() else { continue };
                    (
                        fault.span,
                        format!("this query fails before any migration already: {}", fault.why),
                    )
                }
            };
            let (line, column, _) = query.position(span);
            remarks.push(Remark {
                source: query.known.source.clone(),
                line,
                column: column.unwrap_or(1),
                text: query.text.clone(),
                message,
            });
        }
        remarks
    }

    fn such(
        &self,
        name: &Ident,
        keep: impl Fn(&IndexedQuery) -> bool,
    ) -> std::vec::IntoIter<usize> {
        let named = self.by_name.get(name).into_iter().flatten().copied();
        let such = named.filter(|at| self.queries[*at].resolved() && keep(&self.queries[*at]));
        such.collect::<Vec<_>>().into_iter()
    }

    /// Statements that name the table or view.
    pub(crate) fn of_table(&self, table: &ObjectName) -> impl Iterator<Item = usize> + use<> {
        let wanted = table.clone();
        self.such(&table.name, move |q| q.before.uses.tables.iter().any(|t| same(t, &wanted)))
    }

    /// Statements that name the column of the table.
    pub(crate) fn of_column(
        &self,
        table: &ObjectName,
        column: &Ident,
    ) -> impl Iterator<Item = usize> + use<> {
        let (wanted, column) = (table.clone(), column.clone());
        self.such(&table.name, move |q| {
            q.before.uses.columns.iter().any(|(t, c)| same(t, &wanted) && *c == column)
        })
    }

    /// Statements that read `*` of the table.
    pub(crate) fn of_star(&self, table: &ObjectName) -> impl Iterator<Item = usize> + use<> {
        let wanted = table.clone();
        self.such(&table.name, move |q| q.before.uses.stars.iter().any(|t| same(t, &wanted)))
    }

    /// Inserts into the table without a column list.
    pub(crate) fn positional(&self, table: &ObjectName) -> impl Iterator<Item = usize> + use<> {
        let wanted = table.clone();
        self.such(&table.name, move |q| q.before.uses.positional.iter().any(|t| same(t, &wanted)))
    }

    /// Statements that call the routine.
    pub(crate) fn of_function(&self, name: &ObjectName) -> impl Iterator<Item = usize> + use<> {
        let wanted = name.clone();
        self.such(&name.name, move |q| q.before.uses.functions.iter().any(|f| same(f, &wanted)))
    }

    /// Not all that the statement names is known.
    pub(crate) fn is_unsure(&self, query: usize) -> bool {
        self.queries[query].before.unsure
    }
}

fn same(a: &ObjectName, b: &ObjectName) -> bool {
    a.name == b.name && (a.schema.is_none() || b.schema.is_none() || a.schema == b.schema)
}

/// What a client that was built for the old result cannot take of the new one.
fn client_faults(known: &KnownQuery, before: &Resolution, after: &Resolution) -> Vec<Fault> {
    let mut faults = Vec::new();
    let (Some(old), Some(new)) = (&before.outputs, &after.outputs) else { return faults };
    let mut fault = |why: String| {
        faults.push(Fault { kind: FaultKind::ResultType, span: Span::default(), why });
    };
    for (at, client) in known.columns.iter().enumerate() {
        let Some(was) = old.get(at) else { continue };
        let Some(is) = new.get(at) else {
            fault(format!("the result has no column {} (`{}`) any more", at + 1, client.name));
            continue;
        };
        if is.name != was.name {
            fault(format!(
                "column {} of the result is `{}`, the client takes it for `{}`",
                at + 1,
                is.name,
                was.name
            ));
            continue;
        }
        let canonical = |c: &scope::Col| c.sql.as_ref().map(|t| (t.name.clone(), t.dimensions));
        let text = |name: &str| matches!(name, "text" | "varchar" | "char" | "bpchar" | "name");
        if let (Some(from), Some(to)) = (canonical(was), canonical(is))
            && from != to
            && !(text(&from.0) && text(&to.0) && from.1 == to.1)
        {
            fault(format!(
                "`{}` was `{}` when the client was built and is `{}`",
                is.name, from.0, to.0
            ));
        }
        if client.nullable == Some(false) && was.not_null && !is.not_null {
            fault(format!("`{}` may be NULL, and the client was built for a value", is.name));
        }
    }
    faults
}

/// Names of tables, views and functions that a text mentions anywhere.
fn names(text: &str, dialect: Dialect) -> Vec<Ident> {
    let mut out = Vec::new();
    let mut read = |query: &Query| {
        out.extend(query.tables.iter().map(|t| t.name.clone()));
        out.extend(query.functions.iter().map(|f| Ident::new(dialect, f, false)));
    };
    let script = parse_script(text, dialect);
    let mut tables = Vec::new();
    for change in script.statements.iter().flat_map(|s| s.changes()) {
        match change {
            Change::Select { query } => read(query),
            Change::Insert { table, from_query, .. } => {
                tables.push(table.name.clone());
                if let Some(query) = from_query {
                    read(query);
                }
            }
            Change::Update { table, query, .. }
            | Change::Delete { table, query, .. }
            | Change::Merge { table, query } => {
                tables.push(table.name.clone());
                read(query);
            }
            Change::Truncate { tables: names, .. } => {
                tables.extend(names.iter().map(|n| n.name.clone()));
            }
            Change::CopyFrom { table, .. } => tables.push(table.name.clone()),
            Change::Call { name } => tables.push(name.name.clone()),
            _ => {}
        }
    }
    // Every word may be a name: what is missed here would never be looked at again.
    for token in downhaul_syntax::lexer::lex(text, dialect).tokens {
        let word = token.span.text(text);
        match token.kind {
            downhaul_syntax::lexer::TokenKind::Word => out.push(Ident::new(dialect, word, false)),
            downhaul_syntax::lexer::TokenKind::QuotedIdent => {
                let inner = word.trim_matches(['"', '`', '[', ']']);
                out.push(Ident::new(dialect, inner, true));
            }
            _ => {}
        }
    }
    out.extend(tables);
    out
}

/// The text with `%s` and `%(name)s` made parameters of the server, every place kept.
fn driver_parameters(text: &str, dialect: Dialect) -> Option<String> {
    let parameter = if dialect == Dialect::Postgres { "$1" } else { "? " };
    let (mut out, mut rest, mut found) = (String::with_capacity(text.len()), text, false);
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = if rest.starts_with("%s") {
            2
        } else if rest.starts_with("%(") {
            rest.find(")s").map_or(0, |end| end + 2)
        } else {
            0
        };
        if length == 0 {
            out.push('%');
            rest = &rest[1..];
            continue;
        }
        found = true;
        out.push_str(parameter);
        out.extend(std::iter::repeat_n(' ', length - 2));
        rest = &rest[length..];
    }
    out.push_str(rest);
    found.then_some(out)
}

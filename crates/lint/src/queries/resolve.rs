//! Resolves every name of a query against a catalog.

use std::collections::HashMap;

use downhaul_catalog::Catalog;
use downhaul_syntax::query::{Name, QueryStatement, SetBody, With};
use downhaul_syntax::{Dialect, Ident, ObjectName, Span};

use super::scope::{Col, Part, Rel, Scope};
use super::source::rel_name;
use super::types::Ty;
use super::{Fault, FaultKind, Uses};

/// What is resolved against what.
#[derive(Clone, Copy)]
pub(super) struct World<'a> {
    pub(super) catalog: &'a Catalog,
    /// What the release saw: an object that it has and the catalog lacks is surely gone.
    pub(super) before: Option<&'a Catalog>,
    /// What the catalog lacks does not exist.
    pub(super) complete: bool,
    /// Schemas that the session of the query searches; empty means the default one.
    pub(super) search_path: &'a [Ident],
    /// Types that the client gives to parameters, from 1.
    pub(super) parameters: &'a [Ty],
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Resolution {
    pub(super) faults: Vec<Fault>,
    pub(super) uses: Uses,
    /// Columns that the statement returns; `None` where not all are known.
    pub(super) outputs: Option<Vec<Col>>,
    /// Some names were not to be had: the verdict is not sure.
    pub(super) unsure: bool,
}

pub(super) fn resolve(statement: &QueryStatement, world: World<'_>) -> Resolution {
    let mut resolver = Resolver {
        world,
        out: Resolution::default(),
        ctes: Vec::new(),
        views: HashMap::new(),
        depth: 0,
        quiet: 0,
    };
    let part = resolver.statement(statement, None);
    let mut out = resolver.out;
    out.outputs = (!part.is_open()).then(|| part.star());
    out
}

pub(super) struct Resolver<'a> {
    pub(super) world: World<'a>,
    pub(super) out: Resolution,
    pub(super) ctes: Vec<(Ident, Rel)>,
    /// Relations of views already read.
    pub(super) views: HashMap<ObjectName, Rel>,
    pub(super) depth: usize,
    /// Inside of a view: its faults and uses are not the query's.
    pub(super) quiet: usize,
}

impl<'a> Resolver<'a> {
    pub(super) fn dialect(&self) -> Dialect {
        self.world.catalog.dialect
    }

    pub(super) fn is_postgres(&self) -> bool {
        self.dialect() == Dialect::Postgres
    }

    pub(super) fn fault(&mut self, kind: FaultKind, span: Span, why: impl Into<String>) {
        let fault = Fault { kind, span, why: why.into() };
        if !self.out.faults.contains(&fault) {
            self.out.faults.push(fault);
        }
    }

    pub(super) fn use_column(&mut self, column: &Col, span: Span) {
        if let (Some((table, name)), 0) = (&column.of, self.quiet) {
            self.out.uses.column(table, name, span);
        }
    }

    /// Resolves a statement; gives what it returns.
    pub(super) fn statement(
        &mut self,
        statement: &QueryStatement,
        outer: Option<&Scope<'_>>,
    ) -> Part {
        match statement {
            QueryStatement::Select(select) => self.select(select, outer),
            QueryStatement::Insert(insert) => self.insert(insert, outer),
            QueryStatement::Update(update) => self.update(update, outer),
            QueryStatement::Delete(delete) => self.delete(delete, outer),
            QueryStatement::Merge(merge) => self.merge(merge, outer),
            QueryStatement::Call(call) => {
                let part = Part::default();
                self.expr(call, &Scope::new(&part, outer));
                Part::default()
            }
            QueryStatement::Tables(tables) => {
                for (path, columns) in tables {
                    let rel = self.relation(path);
                    for name in columns {
                        self.column_of(&rel, name);
                    }
                }
                Part::default()
            }
            QueryStatement::Nothing => Part::default(),
        }
    }

    /// A column that must be one of this table.
    pub(super) fn column_of(&mut self, rel: &Rel, name: &Name) -> Option<Col> {
        let found = rel.columns.iter().find(|c| c.name == name.ident).cloned();
        match &found {
            Some(column) => self.use_column(column, name.span),
            None if rel.open => self.assume(rel, &name.ident, name.span),
            None => {
                let table = rel_name(rel);
                self.fault(
                    FaultKind::UnknownColumn,
                    name.span,
                    format!("{table} has no column `{}`", name.ident),
                );
            }
        }
        found
    }

    /// The column is taken to be one of a table of which not all is known.
    pub(super) fn assume(&mut self, rel: &Rel, name: &Ident, span: Span) {
        self.out.unsure = true;
        if let (Some(base), 0) = (&rel.base, self.quiet) {
            self.out.uses.column(base, name, span);
        }
    }

    /// Runs with the common table expressions of a `WITH` in sight.
    pub(super) fn within(
        &mut self,
        with: &With,
        outer: Option<&Scope<'_>>,
        run: &mut dyn FnMut(&mut Self) -> Part,
    ) -> Part {
        let before = self.ctes.len();
        for cte in &with.parts {
            if with.recursive
                && let QueryStatement::Select(select) = &cte.body
                && let SetBody::Set(first, ..) = &select.body
            {
                // The part that does not read itself tells the columns.
                let part = self.within(&select.with, outer, &mut |me| me.set_body(first, outer).0);
                let rel = self.named_rel(cte.name.clone(), part, &cte.columns);
                self.ctes.push((cte.name.clone(), rel));
                let part = self.statement(&cte.body, outer);
                self.ctes.pop();
                let rel = self.named_rel(cte.name.clone(), part, &cte.columns);
                self.ctes.push((cte.name.clone(), rel));
                continue;
            }
            let part = self.statement(&cte.body, outer);
            let rel = self.named_rel(cte.name.clone(), part, &cte.columns);
            self.ctes.push((cte.name.clone(), rel));
        }
        let result = run(self);
        self.ctes.truncate(before);
        result
    }
}

//! What stands in `FROM`: tables, functions, subqueries and joins, found in the catalog.

use downhaul_catalog::Table;
use downhaul_syntax::query::{Expr, ExprKind, Name, Path, Source};
use downhaul_syntax::{Dialect, Ident, ObjectName, Span};

use super::FaultKind;
use super::resolve::Resolver;
use super::scope::{Col, Part, Rel, Scope, is_system_table, plain};
use super::types::Ty;

impl Resolver<'_> {
    /// A source. `left` is what stands before it at its side, seen by `LATERAL` and functions.
    pub(super) fn source(
        &mut self,
        source: &Source,
        left: &Part,
        outer: Option<&Scope<'_>>,
    ) -> Part {
        match source {
            Source::Table { name, alias, columns, indexes } => {
                let mut rel = self.relation(name);
                for index in indexes {
                    self.hinted(&rel, index);
                }
                rename(&mut rel, alias.as_ref(), columns);
                Part { rels: vec![rel], merged: Vec::new() }
            }
            Source::Function { call, alias, columns } => {
                let scope = Scope::new(left, outer);
                self.expr(call, &scope);
                let name = match &call.kind {
                    ExprKind::Call { name, .. } => Some(name.name().clone()),
                    _ => None,
                };
                let mut rel = Rel {
                    alias: name.clone(),
                    schema: None,
                    columns: Vec::new(),
                    open: true,
                    base: None,
                    read_only: None,
                };
                // A scalar gives one column, called like the function or its alias.
                let scalar = alias.clone().or(name);
                rel.columns.extend(scalar.map(|n| Col::new(n, Ty::Any)));
                if !columns.is_empty() {
                    rel.columns = columns.iter().map(|c| Col::new(c.clone(), Ty::Any)).collect();
                }
                rename(&mut rel, alias.as_ref(), &[]);
                Part { rels: vec![rel], merged: Vec::new() }
            }
            Source::Query { select, lateral, alias, columns } => {
                let scope = Scope::new(left, outer);
                let part = self.select(select, if *lateral { Some(&scope) } else { outer });
                let hidden = Ident::new(self.dialect(), "", true);
                let mut rel = self.named_rel(alias.clone().unwrap_or(hidden), part, columns);
                if alias.is_none() {
                    rel.alias = None;
                }
                Part { rels: vec![rel], merged: Vec::new() }
            }
            Source::Join { left: a, right: b, natural, using, on, span } => {
                let first = self.source(a, left, outer);
                let mut beside = left.clone();
                beside.absorb(first.clone());
                let second = self.source(b, &beside, outer);
                self.join(first, second, *natural, using, on.as_ref(), *span, (left, outer))
            }
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn join(
        &mut self,
        mut first: Part,
        mut second: Part,
        natural: bool,
        using: &[Name],
        on: Option<&Expr>,
        span: Span,
        (left, outer): (&Part, Option<&Scope<'_>>),
    ) -> Part {
        let mut names: Vec<(Ident, Span)> =
            using.iter().map(|n| (n.ident.clone(), n.span)).collect();
        if natural {
            if first.is_open() || second.is_open() {
                self.out.unsure = true;
                for rel in first.rels.iter_mut().chain(&mut second.rels) {
                    rel.open = true;
                }
            }
            let right = second.star();
            for column in first.star() {
                if right.iter().any(|c| c.name == column.name)
                    && !names.iter().any(|(n, _)| *n == column.name)
                {
                    names.push((column.name.clone(), span));
                }
            }
        }
        let mut merged = Vec::new();
        for (name, span) in names {
            let sides = [(&mut first, "left"), (&mut second, "right")];
            let mut found = Vec::new();
            for (part, side) in sides {
                let count = part.named(&name).len();
                if count > 1 {
                    self.fault(
                        FaultKind::AmbiguousColumn,
                        span,
                        format!("`{name}` is in more than one table {side} of the join"),
                    );
                }
                match part.merge(&name) {
                    Some(column) => {
                        self.use_column(&column, span);
                        found.push(column);
                    }
                    None if part.is_open() => {
                        if let Some(rel) = part.rels.iter().find(|r| r.open).cloned() {
                            self.assume(&rel, &name, span);
                        }
                    }
                    None => self.fault(
                        FaultKind::UnknownColumn,
                        span,
                        format!("no table {side} of the join has a column `{name}`"),
                    ),
                }
            }
            if let [a, b] = found.as_slice()
                && !a.ty.compares(&b.ty, self.world.catalog)
            {
                self.fault(
                    FaultKind::TypeMismatch,
                    span,
                    format!("`{name}` is {} and {}", a.ty.name(), b.ty.name()),
                );
            }
            merged.push(match found.into_iter().next() {
                Some(column) => column,
                None => Col::new(name, Ty::Any),
            });
        }
        first.absorb(second);
        first.merged.splice(0..0, merged);
        if let Some(on) = on {
            // What stands before the join is not in its sight, but MySQL lets it be.
            let mut visible = first.clone();
            if self.dialect() != Dialect::Postgres {
                visible.absorb(left.clone());
            }
            self.condition(on, &Scope::new(&visible, outer));
        }
        first
    }

    /// The table, view or common table expression of this name.
    pub(super) fn relation(&mut self, path: &Path) -> Rel {
        if let [name] = path.parts.as_slice()
            && let Some((_, rel)) = self.ctes.iter().rev().find(|(n, _)| n == name)
        {
            return rel.clone();
        }
        let written = object_name(path);
        let catalog = self.world.catalog;
        let name = self.find(&written);
        if let Some(table) = name.as_ref().and_then(|n| catalog.tables.get(n)) {
            if self.quiet == 0 {
                self.out.uses.table(&table.name, path.span);
            }
            return self.table_rel(table);
        }
        if let Some(view) = name.as_ref().and_then(|n| catalog.views.get(n)) {
            if self.quiet == 0 {
                self.out.uses.table(&view.name, path.span);
            }
            let rel = self.view_rel(view, path.span);
            if let (Some((_, of)), 0) = (&rel.1, self.quiet) {
                self.fault(FaultKind::BrokenView, path.span, of.clone());
            }
            return rel.0;
        }
        let open = Rel {
            alias: Some(written.name.clone()),
            schema: written.schema.clone(),
            columns: Vec::new(),
            open: true,
            base: Some(plain(&written, catalog)),
            read_only: None,
        };
        if self.quiet == 0 {
            self.out.uses.table(&plain(&written, catalog), path.span);
        }
        // A sequence can be read like a table.
        let sequence = self.candidates(&written).iter().any(|n| catalog.sequences.contains_key(n));
        if is_system_table(&written, self.dialect()) || sequence {
            return open;
        }
        let stood = self.world.before.is_some_and(|before| {
            self.candidates(&written)
                .iter()
                .any(|n| before.tables.contains_key(n) || before.views.contains_key(n))
        });
        if stood || self.world.complete && !catalog.uncertain {
            self.fault(
                FaultKind::UnknownTable,
                path.span,
                format!("there is no table or view `{written}`"),
            );
        } else {
            self.out.unsure = true;
        }
        open
    }

    /// Keys under which the catalog may know a name.
    pub(super) fn candidates(&self, name: &ObjectName) -> Vec<ObjectName> {
        let catalog = self.world.catalog;
        if name.schema.is_some() || self.world.search_path.is_empty() {
            return vec![plain(name, catalog)];
        }
        self.world
            .search_path
            .iter()
            .map(|schema| {
                let name = ObjectName { schema: Some(schema.clone()), name: name.name.clone() };
                plain(&name, catalog)
            })
            .collect()
    }

    fn find(&self, name: &ObjectName) -> Option<ObjectName> {
        let catalog = self.world.catalog;
        self.candidates(name)
            .into_iter()
            .find(|n| catalog.tables.contains_key(n) || catalog.views.contains_key(n))
    }

    pub(super) fn table_rel(&self, table: &Table) -> Rel {
        let catalog = self.world.catalog;
        let inherited = !table.inherits.is_empty() && table.columns.is_empty();
        Rel {
            alias: Some(table.name.name.clone()),
            schema: table.name.schema.clone().or_else(|| catalog.default_schema.clone()),
            columns: table.columns.iter().map(|c| Col::of_table(&table.name, c, catalog)).collect(),
            open: table.columns_unknown || table.assumed || inherited,
            base: Some(table.name.clone()),
            read_only: None,
        }
    }

    /// An index that a hint demands must be there.
    fn hinted(&mut self, rel: &Rel, index: &Name) {
        let Some(base) = rel.base.as_ref().filter(|_| !rel.open) else { return };
        let found = self.world.catalog.tables.get(base).is_some_and(|table| {
            index.ident.key() == "primary" && !table.primary_key().is_empty()
                || table.indexes.iter().any(|i| i.name.name == index.ident)
                || table.constraint(&index.ident).is_some()
        });
        if !found {
            let why = format!("`{base}` has no index `{}`", index.ident);
            self.fault(FaultKind::UnknownIndex, index.span, why);
        }
    }

    /// What a subquery gives, as a table of that name.
    pub(super) fn named_rel(&self, alias: Ident, part: Part, names: &[Ident]) -> Rel {
        let open = part.is_open();
        let mut columns = part.star();
        for (column, name) in columns.iter_mut().zip(names) {
            column.name = name.clone();
        }
        for column in &mut columns {
            column.invisible = false;
        }
        // More names than columns: added by SEARCH, or the columns are not known.
        for name in names.iter().skip(columns.len()) {
            columns.push(Col::new(name.clone(), Ty::Any));
        }
        Rel { alias: Some(alias), schema: None, columns, open, base: None, read_only: None }
    }
}

pub(super) fn object_name(path: &Path) -> ObjectName {
    let schema = path.parts.len().checked_sub(2).map(|at| path.parts[at].clone());
    ObjectName { schema, name: path.name().clone() }
}

fn rename(rel: &mut Rel, alias: Option<&Ident>, columns: &[Ident]) {
    if let Some(alias) = alias {
        rel.alias = Some(alias.clone());
        rel.schema = None;
    }
    for (column, name) in rel.columns.iter_mut().zip(columns) {
        column.name = name.clone();
    }
}

/// For messages.
pub(super) fn rel_name(rel: &Rel) -> String {
    match (&rel.base, &rel.alias) {
        (Some(base), _) => format!("`{base}`"),
        (None, Some(alias)) => format!("`{alias}`"),
        (None, None) => "the subquery".to_owned(),
    }
}

//! Resolves every name of a query against a catalog.

use std::collections::HashMap;

use downhaul_catalog::{Catalog, Table, View};
use downhaul_syntax::query::{
    Core, Expr, ExprKind, Item, Name, Path, QueryStatement, Select, SetBody, Source, With,
};
use downhaul_syntax::{Dialect, Ident, ObjectName, Span, parse_query};

use super::scope::{Col, Part, Rel, Scope, is_system_table, plain};
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
    ctes: Vec<(Ident, Rel)>,
    /// Relations of views already read.
    views: HashMap<ObjectName, Rel>,
    depth: usize,
    /// Inside of a view: its faults and uses are not the query's.
    quiet: usize,
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

    // Statements

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

    /// What a subquery gives, as a table of that name.
    fn named_rel(&self, alias: Ident, part: Part, names: &[Ident]) -> Rel {
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

    pub(super) fn select(&mut self, select: &Select, outer: Option<&Scope<'_>>) -> Part {
        if self.depth > 60 {
            self.out.unsure = true;
            return open_part();
        }
        self.depth += 1;
        let part = self.within(&select.with, outer, &mut |me| {
            let (outputs, sources) = me.set_body(&select.body, outer);
            let visible = outputs.star();
            // Of a set operation only the names that it gives can be ordered by.
            let nothing = Part::default();
            let sources = sources.unwrap_or(nothing);
            let mut scope = Scope::new(&sources, outer);
            scope.outputs = &visible;
            for order in &select.order_by {
                me.order(order, &scope, outputs.is_open());
            }
            let empty = Part::default();
            for limit in &select.limits {
                me.expr(limit, &Scope::new(&empty, outer));
            }
            for lock in &select.locks {
                let known = sources.rels.iter().any(|r| r.alias.as_ref() == Some(&lock.ident));
                if !known {
                    me.fault(
                        FaultKind::UnknownTable,
                        lock.span,
                        format!("`{}` is no table of the FROM clause", lock.ident),
                    );
                }
            }
            outputs
        });
        self.depth -= 1;
        part
    }

    /// An item of `ORDER BY` or a name of `GROUP BY` that may be one of the select list.
    fn order(&mut self, expr: &Expr, scope: &Scope<'_>, open: bool) {
        if let ExprKind::Column(path) | ExprKind::QuotedColumn(path) = &expr.kind
            && let [name] = path.parts.as_slice()
            && (open || scope.outputs.iter().any(|c| c.name == *name))
        {
            return;
        }
        if let ExprKind::Literal(..) = expr.kind {
            return;
        }
        let plain =
            Scope { outputs: if self.is_postgres() { &[] } else { scope.outputs }, ..*scope };
        let ty = self.expr(expr, &plain);
        self.ordered(&ty, expr.span);
    }

    fn ordered(&mut self, ty: &Ty, span: Span) {
        if *ty == Ty::Json {
            self.fault(FaultKind::TypeMismatch, span, "json has no order");
        }
    }

    /// What a body gives, and the tables it reads (of a plain `SELECT`).
    fn set_body(&mut self, body: &SetBody, outer: Option<&Scope<'_>>) -> (Part, Option<Part>) {
        match body {
            SetBody::Core(core) => {
                let (outputs, sources) = self.core(core, outer);
                (outputs, Some(sources))
            }
            SetBody::Nested(select) => (self.select(select, outer), None),
            SetBody::Table(path) => {
                let rel = self.relation(path);
                (Part { rels: vec![rel], merged: Vec::new() }, None)
            }
            SetBody::Values(rows) => {
                let nothing = Part::default();
                let scope = Scope::new(&nothing, outer);
                let mut columns: Vec<Col> = Vec::new();
                for row in rows {
                    for (at, value) in row.iter().enumerate() {
                        let ty = self.expr(value, &scope);
                        let name = Ident::new(self.dialect(), &format!("column{}", at + 1), false);
                        match columns.get_mut(at) {
                            Some(column) if column.ty.is_vague() => column.ty = ty,
                            Some(_) => {}
                            None => columns.push(Col::new(name, ty)),
                        }
                    }
                }
                (derived(columns), None)
            }
            SetBody::Set(left, right, span) => {
                let (left, _) = self.set_body(left, outer);
                let (right, _) = self.set_body(right, outer);
                if left.is_open() || right.is_open() {
                    let mut open = open_part();
                    open.rels[0].columns = left.star();
                    return (open, None);
                }
                let (mut columns, others) = (left.star(), right.star());
                if columns.len() != others.len() {
                    self.fault(
                        FaultKind::WrongCount,
                        *span,
                        format!(
                            "one side has {} columns, the other {}",
                            columns.len(),
                            others.len()
                        ),
                    );
                }
                for (column, other) in columns.iter_mut().zip(&others) {
                    if !column.ty.unites(&other.ty, self.world.catalog) {
                        self.fault(
                            FaultKind::TypeMismatch,
                            *span,
                            format!(
                                "`{}` is {} on one side and {} on the other",
                                column.name,
                                column.ty.name(),
                                other.ty.name()
                            ),
                        );
                    }
                    if column.ty.is_vague() {
                        column.ty = other.ty.clone();
                    }
                    column.of = None;
                    column.merged = false;
                    column.invisible = false;
                }
                (derived(columns), None)
            }
        }
    }

    fn core(&mut self, core: &Core, outer: Option<&Scope<'_>>) -> (Part, Part) {
        let mut sources = Part::default();
        for source in &core.from {
            let part = self.source(source, &sources, outer);
            sources.absorb(part);
        }
        let scope = Scope::new(&sources, outer);
        let (outputs, open) = self.items(&core.items, &scope, &sources);
        let mut lenient = scope;
        if !self.is_postgres() {
            lenient.outputs = &outputs;
        }
        let where_scope = if self.dialect() == Dialect::Sqlite { lenient } else { scope };
        if let Some(filter) = &core.filter {
            self.condition(filter, &where_scope);
        }
        for expr in &core.distinct_on {
            self.expr(expr, &scope);
        }
        for expr in &core.group_by {
            // A name of the tables comes first, then one of the select list.
            if let ExprKind::Column(path) = &expr.kind
                && let [name] = path.parts.as_slice()
                && sources.named(name).is_empty()
                && outputs.iter().any(|c| c.name == *name)
            {
                continue;
            }
            let ty = self.expr(expr, &lenient);
            self.ordered(&ty, expr.span);
        }
        if let Some(having) = &core.having {
            self.condition(having, &lenient);
        }
        for expr in &core.windows {
            self.expr(expr, &scope);
        }
        if self.is_postgres() && !core.group_by.is_empty() && !core.grouping_sets {
            self.grouped(core, &sources);
        }
        let mut part = derived(outputs);
        part.rels[0].open = open;
        (part, sources)
    }

    /// PostgreSQL: a plain column of the select list must be grouped by, or depend on a primary key
    /// that is.
    fn grouped(&mut self, core: &Core, sources: &Part) {
        let find = |path: &Path| -> Option<(ObjectName, Ident)> {
            let name = path.name();
            let column = match path.parts.as_slice() {
                [_] => sources.named(name).into_iter().next().cloned(),
                [.., table, _] => sources
                    .rels
                    .iter()
                    .find(|r| r.alias.as_ref() == Some(table))
                    .and_then(|r| r.columns.iter().find(|c| c.name == *name).cloned()),
                [] => None,
            };
            column?.of
        };
        let keys: Vec<(ObjectName, Ident)> = core
            .group_by
            .iter()
            .filter_map(|e| match &e.kind {
                ExprKind::Column(path) => find(path),
                _ => None,
            })
            .collect();
        // A position or an expression may stand for what is not seen here.
        if keys.len() != core.group_by.len() {
            return;
        }
        for item in &core.items {
            let Item::Expr(Expr { kind: ExprKind::Column(path), span }, _) = item else { continue };
            let Some((table, column)) = find(path) else { continue };
            if keys.contains(&(table.clone(), column.clone())) {
                continue;
            }
            let depends = self.world.catalog.tables.get(&table).is_none_or(|t| {
                let key = t.primary_key();
                t.columns_unknown
                    || !key.is_empty()
                        && key.iter().all(|k| keys.contains(&(table.clone(), k.clone())))
            });
            if !depends {
                self.fault(
                    FaultKind::NotGrouped,
                    *span,
                    format!(
                        "`{table}.{column}` is not in GROUP BY, and no primary key there decides it"
                    ),
                );
            }
        }
    }

    /// A select list: its columns, and whether more may come.
    pub(super) fn items(
        &mut self,
        items: &[Item],
        scope: &Scope<'_>,
        sources: &Part,
    ) -> (Vec<Col>, bool) {
        let (mut outputs, mut open) = (Vec::new(), false);
        for item in items {
            match item {
                Item::Star(span) => {
                    open |= sources.is_open();
                    for rel in &sources.rels {
                        if let (Some(base), 0) = (&rel.base, self.quiet) {
                            self.out.uses.star(base, *span);
                        }
                    }
                    outputs.extend(sources.star());
                }
                Item::TableStar(path) => match self.rel_of(&path.parts, scope).cloned() {
                    Some(rel) => {
                        open |= rel.open;
                        if let (Some(base), 0) = (&rel.base, self.quiet) {
                            self.out.uses.star(base, path.span);
                        }
                        outputs.extend(rel.columns.iter().filter(|c| !c.invisible).cloned().map(
                            |mut c| {
                                c.merged = false;
                                c
                            },
                        ));
                    }
                    None => self.fault(
                        FaultKind::UnknownTable,
                        path.span,
                        format!("`{}` is no table of the FROM clause", path.name()),
                    ),
                },
                Item::Expr(expr, alias) => {
                    let ty = self.expr(expr, scope);
                    let mut column = match self.plain_column(expr, scope) {
                        Some(column) => column,
                        None => Col::new(self.implied_name(expr), ty.clone()),
                    };
                    column.ty = ty;
                    column.merged = false;
                    column.invisible = false;
                    if let Some(alias) = alias {
                        column.name = alias.clone();
                    }
                    outputs.push(column);
                }
            }
        }
        (outputs, open)
    }

    /// The name that the server gives an expression without an alias.
    fn implied_name(&self, expr: &Expr) -> Ident {
        let name = match &expr.kind {
            ExprKind::Column(path) | ExprKind::QuotedColumn(path) => return path.name().clone(),
            ExprKind::Call { name, .. } => return name.name().clone(),
            ExprKind::Field(_, name) => return name.ident.clone(),
            ExprKind::Cast(inner, ty) => {
                if matches!(inner.kind, ExprKind::Column(_) | ExprKind::Call { .. }) {
                    return self.implied_name(inner);
                }
                ty.name.clone()
            }
            ExprKind::Case(_, _, Some(rest)) if matches!(rest.kind, ExprKind::Column(_)) => {
                return self.implied_name(rest);
            }
            ExprKind::Case(..) => "case".to_owned(),
            ExprKind::Exists(_) => "exists".to_owned(),
            ExprKind::Keyword(word) => word.to_ascii_lowercase(),
            ExprKind::Subquery(select) => match &select.body {
                SetBody::Core(core) => match core.items.first() {
                    Some(Item::Expr(_, Some(alias))) => return alias.clone(),
                    Some(Item::Expr(inner, None)) => return self.implied_name(inner),
                    _ => "?column?".to_owned(),
                },
                _ => "?column?".to_owned(),
            },
            _ => "?column?".to_owned(),
        };
        Ident::new(self.dialect(), &name, true)
    }

    // FROM

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

    /// A view's columns, and why it no longer works.
    fn view_rel(&mut self, view: &View, span: Span) -> (Rel, Option<(Span, String)>) {
        if let Some(rel) = self.views.get(&view.name) {
            return (rel.clone(), None);
        }
        let catalog = self.world.catalog;
        let mut rel = Rel {
            alias: Some(view.name.name.clone()),
            schema: view.name.schema.clone().or_else(|| catalog.default_schema.clone()),
            columns: Vec::new(),
            open: true,
            base: Some(view.name.clone()),
            read_only: None,
        };
        let mut broken = None;
        if self.depth < 30
            && let Ok(statement) = parse_query(&view.query.text, self.dialect())
        {
            let (faults, ctes) = (self.out.faults.len(), std::mem::take(&mut self.ctes));
            self.quiet += 1;
            self.depth += 1;
            let part = self.statement(&statement, None);
            self.depth -= 1;
            self.quiet -= 1;
            self.ctes = ctes;
            if view.triggers.is_empty() {
                rel.read_only = read_only(&statement, self.dialect());
            }
            let why = self.out.faults.drain(faults..).next();
            rel.open = part.is_open() || why.is_some();
            rel.columns = part.star();
            // PostgreSQL does not let a view break; there the text is what is not understood.
            if let Some(why) = why
                && !self.is_postgres()
            {
                broken = Some((span, format!("view `{}` fails: {}", view.name, why.why)));
            }
        }
        if !view.columns.is_empty() {
            rel.columns.truncate(view.columns.len());
            for (at, name) in view.columns.iter().enumerate() {
                match rel.columns.get_mut(at) {
                    Some(column) => column.name = name.clone(),
                    None => rel.columns.push(Col::new(name.clone(), Ty::Any)),
                }
            }
            rel.open = false;
        }
        let gone = self.same_names(view, &mut rel);
        if broken.is_none()
            && let Some(column) = gone
        {
            broken = Some((span, format!("view `{}` fails: it reads `{column}`", view.name)));
        }
        let triggers = !view.triggers.is_empty();
        for column in &mut rel.columns {
            column.computed = !rel.open && !triggers && (column.of.is_none() || column.computed);
            column.of = Some((view.name.clone(), column.name.clone()));
            column.merged = false;
            column.invisible = false;
        }
        self.views.insert(view.name.clone(), rel.clone());
        (rel, broken)
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

    /// PostgreSQL: a view keeps the names and the number of its columns, whatever becomes of those
    /// it reads. MySQL: `*` was written out when the view was made, and a column of it that is gone
    /// (which is given back) makes the view fail.
    fn same_names(&mut self, view: &View, rel: &mut Rel) -> Option<Ident> {
        let before = self.world.before?;
        let old = before.views.get(&view.name)?;
        if self.dialect() == Dialect::Sqlite
            || old.origin != view.origin
            || std::ptr::eq(before, self.world.catalog)
        {
            return None;
        }
        let world = World { catalog: before, before: None, ..self.world };
        let mut past = Resolver {
            world,
            out: Resolution::default(),
            ctes: Vec::new(),
            views: HashMap::new(),
            depth: self.depth + 1,
            quiet: 1,
        };
        let (old_rel, _) = past.view_rel(old, Span::default());
        if old_rel.open || rel.open {
            return None;
        }
        if !self.is_postgres() {
            if !view.query.star {
                return None;
            }
            rel.columns.retain(|c| old_rel.columns.iter().any(|o| o.name == c.name));
            let kept = |o: &&Col| rel.columns.iter().any(|c| c.name == o.name);
            return old_rel.columns.iter().find(|o| !kept(o)).map(|o| o.name.clone());
        }
        if view.query.star && rel.columns.len() > old_rel.columns.len() {
            rel.columns.truncate(old_rel.columns.len());
        }
        for (column, old) in rel.columns.iter_mut().zip(&old_rel.columns) {
            column.name = old.name.clone();
        }
        None
    }
}

/// What a subquery gives.
pub(super) fn derived(columns: Vec<Col>) -> Part {
    Part {
        rels: vec![Rel {
            alias: None,
            schema: None,
            columns,
            open: false,
            base: None,
            read_only: None,
        }],
        merged: Vec::new(),
    }
}

pub(super) fn open_part() -> Part {
    let mut part = derived(Vec::new());
    part.rels[0].open = true;
    part
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

/// Why a view of this query takes no writes.
fn read_only(statement: &QueryStatement, dialect: Dialect) -> Option<&'static str> {
    let simple = match statement {
        QueryStatement::Select(Select { with, body: SetBody::Core(core), limits, .. }) => {
            with.parts.is_empty()
                && limits.is_empty()
                && core.group_by.is_empty()
                && core.having.is_none()
                && core.distinct_on.is_empty()
                && (dialect != Dialect::Postgres
                    || matches!(core.from.as_slice(), [Source::Table { .. }]))
        }
        _ => false,
    };
    match (dialect, simple) {
        (Dialect::Sqlite, _) => Some("SQLite writes to no view without a trigger"),
        (_, false) => Some("its query is not one that can be written through"),
        _ => None,
    }
}

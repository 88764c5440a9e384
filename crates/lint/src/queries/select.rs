//! Queries that give rows: their select lists, conditions, groups, orders and set operations.

use downhaul_syntax::query::{Core, Expr, ExprKind, Item, Path, Select, SetBody};
use downhaul_syntax::{Dialect, Ident, ObjectName, Span};

use super::FaultKind;
use super::resolve::Resolver;
use super::scope::{Col, Part, Rel, Scope};
use super::types::Ty;

impl Resolver<'_> {
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
    pub(super) fn set_body(
        &mut self,
        body: &SetBody,
        outer: Option<&Scope<'_>>,
    ) -> (Part, Option<Part>) {
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

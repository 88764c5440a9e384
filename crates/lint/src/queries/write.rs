//! `INSERT`, `UPDATE`, `DELETE`, `MERGE`: what is written must fit.

use downhaul_catalog::{Index, Table};
use downhaul_syntax::query::{
    Assignment, Conflict, Delete, Expr, ExprKind, Insert, LiteralKind, Merge, MergeAction, Name,
    SetBody, Source, Update,
};
use downhaul_syntax::{ConstraintKind, Dialect, Ident, Span};

use super::FaultKind;
use super::resolve::Resolver;
use super::scope::{Col, Part, Rel, Scope};
use super::select::derived;
use super::types::Ty;
use crate::effects::logical::fills_itself;
use crate::state::check_proves_not_null;

impl Resolver<'_> {
    pub(super) fn insert(&mut self, insert: &Insert, outer: Option<&Scope<'_>>) -> Part {
        self.within(&insert.with, outer, &mut |me| {
            let mut rel = me.relation(&insert.table);
            let table = rel.base.as_ref().and_then(|n| me.world.catalog.tables.get(n)).cloned();
            if let Some(alias) = &insert.alias {
                rel.alias = Some(alias.clone());
                rel.schema = None;
            }
            me.writable(&rel, insert.table.span);
            let targets = me.insert_targets(insert, &rel, table.as_ref());
            me.insert_rows(insert, &rel, &targets, table.as_ref(), outer);
            if let Some(table) = &table
                && !rel.open
            {
                let given: Vec<Ident> = targets.iter().map(|c| c.name.clone()).collect();
                // Without a list PostgreSQL fills from the left as far as the values go.
                let given = match insert.rows.as_ref().map(|r| &r.body) {
                    Some(SetBody::Values(rows)) if !insert.has_columns => {
                        let most = rows.iter().map(Vec::len).max().unwrap_or(0);
                        given.into_iter().take(most).collect()
                    }
                    None => Vec::new(),
                    _ => given,
                };
                if !insert.ignore {
                    me.required(table, &given, insert.table.span);
                }
            }
            let mut part = Part { rels: vec![rel.clone()], merged: Vec::new() };
            if let Some(conflict) = &insert.conflict {
                me.conflict(conflict, &rel, table.as_ref(), outer);
            }
            if let Some(alias) = &insert.row_alias {
                let mut row = rel.clone();
                row.alias = Some(alias.clone());
                for column in &mut row.columns {
                    column.merged = true;
                }
                part.rels.push(row);
            }
            if !insert.on_duplicate.is_empty() {
                // A select's tables can be named too.
                if let Some(rows) = &insert.rows
                    && let SetBody::Core(core) = &rows.body
                {
                    for source in &core.from {
                        let more = me.source(source, &Part::default(), outer);
                        part.absorb(more);
                    }
                }
                me.assignments(&insert.on_duplicate, &rel, &part, outer);
            }
            let own = Part { rels: vec![rel], merged: Vec::new() };
            let (columns, open) = me.items(&insert.returning, &Scope::new(&own, outer), &own);
            let mut part = derived(columns);
            part.rels[0].open = open;
            part
        })
    }

    /// Columns that an insert fills, in order.
    fn insert_targets(&mut self, insert: &Insert, rel: &Rel, table: Option<&Table>) -> Vec<Col> {
        if insert.has_columns {
            return insert
                .columns
                .iter()
                .map(|name| {
                    self.column_of(rel, name)
                        .unwrap_or_else(|| Col::new(name.ident.clone(), Ty::Any))
                })
                .collect();
        }
        if insert.rows.is_some()
            && let Some(base) = &rel.base
        {
            self.out.uses.positional(base, insert.table.span);
        }
        let sqlite = self.dialect() == Dialect::Sqlite;
        rel.columns
            .iter()
            .filter(|c| !c.invisible)
            .filter(|c| {
                // SQLite leaves generated columns out of the count.
                !sqlite
                    || table
                        .and_then(|t| t.column(&c.name))
                        .is_none_or(|column| column.generated.is_none())
            })
            .cloned()
            .collect()
    }

    fn insert_rows(
        &mut self,
        insert: &Insert,
        rel: &Rel,
        targets: &[Col],
        table: Option<&Table>,
        outer: Option<&Scope<'_>>,
    ) {
        let Some(select) = &insert.rows else { return };
        let known = !rel.open || insert.has_columns;
        if let SetBody::Values(rows) = &select.body {
            let nothing = Part::default();
            // MySQL lets a value name a column given before it.
            let own = Part { rels: vec![rel.clone()], merged: Vec::new() };
            let mysql = matches!(self.dialect(), Dialect::Mysql | Dialect::MariaDb);
            let scope = Scope::new(if mysql { &own } else { &nothing }, outer);
            for row in rows {
                let span = row.first().map_or(insert.table.span, |v| v.span);
                if known {
                    self.count(insert, row.len(), targets.len(), span);
                }
                for (at, value) in row.iter().enumerate() {
                    let ty = self.expr(value, &scope);
                    if let Some(column) = targets.get(at) {
                        self.assign(column, table, value, &ty, insert.overriding);
                    }
                }
            }
            return;
        }
        let part = self.select(select, outer);
        if part.is_open() {
            return;
        }
        let columns = part.star();
        if known {
            self.count(insert, columns.len(), targets.len(), insert.table.span);
        }
        for (target, given) in targets.iter().zip(&columns) {
            if target.computed && self.dialect() != Dialect::Sqlite {
                let why = format!("the view computes `{}`, which takes no value", target.name);
                self.fault(FaultKind::Generated, insert.table.span, why);
            }
            if !target.ty.takes(&given.ty, self.world.catalog) {
                self.fault(
                    FaultKind::TypeMismatch,
                    insert.table.span,
                    format!(
                        "`{}` is {} and gets {}",
                        target.name,
                        target.ty.name(),
                        given.ty.name()
                    ),
                );
            }
        }
    }

    /// The number of values must be that of the columns.
    fn count(&mut self, insert: &Insert, values: usize, columns: usize, span: Span) {
        let lenient = self.is_postgres() && !insert.has_columns && values < columns;
        let empty = values == 0 && matches!(self.dialect(), Dialect::Mysql | Dialect::MariaDb);
        if values != columns && !lenient && !empty {
            self.fault(
                FaultKind::WrongCount,
                span,
                format!("{values} values are given for {columns} columns"),
            );
        }
    }

    /// Columns that demand a value and get none.
    fn required(&mut self, table: &Table, given: &[Ident], span: Span) {
        // A trigger may fill them.
        let filled = table.triggers.iter().any(|t| {
            let event = t.event.to_ascii_lowercase();
            event.contains("before") && event.contains("insert")
        });
        if filled || table.columns_unknown {
            return;
        }
        for column in &table.columns {
            let rowid = self.dialect() == Dialect::Sqlite
                && table.primary_key() == std::slice::from_ref(&column.name)
                && column.ty.as_ref().is_some_and(|t| t.name.eq_ignore_ascii_case("integer"));
            let null = column.default.as_ref().is_none_or(|d| d.text.eq_ignore_ascii_case("null"));
            let demands = (column.not_null || refuses_null(table, &column.name))
                && null
                && column.generated.is_none()
                && column.identity.is_none()
                && !column.auto_increment
                && !column.ty.as_ref().is_some_and(|ty| fills_itself(ty, self.world.catalog))
                && !rowid;
            if demands && !given.contains(&column.name) {
                self.fault(
                    FaultKind::RequiredColumn,
                    span,
                    format!(
                        "`{}.{}` is NOT NULL without a default and gets no value",
                        table.name, column.name
                    ),
                );
            }
        }
    }

    /// A value for a column.
    fn assign(
        &mut self,
        column: &Col,
        table: Option<&Table>,
        value: &Expr,
        ty: &Ty,
        overriding: bool,
    ) {
        let definition = table.and_then(|t| t.column(&column.name));
        if matches!(value.kind, ExprKind::Default) {
            return;
        }
        if column.computed && self.dialect() != Dialect::Sqlite {
            let why = format!("the view computes `{}`, which takes no value", column.name);
            self.fault(FaultKind::Generated, value.span, why);
            return;
        }
        if let Some(definition) = definition {
            let always = definition.identity == Some(downhaul_syntax::Identity::Always);
            if definition.generated.is_some() || always && !overriding {
                self.fault(
                    FaultKind::Generated,
                    value.span,
                    format!("`{}` is generated and takes no value", column.name),
                );
                return;
            }
        }
        let auto = definition.is_some_and(|d| {
            d.auto_increment || self.dialect() == Dialect::Sqlite && d.identity.is_some()
        });
        let refused = column.not_null || table.is_some_and(|t| refuses_null(t, &column.name));
        if refused && *ty == Ty::Null && !auto && table.is_some() {
            self.fault(
                FaultKind::RequiredColumn,
                value.span,
                format!("`{}` is NOT NULL and gets NULL", column.name),
            );
            return;
        }
        if let (Some(labels), Ty::Str(text)) = (self.labels(column), ty) {
            if !labels.iter().any(|l| l.eq_ignore_ascii_case(text)) {
                let why = format!("`{}` has no value `{text}`", column.name);
                self.fault(FaultKind::EnumLabel, value.span, why);
            }
            return;
        }
        if let (Ty::Enum(name), Ty::Str(text)) = (&column.ty, ty)
            && self.enum_labels(name).is_some_and(|labels| !labels.contains(text))
        {
            let why = format!("enum `{name}` has no value `{text}`");
            self.fault(FaultKind::EnumLabel, value.span, why);
            return;
        }
        if !column.ty.takes(ty, self.world.catalog) {
            self.fault(
                FaultKind::TypeMismatch,
                value.span,
                format!("`{}` is {} and gets {}", column.name, column.ty.name(), shown(ty)),
            );
            return;
        }
        self.size(column, value);
    }

    /// A literal that is longer or larger than the column takes.
    fn size(&mut self, column: &Col, value: &Expr) {
        let Some(ty) = &column.sql else { return };
        let ExprKind::Literal(kind, text) = &value.kind else { return };
        if self.dialect() == Dialect::Sqlite || ty.dimensions > 0 {
            return;
        }
        let limit = ty.args.first().and_then(|a| a.parse::<usize>().ok());
        let long = matches!(ty.name.as_str(), "varchar" | "char" | "bpchar" | "character varying")
            && *kind == LiteralKind::String
            && limit.is_some_and(|limit| text.trim_end().chars().count() > limit);
        let most: Option<i128> = match (ty.name.as_str(), ty.unsigned) {
            ("tinyint", false) => Some(127),
            ("tinyint", true) => Some(255),
            ("smallint", false) => Some(32_767),
            ("smallint", true) => Some(65_535),
            ("mediumint", false) => Some(8_388_607),
            ("mediumint", true) => Some(16_777_215),
            ("integer" | "int", false) => Some(2_147_483_647),
            ("integer" | "int", true) => Some(4_294_967_295),
            _ => None,
        };
        let large = *kind == LiteralKind::Integer
            && most.is_some_and(|most| text.parse::<i128>().is_ok_and(|n| n > most));
        if long || large {
            self.fault(
                FaultKind::TypeMismatch,
                value.span,
                format!("the value does not fit `{}` any more: it is `{}`", column.name, ty.raw),
            );
        }
    }

    /// A view may take no writes.
    fn writable(&mut self, rel: &Rel, span: Span) {
        if let (Some(why), Some(base)) = (rel.read_only, &rel.base) {
            let why = format!("view `{base}` takes no writes: {why}");
            self.fault(FaultKind::BrokenView, span, why);
        }
    }

    fn conflict(
        &mut self,
        conflict: &Conflict,
        rel: &Rel,
        table: Option<&Table>,
        outer: Option<&Scope<'_>>,
    ) {
        let own = Part { rels: vec![rel.clone()], merged: Vec::new() };
        let scope = Scope::new(&own, outer);
        for target in &conflict.target {
            self.expr(target, &scope);
        }
        if let Some(filter) = &conflict.target_filter {
            self.condition(filter, &scope);
        }
        if let Some(table) = table
            && !rel.open
        {
            self.conflict_index(conflict, table);
        } else if let (Some(name), false) = (&conflict.constraint, rel.open) {
            let why = format!("a view has no constraint `{}`", name.ident);
            self.fault(FaultKind::NoConflictTarget, name.span, why);
        }
        // `excluded` is the row that was to go in; its columns are never meant by a bare name.
        let mut excluded = rel.clone();
        excluded.alias = Some(Ident::new(self.dialect(), "excluded", false));
        excluded.schema = None;
        for column in &mut excluded.columns {
            column.merged = true;
        }
        let part = Part { rels: vec![rel.clone(), excluded], merged: Vec::new() };
        self.assignments(&conflict.assignments, rel, &part, outer);
        if let Some(filter) = &conflict.filter {
            self.condition(filter, &Scope::new(&part, outer));
        }
    }

    /// A unique index or constraint must stand behind the target.
    fn conflict_index(&mut self, conflict: &Conflict, table: &Table) {
        if let Some(name) = &conflict.constraint {
            let found = table.constraint(&name.ident).is_some_and(|c| {
                matches!(
                    c.kind,
                    ConstraintKind::PrimaryKey { .. }
                        | ConstraintKind::Unique { .. }
                        | ConstraintKind::Exclude { .. }
                )
            });
            if !found {
                self.fault(
                    FaultKind::NoConflictTarget,
                    name.span,
                    format!("`{}` has no unique constraint `{}`", table.name, name.ident),
                );
            }
            return;
        }
        if conflict.target.is_empty() {
            return;
        }
        let mut wanted: Vec<&Ident> = Vec::new();
        let mut expressions = 0;
        for target in &conflict.target {
            match &target.kind {
                ExprKind::Column(path) | ExprKind::QuotedColumn(path) => wanted.push(path.name()),
                _ => expressions += 1,
            }
        }
        wanted.sort();
        wanted.dedup();
        let same = |columns: &[&Ident]| {
            let mut columns = columns.to_vec();
            columns.sort();
            columns.dedup();
            columns == wanted
        };
        let by_constraint = expressions == 0
            && table.constraints.iter().any(|c| match &c.kind {
                ConstraintKind::PrimaryKey { columns, .. }
                | ConstraintKind::Unique { columns, .. } => {
                    !c.deferrable
                        && (columns.is_empty() || same(&columns.iter().collect::<Vec<_>>()))
                }
                _ => false,
            });
        let by_index = table.indexes.iter().any(|index: &Index| {
            let columns: Vec<&Ident> =
                index.parts.iter().filter_map(|p| p.column.as_ref()).collect();
            index.unique
                && !index.invalid
                && index.parts.len() - columns.len() == expressions
                && same(&columns)
                && (index.predicate.is_none() || conflict.target_filter.is_some())
        });
        if !by_constraint && !by_index {
            let names: Vec<&str> = wanted.iter().map(|i| i.as_str()).collect();
            self.fault(
                FaultKind::NoConflictTarget,
                conflict.span,
                format!(
                    "no unique index or constraint of `{}` is on ({})",
                    table.name,
                    names.join(", ")
                ),
            );
        }
    }

    fn assignments(
        &mut self,
        assignments: &[Assignment],
        rel: &Rel,
        part: &Part,
        outer: Option<&Scope<'_>>,
    ) {
        let scope = Scope::new(part, outer);
        let table = rel.base.as_ref().and_then(|n| self.world.catalog.tables.get(n)).cloned();
        for assignment in assignments {
            let mut columns = Vec::new();
            for path in &assignment.columns {
                // MySQL names the table of an UPDATE of several; PostgreSQL a field of a column.
                let prefix = &path.parts[..path.parts.len() - 1];
                let mysql = matches!(self.dialect(), Dialect::Mysql | Dialect::MariaDb);
                if mysql || prefix.is_empty() {
                    let owner = if prefix.is_empty() && mysql {
                        let name = path.name();
                        part.rels
                            .iter()
                            .find(|r| r.columns.iter().any(|c| c.name == *name))
                            .cloned()
                    } else if mysql {
                        self.rel_of(prefix, &scope).cloned()
                    } else {
                        Some(rel.clone())
                    };
                    let owner = owner.unwrap_or_else(|| rel.clone());
                    let name = Name { ident: path.name().clone(), span: path.span };
                    columns.extend(self.column_of(&owner, &name));
                }
            }
            let values: Vec<&Expr> = match (&assignment.value.kind, assignment.columns.len()) {
                (ExprKind::Row(list), n) if n > 1 => list.iter().collect(),
                _ => vec![&assignment.value],
            };
            for (at, value) in values.iter().enumerate() {
                let ty = self.expr(value, &scope);
                if let (Some(column), true) =
                    (columns.get(at), values.len() == assignment.columns.len())
                {
                    let column = column.clone();
                    self.assign(&column, table.as_ref(), value, &ty, false);
                }
            }
        }
    }

    pub(super) fn update(&mut self, update: &Update, outer: Option<&Scope<'_>>) -> Part {
        self.within(&update.with, outer, &mut |me| {
            let mut part = Part::default();
            for source in &update.target {
                let more = me.source(source, &part, outer);
                part.absorb(more);
            }
            let target = part.rels.first().cloned();
            if let (Some(rel), [Source::Table { name, .. }]) = (&target, update.target.as_slice()) {
                me.writable(rel, name.span);
            }
            for source in &update.from {
                let more = me.source(source, &part, outer);
                part.absorb(more);
            }
            if let Some(target) = &target {
                me.assignments(&update.assignments, target, &part, outer);
            }
            me.rest(&part, update.filter.as_ref(), &update.order_by, &update.returning, outer)
        })
    }

    pub(super) fn delete(&mut self, delete: &Delete, outer: Option<&Scope<'_>>) -> Part {
        self.within(&delete.with, outer, &mut |me| {
            let mut part = Part::default();
            if !delete.multi {
                for source in &delete.target {
                    let more = me.source(source, &part, outer);
                    part.absorb(more);
                }
                if let (Some(rel), [Source::Table { name, .. }]) =
                    (part.rels.first().cloned(), delete.target.as_slice())
                {
                    me.writable(&rel, name.span);
                }
            }
            for source in &delete.using {
                let more = me.source(source, &part, outer);
                part.absorb(more);
            }
            if delete.multi {
                for source in &delete.target {
                    let Source::Table { name, .. } = source else { continue };
                    if me.rel_of(&name.parts, &Scope::new(&part, outer)).is_none() {
                        me.fault(
                            FaultKind::UnknownTable,
                            name.span,
                            format!("`{}` is no table of the FROM clause", name.name()),
                        );
                    }
                }
            }
            me.rest(&part, delete.filter.as_ref(), &delete.order_by, &delete.returning, outer)
        })
    }

    /// `WHERE`, `ORDER BY` and `RETURNING` of a statement that writes.
    fn rest(
        &mut self,
        part: &Part,
        filter: Option<&Expr>,
        order_by: &[Expr],
        returning: &[downhaul_syntax::query::Item],
        outer: Option<&Scope<'_>>,
    ) -> Part {
        let scope = Scope::new(part, outer);
        if let Some(filter) = filter {
            self.condition(filter, &scope);
        }
        for expr in order_by {
            self.expr(expr, &scope);
        }
        let (columns, open) = self.items(returning, &scope, part);
        let mut out = derived(columns);
        out.rels[0].open = open;
        out
    }

    pub(super) fn merge(&mut self, merge: &Merge, outer: Option<&Scope<'_>>) -> Part {
        self.within(&merge.with, outer, &mut |me| {
            let mut rel = me.relation(&merge.table);
            let table = rel.base.as_ref().and_then(|n| me.world.catalog.tables.get(n)).cloned();
            if let Some(alias) = &merge.alias {
                rel.alias = Some(alias.clone());
                rel.schema = None;
            }
            me.writable(&rel, merge.table.span);
            let source = me.source(&merge.source, &Part::default(), outer);
            let mut both = Part { rels: vec![rel.clone()], merged: Vec::new() };
            both.absorb(source.clone());
            let scope = Scope::new(&both, outer);
            me.condition(&merge.on, &scope);
            for arm in &merge.arms {
                if let Some(condition) = &arm.condition {
                    me.condition(condition, &scope);
                }
                match &arm.action {
                    MergeAction::Update(list) => me.assignments(list, &rel, &both, outer),
                    MergeAction::Insert(names, row) => {
                        let targets: Vec<Col> = if names.is_empty() {
                            rel.columns.clone()
                        } else {
                            names
                                .iter()
                                .map(|n| {
                                    me.column_of(&rel, n)
                                        .unwrap_or_else(|| Col::new(n.ident.clone(), Ty::Any))
                                })
                                .collect()
                        };
                        let row = row.as_deref().unwrap_or_default();
                        if row.len() > targets.len() && !rel.open {
                            me.fault(
                                FaultKind::WrongCount,
                                merge.table.span,
                                format!(
                                    "{} values are given for {} columns",
                                    row.len(),
                                    targets.len()
                                ),
                            );
                        }
                        for (column, value) in targets.iter().zip(row) {
                            let ty = me.expr(value, &scope);
                            me.assign(column, table.as_ref(), value, &ty, false);
                        }
                        if let Some(table) = &table {
                            let given: Vec<Ident> =
                                targets.iter().take(row.len()).map(|c| c.name.clone()).collect();
                            me.required(table, &given, merge.table.span);
                        }
                    }
                    MergeAction::Other => {}
                }
            }
            let (columns, open) = me.items(&merge.returning, &scope, &both);
            let mut part = derived(columns);
            part.rels[0].open = open;
            part
        })
    }
}

fn shown(ty: &Ty) -> String {
    match ty {
        Ty::Str(text) => format!("`{text}`"),
        other => other.name(),
    }
}

/// A check refuses NULL already.
fn refuses_null(table: &Table, column: &Ident) -> bool {
    table.constraints.reading(column).any(|c| match &c.kind {
        ConstraintKind::Check { expr, .. } => {
            !c.not_enforced && check_proves_not_null(&expr.text, column)
        }
        _ => false,
    })
}

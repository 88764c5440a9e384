//! Resolves expressions and finds their types.

use downhaul_syntax::query::{Expr, ExprKind, LiteralKind, Path, Select};
use downhaul_syntax::{Dialect, Ident, Span, TypeDef};

use super::FaultKind;
use super::functions;
use super::resolve::Resolver;
use super::scope::{Col, Rel, Scope, is_system_column, type_name};
use super::source::{object_name, rel_name};
use super::types::Ty;

impl Resolver<'_> {
    /// An expression that must be true or false.
    pub(super) fn condition(&mut self, expr: &Expr, scope: &Scope<'_>) {
        let ty = self.expr(expr, scope);
        self.want_bool(&ty, expr.span);
    }

    fn want_bool(&mut self, ty: &Ty, span: Span) {
        if self.is_postgres() && !ty.is_vague() && *ty != Ty::Bool {
            self.fault(
                FaultKind::TypeMismatch,
                span,
                format!("a condition is wanted, and this is {}", ty.name()),
            );
        }
    }

    /// Resolves an expression; gives its type.
    pub(super) fn expr(&mut self, expr: &Expr, scope: &Scope<'_>) -> Ty {
        match &expr.kind {
            ExprKind::Column(path) => self.column(path, scope, false),
            ExprKind::QuotedColumn(path) => self.column(path, scope, true),
            ExprKind::Literal(kind, text) => match kind {
                LiteralKind::String => Ty::Str(text.clone()),
                LiteralKind::Integer if self.is_postgres() => Ty::Int,
                LiteralKind::Decimal if self.is_postgres() => Ty::Numeric,
                LiteralKind::Boolean if self.is_postgres() => Ty::Bool,
                LiteralKind::Null => Ty::Null,
                _ => Ty::Any,
            },
            ExprKind::Param(number) => number
                .and_then(|n| self.world.parameters.get(n.wrapping_sub(1)))
                .cloned()
                .unwrap_or(Ty::Any),
            ExprKind::Call { .. } => self.call(expr, scope),
            ExprKind::Cast(inner, ty) => {
                let from = self.expr(inner, scope);
                let name = type_name(ty, self.world.catalog);
                self.type_exists(ty, expr.span);
                let to = Ty::of(ty, self.world.catalog);
                if let (Ty::Str(text), Ty::Enum(_)) = (&from, &to)
                    && !to.takes(&from, self.world.catalog)
                {
                    self.fault(
                        FaultKind::EnumLabel,
                        inner.span,
                        format!("enum `{name}` has no value `{text}`"),
                    );
                }
                to
            }
            ExprKind::Unary(op, inner) => {
                let ty = self.expr(inner, scope);
                match op.as_str() {
                    "NOT" => {
                        self.want_bool(&ty, inner.span);
                        Ty::Bool
                    }
                    "IS TRUE" => {
                        self.want_bool(&ty, inner.span);
                        Ty::Bool
                    }
                    "IS NULL" => Ty::Bool,
                    "-" | "+" => ty,
                    _ => Ty::Any,
                }
            }
            ExprKind::Binary(op, left, right) => self.binary(op, left, right, expr.span, scope),
            ExprKind::Among(left, list) => {
                let ty = self.expr(left, scope);
                for value in list {
                    let other = self.expr(value, scope);
                    self.compare("=", &ty, &other, value.span);
                    // `(a, b) IN ((1, 2))`, member by member.
                    if let (ExprKind::Row(left), ExprKind::Row(right)) = (&left.kind, &value.kind) {
                        for (a, b) in left.iter().zip(right) {
                            let (ty, other) = (self.expr(a, scope), self.expr(b, scope));
                            self.compare("=", &ty, &other, b.span);
                        }
                    }
                }
                self.boolean()
            }
            ExprKind::AmongRows(left, select) => {
                let ty = self.expr(left, scope);
                let width = match &left.kind {
                    ExprKind::Row(list) => list.len(),
                    _ => 1,
                };
                if let Some(columns) = self.subquery(select, scope) {
                    if columns.len() != width {
                        self.fault(
                            FaultKind::WrongCount,
                            expr.span,
                            format!("the subquery gives {} columns, {width} wanted", columns.len()),
                        );
                    } else if width == 1 {
                        self.compare("=", &ty, &columns[0].ty, expr.span);
                    }
                }
                self.boolean()
            }
            ExprKind::AnyOf(left, right) => {
                let ty = self.expr(left, scope);
                match self.expr(right, scope) {
                    Ty::Array(of) => self.compare("=", &ty, &of, expr.span),
                    other if self.is_postgres() && !other.is_vague() => {
                        let why = format!("ANY wants an array, and this is {}", other.name());
                        self.fault(FaultKind::TypeMismatch, right.span, why);
                    }
                    _ => {}
                }
                self.boolean()
            }
            ExprKind::Subquery(select) => match self.subquery(select, scope) {
                Some(columns) if columns.len() == 1 => columns[0].ty.clone(),
                Some(columns) => {
                    // `(a, b) = (SELECT …)` and `SET (a, b) = (SELECT …)` want several.
                    if columns.len() > 1 && !self.is_postgres() {
                        return Ty::Any;
                    }
                    Ty::Any
                }
                None => Ty::Any,
            },
            ExprKind::Exists(select) => {
                self.subquery(select, scope);
                self.boolean()
            }
            ExprKind::ArrayOf(select) => match self.subquery(select, scope) {
                Some(columns) if columns.len() == 1 => Ty::Array(Box::new(columns[0].ty.clone())),
                _ => Ty::Any,
            },
            ExprKind::Array(list) => {
                let mut of = Ty::Any;
                for value in list {
                    let ty = self.expr(value, scope);
                    if of.is_vague() && !ty.is_vague() {
                        of = ty;
                    }
                }
                if of == Ty::Any { Ty::Any } else { Ty::Array(Box::new(of)) }
            }
            ExprKind::Row(list) => {
                for value in list {
                    self.expr(value, scope);
                }
                Ty::Any
            }
            ExprKind::Case(subject, arms, rest) => {
                let subject = subject.as_ref().map(|s| self.expr(s, scope));
                let mut ty = Ty::Any;
                for (when, then) in arms {
                    let condition = self.expr(when, scope);
                    match &subject {
                        Some(subject) => {
                            let subject = subject.clone();
                            self.compare("=", &subject, &condition, when.span);
                        }
                        None => self.want_bool(&condition, when.span),
                    }
                    let value = self.expr(then, scope);
                    ty = self.unite(ty, value, then.span);
                }
                if let Some(rest) = rest {
                    let value = self.expr(rest, scope);
                    ty = self.unite(ty, value, rest.span);
                }
                ty
            }
            ExprKind::Index(inner, subscripts) => {
                let ty = self.expr(inner, scope);
                for subscript in subscripts {
                    self.expr(subscript, scope);
                }
                match ty {
                    Ty::Array(of) if subscripts.len() == 1 => *of,
                    Ty::Text | Ty::Int | Ty::Numeric | Ty::Bool => {
                        self.fault(
                            FaultKind::TypeMismatch,
                            expr.span,
                            format!("{} has no elements", ty.name()),
                        );
                        Ty::Any
                    }
                    _ => Ty::Any,
                }
            }
            ExprKind::Field(inner, _) => {
                // `(row).column`
                self.expr(inner, scope);
                Ty::Any
            }
            ExprKind::Keyword(word) if self.is_postgres() => match word.as_str() {
                "CURRENT_TIMESTAMP" | "LOCALTIMESTAMP" => Ty::Stamp,
                "CURRENT_DATE" => Ty::Date,
                _ => Ty::Any,
            },
            ExprKind::Keyword(_) | ExprKind::Default | ExprKind::Star => Ty::Any,
        }
    }

    fn boolean(&self) -> Ty {
        if self.is_postgres() { Ty::Bool } else { Ty::Any }
    }

    fn subquery(&mut self, select: &Select, scope: &Scope<'_>) -> Option<Vec<Col>> {
        let part = self.select(select, Some(scope));
        (!part.is_open()).then(|| part.star())
    }

    fn unite(&mut self, ty: Ty, other: Ty, span: Span) -> Ty {
        if !self.is_postgres() {
            return Ty::Any;
        }
        if !ty.unites(&other, self.world.catalog) {
            self.fault(
                FaultKind::TypeMismatch,
                span,
                format!("{} and {} do not come to one type", ty.name(), other.name()),
            );
        }
        if ty.is_vague() { other } else { ty }
    }

    fn compare(&mut self, op: &str, left: &Ty, right: &Ty, span: Span) {
        if !self.is_postgres() || left.compares(right, self.world.catalog) {
            return;
        }
        let fault = match (left, right) {
            (Ty::Enum(name), Ty::Str(text)) | (Ty::Str(text), Ty::Enum(name)) => {
                (FaultKind::EnumLabel, format!("enum `{name}` has no value `{text}`"))
            }
            (Ty::Str(text), other) | (other, Ty::Str(text)) => {
                (FaultKind::TypeMismatch, format!("`{text}` is no value of {}", other.name()))
            }
            _ => (
                FaultKind::TypeMismatch,
                format!("there is no `{} {op} {}`", left.name(), right.name()),
            ),
        };
        self.fault(fault.0, span, fault.1);
    }

    fn binary(&mut self, op: &str, left: &Expr, right: &Expr, span: Span, scope: &Scope<'_>) -> Ty {
        let a = self.expr(left, scope);
        let b = self.expr(right, scope);
        if !self.is_postgres() {
            return Ty::Any;
        }
        match op {
            "AND" | "OR" => {
                self.want_bool(&a, left.span);
                self.want_bool(&b, right.span);
                Ty::Bool
            }
            "=" | "<>" | "!=" | "<" | ">" | "<=" | ">=" => {
                if !matches!(left.kind, ExprKind::Row(_)) {
                    self.compare(op, &a, &b, span);
                }
                Ty::Bool
            }
            "LIKE" | "ILIKE" | "SIMILAR" | "~" | "~*" | "!~" | "!~*" => {
                for ty in [&a, &b] {
                    if !ty.is_textual() && *ty != Ty::Bytea {
                        let why = format!("{} has no `{op}`", ty.name());
                        self.fault(FaultKind::TypeMismatch, span, why);
                    }
                }
                Ty::Bool
            }
            "+" | "-" | "*" | "/" | "%" | "^" => {
                let wrong = [&a, &b].into_iter().any(|ty| {
                    matches!(ty, Ty::Text | Ty::Bool | Ty::Uuid | Ty::Enum(_) | Ty::Json)
                        || *ty == Ty::Jsonb && op != "-"
                });
                if wrong && (!a.is_vague() || !b.is_vague()) {
                    self.fault(
                        FaultKind::TypeMismatch,
                        span,
                        format!("there is no `{} {op} {}`", a.name(), b.name()),
                    );
                    return Ty::Any;
                }
                match (&a, &b) {
                    (Ty::Int, Ty::Int) => Ty::Int,
                    (x, y) if x.is_number() && y.is_number() => Ty::Numeric,
                    (Ty::Stamp, Ty::Interval) => Ty::Stamp,
                    (Ty::Stamp, Ty::Stamp) if op == "-" => Ty::Interval,
                    (Ty::Date, Ty::Int) => Ty::Date,
                    (Ty::Date, Ty::Date) if op == "-" => Ty::Int,
                    _ => Ty::Any,
                }
            }
            "||" => {
                let plain = |ty: &Ty| {
                    !ty.is_textual() && !matches!(ty, Ty::Array(_) | Ty::Jsonb | Ty::Bytea)
                };
                if plain(&a) && plain(&b) {
                    self.fault(
                        FaultKind::TypeMismatch,
                        span,
                        format!("there is no `{} || {}`", a.name(), b.name()),
                    );
                }
                if a == Ty::Text || b == Ty::Text { Ty::Text } else { Ty::Any }
            }
            "->" | "->>" | "#>" | "#>>" => {
                if !a.is_vague() && !matches!(a, Ty::Json | Ty::Jsonb) {
                    let why = format!("{} has no `{op}`", a.name());
                    self.fault(FaultKind::TypeMismatch, span, why);
                }
                if op.ends_with(">>") { Ty::Text } else { a }
            }
            "@>" | "<@" | "?" | "?|" | "?&" | "@?" | "@@" => {
                let wrong = matches!(a, Ty::Json | Ty::Text | Ty::Int | Ty::Numeric | Ty::Bool);
                // Text search takes text.
                if wrong && !(op == "@@" && a == Ty::Text) && !(op == "<@" && a != Ty::Json) {
                    let why = format!("{} has no `{op}`", a.name());
                    self.fault(FaultKind::TypeMismatch, span, why);
                }
                Ty::Bool
            }
            "IS" => Ty::Bool,
            "AT TIME ZONE" => {
                if !a.is_vague() && !matches!(a, Ty::Stamp | Ty::Time | Ty::Date) {
                    let why = format!("{} has no time zone", a.name());
                    self.fault(FaultKind::TypeMismatch, span, why);
                }
                Ty::Stamp
            }
            _ => Ty::Any,
        }
    }

    // Names

    /// The table that a prefix of a column's name means.
    pub(super) fn rel_of<'s>(&self, parts: &[Ident], scope: &Scope<'s>) -> Option<&'s Rel> {
        let (name, schema) = match parts {
            [name] => (name, None),
            [.., schema, name] => (name, Some(schema)),
            [] => return None,
        };
        let mut at = Some(*scope);
        while let Some(scope) = at {
            let found = scope.part.rels.iter().find(|rel| {
                rel.alias.as_ref() == Some(name)
                    && schema.is_none_or(|s| {
                        rel.schema.as_ref().is_none_or(|own| own == s)
                            || rel.base.as_ref().and_then(|b| b.schema.as_ref()) == Some(s)
                    })
            });
            if found.is_some() {
                return found;
            }
            at = scope.outer.copied();
        }
        None
    }

    /// The column that an expression plainly is, without a word about it.
    pub(super) fn plain_column(&self, expr: &Expr, scope: &Scope<'_>) -> Option<Col> {
        let (ExprKind::Column(path) | ExprKind::QuotedColumn(path)) = &expr.kind else {
            return None;
        };
        match path.parts.as_slice() {
            [name] => {
                let mut at = Some(*scope);
                while let Some(scope) = at {
                    if let Some(column) = scope.part.named(name).into_iter().next() {
                        return Some(column.clone());
                    }
                    at = scope.outer.copied();
                }
                None
            }
            [prefix @ .., name] => {
                let rel = self.rel_of(prefix, scope)?;
                rel.columns.iter().find(|c| c.name == *name).cloned()
            }
            [] => None,
        }
    }

    fn column(&mut self, path: &Path, scope: &Scope<'_>, quoted: bool) -> Ty {
        if let [name] = path.parts.as_slice() {
            return self.bare_column(name, path.span, scope, quoted);
        }
        let (prefix, name) = (&path.parts[..path.parts.len() - 1], path.name());
        let Some(rel) = self.rel_of(prefix, scope) else {
            let table = prefix.iter().map(Ident::as_str).collect::<Vec<_>>().join(".");
            self.fault(
                FaultKind::UnknownTable,
                path.span,
                format!("`{table}` is no table of the FROM clause"),
            );
            return Ty::Any;
        };
        let rel = rel.clone();
        if let Some(column) = rel.columns.iter().find(|c| c.name == *name) {
            self.use_column(column, path.span);
            return column.ty.clone();
        }
        if is_system_column(name, self.dialect()) {
            return Ty::Any;
        }
        if rel.open {
            self.assume(&rel, name, path.span);
        } else {
            let table = rel_name(&rel);
            self.fault(
                FaultKind::UnknownColumn,
                path.span,
                format!("{table} has no column `{name}`"),
            );
        }
        Ty::Any
    }

    fn bare_column(&mut self, name: &Ident, span: Span, scope: &Scope<'_>, quoted: bool) -> Ty {
        let mut at = Some(*scope);
        while let Some(scope) = at {
            let found: Vec<Col> = scope.part.named(name).into_iter().cloned().collect();
            if found.len() > 1 {
                let tables: Vec<String> = found
                    .iter()
                    .map(|c| match &c.of {
                        Some((table, _)) => format!("`{table}`"),
                        None => "a subquery".to_owned(),
                    })
                    .collect();
                self.fault(
                    FaultKind::AmbiguousColumn,
                    span,
                    format!("`{name}` may be that of {}", tables.join(" or ")),
                );
                return Ty::Any;
            }
            if let Some(column) = found.first() {
                self.use_column(column, span);
                return column.ty.clone();
            }
            if let Some(output) = scope.outputs.iter().find(|c| c.name == *name) {
                return output.ty.clone();
            }
            let mut open = scope.part.rels.iter().filter(|r| r.open);
            if let Some(rel) = open.next() {
                if open.next().is_none() {
                    let rel = rel.clone();
                    self.assume(&rel, name, span);
                } else {
                    self.out.unsure = true;
                }
                return Ty::Any;
            }
            if !scope.part.rels.is_empty() && is_system_column(name, self.dialect()) {
                return Ty::Any;
            }
            // PostgreSQL: the name of a table is its whole row.
            if self.is_postgres() && scope.part.rels.iter().any(|r| r.alias.as_ref() == Some(name))
            {
                return Ty::Any;
            }
            at = scope.outer.copied();
        }
        let why = if quoted {
            format!("no table has a column `{name}`: SQLite takes the quoted name for a string")
        } else {
            let mut tables: Vec<String> = scope.part.rels.iter().map(rel_name).collect();
            tables.dedup();
            match tables.as_slice() {
                [] => format!("there is no column `{name}`"),
                [one] => format!("{one} has no column `{name}`"),
                _ => format!("none of {} has a column `{name}`", tables.join(", ")),
            }
        };
        self.fault(FaultKind::UnknownColumn, span, why);
        Ty::Any
    }

    fn type_exists(&mut self, ty: &downhaul_syntax::SqlType, span: Span) {
        let name = type_name(ty, self.world.catalog);
        let Some(before) = self.world.before else { return };
        let candidates = self.candidates(&name);
        let stood = candidates.iter().any(|n| before.types.contains_key(n));
        let stands = candidates.iter().any(|n| self.world.catalog.types.contains_key(n));
        if stood && !stands {
            self.fault(FaultKind::UnknownType, span, format!("there is no type `{name}`"));
        }
    }

    fn call(&mut self, expr: &Expr, scope: &Scope<'_>) -> Ty {
        let ExprKind::Call { name, args, more, windowed, star, special } = &expr.kind else {
            return Ty::Any;
        };
        let word = name.name().as_str().to_ascii_lowercase();
        let mut types = Vec::new();
        for arg in args {
            types.push(self.expr(arg, scope));
        }
        for expr in more {
            self.expr(expr, scope);
        }
        if !self.is_postgres() {
            self.routine(name, (!star && !special).then_some(args.len()));
            return Ty::Any;
        }
        if name.parts.len() == 1 {
            match word.as_str() {
                "coalesce" | "greatest" | "least" => {
                    let mut ty = Ty::Any;
                    for (other, arg) in types.into_iter().zip(args) {
                        ty = self.unite(ty, other, arg.span);
                    }
                    return ty;
                }
                "nullif" => {
                    if let [a, b] = types.as_slice() {
                        let (a, b) = (a.clone(), b.clone());
                        self.compare("=", &a, &b, expr.span);
                        return a;
                    }
                    return Ty::Any;
                }
                "interval" => return Ty::Interval,
                "nextval" | "currval" | "setval" => {
                    if let Some(Ty::Str(sequence)) = types.first() {
                        let sequence = sequence.clone();
                        self.sequence(&sequence, args[0].span);
                    }
                }
                _ => {}
            }
        }
        if self.routine(name, (!star && !special).then_some(args.len())) {
            return Ty::Any;
        }
        if name.parts.len() > 1 && name.parts[0].key() != "pg_catalog" {
            return Ty::Any;
        }
        match functions::call(&word, &types, *windowed) {
            Ok(ty) => ty,
            Err(why) => {
                self.fault(FaultKind::TypeMismatch, expr.span, why);
                Ty::Any
            }
        }
    }

    /// A routine that the schema made; false where it may be one of the server's own.
    fn routine(&mut self, path: &Path, args: Option<usize>) -> bool {
        let catalog = self.world.catalog;
        let names = self.candidates(&object_name(path));
        let of = |catalog: &downhaul_catalog::Catalog| -> Vec<(usize, usize)> {
            catalog
                .routines
                .iter()
                .filter(|(key, _)| names.contains(&key.name))
                .map(|(key, routine)| accepts(key.args.as_slice(), &routine.def.definition))
                .collect()
        };
        let now = of(catalog);
        for name in &names {
            self.out.uses.function(name, path.span);
        }
        let fits = |list: &[(usize, usize)]| {
            list.iter().any(|(least, most)| args.is_none_or(|n| n >= *least && n <= *most))
        };
        if fits(&now) {
            return true;
        }
        let Some(before) = self.world.before else { return !now.is_empty() };
        let stood = of(before);
        if !fits(&stood) {
            return !now.is_empty();
        }
        let written = object_name(path);
        let why = if now.is_empty() {
            format!("there is no function `{written}`")
        } else {
            format!("no function `{written}` takes {} arguments", args.unwrap_or(0))
        };
        self.fault(FaultKind::UnknownFunction, path.span, why);
        true
    }

    fn sequence(&mut self, text: &str, span: Span) {
        let mut parts = text.split('.').map(|part| match part.strip_prefix('"') {
            Some(inner) => Ident::new(self.dialect(), inner.trim_end_matches('"'), true),
            None => Ident::new(self.dialect(), part, false),
        });
        let Some(first) = parts.next() else { return };
        let name = match parts.next() {
            Some(name) => downhaul_syntax::ObjectName { schema: Some(first), name },
            None => downhaul_syntax::ObjectName::bare(first),
        };
        let candidates = self.candidates(&name);
        let Some(before) = self.world.before else { return };
        let stood = candidates.iter().any(|n| before.sequences.contains_key(n));
        if stood && !candidates.iter().any(|n| self.world.catalog.sequences.contains_key(n)) {
            self.fault(FaultKind::UnknownTable, span, format!("there is no sequence `{text}`"));
        }
    }

    /// The labels that a column of MySQL takes.
    pub(super) fn labels<'c>(&self, column: &'c Col) -> Option<&'c [String]> {
        let ty = column.sql.as_ref()?;
        let mysql = matches!(self.dialect(), Dialect::Mysql | Dialect::MariaDb);
        (mysql && ty.name == "enum").then_some(ty.args.as_slice())
    }

    /// The labels of a PostgreSQL enum.
    pub(super) fn enum_labels(&self, name: &downhaul_syntax::ObjectName) -> Option<&[String]> {
        match self.world.catalog.types.get(name).map(|t| &t.def) {
            Some(TypeDef::Enum(labels)) => Some(labels),
            _ => None,
        }
    }
}

/// How many arguments a routine takes, at least and at most.
fn accepts(args: &[String], definition: &str) -> (usize, usize) {
    let most = args.len();
    if args.iter().any(|a| a.to_ascii_lowercase().starts_with("variadic")) {
        return (most.saturating_sub(1), usize::MAX);
    }
    // Arguments stand in the first parentheses of the definition.
    let mut depth = 0_i32;
    let mut head = String::new();
    for c in definition.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        head.push(c.to_ascii_lowercase());
        if depth == 0 && c == ')' {
            break;
        }
    }
    let defaults = head.matches(" default ").count() + head.matches(" = ").count();
    (most.saturating_sub(defaults), most)
}

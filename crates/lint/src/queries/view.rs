//! What a view gives, and whether its query still works.

use std::collections::HashMap;

use downhaul_catalog::View;
use downhaul_syntax::query::{QueryStatement, Select, SetBody, Source};
use downhaul_syntax::{Dialect, Ident, Span, parse_query};

use super::resolve::{Resolution, Resolver, World};
use super::scope::{Col, Rel};
use super::types::Ty;

impl Resolver<'_> {
    /// A view's columns, and why it no longer works.
    pub(super) fn view_rel(&mut self, view: &View, span: Span) -> (Rel, Option<(Span, String)>) {
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

/// Why a view of this query takes no writes.
pub(super) fn read_only(statement: &QueryStatement, dialect: Dialect) -> Option<&'static str> {
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

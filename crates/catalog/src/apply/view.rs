//! Views and materialized views.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use downhaul_syntax::{Change, Dialect, ObjectName, Query};

use super::Applier;
use super::dependents::Dependent;
use crate::lookup::Tie;
use crate::text::{Kind, Token, tokens};
use crate::{Catalog, ReadColumn, View};

impl Applier<'_> {
    pub(super) fn create_view(&mut self, change: &Change) {
        let Change::CreateView {
            name,
            materialized,
            or_replace,
            if_not_exists,
            columns,
            query,
            no_data,
            options,
            ..
        } = change
        else {
            return;
        };
        let name = self.new_name(name);
        self.require_schema(&name);
        self.note_maybe(&name);
        let is_view = self.catalog.views.contains_key(&name);
        let taken = is_view
            || self.catalog.tables.contains_key(&name)
            || !self.is_mysql() && self.catalog.has_relation(&name);
        if taken {
            let replaces =
                *or_replace && self.catalog.views.get(&name).is_some_and(|v| !v.materialized);
            if *if_not_exists {
                return;
            }
            if !replaces {
                if self.muted == 0 {
                    let kind = if is_view { "view" } else { "relation" };
                    self.exists(kind, &name);
                }
                // The statement meant this view: what follows is judged against it.
                if !is_view {
                    return;
                }
            }
        }
        // SQLite looks at the query only when the view is read.
        if !self.is_sqlite() {
            self.reads(query);
        }
        let query = self.normalized_query(query);
        let reads = self.catalog.columns_read(&query);
        let star = if query.star { self.catalog.star(&query) } else { Vec::new() };
        for target in &query.tables {
            self.catalog.lookup.mention(Tie::Query, target, &name);
        }
        let old = self.catalog.views.remove(&name);
        let view = View {
            name: name.clone(),
            materialized: *materialized,
            columns: columns.clone(),
            query,
            reads,
            star,
            no_data: *no_data,
            options: settings(options, BTreeMap::new()),
            comment: old.as_ref().and_then(|v| v.comment.clone()),
            indexes: crate::Parts::new(),
            triggers: old.as_ref().map(|v| v.triggers.clone()).unwrap_or_default(),
            grants: old.as_ref().map(|v| v.grants.clone()).unwrap_or_default(),
            origin: old.map_or(self.origin, |v| v.origin),
        };
        self.catalog.views.insert(name, view);
    }

    /// `ALTER VIEW … SET (…)`, `RESET (…)`; whether it is a view.
    pub(super) fn set_view_options(
        &mut self,
        name: &ObjectName,
        options: &[(String, String)],
    ) -> bool {
        let name = self.catalog.normalize(name);
        let Some(view) = self.catalog.views.get_mut(&name) else { return false };
        view.options = settings(options, std::mem::take(&mut view.options));
        true
    }

    fn normalized_query(&self, query: &Query) -> Query {
        let mut query = query.clone();
        for table in &mut query.tables {
            *table = self.catalog.normalize(table);
        }
        query
    }

    pub(super) fn drop_view(
        &mut self,
        name: &ObjectName,
        materialized: bool,
        if_exists: bool,
        cascade: bool,
    ) {
        let name = self.catalog.normalize(name);
        self.note_maybe(&name);
        let Some(view) = self.catalog.views.get(&name) else {
            if self.catalog.tables.contains_key(&name) {
                self.refuse(format!("{name} is a table, not a view"));
            } else if !if_exists {
                self.missing(if materialized { "materialized view" } else { "view" }, &name);
            }
            return;
        };
        if view.materialized != materialized && self.is_postgres() {
            let is = if view.materialized { "a materialized view" } else { "a view" };
            self.refuse(format!("{name} is {is}"));
        }
        let dependents = self.catalog.dependents_on_table(&name);
        if self.is_postgres() && !cascade {
            let views = dependents
                .iter()
                .filter(|d| {
                    matches!(d, Dependent::View { name, .. }
                        if !self.catalog.lookup.together.contains(name))
                })
                .map(ToString::to_string)
                .collect();
            self.depends(format!("view {name}"), views);
            if let Some(view) = self.catalog.views.remove(&name) {
                for index in &view.indexes {
                    self.catalog.lookup.index_owner.remove(&index.name);
                }
            }
        } else if self.is_postgres() {
            self.remove_view(&name);
        } else {
            self.catalog.views.remove(&name);
        }
    }

    /// Takes a view away with the views that read it.
    pub(super) fn remove_view(&mut self, name: &ObjectName) {
        let Some(view) = self.catalog.views.remove(name) else { return };
        for index in &view.indexes {
            self.catalog.lookup.index_owner.remove(&index.name);
        }
        let readers: Vec<ObjectName> =
            self.catalog.lookup.tied(Tie::Query, name).cloned().collect();
        for by in readers {
            if self.catalog.views.get(&by).is_some_and(|v| v.query.tables.contains(name)) {
                self.remove_view(&by);
            }
        }
    }

    pub(super) fn rename_view(&mut self, from: &ObjectName, to: &ObjectName) {
        let from = self.catalog.normalize(from);
        let to = match &to.schema {
            None => ObjectName { schema: from.schema.clone(), name: to.name.clone() },
            Some(_) => self.catalog.normalize(to),
        };
        if !self.catalog.views.contains_key(&from) {
            self.missing("view", &from);
            return;
        }
        if self.catalog.has_relation(&to) && from != to {
            self.exists("relation", &to);
            return;
        }
        self.move_view(&from, &to);
    }

    pub(super) fn move_view(&mut self, from: &ObjectName, to: &ObjectName) {
        let Some(mut view) = self.catalog.views.remove(from) else { return };
        view.name = to.clone();
        view.indexes.change_where(
            |_| true,
            |index| {
                self.catalog.lookup.index_owner.remove(&index.name);
                index.name.schema.clone_from(&to.schema);
                self.catalog.lookup.index_owner.insert(index.name.clone(), to.clone());
            },
        );
        for trigger in &mut view.triggers {
            trigger.table = to.clone();
        }
        for target in &view.query.tables {
            self.catalog.lookup.mention(Tie::Query, target, to);
        }
        self.catalog.views.insert(to.clone(), view);
        for by in self.catalog.lookup.rename_target(from, to) {
            let dialect = self.dialect();
            // MySQL stores the text of a view: it goes on naming the old one.
            if dialect.is_mysql_family() {
                self.catalog.lookup.mention(Tie::Query, from, &by);
                continue;
            }
            if let Some(view) = self.catalog.views.get_mut(&by) {
                for table in &mut view.query.tables {
                    if table == from {
                        *table = to.clone();
                    }
                }
                view.query.text = crate::text::rename_table_ident(
                    &view.query.text,
                    dialect,
                    &from.name,
                    &to.name,
                );
            }
        }
    }

    pub(super) fn refresh_view(&mut self, name: &ObjectName, no_data: bool) {
        let name = self.catalog.normalize(name);
        match self.catalog.views.get_mut(&name) {
            Some(view) => view.no_data = no_data,
            None => self.missing("materialized view", &name),
        }
    }
}

impl Catalog {
    /// A view over a table that is not there, and the table.
    pub(crate) fn broken_view(&self) -> Option<(ObjectName, ObjectName)> {
        self.views.values().find_map(|v| {
            let gone = |t: &&ObjectName| {
                !self.tables.contains_key(*t)
                    && !self.views.contains_key(*t)
                    && !super::known::is_system(self.dialect, t)
            };
            v.query.tables.iter().find(gone).map(|t| (v.name.clone(), t.clone()))
        })
    }

    /// What each `*` of a query stands for now, in order. Of a view that is read: what it is made
    /// of.
    fn star(&self, query: &Query) -> Vec<String> {
        let mut out = Vec::new();
        for name in starred_tables(query, self.dialect) {
            if let Some(table) = self.tables.get(&name) {
                out.extend(table.columns.iter().map(|c| format!("{name}.{}", c.name)));
            } else if let Some(view) = self.views.get(&name) {
                // Only a difference matters, not what it is: the text and its own star stand for
                // the columns.
                let mut hasher = DefaultHasher::new();
                view.query.text.to_lowercase().hash(&mut hasher);
                view.columns.hash(&mut hasher);
                view.star.hash(&mut hasher);
                out.push(format!("{name}#{:016x}", hasher.finish()));
            }
        }
        out
    }

    /// The columns of known tables that a query reads. A name that two of its tables have is
    /// not certain, nor what a `*` over several tables means.
    pub(crate) fn columns_read(&self, query: &Query) -> Vec<ReadColumn> {
        let mut out = Vec::new();
        let alone = query.tables.len() == 1;
        for name in &query.tables {
            let Some(table) = self.tables.get(name) else { continue };
            for column in &table.columns {
                let named = query.columns.contains(&column.name);
                if !named && !query.star {
                    continue;
                }
                let certain = alone
                    || named
                        && query.tables.iter().filter(|n| *n != name).all(|other| {
                            self.tables.get(other).is_some_and(|t| {
                                !t.columns_unknown && t.column(&column.name).is_none()
                            })
                        });
                out.push(ReadColumn { table: name.clone(), column: column.name.clone(), certain });
            }
        }
        out
    }
}

/// The tables whose columns a `*` or `t.*` of a query lists.
fn starred_tables(query: &Query, dialect: Dialect) -> Vec<ObjectName> {
    let all: Vec<Token<'_>> =
        tokens(&query.text, dialect).into_iter().filter(|t| t.kind != Kind::Space).collect();
    let text = |at: usize| all.get(at).map_or("", |t| t.text);
    let table_at = |at: usize| {
        let ident = all.get(at)?.ident(dialect)?;
        query.tables.iter().find(|t| t.name == ident)
    };
    let mut out: Vec<ObjectName> = Vec::new();
    for at in (0..all.len()).filter(|at| text(*at) == "*") {
        let before = at.checked_sub(1).map_or("", text);
        if before == "." {
            let Some(qualifier) = at.checked_sub(2).and_then(|i| all[i].ident(dialect)) else {
                continue;
            };
            // The table itself, or the one of which it is the alias.
            let named = query.tables.iter().find(|t| t.name == qualifier);
            let aliased = || {
                (1..all.len()).find_map(|i| {
                    let hit = all[i].ident(dialect).is_some_and(|ident| ident == qualifier);
                    let before = if text(i - 1).eq_ignore_ascii_case("as") { i - 2 } else { i - 1 };
                    hit.then(|| table_at(before)).flatten()
                })
            };
            out.extend(named.or_else(aliased).cloned());
        } else if before == "," || before.eq_ignore_ascii_case("select") {
            // Every table of the FROM that follows at this depth.
            let mut depth = 0_i32;
            let mut in_from = false;
            for i in at + 1..all.len() {
                match text(i).to_ascii_lowercase().as_str() {
                    "(" => depth += 1,
                    ")" if depth == 0 => break,
                    ")" => depth -= 1,
                    "from" if depth == 0 => in_from = true,
                    "where" | "group" | "order" | "union" | "limit" | "having" if depth == 0 => {
                        break;
                    }
                    _ => {
                        if in_from && let Some(table) = table_at(i) {
                            out.push(table.clone());
                        }
                    }
                }
            }
        }
    }
    out
}

/// Options of a view behind a statement that sets some, each as it is said usually.
fn settings(
    set: &[(String, String)],
    mut options: BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    for (name, value) in set {
        if let Some(name) = name.strip_prefix("reset ") {
            options.remove(name);
            continue;
        }
        // A user's name is written as it is.
        let value = if name == "definer" { value.clone() } else { value.to_lowercase() };
        match (name.as_str(), value.to_lowercase().as_str()) {
            ("algorithm", "undefined")
            | ("sql_security", "definer")
            | ("definer", "current_user" | "current_user()") => {
                options.remove(name);
                continue;
            }
            _ => {}
        }
        match value.as_str() {
            "" | "true" | "on" | "yes" | "1" => options.insert(name.clone(), "true".to_owned()),
            "false" | "off" | "no" | "0" if name.starts_with("security_") => options.remove(name),
            _ => options.insert(name.clone(), value),
        };
    }
    options
}

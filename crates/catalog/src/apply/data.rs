//! Statements that read or change rows: they fail where a table or column is missing.

use downhaul_syntax::change::TransactionControl;
use downhaul_syntax::{Ident, ObjectName, Query};

use super::Applier;
use crate::text::{Kind, tokens};

impl Applier<'_> {
    /// A query names these tables.
    pub(super) fn reads(&mut self, query: &Query) {
        for table in &query.tables {
            let name = self.catalog.normalize(table);
            self.require_readable(&name);
        }
    }

    fn require_readable(&mut self, name: &ObjectName) -> bool {
        if self.catalog.tables.contains_key(name)
            || self.catalog.views.contains_key(name)
            || self.catalog.sequences.contains_key(name)
        {
            return true;
        }
        if !name.name.key().eq("dual") {
            self.missing("table", name);
        }
        false
    }

    /// A statement writes to these columns of a table.
    pub(super) fn reads_columns(&mut self, table: &ObjectName, columns: &[Ident]) {
        let name = self.catalog.normalize(table);
        if !self.require_readable(&name) {
            return;
        }
        for column in columns {
            let there = self
                .catalog
                .tables
                .get(&name)
                .is_none_or(|t| t.columns_unknown || t.column(column).is_some())
                || self.is_sqlite() && matches!(column.key(), "rowid" | "_rowid_" | "oid");
            if !there {
                self.missing_part("column", &name, column);
            }
        }
    }

    pub(super) fn truncate(&mut self, tables: &[ObjectName], cascade: bool) {
        let names: Vec<ObjectName> = tables.iter().map(|t| self.catalog.normalize(t)).collect();
        for name in &names {
            if !self.require_readable(name) || cascade || self.is_sqlite() {
                continue;
            }
            let referring: Vec<String> = self
                .catalog
                .dependents_on_table(name)
                .iter()
                .filter_map(|d| match d {
                    super::dependents::Dependent::ForeignKey { table, .. }
                        if !names.contains(table) =>
                    {
                        Some(d.to_string())
                    }
                    _ => None,
                })
                .collect();
            if !referring.is_empty() && !self.foreign_key_checks_off() {
                self.refuse(format!(
                    "cannot truncate {name}: referenced by {}",
                    referring.join(", ")
                ));
            }
        }
    }

    pub(super) fn transaction(&mut self, control: &TransactionControl) {
        if matches!(control, TransactionControl::Commit | TransactionControl::Rollback)
            && let Some(path) = self.catalog.lookup.local_path.take()
        {
            self.catalog.lookup.search_path = path;
        }
    }

    pub(super) fn set_variable(&mut self, name: &str, value: &str, local: bool) {
        match name {
            "search_path" if self.is_postgres() => {
                let path = self.parse_search_path(value);
                if local && self.catalog.lookup.local_path.is_none() {
                    self.catalog.lookup.local_path = Some(self.catalog.lookup.search_path.clone());
                }
                self.catalog.lookup.search_path = path;
            }
            "foreign_key_checks" | "@@foreign_key_checks" | "session.foreign_key_checks" => {
                let value = value.trim_matches(['\'', '"', ' ']);
                self.catalog.lookup.foreign_key_checks_off =
                    value == "0" || value.eq_ignore_ascii_case("off");
            }
            _ => {}
        }
    }

    /// Schemas of a `search_path`; empty where it means the default schema alone.
    fn parse_search_path(&self, value: &str) -> Vec<Ident> {
        let dialect = self.dialect();
        let mut out = Vec::new();
        for token in tokens(value, dialect) {
            let ident = match token.kind {
                Kind::Word | Kind::Quoted => token.ident(dialect),
                Kind::Str => {
                    let text = crate::text::unquoted(token.text);
                    (!text.is_empty()).then(|| Ident::stored(dialect, &text))
                }
                _ => None,
            };
            match ident {
                Some(ident) if ident.as_str() == "$user" || ident.as_str() == "pg_catalog" => {}
                Some(ident) if ident.as_str() == "default" => return Vec::new(),
                Some(ident) => out.push(ident),
                None => {}
            }
        }
        if out.iter().all(|s| self.catalog.default_schema.as_ref() == Some(s)) {
            out.clear();
        }
        out
    }

    /// MySQL `USE database`: what has no schema is in that one from now on.
    pub(super) fn client_command(&mut self, text: &str) {
        let mut words = text.split_whitespace();
        let verb = words.next().unwrap_or("");
        if !self.is_mysql() || !verb.eq_ignore_ascii_case("use") {
            return;
        }
        let Some(name) = words.next().map(|w| w.trim_matches([';', '`'])) else { return };
        let database = Ident::stored(self.dialect(), name);
        match &self.catalog.default_schema {
            None => self.catalog.default_schema = Some(database),
            Some(current) if *current == database => self.catalog.lookup.search_path.clear(),
            Some(_) => self.catalog.lookup.search_path = vec![database],
        }
    }
}

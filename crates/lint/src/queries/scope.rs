//! What names mean at a place of a query: tables with their columns, innermost first.

use downhaul_catalog::{Catalog, Column};
use downhaul_syntax::{Dialect, Ident, ObjectName, SqlType};

use super::types::Ty;

/// A column that a query can see.
#[derive(Clone, Debug)]
pub(super) struct Col {
    pub(super) name: Ident,
    pub(super) ty: Ty,
    /// The exact type, where it is a column of a table.
    pub(super) sql: Option<SqlType>,
    pub(super) not_null: bool,
    /// Table and column that it is.
    pub(super) of: Option<(ObjectName, Ident)>,
    /// `USING` made it one with the other side's.
    pub(super) merged: bool,
    /// Left out of `*`.
    pub(super) invisible: bool,
    /// Of a view: no plain column stands behind it, so nothing can be written to it.
    pub(super) computed: bool,
}

impl Col {
    pub(super) fn new(name: Ident, ty: Ty) -> Self {
        Self {
            name,
            ty,
            sql: None,
            not_null: false,
            of: None,
            merged: false,
            invisible: false,
            computed: false,
        }
    }

    pub(super) fn of_table(table: &ObjectName, column: &Column, catalog: &Catalog) -> Self {
        Self {
            name: column.name.clone(),
            ty: column.ty.as_ref().map_or(Ty::Any, |ty| Ty::of(ty, catalog)),
            sql: column.ty.clone(),
            not_null: column.not_null,
            of: Some((table.clone(), column.name.clone())),
            merged: false,
            invisible: column.invisible,
            computed: false,
        }
    }
}

/// A table, view, subquery or function in `FROM`.
#[derive(Clone, Debug)]
pub(super) struct Rel {
    /// The name by which its columns are called.
    pub(super) alias: Option<Ident>,
    /// Schema that may stand before the name, where no alias hides it.
    pub(super) schema: Option<Ident>,
    pub(super) columns: Vec<Col>,
    /// It may have columns that are not known.
    pub(super) open: bool,
    /// The table or view.
    pub(super) base: Option<ObjectName>,
    /// Why nothing can be written to it.
    pub(super) read_only: Option<&'static str>,
}

/// Tables that stand side by side.
#[derive(Clone, Debug, Default)]
pub(super) struct Part {
    pub(super) rels: Vec<Rel>,
    /// Columns that `USING` and `NATURAL` made one.
    pub(super) merged: Vec<Col>,
}

impl Part {
    pub(super) fn absorb(&mut self, other: Part) {
        self.rels.extend(other.rels);
        self.merged.extend(other.merged);
    }

    pub(super) fn is_open(&self) -> bool {
        self.rels.iter().any(|r| r.open)
    }

    /// What `*` stands for.
    pub(super) fn star(&self) -> Vec<Col> {
        let plain = self.rels.iter().flat_map(|r| &r.columns);
        self.merged.iter().chain(plain.filter(|c| !c.merged && !c.invisible)).cloned().collect()
    }

    /// Columns that the bare name means here.
    pub(super) fn named(&self, name: &Ident) -> Vec<&Col> {
        let plain = self.rels.iter().flat_map(|r| &r.columns).filter(|c| !c.merged);
        self.merged.iter().chain(plain).filter(|c| c.name == *name).collect()
    }

    /// Takes the column of that name out of the plain ones, for `USING`.
    pub(super) fn merge(&mut self, name: &Ident) -> Option<Col> {
        let merged = self.merged.iter().position(|c| c.name == *name);
        if let Some(at) = merged {
            return Some(self.merged.remove(at));
        }
        let mut found = None;
        for rel in &mut self.rels {
            for column in rel.columns.iter_mut().filter(|c| !c.merged && c.name == *name) {
                column.merged = true;
                found.get_or_insert_with(|| column.clone());
            }
        }
        found.map(|mut c: Col| {
            c.merged = false;
            c
        })
    }
}

/// A place in a query.
#[derive(Clone, Copy)]
pub(super) struct Scope<'s> {
    pub(super) part: &'s Part,
    /// Names of the select list, where they may be used.
    pub(super) outputs: &'s [Col],
    pub(super) outer: Option<&'s Scope<'s>>,
}

impl<'s> Scope<'s> {
    pub(super) fn new(part: &'s Part, outer: Option<&'s Scope<'s>>) -> Self {
        Self { part, outputs: &[], outer }
    }
}

/// The key of a type's name in the catalog.
pub(super) fn type_name(ty: &SqlType, catalog: &Catalog) -> ObjectName {
    let name = Ident::stored(catalog.dialect, &ty.name);
    plain(&ObjectName { schema: ty.schema.clone(), name }, catalog)
}

/// A name as the catalog keys it, whatever `search_path` a migration has set.
pub(super) fn plain(name: &ObjectName, catalog: &Catalog) -> ObjectName {
    match (&name.schema, &catalog.default_schema) {
        (Some(schema), Some(default)) if schema == default => ObjectName::bare(name.name.clone()),
        _ => name.clone(),
    }
}

/// Columns that every table has without being told.
pub(super) fn is_system_column(name: &Ident, dialect: Dialect) -> bool {
    match dialect {
        Dialect::Postgres => {
            matches!(name.key(), "ctid" | "xmin" | "xmax" | "cmin" | "cmax" | "tableoid" | "oid")
        }
        Dialect::Sqlite => matches!(name.key(), "rowid" | "oid" | "_rowid_"),
        Dialect::Mysql | Dialect::MariaDb => false,
    }
}

/// Tables of the server itself.
pub(super) fn is_system_table(name: &ObjectName, dialect: Dialect) -> bool {
    let schema = name.schema.as_ref().map(Ident::key);
    match dialect {
        Dialect::Postgres => {
            matches!(schema, Some("pg_catalog" | "information_schema"))
                || schema.is_none() && name.name.key().starts_with("pg_")
        }
        Dialect::Sqlite => {
            name.name.key().starts_with("sqlite_") || name.name.key().starts_with("pragma_")
        }
        Dialect::Mysql | Dialect::MariaDb => {
            matches!(schema, Some("information_schema" | "mysql" | "performance_schema" | "sys"))
                || name.name.key() == "dual"
        }
    }
}

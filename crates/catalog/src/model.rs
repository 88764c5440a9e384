//! The nouns of a schema.

use std::collections::{BTreeMap, BTreeSet};

use downhaul_syntax::{
    ConstraintKind, Dialect, Expr, Generated, Ident, Identity, IndexPart, ObjectKind, ObjectName,
    Partitioning, Query, RoutineDef, SqlType, TriggerDef, TypeDef,
};
use serde::{Deserialize, Serialize};

use crate::lookup::Lookup;
use crate::objects::Objects;
use crate::parts::{Part, Parts};

/// A whole schema: all that one database holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Catalog {
    /// Dialect that decides names, types and defaults.
    pub dialect: Dialect,
    /// Schema that an unqualified name means (`public`, `main`, the current database). Names in
    /// this catalog leave it out: `public.users` and `users` are the same key.
    pub default_schema: Option<Ident>,
    /// Schemas other than the default one.
    pub schemas: Vec<Ident>,
    /// Tables by name.
    pub tables: Objects<ObjectName, Table>,
    /// Views and materialized views by name.
    pub views: Objects<ObjectName, View>,
    /// Enums, composites, domains, ranges by name.
    pub types: Objects<ObjectName, UserType>,
    /// Sequences by name, owned ones included.
    pub sequences: Objects<ObjectName, Sequence>,
    /// Functions and procedures by name and argument types.
    pub routines: Objects<RoutineKey, Routine>,
    /// Extensions by name.
    pub extensions: Vec<Ident>,
    /// Objects that are not modelled further (publications, rules, casts …), by kind and name.
    pub others: Objects<(ObjectKind, ObjectName), String>,
    /// Where an object came from that the catalog does not know is unsure: set once a statement
    /// ran whose effects could not be read (dynamic SQL, an unparsed statement). From then on a
    /// missing object is "unknown", not "absent".
    pub uncertain: bool,
    /// Comments on objects whose own struct has no room for one (schemas, sequences, triggers,
    /// policies …): kind, table of a part, name.
    #[serde(default, skip_serializing_if = "Objects::is_empty")]
    pub comments: Objects<(ObjectKind, Option<ObjectName>, ObjectName), String>,
    /// Privileges on objects other than tables and views: kind, name, grantee, privilege.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub grants: BTreeSet<(ObjectKind, ObjectName, String, String)>,
    /// Owners of objects other than tables, where stated.
    #[serde(default, skip_serializing_if = "Objects::is_empty")]
    pub owners: Objects<(ObjectKind, ObjectName), String>,
    /// Derived from the rest, for speed, and the session's state; no part of the schema.
    #[serde(skip)]
    pub(crate) lookup: Lookup,
}

/// Maps whose keys are structs, as lists of pairs: JSON knows only strings as keys.
mod pairs {
    use std::collections::BTreeMap;

    use serde::de::Deserialize;
    use serde::ser::Serialize;
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub(super) fn deserialize<'de, K, V, D>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Ok(Vec::<(K, V)>::deserialize(deserializer)?.into_iter().collect())
    }
}

/// Identity of a routine: overloads differ in their argument types.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RoutineKey {
    /// Name.
    pub name: ObjectName,
    /// Types of the input arguments as normalised text.
    pub args: Vec<String>,
}

/// Since when an object exists, counted in migrations of the replayed series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// It was there before the series began (or came from a live server).
    Baseline,
    /// Created by the migration with this index in the series.
    Series(usize),
}

/// What a live server knows of a table's size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableStats {
    /// Estimated rows.
    pub rows: u64,
    /// Bytes of heap, indexes and out-of-line values.
    pub bytes: u64,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Name, default schema left out.
    pub name: ObjectName,
    /// Columns in order.
    pub columns: Parts<Column>,
    /// Constraints, primary key and those written behind columns included. NOT NULL lies in the
    /// column.
    pub constraints: Parts<Constraint>,
    /// Indexes that no constraint owns.
    pub indexes: Parts<Index>,
    /// Triggers.
    pub triggers: Vec<TriggerDef>,
    /// Names of triggers that are disabled.
    #[serde(default)]
    pub disabled_triggers: Vec<Ident>,
    /// `PARTITION BY` or `PARTITION OF`.
    pub partitioning: Option<Partitioning>,
    /// Parents by inheritance.
    #[serde(default)]
    pub inherits: Vec<ObjectName>,
    /// `UNLOGGED`.
    #[serde(default)]
    pub unlogged: bool,
    /// `TEMPORARY`.
    #[serde(default)]
    pub temporary: bool,
    /// Options in lower case: `engine`, `without rowid`, `strict`, `fillfactor`, `charset` …
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// Comment.
    #[serde(default)]
    pub comment: Option<String>,
    /// Row-level security is on.
    #[serde(default)]
    pub row_security: bool,
    /// `FORCE ROW LEVEL SECURITY`.
    #[serde(default)]
    pub row_security_forced: bool,
    /// `REPLICA IDENTITY`, where it is not the default.
    #[serde(default)]
    pub replica_identity: Option<String>,
    /// Policies by name, as text.
    #[serde(default, with = "pairs")]
    pub policies: BTreeMap<Ident, String>,
    /// Privileges granted, as (grantee, privilege), where stated.
    #[serde(default)]
    pub grants: Vec<(String, String)>,
    /// Owner, where stated.
    #[serde(default)]
    pub owner: Option<String>,
    /// Column types are not known (made by `AS query`, or by an uncertain statement).
    #[serde(default)]
    pub columns_unknown: bool,
    /// No statement created it: taken to exist because a statement needed it. What is known of it
    /// is what was stated since.
    #[serde(default)]
    pub assumed: bool,
    /// Since when.
    pub origin: Origin,
    /// Size, from a live server.
    #[serde(default)]
    pub stats: Option<TableStats>,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Name.
    pub name: Ident,
    /// Type, `serial` already expanded; SQLite may have none.
    pub ty: Option<SqlType>,
    /// NOT NULL, also by primary key (not on SQLite, whose primary keys may hold NULL).
    pub not_null: bool,
    /// Default.
    pub default: Option<Expr>,
    /// Generated.
    pub generated: Option<Generated>,
    /// Identity.
    pub identity: Option<Identity>,
    /// `AUTO_INCREMENT`, `AUTOINCREMENT`.
    pub auto_increment: bool,
    /// Collation.
    pub collation: Option<String>,
    /// Name of the NOT NULL constraint, where one was stated.
    #[serde(default)]
    pub not_null_name: Option<Ident>,
    /// Comment.
    pub comment: Option<String>,
    /// `ON UPDATE` expression (MySQL).
    #[serde(default)]
    pub on_update: Option<Expr>,
    /// Invisible (MySQL, MariaDB).
    #[serde(default)]
    pub invisible: bool,
    /// `SET STATISTICS`, `SET STORAGE` and such.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// Since when.
    pub origin: Origin,
}

/// A constraint with the name that the server gives it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Constraint {
    /// Name; invented as the server does where none was given (SQLite: may stay without).
    pub name: Option<Ident>,
    /// The name was invented, not stated.
    #[serde(default)]
    pub name_generated: bool,
    /// What it demands.
    #[serde(flatten)]
    pub kind: ConstraintKind,
    /// Not valid for old rows (yet).
    pub not_valid: bool,
    /// `DEFERRABLE`.
    pub deferrable: bool,
    /// `INITIALLY DEFERRED`.
    pub initially_deferred: bool,
    /// `NOT ENFORCED`.
    #[serde(default)]
    pub not_enforced: bool,
    /// `INCLUDE` columns of the index that was made a constraint by `USING INDEX`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<Ident>,
    /// Comment.
    #[serde(default)]
    pub comment: Option<String>,
    /// Since when.
    pub origin: Origin,
}

/// An index that no constraint owns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Index {
    /// Name.
    pub name: ObjectName,
    /// The name was invented, not stated.
    #[serde(default)]
    pub name_generated: bool,
    /// Key parts in order.
    pub parts: Vec<IndexPart>,
    /// Unique.
    pub unique: bool,
    /// Access method; `None` is the default one.
    pub method: Option<String>,
    /// `INCLUDE` columns.
    pub include: Vec<Ident>,
    /// Predicate.
    pub predicate: Option<Expr>,
    /// `NULLS NOT DISTINCT`.
    pub nulls_not_distinct: bool,
    /// Invisible or ignored.
    #[serde(default)]
    pub invisible: bool,
    /// `ON ONLY` a partitioned parent and not attached yet; or known to be INVALID.
    #[serde(default)]
    pub invalid: bool,
    /// Storage parameters as text: `fillfactor = 70`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<String>,
    /// Made by MySQL for a foreign key: vanishes once another index serves it.
    #[serde(default)]
    pub implied: bool,
    /// Comment.
    #[serde(default)]
    pub comment: Option<String>,
    /// Since when.
    pub origin: Origin,
}

/// A view.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// Name.
    pub name: ObjectName,
    /// Materialized.
    pub materialized: bool,
    /// Output columns, where they were listed.
    pub columns: Vec<Ident>,
    /// What it reads.
    pub query: Query,
    /// Columns that it stands or falls with, found when it was created; a table may be missing
    /// here where its columns are not known.
    #[serde(default)]
    pub reads: Vec<ReadColumn>,
    /// What `*` stood for when it was created: `table.column`, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub star: Vec<String>,
    /// `WITH NO DATA`, and not refreshed since.
    #[serde(default)]
    pub no_data: bool,
    /// `security_barrier`, `security_invoker`, `check_option`: who sees rows through it, and what may be
    /// written. One that is off is none. MySQL's `algorithm`, `definer` and `sql_security`, where another than
    /// what holds without.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
    /// Comment.
    #[serde(default)]
    pub comment: Option<String>,
    /// Indexes (materialized views).
    #[serde(default)]
    pub indexes: Parts<Index>,
    /// Triggers (`INSTEAD OF`).
    #[serde(default)]
    pub triggers: Vec<TriggerDef>,
    /// Privileges granted, as (grantee, privilege), where stated.
    #[serde(default)]
    pub grants: Vec<(String, String)>,
    /// Since when.
    pub origin: Origin,
}

/// A column that a view reads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ReadColumn {
    /// Table or view.
    pub table: ObjectName,
    /// Column.
    pub column: Ident,
    /// Beyond doubt; otherwise another table of the query may be meant.
    pub certain: bool,
}

/// A user-defined type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UserType {
    /// Name.
    pub name: ObjectName,
    /// Definition.
    pub def: TypeDef,
    /// Comment.
    #[serde(default)]
    pub comment: Option<String>,
    /// Since when.
    pub origin: Origin,
}

/// A sequence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sequence {
    /// Name.
    pub name: ObjectName,
    /// Options as text.
    pub text: String,
    /// Owning column.
    pub owned_by: Option<(ObjectName, Ident)>,
    /// The server made it for the owning column, which is an identity column: nobody names it. A column
    /// may own others beside it.
    #[serde(default)]
    pub of_identity: bool,
    /// Since when.
    pub origin: Origin,
}

/// A function or procedure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Routine {
    /// Definition.
    pub def: RoutineDef,
    /// Changes that calling it may make.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<downhaul_syntax::Change>,
    /// Comment.
    #[serde(default)]
    pub comment: Option<String>,
    /// Since when.
    pub origin: Origin,
}

impl Catalog {
    /// An empty database of a dialect, its usual default schema set.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        let default_schema = match dialect {
            Dialect::Postgres => Some("public"),
            Dialect::Sqlite => Some("main"),
            Dialect::Mysql | Dialect::MariaDb => None,
        };
        Self {
            dialect,
            default_schema: default_schema.map(|s| Ident::stored(dialect, s)),
            schemas: Vec::new(),
            tables: Objects::new(),
            views: Objects::new(),
            types: Objects::new(),
            sequences: Objects::new(),
            routines: Objects::new(),
            extensions: Vec::new(),
            others: Objects::new(),
            uncertain: false,
            comments: Objects::new(),
            grants: BTreeSet::new(),
            owners: Objects::new(),
            lookup: Lookup::default(),
        }
    }

    /// The name as this catalog keys it: the default schema left out, a name without a schema
    /// found along the session's `search_path` where one was set, a long name cut as PostgreSQL does.
    #[must_use]
    pub fn normalize(&self, name: &ObjectName) -> ObjectName {
        // The server cuts a long name wherever it reads one, not only where the object is made.
        if name.name.as_str().len() > 63 {
            let cut = crate::apply::names::truncated(self.dialect, &name.name);
            if cut != name.name {
                return self.normalize(&ObjectName { schema: name.schema.clone(), name: cut });
            }
        }
        match (&name.schema, &self.default_schema) {
            (Some(schema), Some(default)) if schema == default => {
                ObjectName::bare(name.name.clone())
            }
            (None, _) if !self.lookup.search_path.is_empty() => {
                let candidates = self.lookup.search_path.iter().map(|s| self.in_schema(s, name));
                candidates
                    .clone()
                    .find(|n| self.has_relation(n) || self.types.contains_key(n))
                    .or_else(|| candidates.into_iter().next())
                    .unwrap_or_else(|| name.clone())
            }
            _ => name.clone(),
        }
    }

    /// The name under which this name is created: in the first schema of the `search_path`.
    pub(crate) fn normalize_new(&self, name: &ObjectName) -> ObjectName {
        match (&name.schema, self.lookup.search_path.first()) {
            (None, Some(first)) => self.in_schema(first, name),
            (None, None) => name.clone(),
            (Some(_), _) => self.normalize(name),
        }
    }

    /// The same name in a schema, which is left out where it is the default one.
    pub(crate) fn in_schema(&self, schema: &Ident, name: &ObjectName) -> ObjectName {
        let schema = (self.default_schema.as_ref() != Some(schema)).then(|| schema.clone());
        ObjectName { schema, name: name.name.clone() }
    }

    /// Whether a table, view, sequence or index has this (normalised) name.
    pub(crate) fn has_relation(&self, name: &ObjectName) -> bool {
        self.tables.contains_key(name)
            || self.views.contains_key(name)
            || self.sequences.contains_key(name)
            || self.lookup.index_owner.contains_key(name)
    }

    /// The table of this name.
    #[must_use]
    pub fn table(&self, name: &ObjectName) -> Option<&Table> {
        self.tables.get(&self.normalize(name))
    }

    /// The table of this name, to change it.
    pub fn table_mut(&mut self, name: &ObjectName) -> Option<&mut Table> {
        let name = self.normalize(name);
        self.tables.get_mut(&name)
    }

    /// The view of this name.
    #[must_use]
    pub fn view(&self, name: &ObjectName) -> Option<&View> {
        self.views.get(&self.normalize(name))
    }
}

impl Table {
    /// The column of this name.
    #[must_use]
    pub fn column(&self, name: &Ident) -> Option<&Column> {
        self.columns.named(name)
    }

    /// The column of this name, to change it.
    pub fn column_mut(&mut self, name: &Ident) -> Option<&mut Column> {
        self.columns.named_mut(name)
    }

    /// Columns of the primary key, in key order; empty without one.
    #[must_use]
    pub fn primary_key(&self) -> &[Ident] {
        self.constraints
            .iter()
            .find_map(|c| match &c.kind {
                ConstraintKind::PrimaryKey { columns, .. } => Some(columns.as_slice()),
                _ => None,
            })
            .unwrap_or(&[])
    }

    /// The constraint of this name.
    #[must_use]
    pub fn constraint(&self, name: &Ident) -> Option<&Constraint> {
        self.constraints.named(name)
    }
}

impl Part for Column {
    fn name(&self) -> Option<&Ident> {
        Some(&self.name)
    }

    /// Those of its generation expression.
    fn each_column<'p>(&'p self, see: &mut dyn FnMut(&'p Ident)) {
        if let Some(generated) = &self.generated {
            generated.expr.columns.iter().for_each(see);
        }
    }
}

impl Part for Constraint {
    fn name(&self) -> Option<&Ident> {
        self.name.as_ref()
    }

    fn each_column<'p>(&'p self, see: &mut dyn FnMut(&'p Ident)) {
        match &self.kind {
            ConstraintKind::PrimaryKey { columns, .. }
            | ConstraintKind::Unique { columns, .. }
            | ConstraintKind::Exclude { columns, .. }
            | ConstraintKind::ForeignKey { columns, .. } => {
                columns.iter().chain(&self.include).for_each(see);
            }
            ConstraintKind::Check { expr, .. } => expr.columns.iter().for_each(see),
            ConstraintKind::NotNull { column } => see(column),
        }
    }
}

impl Part for Index {
    fn name(&self) -> Option<&Ident> {
        Some(&self.name.name)
    }

    /// By key, expression, predicate or `INCLUDE`.
    fn each_column<'p>(&'p self, see: &mut dyn FnMut(&'p Ident)) {
        for part in &self.parts {
            part.column.iter().for_each(&mut *see);
            part.expr.iter().flat_map(|e| &e.columns).for_each(&mut *see);
        }
        self.include.iter().for_each(&mut *see);
        self.predicate.iter().flat_map(|e| &e.columns).for_each(see);
    }
}

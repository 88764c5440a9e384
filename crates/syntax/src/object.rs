//! Definitions of database objects as SQL states them: the nouns that a [`crate::Change`] uses.

use serde::{Deserialize, Serialize};

use crate::{Ident, ObjectName, Span};

/// A data type as written, with its canonical name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SqlType {
    /// Schema of a user-defined type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Ident>,
    /// Canonical name: lower case, aliases resolved per dialect (`int4`, `int` → `integer`,
    /// `character varying` → `varchar`, `timestamp with time zone` → `timestamptz`,
    /// `decimal` → `numeric`, `bool` → `boolean`, `float8` → `double precision`,
    /// `serial4` → `serial`; MySQL `int`, `tinyint` … keep their own names).
    pub name: String,
    /// Length, precision and scale; labels without quotes for MySQL `ENUM` and `SET`;
    /// the fields of an interval.
    #[serde(default)]
    pub args: Vec<String>,
    /// Array dimensions: `text[][]` has 2.
    #[serde(default)]
    pub dimensions: u8,
    /// MySQL `UNSIGNED`.
    #[serde(default)]
    pub unsigned: bool,
    /// MySQL `CHARACTER SET`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charset: Option<String>,
    /// As written, white space normalised.
    pub raw: String,
}

/// An expression: its text, and what it mentions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expr {
    /// As written, comments removed and white space normalised.
    pub text: String,
    /// Identifiers that are not functions, types or keywords: columns it may read.
    #[serde(default)]
    pub columns: Vec<Ident>,
    /// Names of functions called, lower case, without schema; `current_timestamp` and its kin
    /// count as functions.
    #[serde(default)]
    pub functions: Vec<String>,
    /// Where it stands.
    #[serde(skip)]
    pub span: Span,
}

/// What happens to referencing rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum ReferentialAction {
    /// Refuse (checked at the end of the statement or transaction).
    #[default]
    NoAction,
    /// Refuse at once.
    Restrict,
    /// Delete or update with it.
    Cascade,
    /// Set the referencing columns to NULL.
    SetNull,
    /// Set the referencing columns to their defaults.
    SetDefault,
}

/// What a constraint demands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ConstraintKind {
    /// `PRIMARY KEY`.
    PrimaryKey {
        /// In key order; empty with `using_index`.
        columns: Vec<Ident>,
        /// `USING INDEX name` (PostgreSQL).
        using_index: Option<Ident>,
    },
    /// `UNIQUE`.
    Unique {
        /// In key order; empty with `using_index`.
        columns: Vec<Ident>,
        /// `NULLS NOT DISTINCT`.
        nulls_not_distinct: bool,
        /// `USING INDEX name` (PostgreSQL).
        using_index: Option<Ident>,
    },
    /// `CHECK`.
    Check {
        /// The condition.
        expr: Expr,
        /// `NO INHERIT`.
        no_inherit: bool,
    },
    /// `FOREIGN KEY … REFERENCES`.
    ForeignKey {
        /// Referencing columns.
        columns: Vec<Ident>,
        /// Referenced table.
        table: ObjectName,
        /// Referenced columns; empty means the primary key.
        referred: Vec<Ident>,
        /// `ON DELETE`.
        on_delete: ReferentialAction,
        /// `ON UPDATE`.
        on_update: ReferentialAction,
        /// `MATCH FULL`.
        match_full: bool,
    },
    /// `EXCLUDE`, kept as text.
    Exclude {
        /// All that follows the keyword.
        text: String,
        /// Columns that it mentions.
        columns: Vec<Ident>,
    },
    /// `NOT NULL col` as a named constraint (PostgreSQL 18).
    NotNull {
        /// The column.
        column: Ident,
    },
}

/// A table constraint, or one written behind a column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConstraintDef {
    /// Name, where one was given.
    pub name: Option<Ident>,
    /// What it demands.
    #[serde(flatten)]
    pub kind: ConstraintKind,
    /// `NOT VALID`: binds new rows only.
    #[serde(default)]
    pub not_valid: bool,
    /// `DEFERRABLE`.
    #[serde(default)]
    pub deferrable: bool,
    /// `INITIALLY DEFERRED`.
    #[serde(default)]
    pub initially_deferred: bool,
    /// `NOT ENFORCED`.
    #[serde(default)]
    pub not_enforced: bool,
    /// Where it stands.
    #[serde(skip)]
    pub span: Span,
}

/// `GENERATED … AS IDENTITY`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    /// Values may not be given without `OVERRIDING SYSTEM VALUE`.
    Always,
    /// Values may be given.
    ByDefault,
}

/// A generated column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generated {
    /// What it computes.
    pub expr: Expr,
    /// `STORED` or `PERSISTENT`; otherwise virtual.
    pub stored: bool,
}

/// A column as `CREATE TABLE`, `ADD COLUMN` or MySQL `MODIFY` states it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnDef {
    /// Name.
    pub name: Ident,
    /// Type; SQLite may leave it out.
    pub ty: Option<SqlType>,
    /// `NOT NULL` was written (a primary key implies it without writing).
    #[serde(default)]
    pub not_null: bool,
    /// Name given to the NOT NULL constraint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_null_name: Option<Ident>,
    /// `DEFAULT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Expr>,
    /// `GENERATED ALWAYS AS (…)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated: Option<Generated>,
    /// `GENERATED … AS IDENTITY`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// MySQL `AUTO_INCREMENT`, SQLite `AUTOINCREMENT`.
    #[serde(default)]
    pub auto_increment: bool,
    /// `COLLATE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collation: Option<String>,
    /// MySQL `COMMENT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// MySQL `ON UPDATE CURRENT_TIMESTAMP`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_update: Option<Expr>,
    /// MySQL and MariaDB `INVISIBLE`.
    #[serde(default)]
    pub invisible: bool,
    /// `PRIMARY KEY`, `UNIQUE`, `CHECK`, `REFERENCES` written behind this column; their column
    /// lists hold this column.
    #[serde(default)]
    pub constraints: Vec<ConstraintDef>,
    /// Where it stands.
    #[serde(skip)]
    pub span: Span,
}

/// One key part of an index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexPart {
    /// A plain column.
    pub column: Option<Ident>,
    /// An expression, where it is no plain column.
    pub expr: Option<Expr>,
    /// The whole part as written (operator class, collation, order, prefix length).
    pub text: String,
}

/// An index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexDef {
    /// Name; PostgreSQL invents one where none was given.
    pub name: Option<ObjectName>,
    /// The indexed table.
    pub table: ObjectName,
    /// Key parts in order.
    pub parts: Vec<IndexPart>,
    /// `UNIQUE`.
    pub unique: bool,
    /// `USING method`; MySQL `FULLTEXT` and `SPATIAL` come here in lower case too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// `INCLUDE` columns.
    #[serde(default)]
    pub include: Vec<Ident>,
    /// `WHERE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicate: Option<Expr>,
    /// `NULLS NOT DISTINCT`.
    #[serde(default)]
    pub nulls_not_distinct: bool,
    /// `ON ONLY` (partitioned parent alone).
    #[serde(default)]
    pub only: bool,
    /// MySQL `INVISIBLE`, MariaDB `IGNORED`.
    #[serde(default)]
    pub invisible: bool,
    /// `WITH (…)`: storage parameters as text, without the parentheses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<String>,
}

/// How a table is made a part of, or divided into, others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Partitioning {
    /// `PARTITION BY …`: text of strategy and key.
    By(String),
    /// `PARTITION OF parent …`.
    Of {
        /// The partitioned table.
        parent: ObjectName,
        /// `FOR VALUES …` as text; `None` for `DEFAULT`.
        bounds: Option<String>,
    },
}

/// `CREATE TABLE`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableDef {
    /// Name.
    pub name: ObjectName,
    /// Columns in order, constraints written behind them included.
    pub columns: Vec<ColumnDef>,
    /// Constraints written on their own.
    pub constraints: Vec<ConstraintDef>,
    /// MySQL `KEY`/`INDEX` inside the table.
    #[serde(default)]
    pub indexes: Vec<IndexDef>,
    /// `TEMPORARY`.
    #[serde(default)]
    pub temporary: bool,
    /// `UNLOGGED`.
    #[serde(default)]
    pub unlogged: bool,
    /// `PARTITION BY` or `PARTITION OF`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitioning: Option<Partitioning>,
    /// `INHERITS`.
    #[serde(default)]
    pub inherits: Vec<ObjectName>,
    /// `LIKE other` (with what it includes as text).
    #[serde(default)]
    pub like: Vec<(ObjectName, String)>,
    /// `AS query`: the query's text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_query: Option<Query>,
    /// Table options in order, names in lower case: (`engine`, `InnoDB`), (`without rowid`, ``),
    /// (`strict`, ``), (`tablespace`, `x`), (`fillfactor`, `70`), (`comment`, `…`) …
    #[serde(default)]
    pub options: Vec<(String, String)>,
}

/// A query: its text, and what it reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Query {
    /// As written, comments removed and white space normalised.
    pub text: String,
    /// Tables and views that it names anywhere, in order of appearance, without duplicates;
    /// names of common table expressions left out.
    pub tables: Vec<ObjectName>,
    /// Column names that it mentions anywhere.
    pub columns: Vec<Ident>,
    /// It selects `*` or `t.*`.
    pub star: bool,
    /// Functions called, lower case.
    pub functions: Vec<String>,
    /// Where it stands.
    #[serde(skip)]
    pub span: Span,
}

/// A function, procedure or aggregate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutineDef {
    /// Name.
    pub name: ObjectName,
    /// Which kind.
    pub kind: RoutineKind,
    /// Types of the input arguments, as normalised text: PostgreSQL's identity of a function.
    pub args: Vec<String>,
    /// Return type as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returns: Option<String>,
    /// Language, lower case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Body text without its quotes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// `immutable`, `stable` or `volatile`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volatility: Option<String>,
    /// `SECURITY DEFINER`.
    #[serde(default)]
    pub security_definer: bool,
    /// `SET name …` clauses, names in lower case.
    #[serde(default)]
    pub settings: Vec<String>,
    /// All behind the name exactly as written: arguments with names and defaults, `RETURNS`,
    /// options, body. What creates the routine again.
    #[serde(default)]
    pub definition: String,
}

/// Kinds of routine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoutineKind {
    /// `FUNCTION`.
    Function,
    /// `PROCEDURE`.
    Procedure,
    /// `AGGREGATE`.
    Aggregate,
}

/// A trigger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriggerDef {
    /// Name. SQLite and MySQL triggers live in the schema, PostgreSQL's on the table.
    pub name: Ident,
    /// Its table or view.
    pub table: ObjectName,
    /// What stands between the name and `ON`: `BEFORE INSERT OR UPDATE OF a`.
    #[serde(default)]
    pub event: String,
    /// All behind the table's name, exactly as written.
    pub text: String,
    /// Function called (PostgreSQL).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<ObjectName>,
    /// Column names that the text mentions (`NEW.x`, `OF x`, `WHEN`).
    #[serde(default)]
    pub columns: Vec<Ident>,
}

/// A user-defined type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
// Few of these exist at a time: a box would save nothing.
#[allow(clippy::large_enum_variant)]
pub enum TypeDef {
    /// `AS ENUM`: labels in order.
    Enum(Vec<String>),
    /// `AS (attributes)`.
    Composite(Vec<(Ident, SqlType)>),
    /// `AS RANGE`, or a base type: text.
    Other(String),
    /// `CREATE DOMAIN`.
    Domain {
        /// Underlying type.
        base: SqlType,
        /// `NOT NULL`.
        not_null: bool,
        /// `DEFAULT`.
        default: Option<Expr>,
        /// `CHECK`s with their names.
        checks: Vec<ConstraintDef>,
    },
}

/// Kinds of object that `COMMENT`, `DROP`, `GRANT`, `OWNER TO` and `SET SCHEMA` name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum ObjectKind {
    Table,
    Column,
    View,
    MaterializedView,
    Index,
    Constraint,
    Sequence,
    Type,
    Domain,
    Function,
    Procedure,
    Aggregate,
    Trigger,
    Schema,
    Database,
    Extension,
    Policy,
    Rule,
    Role,
    Publication,
    Subscription,
    Server,
    ForeignTable,
    Collation,
    Statistics,
    Event,
    Other,
}

//! Typed effects of statements: the language between parser, catalog, rules, planner and inverse.

use serde::{Deserialize, Serialize};

use crate::{
    ColumnDef, ConstraintDef, Expr, Ident, Identity, IndexDef, ObjectKind, ObjectName, Query,
    RoutineDef, RoutineKind, Span, SqlType, TableDef, TriggerDef, TypeDef,
};

/// Where MySQL puts a column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnPosition {
    /// `FIRST`.
    First,
    /// `AFTER column`.
    After(Ident),
}

/// MySQL `ALGORITHM=` and `LOCK=` of the statement, in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnlineDdl {
    /// `default`, `instant`, `nocopy`, `inplace`, `copy`.
    pub algorithm: Option<String>,
    /// `default`, `none`, `shared`, `exclusive`.
    pub lock: Option<String>,
}

/// The rows that a DML statement touches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowFilter {
    /// No `WHERE`, or one that is always true.
    All,
    /// `WHERE …` (or a join) limits the rows.
    Where(Expr),
}

/// `BEGIN`, `COMMIT` and their kin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum TransactionControl {
    Begin,
    Commit,
    Rollback,
    Savepoint(String),
    RollbackTo(String),
    Release(String),
    Other,
}

/// What is reindexed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum ReindexTarget {
    Index(ObjectName),
    Table(ObjectName),
    Schema(Ident),
    Database,
}

/// One typed effect of one statement. A statement such as `ALTER TABLE t ADD a int, DROP b` has
/// several, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Change {
    // Tables
    CreateTable {
        def: TableDef,
        if_not_exists: bool,
    },
    DropTable {
        name: ObjectName,
        if_exists: bool,
        cascade: bool,
    },
    RenameTable {
        from: ObjectName,
        to: ObjectName,
    },
    /// Any object's `SET SCHEMA`.
    SetSchema {
        kind: ObjectKind,
        name: ObjectName,
        schema: Ident,
    },
    /// Storage parameters and table options: `SET (fillfactor=70)`, `ENGINE=`, `AUTO_INCREMENT=`,
    /// `CHARACTER SET` default, `COMMENT=`; names in lower case.
    SetTableOptions {
        table: ObjectName,
        options: Vec<(String, String)>,
    },
    SetLogged {
        table: ObjectName,
        logged: bool,
    },
    SetTablespace {
        kind: ObjectKind,
        name: ObjectName,
        tablespace: String,
    },
    SetAccessMethod {
        table: ObjectName,
        method: String,
    },
    ReplicaIdentity {
        table: ObjectName,
        text: String,
    },
    Inherit {
        table: ObjectName,
        parent: ObjectName,
        remove: bool,
    },
    AttachPartition {
        table: ObjectName,
        partition: ObjectName,
        bounds: Option<String>,
    },
    DetachPartition {
        table: ObjectName,
        partition: ObjectName,
        concurrently: bool,
        finalize: bool,
    },
    /// MySQL `ADD|DROP|TRUNCATE|EXCHANGE|… PARTITION`, `PARTITION BY`, `REMOVE PARTITIONING`.
    MysqlPartition {
        table: ObjectName,
        verb: String,
        text: String,
    },
    /// MySQL `CONVERT TO CHARACTER SET`.
    ConvertCharset {
        table: ObjectName,
        charset: String,
        collation: Option<String>,
    },
    /// MySQL `FORCE`, `ORDER BY`, `DISCARD|IMPORT TABLESPACE`, `ENABLE|DISABLE KEYS`.
    MysqlTableVerb {
        table: ObjectName,
        verb: String,
    },
    /// MySQL `ALGORITHM=`, `LOCK=`, MariaDB `WAIT n`: stands first among an ALTER's changes.
    Online {
        table: ObjectName,
        online: OnlineDdl,
    },

    // Columns
    AddColumn {
        table: ObjectName,
        column: ColumnDef,
        if_not_exists: bool,
        position: Option<ColumnPosition>,
    },
    DropColumn {
        table: ObjectName,
        column: Ident,
        if_exists: bool,
        cascade: bool,
    },
    RenameColumn {
        table: ObjectName,
        from: Ident,
        to: Ident,
    },
    AlterColumnType {
        table: ObjectName,
        column: Ident,
        ty: SqlType,
        collation: Option<String>,
        using: Option<Expr>,
    },
    /// MySQL `MODIFY` and `CHANGE`: the whole column stated anew (`from` = old name).
    ModifyColumn {
        table: ObjectName,
        from: Ident,
        column: ColumnDef,
        position: Option<ColumnPosition>,
    },
    SetNotNull {
        table: ObjectName,
        column: Ident,
    },
    DropNotNull {
        table: ObjectName,
        column: Ident,
    },
    SetDefault {
        table: ObjectName,
        column: Ident,
        default: Expr,
    },
    DropDefault {
        table: ObjectName,
        column: Ident,
    },
    /// `ADD GENERATED … AS IDENTITY`.
    AddIdentity {
        table: ObjectName,
        column: Ident,
        identity: Identity,
    },
    /// `SET GENERATED`, `RESTART` and other options of an identity.
    AlterIdentity {
        table: ObjectName,
        column: Ident,
        identity: Option<Identity>,
        text: String,
    },
    DropIdentity {
        table: ObjectName,
        column: Ident,
        if_exists: bool,
    },
    /// `SET EXPRESSION AS (…)` (PostgreSQL 17).
    SetExpression {
        table: ObjectName,
        column: Ident,
        expr: Expr,
    },
    DropExpression {
        table: ObjectName,
        column: Ident,
        if_exists: bool,
    },
    /// `SET STATISTICS`, `SET STORAGE`, `SET COMPRESSION`, `SET (n_distinct=…)`.
    SetColumnOption {
        table: ObjectName,
        column: Ident,
        option: String,
        value: String,
    },

    // Constraints
    AddConstraint {
        table: ObjectName,
        constraint: ConstraintDef,
        if_not_exists: bool,
    },
    DropConstraint {
        table: ObjectName,
        name: Ident,
        if_exists: bool,
        cascade: bool,
    },
    /// MySQL `DROP PRIMARY KEY`.
    DropPrimaryKey {
        table: ObjectName,
    },
    ValidateConstraint {
        table: ObjectName,
        name: Ident,
    },
    RenameConstraint {
        table: ObjectName,
        from: Ident,
        to: Ident,
    },
    /// `ALTER CONSTRAINT`, MySQL `ALTER CHECK … [NOT] ENFORCED`.
    AlterConstraint {
        table: ObjectName,
        name: Ident,
        text: String,
    },

    // Indexes
    CreateIndex {
        index: IndexDef,
        concurrently: bool,
        if_not_exists: bool,
    },
    /// `table` is given by MySQL.
    DropIndex {
        name: ObjectName,
        table: Option<ObjectName>,
        concurrently: bool,
        if_exists: bool,
        cascade: bool,
    },
    RenameIndex {
        table: Option<ObjectName>,
        from: ObjectName,
        to: Ident,
    },
    AttachIndex {
        index: ObjectName,
        partition_index: ObjectName,
    },
    AlterIndexOptions {
        index: ObjectName,
        table: Option<ObjectName>,
        text: String,
    },
    Reindex {
        target: ReindexTarget,
        concurrently: bool,
    },

    // Views
    CreateView {
        name: ObjectName,
        materialized: bool,
        or_replace: bool,
        if_not_exists: bool,
        temporary: bool,
        /// Output columns, where they are listed.
        columns: Vec<Ident>,
        query: Query,
        /// `WITH NO DATA`.
        no_data: bool,
        /// `WITH (security_barrier)`; `WITH CHECK OPTION` is `check_option` here as in the server. MySQL's
        /// `algorithm`, `definer`, `sql_security`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        options: Vec<(String, String)>,
    },
    DropView {
        name: ObjectName,
        materialized: bool,
        if_exists: bool,
        cascade: bool,
    },
    RenameView {
        from: ObjectName,
        to: ObjectName,
        materialized: bool,
    },
    RefreshMaterializedView {
        name: ObjectName,
        concurrently: bool,
        no_data: bool,
    },

    // Types
    CreateType {
        name: ObjectName,
        def: TypeDef,
    },
    AddEnumValue {
        name: ObjectName,
        value: String,
        if_not_exists: bool,
        before: Option<String>,
        after: Option<String>,
    },
    RenameEnumValue {
        name: ObjectName,
        from: String,
        to: String,
    },
    AlterCompositeType {
        name: ObjectName,
        text: String,
    },
    AlterDomain {
        name: ObjectName,
        action: DomainAction,
    },
    DropType {
        name: ObjectName,
        domain: bool,
        if_exists: bool,
        cascade: bool,
    },

    // Sequences
    CreateSequence {
        name: ObjectName,
        if_not_exists: bool,
        temporary: bool,
        text: String,
        owned_by: Option<(ObjectName, Ident)>,
    },
    AlterSequence {
        name: ObjectName,
        if_exists: bool,
        text: String,
        /// `RESTART`.
        restart: bool,
        owned_by: Option<(ObjectName, Ident)>,
    },
    DropSequence {
        name: ObjectName,
        if_exists: bool,
        cascade: bool,
    },

    // Routines and triggers
    CreateRoutine {
        def: RoutineDef,
        or_replace: bool,
        if_not_exists: bool,
        /// Changes found inside the body: what calling it would do.
        body_changes: Vec<Change>,
        /// Where each of these stands, as long as `body_changes`; empty where a catalog made it.
        #[serde(skip)]
        body_spans: Vec<Span>,
    },
    AlterRoutine {
        kind: RoutineKind,
        name: ObjectName,
        text: String,
    },
    DropRoutine {
        kind: RoutineKind,
        name: ObjectName,
        args: Option<Vec<String>>,
        if_exists: bool,
        cascade: bool,
    },
    CreateTrigger {
        def: TriggerDef,
        or_replace: bool,
        if_not_exists: bool,
    },
    DropTrigger {
        name: Ident,
        table: Option<ObjectName>,
        if_exists: bool,
        cascade: bool,
    },
    /// `ENABLE|DISABLE [REPLICA|ALWAYS] TRIGGER|RULE`; `None` = all or user.
    SetTriggerEnabled {
        table: ObjectName,
        trigger: Option<Ident>,
        enabled: bool,
    },

    // Other objects
    CreateSchema {
        name: Ident,
        if_not_exists: bool,
    },
    DropSchema {
        name: Ident,
        if_exists: bool,
        cascade: bool,
    },
    CreateDatabase {
        name: Ident,
        if_not_exists: bool,
    },
    DropDatabase {
        name: Ident,
        if_exists: bool,
    },
    CreateExtension {
        name: Ident,
        if_not_exists: bool,
    },
    DropExtension {
        name: Ident,
        if_exists: bool,
        cascade: bool,
    },
    CreatePolicy {
        name: Ident,
        table: ObjectName,
        text: String,
    },
    AlterPolicy {
        name: Ident,
        table: ObjectName,
        text: String,
    },
    DropPolicy {
        name: Ident,
        table: ObjectName,
        if_exists: bool,
    },
    /// `ENABLE|DISABLE|FORCE|NO FORCE ROW LEVEL SECURITY`.
    RowSecurity {
        table: ObjectName,
        enabled: Option<bool>,
        forced: Option<bool>,
    },
    Grant {
        privileges: Vec<String>,
        kind: ObjectKind,
        objects: Vec<ObjectName>,
        to: Vec<String>,
    },
    Revoke {
        privileges: Vec<String>,
        kind: ObjectKind,
        objects: Vec<ObjectName>,
        from: Vec<String>,
        cascade: bool,
    },
    SetOwner {
        kind: ObjectKind,
        name: ObjectName,
        owner: String,
    },
    /// `COMMENT ON`; for a column or constraint `table` holds the table and `name` the part.
    Comment {
        kind: ObjectKind,
        table: Option<ObjectName>,
        name: ObjectName,
        text: Option<String>,
    },
    /// Rename of any other object.
    Rename {
        kind: ObjectKind,
        table: Option<ObjectName>,
        from: ObjectName,
        to: Ident,
    },
    /// Created or altered object that the catalog does not model.
    CreateOther {
        kind: ObjectKind,
        verb: String,
        name: Option<ObjectName>,
        table: Option<ObjectName>,
        text: String,
    },
    AlterOther {
        kind: ObjectKind,
        name: Option<ObjectName>,
        table: Option<ObjectName>,
        text: String,
    },
    DropOther {
        kind: ObjectKind,
        name: ObjectName,
        table: Option<ObjectName>,
        if_exists: bool,
        cascade: bool,
    },

    // Data
    Insert {
        table: ObjectName,
        columns: Vec<Ident>,
        /// `INSERT … SELECT`.
        from_query: Option<Query>,
        conflict: InsertConflict,
    },
    Update {
        table: ObjectName,
        columns: Vec<Ident>,
        rows: RowFilter,
        query: Query,
    },
    Delete {
        table: ObjectName,
        rows: RowFilter,
        query: Query,
    },
    Merge {
        table: ObjectName,
        query: Query,
    },
    Truncate {
        tables: Vec<ObjectName>,
        cascade: bool,
        restart_identity: bool,
    },
    CopyFrom {
        table: ObjectName,
        program: bool,
    },
    Select {
        query: Query,
    },
    /// `setval(…)` found in a query: moves a sequence.
    SetSequenceValue {
        sequence: String,
    },

    // Session and maintenance
    Transaction {
        control: TransactionControl,
    },
    /// `SET [LOCAL] x = v`, `SET x TO v`, `RESET x`, `PRAGMA x = v`; name in lower case.
    SetVariable {
        name: String,
        value: String,
        local: bool,
    },
    LockTable {
        tables: Vec<ObjectName>,
        mode: String,
    },
    Vacuum {
        tables: Vec<ObjectName>,
        full: bool,
    },
    Cluster {
        table: Option<ObjectName>,
    },
    Analyze {
        tables: Vec<ObjectName>,
    },
    /// MySQL `OPTIMIZE TABLE`, `REPAIR TABLE`.
    OptimizeTable {
        tables: Vec<ObjectName>,
    },
    /// `DO $$ … $$`, MySQL anonymous blocks: what could be read inside.
    Do {
        body: Vec<Change>,
        /// Where each of these stands, as long as `body`.
        #[serde(skip)]
        body_spans: Vec<Span>,
        body_text: String,
    },
    /// Dynamic SQL (`EXECUTE`, `format`) whose text could be resolved. Where only a name in it is
    /// not known, the changes hold a placeholder `{{name}}` in its place and a
    /// [`Change::DynamicUnknown`] follows.
    Dynamic {
        changes: Vec<Change>,
        /// Where each of these stands, as long as `changes`.
        #[serde(skip)]
        change_spans: Vec<Span>,
        text: String,
    },
    /// Dynamic SQL that could not be resolved.
    DynamicUnknown {
        text: String,
    },
    Call {
        name: ObjectName,
    },
    /// A meta-command of the client: psql `\i`, MySQL `SOURCE`, `USE`.
    ClientCommand {
        text: String,
    },
    /// Understood as a statement that changes neither schema nor data.
    NoEffect {
        verb: String,
    },
}

impl Change {
    /// `INSERT`, `UPDATE`, `DELETE`, `MERGE`: works on rows one by one, so that row triggers fire.
    #[must_use]
    pub fn is_dml(&self) -> bool {
        matches!(
            self,
            Self::Insert { .. } | Self::Update { .. } | Self::Delete { .. } | Self::Merge { .. }
        )
    }
}

/// What `INSERT` does with a row that is already there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InsertConflict {
    /// Fails.
    #[default]
    Fail,
    /// `INSERT IGNORE`, `ON CONFLICT DO NOTHING`, `INSERT OR IGNORE`.
    Ignore,
    /// `ON CONFLICT DO UPDATE`, `ON DUPLICATE KEY UPDATE`.
    Update,
    /// `REPLACE INTO`, `INSERT OR REPLACE`.
    Replace,
}

/// `ALTER DOMAIN`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum DomainAction {
    SetNotNull,
    DropNotNull,
    SetDefault(Expr),
    DropDefault,
    AddConstraint(ConstraintDef),
    DropConstraint { name: Ident, if_exists: bool },
    ValidateConstraint(Ident),
    Other(String),
}

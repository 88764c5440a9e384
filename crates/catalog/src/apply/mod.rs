//! A change applied to a catalog, as the server would apply it.
//!
//! [`Applier`] holds what one change needs: the catalog, since when, and what the server would
//! have said. One file a topic; nothing here walks over the whole catalog.

mod column;
mod column_type;
mod constraint;
mod copy;
mod data;
mod dependents;
mod drop_column;
mod drop_constraint;
mod follow_trigger;
mod foreign_key;
mod generated;
mod index;
mod known;
mod mysql;
pub(crate) mod names;
mod other;
mod rename;
mod routine;
mod sequence;
mod table;
mod trigger;
mod types;
mod view;

pub(crate) use column_type::{default_storage, has_assignment_cast, plain_type};
pub(crate) use copy::is_key;
pub use copy::{column_def, constraint_def, index_def};
pub use follow_trigger::TriggerMention;
pub use generated::serial_base;
pub(crate) use generated::{owned_sequence_text, serial_name};
pub(crate) use sequence::{restoring_options, sequence_options_differ};

use downhaul_syntax::{Change, Dialect, Ident, ObjectName, Parsed, Script};
use serde::{Deserialize, Serialize};

use crate::{Catalog, Origin, Table};

/// Why a change cannot run against a catalog: the server would refuse it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "problem", rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Problem {
    /// The object does not exist.
    Missing { kind: String, name: String },
    /// The object exists already.
    Exists { kind: String, name: String },
    /// Another object depends on it (without CASCADE).
    DependsOn { name: String, dependents: Vec<String> },
    /// Anything else, as the server would say it.
    Refused { reason: String },
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing { kind, name } => write!(f, "{kind} {name} does not exist"),
            Self::Exists { kind, name } => write!(f, "{kind} {name} exists already"),
            Self::DependsOn { name, dependents } => {
                write!(f, "{} depends on {name}", dependents.join(", "))
            }
            Self::Refused { reason } => f.write_str(reason),
        }
    }
}

/// A problem of a script, with where it arose.
pub type ScriptProblem = (usize, usize, Problem);

impl Catalog {
    /// Applies a change as the server would, `origin` being when it happens. Returns why the
    /// server would refuse it; the catalog then takes what sense it can of the change, so that one
    /// bad statement does not spoil the judgement of the next.
    pub fn apply(&mut self, change: &Change, origin: Origin) -> Vec<Problem> {
        self.refresh_lookup();
        self.begin_session(origin);
        let mut applier = Applier { catalog: self, origin, problems: Vec::new(), muted: 0 };
        applier.change(change);
        let problems = applier.problems;
        self.lookup_is_true();
        problems
    }

    /// Applies all statements of a script in order. Each problem comes with the index of its
    /// statement and of the change within that statement. A statement that could not be parsed
    /// leaves the catalog uncertain.
    pub fn apply_script(&mut self, script: &Script, origin: Origin) -> Vec<ScriptProblem> {
        let mut out = Vec::new();
        for (at, statement) in script.statements.iter().enumerate() {
            match &statement.parsed {
                Parsed::Changes(changes) => {
                    let order = self.begin_statement(changes, &statement.text);
                    for (index, problem) in self.in_order(changes, order, origin) {
                        out.push((at, index, problem));
                    }
                }
                Parsed::Unparsed(_) => self.uncertain = true,
            }
        }
        out
    }

    /// Applies the changes of one statement. PostgreSQL runs the actions of one `ALTER TABLE` in
    /// passes (drops first, then types, columns, constraints), whatever their order in the text.
    pub fn apply_statement(&mut self, changes: &[Change], origin: Origin) -> Vec<(usize, Problem)> {
        let order = self.begin_statement(changes, "");
        self.in_order(changes, order, origin)
    }

    fn in_order(
        &mut self,
        changes: &[Change],
        order: Vec<usize>,
        origin: Origin,
    ) -> Vec<(usize, Problem)> {
        let mut out = Vec::new();
        for index in order {
            out.extend(self.apply(&changes[index], origin).into_iter().map(|p| (index, p)));
        }
        self.end_statement();
        out.sort_by_key(|(index, _)| *index);
        out
    }

    /// The order in which [`Self::apply_statement`] applies the changes of one statement.
    #[must_use]
    pub fn statement_order(&self, changes: &[Change]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..changes.len()).collect();
        if changes.len() > 1
            && self.dialect == Dialect::Postgres
            && changes.iter().all(|c| alter_table_pass(c).is_some())
        {
            order.sort_by_key(|i| alter_table_pass(&changes[*i]));
        }
        // The actions of MySQL's `ALTER TABLE` speak of the table as it was: a key may be dropped
        // beside its column, and `a RENAME TO b, …` says `a` throughout.
        if changes.len() > 1 && self.dialect.is_mysql_family() {
            order.sort_by_key(|i| match changes[*i] {
                Change::DropIndex { table: Some(_), .. } | Change::DropConstraint { .. } => 0,
                Change::RenameTable { .. } => 2,
                _ => 1,
            });
        }
        order
    }

    /// Says that the changes of a statement follow, for those who apply them one by one: what
    /// [`Self::apply_statement`] does before the first. Returns the order to apply them in.
    #[must_use]
    pub fn begin_statement(&mut self, changes: &[Change], text: &str) -> Vec<usize> {
        self.lookup.together.clear();
        self.lookup.only = self.dialect == Dialect::Postgres && alters_only(text);
        let mysql = self.dialect.is_mysql_family();
        self.lookup.temporary_only = mysql && drops_temporary(text);
        self.lookup.keys_to_come.clear();
        self.lookup.renamed_away.clear();
        self.lookup.made_room.clear();
        if mysql && changes.len() > 1 {
            self.lookup.keys_to_come.extend(changes.iter().filter_map(mysql::key_of));
            let renamed = changes.iter().filter_map(|change| match change {
                Change::RenameColumn { table, from, to } if from != to => Some((table, from)),
                Change::ModifyColumn { table, from, column, .. } if *from != column.name => {
                    Some((table, from))
                }
                _ => None,
            });
            let away: Vec<_> = renamed.map(|(t, from)| (self.normalize(t), from.clone())).collect();
            self.lookup.renamed_away = away;
        }
        self.drop_together(changes);
        self.statement_order(changes)
    }

    /// Says that all changes of a statement were applied.
    pub fn end_statement(&mut self) {
        self.lookup.together.clear();
        self.lookup.only = false;
        self.lookup.temporary_only = false;
        self.lookup.keys_to_come.clear();
        self.lookup.renamed_away.clear();
        self.lookup.made_room.clear();
    }

    /// Notes what `DROP … a, b` drops at once (PostgreSQL, `performMultipleDeletions`).
    fn drop_together(&mut self, changes: &[Change]) {
        if changes.len() < 2 || self.dialect.is_mysql_family() {
            return;
        }
        for change in changes {
            let name = match change {
                Change::DropTable { name, .. }
                | Change::DropView { name, .. }
                | Change::DropSequence { name, .. }
                | Change::DropType { name, .. } => self.normalize(name),
                Change::DropIndex { name, .. } => self.normalize(name),
                _ => continue,
            };
            if self.has_relation(&name) || self.types.contains_key(&name) {
                self.lookup.together.push(name);
            }
        }
    }

    /// A session ends with its migration: what it set does not reach the next one.
    fn begin_session(&mut self, origin: Origin) {
        if self.lookup.session_of != Some(origin) {
            self.lookup.session_of = Some(origin);
            self.lookup.search_path.clear();
            self.lookup.local_path = None;
            self.lookup.foreign_key_checks_off = false;
        }
    }
}

/// Whether the text is an `ALTER TABLE [IF EXISTS] ONLY`.
fn alters_only(text: &str) -> bool {
    let mut words = text.split_ascii_whitespace();
    let mut is = |word: &str| words.next().is_some_and(|w| w.eq_ignore_ascii_case(word));
    is("ALTER")
        && is("TABLE")
        && words
            .find(|w| !w.eq_ignore_ascii_case("if") && !w.eq_ignore_ascii_case("exists"))
            .is_some_and(|w| w.eq_ignore_ascii_case("only"))
}

fn drops_temporary(text: &str) -> bool {
    let mut words = text.split_ascii_whitespace();
    let mut is = |word: &str| words.next().is_some_and(|w| w.eq_ignore_ascii_case(word));
    is("DROP") && is("TEMPORARY")
}

/// The pass in which PostgreSQL runs an action of `ALTER TABLE` (tablecmds.c, `AlterTablePass`).
fn alter_table_pass(change: &Change) -> Option<u8> {
    use downhaul_syntax::ConstraintKind as K;
    Some(match change {
        Change::DropColumn { .. }
        | Change::DropConstraint { .. }
        | Change::DropNotNull { .. }
        | Change::DropDefault { .. }
        | Change::DropIdentity { .. }
        | Change::DropExpression { .. } => 0,
        Change::AlterColumnType { .. } => 1,
        Change::AddColumn { .. } | Change::SetExpression { .. } => 2,
        Change::AlterIdentity { .. }
        | Change::SetNotNull { .. }
        | Change::SetColumnOption { .. } => 3,
        Change::SetDefault { .. } | Change::AddIdentity { .. } => 6,
        Change::AddConstraint { constraint, .. } => match constraint.kind {
            K::PrimaryKey { .. } | K::Unique { .. } | K::Exclude { .. } => 5,
            _ => 6,
        },
        Change::ValidateConstraint { .. }
        | Change::AlterConstraint { .. }
        | Change::SetTriggerEnabled { .. }
        | Change::RowSecurity { .. }
        | Change::SetTableOptions { .. }
        | Change::SetLogged { .. }
        | Change::ReplicaIdentity { .. }
        | Change::Inherit { .. }
        | Change::SetOwner { .. } => 7,
        _ => return None,
    })
}

/// One change on its way into a catalog.
pub(super) struct Applier<'c> {
    pub(super) catalog: &'c mut Catalog,
    pub(super) origin: Origin,
    pub(super) problems: Vec<Problem>,
    /// Depth of code that may or may not run: nothing is reported from it.
    pub(super) muted: u32,
}

impl Applier<'_> {
    pub(super) fn dialect(&self) -> Dialect {
        self.catalog.dialect
    }

    pub(super) fn is_postgres(&self) -> bool {
        self.catalog.dialect == Dialect::Postgres
    }

    pub(super) fn is_mysql(&self) -> bool {
        self.catalog.dialect.is_mysql_family()
    }

    pub(super) fn is_sqlite(&self) -> bool {
        self.catalog.dialect == Dialect::Sqlite
    }

    fn quiet(&self) -> bool {
        self.muted > 0 || self.catalog.uncertain
    }

    pub(super) fn missing(&mut self, kind: &str, name: &ObjectName) {
        if self.is_maybe(name)
            || known::is_provided(self.catalog, name)
            || self.catalog.lookup.together.contains(name)
        {
            return;
        }
        self.problem(Problem::Missing { kind: kind.into(), name: name.to_string() });
    }

    /// A part of a table (column, constraint, trigger …) is missing.
    pub(super) fn missing_part(&mut self, kind: &str, table: &ObjectName, part: &Ident) {
        if self.is_maybe(table) || self.catalog.tables.get(table).is_some_and(|t| t.columns_unknown)
        {
            return;
        }
        self.problem(Problem::Missing { kind: kind.into(), name: format!("{table}.{part}") });
    }

    pub(super) fn exists(&mut self, kind: &str, name: &ObjectName) {
        if !self.is_maybe(name) {
            self.problem(Problem::Exists { kind: kind.into(), name: name.to_string() });
        }
    }

    pub(super) fn exists_part(&mut self, kind: &str, table: &ObjectName, part: &Ident) {
        if !self.is_maybe(table) {
            self.problem(Problem::Exists { kind: kind.into(), name: format!("{table}.{part}") });
        }
    }

    pub(super) fn depends(&mut self, name: String, dependents: Vec<String>) {
        if !dependents.is_empty() {
            self.problem(Problem::DependsOn { name, dependents });
        }
    }

    pub(super) fn refuse(&mut self, reason: impl Into<String>) {
        self.problem(Problem::Refused { reason: reason.into() });
    }

    fn problem(&mut self, problem: Problem) {
        if !self.quiet() && !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn is_maybe(&self, name: &ObjectName) -> bool {
        !self.catalog.lookup.maybe.is_empty() && self.catalog.lookup.maybe.contains_key(name)
    }

    /// Notes that what this object is now depends on a condition that cannot be known.
    fn note_maybe(&mut self, name: &ObjectName) {
        if self.muted > 0 {
            self.catalog.lookup.maybe.insert(name.clone(), ());
        }
    }

    /// The normalised name of a table that a statement alters. Where it is not known, that is
    /// reported once, and the table is taken to exist from then on. `None` where the name is that
    /// of a view or another relation, or of a system table.
    pub(super) fn altered_table(&mut self, name: &ObjectName) -> Option<ObjectName> {
        let name = self.catalog.normalize(name);
        self.note_maybe(&name);
        if self.catalog.tables.contains_key(&name) {
            return Some(name);
        }
        if self.catalog.has_relation(&name) || known::is_system(self.catalog.dialect, &name) {
            return None;
        }
        self.missing("table", &name);
        self.assume_table(&name);
        Some(name)
    }

    fn assume_table(&mut self, name: &ObjectName) {
        let mut table = Table::new(name.clone(), Origin::Baseline);
        table.columns_unknown = true;
        table.assumed = true;
        self.catalog.tables.insert(name.clone(), table);
    }

    /// The table of a normalised name.
    pub(super) fn table(&mut self, name: &ObjectName) -> Option<&mut Table> {
        self.catalog.tables.get_mut(name)
    }

    /// The table and whether it has the column; a missing column is reported.
    pub(super) fn altered_column(
        &mut self,
        table: &ObjectName,
        column: &Ident,
    ) -> Option<ObjectName> {
        let name = self.altered_table(table)?;
        let found = self.catalog.tables.get(&name).is_some_and(|t| t.column(column).is_some());
        if !found {
            self.missing_part("column", &name, column);
            return None;
        }
        Some(name)
    }

    /// Applies changes that run under a condition: without a word about what fails.
    pub(super) fn conditionally(&mut self, changes: &[Change]) {
        self.muted += 1;
        for change in changes {
            self.change(change);
        }
        self.muted -= 1;
    }

    #[allow(clippy::too_many_lines, reason = "one arm a change: the table of contents of apply")]
    pub(super) fn change(&mut self, change: &Change) {
        use Change as C;
        match change {
            C::CreateTable { def, if_not_exists } => self.create_table(def, *if_not_exists),
            C::DropTable { name, if_exists, cascade } => {
                self.drop_table(name, *if_exists, *cascade);
            }
            C::RenameTable { from, to } => self.rename_table(from, to),
            C::SetSchema { kind, name, schema } => self.set_schema(*kind, name, schema),
            C::SetTableOptions { table, options } => self.set_table_options(table, options),
            C::SetLogged { table, logged } => self.alter(table, |t| t.unlogged = !logged),
            C::SetTablespace { kind, name, tablespace } => {
                self.set_tablespace(*kind, name, tablespace);
            }
            C::SetAccessMethod { table, method } => self.alter(table, |t| {
                t.options.insert("access method".into(), method.clone());
            }),
            C::ReplicaIdentity { table, text } => self.replica_identity(table, text),
            C::Inherit { table, parent, remove } => self.inherit(table, parent, *remove),
            C::AttachPartition { table, partition, bounds } => {
                self.attach_partition(table, partition, bounds.as_deref());
            }
            C::DetachPartition { table, partition, .. } => self.detach_partition(table, partition),
            C::MysqlPartition { table, verb, text } => self.mysql_partition(table, verb, text),
            C::ConvertCharset { table, charset, collation } => {
                self.convert_charset(table, charset, collation.as_deref());
            }
            C::MysqlTableVerb { table, .. } | C::Online { table, .. } => {
                self.altered_table(table);
            }

            C::AddColumn { table, column, if_not_exists, position } => {
                self.add_column(table, column, *if_not_exists, position.as_ref());
            }
            C::DropColumn { table, column, if_exists, cascade } => {
                self.drop_column(table, column, *if_exists, *cascade);
            }
            C::RenameColumn { table, from, to } => self.rename_column(table, from, to),
            C::AlterColumnType { table, column, ty, collation, using } => {
                self.alter_column_type(table, column, ty, collation.as_deref(), using.is_some());
            }
            C::ModifyColumn { table, from, column, position } => {
                self.modify_column(table, from, column, position.as_ref());
            }
            C::SetNotNull { table, column } => self.set_not_null(table, column),
            C::DropNotNull { table, column } => self.drop_not_null(table, column),
            C::SetDefault { table, column, default } => {
                self.set_default(table, column, Some(default));
            }
            C::DropDefault { table, column } => self.set_default(table, column, None),
            C::AddIdentity { table, column, identity } => {
                self.add_identity(table, column, *identity);
            }
            C::AlterIdentity { table, column, identity, .. } => {
                self.alter_identity(table, column, *identity);
            }
            C::DropIdentity { table, column, if_exists } => {
                self.drop_identity(table, column, *if_exists);
            }
            C::SetExpression { table, column, expr } => self.set_expression(table, column, expr),
            C::DropExpression { table, column, if_exists } => {
                self.drop_expression(table, column, *if_exists);
            }
            C::SetColumnOption { table, column, option, value } => {
                self.set_column_option(table, column, option, value);
            }

            C::AddConstraint { table, constraint, if_not_exists } => {
                self.add_constraint(table, constraint, *if_not_exists);
            }
            C::DropConstraint { table, name, if_exists, cascade } => {
                self.drop_constraint(table, name, *if_exists, *cascade);
            }
            C::DropPrimaryKey { table } => self.drop_primary_key(table),
            C::ValidateConstraint { table, name } => self.validate_constraint(table, name),
            C::RenameConstraint { table, from, to } => self.rename_constraint(table, from, to),
            C::AlterConstraint { table, name, text } => self.alter_constraint(table, name, text),

            C::CreateIndex { index, if_not_exists, .. } => self.create_index(index, *if_not_exists),
            C::DropIndex { name, table, if_exists, cascade, .. } => {
                self.drop_index(name, table.as_ref(), *if_exists, *cascade);
            }
            C::RenameIndex { table, from, to } => self.rename_index(table.as_ref(), from, to),
            C::AttachIndex { index, .. } => self.attach_index(index),
            C::AlterIndexOptions { index, table, text } => {
                self.alter_index_options(index, table.as_ref(), text);
            }
            C::Reindex { target, .. } => self.reindex(target),

            C::CreateView { .. } => self.create_view(change),
            C::DropView { name, materialized, if_exists, cascade } => {
                self.drop_view(name, *materialized, *if_exists, *cascade);
            }
            C::RenameView { from, to, .. } => self.rename_view(from, to),
            C::RefreshMaterializedView { name, no_data, .. } => self.refresh_view(name, *no_data),

            C::CreateType { name, def } => self.create_type(name, def),
            C::AddEnumValue { name, value, if_not_exists, before, after } => {
                self.add_enum_value(
                    name,
                    value,
                    *if_not_exists,
                    before.as_deref(),
                    after.as_deref(),
                );
            }
            C::RenameEnumValue { name, from, to } => self.rename_enum_value(name, from, to),
            C::AlterCompositeType { name, text } => self.alter_composite_type(name, text),
            C::AlterDomain { name, action } => self.alter_domain(name, action),
            C::DropType { name, if_exists, cascade, domain } => {
                self.drop_type(name, *domain, *if_exists, *cascade);
            }

            C::CreateSequence { name, if_not_exists, text, owned_by, .. } => {
                self.create_sequence(name, *if_not_exists, text, owned_by.as_ref());
            }
            C::AlterSequence { name, if_exists, text, owned_by, .. } => {
                self.alter_sequence(name, *if_exists, text, owned_by.as_ref());
            }
            C::DropSequence { name, if_exists, cascade } => {
                self.drop_sequence(name, *if_exists, *cascade);
            }

            C::CreateRoutine { def, or_replace, if_not_exists, body_changes, .. } => {
                self.create_routine(def, *or_replace, *if_not_exists, body_changes);
            }
            C::AlterRoutine { name, text, .. } => self.alter_routine(name, text),
            C::DropRoutine { kind, name, args, if_exists, cascade } => {
                self.drop_routine(*kind, name, args.as_deref(), *if_exists, *cascade);
            }
            C::CreateTrigger { def, or_replace, if_not_exists } => {
                self.create_trigger(def, *or_replace, *if_not_exists);
            }
            C::DropTrigger { name, table, if_exists, .. } => {
                self.drop_trigger(name, table.as_ref(), *if_exists);
            }
            C::SetTriggerEnabled { table, trigger, enabled } => {
                self.set_trigger_enabled(table, trigger.as_ref(), *enabled);
            }

            C::CreateSchema { name, if_not_exists } | C::CreateDatabase { name, if_not_exists } => {
                self.create_schema(name, *if_not_exists, matches!(change, C::CreateSchema { .. }));
            }
            C::DropSchema { name, if_exists, cascade } => {
                self.drop_schema(name, *if_exists, *cascade);
            }
            C::DropDatabase { name, .. } => self.drop_database(name),
            C::CreateExtension { name, if_not_exists } => {
                self.create_extension(name, *if_not_exists);
            }
            C::DropExtension { name, if_exists, .. } => self.drop_extension(name, *if_exists),
            C::CreatePolicy { name, table, text } => self.create_policy(name, table, text),
            C::AlterPolicy { name, table, text } => self.alter_policy(name, table, text),
            C::DropPolicy { name, table, if_exists } => self.drop_policy(name, table, *if_exists),
            C::RowSecurity { table, enabled, forced } => self.alter(table, |t| {
                t.row_security = enabled.unwrap_or(t.row_security);
                t.row_security_forced = forced.unwrap_or(t.row_security_forced);
            }),
            C::Grant { privileges, kind, objects, to } => {
                self.grant(privileges, *kind, objects, to);
            }
            C::Revoke { privileges, kind, objects, from, .. } => {
                self.revoke(privileges, *kind, objects, from);
            }
            C::SetOwner { kind, name, owner } => self.set_owner(*kind, name, owner),
            C::Comment { kind, table, name, text } => {
                self.comment(*kind, table.as_ref(), name, text.as_deref());
            }
            C::Rename { kind, table, from, to } => self.rename(*kind, table.as_ref(), from, to),
            C::CreateOther { kind, name, table, text, .. } => {
                self.create_other(*kind, name.as_ref(), table.as_ref(), text);
            }
            C::AlterOther { kind, name, table, text } => {
                self.alter_other(*kind, name.as_ref(), table.as_ref(), text);
            }
            C::DropOther { kind, name, table, .. } => {
                self.drop_other(*kind, name, table.as_ref());
            }

            C::Insert { table, columns, from_query, .. } => {
                self.reads_columns(table, columns);
                if let Some(query) = from_query {
                    self.reads(query);
                }
            }
            C::Update { table, columns, query, .. } => {
                self.reads_columns(table, columns);
                self.reads(query);
            }
            C::Delete { table, query, .. } | C::Merge { table, query } => {
                self.reads_columns(table, &[]);
                self.reads(query);
            }
            C::Truncate { tables, cascade, .. } => self.truncate(tables, *cascade),
            C::CopyFrom { table, .. } => self.reads_columns(table, &[]),
            C::Select { query } => {
                self.reads(query);
                self.call_functions(&query.functions);
            }
            C::LockTable { tables, .. }
            | C::Vacuum { tables, .. }
            | C::Analyze { tables }
            | C::OptimizeTable { tables } => {
                for table in tables {
                    self.reads_columns(table, &[]);
                }
            }
            C::Cluster { table } => {
                if let Some(table) = table {
                    self.reads_columns(table, &[]);
                }
            }

            C::Transaction { control } => self.transaction(control),
            C::SetVariable { name, value, local } => self.set_variable(name, value, *local),
            // What a placeholder stands for is not known: nothing can be said of such objects.
            C::Dynamic { text, .. } if text.contains("{{") => {}
            C::Do { body, .. } | C::Dynamic { changes: body, .. } => self.conditionally(body),
            C::DynamicUnknown { .. } => self.catalog.uncertain = true,
            C::Call { name } => self.call(name),
            C::ClientCommand { text } => self.client_command(text),
            C::SetSequenceValue { .. } | C::NoEffect { .. } => {}
        }
    }

    /// A simple change of a table's own attributes.
    pub(super) fn alter(&mut self, table: &ObjectName, change: impl FnOnce(&mut Table)) {
        if let Some(name) = self.altered_table(table)
            && let Some(table) = self.table(&name)
        {
            change(table);
        }
    }
}

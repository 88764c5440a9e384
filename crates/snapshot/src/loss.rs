//! What a migration destroys, read from its statements. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::added::Filled;
use crate::sql;
use downhaul_syntax::query::{QueryStatement, SetBody, Source};
use downhaul_syntax::{
    Change, Dialect, Ident, ObjectName, Parsed, Span, Statement, change::InsertConflict,
    parse_query,
};

/// What one table, under the name it has before the migration, loses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableLoss {
    /// `DROP TABLE`.
    pub dropped: bool,
    /// `TRUNCATE`.
    pub truncated: bool,
    /// Columns dropped, under their names before the migration.
    pub columns: BTreeSet<Ident>,
    /// Dropped columns that follow from others of their row, each with the expression: only values
    /// that differ from it are kept.
    pub follows: BTreeMap<Ident, String>,
    /// Dropped columns that come again as the migration that is taken back made them.
    pub added: BTreeMap<Ident, Filled>,
    /// Columns whose type changes.
    pub retyped: BTreeSet<Ident>,
    /// Those of them of which any value may become another one. Of the rest only a NULL can: the column is made
    /// `NOT NULL` in place, and `sql_mode` may let the server put something in its place.
    pub converted: BTreeSet<Ident>,
    /// Rows are updated, deleted or overwritten.
    pub rows: bool,
    /// Columns that an UPDATE assigns, under their names before the migration.
    pub assigned: BTreeSet<Ident>,
    /// Keys change through a foreign key's ON UPDATE action.
    pub keys_follow: bool,
    /// Rows are deleted, or keys change: foreign keys may act on other tables.
    pub acts_on_others: bool,
    /// The table is altered or renamed in the same migration.
    pub altered: bool,
    /// Columns renamed: name before → name after.
    pub renamed_columns: BTreeMap<Ident, Ident>,
    /// Name after the migration, where it was renamed.
    pub renamed_to: Option<ObjectName>,
}

impl TableLoss {
    /// A column as it is kept: NULL where it follows from others.
    pub(crate) fn kept_value(&self, column: &Ident, ty: &str, dialect: Dialect) -> String {
        let quoted = dialect.quote(column);
        let Some(expr) = self.follows.get(column) else { return quoted };
        let differs = sql::is_another(dialect, &quoted, &format!("({expr})"), ty);
        format!("(CASE WHEN {differs} THEN {quoted} END)")
    }

    /// Other tables that the expressions of columns look values up in, each with its alias.
    pub(crate) fn read_elsewhere(&self, dialect: Dialect) -> Vec<(ObjectName, Ident)> {
        let mut found: Vec<(ObjectName, Ident)> = Vec::new();
        for expr in self.follows.values() {
            let Ok(QueryStatement::Select(mut select)) = parse_query(expr, dialect) else {
                continue;
            };
            while let SetBody::Nested(inner) = select.body {
                select = *inner;
            }
            let SetBody::Core(core) = select.body else { continue };
            for source in &core.from {
                let Source::Table { name, alias, .. } = source else { continue };
                let mut table = ObjectName::bare(name.name().clone());
                if let [.., schema, _] = name.parts.as_slice() {
                    table.schema = Some(schema.clone());
                }
                let alias = alias.clone().unwrap_or_else(|| table.name.clone());
                if found.iter().all(|(_, other)| *other != alias) {
                    found.push((table, alias));
                }
            }
        }
        found
    }

    /// The columns of which only a NULL can become something else, where nothing besides is lost.
    pub(crate) fn only_nulls(&self) -> Option<&BTreeSet<Ident>> {
        let more = self.dropped || self.truncated || self.rows || !self.columns.is_empty();
        (!more && self.converted.is_empty() && !self.retyped.is_empty()).then_some(&self.retyped)
    }

    /// Whether anything is lost (an alteration alone loses nothing).
    #[must_use]
    pub fn destroys(&self) -> bool {
        self.dropped
            || self.truncated
            || self.rows
            || !self.columns.is_empty()
            || !self.retyped.is_empty()
    }
}

/// What a whole migration destroys.
#[derive(Clone, Debug, Default)]
pub struct Losses {
    /// By the table's name before the migration.
    pub tables: BTreeMap<ObjectName, TableLoss>,
    /// `TRUNCATE … CASCADE`: what references these goes too.
    pub truncate_cascade: Vec<ObjectName>,
    /// `DROP SCHEMA … CASCADE`.
    pub schemas: Vec<Ident>,
    /// Statements whose effects could not be read.
    pub unreadable: Vec<Span>,
    /// Tables or views of before the migration that rows are added to: their triggers may change
    /// others.
    pub inserts: BTreeSet<ObjectName>,
    /// A trigger that the migration makes may fire in it: rows are written behind it.
    pub own_triggers_fire: bool,
    /// Tables whose rows the migration may lose for good, as its file says.
    pub given_up: Vec<ObjectName>,
    /// All tables are given up.
    pub all_given_up: bool,
    /// `INSERT OR REPLACE` and `REPLACE INTO` occur (SQLite then hides deletes from triggers).
    pub replaces: bool,
    /// Something of the schema goes, or becomes something else, that holds no data: an index, a view,
    /// a default.
    unmakes: bool,
    /// Something gets another name.
    renames: bool,
}

impl Losses {
    /// Whether a restore point is needed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.tables.values().any(TableLoss::destroys)
            && self.schemas.is_empty()
            && self.truncate_cascade.is_empty()
    }

    /// Whether the way back may forget a part of the schema that holds no data. What was renamed cannot
    /// be told from what went and what came.
    #[must_use]
    pub fn unmakes(&self) -> bool {
        self.unmakes && !self.renames && !self.all_given_up && self.unreadable.is_empty()
    }

    /// Rows of these tables are to be kept whatever the statements say: a function may change them.
    pub fn keep(&mut self, tables: &[ObjectName]) {
        for table in tables {
            let loss = self.tables.entry(table.clone()).or_default();
            loss.rows = true;
            loss.acts_on_others = true;
        }
    }

    /// A dropped column follows from others of its row.
    pub fn follows(&mut self, table: &ObjectName, column: &Ident, expr: &str) {
        let found = self.tables.get_mut(table);
        if let Some(loss) = found.filter(|loss| loss.columns.contains(column)) {
            loss.follows.insert(column.clone(), expr.to_owned());
        }
    }

    /// A dropped column comes again with the same value in each row.
    pub fn added(&mut self, table: &ObjectName, column: &Ident, filled: &Filled) {
        let found = self.tables.get_mut(table);
        if let Some(loss) = found.filter(|loss| loss.columns.contains(column)) {
            loss.added.insert(column.clone(), filled.clone());
        }
    }

    /// Nothing of these tables is to be kept; of none at all where no table is named.
    pub fn give_up(&mut self, tables: &[ObjectName]) {
        if tables.is_empty() {
            *self = Self {
                replaces: self.replaces,
                given_up: self.given_up.clone(),
                ..Self::default()
            };
            self.all_given_up = true;
        }
        self.tables.retain(|name, _| !tables.contains(name));
        self.truncate_cascade.retain(|name| !tables.contains(name));
        self.given_up.extend(tables.iter().cloned());
    }
}

/// Follows names through a migration, so that losses are told by the names before it.
struct Tracker {
    dialect: Dialect,
    losses: Losses,
    /// Current name → name before; `None` = made by this migration.
    tables: BTreeMap<ObjectName, Option<ObjectName>>,
    /// (Current table, current column) → column before; `None` = made by this migration.
    columns: BTreeMap<(ObjectName, Ident), Option<Ident>>,
    /// A trigger was made. By itself it changes no row.
    made_trigger: bool,
    /// The statement asks for an algorithm by which the server changes no value (MySQL, MariaDB).
    in_place: bool,
}

/// How names in the midst of a migration relate to those before and after it.
pub struct Names {
    past: Tracker,
    future: Losses,
}

impl Names {
    /// The names that hold before statement `index`.
    #[must_use]
    pub fn before(statements: &[Statement], index: usize, dialect: Dialect) -> Self {
        let mut past = Tracker::new(dialect);
        past.statements(&statements[..index]);
        Self { past, future: losses(&statements[index..], dialect) }
    }

    /// The table's name before the migration; `None` where the migration made it.
    #[must_use]
    pub fn table_was(&self, table: &ObjectName) -> Option<ObjectName> {
        let name = self.past.name(table);
        self.past.tables.get(&name).cloned().unwrap_or(Some(name))
    }

    /// The column's name before the migration; `None` where the migration made it.
    #[must_use]
    pub fn column_was(&self, table: &ObjectName, column: &Ident) -> Option<Ident> {
        self.past.column_before(table, column)
    }

    /// The table's name after the migration; `None` where it is dropped.
    #[must_use]
    pub fn table_will_be(&self, table: &ObjectName) -> Option<ObjectName> {
        match self.future.tables.get(&self.past.name(table)) {
            Some(loss) if loss.dropped => None,
            Some(loss) => Some(loss.renamed_to.clone().unwrap_or_else(|| table.clone())),
            None => Some(table.clone()),
        }
    }

    /// The column's name after the migration; `None` where it is dropped.
    #[must_use]
    pub fn column_will_be(&self, table: &ObjectName, column: &Ident) -> Option<Ident> {
        match self.future.tables.get(&self.past.name(table)) {
            Some(loss) if loss.dropped || loss.columns.contains(column) => None,
            Some(loss) => Some(loss.renamed_columns.get(column).unwrap_or(column).clone()),
            None => Some(column.clone()),
        }
    }
}

/// What these statements destroy.
#[must_use]
pub fn losses<'a>(statements: impl IntoIterator<Item = &'a Statement>, dialect: Dialect) -> Losses {
    let mut tracker = Tracker::new(dialect);
    tracker.statements(statements);
    tracker.losses
}

impl Tracker {
    fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            losses: Losses::default(),
            tables: BTreeMap::new(),
            columns: BTreeMap::new(),
            made_trigger: false,
            in_place: false,
        }
    }

    fn statements<'a>(&mut self, statements: impl IntoIterator<Item = &'a Statement>) {
        for statement in statements {
            match &statement.parsed {
                Parsed::Changes(changes) => {
                    self.in_place = changes.iter().any(in_place);
                    for change in changes {
                        self.change(change, statement.span);
                    }
                }
                Parsed::Unparsed(_) => self.losses.unreadable.push(statement.span),
            }
        }
    }

    /// The default schema is left out, so that `public.t` and `t` are one.
    fn name(&self, name: &ObjectName) -> ObjectName {
        let default = match self.dialect {
            Dialect::Postgres => "public",
            Dialect::Sqlite => "main",
            Dialect::Mysql | Dialect::MariaDb => return name.clone(),
        };
        match &name.schema {
            Some(schema) if schema.key() == default => ObjectName::bare(name.name.clone()),
            _ => name.clone(),
        }
    }

    /// The loss record of a table that was there before the migration.
    fn table(&mut self, current: &ObjectName) -> Option<&mut TableLoss> {
        let current = self.name(current);
        let before = match self.tables.get(&current) {
            Some(before) => before.clone()?,
            None => current,
        };
        Some(self.losses.tables.entry(before).or_default())
    }

    fn column_before(&self, table: &ObjectName, column: &Ident) -> Option<Ident> {
        let key = (self.name(table), column.clone());
        self.columns.get(&key).cloned().unwrap_or_else(|| Some(column.clone()))
    }

    fn altered(&mut self, table: &ObjectName) {
        if let Some(loss) = self.table(table) {
            loss.altered = true;
        }
    }

    fn insert(&mut self, table: &ObjectName, conflict: InsertConflict) {
        match conflict {
            InsertConflict::Update => self.rows(table, true),
            InsertConflict::Replace => {
                self.losses.replaces = true;
                self.rows(table, true);
            }
            InsertConflict::Fail | InsertConflict::Ignore => {}
        }
    }

    fn rename_table(&mut self, from: &ObjectName, to: &ObjectName) {
        let (from, mut to) = (self.name(from), self.name(to));
        if to.schema.is_none() {
            to.schema.clone_from(&from.schema);
        }
        let before = self.tables.get(&from).cloned().unwrap_or_else(|| Some(from.clone()));
        if let Some(before) = &before {
            let loss = self.losses.tables.entry(before.clone()).or_default();
            loss.altered = true;
            loss.renamed_to = (*before != to).then(|| to.clone());
        }
        self.tables.insert(from.clone(), None);
        self.tables.insert(to.clone(), before);
        let moved: Vec<_> = self.columns.keys().filter(|(t, _)| *t == from).cloned().collect();
        for key in moved {
            if let Some(column) = self.columns.remove(&key) {
                self.columns.insert((to.clone(), key.1), column);
            }
        }
    }

    fn drop_column(&mut self, table: &ObjectName, column: &Ident) {
        let before = self.column_before(table, column);
        if let (Some(before), Some(loss)) = (before, self.table(table)) {
            loss.columns.insert(before);
            loss.altered = true;
        }
    }

    fn retype(&mut self, table: &ObjectName, column: &Ident, converts: bool) {
        let before = self.column_before(table, column);
        if let (Some(before), Some(loss)) = (before, self.table(table)) {
            if converts {
                loss.converted.insert(before.clone());
            }
            loss.retyped.insert(before);
            loss.altered = true;
        }
    }

    fn rename_column(&mut self, table: &ObjectName, from: &Ident, to: &Ident) {
        let before = self.column_before(table, from);
        let name = self.name(table);
        self.columns.remove(&(name.clone(), from.clone()));
        self.columns.insert((name, to.clone()), before.clone());
        if let (Some(before), Some(loss)) = (before, self.table(table)) {
            loss.altered = true;
            loss.renamed_columns.insert(before, to.clone());
        }
    }

    fn rows(&mut self, table: &ObjectName, acts_on_others: bool) {
        if let Some(loss) = self.table(table) {
            loss.rows = true;
            loss.acts_on_others |= acts_on_others;
        }
    }

    fn change(&mut self, change: &Change, span: Span) {
        self.losses.own_triggers_fire |= self.made_trigger && writes_rows(change);
        self.losses.unmakes |= match unmakes(change) {
            Unmakes::Nothing => false,
            Unmakes::OfTable(table) => self.tables.get(&self.name(table)) != Some(&None),
            Unmakes::Something => true,
        };
        self.losses.renames |= renames(change);
        match change {
            Change::CreateTable { def, if_not_exists } => {
                let name = self.name(&def.name);
                // IF NOT EXISTS may find the old table: then it is not ours.
                if !if_not_exists || self.tables.contains_key(&name) {
                    self.tables.insert(name, None);
                }
            }
            Change::DropTable { name, .. } => {
                if let Some(loss) = self.table(name) {
                    loss.dropped = true;
                }
                let name = self.name(name);
                self.tables.insert(name, None);
            }
            Change::RenameTable { from, to } => self.rename_table(from, to),
            Change::SetSchema { kind: downhaul_syntax::ObjectKind::Table, name, schema } => {
                let to = ObjectName { schema: Some(schema.clone()), name: name.name.clone() };
                self.rename_table(name, &to);
            }
            Change::AddColumn { table, column, .. } => {
                let key = (self.name(table), column.name.clone());
                self.columns.insert(key, None);
                self.altered(table);
            }
            Change::DropColumn { table, column, .. } => self.drop_column(table, column),
            Change::RenameColumn { table, from, to } => self.rename_column(table, from, to),
            Change::AlterColumnType { table, column, .. } => self.retype(table, column, true),
            Change::ModifyColumn { table, from, column, .. } => {
                // Where sql_mode is not strict, MariaDB makes '' or 0 of a NULL in place too.
                if self.in_place && !column.not_null {
                    self.altered(table);
                } else {
                    self.retype(table, from, !self.in_place);
                }
                if *from != column.name {
                    self.rename_column(table, from, &column.name);
                }
            }
            Change::Truncate { tables, cascade, .. } => {
                for table in tables {
                    if let Some(loss) = self.table(table) {
                        loss.truncated = true;
                    }
                    if *cascade {
                        let table = self.name(table);
                        self.losses.truncate_cascade.push(table);
                    }
                }
            }
            Change::Update { table, columns, .. } => {
                self.rows(table, true);
                let before: Vec<Ident> =
                    columns.iter().filter_map(|column| self.column_before(table, column)).collect();
                if let Some(loss) = self.table(table) {
                    loss.assigned.extend(before);
                }
            }
            Change::Delete { table, .. } | Change::Merge { table, .. } => self.rows(table, true),
            Change::CreateTrigger { .. } => self.made_trigger = true,
            Change::Insert { table, conflict, .. } => {
                if self.table(table).is_some() {
                    let name = self.name(table);
                    self.losses.inserts.insert(name);
                }
                self.insert(table, *conflict);
            }
            // MySQL: rows go with their partition; characters that the new set does not know go.
            Change::MysqlPartition { table, .. } | Change::ConvertCharset { table, .. } => {
                self.rows(table, false);
                self.altered(table);
            }
            Change::DropSchema { name, cascade: true, .. } => {
                self.losses.schemas.push(name.clone());
            }
            Change::Do { body, .. } => {
                for change in body {
                    self.change(change, span);
                }
            }
            Change::Dynamic { changes, .. } => {
                for change in changes {
                    self.change(change, span);
                }
            }
            Change::DynamicUnknown { .. } => self.losses.unreadable.push(span),
            Change::AddConstraint { table, .. }
            | Change::DropConstraint { table, .. }
            | Change::SetNotNull { table, .. }
            | Change::DropNotNull { table, .. }
            | Change::SetDefault { table, .. }
            | Change::DropDefault { table, .. }
            | Change::AddIdentity { table, .. }
            | Change::DropIdentity { table, .. }
            | Change::SetExpression { table, .. }
            | Change::DropExpression { table, .. } => self.altered(table),
            _ => {}
        }
    }
}

/// What a statement takes of the schema that holds no data.
enum Unmakes<'a> {
    Nothing,
    OfTable(&'a ObjectName),
    Something,
}

fn unmakes(change: &Change) -> Unmakes<'_> {
    match change {
        Change::DropConstraint { table, .. }
        | Change::DropPrimaryKey { table }
        | Change::SetNotNull { table, .. }
        | Change::DropNotNull { table, .. }
        | Change::SetDefault { table, .. }
        | Change::DropDefault { table, .. }
        | Change::DropIdentity { table, .. }
        | Change::DropExpression { table, .. }
        | Change::DropIndex { table: Some(table), .. }
        | Change::DropTrigger { table: Some(table), .. }
        | Change::SetTriggerEnabled { table, .. }
        | Change::AlterPolicy { table, .. }
        | Change::DropPolicy { table, .. }
        | Change::RowSecurity { table, .. }
        | Change::ModifyColumn { table, .. } => Unmakes::OfTable(table),
        Change::DropIndex { .. }
        | Change::DropTrigger { .. }
        | Change::DropView { .. }
        | Change::CreateView { or_replace: true, .. }
        | Change::DropType { .. }
        | Change::DropSequence { .. }
        | Change::CreateRoutine { or_replace: true, .. }
        | Change::DropRoutine { .. }
        | Change::CreateTrigger { or_replace: true, .. }
        | Change::DropSchema { .. }
        | Change::DropExtension { .. }
        | Change::Revoke { .. }
        | Change::DropOther { .. } => Unmakes::Something,
        _ => Unmakes::Nothing,
    }
}

/// Asked for `INPLACE`, `NOCOPY` or `INSTANT`, the server refuses another type (error 1846), and leaves each value as it
/// is where it does not.
fn in_place(change: &Change) -> bool {
    matches!(change, Change::Online { online, .. }
        if matches!(online.algorithm.as_deref(), Some("inplace" | "nocopy" | "instant")))
}

fn renames(change: &Change) -> bool {
    match change {
        Change::ModifyColumn { from, column, .. } => *from != column.name,
        _ => matches!(
            change,
            Change::RenameTable { .. }
                | Change::SetSchema { .. }
                | Change::RenameColumn { .. }
                | Change::RenameConstraint { .. }
                | Change::RenameIndex { .. }
                | Change::RenameView { .. }
                | Change::RenameEnumValue { .. }
                | Change::Rename { .. }
        ),
    }
}

/// Whether triggers may fire. `DROP TABLE` deletes rows first on SQLite, and what refers to them acts.
fn writes_rows(change: &Change) -> bool {
    change.is_dml()
        || matches!(
            change,
            Change::Truncate { .. }
                | Change::DropTable { .. }
                | Change::Call { .. }
                | Change::DynamicUnknown { .. }
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use downhaul_syntax::parse_script;

    fn check(sql: &str, expected: &[&str]) {
        let script = parse_script(sql, Dialect::Postgres);
        let found: Vec<String> = losses(&script.statements, Dialect::Postgres)
            .tables
            .iter()
            .filter(|(_, loss)| loss.destroys())
            .map(|(name, loss)| {
                let mut text = name.to_string();
                if loss.dropped {
                    text += " dropped";
                }
                if loss.truncated {
                    text += " truncated";
                }
                for column in &loss.columns {
                    text += &format!(" -{column}");
                }
                for column in &loss.retyped {
                    text += &format!(" ~{column}");
                }
                if loss.rows {
                    text += " rows";
                }
                text
            })
            .collect();
        assert_eq!(found, expected, "{sql}");
    }

    #[test]
    fn losses_are_told_by_the_names_before_the_migration() {
        check("DROP TABLE public.a, b;", &["a dropped", "b dropped"]);
        check("ALTER TABLE t RENAME COLUMN a TO b; ALTER TABLE t DROP COLUMN b;", &["t -a"]);
        check("ALTER TABLE t RENAME TO u; ALTER TABLE u DROP COLUMN c;", &["t -c"]);
        check("ALTER TABLE t ALTER c TYPE int USING c::int; DELETE FROM t;", &["t ~c rows"]);
        check("UPDATE t SET a = 1 WHERE id = 2", &["t rows"]);
    }

    #[test]
    fn what_the_migration_made_itself_is_no_loss() {
        check("CREATE TABLE t (a int); DROP TABLE t;", &[]);
        check("ALTER TABLE t ADD COLUMN a int; ALTER TABLE t DROP COLUMN a;", &[]);
        check(
            "CREATE TABLE n (a int); DROP TABLE t; ALTER TABLE n RENAME TO t; DELETE FROM t",
            &["t dropped"],
        );
        check("INSERT INTO t VALUES (1); SELECT 1; CREATE INDEX i ON t (a)", &[]);
    }

    #[test]
    fn a_column_stated_anew_in_place_keeps_its_values() {
        for dialect in [Dialect::MariaDb, Dialect::Mysql] {
            let retyped = |sql: &str| {
                let script = parse_script(sql, dialect);
                let losses = losses(&script.statements, dialect);
                losses.tables.values().map(|loss| loss.retyped.len()).sum::<usize>()
            };
            let modify = "ALTER TABLE t MODIFY a varchar(9)";
            assert_eq!(retyped(modify), 1);
            assert_eq!(retyped(&format!("{modify}, ALGORITHM=COPY")), 1);
            assert_eq!(retyped(&format!("{modify}, ALGORITHM=DEFAULT, LOCK=NONE")), 1);
            assert_eq!(retyped(&format!("{modify}, ALGORITHM=INPLACE, LOCK=NONE")), 0);
            assert_eq!(retyped("ALTER TABLE t ALGORITHM=INSTANT, CHANGE a b int"), 0);
            assert_eq!(retyped(&format!("{modify} NOT NULL, ALGORITHM=INPLACE")), 1);
            let only_nulls = |sql: &str| {
                let losses = losses(&parse_script(sql, dialect).statements, dialect);
                losses.tables.values().any(|loss| loss.only_nulls().is_some())
            };
            assert!(only_nulls(&format!("{modify} NOT NULL, ALGORITHM=INPLACE")));
            for more in ["ALTER TABLE t DROP COLUMN b", "DELETE FROM t", modify] {
                assert!(!only_nulls(&format!("{modify} NOT NULL, ALGORITHM=INPLACE; {more}")));
            }
            // Of the statement that says it, not of the next one.
            assert_eq!(retyped(&format!("{modify}, ALGORITHM=INPLACE;\n{modify}")), 1);
        }
    }

    #[test]
    fn a_trigger_fires_where_rows_are_written_behind_it() {
        let fire = |sql: &str| {
            let script = parse_script(sql, Dialect::Sqlite);
            losses(&script.statements, Dialect::Sqlite).own_triggers_fire
        };
        let make = "CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM u; END;";
        assert!(!fire(make));
        assert!(!fire(&format!(
            "INSERT INTO t VALUES (1);\n{make}\nALTER TABLE u ADD COLUMN b int;"
        )));
        assert!(fire(&format!("{make}\nINSERT INTO t VALUES (1);")));
        assert!(fire(&format!("CREATE TABLE n (a int);\n{make}\nUPDATE n SET a = 1;")));
    }
}

//! What PostgreSQL refuses beyond what the catalog says of missing, existing and dependent
//! objects: casts, partition keys, inherited columns, defaults. Each case was run on a server.

use downhaul_catalog::{Table, range_ends, view_columns};
use downhaul_syntax::{
    Change, ColumnDef, ConstraintDef, ConstraintKind, Dialect, Expr, Ident, IndexPart, ObjectName,
    Partitioning, Query, SqlType,
};

use super::default_value::{default_fails_check, is_null};
use super::postgres_types::{WITHOUT_TYPES, assignable, can_be, quoted, type_name};
use super::{Scene, changing, inserted, refused_mysql, refused_routine, refused_sqlite};

/// Why the server refuses a change; empty where nothing is known against it.
pub(crate) fn refused(change: &Change, scene: &Scene<'_>) -> Vec<String> {
    let mut out = match scene.state.dialect() {
        Dialect::Postgres => {
            let mut judge = Judge { scene, out: Vec::new() };
            judge.change(change);
            judge.out
        }
        Dialect::Sqlite => refused_sqlite::refused(change, scene),
        Dialect::Mysql | Dialect::MariaDb => refused_mysql::refused(change, scene),
    };
    if out.is_empty() {
        out.extend(inserted::refused(change, scene).or_else(|| changing::refused(change, scene)));
    }
    out
}

struct Judge<'a, 's> {
    scene: &'a Scene<'s>,
    out: Vec<String>,
}

impl Judge<'_, '_> {
    fn say(&mut self, reason: impl Into<String>) {
        self.out.push(reason.into());
    }

    /// The table, where all its columns are known.
    fn known_table(&self, name: &ObjectName) -> Option<&Table> {
        self.scene.state.table(name).filter(|t| !t.columns_unknown && !t.assumed)
    }

    /// What cannot be done to a parent alone (run on 15).
    fn only(&mut self, change: &Change) {
        if !self.scene.only() {
            return;
        }
        let state = &self.scene.state;
        let has = |table: &ObjectName| !state.children(table).is_empty();
        let parted = |table: &ObjectName| state.is_partitioned(table) && has(table);
        let reason = match change {
            Change::AddColumn { table, .. } if has(table) => {
                "column must be added to child tables too".to_owned()
            }
            Change::DropColumn { table, .. } if parted(table) => {
                "cannot drop column from only the partitioned table when partitions exist"
                    .to_owned()
            }
            Change::AlterColumnType { table, column, .. } if has(table) => {
                format!("type of inherited column \"{column}\" must be changed in child tables too")
            }
            Change::RenameColumn { table, from, .. } if has(table) => {
                format!("inherited column \"{from}\" must be renamed in child tables too")
            }
            Change::SetNotNull { table, .. } if parted(table) => {
                "constraint must be added to child tables too".to_owned()
            }
            Change::DropNotNull { table, .. } | Change::DropConstraint { table, .. }
                if parted(table) =>
            {
                "cannot remove constraint from only the partitioned table when partitions exist"
                    .to_owned()
            }
            Change::AddConstraint { table, constraint, .. } => match &constraint.kind {
                ConstraintKind::Check { no_inherit: false, .. } if has(table) => {
                    "constraint must be added to child tables too".to_owned()
                }
                ConstraintKind::ForeignKey { .. } if parted(table) => {
                    format!("cannot use ONLY for foreign key on partitioned table \"{table}\"")
                }
                _ => return,
            },
            _ => return,
        };
        self.say(reason);
    }

    fn change(&mut self, change: &Change) {
        self.only(change);
        match change {
            Change::AlterColumnType { table, column, ty, using, .. } => {
                self.alter_type(table, column, ty, using.is_some());
            }
            Change::SetDefault { table, column, default } => {
                let ty = self.scene.state.column(table, column).and_then(|c| c.ty.clone());
                self.default(table, column, ty.as_ref(), default);
            }
            Change::AddColumn { table, column, .. } => self.add_column(table, column),
            Change::DropColumn { table, column, if_exists, .. }
                if !if_exists || self.scene.state.column(table, column).is_some() =>
            {
                self.inherited(table, column, "drop");
                self.in_partition_key(table, column, "drop");
            }
            Change::AddConstraint { table, constraint, .. } => {
                self.constraint(table, constraint);
            }
            Change::CreateIndex { index, concurrently, .. } => {
                if self.scene.state.catalog.view(&index.table).is_some_and(|v| !v.materialized) {
                    self.say(format!("cannot create index on view \"{}\"", index.table));
                }
                let partitioned = self.scene.state.is_partitioned(&index.table);
                if *concurrently && partitioned {
                    let table = &index.table;
                    self.say(format!(
                        "cannot create index on partitioned table \"{table}\" concurrently"
                    ));
                }
                if index.unique && partitioned {
                    let columns: Vec<Ident> = plain_columns(&index.parts);
                    self.lacks_partition_key(&index.table, &columns);
                }
                for expr in index.parts.iter().filter_map(|p| p.expr.as_ref()) {
                    self.unknown_columns(&index.table, expr, &[]);
                }
            }
            Change::CreateTable { def, if_not_exists }
                if *if_not_exists && self.scene.state.table(&def.name).is_some() => {}
            Change::CreateTable { def, .. } if def.like.is_empty() && def.inherits.is_empty() => {
                for column in &def.columns {
                    self.unknown_type(column.ty.as_ref());
                }
                if let Some(Partitioning::Of { parent, bounds: Some(bounds) }) = &def.partitioning {
                    self.overlaps(parent, &def.name, bounds);
                }
                if def.partitioning.is_some() || def.as_query.is_some() {
                    return;
                }
                let own: Vec<&Ident> = def.columns.iter().map(|c| &c.name).collect();
                let inline = def.columns.iter().flat_map(|c| &c.constraints);
                for constraint in def.constraints.iter().chain(inline) {
                    if let ConstraintKind::Check { expr, .. } = &constraint.kind {
                        self.columns_among(&own, &def.name, expr);
                    }
                }
            }
            Change::AttachPartition { table, partition, bounds: Some(bounds) } => {
                self.overlaps(table, partition, bounds);
            }
            Change::DetachPartition { table, concurrently: true, .. }
                if self.scene.state.default_partition(table).is_some() =>
            {
                self.say("cannot detach partitions concurrently when a default partition exists");
            }
            Change::RefreshMaterializedView { name, .. }
                if self.scene.state.catalog.view(name).is_some_and(|v| !v.materialized) =>
            {
                self.say(format!("\"{name}\" is not a materialized view"));
            }
            Change::CreateView { if_not_exists: true, materialized: false, .. } => {
                self.say("syntax error: PostgreSQL has no CREATE VIEW IF NOT EXISTS");
            }
            Change::RefreshMaterializedView { name, concurrently: true, .. }
                if self.scene.state.catalog.view(name).is_some_and(|v| {
                    !v.indexes.iter().any(|i| {
                        let plain = i.parts.iter().all(|p| p.column.is_some());
                        i.unique && i.predicate.is_none() && plain
                    })
                }) =>
            {
                self.say(format!(
                    "cannot refresh materialized view \"{name}\" concurrently: it needs a unique \
                     index on columns, without WHERE"
                ));
            }
            Change::CreateView { name, or_replace: true, columns, query, .. } => {
                if let Some(names) = view_columns::of_definition(columns, query, Dialect::Postgres)
                {
                    self.replace_view(name, &names, query);
                }
            }
            Change::CreateRoutine { def, or_replace: true, .. } => {
                self.out.extend(refused_routine::replaced(def, self.scene.state.catalog));
            }
            Change::Insert { table, columns, from_query: Some(query), .. } => {
                self.copies(table, columns, query);
            }
            _ => {}
        }
    }

    fn alter_type(&mut self, table: &ObjectName, column: &Ident, ty: &SqlType, using: bool) {
        if ty.name.ends_with("serial") {
            self.say(format!(
                "type \"{}\" does not exist: it only stands in CREATE TABLE and ADD COLUMN",
                ty.name
            ));
            return;
        }
        self.inherited(table, column, "alter");
        self.in_partition_key(table, column, "alter");
        let Some(known) = self.scene.state.column(table, column) else { return };
        let Some(old) = &known.ty else { return };
        if assignable(old, ty) != Some(false) {
            return;
        }
        let has_default =
            known.default.as_ref().is_some_and(|d| !is_null(d)) && known.generated.is_none();
        if !using {
            self.say(format!(
                "column \"{column}\" cannot be cast automatically to type {}: say how with USING",
                ty.raw
            ));
        } else if has_default && !self.drops_default(table, column) {
            self.say(format!(
                "default for column \"{column}\" cannot be cast automatically to type {}: drop it first",
                ty.raw
            ));
        }
    }

    /// The same statement drops the default.
    fn drops_default(&self, table: &ObjectName, column: &Ident) -> bool {
        self.scene.siblings.iter().any(|c| {
            matches!(c, Change::DropDefault { table: t, column: c }
                if t.name == table.name && c == column)
        })
    }

    fn default(
        &mut self,
        table: &ObjectName,
        column: &Ident,
        ty: Option<&SqlType>,
        default: &Expr,
    ) {
        if let Some(name) = default
            .columns
            .iter()
            .find(|c| self.scene.state.column(table, c).is_some() && default.functions.is_empty())
        {
            let name = name.clone();
            self.say(format!("cannot use column reference in DEFAULT expression: {name}"));
        }
        if let Some(ty) = ty
            && let Some(literal) = quoted(&default.text)
            && !can_be(literal, ty, self.scene)
        {
            self.say(format!(
                "invalid input syntax for type {}: \"{literal}\" (default of \"{column}\")",
                ty.name
            ));
        }
    }

    fn add_column(&mut self, table: &ObjectName, column: &ColumnDef) {
        let partition = self.scene.state.table(table).and_then(|t| t.partitioning.as_ref());
        if matches!(partition, Some(Partitioning::Of { .. })) {
            self.say("cannot add column to a partition");
        }
        self.unknown_type(column.ty.as_ref());
        if column.constraints.iter().any(|c| c.not_valid) {
            self.say("a constraint behind a column cannot be marked NOT VALID");
        }
        if self.scene.state.in_use(table) && default_fails_check(column, Dialect::Postgres) {
            self.say(format!("check constraint is violated by the default of \"{}\"", column.name));
        }
        if let Some(default) = &column.default {
            self.default(table, &column.name, column.ty.as_ref(), default);
        }
        for constraint in &column.constraints {
            if let ConstraintKind::Check { expr, .. } = &constraint.kind {
                self.unknown_columns(table, expr, &[&column.name]);
            }
        }
    }

    /// A type that nobody made: of a schema whose objects are known, or while no extension is there
    /// that may bring it.
    fn unknown_type(&mut self, ty: Option<&SqlType>) {
        let Some(ty) = ty else { return };
        let state = &self.scene.state;
        let catalog = state.catalog;
        let name = type_name(ty);
        let known = catalog.normalize(&name);
        let relation = catalog.table(&name).is_some() || catalog.view(&name).is_some();
        if !state.history_known || catalog.types.contains_key(&known) || relation {
            return;
        }
        let surely = match &ty.schema {
            Some(schema) => catalog.tables.keys().any(|t| t.schema.as_ref() == Some(schema)),
            None => {
                !downhaul_syntax::is_built_in_type(&ty.name)
                    && ty.raw.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                    && catalog.extensions.iter().all(|e| WITHOUT_TYPES.contains(&e.as_str()))
            }
        };
        if surely {
            self.say(format!("type \"{name}\" does not exist"));
        }
    }

    /// The bounds of a range partition reach into those of another.
    fn overlaps(&mut self, parent: &ObjectName, partition: &ObjectName, bounds: &str) {
        let Some((from, to)) = range_ends(bounds) else { return };
        for other in self.scene.state.catalog.perhaps_overlapping(parent, bounds) {
            let known = self.scene.state.table(other).and_then(|t| t.partitioning.as_ref());
            let Some(Partitioning::Of { bounds: Some(text), .. }) = known else { continue };
            let Some((low, high)) = range_ends(text) else { continue };
            if less(from, high) == Some(true) && less(low, to) == Some(true) {
                self.say(format!("partition \"{partition}\" would overlap partition \"{other}\""));
                return;
            }
        }
    }

    fn constraint(&mut self, table: &ObjectName, constraint: &ConstraintDef) {
        let partitioned = self.scene.state.is_partitioned(table);
        match &constraint.kind {
            ConstraintKind::Check { expr, .. } => {
                let added: Vec<&Ident> = self
                    .scene
                    .siblings
                    .iter()
                    .filter_map(|c| match c {
                        Change::AddColumn { column, .. } => Some(&column.name),
                        _ => None,
                    })
                    .collect();
                self.unknown_columns(table, expr, &added);
            }
            ConstraintKind::NotNull { .. }
                if self.scene.state.options.server_version.is_some()
                    && !self.scene.state.options.at_least(18, 0, 0) =>
            {
                self.say("NOT NULL as a constraint of its own needs PostgreSQL 18");
            }
            ConstraintKind::ForeignKey { .. }
                if constraint.not_valid
                    && partitioned
                    && !self.scene.state.options.at_least(18, 0, 0) =>
            {
                self.say(format!(
                    "cannot add NOT VALID foreign key on partitioned table \"{table}\""
                ));
            }
            ConstraintKind::PrimaryKey { columns, using_index: None }
            | ConstraintKind::Unique { columns, using_index: None, .. }
                if partitioned =>
            {
                self.lacks_partition_key(table, columns);
            }
            _ => {}
        }
    }

    /// A condition names a column that the table does not have.
    fn unknown_columns(&mut self, table: &ObjectName, expr: &Expr, more: &[&Ident]) {
        let Some(known) = self.known_table(table) else { return };
        let own: Vec<&Ident> =
            known.columns.iter().map(|c| &c.name).chain(more.iter().copied()).collect();
        let missing = missing_column(&own, &table.name, expr);
        if let Some(missing) = missing {
            self.say(format!("column \"{missing}\" does not exist"));
        }
    }

    fn columns_among(&mut self, own: &[&Ident], table: &ObjectName, expr: &Expr) {
        if let Some(missing) = missing_column(own, &table.name, expr) {
            self.say(format!("column \"{missing}\" does not exist"));
        }
    }

    fn partition_key(&self, table: &ObjectName) -> Option<Vec<Ident>> {
        let Some(Partitioning::By(text)) = &self.scene.state.table(table)?.partitioning else {
            return None;
        };
        let inside = text.split_once('(')?.1.rsplit_once(')')?.0;
        // An expression as key: nothing is claimed.
        if inside.contains(['(', ' ']) && inside.contains('(') {
            return None;
        }
        Some(
            inside
                .split(',')
                .filter_map(|part| part.split_whitespace().next())
                .map(|word| {
                    let quoted = word.starts_with('"');
                    Ident::new(Dialect::Postgres, word.trim_matches('"'), quoted)
                })
                .collect(),
        )
    }

    fn lacks_partition_key(&mut self, table: &ObjectName, columns: &[Ident]) {
        let Some(key) = self.partition_key(table) else { return };
        if !columns.is_empty() && key.iter().any(|k| !columns.contains(k)) {
            self.say(
                "unique constraint on partitioned table must include all partitioning columns",
            );
        }
    }

    fn in_partition_key(&mut self, table: &ObjectName, column: &Ident, verb: &str) {
        if self.partition_key(table).is_some_and(|key| key.contains(column)) {
            self.say(format!(
                "cannot {verb} column \"{column}\" because it is part of the partition key of relation \"{table}\""
            ));
        }
    }

    /// Columns of a partition or heir belong to the parent.
    fn inherited(&mut self, table: &ObjectName, column: &Ident, verb: &str) {
        let Some(known) = self.scene.state.table(table) else { return };
        let parents: Vec<&ObjectName> = match &known.partitioning {
            Some(Partitioning::Of { parent, .. }) => vec![parent],
            _ => known.inherits.iter().collect(),
        };
        if parents.iter().any(|p| self.scene.state.column(p, column).is_some()) {
            self.say(format!("cannot {verb} inherited column \"{column}\""));
        }
    }

    /// `INSERT … SELECT * FROM one`: as many columns, of types that are cast on assignment.
    fn copies(&mut self, into: &ObjectName, columns: &[Ident], query: &Query) {
        let words: Vec<&str> = query.text.split_whitespace().collect();
        let [select, "*", from, _] = words[..] else { return };
        if !select.eq_ignore_ascii_case("select") || !from.eq_ignore_ascii_case("from") {
            return;
        }
        let [source] = query.tables.as_slice() else { return };
        let (Some(from), Some(to)) = (self.known_table(source), self.known_table(into)) else {
            return;
        };
        let given: Vec<_> = if columns.is_empty() {
            to.columns.iter().collect()
        } else {
            columns.iter().filter_map(|c| to.column(c)).collect()
        };
        if from.columns.len() > given.len() {
            self.say("INSERT has more expressions than target columns");
            return;
        }
        let other = from.columns.iter().zip(&given).find(|(from, to)| {
            let types = from.ty.as_ref().zip(to.ty.as_ref());
            types.is_some_and(|(from, to)| assignable(from, to) == Some(false))
        });
        if let Some((from, to)) = other {
            self.say(format!(
                "column \"{}\" cannot take the values of \"{}\": it is of another type",
                to.name, from.name
            ));
        }
    }

    fn replace_view(&mut self, name: &ObjectName, columns: &[Ident], query: &Query) {
        let Some(old) = self.scene.state.catalog.view(name) else { return };
        let Some(before) = view_columns::of_view(old, Dialect::Postgres) else { return };
        if columns.len() < before.len() {
            self.say(format!("cannot drop columns from view \"{name}\""));
        } else if let Some((was, is)) = before.iter().zip(columns).find(|(was, is)| was != is) {
            let reason = format!("cannot change name of view column \"{was}\" to \"{is}\"");
            self.say(reason);
        } else if let Some(retyped) = self.retyped(&before, &old.query, query) {
            self.say(format!("cannot change data type of view column \"{retyped}\""));
        }
    }

    /// The first output column that is a plain column of another type in the new query.
    fn retyped<'n>(&self, names: &'n [Ident], old: &Query, new: &Query) -> Option<&'n Ident> {
        let types = |query: &Query| -> Vec<Option<SqlType>> {
            let sources = view_columns::sources(query, Dialect::Postgres).unwrap_or_default();
            sources.iter().map(|s| self.type_in(query, s.as_ref()?)).collect()
        };
        let (was, is) = (types(old), types(new));
        names.iter().zip(was.iter().zip(&is)).find_map(|(name, (was, is))| match (was, is) {
            (Some(was), Some(is)) => {
                let same =
                    (&was.name, &was.args, was.dimensions) == (&is.name, &is.args, is.dimensions);
                (!same).then_some(name)
            }
            _ => None,
        })
    }

    /// Type of the column of this name, where only one table of the query has it.
    fn type_in(&self, query: &Query, column: &Ident) -> Option<SqlType> {
        let mut found = None;
        for table in &query.tables {
            let known = self.known_table(table)?;
            if let Some(c) = known.column(column) {
                if found.is_some() {
                    return None;
                }
                found = Some(c.ty.clone()?);
            }
        }
        found
    }
}

/// Numbers by value, quoted constants of one length (dates) as text; `None` for others.
fn less(a: &str, b: &str) -> Option<bool> {
    if let (Ok(a), Ok(b)) = (a.parse::<f64>(), b.parse::<f64>()) {
        return Some(a < b);
    }
    let date = |t: &str| t.starts_with('\'') && t[1..].starts_with(|c: char| c.is_ascii_digit());
    (date(a) && date(b) && a.len() == b.len()).then(|| a < b)
}

fn plain_columns(parts: &[IndexPart]) -> Vec<Ident> {
    parts.iter().filter_map(|p| p.column.clone()).collect()
}

/// The first identifier of a condition that is no column. Silent where the condition is more than
/// comparisons of columns: an identifier may then be an alias, a field or a type.
fn missing_column(own: &[&Ident], table: &Ident, expr: &Expr) -> Option<Ident> {
    let text = expr.text.to_lowercase();
    if text.contains("select") || text.contains("::") || text.contains("cast") || text.contains('.')
    {
        return None;
    }
    if !expr.functions.iter().all(|f| {
        matches!(
            f.as_str(),
            "lower" | "upper" | "length" | "coalesce" | "char_length" | "trim" | "btrim"
        )
    }) {
        return None;
    }
    expr.columns.iter().find(|c| !own.contains(c) && **c != *table).cloned()
}

#[cfg(test)]
mod tests {
    use crate::examples::cases;
    use crate::rules::find_rule;

    #[test]
    fn as_the_server_says() {
        let base = "-- history\nCREATE TABLE p (id int PRIMARY KEY, name text);\n\
                    CREATE TABLE t (id int PRIMARY KEY, a int, b text, d int DEFAULT 1, f boolean);\n\
                    CREATE TABLE part (a int, b text) PARTITION BY RANGE (a);\n\
                    CREATE TABLE part1 PARTITION OF part FOR VALUES FROM (1) TO (9);\n\
                    CREATE TABLE part_text (a text, b text);\n\
                    CREATE TYPE mood AS ENUM ('ok', 'sad');\n\
                    CREATE FUNCTION f(a int DEFAULT 1) RETURNS int LANGUAGE sql AS 'SELECT 1';\n\
                    CREATE VIEW vw AS SELECT id FROM p;\n-- up\n";
        let fails = |up: &str, expect: bool| {
            let text = format!("{base}{up}");
            cases(find_rule("TX10").unwrap(), &[("postgres", &text, expect)]);
        };
        for up in [
            "ALTER TABLE t ALTER b TYPE int",
            "ALTER TABLE t ALTER a TYPE boolean",
            "ALTER TABLE t ALTER a TYPE uuid",
            "ALTER TABLE t ALTER a TYPE bigserial",
            "ALTER TABLE t ALTER d TYPE boolean USING d = 1",
            "ALTER TABLE t ALTER a SET DEFAULT 'abc'",
            "ALTER TABLE t ALTER a SET DEFAULT b",
            "ALTER TABLE t ADD CHECK (no_such > 0)",
            "ALTER TABLE t ADD c int DEFAULT 'abc'",
            "CREATE TABLE z (id int, CHECK (no_such > 1))",
            "CREATE INDEX z ON t (lower(no_such))",
            "CREATE UNIQUE INDEX z ON part (b)",
            "ALTER TABLE part ADD PRIMARY KEY (b)",
            "ALTER TABLE part ALTER a TYPE bigint",
            "ALTER TABLE part1 DROP COLUMN b",
            "ALTER TABLE part ADD FOREIGN KEY (a) REFERENCES p NOT VALID",
            "REFRESH MATERIALIZED VIEW vw",
            "CREATE OR REPLACE VIEW vw AS SELECT name FROM p",
            "CREATE OR REPLACE VIEW vw AS SELECT name AS id FROM p",
            "CREATE OR REPLACE VIEW vw AS SELECT b AS id FROM t",
            "ALTER TABLE part1 ADD COLUMN c int",
            "INSERT INTO p SELECT * FROM t",
            "INSERT INTO part SELECT * FROM part_text",
            "CREATE INDEX z ON vw (id)",
            "CREATE TABLE part2 PARTITION OF part FOR VALUES FROM (5) TO (20)",
            "ALTER TABLE t ADD COLUMN c intger",
            "ALTER TABLE t ADD COLUMN c mood DEFAULT 'angry'",
            "CREATE OR REPLACE FUNCTION f(b int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "CREATE OR REPLACE FUNCTION f(a int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        ] {
            fails(up, true);
        }
        for up in [
            "ALTER TABLE t ALTER a TYPE bigint",
            "ALTER TABLE t ALTER a TYPE text",
            "ALTER TABLE t ALTER b TYPE int USING b::int",
            "ALTER TABLE t ALTER d DROP DEFAULT, ALTER d TYPE boolean USING d = 1",
            "ALTER TABLE t ALTER a SET DEFAULT '5'",
            "ALTER TABLE t ALTER f SET DEFAULT 'true'",
            "ALTER TABLE t ADD CHECK (a > 0 AND b <> '')",
            "ALTER TABLE t ADD c int, ADD CHECK (c > 0)",
            "CREATE TABLE z (id int, n int CHECK (n > id))",
            "CREATE INDEX z ON t (lower(b))",
            "CREATE UNIQUE INDEX z ON part (a, b)",
            "ALTER TABLE part DROP COLUMN b",
            "CREATE OR REPLACE VIEW vw AS SELECT id, name FROM p",
            "CREATE OR REPLACE VIEW vw AS SELECT a AS id FROM t",
            "CREATE TABLE part2 PARTITION OF part FOR VALUES FROM (9) TO (20)",
            "ALTER TABLE t ADD COLUMN c mood DEFAULT 'ok'",
            "INSERT INTO p SELECT * FROM part",
            "INSERT INTO part SELECT * FROM p",
            "ALTER TABLE t ADD COLUMN c timestamp(3) with time zone, ADD COLUMN e p",
            "CREATE OR REPLACE FUNCTION f(a int DEFAULT 2) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        ] {
            fails(up, false);
        }
    }
}

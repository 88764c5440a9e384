//! What PostgreSQL refuses beyond what the catalog says of missing, existing and dependent
//! objects: casts, partition keys, inherited columns, defaults. Each case was run on a server.

use downhaul_catalog::Table;
use downhaul_syntax::{
    Change, ColumnDef, ConstraintDef, ConstraintKind, Dialect, Expr, Ident, IndexPart, ObjectName,
    Partitioning, Query, RoutineDef, SqlType,
};

use super::default_value::is_null;
use super::{Scene, refused_mysql, refused_sqlite, view_columns};

/// Why the server refuses a change; empty where nothing is known against it.
pub(crate) fn refused(change: &Change, scene: &Scene<'_>) -> Vec<String> {
    match scene.state.dialect() {
        Dialect::Postgres => {}
        Dialect::Sqlite => return refused_sqlite::refused(change, scene),
        Dialect::Mysql | Dialect::MariaDb => return refused_mysql::refused(change, scene),
    }
    let mut judge = Judge { scene, out: Vec::new() };
    judge.change(change);
    judge.out
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

    fn change(&mut self, change: &Change) {
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
            Change::CreateTable { def, .. } if def.like.is_empty() && def.inherits.is_empty() => {
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
            Change::CreateView { name, or_replace: true, columns, query, .. } => {
                if let Some(names) =
                    view_columns::of_definition(columns, query, Dialect::Postgres)
                {
                    self.replace_view(name, &names, query);
                }
            }
            Change::CreateRoutine { def, or_replace: true, .. } => self.replace_routine(def),
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
            && !literal_fits(literal, ty)
        {
            self.say(format!(
                "invalid input syntax for type {}: \"{literal}\" (default of \"{column}\")",
                ty.name
            ));
        }
    }

    fn add_column(&mut self, table: &ObjectName, column: &ColumnDef) {
        if let Some(default) = &column.default {
            self.default(table, &column.name, column.ty.as_ref(), default);
        }
        for constraint in &column.constraints {
            if let ConstraintKind::Check { expr, .. } = &constraint.kind {
                self.unknown_columns(table, expr, &[&column.name]);
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
                let same = (&was.name, &was.args, was.dimensions)
                    == (&is.name, &is.args, is.dimensions);
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

    fn replace_routine(&mut self, def: &RoutineDef) {
        let key = downhaul_catalog::RoutineKey {
            name: self.scene.state.catalog.normalize(&def.name),
            args: def.args.clone(),
        };
        let Some(old) = self.scene.state.catalog.routines.get(&key) else { return };
        let plain = |t: &Option<String>| {
            t.as_deref().map(|t| t.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase())
        };
        let (was, is) = (plain(&old.def.returns), plain(&def.returns));
        // Only where both are one simple word: spelling of the rest varies.
        let simple = |t: &Option<String>| t.as_deref().is_some_and(|t| SIMPLE_TYPES.contains(&t));
        if was != is && simple(&was) && simple(&is) {
            self.say(format!(
                "cannot change return type of existing function \"{}\": drop it first",
                def.name
            ));
        }
    }
}

/// Types with one spelling in common use.
const SIMPLE_TYPES: &[&str] =
    &["text", "trigger", "void", "boolean", "bigint", "uuid", "jsonb", "json", "numeric", "date"];

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

/// The content of a default that is one quoted literal.
fn quoted(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix('\'')?.strip_suffix('\'')?;
    (!inner.contains('\'')).then_some(inner)
}

/// Whether a literal can be a value of a type; `true` where that is not known.
fn literal_fits(literal: &str, ty: &SqlType) -> bool {
    if ty.dimensions > 0 {
        return literal.trim_start().starts_with(['{', '[']);
    }
    let literal = literal.trim();
    match ty.name.as_str() {
        "integer" | "bigint" | "smallint" => {
            let digits = literal.trim_start_matches(['-', '+']);
            !digits.is_empty()
                && digits.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
                && digits.as_bytes()[0].is_ascii_digit()
        }
        "boolean" => {
            let lower = literal.to_lowercase();
            ["true", "false", "yes", "no", "on", "off", "1", "0"]
                .iter()
                .any(|w| !lower.is_empty() && w.starts_with(&lower))
        }
        "uuid" => literal.bytes().filter(u8::is_ascii_hexdigit).count() == 32,
        _ => true,
    }
}

/// Families of types between whose members PostgreSQL casts on assignment (`pg_cast`).
fn family(ty: &SqlType) -> Option<&'static str> {
    Some(match ty.name.as_str() {
        "smallint" | "integer" | "bigint" | "numeric" | "real" | "double precision" => "number",
        "text" | "varchar" | "char" | "bpchar" => "text",
        "boolean" => "boolean",
        "date" | "timestamp" | "timestamptz" => "moment",
        "json" | "jsonb" => "json",
        "uuid" => "uuid",
        "bytea" => "bytea",
        _ => return None,
    })
}

/// Whether PostgreSQL casts values on assignment; `None` where that is not known.
fn assignable(from: &SqlType, to: &SqlType) -> Option<bool> {
    if from.schema.is_some() || to.schema.is_some() {
        return None;
    }
    if from.dimensions > 0 || to.dimensions > 0 {
        return None;
    }
    let target = family(to)?;
    // Everything can be written as text.
    if target == "text" {
        return Some(true);
    }
    Some(family(from)? == target)
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
        ] {
            fails(up, false);
        }
    }
}

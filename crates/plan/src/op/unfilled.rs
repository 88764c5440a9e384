//! New columns that must not be NULL, where nothing says what rows of the old release hold: the message has
//! the lines to write, all such columns of the file in them.

use std::collections::BTreeSet;

use downhaul_catalog::Table;
use downhaul_syntax::{
    Change, ColumnDef, ConstraintKind, Dialect, Expr, Ident, ObjectName, TypeDef, parse_script,
};

use super::conversion::directive_for;
use super::piece::Side;
use super::{HERE, Refused, Scene, refused, reshape_columns};

/// Columns of one statement, with their table.
type Group<'a> = (&'a Table, Vec<&'a ColumnDef>);

/// Such columns that a statement adds.
fn missing<'a>(changes: &'a [Change], scene: &Scene<'a>) -> Option<Group<'a>> {
    if reshape_columns::is_meant(changes, scene) {
        return None;
    }
    let mut of: Option<&Table> = None;
    let mut columns = Vec::new();
    for change in changes {
        let Change::AddColumn { table, column, if_not_exists, .. } = change else { continue };
        let Some(known) = scene.now.table(table).filter(|t| t.origin != HERE) else { continue };
        let is_there = *if_not_exists && known.column(&column.name).is_some();
        if !is_there && is_unfilled(column, scene) {
            of = Some(known);
            columns.push(column);
        }
    }
    of.map(|table| (table, columns))
}

/// Refuses a statement that adds such columns; `later` are those behind it, which would be refused next.
pub(crate) fn check<'a>(
    (changes, scene): (&'a [Change], &Scene<'a>),
    later: impl Iterator<Item = (&'a [Change], Scene<'a>)>,
) -> Result<(), Refused> {
    let Some(first) = missing(changes, scene) else { return Ok(()) };
    let mut groups = vec![first];
    groups.extend(later.filter_map(|(changes, scene)| missing(changes, &scene)));
    refuse_all(&groups, scene)
}

/// Whether nothing says what the column holds.
fn is_unfilled(column: &ColumnDef, scene: &Scene<'_>) -> bool {
    let must = column.not_null
        || column.constraints.iter().any(|c| matches!(c.kind, ConstraintKind::PrimaryKey { .. }));
    let counts = column.auto_increment
        || column.identity.is_some()
        || column.ty.as_ref().is_some_and(|ty| ty.name.to_lowercase().contains("serial"));
    must && !counts
        && column.default.is_none()
        && column.generated.is_none()
        && directive_for(&scene.forward, &column.name, true).is_none()
}

fn user_type<'s>(column: &ColumnDef, scene: &'s Scene<'_>) -> Option<&'s TypeDef> {
    let ty = column.ty.as_ref()?;
    let name = scene.now.normalize(&ObjectName {
        schema: ty.schema.clone(),
        name: Ident::stored(scene.dialect(), &ty.name),
    });
    scene.now.types.get(&name).map(|ty| &ty.def)
}

/// Says what to write for columns of one table.
pub(crate) fn refuse<T>(
    table: &Table,
    columns: &[&ColumnDef],
    scene: &Scene<'_>,
) -> Result<T, Refused> {
    refuse_all(&[(table, columns.to_vec())], scene)
}

/// Says what to write.
fn refuse_all<T>(groups: &[Group<'_>], scene: &Scene<'_>) -> Result<T, Refused> {
    let dialect = scene.dialect();
    let count: usize = groups.iter().map(|(_, columns)| columns.len()).sum();
    let named = |(table, columns): &Group<'_>| {
        let names: Vec<String> = columns.iter().map(|c| c.name.to_string()).collect();
        format!("{}.{}", table.name, names.join(", "))
    };
    let what = format!(
        "{} {} NOT NULL, and nothing says what rows of the old release hold",
        groups.iter().map(named).collect::<Vec<_>>().join(", "),
        if count == 1 { "is" } else { "are" }
    );
    // One line each, or none where a column has no such statement.
    let said = |of: &dyn Fn(&ColumnDef) -> Option<ColumnDef>| -> Option<String> {
        let lines = groups.iter().map(|(table, columns)| {
            let columns: Option<Vec<ColumnDef>> = columns.iter().map(|c| of(c)).collect();
            statements(&table.name, &columns?, dialect)
        });
        Some(lines.collect::<Option<Vec<_>>>()?.join("\n"))
    };
    let mut next = Vec::new();
    let filled = |column: &ColumnDef| {
        let default = Some(value(column, scene)?);
        Some(ColumnDef { default, ..column.clone() })
    };
    if let Some(lines) = said(&filled) {
        next.push(format!("where one value fits all of them, give it a DEFAULT:\n{lines}"));
    }
    let above: Vec<String> = groups
        .iter()
        .flat_map(|(_, columns)| columns)
        .map(|c| format!("  -- downhaul:forward {} \"EXPRESSION\"", c.name.as_str()))
        .collect();
    let tables: BTreeSet<String> = groups.iter().map(|(t, _)| t.name.to_string()).collect();
    next.push(format!(
        "where it follows from other columns of {}, say how on the line above the statement:\n{}",
        tables.into_iter().collect::<Vec<_>>().join(", "),
        above.join("\n")
    ));
    let key = |c: &ColumnDef| {
        c.constraints.iter().any(|c| matches!(c.kind, ConstraintKind::PrimaryKey { .. }))
    };
    let empty = |column: &ColumnDef| {
        let bare = ColumnDef { not_null: false, not_null_name: None, ..column.clone() };
        (!key(column)).then_some(bare)
    };
    if let Some(lines) = said(&empty) {
        next.push(format!(
            "where only the new release knows it, let it be NULL, and SET NOT NULL in a migration behind this one, when every row has it:\n{lines}"
        ));
    }
    refused(what, next.join("\n"))
}

/// What adds these columns: one statement, or one each on SQLite.
fn statements(table: &ObjectName, columns: &[ColumnDef], dialect: Dialect) -> Option<String> {
    let adds: Vec<Change> = columns
        .iter()
        .map(|column| Change::AddColumn {
            table: table.clone(),
            column: column.clone(),
            if_not_exists: false,
            position: None,
        })
        .collect();
    let mut side = Side::default();
    if dialect == Dialect::Sqlite {
        for add in &adds {
            side.change("", add, dialect).ok()?;
        }
    } else {
        side.together("", table, &adds, dialect).ok()?;
    }
    let lines: Vec<String> = side
        .steps
        .iter()
        .map(|step| {
            let one: Vec<&str> = step.sql.lines().map(str::trim).collect();
            format!("  {};", one.join(" "))
        })
        .collect();
    Some(lines.join("\n"))
}

/// A value that many such columns begin with, and that the server stores once for all rows; `None` where a rule
/// asks for another one in each row, or the type has none.
fn value(column: &ColumnDef, scene: &Scene<'_>) -> Option<Expr> {
    let dialect = scene.dialect();
    if !column.constraints.is_empty() {
        return None;
    }
    let ty = column.ty.as_ref()?;
    let text = match user_type(column, scene) {
        Some(TypeDef::Enum(labels)) if ty.dimensions == 0 => dialect.literal(labels.first()?),
        Some(_) if ty.dimensions == 0 => return None,
        _ if ty.dimensions > 0 => "'{}'".to_owned(),
        _ => builtin(&ty.name.to_lowercase(), &ty.args, dialect)?,
    };
    let script = parse_script(&format!("ALTER TABLE t ADD COLUMN c int DEFAULT {text};"), dialect);
    let [Change::AddColumn { column, .. }] = script.statements.first()?.changes() else {
        return None;
    };
    column.default.clone()
}

fn builtin(ty: &str, args: &[String], dialect: Dialect) -> Option<String> {
    let text = match ty {
        // MySQL takes no literal for them.
        "text" | "tinytext" | "mediumtext" | "longtext" | "blob" | "tinyblob" | "mediumblob"
        | "longblob" | "json"
            if dialect == Dialect::Mysql =>
        {
            return None;
        }
        "tinytext" | "mediumtext" | "longtext" | "tinyblob" | "mediumblob" | "longblob" => "''",
        "text" | "varchar" | "bpchar" | "char" | "citext" | "bytea" | "name" | "blob"
        | "varbinary" | "binary" | "hstore" | "tsvector" => "''",
        "smallint" | "integer" | "bigint" | "numeric" | "decimal" | "real" | "double precision"
        | "money" | "tinyint" | "mediumint" | "int" | "float" | "double" => "0",
        "boolean" => "FALSE",
        "json" | "jsonb" => "'{}'",
        "interval" => "'0'",
        "enum" if dialect.is_mysql_family() => {
            return args.first().map(|label| dialect.literal(label));
        }
        "timestamptz" | "timestamp" if dialect == Dialect::Postgres => "now()",
        "date" if dialect == Dialect::Postgres => "CURRENT_DATE",
        "uuid" if dialect == Dialect::Postgres => "gen_random_uuid()",
        _ => return None,
    };
    Some(text.to_owned())
}

//! How the value of one column follows from others.

use downhaul_catalog::{Table, rename_ident, render_type};
use downhaul_syntax::query::{Item, QueryStatement, SetBody};
use downhaul_syntax::{
    Change, Conversion, Dialect, Ident, ObjectName, SqlType, parse_query, parse_script,
};

use super::{Refused, refused};

/// Computes a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Conv {
    /// The value of another column.
    Same(Ident),
    /// The value of another column in this type.
    Cast(Ident, String),
    /// An expression over columns of the table.
    Expr { text: String, columns: Vec<Ident> },
}

/// Where an expression finds a column: `NEW.a`, or another column under which the value stands
/// for the time being.
pub(crate) type Source<'a> = &'a dyn Fn(&Ident) -> String;

impl Conv {
    /// Reads the expression of a directive. It has to be one expression over the table's columns.
    pub(crate) fn of_directive(
        conversion: &Conversion,
        table: &Table,
        dialect: Dialect,
    ) -> Result<Self, Refused> {
        Self::of_text(&conversion.expr, table, dialect)
    }

    /// Reads an expression.
    pub(crate) fn of_text(text: &str, table: &Table, dialect: Dialect) -> Result<Self, Refused> {
        let script = parse_script(&format!("SELECT ({text})"), dialect);
        let query = match script.statements.as_slice() {
            [only] if script.errors.is_empty() => match only.changes() {
                [Change::Select { query }] if query.tables.is_empty() => Some(query),
                _ => None,
            },
            _ => None,
        };
        let Some(query) = query else {
            return refused(
                format!("`{text}` is not one expression over the columns of {}", table.name),
                "write one expression, without subqueries on tables and without a semicolon",
            );
        };
        if let Some(unknown) = unknown_column(text, table, dialect) {
            return refused(
                format!("`{text}` reads {unknown}, which is no column of {}", table.name),
                "check the name: an expression reads the columns as they are called where it stands; a column that only changes its type keeps its name",
            );
        }
        let columns: Vec<Ident> =
            query.columns.iter().filter(|c| table.column(c).is_some()).cloned().collect();
        // A lone name is that column.
        if let [one] = columns.as_slice()
            && (text.trim() == one.as_str() || text.trim() == dialect.quote(one))
        {
            return Ok(Self::Same(one.clone()));
        }
        Ok(Self::Expr { text: text.to_owned(), columns })
    }

    /// Columns that it reads.
    pub(crate) fn columns(&self) -> Vec<Ident> {
        match self {
            Self::Same(column) | Self::Cast(column, _) => vec![column.clone()],
            Self::Expr { columns, .. } => columns.clone(),
        }
    }

    /// Columns that it reads, with their types.
    pub(crate) fn typed_columns(&self, table: &Table) -> Vec<(Ident, Option<SqlType>)> {
        let typed = |c: Ident| {
            let ty = table.column(&c).and_then(|column| column.ty.clone());
            (c, ty)
        };
        self.columns().into_iter().map(typed).collect()
    }

    /// The same of the value of another column.
    pub(crate) fn of_another(&self, from: &Ident, to: &Ident, dialect: Dialect) -> Self {
        let moved = |column: &Ident| if column == from { to.clone() } else { column.clone() };
        match self {
            Self::Same(column) => Self::Same(moved(column)),
            Self::Cast(column, ty) => Self::Cast(moved(column), ty.clone()),
            Self::Expr { text, columns } => Self::Expr {
                text: rename_ident(text, dialect, from, to),
                columns: columns.iter().map(moved).collect(),
            },
        }
    }

    /// As SQL inside a query of the table, where its columns have their names.
    pub(crate) fn plain(&self, dialect: Dialect) -> String {
        match self {
            Self::Same(column) => dialect.quote_if_needed(column),
            Self::Cast(column, ty) => format!("CAST({} AS {ty})", dialect.quote_if_needed(column)),
            Self::Expr { text, .. } => format!("({text})"),
        }
    }

    /// The condition of the rows that it fills: of a column that may stay empty, not those for which it is
    /// nothing itself, or they would be left over for good.
    pub(crate) fn unfilled(&self, column: &Ident, required: bool, dialect: Dialect) -> String {
        let empty = format!("{} IS NULL", dialect.quote_if_needed(column));
        if required || self.columns().is_empty() {
            return empty;
        }
        format!("{empty}\n  AND {} IS NOT NULL", self.plain(dialect))
    }

    /// As SQL where columns are found elsewhere. The text of an expression is never edited: it runs
    /// over a row of one that gives the columns their names.
    pub(crate) fn over(&self, source: Source<'_>, table: &ObjectName, dialect: Dialect) -> String {
        match self {
            Self::Same(column) => source(column),
            Self::Cast(column, ty) => format!("CAST({} AS {ty})", source(column)),
            Self::Expr { text, columns } if columns.is_empty() => format!("({text})"),
            Self::Expr { text, columns } => {
                let row: Vec<String> = columns
                    .iter()
                    .map(|c| format!("{} AS {}", source(c), dialect.quote_if_needed(c)))
                    .collect();
                format!(
                    "(SELECT ({text}) FROM (SELECT {}) AS {})",
                    row.join(", "),
                    dialect.quote_if_needed(&table.name)
                )
            }
        }
    }
}

/// A name in an expression that is no column of the table, nor the table itself. The server would find it in
/// the trigger only, when a release writes.
fn unknown_column(text: &str, table: &Table, dialect: Dialect) -> Option<Ident> {
    // Columns of every table of a server.
    const SYSTEM: [&str; 7] = ["ctid", "tableoid", "xmin", "xmax", "oid", "rowid", "_rowid_"];
    let query = format!("SELECT ({text})");
    let Ok(QueryStatement::Select(select)) = parse_query(&query, dialect) else { return None };
    let SetBody::Core(core) = &select.body else { return None };
    let [Item::Expr(expr, _)] = core.items.as_slice() else { return None };
    let mut paths = Vec::new();
    if table.columns_unknown || !expr.row_columns(&mut paths) {
        return None;
    }
    let unknown = paths.into_iter().find(|path| {
        let name = path.name();
        path.parts.len() == 1
            && table.column(name).is_none()
            && *name != table.name.name
            && !SYSTEM.contains(&name.as_str().to_lowercase().as_str())
    });
    unknown.map(|path| path.name().clone())
}

/// The directive for a column: the one that names it, or the only one that names none.
pub(crate) fn directive_for<'c>(
    all: &'c [Conversion],
    column: &Ident,
    only: bool,
) -> Option<&'c Conversion> {
    all.iter()
        .find(|c| c.column.as_deref() == Some(column.as_str()))
        .or_else(|| all.iter().find(|c| only && c.column.is_none()))
}

/// The type for a cast, without the length that a cast would cut at.
pub(crate) fn bare_type(ty: &SqlType, dialect: Dialect) -> String {
    let bare = SqlType { args: Vec::new(), ..ty.clone() };
    if ty.args.is_empty() { render_type(ty, dialect) } else { render_type(&bare, dialect) }
}

/// Whether two values of a type differ, as SQL that is never NULL.
///
/// `=` takes some values for equal that are not the same (1.0 and 1.00, `'a'` and `'A'` in citext),
/// and some types have none (json, point): for those the stored images are compared.
pub(crate) fn differ(left: &str, right: &str, ty: Option<&SqlType>, dialect: Dialect) -> String {
    if dialect.is_mysql_family() {
        return differ_in_mysql(left, right, ty);
    }
    if dialect == Dialect::Sqlite {
        return differ_in_sqlite(left, right, ty);
    }
    let exact = ty.is_some_and(|ty| {
        ty.dimensions == 0
            && ty.schema.is_none()
            && matches!(
                ty.name.as_str(),
                "smallint"
                    | "integer"
                    | "bigint"
                    | "boolean"
                    | "text"
                    | "varchar"
                    | "uuid"
                    | "date"
                    | "timestamp"
                    | "timestamptz"
                    | "bytea"
                    | "oid"
            )
    });
    match ty {
        Some(ty) if !exact => {
            let ty = bare_type(ty, dialect);
            format!(
                "pg_catalog.record_image_ne(ROW(CAST({left} AS {ty})), ROW(CAST({right} AS {ty})))"
            )
        }
        _ => format!("{left} IS DISTINCT FROM {right}"),
    }
}

/// The same in SQLite, where a column may compare by NOCASE, and one without a type of its own holds 1
/// apart from 1.0.
fn differ_in_sqlite(left: &str, right: &str, ty: Option<&SqlType>) -> String {
    let differ = format!("{left} COLLATE BINARY IS NOT {right}");
    let word = ty.map(|ty| ty.name.to_lowercase()).unwrap_or_default();
    if word.is_empty() || word.contains("blob") || word == "any" {
        return format!("({differ} OR typeof({left}) <> typeof({right}))");
    }
    differ
}

/// The same in MySQL, where most collations take `'a'` and `'A'` for equal.
fn differ_in_mysql(left: &str, right: &str, ty: Option<&SqlType>) -> String {
    const EXACT: [&str; 16] = [
        "tinyint",
        "smallint",
        "mediumint",
        "int",
        "integer",
        "bigint",
        "decimal",
        "numeric",
        "date",
        "datetime",
        "timestamp",
        "time",
        "year",
        "boolean",
        "float",
        "double",
    ];
    if ty.is_some_and(|ty| EXACT.contains(&ty.name.as_str())) {
        format!("NOT ({left} <=> {right})")
    } else if ty.is_some_and(|ty| ty.charset.is_some()) {
        // The other one may be in another character set, where the same characters are other bytes.
        format!(
            "NOT (BINARY CONVERT({left} USING utf8mb4) <=> BINARY CONVERT({right} USING utf8mb4))"
        )
    } else {
        format!("NOT (BINARY {left} <=> BINARY {right})")
    }
}

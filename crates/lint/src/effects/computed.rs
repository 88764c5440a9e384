//! What a generated column, or an index over an expression, demands of the columns that it reads: where
//! the expression fails for a value, the write of that value is refused.

use downhaul_catalog::{Column, Table};
use downhaul_syntax::{ColumnDef, ConstraintKind, Dialect, Expr, IndexDef};

/// A column whose values an expression may fail for, and which values those are.
pub(crate) struct Demand<'t> {
    pub(crate) column: &'t Column,
    pub(crate) refused: &'static str,
}

/// Of a new generated column.
pub(crate) fn of_column<'t>(
    column: &ColumnDef,
    table: &'t Table,
    dialect: Dialect,
) -> Option<Demand<'t>> {
    let generated = column.generated.as_ref()?;
    let json = not_json(&generated.expr, table, dialect);
    json.or_else(|| {
        let empty = column.not_null
            && !["coalesce", "ifnull", "case", "concat", "concat_ws", "json", "is", "iif"]
                .iter()
                .any(|word| has_word(&generated.expr.text, word));
        let nullable = read_by(&generated.expr, table).find(|c| !c.not_null);
        nullable.filter(|_| empty).map(|column| Demand { column, refused: "NULL" })
    })
}

/// Of a new index.
pub(crate) fn of_index<'t>(
    index: &IndexDef,
    table: &'t Table,
    dialect: Dialect,
) -> Option<Demand<'t>> {
    let parts = index.parts.iter().filter_map(|p| p.expr.as_ref());
    parts.chain(index.predicate.as_ref()).find_map(|expr| not_json(expr, table, dialect))
}

fn read_by<'t>(expr: &Expr, table: &'t Table) -> impl Iterator<Item = &'t Column> {
    expr.columns.iter().filter_map(|name| table.column(name))
}

/// Text that is no JSON makes these fail on SQLite, with `malformed JSON`, and so does a cast of
/// PostgreSQL.
fn not_json<'t>(expr: &Expr, table: &'t Table, dialect: Dialect) -> Option<Demand<'t>> {
    let reads_json = match dialect {
        Dialect::Sqlite => {
            expr.text.contains("->")
                || expr.functions.iter().any(|f| f.starts_with("json_") || f == "json")
        }
        Dialect::Postgres => {
            let flat = expr.text.to_lowercase().replace(' ', "");
            flat.contains("::json") || flat.contains("asjson")
        }
        Dialect::Mysql | Dialect::MariaDb => false,
    };
    if !reads_json || has_word(&expr.text, "json_valid") {
        return None;
    }
    let text = |c: &&Column| {
        let ty = c.ty.as_ref().map_or("", |t| t.name.as_str());
        let known = ["text", "varchar", "char", "clob", "blob", "json", ""].contains(&ty);
        known && (dialect == Dialect::Sqlite || ty != "json")
    };
    let checked = |c: &Column| {
        table.constraints.reading(&c.name).any(|k| {
            matches!(&k.kind, ConstraintKind::Check { expr, .. } if has_word(&expr.text, "json_valid"))
        })
    };
    read_by(expr, table)
        .filter(text)
        .find(|c| !checked(c))
        .map(|column| Demand { column, refused: "what is no JSON" })
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|w| w.eq_ignore_ascii_case(word))
}

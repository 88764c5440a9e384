//! What the default of a column comes to in another type.

use downhaul_catalog::{Column, rename_ident, render_type};
use downhaul_syntax::{Change, Dialect, Expr, Ident, ObjectName, SqlType, parse_script};

use super::INTEGERS;
use crate::op::add_column::VOLATILE;
use crate::op::conversion::Conv;

/// The old default as the new type has it, for as long as the old release counts on it: what the values
/// are converted by, over the default. Without a default there is none.
pub(crate) fn carried(
    table: &ObjectName,
    column: &Column,
    to: &SqlType,
    forward: &Conv,
    dialect: Dialect,
) -> Option<Expr> {
    let default = column.default.as_ref()?;
    let converted = column.ty.as_ref().and_then(|from| {
        (!takes(from, to, forward)).then(|| over(table, column, (default, from), forward, dialect))
    });
    Some(converted.flatten().unwrap_or_else(|| default.clone()))
}

/// Whether the new type takes the default as it is written, and for the same value.
fn takes(from: &SqlType, to: &SqlType, forward: &Conv) -> bool {
    const TEXTS: [&str; 3] = ["text", "varchar", "bpchar"];
    let both = |family: &[&str]| [from, to].iter().all(|ty| family.contains(&ty.name.as_str()));
    !matches!(forward, Conv::Expr { .. })
        && (from.dimensions, to.dimensions) == (0, 0)
        && (both(&INTEGERS) || both(&TEXTS))
}

fn over(
    table: &ObjectName,
    column: &Column,
    (default, from): (&Expr, &SqlType),
    forward: &Conv,
    dialect: Dialect,
) -> Option<Expr> {
    const PLACE: &str = "downhaul_default";
    let value = format!("CAST({} AS {})", default.text, render_type(from, dialect));
    let text = match forward {
        Conv::Same(_) => value,
        Conv::Cast(_, ty) => format!("CAST({value} AS {ty})"),
        Conv::Expr { text, .. } => {
            let place = Ident::stored(dialect, PLACE);
            let mut text = rename_ident(text, dialect, &column.name, &place);
            // The value stands for the column with its table and schema.
            while let Some(dot) = text.find(&format!(".{PLACE}")) {
                let qualifies = |c: char| c.is_alphanumeric() || "_$\".".contains(c);
                let from = text[..dot].trim_end_matches(qualifies).len();
                if from == dot {
                    return None;
                }
                text.replace_range(from..=dot, "");
            }
            let often = text.matches(PLACE).count() > 1
                && default
                    .functions
                    .iter()
                    .any(|f| VOLATILE.contains(&f.as_str()) || f == "nextval");
            // A default reads no query, and what comes out otherwise each time has to come out once.
            if often
                || text.contains(&format!(".{PLACE}"))
                || text.to_lowercase().contains("select")
            {
                return None;
            }
            format!("({})", text.replace(PLACE, &value))
        }
    };
    let (table, name) =
        (dialect.quote_name_if_needed(table), dialect.quote_if_needed(&column.name));
    let script = parse_script(
        &format!("ALTER TABLE {table} ALTER COLUMN {name} SET DEFAULT {text}"),
        dialect,
    );
    match script.statements.first()?.changes() {
        [Change::SetDefault { default, .. }] => Some(default.clone()),
        _ => None,
    }
}

//! UNIQUE and PRIMARY KEY over columns that this file adds, all with a constant default: every row that is there
//! holds the same, and so does each that the old release writes. The rule could only fail, at the contract, when
//! the new release is live; so it is refused here, with the lines to write.

use downhaul_syntax::{Change, ConstraintKind, Expr, Ident, ObjectName};

use super::add_column::VOLATILE;
use super::conversion::directive_for;
use super::{HERE, Refused, Scene, refused};

/// Functions that give one value for all rows of a statement.
const STABLE: [&str; 8] = [
    "now",
    "current_timestamp",
    "localtimestamp",
    "transaction_timestamp",
    "current_date",
    "current_user",
    "session_user",
    "unixepoch",
];

/// The columns in which a change lets no two rows be equal, and whether they may be NULL.
fn key_of(change: &Change) -> Option<(&ObjectName, Vec<&Ident>, bool)> {
    match change {
        Change::AddColumn { table, column, .. } => {
            let mut kinds = column.constraints.iter().map(|constraint| &constraint.kind);
            let nulls = kinds.find_map(|kind| match kind {
                ConstraintKind::PrimaryKey { .. } => Some(false),
                ConstraintKind::Unique { .. } => Some(true),
                _ => None,
            })?;
            Some((table, vec![&column.name], nulls))
        }
        Change::AddConstraint { table, constraint, .. } => match &constraint.kind {
            ConstraintKind::PrimaryKey { columns, using_index: None } => {
                Some((table, columns.iter().collect(), false))
            }
            ConstraintKind::Unique { columns, using_index: None, .. } => {
                Some((table, columns.iter().collect(), true))
            }
            _ => None,
        },
        // A condition leaves rows out, perhaps all that hold the default; an expression may tell rows apart.
        Change::CreateIndex { index, .. } if index.unique && index.predicate.is_none() => {
            let parts = index.parts.iter().map(|part| part.column.as_ref());
            Some((&index.table, parts.collect::<Option<_>>()?, true))
        }
        _ => None,
    }
}

/// Whether a default is the same for all rows of a statement. A function of which nothing is known may give
/// another value each time.
fn is_constant(default: &Expr) -> bool {
    let stable =
        |name: &String| STABLE.contains(&name.as_str()) && !VOLATILE.contains(&name.as_str());
    default.columns.is_empty()
        && default.functions.iter().all(stable)
        && !default.text.trim().eq_ignore_ascii_case("null")
}

/// Whether the file adds a column, by this statement or by one before it, that has one value in all rows.
fn has_one_value(
    table: &ObjectName,
    column: &Ident,
    changes: &[Change],
    scene: &Scene<'_>,
) -> bool {
    if let Some(known) = scene.now.table(table).and_then(|t| t.column(column)) {
        return known.origin == HERE && known.default.as_ref().is_some_and(is_constant);
    }
    let added = changes.iter().find_map(|change| match change {
        Change::AddColumn { table: of, column: def, .. } => {
            (scene.now.normalize(of) == *table && def.name == *column).then_some(def)
        }
        _ => None,
    });
    added.is_some_and(|def| {
        directive_for(&scene.forward, column, true).is_none()
            && def.default.as_ref().is_some_and(is_constant)
    })
}

/// Refuses a rule that could only fail.
pub(crate) fn check(changes: &[Change], scene: &Scene<'_>) -> Result<(), Refused> {
    for change in changes {
        let Some((table, columns, nulls)) = key_of(change) else { continue };
        // There it is refused in any case: the rule has to stand in a statement of its own.
        if scene.dialect().is_mysql_family() && matches!(change, Change::AddColumn { .. }) {
            continue;
        }
        let Some(known) = scene.now.table(table).filter(|t| t.origin != HERE) else { continue };
        // What rows that break the rule get is said above it.
        let mended =
            columns.iter().any(|c| directive_for(&scene.forward, c, columns.len() == 1).is_some());
        let differs = columns.iter().any(|c| !has_one_value(&known.name, c, changes, scene));
        if mended || differs {
            continue;
        }
        let list: Vec<String> = columns.iter().map(ToString::to_string).collect();
        let list = list.join(", ");
        let rule = if nulls { "UNIQUE" } else { "PRIMARY KEY" };
        let above = columns
            .iter()
            .map(|c| format!("  -- downhaul:forward {} \"EXPRESSION\"", c.as_str()))
            .collect::<Vec<_>>()
            .join("\n");
        let mut next = format!(
            "where each row can be told its own value, say how above the statement that adds the column, and leave out the DEFAULT:\n{above}\n"
        );
        if nulls {
            next.push_str(
                "where only the new release knows it, leave out DEFAULT and NOT NULL: NULLs are not equal, so UNIQUE bears them; SET NOT NULL in a migration behind this one, when every row has its own\n",
            );
        }
        next.push_str(&format!(
            "where {} holds one row at most, add {rule} in a file of its own, behind this one",
            known.name
        ));
        return refused(
            format!(
                "{rule} ({list}) of {} could only fail, at the contract: rows that are there, and those that the old release writes, all hold the DEFAULT",
                known.name
            ),
            next,
        );
    }
    Ok(())
}

//! `ALTER COLUMN … TYPE`: at once where no row changes, else a second column that is filled behind
//! the writers and then takes the first one's place ([`super::retype`]).

use downhaul_catalog::{Table, inverse_script, render_type};
use downhaul_syntax::{Change, Expr, Ident, ObjectName, SqlType, parse_script};

use super::as_written::piece;
use super::conversion::{Conv, directive_for};
use super::dependents::Dependents;
use super::made_anew::MadeAnew;
use super::names;
use super::piece::{Piece, Side, Slot};
use super::retype::{INTEGERS, Retyped, retype};
use super::reverse;
use super::{Made, Refused, Scene, refused};

/// What the statement asks for.
struct Wanted<'a> {
    ty: &'a SqlType,
    collation: Option<&'a str>,
    using: Option<&'a Expr>,
}

/// What becomes of a column.
pub(crate) enum Read {
    /// No row changes.
    Made(Box<Made>),
    Retyped(Box<Retyped>),
}

/// A column of another type.
pub(crate) fn alter_column_type(
    change: &Change,
    text: Option<&str>,
    scene: &Scene<'_>,
) -> Result<Made, Refused> {
    match read(change, text, scene)? {
        Read::Made(made) => Ok(*made),
        Read::Retyped(retyped) => retype(&[*retyped], scene),
    }
}

/// Reads what is asked for.
pub(crate) fn read(
    change: &Change,
    text: Option<&str>,
    scene: &Scene<'_>,
) -> Result<Read, Refused> {
    let Change::AlterColumnType { table, column, ty, collation, using } = change else {
        return refused("no column changes its type", "write the phases by hand");
    };
    let wanted = Wanted { ty, collation: collation.as_deref(), using: using.as_ref() };
    let known = scene.table(table)?;
    let old = scene.column(table, column)?;
    let Some(ty) = &old.ty else {
        return refused(
            format!("{table}.{column} has no known type"),
            "give the schema with --schema FILE",
        );
    };
    let mut made = Made::default();
    let converts = directive_for(&scene.forward, column, true).is_some()
        && directive_for(&scene.back, column, true).is_some();
    let plain = wanted.using.is_none() && wanted.collation.is_none() && !converts;
    if plain && is_free(ty, wanted.ty) {
        let parts = Dependents::with_ties(scene, table, &[(column.clone(), spare(known, scene))])?;
        let around = MadeAnew::of(scene, known, column, &parts.ties)?;
        if !around.is_empty() {
            around.note(&mut made);
            made.push(Slot::EXPAND, at_once(change, &around, scene)?);
            return Ok(Read::Made(Box::new(made)));
        }
    }
    if plain && (is_free(ty, wanted.ty) || ty == wanted.ty) {
        made.push(
            Slot::EXPAND,
            piece(change, text, scene, "No row changes: the lock is held for an instant.")?,
        );
        return Ok(Read::Made(Box::new(made)));
    }
    if old.generated.is_some() {
        return refused(
            format!("{table}.{column} is a generated column"),
            "add a second generated column under a new name, and drop this one later",
        );
    }
    if old.identity.is_some() && !INTEGERS.contains(&wanted.ty.name.as_str()) {
        return refused(
            format!("{table}.{column} is an identity column, and only an integer counts"),
            "drop the identity in a migration before this one (ALTER COLUMN … DROP IDENTITY)",
        );
    }
    let dialect = scene.dialect();
    let forward = match (directive_for(&scene.forward, column, true), wanted.using) {
        (Some(directive), _) => Conv::of_directive(directive, known, dialect)?,
        (None, Some(using)) => Conv::of_text(&using.text, known, dialect)?,
        (None, None) => Conv::Cast(column.clone(), render_type(wanted.ty, dialect)),
    };
    if forward.columns().iter().any(|c| c != column) {
        return refused(
            format!("the new {table}.{column} is computed from other columns too"),
            "add a column under a new name with -- downhaul:forward, and drop this one",
        );
    }
    let back = match directive_for(&scene.back, column, true) {
        Some(directive) => Conv::of_directive(directive, known, dialect)?,
        None => match derived_back(ty, wanted.ty, &forward, column, scene) {
            Some(back) => back,
            None => {
                return refused(
                    format!(
                        "nothing says how {table}.{column} gets from {} back to {}",
                        render_type(wanted.ty, dialect),
                        render_type(ty, dialect)
                    ),
                    reverse::say_how(&forward, column, &render_type(ty, dialect), dialect),
                );
            }
        },
    };
    Ok(Read::Retyped(Box::new(Retyped {
        table: known.name.clone(),
        column: column.clone(),
        ty: wanted.ty.clone(),
        collation: wanted.collation.map(str::to_owned),
        forward,
        back,
    })))
}

/// Whether the statement gives the column another type behind which values are stored otherwise.
pub(crate) fn is_phased(old: Option<&SqlType>, new: &SqlType) -> bool {
    old.is_some_and(|old| !is_free(old, new) && old != new)
}

/// A name that no column has.
fn spare(known: &Table, scene: &Scene<'_>) -> Ident {
    names::free_column(scene.now, &known.name, "downhaul_spare")
}

/// A change that touches no row, with what reads the column made anew around it.
fn at_once(change: &Change, around: &MadeAnew, scene: &Scene<'_>) -> Result<Piece, Refused> {
    let dialect = scene.dialect();
    let mut alter = Side::default();
    alter.change("No row changes: the lock is held for an instant.", change, dialect)?;
    let text: String = alter.steps.iter().map(|step| format!("{};\n", step.sql)).collect();
    let (mut up, mut down) = (Side::default(), Side::default());
    around.ask(&mut up);
    around.take_away(&mut up);
    up.append(alter);
    around.bring_back(&mut up);
    around.take_away(&mut down);
    for statement in inverse_script(&parse_script(&text, dialect), scene.now).statements {
        down.sql("", statement.sql);
    }
    around.bring_back(&mut down);
    Ok(Piece::made(up, down))
}

/// Whether the server changes no row: the new type takes every value as it is stored.
fn is_free(old: &SqlType, new: &SqlType) -> bool {
    if old.dimensions != new.dimensions || old.schema != new.schema {
        return false;
    }
    let length =
        |ty: &SqlType, at: usize| ty.args.get(at).and_then(|a| a.trim().parse::<u32>().ok());
    match (old.name.as_str(), new.name.as_str()) {
        ("varchar", "text") | ("cidr", "inet") => true,
        ("text", "varchar") => new.args.is_empty(),
        ("varchar" | "varbit", same) if same == old.name => {
            match (length(old, 0), length(new, 0)) {
                (_, None) => true,
                (Some(old), Some(new)) => new >= old,
                (None, Some(_)) => false,
            }
        }
        ("numeric", "numeric") => match (length(old, 0), length(new, 0)) {
            (_, None) => true,
            (Some(precision), Some(wider)) => {
                wider >= precision && length(old, 1).unwrap_or(0) == length(new, 1).unwrap_or(0)
            }
            (None, Some(_)) => false,
        },
        _ => false,
    }
}

/// Whether an expression, in lower case, is a cast of a column, or a cast of such a cast.
fn is_cast(text: &str, column: &str) -> bool {
    let inner = text.trim().strip_prefix("cast(").and_then(|rest| rest.strip_suffix(')'));
    match inner.and_then(|inner| inner.rsplit_once(" as ")) {
        Some((value, _)) => value.trim() == column || is_cast(value, column),
        None => false,
    }
}

/// How a value of the new type becomes one of the old, where a cast says so beyond doubt.
fn derived_back(
    old: &SqlType,
    new: &SqlType,
    forward: &Conv,
    column: &Ident,
    scene: &Scene<'_>,
) -> Option<Conv> {
    if let Conv::Expr { text, .. } = forward {
        let text = text.to_lowercase();
        let plain = ["(", "+", "-", "*", "/", "||", "case", "coalesce", " at "];
        let body = text.split("::").next().unwrap_or_default();
        let casts = text.split("::").count() == 2 && !plain.iter().any(|p| body.contains(p));
        if !casts && !is_cast(&text, &scene.dialect().quote_if_needed(column).to_lowercase()) {
            return None;
        }
    }
    let enumeration = |ty: &SqlType| {
        let name = ObjectName {
            schema: ty.schema.clone(),
            name: Ident::stored(scene.dialect(), &ty.name),
        };
        scene
            .now
            .types
            .get(&scene.now.normalize(&name))
            .is_some_and(|t| matches!(t.def, downhaul_syntax::TypeDef::Enum(_)))
    };
    let word = |ty: &SqlType| {
        if ty.dimensions > 0 {
            "array"
        } else if INTEGERS.contains(&ty.name.as_str()) {
            "integer"
        } else if matches!(ty.name.as_str(), "text" | "varchar") {
            "text"
        } else if enumeration(ty) {
            "enum"
        } else {
            match ty.name.as_str() {
                "numeric" => "numeric",
                "uuid" => "uuid",
                "json" | "jsonb" => "json",
                _ => "other",
            }
        }
    };
    // As long as a uuid is written: nothing is cut, and nothing filled up.
    let written_uuid = old.dimensions == 0 && old.name == "char" && old.args == ["36"];
    let known = written_uuid && word(new) == "uuid"
        || matches!(
            (word(old), word(new)),
            ("integer", "integer" | "numeric" | "text")
                | ("numeric", "integer" | "numeric" | "text")
                | ("text", "text" | "integer" | "numeric" | "enum" | "uuid" | "json")
                | ("enum", "text" | "enum")
                | ("uuid", "text")
                | ("json", "json" | "text")
        );
    if !known {
        return None;
    }
    let target = render_type(old, scene.dialect());
    if word(old) == "enum" && word(new) == "enum" {
        let dialect = scene.dialect();
        let text = format!("CAST(CAST({} AS text) AS {target})", dialect.quote_if_needed(column));
        return Some(Conv::Expr { text, columns: vec![column.clone()] });
    }
    Some(Conv::Cast(column.clone(), target))
}

//! `RENAME TABLE`: a view lends the table its second name until nobody uses the old one.
//!
//! One `RENAME TABLE` moves several names at once, views among them, and nobody sees the state in
//! between: at the contract the view makes room in the statement in which the table takes its name.

use downhaul_catalog::Table;
use downhaul_syntax::lexer::{TokenKind, lex};
use downhaul_syntax::{Dialect, Ident, ObjectName};

use crate::Direction;
use crate::op::names;
use crate::op::piece::{Piece, Side, Slot};
use crate::op::{Made, Refused, Scene, refused};

/// A renamed table.
pub(crate) fn rename_table(
    from: &ObjectName,
    to: &ObjectName,
    scene: &Scene<'_>,
) -> Result<Made, Refused> {
    let (now, dialect) = (scene.now, scene.dialect());
    let table = scene.table(from)?;
    let from = table.name.clone();
    if to.schema.is_some() && to.schema != from.schema {
        return refused(
            format!("{from} moves to another database"),
            "write the phases by hand, or take the pause",
        );
    }
    let to = ObjectName { schema: from.schema.clone(), name: to.name.clone() };
    if now.table(&to).is_some() || now.view(&to).is_some() {
        return refused(format!("there is a {to} already"), "choose another name");
    }
    if let Some(what) = names_it(&from, scene) {
        return refused(
            format!("{what} names {from}, and goes on naming it when it is gone"),
            "drop it in a migration before this one, and create it over the new name in one behind it",
        );
    }
    let mut made = Made::default();
    made.note(format!(
        "the view {to} is read and written with the rights of its client: grant them on {to}, too, where they are granted table by table"
    ));
    if let Some(column) = table.columns.iter().find(|c| c.invisible) {
        made.note(format!("the view shows the invisible column {}", column.name));
    }
    let aside = |base: &str| {
        let name = names::free(base, |name| {
            let name = in_schema(&from, Ident::stored(dialect, name));
            now.table(&name).is_some() || now.view(&name).is_some()
        });
        in_schema(&from, Ident::stored(dialect, &name))
    };
    let view = aside(&format!("{}_view", to.name));
    let stand_in = aside(&format!("{}_stand_in", from.name));

    let (mut up, mut down) = (Side::default(), Side::default());
    up.sql(
        "The new name, for the new release: reads and writes go through to the table, which the running release does not see change.",
        create("CREATE", &to, &from, table, dialect),
    );
    drop_view(&to, &mut down, dialect);
    made.push(Slot::EXPAND, Piece::made(up, down));

    let (mut up, mut down) = (Side::default(), Side::default());
    rename(
        &[(&to, &view), (&from, &to)],
        "The old release is gone. In one statement the view makes room and the table takes its name: the new release finds the one or the other.",
        &mut up,
        dialect,
    );
    drop_view(&view, &mut up, dialect);
    down.sql(
        "A view can only be made over what is there; nobody uses the old name yet.",
        create("CREATE", &from, &to, table, dialect),
    );
    down.sql("", create("CREATE", &view, &from, table, dialect));
    rename(
        &[(&from, &stand_in), (&to, &from), (&view, &to)],
        "In one statement: the new release goes on under its name, and the old one finds the table.",
        &mut down,
        dialect,
    );
    drop_view(&stand_in, &mut down, dialect);
    down.sql(
        "The same view, made over the table itself.",
        create("CREATE OR REPLACE", &to, &from, table, dialect),
    );
    made.push(Slot::CONTRACT, Piece::made(up, down));
    made.derive(Slot::CONTRACT, &[Direction::Down]);
    Ok(made)
}

fn in_schema(table: &ObjectName, name: Ident) -> ObjectName {
    ObjectName { schema: table.schema.clone(), name }
}

fn create(
    verb: &str,
    view: &ObjectName,
    over: &ObjectName,
    table: &Table,
    dialect: Dialect,
) -> String {
    let columns: Vec<String> =
        table.columns.iter().map(|c| format!("    {}", dialect.quote_if_needed(&c.name))).collect();
    format!(
        "{verb} SQL SECURITY INVOKER VIEW {} AS SELECT\n{}\nFROM {}",
        dialect.quote_name_if_needed(view),
        columns.join(",\n"),
        dialect.quote_name_if_needed(over)
    )
}

fn drop_view(view: &ObjectName, side: &mut Side, dialect: Dialect) {
    side.sql("", format!("DROP VIEW {}", dialect.quote_name_if_needed(view)));
}

fn rename(pairs: &[(&ObjectName, &ObjectName)], why: &str, side: &mut Side, dialect: Dialect) {
    let q = |name: &ObjectName| dialect.quote_name_if_needed(name);
    let moves: Vec<String> = pairs.iter().map(|(a, b)| format!("{} TO {}", q(a), q(b))).collect();
    side.sql(why, format!("RENAME TABLE {}", moves.join(", ")));
}

/// A view, or a trigger or routine, whose text names the table.
fn names_it(table: &ObjectName, scene: &Scene<'_>) -> Option<String> {
    let now = scene.now;
    let dialect = scene.dialect();
    let mentions = |text: &str| {
        lex(text, dialect).tokens.iter().any(|token| {
            matches!(token.kind, TokenKind::Word | TokenKind::QuotedIdent)
                && text[token.span.start..token.span.end]
                    .trim_matches('`')
                    .eq_ignore_ascii_case(table.name.as_str())
        })
    };
    let view = now.views.iter().find(|(_, view)| view.query.tables.contains(table));
    if let Some((name, _)) = view {
        return Some(format!("the view {name}"));
    }
    for trigger in now.tables.values().flat_map(|t| &t.triggers) {
        if mentions(&trigger.text) {
            return Some(format!("the trigger {}", trigger.name));
        }
    }
    now.routines
        .iter()
        .find(|(_, routine)| routine.def.body.as_deref().is_some_and(mentions))
        .map(|(key, _)| format!("the routine {}", key.name))
}

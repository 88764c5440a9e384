//! Watches on PostgreSQL: a function with the rights of its owner, called by triggers with a condition.

use downhaul_syntax::Ident;

use super::{Trigger, Watched};
use crate::op::names;
use crate::op::piece::Side;

pub(super) fn create(watched: &Watched<'_>, side: &mut Side, why: &str) {
    let watch = watched.quoted();
    side.sql(
        why,
        format!("CREATE TABLE {watch} (n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())"),
    );
    side.sql("", format!("COMMENT ON TABLE {watch} IS {}", watched.mark()));
    side.sql(
        "It writes with the rights of its owner: an application need not know it.",
        format!(
            "CREATE FUNCTION {watch}() RETURNS trigger\n    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT\n    AS $watch$\nBEGIN\n    IF (SELECT w.at FROM {watch} w ORDER BY w.n DESC LIMIT 1) > pg_catalog.now() - interval '10 seconds' THEN\n        NULL;\n    ELSE\n        INSERT INTO {watch} DEFAULT VALUES;\n    END IF;\n    RETURN NEW;\nEND\n$watch$"
        ),
    );
}

pub(super) fn triggers(watched: &Watched<'_>) -> Vec<Trigger> {
    let inserted =
        watched.column.and_then(|(column, successor)| watched.inserted(column, successor));
    with(watched, inserted)
}

/// Those behind a change of names: the old name is that of a column without a default, which nobody
/// fills who does not know it.
pub(super) fn behind_switch(watched: &Watched<'_>) -> Vec<Trigger> {
    let inserted = watched
        .column
        .map(|(column, _)| format!("NEW.{} IS NOT NULL", watched.dialect.quote_if_needed(column)));
    with(watched, inserted)
}

/// With what an INSERT that uses the column looks like.
fn with(watched: &Watched<'_>, inserted: Option<String>) -> Vec<Trigger> {
    let dialect = watched.dialect;
    let (table, watch) = (watched.quoted_table(), watched.quoted());
    let base = match watched.column {
        Some((column, _)) => column.to_string(),
        None => "rows".to_owned(),
    };
    let trigger = |end: &str, event: String| {
        let taken = |name: &str| watched.table.triggers.iter().any(|t| t.name.as_str() == name);
        let name = Ident::stored(dialect, &names::free(&format!("watch_{base}_{end}"), taken));
        (dialect.quote_if_needed(&name), format!("{event} EXECUTE FUNCTION {watch}()"))
    };
    let Some((column, _)) = watched.column else {
        let event = format!("BEFORE INSERT OR UPDATE OR DELETE ON {table} FOR EACH STATEMENT");
        return vec![trigger("any", event)];
    };
    let inserted = inserted
        .map(|when| trigger("ins", format!("BEFORE INSERT ON {table} FOR EACH ROW WHEN ({when})")));
    let updated = trigger(
        "upd",
        format!(
            "BEFORE UPDATE OF {} ON {table} FOR EACH ROW WHEN ({})",
            dialect.quote_if_needed(column),
            watched.changed(column)
        ),
    );
    inserted.into_iter().chain([updated]).collect()
}

//! Who still writes what goes: a trigger on the old column or table, from expand to contract.
//!
//! It notes a time, every ten seconds at most, in a table of its own: nobody waits for anybody, and a
//! write that is rolled back is not noted. Reads fire no trigger; those are what queries and
//! `pg_stat_statements` are looked at for.

use downhaul_catalog::Table;
use downhaul_syntax::{Change, Dialect, Ident, ObjectName, SqlType};

use super::conversion::differ;
use super::names;
use super::piece::{Piece, Side, Slot};
use super::{Made, Scene};

/// What is watched.
struct Watched<'a> {
    table: &'a Table,
    /// A column, and the one that takes its place; else the whole table.
    column: Option<(&'a Ident, Option<&'a Ident>)>,
}

/// Adds watches for what the changes take away.
pub(crate) fn add(changes: &[Change], scene: &Scene<'_>, made: &mut Made) {
    let contracts = made.pieces.iter().any(|(slot, _)| slot.phase == crate::Phase::Contract);
    if !contracts {
        return;
    }
    let mut found = Vec::new();
    for change in changes {
        let (table, column) = match change {
            Change::RenameColumn { table, from, to } => (table, Some((from, Some(to)))),
            Change::DropColumn { table, column, .. } => (table, Some((column, None))),
            Change::DropTable { name, .. } => (name, None),
            _ => continue,
        };
        let Some(table) = scene.now.table(table) else { continue };
        if column.is_some_and(|(column, _)| table.column(column).is_none()) {
            continue;
        }
        found.push(Watched { table, column });
    }
    if found.is_empty() {
        made.note("nothing of this change can be watched: a watch sees writes to a column or table that goes");
    } else if scene.dialect() != Dialect::Postgres {
        made.note(
            "watches are triggers of PostgreSQL; on this engine the gate has nothing to look at",
        );
    } else {
        for watched in found {
            watched.push(scene, made);
        }
    }
}

impl Watched<'_> {
    /// The table and the function of the watch.
    fn name(&self, scene: &Scene<'_>) -> ObjectName {
        let table = &self.table.name;
        let base = match self.column {
            Some((column, _)) => format!("{}_{column}_watch", table.name),
            None => format!("{}_watch", table.name),
        };
        let name = names::free_part(scene.now, table, &base);
        ObjectName { schema: table.schema.clone(), name }
    }

    fn push(&self, scene: &Scene<'_>, made: &mut Made) {
        let dialect = scene.dialect();
        let name = self.name(scene);
        let shown = match self.column {
            Some((column, _)) => format!("{}.{column}", self.table.name),
            None => self.table.name.to_string(),
        };
        let (watch, table) =
            (dialect.quote_name_if_needed(&name), dialect.quote_name_if_needed(&self.table.name));
        let create = |side: &mut Side, why: &str| {
            side.sql(
                why,
                format!("CREATE TABLE {watch} (n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())"),
            );
            side.sql(
                "",
                format!(
                    "COMMENT ON TABLE {watch} IS {}",
                    dialect.literal(&format!("downhaul watch of {shown}"))
                ),
            );
            side.sql(
                "It writes with the rights of its owner: an application need not know it.",
                format!(
                    "CREATE FUNCTION {watch}() RETURNS trigger\n    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT\n    AS $watch$\nBEGIN\n    IF (SELECT w.at FROM {watch} w ORDER BY w.n DESC LIMIT 1) > pg_catalog.now() - interval '10 seconds' THEN\n        NULL;\n    ELSE\n        INSERT INTO {watch} DEFAULT VALUES;\n    END IF;\n    RETURN NEW;\nEND\n$watch$"
                ),
            );
            for (trigger, event) in self.triggers(scene) {
                side.sql(
                    "",
                    format!(
                        "CREATE TRIGGER {} {event} EXECUTE FUNCTION {watch}()",
                        dialect.quote_if_needed(&trigger)
                    ),
                );
            }
        };
        let drop = |side: &mut Side, why: &str| {
            let mut why = why;
            for (trigger, _) in self.triggers(scene) {
                side.sql(
                    why,
                    format!("DROP TRIGGER {} ON {table}", dialect.quote_if_needed(&trigger)),
                );
                why = "";
            }
            side.sql("", format!("DROP FUNCTION {watch}()"));
            side.sql("", format!("DROP TABLE {watch}"));
        };
        let (mut up, mut down) = (Side::default(), Side::default());
        create(
            &mut up,
            &format!(
                "Notes when a release last wrote {shown}: `downhaul gates` asks it. Reads are not seen."
            ),
        );
        drop(&mut down, "");
        made.push(Slot::EXPAND, Piece::made(up, down));
        let (mut up, mut down) = (Side::default(), Side::default());
        drop(&mut up, "Nobody has written it for a while.");
        create(&mut down, "");
        // Before what it watches goes, and behind it on the way back.
        made.pieces.insert(0, (Slot::CONTRACT, Piece::made(up, down)));
    }

    /// Names of triggers, and when they fire.
    fn triggers(&self, scene: &Scene<'_>) -> Vec<(Ident, String)> {
        let dialect = scene.dialect();
        let table = dialect.quote_name_if_needed(&self.table.name);
        let base = match self.column {
            Some((column, _)) => column.to_string(),
            None => "rows".to_owned(),
        };
        let name = |end: &str| {
            let taken = |name: &str| self.table.triggers.iter().any(|t| t.name.as_str() == name);
            Ident::stored(dialect, &names::free(&format!("watch_{base}_{end}"), taken))
        };
        let Some((column, successor)) = self.column else {
            return vec![(
                name("any"),
                format!("BEFORE INSERT OR UPDATE OR DELETE ON {table} FOR EACH STATEMENT"),
            )];
        };
        let q = dialect.quote_if_needed(column);
        let found = self.table.column(column);
        let ty: Option<&SqlType> = found.and_then(|c| c.ty.as_ref());
        let new = format!("NEW.{q}");
        let mut inserted = vec![format!("{new} IS NOT NULL")];
        match found.and_then(|c| c.default.as_ref()) {
            None => {}
            // Who leaves the column out does not use it.
            Some(default) if default.functions.is_empty() => {
                inserted.push(differ(&new, &format!("({})", default.text), ty, dialect));
            }
            Some(_) => inserted.clear(),
        }
        if let Some(successor) = successor {
            inserted.push(format!("NEW.{} IS NULL", dialect.quote_if_needed(successor)));
        }
        let mut out = Vec::new();
        if inserted.len() > usize::from(successor.is_some()) {
            out.push((
                name("ins"),
                format!("BEFORE INSERT ON {table} FOR EACH ROW WHEN ({})", inserted.join(" AND ")),
            ));
        }
        out.push((
            name("upd"),
            format!(
                "BEFORE UPDATE OF {q} ON {table} FOR EACH ROW WHEN ({})",
                differ(&new, &format!("OLD.{q}"), ty, dialect)
            ),
        ));
        out
    }
}

//! Who still writes what goes: triggers on the old column or table, from expand to contract.
//!
//! They note a time, every ten seconds at most, in a table of their own: nobody waits for anybody, and
//! a write that is rolled back is not noted. Reads fire no trigger on any engine; those are what queries
//! and `pg_stat_statements` are looked at for.

mod mysql;
mod postgres;
mod sqlite;

use downhaul_catalog::Table;
use downhaul_syntax::{Change, Dialect, Ident, ObjectName, SqlType};

use super::conversion::{Conv, differ, directive_for};
use super::names;
use super::piece::{Piece, Side, Slot};
use super::{Made, Scene};

/// What is watched.
struct Watched<'a> {
    table: &'a Table,
    /// A column, and the one that takes its place; else the whole table.
    column: Option<(&'a Ident, Option<&'a Ident>)>,
    dialect: Dialect,
    /// The table that holds the times, and on PostgreSQL the function of the same name.
    name: ObjectName,
    /// Triggers of the expand phase that keep the column in step: before the row is written, and so
    /// behind the watch (MySQL). For an event, the first of them.
    synced: Vec<(String, Ident)>,
    /// At the switch the column changes names with the one beside it, and triggers go with it (PostgreSQL).
    changes_names: bool,
    /// Something of ours fills the column where it is empty (SQLite, where it does so by an UPDATE).
    fed: bool,
    /// What an INSERT that leaves the column out finds in it before any trigger fires: what `downhaul:back` makes,
    /// which is its default meanwhile (MariaDB).
    meanwhile: Option<String>,
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
            Change::ModifyColumn { table, from, column, .. } if *from != column.name => {
                (table, Some((from, Some(&column.name))))
            }
            Change::DropColumn { table, column, .. } => (table, Some((column, None))),
            Change::DropTable { name, .. } => (name, None),
            _ => continue,
        };
        let Some(table) = scene.now.table(table) else { continue };
        if column.is_some_and(|(column, _)| table.column(column).is_none()) {
            continue;
        }
        let base = match column {
            Some((column, _)) => format!("{}_{column}_watch", table.name),
            None => format!("{}_watch", table.name),
        };
        let name = names::free_part(scene.now, &table.name, &base);
        found.push(Watched {
            table,
            column,
            dialect: scene.dialect(),
            name: ObjectName { schema: table.name.schema.clone(), name },
            synced: mysql::synced(&made.pieces, scene),
            changes_names: scene.dialect() == Dialect::Postgres
                && matches!(change, Change::RenameColumn { .. })
                && made.pieces.iter().any(|(slot, _)| *slot == Slot::SWITCH),
            fed: !scene.back.is_empty(),
            meanwhile: match change {
                Change::DropColumn { column, .. } if scene.dialect().is_mysql_family() => {
                    let dialect = scene.dialect();
                    let new = |column: &Ident| format!("NEW.{}", dialect.quote_if_needed(column));
                    directive_for(&scene.back, column, true)
                        .and_then(|back| Conv::of_directive(back, table, dialect).ok())
                        .map(|conv| conv.over(&new, &table.name, dialect))
                }
                _ => None,
            },
        });
    }
    if found.is_empty() {
        made.note("nothing of this change can be watched: a watch sees writes to a column or table that goes");
    }
    for watched in found {
        watched.push(scene, made);
    }
}

/// A trigger: its name, and what stands behind `CREATE TRIGGER name`.
type Trigger = (String, String);

impl Watched<'_> {
    fn push(&self, scene: &Scene<'_>, made: &mut Made) {
        let shown = self.shown();
        let why = format!(
            "Notes when a release last wrote {shown}: `downhaul gates` asks it. {}",
            match (self.column, self.dialect) {
                (None, _) => "Neither reads nor TRUNCATE are seen.",
                (Some(_), Dialect::Sqlite) if self.fed =>
                    "Reads are not seen, nor an UPDATE that gives an empty one its first value.",
                (Some(_), _) => "Reads are not seen.",
            }
        );
        let triggers = self.triggers(scene);
        let (mut up, mut down) = (Side::default(), Side::default());
        self.create(&triggers, &mut up, &why);
        self.drop(&triggers, &mut down, "");
        made.push(Slot::EXPAND, Piece::made(up, down));
        let behind =
            if self.changes_names { postgres::behind_switch(self) } else { triggers.clone() };
        if self.changes_names {
            let (mut up, mut down) = (Side::default(), Side::default());
            self.unset(
                &triggers,
                &mut up,
                "A watch would go with the first column: it stays with the old name.",
            );
            self.set(&triggers, &mut down, "The watch stays with the old name.");
            made.pieces.insert(0, (Slot::SWITCH, Piece::made(up, down)));
            let (mut up, mut down) = (Side::default(), Side::default());
            self.set(&behind, &mut up, "Who writes the old name now.");
            self.unset(&behind, &mut down, "");
            made.push(Slot::SWITCH, Piece::made(up, down));
        }
        let (mut up, mut down) = (Side::default(), Side::default());
        self.drop(&behind, &mut up, "Nobody has written it for a while.");
        self.create(&behind, &mut down, "");
        // Before what it watches goes, and behind it on the way back.
        made.pieces.insert(0, (Slot::CONTRACT, Piece::made(up, down)));
    }

    /// What is watched, for people.
    fn shown(&self) -> String {
        match self.column {
            Some((column, _)) => format!("{}.{column}", self.table.name),
            None => self.table.name.to_string(),
        }
    }

    /// By which `downhaul gates` knows the table of a watch, as a literal.
    fn mark(&self) -> String {
        self.dialect.literal(&format!("downhaul watch of {}", self.shown()))
    }

    fn quoted(&self) -> String {
        self.dialect.quote_name_if_needed(&self.name)
    }

    fn quoted_table(&self) -> String {
        self.dialect.quote_name_if_needed(&self.table.name)
    }

    fn create(&self, triggers: &[Trigger], side: &mut Side, why: &str) {
        match self.dialect {
            Dialect::Postgres => postgres::create(self, side, why),
            Dialect::Mysql | Dialect::MariaDb => mysql::create(self, side, why),
            Dialect::Sqlite => sqlite::create(self, side, why),
        }
        self.set(triggers, side, "");
    }

    fn set(&self, triggers: &[Trigger], side: &mut Side, why: &str) {
        let mut why = why;
        for (name, rest) in triggers {
            side.sql(why, format!("CREATE TRIGGER {name} {rest}"));
            why = "";
        }
    }

    fn drop(&self, triggers: &[Trigger], side: &mut Side, why: &str) {
        self.unset(triggers, side, why);
        if self.dialect == Dialect::Postgres {
            side.sql("", format!("DROP FUNCTION {}()", self.quoted()));
        }
        side.sql("", format!("DROP TABLE {}", self.quoted()));
    }

    fn unset(&self, triggers: &[Trigger], side: &mut Side, why: &str) {
        let on = match self.dialect {
            Dialect::Postgres => format!(" ON {}", self.quoted_table()),
            _ => String::new(),
        };
        let mut why = why;
        for (name, _) in triggers {
            side.sql(why, format!("DROP TRIGGER {name}{on}"));
            why = "";
        }
    }

    fn triggers(&self, scene: &Scene<'_>) -> Vec<Trigger> {
        match self.dialect {
            Dialect::Postgres => postgres::triggers(self),
            Dialect::Mysql | Dialect::MariaDb => mysql::triggers(self, scene),
            Dialect::Sqlite => sqlite::triggers(self, scene),
        }
    }

    /// A free name for a trigger where names belong to the schema.
    fn trigger_of_schema(&self, scene: &Scene<'_>, end: &str) -> String {
        let taken = |name: &str| {
            let mut all = scene.now.tables.values().flat_map(|table| &table.triggers);
            all.any(|trigger| trigger.name.as_str() == name)
        };
        let base: String = self.name.name.as_str().chars().take(58).collect();
        let name = Ident::stored(self.dialect, &names::free(&format!("{base}_{end}"), taken));
        let schema = match self.dialect {
            Dialect::Sqlite => None,
            _ => self.table.name.schema.clone(),
        };
        self.dialect.quote_name_if_needed(&ObjectName { schema, name })
    }

    fn ty(&self, column: &Ident) -> Option<&SqlType> {
        self.table.column(column).and_then(|column| column.ty.as_ref())
    }

    /// What an INSERT that uses the column looks like; `None` where none can be told from one that
    /// leaves it out.
    fn inserted(&self, column: &Ident, successor: Option<&Ident>) -> Option<String> {
        let q = |c: &Ident| self.dialect.quote_if_needed(c);
        let new = format!("NEW.{}", q(column));
        let mut all = vec![format!("{new} IS NOT NULL")];
        match self.table.column(column).and_then(|found| found.default.as_ref()) {
            None => {}
            // Who leaves the column out does not use it.
            Some(default) if default.functions.is_empty() => {
                let default = format!("({})", default.text);
                all.push(differ(&new, &default, self.ty(column), self.dialect));
            }
            Some(_) => return None,
        }
        if let Some(value) = &self.meanwhile {
            all.push(differ(&new, &format!("({value})"), self.ty(column), self.dialect));
        }
        if let Some(successor) = successor {
            let successor = format!("NEW.{}", q(successor));
            let empty = format!("{successor} IS NULL");
            // Behind the backfill it has what follows from the old one as its default, before any trigger fires.
            all.push(if self.dialect.is_mysql_family() {
                let other = differ(&successor, &new, self.ty(column), self.dialect);
                format!("({empty} OR NOT ({other}))")
            } else {
                empty
            });
        }
        Some(all.join(" AND "))
    }

    /// What an UPDATE that changes the column looks like.
    fn changed(&self, column: &Ident) -> String {
        let q = self.dialect.quote_if_needed(column);
        differ(&format!("NEW.{q}"), &format!("OLD.{q}"), self.ty(column), self.dialect)
    }
}

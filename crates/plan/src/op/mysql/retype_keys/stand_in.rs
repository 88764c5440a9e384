//! What stands in for a key that counts.
//!
//! The server has no way but a copy to give `AUTO_INCREMENT` to a column of another type, and a trigger sees
//! 0 where it counts later: so such a key has no second column. While the table is copied, a table of its
//! numbers alone stands in for it: triggers write it behind each row that comes, goes, or changes its
//! number, and what refers to the key refers to that meanwhile, by a foreign key that does the same. A row
//! of the table goes only if its number may go, and what its number takes along goes too.

use downhaul_catalog::{Column, Table, column_def, render_type};
use downhaul_syntax::{ColumnDef, Dialect, Ident, ObjectName};

use crate::op::mysql::{INSTANT, dropped, modify};
use crate::op::names;
use crate::op::piece::Side;
use crate::op::{Refused, Scene};

/// The key that counts, and what stands in for it.
pub(super) struct StandIn<'a> {
    table: &'a Table,
    old: &'a Column,
    new: ColumnDef,
    /// The lock of the copy.
    lock: &'static str,
    /// The table of its numbers.
    pub(super) name: ObjectName,
    /// A column that tells which rows have been written there.
    noted: Ident,
    /// Names of the triggers: a row comes, goes, changes its number, is noted.
    triggers: [ObjectName; 4],
}

impl<'a> StandIn<'a> {
    pub(super) fn of(
        table: &'a Table,
        old: &'a Column,
        new: ColumnDef,
        lock: &'static str,
        scene: &Scene<'_>,
    ) -> Result<Self, Refused> {
        let now = scene.now;
        let in_schema = |name: &str| ObjectName {
            schema: table.name.schema.clone(),
            name: Ident::stored(now.dialect, name),
        };
        let base: String = format!("{}_{}", table.name.name, old.name).chars().take(48).collect();
        let name = names::free(&format!("{base}_numbers"), |name| {
            now.table(&in_schema(name)).is_some() || now.view(&in_schema(name)).is_some()
        });
        let trigger = |end: &str| {
            in_schema(&names::free(&format!("{base}_{end}"), |name| {
                let mut all = now.tables.values().flat_map(|t| &t.triggers);
                all.any(|trigger| trigger.name.as_str() == name)
            }))
        };
        Ok(Self {
            table,
            old,
            new,
            lock,
            name: in_schema(&name),
            noted: names::free_column(now, &table.name, &format!("{}_noted", old.name)),
            triggers: [trigger("came"), trigger("gone"), trigger("moved"), trigger("noted")],
        })
    }

    /// Whether it stands in for a column.
    pub(super) fn stands_for(&self, table: &ObjectName, column: &Ident) -> bool {
        self.table.name == *table && self.old.name == *column
    }

    /// The table of numbers, filled and followed. `back` says that the key has its new type.
    pub(super) fn make(
        &self,
        back: bool,
        dialect: Dialect,
        side: &mut Side,
    ) -> Result<(), Refused> {
        let q = |c: &Ident| dialect.quote_if_needed(c);
        let (key, noted) = (q(&self.old.name), q(&self.noted));
        let table = dialect.quote_name_if_needed(&self.table.name);
        let numbers = dialect.quote_name_if_needed(&self.name);
        let ty = if back { self.new.ty.as_ref() } else { self.old.ty.as_ref() };
        let ty = ty.map(|ty| render_type(ty, dialect)).unwrap_or_default();
        side.sql(
            &format!("Only a copy gives another type to a column that counts, and nothing may refer to it then. Its numbers alone stand in for it: {numbers} follows {table} in the same transactions, and what refers to the key refers to that meanwhile."),
            format!("CREATE TABLE {numbers} ({key} {ty} NOT NULL PRIMARY KEY) ENGINE=InnoDB"),
        );
        side.sql(
            "Tells which rows are written there. Touches no row.",
            format!("ALTER TABLE {table} ADD COLUMN {noted} tinyint{INSTANT}"),
        );
        side.sql("", format!("ALTER TABLE {table} ALTER COLUMN {noted} SET DEFAULT 1{INSTANT}"));
        let put = format!("INSERT IGNORE INTO {numbers} ({key}) VALUES (NEW.{key});\n");
        let bodies = [
            ("INSERT", format!("    {put}")),
            ("DELETE", format!("    DELETE FROM {numbers} WHERE {key} = OLD.{key};\n")),
            (
                "UPDATE",
                format!(
                    "    IF NEW.{key} <> OLD.{key} THEN\n        UPDATE {numbers} SET {key} = NEW.{key} WHERE {key} = OLD.{key};\n    END IF;\n"
                ),
            ),
            (
                "UPDATE",
                format!(
                    "    IF NOT (NEW.{noted} <=> OLD.{noted}) THEN\n        {put}    END IF;\n"
                ),
            ),
        ];
        for (name, (event, body)) in self.triggers.iter().zip(bodies) {
            side.sql(
                "",
                format!(
                    "CREATE TRIGGER {} AFTER {event} ON {table} FOR EACH ROW\nBEGIN\n{body}END",
                    dialect.quote_name_if_needed(name)
                ),
            );
        }
        side.sql(
            "Downhaul runs this in small batches, by key. Run by another client it is one long UPDATE.",
            format!("UPDATE {table} SET {noted} = 1\nWHERE {noted} IS NULL"),
        );
        let last = dialect.quote_name_if_needed(&self.triggers[3]);
        side.sql("Every number is there.", format!("DROP TRIGGER {last}"));
        Ok(())
    }

    /// The copy.
    pub(super) fn copy(
        &self,
        back: bool,
        dialect: Dialect,
        side: &mut Side,
    ) -> Result<(), Refused> {
        let who = match self.lock {
            "NONE" => "Others read and write meanwhile; a server before MariaDB 11.2 refuses that.",
            "EXCLUSIVE" => "Nobody reads or writes it meanwhile.",
            _ => {
                "Who writes to it waits until it is done; readers, and writers of what refers to it, go on."
            }
        };
        let def = if back { column_def(self.old) } else { self.new.clone() };
        let table = &self.table.name;
        side.together(
            &format!("The table is copied. {who}"),
            table,
            &[dropped(table, &self.noted), modify(table, def)],
            dialect,
        )?;
        if let Some(step) = side.steps.last_mut() {
            step.sql.push_str(&format!(", ALGORITHM=COPY, LOCK={}", self.lock));
        }
        Ok(())
    }

    pub(super) fn unmake(&self, dialect: Dialect, side: &mut Side) -> Result<(), Refused> {
        for name in &self.triggers[..3] {
            side.sql("", format!("DROP TRIGGER {}", dialect.quote_name_if_needed(name)));
        }
        side.sql("", format!("DROP TABLE {}", dialect.quote_name_if_needed(&self.name)));
        Ok(())
    }
}

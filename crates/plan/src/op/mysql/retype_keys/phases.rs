//! The phases of columns that change their type together.

use downhaul_catalog::column_def;
use downhaul_syntax::{Change, ColumnDef, ConstraintDef, Dialect, Ident, ObjectName};

use super::ends;
use super::group::{Group, Member, Part};
use crate::Direction;
use crate::op::conversion::differ;
use crate::op::mysql::beside as second_column;
use crate::op::mysql::keys::{Key, named};
use crate::op::mysql::{INPLACE, INSTANT, add, added, dropped, modify, triggers};
use crate::op::names;
use crate::op::pair::drop_constraint;
use crate::op::piece::{Piece, Side, Slot};
use crate::op::{Made, Refused, Scene};

/// Whose turn it is: the old type stands beside the new one, or the other way round.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beside {
    Old,
    New,
}

/// What a second column does with NULL: until it is filled it has to take it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nulls {
    Allowed,
    Refused,
}

impl Group<'_> {
    pub(super) fn phases(mut self) -> Result<Made, Refused> {
        let mut made = std::mem::take(&mut self.made);
        let scene = self.scene;
        for part in &self.parts {
            let (mut up, mut down) = (Side::default(), Side::default());
            part.make(Beside::New, "Empty: this touches no row.", scene, &mut up)?;
            part.unmake("", &|key| key.names.1.clone(), scene, &mut down)?;
            made.push(Slot::EXPAND, Piece::made(up, down));
        }
        made.derive(Slot::EXPAND, &[Direction::Down]);

        for part in &self.parts {
            let (mut up, mut down) = (Side::default(), Side::default());
            up.sql(
                "Downhaul runs this in small batches, by key. Run by another client it is one long UPDATE.",
                part.fill(scene.dialect()),
            );
            part.state(Beside::New, Nulls::Refused,
                "Every row is filled. The table is built anew in the background, while others read and write.",
                scene,
                &mut up,
            )?;
            part.state(Beside::New, Nulls::Allowed, "", scene, &mut down)?;
            made.push(Slot::BACKFILL, Piece::made(up, down));
        }
        made.derive(Slot::BACKFILL, &[Direction::Up, Direction::Down]);

        let (mut up, mut down) = (Side::default(), Side::default());
        self.tie(Beside::New, &mut up)?;
        for part in &self.parts {
            part.swap(Beside::New, scene, &mut up)?;
        }
        self.untie(&mut up)?;
        for part in &self.parts {
            part.state(Beside::Old, Nulls::Allowed,
                "From here on the old type may be empty, as it is when the way back from contract brings it back.",
                scene,
                &mut up,
            )?;
        }
        let mut why = "Fills the old type again with what was written after contract. Nothing to do where contract never ran.";
        for part in &self.parts {
            down.sql(why, part.fill(scene.dialect()));
            why = "";
        }
        for part in &self.parts {
            part.state(Beside::Old, Nulls::Refused, "", scene, &mut down)?;
        }
        self.tie(Beside::Old, &mut down)?;
        // MySQL wants the order of the way up; MariaDB takes any.
        for part in &self.parts {
            part.swap(Beside::Old, scene, &mut down)?;
        }
        self.untie(&mut down)?;
        made.push(Slot::SWITCH, Piece::made(up, down));
        made.derive(Slot::SWITCH, &[Direction::Up, Direction::Down]);

        for part in &self.parts {
            let (mut up, mut down) = (Side::default(), Side::default());
            let aside = |key: &Key| part.aside(key, scene);
            part.unmake("Nobody needs the old type any more.", &aside, scene, &mut up)?;
            part.make(
                Beside::Old,
                "The old type comes back empty; `down` of the switch fills it.",
                scene,
                &mut down,
            )?;
            made.push(Slot::CONTRACT, Piece::made(up, down));
        }
        made.derive(Slot::CONTRACT, &[Direction::Up]);
        Ok(made)
    }

    /// Every reference gets its twin, so that both columns of a pair are bound. `beside` is the type that
    /// the second columns have.
    fn tie(&self, beside: Beside, side: &mut Side) -> Result<(), Refused> {
        let dialect = self.scene.dialect();
        let twins = |counted: bool| -> Vec<(&ObjectName, &ConstraintDef)> {
            let own = self.references.iter().filter(|r| r.renewed.is_some() == counted);
            own.map(|r| (&r.table, &r.twin)).collect()
        };
        unchecked(
            "Both ends say the same in every row, so nothing has to be read. From here on the twins bind and act as well: what a foreign key writes fires no trigger.",
            &twins(false),
            dialect,
            side,
        )?;
        if let Some(counted) = &self.counted {
            counted.make(beside == Beside::Old, dialect, side)?;
            if beside == Beside::New {
                self.keep_indexes(side);
            }
            let referring: Vec<_> =
                self.references.iter().filter(|r| r.renewed.is_some()).collect();
            let instead: Vec<_> = referring.iter().map(|r| (&r.table, &r.name, &r.twin)).collect();
            in_the_place_of(
                "What stands in for the key binds the rows from here on, and the key is free to change.",
                &instead,
                dialect,
                side,
            )?;
            counted.copy(beside == Beside::Old, dialect, side)?;
            let renewed: Vec<_> = referring
                .iter()
                .filter_map(|r| r.renewed.as_ref().map(|def| (&r.table, def)))
                .collect();
            unchecked(
                "The second columns refer to the key in its new type.",
                &renewed,
                dialect,
                side,
            )?;
        }
        let mut why = "What a foreign key wrote before its twin was there.";
        for part in &self.parts {
            if self.references.iter().any(|r| r.writes && r.table == part.table.name) {
                side.sql(why, part.fill(dialect));
                why = "";
            }
        }
        Ok(())
    }

    /// An index that the server made for a foreign key gives way to that of the next one over the same
    /// columns, unless somebody has named it.
    fn keep_indexes(&self, side: &mut Side) {
        let dialect = self.scene.dialect();
        let mut why = "The server made this index for the foreign key, and would put that of the twin in its place: one that was given its name stays.";
        for part in &self.parts {
            let table = &part.table.name;
            for reference in self.references.iter().filter(|r| r.table == *table) {
                let Some((columns, _)) = ends(&reference.first.kind, &[]) else { continue };
                let own = part.table.indexes.iter().find(|index| {
                    index.implied
                        && index
                            .parts
                            .iter()
                            .map(|p| p.column.as_ref())
                            .eq(columns.iter().map(Some))
                });
                if let (Some(index), Some(_)) = (own, &reference.renewed) {
                    let name = &index.name.name;
                    let aside = names::free_part(self.scene.now, table, &format!("{name}_kept"));
                    for (from, to) in [(name, &aside), (&aside, name)] {
                        side.sql(
                            why,
                            format!(
                                "ALTER TABLE {} RENAME INDEX {} TO {}{}",
                                dialect.quote_name_if_needed(table),
                                dialect.quote_if_needed(from),
                                dialect.quote_if_needed(to),
                                renamed_index(dialect)
                            ),
                        );
                        why = "";
                    }
                }
            }
        }
    }

    /// The places have changed: what binds the second columns goes, and the first ones are bound under
    /// the names that were there before.
    fn untie(&self, side: &mut Side) -> Result<(), Refused> {
        let dialect = self.scene.dialect();
        let mut why = "The second columns are bound no longer.";
        for reference in &self.references {
            drop(side, why, &reference.table, reference.bound().1, dialect)?;
            why = "";
        }
        let own: Vec<_> =
            self.references.iter().map(|r| (&r.table, r.bound().0, &r.first)).collect();
        in_the_place_of(
            "The first ones are bound under the name that was there before.",
            &own,
            dialect,
            side,
        )?;
        if let Some(counted) = &self.counted {
            counted.unmake(dialect, side)?;
        }
        Ok(())
    }
}

/// How an index gets another name: MySQL calls it INPLACE, and touches no row either.
fn renamed_index(dialect: Dialect) -> &'static str {
    if dialect == Dialect::Mysql { INPLACE } else { INSTANT }
}

/// Adds foreign keys that hold already.
fn unchecked(
    why: &str,
    all: &[(&ObjectName, &ConstraintDef)],
    dialect: Dialect,
    side: &mut Side,
) -> Result<(), Refused> {
    if all.is_empty() {
        return Ok(());
    }
    side.sql(why, "SET foreign_key_checks = 0");
    for (table, def) in all {
        let change = Change::AddConstraint {
            table: (*table).clone(),
            constraint: (*def).clone(),
            if_not_exists: false,
        };
        add(side, "", &change, INPLACE, dialect)?;
    }
    side.sql("", "SET foreign_key_checks = 1");
    Ok(())
}

/// Foreign keys that hold already take the place of others over the same columns, from one instant to the
/// next: two of them would each refuse what the other one writes (`ON UPDATE CASCADE`).
fn in_the_place_of(
    why: &str,
    all: &[(&ObjectName, &Ident, &ConstraintDef)],
    dialect: Dialect,
    side: &mut Side,
) -> Result<(), Refused> {
    if all.is_empty() {
        return Ok(());
    }
    side.sql(why, "SET foreign_key_checks = 0");
    for (table, name, def) in all {
        let table: &ObjectName = table;
        let add = Change::AddConstraint {
            table: table.clone(),
            constraint: (*def).clone(),
            if_not_exists: false,
        };
        side.together("", table, &[drop_constraint(table, name), add], dialect)?;
        end(side, INPLACE);
    }
    side.sql("", "SET foreign_key_checks = 1");
    Ok(())
}

fn drop(
    side: &mut Side,
    why: &str,
    table: &ObjectName,
    name: &Ident,
    dialect: Dialect,
) -> Result<(), Refused> {
    add(side, why, &drop_constraint(table, name), INPLACE, dialect)
}

impl Part<'_> {
    /// What a pair's second column is: without what only the first one needs.
    fn second_def(
        member: &Member<'_>,
        beside: Beside,
        not_null: bool,
        dialect: Dialect,
    ) -> ColumnDef {
        let def = match beside {
            Beside::Old => column_def(member.old),
            Beside::New => member.new.clone(),
        };
        second_column(&def, &member.second, not_null, dialect)
    }

    /// Name of an index of the old type once the new type has its name.
    fn aside(&self, key: &Key, scene: &Scene<'_>) -> Ident {
        names::free_part(scene.now, &self.table.name, &format!("{}_old", key.names.0))
    }

    /// The second columns with their triggers and indexes.
    fn make(
        &self,
        beside: Beside,
        why: &str,
        scene: &Scene<'_>,
        side: &mut Side,
    ) -> Result<(), Refused> {
        let (table, dialect) = (&self.table.name, scene.dialect());
        let mut why = why;
        for member in &self.members {
            let column = added(table, Self::second_def(member, beside, false, dialect));
            add(side, why, &column, INSTANT, dialect)?;
            why = "";
        }
        let new = |c: &Ident| format!("NEW.{}", dialect.quote_if_needed(c));
        let old = |c: &Ident| format!("OLD.{}", dialect.quote_if_needed(c));
        let (mut update, mut insert) = (String::new(), String::new());
        for Member { old: column, second, .. } in &self.members {
            let (name, before) = (new(&column.name), old(&column.name));
            let set = format!("SET {} = {name};\n", new(second));
            let changed = differ(&name, &before, column.ty.as_ref(), dialect);
            update.push_str(&format!("    IF {changed} THEN\n        {set}    END IF;\n"));
            insert.push_str(&format!("    {set}"));
        }
        // The one for UPDATE first: what falls between the two is a new row, and stays to be filled.
        let why = match beside {
            Beside::New => {
                "Both releases use the one name; the triggers write the other. They stand before the first row is copied, so that none is missed."
            }
            Beside::Old => "",
        };
        triggers::one(&self.trigger, table, dialect, "UPDATE", &update, side, why);
        triggers::one(&self.trigger, table, dialect, "INSERT", &insert, side, "");
        let pair = self.pair(scene);
        let mut why = match beside {
            Beside::New => {
                "The new type needs the same indexes. Writers go on while they are built."
            }
            Beside::Old => "",
        };
        for key in &self.keys {
            let change = match beside {
                Beside::New => key.new.clone(),
                Beside::Old => named(&key.new, &self.aside(key, scene)),
            };
            Key::build(&change, why, side, &pair)?;
            why = "";
        }
        if let Some(twin) = &self.key_twin {
            side.sql(
                why,
                format!(
                    "ALTER TABLE {} ADD {}{INPLACE}",
                    dialect.quote_name_if_needed(table),
                    self.twin_of_key(twin, dialect)
                ),
            );
        }
        Ok(())
    }

    /// `UNIQUE KEY …` over the second columns of the primary key.
    fn twin_of_key(&self, name: &Ident, dialect: Dialect) -> String {
        let columns: Vec<String> = self
            .table
            .primary_key()
            .iter()
            .map(|c| dialect.quote_if_needed(&self.second(c)))
            .collect();
        format!("UNIQUE KEY {} ({})", dialect.quote_if_needed(name), columns.join(", "))
    }

    fn unmake(
        &self,
        why: &str,
        index: &dyn Fn(&Key) -> Ident,
        scene: &Scene<'_>,
        side: &mut Side,
    ) -> Result<(), Refused> {
        let (table, dialect) = (&self.table.name, scene.dialect());
        triggers::drop_named(&self.trigger, table, dialect, side, why);
        let pair = self.pair(scene);
        if let Some(twin) = &self.key_twin {
            Key::drop(twin, side, &pair);
        }
        for key in &self.keys {
            Key::drop(&index(key), side, &pair);
        }
        for member in self.members.iter().rev() {
            add(side, "", &dropped(table, &member.second), INPLACE, dialect)?;
        }
        Ok(())
    }

    /// The `UPDATE` that fills the second columns from the first.
    fn fill(&self, dialect: Dialect) -> String {
        let q = |c: &Ident| dialect.quote_if_needed(c);
        let (mut set, mut off) = (Vec::new(), Vec::new());
        for Member { old, new, second, .. } in &self.members {
            set.push(format!("{} = {}", q(second), q(&old.name)));
            off.push(differ(&q(second), &q(&old.name), new.ty.as_ref(), dialect));
        }
        format!(
            "UPDATE {} SET {}\nWHERE {}",
            dialect.quote_name_if_needed(&self.table.name),
            set.join(", "),
            off.join(" OR ")
        )
    }

    /// The second columns of those that are `NOT NULL` take no NULL, or any.
    fn state(
        &self,
        beside: Beside,
        nulls: Nulls,
        why: &str,
        scene: &Scene<'_>,
        side: &mut Side,
    ) -> Result<(), Refused> {
        let (table, dialect) = (&self.table.name, scene.dialect());
        let changes: Vec<Change> = self
            .members
            .iter()
            .filter(|m| m.old.not_null)
            .map(|m| modify(table, Self::second_def(m, beside, nulls == Nulls::Refused, dialect)))
            .collect();
        if !changes.is_empty() {
            side.together(why, table, &changes, dialect)?;
            end(side, INPLACE);
        }
        Ok(())
    }

    /// The columns of each pair change names, and the indexes with them. `to` is the type that the
    /// releases find afterwards.
    fn swap(&self, to: Beside, scene: &Scene<'_>, side: &mut Side) -> Result<(), Refused> {
        let (table, dialect) = (&self.table.name, scene.dialect());
        let change = |from: &Ident, column: ColumnDef| Change::ModifyColumn {
            table: table.clone(),
            from: from.clone(),
            column,
            position: None,
        };
        let (parks, places) = match to {
            Beside::New => (Beside::Old, Beside::New),
            Beside::Old => (Beside::New, Beside::Old),
        };
        let mut statements: Vec<Vec<Change>> = Vec::new();
        // The server mistakes one end of a reference for the other where both change names at once.
        for home in [true, false] {
            let mut changes = Vec::new();
            for member in self.members.iter().filter(|m| m.refers_home == home) {
                let placed = match places {
                    Beside::New => member.new.clone(),
                    Beside::Old => column_def(member.old),
                };
                let parked = Self::second_def(member, parks, member.old.not_null, dialect);
                changes.push(change(&member.old.name, parked));
                changes.push(change(&member.second, placed));
            }
            if !changes.is_empty() {
                statements.push(changes);
            }
        }
        let last = statements.len().saturating_sub(1);
        let mut why = "The places change in one statement.";
        for (at, mut changes) in statements.into_iter().enumerate() {
            let whole = at == last;
            if whole {
                for (from, to) in self.index_names(to, scene) {
                    changes.push(Change::RenameIndex {
                        table: Some(table.clone()),
                        from: ObjectName::bare(from),
                        to,
                    });
                }
            }
            if whole && self.primary.is_some() {
                why = "The places change in one statement. The rows are stored by the new key, in the background, while others read and write; only then.";
            }
            side.together(why, table, &changes, dialect)?;
            why = "";
            match &self.primary {
                Some(primary) if whole => {
                    let list: Vec<String> =
                        primary.iter().map(|c| dialect.quote_if_needed(c)).collect();
                    let mut anew = format!(
                        ",\n    DROP PRIMARY KEY,\n    ADD PRIMARY KEY ({})",
                        list.join(", ")
                    );
                    if let Some(twin) = &self.key_twin {
                        anew.push_str(&format!(
                            ",\n    DROP INDEX {},\n    ADD {}",
                            dialect.quote_if_needed(twin),
                            self.twin_of_key(twin, dialect)
                        ));
                    }
                    end(side, &anew);
                    end(side, INPLACE);
                }
                // MySQL calls it INPLACE where a foreign key names the column; it touches no row either.
                _ if dialect == Dialect::Mysql => end(side, INPLACE),
                _ => end(side, INSTANT),
            }
        }
        Ok(())
    }

    /// Which index takes which name at the change of places.
    fn index_names(&self, to: Beside, scene: &Scene<'_>) -> Vec<(Ident, Ident)> {
        let mut out = Vec::new();
        for key in &self.keys {
            let (name, twin, aside) = (&key.names.0, &key.names.1, self.aside(key, scene));
            match to {
                Beside::New => {
                    out.push((name.clone(), aside));
                    out.push((twin.clone(), name.clone()));
                }
                Beside::Old => {
                    out.push((name.clone(), twin.clone()));
                    out.push((aside, name.clone()));
                }
            }
        }
        out
    }
}

/// Adds to the last statement.
fn end(side: &mut Side, text: &str) {
    if let Some(step) = side.steps.last_mut() {
        step.sql.push_str(text);
    }
}

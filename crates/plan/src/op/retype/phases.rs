//! The phases of columns that change places together.

use downhaul_catalog::render_type;
use downhaul_syntax::{
    Change, ColumnDef, ConstraintDef, ConstraintKind, Dialect, Ident, IndexDef, ObjectKind,
    ObjectName,
};

use super::{Group, Member, Part, Reference};
use crate::Direction;
use crate::op::conversion::Conv;
use crate::op::names;
use crate::op::pair::{Twin, bare, create, drop_constraint, rename_constraint, trigger_names};
use crate::op::partitioned::{is_divided, late};
use crate::op::piece::{Piece, Side, Slot};
use crate::op::remade_type::RemadeType;
use crate::op::rules::{Rules, lock};
use crate::op::sync::{Sync, Update};
use crate::op::{Made, Refused};

/// What stands beside each other while both sides of a table are there.
struct Beside<'g, 'a> {
    part: &'g Part<'a>,
    rules: Vec<Twin<ConstraintDef>>,
    indexes: Vec<Twin<IndexDef>>,
    unique: Vec<Twin<ConstraintDef>>,
    primary: Option<Twin<ConstraintDef>>,
    /// Of the new columns, until the change of places.
    new_rules: Rules,
    /// Of the old ones, behind it.
    old_rules: Rules,
    there: Sync,
    back: Sync,
}

impl<'g, 'a> Beside<'g, 'a> {
    fn of(part: &'g Part<'a>) -> Result<Self, Refused> {
        let (scene, known, parts) = (part.scene, part.table, &part.parts);
        let (now, dialect, table) = (scene.now, scene.dialect(), &known.name);
        let pair = part.pair(&part.members[0]);
        let rules = parts
            .rules
            .iter()
            .map(|(c, d)| pair.twin(c.name.as_ref(), d.clone()))
            .collect::<Result<Vec<_>, _>>()?;
        let indexes = parts
            .indexes
            .iter()
            .map(|(i, d)| pair.twin(Some(&i.name.name), d.clone()))
            .collect::<Result<Vec<_>, _>>()?;
        let (mut unique, mut primary) = (Vec::new(), None);
        for (constraint, def) in &parts.keys {
            let twin = pair.twin(constraint.name.as_ref(), def.clone())?;
            match &def.kind {
                ConstraintKind::PrimaryKey { .. } => primary = Some(twin),
                _ => unique.push(twin),
            }
        }
        let not_null = |of: &dyn Fn(&Member<'a>) -> Ident| -> Vec<(Ident, Ident)> {
            let bound = part.members.iter().filter(|member| member.old.not_null);
            bound
                .map(|member| {
                    let column = of(member);
                    let base = format!("{}_{column}_not_null", table.name);
                    let check = names::free_part(now, table, &base);
                    (column, check)
                })
                .collect()
        };
        let new_rules = Rules {
            not_null: not_null(&|member| member.new.name.clone()),
            constraints: rules
                .iter()
                .map(|t| ConstraintDef { name: Some(t.new.clone()), ..t.def.clone() })
                .collect(),
        };
        // Behind the change of places the old columns' rules stand under other names.
        let old_rules = Rules {
            not_null: not_null(&|member| member.parked.clone()),
            constraints: part
                .moved
                .rules
                .iter()
                .map(|(c, def)| ConstraintDef {
                    name: c.name.as_ref().map(|name| part.aside(name)),
                    ..def.clone()
                })
                .collect(),
        };
        let base = part.members[0].old.name.to_string();
        let (trigger, function) = Sync::named(now, known, &base);
        let schema = table.schema.clone().or_else(|| now.default_schema.clone());
        let required = |rules: &Rules| rules.not_null.iter().map(|(c, _)| c.clone()).collect();
        let members = || part.members.iter();
        let there = Sync {
            dialect,
            table: table.clone(),
            first: members().map(|m| (m.old.name.clone(), m.old.ty.clone())).collect(),
            second: members().map(|m| (m.new.name.clone(), m.new.ty.clone())).collect(),
            forward: members().map(|m| m.forward.clone()).collect(),
            back: Vec::new(),
            required: required(&new_rules),
            trigger,
            function,
            schema,
        };
        let back = Sync {
            first: members().map(|m| (m.old.name.clone(), m.ty_behind(dialect))).collect(),
            second: members().map(|m| (m.parked.clone(), m.parked_ty(dialect))).collect(),
            forward: members().map(|m| m.behind(&m.back, dialect)).collect(),
            required: required(&old_rules),
            ..there.clone()
        };
        Ok(Self { part, rules, indexes, unique, primary, new_rules, old_rules, there, back })
    }

    fn table(&self) -> &'g ObjectName {
        &self.part.table.name
    }

    /// Empty columns of the new types, with all that needs no row.
    fn expand(&self, dialect: Dialect) -> Result<(Side, Side), Refused> {
        let (part, table) = (self.part, self.table());
        let (mut up, mut down) = (Side::default(), Side::default());
        for member in &part.members {
            if let Some(counter) = &member.counter {
                counter.ask(&mut up);
            }
        }
        let mut why = "A second column of the new type. Empty: this touches no row, and holds its lock for an instant.";
        for member in &part.members {
            let add = Change::AddColumn {
                table: table.clone(),
                column: member.new.clone(),
                if_not_exists: false,
                position: None,
            };
            up.change(why, &add, dialect)?;
            part.pair(member).describe(&member.new.name, &mut up)?;
            why = "";
        }
        self.there.create(
            &mut up,
            "It follows the column that is in use. The trigger stands before the first row is copied, so that none is missed.",
        );
        self.new_rules.add(table, dialect, &mut up, "What binds the column binds its successor. NOT VALID: rows that are not filled yet are left alone.")?;
        let mut why = "The successor needs the same keys and indexes. CONCURRENTLY: writers go on.";
        for twin in self.unique.iter().chain(&self.primary) {
            up.change(why, &create(part.key_index(twin)), dialect)?;
            why = "";
        }
        for twin in &self.indexes {
            up.change(why, &create(part.pair(&part.members[0]).index(twin)), dialect)?;
            why = "";
        }
        self.there.drop(&mut down, "");
        let mut why = "Its indexes and constraints go with it.";
        for member in &part.members {
            down.change(why, &part.pair(member).drop_column(&member.new.name), dialect)?;
            why = "";
        }
        Ok((up, down))
    }

    /// The `UPDATE` that fills the new columns.
    fn fill(&self) -> String {
        let part = self.part;
        let each = |value: &dyn Fn(&Member<'a>) -> String| part.members.iter().map(value).collect();
        Update {
            dialect: self.there.dialect,
            table: self.table(),
            target: &self.there.second,
            fill: each(&|m| part.value(m, &m.forward, &m.old.name)),
            origin: &self.there.first,
            // Both expressions are written over the column's own name.
            reverse: each(&|m| part.value(m, &m.back, &m.new.name)),
            identical: part.members.iter().all(|m| matches!(m.forward, Conv::Same(_))),
        }
        .sql()
    }

    /// New columns that may be NULL, with what fills them.
    fn unbound(&self) -> Vec<(Ident, String)> {
        let part = self.part;
        let free = part.members.iter().filter(|member| !member.old.not_null);
        free.map(|m| (m.new.name.clone(), part.value(m, &m.forward, &m.old.name))).collect()
    }

    /// The `UPDATE` that fills the old columns again.
    fn fill_back(&self) -> String {
        let (part, dialect) = (self.part, self.back.dialect);
        let each = |value: &dyn Fn(&Member<'a>) -> String| part.members.iter().map(value).collect();
        Update {
            dialect: self.back.dialect,
            table: self.table(),
            target: &self.back.second,
            fill: each(&|m| part.value(m, &m.behind(&m.back, dialect), &m.old.name)),
            origin: &self.back.first,
            reverse: each(&|m| part.value(m, &m.behind(&m.forward, dialect), &m.parked)),
            identical: part.members.iter().all(|m| matches!(m.back, Conv::Same(_))),
        }
        .sql()
    }

    /// The columns change places: `from` leaves its name, `to` takes it, with defaults and counters.
    fn change_places(&self, forth: bool, dialect: Dialect, side: &mut Side) -> Result<(), Refused> {
        let (part, table) = (self.part, self.table());
        for member in &part.members {
            if member.old.default.is_some() {
                let column = member.old.name.clone();
                side.change("", &Change::DropDefault { table: table.clone(), column }, dialect)?;
            }
        }
        for member in &part.members {
            let (column, new) = (&member.old.name, &member.new);
            if let Some(counter) = &member.counter {
                let (to, ty) = if forth {
                    (&new.name, new.ty.as_ref())
                } else {
                    (&member.parked, member.old.ty.as_ref())
                };
                counter.pass(part.scene, column, (to, ty), side)?;
            }
            if forth {
                side.change("", &part.rename(column, &member.parked), dialect)?;
                side.change("", &part.rename(&new.name, column), dialect)?;
            } else {
                side.change("", &part.rename(column, &new.name), dialect)?;
                side.change("", &part.rename(&member.parked, column), dialect)?;
            }
        }
        for member in &part.members {
            let default = if forth { &member.default } else { &member.old.default };
            if let Some(default) = default {
                let (column, default) = (member.old.name.clone(), default.clone());
                let set = Change::SetDefault { table: table.clone(), column, default };
                side.change("", &set, dialect)?;
            }
            if let Some(sequence) = &member.sequence {
                let why =
                    if forth { "Else the sequence would go with the old column." } else { "" };
                side.sql(why, part.own(sequence, &member.old.name));
            }
        }
        Ok(())
    }

    /// The new columns take the names, where nothing refers to the old ones any more.
    fn switch(&self, dialect: Dialect, up: &mut Side) -> Result<(), Refused> {
        let (part, table) = (self.part, self.table());
        let pair = part.pair(&part.members[0]);
        for twin in &self.unique {
            up.change("", &pair.key_over_index(twin), dialect)?;
        }
        if let Some(twin) = &self.primary {
            up.change("", &drop_constraint(table, &twin.old), dialect)?;
        }
        self.change_places(true, dialect, up)?;
        if let Some(twin) = &self.primary {
            up.change("", &part.primary_over_index(twin), dialect)?;
            if twin.new != twin.old {
                up.change("", &rename_constraint(table, &twin.new, &twin.old), dialect)?;
            }
        }
        for twin in self.rules.iter().chain(&self.unique) {
            up.change("", &rename_constraint(table, &twin.old, &part.aside(&twin.old)), dialect)?;
            up.change("", &rename_constraint(table, &twin.new, &twin.old), dialect)?;
        }
        for twin in &self.indexes {
            up.change("", &part.rename_index(&twin.old, &part.aside(&twin.old)), dialect)?;
            up.change("", &part.rename_index(&twin.new, &twin.old), dialect)?;
        }
        self.old_rules.demote(table, dialect, up, "")
    }

    /// What has to be there before the old columns take the names again.
    fn prepare_back(&self, dialect: Dialect, down: &mut Side) -> Result<(), Refused> {
        let part = self.part;
        down.sql(
            "Fills the old column again with what was written after contract. Nothing to do where contract never ran.",
            self.fill_back(),
        );
        if let Some(twin) = &self.primary {
            let aside = Twin {
                old: twin.old.clone(),
                new: part.aside(&twin.old),
                def: part.parked_key(&twin.def),
            };
            down.change(
                "The old column needs its key again before the places change.",
                &create(part.key_index(&aside)),
                dialect,
            )?;
        }
        self.old_rules.validate(self.table(), dialect, down)
    }

    /// The old columns take their names again.
    fn switch_back(&self, dialect: Dialect, down: &mut Side) -> Result<(), Refused> {
        let (part, table) = (self.part, self.table());
        for twin in &self.indexes {
            down.change("", &part.rename_index(&twin.old, &twin.new), dialect)?;
            down.change("", &part.rename_index(&part.aside(&twin.old), &twin.old), dialect)?;
        }
        for twin in self.rules.iter().chain(&self.unique) {
            down.change("", &rename_constraint(table, &twin.old, &twin.new), dialect)?;
            down.change("", &rename_constraint(table, &part.aside(&twin.old), &twin.old), dialect)?;
        }
        Ok(())
    }

    /// The primary key goes from the new columns to the old ones, which take their names.
    fn key_back(&self, dialect: Dialect, down: &mut Side) -> Result<(), Refused> {
        let (part, table) = (self.part, self.table());
        if let Some(twin) = &self.primary {
            down.change("", &drop_constraint(table, &twin.old), dialect)?;
        }
        self.change_places(false, dialect, down)?;
        if let Some(twin) = &self.primary {
            let moved =
                Twin { old: twin.old.clone(), new: part.aside(&twin.old), def: twin.def.clone() };
            down.change("", &part.primary_over_index(&moved), dialect)?;
            down.change("", &rename_constraint(table, &moved.new, &twin.old), dialect)?;
        }
        Ok(())
    }

    /// The new columns are second ones again.
    fn stand_beside(&self, dialect: Dialect, down: &mut Side) -> Result<(), Refused> {
        let table = self.table();
        self.there.create(down, "");
        for twin in &self.unique {
            down.change("", &drop_constraint(table, &twin.new), dialect)?;
        }
        self.new_rules.demote(table, dialect, down, "")
    }

    /// The old types go.
    fn contract(&self, dialect: Dialect) -> Result<(Side, Side), Refused> {
        let (part, table) = (self.part, self.table());
        let pair = part.pair(&part.members[0]);
        let (mut up, mut down) = (Side::default(), Side::default());
        self.old_rules.lock_first(table, dialect, &mut up);
        self.back.drop(&mut up, "Nobody needs the old type any more.");
        let mut why = "Downhaul keeps its values until they are purged.";
        for member in &part.members {
            up.change(why, &pair.drop_column(&member.parked), dialect)?;
            why = "";
        }
        let mut why =
            "Comes back empty but for what Downhaul kept; `down` of the switch fills the rest.";
        for member in &part.members {
            let add = Change::AddColumn {
                table: table.clone(),
                column: ColumnDef {
                    ty: member.parked_ty(dialect),
                    ..bare(member.old, &member.parked)
                },
                if_not_exists: false,
                position: None,
            };
            down.change(why, &add, dialect)?;
            part.pair(member).describe(&member.parked, &mut down)?;
            why = "";
        }
        self.back.create(&mut down, "");
        self.old_rules.add(table, dialect, &mut down, "")?;
        for (constraint, def) in &part.moved.keys {
            if matches!(constraint.kind, ConstraintKind::PrimaryKey { .. }) {
                continue;
            }
            let twin = pair.twin(constraint.name.as_ref(), def.clone())?;
            let twin = Twin { new: part.aside(&twin.old), ..twin };
            down.change("", &create(part.key_index(&twin)), dialect)?;
            down.change("", &pair.key_over_index(&twin), dialect)?;
        }
        for (index, def) in &part.moved.indexes {
            let name =
                ObjectName { schema: table.schema.clone(), name: part.aside(&index.name.name) };
            down.change("", &create(IndexDef { name: Some(name), ..def.clone() }), dialect)?;
        }
        Ok((up, down))
    }
}

fn rename_type(from: &ObjectName, to: &ObjectName) -> Change {
    let (kind, to) = (ObjectKind::Type, to.name.clone());
    Change::Rename { kind, table: None, from: from.clone(), to }
}

/// Adds a foreign key that binds new rows only.
fn add_light(table: &ObjectName, name: &Ident, def: &ConstraintDef) -> Change {
    let constraint = ConstraintDef { name: Some(name.clone()), not_valid: true, ..def.clone() };
    Change::AddConstraint { table: table.clone(), constraint, if_not_exists: false }
}

impl Reference {
    /// Proves it for the rows that are there, if it was proven before.
    fn validate(
        &self,
        name: &Ident,
        why: &str,
        dialect: Dialect,
        side: &mut Side,
    ) -> Result<(), Refused> {
        if !self.def.not_valid {
            let (table, name) = (self.table.clone(), name.clone());
            side.change(why, &Change::ValidateConstraint { table, name }, dialect)?;
        }
        Ok(())
    }
}

impl Group<'_> {
    /// What a person should know before anything runs.
    fn note(&self, made: &mut Made) {
        self.remade().iter().filter_map(|one| one.note()).for_each(|note| made.note(note));
        for part in &self.parts {
            if let Some(triggers) = trigger_names(part.table) {
                made.note(format!("{} has triggers ({triggers}): they fire for every row that the backfill writes", part.table.name));
            }
        }
        let names: Vec<String> = self
            .parts
            .iter()
            .flat_map(|part| {
                part.members.iter().map(|m| format!("{}.{}", part.table.name, m.old.name))
            })
            .collect();
        made.note(format!(
            "at the change of places a prepared statement that reads {} fails once on each connection (cached plan must not change result type): let the pool prepare anew, or let both releases cast what they read",
            names.join(" or ")
        ));
        for part in &self.parts {
            for member in &part.members {
                if matches!(member.new.ty.as_ref().map(|t| t.name.as_str()), Some("bigint")) {
                    self.note_bigint(part, member, made);
                }
            }
        }
    }

    fn note_bigint(&self, part: &Part<'_>, member: &Member<'_>, made: &mut Made) {
        let (table, column) = (&part.table.name, &member.old.name);
        if let Some(sequence) = &member.sequence {
            made.note(format!(
                "the sequence {} may still end at 2147483647: ALTER SEQUENCE {} AS bigint",
                sequence.name, sequence.name
            ));
        }
        for reference in &self.references {
            let ConstraintKind::ForeignKey { columns, .. } = &reference.def.kind else { continue };
            let ConstraintKind::ForeignKey { referred, .. } = &reference.successor.kind else {
                continue;
            };
            if reference.target != *table || !referred.contains(&member.new.name) {
                continue;
            }
            let stays = |column: &&Ident| {
                self.part_of(&reference.table).is_none_or(|part| part.member(column).is_none())
            };
            let at = referred.iter().position(|c| *c == member.new.name);
            if !at.and_then(|at| columns.get(at)).is_some_and(|c| stays(&c)) {
                continue;
            }
            let names: Vec<String> =
                columns.iter().filter(stays).map(|c| format!("{}.{c}", reference.table)).collect();
            made.note(format!("{} refers to {table}.{column} and has to become bigint too, before the numbers outgrow it", names.join(", ")));
        }
    }

    /// Enums that are made anew for the columns.
    fn remade(&self) -> Vec<&RemadeType> {
        let mut all: Vec<&RemadeType> = Vec::new();
        for remade in self.parts.iter().flat_map(|p| &p.members).filter_map(|m| m.remade) {
            if !all.iter().any(|other| other.name == remade.name) {
                all.push(remade);
            }
        }
        all
    }

    #[allow(clippy::too_many_lines, reason = "the four phases stand side by side")]
    pub(super) fn phases(&self) -> Result<Made, Refused> {
        let dialect = self.scene.dialect();
        let mut made = Made::default();
        self.note(&mut made);
        let beside = self.parts.iter().map(Beside::of).collect::<Result<Vec<_>, _>>()?;

        // Expand.
        self.around.note(&mut made);
        let (mut up, mut down) = (Side::default(), Side::default());
        self.around.ask(&mut up);
        // Of an enum that is made anew the name means the old one here.
        if self.remade().is_empty() {
            let retyped = |part: &Part<'_>| {
                let typed = part.members.iter().filter_map(|m| {
                    Some((m.old.name.clone(), render_type(m.new.ty.as_ref()?, dialect)))
                });
                typed.collect()
            };
            let tables: Vec<_> = self.parts.iter().map(|p| (p.table, retyped(p))).collect();
            self.around.try_out(&tables, &mut up);
        }
        for one in &beside {
            for counter in one.part.members.iter().filter_map(|m| m.counter.as_ref()) {
                counter.note(&mut made);
            }
            let (there, back) = one.expand(dialect)?;
            // Both ways in the order in which writers lock the tables.
            up.append(there);
            down.append(back);
            made.follow(&one.there);
        }
        made.push(Slot::EXPAND, Piece::made(up, down));
        made.derive(Slot::EXPAND, &[Direction::Down]);

        // Backfill: data, and what must be committed before it can be proven.
        let (mut up, mut down) = (Side::default(), Side::default());
        let mut why = "Downhaul runs this in small batches, by key. Run by another client it is one long UPDATE.";
        for one in &beside {
            up.sql(why, one.fill());
            why = "";
        }
        for reference in &self.references {
            up.change(
                "Every row is filled, so others may refer to it; proven in the next step.",
                &add_light(&reference.table, &reference.twin, &reference.successor),
                dialect,
            )?;
            down.change("", &drop_constraint(&reference.table, &reference.twin), dialect)?;
        }
        made.push(Slot::BACKFILL, Piece::made(up, down));
        made.derive(Slot::BACKFILL, &[Direction::Up, Direction::Down]);

        // Switch: the places change.
        let (mut up, mut down) = (Side::default(), Side::default());
        for one in &beside {
            let empty: Vec<(Ident, String)> = one.unbound();
            if is_divided(self.scene.now, one.table()) && !empty.is_empty() {
                late(one.table(), &empty, dialect, &mut up);
            }
        }
        let mut why = "Proves the references, while others read and write.";
        for reference in &self.references {
            reference.validate(&reference.twin, why, dialect, &mut up)?;
            why = "";
        }
        for one in &beside {
            one.new_rules.validate(one.table(), dialect, &mut up)?;
        }
        let tied = self.in_order_of_locks();
        self.around.take_away(&mut up);
        lock(&tied, dialect, &mut up);
        let instant = "From here to the end nothing is read: the places change in an instant.";
        for one in &beside {
            one.new_rules.harden(one.table(), dialect, &mut up)?;
            one.there.drop(&mut up, instant);
        }
        let remade = self.remade();
        for one in &remade {
            let why = "The types change their names along: a cast that a release writes means the type of the column.";
            up.change(why, &rename_type(&one.name, &one.aside), dialect)?;
            up.change("", &rename_type(&one.coming, &one.name), dialect)?;
        }
        for reference in &self.references {
            let Reference { table, name, twin, .. } = reference;
            up.change("", &drop_constraint(table, name), dialect)?;
            up.change("", &rename_constraint(table, twin, name), dialect)?;
        }
        for one in &beside {
            one.switch(dialect, &mut up)?;
        }
        self.around.bring_back(&mut up);
        for one in &beside {
            one.back.create(&mut up, "Now the old column follows the new one: so the places can be changed back in an instant.");
        }

        for one in &beside {
            one.prepare_back(dialect, &mut down)?;
        }
        self.around.take_away(&mut down);
        lock(&tied, dialect, &mut down);
        for one in &beside {
            one.old_rules.harden(one.table(), dialect, &mut down)?;
            one.back.drop(&mut down, instant);
        }
        for one in &remade {
            down.change("", &rename_type(&one.name, &one.coming), dialect)?;
            down.change("", &rename_type(&one.aside, &one.name), dialect)?;
        }
        for one in &beside {
            one.switch_back(dialect, &mut down)?;
        }
        // The keys' indexes carry the references: they come back with them below.
        for reference in &self.references {
            down.change("", &drop_constraint(&reference.table, &reference.name), dialect)?;
        }
        for one in &beside {
            one.key_back(dialect, &mut down)?;
        }
        for reference in &self.references {
            let Reference { table, name, def, .. } = reference;
            down.change("", &add_light(table, name, def), dialect)?;
        }
        self.around.bring_back(&mut down);
        for one in &beside {
            one.stand_beside(dialect, &mut down)?;
        }
        for one in &beside {
            for twin in one.unique.iter().chain(&one.primary) {
                down.change("", &create(one.part.key_index(twin)), dialect)?;
            }
        }
        // Behind the indexes, which end the transaction: the locks are gone by then.
        for reference in &self.references {
            reference.validate(&reference.name, "", dialect, &mut down)?;
        }
        for Reference { table, twin, successor, .. } in &self.references {
            down.change("", &add_light(table, twin, successor), dialect)?;
        }
        made.push(Slot::SWITCH, Piece::made(up, down));
        made.derive(Slot::SWITCH, &[Direction::Up, Direction::Down]);

        // Contract: the old types go.
        let (mut up, mut down) = (Side::default(), Side::default());
        for one in &remade {
            down.change("", &one.create_aside(), dialect)?;
        }
        for one in &beside {
            let (there, back) = one.contract(dialect)?;
            up.append(there);
            down.append(back);
        }
        for one in &remade {
            let drop = Change::DropType {
                name: one.aside.clone(),
                if_exists: false,
                cascade: false,
                domain: false,
            };
            up.change("", &drop, dialect)?;
        }
        made.push(Slot::CONTRACT, Piece::made(up, down));
        Ok(made)
    }
}

//! A type that copies the table, another character set, another collation: a second column beside the
//! first is filled behind the writers, and then the two change names.
//!
//! The triggers stand all the while, and always read the name that the releases use and write the
//! other: so the change of names is one statement, behind which the same triggers keep the old type in
//! step with the new one. Where the two ways are not the same conversion, a column with a constant in it
//! changes places along with them and tells the triggers on which side they are.

use downhaul_catalog::{Column, column_def};
use downhaul_syntax::{
    Change, ColumnDef, ConstraintKind, Dialect, Ident, ObjectName, Span, SqlType,
};

use super::keys::{Key, keys, named};
use super::storage::{example, is_recoded, takes_all};
use super::{INPLACE, INSTANT, add, added, beside, dropped, literal, modify, triggers};
use crate::Direction;
use crate::op::conversion::{Conv, differ, directive_for};
use crate::op::dependents::Dependents;
use crate::op::names;
use crate::op::pair::Pair;
use crate::op::piece::{Piece, Side, Slot};
use crate::op::{Made, Refused, Scene, refused};

/// A column whose new type copies the table.
pub(super) fn change_type(
    table: &ObjectName,
    old: &Column,
    new: &ColumnDef,
    scene: &Scene<'_>,
) -> Result<Made, Refused> {
    let dialect = scene.dialect();
    let known = scene.table(table)?;
    let table = &known.name;
    let name = &old.name;
    if old.generated.is_some()
        || old.auto_increment
        || new.auto_increment
        || new.generated.is_some()
        || old.on_update.is_some()
        || new.on_update.is_some()
        || !new.constraints.is_empty()
    {
        return refused(
            format!(
                "{table}.{name} counts, is computed, or gets a value or a rule along with its type: no trigger sees what the server puts in later"
            ),
            super::copy_table::ASK,
        );
    }
    // A key holds no NULL, said or not.
    let not_null = new.not_null || known.primary_key().contains(name);
    let new = &ColumnDef { not_null, ..new.clone() };
    if old.not_null != new.not_null {
        return refused(
            format!("{table}.{name} gets another type and another NOT NULL at once"),
            "change the type in one migration, and NOT NULL in the next",
        );
    }
    let successor = names::free_column(scene.now, table, &format!("{name}_new"));
    let mut parts = Dependents::of(scene, table, name, &successor)?;
    if let Some((other, ..)) = parts.incoming.first() {
        return refused(
            format!("{other} refers to {table}.{name}, and both have to be of one type"),
            "drop that foreign key in a migration before this one, change both sides, and add it again; or build new tables beside these",
        );
    }
    if let Some((rule, _)) = parts.rules.first() {
        return refused(
            format!(
                "the constraint {} reads {table}.{name}",
                rule.name.as_ref().map(Ident::to_string).unwrap_or_default()
            ),
            "drop it in a migration before this one, and add it again afterwards",
        );
    }
    let pair = Pair { scene, table: table.clone(), old: old.clone(), new: successor };
    let primary = known.primary_key().contains(name).then(|| known.primary_key().to_vec());
    parts.keys.retain(|(key, _)| !matches!(key.kind, ConstraintKind::PrimaryKey { .. }));
    let keys = keys(&pair, &parts)?;
    let ways = Ways::of(old, new, scene, known)?;
    let mut made = Made::default();
    if let Some(names) = triggers::of_others(known) {
        made.note(format!(
            "{table} has triggers ({names}): they fire for every row that the backfill writes"
        ));
    }
    made.note(format!(
        "until the contract a value of {table}.{name} has to fit the old type, too: what does not is refused"
    ));
    Place { pair, old, new, keys, primary, ways, table, dialect }.phases(&mut made)?;
    Ok(made)
}

/// How values go from one type to the other, over the column's own name.
#[allow(clippy::large_enum_variant, reason = "one of it lives at a time")]
enum Ways {
    /// Assigning does it, both ways; `recoded` where the characters are other bytes afterwards.
    Assigned { recoded: bool },
    /// Two expressions; the column that says on which side the triggers are, and the one that takes
    /// its place.
    Written { forward: Conv, back: Conv, mark: [Ident; 2] },
}

impl Ways {
    fn of(
        old: &Column,
        new: &ColumnDef,
        scene: &Scene<'_>,
        known: &downhaul_catalog::Table,
    ) -> Result<Self, Refused> {
        let dialect = scene.dialect();
        let name = &old.name;
        let directive = |all| {
            directive_for(all, name, true)
                .map(|directive| Conv::of_directive(directive, known, dialect))
                .transpose()
        };
        match (directive(&scene.forward)?, directive(&scene.back)?) {
            (Some(forward), Some(back)) => {
                if forward.columns().iter().chain(&back.columns()).any(|c| c != name) {
                    return refused(
                        format!("{}.{name} is computed from other columns too", known.name),
                        "add a column under a new name with -- downhaul:forward, and drop this one",
                    );
                }
                let free = |end: &str| {
                    names::free_column(scene.now, &known.name, &format!("{name}_{end}"))
                };
                Ok(Self::Written { forward, back, mark: [free("side"), free("other_side")] })
            }
            (None, None) => {
                if takes_all(old, new, known) {
                    return Ok(Self::Assigned { recoded: is_recoded(old, new, known) });
                }
                refused(
                    format!(
                        "nothing says how values of {}.{name} go from the one type to the other and back",
                        known.name
                    ),
                    match example(old, new, dialect) {
                        Some([forward, back]) => format!(
                            "say it above the statement, both over the column's own name, for example\n-- downhaul:forward \"{forward}\"\n-- downhaul:back \"{back}\""
                        ),
                        None => "add -- downhaul:forward \"EXPRESSION\" and -- downhaul:back \"EXPRESSION\" above the statement, both over the column's own name".to_owned(),
                    },
                )
            }
            _ => refused(
                format!("only one way of {}.{name} is given", known.name),
                "add both -- downhaul:forward \"EXPRESSION\" and -- downhaul:back \"EXPRESSION\" above the statement",
            ),
        }
    }
}

/// A column, its successor, and what changes names with them.
struct Place<'a> {
    pair: Pair<'a>,
    old: &'a Column,
    new: &'a ColumnDef,
    keys: Vec<Key>,
    /// Columns of the primary key, where it holds this one.
    primary: Option<Vec<Ident>>,
    ways: Ways,
    table: &'a ObjectName,
    dialect: Dialect,
}

impl Place<'_> {
    fn phases(&self, made: &mut Made) -> Result<(), Refused> {
        let (pair, table, dialect) = (&self.pair, self.table, self.dialect);
        let trigger = triggers::name(pair.scene.now, table, self.old.name.as_str()).0;
        let aside =
            |key: &Key| names::free_part(pair.scene.now, table, &format!("{}_old", key.names.0));

        let (mut up, mut down) = (Side::default(), Side::default());
        self.make(self.new, true, "Empty: this touches no row.", &mut up)?;
        self.triggers(&trigger, &mut up, "Both releases use the one name; the triggers write the other. They stand before the first row is copied, so that none is missed.");
        let mut why = "The new type needs the same indexes. Writers go on while they are built.";
        for key in &self.keys {
            Key::build(&key.new, why, &mut up, pair)?;
            why = "";
        }
        triggers::drop_named(&trigger, table, dialect, &mut down, "");
        for key in &self.keys {
            Key::drop(&key.names.1, &mut down, pair);
        }
        self.unmake(&mut down)?;
        made.push(Slot::EXPAND, Piece::made(up, down));
        made.derive(Slot::EXPAND, &[Direction::Down]);

        let (mut up, mut down) = (Side::default(), Side::default());
        up.sql(
            "Downhaul runs this in small batches, by key. Run by another client it is one long UPDATE.",
            self.fill(true),
        );
        if self.old.not_null {
            add(
                &mut up,
                "Every row is filled. The table is built anew in the background, while others read and write.",
                &modify(table, self.beside(self.new, true)),
                INPLACE,
                dialect,
            )?;
            add(&mut down, "", &modify(table, self.beside(self.new, false)), INPLACE, dialect)?;
        }
        made.push(Slot::BACKFILL, Piece::made(up, down));
        made.derive(Slot::BACKFILL, &[Direction::Up, Direction::Down]);

        let (mut up, mut down) = (Side::default(), Side::default());
        let old = column_def(self.old);
        let names = |up: bool| -> Vec<(Ident, Ident)> {
            let mut out = Vec::new();
            for key in &self.keys {
                let (name, twin, aside) = (&key.names.0, &key.names.1, aside(key));
                if up {
                    out.push((name.clone(), aside));
                    out.push((twin.clone(), name.clone()));
                } else {
                    out.push((name.clone(), twin.clone()));
                    out.push((aside, name.clone()));
                }
            }
            out
        };
        self.swap(
            &self.beside(&old, self.old.not_null),
            self.new,
            &names(true),
            "The places change in one statement. From here on the triggers keep the old type in step with the new one.",
            &mut up,
        )?;
        down.sql(
            "Fills the old type again with what was written after contract. Nothing to do where contract never ran.",
            self.fill(false),
        );
        if self.old.not_null {
            add(
                &mut up,
                "From here on the old type may be empty, as it is when the way back from contract brings it back.",
                &modify(table, self.beside(&old, false)),
                INPLACE,
                dialect,
            )?;
            add(&mut down, "", &modify(table, self.beside(&old, true)), INPLACE, dialect)?;
        }
        self.swap(
            &self.beside(self.new, self.old.not_null),
            &old,
            &names(false),
            "The places change in one statement.",
            &mut down,
        )?;
        made.push(Slot::SWITCH, Piece::made(up, down));
        made.derive(Slot::SWITCH, &[Direction::Up, Direction::Down]);

        let (mut up, mut down) = (Side::default(), Side::default());
        triggers::drop_named(
            &trigger,
            table,
            dialect,
            &mut up,
            "Nobody needs the old type any more.",
        );
        for key in &self.keys {
            Key::drop(&aside(key), &mut up, pair);
        }
        self.unmake(&mut up)?;
        self.make(
            &old,
            false,
            "The old type comes back empty; `down` of the switch fills it.",
            &mut down,
        )?;
        self.triggers(&trigger, &mut down, "");
        for key in &self.keys {
            Key::build(&named(&key.new, &aside(key)), "", &mut down, pair)?;
        }
        made.push(Slot::CONTRACT, Piece::made(up, down));
        made.derive(Slot::CONTRACT, &[Direction::Up]);
        Ok(())
    }

    /// A definition under the second name, without what only the first one needs.
    fn beside(&self, def: &ColumnDef, not_null: bool) -> ColumnDef {
        beside(def, &self.pair.new, not_null, self.dialect)
    }

    fn marks(&self) -> Option<&[Ident; 2]> {
        match &self.ways {
            Ways::Written { mark, .. } => Some(mark),
            Ways::Assigned { .. } => None,
        }
    }

    /// The second column, empty, with the marks. `before` says that the names have not changed yet.
    fn make(
        &self,
        def: &ColumnDef,
        before: bool,
        why: &str,
        side: &mut Side,
    ) -> Result<(), Refused> {
        let dialect = self.dialect;
        add(side, why, &added(self.table, self.beside(def, false)), INSTANT, dialect)?;
        if let Some([mark, other]) = self.marks() {
            let mut why =
                "Constants: they tell the triggers on which side of the change of places they are.";
            for (name, late) in [(mark, !before), (other, before)] {
                let def = constant(name, late);
                add(side, why, &added(self.table, def), INSTANT, dialect)?;
                why = "";
            }
        }
        Ok(())
    }

    fn unmake(&self, side: &mut Side) -> Result<(), Refused> {
        let dialect = self.dialect;
        for name in self.marks().into_iter().flatten().rev() {
            add(side, "", &dropped(self.table, name), INPLACE, dialect)?;
        }
        add(side, "", &dropped(self.table, &self.pair.new), INPLACE, dialect)
    }

    /// The two triggers: what the releases' name holds, the other name gets in its own type.
    fn triggers(&self, trigger: &Ident, side: &mut Side, why: &str) {
        let q = |c: &Ident| format!("NEW.{}", self.dialect.quote_if_needed(c));
        let (name, beside) = (q(&self.old.name), q(&self.pair.new));
        let body = |indent: &str| match &self.ways {
            Ways::Assigned { .. } => format!("{indent}SET {beside} = {name};\n"),
            Ways::Written { forward, back, mark } => {
                let value = |conv: &Conv| conv.over(&|c| q(c), self.table, self.dialect);
                format!(
                    "{indent}IF {} = 0 THEN\n{indent}    SET {beside} = {};\n{indent}ELSE\n{indent}    SET {beside} = {};\n{indent}END IF;\n",
                    q(&mark[0]),
                    value(forward),
                    value(back)
                )
            }
        };
        let before = format!("OLD.{}", self.dialect.quote_if_needed(&self.old.name));
        // Compared by bytes: which of the two types it is, is not known here.
        let update = format!(
            "    IF {} THEN\n{}    END IF;\n",
            differ(&name, &before, None, self.dialect),
            body("        ")
        );
        // The one for UPDATE first: what falls between the two is a new row, and stays to be filled.
        triggers::one(trigger, self.table, self.dialect, "UPDATE", &update, side, why);
        triggers::one(trigger, self.table, self.dialect, "INSERT", &body("    "), side, "");
    }

    /// The `UPDATE` that fills the second column from the first, before the change of names or after.
    fn fill(&self, before: bool) -> String {
        let (name, beside) = (&self.old.name, &self.pair.new);
        let q = |c: &Ident| self.dialect.quote_if_needed(c);
        let there = if before { &self.new.ty } else { &self.old.ty }.as_ref();
        match &self.ways {
            Ways::Assigned { recoded } => {
                let read = |c: &Ident| match recoded {
                    true => format!("CONVERT({} USING utf8mb4)", q(c)),
                    false => q(c),
                };
                format!(
                    "UPDATE {} SET {} = {}\nWHERE {}",
                    self.dialect.quote_name_if_needed(self.table),
                    q(beside),
                    q(name),
                    differ(&read(beside), &read(name), there, self.dialect)
                )
            }
            // The triggers write it whenever the other is written: what is empty was never reached.
            Ways::Written { forward, back, .. } => {
                let value = if before { forward } else { back }.plain(self.dialect);
                format!(
                    "UPDATE {} SET {} = {value}\nWHERE {} IS NULL AND {value} IS NOT NULL",
                    self.dialect.quote_name_if_needed(self.table),
                    q(beside),
                    q(beside),
                )
            }
        }
    }

    /// Both columns change names, with their keys and marks, in one statement.
    fn swap(
        &self,
        parked: &ColumnDef,
        placed: &ColumnDef,
        keys: &[(Ident, Ident)],
        why: &str,
        side: &mut Side,
    ) -> Result<(), Refused> {
        let (table, dialect) = (self.table, self.dialect);
        let change = |from: &Ident, column: &ColumnDef| Change::ModifyColumn {
            table: table.clone(),
            from: from.clone(),
            column: column.clone(),
            position: None,
        };
        let mut changes = vec![change(&self.old.name, parked), change(&self.pair.new, placed)];
        if let Some([mark, other]) = self.marks() {
            let rename = |from: &Ident, to: &Ident| Change::RenameColumn {
                table: table.clone(),
                from: from.clone(),
                to: to.clone(),
            };
            changes.extend([rename(mark, other), rename(other, mark)]);
        }
        for (from, to) in keys {
            changes.push(Change::RenameIndex {
                table: Some(table.clone()),
                from: ObjectName::bare(from.clone()),
                to: to.clone(),
            });
        }
        let mut why = why.to_owned();
        if self.primary.is_some() {
            why.push_str(" The rows are stored by the new key, in the background, while others read and write; only then.");
        }
        side.together(&why, table, &changes, dialect)?;
        if let Some(step) = side.steps.last_mut() {
            if let Some(primary) = &self.primary {
                let list: Vec<String> =
                    primary.iter().map(|c| dialect.quote_if_needed(c)).collect();
                step.sql.push_str(&format!(
                    ",\n    DROP PRIMARY KEY,\n    ADD PRIMARY KEY ({})",
                    list.join(", ")
                ));
            }
            // MySQL calls the renaming of an index INPLACE; it touches no row either.
            let plain = self.primary.is_none() && (dialect == Dialect::MariaDb || keys.is_empty());
            step.sql.push_str(if plain { INSTANT } else { INPLACE });
        }
        Ok(())
    }
}

/// A column that holds the same in every row.
fn constant(name: &Ident, late: bool) -> ColumnDef {
    let word = "tinyint".to_owned();
    let ty = SqlType {
        schema: None,
        name: word.clone(),
        args: Vec::new(),
        dimensions: 0,
        unsigned: false,
        charset: None,
        raw: word,
    };
    let value = literal(&u8::from(late).to_string());
    ColumnDef {
        name: name.clone(),
        ty: Some(ty),
        not_null: true,
        not_null_name: None,
        default: Some(value),
        generated: None,
        identity: None,
        auto_increment: false,
        collation: None,
        comment: None,
        on_update: None,
        invisible: false,
        constraints: Vec::new(),
        span: Span::default(),
    }
}

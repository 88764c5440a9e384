//! `ALTER COLUMN … TYPE`: at once where no row changes, else a second column that is filled behind
//! the writers and then takes the first one's place.
//!
//! Both releases call the column by one name, so they cannot see two types at once: the place is
//! changed in one short transaction, and the column that was there before follows the new one until
//! contract, so that the change of places can be taken back in an instant.

use downhaul_catalog::{
    Column, Constraint, Sequence, Table, constraint_def, inverse_script, render_type,
};
use downhaul_syntax::{
    Change, ColumnDef, ConstraintDef, ConstraintKind, Expr, Ident, IndexDef, ObjectName, SqlType,
    parse_script,
};

use super::as_written::piece;
use super::conversion::{Conv, directive_for};
use super::counter::Counter;
use super::dependents::{Dependents, key_of};
use super::made_anew::MadeAnew;
use super::names;
use super::pair::{
    Pair, Twin, bare, create, drop_constraint, key_columns, rename_constraint, trigger_names,
};
use super::partitioned::{is_divided, late};
use super::piece::{Piece, Side, Slot};
use super::reverse;
use super::rules::{Rules, lock};
use super::sync::{Sync, Update};
use super::{Made, Refused, Scene, refused};
use crate::Direction;

/// What the statement asks for.
pub(crate) struct Wanted<'a> {
    pub(crate) ty: &'a SqlType,
    pub(crate) collation: Option<&'a str>,
    pub(crate) using: Option<&'a Expr>,
}

/// A column of another type.
pub(crate) fn alter_column_type(
    change: &Change,
    table: &ObjectName,
    column: &Ident,
    wanted: &Wanted<'_>,
    text: Option<&str>,
    scene: &Scene<'_>,
) -> Result<Made, Refused> {
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
            return Ok(made);
        }
    }
    if plain && (is_free(ty, wanted.ty) || ty == wanted.ty) {
        made.push(
            Slot::EXPAND,
            piece(change, text, scene, "No row changes: the lock is held for an instant.")?,
        );
        return Ok(made);
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
    Place::of(known, old, wanted, forward, back, scene)?.phases(made)
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

/// Numbers, in the order in which each takes all values of those before it.
const INTEGERS: [&str; 3] = ["smallint", "integer", "bigint"];

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
        let cast_call = text.starts_with("cast(") && text.matches('(').count() == 1;
        if !casts && !cast_call {
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
    let known = matches!(
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

/// A foreign key of another table.
struct Incoming {
    table: ObjectName,
    name: Ident,
    /// Its name while both stand.
    twin: Ident,
    def: ConstraintDef,
    /// As `def`, referring to the successor.
    successor: ConstraintDef,
}

fn twins<'d, T>(
    pair: &Pair<'_>,
    parts: impl Iterator<Item = (Option<&'d Ident>, T)>,
) -> Result<Vec<Twin<T>>, Refused> {
    parts.map(|(name, def)| pair.twin(name, def)).collect()
}

/// The unique index that will carry a key.
fn key_index(pair: &Pair<'_>, twin: &Twin<ConstraintDef>) -> IndexDef {
    pair.unique_index(&twin.new, key_columns(&twin.def.kind))
}

/// The primary key over its index.
fn primary_over_index(table: &ObjectName, twin: &Twin<ConstraintDef>) -> Change {
    let kind =
        ConstraintKind::PrimaryKey { columns: Vec::new(), using_index: Some(twin.new.clone()) };
    let constraint = ConstraintDef { name: Some(twin.new.clone()), kind, ..twin.def.clone() };
    Change::AddConstraint { table: table.clone(), constraint, if_not_exists: false }
}

/// The same primary key with another column in the place of one.
fn renamed_key(def: &ConstraintDef, from: &Ident, to: &Ident) -> ConstraintDef {
    let renamed = |c: &Ident| if c == from { to.clone() } else { c.clone() };
    let columns = key_columns(&def.kind).iter().map(renamed).collect();
    ConstraintDef { kind: ConstraintKind::PrimaryKey { columns, using_index: None }, ..def.clone() }
}

/// Without what is a foreign key of the table to itself and only refers to the column: its own columns stay.
fn without_referring(
    rules: Vec<(Constraint, ConstraintDef)>,
    table: &Table,
    column: &Ident,
) -> Result<Vec<(Constraint, ConstraintDef)>, Refused> {
    let mut out = Vec::new();
    for (rule, def) in rules {
        if let ConstraintKind::ForeignKey { columns, table: target, referred, .. } = &rule.kind
            && *target == table.name
        {
            if !columns.contains(column) {
                continue;
            }
            if key_of(table, referred).contains(column) {
                return refused(
                    format!("a foreign key of {} to itself has {column} at both ends", table.name),
                    "drop that foreign key in a migration before this one, and add it again afterwards",
                );
            }
        }
        out.push((rule, def));
    }
    Ok(out)
}

/// A column, its successor, and what changes places with them.
struct Place<'a> {
    scene: &'a Scene<'a>,
    table: &'a Table,
    old: &'a Column,
    /// Where the new type is until the change of places.
    new: ColumnDef,
    /// Where the old type is afterwards.
    parked: Ident,
    forward: Conv,
    back: Conv,
    parts: Dependents,
    sequence: Option<Sequence>,
    /// Where the column is an identity.
    counter: Option<Counter>,
    /// Views and policies that read it.
    around: MadeAnew,
}

impl<'a> Place<'a> {
    fn of(
        table: &'a Table,
        old: &'a Column,
        wanted: &Wanted<'_>,
        forward: Conv,
        back: Conv,
        scene: &'a Scene<'a>,
    ) -> Result<Self, Refused> {
        let now = scene.now;
        let new = names::free_column(now, &table.name, &format!("{}_new", old.name));
        let parked = names::free_column(now, &table.name, &format!("{}_old", old.name));
        let found = Dependents::with_ties(scene, &table.name, &[(old.name.clone(), new.clone())])?;
        let around = MadeAnew::of(scene, table, &old.name, &found.ties)?;
        let rules = without_referring(found.rules, table, &old.name)?;
        let parts = Dependents { rules, ..found };
        let integers =
            |ty: Option<&SqlType>| ty.is_some_and(|t| INTEGERS.contains(&t.name.as_str()));
        let both_integers = integers(old.ty.as_ref()) && integers(Some(wanted.ty));
        if !parts.incoming.is_empty() && !both_integers {
            return refused(
                format!("foreign keys of other tables refer to {}.{}", table.name, old.name),
                "drop them in a migration before this one, change both sides, and add them again",
            );
        }
        if !parts.incoming.is_empty() && is_divided(now, &table.name) {
            return refused(
                format!(
                    "foreign keys refer to {}.{}, and {} is partitioned",
                    table.name, old.name, table.name
                ),
                "a key of a partitioned table takes over no index that foreign keys hold on to: drop them in a migration before this one, and add them again behind it",
            );
        }
        if parts.take_nulls_for_equal() {
            return refused(
                format!("a key over {}.{} takes NULLs for equal", table.name, old.name),
                "drop it in a migration before this one, and add it again afterwards",
            );
        }
        let counter = old
            .identity
            .map(|identity| Counter::of(scene, &table.name, &old.name, identity))
            .transpose()?;
        let sequence = now
            .sequences
            .values()
            .filter(|s| !s.of_identity)
            .find(|s| s.owned_by.as_ref().is_some_and(|(t, c)| *t == table.name && *c == old.name))
            .cloned();
        let new = ColumnDef {
            ty: Some(wanted.ty.clone()),
            collation: wanted.collation.map(str::to_owned).or_else(|| {
                old.collation
                    .clone()
                    .filter(|_| matches!(wanted.ty.name.as_str(), "text" | "varchar" | "bpchar"))
            }),
            ..bare(old, &new)
        };
        Ok(Self { scene, table, old, new, parked, forward, back, parts, sequence, counter, around })
    }

    fn rename(&self, from: &Ident, to: &Ident) -> Change {
        Change::RenameColumn { table: self.table.name.clone(), from: from.clone(), to: to.clone() }
    }

    /// A conversion where the column's value stands under another name.
    fn value(&self, conv: &Conv, stands_in: &Ident) -> String {
        let dialect = self.scene.dialect();
        if *stands_in == self.old.name {
            return conv.plain(dialect);
        }
        let source =
            |c: &Ident| dialect.quote_if_needed(if *c == self.old.name { stands_in } else { c });
        conv.over(&source, &self.table.name, dialect)
    }

    /// Hands the sequence to a column.
    fn own(&self, sequence: &Sequence, column: &Ident) -> String {
        let dialect = self.scene.dialect();
        format!(
            "ALTER SEQUENCE {} OWNED BY {}.{}",
            dialect.quote_name_if_needed(&sequence.name),
            dialect.quote_name_if_needed(&self.table.name),
            dialect.quote_if_needed(column)
        )
    }

    fn rename_index(&self, from: &Ident, to: &Ident) -> Change {
        let from = ObjectName { schema: self.table.name.schema.clone(), name: from.clone() };
        Change::RenameIndex { table: None, from, to: to.clone() }
    }

    #[allow(clippy::too_many_lines, reason = "the four phases stand side by side")]
    fn phases(&self, mut made: Made) -> Result<Made, Refused> {
        let Self { scene, table: known, old, new, parked, parts, .. } = self;
        let (now, dialect, table) = (scene.now, scene.dialect(), &known.name);
        let column = &old.name;
        let pair = Pair { scene, table: table.clone(), old: (*old).clone(), new: new.name.clone() };
        let aside = |name: &Ident| names::free_part(now, table, &format!("{name}_old"));
        if let Some(triggers) = trigger_names(known) {
            made.note(format!("{table} has triggers ({triggers}): they fire for every row that the backfill writes"));
        }
        made.note(format!(
            "at the change of places a prepared statement that reads {table}.{column} fails once on each connection (cached plan must not change result type): let the pool prepare anew, or let both releases cast what they read"
        ));
        if matches!(new.ty.as_ref().map(|t| t.name.as_str()), Some("bigint")) {
            if let Some(sequence) = &self.sequence {
                made.note(format!(
                    "the sequence {} may still end at 2147483647: ALTER SEQUENCE {} AS bigint",
                    sequence.name, sequence.name
                ));
            }
            for (other, constraint, _) in &parts.incoming {
                if let ConstraintKind::ForeignKey { columns, .. } = &constraint.kind {
                    let names: Vec<String> =
                        columns.iter().map(|c| format!("{other}.{c}")).collect();
                    made.note(format!("{} refers to {table}.{column} and has to become bigint too, before the numbers outgrow it", names.join(", ")));
                }
            }
        }

        let rule_twins =
            twins(&pair, parts.rules.iter().map(|(c, d)| (c.name.as_ref(), d.clone())))?;
        let index_twins =
            twins(&pair, parts.indexes.iter().map(|(i, d)| (Some(&i.name.name), d.clone())))?;
        let (mut unique_twins, mut primary) = (Vec::new(), None);
        for (constraint, def) in &parts.keys {
            let twin = pair.twin(constraint.name.as_ref(), def.clone())?;
            match &def.kind {
                ConstraintKind::PrimaryKey { .. } => primary = Some(twin),
                _ => unique_twins.push(twin),
            }
        }
        let not_null = |column: &Ident, check: &Ident| {
            if old.not_null { vec![(column.clone(), check.clone())] } else { Vec::new() }
        };
        let check_new =
            names::free_part(now, table, &format!("{}_{}_not_null", table.name, new.name));
        let check_old = names::free_part(now, table, &format!("{}_{parked}_not_null", table.name));
        let new_rules = Rules {
            not_null: not_null(&new.name, &check_new),
            constraints: rule_twins
                .iter()
                .map(|t| ConstraintDef { name: Some(t.new.clone()), ..t.def.clone() })
                .collect(),
        };
        // Behind the change of places the old column's rules stand under other names.
        let moved = Dependents::with_ties(scene, table, &[(column.clone(), parked.clone())])?;
        let moved_rules = without_referring(moved.rules, known, column)?;
        let old_rules = Rules {
            not_null: not_null(parked, &check_old),
            constraints: moved_rules
                .iter()
                .map(|(c, def)| ConstraintDef { name: c.name.as_ref().map(aside), ..def.clone() })
                .collect(),
        };
        let base = column.to_string();
        let (trigger, function) = Sync::named(now, known, &base);
        let schema = table.schema.clone().or_else(|| now.default_schema.clone());
        let there = Sync {
            dialect,
            table: table.clone(),
            first: vec![(column.clone(), old.ty.clone())],
            second: vec![(new.name.clone(), new.ty.clone())],
            forward: vec![self.forward.clone()],
            back: Vec::new(),
            required: new_rules.not_null.iter().map(|(c, _)| c.clone()).collect(),
            trigger: trigger.clone(),
            function: function.clone(),
            schema: schema.clone(),
        };
        let back = Sync {
            first: vec![(column.clone(), new.ty.clone())],
            second: vec![(parked.clone(), old.ty.clone())],
            forward: vec![self.back.clone()],
            required: old_rules.not_null.iter().map(|(c, _)| c.clone()).collect(),
            ..there.clone()
        };

        // Expand.
        let (mut up, mut down) = (Side::default(), Side::default());
        self.around.note(&mut made);
        self.around.ask(&mut up);
        if let Some(counter) = &self.counter {
            counter.note(&mut made);
            counter.ask(&mut up);
        }
        up.change(
            "A second column of the new type. Empty: this touches no row, and holds its lock for an instant.",
            &Change::AddColumn { table: table.clone(), column: new.clone(), if_not_exists: false, position: None },
            dialect,
        )?;
        pair.describe(&new.name, &mut up)?;
        there.create(
            &mut up,
            "It follows the column that is in use. The trigger stands before the first row is copied, so that none is missed.",
        );
        new_rules.add(table, dialect, &mut up, "What binds the column binds its successor. NOT VALID: rows that are not filled yet are left alone.")?;
        let mut why = "The successor needs the same keys and indexes. CONCURRENTLY: writers go on.";
        for twin in unique_twins.iter().chain(&primary) {
            up.change(why, &create(key_index(&pair, twin)), dialect)?;
            why = "";
        }
        for twin in &index_twins {
            up.change(why, &create(pair.index(twin)), dialect)?;
            why = "";
        }
        there.drop(&mut down, "");
        down.change(
            "Its indexes and constraints go with it.",
            &pair.drop_column(&new.name),
            dialect,
        )?;
        made.push(Slot::EXPAND, Piece::made(up, down));
        made.derive(Slot::EXPAND, &[Direction::Down]);

        // Backfill: data, and what must be committed before it can be proven.
        let (mut up, mut down) = (Side::default(), Side::default());
        up.sql(
            "Downhaul runs this in small batches, by key. Run by another client it is one long UPDATE.",
            Update {
                dialect,
                table,
                target: &there.second,
                fill: vec![self.value(&self.forward, column)],
                origin: &there.first,
                // Both expressions are written over the column's own name.
                reverse: vec![self.value(&self.back, &new.name)],
                identical: matches!(self.forward, Conv::Same(_)),
            }
            .sql(),
        );
        let mut incoming = Vec::new();
        for (other, constraint, def) in &parts.incoming {
            let Some(name) = &constraint.name else { continue };
            let twin = names::free_part(now, other, &format!("{name}_new"));
            let light = ConstraintDef { name: Some(twin.clone()), not_valid: true, ..def.clone() };
            let add = Change::AddConstraint {
                table: other.clone(),
                constraint: light,
                if_not_exists: false,
            };
            up.change(
                "Every row is filled, so others may refer to it; proven in the next step.",
                &add,
                dialect,
            )?;
            down.change("", &drop_constraint(other, &twin), dialect)?;
            incoming.push(Incoming {
                table: other.clone(),
                name: name.clone(),
                twin,
                def: constraint_def(constraint),
                successor: def.clone(),
            });
        }
        made.push(Slot::BACKFILL, Piece::made(up, down));
        made.derive(Slot::BACKFILL, &[Direction::Up, Direction::Down]);

        // Switch: the places change.
        let (mut up, mut down) = (Side::default(), Side::default());
        if is_divided(now, table) && !old.not_null {
            late(table, &[(new.name.clone(), self.value(&self.forward, column))], dialect, &mut up);
        }
        let mut why = "Proves the references, while others read and write.";
        for i in &incoming {
            up.change(
                why,
                &Change::ValidateConstraint { table: i.table.clone(), name: i.twin.clone() },
                dialect,
            )?;
            why = "";
        }
        new_rules.validate(table, dialect, &mut up)?;
        let mut tied: Vec<ObjectName> = Vec::new();
        for other in incoming.iter().map(|i| &i.table).filter(|other| *other != table) {
            if !tied.contains(other) {
                tied.push(other.clone());
            }
        }
        tied.push(table.clone());
        for rule in &old_rules.constraints {
            if let ConstraintKind::ForeignKey { table: target, .. } = &rule.kind
                && !tied.contains(target)
            {
                tied.push(target.clone());
            }
        }
        self.around.take_away(&mut up);
        lock(&tied, dialect, &mut up);
        new_rules.harden(table, dialect, &mut up)?;
        there.drop(
            &mut up,
            "From here to the end nothing is read: the places change in an instant.",
        );
        for i in &incoming {
            up.change("", &drop_constraint(&i.table, &i.name), dialect)?;
            up.change("", &rename_constraint(&i.table, &i.twin, &i.name), dialect)?;
        }
        for twin in &unique_twins {
            up.change("", &pair.key_over_index(twin), dialect)?;
        }
        if let Some(twin) = &primary {
            up.change("", &drop_constraint(table, &twin.old), dialect)?;
        }
        if self.old.default.is_some() {
            up.change(
                "",
                &Change::DropDefault { table: table.clone(), column: column.clone() },
                dialect,
            )?;
        }
        if let Some(counter) = &self.counter {
            counter.pass(scene, column, (&new.name, new.ty.as_ref()), &mut up)?;
        }
        up.change("", &self.rename(column, parked), dialect)?;
        up.change("", &self.rename(&new.name, column), dialect)?;
        if let Some(default) = &old.default {
            up.change(
                "",
                &Change::SetDefault {
                    table: table.clone(),
                    column: column.clone(),
                    default: default.clone(),
                },
                dialect,
            )?;
        }
        if let Some(sequence) = &self.sequence {
            up.sql("Else the sequence would go with the old column.", self.own(sequence, column));
        }
        if let Some(twin) = &primary {
            up.change("", &primary_over_index(table, twin), dialect)?;
            if twin.new != twin.old {
                up.change("", &rename_constraint(table, &twin.new, &twin.old), dialect)?;
            }
        }
        for twin in rule_twins.iter().chain(&unique_twins) {
            up.change("", &rename_constraint(table, &twin.old, &aside(&twin.old)), dialect)?;
            up.change("", &rename_constraint(table, &twin.new, &twin.old), dialect)?;
        }
        for twin in &index_twins {
            up.change("", &self.rename_index(&twin.old, &aside(&twin.old)), dialect)?;
            up.change("", &self.rename_index(&twin.new, &twin.old), dialect)?;
        }
        old_rules.demote(table, dialect, &mut up, "")?;
        self.around.bring_back(&mut up);
        back.create(&mut up, "Now the old column follows the new one: so the places can be changed back in an instant.");

        down.sql(
            "Fills the old column again with what was written after contract. Nothing to do where contract never ran.",
            Update {
                dialect,
                table,
                target: &back.second,
                fill: vec![self.value(&self.back, column)],
                origin: &back.first,
                reverse: vec![self.value(&self.forward, parked)],
                identical: matches!(self.back, Conv::Same(_)),
            }
            .sql(),
        );
        if let Some(twin) = &primary {
            let index = key_index(
                &pair,
                &Twin {
                    old: twin.old.clone(),
                    new: aside(&twin.old),
                    def: renamed_key(&twin.def, &new.name, parked),
                },
            );
            down.change(
                "The old column needs its key again before the places change.",
                &create(index),
                dialect,
            )?;
        }
        old_rules.validate(table, dialect, &mut down)?;
        self.around.take_away(&mut down);
        lock(&tied, dialect, &mut down);
        old_rules.harden(table, dialect, &mut down)?;
        back.drop(
            &mut down,
            "From here to the end nothing is read: the places change in an instant.",
        );
        for twin in &index_twins {
            down.change("", &self.rename_index(&twin.old, &twin.new), dialect)?;
            down.change("", &self.rename_index(&aside(&twin.old), &twin.old), dialect)?;
        }
        for twin in rule_twins.iter().chain(&unique_twins) {
            down.change("", &rename_constraint(table, &twin.old, &twin.new), dialect)?;
            down.change("", &rename_constraint(table, &aside(&twin.old), &twin.old), dialect)?;
        }
        // The key's index carries the references of other tables: they come back with it below.
        for i in &incoming {
            down.change("", &drop_constraint(&i.table, &i.name), dialect)?;
        }
        if let Some(twin) = &primary {
            down.change("", &drop_constraint(table, &twin.old), dialect)?;
        }
        if old.default.is_some() {
            down.change(
                "",
                &Change::DropDefault { table: table.clone(), column: column.clone() },
                dialect,
            )?;
        }
        if let Some(counter) = &self.counter {
            counter.pass(scene, column, (parked, old.ty.as_ref()), &mut down)?;
        }
        down.change("", &self.rename(column, &new.name), dialect)?;
        down.change("", &self.rename(parked, column), dialect)?;
        if let Some(default) = &old.default {
            down.change(
                "",
                &Change::SetDefault {
                    table: table.clone(),
                    column: column.clone(),
                    default: default.clone(),
                },
                dialect,
            )?;
        }
        if let Some(sequence) = &self.sequence {
            down.sql("", self.own(sequence, column));
        }
        if let Some(twin) = &primary {
            let moved =
                Twin { old: twin.old.clone(), new: aside(&twin.old), def: twin.def.clone() };
            down.change("", &primary_over_index(table, &moved), dialect)?;
            down.change("", &rename_constraint(table, &moved.new, &twin.old), dialect)?;
        }
        for i in &incoming {
            let light = ConstraintDef { not_valid: true, ..i.def.clone() };
            down.change(
                "",
                &Change::AddConstraint {
                    table: i.table.clone(),
                    constraint: light,
                    if_not_exists: false,
                },
                dialect,
            )?;
        }
        self.around.bring_back(&mut down);
        there.create(&mut down, "");
        for twin in &unique_twins {
            down.change("", &drop_constraint(table, &twin.new), dialect)?;
        }
        new_rules.demote(table, dialect, &mut down, "")?;
        for twin in unique_twins.iter().chain(&primary) {
            down.change("", &create(key_index(&pair, twin)), dialect)?;
        }
        // Behind the indexes, which end the transaction: the locks are gone by then.
        for i in &incoming {
            down.change(
                "",
                &Change::ValidateConstraint { table: i.table.clone(), name: i.name.clone() },
                dialect,
            )?;
        }
        for i in &incoming {
            let light = ConstraintDef {
                name: Some(i.twin.clone()),
                not_valid: true,
                ..i.successor.clone()
            };
            down.change(
                "",
                &Change::AddConstraint {
                    table: i.table.clone(),
                    constraint: light,
                    if_not_exists: false,
                },
                dialect,
            )?;
        }
        made.push(Slot::SWITCH, Piece::made(up, down));
        made.derive(Slot::SWITCH, &[Direction::Up, Direction::Down]);

        // Contract: the old type goes.
        let (mut up, mut down) = (Side::default(), Side::default());
        old_rules.lock_first(table, dialect, &mut up);
        back.drop(&mut up, "Nobody needs the old type any more.");
        up.change(
            "Downhaul keeps its values until they are purged.",
            &pair.drop_column(parked),
            dialect,
        )?;
        down.change(
            "Comes back empty but for what Downhaul kept; `down` of the switch fills the rest.",
            &Change::AddColumn {
                table: table.clone(),
                column: bare(old, parked),
                if_not_exists: false,
                position: None,
            },
            dialect,
        )?;
        pair.describe(parked, &mut down)?;
        back.create(&mut down, "");
        old_rules.add(table, dialect, &mut down, "")?;
        for (constraint, def) in &moved.keys {
            if matches!(constraint.kind, ConstraintKind::PrimaryKey { .. }) {
                continue;
            }
            let twin = pair.twin(constraint.name.as_ref(), def.clone())?;
            let twin = Twin { new: aside(&twin.old), ..twin };
            down.change("", &create(key_index(&pair, &twin)), dialect)?;
            down.change("", &pair.key_over_index(&twin), dialect)?;
        }
        for (index, def) in &moved.indexes {
            let name = ObjectName { schema: table.schema.clone(), name: aside(&index.name.name) };
            down.change("", &create(IndexDef { name: Some(name), ..def.clone() }), dialect)?;
        }
        made.push(Slot::CONTRACT, Piece::made(up, down));
        Ok(made)
    }
}

//! Which columns foreign keys tie together, and what stands on them.

use downhaul_catalog::{Catalog, Column, Constraint, Table, column_def, constraint_def};
use downhaul_syntax::{
    ColumnDef, ConstraintDef, ConstraintKind, Dialect, Ident, ObjectName, ReferentialAction,
    SqlType,
};

use super::ends;
use super::stand_in::StandIn;
use crate::op::dependents::Dependents;
use crate::op::mysql::copy_table::ASK;
use crate::op::mysql::keys::{Key, keys};
use crate::op::mysql::storage::{is_recoded, takes_all};
use crate::op::mysql::{modify, triggers};
use crate::op::names;
use crate::op::pair::{Pair, trigger_names};
use crate::op::{Made, Refused, Scene, refused};

/// What the statement asks for.
pub(super) struct Asked<'a> {
    pub(super) table: &'a ObjectName,
    pub(super) old: &'a Column,
    pub(super) new: &'a ColumnDef,
    /// The lock of the copy that it asks for.
    pub(super) copy: Option<&'static str>,
}

/// A column with its second one.
pub(super) struct Member<'a> {
    pub(super) old: &'a Column,
    pub(super) new: ColumnDef,
    pub(super) second: Ident,
    /// It refers to a column of its own table that changes too.
    pub(super) refers_home: bool,
}

/// A table, and its columns that change.
pub(super) struct Part<'a> {
    pub(super) table: &'a Table,
    pub(super) members: Vec<Member<'a>>,
    pub(super) keys: Vec<Key>,
    /// Columns of the primary key, where it holds one of them.
    pub(super) primary: Option<Vec<Ident>>,
    /// The index over the second columns that does what the primary key does for foreign keys.
    pub(super) key_twin: Option<Ident>,
    pub(super) trigger: Ident,
}

impl Part<'_> {
    pub(super) fn pair<'s>(&self, scene: &'s Scene<'s>) -> Pair<'s> {
        let first = &self.members[0];
        Pair {
            scene,
            table: self.table.name.clone(),
            old: first.old.clone(),
            new: first.second.clone(),
        }
    }

    /// A column's second one, or itself where it does not change.
    pub(super) fn second(&self, column: &Ident) -> Ident {
        self.members.iter().find(|m| m.old.name == *column).map_or(column, |m| &m.second).clone()
    }
}

/// A foreign key between columns that change.
pub(super) struct Reference {
    pub(super) table: ObjectName,
    pub(super) name: Ident,
    /// As it is.
    pub(super) first: ConstraintDef,
    /// Its twin: over the second columns, or, where the key counts, to what stands in for that.
    pub(super) twin: ConstraintDef,
    /// Over the second columns, where the key counts.
    pub(super) renewed: Option<ConstraintDef>,
    /// It writes to its columns: no trigger fires then.
    pub(super) writes: bool,
}

impl Reference {
    /// Names of those that bind the first and the second columns once the places have changed.
    pub(super) fn bound<'a>(&'a self) -> (&'a Ident, &'a Ident) {
        let of = |def: &'a ConstraintDef| def.name.as_ref().unwrap_or(&self.name);
        match &self.renewed {
            Some(renewed) => (of(renewed), of(&self.twin)),
            None => (of(&self.twin), &self.name),
        }
    }
}

/// All that changes together.
pub(super) struct Group<'a> {
    pub(super) scene: &'a Scene<'a>,
    pub(super) parts: Vec<Part<'a>>,
    pub(super) references: Vec<Reference>,
    /// The key that counts.
    pub(super) counted: Option<StandIn<'a>>,
    pub(super) made: Made,
}

/// A column of a table.
type Place = (ObjectName, Ident);

/// Columns that a foreign key ties to one directly.
pub(super) fn neighbours(table: &ObjectName, column: &Ident, now: &Catalog) -> Vec<Place> {
    let mut out = Vec::new();
    let Some(known) = now.table(table) else { return out };
    for constraint in &known.constraints {
        let ConstraintKind::ForeignKey { table: target, .. } = &constraint.kind else { continue };
        let key = now.table(target).map_or(&[][..], Table::primary_key);
        let Some((columns, referred)) = ends(&constraint.kind, key) else { continue };
        for (from, to) in columns.iter().zip(&referred) {
            if from == column {
                out.push((target.clone(), to.clone()));
            }
        }
    }
    for (other, constraint) in references_to(table, now) {
        let Some((columns, referred)) = ends(&constraint.kind, known.primary_key()) else {
            continue;
        };
        for (from, to) in columns.iter().zip(&referred) {
            if to == column {
                out.push((other.clone(), from.clone()));
            }
        }
    }
    out
}

/// Foreign keys that refer to a table, its own too.
fn references_to<'c>(
    table: &'c ObjectName,
    now: &'c Catalog,
) -> impl Iterator<Item = (ObjectName, &'c Constraint)> {
    now.perhaps_referencing(table).filter_map(|other| now.table(other)).flat_map(move |other| {
        other
            .constraints
            .iter()
            .filter(move |c| {
                matches!(&c.kind, ConstraintKind::ForeignKey { table: target, .. } if target == table)
            })
            .map(move |c| (other.name.clone(), c))
    })
}

impl<'a> Group<'a> {
    pub(super) fn of(asked: &Asked<'a>, scene: &'a Scene<'a>) -> Result<Self, Refused> {
        let now = scene.now;
        let mut made = Made::default();
        let mut places: Vec<Place> = vec![(asked.table.clone(), asked.old.name.clone())];
        let mut at = 0;
        while let Some((table, column)) = places.get(at).cloned() {
            for place in neighbours(&table, &column, now) {
                if !places.contains(&place) {
                    places.push(place);
                }
            }
            at += 1;
        }
        let Some(ty) = &asked.new.ty else {
            return refused("the new type is not known", "state it: MODIFY COLUMN name TYPE");
        };
        let mut copied: Option<(&Table, &Column, ColumnDef, &'static str)> = None;
        let mut tables: Vec<(&Table, Vec<(&Column, ColumnDef)>)> = Vec::new();
        for (table, column) in &places {
            let known = scene.table(table)?;
            let old = scene.column(table, column)?;
            let (new, copy) = stated(asked, known, old, ty, scene, &mut made)?;
            check(known, old, &new)?;
            made.implied.push(modify(table, new.clone()));
            if old.auto_increment {
                match copy {
                    Some(lock) if copied.is_none() => copied = Some((known, old, new, lock)),
                    Some(_) => {
                        return refused(
                            format!(
                                "{table}.{column} counts, and so does another column that a foreign key ties to it"
                            ),
                            "let one of the two count",
                        );
                    }
                    None => {
                        return refused(
                            format!("{table}.{column} counts, and {}", why_all(asked)),
                            ASK,
                        );
                    }
                }
                continue;
            }
            match tables.iter_mut().find(|(t, _)| t.name == *table) {
                Some((_, members)) => members.push((old, new)),
                None => tables.push((known, vec![(old, new)])),
            }
            made.claims.push((table.clone(), Some(column.clone())));
        }
        if places.len() > 1 {
            let list: Vec<String> = places.iter().map(|(t, c)| format!("{t}.{c}")).collect();
            made.note(format!(
                "foreign keys tie these columns together, and all get the new type: {}",
                list.join(", ")
            ));
        }
        if let Some((t, c, ..)) = &copied
            && t.constraints.iter().any(|constraint| {
                matches!(&constraint.kind, ConstraintKind::ForeignKey { columns, .. } if columns.contains(&c.name))
            })
        {
            return refused(
                format!("{}.{} counts, and refers to another table", t.name, c.name),
                "drop that foreign key in a migration before this one",
            );
        }
        let mut parts = Vec::new();
        for (table, members) in tables {
            parts.push(part(table, members, &places, scene, &mut made)?);
        }
        if scene.dialect() == Dialect::Mysql {
            parts = referred_first(parts)?;
        }
        let counted = match copied {
            Some((table, old, new, lock)) => Some(StandIn::of(table, old, new, lock, scene)?),
            None => None,
        };
        let mut group = Self { scene, parts, references: Vec::new(), counted, made };
        for part in 0..group.parts.len() {
            let table = group.parts[part].table;
            for constraint in &table.constraints {
                let ConstraintKind::ForeignKey { columns, .. } = &constraint.kind else { continue };
                if group.parts[part].members.iter().any(|m| columns.contains(&m.old.name)) {
                    let reference = group.reference(&group.parts[part], constraint)?;
                    group.references.push(reference);
                }
            }
        }
        Ok(group)
    }

    fn part_of(&self, table: &ObjectName) -> Option<&Part<'a>> {
        self.parts.iter().find(|part| part.table.name == *table)
    }

    fn reference(&self, part: &Part<'a>, constraint: &Constraint) -> Result<Reference, Refused> {
        let now = self.scene.now;
        let first = constraint_def(constraint);
        let ConstraintKind::ForeignKey { table: target, on_delete, on_update, .. } = &first.kind
        else {
            return refused("no foreign key", "write the phases by hand");
        };
        let key = now.table(target).map_or(&[][..], Table::primary_key);
        let Some((columns, referred)) = ends(&first.kind, key) else {
            return refused("no foreign key", "write the phases by hand");
        };
        let Some(name) = constraint.name.clone() else {
            return refused(
                format!("a foreign key of {} has no name", part.table.name),
                "give it one in a migration before this one",
            );
        };
        // Such names are the database's, and no index of the table may have them.
        let free = |end: &str| {
            let name = names::free(&format!("{name}_{end}"), |candidate| {
                let is = |n: &Ident| n.as_str().eq_ignore_ascii_case(candidate);
                part.table.indexes.iter().any(|index| is(&index.name.name))
                    || part.keys.iter().any(|key| is(&key.names.1))
                    || now
                        .tables
                        .values()
                        .flat_map(|t| &t.constraints)
                        .any(|c| c.name.as_ref().is_some_and(is))
            });
            Ident::stored(now.dialect, &name)
        };
        let twin = free("twin");
        let over = |name: &Ident, from: Vec<Ident>, to: &ObjectName, onto: Vec<Ident>| {
            let mut def = ConstraintDef { name: Some(name.clone()), ..first.clone() };
            if let ConstraintKind::ForeignKey { columns, table, referred, .. } = &mut def.kind {
                *columns = from;
                *table = to.clone();
                *referred = onto;
            }
            def
        };
        let seconds = || columns.iter().map(|c| part.second(c)).collect::<Vec<_>>();
        let writes =
            matches!(on_delete, ReferentialAction::SetNull | ReferentialAction::SetDefault)
                || matches!(
                    on_update,
                    ReferentialAction::Cascade
                        | ReferentialAction::SetNull
                        | ReferentialAction::SetDefault
                );
        let (twin, renewed) = match &self.counted {
            Some(counted) if referred.iter().any(|c| counted.stands_for(target, c)) => {
                if referred.len() > 1 {
                    return refused(
                        format!(
                            "{name} of {} refers to several columns of {target}, one of which counts",
                            part.table.name
                        ),
                        "drop that foreign key in a migration before this one, and add it again afterwards",
                    );
                }
                (
                    over(&twin, columns.clone(), &counted.name, referred.clone()),
                    Some(over(&free("next"), seconds(), target, referred.clone())),
                )
            }
            _ => {
                let to = self.part_of(target);
                let onto = referred.iter().map(|c| to.map_or(c.clone(), |p| p.second(c))).collect();
                (over(&twin, seconds(), target, onto), None)
            }
        };
        Ok(Reference { table: part.table.name.clone(), name, first, twin, renewed, writes })
    }
}

/// MySQL: each table behind those that its columns refer to. Where a table changes places behind one that
/// refers to it, the server loses sight of that foreign key: it lists and enforces it, and cannot drop it
/// (9.7.4, error 1091).
fn referred_first(mut left: Vec<Part<'_>>) -> Result<Vec<Part<'_>>, Refused> {
    let mut sorted: Vec<Part<'_>> = Vec::new();
    while !left.is_empty() {
        let waits = |part: &Part<'_>| {
            part.table.constraints.iter().any(|constraint| match &constraint.kind {
                ConstraintKind::ForeignKey { table, columns, .. } => {
                    *table != part.table.name
                        && part.members.iter().any(|m| columns.contains(&m.old.name))
                        && left.iter().any(|other| other.table.name == *table)
                }
                _ => false,
            })
        };
        let Some(at) = left.iter().position(|part| !waits(part)) else {
            return refused(
                format!("foreign keys tie {} to itself through other tables", left[0].table.name),
                "on MySQL: drop one of them in a migration before this one, and add it again afterwards",
            );
        };
        sorted.push(left.remove(at));
    }
    Ok(sorted)
}

fn why_all(asked: &Asked<'_>) -> String {
    format!("foreign keys tie it to {}.{}", asked.table, asked.old.name)
}

/// What a column becomes: as the file says, or its own definition in the new type.
fn stated(
    asked: &Asked<'_>,
    known: &Table,
    old: &Column,
    ty: &SqlType,
    scene: &Scene<'_>,
    made: &mut Made,
) -> Result<(ColumnDef, Option<&'static str>), Refused> {
    let not_null = |def: &ColumnDef| def.not_null || known.primary_key().contains(&old.name);
    let (def, copy) =
        if known.name == *asked.table && old.name == asked.old.name {
            (asked.new.clone(), asked.copy)
        } else if let Some(said) = scene.said.iter().find(|said| {
            scene.now.normalize(&said.table) == known.name && said.column.name == old.name
        }) {
            made.said.push((known.name.clone(), old.name.clone()));
            (said.column.clone(), said.copy)
        } else {
            (ColumnDef { ty: Some(ty.clone()), ..column_def(old) }, None)
        };
    let def = ColumnDef { not_null: not_null(&def), ..def };
    let same = |a: &Option<SqlType>, b: &SqlType| {
        a.as_ref().is_some_and(|a| (&a.name, &a.args, a.unsigned) == (&b.name, &b.args, b.unsigned))
    };
    if !same(&def.ty, ty) {
        return refused(
            format!(
                "{}.{} gets another type than the column that a foreign key ties it to",
                known.name, old.name
            ),
            "both have to be of one type",
        );
    }
    if def.not_null != old.not_null {
        return refused(
            format!("{}.{} gets another type and another NOT NULL at once", known.name, old.name),
            "change the type in one migration, and NOT NULL in the next",
        );
    }
    Ok((def, copy))
}

/// Refuses what the way does not carry.
fn check(known: &Table, old: &Column, new: &ColumnDef) -> Result<(), Refused> {
    let at = format!("{}.{}", known.name, old.name);
    if old.generated.is_some()
        || new.generated.is_some()
        || old.on_update.is_some()
        || new.on_update.is_some()
        || !new.constraints.is_empty()
        || old.auto_increment != new.auto_increment
    {
        return refused(
            format!(
                "{at} is computed, begins or ceases to count, or gets a value or a rule along with its type"
            ),
            "change its type alone",
        );
    }
    if !takes_all(old, new, known) || is_recoded(old, new, known) {
        return refused(
            format!(
                "foreign keys tie {at} to others, and the new type does not hold each value as it is"
            ),
            "take a wider type of the same kind",
        );
    }
    Ok(())
}

/// A table with its members, and what stands on them.
fn part<'a>(
    table: &'a Table,
    members: Vec<(&'a Column, ColumnDef)>,
    places: &[Place],
    scene: &'a Scene<'a>,
    made: &mut Made,
) -> Result<Part<'a>, Refused> {
    let now = scene.now;
    let is_place = |t: &ObjectName, c: &Ident| places.iter().any(|(pt, pc)| pt == t && pc == c);
    let referring = |own: bool| {
        let mut out: Vec<Vec<Ident>> = Vec::new();
        for constraint in &table.constraints {
            if let ConstraintKind::ForeignKey { table: target, columns, .. } = &constraint.kind
                && (!own || *target == table.name)
                && columns.iter().any(|c| is_place(&table.name, c))
            {
                out.push(columns.clone());
            }
        }
        out
    };
    let at_home = referring(true);
    let members: Vec<Member<'a>> = members
        .into_iter()
        .map(|(old, new)| Member {
            old,
            new,
            second: names::free_column(now, &table.name, &format!("{}_new", old.name)),
            refers_home: at_home.iter().any(|columns| columns.contains(&old.name)),
        })
        .collect();
    let referred: Vec<Vec<Ident>> = references_to(&table.name, now)
        .filter_map(|(_, c)| ends(&c.kind, table.primary_key()).map(|(_, to)| to))
        .filter(|columns| columns.iter().any(|c| is_place(&table.name, c)))
        .collect();
    if let Some(member) = members
        .iter()
        .find(|m| m.refers_home && referred.iter().any(|columns| columns.contains(&m.old.name)))
    {
        return refused(
            format!(
                "{}.{} refers to its own table, and other columns refer to it",
                table.name, member.old.name
            ),
            "drop one of these foreign keys in a migration before this one, and add it again afterwards",
        );
    }
    let pairs: Vec<(Ident, Ident)> =
        members.iter().map(|m| (m.old.name.clone(), m.second.clone())).collect();
    let mut dependents = Dependents::of_all(scene, &table.name, &pairs)?;
    if let Some((rule, _)) = dependents
        .rules
        .iter()
        .find(|(rule, _)| !matches!(rule.kind, ConstraintKind::ForeignKey { .. }))
    {
        return refused(
            format!(
                "the constraint {} reads {}.{}",
                rule.name.as_ref().map(Ident::to_string).unwrap_or_default(),
                table.name,
                members[0].old.name
            ),
            "drop it in a migration before this one, and add it again afterwards",
        );
    }
    dependents.keys.retain(|(key, _)| !matches!(key.kind, ConstraintKind::PrimaryKey { .. }));
    let key = table.primary_key();
    let primary = members.iter().any(|m| key.contains(&m.old.name)).then(|| key.to_vec());
    let serves = referred.iter().chain(&referring(false)).any(|columns| key.starts_with(columns));
    let key_twin = (primary.is_some() && serves).then(|| {
        names::free_part(now, &table.name, &format!("{}_{}", table.name.name, members[0].second))
    });
    if let Some(names) = trigger_names(table) {
        made.note(format!(
            "{} has triggers ({names}): they fire for every row that the backfill writes",
            table.name
        ));
    }
    let trigger = triggers::name(now, &table.name, members[0].old.name.as_str()).0;
    let mut part = Part { table, members, keys: Vec::new(), primary, key_twin, trigger };
    part.keys = keys(&part.pair(scene), &dependents)?;
    Ok(part)
}

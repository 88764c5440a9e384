//! Columns of other types: each gets a second column that is filled behind the writers and then takes the
//! first one's place.
//!
//! Both releases call a column by one name, so they cannot see two types at once: the places are changed
//! in one short transaction, and the columns that were there before follow the new ones until contract,
//! so that the change of places can be taken back in an instant.
//!
//! Columns that foreign keys, keys or indexes tie together change places together, those of all their
//! tables in one transaction. A foreign key of which one end or both change gets a twin over the second
//! columns, where they have been filled: from there on both bind, and both act (`ON DELETE`, `ON UPDATE`),
//! until the twin takes the name.

pub(crate) mod default;
mod ends;
mod phases;
pub(crate) mod together;

use downhaul_catalog::{Column, Constraint, Origin, Sequence, Table, constraint_def};
use downhaul_syntax::{
    Change, ColumnDef, ConstraintDef, ConstraintKind, Dialect, Expr, Ident, IndexDef, ObjectName,
    SqlType,
};

use super::conversion::Conv;
use super::counter::Counter;
use super::dependents::{Dependents, key_of};
use super::made_anew::{MadeAnew, Read};
use super::names;
use super::pair::{Pair, Twin, bare, key_columns};
use super::partitioned::is_divided;
use super::remade_type::{self, RemadeType};
use super::{Made, Refused, Scene, refused};

/// Numbers, in the order in which each takes all values of those before it.
pub(crate) const INTEGERS: [&str; 3] = ["smallint", "integer", "bigint"];

/// What a statement makes of a column.
#[derive(Clone, Debug)]
pub(crate) struct Retyped {
    pub(crate) table: ObjectName,
    pub(crate) column: Ident,
    pub(crate) ty: SqlType,
    pub(crate) collation: Option<String>,
    pub(crate) forward: Conv,
    pub(crate) back: Conv,
}

/// The phases of columns that change places together.
pub(crate) fn retype(columns: &[Retyped], scene: &Scene<'_>) -> Result<Made, Refused> {
    Group::of(columns, scene)?.phases()
}

/// A column with what changes places with it.
struct Member<'a> {
    old: &'a Column,
    /// Where the new type is until the change of places.
    new: ColumnDef,
    /// Where the old type is afterwards.
    parked: Ident,
    forward: Conv,
    back: Conv,
    /// The default that it has from the change of places to the contract.
    default: Option<Expr>,
    sequence: Option<Sequence>,
    /// Where the column is an identity.
    counter: Option<Counter>,
    /// The enum that is made anew for it.
    remade: Option<&'a RemadeType>,
}

impl Member<'_> {
    /// A conversion over the names that types have behind the change of places.
    fn behind(&self, conv: &Conv, dialect: Dialect) -> Conv {
        let Some(remade) = self.remade else { return conv.clone() };
        match conv {
            Conv::Same(column) => Conv::Same(column.clone()),
            Conv::Cast(..) => Conv::Expr {
                text: remade.behind(&conv.plain(dialect), dialect),
                columns: conv.columns(),
            },
            Conv::Expr { text, columns } => {
                Conv::Expr { text: remade.behind(text, dialect), columns: columns.clone() }
            }
        }
    }

    /// Its type from the change of places on.
    fn ty_behind(&self, dialect: Dialect) -> Option<SqlType> {
        match (self.remade, &self.new.ty) {
            (Some(remade), Some(ty)) => Some(remade.taken(ty, dialect)),
            (_, ty) => ty.clone(),
        }
    }

    /// The type of the old column from then on.
    fn parked_ty(&self, dialect: Dialect) -> Option<SqlType> {
        match (self.remade, &self.old.ty) {
            (Some(remade), Some(ty)) => Some(remade.parked(ty, dialect)),
            (_, ty) => ty.clone(),
        }
    }
}

/// A table, its columns that change, and what stands on them. Foreign keys that change an end are not
/// among it.
struct Part<'a> {
    scene: &'a Scene<'a>,
    table: &'a Table,
    members: Vec<Member<'a>>,
    parts: Dependents,
    /// The same over the columns under the names that they have behind the change of places.
    moved: Dependents,
}

/// A foreign key of which an end changes, or that binds new rows only.
struct Reference {
    table: ObjectName,
    target: ObjectName,
    name: Ident,
    /// Its name while both stand.
    twin: Ident,
    def: ConstraintDef,
    /// As `def`, over the successors.
    successor: ConstraintDef,
}

/// All that changes together.
struct Group<'a> {
    scene: &'a Scene<'a>,
    parts: Vec<Part<'a>>,
    references: Vec<Reference>,
    /// Views and policies that read the columns.
    around: MadeAnew,
}

impl<'a> Group<'a> {
    fn of(columns: &'a [Retyped], scene: &'a Scene<'a>) -> Result<Self, Refused> {
        let mut parts: Vec<Part<'a>> = Vec::new();
        for column in columns {
            let table = scene.table(&column.table)?;
            let member = member(column, table, scene)?;
            match parts.iter_mut().find(|part| part.table.name == table.name) {
                Some(part) => part.members.push(member),
                None => parts.push(Part {
                    scene,
                    table,
                    members: vec![member],
                    parts: Dependents::default(),
                    moved: Dependents::default(),
                }),
            }
        }
        for part in &mut parts {
            part.find()?;
            part.names_no_type()?;
        }
        let read: Vec<Read<'_>> = parts
            .iter()
            .map(|part| Read { table: part.table, columns: part.named(), ties: &part.parts.ties })
            .collect();
        let around = MadeAnew::of_all(scene, &read)?;
        let references = references(&parts, scene)?;
        for part in &mut parts {
            for found in [&mut part.parts, &mut part.moved] {
                found.rules.retain(|(rule, _)| {
                    !references.iter().any(|reference| {
                        reference.table == part.table.name
                            && Some(&reference.name) == rule.name.as_ref()
                    })
                });
            }
        }
        let mut group = Self { scene, parts, references, around };
        group.check_ends()?;
        if group.parts.len() > 1 {
            let order = group.in_order_of_locks();
            let place = |table: &ObjectName| order.iter().position(|t| t == table);
            group.parts.sort_by_key(|part| place(&part.table.name));
            group.references.sort_by_key(|reference| place(&reference.table));
        }
        for reference in &group.references {
            let Reference { table, target, .. } = reference;
            if group.part_of(target).is_some() && is_divided(scene.now, target) {
                return refused(
                    format!(
                        "foreign keys refer to {target}.{}, and {target} is partitioned",
                        group.part_of(target).map(Part::named).unwrap_or_default()
                    ),
                    "a key of a partitioned table takes over no index that foreign keys hold on to: drop them in a migration before this one, and add them again behind it",
                );
            }
            if group.part_of(table).is_some() && is_divided(scene.now, table) {
                return refused(
                    format!(
                        "{table} is partitioned, and changes its type together with {target}, to which it refers"
                    ),
                    "put the two into migrations of their own, the key first; or drop the foreign key in a migration before this one",
                );
            }
        }
        for part in &group.parts {
            if part.parts.take_nulls_for_equal() {
                return refused(
                    format!(
                        "a key over {}.{} takes NULLs for equal",
                        part.table.name,
                        part.named()
                    ),
                    "drop it in a migration before this one, and add it again afterwards",
                );
            }
        }
        Ok(group)
    }

    fn part_of(&self, table: &ObjectName) -> Option<&Part<'a>> {
        self.parts.iter().find(|part| part.table.name == *table)
    }

    /// Tables in the order in which writers lock them: those that refer come first.
    fn in_order_of_locks(&self) -> Vec<ObjectName> {
        let mut tied: Vec<ObjectName> = Vec::new();
        let mut add = |table: &ObjectName| {
            if !tied.contains(table) {
                tied.push(table.clone());
            }
        };
        self.references
            .iter()
            .filter(|reference| self.part_of(&reference.table).is_none())
            .for_each(|reference| add(&reference.table));
        let mut left: Vec<&ObjectName> = self.parts.iter().map(|part| &part.table.name).collect();
        while !left.is_empty() {
            let referred = |table: &ObjectName| {
                self.references
                    .iter()
                    .any(|r| r.target == *table && r.table != *table && left.contains(&&r.table))
            };
            // Tables that refer to each other in a circle have no order.
            let at = left.iter().position(|table| !referred(table)).unwrap_or(0);
            add(left.remove(at));
        }
        for part in &self.parts {
            for (rule, _) in &part.parts.rules {
                if let ConstraintKind::ForeignKey { table: target, .. } = &rule.kind {
                    add(target);
                }
            }
        }
        self.references.iter().for_each(|reference| add(&reference.target));
        tied
    }
}

/// A column with names for its second one.
fn member<'a>(
    asked: &'a Retyped,
    table: &'a Table,
    scene: &'a Scene<'a>,
) -> Result<Member<'a>, Refused> {
    let now = scene.now;
    let old = scene.column(&table.name, &asked.column)?;
    let new = names::free_column(now, &table.name, &format!("{}_new", old.name));
    let parked = names::free_column(now, &table.name, &format!("{}_old", old.name));
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
        ty: Some(asked.ty.clone()),
        collation: asked.collation.clone().or_else(|| {
            old.collation
                .clone()
                .filter(|_| matches!(asked.ty.name.as_str(), "text" | "varchar" | "bpchar"))
        }),
        ..bare(old, &new)
    };
    let (forward, back) = (asked.forward.clone(), asked.back.clone());
    let remade = scene.remade.iter().find(|remade| remade.is(&asked.ty, now));
    let mut member = Member {
        old,
        new,
        parked,
        forward,
        back,
        default: old.default.clone(),
        sequence,
        counter,
        remade,
    };
    if scene.gives_default(&table.name, &old.name) {
        let dialect = scene.dialect();
        // As a text: a default that names the old type would hold on to it.
        let as_text = remade.map(|_| remade_type::as_text(old, dialect));
        let forward = member.behind(&member.forward, dialect);
        let old = as_text.as_ref().unwrap_or(old);
        member.default = default::carried(&table.name, old, &asked.ty, &forward, dialect);
    }
    Ok(member)
}

/// Foreign keys of which an end changes, and those of the tables that bind new rows only: they get their
/// twin where the rows have been filled.
fn references(parts: &[Part<'_>], scene: &Scene<'_>) -> Result<Vec<Reference>, Refused> {
    let now = scene.now;
    let mut after = now.clone();
    for part in parts {
        for member in &part.members {
            let change = Change::RenameColumn {
                table: part.table.name.clone(),
                from: member.old.name.clone(),
                to: member.new.name.clone(),
            };
            after.apply(&change, Origin::Series(usize::MAX));
        }
    }
    let mut out: Vec<Reference> = Vec::new();
    let mut add = |table: &ObjectName, old: &Constraint, target: &ObjectName| {
        let Some(name) = &old.name else {
            return refused(
                format!("a foreign key of {table} has no name"),
                "give it one in a migration before this one",
            );
        };
        if out.iter().any(|reference| reference.table == *table && reference.name == *name) {
            return Ok(());
        }
        let Some(new) = after.table(table).and_then(|t| t.constraint(name)) else {
            return refused(format!("{name} of {table} is not known"), "write the phases by hand");
        };
        let mut successor = constraint_def(new);
        // REFERENCES t without columns means the key, whatever it is called.
        if let ConstraintKind::ForeignKey { referred, .. } = &mut successor.kind
            && referred.is_empty()
            && let Some(key) = after.table(target)
        {
            *referred = key_of(key, &[]);
        }
        out.push(Reference {
            table: table.clone(),
            target: target.clone(),
            name: name.clone(),
            twin: names::free_part(now, table, &format!("{name}_new")),
            def: constraint_def(old),
            successor,
        });
        Ok(())
    };
    for part in parts {
        for other in now.perhaps_referencing(&part.table.name) {
            for old in now.table(other).into_iter().flat_map(|t| &t.constraints) {
                if let ConstraintKind::ForeignKey { table: target, referred, .. } = &old.kind
                    && *target == part.table.name
                    && key_of(part.table, referred).iter().any(|c| part.member(c).is_some())
                {
                    add(other, old, target)?;
                }
            }
        }
    }
    for part in parts {
        for (old, _) in &part.parts.rules {
            if let ConstraintKind::ForeignKey { table: target, .. } = &old.kind
                && old.not_valid
            {
                add(&part.table.name, old, target)?;
            }
        }
    }
    Ok(out)
}

impl<'a> Part<'a> {
    fn member(&self, column: &Ident) -> Option<&Member<'a>> {
        self.members.iter().find(|member| member.old.name == *column)
    }

    /// Its columns, for people.
    fn named(&self) -> String {
        let names: Vec<String> = self.members.iter().map(|m| m.old.name.to_string()).collect();
        names.join(", ")
    }

    /// What stands on the columns.
    fn find(&mut self) -> Result<(), Refused> {
        let pairs = |to: &dyn Fn(&Member<'a>) -> Ident| -> Vec<(Ident, Ident)> {
            self.members.iter().map(|m| (m.old.name.clone(), to(m))).collect()
        };
        let table = &self.table.name;
        let parts = Dependents::with_ties(self.scene, table, &pairs(&|m| m.new.name.clone()))?;
        let moved = Dependents::with_ties(self.scene, table, &pairs(&|m| m.parked.clone()))?;
        (self.parts, self.moved) = (parts, moved);
        Ok(())
    }

    /// Refuses rules and indexes that name an enum which is made anew: their counterparts would have to name
    /// another one before the change of places than behind it.
    fn names_no_type(&self) -> Result<(), Refused> {
        let dialect = self.scene.dialect();
        let expr = |e: &Expr| e.text.clone();
        let rules = self.parts.rules.iter().filter_map(|(rule, _)| match &rule.kind {
            ConstraintKind::Check { expr: e, .. } => Some((rule.name.as_ref(), expr(e))),
            _ => None,
        });
        let indexes = self.parts.indexes.iter().flat_map(|(index, _)| {
            let parts = index.parts.iter().filter_map(|part| part.expr.as_ref());
            let all = parts.chain(&index.predicate).map(expr);
            all.map(|text| (Some(&index.name.name), text))
        });
        let remade = || self.members.iter().filter_map(|member| member.remade);
        for (name, text) in rules.chain(indexes) {
            if let Some(remade) = remade().find(|remade| remade.behind(&text, dialect) != text) {
                return refused(
                    format!(
                        "{} of {} names the type {}, which is made anew",
                        name.map(Ident::to_string).unwrap_or_default(),
                        self.table.name,
                        remade.name
                    ),
                    "drop it in a migration before this one, and create it again behind it; or write it without the name of the type ('label' alone is of the column's type)",
                );
            }
        }
        Ok(())
    }

    fn pair(&self, member: &Member<'_>) -> Pair<'a> {
        Pair {
            scene: self.scene,
            table: self.table.name.clone(),
            old: member.old.clone(),
            new: member.new.name.clone(),
        }
    }

    /// A name that something has while it stands aside.
    fn aside(&self, name: &Ident) -> Ident {
        names::free_part(self.scene.now, &self.table.name, &format!("{name}_old"))
    }

    fn rename(&self, from: &Ident, to: &Ident) -> Change {
        Change::RenameColumn { table: self.table.name.clone(), from: from.clone(), to: to.clone() }
    }

    fn rename_index(&self, from: &Ident, to: &Ident) -> Change {
        let from = ObjectName { schema: self.table.name.schema.clone(), name: from.clone() };
        Change::RenameIndex { table: None, from, to: to.clone() }
    }

    /// The unique index that will carry a key.
    fn key_index(&self, twin: &Twin<ConstraintDef>) -> IndexDef {
        self.pair(&self.members[0]).unique_index(&twin.new, key_columns(&twin.def.kind))
    }

    /// The primary key over its index.
    fn primary_over_index(&self, twin: &Twin<ConstraintDef>) -> Change {
        let kind =
            ConstraintKind::PrimaryKey { columns: Vec::new(), using_index: Some(twin.new.clone()) };
        let constraint = ConstraintDef { name: Some(twin.new.clone()), kind, ..twin.def.clone() };
        Change::AddConstraint { table: self.table.name.clone(), constraint, if_not_exists: false }
    }

    /// The same primary key over the columns that stand aside.
    fn parked_key(&self, def: &ConstraintDef) -> ConstraintDef {
        let parked = |c: &Ident| {
            self.members.iter().find(|m| m.new.name == *c).map_or(c, |m| &m.parked).clone()
        };
        let columns = key_columns(&def.kind).iter().map(parked).collect();
        let kind = ConstraintKind::PrimaryKey { columns, using_index: None };
        ConstraintDef { kind, ..def.clone() }
    }

    /// Hands the sequence of a column to another one.
    fn own(&self, sequence: &Sequence, column: &Ident) -> String {
        let dialect = self.scene.dialect();
        format!(
            "ALTER SEQUENCE {} OWNED BY {}.{}",
            dialect.quote_name_if_needed(&sequence.name),
            dialect.quote_name_if_needed(&self.table.name),
            dialect.quote_if_needed(column)
        )
    }

    /// A conversion where the value of the member's column stands under another name.
    fn value(&self, member: &Member<'_>, conv: &Conv, stands_in: &Ident) -> String {
        let dialect = self.scene.dialect();
        if *stands_in == member.old.name {
            return conv.plain(dialect);
        }
        let source =
            |c: &Ident| dialect.quote_if_needed(if *c == member.old.name { stands_in } else { c });
        conv.over(&source, &self.table.name, dialect)
    }
}

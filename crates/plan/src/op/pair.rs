//! An old column and its successor: the parts that both need, under names that do not clash.

use downhaul_catalog::{Column, Table, column_def};
use downhaul_syntax::{
    Change, ColumnDef, ConstraintDef, ConstraintKind, Dialect, Ident, IndexDef, IndexPart,
    ObjectKind, ObjectName,
};

use super::names;
use super::piece::Side;
use super::{Made, Refused, Scene, refused};

/// The old column and its successor.
pub(crate) struct Pair<'a> {
    pub(crate) scene: &'a Scene<'a>,
    pub(crate) table: ObjectName,
    pub(crate) old: Column,
    pub(crate) new: Ident,
}

/// A part of the old column, and its counterpart for the successor.
pub(crate) struct Twin<T> {
    /// The old part's name.
    pub(crate) old: Ident,
    /// The new part's name until the old one is gone.
    pub(crate) new: Ident,
    /// The new part.
    pub(crate) def: T,
}

impl Pair<'_> {
    /// Says that triggers of the table fire for what is written here.
    pub(crate) fn note_triggers(&self, known: &Table, made: &mut Made) {
        if let Some(names) = trigger_names(known) {
            made.note(format!(
                "{} has triggers ({names}): they fire for every row that the backfill writes, and one that reads or sets {} has to know {} too",
                self.table, self.old.name, self.new
            ));
        }
    }

    pub(crate) fn not_null_rule(&self, column: &Ident) -> Vec<(Ident, Ident)> {
        if !self.old.not_null {
            return Vec::new();
        }
        let base = format!("{}_{column}_not_null", self.table.name);
        vec![(column.clone(), names::free_part(self.scene.now, &self.table, &base))]
    }

    pub(crate) fn twin<T>(&self, name: Option<&Ident>, def: T) -> Result<Twin<T>, Refused> {
        let Some(old) = name else {
            return refused(
                format!("a constraint of {} has no name", self.table),
                "give it one in a migration before this one",
            );
        };
        let new = names::free_part(self.scene.now, &self.table, &format!("{old}_new"));
        Ok(Twin { old: old.clone(), new, def })
    }

    pub(crate) fn in_schema(&self, name: &Ident) -> ObjectName {
        ObjectName { schema: self.table.schema.clone(), name: name.clone() }
    }

    /// The unique index that will carry a constraint.
    pub(crate) fn key_index(&self, twin: &Twin<ConstraintDef>) -> Result<IndexDef, Refused> {
        let ConstraintKind::Unique { columns, .. } = &twin.def.kind else {
            return refused(format!("{} is no UNIQUE constraint", twin.old), "write it by hand");
        };
        Ok(self.unique_index(&twin.new, columns))
    }

    /// A unique index of the table.
    pub(crate) fn unique_index(&self, name: &Ident, columns: &[Ident]) -> IndexDef {
        unique_index(&self.table, name, columns, self.scene.dialect())
    }

    /// The constraint over that index.
    pub(crate) fn key_over_index(&self, twin: &Twin<ConstraintDef>) -> Change {
        let kind = ConstraintKind::Unique {
            columns: Vec::new(),
            nulls_not_distinct: false,
            using_index: Some(twin.new.clone()),
        };
        let constraint = ConstraintDef { name: Some(twin.new.clone()), kind, ..twin.def.clone() };
        Change::AddConstraint { table: self.table.clone(), constraint, if_not_exists: false }
    }

    pub(crate) fn index(&self, twin: &Twin<IndexDef>) -> IndexDef {
        IndexDef { name: Some(self.in_schema(&twin.new)), ..twin.def.clone() }
    }

    pub(crate) fn rename_index(&self, from: &Ident, to: &Ident) -> Change {
        Change::RenameIndex { table: None, from: self.in_schema(from), to: to.clone() }
    }

    pub(crate) fn drop_column(&self, column: &Ident) -> Change {
        Change::DropColumn {
            table: self.table.clone(),
            column: column.clone(),
            if_exists: false,
            cascade: false,
        }
    }

    /// Comment and storage options of the old column.
    pub(crate) fn describe(&self, column: &Ident, side: &mut Side) -> Result<(), Refused> {
        let dialect = self.scene.dialect();
        for (option, value) in &self.old.options {
            let change = Change::SetColumnOption {
                table: self.table.clone(),
                column: column.clone(),
                option: option.clone(),
                value: value.clone(),
            };
            side.change("", &change, dialect)?;
        }
        if let Some(text) = &self.old.comment {
            let change = Change::Comment {
                kind: ObjectKind::Column,
                table: Some(self.table.clone()),
                name: ObjectName::bare(column.clone()),
                text: Some(text.clone()),
            };
            side.change("", &change, dialect)?;
        }
        Ok(())
    }
}

/// A unique index of a table over plain columns.
pub(crate) fn unique_index(
    table: &ObjectName,
    name: &Ident,
    columns: &[Ident],
    dialect: Dialect,
) -> IndexDef {
    let part = |c: &Ident| IndexPart {
        column: Some(c.clone()),
        expr: None,
        text: dialect.quote_if_needed(c),
    };
    IndexDef {
        name: Some(ObjectName { schema: table.schema.clone(), name: name.clone() }),
        table: table.clone(),
        parts: columns.iter().map(part).collect(),
        unique: true,
        method: None,
        include: Vec::new(),
        predicate: None,
        nulls_not_distinct: false,
        only: false,
        invisible: false,
        options: None,
    }
}

/// A column under another name, without anything that binds it or gives it a value.
pub(crate) fn bare(column: &Column, name: &Ident) -> ColumnDef {
    ColumnDef {
        name: name.clone(),
        not_null: false,
        not_null_name: None,
        default: None,
        comment: None,
        identity: None,
        ..column_def(column)
    }
}

/// The columns of a key.
pub(crate) fn key_columns(kind: &ConstraintKind) -> &[Ident] {
    match kind {
        ConstraintKind::PrimaryKey { columns, .. } | ConstraintKind::Unique { columns, .. } => {
            columns
        }
        _ => &[],
    }
}

/// Builds an index while writers go on.
pub(crate) fn create(index: IndexDef) -> Change {
    Change::CreateIndex { index, concurrently: true, if_not_exists: false }
}

pub(crate) fn drop_constraint(table: &ObjectName, name: &Ident) -> Change {
    Change::DropConstraint {
        table: table.clone(),
        name: name.clone(),
        if_exists: false,
        cascade: false,
    }
}

pub(crate) fn rename_constraint(table: &ObjectName, from: &Ident, to: &Ident) -> Change {
    Change::RenameConstraint { table: table.clone(), from: from.clone(), to: to.clone() }
}

/// Triggers of a table, for a note.
pub(crate) fn trigger_names(table: &Table) -> Option<String> {
    let names: Vec<&str> = table.triggers.iter().map(|t| t.name.as_str()).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

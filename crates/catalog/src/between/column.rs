//! Columns.

use super::table::parent_of;
use super::{Builder, Step};
use crate::apply::{
    column_def, constraint_def, default_storage, has_assignment_cast, owned_sequence_text,
    plain_type, serial_name,
};
use crate::diff::{matched, same_constraint};
use crate::text::{same_default, same_text, same_type};
use crate::{Column, Table};
use downhaul_syntax::change::ColumnPosition;
use downhaul_syntax::{
    Change, ColumnDef, ConstraintKind, Ident, Identity, ObjectKind, ObjectName, SqlType,
};

/// A column of a partition once its parent's has changed from one to the other: what changed alike came
/// with it.
fn changed_with(old: &Column, new: &Column, parent_old: &Column, parent_new: &Column) -> Column {
    let mut met = old.clone();
    if (&old.ty, &old.collation) == (&parent_old.ty, &parent_old.collation)
        && (&new.ty, &new.collation) == (&parent_new.ty, &parent_new.collation)
    {
        met.ty.clone_from(&new.ty);
        met.collation.clone_from(&new.collation);
    }
    if old.not_null == parent_old.not_null && new.not_null == parent_new.not_null {
        met.not_null = new.not_null;
    }
    if old.default == parent_old.default && new.default == parent_new.default {
        met.default.clone_from(&new.default);
    }
    met
}

impl Builder<'_> {
    /// A column's definition; where its default draws from a sequence of its own under the usual
    /// name, as `serial`.
    pub(super) fn column(&self, table: &Table, column: &Column) -> ColumnDef {
        let mut def = column_def(column);
        if !self.is_postgres() {
            return def;
        }
        if let Some(serial) = self.serial_type(table, column) {
            def.ty = Some(plain_type(serial));
            def.default = None;
            def.not_null = false;
        }
        if def.identity.is_some() {
            def.not_null = false;
        }
        def
    }

    /// `serial`, where exactly this would make the column, its default and its sequence again.
    fn serial_type(&self, table: &Table, column: &Column) -> Option<&'static str> {
        let ty = column.ty.as_ref()?;
        let serial = serial_name(&ty.name)?;
        let name = self.to.usual_sequence_name(&table.name, &column.name);
        let sequence = self.to.sequences.get(&name)?;
        let owned = sequence.owned_by.as_ref() == Some(&(table.name.clone(), column.name.clone()));
        let default = column.default.as_ref()?;
        let wanted = format!(
            "nextval({}::regclass)",
            self.dialect().literal(&self.dialect().quote_name_if_needed(&name))
        );
        let plain = sequence.text == owned_sequence_text(Some(&ty.name));
        // Where the sequence is there already, `serial` would make a second one.
        let free = !self.from.sequences.contains_key(&name);
        (owned
            && plain
            && free
            && column.not_null
            && same_text(&default.text, &wanted, self.dialect()))
        .then_some(serial)
    }

    /// Whether a sequence comes with a `serial` or identity column that is created anew.
    pub(super) fn comes_with_column(&self, owner: &(ObjectName, Ident), of_identity: bool) -> bool {
        let Some(table) = self.to.tables.get(&owner.0) else { return false };
        let Some(column) = table.column(&owner.1) else { return false };
        let there = self.from.tables.get(&owner.0).and_then(|t| t.column(&owner.1));
        match there {
            None if column.identity.is_some() => of_identity,
            None => self.serial_type(table, column).is_some(),
            Some(old) => of_identity && column.identity.is_some() && old.identity.is_none(),
        }
    }

    pub(super) fn columns(&mut self, from: &Table, to: &Table) {
        let name = &to.name;
        let (gone, come) = from.columns.unshared(&to.columns);
        // The columns of a partition come, change and go with its parent's.
        let parents = parent_of(self.from, name).zip(parent_of(self.to, name));
        let parent = |column: &Ident| {
            parents.map_or((None, None), |(from, to)| (from.column(column), to.column(column)))
        };
        for column in gone {
            if matches!(parent(&column.name), (Some(_), None)) {
                continue;
            }
            if to.column(&column.name).is_none() && !to.columns_unknown {
                if self.is_sqlite() && self.sqlite_keeps(from, &column.name) {
                    continue;
                }
                self.push(
                    Step::DropColumns,
                    Change::DropColumn {
                        table: name.clone(),
                        column: column.name.clone(),
                        if_exists: false,
                        cascade: false,
                    },
                );
            }
        }
        for column in come {
            match (from.column(&column.name), to.columns.position(&column.name)) {
                (Some(old), _) => match parent(&column.name) {
                    (Some(f), Some(t)) => {
                        self.column_change(to, &changed_with(old, column, f, t), column)
                    }
                    _ => self.column_change(to, old, column),
                },
                (None, Some(_)) if matches!(parent(&column.name), (None, Some(_))) => {}
                (None, Some(at)) => self.add_column(from, to, at),
                (None, None) => {}
            }
        }
    }

    /// SQLite refuses to drop a column that a key or constraint of the table uses.
    fn sqlite_keeps(&mut self, table: &Table, column: &Ident) -> bool {
        let used = table.constraints.reading(column).any(|c| match &c.kind {
            ConstraintKind::ForeignKey { columns, .. } => columns.len() > 1,
            ConstraintKind::Check { expr, .. } => expr.columns.iter().any(|o| o != column),
            _ => true,
        });
        if used {
            self.blocked(format!(
                "SQLite cannot drop column {}.{column}: a key or constraint of the table uses it",
                table.name
            ));
        }
        used
    }

    fn add_column(&mut self, from: &Table, to: &Table, at: usize) {
        let column = &to.columns[at];
        let mut def = self.column(to, column);
        let last = at + 1 == to.columns.len();
        let position = (self.is_mysql() && !last).then(|| match at {
            0 => ColumnPosition::First,
            _ => ColumnPosition::After(to.columns[at - 1].name.clone()),
        });
        if self.is_sqlite() {
            // SQLite adds constraints only with their column.
            for constraint in &to.constraints {
                let own = match &constraint.kind {
                    ConstraintKind::ForeignKey { columns, .. } => {
                        columns.as_slice() == [column.name.clone()]
                    }
                    ConstraintKind::Check { expr, .. } => {
                        expr.columns.iter().all(|c| *c == column.name)
                            && expr.columns.contains(&column.name)
                    }
                    _ => false,
                };
                let there = from
                    .constraints
                    .iter()
                    .any(|c| same_constraint(c, constraint, self.from, self.to));
                if own && !there {
                    def.constraints.push(constraint_def(constraint));
                }
            }
        }
        self.push(
            Step::AlterColumns,
            Change::AddColumn {
                table: to.name.clone(),
                column: def,
                if_not_exists: false,
                position,
            },
        );
        if !self.is_mysql() {
            self.column_details(to, &Column::new(column.name.clone(), None, column.origin), column);
        }
    }

    /// Comment and options, which no column definition of PostgreSQL holds.
    fn column_details(&mut self, table: &Table, from: &Column, to: &Column) {
        for (option, f, t) in matched(&from.options, &to.options) {
            if f == t {
                continue;
            }
            let value = match (t, option.as_str()) {
                (Some(value), _) => value.clone(),
                (None, "statistics") => "-1".into(),
                (None, "options") => {
                    let names: Vec<&str> = f
                        .map(String::as_str)
                        .unwrap_or_default()
                        .split(',')
                        .filter_map(|o| o.split('=').next())
                        .map(str::trim)
                        .collect();
                    names.join(", ")
                }
                (None, "storage") => match default_storage(to.ty.as_ref()) {
                    Some(storage) => storage.to_owned(),
                    None => {
                        self.blocked(format!(
                            "the storage that column {}.{} had is not known",
                            table.name, to.name
                        ));
                        continue;
                    }
                },
                (None, _) => "DEFAULT".into(),
            };
            self.push(
                Step::AlterColumns,
                Change::SetColumnOption {
                    table: table.name.clone(),
                    column: to.name.clone(),
                    option: option.clone(),
                    value,
                },
            );
        }
        if from.comment != to.comment && !self.is_mysql() {
            self.push(
                Step::Describe,
                Change::Comment {
                    kind: ObjectKind::Column,
                    table: Some(table.name.clone()),
                    name: ObjectName::bare(to.name.clone()),
                    text: to.comment.clone(),
                },
            );
        }
    }

    fn column_change(&mut self, table: &Table, from: &Column, to: &Column) {
        if from == to {
            return;
        }
        let dialect = self.dialect();
        let same_ty = match (&from.ty, &to.ty) {
            (Some(f), Some(t)) => same_type(f, t, dialect),
            (f, t) => f == t,
        };
        let same_collation = from.collation == to.collation;
        let same_generated = match (&from.generated, &to.generated) {
            (Some(f), Some(t)) => {
                f.stored == t.stored && same_text(&f.expr.text, &t.expr.text, dialect)
            }
            (f, t) => f.is_none() == t.is_none(),
        };
        let same_value = match (&from.default, &to.default) {
            (Some(f), Some(t)) => {
                same_text(&f.text, &t.text, dialect)
                    || same_default(&f.text, &t.text, to.ty.as_ref(), dialect)
            }
            (f, t) => f.is_none() == t.is_none(),
        };
        let full = format!("{}.{}", table.name, to.name);
        if self.is_sqlite() {
            let same = same_ty
                && same_collation
                && same_generated
                && same_value
                && from.not_null == to.not_null
                && from.auto_increment == to.auto_increment;
            if !same {
                self.blocked(format!("SQLite cannot alter column {full} in place"));
            }
            return;
        }
        if self.is_mysql() {
            let origin = from.origin;
            if (Column { origin, ..to.clone() }) != *from {
                self.push(
                    Step::AlterColumns,
                    Change::ModifyColumn {
                        table: table.name.clone(),
                        from: to.name.clone(),
                        column: column_def(to),
                        position: None,
                    },
                );
            }
            return;
        }
        let (t, c) = (table.name.clone(), to.name.clone());
        if !same_generated {
            match (&from.generated, &to.generated) {
                (Some(_), None) => self.push(
                    Step::DropColumns,
                    Change::DropExpression {
                        table: t.clone(),
                        column: c.clone(),
                        if_exists: false,
                    },
                ),
                _ => self.blocked(format!(
                    "PostgreSQL cannot make {full} a generated column again: it has to be dropped \
                     and added"
                )),
            }
        }
        if from.identity.is_some() && to.identity.is_none() {
            let (table, column) = (t.clone(), c.clone());
            self.push(Step::DropColumns, Change::DropIdentity { table, column, if_exists: false });
        }
        if !same_ty || !same_collation {
            // A default of the newer type may have no cast to the older one.
            let in_the_way = from.default.is_some() && !same_ty;
            if in_the_way {
                let (table, column) = (t.clone(), c.clone());
                self.push(Step::DropColumns, Change::DropDefault { table, column });
            }
            if let Some(ty) = &to.ty {
                self.push(
                    Step::AlterColumns,
                    Change::AlterColumnType {
                        table: t.clone(),
                        column: c.clone(),
                        ty: ty.clone(),
                        collation: to.collation.clone().or_else(|| {
                            from.collation.is_some().then(|| "pg_catalog.default".to_owned())
                        }),
                        using: from.ty.as_ref().and_then(|f| conversion(&c, f, ty, dialect)),
                    },
                );
            }
            if in_the_way && let Some(default) = &to.default {
                let (table, column, default) = (t.clone(), c.clone(), default.clone());
                self.push(Step::AlterColumns, Change::SetDefault { table, column, default });
            }
        }
        let default_set = !same_ty && from.default.is_some();
        if !same_value && !default_set {
            let (table, column) = (t.clone(), c.clone());
            let change = match &to.default {
                Some(default) => Change::SetDefault { table, column, default: default.clone() },
                None => Change::DropDefault { table, column },
            };
            self.push(Step::AlterColumns, change);
        }
        if from.not_null != to.not_null {
            let (table, column) = (t.clone(), c.clone());
            // A key or an identity brings NOT NULL, and keeps it.
            let change = if to.not_null {
                Change::SetNotNull { table, column }
            } else {
                Change::DropNotNull { table, column }
            };
            self.push(Step::AlterColumns, change);
        }
        match (from.identity, to.identity) {
            (None, Some(identity)) => {
                self.push(Step::AlterColumns, Change::AddIdentity { table: t, column: c, identity })
            }
            (Some(f), Some(identity)) if f != identity => {
                let text = match identity {
                    Identity::Always => "SET GENERATED ALWAYS",
                    Identity::ByDefault => "SET GENERATED BY DEFAULT",
                };
                self.push(
                    Step::AlterColumns,
                    Change::AlterIdentity {
                        table: t,
                        column: c,
                        identity: Some(identity),
                        text: text.into(),
                    },
                );
            }
            _ => {}
        }
        self.column_details(table, from, to);
    }
}

/// `USING`, where PostgreSQL has no assignment cast from the one type to the other.
fn conversion(
    column: &Ident,
    from: &SqlType,
    to: &SqlType,
    dialect: downhaul_syntax::Dialect,
) -> Option<downhaul_syntax::Expr> {
    let text = |t: &SqlType| matches!(t.name.as_str(), "text" | "varchar" | "char" | "bpchar");
    let number = |t: &SqlType| {
        matches!(
            t.name.as_str(),
            "smallint" | "integer" | "bigint" | "numeric" | "real" | "double precision"
        )
    };
    let stamp = |t: &SqlType| matches!(t.name.as_str(), "date" | "timestamp" | "timestamptz");
    if has_assignment_cast(from, to) == Some(true) {
        return None;
    }
    let name = dialect.quote_if_needed(column);
    let ty = crate::render::render_type(to, dialect);
    // Between types of the user's own, and between families that have no cast, the way leads
    // through text.
    let castable = text(from)
        || text(to)
        || number(from) && number(to)
        || stamp(from) && stamp(to)
        || matches!(
            (from.name.as_str(), to.name.as_str()),
            ("integer", "boolean") | ("boolean", "integer")
        );
    let array = if to.dimensions > 0 { "text[]" } else { "text" };
    let through = if castable { String::new() } else { format!("::{array}") };
    Some(downhaul_syntax::Expr {
        text: format!("{name}{through}::{ty}"),
        columns: vec![column.clone()],
        functions: Vec::new(),
        span: downhaul_syntax::Span::default(),
    })
}

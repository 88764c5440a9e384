//! What a change breaks, loses and cannot take back: the same for every database.

use downhaul_catalog::Catalog;
use downhaul_syntax::change::{DomainAction, InsertConflict, RowFilter};
use downhaul_syntax::{
    Change, ConstraintKind, Dialect, Ident, Identity, ObjectKind, ObjectName, SqlType, TypeDef,
};

use super::rebuilt::{Fate, Remade};
use super::type_change::{Fit, fit, labels_fit, using_is_plain};
use super::{Break, Effects, Loss, Scene, Use};

/// Adds breaks and losses of a change.
pub(crate) fn logical(change: &Change, scene: &Scene<'_>, out: &mut Effects) {
    let mut writer = Writer { scene, out };
    writer.change(change);
}

struct Writer<'a, 's> {
    scene: &'a Scene<'s>,
    out: &'a mut Effects,
}

impl Writer<'_, '_> {
    fn breaks(&mut self, uses: Use, object: impl ToString, reason: &str) {
        self.out.breaks.push(Break { uses, object: object.to_string(), reason: reason.to_owned() });
    }

    fn loses(&mut self, table: &ObjectName, column: Option<&Ident>, partial: bool) {
        let table = self.scene.state.catalog.normalize(table);
        let loss = Loss { table, column: column.cloned(), partial };
        if !self.out.loses.contains(&loss) {
            self.out.loses.push(loss);
        }
        self.out.reversible = false;
    }

    fn part(&self, table: &ObjectName, part: &Ident) -> String {
        format!("{}.{part}", self.scene.state.catalog.normalize(table))
    }

    /// A table is made anew by hand: what the old one had and the new one has not.
    fn remade(&mut self, remade: &Remade<'_>) {
        for (column, fate) in remade.lost() {
            if fate != Fate::Emptied {
                let name = self.part(remade.name, column);
                self.breaks(Use::Any, name, "the new table has no such column");
            }
            if fate != Fate::Moved {
                self.loses(remade.name, Some(column), false);
            }
        }
        if remade.leaves_rows_out() {
            self.loses(remade.name, None, true);
        }
    }

    #[allow(clippy::too_many_lines, reason = "one arm a change: the table of contents")]
    fn change(&mut self, change: &Change) {
        use Change as C;
        let state = self.scene.state;
        if let Some(remade) = &self.scene.remade {
            self.remade(remade);
        }
        match change {
            C::DropColumn { table, column, .. } if state.column_in_use(table, column) => {
                let name = self.part(table, column);
                self.breaks(Use::Any, name, "the column is gone");
                let generated = state.column(table, column).is_some_and(|c| c.generated.is_some());
                if !generated {
                    self.loses(table, Some(column), false);
                }
            }
            C::DropTable { name, .. } if state.in_use(name) && !self.scene.in_rebuild => {
                let known = state.catalog.normalize(name);
                self.breaks(Use::Any, known, "the table is gone");
                self.loses(name, None, false);
                // SQLite deletes the rows first.
                if state.dialect() == Dialect::Sqlite {
                    for child in state.cascading(name) {
                        self.loses(&child, None, true);
                    }
                }
            }
            C::DropSchema { name, cascade: true, .. } => {
                let tables: Vec<ObjectName> = state.tables_in_schema(name);
                for table in tables.iter().filter(|t| state.in_use(t)) {
                    self.breaks(Use::Any, table, "the table is gone");
                    self.loses(table, None, false);
                }
                self.out.reversible = false;
            }
            C::DropDatabase { name, .. } => {
                self.breaks(Use::Any, name, "the database is gone");
                self.out.reversible = false;
            }
            C::RenameTable { from, .. } if state.in_use(from) && !self.scene.in_rebuild => {
                let known = state.catalog.normalize(from);
                self.breaks(Use::Any, known, "the table has another name");
            }
            C::SetSchema { kind, name, .. }
                if matches!(kind, ObjectKind::Table | ObjectKind::View)
                    && state.relation_in_use(name) =>
            {
                let known = state.catalog.normalize(name);
                self.breaks(Use::Any, known, "it has moved to another schema");
            }
            C::RenameColumn { table, from, .. } if state.column_in_use(table, from) => {
                let name = self.part(table, from);
                self.breaks(Use::Any, name, "the column has another name");
            }
            C::AlterColumnType { table, column, ty, using, .. }
                if state.column_in_use(table, column) =>
            {
                let old = state.column(table, column).and_then(|c| c.ty.as_ref());
                let kind = old.map_or(Fit::Unknown, |o| fit(o, ty, state.catalog));
                self.retyped(table, column, &kind);
                if using.as_ref().is_some_and(|u| !using_is_plain(u, column, ty))
                    && !matches!(kind, Fit::Narrower(_))
                {
                    self.out.reversible = false;
                }
            }
            C::ModifyColumn { table, from, column, .. } if state.column_in_use(table, from) => {
                if *from != column.name {
                    let name = self.part(table, from);
                    self.breaks(Use::Any, name, "the column has another name");
                }
                let old = state.column(table, from);
                if let (Some(old), Some(new)) = (old.and_then(|c| c.ty.as_ref()), &column.ty) {
                    let kind =
                        if old.name == new.name && matches!(old.name.as_str(), "enum" | "set") {
                            labels_fit(old, new)
                        } else {
                            fit(old, new, state.catalog)
                        };
                    self.retyped(table, from, &kind);
                }
                let lost_default = old.is_some_and(|c| c.default.is_some())
                    && column.default.is_none()
                    && column.generated.is_none();
                if lost_default {
                    let name = self.part(table, from);
                    self.breaks(Use::Insert, name, "inserts that leave it out lose its default");
                }
                if column.not_null && old.is_some_and(|c| !c.not_null) {
                    let name = self.part(table, from);
                    self.breaks(Use::Insert, name, "NULL is refused");
                }
            }
            C::AddColumn { table, column, .. }
                if state.in_use(table)
                    && required(column, state.catalog)
                    && state.dialect() != Dialect::Sqlite =>
            {
                let name = self.part(table, &column.name);
                self.breaks(Use::Insert, name, "inserts that leave it out are refused");
            }
            C::SetNotNull { table, column }
                if state.in_use(table)
                    && !state.null_refused(table, column)
                    && state.column(table, column).is_none_or(|c| !c.not_null) =>
            {
                let name = self.part(table, column);
                self.breaks(Use::Insert, &name, "NULL is refused");
                self.breaks(Use::Update, &name, "NULL is refused");
            }
            C::DropDefault { table, column } | C::DropIdentity { table, column, .. }
                if state.column_in_use(table, column)
                    && state.column(table, column).is_some_and(|c| {
                        c.not_null && (c.default.is_some() || c.identity.is_some())
                    }) =>
            {
                let name = self.part(table, column);
                self.breaks(Use::Insert, name, "inserts that leave it out are refused");
            }
            C::AddConstraint { table, constraint, .. } if state.in_use(table) => {
                let known = state.catalog.normalize(table);
                let reason = match &constraint.kind {
                    _ if constraint.not_enforced => return,
                    ConstraintKind::Check { .. } => "rows that fail the check are refused",
                    ConstraintKind::ForeignKey { .. } => {
                        "rows without their referenced row are refused"
                    }
                    ConstraintKind::Unique { using_index: Some(_), .. }
                    | ConstraintKind::PrimaryKey { using_index: Some(_), .. } => return,
                    ConstraintKind::Unique { .. } | ConstraintKind::PrimaryKey { .. } => {
                        "duplicates are refused"
                    }
                    ConstraintKind::Exclude { .. } => "rows that conflict are refused",
                    ConstraintKind::NotNull { .. } => "NULL is refused",
                };
                self.breaks(Use::Insert, &known, reason);
                self.breaks(Use::Update, &known, reason);
            }
            C::CreateIndex { index, if_not_exists, .. }
                if index.unique && state.in_use(&index.table) && !*if_not_exists =>
            {
                let known = state.catalog.normalize(&index.table);
                self.breaks(Use::Insert, &known, "duplicates are refused");
                self.breaks(Use::Update, &known, "duplicates are refused");
            }
            C::DropIndex { name, table, .. }
                if state
                    .index(name, table.as_ref())
                    .is_some_and(|(_, i)| i.unique && state.existed(i.origin)) =>
            {
                self.breaks(Use::Insert, name, "ON CONFLICT no longer finds its unique index");
            }
            C::DropConstraint { table, name, .. }
                if state.in_use(table)
                    && state.dialect() == Dialect::Postgres
                    && state
                        .table(table)
                        .and_then(|t| t.constraint(name))
                        .is_some_and(|c| matches!(c.kind, ConstraintKind::Unique { .. })) =>
            {
                self.breaks(Use::Insert, name, "ON CONFLICT no longer finds its constraint");
            }
            C::AddIdentity { table, column, identity: Identity::Always }
            | C::AlterIdentity { table, column, identity: Some(Identity::Always), .. }
                if state.column_in_use(table, column) =>
            {
                let name = self.part(table, column);
                self.breaks(Use::Insert, name, "values given for it are refused");
            }
            C::AlterCompositeType { name, .. }
                if state.tables_of_type(name).iter().any(|t| state.in_use(t)) =>
            {
                self.breaks(Use::Any, name, "values have other fields");
            }
            C::AlterDomain {
                name,
                action: DomainAction::AddConstraint(_) | DomainAction::SetNotNull,
            } => {
                for table in state.tables_of_type(name).iter().filter(|t| state.in_use(t)) {
                    self.breaks(Use::Insert, table, "values that the domain refuses are refused");
                }
            }
            C::DropType { name, cascade: true, .. } => {
                for table in state.tables_of_type(name).iter().filter(|t| state.in_use(t)) {
                    self.breaks(Use::Any, table, "columns of the type are gone");
                    self.loses(table, None, false);
                }
            }
            C::DropTrigger { table: Some(table), name, .. }
                if state.in_use(table)
                    && state
                        .table(table)
                        .is_some_and(|t| t.triggers.iter().any(|g| g.name == *name))
                    && !self.scene.trigger_again(name) =>
            {
                let known = state.catalog.normalize(table);
                self.breaks(Use::Any, known, "what the trigger did no longer happens");
            }
            C::SetTriggerEnabled { table, enabled: false, .. } if state.in_use(table) => {
                let known = state.catalog.normalize(table);
                self.breaks(Use::Any, known, "what the trigger did no longer happens");
            }
            C::RowSecurity { table, enabled: Some(true), .. }
                if state.in_use(table) && state.table(table).is_none_or(|t| !t.row_security) =>
            {
                let known = state.catalog.normalize(table);
                self.breaks(Use::Any, known, "only rows that a policy allows are seen");
            }
            C::DropPolicy { table, name, .. }
                if state
                    .table(table)
                    .is_some_and(|t| state.in_use(table) && t.policies.contains_key(name)) =>
            {
                let known = state.catalog.normalize(table);
                self.breaks(Use::Any, known, "rows that the policy allowed are not seen");
            }
            C::AlterPolicy { table, .. } if state.in_use(table) => {
                let known = state.catalog.normalize(table);
                self.breaks(Use::Any, known, "rows that the policy allowed may not be seen");
            }
            C::AlterSequence { name, restart: true, .. } if state.relation_in_use(name) => {
                self.breaks(Use::Insert, name, "numbers that are taken come again");
            }
            C::RenameColumn { table: view, from, .. }
                if state.catalog.view(view).is_some_and(|v| state.existed(v.origin)) =>
            {
                let name = self.part(view, from);
                self.breaks(Use::Select, name, "the column has another name");
            }
            C::RenameEnumValue { name, from, .. } => {
                let known = state.catalog.normalize(name);
                if state.type_in_use(&known) {
                    self.breaks(Use::Any, known, &format!("the label '{from}' is gone"));
                }
            }
            C::DropView { name, .. } if self.scene.view_again(name) => {}
            C::DropView { name, .. } | C::RenameView { from: name, .. }
                if state.catalog.view(name).is_some_and(|v| state.existed(v.origin)) =>
            {
                let known = state.catalog.normalize(name);
                self.breaks(Use::Any, known, "the view is gone");
            }
            C::DropRoutine { name, .. }
                if !self.scene.recreated_later(change) && state.routine_in_use(name) =>
            {
                self.breaks(Use::Call, name, "the routine is gone");
            }
            C::DropSequence { name, .. } if state.relation_in_use(name) => {
                let known = state.catalog.normalize(name);
                self.breaks(Use::Call, known, "the sequence is gone");
            }
            C::Revoke { objects, .. } => {
                for object in objects.iter().filter(|o| state.relation_in_use(o)) {
                    self.breaks(Use::Any, object, "privileges are taken away");
                }
            }
            C::DetachPartition { table, partition, .. } if state.in_use(table) => {
                let known = state.catalog.normalize(partition);
                self.breaks(Use::Any, known, "its rows are no longer seen through the parent");
            }
            C::MysqlPartition { table, verb, text }
                if state.in_use(table) && state.may_have_partition(table, text) =>
            {
                let verb = verb.to_lowercase();
                if matches!(verb.as_str(), "exchange" | "discard" | "convert") {
                    let known = state.catalog.normalize(table);
                    self.breaks(Use::Any, known, "rows lie elsewhere");
                }
                if verb.starts_with("drop") || verb.starts_with("truncate") {
                    self.breaks(Use::Any, state.catalog.normalize(table), "rows are gone");
                    self.loses(table, None, true);
                }
            }

            C::Truncate { tables, cascade, .. } => {
                for table in state.truncated(tables, *cascade) {
                    if state.in_use(&table) {
                        self.loses(&table, None, false);
                    }
                }
            }
            C::Delete { table, rows, .. } if state.in_use(table) => {
                self.loses(table, None, *rows != RowFilter::All);
                for child in state.cascading(table) {
                    self.loses(&child, None, true);
                }
            }
            C::Update { table, columns, rows, .. } if state.in_use(table) => {
                for column in columns.iter().filter(|c| state.column_in_use(table, c)) {
                    self.loses(table, Some(column), *rows != RowFilter::All);
                }
            }
            C::Insert {
                table, conflict: InsertConflict::Update | InsertConflict::Replace, ..
            }
            | C::Merge { table, .. }
                if state.in_use(table) =>
            {
                self.loses(table, None, true);
            }
            C::AddEnumValue { .. } => self.out.reversible = false,
            C::AlterColumnType { .. } | C::DynamicUnknown { .. } | C::Call { .. } => {}
            _ => {}
        }
    }

    fn retyped(&mut self, table: &ObjectName, column: &Ident, kind: &Fit) {
        let name = self.part(table, column);
        match kind {
            Fit::Same => {}
            Fit::Wider => self.breaks(Use::Select, name, "values may not fit the old type"),
            Fit::Narrower(_) => {
                self.breaks(Use::Insert, name, "values that fitted the old type are refused");
                self.loses(table, Some(column), true);
            }
            Fit::Other => self.breaks(Use::Any, name, "the column has another type"),
            Fit::Unknown => self.breaks(Use::Any, name, "the column may have another type"),
        }
    }
}

/// A domain with a default.
pub(crate) fn fills_itself(ty: &SqlType, catalog: &Catalog) -> bool {
    let name =
        ObjectName { schema: ty.schema.clone(), name: Ident::stored(catalog.dialect, &ty.name) };
    catalog.types.get(&catalog.normalize(&name)).is_some_and(|known| {
        matches!(&known.def, TypeDef::Domain { default: Some(default), .. }
            if !super::default_value::is_null(default))
    })
}

/// `NOT NULL` without anything that fills it.
pub(crate) fn required(column: &downhaul_syntax::ColumnDef, catalog: &Catalog) -> bool {
    let key =
        column.constraints.iter().any(|c| matches!(c.kind, ConstraintKind::PrimaryKey { .. }));
    (column.not_null || key)
        && column.default.as_ref().is_none_or(super::default_value::is_null)
        && column.generated.is_none()
        && column.identity.is_none()
        && !column.auto_increment
        && !column.ty.as_ref().is_some_and(|ty| fills_itself(ty, catalog))
        && !column.ty.as_ref().is_some_and(|t| t.name.ends_with("serial"))
        // MySQL gives the first label.
        && !(catalog.dialect.is_mysql_family() && column.ty.as_ref().is_some_and(|t| t.name == "enum"))
}

//! Values that a column makes for itself: `serial`, identity and generated expressions.

use downhaul_syntax::{Expr, Ident, Identity, ObjectName, Span};

use super::Applier;
use crate::{Column, Sequence};

impl Applier<'_> {
    /// A sequence named as the server names that of a `serial` or identity column.
    pub(super) fn own_sequence(
        &mut self,
        table: &ObjectName,
        column: &Ident,
        text: &str,
        of_identity: bool,
    ) -> ObjectName {
        let name = self.catalog.choose_relation_name(table, Some(column.as_str()), "seq", false);
        self.catalog.sequences.insert(
            name.clone(),
            Sequence {
                name: name.clone(),
                text: text.to_owned(),
                owned_by: Some((table.clone(), column.clone())),
                of_identity,
                origin: self.origin,
            },
        );
        self.catalog.lookup.owned.or_default(table).insert(name.clone(), ());
        name
    }

    /// `nextval('sequence'::regclass)`, as the server deparses it.
    pub(super) fn nextval(&self, sequence: &ObjectName) -> Expr {
        let name = self.dialect().quote_name_if_needed(sequence);
        call_expr(format!("nextval({}::regclass)", self.dialect().literal(&name)), "nextval")
    }

    /// The sequence of an identity column.
    pub(super) fn identity_sequence(
        &self,
        table: &ObjectName,
        column: &Ident,
    ) -> Option<ObjectName> {
        self.catalog
            .lookup
            .owned
            .get(table)?
            .keys()
            .find(|name| {
                self.catalog.sequences.get(*name).is_some_and(|s| {
                    s.of_identity
                        && s.owned_by.as_ref().is_some_and(|(t, c)| t == table && c == column)
                })
            })
            .cloned()
    }

    pub(super) fn add_identity(&mut self, table: &ObjectName, column: &Ident, identity: Identity) {
        let Some(name) = self.altered_column(table, column) else { return };
        let Some(c) = self.catalog.tables.get(&name).and_then(|t| t.column(column)) else { return };
        let (has_identity, nullable, has_default) =
            (c.identity.is_some(), !c.not_null, c.default.is_some());
        let text = owned_sequence_text(c.ty.as_ref().map(|t| t.name.as_str()));
        if has_identity {
            self.refuse(format!("column {name}.{column} is already an identity column"));
            return;
        }
        if nullable {
            self.refuse(format!(
                "column {name}.{column} must be NOT NULL before identity can be added"
            ));
        }
        if has_default {
            self.refuse(format!("column {name}.{column} already has a default value"));
        }
        self.own_sequence(&name, column, text, true);
        self.alter_column(table, column, |c| {
            c.identity = Some(identity);
            c.not_null = true;
        });
    }

    pub(super) fn alter_identity(
        &mut self,
        table: &ObjectName,
        column: &Ident,
        identity: Option<Identity>,
    ) {
        let Some(name) = self.altered_column(table, column) else { return };
        if self.has_no(&name, column, |c| c.identity.is_none()) {
            self.refuse(format!("column {name}.{column} is not an identity column"));
            return;
        }
        if identity.is_some() {
            self.alter_column(table, column, |c| c.identity = identity);
        }
    }

    /// Whether the column lacks something, and that is known.
    fn has_no(&self, table: &ObjectName, column: &Ident, lacks: impl Fn(&Column) -> bool) -> bool {
        self.catalog.tables.get(table).and_then(|t| t.column(column)).is_some_and(lacks)
    }

    pub(super) fn drop_identity(&mut self, table: &ObjectName, column: &Ident, if_exists: bool) {
        let Some(name) = self.altered_column(table, column) else { return };
        if self.has_no(&name, column, |c| c.identity.is_none()) {
            if !if_exists {
                self.refuse(format!("column {name}.{column} is not an identity column"));
            }
            return;
        }
        self.alter_column(table, column, |c| c.identity = None);
        self.drop_owned_sequences(&name, column, |sequence| sequence.of_identity);
    }

    pub(super) fn set_expression(&mut self, table: &ObjectName, column: &Ident, expr: &Expr) {
        let Some(name) = self.altered_column(table, column) else { return };
        if self.has_no(&name, column, |c| c.generated.is_none()) {
            self.refuse(format!("column {name}.{column} is not a generated column"));
            return;
        }
        self.alter_column(table, column, |c| {
            if let Some(generated) = &mut c.generated {
                generated.expr = expr.clone();
            }
        });
    }

    pub(super) fn drop_expression(&mut self, table: &ObjectName, column: &Ident, if_exists: bool) {
        let Some(name) = self.altered_column(table, column) else { return };
        if self.has_no(&name, column, |c| c.generated.is_none()) {
            if !if_exists {
                self.refuse(format!("column {name}.{column} is not a generated column"));
            }
            return;
        }
        self.alter_column(table, column, |c| c.generated = None);
    }
}

/// The integer type behind a `serial` type of PostgreSQL.
#[must_use]
pub fn serial_base(name: &str) -> Option<&'static str> {
    Some(match name {
        "smallserial" | "serial2" => "smallint",
        "serial" | "serial4" => "integer",
        "bigserial" | "serial8" => "bigint",
        _ => return None,
    })
}

/// The `serial` type of PostgreSQL over an integer type.
pub(crate) fn serial_name(name: &str) -> Option<&'static str> {
    Some(match name {
        "smallint" => "smallserial",
        "integer" => "serial",
        "bigint" => "bigserial",
        _ => return None,
    })
}

/// Options of the sequence behind a column of a type: its type, where it is not the default one.
pub(crate) fn owned_sequence_text(ty: Option<&str>) -> &'static str {
    match ty {
        Some("smallint") => "AS smallint",
        Some("integer") => "AS integer",
        _ => "",
    }
}

/// An expression that reads no column.
pub(crate) fn call_expr(text: String, function: &str) -> Expr {
    Expr { text, columns: Vec::new(), functions: vec![function.to_owned()], span: Span::default() }
}

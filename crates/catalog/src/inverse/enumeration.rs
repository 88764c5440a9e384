//! PostgreSQL cannot remove a value from an enum: the type is made anew without it, and its columns
//! are moved over. Rows that hold the value make this fail, and lose nothing.

use downhaul_syntax::{Change, Expr, Ident, ObjectKind, ObjectName, Span, SqlType, TypeDef};

use crate::text::mentions_ident;
use crate::{Catalog, Table};

/// The changes that take back `ADD VALUE`; `None` where something stands in the way.
pub(super) fn without_new_values(
    change: &Change,
    before: &Catalog,
    after: &Catalog,
) -> Option<Vec<Change>> {
    let Change::AddEnumValue { name, .. } = change else { return None };
    let name = before.normalize(name);
    let old = before.types.get(&name)?;
    let TypeDef::Enum(_) = &old.def else { return None };
    let dialect = before.dialect;

    let aside = Ident::stored(dialect, &aside_name(after, &name)?);
    let aside_full = ObjectName { schema: name.schema.clone(), name: aside.clone() };
    let mut out = vec![
        Change::Rename { kind: ObjectKind::Type, table: None, from: name.clone(), to: aside },
        Change::CreateType { name: name.clone(), def: old.def.clone() },
    ];
    for table in after.tables.values() {
        for column in &table.columns {
            let Some(ty) = &column.ty else { continue };
            if !is_of(ty, &name, after) {
                continue;
            }
            if is_used(table, &column.name, after) {
                return None;
            }
            let (t, c) = (table.name.clone(), column.name.clone());
            if column.default.is_some() {
                out.push(Change::DropDefault { table: t.clone(), column: c.clone() });
            }
            let array = "[]".repeat(usize::from(ty.dimensions.min(1)));
            let text = format!(
                "{}::text{array}::{}{array}",
                dialect.quote_if_needed(&c),
                dialect.quote_name_if_needed(&name)
            );
            out.push(Change::AlterColumnType {
                table: t.clone(),
                column: c.clone(),
                ty: ty.clone(),
                collation: None,
                using: Some(Expr {
                    text,
                    columns: vec![c.clone()],
                    functions: Vec::new(),
                    span: Span::default(),
                }),
            });
            if let Some(default) = &column.default {
                let default = default.clone();
                out.push(Change::SetDefault { table: t, column: c, default });
            }
        }
    }
    let in_routine = after.routines.values().any(|r| {
        let typed = r.def.returns.iter().chain(&r.def.args);
        typed.into_iter().any(|text| mentions_ident(text, dialect, &name.name))
    });
    let in_type = after.types.values().any(|t| match &t.def {
        TypeDef::Domain { base, .. } => is_of(base, &name, after),
        TypeDef::Composite(attributes) => attributes.iter().any(|(_, ty)| is_of(ty, &name, after)),
        TypeDef::Other(text) => mentions_ident(text, dialect, &name.name),
        TypeDef::Enum(_) => false,
    });
    let in_view = after.views.values().any(|v| mentions_ident(&v.query.text, dialect, &name.name));
    if in_routine || in_type || in_view {
        return None;
    }
    if old.comment.is_some() {
        out.push(Change::Comment {
            kind: ObjectKind::Type,
            table: None,
            name: name.clone(),
            text: old.comment.clone(),
        });
    }
    out.push(Change::DropType {
        name: aside_full,
        domain: false,
        if_exists: false,
        cascade: false,
    });
    Some(out)
}

/// A free name for the type on its way out.
fn aside_name(catalog: &Catalog, name: &ObjectName) -> Option<String> {
    (0..100)
        .map(|n| {
            format!(
                "{}_before_down{}",
                name.name,
                if n == 0 { String::new() } else { n.to_string() }
            )
        })
        .find(|candidate| {
            let candidate = ObjectName {
                schema: name.schema.clone(),
                name: Ident::stored(catalog.dialect, candidate),
            };
            candidate.name.as_str().len() <= 63 && !catalog.types.contains_key(&candidate)
        })
}

fn is_of(ty: &SqlType, name: &ObjectName, catalog: &Catalog) -> bool {
    if !ty.name.eq_ignore_ascii_case(name.name.as_str()) {
        return false;
    }
    match &ty.schema {
        Some(schema) => {
            let full = ObjectName { schema: Some(schema.clone()), name: name.name.clone() };
            catalog.normalize(&full) == *name
        }
        None => true,
    }
}

/// Whether something holds an expression over the column, which would not survive the change of
/// its type: a view, a check, a predicate, a policy, a trigger's condition.
fn is_used(table: &Table, column: &Ident, catalog: &Catalog) -> bool {
    let in_expr = |e: &Option<Expr>| e.as_ref().is_some_and(|e| e.columns.contains(column));
    table.constraints.iter().any(|c| {
        matches!(
            &c.kind,
            downhaul_syntax::ConstraintKind::Check { .. }
                | downhaul_syntax::ConstraintKind::Exclude { .. }
        ) && c.uses(column)
    }) || table
        .indexes
        .iter()
        .any(|i| in_expr(&i.predicate) || i.parts.iter().any(|p| in_expr(&p.expr)))
        || table
            .columns
            .iter()
            .any(|c| c.generated.as_ref().is_some_and(|g| g.expr.columns.contains(column)))
        || table.triggers.iter().any(|t| t.columns.contains(column))
        || table.policies.values().any(|p| mentions_ident(p, catalog.dialect, column))
        || catalog
            .views
            .values()
            .any(|v| v.reads.iter().any(|r| r.table == table.name && r.column == *column))
}

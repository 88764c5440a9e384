//! Changes whose inverse is their mirror image, because a comparison of the schemas would take a
//! rename for a loss and an addition.

use downhaul_syntax::{Change, ObjectKind, ObjectName};

use crate::Catalog;

/// The mirror image of a change that moves something; empty where it has none or did nothing.
pub(super) fn mirror(change: &Change, before: &Catalog, after: &Catalog) -> Vec<Change> {
    match change {
        Change::RenameTable { from, to } => {
            let from = before.normalize(from);
            let to = match &to.schema {
                None => ObjectName { schema: from.schema.clone(), name: to.name.clone() },
                Some(_) => before.normalize(to),
            };
            let moved = |there: bool, still: bool| there && !still;
            let done = moved(before.tables.contains_key(&from), after.tables.contains_key(&from))
                || moved(before.views.contains_key(&from), after.views.contains_key(&from))
                || moved(before.sequences.contains_key(&from), after.sequences.contains_key(&from));
            if done { vec![Change::RenameTable { from: to, to: from }] } else { Vec::new() }
        }
        Change::RenameView { from, to, materialized } => {
            let from = before.normalize(from);
            let to = ObjectName {
                schema: to.schema.clone().or_else(|| from.schema.clone()),
                name: to.name.clone(),
            };
            if before.views.contains_key(&from) && !after.views.contains_key(&from) {
                vec![Change::RenameView { from: to, to: from, materialized: *materialized }]
            } else {
                Vec::new()
            }
        }
        Change::RenameColumn { table, from, to } => {
            let table = after.normalize(table);
            vec![Change::RenameColumn { table, from: to.clone(), to: from.clone() }]
        }
        Change::ModifyColumn { table, from, column, .. } if *from != column.name => {
            // CHANGE renames and restates: the rename first, the rest by comparison.
            vec![Change::RenameColumn {
                table: after.normalize(table),
                from: column.name.clone(),
                to: from.clone(),
            }]
        }
        Change::RenameConstraint { table, from, to } => vec![Change::RenameConstraint {
            table: after.normalize(table),
            from: to.clone(),
            to: from.clone(),
        }],
        Change::RenameIndex { table, from, to } => vec![Change::RenameIndex {
            table: table.as_ref().map(|t| after.normalize(t)),
            from: ObjectName { schema: before.normalize(from).schema, name: to.clone() },
            to: from.name.clone(),
        }],
        Change::RenameEnumValue { name, from, to } => {
            vec![Change::RenameEnumValue {
                name: after.normalize(name),
                from: to.clone(),
                to: from.clone(),
            }]
        }
        Change::Rename { kind, table, from, to } => vec![Change::Rename {
            kind: *kind,
            table: table.as_ref().map(|t| after.normalize(t)),
            from: ObjectName { schema: before.normalize(from).schema, name: to.clone() },
            to: from.name.clone(),
        }],
        Change::SetSchema { kind, name, schema } => {
            let name = before.normalize(name);
            let old = name.schema.clone().or_else(|| before.default_schema.clone());
            let Some(old) = old else { return Vec::new() };
            let moved = ObjectName { schema: Some(schema.clone()), name: name.name };
            vec![Change::SetSchema { kind: *kind, name: moved, schema: old }]
        }
        Change::AttachPartition { table, partition, .. } => vec![Change::DetachPartition {
            table: after.normalize(table),
            partition: after.normalize(partition),
            concurrently: false,
            finalize: false,
        }],
        Change::DetachPartition { table, partition, .. } => {
            let bounds = before.table(partition).and_then(|t| match &t.partitioning {
                Some(downhaul_syntax::Partitioning::Of { bounds, .. }) => Some(bounds.clone()),
                _ => None,
            });
            match bounds {
                Some(bounds) => vec![Change::AttachPartition {
                    table: after.normalize(table),
                    partition: after.normalize(partition),
                    bounds,
                }],
                None => Vec::new(),
            }
        }
        Change::AlterRoutine { name, .. } => {
            // Stating the routine anew resets what was altered.
            let name = before.normalize(name);
            before
                .routines
                .values()
                .filter(|r| r.def.name == name && !r.def.definition.is_empty())
                .map(|r| Change::CreateRoutine {
                    def: r.def.clone(),
                    or_replace: true,
                    if_not_exists: false,
                    body_changes: r.effects.clone(),
                    body_spans: vec![downhaul_syntax::Span::default(); r.effects.len()],
                })
                .collect()
        }
        Change::AlterCompositeType { name, text } => attribute(text)
            .map(|text| vec![Change::AlterCompositeType { name: name.clone(), text }])
            .unwrap_or_default(),
        Change::RefreshMaterializedView { name, no_data: true, .. } => {
            // What it held before can be computed again only.
            let populated = before.view(name).is_some_and(|v| !v.no_data);
            if populated {
                vec![Change::RefreshMaterializedView {
                    name: name.clone(),
                    concurrently: false,
                    no_data: false,
                }]
            } else {
                Vec::new()
            }
        }
        Change::AlterOther { kind: ObjectKind::Role, .. } => Vec::new(),
        _ => Vec::new(),
    }
}

/// The inverse of one action on an attribute of a composite type.
fn attribute(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    if text.contains(',') {
        return None;
    }
    let is = |at: usize, word: &str| words.get(at).is_some_and(|w| w.eq_ignore_ascii_case(word));
    if is(0, "ADD") && is(1, "ATTRIBUTE") {
        return words.get(2).map(|name| format!("DROP ATTRIBUTE {name}"));
    }
    if is(0, "RENAME") && is(1, "ATTRIBUTE") && is(3, "TO") {
        return Some(format!("RENAME ATTRIBUTE {} TO {}", words.get(4)?, words[2]));
    }
    None
}

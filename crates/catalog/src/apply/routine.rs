//! Functions, procedures and aggregates, and what calling them does.

use downhaul_syntax::{Change, ObjectName, RoutineDef, RoutineKind};

use super::Applier;
use crate::{Routine, RoutineKey};

/// Calls within calls that are followed.
const MAX_DEPTH: u32 = 4;

impl Applier<'_> {
    pub(super) fn create_routine(
        &mut self,
        def: &RoutineDef,
        or_replace: bool,
        if_not_exists: bool,
        body_changes: &[Change],
    ) {
        let name = self.new_name(&def.name);
        self.require_schema(&name);
        let key = RoutineKey { name: name.clone(), args: def.args.clone() };
        let old = self.catalog.routines.get(&key);
        if old.is_some() && !or_replace {
            if !if_not_exists && self.muted == 0 {
                self.exists("function", &name);
            }
            return;
        }
        let comment = old.and_then(|r| r.comment.clone());
        let origin = old.map_or(self.origin, |r| r.origin);
        let mut def = def.clone();
        def.name = name;
        let effects = body_changes.iter().filter(|c| makes_schema(c)).cloned().collect();
        self.catalog.routines.insert(key, Routine { def, effects, comment, origin });
    }

    pub(super) fn alter_routine(&mut self, name: &ObjectName, text: &str) {
        let name = self.catalog.normalize(name);
        let keys = self.routines_named(&name);
        if keys.is_empty() {
            self.missing("function", &name);
        }
        let lower = text.to_lowercase();
        for key in keys {
            let Some(routine) = self.catalog.routines.get_mut(&key) else { continue };
            for word in ["immutable", "stable", "volatile"] {
                if lower.split_whitespace().any(|w| w == word) {
                    routine.def.volatility = Some(word.to_owned());
                }
            }
            if lower.contains("security definer") {
                routine.def.security_definer = true;
            } else if lower.contains("security invoker") {
                routine.def.security_definer = false;
            }
        }
    }

    pub(super) fn routines_named(&self, name: &ObjectName) -> Vec<RoutineKey> {
        let first = RoutineKey { name: name.clone(), args: Vec::new() };
        self.catalog
            .routines
            .range(first..)
            .take_while(|(key, _)| key.name == *name)
            .map(|(key, _)| key.clone())
            .collect()
    }

    pub(super) fn drop_routine(
        &mut self,
        kind: RoutineKind,
        name: &ObjectName,
        args: Option<&[String]>,
        if_exists: bool,
        cascade: bool,
    ) {
        let name = self.catalog.normalize(name);
        let word = match kind {
            RoutineKind::Function => "function",
            RoutineKind::Procedure => "procedure",
            RoutineKind::Aggregate => "aggregate",
        };
        let mut keys = self.routines_named(&name);
        if let Some(args) = args {
            // Another number of arguments is another function.
            keys.retain(|k| k.args.len() == args.len());
        } else if kind == RoutineKind::Aggregate && self.is_postgres() {
            self.refuse(format!("DROP AGGREGATE {name} needs the types of its arguments"));
            return;
        }
        let exact = args.and_then(|args| keys.iter().find(|k| k.args == args));
        let key = match (exact, keys.as_slice()) {
            (Some(key), _) => key.clone(),
            (None, []) => {
                if !if_exists {
                    self.missing(word, &name);
                }
                return;
            }
            (None, [only]) if args.is_some_and(|args| surely_other(args, &only.args)) => {
                if !if_exists {
                    self.missing(word, &name);
                }
                return;
            }
            // One spelling of a type may stand for another that is not known to be the same.
            (None, [only]) => only.clone(),
            (None, _) => {
                if args.is_none() {
                    self.refuse(format!("{word} name {name} is not unique"));
                }
                return;
            }
        };
        if self.is_postgres() && keys.len() == 1 {
            let used: Vec<(ObjectName, downhaul_syntax::Ident)> = self
                .catalog
                .tables
                .values()
                .flat_map(|t| t.triggers.iter().map(move |trigger| (t, trigger)))
                .filter(|(_, trigger)| {
                    trigger.function.as_ref().is_some_and(|f| self.catalog.normalize(f) == name)
                })
                .map(|(t, trigger)| (t.name.clone(), trigger.name.clone()))
                .collect();
            if cascade {
                for (table, trigger) in used {
                    self.alter(&table, |t| t.triggers.retain(|t| t.name != trigger));
                }
            } else {
                let listed = used
                    .iter()
                    .map(|(table, trigger)| format!("trigger {trigger} on table {table}"))
                    .collect();
                self.depends(format!("{word} {name}"), listed);
            }
        }
        self.catalog.routines.remove(&key);
    }

    pub(super) fn move_routines(&mut self, from: &ObjectName, to: &ObjectName) {
        // A trigger holds the identity of its function, not the name.
        let called = |t: &crate::Table| {
            t.triggers.iter().any(|t| t.function.as_ref().is_some_and(|f| f.name == from.name))
        };
        let tables: Vec<ObjectName> =
            self.catalog.tables.values().filter(|t| called(t)).map(|t| t.name.clone()).collect();
        for table in tables {
            let dialect = self.dialect();
            let Some(table) = self.catalog.tables.get_mut(&table) else { continue };
            for trigger in &mut table.triggers {
                let Some(function) = trigger.function.as_mut().filter(|f| f.name == from.name)
                else {
                    continue;
                };
                *function = to.clone();
                trigger.text = crate::text::rename_called(&trigger.text, dialect, &from.name, to);
            }
        }
        for key in self.routines_named(from) {
            if let Some(mut routine) = self.catalog.routines.remove(&key) {
                routine.def.name = to.clone();
                self.catalog
                    .routines
                    .insert(RoutineKey { name: to.clone(), args: key.args }, routine);
            }
        }
    }

    /// `CALL procedure`.
    pub(super) fn call(&mut self, name: &ObjectName) {
        let name = self.catalog.normalize(name);
        self.run_routines(&name);
    }

    /// A query calls functions: those of this schema that make schema changes make them now.
    pub(super) fn call_functions(&mut self, functions: &[String]) {
        if self.catalog.routines.is_empty() {
            return;
        }
        for function in functions {
            let ident = downhaul_syntax::Ident::new(self.dialect(), function, false);
            self.run_routines(&ObjectName::bare(ident));
        }
    }

    fn run_routines(&mut self, name: &ObjectName) {
        if self.muted >= MAX_DEPTH {
            return;
        }
        for key in self.routines_named(name) {
            let effects = self.catalog.routines.get(&key).map(|r| r.effects.clone());
            self.conditionally(&effects.unwrap_or_default());
        }
    }
}

/// Whether a change found in a body alters the schema, rather than only rows.
fn makes_schema(change: &Change) -> bool {
    !change.is_dml()
        && !matches!(
            change,
            Change::Select { .. }
                | Change::CopyFrom { .. }
                | Change::LockTable { .. }
                | Change::SetVariable { .. }
                | Change::SetSequenceValue { .. }
                | Change::Transaction { .. }
                | Change::NoEffect { .. }
        )
}

/// Of two lists of argument types, one pair is of two built-in types that are not the same.
fn surely_other(a: &[String], b: &[String]) -> bool {
    const SAME: &[&[&str]] = &[
        &["integer", "int", "int4"],
        &["bigint", "int8"],
        &["smallint", "int2"],
        &["boolean", "bool"],
        &["numeric", "decimal"],
        &["real", "float4"],
        &["double precision", "float8", "float"],
        &["varchar", "character varying"],
        &["timestamptz", "timestamp with time zone"],
        &["timestamp", "timestamp without time zone"],
        &["text"],
        &["uuid"],
        &["json"],
        &["jsonb"],
        &["date"],
        &["bytea"],
        &["inet"],
    ];
    let place = |ty: &String| {
        let plain = ty.trim().to_lowercase();
        SAME.iter().position(|names| names.contains(&plain.as_str()))
    };
    a.iter().zip(b).any(|(a, b)| matches!((place(a), place(b)), (Some(a), Some(b)) if a != b))
}

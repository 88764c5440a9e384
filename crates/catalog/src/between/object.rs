//! Schemas, types, sequences, routines, views, and what is kept as text.

use downhaul_syntax::change::DomainAction;
use downhaul_syntax::{Change, ConstraintDef, ObjectKind, ObjectName, RoutineKind, TypeDef};

use super::{Builder, Step, in_order_of_reading};
use crate::apply::{restoring_options, sequence_options_differ};
use crate::diff::{same_check, same_routine};
use crate::text::{same_text, same_type};
use crate::{Routine, UserType, View};

impl Builder<'_> {
    pub(super) fn schemas(&mut self) {
        let (from, to) = (self.from, self.to);
        for name in to.schemas.iter().filter(|s| !from.schemas.contains(s)) {
            let name = name.clone();
            self.push(Step::CreateSchemas, Change::CreateSchema { name, if_not_exists: false });
        }
        for name in from.schemas.iter().filter(|s| !to.schemas.contains(s)) {
            let name = name.clone();
            self.push(
                Step::DropSchemas,
                Change::DropSchema { name, if_exists: false, cascade: false },
            );
        }
        for name in to.extensions.iter().filter(|e| !from.extensions.contains(e)) {
            let name = name.clone();
            self.push(Step::CreateSchemas, Change::CreateExtension { name, if_not_exists: false });
        }
        for name in from.extensions.iter().filter(|e| !to.extensions.contains(e)) {
            let name = name.clone();
            self.push(
                Step::DropSchemas,
                Change::DropExtension { name, if_exists: false, cascade: false },
            );
        }
    }

    pub(super) fn types(&mut self) {
        let (from, to) = (self.from, self.to);
        for (name, f, t) in from.types.unshared(&to.types) {
            match (f, t) {
                (Some(f), Some(t)) if f == t => {}
                (Some(f), Some(t)) => self.user_type(f, t),
                (None, Some(t)) => {
                    // Statements that altered it since stand behind a semicolon.
                    if matches!(&t.def, TypeDef::Other(text) if text.contains("; ")) {
                        self.blocked(format!("how type {name} was altered is kept as text only"));
                        continue;
                    }
                    let (name, def) = (name.clone(), t.def.clone());
                    self.push(Step::CreateTypes, Change::CreateType { name, def });
                    self.type_comment(t, None);
                }
                (Some(f), None) => {
                    let domain = matches!(f.def, TypeDef::Domain { .. });
                    let name = name.clone();
                    self.push(
                        Step::DropTypes,
                        Change::DropType { name, domain, if_exists: false, cascade: false },
                    );
                }
                (None, None) => {}
            }
        }
    }

    fn type_comment(&mut self, to: &UserType, from: Option<&String>) {
        if to.comment.as_ref() != from {
            let domain = matches!(to.def, TypeDef::Domain { .. });
            self.push(
                Step::Describe,
                Change::Comment {
                    kind: if domain { ObjectKind::Domain } else { ObjectKind::Type },
                    table: None,
                    name: to.name.clone(),
                    text: to.comment.clone(),
                },
            );
        }
    }

    fn user_type(&mut self, from: &UserType, to: &UserType) {
        self.type_comment(to, from.comment.as_ref());
        let name = &to.name;
        match (&from.def, &to.def) {
            (f, t) if f == t => {}
            (TypeDef::Enum(f), TypeDef::Enum(t)) => self.enum_values(name, f, t),
            (
                TypeDef::Domain { base: fb, not_null: fn_, default: fd, checks: fc },
                TypeDef::Domain { base: tb, not_null: tn, default: td, checks: tc },
            ) => {
                if !same_type(fb, tb, self.dialect()) {
                    self.blocked(format!("the type below domain {name} cannot be changed"));
                }
                let mut actions = Vec::new();
                self.domain_checks(fc, tc, &mut actions);
                match (fn_, tn) {
                    (true, false) => actions.push(DomainAction::DropNotNull),
                    (false, true) => actions.push(DomainAction::SetNotNull),
                    _ => {}
                }
                match (fd, td) {
                    (Some(_), None) => actions.push(DomainAction::DropDefault),
                    (f, Some(t))
                        if !f
                            .as_ref()
                            .is_some_and(|f| same_text(&f.text, &t.text, self.dialect())) =>
                    {
                        actions.push(DomainAction::SetDefault(t.clone()));
                    }
                    _ => {}
                }
                for action in actions {
                    let name = name.clone();
                    self.push(Step::CreateTypes, Change::AlterDomain { name, action });
                }
            }
            _ => self
                .blocked(format!("type {name} cannot be altered back: its parts are kept as text")),
        }
    }

    /// Values can be added, at the right place; never removed.
    fn enum_values(&mut self, name: &ObjectName, from: &[String], to: &[String]) {
        let extra: Vec<&String> = from.iter().filter(|v| !to.contains(v)).collect();
        let kept: Vec<&String> = from.iter().filter(|v| to.contains(v)).collect();
        let wanted: Vec<&String> = to.iter().filter(|v| from.contains(v)).collect();
        if !extra.is_empty() || kept != wanted {
            self.blocked(format!(
                "PostgreSQL cannot remove a value of an enum: {name} keeps {}",
                extra.iter().map(|v| format!("'{v}'")).collect::<Vec<_>>().join(", ")
            ));
            return;
        }
        for (at, value) in to.iter().enumerate() {
            if from.contains(value) {
                continue;
            }
            let after = at.checked_sub(1).map(|i| to[i].clone());
            let before = after.is_none().then(|| from.first().cloned()).flatten();
            self.push(
                Step::CreateTypes,
                Change::AddEnumValue {
                    name: name.clone(),
                    value: value.clone(),
                    if_not_exists: false,
                    before,
                    after,
                },
            );
        }
    }

    fn domain_checks(
        &mut self,
        from: &[ConstraintDef],
        to: &[ConstraintDef],
        actions: &mut Vec<DomainAction>,
    ) {
        let dialect = self.dialect();
        let twin = |c: &ConstraintDef, others: &[ConstraintDef]| {
            others.iter().any(|o| o.name == c.name && same_check(o, c, dialect))
        };
        for old in from.iter().filter(|c| !twin(c, to)) {
            if let Some(name) = &old.name {
                actions.push(DomainAction::DropConstraint { name: name.clone(), if_exists: false });
            }
        }
        for new in to.iter().filter(|c| !twin(c, from)) {
            actions.push(DomainAction::AddConstraint(new.clone()));
        }
    }

    pub(super) fn sequences(&mut self) {
        let (from, to) = (self.from, self.to);
        for (name, f, t) in from.sequences.unshared(&to.sequences) {
            match (f, t) {
                (Some(f), Some(t)) if f == t => {}
                (Some(f), Some(t)) => {
                    if sequence_options_differ(&f.text, &t.text) {
                        self.push(
                            Step::CreateSequences,
                            Change::AlterSequence {
                                name: name.clone(),
                                if_exists: false,
                                text: restoring_options(&f.text, &t.text),
                                restart: false,
                                owned_by: None,
                            },
                        );
                    }
                    if f.owned_by != t.owned_by {
                        self.own_sequence(name, t.owned_by.as_ref());
                    }
                }
                (None, Some(t)) => {
                    let owner = t.owned_by.as_ref();
                    if owner.is_some_and(|owner| self.comes_with_column(owner, t.of_identity)) {
                        continue;
                    }
                    self.push(
                        Step::CreateSequences,
                        Change::CreateSequence {
                            name: name.clone(),
                            if_not_exists: false,
                            temporary: false,
                            text: t.text.clone(),
                            owned_by: None,
                        },
                    );
                    if t.owned_by.is_some() {
                        self.own_sequence(name, t.owned_by.as_ref());
                    }
                }
                (Some(f), None) => {
                    // An owned sequence goes with its column or its identity.
                    let goes = f.owned_by.as_ref().is_some_and(|(table, column)| {
                        match to.tables.get(table).and_then(|t| t.column(column)) {
                            None => true,
                            Some(new) => {
                                f.of_identity
                                    && new.identity.is_none()
                                    && from
                                        .tables
                                        .get(table)
                                        .and_then(|t| t.column(column))
                                        .is_some_and(|c| c.identity.is_some())
                            }
                        }
                    });
                    if !goes {
                        let name = name.clone();
                        self.push(
                            Step::DropSequences,
                            Change::DropSequence { name, if_exists: false, cascade: false },
                        );
                    }
                }
                (None, None) => {}
            }
        }
    }

    fn own_sequence(
        &mut self,
        name: &ObjectName,
        owner: Option<&(ObjectName, downhaul_syntax::Ident)>,
    ) {
        let text = if owner.is_some() { String::new() } else { "OWNED BY NONE".to_owned() };
        self.push(
            Step::OwnSequences,
            Change::AlterSequence {
                name: name.clone(),
                if_exists: false,
                text,
                restart: false,
                owned_by: owner.cloned(),
            },
        );
    }

    pub(super) fn routines(&mut self) {
        let (from, to) = (self.from, self.to);
        for (key, f, t) in from.routines.unshared(&to.routines) {
            // Temporary objects end with their session.
            if key.name.schema.as_ref().is_some_and(|s| s.as_str() == "pg_temp") {
                continue;
            }
            match (f, t) {
                (Some(f), Some(t)) if f == t || same_routine(f, t) => {
                    self.routine_comment(Some(f), t)
                }
                (Some(f), Some(t)) => {
                    // OR REPLACE cannot change what is returned.
                    let same_result = match (&f.def.returns, &t.def.returns) {
                        (Some(f), Some(t)) => same_text(f, t, self.dialect()),
                        (f, t) => f == t,
                    };
                    let replace = same_result && self.dialect() != downhaul_syntax::Dialect::Mysql;
                    if !replace {
                        self.drop_routine(f, Step::DropTriggers);
                    }
                    self.create_routine(t, replace);
                    self.routine_comment(replace.then_some(f), t);
                }
                (None, Some(t)) => {
                    self.create_routine(t, false);
                    self.routine_comment(None, t);
                }
                (Some(f), None) => {
                    let replaced = to.routines.keys().any(|k| k.name == key.name)
                        && !from.routines.contains_key(key);
                    let step = if replaced { Step::DropTriggers } else { Step::DropRoutines };
                    self.drop_routine(f, step);
                }
                (None, None) => {}
            }
        }
    }

    fn routine_comment(&mut self, from: Option<&Routine>, to: &Routine) {
        if from.and_then(|f| f.comment.as_ref()) == to.comment.as_ref() {
            return;
        }
        let kind = match to.def.kind {
            RoutineKind::Function => ObjectKind::Function,
            RoutineKind::Procedure => ObjectKind::Procedure,
            RoutineKind::Aggregate => ObjectKind::Aggregate,
        };
        if kind == ObjectKind::Aggregate {
            self.blocked(format!("the comment of aggregate {} is not restored", to.def.name));
            return;
        }
        let (name, text) = (to.def.name.clone(), to.comment.clone());
        self.push(Step::Describe, Change::Comment { kind, table: None, name, text });
    }

    fn drop_routine(&mut self, routine: &Routine, step: Step) {
        self.push(
            step,
            Change::DropRoutine {
                kind: routine.def.kind,
                name: routine.def.name.clone(),
                args: Some(routine.def.args.clone()),
                if_exists: false,
                cascade: false,
            },
        );
    }

    fn create_routine(&mut self, routine: &Routine, or_replace: bool) {
        if routine.def.definition.is_empty() {
            self.blocked(format!("the text of {} is not known", routine.def.name));
            return;
        }
        // A body in SQL is checked when it is created; one in another language when it runs.
        let checked = routine.def.language.as_deref() == Some("sql");
        let step = if checked { Step::CreateSqlRoutines } else { Step::CreateRoutines };
        let def = routine.def.clone();
        self.push(
            step,
            Change::CreateRoutine {
                def,
                or_replace,
                if_not_exists: false,
                body_changes: Vec::new(),
                body_spans: Vec::new(),
            },
        );
    }

    pub(super) fn views(&mut self) {
        let (from, to) = (self.from, self.to);
        let mut gone: Vec<&View> = Vec::new();
        let mut wanted: Vec<&View> = Vec::new();
        for (_, f, t) in from.views.unshared(&to.views) {
            match (f, t) {
                (Some(f), Some(t)) if f == t => {}
                (Some(f), Some(t)) => {
                    let same = f.materialized == t.materialized
                        && f.columns == t.columns
                        && (f.star == t.star || !self.is_postgres())
                        && (f.options == t.options || self.is_postgres())
                        && same_text(&f.query.text, &t.query.text, self.dialect());
                    if same {
                        self.view_details(Some(f), t);
                    } else {
                        gone.push(f);
                        wanted.push(t);
                    }
                }
                (Some(f), None) => gone.push(f),
                (None, Some(t)) => wanted.push(t),
                (None, None) => {}
            }
        }
        // What reads a view that is dropped and made again has to go and come back as well.
        let mut at = 0;
        while at < gone.len() {
            let name = gone[at].name.clone();
            at += 1;
            for by in from.views.values().filter(|v| v.query.tables.contains(&name)) {
                if !gone.iter().any(|g| g.name == by.name) {
                    gone.push(by);
                    if let Some(t) = to.views.get(&by.name)
                        && !wanted.iter().any(|w| w.name == by.name)
                    {
                        wanted.push(t);
                    }
                }
            }
        }
        for view in in_order_of_reading(&gone).into_iter().rev() {
            self.push(
                Step::DropViews,
                Change::DropView {
                    name: view.name.clone(),
                    materialized: view.materialized,
                    if_exists: false,
                    cascade: false,
                },
            );
        }
        for view in in_order_of_reading(&wanted) {
            self.push(
                Step::CreateViews,
                Change::CreateView {
                    name: view.name.clone(),
                    materialized: view.materialized,
                    or_replace: false,
                    if_not_exists: false,
                    temporary: false,
                    columns: view.columns.clone(),
                    query: view.query.clone(),
                    no_data: view.no_data,
                    options: view.options.clone().into_iter().collect(),
                },
            );
            for index in &view.indexes {
                let index = crate::apply::index_def(index, &view.name);
                self.push(
                    Step::CreateViews,
                    Change::CreateIndex { index, concurrently: false, if_not_exists: false },
                );
            }
            for trigger in &view.triggers {
                let def = trigger.clone();
                self.push(
                    Step::CreateTriggers,
                    Change::CreateTrigger { def, or_replace: false, if_not_exists: false },
                );
            }
            self.view_comment(None, view);
            self.grants(ObjectKind::View, &view.name, &[], &view.grants);
        }
    }

    fn view_comment(&mut self, from: Option<&View>, to: &View) {
        if from.and_then(|f| f.comment.as_ref()) != to.comment.as_ref() {
            let kind =
                if to.materialized { ObjectKind::MaterializedView } else { ObjectKind::View };
            let (name, text) = (to.name.clone(), to.comment.clone());
            self.push(Step::Describe, Change::Comment { kind, table: None, name, text });
        }
    }

    fn view_details(&mut self, from: Option<&View>, to: &View) {
        let Some(f) = from else { return };
        self.indexes(&to.name, &f.indexes, &to.indexes);
        self.triggers(&to.name, &f.triggers, &to.triggers);
        let set = to.options.iter().filter(|(name, value)| f.options.get(*name) != Some(value));
        let mut options: Vec<(String, String)> = set.map(|(n, v)| (n.clone(), v.clone())).collect();
        let gone = f.options.keys().filter(|name| !to.options.contains_key(*name));
        options.extend(gone.map(|name| (format!("reset {name}"), String::new())));
        if !options.is_empty() && self.is_postgres() {
            let table = to.name.clone();
            self.push(Step::Describe, Change::SetTableOptions { table, options });
        }
        self.view_comment(from, to);
        self.grants(ObjectKind::View, &to.name, &f.grants, &to.grants);
    }

    pub(super) fn rest(&mut self) {
        let (from, to) = (self.from, self.to);
        for ((kind, name), f, t) in from.others.unshared(&to.others) {
            match (f, t) {
                (Some(f), Some(t)) if f == t => {}
                (Some(_), None) if *kind != ObjectKind::Other => {
                    let (kind, name) = (*kind, name.clone());
                    // A part of a table is kept as `table.part`.
                    let table = name
                        .schema
                        .clone()
                        .map(ObjectName::bare)
                        .filter(|t| from.tables.contains_key(t));
                    let name = if table.is_some() { ObjectName::bare(name.name) } else { name };
                    let table = table.filter(|_| kind == ObjectKind::Rule);
                    self.push(
                        Step::DropTriggers,
                        Change::DropOther { kind, name, table, if_exists: false, cascade: false },
                    );
                }
                (None, Some(text)) if !text.contains("; ") => self.push(
                    Step::CreateTriggers,
                    Change::CreateOther {
                        kind: *kind,
                        verb: String::new(),
                        name: Some(name.clone()),
                        table: None,
                        text: text.clone(),
                    },
                ),
                _ => self.blocked(format!(
                    "{} {name} is kept as text only",
                    format!("{kind:?}").to_lowercase()
                )),
            }
        }
        for ((kind, table, name), f, t) in from.comments.unshared(&to.comments) {
            // The comment of what is gone goes with it.
            let gone = table
                .as_ref()
                .is_some_and(|t| !to.tables.contains_key(t) && !to.views.contains_key(t));
            if f != t && !gone {
                self.push(
                    Step::Describe,
                    Change::Comment {
                        kind: *kind,
                        table: table.clone(),
                        name: name.clone(),
                        text: t.cloned(),
                    },
                );
            }
        }
        for ((kind, name), f, t) in from.owners.unshared(&to.owners) {
            if f != t {
                self.owner(*kind, name, t.map(String::as_str));
            }
        }
        let changed: Vec<_> = from
            .grants
            .symmetric_difference(&to.grants)
            .map(|(k, n, _, _)| (*k, n.clone()))
            .collect();
        let mut seen = std::collections::BTreeSet::new();
        for (kind, name) in changed {
            if !seen.insert((kind, name.clone())) {
                continue;
            }
            let of =
                |all: &std::collections::BTreeSet<(ObjectKind, ObjectName, String, String)>| {
                    all.iter()
                        .filter(|(k, n, _, _)| *k == kind && *n == name)
                        .map(|(_, _, who, what)| (who.clone(), what.clone()))
                        .collect::<Vec<_>>()
                };
            let (f, t) = (of(&from.grants), of(&to.grants));
            self.grants(kind, &name, &f, &t);
        }
    }
}

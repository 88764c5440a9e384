//! What a statement is to a squash: a part of the schema, or something that has to be kept.

use std::collections::BTreeSet;

use downhaul_catalog::{Catalog, Problem};
use downhaul_syntax::{
    Change, ConstraintKind, Dialect, ObjectName, Parsed, Partitioning, Query, Statement,
    significant,
};

/// What a statement reads or writes, as far as rows go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Touch {
    /// These tables, views and sequences.
    Names(BTreeSet<ObjectName>),
    /// It cannot be known.
    Everything,
}

/// What a statement is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It makes schema that the catalog holds: written anew.
    Schema,
    /// It has to run as it stands, and why.
    Kept(Touch, &'static str),
    /// It sets something for the statements behind it in its file.
    Session,
    /// It leaves nothing behind.
    Nothing,
}

/// A statement in its place.
pub(super) struct Item<'s> {
    /// Index of its migration.
    pub(super) migration: usize,
    pub(super) statement: &'s Statement,
    pub(super) role: Role,
    /// The schema that it met.
    pub(super) met: Catalog,
    /// What the server would have said.
    pub(super) problems: Vec<Problem>,
    /// Lower-case names of what it changed.
    pub(super) changed: BTreeSet<String>,
    /// Lower-case words of its text.
    pub(super) words: BTreeSet<String>,
    /// On tables that nothing has filled it does nothing.
    pub(super) idle: bool,
}

pub(super) fn key(name: &ObjectName) -> String {
    name.name.as_str().to_lowercase()
}

/// The words of a text, quotes taken off, in lower case.
pub(super) fn words(text: &str, dialect: Dialect) -> BTreeSet<String> {
    significant(text, dialect)
        .into_iter()
        .filter(|t| !t.starts_with("--"))
        .flat_map(|token| {
            let bare = token.trim_matches(['"', '`', '[', ']', '\'', '$']).to_lowercase();
            // A body in quotes is code, and an argument may name a table.
            let inside: Vec<String> = if bare.contains(|c: char| !c.is_alphanumeric() && c != '_') {
                bare.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned).collect()
            } else {
                Vec::new()
            };
            std::iter::once(bare).chain(inside)
        })
        .filter(|word| !word.is_empty())
        .collect()
}

/// Lower-case names of the objects in which two catalogs differ.
pub(super) fn changed_between(before: &Catalog, after: &Catalog) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    macro_rules! objects {
        ($field:ident, $name:expr) => {
            for (name, old, new) in before.$field.unshared(&after.$field) {
                if old != new {
                    #[allow(clippy::redundant_closure_call, reason = "one way to the name each")]
                    out.insert($name(name));
                }
            }
        };
    }
    objects!(tables, |n: &ObjectName| key(n));
    objects!(views, |n: &ObjectName| key(n));
    objects!(types, |n: &ObjectName| key(n));
    objects!(sequences, |n: &ObjectName| key(n));
    objects!(routines, |k: &downhaul_catalog::RoutineKey| key(&k.name));
    objects!(others, |(_, n): &(_, ObjectName)| key(n));
    objects!(comments, |(_, _, n): &(_, _, ObjectName)| key(n));
    objects!(owners, |(_, n): &(_, ObjectName)| key(n));
    for (_, name, ..) in before.grants.symmetric_difference(&after.grants) {
        out.insert(key(name));
    }
    for schema in before.schemas.iter().chain(&after.schemas) {
        if before.schemas.contains(schema) != after.schemas.contains(schema) {
            out.insert(schema.as_str().to_lowercase());
        }
    }
    for extension in before.extensions.iter().chain(&after.extensions) {
        if before.extensions.contains(extension) != after.extensions.contains(extension) {
            out.insert(extension.as_str().to_lowercase());
        }
    }
    out
}

/// What a statement is, given the schema before and after it.
pub(super) fn role(statement: &Statement, before: &Catalog, after: &Catalog) -> Role {
    let Parsed::Changes(changes) = &statement.parsed else {
        return Role::Kept(Touch::Everything, "it is not understood");
    };
    let mut role = Role::Nothing;
    for change in changes {
        role = strongest(role, role_of(change, before, after));
    }
    // What leaves no trace in the catalog would get lost.
    if role == Role::Schema
        && changed_between(before, after).is_empty()
        && !changes.iter().all(is_conditional)
    {
        return Role::Kept(
            Touch::Names(BTreeSet::new()),
            "the model of a schema has no place for it",
        );
    }
    role
}

fn strongest(one: Role, other: Role) -> Role {
    let rank = |role: &Role| match role {
        Role::Nothing => 0,
        Role::Session => 1,
        Role::Schema => 2,
        Role::Kept(Touch::Names(_), _) => 3,
        Role::Kept(Touch::Everything, _) => 4,
    };
    match (one, other) {
        (Role::Kept(Touch::Names(mut all), why), Role::Kept(Touch::Names(more), _)) => {
            all.extend(more);
            Role::Kept(Touch::Names(all), why)
        }
        (one, other) if rank(&other) > rank(&one) => other,
        (one, _) => one,
    }
}

/// `IF EXISTS`, `IF NOT EXISTS`: doing nothing is what it asks for.
fn is_conditional(change: &Change) -> bool {
    match change {
        Change::CreateTable { if_not_exists, .. }
        | Change::AddColumn { if_not_exists, .. }
        | Change::CreateIndex { if_not_exists, .. }
        | Change::CreateView { if_not_exists, .. }
        | Change::CreateSequence { if_not_exists, .. }
        | Change::CreateSchema { if_not_exists, .. }
        | Change::CreateExtension { if_not_exists, .. }
        | Change::AddConstraint { if_not_exists, .. }
        | Change::AddEnumValue { if_not_exists, .. }
        | Change::CreateTrigger { if_not_exists, .. }
        | Change::CreateRoutine { if_not_exists, .. } => *if_not_exists,
        Change::DropTable { if_exists, .. }
        | Change::DropColumn { if_exists, .. }
        | Change::DropConstraint { if_exists, .. }
        | Change::DropIndex { if_exists, .. }
        | Change::DropView { if_exists, .. }
        | Change::DropType { if_exists, .. }
        | Change::DropSequence { if_exists, .. }
        | Change::DropRoutine { if_exists, .. }
        | Change::DropTrigger { if_exists, .. }
        | Change::DropPolicy { if_exists, .. }
        | Change::DropSchema { if_exists, .. }
        | Change::DropExtension { if_exists, .. }
        | Change::DropOther { if_exists, .. } => *if_exists,
        Change::Online { .. } => true,
        _ => false,
    }
}

#[allow(clippy::too_many_lines, reason = "one arm a kind of statement")]
fn role_of(change: &Change, before: &Catalog, after: &Catalog) -> Role {
    use Change as C;
    let rows = |names: &[&ObjectName], query: Option<&Query>| {
        touching(names, query, before, "it changes rows")
    };
    match change {
        C::Transaction { .. }
        | C::LockTable { .. }
        | C::Vacuum { .. }
        | C::Cluster { .. }
        | C::Analyze { .. }
        | C::OptimizeTable { .. }
        | C::Reindex { .. }
        | C::Online { .. }
        | C::NoEffect { .. } => Role::Nothing,
        C::MysqlTableVerb { verb, .. } => {
            if verb.to_ascii_lowercase().contains("tablespace") {
                Role::Kept(Touch::Everything, "it moves files of the server")
            } else {
                Role::Nothing
            }
        }
        C::SetVariable { name, .. } => session(name, before.dialect),
        C::Insert { table, from_query, conflict, .. } => {
            let mut role = rows(&[table], from_query.as_ref());
            if *conflict != downhaul_syntax::change::InsertConflict::Fail {
                role = strongest(role, rows(&referring(table, before), None));
            }
            role
        }
        C::Update { table, query, .. }
        | C::Delete { table, query, .. }
        | C::Merge { table, query } => {
            let mut names = vec![table];
            names.extend(referring(table, before));
            rows(&names, Some(query))
        }
        C::Truncate { tables, .. } => rows(&tables.iter().collect::<Vec<_>>(), None),
        C::CopyFrom { table, .. } => rows(&[table], None),
        C::Select { query } => {
            let known = query.functions.iter().all(|f| is_known_function(f, before));
            if known && query.functions.iter().all(|f| !moves_something(f)) {
                Role::Nothing
            } else if known {
                touching(&[], Some(query), before, "it calls a function that changes something")
            } else {
                Role::Kept(Touch::Everything, "it calls a function")
            }
        }
        C::SetSequenceValue { sequence } => {
            let bare = sequence.rsplit('.').next().unwrap_or(sequence);
            let name = downhaul_syntax::Ident::stored(before.dialect, bare.trim_matches('"'));
            touching(&[&ObjectName::bare(name)], None, before, "it moves a sequence")
        }
        C::AlterSequence { name, restart: true, .. } => {
            touching(&[name], None, before, "it moves a sequence")
        }
        C::AlterIdentity { table, text, .. } if text.to_ascii_lowercase().contains("restart") => {
            touching(&[table], None, before, "it moves a sequence")
        }
        C::CreateTable { def, .. } if def.as_query.is_some() || def.temporary => {
            touching(&[&def.name], def.as_query.as_ref(), after, "it makes a table with rows")
        }
        C::CreateSequence { name, temporary: true, .. } => {
            touching(&[name], None, after, "it ends with its session")
        }
        C::CreateView { name, temporary: true, query, .. } => {
            touching(&[name], Some(query), after, "it ends with its session")
        }
        C::RefreshMaterializedView { name, .. } => {
            touching(&[name], None, before, "it fills a materialized view")
        }
        C::MysqlPartition { table, verb, .. } if !matches!(verb.as_str(), "by" | "remove") => {
            touching(&[table], None, before, "it changes partitions")
        }
        C::Do { body, .. } | C::Dynamic { changes: body, .. } => block(body, before, after),
        C::DynamicUnknown { .. } | C::Call { .. } => {
            Role::Kept(Touch::Everything, "what it does is decided when it runs")
        }
        C::CreateDatabase { .. } | C::DropDatabase { .. } | C::ClientCommand { .. } => {
            Role::Kept(Touch::Everything, "it reaches out of this database")
        }
        _ => Role::Schema,
    }
}

/// A block: what it changed, and the rows that its body touches.
fn block(body: &[Change], before: &Catalog, after: &Catalog) -> Role {
    const WHY: &str = "it is a block of code";
    let mut role = Role::Kept(Touch::Names(BTreeSet::new()), WHY);
    for change in body {
        match role_of(change, before, after) {
            Role::Kept(Touch::Everything, _) => return Role::Kept(Touch::Everything, WHY),
            kept @ Role::Kept(..) => role = strongest(role, kept),
            _ => {}
        }
    }
    let Role::Kept(Touch::Names(mut names), _) = role else { return role };
    for (name, old, new) in before.tables.unshared(&after.tables) {
        if old != new {
            names.insert(name.clone());
        }
    }
    Role::Kept(Touch::Names(names), WHY)
}

fn session(name: &str, dialect: Dialect) -> Role {
    const PASSING: [&str; 6] = [
        "foreign_keys",
        "defer_foreign_keys",
        "legacy_alter_table",
        "recursive_triggers",
        "foreign_key_check",
        "busy_timeout",
    ];
    match dialect {
        // Most of them are written into the file.
        Dialect::Sqlite if !PASSING.contains(&name) => {
            Role::Kept(Touch::Names(BTreeSet::new()), "it sets something of the file")
        }
        Dialect::Sqlite => Role::Nothing,
        _ if name.contains("global") || name.contains("persist") => {
            Role::Kept(Touch::Names(BTreeSet::new()), "it sets something of the server")
        }
        _ => Role::Session,
    }
}

/// Kept, with the relations that it touches: those named, what views among them read, their
/// parents and children. Triggers may do anything.
fn touching(
    names: &[&ObjectName],
    query: Option<&Query>,
    catalog: &Catalog,
    why: &'static str,
) -> Role {
    if query.is_some_and(|q| q.functions.iter().any(|f| !is_known_function(f, catalog))) {
        return Role::Kept(Touch::Everything, why);
    }
    let mut waiting: Vec<ObjectName> = names
        .iter()
        .copied()
        .chain(query.into_iter().flat_map(|q| &q.tables))
        .map(|name| catalog.normalize(name))
        .collect();
    let mut all = BTreeSet::new();
    while let Some(name) = waiting.pop() {
        if !all.insert(name.clone()) {
            continue;
        }
        if let Some(view) = catalog.views.get(&name) {
            waiting.extend(view.query.tables.iter().map(|t| catalog.normalize(t)));
        }
        if let Some(table) = catalog.tables.get(&name) {
            if !table.triggers.is_empty() {
                return Role::Kept(Touch::Everything, why);
            }
            waiting.extend(relatives(&name, catalog));
        }
    }
    Role::Kept(Touch::Names(all), why)
}

/// Parents and children of a table, by partition or inheritance.
pub(super) fn relatives(name: &ObjectName, catalog: &Catalog) -> Vec<ObjectName> {
    let mut out = Vec::new();
    if let Some(table) = catalog.tables.get(name) {
        out.extend(table.inherits.iter().cloned());
        if let Some(Partitioning::Of { parent, .. }) = &table.partitioning {
            out.push(parent.clone());
        }
    }
    out.extend(catalog.perhaps_children(name).cloned());
    out
}

/// Tables whose foreign keys lead to a table: what changes or deletes its rows may act on theirs.
fn referring<'c>(name: &ObjectName, catalog: &'c Catalog) -> Vec<&'c ObjectName> {
    let name = catalog.normalize(name);
    catalog
        .tables
        .values()
        .filter(|t| {
            t.constraints.iter().any(
                |c| matches!(&c.kind, ConstraintKind::ForeignKey { table, .. } if *table == name),
            )
        })
        .map(|t| &t.name)
        .collect()
}

/// A function of the server's that only computes, or moves a sequence.
fn is_known_function(name: &str, catalog: &Catalog) -> bool {
    let bare = name.rsplit('.').next().unwrap_or(name);
    let own = catalog.routines.keys().any(|k| key(&k.name) == bare);
    !own && (super::idle::COMPUTES.contains(&bare)
        || super::idle::GATHERS.contains(&bare)
        || moves_something(bare))
}

fn moves_something(name: &str) -> bool {
    matches!(name.rsplit('.').next().unwrap_or(name), "setval" | "nextval" | "set_config")
}

//! A whole up file turned back.

use std::collections::BTreeSet;

use downhaul_syntax::{
    Change, Dialect, Ident, ObjectKind, ObjectName, Parsed, Script, parse_script,
};

use super::{Between, ORIGIN, changes_of, way_back};
use crate::between::{changes_between, changes_without_foreign_keys};
use crate::{Catalog, DiffOptions, Difference, Table, diff, render};

/// The down of an up file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InverseScript {
    /// Statements in the order in which they run.
    pub statements: Vec<InverseStatement>,
    /// What the statements do not bring back, in the order of the up file.
    pub not_inverted: Vec<NotInverted>,
    /// How the schema after up and down still differs from the one before, found by replaying
    /// both; empty for an exact inverse. Columns that only stand in another order are named too.
    pub remaining: Vec<Difference>,
}

/// One statement of a down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InverseStatement {
    /// SQL without terminator.
    pub sql: String,
    /// Index of the statement of the up file that it undoes.
    pub undoes: usize,
}

/// A statement, or what it did, that SQL cannot take back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotInverted {
    /// Index of the statement in the up file.
    pub statement: usize,
    /// Schema or rows.
    pub kind: NotInvertedKind,
    /// Why, for people.
    pub reason: String,
}

/// What is not brought back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotInvertedKind {
    /// The schema stays different.
    Schema,
    /// The schema comes back, the rows or values do not.
    Data,
    /// Rows that the up wrote stay.
    Stays,
    /// The statement of the down may fail, depending on the rows.
    MayFail,
}

impl InverseScript {
    /// The file: statements ended by `;`, and what is not undone as comments at its head.
    #[must_use]
    pub fn sql(&self) -> String {
        let mut out = String::new();
        for item in &self.not_inverted {
            let word = match item.kind {
                NotInvertedKind::Schema => "Not undone",
                NotInvertedKind::Data | NotInvertedKind::Stays => "Rows",
                NotInvertedKind::MayFail => "May fail",
            };
            out.push_str(&format!("-- {word}: {}\n", item.reason.replace('\n', " ")));
        }
        if !self.not_inverted.is_empty() && !self.statements.is_empty() {
            out.push('\n');
        }
        for statement in &self.statements {
            out.push_str(&statement.sql);
            out.push_str(";\n");
        }
        out
    }

    fn write(&mut self, kept: Vec<Undo>, before: &Catalog) {
        for undo in kept {
            match render(&undo.change, before.dialect) {
                Ok(statements) => self.statements.extend(
                    statements.into_iter().map(|sql| InverseStatement { sql, undoes: undo.undoes }),
                ),
                Err(error) => self.not_inverted.push(NotInverted {
                    statement: undo.undoes,
                    kind: NotInvertedKind::Schema,
                    reason: error.what,
                }),
            }
        }
    }

    /// Whether the schema comes back exactly, but for the order of columns.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.remaining.iter().all(|d| d.object == "column order")
            && self.not_inverted.iter().all(|n| n.kind != NotInvertedKind::Schema)
    }
}

/// A change of the down, and the statement of the up that it undoes.
#[derive(Clone)]
struct Undo {
    change: Change,
    undoes: usize,
}

/// The down of a whole up file, given the catalog before it: every statement is turned back given
/// the catalog that it met, in reverse order. The result is replayed and compared with the schema
/// before; what still differs is listed.
#[must_use]
pub fn inverse_script(up: &Script, before: &Catalog) -> InverseScript {
    whole(up, before, changes_between)
}

/// As [`inverse_script`], for SQLite while `PRAGMA foreign_keys` is off: tables to which others refer are
/// built anew as well.
#[must_use]
pub fn inverse_without_foreign_keys(up: &Script, before: &Catalog) -> InverseScript {
    whole(up, before, changes_without_foreign_keys)
}

fn whole(up: &Script, before: &Catalog, between: Between) -> InverseScript {
    let mut now = before.clone();
    let mut groups: Vec<Vec<Undo>> = Vec::new();
    let mut out = InverseScript::default();
    for (at, statement) in up.statements.iter().enumerate() {
        let schema =
            |reason: String| NotInverted { statement: at, kind: NotInvertedKind::Schema, reason };
        if let Parsed::Unparsed(error) = &statement.parsed {
            out.not_inverted.push(schema(format!(
                "a statement that is not understood ({}): {}",
                error.message,
                first_line(&statement.text)
            )));
            continue;
        }
        for index in now.statement_order(changes_of(statement)) {
            let change = &changes_of(statement)[index];
            let met = now.clone();
            now.apply(change, ORIGIN);
            for (kind, reason) in rows_changed(change, &met, before) {
                out.not_inverted.push(NotInverted { statement: at, kind, reason });
            }
            let way = way_back(change, &met, &now, between);
            for why in way.blocked {
                out.not_inverted.push(schema(format!("{why} ({})", first_line(&statement.text))));
            }
            let group: Vec<Undo> =
                way.changes.into_iter().map(|change| Undo { change, undoes: at }).collect();
            for undo in &group {
                if let Some(reason) = may_fail(&undo.change) {
                    let kind = NotInvertedKind::MayFail;
                    let item = NotInverted { statement: at, kind, reason };
                    if !out.not_inverted.contains(&item) {
                        out.not_inverted.push(item);
                    }
                }
            }
            groups.push(group);
        }
    }
    let all: Vec<Undo> = groups.into_iter().rev().flatten().collect();
    // The shortest way that is refused nowhere and leaves nothing.
    let short = without_needless(&all, before, &now);
    let rebuilt = tables_built_anew(up, before, &now);
    if let Some(tables) = &rebuilt {
        net(tables, before, &now, between, &mut out);
        return out;
    }
    let candidates = [short.clone(), views_last(&short), all.clone(), views_last(&all)];
    let mut kept = Vec::new();
    let mut least = None;
    for candidate in candidates {
        let (refused, remaining) = replayed(&candidate, before, &now);
        let cost = (refused, remaining.len());
        if least.is_none_or(|l| cost < l) {
            least = Some(cost);
            (kept, out.remaining) = (candidate, remaining);
        }
    }
    out.write(kept, before);
    out
}

/// Tables of SQLite that the file builds anew: dropped, and there again under their name. Turning
/// that back statement by statement would lose their rows. `None` where there are none, or where
/// the file renames other things too, which a net comparison would take for losses.
fn tables_built_anew(up: &Script, before: &Catalog, after: &Catalog) -> Option<Vec<ObjectName>> {
    if before.dialect != Dialect::Sqlite {
        return None;
    }
    let mut built: Vec<ObjectName> = Vec::new();
    for change in up.statements.iter().flat_map(|s| s.changes()) {
        match change {
            Change::DropTable { name, .. } => {
                let name = before.normalize(name);
                if before.tables.contains_key(&name) && after.tables.contains_key(&name) {
                    built.push(name);
                }
            }
            Change::RenameColumn { .. } => return None,
            _ => {}
        }
    }
    let renames_more = up.statements.iter().flat_map(|s| s.changes()).any(|change| {
        matches!(change, Change::RenameTable { to, .. } if !built.contains(&before.normalize(to)))
    });
    (!built.is_empty() && !renames_more).then_some(built)
}

/// The down as the difference between the schema after the whole file and the one before.
fn net(
    built: &[ObjectName],
    before: &Catalog,
    after: &Catalog,
    between: Between,
    out: &mut InverseScript,
) {
    // Their rows were copied, and are copied back.
    let lost = |reason: &str| {
        built.iter().any(|t| reason.starts_with(&format!("the rows of {t} are lost")))
    };
    out.not_inverted.retain(|n| match n.kind {
        NotInvertedKind::Data => !lost(&n.reason),
        NotInvertedKind::Stays => true,
        NotInvertedKind::Schema | NotInvertedKind::MayFail => false,
    });
    for name in built {
        let (Some(old), Some(new)) = (before.tables.get(name), after.tables.get(name)) else {
            continue;
        };
        for column in old.columns.iter().filter(|c| new.column(&c.name).is_none()) {
            out.not_inverted.push(NotInverted {
                statement: 0,
                kind: NotInvertedKind::Data,
                reason: format!(
                    "the values of {name}.{} are lost: the down brings the column back empty",
                    column.name
                ),
            });
        }
    }
    let way = between(after, before);
    for reason in way.blocked {
        out.not_inverted.push(NotInverted { statement: 0, kind: NotInvertedKind::Schema, reason });
    }
    let kept: Vec<Undo> =
        way.changes.into_iter().map(|change| Undo { change, undoes: 0 }).collect();
    out.remaining = replayed(&kept, before, after).1;
    out.write(kept, before);
}

/// How many statements of a down the server would refuse, and what differs from `before` once it
/// has run; its own SQL text is read back for that.
fn replayed(down: &[Undo], before: &Catalog, after: &Catalog) -> (usize, Vec<Difference>) {
    let mut catalog = after.clone();
    let mut refused = 0;
    for undo in down {
        match render(&undo.change, before.dialect) {
            Ok(statements) => {
                for sql in statements {
                    let script = parse_script(&sql, before.dialect);
                    refused += catalog.apply_script(&script, ORIGIN).len();
                }
            }
            Err(_) => {
                catalog.apply(&undo.change, ORIGIN);
            }
        }
    }
    (refused, diff(before, &catalog, DiffOptions { column_order: true }))
}

/// Makes views again only when their tables are as they were: a `*` stands for the columns that
/// are there, and a column that a view reads cannot be dropped.
fn views_last(down: &[Undo]) -> Vec<Undo> {
    let of_view = |undo: &Undo, views: &[ObjectName]| match &undo.change {
        Change::CreateView { .. } => true,
        Change::CreateIndex { index, .. } => views.contains(&index.table),
        Change::CreateTrigger { def, .. } => views.contains(&def.table),
        Change::Comment { name, kind, .. } => {
            matches!(kind, ObjectKind::View | ObjectKind::MaterializedView) && views.contains(name)
        }
        Change::Grant { objects, .. } => objects.iter().all(|o| views.contains(o)),
        _ => false,
    };
    let mut views: Vec<ObjectName> = Vec::new();
    for undo in down {
        match &undo.change {
            Change::CreateView { name, .. } => views.push(name.clone()),
            // A view that comes and goes within the down stays where it is.
            Change::DropView { name, .. } => views.retain(|v| v != name),
            _ => {}
        }
    }
    if views.is_empty() {
        return down.to_vec();
    }
    let stays = |undo: &Undo| {
        !of_view(undo, &views)
            || matches!(&undo.change, Change::CreateView { name, .. } if !views.contains(name))
    };
    let (mut first, last): (Vec<Undo>, Vec<Undo>) = down.iter().cloned().partition(stays);
    first.extend(last);
    first
}

/// Leaves out what a later `DROP TABLE` of the down makes needless: nobody drops the indexes and
/// columns of a table that goes as a whole.
fn without_needless(down: &[Undo], before: &Catalog, after: &Catalog) -> Vec<Undo> {
    let mut dropped: BTreeSet<ObjectName> = BTreeSet::new();
    let mut out: Vec<Undo> = Vec::new();
    for undo in down.iter().rev() {
        if let Change::DropTable { name, .. } = &undo.change {
            dropped.insert(name.clone());
        }
        let part = part_of(&undo.change, after);
        let goes = part.is_some_and(|(table, needs)| {
            dropped.contains(&table)
                && !before.tables.contains_key(&table)
                && needs.is_none_or(|other| other == table)
        });
        if !goes {
            out.push(undo.clone());
        }
    }
    out.reverse();
    out
}

/// The table that a change of a part concerns, and another table that the part ties it to.
fn part_of(change: &Change, after: &Catalog) -> Option<(ObjectName, Option<ObjectName>)> {
    let plain = |table: &ObjectName| Some((after.normalize(table), None));
    match change {
        Change::DropConstraint { table, name, .. } => {
            let table = after.normalize(table);
            let target = after.tables.get(&table).and_then(|t| t.constraint(name)).and_then(|c| {
                match &c.kind {
                    downhaul_syntax::ConstraintKind::ForeignKey { table, .. } => {
                        Some(table.clone())
                    }
                    _ => None,
                }
            });
            Some((table, target))
        }
        Change::DropIndex { name, .. } => {
            let on_table = |t: &Table| t.indexes.named(&name.name).is_some_and(|i| i.name == *name);
            let owner = after.tables.values().find(|t| on_table(t)).map(|t| t.name.clone())?;
            Some((owner, None))
        }
        // A sequence goes with the table whose column owns it.
        Change::DropSequence { name, .. } | Change::AlterSequence { name, .. } => {
            let owner = after.sequences.get(name)?.owned_by.as_ref()?;
            Some((owner.0.clone(), None))
        }
        Change::DropColumn { table, .. }
        | Change::DropNotNull { table, .. }
        | Change::SetNotNull { table, .. }
        | Change::SetDefault { table, .. }
        | Change::DropDefault { table, .. }
        | Change::AddColumn { table, .. }
        | Change::AlterColumnType { table, .. }
        | Change::DropPolicy { table, .. }
        | Change::RowSecurity { table, .. }
        | Change::SetTableOptions { table, .. }
        | Change::SetColumnOption { table, .. }
        | Change::SetTriggerEnabled { table, .. }
        | Change::ReplicaIdentity { table, .. }
        | Change::SetLogged { table, .. } => plain(table),
        Change::DropTrigger { table: Some(table), .. }
        | Change::Comment { table: Some(table), .. } => plain(table),
        Change::Comment { kind: ObjectKind::Table, table: None, name, .. } => plain(name),
        Change::Revoke { objects, kind: ObjectKind::Table, .. } => match objects.as_slice() {
            [one] => plain(one),
            _ => None,
        },
        _ => None,
    }
}

/// Rows or values that a change destroys or alters, which no statement brings back.
fn rows_changed(
    change: &Change,
    met: &Catalog,
    before: &Catalog,
) -> Vec<(NotInvertedKind, String)> {
    let of = |name: &ObjectName| met.normalize(name).to_string();
    let known = |name: &ObjectName| met.table(name).is_some();
    let lost = |reason: String| vec![(NotInvertedKind::Data, reason)];
    match change {
        Change::DropTable { name, .. } if known(name) => {
            lost(format!("the rows of {} are lost: the down brings it back empty", of(name)))
        }
        Change::DropColumn { table, column, .. }
            if met.table(table).is_some_and(|t| t.column(column).is_some()) =>
        {
            lost(format!(
                "the values of {}.{column} are lost: the down brings the column back empty",
                of(table)
            ))
        }
        Change::Truncate { tables, .. } => tables
            .iter()
            .flat_map(|t| lost(format!("the rows removed from {} are lost", of(t))))
            .collect(),
        Change::Delete { table, .. } => {
            lost(format!("the rows deleted from {} are lost", of(table)))
        }
        Change::Update { table, .. } | Change::Merge { table, .. } => {
            lost(format!("the values overwritten in {} are lost", of(table)))
        }
        // What was written to a table that the script makes itself goes with it.
        Change::Insert { table, .. } | Change::CopyFrom { table, .. }
            if before.tables.contains_key(&met.normalize(table)) =>
        {
            vec![(NotInvertedKind::Stays, format!("the rows written to {} stay", of(table)))]
        }
        Change::AlterColumnType { table, column, .. } => lost(format!(
            "what the conversion of {}.{column} cut off or rounded is lost",
            of(table)
        )),
        Change::Do { body, .. } | Change::Dynamic { changes: body, .. } => {
            body.iter().flat_map(|c| rows_changed(c, met, before)).collect()
        }
        _ => Vec::new(),
    }
}

/// Why a change of the down may be refused because of the rows that are there.
fn may_fail(undo: &Change) -> Option<String> {
    match undo {
        Change::AddColumn { table, column, .. }
            if column.not_null
                && column.default.is_none()
                && column.generated.is_none()
                && column.identity.is_none()
                && !column.auto_increment =>
        {
            Some(format!(
                "{table}.{} is NOT NULL without a default: where {table} holds rows, the column has \
                 to be filled before it can be",
                column.name
            ))
        }
        Change::SetNotNull { table, column } => {
            Some(format!("{table}.{column} has to be free of NULLs"))
        }
        Change::AddConstraint { table, constraint, .. } if !constraint.not_valid => {
            let named = constraint.name.as_ref().map(Ident::to_string);
            let name = named.unwrap_or_else(|| "a constraint without a name".into());
            Some(format!("the rows of {table} have to satisfy {name}"))
        }
        Change::AlterColumnType { table, column, .. } => {
            Some(format!("the values of {table}.{column} have to fit its old type"))
        }
        _ => None,
    }
}

fn first_line(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|l| !l.is_empty()).unwrap_or("");
    match line.char_indices().nth(80) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line.to_owned(),
    }
}

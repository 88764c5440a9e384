//! What tells whether a statement that commits by itself took effect: how the objects look that it names,
//! before it and after.

use downhaul_engine::{EngineError, Session};
use downhaul_syntax::{Change, Ident, ObjectName, Parsed, RoutineKind, Statement};

/// How far a statement came whose end the journal does not know.
#[derive(Clone, Debug)]
pub(super) enum Begun {
    /// An earlier run was about to send it.
    Intended,
    /// An earlier run had sent it: how its objects looked before that.
    Sent(String),
    /// It took effect.
    InEffect,
}

/// Whether the catalog tells that a statement took effect, or it may run again.
pub(super) fn leaves_a_trace(statement: &Statement) -> bool {
    let Parsed::Changes(changes) = &statement.parsed else { return false };
    changes.iter().all(|change| named(change).is_some())
}

/// How the objects look that a statement names: two texts differ once it has taken effect.
pub(super) async fn appearance(
    session: &mut dyn Session,
    statement: &Statement,
) -> Result<String, EngineError> {
    let d = session.dialect();
    let Parsed::Changes(changes) = &statement.parsed else {
        return everything(session).await;
    };
    let mut objects = Vec::new();
    for change in changes {
        match named(change) {
            Some(found) => objects.extend(found),
            None => return everything(session).await,
        }
    }
    let mut text = String::new();
    for (what, name) in objects {
        let rows = session.rows(&format!("SHOW CREATE {what} {}", d.quote_name(&name))).await;
        match rows {
            Ok(rows) => {
                let row = rows.first();
                let column = if matches!(what, "TABLE" | "SEQUENCE") { 1 } else { 2 };
                text.push_str(&without_counter(row.map_or("", |row| row.text(column))));
            }
            // There is no such thing.
            Err(EngineError::Statement(_)) => text.push_str(&format!("no {what} {name}")),
            Err(error) => return Err(error),
        }
        text.push('\n');
    }
    Ok(text)
}

/// `AUTO_INCREMENT=7` is state: writers move it.
fn without_counter(definition: &str) -> String {
    match definition.rsplit_once(" AUTO_INCREMENT=") {
        Some((head, tail)) => {
            format!("{head}{}", tail.trim_start_matches(|c: char| c.is_ascii_digit()))
        }
        None => definition.to_owned(),
    }
}

async fn everything(session: &mut dyn Session) -> Result<String, EngineError> {
    Ok(session.dump().await?.script())
}

/// What a change names, as `SHOW CREATE` asks for it; `None` where that does not show its effect.
fn named(change: &Change) -> Option<Vec<(&'static str, ObjectName)>> {
    let table = |name: &ObjectName| Some(vec![("TABLE", name.clone())]);
    let routine = |kind: RoutineKind, name: &ObjectName| {
        let word = if kind == RoutineKind::Procedure { "PROCEDURE" } else { "FUNCTION" };
        Some(vec![(word, name.clone())])
    };
    let trigger = |name: &Ident| Some(vec![("TRIGGER", ObjectName::bare(name.clone()))]);
    match change {
        Change::CreateTable { def, .. } => table(&def.name),
        Change::DropTable { name, .. }
        | Change::CreateView { name, .. }
        | Change::DropView { name, .. } => table(name),
        Change::RenameTable { from, to } | Change::RenameView { from, to, .. } => {
            Some(vec![("TABLE", from.clone()), ("TABLE", to.clone())])
        }
        Change::SetTableOptions { table: name, .. }
        | Change::MysqlPartition { table: name, .. }
        | Change::ConvertCharset { table: name, .. }
        | Change::MysqlTableVerb { table: name, .. }
        | Change::Online { table: name, .. }
        | Change::AddColumn { table: name, .. }
        | Change::DropColumn { table: name, .. }
        | Change::RenameColumn { table: name, .. }
        | Change::AlterColumnType { table: name, .. }
        | Change::ModifyColumn { table: name, .. }
        | Change::SetNotNull { table: name, .. }
        | Change::DropNotNull { table: name, .. }
        | Change::SetDefault { table: name, .. }
        | Change::DropDefault { table: name, .. }
        | Change::AddConstraint { table: name, .. }
        | Change::DropConstraint { table: name, .. }
        | Change::DropPrimaryKey { table: name }
        | Change::RenameConstraint { table: name, .. }
        | Change::AlterConstraint { table: name, .. }
        | Change::DropIndex { table: Some(name), .. }
        | Change::RenameIndex { table: Some(name), .. } => table(name),
        Change::CreateIndex { index, .. } => table(&index.table),
        Change::Truncate { tables, .. } => {
            Some(tables.iter().map(|name| ("TABLE", name.clone())).collect())
        }
        Change::CreateTrigger { def, .. } => trigger(&def.name),
        Change::DropTrigger { name, .. } => trigger(name),
        Change::CreateRoutine { def, .. } => routine(def.kind, &def.name),
        Change::AlterRoutine { kind, name, .. } | Change::DropRoutine { kind, name, .. } => {
            routine(*kind, name)
        }
        Change::CreateSequence { name, .. }
        | Change::AlterSequence { name, .. }
        | Change::DropSequence { name, .. } => Some(vec![("SEQUENCE", name.clone())]),
        // These may run again.
        Change::SetVariable { .. }
        | Change::Select { .. }
        | Change::Insert { .. }
        | Change::Analyze { .. }
        | Change::OptimizeTable { .. }
        | Change::Grant { .. }
        | Change::Revoke { .. }
        | Change::NoEffect { .. } => Some(Vec::new()),
        _ => None,
    }
}

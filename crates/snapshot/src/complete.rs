//! What a down file forgot of the schema.

use std::collections::BTreeSet;

use downhaul_engine::{DumpKind, DumpObject, ObjectId, SchemaDump, Session};
use downhaul_syntax::lexer::{TokenKind, lex};
use downhaul_syntax::{Change, Dialect, Ident, ObjectName, Statement, parse_script};

use crate::sql;
use crate::store::SnapshotError;

/// Something that the way back left other than it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// What it is.
    pub id: ObjectId,
    /// For people: "index shop.orders_note_idx".
    pub object: String,
    /// What is done about it.
    pub action: Action,
}

/// What is done about a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// These statements put it right.
    Run(Vec<String>),
    /// The table is built anew by its old definition (SQLite, which cannot alter it in place).
    Rebuild {
        /// The table.
        table: String,
        /// Its old definition.
        create: String,
    },
    /// It holds data or is used by others, so it is left as it is.
    Leave,
}

/// When a completion is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Before data goes back: tables, columns, types.
    Structure,
    /// After: whatever checks or derives data.
    Rest,
}

fn is_structure(kind: DumpKind) -> bool {
    matches!(
        kind,
        DumpKind::Schema
            | DumpKind::Extension
            | DumpKind::Type
            | DumpKind::Sequence
            | DumpKind::Table
            | DumpKind::Column
    )
}

/// Compares the schema now with the schema before the migration, as far as the migration changed
/// it: what others changed since is not ours to touch.
#[must_use]
pub fn objects(
    dialect: Dialect,
    before: &SchemaDump,
    after: &SchemaDump,
    now: &SchemaDump,
    stage: Stage,
) -> Vec<Completion> {
    let mut completions = Vec::new();
    for change in before.differences(after) {
        let id = change.id();
        if is_structure(id.kind) != (stage == Stage::Structure) && dialect != Dialect::Sqlite {
            continue;
        }
        let there = now.get(id);
        let action = match (change.left, there) {
            (Some(old), Some(new)) if old.fingerprint == new.fingerprint => continue,
            (None, None) => continue,
            // A SQLite table is built anew as a whole: not where somebody else has added a column.
            (Some(old), Some(new))
                if dialect == Dialect::Sqlite
                    && id.kind == DumpKind::Table
                    && has_foreign_columns(old, change.right, new) =>
            {
                (stage == Stage::Rest).then_some(Action::Leave)
            }
            // The rest of a column's definition would make it nullable.
            (Some(old), Some(_))
                if dialect.is_mysql_family() && whole_column(old, before, now).is_some() =>
            {
                whole_column(old, before, now).map(|all| Action::Run(vec![all]))
            }
            (Some(old), there) => put_back(dialect, old, there, stage).map(|action| match action {
                Action::Run(statements) if dialect.is_mysql_family() => {
                    Action::Run(statements.iter().map(|s| without_lost_place(s, now)).collect())
                }
                action => action,
            }),
            (None, Some(extra)) => take_away(extra, stage),
        };
        let Some(action) = action else { continue };
        completions.push(Completion {
            id: id.clone(),
            object: format!("{} {}", id.kind.as_str(), id.name),
            action,
        });
    }
    if dialect == Dialect::Postgres || dialect.is_mysql_family() && stage == Stage::Structure {
        completions.extend(additions_to_lost_columns(before, after, now, stage));
    }
    completions
}

/// What the down gave a column that it made anew, and that this never had: the default or NOT NULL with
/// which it could be added. Its values may be NULL, so that goes before they come back. MySQL states a
/// default with its column, SQLite both (there the column is added without).
fn additions_to_lost_columns<'a>(
    before: &'a SchemaDump,
    after: &'a SchemaDump,
    now: &'a SchemaDump,
    stage: Stage,
) -> impl Iterator<Item = Completion> + 'a {
    let lost: BTreeSet<&str> = before
        .objects
        .iter()
        .filter(|o| o.id.kind == DumpKind::Column && after.get(&o.id).is_none())
        .map(|o| o.id.name.as_str())
        .collect();
    let kind = match stage {
        Stage::Structure => DumpKind::NotNull,
        Stage::Rest => DumpKind::Default,
    };
    let extra = move |o: &&DumpObject| {
        o.id.kind == kind
            && lost.contains(o.id.name.as_str())
            && before.get(&o.id).is_none()
            && after.get(&o.id).is_none()
    };
    now.objects.iter().filter(extra).map(|object| Completion {
        id: object.id.clone(),
        object: format!("{} {}", object.id.kind.as_str(), object.id.name),
        action: Action::Run(vec![object.remove.clone()]),
    })
}

/// MySQL: the statement that states a column with its NOT NULL, where it had one and still has.
fn whole_column(old: &DumpObject, before: &SchemaDump, now: &SchemaDump) -> Option<String> {
    let not_null = ObjectId { kind: DumpKind::NotNull, name: old.id.name.clone() };
    let stated = before.get(&not_null).filter(|_| old.id.kind == DumpKind::Column)?;
    now.get(&not_null).map(|_| stated.create.clone())
}

/// Whether the table has columns now that it had neither before nor after the migration.
fn has_foreign_columns(old: &DumpObject, after: Option<&DumpObject>, now: &DumpObject) -> bool {
    let columns = |object: &DumpObject| {
        let script = parse_script(&object.create, Dialect::Sqlite);
        let definition =
            script.statements.iter().flat_map(Statement::changes).find_map(|c| match c {
                Change::CreateTable { def, .. } => Some(def.columns.clone()),
                _ => None,
            });
        definition
            .unwrap_or_default()
            .into_iter()
            .map(|column| column.name)
            .collect::<BTreeSet<Ident>>()
    };
    let mut ours = columns(old);
    ours.extend(after.map(columns).unwrap_or_default());
    !columns(now).is_subset(&ours)
}

fn put_back(
    dialect: Dialect,
    old: &DumpObject,
    now: Option<&DumpObject>,
    stage: Stage,
) -> Option<Action> {
    if dialect == Dialect::Sqlite {
        return match (old.id.kind, now, stage) {
            (DumpKind::Table, None, Stage::Structure) => {
                Some(Action::Run(vec![old.create.clone()]))
            }
            (DumpKind::Table, Some(_), Stage::Rest) => {
                Some(Action::Rebuild { table: old.id.name.clone(), create: old.create.clone() })
            }
            (DumpKind::Table, ..) | (_, _, Stage::Structure) => None,
            (_, None, Stage::Rest) => Some(Action::Run(vec![old.create.clone()])),
            (_, Some(new), Stage::Rest) => {
                Some(Action::Run(vec![new.remove.clone(), old.create.clone()]))
            }
        };
    }
    Some(match (old.id.kind, now) {
        (_, None) if old.create.is_empty() => Action::Leave,
        (_, None) => {
            Action::Run(std::iter::once(&old.create).chain(&old.position).cloned().collect())
        }
        (DumpKind::Column, Some(_)) if dialect.is_mysql_family() => {
            let modify = old.create.replacen(" ADD COLUMN ", " MODIFY COLUMN ", 1);
            Action::Run(vec![modify])
        }
        (DumpKind::Column, Some(new)) => match retype(old, new) {
            Some(statement) => Action::Run(vec![statement]),
            None => Action::Leave,
        },
        (
            DumpKind::Schema
            | DumpKind::Extension
            | DumpKind::Type
            | DumpKind::Sequence
            | DumpKind::Table,
            Some(_),
        ) => Action::Leave,
        // These replace what is there.
        (
            DumpKind::Default
            | DumpKind::NotNull
            | DumpKind::Comment
            | DumpKind::Grant
            | DumpKind::Owner
            | DumpKind::Function
            | DumpKind::SequenceOwner
            | DumpKind::ColumnOption
            | DumpKind::TriggerState,
            Some(_),
        ) => Action::Run(vec![old.create.clone()]),
        (_, Some(new)) => Action::Run(vec![new.remove.clone(), old.create.clone()]),
    })
}

fn take_away(extra: &DumpObject, stage: Stage) -> Option<Action> {
    let holds_data = is_structure(extra.id.kind) || extra.remove.is_empty();
    match (holds_data, stage) {
        (true, Stage::Structure) => Some(Action::Leave),
        (false, Stage::Rest) => Some(Action::Run(vec![extra.remove.clone()])),
        _ => None,
    }
}

/// MySQL: `… AFTER other` of a column that is not there any more would be refused.
fn without_lost_place(statement: &str, now: &SchemaDump) -> String {
    let parts = statement.rsplit_once(" AFTER `");
    let Some((head, other)) = parts.filter(|(head, _)| head.contains(" COLUMN ")) else {
        return statement.to_owned();
    };
    let Some(table) = head.strip_prefix("ALTER TABLE `").and_then(|rest| rest.split_once("` "))
    else {
        return statement.to_owned();
    };
    let plain = |name: &str| name.replace('`', "");
    let wanted = format!("{}.{}", plain(table.0), plain(other));
    let there = now
        .objects
        .iter()
        .any(|object| object.id.kind == DumpKind::Column && plain(&object.id.name) == wanted);
    if there { statement.to_owned() } else { head.to_owned() }
}

/// `ALTER TABLE t ADD COLUMN c text` beside `… ADD COLUMN c varchar(9)` → the `ALTER COLUMN` that
/// leads back.
fn retype(old: &DumpObject, new: &DumpObject) -> Option<String> {
    let head = old.remove.replacen(" DROP COLUMN ", " ADD COLUMN ", 1);
    let ty = old.create.strip_prefix(&head)?.trim();
    let new_ty = new.create.strip_prefix(&head)?.trim();
    if ty.contains(" GENERATED ") || new_ty.contains(" GENERATED ") {
        return None;
    }
    let alter = old.remove.replacen(" DROP COLUMN ", " ALTER COLUMN ", 1);
    let column = alter.rsplit(" ALTER COLUMN ").next()?;
    let base = ty.split(" COLLATE ").next().unwrap_or(ty);
    Some(format!("{alter} TYPE {ty} USING {column}::{base}"))
}

/// Builds a SQLite table anew by its old definition: a new table first, so that no reference is
/// ever rewritten; then its rows by name; then the names change places. Foreign keys must be off.
pub async fn rebuild(
    session: &mut dyn Session,
    table: &str,
    create: &str,
) -> Result<(), SnapshotError> {
    let d = Dialect::Sqlite;
    let fresh = "downhaul_rebuild";
    let literal = d.literal(table);
    let belongings = session
        .rows(&format!(
            "SELECT sql FROM sqlite_schema WHERE tbl_name = {literal} COLLATE NOCASE AND type IN ('index', 'trigger') AND sql IS NOT NULL ORDER BY type, rowid"
        ))
        .await?;
    let name = ObjectName::bare(downhaul_syntax::Ident::stored(d, table));
    let sequence =
        session.table_shape(&name).await?.map(|shape| shape.sequences).unwrap_or_default();
    session.execute(&renamed(create, fresh)?).await?;
    let columns = |table: &str| {
        format!("SELECT name FROM pragma_table_xinfo({}) WHERE hidden = 0", d.literal(table))
    };
    let shared: Vec<String> = session
        .rows(&format!("{} INTERSECT {}", columns(fresh), columns(table)))
        .await?
        .iter()
        .map(|row| d.quote_str(row.text(0)))
        .collect();
    let list = shared.join(", ");
    let old = d.quote_str(table);
    if !shared.is_empty() {
        session.execute(&format!("INSERT INTO {fresh} ({list}) SELECT {list} FROM {old}")).await?;
    }
    session.execute(&format!("DROP TABLE {old}")).await?;
    // Views, and triggers of other tables, name what is not there at this moment: in the old way a
    // renaming does not look at them (pragma.html#pragma_legacy_alter_table).
    let legacy = session.number("PRAGMA legacy_alter_table").await?;
    session.execute("PRAGMA legacy_alter_table = ON").await?;
    let took_its_place = session.execute(&format!("ALTER TABLE {fresh} RENAME TO {old}")).await;
    session.execute(&format!("PRAGMA legacy_alter_table = {legacy}")).await?;
    took_its_place?;
    for row in &belongings {
        session.execute(row.text(0)).await?;
    }
    if let Some(state) = sequence.first() {
        session.execute(&format!("DELETE FROM sqlite_sequence WHERE name = {literal}")).await?;
        session
            .execute(&format!(
                "INSERT INTO sqlite_sequence (name, seq) VALUES ({literal}, {})",
                state.last_value
            ))
            .await?;
    }
    Ok(())
}

/// `CREATE TABLE x (…)` under another name: the name is the last token before the first bracket.
fn renamed(create: &str, name: &str) -> Result<String, SnapshotError> {
    let tokens = lex(create, Dialect::Sqlite).tokens;
    let open = tokens.iter().position(|t| t.kind == TokenKind::LeftParen);
    let place = open.and_then(|open| tokens[..open].iter().rfind(|t| !t.kind.is_trivia()));
    match place {
        Some(token) => Ok(format!(
            "{}{}{}",
            &create[..token.span.start],
            sql::own(Dialect::Sqlite, "rebuild").replace("downhaul_rebuild", name),
            &create[token.span.end..]
        )),
        None => Err(SnapshotError::CannotRestore(format!("cannot read the definition `{create}`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(ty: &str) -> DumpObject {
        DumpObject {
            id: ObjectId { kind: DumpKind::Column, name: "public.t.c".into() },
            create: format!("ALTER TABLE public.t ADD COLUMN c {ty}"),
            remove: "ALTER TABLE public.t DROP COLUMN c".into(),
            fingerprint: ty.into(),
            part: true,
            position: None,
        }
    }

    #[test]
    fn a_column_of_another_type_is_altered_back() {
        assert_eq!(
            retype(&column("character varying(20) COLLATE \"C\""), &column("text")).as_deref(),
            Some(
                "ALTER TABLE public.t ALTER COLUMN c TYPE character varying(20) COLLATE \"C\" USING c::character varying(20)"
            )
        );
        assert_eq!(retype(&column("integer GENERATED ALWAYS AS IDENTITY"), &column("text")), None);
    }

    #[test]
    fn only_what_the_migration_changed_is_put_back() {
        let index = |name: &str| DumpObject {
            id: ObjectId { kind: DumpKind::Index, name: name.into() },
            create: format!("CREATE INDEX {name}"),
            remove: format!("DROP INDEX {name}"),
            fingerprint: name.into(),
            part: false,
            position: None,
        };
        let dump =
            |names: &[&str]| SchemaDump { objects: names.iter().map(|n| index(n)).collect() };
        // `a` was dropped by the migration; `b` by somebody else since; `c` made by the migration.
        let (before, after, now) = (dump(&["a", "b"]), dump(&["b", "c"]), dump(&["c"]));
        let found = objects(Dialect::Postgres, &before, &after, &now, Stage::Rest);
        let actions: Vec<_> = found.into_iter().map(|c| c.action).collect();
        assert_eq!(
            actions,
            [Action::Run(vec!["CREATE INDEX a".into()]), Action::Run(vec!["DROP INDEX c".into()])]
        );
    }

    #[test]
    fn a_definition_is_renamed_at_its_name_only() {
        assert_eq!(
            renamed("CREATE TABLE \"t (x\" -- (c\n (a, t)", "n").unwrap(),
            "CREATE TABLE n -- (c\n (a, t)"
        );
    }
}

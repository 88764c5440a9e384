//! The schema as MySQL and MariaDB state it: `SHOW CREATE` of every object, cut into parts.

use downhaul_syntax::{Dialect, Ident, ObjectName};

use super::MySql;
use super::definition::{self, Part, Table};
use super::shape::TABLES;
use crate::EngineError;
use crate::dump::{DumpKind, DumpObject, ObjectId, SchemaDump};
use crate::session::{Row, Session};

/// How many `SHOW CREATE` statements travel together.
const BATCH: usize = 50;

fn id(kind: DumpKind, parts: &[&str]) -> ObjectId {
    let name = parts
        .iter()
        .map(|part| Dialect::Mysql.quote_if_needed(&Ident::stored(Dialect::Mysql, part)))
        .collect::<Vec<_>>()
        .join(".");
    ObjectId { kind, name }
}

fn quote(name: &str) -> String {
    Dialect::Mysql.quote_str(name)
}

/// `SHOW CREATE verb` of each name: its rows, in order.
async fn show_create(
    session: &mut MySql,
    what: &str,
    names: &[String],
) -> Result<Vec<Row>, EngineError> {
    let mut rows = Vec::with_capacity(names.len());
    for batch in names.chunks(BATCH) {
        let sql: Vec<String> =
            batch.iter().map(|name| format!("SHOW CREATE {what} {}", quote(name))).collect();
        rows.extend(session.rows(&sql.join("; ")).await?);
    }
    if rows.len() != names.len() {
        return Err(EngineError::Protocol(format!(
            "{} answers to {} times SHOW CREATE {what}",
            rows.len(),
            names.len()
        )));
    }
    Ok(rows)
}

async fn names(session: &mut MySql, sql: &str) -> Result<Vec<String>, EngineError> {
    Ok(session.rows(sql).await?.iter().map(|row| row.text(0).to_owned()).collect())
}

/// The schema of the database. Where the session quotes names as standard SQL does (`ANSI_QUOTES`, which `ANSI` and
/// `ORACLE` hold too), the server writes its definitions so; they are read as it writes them otherwise.
pub(super) async fn dump(session: &mut MySql) -> Result<SchemaDump, EngineError> {
    let mode = session.rows("SELECT @@SESSION.sql_mode").await?;
    let mode = mode.first().map(|row| row.text(0).to_owned()).unwrap_or_default();
    if !mode.split(',').any(|one| one == "ANSI_QUOTES") {
        return as_written(session).await;
    }
    session.execute("SET SESSION sql_mode = ''").await?;
    let found = as_written(session).await;
    let back = format!("SET SESSION sql_mode = {}", Dialect::MariaDb.literal(&mode));
    session.execute(&back).await?;
    found
}

async fn as_written(session: &mut MySql) -> Result<SchemaDump, EngineError> {
    let of_type = |ty: &str| {
        format!(
            "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND {ty} \
             AND TABLE_NAME NOT LIKE 'downhaul\\_%' ORDER BY TABLE_NAME"
        )
    };
    let mut objects = Vec::new();
    let sequences = names(session, &of_type("TABLE_TYPE = 'SEQUENCE'")).await?;
    for (name, row) in sequences.iter().zip(show_create(session, "SEQUENCE", &sequences).await?) {
        let mut object = whole(DumpKind::Sequence, "SEQUENCE", name, row.text(1));
        // Numbers that a session took beforehand are not given out again.
        let next = format!("SELECT next_not_cached_value FROM {}", quote(name));
        if let Some(next) = session.rows(&next).await?.first() {
            object.position = Some(format!("DO SETVAL({}, {}, 0)", quote(name), next.text(0)));
        }
        objects.push(object);
    }
    let tables = names(session, &of_type(TABLES)).await?;
    for (name, row) in tables.iter().zip(show_create(session, "TABLE", &tables).await?) {
        let text = row.text(1);
        let table = definition::read(text).ok_or_else(|| {
            EngineError::Protocol(format!("cannot read the definition of `{name}`: {text}"))
        })?;
        objects.extend(table_objects(name, &table));
    }
    let views = names(session, &of_type("TABLE_TYPE = 'VIEW'")).await?;
    for (name, row) in views.iter().zip(show_create(session, "VIEW", &views).await?) {
        objects.push(whole(DumpKind::View, "VIEW", name, row.text(1)));
    }
    let triggers = names(
        session,
        "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() \
         AND TRIGGER_NAME NOT LIKE 'downhaul\\_%' ORDER BY EVENT_OBJECT_TABLE, ACTION_ORDER, TRIGGER_NAME",
    )
    .await?;
    for (name, row) in triggers.iter().zip(show_create(session, "TRIGGER", &triggers).await?) {
        objects.push(whole(DumpKind::Trigger, "TRIGGER", name, row.text(2)));
    }
    for kind in ["FUNCTION", "PROCEDURE"] {
        let routines = names(
            session,
            &format!(
                "SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE() AND ROUTINE_TYPE = '{kind}' ORDER BY ROUTINE_NAME"
            ),
        )
        .await?;
        for (name, row) in routines.iter().zip(show_create(session, kind, &routines).await?) {
            let mut object = whole(DumpKind::Function, kind, name, row.text(2));
            object.id = id(DumpKind::Function, &[&kind.to_ascii_lowercase(), name]);
            objects.push(object);
        }
    }
    objects.sort_by_key(|object| object.id.kind);
    Ok(SchemaDump { objects })
}

/// An object that is stated in one piece.
fn whole(kind: DumpKind, word: &str, name: &str, create: &str) -> DumpObject {
    DumpObject {
        id: id(kind, &[name]),
        create: create.to_owned(),
        remove: format!("DROP {word} {}", quote(name)),
        fingerprint: create.to_owned(),
        part: false,
        position: None,
    }
}

fn table_objects(name: &str, table: &Table) -> Vec<DumpObject> {
    let quoted = Dialect::Mysql.quote_name(&ObjectName::bare(Ident::stored(Dialect::Mysql, name)));
    let alter = format!("ALTER TABLE {quoted}");
    let mut items: Vec<String> =
        table.columns.iter().map(|c| format!("{} {}", quote(&c.name), c.definition)).collect();
    let mut primary: &[String] = &[];
    for part in &table.parts {
        match part {
            Part::PrimaryKey { columns, text } => {
                primary = columns;
                items.push(text.clone());
            }
            Part::Index { text, .. } | Part::Check { text, .. } => items.push(text.clone()),
            // References wait until all tables are there.
            Part::ForeignKey { .. } => {}
        }
    }
    let mut objects = vec![DumpObject {
        id: id(DumpKind::Table, &[name]),
        create: format!("CREATE TABLE {quoted} (\n  {}\n) {}", items.join(",\n  "), table.options),
        remove: format!("DROP TABLE {quoted}"),
        fingerprint: table.options.clone(),
        part: false,
        position: None,
    }];
    let mut previous: Option<&str> = None;
    for column in &table.columns {
        let of_key = primary.contains(&column.name);
        let nullable = column.nullable().filter(|_| !of_key);
        let place = match previous {
            Some(previous) => format!("AFTER {}", quote(previous)),
            None => "FIRST".to_owned(),
        };
        previous = Some(&column.name);
        let own = quote(&column.name);
        let definition = nullable.as_ref().unwrap_or(&column.definition);
        objects.push(DumpObject {
            id: id(DumpKind::Column, &[name, &column.name]),
            create: format!("{alter} ADD COLUMN {own} {definition} {place}"),
            remove: format!("{alter} DROP COLUMN {own}"),
            fingerprint: column.fingerprint(),
            part: true,
            position: None,
        });
        if let Some(nullable) = &nullable {
            objects.push(DumpObject {
                id: id(DumpKind::NotNull, &[name, &column.name]),
                create: format!("{alter} MODIFY COLUMN {own} {}", column.definition),
                remove: format!("{alter} MODIFY COLUMN {own} {nullable}"),
                fingerprint: "not null".to_owned(),
                part: true,
                position: None,
            });
        }
    }
    for part in &table.parts {
        let (kind, own, text, remove) = match part {
            Part::PrimaryKey { text, .. } => {
                (DumpKind::Constraint, "PRIMARY", text, "DROP PRIMARY KEY".to_owned())
            }
            Part::Index { name, text } => {
                (DumpKind::Index, name.as_str(), text, format!("DROP INDEX {}", quote(name)))
            }
            Part::Check { name, text } => (
                DumpKind::Constraint,
                name.as_str(),
                text,
                format!("DROP CONSTRAINT {}", quote(name)),
            ),
            Part::ForeignKey { name, text } => (
                DumpKind::ForeignKey,
                name.as_str(),
                text,
                format!("DROP FOREIGN KEY {}", quote(name)),
            ),
        };
        objects.push(DumpObject {
            id: id(kind, &[name, own]),
            create: format!("{alter} ADD {text}"),
            remove: format!("{alter} {remove}"),
            fingerprint: text.clone(),
            part: kind != DumpKind::ForeignKey,
            position: None,
        });
    }
    objects
}

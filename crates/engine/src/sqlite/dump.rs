//! The schema as SQLite states it: the texts of `sqlite_schema`.

use downhaul_syntax::{Dialect, significant};

use super::Sqlite;
use crate::EngineError;
use crate::dump::{DumpKind, DumpObject, ObjectId, SchemaDump};
use crate::session::Session;

/// Two texts of `sqlite_schema` that differ in white space, comments, the case of words or the
/// quotes around names (which `ALTER TABLE … RENAME` rewrites) define the same object.
pub(super) fn fingerprint(sql: &str) -> String {
    significant(sql, Dialect::Sqlite)
        .iter()
        .map(|token| {
            let quoted = match token.as_bytes() {
                [b'"', .., b'"'] if token.len() >= 2 => {
                    Some(token[1..token.len() - 1].replace("\"\"", "\""))
                }
                [b'`', .., b'`'] if token.len() >= 2 => {
                    Some(token[1..token.len() - 1].replace("``", "`"))
                }
                [b'[', .., b']'] => Some(token[1..token.len() - 1].to_owned()),
                [b'\'', ..] => return (*token).to_owned(),
                _ => None,
            };
            quoted.unwrap_or_else(|| (*token).to_owned()).to_lowercase()
        })
        .collect::<Vec<_>>()
        .join(" ")
}

pub(super) async fn dump(session: &mut Sqlite) -> Result<SchemaDump, EngineError> {
    let rows = session
        .rows(
            "SELECT type, name, sql FROM sqlite_schema \
             WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
               AND name NOT LIKE 'downhaul\\_%' ESCAPE '\\' AND tbl_name NOT LIKE 'downhaul\\_%' ESCAPE '\\' \
             ORDER BY rowid",
        )
        .await?;
    let mut objects = Vec::with_capacity(rows.len());
    for row in &rows {
        let (kind, word) = match row.text(0) {
            "table" => (DumpKind::Table, "TABLE"),
            "index" => (DumpKind::Index, "INDEX"),
            "view" => (DumpKind::View, "VIEW"),
            "trigger" => (DumpKind::Trigger, "TRIGGER"),
            other => return Err(EngineError::Protocol(format!("sqlite_schema type `{other}`"))),
        };
        let name = row.text(1);
        objects.push(DumpObject {
            id: ObjectId { kind, name: name.to_owned() },
            create: row.text(2).to_owned(),
            remove: format!("DROP {word} {}", Dialect::Sqlite.quote_str(name)),
            fingerprint: fingerprint(row.text(2)),
            part: false,
            position: None,
        });
    }
    objects.sort_by_key(|object| object.id.kind);
    Ok(SchemaDump { objects })
}

//! Live tables of SQLite.

use downhaul_syntax::{Dialect, Ident, ObjectName};

use super::Sqlite;
use crate::session::{Row, Session};
use crate::{ColumnShape, EngineError, ForeignKeyShape, SequenceState, TableShape};

fn ident(name: &str) -> Ident {
    Ident::stored(Dialect::Sqlite, name)
}

/// Actions of a foreign key that change rows.
fn acts(action: &str) -> bool {
    matches!(action, "CASCADE" | "SET NULL" | "SET DEFAULT")
}

pub(super) async fn table_shape(
    session: &mut Sqlite,
    table: &ObjectName,
) -> Result<Option<TableShape>, EngineError> {
    let literal = Dialect::Sqlite.literal(table.name.as_str());
    // All that the texts of the schema tell, in one pass over them: the table, its triggers, whether there
    // are counters, and which other tables may refer to it.
    let texts = session
        .rows(&format!(
            "SELECT CASE WHEN type = 'trigger' THEN 'trigger' WHEN name = 'sqlite_sequence' THEN 'counters' \
               WHEN name = {literal} COLLATE NOCASE THEN CASE WHEN sql LIKE 'CREATE VIRTUAL %' THEN 'virtual' ELSE 'table' END \
               ELSE 'other' END, name \
             FROM sqlite_schema WHERE CASE type \
               WHEN 'table' THEN name = {literal} COLLATE NOCASE OR name = 'sqlite_sequence' OR sql LIKE '%references%' \
               WHEN 'trigger' THEN tbl_name = {literal} COLLATE NOCASE AND name NOT LIKE 'downhaul\\_%' ESCAPE '\\' END \
             ORDER BY name"
        ))
        .await?;
    let of = |kind: &'static str| texts.iter().filter(move |row| row.text(0) == kind);
    let Some(found) = of("table").next() else { return Ok(None) };
    let name = found.text(1).to_owned();
    let literal = Dialect::Sqlite.literal(&name);

    // pragma_table_xinfo: hidden = 2 and 3 are generated columns, 1 belongs to virtual tables.
    let rows = session
        .rows(&format!(
            "SELECT name, type, \"notnull\", pk, hidden, dflt_value FROM pragma_table_xinfo({literal}) WHERE hidden <> 1 ORDER BY cid"
        ))
        .await?;
    let columns: Vec<ColumnShape> = rows
        .iter()
        .map(|row| ColumnShape {
            name: ident(row.text(0)),
            ty: row.text(1).to_owned(),
            not_null: row.flag(2),
            generated: row.text(4) != "0",
            identity_always: false,
            user_type: false,
            default: row.opt(5).map(str::to_owned),
        })
        .collect();
    let mut key = key_columns(session, &literal, &rows, &columns).await?;
    let mut key_may_be_null = false;
    if key.is_empty() {
        key = nullable_key(session, &name, &rows).await?;
        key_may_be_null = !key.is_empty();
    }

    let foreign_keys = foreign_keys(session, &literal).await?;
    let referencing = match of("other").next() {
        None => Vec::new(),
        Some(_) => {
            session
                .rows(&format!(
                    "SELECT m.name, max(f.on_delete IN ('CASCADE', 'SET NULL', 'SET DEFAULT') OR f.on_update IN ('CASCADE', 'SET NULL', 'SET DEFAULT')) \
                     FROM sqlite_schema m, pragma_foreign_key_list(m.name) f \
                     WHERE m.type = 'table' AND m.sql LIKE '%references%' AND f.\"table\" = {literal} COLLATE NOCASE \
                       AND m.name <> {literal} COLLATE NOCASE GROUP BY 1 ORDER BY 1"
                ))
                .await?
        }
    };
    let names = |only_acting: bool| {
        referencing
            .iter()
            .filter(|row| !only_acting || row.flag(1))
            .map(|row| ObjectName::bare(ident(row.text(0))))
            .collect()
    };
    let triggers = of("trigger").map(|row| ident(row.text(1))).collect();
    let sequences = match of("counters").next() {
        Some(_) => sequences(session, &literal).await?,
        None => Vec::new(),
    };

    Ok(Some(TableShape {
        name: ObjectName::bare(ident(&name)),
        columns,
        key,
        key_may_be_null,
        foreign_keys,
        acted_on: names(true),
        referenced_by: names(false),
        sequences,
        triggers,
        divided: false,
        rows: None,
    }))
}

/// The primary key if none of its columns can be NULL (SQLite lets NULL into a primary key that is
/// neither INTEGER nor of a WITHOUT ROWID table), else a unique index over NOT NULL columns.
async fn key_columns(
    session: &mut Sqlite,
    literal: &str,
    rows: &[Row],
    columns: &[ColumnShape],
) -> Result<Vec<Ident>, EngineError> {
    let mut primary: Vec<&Row> = rows.iter().filter(|row| row.text(3) != "0").collect();
    primary.sort_by_key(|row| row.number(3).unwrap_or(0));
    // `pragma_table_list` would tell that a table is WITHOUT ROWID, and look into every view for it. Of
    // such a one the index of the key names no row number (pragma.html#pragma_index_xinfo).
    let integer_key = primary.len() == 1 && primary[0].text(1).eq_ignore_ascii_case("integer");
    let mut never_null = integer_key || primary.iter().all(|row| row.flag(2));
    if !primary.is_empty() && !never_null {
        never_null = session
            .rows(&format!(
                "SELECT count(*) > 0 AND coalesce(sum(x.cid = -1), 0) = 0 \
                 FROM pragma_index_list({literal}) i, pragma_index_xinfo(i.name) x WHERE i.origin = 'pk'"
            ))
            .await?
            .first()
            .is_some_and(|row| row.flag(0));
    }
    if !primary.is_empty() && never_null {
        return Ok(primary.iter().map(|row| ident(row.text(0))).collect());
    }
    let indexes = session
        .rows(&format!(
            "SELECT name FROM pragma_index_list({literal}) WHERE \"unique\" = 1 AND partial = 0 ORDER BY seq DESC"
        ))
        .await?;
    for index in &indexes {
        let index = Dialect::Sqlite.literal(index.text(0));
        let parts = session
            .rows(&format!("SELECT name FROM pragma_index_info({index}) ORDER BY seqno"))
            .await?;
        let key: Option<Vec<Ident>> = parts
            .iter()
            .map(|part| {
                let column = ident(part.opt(0)?);
                columns.iter().any(|c| c.name == column && c.not_null).then_some(column)
            })
            .collect();
        if let Some(key) = key.filter(|key| !key.is_empty()) {
            return Ok(key);
        }
    }
    Ok(Vec::new())
}

/// The primary key that may hold NULL, where it holds none.
async fn nullable_key(
    session: &mut Sqlite,
    table: &str,
    rows: &[Row],
) -> Result<Vec<Ident>, EngineError> {
    let d = Dialect::Sqlite;
    let mut primary: Vec<&Row> = rows.iter().filter(|row| row.text(3) != "0").collect();
    primary.sort_by_key(|row| row.number(3).unwrap_or(0));
    if primary.is_empty() {
        return Ok(Vec::new());
    }
    let tests: Vec<String> =
        primary.iter().map(|row| format!("{} IS NULL", d.quote_str(row.text(0)))).collect();
    let found = session
        .rows(&format!(
            "SELECT EXISTS (SELECT 1 FROM main.{} WHERE {})",
            d.quote_str(table),
            tests.join(" OR ")
        ))
        .await?;
    let any_null = found.first().is_none_or(|row| row.flag(0));
    Ok(if any_null { Vec::new() } else { primary.iter().map(|row| ident(row.text(0))).collect() })
}

/// References, one row of the pragma for each pair of columns. A reference that names no column
/// means the primary key (foreignkeys.html §3).
async fn foreign_keys(
    session: &mut Sqlite,
    literal: &str,
) -> Result<Vec<ForeignKeyShape>, EngineError> {
    let pairs = session
        .rows(&format!(
            "SELECT f.id, f.\"table\", f.on_update, f.on_delete, f.\"from\", coalesce(f.\"to\", \
               (SELECT p.name FROM pragma_table_xinfo(f.\"table\") p WHERE p.pk = f.seq + 1)) \
             FROM pragma_foreign_key_list({literal}) f ORDER BY f.id, f.seq"
        ))
        .await?;
    let mut keys: Vec<ForeignKeyShape> = Vec::new();
    let mut last = None;
    for row in &pairs {
        if last != Some(row.text(0)) {
            last = Some(row.text(0));
            keys.push(ForeignKeyShape {
                name: None,
                table: ObjectName::bare(ident(row.text(1))),
                acts: acts(row.text(2)) || acts(row.text(3)),
                // PRAGMA defer_foreign_keys defers all of them.
                deferrable: true,
                columns: Vec::new(),
                references: Vec::new(),
            });
        }
        if let Some(key) = keys.last_mut() {
            key.columns.push(ident(row.text(4)));
            key.references.extend(row.opt(5).map(ident));
        }
    }
    Ok(keys)
}

/// The AUTOINCREMENT counter.
async fn sequences(session: &mut Sqlite, literal: &str) -> Result<Vec<SequenceState>, EngineError> {
    session
        .rows(&format!("SELECT seq FROM sqlite_sequence WHERE name = {literal} COLLATE NOCASE"))
        .await?
        .iter()
        .map(|row| {
            Ok(SequenceState {
                column: None,
                name: None,
                last_value: row.number(0)?,
                is_called: true,
            })
        })
        .collect()
}

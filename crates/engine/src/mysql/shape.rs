//! Live tables of MySQL and MariaDB.

use downhaul_syntax::{Dialect, Ident, ObjectName};

use super::MySql;
use crate::session::{Row, Session};
use crate::{ColumnShape, EngineError, ForeignKeyShape, SequenceState, TableShape};

fn ident(name: &str) -> Ident {
    Ident::stored(Dialect::Mysql, name)
}

/// Tables that hold rows, those of MariaDB whose history the server keeps itself among them.
pub(super) const TABLES: &str = "TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED')";

/// A name that the session finds: the current database is left out.
fn object(current: &str, schema: &str, name: &str) -> ObjectName {
    ObjectName { schema: (schema != current).then(|| ident(schema)), name: ident(name) }
}

/// Actions of a foreign key that change rows.
fn acts(action: &str) -> bool {
    matches!(action, "CASCADE" | "SET NULL" | "SET DEFAULT")
}

pub(super) async fn table_shape(
    session: &mut MySql,
    table: &ObjectName,
) -> Result<Option<TableShape>, EngineError> {
    let d = Dialect::Mysql;
    let schema = match &table.schema {
        Some(schema) => d.literal(schema.as_str()),
        None => "DATABASE()".to_owned(),
    };
    let found = session
        .rows(&format!(
            "SELECT TABLE_SCHEMA, TABLE_NAME, DATABASE(), TABLE_ROWS, CREATE_OPTIONS LIKE '%partitioned%' FROM information_schema.TABLES \
             WHERE TABLE_SCHEMA = {schema} AND TABLE_NAME = {} AND {TABLES}",
            d.literal(table.name.as_str())
        ))
        .await?;
    let Some(found) = found.first() else { return Ok(None) };
    let (current, own_schema) = (found.text(2).to_owned(), found.text(0).to_owned());
    let name = found.text(1).to_owned();
    let place =
        format!("TABLE_SCHEMA = {} AND TABLE_NAME = {}", d.literal(&own_schema), d.literal(&name));
    let rows = session
        .rows(&format!(
            "SELECT COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT, EXTRA, COALESCE(GENERATION_EXPRESSION, ''), CHARACTER_SET_NAME, COLLATION_NAME, DATA_TYPE \
             FROM information_schema.COLUMNS WHERE {place} ORDER BY ORDINAL_POSITION"
        ))
        .await?;
    let mariadb = session.dialect() == Dialect::MariaDb;
    let columns: Vec<ColumnShape> = rows.iter().map(|row| column(row, mariadb)).collect();
    let counter = rows.iter().find(|row| row.text(4).contains("auto_increment"));
    // The server puts the end of a version's life behind the key, by which it tells versions apart.
    let ends: Vec<Ident> =
        rows.iter().filter(|row| row.text(5) == "ROW END").map(|row| ident(row.text(0))).collect();
    let sequences = match counter {
        Some(row) => {
            let column = ident(row.text(0));
            counter_state(session, &place, column).await?
        }
        None => Vec::new(),
    };
    let referencing = referencing(session, &own_schema, &name).await?;
    let names = |only_acting: bool| {
        referencing
            .iter()
            .filter(|row| !only_acting || row.flag(2))
            .map(|row| object(&current, row.text(0), row.text(1)))
            .collect()
    };
    let triggers = session
        .rows(&format!(
            "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = {} AND EVENT_OBJECT_TABLE = {} AND TRIGGER_NAME NOT LIKE 'downhaul\\_track\\_%' ORDER BY ACTION_ORDER, TRIGGER_NAME",
            d.literal(&own_schema),
            d.literal(&name)
        ))
        .await?
        .iter()
        .map(|row| ident(row.text(0)))
        .collect();
    Ok(Some(TableShape {
        name: object(&current, &own_schema, &name),
        key: key_columns(session, &place, &columns, &ends).await?,
        key_may_be_null: false,
        columns,
        foreign_keys: foreign_keys(session, &current, &own_schema, &name).await?,
        acted_on: names(true),
        referenced_by: names(false),
        sequences,
        triggers,
        divided: found.flag(4),
        rows: found.opt(3).and_then(|rows| rows.parse().ok()),
    }))
}

/// Tables with foreign keys to this one: schema, name, whether one of them changes rows.
async fn referencing(
    session: &mut MySql,
    schema: &str,
    name: &str,
) -> Result<Vec<Row>, EngineError> {
    let d = Dialect::Mysql;
    if nothing_references(session, schema, name).await {
        return Ok(Vec::new());
    }
    session
        .rows(&format!(
            "SELECT r.CONSTRAINT_SCHEMA, r.TABLE_NAME, MAX(r.UPDATE_RULE IN ('CASCADE', 'SET NULL', 'SET DEFAULT') OR r.DELETE_RULE IN ('CASCADE', 'SET NULL', 'SET DEFAULT')) \
             FROM information_schema.REFERENTIAL_CONSTRAINTS r WHERE r.UNIQUE_CONSTRAINT_SCHEMA = {} AND r.REFERENCED_TABLE_NAME = {} \
               AND NOT (r.CONSTRAINT_SCHEMA = {0} AND r.TABLE_NAME = {1}) GROUP BY 1, 2 ORDER BY 1, 2",
            d.literal(schema),
            d.literal(name)
        ))
        .await
}

/// Whether InnoDB, which alone has foreign keys, knows of none to a table. To answer from
/// `REFERENTIAL_CONSTRAINTS`, MariaDB opens every table of the server. False where this is not to be
/// had (it takes the privilege `PROCESS`), or where the name is written otherwise in InnoDB's own
/// tables: then it is looked up in full.
async fn nothing_references(session: &mut MySql, schema: &str, name: &str) -> bool {
    let plain = |name: &str| {
        name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') && !name.is_empty()
    };
    if session.dialect() != Dialect::MariaDb || !plain(schema) || !plain(name) {
        return false;
    }
    session
        .rows(&format!(
            "SELECT count(*) FROM information_schema.INNODB_SYS_FOREIGN WHERE LOWER(REF_NAME) = LOWER('{schema}/{name}')"
        ))
        .await
        .is_ok_and(|rows| rows.first().is_some_and(|row| row.text(0) == "0"))
}

fn column(row: &Row, mariadb: bool) -> ColumnShape {
    let d = Dialect::Mysql;
    let mut ty = row.text(1).to_owned();
    // The type alone would take the table's character set.
    if let (Some(set), Some(collation)) = (row.opt(6), row.opt(7)) {
        ty.push_str(&format!(" CHARACTER SET {set} COLLATE {collation}"));
    }
    let extra = row.text(4).to_ascii_uppercase();
    let default = row.opt(3).and_then(|text| {
        if mariadb {
            // Written as SQL.
            (text != "NULL").then(|| text.to_owned())
        } else if extra.contains("DEFAULT_GENERATED") {
            let time = text.to_ascii_uppercase().starts_with("CURRENT_TIMESTAMP");
            Some(if time { text.to_owned() } else { format!("({text})") })
        } else if row.text(8) == "bit" {
            Some(text.to_owned())
        } else {
            Some(d.literal(text))
        }
    });
    ColumnShape {
        name: ident(row.text(0)),
        ty,
        not_null: row.text(2) == "NO",
        generated: extra.contains(" GENERATED") && !extra.contains("DEFAULT_GENERATED")
            || !row.text(5).is_empty(),
        identity_always: false,
        user_type: false,
        default,
    }
}

/// The next value of the counter. MySQL answers from statistics that are up to a day old unless
/// told otherwise (manual §28.3.38).
async fn counter_state(
    session: &mut MySql,
    place: &str,
    column: Ident,
) -> Result<Vec<SequenceState>, EngineError> {
    if session.dialect() == Dialect::Mysql {
        session.execute("SET SESSION information_schema_stats_expiry = 0").await?;
    }
    let rows = session
        .rows(&format!("SELECT AUTO_INCREMENT FROM information_schema.TABLES WHERE {place}"))
        .await?;
    Ok(rows
        .first()
        .and_then(|row| row.opt(0))
        // A counter beyond 2⁶³ is at its end anyway.
        .and_then(|next| next.parse::<i64>().ok())
        .map(|next| SequenceState {
            column: Some(column),
            name: None,
            last_value: next - 1,
            is_called: true,
        })
        .into_iter()
        .collect())
}

/// The primary key, else a unique index over whole NOT NULL columns.
async fn key_columns(
    session: &mut MySql,
    place: &str,
    columns: &[ColumnShape],
    ends: &[Ident],
) -> Result<Vec<Ident>, EngineError> {
    let rows = session
        .rows(&format!(
            "SELECT INDEX_NAME, COLUMN_NAME, SUB_PART FROM information_schema.STATISTICS WHERE {place} AND NON_UNIQUE = 0 \
             ORDER BY INDEX_NAME <> 'PRIMARY', INDEX_NAME, SEQ_IN_INDEX"
        ))
        .await?;
    let mut names: Vec<&str> = rows.iter().map(|row| row.text(0)).collect();
    names.dedup();
    for name in names {
        let key: Option<Vec<Ident>> = rows
            .iter()
            .filter(|row| row.text(0) == name && !ends.iter().any(|e| e.as_str() == row.text(1)))
            .map(|row| {
                // An index of a part of a text, or of an expression, does not tell rows apart.
                let column = ident(row.opt(1)?);
                let whole = row.opt(2).is_none();
                let never_null =
                    columns.iter().any(|c| c.name == column && c.not_null && !c.generated);
                (whole && never_null).then_some(column)
            })
            .collect();
        if let Some(key) = key {
            return Ok(key);
        }
    }
    Ok(Vec::new())
}

async fn foreign_keys(
    session: &mut MySql,
    current: &str,
    schema: &str,
    name: &str,
) -> Result<Vec<ForeignKeyShape>, EngineError> {
    let d = Dialect::Mysql;
    // Joined by the server, MariaDB opens every table that there is.
    let rules = session
        .rows(&format!(
            "SELECT CONSTRAINT_NAME, UPDATE_RULE, DELETE_RULE FROM information_schema.REFERENTIAL_CONSTRAINTS \
             WHERE CONSTRAINT_SCHEMA = {} AND TABLE_NAME = {}",
            d.literal(schema),
            d.literal(name)
        ))
        .await?;
    if rules.is_empty() {
        return Ok(Vec::new());
    }
    let rows = session
        .rows(&format!(
            "SELECT CONSTRAINT_NAME, REFERENCED_TABLE_SCHEMA, REFERENCED_TABLE_NAME, COLUMN_NAME, REFERENCED_COLUMN_NAME \
             FROM information_schema.KEY_COLUMN_USAGE WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {} \
               AND REFERENCED_TABLE_NAME IS NOT NULL ORDER BY CONSTRAINT_NAME, ORDINAL_POSITION",
            d.literal(schema),
            d.literal(name)
        ))
        .await?;
    let mut keys: Vec<ForeignKeyShape> = Vec::new();
    for row in &rows {
        let Some(rule) = rules.iter().find(|rule| rule.text(0) == row.text(0)) else { continue };
        let own = ident(row.text(0));
        if keys.last().is_none_or(|key| key.name.as_ref() != Some(&own)) {
            keys.push(ForeignKeyShape {
                name: Some(own),
                table: object(current, row.text(1), row.text(2)),
                acts: acts(rule.text(1)) || acts(rule.text(2)),
                deferrable: false,
                columns: Vec::new(),
                references: Vec::new(),
            });
        }
        if let Some(key) = keys.last_mut() {
            key.columns.push(ident(row.text(3)));
            key.references.push(ident(row.text(4)));
        }
    }
    Ok(keys)
}

pub(super) async fn tables_of_schema(
    session: &mut MySql,
    schema: &str,
) -> Result<Vec<ObjectName>, EngineError> {
    let schema = match schema {
        "" => "DATABASE()".to_owned(),
        schema => Dialect::Mysql.literal(schema),
    };
    let rows = session
        .rows(&format!(
            "SELECT TABLE_SCHEMA, TABLE_NAME, DATABASE() FROM information_schema.TABLES WHERE TABLE_SCHEMA = {schema} AND {TABLES} \
             AND TABLE_NAME NOT LIKE 'downhaul\\_%' ORDER BY TABLE_NAME"
        ))
        .await?;
    Ok(rows.iter().map(|row| object(row.text(2), row.text(0), row.text(1))).collect())
}

/// Sizes as the server estimates them.
pub(super) async fn sizes(session: &mut MySql) -> Result<Vec<crate::TableSize>, EngineError> {
    let rows = session
        .rows(&format!(
            "SELECT TABLE_NAME, COALESCE(TABLE_ROWS, 0), COALESCE(DATA_LENGTH, 0) + COALESCE(INDEX_LENGTH, 0) \
             FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND {TABLES} AND TABLE_NAME NOT LIKE 'downhaul\\_%'"
        ))
        .await?;
    rows.iter()
        .map(|row| {
            Ok(crate::TableSize {
                name: ObjectName::bare(ident(row.text(0))),
                rows: u64::try_from(row.number(1)?).unwrap_or(0),
                bytes: u64::try_from(row.number(2)?).unwrap_or(0),
            })
        })
        .collect()
}

//! Live tables of MySQL and MariaDB.

use std::collections::{BTreeMap, BTreeSet};

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
    let found = session.rows(&questions(table.schema.as_ref(), &[table]).join("; ")).await?;
    let found: Vec<&Row> = found.iter().collect();
    let Some(answers) = Answers::of(&found) else { return Ok(None) };
    let (current, own_schema) = (answers.current.to_owned(), answers.schema.to_owned());
    let name = answers.name.to_owned();
    let place =
        format!("TABLE_SCHEMA = {} AND TABLE_NAME = {}", d.literal(&own_schema), d.literal(&name));
    let sequences = match answers.counter() {
        Some(column) => counter_state(session, &place, column).await?,
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
    let mut shape = answers.shape(session.dialect() == Dialect::MariaDb);
    shape.foreign_keys =
        foreign_keys(session, &answers.rules, &current, &own_schema, &name).await?;
    shape.acted_on = names(true);
    shape.referenced_by = names(false);
    shape.sequences = sequences;
    Ok(Some(shape))
}

/// So many tables are asked for at once: with a list of names the server reads those of all tables that
/// there are, once for each question, and opens only these.
const MANY: usize = 8;

/// Tables that need no more questions than can be asked of many at once; the others one by one.
pub(super) async fn table_shapes(
    session: &mut MySql,
    names: &[ObjectName],
) -> Result<Vec<Option<TableShape>>, EngineError> {
    let mariadb = session.dialect() == Dialect::MariaDb;
    let here: Vec<&ObjectName> = names.iter().filter(|name| name.schema.is_none()).collect();
    let many = mariadb && here.len() >= MANY;
    let referenced = if many { all_references(session).await } else { None };
    let found = match referenced {
        Some(_) => session.rows(&questions(None, &here).join("; ")).await?,
        None => Vec::new(),
    };
    let mut of: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in &found {
        of.entry(row.text(1)).or_default().push(row);
    }
    let mut shapes = Vec::with_capacity(names.len());
    for name in names {
        let known = of.get(name.name.as_str()).filter(|_| name.schema.is_none());
        let answers = known.and_then(|rows| Answers::of(rows)).filter(|answers| {
            let own = format!("{}/{}", answers.schema, answers.name).to_lowercase();
            answers.rules.is_empty()
                && answers.counter().is_none()
                && is_plain(answers.schema)
                && is_plain(answers.name)
                && referenced.as_ref().is_some_and(|all| !all.contains(&own))
        });
        shapes.push(match answers {
            Some(answers) => Some(answers.shape(mariadb)),
            None => table_shape(session, name).await?,
        });
    }
    Ok(shapes)
}

/// What is asked of tables of one schema; the first column tells what of, the second of which table.
fn questions(schema: Option<&Ident>, tables: &[&ObjectName]) -> [String; 5] {
    let d = Dialect::Mysql;
    let schema = schema.map_or("DATABASE()".to_owned(), |schema| d.literal(schema.as_str()));
    let names: Vec<String> = tables.iter().map(|table| d.literal(table.name.as_str())).collect();
    // Of one table it looks nowhere else.
    let names = match names.as_slice() {
        [name] => format!("= {name}"),
        names => format!("IN ({})", names.join(", ")),
    };
    let place = format!("TABLE_SCHEMA = {schema} AND TABLE_NAME {names}");
    [
        format!(
            "SELECT 't', TABLE_NAME, TABLE_SCHEMA, DATABASE(), TABLE_ROWS, CREATE_OPTIONS LIKE '%partitioned%' FROM information_schema.TABLES \
             WHERE {place} AND {TABLES}"
        ),
        format!(
            "SELECT 'c', TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT, EXTRA, COALESCE(GENERATION_EXPRESSION, ''), CHARACTER_SET_NAME, COLLATION_NAME, DATA_TYPE \
             FROM information_schema.COLUMNS WHERE {place} ORDER BY TABLE_NAME, ORDINAL_POSITION"
        ),
        format!(
            "SELECT 'g', EVENT_OBJECT_TABLE, TRIGGER_NAME FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = {schema} AND EVENT_OBJECT_TABLE {names} AND TRIGGER_NAME NOT LIKE 'downhaul\\_track\\_%' ORDER BY ACTION_ORDER, TRIGGER_NAME"
        ),
        format!(
            "SELECT 'k', TABLE_NAME, INDEX_NAME, COLUMN_NAME, SUB_PART FROM information_schema.STATISTICS WHERE {place} AND NON_UNIQUE = 0 \
             ORDER BY TABLE_NAME, INDEX_NAME <> 'PRIMARY', INDEX_NAME, SEQ_IN_INDEX"
        ),
        // Joined by the server with its columns, MariaDB opens every table that there is.
        format!(
            "SELECT 'f', TABLE_NAME, CONSTRAINT_NAME, UPDATE_RULE, DELETE_RULE FROM information_schema.REFERENTIAL_CONSTRAINTS \
             WHERE CONSTRAINT_SCHEMA = {schema} AND TABLE_NAME {names}"
        ),
    ]
}

/// What the server answered to [`questions`].
struct Answers<'a> {
    schema: &'a str,
    name: &'a str,
    /// The current database.
    current: &'a str,
    rows: Option<u64>,
    divided: bool,
    columns: Vec<&'a Row>,
    triggers: Vec<&'a Row>,
    keys: Vec<&'a Row>,
    rules: Vec<&'a Row>,
}

impl<'a> Answers<'a> {
    /// `None`: there is no such table.
    fn of(rows: &[&'a Row]) -> Option<Self> {
        let of =
            |letter: &'static str| rows.iter().copied().filter(move |row| row.text(0) == letter);
        let found = of("t").next()?;
        Some(Self {
            schema: found.text(2),
            name: found.text(1),
            current: found.text(3),
            rows: found.opt(4).and_then(|rows| rows.parse().ok()),
            divided: found.flag(5),
            columns: of("c").collect(),
            triggers: of("g").collect(),
            keys: of("k").collect(),
            rules: of("f").collect(),
        })
    }

    /// The column that counts up by itself.
    fn counter(&self) -> Option<Ident> {
        let counter = self.columns.iter().find(|row| row.text(6).contains("auto_increment"));
        counter.map(|row| ident(row.text(2)))
    }

    /// The table, as far as these tell.
    fn shape(&self, mariadb: bool) -> TableShape {
        let columns: Vec<ColumnShape> =
            self.columns.iter().map(|row| column(row, mariadb)).collect();
        // The server puts the end of a version's life behind the key, by which it tells versions apart.
        let ends: Vec<Ident> = self
            .columns
            .iter()
            .filter(|row| row.text(7) == "ROW END")
            .map(|row| ident(row.text(2)))
            .collect();
        TableShape {
            name: object(self.current, self.schema, self.name),
            key: key_columns(&self.keys, &columns, &ends),
            key_may_be_null: false,
            columns,
            foreign_keys: Vec::new(),
            acted_on: Vec::new(),
            referenced_by: Vec::new(),
            sequences: Vec::new(),
            triggers: self.triggers.iter().map(|row| ident(row.text(2))).collect(),
            divided: self.divided,
            rows: self.rows,
        }
    }
}

/// A name that InnoDB's own tables write as it is.
fn is_plain(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') && !name.is_empty()
}

/// Tables that foreign keys refer to, `schema/name` in small letters; `None` where that is not to be had.
async fn all_references(session: &mut MySql) -> Option<BTreeSet<String>> {
    let rows = session
        .rows("SELECT DISTINCT LOWER(REF_NAME) FROM information_schema.INNODB_SYS_FOREIGN")
        .await
        .ok()?;
    Some(rows.iter().map(|row| row.text(0).to_owned()).collect())
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
    if session.dialect() != Dialect::MariaDb || !is_plain(schema) || !is_plain(name) {
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
    let mut ty = row.text(3).to_owned();
    // The type alone would take the table's character set.
    if let (Some(set), Some(collation)) = (row.opt(8), row.opt(9)) {
        ty.push_str(&format!(" CHARACTER SET {set} COLLATE {collation}"));
    }
    let extra = row.text(6).to_ascii_uppercase();
    let default = row.opt(5).and_then(|text| {
        if mariadb {
            // Written as SQL.
            (text != "NULL").then(|| text.to_owned())
        } else if extra.contains("DEFAULT_GENERATED") {
            let time = text.to_ascii_uppercase().starts_with("CURRENT_TIMESTAMP");
            Some(if time { text.to_owned() } else { format!("({text})") })
        } else if row.text(10) == "bit" {
            Some(text.to_owned())
        } else {
            Some(d.literal(text))
        }
    });
    ColumnShape {
        name: ident(row.text(2)),
        ty,
        not_null: row.text(4) == "NO",
        generated: extra.contains(" GENERATED") && !extra.contains("DEFAULT_GENERATED")
            || !row.text(7).is_empty(),
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
fn key_columns(rows: &[&Row], columns: &[ColumnShape], ends: &[Ident]) -> Vec<Ident> {
    let mut names: Vec<&str> = rows.iter().map(|row| row.text(2)).collect();
    names.dedup();
    for name in names {
        let key: Option<Vec<Ident>> = rows
            .iter()
            .filter(|row| row.text(2) == name && !ends.iter().any(|e| e.as_str() == row.text(3)))
            .map(|row| {
                // An index of a part of a text, or of an expression, does not tell rows apart.
                let column = ident(row.opt(3)?);
                let whole = row.opt(4).is_none();
                let never_null =
                    columns.iter().any(|c| c.name == column && c.not_null && !c.generated);
                (whole && never_null).then_some(column)
            })
            .collect();
        if let Some(key) = key {
            return key;
        }
    }
    Vec::new()
}

async fn foreign_keys(
    session: &mut MySql,
    rules: &[&Row],
    current: &str,
    schema: &str,
    name: &str,
) -> Result<Vec<ForeignKeyShape>, EngineError> {
    let d = Dialect::Mysql;
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
        let Some(rule) = rules.iter().find(|rule| rule.text(2) == row.text(0)) else { continue };
        let own = ident(row.text(0));
        if keys.last().is_none_or(|key| key.name.as_ref() != Some(&own)) {
            keys.push(ForeignKeyShape {
                name: Some(own),
                table: object(current, row.text(1), row.text(2)),
                acts: acts(rule.text(3)) || acts(rule.text(4)),
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

//! Live tables of MySQL and MariaDB.

use std::collections::BTreeMap;

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
    let mariadb = session.dialect() == Dialect::MariaDb;
    let asked = questions(table.schema.as_ref(), &[table], Asked::All);
    let found = session.rows(&asked.join("; ")).await?;
    let found: Vec<&Row> = found.iter().collect();
    let Some(answers) = Answers::of(&found) else { return Ok(None) };
    let (own_schema, name) = (answers.schema.to_owned(), answers.name.to_owned());
    let mut shape = answers.shape(mariadb);
    if !mariadb && let Some(column) = answers.counter() {
        let place = format!(
            "TABLE_SCHEMA = {} AND TABLE_NAME = {}",
            d.literal(&own_schema),
            d.literal(&name)
        );
        shape.sequences = counter_state(session, &place, column).await?;
    }
    let references = References::to(session, &own_schema, Some(&name)).await?;
    references.tell(&answers, &mut shape);
    Ok(Some(shape))
}

/// So many tables are asked for at once: with a list of names the server reads those of all tables that
/// there are, once for each question, and opens only these.
const MANY: usize = 8;

/// So many at most, for the sake of memory.
const MOST: usize = 1000;

/// How much is asked of tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    All,
    /// Columns, key and triggers.
    Form,
}

/// Tables of the current database of MariaDB are looked at together; others one by one.
pub(super) async fn table_shapes(
    session: &mut MySql,
    names: &[ObjectName],
    asked: Asked,
) -> Result<Vec<Option<TableShape>>, EngineError> {
    let mut shapes = Vec::with_capacity(names.len());
    let here: Vec<&ObjectName> = names.iter().filter(|name| name.schema.is_none()).collect();
    let mut of: BTreeMap<String, TableShape> = BTreeMap::new();
    if session.dialect() == Dialect::MariaDb && here.len() >= MANY {
        let mut references = None;
        for here in here.chunks(MOST) {
            let found = session.rows(&questions(None, here, asked).join("; ")).await?;
            let mut by_table: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
            for row in &found {
                by_table.entry(row.text(1)).or_default().push(row);
            }
            for rows in by_table.values() {
                let Some(answers) = Answers::of(rows) else { continue };
                let mut shape = answers.shape(true);
                if asked == Asked::All {
                    let references = match &mut references {
                        Some(references) => references,
                        none => none.insert(References::to(session, answers.schema, None).await?),
                    };
                    references.tell(&answers, &mut shape);
                }
                of.insert(answers.name.to_owned(), shape);
            }
        }
    }
    for name in names {
        let known = of.get(name.name.as_str()).filter(|_| name.schema.is_none());
        shapes.push(match known {
            Some(shape) => Some(shape.clone()),
            None if asked == Asked::Form => table_form(session, name).await?,
            None => table_shape(session, name).await?,
        });
    }
    Ok(shapes)
}

/// Columns, key and triggers of a table.
async fn table_form(
    session: &mut MySql,
    table: &ObjectName,
) -> Result<Option<TableShape>, EngineError> {
    let mariadb = session.dialect() == Dialect::MariaDb;
    let asked = questions(table.schema.as_ref(), &[table], Asked::Form);
    let found = session.rows(&asked.join("; ")).await?;
    let found: Vec<&Row> = found.iter().collect();
    Ok(Answers::of(&found).map(|answers| answers.shape(mariadb)))
}

/// What is asked of tables of one schema; the first column tells what of, the second of which table.
fn questions(schema: Option<&Ident>, tables: &[&ObjectName], asked: Asked) -> Vec<String> {
    let d = Dialect::Mysql;
    let schema = schema.map_or("DATABASE()".to_owned(), |schema| d.literal(schema.as_str()));
    let names: Vec<String> = tables.iter().map(|table| d.literal(table.name.as_str())).collect();
    // Of one table it looks nowhere else.
    let names = match names.as_slice() {
        [name] => format!("= {name}"),
        names => format!("IN ({})", names.join(", ")),
    };
    let place = format!("TABLE_SCHEMA = {schema} AND TABLE_NAME {names}");
    // For numbers of rows the server looks into the table.
    let numbers = match asked {
        Asked::All => "TABLE_ROWS, CREATE_OPTIONS LIKE '%partitioned%', AUTO_INCREMENT",
        Asked::Form => "NULL, CREATE_OPTIONS LIKE '%partitioned%', NULL",
    };
    let mut all = vec![
        format!(
            "SELECT 't', TABLE_NAME, TABLE_SCHEMA, DATABASE(), {numbers} FROM information_schema.TABLES \
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
        format!(
            "SELECT 'p', TABLE_NAME, CONSTRAINT_NAME, REFERENCED_TABLE_SCHEMA, REFERENCED_TABLE_NAME, COLUMN_NAME, REFERENCED_COLUMN_NAME \
             FROM information_schema.KEY_COLUMN_USAGE WHERE {place} AND REFERENCED_TABLE_NAME IS NOT NULL \
             ORDER BY TABLE_NAME, CONSTRAINT_NAME, ORDINAL_POSITION"
        ),
    ];
    if asked == Asked::Form {
        all.truncate(4);
    }
    all
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
    /// Pairs of columns of foreign keys.
    pairs: Vec<&'a Row>,
    /// The next number of the counter, where the server tells it with all else.
    next: Option<i64>,
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
            pairs: of("p").collect(),
            // A counter beyond 2⁶³ is at its end anyway.
            next: found.opt(6).and_then(|next| next.parse().ok()),
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
            foreign_keys: foreign_keys(&self.rules, &self.pairs, self.current),
            acted_on: Vec::new(),
            referenced_by: Vec::new(),
            // What MySQL says here may be a day old.
            sequences: (self.counter().filter(|_| mariadb))
                .zip(self.next)
                .map(|(column, next)| counted(column, next))
                .into_iter()
                .collect(),
            triggers: self.triggers.iter().map(|row| ident(row.text(2))).collect(),
            divided: self.divided,
            rows: self.rows,
        }
    }
}

/// Tables with foreign keys to others.
struct References {
    /// By the schema and the name of the table referred to: schema, name, whether rows change.
    by_parent: BTreeMap<(String, String), BTreeMap<(String, String), bool>>,
}

impl References {
    /// Those to one table of a schema, or to all.
    async fn to(
        session: &mut MySql,
        schema: &str,
        name: Option<&str>,
    ) -> Result<Self, EngineError> {
        let mut rows = None;
        if session.dialect() == Dialect::MariaDb {
            rows = innodb_references(session, schema, name).await;
        }
        let rows = match rows {
            Some(rows) => rows,
            None => {
                let d = Dialect::Mysql;
                let name =
                    name.map(|name| format!(" AND r.REFERENCED_TABLE_NAME = {}", d.literal(name)));
                session
                    .rows(&format!(
                        "SELECT r.UNIQUE_CONSTRAINT_SCHEMA, r.REFERENCED_TABLE_NAME, r.CONSTRAINT_SCHEMA, r.TABLE_NAME, \
                           r.UPDATE_RULE IN ('CASCADE', 'SET NULL', 'SET DEFAULT') OR r.DELETE_RULE IN ('CASCADE', 'SET NULL', 'SET DEFAULT') \
                         FROM information_schema.REFERENTIAL_CONSTRAINTS r WHERE r.UNIQUE_CONSTRAINT_SCHEMA = {}{}",
                        d.literal(schema),
                        name.unwrap_or_default()
                    ))
                    .await?
            }
        };
        // Put together here: the server groups names that differ in their letters' case alone.
        let mut by_parent: BTreeMap<_, BTreeMap<_, bool>> = BTreeMap::new();
        for row in &rows {
            let text = |at| row.text(at).to_owned();
            let children = by_parent.entry((text(0), text(1))).or_default();
            *children.entry((text(2), text(3))).or_default() |= row.flag(4);
        }
        Ok(Self { by_parent })
    }

    /// Writes down what refers to a table, itself left out.
    fn tell(&self, answers: &Answers<'_>, shape: &mut TableShape) {
        let own = (answers.schema.to_owned(), answers.name.to_owned());
        for ((schema, name), acts) in self.by_parent.get(&own).into_iter().flatten() {
            if (schema, name) == (&own.0, &own.1) {
                continue;
            }
            let child = object(answers.current, schema, name);
            if *acts {
                shape.acted_on.push(child.clone());
            }
            shape.referenced_by.push(child);
        }
    }
}

/// Names are cut off there in the views of InnoDB's own tables.
const CUT_OFF: usize = 193;

/// [`References`] from InnoDB, which alone has foreign keys: to answer from `REFERENTIAL_CONSTRAINTS`, MariaDB
/// opens every table of the server. `None` where this is not to be had (it takes the privilege `PROCESS`), or
/// does not tell names as they are.
async fn innodb_references(
    session: &mut MySql,
    schema: &str,
    name: Option<&str>,
) -> Option<Vec<Row>> {
    let d = Dialect::Mysql;
    // There names stand as those of files.
    let part = |column: &str, part: i32| {
        format!(
            "CONVERT(CONVERT(CAST(SUBSTRING_INDEX({column}, '/', {part}) AS BINARY) USING filename) USING utf8mb4)"
        )
    };
    let (parent_schema, parent) = (part("REF_NAME", 1), part("REF_NAME", -1));
    // This finds more than is meant, whatever the collation; what is meant is taken by name. Letters and digits
    // stand there as they are.
    let is_plain = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let cut = |column: &str| format!("CHAR_LENGTH({column}) >= {CUT_OFF}");
    let which = match name {
        Some(name) if is_plain(name) && is_plain(schema) => {
            format!("REF_NAME = {}", d.literal(&format!("{schema}/{name}")))
        }
        Some(name) => format!(
            "{} OR {parent_schema} = {} AND {parent} = {}",
            cut("REF_NAME"),
            d.literal(schema),
            d.literal(name)
        ),
        None => format!("{} OR {parent_schema} = {}", cut("REF_NAME"), d.literal(schema)),
    };
    let cut = format!("{} OR {}", cut("REF_NAME"), cut("FOR_NAME"));
    let rows = session
        .rows(&format!(
            "SELECT {parent_schema}, {parent}, {}, {}, TYPE & 15 <> 0, {cut}, @@lower_case_table_names = 2 \
             FROM information_schema.INNODB_SYS_FOREIGN WHERE {which}",
            part("FOR_NAME", 1),
            part("FOR_NAME", -1),
        ))
        .await
        .ok()?;
    // Where names are kept as they were given and compared in small letters, InnoDB has the small ones.
    let unclear = |row: &Row| row.flag(5) || row.flag(6);
    if rows.iter().any(unclear) {
        return None;
    }
    // What a server that crashed left of an ALTER.
    Some(rows.into_iter().filter(|row| !row.text(3).starts_with('#')).collect())
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
        .map(|next| counted(column, next))
        .into_iter()
        .collect())
}

/// A counter by its next number.
fn counted(column: Ident, next: i64) -> SequenceState {
    SequenceState { column: Some(column), name: None, last_value: next - 1, is_called: true }
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

fn foreign_keys(rules: &[&Row], pairs: &[&Row], current: &str) -> Vec<ForeignKeyShape> {
    let mut keys: Vec<ForeignKeyShape> = Vec::new();
    for row in pairs {
        let Some(rule) = rules.iter().find(|rule| rule.text(2) == row.text(2)) else { continue };
        let own = ident(row.text(2));
        if keys.last().is_none_or(|key| key.name.as_ref() != Some(&own)) {
            keys.push(ForeignKeyShape {
                name: Some(own),
                table: object(current, row.text(3), row.text(4)),
                acts: acts(rule.text(3)) || acts(rule.text(4)),
                deferrable: false,
                columns: Vec::new(),
                references: Vec::new(),
            });
        }
        if let Some(key) = keys.last_mut() {
            key.columns.push(ident(row.text(5)));
            key.references.push(ident(row.text(6)));
        }
    }
    keys
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

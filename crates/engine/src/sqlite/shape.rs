//! Live tables of SQLite.

use std::collections::BTreeMap;

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

/// Of which tables is asked.
enum Which<'a> {
    /// One, by its name as SQL.
    One(&'a str),
    All,
}

impl Which<'_> {
    /// Where their names come from; virtual tables, whose module may be missing, only by name.
    fn tables(&self) -> String {
        match self {
            Self::One(literal) => format!("(SELECT {literal} AS name)"),
            Self::All => "(SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL %' \
                AND name NOT LIKE 'downhaul\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\')"
                .to_owned(),
        }
    }
}

/// Rows of the answers to one question by their table, whose name is their first column.
#[derive(Default)]
struct ByTable(BTreeMap<String, Vec<Row>>);

impl ByTable {
    fn of(rows: Vec<Row>) -> Self {
        let mut found = Self::default();
        for row in rows {
            found.0.entry(row.text(0).to_ascii_lowercase()).or_default().push(row);
        }
        found
    }

    fn get(&self, table: &str) -> &[Row] {
        self.0.get(&table.to_ascii_lowercase()).map_or(&[], Vec::as_slice)
    }
}

/// What the pragmas say of tables.
struct Answers {
    columns: ByTable,
    indexes: ByTable,
    foreign_keys: ByTable,
    /// By the table that is referred to.
    references: ByTable,
    triggers: ByTable,
    counters: ByTable,
}

impl Answers {
    /// `counters`: there is a table of them; `references`: some table may refer to these.
    async fn ask(
        session: &mut Sqlite,
        which: &Which<'_>,
        counters: bool,
        references: bool,
    ) -> Result<Self, EngineError> {
        let tables = which.tables();
        let only = |column: &str| match which {
            Which::One(literal) => format!("{column} = {literal} COLLATE NOCASE"),
            Which::All => "true".to_owned(),
        };
        // pragma_table_xinfo: hidden = 2 and 3 are generated columns, 1 belongs to virtual tables.
        let columns = format!(
            "SELECT m.name, x.name, x.type, x.\"notnull\", x.pk, x.hidden, x.dflt_value FROM {tables} m, pragma_table_xinfo(m.name) x \
             WHERE x.hidden <> 1 ORDER BY m.name, x.cid"
        );
        let indexes = format!(
            "SELECT m.name, l.name, l.\"unique\", l.origin, l.partial, x.cid, x.name, x.key FROM {tables} m, pragma_index_list(m.name) l, pragma_index_xinfo(l.name) x \
             WHERE l.\"unique\" = 1 ORDER BY m.name, l.seq DESC, x.seqno"
        );
        // A reference that names no column means the primary key (foreignkeys.html §3).
        let foreign_keys = format!(
            "SELECT m.name, f.id, f.\"table\", f.on_update, f.on_delete, f.\"from\", coalesce(f.\"to\", \
               (SELECT p.name FROM pragma_table_xinfo(f.\"table\") p WHERE p.pk = f.seq + 1)) \
             FROM {tables} m, pragma_foreign_key_list(m.name) f ORDER BY m.name, f.id, f.seq"
        );
        let referring = format!(
            "SELECT lower(f.\"table\"), m.name, max(f.on_delete IN ('CASCADE', 'SET NULL', 'SET DEFAULT') OR f.on_update IN ('CASCADE', 'SET NULL', 'SET DEFAULT')) \
             FROM sqlite_schema m, pragma_foreign_key_list(m.name) f \
             WHERE m.type = 'table' AND m.sql LIKE '%references%' AND {} AND m.name <> f.\"table\" COLLATE NOCASE GROUP BY 1, 2 ORDER BY 1, 2",
            only("f.\"table\"")
        );
        let triggers = format!(
            "SELECT tbl_name, name FROM sqlite_schema WHERE type = 'trigger' AND name NOT LIKE 'downhaul\\_%' ESCAPE '\\' AND {} ORDER BY name",
            only("tbl_name")
        );
        let counts = format!("SELECT name, seq FROM sqlite_sequence WHERE {}", only("name"));
        let mut ask = async |sql: &str, asked: bool| {
            Ok::<_, EngineError>(ByTable::of(if asked {
                session.rows(sql).await?
            } else {
                Vec::new()
            }))
        };
        Ok(Self {
            columns: ask(&columns, true).await?,
            indexes: ask(&indexes, true).await?,
            foreign_keys: ask(&foreign_keys, true).await?,
            references: ask(&referring, references).await?,
            triggers: ask(&triggers, matches!(which, Which::All)).await?,
            counters: ask(&counts, counters).await?,
        })
    }

    /// A table, as far as these tell.
    async fn shape(&self, session: &mut Sqlite, name: &str) -> Result<TableShape, EngineError> {
        let rows = self.columns.get(name);
        let columns: Vec<ColumnShape> = rows
            .iter()
            .map(|row| ColumnShape {
                name: ident(row.text(1)),
                ty: row.text(2).to_owned(),
                not_null: row.flag(3),
                generated: row.text(5) != "0",
                identity_always: false,
                user_type: false,
                default: row.opt(6).map(str::to_owned),
            })
            .collect();
        let mut key = key_columns(self.indexes.get(name), rows, &columns);
        let mut key_may_be_null = false;
        if key.is_empty() {
            key = nullable_key(session, name, rows).await?;
            key_may_be_null = !key.is_empty();
        }
        let referencing = |only_acting: bool| {
            self.references
                .get(name)
                .iter()
                .filter(|row| !only_acting || row.flag(2))
                .map(|row| ObjectName::bare(ident(row.text(1))))
                .collect()
        };
        let sequences = self.counters.get(name).iter().map(|row| {
            Ok(SequenceState {
                column: None,
                name: None,
                last_value: row.number(1)?,
                is_called: true,
            })
        });
        Ok(TableShape {
            name: ObjectName::bare(ident(name)),
            columns,
            key,
            key_may_be_null,
            foreign_keys: foreign_keys(self.foreign_keys.get(name)),
            acted_on: referencing(true),
            referenced_by: referencing(false),
            sequences: sequences.collect::<Result<_, EngineError>>()?,
            triggers: self.triggers.get(name).iter().map(|row| ident(row.text(1))).collect(),
            divided: false,
            rows: None,
        })
    }
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
    let which = Dialect::Sqlite.literal(&name);
    let which = Which::One(&which);
    let (counters, references) = (of("counters").next().is_some(), of("other").next().is_some());
    let answers = Answers::ask(session, &which, counters, references).await?;
    let mut shape = answers.shape(session, &name).await?;
    shape.triggers = of("trigger").map(|row| ident(row.text(1))).collect();
    Ok(Some(shape))
}

/// So many tables are looked at together: each question then is asked once for all that there are.
const MANY: usize = 8;

pub(super) async fn table_shapes(
    session: &mut Sqlite,
    names: &[ObjectName],
) -> Result<Vec<Option<TableShape>>, EngineError> {
    let mut shapes = Vec::with_capacity(names.len());
    if names.len() < MANY {
        for name in names {
            shapes.push(table_shape(session, name).await?);
        }
        return Ok(shapes);
    }
    let tables = session.rows(&format!("SELECT name FROM {}", Which::All.tables())).await?;
    let tables = ByTable::of(tables);
    let counters = session
        .rows("SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_sequence'")
        .await?
        .first()
        .is_some_and(|row| row.flag(0));
    let answers = Answers::ask(session, &Which::All, counters, true).await?;
    for name in names {
        shapes.push(match tables.get(name.name.as_str()).first() {
            Some(row) => Some(answers.shape(session, row.text(0)).await?),
            None => table_shape(session, name).await?,
        });
    }
    Ok(shapes)
}

/// Columns of the primary key in its order, from rows of `pragma_table_xinfo`.
fn primary_key(rows: &[Row]) -> Vec<&Row> {
    let mut primary: Vec<&Row> = rows.iter().filter(|row| row.text(4) != "0").collect();
    primary.sort_by_key(|row| row.number(4).unwrap_or(0));
    primary
}

/// The primary key if none of its columns can be NULL (SQLite lets NULL into a primary key that is
/// neither INTEGER nor of a WITHOUT ROWID table), else a unique index over NOT NULL columns.
fn key_columns(indexes: &[Row], rows: &[Row], columns: &[ColumnShape]) -> Vec<Ident> {
    let primary = primary_key(rows);
    // `pragma_table_list` would tell that a table is WITHOUT ROWID, and look into every view for it. Of
    // such a one the index of the key names no row number (pragma.html#pragma_index_xinfo).
    let integer_key = primary.len() == 1 && primary[0].text(2).eq_ignore_ascii_case("integer");
    let mut never_null = integer_key || primary.iter().all(|row| row.flag(3));
    if !primary.is_empty() && !never_null {
        let mut parts = indexes.iter().filter(|row| row.text(3) == "pk").peekable();
        never_null = parts.peek().is_some() && parts.all(|row| row.text(5) != "-1");
    }
    if !primary.is_empty() && never_null {
        return primary.iter().map(|row| ident(row.text(1))).collect();
    }
    for parts in indexes.chunk_by(|a, b| a.text(1) == b.text(1)) {
        if parts[0].text(4) != "0" {
            continue;
        }
        let key: Option<Vec<Ident>> = parts
            .iter()
            .filter(|part| part.flag(7))
            .map(|part| {
                let column = ident(part.opt(6)?);
                columns.iter().any(|c| c.name == column && c.not_null).then_some(column)
            })
            .collect();
        if let Some(key) = key.filter(|key| !key.is_empty()) {
            return key;
        }
    }
    Vec::new()
}

/// The primary key that may hold NULL, where it holds none.
async fn nullable_key(
    session: &mut Sqlite,
    table: &str,
    rows: &[Row],
) -> Result<Vec<Ident>, EngineError> {
    let d = Dialect::Sqlite;
    let primary = primary_key(rows);
    if primary.is_empty() {
        return Ok(Vec::new());
    }
    let tests: Vec<String> =
        primary.iter().map(|row| format!("{} IS NULL", d.quote_str(row.text(1)))).collect();
    let found = session
        .rows(&format!(
            "SELECT EXISTS (SELECT 1 FROM main.{} WHERE {})",
            d.quote_str(table),
            tests.join(" OR ")
        ))
        .await?;
    let any_null = found.first().is_none_or(|row| row.flag(0));
    Ok(if any_null { Vec::new() } else { primary.iter().map(|row| ident(row.text(1))).collect() })
}

/// References, one row of the pragma for each pair of columns.
fn foreign_keys(pairs: &[Row]) -> Vec<ForeignKeyShape> {
    let mut keys: Vec<ForeignKeyShape> = Vec::new();
    let mut last = None;
    for row in pairs {
        if last != Some(row.text(1)) {
            last = Some(row.text(1));
            keys.push(ForeignKeyShape {
                name: None,
                table: ObjectName::bare(ident(row.text(2))),
                acts: acts(row.text(3)) || acts(row.text(4)),
                // PRAGMA defer_foreign_keys defers all of them.
                deferrable: true,
                columns: Vec::new(),
                references: Vec::new(),
            });
        }
        if let Some(key) = keys.last_mut() {
            key.columns.push(ident(row.text(5)));
            key.references.extend(row.opt(6).map(ident));
        }
    }
    keys
}

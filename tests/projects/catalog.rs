//! What a database says of its tables: columns, keys, references, and how their values are read back as
//! literals and made up.

use std::collections::BTreeMap;

use downhaul_kit::{Rng, Session, SqlType, random::Sql};

use crate::project::Engine;

#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// As the engine writes it, with its length.
    pub(crate) ty: String,
    /// Without lengths, a domain's own type.
    base: String,
    /// Values of an enum, as literals.
    labels: Vec<String>,
    length: Option<usize>,
    pub(crate) nullable: bool,
    /// Nobody may write it.
    pub(crate) computed: bool,
    /// The server has a value for it.
    default: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Reference {
    pub(crate) columns: Vec<String>,
    /// Quoted.
    table: String,
    to: Vec<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// As statements and the program name it.
    pub(crate) quoted: String,
    pub(crate) columns: Vec<Column>,
    /// Places of the columns of its primary key; empty without one.
    pub(crate) key: Vec<usize>,
    /// Something else may tell its rows apart.
    pub(crate) unique: bool,
    pub(crate) references: Vec<Reference>,
    /// What tells its rows apart where nothing else does: `ctid`, `rowid`.
    pub(crate) place: Option<&'static str>,
    /// Tables that inherit from it, which an application makes when it likes, are not looked at.
    pub(crate) alone: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Catalog {
    pub(crate) engine: Engine,
    pub(crate) tables: Vec<Table>,
}

pub(crate) fn quoted(engine: Engine, name: &str) -> String {
    match engine {
        Engine::MySql => format!("`{}`", name.replace('`', "``")),
        Engine::Postgres | Engine::Sqlite => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A value that must be there.
fn text(row: &[Option<String>], at: usize) -> String {
    row[at].clone().unwrap_or_default()
}

fn yes(row: &[Option<String>], at: usize) -> bool {
    matches!(row[at].as_deref(), Some("1" | "t" | "true"))
}

impl Table {
    pub(crate) fn refers_to(&self, quoted: &str) -> bool {
        self.references.iter().any(|reference| reference.table == quoted)
    }
}

impl Catalog {
    pub(crate) async fn read(engine: Engine, session: &mut Session) -> Self {
        let tables = match engine {
            Engine::Postgres => postgres(session).await,
            Engine::MySql => mariadb(session).await,
            Engine::Sqlite => sqlite(session).await,
        };
        Self { engine, tables }
    }

    /// A name, quoted.
    pub(crate) fn q(&self, name: &str) -> String {
        quoted(self.engine, name)
    }

    /// The values of a column as literals of the engine, byte for byte.
    pub(crate) fn reading(&self, column: &Column) -> String {
        let name = self.q(&column.name);
        let base = column.base.as_str();
        match self.engine {
            Engine::Postgres => format!("quote_nullable({name}::text)"),
            Engine::Sqlite => format!("quote({name})"),
            Engine::MySql if base.contains("blob") || base.contains("binary") => {
                format!("COALESCE(CONCAT('x''', HEX({name}), ''''), 'NULL')")
            }
            Engine::MySql if base == "float" => format!("QUOTE(CAST({name} AS DOUBLE))"),
            Engine::MySql if base == "bit" => format!("QUOTE({name} + 0)"),
            Engine::MySql => format!("QUOTE({name})"),
        }
    }

    /// Rows of a table that others refer to, as literals.
    pub(crate) async fn referred(
        &self,
        session: &mut Session,
        reference: &Reference,
    ) -> Vec<Vec<String>> {
        let Some(table) = self.tables.iter().find(|t| t.quoted == reference.table) else {
            return Vec::new();
        };
        let columns: Vec<&Column> = reference
            .to
            .iter()
            .filter_map(|name| table.columns.iter().find(|c| c.name == *name))
            .collect();
        if columns.len() != reference.to.len() {
            return Vec::new();
        }
        self.literals(session, table, &columns, "", 40).await
    }

    /// Rows as literals of some columns, always in the same order.
    pub(crate) async fn literals(
        &self,
        session: &mut Session,
        table: &Table,
        columns: &[&Column],
        more: &str,
        limit: usize,
    ) -> Vec<Vec<String>> {
        let list: Vec<String> = columns.iter().map(|c| self.reading(c)).collect();
        let order: Vec<String> = (1..=list.len()).map(|n| n.to_string()).collect();
        let sql = format!(
            "SELECT {} FROM {} {more} ORDER BY {} LIMIT {limit}",
            list.join(", "),
            table.quoted,
            order.join(", ")
        );
        let rows = session.try_rows(&sql).await.unwrap_or_default();
        rows.into_iter()
            .map(|row| row.into_iter().map(|v| v.unwrap_or_else(|| "NULL".into())).collect())
            .collect()
    }
}

async fn postgres(session: &mut Session) -> Vec<Table> {
    let tables = session
        .rows(
            "SELECT c.oid::text, quote_ident(n.nspname) || '.' || quote_ident(c.relname), (c.relkind = 'r')::text, \
                    EXISTS (SELECT FROM pg_index WHERE indrelid = c.oid AND indisunique AND NOT indisprimary)::text \
               FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
              WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence = 'p' \
                AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid) \
                AND n.nspname NOT IN ('information_schema', 'downhaul') AND n.nspname NOT LIKE 'pg\\_%' \
              ORDER BY 2",
        )
        .await;
    let mut found = Vec::new();
    for row in tables {
        let (oid, name) = (text(&row, 0), text(&row, 1));
        let rows = session
            .rows(&format!(
                "SELECT a.attname, format_type(a.atttypid, a.atttypmod), COALESCE(b.typname, y.typname), \
                        (SELECT string_agg(quote_literal(enumlabel), chr(1) ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = y.oid), \
                        (CASE WHEN a.atttypmod > 4 THEN a.atttypmod - 4 END)::text, \
                        (NOT a.attnotnull)::text, (a.attgenerated <> '' OR a.attidentity = 'a')::text, (a.atthasdef OR a.attidentity <> '')::text, \
                        array_position(i.indkey::int2[], a.attnum)::text \
                   FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid \
                   LEFT JOIN pg_type b ON b.oid = y.typbasetype AND y.typtype = 'd' \
                   LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary AND a.attnum = ANY (i.indkey) \
                  WHERE a.attrelid = {oid} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
            ))
            .await;
        let mut key: Vec<(u32, usize)> = Vec::new();
        let mut columns = Vec::new();
        for (at, row) in rows.iter().enumerate() {
            if let Some(place) = row[8].as_ref().and_then(|p| p.parse().ok()) {
                key.push((place, at));
            }
            columns.push(Column {
                name: text(row, 0),
                ty: text(row, 1),
                base: text(row, 2),
                labels: row[3]
                    .iter()
                    .flat_map(|all| all.split('\u{1}').map(str::to_owned))
                    .collect(),
                length: row[4].as_ref().and_then(|n| n.parse().ok()),
                nullable: yes(row, 5),
                computed: yes(row, 6),
                default: yes(row, 7),
            });
        }
        key.sort_unstable();
        let names = |list: &str, of: &str| {
            format!(
                "(SELECT string_agg(attname, chr(1) ORDER BY o) FROM unnest({list}) WITH ORDINALITY k (n, o) \
                   JOIN pg_attribute ON attrelid = {of} AND attnum = n)"
            )
        };
        let rows = session
            .rows(&format!(
                "SELECT {}, quote_ident(n.nspname) || '.' || quote_ident(c.relname), {} \
                   FROM pg_constraint JOIN pg_class c ON c.oid = confrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
                  WHERE contype = 'f' AND conparentid = 0 AND conrelid = {oid} ORDER BY conname",
                names("conkey", "conrelid"),
                names("confkey", "confrelid"),
            ))
            .await;
        let split = |list: String| list.split('\u{1}').map(str::to_owned).collect::<Vec<_>>();
        let references = rows
            .iter()
            .map(|row| Reference {
                columns: split(text(row, 0)),
                table: text(row, 1),
                to: split(text(row, 2)),
            })
            .collect();
        let key = key.into_iter().map(|(_, at)| at).collect();
        let (alone, unique) = (yes(&row, 2), yes(&row, 3));
        let place = Some("ctid");
        found.push(Table { quoted: name, columns, key, unique, references, place, alone });
    }
    found
}

/// References by the names of their constraints.
fn gathered(engine: Engine, rows: &[Vec<Option<String>>]) -> Vec<Reference> {
    let mut found: BTreeMap<String, Reference> = BTreeMap::new();
    for row in rows {
        let reference = found.entry(text(row, 0)).or_insert_with(|| Reference {
            columns: Vec::new(),
            table: quoted(engine, &text(row, 1)),
            to: Vec::new(),
        });
        reference.columns.push(text(row, 2));
        reference.to.push(text(row, 3));
    }
    found.into_values().collect()
}

async fn mariadb(session: &mut Session) -> Vec<Table> {
    let tables = session
        .rows(
            "SELECT table_name, EXISTS (SELECT 1 FROM information_schema.statistics s WHERE s.table_schema = t.table_schema \
                AND s.table_name = t.table_name AND non_unique = 0 AND index_name <> 'PRIMARY') \
               FROM information_schema.tables t WHERE table_schema = database() \
                AND table_type = 'BASE TABLE' AND table_name NOT LIKE 'downhaul\\_%' ORDER BY 1",
        )
        .await;
    let mut found = Vec::new();
    for row in tables {
        let name = text(&row, 0);
        let this = format!("table_schema = database() AND table_name = {}", literal(&name));
        let rows = session
            .rows(&format!(
                "SELECT column_name, column_type, data_type, character_maximum_length, is_nullable = 'YES', \
                        generation_expression IS NOT NULL AND generation_expression <> '', \
                        column_default IS NOT NULL OR extra LIKE '%auto_inc%', \
                        (SELECT ordinal_position FROM information_schema.key_column_usage k WHERE k.table_schema = c.table_schema \
                            AND k.table_name = c.table_name AND k.column_name = c.column_name AND constraint_name = 'PRIMARY') \
                   FROM information_schema.columns c WHERE {this} AND column_name NOT LIKE 'downhaul\\_%' ORDER BY c.ordinal_position"
            ))
            .await;
        let mut key: Vec<(u32, usize)> = Vec::new();
        let mut columns = Vec::new();
        for (at, row) in rows.iter().enumerate() {
            if let Some(place) = row[7].as_ref().and_then(|p| p.parse().ok()) {
                key.push((place, at));
            }
            let ty = text(row, 1);
            let labels = ty.strip_prefix("enum(").and_then(|rest| rest.strip_suffix(')'));
            let labels = labels.map(|all| all.replace("','", "'\u{1}'"));
            columns.push(Column {
                labels: labels
                    .iter()
                    .flat_map(|all| all.split('\u{1}').map(str::to_owned))
                    .collect(),
                name: text(row, 0),
                base: if ty == "tinyint(1)" { "bool".into() } else { text(row, 2) },
                ty,
                length: row[3].as_ref().and_then(|n| n.parse().ok()),
                nullable: yes(row, 4),
                computed: yes(row, 5),
                default: yes(row, 6),
            });
        }
        key.sort_unstable();
        let rows = session
            .rows(&format!(
                "SELECT constraint_name, referenced_table_name, column_name, referenced_column_name FROM information_schema.key_column_usage \
                  WHERE {this} AND referenced_table_name IS NOT NULL ORDER BY constraint_name, ordinal_position"
            ))
            .await;
        found.push(Table {
            quoted: quoted(Engine::MySql, &name),
            columns,
            key: key.into_iter().map(|(_, at)| at).collect(),
            unique: yes(&row, 1),
            references: gathered(Engine::MySql, &rows),
            place: None,
            alone: false,
        });
    }
    found
}

async fn sqlite(session: &mut Session) -> Vec<Table> {
    let tables = session
        .rows(
            "SELECT name, sql LIKE '%WITHOUT ROWID%', \
                    EXISTS (SELECT 1 FROM pragma_index_list(t.name) WHERE \"unique\" AND origin <> 'pk') FROM sqlite_schema t WHERE type = 'table' \
                AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE 'downhaul\\_%' ESCAPE '\\' \
                AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY 1",
        )
        .await;
    let mut found = Vec::new();
    for row in tables {
        let (name, bare) = (text(&row, 0), yes(&row, 1));
        let this = literal(&name);
        let rows = session
            .rows(&format!(
                "SELECT name, upper(type), \"notnull\" = 0, hidden <> 0, dflt_value IS NOT NULL, CAST(pk AS text) \
                   FROM pragma_table_xinfo({this}) ORDER BY cid"
            ))
            .await;
        let mut key: Vec<(u32, usize)> = Vec::new();
        let mut columns = Vec::new();
        let alone = rows.iter().filter(|row| text(row, 5) != "0").count() == 1;
        for (at, row) in rows.iter().enumerate() {
            let place = text(row, 5).parse().unwrap_or(0);
            if place > 0 {
                key.push((place, at));
            }
            let ty = text(row, 1);
            let number = place > 0 && alone && ty == "INTEGER" && !bare;
            columns.push(Column {
                name: text(row, 0),
                base: ty.clone(),
                ty,
                labels: Vec::new(),
                length: None,
                nullable: yes(row, 2) && !number,
                computed: yes(row, 3),
                default: yes(row, 4) || number,
            });
        }
        // A key that may be NULL tells nothing apart.
        key.sort_unstable();
        let key: Vec<usize> = key.into_iter().map(|(_, at)| at).collect();
        let certain = bare || key.iter().all(|at| !columns[*at].nullable);
        let rows = session
            .rows(&format!(
                "SELECT printf('%04d', f.id), f.\"table\", f.\"from\", \
                        COALESCE(f.\"to\", (SELECT name FROM pragma_table_info(f.\"table\") WHERE pk = f.seq + 1)) \
                   FROM pragma_foreign_key_list({this}) f ORDER BY f.id, f.seq"
            ))
            .await;
        found.push(Table {
            quoted: quoted(Engine::Sqlite, &name),
            columns,
            key: if certain { key } else { Vec::new() },
            unique: yes(&row, 2),
            references: gathered(Engine::Sqlite, &rows),
            place: (!bare).then_some("rowid"),
            alone: false,
        });
    }
    found
}

/// Texts of which many meet.
const WORDS: &[&str] =
    &["a", "A", "a ", "b", "x y", "q'uote", "ä√", "", "é", "E", "back\\slash", "%_", "5", "5.0"];

impl Column {
    /// Whether the server gives it a value, so that an `INSERT` may leave it out.
    pub(crate) fn may_be_left_out(&self) -> bool {
        self.default || self.nullable
    }

    /// A value, often one that another row has.
    pub(crate) fn value(&self, engine: Engine, rng: &mut Rng) -> String {
        if self.nullable && rng.one_in(7) {
            return "NULL".into();
        }
        if !self.labels.is_empty() {
            return rng.pick(&self.labels).clone();
        }
        let (sql, prefix) = match engine {
            Engine::Postgres => (Sql::Postgres, "E"),
            Engine::MySql => (Sql::MariaDb, ""),
            Engine::Sqlite => (Sql::Sqlite, ""),
        };
        if rng.one_in(5)
            && let Some(known) = SqlType::all(sql).iter().find(|known| {
                known.name == self.base || known.name == self.ty || alias(&self.ty) == known.name
            })
        {
            return known.literal(rng);
        }
        let base = self.base.to_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| base.contains(word));
        if engine == Engine::Postgres && self.ty.ends_with("[]") {
            let texts = has(&["text", "char", "citext"]);
            return match rng.below(3) {
                0 if texts => "'{a,NULL,\"b c\"}'".into(),
                1 if has(&["int"]) => "'{1,2,NULL}'".into(),
                _ => "'{}'".into(),
            };
        }
        let moment = |rng: &mut Rng| {
            format!(
                "2025-{:02}-{:02} 10:00:{:02}",
                1 + rng.below(12),
                1 + rng.below(28),
                rng.below(60)
            )
        };
        if has(&["bool"]) {
            let truth = rng.one_in(2);
            return if engine == Engine::Postgres {
                truth.to_string()
            } else {
                u8::from(truth).to_string()
            };
        }
        if has(&["interval"]) {
            return format!("'{} minutes'", rng.below(90));
        }
        if has(&["range"]) {
            return "'empty'".into();
        }
        if has(&["int", "oid", "serial", "year"]) {
            return match rng.below(4) {
                0 => rng.below(4).to_string(),
                1 => rng.below(100).to_string(),
                _ => rng.below(40).to_string(),
            };
        }
        if has(&["numeric", "dec", "float", "double", "real", "money"]) {
            return format!("{}.{}", rng.below(50), ["0", "5", "25"][rng.below(3)]);
        }
        if has(&["datetime", "timestamp"]) {
            return literal(&moment(rng));
        }
        if has(&["date"]) {
            return literal(&moment(rng)[..10]);
        }
        if has(&["time"]) {
            return literal(&moment(rng)[11..]);
        }
        if has(&["uuid"]) {
            let number = if rng.one_in(4) { rng.below(3) as u64 } else { rng.bits() };
            return format!("'{number:032x}'");
        }
        if has(&["json"]) {
            return literal(rng.pick::<&str>(&["{}", "{\"a\": 1}", "[]", "{\"b\":[1, 2,null]}"]));
        }
        if has(&["bytea"]) {
            let width = *rng.pick(&[2, 20, 32, 40, 64]);
            return format!("'\\x{:0width$x}'", rng.below(256));
        }
        if has(&["blob", "binary"]) {
            let most = self.length.unwrap_or(20).min(20);
            let byte = format!("{:02x}", rng.below(256));
            return format!("x'{}'", byte.repeat(*rng.pick(&[0, 1, most])));
        }
        if has(&["inet", "cidr"]) {
            return format!("'10.0.0.{}'", rng.below(255));
        }
        if has(&["ltree"]) {
            return format!("'0.{}'", rng.below(30));
        }
        if has(&["tsvector"]) {
            return "'a b'".into();
        }
        if has(&["hstore"]) {
            return "'a=>1'".into();
        }
        let word =
            if rng.one_in(3) { format!("{:x}", rng.bits()) } else { (*rng.pick(WORDS)).to_owned() };
        let word: String = word.chars().take(self.length.unwrap_or(30)).collect();
        let escaped = if engine == Engine::Sqlite { word } else { word.replace('\\', "\\\\") };
        format!("{prefix}{}", literal(&escaped))
    }
}

/// The short name of a type of PostgreSQL.
fn alias(ty: &str) -> &str {
    match ty {
        "timestamp without time zone" => "timestamp",
        "timestamp with time zone" => "timestamptz",
        "time without time zone" => "time",
        "time with time zone" => "timetz",
        other => other,
    }
}

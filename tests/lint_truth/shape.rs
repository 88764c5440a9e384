//! Tables, columns, keys and names, as the server's own catalog tells them.

use std::collections::{BTreeMap, BTreeSet};

use downhaul_kit::{Session, TextRow};

use crate::data::Engine;

/// What is there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shape {
    pub(crate) tables: Vec<Table>,
    /// What a statement may name: tables, views, their columns, types, sequences, functions.
    pub(crate) names: BTreeSet<String>,
}

/// A table with rows that can be taken back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    /// As a statement names it.
    pub(crate) name: String,
    /// Without schema and quotes.
    pub(crate) plain: String,
    pub(crate) columns: Vec<Column>,
    /// Columns of each unique key, the primary key first.
    pub(crate) uniques: Vec<Vec<String>>,
    /// Columns of each reference.
    pub(crate) references: Vec<Vec<String>>,
    /// A write may do other things than it says: it has triggers, rules, columns that follow an
    /// update, or rows of other tables that refer to it.
    pub(crate) works: bool,
}

/// A column.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    /// As a statement names it.
    pub(crate) name: String,
    pub(crate) ty: String,
    pub(crate) kind: Kind,
    /// An insert may give it a value.
    pub(crate) given: bool,
}

/// Which values a type has.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    /// Up to 127.
    Small,
    Integer,
    Number,
    /// With so many characters at most.
    Text(Option<usize>),
    Date,
    Time,
    Uuid,
    Truth,
    Json,
    Labels(Vec<String>),
    Other,
}

impl Table {
    pub(crate) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// The column is a part of the first key.
    pub(crate) fn is_key(&self, column: &str) -> bool {
        self.uniques.first().is_some_and(|u| u.iter().any(|c| c == column))
    }
}

impl Column {
    pub(crate) fn is_text(&self) -> bool {
        matches!(self.kind, Kind::Text(_))
    }
}

impl Kind {
    fn of(engine: Engine, ty: &str) -> Self {
        let lower = ty.to_lowercase();
        let (word, args) = lower.split_once('(').unwrap_or((&lower, ""));
        let length = args.split(')').next().and_then(|a| a.parse().ok());
        let word = word.trim();
        if lower.ends_with("[]") {
            return Self::Other;
        }
        if engine == Engine::Sqlite {
            // SQLite counts no characters.
            return match word {
                w if w.contains("int") => Self::Integer,
                w if ["char", "clob", "text"].iter().any(|t| w.contains(t)) => Self::Text(None),
                w if ["real", "floa", "doub", "num", "dec"].iter().any(|t| w.contains(t)) => {
                    Self::Number
                }
                w if w.contains("bool") => Self::Truth,
                w if w.contains("date") || w.contains("time") => Self::Time,
                _ => Self::Other,
            };
        }
        match word.split(' ').next().unwrap_or_default() {
            "tinyint" if length == Some(1) => Self::Truth,
            "tinyint" => Self::Small,
            "smallint" | "mediumint" | "int" | "integer" | "bigint" => Self::Integer,
            "numeric" | "decimal" | "real" | "double" | "float" => Self::Number,
            "character" | "char" | "varchar" | "text" | "citext" | "longtext" | "mediumtext"
            | "tinytext" => Self::Text(length),
            "date" => Self::Date,
            "timestamp" | "datetime" => Self::Time,
            "boolean" => Self::Truth,
            "uuid" => Self::Uuid,
            "json" | "jsonb" => Self::Json,
            "enum" => {
                let list = ty[5..].trim_end_matches(')');
                Self::Labels(list.split(',').map(|l| l.trim_matches('\'').to_owned()).collect())
            }
            _ => Self::Other,
        }
    }
}

const NOT_OURS: &str = "n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'";

fn texts<const N: usize>(row: TextRow) -> [String; N] {
    <[Option<String>; N]>::try_from(row).expect("as many columns").map(Option::unwrap_or_default)
}

fn list(text: &str) -> Vec<String> {
    text.split('\u{1}').filter(|c| !c.is_empty()).map(str::to_owned).collect()
}

impl Shape {
    pub(crate) fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|t| t.name == name)
    }

    /// A column of the same table whose name differs in capitals at most, or not at all.
    pub(crate) fn has_column_like(&self, name: &str) -> bool {
        let Some((table, column)) = name.rsplit_once('.') else { return false };
        self.names
            .iter()
            .filter_map(|n| n.rsplit_once('.'))
            .any(|(t, c)| t == table && c.eq_ignore_ascii_case(column))
    }

    /// It is a column that no insert may give a value.
    pub(crate) fn is_computed(&self, name: &str) -> bool {
        let Some((table, column)) = name.rsplit_once('.') else { return false };
        let plain = |quoted: &str| quoted.trim_matches(['`', '"']).to_owned();
        let table = self.tables.iter().find(|t| t.name == table || t.plain == plain(table));
        let named = |c: &&Column| c.name == column || plain(&c.name) == plain(column);
        table.and_then(|t| t.columns.iter().find(named)).is_some_and(|c| !c.given)
    }

    /// The name is that of a table with rows, or of one of its columns.
    pub(crate) fn is_table(&self, name: &str) -> bool {
        self.tables.iter().any(|t| {
            let told = if t.name.contains('`') { t.plain.as_str() } else { t.name.as_str() };
            let told = if told.trim_matches('"') == t.plain { t.plain.as_str() } else { told };
            let rest = name.strip_prefix(told).or_else(|| name.strip_prefix(t.name.as_str()));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }

    pub(crate) async fn read(session: &mut Session, engine: Engine) -> Self {
        let mut shape = match engine {
            Engine::Postgres => Self::of_postgres(session).await,
            Engine::MariaDb => Self::of_mariadb(session).await,
            Engine::Sqlite => Self::of_sqlite(session).await,
        };
        for table in &mut shape.tables {
            let there: BTreeSet<&String> = table.columns.iter().map(|c| &c.name).collect();
            table.uniques.retain(|u| !u.is_empty() && u.iter().all(|c| there.contains(c)));
            table.references.retain(|r| r.iter().all(|c| there.contains(c)));
        }
        shape
    }

    async fn of_postgres(session: &mut Session) -> Self {
        let columns = format!(
            "SELECT c.oid::regclass::text, c.relname, quote_ident(a.attname), \
             format_type(coalesce(nullif(t.typbasetype, 0), a.atttypid), \
             CASE WHEN t.typbasetype = 0 THEN a.atttypmod ELSE t.typtypmod END), \
             (a.attgenerated = '' AND a.attidentity <> 'a')::text, \
             (SELECT string_agg(enumlabel, E'\\x01' ORDER BY enumsortorder) FROM pg_enum \
             WHERE enumtypid = a.atttypid), c.relkind::text, (c.relhasrules OR EXISTS (SELECT 1 \
             FROM pg_trigger g WHERE g.tgrelid = c.oid AND NOT g.tgisinternal) OR EXISTS (SELECT 1 \
             FROM pg_constraint f WHERE f.contype = 'f' AND f.confrelid = c.oid))::text \
             FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
             JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_type t ON t.oid = a.atttypid \
             WHERE c.relkind IN ('r', 'p', 'v', 'm', 'c') AND a.attnum > 0 AND NOT a.attisdropped \
             AND {NOT_OURS} ORDER BY c.oid, a.attnum"
        );
        let mut tables: BTreeMap<String, Table> = BTreeMap::new();
        let mut names = BTreeSet::new();
        for row in session.rows(&columns).await {
            let [name, plain, column, ty, given, labels, kind, works] = texts(row);
            names.insert(name.clone());
            names.insert(format!("{name}.{column}"));
            if matches!(kind.as_str(), "v" | "m" | "c") {
                continue;
            }
            let table = tables.entry(name.clone()).or_default();
            (table.name, table.plain, table.works) = (name, plain, works == "true");
            let kind = if labels.is_empty() {
                Kind::of(Engine::Postgres, &ty)
            } else {
                Kind::Labels(list(&labels))
            };
            table.columns.push(Column { name: column, ty, kind, given: given == "true" });
        }
        let columns_of = |numbers: &str, table: &str| {
            format!(
                "(SELECT string_agg(quote_ident(a.attname), E'\\x01' ORDER BY k.at) \
                 FROM unnest({numbers}::int2[]) WITH ORDINALITY k(n, at) \
                 JOIN pg_attribute a ON a.attrelid = {table} AND a.attnum = k.n)"
            )
        };
        // Of an index on expressions: the columns that it depends on.
        let keys = format!(
            "SELECT i.indrelid::regclass::text, coalesce({}, \
             (SELECT string_agg(DISTINCT quote_ident(a.attname), E'\\x01') FROM pg_depend d \
             JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid \
             WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid \
             AND d.refobjid = i.indrelid)) \
             FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid \
             JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE (i.indisunique OR i.indisexclusion) AND c.relkind IN ('r', 'p') AND {NOT_OURS} \
             ORDER BY i.indisprimary DESC, i.indexrelid",
            columns_of("i.indkey", "i.indrelid")
        );
        for row in session.rows(&keys).await {
            let [table, columns] = texts(row);
            if let Some(table) = tables.get_mut(&table) {
                table.uniques.push(list(&columns));
            }
        }
        let references = format!(
            "SELECT r.conrelid::regclass::text, {} FROM pg_constraint r WHERE r.contype = 'f' \
             ORDER BY r.oid",
            columns_of("r.conkey", "r.conrelid")
        );
        for row in session.rows(&references).await {
            let [table, columns] = texts(row);
            if let Some(table) = tables.get_mut(&table) {
                table.references.push(list(&columns));
            }
        }
        // Functions of triggers are called by none.
        let other = format!(
            "SELECT format_type(t.oid, NULL) FROM pg_type t \
             JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid \
             WHERE {NOT_OURS} AND t.typelem = 0 AND t.typtype IN ('e', 'd', 'c', 'r') \
             AND coalesce(c.relkind, 'c') = 'c' \
             UNION ALL SELECT p.oid::regprocedure::text FROM pg_proc p \
             JOIN pg_namespace n ON n.oid = p.pronamespace \
             WHERE {NOT_OURS} AND p.prorettype <> 'trigger'::regtype \
             AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = p.oid AND d.deptype IN ('e', 'i')) \
             UNION ALL SELECT c.oid::regclass::text FROM pg_class c \
             JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {NOT_OURS} AND c.relkind = 'S' \
             AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'i')"
        );
        for row in session.rows(&other).await {
            let [name] = texts(row);
            names.insert(name.replace(' ', ""));
        }
        Self { tables: tables.into_values().collect(), names }
    }

    async fn of_mariadb(session: &mut Session) -> Self {
        let quoted = |name: &str| format!("`{name}`");
        let columns = "SELECT c.table_name, c.column_name, c.column_type, \
             CAST(c.generation_expression IS NULL AS CHAR), \
             CAST(t.engine = 'InnoDB' AND t.table_type = 'BASE TABLE' AS CHAR), c.extra \
             FROM information_schema.columns c \
             JOIN information_schema.tables t USING (table_schema, table_name) \
             WHERE c.table_schema = database() ORDER BY c.table_name, c.ordinal_position";
        let mut tables: BTreeMap<String, Table> = BTreeMap::new();
        let mut names = BTreeSet::new();
        for row in session.rows(columns).await {
            let [plain, column, ty, given, probed, extra] = texts(row);
            names.insert(plain.clone());
            names.insert(format!("{plain}.{column}"));
            if probed != "1" {
                continue;
            }
            let table = tables.entry(plain.clone()).or_default();
            (table.name, table.plain) = (quoted(&plain), plain);
            table.works |= extra.to_lowercase().contains("on update");
            let kind = Kind::of(Engine::MariaDb, &ty);
            let name = quoted(&column);
            table.columns.push(Column { name, ty, kind, given: given == "1" });
        }
        let keys = "SELECT table_name, index_name, column_name FROM information_schema.statistics \
             WHERE table_schema = database() AND non_unique = 0 \
             ORDER BY table_name, index_name <> 'PRIMARY', index_name, seq_in_index";
        let references = "SELECT table_name, constraint_name, column_name \
             FROM information_schema.key_column_usage WHERE table_schema = database() \
             AND referenced_table_name IS NOT NULL \
             ORDER BY table_name, constraint_name, ordinal_position";
        add_keys(session, &mut tables, (keys, references), quoted).await;
        let triggers = "SELECT event_object_table FROM information_schema.triggers \
             WHERE trigger_schema = database()";
        for row in session.rows(triggers).await {
            let [table] = texts(row);
            if let Some(table) = tables.get_mut(&table) {
                table.works = true;
            }
        }
        let routines = "SELECT concat(routine_name, '()') FROM information_schema.routines \
             WHERE routine_schema = database()";
        for row in session.rows(routines).await {
            let [name] = texts(row);
            names.insert(name);
        }
        Self { tables: tables.into_values().collect(), names }
    }

    async fn of_sqlite(session: &mut Session) -> Self {
        let quoted = |name: &str| format!("\"{name}\"");
        // What a virtual table keeps its data in is its own.
        let objects = "SELECT name, type FROM sqlite_schema WHERE type IN ('table', 'view') \
             AND name NOT IN (SELECT name FROM pragma_table_list WHERE type = 'shadow') \
             AND name NOT LIKE 'sqlite_%' AND coalesce(sql, '') NOT LIKE 'CREATE VIRTUAL%'";
        let mut tables: BTreeMap<String, Table> = BTreeMap::new();
        let mut names = BTreeSet::new();
        let mut rows = Vec::new();
        for row in session.rows(objects).await {
            let [plain, kind] = texts(row);
            let columns = format!(
                "SELECT '{plain}', name, type, CAST(hidden AS text), CAST(pk AS text), '{kind}' \
                 FROM pragma_table_xinfo('{plain}') WHERE hidden <> 1"
            );
            names.insert(plain);
            // A view may read what is gone.
            rows.extend(session.try_rows(&columns).await.unwrap_or_default());
        }
        for row in rows {
            let [plain, column, ty, hidden, pk, kind] = texts(row);
            names.insert(format!("{plain}.{column}"));
            if kind == "view" {
                continue;
            }
            let table = tables.entry(plain.clone()).or_default();
            (table.name, table.plain) = (quoted(&plain), plain);
            let name = quoted(&column);
            if pk != "0" {
                if table.uniques.is_empty() {
                    table.uniques.push(Vec::new());
                }
                table.uniques[0].push(name.clone());
            }
            let kind = Kind::of(Engine::Sqlite, &ty);
            table.columns.push(Column { name, ty, kind, given: hidden == "0" });
        }
        // Of an index on expressions: the columns that its text names.
        let keys = "SELECT m.name, l.name, coalesce(i.name, c.name) FROM sqlite_schema m, \
             pragma_index_list(m.name) l, pragma_index_info(l.name) i \
             LEFT JOIN sqlite_schema x ON x.name = l.name \
             LEFT JOIN pragma_table_info(m.name) c ON i.name IS NULL AND instr(x.sql, c.name) \
             WHERE m.type = 'table' AND l.\"unique\" AND l.origin <> 'pk' \
             ORDER BY m.name, l.seq, i.seqno";
        let references = "SELECT m.name, CAST(f.id AS text), f.\"from\" FROM sqlite_schema m, \
             pragma_foreign_key_list(m.name) f WHERE m.type = 'table' ORDER BY m.name, f.id, f.seq";
        add_keys(session, &mut tables, (keys, references), quoted).await;
        let works = "SELECT tbl_name FROM sqlite_schema WHERE type = 'trigger' UNION \
             SELECT f.\"table\" FROM sqlite_schema m, pragma_foreign_key_list(m.name) f \
             WHERE m.type = 'table'";
        for row in session.rows(works).await {
            let [name] = texts(row);
            for table in tables.values_mut() {
                table.works |= table.plain.eq_ignore_ascii_case(&name);
            }
        }
        Self { tables: tables.into_values().collect(), names }
    }
}

/// Reads unique keys and references, rows of table, key and column in the order of the keys.
async fn add_keys(
    session: &mut Session,
    tables: &mut BTreeMap<String, Table>,
    (keys, references): (&str, &str),
    quoted: impl Fn(&str) -> String,
) {
    for (sql, unique) in [(keys, true), (references, false)] {
        let mut last = String::new();
        for row in session.rows(sql).await {
            let [table, key, column] = texts(row);
            let Some(of) = tables.get_mut(&table) else { continue };
            let into = if unique { &mut of.uniques } else { &mut of.references };
            let this = format!("{table}.{key}");
            if this != last {
                into.push(Vec::new());
                last = this;
            }
            into.last_mut().expect("pushed").push(quoted(&column));
        }
    }
}

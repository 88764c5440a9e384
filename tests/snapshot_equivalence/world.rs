//! Random schemas.

use std::fmt::Write as _;

use downhaul_kit::Rng;

/// A type, and how a random value of it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Int,
    Text,
    Numeric,
    Json,
    Bytes,
    Time,
    Mood,
    Pair,
    Range,
    Float,
    Array,
}

impl Type {
    const ALL: [Self; 11] = [
        Self::Int,
        Self::Text,
        Self::Numeric,
        Self::Json,
        Self::Bytes,
        Self::Time,
        Self::Mood,
        Self::Pair,
        Self::Range,
        Self::Float,
        Self::Array,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Int => "integer",
            Self::Text => "text",
            Self::Numeric => "numeric",
            Self::Json => "json",
            Self::Bytes => "bytea",
            Self::Time => "timestamptz",
            Self::Mood => "mood",
            Self::Pair => "pair",
            Self::Range => "int4range",
            Self::Float => "float8",
            Self::Array => "text[]",
        }
    }

    pub(crate) fn value(self, rng: &mut Rng) -> String {
        if rng.one_in(6) {
            return "NULL".into();
        }
        let quote = |text: &str| format!("'{}'", text.replace('\'', "''"));
        match self {
            Self::Int => rng.between(-5, 5).to_string(),
            Self::Text => quote(&rng.text(12)),
            Self::Numeric => {
                (*rng.pick(&["1.0", "1.00", "'NaN'", "-0.5", "12345678901234567890.123"])).into()
            }
            Self::Json => {
                (*rng.pick(&["'{\"b\":1,\"a\":2,\"a\":3}'", "'null'", "'[1, 2]'", "'[1,2]'"]))
                    .into()
            }
            Self::Bytes => format!("'\\x{:08x}'", rng.bits() & 0xffff_ffff),
            Self::Time => {
                (*rng.pick(&["'infinity'", "'2026-03-29 02:30:00.123456+01'", "'0001-01-01'"]))
                    .into()
            }
            Self::Mood => (*rng.pick(&["'glad'", "'sad'", "'it''s'"])).into(),
            Self::Pair => format!("ROW({}, {})::pair", rng.between(0, 3), quote(&rng.text(4))),
            Self::Range => (*rng.pick(&["'[1,5)'", "'empty'", "'(,3]'"])).into(),
            Self::Float => (*rng.pick(&["0", "'-0'", "'NaN'", "'Infinity'", "0.1"])).into(),
            Self::Array => (*rng.pick(&[
                "'{}'",
                "ARRAY['a', NULL, 'b c']",
                "ARRAY['{', '\"']",
                "'[0:1]={x,y}'",
            ]))
            .into(),
        }
    }
}

/// A table.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) name: String,
    /// Number of key columns `k0`, `k1`.
    pub(crate) keys: usize,
    pub(crate) columns: Vec<(String, Type)>,
    /// Column `u`, unique.
    pub(crate) unique: bool,
    /// Columns `m` and `w`, unique together, without a value that nobody has.
    pub(crate) place: bool,
    /// Columns that refer to `k0` of a table, by number.
    pub(crate) links: Vec<(&'static str, usize)>,
}

impl Table {
    pub(crate) fn quoted(&self) -> String {
        format!("\"{}\"", self.name.replace('"', "\"\""))
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = (0..self.keys).map(|k| format!("k{k}")).collect();
        if self.unique {
            names.push("u".into());
        }
        if self.place {
            names.extend(["m".into(), "w".into()]);
        }
        names.extend(self.links.iter().map(|(name, _)| (*name).to_owned()));
        names.extend(self.columns.iter().map(|(name, _)| name.clone()));
        names
    }

    /// All rows, one text each, whatever the order of columns.
    pub(crate) fn select(&self) -> String {
        self.select_from(&self.quoted())
    }

    pub(crate) fn select_from(&self, source: &str) -> String {
        let texts: Vec<String> = self.names().iter().map(|n| format!("\"{n}\"::text")).collect();
        format!("SELECT ROW({})::text FROM {source} t", texts.join(", "))
    }
}

/// What foreign keys do.
const ACTIONS: [&str; 7] = [
    "",
    "ON DELETE CASCADE",
    "ON DELETE SET NULL",
    "ON DELETE SET NULL ON UPDATE CASCADE",
    "ON DELETE RESTRICT",
    "ON DELETE CASCADE ON UPDATE CASCADE",
    "DEFERRABLE INITIALLY DEFERRED",
];

/// A schema, and what happens to it.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) tables: Vec<Table>,
    pub(crate) setup: Vec<String>,
    /// Up and down.
    pub(crate) migration: Option<(String, String)>,
}

impl World {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        let mut setup = vec![
            "CREATE TYPE mood AS ENUM ('glad', 'sad', 'it''s')".to_owned(),
            "CREATE TYPE pair AS (n int, t text)".to_owned(),
        ];
        let mut tables: Vec<Table> = Vec::new();
        let mut partitions = Vec::new();
        for number in 0..2 + rng.below(3) {
            let name =
                if rng.one_in(4) { format!("Odd \"{number}' t") } else { format!("t{number}") };
            let partitioned = rng.one_in(5);
            let keys = if partitioned { 1 } else { *rng.pick(&[0, 1, 1, 1, 2]) };
            let columns =
                (0..1 + rng.below(4)).map(|c| (format!("c {c}"), *rng.pick(&Type::ALL))).collect();
            let parents: Vec<usize> = (0..=number)
                .filter(|p| {
                    *p == number && keys == 1 && !partitioned || *p < number && tables[*p].keys == 1
                })
                .collect();
            let mut links = Vec::new();
            for column in ["p", "q"] {
                if !parents.is_empty() && !rng.one_in(3) {
                    links.push((column, *rng.pick(&parents)));
                }
            }
            let (unique, place) = (!partitioned && rng.one_in(2), !partitioned && rng.one_in(3));
            tables.push(Table { name, keys, columns, unique, place, links });
            partitions.push(partitioned);
            let table = &tables[number];
            let mut sql = format!("CREATE TABLE {} (", table.quoted());
            for k in 0..keys {
                let ty = if k == 1 { "text" } else { "integer" };
                let _ = write!(sql, "k{k} {ty}, ");
            }
            if table.unique {
                sql.push_str("u integer UNIQUE, ");
            }
            if table.place {
                sql.push_str("m mood NOT NULL DEFAULT 'sad', w char(2) NOT NULL CHECK (w <> 'no'), UNIQUE (m, w), ");
            }
            for (column, parent) in &table.links {
                let action = rng.pick(&ACTIONS);
                let _ = write!(
                    sql,
                    "{column} integer REFERENCES {} (k0) {action}, ",
                    tables[*parent].quoted()
                );
            }
            for (column, ty) in &table.columns {
                let _ = write!(sql, "\"{column}\" {}, ", ty.name());
            }
            if keys > 0 {
                let list: Vec<String> = (0..keys).map(|k| format!("k{k}")).collect();
                let _ = write!(sql, "PRIMARY KEY ({})", list.join(", "));
            } else {
                sql.truncate(sql.len() - 2);
            }
            sql.push(')');
            if partitioned {
                sql.push_str(" PARTITION BY RANGE (k0)");
                setup.push(sql);
                setup.push(format!(
                    "CREATE TABLE part_{number}_a PARTITION OF {0} FOR VALUES FROM (MINVALUE) TO (10); \
                     CREATE TABLE part_{number}_b PARTITION OF {0} DEFAULT",
                    table.quoted()
                ));
            } else {
                setup.push(sql);
            }
            if keys > 0 && !partitioned && rng.one_in(3) {
                // Writes again to the rows that were just written.
                setup.push(format!(
                    "CREATE FUNCTION echo_{number}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                       IF pg_trigger_depth() < 2 THEN UPDATE {0} SET \"c 0\" = NULL WHERE k0 BETWEEN NEW.k0 AND NEW.k0 + 2; END IF; RETURN NULL; END $$; \
                     CREATE TRIGGER a_echo AFTER UPDATE ON {0} FOR EACH ROW EXECUTE FUNCTION echo_{number}()",
                    table.quoted()
                ));
            }
        }
        // A key that closes a circle.
        let (from, to) = (rng.below(tables.len()), rng.below(tables.len()));
        if from < to && tables[to].keys == 1 && !partitions[from] && rng.one_in(2) {
            setup.push(format!(
                "ALTER TABLE {} ADD COLUMN r integer REFERENCES {} (k0) {}",
                tables[from].quoted(),
                tables[to].quoted(),
                rng.pick(&ACTIONS)
            ));
            tables[from].links.push(("r", to));
        }
        let migration = rng.one_in(2).then(|| migration(rng, &tables));
        Self { tables, setup, migration }
    }
}

/// A migration of one table that its down takes back.
fn migration(rng: &mut Rng, tables: &[Table]) -> (String, String) {
    let table = rng.pick(tables);
    let name = table.quoted();
    let (column, ty) = rng.pick(&table.columns);
    let (mut up, mut down) = (String::new(), String::new());
    let mut add = |u: String, d: String| {
        up.push_str(&format!("{u};\n"));
        down.insert_str(0, &format!("{d};\n"));
    };
    if rng.one_in(2) {
        add(
            format!("ALTER TABLE {name} ADD COLUMN extra int DEFAULT 3"),
            format!("ALTER TABLE {name} DROP COLUMN extra"),
        );
    }
    match rng.below(4) {
        0 => add(
            format!("ALTER TABLE {name} DROP COLUMN \"{column}\""),
            format!("ALTER TABLE {name} ADD COLUMN \"{column}\" {}", ty.name()),
        ),
        1 => add(
            format!("ALTER TABLE {name} RENAME COLUMN \"{column}\" TO renamed"),
            format!("ALTER TABLE {name} RENAME COLUMN renamed TO \"{column}\""),
        ),
        2 if table.keys > 0 => add(
            format!("ALTER TABLE {name} RENAME TO elsewhere"),
            format!("ALTER TABLE elsewhere RENAME TO {name}"),
        ),
        _ if table.keys > 0 => add(
            format!("UPDATE {name} SET \"{column}\" = NULL WHERE k0 < 15"),
            "SELECT 1".to_owned(),
        ),
        _ => {}
    }
    if up.is_empty() {
        up = "CREATE TABLE beside (id int);\n".into();
        down = "DROP TABLE beside;\n".into();
    }
    (up, down)
}

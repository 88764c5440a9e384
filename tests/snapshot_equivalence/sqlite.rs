//! SQLite: every kind of table and of conflict resolution, several connections, a mark between
//! their transactions, a migration up and down, restore and undo.

use std::time::Duration;

use downhaul_engine::{LockBudget, Session as EngineSession, Target, connect};
use downhaul_kit::{Rng, Session, SqliteFile};
use downhaul_run::observer::Silent;
use downhaul_snapshot::history::Past;
use downhaul_snapshot::mark::{self, Mark, Origin, Own};
use downhaul_snapshot::track::{self, Around, intend, name};

use super::{Export, compare, migrate, reset, restore, runner, seeds};

const TYPES: [&str; 7] = ["INTEGER", "TEXT", "REAL", "NUMERIC", "BLOB", "", "varchar(3)"];

/// How rows are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Integer,
    AutoIncrement,
    Text,
    /// SQLite lets NULL into it.
    NullableText,
    NoCase,
    Untyped,
    Pair,
    WithoutRowid,
    None,
}

impl Key {
    const ALL: [Self; 9] = [
        Self::Integer,
        Self::AutoIncrement,
        Self::Text,
        Self::NullableText,
        Self::NoCase,
        Self::Untyped,
        Self::Pair,
        Self::WithoutRowid,
        Self::None,
    ];

    fn columns(self) -> &'static [&'static str] {
        match self {
            Self::None => &[],
            Self::Pair => &["k0", "k1"],
            _ => &["k0"],
        }
    }

    fn value(self, rng: &mut Rng) -> String {
        let n = rng.between(1, 20);
        match self {
            Self::Integer | Self::AutoIncrement if rng.one_in(5) => "NULL".into(),
            Self::NullableText if rng.one_in(4) => "NULL".into(),
            Self::Text | Self::NullableText => format!("'key {n}'"),
            Self::NoCase => format!("'{}{n}'", if rng.one_in(2) { "K" } else { "k" }),
            Self::Untyped if rng.one_in(2) => format!("{n}.0"),
            Self::Untyped if rng.one_in(2) => format!("'{n}'"),
            _ => n.to_string(),
        }
    }
}

#[derive(Clone, Debug)]
struct Table {
    name: String,
    key: Key,
    strict: bool,
    columns: Vec<(String, &'static str)>,
    unique: bool,
    /// Number of the table that `p` refers to, and what happens when its row goes.
    parent: Option<(usize, &'static str)>,
    generated: bool,
}

impl Table {
    fn quoted(&self) -> String {
        format!("\"{}\"", self.name.replace('"', "\"\""))
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.key.columns().iter().map(|k| (*k).to_owned()).collect();
        if self.unique {
            names.push("u".into());
        }
        if self.parent.is_some() {
            names.push("p".into());
        }
        names.extend(self.columns.iter().map(|(name, _)| name.clone()));
        names
    }

    /// All rows with the types of their values, one text each, whatever the order of columns.
    fn select_from(&self, source: &str) -> String {
        let mut names = self.names();
        if self.generated && source == self.quoted() {
            names.push("g".into());
        }
        let texts: Vec<String> = names
            .iter()
            .map(|n| {
                format!(
                    "typeof(\"{n}\") || ':' || CASE typeof(\"{n}\") WHEN 'text' THEN hex(\"{n}\") ELSE quote(\"{n}\") END"
                )
            })
            .collect();
        format!("SELECT {} FROM {source} AS t", texts.join(" || ', ' || "))
    }

    /// Nothing tells its rows apart but their number.
    fn keyless(&self) -> bool {
        matches!(self.key, Key::None | Key::NullableText)
    }

    fn create(&self, name: &str, tables: &[Table], swapped: Option<(&str, &str)>) -> String {
        let mut parts = Vec::new();
        let text = if self.strict { "TEXT" } else { "varchar(9)" };
        match self.key {
            Key::Integer => parts.push("k0 INTEGER PRIMARY KEY".to_owned()),
            Key::AutoIncrement => parts.push("k0 INTEGER PRIMARY KEY AUTOINCREMENT".to_owned()),
            Key::Text => parts.push(format!("k0 {text} NOT NULL PRIMARY KEY")),
            Key::NullableText => parts.push(format!("k0 {text} PRIMARY KEY")),
            Key::NoCase => parts.push(format!("k0 {text} NOT NULL COLLATE NOCASE PRIMARY KEY")),
            Key::Untyped => {
                let any = if self.strict { "ANY" } else { "" };
                parts.push(format!("k0 {any} NOT NULL PRIMARY KEY"));
            }
            Key::Pair => parts.push("k0 INT NOT NULL, k1 INT NOT NULL".to_owned()),
            Key::WithoutRowid => parts.push("k0 INT NOT NULL PRIMARY KEY".to_owned()),
            Key::None => {}
        }
        if self.unique {
            parts.push("u INTEGER UNIQUE".into());
        }
        if let Some((parent, action)) = self.parent {
            let ty = match (self.strict, tables[parent].key) {
                (false, _) => "",
                (true, Key::NullableText) => "TEXT",
                (true, _) => "INT",
            };
            parts.push(format!("p {ty} REFERENCES {} (k0) {action}", tables[parent].quoted()));
        }
        for (column, ty) in &self.columns {
            let ty = match swapped {
                Some((of, new)) if of == column => new,
                _ => ty,
            };
            parts.push(format!("\"{column}\" {ty}"));
        }
        if self.generated {
            let ty = if self.strict { "TEXT" } else { "" };
            parts.push(format!("g {ty} GENERATED ALWAYS AS (typeof(\"c 0\")) VIRTUAL"));
        }
        if self.key == Key::Pair {
            parts.push("PRIMARY KEY (k0, k1)".into());
        }
        let mut options = Vec::new();
        if self.key == Key::WithoutRowid {
            options.push("WITHOUT ROWID");
        }
        if self.strict {
            options.push("STRICT");
        }
        format!("CREATE TABLE {name} ({}) {}", parts.join(", "), options.join(", "))
    }
}

fn value(rng: &mut Rng, ty: &str, strict: bool) -> String {
    if rng.one_in(6) {
        return "NULL".into();
    }
    let numbers = ["0", "5", "-1", "9223372036854775807"];
    let reals = ["0.1", "-2.5", "1e300", "3.0", "123456789012345.678"];
    let texts =
        ["''", "'5'", "'it''s'", "'1.0'", "'a' || char(0) || 'b'", "'a' || char(0) || 'c'", "'É'"];
    let bytes = ["x''", "x'00ff'", "x'35'"];
    let of = |rng: &mut Rng, list: &[&str]| (*rng.pick(list)).to_owned();
    if strict {
        return match ty {
            "INTEGER" => of(rng, &numbers),
            "REAL" => of(rng, &reals),
            "BLOB" => of(rng, &bytes),
            _ => of(rng, &texts),
        };
    }
    match rng.below(4) {
        0 => of(rng, &numbers),
        1 => of(rng, &reals),
        2 => of(rng, &texts),
        _ => of(rng, &bytes),
    }
}

#[derive(Debug)]
struct World {
    tables: Vec<Table>,
    setup: Vec<String>,
    migration: Option<(String, String)>,
    /// Made by hand once the tables are tracked, in a migration.
    late: Option<String>,
    wide: bool,
}

/// Rounds from this seed on make more kinds of tables, triggers and statements; those before it stay what
/// they were.
const WIDE: u64 = 100_000;

impl World {
    fn new(rng: &mut Rng, wide: bool) -> Self {
        let mut tables: Vec<Table> = Vec::new();
        let mut setup = Vec::new();
        for number in 0..2 + rng.below(3) {
            let name =
                if rng.one_in(4) { format!("Odd \"{number}' T") } else { format!("t{number}") };
            let strict = rng.one_in(5);
            let key = *rng.pick(&Key::ALL);
            let types: &[&'static str] =
                if strict { &["INTEGER", "TEXT", "REAL", "BLOB"] } else { &TYPES };
            let columns =
                (0..1 + rng.below(4)).map(|c| (format!("c {c}"), *rng.pick(types))).collect();
            let fit: Vec<usize> = (0..=number)
                .filter(|p| {
                    let key = if *p == number { key } else { tables[*p].key };
                    matches!(key, Key::Integer | Key::AutoIncrement | Key::WithoutRowid)
                        || wide && key == Key::NullableText
                })
                .collect();
            let actions = [
                "",
                "ON DELETE CASCADE",
                "ON DELETE SET NULL ON UPDATE CASCADE",
                "ON DELETE RESTRICT",
                "DEFERRABLE INITIALLY DEFERRED",
            ];
            let parent =
                (!fit.is_empty() && rng.one_in(2)).then(|| (*rng.pick(&fit), *rng.pick(&actions)));
            let table = Table {
                name,
                key,
                strict,
                columns,
                unique: rng.one_in(2),
                parent,
                generated: rng.one_in(4),
            };
            tables.push(table);
            let table = &tables[number];
            setup.push(table.create(&table.quoted(), &tables, None));
            setup.extend(echo(rng, table, number));
        }
        let migration = rng.one_in(2).then(|| migration(rng, &tables));
        let late = if rng.one_in(4) {
            let table = rng.pick(&tables);
            echo(rng, table, 90)
        } else {
            None
        };
        if wide {
            // SQLite renames no table to one that a trigger of another table misses.
            let apart = migration.as_ref().is_some_and(|(up, _)| up.contains("new_one"));
            for number in 0..tables.len() {
                for nth in 0..rng.below(3) {
                    let to = if apart { number } else { rng.below(tables.len()) };
                    let name = format!("wide_{number}_{nth}");
                    setup.push(nested(rng, &tables[number], &tables[to], &name));
                }
                if tables[number].unique && rng.one_in(3) {
                    setup.push(format!(
                        "CREATE UNIQUE INDEX part_{number} ON {} (\"c 0\") WHERE u > {}",
                        tables[number].quoted(),
                        rng.between(0, 20)
                    ));
                }
            }
        }
        Self { tables, setup, migration, late, wide }
    }
}

/// A trigger that writes again to the rows that were just written, and to their neighbours.
fn echo(rng: &mut Rng, table: &Table, number: usize) -> Option<String> {
    if table.key == Key::None || !rng.one_in(3) {
        return None;
    }
    let (when, verb) = *rng.pick(&[
        ("AFTER", "UPDATE"),
        ("BEFORE", "UPDATE"),
        ("AFTER", "INSERT"),
        ("AFTER", "DELETE"),
        ("BEFORE", "DELETE"),
    ]);
    let row = if verb == "DELETE" { "OLD" } else { "NEW" };
    // A BEFORE trigger must not touch the row that is about to change (lang_createtrigger.html §4).
    let which = if when == "BEFORE" { "<>" } else { "=" };
    Some(format!(
        "CREATE TRIGGER echo_{number} {when} {verb} ON {0} WHEN {row}.\"c 0\" IS NOT NULL BEGIN \
         UPDATE {0} SET \"c 0\" = NULL WHERE k0 {which} {row}.k0 AND \"c 0\" IS NOT NULL; END",
        table.quoted()
    ))
}

/// A trigger that writes to a table in any way. It fires for rows that have a first value, and what it
/// writes has none, so that it comes to an end.
fn nested(rng: &mut Rng, table: &Table, to: &Table, name: &str) -> String {
    let when = *rng.pick(&["BEFORE", "AFTER"]);
    let verb = *rng.pick(&["INSERT", "UPDATE", "DELETE"]);
    let row = match verb {
        "INSERT" => "NEW",
        "DELETE" => "OLD",
        _ => *rng.pick(&["NEW", "OLD"]),
    };
    let or = *rng.pick(&["", "OR REPLACE", "OR REPLACE", "OR IGNORE", "OR FAIL"]);
    let unique = |rng: &mut Rng| {
        if table.unique && rng.one_in(2) {
            format!("{row}.u")
        } else {
            rng.between(0, 30).to_string()
        }
    };
    let mut which = vec!["\"c 1\" IS NULL".to_owned(), "\"c 0\" > 0".to_owned()];
    which.retain(|test| to.columns.iter().any(|(column, _)| test.contains(column.as_str())));
    if to.unique {
        which.push(format!("u = {}", unique(rng)));
    }
    if to.key != Key::None {
        which.push(format!("k0 = {}", to.key.value(rng)));
        if table.key == to.key {
            which.push(format!("k0 = {row}.k0"));
        }
    }
    let which = rng.pick(&which).clone();
    let name_of = to.quoted();
    let body = match rng.below(3) {
        0 => {
            let mut sets = vec!["\"c 0\" = NULL".to_owned()];
            if to.unique && rng.one_in(2) {
                sets.push(format!("u = {}", unique(rng)));
            }
            if to.key != Key::None && rng.one_in(3) {
                sets.push(format!("k0 = {}", to.key.value(rng)));
            }
            format!(
                "UPDATE {or} {name_of} SET {} WHERE \"c 0\" IS NOT NULL AND {which}",
                sets.join(", ")
            )
        }
        1 => {
            let mut names: Vec<&str> = to.key.columns().to_vec();
            let mut values: Vec<String> = names.iter().map(|_| to.key.value(rng)).collect();
            if to.unique {
                names.push("u");
                values.push(unique(rng));
            }
            if names.is_empty() {
                names.push("\"c 0\"");
                values.push("NULL".into());
            }
            format!(
                "INSERT {or} INTO {name_of} ({}) VALUES ({})",
                names.join(", "),
                values.join(", ")
            )
        }
        _ => format!("DELETE FROM {name_of} WHERE \"c 0\" IS NOT NULL AND {which}"),
    };
    format!(
        "CREATE TRIGGER {name} {when} {verb} ON {} WHEN {row}.\"c 0\" IS NOT NULL BEGIN {body}; END",
        table.quoted()
    )
}

/// A migration of one table that its down takes back.
fn migration(rng: &mut Rng, tables: &[Table]) -> (String, String) {
    let table = rng.pick(tables);
    let name = table.quoted();
    let (column, ty) = rng.pick(&table.columns);
    let named = column == "c 0";
    match rng.below(6) {
        0 => (
            format!("ALTER TABLE {name} ADD COLUMN extra INTEGER DEFAULT 3;"),
            format!("ALTER TABLE {name} DROP COLUMN extra;"),
        ),
        // The triggers and the generated column name the first one.
        1 if !named => (
            format!("ALTER TABLE {name} DROP COLUMN \"{column}\";"),
            format!("ALTER TABLE {name} ADD COLUMN \"{column}\" {ty};"),
        ),
        2 => (
            format!("ALTER TABLE {name} RENAME COLUMN \"{column}\" TO renamed;"),
            format!("ALTER TABLE {name} RENAME COLUMN renamed TO \"{column}\";"),
        ),
        3 => (
            format!("ALTER TABLE {name} RENAME TO elsewhere;"),
            format!("ALTER TABLE elsewhere RENAME TO {name};"),
        ),
        4 => {
            let list: Vec<String> = table.names().iter().map(|n| format!("\"{n}\"")).collect();
            let list = list.join(", ");
            let new = if table.strict { ty } else { *rng.pick(&TYPES) };
            let rebuild = |swapped: Option<(&str, &str)>| {
                format!(
                    "{};\nINSERT INTO new_one ({list}) SELECT {list} FROM {name};\nDROP TABLE {name};\nALTER TABLE new_one RENAME TO {name};",
                    table.create("new_one", tables, swapped)
                )
            };
            (rebuild(Some((column, new))), rebuild(None))
        }
        _ => (
            format!("UPDATE {name} SET \"{column}\" = NULL WHERE \"{column}\" > 3;"),
            "SELECT 1;".to_owned(),
        ),
    }
}

fn statement(rng: &mut Rng, world: &World) -> String {
    let number = rng.below(world.tables.len());
    let table = &world.tables[number];
    let name = table.quoted();
    let condition = match table.key {
        Key::None => format!("rowid IN (SELECT rowid FROM {name} LIMIT {})", 1 + rng.below(3)),
        key => {
            let (one, two) = (key.value(rng), key.value(rng));
            format!("k0 IN ({one}, {two})")
        }
    };
    let or = *rng.pick(&["", "", "OR REPLACE", "OR IGNORE", "OR FAIL", "OR ABORT"]);
    if world.wide && table.keyless() && rng.one_in(5) {
        let to = rng.between(1, 12);
        return if rng.one_in(2) {
            format!("UPDATE {or} {name} SET rowid = {to} WHERE {condition}")
        } else {
            insert(rng, table, or, world).replacen(" (", " (rowid, ", 1).replacen(
                "VALUES (",
                &format!("VALUES ({to}, "),
                1,
            )
        };
    }
    match rng.below(12) {
        0..5 => insert(rng, table, or, world),
        5..8 => {
            let mut sets = Vec::new();
            for (column, ty) in &table.columns {
                if rng.one_in(2) {
                    sets.push(format!("\"{column}\" = {}", value(rng, ty, table.strict)));
                }
            }
            if table.unique && rng.one_in(3) {
                sets.push(format!("u = {}", rng.between(0, 30)));
            }
            if table.parent.is_some() && rng.one_in(3) {
                sets.push(format!("p = {}", reference(rng, table, world)));
            }
            if table.key != Key::None && rng.one_in(4) {
                sets.push(format!("k0 = {}", table.key.value(rng)));
            }
            if sets.is_empty() {
                sets.push("\"c 0\" = \"c 0\"".to_owned());
            }
            format!("UPDATE {or} {name} SET {} WHERE {condition}", sets.join(", "))
        }
        8..10 => format!("DELETE FROM {name} WHERE {condition}"),
        10 if !matches!(table.key, Key::None | Key::Pair) => {
            format!(
                "{} ON CONFLICT (k0) DO UPDATE SET \"c 0\" = excluded.\"c 0\"",
                insert(rng, table, "", world)
            )
        }
        11 if rng.one_in(5) => format!("DELETE FROM {name}"),
        _ => insert(rng, table, or, world),
    }
}

/// A value that refers to a row.
fn reference(rng: &mut Rng, table: &Table, world: &World) -> String {
    match table.parent {
        Some((parent, _)) if world.tables[parent].key == Key::NullableText => {
            Key::NullableText.value(rng)
        }
        _ => rng.between(1, 20).to_string(),
    }
}

fn insert(rng: &mut Rng, table: &Table, or: &str, world: &World) -> String {
    let mut values = Vec::new();
    for _ in table.key.columns() {
        values.push(table.key.value(rng));
    }
    if table.unique {
        values.push(if rng.one_in(3) { "NULL".into() } else { rng.between(0, 30).to_string() });
    }
    if table.parent.is_some() {
        values.push(if rng.one_in(2) { "NULL".into() } else { reference(rng, table, world) });
    }
    for (_, ty) in &table.columns {
        values.push(value(rng, ty, table.strict));
    }
    let names: Vec<String> = table.names().iter().map(|n| format!("\"{n}\"")).collect();
    format!(
        "INSERT {or} INTO {} ({}) VALUES ({})",
        table.quoted(),
        names.join(", "),
        values.join(", ")
    )
}

async fn write(url: &str, world: &World, rng: &mut Rng, transactions: usize) {
    let mut session = Session::connect(url).await;
    session.run("PRAGMA busy_timeout = 60000; PRAGMA foreign_keys = ON").await;
    if rng.one_in(3) {
        session.run("PRAGMA recursive_triggers = ON").await;
    }
    for _ in 0..transactions {
        session.run("BEGIN IMMEDIATE").await;
        for number in 0..1 + rng.below(5) {
            session.run(&format!("SAVEPOINT s{number}")).await;
            let failed = session.try_run(&statement(rng, world)).await.is_err();
            // OR FAIL keeps what it did before it failed, which is a state like any other.
            if rng.one_in(if failed { 2 } else { 6 })
                && session.try_run(&format!("ROLLBACK TO s{number}")).await.is_err()
            {
                break;
            }
        }
        let end = if rng.one_in(5) { "ROLLBACK" } else { "COMMIT" };
        if session.try_run(end).await.is_err() {
            let _ = session.try_run("ROLLBACK").await;
        }
    }
    session.close().await;
}

async fn export(session: &mut dyn EngineSession, world: &World) -> Export {
    let mut export = Export::new();
    for table in &world.tables {
        let rows = session.rows(&table.select_from(&table.quoted())).await.unwrap();
        let mut rows: Vec<String> = rows.iter().map(|r| r.text(0).to_owned()).collect();
        rows.sort();
        export.insert(table.name.clone(), rows);
    }
    export
}

async fn mark_and_export(target: &Target, world: &World, name: &str) -> (Mark, Export) {
    let mut session = connect(target, false).await.unwrap();
    let patient = LockBudget { lock_timeout: Duration::from_secs(60), statement_timeout: None };
    session.begin(patient).await.unwrap();
    let mark = mark::make(&mut *session, name, Origin::Person, Own::After, "test").await.unwrap();
    let export = export(&mut *session, world).await;
    session.commit().await.unwrap();
    session.close().await;
    (mark.unwrap(), export)
}

async fn now(target: &Target, world: &World) -> Export {
    let mut session = connect(target, false).await.unwrap();
    let export = export(&mut *session, world).await;
    session.close().await;
    export
}

async fn play(seed: u64) -> Result<(), String> {
    let file = SqliteFile::new();
    let result = round(seed, &file).await;
    if result.is_err()
        && let Some(kept) = std::env::var_os("DOWNHAUL_KEEP")
    {
        let to = std::path::Path::new(&kept).join(format!("{seed}.db"));
        let mut db = Session::connect(&file.url()).await;
        db.run(&format!("VACUUM INTO '{}'", to.display())).await;
    }
    result
}

async fn round(seed: u64, file: &SqliteFile) -> Result<(), String> {
    let mut rng = Rng::new(seed);
    let world = World::new(&mut rng, seed >= WIDE);
    let url = file.url();
    let target = Target::parse(&url).unwrap();
    let mut db = Session::connect(&url).await;
    if rng.one_in(2) {
        db.rows("PRAGMA journal_mode = WAL").await;
    }
    for statement in &world.setup {
        db.try_run(statement).await.map_err(|e| format!("setup: {e} in {statement}"))?;
    }
    let mut writers: Vec<_> = (0..3).map(|_| rng.fork()).collect();
    write(&url, &world, &mut writers[0], 4).await;
    let mut run = runner(&target).await;
    let around = Around::with_sizes(run.session()).await.unwrap();
    let mut intents = Vec::new();
    for table in &world.tables {
        let name = name::parse_name(&table.quoted()).unwrap();
        intents.push(intend::intend(run.session(), &around, &name, None).await.unwrap());
    }
    run.track(&intents, &mut Silent).await.map_err(|e| format!("track: {e:?}"))?;
    run.close().await;
    let dir = tempfile::tempdir().unwrap();
    if let Some(late) = &world.late {
        std::fs::write(dir.path().join("0_late.up.sql"), format!("{late};")).unwrap();
        std::fs::write(dir.path().join("0_late.down.sql"), "SELECT 1;").unwrap();
        migrate(&target, dir.path(), true).await?;
    }

    let (one, rest) = writers.split_at_mut(1);
    let (two, three) = rest.split_at_mut(1);
    let pause = rng.below(40) as u64;
    let ((), (), (mark, then)) = tokio::join!(
        write(&url, &world, &mut one[0], 10),
        write(&url, &world, &mut two[0], 10),
        async {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            mark_and_export(&target, &world, "m").await
        }
    );
    write(&url, &world, &mut three[0], 3).await;

    if let Some((up, down)) = &world.migration {
        std::fs::write(dir.path().join("1_m.up.sql"), up).unwrap();
        std::fs::write(dir.path().join("1_m.down.sql"), down).unwrap();
        migrate(&target, dir.path(), true).await?;
        write(&url, &world, &mut one[0], 4).await;
        migrate(&target, dir.path(), false).await?;
    }
    tokio::join!(write(&url, &world, &mut one[0], 5), write(&url, &world, &mut two[0], 5));

    let before = now(&target, &world).await;
    restore(&target, &reset(mark)).await?;
    compare("restored", &then, &now(&target, &world).await)?;
    let mut session = connect(&target, false).await.unwrap();
    let undo = mark::named(&mut *session, "before restore 1").await.unwrap();
    session.close().await;
    restore(&target, &reset(undo)).await?;
    compare("undone", &before, &now(&target, &world).await)?;
    let mut session = connect(&target, false).await.unwrap();
    for (name, wanted) in [("m", &then), ("before restore 1", &before)] {
        let mark = mark::named(&mut *session, name).await.unwrap();
        for table in &world.tables {
            let all = track::all(&mut *session).await.unwrap();
            let tracked = all.iter().find(|t| t.name.name.as_str() == table.name).unwrap();
            let sql = table.select_from(&format!("({})", Past::new(tracked, &mark).rows(&mark)));
            let mut rows: Vec<String> =
                session.rows(&sql).await.unwrap().iter().map(|r| r.text(0).to_owned()).collect();
            rows.sort();
            let bare = |rows: &[String]| -> Vec<String> {
                // Generated columns are not read as of a mark.
                let cut = |r: &String| r.rsplit_once(", ").map_or(String::new(), |(a, _)| a.into());
                let mut rows: Vec<String> =
                    if table.generated { rows.iter().map(cut).collect() } else { rows.to_vec() };
                rows.sort();
                rows
            };
            if rows != bare(&wanted[&table.name]) {
                return Err(format!("{} read as of {name} is not what it was", table.name));
            }
        }
    }
    session.close().await;
    Ok(())
}

#[tokio::test]
async fn every_table_of_sqlite_is_what_it_was() {
    let mut failed = Vec::new();
    for seed in seeds(12) {
        if let Err(why) = play(seed).await {
            let world = World::new(&mut Rng::new(seed), seed >= WIDE);
            eprintln!("DOWNHAUL_SEED={seed}: {why}\n{world:#?}");
            failed.push(seed);
        }
    }
    assert!(failed.is_empty(), "these rounds failed: {failed:?}");
}

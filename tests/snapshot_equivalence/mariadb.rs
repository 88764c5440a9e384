//! MariaDB and MySQL: several sessions at once, at all isolation levels, with savepoints and rollbacks; a mark
//! that is made while they run, checked against an export under the same locks; more writes, a migration
//! that adds, drops, renames and retypes columns, and drops, empties and renames tables; a mark behind it,
//! and perhaps its way back; restore and undo.

use std::time::Duration;

use downhaul_engine::{LockBudget, Session as EngineSession, Target, connect};
use downhaul_kit::{DatabaseHandle, MariaDb, MySql, Rng, Session};
use downhaul_run::observer::Silent;
use downhaul_snapshot::history::Past;
use downhaul_snapshot::mark::{self, Mark, Origin, Own};
use downhaul_snapshot::numbered::moment;
use downhaul_snapshot::track::{self, Around, intend, name};

use super::{Export, compare, migrate, reset, restore, runner, seeds};

const TYPES: [&str; 12] = [
    "int",
    "varchar(12)",
    "text",
    "decimal(20,6)",
    "double",
    "float",
    "varbinary(9)",
    "datetime(6)",
    "timestamp NULL",
    "enum('a','b','')",
    "bit(5)",
    "json",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Int,
    Counter,
    /// Equal whatever the case.
    Text,
    Pair,
    None,
}

#[derive(Clone, Debug)]
struct Column {
    name: String,
    /// The type whose values are written to it.
    of: &'static str,
    /// The type that it has.
    ty: &'static str,
}

#[derive(Clone, Debug)]
struct Table {
    name: String,
    key: Key,
    columns: Vec<Column>,
    unique: bool,
    /// Number of the table that `p` refers to.
    parent: Option<usize>,
    /// That is itself.
    refers_home: bool,
    /// A generated column reads the first one.
    reads_first: bool,
    /// A migration dropped it.
    gone: bool,
}

/// Columns of a table, and what they are by now, with their types.
type Columns = Vec<(String, &'static str)>;

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// All rows of some columns byte for byte, one text each.
fn select_from(columns: &Columns, source: &str) -> String {
    let mut texts: Vec<String> = Vec::new();
    for (name, ty) in columns {
        let value = match *ty {
            "float" => format!("CAST(`{name}` AS DOUBLE)"),
            "bit(5)" | "bit(9)" => format!("`{name}` + 0"),
            _ => format!("`{name}`"),
        };
        texts.push(format!("COALESCE(HEX(CAST({value} AS BINARY)), 'NULL')"));
    }
    format!("SELECT CONCAT_WS(', ', {}) FROM {source} AS t", texts.join(", "))
}

impl Table {
    fn quoted(&self) -> String {
        quoted(&self.name)
    }

    /// What has no type of its own: its keys.
    fn fixed(&self) -> Vec<String> {
        let mut names: Vec<String> = match self.key {
            Key::None => Vec::new(),
            Key::Pair => vec!["k0".into(), "k1".into()],
            _ => vec!["k0".into()],
        };
        if self.unique {
            names.push("u".into());
        }
        if self.parent.is_some() {
            names.push("p".into());
        }
        names
    }

    fn all(&self) -> Columns {
        let mut all: Columns = self.fixed().into_iter().map(|name| (name, "")).collect();
        all.extend(self.columns.iter().map(|c| (c.name.clone(), c.ty)));
        all
    }

    fn names(&self) -> Vec<String> {
        self.all().into_iter().map(|(name, _)| name).collect()
    }
}

fn key_value(rng: &mut Rng, key: Key) -> String {
    let n = rng.between(1, 20);
    match key {
        Key::Counter if rng.one_in(5) => "NULL".into(),
        Key::Text => format!("'{}{n}'", if rng.one_in(2) { "K" } else { "k" }),
        _ => n.to_string(),
    }
}

fn value(rng: &mut Rng, ty: &str) -> String {
    if rng.one_in(6) {
        return "NULL".into();
    }
    let of: &[&str] = match ty {
        "int" => &["0", "5", "-1", "2147483647"],
        "varchar(12)" | "text" => &["''", "'a'", "'A'", "'a '", "'it''s'", "'É'", "'e'"],
        "decimal(20,6)" => &["1.0", "1.000001", "-0.5", "12345678901234.5"],
        "double" => &["0.1", "1e300", "-0.0", "0.30000000000000004"],
        "float" => &["0.1", "16777217", "1.5"],
        "varbinary(9)" => &["x''", "x'00ff'", "x'35'"],
        "datetime(6)" => {
            &["'2026-03-29 02:30:00.123456'", "'1000-01-01'", "'9999-12-31 23:59:59.999999'"]
        }
        "timestamp NULL" => &["'2026-01-02 03:04:05'", "'2037-01-01'"],
        "enum('a','b','')" => &["'a'", "'b'", "''"],
        "bit(5)" => &["b'0'", "b'10101'", "1"],
        _ => &["'null'", "'{\"b\":1,\"a\":2}'", "'[1, 2]'", "'[1,2]'"],
    };
    (*rng.pick(of)).to_owned()
}

/// A migration, and what it leaves.
#[derive(Debug)]
struct Migration {
    up: String,
    down: String,
    /// It is taken back before anything is restored.
    back: bool,
    after: Vec<Table>,
    /// Columns of each table that are what they were: as they were, and as they are.
    common: Vec<(Columns, Columns)>,
}

#[derive(Debug)]
struct World {
    tables: Vec<Table>,
    setup: Vec<String>,
    migration: Option<Migration>,
}

/// Types that hold all values of another.
fn wider(rng: &mut Rng, ty: &str) -> &'static str {
    let of: &[&str] = match ty {
        "int" => &["bigint", "varchar(12)", "decimal(12,2)"],
        "varchar(12)" => &["text", "varchar(30)", "varchar(12) COLLATE utf8mb4_bin"],
        "text" => &["varchar(12)", "longtext"],
        "decimal(20,6)" => &["decimal(24,8)", "varchar(40)"],
        "double" => &["varchar(40)", "text"],
        "float" => &["double"],
        "varbinary(9)" => &["blob", "varbinary(30)"],
        "datetime(6)" => &["varchar(40)"],
        "timestamp NULL" => &["datetime", "datetime(3)"],
        "enum('a','b','')" => &["varchar(5)", "enum('','c','b','a')"],
        "bit(5)" => &["int", "bit(9)"],
        _ => &["longtext"],
    };
    rng.pick::<&'static str>(of)
}

impl Migration {
    fn new(rng: &mut Rng, tables: &[Table], setup: &[String]) -> Self {
        let mut after = tables.to_vec();
        // As they were: number of the column, if it is what it was.
        let mut same: Vec<Vec<Option<usize>>> =
            tables.iter().map(|t| (0..t.columns.len()).map(Some).collect()).collect();
        let (mut up, mut down) = (Vec::new(), Vec::new());
        for step in 0..1 + rng.below(4) {
            let at = rng.below(after.len());
            let referred = after.iter().any(|t| !t.gone && t.parent == Some(at));
            let table = &mut after[at];
            if table.gone {
                continue;
            }
            let name = table.quoted();
            // The first one stays: writers count on it.
            let from = usize::from(table.reads_first);
            let last = table.columns.len() - 1;
            let column = from + rng.below((last + 1).saturating_sub(from).max(1));
            let column = column.min(last);
            let free = column >= from;
            match rng.below(12) {
                0 => {
                    up.push(format!("ALTER TABLE {name} ADD COLUMN extra{step} int DEFAULT 3"));
                    down.push(format!("ALTER TABLE {name} DROP COLUMN extra{step}"));
                }
                1 => {
                    let first = &table.columns[0].name;
                    up.push(format!("UPDATE {name} SET `{first}` = NULL"));
                }
                2..=4 if last > 0 && column > 0 => {
                    let gone = table.columns.remove(column);
                    same[at].remove(column);
                    up.push(format!("ALTER TABLE {name} DROP COLUMN `{}`", gone.name));
                    down.push(format!("ALTER TABLE {name} ADD COLUMN `{}` {}", gone.name, gone.ty));
                }
                5..=6 if free => {
                    let of = &mut table.columns[column];
                    let new = format!("r {step}");
                    up.push(format!("ALTER TABLE {name} RENAME COLUMN `{}` TO `{new}`", of.name));
                    down.push(format!("ALTER TABLE {name} CHANGE `{new}` `{}` {}", of.name, of.ty));
                    of.name = new;
                }
                7..=9 if free && table.key != Key::None => {
                    let of = &mut table.columns[column];
                    if of.of != of.ty {
                        continue;
                    }
                    let ty = wider(rng, of.ty);
                    let (old, new) = (
                        of.name.clone(),
                        if rng.one_in(3) { format!("m {step}") } else { of.name.clone() },
                    );
                    up.push(format!("ALTER TABLE {name} CHANGE `{old}` `{new}` {ty}"));
                    down.push(format!("ALTER TABLE {name} CHANGE `{new}` `{old}` {}", of.of));
                    of.ty = ty;
                    of.name = new;
                    same[at][column] = None;
                }
                10 if !referred => {
                    // What comes back may be in the way of what came since.
                    if !table.unique && rng.one_in(2) {
                        up.push(format!("TRUNCATE TABLE {name}"));
                    } else if table.name == tables[at].name
                        && table.columns.len() == tables[at].columns.len()
                        && rng.one_in(2)
                    {
                        let made = same[at].iter().all(Option::is_some)
                            && table
                                .columns
                                .iter()
                                .zip(&tables[at].columns)
                                .all(|(a, b)| a.name == b.name);
                        if made {
                            table.gone = true;
                            up.push(format!("DROP TABLE {name}"));
                            down.push(setup[at].clone());
                        }
                    } else if matches!(table.key, Key::Int | Key::Text) && table.parent != Some(at)
                    {
                        let (old, new) = if table.key == Key::Int {
                            ("int", "bigint")
                        } else {
                            ("varchar(20)", "varchar(40)")
                        };
                        up.push(format!("ALTER TABLE {name} MODIFY k0 {new} NOT NULL"));
                        down.push(format!("ALTER TABLE {name} MODIFY k0 {old} NOT NULL"));
                    }
                }
                11 => {
                    let new = quoted(&format!("Re`d {step}"));
                    up.push(format!("RENAME TABLE {name} TO {new}"));
                    down.push(format!("RENAME TABLE {new} TO {name}"));
                    table.name = format!("Re`d {step}");
                }
                _ => {}
            }
        }
        if up.is_empty() {
            up.push("SELECT 1".to_owned());
        }
        down.reverse();
        down.push("SELECT 1".to_owned());
        let common = tables
            .iter()
            .zip(&after)
            .zip(&same)
            .map(|((old, new), same)| {
                let fixed: Columns = old.fixed().into_iter().map(|name| (name, "")).collect();
                let (mut was, mut is) = (fixed.clone(), fixed);
                for (column, at) in new.columns.iter().zip(same) {
                    if let Some(at) = at {
                        was.push((old.columns[*at].name.clone(), old.columns[*at].ty));
                        is.push((column.name.clone(), column.ty));
                    }
                }
                (was, is)
            })
            .collect();
        let text = |statements: &[String]| {
            statements.iter().map(|s| format!("{s};\n")).collect::<String>()
        };
        Self { up: text(&up), down: text(&down), back: rng.one_in(2), after, common }
    }
}

impl World {
    fn new(rng: &mut Rng) -> Self {
        let mut tables: Vec<Table> = Vec::new();
        let mut setup = Vec::new();
        for number in 0..2 + rng.below(3) {
            let name =
                if rng.one_in(4) { format!("Odd `{number}' T") } else { format!("t{number}") };
            let key = *rng.pick(&[Key::Int, Key::Counter, Key::Text, Key::Pair, Key::None]);
            let columns: Vec<Column> = (0..1 + rng.below(4))
                .map(|c| {
                    let ty = *rng.pick(&TYPES);
                    Column { name: format!("c {c}"), of: ty, ty }
                })
                .collect();
            let fit: Vec<usize> = (0..=number)
                .filter(|p| {
                    let key = if *p == number { key } else { tables[*p].key };
                    matches!(key, Key::Int | Key::Counter)
                })
                .collect();
            let parent = (!fit.is_empty() && rng.one_in(2)).then(|| *rng.pick(&fit));
            let (unique, reads_first) = (rng.one_in(2), rng.one_in(4));
            let refers_home = parent == Some(number);
            let table =
                Table { name, key, columns, unique, parent, refers_home, reads_first, gone: false };
            let mut parts = Vec::new();
            match key {
                Key::Int => parts.push("k0 int PRIMARY KEY".to_owned()),
                Key::Counter => parts.push("k0 int PRIMARY KEY AUTO_INCREMENT".to_owned()),
                Key::Text => parts.push("k0 varchar(20) PRIMARY KEY".to_owned()),
                Key::Pair => parts.push("k0 int, k1 int, PRIMARY KEY (k0, k1)".to_owned()),
                Key::None => {}
            }
            if table.unique {
                parts.push("u int UNIQUE".into());
            }
            for column in &table.columns {
                parts.push(format!("`{}` {}", column.name, column.ty));
            }
            if table.reads_first {
                parts.push("g int AS (length(`c 0`)) VIRTUAL".into());
            }
            tables.push(table);
            let table = &tables[number];
            if let Some(parent) = table.parent {
                parts.push("p int".into());
                // What a key does to rows fires no trigger. Rows that nothing tells apart cannot be
                // followed then.
                let acts: &[&str] = match (table.key, parent == number) {
                    (Key::None, _) => &[""],
                    (_, true) => &["", "ON DELETE SET NULL", "ON DELETE CASCADE"],
                    _ => &[
                        "",
                        "ON DELETE CASCADE",
                        "ON DELETE CASCADE ON UPDATE CASCADE",
                        "ON DELETE SET NULL ON UPDATE CASCADE",
                        "ON UPDATE SET NULL",
                    ],
                };
                parts.push(format!(
                    "FOREIGN KEY (p) REFERENCES {} (k0) {}",
                    tables[parent].quoted(),
                    rng.pick(acts)
                ));
            }
            setup.push(format!(
                "CREATE TABLE {} ({}) ENGINE=InnoDB CHARACTER SET utf8mb4",
                table.quoted(),
                parts.join(", ")
            ));
        }
        let migration = (!rng.one_in(4)).then(|| Migration::new(rng, &tables, &setup));
        Self { tables, setup, migration }
    }
}

fn statement(rng: &mut Rng, tables: &[Table]) -> String {
    let table = rng.pick(tables);
    let name = table.quoted();
    let first = &table.columns[0].name;
    let condition = match table.key {
        Key::None => format!("1 LIMIT {}", 1 + rng.below(3)),
        key => format!("k0 IN ({}, {})", key_value(rng, key), key_value(rng, key)),
    };
    match rng.below(12) {
        0..4 => insert(rng, table, "INSERT"),
        4 => insert(rng, table, "REPLACE"),
        5 => insert(rng, table, "INSERT IGNORE"),
        6..9 => {
            let mut sets = Vec::new();
            for column in &table.columns {
                if rng.one_in(2) {
                    sets.push(format!("`{}` = {}", column.name, value(rng, column.of)));
                }
            }
            if table.unique && rng.one_in(3) {
                sets.push(format!("u = {}", rng.between(0, 30)));
            }
            if table.parent.is_some() && rng.one_in(3) {
                sets.push(format!("p = {}", rng.between(1, 20)));
            }
            if table.key != Key::None && rng.one_in(4) {
                sets.push(format!("k0 = {}", key_value(rng, table.key).replace("NULL", "7")));
            }
            if sets.is_empty() {
                sets.push(format!("`{first}` = `{first}`"));
            }
            // Without a key nothing tells which rows were left as they are (docs/limits.md).
            let verb =
                if table.key != Key::None && rng.one_in(4) { "UPDATE IGNORE" } else { "UPDATE" };
            format!("{verb} {name} SET {} WHERE {condition}", sets.join(", "))
        }
        9..11 => format!("DELETE FROM {name} WHERE {condition}"),
        _ => format!(
            "{} ON DUPLICATE KEY UPDATE `{first}` = VALUES(`{first}`)",
            insert(rng, table, "INSERT")
        ),
    }
}

fn insert(rng: &mut Rng, table: &Table, verb: &str) -> String {
    let mut values = Vec::new();
    match table.key {
        Key::None => {}
        Key::Pair => values.extend([key_value(rng, Key::Int), key_value(rng, Key::Int)]),
        key => values.push(key_value(rng, key)),
    }
    if table.unique {
        values.push(if rng.one_in(3) { "NULL".into() } else { rng.between(0, 30).to_string() });
    }
    if table.parent.is_some() {
        values.push(if rng.one_in(2) { "NULL".into() } else { rng.between(1, 20).to_string() });
    }
    for column in &table.columns {
        values.push(value(rng, column.of));
    }
    let names: Vec<String> = table.names().iter().map(|n| format!("`{n}`")).collect();
    format!("{verb} INTO {} ({}) VALUES ({})", table.quoted(), names.join(", "), values.join(", "))
}

async fn write(url: &str, tables: &[Table], rng: &mut Rng, transactions: usize) {
    let mut session = Session::connect(url).await;
    let mariadb = session.value("SELECT version()").await.unwrap().contains("MariaDB");
    session.run("SET SESSION lock_wait_timeout = 60, innodb_lock_wait_timeout = 5").await;
    for _ in 0..transactions {
        let isolation = *rng.pick(&[
            "READ COMMITTED",
            "REPEATABLE READ",
            "REPEATABLE READ",
            "SERIALIZABLE",
            "READ UNCOMMITTED",
        ]);
        session.run(&format!("SET TRANSACTION ISOLATION LEVEL {isolation}")).await;
        session.run("START TRANSACTION").await;
        for number in 0..1 + rng.below(5) {
            // A deadlock has ended the transaction, and with it its savepoints.
            let _ = session.try_run(&format!("SAVEPOINT s{number}")).await;
            let mut sql = statement(rng, tables);
            // MySQL keeps a new row whose own REPLACE takes away the row that it refers to (docs/limits.md).
            let replaces = |table: &Table| {
                table.refers_home && sql.starts_with(&format!("REPLACE INTO {} ", table.quoted()))
            };
            if !mariadb && tables.iter().any(replaces) {
                sql = sql.replacen("REPLACE", "INSERT", 1);
            }
            let failed = session.try_run(&sql).await.is_err();
            if rng.one_in(if failed { 2 } else { 6 }) {
                let _ = session.try_run(&format!("ROLLBACK TO s{number}")).await;
            }
            if rng.one_in(4) {
                tokio::time::sleep(Duration::from_millis(rng.below(12) as u64)).await;
            }
        }
        session.run(if rng.one_in(5) { "ROLLBACK" } else { "COMMIT" }).await;
    }
    session.close().await;
}

/// What is read of each table: a name for good, and the query.
type Reads = Vec<(String, String)>;

async fn export(session: &mut dyn EngineSession, reads: &Reads) -> Export {
    let mut export = Export::new();
    for (name, sql) in reads {
        let rows = session.rows(sql).await.unwrap();
        let mut rows: Vec<String> = rows.iter().map(|r| r.text(0).to_owned()).collect();
        rows.sort();
        export.insert(name.clone(), rows);
    }
    export
}

/// Reads of all columns.
fn all_of(tables: &[Table]) -> Reads {
    let number = |(at, table): (usize, &Table)| {
        (format!("{at}"), select_from(&table.all(), &table.quoted()))
    };
    tables.iter().enumerate().filter(|(_, table)| !table.gone).map(number).collect()
}

/// Makes a mark, and reads all tables in a transaction that begins while nobody can write.
async fn mark_and_export(target: &Target, reads: &[&Reads], name: &str) -> (Mark, Vec<Export>) {
    let mut session = connect(target, false).await.unwrap();
    let mut reader = connect(target, false).await.unwrap();
    let patient = LockBudget { lock_timeout: Duration::from_secs(60), statement_timeout: None };
    loop {
        session.begin(patient).await.unwrap();
        // A deadlock with a writer is no fault of the mark.
        if moment::lock(&mut *session).await.is_ok() {
            break;
        }
    }
    let made = mark::make(&mut *session, name, Origin::Person, Own::After, "test").await.unwrap();
    reader.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT").await.unwrap();
    moment::unlock(&mut *session).await.unwrap();
    session.close().await;
    let mut exports = Vec::new();
    for reads in reads {
        exports.push(export(&mut *reader, reads).await);
    }
    reader.close().await;
    (made.unwrap(), exports)
}

async fn now(target: &Target, reads: &Reads) -> Export {
    let mut session = connect(target, false).await.unwrap();
    let export = export(&mut *session, reads).await;
    session.close().await;
    export
}

async fn play(seed: u64, url: &str) -> Result<(), String> {
    let mut rng = Rng::new(seed);
    let world = World::new(&mut rng);
    let target = Target::parse(url).unwrap();
    let mut db = Session::connect(url).await;
    for statement in &world.setup {
        db.try_run(statement).await.map_err(|e| format!("setup: {e} in {statement}"))?;
    }
    let mut writers: Vec<_> = (0..4).map(|_| rng.fork()).collect();
    write(url, &world.tables, &mut writers[0], 4).await;
    let mut run = runner(&target).await;
    let around = Around::with_sizes(run.session()).await.unwrap();
    let mut intents = Vec::new();
    for table in &world.tables {
        let name = name::parse_name_in(run.session().dialect(), &table.quoted()).unwrap();
        intents.push(intend::intend(run.session(), &around, &name, None).await.unwrap());
    }
    run.track(&intents, &mut Silent).await.map_err(|e| format!("track: {e:?}"))?;
    run.close().await;

    let all = all_of(&world.tables);
    // What stays as it was through a migration: before it, and after.
    let mut common: (Reads, Reads) = (Vec::new(), Vec::new());
    for (at, table) in world.tables.iter().enumerate() {
        let Some(migration) = &world.migration else { break };
        let (after, (was, is)) = (&migration.after[at], &migration.common[at]);
        if !after.gone {
            common.0.push((format!("{at}"), select_from(was, &table.quoted())));
            common.1.push((format!("{at}"), select_from(is, &after.quoted())));
        }
    }
    let (w0, rest) = writers.split_at_mut(1);
    let (w1, rest) = rest.split_at_mut(1);
    let (w2, w3) = rest.split_at_mut(1);
    let pause = rng.below(120) as u64;
    // Without an export, between transactions of all of them.
    let alone = async {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let mut session = connect(&target, false).await.unwrap();
        loop {
            if downhaul_run::snapshot::mark(&mut *session, "n", "test").await.is_ok() {
                break;
            }
        }
        session.close().await;
        mark_and_export(&target, &[&all, &common.0], "m").await
    };
    let ((), (), (), (mark, mut then)) = tokio::join!(
        write(url, &world.tables, &mut w0[0], 12),
        write(url, &world.tables, &mut w1[0], 12),
        write(url, &world.tables, &mut w2[0], 12),
        alone
    );
    let (then_common, then_all) = (then.remove(1), then.remove(0));
    let dir = tempfile::tempdir().unwrap();
    let mut tables = &world.tables;
    if let Some(migration) = &world.migration {
        std::fs::write(dir.path().join("1_m.up.sql"), &migration.up).unwrap();
        std::fs::write(dir.path().join("1_m.down.sql"), &migration.down).unwrap();
        let (up, ()) =
            tokio::join!(migrate(&target, dir.path(), true), write(url, tables, &mut w0[0], 3));
        up?;
        tables = &migration.after;
        write_to(url, tables, &mut w1[0], 4).await;
        let reads = all_of(tables);
        let (later, mut wanted) = mark_and_export(&target, &[&reads], "p").await;
        tokio::join!(write_to(url, tables, &mut w0[0], 4), write_to(url, tables, &mut w2[0], 4));
        let wanted = (&wanted.remove(0), &reads);
        there_and_back(&target, "behind the migration", later, wanted, &reads).await?;
        if migration.back {
            let (down, ()) = tokio::join!(
                migrate(&target, dir.path(), false),
                write_to(url, tables, &mut w1[0], 3)
            );
            down?;
            tables = &world.tables;
        }
    }
    tokio::join!(write_to(url, tables, &mut w0[0], 5), write_to(url, tables, &mut w3[0], 5));

    // All of it where the migration went back, else what it left as it was.
    let back = world.migration.as_ref().is_none_or(|migration| migration.back);
    let (then, wanted) = if back { (then_all, &all) } else { (then_common, &common.1) };
    let reads = all_of(tables);
    let (undo, before) =
        there_and_back(&target, "at the end", mark, (&then, wanted), &reads).await?;
    let mut session = connect(&target, false).await.unwrap();
    for (name, then, columns) in [("m", &then, back), (undo.as_str(), &before, true)] {
        let mark = mark::named(&mut *session, name).await.unwrap();
        let tracked = track::all(&mut *session).await.unwrap();
        for (at, table) in tables.iter().enumerate().filter(|(_, table)| !table.gone) {
            let of = match &world.migration {
                Some(migration) if !columns => migration.common[at].1.clone(),
                _ => table.all(),
            };
            let tracked = tracked.iter().find(|t| t.name.name.as_str() == table.name).unwrap();
            let sql = select_from(&of, &format!("({})", Past::new(tracked, &mark).rows(&mark)));
            let mut rows: Vec<String> =
                session.rows(&sql).await.unwrap().iter().map(|r| r.text(0).to_owned()).collect();
            rows.sort();
            if rows != then[&format!("{at}")] {
                return Err(format!("{} read as of {name} is not what it was", table.name));
            }
        }
    }
    session.close().await;
    Ok(())
}

/// Restores all tables to a mark, and takes that back. Returns the mark before it, and what was there.
async fn there_and_back(
    target: &Target,
    when: &str,
    mark: Mark,
    (then, wanted): (&Export, &Reads),
    reads: &Reads,
) -> Result<(String, Export), String> {
    let name = mark.name.clone();
    let before = now(target, reads).await;
    restore(target, &reset(mark)).await?;
    compare(&format!("restored {when}"), then, &now(target, wanted).await)?;
    let mut session = connect(target, false).await.unwrap();
    let marks = mark::all(&mut *session).await.unwrap();
    session.close().await;
    let newest = marks.into_iter().rfind(|mark| mark.name.starts_with("before restore "));
    if now(target, reads).await == before {
        // There was nothing to do.
        return Ok((name, before));
    }
    let undo = newest.ok_or_else(|| format!("restored {when}, and no mark was made"))?;
    let name = undo.name.clone();
    restore(target, &reset(undo)).await?;
    compare(&format!("undone {when}"), &before, &now(target, reads).await)?;
    Ok((name, before))
}

/// Writes to the tables that are there.
async fn write_to(url: &str, tables: &[Table], rng: &mut Rng, transactions: usize) {
    let there: Vec<Table> = tables.iter().filter(|table| !table.gone).cloned().collect();
    if !there.is_empty() {
        write(url, &there, rng, transactions).await;
    }
}

/// Plays rounds, each in a database of its own.
#[allow(
    clippy::print_stderr,
    reason = "a round that failed is told with what it takes to repeat it"
)]
async fn rounds(default: u64, fresh: impl AsyncFn() -> DatabaseHandle) {
    let mut failed = Vec::new();
    for seed in seeds(default) {
        let database = fresh().await;
        if let Err(why) = play(seed, database.url()).await {
            let world = World::new(&mut Rng::new(seed));
            eprintln!("DOWNHAUL_SEED={seed}: {why}\n{world:#?}");
            failed.push(seed);
        }
    }
    assert!(failed.is_empty(), "these rounds failed: {failed:?}");
}

#[tokio::test]
async fn every_table_of_mariadb_is_what_it_was() {
    rounds(3, async || MariaDb::shared().fresh_database().await).await;
}

#[tokio::test]
#[ignore = "wants MySQL: scripts/mysql-tests"]
async fn each_table_of_mysql_is_what_it_was() {
    rounds(20, async || MySql::shared().fresh_database().await).await;
}

//! MariaDB and MySQL: several sessions at once, at all isolation levels, with savepoints and rollbacks; a mark
//! that is made while they run, checked against an export under the same locks; more writes, a
//! migration that adds, restore and undo.

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
struct Table {
    name: String,
    key: Key,
    columns: Vec<(String, &'static str)>,
    unique: bool,
    /// Number of the table that `p` refers to.
    parent: Option<usize>,
}

impl Table {
    fn quoted(&self) -> String {
        format!("`{}`", self.name.replace('`', "``"))
    }

    fn names(&self) -> Vec<String> {
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
        names.extend(self.columns.iter().map(|(name, _)| name.clone()));
        names
    }

    /// All rows byte for byte, one text each.
    fn select_from(&self, source: &str) -> String {
        let mut texts: Vec<String> = Vec::new();
        for name in self.names() {
            let ty = self.columns.iter().find(|(n, _)| *n == name).map(|(_, ty)| *ty);
            let value = match ty {
                Some("float") => format!("CAST(`{name}` AS DOUBLE)"),
                Some("bit(5)") => format!("`{name}` + 0"),
                _ => format!("`{name}`"),
            };
            texts.push(format!("COALESCE(HEX(CAST({value} AS BINARY)), 'NULL')"));
        }
        format!("SELECT CONCAT_WS(', ', {}) FROM {source} AS t", texts.join(", "))
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

#[derive(Debug)]
struct World {
    tables: Vec<Table>,
    setup: Vec<String>,
    migration: Option<(String, String)>,
}

impl World {
    fn new(rng: &mut Rng) -> Self {
        let mut tables: Vec<Table> = Vec::new();
        let mut setup = Vec::new();
        for number in 0..2 + rng.below(3) {
            let name =
                if rng.one_in(4) { format!("Odd `{number}' T") } else { format!("t{number}") };
            let key = *rng.pick(&[Key::Int, Key::Counter, Key::Text, Key::Pair, Key::None]);
            let columns: Vec<_> =
                (0..1 + rng.below(4)).map(|c| (format!("c {c}"), *rng.pick(&TYPES))).collect();
            let fit: Vec<usize> = (0..=number)
                .filter(|p| {
                    let key = if *p == number { key } else { tables[*p].key };
                    matches!(key, Key::Int | Key::Counter)
                })
                .collect();
            let parent = (!fit.is_empty() && rng.one_in(2)).then(|| *rng.pick(&fit));
            let table = Table { name, key, columns, unique: rng.one_in(2), parent };
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
            for (column, ty) in &table.columns {
                parts.push(format!("`{column}` {ty}"));
            }
            if rng.one_in(4) {
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
        let migration = rng.one_in(2).then(|| {
            let name = rng.pick(&tables).quoted();
            if rng.one_in(2) {
                (format!("ALTER TABLE {name} ADD COLUMN extra int DEFAULT 3;"), "SELECT 1;".into())
            } else {
                let set = rng.pick(&tables);
                let (column, _) = &set.columns[0];
                let name = set.quoted();
                (format!("UPDATE {name} SET `{column}` = NULL;"), "SELECT 1;".to_owned())
            }
        });
        Self { tables, setup, migration }
    }
}

fn statement(rng: &mut Rng, world: &World) -> String {
    let table = rng.pick(&world.tables);
    let name = table.quoted();
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
            for (column, ty) in &table.columns {
                if rng.one_in(2) {
                    sets.push(format!("`{column}` = {}", value(rng, ty)));
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
                sets.push("`c 0` = `c 0`".to_owned());
            }
            format!("UPDATE {name} SET {} WHERE {condition}", sets.join(", "))
        }
        9..11 => format!("DELETE FROM {name} WHERE {condition}"),
        _ => format!(
            "{} ON DUPLICATE KEY UPDATE `c 0` = VALUES(`c 0`)",
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
    for (_, ty) in &table.columns {
        values.push(value(rng, ty));
    }
    let names: Vec<String> = table.names().iter().map(|n| format!("`{n}`")).collect();
    format!("{verb} INTO {} ({}) VALUES ({})", table.quoted(), names.join(", "), values.join(", "))
}

async fn write(url: &str, world: &World, rng: &mut Rng, transactions: usize) {
    let mut session = Session::connect(url).await;
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
            let failed = session.try_run(&statement(rng, world)).await.is_err();
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

/// Makes a mark, and reads all tables in a transaction that begins while nobody can write.
async fn mark_and_export(target: &Target, world: &World, name: &str) -> (Mark, Export) {
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
    let export = export(&mut *reader, world).await;
    reader.close().await;
    (made.unwrap(), export)
}

async fn now(target: &Target, world: &World) -> Export {
    let mut session = connect(target, false).await.unwrap();
    let export = export(&mut *session, world).await;
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
    write(url, &world, &mut writers[0], 4).await;
    let mut run = runner(&target).await;
    let around = Around::with_sizes(run.session()).await.unwrap();
    let mut intents = Vec::new();
    for table in &world.tables {
        let name = name::parse_name_in(run.session().dialect(), &table.quoted()).unwrap();
        intents.push(intend::intend(run.session(), &around, &name, None).await.unwrap());
    }
    run.track(&intents, &mut Silent).await.map_err(|e| format!("track: {e:?}"))?;
    run.close().await;

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
        mark_and_export(&target, &world, "m").await
    };
    let ((), (), (), (mark, then)) = tokio::join!(
        write(url, &world, &mut w0[0], 12),
        write(url, &world, &mut w1[0], 12),
        write(url, &world, &mut w2[0], 12),
        alone
    );
    let dir = tempfile::tempdir().unwrap();
    if let Some((up, down)) = &world.migration {
        std::fs::write(dir.path().join("1_m.up.sql"), up).unwrap();
        std::fs::write(dir.path().join("1_m.down.sql"), down).unwrap();
        let (up, ()) =
            tokio::join!(migrate(&target, dir.path(), true), write(url, &world, &mut w0[0], 3));
        up?;
    }
    tokio::join!(write(url, &world, &mut w0[0], 5), write(url, &world, &mut w3[0], 5));

    let before = now(&target, &world).await;
    restore(&target, &reset(mark)).await?;
    compare("restored", &then, &now(&target, &world).await)?;
    let mut session = connect(&target, false).await.unwrap();
    let undo = mark::named(&mut *session, "before restore 1").await.unwrap();
    restore(&target, &reset(undo)).await?;
    compare("undone", &before, &now(&target, &world).await)?;
    for (name, wanted) in [("m", &then), ("before restore 1", &before)] {
        let mark = mark::named(&mut *session, name).await.unwrap();
        for table in &world.tables {
            let all = track::all(&mut *session).await.unwrap();
            let tracked = all.iter().find(|t| t.name.name.as_str() == table.name).unwrap();
            let sql = table.select_from(&format!("({})", Past::new(tracked, &mark).rows(&mark)));
            let mut rows: Vec<String> =
                session.rows(&sql).await.unwrap().iter().map(|r| r.text(0).to_owned()).collect();
            rows.sort();
            if rows != wanted[&table.name] {
                return Err(format!("{} read as of {name} is not what it was", table.name));
            }
        }
    }
    session.close().await;
    Ok(())
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
#[ignore = "wants MySQL: scripts/mysql-snapshots"]
async fn each_table_of_mysql_is_what_it_was() {
    rounds(20, async || MySql::shared().fresh_database().await).await;
}

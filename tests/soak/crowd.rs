//! Thousands of tables: nothing is half done, and the time grows with the number of tables alone.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use downhaul_kit::{MariaDb, Postgres, Program, Session};

use crate::stage::{Engine, Place, expect, number, program};

/// How long one command may take: minutes at 10,000 tables.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Rows of one catalog that a command may read one behind the other (not by an index), for each table of the
/// database: a few readings of the whole. Whoever reads a catalog for each table reads hundreds of times as many.
const ROWS_OF_A_CATALOG: u64 = 350;

/// Runs commands; for the last line, how long each one took.
struct Clock {
    program: Program,
    tables: u64,
    /// PostgreSQL, whose catalogs count their readers.
    counts: bool,
    took: Vec<String>,
}

impl Clock {
    async fn run(
        &mut self,
        session: &mut Session,
        label: &str,
        args: &[&str],
        codes: &[i32],
    ) -> String {
        let before = self.rows_read(session).await;
        let started = Instant::now();
        let outcome = self.program.run(args);
        expect(&outcome, codes, label);
        let took = format!("{label} {:.1} s", started.elapsed().as_secs_f64());
        println!("  {took}");
        self.took.push(took);
        let after = self.rows_read(session).await;
        for (name, rows) in &after {
            let read = rows - before.get(name).copied().unwrap_or(0);
            assert!(
                read <= ROWS_OF_A_CATALOG * self.tables,
                "{label}: {read} rows of {name} read for {} tables: that grows with the square of their number",
                self.tables
            );
        }
        outcome.stdout
    }

    /// Triggers that were read in any way.
    async fn triggers_read(&self, session: &mut Session) -> u64 {
        if !self.counts {
            return 0;
        }
        self.alone(session).await;
        let read = "SELECT (seq_tup_read + idx_tup_fetch)::text FROM pg_stat_all_tables WHERE relid = 'pg_trigger'::regclass";
        session.value(read).await.unwrap().parse().unwrap()
    }

    /// Waits until all other sessions have ended.
    async fn alone(&self, session: &mut Session) {
        let others = "SELECT count(*)::text FROM pg_stat_activity WHERE backend_type = 'client backend' AND datname = current_database() \
             AND pid <> pg_backend_pid()";
        while session.value(others).await.as_deref() != Some("0") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Rows of each catalog and of each of our own tables that were read without an index. What a session
    /// has counted is known when it has ended.
    async fn rows_read(&self, session: &mut Session) -> BTreeMap<String, u64> {
        let mut found = BTreeMap::new();
        if self.counts {
            self.alone(session).await;
            let rows = session
                .rows(
                    "SELECT relname, seq_tup_read::text FROM pg_stat_all_tables WHERE schemaname IN ('pg_catalog', 'downhaul') AND seq_tup_read > 0 \
                       AND NOT (SELECT relisshared FROM pg_class WHERE oid = relid)",
                )
                .await;
            for row in rows {
                if let [Some(name), Some(read)] = row.as_slice() {
                    found.insert(name.clone(), read.parse().unwrap());
                }
            }
        }
        found
    }
}

/// Every fifth table has rows, every tenth no key, every fourth a parent.
async fn stage(session: &mut Session, tables: u64, counts: bool) {
    for first in (0..tables).step_by(100) {
        let mut sql = String::new();
        for n in first..tables.min(first + 100) {
            let key = if n % 10 == 9 { "NOT NULL" } else { "PRIMARY KEY" };
            let parent = if n % 4 == 1 {
                format!(
                    ", parent int, CONSTRAINT of_{n} FOREIGN KEY (parent) REFERENCES crowd_{} (id)",
                    n - 1
                )
            } else {
                String::new()
            };
            sql.push_str(&format!(
                "CREATE TABLE crowd_{n} (id int {key}, v varchar(20){parent});\n"
            ));
            if n % 5 == 0 {
                sql.push_str(&format!(
                    "INSERT INTO crowd_{n} (id, v) VALUES (1, 'a'), (2, 'b');\n"
                ));
            }
        }
        session.run(&sql).await;
    }
    if counts {
        // As autovacuum would: the server takes catalogs for small until it has looked.
        session.run("ANALYZE").await;
    }
}

/// All rows of tables that are spoilt, and of two more.
async fn photograph(session: &mut Session, tables: u64) -> Vec<String> {
    let mut rows = Vec::new();
    for n in (0..tables).step_by(5).take(100).chain([9, 19]) {
        for row in session.rows(&format!("SELECT id, v FROM crowd_{n} ORDER BY id, v")).await {
            rows.push(format!("{n}: {row:?}"));
        }
    }
    rows
}

/// Spoils so many tables.
async fn spoil(session: &mut Session, tables: u64, how_many: usize) {
    for n in (0..tables).step_by(5).take(how_many) {
        session.run(&format!("UPDATE crowd_{n} SET v = 'bad' WHERE id = 1")).await;
        session.run(&format!("DELETE FROM crowd_{n} WHERE id = 2")).await;
    }
    session.run("INSERT INTO crowd_9 (id, v) VALUES (7, 'new')").await;
    session.run("INSERT INTO crowd_19 (id, v) VALUES (7, 'new')").await;
}

async fn crowd(engine: Engine, place: Place, by_default: u64) {
    let tables = number("DOWNHAUL_ROUNDS", by_default);
    let url = place.url();
    let program = program().database(&url).patience(PATIENCE);
    let mut session = Session::connect(&url).await;
    let s = &mut session;
    let counts = engine == Engine::Postgres;
    stage(s, tables, counts).await;
    println!("{engine:?}: {tables} tables");
    program.migration(
        "0001_more",
        "CREATE TABLE more (id int PRIMARY KEY);\n",
        "DROP TABLE more;\n",
    );
    program.migration(
        "0002_note",
        "ALTER TABLE more ADD COLUMN note int;\n",
        "ALTER TABLE more DROP COLUMN note;\n",
    );
    // On MariaDB the history cannot follow what takes columns away.
    if !engine.is_mariadb_like() {
        program.migration(
            "0003_tracked",
            &(0..20)
                .map(|n| format!("ALTER TABLE crowd_2 ADD COLUMN note_{n} int;\n"))
                .collect::<String>(),
            &(0..20)
                .map(|n| format!("ALTER TABLE crowd_2 DROP COLUMN note_{n};\n"))
                .collect::<String>(),
        );
    }
    let dialect = match engine {
        Engine::Postgres => "postgres",
        Engine::MariaDb => "mariadb",
        Engine::MySql => "mysql",
        Engine::Sqlite => "sqlite",
    };
    let mut clock = Clock { program, tables, counts, took: Vec::new() };
    clock.run(s, "lint", &["lint", "--database-url", &url, "--dialect", dialect], &[0, 1]).await;
    // The first one makes what is ours, and plans made before that are made anew.
    clock.run(s, "track of 1", &["snapshot", "track", "crowd_0", "--yes"], &[0]).await;
    clock.run(s, "track --all", &["snapshot", "track", "--all", "--yes"], &[0]).await;
    let all =
        clock.run(s, "track --all again", &["snapshot", "track", "--all", "--yes"], &[0]).await;
    assert!(all.contains("nothing to do"), "{all}");
    clock.run(s, "mark", &["snapshot", "mark", "whole"], &[0]).await;
    let status = clock.run(s, "status", &["snapshot", "status", "--format", "json"], &[0]).await;
    assert_eq!(status.matches("\"drift\": null").count() as u64, tables, "all are in step");
    let whole = photograph(s, tables).await;
    for many in [10, 100] {
        spoil(s, tables, many).await;
        let spoilt = photograph(s, tables).await;
        assert_ne!(whole, spoilt);
        let of = |what: &str| format!("{what} ({many})");
        clock.run(s, &of("diff"), &["snapshot", "diff", "whole"], &[0, 1]).await;
        clock.run(s, &of("preview"), &["snapshot", "restore", "--to", "whole"], &[0, 1]).await;
        assert_eq!(spoilt, photograph(s, tables).await, "a preview changes nothing");
        let restore = ["snapshot", "restore", "--to", "whole", "--yes"];
        clock.run(s, &of("restore"), &restore, &[0]).await;
        assert_eq!(whole, photograph(s, tables).await, "restored");
        let undo = ["snapshot", "restore", "--undo", "--yes"];
        clock.run(s, &of("undo"), &undo, &[0]).await;
        assert_eq!(spoilt, photograph(s, tables).await, "undone");
        clock.run(s, &of("restore again"), &restore, &[0]).await;
        assert_eq!(whole, photograph(s, tables).await, "restored again");
    }
    let show = ["snapshot", "show", "crowd_5", "--as-of", "whole"];
    let shown = clock.run(s, "show", &show, &[0]).await;
    assert!(shown.contains('b'), "{shown}");
    clock.run(s, "plan", &["plan"], &[0, 1]).await;
    let before = clock.triggers_read(s).await;
    clock.run(s, "up", &["up", "--yes"], &[0]).await;
    let read = clock.triggers_read(s).await - before;
    // Each table has seven and more. What follows a table looks at all before a migration, and after each of
    // its twenty statements at the few that it touched.
    assert!(read <= 100 * tables, "{read} triggers of {tables} tables read");
    clock.run(s, "down", &["down", "--to", "0001", "--yes"], &[0]).await;
    clock.run(s, "prune", &["snapshot", "prune", "--older-than", "1s", "--yes"], &[0]).await;
    clock.run(s, "untrack of 1", &["snapshot", "untrack", "crowd_7", "--yes"], &[0]).await;
    clock.run(s, "untrack --all", &["snapshot", "untrack", "--all", "--yes"], &[0]).await;
    session.close().await;
    println!("crowd {engine:?}, {tables} tables: {}", clock.took.join(", "));
}

#[tokio::test]
async fn on_postgres() {
    let server = Postgres::start();
    crowd(Engine::Postgres, Place::postgres(&server).await, 300).await;
}

#[tokio::test]
async fn on_mariadb() {
    let server = MariaDb::start();
    crowd(Engine::MariaDb, Place::mariadb(&server).await, 120).await;
}

#[tokio::test]
async fn on_sqlite() {
    crowd(Engine::Sqlite, Place::sqlite(), 120).await;
}

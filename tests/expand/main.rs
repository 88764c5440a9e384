//! The promise of `expand`: while the phases go up, and come back down from any of them, the old
//! and the new release both write and read, no statement of theirs fails, and what one writes the
//! other finds.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

mod added;
mod as_people_write;
mod batches;
mod cases;
mod cases_composed;
mod cases_enums;
mod cases_keys;
mod cases_mariadb;
mod cases_mysql;
mod cases_partitioned;
mod cases_rekeyed;
mod cases_sqlite;
mod control;
mod from_table;
mod gates;
mod kinds;
mod parallel;
mod partitions;
mod prove;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cases::{CASES, Case, Engine};
use cases_composed::COMPOSED_CASES;
use cases_enums::ENUM_CASES;
use cases_keys::KEY_CASES;
use cases_mariadb::MARIADB_CASES;
use cases_mysql::mysql_case;
use cases_partitioned::PARTITIONED_CASES;
use cases_rekeyed::REKEYED_CASES;
use cases_sqlite::SQLITE_CASES;
use downhaul_kit::{
    DatabaseHandle, MariaDb, MySql, Photograph, Postgres, Program, Session, SqliteFile,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_downhaul");

/// Rows of every table before the change.
const ROWS: u64 = 400;

/// A release: on or off.
#[derive(Clone, Default)]
struct Switch {
    on: Arc<AtomicBool>,
    over: Arc<AtomicBool>,
    /// A statement is under way.
    busy: Arc<AtomicU64>,
    /// How often all of its statements were sent.
    rounds: Arc<AtomicU64>,
}

impl Switch {
    fn turn(&self, on: bool) {
        self.on.store(on, Ordering::SeqCst);
    }

    /// If it is on: until all of its statements were sent, begun and ended from now on.
    async fn works(&self) {
        let begun = Instant::now();
        // With two writers the first two rounds that end may have begun before.
        let wanted = self.rounds.load(Ordering::SeqCst) + 3;
        while self.on.load(Ordering::SeqCst) && self.rounds.load(Ordering::SeqCst) < wanted {
            assert!(begun.elapsed() < Duration::from_secs(60), "the release stands still");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Off, and the last statement has ended.
    async fn off(&self) {
        self.turn(false);
        while self.busy.load(Ordering::SeqCst) > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Fills in `{n}`, a number that nobody else uses, and `{id}`, a row that is there.
fn filled(sql: &str, n: u64, seed: u64) -> String {
    let id = 1 + seed.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(n * 7919) % ROWS;
    sql.replace("{n}", &n.to_string()).replace("{id}", &id.to_string())
}

/// A session that waits for the file's one writer, as an application does.
async fn patient(url: &str) -> Session {
    let mut session = Session::connect(url).await;
    if matches!(session, Session::Sqlite(_)) {
        session.run("PRAGMA busy_timeout = 60000").await;
        // What a power cut would take is not what is tested here.
        session.run("PRAGMA foreign_keys = ON; PRAGMA synchronous = OFF").await;
    }
    session
}

async fn send(session: &mut Session, sql: &str) -> Result<(), String> {
    let sent = if sql.starts_with("SELECT") {
        session.try_rows(sql).await.map(|_| ())
    } else {
        session.try_run(sql).await
    };
    sent.map_err(|error| error.to_string())
}

/// Sends a release's statements one after the other while it is on. Returns what failed, five at most.
async fn release(
    url: String,
    statements: &'static [&'static str],
    seed: u64,
    switch: Switch,
) -> Vec<String> {
    let mut session = patient(&url).await;
    let mut failures = Vec::new();
    let mut n = seed * 1_000_000 + 1_000;
    while !switch.over.load(Ordering::SeqCst) {
        switch.busy.fetch_add(1, Ordering::SeqCst);
        if switch.on.load(Ordering::SeqCst) {
            for sql in statements {
                n += 1;
                let sql = filled(sql, n, seed + n);
                let mut done = send(&mut session, &sql).await;
                // Two with the same new key in the same instant, while a column and its successor
                // both have a unique index: PostgreSQL waits for the index that the statement
                // names, not for its twin (docs/limits.md). Again, the row is found.
                if let Err(error) = &done
                    && sql.contains("ON CONFLICT")
                    && error.contains("duplicate key")
                {
                    done = send(&mut session, &sql).await;
                }
                if let Err(error) = done
                    && failures.len() < 5
                {
                    failures.push(format!("{sql}: {error}"));
                }
            }
            switch.rounds.fetch_add(1, Ordering::SeqCst);
        }
        switch.busy.fetch_sub(1, Ordering::SeqCst);
        // Others have a turn; a file has one writer at a time, and those who wait have no queue.
        let pause = if matches!(session, Session::Sqlite(_)) { 40 } else { 3 };
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    session.close().await;
    failures
}

/// A migration of the expansion.
struct Stage {
    label: String,
    contract: bool,
}

struct Stand {
    program: Arc<Program>,
    stages: Vec<Stage>,
    url: String,
    session: Session,
    _database: Place,
}

/// Where the rows are, as long as this lives.
enum Place {
    Server(DatabaseHandle),
    File(SqliteFile),
}

impl Stand {
    async fn new(case: &Case) -> Self {
        let (dialect, database) = match case.engine {
            Engine::Postgres => {
                ("postgres", Place::Server(Postgres::shared().fresh_database().await))
            }
            Engine::MariaDb => ("mariadb", Place::Server(MariaDb::shared().fresh_database().await)),
            Engine::MySql => ("mysql", Place::Server(MySql::shared().fresh_database().await)),
            Engine::Sqlite => ("sqlite", Place::File(SqliteFile::new())),
        };
        let url = match &database {
            Place::Server(database) => database.url().to_owned(),
            Place::File(file) => file.url(),
        };
        let program = Program::new(PROGRAM).database(&url);
        program.migration("0001_base", case.base, "SELECT 1;\n");
        program.ok(&["up", "--yes"]);
        let mut session = patient(&url).await;
        session.run(&case.rows.replace("{rows}", &ROWS.to_string())).await;
        program.write("drafts/change.sql", case.change);
        let listed = program.ok(&["expand", "drafts/change.sql", "--dialect", dialect]);
        let stages: Vec<Stage> = listed
            .stdout
            .lines()
            .filter_map(|line| {
                let name = line.rsplit('/').next()?.strip_suffix(".up.sql")?;
                let contract = name.ends_with("_contract") || name.ends_with("_validate");
                Some(Stage { label: name.to_owned(), contract })
            })
            .collect();
        assert!(!stages.is_empty(), "{}: {listed}", case.name);
        Self { program: Arc::new(program), stages, url, session, _database: database }
    }

    /// Short, so that writers hardly wait; but a file has one writer at a time, and no queue.
    fn lock_timeout(&self) -> &'static str {
        if matches!(self.session, Session::Sqlite(_)) { "60000" } else { "800" }
    }

    async fn run(&self, args: &[&'static str]) {
        let program = self.program.clone();
        let given = args.to_vec();
        let outcome = tokio::task::spawn_blocking(move || program.run(&given)).await.unwrap();
        assert_eq!(outcome.code, Some(0), "{args:?}\n{outcome}");
    }

    /// Where both sides are there, they say the same.
    async fn agree(&mut self, case: &Case, when: &str) {
        if case.disagree.is_empty() {
            return;
        }
        let rows = self.session.rows(case.disagree).await;
        assert!(rows.is_empty(), "{}, {when}: the sides differ: {:?}", case.name, rows.first());
    }
}

/// Both releases work while the phases go up, down again from `top` of them, and up to the end.
async fn both_releases_work(case: &'static Case) {
    let mut stand = Stand::new(case).await;
    let (old, new) = (Switch::default(), Switch::default());
    let mut writers = Vec::new();
    let writers_of_each = if case.engine == Engine::Sqlite { 1 } else { 2 };
    for seed in 1..=writers_of_each {
        writers.push(tokio::spawn(release(stand.url.clone(), case.old, seed, old.clone())));
        writers.push(tokio::spawn(release(stand.url.clone(), case.new, seed + 10, new.clone())));
    }
    old.turn(true);
    let count = stand.stages.len();
    let contract = stand.stages.iter().position(|s| s.contract).unwrap_or(count);
    for top in 1..=count {
        // Up to `top`, one by one: the new release once all but contract is there, the old one
        // until then.
        for at in 0..top {
            if at == contract {
                old.off().await;
                stand.agree(case, "before contract").await;
            }
            stand
                .run(&["up", "--yes", "--steps", "1", "--lock-timeout", stand.lock_timeout()])
                .await;
            if at + 1 == contract {
                new.turn(true);
            }
            old.works().await;
            new.works().await;
        }
        // And all the way back, the same in mirror image.
        for at in (0..top).rev() {
            if at < contract {
                new.off().await;
            }
            stand
                .run(&["down", "--yes", "--steps", "1", "--lock-timeout", stand.lock_timeout()])
                .await;
            // The old release comes back only when the old side is whole again: behind the backfill.
            if at < contract || contract == 0 && at == 0 {
                old.turn(true);
            }
            old.works().await;
            new.works().await;
        }
        old.turn(true);
    }
    if contract == 0 {
        old.off().await;
    }
    for at in 0..count {
        if at == contract {
            old.off().await;
        }
        stand.run(&["up", "--yes", "--steps", "1", "--lock-timeout", stand.lock_timeout()]).await;
        if at + 1 == contract || contract == 0 && at + 1 == count {
            new.turn(true);
            old.works().await;
            new.works().await;
            if contract < count {
                stand.agree(case, "both at work").await;
            }
        }
    }
    for switch in [&old, &new] {
        switch.works().await;
        switch.off().await;
        switch.over.store(true, Ordering::SeqCst);
    }
    for writer in writers {
        let failures = writer.await.unwrap();
        assert!(failures.is_empty(), "{}: {:#?}", case.name, failures);
    }
    for (query, wanted) in case.after {
        assert_eq!(stand.session.value(query).await.as_deref(), Some(*wanted), "{query}");
    }
}

/// Without writers: up and down again leaves schema and rows as they were, from every phase.
async fn every_phase_comes_back(case: &'static Case) {
    let mut stand = Stand::new(case).await;
    let mut before = vec![Photograph::of(&mut stand.session).await];
    for at in 0..stand.stages.len() {
        stand.run(&["up", "--yes", "--steps", "1"]).await;
        before.push(Photograph::of(&mut stand.session).await);
        for back in (0..=at).rev() {
            stand.run(&["down", "--yes", "--steps", "1"]).await;
            // What a backfill wrote into columns that nobody reads yet may stay; before the first
            // phase there are none.
            let now = Photograph::of(&mut stand.session).await;
            let differ = differences(&before[back], &now, back == 0);
            assert!(differ.is_empty(), "{} back to {back}: {differ:#?}", case.name);
        }
        for _ in 0..=at {
            stand.run(&["up", "--yes", "--steps", "1"]).await;
        }
        let label = &stand.stages[at].label;
        let now = Photograph::of(&mut stand.session).await;
        let differ = differences(&before[at + 1], &now, false);
        assert!(differ.is_empty(), "{} again behind {label}: {differ:#?}", case.name);
    }
}

/// What differs, with the rows or without.
fn differences(before: &Photograph, now: &Photograph, rows: bool) -> Vec<String> {
    let row = |line: &String| line.get(2..).is_some_and(|name| name.starts_with("rows of"));
    before.differences(now).into_iter().filter(|line| rows || !row(line)).collect()
}

macro_rules! each_case {
    ($($name:ident),* $(,)?) => {
        $(mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn comes_back() {
                super::every_phase_comes_back(super::case(stringify!($name))).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn both_releases_work() {
                super::both_releases_work(super::case(stringify!($name))).await;
            }
        })*

        #[test]
        fn every_case_has_its_tests() {
            let tested = [$(stringify!($name)),*];
            for case in all_cases() {
                assert!(tested.contains(&case.name), "{} has no test", case.name);
            }
        }
    };
}

macro_rules! each_case_on_mysql {
    ($($name:ident),* $(,)?) => {
        /// The cases of MariaDB on MySQL.
        mod on_mysql {
            $(mod $name {
                use crate::mysql_case;

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                #[ignore = "wants MySQL: scripts/mysql-tests"]
                async fn comes_back() {
                    crate::every_phase_comes_back(mysql_case(stringify!($name))).await;
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                #[ignore = "wants MySQL: scripts/mysql-tests"]
                async fn both_releases_work() {
                    crate::both_releases_work(mysql_case(stringify!($name))).await;
                }
            })*

            #[test]
            fn every_case_of_mariadb_has_its_tests() {
                let tested = [$(stringify!($name)),*];
                for case in super::MARIADB_CASES {
                    assert!(tested.contains(&case.name), "{} has no test", case.name);
                }
            }
        }
    };
}

/// Whoever checks all migrations in a pipeline checks these too.
#[test]
fn lint_finds_no_error_in_what_is_written() {
    let base = "CREATE TABLE users (id int PRIMARY KEY, name varchar(20), n int);\n";
    for (dialect, change) in [
        ("postgres", "ALTER TABLE users RENAME COLUMN name TO nom;"),
        ("postgres", "ALTER TABLE users RENAME COLUMN id TO nr;"),
        ("postgres", "ALTER TABLE users ALTER COLUMN n TYPE bigint;"),
        ("mariadb", "ALTER TABLE users RENAME COLUMN name TO nom;"),
        ("sqlite", "ALTER TABLE users RENAME COLUMN name TO nom;"),
    ] {
        let program = Program::new(PROGRAM);
        program.migration("0001_base", base, "DROP TABLE users;\n");
        program.write("drafts/change.sql", change);
        program.ok(&["expand", "drafts/change.sql", "--dialect", dialect]);
        let outcome = program.run(&["lint", "migrations", "--dialect", dialect]);
        let clean = !outcome.stdout.contains("error[") && !outcome.stdout.contains("UN03");
        assert!(clean && outcome.code == Some(0), "{dialect}: {change}\n{outcome}");
    }
}

fn all_cases() -> impl Iterator<Item = &'static Case> {
    let postgres = CASES.iter().chain(COMPOSED_CASES).chain(KEY_CASES);
    let postgres = postgres.chain(PARTITIONED_CASES).chain(REKEYED_CASES).chain(ENUM_CASES);
    postgres.chain(MARIADB_CASES).chain(SQLITE_CASES)
}

fn case(name: &str) -> &'static Case {
    all_cases().find(|case| case.name == name).unwrap()
}

/// Calls a macro with the names of MariaDB's cases, behind others.
macro_rules! with_cases_of_mariadb {
    ($then:ident, $($other:ident),* $(,)?) => {
        $then!(
            $($other,)*
            mariadb_merge_columns,
            mariadb_int_to_bigint,
            mariadb_rules_and_defaults,
            mariadb_drop_table,
            mariadb_rename_column,
            mariadb_split_column,
            mariadb_computed_column,
            mariadb_drop_fed_column,
            mariadb_set_not_null,
            mariadb_indexes,
            mariadb_rename_table,
            mariadb_retype,
            mariadb_primary_key,
            mariadb_key_to_bigint,
            mariadb_rename_ruled,
            mariadb_convert_charset,
            mariadb_counter_to_bigint,
            mariadb_key_and_references,
            mariadb_counted_key_and_references,
            mariadb_from_other_table,
            mariadb_priced_from_other_table,
            mariadb_change_columns,
            mariadb_change_columns_by_expressions,
        );
    };
}

with_cases_of_mariadb!(
    each_case,
    rename_column,
    rename_odd_column,
    rename_foreign_key,
    rename_key,
    rename_read_columns,
    rename_table,
    rename_and_retype,
    retype_twice,
    retype_defaults,
    retyped_by_hand,
    rename_with_its_index,
    text_to_number,
    key_to_bigint,
    split_column,
    random_default,
    computed_column,
    drop_fed_column,
    set_not_null,
    constraints,
    primary_key,
    primary_key_of_a_column_with_nulls,
    another_key_and_its_column_goes,
    a_column_leaves_the_key,
    identity_added,
    another_key_over_a_new_column,
    unique_beside_drop,
    text_to_enum,
    rename_enum_column,
    enum_remade,
    enum_steps_aside,
    collation,
    reference_to_bigint,
    identity_to_bigint,
    key_of_two_to_bigint,
    keys_and_references,
    composite_keys_and_references,
    keys_to_text,
    reference_that_begins_to_act,
    reference_that_acts_otherwise,
    retype_read_columns,
    views_dropped_and_created,
    merge_columns,
    rules_and_defaults,
    drop_table,
    from_other_table,
    priced_from_other_table,
    move_column,
    relation_into_a_table,
    partitioned_rename,
    partitioned_rename_key,
    partitioned_rules,
    partitioned_retype,
    partitioned_key_to_bigint,
    partitioned_split,
    sqlite_rename_column,
    sqlite_rename_unique_column,
    sqlite_split_column,
    sqlite_computed_column,
    sqlite_default_of_now,
    sqlite_drop_fed_column,
    sqlite_set_not_null,
    sqlite_rules,
    sqlite_retype,
    sqlite_retype_collated,
    sqlite_rename_and_retype,
    sqlite_drop_indexed_column,
);

with_cases_of_mariadb!(each_case_on_mysql,);

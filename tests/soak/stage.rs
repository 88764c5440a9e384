//! A small database and a series that creates, alters, empties and destroys.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use downhaul_kit::{
    DatabaseHandle, MariaDb, MySql, Outcome, Photograph, Postgres, Program, Session, SqliteFile,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Postgres,
    MariaDb,
    /// With the statements of MariaDB, by hand (`scripts/mysql-tests`).
    MySql,
    Sqlite,
}

impl Engine {
    /// Whether it takes MariaDB's statements.
    pub(crate) fn is_mariadb_like(self) -> bool {
        matches!(self, Self::MariaDb | Self::MySql)
    }
}

/// A number from the environment.
pub(crate) fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

/// The program under test: this build, or the one named by `DOWNHAUL_PROGRAM`.
pub(crate) fn program() -> Program {
    let path = std::env::var("DOWNHAUL_PROGRAM");
    Program::new(path.unwrap_or_else(|_| env!("CARGO_BIN_EXE_downhaul").to_owned()))
}

/// A database of its own.
pub(crate) enum Place {
    File(SqliteFile),
    Server(DatabaseHandle),
}

impl Place {
    pub(crate) async fn postgres(server: &Postgres) -> Self {
        Self::Server(server.fresh_database().await)
    }

    pub(crate) async fn mariadb(server: &MariaDb) -> Self {
        Self::Server(server.fresh_database().await)
    }

    pub(crate) async fn mysql(server: &MySql) -> Self {
        Self::Server(server.fresh_database().await)
    }

    pub(crate) fn sqlite() -> Self {
        Self::File(SqliteFile::new())
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::File(file) => file.url(),
            Self::Server(database) => database.url().to_owned(),
        }
    }

    pub(crate) fn file(&self) -> Option<&std::path::Path> {
        match self {
            Self::File(file) => Some(file.path()),
            Self::Server(_) => None,
        }
    }
}

/// What lies at 0002, to which every `down` of a soak goes back.
pub(crate) const BASE: &str = "0002";

/// What stands behind the first two migrations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Series {
    /// Four that destroy, each in its way.
    Destructive,
    /// Twenty-four small ones, of which PostgreSQL is sent many in one message.
    Small,
    /// Those that destroy and a backfill, over tables of hundreds of rows.
    Bulky,
    /// The same, with a disk that is full from the beginning.
    Brim,
}

impl Series {
    /// Over tables that fill a disk.
    pub(crate) fn is_bulky(self) -> bool {
        matches!(self, Self::Bulky | Self::Brim)
    }

    /// The newest version.
    pub(crate) fn head(self) -> &'static str {
        match self {
            Self::Destructive => "0006",
            Self::Small => "0026",
            Self::Bulky | Self::Brim => "0008",
        }
    }
}

/// A table; a column, rows, an index of it; a row of another; a view. Downs that delete the rows.
fn small(engine: Engine) -> Vec<(String, String, String)> {
    let mut all = Vec::new();
    for n in 0..24 {
        let (table, step) = (format!("small{}", n / 6), n % 6);
        let of_table =
            if engine.is_mariadb_like() { format!(" ON {table}") } else { String::new() };
        let (name, up, down) = match step {
            0 => (
                "table",
                format!(
                    "CREATE TABLE {table} (id bigint PRIMARY KEY, name varchar(40) NOT NULL);\n"
                ),
                format!("DROP TABLE {table};\n"),
            ),
            1 => (
                "column",
                format!("ALTER TABLE {table} ADD COLUMN note varchar(40);\n"),
                format!("ALTER TABLE {table} DROP COLUMN note;\n"),
            ),
            2 => (
                "rows",
                format!(
                    "INSERT INTO {table} (id, name, note) VALUES (1, 'one', NULL), (2, 'two', 'of {n}'), (3, '', 'x');\n"
                ),
                format!("DELETE FROM {table} WHERE id IN (1, 2, 3);\n"),
            ),
            3 => (
                "index",
                format!("CREATE INDEX {table}_name ON {table} (name, note);\n"),
                format!("DROP INDEX {table}_name{of_table};\n"),
            ),
            4 => (
                "note",
                format!(
                    "INSERT INTO notes (id, person, body) VALUES ({}, 1, 'of {table}');\n",
                    500 + n
                ),
                format!("DELETE FROM notes WHERE id = {};\n", 500 + n),
            ),
            _ => (
                "view",
                format!("CREATE VIEW {table}_all AS SELECT id, note FROM {table};\n"),
                format!("DROP VIEW {table}_all;\n"),
            ),
        };
        all.push((format!("{:04}_{name}", n + 3), up, down));
    }
    all
}

/// Ups and downs. Downs forget much of what their ups destroyed, as downs do.
fn migrations(engine: Engine) -> [(&'static str, String, String); 6] {
    let serial = match engine {
        Engine::Postgres => "bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
        Engine::MariaDb | Engine::MySql => "bigint AUTO_INCREMENT PRIMARY KEY",
        Engine::Sqlite => "integer PRIMARY KEY AUTOINCREMENT",
    };
    let on = |table: &str| {
        if engine.is_mariadb_like() { format!(" ON {table}") } else { String::new() }
    };
    // On PostgreSQL what no transaction holds, elsewhere another index.
    let concurrently = if engine == Engine::Postgres { " CONCURRENTLY" } else { "" };
    let drop_phone = match engine {
        // An index of a column goes first where the engine asks for it.
        Engine::Sqlite => "DROP INDEX people_phone;\nALTER TABLE people DROP COLUMN phone;\n",
        _ => "ALTER TABLE people DROP COLUMN phone;\n",
    };
    [
        (
            "0001_people",
            format!(
                "CREATE TABLE people (id {serial}, name varchar(100) NOT NULL, email varchar(100), phone varchar(40));\nCREATE INDEX people_phone ON people (phone);\n"
            ),
            "DROP TABLE people;\n".into(),
        ),
        (
            "0002_notes",
            format!(
                "CREATE TABLE notes (id {serial}, person bigint NOT NULL REFERENCES people (id), body varchar(200) NOT NULL);\n"
            ),
            "DROP TABLE notes;\n".into(),
        ),
        (
            "0003_city",
            "ALTER TABLE people ADD COLUMN city varchar(60);\nUPDATE people SET city = 'Bremen' WHERE id % 2 = 0;\nUPDATE people SET email = lower(email);\n".into(),
            "ALTER TABLE people DROP COLUMN city;\n".into(),
        ),
        (
            "0004_no_phones",
            format!("{drop_phone}DELETE FROM notes WHERE person % 3 = 0;\n"),
            "ALTER TABLE people ADD COLUMN phone varchar(40);\n".into(),
        ),
        (
            "0005_indexes",
            format!(
                "CREATE INDEX{concurrently} people_city ON people (city);\nCREATE TABLE tags (person bigint PRIMARY KEY, tag varchar(20));\nINSERT INTO tags SELECT id, 'new' FROM people WHERE id < 20;\nCREATE INDEX{concurrently} notes_body ON notes (body, id);\n"
            ),
            format!(
                "DROP INDEX{concurrently} notes_body{};\nDROP TABLE tags;\nDROP INDEX{concurrently} people_city{};\n",
                on("notes"),
                on("people")
            ),
        ),
        (
            "0006_no_notes",
            "CREATE VIEW citizens AS SELECT id, name, city FROM people WHERE city IS NOT NULL;\nUPDATE people SET name = upper(name) WHERE id < 10;\nDROP TABLE notes;\n".into(),
            format!(
                "CREATE TABLE notes (id {serial}, person bigint NOT NULL REFERENCES people (id), body varchar(200) NOT NULL);\nDROP VIEW citizens;\n"
            ),
        ),
    ]
}

/// A backfill, with what it fills.
fn backfill() -> [(String, String, String); 2] {
    [
        (
            "0007_nick".into(),
            "ALTER TABLE people ADD COLUMN nick varchar(100);\n".into(),
            "ALTER TABLE people DROP COLUMN nick;\n".into(),
        ),
        (
            "0008_fill_nick".into(),
            "-- downhaul:phase backfill\nUPDATE people SET nick = lower(name) WHERE nick IS NULL;\n".into(),
            "UPDATE people SET nick = NULL;\n".into(),
        ),
    ]
}

fn rows(count: u32) -> String {
    let mut sql = String::from("BEGIN;\n");
    for n in 1..=count {
        sql.push_str(&format!(
            "INSERT INTO people (id, name, email, phone) VALUES ({n}, 'Person {n}', 'P{n}@Example.org', '+49 {n}');\n\
             INSERT INTO notes (id, person, body) VALUES ({n}, {n}, 'note {n}'), ({}, {n}, 'another of {n}');\n",
            n + count.max(100)
        ));
    }
    sql + "COMMIT;\n"
}

/// The database, the program, and what the database holds at each version.
pub(crate) struct Stage {
    pub(crate) program: Program,
    pub(crate) place: Place,
    pub(crate) engine: Engine,
    pub(crate) head: &'static str,
    /// By version.
    pub(crate) album: BTreeMap<String, Photograph>,
}

impl Stage {
    /// At 0002, with rows.
    pub(crate) async fn set(engine: Engine, series: Series, place: Place) -> Self {
        let program = program().database(place.url());
        let mut versions = Vec::new();
        let destructive = migrations(engine).map(|(label, up, down)| (label.to_owned(), up, down));
        let mut all = destructive.to_vec();
        if series == Series::Small {
            all.truncate(2);
            all.extend(small(engine));
        }
        if series.is_bulky() {
            all.extend(backfill());
        }
        for (label, up, down) in &all {
            program.migration(label, up, down);
            versions.push(label.split('_').next().unwrap_or_default().to_owned());
        }
        program.ok(&["up", "--yes", "--to", BASE]);
        let mut session = Session::connect(&place.url()).await;
        session.run(&rows(if series.is_bulky() { 300 } else { 40 })).await;
        session.close().await;
        let head = series.head();
        let mut stage = Self { program, place, engine, head, album: BTreeMap::new() };
        stage.album.insert(BASE.into(), stage.photograph().await);
        for version in &versions[2..] {
            stage.program.ok(&["up", "--yes", "--to", version]);
            stage.album.insert(version.clone(), stage.photograph().await);
        }
        for version in versions[1..].iter().rev().skip(1) {
            // Small ones go back many at once, as they are meant to.
            if series != Series::Small || version == BASE {
                stage.program.ok(&["down", "--yes", "--to", version]);
                stage.check(version, "on the undisturbed way back").await;
            }
        }
        stage
    }

    pub(crate) async fn photograph(&self) -> Photograph {
        let mut session = Session::connect(&self.place.url()).await;
        let mut photograph = Photograph::of(&mut session).await;
        session.close().await;
        // Where a counter stands is no row: a run that is rolled back moves it on some engines.
        photograph.0.retain(|name, _| !name.contains("sequence"));
        photograph
    }

    /// Schema and rows are those of this version.
    pub(crate) async fn check(&self, version: &str, when: &str) {
        let differences = self.album[version].differences(&self.photograph().await);
        assert!(differences.is_empty(), "{when}, at {version}:\n{}", differences.join("\n"));
    }

    /// What `status` says: the newest version that is wholly applied, and the one that is half done.
    pub(crate) fn status(&self) -> (String, Option<String>) {
        let outcome = self.program.ok(&["status", "--format", "json"]);
        let status: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
        let (mut newest, mut half, mut pending) = (String::new(), None, false);
        for row in status["migrations"].as_array().unwrap() {
            let version = row["version"].as_str().unwrap().to_owned();
            match row["state"].as_str().unwrap() {
                "applied" => {
                    assert!(!pending && half.is_none(), "a gap in what is applied: {status}");
                    newest = version;
                }
                "applying" | "reverting" => {
                    assert!(half.is_none(), "two are half done: {status}");
                    half = Some(version);
                }
                "pending" => pending = true,
                other => panic!("`{other}` after a kill: {status}"),
            }
        }
        (newest, half)
    }

    /// MariaDB goes on with the message that it was sent until it notices that nobody listens any more.
    async fn nobody_is_at_work(&self, when: &str) {
        let mut session = Session::connect(&self.place.url()).await;
        let others = "SELECT count(*) FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND ID <> CONNECTION_ID()";
        let begun = Instant::now();
        while session.value(others).await.as_deref() != Some("0") {
            assert!(begun.elapsed().as_secs() < 60, "{when}: somebody is still at work");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        session.close().await;
    }

    /// `status` and what is really there agree, whatever was just killed. What is half done, if
    /// anything.
    pub(crate) async fn check_status(&self, when: &str) -> Option<String> {
        if self.engine.is_mariadb_like() {
            self.nobody_is_at_work(when).await;
        }
        let (newest, half) = self.status();
        if half.is_none() {
            self.check(&newest, when).await;
        }
        half
    }
}

/// What a run said, if it did not end with one of these codes.
pub(crate) fn expect(outcome: &Outcome, codes: &[i32], when: &str) {
    assert!(outcome.code.is_some_and(|code| codes.contains(&code)), "{when}:\n{outcome}");
    assert!(!outcome.stderr.contains("panicked"), "{when}:\n{outcome}");
}

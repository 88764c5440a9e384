//! Random kills of the runner and of the server over every phase of an expansion and its way back,
//! while writers of the old and of the new release work. Afterwards it goes on or back, no statement
//! of a release was refused, and no row is lost, changed or at odds with itself.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use downhaul_kit::fault;
use downhaul_kit::{MariaDb, MySql, Postgres, Program, Rng, Session, error_code};

use crate::accident::Server;
use crate::stage::{Engine, Place, expect, number, program};

/// Rows before the first round: several batches of a backfill.
const ROWS: u64 = 3000;
/// How long anything is waited for.
const LIMIT: Duration = Duration::from_secs(120);

/// The first phases, by the number of phases applied before.
const EXPAND: usize = 0;
const BACKFILL: usize = 1;

/// What an empty name becomes where a name must not be empty any more.
const NOBODY: &str = "nobody";
/// Labels of an enum: nine, `l1` to `l9`.
const LABELS: u64 = 9;

/// What is changed: a table `users (id, name, n)` with an index on its names.
struct Kind {
    /// What has to be there before the table.
    first: &'static str,
    /// Type of the key.
    key: &'static str,
    /// `orders`, which refers to it, where there is one.
    referring: &'static str,
    /// Type of the name, and what stands on it.
    name: &'static str,
    change: &'static str,
    /// Table and column of the old release, and of the new one.
    old: (&'static str, &'static str),
    new: (&'static str, &'static str),
    /// What the new release writes before a row of its own, in the same transaction.
    before: &'static str,
    /// Another column, to which the old release writes the same.
    along: &'static str,
    values: Values,
    /// Queries that find what must not be: while the old side is there, and behind the contract.
    never: (&'static str, &'static str),
}

/// What the releases write.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Values {
    /// A text of its own each time.
    Texts,
    /// As the old release likes it also NULL, which the contract fills.
    Nulls,
    /// Labels of an enum.
    Labels,
}

impl Values {
    /// What a row holds before the first round.
    fn of_row(self, id: u64) -> String {
        match self {
            Self::Labels => format!("l{}", 1 + id % LABELS),
            Self::Texts | Self::Nulls => format!("row {id}"),
        }
    }

    /// What a release writes.
    fn written(self, writer: u64, turn: u64, old: bool) -> String {
        match self {
            Self::Labels => format!("l{}", 1 + (writer + turn) % LABELS),
            Self::Nulls if old && turn.is_multiple_of(4) => NOBODY.to_owned(),
            Self::Texts | Self::Nulls => format!("w{writer} {turn}"),
        }
    }

    /// The same as SQL.
    fn sql(self, value: &str) -> String {
        match self {
            Self::Nulls if value == NOBODY => "NULL".to_owned(),
            _ => format!("'{value}'"),
        }
    }

    /// What was read, as it is compared.
    fn read(self, value: Option<String>) -> String {
        match (self, value) {
            (Self::Nulls, None) => NOBODY.to_owned(),
            (_, value) => value.unwrap_or_default(),
        }
    }
}

const RENAMED_COLUMN: Kind = Kind {
    first: "",
    key: "bigint",
    referring: "",
    name: "varchar(80) NOT NULL",
    change: "ALTER TABLE users RENAME COLUMN name TO full_name;\n",
    old: ("users", "name"),
    new: ("users", "full_name"),
    before: "",
    along: "",
    values: Values::Texts,
    never: ("", ""),
};

const RENAMED_RULED: Kind =
    Kind { name: "varchar(80) NOT NULL CHECK (name <> 'nobody')", ..RENAMED_COLUMN };

const RETYPED: Kind = Kind {
    name: "varchar(80) CHARACTER SET latin1 NOT NULL",
    change: "ALTER TABLE users MODIFY COLUMN name varchar(300) CHARACTER SET utf8mb4 NOT NULL;\n",
    old: ("users", "name"),
    new: ("users", "name"),
    ..RENAMED_COLUMN
};

const RETYPED_BY_EXPRESSION: Kind = Kind {
    name: "varchar(300) NOT NULL",
    change: "-- downhaul:forward \"left(name, 80)\"\n-- downhaul:back \"name\"\n\
             ALTER TABLE users MODIFY COLUMN name varchar(80) NOT NULL;\n",
    old: ("users", "name"),
    new: ("users", "name"),
    ..RENAMED_COLUMN
};

/// Another name, another type, other bytes and a default at once.
const CHANGED: Kind = Kind {
    name: "varchar(80) CHARACTER SET latin1 NOT NULL",
    change: "ALTER TABLE users CHANGE name full_name varchar(300) CHARACTER SET utf8mb4 NOT NULL DEFAULT 'nobody';\n",
    ..RENAMED_COLUMN
};

/// The same in SQLite's words: the table is built anew, and gets a second column.
const RETYPED_AND_RENAMED: Kind = Kind {
    change: "ALTER TABLE users RENAME COLUMN name TO full_name;\nALTER TABLE users ALTER COLUMN full_name TYPE text;\n",
    ..RENAMED_COLUMN
};

/// A key and what refers to it: both ends change their type together.
const KEY_AND_REFERENCES: Kind = Kind {
    key: "int",
    referring: "CREATE TABLE orders (id int PRIMARY KEY, user_id int NOT NULL, CONSTRAINT of_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE ON UPDATE CASCADE);\n",
    change: "ALTER TABLE users MODIFY COLUMN id bigint NOT NULL;\n",
    new: ("users", "name"),
    ..RENAMED_COLUMN
};

/// The same on PostgreSQL, which asks the file to name both ends.
const BOTH_ENDS: Kind = Kind {
    key: "serial",
    change: "ALTER TABLE users ALTER COLUMN id TYPE bigint;\nALTER TABLE orders ALTER COLUMN user_id TYPE bigint;\n",
    ..KEY_AND_REFERENCES
};

/// The same where the key counts.
const COUNTED_KEY_AND_REFERENCES: Kind = Kind {
    key: "int AUTO_INCREMENT",
    change: "ALTER TABLE users MODIFY COLUMN id bigint NOT NULL AUTO_INCREMENT, ALGORITHM=COPY, LOCK=SHARED;\n",
    ..KEY_AND_REFERENCES
};

/// A relation that moves into a table of its own: the backfill's way back takes its rows away again.
const MOVED_RELATION: Kind = Kind {
    name: "varchar(80)",
    change: "CREATE TABLE names (id bigint PRIMARY KEY REFERENCES users, full_name varchar(80) NOT NULL);\n\
             INSERT INTO names (id, full_name) SELECT id, name FROM users WHERE name IS NOT NULL;\n\
             -- downhaul:back \"(SELECT n.full_name FROM names n WHERE n.id = users.id)\"\n\
             ALTER TABLE users DROP COLUMN name;\n",
    new: ("names", "full_name"),
    before: "INSERT INTO users (id) VALUES ({id}); ",
    ..RENAMED_COLUMN
};

const RENAMED_TABLE: Kind = Kind {
    name: "varchar(80) NOT NULL",
    change: "RENAME TABLE users TO members;\n",
    old: ("users", "name"),
    new: ("members", "name"),
    ..RENAMED_COLUMN
};

/// A column that must have a value goes; the old release writes it, and has to find one in each row.
const DROPPED_COLUMN: Kind = Kind {
    name: "varchar(80) NOT NULL, fax varchar(80) NOT NULL",
    change: "-- downhaul:back \"concat('none for ', name)\"\nALTER TABLE users DROP COLUMN fax;\n",
    new: ("users", "name"),
    along: "fax",
    // Rows of the new release begin at 11,000,000.
    never: ("SELECT id FROM users WHERE id < 10000000 AND fax <> name OR fax IS NULL", ""),
    ..RENAMED_COLUMN
};

/// Names that may be empty must not be any more: they are filled, the rule binds, and it is proven.
const NEVER_NULL: Kind = Kind {
    name: "varchar(80)",
    change: "-- downhaul:forward \"'nobody'\"\nALTER TABLE users ALTER COLUMN name SET NOT NULL;\n",
    new: ("users", "name"),
    values: Values::Nulls,
    never: ("", "SELECT id FROM users WHERE name IS NULL"),
    ..RENAMED_COLUMN
};

/// The same in the words of MariaDB.
const MODIFIED_NOT_NULL: Kind = Kind {
    change: "-- downhaul:forward \"'nobody'\"\nALTER TABLE users MODIFY COLUMN name varchar(80) NOT NULL;\n",
    ..NEVER_NULL
};

/// Labels in another order, and one that nobody uses goes: another type takes the name of the enum.
const REMADE_ENUM: Kind = Kind {
    first: "CREATE TYPE label AS ENUM ('l0', 'l1', 'l2', 'l3', 'l4', 'l5', 'l6', 'l7', 'l8', 'l9');\n",
    name: "label NOT NULL",
    change: "CREATE TYPE label_new AS ENUM ('l9', 'l8', 'l7', 'l6', 'l5', 'l4', 'l3', 'l2', 'l1');\n\
             ALTER TABLE users ALTER COLUMN name TYPE label_new USING (CASE name::text WHEN 'l0' THEN 'l1' ELSE name::text END)::label_new;\n\
             ALTER TYPE label RENAME TO label_old;\nALTER TYPE label_new RENAME TO label;\nDROP TYPE label_old;\n",
    new: ("users", "name"),
    values: Values::Labels,
    ..RENAMED_COLUMN
};

/// The same where an enum is part of the column.
const RELABELLED: Kind = Kind {
    first: "",
    name: "enum('l0', 'l1', 'l2', 'l3', 'l4', 'l5', 'l6', 'l7', 'l8', 'l9') NOT NULL",
    change: "-- downhaul:forward \"if(name = 'l0', 'l1', name)\"\n-- downhaul:back \"name\"\n\
             ALTER TABLE users MODIFY COLUMN name enum('l9', 'l8', 'l7', 'l6', 'l5', 'l4', 'l3', 'l2', 'l1') NOT NULL;\n",
    ..REMADE_ENUM
};

/// A release: its table and column, on or off, and what it has been told of its rows.
struct Release {
    table: &'static str,
    column: &'static str,
    /// Each of its rows has one in `orders`.
    referred: bool,
    before: &'static str,
    /// Another column that gets the same.
    along: &'static str,
    values: Values,
    /// It was there first.
    is_old: bool,
    on: AtomicBool,
    over: AtomicBool,
    busy: AtomicU64,
    rows: Mutex<BTreeMap<u64, Row>>,
    refused: Mutex<Vec<String>>,
    statements: AtomicU64,
}

/// What may stand in a row.
#[derive(Clone, Debug, Default)]
struct Row {
    /// Said to be written.
    sure: Option<String>,
    /// Sent, and never answered.
    perhaps: Vec<String>,
}

impl Release {
    fn new(kind: &Kind, is_old: bool) -> Arc<Self> {
        let (table, column) = if is_old { kind.old } else { kind.new };
        Arc::new(Self {
            table,
            column,
            referred: !kind.referring.is_empty(),
            before: if is_old { "" } else { kind.before },
            along: if is_old { kind.along } else { "" },
            values: kind.values,
            is_old,
            on: AtomicBool::new(false),
            over: AtomicBool::new(false),
            busy: AtomicU64::new(0),
            rows: Mutex::default(),
            refused: Mutex::default(),
            statements: AtomicU64::new(0),
        })
    }

    /// Off, and its last statement has ended.
    async fn off(&self) {
        self.on.store(false, Ordering::SeqCst);
        let since = Instant::now();
        while self.busy.load(Ordering::SeqCst) > 0 {
            assert!(since.elapsed() < LIMIT, "a statement of {} never ends", self.column);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn turn_on(&self) {
        self.on.store(true, Ordering::SeqCst);
    }

    /// Inserts rows and changes them again, as long as it is on.
    async fn work(self: Arc<Self>, url: String, writer: u64) {
        let mut session: Option<Session> = None;
        let mut turn = 0;
        while !self.over.load(Ordering::SeqCst) {
            self.busy.fetch_add(1, Ordering::SeqCst);
            if self.on.load(Ordering::SeqCst) {
                if session.is_none() {
                    session = connected(&url).await;
                }
                if let Some(open) = &mut session {
                    turn += 1;
                    let id = writer * 1_000_000 + turn / 3;
                    let value = self.values.written(writer, turn, self.is_old);
                    let sql = self.statement(turn % 3 == 0, id, &value);
                    let insert = format!("INSERT INTO orders (id, user_id) VALUES ({id}, {id})");
                    if turn >= 3 && !self.send(open, id, value, &sql).await
                        || self.referred && turn % 3 == 0 && !self.send_other(open, &insert).await
                    {
                        session = None;
                    }
                }
            }
            self.busy.fetch_sub(1, Ordering::SeqCst);
            // A file has one writer at a time, and those who wait have no queue.
            let pause = if url.starts_with("sqlite") { 80 } else { 4 };
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }

    /// Inserts a row, or changes one.
    fn statement(&self, insert: bool, id: u64, value: &str) -> String {
        let (table, column, value) = (self.table, self.column, self.values.sql(value));
        let along = |text: String| if self.along.is_empty() { String::new() } else { text };
        if insert {
            format!(
                "{}INSERT INTO {table} (id, {column}{}) VALUES ({id}, {value}{})",
                self.before.replace("{id}", &id.to_string()),
                along(format!(", {}", self.along)),
                along(format!(", {value}"))
            )
        } else {
            let more = along(format!(", {} = {value}", self.along));
            format!("UPDATE {table} SET {column} = {value}{more} WHERE id = {id}")
        }
    }

    /// Sends one statement; whether the connection lives.
    async fn send(&self, session: &mut Session, id: u64, value: String, sql: &str) -> bool {
        self.rows.lock().unwrap().entry(id).or_default().perhaps.push(value.clone());
        let done = session.try_run(sql).await;
        self.statements.fetch_add(1, Ordering::SeqCst);
        match done {
            Ok(()) => {
                let mut rows = self.rows.lock().unwrap();
                let row = rows.entry(id).or_default();
                // An UPDATE of a row whose INSERT was lost changes nothing.
                if sql.starts_with("INSERT") || row.sure.is_some() {
                    *row = Row { sure: Some(value), perhaps: Vec::new() };
                }
                true
            }
            Err(error) => self.lives(sql, &error_code(&error), &error.to_string()),
        }
    }

    /// Sends a statement of another table; whether the connection lives.
    async fn send_other(&self, session: &mut Session, sql: &str) -> bool {
        let done = session.try_run(sql).await;
        self.statements.fetch_add(1, Ordering::SeqCst);
        match done {
            Ok(()) => true,
            Err(error) => self.lives(sql, &error_code(&error), &error.to_string()),
        }
    }

    /// Whether the connection lives all the same: the statement was refused then.
    fn lives(&self, sql: &str, code: &str, error: &str) -> bool {
        if is_broken(code, error) {
            return false;
        }
        let mut refused = self.refused.lock().unwrap();
        if refused.len() < 5 {
            refused.push(format!("{sql}: {error}"));
        }
        true
    }
}

/// The server is gone, or is going: nobody answered, or PostgreSQL ends its sessions (57P), or MariaDB.
fn is_broken(code: &str, message: &str) -> bool {
    code == "none" || code.starts_with("57P") || code == "08S01" || message.contains("shutdown")
}

async fn connected(url: &str) -> Option<Session> {
    let mut session = Session::try_connect(url).await.ok()?;
    if matches!(session, Session::Sqlite(_)) {
        // A kill of the program takes nothing that a commit gave to the kernel.
        session.run("PRAGMA busy_timeout = 60000; PRAGMA synchronous = OFF").await;
    }
    Some(session)
}

#[derive(Default, Debug)]
struct Tally {
    runner: u32,
    server: u32,
    half_done: u32,
    missed: u32,
    back: u32,
}

struct Soak {
    engine: Engine,
    program: Program,
    server: Server,
    place: Place,
    old: Arc<Release>,
    new: Arc<Release>,
    rng: Rng,
    /// How long each phase takes, up and down.
    takes: Vec<[Duration; 2]>,
    phases: usize,
    /// The contract, by the number of phases applied before.
    contract: usize,
    values: Values,
    never: (&'static str, &'static str),
    /// Phases applied.
    at: usize,
    /// The old column came back empty, and is not filled again.
    hollow: bool,
    tally: Tally,
}

impl Soak {
    async fn begin(engine: Engine, kind: &Kind, seed: u64) -> Self {
        let (server, place, dialect) = match engine {
            Engine::Postgres => {
                let server = Postgres::start();
                let place = Place::postgres(&server).await;
                (Server::Postgres(server), place, "postgres")
            }
            Engine::MariaDb => {
                let server = MariaDb::start();
                let place = Place::mariadb(&server).await;
                (Server::MariaDb(server), place, "mariadb")
            }
            Engine::MySql => {
                let server = MySql::start(&[]);
                let place = Place::mysql(&server).await;
                (Server::MySql(server), place, "mysql")
            }
            Engine::Sqlite => (Server::None, Place::sqlite(), "sqlite"),
        };
        let program = program().database(place.url());
        let base = format!(
            "{}CREATE TABLE users (id {} PRIMARY KEY, name {}, n int DEFAULT 0);\nCREATE INDEX users_name ON users (name);\n{}",
            kind.first, kind.key, kind.name, kind.referring
        );
        let referred = !kind.referring.is_empty();
        program.migration("0001_base", &base, "DROP TABLE users;\n");
        program.ok(&["up", "--yes"]);
        let mut session = connected(&place.url()).await.unwrap();
        let (old, new) = (Release::new(kind, true), Release::new(kind, false));
        let mut rows = String::from("BEGIN;\n");
        for id in 1..=ROWS {
            let row = old.statement(true, id, &kind.values.of_row(id));
            rows.push_str(&format!("{row};\n"));
            if referred {
                rows.push_str(&format!("INSERT INTO orders (id, user_id) VALUES ({id}, {id});\n"));
            }
        }
        session.run(&format!("{rows}COMMIT;")).await;
        session.close().await;
        program.write("drafts/change.sql", kind.change);
        let listed = program.ok(&["expand", "drafts/change.sql", "--dialect", dialect]);
        let files: Vec<&str> =
            listed.stdout.lines().filter(|line| line.ends_with(".up.sql")).collect();
        let phases = files.len();
        let contract = files.iter().position(|name| name.ends_with("_contract.up.sql")).unwrap();
        let writers_of_each = if engine == Engine::Sqlite { 1 } else { 2 };
        for writer in 1..=writers_of_each {
            tokio::spawn(old.clone().work(place.url(), writer));
            tokio::spawn(new.clone().work(place.url(), writer + 10));
        }
        let mut soak = Self {
            engine,
            program,
            server,
            place,
            old,
            new,
            rng: Rng::new(seed),
            takes: vec![[Duration::ZERO; 2]; phases],
            phases,
            contract,
            values: kind.values,
            never: kind.never,
            at: 0,
            hollow: false,
            tally: Tally::default(),
        };
        soak.rest().await;
        for up in [true, false] {
            for step in 0..phases {
                let phase = if up { step } else { phases - 1 - step };
                soak.releases_for(phase).await;
                let begun = Instant::now();
                expect(&soak.run(up), &[0], "undisturbed");
                soak.takes[phase][usize::from(!up)] = begun.elapsed();
                soak.arrived(phase, up).await;
                soak.check("undisturbed").await;
            }
        }
        soak
    }

    fn args(up: bool) -> [&'static str; 6] {
        [if up { "up" } else { "down" }, "--yes", "--steps", "1", "--lock-timeout", "5000"]
    }

    fn run(&self, up: bool) -> downhaul_kit::Outcome {
        self.program.run(&Self::args(up))
    }

    /// Who may write while a phase goes up or down.
    async fn releases_for(&self, phase: usize) {
        if phase == BACKFILL && !self.new.before.is_empty() {
            // Its rows go with the way back: nobody may read them any more.
            self.new.off().await;
        }
        if phase == self.contract || self.hollow {
            self.old.off().await;
        } else if phase == EXPAND || self.at < self.contract {
            self.new.off().await;
        }
    }

    /// Where it is now, and who may write here.
    async fn arrived(&mut self, phase: usize, up: bool) {
        self.at = if up { phase + 1 } else { phase };
        // A table that takes its old name back is whole at once: nothing is filled.
        self.hollow = self.at == self.contract && (!up || self.hollow) && self.phases > 2;
        self.rest().await;
    }

    async fn rest(&self) {
        if self.at < self.contract {
            self.new.off().await;
            self.old.turn_on();
        } else if self.at > self.contract || self.hollow {
            self.old.off().await;
            self.new.turn_on();
        } else {
            self.old.turn_on();
            self.new.turn_on();
        }
    }

    /// One kill, and the way out of it.
    async fn round(&mut self, round: u64) {
        let up = match self.at {
            0 => true,
            at if at == self.phases => false,
            // More often on than back, so that contract is reached.
            _ => !self.rng.one_in(3),
        };
        let phase = if up { self.at } else { self.at - 1 };
        let when = format!("round {round}: phase {phase} {}", if up { "up" } else { "down" });
        self.releases_for(phase).await;
        let met = self.accident(phase, up, &when).await;
        let half = self.half_done();
        let left = if half { "half done" } else { "done or not" };
        let when = format!("{when}, {met}, {left}");
        self.tally.half_done += u32::from(half);
        let applied = self.applied();
        // On, or back: what is wholly done, or not begun, is where it is.
        let reached_up = if half {
            let on = !self.rng.one_in(4);
            let outcome = self.run(up == on);
            if outcome.code == Some(6) {
                assert!(outcome.stderr.contains("finishes it"), "{when}:\n{outcome}");
                expect(&self.run(up != on), &[0], &when);
                up != on
            } else {
                expect(&outcome, &[0], &when);
                up == on
            }
        } else {
            applied > phase
        };
        self.tally.back += u32::from(reached_up != up);
        // How fast the machine is changes with what else it does: kills are to meet all of a phase, and
        // most of those that find nothing begun, or all done, tell little.
        let takes = &mut self.takes[phase][usize::from(!up)];
        if !half && reached_up != up {
            *takes = takes.mul_f64(1.15).min(LIMIT / 4);
        } else if !half {
            *takes = takes.mul_f64(0.9);
        }
        // A phase that was never begun, or taken back, leaves everything as it was.
        if reached_up == up {
            self.arrived(phase, up).await;
        } else {
            self.rest().await;
        }
        println!("{when}, {}", if reached_up == up { "on" } else { "back" });
        assert!(!self.half_done(), "{when}: still half done");
        assert_eq!(self.applied(), self.at, "{when}: phases applied");
        self.check(&when).await;
    }

    /// Tells what it was.
    async fn accident(&mut self, phase: usize, up: bool, when: &str) -> String {
        let server = self.engine != Engine::Sqlite && self.rng.one_in(8);
        let share = self.rng.below(1100) as f64 / 1000.0;
        let takes = self.takes[phase][usize::from(!up)];
        let mut child = self.program.spawn(&Self::args(up));
        tokio::time::sleep(takes.mul_f64(share)).await;
        let met = child.try_wait().unwrap().is_none();
        if server {
            self.server.kill();
            let outcome = self.program.wait(child);
            self.server.restart();
            // Not reached any more, or half way, as far as it was recorded.
            expect(&outcome, &[0, 3, 6], when);
        } else {
            fault::kill9(child.id());
            child.wait().unwrap();
        }
        match (met, server) {
            (false, _) => self.tally.missed += 1,
            (true, true) => self.tally.server += 1,
            (true, false) => self.tally.runner += 1,
        }
        // Writers meet what the kill left.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let whom = if server { "server" } else { "runner" };
        let missed = if met { "" } else { " (missed)" };
        format!("{whom} killed after {share:.2} of {} ms{missed}", takes.as_millis())
    }

    fn states(&self) -> Vec<String> {
        let outcome = self.program.ok(&["status", "--format", "json"]);
        let status: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
        let rows = status["migrations"].as_array().unwrap().iter();
        rows.map(|row| row["state"].as_str().unwrap().to_owned()).collect()
    }

    fn applied(&self) -> usize {
        self.states().iter().filter(|state| *state == "applied").count() - 1
    }

    fn half_done(&self) -> bool {
        self.states().iter().any(|state| state == "applying" || state == "reverting")
    }

    /// Every row holds what its writer was told, on each side that counts here.
    async fn check(&self, when: &str) {
        self.old.off().await;
        self.new.off().await;
        for release in [&self.old, &self.new] {
            let refused = release.refused.lock().unwrap();
            assert!(refused.is_empty(), "{when}: {} was refused: {refused:#?}", release.column);
        }
        let (old, new) = ((self.old.table, self.old.column), (self.new.table, self.new.column));
        let sides = match self.at {
            at if at == self.contract && !self.hollow => vec![old, new],
            at if at < self.contract => vec![old],
            _ => vec![new],
        };
        let mut session = connected(&self.place.url()).await.unwrap();
        for (table, side) in sides {
            let found: BTreeMap<u64, String> = session
                .rows(&format!("SELECT id, {side} FROM {table}"))
                .await
                .into_iter()
                .map(|row| {
                    let value = self.values.read(row[1].clone());
                    (row[0].as_deref().unwrap().parse().unwrap(), value)
                })
                .collect();
            for id in 1..=ROWS {
                assert_eq!(
                    found.get(&id),
                    Some(&self.values.of_row(id)),
                    "{when}: {side} of row {id}"
                );
            }
            for release in [&self.old, &self.new] {
                for (id, row) in release.rows.lock().unwrap().iter() {
                    let is = found.get(id);
                    let fits = is == row.sure.as_ref()
                        || is.is_some_and(|value| row.perhaps.contains(value));
                    assert!(fits, "{when}: {side} of {id} is {is:?}, of {row:?}");
                }
            }
        }
        let (before, behind) = self.never;
        let never = if self.at <= self.contract { before } else { behind };
        if !never.is_empty() {
            let found = session.rows(never).await;
            assert!(found.is_empty(), "{when}: {never}: {:?}", found.first());
        }
        if self.old.referred {
            let apart = "SELECT id FROM orders WHERE user_id <> id OR user_id NOT IN (SELECT id FROM users)";
            let apart = session.rows(apart).await;
            assert!(
                apart.is_empty(),
                "{when}: refers to another row, or to none: {:?}",
                apart.first()
            );
        }
        session.close().await;
        self.rest().await;
    }
}

async fn expand_kill(engine: Engine, kind: &Kind, by_default: u64) {
    let (seed, rounds) = (number("DOWNHAUL_SEED", 4711), number("DOWNHAUL_ROUNDS", by_default));
    let started = Instant::now();
    let mut soak = Soak::begin(engine, kind, seed).await;
    let mut round = 0;
    while u64::from(soak.tally.runner + soak.tally.server) < rounds {
        round += 1;
        soak.round(round).await;
        if round % 50 == 0 {
            println!("{engine:?}: {round} rounds, {:?}, {:?}", started.elapsed(), soak.tally);
        }
        assert!(round < 20 + 10 * rounds, "too few are met: {:?}", soak.tally);
    }
    // Few rounds may be over before anybody came to write on a busy machine.
    let written = || -> u64 {
        [&soak.old, &soak.new].iter().map(|r| r.statements.load(Ordering::SeqCst)).sum()
    };
    let waits = Instant::now();
    while written() == 0 && waits.elapsed() < LIMIT {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let statements = written();
    for release in [&soak.old, &soak.new] {
        release.off().await;
        release.over.store(true, Ordering::SeqCst);
    }
    assert!(statements > 0, "nobody wrote");
    println!(
        "expand-kill {engine:?}, seed {seed}, {rounds} kills and {statements} statements in {:.0} s: {:?}",
        started.elapsed().as_secs_f64(),
        soak.tally
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres() {
    expand_kill(Engine::Postgres, &RENAMED_COLUMN, 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_moved() {
    expand_kill(Engine::Postgres, &MOVED_RELATION, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_referred() {
    expand_kill(Engine::Postgres, &BOTH_ENDS, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_dropped() {
    expand_kill(Engine::Postgres, &DROPPED_COLUMN, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_never_null() {
    expand_kill(Engine::Postgres, &NEVER_NULL, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_enum() {
    expand_kill(Engine::Postgres, &REMADE_ENUM, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_mariadb_dropped() {
    expand_kill(Engine::MariaDb, &DROPPED_COLUMN, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_mariadb_never_null() {
    expand_kill(Engine::MariaDb, &MODIFIED_NOT_NULL, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_mariadb_enum() {
    expand_kill(Engine::MariaDb, &RELABELLED, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_mariadb() {
    expand_kill(Engine::MariaDb, &RENAMED_COLUMN, 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite() {
    expand_kill(Engine::Sqlite, &RENAMED_COLUMN, 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_mariadb_ruled() {
    expand_kill(Engine::MariaDb, &RENAMED_RULED, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_mariadb_retyped() {
    expand_kill(Engine::MariaDb, &RETYPED, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_mariadb_by_expression() {
    expand_kill(Engine::MariaDb, &RETYPED_BY_EXPRESSION, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_mariadb_changed() {
    expand_kill(Engine::MariaDb, &CHANGED, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite_retyped() {
    expand_kill(Engine::Sqlite, &RETYPED_AND_RENAMED, 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_mariadb_table() {
    expand_kill(Engine::MariaDb, &RENAMED_TABLE, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_mariadb_referred() {
    expand_kill(Engine::MariaDb, &KEY_AND_REFERENCES, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_mariadb_counted() {
    expand_kill(Engine::MariaDb, &COUNTED_KEY_AND_REFERENCES, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "wants MySQL: scripts/mysql-tests"]
async fn on_mysql() {
    expand_kill(Engine::MySql, &RENAMED_COLUMN, 6).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "wants MySQL: scripts/mysql-tests"]
async fn on_mysql_retyped() {
    expand_kill(Engine::MySql, &RETYPED, 6).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "wants MySQL: scripts/mysql-tests"]
async fn on_mysql_by_expression() {
    expand_kill(Engine::MySql, &RETYPED_BY_EXPRESSION, 6).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "wants MySQL: scripts/mysql-tests"]
async fn on_mysql_changed() {
    expand_kill(Engine::MySql, &CHANGED, 6).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "wants MySQL: scripts/mysql-tests"]
async fn on_mysql_table() {
    expand_kill(Engine::MySql, &RENAMED_TABLE, 6).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "wants MySQL: scripts/mysql-tests"]
async fn on_mysql_referred() {
    expand_kill(Engine::MySql, &KEY_AND_REFERENCES, 6).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "wants MySQL: scripts/mysql-tests"]
async fn on_mysql_counted() {
    expand_kill(Engine::MySql, &COUNTED_KEY_AND_REFERENCES, 6).await;
}

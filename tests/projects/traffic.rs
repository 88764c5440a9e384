//! Random statements of several sessions, made up from the catalog.

use downhaul_kit::{Rng, Session, error_code, error_text};

use crate::catalog::{Catalog, Column, Table};
use crate::project::Engine;

/// One session of an application.
struct Clerk {
    session: Session,
    /// A transaction is open, and may use `TRUNCATE`.
    open: Option<bool>,
}

pub(crate) struct Traffic {
    pub(crate) catalog: Catalog,
    clerks: Vec<Clerk>,
    /// Statements that the server took, and refused.
    pub(crate) taken: usize,
    pub(crate) refused: usize,
    /// Refused by what tracks.
    pub(crate) ours: Vec<String>,
}

/// Codes of those who met another session: a wait, a deadlock, a serialization failure.
const MEETINGS: [&str; 6] = ["55P03", "40P01", "40001", "57014", "1205", "1213"];

impl Traffic {
    pub(crate) async fn new(catalog: Catalog, url: &str, clerks: usize) -> Self {
        let mut all = Vec::new();
        let engine = catalog.engine;
        for _ in 0..clerks {
            let mut session = Session::connect(url).await;
            // One thread drives them all: nobody may wait for another.
            session
                .run(match engine {
                    Engine::Postgres => "SET lock_timeout = '20ms'; SET client_min_messages = error",
                    Engine::MySql => "SET innodb_lock_wait_timeout = 0, lock_wait_timeout = 0",
                    Engine::Sqlite => {
                        "PRAGMA foreign_keys = on; PRAGMA busy_timeout = 0; PRAGMA recursive_triggers = on"
                    }
                })
                .await;
            all.push(Clerk { session, open: None });
        }
        Self { catalog, clerks: all, taken: 0, refused: 0, ours: Vec::new() }
    }

    async fn run(&mut self, clerk: usize, sql: &str) -> bool {
        match self.clerks[clerk].session.try_run(sql).await {
            Ok(()) => {
                self.taken += 1;
                true
            }
            Err(error) => {
                self.refused += 1;
                let text = error_text(&error);
                if std::env::var_os("DOWNHAUL_REFUSED").is_some() {
                    println!("      {text}: {sql}");
                }
                if text.contains("downhaul") && !MEETINGS.contains(&error_code(&error).as_str()) {
                    self.ours.push(format!("{text}\n  in: {sql}"));
                }
                false
            }
        }
    }

    /// A few rows of each table, those first to which others refer.
    pub(crate) async fn fill(&mut self, rng: &mut Rng, passes: usize) {
        for _ in 0..passes {
            let mut order: Vec<usize> = (0..self.catalog.tables.len()).collect();
            rng.shuffle(&mut order);
            for table in order {
                for _ in 0..4 {
                    let values = self.row(rng, 0, table).await;
                    let sql = self.insert("INSERT INTO", table, &values);
                    self.run(0, &sql).await;
                }
            }
        }
    }

    /// So many statements; transactions may be open afterwards.
    pub(crate) async fn write(&mut self, rng: &mut Rng, statements: usize) {
        if self.catalog.tables.is_empty() {
            return;
        }
        for _ in 0..statements {
            let clerk = rng.below(self.clerks.len());
            if self.clerks[clerk].open.is_none() && rng.one_in(8) {
                self.begin(rng, clerk).await;
            }
            let open = self.clerks[clerk].open;
            if open.is_some() {
                // It fails where a deadlock has ended the transaction.
                let _ = self.clerks[clerk].session.try_run("SAVEPOINT a").await;
            }
            let sql = self.statement(rng, clerk, open.unwrap_or(true)).await;
            let done = self.run(clerk, &sql).await;
            if open.is_some() {
                if !done || rng.one_in(6) {
                    let _ = self.clerks[clerk].session.try_run("ROLLBACK TO SAVEPOINT a").await;
                }
                if rng.one_in(4) {
                    self.end(rng, clerk).await;
                }
            }
        }
    }

    async fn begin(&mut self, rng: &mut Rng, clerk: usize) {
        let weak = rng.one_in(2);
        let session = &mut self.clerks[clerk].session;
        let begun = match self.catalog.engine {
            Engine::Postgres => {
                let level = if weak {
                    "READ COMMITTED"
                } else {
                    *rng.pick(&["REPEATABLE READ", "SERIALIZABLE"])
                };
                session.try_run(&format!("BEGIN ISOLATION LEVEL {level}")).await
            }
            Engine::MySql => {
                let level = rng.pick(&["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]);
                session
                    .try_run(&format!("SET TRANSACTION ISOLATION LEVEL {level}; START TRANSACTION"))
                    .await
            }
            Engine::Sqlite => session.try_run(if weak { "BEGIN" } else { "BEGIN IMMEDIATE" }).await,
        };
        self.clerks[clerk].open = begun.is_ok().then_some(weak);
    }

    async fn end(&mut self, rng: &mut Rng, clerk: usize) {
        let clerk = &mut self.clerks[clerk];
        let committed = !rng.one_in(4) && clerk.session.try_run("COMMIT").await.is_ok();
        if !committed {
            // A transaction that has ended by itself has nothing to roll back.
            let _ = clerk.session.try_run("ROLLBACK").await;
        }
        clerk.open = None;
    }

    /// All transactions end.
    pub(crate) async fn settle(&mut self, rng: &mut Rng) {
        for clerk in 0..self.clerks.len() {
            if self.clerks[clerk].open.is_some() {
                self.end(rng, clerk).await;
            }
        }
    }

    pub(crate) async fn close(self) {
        for clerk in self.clerks {
            clerk.session.close().await;
        }
    }

    /// Columns with values for a row: those of references from rows that are there.
    async fn row(&mut self, rng: &mut Rng, clerk: usize, table: usize) -> Vec<(String, String)> {
        let engine = self.catalog.engine;
        let table = self.catalog.tables[table].clone();
        let mut values: Vec<(String, String)> = Vec::new();
        for column in table.columns.iter().filter(|c| !c.computed) {
            if column.may_be_left_out() && rng.one_in(2) {
                continue;
            }
            values.push((column.name.clone(), column.value(engine, rng)));
        }
        for reference in &table.references {
            if rng.one_in(12) {
                continue;
            }
            let session = &mut self.clerks[clerk].session;
            let rows = self.catalog.referred(session, reference).await;
            if rows.is_empty() {
                // Rather none than one that leads nowhere.
                for name in &reference.columns {
                    let column = table.columns.iter().find(|c| c.name == *name);
                    if column.is_some_and(|c| c.nullable) && !rng.one_in(4) {
                        values.retain(|(n, _)| n != name);
                        values.push((name.clone(), "NULL".into()));
                    }
                }
                continue;
            }
            let row = rng.pick(&rows).clone();
            for (name, value) in reference.columns.iter().zip(row) {
                let column = table.columns.iter().find(|c| c.name == *name);
                if column.is_some_and(|c| !c.computed) {
                    let keeps = column.is_some_and(|c| c.nullable) && rng.one_in(6);
                    values.retain(|(n, _)| n != name);
                    values.push((name.clone(), if keeps { "NULL".into() } else { value }));
                }
            }
        }
        values
    }

    fn insert(&self, verb: &str, table: usize, values: &[(String, String)]) -> String {
        let table = &self.catalog.tables[table];
        if values.is_empty() {
            let none = if self.catalog.engine == Engine::MySql {
                "() VALUES ()"
            } else {
                "DEFAULT VALUES"
            };
            return format!("{verb} {} {none}", table.quoted);
        }
        let names: Vec<String> = values.iter().map(|(name, _)| self.catalog.q(name)).collect();
        let texts: Vec<&str> = values.iter().map(|(_, value)| value.as_str()).collect();
        format!("{verb} {} ({}) VALUES ({})", table.quoted, names.join(", "), texts.join(", "))
    }

    /// A `WHERE` for a few rows, or for many.
    async fn some(&mut self, rng: &mut Rng, clerk: usize, table: usize) -> String {
        let table = self.catalog.tables[table].clone();
        let how_many = *rng.pick(&[1, 1, 1, 2, 5]);
        let session = &mut self.clerks[clerk].session;
        if rng.one_in(8) {
            return self.condition(rng, clerk, &table).await;
        }
        if table.key.is_empty() {
            return match table.place {
                Some(place) => format!(
                    "WHERE {place} IN (SELECT {place} FROM {} ORDER BY {place} LIMIT {how_many} OFFSET {})",
                    table.quoted,
                    rng.below(8)
                ),
                None => format!("LIMIT {how_many}"),
            };
        }
        let key: Vec<&Column> = table.key.iter().map(|at| &table.columns[*at]).collect();
        let mut rows = self.catalog.literals(session, &table, &key, "", 300).await;
        if rows.is_empty() {
            return "WHERE 1 = 0".into();
        }
        rng.shuffle(&mut rows);
        rows.truncate(how_many);
        let same = |row: &Vec<String>| {
            let parts: Vec<String> = key
                .iter()
                .zip(row)
                .map(|(column, value)| format!("{} = {value}", self.catalog.q(&column.name)))
                .collect();
            format!("({})", parts.join(" AND "))
        };
        format!("WHERE {}", rows.iter().map(same).collect::<Vec<_>>().join(" OR "))
    }

    /// A condition over one column.
    pub(crate) async fn condition(&mut self, rng: &mut Rng, clerk: usize, table: &Table) -> String {
        let column = rng.pick(&table.columns).clone();
        let name = self.catalog.q(&column.name);
        let session = &mut self.clerks[clerk].session;
        let rows = self.catalog.literals(session, table, &[&column], "", 40).await;
        let plain = !["json", "xml", "point"].iter().any(|ty| column.ty.contains(ty));
        match (rows.is_empty(), plain) {
            (false, true) if !rng.one_in(4) => {
                let value = &rng.pick(&rows)[0];
                if value == "NULL" {
                    format!("WHERE {name} IS NOT NULL")
                } else {
                    format!("WHERE {name} {} {value}", rng.pick(&["=", "<", ">=", "<>"]))
                }
            }
            _ => format!("WHERE {name} IS NULL"),
        }
    }

    async fn statement(&mut self, rng: &mut Rng, clerk: usize, may_truncate: bool) -> String {
        let engine = self.catalog.engine;
        let table = rng.below(self.catalog.tables.len());
        let name = self.catalog.tables[table].quoted.clone();
        match rng.below(100) {
            0..25 => {
                let values = self.row(rng, clerk, table).await;
                self.put(rng, table, &values)
            }
            25..40 => format!("DELETE FROM {name} {}", self.some(rng, clerk, table).await),
            40 => match engine {
                Engine::Postgres if may_truncate && rng.one_in(5) => {
                    format!("TRUNCATE {name} CASCADE")
                }
                Engine::Postgres if may_truncate => format!("TRUNCATE {name}"),
                _ => format!("DELETE FROM {name}"),
            },
            41..45 => self.shift(rng, clerk, table).await,
            _ => {
                let mut values = self.row(rng, clerk, table).await;
                rng.shuffle(&mut values);
                values.truncate(1 + rng.below(4));
                if values.is_empty() {
                    return format!("DELETE FROM {name} WHERE 1 = 0");
                }
                let sets: Vec<String> =
                    values.iter().map(|(n, v)| format!("{} = {v}", self.catalog.q(n))).collect();
                let keyed = !self.catalog.tables[table].key.is_empty();
                let verb = match engine {
                    Engine::Sqlite => rng.pick(&["", "", "", " OR IGNORE", " OR REPLACE"]),
                    // What it leaves as it is counts as changed where no key tells (docs/limits.md).
                    Engine::MySql if keyed => rng.pick(&["", "", " IGNORE"]),
                    _ => "",
                };
                format!(
                    "UPDATE{verb} {name} SET {} {}",
                    sets.join(", "),
                    self.some(rng, clerk, table).await
                )
            }
        }
    }

    /// An `INSERT` of some kind.
    fn put(&self, rng: &mut Rng, table: usize, values: &[(String, String)]) -> String {
        let this = &self.catalog.tables[table];
        let of_key: Vec<String> =
            this.key.iter().map(|at| self.catalog.q(&this.columns[*at].name)).collect();
        let change = |value: &dyn Fn(&str) -> String| {
            let sets: Vec<String> = values
                .iter()
                .take(3)
                .map(|(name, _)| self.catalog.q(name))
                .map(|name| format!("{name} = {}", value(&name)))
                .collect();
            sets.join(", ")
        };
        let plain = self.insert("INSERT INTO", table, values);
        match (self.catalog.engine, rng.below(6)) {
            (Engine::Postgres, 0) => format!("{plain} ON CONFLICT DO NOTHING"),
            (Engine::Postgres | Engine::Sqlite, 1) if !of_key.is_empty() && !values.is_empty() => {
                format!(
                    "{plain} ON CONFLICT ({}) DO UPDATE SET {}",
                    of_key.join(", "),
                    change(&|name| format!("excluded.{name}"))
                )
            }
            (Engine::MySql, 0) => self.insert("INSERT IGNORE INTO", table, values),
            (Engine::MySql, 1) => self.insert("REPLACE INTO", table, values),
            (Engine::MySql, 2) if !values.is_empty() => {
                format!(
                    "{plain} ON DUPLICATE KEY UPDATE {}",
                    change(&|name| format!("VALUES({name})"))
                )
            }
            (Engine::Sqlite, 0) => self.insert("INSERT OR IGNORE INTO", table, values),
            (Engine::Sqlite, 2) => self.insert("REPLACE INTO", table, values),
            _ => plain,
        }
    }

    /// All rows at once: a number counts up, two columns change places, or values of other rows are taken.
    async fn shift(&mut self, rng: &mut Rng, clerk: usize, table: usize) -> String {
        let table_name = self.catalog.tables[table].quoted.clone();
        let columns: Vec<Column> =
            self.catalog.tables[table].columns.iter().filter(|c| !c.computed).cloned().collect();
        if columns.is_empty() {
            return format!("DELETE FROM {table_name}");
        }
        let one = rng.pick(&columns).clone();
        let twin: Vec<&Column> =
            columns.iter().filter(|c| c.ty == one.ty && c.name != one.name).collect();
        let a = self.catalog.q(&one.name);
        let sets = if !twin.is_empty() && rng.one_in(2) {
            let b = self.catalog.q(&rng.pick(&twin).name);
            format!("{a} = {b}, {b} = {a}")
        } else if one.ty.to_lowercase().contains("int") && !one.ty.ends_with("[]") {
            format!("{a} = {a} + {}", rng.pick(&["1", "100", "(-1)"]))
        } else {
            format!("{a} = {a}")
        };
        let which = if rng.one_in(2) { String::new() } else { self.some(rng, clerk, table).await };
        format!("UPDATE {table_name} SET {sets} {which}")
    }
}

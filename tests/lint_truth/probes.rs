//! What clients may do to a table, asked before and after a statement: is a duplicate, an orphan, a
//! value at the edge of its type let in, and does a write still do what it did? The probes are made
//! from the catalog of the server as it was before, the same for every table of every set, and each
//! is rolled back.

use std::collections::{BTreeMap, BTreeSet};

use downhaul_kit::{Session, error_code};

use crate::data::Engine;
use crate::shape::{Column, Shape, Table};
use crate::truth::{Truth, normal};
use crate::values;

/// What came of each probe.
#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    engine: Option<Engine>,
    shape: Shape,
    /// All that decides what is let in, by table; of no table in particular under no name.
    rules: BTreeMap<String, String>,
    tries: BTreeMap<Try, Outcome>,
    /// Whether a text of a column is found when it is looked for in capitals.
    found: BTreeMap<(String, String), bool>,
    works: BTreeMap<Work, Worked>,
}

/// One probe that is let in or refused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Try {
    /// A copy of a row with fresh keys.
    Copy(String),
    /// Two of them with a value in a column.
    Value(String, String, String),
    /// One that does not name a column.
    Omitted(String, String),
    /// One with the columns of a key as they are.
    Again(String, Vec<String>),
    /// The same with its texts in capitals.
    AgainInCapitals(String, Vec<String>),
    /// One whose reference points nowhere.
    Orphan(String, Vec<String>),
    /// A column of one row is given a fresh value.
    Update(String, String),
    /// A row is deleted.
    Delete(String),
    /// A copy with a value in a column is deleted again.
    DeleteOf(String, String, String),
}

/// One write whose work is looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Work {
    Insert(String),
    Update(String, String),
    Delete(String),
}

/// What a write did.
#[derive(Clone, Debug, Default, PartialEq)]
struct Worked {
    /// Rows written, those that triggers and references write with it.
    rows: u64,
    /// Columns of the row that hold another value than was given, or than they held.
    others: BTreeSet<String>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    Accepted,
    Refused(Guard),
}

/// What refuses a write.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Guard {
    /// A key, a reference, an exclusion, a trigger: nothing else keeps such rows out.
    Relation,
    /// The type, `NOT NULL`, a check: what else a column may hold.
    Domain,
}

/// Which tables a statement may be about: those that it names, all where it names none.
pub(crate) fn named<'a>(shape: &'a Shape, statement: &str) -> Vec<&'a Table> {
    let lower = statement.to_lowercase();
    let of: Vec<&Table> =
        shape.tables.iter().filter(|t| lower.contains(&t.plain.to_lowercase())).collect();
    if of.is_empty() { shape.tables.iter().collect() } else { of }
}

/// A statement that writes rows and nothing else changes no rule for later writes.
pub(crate) fn only_rows(statement: &str) -> bool {
    const ROWS: &[&str] =
        &["INSERT ", "UPDATE ", "DELETE ", "MERGE ", "REPLACE ", "SELECT ", "WITH "];
    let upper = statement.to_uppercase();
    upper.split("; ").all(|s| ROWS.iter().any(|r| s.trim_start().starts_with(r)))
}

/// One of its statements is there to change rows: that it did nothing depends on them. What stands in
/// a body is carried out by others.
pub(crate) fn idle(statement: &str) -> bool {
    let upper = statement.to_uppercase();
    // Of a table that is gone at the end, nothing is counted.
    let bodies = ["TRIGGER ", "FUNCTION ", "PROCEDURE ", "EVENT ", "RULE ", "DROP TABLE "];
    if upper.starts_with("DO ") || bodies.iter().any(|b| upper.contains(b)) {
        return false;
    }
    upper.split("; ").any(|s| writes_rows(s) || s.trim_start().starts_with("TRUNCATE "))
}

/// In capitals, one statement.
fn writes_rows(statement: &str) -> bool {
    const VERBS: &[&str] = &["INSERT ", "UPDATE ", "DELETE ", "MERGE ", "REPLACE ", "WITH "];
    VERBS.iter().any(|verb| statement.trim_start().starts_with(verb))
}

/// Tables of which all rows, by their number before, were written or copied by a statement that names
/// them: on MariaDB they stay locked until its end, and the replicas need as long again.
pub(crate) fn written_in_full(
    statement: &str,
    rows: &BTreeMap<String, u64>,
    written: u64,
) -> BTreeSet<String> {
    const MANY: u64 = 50;
    let upper = statement.to_uppercase();
    let copies = |s: &str| s.trim_start().starts_with("CREATE ") && s.contains("SELECT ");
    let body = upper.contains("TRIGGER ") || upper.contains("PROCEDURE ");
    let texts: Vec<&str> =
        upper.split("; ").filter(|s| !body && (writes_rows(s) || copies(s))).collect();
    let names = |text: &str, table: &str| {
        text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|w| w == table)
    };
    rows.iter()
        .filter(|(_, count)| **count >= MANY && written >= **count)
        .filter(|(table, _)| texts.iter().any(|text| names(text, &table.to_uppercase())))
        .map(|(table, _)| table.clone())
        .collect()
}

impl Outcomes {
    /// Asks about tables of an earlier shape as they are now.
    pub(crate) async fn read(session: &mut Session, engine: Engine, tables: &[&Table]) -> Self {
        let shape = Shape::read(session, engine).await;
        let rules = rules(session, engine, tables).await;
        let mut out = Self { engine: Some(engine), shape, rules, ..Self::default() };
        out.ask(session, engine, tables).await;
        out
    }

    /// Asks again, and compares. Where no definition is another, no answer is.
    pub(crate) async fn compare_with_now(
        &self,
        session: &mut Session,
        engine: Engine,
        statement: &str,
        truth: &mut Truth,
    ) {
        let tables = named(&self.shape, statement);
        let shape = Shape::read(session, engine).await;
        let rules = rules(session, engine, &tables).await;
        let mut now = Self { engine: Some(engine), shape, rules, ..Self::default() };
        if now.rules.iter().any(|(table, text)| self.rules.get(table) != Some(text)) {
            now.ask(session, engine, &tables).await;
        }
        self.compare(&now, truth);
    }

    async fn ask(&mut self, session: &mut Session, engine: Engine, tables: &[&Table]) {
        for table in tables {
            let Some(now) = self.shape.table(&table.name).cloned() else { continue };
            self.about(session, engine, table, &now).await;
        }
    }

    async fn about(&mut self, session: &mut Session, engine: Engine, table: &Table, now: &Table) {
        let there = |c: &str| now.columns.iter().any(|n| n.name == c);
        // Without a row there is nothing to copy.
        let any = format!("SELECT '1' FROM {} LIMIT 1", table.name);
        let empty = session.try_rows(&any).await.is_ok_and(|r| r.is_empty());
        let rows = Rows { engine, table, there: &there, empty };
        let name = || table.name.clone();
        let mut tries = vec![(Try::Copy(name()), rows.copy(1, &[]))];
        self.tried(session, engine, tries.split_off(0)).await;
        let copied = self.tries.get(&Try::Copy(name())) == Some(&Outcome::Accepted);
        for column in table.columns.iter().filter(|c| copied && c.given && there(&c.name)) {
            // A large key would leave no number for those that come after, on MariaDB.
            let counted = engine == Engine::MariaDb && table.is_key(&column.name);
            let edges = values::edges(engine, column);
            for value in edges.into_iter().filter(|v| !counted || v.len() < 5) {
                let fixed = [(column.name.as_str(), value.clone())];
                let mut sql = rows.copy(1, &fixed);
                if !table.uniques.iter().any(|u| u.contains(&column.name)) {
                    sql = format!("{sql}; {}", rows.copy(2, &fixed));
                }
                // Triggers may look at what a row holds.
                let delete = rows.place_of_copy(&fixed).filter(|_| table.works || now.works);
                if let Some(place) = delete {
                    let sql = format!("{sql}; DELETE FROM {} WHERE {place}", table.name);
                    let key = Try::DeleteOf(name(), column.name.clone(), value.clone());
                    tries.push((key, sql));
                }
                tries.push((Try::Value(name(), column.name.clone(), value), sql));
            }
            tries.push((Try::Omitted(name(), column.name.clone()), rows.omitting(&column.name)));
        }
        let uniques = table.uniques.iter().filter(|u| u.iter().all(|c| there(c)));
        for unique in uniques.filter(|_| !empty) {
            tries.push((Try::Again(name(), unique.clone()), rows.again(unique, false)));
            if unique.iter().filter_map(|c| table.column(c)).any(Column::is_text) {
                let key = Try::AgainInCapitals(name(), unique.clone());
                tries.push((key, rows.again(unique, true)));
            }
        }
        // On PostgreSQL no text is like another, but for types and collations of extensions.
        let texts = table.columns.iter().filter(|c| c.is_text() && there(&c.name));
        for column in texts.filter(|_| engine != Engine::Postgres) {
            let (t, c) = (&table.name, &column.name);
            let sql = format!(
                "SELECT '1' FROM {t} WHERE {c} = (SELECT upper({c}) FROM {t} WHERE {c} IS NOT NULL \
                 ORDER BY {c} LIMIT 1) LIMIT 1"
            );
            let found = session.try_rows(&sql).await.is_ok_and(|rows| !rows.is_empty());
            self.found.insert((t.clone(), c.clone()), found);
        }
        for columns in table.references.iter().filter(|u| u.iter().all(|c| there(c))) {
            let nowhere: Vec<(&str, String)> = columns
                .iter()
                .filter_map(|c| Some((c.as_str(), values::fresh(engine, table.column(c)?, 5)?)))
                .collect();
            if nowhere.len() == columns.len() {
                tries.push((Try::Orphan(name(), columns.clone()), rows.copy(1, &nowhere)));
            }
        }
        let plain: Vec<&Column> =
            table.columns.iter().filter(|c| c.given && there(&c.name)).collect();
        let place = rows.place(session).await;
        let mut works = Vec::new();
        if let Some(place) = &place {
            let delete = format!("DELETE FROM {} WHERE {place}", table.name);
            tries.push((Try::Delete(name()), delete.clone()));
            works.push((Work::Delete(name()), delete, None));
            works.push((Work::Insert(name()), rows.copy(1, &[]), None));
            for column in plain.iter().filter(|c| !table.is_key(&c.name)) {
                let Some(value) = values::fresh(engine, column, 1) else { continue };
                let (t, c) = (&table.name, &column.name);
                let sql = format!("UPDATE {t} SET {c} = {value} WHERE {place}");
                tries.push((Try::Update(name(), c.clone()), sql.clone()));
                let set = (c.as_str(), value);
                let looked = Looked { table, columns: &plain, place, set };
                works.push((Work::Update(name(), c.clone()), sql, Some(looked)));
            }
        }
        self.tried(session, engine, tries).await;
        if table.works || now.works {
            for (key, sql, looked) in works {
                self.worked(session, engine, key, &sql, looked).await;
            }
        }
    }

    async fn tried(&mut self, session: &mut Session, engine: Engine, tries: Vec<(Try, String)>) {
        if engine == Engine::Postgres {
            return self.tried_at_once(session, tries).await;
        }
        let (begin, end) = around(engine);
        for (key, sql) in tries {
            let outcome = match session.try_run(&format!("{begin}; {sql}; {end}")).await {
                Ok(()) => Outcome::Accepted,
                Err(error) => {
                    // A trigger of SQLite may have ended the transaction.
                    let _ = session.try_run(end).await;
                    Outcome::Refused(guard(engine, &error_code(&error), &error.to_string()))
                }
            };
            self.tries.insert(key, outcome);
        }
    }

    /// All in one message: each in a block that ends with an error of its own.
    async fn tried_at_once(&mut self, session: &mut Session, tries: Vec<(Try, String)>) {
        const ACCEPTED: &str = "ZZ999";
        let (keys, texts): (Vec<Try>, Vec<String>) =
            tries.into_iter().map(|(key, sql)| (key, values::text(&sql))).unzip();
        if keys.is_empty() {
            return;
        }
        let sql = format!(
            "DO $probes$ DECLARE probe text; told text := ''; BEGIN \
             FOREACH probe IN ARRAY ARRAY[{}]::text[] LOOP BEGIN EXECUTE probe; \
             RAISE EXCEPTION USING ERRCODE = '{ACCEPTED}'; \
             EXCEPTION WHEN OTHERS THEN told := told || SQLSTATE || ' '; END; END LOOP; \
             PERFORM set_config('probes.told', told, false); END $probes$",
            texts.join(", ")
        );
        session.run(&sql).await;
        let told = session.value("SELECT current_setting('probes.told')").await.unwrap_or_default();
        for (key, code) in keys.into_iter().zip(told.split(' ')) {
            let outcome = match code {
                ACCEPTED => Outcome::Accepted,
                code => Outcome::Refused(guard(Engine::Postgres, code, "")),
            };
            self.tries.insert(key, outcome);
        }
    }

    async fn worked(
        &mut self,
        session: &mut Session,
        engine: Engine,
        key: Work,
        sql: &str,
        looked: Option<Looked<'_>>,
    ) {
        let (begin, end) = around(engine);
        session.run(begin).await;
        let old = match &looked {
            Some(looked) => looked.row(session).await,
            None => Vec::new(),
        };
        let before = written(session, engine).await;
        let mut worked = None;
        if session.try_run(sql).await.is_ok() {
            let rows = written(session, engine).await - before;
            let others = match &looked {
                Some(looked) => looked.others(&old, &looked.row(session).await),
                None => BTreeSet::new(),
            };
            worked = Some(Worked { rows, others });
        }
        let _ = session.try_run(end).await;
        if let Some(worked) = worked {
            self.works.insert(key, worked);
        }
    }

    /// What is refused now that was not, what is let in now that a guard kept out, and what a write
    /// no longer does.
    fn compare(&self, now: &Self, truth: &mut Truth) {
        for (key, new) in &now.tries {
            match (self.tries.get(key), new) {
                (Some(Outcome::Accepted), Outcome::Refused(_)) => {
                    truth.refuses.insert(self.told(&key.object()));
                }
                (Some(Outcome::Refused(Guard::Relation)), Outcome::Accepted) => {
                    truth.lets.insert(self.told(&key.object()));
                }
                _ => {}
            }
        }
        for (key, new) in &now.works {
            // Where nothing is to be done beside it, a write does what it says.
            let plain = Worked { rows: 1, others: BTreeSet::new() };
            let old = self.works.get(key).unwrap_or(&plain);
            let (Work::Insert(table) | Work::Delete(table) | Work::Update(table, _)) = key;
            if new.rows < old.rows {
                truth.stops.insert(self.told(table));
            }
            for gone in old.others.difference(&new.others) {
                if now.shape.table(table).is_some_and(|t| t.column(gone).is_some()) {
                    truth.stops.insert(self.told(&format!("{table}.{gone}")));
                }
            }
        }
        // Where a plain copy is refused, every other insert is.
        within(&mut truth.refuses, &truth.loses, &self.shape);
        truth.names = self.shape.names.difference(&now.shape.names).cloned().collect();
        if self.engine != Some(Engine::Postgres) {
            // In capitals or not, a column is found.
            truth.names.retain(|gone| !now.shape.has_column_like(gone));
        }
        for ((table, column), found) in &self.found {
            if *found
                && truth.loses.is_empty()
                && now.found.get(&(table.clone(), column.clone())) == Some(&false)
            {
                truth.breaks.insert(format!("find-{}", self.told(&format!("{table}.{column}"))));
            }
        }
        // Nothing has come in its place: it is not called otherwise, but dropped.
        let new: Vec<&String> = now.shape.names.difference(&self.shape.names).collect();
        let table_of = |name: &str| name.rsplit_once('.').map(|(table, _)| table.to_owned());
        truth.drops = truth
            .names
            .iter()
            .filter(|gone| !new.iter().any(|n| table_of(n) == table_of(gone)))
            // What is computed is lost with nothing.
            .filter(|gone| self.engine == Some(Engine::Postgres) || !self.shape.is_computed(gone))
            .filter(|gone| {
                let table = table_of(gone).filter(|t| self.shape.names.contains(t));
                self.shape.is_table(gone) && table.is_none_or(|t| now.shape.names.contains(&t))
            })
            .cloned()
            .collect();
        // What is gone with its values is told as a loss.
        within(&mut truth.names, &truth.loses, &self.shape);
        within(&mut truth.drops, &truth.loses, &self.shape);
    }

    /// A name as the files have it: the quotes of PostgreSQL are its own.
    fn told(&self, name: &str) -> String {
        if self.engine == Some(Engine::Postgres) || name.contains(' ') {
            name.to_owned()
        } else {
            name.replace(['`', '"'], "")
        }
    }
}

/// Leaves out columns of tables that are named themselves, and what is among `told`.
fn within(names: &mut BTreeSet<String>, told: &BTreeSet<String>, shape: &Shape) {
    let table_of = |name: &str| {
        shape
            .names
            .iter()
            .find(|t| name.strip_prefix(t.as_str()).is_some_and(|r| r.starts_with(['.', '('])))
            .cloned()
    };
    let all = names.clone();
    names.retain(|n| {
        let table = table_of(n);
        !told.contains(n) && !table.is_some_and(|t| all.contains(&t) || told.contains(&t))
    });
}

impl Try {
    /// Where it was tried, as the files name it.
    fn object(&self) -> String {
        match self {
            Self::Copy(t) | Self::Delete(t) => t.clone(),
            Self::Value(t, c, _)
            | Self::Omitted(t, c)
            | Self::Update(t, c)
            | Self::DeleteOf(t, c, _) => format!("{t}.{c}"),
            Self::Again(t, columns)
            | Self::AgainInCapitals(t, columns)
            | Self::Orphan(t, columns) => {
                format!("{t}({})", columns.join(","))
            }
        }
    }
}

/// Definitions of tables, keys, checks, triggers, functions and types; of indexes only those that
/// are unique.
async fn rules(
    session: &mut Session,
    engine: Engine,
    tables: &[&Table],
) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let common = match engine {
        Engine::Postgres => session.value(POSTGRES_RULES).await.unwrap_or_default(),
        Engine::MariaDb => {
            let sql = "SELECT CAST(@@foreign_key_checks AS CHAR), CAST(@@check_constraint_checks AS CHAR), @@sql_mode, \
                 (SELECT CAST(count(*) AS CHAR) FROM information_schema.referential_constraints \
                 WHERE constraint_schema = database()), (SELECT group_concat(concat(trigger_name, \
                 event_object_table, action_statement) ORDER BY trigger_name) \
                 FROM information_schema.triggers WHERE trigger_schema = database())";
            let rows = session.rows(sql).await;
            for table in tables {
                let sql = format!("SHOW CREATE TABLE {}", table.name);
                let mut out = String::new();
                let rows = session.try_rows(&sql).await.unwrap_or_default();
                let text = rows.first().and_then(|r| r.get(1)?.clone()).unwrap_or_default();
                for line in text.lines().filter(|l| !l.starts_with("  KEY ")) {
                    let counter = line.find(" AUTO_INCREMENT=");
                    let rest = |at: usize| {
                        line[at + 16..].trim_start_matches(|c: char| c.is_ascii_digit())
                    };
                    match counter {
                        Some(at) => out.push_str(&format!("{}{}", &line[..at], rest(at))),
                        None => out.push_str(line.trim_end_matches(',')),
                    }
                }
                all.insert(table.name.clone(), out);
            }
            format!("{rows:?}")
        }
        Engine::Sqlite => {
            let sql = "SELECT group_concat(coalesce(sql, name), ';') || (SELECT CAST(foreign_keys \
                 AS text) FROM pragma_foreign_keys) FROM (SELECT sql, name FROM sqlite_schema \
                 WHERE coalesce(sql, '') NOT LIKE 'CREATE INDEX%' ORDER BY name)";
            session.value(sql).await.unwrap_or_default()
        }
    };
    all.insert(String::new(), common);
    all
}

const POSTGRES_RULES: &str = "WITH ours AS (SELECT oid FROM pg_namespace n \
     WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'), \
     rels AS (SELECT c.* FROM pg_class c JOIN ours ON ours.oid = c.relnamespace) \
     SELECT md5(concat_ws('|', current_setting('session_replication_role'), \
     (SELECT string_agg(concat_ws(',', relname, relnamespace, relkind, relrowsecurity, relispartition, \
     relreplident, pg_get_expr(relpartbound, oid)), ';' ORDER BY oid) FROM rels WHERE relkind NOT IN ('i', 'I')), \
     (SELECT string_agg(concat_ws(',', attrelid, attname, atttypid, atttypmod, attnotnull, attidentity, \
     attgenerated, attisdropped, atthasdef), ';' ORDER BY attrelid, attnum) FROM pg_attribute \
     WHERE attrelid IN (SELECT oid FROM rels WHERE relkind NOT IN ('i', 'I')) AND attnum > 0), \
     (SELECT string_agg(concat_ws(',', adrelid, adnum, pg_get_expr(adbin, adrelid)), ';' ORDER BY oid) \
     FROM pg_attrdef), \
     (SELECT string_agg(pg_get_constraintdef(k.oid), ';' ORDER BY k.oid) FROM pg_constraint k \
     JOIN ours ON ours.oid = k.connamespace), \
     (SELECT string_agg(concat_ws(',', tgrelid, tgenabled, tgfoid, tgtype, tgattr, tgqual), ';' ORDER BY oid) \
     FROM pg_trigger), \
     (SELECT string_agg(pg_get_indexdef(indexrelid), ';' ORDER BY indexrelid) FROM pg_index \
     WHERE indisunique AND indrelid IN (SELECT oid FROM rels)), \
     (SELECT string_agg(concat_ws(',', ev_class, ev_type, is_instead), ';' ORDER BY oid) FROM pg_rewrite \
     WHERE ev_class IN (SELECT oid FROM rels WHERE relkind IN ('r', 'p'))), \
     (SELECT string_agg(concat_ws(',', typname, typnotnull, typbasetype, typtypmod), ';' ORDER BY t.oid) \
     FROM pg_type t JOIN ours ON ours.oid = t.typnamespace), \
     (SELECT string_agg(concat_ws(',', enumtypid, enumlabel), ';' ORDER BY oid) FROM pg_enum), \
     (SELECT string_agg(concat_ws(',', proname, prosrc), ';' ORDER BY p.oid) FROM pg_proc p \
     JOIN ours ON ours.oid = p.pronamespace), \
     (SELECT string_agg(concat_ws(',', prpubid, prrelid), ';' ORDER BY oid) FROM pg_publication_rel), \
     (SELECT string_agg(concat_ws(',', oid, puballtables, pubupdate, pubdelete), ';' ORDER BY oid) \
     FROM pg_publication)))";

/// How a probe is begun and taken back.
fn around(engine: Engine) -> (&'static str, &'static str) {
    match engine {
        Engine::Postgres => ("SAVEPOINT probe", "ROLLBACK TO SAVEPOINT probe"),
        Engine::MariaDb => ("START TRANSACTION", "ROLLBACK"),
        Engine::Sqlite => ("BEGIN", "ROLLBACK"),
    }
}

fn guard(engine: Engine, code: &str, text: &str) -> Guard {
    let relation = match engine {
        Engine::Postgres => ["23505", "23503", "23P01", "23001", "P0001"].contains(&code),
        // Duplicate, row is referenced, row references nothing, SIGNAL.
        Engine::MariaDb => ["1062 ", "1451 ", "1452 ", "1644 "].iter().any(|n| text.contains(n)),
        Engine::Sqlite => ["2067", "1555", "787", "1811"].contains(&code),
    };
    if relation { Guard::Relation } else { Guard::Domain }
}

/// Rows that the session has written so far.
pub(crate) async fn written(session: &mut Session, engine: Engine) -> u64 {
    let sql = match engine {
        Engine::Postgres => {
            "SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::text \
             FROM pg_stat_xact_user_tables"
        }
        Engine::MariaDb => {
            "SELECT CAST(sum(variable_value) AS CHAR) FROM information_schema.session_status \
             WHERE variable_name IN ('HANDLER_WRITE', 'HANDLER_UPDATE', 'HANDLER_DELETE')"
        }
        Engine::Sqlite => "SELECT CAST(total_changes() AS text)",
    };
    let value = session.value(sql).await.unwrap_or_default();
    value.split('.').next().and_then(|v| v.parse().ok()).expect("a count")
}

/// A row that an update is made to.
struct Looked<'a> {
    table: &'a Table,
    columns: &'a [&'a Column],
    place: &'a str,
    /// The column, and the value that it is given.
    set: (&'a str, String),
}

impl Looked<'_> {
    async fn row(&self, session: &mut Session) -> Vec<Option<String>> {
        let texts: Vec<String> =
            self.columns.iter().map(|c| format!("CAST({} AS char(4000))", c.name)).collect();
        let sql =
            format!("SELECT {} FROM {} WHERE {}", texts.join(", "), self.table.name, self.place);
        session.try_rows(&sql).await.ok().and_then(|r| r.into_iter().next()).unwrap_or_default()
    }

    fn others(&self, old: &[Option<String>], new: &[Option<String>]) -> BTreeSet<String> {
        let mut out = BTreeSet::new();
        for ((column, old), new) in self.columns.iter().zip(old).zip(new) {
            let wanted = if column.name == self.set.0 {
                Some(self.set.1.trim_matches('\'').to_owned())
            } else {
                old.clone()
            };
            if normal(&wanted) != normal(new) {
                out.insert(column.name.clone());
            }
        }
        out
    }
}

/// Makes inserts of copies of a row.
struct Rows<'a> {
    engine: Engine,
    table: &'a Table,
    there: &'a dyn Fn(&str) -> bool,
    /// There is no row to copy.
    empty: bool,
}

impl Rows<'_> {
    /// The `number`th copy of a row, its keys fresh but for the columns that are fixed.
    fn copy(&self, number: u32, fixed: &[(&str, String)]) -> String {
        let mut values: BTreeMap<&str, String> =
            fixed.iter().map(|(c, v)| (*c, v.clone())).collect();
        for unique in &self.table.uniques {
            if unique.iter().any(|c| values.contains_key(c.as_str())) && !self.shared(unique, fixed)
            {
                continue;
            }
            if let Some((column, value)) = self.fresh(unique, number, &values) {
                values.insert(column, value);
            }
        }
        self.insert(&values, None)
    }

    /// A unique key of which a column is fixed needs another fresh one, where it has one.
    fn shared(&self, unique: &[String], fixed: &[(&str, String)]) -> bool {
        unique.len() > 1 && fixed.iter().any(|(c, _)| unique.iter().any(|u| u == c))
    }

    fn omitting(&self, column: &str) -> String {
        let mut values = BTreeMap::new();
        for unique in &self.table.uniques {
            if let Some((column, value)) = self.fresh(unique, 1, &values) {
                values.insert(column, value);
            }
        }
        self.insert(&values, Some(column))
    }

    /// A copy that has the columns of a key from the row.
    fn again(&self, key: &[String], in_capitals: bool) -> String {
        let mut values = BTreeMap::new();
        let columns = key.iter().filter_map(|c| self.table.column(c));
        for column in columns.filter(|c| in_capitals && c.is_text() && c.given) {
            values.insert(column.name.as_str(), format!("upper(src.{})", column.name));
        }
        for unique in self.table.uniques.iter().filter(|u| *u != key) {
            let open: Vec<String> = unique.iter().filter(|c| !key.contains(c)).cloned().collect();
            if let Some((column, value)) = self.fresh(&open, 1, &values) {
                values.insert(column, value);
            }
        }
        self.insert(&values, None)
    }

    /// A column of the key that can be given a value of its own, and the value.
    fn fresh(
        &self,
        key: &[String],
        number: u32,
        taken: &BTreeMap<&str, String>,
    ) -> Option<(&str, String)> {
        let columns: Vec<&Column> = key
            .iter()
            .filter_map(|c| self.table.column(c))
            .filter(|c| !taken.contains_key(c.name.as_str()))
            .collect();
        let referring = |c: &Column| self.table.references.iter().any(|r| r.contains(&c.name));
        // A number that the server draws is fresh.
        if columns.iter().any(|c| !c.given) {
            return None;
        }
        let mut own: Vec<&&Column> = columns.iter().filter(|c| !referring(c)).collect();
        own.sort_by_key(|c| values::awkward(c));
        for column in own {
            // What the row has, with something before it, keeps to most checks.
            let like_the_row = values::like(self.engine, column, number).filter(|_| !self.empty);
            if let Some(value) = like_the_row.or_else(|| values::fresh(self.engine, column, number))
            {
                return Some((self.table.column(&column.name)?.name.as_str(), value));
            }
        }
        let column = columns.first()?;
        let name = self.table.column(&column.name)?.name.as_str();
        let (table, skipped) = (&self.table.name, number - 1);
        Some((
            name,
            format!("(SELECT {name} FROM {table} ORDER BY {name} DESC LIMIT 1 OFFSET {skipped})"),
        ))
    }

    fn insert(&self, values: &BTreeMap<&str, String>, omitted: Option<&str>) -> String {
        let columns: Vec<&Column> = self
            .table
            .columns
            .iter()
            .filter(|c| c.given && (self.there)(&c.name) && omitted != Some(&c.name))
            .collect();
        let names: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
        let exprs: Vec<String> = names
            .iter()
            .map(|n| values.get(n).cloned().unwrap_or_else(|| format!("src.{n}")))
            .collect();
        let (table, order) = (&self.table.name, self.order());
        if self.empty {
            let exprs: Vec<String> = columns
                .iter()
                .map(|c| {
                    let given = values.get(c.name.as_str()).cloned();
                    given.or_else(|| values::fresh(self.engine, c, 1))
                })
                .map(|value| value.unwrap_or_else(|| "NULL".to_owned()))
                .collect();
            let (names, exprs) = (names.join(", "), exprs.join(", "));
            return format!("INSERT INTO {table} ({names}) SELECT {exprs}");
        }
        format!(
            "INSERT INTO {table} ({}) SELECT {} FROM {table} src {order} LIMIT 1",
            names.join(", "),
            exprs.join(", ")
        )
    }

    /// Condition that finds the first copy.
    fn place_of_copy(&self, fixed: &[(&str, String)]) -> Option<String> {
        let [key] = &self.table.uniques.first()?[..] else { return None };
        if fixed.iter().any(|(c, _)| c == key) {
            return None;
        }
        let column = self.table.column(key).filter(|c| c.given)?;
        if values::like(self.engine, column, 1).is_some() {
            return None;
        }
        let value = values::fresh(self.engine, column, 1)?;
        Some(format!("{key} = {value}"))
    }

    fn order(&self) -> String {
        let key = self.table.uniques.first().filter(|u| u.iter().all(|c| (self.there)(c)));
        key.map_or_else(String::new, |k| format!("ORDER BY {}", k.join(", ")))
    }

    /// Condition that finds the first row by its key.
    async fn place(&self, session: &mut Session) -> Option<String> {
        let key = self.table.uniques.first().filter(|u| u.iter().all(|c| (self.there)(c)))?;
        let texts: Vec<String> = key.iter().map(|c| format!("CAST({c} AS char(200))")).collect();
        let sql = format!(
            "SELECT {} FROM {} {} LIMIT 1",
            texts.join(", "),
            self.table.name,
            self.order()
        );
        let row = session.try_rows(&sql).await.ok()?.into_iter().next()?;
        let mut conditions = Vec::new();
        for (column, value) in key.iter().zip(row) {
            let value = values::text(value?.trim_end());
            conditions.push(format!("{column} = {value}"));
        }
        Some(conditions.join(" AND "))
    }
}

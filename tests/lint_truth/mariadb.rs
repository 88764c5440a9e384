//! Measures on MariaDB: whether it takes `LOCK=NONE`, and which tables and indexes of InnoDB are
//! others afterwards.

use std::collections::BTreeMap;

use downhaul_kit::{MariaDb, Session, TextRow, error_code};

use crate::answers::{Answers, ask, broken};
use crate::data::{Case, Engine, Sample};
use crate::hidden::Guarded;
use crate::probes::{Outcomes, idle, named, only_rows, written, written_in_full};
use crate::shape::Shape;
use crate::truth::{Contents, Truth, lost};

/// From the cheapest on: what is asked for, and whom it keeps waiting.
const LOCKS: &[(&str, Option<&str>)] = &[("LOCK=NONE", None), ("LOCK=SHARED", Some("writes"))];

/// Measures every case anew.
pub(crate) async fn measure(sample: &Sample) -> Vec<Case> {
    let server = MariaDb::shared();
    // Most cases meet the same.
    let mut untouched = None;
    let mut out = Vec::new();
    for case in &sample.cases {
        let database = server.fresh_database().await;
        let mut session = database.session().await;
        session.run(&sample.setup).await;
        let mut own = None;
        if !case.history.is_empty() {
            session.run(&case.history).await;
            own = Some(Before::read(&mut session, sample, &case.statement).await);
        } else if untouched.is_none() {
            untouched = Some(Before::read(&mut session, sample, "").await);
        }
        let before = own.as_ref().or(untouched.as_ref()).expect("one of them was read");
        let truth = one(&mut session, sample, case, before).await;
        session.close().await;
        out.push(Case { truth, ..case.clone() });
    }
    out
}

/// What was there before the statement.
struct Before {
    contents: Contents,
    working: Answers,
    probes: Outcomes,
}

impl Before {
    async fn read(session: &mut Session, sample: &Sample, statement: &str) -> Self {
        let contents = contents(session).await;
        let working = working(session, sample).await;
        let shape = Shape::read(session, Engine::MariaDb).await;
        let probes = if only_rows(statement) || !sample.is_probed() {
            Outcomes::default()
        } else {
            Outcomes::read(session, Engine::MariaDb, &named(&shape, statement)).await
        };
        Self { contents, working, probes }
    }
}

async fn one(session: &mut Session, sample: &Sample, case: &Case, before: &Before) -> Truth {
    let files = Files::read(session).await;
    let settings = settings(session).await;
    let mut truth = Truth::default();
    let guarded = Guarded::of(&case.statement);
    let old = match &guarded {
        Some(guarded) => guarded.definition(session, sample.engine).await,
        None => Vec::new(),
    };
    let rows = written(session, Engine::MariaDb).await;
    match carry_out(session, &case.statement, &files, &mut truth).await {
        Ok(()) => {}
        Err(code) => return Truth { fails: Some(code), ..Truth::default() },
    }
    let changed = written(session, Engine::MariaDb).await - rows;
    truth.idle = sample.is_probed() && idle(&case.statement) && changed == 0;
    truth.rows = written_in_full(&case.statement, &row_counts(&before.contents), changed);
    let now = self::settings(session).await;
    truth.leaves =
        settings.iter().zip(&now).filter(|(a, b)| a != b).map(|(a, _)| a.0.clone()).collect();
    files.compare(session, &mut truth).await;
    truth.loses = lost(&before.contents, &contents(session).await);
    truth.idle &= truth.loses.is_empty();
    let still = working(session, sample).await;
    truth.breaks = broken(&before.working, &still, !truth.loses.is_empty());
    if !only_rows(&case.statement) && sample.is_probed() {
        before.probes.compare_with_now(session, Engine::MariaDb, &case.statement, &mut truth).await;
    }
    if let Some(guarded) = guarded {
        truth.hides.extend(guarded.hides(session, sample.engine, &old).await);
    }
    truth
}

/// Rows of each table.
fn row_counts(contents: &Contents) -> BTreeMap<String, u64> {
    contents.iter().map(|((table, _), values)| (table.clone(), values.len() as u64)).collect()
}

/// Where the rows and indexes of each table lie.
struct Files {
    /// Table and its engine.
    tables: BTreeMap<String, String>,
    /// Number of a table or partition; its name.
    rows: BTreeMap<String, String>,
    /// Number of a secondary index; name of its table or partition.
    indexes: BTreeMap<String, String>,
}

impl Files {
    async fn read(session: &mut Session) -> Self {
        let tables = "SELECT table_name, engine FROM information_schema.tables \
             WHERE table_schema = database() AND table_type LIKE '%BASE TABLE' \
             OR table_schema = database() AND table_type = 'SYSTEM VERSIONED'";
        let rows = "SELECT table_id, substring_index(name, '/', -1) \
             FROM information_schema.innodb_sys_tables WHERE name LIKE concat(database(), '/%')";
        // 1 and 3: the clustered one.
        let indexes = "SELECT i.index_id, substring_index(t.name, '/', -1) \
             FROM information_schema.innodb_sys_indexes i \
             JOIN information_schema.innodb_sys_tables t ON t.table_id = i.table_id \
             WHERE t.name LIKE concat(database(), '/%') AND i.type NOT IN (1, 3)";
        Self {
            tables: session.rows(tables).await.into_iter().map(pair).collect(),
            rows: session.rows(rows).await.into_iter().map(pair).collect(),
            indexes: session.rows(indexes).await.into_iter().map(pair).collect(),
        }
    }

    /// Rows that lie elsewhere now, and indexes that are new over rows.
    async fn compare(&self, session: &mut Session, truth: &mut Truth) {
        let now = Self::read(session).await;
        for name in now.rows.iter().filter(|(id, _)| !self.rows.contains_key(*id)).map(|r| r.1) {
            if let Some(table) = self.table_with_rows(session, name).await {
                truth.rewrites.insert(table);
            }
        }
        for name in now.indexes.iter().filter(|(i, _)| !self.indexes.contains_key(*i)).map(|i| i.1)
        {
            if let Some(table) = self.table_with_rows(session, name).await {
                truth.builds.insert(table);
            }
        }
        for (table, engine) in &self.tables {
            let other = now.tables.get(table).is_some_and(|e| e != engine);
            if other && self.table_with_rows(session, table).await.is_some() {
                truth.rewrites.insert(table.clone());
            }
        }
    }

    /// The table, which was there before, of a table or partition that holds rows.
    async fn table_with_rows(&self, session: &mut Session, name: &str) -> Option<String> {
        let (table, partition) = match name.split_once("#P#") {
            Some((table, partition)) => (table, format!("PARTITION ({partition})")),
            None => (name, String::new()),
        };
        if !self.tables.contains_key(table) {
            return None;
        }
        let sql = format!("SELECT 1 FROM `{table}` {partition} LIMIT 1");
        let rows = session.rows(&sql).await;
        (!rows.is_empty()).then(|| table.to_owned())
    }

    /// An engine that copies what it cannot do in place, of which it keeps no numbers.
    fn is_counted(&self, table: &str) -> bool {
        self.tables.get(table).is_none_or(|engine| engine == "InnoDB")
    }
}

fn pair(row: TextRow) -> (String, String) {
    <[Option<String>; 2]>::try_from(row).unwrap().map(Option::unwrap_or_default).into()
}

/// Runs it with the least lock that the server takes.
async fn carry_out(
    session: &mut Session,
    statement: &str,
    files: &Files,
    truth: &mut Truth,
) -> Result<(), String> {
    let plain =
        async |session: &mut Session| session.try_run(statement).await.map_err(|e| error_code(&e));
    let Some(altered) = Altered::of(statement) else { return plain(session).await };
    let upper = statement.to_uppercase().replace(" = ", "=");
    for (said, blocks) in [("LOCK=NONE", None), ("LOCK=SHARED", Some("writes"))] {
        if upper.contains(said) {
            plain(session).await?;
            if let Some(blocks) = blocks {
                truth.locks.insert(altered.table.clone(), blocks.to_owned());
            }
            return Ok(());
        }
    }
    if !files.is_counted(&altered.table)
        && session.try_run(&altered.with("ALGORITHM=INPLACE")).await.is_ok()
    {
        return Ok(());
    }
    for (way, blocks) in LOCKS {
        match session.try_run(&altered.with(way)).await {
            Ok(()) => {
                if let Some(blocks) = blocks {
                    truth.locks.insert(altered.table.clone(), (*blocks).to_owned());
                }
                if !files.is_counted(&altered.table) {
                    truth.rewrites.insert(altered.table);
                }
                return Ok(());
            }
            // Not this way (1221, 1845, 1846), or no way may be stated.
            Err(e) if ["0A000", "HY000", "42000"].contains(&error_code(&e).as_str()) => {}
            Err(e) => return Err(error_code(&e)),
        }
    }
    plain(session).await
}

/// A statement that may state its lock.
struct Altered {
    table: String,
    /// What stands before and behind the place for it.
    before: String,
    between: &'static str,
    behind: String,
}

impl Altered {
    fn of(statement: &str) -> Option<Self> {
        let upper = statement.to_uppercase();
        // A new name is brief; of partitions only the whole division takes a lock clause.
        let partition = ["ADD", "DROP", "TRUNCATE", "REORGANIZE", "EXCHANGE", "COALESCE"]
            .iter()
            .any(|verb| upper.contains(&format!("{verb} PARTITION")));
        if statement.contains("; ") || upper.contains(" RENAME TO ") || partition {
            return None;
        }
        let words: Vec<&str> = statement.split_whitespace().collect();
        let plain = |name: &str| name.trim_matches('`').to_owned();
        if upper.starts_with("ALTER TABLE ") {
            let name = words.get(2)?;
            let at = statement.find(name)? + name.len();
            let (before, behind) = statement.split_at(at);
            let bare = upper.contains("PARTITION BY") || upper.contains("REMOVE PARTITIONING");
            return Some(Self {
                table: plain(name),
                before: before.to_owned(),
                between: if bare { "" } else { "," },
                behind: behind.to_owned(),
            });
        }
        if upper.starts_with("CREATE ") && upper.contains(" INDEX ") {
            let on = words.iter().position(|w| w.eq_ignore_ascii_case("ON"))?;
            let table = plain(words.get(on + 1)?);
            return Some(Self {
                table,
                before: statement.to_owned(),
                between: "",
                behind: String::new(),
            });
        }
        None
    }

    fn with(&self, way: &str) -> String {
        format!("{} {way}{}{}", self.before, self.between, self.behind)
    }
}

async fn contents(session: &mut Session) -> Contents {
    let columns = session
        .rows(
            "SELECT c.table_name, c.column_name FROM information_schema.columns c \
             JOIN information_schema.tables t USING (table_schema, table_name) \
             WHERE c.table_schema = database() AND t.table_type = 'BASE TABLE' \
             AND c.generation_expression IS NULL",
        )
        .await;
    let mut out = Contents::new();
    for row in columns {
        let [table, column] =
            <[Option<String>; 2]>::try_from(row).unwrap().map(Option::unwrap_or_default);
        let rows = session.rows(&format!("SELECT CAST(`{column}` AS CHAR) FROM `{table}`")).await;
        let mut values: Vec<_> = rows.into_iter().map(|mut r| r.remove(0)).collect();
        values.sort_unstable();
        out.insert((table, column), values);
    }
    out
}

/// What a session keeps for the statements after it.
async fn settings(session: &mut Session) -> Vec<(String, String)> {
    const NAMES: &str = "'sql_mode', 'foreign_key_checks', 'unique_checks', 'autocommit', \
         'sql_log_bin', 'time_zone', 'check_constraint_checks', 'sql_safe_updates', \
         'lock_wait_timeout', 'character_set_client', 'system_versioning_alter_history'";
    let sql = format!("SHOW SESSION VARIABLES WHERE variable_name IN ({NAMES})");
    session.rows(&sql).await.into_iter().map(pair).collect()
}

/// The statements of the running release that work now.
async fn working(session: &mut Session, sample: &Sample) -> Answers {
    let mut out = Answers::new();
    for (name, query) in &sample.queries {
        session.run("START TRANSACTION").await;
        out.extend(ask(session, query).await.map(|answer| (name.clone(), answer)));
        session.run("ROLLBACK").await;
    }
    out
}

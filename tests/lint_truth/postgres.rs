//! Measures on PostgreSQL: locks from `pg_locks` and scans from `pg_stat_xact_user_tables` inside
//! the statement's own transaction, rewrites and builds from `relfilenode`.

use std::collections::{BTreeMap, BTreeSet};

use downhaul_kit::{DatabaseHandle, Postgres, Session, error_code};

use crate::data::{Case, Sample};
use crate::truth::{Contents, Truth, lost};

/// Modes that block writes, and those that block reads too.
const WRITES: &[&str] = &["ShareLock", "ShareRowExclusiveLock", "ExclusiveLock"];
const READS: &str = "AccessExclusiveLock";

const RELATIONS: &str = "SELECT c.oid::text, c.oid::regclass::text, c.relkind::text, \
     pg_relation_filenode(c.oid)::text, coalesce(i.indrelid::regclass::text, '') \
     FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid \
     JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' \
     AND c.relkind IN ('r', 'p', 'm', 'v', 'i', 'I', 'S')";

const COLUMNS: &str = "SELECT a.attrelid::regclass::text, quote_ident(a.attname), \
     format_type(a.atttypid, a.atttypmod) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
     JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' \
     AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'";

/// Measures every case anew.
pub(crate) async fn measure(sample: &Sample) -> Vec<Case> {
    let server = Postgres::shared();
    let base = server.fresh_database().await;
    let mut session = base.session().await;
    session.run(&sample.setup).await;
    session.close().await;
    // What is rolled back needs no database of its own.
    let shared = clone(&base, server, "truth_shared").await;
    let mut session = connect(&shared).await;
    let mut out = Vec::new();
    for case in &sample.cases {
        if !case.outside && case.history.is_empty() {
            let truth = inside(&mut session, sample, case).await;
            out.push(Case { truth, ..case.clone() });
            continue;
        }
        let name = format!("truth_{}", out.len());
        let url = clone(&base, server, &name).await;
        let truth = if case.outside {
            outside(&url, sample, case).await
        } else {
            let mut session = connect(&url).await;
            let truth = inside(&mut session, sample, case).await;
            session.close().await;
            truth
        };
        out.push(Case { truth, ..case.clone() });
    }
    out
}

/// A session whose time zone is not UTC: the worst case for `timestamp`.
async fn connect(url: &str) -> Session {
    let mut session = Session::connect(url).await;
    session.run("SET TimeZone = 'Europe/Oslo'").await;
    session
}

/// A copy of the base, on which no session may be; its URL. It goes with the server.
async fn clone(base: &DatabaseHandle, server: &Postgres, name: &str) -> String {
    let mut admin = Session::connect(&server.url()).await;
    let version = admin.value("SHOW server_version_num").await.unwrap();
    // Older versions know no other way.
    let strategy =
        if version.parse::<u32>().unwrap() < 150_000 { "" } else { "STRATEGY file_copy" };
    admin.run(&format!("CREATE DATABASE {name} TEMPLATE {} {strategy}", base.name())).await;
    admin.close().await;
    server.database_url(name)
}

async fn inside(session: &mut Session, sample: &Sample, case: &Case) -> Truth {
    let old = Before::read(session, sample, case).await;
    session.run("BEGIN").await;
    let before = relations(session).await;
    let scans = scan_counts(session).await;
    let mut truth = Truth::default();
    match run(session, &case.statement).await {
        Ok(()) => {
            physical(session, &before, &scans, &mut truth).await;
            old.compare(session, sample, &mut truth).await;
        }
        Err(code) => truth = failed(code),
    }
    session.run("ROLLBACK").await;
    truth
}

/// What was there before the statement.
struct Before {
    types: BTreeMap<(String, String), String>,
    contents: Contents,
    working: BTreeSet<String>,
}

impl Before {
    /// After the history was run.
    async fn read(session: &mut Session, sample: &Sample, case: &Case) -> Self {
        if !case.history.is_empty() {
            session.run(&case.history).await;
        }
        session.run("BEGIN").await;
        let types = types(session).await;
        let contents = contents(session, &types, &BTreeMap::new()).await;
        let working = working(session, sample).await;
        session.run("ROLLBACK").await;
        Self { types, contents, working }
    }

    /// In a transaction block, after the statement.
    async fn compare(&self, session: &mut Session, sample: &Sample, truth: &mut Truth) {
        // What is checked at the end of the transaction is checked now.
        session.run("SET CONSTRAINTS ALL IMMEDIATE").await;
        let now = types(session).await;
        truth.loses = lost(&self.contents, &contents(session, &now, &self.types).await);
        let still = working(session, sample).await;
        truth.breaks = self.working.difference(&still).cloned().collect();
    }
}

/// Outside of a transaction block. A lock that keeps readers out is found by another session that
/// reads meanwhile.
async fn outside(url: &str, sample: &Sample, case: &Case) -> Truth {
    let mut session = Session::connect(url).await;
    let old = Before::read(&mut session, sample, case).await;
    let before = relations(&mut session).await;
    let mut reader = Session::connect(url).await;
    reader.run("BEGIN; LOCK TABLE t, part IN ACCESS SHARE MODE").await;
    session.run("SET lock_timeout = '300ms'").await;
    let first = run(&mut session, &case.statement).await;
    reader.run("COMMIT").await;
    session.run("SET lock_timeout = 0").await;
    let waited = first == Err("55P03".to_owned());
    let result = if waited { run(&mut session, &case.statement).await } else { first };
    if let Err(code) = result {
        return failed(code);
    }
    let after = relations(&mut session).await;
    let mut truth = Truth::default();
    changed_files(&before, &after, &mut truth);
    if waited {
        for table in &truth.rewrites {
            truth.locks.insert(table.clone(), "reads".to_owned());
        }
    }
    session.run("BEGIN").await;
    old.compare(&mut session, sample, &mut truth).await;
    truth
}

fn failed(code: String) -> Truth {
    Truth { fails: Some(code), ..Truth::default() }
}

/// Runs statements; the SQLSTATE where they fail.
async fn run(session: &mut Session, sql: &str) -> Result<(), String> {
    session.try_run(sql).await.map_err(|e| error_code(&e))
}

/// Names of the statements of the running release that work now. In a transaction block.
async fn working(session: &mut Session, sample: &Sample) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for (name, query) in &sample.queries {
        session.run("SAVEPOINT query").await;
        if run(session, query).await.is_ok() {
            out.insert(name.clone());
        }
        session.run("ROLLBACK TO query").await;
    }
    out
}

struct Relation {
    name: String,
    kind: String,
    file: Option<String>,
    /// Of an index: its table.
    table: String,
}

async fn relations(session: &mut Session) -> BTreeMap<String, Relation> {
    let text = |v: Option<String>| v.unwrap_or_default();
    session
        .rows(RELATIONS)
        .await
        .into_iter()
        .map(|row| {
            let [oid, name, kind, file, table] = <[Option<String>; 5]>::try_from(row).unwrap();
            let relation =
                Relation { name: text(name), kind: text(kind), file, table: text(table) };
            (text(oid), relation)
        })
        .collect()
}

/// How often each table was read in full: the counters reach back before the transaction.
async fn scan_counts(session: &mut Session) -> BTreeMap<String, String> {
    let rows = session
        .rows("SELECT relid::text, seq_scan::text FROM pg_stat_xact_user_tables WHERE seq_scan > 0")
        .await;
    rows.into_iter()
        .map(|row| {
            <[Option<String>; 2]>::try_from(row).unwrap().map(Option::unwrap_or_default).into()
        })
        .collect()
}

async fn physical(
    session: &mut Session,
    before: &BTreeMap<String, Relation>,
    scans: &BTreeMap<String, String>,
    truth: &mut Truth,
) {
    let locks = session
        .rows(
            "SELECT relation::text, mode FROM pg_locks WHERE pid = pg_backend_pid() \
             AND locktype = 'relation' AND granted AND database <> 0",
        )
        .await;
    let scanned = scan_counts(session).await;
    for row in locks {
        let (Some(oid), Some(mode)) = (&row[0], &row[1]) else { continue };
        let Some(relation) = before.get(oid).filter(|r| !matches!(&*r.kind, "i" | "I")) else {
            continue;
        };
        let blocks = match mode.as_str() {
            READS => "reads",
            // Nobody writes to a materialized view but a refresh.
            m if WRITES.contains(&m) && relation.kind != "m" => "writes",
            _ => continue,
        };
        let entry = truth.locks.entry(relation.name.clone()).or_default();
        if entry.is_empty() || blocks == "reads" {
            blocks.clone_into(entry);
        }
    }
    for (oid, count) in &scanned {
        if let Some(relation) = before.get(oid)
            && scans.get(oid) != Some(count)
        {
            truth.scans.insert(relation.name.clone());
        }
    }
    let after = relations(session).await;
    changed_files(before, &after, truth);
}

fn changed_files(
    before: &BTreeMap<String, Relation>,
    after: &BTreeMap<String, Relation>,
    truth: &mut Truth,
) {
    let known: BTreeSet<&str> = before.values().map(|r| r.name.as_str()).collect();
    for (oid, now) in after {
        let then = before.get(oid);
        let new_file = then.is_none_or(|r| r.file != now.file);
        if !new_file {
            continue;
        }
        match now.kind.as_str() {
            "r" | "m" if then.is_some() => {
                truth.rewrites.insert(now.name.clone());
            }
            // An index on a partitioned table or a view has no rows of its own.
            "i" if known.contains(now.table.as_str()) => {
                truth.builds.insert(now.table.clone());
            }
            _ => {}
        }
    }
}

/// Type of each column.
async fn types(session: &mut Session) -> BTreeMap<(String, String), String> {
    session
        .rows(COLUMNS)
        .await
        .into_iter()
        .map(|row| {
            let [table, column, ty] =
                <[Option<String>; 3]>::try_from(row).unwrap().map(Option::unwrap_or_default);
            ((table, column), ty)
        })
        .collect()
}

/// Values of each column; those of a column that has another type now are cast back. In a
/// transaction block.
async fn contents(
    session: &mut Session,
    columns: &BTreeMap<(String, String), String>,
    old: &BTreeMap<(String, String), String>,
) -> Contents {
    let mut out = Contents::new();
    for ((table, column), ty) in columns {
        let key = (table.clone(), column.clone());
        let back = old.get(&key).filter(|o| *o != ty);
        let cast = back.map_or_else(String::new, |o| format!("::{o}"));
        let sql = format!("SELECT ({column}{cast})::text FROM ONLY {table}");
        session.run("SAVEPOINT read").await;
        let rows = session.try_rows(&sql).await.unwrap_or_default();
        session.run("ROLLBACK TO read").await;
        let mut values: Vec<_> = rows.into_iter().map(|mut r| r.remove(0)).collect();
        values.sort_unstable();
        out.insert(key, values);
    }
    out
}

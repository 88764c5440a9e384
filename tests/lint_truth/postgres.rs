//! Measures on PostgreSQL: locks from `pg_locks` and scans from `pg_stat_xact_user_tables` inside
//! the statement's own transaction, rewrites and builds from `relfilenode`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use downhaul_kit::{DatabaseHandle, Postgres, PostgresOptions, Session, TextRow, error_code};

use crate::answers::{Answers, ask, broken};
use crate::data::{Case, Engine, Sample, stem};
use crate::hidden::Guarded;
use crate::probes::{Outcomes, idle, named, only_rows, written};
use crate::shape::Shape;
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

/// Not UTC: the worst case for `timestamp`.
const TIME_ZONE: &str = "SET TimeZone = 'Europe/Oslo'";

/// Measures every case anew.
pub(crate) async fn measure(sample: &Sample) -> Vec<Case> {
    // Whether autovacuum has counted the rows by now decides between an index and a scan.
    let server = &PostgresOptions::default().setting("autovacuum", "off").start();
    let base = server.fresh_database().await;
    let mut session = base.session().await;
    session.run(TIME_ZONE).await;
    session.run(&sample.setup).await;
    session.close().await;
    // What is rolled back needs no database of its own.
    let stem = stem(sample.engine, sample.set);
    let shared = clone(&base, server, &format!("truth_{stem}")).await;
    let mut session = connect(&shared).await;
    // Most cases meet the same.
    let untouched = Before::read(&mut session, sample, "", "").await;
    let mut out = Vec::new();
    for case in &sample.cases {
        let alone = case.outside || !case.history.is_empty() || sets_numbers(&case.statement);
        if !alone {
            let truth = inside(&mut session, sample, case, &untouched).await;
            out.push(Case { truth, ..case.clone() });
            continue;
        }
        let name = format!("truth_{stem}_{}", out.len());
        let url = clone(&base, server, &name).await;
        let mut session = connect(&url).await;
        let own = match case.history.as_str() {
            "" => None,
            history => Some(Before::read(&mut session, sample, history, &case.statement).await),
        };
        let old = own.as_ref().unwrap_or(&untouched);
        let truth = if case.outside {
            outside(session, &url, sample, case, old).await
        } else {
            let truth = inside(&mut session, sample, case, old).await;
            session.close().await;
            truth
        };
        out.push(Case { truth, ..case.clone() });
    }
    out
}

/// Where a sequence stands is no part of a transaction: what comes after would meet it there.
fn sets_numbers(statement: &str) -> bool {
    let lower = statement.to_lowercase();
    lower.contains("setval(") || lower.contains("nextval(")
}

/// A session as the migrations have it.
async fn connect(url: &str) -> Session {
    let mut session = Session::connect(url).await;
    session.run(TIME_ZONE).await;
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

async fn inside(session: &mut Session, sample: &Sample, case: &Case, old: &Before) -> Truth {
    session.run("BEGIN").await;
    let before = relations(session).await;
    let scans = scan_counts(session).await;
    let written_before = written(session, Engine::Postgres).await;
    let mut truth = Truth::default();
    match run(session, &case.statement).await {
        Ok(()) => {
            physical(session, &before, &scans, &mut truth).await;
            let rows = written(session, Engine::Postgres).await;
            truth.idle = sample.is_probed() && idle(&case.statement) && rows == written_before;
            old.compare(session, sample, &case.statement, &mut truth).await;
        }
        Err(code) => truth = failed(code),
    }
    session.run("ROLLBACK").await;
    if truth.fails.is_none() && sample.is_probed() {
        truth.repeats = repeats(session, &case.statement).await;
    }
    if let Some(guarded) = Guarded::of(&case.statement).filter(|_| truth.fails.is_none()) {
        session.run("BEGIN").await;
        let old = guarded.definition(session, sample.engine).await;
        truth.hides.extend(guarded.hides(session, sample.engine, &old).await);
        session.run("ROLLBACK").await;
    }
    truth
}

/// What was there before the statement.
struct Before {
    types: BTreeMap<(String, String), String>,
    contents: Contents,
    working: Answers,
    seen: BTreeMap<String, u64>,
    rights: Rights,
    probes: Outcomes,
}

/// What the roles may do and see, by what each table, and each right on it, is called.
#[derive(Debug, Default)]
struct Rights {
    /// Rows that a role sees, and how many there are.
    rows: BTreeMap<String, (u64, u64)>,
    /// Rights on tables and functions.
    held: BTreeSet<String>,
    tables: BTreeSet<String>,
}

impl Rights {
    /// In a transaction block: the roles of the setup, not those of the server.
    async fn read(session: &mut Session) -> Self {
        let tables = "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n \
             ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\\_%' \
             AND n.nspname <> 'information_schema'";
        let held = "SELECT format('%s-%s-%s', r.rolname, lower(p), c.oid::regclass) FROM pg_roles r, \
             pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, \
             unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) p \
             WHERE r.rolname NOT LIKE 'pg\\_%' AND NOT r.rolsuper AND c.relkind IN ('r', 'p') \
             AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' \
             AND has_schema_privilege(r.oid, n.oid, 'USAGE') AND has_table_privilege(r.oid, c.oid, p) \
             UNION ALL SELECT format('%s-execute-%s', r.rolname, p.oid::regprocedure) FROM pg_roles r, \
             pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace \
             WHERE r.rolname NOT LIKE 'pg\\_%' AND NOT r.rolsuper AND p.prorettype <> 'trigger'::regtype \
             AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' \
             AND has_schema_privilege(r.oid, n.oid, 'USAGE') \
             AND has_function_privilege(r.oid, p.oid, 'EXECUTE')";
        let count = "DO $rights$ DECLARE r record; n bigint; a bigint; told text := ''; BEGIN \
             FOR r IN SELECT rolname, c.oid::regclass AS rel FROM pg_roles, pg_class c \
             JOIN pg_namespace n ON n.oid = c.relnamespace WHERE rolname NOT LIKE 'pg\\_%' \
             AND NOT rolsuper AND c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\\_%' \
             AND n.nspname <> 'information_schema' AND has_schema_privilege(rolname, n.oid, 'USAGE') \
             AND has_table_privilege(rolname, c.oid, 'SELECT') LOOP BEGIN \
             EXECUTE format('SELECT count(*) FROM %s', r.rel) INTO a; \
             EXECUTE format('SET LOCAL ROLE %I', r.rolname); \
             EXECUTE format('SELECT count(*) FROM %s', r.rel) INTO n; \
             told := told || format(E'%s-rows-%s\\t%s\\t%s\\n', r.rolname, r.rel, n, a); \
             EXCEPTION WHEN OTHERS THEN NULL; END; RESET ROLE; END LOOP; \
             PERFORM set_config('probes.rights', told, false); END $rights$";
        let plain = |rows: Vec<TextRow>| rows.into_iter().filter_map(|mut r| r.remove(0)).collect();
        let (tables, held) = (plain(session.rows(tables).await), plain(session.rows(held).await));
        session.run("SAVEPOINT rights").await;
        session.run(count).await;
        let told = session.value("SELECT current_setting('probes.rights')").await;
        session.run("RESET ROLE").await;
        let rows = told
            .unwrap_or_default()
            .lines()
            .filter_map(|line| {
                let mut cells = line.split('\t');
                let name = cells.next()?.to_owned();
                Some((name, (cells.next()?.parse().ok()?, cells.next()?.parse().ok()?)))
            })
            .collect();
        Self { rows, held, tables }
    }

    /// Rights that are gone from what is still there, and rows that come or go from sight.
    fn compare(&self, now: &Self, truth: &mut Truth) {
        let there = |name: &String| {
            let object = name.splitn(3, '-').nth(2).unwrap_or_default();
            now.tables.contains(object) || object.contains('(')
        };
        let routines: BTreeSet<&str> =
            now.held.iter().filter_map(|name| name.splitn(3, '-').nth(2)).collect();
        truth.breaks.extend(
            self.held
                .difference(&now.held)
                .filter(|name| there(name))
                .filter(|name| {
                    let object = name.splitn(3, '-').nth(2).unwrap_or_default();
                    // Of a routine that nobody may call any more, nothing tells that it is there.
                    !object.contains('(') || routines.contains(object)
                })
                .map(|name| name.replace(' ', "")),
        );
        for (name, (before, all)) in &self.rows {
            let Some((count, _)) = now.rows.get(name).filter(|(_, now)| now == all) else {
                continue;
            };
            if count > before {
                truth.shows.insert(name.clone());
            } else if count < before {
                truth.breaks.insert(name.clone());
            }
        }
    }
}

impl Before {
    /// Runs the history first.
    async fn read(session: &mut Session, sample: &Sample, history: &str, statement: &str) -> Self {
        if !history.is_empty() {
            session.run(history).await;
        }
        session.run("BEGIN").await;
        let types = types(session).await;
        let contents = contents(session, &types, &BTreeMap::new()).await;
        let working = working(session, sample).await;
        let seen = seen(session, sample).await;
        let rights = match only_rows(statement) || !sample.is_probed() {
            true => Rights::default(),
            false => Rights::read(session).await,
        };
        session.run("SET CONSTRAINTS ALL IMMEDIATE").await;
        let shape = Shape::read(session, Engine::Postgres).await;
        let probes = if only_rows(statement) || !sample.is_probed() {
            Outcomes::default()
        } else {
            Outcomes::read(session, Engine::Postgres, &named(&shape, statement)).await
        };
        session.run("ROLLBACK").await;
        Self { types, contents, working, seen, rights, probes }
    }

    /// In a transaction block, after the statement.
    async fn compare(
        &self,
        session: &mut Session,
        sample: &Sample,
        statement: &str,
        truth: &mut Truth,
    ) {
        // What is checked at the end of the transaction is checked now.
        session.run("SET CONSTRAINTS ALL IMMEDIATE").await;
        // A time zone that the statement set only changes how times are told.
        session.run(TIME_ZONE).await;
        let now = types(session).await;
        truth.loses = lost(&self.contents, &contents(session, &now, &self.types).await);
        truth.idle &= truth.loses.is_empty();
        let still = working(session, sample).await;
        truth.breaks = broken(&self.working, &still, !truth.loses.is_empty());
        let now = seen(session, sample).await;
        for (name, count) in &now {
            let Some(before) = self.seen.get(name) else { continue };
            if before < count {
                truth.shows.insert(name.clone());
            } else if before > count && truth.loses.is_empty() {
                // Rows that are still there, and that the role no longer sees.
                truth.breaks.insert(name.clone());
            }
        }
        if !only_rows(statement) && sample.is_probed() {
            self.rights.compare(&Rights::read(session).await, truth);
            self.probes.compare_with_now(session, Engine::Postgres, statement, truth).await;
        }
    }
}

/// Sequences that hand out numbers again: the statement once more, with all of them far on.
async fn repeats(session: &mut Session, statement: &str) -> BTreeSet<String> {
    let lower = statement.to_lowercase();
    if !lower.contains("setval") && !lower.contains("restart") {
        return BTreeSet::new();
    }
    let sql = "SELECT format('%I.%I', schemaname, sequencename)::regclass::text, '', \
         least(max_value, 20000)::text, '' FROM pg_sequences";
    let mut all = session.rows(sql).await;
    for row in &mut all {
        let sql = format!(
            "SELECT last_value::text, is_called::text FROM {}",
            row[0].as_deref().unwrap_or_default()
        );
        let now = session.rows(&sql).await.remove(0);
        (row[1], row[3]) = (now[0].clone(), now[1].clone());
    }
    let mut out = BTreeSet::new();
    for row in &all {
        let [Some(name), _, Some(far), _] = &row[..] else { continue };
        session.run(&format!("SELECT setval('{name}', {far})")).await;
    }
    session.run("BEGIN").await;
    for row in &all {
        let [Some(name), _, Some(far), _] = &row[..] else { continue };
        // The last number stands in a row, as it does where numbers are drawn for rows.
        let drawn = format!(
            "SELECT d.adrelid::regclass::text, quote_ident(a.attname) FROM pg_depend p \
             JOIN pg_attrdef d ON d.oid = p.objid AND p.classid = 'pg_attrdef'::regclass \
             JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum \
             WHERE p.refobjid = '{name}'::regclass"
        );
        for row in session.rows(&drawn).await {
            let [Some(table), Some(column)] = &row[..] else { continue };
            // Rows of other tables may refer to it.
            let sql = format!(
                "SAVEPOINT last; SET LOCAL session_replication_role = replica; \
                 UPDATE {table} SET {column} = {far} \
                 WHERE {column} = (SELECT max({column}) FROM {table}); \
                 SET LOCAL session_replication_role = origin"
            );
            if session.try_run(&sql).await.is_err() {
                session.run("ROLLBACK TO SAVEPOINT last").await;
            }
        }
    }
    if run(session, statement).await.is_ok() {
        for row in &all {
            let [Some(name), _, Some(far), _] = &row[..] else { continue };
            let last = format!("SELECT last_value::text FROM {name}");
            let rows = session.try_rows(&last).await.unwrap_or_default();
            let Some(now) = rows.first().and_then(|r| r[0].as_ref()?.parse::<i64>().ok()) else {
                break;
            };
            if now < far.parse().unwrap() {
                out.insert(name.clone());
            }
        }
    }
    session.run("ROLLBACK").await;
    for row in &all {
        let [Some(name), Some(old), _, Some(called)] = &row[..] else { continue };
        session.run(&format!("SELECT setval('{name}', {old}, {called})")).await;
    }
    out
}

/// How many rows the queries named `count-…` see. In a transaction block.
async fn seen(session: &mut Session, sample: &Sample) -> BTreeMap<String, u64> {
    let mut out = BTreeMap::new();
    for (name, query) in sample.queries.iter().filter(|(name, _)| name.starts_with("count-")) {
        session.run("SAVEPOINT query").await;
        let rows = session.try_rows(query).await.unwrap_or_default();
        session.run("ROLLBACK TO query").await;
        let count = rows.first().and_then(|r| r[0].as_ref()?.parse().ok());
        out.extend(count.map(|c| (name.clone(), c)));
    }
    out
}

/// Outside of a transaction block. Other sessions hold the lock of a writer on one table each; the
/// lock that the statement waits for is read while it waits, and then that writer leaves. Who waits
/// for a writer's transaction to end, as `CREATE INDEX CONCURRENTLY` does, keeps no other waiting.
async fn outside(
    mut session: Session,
    url: &str,
    sample: &Sample,
    case: &Case,
    old: &Before,
) -> Truth {
    let before = relations(&mut session).await;
    let mut writers = BTreeMap::new();
    for (oid, relation) in before.iter().filter(|(_, r)| matches!(&*r.kind, "r" | "p")) {
        let mut writer = Session::connect(url).await;
        let lock = format!("BEGIN; LOCK TABLE ONLY {} IN ROW EXCLUSIVE MODE", relation.name);
        writer.run(&lock).await;
        writers.insert(oid.clone(), writer);
    }
    let pid = session.value("SELECT pg_backend_pid()").await.unwrap();
    let scans = total_scans(&mut session).await;
    let statement = case.statement.clone();
    let running = tokio::spawn(async move {
        let result = run(&mut session, &statement).await;
        (session, result)
    });
    let mut watcher = Session::connect(url).await;
    let mut truth = Truth::default();
    while !running.is_finished() {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let waits = watcher
            .rows(&format!(
                "SELECT coalesce(relation::text, ''), mode FROM pg_locks WHERE pid = {pid} AND NOT granted"
            ))
            .await;
        for row in waits {
            let (Some(oid), Some(mode)) = (&row[0], &row[1]) else { continue };
            let relation = before.get(oid);
            if let Some(relation) = relation {
                truth.locked(&relation.name, &relation.kind, mode);
            }
            // Who waits for a transaction, waits for all of them.
            let leaving: Vec<String> = match relation {
                Some(_) => vec![oid.clone()],
                None => writers.keys().cloned().collect(),
            };
            for oid in leaving {
                if let Some(writer) = writers.remove(&oid) {
                    writer.close().await;
                }
            }
        }
    }
    let (mut session, result) = running.await.unwrap();
    for (_, writer) in writers {
        writer.close().await;
    }
    if let Err(code) = result {
        return failed(code);
    }
    let scanned = total_scans(&mut session).await;
    for (oid, count) in &scanned {
        if let Some(relation) = before.get(oid)
            && scans.get(oid) != Some(count)
        {
            truth.scans.insert(relation.name.clone());
        }
    }
    let after = relations(&mut session).await;
    changed_files(&before, &after, &mut truth);
    session.run("BEGIN").await;
    old.compare(&mut session, sample, &case.statement, &mut truth).await;
    truth
}

/// How often each table was read in full, counted for the whole server.
async fn total_scans(session: &mut Session) -> BTreeMap<String, String> {
    session.run("SELECT pg_stat_force_next_flush()").await;
    let sql = "SELECT relid::text, seq_scan::text FROM pg_stat_user_tables WHERE seq_scan > 0";
    session.rows(sql).await.into_iter().map(pair).collect()
}

fn failed(code: String) -> Truth {
    Truth { fails: Some(code), ..Truth::default() }
}

/// Runs statements; the SQLSTATE where they fail.
async fn run(session: &mut Session, sql: &str) -> Result<(), String> {
    session.try_run(sql).await.map_err(|e| error_code(&e))
}

/// The statements of the running release that work now. In a transaction block.
async fn working(session: &mut Session, sample: &Sample) -> Answers {
    let mut out = Answers::new();
    for (name, query) in &sample.queries {
        session.run("SAVEPOINT query").await;
        out.extend(ask(session, query).await.map(|answer| (name.clone(), answer)));
        session.run("ROLLBACK TO query").await;
    }
    out
}

impl Truth {
    /// It holds, or waits for, this mode on a relation of this kind.
    fn locked(&mut self, relation: &str, kind: &str, mode: &str) {
        let blocks = match mode {
            READS => "reads",
            // Nobody writes to a materialized view but a refresh.
            m if WRITES.contains(&m) && kind != "m" => "writes",
            _ => return,
        };
        if matches!(kind, "i" | "I") {
            return;
        }
        let entry = self.locks.entry(relation.to_owned()).or_default();
        if entry.is_empty() || blocks == "reads" {
            blocks.clone_into(entry);
        }
    }
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
    rows.into_iter().map(pair).collect()
}

fn pair(row: TextRow) -> (String, String) {
    <[Option<String>; 2]>::try_from(row).unwrap().map(Option::unwrap_or_default).into()
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
        truth.locked(&relation.name, &relation.kind, mode);
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
    // An index that goes and comes again with a change of a type may keep its file.
    let files: BTreeSet<&str> = before.values().filter_map(|r| r.file.as_deref()).collect();
    for (oid, now) in after {
        let then = before.get(oid);
        let kept = now.file.as_deref().is_some_and(|file| files.contains(file));
        if kept || then.is_some_and(|r| r.file == now.file) {
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
        // A type that has another name now is the same type.
        let known = async |session: &mut Session, ty: &String| {
            let sql = format!("SELECT to_regtype('{}')::text", ty.replace('\'', "''"));
            session.value(&sql).await.is_some()
        };
        let back = match old.get(&key).filter(|o| *o != ty) {
            Some(old) if known(session, old).await => Some(old),
            _ => None,
        };
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

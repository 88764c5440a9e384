//! What the analyzer says of locks, rewrites, scans and index builds is what the server does.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use downhaul_kit::{Postgres, Session};
use downhaul_lint::{LOCK_FACTS_SETUP, LockFact, lock_facts};

/// Before the statement: what is there, and the file of each relation.
const BEFORE: &str = "
CREATE TEMP TABLE before_it AS
    SELECT c.oid, c.relname, c.relkind, pg_relation_filenode(c.oid) AS file
    FROM pg_class c
    WHERE c.relnamespace IN ('public'::regnamespace, 'other'::regnamespace);
";

/// Locks on relations that were there, as `name mode`.
const LOCKS: &str = "
SELECT DISTINCT b.relname, l.mode
FROM pg_locks l JOIN before_it b ON b.oid = l.relation
WHERE l.pid = pg_backend_pid() AND (b.relkind IN ('r', 'p', 'm', 'v') OR b.relname = 'sq')
";

const REWRITES: &str = "
SELECT b.relname FROM before_it b JOIN pg_class c USING (oid)
WHERE b.relkind IN ('r', 'm') AND pg_relation_filenode(c.oid) IS DISTINCT FROM b.file
ORDER BY 1
";

const SCANS: &str = "
SELECT relname FROM before_it
WHERE relkind IN ('r', 'm') AND pg_stat_get_xact_numscans(oid) > 0
ORDER BY 1
";

/// Tables with an index whose file was not there before.
const BUILDS: &str = "
SELECT DISTINCT t.relname
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN before_it t ON t.oid = i.indrelid
WHERE pg_relation_filenode(c.oid) IS NOT NULL
    AND pg_relation_filenode(c.oid) NOT IN (SELECT file FROM before_it WHERE file IS NOT NULL)
ORDER BY 1
";

/// Weakest first; the names as the manual writes them.
const MODES: [&str; 8] = [
    "ACCESS SHARE",
    "ROW SHARE",
    "ROW EXCLUSIVE",
    "SHARE UPDATE EXCLUSIVE",
    "SHARE",
    "SHARE ROW EXCLUSIVE",
    "EXCLUSIVE",
    "ACCESS EXCLUSIVE",
];

fn rank(mode: &str) -> usize {
    let plain = |m: &str| m.replace(' ', "").to_uppercase();
    let wanted = plain(mode.trim_end_matches("Lock"));
    MODES.iter().position(|m| plain(m) == wanted).expect("a mode of pg_locks")
}

/// Locks that keep nobody waiting are of no interest.
fn strong(locks: impl IntoIterator<Item = (String, usize)>) -> BTreeMap<String, usize> {
    let mut out = BTreeMap::new();
    for (table, rank) in locks {
        if rank >= 2 {
            let held = out.entry(table).or_insert(rank);
            *held = rank.max(*held);
        }
    }
    out
}

async fn names(session: &mut Session, sql: &str) -> Vec<String> {
    session.rows(sql).await.into_iter().filter_map(|row| row[0].clone()).collect()
}

fn sorted(names: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
    names.sort();
    names
}

/// Statements that refuse a transaction. The lock that they ask for first is read while another
/// session keeps them waiting.
fn refuses_transaction(fact: &LockFact) -> bool {
    (fact.statement.contains("CONCURRENTLY") && !fact.statement.starts_with("REFRESH"))
        || fact.statement.contains("VACUUM")
}

/// The version that is measured, for the message of a failure.
async fn major(session: &mut Session) -> u32 {
    let number = session.value("SHOW server_version_num").await.expect("never NULL");
    number.parse::<u32>().expect("a number") / 10_000
}

/// What a statement was measured to do, where that is not what the table says.
struct Differences<'a> {
    fact: &'a LockFact,
    text: &'a mut String,
}

impl Differences<'_> {
    fn expect(&mut self, what: &str, real: String, said: String) {
        if real != said {
            let operation = self.fact.operation;
            self.text.push_str(&format!("{operation} {what}: real {real}, table {said}\n"));
        }
    }
}

/// Runs the statement in a transaction and looks around before it ends.
async fn measure(mut session: Session, mut out: Differences<'_>) {
    let fact = out.fact;
    session.run(BEFORE).await;
    session.run("BEGIN").await;
    if let Err(error) = session.try_run(fact.statement).await {
        out.text.push_str(&format!("{}: {error}\n", fact.operation));
        return;
    }
    let locks = strong(session.rows(LOCKS).await.into_iter().map(|row| {
        let cell = |i: usize| row[i].clone().expect("never NULL");
        (cell(0), rank(&cell(1)))
    }));
    let said = strong(fact.locks.iter().map(|(t, m)| ((*t).to_owned(), rank(m))));
    out.expect("locks", format!("{locks:?}"), format!("{said:?}"));
    // TRUNCATE gives new, empty files: nothing is copied, read or built.
    if fact.operation != "truncate" {
        for (what, sql, said) in [
            ("rewrites", REWRITES, &fact.rewrites),
            ("scans", SCANS, &fact.scans),
            ("builds", BUILDS, &fact.builds_indexes),
        ] {
            let real = names(&mut session, sql).await;
            out.expect(what, format!("{real:?}"), format!("{:?}", sorted(said)));
        }
    }
    session.close().await;
}

/// Runs a statement that refuses a transaction on a database of its own, first held up by somebody
/// who has locked the tables.
async fn measure_waiting(server: &Postgres, mut out: Differences<'_>) {
    let database = server.fresh_database().await;
    let mut blocker = database.session().await;
    blocker.run(LOCK_FACTS_SETUP).await;
    let mut session = database.session().await;
    session.run(BEFORE).await;
    let pid = session.value("SELECT pg_backend_pid()").await.expect("never NULL");
    let fact = out.fact;
    let (table, mode) = fact.locks[0];
    // It stands in the way of all that DDL takes, and of no glance at the table before.
    blocker.run(&format!("BEGIN; LOCK TABLE {table} IN SHARE UPDATE EXCLUSIVE MODE")).await;
    let held_up = async {
        let query = format!(
            "SELECT c.relname, l.mode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation \
             WHERE l.pid = {pid} AND NOT l.granted"
        );
        let deadline = Instant::now() + Duration::from_secs(30);
        let rows = loop {
            let rows = blocker.rows(&query).await;
            if !rows.is_empty() || Instant::now() > deadline {
                break rows;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        blocker.run("ROLLBACK").await;
        rows
    };
    let (ran, waited) = tokio::join!(session.try_run(fact.statement), held_up);
    if let Err(error) = ran {
        out.text.push_str(&format!("{}: {error}\n", fact.operation));
        return;
    }
    let real: Vec<_> = waited
        .into_iter()
        .map(|row| {
            (row[0].clone().unwrap_or_default(), rank(row[1].as_deref().unwrap_or_default()))
        })
        .collect();
    out.expect("asks for", format!("{real:?}"), format!("{:?}", [(table.to_owned(), rank(mode))]));
    // Scan counters of a transaction are gone with it.
    for (what, sql, said) in
        [("rewrites", REWRITES, &fact.rewrites), ("builds", BUILDS, &fact.builds_indexes)]
    {
        let real = names(&mut session, sql).await;
        out.expect(what, format!("{real:?}"), format!("{:?}", sorted(said)));
    }
    session.close().await;
}

#[tokio::test]
async fn the_table_of_facts_is_what_the_server_does() {
    let server = Postgres::shared();
    let database = server.fresh_database().await;
    let mut admin = database.session().await;
    admin.run(LOCK_FACTS_SETUP).await;
    // A tablespace needs no disk of its own for this.
    admin.run("SET allow_in_place_tablespaces = on").await;
    admin.run("CREATE TABLESPACE fast LOCATION ''").await;
    let major = major(&mut admin).await;
    let mut wrong = String::new();
    let mut measured = 0;
    let facts = lock_facts();
    for fact in &facts {
        let mut out = Differences { fact, text: &mut wrong };
        if fact.versions.contains(major) {
            measured += 1;
            if refuses_transaction(fact) {
                measure_waiting(server, out).await;
            } else {
                // Scan counters belong to the session.
                measure(database.session().await, out).await;
            }
        } else if !facts.iter().any(|f| f.operation == fact.operation && f.versions.contains(major))
        {
            // No row speaks of this version: it knows no such statement.
            admin.run("BEGIN").await;
            let ran = admin.try_run(fact.statement).await;
            out.expect("refused", ran.is_err().to_string(), true.to_string());
            admin.run("ROLLBACK").await;
        }
    }
    assert!(wrong.is_empty(), "PostgreSQL {major}:\n{wrong}");
    assert!(measured > 90, "only {measured} statements were measured");
}

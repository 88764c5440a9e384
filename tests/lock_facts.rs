//! What the analyzer says of locks, rewrites, scans and index builds is what the server does.

use std::collections::BTreeMap;

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

/// Statements that refuse a transaction (their rows are from the manual) or need a disk.
fn cannot_be_measured(fact: &LockFact) -> bool {
    ["CONCURRENTLY", "VACUUM", "SET TABLESPACE"].iter().any(|w| fact.statement.contains(w))
        && !fact.statement.starts_with("REFRESH")
}

#[tokio::test]
async fn the_table_of_facts_is_what_the_server_does() {
    let database = Postgres::shared().fresh_database().await;
    database.session().await.run(LOCK_FACTS_SETUP).await;
    let mut wrong = String::new();
    let mut measured = 0;
    for fact in lock_facts() {
        if cannot_be_measured(&fact) {
            continue;
        }
        measured += 1;
        // Scan counters belong to the session.
        let mut session = database.session().await;
        session.run(BEFORE).await;
        session.run("BEGIN").await;
        if let Err(error) = session.try_run(fact.statement).await {
            wrong.push_str(&format!("{}: {error}\n", fact.operation));
            continue;
        }
        let locks = strong(session.rows(LOCKS).await.into_iter().map(|row| {
            let cell = |i: usize| row[i].clone().expect("never NULL");
            (cell(0), rank(&cell(1)))
        }));
        let said = strong(fact.locks.iter().map(|(t, m)| ((*t).to_owned(), rank(m))));
        let mut expect = |what: &str, real: String, said: String| {
            if real != said {
                wrong.push_str(&format!("{} {what}: real {real}, table {said}\n", fact.operation));
            }
        };
        expect("locks", format!("{locks:?}"), format!("{said:?}"));
        // TRUNCATE gives new, empty files: nothing is copied, read or built.
        if fact.operation != "truncate" {
            for (what, sql, said) in [
                ("rewrites", REWRITES, &fact.rewrites),
                ("scans", SCANS, &fact.scans),
                ("builds", BUILDS, &fact.builds_indexes),
            ] {
                let real = names(&mut session, sql).await;
                expect(what, format!("{real:?}"), format!("{:?}", sorted(said)));
            }
        }
        session.close().await;
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(measured > 80, "only {measured} statements were measured");
}

//! Measures on MariaDB: the cheapest `ALGORITHM=` and `LOCK=` that the server takes.

use std::collections::BTreeSet;

use downhaul_kit::{MariaDb, Session, error_code};

use crate::data::{Case, Sample};
use crate::truth::{Contents, Truth, lost};

/// From the cheapest on: what is asked for, whether writes wait, whether rows are written anew.
const WAYS: &[(&str, bool, bool)] = &[
    ("ALGORITHM=INSTANT|LOCK=NONE", false, false),
    ("ALGORITHM=NOCOPY|LOCK=NONE", false, false),
    ("ALGORITHM=INPLACE|LOCK=NONE", false, true),
    ("ALGORITHM=INPLACE|LOCK=SHARED", true, true),
    ("ALGORITHM=COPY|LOCK=SHARED", true, true),
];

/// Measures every case anew.
pub(crate) async fn measure(sample: &Sample) -> Vec<Case> {
    let server = MariaDb::shared();
    let mut out = Vec::new();
    for case in &sample.cases {
        let database = server.fresh_database().await;
        let mut session = database.session().await;
        session.run(&sample.setup).await;
        if !case.history.is_empty() {
            session.run(&case.history).await;
        }
        let truth = one(&mut session, sample, case).await;
        session.close().await;
        out.push(Case { truth, ..case.clone() });
    }
    out
}

async fn one(session: &mut Session, sample: &Sample, case: &Case) -> Truth {
    let before = contents(session).await;
    let worked = working(session, sample).await;
    let mut truth = Truth::default();
    match carry_out(session, &case.statement, &mut truth).await {
        Ok(()) => {}
        Err(code) => return Truth { fails: Some(code), ..Truth::default() },
    }
    truth.loses = lost(&before, &contents(session).await);
    let still = working(session, sample).await;
    truth.breaks = worked.difference(&still).cloned().collect();
    truth
}

/// Runs it the cheapest way that the server takes.
async fn carry_out(
    session: &mut Session,
    statement: &str,
    truth: &mut Truth,
) -> Result<(), String> {
    let upper = statement.to_uppercase();
    let alters = upper.starts_with("ALTER TABLE") || upper.contains(" INDEX ");
    let stated = upper.contains("ALGORITHM") || upper.contains("LOCK=");
    let partitions =
        ["PARTITION", "SYSTEM VERSIONING", " RENAME TO "].iter().any(|w| upper.contains(w));
    if !alters || stated || partitions {
        return session.try_run(statement).await.map_err(|e| error_code(&e));
    }
    let comma = if upper.starts_with("ALTER TABLE") { ", " } else { " " };
    for (way, writes_wait, rebuilds) in WAYS {
        let sql = format!("{statement}{comma}{}", way.replace('|', comma));
        match session.try_run(&sql).await {
            Ok(()) => {
                let table = table_of(statement);
                if *writes_wait {
                    truth.locks.insert(table.clone(), "writes".to_owned());
                }
                if *rebuilds {
                    truth.rewrites.insert(table);
                }
                return Ok(());
            }
            // Not this way (1221, 1845, 1846).
            Err(e) if ["0A000", "HY000"].contains(&error_code(&e).as_str()) => {}
            // `DROP INDEX` takes no algorithm.
            Err(e) if error_code(&e) == "42000" => break,
            Err(e) => return Err(error_code(&e)),
        }
    }
    session.try_run(statement).await.map_err(|e| error_code(&e))
}

/// The table that is altered.
fn table_of(statement: &str) -> String {
    let words: Vec<&str> = statement.split([' ', '(']).filter(|w| !w.is_empty()).collect();
    let behind = |word: &str| {
        words.iter().position(|w| w.eq_ignore_ascii_case(word)).and_then(|at| words.get(at + 1))
    };
    let name = if words[0].eq_ignore_ascii_case("ALTER") { behind("TABLE") } else { behind("ON") };
    (*name.expect("names a table")).to_owned()
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

/// Names of the statements of the running release that work now.
async fn working(session: &mut Session, sample: &Sample) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for (name, query) in &sample.queries {
        session.run("START TRANSACTION").await;
        if session.try_run(query).await.is_ok() {
            out.insert(name.clone());
        }
        session.run("ROLLBACK").await;
    }
    out
}

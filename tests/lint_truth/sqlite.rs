//! Measures on SQLite: whether it is refused, and which pages it writes (frames of the write-ahead
//! log against pages of the table).

use std::fs;

use downhaul_kit::{Session, SqliteFile, error_code};

use crate::answers::{Answers, ask, broken};
use crate::data::{Case, Engine, Sample};
use crate::hidden::Guarded;
use crate::probes::{Outcomes, idle, named, only_rows, written};
use crate::shape::Shape;
use crate::truth::{Contents, Truth, lost};

/// Frames of the log from which on a statement has written more than the schema: the tables of the
/// setup have over 30 pages each.
const MANY_FRAMES: u64 = 15;

/// Rows from which on it writes what a whole table holds: how many pages these fill depends on the
/// rows, and that it grows with the table does not.
const MANY_ROWS: u64 = 400;

/// What a session keeps for the statements after it.
const SETTINGS: &[&str] = &[
    "foreign_keys",
    "recursive_triggers",
    "legacy_alter_table",
    "ignore_check_constraints",
    "writable_schema",
    "synchronous",
];

/// Measures every case anew.
pub(crate) async fn measure(sample: &Sample) -> Vec<Case> {
    let template = SqliteFile::new();
    let mut session = template.session().await;
    session.run("PRAGMA journal_mode = WAL").await;
    session.run(&sample.setup).await;
    // Most cases meet the same.
    let untouched = Before::read(&mut session, sample, "").await;
    session.run("PRAGMA wal_checkpoint(TRUNCATE)").await;
    session.close().await;
    let mut out = Vec::new();
    for case in &sample.cases {
        let file = SqliteFile::new();
        fs::copy(template.path(), file.path()).unwrap();
        let mut session = file.session().await;
        session.run("PRAGMA wal_autocheckpoint = 0").await;
        let mut own = None;
        if !case.history.is_empty() {
            session.run(&case.history).await;
            own = Some(Before::read(&mut session, sample, &case.statement).await);
        }
        let before = own.as_ref().unwrap_or(&untouched);
        let truth = one(&mut session, &file, sample, case, before).await;
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
        let shape = Shape::read(session, Engine::Sqlite).await;
        let probes = if only_rows(statement) || !sample.is_probed() {
            Outcomes::default()
        } else {
            Outcomes::read(session, Engine::Sqlite, &named(&shape, statement)).await
        };
        Self { contents, working, probes }
    }
}

async fn one(
    session: &mut Session,
    file: &SqliteFile,
    sample: &Sample,
    case: &Case,
    before: &Before,
) -> Truth {
    let guarded = Guarded::of(&case.statement);
    let old = match &guarded {
        Some(guarded) => guarded.definition(session, sample.engine).await,
        None => Vec::new(),
    };
    session.run("PRAGMA wal_checkpoint(TRUNCATE)").await;
    let sql = if case.outside {
        case.statement.clone()
    } else {
        format!("BEGIN; {}; COMMIT", case.statement)
    };
    let mut settings = Vec::new();
    for name in SETTINGS {
        settings.push(((*name).to_owned(), session.value(&format!("PRAGMA {name}")).await));
    }
    let mut truth = Truth::default();
    let rows = written(session, Engine::Sqlite).await;
    if let Err(error) = session.try_run(&sql).await {
        return Truth { fails: Some(error_code(&error)), ..Truth::default() };
    }
    let changed = written(session, Engine::Sqlite).await - rows;
    truth.idle = sample.is_probed() && idle(&case.statement) && changed == 0;
    let log = file.path().with_extension("db-wal");
    for (name, old) in &settings {
        if session.value(&format!("PRAGMA {name}")).await != *old {
            truth.leaves.insert(name.clone());
        }
    }
    let frames = fs::metadata(log).map_or(0, |m| m.len()) / 4120;
    if frames >= MANY_FRAMES || changed >= MANY_ROWS {
        truth.rewrites.insert("pages".to_owned());
    }
    truth.loses = lost(&before.contents, &contents(session).await);
    truth.idle &= truth.loses.is_empty();
    let still = working(session, sample).await;
    truth.breaks = broken(&before.working, &still, !truth.loses.is_empty());
    if !only_rows(&case.statement) && sample.is_probed() {
        before.probes.compare_with_now(session, Engine::Sqlite, &case.statement, &mut truth).await;
    }
    if let Some(guarded) = guarded {
        truth.hides.extend(guarded.hides(session, sample.engine, &old).await);
    }
    truth
}

async fn contents(session: &mut Session) -> Contents {
    let columns = session
        .rows(
            "SELECT m.name, c.name FROM sqlite_schema m, pragma_table_info(m.name) c \
             WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name NOT IN \
             (SELECT name FROM pragma_table_list WHERE type = 'shadow')",
        )
        .await;
    let mut out = Contents::new();
    for row in columns {
        let [table, column] =
            <[Option<String>; 2]>::try_from(row).unwrap().map(Option::unwrap_or_default);
        // All rows in one: there are many.
        let sql = format!(
            "SELECT group_concat(coalesce('=' || CAST(\"{column}\" AS text), ''), char(1)) \
             FROM \"{table}\""
        );
        let all = session.value(&sql).await;
        let values = all.iter().flat_map(|all| all.split('\u{1}'));
        let mut values: Vec<_> = values.map(|v| v.strip_prefix('=').map(str::to_owned)).collect();
        values.sort_unstable();
        out.insert((table, column), values);
    }
    out
}

/// The statements of the running release that work now.
async fn working(session: &mut Session, sample: &Sample) -> Answers {
    let mut out = Answers::new();
    for (name, query) in &sample.queries {
        session.run("BEGIN").await;
        out.extend(ask(session, query).await.map(|answer| (name.clone(), answer)));
        // A trigger may have ended the transaction.
        let _ = session.try_run("ROLLBACK").await;
    }
    out
}

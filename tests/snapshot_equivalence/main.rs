//! The promise: whatever is written, by however many sessions, in whatever transactions, and
//! whatever migrations run since, every tracked table comes back to a mark byte for byte.
//!
//! Random schemas; random transactions of several sessions at once, some of them rolled back, some
//! open across the mark, with savepoints and at all isolation levels; a mark made while they run,
//! with an export of all tables read by the very snapshot of the mark; more transactions and a
//! migration that goes up and down; then a restore, compared with the export; then its undo.
//!
//! `DOWNHAUL_SEED=n` repeats one round; `DOWNHAUL_ROUNDS=n` runs more; `DOWNHAUL_STRATEGY` says how
//! PostgreSQL's tables are written back.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

mod mariadb;
mod sqlite;
mod world;
mod writer;

use std::collections::BTreeMap;

use downhaul_engine::{Session as EngineSession, Target, connect};
use downhaul_kit::{Postgres, Rng, Session};
use downhaul_plan::load;
use downhaul_run::observer::Silent;
use downhaul_run::{DownSelection, Options, Runner, UpSelection};
use downhaul_snapshot::mark::{self, Mark, Origin, Own};
use downhaul_snapshot::merge::OnConflict;
use downhaul_snapshot::restore_to::{Request, Scope, Wish};
use downhaul_snapshot::track::{Around, Capture, intend, name};

use crate::world::World;
use crate::writer::{change_all, change_some, write};

/// Rows of every table, as sorted texts.
type Export = BTreeMap<String, Vec<String>>;

async fn export_plain(session: &mut Session, world: &World) -> Export {
    let mut export = Export::new();
    for table in &world.tables {
        let rows = session.rows(&table.select()).await;
        let mut rows: Vec<String> = rows.into_iter().map(|r| r[0].clone().unwrap()).collect();
        rows.sort();
        export.insert(table.name.clone(), rows);
    }
    export
}

/// Makes a mark and reads all tables with the same snapshot.
async fn mark_and_export(target: &Target, world: &World, name: &str) -> (Mark, Export) {
    let mut session = connect(target, false).await.unwrap();
    // TRUNCATE empties a table for older snapshots too (PostgreSQL manual §13.6): not under the
    // eyes of this one, which is the measure. A deadlock with a writer is no fault of the mark.
    let tables: Vec<String> = world.tables.iter().map(world::Table::quoted).collect();
    let lock = format!("LOCK TABLE {} IN ACCESS SHARE MODE", tables.join(", "));
    loop {
        session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ").await.unwrap();
        if session.execute(&lock).await.is_ok() {
            break;
        }
        session.execute("ROLLBACK").await.unwrap();
    }
    let mark = mark::make(&mut *session, name, Origin::Person, Own::After, "test").await.unwrap();
    let mut export = Export::new();
    for table in &world.tables {
        let rows = session.rows(&table.select()).await.unwrap();
        let mut rows: Vec<String> = rows.iter().map(|r| r.text(0).to_owned()).collect();
        rows.sort();
        export.insert(table.name.clone(), rows);
    }
    session.execute("COMMIT").await.unwrap();
    session.close().await;
    (mark.unwrap(), export)
}

fn compare(what: &str, wanted: &Export, found: &Export) -> Result<(), String> {
    for (table, rows) in wanted {
        let now = &found[table];
        if rows != now {
            let missing: Vec<_> = rows.iter().filter(|r| !now.contains(r)).take(5).collect();
            let extra: Vec<_> = now.iter().filter(|r| !rows.contains(r)).take(5).collect();
            return Err(format!(
                "{what}: {table} has {} rows instead of {}\n  missing {missing:#?}\n  too many {extra:#?}",
                now.len(),
                rows.len()
            ));
        }
    }
    Ok(())
}

async fn runner(target: &Target) -> Runner {
    Runner::open(target, false, Options { who: "test".into(), ..Options::default() }).await.unwrap()
}

async fn restore(target: &Target, request: &Request) -> Result<(), String> {
    let mut runner = runner(target).await;
    let result = runner.restore(request, None, None, &mut Silent).await;
    runner.close().await;
    result.map(drop).map_err(|error| format!("restore: {error} {error:?}"))
}

async fn migrate(target: &Target, dir: &std::path::Path, up: bool) -> Result<(), String> {
    let series = load(dir).unwrap();
    let mut runner = runner(target).await;
    let result = if up {
        let plan = runner.plan_up(&series, &UpSelection::All).await.unwrap();
        runner.up(&plan, &mut Silent).await.map(drop)
    } else {
        let plan = runner.plan_down(&series, &DownSelection::All).await.unwrap();
        runner.down(&plan, &mut Silent).await.map(drop)
    };
    runner.close().await;
    result.map_err(|error| format!("migration (up: {up}): {error:?}"))
}

/// Everything as it was at a mark.
fn reset(target: Mark) -> Request {
    Request {
        target,
        until: None,
        on_conflict: OnConflict::Fail,
        scope: Scope::default(),
        wish: Wish::Auto,
        source: None,
    }
}

/// How rows are written back in a round: `DOWNHAUL_STRATEGY=auto|rows|rewrite`, or by turns.
fn wish(seed: u64) -> Wish {
    match std::env::var("DOWNHAUL_STRATEGY").as_deref() {
        Ok("rows") => Wish::Rows,
        Ok("rewrite") => Wish::Rewrite,
        Ok("auto") => Wish::Auto,
        Ok(other) => panic!("DOWNHAUL_STRATEGY={other}: auto, rows or rewrite"),
        Err(_) if seed.is_multiple_of(2) => Wish::Rewrite,
        Err(_) => Wish::Auto,
    }
}

async fn play(seed: u64, url: &str) -> Result<(), String> {
    let mut rng = Rng::new(seed);
    let world = World::new(&mut rng);
    let target = Target::parse(url).unwrap();
    let mut db = Session::connect(url).await;
    for statement in &world.setup {
        db.try_run(statement).await.map_err(|e| format!("setup: {e} in {statement}"))?;
    }
    let mut run = runner(&target).await;
    let around = Around::with_sizes(run.session()).await.unwrap();
    let mut intents = Vec::new();
    for table in &world.tables {
        let wish = *rng.pick(&[None, Some(Capture::Row), Some(Capture::Statement)]);
        let name = name::parse_name(&table.quoted()).unwrap();
        intents.push(intend::intend(run.session(), &around, &name, wish).await.unwrap());
    }
    run.track(&intents, &mut Silent).await.map_err(|e| format!("track: {e:?}"))?;
    run.close().await;

    // Before the mark, around it, and after it: four sessions at once.
    let mut writers: Vec<_> = (0..4).map(|_| rng.fork()).collect();
    let (w0, rest) = writers.split_at_mut(1);
    let (w1, rest) = rest.split_at_mut(1);
    let (w2, w3) = rest.split_at_mut(1);
    let pause = rng.below(150) as u64;
    let ((), (), (), (), (mark, export)) = tokio::join!(
        write(url, &world, &mut w0[0], 14),
        write(url, &world, &mut w1[0], 14),
        write(url, &world, &mut w2[0], 14),
        write(url, &world, &mut w3[0], 14),
        async {
            tokio::time::sleep(std::time::Duration::from_millis(pause)).await;
            mark_and_export(&target, &world, "m").await
        }
    );

    let dir = tempfile::tempdir().unwrap();
    if let Some((up, down)) = &world.migration {
        std::fs::write(dir.path().join("1_m.up.sql"), up).unwrap();
        std::fs::write(dir.path().join("1_m.down.sql"), down).unwrap();
        let (up, ()) =
            tokio::join!(migrate(&target, dir.path(), true), write(url, &world, &mut w0[0], 3));
        up?;
        tokio::join!(write(url, &world, &mut w1[0], 4), write(url, &world, &mut w2[0], 4));
        migrate(&target, dir.path(), false).await?;
    }
    tokio::join!(write(url, &world, &mut w0[0], 6), write(url, &world, &mut w3[0], 6));

    let before = export_plain(&mut db, &world).await;
    let wish = wish(seed);
    restore(&target, &Request { wish, ..reset(mark) }).await?;
    compare("restored", &export, &export_plain(&mut db, &world).await)?;
    // The way back of the way back.
    let mut session = connect(&target, false).await.unwrap();
    let undo = mark::named(&mut *session, "before restore 1").await.unwrap();
    session.close().await;
    restore(&target, &Request { wish, ..reset(undo) }).await?;
    compare("undone", &before, &export_plain(&mut db, &world).await)?;
    for (name, text) in [("m", &export), ("before restore 1", &before)] {
        let mut session = connect(&target, false).await.unwrap();
        let mark = mark::named(&mut *session, name).await.unwrap();
        for table in &world.tables {
            let rows = as_of(&mut *session, table, &mark).await;
            if rows != text[&table.name] {
                return Err(format!("{} read as of {name} is not what it was", table.name));
            }
        }
        session.close().await;
    }
    // The first statement after a mark changes every row.
    let (mark, export) = mark_and_export(&target, &world, "n").await;
    change_all(url, &world, &mut w0[0]).await;
    tokio::join!(change_some(url, &world, &mut w1[0], 3), change_some(url, &world, &mut w2[0], 3));
    restore(&target, &Request { wish: Wish::Rewrite, ..reset(mark) }).await?;
    compare("restored from all rows", &export, &export_plain(&mut db, &world).await)
}

/// The rows of a table as of a mark, by a query.
async fn as_of(session: &mut dyn EngineSession, table: &world::Table, mark: &Mark) -> Vec<String> {
    let all = downhaul_snapshot::track::all(session).await.unwrap();
    let tracked = all.iter().find(|t| t.name.name.as_str() == table.name).unwrap();
    let past = downhaul_snapshot::history::Past::new(tracked, mark);
    let sql = table.select_from(&format!("({})", past.rows(mark)));
    let mut rows: Vec<String> =
        session.rows(&sql).await.unwrap().iter().map(|r| r.text(0).to_owned()).collect();
    rows.sort();
    rows
}

/// Seeds of the rounds: `DOWNHAUL_ROUNDS` of them from `DOWNHAUL_SEED` on; one where only that is said.
#[allow(clippy::print_stderr, reason = "a long run says how far it is")]
fn seeds(default: u64) -> impl Iterator<Item = u64> {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .map(|text| text.parse::<u64>().expect("a number of the environment"))
    };
    let (seed, rounds) = (number("DOWNHAUL_SEED"), number("DOWNHAUL_ROUNDS"));
    let rounds = rounds.unwrap_or(if seed.is_some() { 1 } else { default });
    let first = seed.unwrap_or(1);
    (0..rounds).map(move |round| {
        if round > 0 && round.is_multiple_of(100) {
            eprintln!("{round} of {rounds} rounds");
        }
        first + round
    })
}

#[tokio::test]
async fn every_table_of_postgres_is_what_it_was() {
    let server = Postgres::shared();
    let mut failed = Vec::new();
    for seed in seeds(10) {
        let database = server.fresh_database().await;
        if let Err(why) = play(seed, database.url()).await {
            let world = World::new(&mut Rng::new(seed));
            eprintln!("DOWNHAUL_SEED={seed}: {why}\n{:#?}\n{:?}", world.setup, world.migration);
            if std::env::var_os("DOWNHAUL_KEEP").is_some() {
                eprintln!("the database is still there for five minutes: {}", database.url());
                tokio::time::sleep(std::time::Duration::from_secs(300)).await;
            }
            failed.push(seed);
        }
    }
    assert!(failed.is_empty(), "these rounds failed: {failed:?}");
}

//! Random transactions of one session.

use std::time::Duration;

use downhaul_kit::{Rng, Session};

use crate::world::{Table, World};

fn key(rng: &mut Rng) -> i64 {
    rng.between(1, 20)
}

fn place(rng: &mut Rng) -> (String, String) {
    (
        rng.pick(&["'glad'", "'sad'"]).to_string(),
        rng.pick(&["'a'", "'b'", "'cd'", "''"]).to_string(),
    )
}

/// Changes rows.
fn change(rng: &mut Rng, table: &Table, condition: &str) -> String {
    let mut sets = Vec::new();
    for (column, ty) in &table.columns {
        if rng.one_in(2) {
            sets.push(format!("\"{column}\" = {}", ty.value(rng)));
        }
    }
    if table.unique && rng.one_in(3) {
        sets.push(format!("u = {}", rng.between(0, 40)));
    }
    if table.place && rng.one_in(3) {
        let (mood, place) = place(rng);
        sets.push(format!("m = {mood}, w = {place}"));
    }
    for (column, _) in &table.links {
        if rng.one_in(3) {
            sets.push(format!("{column} = {}", key(rng)));
        }
    }
    if sets.is_empty() {
        sets.push(format!("\"{0}\" = \"{0}\"", table.columns[0].0));
    }
    format!("UPDATE {} SET {} WHERE {condition}", table.quoted(), sets.join(", "))
}

/// One statement. What the schema forbids fails, as it does for others.
fn statement(rng: &mut Rng, world: &World) -> String {
    let table = rng.pick(&world.tables);
    let name = table.quoted();
    let condition = if table.keys > 0 {
        let low = key(rng);
        format!("k0 BETWEEN {low} AND {}", low + rng.between(0, 4))
    } else {
        "ctid IN (SELECT ctid FROM ".to_owned() + &name + &format!(" LIMIT {})", 1 + rng.below(3))
    };
    match rng.below(12) {
        0..4 => insert(rng, table),
        4..7 => change(rng, table, &condition),
        7..9 => format!("DELETE FROM {name} WHERE {condition}"),
        9 if table.place && table.keys > 0 && rng.one_in(2) => {
            // What a sorting by hand does.
            let far = "(ARRAY['a','b','cd',''])[1 + (k0 + 1) % 4]::char(2)";
            format!("UPDATE {name} SET w = {far} WHERE {condition}")
        }
        9 if table.keys > 0 => {
            format!("UPDATE {name} SET k0 = {} WHERE k0 = {}", key(rng), key(rng))
        }
        10 if table.keys == 1 => {
            let (column, ty) = &table.columns[0];
            format!(
                "INSERT INTO {name} (k0, \"{column}\") VALUES ({}, {}) ON CONFLICT (k0) DO UPDATE SET \"{column}\" = EXCLUDED.\"{column}\"",
                key(rng),
                ty.value(rng)
            )
        }
        11 if table.keys == 1 && rng.one_in(2) => {
            let (column, ty) = &table.columns[0];
            let k = key(rng);
            format!(
                "WITH gone AS (DELETE FROM {name} WHERE k0 = {k} RETURNING k0) INSERT INTO {name} (k0, \"{column}\") SELECT k0, {} FROM gone",
                ty.value(rng)
            )
        }
        _ if rng.one_in(6) => format!("TRUNCATE {name}"),
        _ => insert(rng, table),
    }
}

fn insert(rng: &mut Rng, table: &Table) -> String {
    let mut names = Vec::new();
    let mut values = Vec::new();
    for k in 0..table.keys {
        names.push(format!("k{k}"));
        values.push(if k == 1 { "'x'".into() } else { key(rng).to_string() });
    }
    if table.unique {
        names.push("u".into());
        values.push(if rng.one_in(3) { "NULL".into() } else { rng.between(0, 40).to_string() });
    }
    if table.place {
        let (mood, place) = place(rng);
        names.extend(["m".to_owned(), "w".to_owned()]);
        values.extend([mood, place]);
    }
    for (column, _) in &table.links {
        names.push((*column).to_owned());
        values.push(if rng.one_in(2) { "NULL".into() } else { key(rng).to_string() });
    }
    for (column, ty) in &table.columns {
        names.push(format!("\"{column}\""));
        values.push(ty.value(rng));
    }
    format!("INSERT INTO {} ({}) VALUES ({})", table.quoted(), names.join(", "), values.join(", "))
}

/// Changes every row of each table once or twice, then some of them; now and then something else happens as well.
pub(crate) async fn change_all(url: &str, world: &World, rng: &mut Rng) {
    let mut session = Session::connect(url).await;
    let times = 1 + rng.below(2);
    for table in world.tables.iter().chain(&world.tables).take(world.tables.len() * times) {
        // What a rule of the schema forbids happens to none of them.
        let _ = session.try_run(&change(rng, table, "true")).await;
    }
    session.close().await;
    if rng.one_in(4) {
        write(url, world, rng, 1).await;
    }
}

/// Runs transactions that change rows, and do nothing else.
pub(crate) async fn change_some(url: &str, world: &World, rng: &mut Rng, transactions: usize) {
    let mut session = Session::connect(url).await;
    session.run("SET lock_timeout = '3s'; SET deadlock_timeout = '20ms'").await;
    for _ in 0..transactions {
        session.run("BEGIN").await;
        for number in 0..1 + rng.below(3) {
            let table = rng.pick(&world.tables);
            let some = ["true", "ctid < '(0,5)'", "ctid > '(0,3)'"];
            let condition = *rng.pick(&some);
            let sql = change(rng, table, condition);
            session.run(&format!("SAVEPOINT s{number}")).await;
            if session.try_run(&sql).await.is_err() || rng.one_in(6) {
                session.run(&format!("ROLLBACK TO s{number}")).await;
            }
        }
        let _ = session.try_run(if rng.one_in(5) { "ROLLBACK" } else { "COMMIT" }).await;
    }
    session.close().await;
}

/// Runs so many transactions.
pub(crate) async fn write(url: &str, world: &World, rng: &mut Rng, transactions: usize) {
    let mut session = Session::connect(url).await;
    session.run("SET lock_timeout = '3s'; SET deadlock_timeout = '20ms'").await;
    for _ in 0..transactions {
        let isolation =
            *rng.pick(&["READ COMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]);
        session.run(&format!("BEGIN ISOLATION LEVEL {isolation}")).await;
        for number in 0..1 + rng.below(5) {
            let point = format!("s{number}");
            session.run(&format!("SAVEPOINT {point}")).await;
            let sql = statement(rng, world);
            let failed = session.try_run(&sql).await.is_err();
            if failed || rng.one_in(6) {
                // A deadlock ends the whole transaction only at its own ROLLBACK.
                session.run(&format!("ROLLBACK TO {point}")).await;
            }
            if rng.one_in(4) {
                tokio::time::sleep(Duration::from_millis(rng.below(12) as u64)).await;
            }
        }
        let end = if rng.one_in(5) { "ROLLBACK" } else { "COMMIT" };
        if session.try_run(end).await.is_err() {
            let _ = session.try_run("ROLLBACK").await;
        }
    }
    session.close().await;
}

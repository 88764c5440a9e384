//! The promise holds for every type, with its most extreme values, and for every name: what a
//! migration destroys comes back, and what is tracked returns to a mark, to the last bit.
//!
//! `DOWNHAUL_TABLES=n` sets how many tables the crowd has (10,000 by hand, fewer otherwise).

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

mod mariadb;
mod postgres;
mod sqlite;

use std::collections::BTreeMap;

use downhaul_kit::{Program, Session};

const PROGRAM: &str = env!("CARGO_BIN_EXE_downhaul");

/// Names that break what builds SQL by hand; each has at most 63 bytes.
const NAMES: [&str; 22] = [
    "plain",
    "CamelCase",
    "sp ace",
    " edges ",
    "it's",
    "two \"quotes\"",
    "back`tick",
    "semi;colon",
    "back\\slash",
    "dot.ted",
    "$downhaul$ $$ $downhaul_$",
    "line\nbreak\tand tab",
    "-- comment",
    "/* comment",
    "x'); DROP TABLE plain; --",
    "%s $1 ?1 :name @x",
    "select",
    "Ünïcödé ☃ 雪 🐘",
    "e\u{301} combining",
    "downhaul_kept_1",
    "a23456789_123456789_123456789_123456789_123456789_123456789_123",
    "é23456789_123456789_123456789_123456789_123456789_123456789_12",
];

/// What a table is called, and how all of it is read: a text for each row, in order.
struct Shown {
    label: String,
    select: String,
}

/// A destructive migration and its down.
struct Step {
    up: String,
    down: String,
}

impl Step {
    fn new(up: impl Into<String>, down: impl Into<String>) -> Self {
        Self { up: up.into(), down: down.into() }
    }
}

/// Rows of each table that is there.
type Album = BTreeMap<String, Vec<String>>;

async fn photograph(session: &mut Session, shown: &[Shown]) -> Album {
    let mut album = Album::new();
    for table in shown {
        if let Ok(rows) = session.try_rows(&table.select).await {
            let rows = rows.into_iter().map(|row| format!("{row:?}")).collect();
            album.insert(table.label.clone(), rows);
        }
    }
    album
}

fn same(wanted: &Album, found: &Album, when: &str) {
    let names = |album: &Album| album.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(wanted), names(found), "{when}: other tables");
    for (name, rows) in wanted {
        let now = &found[name];
        assert_eq!(rows.len(), now.len(), "{when}: {name} has another number of rows");
        for (old, new) in rows.iter().zip(now) {
            assert!(old == new, "{when}: {name}\n- {}\n+ {}", cut(old), cut(new));
        }
    }
}

fn cut(text: &str) -> String {
    text.chars().take(3000).collect()
}

/// Goes up step by step, each of which must change something, and back down step by step.
async fn up_and_down(url: &str, shown: &[Shown], steps: &[Step]) {
    let program = Program::new(PROGRAM).database(url);
    let mut session = Session::connect(url).await;
    let mut albums = vec![photograph(&mut session, shown).await];
    assert_eq!(albums[0].len(), shown.len(), "each table can be read");
    for (number, step) in steps.iter().enumerate() {
        program.migration(&format!("{:04}_step", number + 1), &step.up, &step.down);
        program.ok(&["up", "--yes"]);
        let now = photograph(&mut session, shown).await;
        assert_ne!(&now, albums.last().unwrap(), "step {} destroys nothing", number + 1);
        albums.push(now);
    }
    for (number, _) in steps.iter().enumerate().rev() {
        program.ok(&["down", "--yes"]);
        let now = photograph(&mut session, shown).await;
        same(&albums[number], &now, &format!("behind the down of step {}", number + 1));
    }
    session.close().await;
}

/// Tracks all tables, spoils them, restores them, and undoes that.
async fn there_and_back(url: &str, shown: &[Shown], spoil: &str) {
    let program = Program::new(PROGRAM).database(url);
    let mut session = Session::connect(url).await;
    program.ok(&["snapshot", "track", "--all", "--yes"]);
    program.ok(&["snapshot", "mark", "whole"]);
    let whole = photograph(&mut session, shown).await;
    session.run(spoil).await;
    let spoilt = photograph(&mut session, shown).await;
    for table in shown {
        assert_ne!(whole[&table.label], spoilt[&table.label], "{} is not spoilt", table.label);
    }
    program.ok(&["snapshot", "diff", "whole"]);
    program.ok(&["snapshot", "restore", "--to", "whole", "--yes"]);
    same(&whole, &photograph(&mut session, shown).await, "restored");
    program.ok(&["snapshot", "restore", "--undo", "--yes"]);
    same(&spoilt, &photograph(&mut session, shown).await, "undone");
    session.close().await;
}

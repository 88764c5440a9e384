//! What happens while a migration runs, for whoever shows it.

use std::time::Duration;

use downhaul_engine::Blocker;
use downhaul_plan::Direction;
use downhaul_snapshot::restore::Restored;

use crate::KeptSummary;

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// So many migrations will run.
    Planned {
        /// How many.
        migrations: usize,
    },
    /// A migration begins.
    Started {
        /// `0007_slim_customers`.
        label: &'a str,
        /// Which way.
        direction: Direction,
        /// Statements in its file.
        statements: usize,
    },
    /// What a table is about to lose is being kept.
    Keeping {
        /// The table.
        table: &'a str,
    },
    /// A statement ran.
    Statement {
        /// Its text.
        sql: &'a str,
        /// How long it took.
        took: Duration,
    },
    /// Something was kept before it was destroyed.
    Kept(&'a KeptSummary),
    /// Something of the schema was put back that the down file forgot.
    Completed {
        /// For people: "index orders_note_idx".
        object: &'a str,
        /// False: it was left as it is, since it holds data.
        done: bool,
    },
    /// Something of the schema that the down file forgot could not be put back, and is left.
    Forgotten {
        /// For people: "index orders_note_idx".
        object: &'a str,
        /// Why.
        why: &'a str,
        /// Statement that puts it back.
        by_hand: &'a str,
    },
    /// Data was put back.
    Restored(&'a Restored),
    /// How far a long statement is, as the server tells.
    Progress {
        /// What is going on: "index: building index: scanning table".
        what: &'a str,
        /// Units done.
        done: u64,
        /// Units in all; 0 where that is not known.
        total: u64,
    },
    /// A lock was not to be had, or will not be: pause before the next try.
    Waiting {
        /// Who is, or may be, in the way.
        blockers: &'a [Blocker],
        /// Until the next try.
        pause: Duration,
        /// True: it was tried, and rolled back. False: it was not even tried, so that nobody
        /// queues behind it.
        queued: bool,
    },
    /// A statement that keeps nobody waiting waits itself, for as long as it takes.
    Held {
        /// For whom.
        blockers: &'a [Blocker],
    },
    /// A session that did nothing in an open transaction was ended, as wanted.
    Ended(&'a Blocker),
    /// A migration is done.
    Done {
        /// `0007_slim_customers`.
        label: &'a str,
        /// Which way.
        direction: Direction,
        /// How long it took.
        took: Duration,
    },
    /// Anything else that a person should know.
    Note(&'a str),
}

/// Is told what happens.
pub trait Observer: Send {
    /// Something happened.
    fn event(&mut self, event: Event<'_>);

    /// Asked before each migration, outside of any transaction.
    ///
    /// # Errors
    /// Why it shall not run: then the run ends here.
    fn allow(&mut self, _label: &str, _direction: Direction) -> Result<(), String> {
        Ok(())
    }

    /// Something is to be done between two migrations: then none is sent together with the next.
    fn comes_between(&self) -> bool {
        false
    }
}

/// Listens to nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&mut self, _event: Event<'_>) {}
}

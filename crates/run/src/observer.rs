//! What happens while a migration runs, for whoever shows it.

use std::time::Duration;

use downhaul_plan::Direction;
use downhaul_snapshot::restore::Restored;

use crate::KeptSummary;

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A migration begins.
    Started {
        /// `0007_slim_customers`.
        label: &'a str,
        /// Which way.
        direction: Direction,
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
    /// Data was put back.
    Restored(&'a Restored),
    /// A lock was not to be had; the migration was rolled back and waits before the next try.
    Waiting {
        /// Who may be in the way.
        blockers: &'a [String],
        /// Until the next try.
        pause: Duration,
    },
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
}

/// Listens to nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&mut self, _event: Event<'_>) {}
}

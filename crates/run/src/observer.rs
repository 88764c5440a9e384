//! What happens while a migration runs, for whoever shows it.

use std::time::Duration;

use downhaul_engine::Blocker;
use downhaul_plan::Direction;
use downhaul_snapshot::in_parts::Copied;
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
    /// How far the copy of a table is that is being kept.
    Copying {
        /// The table.
        table: &'a str,
        /// Rows so far, and in all.
        copied: Copied,
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

type Told = Box<dyn FnOnce(&mut dyn Observer) + Send>;

/// Keeps what happens to itself until it is sure, and tells it then.
#[derive(Default)]
pub(crate) struct Recorder(Vec<Told>);

impl Recorder {
    /// Tells all of it, in order.
    pub(crate) fn tell(self, observer: &mut dyn Observer) {
        for tell in self.0 {
            tell(observer);
        }
    }
}

impl Observer for Recorder {
    fn event(&mut self, event: Event<'_>) {
        let told: Told = match event {
            Event::Planned { migrations } => {
                Box::new(move |to| to.event(Event::Planned { migrations }))
            }
            Event::Started { label, direction, statements } => {
                let label = label.to_owned();
                Box::new(move |to| {
                    to.event(Event::Started { label: &label, direction, statements });
                })
            }
            Event::Keeping { table } => {
                let table = table.to_owned();
                Box::new(move |to| to.event(Event::Keeping { table: &table }))
            }
            Event::Statement { sql, took } => {
                let sql = sql.to_owned();
                Box::new(move |to| to.event(Event::Statement { sql: &sql, took }))
            }
            Event::Kept(kept) => {
                let kept = kept.clone();
                Box::new(move |to| to.event(Event::Kept(&kept)))
            }
            Event::Completed { object, done } => {
                let object = object.to_owned();
                Box::new(move |to| to.event(Event::Completed { object: &object, done }))
            }
            Event::Forgotten { object, why, by_hand } => {
                let (object, why, by_hand) =
                    (object.to_owned(), why.to_owned(), by_hand.to_owned());
                Box::new(move |to| {
                    to.event(Event::Forgotten { object: &object, why: &why, by_hand: &by_hand });
                })
            }
            Event::Restored(restored) => {
                let restored = restored.clone();
                Box::new(move |to| to.event(Event::Restored(&restored)))
            }
            Event::Done { label, direction, took } => {
                let label = label.to_owned();
                Box::new(move |to| to.event(Event::Done { label: &label, direction, took }))
            }
            Event::Note(text) => {
                let text = text.to_owned();
                Box::new(move |to| to.event(Event::Note(&text)))
            }
            // What goes on at this moment is of no use later.
            Event::Copying { .. }
            | Event::Progress { .. }
            | Event::Waiting { .. }
            | Event::Held { .. }
            | Event::Ended(_) => return,
        };
        self.0.push(told);
    }
}

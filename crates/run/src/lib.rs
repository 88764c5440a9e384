//! The executor: applies and reverts migrations and survives being killed at any instant.
//!
//! What was done is told by the journal in the database and by the database itself; there is no
//! flag for a person to clear. Everything that a transaction can hold runs in one transaction
//! together with its journal rows; what cannot is journaled before and after each statement and
//! probed after a crash.
//!
//! Absent on purpose: printing and reading the environment. Progress goes to an [`Observer`].

pub mod adopt;
pub mod apply;
pub mod backfill;
mod clock;
pub mod down;
pub mod error;
pub mod footing;
pub mod gate;
mod inverse;
pub mod journal;
pub mod observer;
mod patience;
pub mod prepare;
pub mod probe;
pub mod prove;
pub mod repeatable;
pub mod runner;
pub mod snapshot;
pub mod squash;
pub mod status;
mod stepwise;
pub mod takes;
mod tracking;
pub mod up;
pub mod verify;
pub mod whole;

pub use apply::{Applied, KeptSummary};
pub use backfill::{Backfill, Throttle, Want};
pub use down::{DownPlan, DownSelection, PlannedDown, TakenBack};
pub use error::{Obstacle, RunError};
pub use footing::Footing;
pub use gate::{Evidence, Gate, GateName, GateQuestion, GateRules, GateState, UnusedRule, gates};
pub use journal::{Holding, Journal, JournalEntry, MigrationState, Operation};
pub use observer::{Event, Observer, Silent};
pub use prepare::{Foreseen, Group, Prepared, keeping, table_name};
pub use repeatable::{PlannedRepeatable, RepeatableStatus};
pub use runner::{GeneratedDown, Options, Runner};
pub use squash::Recognised;
pub use status::{HeldTable, Status, StatusRow, StatusState};
pub use up::{PlannedUp, UpPlan, UpSelection, applied, plan_up, plan_up_of_nothing};
pub use verify::{Drift, DriftKind, Verification, verify};

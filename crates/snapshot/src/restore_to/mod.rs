//! Back to a mark: what has to change ([`plan`]), and how it is changed ([`apply`]).
//!
//! The plan of a table is a table of its own with a row for each row that differs: what is shown is
//! what is applied. Where one statement changed all rows, its part of the history is that table. All
//! tables change in one transaction, which is verified row by row before it commits and lies between
//! two marks, so that it can be undone like anything else.

mod all_rows;
pub mod apply;
mod aside;
pub mod missing;
pub mod plan;
pub(crate) mod readers;
pub mod record;
mod references;
mod rewrite;
mod row_count;
mod statement;
pub mod strategy;

pub use apply::{Done, apply};
pub use plan::{Counts, Plan, Request, Scope, TablePlan, plan};
pub use record::{Restoration, restorations};
pub use strategy::{Strategy, Wish};

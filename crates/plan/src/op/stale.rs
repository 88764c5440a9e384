//! A computed column that goes and comes again.
//!
//! `down` keeps what a release wrote itself, for the next way up. What merely follows from other
//! columns must not come back as it was: those may have changed meanwhile. So the statement that drops
//! the column says how it follows, and Downhaul keeps only what differs.

use super::piece::Side;
use super::sync::Sync;

/// Marks the first of these steps, which drops the column that follows.
pub(crate) fn follows(sync: &Sync, mut steps: Side) -> Side {
    let ([(column, _)], [conv]) = (sync.second.as_slice(), sync.forward.as_slice()) else {
        return steps;
    };
    let expr = conv.plain(sync.dialect);
    // A directive is one line.
    if let Some(step) = steps.steps.first_mut()
        && !expr.contains('\n')
    {
        step.sql = format!("-- downhaul:forward {column} \"{expr}\"\n{}", step.sql);
    }
    steps
}

//! A computed column that goes and comes again.
//!
//! `down` keeps what a release wrote itself, for the next way up. What merely follows from other
//! columns must not come back as it was: those may have changed meanwhile. So the statement that drops
//! the column says how it follows, and Downhaul keeps only what differs.

use downhaul_syntax::Ident;

use super::piece::Side;
use super::sync::Sync;

/// Marks the first of these steps, which drops the column that follows.
pub(crate) fn follows(sync: &Sync, steps: Side) -> Side {
    let ([(column, _)], [conv]) = (sync.second.as_slice(), sync.forward.as_slice()) else {
        return steps;
    };
    as_computed(column, &conv.plain(sync.dialect), steps)
}

/// Marks the first of these steps, which drops the column that is computed so.
pub(crate) fn as_computed(column: &Ident, expr: &str, mut steps: Side) -> Side {
    // A directive is one line.
    if let Some(step) = steps.steps.first_mut()
        && !expr.contains('\n')
    {
        step.sql = format!("-- downhaul:forward {column} \"{expr}\"\n{}", step.sql);
    }
    steps
}

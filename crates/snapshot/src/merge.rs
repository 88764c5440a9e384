//! Which of three values wins: what it was, what the undone work made of it, what it is now. Pure.
//!
//! Each row has three states: *base* (at the mark to which one returns), *bad* (at the mark up to
//! which work is undone) and *now*. What was written after *bad* is kept.

use serde::{Deserialize, Serialize};

/// What happens to what was written since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnConflict {
    /// Refuse, and list the rows.
    Fail,
    /// What was written since stays.
    KeepNew,
    /// The old value comes back.
    RestoreOld,
}

/// What a value becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It stays as it is now.
    Now,
    /// It becomes what it was.
    Base,
    /// Both sides changed it.
    Conflict,
}

/// One value of a row that is there in all three states. The arguments say what equals what.
#[must_use]
pub fn column(base_is_bad: bool, now_is_bad: bool, now_is_base: bool) -> Verdict {
    if base_is_bad || now_is_base {
        Verdict::Now
    } else if now_is_bad {
        Verdict::Base
    } else {
        Verdict::Conflict
    }
}

/// What becomes of a row that is not there in all three states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowVerdict {
    /// Nothing.
    Leave,
    /// It is inserted as it was.
    Insert,
    /// It is deleted.
    Delete,
    /// It is inserted as it was if the old state wins, else it stays away.
    InsertOrLeave,
    /// It is deleted if the old state wins, else it stays.
    DeleteOrLeave,
    /// It becomes what it was if the old state wins, else it stays as it is.
    ReplaceOrLeave,
    /// Column by column.
    Columns,
}

/// A whole row. `base`, `bad`, `now`: it is there; `base_is_bad`, `now_is_bad`: the content is the
/// same, where both are there.
#[must_use]
pub fn row(base: bool, bad: bool, now: bool, base_is_bad: bool, now_is_bad: bool) -> RowVerdict {
    match (base, bad, now) {
        (true, true, true) => RowVerdict::Columns,
        // What is undone had not touched it; it was deleted since.
        (true, true, false) if base_is_bad => RowVerdict::Leave,
        (true, true, false) => RowVerdict::InsertOrLeave,
        (true, false, false) => RowVerdict::Insert,
        // Deleted by what is undone, and written again since.
        (true, false, true) => RowVerdict::ReplaceOrLeave,
        (false, true, true) if now_is_bad => RowVerdict::Delete,
        (false, true, true) => RowVerdict::DeleteOrLeave,
        // Born since, or born and gone.
        (false, ..) => RowVerdict::Leave,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values as small numbers; what a policy makes of three of them.
    fn settle(base: u8, bad: u8, now: u8, policy: OnConflict) -> Option<u8> {
        match (column(base == bad, now == bad, now == base), policy) {
            (Verdict::Now, _) => Some(now),
            (Verdict::Base, _) => Some(base),
            (Verdict::Conflict, OnConflict::Fail) => None,
            (Verdict::Conflict, OnConflict::KeepNew) => Some(now),
            (Verdict::Conflict, OnConflict::RestoreOld) => Some(base),
        }
    }

    #[test]
    fn values_that_one_side_changed_never_conflict() {
        for (base, bad, now) in (0..27u8).map(|n| (n / 9, n / 3 % 3, n % 3)) {
            let fail = settle(base, bad, now, OnConflict::Fail);
            let changed_by_bad = base != bad;
            let changed_since = bad != now;
            match (changed_by_bad, changed_since) {
                (false, _) => assert_eq!(fail, Some(now), "written since stays"),
                (true, false) => assert_eq!(fail, Some(base), "undone"),
                (true, true) if now == base => assert_eq!(fail, Some(base), "undone by hand"),
                (true, true) => {
                    assert_eq!(fail, None);
                    assert_eq!(settle(base, bad, now, OnConflict::KeepNew), Some(now));
                    assert_eq!(settle(base, bad, now, OnConflict::RestoreOld), Some(base));
                }
            }
        }
    }

    #[test]
    fn rows_written_since_are_never_lost_without_being_asked_for() {
        for n in 0..8u8 {
            let (base, bad, now) = (n & 4 != 0, n & 2 != 0, n & 1 != 0);
            for same in [false, true] {
                let verdict = row(base, bad, now, same, same);
                if now && !bad && !base {
                    assert_eq!(verdict, RowVerdict::Leave);
                }
                if verdict == RowVerdict::Delete {
                    assert!(same, "only what nobody wrote to since goes unasked");
                }
                if verdict == RowVerdict::Insert {
                    assert!(base && !now);
                }
            }
        }
    }
}

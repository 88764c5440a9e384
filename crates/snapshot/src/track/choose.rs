//! Which triggers a table gets, and why. Pure.

use super::Capture;

/// Of a foreign key `k`: it changes rows that have it ([`Facts::again`]).
pub(crate) const CHANGES_ROWS: &str =
    "(k.confdeltype IN ('n','d') OR k.confupdtype IN ('c','n','d'))";

/// What is known of a table before it is tracked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Its number on the server.
    pub relation: i64,
    /// `r` or `p`, as `pg_class.relkind` says.
    pub kind: String,
    /// It is a partition of another table.
    pub is_partition: bool,
    /// It has inheriting tables or inherits.
    pub inherits: bool,
    /// A subscription writes to it.
    pub subscribed: bool,
    /// Triggers or foreign key actions may change it again while a statement on it ends.
    pub nests: bool,
    /// Its own foreign keys change its rows, when others go or get another key. What they do belongs to the
    /// statement that makes them do it, together with what others of them do, and with what triggers do in
    /// between: triggers that fire afterwards do not see in which order that was.
    pub again: bool,
    /// Row security binds its owner too.
    pub forced_row_security: bool,
    /// We are superuser or may bypass row security.
    pub bypasses_row_security: bool,
    /// We may do what its owner may.
    pub owned: bool,
    /// Its owner.
    pub owner: String,
    /// We are superuser.
    pub superuser: bool,
    /// `p`ermanent, `u`nlogged, `t`emporary.
    pub persistence: String,
    /// Estimated rows.
    pub rows: i64,
    /// Bytes of its rows.
    pub bytes: i64,
    /// Rows inserted, updated and deleted since statistics began.
    pub writes: i64,
    /// Of these, rows updated and deleted.
    pub overwrites: i64,
    /// Transactions committed in this database since statistics began.
    pub commits: i64,
    /// Seconds since statistics began, where that is known.
    pub seconds: i64,
    /// PostgreSQL: bytes of the values of a row on average, those out of line left out, where the table was looked
    /// through (`ANALYZE`).
    pub width: Option<i64>,
    /// PostgreSQL: bytes of values out of line.
    pub out_of_line: i64,
}

/// Of a rate from a shorter time nothing follows for a day.
const SHORTEST: i64 = 3600;

impl Facts {
    /// Bytes that the history grows by for each row that is changed or deleted: what such a row takes, and a header.
    #[must_use]
    pub fn bytes_of_an_event(&self) -> i64 {
        const HEADER: i64 = 24;
        // Of a page that a few rows share nothing is known of one of them.
        const SMALL: i64 = 128 << 10;
        if self.rows <= 0 || self.width.is_none() && self.bytes < SMALL {
            return 100;
        }
        let of_table = self.bytes / self.rows;
        // The table also has room that dead rows left behind.
        let of_values =
            self.width.map_or(of_table, |width| HEADER + width + self.out_of_line / self.rows);
        of_table.min(of_values) + HEADER
    }

    /// Bytes that the history will grow by in a day, where the server has counted long enough.
    #[must_use]
    pub fn bytes_a_day(&self) -> Option<i64> {
        if self.seconds < SHORTEST || self.overwrites == 0 {
            return None;
        }
        let events = self.overwrites as f64 * 86_400.0 / self.seconds as f64;
        Some((events * self.bytes_of_an_event() as f64) as i64)
    }
}

/// Chooses, and says why.
#[must_use]
pub fn capture(facts: &Facts, wish: Option<Capture>) -> (Capture, String) {
    // What statement triggers cannot see (PostgreSQL manual, CREATE TRIGGER): rows that a
    // subscription applies; rows of partitions and children that are written directly.
    let forced = if facts.subscribed {
        Some("a subscription writes to it, which fires row triggers alone")
    } else if facts.kind == "p" {
        Some("it is partitioned, and its partitions may be written directly")
    } else if facts.inherits {
        Some("it takes part in inheritance")
    } else if facts.again {
        Some("its foreign keys change its rows, perhaps one several times")
    } else {
        None
    };
    if let Some(reason) = forced {
        return (Capture::Row, reason.to_owned());
    }
    if let Some(wish) = wish {
        return (wish, "you chose so".to_owned());
    }
    // A row trigger costs less than a statement trigger up to a few rows a statement, and twice as
    // much in bulk.
    if facts.commits >= 1000 && facts.writes < facts.commits.saturating_mul(3) {
        return (Capture::Row, "it is written a few rows at a time".to_owned());
    }
    (Capture::Statement, "cheapest when many rows change at once".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_statement_triggers_cannot_see_is_never_left_to_them() {
        let plain = Facts { kind: "r".into(), ..Facts::default() };
        for (facts, reason) in [
            (Facts { subscribed: true, ..plain.clone() }, "subscription"),
            (Facts { kind: "p".into(), ..plain.clone() }, "partitioned"),
            (Facts { inherits: true, ..plain.clone() }, "inheritance"),
            (Facts { again: true, ..plain.clone() }, "foreign keys"),
        ] {
            let (capture, why) = capture(&facts, Some(Capture::Statement));
            assert_eq!(capture, Capture::Row);
            assert!(why.contains(reason), "{why}");
        }
    }

    #[test]
    fn traffic_decides_unless_a_person_does() {
        let plain = Facts { kind: "r".into(), ..Facts::default() };
        assert_eq!(capture(&plain, None).0, Capture::Statement);
        let busy = Facts { commits: 100_000, writes: 90_000, ..plain.clone() };
        assert_eq!(capture(&busy, None).0, Capture::Row);
        let bulk = Facts { commits: 100_000, writes: 9_000_000, ..plain };
        assert_eq!(capture(&bulk, None).0, Capture::Statement);
        assert_eq!(capture(&busy, Some(Capture::Statement)).0, Capture::Statement);
    }
}

//! The triggers that keep two sides in step. They write the row again, behind the statement; each
//! looks whether there is anything to do, so none goes round in a circle, also with `PRAGMA
//! recursive_triggers`.

use downhaul_catalog::{Catalog, Table};
use downhaul_syntax::{Dialect, Ident, ObjectName};

use crate::op::conversion::Conv;
use crate::op::names;
use crate::op::piece::Side;
use crate::op::sync::Sync;
use crate::op::{Refused, refused};

const ENDS: [&str; 5] = ["new", "back", "there", "here", "late"];

/// A free name for a set of triggers: names belong to the schema.
pub(super) fn name(now: &Catalog, table: &ObjectName, base: &str) -> (Ident, ObjectName) {
    let taken = |name: &str| {
        now.tables
            .values()
            .flat_map(|t| &t.triggers)
            .any(|trigger| ENDS.iter().any(|end| *trigger.name.as_str() == format!("{name}_{end}")))
    };
    let base: String = format!("{}_{base}_sync", table.name).chars().take(56).collect();
    let name = Ident::stored(now.dialect, &names::free(&base, taken));
    (name.clone(), ObjectName::bare(name))
}

/// Triggers of one table.
pub(super) struct Triggers<'a> {
    sync: &'a Sync,
    /// `rowid = NEW.rowid`.
    row: String,
    /// Only where the second side is empty.
    fill_only: bool,
}

impl<'a> Triggers<'a> {
    pub(super) fn new(sync: &'a Sync, table: &Table, fill_only: bool) -> Result<Self, Refused> {
        let q = |c: &Ident| sync.dialect.quote_if_needed(c);
        let row = if table.options.contains_key("without rowid") {
            let key: Vec<String> =
                table.primary_key().iter().map(|c| format!("{0} = NEW.{0}", q(c))).collect();
            key.join(" AND ")
        } else {
            let free = ["rowid", "_rowid_", "oid"]
                .into_iter()
                .find(|word| table.column(&Ident::new(Dialect::Sqlite, word, false)).is_none());
            let Some(word) = free else {
                return refused(
                    format!("{} has columns with all names of its row number", table.name),
                    "write the phases by hand",
                );
            };
            format!("{word} = NEW.{word}")
        };
        Ok(Self { sync, row, fill_only })
    }

    fn quoted(&self, end: &str) -> String {
        let name = Ident::stored(self.sync.dialect, &format!("{}_{end}", self.sync.trigger));
        self.sync.dialect.quote_if_needed(&name)
    }

    /// `UPDATE` of one side from the other.
    fn write(&self, forward: bool) -> String {
        let sync = self.sync;
        let (side, convs): (_, &[Conv]) =
            if forward { (&sync.second, &sync.forward) } else { (&sync.first, &sync.back) };
        let set: Vec<String> = side
            .iter()
            .zip(convs)
            .map(|((column, _), conv)| {
                let column = sync.dialect.quote_if_needed(column);
                if self.fill_only {
                    format!("{column} = coalesce({column}, {})", conv.plain(sync.dialect))
                } else {
                    format!("{column} = {}", conv.plain(sync.dialect))
                }
            })
            .collect();
        format!(
            "    UPDATE {} SET {} WHERE {};\n",
            sync.dialect.quote_name_if_needed(&sync.table),
            set.join(", "),
            self.row
        )
    }

    /// The triggers with what they ask and do, and why.
    fn all(&self) -> Vec<(&'static str, String, String, bool, &'static str)> {
        let sync = self.sync;
        let mut out = Vec::new();
        if self.fill_only {
            let empty: Vec<String> =
                sync.second.iter().map(|(c, _)| format!("{} IS NULL", sync.incoming(c))).collect();
            // An expression that gives NULL would be asked for again and again.
            let empty =
                format!("({}) AND ({})", empty.join(" OR "), sync.off(&sync.second, &sync.forward));
            out.push(("new", "INSERT".to_owned(), empty.clone(), true, ""));
            out.push(("late", "UPDATE".to_owned(), empty, true, ""));
            return out;
        }
        let list = |side: &[(Ident, _)]| {
            let names: Vec<String> =
                side.iter().map(|(c, _)| sync.dialect.quote_if_needed(c)).collect();
            format!("UPDATE OF {}", names.join(", "))
        };
        let (first, second) = (&sync.first, &sync.second);
        let two_way = !sync.back.is_empty();
        let off = sync.off(second, &sync.forward);
        let empty = sync.all_null(second);
        out.push((
            "new",
            "INSERT".to_owned(),
            format!("{empty} AND ({off})"),
            true,
            "Written by a release that does not know the new side.",
        ));
        if two_way {
            out.push((
                "back",
                "INSERT".to_owned(),
                format!("NOT ({empty}) AND ({off})"),
                false,
                "Written by a release that knows the new side only.",
            ));
        }
        let mut old_writes = format!("({}) AND NOT ({})", sync.changed(first), sync.stays());
        if two_way {
            old_writes
                .push_str(&format!("\n    AND ({off}) AND ({})", sync.off(first, &sync.back)));
        }
        out.push((
            "there",
            list(first),
            old_writes,
            true,
            "Whoever changes both sides at once knows what it does.",
        ));
        if two_way {
            out.push((
                "here",
                list(second),
                format!(
                    "({}) AND NOT ({})\n    AND ({off})",
                    sync.changed(second),
                    sync.changed(first)
                ),
                false,
                "The backfill writes what the old side says: nothing flows back then.",
            ));
        }
        out.push((
            "late",
            "UPDATE".to_owned(),
            format!(
                "({empty}) AND NOT ({}) AND NOT ({})\n    AND ({off})",
                sync.changed(first),
                sync.changed(second)
            ),
            true,
            "A row that the backfill has not reached.",
        ));
        out
    }

    /// `CREATE TRIGGER …`, several.
    pub(super) fn create(&self, side: &mut Side, why: &str) {
        let table = self.sync.dialect.quote_name_if_needed(&self.sync.table);
        let mut why = why;
        for (end, event, when, forward, remark) in self.all() {
            let remark =
                if remark.is_empty() { String::new() } else { format!("    -- {remark}\n") };
            side.sql(
                why,
                format!(
                    "CREATE TRIGGER {} AFTER {event} ON {table} FOR EACH ROW\n    WHEN {when}\nBEGIN\n{remark}{}END",
                    self.quoted(end),
                    self.write(forward)
                ),
            );
            why = "";
        }
    }

    /// `DROP TRIGGER …`, several.
    pub(super) fn drop(&self, side: &mut Side, why: &str) {
        let mut why = why;
        for (end, ..) in self.all() {
            side.sql(why, format!("DROP TRIGGER {}", self.quoted(end)));
            why = "";
        }
    }
}

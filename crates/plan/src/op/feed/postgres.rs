//! The triggers that keep a column in step with another table on PostgreSQL.
//!
//! A row is fed under `FOR SHARE`: a change of the row that feeds it is waited for, or waits itself and
//! then finds the new row, since each statement of a trigger sees what was committed before it (READ
//! COMMITTED). A transaction in REPEATABLE READ or SERIALIZABLE does not: what it changes is noted, and
//! the contract looks after those rows once more.

use downhaul_catalog::{Catalog, Table, render_type};
use downhaul_syntax::{Ident, ObjectName};

use super::Feed;
use crate::op::conversion::differ;
use crate::op::names;
use crate::op::piece::Side;
use crate::op::rules;
use crate::op::sync::Sync;

/// Shorter than PostgreSQL waits before it looks for deadlocks (`deadlock_timeout`, one second): where a
/// writer and this transaction wait for each other, this one gives way and is tried again.
const GIVES_WAY: &str = "SET LOCAL lock_timeout = '500ms'";

/// The objects that keep a column fed.
pub(crate) struct Triggers<'a> {
    feed: &'a Feed,
    fed: &'a Table,
    source: &'a Table,
    /// On the fed table.
    trigger: Ident,
    function: ObjectName,
    /// On the source.
    source_trigger: Ident,
    source_function: ObjectName,
    /// What transactions changed that do not see rows committed behind their snapshot.
    unseen: ObjectName,
    /// `search_path` of the functions.
    path: String,
}

impl<'a> Triggers<'a> {
    /// Names them.
    pub(crate) fn of(feed: &'a Feed, fed: &'a Table, source: &'a Table, now: &Catalog) -> Self {
        let dialect = now.dialect;
        let (trigger, function) = Sync::named(now, fed, feed.column.as_str());
        let base = format!("{}_{}", fed.name.name, feed.column);
        let routine = |end: &str| {
            let name = names::free(&format!("{base}_{end}"), |name| {
                now.routines.iter().any(|(key, _)| {
                    key.name.name.as_str() == name && key.name.schema == fed.name.schema
                })
            });
            ObjectName { schema: fed.name.schema.clone(), name: Ident::stored(dialect, &name) }
        };
        let schema = fed.name.schema.as_ref().or(now.default_schema.as_ref());
        let schema = schema.map_or("public".to_owned(), |s| dialect.quote_if_needed(s));
        Self {
            feed,
            fed,
            source,
            trigger,
            function,
            source_trigger: names::last_trigger(now, &source.name, &format!("feed_{base}")),
            source_function: routine("feed"),
            unseen: ObjectName {
                schema: fed.name.schema.clone(),
                name: names::free_part(now, &fed.name, &format!("{base}_unseen")),
            },
            path: format!("pg_catalog, {schema}, pg_temp"),
        }
    }

    fn q(&self, ident: &Ident) -> String {
        self.feed.q(ident)
    }

    fn quoted(&self, name: &ObjectName) -> String {
        self.feed.quoted(name)
    }

    fn share(&self) -> String {
        format!(" FOR SHARE OF {}", self.q(&self.feed.alias))
    }

    /// Locks both tables, in the order in which the file needs them, for an instant.
    pub(crate) fn lock(&self, side: &mut Side) {
        side.sql(
            "Two tables are locked, which writers use in either order. Whoever waits gives way within half a second: this transaction, before the server ends a writer as the victim of a deadlock.",
            GIVES_WAY,
        );
        rules::lock(&[self.fed.name.clone(), self.source.name.clone()], self.feed.dialect, side);
    }

    /// `CREATE FUNCTION …`, `CREATE TRIGGER …` on both tables.
    pub(crate) fn create(&self, side: &mut Side, why: &str) {
        let feed = self.feed;
        let columns: Vec<String> = feed
            .read
            .iter()
            .map(|c| {
                let ty = self.source.column(c).and_then(|found| found.ty.as_ref());
                let ty = ty.map(|ty| render_type(ty, feed.dialect)).unwrap_or_default();
                format!("{} {ty}", self.q(c))
            })
            .collect();
        side.sql(
            &format!("Rows of {} that were changed in REPEATABLE READ or SERIALIZABLE: such a transaction does not see rows of {} that were committed behind its snapshot. The contract looks after them.", self.source.name, self.fed.name),
            format!("CREATE TABLE {} ({})", self.quoted(&self.unseen), columns.join(", ")),
        );
        self.function(&self.function, &self.fed_body(), side, why);
        side.sql(
            "Its name sorts last: it has to see what other BEFORE triggers make of a row.",
            format!(
                "CREATE TRIGGER {} BEFORE INSERT OR UPDATE ON {} FOR EACH ROW EXECUTE FUNCTION {}()",
                self.q(&self.trigger),
                self.quoted(&self.fed.name),
                self.quoted(&self.function)
            ),
        );
        self.function(
            &self.source_function,
            &self.source_body(),
            side,
            &format!(
                "Whoever changes a row of {} writes the rows that follow it.",
                self.source.name
            ),
        );
        let events = if feed.is_bound(self.fed) { "UPDATE" } else { "INSERT OR UPDATE" };
        side.sql(
            "",
            format!(
                "CREATE TRIGGER {} AFTER {events} ON {} FOR EACH ROW EXECUTE FUNCTION {}()",
                self.q(&self.source_trigger),
                self.quoted(&self.source.name),
                self.quoted(&self.source_function)
            ),
        );
    }

    fn function(&self, name: &ObjectName, body: &str, side: &mut Side, why: &str) {
        let mut tag = "sync".to_owned();
        while body.contains(&format!("${tag}$")) {
            tag.push('_');
        }
        side.sql(
            why,
            format!(
                "CREATE FUNCTION {}() RETURNS trigger\n    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {}\n    AS ${tag}$\n{body}${tag}$",
                self.quoted(name),
                self.path
            ),
        );
    }

    /// A row that is fed looks its value up.
    fn fed_body(&self) -> String {
        let feed = self.feed;
        let new = format!("NEW.{}", self.q(&feed.column));
        let looked_up = feed.lookup_for_new(&self.share());
        let unchanged = format!(
            "NOT ({})",
            feed.changed(std::slice::from_ref(&feed.column), &self.with_column())
        );
        let mut out = format!(
            "BEGIN\n    IF TG_OP = 'INSERT' THEN\n        -- A change of the row that is read, if one is under way, is waited for; a later one waits for\n        -- this transaction, and finds its row.\n        IF {new} IS NULL THEN\n            {new} := {looked_up};\n        END IF;\n    ELSIF {} THEN\n        -- Whoever writes the column itself knows what it does.\n        IF {unchanged} THEN\n            {new} := {looked_up};\n        END IF;\n",
            feed.changed(&feed.link_columns(), self.fed),
        );
        // These rows are found by whoever changes the source: its write waits for this one, so nobody
        // has to wait for the source while a row is held.
        let plain = feed.lookup_for_new("");
        if !feed.own_columns().is_empty() {
            out.push_str(&format!(
                "    ELSIF {} THEN\n        -- Whoever changes the other table waits for this row, and computes it again.\n        IF {unchanged} THEN\n            {new} := {plain};\n        END IF;\n",
                feed.changed(feed.own_columns(), self.fed),
            ));
        }
        if feed.required {
            out.push_str(&format!(
                "    ELSIF {new} IS NULL THEN\n        -- A row that the backfill has not reached. Whoever changes the other table waits for it.\n        {new} := {plain};\n",
            ));
        }
        out.push_str("    END IF;\n    RETURN NEW;\nEND\n");
        out
    }

    /// The fed table with the column.
    fn with_column(&self) -> Table {
        let mut table = self.fed.clone();
        if table.column(&self.feed.column).is_none()
            && let Some(first) = table.columns.iter().next().cloned()
        {
            let mut column = first;
            column.name = self.feed.column.clone();
            column.ty.clone_from(&self.feed.ty);
            table.columns.push(column);
        }
        table
    }

    /// A row of the source writes the rows that it feeds.
    fn source_body(&self) -> String {
        let feed = self.feed;
        let row = |from: &str| {
            let all: Vec<String> =
                feed.read.iter().map(|c| format!("{from}.{0} AS {0}", self.q(c))).collect();
            all.join(", ")
        };
        let list = feed.read.iter().map(|c| self.q(c)).collect::<Vec<_>>().join(", ");
        let noted = |from: &str| {
            let values: Vec<String> =
                feed.read.iter().map(|c| format!("{from}.{}", self.q(c))).collect();
            format!(
                "            INSERT INTO {} ({list}) VALUES ({});\n",
                self.quoted(&self.unseen),
                values.join(", ")
            )
        };
        let changed = feed.changed(&feed.read, self.source);
        let bound = feed.is_bound(self.fed);
        let when = if bound { changed } else { format!("TG_OP = 'INSERT' OR {changed}") };
        let isolation = "pg_catalog.current_setting('transaction_isolation') <> 'read committed'";
        let note = if bound {
            noted("OLD")
        } else {
            // The row that came is no row that anything was computed from: only what is empty is filled.
            format!(
                "            IF TG_OP = 'UPDATE' THEN\n    {}            ELSE\n    {}            END IF;\n",
                noted("OLD"),
                noted("NEW")
            )
        };
        format!(
            "BEGIN\n    IF {when} THEN\n        UPDATE {} SET {} = {}\n        FROM (SELECT {}) AS {}\n        WHERE {};\n        IF {isolation} THEN\n            -- Rows that are not seen here are filled in the contract.\n{note}        END IF;\n    END IF;\n    RETURN NULL;\nEND\n",
            self.quoted(&self.fed.name),
            self.q(&feed.column),
            feed.value,
            row("NEW"),
            self.q(&feed.alias),
            feed.reached(),
        )
    }

    /// Fills what a transaction in REPEATABLE READ did not see. What a release wrote itself stands: a row
    /// is filled that holds what followed from the row as it was. What was looked after is forgotten.
    pub(crate) fn look_after(&self, side: &mut Side, why: &str) {
        let feed = self.feed;
        let value = format!("({})", feed.value);
        let list = feed.read.iter().map(|c| self.q(c)).collect::<Vec<_>>().join(", ");
        side.sql(
            why,
            format!(
                "WITH unseen AS (DELETE FROM {} RETURNING {list})\nUPDATE {} SET {} = {}\nWHERE EXISTS (SELECT 1 FROM unseen AS {} WHERE {} AND ({fed} IS NULL OR NOT ({})))\n  AND {}",
                self.quoted(&self.unseen),
                self.quoted(&self.fed.name),
                self.q(&feed.column),
                feed.lookup(&self.share()),
                self.q(&feed.alias),
                feed.condition,
                differ(&feed.fed_column(), &value, feed.ty.as_ref(), feed.dialect),
                differ(&feed.fed_column(), &feed.lookup(""), feed.ty.as_ref(), feed.dialect),
                fed = feed.fed_column(),
            ),
        );
    }

    /// As [`Self::look_after`], for a contract: for what is there, and under its locks for what came since.
    pub(crate) fn look_after_all(&self, side: &mut Side) {
        self.look_after(
            side,
            &format!(
                "What transactions in REPEATABLE READ or SERIALIZABLE changed in {} may have missed rows that they could not see: those that still hold what followed from the row as it was are filled once more. None, as a rule.",
                self.source.name
            ),
        );
        self.lock(side);
        self.look_after(side, "What came since.");
    }

    /// `DROP …`.
    pub(crate) fn drop(&self, side: &mut Side, why: &str) {
        let on = |trigger: &Ident, table: &ObjectName| {
            format!("DROP TRIGGER {} ON {}", self.q(trigger), self.quoted(table))
        };
        side.sql(why, on(&self.source_trigger, &self.source.name));
        side.sql("", on(&self.trigger, &self.fed.name));
        for function in [&self.source_function, &self.function] {
            side.sql("", format!("DROP FUNCTION {}()", self.quoted(function)));
        }
        side.sql("", format!("DROP TABLE {}", self.quoted(&self.unseen)));
    }

    /// The `UPDATE` of the backfill.
    pub(crate) fn backfill(&self) -> String {
        self.feed.backfill(&self.share())
    }

    /// The `UPDATE` that brings the column back in step where triggers did not stand for a while.
    pub(crate) fn refill(&self) -> String {
        let feed = self.feed;
        let looked_up = feed.lookup("");
        format!(
            "UPDATE {} SET {} = {}\nWHERE {}\n  AND EXISTS (SELECT 1 FROM {} AS {} WHERE {})",
            self.quoted(&self.fed.name),
            self.q(&feed.column),
            feed.lookup(&self.share()),
            differ(&feed.fed_column(), &looked_up, feed.ty.as_ref(), feed.dialect),
            self.quoted(&feed.source),
            self.q(&feed.alias),
            feed.condition,
        )
    }
}

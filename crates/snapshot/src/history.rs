//! What tables were at a mark, as queries over their history. Pure.

use downhaul_syntax::{Dialect, Ident};

use crate::composite;
use crate::mark::Mark;
use crate::sql;
use crate::track::{self, Tracked, TrackedColumn, Version, postgres};

const D: Dialect = Dialect::Postgres;

/// Reads the past of one table.
#[derive(Clone, Debug)]
pub struct Past<'a> {
    pub(crate) tracked: &'a Tracked,
    /// Columns that the table had at the mark and has now, as they are now.
    pub columns: Vec<&'a TrackedColumn>,
    /// Names, as they were at the mark, of columns that are gone or of another kind now.
    pub lost: Vec<Ident>,
    /// Columns that came since.
    pub new: Vec<&'a TrackedColumn>,
}

/// Rows as they were, in the place where the history keeps them.
#[derive(Clone, Debug)]
pub struct Images {
    /// The history table.
    pub table: String,
    /// The columns of the live table, as values of their types.
    pub values: Vec<String>,
    /// Which of the history's rows.
    pub only: String,
    /// The first and the last block of the history in which they are.
    pub blocks: (i64, i64),
    /// A query as [`Past::touched`].
    pub touched: String,
    /// The beginning of that query, up to where it reads from.
    listed: String,
}

impl Images {
    /// The same of a few of them, from all over the history: so many thousandths of a per cent of its pages.
    pub(crate) fn sample(&self, share: i64) -> String {
        format!(
            "{} FROM {} TABLESAMPLE SYSTEM ({share} * 0.001) REPEATABLE (0) WHERE {}",
            self.listed, self.table, self.only
        )
    }
}

/// A condition on rows of a history: they stand between these places.
fn between((first, last): (&str, &str)) -> String {
    format!("ctid >= '{first}' AND ctid <= '{last}'")
}

/// The column of an older form that became a column of the newest one.
pub(crate) fn ancestor<'a>(
    version: &'a Version,
    newest: &Version,
    column: &TrackedColumn,
) -> Option<&'a TrackedColumn> {
    let by_number = (version.relation == newest.relation)
        .then(|| version.columns.iter().find(|c| c.number == column.number))
        .flatten();
    by_number.or_else(|| {
        version.columns.iter().find(|c| {
            // Not one that lives on under another name.
            let lives_on = version.relation == newest.relation
                && newest.columns.iter().any(|n| n.number == c.number);
            c.name == column.name && !lives_on
        })
    })
}

impl<'a> Past<'a> {
    /// The past of a table as seen from a mark. The table's tracking must be in step.
    #[must_use]
    pub fn new(tracked: &'a Tracked, mark: &Mark) -> Self {
        let newest = tracked.current();
        let number = mark.versions.get(&tracked.id).copied().unwrap_or(newest.number);
        let then = tracked.versions.iter().find(|v| v.number == number).unwrap_or(newest);
        let (mut columns, mut new) = (Vec::new(), Vec::new());
        let mut lives: Vec<&Ident> = Vec::new();
        for column in &newest.columns {
            match ancestor(then, newest, column) {
                Some(old) => {
                    lives.push(&old.name);
                    columns.push(column);
                }
                None => new.push(column),
            }
        }
        let lost = then
            .columns
            .iter()
            .filter(|c| !lives.contains(&&c.name))
            .map(|c| c.name.clone())
            .collect();
        Self { tracked, columns, lost, new }
    }

    /// The same in the columns of another moment alone, where the table has no key: its rows are told apart by
    /// all that they hold, which has to be the same columns at both.
    #[must_use]
    pub(crate) fn comparable(mut self, with: &Past<'_>) -> Self {
        if !self.tracked.has_key() {
            self.columns.retain(|c| with.columns.iter().any(|other| other.name == c.name));
        }
        self
    }

    /// Quoted key columns.
    #[must_use]
    pub fn key(&self) -> Vec<String> {
        let d = self.tracked.dialect;
        self.tracked.current().key.iter().map(|k| d.quote(k)).collect()
    }

    /// `left.k1 = right.k1 AND …`.
    #[must_use]
    pub fn join(&self, left: &str, right: &str) -> String {
        let key = &self.tracked.current().key;
        sql::keys_match(D, left, key, right, key)
    }

    /// Events after a mark, in the columns of now.
    fn events(&self, mark: &Mark) -> String {
        self.events_with(mark, "")
    }

    /// The same with more columns of the history.
    fn events_with(&self, mark: &Mark, more: &str) -> String {
        let newest = self.tracked.current();
        let branches: Vec<String> = self
            .tracked
            .versions
            .iter()
            .map(|version| {
                let (row, opened) = if version.composite {
                    ("r", format!(" CROSS JOIN LATERAL {}", composite::open("h.downhaul_row", "r")))
                } else {
                    ("h", String::new())
                };
                let value = |column: &TrackedColumn| match ancestor(version, newest, column) {
                    Some(old) => {
                        postgres::from_history(&format!("{row}.{}", D.quote(&old.name)), old, column)
                    }
                    None => format!("NULL::{}", column.ty),
                };
                let named = |c: &&TrackedColumn| format!(", {} AS {}", value(c), D.quote(&c.name));
                let columns: String = if self.is_composite() {
                    let key = self.columns.iter().copied().filter(|c| newest.key.contains(&c.name));
                    let whole = if version.number == newest.number {
                        "h.downhaul_row".to_owned()
                    } else {
                        self.pack(value)
                    };
                    key.map(|c| named(&c)).chain([format!(", {whole} AS downhaul_row")]).collect()
                } else {
                    self.columns.iter().map(named).collect()
                };
                let seq = if version.nested { "h.downhaul_seq" } else { "NULL::bigint AS downhaul_seq" };
                format!(
                    "SELECT h.downhaul_pos, {seq}, h.downhaul_xid, h.downhaul_op{columns}{more} FROM {} h{opened} WHERE {}",
                    track::history(self.tracked.id, version.number),
                    mark.after("h.downhaul_xid")
                )
            })
            .collect();
        branches.join(" UNION ALL ")
    }

    /// How much happened after a mark: events, the first and the last position, events after `later`, the first
    /// place in the history, one behind which there is none, and whether rows only changed. Little is read of a row
    /// but what stands at its beginning.
    #[must_use]
    pub fn extent_after(&self, mark: &Mark, later: Option<&Mark>) -> String {
        let later = later.map_or_else(|| "false".to_owned(), |later| later.after("downhaul_xid"));
        // The largest of all places would be copied for each row.
        format!(
            "SELECT count(*), coalesce(min(downhaul_pos), 0), coalesce(max(downhaul_pos), 0), count(*) FILTER (WHERE {later}), \
               min(downhaul_place)::text, (SELECT pg_catalog.format('(%s,0)', pg_catalog.pg_relation_size({newest}) / pg_catalog.current_setting('block_size')::bigint)), \
               count(*) FILTER (WHERE downhaul_op <> '{updated}') = 0 \
             FROM ({events}) e",
            updated = track::Event::Updated.letter(),
            newest = D.literal(&track::history(self.tracked.id, self.tracked.current().number)),
            events = self.events_with(mark, ", h.ctid AS downhaul_place")
        )
    }

    /// Whether a key came into being after a mark.
    #[must_use]
    pub fn births_after(&self, mark: &Mark) -> String {
        format!(
            "SELECT EXISTS (SELECT FROM ({}) e WHERE downhaul_op IN ({}))",
            self.events(mark),
            track::BIRTHS
        )
    }

    /// As [`Self::touched`], where no key came into being after the mark. `once`: all events are of one
    /// statement, which changes no row twice: each image is the first of its key.
    #[must_use]
    pub fn images(&self, mark: &Mark, once: bool) -> String {
        let first = if once {
            format!(
                "SELECT {} FROM e WHERE downhaul_op IN ({})",
                self.carried().join(", "),
                track::IMAGES
            )
        } else {
            self.first()
        };
        format!(
            "WITH e AS NOT MATERIALIZED ({}) SELECT f.*, true AS downhaul_was FROM ({first}) f",
            self.events(mark)
        )
    }

    /// All events after a mark are in the history of the newest form.
    #[must_use]
    pub fn in_newest(&self, mark: &Mark) -> bool {
        // Whoever wrote in an older form had ended when the newest one came, so before the mark.
        mark.versions.get(&self.tracked.id) == Some(&self.tracked.current().number)
    }

    /// Where the images of the statement at a position after a mark stand, if they are in the history of
    /// the newest form, and each value in a column of its own. `None` too where a column came since.
    /// `places`: the first one and the last one.
    #[must_use]
    pub fn images_in_place(
        &self,
        mark: &Mark,
        position: i64,
        places: (&str, &str),
    ) -> Option<Images> {
        let newest = self.tracked.current();
        if !self.in_newest(mark) || self.is_composite() || !self.new.is_empty() {
            return None;
        }
        let (mut values, mut named) = (Vec::new(), String::new());
        for column in &newest.columns {
            let name = D.quote(&column.name);
            let value = postgres::from_history(&name, column, column);
            named.push_str(&format!("{value} AS {name}, "));
            values.push(value);
        }
        let block = |place: &str| -> Option<i64> {
            place.strip_prefix('(')?.split_once(',')?.0.parse().ok()
        };
        let table = track::history(self.tracked.id, newest.number);
        // Not what is written down of the restore itself, nor what others left before.
        let only = format!(
            "downhaul_pos = {position} AND {} AND downhaul_op = '{}' AND {}",
            mark.after("downhaul_xid"),
            track::Event::Updated.letter(),
            between(places)
        );
        let listed = format!("SELECT {named}true AS downhaul_was");
        Some(Images {
            touched: format!("{listed} FROM {table} WHERE {only}"),
            listed,
            blocks: (block(places.0)?, block(places.1)?),
            table,
            values,
            only,
        })
    }

    /// The first image of each key among events `e`.
    fn first(&self) -> String {
        let keys = self.key().join(", ");
        let all = self.carried().join(", ");
        let images = track::IMAGES;
        // A transaction's events on one row are a block, since it holds the row until it ends;
        // blocks follow each other by position, events in a block by the start of their statement.
        // What foreign keys do joins the statements of their level, whichever began first: so a row that
        // was changed and then went may seem to have gone first. But what went is changed no more, unless
        // it is born again.
        if self.tracked.versions.iter().any(|v| v.nested) {
            return format!(
                "SELECT DISTINCT ON ({keys}) {all} FROM (SELECT e.*, min(downhaul_pos) OVER (PARTITION BY {keys}, downhaul_xid) AS downhaul_block, \
                   count(*) FILTER (WHERE downhaul_op IN ({births})) \
                     OVER (PARTITION BY {keys}, downhaul_xid ORDER BY coalesce(downhaul_seq, downhaul_pos), downhaul_pos) AS downhaul_life \
                 FROM e WHERE downhaul_op IN ({images}, {births})) e WHERE downhaul_op IN ({images}) \
                 ORDER BY {keys}, downhaul_block, downhaul_life, downhaul_op IN ({deaths}), coalesce(downhaul_seq, downhaul_pos), downhaul_pos",
                births = track::BIRTHS,
                deaths = track::DEATHS,
            );
        }
        format!(
            "SELECT DISTINCT ON ({keys}) {all} FROM e WHERE downhaul_op IN ({images}) ORDER BY {keys}, downhaul_pos"
        )
    }

    /// A query for every key with events after the mark: the key and the other columns under their
    /// own names, and `downhaul_was`: whether such a row was there. Only for tables with a key.
    ///
    /// A key that came and went was there at the mark exactly when counting back from now says so,
    /// whatever the order of events; its content is that of the first event that has one.
    #[must_use]
    pub fn touched(&self, mark: &Mark) -> String {
        let key = self.key();
        let keys = key.join(", ");
        let of =
            |alias: &str| key.iter().map(|k| format!("{alias}.{k}")).collect::<Vec<_>>().join(", ");
        let rest: String = self
            .carried()
            .iter()
            .filter(|c| !key.contains(c))
            .map(|c| format!(", img.{c}"))
            .collect();
        let first = self.first();
        // The key itself comes from the image where there is one: equal keys may differ in bytes.
        let key_columns: Vec<String> =
            key.iter().map(|k| format!("coalesce(img.{k}, b.{k}) AS {k}")).collect();
        format!(
            "WITH e AS NOT MATERIALIZED ({events}), img AS ({first}), \
             b AS (SELECT {keys}, count(*) AS n FROM e WHERE downhaul_op IN ({births}) GROUP BY {keys}), \
             d AS (SELECT {of_e}, count(*) AS n FROM e JOIN b ON {join_e} WHERE downhaul_op IN ({deaths}) GROUP BY {of_e}) \
             SELECT {key_columns}, b.n IS NULL OR CASE WHEN l.{one} IS NULL THEN 0 ELSE 1 END - b.n + coalesce(d.n, 0) = 1 AS downhaul_was{rest} \
             FROM img FULL JOIN b ON {join_img} LEFT JOIN d ON {join_d} LEFT JOIN {live} l ON {join_l}",
            events = self.events(mark),
            births = track::BIRTHS,
            deaths = track::DEATHS,
            of_e = of("e"),
            join_e = self.join("e", "b"),
            join_img = self.join("img", "b"),
            join_d = self.join("d", "b"),
            join_l = self.join("l", "b"),
            key_columns = key_columns.join(", "),
            one = key[0],
            live = self.tracked.live(),
        )
    }

    /// One text for the whole content of a row.
    #[must_use]
    pub fn content(&self, row: &str) -> String {
        let texts: Vec<String> =
            self.columns.iter().map(|c| format!("{row}.{}::text", D.quote(&c.name))).collect();
        format!("md5(ROW({})::text)", texts.join(", "))
    }

    /// A query over a table without a key: `downhaul_content`, `downhaul_net` (how many more rows
    /// of it there were at the mark than now), and the columns. Only where that is not 0.
    #[must_use]
    pub fn balance(&self, mark: &Mark) -> String {
        let columns: String = self.carried().iter().map(|c| format!(", x.{c}")).collect();
        let (row, opened) = if self.is_composite() {
            ("r", format!(" CROSS JOIN LATERAL {}", composite::open("e.downhaul_row", "r")))
        } else {
            ("e", String::new())
        };
        format!(
            "SELECT x.downhaul_content, x.downhaul_net{columns} FROM (SELECT y.*, \
               sum(CASE WHEN downhaul_op IN ({births}) THEN -1 ELSE 1 END) OVER same AS downhaul_net, row_number() OVER same AS downhaul_copy \
               FROM (SELECT e.*, {content} AS downhaul_content FROM ({events}) e{opened} WHERE downhaul_op IN ({births}, {deaths})) y \
               WINDOW same AS (PARTITION BY downhaul_content)) x WHERE x.downhaul_copy = 1 AND x.downhaul_net <> 0",
            content = self.content(row),
            events = self.events(mark),
            births = track::BIRTHS,
            deaths = track::DEATHS,
        )
    }

    /// A query for all rows as they were at the mark.
    #[must_use]
    pub fn rows(&self, mark: &Mark) -> String {
        if crate::numbered::is(self.tracked.dialect) {
            return self.numbered_rows(mark);
        }
        let list = |row: &str| {
            self.columns
                .iter()
                .map(|c| format!("{row}.{}", D.quote(&c.name)))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let live = self.tracked.live();
        if self.tracked.has_key() {
            return format!(
                "WITH t AS MATERIALIZED ({}) SELECT {} FROM {live} l WHERE NOT EXISTS (SELECT FROM t WHERE {}) \
                 UNION ALL SELECT {} FROM {} t WHERE t.downhaul_was",
                self.touched(mark),
                list("l"),
                self.join("t", "l"),
                list("t"),
                self.opened("t", &["downhaul_was"]),
            );
        }
        let content = self.content("l");
        format!(
            "WITH t AS MATERIALIZED ({balance}) SELECT {l} FROM (SELECT l.*, {content} AS downhaul_content, \
               row_number() OVER (PARTITION BY {content}) AS downhaul_copy FROM {live} l) l \
             LEFT JOIN t ON t.downhaul_content = l.downhaul_content AND t.downhaul_net < 0 \
             WHERE t.downhaul_net IS NULL OR l.downhaul_copy > -t.downhaul_net \
             UNION ALL SELECT {t} FROM {opened} t, generate_series(1, t.downhaul_net) WHERE t.downhaul_net > 0",
            balance = self.balance(mark),
            l = list("l"),
            t = list("t"),
            opened = self.opened("t", &["downhaul_net"]),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::track::Capture;
    use std::collections::BTreeMap;

    fn column(name: &str, number: i64) -> TrackedColumn {
        TrackedColumn {
            name: Ident::stored(D, name),
            ty: "integer".into(),
            user_type: false,
            number,
        }
    }

    fn version(number: i64, relation: i64, columns: Vec<TrackedColumn>) -> Version {
        let key = vec![Ident::stored(D, "id")];
        Version { number, relation, columns, key, nested: false, again: false, composite: false }
    }

    fn tracked(versions: Vec<Version>) -> Tracked {
        let name = downhaul_syntax::ObjectName::bare(Ident::stored(D, "t"));
        Tracked { capture: Capture::Statement, ..Tracked::new(1, name, D, versions) }
    }

    fn mark(version: i64) -> Mark {
        Mark {
            id: 1,
            name: "m".into(),
            origin: "person".into(),
            at: String::new(),
            xmax: "9".into(),
            running: Vec::new(),
            lsn: String::new(),
            who: String::new(),
            versions: BTreeMap::from([(1, version)]),
            positions: BTreeMap::new(),
        }
    }

    fn names(columns: &[&TrackedColumn]) -> Vec<String> {
        columns.iter().map(|c| c.name.to_string()).collect()
    }

    #[test]
    fn columns_are_followed_through_renames_drops_and_returns() {
        // Renamed b to c, added d.
        let t = tracked(vec![
            version(1, 7, vec![column("id", 1), column("b", 2)]),
            version(2, 7, vec![column("id", 1), column("c", 2), column("d", 3)]),
        ]);
        let m = mark(1);
        let past = Past::new(&t, &m);
        assert_eq!(names(&past.columns), ["id", "c"]);
        assert_eq!(names(&past.new), ["d"]);
        assert!(past.lost.is_empty());
        assert!(past.events(&m).contains(r#"h."b" AS "c""#));
        // Dropped and added again: another number, the same name.
        let t = tracked(vec![
            version(1, 7, vec![column("id", 1), column("b", 2)]),
            version(2, 7, vec![column("id", 1)]),
            version(3, 7, vec![column("id", 1), column("b", 3)]),
        ]);
        assert_eq!(names(&Past::new(&t, &mark(1)).columns), ["id", "b"]);
        assert_eq!(names(&Past::new(&t, &mark(2)).new), ["b"]);
        // Dropped for good.
        let t = tracked(vec![
            version(1, 7, vec![column("id", 1), column("b", 2)]),
            version(2, 7, vec![column("id", 1)]),
        ]);
        let lost = Past::new(&t, &m).lost;
        assert_eq!(lost, [Ident::stored(D, "b")]);
        // b and c swapped names: numbers decide.
        let t = tracked(vec![
            version(1, 7, vec![column("id", 1), column("b", 2), column("c", 3)]),
            version(2, 7, vec![column("id", 1), column("c", 2), column("b", 3)]),
        ]);
        assert!(Past::new(&t, &m).events(&m).contains(r#"h."b" AS "c""#));
        // A table that was made anew: names decide.
        let t = tracked(vec![
            version(1, 7, vec![column("id", 1), column("b", 2)]),
            version(2, 8, vec![column("b", 1), column("id", 2)]),
        ]);
        assert!(Past::new(&t, &m).events(&m).contains(r#"h."b" AS "b""#));
    }
}

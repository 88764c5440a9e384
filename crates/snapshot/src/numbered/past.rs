//! What tables were at a mark, as queries over their history. Pure.

use downhaul_engine::exact;
use downhaul_syntax::Dialect;

use super::{history, mysql};
use crate::history::{Past, ancestor};
use crate::mark::Mark;
use crate::track::{self, TrackedColumn};

/// Beside an event: the number of a value among the members of its column, and the column's place.
const NUMBER: &str = "downhaul_number_";

impl Past<'_> {
    pub(super) fn d(&self) -> Dialect {
        self.tracked.dialect
    }

    pub(super) fn quoted(&self, column: &TrackedColumn) -> String {
        self.d().quote(&column.name)
    }

    /// Quoted key columns.
    pub(super) fn keys(&self) -> Vec<String> {
        self.tracked.current().key.iter().map(|k| self.d().quote(k)).collect()
    }

    /// Rows of the live table against rows of another: by bytes, and so that an index of the live
    /// table serves, which may have another collation.
    pub(crate) fn match_live(&self, live: &str, other: &str) -> String {
        if self.d() != Dialect::Sqlite {
            return self.match_own(live, other);
        }
        self.keys()
            .iter()
            .map(|k| {
                format!("{live}.{k} = {other}.{k} AND {live}.{k} = {other}.{k} COLLATE BINARY")
            })
            .collect::<Vec<_>>()
            .join(" AND ")
    }

    /// Rows of two tables of ours.
    pub(super) fn match_own(&self, left: &str, right: &str) -> String {
        self.keys()
            .iter()
            .map(|k| format!("{left}.{k} = {right}.{k}"))
            .collect::<Vec<_>>()
            .join(" AND ")
    }

    /// Events after a mark, in the columns of now.
    fn numbered_events(&self, mark: &Mark) -> String {
        let newest = self.tracked.current();
        let position = mark.positions.get(&self.tracked.id).copied().unwrap_or(0);
        let branches: Vec<String> = self
            .tracked
            .versions
            .iter()
            .map(|version| {
                let columns: String = self
                    .columns
                    .iter()
                    .map(|column| {
                        let value = ancestor(version, newest, column).map_or_else(
                            || "NULL".to_owned(),
                            |old| self.of_any_type(column, &format!("h.{}", self.d().quote(&old.name)), old),
                        );
                        format!(", {value} AS {}", self.quoted(column))
                    })
                    .collect();
                let numbers: String = self
                    .numbers()
                    .map(|(at, column)| {
                        // Of another type there are none that count: the history began anew.
                        let old = ancestor(version, newest, column).filter(|old| old.ty == column.ty);
                        let number = old.map_or_else(
                            || "NULL".to_owned(),
                            |old| format!("h.{} + 0", self.d().quote(&old.name)),
                        );
                        format!(", {number} AS {NUMBER}{at}")
                    })
                    .collect();
                format!(
                    "SELECT h.downhaul_pos, h.downhaul_op{columns}{numbers} FROM {} AS h WHERE h.downhaul_pos > {position}",
                    history(self.d(), self.tracked.id, version.number),
                )
            })
            .collect();
        branches.join(" UNION ALL ")
    }

    /// Types that a column had, that of now included.
    fn types_of(&self, column: &TrackedColumn) -> Vec<&str> {
        let newest = self.tracked.current();
        let versions = self.tracked.versions.iter();
        versions.filter_map(|v| ancestor(v, newest, column)).map(|old| old.ty.as_str()).collect()
    }

    /// A value of a column that had several types, such that it is the same beside those of the others:
    /// what reads them makes of it what the column of now does.
    fn of_any_type(&self, column: &TrackedColumn, value: &str, of: &TrackedColumn) -> String {
        if self.d() == Dialect::Sqlite {
            return value.to_owned();
        }
        mysql::carried(value, &of.ty, &column.ty, &self.types_of(column))
    }

    /// What [`Past::of_any_type`] made of a value, as the column of now has it.
    fn as_newest(&self, column: &TrackedColumn, value: &str) -> String {
        if self.d() == Dialect::Sqlite {
            return value.to_owned();
        }
        mysql::as_newest(value, &column.ty, &self.types_of(column))
    }

    /// MySQL and MariaDB: columns whose members are told by number beside the events, with their places:
    /// of those of several versions of a table a UNION leaves but the text, which has no number.
    fn numbers(&self) -> impl Iterator<Item = (usize, &TrackedColumn)> {
        let several = self.d() != Dialect::Sqlite && self.tracked.versions.len() > 1;
        let columns = self.columns.iter().copied().enumerate();
        columns.filter(move |(_, column)| several && mysql::is_listed(column))
    }

    /// As [`Past::touched`].
    pub(super) fn numbered_touched(&self, mark: &Mark) -> String {
        let columns: String =
            self.columns.iter().map(|c| format!("{}, ", self.quoted(c))).collect();
        format!(
            "SELECT {columns}downhaul_op IN ({images}) AS downhaul_was FROM (SELECT e.*, row_number() OVER (PARTITION BY {keys} ORDER BY downhaul_pos) AS downhaul_nth \
             FROM ({events}) AS e WHERE downhaul_op IN ({images}, {births})) AS f WHERE downhaul_nth = 1",
            images = track::IMAGES,
            births = track::BIRTHS,
            keys = self.keys().join(", "),
            events = self.numbered_events(mark),
        )
    }

    /// One text for the whole content of a row.
    pub(crate) fn numbered_content(&self, row: &str) -> String {
        if self.d() != Dialect::Sqlite {
            return mysql::content(self.d(), &self.columns, row, None);
        }
        let values: Vec<String> =
            self.columns.iter().map(|c| format!("{row}.{}", self.quoted(c))).collect();
        format!("({})", exact::row(&values))
    }

    /// Births and deaths of rows after the mark, each with `downhaul_net` of its content, as
    /// [`Past::balance`] has it, and its number among those of its kind, `downhaul_copy`. There are
    /// at least as many of the kind that prevails as `downhaul_net` says.
    fn numbered_weighed(&self, mark: &Mark) -> String {
        format!(
            "SELECT y.*, sum(CASE WHEN downhaul_op IN ({births}) THEN -1 ELSE 1 END) OVER (PARTITION BY downhaul_content) AS downhaul_net, \
               row_number() OVER (PARTITION BY downhaul_content, downhaul_op IN ({births})) AS downhaul_copy \
             FROM (SELECT e.*, {content} AS downhaul_content FROM ({events}) AS e WHERE downhaul_op IN ({births}, {deaths})) AS y",
            content = if self.numbers().next().is_some() {
                mysql::content(self.d(), &self.columns, "e", Some(NUMBER))
            } else {
                self.numbered_content("e")
            },
            events = self.numbered_events(mark),
            births = track::BIRTHS,
            deaths = track::DEATHS,
        )
    }

    /// As [`Past::balance`].
    pub(super) fn numbered_balance(&self, mark: &Mark) -> String {
        let columns: String =
            self.columns.iter().map(|c| format!(", x.{}", self.quoted(c))).collect();
        format!(
            "SELECT x.downhaul_content, x.downhaul_net{columns} FROM ({weighed}) AS x \
             WHERE x.downhaul_copy = 1 AND (x.downhaul_net > 0 AND x.downhaul_op IN ({deaths}) OR x.downhaul_net < 0 AND x.downhaul_op IN ({births}))",
            weighed = self.numbered_weighed(mark),
            births = track::BIRTHS,
            deaths = track::DEATHS,
        )
    }

    /// As [`Past::rows`].
    pub(crate) fn numbered_rows(&self, mark: &Mark) -> String {
        let live = self.tracked.live();
        if self.tracked.has_key() {
            let now = |c: &TrackedColumn| self.of_any_type(c, &format!("l.{}", self.quoted(c)), c);
            let then = |c: &TrackedColumn| format!("t.{}", self.quoted(c));
            let list = |value: &dyn Fn(&TrackedColumn) -> String| {
                let columns = self.columns.iter();
                let all: Vec<String> = columns
                    .map(|c| format!("{} AS {}", self.as_newest(c, &value(c)), self.quoted(c)))
                    .collect();
                all.join(", ")
            };
            return format!(
                "WITH downhaul_past AS ({}) SELECT {} FROM {live} AS l WHERE NOT EXISTS (SELECT 1 FROM downhaul_past AS t WHERE {}) \
                 UNION ALL SELECT {} FROM downhaul_past AS t WHERE t.downhaul_was",
                self.numbered_touched(mark),
                list(&now),
                self.match_live("l", "t"),
                list(&then),
            );
        }
        let list = |row: &str| {
            self.columns
                .iter()
                .map(|c| format!("{row}.{0} AS {0}", self.quoted(c)))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let content = self.numbered_content("l");
        format!(
            "WITH downhaul_past AS ({weighed}) SELECT {l} FROM (SELECT {l}, {content} AS downhaul_content, \
               row_number() OVER (PARTITION BY {content}) AS downhaul_copy FROM {live} AS l) AS l \
             LEFT JOIN downhaul_past AS t ON t.downhaul_content = l.downhaul_content AND t.downhaul_net < 0 AND t.downhaul_op IN ({births}) AND t.downhaul_copy = 1 \
             WHERE t.downhaul_net IS NULL OR l.downhaul_copy > -t.downhaul_net \
             UNION ALL SELECT {t} FROM downhaul_past AS t WHERE t.downhaul_net > 0 AND t.downhaul_op IN ({deaths}) AND t.downhaul_copy <= t.downhaul_net",
            weighed = self.numbered_weighed(mark),
            births = track::BIRTHS,
            deaths = track::DEATHS,
            l = list("l"),
            t = list("t"),
        )
    }
}

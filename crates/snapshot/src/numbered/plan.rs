//! What has to change so that tables are again what they were.

use std::collections::BTreeMap;

use downhaul_engine::Session;
use downhaul_syntax::{Dialect, Ident};

use super::changed::{bits, changes, masks};
use super::difference::summed;
use super::{concat, differs, install, mysql, sqlite, straight, text};
use crate::history::{Past, ancestor};
use crate::mark::Mark;
use crate::merge::OnConflict;
use crate::restore_to::plan::{Plan, Request, TablePlan, judge_condition, tables, wanted};
use crate::store::SnapshotError;
use crate::track::{Tracked, TrackedColumn, quiet};
use crate::whole;

/// `DROP` and `CREATE` of a temporary table.
pub(super) async fn drop_temporary(
    session: &mut dyn Session,
    name: &str,
) -> Result<(), SnapshotError> {
    let word = if session.dialect() == Dialect::Sqlite { "" } else { "TEMPORARY " };
    session.execute(&format!("DROP {word}TABLE IF EXISTS {name}")).await?;
    Ok(())
}

/// Makes a temporary table of a query, in place of one that is there. `index`: columns by which it
/// is searched.
pub(super) async fn make_temporary(
    session: &mut dyn Session,
    name: &str,
    query: &str,
    past: &Past<'_>,
) -> Result<(), SnapshotError> {
    drop_temporary(session, name).await?;
    let keyed = past.tracked.has_key();
    if session.dialect() == Dialect::Sqlite {
        session.execute(&format!("CREATE TABLE {name} AS {query}")).await?;
        let index = if keyed { past.keys().join(", ") } else { "downhaul_content".into() };
        let local = name.rsplit('.').next().unwrap_or(name);
        session.execute(&format!("CREATE INDEX {name}_key ON {local} ({index})")).await?;
        return Ok(());
    }
    let current = past.tracked.current();
    let index =
        if keyed { mysql::index(current, &current.key) } else { "KEY (downhaul_content)".into() };
    // With the types of the live table: what a CASE or a UNION chooses from may come out as another.
    let mut parts: Vec<String> =
        past.columns.iter().map(|c| format!("{} {} NULL", past.quoted(c), c.ty)).collect();
    parts.extend((!index.is_empty()).then_some(index));
    fill_temporary(session, name, parts, query).await
}

/// Makes a temporary table of MariaDB or MySQL: columns that are given with their types, the others as
/// the query has them.
async fn fill_temporary(
    session: &mut dyn Session,
    name: &str,
    mut parts: Vec<String>,
    query: &str,
) -> Result<(), SnapshotError> {
    if session.dialect() == Dialect::Mysql {
        // Servers may ask every table for a key, these too (`sql_require_primary_key`).
        parts.push("downhaul_nr BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY".to_owned());
    }
    let parts = if parts.is_empty() { String::new() } else { format!("({}) ", parts.join(", ")) };
    session.execute(&format!("CREATE TEMPORARY TABLE {name} {parts}AS {query}")).await?;
    Ok(())
}

/// A temporary table of what people are shown; `texts` are columns of any length, which the server
/// takes to be shorter than they may be: those of a bit value, a double, an ENUM.
pub(super) async fn make_shown(
    session: &mut dyn Session,
    name: &str,
    query: &str,
    texts: &[String],
) -> Result<(), SnapshotError> {
    if session.dialect() == Dialect::Sqlite || texts.is_empty() {
        return make_plain(session, name, query).await;
    }
    drop_temporary(session, name).await?;
    let texts: Vec<String> =
        texts.iter().map(|text| format!("{text} longtext CHARACTER SET utf8mb4")).collect();
    fill_temporary(session, name, texts, query).await
}

/// The same without an index.
pub(super) async fn make_plain(
    session: &mut dyn Session,
    name: &str,
    query: &str,
) -> Result<(), SnapshotError> {
    drop_temporary(session, name).await?;
    if session.dialect() != Dialect::Sqlite {
        return fill_temporary(session, name, Vec::new(), query).await;
    }
    session.execute(&format!("CREATE TABLE {name} AS {query}")).await?;
    Ok(())
}

/// Name of a temporary table about a tracked one.
pub(super) fn temporary(d: Dialect, what: &str, id: i64) -> String {
    crate::sql::temporary(d, &format!("{what}_{id}"))
}

/// Works out what has to change. Within a transaction, which holds the plan.
pub(crate) async fn plan(
    session: &mut dyn Session,
    request: &Request,
    lock: bool,
) -> Result<Plan, SnapshotError> {
    if !lock {
        super::begin_reading(session).await?;
    } else if session.dialect() != Dialect::Sqlite {
        super::take_any_date(session).await?;
    }
    let mut marks = vec![&request.target];
    marks.extend(&request.until);
    let (found, unreachable) = match &request.source {
        Some(_) => whole::sources(session, request).await?,
        None => tables(session, &request.scope.tables, &marks).await?,
    };
    let mut plan = Plan {
        request: request.clone(),
        tables: Vec::new(),
        unreachable,
        forced: Vec::new(),
        missing: Vec::new(),
        earlier: Vec::new(),
    };
    let mut rows = BTreeMap::new();
    if lock && session.dialect() != Dialect::Sqlite {
        rows = super::apply::lock(session, &found).await?;
    }
    let touched = if request.source.is_some() || request.scope.filter.is_some() {
        found.iter().map(|tracked| tracked.id).collect()
    } else {
        quiet::touched(session, &found, &marks).await?
    };
    for tracked in found {
        plan.tables.push(if touched.contains(&tracked.id) {
            table(session, request, tracked).await?
        } else {
            TablePlan::quiet(request, &tracked)?
        });
    }
    for table in &mut plan.tables {
        table.rows = rows.get(&table.tracked.id).copied().unwrap_or(0);
    }
    Ok(plan)
}

/// What a table was at a mark, [`Past::touched`] or [`Past::balance`], of its history or of a file.
fn past_of(request: &Request, past: &Past<'_>, mark: &Mark, until: bool) -> String {
    match &request.source {
        Some(_) => whole::then(past, until),
        None => history_of(past, mark),
    }
}

/// The same of its history.
pub(super) fn history_of(past: &Past<'_>, mark: &Mark) -> String {
    if past.tracked.has_key() { past.numbered_touched(mark) } else { past.numbered_balance(mark) }
}

/// Makes a temporary table of what a table was at a mark.
pub(super) async fn read_past(
    session: &mut dyn Session,
    name: &str,
    past: &Past<'_>,
    query: &str,
) -> Result<(), SnapshotError> {
    let keyed = past.tracked.has_key();
    if session.dialect() != Dialect::Sqlite {
        return make_temporary(session, name, query, past).await;
    }
    let newest = past.tracked.current();
    let mut columns = Vec::new();
    let mut list = Vec::new();
    for column in &past.columns {
        // A value that came from a column of another type becomes what the live one makes of it;
        // all others stay what they are.
        let retyped = past.tracked.versions.iter().any(|version| {
            ancestor(version, newest, column)
                .is_some_and(|old| !old.ty.eq_ignore_ascii_case(&column.ty))
        });
        let ty = if retyped { sqlite::affinity(&column.ty) } else { "BLOB" };
        columns.push(format!("{} {ty}", past.quoted(column)));
        list.push(past.quoted(column));
    }
    let (own, index) = if keyed {
        (vec!["downhaul_was"], past.keys().join(", "))
    } else {
        (vec!["downhaul_content", "downhaul_net"], "downhaul_content".to_owned())
    };
    columns.extend(own.iter().map(|name| (*name).to_owned()));
    list.extend(own.iter().map(|name| (*name).to_owned()));
    session.execute(&format!("DROP TABLE IF EXISTS {name}")).await?;
    session.execute(&format!("CREATE TABLE {name} ({})", columns.join(", "))).await?;
    session
        .execute(&format!(
            "INSERT INTO {name} ({list}) SELECT {list} FROM ({query})",
            list = list.join(", ")
        ))
        .await?;
    let local = name.rsplit('.').next().unwrap_or(name);
    session.execute(&format!("CREATE INDEX {name}_key ON {local} ({index})")).await?;
    Ok(())
}

/// Columns on which rows must differ.
async fn unique_columns(
    session: &mut dyn Session,
    tracked: &Tracked,
) -> Result<Vec<Ident>, SnapshotError> {
    let d = session.dialect();
    if d != Dialect::Sqlite {
        let rows = session
            .rows(&format!(
                "SELECT DISTINCT COLUMN_NAME FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = {} AND NON_UNIQUE = 0",
                d.literal(tracked.name.name.as_str())
            ))
            .await?;
        let columns: Vec<Ident> = rows.iter().map(|row| Ident::stored(d, row.text(0))).collect();
        // One that is computed depends on any other.
        let current = tracked.current();
        if columns.iter().any(|c| current.column(c).is_none()) {
            return Ok(current.columns.iter().map(|c| c.name.clone()).collect());
        }
        return Ok(columns);
    }
    let Some(shape) = session.table_shape(&tracked.name).await? else { return Ok(Vec::new()) };
    let (uniques, expressions) = install::uniques(session, &shape).await?;
    if !expressions.is_empty() {
        return Ok(tracked.current().columns.iter().map(|c| c.name.clone()).collect());
    }
    Ok(uniques.into_iter().flatten().map(|(column, _)| column).collect())
}

async fn table(
    session: &mut dyn Session,
    request: &Request,
    tracked: Tracked,
) -> Result<TablePlan, SnapshotError> {
    let (d, id) = (tracked.dialect, tracked.id);
    let past = Past::new(&tracked, &request.target);
    let scope = &request.scope;
    let only_columns = !scope.columns.is_empty();
    let wanted = wanted(request, &past)?;
    judge_condition(session, request, &past).await?;
    let unique = unique_columns(session, &tracked).await?;
    if straight::fits(session, request, &past).await? {
        straight::make(session, &past, request, &wanted, &unique).await?;
        let mut found = TablePlan::new(&tracked, &wanted, &past);
        count(session, &mut found, &past).await?;
        return Ok(found);
    }
    let was = past_of(request, &past, &request.target, false);
    read_past(session, &temporary(d, "was", id), &past, &was).await?;
    let known_until = match &request.until {
        None => None,
        Some(mark) => {
            let later = Past::new(&tracked, mark).comparable(&past);
            let until = past_of(request, &later, mark, true);
            read_past(session, &temporary(d, "until", id), &later, &until).await?;
            Some(later.columns.iter().map(|c| c.name.clone()).collect())
        }
    };
    let query = Query {
        past: &past,
        id,
        wanted: wanted.clone(),
        known_until,
        policy: request.on_conflict,
        only_columns,
        filter: scope.filter.as_deref(),
        unique: &unique,
    };
    let name = temporary(d, "plan", id);
    let body = if tracked.has_key() { query.keyed() } else { query.keyless() };
    make_temporary(session, &name, &body, &past).await?;
    let mut found = TablePlan::new(&tracked, &wanted, &past);
    count(session, &mut found, &past).await?;
    Ok(found)
}

/// `sum` over rows of a test, 0 over none; `n`: how many each stands for.
fn times(test: &str, n: &str) -> String {
    format!("coalesce(sum(CASE WHEN {test} THEN {n} ELSE 0 END), 0)")
}

async fn count(
    session: &mut dyn Session,
    found: &mut TablePlan,
    past: &Past<'_>,
) -> Result<(), SnapshotError> {
    let d = found.tracked.dialect;
    let name = temporary(d, "plan", found.tracked.id);
    let counts = if found.tracked.has_key() {
        let mut tests: Vec<String> = [
            "downhaul_action = 'I'",
            "downhaul_action = 'U'",
            "downhaul_action = 'D'",
            "downhaul_conflict <> 0",
            "downhaul_action = 'U' AND downhaul_moves <> 0",
        ]
        .map(str::to_owned)
        .to_vec();
        let columns = 0..found.columns.len();
        tests.extend(columns.map(|at| format!("downhaul_action = 'U' AND {}", changes(at))));
        let tests: Vec<String> = tests.iter().map(|test| times(test, "n")).collect();
        // Rows of one kind are tested once: a million rows are of few kinds.
        let kinds = format!(
            "downhaul_action, downhaul_conflict, downhaul_moves, {}",
            masks(found.columns.len()).join(", ")
        );
        format!(
            "SELECT {} FROM (SELECT {kinds}, count(*) AS n FROM {name} GROUP BY {kinds}) AS g",
            tests.join(", ")
        )
    } else {
        format!(
            "SELECT coalesce(sum(CASE WHEN downhaul_net > 0 THEN downhaul_net ELSE 0 END), 0), 0, \
               coalesce(sum(CASE WHEN downhaul_net < 0 THEN -downhaul_net ELSE 0 END), 0), {}, 0 FROM {name}",
            times("downhaul_conflict", "1")
        )
    };
    if let Some(row) = session.row(&counts).await? {
        found.inserts = row.number(0)?;
        found.updates = row.number(1)?;
        found.deletes = row.number(2)?;
        found.conflicts = row.number(3)?;
        found.moves = row.number(4)?;
        if found.tracked.has_key() {
            for (at, column) in found.columns.iter().enumerate() {
                let rows = row.number(at + 5)?;
                if rows > 0 {
                    found.changed.push((column.name.to_string(), rows));
                }
            }
        }
    }
    if found.conflicts > 0 {
        let current = found.tracked.current();
        let mut texts = Vec::new();
        for column in current.key.iter().filter_map(|k| current.column(k)) {
            if !texts.is_empty() {
                texts.push("', '".to_owned());
            }
            texts.push(format!("({})", text(d, column, &past.quoted(column))));
        }
        if texts.is_empty() {
            texts.push("downhaul_content".to_owned());
        }
        let rows = session
            .rows(&format!(
                "SELECT {} FROM {name} WHERE downhaul_conflict ORDER BY 1 LIMIT 5",
                concat(d, &texts)
            ))
            .await?;
        found.examples = rows.iter().map(|row| row.text(0).to_owned()).collect();
    }
    Ok(())
}

/// The plan of one table as a query.
struct Query<'a> {
    past: &'a Past<'a>,
    id: i64,
    /// Columns that come back.
    wanted: Vec<&'a TrackedColumn>,
    /// Columns that the past of the second mark has.
    known_until: Option<Vec<Ident>>,
    policy: OnConflict,
    /// Only some columns come back, so no row comes or goes.
    only_columns: bool,
    filter: Option<&'a str>,
    unique: &'a [Ident],
}

pub(super) fn any(tests: Vec<String>) -> String {
    if tests.is_empty() { "0".to_owned() } else { format!("({})", tests.join(" OR ")) }
}

impl Query<'_> {
    fn live(&self) -> String {
        self.past.tracked.live()
    }

    /// Actions and conflicts by case, as in `merge::row`: condition, action, conflict.
    fn cases(
        &self,
        (base_there, bad_there, now_there): (&str, &str, &str),
        (take_any, conflict_any): (&str, &str),
        rows_differ: &dyn Fn(char, char) -> String,
    ) -> Vec<(String, String, String)> {
        let left = |otherwise: &str| {
            if self.policy == OnConflict::RestoreOld {
                otherwise.to_owned()
            } else {
                "'-'".to_owned()
            }
        };
        let mut cases = vec![(
            format!("{base_there} AND {bad_there} AND {now_there}"),
            format!("CASE WHEN {take_any} THEN 'U' WHEN {conflict_any} THEN '-' END"),
            conflict_any.to_owned(),
        )];
        if self.only_columns {
            return cases;
        }
        let mut case = |when: String, then: String, conflict: &str| {
            cases.push((when, then, conflict.to_owned()));
        };
        let since = self.known_until.is_some();
        if since {
            let touched = rows_differ('w', 'b');
            case(format!("{base_there} AND {bad_there} AND NOT {touched}"), "NULL".into(), "0");
            case(format!("{base_there} AND {bad_there}"), left("'I'"), "1");
            let again = rows_differ('w', 'l');
            case(format!("{base_there} AND {now_there} AND NOT {again}"), "NULL".into(), "0");
            case(format!("{base_there} AND {now_there}"), left("'U'"), "1");
        }
        case(base_there.to_owned(), "'I'".into(), "0");
        if since {
            let written = rows_differ('b', 'l');
            case(format!("{bad_there} AND {now_there} AND {written}"), left("'D'"), "1");
        }
        case(format!("{bad_there} AND {now_there}"), "'D'".into(), "0");
        cases
    }

    /// What has to change, of a table with a key: as of PostgreSQL, with the columns
    /// that change as [`bits`].
    fn keyed(&self) -> String {
        let key = self.past.keys();
        let one = &key[0];
        let bad_known = format!("m.{one} IS NULL");
        let bad = |column: &TrackedColumn| {
            let name = self.past.quoted(column);
            match &self.known_until {
                Some(known) if known.contains(&column.name) => {
                    format!("CASE WHEN {bad_known} THEN l.{name} ELSE m.{name} END")
                }
                _ => format!("l.{name}"),
            }
        };
        let (base_there, now_there) = ("w.downhaul_was", format!("l.{one} IS NOT NULL"));
        let bad_there = if self.known_until.is_some() {
            format!("(CASE WHEN {bad_known} THEN {now_there} ELSE m.downhaul_was END)")
        } else {
            // A reset: whatever is there now is to be undone.
            now_there.clone()
        };
        let restore_old = self.policy == OnConflict::RestoreOld;
        let mut takes = Vec::new();
        let mut conflicts = Vec::new();
        for column in &self.wanted {
            let name = self.past.quoted(column);
            let (base, now) = (format!("w.{name}"), format!("l.{name}"));
            let base_now = differs(self.past.d(), column, &base, &now);
            if self.known_until.is_none() {
                takes.push((*column, base_now));
                continue;
            }
            let d = self.past.d();
            let bad = format!("({})", bad(column));
            let (base_bad, bad_now) =
                (differs(d, column, &base, &bad), differs(d, column, &bad, &now));
            // As in `merge::column`.
            conflicts.push(format!("({base_bad} AND {bad_now} AND {base_now})"));
            takes.push((
                *column,
                if restore_old {
                    // A row that was gone comes back as a whole, with its NULLs.
                    format!("(({base_bad} OR NOT {bad_there}) AND {base_now})")
                } else {
                    format!("({base_bad} AND NOT {bad_now})")
                },
            ));
        }
        let take_any = any(takes.iter().map(|(_, test)| test.clone()).collect());
        let conflict_any = any(conflicts);
        let all = &self.past.columns;
        let value = |state: char, column: &TrackedColumn| match state {
            'b' => format!("({})", bad(column)),
            state => format!("{state}.{}", self.past.quoted(column)),
        };
        let rows_differ = |left: char, right: char| {
            any(all
                .iter()
                .map(|c| differs(self.past.d(), c, &value(left, c), &value(right, c)))
                .collect())
        };
        let cases = self.cases(
            (base_there, &bad_there, &now_there),
            (&take_any, &conflict_any),
            &rows_differ,
        );
        let action: String =
            cases.iter().map(|(when, then, _)| format!(" WHEN {when} THEN {then}")).collect();
        let conflict: String =
            cases.iter().map(|(when, _, yes)| format!(" WHEN {when} THEN {yes}")).collect();
        let whole_base = format!("NOT {bad_there} OR NOT ({now_there})");
        let targets: String = all
            .iter()
            .filter(|c| !key.contains(&self.past.quoted(c)))
            .map(|column| {
                let name = self.past.quoted(column);
                match takes.iter().find(|(c, _)| c.name == column.name) {
                    // A reset takes every value, whether it differs or not.
                    Some(_) if self.known_until.is_none() => format!(", w.{name} AS {name}"),
                    Some((_, take)) => format!(
                        ", CASE WHEN {whole_base} OR {take} THEN w.{name} ELSE l.{name} END AS {name}"
                    ),
                    None => {
                        format!(", CASE WHEN {now_there} THEN l.{name} ELSE w.{name} END AS {name}")
                    }
                }
            })
            .collect();
        let tests: Vec<String> = takes.iter().map(|(_, take)| take.clone()).collect();
        let changed: Vec<String> = bits(&tests)
            .iter()
            .zip(masks(tests.len()))
            .map(|(bits, mask)| format!("{bits} AS {mask}"))
            .collect();
        let moves = any(takes
            .iter()
            .filter(|(c, _)| self.unique.contains(&c.name))
            .map(|(_, take)| take.clone())
            .collect());
        let keys: Vec<String> = key.iter().map(|k| format!("w.{k} AS {k}")).collect();
        let middle = if self.known_until.is_some() {
            let until = temporary(self.past.d(), "until", self.id);
            format!(" LEFT JOIN {until} AS m ON {}", self.past.match_own("m", "w"))
        } else {
            String::new()
        };
        let was = temporary(self.past.d(), "was", self.id);
        let filter = self.filter.map_or_else(String::new, |filter| {
            if self.past.d() == Dialect::Mysql {
                return format!(
                    " AND (w.downhaul_was AND {} OR {now_there} AND {})",
                    self.fits("w", filter),
                    self.fits("l", filter)
                );
            }
            // On lines of its own: the condition may end with a comment.
            format!(
                " AND (w.downhaul_was AND EXISTS (SELECT 1 FROM {was} AS downhaul_row WHERE {} AND (\n{filter}\n)) \
                 OR {now_there} AND EXISTS (SELECT 1 FROM {} AS downhaul_row WHERE {} AND (\n{filter}\n)))",
                self.past.match_own("downhaul_row", "w"),
                self.live(),
                self.past.match_live("downhaul_row", "w"),
            )
        });
        format!(
            "SELECT * FROM (SELECT {keys}, CASE{action} END AS downhaul_action, CASE{conflict} ELSE 0 END AS downhaul_conflict, \
               {base_there} AND {now_there} AND {moves} AS downhaul_moves, {changed}{targets} \
             FROM {was} AS w LEFT JOIN {live} AS l ON {join}{middle} WHERE 1{filter}) AS p WHERE downhaul_action IS NOT NULL",
            keys = keys.join(", "),
            changed = changed.join(", "),
            live = self.live(),
            join = self.past.match_live("l", "w"),
        )
    }

    /// A row fits a person's condition. MySQL reads a temporary table once in a statement, so the
    /// row that is there already is given another name.
    fn fits(&self, row: &str, filter: &str) -> String {
        let columns: Vec<String> = self
            .past
            .columns
            .iter()
            .map(|c| format!("{row}.{0} AS {0}", self.past.quoted(c)))
            .collect();
        format!(
            "EXISTS (SELECT 1 FROM (SELECT {}) AS downhaul_row WHERE (\n{filter}\n))",
            columns.join(", ")
        )
    }

    /// The same for a table without a key, as of PostgreSQL.
    fn keyless(&self) -> String {
        let names: Vec<String> = self.past.columns.iter().map(|c| self.past.quoted(c)).collect();
        let (was, until) =
            (temporary(self.past.d(), "was", self.id), temporary(self.past.d(), "until", self.id));
        let content = self.past.numbered_content("l");
        let plain = names.join(", ");
        let source = if self.known_until.is_some() {
            summed(self.past.d(), &was, &until, &self.past.columns)
        } else {
            format!("SELECT downhaul_content, downhaul_net, {plain} FROM {was}")
        };
        let columns: Vec<String> = names.iter().map(|n| format!("s.{n} AS {n}")).collect();
        let filter = self.filter.map_or_else(String::new, |filter| {
            if self.past.d() == Dialect::Mysql {
                return format!(" AND {}", self.fits("s", filter));
            }
            format!(
                " AND EXISTS (SELECT 1 FROM ({source}) AS downhaul_row WHERE downhaul_row.downhaul_content = s.downhaul_content AND (\n{filter}\n))"
            )
        });
        let only = if self.past.d() == Dialect::Mysql {
            String::new()
        } else {
            format!("WHERE {content} IN (SELECT downhaul_content FROM ({source}) AS c) ")
        };
        format!(
            "SELECT s.downhaul_content AS downhaul_content, {greatest}(s.downhaul_net, -coalesce(n.copies, 0)) AS downhaul_net, coalesce(n.copies, 0) AS downhaul_now, \
               (-s.downhaul_net - coalesce(n.copies, 0) > 0) AS downhaul_conflict, {columns} \
             FROM ({source}) AS s LEFT JOIN (SELECT {content} AS content, count(*) AS copies FROM {live} AS l \
               {only}GROUP BY 1) AS n ON n.content = s.downhaul_content \
             WHERE s.downhaul_net <> 0{filter}",
            greatest = if self.past.d() == Dialect::Sqlite { "max" } else { "greatest" },
            columns = columns.join(", "),
            live = self.live(),
        )
    }
}

/// Takes out of a plan what is in it without anything to do: rows that are as they were.
pub(crate) async fn only_what_changes(
    session: &mut dyn Session,
    table: &TablePlan,
) -> Result<(), SnapshotError> {
    if table.tracked.has_key() {
        let name = temporary(table.tracked.dialect, "plan", table.tracked.id);
        session.execute(&format!("DELETE FROM {name} WHERE downhaul_action IS NULL")).await?;
    }
    Ok(())
}

//! Changes that no statement's text shows: through functions, procedures, rules, views, triggers.
//!
//! PostgreSQL counts, for each table, the rows that the current transaction changed
//! (`pg_stat_xact_user_tables`, manual §28.2.3). A table with changed or deleted rows of which
//! nothing was kept means a loss that nobody foresaw: the migration is then refused.
//!
//! SQLite has no such count and no routines; only triggers can hide a change there, and
//! [`crate::keep::endangered`] takes every table into care when one may fire.

use std::collections::{BTreeMap, BTreeSet};

use downhaul_engine::{Row, Session};
use downhaul_syntax::{Change, Dialect, ObjectName, Parsed, Statement};

use crate::keep::Endangered;
use crate::store::SnapshotError;

/// Tables for which the server may still count what earlier transactions of a session did.
#[derive(Clone, Debug)]
pub struct Counted {
    /// Nobody has written down which.
    any: bool,
    tables: BTreeSet<String>,
}

impl Counted {
    /// Of a session that has changed nothing yet.
    #[must_use]
    pub fn nothing() -> Self {
        Self { any: false, tables: BTreeSet::new() }
    }

    /// The server counts nothing of earlier transactions.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        !self.any && self.tables.is_empty()
    }

    /// Rows of a table, by its number, were changed.
    pub fn rows_of(&mut self, oid: &str) {
        self.tables.insert(oid.to_owned());
    }

    /// Rows were changed, nobody knows of which tables.
    pub fn anything(&mut self) {
        self.any = true;
    }
}

/// Looks for hidden changes from its beginning on.
#[derive(Clone, Debug)]
pub struct Watch {
    /// Tables with a higher number were made by the migration itself.
    newest: Option<i64>,
    /// Changed rows by table at the beginning: what earlier transactions of this session did is
    /// counted too until the server has reported it.
    earlier: BTreeMap<String, i64>,
}

/// Changed and deleted rows of some tables, or of all that have any.
const COUNTS: &str = "SELECT oid, n FROM (SELECT oid, pg_catalog.pg_stat_get_xact_tuples_updated(oid) + pg_catalog.pg_stat_get_xact_tuples_deleted(oid) AS n \
     FROM unnest(string_to_array($1, ',')::pg_catalog.oid[]) t(oid)) t WHERE n > 0";
const ALL_COUNTS: &str = "SELECT relid, n_tup_upd + n_tup_del FROM pg_catalog.pg_stat_xact_user_tables WHERE n_tup_upd + n_tup_del > 0";

/// Whoever changes rows locks the table until the end of the transaction: the counts of those few
/// tables are asked for, not of all that there are.
const TOUCHED: &str = "SELECT t.relation, t.n, n.nspname, c.relname FROM ( \
       SELECT relation, pg_catalog.pg_stat_get_xact_tuples_updated(relation) + pg_catalog.pg_stat_get_xact_tuples_deleted(relation) AS n \
       FROM pg_catalog.pg_locks \
       WHERE pid = pg_catalog.pg_backend_pid() AND locktype = 'relation' AND mode <> 'AccessShareLock' \
         AND relation::bigint >= 16384 GROUP BY relation OFFSET 0) t \
     JOIN pg_catalog.pg_class c ON c.oid = t.relation JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE t.n > 0";

impl Watch {
    /// What [`Self::begin`] must be told: the number of the newest table, asked within the migration's
    /// transaction and before its first statement; `None` where no server counts.
    #[must_use]
    pub fn newest(dialect: Dialect) -> Option<&'static str> {
        (dialect == Dialect::Postgres)
            .then_some("SELECT coalesce(max(oid)::bigint, 0) FROM pg_catalog.pg_class")
    }

    /// Begins, within the migration's transaction and before its first statement.
    pub async fn begin(
        session: &mut dyn Session,
        newest: Option<i64>,
        counted: &mut Counted,
    ) -> Result<Self, SnapshotError> {
        let mut earlier = BTreeMap::new();
        if newest.is_some() {
            // A server session of a pool may come with the counts of those who had it before.
            let rows = if counted.any || session.server().pooled {
                session.rows(ALL_COUNTS).await?
            } else if counted.tables.is_empty() {
                Vec::new()
            } else {
                let tables: Vec<&str> = counted.tables.iter().map(String::as_str).collect();
                session.ask(&[COUNTS], &tables.join(",")).await?
            };
            for row in rows {
                earlier.insert(row.text(0).to_owned(), row.number(1)?);
            }
            *counted = Counted { any: false, tables: earlier.keys().cloned().collect() };
        }
        Ok(Self { newest, earlier })
    }

    /// Refuses if rows were changed or deleted of a table of which nothing is kept. Adds to `counted`
    /// of which tables rows were.
    pub async fn check(
        self,
        session: &mut dyn Session,
        endangered: &[Endangered],
        given_up: &[ObjectName],
        counted: &mut Counted,
    ) -> Result<(), SnapshotError> {
        let Some(newest) = self.newest else { return Ok(()) };
        let dialect = session.dialect();
        let touched = session.ask(&[TOUCHED], "").await?;
        counted.tables.extend(touched.iter().map(|row| row.text(0).to_owned()));
        let full = |name: &ObjectName| match &name.schema {
            Some(_) => name.clone(),
            None => ObjectName {
                schema: Some(downhaul_syntax::Ident::stored(dialect, "public")),
                ..name.clone()
            },
        };
        let mut known: Vec<ObjectName> = endangered.iter().map(|e| e.shape.name.clone()).collect();
        known.extend(endangered.iter().filter_map(|e| e.loss.renamed_to.as_ref()).map(full));
        known.extend(given_up.iter().map(full));
        let count = |row: &Row| -> Result<i64, SnapshotError> {
            Ok(row.number(1)? - self.earlier.get(row.text(0)).copied().unwrap_or(0))
        };
        let mut unknown = Vec::new();
        for row in &touched {
            let made_here = row.number(0)? > newest;
            let ours = matches!(row.text(2), "downhaul" | "pg_toast");
            let is_known = known.contains(&name(dialect, row.text(2), row.text(3)));
            if count(row)? > 0 && !made_here && !ours && !is_known {
                unknown.push(row.text(0));
            }
        }
        if unknown.is_empty() {
            return Ok(());
        }
        // The rows of a partition or of an inheriting table belong to what it descends from.
        let changed = session
            .rows(&format!(
                "WITH RECURSIVE line AS ( \
                   SELECT o.oid AS relid, o.oid AS ancestor FROM pg_catalog.pg_class o \
                   WHERE o.oid IN ({}) AND o.relkind IN ('r', 'p', 'm') \
                   UNION SELECT l.relid, i.inhparent FROM line l JOIN pg_catalog.pg_inherits i ON i.inhrelid = l.ancestor) \
                 SELECT l.relid, pg_catalog.pg_stat_get_xact_tuples_updated(l.relid) + pg_catalog.pg_stat_get_xact_tuples_deleted(l.relid), \
                   n.nspname, t.relname FROM line l \
                 JOIN pg_catalog.pg_class t ON t.oid = l.ancestor JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace \
                 ORDER BY l.relid, l.ancestor = l.relid DESC",
                unknown.join(", ")
            ))
            .await?;
        let mut lost: Vec<String> = Vec::new();
        let mut rows = changed.iter().peekable();
        while let Some(row) = rows.next() {
            let mut names = vec![name(dialect, row.text(2), row.text(3))];
            while let Some(more) = rows.next_if(|more| more.text(0) == row.text(0)) {
                names.push(name(dialect, more.text(2), more.text(3)));
            }
            if !names.iter().any(|name| known.contains(name)) {
                lost.push(format!("{} rows of {}", count(row)?, names[0]));
            }
        }
        if lost.is_empty() {
            return Ok(());
        }
        Err(SnapshotError::HiddenChange { what: lost.join(", ") })
    }
}

/// A test, for the end of a transaction that means to change and delete no rows: whether it did so all
/// the same, of a table that is not ours. PostgreSQL, in a session of which nothing else is counted.
#[must_use]
pub fn any_row_changed() -> String {
    format!(
        "EXISTS (SELECT FROM ({TOUCHED}) touched WHERE nspname NOT IN ('downhaul', 'pg_toast'))"
    )
}

/// Whether no code of anybody's runs with a statement, as long as no event trigger fires: it cannot
/// change rows behind its text. PostgreSQL.
#[must_use]
pub fn runs_no_code(statement: &Statement) -> bool {
    let Parsed::Changes(changes) = &statement.parsed else { return false };
    changes.iter().all(|change| match change {
        Change::CreateTable { def, .. } => def.as_query.is_none() && def.partitioning.is_none(),
        // What is computed for each row, or checked, may call functions.
        Change::AddColumn { column, .. } => {
            column.default.is_none()
                && column.generated.is_none()
                && column.identity.is_none()
                && column.constraints.is_empty()
                && column.ty.as_ref().is_some_and(|ty| BUILT_IN.contains(&ty.name.as_str()))
        }
        Change::CreateIndex { index, .. } => {
            index.predicate.is_none()
                && index.parts.iter().all(|part| part.expr.is_none() && !part.text.contains(' '))
        }
        Change::CreateView { materialized, no_data, .. } => !materialized || *no_data,
        Change::DropTable { .. }
        | Change::DropColumn { .. }
        | Change::DropIndex { .. }
        | Change::DropView { .. }
        | Change::DropConstraint { .. }
        | Change::DropDefault { .. }
        | Change::DropNotNull { .. }
        | Change::SetNotNull { .. }
        | Change::RenameTable { .. }
        | Change::RenameColumn { .. }
        | Change::RenameConstraint { .. }
        | Change::RenameIndex { .. }
        | Change::RenameView { .. }
        | Change::DropTrigger { .. }
        | Change::DropSequence { .. }
        | Change::Comment { .. } => true,
        _ => false,
    })
}

/// Types of columns that cannot be domains with checks of their own.
const BUILT_IN: [&str; 22] = [
    "bigint",
    "integer",
    "int",
    "smallint",
    "int2",
    "int4",
    "int8",
    "text",
    "varchar",
    "character varying",
    "char",
    "character",
    "boolean",
    "bool",
    "date",
    "timestamp",
    "timestamptz",
    "numeric",
    "uuid",
    "json",
    "jsonb",
    "bytea",
];

fn name(dialect: Dialect, schema: &str, table: &str) -> ObjectName {
    let mut name = ObjectName::bare(downhaul_syntax::Ident::stored(dialect, table));
    name.schema = Some(downhaul_syntax::Ident::stored(dialect, schema));
    name
}

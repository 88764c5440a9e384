//! Changes that no statement's text shows: through functions, procedures, rules, views, triggers.
//!
//! PostgreSQL counts, for each table, the rows that the current transaction changed
//! (`pg_stat_xact_user_tables`, manual §28.2.3). A table with changed or deleted rows of which
//! nothing was kept means a loss that nobody foresaw: the migration is then refused.
//!
//! SQLite has no such count and no routines; only triggers can hide a change there, and
//! [`crate::keep::endangered`] takes every table into care when one may fire.

use std::collections::BTreeMap;

use downhaul_engine::Session;
use downhaul_syntax::{Dialect, ObjectName};

use crate::keep::Endangered;
use crate::store::SnapshotError;

/// Looks for hidden changes from its beginning on.
#[derive(Clone, Debug)]
pub struct Watch {
    /// Tables with a higher number were made by the migration itself.
    newest: Option<i64>,
    /// Changed rows by table at the beginning: what earlier transactions of this session did is
    /// counted too until the server has reported it.
    earlier: BTreeMap<String, i64>,
}

impl Watch {
    /// What [`Self::begin`] must be told: the number of the newest table, asked within the migration's
    /// transaction and before its first statement; `None` where no server counts.
    #[must_use]
    pub fn newest(dialect: Dialect) -> Option<&'static str> {
        (dialect == Dialect::Postgres)
            .then_some("SELECT coalesce(max(oid)::bigint, 0) FROM pg_catalog.pg_class")
    }

    /// Begins, within the migration's transaction and before its first statement. `changed` says
    /// that earlier transactions of this session changed or deleted rows.
    pub async fn begin(
        session: &mut dyn Session,
        newest: Option<i64>,
        changed: bool,
    ) -> Result<Self, SnapshotError> {
        let mut earlier = BTreeMap::new();
        if newest.is_some() && changed {
            let rows = session
                .rows(
                    "SELECT relid, n_tup_upd + n_tup_del FROM pg_catalog.pg_stat_xact_user_tables \
                     WHERE n_tup_upd + n_tup_del > 0",
                )
                .await?;
            for row in rows {
                earlier.insert(row.text(0).to_owned(), row.number(1)?);
            }
        }
        Ok(Self { newest, earlier })
    }

    /// Refuses if rows were changed or deleted of a table of which nothing is kept. Returns whether
    /// rows were changed or deleted at all.
    pub async fn check(
        self,
        session: &mut dyn Session,
        endangered: &[Endangered],
        given_up: &[ObjectName],
    ) -> Result<bool, SnapshotError> {
        let Some(newest) = self.newest else { return Ok(false) };
        let dialect = session.dialect();
        // Whoever changes rows locks the table until the end of the transaction: the counts of those
        // few tables are asked for, not of all that there are.
        let touched = session
            .rows(
                "SELECT relation FROM pg_catalog.pg_locks \
                 WHERE pid = pg_catalog.pg_backend_pid() AND locktype = 'relation' AND mode <> 'AccessShareLock' \
                   AND relation::bigint >= 16384 \
                   AND pg_catalog.pg_stat_get_xact_tuples_updated(relation) + pg_catalog.pg_stat_get_xact_tuples_deleted(relation) > 0 \
                 GROUP BY relation",
            )
            .await?;
        if touched.is_empty() {
            return Ok(false);
        }
        let touched: Vec<&str> = touched.iter().map(|row| row.text(0)).collect();
        // The rows of a partition or of an inheriting table belong to what it descends from.
        let changed = session
            .rows(&format!(
                "WITH RECURSIVE changed AS ( \
                   SELECT o.oid AS relid, pg_catalog.pg_stat_get_xact_tuples_updated(o.oid) \
                     + pg_catalog.pg_stat_get_xact_tuples_deleted(o.oid) AS rows \
                   FROM pg_catalog.pg_class o JOIN pg_catalog.pg_namespace m ON m.oid = o.relnamespace \
                   WHERE o.oid IN ({}) AND o.relkind IN ('r', 'p', 'm') AND m.nspname NOT IN ('downhaul', 'pg_toast')), \
                 line AS ( \
                   SELECT relid, relid AS ancestor FROM changed \
                   UNION SELECT l.relid, i.inhparent FROM line l JOIN pg_catalog.pg_inherits i ON i.inhrelid = l.ancestor) \
                 SELECT c.relid, c.rows, n.nspname, t.relname FROM changed c JOIN line l ON l.relid = c.relid \
                 JOIN pg_catalog.pg_class t ON t.oid = l.ancestor JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace \
                 ORDER BY c.relid, l.ancestor = c.relid DESC",
                touched.join(", ")
            ))
            .await?;
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
        let mut lost: Vec<String> = Vec::new();
        let mut rows = changed.iter().peekable();
        while let Some(row) = rows.next() {
            let mut names = vec![name(dialect, row.text(2), row.text(3))];
            while let Some(more) = rows.next_if(|more| more.text(0) == row.text(0)) {
                names.push(name(dialect, more.text(2), more.text(3)));
            }
            let count = row.number(1)? - self.earlier.get(row.text(0)).copied().unwrap_or(0);
            let made_here = row.number(0)? > newest;
            if count > 0 && !made_here && !names.iter().any(|name| known.contains(name)) {
                lost.push(format!("{count} rows of {}", names[0]));
            }
        }
        if lost.is_empty() {
            return Ok(!changed.is_empty());
        }
        Err(SnapshotError::HiddenChange { what: lost.join(", ") })
    }
}

fn name(dialect: Dialect, schema: &str, table: &str) -> ObjectName {
    let mut name = ObjectName::bare(downhaul_syntax::Ident::stored(dialect, table));
    name.schema = Some(downhaul_syntax::Ident::stored(dialect, schema));
    name
}

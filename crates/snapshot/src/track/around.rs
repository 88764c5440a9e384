//! What is read once where many tables are looked at, so that the time grows with their number alone:
//! whatever asks the server about all tables is asked here, and not once for each of them.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use downhaul_engine::{Row, Session};
use downhaul_syntax::Dialect;

use super::Tracked;
use crate::numbered;
use crate::numbered::cascade::{self, Key};
use crate::store::SnapshotError;

/// A trigger of MariaDB or MySQL.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) name: String,
    pub(crate) body: String,
    /// `BEFORE UPDATE`.
    pub(crate) before_update: bool,
    /// Place among those of its kind.
    pub(crate) order: i64,
}

/// What is known of all tables at once.
#[derive(Debug, Default)]
pub struct Around {
    /// MariaDB and MySQL: foreign keys that do something.
    pub(crate) keys: Vec<Key>,
    /// The same: triggers by their table, in the order in which they fire.
    pub(crate) triggers: BTreeMap<String, Vec<Standing>>,
    /// The table on which the triggers of a tracking stand, by its number; not on PostgreSQL.
    pub(crate) stands_on: BTreeMap<i64, String>,
    /// MariaDB and MySQL: numbers that InnoDB gave to tables, by the names of their files.
    pub(crate) built: BTreeMap<String, i64>,
    /// PostgreSQL and SQLite: fingerprints of what the catalog says of tables, by the number of the
    /// tracking or by the name in lower case. As long as one is the same, so is all that [`super::follow::drift`] looks at.
    pub(crate) forms: BTreeMap<String, String>,
    /// SQLite: foreign keys that do something. To find them it looks into the whole schema, and asks about each
    /// table that has any.
    pub(crate) acting: Vec<ActingKey>,
    /// Rows and bytes by the table's name, as the server estimates; not on PostgreSQL.
    pub(crate) sizes: BTreeMap<String, (i64, i64)>,
}

/// The number of a tracking, from the name of the trigger that it has for inserts.
fn number(trigger: &str) -> Option<i64> {
    let rest = trigger.strip_prefix("downhaul_track_")?.strip_suffix("_i")?;
    // Behind it there may be how often they were made.
    rest.split('_').next()?.parse().ok()
}

impl Around {
    /// Tracking was seen to fit the table, and nothing has changed since.
    pub(crate) fn is_as_seen(&self, tracked: &Tracked) -> bool {
        tracked.seen.is_some() && self.form_of(tracked) == tracked.seen.as_ref()
    }

    /// The fingerprint of a table.
    pub(crate) fn form_of(&self, tracked: &Tracked) -> Option<&String> {
        match tracked.dialect {
            Dialect::Postgres => self.forms.get(&tracked.id.to_string()),
            _ => self.forms.get(&tracked.name.name.as_str().to_ascii_lowercase()),
        }
    }

    /// Reads what it takes to see whether trackings fit their tables ([`super::follow::drift`]).
    pub async fn read(session: &mut dyn Session) -> Result<Self, SnapshotError> {
        let mut around = Self::default();
        match session.dialect() {
            Dialect::Postgres => around.forms = forms_of_postgres(session, "true").await?,
            Dialect::Sqlite => {
                around.acting = acting_keys(session).await?;
                around.forms = forms_of_sqlite(session, &around.acting, "").await?;
                let rows = session
                    .rows("SELECT name, tbl_name FROM sqlite_schema WHERE type = 'trigger' AND name GLOB 'downhaul_track_*_i'")
                    .await?;
                for row in &rows {
                    if let Some(id) = number(row.text(0)) {
                        around.stands_on.insert(id, row.text(1).to_owned());
                    }
                }
            }
            _ => around.read_mysql(session).await?,
        }
        Ok(around)
    }

    async fn read_mysql(&mut self, session: &mut dyn Session) -> Result<(), SnapshotError> {
        self.keys = cascade::keys(session).await?;
        let rows = session
            .rows(
                "SELECT EVENT_OBJECT_TABLE, TRIGGER_NAME, ACTION_STATEMENT, ACTION_TIMING = 'BEFORE' AND EVENT_MANIPULATION = 'UPDATE', ACTION_ORDER \
                 FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()",
            )
            .await?;
        for row in &rows {
            let (table, name) = (row.text(0).to_owned(), row.text(1).to_owned());
            if let Some(id) = number(&name) {
                self.stands_on.insert(id, table.clone());
            }
            self.triggers.entry(table).or_default().push(Standing {
                name,
                body: row.text(2).to_owned(),
                before_update: row.flag(3),
                order: row.number(4)?,
            });
        }
        self.built = numbered::install::all_built(session).await?;
        Ok(())
    }

    /// PostgreSQL: the same of those tables for whose entry `t` a condition holds.
    pub(crate) async fn read_of(
        session: &mut dyn Session,
        condition: &str,
    ) -> Result<Self, SnapshotError> {
        let forms = forms_of_postgres(session, condition).await?;
        Ok(Self { forms, ..Self::default() })
    }

    /// The same, and what it takes to say what tracking would cost ([`super::intend`]).
    pub async fn with_sizes(session: &mut dyn Session) -> Result<Self, SnapshotError> {
        let mut around = Self::read(session).await?;
        if numbered::is(session.dialect()) {
            let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
            for size in session.sizes().await? {
                let name = size.name.name.as_str().to_owned();
                around.sizes.insert(name, (number(size.rows), number(size.bytes)));
            }
        }
        Ok(around)
    }
}

/// PostgreSQL: tables without a partition tree, of which other tables are a part. A foreign key to a table
/// is seen by its triggers there.
async fn forms_of_postgres(
    session: &mut dyn Session,
    which: &str,
) -> Result<BTreeMap<String, String>, SnapshotError> {
    if !super::exists(session).await? {
        return Ok(BTreeMap::new());
    }
    let rows = session
        .rows(&format!(
            "SELECT t.id, md5(concat_ws('|', n.nspname, c.relname, c.relkind, c.relispartition, \
               (SELECT string_agg(concat_ws(',', attnum, attname, pg_catalog.format_type(atttypid, atttypmod), attnotnull, attgenerated), ';' ORDER BY attnum) \
                  FROM pg_catalog.pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped), \
               (SELECT string_agg(concat_ws(',', indexrelid, indkey, indisunique, indisprimary, indisvalid, indisready, indimmediate, indpred, indexprs), ';' ORDER BY indexrelid) \
                  FROM pg_catalog.pg_index WHERE indrelid = c.oid), \
               (SELECT string_agg(concat_ws(',', oid, tgname, tgenabled, tgtype, tgfoid, tgparentid), ';' ORDER BY oid) FROM pg_catalog.pg_trigger WHERE tgrelid = c.oid), \
               (SELECT count(*) FROM pg_catalog.pg_subscription_rel WHERE srrelid = c.oid))) \
             FROM downhaul.tracked t JOIN pg_catalog.pg_class c ON c.oid = t.relation AND c.relkind = 'r' JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhrelid = c.oid) AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhparent = c.oid) AND {which}"
        ))
        .await?;
    Ok(rows.iter().map(|row| (row.text(0).to_owned(), row.text(1).to_owned())).collect())
}

/// A foreign key of SQLite that writes to the table that has it.
#[derive(Debug)]
pub(crate) struct ActingKey {
    pub(crate) child: String,
    pub(crate) parent: String,
    actions: String,
}

/// Every foreign key of SQLite that does something to its rows when those that they refer to go or change.
async fn acting_keys(session: &mut dyn Session) -> Result<Vec<ActingKey>, SnapshotError> {
    let rows = session
        .rows(
            "SELECT s.name, f.\"table\", f.on_update || ' ' || f.on_delete FROM sqlite_schema AS s, pragma_foreign_key_list(s.name) AS f \
             WHERE s.type = 'table' AND s.sql LIKE '%REFERENCES%' AND f.seq = 0 \
             AND NOT (f.on_update IN ('NO ACTION', 'RESTRICT') AND f.on_delete IN ('NO ACTION', 'RESTRICT')) ORDER BY s.rowid, f.id",
        )
        .await?;
    let key = |row: &Row| ActingKey {
        child: row.text(0).to_owned(),
        parent: row.text(1).to_owned(),
        actions: row.text(2).to_owned(),
    };
    Ok(rows.iter().map(key).collect())
}

/// SQLite: all that is known of a table stands in the texts of the table, its indexes and its triggers,
/// and in the foreign keys that refer to it.
async fn forms_of_sqlite(
    session: &mut dyn Session,
    keys: &[ActingKey],
    which: &str,
) -> Result<BTreeMap<String, String>, SnapshotError> {
    let rows = session
        .rows(&format!(
            "SELECT lower(tbl_name), name, sql FROM sqlite_schema WHERE type <> 'view' AND tbl_name NOT LIKE 'downhaul\\_%' ESCAPE '\\'{which} ORDER BY rowid"
        ))
        .await?;
    let mut hashers: BTreeMap<&str, DefaultHasher> = BTreeMap::new();
    for row in &rows {
        let hasher = hashers.entry(row.text(0)).or_default();
        (row.text(1), row.opt(2)).hash(hasher);
    }
    for key in keys {
        if let Some(hasher) = hashers.get_mut(key.parent.to_ascii_lowercase().as_str()) {
            (&key.child, &key.actions).hash(hasher);
        }
    }
    // Whose hashes change with a release of Rust, the next look at the table is a long one.
    let finished =
        hashers.into_iter().map(|(name, h)| (name.to_owned(), format!("{:016x}", h.finish())));
    Ok(finished.collect())
}

/// The fingerprint of one table, which was just seen to fit.
pub(crate) async fn form(
    session: &mut dyn Session,
    around: &Around,
    tracked: &Tracked,
) -> Result<Option<String>, SnapshotError> {
    let d = session.dialect();
    let forms = match d {
        Dialect::Postgres => {
            // By its number in our own list too, which has an index of that alone.
            let which = format!("c.oid = {} AND t.id = {}", tracked.relation, tracked.id);
            forms_of_postgres(session, &which).await?
        }
        Dialect::Sqlite => {
            let name = d.literal(tracked.name.name.as_str());
            let which = format!(" AND tbl_name = {name} COLLATE NOCASE");
            forms_of_sqlite(session, &around.acting, &which).await?
        }
        _ => return Ok(None),
    };
    Ok(forms.into_values().next())
}

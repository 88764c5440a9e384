//! What is read once where many tables are looked at, so that the time grows with their number alone:
//! whatever asks the server about all tables is asked here, and not once for each of them.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use downhaul_engine::{EngineError, Session, TableShape};
use downhaul_syntax::{Dialect, ObjectName};

use super::Tracked;
use super::intend::Intent;
use crate::numbered;
use crate::numbered::cascade::{self, Keys};
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
    pub(crate) keys: Keys,
    /// The same: triggers by their table, in the order in which they fire.
    pub(crate) triggers: BTreeMap<String, Vec<Standing>>,
    /// The same: names of the triggers of each tracking, by its number, whatever they stand on.
    pub(crate) ours: BTreeMap<i64, Vec<String>>,
    /// The table on which the triggers of a tracking stand, by its number; not on PostgreSQL.
    pub(crate) stands_on: BTreeMap<i64, String>,
    /// MariaDB and MySQL: numbers that InnoDB gave to tables, by the names of their files.
    pub(crate) built: BTreeMap<String, i64>,
    /// PostgreSQL and SQLite: fingerprints of what the catalog says of tables, by the number of the
    /// tracking or by the name in lower case. As long as one is the same, so is all that [`super::follow::drift`] looks at.
    pub(crate) forms: BTreeMap<String, String>,
    /// SQLite: foreign keys that do something, by the table that they refer to, in lower case. To find them it
    /// looks into the whole schema, and asks about each table that has any.
    pub(crate) acting: BTreeMap<String, Vec<ActingKey>>,
    /// SQLite: what the forms are made of, before the keys.
    texts: BTreeMap<String, DefaultHasher>,
    /// Numbers of trackings by the name of their table as SQL; not on PostgreSQL.
    pub(crate) named: BTreeMap<String, Vec<i64>>,
    /// Numbers of trackings by the table on which their triggers stand, as [`Self::stands_on`]; on SQLite its
    /// name in lower case.
    stand: BTreeMap<String, Vec<i64>>,
    /// Tables whose shapes were read together, by name, on SQLite in lower case.
    shapes: BTreeMap<String, TableShape>,
    /// SQLite: the number of the schema of which this is known.
    as_of: Option<i64>,
    /// Rows and bytes by the table's name, as the server estimates; not on PostgreSQL.
    pub(crate) sizes: BTreeMap<String, (i64, i64)>,
}

/// The number of a tracking, from the name of the trigger that it has for inserts.
fn number(trigger: &str) -> Option<i64> {
    owner(trigger.strip_suffix("_i")?)
}

/// The number of a tracking, from the name of any of its triggers.
pub(crate) fn owner(trigger: &str) -> Option<i64> {
    // Behind it there may be how often they were made.
    trigger.strip_prefix("downhaul_track_")?.split('_').next()?.parse().ok()
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
                around.as_of = Some(schema_number(session).await?);
                around.acting = acting_keys(session).await?;
                around.texts = texts_of_sqlite(session, "").await?;
                around.forms = forms_of_sqlite(&around.texts, &around.acting);
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
        let d = session.dialect();
        if numbered::is(d) && numbered::exists(session).await? {
            for row in
                &session.rows("SELECT table_name, id FROM downhaul_tracked ORDER BY id").await?
            {
                around.named.entry(row.text(0).to_owned()).or_default().push(row.number(1)?);
            }
        }
        for (id, table) in &around.stands_on {
            around.stand.entry(as_key(d, table)).or_default().push(*id);
        }
        Ok(around)
    }

    /// The same, and the shapes of tables of which more is to be asked, where they are many.
    pub(crate) async fn of(
        session: &mut dyn Session,
        tables: &[Tracked],
    ) -> Result<Self, SnapshotError> {
        let mut around = Self::read(session).await?;
        around.look_at(session, tables).await?;
        Ok(around)
    }

    /// Reads the shapes of tables whose trackings are not known to fit.
    pub async fn look_at(
        &mut self,
        session: &mut dyn Session,
        tables: &[Tracked],
    ) -> Result<(), SnapshotError> {
        let d = session.dialect();
        let open = tables.iter().filter(|t| t.relation != 0 && !self.is_as_seen(t));
        let names: Vec<ObjectName> = open
            .map(|t| {
                let stands_on = numbered::install::name_of(self, t.id, d);
                stands_on.unwrap_or_else(|| t.name.clone())
            })
            .collect();
        self.read_shapes(session, &names).await
    }

    /// Reads shapes of many tables; of few nothing is read.
    pub async fn read_shapes(
        &mut self,
        session: &mut dyn Session,
        names: &[ObjectName],
    ) -> Result<(), SnapshotError> {
        if names.len() < MANY || !numbered::is(session.dialect()) {
            return Ok(());
        }
        for shape in session.table_forms(names).await?.into_iter().flatten() {
            self.shapes.insert(as_key(session.dialect(), shape.name.name.as_str()), shape);
        }
        Ok(())
    }

    /// A table as it is, its key being one that tells rows apart for good.
    pub(crate) async fn lasting_shape(
        &self,
        session: &mut dyn Session,
        name: &ObjectName,
    ) -> Result<Option<TableShape>, EngineError> {
        let known = self.shapes.get(&as_key(session.dialect(), name.name.as_str()));
        match known.filter(|shape| shape.name.schema == name.schema) {
            Some(shape) => Ok(Some(shape.clone().with_lasting_key())),
            None => numbered::install::lasting_shape(session, name).await,
        }
    }

    /// Whether the shape of a table was read with those of others.
    pub(crate) fn has_shape(&self, d: Dialect, name: &ObjectName) -> bool {
        name.schema.is_none() && self.shapes.contains_key(&as_key(d, name.name.as_str()))
    }

    /// Numbers of the trackings whose triggers stand on a table.
    pub(crate) fn standing_on(&self, d: Dialect, table: &str) -> &[i64] {
        self.stand.get(&as_key(d, table)).map_or(&[], Vec::as_slice)
    }

    /// SQLite: reads all again if the schema has changed since. Within a transaction, so that it stays so.
    pub async fn refresh(&mut self, session: &mut dyn Session) -> Result<(), SnapshotError> {
        if session.dialect() != Dialect::Sqlite || self.as_of == Some(schema_number(session).await?)
        {
            return Ok(());
        }
        let shapes = std::mem::take(&mut self.shapes);
        let names: Vec<ObjectName> = shapes.into_values().map(|shape| shape.name).collect();
        *self = Self::read(session).await?;
        self.read_shapes(session, &names).await
    }

    /// Reads the shapes of tables that are to be tracked.
    pub async fn read_shapes_of(
        &mut self,
        session: &mut dyn Session,
        intents: &[Intent],
    ) -> Result<(), SnapshotError> {
        let names: Vec<ObjectName> = intents.iter().map(|i| i.shape.name.clone()).collect();
        self.read_shapes(session, &names).await
    }

    /// SQLite: the number that the schema has now.
    pub async fn number(&self, session: &mut dyn Session) -> Result<Option<i64>, SnapshotError> {
        Ok(match session.dialect() {
            Dialect::Sqlite => Some(schema_number(session).await?),
            _ => None,
        })
    }

    /// Takes note of tables that are tracked from now on. `as_of`: the number that the schema then had.
    pub fn note(&mut self, tables: &[Tracked], as_of: Option<i64>) {
        for tracked in tables {
            let (d, table) = (tracked.dialect, tracked.name.name.as_str());
            if !numbered::is(d) {
                continue;
            }
            self.named.entry(d.quote_name(&tracked.name)).or_default().push(tracked.id);
            self.stands_on.insert(tracked.id, table.to_owned());
            self.stand.entry(as_key(d, table)).or_default().push(tracked.id);
        }
        self.as_of = as_of;
    }

    /// SQLite: the fingerprint of a table on which these triggers were just made.
    pub(crate) fn form_with(
        &self,
        tracked: &Tracked,
        triggers: &[(String, String)],
    ) -> Option<String> {
        let name = tracked.name.name.as_str().to_ascii_lowercase();
        let mut hasher = self.texts.get(&name)?.clone();
        for (name, sql) in triggers {
            (name.as_str(), Some(sql.as_str())).hash(&mut hasher);
        }
        let texts = BTreeMap::from([(name, hasher)]);
        forms_of_sqlite(&texts, &self.acting).into_values().next()
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
            if let Some(id) = owner(&name) {
                self.ours.entry(id).or_default().push(name.clone());
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

/// So many tables are looked at together.
const MANY: usize = 8;

/// The name of a table by which it is found.
fn as_key(d: Dialect, table: &str) -> String {
    if d == Dialect::Sqlite { table.to_ascii_lowercase() } else { table.to_owned() }
}

/// SQLite: a number that changes with every change of the schema.
async fn schema_number(session: &mut dyn Session) -> Result<i64, EngineError> {
    session.number("PRAGMA main.schema_version").await
}

/// A foreign key of SQLite that writes to the table that has it.
#[derive(Debug)]
pub(crate) struct ActingKey {
    pub(crate) child: String,
    actions: String,
}

/// Every foreign key of SQLite that does something to its rows when those that they refer to go or change.
async fn acting_keys(
    session: &mut dyn Session,
) -> Result<BTreeMap<String, Vec<ActingKey>>, SnapshotError> {
    let rows = session
        .rows(
            "SELECT s.name, f.\"table\", f.on_update || ' ' || f.on_delete FROM sqlite_schema AS s, pragma_foreign_key_list(s.name) AS f \
             WHERE s.type = 'table' AND s.sql LIKE '%REFERENCES%' AND f.seq = 0 \
             AND NOT (f.on_update IN ('NO ACTION', 'RESTRICT') AND f.on_delete IN ('NO ACTION', 'RESTRICT')) ORDER BY s.rowid, f.id",
        )
        .await?;
    let mut found: BTreeMap<String, Vec<ActingKey>> = BTreeMap::new();
    for row in &rows {
        let key = ActingKey { child: row.text(0).to_owned(), actions: row.text(2).to_owned() };
        found.entry(row.text(1).to_ascii_lowercase()).or_default().push(key);
    }
    Ok(found)
}

/// SQLite: all that is known of a table stands in the texts of the table, its indexes and its triggers,
/// and in the foreign keys that refer to it.
async fn texts_of_sqlite(
    session: &mut dyn Session,
    which: &str,
) -> Result<BTreeMap<String, DefaultHasher>, SnapshotError> {
    let rows = session
        .rows(&format!(
            "SELECT lower(tbl_name), name, sql FROM sqlite_schema WHERE type <> 'view' AND tbl_name NOT LIKE 'downhaul\\_%' ESCAPE '\\'{which} ORDER BY rowid"
        ))
        .await?;
    let mut hashers: BTreeMap<String, DefaultHasher> = BTreeMap::new();
    for row in &rows {
        let hasher = match hashers.get_mut(row.text(0)) {
            Some(hasher) => hasher,
            None => hashers.entry(row.text(0).to_owned()).or_default(),
        };
        (row.text(1), row.opt(2)).hash(hasher);
    }
    Ok(hashers)
}

fn forms_of_sqlite(
    texts: &BTreeMap<String, DefaultHasher>,
    keys: &BTreeMap<String, Vec<ActingKey>>,
) -> BTreeMap<String, String> {
    let form = |(name, hasher): (&String, &DefaultHasher)| {
        let mut hasher = hasher.clone();
        for key in keys.get(name).into_iter().flatten() {
            (&key.child, &key.actions).hash(&mut hasher);
        }
        // Whose hashes change with a release of Rust, the next look at the table is a long one.
        (name.clone(), format!("{:016x}", hasher.finish()))
    };
    texts.iter().map(form).collect()
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
            forms_of_sqlite(&texts_of_sqlite(session, &which).await?, &around.acting)
        }
        _ => return Ok(None),
    };
    Ok(forms.into_values().next())
}

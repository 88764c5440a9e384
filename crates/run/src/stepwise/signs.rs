//! By what the catalog tells that a statement took effect, where its objects were not looked at right
//! before it: what was not there is, or what was is no longer.

use std::collections::BTreeSet;

use downhaul_engine::{EngineError, Session};
use downhaul_syntax::{Change, ObjectName};
use serde::{Deserialize, Serialize};

/// What the journal writes before signs in the place of how objects look.
const PREFIX: &str = "signs ";

/// A thing of the current database: what is there once a statement took effect, or no longer is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Thing {
    /// A table or a view.
    Table(String),
    Column(String, String),
    Index(String, String),
}

impl Thing {
    /// The same, whatever the case of its letters: names that differ by it alone are taken for one.
    fn folded(&self) -> Self {
        match self {
            Self::Table(table) => Self::Table(table.to_lowercase()),
            Self::Column(table, name) => Self::Column(table.to_lowercase(), name.to_lowercase()),
            Self::Index(table, name) => Self::Index(table.to_lowercase(), name.to_lowercase()),
        }
    }

    pub(super) fn table(&self) -> &str {
        match self {
            Self::Table(table) | Self::Column(table, _) | Self::Index(table, _) => table,
        }
    }
}

/// A thing, and whether it is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sign {
    pub(super) thing: Thing,
    pub(super) there: bool,
}

/// The name of a thing of the current database.
pub(super) fn bare(name: &ObjectName) -> Option<String> {
    name.schema.is_none().then(|| name.name.as_str().to_owned())
}

/// The signs of a change, if there are any that tell for sure.
pub(super) fn of(change: &Change) -> Option<Sign> {
    let there = |thing| Some(Sign { thing, there: true });
    let gone = |thing| Some(Sign { thing, there: false });
    match change {
        Change::CreateTable { def, if_not_exists: false }
            if def.as_query.is_none() && def.like.is_empty() && !def.temporary =>
        {
            there(Thing::Table(bare(&def.name)?))
        }
        Change::CreateView {
            name,
            or_replace: false,
            if_not_exists: false,
            temporary: false,
            ..
        } => there(Thing::Table(bare(name)?)),
        Change::AddColumn { table, column, if_not_exists: false, .. } => {
            there(Thing::Column(bare(table)?, column.name.as_str().to_owned()))
        }
        Change::CreateIndex { index, if_not_exists: false, .. } => {
            let name = index.name.as_ref()?.name.as_str().to_owned();
            there(Thing::Index(bare(&index.table)?, name))
        }
        Change::DropTable { name, if_exists: false, .. }
        | Change::DropView { name, if_exists: false, .. } => gone(Thing::Table(bare(name)?)),
        Change::DropColumn { table, column, if_exists: false, .. } => {
            gone(Thing::Column(bare(table)?, column.as_str().to_owned()))
        }
        Change::DropIndex { name, table: Some(table), if_exists: false, .. } => {
            gone(Thing::Index(bare(table)?, name.name.as_str().to_owned()))
        }
        _ => None,
    }
}

/// What is known to be there, of the tables that were asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Known(BTreeSet<Thing>);

impl Known {
    pub(super) fn add(&mut self, thing: &Thing) {
        self.0.insert(thing.folded());
    }

    pub(super) fn has(&self, thing: &Thing) -> bool {
        self.0.contains(&thing.folded())
    }

    /// What a change leaves, if until then none of its signs is to be seen: otherwise nothing would tell
    /// whether it took effect.
    pub(super) fn follow(&mut self, change: &Change) -> Option<()> {
        let sign = of(change)?;
        let table = sign.thing.table().to_owned();
        let itself = matches!(sign.thing, Thing::Table(_));
        if self.has(&sign.thing) == sign.there || !itself && !self.has(&Thing::Table(table.clone()))
        {
            return None;
        }
        if !sign.there {
            self.0.remove(&sign.thing.folded());
            if itself {
                let folded = table.to_lowercase();
                self.0.retain(|thing| thing.table() != folded);
            }
            return Some(());
        }
        self.add(&sign.thing);
        if let Change::CreateTable { def, .. } = change {
            for column in &def.columns {
                let name = column.name.as_str().to_owned();
                self.add(&Thing::Column(table.clone(), name.clone()));
                // The index of a UNIQUE column has its name.
                self.add(&Thing::Index(table.clone(), name));
            }
            let indexes = def.indexes.iter().filter_map(|i| Some(i.name.as_ref()?.name.as_str()));
            let keys = def.constraints.iter().filter_map(|c| Some(c.name.as_ref()?.as_str()));
            for name in indexes.chain(keys) {
                self.add(&Thing::Index(table.clone(), name.to_owned()));
            }
        }
        Some(())
    }
}

/// What the journal notes of a statement's signs.
pub(super) fn probe(signs: &[Sign]) -> Result<String, EngineError> {
    let text = serde_json::to_string(signs);
    let text = text.map_err(|error| EngineError::Protocol(error.to_string()))?;
    Ok(format!("{PREFIX}{text}"))
}

/// Whether this is what [`probe`] wrote.
pub(super) fn are_signs(probe: &str) -> bool {
    probe.starts_with(PREFIX)
}

/// Whether a statement took effect, by its signs; `None` where something else was noted.
pub(super) async fn took_effect(
    session: &mut dyn Session,
    probe: &str,
) -> Result<Option<bool>, EngineError> {
    let Some(text) = probe.strip_prefix(PREFIX) else { return Ok(None) };
    let signs: Vec<Sign> = serde_json::from_str(text)
        .map_err(|error| EngineError::Protocol(format!("signs of a statement: {error}")))?;
    let d = session.dialect();
    for sign in &signs {
        let (of, more) = match &sign.thing {
            Thing::Table(_) => ("TABLES", String::new()),
            Thing::Column(_, name) => {
                ("COLUMNS", format!(" AND COLUMN_NAME = {}", d.literal(name)))
            }
            Thing::Index(_, name) => {
                ("STATISTICS", format!(" AND INDEX_NAME = {}", d.literal(name)))
            }
        };
        let found = session
            .number(&format!(
                "SELECT count(*) FROM information_schema.{of} WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = {}{more}",
                d.literal(sign.thing.table())
            ))
            .await?;
        if (found > 0) != sign.there {
            return Ok(Some(false));
        }
    }
    Ok(Some(true))
}

#[cfg(test)]
mod tests {
    use downhaul_syntax::{Dialect, parse_script};

    use super::*;

    fn followed(known: &[Thing], sql: &str) -> bool {
        let mut state = Known::default();
        known.iter().for_each(|thing| state.add(thing));
        let script = parse_script(sql, Dialect::MariaDb);
        script.statements.iter().flat_map(|s| s.changes()).all(|c| state.follow(c).is_some())
    }

    #[test]
    fn signs_are_not_there_before() {
        let t = [Thing::Table("t".into()), Thing::Column("t".into(), "a".into())];
        for (known, sql, fits) in [
            (
                &[][..],
                "CREATE TABLE T (a int); ALTER TABLE t ADD COLUMN b int; DROP TABLE t; CREATE TABLE t (b int);",
                true,
            ),
            (&[], "CREATE TABLE t (a int UNIQUE); CREATE INDEX A ON t (a);", false),
            (&[], "CREATE TABLE t (a int, KEY k (a)); DROP INDEX k ON t;", true),
            (&[], "ALTER TABLE t ADD COLUMN b int;", false),
            (&[], "CREATE TABLE IF NOT EXISTS t (a int);", false),
            (&[], "CREATE OR REPLACE VIEW v AS SELECT 1;", false),
            (&[], "CREATE TABLE other.t (a int);", false),
            (&t, "CREATE TABLE t (a int);", false),
            (&t, "ALTER TABLE t ADD COLUMN A int;", false),
            (&t, "ALTER TABLE t DROP COLUMN a; ALTER TABLE t ADD COLUMN a text;", true),
            (&t, "ALTER TABLE t MODIFY COLUMN a text;", false),
            (&t, "DROP VIEW t; CREATE VIEW t AS SELECT 1;", true),
            (&t, "DROP TABLE IF EXISTS t;", false),
        ] {
            assert_eq!(followed(known, sql), fits, "{sql}");
        }
    }
}

//! What foreign keys do to tracked tables on MariaDB and MySQL, where it fires no trigger there.
//!
//! So triggers on the referenced tables write it down before it happens: what each row was that will
//! go or change along, through any chain of keys. Such an event tells what is true at that moment, so
//! one of a change that does not come to pass after all does no harm, and neither does one twice.

use std::collections::{BTreeMap, BTreeSet};

use downhaul_engine::Session;
use downhaul_syntax::{Dialect, Ident};

use super::history;
use super::mysql::trigger_name;
use crate::store::SnapshotError;
use crate::track::{Event, Tracked};

const D: Dialect = Dialect::MariaDb;

/// So many keys are followed one after the other; the server refuses what would lead further.
const DEEPEST: usize = 15;

/// So many ways of rows to change along with others are written into triggers.
const MOST_RECORDED: usize = 60;

/// What a foreign key does to its row when the other one goes, or changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// Nothing, or it forbids that.
    None,
    Cascade,
    SetNull,
}

impl Rule {
    fn parse(text: &str) -> Self {
        match text {
            "CASCADE" => Self::Cascade,
            "SET NULL" => Self::SetNull,
            _ => Self::None,
        }
    }
}

/// A foreign key that does something.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    name: String,
    child: String,
    parent: String,
    /// The parent is in another database.
    elsewhere: bool,
    /// Columns of the child, and those of the parent.
    columns: Vec<(Ident, Ident)>,
    delete: Rule,
    update: Rule,
}

/// A trigger on a table to which tracked rows refer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Recording {
    /// Name.
    pub(super) name: String,
    /// The table on which it stands.
    pub(super) table: String,
    /// `BEFORE DELETE` or `BEFORE UPDATE`.
    pub(super) when: &'static str,
    /// Body.
    pub(super) body: String,
}

/// Foreign keys that do something, by their tables.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    all: Vec<Key>,
    of_child: BTreeMap<String, Vec<usize>>,
    of_parent: BTreeMap<String, Vec<usize>>,
}

impl Keys {
    fn new(all: Vec<Key>) -> Self {
        let (mut of_child, mut of_parent) = (BTreeMap::new(), BTreeMap::new());
        for (at, key) in all.iter().enumerate() {
            of_child.entry(key.child.clone()).or_insert_with(Vec::new).push(at);
            of_parent.entry(key.parent.clone()).or_insert_with(Vec::new).push(at);
        }
        Self { all, of_child, of_parent }
    }

    /// Those that a table has.
    fn from(&self, child: &str) -> impl Iterator<Item = &Key> {
        self.of_child.get(child).into_iter().flatten().map(|at| &self.all[*at])
    }

    /// Those that refer to a table.
    fn to(&self, parent: &str) -> impl Iterator<Item = &Key> {
        self.of_parent.get(parent).into_iter().flatten().map(|at| &self.all[*at])
    }
}

/// All foreign keys of this database that do something.
pub(crate) async fn keys(session: &mut dyn Session) -> Result<Keys, SnapshotError> {
    let rows = session
        .rows(
            "SELECT k.CONSTRAINT_NAME, k.TABLE_NAME, k.REFERENCED_TABLE_NAME, k.REFERENCED_TABLE_SCHEMA <> DATABASE(), r.DELETE_RULE, r.UPDATE_RULE, \
               k.COLUMN_NAME, k.REFERENCED_COLUMN_NAME \
             FROM information_schema.KEY_COLUMN_USAGE k JOIN information_schema.REFERENTIAL_CONSTRAINTS r \
               ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME AND r.TABLE_NAME = k.TABLE_NAME \
             WHERE k.TABLE_SCHEMA = DATABASE() AND r.CONSTRAINT_SCHEMA = DATABASE() AND k.REFERENCED_TABLE_NAME IS NOT NULL \
               AND (r.DELETE_RULE IN ('CASCADE', 'SET NULL') OR r.UPDATE_RULE IN ('CASCADE', 'SET NULL')) \
             ORDER BY k.TABLE_NAME, k.CONSTRAINT_NAME, k.ORDINAL_POSITION",
        )
        .await?;
    let mut found: Vec<Key> = Vec::new();
    for row in &rows {
        let (name, child) = (row.text(0), row.text(1));
        if found.last().is_none_or(|key| key.name != name || key.child != child) {
            found.push(Key {
                name: name.to_owned(),
                child: child.to_owned(),
                parent: row.text(2).to_owned(),
                elsewhere: row.flag(3),
                columns: Vec::new(),
                delete: Rule::parse(row.text(4)),
                update: Rule::parse(row.text(5)),
            });
        }
        if let Some(key) = found.last_mut() {
            key.columns.push((Ident::stored(D, row.text(6)), Ident::stored(D, row.text(7))));
        }
    }
    Ok(Keys::new(found))
}

/// What becomes of a row.
#[derive(Clone, Debug)]
enum Effect {
    Gone,
    /// These columns get these values, as expressions.
    Changed(Vec<(Ident, String)>),
}

impl Effect {
    fn kind(&self) -> String {
        match self {
            Self::Gone => "gone".to_owned(),
            Self::Changed(columns) => {
                columns.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(",")
            }
        }
    }

    /// What a key makes of it for the rows that refer to this one, which goes by an alias.
    fn through(&self, key: &Key, alias: &str) -> Option<Self> {
        let null = || {
            Self::Changed(key.columns.iter().map(|(own, _)| (own.clone(), "NULL".into())).collect())
        };
        match self {
            Self::Gone => match key.delete {
                Rule::None => None,
                Rule::Cascade => Some(Self::Gone),
                Rule::SetNull => Some(null()),
            },
            Self::Changed(columns) => {
                let new = |name: &Ident| columns.iter().find(|(c, _)| c == name).map(|(_, v)| v);
                if key.columns.iter().all(|(_, other)| new(other).is_none()) {
                    return None;
                }
                match key.update {
                    Rule::None => None,
                    Rule::SetNull => Some(null()),
                    Rule::Cascade => Some(Self::Changed(
                        key.columns
                            .iter()
                            .map(|(own, other)| {
                                let value = new(other)
                                    .cloned()
                                    .unwrap_or_else(|| format!("{alias}.{}", D.quote(other)));
                                (own.clone(), value)
                            })
                            .collect(),
                    )),
                }
            }
        }
    }
}

/// The triggers by which a tracked table learns what becomes of its rows, or why that cannot be.
pub(super) fn recordings(tracked: &Tracked, keys: &Keys) -> Result<Vec<Recording>, String> {
    let table = tracked.name.name.as_str();
    // Tables from which something may come, by any number of keys.
    let mut roots: BTreeSet<&str> = BTreeSet::new();
    let mut pending = vec![table];
    while let Some(child) = pending.pop() {
        for key in keys.from(child) {
            if roots.insert(&key.parent) && !key.elsewhere {
                pending.push(&key.parent);
            }
        }
    }
    let mut found = Vec::new();
    for root in roots {
        let elsewhere = keys.to(root).any(|key| key.elsewhere);
        for deletes in [true, false] {
            let mut statements = Vec::new();
            let effect = if deletes {
                Effect::Gone
            } else {
                let mut columns: Vec<Ident> = keys
                    .to(root)
                    .flat_map(|key| key.columns.iter().map(|(_, other)| other.clone()))
                    .collect();
                columns.sort();
                columns.dedup();
                let new = |name: Ident| {
                    let value = format!("NEW.{}", D.quote(&name));
                    (name, value)
                };
                Effect::Changed(columns.into_iter().map(new).collect())
            };
            let mut path = Path { tracked, keys, steps: Vec::new(), seen: Vec::new(), recorded: 0 };
            path.walk(root, &effect, &mut statements)?;
            if statements.is_empty() {
                continue;
            }
            if elsewhere {
                return Err(format!(
                    "its rows change with those of {root}, which is in another database"
                ));
            }
            if !tracked.has_key() {
                return Err(format!(
                    "its rows change with those of {root}, and it has no key by which to tell them apart"
                ));
            }
            found.push(Recording {
                name: trigger_name(tracked, &format!("c{}", found.len() + 1)),
                table: root.to_owned(),
                when: if deletes { "BEFORE DELETE" } else { "BEFORE UPDATE" },
                body: format!("BEGIN {} END", statements.concat()),
            });
        }
    }
    Ok(found)
}

/// From a row that goes or changes, over keys, to rows of the tracked table.
struct Path<'a> {
    tracked: &'a Tracked,
    keys: &'a Keys,
    steps: Vec<&'a Key>,
    seen: Vec<(String, String)>,
    /// How often the tracked table was reached.
    recorded: usize,
}

impl Path<'_> {
    fn walk(
        &mut self,
        table: &str,
        effect: &Effect,
        statements: &mut Vec<String>,
    ) -> Result<(), String> {
        let here = (table.to_owned(), effect.kind());
        let again = self.seen.contains(&here);
        if again && !matches!(effect, Effect::Gone) || self.recorded > MOST_RECORDED {
            return Err(format!(
                "foreign keys lead from {table} back to {table}, so that one change goes on through any number of its rows, which fires no trigger on this server: its history would lie"
            ));
        }
        if !self.steps.is_empty() && table == self.tracked.name.name.as_str() {
            self.recorded += 1;
            self.record(effect, statements);
        }
        if self.steps.len() >= DEEPEST {
            // The server refuses to go on.
            return Ok(());
        }
        self.seen.push(here);
        let mut further = Vec::new();
        self.walk_on(table, effect, &mut further)?;
        self.seen.pop();
        if again && !further.is_empty() {
            // Most rows are at the end of such a chain: the rest is looked for only behind those that
            // are not.
            let (from, test) = self.rows(effect);
            statements.push(format!(
                "IF EXISTS (SELECT 1 FROM {from} WHERE {test} LOCK IN SHARE MODE) THEN {}END IF; ",
                further.concat()
            ));
        } else {
            statements.extend(further);
        }
        Ok(())
    }

    /// The same for the rows that refer to that one.
    fn walk_on(
        &mut self,
        table: &str,
        effect: &Effect,
        statements: &mut Vec<String>,
    ) -> Result<(), String> {
        let keys = self.keys;
        for key in keys.to(table) {
            let alias = if self.steps.is_empty() {
                "OLD".to_owned()
            } else {
                format!("t{}", self.steps.len())
            };
            let Some(next) = effect.through(key, &alias) else { continue };
            if !leads_to(keys, &key.child, self.tracked.name.name.as_str()) {
                continue;
            }
            self.steps.push(key);
            self.walk(&key.child, &next, statements)?;
            self.steps.pop();
        }
        Ok(())
    }

    /// The tables of the path, and the condition of its rows.
    fn rows(&self, effect: &Effect) -> (String, String) {
        let on = |at: usize| -> String {
            let parent = if at == 0 { "OLD".to_owned() } else { format!("t{at}") };
            let key = self.steps[at];
            let tests: Vec<String> = key
                .columns
                .iter()
                .map(|(own, other)| {
                    format!("t{}.{} = {parent}.{}", at + 1, D.quote(own), D.quote(other))
                })
                .collect();
            tests.join(" AND ")
        };
        let name = |table: &str| D.quote(&Ident::stored(D, table));
        let mut from = format!("{} AS t1", name(&self.steps[0].child));
        for at in 1..self.steps.len() {
            from.push_str(&format!(
                " JOIN {} AS t{} ON {}",
                name(&self.steps[at].child),
                at + 1,
                on(at)
            ));
        }
        // An UPDATE that leaves the columns as they are does nothing to others.
        let mut test = on(0);
        if let Some(first) = self.steps.first()
            && matches!(effect, Effect::Changed(_))
            && self.seen.first().is_some_and(|(_, kind)| kind != "gone")
        {
            let same: Vec<String> = first
                .columns
                .iter()
                .map(|(_, other)| {
                    let name = D.quote(other);
                    if self.tracked.dialect == Dialect::Mysql {
                        // The operator BINARY goes from MySQL.
                        format!("CAST(OLD.{name} AS BINARY) <=> CAST(NEW.{name} AS BINARY)")
                    } else {
                        format!("BINARY OLD.{name} <=> BINARY NEW.{name}")
                    }
                })
                .collect();
            test.push_str(&format!(" AND NOT ({})", same.join(" AND ")));
        }
        (from, test)
    }

    /// The statements that write down the rows at the end of the path.
    fn record(&self, effect: &Effect, statements: &mut Vec<String>) {
        let version = self.tracked.current();
        let log = history(D, self.tracked.id, version.number);
        let last = format!("t{}", self.steps.len());
        let (from, test) = self.rows(effect);
        // Read as they are now, whatever the isolation.
        let tail = format!("FROM {from} WHERE {test} LOCK IN SHARE MODE;");
        let event = if matches!(effect, Effect::Gone) { Event::Deleted } else { Event::Updated };
        let columns: Vec<String> = version.columns.iter().map(|c| D.quote(&c.name)).collect();
        let values: Vec<String> = columns.iter().map(|c| format!("{last}.{c}")).collect();
        statements.push(format!(
            "INSERT INTO {log} (downhaul_op, {}) SELECT '{}', {} {tail} ",
            columns.join(", "),
            event.letter(),
            values.join(", ")
        ));
        let Effect::Changed(changed) = effect else { return };
        if !changed.iter().any(|(name, _)| version.key.contains(name)) {
            return;
        }
        // The row gets another key: there was none of that before.
        let keys: Vec<String> = version.key.iter().map(|k| D.quote(k)).collect();
        let values: Vec<String> = version
            .key
            .iter()
            .map(|k| {
                changed
                    .iter()
                    .find(|(name, _)| name == k)
                    .map_or_else(|| format!("{last}.{}", D.quote(k)), |(_, value)| value.clone())
            })
            .collect();
        statements.push(format!(
            "INSERT INTO {log} (downhaul_op, {}) SELECT '{}', {} {tail} ",
            keys.join(", "),
            Event::KeyBorn.letter(),
            values.join(", ")
        ));
    }
}

/// The tables from which something may come to the rows of a table, by any number of keys: their names in
/// lower case.
pub(super) fn ancestors(table: &str, keys: &Keys) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut pending = vec![table];
    while let Some(child) = pending.pop() {
        for key in keys.from(child) {
            if found.insert(key.parent.to_lowercase()) {
                pending.push(&key.parent);
            }
        }
    }
    found
}

/// Whether keys lead from a table to another one, or it is that one.
fn leads_to(keys: &Keys, from: &str, to: &str) -> bool {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut pending = vec![from];
    while let Some(table) = pending.pop() {
        if table == to {
            return true;
        }
        if seen.insert(table) {
            pending.extend(keys.to(table).map(|key| key.child.as_str()));
        }
    }
    false
}

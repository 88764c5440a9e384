//! Snapshots of whole SQLite files: which there are, and single tables out of them.
//!
//! The file is made and put back by the runner. A table comes back by the same merge as one that is
//! tracked: what was at a moment is read from the attached file instead of from a history.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use downhaul_engine::Session;
use downhaul_syntax::{Dialect, ObjectName};

use crate::history::Past;
use crate::mark::Mark;
use crate::numbered::{self, sqlite};
use crate::restore_to::plan::Request;
use crate::store::SnapshotError;
use crate::track::{Tracked, TrackedColumn, Version};

const D: Dialect = Dialect::Sqlite;

/// The list lies in the database, and so in each of its snapshots.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS downhaul_file (name TEXT NOT NULL PRIMARY KEY, path TEXT NOT NULL, at TEXT NOT NULL, \
     who TEXT NOT NULL, bytes INTEGER NOT NULL, tables TEXT NOT NULL)";

/// A snapshot of a whole file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WholeFile {
    /// Name, as of a mark.
    pub name: String,
    /// Where it is: beside the database where this has no folder.
    pub path: PathBuf,
    /// When it was made, UTC.
    pub at: String,
    /// By whom.
    pub who: String,
    /// Its size.
    pub bytes: i64,
    /// The user's tables, with their rows.
    pub tables: BTreeMap<String, i64>,
}

impl WholeFile {
    /// Where the file is, given where the database is.
    #[must_use]
    pub fn located(&self, database: &Path) -> PathBuf {
        database.parent().unwrap_or(Path::new("")).join(&self.path)
    }
}

/// Which tables come from which files instead of from history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The file to which one returns.
    pub target: PathBuf,
    /// The file of the moment up to which work is undone.
    pub until: Option<PathBuf>,
}

/// All snapshots of the whole file, oldest first.
pub async fn all(session: &mut dyn Session) -> Result<Vec<WholeFile>, SnapshotError> {
    let there =
        "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'downhaul_file'";
    if session.dialect() != D || session.number(there).await? == 0 {
        return Ok(Vec::new());
    }
    let rows = session
        .rows("SELECT name, path, at, who, bytes, tables FROM downhaul_file ORDER BY at, name")
        .await?;
    rows.iter()
        .map(|row| {
            Ok(WholeFile {
                name: row.text(0).to_owned(),
                path: PathBuf::from(row.text(1)),
                at: row.text(2).to_owned(),
                who: row.text(3).to_owned(),
                bytes: row.number(4)?,
                tables: serde_json::from_str(row.text(5))
                    .map_err(|error| SnapshotError::WholeFile(error.to_string()))?,
            })
        })
        .collect()
}

/// The one of this name.
pub async fn named(
    session: &mut dyn Session,
    name: &str,
) -> Result<Option<WholeFile>, SnapshotError> {
    Ok(all(session).await?.into_iter().find(|file| file.name == name))
}

/// Takes one down. Within a transaction.
pub async fn add(session: &mut dyn Session, file: &WholeFile) -> Result<(), SnapshotError> {
    session.execute(TABLE).await?;
    let tables = serde_json::to_string(&file.tables)
        .map_err(|error| SnapshotError::WholeFile(error.to_string()))?;
    let path = file.path.to_string_lossy();
    let texts = [&file.name, path.as_ref(), &file.at, &file.who].map(|text| D.literal(text));
    session
        .execute(&format!(
            "INSERT OR REPLACE INTO downhaul_file (name, path, at, who, bytes, tables) VALUES ({}, {}, {})",
            texts.join(", "),
            file.bytes,
            D.literal(&tables)
        ))
        .await?;
    Ok(())
}

/// Takes one off the list. Returns whether it was there.
pub async fn forget(session: &mut dyn Session, name: &str) -> Result<bool, SnapshotError> {
    if named(session, name).await?.is_none() {
        return Ok(false);
    }
    session.execute(&format!("DELETE FROM downhaul_file WHERE name = {}", D.literal(name))).await?;
    Ok(true)
}

/// Replaces the list: a file that takes the database's place has an older one.
pub async fn take_over(
    session: &mut dyn Session,
    files: &[WholeFile],
) -> Result<(), SnapshotError> {
    session.execute(TABLE).await?;
    session.execute("DELETE FROM downhaul_file").await?;
    for file in files {
        add(session, file).await?;
    }
    Ok(())
}

/// The user's tables, with their rows. Virtual ones count with the tables behind them.
pub async fn tables(session: &mut dyn Session) -> Result<BTreeMap<String, i64>, SnapshotError> {
    let names = session
        .rows(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL %' \
             AND name NOT GLOB 'sqlite_*' AND name NOT GLOB 'downhaul_*'",
        )
        .await?;
    let mut found = BTreeMap::new();
    for row in &names {
        let name = row.text(0);
        let rows =
            session.number(&format!("SELECT count(*) FROM main.{}", D.quote_str(name))).await?;
        found.insert(name.to_owned(), rows);
    }
    Ok(found)
}

/// Has the server look through every page of a file.
pub async fn check(session: &mut dyn Session) -> Result<(), SnapshotError> {
    let found = session.rows("PRAGMA integrity_check(3)").await?;
    let found: Vec<&str> = found.iter().map(|row| row.text(0)).collect();
    if found == ["ok"] {
        return Ok(());
    }
    Err(SnapshotError::WholeFile(format!("it is damaged: {}", found.join("; "))))
}

/// Name under which a file is attached.
fn alias(until: bool) -> &'static str {
    if until { "downhaul_until_file" } else { "downhaul_target_file" }
}

/// Makes the tables of the files readable; outside of a transaction, until the session ends.
pub async fn attach(session: &mut dyn Session, source: &Source) -> Result<(), SnapshotError> {
    for (path, until) in
        std::iter::once((&source.target, false)).chain(source.until.iter().map(|path| (path, true)))
    {
        session
            .execute(&format!(
                "ATTACH DATABASE {} AS {}",
                D.literal(&path.to_string_lossy()),
                alias(until)
            ))
            .await?;
    }
    Ok(())
}

/// The numbers under which tables of a file go begin here, far from those of tracked ones.
const FIRST: i64 = 1_000_000_000;

/// The tables of a request as if they were tracked, with a form for each file, and the one of now. And
/// why tables were left out.
pub(crate) async fn sources(
    session: &mut dyn Session,
    request: &Request,
) -> Result<(Vec<Tracked>, Vec<String>), SnapshotError> {
    let named = &request.scope.tables;
    let names: Vec<ObjectName> =
        if named.is_empty() { session.tables_of_schema("main").await? } else { named.clone() };
    let (mut found, mut left_out) = (Vec::new(), Vec::new());
    for (at, name) in names.iter().enumerate() {
        match source(session, request, name, FIRST + i64::try_from(at).unwrap_or(0)).await {
            Ok(tracked) => found.push(tracked),
            Err(SnapshotError::CannotRestore(reason)) if named.is_empty() => left_out.push(reason),
            Err(error) => return Err(error),
        }
    }
    Ok((found, left_out))
}

async fn source(
    session: &mut dyn Session,
    request: &Request,
    name: &ObjectName,
    id: i64,
) -> Result<Tracked, SnapshotError> {
    let refused = |why: &str| {
        SnapshotError::CannotRestore(format!(
            "{name} cannot come back by itself: {why}; `--whole` brings the whole file back"
        ))
    };
    let shape = session.table_shape(name).await?.ok_or_else(|| refused("it is not there now"))?;
    let shape = shape.with_lasting_key();
    let literal = D.literal(shape.name.name.as_str());
    let kind = format!("sqlite_schema WHERE type = 'table' AND name = {literal} COLLATE NOCASE");
    if session
        .number(&format!("SELECT count(*) FROM {kind} AND sql LIKE 'CREATE VIRTUAL %'"))
        .await?
        > 0
    {
        return Err(refused("it is virtual"));
    }
    let mut versions = Vec::new();
    let mut numbers: Vec<String> = Vec::new();
    let mut number_of = |name: &str| {
        let known = numbers.iter().position(|n| n.eq_ignore_ascii_case(name));
        let at = known.unwrap_or_else(|| {
            numbers.push(name.to_owned());
            numbers.len() - 1
        });
        i64::try_from(at).unwrap_or(0) + 1
    };
    let files = 1 + usize::from(request.until.is_some());
    for file in 0..files {
        // Hidden columns are generated ones (2, 3).
        let rows = session
            .rows(&format!(
                "SELECT name, type FROM pragma_table_xinfo({literal}, {}) WHERE hidden = 0",
                D.literal(alias(file == 1))
            ))
            .await?;
        if rows.is_empty() {
            return Err(refused("the snapshot does not have it"));
        }
        let columns: Vec<TrackedColumn> = rows
            .iter()
            .map(|row| TrackedColumn {
                name: downhaul_syntax::Ident::stored(D, row.text(0)),
                ty: row.text(1).to_owned(),
                user_type: false,
                number: number_of(row.text(0)),
            })
            .collect();
        if shape.key.iter().any(|k| !columns.iter().any(|c| c.name == *k)) {
            return Err(refused("its key is another one now"));
        }
        let number = i64::try_from(file).unwrap_or(0) + 1;
        versions.push(Version {
            number,
            relation: id,
            columns,
            key: shape.key.clone(),
            nested: false,
            again: false,
            composite: false,
        });
    }
    let columns: Vec<TrackedColumn> = shape
        .writable()
        .map(|column| TrackedColumn {
            name: column.name.clone(),
            ty: column.ty.clone(),
            user_type: false,
            number: number_of(column.name.as_str()),
        })
        .collect();
    let whole = shape.key.iter().all(|k| columns.iter().any(|c| c.name == *k));
    let key = if whole { shape.key } else { Vec::new() };
    versions.push(Version {
        number: 3,
        relation: id,
        columns,
        key,
        nested: false,
        again: false,
        composite: false,
    });
    Ok(Tracked::new(id, shape.name, D, versions))
}

/// The moment of a file, `until` which work is undone or to which one returns, for so many tables.
#[must_use]
pub fn moment(file: &WholeFile, until: bool, tables: usize) -> Mark {
    let version = if until { 2 } else { 1 };
    let tables = i64::try_from(tables).unwrap_or(i64::MAX);
    Mark {
        id: 0,
        name: file.name.clone(),
        origin: "file".to_owned(),
        at: file.at.clone(),
        xmax: String::new(),
        running: Vec::new(),
        lsn: String::new(),
        who: file.who.clone(),
        versions: (0..tables).map(|at| (FIRST + at, version)).collect(),
        positions: BTreeMap::new(),
    }
}

/// As [`Past::touched`] or [`Past::balance`], from a file: keys (or contents) that are not now what
/// they were then.
pub(crate) fn then(past: &Past<'_>, until: bool) -> String {
    let (live, file) =
        (past.tracked.live(), format!("{}.{}", alias(until), D.quote(&past.tracked.name.name)));
    let list = |row: &str| -> Vec<String> {
        past.columns.iter().map(|c| format!("{row}.{0} AS {0}", D.quote(&c.name))).collect()
    };
    let plain: Vec<String> = past.columns.iter().map(|c| D.quote(&c.name)).collect();
    let plain = plain.join(", ");
    if !past.tracked.has_key() {
        return format!(
            "SELECT downhaul_content, sum(n) AS downhaul_net, {plain} FROM \
               (SELECT {} AS downhaul_content, 1 AS n, {} FROM {file} AS f UNION ALL SELECT {} AS downhaul_content, -1 AS n, {} FROM {live} AS l) \
             GROUP BY downhaul_content HAVING sum(n) <> 0",
            past.numbered_content("f"),
            list("f").join(", "),
            past.numbered_content("l"),
            list("l").join(", "),
        );
    }
    let one = &past.key()[0];
    let differs: Vec<String> = past
        .columns
        .iter()
        .map(|c| {
            let name = D.quote(&c.name);
            sqlite::differs("", &format!("f.{name}"), &format!("l.{name}"))
        })
        .collect();
    format!(
        "SELECT {}, 1 AS downhaul_was FROM {file} AS f LEFT JOIN {live} AS l ON {} WHERE l.{one} IS NULL OR {} \
         UNION ALL SELECT {}, 0 AS downhaul_was FROM {live} AS l WHERE NOT EXISTS (SELECT 1 FROM {file} AS f WHERE {})",
        list("f").join(", "),
        past.match_live("l", "f"),
        differs.join(" OR "),
        list("l").join(", "),
        past.match_live("f", "l"),
    )
}

/// Whether every table of a restore from a file is tracked, so that its history has it.
pub async fn all_tracked(
    session: &mut dyn Session,
    names: &[ObjectName],
) -> Result<bool, SnapshotError> {
    if !numbered::exists(session).await? {
        return Ok(false);
    }
    let tracked = crate::track::all(session).await?;
    Ok(names.iter().all(|name| tracked.iter().any(|t| t.name == *name)))
}

//! Snapshots of whole SQLite files: made, put back, removed.
//!
//! A copy comes about under another name and gets its own only when it is complete, checked and on
//! the disk. On the way back a copy of it, prepared in the same way, takes the database's name in one
//! step, while nobody else has the database open; the database keeps another name. Whatever is killed
//! on the way leaves a file `…downhaul-partial` behind, which the next run removes.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use downhaul_engine::{EngineError, Session, Target, connect};
use downhaul_snapshot::mark::{self, Mark, Origin};
use downhaul_snapshot::numbered::moment;
use downhaul_snapshot::restore_to::Request;
use downhaul_snapshot::whole::{self, WholeFile};
use downhaul_snapshot::{SnapshotError, sql, track};
use downhaul_syntax::{Dialect, ObjectName};

use crate::snapshot::Outcome;
use crate::{Journal, Observer, RunError, Runner};

/// A snapshot that was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// What it is.
    pub file: WholeFile,
    /// Where it is.
    pub path: PathBuf,
    /// The mark of the same moment, where tables are tracked.
    pub mark: Option<Mark>,
}

/// A database that was put back as a whole.
#[derive(Clone, Debug)]
pub struct PutBack {
    /// Where the file is that was the database before.
    pub kept: PathBuf,
    /// Its name in the list.
    pub name: String,
}

fn problem(what: impl Into<String>) -> RunError {
    SnapshotError::WholeFile(what.into()).into()
}

fn io_error(what: &str, path: &Path, error: &io::Error) -> RunError {
    problem(format!("cannot {what} `{}`: {error}", path.display()))
}

/// A path with something at its end.
fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut text = OsString::from(path);
    text.push(end);
    PathBuf::from(text)
}

/// The name under which a file comes about.
fn partial(path: &Path) -> PathBuf {
    with_end(path, ".downhaul-partial")
}

/// `app.db.before-lunch.snapshot`: a path beside the database that is free, by a name of any kind.
fn beside(database: &Path, name: &str) -> PathBuf {
    let slug: String = name
        .chars()
        .map(|c| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' })
        .take(80)
        .collect();
    let mut path = with_end(database, &format!(".{slug}.snapshot"));
    let mut number = 2;
    while path.exists() {
        path = with_end(database, &format!(".{slug}-{number}.snapshot"));
        number += 1;
    }
    path
}

/// As it is written into the list: without its folder where that is the database's.
fn listed(database: &Path, path: &Path) -> PathBuf {
    match (path.parent() == database.parent(), path.file_name()) {
        (true, Some(name)) => PathBuf::from(name),
        _ => path.to_owned(),
    }
}

/// A new file that only its owner may read, in place of one that a killed run left.
fn create_private(path: &Path) -> Result<File, RunError> {
    if path.exists() {
        fs::remove_file(path).map_err(|error| io_error("remove", path, &error))?;
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    options.mode(0o600);
    options.open(path).map_err(|error| io_error("make", path, &error))
}

/// Waits until a file is on the disk; and a folder, so that its names are.
fn sync(path: &Path) -> Result<(), RunError> {
    let failed = |error| io_error("write to the disk", path, &error);
    OpenOptions::new().read(true).open(path).and_then(|file| file.sync_all()).map_err(failed)?;
    Ok(())
}

fn sync_folder(path: &Path) -> Result<(), RunError> {
    path.parent().map_or(Ok(()), sync)
}

/// Refuses where a folder has no room for so many bytes.
fn check_room(folder: &Path, bytes: u64) -> Result<(), RunError> {
    let found =
        rustix::fs::statvfs(folder).map_err(|error| io_error("look at", folder, &error.into()))?;
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    // Nobody else should stand there without room either.
    let needed = bytes.saturating_add(bytes / 20).saturating_add(1 << 20);
    if free < needed {
        return Err(problem(format!(
            "`{}` has room for {free} bytes, and {needed} are needed",
            folder.display()
        )));
    }
    Ok(())
}

async fn open(path: &Path, read_only: bool) -> Result<Box<dyn Session>, EngineError> {
    connect(&Target::Sqlite { path: path.to_owned(), read_only }, false).await
}

/// What a file says of itself, once every page of it was looked at.
async fn look_through(path: &Path) -> Result<BTreeMap<String, i64>, RunError> {
    let mut session = open(path, true).await?;
    let result = async {
        whole::check(&mut *session).await?;
        whole::tables(&mut *session).await
    }
    .await;
    session.close().await;
    Ok(result?)
}

/// Refuses a snapshot that is not what it was when it was made. Returns where it is.
pub async fn check(database: &Path, file: &WholeFile) -> Result<PathBuf, RunError> {
    let path = file.located(database);
    let not =
        |why: String| problem(format!("the snapshot `{}` ({}) {why}", file.name, path.display()));
    if !path.exists() {
        return Err(not("is gone".into()));
    }
    let tables =
        look_through(&path).await.map_err(|error| not(format!("is not sound: {error}")))?;
    if tables != file.tables {
        return Err(not("holds other rows than when it was made".into()));
    }
    Ok(path)
}

/// The moment, by the clock that makes the marks.
async fn now(session: &mut dyn Session) -> Result<String, EngineError> {
    let row = session.row(&format!("SELECT {}", sql::now(Dialect::Sqlite))).await?;
    Ok(row.map(|row| row.text(0).to_owned()).unwrap_or_default())
}

/// How often others changed a database, as a connection sees it: a number that differs if they did.
async fn changes(session: &mut dyn Session) -> Result<i64, EngineError> {
    session.number("PRAGMA data_version").await
}

impl Runner {
    /// Copies a whole SQLite file, and marks its moment. Nobody waits for that.
    pub async fn snapshot_file(
        &mut self,
        database: &Path,
        name: &str,
        into: Option<&Path>,
        observer: &mut dyn Observer,
    ) -> Result<Made, RunError> {
        let made = self.copy_file(database, name, into).await;
        let operation = self.begin_operation("snapshot mark --file", &[], observer).await?;
        self.end_operation(operation, &made).await;
        made
    }

    async fn copy_file(
        &mut self,
        database: &Path,
        name: &str,
        into: Option<&Path>,
    ) -> Result<Made, RunError> {
        if self.session.dialect() != Dialect::Sqlite {
            return Err(problem("a copy of the whole database is for SQLite alone"));
        }
        if self.taken().await?.contains(name) {
            return Err(problem(format!("there is a mark `{name}` already")));
        }
        let database = database.canonicalize().map_err(|e| io_error("find", database, &e))?;
        let path = match into {
            None => beside(&database, name),
            Some(path) => std::path::absolute(path).map_err(|e| io_error("find", path, &e))?,
        };
        if path.exists() {
            return Err(problem(format!("`{}` is there already", path.display())));
        }
        let folder = path.parent().unwrap_or(Path::new("/"));
        let size = self
            .session
            .number("SELECT (SELECT page_count FROM pragma_page_count) * (SELECT page_size FROM pragma_page_size)")
            .await?;
        check_room(folder, u64::try_from(size).unwrap_or(0))?;
        let unfinished = partial(&path);
        let result = self.copy_to(name, &database, (&unfinished, &path)).await;
        if result.is_err() {
            let _ = fs::remove_file(&unfinished);
        }
        result
    }

    async fn copy_to(
        &mut self,
        name: &str,
        database: &Path,
        (unfinished, path): (&Path, &Path),
    ) -> Result<Made, RunError> {
        drop(create_private(unfinished)?);
        let before = changes(&mut *self.session).await?;
        let literal = Dialect::Sqlite.literal(&unfinished.to_string_lossy());
        self.session.execute(&format!("VACUUM INTO {literal}")).await?;
        let tables = look_through(unfinished).await?;
        // The moment of the copy is the one that it holds itself.
        let positions = {
            let mut copy = open(unfinished, false).await?;
            let result = async {
                Ok::<_, SnapshotError>(if track::exists(&mut *copy).await? {
                    Some(moment::here(&mut *copy).await?)
                } else {
                    None
                })
            }
            .await;
            copy.close().await;
            result?
        };
        sync(unfinished)?;
        let bytes =
            fs::metadata(unfinished).map_err(|e| io_error("look at", unfinished, &e))?.len();
        self.session.begin(self.options.budget).await?;
        let result = async {
            let session = &mut *self.session;
            if changes(session).await? == before && whole::tables(session).await? != tables {
                return Err(problem("the copy does not hold the rows that the database holds"));
            }
            let mark = match &positions {
                None => None,
                Some((versions, at)) => {
                    moment::make(session, name, Origin::Person, (versions, at), &self.options.who)
                        .await?
                }
            };
            let file = WholeFile {
                name: name.to_owned(),
                path: listed(database, path),
                at: now(session).await?,
                who: self.options.who.clone(),
                bytes: i64::try_from(bytes).unwrap_or(i64::MAX),
                tables,
            };
            whole::add(session, &file).await?;
            // Another file of that name is never overwritten.
            fs::hard_link(unfinished, path).map_err(|e| io_error("make", path, &e))?;
            sync_folder(path)?;
            Ok(Made { file, path: path.to_owned(), mark })
        }
        .await;
        match result {
            Ok(made) => {
                if let Err(error) = self.session.commit().await {
                    let _ = self.session.rollback().await;
                    let _ = fs::remove_file(path);
                    return Err(error.into());
                }
                fs::remove_file(unfinished).map_err(|e| io_error("remove", unfinished, &e))?;
                Ok(made)
            }
            Err(error) => {
                self.session.rollback().await?;
                Err(error)
            }
        }
    }

    /// Brings tables back from snapshots of the whole file. Where some have no history, and so nothing
    /// from which the restore could be undone, another one is made before; its name is returned.
    pub async fn restore_from_file(
        &mut self,
        database: &Path,
        request: &Request,
        expected: Option<&str>,
        observer: &mut dyn Observer,
    ) -> Result<(Outcome, Option<Made>), RunError> {
        let Some(source) = &request.source else {
            return Ok((self.restore(request, expected, None, observer).await?, None));
        };
        whole::attach(&mut *self.session, source).await?;
        let plan = crate::snapshot::preview(&mut *self.session, request, false).await?;
        let names: Vec<ObjectName> = plan.tables.iter().map(|t| t.tracked.name.clone()).collect();
        let known = whole::all_tracked(&mut *self.session, &names).await?;
        let kept = if known || plan.is_empty() {
            None
        } else {
            let name = self.free(&format!("before restore to {}", request.target.name)).await?;
            Some(self.copy_file(database, &name, None).await?)
        };
        Ok((self.restore(request, expected, None, observer).await?, kept))
    }

    /// The names of all marks and files.
    async fn taken(&mut self) -> Result<BTreeSet<String>, SnapshotError> {
        let marks = mark::all(&mut *self.session).await?;
        let files = whole::all(&mut *self.session).await?;
        let files = files.into_iter().map(|file| file.name);
        Ok(marks.into_iter().map(|mark| mark.name).chain(files).collect())
    }

    /// A name that no mark and no file has.
    async fn free(&mut self, wanted: &str) -> Result<String, RunError> {
        let taken = self.taken().await?;
        let mut name = wanted.to_owned();
        let mut number = 2;
        while taken.contains(&name) {
            name = format!("{wanted} #{number}");
            number += 1;
        }
        Ok(name)
    }

    /// Puts a snapshot in the database's place. The database stays beside it, as a snapshot of its own.
    pub async fn put_back(
        mut self,
        database: &Path,
        file: &WholeFile,
    ) -> Result<PutBack, RunError> {
        // The journal goes with the file: what is done here is written into the other one.
        let result = self.swap(database, file).await;
        self.close().await;
        result
    }

    async fn swap(&mut self, database: &Path, file: &WholeFile) -> Result<PutBack, RunError> {
        let database = database.canonicalize().map_err(|e| io_error("find", database, &e))?;
        let source = file.located(&database);
        let bytes = fs::metadata(&source).map_err(|e| io_error("look at", &source, &e))?.len();
        check_room(database.parent().unwrap_or(Path::new("/")), bytes)?;
        let name = self.free(&format!("before restore to {}", file.name)).await?;
        let kept = beside(&database, &name);
        let unfinished = partial(&database);
        let wal = self.session.row("PRAGMA journal_mode").await?;
        let wal = wal.is_some_and(|row| row.text(0).eq_ignore_ascii_case("wal"));
        // Nobody writes from here on, so that what is kept is counted once and for all.
        self.alone(wal).await?;
        let result = async {
            let session = &mut *self.session;
            let mut files = whole::all(session).await?;
            files.push(WholeFile {
                name: name.clone(),
                path: listed(&database, &kept),
                at: now(session).await?,
                who: self.options.who.clone(),
                bytes: i64::try_from(fs::metadata(&database).map_or(0, |data| data.len()))
                    .unwrap_or(i64::MAX),
                tables: whole::tables(session).await?,
            });
            copy_like(&source, &unfinished, &database)?;
            prepare(&unfinished, (file, &files), self.journal, &self.options, wal).await?;
            sync(&unfinished)?;
            if fs::hard_link(&database, &kept).is_err() {
                // Not every file system has two names for a file.
                drop(create_private(&kept)?);
                fs::copy(&database, &kept).map_err(|e| io_error("copy to", &kept, &e))?;
                sync(&kept)?;
            }
            sync_folder(&database)?;
            fs::rename(&unfinished, &database).map_err(|e| {
                let _ = fs::remove_file(&kept);
                io_error("replace", &database, &e)
            })?;
            sync_folder(&database)
        }
        .await;
        let _ = self.session.rollback().await;
        if let Err(error) = result {
            let _ = fs::remove_file(&unfinished);
            if wal {
                let _ = self.session.execute("PRAGMA journal_mode = WAL").await;
            }
            return Err(error);
        }
        Ok(PutBack { kept, name })
    }

    /// Begins a transaction beside which nobody reads or writes. In WAL mode nobody else may have the
    /// database open; without, those who have it open find that their file was moved when they write
    /// (`SQLITE_READONLY_DBMOVED`).
    async fn alone(&mut self, wal: bool) -> Result<(), RunError> {
        let started = Instant::now();
        let patience = self.options.lock_retry;
        loop {
            let done = async {
                if wal {
                    let row = self
                        .session
                        .row("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE")
                        .await?;
                    let mode = self.session.row("PRAGMA journal_mode").await?;
                    if row.is_none() || mode.is_none_or(|row| row.text(0) != "delete") {
                        return Ok(false);
                    }
                }
                self.session.execute("BEGIN EXCLUSIVE").await?;
                Ok(true)
            }
            .await;
            match done {
                Ok(true) => return Ok(()),
                Ok(false) | Err(EngineError::LockTimeout(_)) => {}
                Err(error) => return Err(error.into()),
            }
            if started.elapsed() >= patience || self.stop_asked() {
                return Err(problem(
                    "another program has the database open: end it, and run this again",
                ));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Takes a snapshot of the whole file off the list, and removes it. Returns whether there was one.
    pub async fn remove_file(&mut self, database: &Path, name: &str) -> Result<bool, RunError> {
        let Some(file) = whole::named(&mut *self.session, name).await? else { return Ok(false) };
        let database = database.canonicalize().map_err(|e| io_error("find", database, &e))?;
        let path = file.located(&database);
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io_error("remove", &path, &error)),
        }
        Ok(whole::forget(&mut *self.session, name).await?)
    }
}

/// Copies a file under a new name, with the rights and the owner that another one has.
fn copy_like(source: &Path, new: &Path, like: &Path) -> Result<(), RunError> {
    let mut to = create_private(new)?;
    let mut from = File::open(source).map_err(|e| io_error("read", source, &e))?;
    io::copy(&mut from, &mut to).map_err(|e| io_error("write", new, &e))?;
    let data = fs::metadata(like).map_err(|e| io_error("look at", like, &e))?;
    // Whoever may not give files away has made it as what they are.
    let _ = std::os::unix::fs::chown(new, Some(data.uid()), Some(data.gid()));
    fs::set_permissions(new, data.permissions()).map_err(|e| io_error("protect", new, &e))
}

/// Looks through the copy of a snapshot that is to be the database, and writes into it what came after
/// the moment at which it was made.
async fn prepare(
    path: &Path,
    (file, files): (&WholeFile, &[WholeFile]),
    journal: Journal,
    options: &crate::Options,
    wal: bool,
) -> Result<(), RunError> {
    let mut session = open(path, false).await?;
    let result = async {
        let session = &mut *session;
        whole::check(session).await?;
        if whole::tables(session).await? != file.tables {
            return Err(problem(format!(
                "the snapshot `{}` holds other rows than when it was made",
                file.name
            )));
        }
        session.begin(options.budget).await?;
        if track::exists(session).await? {
            let (versions, at) = moment::here(session).await?;
            moment::make(session, &file.name, Origin::Person, (&versions, &at), &file.who).await?;
        }
        whole::take_over(session, files).await?;
        if journal.exists(session).await? {
            let id =
                journal.begin_operation(session, "snapshot restore --whole", &[], options).await?;
            let head = journal.versions(session).await?.pop();
            let schema = session.dump().await?;
            let sql = journal.end_operation(id, "done", None, head.as_ref(), Some(&schema))?;
            session.execute(&sql).await?;
        }
        session.commit().await?;
        if wal {
            session.execute("PRAGMA journal_mode = WAL").await?;
        }
        Ok(())
    }
    .await;
    session.close().await;
    result
}

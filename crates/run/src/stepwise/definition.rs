//! One statement that commits by itself.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use downhaul_engine::EngineError;
use downhaul_plan::Direction;
use downhaul_snapshot::keep::Endangered;
use downhaul_snapshot::stepwise::{self, GroupKind};
use downhaul_snapshot::{Kept, Losses, Names, SnapshotError, empty, tombstone};
use downhaul_syntax::{Change, ObjectName, Statement};

use super::trace::{Begun, appearance, leaves_a_trace};
use super::{Run, brief, signs};
use crate::Event;
use crate::apply::{KeptSummary, Stop, Substitute, substitute};
use crate::patience::Lookout;

impl Run<'_> {
    /// One try; goes on where an earlier run was cut off.
    pub(super) async fn definition(&mut self, index: usize, protect: bool) -> Result<(), Stop> {
        let prepared = self.work.prepared;
        let statement = &prepared.statements[index];
        let dialect = self.runner.session.dialect();
        let losses = prepared.losses([statement], dialect);
        let names = Names::before(&prepared.statements, index, dialect);
        if let Some(begun) = self.begun.get(&(index + 1)).cloned() {
            let earlier = match begun {
                Begun::Intended => Some(false),
                Begun::Sent(probe) => Some(self.took_effect(statement, &probe).await?),
                // A try of this run, whose record somebody was in the way of.
                Begun::InEffect => None,
            };
            if let Some(took) = earlier {
                let note = format!(
                    "an earlier run was cut off in statement {}: it {}",
                    index + 1,
                    if took { "had taken effect" } else { "had not taken effect and is run again" }
                );
                self.observer.event(Event::Note(&note));
            }
            if earlier != Some(false) {
                // Also where a lock ends this try: the next one must not run what took effect.
                self.begun.insert(index + 1, Begun::InEffect);
                return self.settle_late(index, &losses, &names).await;
            }
            self.begun.remove(&(index + 1));
        }
        if self.may_hold {
            self.discard_making().await?;
        }
        if protect && prepared.direction == Direction::Down {
            let mut rest = losses.clone();
            let session = &mut *self.runner.session;
            let empty = if session.server().cluster || losses.own_triggers_fire {
                Vec::new()
            } else {
                empty::set_aside(session, &mut rest).await?
            };
            if !empty.is_empty() && self.on_empty_tables(index, &empty).await? {
                return Ok(());
            }
        }
        let tables = if protect {
            let session = &mut *self.runner.session;
            stepwise::endangered(session, &losses, &names, GroupKind::Definition).await?
        } else {
            Vec::new()
        };
        if tables.is_empty() {
            return self.plain(index).await;
        }
        if self.runner.session.server().cluster {
            return Err(SnapshotError::CannotRestore(format!(
                "statement {} destroys data of {}; on a Galera cluster a lock does not keep writers of other nodes out between the copy and the statement; say `-- downhaul:protect off` in the file once you have a backup",
                index + 1,
                tables[0].shape.name
            ))
            .into());
        }
        if self.may_set_aside(&tables).await? && self.set_aside(index, &tables, &names).await? {
            return Ok(());
        }
        self.keeping(index, tables, &names).await
    }

    /// A try of this run found, or made, that the statement took effect, and the journal does not say so
    /// yet: its restore point must outlive any error.
    fn is_in_effect(&self, index: usize) -> bool {
        matches!(self.begun.get(&(index + 1)), Some(Begun::InEffect))
    }

    /// Whether a statement that had been sent took effect.
    async fn took_effect(&mut self, statement: &Statement, probe: &str) -> Result<bool, Stop> {
        let (version, direction, _) = self.place();
        let version = version.clone();
        let journal = self.runner.journal;
        let session = &mut *self.runner.session;
        if let Some(took) = signs::took_effect(session, probe).await? {
            return Ok(took);
        }
        if appearance(session, statement).await? != probe {
            return Ok(true);
        }
        // TRUNCATE and its kin leave no trace in the schema.
        let all = statement.changes().iter().any(|c| matches!(c, Change::Truncate { .. }));
        for (_, kept) in journal.making(session, &version, direction).await? {
            if kept.is_aside() {
                if tombstone::mysql::is_aside(session, &kept).await? {
                    return Ok(true);
                }
            } else if stepwise::rows_are_gone(session, &kept, all).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The statement took effect, and its run was cut off before it said so.
    async fn settle_late(
        &mut self,
        index: usize,
        losses: &Losses,
        names: &Names,
    ) -> Result<(), Stop> {
        let (version, direction, _) = self.place();
        let version = version.clone();
        let journal = self.runner.journal;
        let making = journal.making(&mut *self.runner.session, &version, direction).await?;
        if making.iter().any(|(_, kept)| kept.is_aside()) {
            return self.finish_aside(index, making).await;
        }
        let session = &mut *self.runner.session;
        let modes = stepwise::own_modes(session).await?;
        let mut settled = Vec::new();
        for (point, mut kept) in making {
            let stored =
                session.number(&format!("SELECT count(*) FROM downhaul_{}", kept.store())).await?;
            kept.rows = u64::try_from(stored).unwrap_or(0);
            let loss =
                kept.after.as_ref().and_then(|n| losses.tables.get(n)).cloned().unwrap_or_default();
            let lost =
                stepwise::settle(session, &mut kept, &loss, names, GroupKind::Definition).await?;
            settled.push((point, kept, lost));
        }
        session.execute(&modes).await?;
        self.record_done(index, 0, settled).await
    }

    /// Throws away what was kept for a statement that did not take effect.
    pub(super) async fn discard_making(&mut self) -> Result<(), Stop> {
        let (version, direction, _) = self.place();
        let version = version.clone();
        let journal = self.runner.journal;
        let session = &mut *self.runner.session;
        let making = journal.making(session, &version, direction).await?;
        let points: BTreeSet<i64> = making.iter().map(|(point, _)| *point).collect();
        for point in points {
            session.begin(self.runner.options.for_the_journal()).await?;
            session.execute(&journal.forget_point(point)).await?;
            session.commit().await?;
        }
        for (_, kept) in &making {
            stepwise::drop_store(session, kept).await?;
        }
        Ok(())
    }

    /// Notes that the statement is about to run; `sent` says that it now is.
    pub(super) async fn intend(&mut self, index: usize) -> Result<(), Stop> {
        let statement = &self.work.prepared.statements[index];
        let place = (self.work.version, self.work.prepared.direction, self.work.operation);
        let journal = self.runner.journal;
        let session = &mut *self.runner.session;
        let probe = appearance(session, statement).await?;
        let step = (index + 1, statement.shown());
        session.execute(&journal.intend(place, step, "intended", &probe)).await?;
        Ok(())
    }

    /// Opens a transaction that the statement's own implicit commit ends, and in which the journal
    /// learns that it is now sent: it tells so from the moment on at which it could be true.
    async fn start(&mut self, index: usize) -> Result<(), Stop> {
        let statement = &self.work.prepared.statements[index];
        let place = (self.work.version, self.work.prepared.direction, self.work.operation);
        let journal = self.runner.journal;
        let beginning = self.unrecorded.then(|| self.beginning());
        let session = &mut *self.runner.session;
        let probe = appearance(session, statement).await?;
        let step = (index + 1, statement.shown());
        let started = journal.intend(place, step, "started", &probe);
        session.begin(self.runner.options.budget).await?;
        let records: Vec<String> = beginning.into_iter().chain([started]).collect();
        session.execute(&records.join("; ")).await?;
        Ok(())
    }

    /// The statement that [`Self::start`] announced took effect.
    async fn started_is_done(&mut self, index: usize, ms: u128) -> Result<(), Stop> {
        self.unrecorded = false;
        let prepared = self.work.prepared;
        let statement = &prepared.statements[index];
        let place = (self.work.version, prepared.direction, self.work.operation);
        let journal = self.runner.journal;
        let done = journal.done(place, &[(index + 1, statement.shown(), ms)]);
        let done = done.unwrap_or_default();
        let last = index + 1 == prepared.statements.len() && self.work.points.is_empty();
        if last && leaves_a_trace(statement) {
            // Until then the catalog tells what the journal does not.
            self.unwritten = Some(done);
        } else {
            self.runner.session.commit_with(&done).await?;
        }
        self.begun.remove(&(index + 1));
        Ok(())
    }

    /// On the way back a statement that takes tables or columns without a single row loses nothing.
    /// Whether it is one, and was run.
    async fn on_empty_tables(&mut self, index: usize, tables: &[ObjectName]) -> Result<bool, Stop> {
        let dialect = self.runner.session.dialect();
        let names: Vec<String> = tables.iter().map(|table| dialect.quote_name(table)).collect();
        let tests: Vec<String> =
            names.iter().map(|name| format!("EXISTS (SELECT 1 FROM {name})")).collect();
        let has_rows = format!("SELECT {}", tests.join(" OR "));
        self.start(index).await?;
        let texts = self.texts(index);
        let begun = Instant::now();
        let session = &mut *self.runner.session;
        // As an ALTER or a DROP locks them, and ends the transaction as they do.
        let locks = format!("LOCK TABLES {} WRITE", names.join(" WRITE, "));
        let mut result = session.execute(&locks).await;
        if result.is_ok() && session.number(&has_rows).await? != 0 {
            session.execute("UNLOCK TABLES").await?;
            session.commit().await?;
            self.unrecorded = false;
            return Ok(false);
        }
        for text in &texts {
            if result.is_ok() {
                result = session.execute(text).await;
            }
        }
        let took = begun.elapsed();
        if let Err(error) = result {
            return Err(self.gave_up(index, error, took.as_millis()).await);
        }
        self.begun.insert(index + 1, Begun::InEffect);
        session.execute("UNLOCK TABLES").await?;
        for sql in &texts {
            self.observer.event(Event::Statement { sql, took });
        }
        self.started_is_done(index, took.as_millis()).await?;
        Ok(true)
    }

    pub(super) fn mark(&self, index: usize, state: &str, ms: u128) -> String {
        let (version, direction, operation) = self.place();
        self.runner.journal.finish_step(operation, version, direction, index + 1, state, ms)
    }

    fn texts(&self, index: usize) -> Vec<String> {
        let statement = &self.work.prepared.statements[index];
        match substitute(self.runner.session.dialect(), statement, &self.work.points) {
            Substitute::None => vec![statement.text.clone()],
            Substitute::Instead(instead) => instead,
        }
    }

    /// Says what ran; a statement in the words of its file.
    fn tell(&mut self, index: usize, texts: &[String], took: Duration) {
        let statement = &self.work.prepared.statements[index];
        for sql in texts {
            let sql = if *sql == statement.text { statement.shown() } else { sql };
            self.observer.event(Event::Statement { sql, took });
        }
    }

    /// A statement that destroys nothing.
    async fn plain(&mut self, index: usize) -> Result<(), Stop> {
        self.start(index).await?;
        let texts = self.texts(index);
        let begun = Instant::now();
        let statement = &self.work.prepared.statements[index];
        let budget = self.runner.options.budget;
        let session = &mut *self.runner.session;
        let mut result = Ok(0);
        for text in &texts {
            result = brief::execute(session, statement, text, budget).await;
            if result.is_err() {
                break;
            }
        }
        let took = begun.elapsed();
        if let Err(error) = result {
            return Err(self.gave_up(index, error, took.as_millis()).await);
        }
        self.begun.insert(index + 1, Begun::InEffect);
        self.tell(index, &texts, took);
        self.started_is_done(index, took.as_millis()).await
    }

    /// Notes that the server refused the statement.
    pub(super) async fn gave_up(&mut self, index: usize, error: EngineError, ms: u128) -> Stop {
        if !matches!(error, EngineError::Disconnected(_)) {
            let failed = self.mark(index, "failed", ms);
            let session = &mut *self.runner.session;
            let _ = session.execute("UNLOCK TABLES").await;
            let _ = session.rollback().await;
            let _ = session.execute(&failed).await;
        }
        Stop::Statement(index, error)
    }

    /// A statement that destroys something.
    async fn keeping(
        &mut self,
        index: usize,
        found: Vec<Endangered>,
        names: &Names,
    ) -> Result<(), Stop> {
        self.record_beginning().await?;
        self.may_hold = true;
        let journal = self.runner.journal;
        let place = (self.work.version, self.work.prepared.direction, self.work.operation);
        let budget = self.runner.options.for_the_journal();
        self.intend(index).await?;
        let started = self.mark(index, "started", 0);
        let session = &mut *self.runner.session;
        let first = journal.next_kept(session).await?;
        let mut tables = Vec::new();
        for (id, table) in (first..).zip(found) {
            let kept = stepwise::describe(&table, names, GroupKind::Definition, id);
            stepwise::create_store(session, &kept, GroupKind::Definition).await?;
            tables.push((table, kept));
        }
        session.begin(budget).await?;
        let stores: Vec<&Kept> = tables.iter().map(|(_, kept)| kept).collect();
        let point = journal.open_point(session, place, "making", None, &stores).await?;
        session.execute(&started).await?;
        session.commit().await?;

        let texts = self.texts(index);
        let begun = Instant::now();
        let result = self.locked(index, &texts, &mut tables, names).await;
        let took = begun.elapsed();
        let lost = match result {
            Ok(lost) => lost,
            Err(Stop::Statement(index, error)) if !self.is_in_effect(index) => {
                let stop = self.gave_up(index, error, took.as_millis()).await;
                if !matches!(stop, Stop::Statement(_, EngineError::Disconnected(_))) {
                    self.discard_making().await?;
                }
                return Err(stop);
            }
            Err(stop) => {
                let session = &mut *self.runner.session;
                let _ = session.execute("UNLOCK TABLES").await;
                let _ = session.rollback().await;
                return Err(stop);
            }
        };
        self.tell(index, &texts, took);
        let settled =
            tables.into_iter().zip(lost).map(|((_, kept), lost)| (point, kept, lost)).collect();
        self.record_done(index, took.as_millis(), settled).await
    }

    /// Copies, runs the statement, and reduces the copy, while nobody else can read or write the
    /// tables. Returns of each whether anything was lost.
    async fn locked(
        &mut self,
        index: usize,
        texts: &[String],
        tables: &mut [(Endangered, Kept)],
        names: &Names,
    ) -> Result<Vec<bool>, Stop> {
        let budget = self.runner.options.budget;
        let lookout = Lookout::new(self.runner);
        let session = &mut *self.runner.session;
        // For its time limits; LOCK TABLES ends the transaction.
        session.begin(budget).await?;
        let locks = stepwise::locks(session.dialect(), tables);
        session.execute(&locks).await.map_err(|error| Stop::Statement(index, error))?;
        let modes = stepwise::own_modes(session).await?;
        let mut filled = Ok(());
        for (table, kept) in tables.iter_mut() {
            let name = table.shape.name.to_string();
            // Each copy commits by itself.
            let about = (name.as_str(), table.shape.rows, 0);
            let filling = stepwise::fill(session, table, kept, GroupKind::Definition);
            filled = lookout.while_copying(filling, about, self.observer).await;
            if filled.is_err() {
                break;
            }
        }
        session.execute(&modes).await?;
        if let Err(error) = filled {
            session.execute("UNLOCK TABLES").await?;
            session.rollback().await?;
            self.discard_making().await?;
            return Err(error.into());
        }
        for text in texts {
            session.execute(text).await.map_err(|error| Stop::Statement(index, error))?;
            self.begun.insert(index + 1, Begun::InEffect);
        }
        if !stepwise::settles_locked(tables) {
            session.execute("UNLOCK TABLES").await?;
        }
        let modes = stepwise::own_modes(session).await?;
        let mut lost = Vec::new();
        for (table, kept) in tables.iter_mut() {
            lost.push(
                stepwise::settle(session, kept, &table.loss, names, GroupKind::Definition).await?,
            );
        }
        session.execute("UNLOCK TABLES").await?;
        session.execute(&modes).await?;
        session.commit().await?;
        Ok(lost)
    }

    /// Records, in one transaction, that a statement is done and what was kept of it.
    pub(super) async fn record_done(
        &mut self,
        index: usize,
        ms: u128,
        settled: Vec<(i64, Kept, bool)>,
    ) -> Result<(), Stop> {
        let journal = self.runner.journal;
        let statement = &self.work.prepared.statements[index];
        let place = (self.work.version, self.work.prepared.direction, self.work.operation);
        let mut records = Vec::new();
        for (_, kept, lost) in &settled {
            records.push(if *lost {
                journal.update_kept(kept)?
            } else {
                format!("DELETE FROM {} WHERE id = {}", journal.table("kept"), kept.id)
            });
        }
        let points: BTreeSet<i64> = settled.iter().map(|(point, ..)| *point).collect();
        for point in points {
            let holds = settled.iter().any(|(of, _, lost)| *of == point && *lost);
            records.push(if holds {
                format!(
                    "UPDATE {} SET state = 'open' WHERE id = {point}",
                    journal.table("restore_point")
                )
            } else {
                journal.forget_point(point)
            });
        }
        records.extend(journal.done(place, &[(index + 1, statement.shown(), ms)]));
        let budget = self.runner.options.for_the_journal();
        self.runner.session.transact(budget, &records.join("; ")).await?;
        self.begun.remove(&(index + 1));
        for (_, kept, lost) in &settled {
            if *lost {
                let summary = KeptSummary::of(kept);
                self.observer.event(Event::Kept(&summary));
                self.applied.kept.push(summary);
            } else {
                stepwise::drop_store(&mut *self.runner.session, kept).await?;
            }
        }
        Ok(())
    }
}

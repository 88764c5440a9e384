//! What has to hold before the old shape may go.
//!
//! A gate belongs to a migration of the contract phase. It measures something, says what it found
//! and how to see it, and is open or closed. It opens by what it measures, or by a person's
//! deliberate word, which the journal keeps.

use std::collections::BTreeMap;
use std::time::Duration;

use downhaul_engine::{EngineError, LockBudget, Session};
use downhaul_plan::{Direction, Phase, Series, SourceMigration, Version};
use downhaul_snapshot::{Kept, SnapshotError, restore};
use downhaul_syntax::{Change, Dialect, ObjectName, parse_script};

use crate::clock::seconds_since;
use crate::journal::MigrationState;
use crate::{Event, Journal, JournalEntry, Observer, RunError, Runner, backfill, up};

/// What is asked before a contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GateName {
    /// Expand and backfill are applied, and no row is left.
    Backfill,
    /// The release that the expand phase was made for is live.
    Release,
    /// Some time has passed since then.
    Soak,
    /// Nobody uses what goes.
    Unused,
    /// No release has written what goes for a while, as a watch saw it.
    Watch,
    /// What earlier migrations destroyed is still kept whole.
    RestorePoints,
}

impl GateName {
    /// Every gate, in the order in which they are told.
    pub const ALL: [Self; 6] =
        [Self::Backfill, Self::Release, Self::Soak, Self::Unused, Self::Watch, Self::RestorePoints];

    /// The word of `--override-gate`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Backfill => "backfill",
            Self::Release => "release",
            Self::Soak => "soak",
            Self::Unused => "unused",
            Self::Watch => "watch",
            Self::RestorePoints => "restore-points",
        }
    }

    /// The gate that a word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|gate| gate.as_str() == word)
    }
}

/// Whether a gate lets the contract through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateState {
    /// It does.
    Open,
    /// It does not.
    Closed,
    /// Nothing asks for it, or there is nothing to measure.
    NotAsked,
}

impl GateState {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::NotAsked => "not asked",
        }
    }
}

/// One gate of one contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    /// The migration of the contract phase.
    pub version: Version,
    /// Its label.
    pub label: String,
    /// Which gate.
    pub name: GateName,
    /// Whether it is open.
    pub state: GateState,
    /// What was found, for people.
    pub measured: String,
    /// How to see it, or to open it; empty where it is open.
    pub see: String,
}

/// What is asked of whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GateRules {
    /// Time between the end of the backfill (or the release being live) and the contract.
    pub soak: Duration,
    /// Time for which nobody has written what a watch looks at.
    pub quiet: Duration,
    /// A release has to be named in the expand phase, and be live.
    pub release: bool,
    /// How much has to be known of the uses of what goes.
    pub unused: UnusedRule,
}

/// How much has to be known of the uses of what goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnusedRule {
    /// Nothing.
    Off,
    /// A known use closes the gate.
    #[default]
    Known,
    /// So does it if nothing was there to look at.
    Proof,
}

/// What is known of the uses of what one contract takes away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// What was looked at: "12 queries of queries/app.sql".
    pub sources: Vec<String>,
    /// Statements that fail afterwards, with the reason.
    pub uses: Vec<String>,
}

/// What the gates are asked about.
#[derive(Clone, Debug, Default)]
pub struct GateQuestion<'a> {
    /// The rules.
    pub rules: GateRules,
    /// Pending migrations of the contract phase.
    pub contracts: Vec<Version>,
    /// What is known of uses, by contract.
    pub evidence: BTreeMap<Version, Evidence>,
    /// The release that is said to be live now.
    pub live: Option<&'a str>,
}

/// Measures the gates of contracts. None on a database without any applied migration: it serves no
/// release yet.
pub async fn gates(
    session: &mut dyn Session,
    series: &Series,
    question: &GateQuestion<'_>,
) -> Result<Vec<Gate>, RunError> {
    let entries = up::entries_if_any(session).await?.unwrap_or_default();
    let mut out = Vec::new();
    if entries.is_empty() {
        return Ok(out);
    }
    let dialect = session.dialect();
    for (at, contract) in series.migrations.iter().enumerate() {
        let follows = contract.name.ends_with("_validate");
        if !question.contracts.contains(&contract.version) || follows {
            continue;
        }
        let earlier = earlier_phases(&series.migrations, at, dialect);
        let scene = Scene { series, question, entries: &entries, contract, earlier };
        out.push(scene.backfill(session).await?);
        out.push(scene.release(session).await?);
        out.push(scene.soak(session).await?);
        out.push(scene.unused());
        out.push(scene.watch(session).await?);
        out.push(scene.restore_points(session).await?);
    }
    Ok(out)
}

/// The migrations that prepared a contract: those of its own name, else the phases right before it.
fn earlier_phases(
    migrations: &[SourceMigration],
    at: usize,
    dialect: Dialect,
) -> Vec<&SourceMigration> {
    let contract = &migrations[at];
    let prepares = |m: &&SourceMigration| {
        !m.repeatable && matches!(m.phase(dialect), Some(Phase::Expand | Phase::Backfill))
    };
    if let Some(stem) = contract.name.strip_suffix("_contract") {
        let named = |m: &&SourceMigration| {
            m.name
                .strip_prefix(stem)
                .is_some_and(|rest| matches!(rest, "_expand" | "_backfill" | "_fill" | "_switch"))
        };
        // A name may come again: what led to an earlier contract is over.
        let last = migrations[..at].iter().rposition(|m| m.name == contract.name);
        let since = &migrations[last.map_or(0, |last| last + 1)..at];
        let found: Vec<_> = since.iter().filter(named).filter(prepares).collect();
        if !found.is_empty() {
            return found;
        }
    }
    let mut found: Vec<_> = migrations[..at].iter().rev().take_while(prepares).collect();
    found.reverse();
    found
}

struct Scene<'a> {
    series: &'a Series,
    question: &'a GateQuestion<'a>,
    entries: &'a [JournalEntry],
    contract: &'a SourceMigration,
    earlier: Vec<&'a SourceMigration>,
}

impl Scene<'_> {
    fn gate(&self, name: GateName, state: GateState, measured: String, see: String) -> Gate {
        Gate {
            version: self.contract.version.clone(),
            label: self.contract.label(),
            name,
            state,
            measured,
            see,
        }
    }

    fn entry(&self, version: &Version) -> Option<&JournalEntry> {
        self.entries.iter().find(|e| e.version == *version && e.state == MigrationState::Applied)
    }

    async fn backfill(&self, session: &mut dyn Session) -> Result<Gate, EngineError> {
        let name = GateName::Backfill;
        let missing: Vec<String> = self
            .earlier
            .iter()
            .filter(|m| self.entry(&m.version).is_none())
            .map(|m| m.label())
            .collect();
        if !missing.is_empty() {
            let is = if missing.len() == 1 { "is" } else { "are" };
            let measured = format!("{} {is} not applied", missing.join(", "));
            let see = "downhaul up --phase backfill".to_owned();
            return Ok(self.gate(name, GateState::Closed, measured, see));
        }
        let under_way = backfill::backfills(session).await?;
        let mine = |b: &backfill::Backfill| {
            b.direction == Direction::Up.to_string()
                && self.earlier.iter().any(|m| m.version == b.version)
        };
        if let Some(open) = under_way.iter().find(|b| mine(b) && !b.done) {
            let measured = format!("the backfill of {} is not at its end", open.table);
            let see = "downhaul up --phase backfill goes on with it, where `downhaul backfill status` shows no run at work"
                .to_owned();
            return Ok(self.gate(name, GateState::Closed, measured, see));
        }
        if self.earlier.iter().any(|m| m.name.ends_with("_switch")) {
            let measured =
                "finished; its rows were counted before the columns changed places".to_owned();
            return Ok(self.gate(name, GateState::Open, measured, String::new()));
        }
        let mut asked = 0;
        let dialect = session.dialect();
        for entry in self.earlier.iter().filter_map(|m| self.entry(&m.version)) {
            if entry.phase != Some(Phase::Backfill) {
                continue;
            }
            let text = match &self.series.variables {
                Some(variables) => variables
                    .expand(&entry.up_sql, dialect)
                    .map_or_else(|_| entry.up_sql.clone(), |expanded| expanded.text),
                None => entry.up_sql.clone(),
            };
            for statement in &parse_script(&text, dialect).statements {
                let Some(parts) = backfill::parts(statement, dialect) else { continue };
                let Some(counts) = parts.left(dialect) else { continue };
                let (mut found, mut asked_by) = (Ok(0), String::new());
                for count in counts {
                    found = counted(session, &count).await;
                    asked_by = count.replace(&format!(" {}", backfill::MARK), "");
                    if matches!(found, Ok(_) | Err(EngineError::Disconnected(_))) {
                        break;
                    }
                }
                let asked_by = one_line(&asked_by);
                let (left, see) = match found {
                    Ok(0) => {
                        asked += 1;
                        continue;
                    }
                    Ok(left) => (
                        match left {
                            1 => format!("1 row of {} is not filled", parts.table()),
                            _ => format!("{left} rows of {} are not filled", parts.table()),
                        },
                        // The phase is applied and does not run again by itself; of rows that were written
                        // behind the trigger's back only a person knows which side is right.
                        format!(
                            "look at them ({asked_by}), and where the old side is right fill them: {}",
                            one_line(&statement.text)
                        ),
                    ),
                    Err(error @ EngineError::Disconnected(_)) => return Err(error),
                    Err(error) => (
                        format!("{} cannot be counted: {error}", parts.table()),
                        format!("find what keeps this from running: {asked_by}"),
                    ),
                };
                return Ok(self.gate(name, GateState::Closed, left, see));
            }
        }
        let measured = match (self.earlier.len(), asked) {
            (0, _) => {
                let measured = "no expand or backfill phase comes before it".to_owned();
                return Ok(self.gate(name, GateState::NotAsked, measured, String::new()));
            }
            (_, 0) => "every earlier phase is applied; none fills rows".to_owned(),
            _ => "every earlier phase is applied, and 0 rows are left".to_owned(),
        };
        Ok(self.gate(name, GateState::Open, measured, String::new()))
    }

    async fn release(&self, session: &mut dyn Session) -> Result<Gate, EngineError> {
        let name = GateName::Release;
        let wanted = self
            .earlier
            .iter()
            .rev()
            .find_map(|m| self.entry(&m.version).and_then(|entry| entry.release.clone()));
        let Some(wanted) = wanted else {
            let measured = "the expand phase was applied without --release".to_owned();
            return Ok(if self.question.rules.release {
                let see = "name the release that is live with `up --phase contract --release NAME`";
                match self.question.live {
                    Some(live) => {
                        self.gate(name, GateState::Open, format!("{live} is live"), String::new())
                    }
                    None => self.gate(name, GateState::Closed, measured, see.into()),
                }
            } else {
                self.gate(name, GateState::NotAsked, measured, String::new())
            });
        };
        let mut operations =
            Journal::new(session.dialect()).operations(session, usize::from(u16::MAX)).await?;
        operations.reverse();
        let live = match self.question.live {
            Some(live) => Some((live.to_owned(), "--release".to_owned())),
            None => operations
                .iter()
                .rfind(|o| o.verb == LIVE)
                .and_then(|o| Some((o.release.clone()?, format!("{} said so", o.who)))),
        };
        let Some((live, by)) = live else {
            let measured = format!("nobody has said that {wanted} is live");
            let see = format!(
                "when no process of the old release is left: downhaul gates --live {wanted}"
            );
            return Ok(self.gate(name, GateState::Closed, measured, see));
        };
        let first = |label: &str| {
            operations.iter().position(|o| o.release.as_deref() == Some(label) && o.verb != LIVE)
        };
        // Releases come in the order in which the journal met them; one that it never met is new.
        let late = match (first(&live), first(&wanted)) {
            (Some(live), Some(wanted)) => live >= wanted,
            _ => true,
        };
        Ok(if live == wanted || late {
            // It may as well be a slip of the pen.
            let unknown = if live != wanted && first(&live).is_none() {
                format!(
                    "; no run of {live} is known, so it is taken for a later release than {wanted}"
                )
            } else {
                String::new()
            };
            let measured = format!("{live} is live ({by}){unknown}");
            self.gate(name, GateState::Open, measured, String::new())
        } else {
            let measured = format!("{live} is live ({by}), which is older than {wanted}");
            self.gate(
                name,
                GateState::Closed,
                measured,
                format!("deploy {wanted}; then downhaul gates --live {wanted}"),
            )
        })
    }

    async fn soak(&self, session: &mut dyn Session) -> Result<Gate, EngineError> {
        let name = GateName::Soak;
        let journal = Journal::new(session.dialect());
        let versions: Vec<String> = self
            .earlier
            .iter()
            .filter(|m| self.entry(&m.version).is_some())
            .map(|m| journal.text(m.version.as_str()))
            .collect();
        let wanted = self.question.rules.soak;
        if versions.is_empty() || wanted.is_zero() {
            let measured = if wanted.is_zero() {
                "no soak time is configured ([gates] soak)"
            } else {
                "no applied phase comes before it"
            };
            return Ok(self.gate(name, GateState::NotAsked, measured.into(), String::new()));
        }
        let dialect = session.dialect();
        let since = session
            .number(&format!(
                "SELECT min({}) FROM {} WHERE version IN ({})",
                seconds_since(dialect, "applied_at"),
                journal.table("migration"),
                versions.join(", ")
            ))
            .await?;
        let live = session
            .row(&format!(
                "SELECT min({}) FROM {} WHERE verb = '{LIVE}'",
                seconds_since(dialect, "finished_at"),
                journal.table("operation")
            ))
            .await?
            .and_then(|row| row.number(0).ok());
        let (since, what) = match live {
            Some(live) if live < since => (live, "the release is live"),
            _ => (since, "the last phase was applied"),
        };
        let passed = Duration::from_secs(u64::try_from(since).unwrap_or(0));
        let measured = format!("{} passed since {what}, of {}", span(passed), span(wanted));
        Ok(match wanted.checked_sub(passed) {
            Some(left) if !left.is_zero() => {
                self.gate(name, GateState::Closed, measured, format!("wait {}", span(left)))
            }
            _ => self.gate(name, GateState::Open, measured, String::new()),
        })
    }

    fn unused(&self) -> Gate {
        let name = GateName::Unused;
        let rule = self.question.rules.unused;
        if rule == UnusedRule::Off {
            let measured = "switched off ([gates] unused)".to_owned();
            return self.gate(name, GateState::NotAsked, measured, String::new());
        }
        let evidence = self.question.evidence.get(&self.contract.version);
        let none = Evidence::default();
        let Evidence { sources, uses } = evidence.unwrap_or(&none);
        if sources.is_empty() {
            let measured = "there is nothing to look at: no queries were given, and the server counts no statements".to_owned();
            return match rule {
                UnusedRule::Proof => self.gate(
                    name,
                    GateState::Closed,
                    measured,
                    "give the queries that are sent with --queries PATH, or install pg_stat_statements".into(),
                ),
                _ => self.gate(name, GateState::NotAsked, measured, String::new()),
            };
        }
        let looked = sources.join(", ");
        if uses.is_empty() {
            let measured = format!("no statement needs what goes; looked at {looked}");
            return self.gate(name, GateState::Open, measured, String::new());
        }
        let shown: Vec<&str> = uses.iter().take(3).map(String::as_str).collect();
        let more = match uses.len() - shown.len() {
            0 => String::new(),
            n => format!("\n… and {n} more"),
        };
        let n = uses.len();
        let s = if n == 1 { " needs" } else { "s need" };
        self.gate(
            name,
            GateState::Closed,
            format!("{n} statement{s} what goes:\n{}{more}", shown.join("\n")),
            format!(
                "looked at {looked}. Counts do not know when a statement was last sent: if all of these are from the old release, SELECT pg_stat_statements_reset() and let some time pass"
            ),
        )
    }

    /// Asks the watches that this contract takes down.
    async fn watch(&self, session: &mut dyn Session) -> Result<Gate, EngineError> {
        let name = GateName::Watch;
        let dialect = session.dialect();
        let not_asked = |measured: &str| {
            self.gate(name, GateState::NotAsked, measured.to_owned(), String::new())
        };
        let Some(up) = &self.contract.up else { return Ok(not_asked("it has no statements")) };
        let mut asked = Vec::new();
        for statement in &parse_script(&up.text, dialect).statements {
            for change in statement.changes() {
                let Change::DropTable { name: table, .. } = change else { continue };
                let what = session.row(&watched(table, dialect)).await?;
                let Some(what) = what.and_then(|row| row.opt(0).map(str::to_owned)) else {
                    continue;
                };
                let table = dialect.quote_name(table);
                let since = match dialect {
                    Dialect::Postgres => {
                        "CAST(extract(epoch FROM clock_timestamp() - max(at)) AS bigint)"
                    }
                    Dialect::Mysql | Dialect::MariaDb => {
                        "TIMESTAMPDIFF(SECOND, max(at), UTC_TIMESTAMP())"
                    }
                    Dialect::Sqlite => {
                        "CAST(strftime('%s', 'now') - strftime('%s', max(at)) AS INTEGER)"
                    }
                };
                let since = session.row(&format!("SELECT {since} FROM {table}")).await?;
                let since = since.filter(|row| row.opt(0).is_some());
                let since = since.map(|row| row.number(0)).transpose()?;
                asked.push((
                    what,
                    since.map(|s| Duration::from_secs(u64::try_from(s).unwrap_or(0))),
                    table,
                ));
            }
        }
        if asked.is_empty() {
            return Ok(not_asked("no watch stands (`downhaul expand --watch` writes one)"));
        }
        let quiet = self.question.rules.quiet;
        let told: Vec<String> = asked
            .iter()
            .map(|(what, since, _)| match since {
                Some(since) => format!("{what} was last written {} ago", span(*since)),
                None => format!("nobody has written {what} since the watch stands"),
            })
            .collect();
        let told = told.join("\n");
        let loud = asked.iter().find(|(_, since, _)| since.is_some_and(|s| s < quiet));
        Ok(match loud {
            Some((what, Some(since), table)) => self.gate(
                name,
                GateState::Closed,
                told,
                format!(
                    "find who writes {what}, and wait {}; the times stand in {table}",
                    span(quiet.saturating_sub(*since))
                ),
            ),
            _ => self.gate(name, GateState::Open, told, String::new()),
        })
    }

    async fn restore_points(&self, session: &mut dyn Session) -> Result<Gate, RunError> {
        let name = GateName::RestorePoints;
        let kept = Journal::new(session.dialect()).all_kept(session).await?;
        let unsound = unsound(session, &kept).await?;
        Ok(if unsound.is_empty() {
            let measured = match kept.len() {
                0 => "nothing is kept".to_owned(),
                n => format!("what is kept of {n} tables is whole"),
            };
            self.gate(name, GateState::Open, measured, String::new())
        } else {
            let see = "the way back of these migrations is not whole any more (`downhaul verify` says the same): bring back from a backup what was changed, or give it up with downhaul snapshot prune --kept --older-than AGE";
            self.gate(name, GateState::Closed, unsound.join("\n"), see.into())
        })
    }
}

/// What is kept and is not what it was, by migration.
pub(crate) async fn unsound(
    session: &mut dyn Session,
    kept: &[(Version, Kept)],
) -> Result<Vec<String>, RunError> {
    let mut unsound = Vec::new();
    if kept.is_empty() {
        return Ok(unsound);
    }
    // Digests need fixed settings, which last for a transaction.
    session.begin_reading(LockBudget::default()).await?;
    let mut result = Ok(());
    for (version, kept) in kept {
        match restore::check_sound(session, kept).await {
            Ok(()) => {}
            Err(error @ SnapshotError::NotSound { .. }) => {
                unsound.push(format!("{version}: {error}"));
            }
            Err(error) => {
                result = Err(error);
                break;
            }
        }
    }
    session.rollback().await?;
    result?;
    Ok(unsound)
}

/// The verb of an operation that says that a release is live.
const LIVE: &str = "live";

/// Counts rows, and waits for a lock no longer than a statement of a migration does.
async fn counted(session: &mut dyn Session, count: &str) -> Result<i64, EngineError> {
    session.begin_reading(LockBudget::default()).await?;
    let found = session.number(count).await;
    // After a broken connection there is nothing to roll back.
    let _ = session.rollback().await;
    found
}

/// SQL in one line, without the comments above it.
fn one_line(sql: &str) -> String {
    let lines: Vec<&str> =
        sql.lines().map(str::trim).filter(|line| !line.starts_with("--")).collect();
    // A comment behind a line would take the next one with it.
    let glue = if lines.iter().any(|line| line.contains("--")) { "\n" } else { " " };
    lines.join(glue).trim().to_owned()
}

/// `2 d`, `3 h 5 min`, `40 s`.
fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

impl Runner {
    /// Writes down that the release of the options is live everywhere.
    pub async fn record_live(&mut self, observer: &mut dyn Observer) -> Result<(), RunError> {
        let operation = self.begin_operation(LIVE, &[], observer).await?;
        let result = Ok(());
        self.end_operation(operation, &result).await;
        if let Some(release) = &self.options.release {
            observer.event(Event::Note(&format!("{release} is recorded as live")));
        }
        result
    }
}

/// Query for what the table of a watch says that it watches; no row or NULL where it is another table.
fn watched(table: &ObjectName, dialect: Dialect) -> String {
    let is_watch = "LIKE 'downhaul watch of %'";
    match dialect {
        Dialect::Postgres => format!(
            "SELECT substr(d, 19) FROM (SELECT obj_description(to_regclass({}), 'pg_class') AS d) x WHERE d {is_watch}",
            dialect.literal(&dialect.quote_name(table))
        ),
        Dialect::Mysql | Dialect::MariaDb => format!(
            "SELECT substr(TABLE_COMMENT, 19) FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {} AND TABLE_COMMENT {is_watch}",
            table.schema.as_ref().map_or("DATABASE()".into(), |s| dialect.literal(s.as_str())),
            dialect.literal(table.name.as_str())
        ),
        // The default of a column says it, with its quotes.
        Dialect::Sqlite => format!(
            "SELECT substr(d, 19) FROM (SELECT substr(dflt_value, 2, length(dflt_value) - 2) AS d FROM pragma_table_info({})) x WHERE d {is_watch}",
            dialect.literal(table.name.as_str())
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use downhaul_plan::{SourceFile, TransactionMode};

    #[test]
    fn phases_are_found_by_name_and_else_by_place() {
        let migration = |version: &str, name: &str| SourceMigration {
            version: Version::new(version),
            name: name.into(),
            up: Some(SourceFile::sql("x".into(), String::new(), TransactionMode::Wrapped)),
            down: None,
            repeatable: false,
        };
        let names = ["base", "a_expand", "b_expand", "a_backfill", "b_contract", "a_contract"];
        let migrations: Vec<_> =
            names.iter().enumerate().map(|(i, n)| migration(&i.to_string(), n)).collect();
        let found = |at: usize, all: &[SourceMigration]| -> Vec<String> {
            earlier_phases(all, at, Dialect::Postgres).iter().map(|m| m.name.clone()).collect()
        };
        assert_eq!(found(5, &migrations), ["a_expand", "a_backfill"]);
        assert_eq!(found(4, &migrations), ["b_expand"]);
        let by_place =
            [migration("1", "base"), migration("2", "x_expand"), migration("3", "y.contract")];
        assert_eq!(found(2, &by_place), ["x_expand"]);
        let again = ["a_expand", "a_contract", "a_backfill", "a_contract"];
        let again: Vec<_> =
            again.iter().enumerate().map(|(i, n)| migration(&i.to_string(), n)).collect();
        assert_eq!(found(3, &again), ["a_backfill"]);
    }

    #[test]
    fn names_read_back() {
        for gate in GateName::ALL {
            assert_eq!(GateName::parse(gate.as_str()), Some(gate));
        }
        assert_eq!(span(Duration::from_secs(3700)), "1 h 1 min");
    }
}

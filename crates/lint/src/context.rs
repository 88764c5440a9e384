//! What a rule sees.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

use downhaul_catalog::{Difference, Problem};
use downhaul_syntax::{Change, Dialect, Ident, ObjectName, Span};

use crate::Severity;
use crate::effects::rebuilt::Remade;
use crate::effects::{Blocks, Break, Effects, Loss, Scene};
use crate::facts::Phase;
use crate::facts::{Item, MigrationFacts, StatementFacts};
use crate::finding::{Draft, Edit};
use crate::input::{DownPolicy, MigrationInput};
use crate::queries::{Broken, QueryIndex};
use crate::state::State;

/// One change of an up, the catalog before it, and the migration around it.
pub(crate) struct ChangeContext<'a> {
    pub(crate) change: &'a Change,
    /// The clause.
    pub(crate) span: Span,
    /// The state it meets, and what surrounds it.
    pub(crate) scene: &'a Scene<'a>,
    /// Effects of this change alone.
    pub(crate) effects: &'a Effects,
    pub(crate) facts: &'a MigrationFacts<'a>,
    pub(crate) statement: &'a StatementFacts<'a>,
    /// Index of this change among [`MigrationFacts::items`].
    pub(crate) index: usize,
    /// Locks on populated tables taken by earlier statements of this transaction.
    pub(crate) held: &'a [HeldLock],
    pub(crate) queries: &'a QueryIndex,
    /// Queries that the clause breaks.
    pub(crate) broken: Vec<&'a Broken>,
    /// Those of them that the rule at work has named.
    pub(crate) named: RefCell<BTreeSet<usize>>,
    /// Those of them that no rule has named so far, where this is the clause's last change.
    pub(crate) unsaid: BTreeSet<usize>,
}

/// A lock that an earlier statement of the transaction took.
#[derive(Clone, Debug)]
pub(crate) struct HeldLock {
    pub(crate) table: ObjectName,
    pub(crate) mode: &'static str,
    pub(crate) blocks: Blocks,
    /// Line of the statement that took it.
    pub(crate) line: usize,
    /// Its statement.
    pub(crate) statement: usize,
}

impl<'a> Deref for ChangeContext<'a> {
    type Target = State<'a>;

    fn deref(&self) -> &Self::Target {
        &self.scene.state
    }
}

impl<'a> ChangeContext<'a> {
    /// Changes of this migration after this one.
    pub(crate) fn later(&self) -> impl Iterator<Item = &'a Item<'a>> + use<'a> {
        self.facts.items[(self.index + 1).min(self.facts.items.len())..].iter()
    }

    /// Changes of this migration before this one.
    pub(crate) fn earlier(&self) -> impl Iterator<Item = &'a Item<'a>> + use<'a> {
        self.facts.items[..self.index].iter()
    }

    /// The migration says that no running release uses the old shape any more.
    pub(crate) fn is_contract(&self) -> bool {
        self.facts.phase == Some(Phase::Contract)
    }

    /// What is known of the statements that would break: text to put behind the message, and the
    /// severity. All statements of the release are known where any are: if none of them names
    /// what goes, this is no more than a remark. `users` are those that name the object.
    /// Routines and triggers that name it are not among the queries that are given.
    pub(crate) fn release_use(
        &self,
        name: &Ident,
        users: impl Iterator<Item = usize>,
    ) -> (String, Severity) {
        self.judged_by_queries(users, Severity::Error, self.unless_in_server_code(name))
    }

    /// A remark, where no routine and no trigger names it.
    /// Without queries nobody asks.
    pub(crate) fn unless_in_server_code(&self, name: &Ident) -> Severity {
        if !self.queries.is_empty() && self.in_server_code(name) {
            Severity::Warning
        } else {
            Severity::Info
        }
    }

    /// The text of a routine or a trigger has the word.
    fn in_server_code(&self, name: &Ident) -> bool {
        let name = name.as_str();
        let has = |text: &str| {
            text.split(|c: char| !c.is_alphanumeric() && c != '_')
                .any(|word| word.eq_ignore_ascii_case(name))
        };
        let routines = self.catalog.routines.values().filter_map(|r| r.def.body.as_deref());
        let triggers =
            self.catalog.tables.values().flat_map(|t| &t.triggers).map(|t| t.text.as_str());
        routines.chain(triggers).any(has)
    }

    /// The same where the statements alone do not tell, for it depends on the values that they
    /// send.
    pub(crate) fn release_writes(&self, users: impl Iterator<Item = usize>) -> (String, Severity) {
        self.judged_by_queries(users, Severity::Error, Severity::Warning)
    }

    /// What is known of the statements that would break; `usual` is the severity where some do, or
    /// none are given, and `untouched` where some are given and none does.
    pub(crate) fn judged_by_queries(
        &self,
        users: impl Iterator<Item = usize>,
        usual: Severity,
        untouched: Severity,
    ) -> (String, Severity) {
        let text = self.broken_queries(users);
        if self.queries.is_empty() || !text.is_empty() {
            (text, usual)
        } else {
            (" (none of the known queries does)".to_owned(), untouched)
        }
    }

    /// ` (src/orders.sql:12:8: SELECT …: why)` for the known queries that break with this clause,
    /// and for those of the `users` of which not all is known; empty without any.
    pub(crate) fn broken_queries(&self, users: impl Iterator<Item = usize>) -> String {
        self.listed(users.filter(|q| self.queries.is_unsure(*q)))
    }

    /// The same for all users, whether they break or not.
    pub(crate) fn listed(&self, users: impl Iterator<Item = usize>) -> String {
        let mut places: Vec<String> = Vec::new();
        for broken in &self.broken {
            self.named.borrow_mut().insert(broken.query);
            let query = &self.queries.queries[broken.query];
            let Some(fault) = broken.faults.first() else { continue };
            places.push(format!(
                "{}: `{}`: {}",
                query.place(fault.span),
                shortened(&query.text),
                fault.why
            ));
        }
        places.extend(users.filter(|q| !self.broken.iter().any(|b| b.query == *q)).map(|q| {
            let query = &self.queries.queries[q];
            format!("{}: `{}`", query.place(Span::default()), shortened(&query.text))
        }));
        let more = places.len().saturating_sub(3);
        places.truncate(3);
        match (places.is_empty(), more) {
            (true, _) => String::new(),
            (false, 0) => format!(" ({})", places.join("; ")),
            (false, more) => format!(" ({}; and {more} more)", places.join("; ")),
        }
    }

    /// In use, and not known to be small: a lock that lasts as long as the table is large hurts. On
    /// SQLite, where it is the amount that counts and not the kind of lock, the rows that the migrations
    /// bring along tell too.
    pub(crate) fn populated(&self, name: &ObjectName) -> bool {
        let few = match self.dialect() {
            Dialect::Sqlite => self.has_few_rows(name),
            Dialect::Mysql | Dialect::MariaDb => self.rows_put_in(name) == Some(0),
            // Its locks are taken and its scans begun whatever a table holds.
            Dialect::Postgres => false,
        };
        self.scene.state.populated(name) && !few
    }

    /// The migrations bring the data along, and few rows of this table.
    pub(crate) fn has_few_rows(&self, name: &ObjectName) -> bool {
        let few = match self.dialect() {
            Dialect::Sqlite => 400,
            // Locks of rows alone.
            Dialect::Postgres | Dialect::Mysql | Dialect::MariaDb => 50,
        };
        self.rows_put_in(name).is_some_and(|rows| rows < few)
    }

    /// How many rows a table has at most, where the migrations bring the data along.
    pub(crate) fn rows_put_in(&self, name: &ObjectName) -> Option<u64> {
        let known = self.table(name).is_some_and(|t| t.stats.is_none());
        let hot = self.options.hot_tables.contains(&name.name);
        if known && !hot { self.scene.seeds.count(&self.catalog.normalize(name)) } else { None }
    }

    /// Tables that hold rows among these.
    pub(crate) fn populated_of<'t>(&self, tables: &'t [ObjectName]) -> Vec<&'t ObjectName> {
        tables.iter().filter(|t| self.populated(t)).collect()
    }

    /// The table, or one of its partitions, is one of these and holds rows.
    pub(crate) fn hits(&self, tables: &[ObjectName], table: &ObjectName) -> bool {
        self.populated(table) && self.is_among(table, tables)
    }

    /// The table, or one of its partitions, is one of these.
    pub(crate) fn is_among(&self, table: &ObjectName, tables: &[ObjectName]) -> bool {
        !tables.is_empty()
            && (tables.contains(&self.catalog.normalize(table))
                || self.children(table).iter().any(|child| self.is_among(child, tables)))
    }

    /// A short lock is no more than a note where the runner bounds every wait for a lock.
    pub(crate) fn brief_lock(&self) -> Severity {
        if self.options.lock_budget { Severity::Info } else { Severity::Warning }
    }

    /// Changes of the same transaction after this one.
    pub(crate) fn later_in_transaction(&self) -> impl Iterator<Item = &'a Item<'a>> + use<'a> {
        let (facts, transaction) = (self.facts, self.statement.transaction);
        self.later().take_while(move |i| facts.statements[i.statement].transaction == transaction)
    }

    /// What is lost is kept by the runner.
    pub(crate) fn protected(&self, table: &ObjectName) -> bool {
        self.options.restore_points && !self.facts.unprotected(table)
    }

    /// Adds the fix of an index statement that stands alone in its file: `CONCURRENTLY`, outside a
    /// transaction. Beside other statements it needs a file of its own, which is no edit.
    pub(crate) fn fix_concurrently(&self, draft: Draft) -> Draft {
        let statement = self.statement.statement;
        let lower = statement.text.to_ascii_lowercase();
        let Some(at) = lower.find("index") else { return draft };
        if self.facts.script.statements.len() != 1 || statement.changes().len() != 1 {
            return draft;
        }
        let behind = statement.span.start + at + "index".len();
        let mut edits = Vec::new();
        if self.facts.wrapped {
            edits.push(Edit {
                span: Span::new(0, 0),
                text: "-- downhaul:no-transaction\n".to_owned(),
            });
        }
        edits.push(Edit { span: Span::new(behind, behind), text: " CONCURRENTLY".to_owned() });
        draft.fix("build or drop it CONCURRENTLY, outside a transaction", edits)
    }

    /// `DROP TEMPORARY TABLE`, which leaves tables of that name alone.
    pub(crate) fn drops_temporary(&self) -> bool {
        let mut words = self.statement.statement.text.split_ascii_whitespace();
        words.next().is_some_and(|w| w.eq_ignore_ascii_case("drop"))
            && words.next().is_some_and(|w| w.eq_ignore_ascii_case("temporary"))
    }

    /// The table of SQLite that this change makes anew: the old one and the new one.
    pub(crate) fn remade_in_sqlite(&self) -> Option<Remade<'a>> {
        self.scene.remade.filter(|_| self.dialect() == Dialect::Sqlite)
    }

    /// Whether a change belongs to a SQLite rebuild of a table (create new, copy, drop, rename).
    pub(crate) fn in_rebuild(&self) -> bool {
        self.facts.in_rebuild(self.index)
    }
}

/// A whole migration after its up was replayed.
pub(crate) struct MigrationContext<'a> {
    pub(crate) input: &'a MigrationInput,
    /// Catalog after the up.
    pub(crate) after: State<'a>,
    /// The up, where there is one.
    pub(crate) up: Option<&'a MigrationFacts<'a>>,
    /// Effects of each of the up's items.
    pub(crate) effects: &'a [Effects],
    /// Why changes of the up cannot run: the clause, and the reason.
    pub(crate) failures: &'a [(Span, Problem)],
    /// The down, where there is one.
    pub(crate) down: Option<&'a MigrationFacts<'a>>,
    /// What replaying the down after the up left different; `None` where it was not replayed.
    pub(crate) replay: Option<&'a DownReplay<'a>>,
    /// What earlier migrations of the series did.
    pub(crate) series: &'a SeriesFacts,
    /// The files come in pairs.
    pub(crate) paired: bool,
}

impl MigrationContext<'_> {
    /// A missing down counts.
    pub(crate) fn down_wanted(&self) -> bool {
        if self.input.repeatable {
            return false;
        }
        match self.after.options.down {
            DownPolicy::Required => true,
            DownPolicy::Ignored => false,
            DownPolicy::Auto => {
                let path = self.input.up.as_ref().map_or("", |up| up.path.as_str());
                self.paired || path.ends_with(".up.sql") || path.ends_with("/up.sql")
            }
        }
    }
}

/// At most 80 characters.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// A change of a down that the server refuses.
#[derive(Clone, Debug)]
pub(crate) struct DownProblem<'a> {
    /// Index of the statement.
    pub(crate) statement: usize,
    pub(crate) change: &'a Change,
    pub(crate) problem: Problem,
    /// It speaks of an object that the series is known to have made.
    pub(crate) known: bool,
}

/// What a down does to the catalog that its up left.
#[derive(Clone, Debug, Default)]
pub(crate) struct DownReplay<'a> {
    /// Both sides are known well enough to be compared.
    pub(crate) compared: bool,
    /// Left: before the up. Right: after up and down.
    pub(crate) differences: Vec<Difference>,
    /// Why changes of the down cannot run.
    pub(crate) problems: Vec<DownProblem<'a>>,
    /// What the down destroys of that which the new release may have written: statement, loss.
    pub(crate) losses: Vec<(usize, Loss)>,
    /// What the new release relies on and the down takes away: statement, break.
    pub(crate) breaks: Vec<(usize, Break)>,
}

/// What earlier migrations did.
#[derive(Clone, Debug, Default)]
pub(crate) struct SeriesFacts {
    /// Some earlier migration was marked `expand`.
    pub(crate) expands: usize,
    /// Index of the last one marked `expand`.
    pub(crate) last_expand: Option<usize>,
    /// First index of the deployment that is judged.
    pub(crate) deployment: usize,
    /// Versions seen, with the path.
    pub(crate) versions: BTreeMap<String, String>,
}

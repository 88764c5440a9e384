//! A migration file made ready to run.

use std::collections::BTreeMap;
use std::path::PathBuf;

use downhaul_engine::{EngineError, Session, TableLock};
use downhaul_plan::{
    Checksum, Direction, Phase, SourceFile, SourceMigration, TransactionMode, Variables,
    variables::Expanded,
};
use downhaul_snapshot::added::Filled;
use downhaul_snapshot::keep::Endangered;
use downhaul_snapshot::tombstone::{self, Choice, Policy};
use downhaul_snapshot::{Losses, TableLoss, losses};
use downhaul_syntax::change::{ReindexTarget, TransactionControl};
use downhaul_syntax::{
    Change, Dialect, DirectiveKind, Ident, LineIndex, ObjectName, Parsed, Statement, misread,
    parse_script,
};

use crate::error::FailedStatement;
use crate::{Options, RunError, backfill};

/// Statements that run together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Group {
    /// In one transaction.
    Transaction(Vec<usize>),
    /// Alone, outside any transaction.
    Single(usize),
    /// An `UPDATE` of a backfill, in many small transactions.
    Batched(usize),
}

/// `-- downhaul:protect …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protection {
    /// Keep, or not.
    pub keep: bool,
    /// How, where it says so.
    pub policy: Option<Policy>,
    /// Tables it holds for; empty = all.
    pub tables: Vec<ObjectName>,
}

/// What is known of a statement before it runs.
#[derive(Clone, Debug, Default)]
pub struct Foreseen {
    /// Locks that it takes on tables in use.
    pub locks: Vec<TableLock>,
    /// It may take long: it reads or writes all rows of a table, or nobody knows what it does.
    pub lasts: bool,
}

/// One direction of one migration, parsed and cut into groups.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// `0007_slim_customers`.
    pub label: String,
    /// Which way.
    pub direction: Direction,
    /// The file.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// Has it been edited?
    pub checksum: Checksum,
    /// Statements, in order.
    pub statements: Vec<Statement>,
    /// How they run.
    pub groups: Vec<Group>,
    /// `PRAGMA foreign_keys = OFF` occurs (SQLite, where it does nothing inside a transaction, so
    /// it is done before).
    pub foreign_keys_off: bool,
    /// Session settings are changed and must be reset afterwards.
    pub changes_settings: bool,
    /// What the file says about keeping data, in order.
    pub protection: Vec<Protection>,
    /// Columns that are dropped and follow from others of their row, as `-- downhaul:forward` above the
    /// statement says: table, column, expression.
    pub follows: Vec<(ObjectName, Ident, String)>,
    /// Columns that the migration added which this way back drops, with what each row had in them then.
    pub added: Vec<(ObjectName, Ident, Filled)>,
    /// What is foreseen of each statement, before anything queues. Empty where nobody has looked.
    pub foreseen: Vec<Foreseen>,
    /// Remarks for the person who runs it.
    pub notes: Vec<String>,
    lines: LineIndex,
    expanded: Expanded,
    variables: Option<Variables>,
}

impl Prepared {
    /// Parses a migration's file, with `variables` in the place of its placeholders. Text that
    /// cannot be cut into statements is refused.
    pub fn new(
        migration: &SourceMigration,
        direction: Direction,
        file: &SourceFile,
        dialect: Dialect,
        variables: Option<&Variables>,
    ) -> Result<Self, RunError> {
        if file.program {
            return Err(RunError::Syntax {
                path: file.path.clone(),
                line: 1,
                column: 1,
                message: "this migration is a program, which Downhaul cannot run".into(),
            });
        }
        let lines = LineIndex::new(&file.text);
        let refuse_at = |offset: usize, message: String| {
            let at = lines.position(&file.text, offset);
            RunError::Syntax { path: file.path.clone(), line: at.line, column: at.column, message }
        };
        let expanded = match variables {
            Some(variables) => variables.expand(&file.text, dialect).map_err(|unknown| {
                let name = unknown.name;
                refuse_at(
                    unknown.offset,
                    format!(
                        "`${{{name}}}` has no value; give it with --var {name}=…, DOWNHAUL_VAR_{name} or [variables] in downhaul.toml"
                    ),
                )
            })?,
            None => Expanded::unchanged(&file.text),
        };
        let mut checksum = Checksum::of(&file.text, dialect);
        if let (Some(variables), false) = (variables, expanded.used.is_empty()) {
            let values = variables.hash(&expanded.used, &checksum.raw);
            checksum.raw = format!("{}+{values}", checksum.raw);
        }
        let script = parse_script(&expanded.text, dialect);
        let refuse = |offset: usize, message: String| refuse_at(expanded.in_file(offset), message);
        if let Some(error) = script.errors.first() {
            return Err(refuse(error.span.start, error.message.clone()));
        }
        // What is kept, when, and in which transaction depends on them. Allowances only concern `lint`, and a way
        // back is not held up.
        if direction == Direction::Up
            && let Some((text, span)) = script.directives.iter().find_map(|d| match &d.kind {
                DirectiveKind::Unknown(text) if !text.starts_with("allow") => Some((text, d.span)),
                _ => None,
            })
        {
            let (what, next) = misread(text);
            return Err(refuse(span.start, format!("{what}: {next}")));
        }
        let mut notes = Vec::new();
        let mut foreign_keys_off = false;
        let mut changes_settings = false;
        let mut statements = Vec::with_capacity(script.statements.len());
        for statement in script.statements {
            match statement.changes() {
                [
                    Change::Transaction {
                        control: TransactionControl::Begin | TransactionControl::Commit,
                    },
                ] => {
                    if notes.is_empty() {
                        notes.push("BEGIN and COMMIT in the file are left out: Downhaul runs it in a transaction of its own".to_owned());
                    }
                    continue;
                }
                [Change::Transaction { control: TransactionControl::Rollback }] => {
                    return Err(refuse(
                        statement.span.start,
                        "ROLLBACK would undo the migration that Downhaul is recording as done; take it out".into(),
                    ));
                }
                [Change::ClientCommand { text }] => {
                    let word = text.split_whitespace().next().unwrap_or(text);
                    return Err(refuse(
                        statement.span.start,
                        format!(
                            "`{word}` is a command of a client program, which the server does not know; write it as SQL"
                        ),
                    ));
                }
                [Change::SetVariable { name, value, .. }]
                    if dialect == Dialect::Sqlite && name == "foreign_keys" =>
                {
                    foreign_keys_off |=
                        matches!(value.to_ascii_lowercase().as_str(), "off" | "0" | "false" | "no");
                    continue;
                }
                [Change::SetVariable { local, .. }] => changes_settings |= !local,
                _ => {}
            }
            if dialect == Dialect::Postgres && copies_through_client(&statement) {
                return Err(refuse(
                    statement.span.start,
                    "COPY with stdin or stdout waits for a client program that sends or takes the rows; write them as INSERT".into(),
                ));
            }
            let mut statement = statement;
            if !expanded.used.is_empty() {
                statement.shown = Some(expanded.source(&file.text, statement.span).to_owned());
            }
            statements.push(statement);
        }
        let mut protection = Vec::new();
        for directive in &script.directives {
            let DirectiveKind::Protect { policy, tables } = &directive.kind else { continue };
            let tables: Vec<ObjectName> =
                tables.iter().map(|table| table_name(table, dialect)).collect();
            let keep = policy != "off";
            let policy = match policy.as_str() {
                "copy" => Some(Policy::Copy),
                "tombstone" => Some(Policy::Tombstone),
                "auto" => Some(Policy::Auto),
                _ => None,
            };
            protection.push(Protection { keep, policy, tables });
        }
        let follows = follows(&script.directives, &statements);
        let no_transaction = file.transaction == TransactionMode::None
            || script.directives.iter().any(|d| d.kind == DirectiveKind::NoTransaction);
        // Batches keep nothing: where old values are wanted, all is one transaction.
        let batched = Phase::declared(file, dialect) == Some(Phase::Backfill)
            && protection.iter().any(|p| !p.keep && p.tables.is_empty());
        Ok(Self {
            label: migration.label(),
            direction,
            path: file.path.clone(),
            checksum,
            text: file.text.clone(),
            variables: variables.cloned(),
            expanded,
            groups: groups(&statements, dialect, no_transaction, batched),
            statements,
            foreign_keys_off,
            changes_settings,
            protection,
            follows,
            added: Vec::new(),
            foreseen: Vec::new(),
            notes,
            lines,
        })
    }

    /// What some of its statements destroy, as far as it is to be kept.
    #[must_use]
    pub fn losses<'a>(
        &self,
        statements: impl IntoIterator<Item = &'a Statement>,
        dialect: Dialect,
    ) -> Losses {
        let mut losses = losses(statements, dialect);
        for protection in &self.protection {
            if protection.keep {
                if protection.policy != Some(Policy::Tombstone) {
                    losses.keep(&protection.tables);
                }
            } else {
                losses.give_up(&protection.tables);
            }
        }
        for (table, column, expr) in &self.follows {
            losses.follows(table, column, expr);
        }
        for (table, column, filled) in &self.added {
            losses.added(table, column, filled);
        }
        losses
    }

    /// How a live table is kept: what the file says of it, else of all tables, else what the run was
    /// told.
    #[must_use]
    pub fn policy(&self, table: &ObjectName, options: &Options) -> Policy {
        let names = |written: &ObjectName| {
            written.name == table.name
                && (written.schema.is_none() || written.schema == table.schema)
        };
        let of_file = |named: bool| {
            self.protection.iter().rev().find_map(|protection| {
                let fits = if named {
                    protection.tables.iter().any(names)
                } else {
                    protection.tables.is_empty()
                };
                protection.policy.filter(|_| fits)
            })
        };
        let of_run = || options.policies.iter().find(|(name, _)| names(name)).map(|(_, p)| *p);
        of_file(true).or_else(|| of_file(false)).or_else(of_run).unwrap_or(options.policy)
    }

    /// How a live table is kept of which something is lost, and whether all columns that it loses are
    /// named, in the file or for the run, as ones to be renamed instead (`orders.note`).
    #[must_use]
    pub fn wish(&self, table: &ObjectName, loss: &TableLoss, options: &Options) -> (Policy, bool) {
        // What names a column reads like a table of a schema.
        let names = |written: &ObjectName, column: &Ident| {
            let of = written.schema.as_ref();
            let full = format!("{}.{column}", table.name);
            of == Some(&table.name) && written.name == *column
                || of.is_some() && of == table.schema.as_ref() && written.name.as_str() == full
        };
        let hidden = |column: &Ident| {
            let of_file =
                self.protection.iter().rev().find(|protection| {
                    protection.tables.iter().any(|written| names(written, column))
                });
            let of_run = || options.policies.iter().find(|(written, _)| names(written, column));
            let policy = of_file.map_or_else(|| of_run().map(|(_, p)| *p), |p| p.policy);
            policy == Some(Policy::Tombstone)
        };
        let hide = !loss.columns.is_empty() && loss.columns.iter().all(hidden);
        (self.policy(table, options), hide)
    }

    /// Whether one transaction holds all of it.
    #[must_use]
    pub fn is_transactional(&self) -> bool {
        matches!(self.groups.as_slice(), [] | [Group::Transaction(_)])
    }

    /// The locks that are foreseen of a statement.
    pub(crate) fn foreseen(&self, index: usize) -> &[TableLock] {
        self.foreseen.get(index).map_or(&[], |foreseen| foreseen.locks.as_slice())
    }

    /// Locks that some of its statements take.
    #[must_use]
    pub fn locks_of(&self, members: &[usize]) -> Vec<TableLock> {
        let mut locks: Vec<TableLock> = Vec::new();
        for lock in members.iter().flat_map(|index| self.foreseen(*index)) {
            if !locks.contains(lock) {
                locks.push(lock.clone());
            }
        }
        locks
    }

    /// The place of a failure in the file.
    #[must_use]
    pub fn failed(&self, index: usize, error: EngineError) -> Box<FailedStatement> {
        let statement = &self.statements[index];
        let inside = error
            .failure()
            .filter(|failure| failure.sql == statement.text)
            .and_then(|failure| failure.position)
            .and_then(|at| statement.text.char_indices().nth(at))
            .map_or(0, |(byte, _)| byte);
        let inside = self.expanded.in_file(statement.span.start + inside);
        let at = self.lines.position(&self.text, inside);
        let error = match &self.variables {
            Some(variables) => error.map_text(&|text| variables.redact(text)),
            None => error,
        };
        Box::new(FailedStatement {
            path: self.path.clone(),
            line: at.line,
            column: at.column,
            sql: statement.shown().to_owned(),
            error,
        })
    }
}

/// How each table of which the migration destroys something is kept; those that are not there yet
/// are left out. Reads only.
pub async fn keeping(
    session: &mut dyn Session,
    prepared: &Prepared,
    options: &Options,
) -> Result<BTreeMap<ObjectName, Choice>, RunError> {
    let losses = prepared.losses(&prepared.statements, session.dialect());
    let statements: Vec<&Statement> = prepared.statements.iter().collect();
    let mut found = BTreeMap::new();
    for (name, loss) in losses.tables.iter().filter(|(_, loss)| loss.destroys()) {
        let Some(shape) = session.table_shape(name).await? else { continue };
        let wish = prepared.wish(&shape.name, loss, options);
        let table = Endangered { shape, loss: loss.clone() };
        if table.is_catalog(session.dialect()) {
            continue;
        }
        let choice = tombstone::choose(session, &table, wish, &statements).await?;
        found.insert(name.clone(), choice);
    }
    Ok(found)
}

/// What `-- downhaul:forward` says of columns that the statement right behind it drops.
fn follows(
    directives: &[downhaul_syntax::Directive],
    statements: &[Statement],
) -> Vec<(ObjectName, Ident, String)> {
    let mut found = Vec::new();
    for directive in directives {
        let DirectiveKind::Forward(conversion) = &directive.kind else { continue };
        let next = statements.iter().find(|s| s.span.end > directive.span.end);
        for change in next.into_iter().flat_map(Statement::changes) {
            if let Change::DropColumn { table, column, .. } = change
                && conversion.column.as_deref().is_none_or(|name| name == column.as_str())
            {
                found.push((table.clone(), column.clone(), conversion.expr.clone()));
            }
        }
    }
    found
}

/// `COPY … FROM stdin` and `COPY … TO stdout`, for which the server would wait forever.
fn copies_through_client(statement: &Statement) -> bool {
    let mut words = statement.text.split_whitespace();
    words.next().is_some_and(|word| word.eq_ignore_ascii_case("copy"))
        && (statement.copy_data.is_some()
            || words.any(|word| {
                ["stdin", "stdout"].iter().any(|stream| word.eq_ignore_ascii_case(stream))
            }))
}

/// `orders`, `shop.orders`, `"Order"` as written in a directive.
#[must_use]
pub fn table_name(written: &str, dialect: Dialect) -> ObjectName {
    let ident = |part: &str| match part.strip_prefix('"').and_then(|p| p.strip_suffix('"')) {
        Some(quoted) => Ident::new(dialect, quoted, true),
        None => Ident::new(dialect, part, false),
    };
    match written.split_once('.') {
        Some((schema, name)) => {
            let mut full = ObjectName::bare(ident(name));
            full.schema = Some(ident(schema));
            full
        }
        None => ObjectName::bare(ident(written)),
    }
}

/// Whether a statement refuses to run inside a transaction.
fn refuses_transaction(statement: &Statement, dialect: Dialect) -> bool {
    let Parsed::Changes(changes) = &statement.parsed else {
        return dialect.is_mysql_family();
    };
    changes.iter().any(|change| match dialect {
        // PostgreSQL manual, the Notes of each command.
        Dialect::Postgres => matches!(
            change,
            Change::CreateIndex { concurrently: true, .. }
                | Change::DropIndex { concurrently: true, .. }
                | Change::Reindex { concurrently: true, .. }
                | Change::Reindex {
                    target: ReindexTarget::Schema(_) | ReindexTarget::Database,
                    ..
                }
                | Change::DetachPartition { concurrently: true, .. }
                | Change::Vacuum { .. }
                | Change::Cluster { table: None }
                | Change::CreateDatabase { .. }
                | Change::DropDatabase { .. }
        ),
        Dialect::Sqlite => match change {
            Change::Vacuum { .. } => true,
            Change::SetVariable { name, .. } => name == "journal_mode",
            _ => false,
        },
        // DDL commits what came before it.
        Dialect::Mysql | Dialect::MariaDb => {
            !change.is_dml()
                && !matches!(change, Change::Select { .. } | Change::SetVariable { .. })
        }
    })
}

/// Whether a statement ends transactions by itself, as procedures and DO blocks that work in
/// batches do; PostgreSQL refuses that inside a transaction block.
fn may_commit_by_itself(statement: &Statement) -> bool {
    statement.changes().iter().any(|change| match change {
        Change::Call { .. } => true,
        Change::Do { body_text, .. } => {
            body_text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| {
                word.eq_ignore_ascii_case("commit") || word.eq_ignore_ascii_case("rollback")
            })
        }
        _ => false,
    })
}

fn groups(
    statements: &[Statement],
    dialect: Dialect,
    no_transaction: bool,
    batched: bool,
) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (index, statement) in statements.iter().enumerate() {
        if batched && backfill::parts(statement, dialect).is_some() {
            groups.push(Group::Batched(index));
        } else if refuses_transaction(statement, dialect)
            || no_transaction && may_commit_by_itself(statement)
        {
            groups.push(Group::Single(index));
        } else if no_transaction {
            // One statement commits by itself either way; so what it destroys can be kept with it.
            groups.push(Group::Transaction(vec![index]));
        } else if let Some(Group::Transaction(members)) = groups.last_mut() {
            members.push(index);
        } else {
            groups.push(Group::Transaction(vec![index]));
        }
    }
    groups
}

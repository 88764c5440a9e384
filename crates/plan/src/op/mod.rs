//! One change, shipped around a release: expand, backfill, contract.
//!
//! Each operation is one file, `<verb>_<object>.rs`. It takes a change and the catalog before it
//! and gives [`Piece`]s, each in the phase to which it belongs, with its way back. [`expand`] puts
//! the pieces of a whole file together, replays them, and proves that the way back of every phase
//! leads to the schema before it, and that the last phase leads where the file itself would have.

mod add_column;
mod add_constraint;
mod add_fed_column;
mod add_identity_column;
mod add_serial_column;
mod again;
mod alter_column_type;
mod anew_by_hand;
mod as_written;
mod change_primary_key;
mod claims;
mod compose;
mod conversion;
mod copy_rows;
mod counter;
mod create_index;
mod dependents;
mod drop_column;
mod drop_index;
mod feed;
mod locks_first;
mod made_anew;
mod mend;
mod move_column;
mod mysql;
mod names;
mod one_value;
mod pair;
mod partitioned;
mod piece;
mod rekeyed;
mod remade_type;
mod rename_column;
mod rename_table;
mod rename_tied;
mod replace;
mod reshape_columns;
mod retype;
mod retyped_by_hand;
mod reverse;
mod rules;
mod series;
mod set_not_null;
mod sqlite;
mod stale;
mod swap_reference;
mod sync;
mod unfilled;
mod watch;

use downhaul_catalog::{Catalog, Origin};
use downhaul_syntax::{
    Change, ColumnDef, Conversion, Dialect, DirectiveKind, Expr, Ident, ObjectName, Parsed, Script,
    Span, Statement, misread, parse_script,
};

pub use piece::{PhaseFile, Side};
pub use series::Expansion;

use crate::Direction;
use again::Again;
use claims::{Touched, claim, is_taken};
use compose::compose;
use partitioned::Partitioned;
use piece::{Piece, Slot};
use remade_type::RemadeType;
use replace::Replaced;
use retype::together::{self, Rest};
use swap_reference::Swap;

/// When the objects of the file itself come into being: behind all that the series made.
pub(crate) const HERE: Origin = Origin::Series(usize::MAX - 1);

/// A statement that cannot be expanded. Nothing is guessed: what cannot be derived is asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}\n  next: {next}")]
pub struct Refusal {
    /// The statement in the file.
    pub span: Span,
    /// What stands in the way.
    pub what: String,
    /// What to write instead.
    pub next: String,
}

/// A refusal without its place.
#[derive(Debug)]
pub(crate) struct Refused {
    what: String,
    next: String,
}

/// Refuses.
fn refused<T>(what: impl Into<String>, next: impl Into<String>) -> Result<T, Refused> {
    Err(Refused { what: what.into(), next: next.into() })
}

/// What an operation makes.
#[derive(Debug, Default)]
pub(crate) struct Made {
    /// Pieces and the phase of each, in order.
    pieces: Vec<(Slot, Piece)>,
    /// What a person should know before it runs.
    notes: Vec<String>,
    /// Migrations, with their direction, that write or drop only what follows from other columns:
    /// there is nothing to keep, and an old value put back would undo what followed since.
    derived: Vec<(Slot, Direction)>,
    /// Migrations, with their direction, of which a part writes or drops what follows from nothing.
    kept: Vec<(Slot, Direction)>,
    /// Columns that follow from others of their row, and how: where one migration drops them besides what
    /// has to be kept, of these only what differs is.
    follow: Vec<(ObjectName, Ident, String)>,
    /// Expressions of directives that are in it, in other words.
    read: Vec<String>,
    /// Columns of other tables that go through the phases along with it.
    claims: Vec<(ObjectName, Option<Ident>)>,
    /// Of these, the ones that take what a later statement says of them: nothing is left of that.
    said: Vec<(ObjectName, Ident)>,
    /// What the file means without saying it.
    implied: Vec<Change>,
}

impl Made {
    fn push(&mut self, slot: Slot, piece: Piece) {
        self.pieces.push((slot, piece));
    }

    fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Says that the values in this migration follow from others.
    fn derive(&mut self, slot: Slot, directions: &[Direction]) {
        self.derived.extend(directions.iter().map(|d| (slot, *d)));
    }

    /// Says that the second side of these columns follows from the first.
    fn follow(&mut self, sync: &sync::Sync) {
        for ((column, _), conv) in sync.second.iter().zip(&sync.forward) {
            self.follow.push((sync.table.clone(), column.clone(), conv.plain(sync.dialect)));
        }
    }

    /// Whether all that a migration writes or drops here follows from others.
    fn follows_in(&self, slot: Slot, direction: Direction) -> bool {
        // Elsewhere than where columns go that follow, nothing would tell the two apart.
        let kept = !self.follow.is_empty() && self.kept.contains(&(slot, direction));
        self.derived.contains(&(slot, direction)) && !kept
    }

    fn append(&mut self, other: Self) {
        let mut kept = other.kept.clone();
        let back = (Slot::EXPAND, Direction::Down);
        for made in [&*self, &other] {
            let here = made.pieces.iter().any(|(slot, _)| *slot == back.0);
            if here && !made.derived.contains(&back) {
                kept.push(back);
            }
        }
        self.kept.extend(kept);
        self.follow.extend(other.follow);
        self.derived.extend(other.derived);
        self.read.extend(other.read);
        self.claims.extend(other.claims);
        self.said.extend(other.said);
        self.implied.extend(other.implied);
        self.pieces.extend(other.pieces);
        self.notes.extend(other.notes);
    }
}

/// What an operation knows.
pub(crate) struct Scene<'a> {
    /// The schema that it meets: what the expand phases of earlier statements leave.
    now: &'a Catalog,
    /// `-- downhaul:forward` of the statement.
    forward: Vec<Conversion>,
    /// `-- downhaul:back` of the statement.
    back: Vec<Conversion>,
    /// Columns that are added here and made `NOT NULL` by a later statement.
    required: Vec<Ident>,
    /// What later statements of the file say of columns that may change along (MariaDB).
    said: Vec<Said>,
    /// What the file drops and makes again under the same name.
    replaced: Vec<Replaced>,
    /// Defaults that later statements of the file give to columns.
    defaults: Vec<(ObjectName, Ident, Expr)>,
    /// Columns of which the file says what their default is from now on, or that they have none.
    defaulted: Vec<(ObjectName, Ident)>,
    /// Tables that get another primary key in this file, and when the old one goes.
    rekeyed: Vec<(ObjectName, Slot)>,
    /// Tables that the file makes anew by hand, with the lines that say what changes.
    by_hand: Vec<(ObjectName, Option<String>)>,
    /// Foreign keys that the file drops and adds again between the same columns.
    swaps: Vec<Swap>,
    /// Enums that the file makes anew.
    remade: Vec<RemadeType>,
    /// Where other changes of the same statement are carried by themselves.
    part: Option<Rest>,
    /// Writes to what goes are watched.
    watch: bool,
}

/// `MODIFY` of a column, in a statement that does nothing else.
#[derive(Clone, Debug)]
struct Said {
    table: ObjectName,
    column: ColumnDef,
    /// The lock of the copy that it asks for.
    copy: Option<&'static str>,
}

impl Scene<'_> {
    /// The same over another schema.
    fn over<'b>(&self, now: &'b Catalog) -> Scene<'b> {
        Scene {
            now,
            forward: self.forward.clone(),
            back: self.back.clone(),
            required: self.required.clone(),
            said: self.said.clone(),
            replaced: self.replaced.clone(),
            defaults: self.defaults.clone(),
            defaulted: self.defaulted.clone(),
            rekeyed: self.rekeyed.clone(),
            by_hand: self.by_hand.clone(),
            swaps: self.swaps.clone(),
            remade: self.remade.clone(),
            part: self.part.clone(),
            watch: self.watch,
        }
    }

    fn dialect(&self) -> Dialect {
        self.now.dialect
    }

    /// Whether the file says of a column what its default is from now on.
    fn gives_default(&self, table: &ObjectName, column: &Ident) -> bool {
        self.defaulted.iter().any(|(of, name)| of == table && name == column)
    }

    /// The table, which has to be known with all its columns.
    fn table(&self, name: &ObjectName) -> Result<&downhaul_catalog::Table, Refused> {
        match self.now.table(name) {
            Some(table) if !table.columns_unknown && !table.assumed => Ok(table),
            _ => refused(
                format!("no migration creates the table {name}"),
                "give the schema that is there before the first migration with --schema FILE (the output of pg_dump --schema-only)",
            ),
        }
    }

    /// The column.
    fn column(
        &self,
        table: &ObjectName,
        column: &Ident,
    ) -> Result<&downhaul_catalog::Column, Refused> {
        match self.table(table)?.column(column) {
            Some(found) => Ok(found),
            None => refused(
                format!("{table} has no column {column}"),
                "check the name; the migrations before this file decide what is there",
            ),
        }
    }
}

/// How a file is rewritten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpandOptions {
    /// Triggers note who still writes what goes, from expand to contract.
    pub watch: bool,
}

/// Rewrites a file into phases, given the schema before it. `name` is the migration's name
/// without its version.
pub fn expand(
    script: &Script,
    before: &Catalog,
    name: &str,
    options: ExpandOptions,
) -> Result<Expansion, Refusal> {
    let at = |span: Span| {
        move |refused: Refused| Refusal { span, what: refused.what, next: refused.next }
    };
    if let Some(error) = script.errors.first() {
        return Err(Refusal {
            span: error.span,
            what: error.message.clone(),
            next: "mend the file".into(),
        });
    }
    for directive in &script.directives {
        if let DirectiveKind::Unknown(text) = &directive.kind {
            let (what, next) = misread(text);
            return Err(Refusal { span: directive.span, what, next });
        }
    }
    let written = script;
    let composed = compose(script, before);
    let script = &composed.script;
    for remade in &composed.remade {
        remade.check(before).map_err(|(span, refusal)| at(span)(refusal))?;
    }
    let mut now = before.clone();
    let mut all: Vec<Made> = Vec::new();
    let mut touched: Vec<Touched> = Vec::new();
    let drafts = feed::drafts(script, before);
    let replaced = replace::replaced(script, before);
    let mut taken: Vec<(ObjectName, Ident)> = Vec::new();
    let by_hand = anew_by_hand::tables(script, before);
    let come_back = again::statements(script, before);
    let retyped = together::Draft::of(&composed, before);
    let mut reworded = rekeyed::statements(script, before);
    let cut = |at: usize| retyped.rest(script, at, before).is_some();
    if reworded.iter().enumerate().any(|(at, one)| one.is_some() && cut(at)) {
        reworded.fill(None);
    }
    for (index, statement) in script.statements.iter().enumerate() {
        if drafts[index].taken
            || composed.emptied[index]
            || is_said(statement, &now, &taken)
            || come_back[index] == Some(Again::LeftOut)
        {
            continue;
        }
        for group in retyped.begin_at(index) {
            let scene = |of: usize| {
                scene_of((&composed, of), &drafts[of], (&replaced, &by_hand), &now, options)
            };
            let made = together::columns(script, group, scene)
                .and_then(|columns| retype::retype(&columns, &scene(index)))
                .map_err(at(statement.span))?;
            let changes: Vec<Change> =
                group.iter().map(|(s, c)| script.statements[*s].changes()[*c].clone()).collect();
            claim(&changes, &[], &made, &now, &mut touched).map_err(at(statement.span))?;
            expand_phase(&made, before, &mut now);
            all.push(made);
        }
        let part = match &reworded[index] {
            Some(one) => Some(Rest { changes: one.changes.clone(), retyped: Vec::new() }),
            None => retyped.rest(script, index, before),
        };
        if part.as_ref().is_some_and(|rest| rest.changes.is_empty()) {
            continue;
        }
        let changes = part.as_ref().map_or(statement.changes(), |rest| &rest.changes);
        is_taken(changes, script, index, &now, &touched).map_err(at(statement.span))?;
        let made = match come_back[index] {
            Some(_) => again::at_contract(statement),
            None => {
                let mut scene = scene_of(
                    (&composed, index),
                    &drafts[index],
                    (&replaced, &by_hand),
                    &now,
                    options,
                );
                scene.part.clone_from(&part);
                for other in reworded[index].iter().flat_map(|one| &one.heard) {
                    let said = scene_of(
                        (&composed, *other),
                        &drafts[*other],
                        (&replaced, &by_hand),
                        &now,
                        options,
                    );
                    scene.forward.extend(said.forward);
                }
                let behind = index + 1..script.statements.len();
                let later = behind.filter(|at| !drafts[*at].taken).map(|at| {
                    let of = (&composed, at);
                    let scene = scene_of(of, &drafts[at], (&replaced, &by_hand), &now, options);
                    (script.statements[at].changes(), scene)
                });
                unfilled::check((changes, &scene), later).map_err(at(statement.span))?;
                one_value::check(changes, &scene).map_err(at(statement.span))?;
                one_statement(statement, changes, &scene).map_err(at(statement.span))?
            }
        };
        let mine = part.as_ref().map_or(&[][..], |rest| &rest.retyped);
        claim(changes, mine, &made, &now, &mut touched).map_err(at(statement.span))?;
        if come_back[index].is_none() {
            for change in changes {
                replace::view(change, before, &replaced, &touched).map_err(at(statement.span))?;
            }
        }
        expand_phase(&made, before, &mut now);
        taken.extend(made.said.iter().cloned());
        all.push(made);
    }
    if before.dialect.is_mysql_family() {
        mysql::keep_stamps(&mut all, script, before, &now);
    }
    let whole = script.statements.first().map_or_else(Span::default, |s| s.span);
    series::assemble(written, before, name, all).map_err(at(whole))
}

/// The schema that the expand phase of a statement leaves.
fn expand_phase(made: &Made, before: &Catalog, now: &mut Catalog) {
    let parts = Partitioned::new(before, [made]);
    for (slot, piece) in &made.pieces {
        if *slot == Slot::EXPAND {
            for sql in parts.up(piece, now) {
                now.apply_script(&parse_script(&sql, before.dialect), HERE);
            }
        }
    }
}

/// Defaults that statements give to columns.
fn defaults(statements: &[Statement], now: &Catalog) -> Vec<(ObjectName, Ident, Expr)> {
    let changes = statements.iter().flat_map(|statement| statement.changes());
    let given = changes.filter_map(|change| match change {
        Change::SetDefault { table, column, default } => {
            Some((now.normalize(table), column.clone(), default.clone()))
        }
        _ => None,
    });
    given.collect()
}

/// Columns of which statements say what their default is, or that they have none.
fn defaulted(statements: &[Statement], now: &Catalog) -> Vec<(ObjectName, Ident)> {
    let changes = statements.iter().flat_map(|statement| statement.changes());
    let given = changes.filter_map(|change| match change {
        Change::SetDefault { table, column, .. } | Change::DropDefault { table, column } => {
            Some((now.normalize(table), column.clone()))
        }
        _ => None,
    });
    given.collect()
}

/// What statements say of columns, by themselves, where another one may take them along.
fn said(statements: &[Statement], now: &Catalog) -> Vec<Said> {
    if !matches!(now.dialect, Dialect::MariaDb | Dialect::Mysql) {
        return Vec::new();
    }
    statements.iter().flat_map(|statement| mysql::said(statement.changes())).collect()
}

/// Whether an earlier statement has taken along all that this one says.
fn is_said(statement: &Statement, now: &Catalog, taken: &[(ObjectName, Ident)]) -> bool {
    let said = mysql::said(statement.changes());
    let is_taken = |s: &Said| taken.contains(&(now.normalize(&s.table), s.column.name.clone()));
    !said.is_empty() && said.iter().all(is_taken)
}

/// What a statement meets, and what others of the file say of it.
fn scene_of<'a>(
    (composed, index): (&compose::Composed, usize),
    draft: &feed::Draft,
    (replaced, by_hand): (&[Replaced], &[(ObjectName, Option<String>)]),
    now: &'a Catalog,
    options: ExpandOptions,
) -> Scene<'a> {
    let later = &composed.script.statements[index + 1..];
    let (mut forward, back) = composed.directives[index].clone();
    forward.extend(draft.forward.iter().cloned());
    Scene {
        now,
        forward,
        back,
        required: draft.required.clone(),
        said: said(later, now),
        replaced: replaced.to_vec(),
        by_hand: by_hand.to_vec(),
        swaps: composed.swaps.clone(),
        remade: composed.remade.clone(),
        defaults: defaults(later, now),
        defaulted: defaulted(&composed.script.statements, now),
        rekeyed: rekeyed::tables(&composed.script, now),
        part: None,
        watch: options.watch,
    }
}

/// The pieces of changes of one statement.
fn one_statement(
    statement: &Statement,
    changes: &[Change],
    scene: &Scene<'_>,
) -> Result<Made, Refused> {
    if let Parsed::Unparsed(error) = &statement.parsed {
        return refused(
            format!("the statement is not understood: {}", error.message),
            "put it into a migration of its own",
        );
    }
    if statement.copy_data.is_some() {
        return refused("COPY with its rows in the file", "write them as INSERT");
    }
    let mut made = pieces_of(statement, changes, scene)?;
    if scene.watch {
        watch::add(changes, scene, &mut made);
    }
    // Of a statement of which this is a part, another one may have them.
    let mine = scene.part.is_none();
    for conversion in scene.forward.iter().chain(&scene.back).filter(|_| mine) {
        let used = |piece: &Piece| piece.text().contains(conversion.expr.trim());
        if !made.read.contains(&conversion.expr)
            && !made.pieces.iter().any(|(_, piece)| used(piece))
        {
            made.note(format!("the directive \"{}\" has no part in this change", conversion.expr));
        }
    }
    Ok(made)
}

/// The pieces of one statement, its directives read.
fn pieces_of(
    statement: &Statement,
    changes: &[Change],
    scene: &Scene<'_>,
) -> Result<Made, Refused> {
    let now = scene.now;
    let retyped = scene.part.as_ref().map_or(&[][..], |part| &part.retyped);
    if reshape_columns::is_meant(changes, scene) {
        return match scene.dialect() {
            Dialect::Mysql | Dialect::MariaDb => mysql::reshape_columns(changes, scene),
            Dialect::Sqlite => sqlite::reshape_columns(changes, scene),
            Dialect::Postgres => reshape_columns::reshape_columns(changes, scene),
        };
    }
    if scene.dialect() == Dialect::Postgres {
        add_identity_column::check(statement, changes, scene)?;
    }
    if scene.dialect() == Dialect::Sqlite {
        return sqlite::statement(statement, scene);
    }
    if scene.dialect() == Dialect::Postgres
        && let Some((key, rest)) = change_primary_key::split(changes, scene)
    {
        let mut made = change_primary_key::change_primary_key(key, scene)?;
        if !rest.is_empty() {
            made.append(pieces_of(statement, rest, scene)?);
        }
        return Ok(made);
    }
    if scene.dialect().is_mysql_family() && mysql::changes_primary_key(changes) {
        return mysql::change_primary_key(changes, scene);
    }
    if scene.dialect().is_mysql_family() && mysql::asks_for_copy(changes, scene) {
        return mysql::copy_table(changes, scene);
    }
    if let [only] = changes
        && retyped.is_empty()
    {
        let text = Some(statement.text.as_str()).filter(|_| scene.part.is_none());
        return one_change(only, text, scene);
    }
    // A sequence that is set by a query is one statement, which cannot be written in parts.
    let query = |c: &Change| matches!(c, Change::SetSequenceValue { .. } | Change::Select { .. });
    if let Some(set) = changes.iter().find(|c| matches!(c, Change::SetSequenceValue { .. }))
        && changes.iter().all(query)
    {
        return as_written::as_written(set, Some(&statement.text), scene);
    }
    // Several actions of one ALTER TABLE: as they stand where all are safe, else one by one.
    let mut made = Made::default();
    let mut met = now.clone();
    let (changes, late) = defaults_last(changes, retyped, now);
    let mut succeeded: Vec<Ident> = Vec::new();
    let mut all: Vec<Made> = Vec::new();
    let mut order = now.statement_order(&changes);
    // As between statements: see `compose::names_first`.
    order.sort_by_key(|at| {
        !matches!(changes[*at], Change::RenameIndex { .. } | Change::RenameConstraint { .. })
    });
    for at in order {
        let scene = scene.over(&met);
        let one = match (&changes[at], compose::name_later(&changes, at)) {
            // Both at once: the column that takes its place has the other name and the other type.
            (Change::AlterColumnType { column, .. }, Some(to)) => {
                let (one, named) = rename_column::retyped(&changes[at], to, &scene)?;
                succeeded.extend(named.then(|| column.clone()));
                one
            }
            (Change::RenameColumn { from, .. }, _) if succeeded.contains(from) => continue,
            (change, _) => one_change(change, None, &scene)?,
        };
        let parts = Partitioned::new(now, [&one]);
        for (slot, piece) in &one.pieces {
            if *slot == Slot::EXPAND {
                for sql in parts.up(piece, &met) {
                    met.apply_script(&parse_script(&sql, now.dialect), HERE);
                }
            }
        }
        all.push(one);
    }
    series::keep_apart(&mut all);
    all.into_iter().for_each(|one| made.append(one));
    let retyped = !retyped.is_empty()
        || !succeeded.is_empty()
        || made.pieces.iter().any(|(slot, _)| *slot == Slot::SWITCH);
    for change in &late {
        let (slot, why) = if retyped {
            (Slot::CONTRACT, "Until here the default of the old type holds, for both releases.")
        } else {
            (Slot::EXPAND, "")
        };
        made.push(slot, as_written::piece(change, None, scene, why)?);
    }
    let plain = |(slot, piece): &(Slot, Piece)| {
        *slot == Slot::EXPAND && matches!(piece, Piece::AsWritten { .. })
    };
    let together = !scene.dialect().is_mysql_family() || mysql::goes_with_others(&changes);
    if scene.part.is_none() && together && !made.pieces.is_empty() && made.pieces.iter().all(plain)
    {
        let notes = std::mem::take(&mut made.notes);
        made = Made { notes, ..Made::default() };
        made.push(Slot::EXPAND, Piece::as_written(statement.text.clone()));
    }
    Ok(made)
}

/// Actions of one statement without those on defaults that others overtake: a default that is dropped
/// and set anew is set; one that is set for a column of another type comes last, given apart.
fn defaults_last(
    changes: &[Change],
    retyped: &[(ObjectName, Ident)],
    now: &Catalog,
) -> (Vec<Change>, Vec<Change>) {
    let of = |change: &Change| match change {
        Change::SetDefault { table, column, .. } | Change::DropDefault { table, column } => {
            Some((now.normalize(table), column.clone()))
        }
        _ => None,
    };
    let set_later = |at: usize, key: &(ObjectName, Ident)| {
        let is_set = |c: &Change| matches!(c, Change::SetDefault { .. });
        changes[at + 1..].iter().any(|c| is_set(c) && of(c).as_ref() == Some(key))
    };
    let retyped = |key: &(ObjectName, Ident)| {
        retyped.contains(key)
            || changes.iter().enumerate().any(|(at, c)| match c {
                Change::AlterColumnType { table, column, .. } if now.normalize(table) == key.0 => {
                    match compose::name_later(changes, at) {
                        None => *column == key.1,
                        Some(to) => *to == key.1 && compose::moves_rows(c, now),
                    }
                }
                _ => false,
            })
    };
    let (mut first, mut late) = (Vec::new(), Vec::new());
    for (at, change) in changes.iter().enumerate() {
        match of(change) {
            Some(key) if matches!(change, Change::DropDefault { .. }) && set_later(at, &key) => {}
            Some(key) if retyped(&key) => late.push(change.clone()),
            _ => first.push(change.clone()),
        }
    }
    (first, late)
}

/// The pieces of one change. `text` is the statement, where it makes no other change.
fn one_change(change: &Change, text: Option<&str>, scene: &Scene<'_>) -> Result<Made, Refused> {
    if scene.dialect().is_mysql_family() {
        return mysql::one_change(change, text, scene);
    }
    match change {
        Change::RenameColumn { table, from, to } => {
            rename_column::rename_column(table, from, to, scene)
        }
        Change::RenameTable { from, to } if anew_by_hand::is_made(from, to, scene) => {
            anew_by_hand::refuse(&scene.now.normalize(to), scene)
        }
        Change::RenameTable { from, to } if scene.now.table(from).is_some() => {
            rename_table::rename_table(from, to, scene)
        }
        Change::AlterColumnType { .. } => alter_column_type::alter_column_type(change, text, scene),
        Change::SetNotNull { table, column } => set_not_null::set_not_null(table, column, scene),
        Change::DropNotNull { table, column } => {
            set_not_null::drop_not_null(change, table, column, text, scene)
        }
        Change::AddColumn { table, column, .. } => {
            add_column::add_column(change, table, column, text, scene)
        }
        Change::DropColumn { table, column, .. } => {
            drop_column::drop_column(change, table, column, text, scene)
        }
        Change::DropConstraint { table, name, .. } => {
            match swap_reference::drop(table, name, scene) {
                Some(made) => Ok(made),
                None => as_written::as_written(change, text, scene),
            }
        }
        Change::AddConstraint { table, constraint, .. } => {
            if let Some(made) = swap_reference::add(table, constraint, scene) {
                return made;
            }
            match swap_reference::named(table, constraint, scene) {
                Some(named) => add_constraint::add_constraint(change, table, &named, None, scene),
                None => add_constraint::add_constraint(change, table, constraint, text, scene),
            }
        }
        Change::Insert { .. } => match copy_rows::copy_rows(change, text, scene) {
            Some(made) => Ok(made),
            None => as_written::as_written(change, text, scene),
        },
        Change::CreateIndex { index, .. } => create_index::create_index(change, index, text, scene),
        Change::DropIndex { .. } => drop_index::drop_index(change, text, scene),
        _ => as_written::as_written(change, text, scene),
    }
}

//! What a file says of one column in several statements, put together to what it comes to.
//!
//! Each statement by itself would meet the column half done by the one before it. Together they are one
//! change: of several names and defaults the last counts; of several types too, with the conversions one
//! inside the other; and a column of another type and another name is one second column. What comes out
//! stands where the first of them stood; a NOT NULL behind them stays, since it binds at the contract.

use downhaul_catalog::{Catalog, mentions_ident, rename_ident, render, render_type};
use downhaul_syntax::{
    Change, Conversion, Dialect, DirectiveKind, Ident, ObjectName, Parsed, Script, SqlType,
    Statement, parse_script,
};

use super::alter_column_type::is_phased;
use super::mysql;
use super::remade_type::{self, RemadeType};
use super::retype::INTEGERS;
use super::retyped_by_hand;
use super::swap_reference::{self, Swap};

/// A file with fewer statements that count.
#[derive(Clone)]
pub(crate) struct Composed {
    pub(crate) script: Script,
    /// Of each statement: nothing is left.
    pub(crate) emptied: Vec<bool>,
    /// `-- downhaul:forward` and `-- downhaul:back` of each statement.
    pub(crate) directives: Vec<(Vec<Conversion>, Vec<Conversion>)>,
    /// Enums that the file makes anew.
    pub(crate) remade: Vec<RemadeType>,
    /// Foreign keys that the file drops and adds again between the same columns.
    pub(crate) swaps: Vec<Swap>,
}

/// One change of a column, where it stands, and what it calls the column.
struct Step {
    at: (usize, usize),
    name: Ident,
    change: Change,
}

/// All changes of a column that was there before the file.
struct Chain {
    table: ObjectName,
    /// Its name before.
    first: Ident,
    /// Its name behind the last step.
    last: Ident,
    steps: Vec<Step>,
    /// It goes, or its table does or gets another name: what then is said of it is another matter.
    ends: bool,
}

/// Puts together what can be.
pub(crate) fn compose(script: &Script, before: &Catalog) -> Composed {
    let order = names_first(script, before);
    let mut out = Composed {
        script: Script {
            statements: order.iter().map(|at| script.statements[*at].clone()).collect(),
            ..script.clone()
        },
        emptied: vec![false; order.len()],
        directives: order.iter().map(|at| directives(script, *at)).collect(),
        remade: Vec::new(),
        swaps: swap_reference::swaps(script, before),
    };
    remade_type::fold(&mut out, before);
    if before.dialect.is_mysql_family() {
        out.fold(before);
    }
    retyped_by_hand::fold(&mut out, before);
    for chain in chains(&out.script.clone(), before) {
        if let Some(whole) = chain.together(&out, before) {
            out.take(&chain, whole);
        }
    }
    out.say_once(before);
    if before.dialect == Dialect::Sqlite {
        out.leave_indexes_to_columns(before);
    }
    out
}

/// The order of the statements: an index or a constraint that was there gets its other name before its column gets another name
/// or type, since its counterpart over the second column takes the name that it has then. Frameworks rename the
/// column first.
fn names_first(script: &Script, before: &Catalog) -> Vec<usize> {
    let columns = |statement: &Statement| {
        statement.changes().iter().any(|change| {
            matches!(
                change,
                Change::RenameColumn { .. }
                    | Change::ModifyColumn { .. }
                    | Change::AlterColumnType { .. }
            )
        })
    };
    let first = |at: &usize| {
        let (from, to) = match script.statements[*at].changes() {
            [Change::RenameIndex { from, to, .. }] => (&from.name, to),
            [Change::RenameConstraint { from, to, .. }] => (from, to),
            _ => return false,
        };
        let earlier = &script.statements[..*at];
        let named = |statement: &Statement| {
            [from, to].iter().any(|name| mentions_ident(&statement.text, before.dialect, name))
        };
        let known = before.tables.values().any(|table| {
            table.indexes.iter().any(|index| index.name.name == *from)
                || table.constraints.iter().any(|c| c.name.as_ref() == Some(from))
        });
        known && earlier.iter().any(columns) && !earlier.iter().any(named)
    };
    let (mut order, rest): (Vec<usize>, Vec<usize>) = (0..script.statements.len()).partition(first);
    order.extend(rest);
    order
}

/// The name that a later change of a statement gives to the column that this one retypes.
pub(crate) fn name_later(changes: &[Change], at: usize) -> Option<&Ident> {
    let Change::AlterColumnType { table, column, .. } = &changes[at] else { return None };
    changes[at + 1..].iter().find_map(|change| match change {
        Change::RenameColumn { table: of, from, to } if of == table && from == column => Some(to),
        _ => None,
    })
}

/// Whether a change of type stores rows anew, as far as it says itself.
pub(crate) fn moves_rows(change: &Change, now: &Catalog) -> bool {
    let Change::AlterColumnType { table, column, ty, collation, using } = change else {
        return false;
    };
    let old = now.table(table).and_then(|t| t.column(column)).and_then(|c| c.ty.as_ref());
    using.is_some() || collation.is_some() || is_phased(old, ty)
}

/// The directives above a statement.
fn directives(script: &Script, index: usize) -> (Vec<Conversion>, Vec<Conversion>) {
    let from = index.checked_sub(1).map_or(0, |i| script.statements[i].span.end);
    let to = script.statements[index].span.end;
    let (mut forward, mut back) = (Vec::new(), Vec::new());
    for directive in &script.directives {
        if directive.span.start >= from && directive.span.start < to {
            match &directive.kind {
                DirectiveKind::Forward(conversion) => forward.push(conversion.clone()),
                DirectiveKind::Back(conversion) => back.push(conversion.clone()),
                _ => {}
            }
        }
    }
    (forward, back)
}

fn chains(script: &Script, before: &Catalog) -> Vec<Chain> {
    let mut all: Vec<Chain> = Vec::new();
    for (statement, s) in script.statements.iter().enumerate() {
        for (n, change) in s.changes().iter().enumerate() {
            let (table, column) = match change {
                Change::RenameColumn { table, from, .. } => (table, from),
                Change::AlterColumnType { table, column, .. }
                | Change::SetNotNull { table, column }
                | Change::DropNotNull { table, column }
                | Change::SetDefault { table, column, .. }
                | Change::DropDefault { table, column }
                | Change::DropColumn { table, column, .. } => (table, column),
                Change::RenameTable { from: table, .. } | Change::DropTable { name: table, .. } => {
                    let table = before.normalize(table);
                    all.iter_mut().filter(|c| c.table == table).for_each(|c| c.ends = true);
                    continue;
                }
                _ => continue,
            };
            let table = before.normalize(table);
            let is = |chain: &Chain| !chain.ends && chain.table == table && chain.last == *column;
            let at = match all.iter().position(is) {
                Some(at) => at,
                None => {
                    let known = before.table(&table).is_some_and(|t| t.column(column).is_some());
                    // Under a name that the file gave away: another column.
                    if !known || all.iter().any(|c| c.table == table && c.first == *column) {
                        continue;
                    }
                    let (first, last) = (column.clone(), column.clone());
                    all.push(Chain { table, first, last, steps: Vec::new(), ends: false });
                    all.len() - 1
                }
            };
            let chain = &mut all[at];
            match change {
                Change::DropColumn { .. } => chain.ends = true,
                Change::RenameColumn { to, .. } => chain.last = to.clone(),
                _ => {}
            }
            let name = column.clone();
            chain.steps.push(Step { at: (statement, n), name, change: change.clone() });
        }
    }
    all
}

/// What a chain comes to.
struct Whole {
    /// Steps of which nothing is left where they stand.
    gone: Vec<(usize, usize)>,
    /// The statement that says it all.
    home: usize,
    changes: Vec<Change>,
    forward: Vec<Conversion>,
    back: Vec<Conversion>,
}

impl Chain {
    fn together(&self, composed: &Composed, before: &Catalog) -> Option<Whole> {
        let script = &composed.script;
        let moves = |step: &Step| {
            matches!(step.change, Change::RenameColumn { .. } | Change::AlterColumnType { .. })
        };
        // What binds at the contract only stays where it is; where the column is bound already, nothing is
        // left of it.
        let binds = |step: &Step| matches!(step.change, Change::SetNotNull { .. });
        let end = self.steps.iter().rposition(|step| !binds(step))? + 1;
        let bound = before.table(&self.table)?.column(&self.first)?.not_null;
        let freed = |step: &Step| matches!(step.change, Change::DropNotNull { .. });
        let idle = if bound && !self.steps.iter().any(freed) { &self.steps[end..] } else { &[] };
        let first_move = self.steps.iter().position(moves)?;
        let steps = &self.steps[..end];
        let named = |step: &Step| matches!(step.change, Change::RenameColumn { .. });
        let renamed_only = steps.iter().all(named);
        // Of the rest, what is done once and for all before a second column is made.
        let shaped_first = |step: &Step| {
            named(step)
                || matches!(
                    step.change,
                    Change::AlterColumnType { .. }
                        | Change::SetDefault { .. }
                        | Change::DropNotNull { .. }
                )
        };
        let sqlite = before.dialect == Dialect::Sqlite;
        let put_together = match before.dialect {
            Dialect::Postgres => true,
            Dialect::Sqlite => renamed_only || idle.is_empty() && steps.iter().all(shaped_first),
            Dialect::MariaDb | Dialect::Mysql => renamed_only,
        };
        if self.ends
            || idle.is_empty() && steps.iter().all(|step| step.at.0 == steps[0].at.0)
            || !put_together
        {
            return None;
        }
        self.undisturbed(script, steps)?;
        let (ty, moved) = self.ty(steps, before)?;
        if self.first == self.last && !moved {
            return None;
        }
        let (forward, back) = self.directives(composed, steps, ty.is_some(), moved, before)?;
        let last = |is: &dyn Fn(&Change) -> bool| {
            steps.iter().rev().map(|step| &step.change).find(|change| is(change))
        };
        let table = &self.table;
        let mut changes: Vec<Change> = ty.into_iter().collect();
        let null = last(&|c| matches!(c, Change::SetNotNull { .. } | Change::DropNotNull { .. }));
        let default =
            last(&|c| matches!(c, Change::SetDefault { .. } | Change::DropDefault { .. }));
        if let Some(Change::DropNotNull { .. }) = null {
            // Before the second column is made, which need not be NOT NULL then.
            let drop = Change::DropNotNull { table: table.clone(), column: self.first.clone() };
            changes.insert(0, drop);
        }
        let given = match default {
            Some(Change::SetDefault { default, .. }) => Some(default),
            _ => None,
        };
        let set = |column: &Ident| {
            given.map(|default| Change::SetDefault {
                table: table.clone(),
                column: column.clone(),
                default: default.clone(),
            })
        };
        let late = !sqlite && moved || self.first == self.last;
        changes.extend(set(&self.first).filter(|_| !late));
        if self.first != self.last {
            let (from, to) = (self.first.clone(), self.last.clone());
            changes.push(Change::RenameColumn { table: table.clone(), from, to });
        }
        changes.extend(set(&self.last).filter(|_| late));
        let column = self.last.clone();
        if let Some(Change::DropDefault { .. }) = default {
            changes.push(Change::DropDefault { table: table.clone(), column: column.clone() });
        }
        if let (Some(Change::SetNotNull { .. }), false) = (null, bound) {
            changes.push(Change::SetNotNull { table: table.clone(), column });
        }
        Some(Whole {
            gone: steps.iter().chain(idle).map(|step| step.at).collect(),
            home: self.steps[first_move].at.0,
            changes,
            forward,
            back,
        })
    }

    /// Nothing between the first and the last step writes rows, or names the column as it is called
    /// there only.
    fn undisturbed(&self, script: &Script, steps: &[Step]) -> Option<()> {
        let (from, to) = (steps.first()?.at.0, steps.last()?.at.0);
        let between = |name: &Ident| *name != self.first && *name != self.last;
        for (at, statement) in script.statements.iter().enumerate().take(to + 1).skip(from) {
            if statement.copy_data.is_some() || !statement.changes().iter().all(shapes) {
                return None;
            }
            let own = steps.iter().any(|step| step.at.0 == at);
            let mut names = steps.iter().map(|step| &step.name).filter(|name| between(name));
            if !own && names.any(|name| mentions_ident(&statement.text, script.dialect, name)) {
                return None;
            }
        }
        Some(())
    }

    /// The one type that the steps come to, and whether it stores rows anew. `None`: they cannot be put
    /// together.
    fn ty(&self, steps: &[Step], before: &Catalog) -> Option<(Option<Change>, bool)> {
        let dialect = before.dialect;
        let column = before.table(&self.table)?.column(&self.first)?;
        let mut now = column.ty.clone();
        let types: Vec<&Step> = steps
            .iter()
            .filter(|step| matches!(step.change, Change::AlterColumnType { .. }))
            .collect();
        let Some((end, inner)) = types.split_last() else { return Some((None, false)) };
        // The value so far; empty: as it was.
        let mut value = String::new();
        for step in inner {
            let Change::AlterColumnType { ty, using, .. } = &step.change else { return None };
            value = match using {
                Some(using) => self.over(&using.text, &step.name, &value, dialect)?,
                None if keeps(now.as_ref(), ty) => value,
                None => self.cast(&value, ty, dialect),
            };
            now = Some(ty.clone());
        }
        let Change::AlterColumnType { ty, collation, using, .. } = &end.change else { return None };
        let using = match using {
            Some(using) => {
                // The expression may count on the type that the column has by then.
                let same = now == column.ty || !value.is_empty();
                let value = match &now {
                    Some(now) if !same => self.cast(&value, now, dialect),
                    _ => value,
                };
                Some(self.over(&using.text, &end.name, &value, dialect)?)
            }
            None if value.is_empty() => None,
            None => Some(self.cast(&value, ty, dialect)),
        };
        let mut text = format!(
            "ALTER TABLE {} ALTER COLUMN {} TYPE {}",
            dialect.quote_name_if_needed(&self.table),
            dialect.quote_if_needed(&self.first),
            render_type(ty, dialect)
        );
        if let Some(collation) = collation {
            text.push_str(&format!(
                " COLLATE {}",
                dialect.quote(&Ident::stored(dialect, collation))
            ));
        }
        if let Some(using) = using {
            text.push_str(&format!(" USING {using}"));
        }
        let one = parse_script(&text, dialect);
        let [Change::AlterColumnType { .. }] = one.statements.first()?.changes() else {
            return None;
        };
        let mut change = one.statements.first()?.changes().first()?.clone();
        if let Change::AlterColumnType { ty: new, collation: with, .. } = &mut change {
            new.clone_from(ty);
            with.clone_from(collation);
        }
        let moved = moves_rows(&change, before);
        Some((Some(change), moved))
    }

    fn cast(&self, value: &str, ty: &SqlType, dialect: Dialect) -> String {
        let column = dialect.quote_if_needed(&self.first);
        let value = if value.is_empty() { &column } else { value };
        format!("CAST({value} AS {})", render_type(ty, dialect))
    }

    /// An expression over the column under the name that it has there, with a value in its place.
    fn over(&self, text: &str, name: &Ident, value: &str, dialect: Dialect) -> Option<String> {
        let first = rename_ident(text, dialect, name, &self.first);
        if value.is_empty() {
            return Some(first);
        }
        const PLACE: &str = "downhaul_value_so_far";
        let placed = rename_ident(&first, dialect, &self.first, &Ident::stored(dialect, PLACE));
        // Behind its table's name there is no place for a value.
        (!placed.contains(&format!(".{PLACE}")))
            .then(|| placed.replace(PLACE, &format!("({value})")))
    }

    /// The directives of what is put together, over the names that it has then.
    fn directives(
        &self,
        composed: &Composed,
        steps: &[Step],
        retyped: bool,
        moved: bool,
        before: &Catalog,
    ) -> Option<(Vec<Conversion>, Vec<Conversion>)> {
        let (mut forward, mut back) = (Vec::new(), Vec::new());
        let mut seen = Vec::new();
        let mut types = 0;
        for step in steps {
            let is_type = matches!(step.change, Change::AlterColumnType { .. });
            types += usize::from(is_type);
            let (there, here) = &composed.directives[step.at.0];
            if seen.contains(&step.at.0) || there.is_empty() && here.is_empty() {
                continue;
            }
            seen.push(step.at.0);
            // They have to be about this column, and about its type wherever that changes; above a default,
            // which no conversion is about, they are about what follows.
            let others = composed.script.statements[step.at.0].changes().len() > 1;
            let default =
                matches!(step.change, Change::SetDefault { .. } | Change::DropDefault { .. });
            if others || retyped && !is_type && !default {
                return None;
            }
            let to = if retyped { &self.first } else { &self.last };
            let over = |conversion: &Conversion| Conversion {
                column: conversion.column.as_ref().map(|column| {
                    if *column == step.name.as_str() {
                        to.as_str().to_owned()
                    } else {
                        column.clone()
                    }
                }),
                expr: rename_ident(&conversion.expr, before.dialect, &step.name, to),
            };
            forward.extend(there.iter().map(over));
            back.extend(here.iter().map(over));
        }
        let both = !forward.is_empty() && !back.is_empty();
        let told_twice = forward.len() > 1 || back.len() > 1;
        // Over which of the values in between a directive speaks, nobody could tell.
        if retyped && (told_twice || types > 1 && !forward.is_empty() || both && !moved) {
            return None;
        }
        Some((forward, back))
    }
}

/// Whether a change gives a column a shape, and neither reads nor writes rows.
pub(super) fn shapes(change: &Change) -> bool {
    matches!(
        change,
        Change::RenameColumn { .. }
            | Change::AlterColumnType { .. }
            | Change::SetNotNull { .. }
            | Change::DropNotNull { .. }
            | Change::SetDefault { .. }
            | Change::DropDefault { .. }
            | Change::AddColumn { .. }
            | Change::DropColumn { .. }
            | Change::AddConstraint { .. }
            | Change::DropConstraint { .. }
            | Change::RenameConstraint { .. }
            | Change::CreateIndex { .. }
            | Change::DropIndex { .. }
            | Change::RenameIndex { .. }
            | Change::Comment { .. }
            | Change::NoEffect { .. }
    )
}

/// Whether each value of the one type is the same in the other.
fn keeps(old: Option<&SqlType>, new: &SqlType) -> bool {
    let rank = |ty: &SqlType| {
        INTEGERS.iter().position(|name| *name == ty.name).filter(|_| ty.dimensions == 0)
    };
    let wider = old.and_then(rank).zip(rank(new)).is_some_and(|(old, new)| old <= new);
    wider || !is_phased(old, new)
}

impl Composed {
    /// A `SET NOT NULL` that the file has said already is left out.
    fn say_once(&mut self, before: &Catalog) {
        let mut bound: Vec<(ObjectName, Ident)> = Vec::new();
        for at in 0..self.script.statements.len() {
            let mut left = Vec::new();
            let changes = self.script.statements[at].changes().to_vec();
            for change in &changes {
                let key = match change {
                    Change::SetNotNull { table, column }
                    | Change::DropNotNull { table, column } => {
                        Some((before.normalize(table), column.clone()))
                    }
                    Change::DropColumn { table, column, .. }
                    | Change::RenameColumn { table, from: column, .. } => {
                        Some((before.normalize(table), column.clone()))
                    }
                    _ => None,
                };
                match (change, key) {
                    (Change::SetNotNull { .. }, Some(key)) if bound.contains(&key) => continue,
                    (Change::SetNotNull { .. }, Some(key)) => bound.push(key),
                    (_, Some(key)) => bound.retain(|of| *of != key),
                    _ => {}
                }
                left.push(change.clone());
            }
            if left.len() < changes.len() {
                self.emptied[at] = left.is_empty();
                rewrite(&mut self.script.statements[at], left, before.dialect);
            }
        }
    }

    /// MariaDB and MySQL state a whole column: statements about one are one `CHANGE`.
    fn fold(&mut self, before: &Catalog) {
        loop {
            let told = |at: usize| {
                let (there, back) = &self.directives[at];
                !there.is_empty() || !back.is_empty()
            };
            let Some(folded) = mysql::fold(&self.script, &self.emptied, &told, before) else {
                return;
            };
            let mut said = std::mem::take(&mut self.directives[folded.emptied]);
            let (there, here) = &mut self.directives[folded.home];
            there.append(&mut said.0);
            here.append(&mut said.1);
            self.emptied[folded.emptied] = true;
            let dialect = self.script.dialect;
            rewrite(&mut self.script.statements[folded.emptied], Vec::new(), dialect);
            rewrite(&mut self.script.statements[folded.home], folded.changes, dialect);
        }
    }

    /// SQLite drops no column that is indexed, so a file drops the index first: of the column that goes through the
    /// phases it is a part, and goes with it.
    fn leave_indexes_to_columns(&mut self, before: &Catalog) {
        let gone: Vec<(usize, ObjectName, Ident)> = self
            .script
            .statements
            .iter()
            .enumerate()
            .flat_map(|(at, statement)| statement.changes().iter().map(move |change| (at, change)))
            .filter_map(|(at, change)| match change {
                Change::DropColumn { table, column, .. } => {
                    Some((at, before.normalize(table), column.clone()))
                }
                _ => None,
            })
            .collect();
        for (at, statement) in self.script.statements.iter().enumerate() {
            let [Change::DropIndex { name, .. }] = statement.changes() else { continue };
            let covers = |table: &ObjectName, column: &Ident| {
                let found = before.table(table).into_iter().flat_map(|known| &known.indexes);
                found.filter(|index| index.name.name == name.name).any(|index| {
                    index.parts.iter().any(|part| part.column.as_ref() == Some(column))
                })
            };
            self.emptied[at] |= gone.iter().any(|(then, t, c)| *then > at && covers(t, c));
        }
    }

    fn take(&mut self, chain: &Chain, whole: Whole) {
        let dialect = self.script.dialect;
        // For what SQLite has no statement, the words in which it is understood here are PostgreSQL's.
        let text = |change| render(change, dialect).or_else(|_| render(change, Dialect::Postgres));
        let texts: Option<Vec<Vec<String>>> =
            whole.changes.iter().map(|change| text(change).ok()).collect();
        let Some(texts) = texts else { return };
        for step in &chain.steps {
            let (at, _) = step.at;
            if !whole.gone.contains(&step.at) {
                continue;
            }
            let statement = &mut self.script.statements[at];
            let left: Vec<Change> = statement
                .changes()
                .iter()
                .filter(|change| **change != step.change)
                .cloned()
                .collect();
            if at != whole.home {
                self.emptied[at] = left.is_empty();
                self.directives[at] = if left.is_empty() {
                    (Vec::new(), Vec::new())
                } else {
                    self.directives[at].clone()
                };
            }
            rewrite(statement, left, dialect);
        }
        let home = &mut self.script.statements[whole.home];
        let mut changes = home.changes().to_vec();
        changes.extend(whole.changes);
        rewrite(home, changes, dialect);
        if let ([_], Some(text)) = (home.changes(), texts.first()) {
            home.text = text.join(";\n");
        }
        if !whole.forward.is_empty() || !whole.back.is_empty() {
            self.directives[whole.home] = (whole.forward, whole.back);
        }
    }
}

/// Gives a statement other changes.
pub(super) fn rewrite(statement: &mut Statement, changes: Vec<Change>, dialect: Dialect) {
    let texts: Vec<String> =
        changes.iter().filter_map(|change| render(change, dialect).ok()).flatten().collect();
    statement.text = texts.join(";\n");
    statement.shown = None;
    statement.change_spans = vec![statement.span; changes.len()];
    statement.parsed = Parsed::Changes(changes);
}

//! A change of type written by hand: a second column is added, filled from the first, and takes its name
//! (`ADD c_new`, `UPDATE … SET c_new = f(c)`, `DROP c`, `RENAME c_new TO c`; or the first one steps aside before
//! that). Both releases would call two columns by one name. Where it leaves what `ALTER COLUMN c TYPE … USING
//! f(c)` leaves, it is taken for that; where not, those are the lines to write.

use downhaul_catalog::{Catalog, DiffOptions, diff, rename_ident, render};
use downhaul_syntax::query::{ExprKind, QueryStatement, Source};
use downhaul_syntax::{
    Change, ColumnDef, Conversion, Dialect, Expr, Ident, ObjectName, Script, Statement,
    parse_query, parse_script,
};

use super::HERE;
use super::compose::{Composed, rewrite, shapes};
use super::conversion::Conv;

/// A change of a file: its statement, and which of that.
type At = (usize, usize);

/// A column that the file retypes by hand.
struct ByHand {
    table: ObjectName,
    /// Its name, before the file and behind it.
    column: Ident,
    /// The name of the second one while it has another, and that of the first while it stands aside.
    others: Vec<Ident>,
    /// What the file does with the two.
    steps: Vec<At>,
    /// The `UPDATE`.
    filled: usize,
    /// What it comes to.
    changes: Vec<Change>,
}

/// Takes them for what they come to.
pub(super) fn fold(out: &mut Composed, before: &Catalog) {
    let script = out.script.clone();
    let mut found = found(&script, before);
    let all = |found: &[ByHand]| -> Vec<(ObjectName, Ident)> {
        found
            .iter()
            .flat_map(|one| {
                one.others.iter().chain([&one.column]).map(|c| (one.table.clone(), c.clone()))
            })
            .collect()
    };
    // An `UPDATE` goes as a whole or not at all.
    let folded = all(&found);
    found.retain(|one| match script.statements[one.filled].changes() {
        [Change::Update { table, columns, .. }] => {
            let table = before.normalize(table);
            columns.iter().all(|column| folded.contains(&(table.clone(), column.clone())))
        }
        _ => false,
    });
    let mut with = out.clone();
    if found.is_empty() || !found.iter().all(|one| one.put(&script, &mut with, before).is_some()) {
        return;
    }
    let (mut whole, mut after) = (before.clone(), before.clone());
    whole.apply_script(&script, HERE);
    after.apply_script(&with.script, HERE);
    if diff(&whole, &after, DiffOptions::default()).is_empty() {
        *out = with;
    }
}

/// The lines that say the same of a column as one change, where the file retypes it by hand.
pub(super) fn lines(
    script: &Script,
    table: &ObjectName,
    column: &Ident,
    before: &Catalog,
) -> Option<String> {
    let all = found(script, before);
    let one = all.iter().find(|one| one.table == *table && one.column == *column)?;
    let texts: Option<Vec<Vec<String>>> =
        one.changes.iter().map(|change| render(change, before.dialect).ok()).collect();
    Some(texts?.concat().iter().map(|text| format!("\n  {text};")).collect())
}

fn found(script: &Script, before: &Catalog) -> Vec<ByHand> {
    let mut out = Vec::new();
    if before.dialect != Dialect::Postgres {
        return out;
    }
    for (at, change) in changes(script) {
        if let Change::AddColumn { table, column, .. } = change {
            let table = before.normalize(table);
            if before.table(&table).is_some() {
                out.extend(ByHand::of(script, before, (at, &table, column)));
            }
        }
    }
    out
}

fn changes(script: &Script) -> impl Iterator<Item = (At, &Change)> {
    script.statements.iter().enumerate().flat_map(|(statement, s)| {
        s.changes().iter().enumerate().map(move |(n, change)| ((statement, n), change))
    })
}

impl ByHand {
    /// Reads what the file does with a column that it adds.
    fn of(
        script: &Script,
        before: &Catalog,
        (added, table, def): (At, &ObjectName, &ColumnDef),
    ) -> Option<Self> {
        let dialect = before.dialect;
        let known = before.table(table)?;
        let is = |of: &ObjectName| before.normalize(of) == *table;
        // The name that the old column has where the rows are filled, and what it gives the two.
        let named = changes(script).find_map(|(at, change)| match change {
            Change::RenameColumn { table: of, from, to } if is(of) => {
                let aside = at < added && *from == def.name && known.column(from).is_some();
                let takes = at > added && *from == def.name && known.column(to).is_some();
                (aside || takes).then(|| (at, if aside { from } else { to }.clone(), to.clone()))
            }
            _ => None,
        });
        let (renamed, column, to) = named?;
        // Either the new one takes its name in the end, or the old one steps aside first.
        let source = if renamed < added { to } else { column.clone() };
        let old = known.column(&column)?;
        let dropped = changes(script).find_map(|(at, change)| match change {
            Change::DropColumn { table: of, column, .. } if is(of) && *column == source => Some(at),
            _ => None,
        })?;
        let mut steps = vec![added, renamed, dropped];
        let mut filled = None;
        let (mut default, mut not_null) = (def.default.clone(), def.not_null);
        let end = steps.iter().max().copied()?;
        for (at, change) in changes(script).filter(|(at, _)| *at > added && *at < end) {
            match change {
                Change::Update { table: of, columns, .. }
                    if is(of) && columns.contains(&def.name) =>
                {
                    if filled.replace(at.0).is_some() {
                        return None;
                    }
                }
                Change::SetNotNull { table: of, column } if is(of) && *column == def.name => {
                    not_null = true;
                    steps.push(at);
                }
                Change::SetDefault { table: of, column, default: given }
                    if is(of) && *column == def.name =>
                {
                    default = Some(given.clone());
                    steps.push(at);
                }
                Change::DropDefault { table: of, column } if is(of) && *column == def.name => {
                    default = None;
                    steps.push(at);
                }
                Change::Update { .. } => {}
                other if shapes(other) => {}
                _ => return None,
            }
        }
        let filled = filled?;
        let value = value(&script.statements[filled], def, &source, dialect)?;
        let value = rename_ident(&value, dialect, &source, &column);
        let reads = Conv::of_text(&value, known, dialect).ok()?.columns();
        if reads.is_empty() || reads.iter().any(|c| *c != column) {
            return None;
        }
        let others = [&def.name, &source].into_iter().filter(|name| **name != column).cloned();
        let others = others.collect();
        let retype = Change::AlterColumnType {
            table: table.clone(),
            column: column.clone(),
            ty: def.ty.clone()?,
            collation: def.collation.clone(),
            using: Some(expression(&value, dialect)?),
        };
        let mut out = Vec::new();
        let of = || (table.clone(), column.clone());
        if old.default.is_some() {
            let (table, column) = of();
            out.push(Change::DropDefault { table, column });
        }
        if old.not_null && !not_null {
            let (table, column) = of();
            out.push(Change::DropNotNull { table, column });
        }
        out.push(retype);
        if let Some(default) = default {
            let (table, column) = of();
            out.push(Change::SetDefault { table, column, default });
        }
        if not_null && !old.not_null {
            let (table, column) = of();
            out.push(Change::SetNotNull { table, column });
        }
        Some(Self { table: table.clone(), column, others, steps, filled, changes: out })
    }

    /// Puts the one change in the place of all that the file says of the column.
    fn put(&self, script: &Script, out: &mut Composed, before: &Catalog) -> Option<()> {
        let known = before.table(&self.table)?;
        let home = self.steps.iter().map(|(at, _)| *at).max()?;
        // What stood on the old column and is made again stays where it is.
        let again = changes(script).filter(|((at, _), change)| {
            let (stands, dropped): (bool, &dyn Fn(&Change) -> bool) = match change {
                Change::CreateIndex { index, .. } => {
                    let name = index.name.as_ref().map(|name| &name.name);
                    let of = known.indexes.iter().any(|i| Some(&i.name.name) == name);
                    (of, &move |other| {
                        matches!(other, Change::DropIndex { name: n, .. } if Some(&n.name) == name)
                    })
                }
                Change::AddConstraint { table, constraint, .. } => {
                    let name = constraint.name.as_ref();
                    let of = before.normalize(table) == self.table;
                    (of && name.is_some_and(|n| known.constraint(n).is_some()), &move |other| {
                        matches!(other, Change::DropConstraint { name: n, .. } if Some(n) == name)
                    })
                }
                _ => return false,
            };
            stands && *at > home && !changes(script).any(|(_, other)| dropped(other))
        });
        let again: Vec<At> = again.map(|(at, _)| at).collect();
        let mut back: Vec<Conversion> = Vec::new();
        let mut gone = [&self.steps[..], &again[..]].concat();
        let update = &script.statements[self.filled];
        gone.extend((0..update.changes().len()).map(|n| (self.filled, n)));
        for (at, n) in gone {
            let mut left = out.script.statements[at].changes().to_vec();
            // Another column of the same statement may have taken it already.
            left.retain(|change| *change != script.statements[at].changes()[n]);
            let (there, here) = &mut out.directives[at];
            let all = std::mem::take(here);
            for conversion in all {
                let named = conversion.column.as_deref();
                let own = named.is_none_or(|name| {
                    self.others.iter().chain([&self.column]).any(|c| c.as_str() == name)
                });
                if own { back.push(conversion) } else { here.push(conversion) }
            }
            if !there.is_empty() {
                return None;
            }
            if at != home {
                out.emptied[at] = left.is_empty();
            }
            rewrite(&mut out.script.statements[at], left, before.dialect);
        }
        for conversion in &mut back {
            conversion.column = conversion.column.as_ref().map(|_| self.column.as_str().to_owned());
            for other in &self.others {
                conversion.expr =
                    rename_ident(&conversion.expr, before.dialect, other, &self.column);
            }
        }
        let mut all = out.script.statements[home].changes().to_vec();
        all.extend(self.changes.iter().cloned());
        rewrite(&mut out.script.statements[home], all, before.dialect);
        out.directives[home].1.extend(back);
        Some(())
    }
}

/// What an `UPDATE` of one table writes to a column, for all rows.
fn value(
    statement: &Statement,
    def: &ColumnDef,
    source: &Ident,
    dialect: Dialect,
) -> Option<String> {
    let column = &def.name;
    let text = &statement.text;
    let Ok(QueryStatement::Update(update)) = parse_query(text, dialect) else { return None };
    let plain = update.with.parts.is_empty()
        && update.from.is_empty()
        && update.order_by.is_empty()
        && update.returning.is_empty()
        && matches!(update.target.as_slice(), [Source::Table { alias: None, .. }]);
    let mut written =
        update.assignments.iter().filter(|a| a.columns.iter().any(|c| c.name() == column));
    let (Some(one), None, true) = (written.next(), written.next(), plain) else { return None };
    if one.columns.len() != 1 {
        return None;
    }
    let value = one.value.span.text(text);
    let Some(filter) = &update.filter else { return Some(value.to_owned()) };
    let test = filter.span.text(text);
    // Other rows have what the column was added with.
    let Some(default) = &def.default else {
        // A cast makes NULL of NULL: the test says nothing more.
        let given = matches!(&filter.kind, ExprKind::Unary(op, inner) if op == "IS NULL"
                && matches!(&inner.kind, ExprKind::Column(path) if path.name() == source))
            && test.to_uppercase().contains("NOT")
            && matches!(&one.value.kind, ExprKind::Cast(inner, _)
                if matches!(inner.kind, ExprKind::Column(_)));
        let case = format!("CASE WHEN {test} THEN {value} END");
        return Some(if given { value.to_owned() } else { case });
    };
    let constant = default.functions.is_empty();
    constant.then(|| format!("CASE WHEN {test} THEN {value} ELSE {} END", default.text))
}

fn expression(text: &str, dialect: Dialect) -> Option<Expr> {
    let script =
        parse_script(&format!("ALTER TABLE t ALTER COLUMN c SET DEFAULT ({text})"), dialect);
    match script.statements.first()?.changes() {
        [Change::SetDefault { default, .. }] => {
            Some(Expr { text: text.to_owned(), ..default.clone() })
        }
        _ => None,
    }
}

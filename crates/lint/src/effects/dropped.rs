//! What earlier changes of a migration took away that a new constraint may bring back: a rule that
//! was in force until then binds nobody anew.

use downhaul_catalog::Table;
use downhaul_syntax::lexer::{self, TokenKind};
use downhaul_syntax::{
    Change, ConstraintDef, ConstraintKind, Dialect, Expr, Ident, ObjectName, ReferentialAction,
};

use super::unique::Key;
use crate::state::State;

/// A rule of a table that an earlier change of the migration dropped.
#[derive(Clone, Debug)]
pub(crate) struct Dropped {
    table: ObjectName,
    rule: Rule,
}

#[derive(Clone, Debug)]
enum Rule {
    Constraint(ConstraintKind),
    /// A unique key or index.
    Key(Key),
    /// Name and text of a policy.
    Policy(Ident, String),
}

impl Dropped {
    fn constraint(&self) -> Option<&ConstraintKind> {
        match &self.rule {
            Rule::Constraint(kind) => Some(kind),
            Rule::Key(_) | Rule::Policy(..) => None,
        }
    }
}

/// What a change is about to drop.
pub(crate) fn drops(change: &Change, state: &State<'_>) -> Vec<Dropped> {
    let (table, rules) = match change {
        Change::DropConstraint { table, name, .. } => {
            let Some(known) = state.table(table) else { return Vec::new() };
            (table.clone(), named(known, name, state.dialect()))
        }
        Change::DropIndex { name, table, .. } => {
            // A unique key of MySQL is a constraint and no index.
            let owner = state.index_table(name, table.as_ref()).or_else(|| table.clone());
            let Some(table) = owner else { return Vec::new() };
            let Some(known) = state.table(&table) else { return Vec::new() };
            let rules = named(known, &name.name, state.dialect());
            (table, rules)
        }
        Change::DropPrimaryKey { table } => {
            let Some(known) = state.table(table) else { return Vec::new() };
            let keys = known.constraints.iter().map(|c| &c.kind);
            let keys = keys.filter(|k| matches!(k, ConstraintKind::PrimaryKey { .. }));
            (table.clone(), keys.flat_map(|k| constraint(k, known)).collect())
        }
        Change::DropPolicy { table, name, .. } => {
            let text = state.table(table).and_then(|t| t.policies.get(name));
            let policy = text.map(|text| Rule::Policy(name.clone(), text.clone()));
            (table.clone(), policy.into_iter().collect())
        }
        _ => return Vec::new(),
    };
    let table = state.catalog.normalize(&table);
    rules.into_iter().map(|rule| Dropped { table: table.clone(), rule }).collect()
}

/// The constraint or the unique index of a name.
fn named(table: &Table, name: &Ident, dialect: Dialect) -> Vec<Rule> {
    let mut rules: Vec<Rule> =
        table.constraint(name).map(|c| constraint(&c.kind, table)).unwrap_or_default();
    let index = table.indexes.iter().find(|i| i.name.name == *name);
    rules.extend(index.and_then(|i| Key::of_index(i, table, dialect)).map(Rule::Key));
    rules
}

fn constraint(kind: &ConstraintKind, table: &Table) -> Vec<Rule> {
    let key = Key::of_constraint(kind, Some(table)).map(Rule::Key);
    key.into_iter().chain([Rule::Constraint(kind.clone())]).collect()
}

/// Keys that were in force on a table until this migration.
pub(crate) fn keys<'d>(
    dropped: &'d [Dropped],
    table: &'d ObjectName,
) -> impl Iterator<Item = &'d Key> {
    dropped.iter().filter(move |d| d.table == *table).filter_map(|d| match &d.rule {
        Rule::Key(key) => Some(key),
        Rule::Constraint(_) | Rule::Policy(..) => None,
    })
}

/// Names and texts of the policies that were in force on a table until this migration.
pub(crate) fn policies<'d>(
    dropped: &'d [Dropped],
    table: &'d ObjectName,
) -> impl Iterator<Item = (&'d Ident, &'d str)> {
    dropped.iter().filter(move |d| d.table == *table).filter_map(|d| match &d.rule {
        Rule::Policy(name, text) => Some((name, text.as_str())),
        Rule::Key(_) | Rule::Constraint(_) => None,
    })
}

/// Conditions that were in force on a table until this migration.
pub(crate) fn checks<'d>(dropped: &'d [Dropped], table: &ObjectName) -> Vec<&'d str> {
    let of_table = dropped.iter().filter(|d| d.table == *table);
    of_table
        .filter_map(|d| match d.constraint()? {
            ConstraintKind::Check { expr, .. } => Some(expr.text.as_str()),
            _ => None,
        })
        .collect()
}

/// One that was dropped refused all that the new one refuses: the same reference, the same
/// condition, or one that names more values.
pub(crate) fn was_stricter(
    dropped: &[Dropped],
    table: &ObjectName,
    new: &ConstraintDef,
    dialect: Dialect,
) -> bool {
    let of_table = dropped.iter().filter(|d| d.table == *table);
    of_table.filter_map(Dropped::constraint).any(|old| match (old, &new.kind) {
        (ConstraintKind::Check { expr: old, .. }, ConstraintKind::Check { expr: new, .. }) => {
            lets_more_in(old, new, dialect)
        }
        _ => as_strict(old, &new.kind),
    })
}

/// A reference of these columns that deleted rows with the row they refer to.
pub(crate) fn cascaded(dropped: &[Dropped], table: &ObjectName, of: &[Ident]) -> bool {
    dropped.iter().filter(|d| d.table == *table).filter_map(Dropped::constraint).any(|kind| {
        matches!(kind, ConstraintKind::ForeignKey { columns, on_delete: ReferentialAction::Cascade, .. }
            if columns == of)
    })
}

/// A reference of these columns kept the rows that it refers to.
pub(crate) fn refused_deletes(dropped: &[Dropped], table: &ObjectName, of: &[Ident]) -> bool {
    use ReferentialAction::{NoAction, Restrict};
    dropped.iter().filter(|d| d.table == *table).filter_map(Dropped::constraint).any(|kind| {
        matches!(kind, ConstraintKind::ForeignKey { columns, on_delete: NoAction | Restrict, .. }
            if columns == of)
    })
}

/// The table has a reference already that refuses all that the new one refuses.
pub(crate) fn is_in_force(table: &Table, new: &ConstraintDef) -> bool {
    let ConstraintKind::ForeignKey { columns, .. } = &new.kind else { return false };
    let Some(first) = columns.first() else { return false };
    table.constraints.reading(first).any(|c| as_strict(&c.kind, &new.kind))
}

/// A check of the table refuses all that this one refuses.
pub(crate) fn is_checked_already(table: &Table, new: &Expr, dialect: Dialect) -> bool {
    table.constraints.iter().any(|c| match &c.kind {
        ConstraintKind::Check { expr, .. } if !c.not_enforced => lets_more_in(expr, new, dialect),
        _ => false,
    })
}

/// Two references of which the new one refuses no row that the old one let in, and no change of a
/// referenced row that the old one carried out.
fn as_strict(old: &ConstraintKind, new: &ConstraintKind) -> bool {
    use ReferentialAction::{NoAction, Restrict};
    let (
        ConstraintKind::ForeignKey {
            columns: a,
            table: from,
            referred: r,
            on_delete: d,
            on_update: u,
            ..
        },
        ConstraintKind::ForeignKey {
            columns: b,
            table: to,
            referred: s,
            on_delete: e,
            on_update: v,
            ..
        },
    ) = (old, new)
    else {
        return false;
    };
    let refuses = |action: &ReferentialAction| matches!(action, NoAction | Restrict);
    a == b
        && from.name == to.name
        && (r == s || r.is_empty() || s.is_empty())
        && (!refuses(e) || refuses(d))
        && (!refuses(v) || refuses(u))
}

/// The same text but for its quoted literals, of which the new one has all that the old one had, as
/// `state IN ('a', 'b')` becomes `state IN ('a', 'b', 'c')`.
fn lets_more_in(old: &Expr, new: &Expr, dialect: Dialect) -> bool {
    let (old, new) = (Words::of(&old.text, dialect), Words::of(&new.text, dialect));
    if let (Some((a, from, to)), Some((b, lower, upper))) = (old.range(), new.range()) {
        return a == b && lower <= from && upper >= to;
    }
    if old.rest != new.rest {
        return false;
    }
    old.literals == new.literals
        || old.is_list && new.is_list && old.literals.iter().all(|l| new.literals.contains(l))
}

/// A condition taken apart.
struct Words {
    /// All but literals, commas and what PostgreSQL writes around a list of its own.
    rest: Vec<String>,
    literals: Vec<String>,
    /// One column in one list.
    is_list: bool,
}

impl Words {
    /// `column BETWEEN number AND number`.
    fn range(&self) -> Option<(&str, f64, f64)> {
        let mut words = self.rest.iter().map(String::as_str);
        let column = words.next()?;
        if words.next()? != "between" {
            return None;
        }
        let text = words.collect::<String>();
        let (from, to) = text.split_once("and")?;
        Some((column, from.parse().ok()?, to.parse().ok()?))
    }

    fn of(text: &str, dialect: Dialect) -> Self {
        let (mut rest, mut literals) = (Vec::new(), Vec::new());
        let mut lists = 0;
        for token in lexer::lex(text, dialect).tokens {
            let part = text.get(token.span.start..token.span.end).unwrap_or_default();
            match token.kind {
                TokenKind::String => literals.push(part.to_owned()),
                TokenKind::Comma | TokenKind::LeftParen | TokenKind::RightParen => {}
                kind if kind.is_trivia() => {}
                _ => {
                    let word = part.trim_matches(['"', '`']).to_lowercase();
                    lists += usize::from(word == "in" || word == "any");
                    rest.push(word);
                }
            }
        }
        let negated = rest.iter().any(|w| w == "not" || w == "and");
        Self { is_list: lists == 1 && !negated, rest, literals }
    }
}

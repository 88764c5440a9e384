//! Unique keys, and whether a new one refuses a row that was let in before it.

use downhaul_catalog::{Column, Index, Table};
use downhaul_syntax::lexer::{self, TokenKind};
use downhaul_syntax::{Change, ConstraintKind, Dialect, Expr, Ident, IndexPart};

use super::default_value::{is_null, is_volatile};
use crate::state::State;

/// A unique key or index.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    parts: Vec<Part>,
    /// Conditions of its predicate, joined by AND.
    predicate: Vec<String>,
    nulls_not_distinct: bool,
}

/// One part of a key.
#[derive(Clone, Debug)]
struct Part {
    /// A whole column.
    column: Option<Ident>,
    /// What else is compared, in words that do not depend on how it is written.
    words: String,
    /// Columns that it reads.
    reads: Vec<Ident>,
    collation: Option<String>,
    /// Upper and lower case are the same.
    folds: bool,
    /// As far as is known.
    nullable: bool,
}

impl Key {
    /// Of a constraint; `None` where it is no key, or takes an index that is there.
    pub(crate) fn of_constraint(kind: &ConstraintKind, table: Option<&Table>) -> Option<Self> {
        let (columns, nulls_not_distinct) = match kind {
            ConstraintKind::PrimaryKey { columns, using_index: None } => (columns, false),
            ConstraintKind::Unique { columns, nulls_not_distinct, using_index: None } => {
                (columns, *nulls_not_distinct)
            }
            _ => return None,
        };
        let parts = columns.iter().map(|c| Part::of_column(c, None, table)).collect();
        Some(Self { parts, predicate: Vec::new(), nulls_not_distinct })
    }

    /// Of the parts and the predicate of a unique index.
    fn of_parts(
        parts: &[IndexPart],
        predicate: Option<&Expr>,
        nulls_not_distinct: bool,
        table: Option<&Table>,
        dialect: Dialect,
    ) -> Self {
        let predicate = predicate.map(|p| conjuncts(&p.text, dialect)).unwrap_or_default();
        let parts = parts.iter().map(|p| Part::of_index(p, table, dialect)).collect();
        Self { parts, predicate, nulls_not_distinct }
    }

    /// Of an index that is there.
    pub(crate) fn of_index(index: &Index, table: &Table, dialect: Dialect) -> Option<Self> {
        index.unique.then(|| {
            let predicate = index.predicate.as_ref();
            Self::of_parts(&index.parts, predicate, index.nulls_not_distinct, Some(table), dialect)
        })
    }

    /// That a change adds to a table.
    pub(crate) fn added(change: &Change, state: &State<'_>) -> Option<Self> {
        match change {
            Change::AddConstraint { table, constraint, .. } => {
                Self::of_constraint(&constraint.kind, state.table(table))
            }
            Change::CreateIndex { index, .. } if index.unique => Some(Self::of_parts(
                &index.parts,
                index.predicate.as_ref(),
                index.nulls_not_distinct,
                state.table(&index.table),
                state.dialect(),
            )),
            _ => None,
        }
    }

    /// Two rows that are the same to `other` are the same to this one: where this one is in force,
    /// the other refuses nothing more.
    pub(crate) fn implies(&self, other: &Self) -> bool {
        let narrower = self.predicate.iter().all(|p| other.predicate.contains(p));
        let nulls = !other.nulls_not_distinct
            || self.nulls_not_distinct
            || self.parts.iter().all(|p| !p.nullable);
        !self.parts.is_empty()
            && narrower
            && nulls
            && self.parts.iter().all(|mine| other.parts.iter().any(|p| mine.same_in(p)))
    }

    /// It refuses no row of a release that does not know the columns that this deployment adds: one
    /// of its columns is NULL in each row that it is about, or another in each.
    pub(crate) fn refuses_nothing(&self, table: &Table, state: &State<'_>) -> bool {
        let demanded = |c: &Ident, says: &str| {
            let wanted = format!("{} {says}", c.as_str().to_lowercase());
            self.predicate.contains(&wanted)
        };
        let columns = || self.parts.iter().filter_map(|p| p.column.as_ref());
        if !self.nulls_not_distinct && columns().any(|c| demanded(c, "is null"))
            || table.columns.iter().any(|c| c.not_null && demanded(&c.name, "is null"))
        {
            return true;
        }
        let new = |c: &&Column| !state.existed(c.origin);
        columns().filter_map(|c| table.column(c)).filter(new).any(|column| {
            let drawn = column.identity.is_some() || column.auto_increment;
            let filled = column.default.as_ref().filter(|d| !is_null(d));
            let other = filled.is_some_and(|d| is_volatile(d, state.catalog));
            // `WHERE code <> ''` of a column whose default is that: no old row is in the index.
            let left_out = filled.is_some_and(|d| {
                let (name, value) = (column.name.as_str(), d.text.trim());
                ["<>", "!="].iter().any(|not| {
                    self.predicate.contains(&format!("{name} {not} {value}").to_lowercase())
                })
            });
            let empty = filled.is_none() && column.generated.is_none() && !column.not_null;
            drawn || other || left_out || empty && !self.nulls_not_distinct
        })
    }

    /// Columns that it reads.
    pub(crate) fn reads(&self) -> impl Iterator<Item = &Ident> {
        self.parts.iter().flat_map(|p| &p.reads)
    }
}

impl Part {
    fn of_column(name: &Ident, collation: Option<String>, table: Option<&Table>) -> Self {
        let column = table.and_then(|t| t.column(name));
        let ty = column.and_then(|c| c.ty.as_ref()).map_or("", |t| t.name.as_str());
        let own = column.and_then(|c| c.collation.as_ref()).map(|c| c.to_lowercase());
        let collation = collation.or(own);
        let folds = ty == "citext"
            || collation.as_ref().is_some_and(|c| c == "nocase" || c.ends_with("_ci"));
        Self {
            column: Some(name.clone()),
            words: String::new(),
            reads: vec![name.clone()],
            collation,
            folds,
            nullable: column.is_none_or(|c| !c.not_null),
        }
    }

    fn of_index(part: &IndexPart, table: Option<&Table>, dialect: Dialect) -> Self {
        let lower = part.text.to_lowercase();
        let stated = lower.split_once(" collate ").and_then(|(_, rest)| {
            let name = rest.split_whitespace().next()?;
            Some(name.trim_matches(['"', '`', '(', ')']).to_owned())
        });
        // A key of MySQL may hold the beginning of a text alone.
        let prefix = dialect.is_mysql_family() && part.text.contains('(');
        match &part.column {
            Some(column) if !prefix => Self::of_column(column, stated, table),
            _ => {
                let text = part.expr.as_ref().map_or(part.text.as_str(), |e| &e.text);
                let words = words(text, dialect);
                let reads = match (&part.column, &part.expr) {
                    (Some(column), _) => vec![column.clone()],
                    (None, Some(expr)) => expr.columns.clone(),
                    (None, None) => Vec::new(),
                };
                let folds = stated.as_deref() == Some("nocase");
                Self { column: None, words, reads, collation: stated, folds, nullable: true }
            }
        }
    }

    /// Values that are the same to `other` are the same to this one.
    fn same_in(&self, other: &Self) -> bool {
        let collation = self.collation == other.collation || self.folds || !other.folds;
        match (&self.column, &other.column) {
            (Some(a), Some(b)) => a == b && collation,
            (None, None) => self.words == other.words && collation,
            (Some(a), None) if self.folds => {
                let name = a.as_str().to_lowercase();
                ["lower", "upper"].iter().any(|f| other.words == format!("{f} {name}"))
            }
            _ => false,
        }
    }
}

/// The words of an expression in lower case, without brackets, quotes and casts to text.
fn words(text: &str, dialect: Dialect) -> String {
    let mut out: Vec<String> = Vec::new();
    let mut cast = false;
    for token in lexer::lex(text, dialect).tokens {
        let part = text.get(token.span.start..token.span.end).unwrap_or_default();
        match token.kind {
            kind if kind.is_trivia() => {}
            TokenKind::LeftParen | TokenKind::RightParen => {}
            TokenKind::String => out.push(part.to_owned()),
            _ if part == "::" => cast = true,
            _ if cast => {
                cast = false;
                if part != "text" {
                    out.push(format!("::{}", part.to_lowercase()));
                }
            }
            _ => out.push(part.trim_matches(['"', '`', '[', ']']).to_lowercase()),
        }
    }
    out.join(" ")
}

/// What a predicate joins by AND; as one where it joins by OR too.
fn conjuncts(text: &str, dialect: Dialect) -> Vec<String> {
    let flat = words(text, dialect);
    let list: Vec<&str> = flat.split(' ').collect();
    if list.contains(&"or") || list.contains(&"between") {
        return vec![flat];
    }
    flat.split(" and ").map(str::to_owned).collect()
}

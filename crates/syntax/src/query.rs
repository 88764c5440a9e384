//! The shape of a query: what it names, where, and in which scope.
//!
//! Enough of a statement to resolve every name against a schema: tables with their aliases,
//! expressions with their columns and functions, common table expressions, subqueries. Precedence
//! is kept as far as types of operands need it. Read by [`crate::parse::parse_query`].

use crate::{Ident, Span, SqlType};

/// A dotted name and its place: `a`, `t.a`, `schema.t.a`.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// At least one part.
    pub parts: Vec<Ident>,
    /// Place of the whole.
    pub span: Span,
}

impl Path {
    /// The last part.
    #[must_use]
    pub fn name(&self) -> &Ident {
        &self.parts[self.parts.len() - 1]
    }
}

/// A name and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Name {
    /// The name.
    pub ident: Ident,
    /// Its place.
    pub span: Span,
}

/// A statement that reads or writes rows.
#[derive(Clone, Debug, PartialEq)]
pub enum QueryStatement {
    /// `SELECT`, `VALUES`, `TABLE`.
    Select(Select),
    /// `INSERT`, `REPLACE`.
    Insert(Box<Insert>),
    /// `UPDATE`.
    Update(Update),
    /// `DELETE`.
    Delete(Delete),
    /// `MERGE`.
    Merge(Box<Merge>),
    /// `CALL name(args)`.
    Call(Expr),
    /// `TRUNCATE`, `LOCK TABLE`, `COPY`: tables alone.
    Tables(Vec<(Path, Vec<Name>)>),
    /// Names nothing of a schema: `BEGIN`, `SET`, `SHOW`.
    Nothing,
}

/// A common table expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Cte {
    /// Its name.
    pub name: Ident,
    /// Names given to its columns.
    pub columns: Vec<Ident>,
    /// What it holds.
    pub body: QueryStatement,
}

/// `WITH`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct With {
    /// A part may read itself.
    pub recursive: bool,
    /// In order.
    pub parts: Vec<Cte>,
}

/// A whole select, set operations and order included.
#[derive(Clone, Debug, PartialEq)]
pub struct Select {
    /// `WITH`.
    pub with: With,
    /// What gives the rows.
    pub body: SetBody,
    /// `ORDER BY`.
    pub order_by: Vec<Expr>,
    /// `LIMIT`, `OFFSET`, `FETCH`.
    pub limits: Vec<Expr>,
    /// `FOR UPDATE OF …`.
    pub locks: Vec<Name>,
}

/// What gives rows.
#[derive(Clone, Debug, PartialEq)]
pub enum SetBody {
    /// One `SELECT`.
    Core(Box<Core>),
    /// `VALUES (…), (…)`.
    Values(Vec<Vec<Expr>>),
    /// `TABLE name`.
    Table(Path),
    /// `UNION`, `INTERSECT`, `EXCEPT`.
    Set(Box<SetBody>, Box<SetBody>, Span),
    /// A select in parentheses.
    Nested(Box<Select>),
}

/// `SELECT … FROM … WHERE …`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Core {
    /// `DISTINCT ON`.
    pub distinct_on: Vec<Expr>,
    /// The select list.
    pub items: Vec<Item>,
    /// `FROM`, its parts between commas.
    pub from: Vec<Source>,
    /// `WHERE`.
    pub filter: Option<Expr>,
    /// `GROUP BY`.
    pub group_by: Vec<Expr>,
    /// `GROUP BY` has `ROLLUP`, `CUBE`, `GROUPING SETS` or `ALL`.
    pub grouping_sets: bool,
    /// `HAVING`.
    pub having: Option<Expr>,
    /// Parts of named windows.
    pub windows: Vec<Expr>,
}

/// One item of a select list or of `RETURNING`.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// `*`.
    Star(Span),
    /// `t.*`.
    TableStar(Path),
    /// An expression with its alias.
    Expr(Expr, Option<Ident>),
}

/// What stands in `FROM`.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A table, a view or a common table expression.
    Table {
        /// Its name.
        name: Path,
        /// Its alias.
        alias: Option<Ident>,
        /// Names given to its first columns.
        columns: Vec<Ident>,
        /// Indexes that a hint demands (MySQL, SQLite).
        indexes: Vec<Name>,
    },
    /// A function that gives rows.
    Function {
        /// The call.
        call: Expr,
        /// Its alias.
        alias: Option<Ident>,
        /// Names given to its columns.
        columns: Vec<Ident>,
    },
    /// A subquery.
    Query {
        /// The query.
        select: Box<Select>,
        /// Sees what stands left of it.
        lateral: bool,
        /// Its alias.
        alias: Option<Ident>,
        /// Names given to its columns.
        columns: Vec<Ident>,
    },
    /// A join.
    Join {
        /// Left.
        left: Box<Source>,
        /// Right.
        right: Box<Source>,
        /// `NATURAL`.
        natural: bool,
        /// `USING (…)`.
        using: Vec<Name>,
        /// `ON`.
        on: Option<Expr>,
        /// Place of the join's keyword.
        span: Span,
    },
}

/// A literal's kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiteralKind {
    /// `'x'`, whose type the surroundings decide on PostgreSQL.
    String,
    /// `1`.
    Integer,
    /// `1.5`, `1e3`.
    Decimal,
    /// `true`.
    Boolean,
    /// `NULL`.
    Null,
    /// `X'00'`, `B'0'`.
    Bytes,
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Place.
    pub span: Span,
}

/// Functions over several rows.
const AGGREGATES: &[&str] = &[
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "string_agg",
    "array_agg",
    "json_agg",
    "jsonb_agg",
    "json_object_agg",
    "jsonb_object_agg",
    "bool_and",
    "bool_or",
    "every",
    "bit_and",
    "bit_or",
    "bit_xor",
    "any_value",
    "group_concat",
    "json_arrayagg",
    "json_objectagg",
    "std",
    "stddev",
    "variance",
    "stddev_pop",
    "stddev_samp",
    "var_pop",
    "var_samp",
    "mode",
    "percentile_cont",
    "percentile_disc",
    "xmlagg",
    "range_agg",
];

impl Expr {
    /// Gathers the columns of an expression over one row; `false` where it holds a subquery, an aggregate
    /// or a parameter.
    pub fn row_columns<'e>(&'e self, out: &mut Vec<&'e Path>) -> bool {
        let mut all = |list: &mut dyn Iterator<Item = &'e Self>| {
            for expr in list {
                if !expr.row_columns(out) {
                    return false;
                }
            }
            true
        };
        match &self.kind {
            ExprKind::Column(path) => {
                out.push(path);
                true
            }
            ExprKind::Literal(..) | ExprKind::Keyword(_) => true,
            ExprKind::Call { name, args, more, windowed, .. } => {
                let lower = name.name().as_str().to_lowercase();
                !windowed
                    && !AGGREGATES.contains(&lower.as_str())
                    && all(&mut args.iter().chain(more))
            }
            ExprKind::Cast(inner, _) | ExprKind::Unary(_, inner) | ExprKind::Field(inner, _) => {
                inner.row_columns(out)
            }
            ExprKind::Binary(_, left, right) | ExprKind::AnyOf(left, right) => {
                all(&mut [left.as_ref(), right.as_ref()].into_iter())
            }
            ExprKind::Among(first, rest) | ExprKind::Index(first, rest) => {
                all(&mut std::iter::once(first.as_ref()).chain(rest))
            }
            ExprKind::Array(list) | ExprKind::Row(list) => all(&mut list.iter()),
            ExprKind::Case(operand, arms, rest) => {
                let arms = arms.iter().flat_map(|(when, then)| [when, then]);
                all(&mut operand.as_deref().into_iter().chain(arms).chain(rest.as_deref()))
            }
            ExprKind::QuotedColumn(_)
            | ExprKind::Param(_)
            | ExprKind::AmongRows(..)
            | ExprKind::Subquery(_)
            | ExprKind::Exists(_)
            | ExprKind::ArrayOf(_)
            | ExprKind::Default
            | ExprKind::Star => false,
        }
    }
}

/// What an expression is.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// A column, or a whole row.
    Column(Path),
    /// Written with double quotes, which SQLite takes for a string where no such column is.
    QuotedColumn(Path),
    /// A literal: its kind and value.
    Literal(LiteralKind, String),
    /// A parameter: its number, where it has one.
    Param(Option<usize>),
    /// A function call.
    Call {
        /// Its name.
        name: Path,
        /// Arguments.
        args: Vec<Expr>,
        /// `FILTER`, `OVER`, `ORDER BY` inside: expressions that are no arguments.
        more: Vec<Expr>,
        /// `OVER` stands behind it.
        windowed: bool,
        /// `f(*)`.
        star: bool,
        /// Syntax of its own (`EXTRACT(x FROM y)`): arguments are not counted.
        special: bool,
    },
    /// `CAST(x AS type)`, `x::type`, `type 'literal'`.
    Cast(Box<Expr>, SqlType),
    /// An operator before or behind its operand.
    Unary(String, Box<Expr>),
    /// An operator between two operands, upper case.
    Binary(String, Box<Expr>, Box<Expr>),
    /// `x [NOT] IN (…)`, `x BETWEEN y AND z`: the first is compared with each of the others.
    Among(Box<Expr>, Vec<Expr>),
    /// `x IN (SELECT …)`, `x = ANY (SELECT …)`.
    AmongRows(Box<Expr>, Box<Select>),
    /// `x = ANY (array)`.
    AnyOf(Box<Expr>, Box<Expr>),
    /// A scalar subquery.
    Subquery(Box<Select>),
    /// `EXISTS (SELECT …)`.
    Exists(Box<Select>),
    /// `ARRAY(SELECT …)`.
    ArrayOf(Box<Select>),
    /// `ARRAY[…]`.
    Array(Vec<Expr>),
    /// `(a, b)`, `ROW(a, b)`.
    Row(Vec<Expr>),
    /// `CASE`: what is compared, pairs of condition and value, and the rest.
    Case(Option<Box<Expr>>, Vec<(Expr, Expr)>, Option<Box<Expr>>),
    /// `x[1]`: the array, and the subscripts.
    Index(Box<Expr>, Vec<Expr>),
    /// `(x).field`.
    Field(Box<Expr>, Name),
    /// `DEFAULT`.
    Default,
    /// A keyword without parentheses: `CURRENT_TIMESTAMP`.
    Keyword(String),
    /// `*` where it is the argument of a function.
    Star,
}

/// `INSERT`.
#[derive(Clone, Debug, PartialEq)]
pub struct Insert {
    /// `WITH`.
    pub with: With,
    /// The table.
    pub table: Path,
    /// Its alias.
    pub alias: Option<Ident>,
    /// Columns; empty where none were given.
    pub columns: Vec<Name>,
    /// A list of columns stands there.
    pub has_columns: bool,
    /// Rows; `None` for `DEFAULT VALUES`.
    pub rows: Option<Select>,
    /// MySQL's `VALUES … AS new`.
    pub row_alias: Option<Ident>,
    /// `OVERRIDING SYSTEM VALUE`.
    pub overriding: bool,
    /// `ON CONFLICT`.
    pub conflict: Option<Conflict>,
    /// `ON DUPLICATE KEY UPDATE`.
    pub on_duplicate: Vec<Assignment>,
    /// `IGNORE`: what does not fit is left out, or bent.
    pub ignore: bool,
    /// `RETURNING`.
    pub returning: Vec<Item>,
}

/// `ON CONFLICT`.
#[derive(Clone, Debug, PartialEq)]
pub struct Conflict {
    /// `(a, b)`: what the unique index must consist of; empty where none was given.
    pub target: Vec<Expr>,
    /// `WHERE` behind the target.
    pub target_filter: Option<Expr>,
    /// `ON CONSTRAINT name`.
    pub constraint: Option<Name>,
    /// `DO UPDATE SET`.
    pub assignments: Vec<Assignment>,
    /// Its `WHERE`.
    pub filter: Option<Expr>,
    /// Place of target or clause.
    pub span: Span,
}

/// `a = x`, `(a, b) = (x, y)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// Columns, perhaps with their table.
    pub columns: Vec<Path>,
    /// The value.
    pub value: Expr,
}

/// `UPDATE`.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// `WITH`.
    pub with: With,
    /// Its table; MySQL takes a join.
    pub target: Vec<Source>,
    /// `SET`.
    pub assignments: Vec<Assignment>,
    /// `FROM`.
    pub from: Vec<Source>,
    /// `WHERE`.
    pub filter: Option<Expr>,
    /// `ORDER BY`, `LIMIT`.
    pub order_by: Vec<Expr>,
    /// `RETURNING`.
    pub returning: Vec<Item>,
}

/// `DELETE`.
#[derive(Clone, Debug, PartialEq)]
pub struct Delete {
    /// `WITH`.
    pub with: With,
    /// Its table; MySQL names tables or aliases of `from`.
    pub target: Vec<Source>,
    /// `USING`; MySQL's `FROM` of a delete from several tables.
    pub using: Vec<Source>,
    /// The targets are names of what `using` holds.
    pub multi: bool,
    /// `WHERE`.
    pub filter: Option<Expr>,
    /// `ORDER BY`, `LIMIT`.
    pub order_by: Vec<Expr>,
    /// `RETURNING`.
    pub returning: Vec<Item>,
}

/// `MERGE`.
#[derive(Clone, Debug, PartialEq)]
pub struct Merge {
    /// `WITH`.
    pub with: With,
    /// The table.
    pub table: Path,
    /// Its alias.
    pub alias: Option<Ident>,
    /// `USING`.
    pub source: Source,
    /// `ON`.
    pub on: Expr,
    /// `WHEN … THEN`.
    pub arms: Vec<MergeArm>,
    /// `RETURNING`.
    pub returning: Vec<Item>,
}

/// `WHEN [NOT] MATCHED … THEN …`.
#[derive(Clone, Debug, PartialEq)]
pub struct MergeArm {
    /// `AND condition`.
    pub condition: Option<Expr>,
    /// What is done.
    pub action: MergeAction,
}

/// What an arm of `MERGE` does.
#[derive(Clone, Debug, PartialEq)]
pub enum MergeAction {
    /// `UPDATE SET`.
    Update(Vec<Assignment>),
    /// `INSERT (columns) VALUES (…)`; no values for `DEFAULT VALUES`.
    Insert(Vec<Name>, Option<Vec<Expr>>),
    /// `DELETE`, `DO NOTHING`.
    Other,
}

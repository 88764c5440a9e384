//! Changes as SQL.
//!
//! One file a topic, the dialect decided inside: most clauses are the same in all of them, and
//! what a dialect cannot say is an error, never a guess. Names go through
//! [`Dialect::quote_if_needed`]; texts that a statement gave (expressions, bodies) stay as they
//! were written. Never sqlparser's `Display`: it re-renders string literals unescaped.

mod definition;
mod object;
mod rows;
mod table;

use downhaul_syntax::{Change, Dialect, Ident, ObjectName};

pub use definition::render_type;
pub(crate) use definition::{column_sql, constraint_sql, identity_sql, index_sql};

/// The dialect has no statement for the change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{dialect} has no statement for this: {what}")]
pub struct RenderError {
    /// Dialect asked for.
    pub dialect: Dialect,
    /// What could not be written.
    pub what: String,
}

/// The statements that make a change, without terminators.
pub fn render(change: &Change, dialect: Dialect) -> Result<Vec<String>, RenderError> {
    let sql = Sql { dialect };
    let done = sql.table_change(change);
    let done = done.or_else(|| sql.object_change(change));
    let done = done.or_else(|| sql.row_change(change));
    done.unwrap_or_else(|| Err(sql.cannot(format!("{change:?}"))))
}

/// What a topic makes of a change: `None` where it belongs to another one.
type Rendered = Option<Result<Vec<String>, RenderError>>;

/// Writes SQL of one dialect.
#[derive(Clone, Copy)]
struct Sql {
    dialect: Dialect,
}

impl Sql {
    fn cannot(self, what: impl Into<String>) -> RenderError {
        RenderError { dialect: self.dialect, what: what.into() }
    }

    fn no(self, what: &str) -> Rendered {
        Some(Err(self.cannot(what)))
    }

    fn ident(self, ident: &Ident) -> String {
        self.dialect.quote_if_needed(ident)
    }

    fn name(self, name: &ObjectName) -> String {
        self.dialect.quote_name_if_needed(name)
    }

    fn idents(self, idents: &[Ident]) -> String {
        idents.iter().map(|i| self.ident(i)).collect::<Vec<_>>().join(", ")
    }

    fn names(self, names: &[ObjectName]) -> String {
        names.iter().map(|n| self.name(n)).collect::<Vec<_>>().join(", ")
    }

    fn literal(self, text: &str) -> String {
        self.dialect.literal(text)
    }

    /// A role: a name, or a word or `'user'@'host'` that stands for one.
    fn role(self, role: &str) -> String {
        let word = matches!(
            role.to_ascii_lowercase().as_str(),
            "public" | "current_user" | "session_user" | "current_role"
        );
        if word || role.contains(['@', '\'', '"', '`']) {
            role.to_owned()
        } else {
            self.ident(&Ident::stored(self.dialect, role))
        }
    }

    fn is_postgres(self) -> bool {
        self.dialect == Dialect::Postgres
    }

    fn is_mysql(self) -> bool {
        self.dialect.is_mysql_family()
    }

    fn is_sqlite(self) -> bool {
        self.dialect == Dialect::Sqlite
    }
}

/// `word ` where it holds.
fn when(holds: bool, word: &'static str) -> &'static str {
    if holds { word } else { "" }
}

/// One statement.
fn one(statement: String) -> Rendered {
    Some(Ok(vec![statement.trim_end().to_owned()]))
}

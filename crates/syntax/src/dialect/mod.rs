//! What differs between the databases on the level of text. One file a dialect.

mod mariadb;
mod mysql;
mod postgres;
mod reserved;
mod sqlite;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Ident, ObjectName};

/// A database whose SQL we read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// PostgreSQL 12 to 18.
    Postgres,
    /// MySQL 8 and 9.
    Mysql,
    /// MariaDB 10.6 and later.
    MariaDb,
    /// SQLite 3.
    Sqlite,
}

/// Lexical rules of a dialect.
#[derive(Clone, Copy, Debug)]
pub struct Lexical {
    /// `$tag$ … $tag$` strings.
    pub dollar_quotes: bool,
    /// `/* /* */ */` nests.
    pub nested_comments: bool,
    /// `#` starts a comment to the end of the line.
    pub hash_comments: bool,
    /// `--` starts a comment only before white space or the end (MySQL manual §11.7).
    pub dashes_need_space: bool,
    /// A backslash escapes the next character in every string literal.
    pub backslash_escapes: bool,
    /// `"x"` is a string, not an identifier.
    pub double_quotes_are_strings: bool,
    /// `` `x` `` is an identifier.
    pub backtick_identifiers: bool,
    /// `[x]` is an identifier.
    pub bracket_identifiers: bool,
    /// `DELIMITER x` lines change the statement terminator, wherever the line stands; in the other
    /// dialects only between statements (some runners take it there).
    pub delimiter_command: bool,
    /// `/*! … */` and `/*M! … */` hold code, not comment.
    pub executable_comments: bool,
}

impl Dialect {
    /// Every dialect, in the order in which they are documented.
    pub const ALL: [Self; 4] = [Self::Postgres, Self::Mysql, Self::MariaDb, Self::Sqlite];

    /// Lexical rules.
    #[must_use]
    pub fn lexical(self) -> &'static Lexical {
        match self {
            Self::Postgres => &postgres::LEXICAL,
            Self::Mysql => &mysql::LEXICAL,
            Self::MariaDb => &mariadb::LEXICAL,
            Self::Sqlite => &sqlite::LEXICAL,
        }
    }

    /// Whether this is MySQL or MariaDB.
    #[must_use]
    pub fn is_mysql_family(self) -> bool {
        matches!(self, Self::Mysql | Self::MariaDb)
    }

    /// Whether DDL is rolled back with its transaction.
    #[must_use]
    pub fn has_transactional_ddl(self) -> bool {
        matches!(self, Self::Postgres | Self::Sqlite)
    }

    /// The identifier quoted for use in SQL: the only way in which a name gets into a statement.
    #[must_use]
    pub fn quote(self, ident: &Ident) -> String {
        self.quote_str(ident.as_str())
    }

    /// As [`Self::quote`], for a name that is already exactly what the server stores.
    #[must_use]
    pub fn quote_str(self, name: &str) -> String {
        match self {
            Self::Postgres | Self::Sqlite => format!("\"{}\"", name.replace('"', "\"\"")),
            Self::Mysql | Self::MariaDb => format!("`{}`", name.replace('`', "``")),
        }
    }

    /// The name inside a quoted identifier of SQL, as the lexer finds it: the opposite of
    /// [`Self::quote_str`].
    #[must_use]
    pub fn unquote(written: &str) -> String {
        crate::parse::literal::unquoted_ident(written)
    }

    /// A qualified name quoted for use in SQL.
    #[must_use]
    pub fn quote_name(self, name: &ObjectName) -> String {
        match &name.schema {
            Some(schema) => format!("{}.{}", self.quote(schema), self.quote(&name.name)),
            None => self.quote(&name.name),
        }
    }

    /// As [`Self::quote`], but bare where the bare word reads back as the same identifier in every
    /// place: for SQL that people read.
    #[must_use]
    pub fn quote_if_needed(self, ident: &Ident) -> String {
        let name = ident.as_str();
        let start = |b: u8| b == b'_' || b.is_ascii_alphabetic();
        // `$` may stand in a name, but MySQL deprecates it at the start and tools stumble over it.
        let plain = name.bytes().next().is_some_and(start)
            && name.bytes().all(|b| start(b) || b.is_ascii_digit());
        // PostgreSQL folds what is not quoted.
        let folds = self == Self::Postgres && name.bytes().any(|b| b.is_ascii_uppercase());
        if plain && !folds && !reserved::is_reserved(self, &name.to_ascii_lowercase()) {
            name.to_owned()
        } else {
            self.quote_str(name)
        }
    }

    /// A qualified name, each part quoted where it needs to be.
    #[must_use]
    pub fn quote_name_if_needed(self, name: &ObjectName) -> String {
        match &name.schema {
            Some(schema) => {
                format!("{}.{}", self.quote_if_needed(schema), self.quote_if_needed(&name.name))
            }
            None => self.quote_if_needed(&name.name),
        }
    }

    /// A string literal for use in SQL.
    ///
    /// PostgreSQL: correct whatever `standard_conforming_strings` is, by `E'…'` where a backslash
    /// occurs. MySQL and MariaDB: backslashes are doubled (the default `sql_mode`).
    #[must_use]
    pub fn literal(self, text: &str) -> String {
        match self {
            Self::Postgres if text.contains('\\') => {
                format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
            }
            Self::Postgres | Self::Sqlite => format!("'{}'", text.replace('\'', "''")),
            Self::Mysql | Self::MariaDb => {
                format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
            }
        }
    }

    /// A body of PostgreSQL's in dollar quotes, with a tag that does not occur in it.
    #[must_use]
    pub fn dollar_quoted(body: &str) -> String {
        let mut tag = String::from("downhaul");
        while body.contains(&format!("${tag}")) {
            tag.push('_');
        }
        format!("${tag}${body}${tag}$")
    }

    /// The name as users type it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
            Self::MariaDb => "mariadb",
            Self::Sqlite => "sqlite",
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name is none of [`Dialect::ALL`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownDialect(pub String);

impl fmt::Display for UnknownDialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown dialect `{}`: one of postgres, mysql, mariadb, sqlite", self.0)
    }
}

impl std::error::Error for UnknownDialect {}

impl FromStr for Dialect {
    type Err = UnknownDialect;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s.to_ascii_lowercase().as_str() {
            "postgres" | "postgresql" | "pg" => Ok(Self::Postgres),
            "mysql" => Ok(Self::Mysql),
            "mariadb" => Ok(Self::MariaDb),
            "sqlite" | "sqlite3" => Ok(Self::Sqlite),
            _ => Err(UnknownDialect(s.to_owned())),
        }
    }
}

//! Where a database is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use downhaul_syntax::Dialect;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::postgres::PgConnectOptions;

use crate::EngineError;

/// A database to connect to. Its `Display` and `Debug` never show a password.
#[derive(Clone)]
pub enum Target {
    /// A PostgreSQL server.
    Postgres(Box<PgConnectOptions>),
    /// A MySQL or MariaDB server.
    MySql(Box<MySqlConnectOptions>),
    /// A SQLite file.
    Sqlite {
        /// The file.
        path: PathBuf,
        /// `?mode=ro` or `?immutable=1`: nothing may be written.
        read_only: bool,
    },
}

impl Target {
    /// Reads a database URL: `postgres://user@host/db`, `mysql://user@host/db`
    /// (or `mariadb://`; `?socket=/path`, `?ssl-mode=VERIFY_CA&ssl-ca=/path`), `sqlite:path`, or the path of a file that
    /// ends in `.db`, `.sqlite` or `.sqlite3`.
    pub fn parse(url: &str) -> Result<Self, EngineError> {
        let bad = |message: &str| EngineError::BadUrl { message: message.to_owned() };
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            crate::tls::check(url)?;
            let options = PgConnectOptions::from_str(url)
                // The driver's own message may quote parts of the URL, the password among them.
                .map_err(|_| bad("this is not a valid postgres:// URL"))?
                .application_name("downhaul");
            return Ok(Self::Postgres(Box::new(options)));
        }
        if let Some(("mysql" | "mariadb", rest)) = url.split_once("://") {
            crate::tls::check(url)?;
            let options = MySqlConnectOptions::from_str(&format!("mysql://{rest}"))
                .map_err(|_| bad("this is not a valid mysql:// URL"))?;
            if options.get_database().is_none_or(str::is_empty) {
                return Err(bad("a mysql:// URL names its database: mysql://user@host/database"));
            }
            return Ok(Self::MySql(Box::new(options)));
        }
        if let Some(rest) = url.strip_prefix("sqlite:") {
            let path = rest.strip_prefix("//").unwrap_or(rest);
            let (path, parameters) = path.split_once('?').unwrap_or((path, ""));
            // As in SQLite's own file: URLs (sqlite.org/uri.html §3.3).
            let read_only = parameters.split('&').any(|p| matches!(p, "mode=ro" | "immutable=1"));
            return match path {
                "" | ":memory:" => Err(bad(
                    "a SQLite database in memory is gone when the command ends: name a file",
                )),
                path => Ok(Self::Sqlite { path: PathBuf::from(path), read_only }),
            };
        }
        let file = Path::new(url);
        if file.extension().is_some_and(|e| e == "db" || e == "sqlite" || e == "sqlite3") {
            return Ok(Self::Sqlite { path: file.to_owned(), read_only: false });
        }
        Err(bad(
            "expected postgres://user@host/database, mysql://user@host/database or sqlite:path/to/file.db",
        ))
    }

    /// Another database of the same server; a SQLite file stays what it is.
    #[must_use]
    pub fn with_database(&self, name: &str) -> Self {
        match self {
            Self::Postgres(options) => Self::Postgres(Box::new((**options).clone().database(name))),
            Self::MySql(options) => Self::MySql(Box::new((**options).clone().database(name))),
            Self::Sqlite { .. } => self.clone(),
        }
    }

    /// The same with this password, where it is a MySQL or MariaDB server and its URL holds none. (What
    /// stands for a missing one of PostgreSQL, `PGPASSWORD` and `~/.pgpass`, the driver reads.)
    #[must_use]
    pub fn or_mysql_password(self, url: &str, password: &str) -> Self {
        let authority = url.split_once("://").map_or("", |(_, rest)| rest);
        let authority = authority.split(['/', '?']).next().unwrap_or("");
        let has_one = authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'));
        match self {
            Self::MySql(options) if !has_one => Self::MySql(Box::new(options.password(password))),
            other => other,
        }
    }

    /// Its dialect, as far as the URL tells: only a session knows MySQL from MariaDB.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Postgres(_) => Dialect::Postgres,
            Self::MySql(_) => Dialect::Mysql,
            Self::Sqlite { .. } => Dialect::Sqlite,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres(options) => {
                let database = options.get_database().unwrap_or_else(|| options.get_username());
                match options.get_socket() {
                    Some(socket) => write!(f, "postgres {database} at {}", socket.display()),
                    None => write!(
                        f,
                        "postgres {database} at {}:{}",
                        options.get_host(),
                        options.get_port()
                    ),
                }
            }
            Self::MySql(options) => {
                let database = options.get_database().unwrap_or("");
                match options.get_socket() {
                    Some(socket) => write!(f, "mysql {database} at {}", socket.display()),
                    None => {
                        write!(
                            f,
                            "mysql {database} at {}:{}",
                            options.get_host(),
                            options.get_port()
                        )
                    }
                }
            }
            Self::Sqlite { path, .. } => write!(f, "sqlite {}", path.display()),
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_passwords_stay_hidden() {
        let target = Target::parse("postgres://app:s3cret@db.example:6543/shop").unwrap();
        assert_eq!(target.to_string(), "postgres shop at db.example:6543");
        assert!(!format!("{target:?}").contains("s3cret"));
        let target = Target::parse("mariadb://app:s3cret@db.example:3307/shop").unwrap();
        assert_eq!(target.to_string(), "mysql shop at db.example:3307");
        let target = Target::parse("mysql://app@localhost/shop?socket=/run/x.sock").unwrap();
        assert_eq!(target.to_string(), "mysql shop at /run/x.sock");
        assert!(Target::parse("mysql://app:s3cret@db.example").is_err());
        for url in [
            "postgres://app:s3cret@host:port/x",
            "mysql://app:s3cret@host:port/x",
            "oracle://app:s3cret@h",
            "app:s3cret",
        ] {
            let error = Target::parse(url).unwrap_err();
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
        assert_eq!(Target::parse("sqlite:a/b.db").unwrap().to_string(), "sqlite a/b.db");
        assert_eq!(Target::parse("sqlite:///a/b.db").unwrap().to_string(), "sqlite /a/b.db");
        assert_eq!(Target::parse("x.sqlite3").unwrap().to_string(), "sqlite x.sqlite3");
        assert!(Target::parse("sqlite::memory:").is_err());
        let read_only =
            |url| matches!(Target::parse(url), Ok(Target::Sqlite { read_only: true, .. }));
        assert!(
            read_only("sqlite:x.db?mode=ro") && read_only("sqlite:x.db?cache=private&immutable=1")
        );
        assert!(!read_only("sqlite:x.db?mode=rwc"));
    }
}

//! Statements about rows, sessions and maintenance.

use downhaul_syntax::change::{InsertConflict, TransactionControl};
use downhaul_syntax::{Change, Dialect};

use super::{Rendered, Sql, one, when};

impl Sql {
    pub(super) fn row_change(self, change: &Change) -> Rendered {
        use Change as C;
        match change {
            C::Insert { table, columns, from_query: Some(query), conflict } => {
                let (verb, tail) = match (conflict, self.dialect) {
                    (InsertConflict::Fail, _) => ("INSERT INTO", ""),
                    (InsertConflict::Ignore, Dialect::Postgres) => {
                        ("INSERT INTO", " ON CONFLICT DO NOTHING")
                    }
                    (InsertConflict::Ignore, Dialect::Sqlite) => ("INSERT OR IGNORE INTO", ""),
                    (InsertConflict::Ignore, _) => ("INSERT IGNORE INTO", ""),
                    (InsertConflict::Replace, Dialect::Sqlite) => ("INSERT OR REPLACE INTO", ""),
                    (InsertConflict::Replace, Dialect::Mysql | Dialect::MariaDb) => {
                        ("REPLACE INTO", "")
                    }
                    _ => return self.no("an insert that updates what is there"),
                };
                let columns = if columns.is_empty() {
                    String::new()
                } else {
                    format!(" ({})", self.idents(columns))
                };
                one(format!("{verb} {}{columns} {}{tail}", self.name(table), query.text))
            }
            C::Insert { .. } | C::CopyFrom { .. } => self.no("rows that the change does not hold"),
            C::Update { query, .. } => self.whole("UPDATE", &query.text),
            C::Delete { query, .. } => self.whole("DELETE", &query.text),
            C::Merge { query, .. } => self.whole("MERGE", &query.text),
            C::Select { query } => one(query.text.clone()),
            C::Truncate { tables, cascade, restart_identity } => match self.dialect {
                Dialect::Postgres => one(format!(
                    "TRUNCATE {}{}{}",
                    self.names(tables),
                    when(*restart_identity, " RESTART IDENTITY"),
                    when(*cascade, " CASCADE")
                )),
                Dialect::Mysql | Dialect::MariaDb => Some(Ok(tables
                    .iter()
                    .map(|t| format!("TRUNCATE TABLE {}", self.name(t)))
                    .collect())),
                Dialect::Sqlite => self.no("TRUNCATE"),
            },
            C::Transaction { control } => one(match control {
                TransactionControl::Begin if self.is_mysql() => "START TRANSACTION".to_owned(),
                TransactionControl::Begin => "BEGIN".to_owned(),
                TransactionControl::Commit => "COMMIT".to_owned(),
                TransactionControl::Rollback => "ROLLBACK".to_owned(),
                TransactionControl::Savepoint(name) => format!("SAVEPOINT {name}"),
                TransactionControl::RollbackTo(name) => format!("ROLLBACK TO SAVEPOINT {name}"),
                TransactionControl::Release(name) => format!("RELEASE SAVEPOINT {name}"),
                TransactionControl::Other => return self.no("a transaction statement"),
            }),
            C::SetVariable { name, value, local } => one(match self.dialect {
                Dialect::Sqlite if value.is_empty() => format!("PRAGMA {name}"),
                Dialect::Sqlite => format!("PRAGMA {name} = {value}"),
                Dialect::Postgres if value.is_empty() => format!("RESET {name}"),
                Dialect::Postgres => format!("SET {}{name} = {value}", when(*local, "LOCAL ")),
                Dialect::Mysql | Dialect::MariaDb => format!("SET {name} = {value}"),
            }),
            C::LockTable { tables, mode } => match self.dialect {
                Dialect::Postgres => {
                    let mode = mode.to_uppercase();
                    let suffix =
                        if mode.is_empty() || mode.ends_with("MODE") { "" } else { " MODE" };
                    let mode = if mode.is_empty() { mode } else { format!(" IN {mode}{suffix}") };
                    one(format!("LOCK TABLE {}{mode}", self.names(tables)))
                }
                Dialect::Mysql | Dialect::MariaDb if tables.is_empty() => {
                    one("FLUSH TABLES WITH READ LOCK".to_owned())
                }
                Dialect::Mysql | Dialect::MariaDb => {
                    let mode = mode.to_uppercase();
                    let listed: Vec<_> =
                        tables.iter().map(|t| format!("{} {mode}", self.name(t))).collect();
                    one(format!("LOCK TABLES {}", listed.join(", ")))
                }
                Dialect::Sqlite => self.no("LOCK TABLE"),
            },
            C::Vacuum { tables, full } => {
                one(format!("VACUUM {}{}", when(*full, "FULL "), self.names(tables)))
            }
            C::Cluster { table } if self.is_postgres() => {
                one(format!("CLUSTER {}", table.as_ref().map(|t| self.name(t)).unwrap_or_default()))
            }
            C::Analyze { tables } => {
                let word = if self.is_mysql() { "ANALYZE TABLE" } else { "ANALYZE" };
                one(format!("{word} {}", self.names(tables)))
            }
            C::OptimizeTable { tables } if self.is_mysql() => {
                one(format!("OPTIMIZE TABLE {}", self.names(tables)))
            }
            C::Do { body_text, .. } if self.is_postgres() => {
                let mut tag = "$$".to_owned();
                while body_text.contains(&tag) {
                    tag = format!("$d{}$", tag.len());
                }
                one(format!("DO {tag}{body_text}{tag}"))
            }
            C::Call { name } => one(format!("CALL {}()", self.name(name))),
            C::ClientCommand { text } => one(text.clone()),
            _ => None,
        }
    }

    /// A statement whose query is its whole text.
    fn whole(self, verb: &str, text: &str) -> Rendered {
        let upper = text.trim_start().to_uppercase();
        if upper.starts_with(verb) || upper.starts_with("WITH") || upper.starts_with("REPLACE") {
            one(text.to_owned())
        } else {
            self.no("a statement whose text is not known")
        }
    }
}

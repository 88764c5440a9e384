//! The tables of the journal, and their formats.

use downhaul_engine::{EngineError, LockBudget, Session};
use downhaul_snapshot::packed;
use downhaul_syntax::Dialect;

use super::{FORMAT, Journal};
use crate::RunError;

impl Journal {
    /// Whether the database has a journal.
    pub async fn exists(self, session: &mut dyn Session) -> Result<bool, EngineError> {
        let sql = match self.dialect {
            Dialect::Postgres => "SELECT to_regclass('downhaul.format') IS NOT NULL",
            Dialect::Mysql | Dialect::MariaDb => {
                "SELECT count(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'downhaul_format'"
            }
            Dialect::Sqlite => "SELECT count(*) FROM sqlite_schema WHERE name = 'downhaul_format'",
        };
        Ok(session.row(sql).await?.is_some_and(|row| row.flag(0)))
    }

    /// Makes the journal if it is not there, and checks that it is one that we understand. Within
    /// a transaction, under the migration lock.
    pub async fn ensure(self, session: &mut dyn Session) -> Result<(), RunError> {
        if !self.exists(session).await? {
            for statement in self.definition() {
                session.execute(&statement).await?;
            }
        }
        self.check_format(session).await
    }

    /// Refuses a journal of a newer Downhaul.
    pub async fn check_format(self, session: &mut dyn Session) -> Result<(), RunError> {
        let found =
            session.number(&format!("SELECT max(version) FROM {}", self.table("format"))).await?;
        if found > FORMAT {
            return Err(RunError::NewerJournal { found, known: FORMAT });
        }
        Ok(())
    }

    /// Columns that a journal of format 2 has, or what stands for them in an older one, which a
    /// command that only reads must understand too.
    pub(super) async fn since_two(
        self,
        session: &mut dyn Session,
        columns: &'static str,
        else_: &'static str,
    ) -> Result<&'static str, EngineError> {
        let found =
            session.number(&format!("SELECT max(version) FROM {}", self.table("format"))).await?;
        Ok(if found >= 2 { columns } else { else_ })
    }

    /// Brings the journal of an older Downhaul to the present format. Under the migration lock;
    /// after a kill the next run does the rest.
    pub async fn upgrade(
        self,
        session: &mut dyn Session,
        budget: LockBudget,
    ) -> Result<(), EngineError> {
        let found =
            session.number(&format!("SELECT max(version) FROM {}", self.table("format"))).await?;
        if found >= FORMAT {
            return Ok(());
        }
        session.begin(budget).await?;
        let done = self.upgrade_from(found, session).await;
        match done {
            Ok(()) => session.commit().await,
            Err(error) => {
                session.rollback().await?;
                Err(error)
            }
        }
    }

    async fn upgrade_from(self, found: i64, session: &mut dyn Session) -> Result<(), EngineError> {
        if found < 2 {
            self.upgrade_from_one(session).await?;
        }
        if self.dialect == Dialect::Postgres {
            for statement in packed::definition() {
                let statement = statement.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS");
                session.execute(&statement).await?;
            }
        } else if self.dialect.is_mysql_family() {
            session.execute(&packed::mysql::definition()).await?;
        }
        if self.dialect == Dialect::Sqlite {
            session.execute(&packed::sqlite::definition()).await?;
        }
        session
            .execute(&format!("UPDATE {} SET version = {FORMAT}", self.table("format")))
            .await
            .map(drop)
    }

    async fn upgrade_from_one(self, session: &mut dyn Session) -> Result<(), EngineError> {
        let mysql = self.dialect.is_mysql_family();
        let text = if mysql { "longtext" } else { "text" };
        for (table, column) in
            [("migration", "phase"), ("migration", "squashed"), ("operation", "git_commit")]
        {
            if mysql {
                // Each of these commits by itself, so a kill may have left some.
                let there = session
                    .number(&format!(
                        "SELECT count(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = '{}' AND COLUMN_NAME = '{column}'",
                        self.table(table)
                    ))
                    .await?;
                if there > 0 {
                    continue;
                }
            }
            session
                .execute(&format!("ALTER TABLE {} ADD COLUMN {column} {text}", self.table(table)))
                .await?;
        }
        for statement in self.definition() {
            if statement.contains(&format!("{} (id", self.table("note"))) {
                session.execute(&statement).await?;
            }
        }
        Ok(())
    }

    fn definition(self) -> Vec<String> {
        let mut statements = Vec::new();
        if self.dialect == Dialect::Postgres {
            statements.push("CREATE SCHEMA IF NOT EXISTS downhaul".to_owned());
            // Kept rows are as secret as the tables that they come from.
            statements.push("REVOKE ALL ON SCHEMA downhaul FROM PUBLIC".to_owned());
        }
        let tables = [
            ("format", "version bigint NOT NULL"),
            (
                "migration",
                "version text PRIMARY KEY, name text NOT NULL, state text NOT NULL, \
                 up_tokens text NOT NULL, up_raw text NOT NULL, up_sql text NOT NULL, \
                 down_tokens text, down_raw text, down_sql text, \
                 applied_at text NOT NULL, applied_by text NOT NULL, release_label text, \
                 operation bigint NOT NULL, duration_ms bigint NOT NULL, phase text, squashed text",
            ),
            (
                "operation",
                "id bigint PRIMARY KEY, verb text NOT NULL, versions text NOT NULL, state text NOT NULL, \
                 started_at text NOT NULL, finished_at text, who text NOT NULL, tool text NOT NULL, error text, \
                 release_label text, head text, schema_after text, git_commit text",
            ),
            (
                "step",
                "operation bigint NOT NULL, version text NOT NULL, direction text NOT NULL, ordinal bigint NOT NULL, \
                 statement text NOT NULL, state text NOT NULL, at text NOT NULL, duration_ms bigint NOT NULL, \
                 PRIMARY KEY (operation, version, direction, ordinal)",
            ),
            (
                "note",
                "id bigint PRIMARY KEY, operation bigint NOT NULL, version text, at text NOT NULL, kind text NOT NULL, detail text NOT NULL",
            ),
            (
                "restore_point",
                "id bigint PRIMARY KEY, version text NOT NULL, direction text NOT NULL, operation bigint NOT NULL, \
                 created_at text NOT NULL, state text NOT NULL, schema_before text NOT NULL, schema_after text NOT NULL",
            ),
            (
                "kept",
                "id bigint PRIMARY KEY, restore_point bigint NOT NULL, table_name text NOT NULL, rows_kept bigint NOT NULL, detail text NOT NULL",
            ),
        ];
        if self.dialect.is_mysql_family() {
            // Each of these commits. The format comes last, at once with its table: it says that
            // the journal is whole.
            for (name, columns) in tables.into_iter().skip(1) {
                let columns = mysql_columns(columns);
                let probe = if name == "step" { "probe longtext NULL, " } else { "" };
                statements.push(format!(
                    "CREATE TABLE IF NOT EXISTS {} ({probe}{columns}) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
                    self.table(name)
                ));
            }
            statements.push(packed::mysql::definition());
            statements.push(format!(
                "CREATE TABLE {} (version bigint NOT NULL PRIMARY KEY) ENGINE=InnoDB AS SELECT {FORMAT} AS version",
                self.table("format")
            ));
            return statements;
        }
        for (name, columns) in tables {
            statements.push(format!("CREATE TABLE {} ({columns})", self.table(name)));
        }
        if self.dialect == Dialect::Postgres {
            statements.extend(packed::definition());
        } else {
            statements.push(packed::sqlite::definition());
        }
        statements.push(format!("INSERT INTO {} VALUES ({FORMAT})", self.table("format")));
        statements
    }
}

/// A `text` of MySQL holds 64 KiB and cannot be a key.
fn mysql_columns(columns: &str) -> String {
    columns
        .replace(" text", " longtext")
        .replace("version longtext", "version varchar(191)")
        .replace("direction longtext", "direction varchar(8)")
        .replace("state longtext", "state varchar(16)")
}

//! What a rehearsal says, and for which files and which server it says it.

use downhaul_plan::Checksum;
use downhaul_syntax::Dialect;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Rehearsal;
use crate::UpPlan;

/// Version of the form.
const FORM: u32 = 1;

/// What was found. It holds no secret, and no signature: its hash tells a file that was edited by
/// mistake, not one that was forged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Certificate {
    /// Version of the form.
    pub form: u32,
    /// `proven` or `failed`.
    pub result: String,
    /// Who made it: `downhaul 0.1.0`.
    pub tool: String,
    /// `postgres`, `mariadb` …
    pub dialect: String,
    /// As the server calls itself: `PostgreSQL 15.5`.
    pub server: String,
    /// Rows wanted in each table.
    pub rows: u64,
    /// Rows that each table had.
    pub tables: Vec<Counted>,
    /// Queries of the old and of the new release.
    pub queries: (usize, usize),
    /// How often one of them was run.
    pub queries_run: u64,
    /// A migration keeps nothing of what it writes (`-- downhaul:protect off`), as backfills do.
    pub gives_up: bool,
    /// Migrations, in order.
    pub migrations: Vec<Proven>,
    /// What does not hold, for people.
    pub problems: Vec<String>,
    /// SHA-256 of all of the above.
    pub hash: String,
}

/// Rows of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// The table.
    pub table: String,
    /// Its rows.
    pub rows: u64,
}

/// One migration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proven {
    /// Version.
    pub version: String,
    /// Label.
    pub label: String,
    /// SHA-256 over the tokens of the up file.
    pub up: String,
    /// SHA-256 over the tokens of the down file.
    pub down: Option<String>,
    /// Phase.
    pub phase: Option<String>,
    /// Milliseconds of the up, with what Downhaul does around it.
    pub up_ms: u64,
    /// Milliseconds of the down.
    pub down_ms: Option<u64>,
    /// Milliseconds of the second up.
    pub again_ms: Option<u64>,
    /// Milliseconds of the slowest query of a release that was run while it went up or down.
    #[serde(default)]
    pub slowest_query_ms: u64,
    /// The schema behind the down is the one before the up.
    pub schema_comes_back: bool,
    /// So are the rows.
    pub data_comes_back: bool,
    /// The second up leads where the first one did.
    pub goes_up_again: bool,
    /// Its statements.
    pub statements: Vec<Statement>,
}

/// One statement.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// Its text.
    pub sql: String,
    /// Microseconds.
    pub micros: u64,
    /// Locks on tables that were there before: `users AccessExclusiveLock`. `None` where nothing
    /// tells (outside of a transaction; other engines than PostgreSQL).
    pub locks: Option<Vec<String>>,
    /// Tables that were written anew. `None` as above.
    pub rewrites: Option<Vec<String>>,
}

/// Why a certificate does not do for a plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// It is no certificate.
    #[error("it is no certificate that this Downhaul reads: {0}")]
    Unreadable(String),
    /// Its hash is another.
    #[error("it was edited: its hash does not fit its content")]
    Edited,
    /// The rehearsal failed.
    #[error("the rehearsal failed: {0}")]
    Failed(String),
    /// It speaks of another server.
    #[error("it was made on {made}, this is {here}")]
    OtherServer {
        /// Where it was made.
        made: String,
        /// Where it is used.
        here: String,
    },
    /// A migration is not in it.
    #[error("it says nothing of {0}")]
    Missing(String),
    /// A file is another one now.
    #[error("the {direction} file of {label} has changed since")]
    Changed {
        /// The migration.
        label: String,
        /// `up` or `down`.
        direction: &'static str,
    },
}

impl Certificate {
    pub(super) fn new(server: &str, dialect: Dialect, rehearsal: &Rehearsal) -> Self {
        Self {
            form: FORM,
            tool: concat!("downhaul ", env!("CARGO_PKG_VERSION")).to_owned(),
            dialect: dialect.as_str().to_owned(),
            server: server.to_owned(),
            rows: rehearsal.rows,
            queries: (rehearsal.old.len(), rehearsal.new.len()),
            ..Self::default()
        }
    }

    pub(super) fn tell(&mut self, subject: &str, when: &str, problems: Vec<String>) {
        for problem in problems {
            let line = format!("{subject}, {when}: {problem}");
            if !self.problems.contains(&line) {
                self.problems.push(line);
            }
        }
    }

    pub(super) fn finish(&mut self) {
        self.result = if self.problems.is_empty() { "proven" } else { "failed" }.to_owned();
        self.hash = self.hashed();
    }

    /// Whether everything held.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.problems.is_empty() && self.result == "proven"
    }

    fn hashed(&self) -> String {
        let blank = Self { hash: String::new(), ..self.clone() };
        let text = serde_json::to_string(&blank).unwrap_or_default();
        Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// As JSON.
    ///
    /// # Errors
    /// Never, in practice: all of it is text and numbers.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }

    /// Reads one.
    pub fn parse(text: &str) -> Result<Self, Unproven> {
        let read: Self =
            serde_json::from_str(text).map_err(|e| Unproven::Unreadable(e.to_string()))?;
        if read.form != FORM {
            return Err(Unproven::Unreadable(format!("its form is {}", read.form)));
        }
        if read.hash != read.hashed() {
            return Err(Unproven::Edited);
        }
        Ok(read)
    }

    /// Whether it proves every migration of a plan, as the files are now, on such a server.
    pub fn check(&self, plan: &UpPlan, server: &str, dialect: Dialect) -> Result<(), Unproven> {
        if !self.holds() {
            let first = self.problems.first().cloned().unwrap_or_default();
            return Err(Unproven::Failed(first));
        }
        // A minor version changes no behaviour that a rehearsal tells.
        let major = |server: &str| {
            let words: Vec<&str> = server.split('.').collect();
            match dialect {
                Dialect::Postgres => words[..1].join("."),
                _ => words[..words.len().min(2)].join("."),
            }
        };
        if self.dialect != dialect.as_str() || major(&self.server) != major(server) {
            return Err(Unproven::OtherServer {
                made: self.server.clone(),
                here: server.to_owned(),
            });
        }
        for migration in &plan.migrations {
            let label = &migration.up.label;
            let found = self.migrations.iter().find(|m| m.version == migration.version.as_str());
            let Some(proven) = found else { return Err(Unproven::Missing(label.clone())) };
            let down = migration.down().map(|down| Checksum::of(down, dialect).tokens);
            for (direction, same) in
                [("up", proven.up == migration.up.checksum.tokens), ("down", proven.down == down)]
            {
                if !same {
                    return Err(Unproven::Changed { label: label.clone(), direction });
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edited_certificate_is_told() {
        let mut made =
            Certificate::new("PostgreSQL 15.5", Dialect::Postgres, &Rehearsal::default());
        made.tell("x", "behind its down", vec!["the rows of users differ".into()]);
        made.finish();
        assert!(!made.holds());
        let text = made.to_json().unwrap();
        assert_eq!(Certificate::parse(&text), Ok(made.clone()));
        let forged = text.replace("\"failed\"", "\"proven\"");
        assert_eq!(Certificate::parse(&forged), Err(Unproven::Edited));
        let plan = UpPlan::default();
        assert!(matches!(
            made.check(&plan, "PostgreSQL 15.9", Dialect::Postgres),
            Err(Unproven::Failed(_))
        ));
        let mut good =
            Certificate::new("PostgreSQL 15.5", Dialect::Postgres, &Rehearsal::default());
        good.finish();
        assert_eq!(good.check(&plan, "PostgreSQL 15.9", Dialect::Postgres), Ok(()));
        assert!(good.check(&plan, "PostgreSQL 16.1", Dialect::Postgres).is_err());
    }
}

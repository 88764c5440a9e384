//! TX07.

use downhaul_syntax::{Change, Dialect};

use crate::Severity;
use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a setting of the session that the file changes and does not put back: `search_path`,
    /// `role`, `session_replication_role`, `foreign_key_checks`, `unique_checks`, `sql_mode`, MariaDB's and
    /// MySQL's `time_zone`, `autocommit` and limits such as `lock_wait_timeout`,
    /// `PRAGMA foreign_keys`.
    ///
    /// ## Why is this bad
    ///
    /// Runners and poolers use one session for many things: the next migration, or the next client
    /// behind a pooler, runs with it. A search path that is left behind makes the note of the
    /// runner end up in another schema.
    ///
    /// ## What to do
    ///
    /// Use `SET LOCAL` (PostgreSQL), or put the old value back at the end.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- up
    /// SET search_path = archive;
    /// CREATE TABLE t (a int);
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- up
    /// SET LOCAL search_path = archive;
    /// CREATE TABLE t (a int);
    /// ```
    "TX07" "session-state-leaks"
    severity: Warning,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

const KEPT: &[&str] = &[
    "search_path",
    "role",
    "session_authorization",
    "session_replication_role",
    "foreign_key_checks",
    "unique_checks",
    "sql_mode",
    "foreign_keys",
    "legacy_alter_table",
    "writable_schema",
    "ignore_check_constraints",
    "default_storage_engine",
    "row_security",
    "synchronous",
    "recursive_triggers",
    "lock_wait_timeout",
    "innodb_lock_wait_timeout",
    "max_statement_time",
    "autocommit",
    "sql_log_bin",
    "time_zone",
    "check_constraint_checks",
    "sql_safe_updates",
    "system_versioning_alter_history",
];

/// Limits that a migration sets for its own statements: MariaDB takes them for one statement, too.
const LIMITS: &[&str] = &["lock_wait_timeout", "innodb_lock_wait_timeout", "max_statement_time"];

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let Change::SetVariable { name, value, local: false } = cx.change else { return None };
    let plain = |n: &str| {
        n.trim_start_matches('@').trim_start_matches("session.").trim_start_matches("@@").to_owned()
    };
    let key = plain(name);
    let value = value.trim().trim_matches(['\'', '"']).to_lowercase();
    // SQLite: no-op within a transaction.
    let ignored = cx.dialect() == Dialect::Sqlite && key == "foreign_keys" && cx.statement.in_block;
    if ignored {
        return None;
    }
    // `RESET` gives no value either; an empty path hides every table.
    let emptied = key == "search_path"
        && value.is_empty()
        && cx.statement.statement.text.to_lowercase().contains("set_config");
    if !KEPT.contains(&key.as_str()) || is_usual(&key, &value) && !emptied {
        return None;
    }
    let back = cx.later().any(|i| match i.change {
        Change::SetVariable { name: n, .. } => plain(n) == key || n == "all",
        Change::NoEffect { verb } => verb.to_lowercase().starts_with("discard"),
        _ => false,
    });
    // Those who wait for a row are told sooner: no more than that.
    let mild = key == "innodb_lock_wait_timeout";
    (!back).then(|| {
        let text = format!("`{key}` stays `{value}` for whatever runs in this session next");
        let draft = Draft::new(text);
        let draft = if mild { draft.severity(Severity::Info) } else { draft };
        draft.help(match cx.dialect() {
            Dialect::Postgres => "use SET LOCAL",
            Dialect::MariaDb if LIMITS.contains(&key.as_str()) => {
                "use SET STATEMENT … FOR, or put the old value back at the end"
            }
            _ => "put the old value back at the end",
        })
    })
}

/// The value that the server has anyway, or the putting back itself.
fn is_usual(key: &str, value: &str) -> bool {
    value == "default"
        || value.is_empty() && key != "sql_mode"
        || value.starts_with("@old")
        || value.starts_with('@')
        || match key {
            "foreign_key_checks"
            | "unique_checks"
            | "foreign_keys"
            | "autocommit"
            | "sql_log_bin"
            | "check_constraint_checks" => {
                matches!(value, "1" | "on" | "true")
            }
            // What dumps set, and most clients.
            "time_zone" => matches!(value, "system" | "+00:00" | "utc"),
            "system_versioning_alter_history" => value == "error",
            "max_statement_time" => matches!(value, "0" | "0.0"),
            "legacy_alter_table"
            | "writable_schema"
            | "ignore_check_constraints"
            | "sql_safe_updates"
            | "recursive_triggers" => {
                matches!(value, "0" | "off" | "false")
            }
            "synchronous" => matches!(value, "2" | "full"),
            "session_replication_role" => value == "origin",
            "search_path" => matches!(value, "public" | "\"$user\", public" | "$user, public"),
            "role" => value == "none",
            "row_security" => value == "off" || value == "on",
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use crate::examples::cases;

    #[test]
    fn cases_of_the_rule() {
        cases(
            &super::RULE,
            &[
                ("mysql", "-- up\nSET SESSION sql_mode = '';", true),
                (
                    "mariadb",
                    "-- up\nSET SESSION lock_wait_timeout = 5;\nCREATE TABLE t (a int);",
                    true,
                ),
                (
                    "mariadb",
                    "-- up\nSET @@session.lock_wait_timeout = 5;\nCREATE TABLE t (a int);",
                    true,
                ),
                (
                    "mariadb",
                    "-- up\nSET STATEMENT lock_wait_timeout = 5 FOR CREATE TABLE t (a int);",
                    false,
                ),
                (
                    "mariadb",
                    "-- up\nSET SESSION lock_wait_timeout = 5;\nCREATE TABLE t (a int);\n\
                     SET SESSION lock_wait_timeout = DEFAULT;",
                    false,
                ),
                (
                    "mariadb",
                    "-- up\nSET @old = @@lock_wait_timeout;\nSET lock_wait_timeout = 5;\n\
                     CREATE TABLE t (a int);\nSET lock_wait_timeout = @old;",
                    false,
                ),
                ("mariadb", "-- up\nSET autocommit = 0;\nCREATE TABLE t (a int);\nCOMMIT;", true),
                ("mariadb", "-- up\nSET time_zone = '+02:00';\nCREATE TABLE t (a int);", true),
                ("mariadb", "-- up\nSET time_zone = '+00:00';\nCREATE TABLE t (a int);", false),
                ("sqlite", "-- up\nPRAGMA synchronous = OFF;", true),
                ("sqlite", "-- up\nPRAGMA synchronous = FULL;", false),
                (
                    "mysql",
                    r#"-- up
SET foreign_key_checks = 0;
CREATE TABLE t (a int);"#,
                    true,
                ),
                (
                    "mysql",
                    r#"-- up
SET foreign_key_checks = 0;
CREATE TABLE t (a int);
SET foreign_key_checks = 1;"#,
                    false,
                ),
                (
                    "sqlite",
                    r#"-- up
PRAGMA foreign_keys = OFF;
CREATE TABLE t (a int);
PRAGMA foreign_keys = ON;"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- up
SET search_path = a;
CREATE TABLE t (a int);
RESET search_path;"#,
                    false,
                ),
                (
                    "postgres",
                    "-- up\nSELECT pg_catalog.set_config('search_path', '', false);",
                    true,
                ),
            ],
        );
    }
}

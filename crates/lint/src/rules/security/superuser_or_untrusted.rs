//! SE05.

use downhaul_syntax::{Change, ObjectKind};

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports what opens the server itself: superusers, untrusted languages, programs. These are:
    /// a role made `SUPERUSER`, `BYPASSRLS` or `REPLICATION`; a routine in `plpython3u`, `plperlu` or
    /// `c`, or such a language installed; `COPY … PROGRAM`; `ALTER SYSTEM`; membership in
    /// `pg_execute_server_program` or `pg_write_server_files`; on MySQL `GRANT SUPER` and
    /// `GRANT FILE`.
    ///
    /// ## Why is this bad
    ///
    /// Whoever can change the migration, or call what it leaves behind, can read files of the
    /// server or run programs on it. Managed servers refuse most of it.
    ///
    /// ## What to do
    ///
    /// Leave it to the administrator of the server; give the application what it needs.
    ///
    /// ## Unsafe example
    ///
    /// ```sql postgres
    /// -- up
    /// ALTER ROLE app SUPERUSER;
    /// ```
    ///
    /// ```sql postgres
    /// -- up
    /// CREATE TABLE t (a text);
    /// COPY t FROM PROGRAM 'curl https://example.com';
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql postgres
    /// -- up
    /// CREATE ROLE app NOSUPERUSER LOGIN;
    /// ```
    "SE05" "superuser-or-untrusted"
    severity: Warning,
    dialects: SERVERS,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

/// Predefined roles that reach the server's files and programs (PostgreSQL manual §22.5).
const SERVER_ROLES: &[&str] =
    &["pg_execute_server_program", "pg_write_server_files", "pg_read_server_files"];

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let what = match cx.change {
        Change::CreateOther { kind: ObjectKind::Role, text, .. }
        | Change::AlterOther { kind: ObjectKind::Role, text, .. } => {
            let word = words(text)
                .find(|w| matches!(w.as_str(), "superuser" | "bypassrls" | "replication"))?;
            format!("a role becomes {}", word.to_uppercase())
        }
        Change::CreateRoutine { def, .. } => {
            let language = def.language.as_deref().filter(|l| is_untrusted(l))?;
            format!("`{}` is written in {language}, which may do anything on the server", def.name)
        }
        Change::CreateExtension { name, .. } if is_untrusted(name.as_str()) => {
            format!("{name} lets routines do anything on the server")
        }
        Change::CopyFrom { program: true, table } => {
            format!("a program runs on the server to fill `{table}`")
        }
        Change::Grant { privileges, to, .. } => {
            let named = |p: &String| {
                let p = p.trim_matches('"').to_lowercase();
                SERVER_ROLES.contains(&p.as_str())
                    || cx.dialect().is_mysql_family() && matches!(p.as_str(), "super" | "file")
            };
            let found = privileges.iter().find(|p| named(p))?;
            format!("{} gets {found}", to.join(", "))
        }
        _ => {
            let text = cx.statement.statement.text.trim_start();
            if words(text).take(2).eq(["alter", "system"].map(str::to_owned)) {
                "settings of the whole server change".to_owned()
            } else {
                return None;
            }
        }
    };
    Some(Draft::new(what).help("leave it to the administrator of the server"))
}

fn is_untrusted(language: &str) -> bool {
    let language = language.trim_matches(['\'', '"']).to_lowercase();
    matches!(
        language.as_str(),
        "c" | "plpythonu" | "plpython2u" | "plpython3u" | "plperlu" | "pltclu" | "plsh" | "plrubyu"
    )
}

/// Words in lower case; `NOSUPERUSER` is another word than `SUPERUSER`.
fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|w| !w.is_empty())
        .map(str::to_ascii_lowercase)
}

#[cfg(test)]
mod tests {
    use crate::examples::cases;

    #[test]
    fn cases_of_the_rule() {
        cases(
            &super::RULE,
            &[
                ("postgres", "-- up\nCREATE ROLE a WITH LOGIN BYPASSRLS;", true),
                ("postgres", "-- up\nCREATE ROLE a NOLOGIN NOBYPASSRLS;", false),
                ("postgres", "-- up\nCREATE EXTENSION plpython3u;", true),
                ("postgres", "-- up\nCREATE EXTENSION pgcrypto;", false),
                ("postgres", "-- up\nALTER SYSTEM SET work_mem = '1GB';", true),
                ("postgres", "-- up\nGRANT pg_execute_server_program TO app;", true),
                ("postgres", "-- up\nGRANT pg_monitor TO app;", false),
                (
                    "postgres",
                    "-- up\nCREATE FUNCTION f() RETURNS int LANGUAGE plpython3u AS 'return 1';",
                    true,
                ),
                (
                    "postgres",
                    "-- up\nCREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';",
                    false,
                ),
                ("mysql", "-- up\nGRANT FILE ON *.* TO 'app'@'%';", true),
                ("mysql", "-- up\nGRANT SELECT ON shop.* TO 'app'@'%';", false),
            ],
        );
    }
}

//! TX01.

use downhaul_syntax::{Change, Dialect, Ident, ObjectName, Span, parse_script};

use crate::context::ChangeContext;
use crate::effects::refused_in_block::needs_no_block;
use crate::finding::{Draft, Edit, Severity};
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports statements that the server refuses inside a transaction block, in a function, or in
    /// a string of several statements: `VACUUM`; on PostgreSQL also all that is `CONCURRENTLY`, and
    /// what concerns the whole server.
    ///
    /// On PostgreSQL these are `CREATE INDEX CONCURRENTLY`, `DROP INDEX CONCURRENTLY`, `REINDEX
    /// CONCURRENTLY`, `DETACH PARTITION CONCURRENTLY`, `REINDEX` and `CLUSTER` of a partitioned
    /// table, a schema or all tables, `CREATE DATABASE`, `CREATE TABLESPACE`, `CREATE SUBSCRIPTION`,
    /// `ALTER SYSTEM`, `DISCARD ALL`, and before PostgreSQL 12 `ALTER TYPE … ADD VALUE`.
    ///
    /// PostgreSQL refuses them in three more places: in a `DO` block, a function or a procedure,
    /// also as dynamic SQL and behind its own `COMMIT`; where a statement calls such a function; and
    /// in a file that the runner sends as one string, as sqlx, dbmate, diesel, graphile-migrate,
    /// golang-migrate and Prisma do, beside any other statement. Of the last it is a warning as long
    /// as `runner = "other"` does not say that such a tool runs the files, since Downhaul sends each
    /// statement by itself.
    ///
    /// ## Why is this bad
    ///
    /// The statement fails (on PostgreSQL with SQLSTATE 25001), and the migration with it.
    ///
    /// ## What to do
    ///
    /// Mark the migration `-- downhaul:no-transaction` (or as your runner calls it) and put the
    /// statement in a migration of its own.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES customers, note text, state varchar(20), total numeric(10,4) NOT NULL);
    /// -- up
    /// CREATE INDEX CONCURRENTLY i ON orders (note);
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES customers, note text, state varchar(20), total numeric(10,4) NOT NULL);
    /// -- up
    /// -- downhaul:no-transaction
    /// CREATE INDEX CONCURRENTLY i ON orders (note);
    /// ```
    "TX01" "concurrently-in-transaction"
    severity: Error,
    dialects: &[Dialect::Postgres, Dialect::Sqlite],
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    match cx.change {
        Change::CreateRoutine { def, body_changes, body_spans, .. } => {
            let (what, span) = found_in(cx, body_changes, body_spans)?;
            return Some(
                Draft::new(format!(
                    "`{what}` cannot run inside a function: `{}` will fail",
                    def.name
                ))
                .severity(Severity::Warning)
                .help("take it out: no function, procedure or dynamic SQL can run it")
                .at(span.unwrap_or(cx.span)),
            );
        }
        Change::Call { name } => return called(cx, name),
        Change::Select { query } => {
            return query.functions.iter().find_map(|written| {
                let ident = |part: &str| Ident::new(Dialect::Postgres, part, false);
                let name = match written.rsplit_once('.') {
                    Some((schema, name)) => {
                        ObjectName { schema: Some(ident(schema)), name: ident(name) }
                    }
                    None => ObjectName::bare(ident(written)),
                };
                called(cx, &name)
            });
        }
        _ => {}
    }
    let what = needs_no_block(cx.change, cx.scene)?;
    let nested = cx.facts.items.get(cx.index).is_some_and(|i| i.nested);
    if nested {
        return Some(
            Draft::new(format!("`{what}` cannot run inside a DO block or dynamic SQL"))
                .help("make it a statement of its own, outside a transaction"),
        );
    }
    if cx.statement.in_block {
        let draft = Draft::new(format!("`{what}` cannot run inside a transaction block"));
        return Some(if cx.facts.wrapped {
            let edit =
                Edit { span: Span::new(0, 0), text: "-- downhaul:no-transaction\n".to_owned() };
            draft
                .help("mark the migration `-- downhaul:no-transaction`")
                .fix("run the migration outside a transaction", vec![edit])
        } else {
            draft.help("put it before BEGIN or behind COMMIT")
        });
    }
    let runner = cx.facts.sent_whole_by.filter(|_| cx.dialect() == Dialect::Postgres)?;
    let surely = !cx.options.restore_points;
    Some(
        Draft::new(format!(
            "{runner} sends this file as one string, which makes a transaction block of its statements, and `{what}` cannot run in one"
        ))
        .severity(if surely { Severity::Error } else { Severity::Warning })
        .help("put it in a migration of its own, or run the file with `downhaul up`"),
    )
}

/// A routine of the series that holds such a statement is called.
fn called(cx: &ChangeContext<'_>, name: &ObjectName) -> Option<Draft> {
    let def = cx.routine(name)?;
    let (body, language) = (def.body.as_deref()?, def.language.as_deref().unwrap_or("sql"));
    let upper = body.to_ascii_uppercase();
    let words = ["CONCURRENTLY", "VACUUM", "DATABASE", "REINDEX", "CLUSTER"];
    if !words.iter().any(|word| upper.contains(word)) || body.contains("$body_of$") {
        return None;
    }
    let script = match language {
        "sql" => parse_script(body, Dialect::Postgres),
        "plpgsql" => parse_script(&format!("DO $body_of${body}$body_of$"), Dialect::Postgres),
        _ => return None,
    };
    let what = script.statements.iter().find_map(|s| found_in(cx, s.changes(), &[]))?.0;
    Some(
        Draft::new(format!("`{}` runs `{what}`, which cannot run inside a function", def.name))
            .help("make it a statement of its own, outside a transaction"),
    )
}

/// The first such statement among the changes of a body, and where it stands.
fn found_in(
    cx: &ChangeContext<'_>,
    changes: &[Change],
    spans: &[Span],
) -> Option<(&'static str, Option<Span>)> {
    if cx.dialect() != Dialect::Postgres {
        return None;
    }
    changes.iter().enumerate().find_map(|(at, change)| {
        let span = spans.get(at).copied().filter(|span| !span.is_empty());
        match change {
            Change::Do { body, body_spans, .. } => found_in(cx, body, body_spans),
            Change::Dynamic { changes, change_spans, .. } => found_in(cx, changes, change_spans),
            _ => Some((needs_no_block(change, cx.scene)?, None)),
        }
        .map(|(what, inner)| (what, inner.or(span)))
    })
}

#[cfg(test)]
mod tests {
    use crate::examples::cases;

    #[test]
    fn cases_of_the_rule() {
        cases(
            &super::RULE,
            &[
                (
                    "postgres",
                    r#"-- up
-- downhaul:no-transaction
BEGIN;
VACUUM t;
COMMIT;"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- up
-- downhaul:no-transaction
BEGIN;
SELECT 1;
COMMIT;
VACUUM t;"#,
                    false,
                ),
                // Each of these was refused by PostgreSQL 15, or taken where the last word is false.
                (
                    "postgres",
                    "-- up\nDO $$ BEGIN EXECUTE 'CREATE INDEX CONCURRENTLY i ON t (a)'; END $$;",
                    true,
                ),
                (
                    "postgres",
                    "-- up\nDO $$ BEGIN COMMIT; REINDEX INDEX CONCURRENTLY i; END $$;",
                    true,
                ),
                (
                    "postgres",
                    "-- up\nCREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN IF true THEN EXECUTE 'CREATE INDEX CONCURRENTLY i ON t (a)'; END IF; END $$;",
                    true,
                ),
                (
                    "postgres",
                    "-- up\nCREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ VACUUM t $$;",
                    true,
                ),
                (
                    "postgres",
                    "-- history\nCREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN COMMIT; CREATE INDEX CONCURRENTLY i ON t (a); END $$;\n-- up\n-- downhaul:no-transaction\nCALL p();",
                    true,
                ),
                (
                    "postgres",
                    "-- history\nCREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ DROP INDEX CONCURRENTLY i $$;\n-- up\nSELECT f();",
                    true,
                ),
                (
                    "postgres",
                    "-- history\nCREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CREATE INDEX i ON t (a); RAISE NOTICE 'not CONCURRENTLY'; END $$;\n-- up\nSELECT f();",
                    false,
                ),
                ("postgres", "-- up\nDO $$ BEGIN ANALYZE t; REINDEX TABLE t; END $$;", false),
                ("postgres", "-- up\nALTER SYSTEM SET work_mem = '8MB';", true),
                ("postgres", "-- up\nDISCARD ALL;", true),
                ("postgres", "-- up\nCLUSTER;", true),
                ("postgres", "-- up\nCREATE TABLESPACE fast LOCATION '/fast';", true),
                (
                    "postgres",
                    "-- history\nCREATE TABLE p (id int) PARTITION BY RANGE (id);\n-- up\nREINDEX TABLE p;",
                    true,
                ),
                (
                    "postgres sent-whole no-restore-points",
                    "-- up\n-- downhaul:no-transaction\nSET lock_timeout = 0;\nCREATE INDEX CONCURRENTLY i ON t (a);",
                    true,
                ),
                (
                    "postgres sent-whole",
                    "-- up\n-- downhaul:no-transaction\nBEGIN;\nSELECT 1;\nCOMMIT;\nVACUUM t;",
                    true,
                ),
                (
                    "postgres sent-whole",
                    "-- up\n-- downhaul:no-transaction\nCREATE INDEX CONCURRENTLY i ON t (a); -- alone",
                    false,
                ),
            ],
        );
    }
}

//! SE01.

use downhaul_syntax::{Change, ObjectKind, ObjectName};

use crate::Severity;
use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports rights given to everyone: `GRANT … TO PUBLIC` on tables, sequences and large objects,
    /// `GRANT CREATE ON SCHEMA … TO PUBLIC`, MySQL `GRANT ALL ON *.*`. A note is made of
    /// `GRANT ALL` to one role and of `WITH GRANT OPTION`.
    ///
    /// ## Why is this bad
    ///
    /// Every role that can connect, now or later, has the right, and nobody sees it in the list of
    /// what one role may do. `ALL` on a table includes `TRUNCATE`, `TRIGGER` and `REFERENCES`,
    /// which no application needs.
    ///
    /// ## What to do
    ///
    /// Name the role and the privileges that it needs.
    ///
    /// ## Unsafe example
    ///
    /// ```sql postgres
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY);
    /// -- up
    /// GRANT SELECT ON orders TO PUBLIC;
    /// ```
    ///
    /// ```sql mysql
    /// -- up
    /// GRANT ALL PRIVILEGES ON *.* TO 'app'@'%';
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql postgres
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY);
    /// -- up
    /// GRANT SELECT, INSERT ON orders TO app;
    /// ```
    "SE01" "grant-to-public"
    severity: Warning,
    dialects: SERVERS,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let Change::Grant { privileges, kind, objects, to } = cx.change else { return None };
    let is = |p: &str, name: &str| {
        p.split(|c: char| !c.is_ascii_alphabetic())
            .next()
            .is_some_and(|w| w.eq_ignore_ascii_case(name))
    };
    let all = privileges.iter().any(|p| is(p, "ALL"));
    let names = objects.iter().map(|o| format!("`{o}`")).collect::<Vec<_>>().join(", ");
    if to.iter().any(|r| r.trim_matches('"').eq_ignore_ascii_case("public")) {
        let harmless = match kind {
            // What PUBLIC has anyway (PostgreSQL manual §5.8).
            ObjectKind::Function
            | ObjectKind::Procedure
            | ObjectKind::Aggregate
            | ObjectKind::Type
            | ObjectKind::Domain
            | ObjectKind::Database => true,
            ObjectKind::Schema => !all && privileges.iter().all(|p| is(p, "USAGE")),
            ObjectKind::Other => !all,
            _ => false,
        };
        return (!harmless).then(|| {
            Draft::new(format!(
                "every role, now and later, gets {} on {names}",
                privileges.join(", ")
            ))
            .help("grant it to the role that needs it")
        });
    }
    if all && objects.iter().any(everything) {
        return Some(
            Draft::new(format!("{} gets every privilege on every database", to.join(", ")))
                .help("grant what it needs, on the database that it needs"),
        );
    }
    let text = cx.statement.statement.text.to_ascii_uppercase();
    if text.contains("WITH GRANT OPTION") {
        return Some(
            Draft::new(format!(
                "{} may pass {} on to anybody",
                to.join(", "),
                privileges.join(", ")
            ))
            .help("leave WITH GRANT OPTION out")
            .severity(Severity::Info),
        );
    }
    let relation = matches!(kind, ObjectKind::Table | ObjectKind::View | ObjectKind::Sequence);
    (all && relation && cx.dialect() == downhaul_syntax::Dialect::Postgres).then(|| {
        Draft::new(format!(
            "ALL on {names} includes TRUNCATE, TRIGGER and REFERENCES, for {}",
            to.join(", ")
        ))
        .help("name the privileges that are needed")
        .severity(Severity::Info)
    })
}

/// MySQL `*.*`.
fn everything(object: &ObjectName) -> bool {
    object.name.as_str() == "*" && object.schema.as_ref().is_some_and(|s| s.as_str() == "*")
}

#[cfg(test)]
mod tests {
    use crate::examples::cases;

    #[test]
    fn cases_of_the_rule() {
        cases(
            &super::RULE,
            &[
                ("postgres", "-- up\nGRANT USAGE ON SCHEMA public TO PUBLIC;", false),
                ("postgres", "-- up\nGRANT CREATE ON SCHEMA public TO public;", true),
                ("postgres", "-- up\nGRANT EXECUTE ON FUNCTION f(int) TO PUBLIC;", false),
                ("postgres", "-- up\nGRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC;", true),
                ("postgres", "-- up\nCREATE TABLE t (a int);\nGRANT ALL ON t TO app;", true),
                ("postgres", "-- up\nGRANT reader TO app;", false),
                ("mysql", "-- up\nGRANT SELECT, INSERT ON shop.* TO 'app'@'%';", false),
                ("mysql", "-- up\nGRANT ALL ON shop.* TO 'app'@'%';", false),
            ],
        );
    }
}

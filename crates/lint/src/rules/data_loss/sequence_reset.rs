//! DL10.

use downhaul_syntax::{Change, Dialect, Ident, ObjectName};

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports `RESTART` of a sequence or identity that existed before, and PostgreSQL's `setval` other
    /// than to the largest number in use: of all tables that draw from it. (MariaDB's `SETVAL` never
    /// goes back.)
    ///
    /// ## Why is this bad
    ///
    /// A sequence that is set back gives out numbers that are taken: inserts of the running release
    /// fail, or, where nothing is unique, two things get one number.
    ///
    /// ## What to do
    ///
    /// Set it to the largest number in use: `SELECT setval('s', (SELECT max(id) FROM t))`.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE SEQUENCE numbers;
    /// -- up
    /// ALTER SEQUENCE numbers RESTART WITH 1;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE t (id bigserial PRIMARY KEY);
    /// -- up
    /// SELECT setval('t_id_seq', (SELECT max(id) FROM t));
    /// ```
    "DL10" "sequence-reset"
    severity: Warning,
    dialects: &[Dialect::Postgres, Dialect::MariaDb],
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let name = match cx.change {
        Change::AlterSequence { name, restart: true, text, .. } if cx.relation_in_use(name) => {
            if cx.dialect() == Dialect::MariaDb && is_further_on(cx, name, text) {
                return None;
            }
            name.to_string()
        }
        Change::AlterIdentity { table, column, text, .. }
            if text.to_lowercase().contains("restart") && cx.column_in_use(table, column) =>
        {
            format!("{table}.{column}")
        }
        // MariaDB's never goes back (measured): a smaller number changes nothing.
        Change::SetSequenceValue { sequence } if cx.dialect() == Dialect::Postgres => {
            let text = cx.statement.statement.text.to_lowercase();
            let has = |words: &[&str]| words.iter().any(|f| text.contains(f));
            let name = ObjectName::bare(Ident::stored(cx.dialect(), sequence));
            let of_rows = has(&["max(", "max (", "count("]);
            if has(&["last_value"])
                || of_rows && !draws_for_others(cx, &name)
                || cx.catalog.sequences.get(&name).is_some_and(|s| !cx.existed(s.origin))
            {
                return None;
            }
            if of_rows {
                return Some(
                    Draft::new(format!(
                        "`{sequence}` may give out numbers that were drawn for rows of other tables"
                    ))
                    .help("set it to the largest number of all that draw from it, or leave it"),
                );
            }
            sequence.clone()
        }
        _ => return None,
    };
    Some(
        Draft::new(format!("`{name}` may give out numbers that are taken"))
            .help("set it to the largest number in use"),
    )
}

/// A constant that lies behind the sequence's first number: it was chosen with what is taken in mind.
fn is_further_on(cx: &ChangeContext<'_>, name: &ObjectName, text: &str) -> bool {
    let behind = |text: &str, word: &str| -> Option<i64> {
        let lower = text.to_lowercase().replace('=', " ");
        let mut words = lower.split_whitespace().skip_while(|w| *w != word).skip(1).peekable();
        words.next_if(|w| *w == "with");
        words.next()?.parse().ok()
    };
    let known = cx.catalog.sequences.get(&cx.catalog.normalize(name));
    let first = known.and_then(|s| behind(&s.text, "start")).unwrap_or(1);
    behind(text, "restart").is_some_and(|number| number > first)
}

/// Not all tables that draw from a known sequence are read by the statement that sets it; or none is
/// known to draw from it, as with one that a program asks for the numbers of several tables.
fn draws_for_others(cx: &ChangeContext<'_>, name: &ObjectName) -> bool {
    let Some(sequence) = cx.catalog.sequences.get(&cx.catalog.normalize(name)) else {
        return false;
    };
    if sequence.owned_by.is_some() || !cx.existed(sequence.origin) {
        return false;
    }
    let read: Vec<ObjectName> = cx
        .scene
        .siblings
        .iter()
        .filter_map(|change| match change {
            Change::Select { query } => Some(query),
            _ => None,
        })
        .flat_map(|query| query.tables.iter().map(|t| cx.catalog.normalize(t)))
        .collect();
    let word = sequence.name.name.as_str();
    let draws = |text: &str| {
        let mut words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
        text.contains("nextval") && words.any(|w| w.eq_ignore_ascii_case(word))
    };
    let mut users =
        cx.catalog.tables.values().filter(|t| {
            t.columns.iter().filter_map(|c| c.default.as_ref()).any(|d| draws(&d.text))
        });
    match users.next() {
        None => !read.is_empty(),
        Some(first) => std::iter::once(first).chain(users).any(|t| !read.contains(&t.name)),
    }
}

#[cfg(test)]
mod tests {
    use crate::examples::cases;

    #[test]
    fn a_sequence_that_goes_back() {
        let history = "-- history\nCREATE SEQUENCE numbers START WITH 10 INCREMENT BY 1;\n\
                       CREATE TABLE t (id bigint PRIMARY KEY);\n-- up\n";
        for (what, expect) in [
            ("ALTER SEQUENCE numbers RESTART;", true),
            ("ALTER SEQUENCE numbers RESTART WITH 10;", true),
            ("ALTER SEQUENCE numbers RESTART 100000;", false),
            ("ALTER SEQUENCE numbers INCREMENT BY 5;", false),
            ("SELECT SETVAL(numbers, 5);", false),
        ] {
            cases(&super::RULE, &[("mariadb", &format!("{history}{what}"), expect)]);
        }
    }

    #[test]
    fn a_sequence_of_several_tables() {
        let set = "-- up\nSELECT setval('numbers', (SELECT max(id) FROM t) + 1, false);";
        for (tables, expect) in [
            // A program draws from it.
            ("CREATE TABLE t (id bigint PRIMARY KEY);", true),
            ("CREATE TABLE t (id bigint PRIMARY KEY DEFAULT nextval('numbers'));", false),
            (
                "CREATE TABLE t (id bigint PRIMARY KEY DEFAULT nextval('numbers'));\n\
                 CREATE TABLE u (id bigint PRIMARY KEY DEFAULT nextval('numbers'));",
                true,
            ),
            (
                "CREATE TABLE t (id bigint PRIMARY KEY);\nALTER SEQUENCE numbers OWNED BY t.id;",
                false,
            ),
        ] {
            let text = format!("-- history\nCREATE SEQUENCE numbers;\n{tables}\n{set}");
            cases(&super::RULE, &[("postgres", &text, expect)]);
        }
    }
}

//! LK20.

use downhaul_syntax::{Change, ConstraintKind};

use crate::Severity;
use crate::context::ChangeContext;
use crate::effects::mysql::{self, Algorithm};
use crate::effects::refused_mysql;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Says which of `INSTANT`, `NOCOPY`, `INPLACE` and `COPY` an `ALTER TABLE` of a populated table
    /// needs on this version, where that is more than a change of metadata: an error where writes
    /// wait (`COPY`, `LOCK=SHARED`), a warning where the table is only written anew. It also
    /// reports an `ALGORITHM=` or `LOCK=` that the server will refuse.
    ///
    /// ## Why is this bad
    ///
    /// Without a word MySQL and MariaDB take whatever algorithm works. `COPY` writes every row into
    /// a new table while all writes wait, for as long as the table is large, and replicas fall behind
    /// for the same time again.
    ///
    /// ## What to do
    ///
    /// Split the statement so that the cheap part runs on its own. `downhaul expand` takes another type or
    /// character set through phases, by a new column that changes places with the old one; for the rest use
    /// an online schema change tool (gh-ost, pt-online-schema-change).
    ///
    /// ## Unsafe example
    ///
    /// ```sql mariadb
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, state varchar(20), total int);
    /// -- up
    /// ALTER TABLE orders MODIFY total bigint;
    /// ```
    ///
    /// ```sql mariadb
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, state varchar(20), total int);
    /// -- up
    /// ALTER TABLE orders MODIFY total bigint, ALGORITHM=INPLACE;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql mariadb
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, state varchar(20), total int);
    /// -- up
    /// ALTER TABLE orders MODIFY state varchar(40), ALGORITHM=INSTANT;
    /// ```
    "LK20" "mysql-copy-algorithm"
    severity: Error,
    dialects: MYSQL_FAMILY,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let (operation, table) = mysql::operation(cx.change, cx.scene)?;
    if let Some(refused) = refused_mysql::online(cx.change, cx.scene) {
        return Some(
            Draft::new(format!("the server refuses this: {}", refused.why))
                .help(format!("it needs ALGORITHM={}", refused.needs.as_str())),
        );
    }
    if !cx.populated(table) || has_own_rule(cx.change, operation) {
        return None;
    }
    let version = cx.options.version();
    let (operation, needs) = mysql::costs(cx.change, operation, table, cx.scene);
    let what = operation.replace('-', " ");
    let asked = cx.effects.locks.iter().find(|l| l.table == cx.catalog.normalize(table))?;
    let name = cx.describe(table);
    let long = needs.algorithm > Algorithm::Instant
        || cx.scene.online.is_some_and(|o| o.algorithm.as_deref() == Some("copy"));
    if divides_the_last(cx.change) {
        return Some(
            Draft::new(format!(
                "the rows of the last partition of {name} are copied while writes wait, as many as it \
                 holds by now"
            ))
            .help("divide it while it is empty, ahead of the time")
            .severity(Severity::Info),
        );
    }
    if asked.blocks >= crate::Blocks::Writes && !needs.exclusive && long {
        return Some(
            Draft::new(format!(
                "version {version} can {what} only with {}: writes to {name} wait until every row is done",
                asked.mode
            ))
            .help("use gh-ost or pt-online-schema-change, or add a new column, backfill it and switch"),
        );
    }
    needs.rebuilds.then(|| {
        Draft::new(format!(
            "to {what}, the server writes {name} anew (ALGORITHM={}): writes go on, replicas fall behind for as long",
            needs.algorithm.as_str()
        ))
        .help("use an online schema change tool where replicas matter")
        .severity(Severity::Warning)
    })
}

/// `REORGANIZE PARTITION later INTO (…, PARTITION later VALUES LESS THAN MAXVALUE)`: the one that takes
/// what is to come is divided before anything comes.
fn divides_the_last(change: &Change) -> bool {
    let Change::MysqlPartition { verb, text, .. } = change else { return false };
    let flat = text.to_lowercase().replace(['`', '(', ')', ','], " ");
    let words: Vec<&str> = flat.split_whitespace().collect();
    let Some(into) = words.iter().position(|w| *w == "into") else { return false };
    let named: Vec<&str> = words[..into]
        .iter()
        .copied()
        .filter(|w| !matches!(*w, "reorganize" | "partition"))
        .collect();
    let [name] = named[..] else { return false };
    let last = [name, "values", "less", "than", "maxvalue"];
    verb.eq_ignore_ascii_case("reorganize") && words[into..].windows(5).any(|w| *w == last)
}

/// LK11 and LK21 say it.
fn has_own_rule(change: &Change, operation: &str) -> bool {
    let drop_of_changed_key =
        operation == "change-primary-key" && matches!(change, Change::DropPrimaryKey { .. });
    drop_of_changed_key
        || matches!(change, Change::SetTableOptions { .. } | Change::MysqlTableVerb { .. })
        || matches!(change, Change::AddConstraint { constraint, .. }
            if matches!(constraint.kind, ConstraintKind::ForeignKey { .. }))
}

#[cfg(test)]
mod tests {
    use crate::examples::cases;

    #[test]
    fn cases_of_the_rule() {
        let history = "-- history\nCREATE TABLE t (id int PRIMARY KEY, a int, s varchar(50), \
                       e enum('a','b'));\n-- up\n";
        let all = [
            ("mariadb", "ALTER TABLE t ADD b int", false),
            ("mariadb", "ALTER TABLE t MODIFY a bigint", true),
            ("mariadb", "ALTER TABLE t MODIFY s varchar(60)", false),
            ("mariadb", "ALTER TABLE t MODIFY s varchar(70)", true),
            ("mariadb", "ALTER TABLE t MODIFY e enum('a','b','c')", false),
            ("mariadb", "ALTER TABLE t MODIFY e enum('b','a')", true),
            ("mariadb", "ALTER TABLE t ADD CHECK (a > 0)", true),
            ("mariadb", "ALTER TABLE t ADD INDEX (a)", false),
            ("mariadb", "ALTER TABLE t ADD INDEX (a), ALGORITHM=INSTANT", true),
            ("mariadb", "ALTER TABLE t ADD INDEX (a), ALGORITHM=INPLACE, LOCK=NONE", false),
            ("mariadb", "ALTER TABLE t ADD b int, ALGORITHM=INSTANT, LOCK=NONE", false),
            ("mysql:8.0.36", "ALTER TABLE t ADD b int, ALGORITHM=INSTANT, LOCK=NONE", true),
            ("mysql:8.0.11", "ALTER TABLE t ADD b int", true),
            ("mysql:8.0.36", "ALTER TABLE t ADD b int", false),
            ("mysql:8.0.36", "ALTER TABLE t DROP COLUMN a, ALGORITHM=INSTANT", false),
            ("mysql:8.0.28", "ALTER TABLE t DROP COLUMN a, ALGORITHM=INSTANT", true),
        ];
        for (info, up, expect) in all {
            cases(&super::RULE, &[(info, &format!("{history}{up};"), expect)]);
        }
        cases(
            &super::RULE,
            &[("mariadb", "-- up\nCREATE TABLE t (a int);\nALTER TABLE t MODIFY a bigint;", false)],
        );
    }

    /// Measured on MariaDB 10.11.
    #[test]
    fn text_of_another_coding() {
        for (columns, change, expect) in [
            ("a varchar(63)", "CONVERT TO CHARACTER SET utf8mb4", false),
            ("a varchar(64)", "CONVERT TO CHARACTER SET utf8mb4", true),
            ("a varchar(86)", "CONVERT TO CHARACTER SET utf8mb4", false),
            ("a varchar(40), KEY (a)", "CONVERT TO CHARACTER SET utf8mb4", false),
            ("a varchar(40), KEY (a(10))", "CONVERT TO CHARACTER SET utf8mb4", true),
            (
                "a varchar(40), KEY (a)",
                "CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci",
                false,
            ),
            ("a text", "CONVERT TO CHARACTER SET utf8mb4", true),
            ("a longtext", "CONVERT TO CHARACTER SET utf8mb4", false),
            ("a text", "CONVERT TO CHARACTER SET utf8mb3 COLLATE utf8mb3_bin", false),
            ("a enum('x','y')", "CONVERT TO CHARACTER SET utf8mb4", true),
            ("a varchar(40) CHARACTER SET latin1", "CONVERT TO CHARACTER SET utf8mb4", true),
            ("a varchar(40), KEY (a)", "MODIFY a varchar(40) COLLATE utf8mb3_bin", false),
            ("a varchar(40)", "MODIFY a varchar(60) CHARACTER SET utf8mb4", false),
            ("a varchar(40)", "MODIFY a varchar(40) CHARACTER SET latin1", true),
            ("a varchar(40) CHARACTER SET latin1", "MODIFY a varchar(40)", true),
            ("a enum('x','y')", "MODIFY a enum('x','y') COLLATE utf8mb3_bin", true),
            // No row changes its order beside a fulltext index.
            ("a varchar(40), b int, FULLTEXT KEY (a)", "MODIFY b int FIRST", true),
            ("a varchar(40), b int", "MODIFY b int FIRST", false),
        ] {
            let up = format!(
                "-- history\nCREATE TABLE t (id int PRIMARY KEY, {columns}) DEFAULT CHARSET=utf8;\n-- up\n\
                 ALTER TABLE t {change};"
            );
            cases(&super::RULE, &[("mariadb", &up, expect)]);
        }
    }

    #[test]
    fn the_last_partition_is_divided() {
        use downhaul_syntax::{Dialect, parse_script};
        for (up, expect) in [
            (
                "later INTO (PARTITION b VALUES LESS THAN (9), PARTITION later VALUES LESS THAN MAXVALUE)",
                true,
            ),
            (
                "`later` INTO (PARTITION b VALUES LESS THAN (9), PARTITION `later` VALUES LESS THAN (MAXVALUE))",
                true,
            ),
            ("a INTO (PARTITION a VALUES LESS THAN (3), PARTITION b VALUES LESS THAN (5))", false),
            ("a, later INTO (PARTITION later VALUES LESS THAN MAXVALUE)", false),
        ] {
            let text = format!("ALTER TABLE t REORGANIZE PARTITION {up}");
            let script = parse_script(&text, Dialect::MariaDb);
            let divides = script.statements[0].changes().iter().all(super::divides_the_last);
            assert_eq!(divides, expect, "{text}");
        }
    }
}

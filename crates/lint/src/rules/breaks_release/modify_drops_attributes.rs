//! BC20.

use downhaul_syntax::{Change, ColumnDef};

use crate::Severity;
use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports `MODIFY` or `CHANGE` that does not repeat what the column had: NOT NULL, default,
    /// comment, character set, `AUTO_INCREMENT`, `ON UPDATE`.
    ///
    /// ## Why is this bad
    ///
    /// MySQL and MariaDB take the definition as a whole: what is not repeated is gone, without a
    /// word (measured). Mostly only the type was meant. A comment alone is information: no statement
    /// of the release meets it.
    ///
    /// ## What to do
    ///
    /// Repeat everything that shall stay.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE t (a varchar(10) NOT NULL DEFAULT 'x' COMMENT 'kind');
    /// -- up
    /// ALTER TABLE t MODIFY a varchar(20);
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE t (a varchar(10) NOT NULL DEFAULT 'x' COMMENT 'kind');
    /// -- up
    /// ALTER TABLE t MODIFY a varchar(20) NOT NULL DEFAULT 'x' COMMENT 'kind';
    /// ```
    "BC20" "modify-drops-attributes"
    severity: Warning,
    dialects: MYSQL_FAMILY,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let Change::ModifyColumn { table, from, column, .. } = cx.change else { return None };
    let old = cx.column(table, from)?;
    let stated_again = |keep: fn(&ColumnDef) -> bool| {
        cx.later().any(|i| {
            matches!(i.change, Change::ModifyColumn { table: t, column: c, .. }
            if t.name == table.name && c.name == column.name && keep(c))
        })
    };
    let key = cx.table(table).is_some_and(|t| t.primary_key().contains(from));
    let mut lost = Vec::new();
    // Only the type changes and NOT NULL is missing: hardly ever meant. `MODIFY … NULL` is.
    let says_null = column_text(cx).contains(" null");
    if old.not_null && !column.not_null && !key && !says_null && !stated_again(|c| c.not_null) {
        lost.push("NOT NULL");
    }
    if old.default.is_some()
        && column.default.is_none()
        && column.generated.is_none()
        && !stated_again(|c| c.default.is_some())
    {
        lost.push("its default");
    }
    if old.auto_increment && !column.auto_increment && !stated_again(|c| c.auto_increment) {
        lost.push("AUTO_INCREMENT");
    }
    if old.on_update.is_some() && column.on_update.is_none() {
        lost.push("ON UPDATE");
    }
    // What a comment says is for people and tools: no statement of the release meets it.
    let only_comment = lost.is_empty();
    if old.comment.is_some() && column.comment.is_none() {
        lost.push("its comment");
    }
    if lost.is_empty() {
        return None;
    }
    let draft = Draft::new(format!("`{table}.{from}` silently loses {}", lost.join(", ")))
        .help("repeat everything that shall stay");
    Some(if only_comment { draft.severity(Severity::Info) } else { draft })
}

fn column_text(cx: &ChangeContext<'_>) -> String {
    cx.span.text(cx.facts.source).to_lowercase().replace("not null", "")
}

#[cfg(test)]
mod tests {
    use downhaul_syntax::Dialect;

    use crate::examples::cases;
    use crate::{LintOptions, Severity, lint_series};

    #[test]
    fn a_comment_alone_is_information() {
        let text = "-- history\nCREATE TABLE t (a datetime NOT NULL COMMENT 'x', b int DEFAULT 1 COMMENT 'y');\n\
                    -- up\nALTER TABLE t MODIFY ";
        for (what, severity) in
            [("a datetime NOT NULL", Severity::Info), ("b int", Severity::Warning)]
        {
            let series = crate::examples::series(&format!("{text}{what};"));
            let report = lint_series(&series, &LintOptions::new(Dialect::MariaDb));
            let found = report.findings.iter().find(|f| f.code == "BC20").unwrap();
            assert_eq!(found.severity, severity, "{what}");
        }
    }

    #[test]
    fn cases_of_the_rule() {
        cases(
            &super::RULE,
            &[
                (
                    "mysql",
                    r#"-- history
CREATE TABLE t (a int NOT NULL);
-- up
ALTER TABLE t MODIFY a int NULL;"#,
                    false,
                ),
                (
                    "mysql",
                    r#"-- history
CREATE TABLE t (id int PRIMARY KEY AUTO_INCREMENT);
-- up
ALTER TABLE t MODIFY id bigint;"#,
                    true,
                ),
            ],
        );
    }
}

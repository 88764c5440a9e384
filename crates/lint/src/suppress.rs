//! `-- downhaul:allow RULE "reason"`: which findings a comment silences.

use downhaul_syntax::{DirectiveKind, Script, Span};

use crate::Rule;
use crate::rules::find_rule;

/// One rule that one comment allows.
pub(crate) struct Allowance {
    /// The rule; `None` where no rule has that name.
    pub(crate) rule: Option<&'static Rule>,
    /// As written.
    pub(crate) written: String,
    pub(crate) reason: Option<String>,
    /// The comment.
    pub(crate) span: Span,
    /// What it covers; `None` = the whole file.
    covers: Option<Span>,
    pub(crate) used: bool,
}

/// All allowances of a file. A comment covers the statement that follows it, that it stands in, or
/// that ends on its line before it.
pub(crate) fn allowances(script: &Script, source: &str) -> Vec<Allowance> {
    let mut out = Vec::new();
    for directive in &script.directives {
        let (rules, reason, whole_file) = match &directive.kind {
            DirectiveKind::Allow { rules, reason } => (rules, reason, false),
            DirectiveKind::AllowFile { rules, reason } => (rules, reason, true),
            _ => continue,
        };
        let covers = if whole_file {
            None
        } else {
            // Statements stand in order and do not overlap: the first one that ends behind the
            // comment is the one it stands in or before.
            let at = script.statements.partition_point(|s| s.span.end <= directive.span.start);
            let trailing =
                at.checked_sub(1).and_then(|i| script.statements.get(i)).filter(|before| {
                    directive_trails(script, at, directive.span)
                        || on_one_line(source, before.span.end, directive.span.start)
                });
            let statement = trailing.or_else(|| script.statements.get(at));
            Some(statement.map_or(directive.span, |s| s.span))
        };
        for written in rules {
            out.push(Allowance {
                rule: find_rule(written),
                written: written.clone(),
                reason: reason.clone(),
                span: directive.span,
                covers,
                used: false,
            });
        }
    }
    out
}

/// Nothing but blanks and the terminator stands between them.
fn on_one_line(source: &str, from: usize, to: usize) -> bool {
    source
        .get(from..to)
        .is_some_and(|text| text.chars().all(|c| c == ';' || (c.is_whitespace() && c != '\n')))
}

/// The comment stands behind the last statement of the file: nothing follows that it could mean.
fn directive_trails(script: &Script, next: usize, comment: Span) -> bool {
    next >= script.statements.len()
        && script.statements.last().is_some_and(|s| s.span.end <= comment.start)
}

/// The reason (possibly empty) if some allowance covers a finding of this rule at this place.
pub(crate) fn allowed(
    allowances: &mut [Allowance],
    code: &str,
    span: Span,
    whole_file: bool,
) -> Option<Option<String>> {
    let mut found = None;
    for allowance in allowances {
        let covered = match allowance.covers {
            None => true,
            Some(covers) => whole_file || (covers.start <= span.start && span.start < covers.end),
        };
        if covered && allowance.rule.is_some_and(|r| r.code == code) {
            allowance.used = true;
            found.get_or_insert_with(|| allowance.reason.clone());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use downhaul_syntax::Dialect;

    use crate::{LintOptions, MigrationInput, RuleSetting, Severity, SourceText, lint_series};

    const HISTORY: &str = "CREATE TABLE t (a int, b int, c int);";

    /// Codes that are reported and codes that are silenced, of drops alone.
    fn drops(up: &str) -> (Vec<String>, Vec<Option<String>>) {
        let migration = |version: &str, text: &str, judged| MigrationInput {
            version: version.into(),
            up: Some(SourceText::new(format!("{version}.sql"), text)),
            judged,
            ..MigrationInput::default()
        };
        let series = [migration("1", HISTORY, false), migration("2", up, true)];
        let report = lint_series(&series, &LintOptions::new(Dialect::Postgres));
        let of = |f: &crate::Finding| matches!(f.code, "BC01" | "UN03");
        (
            report
                .findings
                .iter()
                .filter(|f| of(f))
                .map(|f| format!("{}:{}", f.code, f.start.line))
                .collect(),
            report.suppressed.iter().filter(|s| of(&s.finding)).map(|s| s.reason.clone()).collect(),
        )
    }

    #[test]
    fn an_allowance_covers_its_statement_and_no_other() {
        let check = |up: &str, left: &[&str], silenced: usize| {
            let (findings, suppressed) = drops(up);
            assert_eq!(findings, left, "{up}");
            assert_eq!(suppressed.len(), silenced, "{up}");
        };
        let a = "ALTER TABLE t DROP COLUMN a;";
        let b = "ALTER TABLE t DROP COLUMN b;";
        check(&format!("{a}\n{b}"), &["BC01:1", "BC01:2"], 0);
        check(&format!("-- downhaul:allow drop-column \"gone\"\n{a}\n{b}"), &["BC01:3"], 1);
        check(&format!("{a} -- downhaul:allow BC01\n{b}"), &["BC01:2"], 1);
        check(&format!("{a}\n{b} -- downhaul:allow BC01"), &["BC01:1"], 1);
        check(&format!("-- downhaul:allow-file BC01\n{a}\n{b}"), &[], 2);
        check(
            "ALTER TABLE t -- downhaul:allow BC01\n DROP COLUMN a;\nALTER TABLE t DROP COLUMN b;",
            &["BC01:3"],
            1,
        );
        check(&format!("-- downhaul:allow lock-table\n{a}"), &["UN03:1", "BC01:2"], 0);
        check(&format!("-- downhaul:allow nonsense\n{a}"), &["UN03:1", "BC01:2"], 0);
    }

    #[test]
    fn the_reason_is_kept() {
        let (_, reasons) =
            drops("-- downhaul:allow BC01 \"nobody reads it\"\nALTER TABLE t DROP COLUMN a;");
        assert_eq!(reasons, [Some("nobody reads it".to_owned())]);
    }

    #[test]
    fn rules_are_switched_off_and_weighed_by_the_caller() {
        let severity = |setting: Option<RuleSetting>| {
            let mut options = LintOptions::new(Dialect::Postgres);
            if let Some(setting) = setting {
                options.rules.insert("BC01".into(), setting);
            }
            let migration = |version: &str, text: &str, judged| MigrationInput {
                version: version.into(),
                up: Some(SourceText::new("f.sql", text)),
                judged,
                ..MigrationInput::default()
            };
            let series =
                [migration("1", HISTORY, false), migration("2", "ALTER TABLE t DROP a;", true)];
            let report = lint_series(&series, &options);
            report.findings.iter().find(|f| f.code == "BC01").map(|f| f.severity)
        };
        assert_eq!(severity(None), Some(Severity::Error));
        assert_eq!(severity(Some(RuleSetting::Off)), None);
        assert_eq!(severity(Some(RuleSetting::Severity(Severity::Info))), Some(Severity::Info));
    }
}

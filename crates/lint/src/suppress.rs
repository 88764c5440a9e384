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

/// All allowances of a file. A comment covers the statement that follows it, or that it stands in.
pub(crate) fn allowances(script: &Script) -> Vec<Allowance> {
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
            let trailing = at
                .checked_sub(1)
                .and_then(|i| script.statements.get(i))
                .filter(|_| directive_trails(script, at, directive.span));
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

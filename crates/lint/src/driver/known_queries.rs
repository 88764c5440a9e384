//! The queries of the running release: which a migration breaks, and what is to be said of themselves.

use downhaul_syntax::{LineIndex, Script, Span};

use super::publish::fingerprint;
use super::{Run, is_on};
use crate::finding::Finding;
use crate::queries::Broken;
use crate::rules::unresolved_query;

impl Run<'_> {
    /// Which of the known queries the up breaks, and by which change.
    pub(super) fn broken_queries(&mut self, script: &Script, index: usize) -> Vec<Broken> {
        if self.queries.is_empty() {
            return Vec::new();
        }
        // The release that runs sees the schema before all that goes out with this deployment.
        let one = self.options.one_deployment || self.options.baseline.is_some();
        if !one || !self.queries.has_base() {
            self.queries.release_sees(&self.catalog, self.history_known);
        }
        self.queries.broken_by(&self.catalog, script, index)
    }

    /// Remarks about the known queries themselves.
    pub(super) fn about_queries(&mut self) {
        if !is_on(&unresolved_query::RULE, self.options) {
            return;
        }
        let one = self.options.one_deployment || self.options.baseline.is_some();
        for remark in self.queries.remarks(&self.catalog, self.history_known, one) {
            let rule = &unresolved_query::RULE;
            let severity = self.severity_of(rule, None);
            self.report.summary.count(severity);
            let mut start = LineIndex::new("").position("", 0);
            (start.line, start.column) = (remark.line, remark.column);
            self.report.findings.push(Finding {
                code: rule.code,
                name: rule.name,
                severity,
                span: Span::new(0, 0),
                start,
                end: start,
                fingerprint: fingerprint(&[rule.code, &remark.source, &remark.text]),
                file: remark.source,
                message: remark.message,
                help: "correct the query, or leave it out of --queries".to_owned(),
                rewrite: None,
                fix: None,
                queries: Vec::new(),
                docs: rule.docs_path(),
            });
        }
    }
}

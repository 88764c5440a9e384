//! Which rules are reported, at which severity, for which files.

use std::collections::{BTreeMap, HashMap};

use downhaul_lint::{
    Finding, Hazard, Rule, RuleSetting, Severity, StatementEffects, all_rules, find_rule,
    suggest_rule,
};

use super::glob;
use crate::args::LintArgs;
use crate::config::{LintConfig, TableHints};
use crate::error::CliError;

/// One section of settings: those of all files, or of those that a pattern names.
struct Section {
    glob: Option<String>,
    rules: BTreeMap<&'static str, RuleSetting>,
}

/// All sections; where several speak of a rule, the last one wins.
pub struct Settings {
    sections: Vec<Section>,
    tables: TableHints,
}

impl Settings {
    /// Settings of the configuration, then of the command line. An unknown rule is refused.
    pub fn new(config: &LintConfig, args: &LintArgs) -> Result<Self, CliError> {
        let mut sections = vec![section(
            None,
            [&config.allow, &config.enable, &config.info, &config.warn, &config.deny],
        )?];
        for path in &config.path {
            if path.glob.is_empty() {
                return Err(CliError::usage("a [[lint.path]] section has no `glob`")
                    .hint("name the files, for example glob = \"migrations/legacy/**\""));
            }
            sections.push(section(
                Some(path.glob.clone()),
                [&path.allow, &path.enable, &path.info, &path.warn, &path.deny],
            )?);
        }
        let none = Vec::new();
        sections.push(section(None, [&args.allow, &none, &none, &args.warn, &args.deny])?);
        Ok(Self { sections, tables: config.tables.clone() })
    }

    /// What the analyzer is to run: every rule that is on for some file.
    #[must_use]
    pub fn for_run(&self) -> BTreeMap<String, RuleSetting> {
        let mut out = BTreeMap::new();
        for rule in all_rules() {
            let of = |s: &Section| s.rules.get(rule.code).copied();
            let everywhere =
                self.sections.iter().filter(|s| s.glob.is_none()).filter_map(of).next_back();
            let on_somewhere = everywhere.is_some_and(|setting| setting != RuleSetting::Off)
                || self
                    .sections
                    .iter()
                    .filter(|s| s.glob.is_some())
                    .filter_map(of)
                    .any(|setting| setting != RuleSetting::Off);
            if on_somewhere {
                out.insert(rule.code.to_owned(), RuleSetting::On);
            } else if everywhere == Some(RuleSetting::Off) {
                out.insert(rule.code.to_owned(), RuleSetting::Off);
            }
        }
        out
    }

    /// What is said of a rule for a file (relative to the configuration's folder).
    fn resolve(&self, rule: &Rule, file: &str) -> Option<RuleSetting> {
        self.sections
            .iter()
            .rev()
            .filter(|s| s.glob.as_ref().is_none_or(|g| glob::matches(g, file)))
            .find_map(|s| s.rules.get(rule.code).copied())
    }

    /// Applies the settings to what the analyzer found. `relative`: a file's path as the patterns
    /// see it.
    pub fn apply(
        &self,
        findings: &mut Vec<Finding>,
        effects: &[StatementEffects],
        relative: impl Fn(&str) -> String,
    ) {
        let by_path = self.sections.iter().any(|section| section.glob.is_some());
        let hints = !self.tables.large.is_empty() || !self.tables.hot.is_empty();
        let mut by_file: HashMap<&str, Vec<&StatementEffects>> = HashMap::new();
        if hints {
            for statement in effects {
                by_file.entry(&statement.file).or_default().push(statement);
            }
        }
        findings.retain_mut(|finding| {
            let Some(rule) = find_rule(finding.code) else { return true };
            // Finding out where a file lies asks the file system: only where it matters.
            let file = if by_path { relative(&finding.file) } else { String::new() };
            match self.resolve(rule, &file) {
                Some(RuleSetting::Off) => return false,
                Some(RuleSetting::Severity(severity)) => {
                    finding.severity = severity;
                    return true;
                }
                Some(RuleSetting::On) => {}
                None if !rule.default_on => return false,
                None => {}
            }
            if rule.hazard() == Hazard::Locks
                && let Some(statements) = by_file.get(finding.file.as_str())
                && self.hurts(finding, statements)
            {
                finding.severity = Severity::Error;
            }
            true
        });
    }

    /// The statement of a finding blocks a hot table, or works through a large one.
    fn hurts(&self, finding: &Finding, statements: &[&StatementEffects]) -> bool {
        let TableHints { large, hot, .. } = &self.tables;
        let named = |list: &[String], table: &downhaul_syntax::ObjectName| {
            let (full, name) = (table.to_string(), table.name.to_string());
            list.iter().any(|t| t.eq_ignore_ascii_case(&full) || t.eq_ignore_ascii_case(&name))
        };
        statements
            .iter()
            .filter(|statement| {
                statement.span.start <= finding.span.start
                    && finding.span.start < statement.span.end.max(statement.span.start + 1)
            })
            .any(|statement| {
                let e = &statement.effects;
                let blocks = e
                    .locks
                    .iter()
                    .filter(|lock| lock.blocks >= downhaul_lint::Blocks::Writes)
                    .any(|lock| named(hot, &lock.table));
                let works = [&e.rewrites, &e.scans, &e.builds_indexes]
                    .into_iter()
                    .flatten()
                    .any(|table| named(large, table));
                blocks || works
            })
    }
}

/// `lists`: allow, enable, info, warn, deny; the later ones win.
fn section(glob: Option<String>, lists: [&Vec<String>; 5]) -> Result<Section, CliError> {
    let settings = [
        RuleSetting::Off,
        RuleSetting::On,
        RuleSetting::Severity(Severity::Info),
        RuleSetting::Severity(Severity::Warning),
        RuleSetting::Severity(Severity::Error),
    ];
    // A rule named by itself beats its family, whatever the list.
    let mut rules: BTreeMap<&'static str, (u8, RuleSetting)> = BTreeMap::new();
    for (names, setting) in lists.into_iter().zip(settings) {
        for name in names {
            let (exactness, named) = select(name)?;
            for rule in named {
                let slot = rules.entry(rule.code).or_insert((0, setting));
                if exactness >= slot.0 {
                    *slot = (exactness, setting);
                }
            }
        }
    }
    Ok(Section { glob, rules: rules.into_iter().map(|(code, (_, s))| (code, s)).collect() })
}

/// Rules that a word names, and how exactly: 2 = the rule, 1 = its family, 0 = all.
fn select(word: &str) -> Result<(u8, Vec<&'static Rule>), CliError> {
    if let Some(rule) = find_rule(word) {
        return Ok((2, vec![rule]));
    }
    if word == "all" {
        return Ok((0, all_rules().to_vec()));
    }
    let plain = word.to_ascii_lowercase().replace('-', "_");
    let hazard = Hazard::ALL
        .into_iter()
        .find(|h| h.prefix().eq_ignore_ascii_case(word) || h.folder() == plain);
    if let Some(hazard) = hazard {
        return Ok((1, all_rules().iter().copied().filter(|r| r.hazard() == hazard).collect()));
    }
    let error = CliError::usage(format!("there is no rule `{word}`"));
    Err(match suggest_rule(word) {
        Some(near) => error.hint(format!("did you mean `{near}`? `downhaul rules` lists all")),
        None => error.hint("`downhaul rules` lists all"),
    })
}

//! What every format is made from.

use std::collections::BTreeMap;

use downhaul_lint::{Finding, Severity, StatementEffects, Summary};
use downhaul_syntax::Dialect;

/// A file that could not be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Path as findings name files.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What is wrong with it.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// A series of migrations, and how it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JudgedSeries {
    /// Folder or file.
    pub path: String,
    /// Layout of the files: `sqlx`.
    pub layout: String,
    /// Dialect that the files were read in.
    pub dialect: Dialect,
    /// How the dialect was found out: "--dialect", "`SERIAL` in 0001_init.up.sql:3".
    pub dialect_from: String,
}

/// What a lint run says, with the texts that it speaks of.
#[derive(Clone, Debug)]
pub struct Document<'a> {
    /// Version of Downhaul.
    pub tool_version: &'a str,
    /// What was judged.
    pub series: &'a [JudgedSeries],
    /// In order of the migrations, then of the place.
    pub findings: &'a [Finding],
    /// Effects of the judged statements.
    pub effects: &'a [StatementEffects],
    /// Counts of the run; those of the findings are counted anew from [`Self::findings`].
    pub summary: Summary,
    /// Files that could not be judged.
    pub problems: &'a [Problem],
    /// Text of each judged file by its path.
    pub files: &'a BTreeMap<String, String>,
    /// Findings left out since the baseline holds them.
    pub in_baseline: usize,
}

impl<'a> Document<'a> {
    /// The text of a file; empty where it is not known.
    pub(crate) fn text(&self, file: &str) -> &'a str {
        self.files.get(file).map_or("", String::as_str)
    }

    /// Findings of a severity.
    pub(crate) fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|f| f.severity == severity).count()
    }

    /// Findings by file, files in order of their first finding.
    pub(crate) fn by_file(&self) -> Vec<(&'a str, Vec<&'a Finding>)> {
        let mut groups: Vec<(&str, Vec<&Finding>)> = Vec::new();
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        for finding in self.findings {
            let file = finding.file.as_str();
            let place = *places.entry(file).or_insert_with(|| {
                groups.push((file, Vec::new()));
                groups.len() - 1
            });
            groups[place].1.push(finding);
        }
        groups
    }
}

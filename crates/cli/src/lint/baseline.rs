//! Findings that are known and left for later.

use std::collections::BTreeSet;
use std::path::Path;

use downhaul_lint::Finding;
use downhaul_report::fingerprints;
use serde::{Deserialize, Serialize};

use crate::error::CliError;

/// The file that `--write-baseline` writes where no other is named.
pub const FILE: &str = "downhaul-baseline.json";

/// A baseline file. `code`, `file` and `message` are for people; the fingerprint decides.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Baseline {
    version: u32,
    findings: Vec<Known>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Known {
    fingerprint: String,
    code: String,
    file: String,
    message: String,
}

/// Writes the findings as a baseline, sorted, so that its diff reads well.
pub fn write(path: &Path, findings: &[Finding]) -> Result<(), CliError> {
    let mut known: Vec<Known> = findings
        .iter()
        .zip(fingerprints(findings))
        .map(|(finding, fingerprint)| Known {
            fingerprint,
            code: finding.code.to_owned(),
            file: finding.file.clone(),
            message: finding.message.clone(),
        })
        .collect();
    known.sort_by(|a, b| {
        (&a.file, &a.code, &a.fingerprint).cmp(&(&b.file, &b.code, &b.fingerprint))
    });
    let mut text = serde_json::to_string_pretty(&Baseline { version: 1, findings: known })
        .expect("a baseline holds strings and numbers, and writing to a String cannot fail");
    text.push('\n');
    std::fs::write(path, text).map_err(|error| {
        CliError::usage(format!("cannot write `{}`: {error}", path.display()))
            .hint("name another file with --baseline")
    })
}

/// The fingerprints of a baseline.
pub fn read(path: &Path) -> Result<BTreeSet<String>, CliError> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        CliError::usage(format!("cannot read the baseline `{}`: {error}", path.display()))
            .hint("make it with `downhaul lint --write-baseline`")
    })?;
    let baseline: Baseline = serde_json::from_str(&text).map_err(|error| {
        CliError::usage(format!("`{}` is not a baseline: {error}", path.display()))
            .hint("make it anew with `downhaul lint --write-baseline`")
    })?;
    if baseline.version != 1 {
        return Err(CliError::usage(format!(
            "`{}` is a baseline of version {}, and this Downhaul reads version 1",
            path.display(),
            baseline.version
        ))
        .hint("use a newer Downhaul"));
    }
    Ok(baseline.findings.into_iter().map(|known| known.fingerprint).collect())
}

/// Takes out the findings that the baseline holds; returns how many.
pub fn subtract(findings: &mut Vec<Finding>, known: &BTreeSet<String>) -> usize {
    let prints = fingerprints(findings);
    let before = findings.len();
    let mut prints = prints.iter();
    findings.retain(|_| prints.next().is_none_or(|print| !known.contains(print)));
    before - findings.len()
}

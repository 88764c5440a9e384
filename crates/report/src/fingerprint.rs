//! Fingerprints that tell twins apart.

use std::collections::HashMap;

use downhaul_lint::Finding;

/// Fingerprints of findings, in their order: that of the finding, and where the same statement
/// stands in one file twice a number behind it, since GitLab and baselines take each only once.
#[must_use]
pub fn fingerprints(findings: &[Finding]) -> Vec<String> {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    findings
        .iter()
        .map(|finding| {
            let nth = seen.entry(&finding.fingerprint).or_insert(0);
            *nth += 1;
            match *nth {
                1 => finding.fingerprint.clone(),
                nth => format!("{}-{nth}", finding.fingerprint),
            }
        })
        .collect()
}

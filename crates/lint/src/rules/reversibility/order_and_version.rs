//! RV08.

use crate::Severity;

use crate::context::MigrationContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports two migrations with the same version, one that sorts before another which was
    /// applied already (warning), and one behind a gap in versions that count 1, 2, 3 … (warning).
    /// With `--changed` also what the branch that is compared with has brought in meanwhile: a
    /// migration of the same version, or (warning) of a later one.
    ///
    /// ## Why is this bad
    ///
    /// Which of two runs first, or at all, depends on the runner and the machine. One that comes
    /// late meets another schema than the one it was written for.
    ///
    /// ## What to do
    ///
    /// Give it a new version behind all others.
    ///
    /// ## Unsafe example
    ///
    /// ```sql postgres duplicate
    /// -- up
    /// CREATE TABLE t (a int);
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- up
    /// CREATE TABLE t (a int);
    /// ```
    "RV08" "order-and-version"
    severity: Error,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Migration(check),
}

fn check(cx: &MigrationContext<'_>) -> Vec<Draft> {
    let mut drafts = Vec::new();
    let version = &cx.input.version;
    if let Some(other) = cx.series.versions.get(version)
        && !version.is_empty()
    {
        drafts.push(
            Draft::new(format!("version {version} is taken by `{other}`"))
                .help("give it a new version behind all others")
                .whole_file(),
        );
    }
    if cx.input.out_of_order {
        drafts.push(
            Draft::new("a later version was applied already: this one meets a schema it was not written for")
                .severity(Severity::Warning)
                .help("give it a new version behind all others")
                .whole_file(),
        );
    }
    if let Some(other) = &cx.input.clashes_with {
        drafts.push(
            Draft::new(format!("version {version} is taken by {other}"))
                .help("give it a new version behind all others before the branches are merged")
                .whole_file(),
        );
    } else if let Some(other) = &cx.input.overtaken_by {
        drafts.push(
            Draft::new(format!(
                "{other} has a later version: where that one was applied, this one comes late"
            ))
            .severity(Severity::Warning)
            .help("give it a new version behind all others before the branches are merged")
            .whole_file(),
        );
    }
    if cx.input.after_gap {
        drafts.push(
            Draft::new(format!(
                "the number before {version} is missing: a file was lost, or another branch holds it and will come late"
            ))
            .severity(Severity::Warning)
            .help("bring in the missing migration first, or number this one without a gap")
            .whole_file(),
        );
    }
    drafts
}

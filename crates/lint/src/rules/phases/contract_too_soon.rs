//! PH05.

use crate::context::MigrationContext;
use crate::facts::Phase;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a migration marked `contract` that goes out in the same deployment as an `expand`.
    ///
    /// ## Why is this bad
    ///
    /// Between the two a release has to go out that no longer uses the old shape. In one deployment
    /// there is none.
    ///
    /// ## What to do
    ///
    /// Deploy the expand, then the release, then the contract.
    ///
    /// ## Unsafe example
    ///
    /// ```sql postgres one-deployment
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, total int);
    /// -- judged
    /// -- downhaul:phase expand
    /// ALTER TABLE orders ADD COLUMN sum bigint;
    /// -- up
    /// -- downhaul:phase contract
    /// ALTER TABLE orders DROP COLUMN total;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, total int);
    /// -- history
    /// -- downhaul:phase expand
    /// ALTER TABLE orders ADD COLUMN sum bigint;
    /// -- up
    /// -- downhaul:phase contract
    /// ALTER TABLE orders DROP COLUMN total;
    /// ```
    "PH05" "contract-too-soon"
    severity: Error,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Migration(check),
}

fn check(cx: &MigrationContext<'_>) -> Vec<Draft> {
    let contract = cx.up.is_some_and(|up| up.phase == Some(Phase::Contract));
    let together = cx
        .series
        .last_expand
        .is_some_and(|expand| cx.after.options.one_deployment && expand >= cx.series.deployment);
    if !contract || !together {
        return Vec::new();
    }
    vec![
        Draft::new("this contract goes out in one deployment with its expand")
            .help("deploy the expand, then the release, then the contract")
            .whole_file(),
    ]
}

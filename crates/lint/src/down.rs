//! Up, then down, without a server: what is left different.

use downhaul_catalog::{Catalog, DiffOptions, Origin, diff};
use downhaul_syntax::Script;

use crate::context::DownReplay;

/// Applies the up and then the down to a copy of the catalog before the up.
pub(crate) fn replay(
    before: &Catalog,
    up: Option<&Script>,
    down: &Script,
    at: usize,
) -> DownReplay {
    let mut catalog = before.clone();
    if let Some(up) = up {
        catalog.apply_script(up, Origin::Series(at));
    }
    let certain = !catalog.uncertain;
    let problems = catalog
        .apply_script(down, Origin::Series(at))
        .into_iter()
        .map(|(statement, _, problem)| (statement, problem))
        .collect();
    let differences = if certain && !catalog.uncertain {
        diff(before, &catalog, DiffOptions::default())
    } else {
        Vec::new()
    };
    DownReplay { differences, problems }
}

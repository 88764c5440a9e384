//! Up, then down, without a server: what is left different, what fails, what is lost.

use std::collections::BTreeMap;

use downhaul_catalog::{Catalog, DiffOptions, Origin, diff};
use downhaul_syntax::{Parsed, Script};

use crate::context::DownReplay;
use crate::effects::{Effects, Scene, logical};
use crate::facts::MigrationFacts;
use crate::input::LintOptions;
use crate::state::State;

/// Applies the up and then the down to a copy of the catalog before the up.
pub(crate) fn replay(
    before: &Catalog,
    up: Option<&Script>,
    down: &MigrationFacts<'_>,
    options: &LintOptions,
    history_known: bool,
    at: usize,
) -> DownReplay {
    let mut out = DownReplay::default();
    // Copies of a catalog share what is not changed: this costs what the migration touches.
    let mut catalog = before.clone();
    let mut clean = !catalog.uncertain;
    if let Some(up) = up {
        // Where the up fails the replay shows nothing.
        clean &= catalog.apply_script(up, Origin::Series(at)).is_empty();
    }
    let settings = BTreeMap::new();
    for statement in &down.statements {
        let changes = statement.statement.changes();
        if matches!(statement.statement.parsed, Parsed::Unparsed(_)) {
            catalog.uncertain = true;
        }
        for clause in catalog.statement_order(changes) {
            for index in statement.items.clone() {
                let item = &down.items[index];
                if item.clause != clause {
                    continue;
                }
                let scene = Scene {
                    // All that the up made is in use by now.
                    state: State { catalog: &catalog, options, deployment: at + 1, history_known },
                    settings: &settings,
                    online: None,
                    siblings: changes,
                    in_rebuild: down.in_rebuild(index),
                    later: &down.items[index + 1..],
                };
                let mut effects = Effects::none();
                logical::logical(item.change, &scene, &mut effects);
                out.losses.extend(effects.loses.into_iter().map(|l| (statement.index, l)));
                out.breaks.extend(effects.breaks.into_iter().map(|b| (statement.index, b)));
            }
            for problem in catalog.apply(&changes[clause], Origin::Series(at)) {
                out.problems.push((statement.index, problem));
            }
        }
    }
    if clean && !catalog.uncertain {
        out.differences = diff(before, &catalog, DiffOptions::default());
    }
    out
}

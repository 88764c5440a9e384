//! Up, then down, without a server: what is left different, what fails, what is lost.

use std::collections::BTreeMap;

use downhaul_catalog::{Catalog, DiffOptions, Origin, Problem, diff};
use downhaul_syntax::{Ident, ObjectName, Parsed, Script};

use crate::context::{DownProblem, DownReplay};
use crate::effects::rebuilt::Remade;
use crate::effects::seeds::Seeds;
use crate::effects::{Effects, Scene, logical, refused};
use crate::facts::MigrationFacts;
use crate::input::LintOptions;
use crate::state::State;

/// Applies the up and then the down to a copy of the catalog before the up.
pub(crate) fn replay<'a>(
    before: &Catalog,
    up: Option<&Script>,
    down: &MigrationFacts<'a>,
    options: &LintOptions,
    history_known: bool,
    at: usize,
) -> DownReplay<'a> {
    let mut out = DownReplay::default();
    // Copies of a catalog share what is not changed: this costs what the migration touches. Both
    // sides of the comparison lack the same, so that what history left unsure does no harm.
    let mut before = before.clone();
    before.uncertain = false;
    let mut catalog = before.clone();
    let mut clean = true;
    if let Some(up) = up {
        // Where the up fails the replay shows nothing.
        clean &= catalog.apply_script(up, Origin::Series(at)).is_empty();
    }
    let after = catalog.clone();
    let (settings, seeds) = (BTreeMap::new(), Seeds::default());
    for statement in &down.statements {
        let changes = statement.statement.changes();
        if matches!(statement.statement.parsed, Parsed::Unparsed(_)) {
            catalog.uncertain = true;
        }
        for clause in catalog.begin_statement(changes, &statement.statement.text) {
            for index in statement.items.clone() {
                let item = &down.items[index];
                if item.clause != clause {
                    continue;
                }
                // All that the up made is in use by now.
                let state = State { catalog: &catalog, options, deployment: at + 1, history_known };
                let scene = Scene {
                    state,
                    settings: &settings,
                    online: None,
                    siblings: changes,
                    in_rebuild: down.in_rebuild(index),
                    remade: Remade::at(index, &down.items, &down.rebuilds, &state),
                    statement: if item.nested { "" } else { &statement.statement.text },
                    dropped: &[],
                    seeds: &seeds,
                    later: &down.items[index + 1..],
                };
                if !item.nested && !catalog.uncertain {
                    for reason in refused::refused(item.change, &scene) {
                        out.problems.push(DownProblem {
                            statement: statement.index,
                            change: item.change,
                            problem: Problem::Refused { reason },
                            known: true,
                        });
                    }
                }
                let mut effects = Effects::none();
                logical::logical(item.change, &scene, &mut effects);
                out.losses.extend(effects.loses.into_iter().map(|l| (statement.index, l)));
                out.breaks.extend(effects.breaks.into_iter().map(|b| (statement.index, b)));
            }
            for problem in catalog.apply(&changes[clause], Origin::Series(at)) {
                let known = match &problem {
                    Problem::Missing { name, .. } => {
                        [&before, &after].into_iter().any(|c| holds(c, name))
                    }
                    _ => true,
                };
                out.problems.push(DownProblem {
                    known,
                    statement: statement.index,
                    change: &changes[clause],
                    problem,
                });
            }
        }
        catalog.end_statement();
    }
    if clean && !catalog.uncertain {
        out.compared = true;
        out.differences = diff(&before, &catalog, DiffOptions::default());
    }
    out
}

/// Whether a catalog has an object of this name, as problems write names.
fn holds(catalog: &Catalog, name: &str) -> bool {
    let ident = |text: &str| Ident::stored(catalog.dialect, text);
    let name = match name.split_once('.') {
        Some((schema, name)) => ObjectName { schema: Some(ident(schema)), name: ident(name) },
        None => ObjectName::bare(ident(name)),
    };
    let name = catalog.normalize(&name);
    catalog.tables.contains_key(&name)
        || catalog.views.contains_key(&name)
        || catalog.types.contains_key(&name)
        || catalog.sequences.contains_key(&name)
        || catalog.index_owner(&name).is_some()
}

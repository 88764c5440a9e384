//! Which object has to be there before which: types before types, functions before what calls
//! them, tables before functions that name them.

use std::collections::{BTreeMap, BTreeSet};

use downhaul_syntax::{Change, Dialect, significant};

use super::role::{key, words};

/// A change as it is written, with what it makes.
struct Written {
    statements: Vec<String>,
    words: BTreeSet<String>,
    /// Names that stand before `(`.
    calls: BTreeSet<String>,
    routine: bool,
}

/// Statements of changes, so ordered that what is named stands before what names it. Changes that
/// do not name each other keep their order.
pub(super) fn in_order(changes: &[(Change, Vec<String>)], dialect: Dialect) -> Vec<String> {
    let mut types: BTreeMap<String, usize> = BTreeMap::new();
    let mut routines: BTreeMap<String, usize> = BTreeMap::new();
    let mut relations: BTreeMap<String, usize> = BTreeMap::new();
    let mut all = Vec::with_capacity(changes.len());
    for (at, (change, statements)) in changes.iter().enumerate() {
        let mut text = statements.join("\n");
        let mut routine = false;
        match change {
            Change::CreateType { name, .. } => drop(types.insert(key(name), at)),
            Change::CreateTable { def, .. } => drop(relations.insert(key(&def.name), at)),
            Change::CreateView { name, .. } => drop(relations.insert(key(name), at)),
            Change::CreateRoutine { def, .. } => {
                routines.insert(key(&def.name), at);
                routine = true;
                // A body in another language is read when it runs.
                if def.language.as_deref() != Some("sql") {
                    text =
                        format!("{} {}", def.args.join(" "), def.returns.as_deref().unwrap_or(""));
                }
            }
            _ => {}
        }
        all.push(Written {
            statements: statements.clone(),
            words: words(&text, dialect),
            calls: calls(&text, dialect),
            routine,
        });
    }
    let needs = |at: usize| {
        let own = &all[at];
        let mut out: Vec<usize> = own.words.iter().filter_map(|w| types.get(w)).copied().collect();
        out.extend(own.calls.iter().filter_map(|w| routines.get(w)).copied());
        if own.routine {
            out.extend(own.words.iter().filter_map(|w| relations.get(w)).copied());
        }
        out
    };
    let mut state = vec![0_u8; all.len()];
    let mut order = Vec::with_capacity(all.len());
    for start in 0..all.len() {
        let mut stack = vec![(start, false)];
        while let Some((at, done)) = stack.pop() {
            if done {
                if state[at] != 2 {
                    state[at] = 2;
                    order.push(at);
                }
                continue;
            }
            if state[at] != 0 {
                continue;
            }
            state[at] = 1;
            stack.push((at, true));
            stack
                .extend(needs(at).into_iter().rev().filter(|n| state[*n] == 0).map(|n| (n, false)));
        }
    }
    order.into_iter().flat_map(|at| all[at].statements.clone()).collect()
}

fn calls(text: &str, dialect: Dialect) -> BTreeSet<String> {
    let tokens = significant(text, dialect);
    let mut out: BTreeSet<String> = tokens
        .windows(2)
        .filter(|pair| pair[1] == "(")
        .map(|pair| pair[0].trim_matches(['"', '`']).to_lowercase())
        .collect();
    // A body in quotes.
    for token in tokens.iter().filter(|t| t.starts_with('$') || t.starts_with('\'')) {
        let mut word = String::new();
        for c in token.chars() {
            if c.is_alphanumeric() || c == '_' {
                word.extend(c.to_lowercase());
            } else {
                let ended = std::mem::take(&mut word);
                if c == '(' && !ended.is_empty() {
                    out.insert(ended);
                }
            }
        }
    }
    out
}

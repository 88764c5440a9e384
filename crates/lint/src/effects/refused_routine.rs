//! What PostgreSQL refuses of `CREATE OR REPLACE FUNCTION`: other names of arguments, another type.

use downhaul_catalog::Catalog;
use downhaul_syntax::RoutineDef;

use super::postgres_types::{SIMPLE_TYPES, SPELLINGS};

/// Why `CREATE OR REPLACE` of a routine is refused.
pub(super) fn replaced(def: &RoutineDef, catalog: &Catalog) -> Option<String> {
    let key =
        downhaul_catalog::RoutineKey { name: catalog.normalize(&def.name), args: def.args.clone() };
    let old = catalog.routines.get(&key)?;
    let plain = |t: &Option<String>| {
        let text = t.as_deref()?.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        let same = SPELLINGS.iter().find(|(other, _)| *other == text);
        Some(same.map_or(text, |(_, name)| (*name).to_owned()))
    };
    let (before, after) = (arguments(&old.def.definition), arguments(&def.definition));
    if before.len() == after.len() && !before.is_empty() {
        for (was, is) in before.iter().zip(&after) {
            if was.name.is_some() && is.name.is_some() && was.name != is.name {
                return Some(format!(
                    "cannot change name of input parameter \"{}\": drop the function first",
                    was.name.as_deref().unwrap_or_default()
                ));
            }
        }
        if after.iter().zip(&before).any(|(is, was)| was.default && !is.default) {
            return Some(
                "cannot remove parameter defaults from existing function: drop it first".to_owned(),
            );
        }
    }
    let (was, is) = (plain(&old.def.returns), plain(&def.returns));
    // Only where both are one simple word: spelling of the rest varies.
    let simple = |t: &Option<String>| t.as_deref().is_some_and(|t| SIMPLE_TYPES.contains(&t));
    (was != is && simple(&was) && simple(&is)).then(|| {
        format!("cannot change return type of existing function \"{}\": drop it first", def.name)
    })
}

/// An argument of a routine.
struct Argument {
    name: Option<String>,
    default: bool,
}

/// Arguments as the definition writes them: `(a integer, b text DEFAULT '') RETURNS …`.
fn arguments(definition: &str) -> Vec<Argument> {
    let Some(inner) = definition.trim_start().strip_prefix('(') else { return Vec::new() };
    let (mut depth, mut quote, mut start, mut parts) = (0_i32, false, 0, Vec::new());
    for (at, c) in inner.char_indices() {
        match c {
            '\'' => quote = !quote,
            _ if quote => {}
            '(' | '[' => depth += 1,
            ')' if depth == 0 => {
                parts.push(&inner[start..at]);
                break;
            }
            ')' | ']' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&inner[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts
        .into_iter()
        .filter(|p| !p.trim().is_empty())
        .map(|part| {
            let lower = part.to_lowercase();
            let words: Vec<&str> = lower
                .split_whitespace()
                .skip_while(|w| matches!(*w, "in" | "inout" | "variadic" | "out"))
                .take_while(|w| !matches!(*w, "default" | "=" | ":="))
                .collect();
            // One word is a type; types of two words have known first ones.
            let name = match words.as_slice() {
                [first, _, ..]
                    if !matches!(*first, "double" | "character" | "timestamp" | "time" | "bit") =>
                {
                    Some((*first).to_owned())
                }
                _ => None,
            };
            let default = lower.split_whitespace().any(|w| w == "default") || part.contains('=');
            Argument { name, default }
        })
        .collect()
}

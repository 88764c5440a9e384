//! The down of a migration that has none: the inverse of its up, given the schema that the journal says
//! it met.

use std::collections::BTreeMap;
use std::path::PathBuf;

use downhaul_catalog::{
    Catalog, DiffOptions, DifferenceKind, NotInvertedKind, Origin, diff, inverse_script,
    inverse_without_foreign_keys,
};
use downhaul_plan::{SourceFile, TransactionMode, Variables, Version};
use downhaul_syntax::{Dialect, Script, parse_script};

use crate::journal::JournalEntry;

/// What is read of a script as it ran.
fn as_it_ran(text: &str, dialect: Dialect, variables: Option<&Variables>) -> Script {
    // A placeholder that has no value any more leaves a statement that is not understood.
    let expanded = variables.and_then(|v| v.expand(text, dialect).ok());
    parse_script(expanded.as_ref().map_or(text, |expanded| &expanded.text), dialect)
}

/// What stands in for a down that nobody wrote.
#[derive(Clone, Debug)]
pub(crate) struct GeneratedDown {
    /// Its statements; none where the up changed rows alone, which its restore points bring back.
    pub(crate) file: SourceFile,
    /// What it leaves, and what may make it fail.
    pub(crate) notes: Vec<String>,
}

/// Writes the inverse of each migration that `wanted` names, by replaying what was applied before it.
/// `entries` are all that are applied, oldest first. What cannot be inverted exactly comes back as the
/// reason.
pub(crate) fn generate(
    entries: &[JournalEntry],
    wanted: &[&Version],
    dialect: Dialect,
    variables: Option<&Variables>,
) -> BTreeMap<Version, Result<GeneratedDown, String>> {
    let mut found = BTreeMap::new();
    let mut catalog = Catalog::new(dialect);
    for (index, entry) in entries.iter().enumerate() {
        if found.len() == wanted.len() {
            break;
        }
        let script = as_it_ran(&entry.up_sql, dialect, variables);
        if wanted.contains(&&entry.version) {
            // What the journal does not know, made before it or by what cannot be read, it cannot bring back.
            let mut met = catalog.clone();
            met.uncertain = false;
            let unknown =
                met.clone().apply_script(&script, Origin::Series(index)).into_iter().next();
            let generated = match unknown {
                Some((_, _, problem)) => Err(format!("in what was applied before it, {problem}")),
                None => stand_in(&script, &met, entry),
            };
            found.insert(entry.version.clone(), generated);
        }
        catalog.apply_script(&script, Origin::Series(index));
    }
    found
}

/// An inverse that leads back but for names that the server gave (and the order of columns), or why it
/// does not.
fn stand_in(up: &Script, met: &Catalog, entry: &JournalEntry) -> Result<GeneratedDown, String> {
    let mut inverse = inverse_script(up, met);
    let mut head = "";
    if met.dialect == Dialect::Sqlite && !inverse.is_exact() {
        // A table to which others refer is built anew while nothing acts on their rows; they are
        // checked before the commit.
        inverse = inverse_without_foreign_keys(up, met);
        head = "PRAGMA foreign_keys = OFF;\n";
    }
    let mut notes = Vec::new();
    for item in inverse.not_inverted {
        match item.kind {
            NotInvertedKind::Schema => return Err(item.reason),
            NotInvertedKind::Stays | NotInvertedKind::MayFail => notes.push(item.reason),
            NotInvertedKind::Data => {}
        }
    }
    for difference in inverse.remaining {
        match difference.object.as_str() {
            "column order" => {}
            "constraint name" => notes.push(format!("after it, {difference}")),
            _ => return Err(format!("after it, {difference}")),
        }
    }
    let body: String = inverse.statements.iter().map(|s| format!("{};\n", s.sql)).collect();
    let path = PathBuf::from(format!("generated:{}.down.sql", entry.label()));
    let file = SourceFile::sql(path, format!("{head}{body}"), TransactionMode::Wrapped);
    Ok(GeneratedDown { file, notes })
}

/// What a written down will leave otherwise than it was, or why it will fail, as far as that can be told by
/// replaying what was applied before it, its up, and it. What it forgets of what its up destroyed is left
/// out: that comes back. Nothing is said of a migration that meets what the journal does not know.
pub(crate) fn astray(
    entries: &[JournalEntry],
    downs: &BTreeMap<&Version, &str>,
    dialect: Dialect,
    variables: Option<&Variables>,
) -> BTreeMap<Version, Vec<String>> {
    let mut found = BTreeMap::new();
    let mut catalog = Catalog::new(dialect);
    for (index, entry) in entries.iter().enumerate() {
        let before = downs.contains_key(&entry.version).then(|| catalog.clone());
        let up = as_it_ran(&entry.up_sql, dialect, variables);
        let known = catalog.apply_script(&up, Origin::Series(index)).is_empty();
        let (Some(down), Some(before)) = (downs.get(&entry.version), before) else { continue };
        if !known || catalog.uncertain {
            continue;
        }
        let mut back = catalog.clone();
        let problems =
            back.apply_script(&as_it_ran(down, dialect, variables), Origin::Series(index));
        let fails = problems
            .into_iter()
            .map(|(_, _, problem)| format!("its file will fail: {problem}"))
            .take(1);
        let mut told: Vec<String> = fails.collect();
        if told.is_empty() && !back.uncertain {
            let stays = diff(&before, &back, DiffOptions::default()).into_iter().filter(|d| {
                d.kind == DifferenceKind::OnlyRight
                    || d.kind == DifferenceKind::Changed && d.object == "type"
            });
            told.extend(stays.map(|difference| format!("after its file, {difference}")));
        }
        if !told.is_empty() {
            found.insert(entry.version.clone(), told);
        }
    }
    found
}

//! Sequences.

use std::collections::BTreeMap;

use downhaul_syntax::{Ident, ObjectKind, ObjectName};

use super::Applier;
use super::dependents::Dependent;
use crate::Sequence;
use crate::text::{mentions_ident, tokens, unquoted};

impl Applier<'_> {
    pub(super) fn create_sequence(
        &mut self,
        name: &ObjectName,
        if_not_exists: bool,
        text: &str,
        owned_by: Option<&(ObjectName, Ident)>,
    ) {
        let name = self.new_name(name);
        self.require_schema(&name);
        self.note_maybe(&name);
        if self.catalog.has_relation(&name) {
            if !if_not_exists && self.muted == 0 {
                self.exists("sequence", &name);
            }
            return;
        }
        let sequence = Sequence {
            name: name.clone(),
            text: normalized_options(text),
            owned_by: None,
            of_identity: false,
            origin: self.origin,
        };
        self.catalog.sequences.insert(name.clone(), sequence);
        if let Some(owner) = owned_by {
            self.own(&name, owner);
        }
    }

    fn own(&mut self, sequence: &ObjectName, (table, column): &(ObjectName, Ident)) {
        let Some(table) = self.altered_column(table, column) else { return };
        self.catalog.lookup.owned.or_default(&table).insert(sequence.clone(), ());
        if let Some(s) = self.catalog.sequences.get_mut(sequence) {
            s.owned_by = Some((table, column.clone()));
        }
    }

    pub(super) fn alter_sequence(
        &mut self,
        name: &ObjectName,
        if_exists: bool,
        text: &str,
        owned_by: Option<&(ObjectName, Ident)>,
    ) {
        let name = self.catalog.normalize(name);
        let Some(sequence) = self.catalog.sequences.get_mut(&name) else {
            if !if_exists {
                self.missing("sequence", &name);
            }
            return;
        };
        let mut options = options(&sequence.text);
        options.extend(self::options(text));
        sequence.text = options_text(&options);
        match owned_by {
            Some(owner) => self.own(&name, owner),
            None if has_words(text, &["owned", "by", "none"]) => {
                if let Some(sequence) = self.catalog.sequences.get_mut(&name) {
                    sequence.owned_by = None;
                }
            }
            None => {}
        }
    }

    pub(super) fn drop_sequence(&mut self, name: &ObjectName, if_exists: bool, cascade: bool) {
        let name = self.catalog.normalize(name);
        self.note_maybe(&name);
        let Some(sequence) = self.catalog.sequences.get(&name) else {
            if !if_exists {
                self.missing("sequence", &name);
            }
            return;
        };
        let owner = sequence.owned_by.clone();
        let owner_of_its_own = owner.as_ref().filter(|_| sequence.of_identity);
        let identity = owner_of_its_own.and_then(|(table, column)| {
            let column = self.catalog.tables.get(table)?.column(column)?;
            column.identity.map(|_| format!("{table}.{}", column.name))
        });
        if let Some(column) = identity {
            self.refuse(format!(
                "cannot drop sequence {name}: identity column {column} requires it"
            ));
            return;
        }
        let dependents = self.defaults_using(&name, owner.as_ref());
        if cascade {
            self.drop_dependents(&dependents);
        } else {
            self.depends(
                format!("sequence {name}"),
                dependents.iter().map(ToString::to_string).collect(),
            );
        }
        self.forget_sequence(&name);
    }

    /// Defaults that call `nextval` on a sequence: first of all its owner's.
    fn defaults_using(
        &self,
        name: &ObjectName,
        owner: Option<&(ObjectName, Ident)>,
    ) -> Vec<Dependent> {
        let dialect = self.dialect();
        let uses = |text: &str| {
            // The name stands in a string: `nextval('seq'::regclass)`.
            tokens(text, dialect).iter().any(|t| {
                t.kind == crate::text::Kind::Str
                    && mentions_ident(&unquoted(t.text), dialect, &name.name)
            })
        };
        let mut out = Vec::new();
        let tables: Vec<&crate::Table> = match owner {
            Some((table, _)) => self.catalog.tables.get(table).into_iter().collect(),
            None => self.catalog.tables.values().collect(),
        };
        for table in tables {
            for column in &table.columns {
                let default = column
                    .default
                    .as_ref()
                    .filter(|d| d.functions.iter().any(|f| f == "nextval") && uses(&d.text));
                if default.is_some() {
                    out.push(Dependent::Default {
                        table: table.name.clone(),
                        column: column.name.clone(),
                    });
                }
            }
        }
        out
    }

    /// A sequence is gone, with what is said of it.
    pub(super) fn forget_sequence(&mut self, name: &ObjectName) {
        self.catalog.sequences.remove(name);
        let kind = ObjectKind::Sequence;
        self.catalog.comments.remove(&(kind, None, name.clone()));
        self.catalog.owners.remove(&(kind, name.clone()));
        self.catalog.grants.retain(|(k, n, ..)| !(*k == kind && n == name));
    }

    /// Gives a sequence another name; defaults follow, as they hold its identity.
    pub(super) fn move_sequence(&mut self, from: &ObjectName, to: &ObjectName) {
        let Some(mut sequence) = self.catalog.sequences.remove(from) else { return };
        let owner = sequence.owned_by.clone();
        let using = self.defaults_using(from, owner.as_ref());
        let default = self.nextval(to);
        for dependent in using {
            if let Dependent::Default { table, column } = dependent
                && let Some(column) =
                    self.catalog.tables.get_mut(&table).and_then(|t| t.column_mut(&column))
            {
                column.default = Some(default.clone());
            }
        }
        if let Some((table, _)) = &owner {
            let owned = self.catalog.lookup.owned.or_default(table);
            owned.remove(from);
            owned.insert(to.clone(), ());
        }
        let kind = ObjectKind::Sequence;
        let granted =
            |(k, n, ..): &(ObjectKind, ObjectName, String, String)| *k == kind && n == from;
        let moved: Vec<_> =
            self.catalog.grants.iter().filter(|grant| granted(grant)).cloned().collect();
        for grant in moved {
            self.catalog.grants.remove(&grant);
            self.catalog.grants.insert((kind, to.clone(), grant.2, grant.3));
        }
        sequence.name = to.clone();
        self.catalog.sequences.insert(to.clone(), sequence);
    }
}

fn has_words(text: &str, wanted: &[&str]) -> bool {
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    words.windows(wanted.len()).any(|w| w == wanted)
}

/// Options of a sequence by name, those that say nothing left out of [`options_text`].
fn options(text: &str) -> BTreeMap<&'static str, String> {
    let mut out = BTreeMap::new();
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut at = 0;
    let value = |at: usize, filler: &str| {
        let next = words.get(at + 1).copied().unwrap_or("");
        if !filler.is_empty() && next.eq_ignore_ascii_case(filler) || next == "=" {
            (words.get(at + 2).copied().unwrap_or("").to_owned(), 3)
        } else {
            (next.to_owned(), 2)
        }
    };
    while at < words.len() {
        let word = words[at].to_lowercase();
        let (name, (text, step)) = match word.as_str() {
            "as" => ("as", value(at, "")),
            "increment" => ("increment", value(at, "by")),
            "minvalue" => ("minvalue", value(at, "")),
            "maxvalue" => ("maxvalue", value(at, "")),
            "start" => ("start", value(at, "with")),
            "cache" => ("cache", value(at, "")),
            "cycle" => ("cycle", ("yes".to_owned(), 1)),
            "no" => {
                let what = words.get(at + 1).map(|w| w.to_lowercase()).unwrap_or_default();
                let name = match what.as_str() {
                    "minvalue" => "minvalue",
                    "maxvalue" => "maxvalue",
                    "cycle" => "cycle",
                    _ => {
                        at += 1;
                        continue;
                    }
                };
                (name, (String::new(), 2))
            }
            _ => {
                at += 1;
                continue;
            }
        };
        out.insert(name, text.to_lowercase());
        at += step;
    }
    out
}

fn options_text(options: &BTreeMap<&'static str, String>) -> String {
    let descending = options.get("increment").is_some_and(|v| v.starts_with('-'));
    let mut out = Vec::new();
    for name in ["as", "increment", "minvalue", "maxvalue", "start", "cache", "cycle"] {
        let Some(value) = options.get(name) else { continue };
        let says_nothing = value.is_empty()
            || match name {
                "as" => value == "bigint",
                "increment" | "cache" => value == "1",
                "minvalue" => !descending && value == "1",
                "maxvalue" => !descending && value == "9223372036854775807",
                "start" => {
                    let from_one = |v: &String| v.is_empty() || v == "1";
                    !descending && value == "1" && options.get("minvalue").is_none_or(from_one)
                }
                _ => false,
            };
        if says_nothing {
            continue;
        }
        out.push(match name {
            "as" => format!("AS {value}"),
            "increment" => format!("INCREMENT BY {value}"),
            "minvalue" => format!("MINVALUE {value}"),
            "maxvalue" => format!("MAXVALUE {value}"),
            "start" => format!("START WITH {value}"),
            "cache" => format!("CACHE {value}"),
            _ => "CYCLE".to_owned(),
        });
    }
    out.join(" ")
}

/// Whether two texts of options mean different sequences.
pub(crate) fn sequence_options_differ(left: &str, right: &str) -> bool {
    normalized_options(left) != normalized_options(right)
}

/// The options that make a sequence of the first text one of the second: what the second leaves
/// out is stated with its default.
pub(crate) fn restoring_options(from: &str, to: &str) -> String {
    let (from, to) = (options(from), options(to));
    let mut out: Vec<String> = Vec::new();
    for name in from.keys().filter(|name| !to.contains_key(*name)) {
        let default = match *name {
            "as" => "AS bigint",
            "increment" => "INCREMENT BY 1",
            "minvalue" => "NO MINVALUE",
            "maxvalue" => "NO MAXVALUE",
            "start" => "START WITH 1",
            "cache" => "CACHE 1",
            _ => "NO CYCLE",
        };
        out.push(default.to_owned());
    }
    let changed = to.into_iter().filter(|(name, value)| from.get(name) != Some(value)).collect();
    let stated = options_text(&changed);
    if !stated.is_empty() {
        out.push(stated);
    }
    out.join(" ")
}

/// Options of a sequence in one order, those that only state a default left out.
fn normalized_options(text: &str) -> String {
    options_text(&options(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_say_nothing_are_left_out() {
        for (text, expect) in [
            ("", ""),
            ("START WITH 1 INCREMENT BY 1 NO MINVALUE NO MAXVALUE CACHE 1", ""),
            ("AS integer START 100 CYCLE", "AS integer START WITH 100 CYCLE"),
            ("INCREMENT -1 MINVALUE -5 START -1", "INCREMENT BY -1 MINVALUE -5 START WITH -1"),
            ("OWNED BY t.c", ""),
        ] {
            assert_eq!(normalized_options(text), expect, "{text}");
        }
    }
}

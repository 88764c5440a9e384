//! Views and policies that read a column of another type: the server lets neither follow, so they are made
//! anew, at the instant at which the type changes.

use std::collections::{BTreeMap, BTreeSet};

use downhaul_catalog::{NotInvertedKind, Table, View, inverse_script, render};
use downhaul_syntax::{Change, Dialect, Ident, ObjectName, parse_script};

use super::dependents::Tie;
use super::piece::Side;
use super::{Made, Refused, Scene, refused};

/// Columns of a table that change their type, and what reads them.
pub(crate) struct Read<'a> {
    pub(crate) table: &'a Table,
    /// Their names, for people.
    pub(crate) columns: String,
    pub(crate) ties: &'a [Tie],
}

/// What goes before a column changes its type and comes back behind it, in one transaction.
#[derive(Clone, Debug)]
pub(crate) struct MadeAnew {
    /// Views, those first that others do not read, with their options.
    views: Vec<(ObjectName, BTreeMap<String, String>)>,
    /// The same with their queries.
    queries: Vec<(ObjectName, Vec<Ident>, String)>,
    /// Statements that drop them and the policies.
    away: Vec<String>,
    /// Statements that make them again.
    back: Vec<String>,
    dialect: Dialect,
}

impl MadeAnew {
    /// What reads a column of a table, by its ties.
    pub(crate) fn of(
        scene: &Scene<'_>,
        table: &Table,
        column: &Ident,
        ties: &[Tie],
    ) -> Result<Self, Refused> {
        Self::of_all(scene, &[Read { table, columns: column.to_string(), ties }])
    }

    /// What reads columns of several tables.
    pub(crate) fn of_all(scene: &Scene<'_>, all: &[Read<'_>]) -> Result<Self, Refused> {
        let dialect = scene.dialect();
        let mut out = Self {
            views: Vec::new(),
            queries: Vec::new(),
            away: Vec::new(),
            back: Vec::new(),
            dialect,
        };
        let mut reading = Vec::new();
        let mut policies = Vec::new();
        for read in all {
            let mut here = Vec::new();
            for tie in read.ties {
                match tie {
                    Tie::View(view) => here.push(view.clone()),
                    Tie::Policy { name, .. } => {
                        policies.push((read.table.name.clone(), name.clone()));
                    }
                    Tie::Generated(_) | Tie::Exclusion(_) => {
                        return tie.refuse(&read.table.name, &read.columns);
                    }
                }
            }
            for view in closure(scene, &here) {
                check(view, read)?;
            }
            reading.extend(here);
        }
        let views = closure(scene, &reading);
        out.views = views.iter().map(|view| (view.name.clone(), view.options.clone())).collect();
        let query =
            |view: &&View| (view.name.clone(), view.columns.clone(), view.query.text.clone());
        out.queries = views.iter().map(query).collect();
        let drops = out.views.iter().map(|(name, _)| Change::DropView {
            name: name.clone(),
            materialized: false,
            if_exists: false,
            cascade: false,
        });
        let policies = policies.iter().map(|(table, name)| Change::DropPolicy {
            name: name.clone(),
            table: table.clone(),
            if_exists: false,
        });
        for change in drops.chain(policies) {
            match render(&change, dialect) {
                Ok(statements) => out.away.extend(statements),
                Err(error) => return refused(error.to_string(), "write the phases by hand"),
            }
        }
        let inverse = inverse_script(
            &parse_script(&format!("{};", out.away.join(";\n")), dialect),
            scene.now,
        );
        let lost = |kind: &NotInvertedKind| {
            !matches!(kind, NotInvertedKind::Data | NotInvertedKind::Stays)
        };
        if let Some(item) = inverse.not_inverted.iter().find(|item| lost(&item.kind)) {
            return refused(
                format!("what reads {} cannot be made anew: {}", of_all(all), item.reason),
                "drop it in a migration before this one, and create it again in one behind it",
            );
        }
        if !out.away.is_empty() {
            out.back = inverse.statements.into_iter().map(|statement| statement.sql).collect();
        }
        Ok(out)
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.away.is_empty()
    }

    /// What a person should know.
    pub(crate) fn note(&self, made: &mut Made) {
        if self.views.is_empty() {
            return;
        }
        let all: Vec<String> = self.views.iter().map(|(name, _)| name.to_string()).collect();
        made.note(format!(
            "{} {} made anew over the new type: privileges that no migration grants are not repeated, and who owns it is who runs the migration. What depends on it without a migration saying so (a function, a rule) keeps it from being dropped, and nothing has changed then",
            all.join(", "),
            if all.len() == 1 { "is" } else { "are" }
        ));
    }

    /// Before anything changes: fails where a view has options of which no migration says anything.
    pub(crate) fn ask(&self, side: &mut Side) {
        let dialect = self.dialect;
        let mut why = "Made anew it would lose options that no migration gives it (security_barrier, security_invoker, check_option). Fails here, where nothing has changed yet, if there are any; no row is right.";
        for (view, options) in &self.views {
            let quoted = dialect.literal(&dialect.quote_name_if_needed(view));
            let says =
                dialect.literal(&format!("the view {view} has options, make it anew by hand: "));
            side.sql(
                why,
                format!(
                    "SELECT CAST({says} || pg_catalog.array_to_string(reloptions, ', ') AS int)\nFROM pg_catalog.pg_class WHERE oid = CAST({quoted} AS regclass) AND {}",
                    others(options, dialect)
                ),
            );
            why = "";
        }
    }

    /// Tries the queries of the views over tables with columns of other types, before anything changes: each
    /// table stands for itself, with its columns as SQL. A query that a `WITH` cannot stand in for is left out.
    pub(crate) fn try_out(&self, tables: &[(&Table, Vec<(Ident, String)>)], side: &mut Side) {
        let dialect = self.dialect;
        let mut parts: Vec<String> = Vec::new();
        for (table, retyped) in tables {
            let columns = table.columns.iter().map(|column| {
                let name = dialect.quote_if_needed(&column.name);
                match retyped.iter().find(|(of, _)| *of == column.name) {
                    Some((_, ty)) => format!("CAST(NULL AS {ty}) AS {name}"),
                    None => name,
                }
            });
            parts.push(format!(
                "{} AS (SELECT {} FROM {})",
                dialect.quote_if_needed(&table.name.name),
                columns.collect::<Vec<_>>().join(", "),
                dialect.quote_name_if_needed(&table.name)
            ));
        }
        let mut why = "Each view has to mean something over the new type, as it is written. Fails here, where nothing has changed yet, if one does not: drop that one in a migration before this one, and create it for the new type in one behind it.";
        for (name, columns, query) in self.queries.iter().rev() {
            if !stands_in(query) {
                continue;
            }
            side.sql(
                why,
                format!(
                    "WITH {}\nSELECT 1 FROM ({query}) AS {} LIMIT 0",
                    parts.join(",\n    "),
                    dialect.quote_if_needed(&name.name)
                ),
            );
            why = "";
            let named: Vec<String> =
                columns.iter().map(|column| dialect.quote_if_needed(column)).collect();
            let named =
                if named.is_empty() { String::new() } else { format!(" ({})", named.join(", ")) };
            parts.push(format!("{}{named} AS ({query})", dialect.quote_if_needed(&name.name)));
        }
    }

    /// Takes them away. Views are locked before the table, as who reads through them does; who reads the table
    /// first gets time to end.
    pub(crate) fn take_away(&self, side: &mut Side) {
        if !self.views.is_empty() {
            // All waits together stay below a second, after which the server looks for deadlocks.
            let wait = 800 / (self.views.len() + 1);
            side.sql(
                "Views go and come back in this transaction, so nobody sees one missing. A transaction that has read the table and reads a view next waits for us as we wait for it: this one gives way, before the server ends the other, and is tried again.",
                format!("SET LOCAL lock_timeout = '{wait}ms'"),
            );
        }
        for sql in &self.away {
            side.sql("", sql.clone());
        }
    }

    /// Makes them again, as they were written, over the columns that bear the names now.
    pub(crate) fn bring_back(&self, side: &mut Side) {
        let mut why = "As they were written, over the columns that bear the names now.";
        for sql in &self.back {
            side.sql(why, sql.clone());
            why = "";
        }
    }
}

/// Whether a query means the same over a `WITH` of the name of a table: that has no key by which GROUP BY would
/// know other columns, and nothing that belongs to stored rows.
fn stands_in(query: &str) -> bool {
    let mut words = query.split(|c: char| !c.is_alphanumeric() && c != '_');
    !words.any(|word| {
        let of_rows = ["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid", "tablesample", "only"];
        let word = word.to_lowercase();
        word == "group" || of_rows.contains(&word.as_str())
    })
}

/// Whether `reloptions` says more than this.
fn others(options: &BTreeMap<String, String>, dialect: Dialect) -> String {
    let words = |value: &str| -> Vec<String> {
        let all = if value == "true" { &["true", "on", "yes", "1"][..] } else { &[value] };
        all.iter().map(ToString::to_string).collect()
    };
    let known: Vec<String> = options
        .iter()
        .flat_map(|(name, value)| words(value).into_iter().map(move |v| format!("{name}={v}")))
        .map(|option| dialect.literal(&option))
        .collect();
    if known.is_empty() {
        return "reloptions IS NOT NULL".to_owned();
    }
    format!(
        "EXISTS (SELECT 1 FROM pg_catalog.unnest(reloptions) AS option WHERE pg_catalog.lower(option) NOT IN ({}))",
        known.join(", ")
    )
}

/// The columns, for people.
fn of_all(all: &[Read<'_>]) -> String {
    let named: Vec<String> =
        all.iter().map(|read| format!("{}.{}", read.table.name, read.columns)).collect();
    named.join(" and ")
}

/// Refuses a view that is not told by its text.
fn check(view: &View, read: &Read<'_>) -> Result<(), Refused> {
    let (name, table, column) = (&view.name, read.table, &read.columns);
    if view.materialized {
        return refused(
            format!("the materialized view {name} reads {}.{column}", table.name),
            "drop it in a migration before this one, and create it again in one behind it: it has to be computed anew",
        );
    }
    if !view.star.is_empty() || view.query.star && view.query.tables.contains(&table.name) {
        return refused(
            format!(
                "the view {name} reads {}.{column} by *, and made anew it would see columns that stand there for the time being",
                table.name
            ),
            format!(
                "name its columns in a migration before this one: CREATE OR REPLACE VIEW {name} AS SELECT {column}, …"
            ),
        );
    }
    if !view.triggers.is_empty() {
        return refused(
            format!("the view {name} reads {}.{column} and has triggers", table.name),
            "drop the view in a migration before this one, and create it again in one behind it",
        );
    }
    Ok(())
}

/// These views and those that read them; those first that no other reads.
fn closure<'s>(scene: &'s Scene<'_>, reading: &[ObjectName]) -> Vec<&'s View> {
    let mut found: BTreeSet<ObjectName> = BTreeSet::new();
    let mut left: Vec<ObjectName> = reading.to_vec();
    while let Some(name) = left.pop() {
        if !found.insert(name.clone()) {
            continue;
        }
        let readers = scene.now.views.values().filter(|view| view.query.tables.contains(&name));
        left.extend(readers.map(|view| view.name.clone()));
    }
    let mut rest: Vec<&View> = found.iter().filter_map(|name| scene.now.views.get(name)).collect();
    let mut ordered = Vec::new();
    while !rest.is_empty() {
        let free = |view: &View| !rest.iter().any(|other| other.query.tables.contains(&view.name));
        // Views cannot read each other in a circle.
        let at = rest.iter().position(|view| free(view)).unwrap_or(0);
        ordered.push(rest.remove(at));
    }
    ordered
}

//! A table of SQLite built anew.
//!
//! SQLite adds and drops plain columns; all else takes a new table, a copy of the rows and a rename
//! (<https://www.sqlite.org/lang_altertable.html>, "Making Other Kinds Of Table Schema Changes").

use downhaul_syntax::change::InsertConflict;
use downhaul_syntax::{Change, ConstraintKind, Ident, ObjectName, Query, Span, TriggerDef};

use super::{Builder, Step, in_order_of_reading};
use crate::diff::same_trigger;
use crate::text::{mentions_ident, same_text};
use crate::{DiffOptions, Origin, Parts, Table, View, diff};

impl Builder<'_> {
    /// Makes a table of SQLite like another: by plain statements where they lead there, otherwise
    /// by building it anew.
    pub(super) fn sqlite_table(&mut self, from: &Table, to: &Table) {
        let mut trial = self.empty();
        trial.alter_table(from, to);
        if trial.blocked.is_empty() && self.leads_to(&trial, to) {
            for (step, changes) in trial.steps {
                self.steps.entry(step).or_default().extend(changes);
            }
        } else {
            self.rebuild(from, to);
        }
    }

    /// Whether the server would take the statements, and the table would then be as wanted.
    fn leads_to(&self, trial: &Builder<'_>, to: &Table) -> bool {
        let mut after = self.from.clone();
        for change in trial.steps.values().flatten() {
            if !after.apply(change, Origin::Series(usize::MAX)).is_empty() {
                return false;
            }
        }
        let alone = |catalog: &crate::Catalog| {
            let mut only = crate::Catalog::new(catalog.dialect);
            if let Some(table) = catalog.tables.get(&to.name) {
                only.tables.insert(to.name.clone(), table.clone());
            }
            only
        };
        diff(&alone(&after), &alone(self.to), DiffOptions::default()).is_empty()
    }

    fn rebuild(&mut self, from: &Table, to: &Table) {
        let name = &to.name;
        if from.columns_unknown || to.columns_unknown {
            self.blocked(format!("the columns of {name} are not known"));
            return;
        }
        let refers = |t: &&Table| {
            t.name != *name
                && t.constraints.iter().any(|c| {
                    matches!(&c.kind, ConstraintKind::ForeignKey { table, .. } if table == name)
                })
        };
        if !self.foreign_keys_off
            && let Some(other) = self.from.tables.values().find(refers)
        {
            // DROP TABLE deletes the rows first, and so the rows that refer to them (ON DELETE).
            self.blocked(format!(
                "SQLite has to build {name} anew, and {} refers to it: that takes PRAGMA \
                 foreign_keys = off outside of a transaction",
                other.name
            ));
            return;
        }
        if let Some((view, table)) = self.from.broken_view() {
            self.blocked(format!(
                "SQLite cannot alter {name} while view {view} reads {table}, which is not there"
            ));
            return;
        }
        let aside = ObjectName { schema: name.schema.clone(), name: self.free_beside(name) };
        self.views_around(name);
        self.triggers_around(name);

        let mut bare = Table { indexes: Parts::new(), triggers: Vec::new(), ..to.clone() };
        bare.name = aside.clone();
        let mut scratch = self.empty();
        scratch.create_table(&bare, &[]);
        self.blocked.append(&mut scratch.blocked);
        for change in scratch.steps.into_values().flatten() {
            self.push(Step::AlterColumns, change);
        }
        let kept: Vec<Ident> = to
            .columns
            .iter()
            .filter(|c| c.generated.is_none() && from.column(&c.name).is_some())
            .map(|c| c.name.clone())
            .collect();
        if !kept.is_empty() {
            let listed: Vec<String> =
                kept.iter().map(|c| self.dialect().quote_if_needed(c)).collect();
            let text = format!(
                "SELECT {} FROM {}",
                listed.join(", "),
                self.dialect().quote_name_if_needed(name)
            );
            let query = Query {
                text,
                tables: vec![name.clone()],
                columns: kept.clone(),
                star: false,
                functions: Vec::new(),
                span: Span::default(),
            };
            self.push(
                Step::AlterColumns,
                Change::Insert {
                    table: aside.clone(),
                    columns: kept,
                    from_query: Some(query),
                    conflict: InsertConflict::Fail,
                },
            );
        }
        self.push(
            Step::AlterColumns,
            Change::DropTable { name: name.clone(), if_exists: false, cascade: false },
        );
        self.push(Step::AlterColumns, Change::RenameTable { from: aside, to: name.clone() });
        // The old ones went with the old table; those that another table took along come once.
        self.steps.entry(Step::CreateTriggers).or_default().retain(|change| {
            !matches!(change, Change::CreateTrigger { def, .. } if to.triggers.iter().any(|t| t.name == def.name))
        });
        self.indexes(name, &Parts::new(), &to.indexes);
        self.triggers(name, &[], &to.triggers);
    }

    /// A name for the table while the old one stands.
    fn free_beside(&self, name: &ObjectName) -> Ident {
        let base = if self.foreign_keys_off {
            format!("{}_anew", name.name)
        } else {
            format!("{}_before_down", name.name)
        };
        let free = |name: &Ident| {
            let name = ObjectName::bare(name.clone());
            [self.from, self.to].iter().all(|c| c.table(&name).is_none() && c.view(&name).is_none())
        };
        let mut found = Ident::stored(self.dialect(), &base);
        let mut number = 2;
        while !free(&found) {
            found = Ident::stored(self.dialect(), &format!("{base}{number}"));
            number += 1;
        }
        found
    }

    /// Triggers of other tables and views that name a table go before it is dropped, and come back behind: SQLite
    /// refuses a rename while a trigger names a table that is not there. All of such a table do, in their order,
    /// which is the one in which they fire.
    fn triggers_around(&mut self, name: &ObjectName) {
        let dialect = self.dialect();
        let tables = self.from.tables.values().map(|t| (&t.name, &t.triggers));
        let views = self.from.views.values().map(|v| (&v.name, &v.triggers));
        let around: Vec<(&ObjectName, &[TriggerDef], &[TriggerDef])> = tables
            .chain(views)
            .filter(|(other, triggers)| {
                *other != name
                    && triggers.iter().any(|t| mentions_ident(&t.text, dialect, &name.name))
            })
            .filter_map(|(other, triggers)| {
                let table = self.to.tables.get(other).map(|t| &t.triggers);
                let stay = table.or_else(|| self.to.views.get(other).map(|v| &v.triggers))?;
                Some((other, triggers.as_slice(), stay.as_slice()))
            })
            .collect();
        for (other, triggers, stay) in around {
            for trigger in triggers {
                // One that differs is dropped and made again anyway, as are those of a view around which that was done.
                let twin = stay.iter().find(|t| t.name == trigger.name);
                let Some(twin) = twin.filter(|t| same_trigger(t, trigger, dialect)) else {
                    continue;
                };
                if self.comes_back(&trigger.name) {
                    continue;
                }
                self.push(
                    Step::DropTriggers,
                    Change::DropTrigger {
                        name: trigger.name.clone(),
                        table: Some(other.clone()),
                        if_exists: false,
                        cascade: false,
                    },
                );
                if twin.event.is_empty() {
                    self.blocked(format!(
                        "the text of trigger {} on {other} is not known",
                        twin.name
                    ));
                    continue;
                }
                let def = twin.clone();
                self.push(
                    Step::CreateTriggers,
                    Change::CreateTrigger { def, or_replace: false, if_not_exists: false },
                );
            }
        }
    }

    /// Whether a trigger is created behind another table that is built anew.
    fn comes_back(&self, name: &Ident) -> bool {
        self.steps
            .get(&Step::CreateTriggers)
            .into_iter()
            .flatten()
            .any(|change| matches!(change, Change::CreateTrigger { def, .. } if def.name == *name))
    }

    /// Views that read a table go before it is dropped, and come back behind: SQLite refuses a
    /// rename while a view names a table that is not there.
    fn views_around(&mut self, name: &ObjectName) {
        let mut hit: Vec<&View> = Vec::new();
        let mut names = vec![name.clone()];
        while let Some(name) = names.pop() {
            for view in self.from.views.values().filter(|v| v.query.tables.contains(&name)) {
                if !hit.iter().any(|h| h.name == view.name) {
                    hit.push(view);
                    names.push(view.name.clone());
                }
            }
        }
        // One that differs is dropped and made again anyway.
        let stays = |v: &&View| {
            self.to.views.get(&v.name).is_some_and(|t| {
                t.columns == v.columns && same_text(&t.query.text, &v.query.text, self.dialect())
            })
        };
        let hit: Vec<&View> = hit.into_iter().filter(stays).collect();
        let order = in_order_of_reading(&hit);
        for view in order.iter().rev() {
            self.push(
                Step::DropViews,
                Change::DropView {
                    name: view.name.clone(),
                    materialized: false,
                    if_exists: false,
                    cascade: false,
                },
            );
        }
        for view in order {
            self.push(
                Step::CreateViews,
                Change::CreateView {
                    name: view.name.clone(),
                    materialized: false,
                    or_replace: false,
                    if_not_exists: false,
                    temporary: false,
                    columns: view.columns.clone(),
                    query: view.query.clone(),
                    no_data: false,
                    options: Vec::new(),
                },
            );
            for trigger in &view.triggers {
                let def = trigger.clone();
                self.push(
                    Step::CreateTriggers,
                    Change::CreateTrigger { def, or_replace: false, if_not_exists: false },
                );
            }
        }
    }
}

//! Triggers.

use downhaul_syntax::{Ident, ObjectName, TriggerDef};

use super::Applier;

impl Applier<'_> {
    pub(super) fn create_trigger(
        &mut self,
        def: &TriggerDef,
        or_replace: bool,
        if_not_exists: bool,
    ) {
        let mut def = def.clone();
        let target = self.catalog.normalize(&def.table);
        if self.catalog.views.contains_key(&target) {
            def.table = target.clone();
            if let Some(view) = self.catalog.views.get_mut(&target) {
                view.triggers.retain(|t| t.name != def.name);
                view.triggers.push(def);
            }
            return;
        }
        let Some(table) = self.altered_table(&target) else { return };
        def.table = table.clone();
        // PostgreSQL: the name belongs to the table; elsewhere to the schema.
        let there = if self.is_postgres() {
            self.catalog.tables.get(&table).is_some_and(|t| has(&t.triggers, &def.name))
        } else {
            self.trigger_owner(&def.name).is_some()
        };
        if there && !or_replace {
            if !if_not_exists && self.muted == 0 {
                self.exists_part("trigger", &table, &def.name);
            }
            return;
        }
        if let Some(t) = self.table(&table) {
            t.triggers.retain(|t| t.name != def.name);
            t.triggers.push(def);
        }
    }

    /// The table or view that has a trigger, where a name belongs to the schema.
    fn trigger_owner(&self, name: &Ident) -> Option<ObjectName> {
        let tables = self.catalog.tables.values().map(|t| (&t.name, &t.triggers));
        let views = self.catalog.views.values().map(|v| (&v.name, &v.triggers));
        tables.chain(views).find(|(_, triggers)| has(triggers, name)).map(|(n, _)| n.clone())
    }

    pub(super) fn drop_trigger(
        &mut self,
        name: &Ident,
        table: Option<&ObjectName>,
        if_exists: bool,
    ) {
        let owner = match table {
            Some(table) => {
                let table = self.catalog.normalize(table);
                if !self.catalog.tables.contains_key(&table)
                    && !self.catalog.views.contains_key(&table)
                {
                    // With IF EXISTS the table may be missing too.
                    if !if_exists {
                        self.missing("table", &table);
                    }
                    return;
                }
                Some(table)
            }
            None => self.trigger_owner(name),
        };
        let mut found = false;
        if let Some(owner) = &owner {
            if let Some(t) = self.catalog.tables.get_mut(owner) {
                found = has(&t.triggers, name);
                t.triggers.retain(|t| t.name != *name);
                t.disabled_triggers.retain(|t| t != name);
            } else if let Some(v) = self.catalog.views.get_mut(owner) {
                found = has(&v.triggers, name);
                v.triggers.retain(|t| t.name != *name);
            }
        }
        if !found && !if_exists {
            match owner {
                Some(owner) => self.missing_part("trigger", &owner, name),
                None => self.missing("trigger", &ObjectName::bare(name.clone())),
            }
        }
    }

    pub(super) fn set_trigger_enabled(
        &mut self,
        table: &ObjectName,
        trigger: Option<&Ident>,
        enabled: bool,
    ) {
        let Some(name) = self.altered_table(table) else { return };
        let Some(t) = self.table(&name) else { return };
        let wanted: Vec<Ident> = match trigger {
            Some(trigger) => vec![trigger.clone()],
            None => t.triggers.iter().map(|t| t.name.clone()).collect(),
        };
        let mut missing = None;
        for trigger in wanted {
            // A rule has the same statement and is not modelled as a trigger.
            if !has(&t.triggers, &trigger) {
                missing = Some(trigger);
                continue;
            }
            t.disabled_triggers.retain(|t| *t != trigger);
            if !enabled {
                t.disabled_triggers.push(trigger);
                t.disabled_triggers.sort();
            }
        }
        let rules =
            self.catalog.others.keys().any(|(kind, _)| *kind == downhaul_syntax::ObjectKind::Rule);
        if let Some(trigger) = missing
            && !rules
        {
            self.missing_part("trigger", &name, &trigger);
        }
    }

    pub(super) fn rename_trigger(&mut self, table: Option<&ObjectName>, from: &Ident, to: &Ident) {
        let Some(table) = table else { return };
        let Some(name) = self.altered_table(table) else { return };
        let Some(t) = self.table(&name) else { return };
        if has(&t.triggers, to) {
            self.exists_part("trigger", &name, to);
            return;
        }
        for disabled in &mut t.disabled_triggers {
            if disabled == from {
                *disabled = to.clone();
            }
        }
        match t.triggers.iter_mut().find(|t| t.name == *from) {
            Some(trigger) => trigger.name = to.clone(),
            None => self.missing_part("trigger", &name, from),
        }
    }
}

fn has(triggers: &[TriggerDef], name: &Ident) -> bool {
    triggers.iter().any(|t| t.name == *name)
}

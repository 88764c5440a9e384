//! What is attached to a table and stands beside it: triggers, policies, privileges, owner.

use super::{Builder, Step};
use crate::Table;
use crate::diff::{matched, same_policy, same_trigger};
use downhaul_syntax::{Change, ObjectKind, ObjectName, TriggerDef};
use std::collections::BTreeSet;

impl Builder<'_> {
    pub(super) fn triggers(&mut self, table: &ObjectName, from: &[TriggerDef], to: &[TriggerDef]) {
        let dialect = self.dialect();
        for old in from {
            let twin = to.iter().find(|t| t.name == old.name);
            if twin.is_some_and(|t| same_trigger(old, t, dialect)) {
                continue;
            }
            self.push(
                Step::DropTriggers,
                Change::DropTrigger {
                    name: old.name.clone(),
                    table: Some(table.clone()),
                    if_exists: false,
                    cascade: false,
                },
            );
        }
        for new in to {
            let twin = from.iter().find(|t| t.name == new.name);
            if twin.is_some_and(|t| same_trigger(new, t, dialect)) {
                continue;
            }
            if new.event.is_empty() {
                self.blocked(format!("the text of trigger {} on {table} is not known", new.name));
                continue;
            }
            let def = new.clone();
            self.push(
                Step::CreateTriggers,
                Change::CreateTrigger { def, or_replace: false, if_not_exists: false },
            );
        }
    }

    pub(super) fn policies(&mut self, from: &Table, to: &Table) {
        for (policy, f, t) in matched(&from.policies, &to.policies) {
            let same = match (f, t) {
                (Some(f), Some(t)) => same_policy(f, t, self.dialect()),
                _ => false,
            };
            if same {
                continue;
            }
            if f.is_some() {
                let (name, table) = (policy.clone(), to.name.clone());
                self.push(Step::DropTriggers, Change::DropPolicy { name, table, if_exists: false });
            }
            if let Some(text) = t {
                let (name, table, text) = (policy.clone(), to.name.clone(), text.clone());
                self.push(Step::CreateTriggers, Change::CreatePolicy { name, table, text });
            }
        }
    }

    pub(super) fn grants(
        &mut self,
        kind: ObjectKind,
        name: &ObjectName,
        from: &[(String, String)],
        to: &[(String, String)],
    ) {
        let who = |all: &[(String, String)], other: &[(String, String)]| {
            let roles: BTreeSet<String> =
                all.iter().filter(|g| !other.contains(g)).map(|(role, _)| role.clone()).collect();
            roles
        };
        let what = |all: &[(String, String)], other: &[(String, String)], role: &str| {
            all.iter()
                .filter(|g| g.0 == role && !other.contains(g))
                .map(|g| g.1.clone())
                .collect::<Vec<_>>()
        };
        for role in who(from, to) {
            let privileges = what(from, to, &role);
            self.push(
                Step::Describe,
                Change::Revoke {
                    privileges,
                    kind,
                    objects: vec![name.clone()],
                    from: vec![role],
                    cascade: false,
                },
            );
        }
        for role in who(to, from) {
            let privileges = what(to, from, &role);
            self.push(
                Step::Describe,
                Change::Grant { privileges, kind, objects: vec![name.clone()], to: vec![role] },
            );
        }
    }

    pub(super) fn owner(&mut self, kind: ObjectKind, name: &ObjectName, owner: Option<&str>) {
        match owner {
            Some(owner) => {
                let (name, owner) = (name.clone(), owner.to_owned());
                self.push(Step::Describe, Change::SetOwner { kind, name, owner });
            }
            None => self.blocked(format!(
                "who owned {name} is not stated by any migration (the role that created it)"
            )),
        }
    }
}

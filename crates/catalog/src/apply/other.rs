//! Schemas, extensions, policies, privileges, owners, comments, and what is kept as text.

use downhaul_syntax::{Ident, ObjectKind, ObjectName};

use super::{Applier, known};

impl Applier<'_> {
    pub(super) fn create_schema(&mut self, name: &Ident, if_not_exists: bool, schema: bool) {
        // MySQL: CREATE SCHEMA is CREATE DATABASE; elsewhere a database is outside of this one.
        if !schema && !self.is_mysql() {
            return;
        }
        let there = self.catalog.schemas.contains(name)
            || self.catalog.default_schema.as_ref() == Some(name);
        if there {
            if !if_not_exists && self.muted == 0 {
                self.exists("schema", &ObjectName::bare(name.clone()));
            }
            return;
        }
        self.catalog.schemas.push(name.clone());
        self.catalog.schemas.sort();
    }

    pub(super) fn drop_schema(&mut self, name: &Ident, if_exists: bool, cascade: bool) {
        let default = self.catalog.default_schema.as_ref() == Some(name);
        let as_name = ObjectName::bare(name.clone());
        if !default && !self.catalog.schemas.contains(name) {
            if !if_exists && !known::is_system(self.dialect(), &in_schema(name, name)) {
                self.missing("schema", &as_name);
            }
            return;
        }
        let wanted = (!default).then(|| name.clone());
        let inside: Vec<ObjectName> = self
            .catalog
            .tables
            .keys()
            .chain(self.catalog.views.keys())
            .chain(self.catalog.types.keys())
            .filter(|n| n.schema == wanted)
            .cloned()
            .collect();
        if !cascade && self.is_postgres() {
            let listed = inside.iter().map(ToString::to_string).collect();
            self.depends(format!("schema {name}"), listed);
        }
        for object in &inside {
            if self.catalog.tables.contains_key(object) {
                let dependents = self.table_dependents(object);
                self.drop_dependents(&dependents);
                self.remove_table(object);
            }
        }
        for object in &inside {
            self.remove_view(object);
            self.catalog.types.remove(object);
        }
        self.catalog.sequences.retain(|n, _| n.schema != wanted);
        self.catalog.routines.retain(|k, _| k.name.schema != wanted);
        self.catalog.schemas.retain(|s| s != name);
        self.catalog.comments.remove(&(ObjectKind::Schema, None, as_name.clone()));
        self.catalog.owners.remove(&(ObjectKind::Schema, as_name.clone()));
        self.catalog.grants.retain(|(k, n, _, _)| !(*k == ObjectKind::Schema && *n == as_name));
    }

    pub(super) fn drop_database(&mut self, name: &Ident) {
        if self.is_mysql() {
            self.drop_schema(name, true, true);
        }
    }

    pub(super) fn create_extension(&mut self, name: &Ident, if_not_exists: bool) {
        if self.catalog.extensions.contains(name) {
            if !if_not_exists && self.muted == 0 {
                self.exists("extension", &ObjectName::bare(name.clone()));
            }
            return;
        }
        self.catalog.extensions.push(name.clone());
        self.catalog.extensions.sort();
    }

    pub(super) fn drop_extension(&mut self, name: &Ident, if_exists: bool) {
        let before = self.catalog.extensions.len();
        self.catalog.extensions.retain(|e| e != name);
        // plpgsql is there from the beginning.
        if self.catalog.extensions.len() == before && !if_exists && name.as_str() != "plpgsql" {
            self.missing("extension", &ObjectName::bare(name.clone()));
        }
    }

    pub(super) fn create_policy(&mut self, name: &Ident, table: &ObjectName, text: &str) {
        let Some(table) = self.altered_table(table) else { return };
        if self.catalog.tables.get(&table).is_some_and(|t| t.policies.contains_key(name)) {
            if self.muted == 0 {
                self.exists_part("policy", &table, name);
            }
            return;
        }
        self.alter(&table, |t| {
            t.policies.insert(name.clone(), text.to_owned());
        });
    }

    pub(super) fn alter_policy(&mut self, name: &Ident, table: &ObjectName, text: &str) {
        let Some(table) = self.altered_table(table) else { return };
        let Some(old) = self.table(&table).and_then(|t| t.policies.get_mut(name)) else {
            self.missing_part("policy", &table, name);
            return;
        };
        *old = altered_policy(old, text);
    }

    pub(super) fn drop_policy(&mut self, name: &Ident, table: &ObjectName, if_exists: bool) {
        let normal = self.catalog.normalize(table);
        if if_exists && !self.catalog.tables.contains_key(&normal) {
            return;
        }
        let Some(table) = self.altered_table(table) else { return };
        let gone = self.table(&table).is_some_and(|t| t.policies.remove(name).is_some());
        if !gone && !if_exists {
            self.missing_part("policy", &table, name);
        }
    }

    pub(super) fn grant(
        &mut self,
        privileges: &[String],
        kind: ObjectKind,
        objects: &[ObjectName],
        to: &[String],
    ) {
        for object in objects {
            let name = self.catalog.normalize(object);
            for grantee in to {
                for privilege in privileges {
                    let entry = (grantee.clone(), privilege_word(privilege));
                    match self.grants_of(kind, &name) {
                        Some(grants) => {
                            if !grants.contains(&entry) {
                                grants.push(entry);
                                grants.sort();
                            }
                        }
                        None => {
                            self.catalog.grants.insert((kind, name.clone(), entry.0, entry.1));
                        }
                    }
                }
            }
        }
    }

    pub(super) fn revoke(
        &mut self,
        privileges: &[String],
        kind: ObjectKind,
        objects: &[ObjectName],
        from: &[String],
    ) {
        let all = privileges.iter().any(|p| privilege_word(p) == "all");
        let words: Vec<String> = privileges.iter().map(|p| privilege_word(p)).collect();
        let hit = |grantee: &str, privilege: &str| {
            from.iter().any(|f| f == grantee) && (all || words.iter().any(|w| w == privilege))
        };
        for object in objects {
            let name = self.catalog.normalize(object);
            match self.grants_of(kind, &name) {
                Some(grants) => grants.retain(|(grantee, privilege)| !hit(grantee, privilege)),
                None => self.catalog.grants.retain(|(k, n, grantee, privilege)| {
                    !(*k == kind && *n == name && hit(grantee, privilege))
                }),
            }
        }
    }

    /// The list of privileges that a table or view keeps itself.
    fn grants_of(
        &mut self,
        kind: ObjectKind,
        name: &ObjectName,
    ) -> Option<&mut Vec<(String, String)>> {
        let relation =
            matches!(kind, ObjectKind::Table | ObjectKind::View | ObjectKind::MaterializedView);
        if !relation {
            return None;
        }
        if let Some(table) = self.catalog.tables.get_mut(name) {
            return Some(&mut table.grants);
        }
        self.catalog.views.get_mut(name).map(|v| &mut v.grants)
    }

    pub(super) fn set_owner(&mut self, kind: ObjectKind, name: &ObjectName, owner: &str) {
        let name = self.catalog.normalize(name);
        if let Some(table) = self.catalog.tables.get_mut(&name)
            && matches!(kind, ObjectKind::Table | ObjectKind::ForeignTable)
        {
            table.owner = Some(owner.to_owned());
        } else {
            self.catalog.owners.insert((kind, name), owner.to_owned());
        }
    }

    pub(super) fn comment(
        &mut self,
        kind: ObjectKind,
        table: Option<&ObjectName>,
        name: &ObjectName,
        text: Option<&str>,
    ) {
        let text = text.filter(|t| !t.is_empty()).map(str::to_owned);
        match (kind, table) {
            (ObjectKind::Table | ObjectKind::ForeignTable, _) => {
                self.alter(name, |t| t.comment = text);
            }
            (ObjectKind::Column, Some(table)) => {
                let view = self.catalog.normalize(table);
                if self.catalog.views.contains_key(&view) {
                    self.keep_comment(kind, Some(view), name.clone(), text);
                    return;
                }
                let Some(table) = self.altered_column(table, &name.name) else { return };
                if let Some(c) = self.table(&table).and_then(|t| t.column_mut(&name.name)) {
                    c.comment = text;
                }
            }
            (ObjectKind::Constraint, Some(table)) => {
                let Some(table) = self.altered_table(table) else { return };
                let found = self.table(&table).and_then(|t| t.constraints.named_mut(&name.name));
                match found {
                    Some(constraint) => constraint.comment = text,
                    None => self.missing_part("constraint", &table, &name.name),
                }
            }
            (ObjectKind::Index, _) => {
                let index = self.index_key(name);
                let of_constraint = self
                    .catalog
                    .lookup
                    .index_owner
                    .get(&index)
                    .and_then(|t| self.catalog.tables.get(t))
                    .is_some_and(|t| t.constraint(&index.name).is_some());
                if of_constraint {
                    self.keep_comment(kind, None, index, text);
                } else if !self.alter_index(&index, |i| i.comment = text) {
                    self.missing("index", &index);
                }
            }
            (ObjectKind::View | ObjectKind::MaterializedView, _) => {
                let name = self.catalog.normalize(name);
                match self.catalog.views.get_mut(&name) {
                    Some(view) => view.comment = text,
                    None => self.missing("view", &name),
                }
            }
            (ObjectKind::Type | ObjectKind::Domain, None) => {
                let name = self.catalog.normalize(name);
                match self.catalog.types.get_mut(&name) {
                    Some(user_type) => user_type.comment = text,
                    None => self.keep_comment(kind, None, name, text),
                }
            }
            (ObjectKind::Function | ObjectKind::Procedure | ObjectKind::Aggregate, _) => {
                let name = self.catalog.normalize(name);
                for key in self.routines_named(&name) {
                    if let Some(routine) = self.catalog.routines.get_mut(&key) {
                        routine.comment.clone_from(&text);
                    }
                }
            }
            (_, table) => {
                let table = table.map(|t| self.catalog.normalize(t));
                let name =
                    if table.is_some() { name.clone() } else { self.catalog.normalize(name) };
                self.keep_comment(kind, table, name, text);
            }
        }
    }

    fn keep_comment(
        &mut self,
        kind: ObjectKind,
        table: Option<ObjectName>,
        name: ObjectName,
        text: Option<String>,
    ) {
        let key = (kind, table, name);
        match text {
            Some(text) => self.catalog.comments.insert(key, text),
            None => self.catalog.comments.remove(&key),
        };
    }

    pub(super) fn create_other(
        &mut self,
        kind: ObjectKind,
        name: Option<&ObjectName>,
        table: Option<&ObjectName>,
        text: &str,
    ) {
        if let Some(name) = name {
            let key = self.other_key(name, table);
            self.catalog.others.insert((kind, key), text.to_owned());
        }
    }

    pub(super) fn alter_other(
        &mut self,
        kind: ObjectKind,
        name: Option<&ObjectName>,
        table: Option<&ObjectName>,
        text: &str,
    ) {
        let Some(name) = name else { return };
        let key = (kind, self.other_key(name, table));
        let old = self.catalog.others.remove(&key).unwrap_or_default();
        let text = if old.is_empty() { text.to_owned() } else { format!("{old}; {text}") };
        self.catalog.others.insert(key, text);
    }

    pub(super) fn drop_other(
        &mut self,
        kind: ObjectKind,
        name: &ObjectName,
        table: Option<&ObjectName>,
    ) {
        let key = self.other_key(name, table);
        if self.catalog.others.remove(&(kind, key)).is_some() || table.is_some() {
            return;
        }
        // Created on a table, dropped without naming it (statistics).
        let part = self
            .catalog
            .others
            .keys()
            .find(|(k, n)| *k == kind && n.name == name.name && n.schema.is_some())
            .cloned();
        if let Some(part) = part {
            self.catalog.others.remove(&part);
        }
    }

    /// A part of a table is kept as `table.part`.
    fn other_key(&self, name: &ObjectName, table: Option<&ObjectName>) -> ObjectName {
        match table {
            Some(table) => {
                let table = self.catalog.normalize(table);
                in_schema(&table.name, &name.name)
            }
            None => self.catalog.normalize(name),
        }
    }
}

fn in_schema(schema: &Ident, name: &Ident) -> ObjectName {
    ObjectName { schema: Some(schema.clone()), name: name.clone() }
}

/// `ALL PRIVILEGES` is `ALL`.
fn privilege_word(privilege: &str) -> String {
    let lower = privilege.trim().to_lowercase();
    if lower == "all privileges" { "all".to_owned() } else { lower }
}

/// `ALTER POLICY` states anew its `TO`, `USING` and `WITH CHECK`; what it leaves out stays.
fn altered_policy(old: &str, new: &str) -> String {
    let old = policy_clauses(old);
    let new = policy_clauses(new);
    let pick = |i: usize| if new[i].is_empty() { old[i].clone() } else { new[i].clone() };
    let all: Vec<String> = (0..4).map(pick).filter(|c| !c.is_empty()).collect();
    all.join(" ")
}

/// The head of a policy's text, and its `TO`, `USING` and `WITH CHECK` clauses.
fn policy_clauses(text: &str) -> [String; 4] {
    let mut out = [String::new(), String::new(), String::new(), String::new()];
    let mut at = 0;
    let mut depth = 0_i32;
    for token in crate::text::tokens(text, downhaul_syntax::Dialect::Postgres) {
        match token.text {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            match token.text.to_ascii_lowercase().as_str() {
                "to" => at = 1,
                "using" => at = 2,
                "with" => at = 3,
                _ => {}
            }
        }
        out[at].push_str(token.text);
    }
    out.map(|c| c.trim().to_owned())
}

//! Constraints.

use downhaul_syntax::{ConstraintDef, ConstraintKind, Dialect, Expr, Ident, ObjectName};

use super::copy::is_key;
use super::{Applier, names};
use crate::lookup::Tie;
use crate::{Constraint, Table};

impl Applier<'_> {
    pub(super) fn add_constraint(
        &mut self,
        table: &ObjectName,
        def: &ConstraintDef,
        if_not_exists: bool,
    ) {
        let Some(name) = self.altered_table(table) else { return };
        let taken = def.name.as_ref().is_some_and(|wanted| {
            self.catalog.tables.get(&name).is_some_and(|t| t.constraint(wanted).is_some())
        });
        if taken && if_not_exists {
            return;
        }
        self.define_constraint(&name, def, false);
    }

    /// Adds a constraint to a table known to exist. `inline`: it was written behind a column.
    pub(super) fn define_constraint(
        &mut self,
        table: &ObjectName,
        def: &ConstraintDef,
        inline: bool,
    ) {
        let mut kind = def.kind.clone();
        if let ConstraintKind::NotNull { column } = &kind {
            let column = column.clone();
            if let Some(c) = self.table(table).and_then(|t| t.column_mut(&column)) {
                c.not_null = true;
                c.not_null_name.clone_from(&def.name);
            } else {
                self.missing_part("column", table, &column);
            }
            return;
        }
        if let ConstraintKind::ForeignKey { table: target, .. } = &mut kind {
            *target = self.catalog.normalize(target);
        }
        let Some(promoted) = self.promote_index(table, &mut kind) else { return };
        self.require_columns(table, &kind);
        if let ConstraintKind::PrimaryKey { columns, .. } = &kind
            && !self.prepare_primary_key(table, columns)
        {
            return;
        }
        if matches!(kind, ConstraintKind::ForeignKey { .. }) {
            self.judge_foreign_key(table, &kind);
        }

        let stated = def.name.as_ref().map(|n| names::truncated(self.dialect(), n));
        let stated = match (stated, &promoted) {
            (None, Some((index, _))) => Some(index.clone()),
            (stated, _) => stated,
        };
        if let Some(wanted) = &stated
            && self.constraint_name_taken(table, wanted, &kind)
        {
            self.exists_part("constraint", table, wanted);
            return;
        }
        let name_generated = stated.is_none();
        let name = match stated {
            Some(name) if !(self.is_mysql() && is_primary(&kind)) => Some(name),
            _ => self.invent_constraint_name(table, &kind, inline),
        };
        if !self.is_mysql()
            && is_key(&kind)
            && let Some(name) = &name
        {
            let index = ObjectName { schema: table.schema.clone(), name: name.clone() };
            self.catalog.lookup.index_owner.insert(index, table.clone());
        }
        if let ConstraintKind::ForeignKey { table: target, .. } = &kind {
            self.catalog.lookup.mention(Tie::ForeignKey, target, table);
        }
        let constraint = Constraint {
            name,
            name_generated: name_generated && promoted.is_none(),
            not_valid: def.not_valid && !is_key(&kind),
            kind,
            deferrable: def.deferrable,
            initially_deferred: def.initially_deferred,
            not_enforced: def.not_enforced,
            include: promoted.map(|(_, include)| include).unwrap_or_default(),
            comment: None,
            origin: self.origin,
        };
        if self.is_mysql() {
            self.index_for_mysql_constraint(table, &constraint);
        }
        let to_children = self.is_postgres() && passes_down(&constraint.kind);
        if let Some(t) = self.table(table) {
            t.constraints.push(constraint.clone());
        }
        if to_children {
            self.define_on_children(table, &constraint);
        }
    }

    /// A check, and on a partitioned table every constraint, holds for the children too.
    fn define_on_children(&mut self, table: &ObjectName, constraint: &Constraint) {
        let divided = self.catalog.tables.get(table).is_some_and(|t| t.partitioning.is_some());
        let check = matches!(constraint.kind, ConstraintKind::Check { .. });
        if !check && !divided {
            return;
        }
        for child in self.children(table) {
            let there = self.catalog.tables.get(&child).is_some_and(|t| {
                constraint.name.as_ref().is_some_and(|n| t.constraint(n).is_some())
            });
            if there || self.takes_over_key(table, &child, constraint) {
                continue;
            }
            let mut def = super::copy::constraint_def(constraint);
            if is_key(&constraint.kind) {
                def.name = None;
            }
            self.define_constraint(&child, &def, false);
        }
    }

    /// Whether a partition has such a key, which belongs to no other key of the parent: the server takes it
    /// over (`DefineIndex`).
    fn takes_over_key(
        &self,
        parent: &ObjectName,
        child: &ObjectName,
        constraint: &Constraint,
    ) -> bool {
        let count = |table: &ObjectName| {
            self.catalog
                .tables
                .get(table)
                .map_or(0, |t| t.constraints.iter().filter(|c| c.kind == constraint.kind).count())
        };
        // The parent has the new one already.
        is_key(&constraint.kind) && self.is_postgres() && count(child) >= count(parent)
    }

    /// `USING INDEX`: takes the index out of the table's list and its columns into the
    /// constraint. Outer `None`: there is no such index.
    #[allow(clippy::option_option, reason = "no index needed, index missing, index taken")]
    fn promote_index(
        &mut self,
        table: &ObjectName,
        kind: &mut ConstraintKind,
    ) -> Option<Option<(Ident, Vec<Ident>)>> {
        let (columns, using) = match kind {
            ConstraintKind::PrimaryKey { columns, using_index }
            | ConstraintKind::Unique { columns, using_index, .. } => (columns, using_index),
            _ => return Some(None),
        };
        let Some(wanted) = using.take() else { return Some(None) };
        let found = self.catalog.tables.get(table).and_then(|t| t.indexes.position(&wanted));
        let Some(at) = found else {
            let full = ObjectName { schema: table.schema.clone(), name: wanted };
            if self.catalog.tables.get(table).is_none_or(|t| !t.assumed) {
                self.missing("index", &full);
            }
            return None;
        };
        let index = self.catalog.tables.get_mut(table)?.indexes.remove(at)?;
        if !index.unique {
            self.refuse(format!("{} is not a unique index", index.name));
        }
        if index.predicate.is_some() || index.parts.iter().any(|p| p.column.is_none()) {
            self.refuse(format!("index {} is partial or contains expressions", index.name));
        }
        if index.invalid {
            self.refuse(format!("index {} is not valid", index.name));
        }
        *columns = index.parts.iter().filter_map(|p| p.column.clone()).collect();
        if let ConstraintKind::Unique { nulls_not_distinct, .. } = kind {
            *nulls_not_distinct = index.nulls_not_distinct;
        }
        self.forget_index_name(table, &index.name.name);
        Some(Some((index.name.name, index.include)))
    }

    fn require_columns(&mut self, table: &ObjectName, kind: &ConstraintKind) {
        let columns: &[Ident] = match kind {
            ConstraintKind::PrimaryKey { columns, .. }
            | ConstraintKind::Unique { columns, .. }
            | ConstraintKind::ForeignKey { columns, .. } => columns,
            _ => &[],
        };
        for column in columns {
            if self.catalog.tables.get(table).is_some_and(|t| t.column(column).is_none()) {
                self.missing_part("column", table, column);
            }
        }
    }

    /// Refuses a second primary key; makes its columns NOT NULL. False where the server refuses.
    fn prepare_primary_key(&mut self, table: &ObjectName, columns: &[Ident]) -> bool {
        let (sqlite, without_rowid) = (
            self.is_sqlite(),
            self.catalog.tables.get(table).is_some_and(|t| t.options.contains_key("without rowid")),
        );
        if self
            .catalog
            .tables
            .get(table)
            .is_some_and(|t| t.constraints.iter().any(|c| is_primary(&c.kind)))
        {
            self.refuse(format!("table {table} has a primary key already"));
            return false;
        }
        // SQLite lets primary keys hold NULL, but for WITHOUT ROWID tables
        // (<https://www.sqlite.org/lang_createtable.html>).
        if (!sqlite || without_rowid)
            && let Some(t) = self.table(table)
        {
            for column in columns {
                if let Some(column) = t.column_mut(column) {
                    column.not_null = true;
                }
            }
        }
        true
    }

    fn constraint_name_taken(
        &self,
        table: &ObjectName,
        name: &Ident,
        kind: &ConstraintKind,
    ) -> bool {
        let Some(t) = self.catalog.tables.get(table) else { return false };
        match self.dialect() {
            Dialect::Postgres => {
                let relation = ObjectName { schema: table.schema.clone(), name: name.clone() };
                t.constraint(name).is_some() || is_key(kind) && self.catalog.has_relation(&relation)
            }
            // Each kind has a name space of its own there.
            Dialect::Mysql | Dialect::MariaDb => {
                !is_primary(kind)
                    && (t
                        .constraints
                        .all_named(name)
                        .any(|c| std::mem::discriminant(&c.kind) == std::mem::discriminant(kind))
                        || matches!(kind, ConstraintKind::Unique { .. })
                            && t.indexes.all_named(name).any(|i| !i.implied))
            }
            Dialect::Sqlite => false,
        }
    }

    fn invent_constraint_name(
        &self,
        table: &ObjectName,
        kind: &ConstraintKind,
        inline: bool,
    ) -> Option<Ident> {
        match self.dialect() {
            Dialect::Postgres => Some(self.postgres_constraint_name(table, kind)),
            Dialect::Mysql | Dialect::MariaDb => self.mysql_constraint_name(table, kind, inline),
            Dialect::Sqlite => None,
        }
    }

    fn postgres_constraint_name(&self, table: &ObjectName, kind: &ConstraintKind) -> Ident {
        let joined = |columns: &[Ident]| names::addition(columns.iter().map(Ident::as_str));
        match kind {
            ConstraintKind::PrimaryKey { .. } => {
                self.catalog.choose_relation_name(table, None, "pkey", true).name
            }
            ConstraintKind::Unique { columns, .. } => {
                self.catalog.choose_relation_name(table, Some(&joined(columns)), "key", true).name
            }
            ConstraintKind::Exclude { text, columns } => {
                // The key parts are kept as text: elements are named as those of an index.
                let parts = exclude_columns(text, columns);
                let addition = names::addition(parts.iter().map(String::as_str));
                self.catalog.choose_relation_name(table, Some(&addition), "excl", true).name
            }
            ConstraintKind::ForeignKey { columns, .. } => {
                self.catalog.choose_constraint_name(table, Some(&joined(columns)), "fkey")
            }
            ConstraintKind::Check { expr, .. } => {
                let column = names::only_column(expr).map(Ident::as_str);
                self.catalog.choose_constraint_name(table, column, "check")
            }
            ConstraintKind::NotNull { column } => {
                self.catalog.choose_constraint_name(table, Some(column.as_str()), "not_null")
            }
        }
    }

    pub(super) fn validate_constraint(&mut self, table: &ObjectName, wanted: &Ident) {
        self.alter_named_constraint(table, wanted, |c| c.not_valid = false);
    }

    fn alter_named_constraint(
        &mut self,
        table: &ObjectName,
        wanted: &Ident,
        change: impl Fn(&mut Constraint),
    ) {
        let Some(name) = self.altered_table(table) else { return };
        let mut all = vec![name.clone()];
        all.extend(self.descendants(&name));
        let mut found = false;
        for table in &all {
            if let Some(c) = self.table(table).and_then(|t| t.constraints.named_mut(wanted)) {
                change(c);
                found = true;
            }
        }
        if !found {
            self.missing_part("constraint", &name, wanted);
        }
    }

    pub(super) fn rename_constraint(&mut self, table: &ObjectName, from: &Ident, to: &Ident) {
        let Some(name) = self.altered_table(table) else { return };
        let Some(t) = self.catalog.tables.get(&name) else { return };
        let Some(kind) = t.constraint(from).map(|c| c.kind.clone()) else {
            self.missing_part("constraint", &name, from);
            return;
        };
        if self.constraint_name_taken(&name, to, &kind) {
            self.exists_part("constraint", &name, to);
            return;
        }
        if is_key(&kind) && !self.is_mysql() {
            self.forget_index_name(&name, from);
            let index = ObjectName { schema: name.schema.clone(), name: to.clone() };
            self.catalog.lookup.index_owner.insert(index, name.clone());
        }
        // Only a CHECK is one with those of the children (`rename_constraint_internal`).
        let mut all = vec![name.clone()];
        if matches!(kind, ConstraintKind::Check { no_inherit: false, .. }) {
            all.extend(self.descendants(&name));
        }
        for table in &all {
            if let Some(c) = self.table(table).and_then(|t| t.constraints.named_mut(from)) {
                c.name = Some(to.clone());
                c.name_generated = false;
            }
        }
    }

    pub(super) fn alter_constraint(&mut self, table: &ObjectName, name: &Ident, text: &str) {
        let text = text.to_lowercase();
        let words: Vec<&str> = text.split_whitespace().collect();
        let at = |word: &str| words.iter().position(|w| *w == word);
        let negated = |i: usize| i > 0 && words[i - 1] == "not";
        self.alter_named_constraint(table, name, |c| {
            if let Some(i) = at("deferrable") {
                c.deferrable = !negated(i);
                c.initially_deferred &= c.deferrable;
            }
            if let Some(i) = at("initially") {
                c.initially_deferred = words.get(i + 1) == Some(&"deferred");
                c.deferrable |= c.initially_deferred;
            }
            if let Some(i) = at("enforced") {
                c.not_enforced = negated(i);
            }
        });
    }
}

pub(super) fn is_primary(kind: &ConstraintKind) -> bool {
    matches!(kind, ConstraintKind::PrimaryKey { .. })
}

/// Whether children get the constraint too.
fn passes_down(kind: &ConstraintKind) -> bool {
    !matches!(kind, ConstraintKind::Check { no_inherit: true, .. } | ConstraintKind::NotNull { .. })
}

/// Names of the elements of an exclusion constraint: `EXCLUDE USING gist (a WITH =, b WITH &&)`.
fn exclude_columns(text: &str, columns: &[Ident]) -> Vec<String> {
    let Some(open) = text.find('(') else {
        return columns.iter().map(|c| c.as_str().to_owned()).collect();
    };
    let mut depth = 0_usize;
    let mut element = String::new();
    let mut out: Vec<String> = Vec::new();
    let mut push = |element: &mut String| {
        let first = element.trim();
        let lower = first.to_lowercase();
        let end = lower.find(" with ").unwrap_or(first.len());
        let part = downhaul_syntax::IndexPart {
            column: None,
            expr: None,
            text: first.get(..end).unwrap_or(first).trim().to_owned(),
        };
        let name = columns.iter().find(|c| part.text.trim_matches('"') == c.as_str());
        out.push(match name {
            Some(column) => column.as_str().to_owned(),
            None => names::index_column_names(std::slice::from_ref(&part), &[], Dialect::Postgres)
                .remove(0),
        });
        element.clear();
    };
    for c in text[open..].chars() {
        match c {
            '(' => {
                depth += 1;
                if depth > 1 {
                    element.push(c);
                }
            }
            ')' => {
                depth -= 1;
                if depth == 0 {
                    push(&mut element);
                    break;
                }
                element.push(c);
            }
            ',' if depth == 1 => push(&mut element),
            c => element.push(c),
        }
    }
    out
}

/// Whether two lists hold the same columns.
pub(crate) fn same_set(left: &[Ident], right: &[Ident]) -> bool {
    left.len() == right.len() && left.iter().all(|c| right.contains(c))
}

impl Table {
    /// Column sets that are unique for all rows: keys, and unique indexes without predicate and
    /// expressions.
    pub(crate) fn unique_column_sets(&self) -> impl Iterator<Item = Vec<Ident>> {
        let constraints = self.constraints.iter().filter_map(|c| match &c.kind {
            ConstraintKind::PrimaryKey { columns, .. } | ConstraintKind::Unique { columns, .. } => {
                Some(columns.clone())
            }
            _ => None,
        });
        let indexes = self
            .indexes
            .iter()
            .filter(|i| i.unique && i.predicate.is_none())
            .filter_map(|i| i.parts.iter().map(|p| p.column.clone()).collect());
        constraints.chain(indexes)
    }

    /// Whether these columns, in any order, are a key.
    pub(crate) fn has_unique(&self, columns: &[Ident]) -> bool {
        self.unique_column_sets().any(|set| same_set(&set, columns))
    }

    /// Whether a key or index begins with these columns, in any order among themselves for a
    /// longer key's prefix as MySQL asks: in this order.
    #[must_use]
    pub fn has_prefix_index(&self, columns: &[Ident]) -> bool {
        let starts = |key: &[Ident]| key.len() >= columns.len() && key[..columns.len()] == *columns;
        self.constraints.iter().any(|c| is_key(&c.kind) && starts(c.key_columns()))
            || self.indexes.iter().any(|i| {
                let key: Vec<Ident> = i.parts.iter().map_while(|p| p.column.clone()).collect();
                starts(&key)
            })
    }
}

/// Renames a column inside a constraint of its own table.
pub(super) fn rename_in_constraint(
    constraint: &mut Constraint,
    dialect: Dialect,
    from: &Ident,
    to: &Ident,
) {
    let swap = |columns: &mut Vec<Ident>| {
        for column in columns {
            if column == from {
                *column = to.clone();
            }
        }
    };
    swap(&mut constraint.include);
    match &mut constraint.kind {
        ConstraintKind::PrimaryKey { columns, .. }
        | ConstraintKind::Unique { columns, .. }
        | ConstraintKind::ForeignKey { columns, .. } => swap(columns),
        ConstraintKind::Exclude { text, columns } => {
            if columns.contains(from) {
                *text = crate::text::rename_ident(text, dialect, from, to);
                swap(columns);
            }
        }
        ConstraintKind::Check { expr, .. } => rename_expr(expr, dialect, from, to),
        ConstraintKind::NotNull { column } => {
            if column == from {
                *column = to.clone();
            }
        }
    }
}

fn rename_expr(expr: &mut Expr, dialect: Dialect, from: &Ident, to: &Ident) {
    crate::text::rename_in_expr(expr, dialect, from, to);
}

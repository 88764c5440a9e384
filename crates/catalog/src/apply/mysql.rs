//! What only MySQL and MariaDB have.

use downhaul_syntax::change::ColumnPosition;
use downhaul_syntax::{
    Change, ColumnDef, ConstraintDef, ConstraintKind, Dialect, Ident, IndexPart, ObjectName,
    Partitioning, Span,
};

use super::Applier;
use super::dependents::Dependent;
use crate::{Column, Constraint, Index, MysqlPartitions, PartitionProblem, Table};

impl Applier<'_> {
    fn ident(&self, text: &str) -> Ident {
        Ident::stored(self.dialect(), text)
    }

    /// The name of a key without one: its first column, numbered from 2 where that is taken.
    pub(super) fn mysql_key_name(&self, table: &ObjectName, first: Option<&Ident>) -> Ident {
        let base = first.map_or("functional_index", Ident::as_str);
        // A key may not be called PRIMARY: the server then begins with `_2` (make_unique_key_name).
        let mut number = 1;
        loop {
            let name = if number == 1 { base.to_owned() } else { format!("{base}_{number}") };
            let ident = self.ident(&name);
            if !self.mysql_key_exists(table, &ident) && ident.key() != "primary" {
                return ident;
            }
            number += 1;
        }
    }

    /// Whether a table has a key of this name: primary, unique or plain.
    pub(super) fn mysql_key_exists(&self, table: &ObjectName, name: &Ident) -> bool {
        self.catalog.tables.get(table).is_some_and(|t| {
            t.indexes.named(name).is_some()
                || t.constraints.all_named(name).any(|c| {
                    matches!(
                        c.kind,
                        ConstraintKind::PrimaryKey { .. } | ConstraintKind::Unique { .. }
                    )
                })
        })
    }

    pub(super) fn mysql_constraint_name(
        &self,
        table: &ObjectName,
        kind: &ConstraintKind,
        inline: bool,
    ) -> Option<Ident> {
        let t = self.catalog.tables.get(table)?;
        match kind {
            ConstraintKind::PrimaryKey { .. } => Some(self.ident("PRIMARY")),
            ConstraintKind::Unique { columns, .. } => {
                Some(self.mysql_key_name(table, columns.first()))
            }
            // InnoDB numbers on from the highest `table_ibfk_N`.
            ConstraintKind::ForeignKey { .. } => {
                let prefix = format!("{}_ibfk_", table.name);
                let last = highest(t.constraints.iter(), &prefix);
                Some(self.ident(&format!("{prefix}{}", last + 1)))
            }
            // MariaDB: a check behind a column is the column's and has no name of its own.
            ConstraintKind::Check { .. } if self.dialect() == Dialect::MariaDb && inline => None,
            ConstraintKind::Check { .. } => {
                let prefix = if self.dialect() == Dialect::MariaDb {
                    "CONSTRAINT_".to_owned()
                } else {
                    format!("{}_chk_", table.name)
                };
                let number =
                    (1..).find(|n| t.constraint(&self.ident(&format!("{prefix}{n}"))).is_none())?;
                Some(self.ident(&format!("{prefix}{number}")))
            }
            ConstraintKind::Exclude { .. } | ConstraintKind::NotNull { .. } => None,
        }
    }

    /// A foreign key brings an index along where none serves it; a key that now serves one makes
    /// such an index vanish (MySQL manual §15.1.20.5).
    pub(super) fn index_for_mysql_constraint(
        &mut self,
        table: &ObjectName,
        constraint: &Constraint,
    ) {
        let ConstraintKind::ForeignKey { columns, .. } = &constraint.kind else {
            self.drop_implied_indexes_for(table, constraint.key_columns());
            return;
        };
        // One that was made for another foreign key over the same columns gives way to the newest.
        self.drop_implied_indexes_for(table, columns);
        if self.catalog.tables.get(table).is_some_and(|t| t.has_prefix_index(columns)) {
            return;
        }
        let name = match &constraint.name {
            Some(name) if !constraint.name_generated && !self.mysql_key_exists(table, name) => {
                name.clone()
            }
            _ => self.mysql_key_name(table, columns.first()),
        };
        let parts = columns
            .iter()
            .map(|c| IndexPart {
                column: Some(c.clone()),
                expr: None,
                text: self.dialect().quote_if_needed(c),
            })
            .collect();
        let index = Index {
            name: ObjectName::bare(name),
            name_generated: true,
            parts,
            unique: false,
            method: None,
            include: Vec::new(),
            predicate: None,
            nulls_not_distinct: false,
            invisible: false,
            invalid: false,
            implied: true,
            options: None,
            comment: None,
            origin: self.origin,
        };
        if let Some(t) = self.table(table) {
            t.indexes.push(index);
        }
    }

    /// An index made for a foreign key vanishes once the newest index begins with its columns.
    pub(super) fn drop_implied_indexes(&mut self, table: &ObjectName) {
        let newest: Vec<Ident> = self
            .catalog
            .tables
            .get(table)
            .and_then(|t| t.indexes.last())
            .map(|i| i.parts.iter().map_while(|p| p.column.clone()).collect())
            .unwrap_or_default();
        self.drop_implied_indexes_for(table, &newest);
    }

    fn drop_implied_indexes_for(&mut self, table: &ObjectName, key: &[Ident]) {
        let Some(first) = key.first() else { return };
        let Some(t) = self.table(table) else { return };
        t.indexes.retain_reading(first, |i| {
            let served = i.parts.len() <= key.len()
                && i.parts.iter().zip(key).all(|(p, c)| p.column.as_ref() == Some(c));
            !(i.implied && served)
        });
    }

    /// Drops a key by name: an index, a unique key or the primary key. False where there is none.
    pub(super) fn drop_mysql_key(&mut self, table: &ObjectName, name: &Ident) -> bool {
        if !self.mysql_key_exists(table, name) {
            return false;
        }
        let Some(t) = self.table(table) else { return false };
        let removed: Vec<Ident> = t
            .indexes
            .all_named(name)
            .flat_map(|i| i.parts.iter().filter_map(|p| p.column.clone()))
            .chain(t.constraints.all_named(name).flat_map(|c| c.key_columns().iter().cloned()))
            .collect();
        t.indexes.retain_named(name, |_| false);
        t.constraints.retain_named(name, |c| {
            !matches!(c.kind, ConstraintKind::PrimaryKey { .. } | ConstraintKind::Unique { .. })
        });
        self.foreign_keys_still_served(table, name, &removed);
        true
    }

    /// Error 1553: an index that a foreign key needs cannot be dropped.
    fn foreign_keys_still_served(&mut self, table: &ObjectName, index: &Ident, key: &[Ident]) {
        let Some(t) = self.catalog.tables.get(table) else { return };
        let needed = t.constraints.iter().find_map(|c| match &c.kind {
            ConstraintKind::ForeignKey { columns, .. }
                if key.starts_with(columns)
                    && !t.has_prefix_index(columns)
                    && !self.catalog.lookup.keys_to_come.iter().any(|k| k.starts_with(columns)) =>
            {
                Some(Dependent::ForeignKey {
                    table: table.clone(),
                    name: c.name.clone(),
                    columns: columns.clone(),
                })
            }
            _ => None,
        });
        if let Some(by) = needed {
            self.index_needed(table, index, &by);
        }
    }

    /// What a column is called that a statement names as it was before the statement: another clause
    /// of it may have taken the name (`RENAME COLUMN a TO b, RENAME COLUMN b TO a`).
    pub(super) fn as_named_before(&mut self, table: &ObjectName, column: &Ident) -> Ident {
        let name = self.catalog.normalize(table);
        let lookup = &mut self.catalog.lookup;
        lookup.renamed_away.retain(|(t, c)| (t, c) != (&name, column));
        match lookup.made_room.iter().position(|(t, c, _)| (t, c) == (&name, column)) {
            Some(at) => lookup.made_room.remove(at).2,
            None => column.clone(),
        }
    }

    /// Frees a name that the statement takes from another column further on.
    pub(super) fn make_room(&mut self, table: &ObjectName, column: &Ident) {
        let key = (table.clone(), column.clone());
        let there = self.catalog.tables.get(table).is_some_and(|t| t.column(column).is_some());
        if !there || !self.catalog.lookup.renamed_away.contains(&key) {
            return;
        }
        // No name ends so.
        let aside = self.ident(&format!("{column}\u{1}"));
        self.rename_column(table, column, &aside);
        self.catalog.lookup.made_room.push((key.0, key.1, aside));
    }

    /// MySQL `MODIFY` and `CHANGE`: the column is what is stated now, and nothing else.
    pub(super) fn modify_column(
        &mut self,
        table: &ObjectName,
        from: &Ident,
        def: &ColumnDef,
        position: Option<&ColumnPosition>,
    ) {
        let from = &self.as_named_before(table, from);
        let Some(name) = self.altered_column(table, from) else {
            // What is not known of an assumed table is known from now on.
            let name = self.catalog.normalize(table);
            if self
                .catalog
                .tables
                .get(&name)
                .is_some_and(|t| t.columns_unknown && t.column(&def.name).is_none())
            {
                let column = self.column_of(&name, def);
                self.place_column(&name, column, None);
            }
            return;
        };
        if *from != def.name {
            self.rename_column(&name, from, &def.name);
        }
        let mut column = self.column_of(&name, def);
        let Some(t) = self.table(&name) else { return };
        column.not_null |= t.primary_key().contains(&def.name);
        let Some(at) = t.columns.position(&def.name) else { return };
        column.origin = t.columns[at].origin;
        if position.is_some() {
            t.columns.remove(at);
            self.place_column(&name, column, position);
        } else if let Some(old) = t.columns.get_mut(at) {
            *old = column;
        }
        if self.dialect() == Dialect::MariaDb
            && let Some(t) = self.table(&name)
        {
            // A check of the column itself is restated with it, or lost.
            t.constraints.retain(|c| {
                !(c.name.is_none()
                    && matches!(&c.kind, ConstraintKind::Check { expr, .. }
                        if expr.columns.iter().all(|c| *c == def.name)))
            });
        }
        for constraint in &def.constraints {
            self.define_constraint(&name, constraint, true);
        }
    }

    /// `SERIAL` is `BIGINT UNSIGNED NOT NULL AUTO_INCREMENT UNIQUE`.
    pub(super) fn unique_for_serial(&mut self, table: &ObjectName, column: &Ident) {
        let constraint = ConstraintDef {
            name: None,
            kind: ConstraintKind::Unique {
                columns: vec![column.clone()],
                nulls_not_distinct: false,
                using_index: None,
            },
            not_valid: false,
            deferrable: false,
            initially_deferred: false,
            not_enforced: false,
            span: Span::default(),
        };
        self.define_constraint(table, &constraint, true);
    }

    /// What MySQL's `DROP COLUMN` refuses (errors 1828, 1829, 3959).
    pub(super) fn refuse_mysql_drop(
        &mut self,
        table: &ObjectName,
        column: &Ident,
        outer: &[Dependent],
    ) {
        let Some(t) = self.catalog.tables.get(table) else { return };
        let mut reasons = Vec::new();
        for c in t.constraints.reading(column) {
            match &c.kind {
                ConstraintKind::ForeignKey { .. } => reasons.push(format!(
                    "cannot drop column {table}.{column}: needed in a foreign key constraint{}",
                    c.name.as_ref().map(|n| format!(" {n}")).unwrap_or_default()
                )),
                ConstraintKind::Check { expr, .. } if expr.columns.iter().any(|o| o != column) => {
                    reasons.push(format!(
                        "cannot drop column {table}.{column}: a CHECK constraint uses it"
                    ));
                }
                _ => {}
            }
        }
        for dependent in outer {
            let blocks = matches!(
                dependent,
                Dependent::ForeignKey { .. } | Dependent::GeneratedColumn { .. }
            );
            if blocks {
                reasons.push(format!("cannot drop column {table}.{column}: needed in {dependent}"));
            }
        }
        if t.columns.len() == 1 && !t.columns_unknown {
            reasons.push(format!(
                "cannot drop column {table}.{column}: a table must have at least one column"
            ));
        }
        for reason in reasons {
            self.refuse(reason);
        }
    }

    pub(super) fn convert_charset(
        &mut self,
        table: &ObjectName,
        charset: &str,
        collation: Option<&str>,
    ) {
        self.alter(table, |t| {
            t.options.insert("charset".into(), charset.to_owned());
            match collation {
                Some(collation) => t.options.insert("collate".into(), collation.to_owned()),
                None => t.options.remove("collate"),
            };
            let text = |column: &Column| {
                column.ty.as_ref().is_some_and(|ty| {
                    matches!(
                        ty.name.as_str(),
                        "char"
                            | "varchar"
                            | "tinytext"
                            | "text"
                            | "mediumtext"
                            | "longtext"
                            | "enum"
                            | "set"
                    )
                })
            };
            // Every text column now has the table's own character set.
            t.columns.change_where(text, |column| {
                if let Some(ty) = &mut column.ty {
                    ty.charset = None;
                }
                column.collation = None;
            });
        });
    }

    /// `ADD|DROP|REORGANIZE|… PARTITION`, `PARTITION BY`, `REMOVE PARTITIONING`.
    pub(super) fn mysql_partition(&mut self, table: &ObjectName, verb: &str, text: &str) {
        let verb = verb.to_lowercase();
        let Some(name) = self.altered_table(table) else { return };
        let Some(known) = self.table(&name) else { return };
        match (verb.as_str(), &known.partitioning) {
            ("remove", _) => known.partitioning = None,
            ("by", _) => known.partitioning = Some(Partitioning::By(text.to_owned())),
            (_, Some(Partitioning::By(old))) => {
                let old = old.clone();
                let mut partitions = MysqlPartitions::clone(&self.catalog.mysql_partitions(&old));
                match partitions.change(&verb, text) {
                    Ok(()) => {
                        let text = self.catalog.divided(partitions);
                        if let Some(known) = self.table(&name) {
                            known.partitioning = Some(Partitioning::By(text));
                        }
                    }
                    Err(PartitionProblem::Missing(part)) => {
                        self.missing_part("partition", &name, &part);
                        return;
                    }
                    Err(PartitionProblem::Exists(part)) => {
                        self.exists_part("partition", &name, &part);
                        return;
                    }
                    Err(PartitionProblem::Refused(why)) => {
                        self.refuse(format!("{why} (`{name}`)"));
                        return;
                    }
                }
                self.partition_moves(&name, &verb, text);
            }
            // Of a table that only part of is known, nothing is claimed.
            (_, None) if !known.assumed && !known.columns_unknown => {
                self.refuse(format!("`{name}` is not partitioned"));
            }
            _ => {}
        }
    }

    /// A partition changes places with a table, or becomes one.
    fn partition_moves(&mut self, table: &ObjectName, verb: &str, text: &str) {
        let words: Vec<&str> = text.split_whitespace().collect();
        let behind = |word: &str| {
            let at = words.windows(2).position(|w| {
                w[0].eq_ignore_ascii_case(word) && w[1].eq_ignore_ascii_case("table")
            })?;
            let name = words.get(at + 2)?.trim_end_matches(';');
            let quoted = name.starts_with('`');
            let plain = name.trim_matches('`');
            let simple = plain.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '$');
            simple.then(|| ObjectName::bare(Ident::new(self.dialect(), plain, quoted)))
        };
        match verb {
            "exchange" => {
                let Some(with) = behind("with").map(|n| self.catalog.normalize(&n)) else { return };
                match self.catalog.tables.get(&with) {
                    None => self.missing("table", &with),
                    Some(other) if !self.is_like(table, other) => {
                        self.refuse(format!("`{with}` and `{table}` have different definitions"));
                    }
                    Some(_) => {}
                }
            }
            "convert" => {
                let Some(to) = behind("to").map(|n| self.catalog.normalize(&n)) else { return };
                if self.catalog.tables.contains_key(&to) {
                    self.exists("table", &to);
                } else if let Some(mut new) = self.catalog.tables.get(table).cloned() {
                    new.name = to.clone();
                    new.partitioning = None;
                    self.catalog.tables.insert(to, new);
                }
            }
            _ => {}
        }
    }

    /// A table that a partition of another can be exchanged with has the same columns, and is not
    /// divided itself; where not all is known, it may be.
    fn is_like(&self, table: &ObjectName, other: &Table) -> bool {
        let Some(table) = self.catalog.tables.get(table) else { return true };
        if [table, other].iter().any(|t| t.assumed || t.columns_unknown) {
            return true;
        }
        let names = |t: &Table| t.columns.iter().map(|c| c.name.clone()).collect::<Vec<_>>();
        other.partitioning.is_none() && names(table) == names(other)
    }

    /// Whether the session switched `foreign_key_checks` off.
    pub(super) fn foreign_key_checks_off(&self) -> bool {
        self.is_mysql() && self.catalog.lookup.foreign_key_checks_off
    }
}

/// The plain columns that a key which is added begins with.
pub(super) fn key_of(change: &Change) -> Option<Vec<Ident>> {
    match change {
        Change::CreateIndex { index, .. } => {
            Some(index.parts.iter().map_while(|p| p.column.clone()).collect())
        }
        Change::AddConstraint { constraint, .. } => match &constraint.kind {
            ConstraintKind::PrimaryKey { columns, .. } | ConstraintKind::Unique { columns, .. } => {
                Some(columns.clone())
            }
            _ => None,
        },
        _ => None,
    }
}

/// The highest number behind a prefix among names; 0 without one.
fn highest<'c>(constraints: impl Iterator<Item = &'c Constraint>, prefix: &str) -> u64 {
    let prefix = prefix.to_lowercase();
    constraints
        .filter_map(|c| c.name.as_ref()?.key().strip_prefix(prefix.as_str())?.parse().ok())
        .max()
        .unwrap_or(0)
}

//! Indexes.

use super::table::parent_of;
use super::{Builder, Step};
use crate::apply::index_def;
use crate::diff::same_index;
use crate::{Catalog, Constraint, Index, Parts, Table};
use downhaul_syntax::{Change, ConstraintKind, ObjectKind, ObjectName};

impl Builder<'_> {
    pub(super) fn indexes(&mut self, table: &ObjectName, from: &Parts<Index>, to: &Parts<Index>) {
        let dialect = self.dialect();
        let (parent_from, parent_to) = (parent_of(self.from, table), parent_of(self.to, table));
        // The index of a partition comes and goes with its parent's.
        let of_parent = |parent: Option<&Table>, index: &Index| {
            parent.is_some_and(|p| {
                p.indexes.iter().any(|i| {
                    i.parts == index.parts
                        && i.unique == index.unique
                        && i.predicate == index.predicate
                })
            })
        };
        let (only_from, only_to) = from.unshared(to);
        for old in only_from.into_iter().filter(|i| !i.implied) {
            let twin = to.named(&old.name.name).filter(|i| i.name == old.name);
            if twin.is_some_and(|t| same_index(old, t, dialect))
                || of_parent(parent_from, old) && !of_parent(parent_to, old)
            {
                continue;
            }
            // It goes with its column.
            let gone = !self.is_mysql()
                && self.to.tables.get(table).is_some_and(|t| {
                    old.parts
                        .iter()
                        .filter_map(|p| p.column.as_ref())
                        .any(|c| t.column(c).is_none())
                })
                && !self.is_sqlite();
            if !gone {
                self.push(
                    Step::DropIndexes,
                    Change::DropIndex {
                        name: old.name.clone(),
                        table: self.is_mysql().then(|| table.clone()),
                        concurrently: false,
                        if_exists: false,
                        cascade: false,
                    },
                );
            }
        }
        let serving = only_to.iter().filter(|i| i.implied && self.serves_what_stays(table, i));
        for new in serving.copied().collect::<Vec<_>>() {
            let index = index_def(new, table);
            let create = Change::CreateIndex { index, concurrently: false, if_not_exists: false };
            self.push(Step::ServeForeignKeys, create);
        }
        for new in only_to.into_iter().filter(|i| !i.implied) {
            let twin = from.named(&new.name.name).filter(|i| i.name == new.name);
            let inherited = of_parent(parent_to, new) && !of_parent(parent_from, new);
            if !inherited && !twin.is_some_and(|t| same_index(new, t, dialect)) {
                self.push(
                    Step::CreateIndexes,
                    Change::CreateIndex {
                        index: index_def(new, table),
                        concurrently: false,
                        if_not_exists: false,
                    },
                );
            }
            if twin.and_then(|t| t.comment.as_ref()) != new.comment.as_ref() && !self.is_mysql() {
                self.push(
                    Step::Describe,
                    Change::Comment {
                        kind: ObjectKind::Index,
                        table: None,
                        name: new.name.clone(),
                        text: new.comment.clone(),
                    },
                );
            }
        }
    }
}

impl Builder<'_> {
    /// Whether a foreign key stands on both sides for which the server made this index on the one: it vanished
    /// when another index could serve in its place (MySQL manual §15.1.20.5), and nothing brings it back.
    fn serves_what_stays(&self, table: &ObjectName, index: &Index) -> bool {
        let columns: Vec<_> = index.parts.iter().map_while(|p| p.column.as_ref()).collect();
        let served = |catalog: &Catalog, wanted: Option<&Constraint>| {
            let found = catalog.tables.get(table)?.constraints.iter().find(|c| {
                matches!(&c.kind, ConstraintKind::ForeignKey { columns: of, .. } if of.iter().eq(columns.iter().copied()))
                    && wanted.is_none_or(|wanted| c.name == wanted.name && c.kind == wanted.kind)
            })?;
            Some(found.clone())
        };
        served(self.to, None).is_some_and(|key| served(self.from, Some(&key)).is_some())
    }
}

/// Indexes that a partition gets from its parent.
pub(super) fn inherited_indexes(table: &Table, parent: &Table) -> Parts<Index> {
    table
        .indexes
        .iter()
        .filter(|i| {
            parent
                .indexes
                .iter()
                .any(|p| p.parts == i.parts && p.unique == i.unique && p.predicate == i.predicate)
        })
        .cloned()
        .collect()
}

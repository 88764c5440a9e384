//! What `apply` derives from a catalog so that no change costs a walk over all of it.

use downhaul_syntax::{ConstraintKind, Ident, ObjectName, Partitioning};

use crate::objects::Objects;
use crate::{Catalog, Origin, Table};

/// A set of names that is cheap to copy.
pub(crate) type Names = Objects<ObjectName, ()>;

/// How a table or view refers to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tie {
    /// It is a partition or an heir.
    Child,
    /// By foreign key.
    ForeignKey,
    /// By the query of a view.
    Query,
}

impl Tie {
    const ALL: [Self; 3] = [Self::Child, Self::ForeignKey, Self::Query];
}

/// Derived maps and the session's state. Never compared, never stored.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lookup {
    /// Number of tables and views when the maps were last true; `None` before the first time.
    seen: Option<(usize, usize)>,
    /// Table or materialized view of each index, those of constraints included. Empty on MySQL,
    /// where an index name belongs to its table.
    pub(crate) index_owner: Objects<ObjectName, ObjectName>,
    /// Tables and views that may mention a table, for each [`Tie`]: thousands may refer to a table
    /// that has no child. A superset: entries are checked where they are used, and not removed.
    mentions: [Objects<ObjectName, Names>; 3],
    /// Sequences that may be owned by a column of a table; a superset too.
    pub(crate) owned: Objects<ObjectName, Names>,
    /// Schemas that the session searches, where it set them; `public` in its place.
    pub(crate) search_path: Vec<Ident>,
    /// Migration that the session belongs to.
    pub(crate) session_of: Option<Origin>,
    /// Objects that conditional code may have created or dropped.
    pub(crate) maybe: Names,
    /// `SET foreign_key_checks = 0` holds (MySQL).
    pub(crate) foreign_key_checks_off: bool,
    /// What one statement drops at once: its targets do not stand in each other's way, and one
    /// that went with another is not missing.
    pub(crate) together: Vec<ObjectName>,
    /// `SET LOCAL search_path` holds, and this is the path to return to.
    pub(crate) local_path: Option<Vec<Ident>>,
}

impl PartialEq for Lookup {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Lookup {
    /// Notes that `by` mentions `target`.
    pub(crate) fn mention(&mut self, tie: Tie, target: &ObjectName, by: &ObjectName) {
        let mentions = &mut self.mentions[tie as usize];
        if mentions.get(target).is_none_or(|all| !all.contains_key(by)) {
            mentions.or_default(target).insert(by.clone(), ());
        }
    }

    /// `from` is called `to` from now on. Returns what may mention it.
    pub(crate) fn rename_target(&mut self, from: &ObjectName, to: &ObjectName) -> Vec<ObjectName> {
        let all = self.mentioning(from);
        for tie in Tie::ALL {
            let moved = self.mentions[tie as usize].remove(from).unwrap_or_default();
            for by in moved.keys() {
                self.mention(tie, to, by);
            }
        }
        all
    }

    /// Whether the derived maps are true for this catalog.
    pub(crate) fn is_fresh(&self, catalog: &Catalog) -> bool {
        self.seen == Some((catalog.tables.len(), catalog.views.len()))
    }

    /// Tables and views that may mention `target`, in order of name.
    pub(crate) fn mentioning(&self, target: &ObjectName) -> Vec<ObjectName> {
        let mut all: Vec<ObjectName> =
            Tie::ALL.iter().flat_map(|tie| self.tied(*tie, target)).cloned().collect();
        all.sort();
        all.dedup();
        all
    }

    /// Tables or views that may refer to `target` in this way, in order of name.
    pub(crate) fn tied(&self, tie: Tie, target: &ObjectName) -> impl Iterator<Item = &ObjectName> {
        self.mentions[tie as usize].get(target).into_iter().flat_map(Objects::keys)
    }
}

impl Catalog {
    /// Makes the derived maps true again after something other than `apply` filled the catalog.
    pub(crate) fn refresh_lookup(&mut self) {
        if self.lookup.is_fresh(self) {
            return;
        }
        let now = (self.tables.len(), self.views.len());
        let mut lookup = std::mem::take(&mut self.lookup);
        lookup.index_owner.clear();
        lookup.mentions = Default::default();
        lookup.owned.clear();
        for table in self.tables.values() {
            note_table(&mut lookup, table, !self.dialect.is_mysql_family());
        }
        for view in self.views.values() {
            for target in &view.query.tables {
                lookup.mention(Tie::Query, target, &view.name);
            }
            for index in &view.indexes {
                lookup.index_owner.insert(index.name.clone(), view.name.clone());
            }
        }
        for sequence in self.sequences.values() {
            if let Some((table, _)) = &sequence.owned_by {
                lookup.owned.or_default(table).insert(sequence.name.clone(), ());
            }
        }
        lookup.seen = Some(now);
        self.lookup = lookup;
    }

    /// Tables that may be a partition or heir of this one, in order of name. A superset: check each
    /// for what is asked; so also below.
    pub fn perhaps_children(&self, name: &ObjectName) -> impl Iterator<Item = &ObjectName> {
        self.lookup.tied(Tie::Child, &self.normalize(name)).collect::<Vec<_>>().into_iter()
    }

    /// Tables that may have a foreign key to this one, in order of name.
    pub fn perhaps_referencing(&self, name: &ObjectName) -> impl Iterator<Item = &ObjectName> {
        self.lookup.tied(Tie::ForeignKey, &self.normalize(name)).collect::<Vec<_>>().into_iter()
    }

    /// Views that may read this table or view, in order of name.
    pub fn perhaps_reading(&self, name: &ObjectName) -> impl Iterator<Item = &ObjectName> {
        self.lookup.tied(Tie::Query, &self.normalize(name)).collect::<Vec<_>>().into_iter()
    }

    /// The table or materialized view of an index, indexes of constraints included. Always `None`
    /// on MySQL, where an index name belongs to its table.
    #[must_use]
    pub fn index_owner(&self, index: &ObjectName) -> Option<&ObjectName> {
        self.lookup.index_owner.get(&self.normalize(index))
    }

    /// Makes [`Self::perhaps_children`], its like and [`Self::index_owner`] true for a catalog that something other
    /// than `apply` filled. Cheap where nothing is to be done.
    pub fn prepare(&mut self) {
        self.refresh_lookup();
        self.lookup_is_true();
    }

    /// Says that the derived maps are true for the catalog as it is now.
    pub(crate) fn lookup_is_true(&mut self) {
        self.lookup.seen = Some((self.tables.len(), self.views.len()));
    }

    /// Notes all that a table mentions and the indexes that it has.
    pub(crate) fn note_table(&mut self, name: &ObjectName) {
        if let Some(table) = self.tables.get(name) {
            note_table(&mut self.lookup, table, !self.dialect.is_mysql_family());
        }
    }
}

fn note_table(lookup: &mut Lookup, table: &Table, global_indexes: bool) {
    for constraint in &table.constraints {
        match (&constraint.kind, &constraint.name) {
            (ConstraintKind::ForeignKey { table: target, .. }, _) => {
                lookup.mention(Tie::ForeignKey, target, &table.name);
            }
            (
                ConstraintKind::PrimaryKey { .. }
                | ConstraintKind::Unique { .. }
                | ConstraintKind::Exclude { .. },
                Some(name),
            ) if global_indexes => {
                let index = ObjectName { schema: table.name.schema.clone(), name: name.clone() };
                lookup.index_owner.insert(index, table.name.clone());
            }
            _ => {}
        }
    }
    if global_indexes {
        for index in &table.indexes {
            lookup.index_owner.insert(index.name.clone(), table.name.clone());
        }
    }
    if let Some(Partitioning::Of { parent, .. }) = &table.partitioning {
        lookup.mention(Tie::Child, parent, &table.name);
    }
    for parent in &table.inherits {
        lookup.mention(Tie::Child, parent, &table.name);
    }
}

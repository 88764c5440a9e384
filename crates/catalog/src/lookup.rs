//! What `apply` derives from a catalog so that no change costs a walk over all of it.

use std::sync::Arc;

use downhaul_syntax::{ConstraintKind, Ident, ObjectName, Partitioning};

use crate::objects::Objects;
use crate::{Catalog, MysqlPartitions, Origin, Table};

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
    /// It is the DEFAULT partition.
    Default,
}

impl Tie {
    const ALL: [Self; 4] = [Self::Child, Self::ForeignKey, Self::Query, Self::Default];
}

/// Ends of `FROM (a) TO (b)` with one constant each.
#[must_use]
pub fn range_ends(bounds: &str) -> Option<(&str, &str)> {
    let (from, to) = bounds.split_once(" TO ").or_else(|| bounds.split_once(" to "))?;
    let inside = |text: &str| -> Option<(usize, usize)> {
        let (a, b) = (text.find('(')?, text.rfind(')')?);
        (a < b && !text[a..b].contains(',')).then_some((a + 1, b))
    };
    let (a, b) = inside(from)?;
    let (c, d) = inside(to)?;
    Some((from[a..b].trim(), to[c..d].trim()))
}

/// Where a range starts, in the order of the values: numbers, and quoted constants of one length
/// (dates).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum RangeKey {
    /// Bits of the number, turned so that they sort as it does.
    Number(u64),
    Text(usize, String),
}

impl RangeKey {
    fn of(constant: &str) -> Option<Self> {
        if let Ok(number) = constant.parse::<f64>() {
            let bits = number.to_bits();
            return Some(Self::Number(if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }));
        }
        constant.starts_with('\'').then(|| Self::Text(constant.len(), constant.to_owned()))
    }

    /// Keys of one kind are compared by value.
    fn kind(&self) -> usize {
        match self {
            Self::Number(_) => 0,
            Self::Text(len, _) => *len,
        }
    }
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
    mentions: [Objects<ObjectName, Names>; 4],
    /// Range partitions by where they start; a superset too.
    ranges: Objects<ObjectName, Objects<RangeKey, ObjectName>>,
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
    /// The statement is an `ALTER TABLE ONLY`: children stay as they are.
    pub(crate) only: bool,
    /// The statement is a `DROP TEMPORARY TABLE`: other tables stay (MySQL).
    pub(crate) temporary_only: bool,
    /// Columns of the keys that the statement adds, whichever clause it is (MySQL).
    pub(crate) keys_to_come: Vec<Vec<Ident>>,
    /// Columns that the statement is yet to rename: their names are free for others of it (MySQL).
    pub(crate) renamed_away: Vec<(ObjectName, Ident)>,
    /// Those whose name another one has taken already, and what they are called until their turn.
    pub(crate) made_room: Vec<(ObjectName, Ident, Ident)>,
    /// `SET LOCAL search_path` holds, and this is the path to return to.
    pub(crate) local_path: Option<Vec<Ident>>,
    /// Text and reading of how the last table that was changed so is divided (MySQL).
    divided: Option<(Arc<str>, Arc<MysqlPartitions>)>,
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
        if let Some(ranges) = self.ranges.remove(from) {
            self.ranges.insert(to.clone(), ranges);
        }
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
    /// What follows `PARTITION BY` of a table, read (MySQL).
    #[must_use]
    pub fn mysql_partitions(&self, text: &str) -> Arc<MysqlPartitions> {
        match &self.lookup.divided {
            Some((known, read)) if **known == *text => Arc::clone(read),
            _ => Arc::new(MysqlPartitions::read(text, self.dialect)),
        }
    }

    /// The text of how a table is divided now, which need not be read again.
    pub(crate) fn divided(&mut self, partitions: MysqlPartitions) -> String {
        let text = partitions.text();
        self.lookup.divided = Some((text.as_str().into(), Arc::new(partitions)));
        text
    }

    /// Makes the derived maps true again after something other than `apply` filled the catalog.
    pub(crate) fn refresh_lookup(&mut self) {
        if self.lookup.is_fresh(self) {
            return;
        }
        let now = (self.tables.len(), self.views.len());
        let mut lookup = std::mem::take(&mut self.lookup);
        lookup.index_owner.clear();
        lookup.mentions = Default::default();
        lookup.ranges.clear();
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

    /// Tables that may be the DEFAULT partition of this one.
    pub fn perhaps_default_partition(
        &self,
        name: &ObjectName,
    ) -> impl Iterator<Item = &ObjectName> {
        self.lookup.tied(Tie::Default, &self.normalize(name)).collect::<Vec<_>>().into_iter()
    }

    /// Range partitions of a table that may reach into these bounds: those that start within
    /// them, and the last that starts before. The others do not, where no two of them overlap.
    #[must_use]
    pub fn perhaps_overlapping(&self, parent: &ObjectName, bounds: &str) -> Vec<&ObjectName> {
        let parent = self.normalize(parent);
        let ends = range_ends(bounds).and_then(|(from, to)| Some((RangeKey::of(from)?, to)));
        let (Some((from, to)), Some(ranges)) = (ends, self.lookup.ranges.get(&parent)) else {
            return Vec::new();
        };
        let is_partition = |name: &ObjectName| {
            self.tables.get(name).is_some_and(|t| {
                matches!(&t.partitioning, Some(Partitioning::Of { parent: p, .. })
                    if self.normalize(p) == parent)
            })
        };
        let to = RangeKey::of(to);
        let within = ranges
            .range(from.clone()..)
            .take_while(|(key, _)| to.as_ref().is_none_or(|to| *key < to))
            .map(|(_, name)| name)
            .filter(|name| is_partition(name));
        let before = ranges
            .before(&from)
            .take_while(|(key, _)| key.kind() == from.kind())
            .map(|(_, name)| name)
            .find(|name| is_partition(name));
        within.chain(before).collect()
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
    if let Some(Partitioning::Of { parent, bounds }) = &table.partitioning {
        lookup.mention(Tie::Child, parent, &table.name);
        match bounds.as_deref().map(range_ends) {
            None => lookup.mention(Tie::Default, parent, &table.name),
            Some(Some((from, _))) => {
                if let Some(key) = RangeKey::of(from) {
                    lookup.ranges.or_default(parent).insert(key, table.name.clone());
                }
            }
            Some(None) => {}
        }
    }
    for parent in &table.inherits {
        lookup.mention(Tie::Child, parent, &table.name);
    }
}

#[cfg(test)]
mod tests {
    use downhaul_syntax::{Dialect, Ident, ObjectName, parse_script};

    use crate::{Catalog, Origin};

    #[test]
    fn partitions_that_a_range_may_reach_into() {
        let mut catalog = Catalog::new(Dialect::Postgres);
        let script = "CREATE TABLE t (id int, k int) PARTITION BY RANGE (k);
            CREATE TABLE low PARTITION OF t FOR VALUES FROM (-20) TO (-3);
            CREATE TABLE a PARTITION OF t FOR VALUES FROM (-3) TO (9);
            CREATE TABLE gone PARTITION OF t FOR VALUES FROM (9) TO (10);
            CREATE TABLE b PARTITION OF t FOR VALUES FROM (10) TO (100);
            CREATE TABLE c PARTITION OF t FOR VALUES FROM (100) TO (200);
            CREATE TABLE rest PARTITION OF t DEFAULT;
            DROP TABLE gone;
            ALTER TABLE t RENAME TO u;";
        catalog.apply_script(&parse_script(script, Dialect::Postgres), Origin::Baseline);
        let name = |n: &str| ObjectName::bare(Ident::stored(Dialect::Postgres, n));
        let reached = |bounds: &str| -> Vec<String> {
            let found = catalog.perhaps_overlapping(&name("u"), bounds);
            found.into_iter().map(ToString::to_string).collect()
        };
        assert_eq!(reached("FROM (11) TO (12)"), ["b"]);
        assert_eq!(reached("FROM (9) TO (11)"), ["b", "a"], "what is gone hides nothing");
        assert_eq!(reached("FROM (-30) TO (101)"), ["low", "a", "b", "c"]);
        assert_eq!(reached("FROM (-4) TO (-3)"), ["low"], "numbers, not texts");
        assert!(reached("FROM ('2024-01-01') TO ('2024-02-01')").is_empty());
        let default: Vec<_> = catalog.perhaps_default_partition(&name("u")).collect();
        assert_eq!(default, [&name("rest")]);
    }
}

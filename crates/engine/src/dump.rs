//! The schema as the server itself states it: one DDL text per object, exact enough to compare two
//! moments and to put back what is missing.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Makes [`DumpKind`] of its kinds and their names.
macro_rules! kinds {
    ($($kind:ident $name:literal,)*) => {
        /// Kinds of object in a dump, in the order in which they can be created.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[allow(missing_docs)]
        pub enum DumpKind {
            $($kind,)*
        }

        impl DumpKind {
            /// For people.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }

            /// The kind of this name, as [`Self::as_str`] gives it.
            pub(crate) fn parse(text: &str) -> Option<Self> {
                match text {
                    $($name => Some(Self::$kind),)*
                    _ => None,
                }
            }
        }
    };
}

kinds! {
    Schema "schema",
    Extension "extension",
    Type "type",
    Sequence "sequence",
    Function "function",
    Table "table",
    Column "column",
    Default "default",
    NotNull "not null",
    ColumnOption "column option",
    SequenceOwner "sequence owner",
    View "view",
    Constraint "constraint",
    Index "index",
    Statistics "statistics",
    ForeignKey "foreign key",
    Trigger "trigger",
    TriggerState "trigger state",
    Rule "rule",
    RowSecurity "row security",
    Policy "policy",
    Owner "owner",
    Grant "grant",
    Comment "comment",
}

/// Identity of an object within a dump.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectId {
    /// Kind.
    pub kind: DumpKind,
    /// Full name, as the server quotes it: `shop.orders`, `shop.orders.total`.
    pub name: String,
}

/// One object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DumpObject {
    /// Identity.
    pub id: ObjectId,
    /// Statement that creates it.
    pub create: String,
    /// Statement that removes it.
    pub remove: String,
    /// What is compared: equal means the same object.
    pub fingerprint: String,
    /// Its creation is part of another object's (a column's of its table's).
    pub part: bool,
    /// Statement that brings a sequence made anew to where it was; no part of what is compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<String>,
}

/// A schema at one moment, objects in the order in which they can be created.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaDump {
    /// All objects.
    pub objects: Vec<DumpObject>,
}

/// An object that two dumps do not agree on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DumpDifference<'a> {
    /// In the first dump.
    pub left: Option<&'a DumpObject>,
    /// In the second dump.
    pub right: Option<&'a DumpObject>,
}

impl DumpDifference<'_> {
    /// Identity of the object.
    #[must_use]
    pub fn id(&self) -> &ObjectId {
        match (self.left, self.right) {
            (Some(object), _) | (None, Some(object)) => &object.id,
            (None, None) => unreachable!("a difference has at least one side"),
        }
    }
}

impl SchemaDump {
    /// All objects by their identity.
    #[must_use]
    pub fn by_id(&self) -> BTreeMap<&ObjectId, &DumpObject> {
        self.objects.iter().map(|object| (&object.id, object)).collect()
    }

    /// The object of this identity.
    #[must_use]
    pub fn get(&self, id: &ObjectId) -> Option<&DumpObject> {
        self.objects.iter().find(|object| object.id == *id)
    }

    /// What differs, in creation order of `self`, then objects that only `other` has.
    #[must_use]
    pub fn differences<'a>(&'a self, other: &'a Self) -> Vec<DumpDifference<'a>> {
        let (left, right) = (self.by_id(), other.by_id());
        let mut differences = Vec::new();
        for object in &self.objects {
            let there = right.get(&object.id).copied();
            if there.is_none_or(|there| there.fingerprint != object.fingerprint) {
                differences.push(DumpDifference { left: Some(object), right: there });
            }
        }
        for object in other.objects.iter().filter(|object| !left.contains_key(&object.id)) {
            differences.push(DumpDifference { left: None, right: Some(object) });
        }
        differences
    }

    /// [`Self::differences`] without those that go without saying: where only one has a table, its
    /// columns, its owner and whatever else is named after it.
    #[must_use]
    pub fn plain_differences<'a>(&'a self, other: &'a Self) -> Vec<DumpDifference<'a>> {
        let all = self.differences(other);
        let whole: BTreeSet<&str> = all
            .iter()
            .filter(|d| d.left.is_none() || d.right.is_none())
            .map(DumpDifference::id)
            .filter(|id| matches!(id.kind, DumpKind::Table | DumpKind::View))
            .map(|id| id.name.as_str())
            .collect();
        let follows = |id: &ObjectId| {
            let named_after =
                id.name.match_indices('.').any(|(at, _)| whole.contains(&id.name[..at]));
            let itself = matches!(id.kind, DumpKind::Table | DumpKind::View);
            named_after || !itself && whole.contains(id.name.as_str())
        };
        all.iter().filter(|difference| !follows(difference.id())).cloned().collect()
    }

    /// The objects on which two dumps do not agree, as each of them has them: all that is needed to
    /// find and to mend the difference again, however large the schemas are.
    #[must_use]
    pub fn only_differences(&self, other: &Self) -> (Self, Self) {
        let differences = self.differences(other);
        let ids: BTreeSet<&ObjectId> = differences.iter().map(DumpDifference::id).collect();
        // MySQL states a column anew as a whole.
        let of_kind = ids.iter().filter(|id| id.kind == DumpKind::Column);
        let columns: BTreeSet<&str> = of_kind.map(|id| id.name.as_str()).collect();
        let wanted = |id: &ObjectId| {
            ids.contains(id) || id.kind == DumpKind::NotNull && columns.contains(id.name.as_str())
        };
        let of = |dump: &Self| Self {
            objects: dump.objects.iter().filter(|o| wanted(&o.id)).cloned().collect(),
        };
        (of(self), of(other))
    }

    /// As a script: what `schema dump` prints.
    #[must_use]
    pub fn script(&self) -> String {
        let mut text = String::new();
        for object in self.objects.iter().filter(|object| !object.part) {
            text.push_str(object.create.trim_end_matches(';'));
            text.push_str(";\n\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(kind: DumpKind, name: &str) -> DumpObject {
        DumpObject {
            id: ObjectId { kind, name: name.to_owned() },
            create: format!("create {name}"),
            remove: String::new(),
            fingerprint: String::new(),
            part: false,
            position: None,
        }
    }

    #[test]
    fn what_comes_with_a_table_goes_without_saying() {
        let before = SchemaDump {
            objects: vec![
                object(DumpKind::Schema, "s"),
                object(DumpKind::Table, "s.orders"),
                object(DumpKind::Column, "s.orders.id"),
            ],
        };
        let mut after = before.clone();
        after.objects.extend([
            object(DumpKind::Table, "s.new"),
            object(DumpKind::Column, "s.new.id"),
            object(DumpKind::Owner, "s.new"),
            object(DumpKind::Column, "s.orders.note"),
            object(DumpKind::Index, "s.news"),
        ]);
        let names = |differences: Vec<DumpDifference<'_>>| {
            differences.iter().map(|d| d.id().name.clone()).collect::<Vec<_>>()
        };
        let plain = ["s.new", "s.orders.note", "s.news"];
        assert_eq!(names(before.plain_differences(&after)), plain);
        assert_eq!(names(after.plain_differences(&before)), plain);
        assert_eq!(before.differences(&after).len(), 5);
    }
}

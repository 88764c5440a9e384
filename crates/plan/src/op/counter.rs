//! The counter of an identity column, and how another column goes on counting.
//!
//! The sequence behind an identity belongs to its column for good: so the other column gets one of its own,
//! which goes on where the first one stood.

use downhaul_catalog::Catalog;
use downhaul_syntax::{
    Change, ColumnDef, Dialect, Ident, Identity, ObjectKind, ObjectName, SqlType,
};

use super::piece::Side;
use super::{HERE, Made, Refused, Scene, refused};

/// The counter of a column.
#[derive(Clone, Debug)]
pub(crate) struct Counter {
    identity: Identity,
    table: ObjectName,
    /// As the server calls it.
    sequence: ObjectName,
    /// While the other one counts.
    aside: ObjectName,
    dialect: Dialect,
}

impl Counter {
    /// That of an identity column.
    pub(crate) fn of(
        scene: &Scene<'_>,
        table: &ObjectName,
        column: &Ident,
        identity: Identity,
    ) -> Result<Self, Refused> {
        let Some(sequence) = owned(scene.now, table, column) else {
            return refused(
                format!("the sequence of {table}.{column} is not known"),
                "give the schema with --schema FILE",
            );
        };
        let name = super::names::free_part(scene.now, table, &format!("{}_spare", sequence.name));
        let aside = ObjectName { schema: sequence.schema.clone(), name };
        let (table, dialect) = (table.clone(), scene.dialect());
        Ok(Self { identity, table, sequence, aside, dialect })
    }

    /// What a person should know.
    pub(crate) fn note(&self, made: &mut Made) {
        made.note(format!(
            "{} is made anew at the switch, with the number that it had reached: privileges on it are not repeated (an identity needs none), and who calls nextval() of it by name may fail once at that moment",
            self.sequence
        ));
    }

    /// Before anything changes: fails where the sequence counts otherwise than by default.
    pub(crate) fn ask(&self, side: &mut Side) {
        let quoted = self.dialect.literal(&self.dialect.quote_name_if_needed(&self.sequence));
        let says = self.dialect.literal(&format!(
            "{} counts otherwise than by default, make the column a plain one with a sequence first: increment ",
            self.sequence
        ));
        side.sql(
            "The sequence is made anew at the switch. Fails here, where nothing has changed yet, if it does not count as a new one would; no row is right.",
            format!(
                "SELECT CAST({says} || seqincrement || ', start ' || seqstart || ', minimum ' || seqmin || ', cache ' || seqcache AS int)\nFROM pg_catalog.pg_sequence WHERE seqrelid = CAST({quoted} AS regclass)\n  AND (seqincrement, seqstart, seqmin, seqcache, seqcycle) <> (1, 1, 1, 1, false)"
            ),
        );
    }

    /// The column `to`, of this type, goes on counting instead of `from`. Both are `NOT NULL`.
    pub(crate) fn pass(
        &self,
        scene: &Scene<'_>,
        from: &Ident,
        (to, ty): (&Ident, Option<&SqlType>),
        side: &mut Side,
    ) -> Result<(), Refused> {
        let dialect = self.dialect;
        let rename = |from: &ObjectName, to: &ObjectName| Change::Rename {
            kind: ObjectKind::Sequence,
            table: None,
            from: from.clone(),
            to: to.name.clone(),
        };
        let fresh = self.fresh(scene.now, to, ty);
        side.change(
            "The new column goes on counting where the old one stands. Under another name nobody draws a number from the old sequence any more.",
            &rename(&self.sequence, &self.aside),
            dialect,
        )?;
        let add = Change::AddIdentity {
            table: self.table.clone(),
            column: to.clone(),
            identity: self.identity,
        };
        side.change("", &add, dialect)?;
        side.change("", &rename(&fresh, &self.sequence), dialect)?;
        side.sql(
            "",
            format!(
                "SELECT setval({}, last_value, is_called) FROM {}",
                dialect.literal(&dialect.quote_name_if_needed(&self.sequence)),
                dialect.quote_name_if_needed(&self.aside)
            ),
        );
        let drop = Change::DropIdentity {
            table: self.table.clone(),
            column: from.clone(),
            if_exists: false,
        };
        side.change("", &drop, dialect)?;
        Ok(())
    }

    /// As the server names the sequence of a column that becomes an identity.
    fn fresh(&self, now: &Catalog, column: &Ident, ty: Option<&SqlType>) -> ObjectName {
        let mut with = now.clone();
        let def = now.table(&self.table).and_then(|t| t.columns.iter().next().cloned());
        let (table, column) = (self.table.clone(), column.clone());
        if let Some(first) = def {
            let def = ColumnDef {
                name: column.clone(),
                ty: ty.cloned(),
                not_null: true,
                not_null_name: None,
                default: None,
                generated: None,
                identity: None,
                comment: None,
                ..downhaul_catalog::column_def(&first)
            };
            let add = Change::AddColumn {
                table: table.clone(),
                column: def,
                if_not_exists: false,
                position: None,
            };
            with.apply(&add, HERE);
        }
        let identity = self.identity;
        with.apply(&Change::AddIdentity { table, column: column.clone(), identity }, HERE);
        owned(&with, &self.table, &column).unwrap_or_else(|| self.sequence.clone())
    }
}

/// The sequence of an identity column.
fn owned(now: &Catalog, table: &ObjectName, column: &Ident) -> Option<ObjectName> {
    let of = |owner: &(ObjectName, Ident)| owner.0 == *table && owner.1 == *column;
    now.sequences
        .values()
        .find(|s| s.of_identity && s.owned_by.as_ref().is_some_and(of))
        .map(|s| s.name.clone())
}

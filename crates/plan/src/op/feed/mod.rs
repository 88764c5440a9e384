//! A column that follows a row of another table: what feeds what, and along which columns.
//!
//! Two tables are two locks. Whoever writes a row that is fed reads the one that feeds it under a share
//! lock; whoever changes that one writes the rows that it feeds. So of two writers that meet, the second
//! waits, and finds what the first has left.

mod draft;
mod own_row;
mod postgres;
mod read;

use downhaul_catalog::{Catalog, Table};
use downhaul_syntax::{ColumnDef, ConstraintKind, Dialect, Ident, ObjectName, SqlType};

use super::conversion::{Conv, differ, directive_for};
use super::{Made, Refused, Scene, refused};

pub(crate) use draft::{Draft, drafts};
pub(crate) use postgres::Triggers;
pub(crate) use read::{bare, named};

/// A column, and the row of another table that it follows from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Feed {
    pub(crate) dialect: Dialect,
    /// The table whose column is fed.
    pub(crate) fed: ObjectName,
    pub(crate) column: Ident,
    pub(crate) ty: Option<SqlType>,
    /// The table that feeds it, and what its expressions call it.
    pub(crate) source: ObjectName,
    pub(crate) alias: Ident,
    /// The value, and which row gives it. Every column is written with its table.
    value: String,
    condition: String,
    /// Columns of the fed table that name the row, with the columns that they are equal to.
    pub(crate) links: Vec<(Ident, Ident)>,
    /// Other columns of the fed table that are read.
    own: Vec<Ident>,
    /// Columns of the source that are read.
    pub(crate) read: Vec<Ident>,
    /// It must not be NULL.
    pub(crate) required: bool,
}

/// What a new column holds, as the file says above its statement.
pub(crate) enum Holds {
    Unsaid,
    /// What an expression makes of the same row, and the column as it is to be in the end.
    Computed(Conv, Box<ColumnDef>),
    /// What a row of another table holds, and the column as it is to be in the end.
    Fed(Box<(Feed, ColumnDef)>),
}

impl Holds {
    pub(crate) fn said_of(
        column: &ColumnDef,
        known: &Table,
        scene: &Scene<'_>,
        made: &mut Made,
    ) -> Result<Self, Refused> {
        let Some(directive) = directive_for(&scene.forward, &column.name, true) else {
            return Ok(Self::Unsaid);
        };
        let not_null = column.not_null || scene.required.contains(&column.name);
        let fed = (&column.name, column.ty.as_ref(), not_null);
        let column = ColumnDef { not_null, ..column.clone() };
        if let Some(feed) = Feed::of_text(&directive.expr, known, fed, scene.now)? {
            made.read.push(directive.expr.clone());
            return Ok(Self::Fed(Box::new((feed, column))));
        }
        let conv = Conv::of_directive(directive, known, scene.dialect())?;
        Ok(Self::Computed(conv, Box::new(column)))
    }
}

impl Feed {
    /// Reads `(SELECT c.name FROM customers c WHERE c.id = orders.customer_id)`. `None` where the text
    /// reads no other table.
    pub(crate) fn of_text(
        text: &str,
        fed: &Table,
        column: (&Ident, Option<&SqlType>, bool),
        now: &Catalog,
    ) -> Result<Option<Self>, Refused> {
        let Some(lookup) = read::lookup(text, fed, now)? else { return Ok(None) };
        let Some(source) = now.table(&lookup.source) else {
            return refused(
                format!("no migration creates the table {}", lookup.source),
                "check the name, or give the schema with --schema FILE",
            );
        };
        let (name, ty, required) = column;
        let feed = Self {
            dialect: now.dialect,
            fed: fed.name.clone(),
            column: name.clone(),
            ty: ty.cloned(),
            source: source.name.clone(),
            alias: lookup.alias,
            value: lookup.value,
            condition: lookup.condition,
            links: lookup.links,
            own: lookup.own,
            read: lookup.read,
            required,
        };
        if feed.own.contains(name) || feed.links.iter().any(|(c, _)| c == name) {
            return refused(
                format!("{}.{name} is computed from itself", fed.name),
                "compute it from other columns",
            );
        }
        if !feed.names_one_row(source) {
            return refused(
                format!(
                    "several rows of {} may belong to one of {}: nothing says which of them {name} follows",
                    source.name, fed.name
                ),
                format!(
                    "compare all columns of a key of {} with columns of {}",
                    source.name, fed.name
                ),
            );
        }
        Ok(Some(feed))
    }

    /// Whether the links hold all columns of a key of the source.
    fn names_one_row(&self, source: &Table) -> bool {
        let held = |columns: &[Ident]| {
            !columns.is_empty()
                && columns.iter().all(|c| self.links.iter().any(|(_, link)| link == c))
        };
        held(source.primary_key())
            || source
                .constraints
                .iter()
                .any(|c| matches!(&c.kind, ConstraintKind::Unique { columns, .. } if held(columns)))
            || source.indexes.iter().any(|index| {
                let columns: Option<Vec<Ident>> =
                    index.parts.iter().map(|part| part.column.clone()).collect();
                index.unique && index.predicate.is_none() && columns.is_some_and(|c| held(&c))
            })
    }

    fn q(&self, ident: &Ident) -> String {
        self.dialect.quote_if_needed(ident)
    }

    fn quoted(&self, name: &ObjectName) -> String {
        self.dialect.quote_name_if_needed(name)
    }

    /// The fed table as the expressions call it.
    pub(crate) fn fed_name(&self) -> String {
        self.q(&self.fed.name)
    }

    /// The value, over the columns of both tables.
    pub(crate) fn value(&self) -> &str {
        &self.value
    }

    /// Which row of the source belongs to one of the fed table.
    pub(crate) fn condition(&self) -> &str {
        &self.condition
    }

    /// The fed column, with its table.
    pub(crate) fn fed_column(&self) -> String {
        format!("{}.{}", self.fed_name(), self.q(&self.column))
    }

    /// The source, under its alias.
    fn source_as(&self) -> String {
        format!("{} AS {}", self.quoted(&self.source), self.q(&self.alias))
    }

    /// The value, looked up within a query of the fed table; `lock` stands at its end.
    pub(crate) fn lookup(&self, lock: &str) -> String {
        format!("(SELECT {} FROM {} WHERE {}{lock})", self.value, self.source_as(), self.condition)
    }

    /// The value for the row that is about to be written.
    pub(crate) fn lookup_for_new(&self, lock: &str) -> String {
        let row: Vec<String> =
            self.fed_columns().iter().map(|c| format!("NEW.{0} AS {0}", self.q(c))).collect();
        format!(
            "(SELECT {} FROM (SELECT {}) AS {}, {} WHERE {}{lock})",
            self.value,
            row.join(", "),
            self.fed_name(),
            self.source_as(),
            self.condition
        )
    }

    /// Columns of the fed table that are read.
    pub(crate) fn fed_columns(&self) -> Vec<Ident> {
        let mut all: Vec<Ident> = Vec::new();
        for column in self.links.iter().map(|(c, _)| c).chain(&self.own) {
            if !all.contains(column) {
                all.push(column.clone());
            }
        }
        all
    }

    /// Columns of a table were changed by this `UPDATE`.
    pub(crate) fn changed(&self, columns: &[Ident], table: &Table) -> String {
        let all: Vec<String> = columns
            .iter()
            .map(|c| {
                let ty = table.column(c).and_then(|found| found.ty.clone());
                let q = self.q(c);
                differ(&format!("NEW.{q}"), &format!("OLD.{q}"), ty.as_ref(), self.dialect)
            })
            .collect();
        all.join(" OR ")
    }

    /// Columns of the links.
    pub(crate) fn link_columns(&self) -> Vec<Ident> {
        let mut all: Vec<Ident> = Vec::new();
        for (column, _) in &self.links {
            if !all.contains(column) {
                all.push(column.clone());
            }
        }
        all
    }

    /// Other columns of the fed table that are read.
    pub(crate) fn own_columns(&self) -> &[Ident] {
        &self.own
    }

    /// The `UPDATE` that fills rows that have nothing yet. It may run again and again, in any batches.
    pub(crate) fn backfill(&self, lock: &str) -> String {
        format!(
            "UPDATE {} SET {q} = {}\nWHERE {q} IS NULL\n  AND {} IS NOT NULL",
            self.quoted(&self.fed),
            self.lookup(lock),
            self.lookup(""),
            q = self.q(&self.column),
        )
    }

    /// Which rows a row of the source feeds, and those only that hold something else.
    pub(crate) fn reached(&self) -> String {
        // Other columns of the fed row may have changed behind this statement's snapshot: then the value
        // is computed again, and not compared.
        if !self.own.is_empty() {
            return self.condition.clone();
        }
        let value = format!("({})", self.value);
        let differs = differ(&self.fed_column(), &value, self.ty.as_ref(), self.dialect);
        format!("{}\n          AND {differs}", self.condition)
    }

    /// Whether a foreign key that is looked at with each statement says that every row of the fed table
    /// has its row in the source: then none can be fed by one that comes later.
    pub(crate) fn is_bound(&self, fed: &Table) -> bool {
        fed.constraints.iter().any(|c| match &c.kind {
            ConstraintKind::ForeignKey { columns, table, .. } => {
                *table == self.source && !c.deferrable && *columns == self.link_columns()
            }
            _ => false,
        })
    }

    /// Refuses a column that has a default too: which of both a new row would get is not said.
    pub(crate) fn refuse_default(
        &self,
        table: &ObjectName,
        column: &ColumnDef,
    ) -> Result<(), Refused> {
        if column.default.is_none() {
            return Ok(());
        }
        refused(
            format!("{table}.{} has a default and follows {}", column.name, self.source),
            "add it without a default, and set the default in a migration behind this one",
        )
    }

    /// What the triggers lock.
    pub(crate) fn note_on_locks(&self, lock: &str) -> String {
        format!(
            "until the contract an INSERT into {fed} locks the row of {source} that it follows ({lock}), and a change of that row writes rows of {fed}: transactions that write both tables, or several rows of them, in different orders may meet in a deadlock where they did not before. Let them write {source} first, and rows in the order of their keys; or try such a transaction again",
            fed = self.fed,
            source = self.source
        )
    }

    /// What becomes of values that a release writes itself.
    pub(crate) fn note_on_own_values(&self) -> String {
        format!(
            "what a release writes to {}.{} itself stands until the row of {} changes; behind the contract nothing follows by itself any more",
            self.fed, self.column, self.source
        )
    }

    /// What a person should know of it.
    pub(crate) fn notes(&self, fed: &Table, source: &Table) -> Vec<String> {
        let mut notes = Vec::new();
        let links = self.link_columns();
        let leads = |columns: &mut dyn Iterator<Item = Option<&Ident>>| {
            columns.take(links.len()).filter(|c| c.is_some_and(|c| links.contains(c))).count()
                == links.len()
        };
        let indexed = fed.indexes.iter().any(|index| {
            index.predicate.is_none()
                && leads(&mut index.parts.iter().map(|part| part.column.as_ref()))
        }) || fed.constraints.iter().any(|c| match &c.kind {
            ConstraintKind::PrimaryKey { columns, .. } | ConstraintKind::Unique { columns, .. } => {
                leads(&mut columns.iter().map(Some))
            }
            ConstraintKind::ForeignKey { columns, .. } => {
                self.dialect.is_mysql_family() && leads(&mut columns.iter().map(Some))
            }
            _ => false,
        });
        let list =
            |columns: &[Ident]| columns.iter().map(Ident::to_string).collect::<Vec<_>>().join(", ");
        if !indexed {
            notes.push(format!(
                "no index of {} begins with {}: until the contract each change of a row of {} reads all of it; create one in a migration before this one",
                self.fed, list(&links), self.source
            ));
        }
        if self.required {
            let nullable = |table: &Table, columns: &[Ident]| {
                columns
                    .iter()
                    .filter(|c| {
                        !table.column(c).is_some_and(|found| found.not_null)
                            && !table.primary_key().contains(c)
                    })
                    .cloned()
                    .collect::<Vec<_>>()
            };
            let (empty, lost) = (nullable(source, &self.read), nullable(fed, &links));
            if !empty.is_empty() {
                notes.push(format!(
                    "{}.{} is to be NOT NULL, and {} of {} may be NULL: where it is, writes of the old release fail from the expand phase on",
                    self.fed, self.column, list(&empty), self.source
                ));
            }
            if !lost.is_empty() {
                notes.push(format!(
                    "{}.{} is to be NOT NULL, and {} may be NULL: a row without one finds nothing in {}, and writes of it fail from the expand phase on",
                    self.fed, self.column, list(&lost), self.source
                ));
            }
        }
        notes
    }
}

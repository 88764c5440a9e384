//! Which statements do nothing on a new database: those that work on tables which nothing has
//! filled, as most backfills of old migrations do.

use std::collections::BTreeSet;

use downhaul_catalog::Catalog;
use downhaul_syntax::{Change, ObjectName, Query, Statement};

use super::role::{Item, Role, Touch, relatives, words};

/// Functions of the servers that compute a value of one row, and nothing else.
pub(super) const COMPUTES: [&str; 62] = [
    "abs",
    "cast",
    "ceil",
    "ceiling",
    "char",
    "char_length",
    "chr",
    "clock_timestamp",
    "coalesce",
    "concat",
    "concat_ws",
    "convert",
    "curdate",
    "current_timestamp",
    "date",
    "date_add",
    "date_format",
    "date_part",
    "date_sub",
    "date_trunc",
    "datetime",
    "extract",
    "floor",
    "format",
    "from_unixtime",
    "gen_random_uuid",
    "greatest",
    "hex",
    "if",
    "ifnull",
    "in",
    "json_extract",
    "json_object",
    "jsonb_build_object",
    "least",
    "left",
    "length",
    "lower",
    "lpad",
    "ltrim",
    "md5",
    "mod",
    "now",
    "nullif",
    "random",
    "randomblob",
    "regexp_replace",
    "replace",
    "right",
    "round",
    "rtrim",
    "split_part",
    "strftime",
    "substr",
    "substring",
    "to_char",
    "to_timestamp",
    "trim",
    "unixepoch",
    "upper",
    "uuid",
    "uuid_generate_v4",
];

/// Functions that gather rows: without any they still give one.
pub(super) const GATHERS: [&str; 10] = [
    "count",
    "max",
    "min",
    "sum",
    "avg",
    "total",
    "group_concat",
    "string_agg",
    "array_agg",
    "bool_or",
];

/// What may hold rows by now.
#[derive(Default)]
pub(super) struct Filled {
    all: bool,
    names: BTreeSet<ObjectName>,
}

impl Filled {
    /// What was there before the series may hold rows.
    pub(super) fn of(base: &Catalog) -> Self {
        Self { all: false, names: base.tables.keys().cloned().collect() }
    }

    /// Whether a statement does nothing; what it fills is noted otherwise.
    pub(super) fn passes(&mut self, item: &Item<'_>) -> bool {
        let statement = item.statement;
        if let [change] = statement.changes()
            && self.is_idle(change, statement, &item.met)
        {
            return true;
        }
        if let Role::Kept(Touch::Everything, _) = item.role {
            self.all = true;
        }
        for change in statement.changes() {
            self.note(change, &item.met);
        }
        false
    }

    fn is_empty(&self, name: &ObjectName, met: &Catalog) -> bool {
        let name = met.normalize(name);
        if let Some(view) = met.views.get(&name) {
            return !view.materialized && view.query.tables.iter().all(|t| self.is_empty(t, met));
        }
        !self.all
            && met.tables.get(&name).is_some_and(|t| t.triggers.is_empty() && !t.assumed)
            && !self.names.contains(&name)
            && relatives(&name, met).iter().all(|r| !self.names.contains(r))
    }

    fn is_idle(&self, change: &Change, statement: &Statement, met: &Catalog) -> bool {
        match change {
            Change::Update { table, .. } | Change::Delete { table, .. } => {
                // A common table expression may change rows elsewhere.
                self.is_empty(table, met) && !words(&statement.text, met.dialect).contains("with")
            }
            Change::Truncate { tables, restart_identity: false, .. } => {
                tables.iter().all(|t| self.is_empty(t, met))
            }
            Change::Insert { from_query: Some(query), .. } => self.finds_nothing(query, met),
            _ => false,
        }
    }

    /// A plain query of tables that are empty.
    fn finds_nothing(&self, query: &Query, met: &Catalog) -> bool {
        let text = query.text.to_lowercase();
        let word = |w: &str| {
            text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|x| *x == w).count()
        };
        !query.tables.is_empty()
            && query.tables.iter().all(|t| self.is_empty(t, met))
            && query.functions.iter().all(|f| COMPUTES.contains(&f.as_str()))
            && word("select") == 1
            && ["union", "values", "with", "lateral", "table"].iter().all(|w| word(w) == 0)
    }

    fn holds(&self, name: &ObjectName, met: &Catalog) -> bool {
        self.names.contains(&met.normalize(name))
    }

    fn note(&mut self, change: &Change, met: &Catalog) {
        match change {
            Change::Insert { table, .. }
            | Change::Merge { table, .. }
            | Change::CopyFrom { table, .. } => {
                let name = met.normalize(table);
                if met.tables.get(&name).is_none_or(|t| !t.triggers.is_empty()) {
                    self.all = true;
                }
                self.names.extend(relatives(&name, met));
                self.names.insert(name);
            }
            Change::CreateTable { def, .. } if def.as_query.is_some() => {
                self.names.insert(met.normalize(&def.name));
            }
            Change::RenameTable { from, to } if self.holds(from, met) => {
                self.names.remove(&met.normalize(from));
                self.names.insert(met.normalize(to));
            }
            // Where they are then is not worth finding out.
            Change::SetSchema { name, .. } | Change::AttachPartition { partition: name, .. }
                if self.holds(name, met) =>
            {
                self.all = true;
            }
            Change::Inherit { parent, table, .. } if self.holds(table, met) => {
                self.names.insert(met.normalize(parent));
            }
            Change::DropTable { name, .. } => {
                self.names.remove(&met.normalize(name));
            }
            Change::Do { body, .. } | Change::Dynamic { changes: body, .. } => {
                for change in body {
                    self.note(change, met);
                }
            }
            Change::DynamicUnknown { .. } | Change::Call { .. } => self.all = true,
            _ => {}
        }
    }
}

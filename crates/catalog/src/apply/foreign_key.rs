//! Whether the server takes a foreign key.

use downhaul_syntax::{ConstraintKind, Dialect, Ident, ObjectName, SqlType};

use super::Applier;

impl Applier<'_> {
    /// Reports why the server would refuse a foreign key.
    pub(super) fn judge_foreign_key(&mut self, table: &ObjectName, kind: &ConstraintKind) {
        let ConstraintKind::ForeignKey { columns, table: target, referred, .. } = kind else {
            return;
        };
        // SQLite looks at the referenced table only when rows change.
        if self.is_sqlite() {
            return;
        }
        let Some(to) = self.catalog.tables.get(target) else {
            if self.catalog.views.contains_key(target) {
                self.refuse(format!("referenced relation {target} is not a table"));
            } else if !self.foreign_key_checks_off() {
                self.missing("table", target);
            }
            return;
        };
        let unknown = to.columns_unknown;
        let referred =
            if referred.is_empty() { to.primary_key().to_vec() } else { referred.clone() };
        if unknown {
            return;
        }
        if referred.is_empty() {
            self.refuse(format!("there is no primary key for referenced table {target}"));
            return;
        }
        if referred.len() != columns.len() {
            self.refuse(format!(
                "number of referencing and referenced columns for foreign key on {table} disagree"
            ));
            return;
        }
        if let Some(column) = referred.iter().find(|c| to.column(c).is_none()).cloned() {
            self.missing_part("column", target, &column);
            return;
        }
        let served =
            if self.is_mysql() { to.has_prefix_index(&referred) } else { to.has_unique(&referred) };
        let listed = referred.iter().map(Ident::as_str).collect::<Vec<_>>().join(", ");
        let mut reasons = Vec::new();
        if !served {
            reasons.push(if self.is_mysql() {
                format!("no index of referenced table {target} begins with ({listed})")
            } else {
                format!("no unique constraint matches the referenced columns {target} ({listed})")
            });
        }
        if let Some(from) = self.catalog.tables.get(table) {
            for (column, other) in columns.iter().zip(&referred) {
                let types = (
                    from.column(column).and_then(|c| c.ty.as_ref()),
                    to.column(other).and_then(|c| c.ty.as_ref()),
                );
                if let (Some(left), Some(right)) = types
                    && cannot_refer(self.dialect(), left, right)
                {
                    reasons.push(format!(
                        "foreign key from {table}.{column} to {target}.{other} cannot be made: types {} and {} do not match",
                        left.raw, right.raw
                    ));
                }
            }
        }
        for reason in reasons {
            self.refuse(reason);
        }
    }
}

/// Whether the server would refuse a foreign key for its types. Types that are not known well
/// (domains, extensions) are given the benefit of the doubt.
fn cannot_refer(dialect: Dialect, from: &SqlType, to: &SqlType) -> bool {
    if from.dimensions != to.dimensions || from.schema.is_some() || to.schema.is_some() {
        return false;
    }
    match dialect {
        Dialect::Postgres => {
            match (postgres_family(&from.name), postgres_family(&to.name)) {
                (Some((family, rank)), Some((other, limit))) => {
                    // Numbers widen implicitly, never narrow; within integers all compare.
                    family != other || family == "number" && rank > limit && rank > 3
                }
                _ => false,
            }
        }
        Dialect::Mysql | Dialect::MariaDb => {
            let integer = |t: &SqlType| {
                matches!(
                    t.name.as_str(),
                    "tinyint" | "smallint" | "mediumint" | "int" | "integer" | "bigint" | "boolean"
                )
            };
            let name = |t: &SqlType| match t.name.as_str() {
                "integer" => "int".to_owned(),
                "boolean" => "tinyint".to_owned(),
                other => other.to_owned(),
            };
            match (integer(from), integer(to)) {
                (true, true) => name(from) != name(to) || from.unsigned != to.unsigned,
                (true, false) | (false, true) => true,
                (false, false) => {
                    let text = |t: &SqlType| matches!(t.name.as_str(), "char" | "varchar");
                    let date = |t: &SqlType| {
                        matches!(t.name.as_str(), "date" | "datetime" | "timestamp" | "time")
                    };
                    text(from) && date(to) || date(from) && text(to)
                }
            }
        }
        Dialect::Sqlite => false,
    }
}

/// Family of a built-in type of PostgreSQL, and its rank among numbers.
fn postgres_family(name: &str) -> Option<(&'static str, u8)> {
    Some(match name {
        "smallint" | "smallserial" => ("number", 1),
        "integer" | "serial" => ("number", 2),
        "bigint" | "bigserial" => ("number", 3),
        "numeric" => ("number", 4),
        "real" => ("number", 5),
        "double precision" => ("number", 6),
        "text" | "varchar" | "char" | "bpchar" | "name" => ("text", 0),
        "uuid" => ("uuid", 0),
        "boolean" => ("boolean", 0),
        "date" | "timestamp" | "timestamptz" => ("date", 0),
        "time" | "timetz" => ("time", 0),
        "bytea" => ("bytea", 0),
        "inet" | "cidr" => ("network", 0),
        "jsonb" => ("jsonb", 0),
        "interval" => ("interval", 0),
        _ => return None,
    })
}

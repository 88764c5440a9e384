//! Keeping two shapes of the same data in step while two releases write.
//!
//! A trigger compares values, never clients: whoever changes one side, the other follows. What a
//! client calls itself, its `search_path`, its role, its pooler make no difference.

use downhaul_catalog::Table;
use downhaul_syntax::{Dialect, Ident, ObjectName, SqlType, is_plain_type};

use super::conversion::{Conv, differ};
use super::names;
use super::piece::Side;

/// Columns of one table that follow from others.
#[derive(Clone, Debug)]
pub(crate) struct Sync {
    pub(crate) dialect: Dialect,
    pub(crate) table: ObjectName,
    /// The side that holds the values before the backfill, with its types.
    pub(crate) first: Vec<(Ident, Option<SqlType>)>,
    /// The side that the backfill fills; its columns have no default while the trigger stands.
    pub(crate) second: Vec<(Ident, Option<SqlType>)>,
    /// How each column of the second side follows from the first.
    pub(crate) forward: Vec<Conv>,
    /// How each column of the first side follows from the second; empty where nothing flows back.
    pub(crate) back: Vec<Conv>,
    /// Columns of the second side that must not be NULL.
    pub(crate) required: Vec<Ident>,
    pub(crate) trigger: Ident,
    pub(crate) function: ObjectName,
    /// Schema in which the expressions find functions.
    pub(crate) schema: Option<Ident>,
}

impl Sync {
    /// One column that follows from others of its table; nothing flows back.
    pub(crate) fn one_way(
        table: &ObjectName,
        first: Vec<(Ident, Option<SqlType>)>,
        column: (&Ident, Option<&SqlType>),
        conv: &Conv,
        (trigger, function): (Ident, ObjectName),
        dialect: Dialect,
    ) -> Self {
        Self {
            dialect,
            table: table.clone(),
            first,
            second: vec![(column.0.clone(), column.1.cloned())],
            forward: vec![conv.clone()],
            back: Vec::new(),
            required: Vec::new(),
            trigger,
            function,
            schema: None,
        }
    }

    /// Names the trigger and its function.
    pub(crate) fn named(
        now: &downhaul_catalog::Catalog,
        table: &Table,
        base: &str,
    ) -> (Ident, ObjectName) {
        let dialect = now.dialect;
        let trigger = names::last_trigger(now, &table.name, &format!("sync_{base}"));
        let function = names::free(&format!("{}_{base}_sync", table.name.name), |name| {
            now.routines.iter().any(|(key, _)| {
                key.name.name.as_str() == name && key.name.schema == table.name.schema
            })
        });
        let function = ObjectName {
            schema: table.name.schema.clone(),
            name: Ident::stored(dialect, &function),
        };
        (trigger, function)
    }

    fn q(&self, ident: &Ident) -> String {
        self.dialect.quote_if_needed(ident)
    }

    /// A column of the row that is about to be written.
    pub(crate) fn incoming(&self, ident: &Ident) -> String {
        format!("NEW.{}", self.q(ident))
    }

    /// A conversion inside the trigger.
    pub(crate) fn in_trigger(&self, conv: &Conv) -> String {
        conv.over(&|c| self.incoming(c), &self.table, self.dialect)
    }

    /// Some column of a side was changed by this UPDATE.
    pub(crate) fn changed(&self, side: &[(Ident, Option<SqlType>)]) -> String {
        let all: Vec<String> = side
            .iter()
            .map(|(c, ty)| {
                differ(&self.incoming(c), &format!("OLD.{}", self.q(c)), ty.as_ref(), self.dialect)
            })
            .collect();
        all.join(" OR ")
    }

    /// Whether a change of the first side leaves the second as it is, as a condition: a release wrote it in the
    /// same statement, or, where it follows from several columns, they still say the same. What a release wrote
    /// itself must not go because another of these columns (`updated_at`) is written with every row.
    pub(crate) fn stays(&self) -> String {
        let written = self.changed(&self.second);
        if !self.back.is_empty() || self.first.len() < 2 {
            return written;
        }
        let moved: Vec<String> = self
            .second
            .iter()
            .zip(&self.forward)
            .map(|((_, ty), conv)| {
                let old = |c: &Ident| format!("OLD.{}", self.q(c));
                let was = conv.over(&old, &self.table, self.dialect);
                differ(&self.in_trigger(conv), &was, ty.as_ref(), self.dialect)
            })
            .collect();
        format!("{written} OR NOT ({} OR {})", self.all_null(&self.second), moved.join(" OR "))
    }

    /// Some column of a side is not what the other side says.
    pub(crate) fn off(&self, side: &[(Ident, Option<SqlType>)], convs: &[Conv]) -> String {
        let all: Vec<String> = side
            .iter()
            .zip(convs)
            .map(|((c, ty), conv)| {
                differ(&self.incoming(c), &self.in_trigger(conv), ty.as_ref(), self.dialect)
            })
            .collect();
        all.join(" OR ")
    }

    pub(crate) fn all_null(&self, side: &[(Ident, Option<SqlType>)]) -> String {
        side.iter()
            .map(|(c, _)| format!("{} IS NULL", self.incoming(c)))
            .collect::<Vec<_>>()
            .join(" AND ")
    }

    fn assign(&self, side: &[(Ident, Option<SqlType>)], convs: &[Conv], indent: &str) -> String {
        side.iter()
            .zip(convs)
            .map(|((c, _), conv)| {
                format!("{indent}{} := {};\n", self.incoming(c), self.in_trigger(conv))
            })
            .collect()
    }

    /// The body of the trigger's function.
    fn body(&self) -> String {
        let (first, second) = (&self.first, &self.second);
        let deep = "            ";
        let fill = self.assign(second, &self.forward, "        ");
        let fill_deep = self.assign(second, &self.forward, deep);
        let mut out = String::from("BEGIN\n    IF TG_OP = 'INSERT' THEN\n");
        out.push_str(&format!("        IF {} THEN\n", self.all_null(second)));
        out.push_str("            -- Written by a release that does not know the new side.\n");
        out.push_str(&fill_deep);
        if !self.back.is_empty() {
            out.push_str(&format!("        ELSIF {} THEN\n", self.off(second, &self.forward)));
            out.push_str("            -- Written by a release that knows the new side only.\n");
            out.push_str(&self.assign(first, &self.back, deep));
        }
        out.push_str("        END IF;\n");
        out.push_str(&format!("    ELSIF {} THEN\n", self.changed(first)));
        out.push_str("        -- Whoever changes both sides at once knows what it does.\n");
        out.push_str(&format!("        IF NOT ({}) THEN\n", self.stays()));
        out.push_str(&fill_deep);
        out.push_str("        END IF;\n");
        if !self.back.is_empty() {
            out.push_str(&format!("    ELSIF {} THEN\n", self.changed(second)));
            out.push_str(
                "        -- The backfill writes what the old side says: nothing flows back then.\n",
            );
            out.push_str(&format!("        IF {} THEN\n", self.off(second, &self.forward)));
            out.push_str(&self.assign(first, &self.back, deep));
            out.push_str("        END IF;\n");
        }
        let unfilled = self.unfilled();
        out.push_str(&format!("    ELSIF {unfilled} THEN\n"));
        out.push_str("        -- A row that the backfill has not reached.\n");
        out.push_str(&fill);
        if !self.back.is_empty() {
            out.push_str(&format!(
                "    ELSIF {} AND ({}) THEN\n",
                self.all_null(first),
                self.off(first, &self.back)
            ));
            out.push_str("        -- The same on the way back.\n");
            out.push_str(&self.assign(first, &self.back, "        "));
        }
        out.push_str("    END IF;\n    RETURN NEW;\nEND\n");
        out
    }

    /// A row whose second side is still empty, though the first side has something for it.
    pub(crate) fn unfilled(&self) -> String {
        let (first, second) = (&self.first, &self.second);
        let empty = self.all_null(second);
        if !self.required.is_empty() || self.back.is_empty() {
            let required: Vec<String> =
                self.required.iter().map(|c| format!("{} IS NULL", self.incoming(c))).collect();
            return if required.is_empty() {
                // A NULL that this statement writes is meant.
                format!("{empty} AND NOT ({})", self.changed(second))
            } else {
                required.join(" OR ")
            };
        }
        format!("{empty} AND ({})", self.off(first, &self.back))
    }

    fn has_expressions(&self) -> bool {
        self.forward.iter().chain(&self.back).any(|c| matches!(c, Conv::Expr { .. }))
    }

    /// Columns of types that are not PostgreSQL's own (enums, domains, those of extensions): values are
    /// compared by casts, which have to find them.
    fn has_own_types(&self) -> bool {
        let types = self.first.iter().chain(&self.second).filter_map(|(_, ty)| ty.as_ref());
        types.into_iter().any(|ty| !is_plain_type(&ty.name))
    }

    /// `CREATE FUNCTION …`, `CREATE TRIGGER …`.
    pub(crate) fn create(&self, side: &mut Side, why: &str) {
        self.create_with(&self.body(), side, why);
    }

    /// As [`Self::create`], for a second side that is only filled where it is empty.
    pub(crate) fn fill_only(&self, side: &mut Side, why: &str) {
        let mut body = String::from("BEGIN\n");
        for ((column, _), conv) in self.second.iter().zip(&self.forward) {
            let new = self.incoming(column);
            body.push_str(&format!(
                "    IF {new} IS NULL THEN\n        {new} := {};\n    END IF;\n",
                self.in_trigger(conv)
            ));
        }
        body.push_str("    RETURN NEW;\nEND\n");
        self.create_with(&body, side, why);
    }

    fn create_with(&self, body: &str, side: &mut Side, why: &str) {
        let dialect = self.dialect;
        // The writer's search_path must not decide which function or operator is meant.
        let path = match &self.schema {
            Some(schema) if self.has_expressions() || self.has_own_types() => {
                format!("pg_catalog, {}, pg_temp", dialect.quote_if_needed(schema))
            }
            _ => "pg_catalog, pg_temp".to_owned(),
        };
        let mut tag = "sync".to_owned();
        while body.contains(&format!("${tag}$")) {
            tag.push('_');
        }
        side.sql(
            why,
            format!(
                "CREATE FUNCTION {}() RETURNS trigger\n    LANGUAGE plpgsql SECURITY INVOKER SET search_path = {path}\n    AS ${tag}$\n{body}${tag}$",
                dialect.quote_name_if_needed(&self.function)
            ),
        );
        side.sql(
            "Its name sorts last: it has to see what other BEFORE triggers make of a row.",
            format!(
                "CREATE TRIGGER {} BEFORE INSERT OR UPDATE ON {} FOR EACH ROW EXECUTE FUNCTION {}()",
                dialect.quote_if_needed(&self.trigger),
                dialect.quote_name_if_needed(&self.table),
                dialect.quote_name_if_needed(&self.function)
            ),
        );
    }

    /// `DROP TRIGGER …`, `DROP FUNCTION …`.
    pub(crate) fn drop(&self, side: &mut Side, why: &str) {
        let dialect = self.dialect;
        side.sql(
            why,
            format!(
                "DROP TRIGGER {} ON {}",
                dialect.quote_if_needed(&self.trigger),
                dialect.quote_name_if_needed(&self.table)
            ),
        );
        side.sql("", format!("DROP FUNCTION {}()", dialect.quote_name_if_needed(&self.function)));
    }

    /// The `UPDATE` that fills the second side from the first. It may run again and again, in any
    /// batches: rows that are in step already are left alone.
    pub(crate) fn backfill(&self) -> String {
        self.update((&self.second, &self.forward), (&self.first, &self.back))
    }

    /// The `UPDATE` that fills the first side from the second, after the way back from contract.
    pub(crate) fn backfill_back(&self) -> String {
        self.update((&self.first, &self.back), (&self.second, &self.forward))
    }

    fn update(&self, (target, fill): Filled<'_>, (origin, reverse): Filled<'_>) -> String {
        let values = |convs: &[Conv]| convs.iter().map(|c| c.plain(self.dialect)).collect();
        Update {
            dialect: self.dialect,
            table: &self.table,
            target,
            fill: values(fill),
            origin,
            reverse: values(reverse),
            identical: fill.iter().all(|c| matches!(c, Conv::Same(_))),
        }
        .sql()
    }
}

/// A side with the conversions that fill it.
type Filled<'a> = (&'a [(Ident, Option<SqlType>)], &'a [Conv]);

/// An `UPDATE` that makes `target` follow, and leaves rows alone in which the other side already
/// follows from it: there the target holds more than a conversion would give.
pub(crate) struct Update<'a> {
    pub(crate) dialect: Dialect,
    pub(crate) table: &'a ObjectName,
    pub(crate) target: &'a [(Ident, Option<SqlType>)],
    /// What each column of the target gets, as SQL.
    pub(crate) fill: Vec<String>,
    pub(crate) origin: &'a [(Ident, Option<SqlType>)],
    /// What each column of the other side would follow from, as SQL; may be empty.
    pub(crate) reverse: Vec<String>,
    /// Both sides hold the very same values.
    pub(crate) identical: bool,
}

impl Update<'_> {
    /// The statement.
    pub(crate) fn sql(&self) -> String {
        let q = |c: &Ident| self.dialect.quote_if_needed(c);
        let off = |side: &[(Ident, Option<SqlType>)], values: &[String]| {
            let all: Vec<String> = side
                .iter()
                .zip(values)
                .map(|((c, ty), value)| differ(&q(c), value, ty.as_ref(), self.dialect))
                .collect();
            all.join(" OR ")
        };
        let set: Vec<String> = self
            .target
            .iter()
            .zip(&self.fill)
            .map(|((c, _), v)| format!("{} = {v}", q(c)))
            .collect();
        let mut filter = off(self.target, &self.fill);
        if !self.identical {
            let empty: Vec<String> =
                self.target.iter().map(|(c, _)| format!("{} IS NULL", q(c))).collect();
            let empty = empty.join(" AND ");
            filter = if self.reverse.is_empty() {
                format!("({filter})\n  AND {empty}")
            } else {
                format!("({filter})\n  AND ({empty} OR {})", off(self.origin, &self.reverse))
            };
        }
        format!(
            "UPDATE {} SET {}\nWHERE {filter}",
            self.dialect.quote_name_if_needed(self.table),
            set.join(", ")
        )
    }
}

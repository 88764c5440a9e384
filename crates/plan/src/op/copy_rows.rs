//! `INSERT … SELECT` into a table that the same file makes: a relation that moves out of a table into one
//! of its own.
//!
//! Each row of the one is at most one row of the other, named by a key of both. Until the contract the
//! other follows: what the old release inserts, changes and deletes comes, changes and goes there. What
//! the table itself says of a row stands until the old release changes what the row was copied from.

use downhaul_catalog::{Table, render_type};
use downhaul_syntax::change::InsertConflict;
use downhaul_syntax::query::{Expr, ExprKind, Item, Path, QueryStatement, SetBody, Source};
use downhaul_syntax::{Change, ConstraintKind, Dialect, Ident, ObjectName, parse_query};

use super::conversion::differ;
use super::feed::{bare, named};
use super::names;
use super::piece::{Piece, Side, Slot};
use super::{HERE, Made, Scene};
use crate::Direction;

/// A column of the new table, and what it is copied from.
struct Copied<'q> {
    to: Ident,
    from: &'q Expr,
    /// Columns of the source that it reads.
    reads: Vec<Ident>,
}

/// The rows that are copied.
struct Relation<'a> {
    dialect: Dialect,
    text: &'a str,
    source: &'a Table,
    target: &'a Table,
    all: Vec<Copied<'a>>,
    filter: Option<&'a Expr>,
    /// Columns of the new table's key with those of the source that they are.
    key: Vec<(Ident, Ident)>,
}

/// The pieces, where the rows can be followed; `None` where they are copied once.
pub(crate) fn copy_rows(change: &Change, text: Option<&str>, scene: &Scene<'_>) -> Option<Made> {
    let Change::Insert { table, conflict: InsertConflict::Fail, .. } = change else { return None };
    let (dialect, now) = (scene.dialect(), scene.now);
    if dialect != Dialect::Postgres {
        return None;
    }
    let text = text?;
    let target = now.table(table).filter(|t| t.origin == HERE)?;
    let Ok(QueryStatement::Insert(insert)) = parse_query(text, dialect) else { return None };
    let select = bare(insert.rows?);
    let plain = insert.with.parts.is_empty()
        && insert.conflict.is_none()
        && insert.returning.is_empty()
        && !insert.overriding
        && select.with.parts.is_empty()
        && select.order_by.is_empty()
        && select.limits.is_empty();
    let SetBody::Core(core) = &select.body else { return None };
    let one = core.distinct_on.is_empty()
        && core.group_by.is_empty()
        && core.having.is_none()
        && core.windows.is_empty();
    let [Source::Table { name, alias, columns: renamed, .. }] = core.from.as_slice() else {
        return None;
    };
    let head = text.get(..select_start(text)?)?;
    if !plain || !one || !renamed.is_empty() || head.to_lowercase().contains("distinct") {
        return None;
    }
    let source = now.table(&now.normalize(&named(name))).filter(|t| t.origin != HERE)?;
    let columns_of: Vec<Ident> = if insert.has_columns {
        insert.columns.iter().map(|c| c.ident.clone()).collect()
    } else {
        target.columns.iter().map(|c| c.name.clone()).collect()
    };
    let alias = alias.as_ref().unwrap_or(&source.name.name);
    let mut all = Vec::new();
    for (to, item) in columns_of.iter().zip(&core.items) {
        let Item::Expr(from, _) = item else { return None };
        all.push(Copied { to: to.clone(), from, reads: reads(from, source, alias)? });
    }
    if let Some(filter) = &core.filter {
        reads(filter, source, alias)?;
    }
    let key = key(target, source, &all)?;
    let relation =
        Relation { dialect, text, source, target, all, filter: core.filter.as_ref(), key };
    if core.items.len() != relation.all.len() {
        return None;
    }
    relation.made(scene)
}

/// Where the list of a SELECT may say DISTINCT: everything before its first FROM.
fn select_start(text: &str) -> Option<usize> {
    text.to_lowercase().find(" from ").or_else(|| text.to_lowercase().find("\nfrom "))
}

/// The columns that an expression reads; `None` where it reads something else.
fn reads(expr: &Expr, source: &Table, alias: &Ident) -> Option<Vec<Ident>> {
    let mut paths: Vec<&Path> = Vec::new();
    if !expr.row_columns(&mut paths) {
        return None;
    }
    let mut out = Vec::new();
    for path in paths {
        let fits = match path.parts.as_slice() {
            [_] => true,
            [table, _] => table == alias,
            _ => false,
        };
        if !fits || source.column(path.name()).is_none() {
            return None;
        }
        if !out.contains(path.name()) {
            out.push(path.name().clone());
        }
    }
    Some(out)
}

/// A key of the new table that is copied from the primary key of the source.
fn key(target: &Table, source: &Table, all: &[Copied<'_>]) -> Option<Vec<(Ident, Ident)>> {
    let keys = target.constraints.iter().filter(|c| !c.deferrable).filter_map(|c| match &c.kind {
        ConstraintKind::PrimaryKey { columns, .. } | ConstraintKind::Unique { columns, .. } => {
            Some(columns)
        }
        _ => None,
    });
    let own = source.primary_key();
    for columns in keys {
        let mut pairs = Vec::new();
        for column in columns {
            let copied = all.iter().find(|c| c.to == *column);
            if let Some(Copied { from, reads, .. }) = copied
                && matches!(from.kind, ExprKind::Column(_))
                && let [read] = reads.as_slice()
            {
                pairs.push((column.clone(), read.clone()));
            }
        }
        let same = pairs.len() == columns.len() && pairs.len() == own.len();
        if same && !own.is_empty() && own.iter().all(|c| pairs.iter().any(|(_, from)| from == c)) {
            return Some(pairs);
        }
    }
    None
}

impl Relation<'_> {
    fn q(&self, ident: &Ident) -> String {
        self.dialect.quote_if_needed(ident)
    }

    /// An expression with every column read from a row: `NEW`, `OLD`, or the table.
    fn over(&self, expr: &Expr, row: &str) -> String {
        let mut paths: Vec<&Path> = Vec::new();
        expr.row_columns(&mut paths);
        paths.sort_by_key(|path| path.span.start);
        let (mut out, mut at) = (String::new(), expr.span.start);
        for path in paths {
            out.push_str(&self.text[at..path.span.start]);
            out.push_str(&format!("{row}.{}", self.q(path.name())));
            at = path.span.end;
        }
        out.push_str(&self.text[at..expr.span.end]);
        out
    }

    /// Columns that follow, other than the key.
    fn followed(&self) -> impl Iterator<Item = &Copied<'_>> {
        self.all
            .iter()
            .filter(|c| !c.reads.is_empty() && self.key.iter().all(|(to, _)| *to != c.to))
    }

    /// Columns of the source that are read, other than its key.
    fn read(&self) -> Vec<Ident> {
        let mut out: Vec<Ident> = Vec::new();
        for column in self.followed().flat_map(|c| &c.reads) {
            if !out.contains(column) && self.key.iter().all(|(_, from)| from != column) {
                out.push(column.clone());
            }
        }
        out
    }

    /// The row of the new table that belongs to a row.
    fn belongs(&self, table: &str, row: &str) -> String {
        let all: Vec<String> = self
            .key
            .iter()
            .map(|(to, from)| format!("{table}{} = {row}.{}", self.q(to), self.q(from)))
            .collect();
        all.join(" AND ")
    }

    fn changed<'c>(&self, columns: impl Iterator<Item = &'c Ident>) -> String {
        let one = |c: &Ident| {
            let ty = self.source.column(c).and_then(|found| found.ty.as_ref());
            differ(&format!("NEW.{}", self.q(c)), &format!("OLD.{}", self.q(c)), ty, self.dialect)
        };
        columns.map(one).collect::<Vec<_>>().join(" OR ")
    }

    /// What the triggers do.
    fn body(&self) -> String {
        let table = self.dialect.quote_name_if_needed(&self.target.name);
        let read = self.read();
        let mut filtered: Vec<&Path> = Vec::new();
        if let Some(filter) = self.filter {
            filter.row_columns(&mut filtered);
        }
        let keys = || self.key.iter().map(|(_, from)| from);
        let mut watched: Vec<&Ident> = keys().chain(&read).collect();
        for column in filtered.iter().map(|path| path.name()) {
            if !watched.contains(&column) {
                watched.push(column);
            }
        }
        let moved: Vec<String> = self
            .key
            .iter()
            .map(|(to, from)| format!("{} = NEW.{}", self.q(to), self.q(from)))
            .collect();
        let mut out = format!(
            "BEGIN\n    IF TG_OP = 'DELETE' THEN\n        DELETE FROM {table} WHERE {};\n        RETURN OLD;\n    END IF;\n",
            self.belongs("", "OLD")
        );
        out.push_str(&format!(
            "    IF TG_NARGS = 1 AND TG_ARGV[0] = 'away' THEN\n        -- The way back: what was copied goes; what the new release wrote says something else.\n        DELETE FROM {table} AS copied WHERE {};\n        RETURN NULL;\n    END IF;\n",
            self.same("OLD")
        ));
        out.push_str(&format!(
            "    IF TG_OP = 'UPDATE' AND TG_NARGS = 0 THEN\n        IF NOT ({}) THEN\n            RETURN NULL;\n        END IF;\n        IF {} THEN\n            UPDATE {table} SET {} WHERE {};\n        END IF;\n    END IF;\n",
            self.changed(watched.into_iter()),
            self.changed(keys()),
            moved.join(", "),
            self.belongs("", "OLD"),
        ));
        let empty: Vec<String> =
            read.iter().map(|c| format!("NEW.{} IS NULL", self.q(c))).collect();
        if !empty.is_empty() {
            out.push_str(&format!(
                "    IF TG_OP = 'INSERT' AND {} THEN\n        -- The new release writes such a row, and what belongs to it by itself.\n        RETURN NULL;\n    END IF;\n",
                empty.join(" AND ")
            ));
        }
        if let Some(filter) = self.filter {
            out.push_str(&format!(
                "    IF ({}) IS NOT TRUE THEN\n        IF TG_OP = 'UPDATE' AND ({}) THEN\n            DELETE FROM {table} WHERE {};\n        END IF;\n        RETURN NULL;\n    END IF;\n",
                self.over(filter, "NEW"),
                self.over(filter, "OLD"),
                self.belongs("", "NEW"),
            ));
        }
        let list =
            |columns: &mut dyn Iterator<Item = String>| columns.collect::<Vec<_>>().join(", ");
        out.push_str(&format!(
            "    INSERT INTO {table} AS copied ({})\n    VALUES ({})\n    ON CONFLICT ({}) DO ",
            list(&mut self.all.iter().map(|c| self.q(&c.to))),
            list(&mut self.all.iter().map(|c| self.over(c.from, "NEW"))),
            list(&mut self.key.iter().map(|(to, _)| self.q(to))),
        ));
        let set = list(&mut self.followed().map(|c| format!("{0} = excluded.{0}", self.q(&c.to))));
        if set.is_empty() {
            out.push_str("NOTHING;\n");
        } else {
            let differs: Vec<String> = self
                .followed()
                .map(|c| {
                    let ty = self.target.column(&c.to).and_then(|found| found.ty.as_ref());
                    let q = self.q(&c.to);
                    differ(&format!("copied.{q}"), &format!("excluded.{q}"), ty, self.dialect)
                })
                .collect();
            out.push_str(&format!("UPDATE SET {set}\n    WHERE {};\n", differs.join(" OR ")));
        }
        out.push_str("    RETURN NULL;\nEND\n");
        out
    }

    /// The `UPDATE` that has the trigger copy what is not there, or says something else.
    fn fill(&self, touched: &Ident) -> String {
        let source = self.dialect.quote_name_if_needed(&self.source.name);
        let row = self.q(&self.source.name.name);
        let filter = self.filter.map(|filter| format!("({}) AND ", self.over(filter, &row)));
        format!(
            "UPDATE {source} SET {0} = {0}\nWHERE {1}NOT EXISTS (SELECT 1 FROM {2} AS copied WHERE {3})",
            self.q(touched),
            filter.unwrap_or_default(),
            self.dialect.quote_name_if_needed(&self.target.name),
            self.same(&row)
        )
    }

    /// A row of the new table, `copied`, is what a row of the source makes it.
    fn same(&self, row: &str) -> String {
        let mut there = vec![self.belongs("copied.", row)];
        for copied in self.followed() {
            let ty = self.target.column(&copied.to).and_then(|found| found.ty.as_ref());
            let value = self.over(copied.from, row);
            let value = match ty {
                Some(ty) => format!("CAST({value} AS {})", render_type(ty, self.dialect)),
                None => value,
            };
            let off = differ(&format!("copied.{}", self.q(&copied.to)), &value, ty, self.dialect);
            there.push(format!("NOT ({off})"));
        }
        there.join(" AND ")
    }

    /// The `UPDATE` that has the trigger take back what was copied, and nothing that says something else.
    fn take_back(&self, touched: &Ident) -> String {
        let source = self.dialect.quote_name_if_needed(&self.source.name);
        let row = self.q(&self.source.name.name);
        format!(
            "UPDATE {source} SET {0} = {0}\nWHERE EXISTS (SELECT 1 FROM {1} AS copied WHERE {2})",
            self.q(touched),
            self.dialect.quote_name_if_needed(&self.target.name),
            self.same(&row)
        )
    }

    fn made(&self, scene: &Scene<'_>) -> Option<Made> {
        let (now, dialect) = (scene.now, self.dialect);
        let read = self.read();
        let plain = |c: &&Ident| {
            self.source.column(c).is_some_and(|column| column.generated.is_none())
                && self.key.iter().all(|(_, from)| from != *c)
        };
        // Whoever writes it has its row looked at while the rows are filled.
        let others = self.source.columns.iter().map(|c| &c.name);
        let touched = read.iter().chain(others).find(plain)?.clone();
        let source = dialect.quote_name_if_needed(&self.source.name);
        let base = format!("copy_{}", self.target.name.name);
        let trigger = names::last_trigger(now, &self.source.name, &base);
        let end = |end: &str| {
            dialect.quote_if_needed(&Ident::stored(
                dialect,
                &names::fitted(&format!("{trigger}_{end}")),
            ))
        };
        let function = names::free(&format!("{}_copy", self.target.name.name), |name| {
            now.routines.iter().any(|(key, _)| key.name.name.as_str() == name)
        });
        let function = dialect.quote_name_if_needed(&ObjectName {
            schema: self.target.name.schema.clone(),
            name: Ident::stored(dialect, &function),
        });
        let schema = self.source.name.schema.as_ref().or(now.default_schema.as_ref());
        let schema = schema.map_or("public".to_owned(), |s| dialect.quote_if_needed(s));
        let body = self.body();
        let mut tag = "copy".to_owned();
        while body.contains(&format!("${tag}$")) {
            tag.push('_');
        }
        let create = |side: &mut Side, why: &str| {
            side.sql(
                why,
                format!(
                    "CREATE FUNCTION {function}() RETURNS trigger\n    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, {schema}, pg_temp\n    AS ${tag}$\n{body}${tag}$"
                ),
            );
            side.sql(
                "",
                format!(
                    "CREATE TRIGGER {} AFTER INSERT OR UPDATE ON {source} FOR EACH ROW EXECUTE FUNCTION {function}()",
                    self.q(&trigger)
                ),
            );
            side.sql(
                "Before the row goes, since what belongs to it may refer to it.",
                format!(
                    "CREATE TRIGGER {} BEFORE DELETE ON {source} FOR EACH ROW EXECUTE FUNCTION {function}()",
                    end("gone")
                ),
            );
        };
        let drop = |side: &mut Side, why: &str| {
            side.sql(why, format!("DROP TRIGGER {} ON {source}", end("gone")));
            side.sql("", format!("DROP TRIGGER {} ON {source}", self.q(&trigger)));
            side.sql("", format!("DROP FUNCTION {function}()"));
        };
        let mut made = Made::default();
        let target = &self.target.name;
        made.note(format!(
            "until the contract {target} follows what the old release writes to {}: a row of {target} that the new release has written stands until the row that it was copied from is changed or deleted",
            self.source.name
        ));
        if !read.is_empty() {
            made.note(format!(
                "a new row of {} in which everything is NULL that {target} is copied from is not copied: the new release writes such rows",
                self.source.name
            ));
        }
        let (mut up, mut down) = (Side::default(), Side::default());
        create(
            &mut up,
            &format!(
                "What the old release writes to {source} comes, changes and goes in {} as well. It has the rights of its owner, since who writes the one table need not be allowed to use the other.",
                dialect.quote_name_if_needed(target)
            ),
        );
        // With the way back of the expand phase the table goes: nothing must write to it by then.
        down.sql(
            "From here on a row that is written takes its copy away, where that is one still; what the new release wrote itself stays.",
            format!("DROP TRIGGER {} ON {source}", self.q(&trigger)),
        );
        down.sql(
            "",
            format!(
                "CREATE TRIGGER {} AFTER UPDATE ON {source} FOR EACH ROW EXECUTE FUNCTION {function}('away')",
                end("away")
            ),
        );
        down.sql(
            "The rows that nobody writes. Downhaul runs this in small batches, by key.",
            self.take_back(&touched),
        );
        down.sql("", format!("DROP TRIGGER {} ON {source}", end("gone")));
        down.sql("", format!("DROP TRIGGER {} ON {source}", end("away")));
        down.sql("", format!("DROP FUNCTION {function}()"));
        up.sql(
            "Rows that nobody has written since: written as they are, they are copied.",
            format!(
                "CREATE TRIGGER {} AFTER UPDATE OF {} ON {source} FOR EACH ROW EXECUTE FUNCTION {function}('fill')",
                end("fill"),
                self.q(&touched)
            ),
        );
        up.sql(
            "Downhaul runs this in small batches, by key. Run by another client it is one long UPDATE.",
            self.fill(&touched),
        );
        up.sql("", format!("DROP TRIGGER {} ON {source}", end("fill")));
        made.push(Slot::BACKFILL, Piece::made(up, down));
        made.derive(Slot::BACKFILL, &[Direction::Up, Direction::Down]);

        let (mut up, mut down) = (Side::default(), Side::default());
        drop(&mut up, "The old release is gone: the new one writes the table itself.");
        create(&mut down, "");
        made.push(Slot::CONTRACT, Piece::made(up, down));
        Some(made)
    }
}

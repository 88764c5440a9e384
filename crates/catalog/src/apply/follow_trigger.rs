//! Triggers that name a column which gets another name: the server rewrites them (SQLite,
//! <https://www.sqlite.org/lang_altertable.html>, section 3; PostgreSQL, which knows columns by number).

use downhaul_syntax::{Dialect, Ident, ObjectName, TriggerDef};

use super::Applier;
use crate::Catalog;
use crate::text::{Kind, Token, tokens};

/// Which column a name in a trigger is.
enum Named {
    It,
    Another,
    /// The column or another one, which only the server can tell.
    Either,
}

/// A trigger that names a column.
#[derive(Clone, Copy, Debug)]
pub struct TriggerMention<'c> {
    /// The trigger.
    pub trigger: &'c TriggerDef,
    /// Not the column of another table that the trigger names too.
    pub certain: bool,
}

impl Catalog {
    /// Triggers whose text names a column of a table, whatever table they are on.
    #[must_use]
    pub fn triggers_naming<'c>(
        &'c self,
        table: &ObjectName,
        column: &Ident,
    ) -> Vec<TriggerMention<'c>> {
        let table = &self.normalize(table);
        let others = others_with(self, table, column);
        let tables = self.tables.values().flat_map(|t| &t.triggers);
        let triggers = tables.chain(self.views.values().flat_map(|v| &v.triggers));
        let mentions = triggers.filter_map(|trigger| {
            let own = trigger.table == *table;
            let (from, dialect) = (column, self.dialect);
            let named =
                Renaming { table: &table.name, from, to: from, own, others: &others, dialect };
            named.mentions(trigger).map(|certain| TriggerMention { trigger, certain })
        });
        mentions.collect()
    }
}

/// Other tables with a column of this name.
fn others_with(catalog: &Catalog, table: &ObjectName, column: &Ident) -> Vec<Ident> {
    let others = catalog.tables.values().filter(|other| other.name != *table);
    others.filter(|t| t.column(column).is_some()).map(|t| t.name.name.clone()).collect()
}

/// Where a name stands that a trigger mentions.
struct Renaming<'a> {
    /// Table of the column.
    table: &'a Ident,
    from: &'a Ident,
    to: &'a Ident,
    /// The trigger is on that table.
    own: bool,
    /// Other tables with a column of that name.
    others: &'a [Ident],
    dialect: Dialect,
}

impl Applier<'_> {
    /// Lets triggers follow a column of `table`. The text of one in which the name may mean another column is
    /// forgotten: nobody makes it anew then.
    pub(super) fn follow_in_triggers(&mut self, table: &ObjectName, from: &Ident, to: &Ident) {
        let dialect = self.dialect();
        let sqlite = dialect == Dialect::Sqlite;
        let others = if sqlite { others_with(self.catalog, table, from) } else { Vec::new() };
        let one = |trigger: &mut TriggerDef| {
            let own = trigger.table == *table;
            let renaming = Renaming { table: &table.name, from, to, own, others: &others, dialect };
            renaming.follow(trigger);
        };
        if !sqlite {
            if let Some(table) = self.catalog.tables.get_mut(table) {
                table.triggers.iter_mut().for_each(one);
            }
            return;
        }
        self.catalog.tables.values_mut().flat_map(|t| &mut t.triggers).for_each(one);
        self.catalog.views.values_mut().flat_map(|v| &mut v.triggers).for_each(one);
    }
}

impl Renaming<'_> {
    fn follow(&self, trigger: &mut TriggerDef) {
        let body = tokens(&trigger.text, self.dialect);
        let Some(others) = self.also_named(trigger, &body) else { return };
        let Some(text) = self.renamed(&body, &others) else {
            trigger.event.clear();
            return;
        };
        // `UPDATE OF` names columns of the trigger's own table.
        if self.own
            && let Some(event) = self.renamed(&tokens(&trigger.event, self.dialect), &[])
        {
            trigger.event = event;
        }
        if text == trigger.text {
            return;
        }
        trigger.text = text;
        for column in trigger.columns.iter_mut().filter(|column| *column == self.from) {
            *column = self.to.clone();
        }
    }

    /// Others of the tables that a trigger names; `None` where it has nothing to do with the column's table.
    fn also_named(&self, trigger: &TriggerDef, body: &[Token<'_>]) -> Option<Vec<&Ident>> {
        let names =
            |what: &Ident| body.iter().any(|t| t.ident(self.dialect).as_ref() == Some(what));
        (self.own || names(self.table)).then(|| {
            let own = |other: &&Ident| **other == trigger.table.name || names(other);
            self.others.iter().filter(own).collect()
        })
    }

    /// Whether a trigger names the column, and if so, whether that is certain.
    fn mentions(&self, trigger: &TriggerDef) -> Option<bool> {
        let body = tokens(&trigger.text, self.dialect);
        let others = self.also_named(trigger, &body)?;
        let event = tokens(&trigger.event, self.dialect);
        let of = self.own && (0..event.len()).any(|at| self.named(&event, at, &[]).is_some());
        let named = (0..body.len()).filter_map(|at| self.named(&body, at, &others));
        named.fold(of.then_some(true), |found, named| match named {
            Named::It => Some(true),
            Named::Either => Some(found.unwrap_or(false)),
            Named::Another => found,
        })
    }

    /// The text with the new name; `None` where it may mean either.
    fn renamed(&self, all: &[Token<'_>], others: &[&Ident]) -> Option<String> {
        let mut out = String::new();
        for (at, token) in all.iter().enumerate() {
            match self.named(all, at, others) {
                Some(Named::It) => out.push_str(&self.dialect.quote_if_needed(self.to)),
                Some(Named::Either) => return None,
                Some(Named::Another) | None => out.push_str(token.text),
            }
        }
        Some(out)
    }

    /// What a token names, if it is the column's name.
    fn named(&self, all: &[Token<'_>], at: usize, others: &[&Ident]) -> Option<Named> {
        let ident = |token: &Token<'_>| token.ident(self.dialect);
        if ident(&all[at]).as_ref() != Some(self.from) {
            return None;
        }
        let mut before = all[..at].iter().rev().filter(|t| t.kind != Kind::Space);
        let next = all[at + 1..].iter().find(|t| t.kind != Kind::Space).map(|t| t.text);
        if next == Some("(") && all[at].kind == Kind::Word || next == Some(".") {
            return Some(Named::Another);
        }
        let qualifier = match before.next() {
            Some(dot) if dot.text == "." => before.next().and_then(ident),
            _ => self.inserted_into(&all[..at]),
        };
        let is_row =
            |q: &Ident| ["new", "old"].iter().any(|row| q.as_str().eq_ignore_ascii_case(row));
        Some(match qualifier {
            Some(q) if is_row(&q) && self.own => Named::It,
            Some(q) if is_row(&q) => Named::Another,
            Some(q) if q == *self.table => Named::It,
            Some(q) if others.contains(&&q) => Named::Another,
            _ if others.is_empty() => Named::It,
            _ => Named::Either,
        })
    }

    /// The table of `INSERT INTO table (a, b, `, where the text ends with that.
    fn inserted_into(&self, before: &[Token<'_>]) -> Option<Ident> {
        let mut back = before.iter().rev().filter(|t| t.kind != Kind::Space);
        let open = back.find(|t| t.text != "," && t.ident(self.dialect).is_none())?;
        let table = back.next().filter(|_| open.text == "(")?.ident(self.dialect)?;
        back.next().filter(|t| t.text.eq_ignore_ascii_case("into")).map(|_| table)
    }
}

#[cfg(test)]
mod tests {
    use downhaul_syntax::parse_script;

    use super::*;
    use crate::Origin;

    const SHOP: &str = "CREATE TABLE users (id int, name text, nick text); CREATE TABLE posts (id int, title text); \
        CREATE TABLE log (id int, name text); CREATE VIEW v AS SELECT id FROM users;";

    /// What becomes of a trigger when `users.name` is called `full_name`.
    fn renamed(dialect: Dialect, trigger: &str) -> String {
        let mut catalog = Catalog::new(dialect);
        let script =
            format!("{SHOP} {trigger}; ALTER TABLE users RENAME COLUMN name TO full_name;");
        let problems = catalog.apply_script(&parse_script(&script, dialect), Origin::Series(0));
        assert!(problems.is_empty(), "{trigger}");
        let triggers = catalog.tables.values().flat_map(|t| &t.triggers);
        let mut triggers = triggers.chain(catalog.views.values().flat_map(|v| &v.triggers));
        let trigger = triggers.next().unwrap();
        if trigger.event.is_empty() {
            return "unknown".into();
        }
        format!("{} ON {} {}", trigger.event, trigger.table, trigger.text)
    }

    #[test]
    fn triggers_follow_where_it_is_certain() {
        for (before, after) in [
            (
                "AFTER UPDATE OF name ON users BEGIN INSERT INTO log (id, name) VALUES (NEW.id, NEW.name); END",
                "AFTER UPDATE OF full_name ON users BEGIN INSERT INTO log (id, name) VALUES (NEW.id, NEW.full_name); END",
            ),
            (
                "AFTER INSERT ON posts BEGIN UPDATE users SET name = NEW.title; END",
                "AFTER INSERT ON posts BEGIN UPDATE users SET full_name = NEW.title; END",
            ),
            (
                "AFTER INSERT ON log BEGIN UPDATE users SET nick = NEW.name; END",
                "AFTER INSERT ON log BEGIN UPDATE users SET nick = NEW.name; END",
            ),
            (
                "INSTEAD OF INSERT ON v BEGIN INSERT INTO users (id, \"name\") SELECT id, log.name FROM log; END",
                "INSTEAD OF INSERT ON v BEGIN INSERT INTO users (id, full_name) SELECT id, log.name FROM log; END",
            ),
            ("AFTER INSERT ON log BEGIN UPDATE users SET name = NEW.name; END", "unknown"),
            (
                "AFTER INSERT ON posts BEGIN DELETE FROM log WHERE name = NEW.title; END",
                "AFTER INSERT ON posts BEGIN DELETE FROM log WHERE name = NEW.title; END",
            ),
        ] {
            let created = format!("CREATE TRIGGER t {before}");
            assert_eq!(renamed(Dialect::Sqlite, &created), after, "{before}");
        }
        let postgres = "CREATE TRIGGER t BEFORE UPDATE OF name ON users FOR EACH ROW WHEN (NEW.name <> '') EXECUTE FUNCTION f()";
        assert_eq!(
            renamed(Dialect::Postgres, postgres),
            "BEFORE UPDATE OF full_name ON users FOR EACH ROW WHEN (NEW.full_name <> '') EXECUTE FUNCTION f()"
        );
    }

    #[test]
    fn who_names_a_column_is_found() {
        let mut catalog = Catalog::new(Dialect::Sqlite);
        let script = format!(
            "{SHOP} CREATE TRIGGER a AFTER INSERT ON posts BEGIN UPDATE users SET nick = NEW.title; END; \
             CREATE TRIGGER b AFTER INSERT ON log BEGIN UPDATE users SET name = 'x'; END; \
             CREATE TRIGGER c AFTER UPDATE OF nick ON users BEGIN SELECT 1; END;"
        );
        catalog.apply_script(&parse_script(&script, Dialect::Sqlite), Origin::Series(0));
        let naming = |column: &str| {
            let users = ObjectName::bare(Ident::stored(Dialect::Sqlite, "users"));
            let column = Ident::stored(Dialect::Sqlite, column);
            let found = catalog.triggers_naming(&users, &column);
            found.iter().map(|m| format!("{} {}", m.trigger.name, m.certain)).collect::<Vec<_>>()
        };
        assert_eq!(naming("nick"), ["a true", "c true"]);
        assert_eq!(naming("name"), ["b false"]);
        assert!(naming("id").is_empty());
    }
}

//! `ALTER TABLE`: one change for each clause.

mod column;
mod mysql;
mod postgres;

use crate::lexer::TokenKind;
use crate::parse::Out;
use crate::parse::column::parse_column;
use crate::parse::constraint::{self, TableElement, parse_table_element};
use crate::parse::cursor::{Cursor, Parse};
use crate::parse::mysql::{is_table_option, online_ahead, wait};
use crate::{Change, Dialect, ObjectKind, ObjectName};
use mysql::position;
use postgres::partition_rest;

/// Behind `ALTER [FOREIGN] TABLE`, `ALTER VIEW` or `ALTER MATERIALIZED VIEW`; `kind` says which.
pub(crate) fn alter_table(cursor: &mut Cursor<'_>, out: &mut Out, kind: ObjectKind) -> Parse<()> {
    let from = cursor.pos;
    if cursor.eat_all(&["ALL", "IN", "TABLESPACE"]) {
        let text = cursor.rest();
        out.push(cursor, from, Change::AlterOther { kind, name: None, table: None, text });
        return Ok(());
    }
    cursor.if_exists();
    let only = cursor.eat("ONLY");
    let parens = only && cursor.eat_kind(TokenKind::LeftParen);
    let table = cursor.object_name("a table name")?;
    if parens {
        cursor.expect_right()?;
    }
    cursor.eat_op("*");
    if cursor.is_mysql() {
        if let Some(online) = wait(cursor)? {
            out.push(cursor, from, Change::Online { table: table.clone(), online });
        }
        if let Some(online) = online_ahead(cursor) {
            out.push(cursor, from, Change::Online { table: table.clone(), online });
        }
    }
    if cursor.at_end() {
        return Err(cursor.expected("an action such as ADD COLUMN"));
    }
    let mut alter = Alter { cursor, out, table, kind };
    loop {
        alter.action()?;
        if alter.cursor.eat_comma() {
            continue;
        }
        if alter.cursor.at_end() {
            return Ok(());
        }
        // MySQL lets the last partitioning clause stand without a comma.
        if alter.cursor.is_mysql() && alter.cursor.is_any(&["PARTITION", "REMOVE"]) {
            continue;
        }
        // Table options stand side by side.
        if alter.cursor.is_mysql() && is_table_option(alter.cursor) {
            continue;
        }
        return Err(alter.cursor.expected("`,` or the end of the statement"));
    }
}

struct Alter<'c, 'a, 'o> {
    cursor: &'c mut Cursor<'a>,
    out: &'o mut Out,
    table: ObjectName,
    kind: ObjectKind,
}

impl Alter<'_, '_, '_> {
    fn push(&mut self, from: usize, change: Change) {
        self.out.push(self.cursor, from, change);
    }

    fn table(&self) -> ObjectName {
        self.table.clone()
    }

    fn action(&mut self) -> Parse<()> {
        let from = self.cursor.pos;
        if self.cursor.eat("ADD") {
            self.add(from)
        } else if self.cursor.eat("DROP") {
            self.drop(from)
        } else if self.cursor.eat("ALTER") {
            self.alter(from)
        } else if self.cursor.eat("RENAME") {
            self.rename(from)
        } else if self.cursor.eat("VALIDATE") && self.cursor.eat("CONSTRAINT") {
            let name = self.cursor.ident("a constraint name")?;
            let table = self.table();
            self.push(from, Change::ValidateConstraint { table, name });
            Ok(())
        } else if self.cursor.is_mysql() {
            self.mysql(from)
        } else {
            self.postgres(from)
        }
    }

    fn add(&mut self, from: usize) -> Parse<()> {
        let cursor = &mut *self.cursor;
        if cursor.is_mysql() && cursor.is("PARTITION") {
            let text = partition_rest(cursor);
            return self.mysql_partition(from, "add", text);
        }
        if cursor.is_mysql()
            && cursor.is_any(&["SYSTEM", "PERIOD"])
            && cursor.is_any_at(1, &["VERSIONING", "FOR", "IF"])
        {
            let verb = format!("add {}", cursor.text_at(0).to_lowercase());
            cursor.skip_until(|c| c.is_kind(TokenKind::Comma));
            let table = self.table();
            self.push(from, Change::MysqlTableVerb { table, verb });
            return Ok(());
        }
        let explicit = cursor.eat("COLUMN");
        if !explicit && constraint::starts(cursor) {
            let if_not_exists = cursor.are(&["CONSTRAINT", "IF", "NOT", "EXISTS"])
                || cursor.is_mysql() && self.if_not_exists_soon();
            let element = parse_table_element(self.cursor, &self.table)?;
            let table = self.table();
            match element {
                TableElement::Constraint(constraint) => {
                    self.push(from, Change::AddConstraint { table, constraint, if_not_exists });
                }
                TableElement::Index(index) => {
                    let change = Change::CreateIndex { index, concurrently: false, if_not_exists };
                    self.push(from, change);
                }
            }
            return Ok(());
        }
        let if_not_exists = cursor.if_not_exists();
        if cursor.is_mysql() && cursor.is_kind(TokenKind::LeftParen) {
            // `ADD (a int, b int, KEY (a))`
            cursor.bump();
            loop {
                let start = self.cursor.pos;
                if constraint::starts(self.cursor) {
                    let element = parse_table_element(self.cursor, &self.table)?;
                    let table = self.table();
                    let change = match element {
                        TableElement::Constraint(constraint) => {
                            Change::AddConstraint { table, constraint, if_not_exists }
                        }
                        TableElement::Index(index) => {
                            Change::CreateIndex { index, concurrently: false, if_not_exists }
                        }
                    };
                    self.push(start, change);
                } else {
                    let column = parse_column(self.cursor, false)?;
                    let table = self.table();
                    let position = None;
                    let change = Change::AddColumn { table, column, if_not_exists, position };
                    self.push(start, change);
                }
                if !self.cursor.eat_comma() {
                    break;
                }
            }
            return self.cursor.expect_right();
        }
        let column = parse_column(cursor, false)?;
        let position = position(cursor)?;
        let table = self.table();
        self.push(from, Change::AddColumn { table, column, if_not_exists, position });
        Ok(())
    }

    fn if_not_exists_soon(&self) -> bool {
        (1..4).any(|ahead| self.cursor.is_at(ahead, "IF") && self.cursor.is_at(ahead + 1, "NOT"))
    }

    fn drop(&mut self, from: usize) -> Parse<()> {
        let table = self.table();
        let cursor = &mut *self.cursor;
        if cursor.is_mysql() {
            if cursor.eat_all(&["PRIMARY", "KEY"]) {
                self.push(from, Change::DropPrimaryKey { table });
                return Ok(());
            }
            if cursor.is("PARTITION") {
                let text = partition_rest(cursor);
                return self.mysql_partition(from, "drop", text);
            }
            if cursor.is_any(&["INDEX", "KEY"]) && (cursor.is_name_at(1)) {
                cursor.bump();
                let if_exists = cursor.if_exists();
                let name = cursor.object_name("an index name")?;
                self.push(
                    from,
                    Change::DropIndex {
                        name,
                        table: Some(table),
                        concurrently: false,
                        if_exists,
                        cascade: false,
                    },
                );
                return Ok(());
            }
            if cursor.eat_all(&["FOREIGN", "KEY"])
                || cursor.dialect != Dialect::MariaDb
                    && cursor.is("CHECK")
                    && cursor.is_name_at(1)
                    && {
                        cursor.bump();
                        true
                    }
            {
                let if_exists = cursor.if_exists();
                let name = cursor.ident("a constraint name")?;
                let cascade = false;
                self.push(from, Change::DropConstraint { table, name, if_exists, cascade });
                return Ok(());
            }
            if cursor.are(&["SYSTEM", "VERSIONING"])
                || cursor.is("PERIOD") && cursor.is_any_at(1, &["FOR", "IF"])
            {
                let verb = format!("drop {}", cursor.text().to_lowercase());
                cursor.skip_until(|c| c.is_kind(TokenKind::Comma));
                self.push(from, Change::MysqlTableVerb { table, verb });
                return Ok(());
            }
        }
        if cursor.is("CONSTRAINT") && (cursor.is_name_at(1)) {
            cursor.bump();
            let if_exists = cursor.if_exists();
            let name = cursor.ident("a constraint name")?;
            let cascade = cursor.cascade();
            self.push(from, Change::DropConstraint { table, name, if_exists, cascade });
            return Ok(());
        }
        cursor.eat("COLUMN");
        let if_exists = cursor.if_exists();
        let column = cursor.ident("a column name")?;
        let cascade = cursor.cascade();
        self.push(from, Change::DropColumn { table, column, if_exists, cascade });
        Ok(())
    }

    fn rename(&mut self, from: usize) -> Parse<()> {
        let table = self.table();
        let cursor = &mut *self.cursor;
        if cursor.is("CONSTRAINT") && cursor.is_at(2, "TO") {
            cursor.bump();
            let old = cursor.ident("a constraint name")?;
            cursor.expect("TO")?;
            let to = cursor.ident("a new name")?;
            self.push(from, Change::RenameConstraint { table, from: old, to });
            return Ok(());
        }
        if cursor.is_mysql() && cursor.is_any(&["INDEX", "KEY"]) && cursor.is_at(2, "TO") {
            cursor.bump();
            let old = cursor.object_name("an index name")?;
            cursor.expect("TO")?;
            let to = cursor.ident("a new name")?;
            self.push(from, Change::RenameIndex { table: Some(table), from: old, to });
            return Ok(());
        }
        let whole = cursor.is("TO") && !cursor.is_at(1, "TO")
            || cursor.is_mysql() && cursor.is_any(&["AS"]) && cursor.is_name_at(1)
            || cursor.is_mysql() && cursor.is_op("=")
            || cursor.is_mysql()
                && cursor.is_name()
                && !cursor.is("COLUMN")
                && !cursor.is_at(1, "TO");
        if whole {
            if cursor.eat_any(&["TO", "AS"]).is_none() {
                cursor.eat_op("=");
            }
            let mut to = cursor.object_name("a new name")?;
            to.schema = to.schema.or_else(|| table.schema.clone());
            let change = match self.kind {
                ObjectKind::View => Change::RenameView { from: table, to, materialized: false },
                ObjectKind::MaterializedView => {
                    Change::RenameView { from: table, to, materialized: true }
                }
                _ => Change::RenameTable { from: table, to },
            };
            self.push(from, change);
            return Ok(());
        }
        if cursor.is("COLUMN") && !cursor.is_at(1, "TO") {
            cursor.bump();
        }
        cursor.if_exists();
        let old = cursor.ident("a column name")?;
        cursor.expect("TO")?;
        let to = cursor.ident("a new name")?;
        self.push(from, Change::RenameColumn { table, from: old, to });
        Ok(())
    }
}

impl Cursor<'_> {
    /// All of these keywords must follow.
    pub(crate) fn eat_words(&mut self, words: &[&str]) -> Parse<()> {
        for word in words {
            self.expect(word)?;
        }
        Ok(())
    }
}

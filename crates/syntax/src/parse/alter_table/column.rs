//! `ALTER [COLUMN]`, and what else begins with that word.

use super::Alter;
use crate::lexer::TokenKind;
use crate::parse::cursor::{Cursor, Parse};
use crate::parse::types::parse_type;
use crate::{Change, Ident, Identity};

impl Alter<'_, '_, '_> {
    pub(super) fn alter(&mut self, from: usize) -> Parse<()> {
        let table = self.table();
        let cursor = &mut *self.cursor;
        if cursor.is("CONSTRAINT") && cursor.is_name_at(1)
            || cursor.is_mysql() && cursor.is("CHECK")
        {
            cursor.bump();
            let name = cursor.ident("a constraint name")?;
            let start = cursor.pos;
            cursor.skip_until(|c| c.is_kind(TokenKind::Comma));
            let text = cursor.text_from(start);
            self.push(from, Change::AlterConstraint { table, name, text });
            return Ok(());
        }
        if cursor.is_mysql() && cursor.is_any(&["INDEX", "KEY"]) && cursor.is_name_at(1) {
            cursor.bump();
            let index = cursor.object_name("an index name")?;
            let start = cursor.pos;
            cursor.skip_until(|c| c.is_kind(TokenKind::Comma));
            let text = cursor.text_from(start);
            self.push(from, Change::AlterIndexOptions { index, table: Some(table), text });
            return Ok(());
        }
        // `COLUMN` may be left out, and may be a column's name; so may `TYPE`.
        let acts = cursor.is_any_at(1, &["SET", "DROP"])
            || (cursor.is_at(1, "TYPE") && !cursor.is_name_at(2));
        if cursor.is("COLUMN") && !acts {
            cursor.bump();
        }
        cursor.if_exists();
        if cursor.is_kind(TokenKind::Number) {
            // A column of an index by its number.
            cursor.bump();
            return self.column_option(from, Ident::new(self.cursor.dialect, "", true));
        }
        let column = cursor.ident("a column name")?;
        self.alter_column(from, column)
    }

    fn alter_column(&mut self, from: usize, column: Ident) -> Parse<()> {
        let table = self.table();
        let cursor = &mut *self.cursor;
        let change = if cursor.eat_all(&["SET", "NOT", "NULL"]) {
            Change::SetNotNull { table, column }
        } else if cursor.eat_all(&["DROP", "NOT", "NULL"]) {
            Change::DropNotNull { table, column }
        } else if cursor.eat_all(&["SET", "DEFAULT"]) {
            let stop = |c: &Cursor<'_>| c.is_kind(TokenKind::Comma);
            Change::SetDefault { table, column, default: cursor.expr_until(stop)? }
        } else if cursor.eat_all(&["DROP", "DEFAULT"]) {
            Change::DropDefault { table, column }
        } else if cursor.eat_all(&["SET", "DATA", "TYPE"]) || cursor.eat("TYPE") {
            let ty = parse_type(cursor)?;
            let collation = match cursor.eat("COLLATE") {
                true => Some(cursor.object_name("a collation")?.to_string()),
                false => None,
            };
            let using = match cursor.eat("USING") {
                true => Some(cursor.expr_until(|c| c.is_kind(TokenKind::Comma))?),
                false => None,
            };
            Change::AlterColumnType { table, column, ty, collation, using }
        } else if cursor.eat_all(&["DROP", "IDENTITY"]) {
            Change::DropIdentity { table, column, if_exists: cursor.if_exists() }
        } else if cursor.eat_all(&["DROP", "EXPRESSION"]) {
            Change::DropExpression { table, column, if_exists: cursor.if_exists() }
        } else if cursor.eat_all(&["SET", "EXPRESSION", "AS"]) {
            Change::SetExpression { table, column, expr: cursor.paren_expr()? }
        } else if cursor.eat_all(&["ADD", "GENERATED"]) {
            let identity = generated(cursor)?;
            cursor.expect("AS")?;
            cursor.expect("IDENTITY")?;
            if cursor.is_kind(TokenKind::LeftParen) {
                cursor.skip_group()?;
            }
            Change::AddIdentity { table, column, identity }
        } else if cursor.are(&["SET", "GENERATED"])
            || cursor.is("RESTART")
            || cursor.is("SET")
                && cursor.is_any_at(
                    1,
                    &[
                        "INCREMENT",
                        "START",
                        "RESTART",
                        "CACHE",
                        "CYCLE",
                        "NO",
                        "MINVALUE",
                        "MAXVALUE",
                    ],
                )
        {
            let start = cursor.pos;
            let identity = match cursor.eat_all(&["SET", "GENERATED"]) {
                true => Some(generated(cursor)?),
                false => None,
            };
            cursor.skip_until(|c| c.is_kind(TokenKind::Comma));
            let text = cursor.text_from(start);
            Change::AlterIdentity { table, column, identity, text }
        } else {
            return self.column_option(from, column);
        };
        self.push(from, change);
        Ok(())
    }

    fn column_option(&mut self, from: usize, column: Ident) -> Parse<()> {
        let table = self.table();
        let cursor = &mut *self.cursor;
        let verb = cursor.eat_any(&["SET", "RESET", "OPTIONS"]);
        let (option, value) = match verb {
            Some(_) if cursor.is_kind(TokenKind::LeftParen) => {
                let (a, b) = cursor.skip_group()?;
                ("options".to_owned(), cursor.text_of(a, b))
            }
            Some("SET") if cursor.is_name() => {
                let option = cursor.ident("an option")?.as_str().to_lowercase();
                let start = cursor.pos;
                cursor.skip_until(|c| c.is_kind(TokenKind::Comma));
                (option, cursor.text_from(start))
            }
            _ => {
                return Err(cursor.expected(
                    "TYPE, SET DEFAULT, DROP DEFAULT, SET NOT NULL, DROP NOT NULL or another column action",
                ));
            }
        };
        self.push(from, Change::SetColumnOption { table, column, option, value });
        Ok(())
    }
}

fn generated(cursor: &mut Cursor<'_>) -> Parse<Identity> {
    if cursor.eat("ALWAYS") {
        return Ok(Identity::Always);
    }
    cursor.expect("BY")?;
    cursor.expect("DEFAULT")?;
    Ok(Identity::ByDefault)
}

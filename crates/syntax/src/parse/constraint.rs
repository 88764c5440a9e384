//! Constraints, behind a column or on their own.

use crate::lexer::TokenKind;
use crate::parse::cursor::{Cursor, Parse};
use crate::parse::index;
use crate::{ConstraintDef, ConstraintKind, Ident, IndexDef, ObjectName, ReferentialAction};

/// An element of a table that is no column.
pub(crate) enum TableElement {
    Constraint(ConstraintDef),
    /// MySQL `KEY`, `INDEX`, `FULLTEXT`, `SPATIAL`, and a unique key over prefixes or expressions.
    Index(IndexDef),
}

pub(crate) fn bare(name: Option<Ident>, kind: ConstraintKind) -> ConstraintDef {
    ConstraintDef {
        name,
        kind,
        not_valid: false,
        deferrable: false,
        initially_deferred: false,
        not_enforced: false,
        span: crate::Span::default(),
    }
}

/// A table constraint stands here, no column.
pub(crate) fn starts(cursor: &Cursor<'_>) -> bool {
    let paren = |ahead| cursor.kind_at(ahead) == Some(TokenKind::LeftParen);
    let mysql = cursor.is_mysql();
    if cursor.is("CONSTRAINT") {
        return true;
    }
    if cursor.is("PRIMARY") || cursor.is("FOREIGN") {
        return cursor.is_at(1, "KEY");
    }
    if cursor.is("UNIQUE") {
        return paren(1)
            || cursor.is_any_at(1, &["NULLS", "USING", "KEY", "INDEX"])
            || (mysql && cursor.is_name_at(1));
    }
    if cursor.is("CHECK") {
        return paren(1);
    }
    if cursor.is("EXCLUDE") {
        return paren(1) || cursor.is_at(1, "USING");
    }
    if cursor.is("NOT") {
        return cursor.is_at(1, "NULL");
    }
    if !mysql {
        return false;
    }
    if cursor.is_any(&["FULLTEXT", "SPATIAL"]) {
        return paren(1) || cursor.is_any_at(1, &["KEY", "INDEX"]) || paren(2);
    }
    // `KEY (a)`, `KEY name (a)`, `INDEX name USING BTREE (a)`; a column named `key` is followed
    // by its type.
    cursor.is_any(&["KEY", "INDEX"])
        && (paren(1)
            || cursor.is_at(1, "USING")
            || cursor.is_at(2, "USING")
            || cursor.are_if_not_exists(1)
            || (cursor.is_name_at(1) && paren(2) && !is_type_with_length(cursor)))
}

impl Cursor<'_> {
    fn are_if_not_exists(&self, ahead: usize) -> bool {
        self.is_at(ahead, "IF") && self.is_at(ahead + 1, "NOT") && self.is_at(ahead + 2, "EXISTS")
    }
}

/// `key varchar(20)`: the parenthesis holds a number.
fn is_type_with_length(cursor: &Cursor<'_>) -> bool {
    cursor.kind_at(3) == Some(TokenKind::Number)
}

/// A constraint or key on its own. `table` is what an index is for.
pub(crate) fn parse_table_element(
    cursor: &mut Cursor<'_>,
    table: &ObjectName,
) -> Parse<TableElement> {
    let from = cursor.pos;
    let mut name = None;
    if cursor.eat("CONSTRAINT") {
        cursor.if_not_exists();
        let unnamed = cursor.is_mysql()
            && (cursor.is_any(&["CHECK", "UNIQUE"])
                || cursor.are(&["PRIMARY", "KEY"])
                || cursor.are(&["FOREIGN", "KEY"]));
        if !unnamed {
            name = Some(cursor.ident("a constraint name")?);
        }
    }
    let element = if cursor.eat_all(&["PRIMARY", "KEY"]) {
        if cursor.is_mysql() {
            // The server takes and forgets a name here.
            if !cursor.if_not_exists() && cursor.is_name() && !cursor.is("USING") {
                name = Some(cursor.ident("a name")?);
            }
            index::skip_index_type(cursor)?;
        }
        let kind = if cursor.eat_all(&["USING", "INDEX"]) {
            let index = Some(cursor.ident("an index name")?);
            ConstraintKind::PrimaryKey { columns: Vec::new(), using_index: index }
        } else {
            ConstraintKind::PrimaryKey { columns: key_columns(cursor)?, using_index: None }
        };
        TableElement::Constraint(bare(name, kind))
    } else if cursor.eat("UNIQUE") {
        unique(cursor, name, table)?
    } else if cursor.eat("CHECK") {
        let expr = cursor.paren_expr()?;
        let no_inherit = cursor.eat_all(&["NO", "INHERIT"]);
        TableElement::Constraint(bare(name, ConstraintKind::Check { expr, no_inherit }))
    } else if cursor.eat_all(&["FOREIGN", "KEY"]) {
        if cursor.is_mysql() {
            cursor.if_not_exists();
            if let Some(index) = cursor.ident_opt() {
                // MySQL uses this name where the constraint has none.
                name.get_or_insert(index);
            }
        }
        let columns = period_columns(cursor)?;
        cursor.expect("REFERENCES")?;
        TableElement::Constraint(bare(name, references(cursor, columns)?))
    } else if cursor.eat("EXCLUDE") {
        let start = cursor.pos;
        if cursor.eat("USING") {
            cursor.ident("an index method")?;
        }
        let (a, b) = cursor.skip_group()?;
        let columns = cursor.expr_of(a, b).columns;
        index::skip_storage(cursor)?;
        if cursor.eat("WHERE") {
            cursor.skip_group()?;
        }
        let text = cursor.text_from(start);
        TableElement::Constraint(bare(name, ConstraintKind::Exclude { text, columns }))
    } else if cursor.eat_all(&["NOT", "NULL"]) {
        let column = cursor.ident("a column name")?;
        cursor.eat_all(&["NO", "INHERIT"]);
        TableElement::Constraint(bare(name, ConstraintKind::NotNull { column }))
    } else if cursor.is_mysql() && cursor.is_any(&["KEY", "INDEX", "FULLTEXT", "SPATIAL"]) {
        TableElement::Index(index::parse_inline_index(cursor, table)?)
    } else {
        return Err(cursor.expected("a constraint"));
    };
    match element {
        TableElement::Constraint(mut constraint) => {
            attributes(cursor, &mut constraint)?;
            constraint.span = cursor.span_from(from);
            Ok(TableElement::Constraint(constraint))
        }
        index => Ok(index),
    }
}

fn unique(
    cursor: &mut Cursor<'_>,
    mut name: Option<Ident>,
    table: &ObjectName,
) -> Parse<TableElement> {
    if cursor.is_mysql() {
        cursor.eat_any(&["KEY", "INDEX"]);
        cursor.if_not_exists();
        if !cursor.is("USING")
            && let Some(key) = cursor.ident_opt()
        {
            name = Some(key);
        }
        index::skip_index_type(cursor)?;
        let parts = index::parse_parts(cursor)?;
        let options = index::mysql_options(cursor)?;
        let plain: Option<Vec<Ident>> =
            parts.iter().map(|p| p.column.clone().filter(|_| index::is_plain(p))).collect();
        return Ok(match plain {
            Some(columns) if !options.invisible => TableElement::Constraint(bare(
                name,
                ConstraintKind::Unique { columns, nulls_not_distinct: false, using_index: None },
            )),
            _ => TableElement::Index(IndexDef {
                name: name.map(ObjectName::bare),
                unique: true,
                parts,
                invisible: options.invisible,
                ..index::empty(table.clone())
            }),
        });
    }
    let nulls_not_distinct = nulls(cursor);
    let kind = if cursor.eat_all(&["USING", "INDEX"]) {
        let using_index = Some(cursor.ident("an index name")?);
        ConstraintKind::Unique { columns: Vec::new(), nulls_not_distinct, using_index }
    } else {
        ConstraintKind::Unique {
            columns: key_columns(cursor)?,
            nulls_not_distinct,
            using_index: None,
        }
    };
    Ok(TableElement::Constraint(bare(name, kind)))
}

/// `NULLS [NOT] DISTINCT`: true for the first.
pub(crate) fn nulls(cursor: &mut Cursor<'_>) -> bool {
    let not = cursor.eat_all(&["NULLS", "NOT", "DISTINCT"]);
    if !not {
        cursor.eat_all(&["NULLS", "DISTINCT"]);
    }
    not
}

/// Columns of a key; prefix lengths, order and collation are read and left out.
fn key_columns(cursor: &mut Cursor<'_>) -> Parse<Vec<Ident>> {
    cursor.expect_left()?;
    let mut columns = Vec::new();
    loop {
        columns.push(cursor.ident("a column name")?);
        if cursor.is_kind(TokenKind::LeftParen) {
            cursor.skip_group()?;
        }
        if cursor.eat("COLLATE") {
            cursor.ident("a collation")?;
        }
        cursor.eat_any(&["ASC", "DESC"]);
        cursor.eat("AUTOINCREMENT");
        cursor.eat_all(&["WITHOUT", "OVERLAPS"]);
        if !cursor.eat_comma() {
            break;
        }
    }
    cursor.expect_right()?;
    index::skip_storage(cursor)?;
    if cursor.is_mysql() {
        index::mysql_options(cursor)?;
    }
    Ok(columns)
}

/// `(a, PERIOD b)` of a foreign key.
fn period_columns(cursor: &mut Cursor<'_>) -> Parse<Vec<Ident>> {
    cursor.expect_left()?;
    let mut columns = Vec::new();
    loop {
        if cursor.is("PERIOD") && cursor.is_name_at(1) {
            cursor.bump();
        }
        columns.push(cursor.ident("a column name")?);
        if !cursor.eat_comma() {
            break;
        }
    }
    cursor.expect_right()?;
    Ok(columns)
}

/// Behind `REFERENCES`.
pub(crate) fn references(cursor: &mut Cursor<'_>, columns: Vec<Ident>) -> Parse<ConstraintKind> {
    let table = cursor.object_name("a table name")?;
    let referred =
        if cursor.is_kind(TokenKind::LeftParen) { period_columns(cursor)? } else { Vec::new() };
    let (mut on_delete, mut on_update) = (ReferentialAction::NoAction, ReferentialAction::NoAction);
    let mut match_full = false;
    loop {
        if cursor.eat("MATCH") {
            match_full |= cursor.is("FULL");
            cursor.ident("FULL, PARTIAL or SIMPLE")?;
        } else if cursor.eat_all(&["ON", "DELETE"]) {
            on_delete = action(cursor)?;
        } else if cursor.is("ON")
            && cursor.is_at(1, "UPDATE")
            && cursor.is_any_at(2, &["NO", "RESTRICT", "CASCADE", "SET"])
        {
            cursor.pos += 2;
            on_update = action(cursor)?;
        } else {
            break;
        }
    }
    Ok(ConstraintKind::ForeignKey { columns, table, referred, on_delete, on_update, match_full })
}

fn action(cursor: &mut Cursor<'_>) -> Parse<ReferentialAction> {
    let action = if cursor.eat_all(&["NO", "ACTION"]) {
        ReferentialAction::NoAction
    } else if cursor.eat("RESTRICT") {
        ReferentialAction::Restrict
    } else if cursor.eat("CASCADE") {
        ReferentialAction::Cascade
    } else if cursor.eat_all(&["SET", "NULL"]) {
        ReferentialAction::SetNull
    } else if cursor.eat_all(&["SET", "DEFAULT"]) {
        ReferentialAction::SetDefault
    } else {
        return Err(cursor.expected("NO ACTION, RESTRICT, CASCADE, SET NULL or SET DEFAULT"));
    };
    if cursor.is_kind(TokenKind::LeftParen) && cursor.is_postgres() {
        // `SET NULL (column, …)`, PostgreSQL 15.
        cursor.skip_group()?;
    }
    Ok(action)
}

/// `NOT VALID`, `DEFERRABLE` and their kin, in any order.
pub(crate) fn attributes(cursor: &mut Cursor<'_>, constraint: &mut ConstraintDef) -> Parse<()> {
    loop {
        if cursor.eat_all(&["NOT", "VALID"]) {
            constraint.not_valid = true;
        } else if cursor.eat_all(&["NOT", "DEFERRABLE"]) {
            constraint.deferrable = false;
        } else if cursor.eat("DEFERRABLE") {
            constraint.deferrable = true;
        } else if cursor.eat_all(&["INITIALLY", "DEFERRED"]) {
            constraint.initially_deferred = true;
            constraint.deferrable = true;
        } else if cursor.eat_all(&["INITIALLY", "IMMEDIATE"]) {
            constraint.initially_deferred = false;
        } else if cursor.eat_all(&["NOT", "ENFORCED"]) {
            constraint.not_enforced = true;
        } else if cursor.eat("ENFORCED") {
            constraint.not_enforced = false;
        } else if cursor.are(&["NO", "INHERIT"]) {
            cursor.pos += 2;
            if let ConstraintKind::Check { no_inherit, .. } = &mut constraint.kind {
                *no_inherit = true;
            }
        } else if cursor.is_sqlite() && cursor.eat_all(&["ON", "CONFLICT"]) {
            cursor.ident("ROLLBACK, ABORT, FAIL, IGNORE or REPLACE")?;
        } else {
            return Ok(());
        }
    }
}

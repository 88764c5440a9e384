//! Column definitions.

use crate::lexer::TokenKind;
use crate::parse::constraint::{self, bare};
use crate::parse::cursor::{Cursor, Parse};
use crate::parse::index;
use crate::parse::types::parse_type;
use crate::{ColumnDef, ConstraintKind, Generated, Ident, Identity};

/// Words that may follow a column's name where its type is left out.
const CLAUSES: [&str; 18] = [
    "CONSTRAINT",
    "NOT",
    "NULL",
    "DEFAULT",
    "PRIMARY",
    "UNIQUE",
    "CHECK",
    "REFERENCES",
    "COLLATE",
    "GENERATED",
    "AS",
    "WITH",
    "ON",
    "AUTOINCREMENT",
    "AUTO_INCREMENT",
    "COMMENT",
    "DEFERRABLE",
    "FIRST",
];

pub(crate) fn empty(name: Ident) -> ColumnDef {
    ColumnDef {
        name,
        ty: None,
        not_null: false,
        not_null_name: None,
        default: None,
        generated: None,
        identity: None,
        auto_increment: false,
        collation: None,
        comment: None,
        on_update: None,
        invisible: false,
        constraints: Vec::new(),
        span: crate::Span::default(),
    }
}

/// A column: name, type, constraints. `typeless` allows the type to be missing (partitions,
/// typed tables; always so in SQLite).
pub(crate) fn parse_column(cursor: &mut Cursor<'_>, typeless: bool) -> Parse<ColumnDef> {
    let from = cursor.pos;
    let name = cursor.ident("a column name")?;
    let mut column = empty(name);
    parse_column_rest(cursor, &mut column, typeless)?;
    column.span = cursor.span_from(from);
    Ok(column)
}

/// All behind a column's name.
pub(crate) fn parse_column_rest(
    cursor: &mut Cursor<'_>,
    column: &mut ColumnDef,
    typeless: bool,
) -> Parse<()> {
    let no_type = cursor.at_end()
        || matches!(cursor.kind(), Some(TokenKind::Comma | TokenKind::RightParen))
        || cursor.is_any(&CLAUSES);
    if !(no_type && (typeless || cursor.is_sqlite() || cursor.is_any(&["GENERATED", "AS"]))) {
        column.ty = Some(parse_type(cursor)?);
    }
    while clause(cursor, column)? {}
    Ok(())
}

/// Reads one clause behind a column; false where none stands.
fn clause(cursor: &mut Cursor<'_>, column: &mut ColumnDef) -> Parse<bool> {
    let from = cursor.pos;
    let mut name = None;
    if cursor.is("CONSTRAINT") {
        cursor.bump();
        name = match cursor.is_mysql() && cursor.is_any(&["CHECK", "REFERENCES"]) {
            true => None,
            false => Some(cursor.ident("a constraint name")?),
        };
    }
    if cursor.eat_all(&["NOT", "NULL"]) {
        column.not_null = true;
        if name.is_some() {
            column.not_null_name = name;
        }
        cursor.eat_all(&["NO", "INHERIT"]);
        conflict(cursor)?;
        return Ok(true);
    }
    if cursor.eat("NULL") {
        conflict(cursor)?;
        return Ok(true);
    }
    if cursor.eat_all(&["PRIMARY", "KEY"]) || (cursor.is_mysql() && cursor.eat("KEY")) {
        cursor.eat_any(&["ASC", "DESC"]);
        conflict(cursor)?;
        if cursor.eat("AUTOINCREMENT") || (cursor.is_sqlite() && cursor.eat("AUTO_INCREMENT")) {
            column.auto_increment = true;
        }
        index::skip_storage(cursor)?;
        let columns = vec![column.name.clone()];
        push(
            cursor,
            column,
            from,
            name,
            ConstraintKind::PrimaryKey { columns, using_index: None },
        )?;
        return Ok(true);
    }
    if cursor.eat("UNIQUE") {
        if cursor.is_mysql() {
            cursor.eat_any(&["KEY", "INDEX"]);
        }
        let nulls_not_distinct = constraint::nulls(cursor);
        conflict(cursor)?;
        index::skip_storage(cursor)?;
        let columns = vec![column.name.clone()];
        push(
            cursor,
            column,
            from,
            name,
            ConstraintKind::Unique { columns, nulls_not_distinct, using_index: None },
        )?;
        return Ok(true);
    }
    if cursor.eat("CHECK") {
        let expr = cursor.paren_expr()?;
        let no_inherit = cursor.eat_all(&["NO", "INHERIT"]);
        push(cursor, column, from, name, ConstraintKind::Check { expr, no_inherit })?;
        return Ok(true);
    }
    if cursor.eat("REFERENCES") {
        let kind = constraint::references(cursor, vec![column.name.clone()])?;
        push(cursor, column, from, name, kind)?;
        return Ok(true);
    }
    if cursor.eat("DEFAULT") {
        cursor.eat_op("=");
        column.default = Some(cursor.short_expr()?);
        return Ok(true);
    }
    if cursor.eat("COLLATE") {
        cursor.eat_op("=");
        column.collation = Some(match cursor.string_opt() {
            Some(text) if cursor.is_mysql() => text,
            _ => cursor.object_name("a collation")?.to_string(),
        });
        return Ok(true);
    }
    if cursor.eat("GENERATED") {
        generated(cursor, column)?;
        return Ok(true);
    }
    if cursor.is("AS") && cursor.kind_at(1) == Some(TokenKind::LeftParen) {
        expression(cursor, column)?;
        return Ok(true);
    }
    // Attributes of the last constraint, where they stand behind a NOT NULL or the like.
    if cursor.is_any(&["DEFERRABLE", "INITIALLY"])
        || cursor.is("NOT") && cursor.is_any_at(1, &["DEFERRABLE", "VALID", "ENFORCED"])
    {
        let from = cursor.pos;
        match column.constraints.last_mut() {
            Some(last) => constraint::attributes(cursor, last)?,
            // Behind a NOT NULL, which takes none in effect.
            None => {
                let kind = ConstraintKind::NotNull { column: column.name.clone() };
                constraint::attributes(cursor, &mut bare(None, kind))?;
            }
        }
        // `INITIALLY` without a word that it knows is left to the caller.
        return Ok(cursor.pos > from);
    }
    match cursor.dialect {
        crate::Dialect::Postgres => postgres_clause(cursor),
        crate::Dialect::Sqlite => {
            if cursor.is("ON") && cursor.is_at(1, "CONFLICT") {
                conflict(cursor)?;
                return Ok(true);
            }
            if cursor.eat_any(&["AUTOINCREMENT", "AUTO_INCREMENT"]).is_some() {
                column.auto_increment = true;
                return Ok(true);
            }
            Ok(false)
        }
        crate::Dialect::Mysql | crate::Dialect::MariaDb => mysql_clause(cursor, column),
    }
}

/// SQLite `ON CONFLICT …`.
fn conflict(cursor: &mut Cursor<'_>) -> Parse<()> {
    if cursor.is_sqlite() && cursor.eat_all(&["ON", "CONFLICT"]) {
        cursor.ident("ROLLBACK, ABORT, FAIL, IGNORE or REPLACE")?;
    }
    Ok(())
}

fn push(
    cursor: &mut Cursor<'_>,
    column: &mut ColumnDef,
    from: usize,
    name: Option<Ident>,
    kind: ConstraintKind,
) -> Parse<()> {
    let mut constraint = bare(name, kind);
    constraint::attributes(cursor, &mut constraint)?;
    constraint.span = cursor.span_from(from);
    column.constraints.push(constraint);
    Ok(())
}

/// Behind `GENERATED`.
fn generated(cursor: &mut Cursor<'_>, column: &mut ColumnDef) -> Parse<()> {
    let identity = if cursor.eat_all(&["BY", "DEFAULT"]) {
        cursor.eat_all(&["ON", "NULL"]);
        Identity::ByDefault
    } else {
        cursor.expect("ALWAYS")?;
        Identity::Always
    };
    if cursor.eat_all(&["AS", "IDENTITY"]) {
        column.identity = Some(identity);
        if cursor.is_kind(TokenKind::LeftParen) {
            cursor.skip_group()?;
        }
        return Ok(());
    }
    if cursor.is("AS") && cursor.is_at(1, "ROW") {
        // MariaDB system versioning: `AS ROW START|END`.
        cursor.pos += 2;
        cursor.ident("START or END")?;
        return Ok(());
    }
    expression(cursor, column)
}

/// `AS ( expression ) [STORED|VIRTUAL]`
fn expression(cursor: &mut Cursor<'_>, column: &mut ColumnDef) -> Parse<()> {
    cursor.expect("AS")?;
    let expr = cursor.paren_expr()?;
    let stored = cursor.eat_any(&["STORED", "PERSISTENT"]).is_some();
    if !stored {
        cursor.eat("VIRTUAL");
    }
    column.generated = Some(Generated { expr, stored });
    Ok(())
}

fn postgres_clause(cursor: &mut Cursor<'_>) -> Parse<bool> {
    if cursor.eat_any(&["STORAGE", "COMPRESSION"]).is_some() {
        cursor.ident("a method")?;
        return Ok(true);
    }
    if cursor.eat_all(&["WITH", "OPTIONS"]) {
        return Ok(true);
    }
    if cursor.eat("OPTIONS") {
        cursor.skip_group()?;
        return Ok(true);
    }
    Ok(false)
}

fn mysql_clause(cursor: &mut Cursor<'_>, column: &mut ColumnDef) -> Parse<bool> {
    if cursor.eat("AUTO_INCREMENT") {
        column.auto_increment = true;
    } else if cursor.eat("COMMENT") {
        cursor.eat_op("=");
        column.comment = Some(cursor.string("a comment")?);
    } else if cursor.eat_all(&["ON", "UPDATE"]) {
        column.on_update = Some(cursor.short_expr()?);
    } else if cursor.eat("INVISIBLE") {
        column.invisible = true;
    } else if cursor.eat("UNSIGNED") {
        if let Some(ty) = &mut column.ty {
            ty.unsigned = true;
        }
    } else if cursor.eat_all(&["CHARACTER", "SET"]) || cursor.eat("CHARSET") {
        cursor.eat_op("=");
        let charset = cursor.name_or_string("a character set")?;
        if let Some(ty) = &mut column.ty {
            ty.charset = Some(charset);
        }
    } else if cursor.eat_any(&["STORAGE", "COLUMN_FORMAT"]).is_some() {
        cursor.ident("a format")?;
    } else if cursor.eat_any(&["SRID", "REF_SYSTEM_ID", "ENGINE_ATTRIBUTE"]).is_some() {
        cursor.eat_op("=");
        cursor.bump();
    } else if cursor.eat_all(&["SERIAL", "DEFAULT", "VALUE"]) {
        column.auto_increment = true;
        column.not_null = true;
    } else if cursor.is_any(&["WITH", "WITHOUT"]) && cursor.is_at(1, "SYSTEM") {
        cursor.pos += 3;
    } else if cursor.eat_any(&["VISIBLE", "ZEROFILL", "BINARY", "COMPRESSED", "SIGNED"]).is_none() {
        return Ok(false);
    }
    Ok(true)
}

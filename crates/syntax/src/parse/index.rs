//! `CREATE INDEX`, `ALTER INDEX`, `REINDEX`, and MySQL's keys inside a table.

use crate::change::ReindexTarget;
use crate::lexer::TokenKind;
use crate::parse::Out;
use crate::parse::constraint;
use crate::parse::cursor::{Cursor, Parse};
use crate::{Change, IndexDef, IndexPart, ObjectKind, ObjectName};

pub(crate) fn empty(table: ObjectName) -> IndexDef {
    IndexDef {
        name: None,
        table,
        parts: Vec::new(),
        unique: false,
        method: None,
        include: Vec::new(),
        predicate: None,
        nulls_not_distinct: false,
        only: false,
        invisible: false,
        options: None,
    }
}

/// The part is a column and nothing else.
pub(crate) fn is_plain(part: &IndexPart) -> bool {
    part.column.is_some() && !part.text.contains(['(', ' '])
}

/// `( part, part … )`
pub(crate) fn parse_parts(cursor: &mut Cursor<'_>) -> Parse<Vec<IndexPart>> {
    cursor.expect_left()?;
    let mut parts = Vec::new();
    loop {
        let from = cursor.pos;
        let (_, to) = cursor.skip_until(|c| c.is_kind(TokenKind::Comma));
        if from == to {
            return Err(cursor.expected("a column or an expression"));
        }
        parts.push(part(cursor, from, to));
        if !cursor.eat_comma() {
            break;
        }
    }
    cursor.expect_right()?;
    Ok(parts)
}

fn part(cursor: &Cursor<'_>, from: usize, to: usize) -> IndexPart {
    let text = cursor.text_of(from, to);
    let inner = cursor.over(from, to);
    let options = ["ASC", "DESC", "NULLS", "COLLATE", "WITH"];
    let mysql_prefix = inner.is_mysql()
        && inner.kind_at(1) == Some(TokenKind::LeftParen)
        && inner.kind_at(2) == Some(TokenKind::Number);
    // A column, and behind it nothing, an operator class or options.
    let column = inner.is_name()
        && match inner.kind_at(1) {
            None | Some(TokenKind::QuotedIdent) => true,
            Some(TokenKind::Word) => {
                inner.is_any_at(1, &options) || inner.kind_at(2) != Some(TokenKind::Operator)
            }
            _ => mysql_prefix,
        };
    if column {
        return IndexPart { column: Some(inner.ident_at(0)), expr: None, text };
    }
    let mut ahead = inner;
    let end = if ahead.is_kind(TokenKind::LeftParen) {
        match ahead.behind_group(0) {
            Some(end) if ahead.tokens.get(end).is_none_or(|t| t.kind == TokenKind::Word) => end,
            _ => inner.tokens.len(),
        }
    } else {
        ahead.skip_until(|c| c.is_any(&options)).1
    };
    let bare = inner.is_kind(TokenKind::LeftParen) && end > 2;
    let expr = if bare { inner.expr_of(1, end - 1) } else { inner.expr_of(0, end) };
    IndexPart { column: None, expr: Some(expr), text }
}

/// MySQL `USING BTREE` before the parts.
pub(crate) fn skip_index_type(cursor: &mut Cursor<'_>) -> Parse<Option<String>> {
    if cursor.is("USING") && !cursor.is_at(1, "INDEX") {
        cursor.bump();
        return Ok(Some(cursor.ident("an index type")?.as_str().to_lowercase()));
    }
    Ok(None)
}

/// PostgreSQL `INCLUDE (…)`, `WITH (…)`, `USING INDEX TABLESPACE x` behind a key constraint.
pub(crate) fn skip_storage(cursor: &mut Cursor<'_>) -> Parse<()> {
    loop {
        if cursor.is("INCLUDE") && cursor.kind_at(1) == Some(TokenKind::LeftParen)
            || cursor.is("WITH") && cursor.kind_at(1) == Some(TokenKind::LeftParen)
        {
            cursor.bump();
            cursor.skip_group()?;
        } else if cursor.eat_all(&["USING", "INDEX", "TABLESPACE"]) {
            cursor.ident("a tablespace")?;
        } else {
            return Ok(());
        }
    }
}

/// What MySQL's index options say.
#[derive(Default)]
pub(crate) struct MysqlIndexOptions {
    pub(crate) method: Option<String>,
    pub(crate) invisible: bool,
}

pub(crate) fn mysql_options(cursor: &mut Cursor<'_>) -> Parse<MysqlIndexOptions> {
    let mut options = MysqlIndexOptions::default();
    loop {
        if let Some(method) = skip_index_type(cursor)? {
            options.method = Some(method);
        } else if cursor
            .eat_any(&["KEY_BLOCK_SIZE", "ENGINE_ATTRIBUTE", "SECONDARY_ENGINE_ATTRIBUTE"])
            .is_some()
        {
            cursor.eat_op("=");
            cursor.bump();
        } else if cursor.is("COMMENT")
            && (cursor.kind_at(1) == Some(TokenKind::String)
                || cursor.kind_at(1) == Some(TokenKind::Operator))
        {
            cursor.bump();
            cursor.eat_op("=");
            cursor.string("a comment")?;
        } else if cursor.eat_all(&["WITH", "PARSER"]) {
            cursor.ident("a parser")?;
        } else if cursor.eat_any(&["INVISIBLE", "IGNORED"]).is_some() {
            options.invisible = true;
        } else if cursor.eat("VISIBLE")
            || cursor.eat_all(&["NOT", "IGNORED"])
            || cursor.eat("CLUSTERING")
        {
        } else {
            return Ok(options);
        }
    }
}

/// `KEY name (a, b)` and its kin inside a MySQL table.
pub(crate) fn parse_inline_index(cursor: &mut Cursor<'_>, table: &ObjectName) -> Parse<IndexDef> {
    let mut index = empty(table.clone());
    if let Some(kind) = cursor.eat_any(&["FULLTEXT", "SPATIAL"]) {
        index.method = Some(kind.to_lowercase());
    }
    cursor.eat_any(&["KEY", "INDEX"]);
    cursor.if_not_exists();
    if !cursor.is("USING") {
        index.name = cursor.ident_opt().map(ObjectName::bare);
    }
    index.method = skip_index_type(cursor)?.or(index.method);
    index.parts = parse_parts(cursor)?;
    let options = mysql_options(cursor)?;
    index.method = options.method.or(index.method);
    index.invisible = options.invisible;
    Ok(index)
}

/// Behind `CREATE`, at `[UNIQUE|FULLTEXT|SPATIAL] INDEX`.
pub(crate) fn create_index(cursor: &mut Cursor<'_>, out: &mut Out, or_replace: bool) -> Parse<()> {
    let from = cursor.pos;
    let unique = cursor.eat("UNIQUE");
    let mut method = cursor.eat_any(&["FULLTEXT", "SPATIAL"]).map(str::to_lowercase);
    cursor.eat_any(&["CLUSTERED", "COLUMNAR", "VECTOR"]);
    if cursor.is_mysql() {
        cursor.eat_any(&["INDEX", "KEY"]);
    } else {
        cursor.expect("INDEX")?;
    }
    let concurrently = cursor.eat("CONCURRENTLY");
    let if_not_exists = cursor.if_not_exists();
    let mut name = None;
    if !cursor.is("ON") || cursor.is_at(1, "ON") {
        name = Some(cursor.object_name("an index name")?);
    }
    if cursor.is_mysql() {
        method = skip_index_type(cursor)?.or(method);
        if cursor.eat_any(&["WAIT", "NOWAIT"]) == Some("WAIT") {
            cursor.bump();
        }
    }
    cursor.expect("ON")?;
    let only = cursor.eat("ONLY");
    let table = cursor.object_name("a table name")?;
    cursor.eat_op("*");
    let mut index = IndexDef { name, unique, only, ..empty(table.clone()) };
    if cursor.eat("USING") {
        method = Some(cursor.ident("an index method")?.as_str().to_lowercase());
    }
    index.parts = parse_parts(cursor)?;
    if cursor.is_mysql() {
        let options = mysql_options(cursor)?;
        method = options.method.or(method);
        index.invisible = options.invisible;
        let online = super::mysql::online_options(cursor)?;
        if let Some(online) = online {
            out.push(cursor, from, Change::Online { table, online });
        }
    }
    index.method = method;
    if cursor.eat("INCLUDE") {
        index.include = cursor.column_list()?;
    }
    index.nulls_not_distinct = constraint::nulls(cursor);
    if cursor.eat("WITH") {
        let (a, b) = cursor.skip_group()?;
        index.options = Some(cursor.text_of(a, b));
    }
    if cursor.eat("TABLESPACE") {
        cursor.ident("a tablespace")?;
    }
    if cursor.eat("WHERE") {
        index.predicate = Some(cursor.expr_until(|_| false)?);
    }
    if or_replace && let Some(name) = index.name.clone() {
        // MariaDB `CREATE OR REPLACE INDEX`.
        out.push(
            cursor,
            from,
            Change::DropIndex {
                name,
                table: Some(index.table.clone()),
                concurrently: false,
                if_exists: true,
                cascade: false,
            },
        );
    }
    out.push(cursor, from, Change::CreateIndex { index, concurrently, if_not_exists });
    Ok(())
}

/// Behind `ALTER INDEX`.
pub(crate) fn alter_index(cursor: &mut Cursor<'_>, out: &mut Out) -> Parse<()> {
    let from = cursor.pos;
    if cursor.eat_all(&["ALL", "IN", "TABLESPACE"]) {
        let text = cursor.rest();
        let kind = ObjectKind::Index;
        out.push(cursor, from, Change::AlterOther { kind, name: None, table: None, text });
        return Ok(());
    }
    cursor.if_exists();
    let index = cursor.object_name("an index name")?;
    let change = if cursor.eat_all(&["RENAME", "TO"]) {
        let to = cursor.ident("a new name")?;
        Change::RenameIndex { table: None, from: index, to }
    } else if cursor.eat_all(&["SET", "TABLESPACE"]) {
        let tablespace = cursor.ident("a tablespace")?.as_str().to_owned();
        cursor.eat("NOWAIT");
        Change::SetTablespace { kind: ObjectKind::Index, name: index, tablespace }
    } else if cursor.eat_all(&["SET", "SCHEMA"]) {
        let schema = cursor.ident("a schema name")?;
        Change::SetSchema { kind: ObjectKind::Index, name: index, schema }
    } else if cursor.eat_all(&["ATTACH", "PARTITION"]) {
        let partition_index = cursor.object_name("an index name")?;
        Change::AttachIndex { index, partition_index }
    } else if cursor.eat_all(&["OWNER", "TO"]) {
        let owner = cursor.ident("a role")?.as_str().to_owned();
        Change::SetOwner { kind: ObjectKind::Index, name: index, owner }
    } else if cursor.is_any(&["SET", "RESET", "ALTER", "DEPENDS", "NO"]) {
        Change::AlterIndexOptions { index, table: None, text: cursor.rest() }
    } else {
        return Err(cursor.expected("RENAME TO, SET, RESET, ATTACH PARTITION or ALTER COLUMN"));
    };
    out.push(cursor, from, change);
    Ok(())
}

/// Behind `REINDEX`.
pub(crate) fn reindex(cursor: &mut Cursor<'_>, out: &mut Out) -> Parse<()> {
    let from = cursor.pos;
    let mut concurrently = false;
    if cursor.is_kind(TokenKind::LeftParen) {
        let (a, b) = cursor.skip_group()?;
        concurrently = cursor.text_of(a, b).to_ascii_uppercase().contains("CONCURRENTLY");
    }
    let kind = cursor.eat_any(&["INDEX", "TABLE", "SCHEMA", "DATABASE", "SYSTEM"]);
    concurrently |= cursor.eat("CONCURRENTLY");
    let target = match kind {
        Some("INDEX") => ReindexTarget::Index(cursor.object_name("an index name")?),
        Some("TABLE") => ReindexTarget::Table(cursor.object_name("a table name")?),
        Some("SCHEMA") => ReindexTarget::Schema(cursor.ident("a schema name")?),
        Some(_) => {
            cursor.ident_opt();
            ReindexTarget::Database
        }
        // SQLite `REINDEX [name]`: a table, an index or a collation.
        None if cursor.at_end() => ReindexTarget::Database,
        None => ReindexTarget::Index(cursor.object_name("an index or table name")?),
    };
    out.push(cursor, from, Change::Reindex { target, concurrently });
    Ok(())
}

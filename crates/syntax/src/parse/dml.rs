//! `SELECT`, `INSERT`, `UPDATE`, `DELETE`, `MERGE`, `TRUNCATE`, `COPY` and `LOAD DATA`.

use crate::change::{InsertConflict, RowFilter};
use crate::lexer::TokenKind;
use crate::parse::Out;
use crate::parse::create_table;
use crate::parse::cursor::{Cursor, Parse};
use crate::parse::literal;
use crate::{Change, Ident, ObjectName, Query, TableDef};

/// A statement that begins with `WITH`: data-modifying parts first, then the main verb.
pub(crate) fn with(cursor: &mut Cursor<'_>, out: &mut Out) -> Parse<()> {
    let from = cursor.pos;
    cursor.expect("WITH")?;
    cursor.eat("RECURSIVE");
    let mut names: Vec<crate::Ident> = Vec::new();
    loop {
        names.push(cursor.ident("a name")?);
        if cursor.is_kind(TokenKind::LeftParen) {
            cursor.skip_group()?;
        }
        cursor.expect("AS")?;
        cursor.eat("NOT");
        cursor.eat("MATERIALIZED");
        let (a, b) = cursor.skip_group()?;
        let mut inner = cursor.over(a, b);
        if inner.is_any(&["INSERT", "UPDATE", "DELETE", "MERGE"]) {
            let first = out.len();
            data_change(&mut inner, out, 0)?;
            forget_ctes(&mut out.changes[first..], &names);
        }
        if cursor.eat("SEARCH") {
            // SEARCH DEPTH FIRST BY a, b SET c
            cursor.skip_until(|c| c.is("SET"));
            cursor.expect("SET")?;
            cursor.ident("a column")?;
        }
        if cursor.eat("CYCLE") {
            // CYCLE a, b SET c [TO x DEFAULT y] USING d
            cursor.skip_until(|c| c.is("USING"));
            cursor.expect("USING")?;
            cursor.ident("a column")?;
        }
        if !cursor.eat_comma() {
            break;
        }
    }
    if cursor.is_any(&["INSERT", "REPLACE", "UPDATE", "DELETE", "MERGE"]) {
        let first = out.len();
        data_change(cursor, out, from)?;
        forget_ctes(&mut out.changes[first..], &names);
        return Ok(());
    }
    if cursor.is_any(&["SELECT", "VALUES", "TABLE"]) || cursor.is_kind(TokenKind::LeftParen) {
        return select(cursor, out, from);
    }
    Err(cursor.expected("SELECT, INSERT, UPDATE, DELETE or MERGE"))
}

/// The names of common table expressions are no tables in the parts of the statement that are read
/// on their own.
fn forget_ctes(changes: &mut [Change], names: &[crate::Ident]) {
    for change in changes {
        let query = match change {
            Change::Insert { from_query: Some(query), .. }
            | Change::Update { query, .. }
            | Change::Delete { query, .. }
            | Change::Merge { query, .. } => query,
            _ => continue,
        };
        query.tables.retain(|t| t.schema.is_some() || !names.contains(&t.name));
    }
}

/// At `INSERT`, `REPLACE`, `UPDATE`, `DELETE` or `MERGE`; `from` is where the statement begins.
pub(crate) fn data_change(cursor: &mut Cursor<'_>, out: &mut Out, from: usize) -> Parse<()> {
    let before = out.len();
    match cursor.text().to_ascii_uppercase().as_str() {
        "INSERT" => insert(cursor, out, from, InsertConflict::Fail)?,
        "REPLACE" => insert(cursor, out, from, InsertConflict::Replace)?,
        "UPDATE" => update(cursor, out, from)?,
        "DELETE" => delete(cursor, out, from)?,
        _ => merge(cursor, out, from)?,
    }
    debug_assert!(out.len() > before, "a data change gives a change");
    sequence_moves(cursor, out, from);
    Ok(())
}

/// `SELECT` and all that only reads; `from` is where the statement begins.
pub(crate) fn select(cursor: &mut Cursor<'_>, out: &mut Out, from: usize) -> Parse<()> {
    check_groups(cursor)?;
    if cursor.at_end()
        || cursor.is("SELECT") && cursor.pos + 1 == cursor.tokens.len() && !cursor.is_postgres()
    {
        return Err(cursor.expected("a select list"));
    }
    let into = if cursor.in_body { None } else { select_into(cursor) };
    cursor.pos = cursor.tokens.len();
    let mut query = cursor.query_of(from, cursor.pos);
    if let Some((name, temporary)) = into {
        // `SELECT … INTO table` makes a table.
        query.tables.retain(|t| *t != name);
        let def = TableDef { temporary, as_query: Some(query), ..create_table::empty(name) };
        out.push(cursor, from, Change::CreateTable { def, if_not_exists: false });
        return Ok(());
    }
    out.push(cursor, from, Change::Select { query });
    settings(cursor, out, from);
    sequence_moves(cursor, out, from);
    Ok(())
}

/// Parentheses must close.
fn check_groups(cursor: &Cursor<'_>) -> Parse<()> {
    let mut ahead = *cursor;
    while !ahead.at_end() {
        match ahead.kind() {
            Some(TokenKind::LeftParen) => {
                ahead.skip_group()?;
            }
            Some(TokenKind::RightParen) => return Err(ahead.expected("the end of the statement")),
            _ => ahead.bump(),
        }
    }
    Ok(())
}

/// PostgreSQL `SELECT … INTO [TEMP] [TABLE] name`.
fn select_into(cursor: &Cursor<'_>) -> Option<(ObjectName, bool)> {
    if !cursor.is_postgres() {
        return None;
    }
    let mut ahead = *cursor;
    ahead.skip_until(|c| c.is_any(&["INTO", "FROM"]));
    if !ahead.eat("INTO") {
        return None;
    }
    let temporary = ahead.eat_any(&["TEMPORARY", "TEMP"]).is_some();
    ahead.eat("UNLOGGED");
    ahead.eat("TABLE");
    Some((ahead.object_name("a table name").ok()?, temporary))
}

/// `setval('sequence', …)` anywhere.
fn sequence_moves(cursor: &Cursor<'_>, out: &mut Out, from: usize) {
    let mut ahead = *cursor;
    ahead.pos = from;
    while !ahead.at_end() {
        if ahead.is("SETVAL") && ahead.kind_at(1) == Some(TokenKind::LeftParen) {
            let start = ahead.pos;
            let end = ahead.behind_group(start + 1).unwrap_or(ahead.tokens.len());
            let sequence = if ahead.kind_at(2) == Some(TokenKind::String) {
                literal::string_value(ahead.text_at(2), ahead.dialect)
            } else {
                let mut argument = ahead;
                argument.pos += 2;
                let (a, b) = argument.skip_until(|c| c.is_kind(TokenKind::Comma));
                argument.text_of(a, b)
            };
            out.push_span(ahead.span_of(start, end), Change::SetSequenceValue { sequence });
        }
        ahead.bump();
    }
}

/// `set_config('search_path', '', false)`, as pg_dump writes it.
fn settings(cursor: &Cursor<'_>, out: &mut Out, from: usize) {
    let mut ahead = *cursor;
    ahead.pos = from;
    while !ahead.at_end() {
        if ahead.is("SET_CONFIG") && ahead.kind_at(1) == Some(TokenKind::LeftParen) {
            let start = ahead.pos;
            ahead.pos += 2;
            let value = |c: &mut Cursor<'_>| {
                let value = c.string_opt();
                c.eat_comma();
                value
            };
            if let (Some(name), Some(text)) = (value(&mut ahead), value(&mut ahead)) {
                let change = Change::SetVariable {
                    name: name.to_lowercase(),
                    value: text,
                    local: ahead.is("TRUE"),
                };
                out.push_span(ahead.span_of(start, ahead.pos), change);
            }
        }
        ahead.bump();
    }
}

fn insert(
    cursor: &mut Cursor<'_>,
    out: &mut Out,
    from: usize,
    mut conflict: InsertConflict,
) -> Parse<()> {
    check_groups(cursor)?;
    cursor.bump();
    while cursor.eat_any(&["LOW_PRIORITY", "HIGH_PRIORITY", "DELAYED"]).is_some() {}
    if cursor.eat("IGNORE") {
        conflict = InsertConflict::Ignore;
    }
    if cursor.eat("OR") {
        conflict = match cursor.eat_any(&["REPLACE", "IGNORE", "ABORT", "FAIL", "ROLLBACK"]) {
            Some("REPLACE") => InsertConflict::Replace,
            Some("IGNORE") => InsertConflict::Ignore,
            Some(_) => InsertConflict::Fail,
            None => return Err(cursor.expected("REPLACE, IGNORE, ABORT, FAIL or ROLLBACK")),
        };
    }
    if !cursor.eat("INTO") && !cursor.is_mysql() {
        return Err(cursor.expected("INTO"));
    }
    let table = cursor.object_name("a table name")?;
    if cursor.eat("AS") || (cursor.is_kind(TokenKind::Word) && !cursor.is_any(&STARTS)) {
        cursor.ident("an alias")?;
    }
    if cursor.is("PARTITION") && cursor.kind_at(1) == Some(TokenKind::LeftParen) {
        cursor.bump();
        cursor.skip_group()?;
    }
    let subquery =
        cursor.is_kind(TokenKind::LeftParen) && cursor.is_any_at(1, &["SELECT", "WITH", "VALUES"]);
    let mut columns = Vec::new();
    if cursor.is_kind(TokenKind::LeftParen) && !subquery {
        columns = insert_columns(cursor)?;
    }
    if cursor.eat("OVERRIDING") {
        cursor.eat_any(&["SYSTEM", "USER"]);
        cursor.expect("VALUE")?;
    }
    let tail = |c: &Cursor<'_>| {
        c.is("RETURNING") || (c.is("ON") && c.is_any_at(1, &["CONFLICT", "DUPLICATE"]))
    };
    let (start, to) = cursor.skip_until(tail);
    let head = cursor.over(start, to);
    if start == to {
        return Err(cursor.expected("VALUES or SELECT"));
    }
    let mut from_query = None;
    if head.is_any(&["SELECT", "WITH", "TABLE"]) || head.is_kind(TokenKind::LeftParen) {
        from_query = Some(cursor.query_of(start, to));
    } else if head.is("SET") {
        // MySQL `INSERT INTO t SET a = 1, b = 2`.
        columns = set_columns(&mut cursor.over(start + 1, to)).0;
    } else if !head.is_any(&["VALUES", "VALUE"]) && !head.are(&["DEFAULT", "VALUES"]) {
        let mut at = *cursor;
        at.pos = start;
        return Err(at.expected("VALUES or SELECT"));
    }
    while cursor.eat("ON") {
        if cursor.eat("CONFLICT") {
            cursor.skip_until(|c| c.is("DO"));
            cursor.expect("DO")?;
            conflict = match cursor.eat_any(&["NOTHING", "UPDATE"]) {
                Some("UPDATE") => InsertConflict::Update,
                Some(_) if conflict == InsertConflict::Update => conflict,
                Some(_) => InsertConflict::Ignore,
                None => return Err(cursor.expected("NOTHING or UPDATE")),
            };
        } else {
            cursor.eat_words(&["DUPLICATE", "KEY", "UPDATE"])?;
            conflict = InsertConflict::Update;
        }
        cursor.skip_until(tail);
    }
    cursor.pos = cursor.tokens.len();
    out.push(cursor, from, Change::Insert { table, columns, from_query, conflict });
    Ok(())
}

/// What may follow the table of an INSERT; anything else is an alias.
const STARTS: [&str; 12] = [
    "VALUES",
    "VALUE",
    "SELECT",
    "WITH",
    "TABLE",
    "SET",
    "DEFAULT",
    "OVERRIDING",
    "PARTITION",
    "ON",
    "RETURNING",
    "AS",
];

/// `(a, b.c, d[1])`
fn insert_columns(cursor: &mut Cursor<'_>) -> Parse<Vec<Ident>> {
    let (a, b) = cursor.skip_group()?;
    let mut inner = cursor.over(a, b);
    let mut columns = Vec::new();
    while !inner.at_end() {
        let mut column = inner.ident("a column name")?;
        loop {
            if inner.eat_kind(TokenKind::Dot) {
                // PostgreSQL: a field of a composite; MySQL: `table.column`.
                let part = inner.ident("a column name")?;
                if inner.is_mysql() {
                    column = part;
                }
            } else if inner.is_kind(TokenKind::LeftBracket) {
                inner.skip_group()?;
            } else {
                break;
            }
        }
        columns.push(column);
        if !inner.at_end() {
            inner.expect_kind(TokenKind::Comma, "`,` or `)`")?;
        }
    }
    Ok(columns)
}

/// `a = 1, t.b = 2, (c, d) = (…)`: the columns, and the qualifier of the first.
fn set_columns(cursor: &mut Cursor<'_>) -> (Vec<Ident>, Option<Ident>) {
    let (mut columns, mut qualifier) = (Vec::new(), None);
    loop {
        if cursor.is_kind(TokenKind::LeftParen) {
            if let Ok((a, b)) = cursor.skip_group() {
                let mut inner = cursor.over(a, b);
                while let Some(column) = inner.ident_opt() {
                    columns.push(column);
                    inner.eat_comma();
                }
            }
        } else if let Ok(name) = cursor.object_name("a column name") {
            qualifier = qualifier.or(name.schema);
            columns.push(name.name);
        }
        cursor.skip_until(|c| c.is_kind(TokenKind::Comma));
        if !cursor.eat_comma() {
            return (columns, qualifier);
        }
    }
}

fn update(cursor: &mut Cursor<'_>, out: &mut Out, from: usize) -> Parse<()> {
    check_groups(cursor)?;
    cursor.bump();
    if cursor.eat("OR") {
        cursor.ident("REPLACE, IGNORE, ABORT, FAIL or ROLLBACK")?;
    }
    while cursor.eat_any(&["LOW_PRIORITY", "IGNORE"]).is_some() {}
    cursor.eat("ONLY");
    let head = cursor.pos;
    let mut table = cursor.object_name("a table name")?;
    cursor.eat_op("*");
    let mut ahead = *cursor;
    ahead.eat("AS");
    let simple = ahead.is("SET") || ahead.is_at(1, "SET");
    let (_, head_end) = cursor.skip_until(|c| c.is("SET"));
    cursor.expect("SET")?;
    let (a, b) = cursor.skip_until(|c| c.is_any(&["FROM", "WHERE", "RETURNING", "ORDER", "LIMIT"]));
    if a == b {
        return Err(cursor.expected("a column name"));
    }
    let (columns, qualifier) = set_columns(&mut cursor.over(a, b));
    if let (false, Some(qualifier)) = (simple, qualifier) {
        table = aliased(&cursor.over(head, head_end), &qualifier).unwrap_or(table);
    }
    let joined = match cursor.eat("FROM") {
        true => {
            let (a, b) = cursor.skip_until(|c| c.is_any(&["WHERE", "RETURNING"]));
            Some((a, b))
        }
        false => (!simple).then_some((head, head_end)),
    };
    let rows = row_filter(cursor, joined)?;
    cursor.pos = cursor.tokens.len();
    let query = cursor.query_of(from, cursor.pos);
    out.push(cursor, from, Change::Update { table, columns, rows, query });
    Ok(())
}

/// The table that an alias stands for in `a JOIN b AS x ON …`.
fn aliased(cursor: &Cursor<'_>, alias: &Ident) -> Option<ObjectName> {
    let mut ahead = *cursor;
    while !ahead.at_end() {
        if ahead.is_name() {
            let name = ahead.object_name("a table name").ok()?;
            let mut behind = ahead;
            behind.eat("AS");
            if name.name == *alias || behind.ident_opt().as_ref() == Some(alias) {
                return Some(name);
            }
        } else {
            ahead.bump();
        }
    }
    None
}

fn delete(cursor: &mut Cursor<'_>, out: &mut Out, from: usize) -> Parse<()> {
    check_groups(cursor)?;
    cursor.bump();
    while cursor.eat_any(&["LOW_PRIORITY", "QUICK", "IGNORE"]).is_some() {}
    let mut targets = Vec::new();
    let mut joined = None;
    if cursor.is_mysql() && !cursor.is("FROM") {
        // `DELETE a, b FROM a JOIN b …`
        targets = delete_targets(cursor)?;
        cursor.expect("FROM")?;
        let (a, b) = cursor.skip_until(|c| c.is_any(&["WHERE", "ORDER", "LIMIT"]));
        joined = Some((a, b));
    } else {
        if !cursor.eat("FROM") {
            return Err(cursor.expected("FROM"));
        }
        cursor.eat("ONLY");
        targets.push(cursor.object_name("a table name")?);
        if cursor.is_kind(TokenKind::Dot) {
            cursor.bump();
        }
        cursor.eat_op("*");
        if cursor.is_mysql() && cursor.eat_comma() {
            targets.extend(delete_targets(cursor)?);
        }
        if cursor.is("PARTITION") && cursor.kind_at(1) == Some(TokenKind::LeftParen) {
            cursor.bump();
            cursor.skip_group()?;
        }
        portion(cursor)?;
        let stops = ["USING", "WHERE", "RETURNING", "ORDER", "LIMIT", "INDEXED", "NOT"];
        if cursor.eat("AS") || (cursor.is_name() && !cursor.is_any(&stops)) {
            cursor.ident("an alias")?;
        }
        if cursor.eat_all(&["INDEXED", "BY"]) {
            cursor.ident("an index name")?;
        } else {
            cursor.eat_all(&["NOT", "INDEXED"]);
        }
        if cursor.eat("USING") {
            let (a, b) = cursor.skip_until(|c| c.is_any(&["WHERE", "RETURNING", "ORDER", "LIMIT"]));
            joined = Some((a, b));
        }
        if !cursor.at_end() && !cursor.is_any(&["WHERE", "RETURNING", "ORDER", "LIMIT", "FOR"]) {
            return Err(cursor.expected("WHERE or the end of the statement"));
        }
    }
    let tables = joined.map(|(a, b)| cursor.over(a, b));
    let rows = row_filter(cursor, joined)?;
    cursor.pos = cursor.tokens.len();
    let query = cursor.query_of(from, cursor.pos);
    for target in targets {
        let table = match (&tables, &target.schema) {
            // Only MySQL deletes from an alias.
            (Some(tables), None) if cursor.is_mysql() => {
                aliased(tables, &target.name).unwrap_or(target)
            }
            _ => target,
        };
        let (rows, query) = (rows.clone(), query.clone());
        out.push(cursor, from, Change::Delete { table, rows, query });
    }
    Ok(())
}

/// `FOR PORTION OF period FROM a TO b`.
fn portion(cursor: &mut Cursor<'_>) -> Parse<()> {
    if cursor.eat_all(&["FOR", "PORTION", "OF"]) {
        cursor.ident("a period")?;
        if cursor.is_kind(TokenKind::LeftParen) {
            cursor.skip_group()?;
            return Ok(());
        }
        cursor.expect("FROM")?;
        cursor.skip_until(|c| c.is("TO"));
        cursor.expect("TO")?;
        cursor.short_expr()?;
    }
    Ok(())
}

/// `a, b.*`
fn delete_targets(cursor: &mut Cursor<'_>) -> Parse<Vec<ObjectName>> {
    let mut targets = Vec::new();
    loop {
        targets.push(cursor.object_name("a table name")?);
        if cursor.eat_kind(TokenKind::Dot) {
            cursor.eat_op("*");
        }
        if !cursor.eat_comma() {
            return Ok(targets);
        }
    }
}

/// `WHERE …`, or what else limits the rows.
fn row_filter(cursor: &mut Cursor<'_>, joined: Option<(usize, usize)>) -> Parse<RowFilter> {
    if cursor.eat("WHERE") {
        let start = cursor.pos;
        let filter = cursor.expr_until(|c| {
            c.is("RETURNING") || c.is("LIMIT") || (c.is("ORDER") && c.is_at(1, "BY"))
        })?;
        if !is_always_true(&cursor.over(start, cursor.pos)) {
            return Ok(RowFilter::Where(filter));
        }
    }
    if cursor.is("LIMIT") || cursor.is("ORDER") {
        let (a, b) = cursor.skip_until(|c| c.is("RETURNING"));
        if cursor.text_of(a, b).to_ascii_uppercase().contains("LIMIT") {
            return Ok(RowFilter::Where(cursor.expr_of(a, b)));
        }
    }
    Ok(match joined {
        Some((a, b)) if b > a => RowFilter::Where(cursor.expr_of(a, b)),
        _ => RowFilter::All,
    })
}

/// `true`, `1`, `1 = 1`, `'a' = 'a'`, `NOT FALSE`, any of them in parentheses.
fn is_always_true(cursor: &Cursor<'_>) -> bool {
    let mut inner = *cursor;
    while inner.is_kind(TokenKind::LeftParen)
        && inner.behind_group(inner.pos) == Some(inner.tokens.len())
    {
        inner = inner.over(inner.pos + 1, inner.tokens.len() - 1);
    }
    let constant =
        |ahead| matches!(inner.kind_at(ahead), Some(TokenKind::Number | TokenKind::String));
    match inner.tokens.len() {
        1 => {
            inner.is("TRUE")
                || (inner.is_kind(TokenKind::Number)
                    && inner.text().parse::<f64>().is_ok_and(|n| n != 0.0))
        }
        2 => inner.are(&["NOT", "FALSE"]),
        3 => {
            constant(0)
                && constant(2)
                && matches!(inner.text_at(1), "=" | "==")
                && inner.text_at(0) == inner.text_at(2)
        }
        _ => false,
    }
}

fn merge(cursor: &mut Cursor<'_>, out: &mut Out, from: usize) -> Parse<()> {
    check_groups(cursor)?;
    cursor.expect("MERGE")?;
    cursor.expect("INTO")?;
    cursor.eat("ONLY");
    let table = cursor.object_name("a table name")?;
    let mut ahead = *cursor;
    ahead.skip_until(|c| c.is("USING"));
    ahead.expect("USING")?;
    ahead.skip_until(|c| c.is("WHEN"));
    ahead.expect("WHEN")?;
    cursor.pos = cursor.tokens.len();
    let query = cursor.query_of(from, cursor.pos);
    out.push(cursor, from, Change::Merge { table, query });
    Ok(())
}

/// Behind `TRUNCATE`.
pub(crate) fn truncate(cursor: &mut Cursor<'_>, out: &mut Out) -> Parse<()> {
    let from = cursor.pos;
    cursor.eat("TABLE");
    let tables = cursor.object_names("a table name")?;
    let mut restart_identity = false;
    if cursor.eat_all(&["RESTART", "IDENTITY"]) {
        restart_identity = true;
    } else {
        cursor.eat_all(&["CONTINUE", "IDENTITY"]);
    }
    let cascade = cursor.cascade();
    out.push(cursor, from, Change::Truncate { tables, cascade, restart_identity });
    Ok(())
}

/// Behind `COPY`.
pub(crate) fn copy(cursor: &mut Cursor<'_>, out: &mut Out) -> Parse<()> {
    let from = cursor.pos;
    cursor.eat("BINARY");
    let query = if cursor.is_kind(TokenKind::LeftParen) {
        let (a, b) = cursor.skip_group()?;
        Some(cursor.query_of(a, b))
    } else {
        None
    };
    let table = match &query {
        None => Some(cursor.object_name("a table name")?),
        Some(_) => None,
    };
    if table.is_some() && cursor.is_kind(TokenKind::LeftParen) {
        cursor.column_list()?;
    }
    let incoming = cursor.eat("FROM");
    if !incoming {
        cursor.expect("TO")?;
    }
    let program = cursor.eat("PROGRAM");
    if !cursor.eat("STDIN") && !cursor.eat("STDOUT") && cursor.string_opt().is_none() {
        cursor.ident("STDIN, STDOUT or a file name")?;
    }
    cursor.rest();
    let change = match (table, query) {
        (Some(table), _) if incoming => Change::CopyFrom { table, program },
        (Some(table), _) => Change::Select {
            query: Query {
                text: cursor.text_from(0),
                tables: vec![table],
                star: true,
                span: cursor.span_from(from),
                ..Query::default()
            },
        },
        (None, query) => Change::Select { query: query.unwrap_or_default() },
    };
    out.push(cursor, from, change);
    Ok(())
}

/// Behind `LOAD DATA` or `LOAD XML`.
pub(crate) fn load_data(cursor: &mut Cursor<'_>, out: &mut Out) -> Parse<()> {
    let from = cursor.pos;
    cursor.skip_until(|c| c.is("INTO"));
    cursor.expect("INTO")?;
    cursor.expect("TABLE")?;
    let table = cursor.object_name("a table name")?;
    cursor.rest();
    out.push(cursor, from, Change::CopyFrom { table, program: false });
    Ok(())
}

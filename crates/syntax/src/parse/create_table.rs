//! `CREATE TABLE` in every form.

use crate::lexer::TokenKind;
use crate::parse::Out;
use crate::parse::column::parse_column;
use crate::parse::constraint::{self, TableElement, parse_table_element};
use crate::parse::cursor::{Cursor, Parse};
use crate::{Change, Dialect, ObjectName, Partitioning, TableDef};

pub(crate) fn empty(name: ObjectName) -> TableDef {
    TableDef {
        name,
        columns: Vec::new(),
        constraints: Vec::new(),
        indexes: Vec::new(),
        temporary: false,
        unlogged: false,
        partitioning: None,
        inherits: Vec::new(),
        like: Vec::new(),
        as_query: None,
        options: Vec::new(),
    }
}

/// Words before `TABLE`.
#[derive(Clone, Copy, Default)]
pub(crate) struct Kind {
    pub(crate) temporary: bool,
    pub(crate) unlogged: bool,
    pub(crate) foreign: bool,
    pub(crate) or_replace: bool,
}

/// Behind `CREATE … TABLE`.
pub(crate) fn create_table(cursor: &mut Cursor<'_>, out: &mut Out, kind: Kind) -> Parse<()> {
    let from = cursor.pos;
    let if_not_exists = cursor.if_not_exists();
    let name = cursor.object_name("a table name")?;
    let mut def =
        TableDef { temporary: kind.temporary, unlogged: kind.unlogged, ..empty(name.clone()) };
    let mut typeless = false;
    if cursor.eat_all(&["PARTITION", "OF"]) {
        let parent = cursor.object_name("a table name")?;
        def.partitioning = Some(Partitioning::Of { parent, bounds: None });
        typeless = true;
    } else if cursor.is_postgres() && cursor.is("OF") {
        cursor.bump();
        let of = cursor.object_name("a type name")?;
        def.options.push(("of".to_owned(), of.to_string()));
        typeless = true;
    }
    if cursor.is_mysql() && cursor.eat("LIKE") {
        def.like.push((cursor.object_name("a table name")?, String::new()));
    }
    let query_in_parens = cursor.is_kind(TokenKind::LeftParen)
        && cursor.is_any_at(1, &["SELECT", "WITH"])
        && cursor.is_mysql();
    if cursor.is_kind(TokenKind::LeftParen) && !query_in_parens {
        // `CREATE TABLE t (a, b) AS …` lists names only.
        elements(cursor, &mut def, typeless)?;
    }
    tail(cursor, &mut def)?;
    if kind.foreign && cursor.eat("SERVER") {
        def.options.push(("server".to_owned(), cursor.ident("a server")?.to_string()));
        if cursor.eat("OPTIONS") {
            cursor.skip_group()?;
        }
    }
    let has_shape = !def.columns.is_empty()
        || !def.constraints.is_empty()
        || !def.like.is_empty()
        || def.as_query.is_some()
        || def.partitioning.is_some()
        || typeless
        || cursor.pos > 0
            && cursor.tokens[..cursor.pos].iter().any(|t| t.kind == TokenKind::LeftParen);
    if !has_shape {
        return Err(cursor.expected("`(`"));
    }
    if kind.or_replace {
        // MariaDB.
        out.push(cursor, from, Change::DropTable { name, if_exists: true, cascade: false });
    }
    out.push(cursor, from, Change::CreateTable { def, if_not_exists });
    Ok(())
}

fn elements(cursor: &mut Cursor<'_>, def: &mut TableDef, typeless: bool) -> Parse<()> {
    // Names only, before `AS query`.
    let names_only = cursor.is_postgres()
        && cursor.behind_group(cursor.pos).is_some_and(|end| {
            let mut after = *cursor;
            after.pos = end;
            !after.at_end() && ctas_follows(&mut after)
        });
    cursor.expect_left()?;
    if cursor.eat_kind(TokenKind::RightParen) {
        return Ok(());
    }
    loop {
        if cursor.is("LIKE") && (cursor.is_name_at(1)) && !typeless {
            cursor.bump();
            let other = cursor.object_name("a table name")?;
            let from = cursor.pos;
            while cursor.eat_any(&["INCLUDING", "EXCLUDING"]).is_some() {
                cursor.ident("what is included")?;
            }
            def.like.push((other, cursor.text_from(from)));
        } else if cursor.is_mysql() && cursor.are(&["PERIOD", "FOR"]) {
            cursor.pos += 2;
            cursor.ident("a period")?;
            cursor.skip_group()?;
            def.options.push(("period".to_owned(), String::new()));
        } else if constraint::starts(cursor) {
            match parse_table_element(cursor, &def.name)? {
                TableElement::Constraint(constraint) => def.constraints.push(constraint),
                TableElement::Index(index) => def.indexes.push(index),
            }
        } else {
            def.columns.push(parse_column(cursor, typeless || names_only)?);
        }
        if cursor.eat_comma() {
            // A comma too many is a mistake that every server refuses.
            continue;
        }
        if cursor.is_sqlite() && constraint::starts(cursor) {
            // SQLite lets commas between table constraints be left out.
            continue;
        }
        break;
    }
    cursor.expect_kind(TokenKind::RightParen, "`,` or `)`")
}

fn ctas_follows(cursor: &mut Cursor<'_>) -> bool {
    loop {
        if cursor.is("AS") {
            return true;
        }
        if cursor.eat_all(&["ON", "COMMIT"]) {
            cursor.skip_until(|c| c.is("AS"));
        } else if cursor.eat_all(&["WITHOUT", "OIDS"]) {
        } else if cursor.eat("WITH") {
            if cursor.skip_group().is_err() {
                return false;
            }
        } else if cursor.eat_any(&["TABLESPACE", "USING"]).is_some() {
            cursor.bump();
        } else {
            return false;
        }
    }
}

/// All behind the column list.
fn tail(cursor: &mut Cursor<'_>, def: &mut TableDef) -> Parse<()> {
    while !cursor.at_end() {
        if cursor.eat("INHERITS") {
            cursor.expect_left()?;
            if !cursor.is_kind(TokenKind::RightParen) {
                def.inherits = cursor.object_names("a table name")?;
            }
            cursor.expect_right()?;
        } else if cursor.is("PARTITION") && cursor.is_at(1, "BY") {
            cursor.pos += 2;
            let from = cursor.pos;
            if cursor.is_mysql() {
                super::partition::skip_mysql_partitioning(cursor)?;
            } else {
                cursor.ident("RANGE, LIST or HASH")?;
                cursor.skip_group()?;
            }
            let text = cursor.text_from(from);
            match &def.partitioning {
                Some(Partitioning::Of { .. }) => {
                    def.options.push(("partition by".to_owned(), text))
                }
                _ => def.partitioning = Some(Partitioning::By(text)),
            }
        } else if cursor.are(&["FOR", "VALUES"]) {
            let from = cursor.pos;
            super::partition::skip_bounds(cursor)?;
            let text = cursor.text_from(from);
            match &mut def.partitioning {
                Some(Partitioning::Of { bounds, .. }) => *bounds = Some(text),
                _ => return Err(cursor.expected("PARTITION OF before FOR VALUES")),
            }
        } else if cursor.is("DEFAULT") && matches!(def.partitioning, Some(Partitioning::Of { .. }))
        {
            cursor.bump();
        } else if cursor.is("AS")
            || (cursor.is_mysql()
                && (cursor.is_any(&["SELECT", "WITH", "IGNORE", "REPLACE"])
                    && !cursor.are(&["WITH", "SYSTEM"])
                    || cursor.is_kind(TokenKind::LeftParen)))
        {
            cursor.eat_any(&["IGNORE", "REPLACE"]);
            cursor.eat("AS");
            let (from, mut to) = (cursor.pos, cursor.tokens.len());
            if cursor.over(to.saturating_sub(2), to).are(&["NO", "DATA"]) {
                to -= 3;
            } else if to >= 2 && cursor.over(to - 2, to).are(&["WITH", "DATA"]) {
                to -= 2;
            }
            if to <= from {
                return Err(cursor.expected("a query"));
            }
            def.as_query = Some(cursor.query_of(from, to));
            cursor.pos = cursor.tokens.len();
        } else if cursor.is("SERVER") {
            return Ok(());
        } else {
            option(cursor, def)?;
        }
    }
    Ok(())
}

fn option(cursor: &mut Cursor<'_>, def: &mut TableDef) -> Parse<()> {
    match cursor.dialect {
        Dialect::Postgres => {
            if cursor.eat("WITH") {
                let (from, to) = cursor.skip_group()?;
                def.options.extend(storage_parameters(&mut cursor.over(from, to)));
            } else if cursor.eat_all(&["WITHOUT", "OIDS"]) || cursor.eat_all(&["WITH", "OIDS"]) {
            } else if cursor.eat("TABLESPACE") {
                let name = cursor.ident("a tablespace")?.to_string();
                def.options.push(("tablespace".to_owned(), name));
            } else if cursor.eat("USING") {
                let name = cursor.ident("an access method")?.to_string();
                def.options.push(("using".to_owned(), name));
            } else if cursor.eat_all(&["ON", "COMMIT"]) {
                let text = if cursor.eat("DROP") {
                    "drop".to_owned()
                } else {
                    let from = cursor.pos;
                    cursor.ident("DROP, DELETE ROWS or PRESERVE ROWS")?;
                    cursor.expect("ROWS")?;
                    cursor.text_from(from).to_ascii_lowercase()
                };
                def.options.push(("on commit".to_owned(), text));
            } else {
                return Err(cursor.expected("the end of the statement"));
            }
        }
        Dialect::Sqlite => {
            if cursor.eat_all(&["WITHOUT", "ROWID"]) {
                def.options.push(("without rowid".to_owned(), String::new()));
            } else if cursor.eat("STRICT") {
                def.options.push(("strict".to_owned(), String::new()));
            } else if !cursor.eat_comma() {
                return Err(cursor.expected("the end of the statement"));
            }
        }
        Dialect::Mysql | Dialect::MariaDb => match super::mysql::table_option(cursor)? {
            Some(option) => def.options.push(option),
            None if cursor.eat_comma() => {}
            None => return Err(cursor.expected("a table option")),
        },
    }
    Ok(())
}

/// `fillfactor = 70, autovacuum_enabled`: names in lower case.
pub(crate) fn storage_parameters(cursor: &mut Cursor<'_>) -> Vec<(String, String)> {
    let mut out = Vec::new();
    while !cursor.at_end() {
        let from = cursor.pos;
        cursor.skip_until(|c| c.is_op("=") || c.is_kind(TokenKind::Comma));
        let name = cursor.text_from(from).to_ascii_lowercase();
        let mut value = String::new();
        if cursor.eat_op("=") {
            if let Some(text) = cursor.string_opt() {
                value = text;
            } else {
                let (a, b) = cursor.skip_until(|c| c.is_kind(TokenKind::Comma));
                value = cursor.text_of(a, b);
            }
        }
        if !name.is_empty() {
            out.push((name, value));
        }
        if cursor.pos == from || !cursor.is_kind(TokenKind::Comma) {
            cursor.bump();
        } else {
            cursor.eat_comma();
        }
    }
    out
}

//! Statements and clauses that only MySQL and MariaDB have.

use crate::change::OnlineDdl;
use crate::lexer::TokenKind;
use crate::parse::Out;
use crate::parse::cursor::{Cursor, Parse};
use crate::{Change, Dialect, ObjectKind};

/// Table options that take one value, `=` or not between.
const OPTIONS: [&str; 34] = [
    "ENGINE",
    "TYPE",
    "AUTO_INCREMENT",
    "AVG_ROW_LENGTH",
    "CHECKSUM",
    "TABLE_CHECKSUM",
    "COMMENT",
    "COMPRESSION",
    "CONNECTION",
    "DELAY_KEY_WRITE",
    "ENCRYPTION",
    "ENCRYPTION_KEY_ID",
    "INSERT_METHOD",
    "IETF_QUOTES",
    "KEY_BLOCK_SIZE",
    "MAX_ROWS",
    "MIN_ROWS",
    "PACK_KEYS",
    "PAGE_CHECKSUM",
    "PAGE_COMPRESSED",
    "PAGE_COMPRESSION_LEVEL",
    "PASSWORD",
    "ROW_FORMAT",
    "STATS_AUTO_RECALC",
    "STATS_PERSISTENT",
    "STATS_SAMPLE_PAGES",
    "TABLESPACE",
    "TRANSACTIONAL",
    "UNION",
    "STORAGE",
    "ENGINE_ATTRIBUTE",
    "SECONDARY_ENGINE",
    "AUTOEXTEND_SIZE",
    "SEQUENCE",
];

pub(crate) fn is_table_option(cursor: &Cursor<'_>) -> bool {
    cursor.is_any(&OPTIONS)
        || cursor.is_any(&["DEFAULT", "CHARSET", "COLLATE"])
        || cursor.are(&["CHARACTER", "SET"])
        || cursor.are(&["DATA", "DIRECTORY"])
        || cursor.are(&["INDEX", "DIRECTORY"])
        || cursor.is_any(&["WITH", "WITHOUT"]) && cursor.is_at(1, "SYSTEM")
        || cursor.is("START") && cursor.is_at(1, "TRANSACTION")
        || is_engine_option(cursor)
}

/// MariaDB: an engine's own option, `WORD = value`.
fn is_engine_option(cursor: &Cursor<'_>) -> bool {
    cursor.dialect == Dialect::MariaDb
        && cursor.is_name()
        && !cursor.is_any(&["ALGORITHM", "LOCK"])
        && cursor.kind_at(1) == Some(TokenKind::Operator)
        && cursor.text_at(1) == "="
}

/// One table option, its name in lower case; `None` where none stands.
pub(crate) fn table_option(cursor: &mut Cursor<'_>) -> Parse<Option<(String, String)>> {
    if !is_table_option(cursor) {
        return Ok(None);
    }
    cursor.eat("DEFAULT");
    if cursor.is_any(&["WITH", "WITHOUT"]) && cursor.is_at(1, "SYSTEM") {
        let with = cursor.is("WITH");
        cursor.bump();
        cursor.eat_words(&["SYSTEM", "VERSIONING"])?;
        let name = if with { "system versioning" } else { "without system versioning" };
        return Ok(Some((name.to_owned(), String::new())));
    }
    if cursor.eat_all(&["START", "TRANSACTION"]) {
        return Ok(Some(("start transaction".to_owned(), String::new())));
    }
    let name = if cursor.eat_all(&["CHARACTER", "SET"]) || cursor.eat("CHARSET") {
        "charset".to_owned()
    } else if cursor.is_any(&["DATA", "INDEX"]) {
        let name = format!("{} directory", cursor.text().to_lowercase());
        cursor.pos += 2;
        name
    } else if cursor.eat("COLLATE") {
        "collate".to_owned()
    } else if let Some(name) = cursor.eat_any(&OPTIONS) {
        name.to_lowercase()
    } else if is_engine_option(cursor) {
        cursor.ident("a table option")?.as_str().to_lowercase()
    } else {
        return Err(cursor.expected("a table option"));
    };
    cursor.eat_op("=");
    let value = if let Some(text) = cursor.string_opt() {
        text
    } else if cursor.is_kind(TokenKind::LeftParen) {
        let (a, b) = cursor.skip_group()?;
        cursor.text_of(a, b)
    } else if let Some(ident) = cursor.ident_opt() {
        ident.as_str().to_owned()
    } else if matches!(cursor.kind(), Some(TokenKind::Number)) {
        let text = cursor.text().to_owned();
        cursor.bump();
        text
    } else {
        return Err(cursor.expected("a value"));
    };
    Ok(Some((name, value)))
}

/// `ALGORITHM=… LOCK=…` behind `CREATE INDEX` and `DROP INDEX`.
pub(crate) fn online_options(cursor: &mut Cursor<'_>) -> Parse<Option<OnlineDdl>> {
    let mut online = OnlineDdl::default();
    loop {
        if cursor.eat("ALGORITHM") {
            cursor.eat_op("=");
            online.algorithm = Some(cursor.ident("an algorithm")?.as_str().to_lowercase());
        } else if cursor.eat("LOCK") {
            cursor.eat_op("=");
            online.lock = Some(cursor.ident("a lock")?.as_str().to_lowercase());
        } else {
            return Ok((online != OnlineDdl::default()).then_some(online));
        }
    }
}

/// `ALGORITHM=` and `LOCK=` anywhere among the clauses of an ALTER TABLE.
pub(crate) fn online_ahead(cursor: &Cursor<'_>) -> Option<OnlineDdl> {
    let mut ahead = *cursor;
    let mut online = OnlineDdl::default();
    while !ahead.at_end() {
        if (ahead.is("ALGORITHM") || ahead.is("LOCK"))
            && let Ok(Some(found)) = online_options(&mut ahead)
        {
            online.algorithm = found.algorithm.or(online.algorithm);
            online.lock = found.lock.or(online.lock);
        }
        ahead.skip_until(|c| c.is_kind(TokenKind::Comma));
        ahead.bump();
    }
    (online != OnlineDdl::default()).then_some(online)
}

/// MariaDB `WAIT n`, `NOWAIT` behind the table's name.
pub(crate) fn wait(cursor: &mut Cursor<'_>) -> Parse<Option<OnlineDdl>> {
    if cursor.eat("NOWAIT") {
        return Ok(Some(OnlineDdl { algorithm: None, lock: Some("nowait".to_owned()) }));
    }
    if cursor.is("WAIT") && cursor.kind_at(1) == Some(TokenKind::Number) {
        let lock = format!("wait {}", cursor.text_at(1));
        cursor.pos += 2;
        return Ok(Some(OnlineDdl { algorithm: None, lock: Some(lock) }));
    }
    Ok(None)
}

/// Behind `RENAME`: `TABLE a TO b, c TO d`, `USER …`.
pub(crate) fn rename(cursor: &mut Cursor<'_>, out: &mut Out) -> Parse<()> {
    let from = cursor.pos;
    if cursor.eat("USER") {
        let text = cursor.rest();
        let kind = ObjectKind::Role;
        out.push(cursor, from, Change::AlterOther { kind, name: None, table: None, text });
        return Ok(());
    }
    if cursor.eat_any(&["TABLE", "TABLES"]).is_none() {
        return Err(cursor.expected("TABLE"));
    }
    cursor.if_exists();
    loop {
        let start = cursor.pos;
        let old = cursor.object_name("a table name")?;
        wait(cursor)?;
        cursor.expect("TO")?;
        let mut to = cursor.object_name("a new name")?;
        to.schema = to.schema.or_else(|| old.schema.clone());
        out.push(cursor, start, Change::RenameTable { from: old, to });
        if !cursor.eat_comma() {
            return Ok(());
        }
    }
}

/// Behind `LOCK`: `TABLES a READ, b WRITE`.
pub(crate) fn lock_tables(cursor: &mut Cursor<'_>, out: &mut Out) -> Parse<()> {
    let from = cursor.pos;
    if cursor.eat_any(&["TABLE", "TABLES"]).is_none() {
        // LOCK INSTANCE FOR BACKUP
        cursor.rest();
        out.push(cursor, from, Change::NoEffect { verb: "lock instance".to_owned() });
        return Ok(());
    }
    let mut tables = Vec::new();
    let mut mode = String::new();
    loop {
        tables.push(cursor.object_name("a table name")?);
        if cursor.eat("AS")
            || (cursor.is_name() && !cursor.is_any(&["READ", "WRITE", "LOW_PRIORITY"]))
        {
            cursor.ident("an alias")?;
        }
        cursor.eat("LOW_PRIORITY");
        match cursor.eat_any(&["READ", "WRITE"]) {
            Some("WRITE") => mode = "write".to_owned(),
            Some(_) if mode.is_empty() => mode = "read".to_owned(),
            Some(_) => {}
            None => return Err(cursor.expected("READ or WRITE")),
        }
        cursor.eat_any(&["LOCAL", "CONCURRENT"]);
        wait(cursor)?;
        if !cursor.eat_comma() {
            break;
        }
    }
    out.push(cursor, from, Change::LockTable { tables, mode });
    Ok(())
}

/// Behind `FLUSH`: `TABLES a, b WITH READ LOCK` locks those, and all of the server where none is named.
pub(crate) fn flush(cursor: &mut Cursor<'_>, out: &mut Out) -> Parse<()> {
    let from = cursor.pos;
    let mut ahead = *cursor;
    ahead.eat_any(&["NO_WRITE_TO_BINLOG", "LOCAL"]);
    if ahead.eat_any(&["TABLE", "TABLES"]).is_some() {
        let named = !ahead.at_end() && !ahead.is_any(&["WITH", "FOR"]);
        let tables = if named { ahead.object_names("a table name")? } else { Vec::new() };
        if ahead.eat_all(&["WITH", "READ", "LOCK"]) || ahead.eat_all(&["FOR", "EXPORT"]) {
            *cursor = ahead;
            cursor.rest();
            out.push(cursor, from, Change::LockTable { tables, mode: "read".to_owned() });
            return Ok(());
        }
    }
    cursor.rest();
    out.push(cursor, from, Change::NoEffect { verb: "flush".to_owned() });
    Ok(())
}

/// Behind `OPTIMIZE`, `REPAIR`, `CHECK` or `CHECKSUM`.
pub(crate) fn table_maintenance(cursor: &mut Cursor<'_>, out: &mut Out, verb: &str) -> Parse<()> {
    let from = cursor.pos;
    cursor.eat_any(&["NO_WRITE_TO_BINLOG", "LOCAL"]);
    if cursor.eat_any(&["TABLE", "TABLES"]).is_none() {
        return Err(cursor.expected("TABLE"));
    }
    let tables = cursor.object_names("a table name")?;
    cursor.rest();
    let change = match verb {
        "OPTIMIZE" | "REPAIR" => Change::OptimizeTable { tables },
        _ => Change::NoEffect { verb: format!("{} table", verb.to_lowercase()) },
    };
    out.push(cursor, from, change);
    Ok(())
}

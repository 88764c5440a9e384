//! Partitioning clauses.

use crate::lexer::TokenKind;
use crate::parse::cursor::{Cursor, Parse};

/// PostgreSQL `FOR VALUES …`: `IN (…)`, `FROM (…) TO (…)`, `WITH (…)`.
pub(crate) fn skip_bounds(cursor: &mut Cursor<'_>) -> Parse<()> {
    cursor.expect("FOR")?;
    cursor.expect("VALUES")?;
    if cursor.eat("FROM") {
        cursor.skip_group()?;
        cursor.expect("TO")?;
        cursor.skip_group()?;
        return Ok(());
    }
    if cursor.eat_any(&["IN", "WITH"]).is_none() {
        return Err(cursor.expected("FROM, IN or WITH"));
    }
    cursor.skip_group()?;
    Ok(())
}

/// MySQL, behind `PARTITION BY`: method, sub-partitions, list of partitions.
pub(crate) fn skip_mysql_partitioning(cursor: &mut Cursor<'_>) -> Parse<()> {
    let method = |cursor: &mut Cursor<'_>| -> Parse<()> {
        cursor.eat("LINEAR");
        if cursor.eat_any(&["HASH", "KEY", "RANGE", "LIST", "SYSTEM_TIME"]).is_none() {
            return Err(cursor.expected("HASH, KEY, RANGE or LIST"));
        }
        if cursor.eat("ALGORITHM") {
            cursor.eat_op("=");
            cursor.bump();
        }
        cursor.eat("COLUMNS");
        if cursor.is_kind(TokenKind::LeftParen) {
            cursor.skip_group()?;
        }
        if cursor.eat_any(&["INTERVAL", "LIMIT"]).is_some() {
            cursor.skip_until(|c| c.is_kind(TokenKind::LeftParen) || c.is_any(&["PARTITIONS"]));
        }
        Ok(())
    };
    method(cursor)?;
    loop {
        if cursor.eat_any(&["PARTITIONS", "SUBPARTITIONS"]).is_some() {
            cursor.expect_kind(TokenKind::Number, "a number")?;
        } else if cursor.eat_all(&["SUBPARTITION", "BY"]) {
            method(cursor)?;
        } else if cursor.is_kind(TokenKind::LeftParen) {
            cursor.skip_group()?;
        } else {
            return Ok(());
        }
    }
}

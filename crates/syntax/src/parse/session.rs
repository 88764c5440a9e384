//! Transactions, settings, locks and maintenance.

use crate::change::TransactionControl;
use crate::lexer::TokenKind;
use crate::parse::Out;
use crate::parse::cursor::{Cursor, Parse};
use crate::{Change, ObjectName};

/// `BEGIN`, `COMMIT` and their kin; the cursor stands behind `verb`.
pub(crate) fn transaction(cursor: &mut Cursor<'_>, out: &mut Out, verb: &str) -> Parse<()> {
    use TransactionControl as Control;
    let from = cursor.pos;
    let name = |c: &mut Cursor<'_>| -> Parse<String> {
        Ok(c.ident("a savepoint name")?.as_str().to_owned())
    };
    let control = match verb {
        "BEGIN" | "START" => {
            if verb == "START"
                && cursor.eat_any(&["SLAVE", "REPLICA", "GROUP_REPLICATION"]).is_some()
            {
                cursor.rest();
                Control::Other
            } else {
                cursor.eat_any(&["TRANSACTION", "WORK", "DEFERRED", "IMMEDIATE", "EXCLUSIVE"]);
                cursor.eat("TRANSACTION");
                let words = [
                    "ISOLATION",
                    "READ",
                    "WITH",
                    "DEFERRABLE",
                    "NOT",
                    "WRITE",
                    "ONLY",
                    "LEVEL",
                    "SERIALIZABLE",
                    "REPEATABLE",
                    "COMMITTED",
                    "UNCOMMITTED",
                    "CONSISTENT",
                    "SNAPSHOT",
                ];
                while cursor.eat_any(&words).is_some() || cursor.eat_comma() {}
                Control::Begin
            }
        }
        "COMMIT" | "END" => {
            if cursor.eat("PREPARED") {
                cursor.rest();
                Control::Other
            } else {
                chain(cursor);
                Control::Commit
            }
        }
        "ROLLBACK" | "ABORT" => {
            if cursor.eat("PREPARED") {
                cursor.rest();
                Control::Other
            } else {
                chain(cursor);
                if cursor.eat("TO") {
                    cursor.eat("SAVEPOINT");
                    Control::RollbackTo(name(cursor)?)
                } else {
                    Control::Rollback
                }
            }
        }
        "SAVEPOINT" => Control::Savepoint(name(cursor)?),
        "RELEASE" => {
            cursor.eat("SAVEPOINT");
            Control::Release(name(cursor)?)
        }
        _ => {
            cursor.rest();
            Control::Other
        }
    };
    out.push(cursor, from, Change::Transaction { control });
    Ok(())
}

fn chain(cursor: &mut Cursor<'_>) {
    cursor.eat_any(&["WORK", "TRANSACTION"]);
    cursor.eat("AND");
    cursor.eat("NO");
    cursor.eat("CHAIN");
    cursor.eat("NO");
    cursor.eat("RELEASE");
}

/// Behind `SET`.
pub(crate) fn set(cursor: &mut Cursor<'_>, out: &mut Out) -> Parse<()> {
    let from = cursor.pos;
    if cursor.is_mysql() {
        return mysql_set(cursor, out);
    }
    let local = cursor.is("LOCAL") && cursor.kind_at(1).is_some();
    if local || (cursor.is("SESSION") && cursor.is_name_at(1)) {
        cursor.bump();
    }
    let fixed: [(&[&str], &str); 10] = [
        (&["CHARACTERISTICS"], "session characteristics"),
        (&["TRANSACTION"], "transaction"),
        (&["CONSTRAINTS"], "constraints"),
        (&["TIME", "ZONE"], "timezone"),
        (&["SESSION", "AUTHORIZATION"], "session authorization"),
        (&["AUTHORIZATION"], "session authorization"),
        (&["ROLE"], "role"),
        (&["NAMES"], "client_encoding"),
        (&["SCHEMA"], "search_path"),
        (&["XML", "OPTION"], "xmloption"),
    ];
    for (words, name) in fixed {
        let assigned =
            cursor.is_at(words.len(), "TO") || matches!(cursor.text_at(words.len()), "=" | ":=");
        if !assigned && cursor.eat_all(words) {
            let start = cursor.pos;
            cursor.rest();
            let value = value(&cursor.over(start, cursor.pos));
            out.push(cursor, from, Change::SetVariable { name: name.to_owned(), value, local });
            return Ok(());
        }
    }
    let name = dotted(cursor)?;
    if !cursor.eat_op("=") && !cursor.eat_op(":=") && !cursor.are(&["FROM", "CURRENT"]) {
        cursor.expect("TO")?;
    }
    let start = cursor.pos;
    if cursor.at_end() {
        return Err(cursor.expected("a value"));
    }
    cursor.rest();
    let value = value(&cursor.over(start, cursor.pos));
    out.push(cursor, from, Change::SetVariable { name, value, local });
    Ok(())
}

/// `a.b`, in lower case.
fn dotted(cursor: &mut Cursor<'_>) -> Parse<String> {
    let mut name = cursor.ident("a setting")?.as_str().to_lowercase();
    while cursor.eat_kind(TokenKind::Dot) {
        name.push('.');
        name.push_str(&cursor.ident("a setting")?.as_str().to_lowercase());
    }
    Ok(name)
}

/// A single literal without its quotes, anything else as text.
fn value(cursor: &Cursor<'_>) -> String {
    let mut ahead = *cursor;
    match ahead.string_opt() {
        Some(text) if ahead.at_end() => text,
        _ => cursor.text_of(0, cursor.tokens.len()),
    }
}

fn mysql_set(cursor: &mut Cursor<'_>, out: &mut Out) -> Parse<()> {
    let from = cursor.pos;
    if cursor.is_any(&["PASSWORD", "DEFAULT", "RESOURCE"]) && !cursor.is_at(1, "=") {
        let verb = format!("set {}", cursor.text().to_lowercase());
        cursor.rest();
        out.push(cursor, from, Change::NoEffect { verb });
        return Ok(());
    }
    for (words, name) in [
        (&["NAMES"][..], "names"),
        (&["CHARACTER", "SET"], "character set"),
        (&["CHARSET"], "character set"),
        (&["TRANSACTION"], "transaction"),
        (&["SESSION", "TRANSACTION"], "transaction"),
        (&["GLOBAL", "TRANSACTION"], "transaction"),
        (&["ROLE"], "role"),
        (&["STATEMENT"], "statement"),
    ] {
        if cursor.kind_at(words.len()) != Some(TokenKind::Operator) && cursor.eat_all(words) {
            let start = cursor.pos;
            cursor.rest();
            let value = value(&cursor.over(start, cursor.pos));
            let change = Change::SetVariable { name: name.to_owned(), value, local: false };
            out.push(cursor, from, change);
            return Ok(());
        }
    }
    loop {
        let start = cursor.pos;
        cursor.eat_any(&["GLOBAL", "SESSION", "LOCAL", "PERSIST", "PERSIST_ONLY"]);
        let mut name = if cursor.is_kind(TokenKind::Variable) {
            let text = cursor.text().to_lowercase();
            cursor.bump();
            text.strip_prefix("@@").map_or_else(|| text.clone(), str::to_owned)
        } else {
            cursor.ident("a variable")?.as_str().to_lowercase()
        };
        while cursor.eat_kind(TokenKind::Dot) {
            let part = cursor.ident("a variable")?.as_str().to_lowercase();
            name = match name.as_str() {
                "global" | "session" | "local" | "persist" => part,
                _ => format!("{name}.{part}"),
            };
        }
        if !cursor.eat_op("=") && !cursor.eat_op(":=") {
            return Err(cursor.expected("`=`"));
        }
        let (a, b) = cursor.skip_until(|c| c.is_kind(TokenKind::Comma));
        if a == b {
            return Err(cursor.expected("a value"));
        }
        let value = value(&cursor.over(a, b));
        out.push(cursor, start, Change::SetVariable { name, value, local: false });
        if !cursor.eat_comma() {
            return Ok(());
        }
    }
}

/// Behind `RESET`.
pub(crate) fn reset(cursor: &mut Cursor<'_>, out: &mut Out) -> Parse<()> {
    let from = cursor.pos;
    let name = if cursor.eat_all(&["TIME", "ZONE"]) {
        "timezone".to_owned()
    } else if cursor.is_mysql() {
        cursor.rest();
        out.push(cursor, from, Change::NoEffect { verb: "reset".to_owned() });
        return Ok(());
    } else {
        let mut name = dotted(cursor)?;
        if cursor.eat("AUTHORIZATION") {
            name.push_str(" authorization");
        }
        cursor.eat_all(&["ISOLATION", "LEVEL"]);
        name
    };
    let change = Change::SetVariable { name, value: "default".to_owned(), local: false };
    out.push(cursor, from, change);
    Ok(())
}

/// PostgreSQL, behind `LOCK`.
pub(crate) fn lock(cursor: &mut Cursor<'_>, out: &mut Out) -> Parse<()> {
    let from = cursor.pos;
    cursor.eat("TABLE");
    let tables = cursor.object_names("a table name")?;
    let mut mode = "access exclusive".to_owned();
    if cursor.eat("IN") {
        let (a, b) = cursor.skip_until(|c| c.is("MODE"));
        mode = cursor.text_of(a, b).to_lowercase();
        cursor.expect("MODE")?;
    }
    cursor.eat("NOWAIT");
    out.push(cursor, from, Change::LockTable { tables, mode });
    Ok(())
}

/// Behind `VACUUM`.
pub(crate) fn vacuum(cursor: &mut Cursor<'_>, out: &mut Out) -> Parse<()> {
    let from = cursor.pos;
    // SQLite's rewrites the whole file.
    let mut full = cursor.is_sqlite();
    if cursor.is_kind(TokenKind::LeftParen) {
        let (a, b) = cursor.skip_group()?;
        full |= cursor
            .over(a, b)
            .tokens
            .iter()
            .any(|t| t.span.text(cursor.source).eq_ignore_ascii_case("full"));
    }
    loop {
        if cursor.eat("FULL") {
            full = true;
        } else if cursor.eat_any(&["FREEZE", "VERBOSE", "ANALYZE", "ANALYSE"]).is_none() {
            break;
        }
    }
    let tables = if cursor.is_sqlite() {
        cursor.rest();
        Vec::new()
    } else {
        table_list(cursor)?
    };
    out.push(cursor, from, Change::Vacuum { tables, full });
    Ok(())
}

/// `a, b (column, …)`, or nothing.
fn table_list(cursor: &mut Cursor<'_>) -> Parse<Vec<ObjectName>> {
    let mut tables = Vec::new();
    while !cursor.at_end() {
        cursor.eat("ONLY");
        tables.push(cursor.object_name("a table name")?);
        if cursor.is_kind(TokenKind::LeftParen) {
            cursor.skip_group()?;
        }
        if !cursor.eat_comma() {
            break;
        }
    }
    Ok(tables)
}

/// Behind `ANALYZE`.
pub(crate) fn analyze(cursor: &mut Cursor<'_>, out: &mut Out) -> Parse<()> {
    let from = cursor.pos;
    if cursor.is_kind(TokenKind::LeftParen) {
        cursor.skip_group()?;
    }
    cursor.eat("VERBOSE");
    if cursor.is_mysql() {
        cursor.eat_any(&["NO_WRITE_TO_BINLOG", "LOCAL"]);
        cursor.eat_any(&["TABLE", "TABLES"]);
    }
    let tables = table_list(cursor)?;
    if cursor.is_mysql() {
        cursor.rest();
    }
    out.push(cursor, from, Change::Analyze { tables });
    Ok(())
}

/// Behind `CLUSTER`.
pub(crate) fn cluster(cursor: &mut Cursor<'_>, out: &mut Out) -> Parse<()> {
    let from = cursor.pos;
    if cursor.is_kind(TokenKind::LeftParen) {
        cursor.skip_group()?;
    }
    cursor.eat("VERBOSE");
    let mut table = None;
    if !cursor.at_end() {
        let name = cursor.object_name("a table name")?;
        table = Some(name);
        if cursor.eat("USING") {
            cursor.ident("an index name")?;
        } else if cursor.eat("ON") {
            // The old form `CLUSTER index ON table`.
            table = Some(cursor.object_name("a table name")?);
        }
    }
    out.push(cursor, from, Change::Cluster { table });
    Ok(())
}

/// SQLite, behind `PRAGMA`.
pub(crate) fn pragma(cursor: &mut Cursor<'_>, out: &mut Out) -> Parse<()> {
    let from = cursor.pos;
    let name = cursor.object_name("a pragma")?.name.as_str().to_lowercase();
    let value = if cursor.eat_op("=") {
        let start = cursor.pos;
        cursor.rest();
        value(&cursor.over(start, cursor.pos))
    } else if cursor.is_kind(TokenKind::LeftParen) {
        let (a, b) = cursor.skip_group()?;
        value(&cursor.over(a, b))
    } else {
        out.push(cursor, from, Change::NoEffect { verb: format!("pragma {name}") });
        return Ok(());
    };
    out.push(cursor, from, Change::SetVariable { name, value, local: false });
    Ok(())
}

//! `DROP` of everything.

use crate::lexer::TokenKind;
use crate::parse::Out;
use crate::parse::cursor::{Cursor, Parse};
use crate::parse::mysql;
use crate::{Change, ObjectKind, RoutineKind};

/// Behind `DROP`.
pub(crate) fn drop(cursor: &mut Cursor<'_>, out: &mut Out) -> Parse<()> {
    let start = cursor.pos;
    let table: MakeChange =
        |name, if_exists, cascade| Change::DropTable { name, if_exists, cascade };
    let sequence: MakeChange =
        |name, if_exists, cascade| Change::DropSequence { name, if_exists, cascade };
    if cursor.eat("TEMPORARY") {
        if cursor.eat("SEQUENCE") {
            return names(cursor, out, sequence);
        }
        if cursor.eat_any(&["TABLE", "TABLES"]).is_none() {
            return Err(cursor.expected("TABLE"));
        }
        return names(cursor, out, table);
    }
    if cursor.eat("TABLE")
        || cursor.is_mysql() && cursor.eat("TABLES")
        || cursor.eat_all(&["FOREIGN", "TABLE"])
    {
        return names(cursor, out, table);
    }
    if cursor.eat("VIEW") {
        return names(cursor, out, |name, if_exists, cascade| Change::DropView {
            name,
            materialized: false,
            if_exists,
            cascade,
        });
    }
    if cursor.eat_all(&["MATERIALIZED", "VIEW"]) {
        return names(cursor, out, |name, if_exists, cascade| Change::DropView {
            name,
            materialized: true,
            if_exists,
            cascade,
        });
    }
    if cursor.eat("INDEX") {
        return drop_index(cursor, out);
    }
    if cursor.eat("SEQUENCE") {
        return names(cursor, out, sequence);
    }
    if cursor.eat("TYPE") {
        return names(cursor, out, |name, if_exists, cascade| Change::DropType {
            name,
            domain: false,
            if_exists,
            cascade,
        });
    }
    if cursor.eat("DOMAIN") {
        return names(cursor, out, |name, if_exists, cascade| Change::DropType {
            name,
            domain: true,
            if_exists,
            cascade,
        });
    }
    if let Some(word) = cursor.eat_any(&["FUNCTION", "PROCEDURE", "AGGREGATE", "ROUTINE"]) {
        let kind = match word {
            "PROCEDURE" => RoutineKind::Procedure,
            "AGGREGATE" => RoutineKind::Aggregate,
            _ => RoutineKind::Function,
        };
        return routines(cursor, out, kind);
    }
    if cursor.eat("TRIGGER") {
        return trigger(cursor, out);
    }
    if cursor.eat("POLICY") {
        let if_exists = cursor.if_exists();
        let name = cursor.ident("a policy name")?;
        cursor.expect("ON")?;
        let table = cursor.object_name("a table name")?;
        cursor.cascade();
        out.push(cursor, start, Change::DropPolicy { name, table, if_exists });
        return Ok(());
    }
    if cursor.eat("SCHEMA") {
        return names(cursor, out, |name, if_exists, cascade| Change::DropSchema {
            name: name.name,
            if_exists,
            cascade,
        });
    }
    if cursor.eat("DATABASE") {
        let if_exists = cursor.if_exists();
        let name = cursor.ident("a database name")?;
        cursor.eat("WITH");
        if cursor.is_kind(TokenKind::LeftParen) {
            cursor.skip_group()?;
        }
        out.push(cursor, start, Change::DropDatabase { name, if_exists });
        return Ok(());
    }
    if cursor.eat("EXTENSION") {
        return names(cursor, out, |name, if_exists, cascade| Change::DropExtension {
            name: name.name,
            if_exists,
            cascade,
        });
    }
    other(cursor, out)
}

type MakeChange = fn(crate::ObjectName, bool, bool) -> Change;

/// `[IF EXISTS] a, b [CASCADE]`: one change each.
fn names(cursor: &mut Cursor<'_>, out: &mut Out, make: MakeChange) -> Parse<()> {
    let if_exists = cursor.if_exists();
    let mut found = Vec::new();
    loop {
        let from = cursor.pos;
        let name = cursor.object_name("a name")?;
        cursor.eat_op("*");
        if cursor.is_mysql() {
            mysql::wait(cursor)?;
        }
        found.push((from, cursor.pos, name));
        if !cursor.eat_comma() {
            break;
        }
    }
    let cascade = cursor.cascade();
    for (from, to, name) in found {
        out.push_span(cursor.span_of(from, to), make(name, if_exists, cascade));
    }
    Ok(())
}

fn drop_index(cursor: &mut Cursor<'_>, out: &mut Out) -> Parse<()> {
    let concurrently = cursor.eat("CONCURRENTLY");
    let if_exists = cursor.if_exists();
    let from = cursor.pos;
    let mut found = Vec::new();
    loop {
        let start = cursor.pos;
        let name = cursor.object_name("an index name")?;
        found.push((start, cursor.pos, name));
        if !cursor.eat_comma() {
            break;
        }
    }
    let mut table = None;
    if cursor.eat("ON") {
        table = Some(cursor.object_name("a table name")?);
    }
    if cursor.is_mysql() {
        mysql::wait(cursor)?;
        if let (Some(table), Some(online)) = (&table, mysql::online_options(cursor)?) {
            out.push(cursor, from, Change::Online { table: table.clone(), online });
        }
    }
    let cascade = cursor.cascade();
    for (start, to, name) in found {
        let span = cursor.span_of(start, to);
        let table = table.clone();
        out.push_span(span, Change::DropIndex { name, table, concurrently, if_exists, cascade });
    }
    Ok(())
}

fn routines(cursor: &mut Cursor<'_>, out: &mut Out, kind: RoutineKind) -> Parse<()> {
    let if_exists = cursor.if_exists();
    let mut found = Vec::new();
    loop {
        let from = cursor.pos;
        let name = cursor.object_name("a name")?;
        let args = match cursor.is_kind(TokenKind::LeftParen) {
            true => Some(super::routine::argument_types(cursor)?),
            false => None,
        };
        found.push((from, cursor.pos, name, args));
        if !cursor.eat_comma() {
            break;
        }
    }
    let cascade = cursor.cascade();
    for (from, to, name, args) in found {
        let span = cursor.span_of(from, to);
        out.push_span(span, Change::DropRoutine { kind, name, args, if_exists, cascade });
    }
    Ok(())
}

fn trigger(cursor: &mut Cursor<'_>, out: &mut Out) -> Parse<()> {
    let from = cursor.pos;
    let if_exists = cursor.if_exists();
    let name = cursor.object_name("a trigger name")?;
    let table = match cursor.eat("ON") {
        true => Some(cursor.object_name("a table name")?),
        false => None,
    };
    let cascade = cursor.cascade();
    out.push(cursor, from, Change::DropTrigger { name: name.name, table, if_exists, cascade });
    Ok(())
}

/// Objects that the catalog does not model.
fn other(cursor: &mut Cursor<'_>, out: &mut Out) -> Parse<()> {
    let from = cursor.pos;
    let kinds: [(&[&str], ObjectKind); 29] = [
        (&["RULE"], ObjectKind::Rule),
        (&["ROLE"], ObjectKind::Role),
        (&["USER", "MAPPING"], ObjectKind::Other),
        (&["USER"], ObjectKind::Role),
        (&["GROUP"], ObjectKind::Role),
        (&["PUBLICATION"], ObjectKind::Publication),
        (&["SUBSCRIPTION"], ObjectKind::Subscription),
        (&["SERVER"], ObjectKind::Server),
        (&["FOREIGN", "DATA", "WRAPPER"], ObjectKind::Other),
        (&["COLLATION"], ObjectKind::Collation),
        (&["STATISTICS"], ObjectKind::Statistics),
        (&["EVENT", "TRIGGER"], ObjectKind::Other),
        (&["EVENT"], ObjectKind::Event),
        (&["CAST"], ObjectKind::Other),
        (&["OPERATOR", "CLASS"], ObjectKind::Other),
        (&["OPERATOR", "FAMILY"], ObjectKind::Other),
        (&["OPERATOR"], ObjectKind::Other),
        (&["TEXT", "SEARCH", "CONFIGURATION"], ObjectKind::Other),
        (&["TEXT", "SEARCH", "DICTIONARY"], ObjectKind::Other),
        (&["TEXT", "SEARCH", "PARSER"], ObjectKind::Other),
        (&["TEXT", "SEARCH", "TEMPLATE"], ObjectKind::Other),
        (&["TABLESPACE"], ObjectKind::Other),
        (&["CONVERSION"], ObjectKind::Other),
        (&["LANGUAGE"], ObjectKind::Other),
        (&["PROCEDURAL", "LANGUAGE"], ObjectKind::Other),
        (&["TRANSFORM"], ObjectKind::Other),
        (&["ACCESS", "METHOD"], ObjectKind::Other),
        (&["OWNED", "BY"], ObjectKind::Role),
        (&["PACKAGE"], ObjectKind::Other),
    ];
    let Some((_, kind)) = kinds.iter().find(|(words, _)| cursor.eat_all(words)) else {
        return Err(cursor.expected("the kind of object to drop"));
    };
    let if_exists = cursor.if_exists();
    let name = if cursor.is_name() {
        cursor.object_name("a name")?
    } else {
        // `CAST (a AS b)`, `OPERATOR + (…)`, `'user'@'host'`: the name as text.
        let (a, b) = cursor.skip_until(|c| c.is_any(&["CASCADE", "RESTRICT"]) || c.is("USING"));
        if a == b {
            return Err(cursor.expected("a name"));
        }
        let text = cursor.text_of(a, b);
        crate::ObjectName::bare(crate::Ident::new(cursor.dialect, &text, true))
    };
    let mut table = None;
    if matches!(kind, ObjectKind::Rule) && cursor.eat("ON") {
        table = Some(cursor.object_name("a table name")?);
    }
    let rest = cursor.rest();
    let cascade = rest.to_ascii_uppercase().ends_with("CASCADE");
    out.push(cursor, from, Change::DropOther { kind: *kind, name, table, if_exists, cascade });
    Ok(())
}

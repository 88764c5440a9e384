//! Functions, procedures and aggregates.

use crate::lexer::TokenKind;
use crate::parse::Out;
use crate::parse::body;
use crate::parse::cursor::{Cursor, Parse};
use crate::parse::types::parse_type;
use crate::{Change, Dialect, ObjectKind, RoutineDef, RoutineKind};

/// `(a integer, OUT b text, …)`: the types of the input arguments, canonical.
pub(crate) fn argument_types(cursor: &mut Cursor<'_>) -> Parse<Vec<String>> {
    let (a, b) = cursor.skip_group()?;
    let mut inner = cursor.over(a, b);
    let mut types = Vec::new();
    while !inner.at_end() {
        let (from, to) = inner.skip_until(|c| c.is_kind(TokenKind::Comma) || c.is("ORDER"));
        if let Some(ty) = argument(&inner.over(from, to)) {
            types.push(ty);
        }
        if inner.eat_all(&["ORDER", "BY"]) {
            continue;
        }
        if !inner.eat_comma() {
            break;
        }
    }
    Ok(types)
}

/// `[IN|INOUT|VARIADIC] [name] type [DEFAULT x]`; `None` for OUT.
fn argument(cursor: &Cursor<'_>) -> Option<String> {
    let mut inner = *cursor;
    if inner.at_end() || inner.is_op("*") {
        return None;
    }
    let mode = |c: &mut Cursor<'_>| -> Option<&'static str> {
        // `out` may be a name too: a mode is followed by at least a type.
        (c.tokens.len() > c.pos + 1)
            .then(|| c.eat_any(&["IN", "OUT", "INOUT", "VARIADIC"]))
            .flatten()
    };
    let found = mode(&mut inner);
    inner.eat("OUT");
    if found == Some("OUT") {
        return None;
    }
    let (start, end) = inner.skip_until(|c| c.is("DEFAULT") || c.is_op("=") || c.is_op(":="));
    // With a name before it, the type is what is left behind the name; a type alone that takes
    // two words (`double precision`) is read whole.
    let whole = {
        let mut alone = inner.over(start, end);
        parse_type(&mut alone).ok().filter(|_| alone.at_end())
    };
    let named = || {
        let mut behind = inner.over(start, end);
        behind.bump();
        behind.eat_any(&["IN", "OUT", "INOUT"]);
        let ty = parse_type(&mut behind).ok()?;
        behind.at_end().then_some(ty)
    };
    let ty = whole.or_else(named)?;
    Some(type_text(&ty, inner.dialect))
}

fn type_text(ty: &crate::SqlType, dialect: Dialect) -> String {
    let mut text = String::new();
    if let Some(schema) = &ty.schema {
        text.push_str(schema.as_str());
        text.push('.');
    }
    text.push_str(&ty.name);
    // PostgreSQL ignores lengths in a function's arguments.
    if dialect != Dialect::Postgres && !ty.args.is_empty() {
        text.push_str(&format!("({})", ty.args.join(",")));
    }
    for _ in 0..ty.dimensions.min(1) {
        text.push_str("[]");
    }
    text
}

/// Behind `CREATE [OR REPLACE] FUNCTION|PROCEDURE|AGGREGATE`.
pub(crate) fn create_routine(
    cursor: &mut Cursor<'_>,
    out: &mut Out,
    kind: RoutineKind,
    or_replace: bool,
) -> Parse<()> {
    let from = cursor.pos;
    let if_not_exists = cursor.if_not_exists();
    let name = cursor.object_name("a name")?;
    let start = cursor.pos;
    let mut def = RoutineDef {
        name,
        kind,
        args: Vec::new(),
        returns: None,
        language: None,
        body: None,
        volatility: None,
        security_definer: false,
        settings: Vec::new(),
        definition: String::new(),
    };
    if cursor.is_mysql() && cursor.is_any(&["RETURNS", "SONAME"]) {
        // A loadable function.
        cursor.rest();
    } else {
        def.args = argument_types(cursor)?;
    }
    let mut body = Out::default();
    if kind == RoutineKind::Aggregate {
        def.body = Some(cursor.rest());
    } else if cursor.is_mysql() {
        mysql_rest(cursor, &mut def, &mut body)?;
    } else {
        postgres_rest(cursor, &mut def, &mut body)?;
    }
    def.definition = cursor.verbatim(start, cursor.pos).to_owned();
    let Out { changes: body_changes, spans: body_spans } = body;
    out.push(
        cursor,
        from,
        Change::CreateRoutine { def, or_replace, if_not_exists, body_changes, body_spans },
    );
    Ok(())
}

fn postgres_rest(cursor: &mut Cursor<'_>, def: &mut RoutineDef, body: &mut Out) -> Parse<()> {
    let mut quoted_body = None;
    while !cursor.at_end() {
        if cursor.eat("RETURNS") {
            let from = cursor.pos;
            if cursor.eat_all(&["NULL", "ON", "NULL", "INPUT"]) {
                continue;
            }
            if cursor.eat("TABLE") {
                cursor.skip_group()?;
            } else {
                parse_type(cursor)?;
            }
            def.returns = Some(cursor.text_from(from));
        } else if cursor.eat("LANGUAGE") {
            let language = match cursor.string_opt() {
                Some(text) => text,
                None => cursor.ident("a language")?.as_str().to_owned(),
            };
            def.language = Some(language.to_lowercase());
        } else if let Some(word) = cursor.eat_any(&["IMMUTABLE", "STABLE", "VOLATILE"]) {
            def.volatility = Some(word.to_lowercase());
        } else if cursor.eat_all(&["SECURITY", "DEFINER"])
            || cursor.eat_all(&["EXTERNAL", "SECURITY", "DEFINER"])
        {
            def.security_definer = true;
        } else if cursor.eat_all(&["SECURITY", "INVOKER"])
            || cursor.eat_all(&["EXTERNAL", "SECURITY", "INVOKER"])
            || cursor.eat_all(&["CALLED", "ON", "NULL", "INPUT"])
            || cursor.eat_all(&["NOT", "LEAKPROOF"])
            || cursor.eat_any(&["STRICT", "LEAKPROOF", "WINDOW"]).is_some()
        {
        } else if cursor.eat("PARALLEL") {
            cursor.ident("SAFE, RESTRICTED or UNSAFE")?;
        } else if cursor.eat_any(&["COST", "ROWS"]).is_some() {
            cursor.expect_kind(TokenKind::Number, "a number")?;
        } else if cursor.eat("SUPPORT") {
            cursor.object_name("a function")?;
        } else if cursor.eat("TRANSFORM") {
            cursor.skip_until(|c| c.is("AS") || c.is("LANGUAGE"));
        } else if cursor.eat("SET") {
            let from = cursor.pos;
            let name = cursor.ident("a setting")?.as_str().to_lowercase();
            cursor.skip_until(|c| c.is_any(&CLAUSES));
            let rest = cursor.text_from(from + 1);
            def.settings.push(format!("{name} {rest}"));
        } else if cursor.eat("AS") {
            let at = cursor.pos;
            let text = cursor.string("the body as a string")?;
            if cursor.pos == at + 1 {
                quoted_body = Some(at);
            }
            def.body = Some(text);
            if cursor.eat_comma() {
                // A C function: file and symbol.
                cursor.string("a symbol")?;
            }
        } else if cursor.eat("WITH") {
            cursor.skip_group()?;
        } else if cursor.is("RETURN") || cursor.are(&["BEGIN", "ATOMIC"]) {
            let from = cursor.pos;
            let inner = {
                let mut inner = cursor.over(from, cursor.tokens.len());
                inner.pos = if inner.is("RETURN") { 0 } else { 2 };
                inner
            };
            body::sql_statements(&inner, body);
            def.body = Some(cursor.rest());
            def.language.get_or_insert_with(|| "sql".to_owned());
        } else {
            return Err(cursor.expected("AS, LANGUAGE or another function option"));
        }
    }
    if let Some(at) = quoted_body {
        let language = def.language.clone().unwrap_or_default();
        body::quoted(cursor, at, &language, body);
    }
    Ok(())
}

/// What may follow `SET name TO value` of a function.
const CLAUSES: [&str; 18] = [
    "AS",
    "LANGUAGE",
    "IMMUTABLE",
    "STABLE",
    "VOLATILE",
    "SECURITY",
    "EXTERNAL",
    "CALLED",
    "NOT",
    "STRICT",
    "LEAKPROOF",
    "WINDOW",
    "PARALLEL",
    "COST",
    "ROWS",
    "SET",
    "RETURN",
    "BEGIN",
];

fn mysql_rest(cursor: &mut Cursor<'_>, def: &mut RoutineDef, body: &mut Out) -> Parse<()> {
    if cursor.eat("RETURNS") {
        let from = cursor.pos;
        parse_type(cursor)?;
        if cursor.eat_all(&["CHARACTER", "SET"])
            || cursor.eat_any(&["CHARSET", "COLLATE"]).is_some()
        {
            cursor.bump();
        }
        def.returns = Some(cursor.text_from(from));
    }
    loop {
        if cursor.eat("COMMENT") {
            cursor.string("a comment")?;
        } else if cursor.eat_all(&["SQL", "SECURITY"]) {
            def.security_definer = cursor.is("DEFINER");
            cursor.ident("DEFINER or INVOKER")?;
        } else if cursor.eat("LANGUAGE") {
            def.language = Some(cursor.ident("SQL")?.as_str().to_lowercase());
        } else if cursor.eat_all(&["NOT", "DETERMINISTIC"])
            || cursor.eat("DETERMINISTIC")
            || cursor.eat_all(&["CONTAINS", "SQL"])
            || cursor.eat_all(&["NO", "SQL"])
            || cursor.eat_all(&["READS", "SQL", "DATA"])
            || cursor.eat_all(&["MODIFIES", "SQL", "DATA"])
            || cursor.eat("COLLATE") && cursor.ident_opt().is_some()
        {
        } else {
            break;
        }
    }
    if cursor.at_end() && def.returns.is_none() {
        return Err(cursor.expected("a body"));
    }
    let inner = cursor.over(cursor.pos, cursor.tokens.len());
    body::blocks(&inner, body);
    def.body = Some(cursor.rest());
    Ok(())
}

/// Behind `ALTER FUNCTION|PROCEDURE|AGGREGATE|ROUTINE`.
pub(crate) fn alter_routine(
    cursor: &mut Cursor<'_>,
    out: &mut Out,
    kind: RoutineKind,
) -> Parse<()> {
    let from = cursor.pos;
    let name = cursor.object_name("a name")?;
    let object = match kind {
        RoutineKind::Function => ObjectKind::Function,
        RoutineKind::Procedure => ObjectKind::Procedure,
        RoutineKind::Aggregate => ObjectKind::Aggregate,
    };
    let start = cursor.pos;
    if cursor.is_kind(TokenKind::LeftParen) {
        cursor.skip_group()?;
    }
    let change = if cursor.eat_all(&["RENAME", "TO"]) {
        let to = cursor.ident("a new name")?;
        Change::Rename { kind: object, table: None, from: name, to }
    } else if cursor.eat_all(&["OWNER", "TO"]) {
        let owner = cursor.ident("a role")?.as_str().to_owned();
        Change::SetOwner { kind: object, name, owner }
    } else if cursor.eat_all(&["SET", "SCHEMA"]) {
        Change::SetSchema { kind: object, name, schema: cursor.ident("a schema name")? }
    } else {
        if cursor.at_end() {
            return Err(cursor.expected("an action"));
        }
        cursor.rest();
        Change::AlterRoutine { kind, name, text: cursor.text_from(start) }
    };
    out.push(cursor, from, change);
    Ok(())
}

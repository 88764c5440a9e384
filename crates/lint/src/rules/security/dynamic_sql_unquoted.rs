//! SE06.

use std::collections::BTreeSet;

use downhaul_catalog::Table;
use downhaul_syntax::lexer::{self, Token, TokenKind};
use downhaul_syntax::{Change, Dialect, Ident, ObjectName};

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a routine that builds SQL out of its variables without quoting them: `EXECUTE` of a
    /// text joined with `||`, or `format` with `%s`.
    ///
    /// ## Why is this bad
    ///
    /// A value with a quote or a semicolon becomes part of the statement; and a name in capitals, or
    /// one that is a keyword, breaks it.
    ///
    /// ## What to do
    ///
    /// `format('… %I … %L', name, value)`, `quote_ident`, `quote_literal`, or `EXECUTE … USING`.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- up
    /// CREATE FUNCTION empty_it(name text) RETURNS void LANGUAGE plpgsql AS $$
    /// BEGIN
    ///   EXECUTE 'TRUNCATE ' || name;
    /// END $$;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- up
    /// CREATE FUNCTION empty_it(name text) RETURNS void LANGUAGE plpgsql AS $$
    /// BEGIN
    ///   EXECUTE format('TRUNCATE %I', name);
    /// END $$;
    /// ```
    "SE06" "dynamic-sql-unquoted"
    severity: Warning,
    dialects: POSTGRES,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let Change::CreateRoutine { def, .. } = cx.change else { return None };
    let body = def.body.as_deref()?;
    if !def
        .language
        .as_deref()
        .unwrap_or("plpgsql")
        .trim_matches(['\'', '"'])
        .eq_ignore_ascii_case("plpgsql")
    {
        return None;
    }
    let raw = unquoted(body, &def.definition, &|part| is_harmless_field(cx, &def.name, part))?;
    Some(
        Draft::new(format!("`{}` puts `{raw}` into a statement without quoting it", def.name))
            .help("use format with %I for names and %L for values, or EXECUTE … USING"),
    )
}

/// Types whose values hold nothing that would have to be quoted, or print themselves quoted.
const HARMLESS: [&str; 17] = [
    "regclass",
    "regtype",
    "regproc",
    "regprocedure",
    "regnamespace",
    "regrole",
    "int",
    "int2",
    "int4",
    "int8",
    "integer",
    "smallint",
    "bigint",
    "oid",
    "uuid",
    "boolean",
    "bool",
];

/// `NEW.id`, `OLD.id` of a trigger's function, where every table that the trigger may be of has a
/// column of such a type there: those whose triggers call it, or else all that have the column.
fn is_harmless_field(cx: &ChangeContext<'_>, function: &ObjectName, part: &str) -> bool {
    let Some((record, field)) = part.split_once('.') else { return false };
    if !matches!(record.to_ascii_lowercase().as_str(), "new" | "old") {
        return false;
    }
    let quoted = field.starts_with('"');
    let column = Ident::new(Dialect::Postgres, field.trim_matches('"'), quoted);
    let function = cx.catalog.normalize(function);
    let calls = |f: &Option<ObjectName>| {
        f.as_ref().map(|f| cx.catalog.normalize(f)) == Some(function.clone())
    };
    let later = cx.later().filter_map(|i| match i.change {
        Change::CreateTrigger { def, .. } if calls(&def.function) => cx.table(&def.table),
        _ => None,
    });
    let tables = || cx.catalog.tables.values();
    let mut fired: Vec<&Table> =
        tables().filter(|t| t.triggers.iter().any(|g| calls(&g.function))).chain(later).collect();
    if fired.is_empty() {
        fired = tables().filter(|t| t.column(&column).is_some()).collect();
    }
    !fired.is_empty()
        && fired.iter().all(|t| {
            let ty = t.column(&column).and_then(|c| c.ty.as_ref());
            ty.is_some_and(|ty| ty.dimensions == 0 && HARMLESS.contains(&ty.name.as_str()))
        })
}

/// Arguments and variables that are declared with such a type.
fn harmless_names(body: &str, definition: &str) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for source in [definition, body] {
        let tokens: Vec<Token> = lexer::lex(source, Dialect::Postgres)
            .tokens
            .into_iter()
            .filter(|t| !t.kind.is_trivia())
            .collect();
        for pair in tokens.windows(2) {
            let [name, ty] = [&pair[0], &pair[1]].map(|t| t.span.text(source).to_ascii_lowercase());
            if pair[0].kind == TokenKind::Word && HARMLESS.contains(&ty.as_str()) {
                out.insert(name);
            }
        }
    }
    out
}

/// The first part of an `EXECUTE` that goes into the statement as it is.
fn unquoted(body: &str, definition: &str, is_harmless: &dyn Fn(&str) -> bool) -> Option<String> {
    let harmless = harmless_names(body, definition);
    let tokens: Vec<Token> = lexer::lex(body, Dialect::Postgres)
        .tokens
        .into_iter()
        .filter(|t| !t.kind.is_trivia())
        .collect();
    let text = |t: &Token| t.span.text(body);
    let mut at = 0;
    while at < tokens.len() {
        let is_execute =
            tokens[at].kind == TokenKind::Word && text(&tokens[at]).eq_ignore_ascii_case("execute");
        at += 1;
        // `EXECUTE FUNCTION f()` of a trigger, `GRANT EXECUTE ON`.
        let next = tokens.get(at).map_or("", text);
        if !is_execute
            || ["function", "procedure", "on"].iter().any(|w| next.eq_ignore_ascii_case(w))
        {
            continue;
        }
        let mut depth = 0_usize;
        let mut end = at;
        while let Some(token) = tokens.get(end) {
            match token.kind {
                TokenKind::LeftParen => depth += 1,
                TokenKind::RightParen => depth = depth.saturating_sub(1),
                TokenKind::Terminator | TokenKind::Semicolon => break,
                TokenKind::Word
                    if depth == 0
                        && ["using", "into", "loop"]
                            .iter()
                            .any(|w| text(token).eq_ignore_ascii_case(w)) =>
                {
                    break;
                }
                _ => {}
            }
            end += 1;
        }
        let parts = raw_parts(&tokens[at..end], body);
        if let Some(raw) = parts
            .into_iter()
            .find(|raw| !harmless.contains(&raw.to_ascii_lowercase()) && !is_harmless(raw))
        {
            return Some(raw);
        }
        at = end;
    }
    None
}

/// In the expression of one `EXECUTE`.
fn raw_parts(tokens: &[Token], body: &str) -> Vec<String> {
    let mut out = Vec::new();
    let text = |t: &Token| t.span.text(body);
    for (at, token) in tokens.iter().enumerate() {
        if token.kind == TokenKind::Operator && text(token) == "||" {
            out.extend(operand(&tokens[at + 1..], body));
            out.extend(operand_before(&tokens[..at], body));
        }
        if token.kind == TokenKind::Word && text(token).eq_ignore_ascii_case("format") {
            let Some(literal) = tokens.get(at + 2) else { break };
            let arguments = split_arguments(&tokens[(at + 2).min(tokens.len())..]);
            let places = directives(text(literal));
            for (place, kind) in places.iter().enumerate() {
                let Some(argument) = arguments.get(place + 1) else { break };
                if *kind == 's' && !is_safe(argument, body) {
                    out.push(written(argument, body));
                }
            }
        }
    }
    out
}

/// The letters of `%s`, `%I`, `%L` in order; positions (`%1$s`) end the list, for they are not
/// followed here.
fn directives(literal: &str) -> Vec<char> {
    let mut out = Vec::new();
    let mut chars = literal.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            continue;
        }
        match chars.next() {
            Some(letter @ ('s' | 'I' | 'L')) => out.push(letter),
            Some('%') => {}
            _ => break,
        }
    }
    out
}

/// Arguments of a call, of which the first token is given, up to its closing parenthesis.
fn split_arguments(tokens: &[Token]) -> Vec<&[Token]> {
    let mut out = Vec::new();
    let (mut depth, mut from) = (0_usize, 0);
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            TokenKind::LeftParen => depth += 1,
            TokenKind::RightParen if depth == 0 => {
                out.push(&tokens[from..at]);
                return out;
            }
            TokenKind::RightParen => depth -= 1,
            TokenKind::Comma if depth == 0 => {
                out.push(&tokens[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    out
}

/// A literal, a number, a quoted or computed value, or a type that prints itself quoted.
fn is_safe(argument: &[Token], body: &str) -> bool {
    let text = |t: &Token| t.span.text(body).to_ascii_lowercase();
    let [first, rest @ ..] = argument else { return true };
    if matches!(first.kind, TokenKind::String | TokenKind::Number | TokenKind::DollarString) {
        return true;
    }
    if rest.last().is_some_and(|t| HARMLESS.contains(&text(t).as_str())) {
        return true;
    }
    let quoting = [
        "quote_ident",
        "quote_literal",
        "quote_nullable",
        "format",
        "pg_get_expr",
        "pg_get_indexdef",
        "pg_get_constraintdef",
        "pg_get_viewdef",
        "string_agg",
        "array_to_string",
        "coalesce",
        "case",
        "tg_relid",
    ];
    quoting.contains(&text(first).as_str())
}

fn written(tokens: &[Token], body: &str) -> String {
    match (tokens.first(), tokens.last()) {
        (Some(a), Some(b)) => a.span.cover(b.span).text(body).to_owned(),
        _ => String::new(),
    }
}

/// What stands behind `||`, if it is a bare variable.
fn operand(tokens: &[Token], body: &str) -> Option<String> {
    let end = tokens
        .iter()
        .position(|t| {
            matches!(t.kind, TokenKind::Comma | TokenKind::RightParen)
                || t.kind == TokenKind::Operator && t.span.text(body) == "||"
        })
        .unwrap_or(tokens.len());
    let part = &tokens[..end];
    bare(part, body)
}

/// What stands before `||`.
fn operand_before(tokens: &[Token], body: &str) -> Option<String> {
    let from = tokens
        .iter()
        .rposition(|t| {
            matches!(t.kind, TokenKind::Comma | TokenKind::LeftParen)
                || t.kind == TokenKind::Operator && t.span.text(body) == "||"
        })
        .map_or(0, |at| at + 1);
    bare(&tokens[from..], body)
}

/// `name`, `row.name`, `name::text`: neither call nor literal.
fn bare(part: &[Token], body: &str) -> Option<String> {
    let first = part.first()?;
    let is_name = |t: &Token| matches!(t.kind, TokenKind::Word | TokenKind::QuotedIdent);
    let plain = part.iter().all(|t| {
        is_name(t)
            || matches!(t.kind, TokenKind::Dot | TokenKind::Parameter)
            || t.kind == TokenKind::Operator && t.span.text(body) == "::"
    });
    ((is_name(first) || first.kind == TokenKind::Parameter) && plain && !is_safe(part, body))
        .then(|| written(part, body))
}

#[cfg(test)]
mod tests {
    use super::unquoted;

    #[track_caller]
    fn check(statement: &str, expect: Option<&str>) {
        let body = format!("BEGIN {statement} END");
        assert_eq!(
            unquoted(&body, "(id bigint, tbl regclass)", &|_| false).as_deref(),
            expect,
            "{statement}"
        );
    }

    #[test]
    fn what_goes_in_as_it_is() {
        check("EXECUTE 'DROP TABLE ' || name;", Some("name"));
        check("EXECUTE 'DROP TABLE ' || quote_ident(name);", None);
        check("EXECUTE 'SELECT ' || r.tablename || ' x';", Some("r.tablename"));
        check("EXECUTE format('DROP TABLE %s', name);", Some("name"));
        check("EXECUTE format('DROP TABLE %I', name);", None);
        check("EXECUTE format('DROP TABLE %s', name::regclass);", None);
        check("EXECUTE format('SELECT %L, %s', a, b) INTO c;", Some("b"));
        check("EXECUTE format('SELECT %L || x', a) USING b;", None);
        check("EXECUTE 'SELECT $1' USING a || b;", None);
        check("EXECUTE 'DELETE FROM x WHERE id = ' || OLD.id;", Some("OLD.id"));
        check("EXECUTE statement;", None);
        check("EXECUTE format('DELETE FROM %s WHERE id = ' || id, tbl);", None);
        check("EXECUTE format('DELETE FROM %s WHERE id = ' || id || name, tbl);", Some("name"));
        check("a := 'x' || b;", None);
        check("CREATE TRIGGER t BEFORE UPDATE ON x EXECUTE FUNCTION f();", None);
    }

    #[test]
    fn a_field_of_the_row_is_as_harmless_as_its_column() {
        let rule = crate::rules::find_rule("SE06").unwrap();
        let function = |field: &str| {
            format!(
                "CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE \
                 'DELETE FROM x WHERE id = ' || {field}; RETURN OLD; END $$;"
            )
        };
        let base = "-- history\nCREATE TABLE t (id bigint, name text);\n\
                    CREATE TABLE u (id text);\n-- up\n";
        let trigger = |table: &str| {
            format!(
                "CREATE TRIGGER g AFTER DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION forget();"
            )
        };
        for (up, expect) in [
            (format!("{}{}", function("OLD.id"), trigger("t")), false),
            (format!("{}{}", function("OLD.id"), trigger("u")), true),
            (format!("{}{}", function("OLD.name"), trigger("t")), true),
            // Of which table it will be is not known, and not all keys are numbers.
            (function("OLD.id"), true),
        ] {
            crate::examples::cases(rule, &[("postgres", &format!("{base}{up}"), expect)]);
        }
    }
}

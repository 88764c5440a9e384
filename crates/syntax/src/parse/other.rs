//! Objects of which only the existence is read: schemas, databases, extensions, policies, rules,
//! roles, publications and the like; `COMMENT`, `GRANT`, `OWNER TO`.

use crate::lexer::TokenKind;
use crate::parse::Out;
use crate::parse::cursor::{Cursor, Parse};
use crate::{Change, Ident, ObjectKind, ObjectName};

/// Kinds by the words that name them, longest first.
pub(crate) const KINDS: [(&[&str], ObjectKind); 44] = [
    (&["MATERIALIZED", "VIEW"], ObjectKind::MaterializedView),
    (&["FOREIGN", "DATA", "WRAPPER"], ObjectKind::Other),
    (&["FOREIGN", "TABLE"], ObjectKind::ForeignTable),
    (&["FOREIGN", "SERVER"], ObjectKind::Server),
    (&["EVENT", "TRIGGER"], ObjectKind::Other),
    (&["TEXT", "SEARCH", "CONFIGURATION"], ObjectKind::Other),
    (&["TEXT", "SEARCH", "DICTIONARY"], ObjectKind::Other),
    (&["TEXT", "SEARCH", "PARSER"], ObjectKind::Other),
    (&["TEXT", "SEARCH", "TEMPLATE"], ObjectKind::Other),
    (&["OPERATOR", "CLASS"], ObjectKind::Other),
    (&["OPERATOR", "FAMILY"], ObjectKind::Other),
    (&["OPERATOR"], ObjectKind::Other),
    (&["PROCEDURAL", "LANGUAGE"], ObjectKind::Other),
    (&["LARGE", "OBJECT"], ObjectKind::Other),
    (&["USER", "MAPPING"], ObjectKind::Other),
    (&["ACCESS", "METHOD"], ObjectKind::Other),
    (&["DEFAULT", "PRIVILEGES"], ObjectKind::Other),
    (&["TABLE"], ObjectKind::Table),
    (&["COLUMN"], ObjectKind::Column),
    (&["VIEW"], ObjectKind::View),
    (&["INDEX"], ObjectKind::Index),
    (&["CONSTRAINT"], ObjectKind::Constraint),
    (&["SEQUENCE"], ObjectKind::Sequence),
    (&["TYPE"], ObjectKind::Type),
    (&["DOMAIN"], ObjectKind::Domain),
    (&["FUNCTION"], ObjectKind::Function),
    (&["ROUTINE"], ObjectKind::Function),
    (&["PROCEDURE"], ObjectKind::Procedure),
    (&["AGGREGATE"], ObjectKind::Aggregate),
    (&["TRIGGER"], ObjectKind::Trigger),
    (&["SCHEMA"], ObjectKind::Schema),
    (&["DATABASE"], ObjectKind::Database),
    (&["EXTENSION"], ObjectKind::Extension),
    (&["POLICY"], ObjectKind::Policy),
    (&["RULE"], ObjectKind::Rule),
    (&["ROLE"], ObjectKind::Role),
    (&["USER"], ObjectKind::Role),
    (&["GROUP"], ObjectKind::Role),
    (&["PUBLICATION"], ObjectKind::Publication),
    (&["SUBSCRIPTION"], ObjectKind::Subscription),
    (&["SERVER"], ObjectKind::Server),
    (&["COLLATION"], ObjectKind::Collation),
    (&["STATISTICS"], ObjectKind::Statistics),
    (&["EVENT"], ObjectKind::Event),
];

/// Further kinds that have no name of their own here.
pub(crate) const UNMODELLED: [&str; 9] = [
    "LANGUAGE",
    "CAST",
    "TABLESPACE",
    "CONVERSION",
    "TRANSFORM",
    "SYSTEM",
    "RESOURCE",
    "PACKAGE",
    "LOGFILE",
];

pub(crate) fn eat_kind(cursor: &mut Cursor<'_>) -> Option<(ObjectKind, String)> {
    if let Some((words, kind)) = KINDS.iter().find(|(words, _)| cursor.eat_all(words)) {
        return Some((*kind, words.join(" ").to_lowercase()));
    }
    cursor.eat_any(&UNMODELLED).map(|word| (ObjectKind::Other, word.to_lowercase()))
}

/// A name, or whatever stands where it should, up to `stop`.
fn loose_name(cursor: &mut Cursor<'_>, stop: &[&str]) -> Parse<ObjectName> {
    if cursor.is_name() {
        return cursor.object_name("a name");
    }
    let (a, b) = cursor.skip_until(|c| c.is_any(stop));
    if a == b {
        return Err(cursor.expected("a name"));
    }
    let text = cursor.text_of(a, b);
    Ok(ObjectName::bare(Ident::new(cursor.dialect, &text, true)))
}

/// Behind `CREATE SCHEMA`.
pub(crate) fn create_schema(cursor: &mut Cursor<'_>, out: &mut Out) -> Parse<()> {
    let from = cursor.pos;
    let if_not_exists = cursor.if_not_exists();
    let name = if cursor.eat("AUTHORIZATION") {
        cursor.ident("a role")?
    } else {
        cursor.ident("a schema name")?
    };
    if cursor.eat("AUTHORIZATION") {
        cursor.ident("a role")?;
    }
    out.push(cursor, from, Change::CreateSchema { name, if_not_exists });
    // Elements (`CREATE TABLE …` and so on) may follow within the same statement.
    while !cursor.at_end() && !cursor.is_mysql() {
        let start = cursor.pos;
        cursor.bump();
        cursor.skip_until(|c| c.is_any(&["CREATE", "GRANT"]));
        let mut element = cursor.over(start, cursor.pos);
        super::statement::statement(&mut element, out)?;
    }
    cursor.rest();
    Ok(())
}

/// Behind `CREATE DATABASE`.
pub(crate) fn create_database(cursor: &mut Cursor<'_>, out: &mut Out) -> Parse<()> {
    let from = cursor.pos;
    let if_not_exists = cursor.if_not_exists();
    let name = cursor.ident("a database name")?;
    cursor.rest();
    out.push(cursor, from, Change::CreateDatabase { name, if_not_exists });
    Ok(())
}

/// Behind `CREATE EXTENSION`.
pub(crate) fn create_extension(cursor: &mut Cursor<'_>, out: &mut Out) -> Parse<()> {
    let from = cursor.pos;
    let if_not_exists = cursor.if_not_exists();
    let name = cursor.ident("an extension name")?;
    cursor.rest();
    out.push(cursor, from, Change::CreateExtension { name, if_not_exists });
    Ok(())
}

/// Behind `CREATE POLICY` or `ALTER POLICY`.
pub(crate) fn policy(cursor: &mut Cursor<'_>, out: &mut Out, create: bool) -> Parse<()> {
    let from = cursor.pos;
    let name = cursor.ident("a policy name")?;
    cursor.expect("ON")?;
    let table = cursor.object_name("a table name")?;
    if !create && cursor.eat_all(&["RENAME", "TO"]) {
        let to = cursor.ident("a new name")?;
        let kind = ObjectKind::Policy;
        let from_name = ObjectName::bare(name);
        out.push(cursor, from, Change::Rename { kind, table: Some(table), from: from_name, to });
        return Ok(());
    }
    let text = cursor.rest();
    let change = match create {
        true => Change::CreatePolicy { name, table, text },
        false => Change::AlterPolicy { name, table, text },
    };
    out.push(cursor, from, change);
    Ok(())
}

/// Behind `CREATE`, at an object that the catalog does not model.
pub(crate) fn create_other(cursor: &mut Cursor<'_>, out: &mut Out) -> Parse<()> {
    let from = cursor.pos;
    cursor.eat_any(&["DEFAULT", "TRUSTED"]);
    let Some((kind, verb)) = eat_kind(cursor) else {
        return Err(cursor.expected("the kind of object to create"));
    };
    cursor.if_not_exists();
    let stop = ["ON", "FOR", "AS", "USING", "WITH", "FROM"];
    let name = match kind {
        ObjectKind::Statistics
            if cursor.is_any(&["ON"]) || cursor.is_kind(TokenKind::LeftParen) =>
        {
            None
        }
        _ if verb == "user mapping" => None,
        _ => Some(loose_name(cursor, &stop)?),
    };
    let table = match kind {
        ObjectKind::Rule | ObjectKind::Statistics => {
            let mut ahead = *cursor;
            let before = if kind == ObjectKind::Rule { "TO" } else { "FROM" };
            ahead.skip_until(|c| c.is(before));
            if ahead.eat(before) { ahead.object_name("a table name").ok() } else { None }
        }
        _ => None,
    };
    let text = cursor.rest();
    out.push(cursor, from, Change::CreateOther { kind, verb, name, table, text });
    Ok(())
}

/// Behind `ALTER`, at an object that the catalog does not model.
pub(crate) fn alter_other(cursor: &mut Cursor<'_>, out: &mut Out) -> Parse<()> {
    let from = cursor.pos;
    let Some((kind, verb)) = eat_kind(cursor) else {
        return Err(cursor.expected("the kind of object to alter"));
    };
    if verb == "default privileges" {
        let text = cursor.rest();
        out.push(cursor, from, Change::AlterOther { kind, name: None, table: None, text });
        return Ok(());
    }
    cursor.if_exists();
    let mut name = None;
    if !matches!(verb.as_str(), "system" | "user mapping") && !cursor.at_end() {
        name = Some(loose_name(
            cursor,
            &["RENAME", "OWNER", "SET", "ADD", "DROP", "ENABLE", "DISABLE"],
        )?);
    }
    if cursor.is_kind(TokenKind::LeftParen) {
        // Arguments of an aggregate or operator.
        cursor.skip_group()?;
    }
    let mut table = None;
    if matches!(kind, ObjectKind::Trigger | ObjectKind::Rule) && cursor.eat("ON") {
        table = Some(cursor.object_name("a table name")?);
    }
    let change = match name {
        Some(name) if cursor.eat_all(&["RENAME", "TO"]) => {
            // MySQL names the database of an event again.
            Change::Rename { kind, table, from: name, to: cursor.object_name("a new name")?.name }
        }
        Some(name) if cursor.eat_all(&["OWNER", "TO"]) => {
            Change::SetOwner { kind, name, owner: cursor.ident("a role")?.as_str().to_owned() }
        }
        Some(name) if cursor.eat_all(&["SET", "SCHEMA"]) => {
            Change::SetSchema { kind, name, schema: cursor.ident("a schema name")? }
        }
        name => Change::AlterOther { kind, name, table, text: cursor.rest() },
    };
    out.push(cursor, from, change);
    Ok(())
}

/// Behind `COMMENT ON`.
pub(crate) fn comment(cursor: &mut Cursor<'_>, out: &mut Out) -> Parse<()> {
    let from = cursor.pos;
    let Some((kind, _)) = eat_kind(cursor) else {
        return Err(cursor.expected("the kind of object"));
    };
    let mut table = None;
    let name = if kind == ObjectKind::Column {
        let mut parts = vec![cursor.ident("a column")?];
        while cursor.eat_kind(TokenKind::Dot) {
            parts.push(cursor.ident("a column")?);
        }
        let column = match parts.len() {
            1 => return Err(cursor.expected("`.` and a column")),
            _ => parts.pop(),
        };
        table = Some(super::cursor::name_of_parts(parts));
        ObjectName::bare(column.expect("the list has at least two parts"))
    } else {
        loose_name(cursor, &["IS", "ON"])?
    };
    if cursor.is_kind(TokenKind::LeftParen) {
        cursor.skip_group()?;
    }
    if kind == ObjectKind::Other {
        // TRANSFORM FOR type LANGUAGE name, CAST (a AS b), OPERATOR CLASS x USING y.
        cursor.skip_until(|c| c.is_any(&["IS", "ON"]));
    }
    if cursor.eat("ON") {
        cursor.eat("DOMAIN");
        table = Some(cursor.object_name("a table name")?);
    }
    if cursor.eat_any(&["USING", "FOR"]).is_some() {
        cursor.skip_until(|c| c.is("IS"));
    }
    cursor.expect("IS")?;
    let text = match cursor.eat("NULL") {
        true => None,
        false => Some(cursor.string("a string or NULL")?),
    };
    out.push(cursor, from, Change::Comment { kind, table, name, text });
    Ok(())
}

/// Behind `GRANT` or `REVOKE`.
pub(crate) fn grant(cursor: &mut Cursor<'_>, out: &mut Out, grant: bool) -> Parse<()> {
    let from = cursor.pos;
    if !grant {
        for words in [&["GRANT", "OPTION", "FOR"][..], &["ADMIN", "OPTION", "FOR"]] {
            cursor.eat_all(words);
        }
    }
    let preposition = if grant { "TO" } else { "FROM" };
    let privileges = words(cursor, |c| c.is("ON") || c.is(preposition));
    if privileges.is_empty() {
        return Err(cursor.expected("a privilege"));
    }
    let (mut kind, mut objects) = (ObjectKind::Role, Vec::new());
    if cursor.eat("ON") {
        if cursor.eat("ALL") {
            // ALL TABLES IN SCHEMA a, b
            kind = match cursor.eat_any(&[
                "TABLES",
                "SEQUENCES",
                "FUNCTIONS",
                "PROCEDURES",
                "ROUTINES",
            ]) {
                Some("TABLES") => ObjectKind::Table,
                Some("SEQUENCES") => ObjectKind::Sequence,
                Some("PROCEDURES") => ObjectKind::Procedure,
                Some(_) => ObjectKind::Function,
                None => return Err(cursor.expected("TABLES, SEQUENCES or FUNCTIONS")),
            };
            cursor.eat_words(&["IN", "SCHEMA"])?;
            loop {
                let schema = cursor.ident("a schema name")?;
                let all = Ident::new(cursor.dialect, "*", true);
                objects.push(ObjectName { schema: Some(schema), name: all });
                if !cursor.eat_comma() {
                    break;
                }
            }
        } else if cursor.is_postgres() && cursor.is("PARAMETER") && cursor.is_name_at(1) {
            cursor.bump();
            kind = ObjectKind::Other;
            objects = cursor.object_names("a setting")?;
        } else {
            kind = ObjectKind::Table;
            if !cursor.is_at(1, preposition)
                && cursor.kind_at(1) != Some(TokenKind::Comma)
                && let Some((found, _)) = eat_kind(cursor)
            {
                kind = found;
            }
            loop {
                objects.push(grant_object(cursor, preposition)?);
                if cursor.is_kind(TokenKind::LeftParen) {
                    cursor.skip_group()?;
                }
                if !cursor.eat_comma() {
                    break;
                }
            }
        }
    }
    cursor.expect(preposition)?;
    let roles = words(cursor, |c| {
        c.is_any(&["CASCADE", "RESTRICT", "WITH", "GRANTED", "IDENTIFIED", "REQUIRE"])
    });
    if roles.is_empty() {
        return Err(cursor.expected("a role"));
    }
    let rest = cursor.rest();
    let cascade = rest.to_ascii_uppercase().contains("CASCADE");
    let change = match grant {
        true => Change::Grant { privileges, kind, objects, to: roles },
        false => Change::Revoke { privileges, kind, objects, from: roles, cascade },
    };
    out.push(cursor, from, change);
    Ok(())
}

/// `schema.table`, MySQL `*.*` and `database.*`.
fn grant_object(cursor: &mut Cursor<'_>, preposition: &str) -> Parse<ObjectName> {
    if !cursor.is_name() && !cursor.is_op("*") && !cursor.is_kind(TokenKind::Number) {
        return Err(cursor.expected("a name"));
    }
    let star = |c: &Cursor<'_>| Ident::new(c.dialect, "*", true);
    let first = if cursor.eat_op("*") {
        star(cursor)
    } else if cursor.is_kind(TokenKind::Number) {
        // A large object.
        let number = Ident::new(cursor.dialect, cursor.text(), true);
        cursor.bump();
        number
    } else {
        cursor.ident("a name")?
    };
    if !cursor.eat_kind(TokenKind::Dot) {
        if cursor.at_end() {
            return Err(cursor.expected(preposition));
        }
        return Ok(ObjectName::bare(first));
    }
    let name = if cursor.eat_op("*") { star(cursor) } else { cursor.ident("a name")? };
    Ok(ObjectName { schema: Some(first), name })
}

/// Comma-separated pieces up to `stop`, as text; privileges in upper case stay as written.
fn words(cursor: &mut Cursor<'_>, stop: impl Fn(&Cursor<'_>) -> bool) -> Vec<String> {
    let mut out = Vec::new();
    loop {
        let (a, b) = cursor.skip_until(|c| c.is_kind(TokenKind::Comma) || stop(c));
        if a < b {
            let part = cursor.over(a, b);
            let single = b == a + 1 && part.is_name();
            out.push(if single {
                part.ident_at(0).as_str().to_owned()
            } else {
                part.text_of(0, b - a)
            });
        }
        if !cursor.eat_comma() {
            return out;
        }
    }
}

//! Data types, with canonical names per dialect.

use crate::lexer::TokenKind;
use crate::parse::cursor::{Cursor, Parse};
use crate::parse::literal;
use crate::{Dialect, SqlType};

/// Words that end a SQLite type name, which otherwise is any sequence of words.
const SQLITE_STOPS: [&str; 15] = [
    "CONSTRAINT",
    "PRIMARY",
    "NOT",
    "NULL",
    "UNIQUE",
    "CHECK",
    "DEFAULT",
    "COLLATE",
    "REFERENCES",
    "GENERATED",
    "AS",
    "ON",
    "AUTOINCREMENT",
    "DEFERRABLE",
    "FOREIGN",
];

/// Reads a data type.
pub(crate) fn parse_type(cursor: &mut Cursor<'_>) -> Parse<SqlType> {
    let from = cursor.pos;
    let mut ty = match cursor.dialect {
        Dialect::Postgres => postgres(cursor)?,
        Dialect::Mysql | Dialect::MariaDb => mysql(cursor)?,
        Dialect::Sqlite => sqlite(cursor)?,
    };
    ty.raw = cursor.text_from(from);
    Ok(ty)
}

fn named(name: &str) -> SqlType {
    SqlType {
        schema: None,
        name: name.to_owned(),
        args: Vec::new(),
        dimensions: 0,
        unsigned: false,
        charset: None,
        raw: String::new(),
    }
}

/// `(10, 2)`: each argument as text; string arguments as their values.
fn arguments(cursor: &mut Cursor<'_>) -> Parse<Vec<String>> {
    let mut args = Vec::new();
    if !cursor.is_kind(TokenKind::LeftParen) {
        return Ok(args);
    }
    let (from, to) = cursor.skip_group()?;
    let mut inner = cursor.over(from, to);
    while !inner.at_end() {
        if let Some(value) = inner.string_opt() {
            args.push(value);
        } else {
            let (a, b) = inner.skip_until(|c| c.is_kind(TokenKind::Comma));
            args.push(inner.text_of(a, b));
        }
        if !inner.eat_comma() && !inner.at_end() {
            return Err(inner.expected("`,` or `)`"));
        }
    }
    Ok(args)
}

fn postgres(cursor: &mut Cursor<'_>) -> Parse<SqlType> {
    cursor.eat("SETOF");
    let quoted = cursor.is_kind(TokenKind::QuotedIdent);
    let word = cursor.text();
    let is_word = cursor.is_kind(TokenKind::Word);
    let name = cursor.object_name("a data type")?;
    let mut ty = if let Some(schema) = name.schema {
        if schema.as_str() == "pg_catalog" {
            named(postgres_alias(name.name.as_str()))
        } else {
            SqlType { schema: Some(schema), ..named(name.name.as_str()) }
        }
    } else if quoted && name.name.as_str() == "char" {
        // The one-byte internal type, which is not `char`.
        named("\"char\"")
    } else {
        let lower = word.to_ascii_lowercase();
        let base = match lower.as_str() {
            _ if !is_word => name.name.as_str(),
            "national" if cursor.is_any(&["CHARACTER", "CHAR"]) => {
                cursor.bump();
                if cursor.eat("VARYING") { "varchar" } else { "char" }
            }
            "character" | "char" | "nchar" => {
                if cursor.eat("VARYING") {
                    "varchar"
                } else {
                    "char"
                }
            }
            "bit" => {
                if cursor.eat("VARYING") {
                    "varbit"
                } else {
                    "bit"
                }
            }
            "double" if cursor.eat("PRECISION") => "double precision",
            other => postgres_alias(other),
        };
        named(base)
    };
    if ty.schema.is_none() && ty.name == "interval" && is_word {
        let fields = cursor.pos;
        while cursor.is_any(&["YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"])
            || (cursor.is("TO") && cursor.pos > fields)
        {
            cursor.bump();
        }
        if cursor.pos > fields {
            ty.args.push(cursor.text_from(fields).to_ascii_lowercase());
        }
    }
    if cursor.is_op("%") {
        // `table.column%TYPE`, `table%ROWTYPE`.
        cursor.bump();
        cursor.ident("TYPE")?;
    } else {
        ty.args.extend(arguments(cursor)?);
    }
    if ty.schema.is_none() && matches!(ty.name.as_str(), "timestamp" | "time") {
        if cursor.eat_all(&["WITH", "TIME", "ZONE"]) {
            ty.name.push_str("tz");
        } else {
            cursor.eat_all(&["WITHOUT", "TIME", "ZONE"]);
        }
    }
    if ty.schema.is_none() && ty.name == "float" {
        let single = ty.args.first().and_then(|a| a.parse::<u32>().ok()).is_some_and(|p| p <= 24);
        ty.name = if single { "real" } else { "double precision" }.to_owned();
        ty.args.clear();
    }
    if cursor.eat("ARRAY") {
        ty.dimensions = 1;
    }
    while cursor.is_kind(TokenKind::LeftBracket) {
        let explicit = ty.dimensions == 1 && cursor.pos > 0 && {
            let previous = cursor.over(cursor.pos - 1, cursor.pos);
            previous.is("ARRAY")
        };
        cursor.skip_group()?;
        if !explicit {
            ty.dimensions = ty.dimensions.saturating_add(1);
        }
    }
    Ok(ty)
}

fn postgres_alias(lower: &str) -> &str {
    match lower {
        "int" | "int4" => "integer",
        "int2" => "smallint",
        "int8" => "bigint",
        "serial4" => "serial",
        "serial8" => "bigserial",
        "serial2" => "smallserial",
        "bool" => "boolean",
        "float4" => "real",
        "float8" => "double precision",
        "decimal" | "dec" => "numeric",
        other => other,
    }
}

fn mysql(cursor: &mut Cursor<'_>) -> Parse<SqlType> {
    let is_word = cursor.is_kind(TokenKind::Word);
    let word = cursor.text();
    let name = cursor.ident("a data type")?;
    let lower = word.to_ascii_lowercase();
    let mut ty = named(match lower.as_str() {
        _ if !is_word => name.as_str(),
        "integer" | "int4" => "int",
        "int1" => "tinyint",
        "int2" => "smallint",
        "int3" | "middleint" => "mediumint",
        "int8" => "bigint",
        "bool" | "boolean" => "boolean",
        "dec" | "fixed" | "numeric" => "decimal",
        "float4" => "float",
        "float8" | "real" => "double",
        "double" => {
            cursor.eat("PRECISION");
            "double"
        }
        "national" => {
            let base = cursor.eat_any(&["CHARACTER", "CHAR", "VARCHAR", "VARCHARACTER"]);
            let varying = cursor.eat("VARYING");
            match base {
                Some("VARCHAR" | "VARCHARACTER") => "varchar",
                _ if varying => "varchar",
                _ => "char",
            }
        }
        "character" | "char" | "nchar" => {
            if cursor.eat("VARYING") || cursor.eat("VARCHAR") {
                "varchar"
            } else if cursor.eat("BYTE") {
                "binary"
            } else {
                "char"
            }
        }
        "nvarchar" | "varcharacter" => "varchar",
        "long" => {
            if cursor.eat("VARBINARY") {
                "mediumblob"
            } else {
                cursor.eat_any(&["VARCHAR", "VARCHARACTER"]);
                "mediumtext"
            }
        }
        other => other,
    });
    ty.args = arguments(cursor)?;
    if ty.name == "boolean" {
        // The server stores and reports it as this.
        ty.name = "tinyint".to_owned();
        ty.args = vec!["1".to_owned()];
    }
    loop {
        if cursor.eat("UNSIGNED") {
            ty.unsigned = true;
        } else if cursor.eat_any(&["SIGNED", "ZEROFILL", "ASCII", "UNICODE"]).is_some() {
        } else if cursor.is("BINARY") && !cursor.is_at(1, "LARGE") {
            // The binary collation of the column's character set.
            cursor.bump();
        } else if cursor.eat_all(&["CHARACTER", "SET"])
            || cursor.eat_all(&["CHAR", "SET"])
            || cursor.eat("CHARSET")
        {
            cursor.eat_op("=");
            ty.charset = Some(cursor.name_or_string("a character set")?);
        } else if cursor.eat("BYTE") {
        } else {
            return Ok(ty);
        }
    }
}

fn sqlite(cursor: &mut Cursor<'_>) -> Parse<SqlType> {
    let mut words: Vec<String> = Vec::new();
    while cursor.is_name() && !cursor.is_any(&SQLITE_STOPS) {
        let text = match cursor.kind() {
            Some(TokenKind::QuotedIdent) => literal::unquoted_ident(cursor.text()),
            _ => cursor.text().to_owned(),
        };
        words.push(text.to_ascii_lowercase());
        cursor.bump();
    }
    if words.is_empty() {
        return Err(cursor.expected("a data type"));
    }
    let mut ty = named(&words.join(" "));
    ty.unsigned = words.iter().any(|w| w == "unsigned");
    ty.args = arguments(cursor)?;
    // `UNSIGNED` behind the length, as people carry it over from MySQL.
    while cursor.is_name() && !cursor.is_any(&SQLITE_STOPS) {
        ty.unsigned |= cursor.is("UNSIGNED");
        ty.name.push(' ');
        ty.name.push_str(&cursor.text().to_ascii_lowercase());
        cursor.bump();
    }
    Ok(ty)
}

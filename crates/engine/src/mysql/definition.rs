//! Reading `SHOW CREATE TABLE`: the server's own words for every part of a table.

use downhaul_syntax::Dialect;
use downhaul_syntax::lexer::{Token, TokenKind, lex};

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    /// What stands behind the name.
    pub(super) definition: String,
}

/// What else stands between the brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    PrimaryKey { columns: Vec<String>, text: String },
    Index { name: String, text: String },
    Check { name: String, text: String },
    ForeignKey { name: String, text: String },
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) columns: Vec<Column>,
    pub(super) parts: Vec<Part>,
    /// Engine, character set, comment, partitions; not the counter.
    pub(super) options: String,
}

fn unquoted(text: &str) -> String {
    match text.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')) {
        Some(inner) => inner.replace("``", "`"),
        None => text.to_owned(),
    }
}

/// Reads the text of `SHOW CREATE TABLE`.
pub(super) fn read(text: &str) -> Option<Table> {
    let tokens = lex(text, Dialect::MariaDb).tokens;
    let open = tokens.iter().position(|token| token.kind == TokenKind::LeftParen)?;
    let mut depth = 0_usize;
    let mut start = tokens[open].span.end;
    let mut items = Vec::new();
    let mut end = None;
    for token in &tokens[open..] {
        match token.kind {
            TokenKind::LeftParen => depth += 1,
            TokenKind::RightParen => {
                depth -= 1;
                if depth == 0 {
                    items.push(text[start..token.span.start].trim());
                    end = Some(token.span.end);
                    break;
                }
            }
            TokenKind::Comma if depth == 1 => {
                items.push(text[start..token.span.start].trim());
                start = token.span.end;
            }
            _ => {}
        }
    }
    let mut table = Table {
        columns: Vec::new(),
        parts: Vec::new(),
        options: without_counter(text[end?..].trim()),
    };
    for item in items {
        if item.starts_with('`') {
            let (name, definition) = split_name(item)?;
            table.columns.push(Column { name, definition });
        } else if item.starts_with("PRIMARY KEY") {
            let columns = quoted_names(item);
            table.parts.push(Part::PrimaryKey { columns, text: item.to_owned() });
        } else if item.starts_with("CONSTRAINT") {
            let name = quoted_names(item).into_iter().next()?;
            let rest = split_name(item.strip_prefix("CONSTRAINT")?.trim())?.1;
            let text = item.to_owned();
            table.parts.push(if rest.starts_with("FOREIGN KEY") {
                Part::ForeignKey { name, text }
            } else {
                Part::Check { name, text }
            });
        } else if item.starts_with("PERIOD ") {
            // Belongs to the columns of system versioning.
        } else {
            let name = quoted_names(item).into_iter().next()?;
            table.parts.push(Part::Index { name, text: item.to_owned() });
        }
    }
    Some(table)
}

/// `` `name` rest `` → the name without quotes, and the rest.
fn split_name(item: &str) -> Option<(String, String)> {
    let first = lex(item, Dialect::MariaDb).tokens.into_iter().next()?;
    if first.kind != TokenKind::QuotedIdent {
        return None;
    }
    Some((unquoted(first.span.text(item)), item[first.span.end..].trim().to_owned()))
}

fn quoted_names(item: &str) -> Vec<String> {
    lex(item, Dialect::MariaDb)
        .tokens
        .iter()
        .filter(|token| token.kind == TokenKind::QuotedIdent)
        .map(|token| unquoted(token.span.text(item)))
        .collect()
}

/// Table options without `AUTO_INCREMENT=n`, which is state, not schema.
fn without_counter(options: &str) -> String {
    let tokens: Vec<Token> =
        lex(options, Dialect::MariaDb).tokens.into_iter().filter(|t| !t.kind.is_trivia()).collect();
    let at = tokens.iter().position(|t| {
        t.kind == TokenKind::Word && t.span.text(options).eq_ignore_ascii_case("AUTO_INCREMENT")
    });
    match at.and_then(|at| Some((tokens[at], tokens.get(at + 2)?))) {
        Some((first, last)) => {
            format!("{}{}", &options[..first.span.start], options[last.span.end..].trim_start())
        }
        None => options.to_owned(),
    }
}

/// Words of a definition outside brackets and texts, upper case, with their place.
fn words(definition: &str) -> Vec<(String, usize, usize)> {
    let mut depth = 0_usize;
    let mut words = Vec::new();
    for token in lex(definition, Dialect::MariaDb).tokens {
        match token.kind {
            TokenKind::LeftParen => depth += 1,
            TokenKind::RightParen => depth = depth.saturating_sub(1),
            TokenKind::Word if depth == 0 => words.push((
                token.span.text(definition).to_ascii_uppercase(),
                token.span.start,
                token.span.end,
            )),
            _ => {}
        }
    }
    words
}

impl Column {
    /// The definition with `NULL` in the place of `NOT NULL`; `None` where it is not so defined,
    /// or cannot be otherwise (counters, computed columns).
    pub(super) fn nullable(&self) -> Option<String> {
        let words = words(&self.definition);
        if words.iter().any(|(word, ..)| word == "AUTO_INCREMENT" || word == "GENERATED") {
            return None;
        }
        let at = words.windows(2).find(|pair| pair[0].0 == "NOT" && pair[1].0 == "NULL")?;
        Some(format!("{}NULL{}", &self.definition[..at[0].1], &self.definition[at[1].2..]))
    }

    /// What is compared: the definition without what it says of NULL.
    pub(super) fn fingerprint(&self) -> String {
        let text = self.nullable().unwrap_or_else(|| self.definition.clone());
        let words = words(&text);
        let mut out = text.clone();
        for (index, (word, start, end)) in words.iter().enumerate().rev() {
            let default = index.checked_sub(1).map(|before| &words[before]);
            match default {
                Some((before, start, _)) if word == "NULL" && before == "DEFAULT" => {
                    out.replace_range(*start..*end, "");
                }
                Some((before, ..)) if word == "NULL" && before == "NOT" => {}
                _ if word == "NULL" => out.replace_range(*start..*end, ""),
                _ => {}
            }
        }
        out.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // As MariaDB 10.11 printed it.
    const TEXT: &str = "CREATE TABLE `z` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `a` varchar(9) CHARACTER SET latin1 COLLATE latin1_swedish_ci NOT NULL DEFAULT 'x,''y' COMMENT 'a\\nb',
  `e``(` enum('a','b,(') DEFAULT NULL,
  `j` longtext DEFAULT NULL CHECK (json_valid(`j`)),
  `ts` timestamp NULL DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `kk` (`a`,`e``(`),
  CONSTRAINT `fk1` FOREIGN KEY (`zzid`) REFERENCES `zz` (`id`) ON DELETE SET NULL,
  CONSTRAINT `c1` CHECK (`u` > 0)
) ENGINE=InnoDB AUTO_INCREMENT=7 DEFAULT CHARSET=utf8mb4 COMMENT='x) AUTO_INCREMENT=3'";

    #[test]
    fn a_definition_falls_into_its_parts() {
        let table = read(TEXT).unwrap();
        let names: Vec<_> = table.columns.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["id", "a", "e`(", "j", "ts"]);
        assert_eq!(table.columns[0].nullable(), None);
        assert_eq!(
            table.columns[1].nullable().as_deref(),
            Some(
                "varchar(9) CHARACTER SET latin1 COLLATE latin1_swedish_ci NULL DEFAULT 'x,''y' COMMENT 'a\\nb'"
            )
        );
        assert_eq!(table.columns[2].fingerprint(), "enum('a','b,(')");
        assert_eq!(table.columns[3].fingerprint(), "longtext CHECK (json_valid(`j`))");
        assert_eq!(table.columns[4].fingerprint(), "timestamp");
        assert!(matches!(&table.parts[0], Part::PrimaryKey { columns, .. } if columns == &["id"]));
        assert!(matches!(&table.parts[1], Part::Index { name, .. } if name == "kk"));
        assert!(matches!(&table.parts[2], Part::ForeignKey { name, .. } if name == "fk1"));
        assert!(matches!(&table.parts[3], Part::Check { name, .. } if name == "c1"));
        assert_eq!(
            table.options,
            "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='x) AUTO_INCREMENT=3'"
        );
    }
}

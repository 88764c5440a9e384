//! `-- downhaul:…` comments.

use serde::{Deserialize, Serialize};

use crate::{Dialect, Span, nearest};

/// A directive found in a comment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directive {
    /// What it asks.
    pub kind: DirectiveKind,
    /// The comment.
    pub span: Span,
}

/// What a directive asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DirectiveKind {
    /// `-- downhaul:allow RULE[, RULE…] "reason"`: silences rules for the statement that follows
    /// (or that the comment stands in).
    Allow {
        /// Codes or names of rules.
        rules: Vec<String>,
        /// Why.
        reason: Option<String>,
    },
    /// `-- downhaul:allow-file RULE[, RULE…] "reason"`: for the whole file.
    AllowFile {
        /// Codes or names of rules.
        rules: Vec<String>,
        /// Why.
        reason: Option<String>,
    },
    /// `-- downhaul:no-transaction`.
    NoTransaction,
    /// `-- downhaul:phase expand|backfill|contract`.
    Phase(String),
    /// `-- downhaul:protect auto|copy|tombstone|off [TABLE…]`.
    Protect {
        /// The policy.
        policy: String,
        /// Tables it holds for; empty = all.
        tables: Vec<String>,
    },
    /// `-- downhaul:dialect NAME`: what the file, and the series it belongs to, is written for.
    Dialect(Dialect),
    /// `-- downhaul:forward [COLUMN] "EXPR"`: how `expand` computes a new column from old ones, for
    /// the statement that follows.
    Forward(Conversion),
    /// `-- downhaul:back [COLUMN] "EXPR"`: how `expand` computes an old column from new ones, for
    /// the statement that follows.
    Back(Conversion),
    /// `-- downhaul:squashed VERSION HASH [NAME]`: a migration that this file stands for since
    /// `squash` wrote it.
    Squashed {
        /// Its version.
        version: String,
        /// Hash over the tokens of its up.
        hash: String,
        /// Its name, for people.
        name: String,
    },
    /// Begins with `downhaul:` and is none of these.
    Unknown(String),
}

/// An expression that computes a column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversion {
    /// The column, exactly as the server stores its name; `None` where the statement has but one.
    pub column: Option<String>,
    /// The expression, which names columns as a query of the table does.
    pub expr: String,
}

/// The directive that a comment holds, if it begins with `downhaul:`.
#[must_use]
pub fn parse_directive(comment: &str, span: Span) -> Option<Directive> {
    let text =
        comment.trim_start_matches(['-', '#', '/', '*', '!']).trim_end_matches(['*', '/']).trim();
    let rest = text.strip_prefix("downhaul:")?;
    let (verb, arguments) = match rest.find(char::is_whitespace) {
        Some(at) => (&rest[..at], rest[at..].trim()),
        None => (rest, ""),
    };
    let unknown = || DirectiveKind::Unknown(rest.trim().to_owned());
    let kind = match verb {
        "allow" | "allow-file" => match allow_arguments(arguments) {
            Some((rules, reason)) if verb == "allow" => DirectiveKind::Allow { rules, reason },
            Some((rules, reason)) => DirectiveKind::AllowFile { rules, reason },
            None => unknown(),
        },
        "no-transaction" if arguments.is_empty() => DirectiveKind::NoTransaction,
        "phase" if matches!(arguments, "expand" | "backfill" | "contract") => {
            DirectiveKind::Phase(arguments.to_owned())
        }
        "dialect" => arguments.parse().map_or_else(|_| unknown(), DirectiveKind::Dialect),
        "protect" => {
            let mut words =
                arguments.split(|c: char| c.is_whitespace() || c == ',').filter(|w| !w.is_empty());
            match words.next() {
                Some(policy @ ("auto" | "copy" | "tombstone" | "off")) => DirectiveKind::Protect {
                    policy: policy.to_owned(),
                    tables: words.map(str::to_owned).collect(),
                },
                _ => unknown(),
            }
        }
        "forward" => conversion(arguments).map_or_else(unknown, DirectiveKind::Forward),
        "back" => conversion(arguments).map_or_else(unknown, DirectiveKind::Back),
        "squashed" => squashed(arguments).unwrap_or_else(unknown),
        _ => unknown(),
    };
    Some(Directive { kind, span })
}

/// Every directive as it is written.
const FORMS: [&str; 9] = [
    "allow RULE[, RULE…] \"reason\"",
    "allow-file RULE[, RULE…] \"reason\"",
    "no-transaction",
    "phase expand|backfill|contract",
    "protect auto|copy|tombstone|off [TABLE…]",
    "dialect postgres|mysql|mariadb|sqlite",
    "forward [COLUMN] \"EXPRESSION\"",
    "back [COLUMN] \"EXPRESSION\"",
    "squashed VERSION HASH [NAME]",
];

/// What is wrong with the text behind `downhaul:` of a [`DirectiveKind::Unknown`], and what to write instead.
#[must_use]
pub fn misread(text: &str) -> (String, String) {
    let verb = text.split_whitespace().next().unwrap_or_default();
    let verb_of = |form: &&'static str| form.split(' ').next().unwrap_or_default();
    if let Some(form) = FORMS.iter().find(|form| verb_of(form) == verb) {
        return (
            format!("`downhaul:{text}` is not how this directive is written"),
            format!("write `-- downhaul:{form}`"),
        );
    }
    let next = match nearest(verb, FORMS.iter().map(&verb_of)) {
        Some(verb) => format!("did you mean `downhaul:{verb}`?"),
        None => {
            let verbs: Vec<&str> = FORMS.iter().map(verb_of).collect();
            format!("known are {}", verbs.join(", "))
        }
    };
    (format!("`downhaul:{text}` is no directive that Downhaul knows"), next)
}

/// `VERSION HASH [NAME]`.
fn squashed(text: &str) -> Option<DirectiveKind> {
    let mut words = text.split_whitespace();
    let (version, hash) = (words.next()?.to_owned(), words.next()?.to_owned());
    let name = words.collect::<Vec<_>>().join(" ");
    hash.bytes().all(|b| b.is_ascii_hexdigit()).then_some(DirectiveKind::Squashed {
        version,
        hash,
        name,
    })
}

/// `[COLUMN] "EXPR"`; the expression ends with the last quote, and may hold others.
fn conversion(text: &str) -> Option<Conversion> {
    let (column, rest) = text.split_once('"')?;
    let expr = rest.strip_suffix('"')?.trim();
    let column = Some(column.trim()).filter(|c| !c.is_empty()).map(str::to_owned);
    (!expr.is_empty()).then(|| Conversion { column, expr: expr.to_owned() })
}

/// `RULE[, RULE…] ["reason"]`; `None` where no rule is named.
fn allow_arguments(text: &str) -> Option<(Vec<String>, Option<String>)> {
    let (names, reason) = match text.find('"') {
        Some(at) => {
            let reason = text[at + 1..].trim_end().trim_end_matches('"').trim();
            (&text[..at], (!reason.is_empty()).then(|| reason.to_owned()))
        }
        None => (text, None),
    };
    let rules: Vec<String> = names
        .split(|c: char| c.is_whitespace() || c == ',')
        .filter(|w| !w.is_empty())
        .map(str::to_owned)
        .collect();
    (!rules.is_empty()).then_some((rules, reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misread_directive_says_how_it_is_written() {
        for (text, next) in [
            ("phase contrct", "write `-- downhaul:phase expand|backfill|contract`"),
            ("forward a = b", "write `-- downhaul:forward [COLUMN] \"EXPRESSION\"`"),
            ("fase contract", "did you mean `downhaul:phase`?"),
            ("no-transactions", "did you mean `downhaul:no-transaction`?"),
        ] {
            assert_eq!(misread(text).1, next, "{text}");
        }
        assert!(misread("whatever").1.starts_with("known are allow, "));
        for form in FORMS {
            let filled = form.replace("RULE[, RULE…]", "drop-column").replace("[TABLE…]", "");
            let filled = filled.replace("[COLUMN]", "").replace("HASH [NAME]", "0a");
            let first = filled.split('|').next().unwrap_or(&filled);
            let directive = parse_directive(&format!("-- downhaul:{first}"), Span::default());
            assert!(!matches!(directive.unwrap().kind, DirectiveKind::Unknown(_)), "{first}");
        }
    }

    fn check(comment: &str, expect: Option<DirectiveKind>) {
        let got = parse_directive(comment, Span::default()).map(|d| d.kind);
        assert_eq!(got, expect, "{comment}");
    }

    #[test]
    fn directives() {
        let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        check("-- a comment", None);
        check(
            "-- downhaul:allow drop-column, LK01 \"nobody reads it\"",
            Some(DirectiveKind::Allow {
                rules: names(&["drop-column", "LK01"]),
                reason: Some("nobody reads it".into()),
            }),
        );
        check(
            "/* downhaul:allow-file BC01 */",
            Some(DirectiveKind::AllowFile { rules: names(&["BC01"]), reason: None }),
        );
        check("# downhaul:no-transaction", Some(DirectiveKind::NoTransaction));
        check("--downhaul:phase contract", Some(DirectiveKind::Phase("contract".into())));
        check("--downhaul:phase later", Some(DirectiveKind::Unknown("phase later".into())));
        check("-- downhaul:dialect sqlite", Some(DirectiveKind::Dialect(Dialect::Sqlite)));
        check("-- downhaul:dialect x", Some(DirectiveKind::Unknown("dialect x".into())));
        check("-- downhaul:allow", Some(DirectiveKind::Unknown("allow".into())));
        check("-- downhaul:alow x", Some(DirectiveKind::Unknown("alow x".into())));
        check(
            "-- downhaul:back \"id\"\"::text\"",
            Some(DirectiveKind::Back(Conversion { column: None, expr: "id\"\"::text".into() })),
        );
        check(
            "-- downhaul:forward First \"split_part(name, ' ', 1)\"",
            Some(DirectiveKind::Forward(Conversion {
                column: Some("First".into()),
                expr: "split_part(name, ' ', 1)".into(),
            })),
        );
        check(
            "-- downhaul:squashed 0001 0a1b first people",
            Some(DirectiveKind::Squashed {
                version: "0001".into(),
                hash: "0a1b".into(),
                name: "first people".into(),
            }),
        );
        check("-- downhaul:squashed 0001", Some(DirectiveKind::Unknown("squashed 0001".into())));
        check("-- downhaul:back a + 1", Some(DirectiveKind::Unknown("back a + 1".into())));
        check(
            "-- downhaul:protect copy orders, items",
            Some(DirectiveKind::Protect {
                policy: "copy".into(),
                tables: names(&["orders", "items"]),
            }),
        );
    }
}

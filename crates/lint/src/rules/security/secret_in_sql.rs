//! SE03.

use downhaul_syntax::lexer::{self, TokenKind};
use downhaul_syntax::{Dialect, Span};

use crate::context::MigrationContext;
use crate::facts::MigrationFacts;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a password or key written into a migration: `PASSWORD 'x'`, `IDENTIFIED BY 'x'`,
    /// `OPTIONS (password 'x')`, a connection string with a password, a private key, a token whose
    /// form is known (AWS, GitHub, Slack, Stripe). Comments are not looked at; the secret itself is
    /// never shown.
    ///
    /// ## Why is this bad
    ///
    /// The file stays in the history of the repository, and the statement in the log of the server.
    ///
    /// ## What to do
    ///
    /// Create roles and secrets outside of migrations, or let the runner put in a placeholder. What
    /// was written here once has to be changed.
    ///
    /// ## Unsafe example
    ///
    /// ```sql postgres
    /// -- up
    /// CREATE ROLE app LOGIN PASSWORD 'correct horse';
    /// ```
    ///
    /// ```sql mysql
    /// -- up
    /// CREATE USER 'app'@'%' IDENTIFIED BY 'correct horse';
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql postgres
    /// -- up
    /// CREATE ROLE app LOGIN;
    /// ```
    ///
    /// ```sql postgres
    /// -- up
    /// CREATE ROLE app LOGIN PASSWORD :'app_password';
    /// ```
    "SE03" "secret-in-sql"
    severity: Error,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Migration(check),
}

fn check(cx: &MigrationContext<'_>) -> Vec<Draft> {
    let dialect = cx.after.dialect();
    let mut out = Vec::new();
    for (facts, in_down) in [(cx.up, false), (cx.down, true)] {
        let Some(facts) = facts else { continue };
        for (span, what) in secrets(facts, dialect) {
            let mut draft = Draft::new(format!("{what} stands in the migration"))
                .help("set it outside of migrations, and change it: the history keeps this one")
                .at(span);
            if in_down {
                draft = draft.in_down();
            }
            out.push(draft);
        }
    }
    out
}

fn secrets(facts: &MigrationFacts<'_>, dialect: Dialect) -> Vec<(Span, &'static str)> {
    let mut out = Vec::new();
    for statement in &facts.script.statements {
        if !may_hold_secret(&statement.text) {
            continue;
        }
        let tokens: Vec<_> = lexer::lex_range(facts.source, statement.span, dialect)
            .tokens
            .into_iter()
            .filter(|t| !t.kind.is_trivia())
            .collect();
        let word = |at: Option<usize>| {
            at.and_then(|at| tokens.get(at)).map_or("", |t| t.span.text(facts.source))
        };
        let is = |at: Option<usize>, text: &str| word(at).eq_ignore_ascii_case(text);
        let about_roles = ["USER", "ROLE", "GRANT", "SERVER", "MAPPING"]
            .iter()
            .any(|w| (0..5).any(|at| is(Some(at), w)));
        for (at, token) in tokens.iter().enumerate() {
            let text = token.span.text(facts.source);
            match token.kind {
                TokenKind::String => {
                    let before = |n: usize| at.checked_sub(n);
                    let value = content(text);
                    let named = is(before(1), "PASSWORD")
                        || is(before(1), "BY") && is(before(2), "IDENTIFIED")
                        || is(before(1), "=") && is(before(2), "PASSWORD")
                        || is(before(1), "(") && is(before(2), "PASSWORD");
                    if named && about_roles && is_secret(value) {
                        out.push((token.span, "a password"));
                    } else if let Some(what) = known_form(value) {
                        out.push((token.span, what));
                    }
                }
                TokenKind::DollarString => {
                    if let Some(what) = known_form(text) {
                        out.push((token.span, what));
                    } else if in_body(text) {
                        out.push((token.span, "a password"));
                    }
                }
                _ => {}
            }
        }
    }
    out
}

/// Whether anything below can be found in the text: one pass over its bytes, so that the many
/// statements without a secret are not cut into words again.
fn may_hold_secret(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is = |rest: &[u8], word: &[u8]| {
        rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
    };
    bytes.iter().enumerate().any(|(at, byte)| {
        let rest = &bytes[at..];
        match byte {
            b'p' | b'P' => is(rest, b"password"),
            b'i' | b'I' => is(rest, b"identified"),
            b'A' => rest.starts_with(b"AKIA") || rest.starts_with(b"AIza"),
            b'g' => {
                [b"ghp_".as_slice(), b"gho_", b"github_pat_"].iter().any(|f| rest.starts_with(f))
            }
            b'x' => rest.starts_with(b"xoxb-") || rest.starts_with(b"xoxp-"),
            b's' => rest.starts_with(b"sk_live_"),
            b'r' => rest.starts_with(b"rk_live_"),
            b':' => rest.starts_with(b"://"),
            b'-' => rest.starts_with(b"-----BEGIN "),
            _ => false,
        }
    })
}

/// `PASSWORD 'x'` in the body of a `DO` block that makes a role.
fn in_body(body: &str) -> bool {
    let upper = body.to_ascii_uppercase();
    if !upper.contains(" ROLE ") && !upper.contains(" USER ") {
        return false;
    }
    upper.match_indices("PASSWORD ").any(|(at, found)| {
        let rest = body[at + found.len()..].trim_start();
        let Some(rest) = rest.strip_prefix("'").or_else(|| rest.strip_prefix("''")) else {
            return false;
        };
        let value = rest.trim_start_matches('\'').split('\'').next().unwrap_or_default();
        is_secret(value)
    })
}

/// The text between the quotes.
fn content(literal: &str) -> &str {
    let from = literal.find(['\'', '"']).map_or(0, |at| at + 1);
    literal[from..].trim_end_matches(['\'', '"'])
}

/// Neither empty nor a placeholder that a runner fills, nor a format directive.
fn is_secret(value: &str) -> bool {
    let value = value.trim();
    !(value.is_empty()
        || value.starts_with(['$', ':', '%', '<', '@'])
        || value.contains("${")
        || value.contains("{{")
        || value.contains("<%")
        || value.contains("%s")
        || value.contains("%L")
        || value.chars().all(|c| matches!(c, '*' | 'x' | 'X' | '.')))
}

/// A text whose form gives it away.
fn known_form(text: &str) -> Option<&'static str> {
    if text.contains("-----BEGIN ") && text.contains("PRIVATE KEY-----") {
        return Some("a private key");
    }
    let forms: [(&str, usize, &'static str); 9] = [
        ("AKIA", 16, "an AWS key"),
        ("ghp_", 36, "a GitHub token"),
        ("gho_", 36, "a GitHub token"),
        ("github_pat_", 40, "a GitHub token"),
        ("xoxb-", 20, "a Slack token"),
        ("xoxp-", 20, "a Slack token"),
        ("sk_live_", 16, "a Stripe key"),
        ("rk_live_", 16, "a Stripe key"),
        ("AIza", 35, "a Google key"),
    ];
    for (prefix, length, what) in forms {
        for (at, _) in text.match_indices(prefix) {
            let starts = text[..at].chars().next_back().is_none_or(|c| !c.is_ascii_alphanumeric());
            let tail = text[at + prefix.len()..]
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
                .count();
            if starts && tail >= length {
                return Some(what);
            }
        }
    }
    connection_password(text).then_some("a password in a connection string")
}

/// `scheme://user:password@host`, or `host=… password=…`.
fn connection_password(text: &str) -> bool {
    if let Some((_, rest)) = text.split_once("://")
        && let Some((user, _)) =
            rest.split(['/', ' ', '\'', '"']).next().unwrap_or("").split_once('@')
        && let Some((_, password)) = user.split_once(':')
    {
        return is_secret(password);
    }
    let lower = text.to_ascii_lowercase();
    ["host=", "dbname=", "user="].iter().any(|k| lower.contains(k))
        && lower.find("password=").is_some_and(|at| {
            let value = &text[at + "password=".len()..];
            is_secret(value.split([' ', ';', '&']).next().unwrap_or_default())
        })
}

#[cfg(test)]
mod tests {
    use crate::examples::cases;

    #[test]
    fn cases_of_the_rule() {
        // Put together here, so that no scanner of repositories takes them for real.
        let aws = format!("-- up\nINSERT INTO s VALUES ('{}{}');", "AKIA", "IOSFODNN7EXAMPLE");
        let url = "-- up\nINSERT INTO s VALUES ('postgres://app:hunter2@db/shop');";
        cases(
            &super::RULE,
            &[
                ("postgres", "-- up\nALTER ROLE app PASSWORD NULL;", false),
                ("postgres", "-- up\nALTER USER app WITH PASSWORD 'hunter2';", true),
                ("postgres", "-- up\nCREATE ROLE app PASSWORD '${APP_PASSWORD}';", false),
                (
                    "postgres",
                    "-- up\nCREATE USER MAPPING FOR app SERVER s OPTIONS (user 'a', password 'p');",
                    true,
                ),
                (
                    "postgres",
                    "-- up\nCREATE SUBSCRIPTION s CONNECTION 'host=a user=b password=c' PUBLICATION p;",
                    true,
                ),
                (
                    "postgres",
                    "-- up\nDO $$ BEGIN CREATE ROLE app LOGIN PASSWORD 'hunter2'; END $$;",
                    true,
                ),
                ("postgres", "-- up\nCREATE TABLE users (password text DEFAULT 'x');", false),
                (
                    "postgres",
                    "-- up\nCOMMENT ON COLUMN users.password IS 'PASSWORD of the user';",
                    false,
                ),
                ("postgres", "-- up\nINSERT INTO s VALUES ('https://example.com/a@b:c');", false),
                ("postgres", &aws, true),
                ("sqlite", url, true),
                ("mysql", "-- up\nALTER USER a IDENTIFIED BY 'hunter2';", true),
                ("mysql", "-- up\nCREATE USER a IDENTIFIED WITH auth_socket;", false),
            ],
        );
    }
}

//! Whether two texts mean the same to the server.

use downhaul_syntax::{Dialect, Expr};

use super::tokens::{Kind, tokens};

/// Whether two expressions are the same but for spelling.
pub(crate) fn same_expr(left: &Expr, right: &Expr, dialect: Dialect) -> bool {
    left.text == right.text || same_text(&left.text, &right.text, dialect)
}

/// Whether two texts are the same but for white space, comments and the case of words.
pub(crate) fn same_text(left: &str, right: &str, dialect: Dialect) -> bool {
    left == right || words(left, dialect) == words(right, dialect)
}

fn words(text: &str, dialect: Dialect) -> Vec<String> {
    tokens(text, dialect)
        .iter()
        .filter(|t| t.kind != Kind::Space)
        .map(|t| if t.kind == Kind::Word { t.text.to_lowercase() } else { t.text.to_owned() })
        .collect()
}

//! PostgreSQL (manual §4.1).

use super::Lexical;

pub(super) const LEXICAL: Lexical = Lexical {
    dollar_quotes: true,
    nested_comments: true,
    hash_comments: false,
    dashes_need_space: false,
    backslash_escapes: false,
    double_quotes_are_strings: false,
    backtick_identifiers: false,
    bracket_identifiers: false,
    delimiter_command: false,
    executable_comments: false,
};

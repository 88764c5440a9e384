//! SQLite (<https://www.sqlite.org/lang.html>).

use super::Lexical;

pub(super) const LEXICAL: Lexical = Lexical {
    dollar_quotes: false,
    nested_comments: false,
    hash_comments: false,
    dashes_need_space: false,
    backslash_escapes: false,
    double_quotes_are_strings: false,
    backtick_identifiers: true,
    bracket_identifiers: true,
    delimiter_command: false,
    executable_comments: false,
};

//! MySQL (manual §11.1, §11.7).

use super::Lexical;

pub(super) const LEXICAL: Lexical = Lexical {
    dollar_quotes: false,
    nested_comments: false,
    hash_comments: true,
    dashes_need_space: true,
    backslash_escapes: true,
    double_quotes_are_strings: true,
    backtick_identifiers: true,
    bracket_identifiers: false,
    delimiter_command: true,
    executable_comments: true,
};

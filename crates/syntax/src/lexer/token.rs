//! What a token is.

use crate::Span;
use crate::parse::SyntaxError;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// Spaces, tabs, line ends.
    Whitespace,
    /// `-- …` or `# …`, without its line end; template control blocks (`{% … %}`, `{# … #}`).
    LineComment,
    /// `/* … */`.
    BlockComment,
    /// `/*!40101` or `/*M!`: what follows is code.
    ExecutableOpen,
    /// The `*/` that ends executable code.
    ExecutableClose,
    /// Unquoted identifier or keyword.
    Word,
    /// `"x"`, `` `x` ``, `[x]`, `U&"x"`.
    QuotedIdent,
    /// A string literal with its prefix: `'x'`, `E'x'`, `N'x'`, `X'ff'`, MySQL `"x"`.
    String,
    /// `$tag$ … $tag$`.
    DollarString,
    /// A number.
    Number,
    /// A parameter: `$1`, `?`, `?1`, SQLite `@x` and `$x`.
    Parameter,
    /// MySQL `@x`, `@@x`, `@'x'`.
    Variable,
    /// A template placeholder, alone or glued to a word: `${x}`, `{{ x }}`, `:'x'`, `:x`.
    Placeholder,
    /// An operator, the cast `::` and `:=` included.
    Operator,
    /// `,`
    Comma,
    /// `;` that is not the terminator (inside a custom `DELIMITER`).
    Semicolon,
    /// The statement terminator: `;`, or what `DELIMITER` says.
    Terminator,
    /// `(`
    LeftParen,
    /// `)`
    RightParen,
    /// `[`
    LeftBracket,
    /// `]`
    RightBracket,
    /// `.`
    Dot,
    /// A line for the client: psql `\i x`, MySQL `DELIMITER x`, SQLite `.mode x`.
    ClientCommand,
    /// The rows behind `COPY … FROM stdin;`, the closing `\.` included.
    CopyData,
    /// A character that no dialect rule knows.
    Unknown,
    /// A quote, dollar quote or comment without an end: reaches to the end of the text.
    Unterminated,
}

impl TokenKind {
    /// White space and comments: nothing that a server acts on.
    #[must_use]
    pub fn is_trivia(self) -> bool {
        matches!(self, Self::Whitespace | Self::LineComment | Self::BlockComment)
    }

    /// Comments.
    #[must_use]
    pub fn is_comment(self) -> bool {
        matches!(self, Self::LineComment | Self::BlockComment)
    }
}

/// One token: what it is and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Where it stands.
    pub span: Span,
}

/// The tokens of a text.
#[derive(Clone, Debug, Default)]
pub struct Lexed {
    /// All tokens in order; together they cover the text without gap.
    pub tokens: Vec<Token>,
    /// What is wrong with the text.
    pub errors: Vec<SyntaxError>,
}

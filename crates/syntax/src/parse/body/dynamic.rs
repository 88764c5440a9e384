//! Dynamic SQL: what text an expression can make, and what that text would do.
//!
//! Constants are followed through variables, `||`, `format`, `concat`, `quote_ident` and the
//! branches of `CASE` and `IF`. A part that only the server knows becomes a placeholder
//! `{{name}}`, so that the shape of the statement is still seen.

use std::collections::HashMap;

use super::{MAX_DEPTH, piece, significant};
use crate::lexer::{TokenKind, lex, lex_range};
use crate::parse::cursor::Cursor;
use crate::parse::types::parse_type;
use crate::parse::{Out, literal};
use crate::split::split;
use crate::{Change, Span};

/// At most this many texts are followed for one expression.
const MAX_TEXTS: usize = 16;
/// A text longer than this (in bytes) is not followed.
const MAX_TEXT: usize = 64 * 1024;
/// Stands for a text that is not followed any more.
const TOO_LONG: &str = "{{text}}";
/// Parentheses inside an expression are followed to this depth.
const MAX_NESTING: usize = 12;

/// What the variables of a body or a session can hold, and how much work may still be done:
/// texts that are executed again and again must not make reading quadratic.
pub(crate) struct Values {
    texts: HashMap<String, Vec<String>>,
    budget: usize,
}

impl Values {
    /// For a body that the cursor covers.
    pub(super) fn for_body(cursor: &Cursor<'_>) -> Self {
        let len = match (cursor.tokens.first(), cursor.tokens.last()) {
            (Some(first), Some(last)) => last.span.end - first.span.start,
            _ => 0,
        };
        Self::for_text(len)
    }

    /// For a source text of this many bytes.
    pub(super) fn for_text(len: usize) -> Self {
        Self { texts: HashMap::new(), budget: 16 * 1024 + 4 * len }
    }

    /// Takes from the budget; false where it is spent.
    fn spend(&mut self, amount: usize) -> bool {
        match self.budget.checked_sub(amount) {
            Some(rest) => {
                self.budget = rest;
                true
            }
            None => {
                self.budget = 0;
                false
            }
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&[String]> {
        self.texts.get(name).map(Vec::as_slice)
    }

    pub(super) fn set(&mut self, name: &str, texts: Vec<String>, perhaps: bool) {
        let known = self.texts.entry(name.to_owned()).or_default();
        if !perhaps {
            known.clear();
        }
        for text in texts {
            if known.len() < MAX_TEXTS && !known.contains(&text) {
                known.push(text);
            }
        }
    }

    /// `name := value`; `perhaps` where a branch may leave the assignment out.
    pub(super) fn assign(&mut self, name: &str, value: &Cursor<'_>, perhaps: bool) {
        let texts = self.texts_of(value);
        self.set(name, texts, perhaps);
    }

    /// A loop variable takes each element of a literal array.
    pub(super) fn elements(&mut self, name: &str, array: &Cursor<'_>) {
        self.texts.remove(name);
        let mut inner = *array;
        if !inner.eat("ARRAY") || !inner.is_kind(TokenKind::LeftBracket) {
            return;
        }
        let Ok((a, b)) = inner.skip_group() else { return };
        let mut list = inner.over(a, b);
        let mut texts = Vec::new();
        while !list.at_end() {
            let (from, to) = list.skip_until(|c| c.is_kind(TokenKind::Comma));
            texts.extend(self.texts_of(&list.over(from, to)));
            if !list.eat_comma() || texts.len() > MAX_TEXTS {
                break;
            }
        }
        if texts.len() <= MAX_TEXTS {
            self.set(name, texts, false);
        }
    }

    /// Names that get values nobody here knows.
    pub(super) fn forget(&mut self, names: &Cursor<'_>) {
        let mut inner = *names;
        while !inner.at_end() {
            match inner.ident_opt() {
                Some(name) => {
                    self.texts.remove(name.key());
                }
                None => inner.bump(),
            }
        }
    }

    /// `… INTO a, b …` of a statement.
    pub(super) fn forget_targets(&mut self, statement: &Cursor<'_>) {
        if self.texts.is_empty() {
            return;
        }
        let mut inner = *statement;
        inner.skip_until(|c| c.is("INTO"));
        inner.eat("INTO");
        inner.eat("STRICT");
        while let Some(name) = inner.ident_opt() {
            self.texts.remove(name.key());
            if !inner.eat_comma() {
                break;
            }
        }
    }

    /// Every text that the expression can make; at least one.
    pub(super) fn texts_of(&mut self, expr: &Cursor<'_>) -> Vec<String> {
        if !self.spend(expr.tokens.len()) {
            return vec![TOO_LONG.to_owned()];
        }
        let texts = Reader { values: self, depth: 0 }.concatenation(expr);
        if !self.spend(texts.iter().map(String::len).sum()) {
            return vec![TOO_LONG.to_owned()];
        }
        texts
    }
}

/// `EXECUTE expression`.
pub(super) fn execute(expr: &Cursor<'_>, values: &mut Values, out: &mut Out) {
    let end = expr.tokens.len();
    let span = expr.span_of(0, end);
    if let [token] = expr.tokens
        && matches!(token.kind, TokenKind::String | TokenKind::DollarString)
        && let Some(range) = literal::verbatim_range(token.span.text(expr.source), expr.dialect)
        && expr.depth < MAX_DEPTH
        && values.spend(token.span.len())
    {
        // Read in place: the spans point into the literal.
        let start = token.span.start;
        let range = Span::new(start + range.start, start + range.end);
        let tokens = lex_range(expr.source, range, expr.dialect).tokens;
        let mut found = Out::default();
        super::sql(
            &Cursor { in_body: false, ..expr.inside(expr.source, &tokens, expr.place) },
            &mut found,
        );
        let text = range.text(expr.source).to_owned();
        let Out { changes, spans: change_spans } = found;
        out.push_span(span, Change::Dynamic { changes, change_spans, text });
        return;
    }
    let texts = values.texts_of(expr);
    run(expr, span, texts, values, out);
}

/// What executing one of these texts would do.
pub(super) fn run(
    cursor: &Cursor<'_>,
    span: Span,
    texts: Vec<String>,
    values: &mut Values,
    out: &mut Out,
) {
    let mut found = Out::default();
    for text in &texts {
        let known = cursor.depth < MAX_DEPTH && values.spend(text.len());
        if !known || !read_text(cursor, span, text, &mut found) {
            found.push_span(span, Change::DynamicUnknown { text: text.clone() });
        }
    }
    let text = texts.join(";\n");
    match found.changes.as_slice() {
        [Change::DynamicUnknown { .. }] => out.append(found),
        [] => {}
        _ => {
            let Out { changes, spans: change_spans } = found;
            out.push_span(span, Change::Dynamic { changes, change_spans, text });
        }
    }
}

/// Reads a text as SQL; false where its first word is not known.
fn read_text(cursor: &Cursor<'_>, span: Span, text: &str, out: &mut Out) -> bool {
    let tokens = lex(text, cursor.dialect).tokens;
    let inside = Cursor { in_body: false, ..cursor.inside(text, &tokens, Some(span)) };
    for raw in split(text, &tokens, cursor.dialect) {
        let tokens = significant(&tokens[raw.first..=raw.last]);
        if tokens.first().is_some_and(|t| t.kind == TokenKind::Placeholder) {
            return false;
        }
        let before = out.len();
        piece(&Cursor { tokens: &tokens, pos: 0, ..inside }, out);
        let open = tokens.iter().any(|t| t.kind == TokenKind::Placeholder);
        if open && out.changes[before..].iter().any(names_matter) {
            // Its shape is known, the object is not.
            let text = text.to_owned();
            out.push_span(span, Change::DynamicUnknown { text });
        }
    }
    true
}

/// The change means something else for every object: all that changes a schema.
fn names_matter(change: &Change) -> bool {
    !matches!(
        change,
        Change::Select { .. }
            | Change::Insert { .. }
            | Change::Update { .. }
            | Change::Delete { .. }
            | Change::Merge { .. }
            | Change::Truncate { .. }
            | Change::SetVariable { .. }
            | Change::SetSequenceValue { .. }
            | Change::Analyze { .. }
            | Change::Vacuum { .. }
            | Change::LockTable { .. }
            | Change::Comment { .. }
            | Change::Grant { .. }
            | Change::Revoke { .. }
            | Change::NoEffect { .. }
            | Change::DynamicUnknown { .. }
    )
}

/// Reads expressions.
struct Reader<'v> {
    values: &'v Values,
    depth: usize,
}

impl Reader<'_> {
    /// `a || b || c`, or one term.
    fn concatenation(&mut self, expr: &Cursor<'_>) -> Vec<String> {
        let mut inner = *expr;
        inner.pos = 0;
        let mut texts = vec![String::new()];
        if inner.at_end() {
            return texts;
        }
        loop {
            let from = inner.pos;
            let (_, to) = inner.skip_until(|c| c.is_op("||"));
            let term = self.term(&inner.over(from, to));
            texts = joined(&texts, &term);
            if !inner.eat_op("||") {
                break;
            }
        }
        if !inner.at_end() {
            return vec![unknown(expr)];
        }
        texts
    }

    fn term(&mut self, term: &Cursor<'_>) -> Vec<String> {
        let mut inner = *term;
        let texts = self.operand(&mut inner);
        while inner.eat_op("::") {
            if parse_type(&mut inner).is_err() {
                return vec![unknown(term)];
            }
        }
        match texts {
            Some(texts) if inner.at_end() => texts,
            _ => vec![unknown(term)],
        }
    }

    fn operand(&mut self, inner: &mut Cursor<'_>) -> Option<Vec<String>> {
        if self.depth > MAX_NESTING {
            return None;
        }
        match inner.kind()? {
            TokenKind::String | TokenKind::DollarString => Some(vec![inner.string_opt()?]),
            TokenKind::Number => {
                let text = inner.text().to_owned();
                inner.bump();
                Some(vec![text])
            }
            TokenKind::Variable => {
                let name = inner.text().to_lowercase();
                let texts = self.values.get(&name).map_or_else(
                    || vec![unknown(&inner.over(inner.pos, inner.pos + 1))],
                    <[String]>::to_vec,
                );
                inner.bump();
                Some(texts)
            }
            TokenKind::LeftParen => {
                let (a, b) = inner.skip_group().ok()?;
                self.nested(&inner.over(a, b))
            }
            TokenKind::Word if inner.is("CASE") => self.case(inner),
            TokenKind::Word | TokenKind::QuotedIdent => self.named(inner),
            _ => None,
        }
    }

    /// What stands in parentheses: an expression, or a subquery whose select list is one.
    fn nested(&mut self, inner: &Cursor<'_>) -> Option<Vec<String>> {
        self.depth += 1;
        let mut expr = *inner;
        let texts = if expr.eat("SELECT") {
            let (a, b) = expr.skip_until(|c| c.is_any(&["FROM", "INTO", "WHERE", "LIMIT"]));
            self.concatenation(&expr.over(a, b))
        } else {
            self.concatenation(&expr)
        };
        self.depth -= 1;
        Some(texts)
    }

    /// A variable or a function call.
    fn named(&mut self, inner: &mut Cursor<'_>) -> Option<Vec<String>> {
        let from = inner.pos;
        let mut name = inner.ident_opt()?;
        let mut plain = true;
        while inner.is_kind(TokenKind::Dot) && inner.is_name_at(1) {
            inner.bump();
            name = inner.ident_opt()?;
            plain = false;
        }
        if !inner.is_kind(TokenKind::LeftParen) {
            let known = if plain { self.values.get(name.key()) } else { None };
            return Some(match known {
                Some(texts) if !texts.is_empty() => texts.to_vec(),
                _ => vec![unknown(&inner.over(from, inner.pos))],
            });
        }
        let (a, b) = inner.skip_group().ok()?;
        let mut list = inner.over(a, b);
        let mut arguments = Vec::new();
        while !list.at_end() {
            let (x, y) = list.skip_until(|c| c.is_kind(TokenKind::Comma));
            arguments.push(list.over(x, y));
            if !list.eat_comma() {
                break;
            }
        }
        self.depth += 1;
        let texts = self.call(&name.key().to_lowercase(), &arguments, inner);
        self.depth -= 1;
        texts.or_else(|| Some(vec![unknown(&inner.over(from, inner.pos))]))
    }

    fn call(
        &mut self,
        name: &str,
        arguments: &[Cursor<'_>],
        at: &Cursor<'_>,
    ) -> Option<Vec<String>> {
        match (name, arguments) {
            ("quote_ident", [one]) => {
                let texts = self.concatenation(one);
                Some(texts.iter().map(|t| quoted_name(at, t)).collect())
            }
            ("quote_literal" | "quote_nullable" | "quote", [one]) => {
                let texts = self.concatenation(one);
                Some(texts.iter().map(|t| at.dialect.literal(t)).collect())
            }
            ("concat", parts) => {
                let mut texts = vec![String::new()];
                for part in parts {
                    texts = joined(&texts, &self.concatenation(part));
                }
                Some(texts)
            }
            ("coalesce" | "ifnull", parts) => {
                Some(parts.iter().flat_map(|p| self.concatenation(p)).take(MAX_TEXTS).collect())
            }
            ("if", [_, yes, no]) => {
                let mut texts = self.concatenation(yes);
                texts.extend(self.concatenation(no));
                Some(texts)
            }
            ("format", [pattern, values @ ..]) => {
                let mut all = Vec::new();
                for pattern in self.concatenation(pattern) {
                    all.extend(self.format(&pattern, values, at));
                }
                all.truncate(MAX_TEXTS);
                Some(all)
            }
            _ => None,
        }
    }

    /// PostgreSQL `format`: `%s`, `%I`, `%L`, `%%`, `%2$I`, `%-10s` (manual §9.4.1).
    fn format(&mut self, pattern: &str, values: &[Cursor<'_>], at: &Cursor<'_>) -> Vec<String> {
        let mut texts = vec![String::new()];
        let mut next = 0usize;
        let mut rest = pattern;
        while let Some(percent) = rest.find('%') {
            texts = joined(&texts, &[rest[..percent].to_owned()]);
            rest = &rest[percent + 1..];
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let mut index = next;
            if digits > 0 && rest[digits..].starts_with('$') {
                index = rest[..digits].parse::<usize>().unwrap_or(0).saturating_sub(1);
                rest = &rest[digits + 1..];
            }
            rest = rest.trim_start_matches(|c: char| c == '-' || c == '*' || c.is_ascii_digit());
            let Some(kind) = rest.chars().next() else { break };
            rest = &rest[kind.len_utf8()..];
            if kind == '%' {
                texts = joined(&texts, &["%".to_owned()]);
                continue;
            }
            next = index + 1;
            let value = match values.get(index) {
                Some(value) => self.concatenation(value),
                None => vec!["{{argument}}".to_owned()],
            };
            let value: Vec<String> = match kind {
                'I' => value.iter().map(|t| quoted_name(at, t)).collect(),
                'L' => value.iter().map(|t| at.dialect.literal(t)).collect(),
                _ => value,
            };
            texts = joined(&texts, &value);
        }
        joined(&texts, &[rest.to_owned()])
    }

    /// `CASE … THEN a … ELSE b END`: each result.
    fn case(&mut self, inner: &mut Cursor<'_>) -> Option<Vec<String>> {
        let from = inner.pos;
        let mut depth = 0usize;
        let mut results = Vec::new();
        let mut start = None;
        while !inner.at_end() {
            let ends = inner.is_any(&["WHEN", "ELSE", "END"]);
            if inner.is("CASE") {
                depth += 1;
            } else if depth == 1
                && ends
                && let Some(start) = start.take()
            {
                results.push((start, inner.pos));
            }
            if inner.is("END") {
                depth -= 1;
            } else if depth == 1 && inner.is_any(&["THEN", "ELSE"]) {
                start = Some(inner.pos + 1);
            }
            inner.bump();
            if depth == 0 {
                break;
            }
        }
        if depth > 0 || results.is_empty() {
            inner.pos = from;
            return None;
        }
        self.depth += 1;
        let mut texts = Vec::new();
        for (a, b) in results {
            texts.extend(self.concatenation(&inner.over(a, b)));
        }
        self.depth -= 1;
        texts.truncate(MAX_TEXTS);
        Some(texts)
    }
}

/// A placeholder for an expression that only the server knows.
fn unknown(expr: &Cursor<'_>) -> String {
    let text = expr.text_of(0, expr.tokens.len());
    let plain = text.len() <= 60
        && !text.is_empty()
        && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '@'));
    if plain { format!("{{{{{text}}}}}") } else { "{{value}}".to_owned() }
}

/// As `quote_ident` writes it; a placeholder stays one.
fn quoted_name(at: &Cursor<'_>, text: &str) -> String {
    if text.contains("{{") {
        return text.to_owned();
    }
    let ident = crate::Ident::new(at.dialect, text, true);
    at.dialect.quote_if_needed(&ident)
}

/// Every text of `a` followed by every text of `b`, within the limits.
fn joined(a: &[String], b: &[String]) -> Vec<String> {
    let mut out = Vec::new();
    for left in a {
        for right in b {
            if out.len() >= MAX_TEXTS {
                return out;
            }
            let endless = left == TOO_LONG || right == TOO_LONG;
            if endless || left.len() + right.len() > MAX_TEXT {
                out.push(TOO_LONG.to_owned());
            } else {
                out.push(format!("{left}{right}"));
            }
        }
    }
    out
}

//! Views and materialized views.

use crate::Change;
use crate::lexer::TokenKind;
use crate::parse::Out;
use crate::parse::create_table::storage_parameters;
use crate::parse::cursor::{Cursor, Parse};

/// Words before `VIEW`.
#[derive(Clone, Default)]
pub(crate) struct Kind {
    pub(crate) materialized: bool,
    pub(crate) or_replace: bool,
    pub(crate) temporary: bool,
    pub(crate) recursive: bool,
    /// MySQL's `ALGORITHM`, `DEFINER` and `SQL SECURITY`, by name.
    pub(crate) said: Vec<(String, String)>,
}

/// Behind `CREATE … VIEW`.
pub(crate) fn create_view(cursor: &mut Cursor<'_>, out: &mut Out, kind: Kind) -> Parse<()> {
    let from = cursor.pos;
    cursor.eat("CONCURRENTLY");
    let if_not_exists = cursor.if_not_exists();
    let name = cursor.object_name("a view name")?;
    let columns = match cursor.is_kind(TokenKind::LeftParen) {
        true => cursor.column_list()?,
        false => Vec::new(),
    };
    let mut options = kind.said;
    while !cursor.is("AS") {
        if cursor.eat("WITH") {
            let (a, b) = cursor.skip_group()?;
            options.extend(storage_parameters(&mut cursor.over(a, b)));
        } else if cursor.eat_any(&["USING", "TABLESPACE"]).is_some() {
            cursor.ident("a name")?;
        } else {
            return Err(cursor.expected("AS"));
        }
    }
    cursor.expect("AS")?;
    let start = cursor.pos;
    let (mut to, mut no_data, mut check) = (cursor.tokens.len(), false, None);
    let ends = |n: usize, words: &[&str]| to >= start + n && cursor.over(to - n, to).are(words);
    if ends(3, &["WITH", "NO", "DATA"]) {
        (to, no_data) = (to - 3, true);
    } else if ends(2, &["WITH", "DATA"]) {
        to -= 2;
    } else if ends(3, &["WITH", "CHECK", "OPTION"]) {
        (to, check) = (to - 3, Some("cascaded"));
    } else if ends(4, &["WITH", "CASCADED", "CHECK", "OPTION"]) {
        (to, check) = (to - 4, Some("cascaded"));
    } else if ends(4, &["WITH", "LOCAL", "CHECK", "OPTION"]) {
        (to, check) = (to - 4, Some("local"));
    }
    options.extend(check.map(|value| ("check_option".to_owned(), value.to_owned())));
    if start >= to {
        return Err(cursor.expected("a query"));
    }
    let mut query = cursor.query_of(start, to);
    if kind.recursive {
        query.tables.retain(|t| *t != name);
    }
    cursor.pos = cursor.tokens.len();
    out.push(
        cursor,
        from,
        Change::CreateView {
            name,
            materialized: kind.materialized,
            or_replace: kind.or_replace,
            if_not_exists,
            temporary: kind.temporary,
            columns,
            query,
            no_data,
            options,
        },
    );
    Ok(())
}

/// Behind `REFRESH`.
pub(crate) fn refresh(cursor: &mut Cursor<'_>, out: &mut Out) -> Parse<()> {
    let from = cursor.pos;
    if cursor.is("COLLATION") {
        cursor.rest();
        out.push(cursor, from, Change::NoEffect { verb: "refresh collation".to_owned() });
        return Ok(());
    }
    cursor.eat_words(&["MATERIALIZED", "VIEW"])?;
    let concurrently = cursor.eat("CONCURRENTLY");
    let name = cursor.object_name("a view name")?;
    let no_data = cursor.eat_all(&["WITH", "NO", "DATA"]);
    if !no_data {
        cursor.eat_all(&["WITH", "DATA"]);
    }
    out.push(cursor, from, Change::RefreshMaterializedView { name, concurrently, no_data });
    Ok(())
}

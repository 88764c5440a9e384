//! What must hold of every name that gets into a statement. Used by the property tests and by the
//! fuzz target.

use downhaul_syntax::lexer::{TokenKind, lex};
use downhaul_syntax::{Change, Dialect, Ident, ObjectName, parse_script};

/// Quotes the name, and reads it back in each place where a name can stand.
pub(crate) fn check(name: &str, dialect: Dialect) {
    // No server takes an empty name or one with a NUL byte. Text like `{{ x "y" }}` between quotes
    // is a template to the lexer, whatever quotes are in it: files hold such, servers do not.
    if name.is_empty() || name.contains('\0') || name.contains("{{") {
        return;
    }
    let ident = Ident::stored(dialect, name);
    for quoted in [dialect.quote(&ident), dialect.quote_str(name), dialect.quote_if_needed(&ident)]
    {
        reads_back(&quoted, &ident, dialect);
    }
    let literal = dialect.literal(name);
    let tokens = lex(&literal, dialect).tokens;
    assert_eq!(tokens.len(), 1, "{literal} is one token");
    assert_eq!(tokens[0].kind, TokenKind::String, "{literal}");
}

fn reads_back(quoted: &str, ident: &Ident, dialect: Dialect) {
    let sql = format!(
        "DROP TABLE {quoted};ALTER TABLE {quoted}.{quoted} ADD COLUMN {quoted} int;SELECT 1"
    );
    let script = parse_script(&sql, dialect);
    assert!(script.errors.is_empty(), "{sql}: {:?}", script.errors);
    assert_eq!(script.statements.len(), 3, "{sql}");
    let exactly = |read: &Ident| assert_eq!(read.as_str(), ident.as_str(), "{sql}");
    match script.statements[0].changes() {
        [Change::DropTable { name: ObjectName { schema: None, name }, .. }] => exactly(name),
        other => panic!("{sql}: {other:?}"),
    }
    match script.statements[1].changes() {
        [Change::AddColumn { table: ObjectName { schema: Some(schema), name }, column, .. }] => {
            exactly(schema);
            exactly(name);
            exactly(&column.name);
        }
        other => panic!("{sql}: {other:?}"),
    }
}

//! The promise: a name gets into a statement only quoted, and the server reads it back as the same
//! name, be it a keyword of that server, an attack, or both.

use downhaul_kit::{MariaDb, Postgres, Session, SqliteFile};
use downhaul_syntax::{Dialect, Ident};

/// Names that people do not choose, but attackers and imports do.
const HOSTILE: &[&str] = &[
    "a\"b",
    "\"",
    "\"\"",
    "a`b",
    "`",
    "a'b",
    "'; DROP TABLE t; --",
    "\"; DROP TABLE t; --",
    "`; DROP TABLE t; -- x",
    "a\\",
    "\\\"",
    "a b",
    "a.b",
    "A",
    "aB",
    "é",
    "ſ",
    "$1",
    "a$b",
    "$a",
    "?",
    ":a",
    "@a",
    "#a",
    "--",
    "/*",
    "*/",
    "[a]",
    "]",
    "{{ a }}",
    "${a}",
    "1a",
    "1",
    "_",
    "_1",
    "a\nb",
    "a\tb",
    "a;b",
    "%s",
];

/// Keywords of SQLite (https://www.sqlite.org/lang_keywords.html), which has no table of them.
const SQLITE_KEYWORDS: &str = "abort action add after all alter always analyze and as asc attach \
    autoincrement before begin between by cascade case cast check collate column commit conflict \
    constraint create cross current current_date current_time current_timestamp database default \
    deferrable deferred delete desc detach distinct do drop each else end escape except exclude \
    exclusive exists explain fail filter first following for foreign from full generated glob \
    group groups having if ignore immediate in index indexed initially inner insert instead \
    intersect into is isnull join key last left like limit match materialized natural no not \
    nothing notnull null nulls of offset on or order others outer over partition plan pragma \
    preceding primary query raise range recursive references regexp reindex release rename replace \
    restrict returning right rollback row rows savepoint select set table temp temporary then ties \
    to transaction trigger unbounded union unique update using vacuum values view virtual when \
    where window with within without rowid strict stored true false";

/// Each name as a table, a column and an alias, written as the program writes it.
async fn check(session: &mut Session, dialect: Dialect, keywords: Vec<String>) {
    let mut wrong = String::new();
    assert!(keywords.len() > 100, "only {} keywords", keywords.len());
    let hostile = HOSTILE.iter().map(|name| (*name).to_owned());
    for name in keywords.into_iter().chain(hostile) {
        let ident = Ident::stored(dialect, &name);
        for quoted in [dialect.quote(&ident), dialect.quote_if_needed(&ident)] {
            let sql = format!("CREATE TEMPORARY TABLE {quoted} ({quoted} integer)");
            if let Err(error) = session.try_run(&sql).await {
                wrong.push_str(&format!("{sql}: {error}\n"));
                continue;
            }
            // The value comes from the column of that name, under an alias that is the literal's.
            let sql = format!(
                "INSERT INTO {quoted} ({quoted}) VALUES (7); \
                 UPDATE {quoted} SET {quoted} = {quoted}.{quoted} + 1 WHERE {quoted} = 7"
            );
            let read = format!(
                "SELECT {quoted}.{quoted}, {literal} AS {quoted} FROM {quoted} WHERE {quoted} = 8",
                literal = dialect.literal(&name)
            );
            let done = session.try_run(&sql).await;
            match session.try_rows(&read).await {
                Ok(rows) => {
                    let expected = vec![vec![Some("8".to_owned()), Some(name.clone())]];
                    if rows != expected {
                        wrong.push_str(&format!("{read}: {rows:?}\n"));
                    }
                }
                Err(error) => wrong.push_str(&format!("{read}: {error}, {done:?}\n")),
            }
            session.run(&format!("DROP TABLE {}", dialect.quote(&ident))).await;
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

async fn words(session: &mut Session, query: &str) -> Vec<String> {
    let rows = session.rows(query).await;
    rows.into_iter().filter_map(|row| row[0].clone()).map(|w| w.to_lowercase()).collect()
}

#[tokio::test]
async fn postgres_reads_every_quoted_name_back() {
    let database = Postgres::shared().fresh_database().await;
    let mut session = database.session().await;
    let keywords = words(&mut session, "SELECT word FROM pg_get_keywords()").await;
    check(&mut session, Dialect::Postgres, keywords).await;
    session.run("CREATE TEMPORARY TABLE named (a integer)").await;
    for name in HOSTILE {
        let ident = Ident::stored(Dialect::Postgres, name);
        let quoted = Dialect::Postgres.quote_if_needed(&ident);
        session.run(&format!("ALTER TABLE named ADD COLUMN {quoted} integer")).await;
    }
    let columns = words(
        &mut session,
        "SELECT attname FROM pg_attribute WHERE attrelid = 'named'::regclass AND attnum > 1 ORDER BY attnum",
    )
    .await;
    let expected: Vec<String> = HOSTILE.iter().map(|n| n.to_lowercase()).collect();
    assert_eq!(columns, expected);
}

#[tokio::test]
async fn mariadb_reads_every_quoted_name_back() {
    let database = MariaDb::shared().fresh_database().await;
    let mut session = database.session().await;
    let keywords = words(
        &mut session,
        "SELECT word FROM information_schema.keywords WHERE word REGEXP '^[A-Za-z_]+$'",
    )
    .await;
    check(&mut session, Dialect::MariaDb, keywords).await;
}

#[tokio::test]
async fn sqlite_reads_every_quoted_name_back() {
    let file = SqliteFile::new();
    let mut session = file.session().await;
    let keywords = SQLITE_KEYWORDS.split_whitespace().map(str::to_owned).collect();
    check(&mut session, Dialect::Sqlite, keywords).await;
}

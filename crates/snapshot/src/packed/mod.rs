//! Few deleted rows: those of all restore points in one table.
//!
//! A table for each restore point costs PostgreSQL some hundred changes of its catalog, many times what
//! three rows cost. So the rows that a plain `DELETE` of small size took are kept as the texts of their
//! values, one entry of `downhaul.kept_rows` for a table of a restore point: no catalog changes, and the
//! statement that deletes the rows is the one that keeps them. Only types go there whose text gives the
//! value back byte for byte. Before anything else is done with an entry, [`unpack`] makes it the table
//! that every other restore point has.
//!
//! Row security without a policy keeps the entries from everybody but the owner, also where somebody
//! was granted the tables of the journal.
//!
//! MariaDB and MySQL, where each table is a file, do the same in [`mysql`]; SQLite keeps any few rows so,
//! in [`sqlite`].

pub mod mysql;
pub mod sqlite;

use std::collections::BTreeSet;

use downhaul_engine::{ColumnShape, Session, TableShape};
use downhaul_syntax::lexer::{TokenKind, lex};
use downhaul_syntax::{Change, Dialect, Ident, ObjectName, Parsed, Statement};

use crate::keep::{Endangered, described};
use crate::loss::{Losses, TableLoss};
use crate::sql;
use crate::store::{Kept, KeptMode, SnapshotError};

const D: Dialect = Dialect::Postgres;

/// Rows of one table that are kept so; more get a table of their own.
pub const MOST: u32 = 500;

/// Columns of a table that is kept so.
const WIDEST: usize = 100;

/// Statements that make the table.
#[must_use]
pub fn definition() -> [String; 2] {
    [
        // One entry a table of a restore point: its rows, each the texts of its columns in order.
        "CREATE TABLE downhaul.kept_rows (store bigint PRIMARY KEY, cells text[] NOT NULL)"
            .to_owned(),
        "ALTER TABLE downhaul.kept_rows ENABLE ROW LEVEL SECURITY".to_owned(),
    ]
}

/// Whether the session may write entries, and writes values such that they can be read again.
pub const READY: &str = "coalesce((SELECT pg_catalog.pg_has_role(relowner, 'USAGE') FROM pg_catalog.pg_class \
       WHERE oid = pg_catalog.to_regclass('downhaul.kept_rows')), false) \
     AND current_setting('server_version_num')::int >= 120000 AND current_setting('extra_float_digits')::int >= 1 \
     AND current_setting('IntervalStyle') = 'postgres' AND current_setting('DateStyle') LIKE 'ISO%'";

/// A `DELETE` that does nothing but take rows of one table, by comparing its columns with values.
#[derive(Clone, Debug)]
pub struct Deletion {
    /// The table as it is written.
    pub table: ObjectName,
    /// Words of its condition: columns, or the table.
    words: BTreeSet<Ident>,
    /// The condition, from its `WHERE` on; empty where all rows go.
    condition: String,
}

/// The deletions of a migration, in order and with their place among the statements, if all that it
/// destroys are rows which go by them.
#[must_use]
pub fn deletions(
    statements: &[Statement],
    losses: &Losses,
    dialect: Dialect,
) -> Option<Vec<(usize, Deletion)>> {
    let mut found: Vec<(usize, Deletion)> = Vec::new();
    for (index, statement) in statements.iter().enumerate() {
        let deletes = statement.changes().iter().any(|c| matches!(c, Change::Delete { .. }));
        if deletes {
            let deletion = Deletion::of(statement, dialect)?;
            if found.iter().any(|(_, known)| known.table == deletion.table) {
                return None;
            }
            found.push((index, deletion));
        }
    }
    let destroyed = losses.tables.values().filter(|loss| loss.destroys());
    let by_them = destroyed.clone().count() == found.len()
        && destroyed.clone().all(|loss| {
            loss.rows
                && !loss.dropped
                && !loss.truncated
                && !loss.altered
                && loss.columns.is_empty()
                && loss.retyped.is_empty()
                && loss.assigned.is_empty()
        });
    let nothing_else = losses.schemas.is_empty()
        && losses.truncate_cascade.is_empty()
        && losses.unreadable.is_empty()
        && losses.inserts.is_empty()
        && !losses.replaces;
    (!found.is_empty() && by_them && nothing_else).then_some(found)
}

impl Deletion {
    /// `DELETE FROM t WHERE a IN (1, 2) AND b = 'x'`: no code of anybody's runs with it, as long as the
    /// columns are of built-in types.
    fn of(statement: &Statement, dialect: Dialect) -> Option<Self> {
        let Parsed::Changes(changes) = &statement.parsed else { return None };
        let [Change::Delete { table, .. }] = changes.as_slice() else { return None };
        let lexed = lex(&statement.text, dialect);
        let told: Vec<_> = lexed
            .tokens
            .iter()
            .filter(|token| !token.kind.is_trivia() && token.kind != TokenKind::Semicolon)
            .collect();
        let tokens: Vec<(TokenKind, &str)> =
            told.iter().map(|token| (token.kind, token.span.text(&statement.text))).collect();
        let is = |at: usize, word: &str| {
            tokens.get(at).is_some_and(|(kind, text)| {
                *kind == TokenKind::Word && text.eq_ignore_ascii_case(word)
            })
        };
        if !lexed.errors.is_empty() || !is(0, "DELETE") || !is(1, "FROM") {
            return None;
        }
        let mut at = if is(2, "ONLY") && dialect == Dialect::Postgres { 3 } else { 2 };
        let name = |at: usize| {
            let (kind, text) = tokens.get(at)?;
            match kind {
                TokenKind::Word => Some(Ident::new(dialect, text, false)),
                TokenKind::QuotedIdent => Some(Ident::new(dialect, &Dialect::unquote(text), true)),
                _ => None,
            }
        };
        name(at)?;
        at += 1;
        if tokens.get(at).is_some_and(|(kind, _)| *kind == TokenKind::Dot) {
            name(at + 1)?;
            at += 2;
        }
        let mut words = BTreeSet::new();
        let mut condition = String::new();
        if at < tokens.len() {
            if !is(at, "WHERE") {
                return None;
            }
            let (from, to) = (told[at].span.start, told[tokens.len() - 1].span.end);
            statement.text.get(from..to)?.clone_into(&mut condition);
            let known =
                ["AND", "OR", "NOT", "IN", "IS", "NULL", "BETWEEN", "TRUE", "FALSE", "LIKE"];
            let queries = ["SELECT", "VALUES", "TABLE", "WITH", "RETURNING"];
            for place in at + 1..tokens.len() {
                let (kind, text) = tokens[place];
                match kind {
                    TokenKind::Word if known.iter().any(|k| text.eq_ignore_ascii_case(k)) => {}
                    // A query within, which may read anything, or rows that go to the client.
                    TokenKind::Word if queries.iter().any(|q| text.eq_ignore_ascii_case(q)) => {
                        return None;
                    }
                    TokenKind::Word | TokenKind::QuotedIdent => {
                        let called = tokens.get(place + 1).is_some_and(|(next, _)| {
                            matches!(next, TokenKind::LeftParen | TokenKind::String)
                        });
                        if called {
                            return None;
                        }
                        words.insert(name(place)?);
                    }
                    TokenKind::Operator
                        if ["=", "<>", "!=", "<", ">", "<=", ">=", "-", "+"].contains(&text) => {}
                    TokenKind::String if text.starts_with('\'') => {}
                    TokenKind::Number
                    | TokenKind::Comma
                    | TokenKind::LeftParen
                    | TokenKind::RightParen
                    | TokenKind::Dot => {}
                    _ => return None,
                }
            }
        }
        Some(Self { table: table.clone(), words, condition })
    }

    /// What will be kept of this table, if it can be kept here: its rows go by this statement alone, and
    /// its values can be read again from their texts. Row security, rules and inheritance are the
    /// caller's to look at.
    #[must_use]
    pub fn keeps(&self, shape: &TableShape, id: i64) -> Option<Kept> {
        let table = Endangered { shape: shape.clone(), loss: TableLoss::default() };
        let columns: Vec<&ColumnShape> = shape.writable().collect();
        let fits = nothing_else_goes(shape, &columns)
            && columns.iter().all(|column| column.user_type || reads_back(&column.ty))
            && self.words.iter().all(|word| {
                *word == shape.name.name
                    || shape.column(word).is_some_and(|c| !c.user_type && reads_back(&c.ty))
            });
        if !fits {
            return None;
        }
        let mut kept = described(&table, id, KeptMode::Capture, shape.key.clone(), &columns, 0);
        kept.after = Some(shape.name.clone());
        kept.packed = true;
        Some(kept)
    }
}

/// Whether a `DELETE` takes nothing but rows of this table, each told apart by its key.
fn nothing_else_goes(shape: &TableShape, columns: &[&ColumnShape]) -> bool {
    !shape.key.is_empty()
        && shape.key.iter().all(|key| columns.iter().any(|column| column.name == *key))
        && !shape.divided
        && shape.triggers.is_empty()
        && shape.acted_on.is_empty()
        // An action from the table on itself.
        && shape.foreign_keys.iter().all(|key| !key.acts || key.table != shape.name)
        && columns.len() <= WIDEST
}

/// Whether the text of a value of a built-in type gives back the same value, whatever the settings of
/// the session that reads it (those of the one that writes it: [`READY`]).
fn reads_back(ty: &str) -> bool {
    let (element, array) = match ty.strip_suffix("[]") {
        Some(element) => (element, true),
        None => (ty, false),
    };
    let (base, sized) = match (element.find('('), element.find(')')) {
        (Some(from), Some(to)) => (format!("{}{}", &element[..from], &element[to + 1..]), true),
        _ => (element.to_owned(), false),
    };
    match base.as_str() {
        "smallint"
        | "integer"
        | "bigint"
        | "boolean"
        | "uuid"
        | "date"
        | "bytea"
        | "oid"
        | "text"
        | "character varying"
        | "numeric"
        | "real"
        | "double precision"
        | "json"
        | "jsonb"
        | "timestamp without time zone"
        | "timestamp with time zone"
        | "time without time zone"
        | "time with time zone"
        | "inet"
        | "cidr"
        | "macaddr" => true,
        "interval" => !sized,
        // Its text goes without the blanks at the end, which come back with its length.
        "character" => sized && !array,
        _ => false,
    }
}

/// The texts of a row's columns.
fn cells<'a>(row: &str, columns: impl Iterator<Item = &'a Ident>) -> String {
    let values: Vec<String> = columns.map(|c| format!("{row}{}::text", D.quote(c))).collect();
    format!("ARRAY[{}]", values.join(", "))
}

/// A deletion with its rows kept, in one statement.
#[must_use]
pub fn delete(statement: &Statement, kept: &Kept) -> String {
    // It may end in a comment.
    format!(
        "WITH gone AS ({}\nRETURNING *) INSERT INTO downhaul.kept_rows (store, cells) \
         SELECT {}, pg_catalog.array_agg({}) FROM gone HAVING count(*) > 0",
        statement.text.trim_end().trim_end_matches(';'),
        kept.id,
        cells("", kept.columns.iter().map(|column| &column.name)),
    )
}

/// Fingerprint of an entry.
pub const DIGEST: &str = "pg_catalog.array_length(cells, 1) || ':' || pg_catalog.md5(cells::text)";

/// Fingerprint of what is kept.
pub(crate) async fn digest(
    session: &mut dyn Session,
    kept: &Kept,
) -> Result<String, SnapshotError> {
    if session.dialect().is_mysql_family() {
        return mysql::digest(session, kept).await;
    }
    if session.dialect() == Dialect::Sqlite {
        return sqlite::fingerprint(session, kept).await;
    }
    let row = session
        .row(&format!("SELECT {DIGEST} FROM downhaul.kept_rows WHERE store = {}", kept.id))
        .await?;
    Ok(row.map_or_else(|| "none".to_owned(), |row| row.text(0).to_owned()))
}

/// The table of the entries.
#[must_use]
pub fn table(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => sqlite::TABLE,
        Dialect::Postgres => "downhaul.kept_rows",
        Dialect::Mysql | Dialect::MariaDb => mysql::TABLE,
    }
}

/// Query of the name that each entry would have as a table, and of its bytes.
#[must_use]
pub fn sizes(dialect: Dialect) -> &'static str {
    match dialect {
        // It tells of no table how large it is.
        Dialect::Sqlite => "SELECT '', 0",
        Dialect::Mysql | Dialect::MariaDb => {
            "SELECT CONCAT('downhaul_kept_', store), LENGTH(cells) FROM downhaul_packed"
        }
        Dialect::Postgres => {
            "SELECT 'downhaul.kept_' || store, pg_catalog.pg_column_size(cells) FROM downhaul.kept_rows"
        }
    }
}

/// Statement that takes an entry away.
#[must_use]
pub fn forget(dialect: Dialect, kept: &Kept) -> String {
    format!("DELETE FROM {} WHERE store = {}", table(dialect), kept.id)
}

/// Settings on which the texts of values depend.
const FIXED: [(&str, &str); 4] = [
    ("DateStyle", "ISO, YMD"),
    ("IntervalStyle", "postgres"),
    ("bytea_output", "hex"),
    ("extra_float_digits", "1"),
];

/// Makes an entry the table that every other restore point has, and compares the two. Within a
/// transaction.
pub async fn unpack(session: &mut dyn Session, kept: &mut Kept) -> Result<(), SnapshotError> {
    if !kept.packed {
        return Ok(());
    }
    if session.dialect() == Dialect::Sqlite {
        return sqlite::unpack(session, kept).await;
    }
    let list = FIXED.map(|(name, _)| format!("current_setting('{name}')")).join(", ");
    let before = session.row(&format!("SELECT {list}")).await?;
    let set = |values: Vec<String>| {
        let calls: Vec<String> = FIXED
            .iter()
            .zip(values)
            .map(|((name, _), value)| format!("set_config('{name}', {}, true)", D.literal(&value)))
            .collect();
        format!("SELECT {}", calls.join(", "))
    };
    let fixed = set(FIXED.iter().map(|(_, value)| (*value).to_owned()).collect());
    session.execute(&fixed).await?;
    let columns: Vec<String> = kept
        .columns
        .iter()
        .enumerate()
        .map(|(place, column)| {
            let ty = if column.user_type { "text" } else { &column.ty };
            format!("r.cells[at.row][{}]::{ty} AS {}", place + 1, D.quote(&column.name))
        })
        .collect();
    let store = sql::own(D, &kept.store());
    session
        .execute(&format!(
            "CREATE TABLE {store} AS SELECT 'D'::text AS downhaul_op, {} FROM downhaul.kept_rows r, \
             pg_catalog.generate_subscripts(r.cells, 1) AS at (row) WHERE r.store = {} ORDER BY at.row",
            columns.join(", "),
            kept.id
        ))
        .await?;
    let again = cells("", kept.columns.iter().map(|column| &column.name));
    let row = session
        .row(&format!(
            "SELECT {DIGEST} FROM (SELECT pg_catalog.array_agg({again} ORDER BY ctid) AS cells FROM {store}) r"
        ))
        .await?;
    let now = row.map(|row| row.text(0).to_owned()).unwrap_or_default();
    if now != kept.digest {
        return Err(SnapshotError::NotSound {
            table: kept.table.to_string(),
            reason: format!("its rows read {now} where {} was kept", kept.digest),
        });
    }
    session.execute(&forget(D, kept)).await?;
    if let Some(before) = before {
        session
            .execute(&set((0..FIXED.len()).map(|i| before.text(i).to_owned()).collect()))
            .await?;
    }
    kept.packed = false;
    Ok(())
}

#[cfg(test)]
mod tests {
    use downhaul_syntax::parse_script;

    use super::*;
    use crate::losses;

    fn plain(sql: &str) -> bool {
        let script = parse_script(sql, D);
        deletions(&script.statements, &losses(&script.statements, D), D).is_some()
    }

    #[test]
    fn deletions_by_values_are_known() {
        for sql in [
            "DELETE FROM t WHERE id IN (1, 2, 3);",
            "delete from only public.t where \"Id\" = 1 and t.name = 'x' or not a between -1 and 2",
            "DELETE FROM t; -- all",
            "DELETE FROM a WHERE id = 1; DELETE FROM b WHERE a IS NULL OR a <> 3; DROP INDEX i;",
        ] {
            assert!(plain(sql), "{sql}");
        }
    }

    #[test]
    fn what_may_run_code_or_destroys_more_is_left_alone() {
        for sql in [
            "DELETE FROM t WHERE id = f(1)",
            "DELETE FROM t WHERE id = (SELECT 1)",
            "DELETE FROM t WHERE id = 1 RETURNING id",
            "DELETE FROM t USING u WHERE t.id = u.id",
            "DELETE FROM t AS a WHERE a.id = 1",
            "DELETE FROM t WHERE id = '1'::money",
            "DELETE FROM t WHERE d = date '2026-01-01'",
            "DELETE FROM t WHERE id @> 1",
            "WITH x AS (SELECT 1) DELETE FROM t",
            "DELETE FROM t WHERE id = 1; DELETE FROM t WHERE id = 2",
            "DELETE FROM t WHERE id = 1; ALTER TABLE t DROP COLUMN a",
            "DELETE FROM t WHERE id = 1; UPDATE u SET a = 1",
            "DELETE FROM t WHERE id = 1; DROP TABLE u",
            "DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (2)",
            "DROP TABLE t",
        ] {
            assert!(!plain(sql), "{sql}");
        }
    }

    #[test]
    fn types_whose_text_is_the_value() {
        for ty in [
            "integer",
            "character varying(100)",
            "numeric(12,2)",
            "character(4)",
            "text[]",
            "timestamp(3) with time zone",
        ] {
            assert!(reads_back(ty), "{ty}");
        }
        for ty in [
            "money",
            "bpchar",
            "character(4)[]",
            "xml",
            "interval day to second(3)",
            "regclass",
            "point",
            "name",
            "\"char\"",
        ] {
            assert!(!reads_back(ty), "{ty}");
        }
    }
}

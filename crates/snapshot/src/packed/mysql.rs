//! The same on MariaDB and MySQL, where a table for each restore point is a file of its own, and making
//! it commits.
//!
//! The rows are read, locked, by the condition of the `DELETE` and within its transaction, and the number
//! of those that it deletes must be theirs. An entry is a JSON array of rows, each an array of texts:
//! numbers and times as the server writes them, all else as the bytes in hexadecimal. Among many small
//! migrations, where nobody reads in between, the server writes the same text ([`around`]).

use downhaul_engine::{Session, TableShape};
use downhaul_syntax::{Dialect, Ident};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Deletion, MOST, nothing_else_goes};
use crate::keep::Endangered;
use crate::loss::{Names, TableLoss};
use crate::sql;
use crate::stepwise::{self, GroupKind};
use crate::store::{Kept, SnapshotError};

/// The table of the entries.
pub const TABLE: &str = "downhaul_packed";

/// Bytes of an entry; more get a table of their own. A message to the server has a limit
/// (`max_allowed_packet`, 1 MiB on an old MariaDB).
const LARGEST: usize = 256 * 1024;

/// Rows, each the texts of its columns.
type Cells = Vec<Vec<Option<String>>>;

/// Statement that makes the table, unless it is there.
#[must_use]
pub fn definition() -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {TABLE} (store bigint NOT NULL PRIMARY KEY, cells longtext NOT NULL) \
         ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
    )
}

/// How values of a type are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form<'a> {
    /// As the server writes them.
    Number,
    /// In quotes.
    Quoted,
    /// In quotes, and in the zone of the session.
    Instant,
    /// The bytes, of a character set.
    Bytes(Option<&'a str>),
}

impl<'a> Form<'a> {
    /// `None`: the text of a value may not give it back, or may be very long.
    fn of(ty: &'a str) -> Option<Self> {
        let set = || Some(ty.split_once(" CHARACTER SET ")?.1.split(' ').next().unwrap_or(""));
        Some(match ty.split(['(', ' ']).next().unwrap_or(ty) {
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "decimal" => Self::Number,
            "date" | "datetime" | "time" | "year" => Self::Quoted,
            "timestamp" => Self::Instant,
            "char" | "varchar" | "tinytext" | "text" => Self::Bytes(Some(set()?)),
            "binary" | "varbinary" | "tinyblob" | "blob" => Self::Bytes(None),
            _ => return None,
        })
    }

    fn read(self, column: &str) -> String {
        match self {
            Self::Bytes(_) => format!("HEX({column})"),
            _ => column.to_owned(),
        }
    }

    /// A literal of a value that was read.
    fn literal(self, text: &str) -> String {
        match self {
            Self::Number => text.to_owned(),
            Self::Quoted | Self::Instant => Dialect::MariaDb.literal(text),
            Self::Bytes(Some(set)) => format!("_{set} X'{text}'"),
            Self::Bytes(None) => format!("X'{text}'"),
        }
    }
}

fn fingerprint(cells: &str, rows: usize) -> String {
    let hash = Sha256::digest(cells.as_bytes());
    let hex: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{rows}:{hex}")
}

/// What will be kept of a table, if it can be kept here: its rows go by this statement alone, which
/// stands in `names`' migration, and its values can be read again from their texts.
#[must_use]
pub fn keeps(deletion: &Deletion, shape: &TableShape, names: &Names, id: i64) -> Option<Kept> {
    let columns: Vec<_> = shape.writable().collect();
    // The rows are read in another zone than they are deleted in.
    let compared = |word: &Ident| {
        *word == shape.name.name
            || shape
                .column(word)
                .and_then(|column| Form::of(&column.ty))
                .is_some_and(|form| form != Form::Instant)
    };
    let fits = nothing_else_goes(shape, &columns)
        && columns.iter().all(|column| Form::of(&column.ty).is_some())
        && deletion.words.iter().all(compared);
    if !fits {
        return None;
    }
    let loss = TableLoss { rows: true, ..TableLoss::default() };
    let table = Endangered { shape: shape.clone(), loss };
    let mut kept = stepwise::describe(&table, names, GroupKind::Rows, id);
    kept.packed = true;
    Some(kept)
}

/// Sets a zone in which every instant has one text, where there are any. Returns the statement that sets
/// back the session's own.
async fn fixed_zone(
    session: &mut dyn Session,
    kept: &Kept,
) -> Result<Option<String>, SnapshotError> {
    if !kept.columns.iter().any(|column| Form::of(&column.ty) == Some(Form::Instant)) {
        return Ok(None);
    }
    let row = session.row("SELECT @@SESSION.time_zone").await?;
    let zone = row.map(|row| row.text(0).to_owned()).unwrap_or_default();
    session.execute("SET SESSION time_zone = '+00:00'").await?;
    Ok(Some(format!("SET SESSION time_zone = {}", session.dialect().literal(&zone))))
}

async fn set_back(session: &mut dyn Session, zone: Option<String>) -> Result<(), SnapshotError> {
    if let Some(zone) = zone {
        session.execute(&zone).await?;
    }
    Ok(())
}

/// Locks and reads the rows that a deletion is about to take, and completes `kept`. Returns the
/// statement that writes the entry; `None` where they are too many. Within the transaction.
pub async fn read(
    session: &mut dyn Session,
    deletion: &Deletion,
    kept: &mut Kept,
) -> Result<Option<String>, SnapshotError> {
    let d = session.dialect();
    let values: Vec<String> = kept
        .columns
        .iter()
        .map(|column| {
            let name = d.quote(&column.name);
            Form::of(&column.ty).map_or_else(|| name.clone(), |form| form.read(&name))
        })
        .collect();
    let zone = fixed_zone(session, kept).await?;
    let rows = session
        .rows(&format!(
            "SELECT {} FROM {} {}\nLIMIT {} FOR UPDATE",
            values.join(", "),
            sql::table(d, &deletion.table),
            deletion.condition,
            MOST + 1
        ))
        .await;
    set_back(session, zone).await?;
    let rows: Cells = rows?.into_iter().map(|row| row.0).collect();
    let count = rows.len();
    let cells = Value::from(
        rows.into_iter()
            .map(|row| Value::from(row.into_iter().collect::<Vec<_>>()))
            .collect::<Vec<_>>(),
    )
    .to_string();
    if count > MOST as usize || cells.len() > LARGEST {
        return Ok(None);
    }
    kept.rows = count as u64;
    kept.rows_gone = kept.rows;
    kept.digest = fingerprint(&cells, count);
    Ok(Some(format!(
        "INSERT INTO {TABLE} (store, cells) VALUES ({}, {})",
        kept.id,
        d.literal(&cells)
    )))
}

/// What is asked before deletions that nobody reads beside ([`around`]): how many triggers the session has
/// run, and whether it may see which tables refer to which; without the privilege it fails.
pub const BEFORE: &str = "(SELECT VARIABLE_VALUE FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME = 'EXECUTED_TRIGGERS'), \
     EXISTS (SELECT 1 FROM information_schema.INNODB_SYS_FOREIGN LIMIT 1)";

/// Number of rows of an entry.
pub const ROWS: &str = "JSON_LENGTH(cells)";

/// Statements around a deletion, in one transaction, where nobody reads what goes: one before it that keeps
/// its rows and locks them, and with them the form of the table; one right behind it that fails unless it
/// took as many rows, of a table with as many columns as `shape` has, and neither ran a trigger nor can
/// have acted on another table. `triggers`: how many the session had run. `None` where that cannot be said
/// in SQL alone.
#[must_use]
pub fn around(
    deletion: &Deletion,
    kept: &Kept,
    shape: &TableShape,
    database: &str,
    triggers: i64,
) -> Option<[String; 2]> {
    let d = Dialect::MariaDb;
    let name = deletion.table.name.as_str();
    // Other names are written otherwise in InnoDB's own tables.
    let plain = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    if deletion.table.schema.is_some() || !plain(name) || !plain(database) {
        return None;
    }
    let values: Option<Vec<String>> = kept
        .columns
        .iter()
        .map(|column| {
            // None of these texts holds a character that JSON would write otherwise. An instant has
            // one text in one zone only, and the session has its own.
            let form = Form::of(&column.ty).filter(|form| *form != Form::Instant)?;
            Some(format!(
                "COALESCE(CONCAT('\"', {}, '\"'), 'null')",
                form.read(&d.quote(&column.name))
            ))
        })
        .collect();
    let table = sql::table(d, &deletion.table);
    let numbers: Vec<String> = (1..=shape.columns.len()).map(|n| n.to_string()).collect();
    Some([
        format!(
            "INSERT INTO {TABLE} (store, cells) SELECT {}, CONCAT('[', GROUP_CONCAT('[', CONCAT_WS(',', {}), ']' SEPARATOR ','), ']') \
             FROM {table} {}\nHAVING count(*) BETWEEN 1 AND {MOST} FOR UPDATE",
            kept.id,
            values?.join(", "),
            deletion.condition
        ),
        // Too large a number, where it is not so.
        format!(
            "SELECT EXP(1000 * (ROW_COUNT() <> COALESCE((SELECT {ROWS} FROM {TABLE} WHERE store = {} AND LENGTH(cells) <= {LARGEST}), 0) \
             OR EXISTS (SELECT 1 FROM information_schema.INNODB_SYS_FOREIGN WHERE LOWER(REF_NAME) = LOWER('{database}/{name}')) \
             OR (SELECT VARIABLE_VALUE FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME = 'EXECUTED_TRIGGERS') <> {triggers} \
             OR COALESCE(ROW({}) = (SELECT * FROM {table} LIMIT 0), 0)))",
            kept.id,
            numbers.join(", "),
        ),
    ])
}

/// Expression for what the journal says of an entry (`detail`, a literal), with what only the entry
/// itself tells.
#[must_use]
pub fn completed(detail: &str) -> String {
    format!(
        "JSON_SET({detail}, '$.rows', {ROWS}, '$.rows_gone', {ROWS}, '$.digest', CONCAT({ROWS}, ':', LEFT(SHA2(cells, 256), 32)))"
    )
}

async fn cells(session: &mut dyn Session, kept: &Kept) -> Result<Option<String>, SnapshotError> {
    let sql = format!("SELECT cells FROM {TABLE} WHERE store = {}", kept.id);
    Ok(session.row(&sql).await?.map(|row| row.text(0).to_owned()))
}

fn parse(cells: &str, kept: &Kept) -> Result<Cells, SnapshotError> {
    serde_json::from_str(cells).map_err(|error| SnapshotError::NotSound {
        table: kept.table.to_string(),
        reason: format!("{TABLE}, store {}, cannot be read: {error}", kept.id),
    })
}

/// Fingerprint of what is kept.
pub(crate) async fn digest(
    session: &mut dyn Session,
    kept: &Kept,
) -> Result<String, SnapshotError> {
    let Some(cells) = cells(session, kept).await? else { return Ok("none".to_owned()) };
    let rows = parse(&cells, kept).map_or(0, |rows| rows.len());
    Ok(fingerprint(&cells, rows))
}

/// Makes the empty table that an entry is to become. Commits. May run again.
pub async fn begin_unpacking(session: &mut dyn Session, kept: &Kept) -> Result<(), SnapshotError> {
    stepwise::create_store(session, kept, GroupKind::Definition).await
}

/// Moves an entry into the table that every other restore point has, and compares the two. Within a
/// transaction, with the modes of [`stepwise::own_modes`]; the caller writes down what `kept` then is.
pub async fn unpack(session: &mut dyn Session, kept: &mut Kept) -> Result<(), SnapshotError> {
    let d = session.dialect();
    let text = cells(session, kept).await?.unwrap_or_default();
    let rows = parse(&text, kept)?;
    let unlike = |reason: String| SnapshotError::NotSound { table: kept.table.to_string(), reason };
    let now = fingerprint(&text, rows.len());
    if now != kept.digest {
        return Err(unlike(format!("its rows read {now} where {} was kept", kept.digest)));
    }
    let forms: Vec<Form<'_>> =
        kept.columns.iter().filter_map(|column| Form::of(&column.ty)).collect();
    if forms.len() != kept.columns.len() || rows.iter().any(|row| row.len() != forms.len()) {
        return Err(unlike("its rows have other columns than were kept".to_owned()));
    }
    let store = sql::own(d, &kept.store());
    let zone = fixed_zone(session, kept).await?;
    let again = fill(session, kept, &store, &forms, &rows).await;
    set_back(session, zone).await?;
    if again? != rows {
        return Err(unlike("its rows read otherwise once they are a table".to_owned()));
    }
    session.execute(&super::forget(d, kept)).await?;
    kept.packed = false;
    kept.digest = crate::settle::digest(session, kept).await?;
    Ok(())
}

/// Writes rows into a store, and reads them again. In the zone of [`fixed_zone`].
async fn fill(
    session: &mut dyn Session,
    kept: &Kept,
    store: &str,
    forms: &[Form<'_>],
    rows: &Cells,
) -> Result<Cells, SnapshotError> {
    let d = session.dialect();
    let names = sql::list(d, kept.columns.iter().map(|column| &column.name));
    for some in rows.chunks(100) {
        let values: Vec<String> = some
            .iter()
            .map(|row| {
                let values: Vec<String> = row
                    .iter()
                    .zip(forms)
                    .map(|(value, form)| {
                        value.as_ref().map_or_else(|| "NULL".to_owned(), |text| form.literal(text))
                    })
                    .collect();
                format!("('D', {})", values.join(", "))
            })
            .collect();
        session
            .execute(&format!(
                "INSERT INTO {store} (downhaul_op, {names}) VALUES {}",
                values.join(", ")
            ))
            .await?;
    }
    let read: Vec<String> = kept
        .columns
        .iter()
        .zip(forms)
        .map(|(column, form)| form.read(&d.quote(&column.name)))
        .collect();
    let again = session
        .rows(&format!("SELECT {} FROM {store} ORDER BY downhaul_row", read.join(", ")))
        .await?;
    Ok(again.into_iter().map(|row| row.0).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_whose_text_is_the_value() {
        let latin = "varchar(9) CHARACTER SET latin1 COLLATE latin1_bin";
        assert_eq!(Form::of(latin), Some(Form::Bytes(Some("latin1"))));
        assert_eq!(Form::of("int(10) unsigned zerofill"), Some(Form::Number));
        assert_eq!(Form::of("timestamp(6)"), Some(Form::Instant));
        assert_eq!(Form::of("blob"), Some(Form::Bytes(None)));
        for ty in [
            "float",
            "double",
            "enum('a','b')",
            "bit(3)",
            "longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
            "point",
            "json",
            "uuid",
        ] {
            assert_eq!(Form::of(ty), None, "{ty}");
        }
    }

    #[test]
    fn literals_hold_every_byte() {
        assert_eq!(Form::Bytes(Some("latin1")).literal("E9"), "_latin1 X'E9'");
        assert_eq!(Form::Number.literal("-1.50"), "-1.50");
        assert_eq!(Form::Quoted.literal("2026-02-30"), "'2026-02-30'");
    }
}

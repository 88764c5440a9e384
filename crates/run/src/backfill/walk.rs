//! The way over a table: by a key, by blocks, or all at once.

use downhaul_engine::{EngineError, Session};
use downhaul_syntax::{Dialect, ObjectName};

use super::ledger::{Place, count};

/// How a table is walked.
#[derive(Clone, Debug)]
pub(crate) enum Way {
    /// By the columns of a key.
    Key(Vec<KeyColumn>),
    /// By its blocks (PostgreSQL).
    Blocks,
    /// It cannot be: all at once.
    Whole,
}

/// The table's name within the question for the end of a batch.
const WALKED: &str = "downhaul_walked";

/// A column of the key.
#[derive(Clone, Debug)]
pub(crate) struct KeyColumn {
    /// Quoted.
    pub(super) name: String,
    kind: Kind,
}

/// How a value of a key goes out as text and comes back.
#[derive(Clone, Debug)]
enum Kind {
    /// By a cast to this type.
    Cast(String),
    /// As the digits that it is.
    Number,
    /// As hexadecimal digits.
    Bytes,
    /// As text.
    Text,
}

impl KeyColumn {
    pub(super) fn read(&self) -> String {
        match &self.kind {
            Kind::Cast(_) => format!("CAST({} AS text)", self.name),
            Kind::Bytes => format!("HEX({})", self.name),
            Kind::Number | Kind::Text => self.name.clone(),
        }
    }

    fn write(&self, value: &str, dialect: Dialect) -> String {
        match &self.kind {
            Kind::Cast(ty) => format!("CAST({} AS {ty})", dialect.literal(value)),
            Kind::Bytes => format!("X'{value}'"),
            Kind::Number if is_number(value) => value.to_owned(),
            Kind::Number | Kind::Text => dialect.literal(value),
        }
    }
}

fn is_number(value: &str) -> bool {
    let digits = value.strip_prefix('-').unwrap_or(value);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

/// A table with the way over it.
pub(crate) struct Walk {
    pub(crate) dialect: Dialect,
    /// Quoted.
    pub(crate) table: String,
    pub(crate) way: Way,
    /// Rows, as the server guesses.
    pub(crate) total: u64,
}

/// The condition of a batch, empty for the whole table, and where the next one begins; `None` for
/// the last one.
pub(crate) type Batch = (String, Option<Vec<String>>);

impl Walk {
    /// Finds the best way over a table.
    pub(crate) async fn of(
        session: &mut dyn Session,
        name: &ObjectName,
    ) -> Result<Self, EngineError> {
        let dialect = session.dialect();
        let table = dialect.quote_name(name);
        let way = match dialect {
            Dialect::Postgres => postgres(session, &table).await?,
            Dialect::Mysql | Dialect::MariaDb => mysql(session, name).await?,
            Dialect::Sqlite => sqlite(session, name).await?,
        };
        let total = estimate(session, &table, name).await?;
        Ok(Self { dialect, table, way, total })
    }

    /// Whether batches would miss rows or fill them twice: each row that is written moves to another
    /// block, and without a condition nobody can tell those that are done.
    pub(crate) fn loses_rows(&self, filter: &str) -> bool {
        matches!(self.way, Way::Blocks) && filter.is_empty()
    }

    /// The next batch, of those up to an end (`None`: that of the table).
    pub(crate) async fn next(
        &self,
        session: &mut dyn Session,
        place: &Place,
        upper: Option<&Vec<String>>,
    ) -> Result<Batch, EngineError> {
        match &self.way {
            Way::Whole => Ok((String::new(), None)),
            Way::Key(key) => self.by_key(session, key, place, upper).await,
            Way::Blocks => self.by_blocks(session, place, upper).await,
        }
    }

    async fn by_key(
        &self,
        session: &mut dyn Session,
        key: &[KeyColumn],
        place: &Place,
        upper: Option<&Vec<String>>,
    ) -> Result<Batch, EngineError> {
        let behind = place.cursor.as_ref().map(|values| self.compared(key, values, Side::Behind));
        let limit = upper.map(|values| self.compared(key, values, Side::UpTo));
        let bounds: Vec<String> = [&behind, &limit].into_iter().flatten().cloned().collect();
        let end = self.key_at(session, key, &bounds, place.batch).await?;
        let until = match &end {
            Some(values) => Some(self.compared(key, values, Side::UpTo)),
            None => limit,
        };
        let range: Vec<String> = [behind, until].into_iter().flatten().collect();
        Ok((range.join(" AND "), end))
    }

    /// The key of the nth row within bounds, in the order of keys.
    pub(super) async fn key_at(
        &self,
        session: &mut dyn Session,
        key: &[KeyColumn],
        bounds: &[String],
        nth: u64,
    ) -> Result<Option<Vec<String>>, EngineError> {
        // By the table's columns and never by what is read of them: `ORDER BY id` beside
        // `CAST(id AS text)` means the text, whose column PostgreSQL names `id` too.
        let order: Vec<String> =
            key.iter().map(|column| format!("{WALKED}.{}", column.name)).collect();
        let values: Vec<String> = key.iter().map(KeyColumn::read).collect();
        let filter = match bounds {
            [] => String::new(),
            bounds => format!(" WHERE {}", bounds.join(" AND ")),
        };
        let found = session
            .rows(&format!(
                "SELECT {} FROM {} AS {WALKED}{filter} ORDER BY {} LIMIT 1 OFFSET {}",
                values.join(", "),
                self.table,
                order.join(", "),
                nth.saturating_sub(1)
            ))
            .await?;
        Ok(found.first().map(|found| (0..key.len()).map(|i| found.text(i).to_owned()).collect()))
    }

    /// The rows behind a key.
    pub(super) fn behind(&self, key: &[KeyColumn], values: &[String]) -> String {
        self.compared(key, values, Side::Behind)
    }

    /// The rows on one side of a key.
    fn compared(&self, key: &[KeyColumn], values: &[String], side: Side) -> String {
        let pairs: Vec<(String, String)> = key
            .iter()
            .zip(values)
            .map(|(column, value)| (column.name.clone(), column.write(value, self.dialect)))
            .collect();
        let (strict, whole) = match side {
            Side::Behind => (">", ">"),
            Side::UpTo => ("<", "<="),
        };
        if let [(column, value)] = pairs.as_slice() {
            return format!("{column} {whole} {value}");
        }
        if self.dialect == Dialect::Postgres {
            let (columns, values): (Vec<&str>, Vec<&str>) =
                pairs.iter().map(|(c, v)| (c.as_str(), v.as_str())).unzip();
            return format!("({}) {whole} ({})", columns.join(", "), values.join(", "));
        }
        // Comparing rows is no range of an index to MySQL: the first column is said by itself.
        let mut alternatives = Vec::new();
        for (at, (column, value)) in pairs.iter().enumerate() {
            let operator = if at + 1 == pairs.len() { whole } else { strict };
            let mut all: Vec<String> =
                pairs[..at].iter().map(|(c, v)| format!("{c} = {v}")).collect();
            all.push(format!("{column} {operator} {value}"));
            alternatives.push(format!("({})", all.join(" AND ")));
        }
        let (first, value) = &pairs[0];
        format!("{first} {strict}= {value} AND ({})", alternatives.join(" OR "))
    }

    async fn by_blocks(
        &self,
        session: &mut dyn Session,
        place: &Place,
        upper: Option<&Vec<String>>,
    ) -> Result<Batch, EngineError> {
        // 100 rows a block is a guess that the adapted size makes good.
        let step = (place.batch / 100).max(1);
        let from = block(place.cursor.as_ref()).unwrap_or(0);
        let to = from + step;
        let range = |to: u64| format!("ctid >= '({from},0)'::tid AND ctid < '({to},0)'::tid");
        match block(upper) {
            Some(upper) if to >= upper => return Ok((range(upper), None)),
            Some(_) => {}
            None if to >= self.blocks(session).await? => {
                return Ok((format!("ctid >= '({from},0)'::tid"), None));
            }
            None => {}
        }
        Ok((range(to), Some(vec![to.to_string()])))
    }

    /// Blocks of the table (PostgreSQL).
    pub(super) async fn blocks(&self, session: &mut dyn Session) -> Result<u64, EngineError> {
        let blocks = session
            .number(&format!(
                "SELECT pg_relation_size(CAST({} AS regclass)) / current_setting('block_size')::bigint",
                self.dialect.literal(&self.table)
            ))
            .await?;
        Ok(u64::try_from(blocks).unwrap_or(0))
    }

    /// Rows that a batch of this size goes over.
    pub(crate) fn passes(&self, batch: u64) -> u64 {
        match self.way {
            Way::Key(_) => batch,
            Way::Blocks => (batch / 100).max(1) * 100,
            Way::Whole => self.total,
        }
    }
}

#[derive(Clone, Copy)]
enum Side {
    Behind,
    UpTo,
}

/// The number of a block that stands where keys do.
pub(super) fn block(cursor: Option<&Vec<String>>) -> Option<u64> {
    cursor.and_then(|values| values.first()).and_then(|value| value.parse().ok())
}

async fn postgres(session: &mut dyn Session, table: &str) -> Result<Way, EngineError> {
    let name = Dialect::Postgres.literal(table);
    let rows = session
        .rows(&format!(
            "SELECT i.indexrelid, quote_ident(a.attname), format_type(a.atttypid, NULL) \
             FROM pg_index i \
             CROSS JOIN LATERAL unnest(CAST(i.indkey AS int2[])) WITH ORDINALITY k(attnum, ord) \
             JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum \
             WHERE i.indrelid = CAST({name} AS regclass) AND i.indisunique AND i.indisvalid AND i.indimmediate \
               AND i.indpred IS NULL AND i.indexprs IS NULL AND k.ord <= i.indnkeyatts \
               AND NOT EXISTS (SELECT 1 FROM pg_attribute n WHERE n.attrelid = i.indrelid AND n.attnum = ANY (i.indkey) AND NOT n.attnotnull) \
             ORDER BY i.indisprimary DESC, i.indexrelid, k.ord"
        ))
        .await?;
    if let Some(first) = rows.first() {
        let index = first.text(0).to_owned();
        let key = rows
            .iter()
            .filter(|row| row.text(0) == index)
            .map(|row| KeyColumn {
                name: row.text(1).to_owned(),
                kind: Kind::Cast(row.text(2).to_owned()),
            })
            .collect();
        return Ok(Way::Key(key));
    }
    let rows = session
        .rows(&format!("SELECT relkind FROM pg_class WHERE oid = CAST({name} AS regclass)"))
        .await?;
    Ok(match rows.first().map(|row| row.text(0)) {
        Some("r") => Way::Blocks,
        _ => Way::Whole,
    })
}

async fn mysql(session: &mut dyn Session, name: &ObjectName) -> Result<Way, EngineError> {
    let dialect = session.dialect();
    let Some(shape) = session.table_shape(name).await? else { return Ok(Way::Whole) };
    let mut key = Vec::new();
    for ident in &shape.key {
        let ty = shape.column(ident).map(|column| column.ty.to_lowercase()).unwrap_or_default();
        let starts = |words: &[&str]| words.iter().any(|word| ty.starts_with(word));
        let kind = if starts(&["int", "bigint", "smallint", "tinyint", "mediumint", "decimal"]) {
            Kind::Number
        } else if starts(&["char", "varchar", "date", "time", "uuid", "inet"]) {
            Kind::Text
        } else if starts(&["binary", "varbinary"]) {
            Kind::Bytes
        } else {
            // Floats do not come back as they were, and an ENUM sorts by its numbers.
            return Ok(Way::Whole);
        };
        key.push(KeyColumn { name: dialect.quote(ident), kind });
    }
    Ok(if key.is_empty() { Way::Whole } else { Way::Key(key) })
}

async fn sqlite(session: &mut dyn Session, name: &ObjectName) -> Result<Way, EngineError> {
    // A table without row numbers has keys of any type, which do not come back from text.
    let dialect = session.dialect();
    let taken = |word: &str, columns: &[String]| columns.iter().any(|c| c == word);
    let rows = session
        .rows(&format!(
            "SELECT lower(c.name), l.wr FROM pragma_table_list({table}) l, pragma_table_info({table}) c",
            table = dialect.literal(name.name.as_str())
        ))
        .await?;
    let columns: Vec<String> = rows.iter().map(|row| row.text(0).to_owned()).collect();
    let without = rows.first().is_none_or(|row| row.flag(1));
    let number = ["rowid", "_rowid_", "oid"].into_iter().find(|word| !taken(word, &columns));
    Ok(match number {
        Some(number) if !without => {
            Way::Key(vec![KeyColumn { name: number.to_owned(), kind: Kind::Number }])
        }
        _ => Way::Whole,
    })
}

/// Rows, as the server guesses; counted where it does not, up to a limit.
async fn estimate(
    session: &mut dyn Session,
    table: &str,
    name: &ObjectName,
) -> Result<u64, EngineError> {
    let dialect = session.dialect();
    let guess = match dialect {
        Dialect::Postgres => Some(format!(
            "SELECT greatest(CAST(reltuples AS bigint), 0) FROM pg_class WHERE oid = CAST({} AS regclass)",
            dialect.literal(table)
        )),
        Dialect::Mysql | Dialect::MariaDb => Some(format!(
            "SELECT coalesce(TABLE_ROWS, 0) FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {}",
            name.schema.as_ref().map_or("DATABASE()".into(), |s| dialect.literal(s.as_str())),
            dialect.literal(name.name.as_str())
        )),
        Dialect::Sqlite => None,
    };
    if let Some(sql) = guess {
        let rows = session.rows(&sql).await?;
        let guess = rows.first().map_or(Ok(0), |row| count(row, 0))?;
        if guess > 0 {
            return Ok(guess);
        }
    }
    let counted = format!("SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT 1000000) AS counted");
    Ok(u64::try_from(session.number(&counted).await?).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(dialect: Dialect) -> Walk {
        Walk { dialect, table: "t".into(), way: Way::Whole, total: 0 }
    }

    #[test]
    fn keys_of_several_columns_are_compared_as_rows() {
        let key = [
            KeyColumn { name: "a".into(), kind: Kind::Number },
            KeyColumn { name: "b".into(), kind: Kind::Text },
        ];
        let values = ["7".to_owned(), "x'y".to_owned()];
        assert_eq!(
            walk(Dialect::Postgres).compared(&key, &values, Side::UpTo),
            "(a, b) <= (7, 'x''y')"
        );
        assert_eq!(
            walk(Dialect::MariaDb).compared(&key, &values, Side::Behind),
            "a >= 7 AND ((a > 7) OR (a = 7 AND b > 'x''y'))"
        );
        assert_eq!(
            walk(Dialect::MariaDb).compared(&key, &values, Side::UpTo),
            "a <= 7 AND ((a < 7) OR (a = 7 AND b <= 'x''y'))"
        );
        assert_eq!(walk(Dialect::Sqlite).compared(&key[..1], &values, Side::Behind), "a > 7");
    }
}

//! The way over a table: by a key, by blocks, or all at once.

use downhaul_engine::{EngineError, Row, Session};
use downhaul_syntax::{Dialect, ObjectName};

use super::ledger::count;

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
    /// Rules turn what is done to it into something else, or more (PostgreSQL).
    pub(crate) has_rules: bool,
}

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
        let has_rules = dialect == Dialect::Postgres
            && session
                .number(&format!(
                    "SELECT count(*) FROM pg_class WHERE oid = CAST({} AS regclass) AND relhasrules",
                    dialect.literal(&table)
                ))
                .await?
                > 0;
        Ok(Self { dialect, table, way, total, has_rules })
    }

    /// Whether batches would miss rows or fill them twice: each row that is written moves to another
    /// block, and without a condition nobody can tell those that are done.
    pub(crate) fn loses_rows(&self, filter: &str) -> bool {
        matches!(self.way, Way::Blocks) && filter.is_empty()
    }

    /// The question for where a batch of so many rows ends that begins behind a cursor, of those up to
    /// an end (`None`: that of the table); `None` where nothing has to be asked.
    pub(crate) fn question(
        &self,
        behind: Option<&Vec<String>>,
        rows: u64,
        upper: Option<&Vec<String>>,
    ) -> Option<String> {
        match &self.way {
            Way::Whole => None,
            Way::Key(key) => Some(self.key_question(key, &self.bounds(key, behind, upper), rows)),
            Way::Blocks => upper.is_none().then(|| self.blocks_question()),
        }
    }

    /// Where it ends, by the answer: the key of its last row, or the number of the block behind it;
    /// `None` where it is the last one.
    pub(crate) fn answered(
        &self,
        behind: Option<&Vec<String>>,
        rows: u64,
        upper: Option<&Vec<String>>,
        answer: Option<&Row>,
    ) -> Result<Option<Vec<String>>, EngineError> {
        Ok(match &self.way {
            Way::Whole => None,
            Way::Key(key) => answer.map(|row| key_of(key, row)),
            Way::Blocks => {
                let end = match (block(upper), answer) {
                    (Some(upper), _) => upper,
                    (None, Some(row)) => count(row, 0)?,
                    (None, None) => 0,
                };
                let to = block(behind).unwrap_or(0) + blocks_of(rows);
                (to < end).then(|| vec![to.to_string()])
            }
        })
    }

    /// The condition of a batch between two places; empty for the whole table.
    pub(crate) fn range(
        &self,
        behind: Option<&Vec<String>>,
        until: Option<&Vec<String>>,
        upper: Option<&Vec<String>>,
    ) -> String {
        match &self.way {
            Way::Whole => String::new(),
            Way::Key(key) => self.bounds(key, behind, until.or(upper)).join(" AND "),
            Way::Blocks => {
                let from = block(behind).unwrap_or(0);
                match block(until.or(upper)) {
                    Some(to) => format!("ctid >= '({from},0)'::tid AND ctid < '({to},0)'::tid"),
                    None => format!("ctid >= '({from},0)'::tid"),
                }
            }
        }
    }

    /// The conditions for rows behind one key and up to another.
    fn bounds(
        &self,
        key: &[KeyColumn],
        behind: Option<&Vec<String>>,
        until: Option<&Vec<String>>,
    ) -> Vec<String> {
        let behind = behind.map(|values| self.compared(key, values, Side::Behind));
        let until = until.map(|values| self.compared(key, values, Side::UpTo));
        [behind, until].into_iter().flatten().collect()
    }

    /// The key of the nth row within bounds, in the order of keys.
    pub(super) async fn key_at(
        &self,
        session: &mut dyn Session,
        key: &[KeyColumn],
        bounds: &[String],
        nth: u64,
    ) -> Result<Option<Vec<String>>, EngineError> {
        let found = session.row(&self.key_question(key, bounds, nth)).await?;
        Ok(found.map(|row| key_of(key, &row)))
    }

    fn key_question(&self, key: &[KeyColumn], bounds: &[String], nth: u64) -> String {
        // By the table's columns and never by what is read of them: `ORDER BY id` beside
        // `CAST(id AS text)` means the text, whose column PostgreSQL names `id` too. And only the row
        // that is wanted is read so: within one query the server would do it to all before it.
        let names: Vec<&str> = key.iter().map(|column| column.name.as_str()).collect();
        let order: Vec<String> = names.iter().map(|name| format!("{WALKED}.{name}")).collect();
        let values: Vec<String> = key.iter().map(KeyColumn::read).collect();
        let filter = match bounds {
            [] => String::new(),
            bounds => format!(" WHERE {}", bounds.join(" AND ")),
        };
        format!(
            "SELECT {} FROM (SELECT {} FROM {} AS {WALKED}{filter} ORDER BY {} LIMIT 1 OFFSET {}) AS downhaul_found",
            values.join(", "),
            names.join(", "),
            self.table,
            order.join(", "),
            nth.saturating_sub(1)
        )
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

    /// Blocks of the table (PostgreSQL).
    pub(super) async fn blocks(&self, session: &mut dyn Session) -> Result<u64, EngineError> {
        let blocks = session.number(&self.blocks_question()).await?;
        Ok(u64::try_from(blocks).unwrap_or(0))
    }

    fn blocks_question(&self) -> String {
        // A range of blocks of a partitioned table is that range of each of its partitions.
        let table = self.dialect.literal(&self.table);
        format!(
            "SELECT coalesce(max(pg_relation_size(t.relid)), pg_relation_size(CAST({table} AS regclass))) / current_setting('block_size')::bigint \
             FROM pg_partition_tree(CAST({table} AS regclass)) t WHERE t.isleaf"
        )
    }

    /// Rows that a batch of this size goes over.
    pub(crate) fn passes(&self, batch: u64) -> u64 {
        match self.way {
            Way::Key(_) => batch,
            Way::Blocks => blocks_of(batch) * 100,
            Way::Whole => self.total,
        }
    }
}

#[derive(Clone, Copy)]
enum Side {
    Behind,
    UpTo,
}

/// Blocks of a batch of so many rows: 100 rows a block is a guess that the adapted size makes good.
fn blocks_of(rows: u64) -> u64 {
    (rows / 100).max(1)
}

/// The values of a key that a row brings.
fn key_of(key: &[KeyColumn], row: &Row) -> Vec<String> {
    (0..key.len()).map(|at| row.text(at).to_owned()).collect()
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
    // A foreign table or a view may have no blocks.
    let without = session
        .number(&format!(
            "SELECT count(*) FROM (SELECT CAST({name} AS regclass) AS relid UNION SELECT relid FROM pg_partition_tree(CAST({name} AS regclass))) t \
             JOIN pg_class c ON c.oid = t.relid WHERE c.relkind NOT IN ('r', 'p')"
        ))
        .await?;
    Ok(if without == 0 { Way::Blocks } else { Way::Whole })
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
        Walk { dialect, table: "t".into(), way: Way::Whole, total: 0, has_rules: false }
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

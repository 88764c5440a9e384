//! The proof of the demo: what the data must be after the way back, worked out in memory from
//! four photographs of every table, without any of the code that brought it back.

use std::collections::{BTreeMap, BTreeSet};

use downhaul_engine::{EngineError, Session};
use downhaul_syntax::{Dialect, Ident, ObjectName};
use sha2::{Digest, Sha256};

/// A row: column name to value, as the server writes it.
type Row = BTreeMap<String, Option<String>>;

/// A table at one moment: key to row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Photograph {
    columns: Vec<String>,
    rows: BTreeMap<Vec<Option<String>>, Row>,
}

impl Photograph {
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// sha256 over all rows, values length-prefixed so that nothing runs together.
    fn hash(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        for row in self.rows.values() {
            for (column, value) in row {
                hasher.update((column.len() as u64).to_be_bytes());
                hasher.update(column);
                match value {
                    None => hasher.update([0]),
                    Some(value) => {
                        hasher.update([1]);
                        hasher.update((value.len() as u64).to_be_bytes());
                        hasher.update(value);
                    }
                }
            }
        }
        hasher.finalize().into()
    }
}

/// All tables of the shop at one moment.
pub(super) type Album = BTreeMap<String, Photograph>;

/// The whole schema as the server tells it, hashed.
pub(super) async fn schema_hash(session: &mut dyn Session) -> Result<String, EngineError> {
    let mut hasher = Sha256::new();
    for object in session.dump().await?.objects {
        hasher.update(format!("{:?}", object.id));
        hasher.update([0]);
        hasher.update(&object.fingerprint);
        hasher.update([0]);
    }
    Ok(short(&hasher.finalize().into()))
}

/// Reads every one of these tables whole; those that do not exist are left out.
pub(super) async fn album(
    session: &mut dyn Session,
    tables: &[&str],
) -> Result<Album, EngineError> {
    let dialect = session.dialect();
    let mut album = Album::new();
    for table in tables {
        let name = ObjectName::bare(Ident::new(dialect, table, false));
        let Some(shape) = session.table_shape(&name).await? else { continue };
        let columns: Vec<String> = shape.columns.iter().map(|c| c.name.to_string()).collect();
        let list: Vec<String> = shape
            .columns
            .iter()
            .map(|c| {
                let quoted = dialect.quote(&c.name);
                match dialect {
                    // Tells 1, 1.0, '1' and x'31' apart.
                    Dialect::Sqlite => format!("quote({quoted})"),
                    Dialect::Postgres => format!("{quoted}::text"),
                    // The text protocol sends every value as the server prints it.
                    Dialect::Mysql | Dialect::MariaDb => quoted,
                }
            })
            .collect();
        let rows = session
            .rows(&format!("SELECT {} FROM {}", list.join(", "), dialect.quote_name(&shape.name)))
            .await?;
        let mut photograph = Photograph { columns: columns.clone(), rows: BTreeMap::new() };
        for row in rows {
            let row: Row = columns.iter().cloned().zip(row.0).collect();
            let key = shape.key.iter().map(|k| row[&k.to_string()].clone()).collect();
            photograph.rows.insert(key, row);
        }
        album.insert((*table).to_owned(), photograph);
    }
    Ok(album)
}

/// What a table must hold after the way back: what it held `before`, overlaid with what was
/// written between `after_up` and `now`.
pub(super) fn expected(
    before: &Photograph,
    after_up: Option<&Photograph>,
    now: Option<&Photograph>,
) -> Photograph {
    let empty = Photograph::default();
    let (after_up, now) = (after_up.unwrap_or(&empty), now.unwrap_or(&empty));
    let keys: BTreeSet<_> = before.rows.keys().chain(now.rows.keys()).collect();
    let mut rows = BTreeMap::new();
    for key in keys {
        let row: Row = match (before.rows.get(key), after_up.rows.get(key), now.rows.get(key)) {
            // The migration destroyed it and nobody wrote it again.
            (Some(old), None, None) => old.clone(),
            // The new release deleted it.
            (_, Some(_), None) | (None, None, None) => continue,
            (old, left, Some(new)) => before
                .columns
                .iter()
                .map(|column| {
                    let old = old.and_then(|row| row.get(column));
                    let left = left.and_then(|row| row.get(column));
                    let new = new.get(column);
                    // Written since wins; untouched since goes back.
                    let value = match (left, new) {
                        (Some(left), Some(new)) if left == new => old.or(Some(new)),
                        (_, Some(new)) => Some(new),
                        (_, None) => old,
                    };
                    (column.clone(), value.cloned().flatten())
                })
                .collect(),
        };
        rows.insert(key.clone(), row);
    }
    Photograph { columns: before.columns.clone(), rows }
}

/// How many rows are new, gone and changed from one moment to another.
pub(super) fn writes(from: &Photograph, to: &Photograph) -> (usize, usize, usize) {
    let added = to.rows.keys().filter(|key| !from.rows.contains_key(*key)).count();
    let gone = from.rows.keys().filter(|key| !to.rows.contains_key(*key)).count();
    let changed = from
        .rows
        .iter()
        .filter(|(key, row)| to.rows.get(*key).is_some_and(|other| other != *row))
        .count();
    (added, gone, changed)
}

/// The verdict on one table.
pub(super) struct Verdict {
    /// Short sha256 of the expected content.
    pub(super) expected: String,
    /// Short sha256 of what is there.
    pub(super) actual: String,
}

impl Verdict {
    pub(super) fn holds(&self) -> bool {
        self.expected == self.actual
    }
}

/// Compares what must be with what is.
///
/// A column that the migration dropped has a default again after the way back: rows that were
/// written while it was gone take it, so columns outside of `now` are compared for old rows only.
pub(super) fn verdict(
    before: &Photograph,
    after_up: Option<&Photograph>,
    now: Option<&Photograph>,
    after_down: &Photograph,
) -> Verdict {
    let mut expected = expected(before, after_up, now);
    for (key, row) in &mut expected.rows {
        if before.rows.contains_key(key) {
            continue;
        }
        for (column, value) in row.iter_mut() {
            let unknown = now.is_none_or(|now| !now.columns.contains(column));
            if unknown && let Some(actual) = after_down.rows.get(key).and_then(|r| r.get(column)) {
                value.clone_from(actual);
            }
        }
    }
    Verdict { expected: short(&expected.hash()), actual: short(&after_down.hash()) }
}

/// sha256 over a whole album.
pub(super) fn album_hash(album: &Album) -> String {
    let mut hasher = Sha256::new();
    for (name, photograph) in album {
        hasher.update(name);
        hasher.update(photograph.hash());
    }
    short(&hasher.finalize().into())
}

/// The first 16 hexadecimal digits.
fn short(hash: &[u8; 32]) -> String {
    hash[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(columns: &[&str], rows: &[&[&str]]) -> Photograph {
        let columns: Vec<String> = columns.iter().map(|c| (*c).to_owned()).collect();
        let rows = rows
            .iter()
            .map(|values| {
                let row: Row = columns
                    .iter()
                    .cloned()
                    .zip(values.iter().map(|v| Some((*v).to_owned())))
                    .collect();
                (vec![Some(values[0].to_owned())], row)
            })
            .collect();
        Photograph { columns, rows }
    }

    #[test]
    fn what_was_written_since_wins_and_the_rest_goes_back() {
        let before = table(
            &["id", "mail", "fax"],
            &[&["1", "A", "f1"], &["2", "B", "f2"], &["3", "C", "f3"]],
        );
        let after_up = table(&["id", "mail"], &[&["1", "a"], &["2", "b"], &["3", "c"]]);
        let now = table(&["id", "mail"], &[&["1", "a"], &["2", "new"], &["4", "d"]]);
        let good = table(
            &["id", "mail", "fax"],
            &[&["1", "A", "f1"], &["2", "new", "f2"], &["4", "d", "any"]],
        );
        assert!(verdict(&before, Some(&after_up), Some(&now), &good).holds());
        for bad in [
            // A lost value, a lost write, a lost row, a row too many.
            table(
                &["id", "mail", "fax"],
                &[&["1", "A", ""], &["2", "new", "f2"], &["4", "d", "any"]],
            ),
            table(
                &["id", "mail", "fax"],
                &[&["1", "A", "f1"], &["2", "B", "f2"], &["4", "d", "any"]],
            ),
            table(&["id", "mail", "fax"], &[&["1", "A", "f1"], &["2", "new", "f2"]]),
            table(
                &["id", "mail", "fax"],
                &[&["1", "A", "f1"], &["2", "new", "f2"], &["3", "C", "f3"], &["4", "d", "any"]],
            ),
        ] {
            assert!(!verdict(&before, Some(&after_up), Some(&now), &bad).holds());
        }
    }

    #[test]
    fn a_table_that_was_dropped_comes_back_whole() {
        let before = table(&["id", "body"], &[&["1", "x"], &["2", "y"]]);
        assert!(verdict(&before, None, None, &before).holds());
        assert!(!verdict(&before, None, None, &table(&["id", "body"], &[&["1", "x"]])).holds());
    }
}

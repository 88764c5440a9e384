//! Which type holds every value of another, and whether the same characters are other bytes.

use downhaul_catalog::{Column, Table};
use downhaul_syntax::{ColumnDef, SqlType};

/// Whether each value of the old column can be assigned to the new one and back, and is the same then.
pub(super) fn takes_all(old: &Column, new: &ColumnDef, table: &Table) -> bool {
    let (Some(from), Some(to)) = (&old.ty, &new.ty) else { return false };
    if let (Some(from), Some(to)) = (digits(from), digits(to)) {
        return to.takes(&from);
    }
    if from.name == "enum" && to.name == "enum" {
        return from.args.iter().all(|label| to.args.contains(label)) && knows_all(old, new, table);
    }
    match (bytes(from), bytes(to)) {
        (Some(from), Some(to)) => to >= from,
        _ => match (characters(from), characters(to)) {
            (Some(held), Some(room)) => {
                // Blanks at the end of a CHAR are not kept.
                (from.name == "char") == (to.name == "char")
                    && room.takes(&held)
                    && knows_all(old, new, table)
            }
            _ => false,
        },
    }
}

/// Whether the characters or their order are others afterwards.
pub(super) fn is_recoded(old: &Column, new: &ColumnDef, table: &Table) -> bool {
    let (from, to) = (spelling_of_old(old, table), spelling_of_new(new, table));
    is_text(old.ty.as_ref()) && is_text(new.ty.as_ref()) && from != to
}

/// Whether it holds characters.
pub(super) fn is_text(ty: Option<&SqlType>) -> bool {
    ty.is_some_and(|ty| characters(ty).is_some() || matches!(ty.name.as_str(), "enum" | "set"))
}

/// Character set and collation, as far as they are stated.
type Spelling = (Option<String>, Option<String>);

fn spelling_of_old(column: &Column, table: &Table) -> Spelling {
    spelling(column.ty.as_ref(), column.collation.as_deref(), table)
}

fn spelling_of_new(column: &ColumnDef, table: &Table) -> Spelling {
    spelling(column.ty.as_ref(), column.collation.as_deref(), table)
}

fn spelling(ty: Option<&SqlType>, collation: Option<&str>, table: &Table) -> Spelling {
    let option = |names: &[&str]| names.iter().find_map(|name| table.options.get(*name).cloned());
    let own = ty.and_then(|ty| ty.charset.clone());
    let (charset, collation) = match (own, collation) {
        (None, None) => {
            let collation = option(&["collate", "default collate"]);
            let charset =
                option(&["charset", "character set", "default charset", "default character set"]);
            (charset, collation)
        }
        (charset, collation) => (charset, collation.map(str::to_owned)),
    };
    let charset = charset
        .or_else(|| collation.as_deref().and_then(|c| c.split('_').next()).map(str::to_owned));
    let lower = |text: String| match text.trim_matches(['\'', '"', '`']).to_lowercase().as_str() {
        "utf8" => "utf8mb3".to_owned(),
        other => other.to_owned(),
    };
    (charset.map(lower), collation.map(lower))
}

/// Whether the new column's characters are all of those of the old one's.
fn knows_all(old: &Column, new: &ColumnDef, table: &Table) -> bool {
    let (from, to) = (spelling_of_old(old, table).0, spelling_of_new(new, table).0);
    from == to || to.as_deref() == Some("utf8mb4")
}

/// Numbers without a fraction, or with a fixed one: the smallest and the largest, and its digits.
struct Range {
    from: i128,
    to: i128,
    scale: u32,
}

impl Range {
    fn takes(&self, other: &Self) -> bool {
        self.scale == other.scale && self.from <= other.from && self.to >= other.to
    }
}

fn digits(ty: &SqlType) -> Option<Range> {
    let bits = match ty.name.as_str() {
        "tinyint" | "boolean" => 8,
        "smallint" => 16,
        "mediumint" => 24,
        "int" | "integer" => 32,
        "bigint" => 64,
        "decimal" | "numeric" => {
            let arg = |at: usize| ty.args.get(at).and_then(|a| a.trim().parse::<u32>().ok());
            let (precision, scale) = (arg(0).unwrap_or(10), arg(1).unwrap_or(0));
            let most = 10_i128.checked_pow(precision)? - 1;
            let least = if ty.unsigned { 0 } else { -most };
            // In units of the last digit.
            return Some(Range { from: least, to: most, scale });
        }
        _ => return None,
    };
    let half = 1_i128 << (bits - 1);
    Some(if ty.unsigned {
        Range { from: 0, to: 2 * half - 1, scale: 0 }
    } else {
        Range { from: -half, to: half - 1, scale: 0 }
    })
}

/// Most bytes of a type that holds bytes.
fn bytes(ty: &SqlType) -> Option<u64> {
    Some(match ty.name.as_str() {
        "varbinary" => ty.args.first()?.trim().parse().ok()?,
        "tinyblob" => 255,
        "blob" if ty.args.is_empty() => 65_535,
        "mediumblob" => 16_777_215,
        "longblob" => u64::from(u32::MAX),
        _ => return None,
    })
}

/// Room for characters: so many, or so many bytes.
enum Room {
    Characters(u64),
    Bytes(u64),
}

impl Room {
    fn takes(&self, held: &Self) -> bool {
        // A character has four bytes at most, and one at least.
        match (held, self) {
            (Self::Characters(held), Self::Characters(room))
            | (Self::Bytes(held), Self::Bytes(room) | Self::Characters(room)) => room >= held,
            (Self::Characters(held), Self::Bytes(room)) => *room >= held * 4,
        }
    }
}

fn characters(ty: &SqlType) -> Option<Room> {
    Some(match ty.name.as_str() {
        "varchar" => Room::Characters(ty.args.first()?.trim().parse().ok()?),
        "char" => Room::Characters(match ty.args.first() {
            Some(length) => length.trim().parse().ok()?,
            None => 1,
        }),
        "tinytext" => Room::Bytes(255),
        "text" if ty.args.is_empty() => Room::Bytes(65_535),
        "mediumtext" => Room::Bytes(16_777_215),
        "longtext" => Room::Bytes(u64::from(u32::MAX)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use downhaul_catalog::{Catalog, Origin};
    use downhaul_syntax::{Change, Dialect, parse_script};

    use super::*;

    /// Whether a column of one type can become one of another by assignment, and is recoded then.
    fn of(old: &str, new: &str) -> (bool, bool) {
        let dialect = Dialect::MariaDb;
        let mut now = Catalog::new(dialect);
        let base = format!("CREATE TABLE t (a {old}) CHARACTER SET latin1;");
        now.apply_script(&parse_script(&base, dialect), Origin::Series(0));
        let script = parse_script(&format!("ALTER TABLE t MODIFY a {new};"), dialect);
        let [Change::ModifyColumn { table, column, .. }] = script.statements[0].changes() else {
            panic!("{new}");
        };
        let table = now.table(table).unwrap();
        let old = &table.columns[0];
        (takes_all(old, column, table), is_recoded(old, column, table))
    }

    #[test]
    fn wider_types_take_all_values() {
        for (old, new, wanted) in [
            ("int", "bigint", (true, false)),
            ("bigint", "int", (false, false)),
            ("int unsigned", "int", (false, false)),
            ("int unsigned", "bigint", (true, false)),
            ("int", "int unsigned", (false, false)),
            ("int", "decimal(10)", (true, false)),
            ("int", "decimal(12,2)", (false, false)),
            ("decimal(8,2)", "decimal(12,2)", (true, false)),
            ("decimal(8,2)", "decimal(12,3)", (false, false)),
            ("float", "double", (false, false)),
            ("varchar(50)", "varchar(500)", (true, false)),
            ("varchar(50)", "text", (true, false)),
            ("varchar(100)", "tinytext", (false, false)),
            ("text", "varchar(500)", (false, false)),
            ("char(5)", "varchar(10)", (false, false)),
            ("varchar(10)", "varchar(10) CHARACTER SET utf8mb4", (true, true)),
            ("varchar(10) CHARACTER SET utf8mb4", "varchar(10)", (false, true)),
            ("varchar(10)", "varchar(10) COLLATE latin1_bin", (true, true)),
            ("varchar(10)", "varchar(10) CHARACTER SET latin1", (true, false)),
            ("enum('a','b')", "enum('c','b','a')", (true, false)),
            ("enum('a','b')", "enum('a')", (false, false)),
            ("int", "varchar(20)", (false, false)),
            ("date", "datetime", (false, false)),
        ] {
            assert_eq!(of(old, new), wanted, "{old} to {new}");
        }
    }
}

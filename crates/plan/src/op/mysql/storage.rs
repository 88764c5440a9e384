//! Which type holds every value of another, and whether the same characters are other bytes.

use downhaul_catalog::{Column, Table, render_type, same_type};
use downhaul_syntax::{ColumnDef, Dialect, SqlType};

/// Whether values are stored alike, whatever their characters are (see [`is_recoded`]): a width for
/// display (`int(11)`) means nothing.
pub(super) fn is_same(old: &Column, new: &ColumnDef, dialect: Dialect) -> bool {
    let (Some(from), Some(to)) = (&old.ty, &new.ty) else { return old.ty == new.ty };
    let plain = |ty: &SqlType| SqlType { charset: None, ..ty.clone() };
    let is_integer = |ty: &SqlType| digits(ty).is_some() && ty.name != "decimal";
    same_type(&plain(from), &plain(to), dialect)
        || is_integer(from) && from.name == to.name && from.unsigned == to.unsigned
}

/// Whether each value of the old column can be assigned to the new one and back, and is the same then.
pub(super) fn takes_all(old: &Column, new: &ColumnDef, table: &Table) -> bool {
    let (Some(from), Some(to)) = (&old.ty, &new.ty) else { return false };
    if let (Some(from), Some(to)) = (digits(from), digits(to)) {
        return to.takes(&from);
    }
    if from.name == "enum" && to.name == "enum" {
        return from.args.iter().all(|label| to.args.contains(label)) && knows_all(old, new, table);
    }
    if from.name == "set" && to.name == "set" {
        // Several are written in the order of their definition.
        let known = to.args.iter().filter(|label| from.args.contains(label));
        return known.eq(from.args.iter()) && knows_all(old, new, table);
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

/// The text type that takes as many characters in another character set: the server chooses it by itself.
pub(super) fn grown(column: &Column, charset: &str, table: &Table) -> Option<&'static str> {
    let bytes = bytes_of(&charset.to_lowercase())?;
    if bytes <= character_bytes(column, table)? {
        return None;
    }
    Some(match column.ty.as_ref()?.name.as_str() {
        "tinytext" => "text",
        "text" => "mediumtext",
        "mediumtext" => "longtext",
        _ => return None,
    })
}

/// Most bytes of a character of the column, where its character set is stated and known.
pub(super) fn character_bytes(column: &Column, table: &Table) -> Option<u32> {
    bytes_of(&spelling_of_old(column, table).0?)
}

fn bytes_of(charset: &str) -> Option<u32> {
    Some(match charset {
        "latin1" | "latin2" | "latin5" | "latin7" | "ascii" | "binary" | "cp1250" | "cp1251"
        | "cp1252" | "koi8r" | "hebrew" | "greek" => 1,
        "ucs2" | "gbk" | "sjis" | "euckr" | "big5" => 2,
        "utf8" | "utf8mb3" | "ujis" => 3,
        "utf8mb4" | "utf16" | "utf32" => 4,
        _ => return None,
    })
}

/// Whether the new column's characters are all of those of the old one's.
fn knows_all(old: &Column, new: &ColumnDef, table: &Table) -> bool {
    let (from, to) = (spelling_of_old(old, table).0, spelling_of_new(new, table).0);
    from == to || to.as_deref() == Some("utf8mb4")
}

/// A value of a wider type as one of this type, as an expression over the column.
pub(super) fn narrowed(to: &Column, dialect: Dialect) -> Option<String> {
    held_in(&dialect.quote_if_needed(&to.name), to.ty.as_ref()?, dialect)
}

/// A value as one of a type, where no more than cutting it is needed.
fn held_in(value: &str, ty: &SqlType, dialect: Dialect) -> Option<String> {
    match ty.name.as_str() {
        "varchar" | "char" => Some(format!("left({value}, {})", ty.args.first()?.trim())),
        "enum" => {
            let labels: Vec<String> = ty.args.iter().map(|label| dialect.literal(label)).collect();
            let first = labels.first()?;
            Some(format!("if({value} IN ({}), {value}, {first})", labels.join(", ")))
        }
        _ => None,
    }
}

/// How values may get from a type to another and back, for a refusal: the expressions that most people mean.
/// A person looks at them before they are used.
pub(super) fn example(old: &Column, new: &ColumnDef, dialect: Dialect) -> Option<[String; 2]> {
    let (from, to) = (old.ty.as_ref()?, new.ty.as_ref()?);
    let (there, back) = (dialect.quote_if_needed(&old.name), dialect.quote_if_needed(&new.name));
    let is_whole = |ty: &SqlType| digits(ty).is_some_and(|range| range.scale == 0);
    let is_fixed = |ty: &SqlType| digits(ty).is_some();
    let is_string = |ty: &SqlType| is_text(Some(ty)) && !matches!(ty.name.as_str(), "enum" | "set");
    let labels = |ty: &SqlType| matches!(ty.name.as_str(), "enum");
    let moment = |ty: &SqlType| matches!(ty.name.as_str(), "datetime" | "timestamp");
    let date = |ty: &SqlType| ty.name == "date";
    let signed = |ty: &SqlType| if ty.unsigned { "UNSIGNED" } else { "SIGNED" };
    let way = |value: &str, from: &SqlType, to: &SqlType| -> Option<String> {
        match (from, to) {
            // What does not fit is refused, and nothing is lost.
            (f, t) if is_whole(f) && is_whole(t) => Some(value.to_owned()),
            (f, t) if is_whole(f) && is_fixed(t) => Some(value.to_owned()),
            (f, t) if is_fixed(f) && is_whole(t) => Some(format!("round({value})")),
            (f, t) if is_fixed(f) && is_fixed(t) && t.name == "decimal" => {
                Some(format!("CAST({value} AS {})", render_type(t, dialect)))
            }
            (f, t) if (is_string(f) || labels(f)) && labels(t) => held_in(value, t, dialect),
            (f, t) if (is_string(f) || labels(f)) && is_string(t) => {
                held_in(value, t, dialect).or_else(|| Some(value.to_owned()))
            }
            (f, t) if is_whole(f) && is_string(t) => {
                held_in(&format!("CAST({value} AS char)"), t, dialect)
            }
            (f, t) if is_string(f) && is_whole(t) => {
                Some(format!("CAST({value} AS {})", signed(t)))
            }
            (f, t) if date(f) && moment(t) => Some(value.to_owned()),
            (f, t) if moment(f) && date(t) => Some(format!("date({value})")),
            (f, t) if moment(f) && moment(t) => Some(value.to_owned()),
            _ => None,
        }
    };
    Some([way(&there, from, to)?, way(&back, to, from)?])
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
            ("set('a','b')", "set('a','x','b')", (true, false)),
            ("set('a','b')", "set('b','a')", (false, false)),
            ("set('a','b')", "set('a')", (false, false)),
            ("int", "varchar(20)", (false, false)),
            ("date", "datetime", (false, false)),
        ] {
            assert_eq!(of(old, new), wanted, "{old} to {new}");
        }
    }
}

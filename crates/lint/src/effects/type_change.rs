//! What a change of a column's type means: for the table's storage, for values, for old releases.

use downhaul_catalog::Catalog;
use downhaul_syntax::{Dialect, Expr, Ident, SqlType, TypeDef};

/// What PostgreSQL does to the stored rows (measured, and `ATColumnChangeRequiresRewrite` of
/// tablecmds.c).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Storage {
    /// Only the system catalog changes.
    Free,
    /// Rows stay, indexes on the column are built anew.
    Reindex,
    /// Every row is written anew, every index built anew.
    Rewrite,
}

/// What a change of type means to values and to releases that know the old type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// Nothing that a client can see.
    Same,
    /// Every old value fits; clients that read into a fixed width may not hold new values.
    Wider,
    /// Some old values may not fit: they are cut, rounded or make the statement fail.
    Narrower(&'static str),
    /// Another kind of value.
    Other,
    /// The old type is not known.
    Unknown,
}

fn number(ty: &SqlType, at: usize) -> Option<u64> {
    ty.args.get(at).and_then(|a| a.trim().parse().ok())
}

/// Resolves a domain to its base type and says whether anything is checked on the way.
fn resolve(ty: &SqlType, catalog: &Catalog) -> (SqlType, bool) {
    let mut ty = ty.clone();
    let mut constrained = false;
    for _ in 0..8 {
        let name = user_type_name(&ty, catalog);
        let Some(TypeDef::Domain { base, not_null, checks, .. }) =
            catalog.types.get(&name).map(|t| &t.def)
        else {
            break;
        };
        constrained |= *not_null || !checks.is_empty();
        ty = base.clone();
    }
    (ty, constrained)
}

fn user_type_name(ty: &SqlType, catalog: &Catalog) -> downhaul_syntax::ObjectName {
    catalog.normalize(&downhaul_syntax::ObjectName {
        schema: ty.schema.clone(),
        name: Ident::stored(catalog.dialect, &ty.name),
    })
}

/// A domain that demands something: adding a column of it rewrites the table (measured).
pub(crate) fn is_constrained_domain(ty: &SqlType, catalog: &Catalog) -> bool {
    ty.dimensions == 0 && resolve(ty, catalog).1
}

/// Whether `USING` only says what would happen anyway: `c`, or `c::new_type`.
pub(crate) fn using_is_plain(using: &Expr, column: &Ident, new: &SqlType) -> bool {
    let squash = |s: &str| {
        s.chars().filter(|c| !c.is_whitespace() && *c != '"').collect::<String>().to_lowercase()
    };
    let text = squash(&using.text);
    let text = text.trim_start_matches('(').trim_end_matches(')');
    let column = squash(column.as_str());
    let raw = squash(&new.raw);
    if text == column {
        return true;
    }
    let casts = |target: &str| {
        target == raw
            || target.trim_end_matches(')') == raw.trim_end_matches(')')
            || target == new.name
    };
    let mut parts = text.split("::");
    if parts.next().map(|p| p.trim_end_matches(')')) == Some(column.as_str()) {
        return parts.clone().count() == 1 && parts.next().is_some_and(casts);
    }
    text.strip_prefix("cast(")
        .and_then(|rest| rest.strip_prefix(column.as_str()))
        .and_then(|rest| rest.strip_prefix("as"))
        .is_some_and(|target| casts(target.trim_end_matches(')')))
}

/// What PostgreSQL does to the rows. `utc`: the session's `TimeZone` is UTC.
pub(crate) fn storage(
    old: &SqlType,
    new: &SqlType,
    catalog: &Catalog,
    utc: bool,
    collation_changes: bool,
) -> Storage {
    let (from, _) = resolve(old, catalog);
    let (to, checked) = resolve(new, catalog);
    let same_domain = old.name == new.name && old.schema == new.schema;
    if checked && !same_domain {
        return Storage::Rewrite;
    }
    // What a domain holds is not known to fit: a length is applied to each value (measured).
    let from_domain = from.name != old.name || from.schema != old.schema;
    if from_domain && !same_domain && !to.args.is_empty() {
        return Storage::Rewrite;
    }
    match relabel(&from, &to, utc) {
        Storage::Free if collation_changes => Storage::Reindex,
        other => other,
    }
}

fn relabel(from: &SqlType, to: &SqlType, utc: bool) -> Storage {
    let free = |yes: bool| if yes { Storage::Free } else { Storage::Rewrite };
    if from.dimensions > 0 || to.dimensions > 0 {
        // Arrays of the same element: only dropping the length costs nothing.
        return free(
            from.dimensions > 0
                && to.dimensions > 0
                && from.name == to.name
                && from.schema == to.schema
                && (from.args == to.args || to.args.is_empty()),
        );
    }
    match (from.name.as_str(), to.name.as_str()) {
        ("varchar", "varchar") | ("varbit", "varbit") => {
            free(match (number(from, 0), number(to, 0)) {
                (_, None) => true,
                (Some(old), Some(new)) => new >= old,
                (None, Some(_)) => false,
            })
        }
        ("varchar", "text") | ("text", "text") => Storage::Free,
        ("text", "varchar") => free(to.args.is_empty()),
        ("numeric", "numeric") => free(match (number(from, 0), number(to, 0)) {
            (_, None) => true,
            (Some(old), Some(new)) => {
                new >= old && number(from, 1).unwrap_or(0) == number(to, 1).unwrap_or(0)
            }
            (None, Some(_)) => false,
        }),
        ("timestamp", "timestamptz") | ("timestamptz", "timestamp") => {
            if utc && number(to, 0).unwrap_or(6) >= number(from, 0).unwrap_or(6) {
                Storage::Reindex
            } else {
                Storage::Rewrite
            }
        }
        ("timestamp", "timestamp")
        | ("timestamptz", "timestamptz")
        | ("time", "time")
        | ("timetz", "timetz") => free(number(to, 0).unwrap_or(6) >= number(from, 0).unwrap_or(6)),
        ("interval", "interval") => free(from.args == to.args || to.args.is_empty()),
        ("cidr", "inet") => Storage::Free,
        ("integer", "oid" | "regclass" | "regtype" | "regproc")
        | ("oid", "integer" | "regclass" | "regtype" | "regproc") => Storage::Free,
        ("text" | "varchar", "citext") | ("citext", "text") if to.args.is_empty() => {
            Storage::Reindex
        }
        ("xml", "text") | ("xml", "varchar") if to.args.is_empty() => Storage::Free,
        (a, b) => free(a == b && from.schema == to.schema && from.args == to.args),
    }
}

/// Bounds of a whole-number type as powers of two: (negative bits, positive bits).
fn integer_bits(ty: &SqlType) -> Option<(u32, u32)> {
    let bits = match ty.name.as_str() {
        "tinyint" => 8,
        "smallint" | "smallserial" | "year" => 16,
        "mediumint" => 24,
        "integer" | "int" | "serial" => 32,
        "bigint" | "bigserial" => 64,
        _ => return None,
    };
    Some(if ty.unsigned { (0, bits) } else { (bits - 1, bits - 1) })
}

/// Digits that a whole number may need.
fn integer_digits(ty: &SqlType) -> Option<u64> {
    integer_bits(ty).map(|(_, positive)| match positive {
        0..=8 => 3,
        9..=16 => 5,
        17..=24 => 8,
        25..=32 => 10,
        _ => 20,
    })
}

/// The most characters a text type holds; `Some(u64::MAX)` without a limit.
fn text_limit(ty: &SqlType, dialect: Dialect) -> Option<u64> {
    Some(match ty.name.as_str() {
        "char" | "bpchar" | "nchar" => number(ty, 0).unwrap_or(1),
        "varchar" | "nvarchar" => number(ty, 0).unwrap_or(u64::MAX),
        "tinytext" => 255,
        "text" if dialect.is_mysql_family() => 65_535,
        "mediumtext" => 16_777_215,
        "text" | "longtext" | "citext" | "clob" => u64::MAX,
        _ => return None,
    })
}

fn binary_limit(ty: &SqlType) -> Option<u64> {
    Some(match ty.name.as_str() {
        "binary" => number(ty, 0).unwrap_or(1),
        "varbinary" => number(ty, 0).unwrap_or(u64::MAX),
        "tinyblob" => 255,
        "blob" => 65_535,
        "mediumblob" => 16_777_215,
        "longblob" | "bytea" => u64::MAX,
        _ => return None,
    })
}

fn float_bits(ty: &SqlType) -> Option<u32> {
    match ty.name.as_str() {
        "real" | "float" => Some(24),
        "double precision" | "double" => Some(53),
        _ => None,
    }
}

fn is_numeric(ty: &SqlType) -> bool {
    matches!(ty.name.as_str(), "numeric" | "decimal" | "dec" | "fixed")
}

/// What a change of type means to values and clients.
pub(crate) fn fit(old: &SqlType, new: &SqlType, catalog: &Catalog) -> Fit {
    let (old, _) = resolve(old, catalog);
    let (new, _) = resolve(new, catalog);
    let dialect = catalog.dialect;
    if old.dimensions != new.dimensions {
        return Fit::Other;
    }
    if let (Some((n0, p0)), Some((n1, p1))) = (integer_bits(&old), integer_bits(&new)) {
        return match (n1 >= n0, p1 >= p0) {
            (true, true) if (n0, p0) == (n1, p1) => Fit::Same,
            (true, true) => Fit::Wider,
            _ => Fit::Narrower("numbers outside the smaller range"),
        };
    }
    if let (Some(a), Some(b)) = (text_limit(&old, dialect), text_limit(&new, dialect)) {
        let padded = |ty: &SqlType| matches!(ty.name.as_str(), "char" | "bpchar" | "nchar");
        return match (a.cmp(&b), padded(&old) == padded(&new)) {
            (std::cmp::Ordering::Greater, _) => Fit::Narrower("text longer than the new limit"),
            (_, true) => Fit::Same,
            (_, false) => Fit::Wider,
        };
    }
    if let (Some(a), Some(b)) = (binary_limit(&old), binary_limit(&new)) {
        return if b < a { Fit::Narrower("bytes beyond the new limit") } else { Fit::Same };
    }
    if is_numeric(&old) && is_numeric(&new) {
        return numeric_fit(&old, &new, dialect);
    }
    if let (Some(a), Some(b)) = (float_bits(&old), float_bits(&new)) {
        return match a.cmp(&b) {
            std::cmp::Ordering::Less => Fit::Wider,
            std::cmp::Ordering::Equal => Fit::Same,
            std::cmp::Ordering::Greater => Fit::Narrower("digits beyond single precision"),
        };
    }
    if let Some(fit) = across_number_kinds(&old, &new) {
        return fit;
    }
    match (old.name.as_str(), new.name.as_str()) {
        ("timestamp" | "timestamptz" | "datetime", "date") => {
            Fit::Narrower("the time of day, which is dropped")
        }
        ("timestamp" | "timestamptz" | "datetime", "time" | "timetz") => {
            Fit::Narrower("the date, which is dropped")
        }
        ("date", "timestamp" | "datetime" | "timestamptz") => Fit::Wider,
        ("boolean", _) | (_, "json" | "jsonb" | "text") if old.name != new.name => Fit::Other,
        (a, "boolean") if a != "boolean" => {
            if text_limit(&old, dialect).is_some() {
                Fit::Other
            } else {
                Fit::Narrower("values other than true and false")
            }
        }
        ("inet", "cidr") => Fit::Narrower("addresses with host bits"),
        ("cidr", "inet") => Fit::Same,
        ("jsonb", "json") | ("json", "jsonb") => Fit::Other,
        (a, b)
            if a == b
                && matches!(a, "timestamp" | "timestamptz" | "time" | "timetz" | "datetime") =>
        {
            let usual = if dialect.is_mysql_family() { 0 } else { 6 };
            let (p, q) = (number(&old, 0).unwrap_or(usual), number(&new, 0).unwrap_or(usual));
            if q < p {
                Fit::Narrower("fractions of a second, which are rounded")
            } else {
                Fit::Same
            }
        }
        ("bit", "bit") | ("varbit", "varbit") => match (number(&old, 0), number(&new, 0)) {
            (Some(a), Some(b)) if b < a => Fit::Narrower("bits beyond the new length"),
            (None, Some(_)) if old.name == "varbit" => Fit::Narrower("bits beyond the new length"),
            _ => Fit::Same,
        },
        ("enum" | "set", "enum" | "set") => labels_fit(&old, &new),
        (a, b) if a == b && old.schema == new.schema => {
            if old.args == new.args {
                Fit::Same
            } else {
                Fit::Other
            }
        }
        _ => Fit::Other,
    }
}

fn numeric_fit(old: &SqlType, new: &SqlType, dialect: Dialect) -> Fit {
    let usual = |ty: &SqlType| {
        if dialect.is_mysql_family() && ty.args.is_empty() { Some(10) } else { number(ty, 0) }
    };
    let scale = |ty: &SqlType| number(ty, 1).unwrap_or(0);
    match (usual(old), usual(new)) {
        (_, None) => Fit::Same,
        (None, Some(_)) => Fit::Narrower("digits beyond the new precision or scale"),
        (Some(_), Some(_)) if scale(new) < scale(old) => {
            Fit::Narrower("decimal places beyond the new scale, which are rounded")
        }
        (Some(p), Some(q)) if q.saturating_sub(scale(new)) < p.saturating_sub(scale(old)) => {
            Fit::Narrower("numbers with more digits before the point")
        }
        _ => Fit::Same,
    }
}

/// Changes between whole, exact and floating numbers.
fn across_number_kinds(old: &SqlType, new: &SqlType) -> Option<Fit> {
    if integer_bits(new).is_some() && (is_numeric(old) || float_bits(old).is_some()) {
        if is_numeric(old)
            && number(old, 1).unwrap_or(0) == 0
            && number(old, 0).is_some_and(|p| integer_digits(new).is_some_and(|d| p < d))
        {
            return Some(Fit::Other);
        }
        return Some(Fit::Narrower("fractions, which are rounded away"));
    }
    if let Some(digits) = integer_digits(old) {
        if is_numeric(new) {
            let room = number(new, 0).map(|p| p.saturating_sub(number(new, 1).unwrap_or(0)));
            return Some(match room {
                Some(room) if room < digits => Fit::Narrower("numbers with more digits"),
                _ => Fit::Wider,
            });
        }
        if let Some(bits) = float_bits(new) {
            let needed = integer_bits(old).map_or(63, |(_, p)| p);
            return Some(if needed > bits {
                Fit::Narrower("digits beyond the precision of a floating-point number")
            } else {
                Fit::Wider
            });
        }
        return None;
    }
    if is_numeric(old) && float_bits(new).is_some() {
        return Some(Fit::Narrower("digits beyond the precision of a floating-point number"));
    }
    if float_bits(old).is_some() && is_numeric(new) {
        return Some(if new.args.is_empty() {
            Fit::Other
        } else {
            Fit::Narrower("decimal places beyond the new scale, which are rounded")
        });
    }
    None
}

/// MySQL `ENUM` and `SET`: the old labels must stand first, in the same order.
pub(crate) fn labels_fit(old: &SqlType, new: &SqlType) -> Fit {
    if old.name != new.name {
        return Fit::Other;
    }
    if new.args.starts_with(&old.args) {
        return Fit::Same;
    }
    if old.args.iter().all(|label| new.args.contains(label)) {
        return Fit::Wider;
    }
    Fit::Narrower("labels that are gone")
}

#[cfg(test)]
mod tests {
    use downhaul_syntax::{Change, Parsed, parse_script};

    use super::*;

    fn ty(text: &str, dialect: Dialect) -> SqlType {
        let script = parse_script(&format!("CREATE TABLE x (c {text})"), dialect);
        match &script.statements[0].parsed {
            Parsed::Changes(changes) => match &changes[0] {
                Change::CreateTable { def, .. } => def.columns[0].ty.clone().expect("a type"),
                other => panic!("{other:?}"),
            },
            Parsed::Unparsed(error) => panic!("{text}: {}", error.message),
        }
    }

    #[test]
    fn storage_as_measured() {
        let catalog = Catalog::new(Dialect::Postgres);
        let check = |old: &str, new: &str, expect: Storage| {
            let (old_ty, new_ty) = (ty(old, Dialect::Postgres), ty(new, Dialect::Postgres));
            assert_eq!(storage(&old_ty, &new_ty, &catalog, false, false), expect, "{old} -> {new}");
        };
        for (old, new) in [
            ("varchar(20)", "varchar(40)"),
            ("varchar(20)", "text"),
            ("text", "varchar"),
            ("numeric(8,2)", "numeric(10,2)"),
            ("numeric(8,2)", "numeric"),
            ("cidr", "inet"),
            ("bit varying(4)", "bit varying(8)"),
            ("timestamp(3)", "timestamp(6)"),
            ("varchar(20)[]", "varchar[]"),
        ] {
            check(old, new, Storage::Free);
        }
        for (old, new) in [
            ("varchar(20)", "varchar(10)"),
            ("text", "varchar(30)"),
            ("int", "bigint"),
            ("numeric(8,2)", "numeric(10,4)"),
            ("timestamp", "timestamptz"),
            ("json", "jsonb"),
            ("char(10)", "text"),
            ("timestamp(6)", "timestamp(3)"),
            ("timestamp", "date"),
            ("int", "text"),
            ("text", "uuid"),
        ] {
            check(old, new, Storage::Rewrite);
        }
    }

    #[test]
    fn fits() {
        let check = |dialect: Dialect, old: &str, new: &str, expect: &str| {
            let catalog = Catalog::new(dialect);
            let got = match fit(&ty(old, dialect), &ty(new, dialect), &catalog) {
                Fit::Same => "same",
                Fit::Wider => "wider",
                Fit::Narrower(_) => "narrower",
                Fit::Other => "other",
                Fit::Unknown => "unknown",
            };
            assert_eq!(got, expect, "{dialect}: {old} -> {new}");
        };
        let pg = Dialect::Postgres;
        check(pg, "varchar(20)", "text", "same");
        check(pg, "text", "varchar(20)", "narrower");
        check(pg, "int", "bigint", "wider");
        check(pg, "bigint", "int", "narrower");
        check(pg, "numeric(10,2)", "numeric(12,2)", "same");
        check(pg, "numeric(10,4)", "numeric(12,2)", "narrower");
        check(pg, "numeric(10,2)", "int", "narrower");
        check(pg, "double precision", "real", "narrower");
        check(pg, "timestamptz", "date", "narrower");
        check(pg, "timestamptz", "timestamptz(0)", "narrower");
        check(pg, "text", "uuid", "other");
        check(pg, "int", "text", "other");
        let my = Dialect::Mysql;
        check(my, "int", "int unsigned", "narrower");
        check(my, "varchar(50)", "text", "same");
        check(my, "text", "varchar(255)", "narrower");
        check(my, "enum('a','b')", "enum('a','b','c')", "same");
        check(my, "enum('a','b')", "enum('b','a')", "wider");
        check(my, "enum('a','b')", "enum('a')", "narrower");
        check(my, "datetime", "datetime(3)", "same");
    }

    #[test]
    fn a_plain_using_changes_nothing() {
        let d = Dialect::Postgres;
        let check = |using: &str, new: &str, expect: bool| {
            let sql = format!("ALTER TABLE t ALTER COLUMN v TYPE {new} USING {using}");
            let script = parse_script(&sql, d);
            let Change::AlterColumnType { column, ty, using: Some(expr), .. } =
                &script.statements[0].changes()[0]
            else {
                panic!("{sql}")
            };
            assert_eq!(using_is_plain(expr, column, ty), expect, "{sql}");
        };
        check("v", "text", true);
        check("v::text", "text", true);
        check("(v::varchar(40))", "varchar(40)", true);
        check("CAST(v AS text)", "text", true);
        check("lower(v)", "text", false);
        check("v::integer::text", "text", false);
        check("substr(v, 1, 2)::text", "text", false);
    }
}

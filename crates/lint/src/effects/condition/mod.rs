//! Simple conditions of CHECK constraints, as far as they can be judged without a server: what the
//! schema says already, and which constant fails one.

mod words;

use downhaul_catalog::{Catalog, Column, Table};
use downhaul_syntax::{ColumnDef, ConstraintKind, Dialect, Ident, ObjectName, SqlType, TypeDef};

use words::{Atom, Bound, Subject, Words};

/// A value that an `INSERT` gives.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Given {
    Null,
    Number(f64),
    Text(String),
}

/// So many checks of a table are compared with a new one: a table that gets thousands is read in
/// linear time, and of those nobody expects that one implies another.
const MOST_CHECKS: usize = 64;

/// A condition that the type of its columns, their `NOT NULL` or the checks that are in force (those
/// of `more` too) let nothing fail.
pub(crate) fn holds_already(text: &str, table: &Table, more: &[&str], catalog: &Catalog) -> bool {
    let dialect = catalog.dialect;
    let own = table.constraints.iter().filter_map(|c| enforced(&c.kind, c.not_enforced));
    let known: Vec<Atom> = own
        .take(MOST_CHECKS)
        .chain(more.iter().copied())
        .flat_map(|text| Words::of(text, dialect).conjuncts())
        .flatten()
        .collect();
    let holds = |words: &Words| {
        let atoms = words.conjuncts().into_iter().collect::<Option<Vec<_>>>();
        atoms.is_some_and(|atoms| {
            !atoms.is_empty() && atoms.iter().all(|a| implied(a, &known, table, catalog))
        })
    };
    // Of several alternatives one is enough.
    let words = Words::of(text, dialect);
    holds(&words) || words.alternatives().iter().any(holds)
}

/// A check of the table, or of the domain that the column is of, which this value fails, as its
/// text.
pub(crate) fn failed<'t>(
    table: &'t Table,
    column: &'t Column,
    value: &Given,
    catalog: &'t Catalog,
) -> Option<&'t str> {
    let dialect = catalog.dialect;
    let collated = column.collation.is_some();
    let fails = |text: &str, name: &Ident| {
        let of = Of { name, ty: column.ty.as_ref(), collated, dialect };
        fails_text(text, &of, value)
    };
    let mut own =
        table.constraints.reading(&column.name).filter_map(|c| enforced(&c.kind, c.not_enforced));
    own.find(|text| fails(text, &column.name)).or_else(|| {
        let ty = column.ty.as_ref().filter(|ty| ty.dimensions == 0)?;
        let TypeDef::Domain { checks, .. } = definition(ty, catalog)? else { return None };
        let name = Ident::new(dialect, "value", false);
        let mut checks = checks.iter().filter_map(|c| enforced(&c.kind, c.not_enforced));
        checks.find(|text| fails(text, &name))
    })
}

/// A new column's check that this value of it fails.
pub(crate) fn fails_own(column: &ColumnDef, value: &Given, dialect: Dialect) -> bool {
    let collated = column.collation.is_some();
    let of = Of { name: &column.name, ty: column.ty.as_ref(), collated, dialect };
    let mut checks = column.constraints.iter().filter_map(|c| enforced(&c.kind, c.not_enforced));
    checks.any(|text| fails_text(text, &of, value))
}

/// The column that a value is for.
struct Of<'c> {
    /// As conditions call it.
    name: &'c Ident,
    ty: Option<&'c SqlType>,
    collated: bool,
    dialect: Dialect,
}

fn fails_text(text: &str, of: &Of<'_>, value: &Given) -> bool {
    Words::of(text, of.dialect).conjuncts().iter().flatten().any(|a| fails(a, of, value))
}

fn enforced(constraint: &ConstraintKind, not_enforced: bool) -> Option<&str> {
    match constraint {
        ConstraintKind::Check { expr, .. } if !not_enforced => Some(expr.text.as_str()),
        _ => None,
    }
}

/// The number is none of the type's.
pub(crate) fn out_of_range(ty: &SqlType, number: f64) -> bool {
    let digits = |at: usize| ty.args.get(at).map_or(Some(0), |n| n.trim().parse::<i32>().ok());
    if matches!(ty.name.as_str(), "numeric" | "decimal") && ty.dimensions == 0 {
        return match (ty.args.is_empty(), digits(0), digits(1)) {
            (false, Some(all), Some(behind)) => number.abs() >= 10_f64.powi(all - behind),
            _ => false,
        };
    }
    let Some((Some((low, _)), Some((high, _)))) = of_number(ty) else { return false };
    number < low || number > high
}

fn fails(atom: &Atom, column: &Of<'_>, value: &Given) -> bool {
    let name = column.name;
    let outside = |n: f64, low: &Option<Bound>, high: &Option<Bound>| {
        low.is_some_and(|(low, within)| n < low || n == low && !within)
            || high.is_some_and(|(high, within)| n > high || n == high && !within)
    };
    let ty = column.ty.map_or("", |t| t.name.as_str());
    // Where case or blanks may make no difference, only what differs in more is other.
    let loose = column.dialect.is_mysql_family() || column.collated || ty == "citext";
    let same = |a: &str, b: &str| match loose || ty == "char" {
        true => a.trim_end().to_lowercase() == b.trim_end().to_lowercase(),
        false => a == b,
    };
    match (atom, value) {
        (Atom::NotNull(c), Given::Null) => c == name,
        (Atom::Range { of: Subject::Value(c), low, high }, Given::Number(n)) => {
            c == name && outside(*n, low, high)
        }
        (Atom::Range { of: Subject::Length(c), low, high }, Given::Text(text)) => {
            #[expect(clippy::cast_precision_loss, reason = "the length of a literal")]
            let length = text.chars().count() as f64;
            c == name && ty != "char" && outside(length, low, high)
        }
        (Atom::OneOf(c, values), Given::Text(text)) => {
            c == name && !values.iter().any(|v| same(v, text))
        }
        (Atom::Not(c, other), Given::Text(text)) => c == name && other == text,
        (Atom::NotNumber(c, other), Given::Number(n)) => c == name && n == other,
        (Atom::Folded { column: c, upper }, Given::Text(text)) => {
            let folded = if *upper { text.to_uppercase() } else { text.to_lowercase() };
            c == name && !loose && folded != *text
        }
        _ => false,
    }
}

fn implied(atom: &Atom, known: &[Atom], table: &Table, catalog: &Catalog) -> bool {
    let column = |name: &Ident| table.column(name);
    match atom {
        Atom::NotNull(c) => column(c).is_some_and(|c| c.not_null) || known.contains(atom),
        Atom::Range { of, low, high } => {
            let (mut least, mut most) = match of {
                Subject::Value(c) => column(c).and_then(|c| c.ty.as_ref()).and_then(of_number),
                Subject::Length(c) => column(c).and_then(|c| c.ty.as_ref()).and_then(of_length),
            }
            .unwrap_or((None, None));
            for other in known {
                if let Atom::Range { of: subject, low, high } = other
                    && subject == of
                {
                    least = tighter(least, *low, |new, old| new > old);
                    most = tighter(most, *high, |new, old| new < old);
                }
            }
            let above = |(limit, within): Bound| {
                least.is_some_and(|(l, w)| l > limit || l == limit && (within || !w))
            };
            let below = |(limit, within): Bound| {
                most.is_some_and(|(m, w)| m < limit || m == limit && (within || !w))
            };
            low.is_none_or(above) && high.is_none_or(below)
        }
        Atom::OneOf(c, values) => {
            let labels = column(c).and_then(|c| c.ty.as_ref()).and_then(|ty| labels(ty, catalog));
            labels.is_some_and(|labels| labels.iter().all(|l| values.contains(l)))
                || known.iter().any(|k| {
                    matches!(k, Atom::OneOf(other, few)
                        if other == c && few.iter().all(|v| values.contains(v)))
                })
        }
        Atom::Folded { .. } | Atom::NotNumber(..) => known.contains(atom),
        Atom::Not(c, value) => {
            known.contains(atom)
                || known.iter().any(|k| match k {
                    Atom::OneOf(other, few) => other == c && !few.contains(value),
                    Atom::Range {
                        of: Subject::Length(other), low: Some((low, within)), ..
                    } => other == c && value.is_empty() && (*low > 0.0 || *low == 0.0 && !within),
                    _ => false,
                })
        }
    }
}

fn tighter(
    old: Option<Bound>,
    new: Option<Bound>,
    is_tighter: fn(f64, f64) -> bool,
) -> Option<Bound> {
    match (old, new) {
        (Some(o), Some(n)) if is_tighter(n.0, o.0) || n.0 == o.0 && !n.1 => Some(n),
        (Some(o), _) => Some(o),
        (None, n) => n,
    }
}

/// Least and greatest number of a type.
fn of_number(ty: &SqlType) -> Option<(Option<Bound>, Option<Bound>)> {
    if ty.dimensions > 0 {
        return None;
    }
    let bits = match ty.name.as_str() {
        "tinyint" => 8,
        "smallint" | "int2" => 16,
        "mediumint" => 24,
        "integer" | "int" | "int4" => 32,
        "bigint" | "int8" => 64,
        _ => return None,
    };
    let span = 2_f64.powi(bits);
    let (low, high) = if ty.unsigned { (0.0, span - 1.0) } else { (-span / 2.0, span / 2.0 - 1.0) };
    Some((Some((low, true)), Some((high, true))))
}

fn of_length(ty: &SqlType) -> Option<(Option<Bound>, Option<Bound>)> {
    let longest = matches!(ty.name.as_str(), "varchar" | "char") && ty.dimensions == 0;
    let most = ty.args.first().filter(|_| longest).and_then(|n| n.trim().parse::<f64>().ok());
    Some((Some((0.0, true)), most.map(|n| (n, true))))
}

/// Labels of an enum.
fn labels(ty: &SqlType, catalog: &Catalog) -> Option<Vec<String>> {
    let plain = |l: &String| l.trim_matches('\'').replace("''", "'");
    if ty.name == "enum" {
        return Some(ty.args.iter().map(plain).collect());
    }
    match definition(ty, catalog)? {
        TypeDef::Enum(labels) => Some(labels.clone()),
        _ => None,
    }
}

/// What the user's own type is.
fn definition<'c>(ty: &SqlType, catalog: &'c Catalog) -> Option<&'c TypeDef> {
    let name = Ident::stored(catalog.dialect, &ty.name);
    let name = catalog.normalize(&ObjectName { schema: ty.schema.clone(), name });
    catalog.types.get(&name).map(|t| &t.def)
}

#[cfg(test)]
mod tests {
    use super::*;
    use downhaul_catalog::Origin;
    use downhaul_syntax::parse_script;

    fn catalog(text: &str, dialect: Dialect) -> Catalog {
        let mut catalog = Catalog::new(dialect);
        catalog.apply_script(&parse_script(text, dialect), Origin::Baseline);
        catalog
    }

    const TABLE: &str = "CREATE TYPE mood AS ENUM ('ok', 'sad'); CREATE TABLE t (a integer NOT NULL, \
         v varchar(20), m mood, k text CHECK (k IN ('x', 'y')), p integer CHECK (p > 0), \
         w text CONSTRAINT w CHECK ((length(w) >= 2)));";

    #[test]
    fn what_the_schema_says_already() {
        let catalog = catalog(TABLE, Dialect::Postgres);
        let table = catalog.tables.values().next().unwrap();
        for (text, expect) in [
            ("a IS NOT NULL", true),
            ("v IS NOT NULL", false),
            ("length(v) <= 20", true),
            ("char_length(v) < 20", false),
            ("(char_length((v)::text) <= 50) AND a IS NOT NULL", true),
            ("m IN ('ok', 'sad', 'late')", true),
            ("m <> 'sad'", false),
            ("m = ANY (ARRAY['ok'::mood, 'sad'::mood])", true),
            ("m = 'ok'", false),
            ("k IN ('x', 'y', 'z')", true),
            ("k IS NULL OR k IN ('x', 'y')", true),
            ("k IN ('x')", false),
            ("k <> ''", true),
            ("w <> ''", true),
            ("p >= 0", true),
            ("p > -1 AND p <= 2147483647", true),
            ("0 < p", true),
            ("p > 1", false),
            ("p BETWEEN 0 AND 100", false),
            ("a > 0", false),
            ("a >= -2147483648", true),
            ("p > 0 OR a > 0", true),
            ("p > 1 OR a > 0", false),
            ("(p >= 0) OR (lower(w) = w AND a < 0)", true),
            ("p > a", false),
            ("lower(k) = k", false),
        ] {
            assert_eq!(holds_already(text, table, &[], &catalog), expect, "{text}");
        }
        for (new, expect) in [("d > '2023-01-01'", true), ("d >= '2024-01-02'", false)] {
            let known = ["d > '2024-01-01 00:00:00'"];
            assert_eq!(holds_already(new, table, &known, &catalog), expect, "{new}");
        }
        assert!(holds_already("a < 10", table, &["a BETWEEN 1 AND 9"], &catalog));
    }

    #[test]
    fn what_a_value_fails() {
        let all = catalog(TABLE, Dialect::Postgres);
        let table = all.tables.values().next().unwrap();
        let column =
            |name: &str| table.column(&Ident::new(Dialect::Postgres, name, false)).unwrap();
        let text = |t: &str| Given::Text(t.to_owned());
        for (name, value, expect) in [
            ("k", text("x"), false),
            ("k", text("X"), true),
            ("k", Given::Null, false),
            ("p", Given::Number(0.0), true),
            ("p", Given::Number(1.0), false),
            ("w", text("a"), true),
            ("w", text("ab"), false),
        ] {
            let failed = failed(table, column(name), &value, &all);
            assert_eq!(failed.is_some(), expect, "{name} {value:?}");
        }
        let all = catalog("CREATE TABLE t (k varchar(9) CHECK (k IN ('x')));", Dialect::MariaDb);
        let table = all.tables.values().next().unwrap();
        let failed =
            |t: &str| failed(table, &table.columns[0], &Given::Text(t.to_owned()), &all).is_some();
        assert!(failed("z") && !failed("X"));
    }
}

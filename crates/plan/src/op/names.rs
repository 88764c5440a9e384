//! Names for what Downhaul makes.

use downhaul_catalog::Catalog;
use downhaul_syntax::{Ident, ObjectName};
use sha2::{Digest, Sha256};

/// PostgreSQL keeps 63 bytes of a name and MySQL 64 characters.
const LONGEST: usize = 63;

/// A name of at most 63 bytes: where it is longer, its head and a hash of the whole.
pub(crate) fn fitted(name: &str) -> String {
    if name.len() <= LONGEST {
        return name.to_owned();
    }
    let hash: String =
        Sha256::digest(name.as_bytes()).iter().take(4).map(|b| format!("{b:02x}")).collect();
    let room = LONGEST - hash.len() - 1;
    let end = (0..=room).rev().find(|at| name.is_char_boundary(*at)).unwrap_or(0);
    format!("{}_{hash}", &name[..end])
}

/// The first of `base`, `base2`, `base3` … that is not taken.
pub(crate) fn free(base: &str, taken: impl Fn(&str) -> bool) -> String {
    let first = fitted(base);
    if !taken(&first) {
        return first;
    }
    (2_u32..).map(|n| fitted(&format!("{base}{n}"))).find(|name| !taken(name)).unwrap_or(first)
}

/// A free name for a constraint or index of a table.
pub(crate) fn free_part(now: &Catalog, table: &ObjectName, base: &str) -> Ident {
    let dialect = now.dialect;
    let name = free(base, |name| {
        let ident = Ident::stored(dialect, name);
        let relation = ObjectName { schema: table.schema.clone(), name: ident.clone() };
        now.table(table).is_some_and(|t| t.constraint(&ident).is_some())
            || now.index_owner(&relation).is_some()
            || now.table(&relation).is_some()
            || now.view(&relation).is_some()
    });
    Ident::stored(dialect, &name)
}

/// A free name for a column.
pub(crate) fn free_column(now: &Catalog, table: &ObjectName, base: &str) -> Ident {
    let name = free(base, |name| {
        now.table(table).is_some_and(|t| t.column(&Ident::stored(now.dialect, name)).is_some())
    });
    Ident::stored(now.dialect, &name)
}

/// A free name for a trigger that has to fire behind every other BEFORE trigger of the table:
/// PostgreSQL fires them in the order of their names.
pub(crate) fn last_trigger(now: &Catalog, table: &ObjectName, base: &str) -> Ident {
    let names: Vec<String> = now
        .table(table)
        .map(|t| t.triggers.iter().map(|trigger| trigger.name.as_str().to_owned()).collect())
        .unwrap_or_default();
    let mut head = "zz_".to_owned();
    while names.iter().any(|name| name.as_str() >= head.as_str()) && head.len() < 40 {
        head.insert(0, 'z');
    }
    let name = free(&format!("{head}{base}"), |name| names.iter().any(|other| other == name));
    Ident::stored(now.dialect, &name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_fit_and_stay_apart() {
        let (a, b) = ("ä".repeat(40), format!("{}x", "ä".repeat(40)));
        assert!(fitted(&a).len() <= LONGEST && fitted(&a) != fitted(&b));
        assert_eq!(fitted("short"), "short");
        assert_eq!(free("a", |n| n == "a" || n == "a2"), "a3");
    }
}

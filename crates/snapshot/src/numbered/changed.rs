//! Which columns of a row change, as numbers of the plan: a bit for each of them. Pure.

/// Bits of a number that no engine takes for a sign.
const MASK: usize = 60;

/// Names of the columns of a plan in which these numbers are.
pub(super) fn masks(columns: usize) -> Vec<String> {
    (0..columns.div_ceil(MASK).max(1)).map(|n| format!("downhaul_changed_{n}")).collect()
}

/// The numbers themselves: a bit for each test that holds.
pub(super) fn bits(tests: &[String]) -> Vec<String> {
    let of = |chunk: &[String]| {
        let bit = |(bit, test): (usize, &String)| {
            format!("CASE WHEN {test} THEN {} ELSE 0 END", 1_i64 << bit)
        };
        chunk.iter().enumerate().map(bit).collect::<Vec<_>>().join(" | ")
    };
    if tests.is_empty() { vec!["0".to_owned()] } else { tests.chunks(MASK).map(of).collect() }
}

/// A test of a row of the plan: the column at this place changes.
pub(super) fn changes(at: usize) -> String {
    format!("(downhaul_changed_{} & {}) <> 0", at / MASK, 1_i64 << (at % MASK))
}

/// A test of a row of the plan: one of the columns at these places changes.
pub(super) fn any_of(places: impl Iterator<Item = usize>) -> String {
    let mut wanted = std::collections::BTreeMap::new();
    for at in places {
        *wanted.entry(at / MASK).or_insert(0_i64) |= 1_i64 << (at % MASK);
    }
    let test = |(mask, bits): (&usize, &i64)| format!("(downhaul_changed_{mask} & {bits}) <> 0");
    super::plan::any(wanted.iter().map(test).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_beyond_the_first_number_have_another_one() {
        let tests: Vec<String> = (0..=MASK).map(|n| format!("t{n}")).collect();
        let bits = bits(&tests);
        assert_eq!(bits.len(), masks(tests.len()).len());
        assert!(bits[0].ends_with(&format!("WHEN t59 THEN {} ELSE 0 END", 1_i64 << 59)));
        assert_eq!(bits[1], "CASE WHEN t60 THEN 1 ELSE 0 END");
        assert_eq!(changes(60), "(downhaul_changed_1 & 1) <> 0");
        assert_eq!(
            any_of([1, 0, 61].into_iter()),
            "((downhaul_changed_0 & 3) <> 0 OR (downhaul_changed_1 & 2) <> 0)"
        );
        assert_eq!(any_of(std::iter::empty()), "0");
    }
}

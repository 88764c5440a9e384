//! SQL for texts that are equal exactly when values are, in SQLite.

/// A text of one value: its storage class and every byte. `quote()` alone ends a text at its first
/// NUL (lang_corefunc.html), and hands on bytes that are no UTF-8.
#[must_use]
pub fn value(value: &str) -> String {
    format!(
        "CASE typeof({value}) WHEN 'text' THEN 't' || hex({value}) WHEN 'blob' THEN 'b' || hex({value}) ELSE quote({value}) END"
    )
}

/// One text of many values.
#[must_use]
pub fn row(values: &[String]) -> String {
    if values.is_empty() {
        return "''".to_owned();
    }
    let texts: Vec<String> = values.iter().map(|v| value(v)).collect();
    balanced(&texts, " || ',' || ")
}

/// An operator that may be applied in any order, between all parts. SQLite refuses expressions that
/// are nested more than 1,000 deep (limits.html §4), as a chain of so many is.
#[must_use]
pub fn balanced(parts: &[String], operator: &str) -> String {
    match parts {
        [] => String::new(),
        [only] => only.clone(),
        _ if parts.len() <= 100 => format!("({})", parts.join(operator)),
        _ => {
            let (left, right) = parts.split_at(parts.len() / 2);
            format!("({}{operator}{})", balanced(left, operator), balanced(right, operator))
        }
    }
}

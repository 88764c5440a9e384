//! BC16.

use downhaul_catalog::Column;
use downhaul_syntax::{Change, ColumnDef, Dialect, Ident, ObjectName, SqlType};

use crate::Severity;

use crate::context::ChangeContext;
use crate::effects::collation::{Coding, is_text};
use crate::effects::mysql::{charset_of, has_charset_already};
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a change of the collation or character set of existing columns.
    ///
    /// ## Why is this bad
    ///
    /// Comparisons, sorting and uniqueness change under the running release: values that differed
    /// may now be equal, so that a unique index cannot be built or an insert is refused.
    ///
    /// ## What to do
    ///
    /// Look for values that become equal first. Change column by column.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0);
    /// CREATE VIEW open_orders AS SELECT id, note FROM orders;
    /// CREATE FUNCTION price(bigint) RETURNS numeric LANGUAGE sql AS 'SELECT 1.0';
    /// -- up
    /// ALTER TABLE orders ALTER COLUMN note TYPE text COLLATE "C";
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0);
    /// CREATE VIEW open_orders AS SELECT id, note FROM orders;
    /// CREATE FUNCTION price(bigint) RETURNS numeric LANGUAGE sql AS 'SELECT 1.0';
    /// -- up
    /// ALTER TABLE orders ADD COLUMN code text COLLATE "C";
    /// ```
    "BC16" "change-collation-or-charset"
    severity: Warning,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let what = match cx.change {
        Change::AlterColumnType { table, column, collation: Some(new), .. }
            if cx.column_in_use(table, column) =>
        {
            let old = cx.column(table, column).and_then(|c| c.collation.as_ref());
            if old == Some(new) {
                return None;
            }
            // Those that come with PostgreSQL leave equal what was equal.
            let built_in = ["c", "posix", "default", "ucs_basic", "unicode", "pg_c_utf8"];
            let plain = new.trim_matches('"').rsplit('.').next().unwrap_or_default();
            let plain = plain.trim_matches('"').to_lowercase();
            if cx.dialect() == Dialect::Postgres && built_in.contains(&plain.as_str()) {
                return Some(
                    Draft::new(format!("`{table}.{column}` sorts in another way"))
                        .severity(Severity::Info)
                        .help("look for queries that rely on the order"),
                );
            }
            format!("`{table}.{column}`")
        }
        Change::ModifyColumn { table, from, column, .. }
            if cx.column_in_use(table, from) && keeps_equality(cx, table, Some((from, column))) =>
        {
            return recoded(cx, table, Some((from, column)))
                .then(|| resorted(&format!("`{table}.{from}`")));
        }
        Change::ConvertCharset { table, .. }
            if cx.in_use(table) && keeps_equality(cx, table, None) =>
        {
            return recoded(cx, table, None)
                .then(|| resorted(&format!("text in {}", cx.describe(table))));
        }
        Change::ModifyColumn { table, from, column, .. } if cx.column_in_use(table, from) => {
            // Where both are known, they differ in what is equal.
            if codings(cx, table, Some((from, column))).is_none() {
                let old = cx.column(table, from)?;
                // What the column does not say, the table says.
                let of_table = cx.table(table).and_then(|t| t.options.get("collate"));
                let same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
                let before = old.collation.as_ref().or(of_table);
                let recollated = column
                    .collation
                    .as_ref()
                    .is_some_and(|new| !before.is_some_and(|before| same(before, new)));
                let charset = |ty: &Option<SqlType>| ty.as_ref().and_then(|t| t.charset.clone());
                let before = charset(&old.ty).or_else(|| charset_of(table, cx.scene));
                let recoded = charset(&column.ty)
                    .is_some_and(|new| !before.is_some_and(|before| same(&before, &new)));
                let long = column.ty.as_ref().is_some_and(|t| t.name.ends_with("text"));
                if !recollated && !recoded || long && !cx.is_indexed(table, from) {
                    return None;
                }
            }
            format!("`{table}.{from}`")
        }
        Change::ConvertCharset { table, charset, collation: None }
            if has_charset_already(table, charset, cx.scene) =>
        {
            return None;
        }
        Change::ConvertCharset { table, .. } if cx.in_use(table) => {
            format!("text in {}", cx.describe(table))
        }
        _ => return None,
    };
    Some(
        Draft::new(format!(
            "{what} compares and sorts in another way: values that differed may become equal"
        ))
        .help("look for values that become equal first"),
    )
}

/// What was equal stays equal, as far as capitals and accents go.
fn resorted(what: &str) -> Draft {
    Draft::new(format!("{what} sorts in another way, and some letters compare in another way"))
        .severity(Severity::Info)
        .help("look for queries that rely on the order, and for keys that differ in such letters")
}

/// Codings of the columns before and after; `None` where one is the database's to tell.
fn codings(
    cx: &ChangeContext<'_>,
    table: &ObjectName,
    modified: Option<(&Ident, &ColumnDef)>,
) -> Option<Vec<(Coding, Coding)>> {
    let known = cx.table(table).filter(|t| !t.assumed && !t.columns_unknown)?;
    let text = |column: &Column| column.ty.as_ref().is_some_and(is_text);
    match (cx.change, modified) {
        (_, Some((from, new))) => {
            let old = known.column(from).filter(|c| text(c))?;
            let after = new.ty.as_ref().filter(|ty| is_text(ty))?;
            let to = Coding::of(after, new.collation.as_deref(), known)?;
            Some(vec![(Coding::of_column(old, known)?, to)])
        }
        (Change::ConvertCharset { charset, collation, .. }, None) => {
            let to = Coding::new(Some(charset), collation.as_deref())?;
            let columns = known.columns.iter().filter(|c| text(c));
            columns.map(|c| Some((Coding::of_column(c, known)?, to.clone()))).collect()
        }
        _ => None,
    }
}

fn keeps_equality(
    cx: &ChangeContext<'_>,
    table: &ObjectName,
    modified: Option<(&Ident, &ColumnDef)>,
) -> bool {
    codings(cx, table, modified)
        .is_some_and(|all| all.iter().all(|(from, to)| from.equality() == to.equality()))
}

fn recoded(
    cx: &ChangeContext<'_>,
    table: &ObjectName,
    modified: Option<(&Ident, &ColumnDef)>,
) -> bool {
    codings(cx, table, modified).is_none_or(|all| all.iter().any(|(from, to)| from != to))
}

#[cfg(test)]
mod tests {
    use crate::examples::cases;

    #[test]
    fn what_was_equal() {
        use crate::Severity;
        use crate::examples::severities;
        let history = "-- history\nCREATE TABLE t (id int PRIMARY KEY, a varchar(20)) DEFAULT CHARSET=utf8mb4 \
                       COLLATE=utf8mb4_unicode_ci;\n-- up\nALTER TABLE t ";
        for (up, expect) in [
            ("CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci", None),
            ("CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", Some(Severity::Info)),
            ("CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", Some(Severity::Warning)),
            ("MODIFY a varchar(20) COLLATE utf8mb4_unicode_ci", None),
            ("MODIFY a varchar(20) COLLATE utf8mb4_general_ci", Some(Severity::Info)),
            ("MODIFY a varchar(20) COLLATE utf8mb4_bin", Some(Severity::Warning)),
            ("MODIFY a varchar(20) BINARY", Some(Severity::Warning)),
        ] {
            let found = severities(&super::RULE, "mariadb", &format!("{history}{up};"));
            assert_eq!(found, Vec::from_iter(expect), "{up}");
        }
    }

    #[test]
    fn cases_of_the_rule() {
        cases(
            &super::RULE,
            &[
                (
                    "mysql",
                    r#"-- history
CREATE TABLE t (a varchar(10));
-- up
ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4;"#,
                    true,
                ),
                (
                    "mysql",
                    r#"-- history
CREATE TABLE t (a varchar(10)) DEFAULT CHARSET=utf8mb4;
-- up
ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4;"#,
                    false,
                ),
                (
                    "mysql",
                    r#"-- history
CREATE TABLE t (a varchar(10) COLLATE utf8mb4_bin);
-- up
ALTER TABLE t MODIFY a varchar(20) COLLATE utf8mb4_bin;"#,
                    false,
                ),
            ],
        );
    }
}

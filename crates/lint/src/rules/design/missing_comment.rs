//! DS11.

use downhaul_syntax::{Change, Partitioning};

use crate::context::MigrationContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a new table without a comment.
    ///
    /// ## Why is this bad
    ///
    /// Whoever reads the schema later has to guess what it is for.
    ///
    /// ## What to do
    ///
    /// `COMMENT ON TABLE … IS '…'`; MySQL `COMMENT = '…'` behind the table.
    ///
    /// ## Unsafe example
    ///
    /// ```sql postgres
    /// -- up
    /// CREATE TABLE t (id bigint PRIMARY KEY);
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql postgres
    /// -- up
    /// CREATE TABLE t (id bigint PRIMARY KEY);
    /// COMMENT ON TABLE t IS 'what it is for';
    /// ```
    "DS11" "missing-comment"
    severity: Info,
    dialects: SERVERS,
    default: off,
    since: "0.1.0",
    check: Migration(check),
}

fn check(cx: &MigrationContext<'_>) -> Vec<Draft> {
    let Some(up) = cx.up else { return Vec::new() };
    up.items
        .iter()
        .filter_map(|item| {
            let Change::CreateTable { def, .. } = item.change else { return None };
            let table = cx.after.table(&def.name)?;
            let commented = table.comment.is_some() || table.options.contains_key("comment");
            let partition = matches!(def.partitioning, Some(Partitioning::Of { .. }));
            (!commented && !partition && !table.temporary).then(|| {
                Draft::new(format!("`{}` has no comment", def.name))
                    .help("say in a sentence what it is for")
                    .at(item.span)
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::examples::cases;

    #[test]
    fn cases_of_the_rule() {
        cases(
            &super::RULE,
            &[("mysql", "-- up\nCREATE TABLE t (a int PRIMARY KEY) COMMENT='x';", false)],
        );
    }
}

//! LK25.

use crate::context::ChangeContext;
use crate::effects::mysql;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports an `ALTER TABLE` of a populated table that states no `ALGORITHM=`, although a cheap
    /// one is possible.
    ///
    /// ## Why is this bad
    ///
    /// What is instant on one version, row format or charset is a copy on another: without a word
    /// the server copies, and tells nobody.
    ///
    /// ## What to do
    ///
    /// State what you expect: then the statement fails at once where the server would do more.
    ///
    /// ## Unsafe example
    ///
    /// ```sql mariadb
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY);
    /// -- up
    /// ALTER TABLE orders ADD note text;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql mariadb
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY);
    /// -- up
    /// ALTER TABLE orders ADD note text, ALGORITHM=INSTANT;
    /// ```
    "LK25" "state-the-algorithm"
    severity: Info,
    dialects: MYSQL_FAMILY,
    default: off,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let (operation, table) = mysql::operation(cx.change, cx.scene)?;
    let is_alter = cx
        .statement
        .statement
        .text
        .trim_start()
        .get(..5)
        .is_some_and(|w| w.eq_ignore_ascii_case("alter"));
    let stated = cx.scene.online.is_some_and(|o| o.algorithm.is_some());
    let (_, needs) = mysql::costs(cx.change, operation, table, cx.scene);
    if !is_alter || stated || !cx.populated(table) || needs.blocks_writes {
        return None;
    }
    let algorithm = needs.algorithm.as_str();
    Some(
        Draft::new(format!(
            "{} is not held to the algorithm that it should take",
            cx.describe(table)
        ))
        .help(format!("add ALGORITHM={algorithm}")),
    )
}

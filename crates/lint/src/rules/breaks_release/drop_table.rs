//! BC02.

use downhaul_syntax::Change;

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports `DROP TABLE`, `DROP SCHEMA … CASCADE` and `DROP DATABASE` of what existed before
    /// this deployment.
    ///
    /// ## Why is this bad
    ///
    /// Every statement of the running release that names the table fails from that moment. A
    /// rebuild of a table (create new, copy, drop, rename) is understood and not reported.
    ///
    /// ## What to do
    ///
    /// Release code that no longer uses the table, then drop it in a later migration of the
    /// contract phase.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0, state varchar(20));
    /// -- up
    /// DROP TABLE orders;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0, state varchar(20));
    /// -- up
    /// -- downhaul:phase contract
    /// DROP TABLE orders;
    /// ```
    ///
    /// ```sql
    /// -- up
    /// CREATE TABLE scratch (id int);
    /// DROP TABLE scratch;
    /// ```
    "BC02" "drop-table"
    severity: Error,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    if cx.drops_temporary() {
        return None;
    }
    if cx.is_contract() {
        return None;
    }
    let help = "release code that no longer uses it, then drop it in a later migration marked \
                `-- downhaul:phase contract`";
    match cx.change {
        Change::DropTable { name, .. } => {
            if !cx.in_use(name) || cx.in_rebuild() {
                return None;
            }
            let (readers, severity) = cx.release_use(&name.name, cx.queries.of_table(name));
            Some(
                Draft::new(format!(
                    "the running release may still use `{name}`: its statements fail once the \
                     table is gone{readers}"
                ))
                .severity(severity)
                .help(help),
            )
        }
        Change::DropSchema { name, cascade: true, .. } => {
            let tables: Vec<String> = cx
                .tables_in_schema(name)
                .iter()
                .filter(|t| cx.in_use(t))
                .map(|t| format!("`{t}`"))
                .collect();
            let known = !cx.history_known || !tables.is_empty();
            known.then(|| {
                let list =
                    if tables.is_empty() { "all its tables".to_owned() } else { tables.join(", ") };
                Draft::new(format!("dropping schema `{name}` takes {list} away")).help(help)
            })
        }
        Change::DropDatabase { name, .. } => Some(
            Draft::new(format!("dropping database `{name}` takes all its tables away")).help(help),
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::examples::cases;

    #[test]
    fn cases_of_the_rule() {
        cases(
            &super::RULE,
            &[
                (
                    "sqlite",
                    r#"-- history
CREATE TABLE t (id integer PRIMARY KEY, a text);
-- up
CREATE TABLE new_t (id integer PRIMARY KEY, a text NOT NULL);
INSERT INTO new_t (id, a) SELECT id, a FROM t;
DROP TABLE t;
ALTER TABLE new_t RENAME TO t;"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- up
DROP TABLE IF EXISTS orders;"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0, state varchar(20));
-- up
DROP TABLE IF EXISTS nothing;"#,
                    false,
                ),
            ],
        );
    }
}

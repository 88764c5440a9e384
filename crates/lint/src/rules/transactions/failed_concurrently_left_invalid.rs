//! TX09.

use downhaul_syntax::Change;

use crate::Severity;
use crate::context::ChangeContext;
use crate::effects::postgres::beside;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports `CREATE INDEX CONCURRENTLY IF NOT EXISTS` without dropping a left-over of the same
    /// name first, and any `CONCURRENTLY` under a short `lock_timeout` or `statement_timeout`. The
    /// first is information where Downhaul runs the migration, for it removes such a left-over itself.
    ///
    /// ## Why is this bad
    ///
    /// A build that fails leaves an INVALID index under its name, which costs writes and serves
    /// nobody. `IF NOT EXISTS` then takes it for done. A build waits for old transactions: a
    /// timeout that suits other statements makes it fail.
    ///
    /// ## What to do
    ///
    /// `DROP INDEX CONCURRENTLY IF EXISTS` first, in the same file; set both timeouts to 0 for the
    /// build.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,4) NOT NULL);
    /// CREATE TYPE state AS ENUM ('open');
    /// -- up
    /// -- downhaul:no-transaction
    /// CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON orders (note);
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,4) NOT NULL);
    /// CREATE TYPE state AS ENUM ('open');
    /// -- up
    /// -- downhaul:no-transaction
    /// DROP INDEX CONCURRENTLY IF EXISTS i;
    /// CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON orders (note);
    /// ```
    "TX09" "failed-concurrently-left-invalid"
    severity: Warning,
    dialects: POSTGRES,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let Change::CreateIndex { index, concurrently: true, if_not_exists } = cx.change else {
        return None;
    };
    if !cx.in_use(&index.table) {
        return None;
    }
    if let Some(name) = index.name.as_ref().filter(|_| *if_not_exists) {
        let cleared = cx
            .earlier()
            .any(|i| matches!(i.change, Change::DropIndex { name: n, .. } if n.name == name.name));
        // An earlier migration built it, and its success is on record.
        let built = cx
            .index(&beside(name, &index.table), Some(&index.table))
            .is_some_and(|(_, old)| cx.existed(old.origin));
        if !cleared && !built {
            let draft = Draft::new(format!(
                "if an earlier build of `{name}` failed, its INVALID left-over counts as done"
            ))
            .help(format!("DROP INDEX CONCURRENTLY IF EXISTS {name} first"));
            // Downhaul takes such a left-over away itself, before it tries again.
            return Some(if cx.options.lock_budget {
                draft.severity(Severity::Info)
            } else {
                draft
            });
        }
    }
    let v = cx.options.version();
    if v.major == 14 && v.minor < 4 && cx.options.server_version.is_some() {
        return Some(
            Draft::new(format!("PostgreSQL {v} may build a corrupt index CONCURRENTLY"))
                .help("upgrade to 14.4 or later first"),
        );
    }
    let short = cx.scene.settings.iter().find(|(name, value)| {
        matches!(name.as_str(), "lock_timeout" | "statement_timeout")
            && !matches!(
                value.trim_matches(['\'', '"']),
                "0" | "0s" | "0ms" | "default" | "DEFAULT"
            )
    })?;
    Some(
        Draft::new(format!("the build waits for old transactions: {} = {} may make it fail and leave an INVALID index", short.0, short.1))
            .help("set lock_timeout and statement_timeout to 0 for it"),
    )
}

#[cfg(test)]
mod tests {
    use crate::examples::cases;

    #[test]
    fn cases_of_the_rule() {
        cases(
            &super::RULE,
            &[(
                "postgres",
                r#"-- history
CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,4) NOT NULL);
CREATE TYPE state AS ENUM ('open');
-- up
-- downhaul:no-transaction
SET statement_timeout = '5s';
CREATE INDEX CONCURRENTLY i ON orders (note);"#,
                true,
            )],
        );
    }
}

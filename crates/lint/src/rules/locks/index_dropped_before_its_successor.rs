//! LK24.

use downhaul_syntax::{Change, Ident};

use crate::Severity;
use crate::state::index_leads_with;

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports an index that is dropped although the same migration builds one that begins with the
    /// same columns afterwards.
    ///
    /// ## Why is this bad
    ///
    /// Between the two, queries that rely on the index read the whole table. On MariaDB and MySQL,
    /// where tools write the two behind one another as a matter of course and nothing waits, it is
    /// information unless the table is known to be large or hot.
    ///
    /// ## What to do
    ///
    /// Build the new index first, then drop the old one.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE t (a int, b int);
    /// CREATE INDEX t_a ON t (a);
    /// -- up
    /// -- downhaul:no-transaction
    /// DROP INDEX CONCURRENTLY t_a;
    /// CREATE INDEX CONCURRENTLY t_a_b ON t (a, b);
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE t (a int, b int);
    /// CREATE INDEX t_a ON t (a);
    /// -- up
    /// -- downhaul:no-transaction
    /// CREATE INDEX CONCURRENTLY t_a_b ON t (a, b);
    /// DROP INDEX CONCURRENTLY t_a;
    /// ```
    "LK24" "index-dropped-before-its-successor"
    severity: Warning,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let Change::DropIndex { name, table, .. } = cx.change else { return None };
    let (owner, index) = cx.index(name, table.as_ref())?;
    if !cx.existed(index.origin) || !cx.populated(&owner.name) {
        return None;
    }
    let columns: Vec<Ident> = index.parts.iter().map_while(|p| p.column.clone()).collect();
    let transaction = cx.statement.transaction;
    let successor = cx.later().find_map(|i| match i.change {
        Change::CreateIndex { index: new, .. }
            if new.table.name == owner.name.name
                && index_leads_with(&new.parts, &columns)
                && new.predicate.is_none() == index.predicate.is_none() =>
        {
            Some((new, i.statement))
        }
        _ => None,
    })?;
    // One ALTER changes both at once.
    if cx.dialect().is_mysql_family() && successor.1 == cx.statement.index {
        return None;
    }
    // In one transaction nobody sees the time between.
    if cx.dialect().has_transactional_ddl()
        && cx.facts.statements[successor.1].transaction == transaction
    {
        return None;
    }
    let draft = Draft::new(format!(
        "queries on {} have no index until its successor is built",
        cx.describe(&owner.name)
    ))
    .help("build the new index first, then drop this one");
    // Where DDL commits by itself every tool writes the two behind one another: nothing waits, and
    // queries are slow for as long as a table is large. PostgreSQL's that are not in one transaction
    // are built CONCURRENTLY, since the table is large.
    let slow = !cx.dialect().is_mysql_family() || cx.is_large(&owner.name);
    Some(if slow { draft } else { draft.severity(Severity::Info) })
}

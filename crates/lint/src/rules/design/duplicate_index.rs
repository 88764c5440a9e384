//! DS08.

use downhaul_syntax::{Change, ConstraintKind};

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a new index whose columns another index, a unique constraint or the primary key of the
    /// table begins with.
    ///
    /// ## Why is this bad
    ///
    /// Both are written with every row, and one of them is never needed.
    ///
    /// ## What to do
    ///
    /// Keep the longer one.
    ///
    /// ## Unsafe example
    ///
    /// ```sql postgres
    /// -- history
    /// CREATE TABLE t (a int, b int);
    /// CREATE INDEX t_ab ON t (a, b);
    /// -- up
    /// -- downhaul:no-transaction
    /// CREATE INDEX CONCURRENTLY t_a ON t (a);
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql postgres
    /// -- history
    /// CREATE TABLE t (a int, b int);
    /// CREATE INDEX t_ab ON t (a, b);
    /// -- up
    /// -- downhaul:no-transaction
    /// CREATE INDEX CONCURRENTLY t_b ON t (b);
    /// ```
    "DS08" "duplicate-index"
    severity: Info,
    dialects: ALL,
    default: off,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let Change::CreateIndex { index, .. } = cx.change else { return None };
    let table = cx.table(&index.table)?;
    let plain = index.predicate.is_none() && index.method.as_deref().is_none_or(|m| m == "btree");
    if !plain {
        return None;
    }
    let texts: Vec<String> = index.parts.iter().map(|p| p.text.to_lowercase()).collect();
    let twin = table.indexes.iter().find(|other| {
        other.predicate.is_none()
            && other.method.as_deref().is_none_or(|m| m == "btree")
            && index.name.as_ref().is_none_or(|n| n.name != other.name.name)
            && begins_with(
                &other.parts.iter().map(|p| p.text.to_lowercase()).collect::<Vec<_>>(),
                &texts,
            )
            && (!index.unique || other.unique && other.parts.len() == texts.len())
    });
    if let Some(twin) = twin {
        return Some(redundant(&format!("index `{}`", twin.name)));
    }
    let constraint = table.constraints.iter().find(|c| match &c.kind {
        ConstraintKind::PrimaryKey { columns, .. } | ConstraintKind::Unique { columns, .. } => {
            let key: Vec<String> = columns.iter().map(|c| c.as_str().to_lowercase()).collect();
            begins_with(&key, &texts) && (!index.unique || key.len() == texts.len())
        }
        _ => false,
    })?;
    let name = constraint.name.as_ref().map_or("", |n| n.as_str());
    Some(redundant(&format!("constraint `{name}`")))
}

fn begins_with(longer: &[String], shorter: &[String]) -> bool {
    !shorter.is_empty() && longer.starts_with(shorter)
}

fn redundant(what: &str) -> Draft {
    Draft::new(format!("{what} begins with the same columns")).help("keep the longer one only")
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
                    "postgres",
                    "-- up\nCREATE TABLE t (id int PRIMARY KEY);\nCREATE INDEX t_id ON t (id);",
                    true,
                ),
                (
                    "postgres",
                    "-- up\nCREATE TABLE t (id int PRIMARY KEY, a int);\nCREATE INDEX i ON t (a);\nCREATE UNIQUE INDEX j ON t (a);",
                    false,
                ),
            ],
        );
    }
}

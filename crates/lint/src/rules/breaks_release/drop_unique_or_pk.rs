//! BC22.

use downhaul_syntax::{Change, ConstraintKind, Ident, ObjectName};

use crate::Severity;
use crate::context::ChangeContext;
use crate::effects::rebuilt;
use crate::effects::unique::Key;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a primary key, a unique or EXCLUDE constraint, a unique index or a foreign key that is
    /// dropped and not replaced in the same migration, or left out where a table of SQLite is made anew.
    /// Where another key on some of its columns stays, no duplicates get in, and it is a note.
    ///
    /// ## Why is this bad
    ///
    /// Statements of the running release that rely on it fail or misbehave: `ON CONFLICT (column)`
    /// is refused, duplicates and orphans get in, logical replication loses its identity. Once they
    /// are in, there is no way back.
    ///
    /// ## What to do
    ///
    /// Create what replaces it first, in the same migration.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE t (id int CONSTRAINT t_one UNIQUE);
    /// -- up
    /// ALTER TABLE t DROP CONSTRAINT t_one;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE t (id int CONSTRAINT t_one UNIQUE, tenant int);
    /// CREATE UNIQUE INDEX t_two ON t (id, tenant);
    /// -- up
    /// ALTER TABLE t DROP CONSTRAINT t_one, ADD CONSTRAINT t_two UNIQUE USING INDEX t_two;
    /// ```
    "BC22" "drop-unique-or-pk"
    severity: Warning,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    if cx.is_contract() {
        return None;
    }
    if let Some(remade) = cx.remade_in_sqlite() {
        let (old, def) = (remade.old, remade.new);
        let indexed = cx.later().any(|i| {
            matches!(i.change, Change::CreateIndex { index, .. } if index.unique
                && [&remade.name.name, &def.name.name].contains(&&index.table.name))
        });
        let what = rebuilt::lets_in(old, def).filter(|_| !indexed)?;
        return Some(
            Draft::new(format!(
                "the new `{}` lacks {what} of the old one: what it kept out gets in, and upserts of \
                 the running release that rely on it fail",
                remade.name
            ))
            .help("keep it, or make sure that the release no longer relies on it"),
        );
    }
    let (table, what) = match cx.change {
        Change::DropConstraint { table, name, .. } => {
            let known = cx.table(table)?.constraint(name)?;
            if !cx.existed(known.origin) {
                return None;
            }
            if let ConstraintKind::ForeignKey { table: to, .. } = &known.kind {
                return orphans(cx, table, name, to);
            }
            if !keeps_apart(&known.kind) {
                return None;
            }
            (table.clone(), format!("`{name}`"))
        }
        Change::DropPrimaryKey { table } => (table.clone(), "the primary key".to_owned()),
        Change::DropIndex { name, table, .. } => {
            if let Some((owner, index)) = cx.index(name, table.as_ref()) {
                if !index.unique || !cx.existed(index.origin) {
                    return None;
                }
                (owner.name.clone(), format!("`{name}`"))
            } else {
                // A unique key of MySQL is a constraint and an index at once.
                let table = table.as_ref().filter(|_| cx.dialect().is_mysql_family())?;
                let known = cx.table(table)?.constraint(&name.name)?;
                if !keeps_apart(&known.kind) || !cx.existed(known.origin) {
                    return None;
                }
                (table.clone(), format!("`{name}`"))
            }
        }
        _ => return None,
    };
    let replaced = cx.later().chain(cx.earlier()).any(|i| match i.change {
        Change::AddConstraint { table: t, constraint, .. } => {
            t.name == table.name && keeps_apart(&constraint.kind)
        }
        Change::CreateIndex { index, .. } => index.unique && index.table.name == table.name,
        Change::DropTable { name, .. } => name.name == table.name,
        _ => false,
    });
    if replaced || !cx.in_use(&table) {
        return None;
    }
    if is_covered(cx, &table) {
        // There, upserts name no key.
        return (!cx.dialect().is_mysql_family()).then(|| {
            Draft::new(format!(
                "without {what} upserts of the running release with `ON CONFLICT` of exactly its \
                 columns are refused; no duplicates get into `{table}`, for a key on some of them stays"
            ))
            .severity(Severity::Info)
            .help("make sure that no upsert names them")
        });
    }
    Some(
        Draft::new(format!(
            "without {what} duplicates get into `{table}`, and upserts of the running release that rely on it fail"
        ))
        .help("create what replaces it first, in the same migration"),
    )
}

/// A key that stays keeps apart all rows that the dropped one did.
fn is_covered(cx: &ChangeContext<'_>, table: &ObjectName) -> bool {
    let Some(known) = cx.table(table) else { return false };
    let name = match cx.change {
        Change::DropConstraint { name, .. } => name,
        Change::DropIndex { name, .. } => &name.name,
        _ => return false,
    };
    let more = cx.later().any(|i| match i.change {
        Change::DropConstraint { table: t, .. }
        | Change::DropPrimaryKey { table: t }
        | Change::DropColumn { table: t, .. } => t.name == table.name,
        Change::DropIndex { .. } => true,
        _ => false,
    });
    let constraints = known
        .constraints
        .iter()
        .map(|c| (c.name.as_ref() == Some(name), Key::of_constraint(&c.kind, Some(known))));
    let indexes =
        known.indexes.iter().map(|i| (i.name.name == *name, Key::of_index(i, known, cx.dialect())));
    let keys: Vec<(bool, Key)> =
        constraints.chain(indexes).filter_map(|(own, key)| Some((own, key?))).collect();
    let dropped: Vec<&Key> = keys.iter().filter(|(own, _)| *own).map(|(_, k)| k).collect();
    let stay = || keys.iter().filter(|(own, _)| !own).map(|(_, k)| k);
    !more && !dropped.is_empty() && dropped.iter().all(|d| stay().any(|k| k.implies(d)))
}

/// No two rows may have the same of something.
fn keeps_apart(kind: &ConstraintKind) -> bool {
    matches!(
        kind,
        ConstraintKind::PrimaryKey { .. }
            | ConstraintKind::Unique { .. }
            | ConstraintKind::Exclude { .. }
    )
}

/// A foreign key that goes, and neither comes again nor goes with one of its tables.
fn orphans(
    cx: &ChangeContext<'_>,
    table: &ObjectName,
    name: &Ident,
    to: &ObjectName,
) -> Option<Draft> {
    let replaced = cx.later().chain(cx.earlier()).any(|i| match i.change {
        Change::AddConstraint { table: t, constraint, .. } => {
            t.name == table.name && matches!(constraint.kind, ConstraintKind::ForeignKey { .. })
        }
        Change::DropTable { name, .. } => name.name == table.name || name.name == to.name,
        _ => false,
    });
    (!replaced && cx.in_use(table)).then(|| {
        Draft::new(format!(
            "without `{name}` rows of `{table}` that refer to no row of `{to}` get in, and rows of \
             `{to}` go though some refer to them"
        ))
        .help("keep it, or make sure that the release checks what it refers to")
    })
}

#[cfg(test)]
mod tests {
    use crate::Severity;
    use crate::examples::severities;

    #[test]
    fn a_key_on_some_of_the_columns_stays() {
        use Severity::{Info, Warning};
        for (dialect, index, up, expect) in [
            ("postgres", "id, model", "DROP INDEX wide;", vec![Info]),
            ("sqlite", "model, id", "DROP INDEX wide;", vec![Info]),
            ("mariadb", "id, model", "DROP INDEX wide ON t;", vec![]),
            ("postgres", "model", "DROP INDEX wide;", vec![Warning]),
            ("postgres", "code, model", "DROP INDEX wide;", vec![Info]),
            // The other goes too.
            (
                "postgres",
                "code, model",
                "DROP INDEX wide; DROP INDEX narrow;",
                vec![Warning, Warning],
            ),
        ] {
            let text = format!(
                "-- history\nCREATE TABLE t (id int PRIMARY KEY, code int, model int NOT NULL);\n\
                 CREATE UNIQUE INDEX narrow ON t (code);\nCREATE UNIQUE INDEX wide ON t ({index});\n\
                 -- up\n{up}"
            );
            assert_eq!(severities(&super::RULE, dialect, &text), expect, "{dialect}: {up}");
        }
    }
}

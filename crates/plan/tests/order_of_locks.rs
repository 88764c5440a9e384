//! Where a file of phases locks several tables together, none of them is locked before.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use downhaul_catalog::{Catalog, Origin};
use downhaul_plan::{ExpandOptions, PhaseFile, expand};
use downhaul_syntax::{Change, Dialect, ObjectName, parse_script};

const D: Dialect = Dialect::Postgres;

const SHOP: &str = "
CREATE TABLE users (id bigint PRIMARY KEY, name varchar(80), team int);
CREATE TABLE teams (id int PRIMARY KEY, title text);
";

/// The files of a change over [`SHOP`].
fn files(change: &str) -> Vec<PhaseFile> {
    let mut shop = Catalog::new(D);
    assert!(shop.apply_script(&parse_script(SHOP, D), Origin::Baseline).is_empty());
    expand(&parse_script(change, D), &shop, "x", ExpandOptions::default()).unwrap().files
}

/// Which statement of a text locks tables together, and which ones before it, in the same transaction, lock
/// one of these by itself. Batches of a backfill end a transaction.
fn held_before(text: &str) -> (usize, Vec<String>) {
    let (mut locks, mut held) = (0, Vec::new());
    let script = parse_script(text, D);
    for (at, statement) in script.statements.iter().enumerate() {
        let [Change::LockTable { tables, .. }] = statement.changes() else { continue };
        locks += usize::from(tables.len() > 1);
        for before in script.statements[..at].iter().rev() {
            let batched = matches!(before.changes(), [Change::Update { .. }])
                && text.starts_with("-- downhaul:phase backfill");
            if batched {
                break;
            }
            let on = |table: &ObjectName| {
                before.text.starts_with(&format!("ALTER TABLE {} ", table.name))
                    || before.text.contains(" TRIGGER ")
                        && before.text.contains(&format!(" ON {}", table.name))
            };
            if tables.iter().any(on) {
                held.push(before.text.clone());
            }
        }
    }
    (locks, held)
}

#[test]
fn tables_are_locked_together_before_one_of_them_changes() {
    for (change, expected) in [
        (
            "CREATE TABLE names (id bigint PRIMARY KEY REFERENCES users, full_name varchar(80) NOT NULL);\n\
             INSERT INTO names (id, full_name) SELECT id, name FROM users WHERE name IS NOT NULL;\n\
             -- downhaul:back \"(SELECT n.full_name FROM names n WHERE n.id = users.id)\"\n\
             ALTER TABLE users DROP COLUMN name;",
            4,
        ),
        (
            "ALTER TABLE users ADD COLUMN title text;\n\
             UPDATE users SET title = t.title FROM teams t WHERE t.id = users.team;",
            4,
        ),
    ] {
        let mut together = 0;
        for file in files(change) {
            for text in [&file.up, &file.down] {
                let (locks, held) = held_before(text);
                together += locks;
                assert!(held.is_empty(), "{held:#?} come before the lock of\n{text}");
            }
        }
        assert_eq!(together, expected, "{change}");
    }
}

//! The down that is written for an up.

use std::fs;

use crate::folder::{CREATE, DROP, Folder};

#[test]
fn the_generated_down_leads_back() {
    let folder = Folder::new(&[
        (
            "migrations/0001_a.up.sql",
            "CREATE TABLE a (id bigserial PRIMARY KEY, x text NOT NULL DEFAULT 'n', y int);\n\
             CREATE INDEX a_y ON a (y) WHERE y > 0;\nCOMMENT ON COLUMN a.x IS 'why';\n",
        ),
        ("migrations/0001_a.down.sql", "DROP TABLE a;\n"),
        (
            "migrations/0002_b.up.sql",
            "ALTER TABLE a DROP COLUMN y;\nALTER TABLE a ALTER COLUMN x DROP DEFAULT;\n\
             ALTER TABLE a RENAME COLUMN x TO z;\n",
        ),
    ]);
    let file = "migrations/0002_b.up.sql";
    let printed = folder.run(&["generate-down", file]);
    assert!(printed.stderr.contains("data:"), "the values of y: {}", printed.stderr);
    for part in ["RENAME COLUMN z TO x", "SET DEFAULT 'n'", "ADD COLUMN y", "a_y", "WHERE"] {
        assert!(printed.stdout.contains(part), "{part}: {}", printed.stdout);
    }
    assert!(
        !folder.path().join("migrations/0002_b.down.sql").exists(),
        "nothing is written unasked"
    );
    assert_eq!(folder.run(&["generate-down", file, "--write"]).code, 0);
    let down = "migrations/0002_b.down.sql";
    assert_eq!(fs::read_to_string(folder.path().join(down)).unwrap(), printed.stdout);
    // The analyzer agrees that it leads back.
    let found = folder.findings(&["migrations/0002_b.up.sql"]);
    for code in ["RV01", "RV10"] {
        assert!(!found.iter().any(|f| f.starts_with(code)), "{found:?}");
    }
    // Another's text is not overwritten unasked.
    let again = folder.run(&["generate-down", file, "--write"]);
    assert_eq!(again.code, 2);
    assert!(again.stderr.contains("--force"), "{}", again.stderr);
    folder.write(down, "SELECT 1;\n");
    assert_eq!(folder.run(&["generate-down", file, "--write", "--force"]).code, 0);
    assert_eq!(fs::read_to_string(folder.path().join(down)).unwrap(), printed.stdout);
}

#[test]
fn what_has_no_way_back_is_named() {
    let folder = Folder::new(&[
        ("migrations/0001_a.up.sql", CREATE),
        ("migrations/0001_a.down.sql", DROP),
        (
            "migrations/0002_b.up.sql",
            "FROBNICATE TABLE orders;\nALTER TABLE orders ADD COLUMN x int;\n",
        ),
    ]);
    let outcome = folder.run(&["generate-down", "migrations/0002_b.up.sql"]);
    assert_eq!(outcome.code, 1, "{}", outcome.stdout);
    assert!(outcome.stdout.starts_with("-- Not undone:"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("DROP COLUMN x;"), "the rest is undone: {}", outcome.stdout);
    assert!(
        outcome.stderr.contains("not undone: migrations/0002_b.up.sql:1"),
        "{}",
        outcome.stderr
    );
    assert_eq!(folder.run(&["generate-down", "migrations/0009_none.up.sql"]).code, 2);
}

//! What git says: only what is new is judged, in hooks too.

use std::fs;
use std::path::Path;

use crate::folder::{CREATE, Folder, has, outcome, places};

#[test]
fn changed_reports_new_and_edited_files_only() {
    let shop = Folder::shop();
    assert_eq!(shop.run(&["lint", "--changed"]).code, 2, "no repository");
    shop.git(&["init", "--quiet", "--initial-branch=main"]);
    shop.git(&["add", "."]);
    shop.git(&["commit", "--quiet", "--message=one"]);
    assert_eq!(shop.findings(&["--changed"]), Vec::<String>::new());
    shop.git(&["checkout", "--quiet", "-b", "feature"]);
    // New: committed, staged, and not yet known to git.
    shop.write("migrations/0003_a.up.sql", "ALTER TABLE orders DROP COLUMN total;\n");
    shop.git(&["add", "."]);
    shop.git(&["commit", "--quiet", "--message=two"]);
    shop.write("migrations/0004_b.up.sql", "TRUNCATE orders;\n");
    let found = shop.findings(&["--changed"]);
    assert!(has(&found, "BC01 migrations/0003_a.up.sql:1"), "{found:?}");
    assert!(has(&found, "DL02 migrations/0004_b.up.sql:1"), "{found:?}");
    assert!(!found.iter().any(|f| f.contains("0002_slim")), "{found:?}");
    // Since the last commit only what is not committed.
    let since = shop.findings(&["--changed", "--since", "HEAD"]);
    assert!(!since.is_empty() && since.iter().all(|f| f.contains("0004_b")), "{since:?}");
    assert_eq!(shop.run(&["lint", "--changed", "--since", "nowhere"]).code, 2);
    // An applied file that was edited is reported, and so is one that comes too late.
    shop.write("migrations/0001_orders.up.sql", CREATE.replace("total int", "total bigint"));
    shop.write("migrations/0001_z.up.sql", "");
    fs::remove_file(shop.path().join("migrations/0001_z.up.sql")).unwrap();
    let edited = shop.findings(&["--changed"]);
    assert!(
        edited.iter().any(|f| f.starts_with("RV07 migrations/0001_orders.up.sql")),
        "{edited:?}"
    );
    shop.write("migrations/00015_late.up.sql", "SELECT 1;\n");
    fs::rename(
        shop.path().join("migrations/00015_late.up.sql"),
        shop.path().join("migrations/0001.5_late.up.sql"),
    )
    .unwrap();
    let late = shop.findings(&["--changed"]);
    assert!(late.iter().any(|f| f.starts_with("RV08 migrations/0001.5_late.up.sql")), "{late:?}");
    // From a folder below, too.
    let below = outcome(
        shop.command(&["lint", "--changed", "--format", "json", "."])
            .current_dir(shop.path().join("migrations"))
            .output()
            .unwrap(),
    );
    let below = places(&serde_json::from_str(&below.stdout).unwrap());
    assert!(has(&below, "DL02 0004_b.up.sql:1"), "{below:?}");
}

#[test]
fn what_another_branch_brought_in_meanwhile_is_seen() {
    let shop = Folder::shop();
    let commit = |message: &str| {
        shop.git(&["add", "."]);
        shop.git(&["commit", "--quiet", "--message", message]);
    };
    shop.git(&["init", "--quiet", "--initial-branch=main"]);
    commit("one");
    shop.git(&["checkout", "--quiet", "-b", "feature"]);
    for name in ["0003_mine", "0005_late"] {
        shop.write(&format!("migrations/{name}.up.sql"), "CREATE TABLE a (id int PRIMARY KEY);\n");
        shop.write(&format!("migrations/{name}.down.sql"), "DROP TABLE a;\n");
    }
    commit("mine");
    let clashes = || -> Vec<(String, String)> {
        let report = shop.json(&["--changed", "--since", "main"]);
        let found = report["findings"].as_array().unwrap().iter().filter(|f| f["code"] == "RV08");
        found
            .filter(|f| !f["message"].as_str().unwrap().contains("number before"))
            .map(|f| {
                let text = |key: &str| f[key].as_str().unwrap().to_owned();
                (text("file"), text("message"))
            })
            .collect()
    };
    assert_eq!(clashes(), [], "main has not moved");
    shop.git(&["checkout", "--quiet", "main"]);
    for name in ["0003_theirs", "0007_theirs"] {
        shop.write(&format!("migrations/{name}.up.sql"), "CREATE TABLE b (id int PRIMARY KEY);\n");
    }
    commit("theirs");
    shop.git(&["checkout", "--quiet", "feature"]);
    let found = clashes();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].0.contains("0003_mine") && found[0].1.contains("taken by"), "{found:?}");
    assert!(found[0].1.contains("migrations/0003_theirs.up.sql` of main"), "{found:?}");
    assert!(found[1].0.contains("0005_late") && found[1].1.contains("0007_theirs"), "{found:?}");
}

#[test]
fn before_the_first_commit_everything_is_changed() {
    let folder = Folder::shop();
    folder.git(&["init", "-q", "-b", "main"]);
    for staged in [false, true] {
        if staged {
            folder.git(&["add", "-A"]);
        }
        let found = folder.findings(&["--changed"]);
        assert!(has(&found, "RV03 migrations/0001_orders.down.sql:1"), "{staged}: {found:?}");
    }
}

/// What pre-commit does with a hook whose `language` is told and whose files are not passed: it runs
/// the words of `entry` in the root of the repository.
#[test]
fn the_hooks_for_pre_commit_run() {
    let hooks = Path::new(env!("CARGO_MANIFEST_DIR")).join(".pre-commit-hooks.yaml");
    let hooks = fs::read_to_string(hooks).unwrap();
    let values = |key: &str| -> Vec<String> {
        let lines = hooks.lines().map(|line| line.trim_start_matches(['-', ' ']));
        lines.filter_map(|line| line.strip_prefix(key)).map(|v| v.trim().to_owned()).collect()
    };
    assert_eq!(values("id:"), ["downhaul-lint", "downhaul-lint-changed"]);
    assert_eq!(values("pass_filenames:"), ["false", "false"]);
    let shop = Folder::shop();
    shop.git(&["init", "--quiet", "--initial-branch=main"]);
    shop.git(&["add", "."]);
    shop.git(&["commit", "--quiet", "--message=one"]);
    shop.git(&["checkout", "--quiet", "-b", "feature"]);
    // The first judges the whole series, the second what is new: nothing, and then a mistake.
    for (staged, codes) in [(None, [1, 0]), (Some("TRUNCATE orders;\n"), [1, 1])] {
        if let Some(text) = staged {
            shop.write("migrations/0003_a.up.sql", text);
            shop.git(&["add", "."]);
        }
        for (entry, code) in values("entry:").iter().zip(codes) {
            let words: Vec<&str> = entry.split_whitespace().collect();
            assert_eq!(words[0], "downhaul");
            let outcome = shop.run(&words[1..]);
            assert_eq!(outcome.code, code, "{entry}: {}{}", outcome.stdout, outcome.stderr);
        }
    }
}

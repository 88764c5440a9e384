//! What silences a finding or changes its weight: settings, baselines, comments.

use crate::folder::{DROP_NOTE, Folder, has, places};

#[test]
fn settings_hold_for_rules_families_paths_and_tables() {
    let shop = Folder::shop();
    shop.write("migrations/0003_index.up.sql", "CREATE INDEX orders_total ON orders (total);\n");
    shop.write("migrations/0003_index.down.sql", "DROP INDEX orders_total;\n");
    let severity = |code: &str| -> Option<String> {
        let report = shop.json(&[]);
        let found = report["findings"].as_array().unwrap().iter().find(|f| f["code"] == code)?;
        found["severity"].as_str().map(str::to_owned)
    };
    let set = |text: &str| shop.write("downhaul.toml", text);
    assert_eq!(severity("BC01").as_deref(), Some("error"));
    set("[lint]\nallow = [\"BC\"]\n");
    assert_eq!(severity("BC01"), None);
    set("[lint]\nallow = [\"all\"]\nwarn = [\"drop-column\"]\n");
    assert_eq!(severity("BC01").as_deref(), Some("warning"), "a rule beats its family");
    assert_eq!(severity("LK01"), None);
    set(
        "[lint]\nallow = [\"breaks-release\"]\n[[lint.path]]\nglob = \"migrations/0002*\"\ndeny = [\"BC01\"]\n",
    );
    assert_eq!(severity("BC01").as_deref(), Some("error"), "the path brings it back");
    set("[[lint.path]]\nglob = \"migrations/0002*\"\nallow = [\"all\"]\n");
    assert_eq!(severity("BC01"), None);
    assert!(severity("LK01").is_some(), "other files keep it");
    set("[lint]\nwarn = [\"LK01\"]\n");
    assert_eq!(severity("LK01").as_deref(), Some("warning"));
    set("[lint.tables]\nsmall = [\"orders\"]\n");
    assert_eq!(severity("LK01"), None, "locks on small tables hurt nobody");
    for (bad, hint) in [
        ("[lint]\nallow = [\"drop-colum\"]\n", "drop-column"),
        ("[lint]\nalow = []\n", "alow"),
        ("[lint]\nlayout = \"nope\"\n", "nope"),
        ("[[lint.path]]\nallow = [\"BC\"]\n", "glob"),
    ] {
        set(bad);
        let outcome = shop.run(&["lint"]);
        assert_eq!(outcome.code, 2, "{bad}");
        assert!(outcome.stderr.contains(hint), "{bad}: {}", outcome.stderr);
    }
}

#[test]
fn a_baseline_holds_what_is_known_and_lets_through_what_is_new() {
    let shop = Folder::shop();
    let before = shop.findings(&[]);
    assert_eq!(shop.run(&["lint", "--write-baseline", "--baseline", "known.json"]).code, 0);
    let after = shop.run(&["lint", "--baseline", "known.json"]);
    assert_eq!(after.code, 0, "{}", after.stdout);
    assert!(
        after.stdout.contains(&format!("{} in the baseline", before.len())),
        "{}",
        after.stdout
    );
    // A line above does not make an old finding new.
    shop.write("migrations/0002_slim.up.sql", format!("-- why\n\n{DROP_NOTE}"));
    assert_eq!(shop.findings(&["--baseline", "known.json"]), Vec::<String>::new());
    shop.write("migrations/0003_more.up.sql", "DROP TABLE orders;\n");
    let new = shop.findings(&["--baseline", "known.json"]);
    assert!(!new.is_empty() && new.iter().all(|f| f.contains("0003_more")), "{new:?}");
    // The configuration can name it.
    shop.write("downhaul.toml", "[lint]\nbaseline = \"known.json\"\n");
    assert_eq!(shop.findings(&[]), new);
    shop.write("known.json", "{}");
    assert_eq!(shop.run(&["lint"]).code, 2);
    assert_eq!(shop.run(&["lint", "--baseline", "none.json"]).code, 2);
}

#[test]
fn suppression_by_comment_counts_and_unused_ones_are_found() {
    let shop = Folder::shop();
    shop.write(
        "migrations/0002_slim.up.sql",
        format!("-- downhaul:allow drop-column \"nobody reads it since March\"\n{DROP_NOTE}"),
    );
    let report = shop.json(&[]);
    assert!(!places(&report).iter().any(|f| f.starts_with("BC01")));
    assert_eq!(report["summary"]["suppressed"], 1);
    shop.write(
        "migrations/0002_slim.up.sql",
        "-- downhaul:allow drop-column \"no column is dropped here\"\nSELECT 1;\n",
    );
    let unused = shop.findings(&[]);
    assert!(has(&unused, "UN03 migrations/0002_slim.up.sql:1"), "{unused:?}");
}

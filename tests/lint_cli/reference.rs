//! What the program says of its rules and of itself.

use std::fs;

use serde_json::Value;

use crate::folder::Folder;

#[test]
fn rules_are_listed_and_explained() {
    let folder = Folder::new(&[]);
    let list = folder.run(&["rules", "--format", "json"]);
    let list: Value = serde_json::from_str(&list.stdout).unwrap();
    let rules = list["rules"].as_array().unwrap();
    assert!(rules.len() >= 20, "{}", rules.len());
    for rule in rules {
        let (code, name) = (rule["code"].as_str().unwrap(), rule["name"].as_str().unwrap());
        let by_code = folder.run(&["explain", code]);
        assert_eq!(by_code.code, 0, "{code}");
        assert_eq!(by_code.stdout, folder.run(&["explain", name]).stdout, "{code}");
        assert!(by_code.stdout.contains("Why is this bad"), "{code}");
    }
    let people = folder.run(&["rules"]).stdout;
    assert!(people.contains("BC01  drop-column"), "{people}");
    let typo = folder.run(&["explain", "drop-colum"]);
    assert_eq!(typo.code, 2);
    assert!(typo.stderr.contains("drop-column"), "{}", typo.stderr);
}

#[test]
fn completions_and_man_pages_name_every_command() {
    let folder = Folder::new(&[]);
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let text = folder.run(&["generate", "completions", shell]).stdout;
        assert!(text.contains("lint") && text.contains("explain"), "{shell}");
    }
    assert_eq!(folder.run(&["generate", "man", "--out", "man"]).code, 0);
    let lint = fs::read_to_string(folder.path().join("man/downhaul-lint.1")).unwrap();
    assert!(lint.contains(".TH downhaul-lint 1") && lint.contains("baseline"), "{lint}");
    assert!(folder.path().join("man/downhaul.1").is_file());
}

//! The promise: the generated pages of `docs/` say what the program says. `just gen`, or
//! `downhaul generate docs`, writes them anew.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use downhaul::generated::pages;
use serde_json::Value;

#[test]
fn generated_pages_are_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let bless = std::env::var_os("DOWNHAUL_BLESS").is_some();
    let mut stale = Vec::new();
    let mut known = BTreeSet::new();
    for (path, text) in pages() {
        let file = root.join(&path);
        if bless {
            fs::create_dir_all(file.parent().expect("pages lie in docs/")).unwrap();
            fs::write(&file, &text).unwrap();
        } else if fs::read_to_string(&file).ok().as_deref() != Some(&text) {
            stale.push(path.clone());
        }
        known.insert(path);
    }
    // A rule that is gone takes its page along.
    for entry in fs::read_dir(root.join("docs/rules")).into_iter().flatten() {
        let path = entry.unwrap().path();
        let name = format!("docs/rules/{}", path.file_name().unwrap().to_string_lossy());
        if !known.contains(&name) {
            if bless {
                fs::remove_file(&path).unwrap();
            } else {
                stale.push(name);
            }
        }
    }
    assert!(
        stale.is_empty(),
        "not current, write them anew with `cargo run -- generate docs`:\n  {}",
        stale.join("\n  ")
    );
}

/// The program reads the configuration that the documentation shows, and the schema knows each of
/// its keys and no others.
#[test]
fn the_schema_of_the_configuration_holds() {
    let schema: Value = serde_json::from_str(&downhaul::config::Config::schema()).unwrap();
    let linting = include_str!("../docs/linting.md");
    let example = linting
        .split("```toml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .expect("docs/linting.md shows a configuration");
    toml::from_str::<downhaul::config::Config>(example).expect("the program reads the example");
    let example = serde_json::to_value(toml::from_str::<toml::Table>(example).unwrap()).unwrap();
    let mut unknown = Vec::new();
    compare(&schema, &schema, &example, "", &mut unknown);
    assert_eq!(unknown, Vec::<String>::new());
    let typo = serde_json::json!({ "lint": { "alow": [], "path": [{ "globs": "x" }] }, "dirr": 1 });
    compare(&schema, &schema, &typo, "", &mut unknown);
    assert_eq!(unknown, ["/dirr", "/lint/alow", "/lint/path/0/globs"]);
}

/// Keys of `value` that `schema` does not know; objects must be closed.
fn compare(root: &Value, schema: &Value, value: &Value, at: &str, unknown: &mut Vec<String>) {
    let target = [&schema["$ref"], &schema["anyOf"][0]["$ref"]].into_iter().find_map(Value::as_str);
    let schema = match target {
        Some(target) => root.pointer(target.trim_start_matches('#')).expect("the target exists"),
        None => schema,
    };
    match value {
        Value::Object(map) => {
            assert_eq!(schema["additionalProperties"], false, "{at} is open");
            for (key, value) in map {
                let place = format!("{at}/{key}");
                match schema["properties"].get(key) {
                    Some(inner) => compare(root, inner, value, &place, unknown),
                    None => unknown.push(place),
                }
            }
        }
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                compare(root, &schema["items"], item, &format!("{at}/{i}"), unknown);
            }
        }
        _ => {}
    }
}

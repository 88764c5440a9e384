//! What each format looks like, and that the two with a published schema keep to it.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use downhaul_lint::{Edit, Effects, Finding, Fix, Severity, StatementEffects, Summary, find_rule};
use downhaul_report::{Document, Format, JudgedSeries, Look, Problem, render};
use downhaul_syntax::{Dialect, LineIndex, Span};

const SLIM: &str = "migrations/0006_slim customers.up.sql";
const SLIM_TEXT: &str = "-- Nobody faxes any more. Ä\nALTER TABLE customers DROP COLUMN fax;\n\nCREATE INDEX orders_customer\n    ON orders (customer_id)\n    WHERE note <> 'ß';\n";
const NOTES: &str = "migrations/0007_notes.up.sql";
const NOTES_TEXT: &str = "SELECT 'é', \"a & b\" FROM t;\nDELETE FROM notes;\n";

struct Sample {
    files: BTreeMap<String, String>,
    findings: Vec<Finding>,
    effects: Vec<StatementEffects>,
    problems: Vec<Problem>,
    series: Vec<JudgedSeries>,
}

/// A finding of a real rule on the first place where `needle` stands.
fn finding(code: &str, file: &str, text: &str, needle: &str, severity: Severity) -> Finding {
    let rule = find_rule(code).expect("the rule exists");
    let from = text.find(needle).expect("the needle is in the text");
    let lines = LineIndex::new(text);
    Finding {
        code: rule.code,
        name: rule.name,
        severity,
        file: file.to_owned(),
        span: Span::new(from, from + needle.len()),
        start: lines.position(text, from),
        end: lines.position(text, from + needle.len()),
        message: format!("what `{}` does, said in one line: 100 %", rule.name),
        help: format!("what to do about {code}"),
        rewrite: None,
        fix: None,
        docs: rule.docs_path(),
        queries: Vec::new(),
        fingerprint: "0123456789abcdef".into(),
    }
}

fn sample() -> Sample {
    let index = "CREATE INDEX orders_customer\n    ON orders (customer_id)\n    WHERE note <> 'ß'";
    let mut locks = finding("LK01", SLIM, SLIM_TEXT, index, Severity::Warning);
    locks.rewrite =
        Some("CREATE INDEX CONCURRENTLY orders_customer\n    ON orders (customer_id);".into());
    let at = SLIM_TEXT.find("INDEX").unwrap() + "INDEX".len();
    locks.fix = Some(Fix {
        title: "add CONCURRENTLY".into(),
        edits: vec![Edit { span: Span::new(at, at), text: " CONCURRENTLY".into() }],
    });
    let drop = finding("BC01", SLIM, SLIM_TEXT, "DROP COLUMN fax", Severity::Error);
    let start = drop.start;
    Sample {
        findings: vec![
            drop,
            locks,
            finding("RV01", NOTES, NOTES_TEXT, "DELETE FROM notes", Severity::Error),
            finding("RV01", NOTES, NOTES_TEXT, "\"a & b\"", Severity::Info),
        ],
        effects: vec![StatementEffects {
            file: SLIM.into(),
            version: "0006".into(),
            statement: 0,
            span: Span::new(29, 66),
            start,
            effects: Effects::none(),
        }],
        series: vec![JudgedSeries {
            path: "migrations".into(),
            layout: "plain".into(),
            dialect: Dialect::Postgres,
            dialect_from: "--dialect".into(),
        }],
        problems: vec![Problem {
            file: "migrations/0008_latin1.up.sql".into(),
            line: 2,
            column: 9,
            message: "byte 0xe9 is not UTF-8".into(),
            help: "save the file as UTF-8 (for example `iconv -t utf-8`)".into(),
        }],
        files: [(SLIM, SLIM_TEXT), (NOTES, NOTES_TEXT), ("migrations/0001_init.up.sql", "")]
            .map(|(path, text)| (path.to_owned(), text.to_owned()))
            .into(),
    }
}

impl Sample {
    fn document(&self) -> Document<'_> {
        Document {
            tool_version: "0.1.0",
            series: &self.series,
            findings: &self.findings,
            effects: &self.effects,
            summary: Summary { migrations: 3, statements: 9, suppressed: 1, ..Summary::default() },
            problems: &self.problems,
            files: &self.files,
            in_baseline: 2,
        }
    }
}

fn rendered(format: Format) -> String {
    render(&sample().document(), format, &Look { color: false, width: 100 })
}

#[test]
fn pretty() {
    insta::assert_snapshot!(rendered(Format::Pretty));
}

#[test]
fn pretty_in_colour_says_the_same() {
    let sample = sample();
    let plain = render(&sample.document(), Format::Pretty, &Look { color: false, width: 100 });
    let colour = render(&sample.document(), Format::Pretty, &Look { color: true, width: 100 });
    assert!(colour.contains("\u{1b}["));
    let mut stripped = String::new();
    let mut rest = colour.as_str();
    while let Some(at) = rest.find('\u{1b}') {
        stripped.push_str(&rest[..at]);
        rest = &rest[at + rest[at..].find('m').expect("only colours are sent") + 1..];
    }
    stripped.push_str(rest);
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(squeezed(&stripped), squeezed(&plain));
}

#[test]
fn nothing_found() {
    let mut sample = sample();
    sample.findings.clear();
    sample.problems.clear();
    insta::assert_snapshot!(render(&sample.document(), Format::Pretty, &Look::default()));
    assert_eq!(render(&sample.document(), Format::Github, &Look::default()), "");
}

#[test]
fn json() {
    insta::assert_snapshot!(rendered(Format::Json));
}

#[test]
fn sarif() {
    // What the rules say of themselves is theirs, and has tests of its own.
    let mut value: serde_json::Value = serde_json::from_str(&rendered(Format::Sarif)).unwrap();
    for rule in value["runs"][0]["tool"]["driver"]["rules"].as_array_mut().unwrap() {
        for part in ["shortDescription", "fullDescription", "help"] {
            rule[part] = "…".into();
        }
    }
    insta::assert_snapshot!(serde_json::to_string_pretty(&value).unwrap());
}

#[test]
fn github() {
    insta::assert_snapshot!(rendered(Format::Github));
}

#[test]
fn gitlab() {
    insta::assert_snapshot!(rendered(Format::Gitlab));
}

#[test]
fn junit() {
    insta::assert_snapshot!(rendered(Format::Junit));
}

/// The schema that OASIS published stands in the `serde-sarif` crate: it is read from where cargo
/// unpacked it.
fn sarif_schema() -> serde_json::Value {
    let about = std::process::Command::new("rustc").arg("-vV").output().expect("rustc runs");
    let about = String::from_utf8_lossy(&about.stdout).into_owned();
    let host =
        about.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc has a host");
    // Only what this host builds is sure to be on this machine.
    let output = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--filter-platform", host])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let manifest = metadata["packages"]
        .as_array()
        .and_then(|packages| packages.iter().find(|p| p["name"] == "serde-sarif"))
        .and_then(|package| package["manifest_path"].as_str())
        .expect("serde-sarif is a dependency of this test");
    let path = std::path::Path::new(manifest).with_file_name("src").join("schema.json");
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut schema: serde_json::Value = serde_json::from_str(&text).unwrap();
    // The published pattern of a language tag is no valid regular expression (a `]` too many);
    // Downhaul writes no language tags.
    for place in ["run", "toolComponent"] {
        let language = &mut schema["definitions"][place]["properties"]["language"];
        language.as_object_mut().expect("the schema describes the language").remove("pattern");
    }
    schema
}

#[test]
fn sarif_keeps_to_its_schema() {
    let schema = sarif_schema();
    assert!(
        schema["$id"].as_str().or(schema["id"].as_str()).is_some_and(|id| id.contains("sarif"))
    );
    let validator = jsonschema::validator_for(&schema).expect("the schema is one");
    let errors = |value: &serde_json::Value| {
        validator
            .iter_errors(value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect::<Vec<_>>()
    };
    let mut value: serde_json::Value = serde_json::from_str(&rendered(Format::Sarif)).unwrap();
    assert_eq!(errors(&value), Vec::<String>::new());
    let mut empty = sample();
    empty.findings.clear();
    empty.problems.clear();
    let clean = render(&empty.document(), Format::Sarif, &Look::default());
    assert_eq!(errors(&serde_json::from_str(&clean).unwrap()), Vec::<String>::new());
    // The check can fail.
    value["runs"][0]["results"][0]["level"] = "fatal".into();
    assert!(!errors(&value).is_empty());
}

#[test]
fn a_file_in_every_format_survives_places_outside_of_its_text() {
    let mut sample = sample();
    for finding in &mut sample.findings {
        finding.span = Span::new(10_000, 10_001);
    }
    for format in Format::ALL {
        assert!(!render(&sample.document(), format, &Look::default()).is_empty(), "{format}");
    }
    sample.files.clear();
    for format in Format::ALL {
        assert!(!render(&sample.document(), format, &Look::default()).is_empty(), "{format}");
    }
}

//! Directories for the tests of the layouts.

use super::{LayoutId, SourceFile, TransactionMode, load, load_with_layout};

fn dir(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    dir
}

/// The directory is found out to be of this layout, and its migrations read as `version name
/// up(text) down(text)`: `!` where no transaction wraps, `again` where it is repeatable. Masked
/// text keeps its places.
pub(super) fn check(layout: LayoutId, files: &[(&str, &str)], expect: &[&str]) {
    let dir = dir(files);
    let series = load(dir.path()).unwrap();
    assert_eq!(series.layout, layout);
    assert_eq!(load_with_layout(dir.path(), layout).unwrap(), series);
    let mut lines = Vec::new();
    for migration in &series.migrations {
        let mut line = format!("{} {}", migration.version, migration.name);
        for (word, file) in [("up", &migration.up), ("down", &migration.down)] {
            if let Some(file) = file {
                line.push_str(&part(word, file));
            }
        }
        if migration.repeatable {
            line.push_str(" again");
        }
        lines.push(line);
    }
    assert_eq!(lines, expect);
}

fn part(word: &str, file: &SourceFile) -> String {
    if file.program {
        assert!(file.text.is_empty());
        return " program".to_owned();
    }
    let whole = std::fs::read_to_string(&file.path).unwrap();
    assert_eq!(whole.len(), file.text.len(), "every byte keeps its place");
    for (at, byte) in file.text.bytes().enumerate() {
        assert!(byte == b' ' || byte == whole.as_bytes()[at]);
    }
    let alone = if file.transaction == TransactionMode::None { "!" } else { "" };
    let text = file.text.split_whitespace().collect::<Vec<_>>().join(" ");
    format!(" {word}{alone}({text})")
}

/// Why the directory is refused.
pub(super) fn refusal(files: &[(&str, &str)]) -> String {
    load(dir(files).path()).unwrap_err().to_string()
}

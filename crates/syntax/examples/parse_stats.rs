//! How much of real SQL is understood: statements, the share that is not, the most common shapes
//! of those, and the time.
//!
//! `cargo run -p downhaul-syntax --example parse_stats -- --dialect postgres PATH…`
//!
//! A path is a `.sql` file, a directory (searched for `.sql` files) or `@FILE`, which names one
//! path a line. `--list` prints each statement that is not understood with its place; `--changes`
//! prints every statement with its changes.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use downhaul_syntax::lexer::{TokenKind, lex};
use downhaul_syntax::{Dialect, LineIndex, Parsed, parse_script};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), String> {
    let mut dialect = Dialect::Postgres;
    let (mut changes, mut list) = (false, false);
    let mut files = Vec::new();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--dialect" => {
                dialect = args
                    .next()
                    .unwrap_or_default()
                    .parse()
                    .map_err(|e| format!("--dialect: {e}"))?;
            }
            "--changes" => changes = true,
            "--list" => list = true,
            path => match path.strip_prefix('@') {
                Some(names) => {
                    let text =
                        std::fs::read_to_string(names).map_err(|e| format!("{names}: {e}"))?;
                    files.extend(text.lines().map(PathBuf::from));
                }
                None => collect(Path::new(path), &mut files)?,
            },
        }
    }
    let mut sources = Vec::new();
    for file in &files {
        let bytes = std::fs::read(file).map_err(|e| format!("{}: {e}", file.display()))?;
        sources.push((file, String::from_utf8_lossy(&bytes).into_owned()));
    }
    let mut spent = Duration::ZERO;
    let (mut statements, mut unparsed, mut bytes) = (0usize, 0usize, 0usize);
    let mut shapes: BTreeMap<String, usize> = BTreeMap::new();
    for (file, source) in &sources {
        bytes += source.len();
        let start = Instant::now();
        let script = parse_script(source, dialect);
        spent += start.elapsed();
        statements += script.statements.len();
        let lines = LineIndex::new(source);
        let place = |offset| {
            let at = lines.position(source, offset);
            format!("{}:{}:{}", file.display(), at.line, at.column)
        };
        for statement in &script.statements {
            if changes {
                println!("-- {}", statement.text.replace('\n', "\n-- "));
                println!("{:#?}", statement.parsed);
            }
            if let Parsed::Unparsed(error) = &statement.parsed {
                unparsed += 1;
                *shapes.entry(shape(&statement.text, dialect)).or_default() += 1;
                if list {
                    let text: String = statement.text.chars().take(300).collect();
                    println!("{}: {}", place(error.span.start), error.message);
                    println!("    {}", text.replace('\n', "\n    "));
                }
            }
        }
        if list {
            for error in &script.errors {
                println!("{}: {}", place(error.span.start), error.message);
            }
        }
    }
    let mut shapes: Vec<_> = shapes.into_iter().collect();
    shapes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for (shape, count) in shapes.iter().take(15) {
        println!("{count:6}  {shape}");
    }
    println!(
        "{} files, {bytes} bytes, {statements} statements, {unparsed} not understood ({:.3} %), {:.1} ms",
        sources.len(),
        100.0 * unparsed as f64 / statements.max(1) as f64,
        spent.as_secs_f64() * 1e3
    );
    Ok(())
}

/// The `.sql` files at or below a path, in order.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let entries = std::fs::read_dir(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut entries: Vec<_> = entries.filter_map(Result::ok).map(|e| e.path()).collect();
    entries.sort();
    for entry in entries {
        if entry.is_dir() || entry.extension().is_some_and(|e| e.eq_ignore_ascii_case("sql")) {
            collect(&entry, files)?;
        }
    }
    Ok(())
}

/// The statement's first words, names and values left out.
fn shape(text: &str, dialect: Dialect) -> String {
    let words: Vec<String> = lex(text, dialect)
        .tokens
        .iter()
        .filter(|t| !t.kind.is_trivia())
        .take(6)
        .map(|t| match t.kind {
            TokenKind::Word => t.span.text(text).to_ascii_uppercase(),
            TokenKind::QuotedIdent | TokenKind::Placeholder => "name".to_owned(),
            TokenKind::String | TokenKind::DollarString | TokenKind::Number => "value".to_owned(),
            _ => t.span.text(text).chars().take(10).collect(),
        })
        .collect();
    words.join(" ")
}

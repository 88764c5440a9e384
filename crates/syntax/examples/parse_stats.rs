//! Counts how many statements of the given files are understood, and prints the others.
//!
//! `cargo run -p downhaul-syntax --example parse_stats -- --dialect postgres FILE…`
//!
//! `--changes` prints every statement with its changes instead; `@FILE` reads file names from a
//! file, one a line.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use downhaul_syntax::{Dialect, LineIndex, Parsed, parse_script};

fn main() -> ExitCode {
    let mut dialect = Dialect::Postgres;
    let mut show_changes = false;
    let mut files = Vec::new();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--dialect" => match args.next().as_deref().map(str::parse) {
                Some(Ok(found)) => dialect = found,
                _ => {
                    eprintln!("--dialect wants one of postgres, mysql, mariadb, sqlite");
                    return ExitCode::from(2);
                }
            },
            "--changes" => show_changes = true,
            list if list.starts_with('@') => match std::fs::read_to_string(&list[1..]) {
                Ok(text) => files.extend(text.lines().map(str::to_owned)),
                Err(error) => {
                    eprintln!("{list}: {error}");
                    return ExitCode::from(2);
                }
            },
            _ => files.push(arg),
        }
    }
    let (mut statements, mut unparsed, mut bytes) = (0usize, 0usize, 0usize);
    let mut spent = std::time::Duration::ZERO;
    for file in &files {
        let source = match std::fs::read(file) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) => {
                eprintln!("{file}: {error}");
                continue;
            }
        };
        bytes += source.len();
        let start = std::time::Instant::now();
        let script = parse_script(&source, dialect);
        spent += start.elapsed();
        let lines = LineIndex::new(&source);
        statements += script.statements.len();
        for statement in &script.statements {
            if show_changes {
                println!("-- {}", statement.text.replace('\n', "\n-- "));
                println!("{:#?}", statement.parsed);
            }
            if let Parsed::Unparsed(error) = &statement.parsed {
                unparsed += 1;
                let at = lines.position(&source, error.span.start);
                println!("{file}:{}:{}: {}", at.line, at.column, error.message);
                let text: String = statement.text.chars().take(300).collect();
                println!("    {}", text.replace('\n', "\n    "));
            }
        }
        for error in &script.errors {
            let at = lines.position(&source, error.span.start);
            println!("{file}:{}:{}: {}", at.line, at.column, error.message);
        }
    }
    println!(
        "{} files, {bytes} bytes, {statements} statements, {unparsed} unparsed, {:.1} ms",
        files.len(),
        spent.as_secs_f64() * 1e3
    );
    ExitCode::SUCCESS
}

//! The paired migrations of public projects: applied, reverted and applied again on real servers, by
//! the files alone and by Downhaul, and compared with what the analyzer said of them before.
//!
//! And each up file through `expand`: what comes out runs, leads where the file does, and back.
//!
//! `scripts/real-projects DIR` runs the one, `scripts/real-projects --expand DIR` the other; `DIR/<owner>+<name>` are checkouts. None of their files is
//! part of this repository.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot set its stage has failed; this one shows what it found"
)]

mod expansions;
mod place;
mod project;
mod walk;

use std::path::PathBuf;

use crate::expansions::{Expanded, expansions};
use crate::place::Place;
use crate::project::PROJECTS;
use crate::walk::{Tally, walk};

#[tokio::test]
#[ignore = "needs checkouts of public projects: scripts/real-projects DIR"]
async fn real_projects() {
    let root = PathBuf::from(std::env::var("DOWNHAUL_PROJECTS").expect("DOWNHAUL_PROJECTS=DIR"));
    let only = std::env::var("DOWNHAUL_ONLY").unwrap_or_default();
    println!("{}", Tally::HEAD);
    let mut all = Tally::default();
    let mut seen = 0;
    for project in PROJECTS.iter().filter(|p| p.name.contains(&only)) {
        let files = project.read(&root);
        if files.is_empty() {
            println!("{}: no migrations below {}", project.name, root.display());
            continue;
        }
        let place = Place::new(project.engine).await;
        let tally = walk(project, &files, &place).await;
        println!("{}", tally.line(project));
        all.add(&tally);
        seen += 1;
    }
    println!("{}", all.sum());
    assert!(seen > 0, "no project was found below {}", root.display());
}

#[tokio::test]
#[ignore = "needs checkouts of public projects: scripts/real-projects --expand DIR"]
async fn expanded() {
    let root = PathBuf::from(std::env::var("DOWNHAUL_PROJECTS").expect("DOWNHAUL_PROJECTS=DIR"));
    let only = std::env::var("DOWNHAUL_ONLY").unwrap_or_default();
    let (mut lines, mut all) = (Vec::new(), Expanded::default());
    for project in PROJECTS.iter().filter(|p| p.name.contains(&only)) {
        let files = project.read(&root);
        if files.is_empty() {
            continue;
        }
        println!("{} ({})", project.name, project.engine.name());
        let place = Place::new(project.engine).await;
        let found = expansions(project, &files, &place).await;
        lines.push(found.line(project.name, project.engine.name()));
        all.add(&found);
    }
    assert!(!lines.is_empty(), "no project was found below {}", root.display());
    println!("{}\n{}\n{}", Expanded::HEAD, lines.join("\n"), all.line("all", ""));
}

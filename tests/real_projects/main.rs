//! The paired migrations of public projects: applied, reverted and applied again on real servers, by
//! the files alone and by Downhaul, and compared with what the analyzer said of them before.
//!
//! `scripts/real-projects DIR` runs it; `DIR/<owner>+<name>` are checkouts. None of their files is
//! part of this repository.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot set its stage has failed; this one shows what it found"
)]

mod place;
mod project;
mod walk;

use std::path::PathBuf;

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

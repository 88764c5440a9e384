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

mod project;
mod walk;

use std::path::PathBuf;

use downhaul_kit::{MariaDb, Postgres, SqliteFile};

use crate::project::{Engine, PROJECTS};
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
        let tally = match project.engine {
            Engine::Postgres => {
                let database = Postgres::shared().fresh_database().await;
                walk(project, &files, database.url(), "").await
            }
            Engine::MySql => {
                let database = MariaDb::shared().fresh_database().await;
                let beside = MariaDb::shared().fresh_database().await;
                walk(project, &files, database.url(), beside.url()).await
            }
            Engine::Sqlite => {
                let file = SqliteFile::new();
                walk(project, &files, &file.url(), "").await
            }
        };
        println!("{}", tally.line(project));
        all.add(&tally);
        seen += 1;
    }
    println!("{}", all.sum());
    assert!(seen > 0, "no project was found below {}", root.display());
    assert_eq!(all.ours_differ + all.again_differ, 0, "see the lines above");
}

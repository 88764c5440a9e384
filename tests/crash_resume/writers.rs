//! Others who write while a migration runs on an engine where every DDL statement commits by itself:
//! whatever was written before its table or column went is kept, and comes back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use downhaul::exit_code::Code;
use downhaul_kit::{Program, Session};

use crate::stage::{DOWN, PROGRAM, Stage, UP, expect};

/// What a writer was told is committed.
#[derive(Debug, Default)]
struct Written {
    notes: Vec<u64>,
    phones: BTreeMap<u64, String>,
    emails: BTreeMap<u64, String>,
}

/// Writes until told to stop: new notes, new phone numbers, new addresses.
async fn write(url: String, writer: u64, stop: Arc<AtomicBool>) -> Written {
    let mut session = Session::connect(&url).await;
    let mut written = Written::default();
    for n in 0_u64.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let number = 10_000 * writer + n;
        // No two writers have a customer in common.
        let customer = 1 + (n * 4 + writer) % 400;
        match n % 3 {
            0 => {
                let sql = format!(
                    "INSERT INTO order_notes (order_id, author, body) VALUES (1 + {n} % 1000, 'w', 'note {number}')"
                );
                if session.try_run(&sql).await.is_ok() {
                    written.notes.push(number);
                }
            }
            1 => {
                let phone = format!("+1 {number}");
                let sql = format!("UPDATE customers SET phone = '{phone}' WHERE id = {customer}");
                if session.try_run(&sql).await.is_ok() {
                    written.phones.insert(customer, phone);
                }
            }
            _ => {
                let email = format!("new.{number}@Example.COM");
                let sql = format!("UPDATE customers SET email = '{email}' WHERE id = {customer}");
                if session.try_run(&sql).await.is_ok() {
                    written.emails.insert(customer, email);
                }
            }
        }
    }
    session.close().await;
    written
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_written_beside_a_migration_is_lost_on_mariadb() {
    nothing_written_beside_a_migration_is_lost(Stage::mariadb().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "wants MySQL: scripts/mysql-tests"]
async fn nothing_written_beside_a_migration_is_lost_on_mysql() {
    nothing_written_beside_a_migration_is_lost(Stage::mysql().await).await;
}

async fn nothing_written_beside_a_migration_is_lost(stage: Stage) {
    for round in 0..3_u64 {
        let stop = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> = (0..3)
            .map(|writer| tokio::spawn(write(stage.url(), 10 * round + writer, stop.clone())))
            .collect();
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        let child = stage.program.spawn(UP);
        let outcome =
            tokio::task::spawn_blocking(move || Program::new(PROGRAM).wait(child)).await.unwrap();
        expect(&outcome, Code::Clean);
        stop.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for writer in writers {
            all.push(writer.await.unwrap());
        }
        expect(&stage.program.run(DOWN), Code::Clean);
        let mut session = stage.session().await;
        for written in &all {
            assert!(!written.notes.is_empty() && !written.phones.is_empty());
            for note in &written.notes {
                let sql = format!("SELECT count(*) FROM order_notes WHERE body = 'note {note}'");
                assert_eq!(session.value(&sql).await.as_deref(), Some("1"), "note {note}");
            }
            for (customer, phone) in &written.phones {
                let sql = format!("SELECT phone FROM customers WHERE id = {customer}");
                let found = session.value(&sql).await;
                assert_eq!(found.as_ref(), Some(phone), "customer {customer}");
            }
            for (customer, email) in &written.emails {
                let sql = format!("SELECT email FROM customers WHERE id = {customer}");
                let found = session.value(&sql).await;
                assert_eq!(found.as_ref(), Some(email), "customer {customer}");
            }
        }
        session.close().await;
    }
}

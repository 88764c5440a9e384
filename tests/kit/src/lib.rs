//! Test kit: private real database servers, seeded data, kills and cuts.
//!
//! Every server lives in a temporary folder of its own, on a free port of `127.0.0.1`, and is
//! stopped by its process id. Nothing is mocked and nothing is skipped: a server that is not
//! installed is a panic that says how to install it.
//!
//! ```no_run
//! # async fn example() {
//! let database = downhaul_kit::Postgres::shared().fresh_database().await;
//! let mut session = downhaul_kit::Session::connect(database.url()).await;
//! session.run("CREATE TABLE t (id int)").await;
//! # }
//! ```

mod certificates;
pub mod fault;
mod galera;
mod mariadb;
mod mysql;
mod pgbouncer;
mod photograph;
mod postgres;
mod process;
mod program;
pub mod random;
mod session;
mod sqlite;

pub use certificates::{Certificates, ServerCertificate};
pub use fault::{Disk, LimitedFolder, LockHolder, Proxy};
pub use galera::Galera;
pub use mariadb::{MariaDb, MariaDbOptions};
pub use mysql::MySql;
pub use pgbouncer::PgBouncer;
pub use photograph::Photograph;
pub use postgres::{Durability, Postgres, PostgresOptions};
pub use program::{Outcome, Program, check, without_what_varies};
pub use random::{Rng, SqlType};
pub use session::{DatabaseHandle, Session, TextRow, error_code, error_text};
pub use sqlite::SqliteFile;

/// Runs a future to its end on a thread of its own, so that it works inside and outside of a
/// tokio runtime (also in `Drop`).
pub fn block_on<F>(future: F) -> F::Output
where
    F: Future + Send,
    F::Output: Send,
{
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a current-thread runtime needs no resources but file descriptors")
                .block_on(future)
        });
        match thread.join() {
            Ok(output) => output,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Makes a module of tests that tell one story, an `async fn(url: &str)`, to a fresh database of each
/// engine named.
#[macro_export]
macro_rules! on_engines {
    (@sqlite $story:path) => {
        #[tokio::test]
        async fn sqlite() {
            let file = $crate::SqliteFile::new();
            $story(&file.url()).await;
        }
    };
    (@postgres $story:path) => {
        #[tokio::test]
        async fn postgres() {
            let database = $crate::Postgres::shared().fresh_database().await;
            $story(database.url()).await;
        }
    };
    (@mariadb $story:path) => {
        #[tokio::test]
        async fn mariadb() {
            let database = $crate::MariaDb::shared().fresh_database().await;
            $story(database.url()).await;
        }
    };
    (@mysql $story:path) => {
        #[tokio::test]
        #[ignore = "wants MySQL: scripts/mysql-tests"]
        async fn mysql() {
            let database = $crate::MySql::shared().fresh_database().await;
            $story(database.url()).await;
        }
    };
    ($name:ident, $story:path, $($engine:ident),+) => {
        mod $name {
            $($crate::on_engines!(@$engine $story);)+
        }
    };
}

/// Makes, for each `async fn(database: DatabaseHandle)` of the module `stories`, a module of two tests: on
/// MariaDB, and on MySQL, which `scripts/mysql-tests` asks for.
#[macro_export]
macro_rules! on_mariadb_and_mysql {
    ($($story:ident),+) => {$(
        mod $story {
            #[tokio::test]
            async fn mariadb() {
                let database = $crate::MariaDb::shared().fresh_database().await;
                super::stories::$story(database).await;
            }

            #[tokio::test]
            #[ignore = "wants MySQL: scripts/mysql-tests"]
            async fn mysql() {
                super::stories::$story($crate::MySql::shared().fresh_database().await).await;
            }
        }
    )+};
}

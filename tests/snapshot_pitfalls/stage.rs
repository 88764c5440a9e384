//! A database with tracked tables, and the program beside it.

pub(crate) use downhaul_kit::check;
use downhaul_kit::{DatabaseHandle, Postgres, Program, Session};

pub(crate) struct Stage {
    pub(crate) program: Program,
    pub(crate) db: Session,
    url: String,
    _database: Option<DatabaseHandle>,
}

impl Stage {
    pub(crate) async fn new(setup: &str) -> Self {
        let database = Postgres::shared().fresh_database().await;
        let url = database.url().to_owned();
        let mut db = Session::connect(&url).await;
        db.run(setup).await;
        let program = Program::new(env!("CARGO_BIN_EXE_downhaul")).database(&url);
        Self { program, db, url, _database: Some(database) }
    }

    /// The same database as another user.
    pub(crate) async fn as_user(other: &Self, user: &str) -> Self {
        let url = other.url.replacen("postgres@", &format!("{user}@"), 1);
        assert_ne!(url, other.url, "the URL names its user");
        let db = Session::connect(&url).await;
        let program = Program::new(env!("CARGO_BIN_EXE_downhaul")).database(&url);
        Self { program, db, url, _database: None }
    }

    pub(crate) async fn another(&self) -> Session {
        Session::connect(&self.url).await
    }

    pub(crate) fn track(&self, triggers: &str) {
        self.program.ok(&["snapshot", "track", "--all", "--yes", "--triggers", triggers]);
    }

    pub(crate) fn mark(&self, name: &str) {
        self.program.ok(&["snapshot", "mark", name]);
    }

    /// All rows of these tables, as text.
    pub(crate) async fn photograph(&mut self, tables: &[&str]) -> Vec<String> {
        let mut all = Vec::new();
        for table in tables {
            let rows =
                self.db.rows(&format!("SELECT t::text FROM ONLY {table} t ORDER BY 1")).await;
            let rows = if rows.is_empty() {
                self.db.rows(&format!("SELECT t::text FROM {table} t ORDER BY 1")).await
            } else {
                rows
            };
            all.extend(rows.into_iter().map(|row| row[0].clone().unwrap()));
        }
        all
    }
}

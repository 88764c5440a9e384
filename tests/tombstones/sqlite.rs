//! A dropped table of SQLite is set aside, not copied, and comes back as it was.

use downhaul_engine::Target;
use downhaul_kit::{Photograph, Program, Session, SqliteFile};
use downhaul_plan::load;
use downhaul_run::observer::Silent;
use downhaul_run::{DownSelection, Options, RunError, Runner, UpSelection};
use downhaul_snapshot::tombstone::Policy;

/// A file and a folder with one migration.
struct Site {
    file: SqliteFile,
    dir: tempfile::TempDir,
}

impl Site {
    async fn new(setup: &str) -> Self {
        let file = SqliteFile::new();
        Session::connect(&file.url()).await.run(setup).await;
        Self { file, dir: tempfile::tempdir().unwrap() }
    }

    fn migration(&self, up: &str, down: &str) {
        std::fs::write(self.dir.path().join("1_change.up.sql"), up).unwrap();
        std::fs::write(self.dir.path().join("1_change.down.sql"), down).unwrap();
    }

    async fn runner(&self) -> Runner {
        let target = Target::parse(&self.file.url()).unwrap();
        let options = Options { policy: Policy::Tombstone, ..Options::default() };
        Runner::open(&target, false, options).await.unwrap()
    }

    async fn up(&self) -> Result<(), RunError> {
        let mut runner = self.runner().await;
        let plan = runner.plan_up(&load(self.dir.path()).unwrap(), &UpSelection::All).await?;
        let result = runner.up(&plan, &mut Silent).await;
        runner.close().await;
        result.map(drop)
    }

    async fn down(&self) -> Result<(), RunError> {
        let mut runner = self.runner().await;
        let series = load(self.dir.path()).unwrap();
        let plan = runner.plan_down(&series, &DownSelection::All).await?;
        let result = runner.down(&plan, &mut Silent).await;
        runner.close().await;
        result.map(drop)
    }

    async fn session(&self) -> Session {
        Session::connect(&self.file.url()).await
    }

    async fn value(&self, sql: &str) -> Option<String> {
        self.session().await.value(sql).await
    }

    async fn photograph(&self) -> Photograph {
        Photograph::of(&mut self.session().await).await
    }

    /// Every text of the schema that is not ours, and where its rows lie: another page means that
    /// they were written again.
    async fn texts(&self) -> Vec<Vec<Option<String>>> {
        let query = "SELECT type, name, tbl_name, sql, CAST(rootpage AS text) FROM sqlite_schema WHERE tbl_name NOT LIKE 'downhaul%' AND name NOT LIKE 'sqlite_sequence' ORDER BY 1, 2";
        self.session().await.rows(query).await
    }

    /// How many tombstones and copies there are.
    async fn kept(&self) -> (i64, i64) {
        let count = async |what: &str| -> i64 {
            let query = format!(
                "SELECT CAST(count(*) AS text) FROM sqlite_schema WHERE type = 'table' AND name GLOB 'downhaul_{what}_[0-9]*'"
            );
            self.value(&query).await.unwrap().parse().unwrap()
        };
        let few = "SELECT CAST(count(DISTINCT store) AS text) FROM downhaul_kept_rows";
        let few: i64 = self.value(few).await.unwrap().parse().unwrap();
        (count("tomb").await, count("kept").await + few)
    }
}

/// Everything that a table can have, and everything that can hang on it.
const RICH: &str = r#"
CREATE TABLE "odd ""orders" ( -- (a comment)
  id integer PRIMARY KEY AUTOINCREMENT,
  customer int NOT NULL UNIQUE,
  "tot""al" numeric DEFAULT 0 CHECK ("tot""al" >= 0),
  half AS ("tot""al" / 2) STORED,
  twice AS ("tot""al" * 2),
  code text COLLATE NOCASE, note blob
) STRICT;
"#;

#[tokio::test]
async fn a_table_comes_back_with_all_that_hangs_on_it() {
    let rich = RICH
        .replace("numeric", "real")
        .replace("half AS", "half real AS")
        .replace("twice AS", "twice real AS");
    let site = Site::new(&format!(
        "{rich} CREATE UNIQUE INDEX [by code] ON \"odd \"\"orders\" (code DESC) WHERE id > 0; \
         CREATE INDEX lowered ON \"odd \"\"orders\" (lower(code), \"tot\"\"al\"); \
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50) \
           INSERT INTO \"odd \"\"orders\" (customer, \"tot\"\"al\", code, note) SELECT i, i * 1.5, 'c' || i, zeroblob(i) FROM n; \
         DELETE FROM \"odd \"\"orders\" WHERE id = 50; \
         CREATE TABLE log (what text); \
         CREATE TRIGGER stamp AFTER INSERT ON \"odd \"\"orders\" BEGIN INSERT INTO log VALUES ('stamped'); END; \
         CREATE TRIGGER other AFTER INSERT ON log BEGIN UPDATE \"odd \"\"orders\" SET code = 'x' WHERE id = -1; END; \
         CREATE VIEW totals AS SELECT sum(\"tot\"\"al\") FROM \"odd \"\"orders\";"
    ))
    .await;
    // The down file remembers next to nothing.
    site.migration("DROP TABLE \"odd \"\"orders\";", "SELECT 1;");
    let (before, texts) = (site.photograph().await, site.texts().await);
    site.up().await.unwrap();
    assert_eq!(site.kept().await, (1, 0));
    // Nothing out of sight stands in the way, and nobody else's text names it.
    let mut app = site.session().await;
    app.run("CREATE TABLE lowered (a); DROP TABLE lowered; CREATE INDEX [by code] ON log (what); DROP INDEX [by code]").await;
    app.run("CREATE TRIGGER stamp AFTER DELETE ON log BEGIN SELECT 1; END; DROP TRIGGER stamp")
        .await;
    let named = app.value("SELECT CAST(count(*) AS text) FROM sqlite_schema WHERE sql LIKE '%downhaul_tomb%' AND tbl_name NOT LIKE 'downhaul%'").await;
    assert_eq!(named.as_deref(), Some("0"));
    assert_eq!(app.value("PRAGMA integrity_check").await.as_deref(), Some("ok"));
    site.down().await.unwrap();
    let differences = before.differences(&site.photograph().await);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert_eq!(site.texts().await, texts);
    assert_eq!(site.kept().await, (0, 0));
    // An older connection sees it too; the counter goes on where it was.
    app.run("INSERT INTO \"odd \"\"orders\" (customer) VALUES (51)").await;
    let newest = app
        .value("SELECT max(id) || ' ' || (SELECT count(*) FROM log) FROM \"odd \"\"orders\"")
        .await;
    assert_eq!(newest.as_deref(), Some("51 1"));
    let index = app
        .value(
            "SELECT count(*) FROM \"odd \"\"orders\" INDEXED BY lowered WHERE lower(code) = 'c7'",
        )
        .await;
    assert_eq!(index.as_deref(), Some("1"));
    assert_eq!(app.value("PRAGMA integrity_check").await.as_deref(), Some("ok"));
}

const PLAIN: &str = "CREATE TABLE a (id int PRIMARY KEY NOT NULL, v text); CREATE INDEX a_v ON a (v); \
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20) INSERT INTO a SELECT i, 'v' || i FROM n;";
const PLAIN_AGAIN: &str =
    "CREATE TABLE a (id int PRIMARY KEY NOT NULL, v text); CREATE INDEX a_v ON a (v);";

/// What is set aside, and what is copied: setup, up, down, tombstones and copies in between.
const CASES: &[(&str, &str, &str, (i64, i64))] = &[
    ("", "DROP TABLE a;", PLAIN_AGAIN, (1, 0)),
    ("", "DROP TABLE IF EXISTS A;", PLAIN_AGAIN, (1, 0)),
    ("", "-- downhaul:protect copy a\nDROP TABLE a;", PLAIN_AGAIN, (0, 1)),
    ("", "-- downhaul:protect auto\nDROP TABLE a;", PLAIN_AGAIN, (0, 1)),
    ("", "UPDATE a SET v = 'x' WHERE id < 5; DROP TABLE a;", PLAIN_AGAIN, (0, 1)),
    (
        "CREATE TABLE b (id integer PRIMARY KEY, a int REFERENCES a); INSERT INTO b VALUES (1, 1);",
        "DROP TABLE b;",
        "SELECT 1;",
        (0, 1),
    ),
    (
        "CREATE TABLE b (id integer PRIMARY KEY, a int REFERENCES a);",
        "DROP TABLE a;",
        "SELECT 1;",
        (0, 1),
    ),
    (
        "CREATE TABLE w (a int, b text, PRIMARY KEY (b, a)) WITHOUT ROWID; INSERT INTO w SELECT id, v FROM a;",
        "DROP TABLE w;",
        "SELECT 1;",
        (1, 0),
    ),
    // A text that does not survive another name is copied after all.
    (
        "CREATE TABLE c (id integer PRIMARY KEY, n int CHECK (c.n > 0)); INSERT INTO c SELECT id, id FROM a;",
        "DROP TABLE c;",
        "SELECT 1;",
        (0, 1),
    ),
    // The way in which SQLite's tables are rebuilt.
    (
        "",
        "CREATE TABLE n (id int PRIMARY KEY NOT NULL, v text, w text); INSERT INTO n SELECT id, v, 1 FROM a; DROP TABLE a; ALTER TABLE n RENAME TO a; CREATE INDEX a_v ON a (v);",
        "ALTER TABLE a DROP COLUMN w;",
        (0, 0),
    ),
];

#[tokio::test]
async fn each_table_is_kept_as_it_can_be() {
    for (setup, up, down, expected) in CASES {
        let site = Site::new(&format!("{PLAIN} {setup}")).await;
        site.migration(up, down);
        let before = site.photograph().await;
        site.up().await.unwrap_or_else(|error| panic!("{up}: {error:?}"));
        assert_eq!(site.kept().await, *expected, "{up}");
        site.down().await.unwrap_or_else(|error| panic!("{up}: {error:?}"));
        let differences = before.differences(&site.photograph().await);
        assert!(differences.is_empty(), "{up}:\n{}", differences.join("\n"));
        // What the way back drops is kept for the way forward.
        let again = (0, i64::from(down.contains("DROP COLUMN")));
        assert_eq!(site.kept().await, again, "{up}");
    }
}

#[tokio::test]
async fn what_was_written_since_stays() {
    let site = Site::new(PLAIN).await;
    let again = PLAIN_AGAIN
        .replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS")
        .replace("CREATE INDEX", "CREATE INDEX IF NOT EXISTS");
    site.migration("DROP TABLE a;", &again);
    site.up().await.unwrap();
    site.session()
        .await
        .run(&format!("{PLAIN_AGAIN} INSERT INTO a VALUES (1, 'new'), (99, 'newer')"))
        .await;
    site.down().await.unwrap();
    let query = "SELECT count(*) || ' ' || (SELECT v FROM a WHERE id = 1) || ' ' || (SELECT v FROM a WHERE id = 2) FROM a";
    assert_eq!(site.value(query).await.as_deref(), Some("21 new v2"));
    assert_eq!(site.kept().await, (0, 1), "the old row 1 is kept");
}

#[tokio::test]
async fn a_migration_that_fails_afterwards_leaves_nothing_aside() {
    let site = Site::new(PLAIN).await;
    site.migration("DROP TABLE a; INSERT INTO nowhere VALUES (1);", PLAIN_AGAIN);
    let (before, texts) = (site.photograph().await, site.texts().await);
    let mut older = site.session().await;
    assert_eq!(older.value("SELECT CAST(count(*) AS text) FROM a").await.as_deref(), Some("20"));
    let mut runner = site.runner().await;
    for _ in 0..2 {
        let plan =
            runner.plan_up(&load(site.dir.path()).unwrap(), &UpSelection::All).await.unwrap();
        runner.up(&plan, &mut Silent).await.expect_err("there is no such table");
        assert_eq!(before.differences(&site.photograph().await), [""; 0]);
        assert_eq!((site.texts().await, site.kept().await), (texts.clone(), (0, 0)));
    }
    runner.close().await;
    assert_eq!(
        older.value("SELECT v FROM a INDEXED BY a_v WHERE v = 'v7'").await.as_deref(),
        Some("v7")
    );
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_downhaul");

#[tokio::test]
async fn what_is_kept_is_shown_and_given_up_only_by_hand() {
    let site = Site::new(PLAIN).await;
    let program = Program::new(PROGRAM).database(site.file.url());
    program.migration("1_drop", "DROP TABLE a;", PLAIN_AGAIN);
    let plan = program.ok(&["plan", "--protect", "tombstone"]).stdout;
    assert!(plan.contains("set aside, not copied"), "{plan}");
    program.ok(&["up", "--yes", "--protect", "tombstone"]);
    let status = program.ok(&["status"]).stdout;
    assert!(status.contains("held: 20 rows of") && status.contains("set aside"), "{status}");
    program.ok(&["verify"]);
    program.ok(&["snapshot", "prune", "--kept", "--older-than", "0s", "--yes"]);
    assert_eq!(site.kept().await, (0, 0));
    program.ok(&["down", "--yes"]);
    assert_eq!(site.value("SELECT CAST(count(*) AS text) FROM a").await.as_deref(), Some("0"));
}

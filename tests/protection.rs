//! Nothing is destroyed without a copy, also where the statements do not say what they destroy.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use downhaul_engine::Target;
use downhaul_kit::{MariaDb, Postgres, Session, SqliteFile};
use downhaul_plan::load;
use downhaul_run::observer::Silent;
use downhaul_run::{DownSelection, Options, RunError, Runner, UpSelection};
use downhaul_snapshot::SnapshotError;

/// A database with a schema of its own, and one migration.
struct Site {
    url: String,
    dir: tempfile::TempDir,
}

impl Site {
    async fn new(url: &str, setup: &str, up: &str, down: &str) -> Self {
        Session::connect(url).await.run(setup).await;
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("1_change.up.sql"), up).unwrap();
        std::fs::write(dir.path().join("1_change.down.sql"), down).unwrap();
        Self { url: url.to_owned(), dir }
    }

    async fn up(&self) -> Result<(), RunError> {
        let target = Target::parse(&self.url).unwrap();
        let mut runner = Runner::open(&target, false, Options::default()).await.unwrap();
        let plan =
            runner.plan_up(&load(self.dir.path()).unwrap(), &UpSelection::All).await.unwrap();
        let result = runner.up(&plan, &mut Silent).await;
        runner.close().await;
        result.map(drop)
    }

    async fn down(&self) -> Result<(), RunError> {
        let target = Target::parse(&self.url).unwrap();
        let mut runner = Runner::open(&target, false, Options::default()).await.unwrap();
        let series = load(self.dir.path()).unwrap();
        let plan = runner.plan_down(&series, &DownSelection::Steps(1)).await.unwrap();
        let result = runner.down(&plan, &mut Silent).await;
        runner.close().await;
        result.map(drop)
    }

    async fn rows(&self, table: &str) -> Vec<Vec<Option<String>>> {
        Session::connect(&self.url).await.rows(&format!("SELECT * FROM {table} ORDER BY 1")).await
    }
}

const TABLES: &str = "CREATE TABLE a (id int PRIMARY KEY, v text); CREATE TABLE b (id int PRIMARY KEY, v text); \
    INSERT INTO a VALUES (1, 'a1'), (2, 'a2'); INSERT INTO b VALUES (1, 'b1'), (2, 'b2');";

/// Every way in which a statement can change rows that its text does not name.
const HIDDEN: &[(&str, &str)] = &[
    (
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ UPDATE a SET v = 'gone' $$;",
        "SELECT f();",
    ),
    (
        "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'DELETE FROM ' || 'a'; END $$;",
        "CALL p();",
    ),
    (
        "CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM a; RETURN NEW; END $$; \
         CREATE TRIGGER t AFTER INSERT ON b FOR EACH ROW EXECUTE FUNCTION t();",
        "INSERT INTO b VALUES (3, 'b3');",
    ),
    ("CREATE VIEW w AS SELECT * FROM a;", "UPDATE w SET v = 'gone' WHERE id = 1;"),
    ("CREATE RULE r AS ON INSERT TO b DO ALSO DELETE FROM a;", "INSERT INTO b VALUES (3, 'b3');"),
];

#[tokio::test]
async fn postgres_refuses_changes_that_nobody_could_foresee() {
    for (setup, up) in HIDDEN {
        let database = Postgres::shared().fresh_database().await;
        let site = Site::new(database.url(), &format!("{TABLES} {setup}"), up, "SELECT 1;").await;
        let before = site.rows("a").await;
        let error = site.up().await.expect_err(up);
        assert!(
            matches!(
                &error,
                RunError::Refused { reason: SnapshotError::HiddenChange { what }, .. }
                    if what.contains("a")
            ),
            "{up}: {error:?}"
        );
        assert_eq!(site.rows("a").await, before, "{up}");
    }
}

#[tokio::test]
async fn postgres_keeps_what_the_file_names() {
    for (setup, up) in HIDDEN {
        let database = Postgres::shared().fresh_database().await;
        let up = format!("-- downhaul:protect copy a\n{up}");
        let site = Site::new(database.url(), &format!("{TABLES} {setup}"), &up, "SELECT 1;").await;
        let before = site.rows("a").await;
        site.up().await.unwrap();
        assert_ne!(site.rows("a").await, before, "{up}");
        site.down().await.unwrap();
        assert_eq!(site.rows("a").await, before, "{up}");
    }
}

/// The old schema would have given them its default, so the way back does.
#[tokio::test]
async fn rows_written_since_get_the_default_that_the_down_forgot() {
    let database = Postgres::shared().fresh_database().await;
    let setup = "CREATE TABLE a (id int PRIMARY KEY, tier text NOT NULL DEFAULT 'free', note text DEFAULT 'n', n serial); \
        INSERT INTO a VALUES (1, 'pro', 'x'), (2, 'free', NULL)";
    for down in [
        "SELECT 1;",
        "ALTER TABLE a ADD COLUMN tier text;",
        "ALTER TABLE a ADD COLUMN tier text NOT NULL DEFAULT 'free';",
    ] {
        let up = "ALTER TABLE a DROP COLUMN tier, DROP COLUMN n;";
        let mut app = Session::connect(database.url()).await;
        app.run("DROP TABLE IF EXISTS a; DROP SCHEMA IF EXISTS downhaul CASCADE").await;
        let site = Site::new(database.url(), setup, up, down).await;
        site.up().await.unwrap();
        app.run("INSERT INTO a VALUES (3), (4)").await;
        site.down().await.unwrap();
        let rows = site.rows("(SELECT id, tier, n FROM a) AS t").await;
        let text: Vec<String> = rows
            .iter()
            .map(|r| r.iter().map(|v| v.clone().unwrap_or_default()).collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(text, ["1 pro 1", "2 free 2", "3 free 3", "4 free 4"], "{down}");
        app.run("INSERT INTO a (id) VALUES (5)").await;
        assert_eq!(
            site.rows("(SELECT n FROM a WHERE id = 5) AS t").await[0][0].as_deref(),
            Some("5")
        );
    }
}

#[tokio::test]
async fn what_the_file_gives_up_is_not_kept() {
    let database = Postgres::shared().fresh_database().await;
    let up = "-- downhaul:protect off a\nDELETE FROM a; DELETE FROM b;";
    let site = Site::new(database.url(), TABLES, up, "SELECT 1;").await;
    let before = site.rows("b").await;
    site.up().await.unwrap();
    site.down().await.unwrap();
    assert!(site.rows("a").await.is_empty());
    assert_eq!(site.rows("b").await, before);
}

#[tokio::test]
async fn rows_that_the_migration_made_itself_are_no_loss() {
    let database = Postgres::shared().fresh_database().await;
    let up = "CREATE TABLE c (id int); DO $$ BEGIN EXECUTE 'INSERT INTO c VALUES (1)'; \
              EXECUTE 'DELETE FROM c'; END $$;";
    let site = Site::new(database.url(), TABLES, up, "DROP TABLE c;").await;
    site.up().await.unwrap();
    site.down().await.unwrap();
}

#[tokio::test]
async fn partitions_belong_to_their_table() {
    let database = Postgres::shared().fresh_database().await;
    let setup = "CREATE TABLE p (id int PRIMARY KEY, v text) PARTITION BY RANGE (id); \
        CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10); \
        CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20); \
        INSERT INTO p SELECT g, 'v' || g FROM generate_series(0, 19) g;";
    let up = "UPDATE p SET v = 'x' WHERE id % 2 = 0; DELETE FROM p WHERE id % 3 = 0;";
    let site = Site::new(database.url(), setup, up, "SELECT 1;").await;
    let before = site.rows("p").await;
    site.up().await.unwrap();
    assert_ne!(site.rows("p").await, before);
    site.down().await.unwrap();
    assert_eq!(site.rows("p").await, before);
}

/// A key that refers to a partitioned table has another beside it for each partition, and a partition's
/// key is its table's: neither can be changed by itself.
#[tokio::test]
async fn keys_that_come_from_partitions_wait_with_their_own() {
    let setup = "CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id); \
        CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10); \
        CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20); \
        CREATE TABLE c (id int, p int REFERENCES p, v text, PRIMARY KEY (id)) PARTITION BY RANGE (id); \
        CREATE TABLE c1 PARTITION OF c FOR VALUES FROM (0) TO (10); \
        CREATE TABLE t (id int PRIMARY KEY, p int REFERENCES p, v text); \
        INSERT INTO p SELECT generate_series(0, 19); INSERT INTO c SELECT g, g, 'c' FROM generate_series(0, 9) g; \
        INSERT INTO t SELECT g, g, 't' FROM generate_series(0, 19) g;";
    for (table, up, down) in [
        ("t", "UPDATE t SET v = 'x', p = 3 WHERE id < 15;", "SELECT 1;"),
        (
            "c1",
            "UPDATE c1 SET v = 'x', p = 3 WHERE id < 5; DELETE FROM c WHERE id > 7;",
            "SELECT 1;",
        ),
        (
            "t",
            "-- downhaul:protect tombstone t\nDROP TABLE t;",
            "CREATE TABLE t (id int PRIMARY KEY, p int REFERENCES p, v text);",
        ),
    ] {
        let database = Postgres::shared().fresh_database().await;
        let site = Site::new(database.url(), setup, up, down).await;
        let before = site.rows(table).await;
        let keys = "pg_constraint WHERE contype = 'f'";
        let rules = format!(
            "(SELECT conrelid::regclass::text, conname, condeferrable, conparentid <> 0 FROM {keys}) k"
        );
        let rules_before = site.rows(&rules).await;
        site.up().await.unwrap();
        site.down().await.unwrap();
        assert_eq!(site.rows(table).await, before, "{up}");
        assert_eq!(site.rows(&rules).await.len(), rules_before.len(), "{up}");
        assert!(site.rows(&rules).await.iter().all(|rule| rule[2].as_deref() == Some("f")), "{up}");
    }
}

#[tokio::test]
async fn sqlite_keeps_what_triggers_change() {
    let triggers = [
        (
            "CREATE TRIGGER t AFTER INSERT ON b BEGIN DELETE FROM a; END;",
            "INSERT INTO b VALUES (3, 'b3');",
        ),
        (
            "CREATE TRIGGER t AFTER UPDATE ON b BEGIN UPDATE a SET v = 'gone'; END;",
            "UPDATE b SET v = 'x' WHERE id = 1;",
        ),
        (
            "CREATE VIEW w AS SELECT * FROM a; \
             CREATE TRIGGER t INSTEAD OF DELETE ON w BEGIN DELETE FROM a WHERE id = OLD.id; END;",
            "DELETE FROM w WHERE id = 1;",
        ),
    ];
    for (setup, up) in triggers {
        let file = SqliteFile::new();
        let site = Site::new(&file.url(), &format!("{TABLES} {setup}"), up, "SELECT 1;").await;
        let before = site.rows("a").await;
        site.up().await.unwrap();
        assert_ne!(site.rows("a").await, before, "{up}");
        site.down().await.unwrap();
        assert_eq!(site.rows("a").await, before, "{up}");
    }
}

#[tokio::test]
async fn statements_outside_a_transaction_are_protected_too() {
    let database = Postgres::shared().fresh_database().await;
    let up = "-- downhaul:no-transaction\nDELETE FROM a;\nCREATE INDEX CONCURRENTLY i ON b (v);\nALTER TABLE b DROP COLUMN v;";
    let down = "ALTER TABLE b ADD COLUMN v text;";
    let site = Site::new(database.url(), TABLES, up, down).await;
    let before = (site.rows("a").await, site.rows("b").await);
    site.up().await.unwrap();
    assert!(site.rows("a").await.is_empty());
    site.down().await.unwrap();
    assert_eq!((site.rows("a").await, site.rows("b").await), before);
}

/// What an up adds under a new number each time does not come twice; what others added does come.
async fn seeds_come_once(url: &str, serial: &str) {
    let setup = format!(
        "CREATE TABLE kinds (id {serial}, name varchar(20) NOT NULL, note varchar(20)); \
         INSERT INTO kinds (name) VALUES ('first')"
    );
    let up = "INSERT INTO kinds (name, note) VALUES ('a', NULL), ('b', 'x'), ('b', 'x');\n";
    let site = Site::new(url, &setup, up, "DELETE FROM kinds WHERE name <> 'first';\n").await;
    let names = async || -> Vec<String> {
        let rows = site.rows("kinds").await;
        let mut names: Vec<String> = rows.into_iter().filter_map(|mut row| row[1].take()).collect();
        names.sort();
        names
    };
    site.up().await.unwrap();
    Session::connect(url).await.run("INSERT INTO kinds (name) VALUES ('mine'), ('mine')").await;
    for _ in 0..2 {
        site.down().await.unwrap();
        assert_eq!(names().await, ["first"], "{url}");
        site.up().await.unwrap();
        assert_eq!(names().await, ["a", "b", "b", "first", "mine", "mine"], "{url}");
    }
}

#[tokio::test]
async fn seeds_come_once_on_postgres() {
    let database = Postgres::shared().fresh_database().await;
    seeds_come_once(database.url(), "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY").await;
}

#[tokio::test]
async fn seeds_come_once_on_mariadb() {
    let database = MariaDb::shared().fresh_database().await;
    seeds_come_once(database.url(), "bigint AUTO_INCREMENT PRIMARY KEY").await;
}

#[tokio::test]
async fn seeds_come_once_on_sqlite() {
    let file = SqliteFile::new();
    seeds_come_once(&file.url(), "integer PRIMARY KEY AUTOINCREMENT").await;
}

/// A view that others read is made again as it was, and they with it.
#[tokio::test]
async fn views_that_stand_on_each_other_are_made_again() {
    let database = Postgres::shared().fresh_database().await;
    let site = Site::new(
        database.url(),
        "CREATE TABLE p (id int PRIMARY KEY, name text, extra text); INSERT INTO p VALUES (1, 'a', 'x'), (2, 'b', 'y'); \
         CREATE VIEW low AS SELECT id, name FROM p; CREATE VIEW middle AS SELECT id FROM low; \
         CREATE VIEW top AS SELECT id FROM middle; COMMENT ON VIEW top IS 'the highest'; GRANT SELECT ON top TO PUBLIC",
        "DROP VIEW top; DROP VIEW middle; DROP VIEW low; CREATE VIEW low AS SELECT id, name, extra FROM p; \
         CREATE VIEW middle AS SELECT id FROM low; CREATE VIEW top AS SELECT id FROM middle; \
         COMMENT ON VIEW top IS 'the highest'; GRANT SELECT ON top TO PUBLIC; DELETE FROM p WHERE id = 1;",
        "ANALYZE p;",
    )
    .await;
    site.up().await.unwrap();
    let mut session = Session::connect(&site.url).await;
    session.run("CREATE VIEW later AS SELECT id FROM top").await;
    site.down().await.unwrap();
    let found = session
        .rows(
            "SELECT (SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'low'::regclass), \
               obj_description('top'::regclass), has_table_privilege('public', 'top', 'SELECT')::text, \
               (SELECT count(*) FROM later)::text",
        )
        .await;
    let found: Vec<&str> = found[0].iter().filter_map(Option::as_deref).collect();
    assert_eq!(found, ["id,name", "the highest", "true", "2"]);
}

/// A down that writes a row in the place of the one that its up deleted: the old one comes back.
async fn the_old_row_takes_its_place_again(url: &str, serial: &str) {
    let site = Site::new(
        url,
        &format!(
            "CREATE TABLE people (id {serial}, name varchar(20) NOT NULL UNIQUE, pass varchar(20)); \
             INSERT INTO people (name, pass) VALUES ('admin', 'secret'); \
             CREATE TABLE notes (id integer PRIMARY KEY, person integer NOT NULL REFERENCES people (id) ON DELETE CASCADE); \
             INSERT INTO notes VALUES (1, 1)"
        ),
        "DELETE FROM people WHERE name = 'admin';",
        "INSERT INTO people (name, pass) VALUES ('admin', 'to be done');",
    )
    .await;
    site.up().await.unwrap();
    site.down().await.unwrap();
    let row = |values: &[&str]| values.iter().map(|v| Some((*v).to_owned())).collect::<Vec<_>>();
    assert_eq!(site.rows("people").await, [row(&["1", "admin", "secret"])]);
    assert_eq!(site.rows("notes").await, [row(&["1", "1"])]);
}

#[tokio::test]
async fn the_old_row_takes_its_place_again_on_postgres() {
    let database = Postgres::shared().fresh_database().await;
    the_old_row_takes_its_place_again(database.url(), "serial PRIMARY KEY").await;
}

#[tokio::test]
async fn the_old_row_takes_its_place_again_on_sqlite() {
    let file = SqliteFile::new();
    the_old_row_takes_its_place_again(&file.url(), "integer PRIMARY KEY AUTOINCREMENT").await;
}

/// Rows that several foreign keys change in one statement, and that one empties before another deletes them.
async fn what_several_foreign_keys_did(url: &str, numbers: &str, wide: &str) {
    let site = Site::new(
        url,
        &format!(
            "CREATE TABLE par (id integer PRIMARY KEY); INSERT INTO par SELECT n FROM {numbers} WHERE n <= 40; \
             CREATE TABLE k (id integer PRIMARY KEY, p integer REFERENCES par (id) ON DELETE SET NULL, q integer REFERENCES par (id) ON DELETE SET NULL, \
               r integer REFERENCES par (id) ON DELETE CASCADE, wide text); \
             INSERT INTO k SELECT n, n % 40 + 1, n * 7 % 40 + 1, n * 3 % 40 + 1, {wide} FROM {numbers}"
        ),
        "DELETE FROM par WHERE id % 3 = 0; DELETE FROM par WHERE id % 3 = 1;",
        "SELECT 1;",
    )
    .await;
    let before = (site.rows("par").await, site.rows("k").await);
    site.up().await.unwrap();
    assert!(site.rows("k").await.len() < before.1.len());
    site.down().await.unwrap();
    assert!((site.rows("par").await, site.rows("k").await) == before, "rows came back otherwise");
}

#[tokio::test]
async fn what_several_foreign_keys_did_on_postgres() {
    let database = Postgres::shared().fresh_database().await;
    // Too large to be copied: its changes are caught by triggers.
    let numbers = "(SELECT generate_series(1, 4000) AS n) s";
    what_several_foreign_keys_did(database.url(), numbers, "repeat(md5(n::text), 16)").await;
}

#[tokio::test]
async fn what_several_foreign_keys_did_on_sqlite() {
    let file = SqliteFile::new();
    let numbers = "(WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 4000) SELECT n FROM c)";
    what_several_foreign_keys_did(&file.url(), numbers, "hex(zeroblob(200))").await;
}

/// SQLite: a primary key that may hold NULL tells rows apart as long as it holds none.
#[tokio::test]
async fn a_key_that_holds_no_null_is_a_key() {
    for (null, expected) in
        [("", "mine"), ("INSERT INTO t VALUES (NULL, 'c'), (NULL, 'd');", "mine")]
    {
        let file = SqliteFile::new();
        let site = Site::new(
            &file.url(),
            &format!("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a'), (2, 'b'); {null}"),
            "UPDATE t SET v = upper(v);",
            "SELECT 1;",
        )
        .await;
        site.up().await.unwrap();
        let mut session = Session::connect(&site.url).await;
        session.run("UPDATE t SET v = 'mine' WHERE id = 1").await;
        site.down().await.unwrap();
        let value = session.value("SELECT v FROM t WHERE id = 1").await;
        assert_eq!(value.as_deref(), Some(expected));
        // Where rows cannot be told apart, nothing goes back to a table that was written to.
        let other = session.value("SELECT v FROM t WHERE id = 2").await;
        assert_eq!(other.as_deref(), Some(if null.is_empty() { "b" } else { "B" }));
    }
}

/// Some switch indexes off for a long `UPDATE`, by the catalog. Nothing can be kept of that, and the rest is.
#[tokio::test]
async fn changes_of_the_servers_own_catalog_are_let_through() {
    let database = Postgres::shared().fresh_database().await;
    let switch = |to: bool| {
        format!(
            "UPDATE pg_index SET indisready = {to} WHERE indrelid = 'a'::regclass AND NOT indisprimary;\n"
        )
    };
    let up =
        format!("{}UPDATE a SET v = 'new';\n{}REINDEX TABLE a;\n", switch(false), switch(true));
    let setup = format!("{TABLES} CREATE INDEX a_v ON a (v)");
    let site = Site::new(database.url(), &setup, &up, "SELECT 1;").await;
    let before = site.rows("a").await;
    site.up().await.unwrap();
    let asked = "SELECT indisready FROM pg_index WHERE indexrelid = 'a_v'::regclass";
    let mut app = Session::connect(database.url()).await;
    assert_eq!(app.value(asked).await.as_deref(), Some("t"));
    site.down().await.unwrap();
    assert_eq!(site.rows("a").await, before);
    app.close().await;
}

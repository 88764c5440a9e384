//! A dropped table of MariaDB is set aside, not copied, and comes back as it was.

use downhaul_engine::Target;
use downhaul_kit::fault::Fault;
use downhaul_kit::{DatabaseHandle, MariaDb, Photograph, Program, Proxy, Session};
use downhaul_plan::load;
use downhaul_run::observer::Silent;
use downhaul_run::{DownSelection, Options, RunError, Runner, UpSelection};
use downhaul_snapshot::tombstone::Policy;

/// How many tombstones and copies there are.
type Numbers = (i64, i64);

/// A database and a folder with one migration.
struct Site {
    database: DatabaseHandle,
    dir: tempfile::TempDir,
}

impl Site {
    async fn new(setup: &str) -> Self {
        let database = MariaDb::shared().fresh_database().await;
        Session::connect(database.url()).await.run(setup).await;
        Self { database, dir: tempfile::tempdir().unwrap() }
    }

    fn migration(&self, up: &str, down: &str) {
        std::fs::write(self.dir.path().join("1_change.up.sql"), up).unwrap();
        std::fs::write(self.dir.path().join("1_change.down.sql"), down).unwrap();
    }

    async fn up_at(&self, url: &str, policy: Policy) -> Result<(), RunError> {
        let target = Target::parse(url).unwrap();
        let options = Options { policy, ..Options::default() };
        let mut runner = Runner::open(&target, false, options).await?;
        let plan = runner.plan_up(&load(self.dir.path()).unwrap(), &UpSelection::All).await;
        let result = match plan {
            Ok(plan) => runner.up(&plan, &mut Silent).await,
            Err(error) => Err(error),
        };
        runner.close().await;
        result.map(drop)
    }

    async fn up(&self) -> Result<(), RunError> {
        self.up_at(self.database.url(), Policy::Tombstone).await
    }

    async fn down_at(&self, url: &str) -> Result<(), RunError> {
        let target = Target::parse(url).unwrap();
        let options = Options { policy: Policy::Tombstone, ..Options::default() };
        let mut runner = Runner::open(&target, false, options).await?;
        let series = load(self.dir.path()).unwrap();
        let plan = runner.plan_down(&series, &DownSelection::All).await;
        let result = match plan {
            Ok(plan) => runner.down(&plan, &mut Silent).await,
            Err(error) => Err(error),
        };
        runner.close().await;
        result.map(drop)
    }

    async fn down(&self) -> Result<(), RunError> {
        self.down_at(self.database.url()).await
    }

    async fn session(&self) -> Session {
        Session::connect(self.database.url()).await
    }

    async fn value(&self, sql: &str) -> Option<String> {
        self.session().await.value(sql).await
    }

    async fn photograph(&self) -> Photograph {
        Photograph::of(&mut self.session().await).await
    }

    /// The file that holds the table's rows: another one means that they were written again.
    async fn space(&self, table: &str) -> Option<String> {
        let query = format!(
            "SELECT CAST(SPACE AS CHAR) FROM information_schema.INNODB_SYS_TABLES WHERE NAME LIKE CONCAT(DATABASE(), '/{table}')"
        );
        self.value(&query).await
    }

    async fn kept(&self) -> Numbers {
        let count = async |what: &str| -> i64 {
            let query = format!(
                "SELECT CAST(count(*) AS CHAR) FROM information_schema.tables WHERE table_schema = database() AND table_name LIKE 'downhaul\\_{what}\\_%'"
            );
            self.value(&query).await.unwrap().parse().unwrap()
        };
        (count("tomb").await, count("kept").await)
    }
}

fn same(before: &Photograph, after: &Photograph, when: &str) {
    let differences = before.differences(after);
    assert!(differences.is_empty(), "{when}:\n{}", differences.join("\n"));
}

/// Everything that a table can have, and everything that can hang on it.
const RICH: &str = r#"
CREATE TABLE customers (id int PRIMARY KEY);
INSERT INTO customers VALUES (1), (2), (3), (4), (5);
CREATE TABLE `odd ``orders` (
  id bigint unsigned AUTO_INCREMENT PRIMARY KEY,
  customer int NOT NULL,
  second int,
  parent bigint unsigned,
  `tot``al` decimal(12, 2) DEFAULT 0 CHECK (`tot``al` >= 0),
  half decimal(12, 2) AS (`tot``al` / 2) STORED,
  twice decimal(12, 2) AS (`tot``al` * 2) VIRTUAL,
  state enum('glad', 'sad') NOT NULL DEFAULT 'glad',
  code varchar(40) CHARACTER SET latin1 COLLATE latin1_bin DEFAULT 'c' COMMENT 'it''s a code',
  note text,
  at timestamp(6) NOT NULL DEFAULT current_timestamp(6) ON UPDATE current_timestamp(6),
  hidden int INVISIBLE DEFAULT 7,
  UNIQUE KEY (customer, id),
  KEY by_total (`tot``al` DESC),
  FULLTEXT KEY words (note),
  CONSTRAINT with_a_name FOREIGN KEY (customer) REFERENCES customers (id) ON DELETE CASCADE,
  FOREIGN KEY (second) REFERENCES customers (id) ON UPDATE CASCADE,
  FOREIGN KEY (parent) REFERENCES `odd ``orders` (id),
  CONSTRAINT fine CHECK (customer > 0)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='odd';
INSERT INTO `odd ``orders` (id, customer, second, `tot``al`, state, code, note, at)
  SELECT seq, 1 + seq % 5, nullif(seq % 6, 0), seq, if(seq % 2, 'sad', 'glad'), char(seq), concat('note ', seq), '2026-01-02 03:04:05.123456' FROM seq_1_to_50;
UPDATE `odd ``orders` SET parent = id - 1 WHERE id > 1;
DELETE FROM `odd ``orders` WHERE id = 50;
CREATE VIEW totals AS SELECT customer, sum(`tot``al`) AS total FROM `odd ``orders` GROUP BY customer;
"#;

/// Their owner makes them, since only they can make them again.
const TRIGGERS: &str = "CREATE TRIGGER stamp BEFORE INSERT ON `odd ``orders` FOR EACH ROW SET NEW.code = 'stamped'; \
    CREATE TRIGGER stamp_2 BEFORE INSERT ON `odd ``orders` FOR EACH ROW FOLLOWS stamp SET NEW.note = NEW.code;";

const ODD: &str = "`odd ``orders`";

/// What the down file remembers: the columns.
const ODD_AGAIN: &str = "CREATE TABLE `odd ``orders` (id bigint unsigned AUTO_INCREMENT PRIMARY KEY, customer int NOT NULL, second int, \
    parent bigint unsigned, `tot``al` decimal(12, 2), half decimal(12, 2) AS (`tot``al` / 2) STORED, twice decimal(12, 2) AS (`tot``al` * 2) VIRTUAL, \
    state enum('glad', 'sad') NOT NULL, code varchar(40) CHARACTER SET latin1 COLLATE latin1_bin, note text, at timestamp(6) NOT NULL, hidden int INVISIBLE) \
    ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;";

#[tokio::test]
async fn a_table_comes_back_with_all_that_hangs_on_it() {
    let site = Site::new(RICH).await;
    site.migration(&format!("DROP TABLE {ODD};"), ODD_AGAIN);
    // Rights on the one database are enough.
    let user = format!("keeper{}", site.database.url().rsplit('/').next().unwrap());
    let mut app = site.session().await;
    app.run(&format!("CREATE USER '{user}'@'127.0.0.1'")).await;
    let grant = app
        .value(&format!(
            "SELECT concat('GRANT ALL ON `', database(), '`.* TO ''{user}''@''127.0.0.1''')"
        ))
        .await;
    app.run(&grant.unwrap()).await;
    let url = site.database.url().replacen("root", &user, 1);
    Session::connect(&url).await.run(TRIGGERS).await;
    let (before, space) = (site.photograph().await, site.space("odd%orders").await);
    assert!(space.is_some());
    site.up_at(&url, Policy::Tombstone).await.unwrap();
    assert_eq!(site.kept().await, (1, 0));
    // Nothing acts on what is out of sight, and nothing out of sight stands in the way.
    app.run("DELETE FROM customers WHERE id = 5; INSERT INTO customers VALUES (5)").await;
    app.run("CREATE TABLE x (id int PRIMARY KEY, c int, CONSTRAINT with_a_name FOREIGN KEY (c) REFERENCES customers (id), CONSTRAINT fine CHECK (c > 0))").await;
    app.run("CREATE TRIGGER stamp BEFORE INSERT ON x FOR EACH ROW SET NEW.c = 1; DROP TABLE x")
        .await;
    site.down_at(&url).await.unwrap();
    same(&before, &site.photograph().await, "after the way back");
    assert_eq!(site.space("odd%orders").await, space, "no row was written again");
    assert_eq!(site.kept().await, (0, 0));
    // The counter goes on where it was, the references act again.
    app.run(&format!("INSERT INTO {ODD} (customer) VALUES (1)")).await;
    let newest = app.value(&format!("SELECT CAST(max(id) AS CHAR) FROM {ODD}")).await;
    assert_eq!(newest.as_deref(), Some("51"));
    app.try_run(&format!("INSERT INTO {ODD} (customer) VALUES (99)")).await.unwrap_err();
    app.run(&format!(
        "UPDATE {ODD} SET parent = NULL, second = NULL; DELETE FROM customers WHERE id = 3"
    ))
    .await;
    let left =
        app.value(&format!("SELECT CAST(count(*) AS CHAR) FROM {ODD} WHERE customer = 3")).await;
    assert_eq!(left.as_deref(), Some("0"), "ON DELETE CASCADE");
}

const PLAIN: &str = "CREATE TABLE a (id int PRIMARY KEY, v varchar(20), KEY a_v (v)) ENGINE=InnoDB; \
    INSERT INTO a SELECT seq, concat('v', seq) FROM seq_1_to_20;";
const PLAIN_AGAIN: &str =
    "CREATE TABLE a (id int PRIMARY KEY, v varchar(20), KEY a_v (v)) ENGINE=InnoDB;";

/// What is set aside, and what is copied: setup, up, down, tombstones and copies in between.
const CASES: &[(&str, &str, &str, Numbers)] = &[
    ("", "DROP TABLE a;", PLAIN_AGAIN, (1, 0)),
    ("", "DROP TABLE IF EXISTS a;", PLAIN_AGAIN, (1, 0)),
    ("", "-- downhaul:protect copy a\nDROP TABLE a;", PLAIN_AGAIN, (0, 1)),
    ("", "-- downhaul:protect auto\nDROP TABLE a;", PLAIN_AGAIN, (0, 1)),
    ("", "-- downhaul:protect off\nDROP TABLE a;", PLAIN_AGAIN, (0, 0)),
    // Its rows are changed first: both come back.
    ("", "UPDATE a SET v = 'x' WHERE id < 5; DROP TABLE a;", PLAIN_AGAIN, (1, 1)),
    // Its form is changed first.
    ("", "ALTER TABLE a ADD COLUMN w int; DROP TABLE a;", PLAIN_AGAIN, (0, 1)),
    // Another takes its name.
    (
        "",
        "CREATE TABLE n AS SELECT id, left(v, 2) AS v FROM a; DROP TABLE a; RENAME TABLE n TO a;",
        "DROP TABLE a; CREATE TABLE a (id int PRIMARY KEY, v varchar(20), KEY a_v (v)) ENGINE=InnoDB;",
        (1, 0),
    ),
    // Two that point to each other, and to themselves.
    (
        "CREATE TABLE b (id int PRIMARY KEY, a int, b int, FOREIGN KEY (a) REFERENCES a (id), FOREIGN KEY (b) REFERENCES b (id)); \
         INSERT INTO b SELECT id, id, id FROM a; ALTER TABLE a ADD COLUMN b int, ADD FOREIGN KEY (b) REFERENCES b (id); UPDATE a SET b = id;",
        "SET foreign_key_checks = 0; DROP TABLE a, b; SET foreign_key_checks = 1;",
        "CREATE TABLE a (id int PRIMARY KEY, v varchar(20), b int); CREATE TABLE b (id int PRIMARY KEY, a int, b int);",
        (2, 0),
    ),
    // The child first, in a statement of its own; without a key.
    (
        "CREATE TABLE b (a int, w varchar(3), CONSTRAINT to_a FOREIGN KEY (a) REFERENCES a (id)); INSERT INTO b SELECT 1, 'two' FROM a;",
        "DROP TABLE b; DROP TABLE a;",
        "CREATE TABLE a (id int PRIMARY KEY, v varchar(20)); CREATE TABLE b (a int, w varchar(3));",
        (2, 0),
    ),
    // Partitions.
    (
        "CREATE TABLE p (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (year(at)) \
         (PARTITION p1 VALUES LESS THAN (2025), PARTITION p2 VALUES LESS THAN MAXVALUE); INSERT INTO p SELECT id, if(id % 2, '2024-01-01', '2026-01-01') FROM a;",
        "DROP TABLE p;",
        "CREATE TABLE p (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (year(at)) \
         (PARTITION p1 VALUES LESS THAN (2025), PARTITION p2 VALUES LESS THAN MAXVALUE);",
        (1, 0),
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
        if expected != &(0, 0) {
            same(&before, &site.photograph().await, up);
        }
        // What the way back drops is kept for the way forward.
        let again = (i64::from(down.contains("DROP TABLE")), 0);
        assert_eq!(site.kept().await, again, "{up}");
    }
}

#[tokio::test]
async fn what_the_server_refuses_is_refused() {
    let setup = format!(
        "{PLAIN} CREATE TABLE b (a int, FOREIGN KEY (a) REFERENCES a (id)); INSERT INTO b VALUES (1);"
    );
    let site = Site::new(&setup).await;
    site.migration("DROP TABLE a;", PLAIN_AGAIN);
    let before = site.photograph().await;
    let error = site.up().await.expect_err("another table refers to it");
    assert!(format!("{error:?}").contains("1451"), "{error:?}");
    same(&before, &site.photograph().await, "after the refusal");
    assert_eq!(site.kept().await, (0, 0));
}

/// What happens between up and down, and what then is in the table and is still kept.
const SINCE: &[(&str, &str, &str, &str, Numbers)] = &[
    // A table of that name, with rows.
    (
        "",
        "CREATE TABLE a (id int PRIMARY KEY, v varchar(20), KEY a_v (v)) ENGINE=InnoDB; INSERT INTO a VALUES (1, 'new'), (99, 'newer');",
        "SELECT concat_ws(' ', count(*), sum(id), max(if(id = 1, v, ''))) FROM a",
        "21 309 new",
        (0, 1),
    ),
    // The same, empty, and with an index that the old one had not.
    (
        "",
        "CREATE TABLE a (id int PRIMARY KEY, v varchar(20), KEY mine (v, id)) ENGINE=InnoDB;",
        "SELECT concat_ws(' ', count(*), (SELECT count(*) FROM information_schema.statistics WHERE table_schema = database() AND index_name = 'mine')) FROM a",
        "20 2",
        (0, 0),
    ),
    // A row whose parent was deleted.
    (
        "CREATE TABLE parents (id int PRIMARY KEY); INSERT INTO parents SELECT id FROM a; ALTER TABLE a ADD FOREIGN KEY (id) REFERENCES parents (id);",
        "DELETE FROM parents WHERE id = 7;",
        "SELECT concat_ws(' ', count(*), sum(id = 7)) FROM a",
        "19 0",
        (0, 1),
    ),
];

#[tokio::test]
async fn what_was_written_since_stays() {
    for (setup, since, query, expected, kept) in SINCE {
        let site = Site::new(&format!("{PLAIN} {setup}")).await;
        let again = PLAIN_AGAIN.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS");
        site.migration("DROP TABLE a;", &again);
        site.up().await.unwrap();
        assert_eq!(site.kept().await, (1, 0), "{since}");
        site.session().await.run(since).await;
        site.down().await.unwrap_or_else(|error| panic!("{since}: {error:?}"));
        assert_eq!(site.value(query).await.as_deref(), Some(*expected), "{since}");
        assert_eq!(site.kept().await, *kept, "{since}");
    }
}

#[tokio::test]
async fn up_down_up_down_again() {
    let site = Site::new("SELECT 1").await;
    // The way back drops what has rows by then; the way forward brings them again.
    site.migration(PLAIN_AGAIN, "DROP TABLE a;");
    site.up().await.unwrap();
    site.session().await.run("INSERT INTO a SELECT seq, concat('v', seq) FROM seq_1_to_20").await;
    let before = site.photograph().await;
    for _ in 0..2 {
        site.down().await.unwrap();
        assert_eq!(site.kept().await, (1, 0));
        site.up().await.unwrap();
        same(&before, &site.photograph().await, "up again");
        assert_eq!(site.kept().await, (0, 0));
    }
}

/// How many places the connection is cut at, each way and from each side; `DOWNHAUL_CUTS=n` for more.
fn cuts() -> u64 {
    std::env::var("DOWNHAUL_CUTS").ok().and_then(|n| n.parse().ok()).unwrap_or(8)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_connection_is_cut() {
    let setup = format!(
        "{PLAIN} CREATE TABLE b (id int PRIMARY KEY, a int, CONSTRAINT to_a FOREIGN KEY (a) REFERENCES a (id)); INSERT INTO b SELECT id, id FROM a; \
         CREATE TRIGGER t BEFORE INSERT ON b FOR EACH ROW SET @n = 1; CREATE TABLE c (id int PRIMARY KEY, v int, w int, KEY c_v (v)); INSERT INTO c SELECT id, id, id FROM a;"
    );
    let site = Site::new(&setup).await;
    site.migration(
        "DROP TABLE b, a; ALTER TABLE c DROP COLUMN v;",
        "ALTER TABLE c ADD COLUMN v int; CREATE TABLE a (id int PRIMARY KEY, v varchar(20)); CREATE TABLE b (id int PRIMARY KEY, a int);",
    );
    let port = MariaDb::shared().port();
    let proxy = Proxy::start(port);
    let url = proxy.url(site.database.url(), port);
    let before = site.photograph().await;
    proxy.set(Fault::None);
    site.up_at(&url, Policy::Tombstone).await.unwrap();
    let up_bytes = proxy.passed();
    assert_eq!(site.kept().await, (2, 0));
    let after = site.photograph().await;
    proxy.set(Fault::None);
    site.down_at(&url).await.unwrap();
    let down_bytes = proxy.passed();
    same(&before, &site.photograph().await, "measured");
    let cuts = cuts();
    for n in 1..=cuts {
        for from_server in [false, true] {
            let at = |(client, server): (u64, u64)| {
                let share = |total: u64| (total * n / cuts).max(1) - 1;
                if from_server {
                    Fault::CutAfterServerBytes(share(server))
                } else {
                    Fault::CutAfterClientBytes(share(client))
                }
            };
            let fault = at(up_bytes);
            proxy.set(fault);
            // It may be done and known to be.
            let _ = site.up_at(&url, Policy::Tombstone).await;
            site.up().await.unwrap_or_else(|error| panic!("up, {fault:?}: {error:?}"));
            same(&after, &site.photograph().await, &format!("up, {fault:?}"));
            assert_eq!(site.kept().await, (2, 0), "{fault:?}");
            let fault = at(down_bytes);
            proxy.set(fault);
            let _ = site.down_at(&url).await;
            site.down().await.unwrap_or_else(|error| panic!("down, {fault:?}: {error:?}"));
            same(&before, &site.photograph().await, &format!("down, {fault:?}"));
            assert_eq!(site.kept().await, (0, 0), "{fault:?}");
        }
    }
}

const WIDE: &str = "CREATE TABLE parents (id int PRIMARY KEY); INSERT INTO parents SELECT seq FROM seq_1_to_20; \
    CREATE TABLE a (id int PRIMARY KEY, `v``x` varchar(20) CHARACTER SET latin1 COLLATE latin1_bin COMMENT 'it''s AFTER `v`', must int NOT NULL, given int NOT NULL DEFAULT 7, \
      p int, checked int CHECK (checked > 0), both_a int, twice int AS (both_a * 2), at timestamp(3) NULL DEFAULT NULL, j json, seen int INVISIBLE, KEY of_v (`v``x`), KEY pair (given, both_a), UNIQUE KEY once (at), \
      FOREIGN KEY (p) REFERENCES parents (id)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4; \
    INSERT INTO a (id, `v``x`, must, p, checked, both_a, at, j, seen) SELECT seq, nullif(concat('v', seq), 'v3'), seq, seq, seq, seq, '2026-01-01' + INTERVAL seq SECOND, '{}', seq FROM seq_1_to_20;";

/// Up, down, columns hidden and copies in between.
const COLUMNS: &[(&str, &str, Numbers)] = &[
    (
        "ALTER TABLE a DROP COLUMN `v``x`;",
        "ALTER TABLE a ADD COLUMN `v``x` varchar(20) CHARACTER SET latin1 COLLATE latin1_bin;",
        (1, 0),
    ),
    ("ALTER TABLE a DROP COLUMN `v``x`, DROP at;", "SELECT 1;", (2, 0)),
    (
        "ALTER TABLE a DROP COLUMN at; ALTER TABLE a DROP COLUMN seen; ALTER TABLE a ADD COLUMN z int;",
        "-- downhaul:protect copy\nALTER TABLE a DROP COLUMN z;",
        (2, 0),
    ),
    // Another type comes back: row by row.
    (
        "ALTER TABLE a DROP COLUMN `v``x`;",
        "ALTER TABLE a ADD COLUMN `v``x` varchar(30); ALTER TABLE a MODIFY COLUMN `v``x` varchar(20) CHARACTER SET latin1 COLLATE latin1_bin COMMENT 'it''s AFTER `v`';",
        (1, 0),
    ),
    // The way back writes to it by itself: row by row.
    (
        "ALTER TABLE a DROP COLUMN at;",
        "ALTER TABLE a ADD COLUMN at timestamp(3) NULL; UPDATE a SET at = '2000-01-01' WHERE id = 3; ALTER TABLE a ADD UNIQUE KEY once (at);",
        (1, 0),
    ),
    ("ALTER TABLE a DROP COLUMN must;", "ALTER TABLE a ADD COLUMN must int NOT NULL;", (0, 1)),
    ("ALTER TABLE a DROP COLUMN given;", "SELECT 1;", (0, 1)),
    ("ALTER TABLE a DROP COLUMN checked;", "SELECT 1;", (0, 1)),
    ("ALTER TABLE a DROP COLUMN j;", "SELECT 1;", (0, 1)),
    ("ALTER TABLE a DROP FOREIGN KEY a_ibfk_1, DROP COLUMN p;", "SELECT 1;", (0, 1)),
    ("UPDATE a SET must = 1; ALTER TABLE a DROP COLUMN at;", "SELECT 1;", (1, 1)),
];

#[tokio::test]
async fn each_column_is_kept_as_it_can_be() {
    for (up, down, expected) in COLUMNS {
        let site = Site::new(WIDE).await;
        site.migration(up, down);
        let (before, space) = (site.photograph().await, site.space("a").await);
        site.up().await.unwrap_or_else(|error| panic!("{up}: {error:?}"));
        let hidden = "SELECT CAST(count(*) AS CHAR) FROM information_schema.columns WHERE table_schema = database() AND column_name LIKE 'downhaul\\_tomb\\_%'";
        let kept = (site.value(hidden).await.unwrap().parse().unwrap(), site.kept().await.1);
        assert_eq!(kept, *expected, "{up}");
        // Nobody sees it.
        let seen = site.session().await.rows("SELECT * FROM a WHERE id = 1").await;
        let visible = "SELECT CAST(count(*) AS CHAR) FROM information_schema.columns WHERE table_schema = database() AND table_name = 'a' AND extra NOT LIKE '%INVISIBLE%'";
        assert_eq!(site.value(visible).await, Some(seen[0].len().to_string()), "{up}");
        site.down().await.unwrap_or_else(|error| panic!("{up}: {error:?}"));
        same(&before, &site.photograph().await, up);
        assert_eq!(site.value(hidden).await.as_deref(), Some("0"), "{up}");
        if expected.1 == 0 && !down.contains("MODIFY") {
            assert_eq!(site.space("a").await, space, "the table was built anew: {up}");
        }
    }
}

/// Rows written since stay, and what is written to the new column before the old one is back, too.
#[tokio::test]
async fn rows_written_while_a_column_was_hidden_stay() {
    let site = Site::new(WIDE).await;
    site.migration(
        "ALTER TABLE a DROP COLUMN seen, DROP COLUMN at;",
        "ALTER TABLE a ADD COLUMN seen int; ALTER TABLE a ADD COLUMN at timestamp(3) NULL;",
    );
    site.up().await.unwrap();
    let mut app = site.session().await;
    app.run("INSERT INTO a (id, must) VALUES (21, 21); UPDATE a SET must = 55 WHERE id = 5; DELETE FROM a WHERE id = 6").await;
    site.down().await.unwrap();
    let query = "SELECT concat_ws(' ', count(*), sum(seen), sum(must), max(if(id = 21, ifnull(seen, 'NULL'), '')), max(if(id = 5, at, ''))) FROM a";
    assert_eq!(app.value(query).await.as_deref(), Some("20 204 275 NULL 2026-01-01 00:00:05.000"));
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_downhaul");

#[tokio::test]
async fn what_is_kept_is_shown_and_given_up_only_by_hand() {
    let site = Site::new(PLAIN).await;
    let program = Program::new(PROGRAM).database(site.database.url());
    program.migration("1_drop", "DROP TABLE a;", PLAIN_AGAIN);
    let plan = program.ok(&["plan", "--protect", "tombstone"]).stdout;
    assert!(plan.contains("set aside, not copied"), "{plan}");
    program.migration("2_slim", "ALTER TABLE b DROP COLUMN v;", "ALTER TABLE b ADD COLUMN v int;");
    site.session().await.run("CREATE TABLE b (id int PRIMARY KEY, v int)").await;
    let plan = program.ok(&["plan", "--protect", "tombstone"]).stdout;
    assert!(plan.contains("made invisible, not copied"), "{plan}");
    program.ok(&["up", "--yes", "--protect", "tombstone"]);
    let status = program.ok(&["status"]).stdout;
    assert!(status.contains("held: 20 rows of") && status.contains("set aside"), "{status}");
    program.ok(&["verify"]);
    // Somebody lays hands on it.
    site.session().await.run("ALTER TABLE downhaul_tomb_1 DROP COLUMN v").await;
    let verify = program.run(&["verify"]);
    assert_eq!(verify.code, Some(8), "{verify}");
    program.ok(&["snapshot", "prune", "--kept", "--older-than", "0s", "--yes"]);
    assert_eq!(site.kept().await, (0, 0));
    program.ok(&["verify"]);
    program.ok(&["down", "--yes"]);
    program.ok(&["down", "--yes"]);
    assert_eq!(site.value("SELECT CAST(count(*) AS CHAR) FROM a").await.as_deref(), Some("0"));
}

/// CPU seconds of a server so far (`/proc/<pid>/stat`, fields 14 and 15).
fn spent(server: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{server}/stat")).unwrap();
    // The name in parentheses may hold blanks.
    let after = stat.rsplit(')').next().unwrap();
    let fields = after.split_whitespace().skip(11).take(2);
    fields.map(|field| field.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

/// Prints what it costs the server to drop a column, and a table, and to bring them back:
/// `DOWNHAUL_ROWS=10000,1000000 cargo test --test tombstones -- mariadb::what_it_costs --ignored --nocapture`.
#[tokio::test]
#[ignore = "measures; asked for by name"]
#[allow(clippy::print_stderr, reason = "the measurement is for its reader")]
async fn what_it_costs() {
    let sizes = std::env::var("DOWNHAUL_ROWS").unwrap_or_else(|_| "10000,100000".into());
    let columns = "id bigint PRIMARY KEY, grp int, name varchar(40), payload varchar(200), KEY by_name (name)";
    let ways = [
        (
            "column",
            "ALTER TABLE acct DROP COLUMN name;",
            "ALTER TABLE acct ADD COLUMN name varchar(40);",
        ),
        ("table", "DROP TABLE acct;", &format!("CREATE TABLE acct ({columns});")),
    ];
    for rows in sizes.split(',') {
        for (what, up, down) in ways {
            for policy in [Policy::Tombstone, Policy::Copy] {
                let site = Site::new(&format!(
                    "CREATE TABLE acct ({columns}); INSERT INTO acct SELECT seq, seq % 1000, concat('name ', seq), repeat(md5(seq), 3) FROM seq_1_to_{rows}"
                ))
                .await;
                site.migration(up, down);
                let pid = MariaDb::shared().pid();
                let (begun, before) = (std::time::Instant::now(), spent(pid));
                site.up_at(site.database.url(), policy).await.unwrap();
                let (up, between) = (begun.elapsed(), spent(pid));
                let begun = std::time::Instant::now();
                site.down().await.unwrap();
                let (down, after) = (begun.elapsed(), spent(pid));
                let count = site.value("SELECT CAST(count(name) AS CHAR) FROM acct").await.unwrap();
                assert_eq!(count, rows);
                eprintln!(
                    "{rows} rows, {what}, {policy:?}: up {:.2} s of CPU ({} ms), down {:.2} s ({} ms)",
                    between - before,
                    up.as_millis(),
                    after - between,
                    down.as_millis()
                );
            }
        }
    }
}

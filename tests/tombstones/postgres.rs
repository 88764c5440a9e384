//! A dropped table is set aside, not copied, and comes back as it was.

use downhaul_engine::{SchemaDump, Target, connect};
use downhaul_kit::{Postgres, PostgresOptions, Program, Session};
use downhaul_plan::load;
use downhaul_run::observer::Silent;
use downhaul_run::{DownSelection, Options, RunError, Runner, UpSelection};
use downhaul_snapshot::tombstone::Policy;

/// A database and a folder of migrations.
pub(crate) struct Site {
    pub(crate) database: downhaul_kit::DatabaseHandle,
    pub(crate) dir: tempfile::TempDir,
}

impl Site {
    pub(crate) async fn new(setup: &str) -> Self {
        Self::on(Postgres::shared(), setup).await
    }

    pub(crate) async fn on(server: &Postgres, setup: &str) -> Self {
        let database = server.fresh_database().await;
        Session::connect(database.url()).await.run(setup).await;
        Self { database, dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn migration(&self, number: u32, up: &str, down: &str) {
        let path = |way: &str| self.dir.path().join(format!("{number}_change.{way}.sql"));
        std::fs::write(path("up"), up).unwrap();
        std::fs::write(path("down"), down).unwrap();
    }

    pub(crate) async fn runner(&self, policy: Policy) -> Runner {
        let target = Target::parse(self.database.url()).unwrap();
        Runner::open(&target, false, Options { policy, ..Options::default() }).await.unwrap()
    }

    pub(crate) async fn up_as(&self, policy: Policy) -> Result<(), RunError> {
        let mut runner = self.runner(policy).await;
        let plan = runner.plan_up(&load(self.dir.path()).unwrap(), &UpSelection::All).await;
        let result = runner.up(&plan?, &mut Silent).await;
        runner.close().await;
        result.map(drop)
    }

    pub(crate) async fn up(&self) -> Result<(), RunError> {
        self.up_as(Policy::Tombstone).await
    }

    pub(crate) async fn down(&self) -> Result<(), RunError> {
        let mut runner = self.runner(Policy::Tombstone).await;
        let series = load(self.dir.path()).unwrap();
        let plan = runner.plan_down(&series, &DownSelection::Steps(1)).await?;
        let result = runner.down(&plan, &mut Silent).await;
        runner.close().await;
        result.map(drop)
    }

    pub(crate) async fn schema(&self) -> SchemaDump {
        let target = Target::parse(self.database.url()).unwrap();
        let mut session = connect(&target, false).await.unwrap();
        let dump = session.dump().await.unwrap();
        session.close().await;
        dump
    }

    pub(crate) async fn session(&self) -> Session {
        Session::connect(self.database.url()).await
    }

    pub(crate) async fn value(&self, sql: &str) -> Option<String> {
        self.session().await.value(sql).await
    }

    pub(crate) async fn rows(&self, table: &str) -> Vec<Vec<Option<String>>> {
        self.session().await.rows(&format!("SELECT * FROM {table} ORDER BY 1")).await
    }

    /// The file that holds the table's rows: another one means that they were written again.
    pub(crate) async fn file(&self, table: &str) -> Option<String> {
        self.value(&format!("SELECT pg_relation_filenode('{table}')::text")).await
    }

    pub(crate) async fn tombstones(&self) -> i64 {
        let count = "SELECT count(*)::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = 'downhaul' AND (c.relname LIKE 'tomb%' OR c.relname LIKE 'downhaul_tomb%') AND c.relkind = 'r'";
        self.value(count).await.unwrap().parse().unwrap()
    }

    pub(crate) async fn copies(&self) -> i64 {
        let count =
            "SELECT count(*)::text FROM pg_class WHERE relname ~ '^kept_[0-9]+$' AND relkind = 'r'";
        self.value(count).await.unwrap().parse().unwrap()
    }
}

pub(crate) fn same(before: &SchemaDump, after: &SchemaDump) {
    let differences: Vec<String> = before
        .differences(after)
        .iter()
        .map(|d| format!("{:?} → {:?}", d.left.map(|o| &o.create), d.right.map(|o| &o.create)))
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Everything that a table can have, and everything that can hang on it.
const RICH: &str = r#"
CREATE SCHEMA shop;
CREATE ROLE tomb_reader;
CREATE TYPE mood AS ENUM ('glad', 'sad');
CREATE FUNCTION shop.stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.note := 'stamped'; RETURN NEW; END $$;
CREATE FUNCTION shop.next_code() RETURNS text LANGUAGE sql AS $$ SELECT 'code' $$;
CREATE FUNCTION shop.fine(text) RETURNS boolean IMMUTABLE LANGUAGE sql AS $$ SELECT true $$;
CREATE TABLE shop.customers (id int PRIMARY KEY);
INSERT INTO shop.customers SELECT generate_series(1, 5);
CREATE TABLE shop."Odd ""Orders""" (
  id bigserial PRIMARY KEY,
  number bigint GENERATED ALWAYS AS IDENTITY,
  customer int NOT NULL REFERENCES shop.customers ON DELETE CASCADE,
  parent bigint REFERENCES shop."Odd ""Orders""",
  total numeric(12, 2) DEFAULT 0 CHECK (total >= 0),
  half numeric GENERATED ALWAYS AS (total / 2) STORED,
  state mood NOT NULL DEFAULT 'glad',
  code text DEFAULT shop.next_code() CHECK (shop.fine(code)),
  note text,
  UNIQUE (customer, number)
) WITH (fillfactor = 80);
CREATE INDEX odd_total ON shop."Odd ""Orders""" (total DESC) WHERE total > 1;
CREATE INDEX "odd {} note" ON shop."Odd ""Orders""" (lower(note));
CREATE STATISTICS shop.odd_statistics ON customer, total FROM shop."Odd ""Orders""";
COMMENT ON TABLE shop."Odd ""Orders""" IS 'it''s odd';
COMMENT ON COLUMN shop."Odd ""Orders""".note IS 'a note';
COMMENT ON INDEX shop.odd_total IS 'an index';
GRANT SELECT ON shop."Odd ""Orders""" TO tomb_reader;
GRANT UPDATE (note) ON shop."Odd ""Orders""" TO tomb_reader;
CREATE TRIGGER "{} stamp" BEFORE INSERT ON shop."Odd ""Orders""" FOR EACH ROW EXECUTE FUNCTION shop.stamp();
CREATE TRIGGER off BEFORE UPDATE ON shop."Odd ""Orders""" FOR EACH ROW EXECUTE FUNCTION shop.stamp();
ALTER TABLE shop."Odd ""Orders""" DISABLE TRIGGER off;
CREATE RULE quiet AS ON DELETE TO shop."Odd ""Orders""" WHERE OLD.id < 0 DO INSTEAD NOTHING;
ALTER TABLE shop."Odd ""Orders""" ENABLE ROW LEVEL SECURITY;
CREATE POLICY everybody ON shop."Odd ""Orders""" FOR SELECT USING (true);
INSERT INTO shop."Odd ""Orders""" (customer, parent, total, state)
  SELECT 1 + g % 5, nullif(g - 1, 0), g, CASE g % 2 WHEN 0 THEN 'sad' ELSE 'glad' END::mood FROM generate_series(1, 50) g;
CREATE TABLE shop.lines (id int PRIMARY KEY, "order" bigint REFERENCES shop."Odd ""Orders""" ON DELETE CASCADE);
INSERT INTO shop.lines SELECT g, g FROM generate_series(1, 50) g;
CREATE VIEW shop.totals AS SELECT customer, sum(total) AS total FROM shop."Odd ""Orders""" GROUP BY customer;
CREATE VIEW shop.rich AS SELECT * FROM shop.totals WHERE total > 10;
"#;

const ODD: &str = r#"shop."Odd ""Orders""""#;

#[tokio::test]
async fn a_table_comes_back_with_all_that_hangs_on_it() {
    let setup = RICH.replace("CREATE ROLE tomb_reader;", "");
    let role =
        "DO $$ BEGIN CREATE ROLE tomb_reader; EXCEPTION WHEN duplicate_object THEN NULL; END $$;";
    let site = Site::new(&format!("{role}{setup}")).await;
    // The down file remembers next to nothing.
    let columns = "id bigserial PRIMARY KEY, number bigint GENERATED ALWAYS AS IDENTITY, customer int NOT NULL, parent bigint, \
        total numeric(12, 2), half numeric GENERATED ALWAYS AS (total / 2) STORED, state mood NOT NULL, code text, note text";
    site.migration(
        1,
        &format!("DROP TABLE {ODD} CASCADE;"),
        &format!("CREATE TABLE {ODD} ({columns}); CREATE VIEW shop.more AS SELECT id FROM {ODD};"),
    );
    let (before, rows, file) = (site.schema().await, site.rows(ODD).await, site.file(ODD).await);
    site.up().await.unwrap();
    assert_eq!((site.tombstones().await, site.copies().await), (1, 0));
    let left = site.value("SELECT count(*)::text FROM pg_views WHERE schemaname = 'shop'").await;
    assert_eq!(left.as_deref(), Some("0"), "CASCADE takes the views");
    // Nothing acts on what is out of sight, and nothing out of sight stands in the way.
    let mut app = site.session().await;
    app.run("DELETE FROM shop.customers WHERE id = 5").await;
    app.run("INSERT INTO shop.customers VALUES (5)").await;
    app.run("INSERT INTO shop.lines VALUES (51, 50)").await;
    app.run("CREATE TABLE shop.odd_total (id int); DROP TABLE shop.odd_total").await;
    app.run("CREATE TYPE shop.\"Odd \"\"Orders\"\"\" AS ENUM ('x'); DROP TYPE shop.\"Odd \"\"Orders\"\"\"").await;
    app.run("CREATE SEQUENCE shop.\"Odd \"\"Orders\"\"_id_seq\"; DROP SEQUENCE shop.\"Odd \"\"Orders\"\"_id_seq\"").await;
    app.run("CREATE OR REPLACE FUNCTION shop.next_code() RETURNS text LANGUAGE sql AS $$ SELECT 'new' $$").await;
    site.down().await.unwrap();
    assert_eq!(site.rows(ODD).await, rows);
    assert_eq!(site.file(ODD).await, file, "no row was written again");
    assert_eq!((site.tombstones().await, site.copies().await), (0, 0));
    app.run("DROP VIEW shop.more").await;
    app.run("CREATE OR REPLACE FUNCTION shop.next_code() RETURNS text LANGUAGE sql AS $$ SELECT 'code' $$").await;
    same(&before, &site.schema().await);
    // The counters go on where they were.
    app.run(&format!("INSERT INTO {ODD} (customer) VALUES (1)")).await;
    let newest = site
        .value(&format!("SELECT id || ' ' || number FROM {ODD} ORDER BY id DESC LIMIT 1"))
        .await;
    assert_eq!(newest.as_deref(), Some("51 51"));
}

const PLAIN: &str = "CREATE TABLE a (id int PRIMARY KEY, v text); CREATE INDEX a_v ON a (v); \
    INSERT INTO a SELECT g, 'v' || g FROM generate_series(1, 20) g;";
const PLAIN_AGAIN: &str = "CREATE TABLE a (id int PRIMARY KEY, v text); CREATE INDEX a_v ON a (v);";

#[tokio::test]
async fn what_the_server_refuses_is_refused() {
    let site = Site::new(&format!("{PLAIN} CREATE VIEW w AS SELECT * FROM a")).await;
    site.migration(1, "DROP TABLE a;", PLAIN_AGAIN);
    let before = site.schema().await;
    let error = site.up().await.expect_err("a view depends on it");
    assert!(format!("{error:?}").contains("2BP01"), "{error:?}");
    same(&before, &site.schema().await);
    assert_eq!((site.tombstones().await, site.copies().await), (0, 0));
}

#[tokio::test]
async fn auto_copies_what_is_small() {
    let site = Site::new(PLAIN).await;
    site.migration(1, "DROP TABLE a;", PLAIN_AGAIN);
    site.up_as(Policy::Auto).await.unwrap();
    assert_eq!((site.tombstones().await, site.copies().await), (0, 1));
    site.down().await.unwrap();
    // The file has the last word.
    site.migration(1, "-- downhaul:protect tombstone a\nDROP TABLE a;", PLAIN_AGAIN);
    site.up_as(Policy::Copy).await.unwrap();
    assert_eq!(site.tombstones().await, 1);
    site.down().await.unwrap();
    site.migration(1, "-- downhaul:protect copy\nDROP TABLE a;", PLAIN_AGAIN);
    site.up_as(Policy::Tombstone).await.unwrap();
    assert_eq!(site.tombstones().await, 0);
}

#[tokio::test]
async fn the_owner_alone_can_read_it() {
    let site = Site::new(&format!("{PLAIN} GRANT ALL ON a TO PUBLIC")).await;
    site.migration(1, "DROP TABLE a;", PLAIN_AGAIN);
    site.up().await.unwrap();
    let may = "SELECT bool_or(has_schema_privilege(0, n.oid, 'USAGE'))::text FROM pg_namespace n WHERE n.nspname = 'downhaul'";
    assert_eq!(site.value(may).await.as_deref(), Some("false"));
}

#[tokio::test]
async fn a_table_that_stands_there_by_now_keeps_its_rows() {
    let site = Site::new(PLAIN).await;
    let again = PLAIN_AGAIN
        .replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS")
        .replace("CREATE INDEX", "CREATE INDEX IF NOT EXISTS");
    site.migration(1, "DROP TABLE a;", &again);
    site.up().await.unwrap();
    site.session()
        .await
        .run(&format!("{PLAIN_AGAIN} INSERT INTO a VALUES (1, 'new'), (99, 'newer')"))
        .await;
    site.down().await.unwrap();
    let values = site.value("SELECT count(*) || ' ' || min(v) || ' ' || (SELECT v FROM a WHERE id = 99) FROM a WHERE id = 1 OR id > 20").await;
    assert_eq!(values.as_deref(), Some("2 new newer"));
    assert_eq!(site.rows("a").await.len(), 21);
    assert_eq!((site.tombstones().await, site.copies().await), (0, 1), "the old row 1 is kept");
}

#[tokio::test]
async fn a_row_whose_parent_is_gone_stays_where_it_is_kept() {
    let site = Site::new(&format!(
        "{PLAIN} CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a); INSERT INTO b SELECT g, g FROM generate_series(1, 20) g"
    ))
    .await;
    site.migration(1, "DROP TABLE b;", "CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a);");
    site.up().await.unwrap();
    site.session().await.run("DELETE FROM a WHERE id = 7").await;
    site.down().await.unwrap();
    assert_eq!(site.rows("b").await.len(), 19);
    assert_eq!((site.tombstones().await, site.copies().await), (0, 1));
}

#[tokio::test]
async fn tables_that_point_to_each_other_go_and_come_together() {
    let setup = format!(
        "{PLAIN} CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a); INSERT INTO b SELECT g, g FROM generate_series(1, 20) g; \
         ALTER TABLE a ADD COLUMN b int REFERENCES b; UPDATE a SET b = id"
    );
    let site = Site::new(&setup).await;
    let (before, a, b) = (site.schema().await, site.rows("a").await, site.rows("b").await);
    site.migration(
        1,
        "DROP TABLE a, b;",
        "CREATE TABLE a (id int PRIMARY KEY, v text, b int); CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a); ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b;",
    );
    let file = site.file("a").await;
    site.up().await.unwrap();
    assert_eq!(site.tombstones().await, 2);
    site.down().await.unwrap();
    assert_eq!((site.rows("a").await, site.rows("b").await), (a, b));
    assert_eq!(site.file("a").await, file);
    same(&before, &site.schema().await);
}

#[tokio::test]
async fn a_table_that_changes_places_with_another_is_compared() {
    let site = Site::new(PLAIN).await;
    let before = site.rows("a").await;
    site.migration(
        1,
        "CREATE TABLE n (id int PRIMARY KEY, v varchar(2)); INSERT INTO n SELECT id, left(v, 2) FROM a; DROP TABLE a; ALTER TABLE n RENAME TO a;",
        "ALTER INDEX n_pkey RENAME TO a_pkey; ALTER TABLE a ALTER COLUMN v TYPE text; CREATE INDEX a_v ON a (v);",
    );
    site.up().await.unwrap();
    site.session()
        .await
        .run("UPDATE a SET v = 'mi' WHERE id = 3; INSERT INTO a VALUES (30, 'x')")
        .await;
    site.down().await.unwrap();
    let mut expect = before;
    expect[2][1] = Some("mi".into());
    let now = site.rows("a").await;
    assert_eq!(now.len(), 21);
    assert_eq!(now[3..20], expect[3..20]);
}

#[tokio::test]
async fn a_later_migration_cannot_take_a_tombstone_apart() {
    let site = Site::new("CREATE TYPE mood AS ENUM ('glad'); CREATE TABLE a (id int PRIMARY KEY, m mood); INSERT INTO a VALUES (1, 'glad')").await;
    site.migration(1, "DROP TABLE a;", "CREATE TABLE a (id int PRIMARY KEY, m mood);");
    site.up().await.unwrap();
    assert_eq!(site.tombstones().await, 1);
    site.migration(2, "DROP TYPE mood CASCADE;", "CREATE TYPE mood AS ENUM ('glad');");
    let error = site.up().await.expect_err("the column of the tombstone would go");
    assert!(
        error.to_string().contains("downhaul.tomb_") || format!("{error:?}").contains("tomb_"),
        "{error:?}"
    );
    std::fs::remove_file(site.dir.path().join("2_change.up.sql")).unwrap();
    std::fs::remove_file(site.dir.path().join("2_change.down.sql")).unwrap();
    site.down().await.unwrap();
    assert_eq!(site.rows("a").await, [vec![Some("1".to_owned()), Some("glad".to_owned())]]);
    // Within one migration the table is copied.
    site.migration(
        1,
        "DROP TABLE a; DROP TYPE mood;",
        "CREATE TYPE mood AS ENUM ('glad'); CREATE TABLE a (id int PRIMARY KEY, m mood);",
    );
    site.up().await.unwrap();
    assert_eq!((site.tombstones().await, site.copies().await), (0, 1));
    site.down().await.unwrap();
    assert_eq!(site.rows("a").await.len(), 1);
}

#[tokio::test]
async fn up_down_up_down_again() {
    let site = Site::new("SELECT 1").await;
    // The way back drops what has rows by then; the way forward brings them again.
    site.migration(1, PLAIN_AGAIN, "DROP TABLE a;");
    site.up().await.unwrap();
    site.session()
        .await
        .run("INSERT INTO a SELECT g, 'v' || g FROM generate_series(1, 20) g")
        .await;
    let before = site.rows("a").await;
    for _ in 0..2 {
        site.down().await.unwrap();
        assert_eq!((site.tombstones().await, site.copies().await), (1, 0));
        site.up().await.unwrap();
        assert_eq!(site.rows("a").await, before);
        assert_eq!((site.tombstones().await, site.copies().await), (0, 0));
    }
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_downhaul");

#[tokio::test]
async fn what_is_kept_is_shown_and_given_up_only_by_hand() {
    for policy in ["tombstone", "copy"] {
        let site = Site::new(PLAIN).await;
        let before = site.schema().await;
        let program = Program::new(PROGRAM).database(site.database.url());
        program.migration("1_drop", "DROP TABLE a;", PLAIN_AGAIN);
        let aside = policy == "tombstone";
        let plan = program.ok(&["plan", "--protect", policy]).stdout;
        assert_eq!(plan.contains("set aside, not copied"), aside, "{plan}");
        program.ok(&["up", "--yes", "--protect", policy]);
        let status = program.ok(&["status"]).stdout;
        assert!(status.contains("held: 20 rows of") && status.contains(" kB"), "{status}");
        assert_eq!(status.contains("set aside"), aside, "{status}");
        let prune = ["snapshot", "prune", "--kept", "--older-than"];
        let none = program.ok(&[&prune[..], &["1h", "--yes"]].concat()).stdout;
        assert!(none.contains("nothing that is kept is that old"), "{none}");
        let asked = program.run(&[&prune[..], &["0s"]].concat());
        assert_eq!(asked.code, Some(1), "{asked}");
        assert!(asked.stdout.contains("20 rows of"), "{asked}");
        assert_eq!(site.tombstones().await + site.copies().await, 1, "nobody said yes");
        program.ok(&[&prune[..], &["0s", "--yes"]].concat());
        assert_eq!(site.tombstones().await + site.copies().await, 0);
        program.ok(&["verify"]);
        let preview = program.ok(&["down", "--preview"]).stdout;
        assert!(preview.contains("was given up on"), "{preview}");
        program.ok(&["down", "--yes"]);
        same(&before, &site.schema().await);
        assert!(site.rows("a").await.is_empty());
    }
}

/// CPU seconds of the server's sessions that have ended (`/proc/<pid>/stat`, fields 16 and 17).
pub(crate) fn spent(postmaster: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{postmaster}/stat")).unwrap();
    // The name in parentheses may hold blanks.
    let fields: Vec<f64> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .skip(13)
        .take(2)
        .map(|field| field.parse().unwrap())
        .collect();
    fields.iter().sum::<f64>() / 100.0
}

/// Prints what it costs the server to drop a table and to bring it back, in CPU time, since wall time
/// on a busy machine says nothing:
/// `DOWNHAUL_ROWS=10000,1000000 cargo test --test tombstones -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "measures; asked for by name"]
#[allow(clippy::print_stderr, reason = "the measurement is for its reader")]
async fn what_it_costs() {
    let sizes = std::env::var("DOWNHAUL_ROWS").unwrap_or_else(|_| "10000,100000".into());
    for rows in sizes.split(',') {
        for policy in [Policy::Tombstone, Policy::Copy] {
            // A copy takes as long as it takes; a million rows are enough to see that.
            if policy == Policy::Copy && rows.parse::<u64>().unwrap() > 1_000_000 {
                continue;
            }
            let server = PostgresOptions::default()
                .setting("autovacuum", "off")
                .setting("shared_buffers", "256MB")
                .start();
            let table = "CREATE TABLE acct (id bigint PRIMARY KEY, grp int, bal numeric(12, 2) NOT NULL DEFAULT 0, name text, payload text, at timestamptz)";
            let index = "CREATE INDEX acct_grp ON acct (grp)";
            let setup = format!(
                "{table}; INSERT INTO acct SELECT g, g % 1000, g / 100.0, 'name ' || g, repeat(md5(g::text), 3), now() FROM generate_series(1, {rows}) g; {index}; ANALYZE acct"
            );
            let site = Site::on(&server, &setup).await;
            site.migration(1, "DROP TABLE acct;", &format!("{table}; {index};"));
            let size = site.value("SELECT pg_total_relation_size('acct')::text").await.unwrap();
            let settle = || tokio::time::sleep(std::time::Duration::from_millis(500));
            settle().await;
            let (begun, before) = (std::time::Instant::now(), spent(server.pid()));
            site.up_as(policy).await.unwrap();
            let up = begun.elapsed();
            settle().await;
            let (begun, between) = (std::time::Instant::now(), spent(server.pid()));
            site.down().await.unwrap();
            let down = begun.elapsed();
            settle().await;
            let after = spent(server.pid());
            let count = site.value("SELECT count(*)::text FROM acct").await.unwrap();
            assert_eq!(count, rows);
            eprintln!(
                "{rows} rows, {} MB, {policy:?}: up {:.2} s of CPU ({} ms), down {:.2} s ({} ms)",
                size.parse::<u64>().unwrap() / 1_000_000,
                between - before,
                up.as_millis(),
                after - between,
                down.as_millis()
            );
        }
    }
}

//! A dropped column of PostgreSQL is renamed, where that was asked for, and comes back as it was.

use std::time::{Duration, Instant};

use downhaul_kit::{PostgresOptions, Program};
use downhaul_snapshot::tombstone::Policy;

use crate::postgres::{Site, same, spent};

/// How many columns were put aside, and how many copies there are.
type Numbers = (i64, i64);

impl Site {
    /// Columns under names of ours, and copies.
    async fn columns_and_copies(&self) -> (i64, i64) {
        let columns = "SELECT count(*)::text FROM pg_attribute WHERE attname ~ '^downhaul_tomb_' AND NOT attisdropped AND attrelid IN (SELECT oid FROM pg_class WHERE relkind = 'r')";
        (self.value(columns).await.unwrap().parse().unwrap(), self.copies().await)
    }

    /// All rows, columns by name.
    async fn sorted(&self, table: &str) -> Vec<Vec<Option<String>>> {
        self.session()
            .await
            .rows(&format!("SELECT to_jsonb({table})::text FROM {table} ORDER BY id"))
            .await
    }
}

const TABLE: &str = "CREATE TABLE parents (id int PRIMARY KEY); INSERT INTO parents SELECT generate_series(1, 20); \
    CREATE TYPE mood AS ENUM ('glad', 'sad'); \
    CREATE TABLE a (id int PRIMARY KEY, v text, must text NOT NULL, given text NOT NULL DEFAULT 'g', p int REFERENCES parents ON DELETE CASCADE, \
      twin numeric(6, 2) CHECK (twin > 0), m mood, o int, UNIQUE (p, o), n int GENERATED ALWAYS AS (o * 2) STORED, serial serial, \"Odd \"\"name\"\"\" text); \
    CREATE INDEX a_v ON a (v); CREATE UNIQUE INDEX a_twin ON a (twin, id); CREATE INDEX a_lower ON a (lower(v)) WHERE v <> 'x'; \
    CREATE STATISTICS a_s ON v, must FROM a; COMMENT ON COLUMN a.v IS 'it''s v'; COMMENT ON INDEX a_v IS 'of v'; \
    GRANT SELECT (v) ON a TO PUBLIC; ALTER TABLE a ALTER COLUMN v SET STATISTICS 17; \
    INSERT INTO a SELECT g, nullif('v' || g, 'v3'), 'm' || g, 'given ' || g, g, g / 3.0, CASE g % 2 WHEN 0 THEN 'sad' END::mood, g FROM generate_series(1, 20) g;";

/// Setup beyond the table, columns asked for, up, down, columns put aside and copies in between.
const CASES: &[(&str, &str, &str, &str, Numbers)] = &[
    ("", "a.v", "ALTER TABLE a DROP COLUMN v;", "ALTER TABLE a ADD COLUMN v text;", (1, 0)),
    ("", "public.a.v", "ALTER TABLE public.a DROP COLUMN v;", "SELECT 1;", (1, 0)),
    (
        "",
        "a.must",
        "ALTER TABLE a DROP COLUMN must;",
        "ALTER TABLE a ADD COLUMN must text NOT NULL;",
        (1, 0),
    ),
    (
        "",
        "a.must",
        "ALTER TABLE a DROP must;",
        "ALTER TABLE a ADD must text NOT NULL DEFAULT 'none';",
        (1, 0),
    ),
    ("", "a.given", "ALTER TABLE a DROP COLUMN IF EXISTS given;", "SELECT 1;", (1, 0)),
    (
        "",
        "a.twin a.m",
        "ALTER TABLE a DROP COLUMN twin, DROP COLUMN m;",
        "ALTER TABLE a ADD COLUMN twin numeric(6, 2);",
        (2, 0),
    ),
    (
        "",
        "a.twin a.m",
        "ALTER TABLE a DROP COLUMN twin; ALTER TABLE a DROP COLUMN m; ALTER TABLE a ADD COLUMN w int;",
        "ALTER TABLE a DROP COLUMN w;",
        (2, 0),
    ),
    ("", "a.p", "ALTER TABLE a DROP COLUMN p;", "SELECT 1;", (1, 0)),
    (
        "CREATE VIEW w AS SELECT id, v FROM a; CREATE VIEW ww AS SELECT * FROM w;",
        "a.v",
        "ALTER TABLE a DROP COLUMN v CASCADE;",
        "SELECT 1;",
        (1, 0),
    ),
    ("", "a.\"Odd\"", "ALTER TABLE a DROP COLUMN v;", "SELECT 1;", (0, 1)),
    // Another type comes back: row by row.
    (
        "",
        "a.v",
        "ALTER TABLE a DROP COLUMN v;",
        "ALTER TABLE a ADD COLUMN v varchar(9); ALTER TABLE a ALTER COLUMN v TYPE text;",
        (1, 0),
    ),
    // What cannot be put aside is copied.
    ("", "a.n", "ALTER TABLE a DROP COLUMN n;", "SELECT 1;", (0, 1)),
    ("", "a.o", "ALTER TABLE a DROP COLUMN o CASCADE;", "SELECT 1;", (0, 1)),
    ("", "a.serial", "ALTER TABLE a DROP COLUMN serial;", "SELECT 1;", (0, 1)),
    ("", "a.v", "UPDATE a SET must = 'changed'; ALTER TABLE a DROP COLUMN v;", "SELECT 1;", (0, 1)),
    (
        "",
        "a.m",
        "ALTER TABLE a DROP COLUMN m; DROP TYPE mood;",
        "CREATE TYPE mood AS ENUM ('glad', 'sad'); ALTER TABLE a ADD COLUMN m mood;",
        (0, 1),
    ),
    (
        "",
        "a.v",
        "ALTER TABLE a DROP COLUMN v, ADD COLUMN z int;",
        "ALTER TABLE a DROP COLUMN z;",
        (0, 1),
    ),
];

#[tokio::test]
async fn each_column_is_kept_as_it_can_be() {
    for (setup, named, up, down, expected) in CASES {
        let site = Site::new(&format!("{TABLE} {setup}")).await;
        site.migration(1, &format!("-- downhaul:protect tombstone {named}\n{up}"), down);
        let (before, rows, file) =
            (site.schema().await, site.sorted("a").await, site.file("a").await);
        site.up_as(Policy::Auto).await.unwrap_or_else(|error| panic!("{up}: {error:?}"));
        assert_eq!(site.columns_and_copies().await, *expected, "{up}");
        site.down().await.unwrap_or_else(|error| panic!("{up}: {error:?}"));
        assert_eq!(site.sorted("a").await, rows, "{up}");
        // What the way back drops is kept for the way forward.
        let again = (0, i64::from(down.contains("DROP COLUMN")));
        assert_eq!(site.columns_and_copies().await, again, "{up}");
        same(&before, &site.schema().await);
        if expected.1 == 0 && !down.contains("TYPE") {
            assert_eq!(site.file("a").await, file, "no row was written again: {up}");
        }
    }
}

/// Down, and what rows written since have in `must` and `given` and `v`.
const SINCE: &[(&str, &str)] = &[(
    "ALTER TABLE a ADD COLUMN v text; ALTER TABLE a ADD COLUMN must text NOT NULL DEFAULT 'none'; ALTER TABLE a ADD COLUMN given text NOT NULL DEFAULT 'g';",
    "NULL none g",
)];

#[tokio::test]
async fn rows_written_since_have_what_the_way_back_gives_them() {
    for (down, expected) in SINCE {
        let site = Site::new(TABLE).await;
        site.migration(
            1,
            "-- downhaul:protect tombstone a.v a.must a.given\nALTER TABLE a DROP COLUMN v, DROP COLUMN must, DROP COLUMN given;",
            down,
        );
        let rows = site.sorted("a").await;
        site.up_as(Policy::Auto).await.unwrap();
        assert_eq!(site.columns_and_copies().await, (3, 0));
        site.session().await.run("INSERT INTO a (id, p, o) VALUES (21, 1, 99); UPDATE a SET o = 77 WHERE id = 5; DELETE FROM a WHERE id = 6").await;
        site.down().await.unwrap();
        let now = site.sorted("a").await;
        assert_eq!(now.len(), 20);
        assert_eq!((&now[..4], &now[5..19]), (&rows[..4], &rows[6..20]));
        let new = "SELECT concat_ws(' ', coalesce(v, 'NULL'), must, given) FROM a WHERE id = 21";
        assert_eq!(site.value(new).await.as_deref(), Some(*expected));
        let changed = "SELECT concat_ws(' ', v, must, given, o) FROM a WHERE id = 5";
        assert_eq!(site.value(changed).await.as_deref(), Some("v5 m5 given 5 77"));
    }
}

#[tokio::test]
async fn rows_without_a_value_that_they_must_have_are_refused() {
    let site = Site::new(TABLE).await;
    site.migration(
        1,
        "-- downhaul:protect tombstone a.must\nALTER TABLE a DROP COLUMN must;",
        "ALTER TABLE a ADD COLUMN must text NOT NULL;",
    );
    site.up_as(Policy::Auto).await.unwrap();
    site.session().await.run("INSERT INTO a (id) VALUES (21)").await;
    let schema = site.schema().await;
    let error = site.down().await.expect_err("row 21 has none");
    assert!(format!("{error}\n{error:?}").contains("NoValue"), "{error:?}");
    same(&schema, &site.schema().await);
    assert_eq!(site.columns_and_copies().await, (1, 0));
}

#[tokio::test]
async fn the_way_forward_brings_it_too() {
    let site = Site::new(TABLE).await;
    site.migration(
        1,
        "ALTER TABLE a ADD COLUMN w text;",
        "-- downhaul:protect tombstone a.w\nALTER TABLE a DROP COLUMN w;",
    );
    site.up().await.unwrap();
    site.session().await.run("UPDATE a SET w = 'w' || id").await;
    let rows = site.sorted("a").await;
    site.down().await.unwrap();
    assert_eq!(site.columns_and_copies().await, (1, 0));
    site.up().await.unwrap();
    assert_eq!(site.sorted("a").await, rows);
    assert_eq!(site.columns_and_copies().await, (0, 0));
}

/// A later migration takes the whole table, rows and hidden column included.
#[tokio::test]
async fn it_goes_and_comes_with_its_table() {
    for policy in [Policy::Copy, Policy::Tombstone] {
        let site = Site::new("CREATE TABLE a (id int PRIMARY KEY, v text, w text); INSERT INTO a SELECT g, 'v' || g, 'w' || g FROM generate_series(1, 9) g").await;
        let (before, rows) = (site.schema().await, site.sorted("a").await);
        site.migration(
            1,
            "-- downhaul:protect tombstone a.v\nALTER TABLE a DROP COLUMN v;",
            "ALTER TABLE a ADD COLUMN v text;",
        );
        site.migration(2, "DELETE FROM a WHERE id > 5;", "SELECT 1;");
        site.migration(3, "DROP TABLE a;", "CREATE TABLE a (id int PRIMARY KEY, w text);");
        site.up_as(policy).await.unwrap();
        for _ in 0..3 {
            site.down().await.unwrap();
        }
        assert_eq!(site.sorted("a").await, rows, "{policy:?}");
        same(&before, &site.schema().await);
    }
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_downhaul");

#[tokio::test]
async fn it_is_shown_and_given_up_only_by_hand() {
    let site = Site::new(TABLE).await;
    let program = Program::new(PROGRAM).database(site.database.url());
    program.migration("1_drop", "ALTER TABLE a DROP COLUMN v;", "ALTER TABLE a ADD COLUMN v text;");
    let plan = program.ok(&["plan", "--protect", "tombstone"]).stdout;
    assert!(plan.contains("name it to have it renamed"), "{plan}");
    program.write("downhaul.toml", "[protect.tables]\n\"a.v\" = \"tombstone\"\n");
    let plan = program.ok(&["plan"]).stdout;
    assert!(plan.contains("renamed, not copied; `SELECT *` still sees it"), "{plan}");
    program.ok(&["up", "--yes"]);
    let status = program.ok(&["status"]).stdout;
    assert!(status.contains("set aside"), "{status}");
    program.ok(&["verify"]);
    program.ok(&["snapshot", "prune", "--kept", "--older-than", "0s", "--yes"]);
    assert_eq!(site.columns_and_copies().await, (0, 0));
    program.ok(&["down", "--yes"]);
    assert_eq!(site.value("SELECT count(v)::text FROM a").await.as_deref(), Some("0"));
}

/// Prints what it costs the server to drop a column and to bring it back:
/// `DOWNHAUL_ROWS=10000,1000000 cargo test --test tombstones -- columns::what_it_costs --ignored --nocapture`.
#[tokio::test]
#[ignore = "measures; asked for by name"]
#[allow(clippy::print_stderr, reason = "the measurement is for its reader")]
async fn what_it_costs() {
    let sizes = std::env::var("DOWNHAUL_ROWS").unwrap_or_else(|_| "10000,100000".into());
    for rows in sizes.split(',') {
        for named in ["-- downhaul:protect tombstone acct.name\n", ""] {
            // A copy takes as long as it takes; a million rows are enough to see that.
            if named.is_empty() && rows.parse::<u64>().unwrap() > 1_000_000 {
                continue;
            }
            let server = PostgresOptions::default()
                .setting("autovacuum", "off")
                .setting("shared_buffers", "256MB")
                .start();
            let setup = format!(
                "CREATE TABLE acct (id bigint PRIMARY KEY, grp int, name text, payload text); \
                 INSERT INTO acct SELECT g, g % 1000, 'name ' || g, repeat(md5(g::text), 3) FROM generate_series(1, {rows}) g; \
                 CREATE INDEX acct_name ON acct (name); ANALYZE acct"
            );
            let site = Site::on(&server, &setup).await;
            site.migration(
                1,
                &format!("{named}ALTER TABLE acct DROP COLUMN name;"),
                "ALTER TABLE acct ADD COLUMN name text;",
            );
            let settle = || tokio::time::sleep(Duration::from_millis(500));
            settle().await;
            let (begun, before) = (Instant::now(), spent(server.pid()));
            site.up_as(Policy::Auto).await.unwrap();
            let up = begun.elapsed();
            settle().await;
            let (begun, between) = (Instant::now(), spent(server.pid()));
            site.down().await.unwrap();
            let down = begun.elapsed();
            settle().await;
            let after = spent(server.pid());
            let count = site.value("SELECT count(name)::text FROM acct").await.unwrap();
            assert_eq!(count, rows);
            let how = if named.is_empty() { "copy" } else { "renamed" };
            eprintln!(
                "{rows} rows, {how}: up {:.2} s of CPU ({} ms), down {:.2} s ({} ms)",
                between - before,
                up.as_millis(),
                after - between,
                down.as_millis()
            );
        }
    }
}

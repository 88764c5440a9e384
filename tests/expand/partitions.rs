//! Partitions that come while the phases of a change are open, and those that no migration knows.

use downhaul_kit::{DatabaseHandle, Postgres, Program, Session};

const BASE: &str = "CREATE TABLE teams (id int PRIMARY KEY);\n\
    CREATE TABLE seen (id int NOT NULL, at int NOT NULL, tag text, who int REFERENCES teams, size int, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);\n\
    CREATE TABLE seen_low PARTITION OF seen FOR VALUES FROM (0) TO (100);\n\
    CREATE INDEX seen_tag ON seen (tag);\n";

struct Stand {
    program: Program,
    session: Session,
    _database: DatabaseHandle,
}

impl Stand {
    async fn new(change: &str) -> Self {
        let database = Postgres::shared().fresh_database().await;
        let program = Program::new(super::PROGRAM).database(database.url());
        program.migration("0001_base", BASE, "SELECT 1;\n");
        program.ok(&["up", "--yes"]);
        let mut session = Session::connect(database.url()).await;
        session.run("INSERT INTO teams SELECT generate_series(1, 50); INSERT INTO seen SELECT g, g, 'tag ' || g, g, g FROM generate_series(1, 50) g").await;
        program.write("drafts/change.sql", change);
        program.ok(&["expand", "drafts/change.sql", "--dialect", "postgres"]);
        Self { program, session, _database: database }
    }

    fn step(&self, way: &str) {
        self.program.ok(&[way, "--yes", "--steps", "1"]);
    }

    /// A table that was filled apart, by a release that knows the columns of its time only.
    async fn attach(&mut self, name: &str, from: i32, columns: &str, values: &str) {
        self.session
            .run(&format!(
                "CREATE TABLE {name} (LIKE seen INCLUDING ALL);\n\
                 INSERT INTO {name} (id, at, {columns}) SELECT g, {from}, {values} FROM generate_series({from}, {from} + 9) g;\n\
                 ALTER TABLE seen ATTACH PARTITION {name} FOR VALUES FROM ({from}) TO ({from} + 50);"
            ))
            .await;
    }

    async fn value(&mut self, query: &str) -> String {
        self.session.value(query).await.unwrap_or_default()
    }
}

const CHANGE: &str = "ALTER TABLE seen RENAME COLUMN tag TO label;\nALTER TABLE seen RENAME COLUMN size TO bytes;\nALTER TABLE seen ALTER COLUMN who TYPE bigint;";

#[tokio::test]
async fn a_partition_that_comes_between_two_phases_is_like_the_others() {
    let mut stand = Stand::new(CHANGE).await;
    // Expand, and a partition before the backfill, which goes over it.
    stand.step("up");
    stand.attach("attached_a", 100, "tag, who, size", "'a' || g, 1, g").await;
    stand.session.run("CREATE TABLE made_a PARTITION OF seen FOR VALUES FROM (150) TO (200); INSERT INTO made_a (id, at, tag, who) VALUES (1, 150, 'made', 7); UPDATE made_a SET label = 'again'").await;
    assert_eq!(
        stand.value("SELECT tag || ' ' || label || ' ' || who_new FROM made_a").await,
        "again again 7"
    );
    stand.step("up");
    // Behind the backfill.
    stand.attach("attached_b", 200, "tag, who, size", "'b' || g, 2, g").await;
    stand.step("up");
    // Behind the switch: the indexed column has the new name, and `who` the new type.
    stand.attach("attached_c", 250, "tag, who, size", "'c' || g, 3, g").await;
    stand.session.run("CREATE TABLE made_b PARTITION OF seen FOR VALUES FROM (300) TO (350)").await;
    stand.step("up");
    let lost = "SELECT count(*) FROM seen WHERE (label IS NULL OR bytes IS NULL OR who IS NULL)";
    assert_eq!(stand.value(&format!("{lost} AND at <> 150")).await, "0");
    assert_eq!(
        stand
            .value("SELECT count(*) || ' ' || sum(who) FROM seen WHERE at BETWEEN 100 AND 299")
            .await,
        "31 67"
    );
    // Each has an index of the column, its foreign key, and no trigger any more.
    let parts = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'seen'::regclass";
    assert_eq!(stand.value(parts).await, "6");
    assert_eq!(
        stand
            .value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'seen_tag'::regclass")
            .await,
        "6"
    );
    assert_eq!(
        stand.value("SELECT count(*) FROM pg_constraint WHERE conparentid = (SELECT oid FROM pg_constraint WHERE conname = 'seen_who_fkey' AND conrelid = 'seen'::regclass) AND convalidated").await,
        "6"
    );
    assert_eq!(stand.value("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal").await, "0");
    // All the way back they keep what they hold.
    for _ in 0..4 {
        stand.step("down");
    }
    assert_eq!(
        stand.value("SELECT count(*) || ' ' || count(tag) || ' ' || count(size) || ' ' || sum(who) FROM seen WHERE at BETWEEN 100 AND 299").await,
        "31 31 30 67"
    );
}

#[tokio::test]
async fn a_large_partition_that_no_migration_knows_stops_before_anything_changes() {
    let mut stand = Stand::new("CREATE INDEX seen_size ON seen (size);").await;
    stand
        .session
        .run("CREATE TABLE unknown PARTITION OF seen FOR VALUES FROM (100) TO (200)")
        .await;
    stand.session.run("INSERT INTO unknown SELECT g, 100, repeat('x', 1500), 1, 1 FROM generate_series(1, 7000) g").await;
    let outcome = stand.program.run(&["up", "--yes"]);
    assert!(outcome.code != Some(0), "{outcome}");
    assert!(outcome.stderr.contains("no migration knows the partition unknown"), "{outcome}");
    assert_eq!(
        stand.value("SELECT count(*) FROM pg_indexes WHERE indexdef LIKE '%(size)%'").await,
        "0"
    );
    // A small one gets its own behind the others.
    stand.session.run("TRUNCATE unknown").await;
    stand.step("up");
    assert_eq!(stand.value("SELECT count(*) FROM pg_index WHERE indisvalid AND indexrelid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'seen_size'::regclass)").await, "2");
}

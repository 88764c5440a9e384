//! The promise: on MariaDB and MySQL too, where each statement of a migration commits by itself, tracked
//! tables come back to any mark from before, within and after migrations of theirs. `scripts/mysql-tests`
//! runs the same stories on MySQL.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

mod cuts;

use downhaul::exit_code::Code;
use downhaul_kit::{DatabaseHandle, MariaDb, Program, Session, check, on_mariadb_and_mysql};

const PROGRAM: &str = env!("CARGO_BIN_EXE_downhaul");

on_mariadb_and_mysql!(
    columns_that_go_and_change,
    columns_that_change_places,
    tables_that_go_and_change,
    a_table_that_is_built_anew,
    a_table_that_is_set_aside,
    keys_that_lead_to_what_changes,
    keys_that_change,
    a_statement_that_fails
);

/// A table's rows, all columns of each.
async fn rows(session: &mut Session, table: &str) -> Vec<String> {
    let columns = session
        .rows(&format!(
            "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = '{table}' ORDER BY COLUMN_NAME"
        ))
        .await;
    let columns: Vec<String> = columns
        .iter()
        .map(|row| format!("'{0}=', COALESCE(`{0}`, 'NULL')", row[0].clone().unwrap()))
        .collect();
    let found = session
        .rows(&format!(
            "SELECT CAST(CONCAT_WS(' ', {}) AS CHAR) FROM `{table}` ORDER BY 1",
            columns.join(", ")
        ))
        .await;
    found.into_iter().map(|row| row[0].clone().unwrap()).collect()
}

struct Site {
    program: Program,
    db: Session,
}

impl Site {
    async fn new(database: &DatabaseHandle, setup: &str) -> Self {
        let program = Program::new(PROGRAM).database(database.url());
        let mut db = Session::connect(database.url()).await;
        db.run(setup).await;
        Self { program, db }
    }

    fn ok(&self, args: &[&str], wanted: &[&str]) {
        check(&self.program.run(args), Code::Clean, wanted);
    }

    fn track(&self, tables: &[&str]) {
        let mut args = vec!["snapshot", "track", "--yes"];
        args.extend(tables);
        self.ok(&args, &[]);
    }

    fn mark(&self, name: &str) {
        self.ok(&["snapshot", "mark", name], &["made"]);
    }

    fn restore(&self, name: &str) {
        self.ok(&["snapshot", "restore", "--to", name, "--yes"], &[]);
    }

    fn undo(&self) {
        self.ok(&["snapshot", "restore", "--undo", "--yes"], &[]);
    }

    fn up(&self) {
        check(&self.program.run(&["up"]), Code::Clean, &[]);
        self.ok(&["snapshot", "status"], &[]);
    }

    fn down(&self) {
        check(&self.program.run(&["down", "--yes"]), Code::Clean, &[]);
        self.ok(&["snapshot", "status"], &[]);
    }

    async fn rows(&mut self, table: &str) -> Vec<String> {
        rows(&mut self.db, table).await
    }
}

mod stories {
    use super::*;

    pub(super) async fn columns_that_go_and_change(database: DatabaseHandle) {
        let mut site = Site::new(
            &database,
            "CREATE TABLE t (id int PRIMARY KEY, a int, b varchar(9), c decimal(10,4), f float, e enum('x','y')) ENGINE=InnoDB; \
             INSERT INTO t VALUES (1, 1, 'one', 1.5, 0.1, 'x'), (2, 2, 'two', 2.25, 16777217, 'y'), (3, 3, 'three', NULL, NULL, NULL); \
             CREATE TABLE bag (a int, b varchar(9)) ENGINE=InnoDB; INSERT INTO bag VALUES (1, 'x'), (1, 'x'), (2, NULL)",
        )
        .await;
        site.track(&["t", "bag"]);
        site.mark("m");
        let then = (site.rows("t").await, site.rows("bag").await);
        site.db
            .run("UPDATE t SET a = 10, b = 'uno' WHERE id = 1; DELETE FROM t WHERE id = 3; INSERT INTO t VALUES (4, 4, 'four', 4, 4, 'x'); DELETE FROM bag WHERE a = 1 LIMIT 1")
            .await;
        let before = (site.rows("t").await, site.rows("bag").await);
        site.program.migration(
            "1_many",
            "ALTER TABLE t DROP COLUMN a; ALTER TABLE t CHANGE b label varchar(20); ALTER TABLE t MODIFY c varchar(12), MODIFY f varchar(20), MODIFY e varchar(5), ADD COLUMN n int DEFAULT 7; \
             ALTER TABLE bag DROP COLUMN b; UPDATE t SET n = 8 WHERE id = 2;",
            "ALTER TABLE t DROP COLUMN n; ALTER TABLE t MODIFY e enum('x','y'), MODIFY f float, MODIFY c decimal(10,4); ALTER TABLE t CHANGE label b varchar(9); \
             ALTER TABLE t ADD COLUMN a int AFTER id; ALTER TABLE bag ADD COLUMN b varchar(9);",
        );
        site.up();
        let after = (site.rows("t").await, site.rows("bag").await);
        // What a person sees of the past, under the names of now.
        site.ok(
            &["snapshot", "show", "t", "--as-of", "m", "--where", "id = 3"],
            &["label", "three"],
        );
        site.ok(
            &["snapshot", "show", "t", "--as-of", "after 1_many", "--format", "csv"],
            &["1,uno,1.5000", "2,two,2.2500", "4,four"],
        );
        site.db.run("UPDATE t SET label = 'later' WHERE id = 2; INSERT INTO t (id, label, c) VALUES (5, 'five', 'five'); INSERT INTO bag VALUES (9)").await;
        let later = (site.rows("t").await, site.rows("bag").await);
        site.ok(
            &["snapshot", "diff", "m"],
            &[
                "t: 2 rows inserted, 2 rows updated, 1 row deleted",
                "label in 2 rows",
                "only one of the moments has it: a",
                "id=1  label: one → uno",
                "bag: 1 row inserted, 1 row deleted",
            ],
        );
        site.ok(&["snapshot", "diff", "before 1_many", "after 1_many"], &["nothing differs"]);
        site.restore("after 1_many");
        assert_eq!((site.rows("t").await, site.rows("bag").await), after);
        site.undo();
        assert_eq!((site.rows("t").await, site.rows("bag").await), later);
        site.ok(
            &["snapshot", "restore", "--to", "m", "--yes"],
            &["no longer there, so their values stay in the history: a"],
        );
        let found = site.rows("t").await;
        assert_eq!(found.len(), 3, "{found:#?}");
        for part in ["label=one", "label=two", "label=three", "c=1.5000", "f=0.1", "e=y"] {
            let part = part.replace('=', "= ");
            assert!(found.iter().any(|row| row.contains(&part)), "{part} is missing: {found:#?}");
        }
        assert_eq!(site.rows("bag").await.len(), 3);
        site.undo();
        site.db.run("DELETE FROM t WHERE c = 'five'").await;
        site.down();
        let found = site.rows("t").await;
        assert!(found.iter().any(|row| row.contains("b= later")), "{found:#?}");
        site.restore("before 1_many");
        assert_eq!((site.rows("t").await, site.rows("bag").await), before);
        site.undo();
        site.restore("m");
        assert_eq!((site.rows("t").await, site.rows("bag").await), then);
        // What the second way up finds is the history of the first.
        site.up();
        site.restore("before 1_many #2");
        assert_eq!(site.rows("t").await.len(), 3);
    }

    pub(super) async fn columns_that_change_places(database: DatabaseHandle) {
        let mut site = Site::new(
            &database,
            "CREATE TABLE t (id int PRIMARY KEY, a varchar(9), b varchar(9)) ENGINE=InnoDB; INSERT INTO t VALUES (1, 'a1', 'b1'), (2, 'a2', 'b2')",
        )
        .await;
        site.track(&["t"]);
        site.mark("m");
        let then = site.rows("t").await;
        site.db.run("UPDATE t SET a = 'x' WHERE id = 1").await;
        let swap = "ALTER TABLE t CHANGE a b varchar(9), CHANGE b a varchar(9);";
        site.program.migration("1_swap", swap, swap);
        site.up();
        site.restore("m");
        assert_eq!(site.rows("t").await, ["a= b1 b= a1 id= 1", "a= b2 b= a2 id= 2"]);
        site.db.run("UPDATE t SET a = 'y' WHERE id = 2").await;
        site.down();
        site.restore("m");
        assert_eq!(site.rows("t").await, then);
    }

    pub(super) async fn tables_that_go_and_change(database: DatabaseHandle) {
        let mut site = Site::new(
            &database,
            "CREATE TABLE gone (id int PRIMARY KEY, v int) ENGINE=InnoDB; INSERT INTO gone VALUES (1, 1), (2, 2); \
             CREATE TABLE emptied (id int PRIMARY KEY, v int) ENGINE=InnoDB; INSERT INTO emptied VALUES (1, 1), (2, 2); \
             CREATE TABLE old (id int PRIMARY KEY, v int) ENGINE=InnoDB; INSERT INTO old VALUES (1, 1), (2, 2); \
             CREATE TABLE bag (v int) ENGINE=InnoDB; INSERT INTO bag VALUES (1), (1), (2); \
             CREATE TABLE parts (id int PRIMARY KEY, v int) ENGINE=InnoDB PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (20)); INSERT INTO parts VALUES (1, 1), (12, 2)",
        )
        .await;
        let tables = ["gone", "emptied", "old", "bag", "parts"];
        site.track(&tables);
        site.mark("m");
        let mut then = Vec::new();
        for table in tables {
            then.push(site.rows(table).await);
        }
        site.db.run("UPDATE gone SET v = 9; UPDATE emptied SET v = 9 WHERE id = 1; UPDATE old SET v = 9; UPDATE bag SET v = 3 WHERE v = 2; UPDATE parts SET v = 9").await;
        site.program.migration(
            "1_all",
            "DROP TABLE gone; TRUNCATE TABLE emptied; RENAME TABLE old TO new; TRUNCATE bag; ALTER TABLE parts DROP PARTITION p1;",
            "ALTER TABLE parts ADD PARTITION (PARTITION p1 VALUES LESS THAN (20)); RENAME TABLE new TO old; CREATE TABLE gone (id int PRIMARY KEY, v int) ENGINE=InnoDB;",
        );
        check(&site.program.run(&["up"]), Code::Clean, &[]);
        check(
            &site.program.run(&["snapshot", "status"]),
            Code::Drift,
            &["gone", "a migration dropped it"],
        );
        site.db.run("INSERT INTO emptied VALUES (7, 7); UPDATE new SET v = 5 WHERE id = 1; INSERT INTO bag VALUES (1); INSERT INTO parts VALUES (3, 3)").await;
        site.ok(
            &["snapshot", "diff", "m"],
            &[
                "emptied: 1 row inserted, 2 rows deleted",
                "new: 2 rows updated",
                "parts: 1 row inserted, 1 row updated, 1 row deleted",
            ],
        );
        site.ok(
            &[
                "snapshot", "restore", "--to", "m", "--yes", "--table", "emptied", "--table",
                "new", "--table", "bag",
            ],
            &["restored"],
        );
        assert_eq!(site.rows("emptied").await, then[1]);
        assert_eq!(site.rows("new").await, then[2]);
        assert_eq!(site.rows("bag").await, then[3]);
        site.undo();
        assert_eq!(site.rows("emptied").await, ["id= 7 v= 7"]);
        site.down();
        site.restore("m");
        for (table, then) in tables.iter().zip(&then) {
            assert_eq!(site.rows(table).await, *then, "{table}");
        }
        // A moment at which it was not there: then it had no rows.
        site.restore("after 1_all");
        assert_eq!(site.rows("gone").await, Vec::<String>::new());
        assert_eq!(site.rows("emptied").await, Vec::<String>::new());
    }

    /// As tools do that change tables beside the traffic.
    pub(super) async fn a_table_that_is_built_anew(database: DatabaseHandle) {
        let mut site = Site::new(
            &database,
            "CREATE TABLE t (id int PRIMARY KEY, v int) ENGINE=InnoDB; INSERT INTO t VALUES (1, 1), (2, 2)",
        )
        .await;
        site.track(&["t"]);
        site.mark("m");
        let then = site.rows("t").await;
        site.db.run("UPDATE t SET v = 9 WHERE id = 1; INSERT INTO t VALUES (3, 3)").await;
        site.program.migration(
            "1_anew",
            "CREATE TABLE t_new (id int PRIMARY KEY, v bigint, w int) ENGINE=InnoDB; INSERT INTO t_new SELECT id, v, 0 FROM t; \
             RENAME TABLE t TO t_old, t_new TO t; DROP TABLE t_old;",
            "CREATE TABLE t_new (id int PRIMARY KEY, v int) ENGINE=InnoDB; INSERT INTO t_new SELECT id, v FROM t; \
             RENAME TABLE t TO t_old, t_new TO t; DROP TABLE t_old;",
        );
        site.up();
        site.db.run("UPDATE t SET v = 4 WHERE id = 2; DELETE FROM t WHERE id = 3").await;
        let later = site.rows("t").await;
        site.restore("m");
        assert_eq!(site.rows("t").await, ["id= 1 v= 1 w= 0", "id= 2 v= 2 w= 0"]);
        site.undo();
        assert_eq!(site.rows("t").await, later);
        site.restore("after 1_anew");
        assert_eq!(site.rows("t").await, ["id= 1 v= 9 w= 0", "id= 2 v= 2 w= 0", "id= 3 v= 3 w= 0"]);
        site.down();
        site.restore("m");
        assert_eq!(site.rows("t").await, then);
    }

    pub(super) async fn a_table_that_is_set_aside(database: DatabaseHandle) {
        let mut site = Site::new(
            &database,
            "CREATE TABLE t (id int PRIMARY KEY, v int, KEY (v)) ENGINE=InnoDB; INSERT INTO t VALUES (1, 1), (2, 2); \
             CREATE TABLE c (id int PRIMARY KEY, note varchar(9)) ENGINE=InnoDB; INSERT INTO c VALUES (1, 'a'), (2, 'b')",
        )
        .await;
        site.track(&["t", "c"]);
        site.mark("m");
        let then = (site.rows("t").await, site.rows("c").await);
        site.db.run("UPDATE t SET v = 9 WHERE id = 1; UPDATE c SET note = 'x' WHERE id = 2").await;
        site.program.migration(
            "1_aside",
            "-- downhaul:protect tombstone\nDROP TABLE t;\nALTER TABLE c DROP COLUMN note;",
            "ALTER TABLE c ADD COLUMN note varchar(9);\nCREATE TABLE t (id int PRIMARY KEY, v int, KEY (v)) ENGINE=InnoDB;",
        );
        check(&site.program.run(&["up"]), Code::Clean, &["the table is tracked"]);
        site.db.run("INSERT INTO c VALUES (3)").await;
        site.down();
        site.db.run("UPDATE t SET v = 8 WHERE id = 2").await;
        site.restore("m");
        assert_eq!((site.rows("t").await, site.rows("c").await), then);
        site.undo();
        assert_eq!(site.rows("t").await, ["id= 1 v= 9", "id= 2 v= 8"]);
        assert_eq!(site.rows("c").await, ["id= 1 note= a", "id= 2 note= x", "id= 3 note= NULL"]);
        site.restore("before 1_aside");
        assert_eq!(site.rows("t").await, ["id= 1 v= 9", "id= 2 v= 2"]);
    }

    /// Triggers on tables to which rows refer name what is on the way.
    pub(super) async fn keys_that_lead_to_what_changes(database: DatabaseHandle) {
        let mut site = Site::new(
            &database,
            "CREATE TABLE firm (id int PRIMARY KEY, n int) ENGINE=InnoDB; \
             CREATE TABLE site (id int PRIMARY KEY, firm int, v int, FOREIGN KEY (firm) REFERENCES firm (id) ON DELETE CASCADE) ENGINE=InnoDB; \
             CREATE TABLE desk (id int PRIMARY KEY, site int, who varchar(9), FOREIGN KEY (site) REFERENCES site (id) ON DELETE CASCADE) ENGINE=InnoDB; \
             CREATE TABLE lamp (id int PRIMARY KEY, desk int, w int) ENGINE=InnoDB; \
             INSERT INTO firm VALUES (1, 1), (2, 2), (3, 3); INSERT INTO site VALUES (1, 1, 1), (2, 2, 2), (3, 3, 3); INSERT INTO desk VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c'); INSERT INTO lamp VALUES (1, 1, 1), (2, 2, 2), (3, 3, 3)",
        )
        .await;
        // The firms are not.
        site.track(&["site", "desk", "lamp"]);
        site.mark("m");
        let then = (site.rows("site").await, site.rows("desk").await, site.rows("lamp").await);
        site.program.migration(
            "1_keys",
            "ALTER TABLE firm DROP COLUMN n; ALTER TABLE site DROP COLUMN v; ALTER TABLE site CHANGE firm company int; ALTER TABLE desk CHANGE who person varchar(20); \
             RENAME TABLE desk TO place; ALTER TABLE lamp ADD CONSTRAINT of_place FOREIGN KEY (desk) REFERENCES place (id) ON DELETE CASCADE;",
            "ALTER TABLE lamp DROP FOREIGN KEY of_place; ALTER TABLE lamp DROP KEY of_place; RENAME TABLE place TO desk; ALTER TABLE desk CHANGE person who varchar(9); ALTER TABLE site CHANGE company firm int; \
             ALTER TABLE site ADD COLUMN v int; ALTER TABLE firm ADD COLUMN n int;",
        );
        site.up();
        let after = (site.rows("site").await, site.rows("place").await, site.rows("lamp").await);
        site.db
            .run("DELETE FROM firm WHERE id = 1; UPDATE place SET person = 'z' WHERE id = 2")
            .await;
        site.ok(
            &["snapshot", "diff", "after 1_keys"],
            &["site: 1 row deleted", "place: 1 row updated, 1 row deleted", "lamp: 1 row deleted"],
        );
        site.db.run("INSERT INTO firm VALUES (1)").await;
        site.restore("after 1_keys");
        assert_eq!(
            (site.rows("site").await, site.rows("place").await, site.rows("lamp").await),
            after
        );
        site.db.run("DELETE FROM firm WHERE id = 2").await;
        site.down();
        // Now of the old names again.
        site.db.run("DELETE FROM firm WHERE id = 3; INSERT INTO firm (id) VALUES (2), (3)").await;
        site.restore("m");
        assert_eq!(
            (site.rows("site").await, site.rows("desk").await, site.rows("lamp").await),
            then
        );
    }

    pub(super) async fn keys_that_change(database: DatabaseHandle) {
        let mut site = Site::new(
            &database,
            "CREATE TABLE wide (id int PRIMARY KEY, v int) ENGINE=InnoDB; INSERT INTO wide VALUES (1, 1), (2, 2); \
             CREATE TABLE other (id int PRIMARY KEY, k int NOT NULL, v int) ENGINE=InnoDB; INSERT INTO other VALUES (1, 11, 1), (2, 12, 2); \
             CREATE TABLE bag (a int, v int) ENGINE=InnoDB; INSERT INTO bag VALUES (1, 1), (2, 2)",
        )
        .await;
        site.track(&["wide", "other", "bag"]);
        site.mark("m");
        site.db
            .run("UPDATE wide SET v = 9 WHERE id = 1; UPDATE other SET v = 9; UPDATE bag SET v = 9")
            .await;
        site.program.migration(
            "1_keys",
            "ALTER TABLE wide CHANGE id number bigint NOT NULL; ALTER TABLE other DROP PRIMARY KEY, ADD PRIMARY KEY (k); ALTER TABLE bag MODIFY v bigint;",
            "SELECT 1;",
        );
        check(
            &site.program.run(&["up"]),
            Code::Clean,
            &["the history of other begins anew", "the history of bag begins anew"],
        );
        site.db.run("UPDATE wide SET v = 8 WHERE number = 2; UPDATE other SET v = 8 WHERE k = 11; INSERT INTO bag VALUES (3, 3)").await;
        check(
            &site.program.run(&["snapshot", "restore", "--to", "m", "--yes"]),
            Code::Clean,
            &["restored", "left out", "other", "bag"],
        );
        assert_eq!(site.rows("wide").await, ["number= 1 v= 1", "number= 2 v= 2"]);
        site.restore("after 1_keys");
        assert_eq!(site.rows("wide").await, ["number= 1 v= 9", "number= 2 v= 2"]);
        assert_eq!(site.rows("other").await, ["id= 1 k= 11 v= 9", "id= 2 k= 12 v= 9"]);
        assert_eq!(site.rows("bag").await, ["a= 1 v= 9", "a= 2 v= 9"]);
    }

    /// Nothing has happened then but that rows were written down.
    pub(super) async fn a_statement_that_fails(database: DatabaseHandle) {
        let mut site = Site::new(
            &database,
            "CREATE TABLE t (id int PRIMARY KEY, v varchar(9)) ENGINE=InnoDB; INSERT INTO t VALUES (1, 'one'), (2, '2')",
        )
        .await;
        site.track(&["t"]);
        site.mark("m");
        let then = site.rows("t").await;
        site.program.migration("1_bad", "ALTER TABLE t CHANGE v n int;", "SELECT 1;");
        check(&site.program.run(&["up"]), Code::FailedUnchanged, &[]);
        site.ok(&["snapshot", "status"], &["reaches back to mark `m`"]);
        site.mark("n");
        site.db.run("UPDATE t SET v = '1' WHERE id = 1; DELETE FROM t WHERE id = 2").await;
        site.ok(&["snapshot", "diff", "n"], &["t: 1 row updated, 1 row deleted"]);
        site.restore("n");
        assert_eq!(site.rows("t").await, then);
        site.undo();
        site.restore("m");
        assert_eq!(site.rows("t").await, then);
        // The first statement is done, the second is not.
        site.db.run("UPDATE t SET v = '1' WHERE id = 1").await;
        site.program.migration(
            "1_bad",
            "ALTER TABLE t CHANGE v n int; ALTER TABLE t DROP COLUMN nothing;",
            "SELECT 1;",
        );
        check(&site.program.run(&["up"]), Code::PartlyApplied, &[]);
        site.ok(&["snapshot", "status"], &["reaches back to mark `m`"]);
        site.db.run("UPDATE t SET n = 5").await;
        site.restore("before 1_bad #2");
        assert_eq!(site.rows("t").await, ["id= 1 n= 1", "id= 2 n= 2"]);
    }
}

/// The server's own history stays what the migration leaves of it.
#[tokio::test]
async fn tables_with_system_versioning() {
    let database = MariaDb::shared().fresh_database().await;
    let mut site = Site::new(
        &database,
        "CREATE TABLE t (id int PRIMARY KEY, a int, b int) ENGINE=InnoDB WITH SYSTEM VERSIONING; INSERT INTO t VALUES (1, 1, 1), (2, 2, 2)",
    )
    .await;
    site.track(&["t"]);
    site.mark("m");
    let then = site.rows("t").await;
    site.db.run("UPDATE t SET a = 9 WHERE id = 1; DELETE FROM t WHERE id = 2").await;
    site.program.migration(
        "1_drop",
        "SET SESSION system_versioning_alter_history = KEEP; ALTER TABLE t DROP COLUMN a; ALTER TABLE t CHANGE b c bigint;",
        "SET SESSION system_versioning_alter_history = KEEP; ALTER TABLE t CHANGE c b int; ALTER TABLE t ADD COLUMN a int AFTER id;",
    );
    site.up();
    let versions = "SELECT count(*) FROM t FOR SYSTEM_TIME ALL";
    assert_eq!(site.db.value(versions).await.as_deref(), Some("3"));
    site.db.run("UPDATE t SET c = 7").await;
    site.restore("m");
    assert_eq!(site.rows("t").await, ["c= 1 id= 1", "c= 2 id= 2"]);
    site.undo();
    site.down();
    site.restore("m");
    assert_eq!(site.rows("t").await, then);
}

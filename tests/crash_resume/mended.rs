//! A statement fails in the midst of a migration that no transaction holds: what ran before it is
//! recorded, the file is mended, and `up` goes on; `down` brings everything back.

use downhaul::exit_code::Code;
use downhaul_kit::{DatabaseHandle, MariaDb, MySql, Photograph, Program};

use crate::stage::{PROGRAM, expect};

/// A reference to itself, a trigger, a time that moves with every update, a table that is called
/// like an alias of ours and has no key, partitions.
const SCHEMA: &str = "\
CREATE TABLE log (n int AUTO_INCREMENT PRIMARY KEY, t text);
CREATE TABLE staff (id int PRIMARY KEY, pay int, boss int,
  seen timestamp NOT NULL DEFAULT current_timestamp ON UPDATE current_timestamp,
  name varchar(10), FOREIGN KEY (boss) REFERENCES staff (id));
INSERT INTO staff VALUES (1, 10, NULL, '2020-01-01', 'Ada'), (2, 20, 1, '2020-01-02', 'Bo'),
  (3, 30, 2, '2020-01-03', 'Cy');
CREATE TRIGGER pay_rises AFTER UPDATE ON staff FOR EACH ROW INSERT INTO log (t) VALUES (NEW.pay);
CREATE TABLE k (a int, b int);
INSERT INTO k VALUES (1, 1), (1, 1), (2, 5), (2, NULL);
CREATE TABLE m1 (id int PRIMARY KEY);
CREATE TABLE m2 (id int PRIMARY KEY);
INSERT INTO m1 VALUES (1), (2);
INSERT INTO m2 VALUES (7);
CREATE TABLE years (id int, y int, PRIMARY KEY (id, y)) PARTITION BY RANGE (y)
  (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (20));
INSERT INTO years VALUES (1, 5), (2, 15);
";

const UP: &str = "\
SET @rise = 5;
UPDATE staff SET pay = pay + @rise;
ALTER TABLE staff DROP COLUMN name;
DELETE FROM staff WHERE id = 3;
ALTER TABLE k DROP COLUMN b;
DROP TABLE m1, m2;
ALTER TABLE years DROP PARTITION p0;
";

const DOWN: &str = "\
ALTER TABLE years REORGANIZE PARTITION p1 INTO
  (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (20));
CREATE TABLE m1 (id int PRIMARY KEY);
ALTER TABLE staff ADD COLUMN name varchar(10);
";

#[tokio::test]
async fn a_mended_migration_goes_on_and_comes_back_on_mariadb() {
    a_mended_migration_goes_on_and_comes_back(MariaDb::shared().fresh_database().await).await;
}

#[tokio::test]
#[ignore = "wants MySQL: scripts/mysql-tests"]
async fn a_mended_migration_goes_on_and_comes_back_on_mysql() {
    a_mended_migration_goes_on_and_comes_back(MySql::shared().fresh_database().await).await;
}

async fn a_mended_migration_goes_on_and_comes_back(database: DatabaseHandle) {
    let mut session = database.session().await;
    session.run(SCHEMA).await;
    let mut before = Photograph::of(&mut session).await;
    // What the trigger wrote while the migration ran stays.
    before.0.remove("rows of log");
    let program = Program::new(PROGRAM).database(database.url());
    program.migration("0001_slim", &format!("{UP}ALTER TABLE nobody ADD COLUMN z int;\n"), DOWN);
    let outcome = program.run(&["up", "--yes"]);
    expect(&outcome, Code::PartlyApplied);
    assert!(outcome.stderr.contains("statement 8"), "{outcome}");
    assert!(program.ok(&["status"]).stdout.contains("half applied"));
    program.migration("0001_slim", UP, DOWN);
    program.ok(&["up", "--yes"]);
    assert!(program.ok(&["status"]).stdout.contains("1 applied"));
    let written = "SELECT count(*) FROM log";
    let fired = session.value(written).await;
    assert_eq!(fired.as_deref(), Some("3"));
    program.ok(&["down", "--yes", "--all"]);
    let mut after = Photograph::of(&mut session).await;
    after.0.remove("rows of log");
    let differences = before.differences(&after);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert_eq!(session.value(written).await, fired, "the way back fires no trigger");
    session.close().await;
}

//! What a down leaves other than it was, named in one line each.

use downhaul_catalog::{Catalog, DiffOptions, Origin, diff};
use downhaul_syntax::{Dialect, parse_script};

/// Runs `base`, then `up` and `down`, and compares the schema before and after.
fn lines(dialect: Dialect, base: &str, up: &str, down: &str) -> Vec<String> {
    let mut catalog = Catalog::new(dialect);
    for (at, text) in [base, up, down].into_iter().enumerate() {
        let script = parse_script(text, dialect);
        for statement in &script.statements {
            assert!(!statement.changes().is_empty(), "not understood: {}", statement.text);
        }
        let problems = catalog.apply_script(&script, Origin::Series(at));
        assert!(problems.is_empty(), "{text}: {problems:?}");
    }
    let mut before = Catalog::new(dialect);
    before.apply_script(&parse_script(base, dialect), Origin::Series(0));
    diff(&before, &catalog, DiffOptions { column_order: true })
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn check(base: &str, up: &str, down: &str, expect: &[&str]) {
    assert_eq!(lines(Dialect::Postgres, base, up, down), expect, "{up} / {down}");
}

const ORDERS: &str =
    "CREATE TABLE orders (id bigint PRIMARY KEY, total numeric(10,2) NOT NULL DEFAULT 0, \
    status text DEFAULT 'new' CHECK (status IN ('new', 'paid')));
    CREATE INDEX orders_total ON orders (total);";

#[test]
fn a_true_inverse_leaves_no_difference() {
    for (up, down) in [
        ("ALTER TABLE orders ADD note text", "ALTER TABLE orders DROP note"),
        (
            "ALTER TABLE orders DROP CONSTRAINT orders_status_check",
            "ALTER TABLE orders ADD CONSTRAINT orders_status_check CHECK \
             (status = ANY (ARRAY['new'::text, 'paid'::text]))",
        ),
        (
            "DROP INDEX orders_total",
            "CREATE INDEX orders_total ON public.orders USING btree (total ASC)",
        ),
        (
            "ALTER TABLE orders ALTER total DROP DEFAULT",
            "ALTER TABLE orders ALTER COLUMN total SET DEFAULT '0'::numeric",
        ),
        (
            "ALTER TABLE orders ALTER total TYPE decimal(12, 2)",
            "ALTER TABLE orders ALTER total TYPE DECIMAL(10,2)",
        ),
        ("CREATE TYPE mood AS ENUM ('a')", "DROP TYPE mood"),
        ("CREATE TEMP TABLE scratch (a int)", ""),
        ("GRANT SELECT ON orders TO app", "REVOKE ALL ON orders FROM app"),
    ] {
        check(ORDERS, up, down, &[]);
    }
}

#[test]
fn what_is_lost_is_named() {
    for (up, down, expect) in [
        (
            "ALTER TABLE orders DROP total",
            "ALTER TABLE orders ADD total numeric(10,2)",
            vec![
                "NOT NULL of orders.total is gone (was: NOT NULL)",
                "default of orders.total is gone (was: 0)",
                "column order of orders differs: was id, total, status, is now id, status, total",
                "index orders_total is gone (was: ON orders (total))",
            ],
        ),
        (
            "ALTER TABLE orders ADD note text; COMMENT ON COLUMN orders.total IS 'x'",
            "ALTER TABLE orders DROP note",
            vec!["comment of orders.total is left over (x)"],
        ),
        (
            "ALTER TABLE orders DROP CONSTRAINT orders_status_check",
            "ALTER TABLE orders ADD CONSTRAINT status_ok CHECK (status IN ('new', 'paid'))",
            vec![
                "constraint name of orders.orders_status_check differs: was orders_status_check, \
                 is now status_ok",
            ],
        ),
        (
            "ALTER TABLE orders ALTER total TYPE numeric(12,2)",
            "",
            vec!["column type of orders.total differs: was numeric(10,2), is now numeric(12,2)"],
        ),
        (
            "CREATE VIEW v AS SELECT id FROM orders",
            "",
            vec!["view v is left over (SELECT id FROM orders)"],
        ),
        (
            "GRANT SELECT, INSERT ON orders TO app",
            "REVOKE INSERT ON orders FROM app",
            vec!["privilege of orders for app is left over (SELECT)"],
        ),
        (
            "ALTER INDEX orders_total RENAME TO orders_by_total",
            "",
            vec!["index name of orders_total differs: was orders_total, is now orders_by_total"],
        ),
        (
            "CREATE TABLE items (id serial PRIMARY KEY)",
            "ALTER TABLE items RENAME TO old_items",
            vec![
                "table old_items is left over (id)",
                "sequence items_id_seq is left over (AS integer)",
            ],
        ),
    ] {
        check(ORDERS, up, down, &expect);
    }
}

#[test]
fn types_views_and_functions() {
    check(
        "CREATE TYPE state AS ENUM ('on', 'off')",
        "ALTER TYPE state ADD VALUE 'idle'",
        "",
        &["enum value state.'idle' is left over"],
    );
    check(
        "CREATE TABLE t (a int); CREATE VIEW v AS SELECT a FROM t WHERE a > 1",
        "CREATE OR REPLACE VIEW v AS SELECT a FROM t",
        "CREATE OR REPLACE VIEW v AS SELECT a FROM t WHERE a > 2",
        &[
            "query of v differs: was SELECT a FROM t WHERE a > 1, is now SELECT a FROM t WHERE a > 2",
        ],
    );
    let f = "CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql AS $$ SELECT 1 $$";
    check(
        f,
        "DROP FUNCTION f(int)",
        "CREATE FUNCTION f(a integer) RETURNS INT AS $x$ SELECT 1 $x$ language SQL",
        &[],
    );
    assert_eq!(lines(Dialect::Postgres, f, "DROP FUNCTION f", "").len(), 1);
}

#[test]
fn sqlite_and_mysql() {
    assert_eq!(
        lines(
            Dialect::Sqlite,
            "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)",
            "CREATE INDEX i ON t (b)",
            "",
        ),
        ["index i is left over (ON t (b))"]
    );
    assert_eq!(
        lines(
            Dialect::Mysql,
            "CREATE TABLE t (a int(11) NOT NULL, b tinyint(1) DEFAULT '0')",
            "ALTER TABLE t MODIFY b int",
            "ALTER TABLE t MODIFY b boolean DEFAULT false, MODIFY a INT NOT NULL COMMENT 'x'",
        ),
        ["comment of t.a is left over (x)"]
    );
}

#[test]
fn a_star_stands_for_the_columns_of_its_moment() {
    let base = "CREATE TABLE t (a int, b int); CREATE VIEW v AS SELECT x.* FROM t x;
                CREATE VIEW w AS SELECT count(*) FROM t;";
    check(
        base,
        "DROP VIEW v; DROP VIEW w; ALTER TABLE t DROP a",
        "ALTER TABLE t ADD a int; CREATE VIEW v AS SELECT x.* FROM t x; \
         CREATE VIEW w AS SELECT count(*) FROM t",
        &[
            "column order of t differs: was a, b, is now b, a",
            "meaning of * of v differs: was t.a, t.b, is now t.b, t.a",
        ],
    );
    check(base, "DROP VIEW v", "CREATE VIEW v AS SELECT x.* FROM t x", &[]);
}

#[test]
fn identity_follows_renames() {
    check(
        "CREATE TYPE s AS ENUM ('a'); CREATE TABLE t (c s DEFAULT 'a');
         CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
         CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW EXECUTE PROCEDURE f();",
        "ALTER TYPE s RENAME VALUE 'a' TO 'A'; ALTER FUNCTION f() RENAME TO h",
        "ALTER TABLE t ALTER c SET DEFAULT 'A'; ALTER TYPE s RENAME VALUE 'A' TO 'a'; \
         DROP TRIGGER g ON t; ALTER FUNCTION h() RENAME TO f; \
         CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION public.f()",
        &[],
    );
}

#[test]
fn one_statement_drops_its_targets_together() {
    let base = "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int REFERENCES a);
                CREATE VIEW v AS SELECT id FROM b; CREATE VIEW w AS SELECT id FROM v;";
    let lost = lines(Dialect::Postgres, base, "DROP VIEW v, w; DROP TABLE a, b", "");
    assert_eq!(lost.len(), 4, "{lost:?}");
    let lost = lines(Dialect::Postgres, base, "DROP VIEW v, w CASCADE", "");
    assert_eq!(lost.len(), 2, "{lost:?}");
}

#[test]
fn alter_table_only_leaves_the_children_as_they_are() {
    let base =
        "CREATE TABLE parent (id int, a int, b int, c int CONSTRAINT positive CHECK (c > 0));
        CREATE TABLE heir () INHERITS (parent);";
    // Run on PostgreSQL 15: the heir keeps column and constraint, and gets neither default nor NOT NULL.
    let ups = [
        "ALTER TABLE ONLY parent DROP COLUMN a",
        "ALTER TABLE IF EXISTS ONLY parent ALTER b SET DEFAULT 5",
        "ALTER TABLE ONLY parent ALTER b SET NOT NULL",
        "ALTER TABLE ONLY parent DROP CONSTRAINT positive",
    ];
    for up in ups {
        let all = lines(Dialect::Postgres, base, up, "SELECT 1");
        assert!(!all.is_empty() && all.iter().all(|line| !line.contains("heir")), "{up}: {all:?}");
        let all = lines(Dialect::Postgres, base, &up.replace("ONLY ", ""), "SELECT 1");
        assert!(all.iter().any(|line| line.contains("heir")), "{up}: {all:?}");
    }
}

#[test]
fn columns_of_mysql_change_names_in_one_statement() {
    let base = "CREATE TABLE t (id int PRIMARY KEY, a int NOT NULL DEFAULT 1, b bigint NOT NULL, KEY ka (a), KEY kb (b), CHECK (a > 0));";
    for (up, down) in [
        (
            "ALTER TABLE t RENAME COLUMN a TO b, RENAME COLUMN b TO a",
            "ALTER TABLE t RENAME COLUMN b TO a, RENAME COLUMN a TO b",
        ),
        (
            "ALTER TABLE t CHANGE a b int NOT NULL, CHANGE b a bigint NOT NULL DEFAULT 1, RENAME INDEX ka TO kc, RENAME INDEX kb TO ka",
            "ALTER TABLE t CHANGE a b bigint NOT NULL, CHANGE b a int NOT NULL DEFAULT 1, RENAME INDEX ka TO kb, RENAME INDEX kc TO ka",
        ),
    ] {
        assert_eq!(lines(Dialect::MariaDb, base, up, down), [""; 0], "{up}");
        let mut after = Catalog::new(Dialect::MariaDb);
        for text in [base, up] {
            after.apply_script(&parse_script(text, Dialect::MariaDb), Origin::Baseline);
        }
        let table = after.tables.values().next().expect("a table");
        let types: Vec<String> = table
            .columns
            .iter()
            .map(|c| format!("{} {}", c.name, c.ty.as_ref().expect("a type").name))
            .collect();
        assert_eq!(types, ["id int", "b int", "a bigint"], "{up}");
    }
}

#[test]
fn views_of_mysql_change_names_with_tables() {
    let base = "CREATE TABLE a (id int PRIMARY KEY);\nCREATE VIEW b AS SELECT id FROM a;";
    let up = "RENAME TABLE b TO c, a TO b;\nDROP VIEW c;";
    let down = "CREATE VIEW a AS SELECT id FROM b;\nCREATE VIEW c AS SELECT id FROM a;\nRENAME TABLE a TO d, b TO a, c TO b;\nDROP VIEW d;";
    assert_eq!(lines(Dialect::MariaDb, base, up, down), [""; 0]);
}

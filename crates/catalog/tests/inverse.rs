//! What turns a migration back, as SQL; and that replaying up and down comes back exactly.

use downhaul_catalog::{Catalog, NotInvertedKind, Origin, inverse_script};
use downhaul_syntax::{Dialect, parse_script};

const BASE: &str = "
CREATE TYPE state AS ENUM ('new', 'paid');
CREATE TABLE customers (
    id bigserial PRIMARY KEY,
    email varchar(80) NOT NULL UNIQUE,
    note text DEFAULT 'none'
);
CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES customers ON DELETE CASCADE,
    total numeric(10,2) NOT NULL DEFAULT 0 CHECK (total >= 0),
    state state NOT NULL DEFAULT 'new',
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX orders_customer ON orders (customer_id, created_at DESC) WHERE total > 0;
COMMENT ON TABLE orders IS 'what was sold';
COMMENT ON COLUMN orders.total IS 'in euro';
GRANT SELECT ON orders TO reader;
CREATE VIEW open_orders AS SELECT id, total FROM orders WHERE total > 0;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER orders_touch BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION touch();
";

fn catalog(dialect: Dialect, base: &str) -> Catalog {
    let mut catalog = Catalog::new(dialect);
    let script = parse_script(base, dialect);
    let problems = catalog.apply_script(&script, Origin::Baseline);
    assert!(problems.is_empty(), "{problems:?}");
    catalog
}

/// The statements of the down; they must lead back exactly.
fn down(dialect: Dialect, base: &str, up: &str) -> Vec<String> {
    let before = catalog(dialect, base);
    let script = parse_script(up, dialect);
    let problems = before.clone().apply_script(&script, Origin::Series(1));
    assert!(problems.is_empty(), "{up}: {problems:?}");
    let inverse = inverse_script(&script, &before);
    let schema: Vec<_> =
        inverse.not_inverted.iter().filter(|n| n.kind == NotInvertedKind::Schema).collect();
    assert!(schema.is_empty(), "{up}: {schema:?}");
    assert!(inverse.is_exact(), "{up}\n{}\n{:#?}", inverse.sql(), inverse.remaining);
    let after: Vec<String> = inverse.statements.into_iter().map(|s| s.sql).collect();
    // And the server would take each of them.
    let mut replay = before.clone();
    replay.apply_script(&script, Origin::Series(1));
    let problems =
        replay.apply_script(&parse_script(&(after.join(";\n") + ";"), dialect), Origin::Series(2));
    assert!(problems.is_empty(), "{up}\n{after:#?}\n{problems:?}");
    after
}

fn check(up: &str, expect: &[&str]) {
    assert_eq!(down(Dialect::Postgres, BASE, up), expect, "{up}");
}

#[test]
fn additions_are_dropped() {
    check("ALTER TABLE orders ADD COLUMN note text", &["ALTER TABLE orders DROP COLUMN note"]);
    check(
        "CREATE TABLE items (id serial PRIMARY KEY, order_id bigint REFERENCES orders);
         CREATE INDEX ON items (order_id);
         ALTER TABLE items ADD COLUMN name text;
         COMMENT ON TABLE items IS 'x'",
        &["DROP TABLE items"],
    );
    check("CREATE INDEX CONCURRENTLY i ON orders (total)", &["DROP INDEX CONCURRENTLY i"]);
    check(
        "CREATE VIEW v AS SELECT 1; CREATE VIEW w AS SELECT * FROM v",
        &["DROP VIEW w", "DROP VIEW v"],
    );
    check("CREATE TYPE mood AS ENUM ('a')", &["DROP TYPE mood"]);
    check(
        "ALTER TABLE orders ADD CONSTRAINT big CHECK (total < 100) NOT VALID;
         ALTER TABLE orders VALIDATE CONSTRAINT big",
        &[
            "ALTER TABLE orders DROP CONSTRAINT big",
            "ALTER TABLE orders ADD CONSTRAINT big CHECK (total < 100) NOT VALID",
            "ALTER TABLE orders DROP CONSTRAINT big",
        ],
    );
    check("ALTER TABLE orders ADD COLUMN IF NOT EXISTS total numeric", &[]);
}

#[test]
fn what_was_dropped_comes_back_whole() {
    check(
        "ALTER TABLE customers DROP COLUMN email",
        &[
            "ALTER TABLE customers ADD COLUMN email varchar(80) NOT NULL",
            "ALTER TABLE customers ADD CONSTRAINT customers_email_key UNIQUE (email)",
        ],
    );
    check(
        "ALTER TABLE orders DROP COLUMN total CASCADE",
        &[
            "ALTER TABLE orders ADD COLUMN total numeric(10,2) NOT NULL DEFAULT 0",
            "ALTER TABLE orders ADD CONSTRAINT orders_total_check CHECK (total >= 0)",
            "CREATE INDEX orders_customer ON orders (customer_id, created_at DESC) WHERE total > 0",
            "CREATE VIEW open_orders AS SELECT id, total FROM orders WHERE total > 0",
            "COMMENT ON COLUMN orders.total IS 'in euro'",
        ],
    );
    check(
        "DROP TABLE orders CASCADE",
        &[
            "CREATE TABLE orders (\n    \
             id bigint GENERATED ALWAYS AS IDENTITY,\n    \
             customer_id bigint NOT NULL,\n    \
             total numeric(10,2) NOT NULL DEFAULT 0,\n    \
             state state NOT NULL DEFAULT 'new',\n    \
             created_at timestamptz NOT NULL DEFAULT now(),\n    \
             CONSTRAINT orders_total_check CHECK (total >= 0),\n    \
             CONSTRAINT orders_pkey PRIMARY KEY (id),\n    \
             CONSTRAINT orders_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES customers ON DELETE CASCADE\n)",
            "CREATE INDEX orders_customer ON orders (customer_id, created_at DESC) WHERE total > 0",
            "CREATE VIEW open_orders AS SELECT id, total FROM orders WHERE total > 0",
            "CREATE TRIGGER orders_touch BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION touch()",
            "COMMENT ON COLUMN orders.total IS 'in euro'",
            "COMMENT ON TABLE orders IS 'what was sold'",
            "GRANT SELECT ON orders TO reader",
        ],
    );
    check(
        "ALTER TABLE orders DROP CONSTRAINT orders_customer_id_fkey; DROP TABLE customers",
        &[
            "CREATE TABLE customers (\n    id bigserial,\n    email varchar(80) NOT NULL,\n    \
             note text DEFAULT 'none',\n    CONSTRAINT customers_pkey PRIMARY KEY (id),\n    \
             CONSTRAINT customers_email_key UNIQUE (email)\n)",
            "ALTER TABLE orders ADD CONSTRAINT orders_customer_id_fkey FOREIGN KEY (customer_id) \
             REFERENCES customers ON DELETE CASCADE",
        ],
    );
    check(
        "DROP VIEW open_orders",
        &["CREATE VIEW open_orders AS SELECT id, total FROM orders WHERE total > 0"],
    );
    check(
        "DROP TRIGGER orders_touch ON orders; DROP FUNCTION touch()",
        &[
            "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
            "CREATE TRIGGER orders_touch BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION touch()",
        ],
    );
    check(
        "DROP INDEX CONCURRENTLY orders_customer",
        &[
            "CREATE INDEX CONCURRENTLY orders_customer ON orders (customer_id, created_at DESC) WHERE total > 0",
        ],
    );
}

#[test]
fn what_was_altered_goes_back() {
    check(
        "ALTER TABLE customers RENAME TO clients; ALTER TABLE clients RENAME email TO mail; \
         ALTER TABLE clients RENAME CONSTRAINT customers_email_key TO mail_key",
        &[
            "ALTER TABLE clients RENAME CONSTRAINT mail_key TO customers_email_key",
            "ALTER TABLE clients RENAME COLUMN mail TO email",
            "ALTER TABLE clients RENAME TO customers",
        ],
    );
    check(
        "ALTER TABLE customers ALTER email TYPE text, ALTER note DROP DEFAULT, ALTER email DROP NOT NULL",
        &[
            "ALTER TABLE customers ALTER COLUMN email TYPE varchar(80)",
            "ALTER TABLE customers ALTER COLUMN email SET NOT NULL",
            "ALTER TABLE customers ALTER COLUMN note SET DEFAULT 'none'",
        ],
    );
    check(
        "CREATE OR REPLACE VIEW open_orders AS SELECT id, total FROM orders WHERE total > 1",
        &[
            "DROP VIEW open_orders",
            "CREATE VIEW open_orders AS SELECT id, total FROM orders WHERE total > 0",
        ],
    );
    check(
        "CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN OLD; END $$",
        &[
            "CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
        ],
    );
    check(
        "ALTER TYPE state ADD VALUE 'sent'",
        &[
            "ALTER TYPE state RENAME TO state_before_down",
            "CREATE TYPE state AS ENUM ('new', 'paid')",
            "ALTER TABLE orders ALTER COLUMN state DROP DEFAULT",
            "ALTER TABLE orders ALTER COLUMN state TYPE state USING state::text::state",
            "ALTER TABLE orders ALTER COLUMN state SET DEFAULT 'new'",
            "DROP TYPE state_before_down",
        ],
    );
    check(
        "ALTER TYPE state RENAME VALUE 'new' TO 'fresh'",
        &["ALTER TYPE state RENAME VALUE 'fresh' TO 'new'"],
    );
    check(
        "GRANT INSERT ON orders TO writer; REVOKE SELECT ON orders FROM reader; \
         COMMENT ON COLUMN orders.total IS 'x'; ALTER TABLE orders ENABLE ROW LEVEL SECURITY; \
         CREATE POLICY p ON orders USING (total > 0)",
        &[
            "DROP POLICY p ON orders",
            "ALTER TABLE orders DISABLE ROW LEVEL SECURITY",
            "COMMENT ON COLUMN orders.total IS 'in euro'",
            "GRANT SELECT ON orders TO reader",
            "REVOKE INSERT ON orders FROM writer",
        ],
    );
    check(
        "ALTER TABLE orders SET (fillfactor = 70); ALTER TABLE orders SET UNLOGGED",
        &["ALTER TABLE orders SET LOGGED", "ALTER TABLE orders RESET (fillfactor)"],
    );
}

#[test]
fn what_cannot_come_back_is_said() {
    let before = catalog(Dialect::Postgres, BASE);
    let reasons = |up: &str| {
        let script = parse_script(up, Dialect::Postgres);
        inverse_script(&script, &before)
            .not_inverted
            .into_iter()
            .map(|n| format!("{:?}: {}", n.kind, n.reason))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        reasons("ALTER TABLE orders DROP COLUMN created_at"),
        ["Data: the values of orders.created_at are lost: the down brings the column back empty",]
    );
    assert_eq!(
        reasons("CREATE VIEW s AS SELECT state FROM orders; ALTER TYPE state ADD VALUE 'sent'"),
        ["Schema: PostgreSQL cannot remove a value of an enum: state keeps 'sent' \
             (ALTER TYPE state ADD VALUE 'sent')",]
    );
    assert_eq!(
        reasons("UPDATE orders SET total = 0; ALTER TABLE customers DROP note"),
        [
            "Data: the values overwritten in orders are lost",
            "Data: the values of customers.note are lost: the down brings the column back empty",
        ]
    );
    assert_eq!(reasons("THIS IS NO SQL").len(), 1);
}

#[test]
fn the_other_dialects() {
    // The index of the foreign key went when another one could serve: without it the other cannot go.
    let tied = "CREATE TABLE p (id int PRIMARY KEY); \
                CREATE TABLE c (id int PRIMARY KEY, p int, n int, FOREIGN KEY (p) REFERENCES p (id));";
    assert_eq!(
        down(Dialect::MariaDb, tied, "ALTER TABLE c ADD KEY both (p, n)"),
        ["CREATE INDEX p ON c (p)", "DROP INDEX `both` ON c"]
    );
    let shop = "CREATE TABLE t (a int NOT NULL AUTO_INCREMENT PRIMARY KEY, b varchar(20) NOT NULL DEFAULT 'x' \
                COMMENT 'y', c int, UNIQUE KEY u (b), KEY k (c)) ENGINE=InnoDB;";
    assert_eq!(
        down(Dialect::Mysql, shop, "ALTER TABLE t MODIFY b text, DROP KEY k"),
        [
            "ALTER TABLE t MODIFY COLUMN b varchar(20) NOT NULL DEFAULT 'x' COMMENT 'y'",
            "CREATE INDEX k ON t (c)",
        ]
    );
    assert_eq!(
        down(Dialect::Mysql, shop, "ALTER TABLE t DROP COLUMN b"),
        [
            "ALTER TABLE t ADD COLUMN b varchar(20) NOT NULL DEFAULT 'x' COMMENT 'y' AFTER a",
            "ALTER TABLE t ADD CONSTRAINT u UNIQUE (b)",
        ]
    );
    let lite = "CREATE TABLE t (a INTEGER PRIMARY KEY AUTOINCREMENT, b TEXT DEFAULT 'x'); CREATE INDEX i ON t (b);";
    assert_eq!(
        down(Dialect::Sqlite, lite, "DROP INDEX i; ALTER TABLE t DROP COLUMN b"),
        ["ALTER TABLE t ADD COLUMN b TEXT DEFAULT 'x'", "CREATE INDEX i ON t (b)"]
    );
    assert_eq!(
        down(Dialect::Sqlite, lite, "DROP TABLE t"),
        [
            "CREATE TABLE t (\n    a INTEGER PRIMARY KEY AUTOINCREMENT,\n    b TEXT DEFAULT 'x'\n)",
            "CREATE INDEX i ON t (b)",
        ]
    );
    assert_eq!(
        down(
            Dialect::Sqlite,
            "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT NOT NULL UNIQUE, c int);
             CREATE INDEX i ON t (c); CREATE VIEW v AS SELECT a FROM t;",
            "CREATE TABLE t_new (a INTEGER PRIMARY KEY, c int);
             INSERT INTO t_new SELECT a, c FROM t; DROP VIEW v; DROP TABLE t;
             ALTER TABLE t_new RENAME TO t; CREATE VIEW v AS SELECT a FROM t",
        ),
        [
            "DROP VIEW v",
            "CREATE TABLE t_before_down (\n    a INTEGER PRIMARY KEY,\n    b TEXT NOT NULL,\n    c int,\n    UNIQUE (b)\n)",
            "INSERT INTO t_before_down (a, c) SELECT a, c FROM t",
            "DROP TABLE t",
            "ALTER TABLE t_before_down RENAME TO t",
            "CREATE INDEX i ON t (c)",
            "CREATE VIEW v AS SELECT a FROM t",
        ]
    );
    assert_eq!(
        down(
            Dialect::Sqlite,
            "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT NOT NULL); CREATE VIEW v AS SELECT a FROM t;",
            "ALTER TABLE t DROP COLUMN b",
        ),
        [
            "DROP VIEW v",
            "CREATE TABLE t_before_down (\n    a INTEGER PRIMARY KEY,\n    b TEXT NOT NULL\n)",
            "INSERT INTO t_before_down (a) SELECT a FROM t",
            "DROP TABLE t",
            "ALTER TABLE t_before_down RENAME TO t",
            "CREATE VIEW v AS SELECT a FROM t",
        ]
    );
}

/// In whose name a view of MariaDB reads, and how, comes back with it.
#[test]
fn words_before_a_view_come_back() {
    let base = "CREATE TABLE t (id int, who text);
        CREATE ALGORITHM=TEMPTABLE DEFINER=`App`@localhost SQL SECURITY INVOKER VIEW v AS SELECT id FROM t;
        CREATE OR REPLACE ALGORITHM = UNDEFINED DEFINER = CURRENT_USER SQL SECURITY DEFINER VIEW w AS SELECT id FROM t;";
    let v = "CREATE ALGORITHM = TEMPTABLE DEFINER = `App`@localhost SQL SECURITY INVOKER VIEW v AS SELECT id FROM t";
    for dialect in [Dialect::MariaDb, Dialect::Mysql] {
        let maria = |up: &str| down(dialect, base, up);
        assert_eq!(maria("DROP VIEW v"), [v]);
        assert_eq!(maria("DROP VIEW w"), ["CREATE VIEW w AS SELECT id FROM t"]);
        // A statement says all of it: what it leaves out is as it is without.
        assert_eq!(maria("CREATE OR REPLACE VIEW v AS SELECT id FROM t"), ["DROP VIEW v", v]);
        assert_eq!(maria("ALTER VIEW v AS SELECT id FROM t"), ["DROP VIEW v", v]);
        assert_eq!(
            maria("ALTER SQL SECURITY INVOKER VIEW w AS SELECT id FROM t"),
            ["DROP VIEW w", "CREATE VIEW w AS SELECT id FROM t"]
        );
    }
}

/// Who may see rows through a view, and write, comes back with it.
#[test]
fn options_of_views_come_back() {
    let base = "CREATE TABLE t (id int, who text);
        CREATE VIEW v (a) WITH (security_barrier, security_invoker = on) AS SELECT id FROM t WITH LOCAL CHECK OPTION;
        CREATE VIEW w AS SELECT id FROM t;";
    let postgres = |up: &str| down(Dialect::Postgres, base, up);
    let v = "CREATE VIEW v (a) WITH (check_option=local, security_barrier=true, security_invoker=true) AS SELECT id FROM t";
    assert_eq!(postgres("DROP VIEW v"), [v]);
    assert_eq!(postgres("DROP VIEW v; CREATE VIEW v AS SELECT who FROM t"), ["DROP VIEW v", v]);
    // What it was made with last counts, and what is off is none.
    assert_eq!(
        postgres("CREATE OR REPLACE VIEW v (a) AS SELECT id FROM t"),
        ["ALTER TABLE v SET (check_option=local, security_barrier=true, security_invoker=true)"]
    );
    assert_eq!(
        postgres("ALTER VIEW w SET (security_barrier = true, security_invoker = false)"),
        ["ALTER TABLE w RESET (security_barrier)"]
    );
    assert_eq!(
        postgres(
            "ALTER VIEW v RESET (security_barrier); ALTER VIEW v SET (check_option = cascaded)"
        ),
        ["ALTER TABLE v SET (check_option=local)", "ALTER TABLE v SET (security_barrier=true)"]
    );
    assert!(postgres("ALTER VIEW v SET (security_barrier = 'yes')").is_empty());
    let my = "CREATE TABLE t (id int); CREATE VIEW v AS SELECT id FROM t WHERE id > 1 WITH CHECK OPTION;";
    assert_eq!(
        down(Dialect::Mysql, my, "DROP VIEW v"),
        ["CREATE VIEW v AS SELECT id FROM t WHERE id > 1 WITH CASCADED CHECK OPTION"]
    );
}

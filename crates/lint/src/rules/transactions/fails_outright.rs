//! TX10.

use crate::context::MigrationContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a statement that the server would refuse on the schema that it meets: an unknown
    /// table or column, a name that is taken, a view that depends on the column, a foreign key of
    /// another type or without a unique target, a type change that a view blocks, a default that
    /// does not fit.
    ///
    /// ## Why is this bad
    ///
    /// The migration fails when it is applied. Without transactional DDL (MySQL, MariaDB)
    /// everything before the failing statement stays.
    ///
    /// ## What to do
    ///
    /// Correct the statement. If the object was made outside of the migrations, give Downhaul the
    /// live schema.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES customers, note text, state varchar(20), total numeric(10,4) NOT NULL);
    /// -- up
    /// ALTER TABLE orders ADD COLUMN note text;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES customers, note text, state varchar(20), total numeric(10,4) NOT NULL);
    /// -- up
    /// ALTER TABLE orders ADD COLUMN IF NOT EXISTS note text;
    /// ```
    "TX10" "fails-outright"
    severity: Error,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Migration(check),
}

fn check(cx: &MigrationContext<'_>) -> Vec<Draft> {
    cx.failures
        .iter()
        .map(|(span, problem)| {
            Draft::new(format!("the server refuses this: {problem}"))
                .help(
                    "correct it; if the object was made elsewhere, give the live schema or a dump",
                )
                .at(*span)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::examples::cases;

    #[test]
    fn cases_of_the_rule() {
        cases(
            &super::RULE,
            &[
                (
                    "postgres",
                    r#"-- history
CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES customers, note text, state varchar(20), total numeric(10,4) NOT NULL);
-- up
ALTER TABLE orders DROP COLUMN nothing;"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES customers, note text, state varchar(20), total numeric(10,4) NOT NULL);
-- up
ALTER TABLE nothing ADD COLUMN a int;"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- up
ALTER TABLE nothing ADD COLUMN a int;"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES customers, note text, state varchar(20), total numeric(10,4) NOT NULL);
CREATE VIEW v AS SELECT note FROM orders;
-- up
ALTER TABLE orders ALTER note TYPE varchar(9);"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES customers, note text, state varchar(20), total numeric(10,4) NOT NULL);
-- up
CREATE TABLE t (id int PRIMARY KEY);
ALTER TABLE t ADD COLUMN o text REFERENCES orders (note);"#,
                    true,
                ),
            ],
        );
    }

    #[test]
    fn rows_of_earlier_migrations() {
        const TABLES: &str = "CREATE TABLE p (code text PRIMARY KEY, name text); \
             CREATE TABLE c (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), p text REFERENCES p); \
             INSERT INTO p (code, name) VALUES ('a', 'A'), ('b', NULL);";
        for (between, up, expect) in [
            ("", "INSERT INTO p VALUES ('a', 'again');", true),
            ("", "INSERT INTO p (name, code) VALUES ('C', 'c'), ('B', 'b');", true),
            ("", "INSERT INTO p (code) VALUES ('c');", false),
            ("", "INSERT INTO p (code) VALUES ('a') ON CONFLICT DO NOTHING;", false),
            ("", "DELETE FROM p WHERE code = 'a'; INSERT INTO p (code) VALUES ('a');", false),
            ("DELETE FROM p WHERE name IS NULL;", "INSERT INTO p VALUES ('b');", false),
            ("TRUNCATE p CASCADE;", "INSERT INTO p VALUES ('a');", false),
            (
                "INSERT INTO p VALUES ('d') ON CONFLICT DO NOTHING;",
                "INSERT INTO p VALUES ('d');",
                true,
            ),
            ("DO $$ BEGIN DELETE FROM p; END $$;", "INSERT INTO p VALUES ('a');", false),
            ("", "INSERT INTO c (p) VALUES (gen_random_uuid());", true),
            ("", "INSERT INTO c (id) VALUES (gen_random_uuid());", false),
        ] {
            let text = format!("-- history\n{TABLES}\n{between}\n-- up\n{up}");
            cases(&super::RULE, &[("postgres", &text, expect)]);
        }
    }
}

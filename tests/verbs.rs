//! The verbs beside `up` and `down`: what was run, does everything still agree, adopt a database.

use downhaul::exit_code::Code;
use downhaul_kit::{Outcome, Postgres, Program, Session, SqliteFile};

const PROGRAM: &str = env!("CARGO_BIN_EXE_downhaul");

/// A folder with three migrations on a database.
fn shop(url: &str) -> Program {
    let program = Program::new(PROGRAM).database(url);
    program.migration(
        "0001_customers",
        "CREATE TABLE customers (id int PRIMARY KEY, name text, fax text);\n\
         INSERT INTO customers VALUES (1, 'Ada', '1'), (2, 'Grace', '2');\n",
        "DROP TABLE customers;\n",
    );
    program.migration(
        "0002_orders",
        "CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers (id));\n",
        "DROP TABLE orders;\n",
    );
    program.migration(
        "0003_no_fax",
        "ALTER TABLE customers DROP COLUMN fax;\n",
        "ALTER TABLE customers ADD COLUMN fax text;\n",
    );
    program
}

fn check(outcome: &Outcome, code: Code, wanted: &[&str]) {
    assert_eq!(outcome.code, Some(code as i32), "{outcome}");
    for text in wanted {
        assert!(
            outcome.stdout.contains(text) || outcome.stderr.contains(text),
            "`{text}` is missing in\n{outcome}"
        );
    }
}

/// Runs a story on a fresh database of each engine.
macro_rules! on_both {
    ($name:ident, $story:path) => {
        mod $name {
            #[tokio::test]
            async fn sqlite() {
                let file = super::SqliteFile::new();
                $story(&file.url()).await;
            }

            #[tokio::test]
            async fn postgres() {
                let database = super::Postgres::shared().fresh_database().await;
                $story(database.url()).await;
            }
        }
    };
}

async fn verify_finds_what_changed(url: &str) {
    let program = shop(url);
    Session::connect(url).await.run("SELECT 1").await;
    check(&program.run(&["verify"]), Code::Clean, &["0 applied"]);
    check(&program.run(&["up", "--yes"]), Code::Clean, &["3 migrations applied"]);
    check(
        &program.run(&["verify"]),
        Code::Clean,
        &["3 applied migrations", "as the last run left it", "2 rows kept of 1 table"],
    );

    // White space and comments are no change; another statement is.
    program.write("migrations/0002_orders.down.sql", "-- the way back\nDROP  TABLE orders;\n");
    check(&program.run(&["verify"]), Code::Clean, &[]);
    program.write("migrations/0002_orders.down.sql", "DROP TABLE orders CASCADE;\n");
    check(
        &program.run(&["verify"]),
        Code::Drift,
        &["edited  0002_orders.down.sql", "+DROP TABLE orders CASCADE"],
    );
    check(&program.run(&["repair"]), Code::Findings, &["1 edited file"]);
    check(&program.run(&["repair", "--accept", "0002"]), Code::Clean, &["0002_orders"]);
    check(&program.run(&["verify"]), Code::Clean, &[]);

    let mut session = Session::connect(url).await;
    session.run("CREATE INDEX behind_the_back ON orders (customer)").await;
    check(&program.run(&["verify"]), Code::Drift, &["behind_the_back", "was added"]);
    check(&program.run(&["repair", "--accept-drift"]), Code::Clean, &[]);
    check(&program.run(&["verify"]), Code::Clean, &[]);
    session.run("DROP INDEX behind_the_back").await;
    check(&program.run(&["verify"]), Code::Drift, &["behind_the_back", "was removed"]);
    check(&program.run(&["repair", "--accept-drift"]), Code::Clean, &[]);

    // Kept rows that somebody changed are found before they are needed.
    let store = if url.starts_with("postgres") { "downhaul.kept_1" } else { "downhaul_kept_1" };
    session.run(&format!("UPDATE {store} SET fax = 'forged'")).await;
    check(&program.run(&["verify"]), Code::SnapshotNotSound, &["not sound", store]);
    check(&program.run(&["down", "--yes"]), Code::SnapshotNotSound, &["not sound"]);
    session.run(&format!("UPDATE {store} SET fax = CAST(id AS text)")).await;
    check(&program.run(&["down", "--yes"]), Code::Clean, &["fax in 2 rows"]);
    let faxes = session.rows("SELECT fax FROM customers ORDER BY id").await;
    assert_eq!(faxes, [[Some("1".to_owned())], [Some("2".to_owned())]]);
    check(&program.run(&["verify"]), Code::Clean, &["0 rows kept"]);
}
on_both!(verify, super::verify_finds_what_changed);

async fn a_release_can_be_gone_back_to(url: &str) {
    let program = shop(url);
    check(&program.run(&["up", "--yes", "--steps", "1", "--release", "v1"]), Code::Clean, &[]);
    check(&program.run(&["up", "--yes", "--steps", "1", "--release", "v2"]), Code::Clean, &[]);
    check(&program.run(&["up", "--yes", "--release", "v3"]), Code::Clean, &[]);
    check(
        &program.run(&["up", "--yes", "--release", "v4"]),
        Code::Clean,
        &["nothing is pending; v4 is recorded"],
    );
    check(&program.run(&["down", "--yes", "--to-release", "v9"]), Code::Usage, &["v9"]);
    check(
        &program.run(&["down", "--yes", "--to-release", "v4"]),
        Code::Clean,
        &["nothing is applied that could be taken back"],
    );
    check(
        &program.run(&["down", "--yes", "--to-release", "v1"]),
        Code::Clean,
        &["2 migrations taken back"],
    );
    check(&program.run(&["status"]), Code::Clean, &["1 applied, 2 pending"]);
    check(
        &program.run(&["history"]),
        Code::Clean,
        &["0001 for v1", "0002 for v2", "0003 for v3", "for v4", "0003 … 0002 (2)"],
    );
    let json = program.run(&["history", "--format", "json", "--limit", "1"]);
    check(&json, Code::Clean, &["\"verb\": \"down\"", "\"head\": \"0001\""]);
}
on_both!(release, super::a_release_can_be_gone_back_to);

async fn redo_leaves_everything_as_it_was(url: &str) {
    let program = shop(url);
    Session::connect(url).await.run("SELECT 1").await;
    check(&program.run(&["redo"]), Code::Clean, &["nothing is applied"]);
    check(&program.run(&["up", "--yes"]), Code::Clean, &[]);
    check(&program.run(&["redo"]), Code::Clean, &["↓ 0003_no_fax", "↑ 0003_no_fax"]);
    check(&program.run(&["verify"]), Code::Clean, &["2 rows kept of 1 table"]);
    check(&program.run(&["down", "--yes", "--all"]), Code::Clean, &["3 migrations taken back"]);
    // What the first up made itself and its down destroyed comes back with the next up, once.
    check(&program.run(&["up", "--yes", "--steps", "1"]), Code::Clean, &[]);
    let mut session = Session::connect(url).await;
    assert_eq!(session.value("SELECT count(*) FROM customers").await.as_deref(), Some("2"));
}
on_both!(redo, super::redo_leaves_everything_as_it_was);

async fn a_database_from_before_is_adopted(url: &str) {
    let program = shop(url);
    let mut session = Session::connect(url).await;
    session
        .run(
            "CREATE TABLE customers (id int PRIMARY KEY, name text, fax text); \
             CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers (id)); \
             INSERT INTO customers VALUES (1, 'Ada', '1')",
        )
        .await;
    check(&program.run(&["baseline", "0007"]), Code::Usage, &["there is no migration 0007"]);
    check(&program.run(&["baseline", "0002"]), Code::Clean, &["2 migrations recorded"]);
    check(&program.run(&["baseline", "0002"]), Code::Findings, &["knows migrations already"]);
    check(&program.run(&["verify"]), Code::Clean, &["2 applied"]);
    check(&program.run(&["up", "--yes"]), Code::Clean, &["↑ 0003_no_fax"]);
    check(&program.run(&["down", "--yes"]), Code::Clean, &["fax in 1 row"]);
}
on_both!(baseline, super::a_database_from_before_is_adopted);

async fn the_schema_is_shown_as_statements_that_make_it_again(url: &str, again: &str) {
    let program = shop(url);
    check(&program.run(&["up", "--yes"]), Code::Clean, &[]);
    let dump = program.run(&["schema", "dump"]);
    check(&dump, Code::Clean, &["CREATE TABLE"]);
    assert!(!dump.stdout.contains("downhaul"), "{dump}");
    Session::connect(again).await.run(&dump.stdout).await;
    let second = program.run(&["schema", "dump", "--database-url", again]);
    assert_eq!(second.stdout, dump.stdout);
}

#[tokio::test]
async fn schema_dump_on_sqlite() {
    let (one, two) = (SqliteFile::new(), SqliteFile::new());
    the_schema_is_shown_as_statements_that_make_it_again(&one.url(), &two.url()).await;
}

#[tokio::test]
async fn schema_dump_on_postgres() {
    let server = Postgres::shared();
    let (one, two) = (server.fresh_database().await, server.fresh_database().await);
    the_schema_is_shown_as_statements_that_make_it_again(one.url(), two.url()).await;
}

async fn a_plan_is_what_is_applied_or_it_is_refused(url: &str) {
    let program = shop(url);
    check(&program.run(&["up", "--yes", "--steps", "2"]), Code::Clean, &[]);
    check(
        &program.run(&["plan", "--out", "plan.json"]),
        Code::Clean,
        &["0003_no_fax in one transaction", "loses  customers.fax", "keeps customers", "up --plan"],
    );
    let mut session = Session::connect(url).await;
    session.run("CREATE INDEX behind_the_back ON orders (customer)").await;
    let refused = program.run(&["up", "--yes", "--plan", "plan.json"]);
    check(&refused, Code::Drift, &["the schema of the database has changed"]);
    session.run("DROP INDEX behind_the_back").await;
    let file = "migrations/0003_no_fax.down.sql";
    program.write(file, "ALTER TABLE customers ADD COLUMN fax varchar;\n");
    let refused = program.run(&["up", "--yes", "--plan", "plan.json"]);
    check(&refused, Code::Drift, &["the migration files have changed"]);
    program.write(file, "ALTER TABLE customers ADD COLUMN fax text;\n");
    check(&program.run(&["up", "--yes", "--plan", "plan.json"]), Code::Clean, &["↑ 0003_no_fax"]);
    let refused = program.run(&["up", "--yes", "--plan", "plan.json"]);
    check(&refused, Code::Drift, &["other migrations are applied now"]);
    program.write("plan.json", "{}");
    check(&program.run(&["up", "--yes", "--plan", "plan.json"]), Code::Usage, &["is no plan"]);
    let json = program.run(&["plan", "--format", "json"]);
    check(&json, Code::Clean, &["\"migrations\": []", "\"rests_on\""]);
}
on_both!(plan, super::a_plan_is_what_is_applied_or_it_is_refused);

async fn lint_judges_against_the_live_schema(url: &str) {
    let program = shop(url);
    check(&program.run(&["up", "--yes", "--steps", "2"]), Code::Clean, &[]);
    program.migration(
        "0004_more",
        "ALTER TABLE customers ADD COLUMN made_by_hand text;\n",
        "ALTER TABLE customers DROP COLUMN made_by_hand;\n",
    );
    let lint = ["lint", "--database-url", url];
    let outcome = program.run(&lint);
    check(&outcome, Code::Findings, &["BC01"]);
    assert!(!outcome.stdout.contains("TX10"), "{outcome}");
    // No file says so, the database does.
    Session::connect(url).await.run("ALTER TABLE customers ADD COLUMN made_by_hand text").await;
    check(&program.run(&lint), Code::Findings, &["TX10", "made_by_hand"]);
}
on_both!(live_lint, super::lint_judges_against_the_live_schema);

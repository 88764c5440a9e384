//! The verbs beside `up` and `down`: what was run, does everything still agree, adopt a database.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use downhaul::exit_code::Code;
use downhaul_kit::{Outcome, Postgres, Program, Session, SqliteFile, check, on_engines};

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
    let (store, id, fax) = if url.starts_with("postgres") {
        ("downhaul.kept_1", "id", "fax")
    } else {
        ("downhaul_kept_rows", "c1", "c2")
    };
    session.run(&format!("UPDATE {store} SET {fax} = 'forged'")).await;
    check(&program.run(&["verify"]), Code::SnapshotNotSound, &["not sound", store]);
    check(&program.run(&["down", "--yes"]), Code::SnapshotNotSound, &["not sound"]);
    session.run(&format!("UPDATE {store} SET {fax} = CAST({id} AS text)")).await;
    check(&program.run(&["down", "--yes"]), Code::Clean, &["fax in 2 rows"]);
    let faxes = session.rows("SELECT fax FROM customers ORDER BY id").await;
    assert_eq!(faxes, [[Some("1".to_owned())], [Some("2".to_owned())]]);
    check(&program.run(&["verify"]), Code::Clean, &["0 rows kept"]);
    check(&program.run(&["repair"]), Code::Clean, &["there is nothing to repair"]);
    let stranger = program.run(&["repair", "--accept", "0003"]);
    check(&stranger, Code::Usage, &["0003 is not applied here"]);
}
on_engines!(verify, super::verify_finds_what_changed, sqlite, postgres);

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
on_engines!(release, super::a_release_can_be_gone_back_to, sqlite, postgres);

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
on_engines!(redo, super::redo_leaves_everything_as_it_was, sqlite, postgres);

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
on_engines!(baseline, super::a_database_from_before_is_adopted, sqlite, postgres);

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
on_engines!(plan, super::a_plan_is_what_is_applied_or_it_is_refused, sqlite, postgres);

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
on_engines!(live_lint, super::lint_judges_against_the_live_schema, sqlite, postgres);

async fn a_moment_can_be_gone_back_to(url: &str) {
    let program = shop(url);
    check(&program.run(&["up", "--yes", "--steps", "1"]), Code::Clean, &[]);
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    let mut session = Session::connect(url).await;
    // What `history` shows can be pasted.
    let table =
        if url.starts_with("postgres") { "downhaul.migration" } else { "downhaul_migration" };
    let first = session.value(&format!("SELECT max(applied_at) FROM {table}")).await.unwrap();
    check(&program.run(&["up", "--yes"]), Code::Clean, &[]);
    check(&program.run(&["down", "--to-time", "tomorrow"]), Code::Usage, &["2026-01-02T03:04:05Z"]);
    check(
        &program.run(&["down", "--yes", "--to-time", "9999-01-01"]),
        Code::Clean,
        &["nothing was applied after 9999-01-01T00:00:00.000Z"],
    );
    check(
        &program.run(&["down", "--preview", "--to-time", &first]),
        Code::Clean,
        &["0003_no_fax  applied 2", "0002_orders  applied 2"],
    );
    check(
        &program.run(&["down", "--yes", "--to-time", &first]),
        Code::Clean,
        &["2 migrations taken back"],
    );
    check(&program.run(&["status"]), Code::Clean, &["1 applied, 2 pending"]);
    // One that was applied late stands below others that stay.
    check(&program.run(&["up", "--yes"]), Code::Clean, &[]);
    session
        .run(&format!(
            "UPDATE {table} SET applied_at = '2001-01-01T00:00:00.000Z' WHERE version = '0003'"
        ))
        .await;
    check(
        &program.run(&["down", "--yes", "--to-time", &first]),
        Code::Findings,
        &["0003_no_fax comes after it and would stay"],
    );
}
on_engines!(to_time, super::a_moment_can_be_gone_back_to, sqlite, postgres);

async fn phases_are_applied_one_after_the_other(url: &str) {
    let program = shop(url);
    Session::connect(url).await.run("SELECT 1").await;
    program.migration(
        "0004_more",
        "-- downhaul:phase expand\nALTER TABLE customers ADD COLUMN email text;\n",
        "ALTER TABLE customers DROP COLUMN email;\n",
    );
    // 0003 drops a column, which nobody had to say.
    check(
        &program.run(&["up", "--yes", "--phase", "expand"]),
        Code::Clean,
        &["2 migrations applied", "0003_no_fax waits for its phase (contract)"],
    );
    check(
        &program.run(&["up", "--yes", "--phase", "backfill"]),
        Code::Clean,
        &["nothing to do in this phase; 0003_no_fax waits"],
    );
    check(
        &program.run(&["up", "--yes", "--phase", "contract"]),
        Code::Clean,
        &["2 migrations applied"],
    );
    let table =
        if url.starts_with("postgres") { "downhaul.migration" } else { "downhaul_migration" };
    let mut session = Session::connect(url).await;
    let phases = session.rows(&format!("SELECT version, phase FROM {table} ORDER BY 1")).await;
    let phases: Vec<_> = phases.iter().map(|row| row[1].as_deref()).collect();
    assert_eq!(phases, [Some("expand"), Some("expand"), Some("contract"), Some("expand")]);
}
on_engines!(phase, super::phases_are_applied_one_after_the_other, sqlite, postgres);

/// What a program reads: every line is an object with a version, a time and an event.
async fn events_are_told_to_programs(url: &str) {
    let program = shop(url);
    Session::connect(url).await.run("SELECT 1").await;
    let events = |outcome: &Outcome| -> Vec<serde_json::Value> {
        outcome
            .stderr
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in {line}")))
            .collect()
    };
    let names = |events: &[serde_json::Value]| -> Vec<String> {
        events.iter().map(|e| e["event"].as_str().unwrap_or("?").to_owned()).collect()
    };
    let outcome = program.run(&["up", "--yes", "--log", "json"]);
    check(&outcome, Code::Clean, &["3 migrations applied"]);
    let told = events(&outcome);
    assert!(told.iter().all(|e| e["version"] == 1 && e["at"].as_str().is_some()));
    let expect = [
        "planned",
        "started",
        "statement",
        "statement",
        "done",
        "started",
        "statement",
        "done",
        "started",
        "keeping",
        "statement",
        "kept",
        "done",
    ];
    assert_eq!(names(&told), expect);
    assert_eq!(told[0]["migrations"], 3);
    assert_eq!(told[1]["migration"], "0001_customers");
    let kept = told.iter().find(|e| e["event"] == "kept").unwrap();
    assert!(kept["table"].as_str().unwrap().ends_with("customers") && kept["rows"] == 2);
    let outcome = program.run(&["down", "--yes", "--log", "json"]);
    let told = events(&outcome);
    assert!(names(&told).contains(&"restored".to_owned()), "{outcome}");
    let outcome = program.run(&["down", "--yes", "--to", "0099", "--log", "json"]);
    let told = events(&outcome);
    assert_eq!(names(&told), ["error"]);
    assert_eq!(told[0]["exit_code"], Code::Usage as i32);
    // The documentation knows every event and field.
    let page = include_str!("../docs/json-format.md");
    let page = page.split("## Events").nth(1).expect("docs/json-format.md documents events");
    for event in events(&program.run(&["up", "--yes", "--log", "json"])) {
        for key in event.as_object().unwrap().keys() {
            assert!(page.contains(&format!("`{key}`")), "`{key}` is not documented");
        }
    }
}
on_engines!(log, super::events_are_told_to_programs, sqlite, postgres);

/// Who ran it is known without `USER` too, and so is the commit of the files.
#[tokio::test]
async fn the_journal_says_who_ran_what() {
    let file = SqliteFile::new();
    let program = shop(&file.url()).env("USER", "").env("LOGNAME", "");
    let git = |args: &[&str]| {
        let output = std::process::Command::new("git")
            .arg("-C")
            .arg(program.dir())
            .args(["-c", "user.name=t", "-c", "user.email=t@example.com"])
            .args(args)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["commit", "-qm", "files"]);
    let commit = git(&["rev-parse", "HEAD"]);
    check(&program.run(&["up", "--yes", "--release", "v1"]), Code::Clean, &[]);
    let id = std::process::Command::new("id").arg("-un").output().unwrap();
    let me = format!("by {}@", String::from_utf8(id.stdout).unwrap().trim());
    check(&program.run(&["history"]), Code::Clean, &[&me, &format!("for v1 at {}", &commit[..12])]);
    let json = program.run(&["history", "--format", "json"]);
    check(&json, Code::Clean, &[&format!("\"commit\": \"{commit}\"")]);
}

/// A journal of the first format is read as it is, and brought to the present one by the next run.
async fn an_older_journal_is_understood(url: &str) {
    let program = shop(url);
    Session::connect(url).await.run("SELECT 1").await;
    check(&program.run(&["up", "--yes", "--steps", "2"]), Code::Clean, &[]);
    let own = |name: &str| {
        if url.starts_with("postgres") {
            format!("downhaul.{name}")
        } else {
            format!("downhaul_{name}")
        }
    };
    let mut session = Session::connect(url).await;
    session
        .run(&format!(
            "ALTER TABLE {m} DROP COLUMN phase; ALTER TABLE {m} DROP COLUMN squashed; \
             ALTER TABLE {o} DROP COLUMN git_commit; DROP TABLE {n}; DROP TABLE IF EXISTS {k}; DROP TABLE IF EXISTS {p}; UPDATE {f} SET version = 1",
            m = own("migration"),
            o = own("operation"),
            n = own("note"),
            k = own("kept_rows"),
            p = own("packed"),
            f = own("format")
        ))
        .await;
    check(&program.run(&["status"]), Code::Clean, &["2 applied, 1 pending"]);
    check(&program.run(&["history"]), Code::Clean, &["0001 … 0002"]);
    check(&program.run(&["up", "--yes"]), Code::Clean, &["1 migration applied"]);
    let format = session.value(&format!("SELECT max(version) FROM {}", own("format"))).await;
    assert_eq!(format.as_deref(), Some("4"));
    check(&program.run(&["down", "--yes", "--all"]), Code::Clean, &["3 migrations taken back"]);
}
on_engines!(older_journal, super::an_older_journal_is_understood, sqlite, postgres);

#[tokio::test]
async fn an_older_journal_is_understood_on_mariadb() {
    let database = downhaul_kit::MariaDb::shared().fresh_database().await;
    an_older_journal_is_understood(database.url()).await;
}

/// A plan says how long it may take, and is a page that needs nothing else.
async fn a_plan_is_a_page(url: &str) {
    let program = shop(url);
    check(&program.run(&["up", "--yes", "--steps", "2"]), Code::Clean, &[]);
    let mut session = Session::connect(url).await;
    let rows = if url.starts_with("postgres") {
        "INSERT INTO customers SELECT i, 'n', 'f' FROM generate_series(10, 30000) i; ANALYZE customers"
    } else {
        "WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 30000) INSERT INTO customers SELECT i, 'n', 'f' FROM n"
    };
    session.run(rows).await;
    program.migration(
        "0004_all",
        "UPDATE customers SET name = '<b>' WHERE name <> 'x & y';\n",
        "SELECT 1;\n",
    );
    let outcome = program.run(&["plan"]);
    check(
        &outcome,
        Code::Clean,
        &["(at most about 29,99", "in all (estimate; waiting for locks not included)"],
    );
    let outcome = program.run(&["plan", "--format", "html", "--out", "plan.html"]);
    check(&outcome, Code::Clean, &["written to plan.html"]);
    let page = std::fs::read_to_string(program.dir().join("plan.html")).unwrap();
    for text in [
        "<!DOCTYPE html>",
        "0003_no_fax",
        "&lt;b&gt;",
        "x &amp; y",
        "up to 29,99",
        "drops column fax",
        "ALTER TABLE customers ADD COLUMN fax text",
    ] {
        assert!(page.contains(text), "`{text}` is missing in\n{page}");
    }
    assert!(!page.contains("<b>'") && !page.contains("http://") && !page.contains("https:"));
    let json = program.run(&["plan", "--format", "json"]);
    let plan: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let first = &plan["migrations"][0];
    assert!(first["estimate"]["high_ms"].as_u64() > first["estimate"]["low_ms"].as_u64());
    assert!(first["kept"][0]["rows"].as_u64() >= Some(29_000), "{first}");
    assert_eq!(first["undone_by"][0], "ALTER TABLE customers ADD COLUMN fax text");
}
on_engines!(plan_page, super::a_plan_is_a_page, sqlite, postgres);

//! The promise: one command leads back to what a release ran on, schema and data; it says before
//! whether the release can live with that, and behind what could not be kept and where it lies.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use downhaul::exit_code::Code;
use downhaul_kit::{MariaDb, Outcome, Photograph, Postgres, Program, Session, SqliteFile, check};

const PROGRAM: &str = env!("CARGO_BIN_EXE_downhaul");

/// What two releases brought: downs that forget what their ups destroyed.
fn shop(program: &Program) {
    for (label, up, down) in [
        (
            "0001_customers",
            "CREATE TABLE customers (id integer PRIMARY KEY, name varchar(40) NOT NULL, fax varchar(40), note varchar(40));\n\
             CREATE TABLE visits (id integer PRIMARY KEY, customer int NOT NULL, CONSTRAINT who FOREIGN KEY (customer) REFERENCES customers (id));\n\
             CREATE INDEX customers_name ON customers (name);\n",
            "DROP TABLE visits;\nDROP TABLE customers;\n",
        ),
        (
            "0002_no_fax",
            "ALTER TABLE customers DROP COLUMN fax;\nUPDATE customers SET note = upper(note);\n",
            "ALTER TABLE customers ADD COLUMN fax varchar(40);\n",
        ),
        (
            "0003_email",
            "ALTER TABLE customers ADD COLUMN email varchar(60);\nUPDATE customers SET email = 'unknown';\n",
            "ALTER TABLE customers DROP COLUMN email;\n",
        ),
        (
            "0004_no_visits",
            "DROP TABLE visits;\n",
            "CREATE TABLE visits (id integer PRIMARY KEY, customer int NOT NULL, CONSTRAINT who FOREIGN KEY (customer) REFERENCES customers (id));\n",
        ),
    ] {
        program.migration(label, up, down);
    }
}

async fn story(url: &str) {
    let program = Program::new(PROGRAM).database(url);
    shop(&program);
    Session::connect(url).await.run("SELECT 1").await;
    check(&program.run(&["revert", "--to-release", "v1"]), Code::Usage, &["no run for release v1"]);
    program.ok(&["up", "--yes", "--to", "0001", "--release", "v1"]);
    let mut session = Session::connect(url).await;
    session
        .run(
            "INSERT INTO customers (id, name, fax, note) VALUES (1, 'Ada', '+1', 'likes tea'), (2, 'Grace', '+2', 'ships'), (3, 'Edsger', '+3', 'short'); \
             INSERT INTO visits (id, customer) VALUES (1, 1), (2, 3)",
        )
        .await;
    let before = Photograph::of(&mut session).await;
    program.ok(&["up", "--yes", "--to", "0003", "--release", "v2"]);
    program.ok(&["up", "--yes", "--release", "v3"]);
    // What v3 writes: a new customer, a changed note, one customer less.
    session
        .run(
            "INSERT INTO customers (id, name, note, email) VALUES (4, 'Barbara', 'CLU', 'b@example.org'); \
             UPDATE customers SET note = 'ships, and COBOL' WHERE id = 2; \
             DELETE FROM customers WHERE id = 3",
        )
        .await;

    let shown = program.run(&["revert", "--to-release", "v1", "--preview"]);
    check(
        &shown,
        Code::Clean,
        &[
            "v1 ran on 0001_customers (run 1",
            "v1 can live with the result",
            "v2, v3 went out since and need what goes: stop them first",
            "0004_no_visits",
            "brings back",
            "column fax",
            // What v3 wrote into a column that v1 does not know.
            "takes away",
            "column email (3 rows): kept in downhaul",
        ],
    );
    check(&program.run(&["revert", "--to-release", "v1"]), Code::Findings, &["add --yes"]);
    check(&program.run(&["status"]), Code::Clean, &["4 applied, 0 pending"]);

    // Someone worked by hand, and that is said.
    session.run("CREATE INDEX by_hand ON customers (email)").await;
    let warned = program.run(&["revert", "--to-release", "v2", "--preview"]);
    check(&warned, Code::Clean, &["by_hand was changed by hand"]);
    assert!(!warned.stdout.contains("can live with"), "{warned}");
    let drop = if url.starts_with("mysql") {
        "DROP INDEX by_hand ON customers"
    } else {
        "DROP INDEX by_hand"
    };
    session.run(drop).await;

    let done = program.run(&["revert", "--to-release", "v1", "--yes"]);
    check(
        &done,
        Code::Clean,
        &[
            "v1 can live with the result",
            "3 migrations taken back",
            "v1 finds what it ran on: 0001_customers is the newest",
            "every row that was written since, and 1 value in place of older ones",
            "customers: column email (3 rows), which v1 does not know: kept, and `downhaul up` brings it back",
            "deleted since; the old values lie in downhaul",
        ],
    );
    let after = Photograph::of(&mut session).await;
    let schema = |photograph: &Photograph| {
        let mut schema = photograph.clone();
        schema.0.retain(|name, _| !name.starts_with("rows of"));
        schema
    };
    let differences = schema(&before).differences(&schema(&after));
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    let text = |row: Vec<Option<String>>| {
        row.into_iter().map(|v| v.unwrap_or_else(|| "-".into())).collect::<Vec<_>>().join(" ")
    };
    let rows: Vec<String> = session
        .rows("SELECT name, fax, note FROM customers ORDER BY id")
        .await
        .into_iter()
        .map(text)
        .collect();
    assert_eq!(rows, ["Ada +1 likes tea", "Grace +2 ships, and COBOL", "Barbara - CLU"]);
    // A visit of a customer who is gone has no place, and lies where the report says.
    let visits = session.rows("SELECT id FROM visits").await;
    assert_eq!(visits, [[Some("1".to_owned())]]);
    let stores: Vec<&str> = done
        .stdout
        .lines()
        .filter_map(|line| line.split("the old values lie in ").nth(1))
        .map(str::trim)
        .collect();
    assert!(stores.len() >= 2, "{done}");
    for store in &stores {
        let kept = session.value(&format!("SELECT count(*) FROM {store}")).await;
        assert_ne!(kept.as_deref(), Some("0"), "{store}");
    }
    check(&program.run(&["verify"]), Code::Clean, &["as the last run left it"]);
    check(
        &program.run(&["revert", "--to-release", "v1"]),
        Code::Clean,
        &["ran on what is applied now"],
    );
    check(
        &program.run(&["revert", "--to-release", "v3"]),
        Code::Findings,
        &["v3 ran on 0004, which is not applied here: the newest is 0001", "up --to 0004"],
    );

    // A migration that came in late, below what v1 ran on, was never seen by it.
    program.migration("0000_late", "CREATE TABLE late (a int);\n", "DROP TABLE late;\n");
    program.ok(&["up", "--yes", "--allow-out-of-order", "--release", "v4"]);
    let late = program.run(&["down", "--to-release", "v1", "--yes"]);
    check(&late, Code::Clean, &["0000_late was applied after v1 went out, and stays"]);
}

#[tokio::test]
async fn on_postgres() {
    let database = Postgres::shared().fresh_database().await;
    story(database.url()).await;
}

#[tokio::test]
async fn on_mariadb() {
    let database = MariaDb::shared().fresh_database().await;
    story(database.url()).await;
}

#[tokio::test]
async fn on_sqlite() {
    let file = SqliteFile::new();
    story(&file.url()).await;
}

/// What is said before and behind, for programs; and what becomes of the release's own statements.
#[tokio::test]
async fn for_programs() {
    let file = SqliteFile::new();
    let program = Program::new(PROGRAM).database(file.url());
    shop(&program);
    program.ok(&["up", "--yes", "--to", "0001", "--release", "v1"]);
    Session::connect(&file.url())
        .await
        .run("INSERT INTO customers (id, name, fax, note) VALUES (1, 'Ada', '+1', 'likes tea')")
        .await;
    program.ok(&["up", "--yes", "--release", "v2"]);
    program.write(
        "queries/v1.sql",
        "SELECT name, fax FROM customers;\nSELECT customer FROM visits;\n",
    );
    let json = |outcome: &Outcome| -> serde_json::Value {
        assert_eq!(outcome.code, Some(0), "{outcome}");
        serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}\n{outcome}"))
    };
    let shown = program.run(&["revert", "--to-release", "v1", "--preview", "--queries", "queries"]);
    check(&shown, Code::Clean, &["2 statements of v1 find what they name"]);
    let ask = ["revert", "--to-release", "v1", "--queries", "queries", "--format", "json"];
    check(&program.run(&ask), Code::Usage, &["add --yes or --preview"]);
    let preview = json(&program.run(&[&ask[..], &["--preview"]].concat()));
    assert_eq!(preview["release"]["can_live_with_it"], true);
    assert_eq!(preview["release"]["ran_on"], "0001_customers");
    assert_eq!(preview["release"]["stop_first"], serde_json::json!(["v2"]));
    assert_eq!(preview["release"]["queries"]["statements"], 2);
    assert_eq!(preview["migrations"][2]["brings_back"][0]["table"], "customers");
    assert_eq!(preview["done"], false);
    let goes = &preview["migrations"][1]["takes_away"][0];
    let wanted = serde_json::json!({
        "table": "customers", "what": "column email", "rows": 1, "counted": true, "fate": "copied"
    });
    assert_eq!(*goes, wanted, "{preview:#}");
    // And what goes with all that there is: what is only brought back on the way is counted too.
    let all = program.run(&["down", "--all", "--preview"]);
    check(
        &all,
        Code::Clean,
        &[
            "takes away customers: the whole table (1 row): kept in downhaul_kept_",
            "takes away visits: the whole table",
        ],
    );

    // A table that v1 reads is renamed by hand: it will not find it.
    Session::connect(&file.url())
        .await
        .run("ALTER TABLE customers RENAME COLUMN name TO called")
        .await;
    let warned =
        program.run(&["revert", "--to-release", "v1", "--preview", "--queries", "queries"]);
    check(&warned, Code::Clean, &["queries/v1.sql:1", "name", "by a change by hand"]);
    let preview = json(&program.run(&[&ask[..], &["--preview"]].concat()));
    assert_eq!(preview["release"]["can_live_with_it"], false);
    assert_eq!(preview["release"]["queries"]["broken"][0]["by"], "a change by hand");
    Session::connect(&file.url())
        .await
        .run("ALTER TABLE customers RENAME COLUMN called TO name")
        .await;

    let done = json(&program.run(&[&ask[..], &["--yes"]].concat()));
    assert_eq!(done["done"], true);
    let restored = done["restored"].as_array().unwrap();
    assert!(restored.iter().any(|r| r["table"] == "customers" && r["updated"] == 1), "{done:#}");
    let nothing = json(&program.run(&[&ask[..], &["--yes"]].concat()));
    assert_eq!(nothing["migrations"], serde_json::json!([]));
}

/// Killed in the middle and run again: what is told at the end is all of the way back, as though nothing had
/// happened. A hook does the killing, between two migrations.
async fn killed_in_the_middle(url: &str) {
    let program = Program::new(PROGRAM).database(url);
    shop(&program);
    Session::connect(url).await.run("SELECT 1").await;
    program.ok(&["up", "--yes", "--to", "0001", "--release", "v1"]);
    let mut session = Session::connect(url).await;
    session
        .run(
            "INSERT INTO customers (id, name, fax, note) VALUES (1, 'Ada', '+1', 'likes tea'), (2, 'Grace', '+2', 'ships'), (3, 'Edsger', '+3', 'short'); \
             INSERT INTO visits (id, customer) VALUES (1, 1), (2, 3)",
        )
        .await;
    program.ok(&["up", "--yes", "--release", "v3"]);
    session
        .run(
            "INSERT INTO customers (id, name, note, email) VALUES (4, 'Barbara', 'CLU', 'b@example.org'); \
             DELETE FROM customers WHERE id = 3",
        )
        .await;
    // Which migration the hook kills at: before that of the email, when the visits are back.
    program.write(
        "downhaul.toml",
        "[hooks]\nbefore-migration = [\"if test -e kill_at && grep -q \\\"$(cat kill_at)\\\"; then rm kill_at; kill -9 $PPID; fi\"]\n",
    );
    program.write("kill_at", r#""migration":"0003_email""#);
    let killed = program.run(&["revert", "--to-release", "v1", "--yes"]);
    assert_eq!(killed.code, None, "{killed}");
    check(&program.run(&["status"]), Code::Clean, &["3 applied, 1 pending"]);

    program.write("kill_at", r#""migration":"0002_no_fax""#);
    let killed = program.run(&["revert", "--to-release", "v1", "--yes"]);
    assert_eq!(killed.code, None, "{killed}");
    check(&program.run(&["status"]), Code::Clean, &["2 applied, 2 pending"]);

    let done = program.run(&["revert", "--to-release", "v1", "--yes", "--format", "json"]);
    check(&done, Code::Clean, &[]);
    let told: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(told["taken_back_before"], serde_json::json!(["0004", "0003"]), "{told:#}");
    let restored = told["restored"].as_array().unwrap();
    let of = |table: &str| restored.iter().find(|r| r["table"].as_str().unwrap().ends_with(table));
    // From the first run: a visit came back, the other has no customer any more.
    let visits = of("visits").unwrap_or_else(|| panic!("{told:#}"));
    assert_eq!(visits["parentless"], 1, "{told:#}");
    assert!(visits["remains_in"].is_string(), "{told:#}");
    // From the last one.
    assert_eq!(of("customers").unwrap()["updated"], 2, "{told:#}");
    // From the second.
    let kept = told["kept"].as_array().unwrap();
    assert!(
        kept.iter().any(|k| k["what"].as_str().unwrap().contains("column email") && k["rows"] == 3),
        "{told:#}"
    );
    assert_eq!(kept.len(), 1, "{told:#}");
    check(&program.run(&["history"]), Code::Clean, &["interrupted"]);
    assert!(!program.run(&["history"]).stdout.contains("restored"), "notes of our own");
    // What is told is told once.
    let again = program.run(&["revert", "--to-release", "v1", "--yes"]);
    check(&again, Code::Clean, &["ran on what is applied now"]);
    assert!(!again.stdout.contains("aside"), "{again}");
}

#[tokio::test]
async fn killed_in_the_middle_on_postgres() {
    let database = Postgres::shared().fresh_database().await;
    killed_in_the_middle(database.url()).await;
}

#[tokio::test]
async fn killed_in_the_middle_on_mariadb() {
    let database = MariaDb::shared().fresh_database().await;
    killed_in_the_middle(database.url()).await;
}

#[tokio::test]
async fn killed_in_the_middle_on_sqlite() {
    let file = SqliteFile::new();
    killed_in_the_middle(&file.url()).await;
}

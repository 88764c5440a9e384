//! A restore of one table whose rows refer to rows of another that are gone is refused; its preview says so before,
//! with how many they are and what to type. On every engine.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use downhaul::exit_code::Code;
use downhaul_kit::{MariaDb, Outcome, Postgres, Program, Session, SqliteFile, check};

const PROGRAM: &str = env!("CARGO_BIN_EXE_downhaul");

/// Customers and their orders at the mark `before`; then one customer with two orders goes, and another comes.
async fn shop(url: &str, action: &str) -> (Program, Session) {
    let program = Program::new(PROGRAM).database(url);
    let mut db = Session::connect(url).await;
    for sql in [
        "CREATE TABLE customers (id integer NOT NULL PRIMARY KEY, boss integer REFERENCES customers (id), v varchar(20))",
        &format!(
            "CREATE TABLE orders (id integer NOT NULL PRIMARY KEY, customer integer, v varchar(20), FOREIGN KEY (customer) REFERENCES customers (id) {action})"
        ),
        "CREATE TABLE notes (customer integer, v varchar(20), FOREIGN KEY (customer) REFERENCES customers (id))",
        "INSERT INTO customers VALUES (1, NULL, 'a'), (2, NULL, 'b'), (3, 1, 'c')",
        "INSERT INTO orders VALUES (10, 1, 'x'), (20, 2, 'y'), (21, 2, 'y'), (30, 3, 'z'), (40, NULL, 'z')",
        "INSERT INTO notes VALUES (2, 'n'), (2, 'n'), (1, 'n')",
    ] {
        db.run(sql).await;
    }
    program.ok(&["snapshot", "track", "--all", "--yes"]);
    program.ok(&["snapshot", "mark", "before"]);
    for sql in [
        "DELETE FROM orders WHERE customer = 2 OR customer IS NULL",
        "DELETE FROM notes WHERE customer = 2",
        "DELETE FROM customers WHERE id = 2",
        "UPDATE orders SET v = 'xx' WHERE id = 10",
        "INSERT INTO customers VALUES (9, 3, 'new')",
        "INSERT INTO orders VALUES (90, 9, 'new')",
    ] {
        db.run(sql).await;
    }
    (program, db)
}

/// What the preview says and what happens must be the same.
fn refused(program: &Program, what: &[&str], said: &[&str]) {
    let args = [&["snapshot", "restore", "--to", "before"], what].concat();
    let preview = program.run(&args);
    check(&preview, Code::Clean, said);
    check(&preview, Code::Clean, &["--yes would be refused"]);
    let done: Outcome = program.run(&[&args[..], &["--yes"]].concat());
    assert_ne!(done.code, Some(0), "{preview}\n{done}");
    assert!(done.stderr.contains("nothing was changed"), "{done}");
}

fn goes_through(program: &Program, what: &[&str]) {
    let args = [&["snapshot", "restore", "--to", "before"], what].concat();
    let preview = program.run(&args);
    check(&preview, Code::Clean, &["the same command with --yes does it"]);
    assert!(!preview.stdout.contains("would refer"), "{preview}");
    program.ok(&[&args[..], &["--yes"]].concat());
    program.ok(&["snapshot", "restore", "--undo", "--yes"]);
}

async fn the_preview_says_what_is_missing(url: &str, action: &str, schema: &str) {
    let (program, mut db) = shop(url, action).await;
    let add = |table: &str| format!("add --table {schema}{table}, or leave these rows out");
    let count = |rows: &str, table: &str| {
        format!("{rows} of {schema}{table} would refer to rows of {schema}customers")
    };
    let (customers, orders) = (add("customers"), add("orders"));
    refused(&program, &["--table", "orders"], &[&count("2 rows", "orders"), &customers]);
    // Without a key.
    refused(&program, &["--table", "notes"], &[&count("2 rows", "notes"), &customers]);
    // The other way round: a customer goes whom an order of now names.
    refused(&program, &["--table", "customers"], &[&count("1 row", "orders"), &orders]);
    let both = ["--table", "orders", "--table", "customers"];
    refused(
        &program,
        &[&both[..], &["--where", "id <> 2"]].concat(),
        &[&count("2 rows", "orders"), "not all rows of both tables go back"],
    );
    goes_through(&program, &["--table", "orders", "--where", "customer <> 2"]);
    goes_through(&program, &["--table", "orders", "--columns", "v"]);
    goes_through(&program, &both);
    goes_through(&program, &[]);
    let json = ["snapshot", "restore", "--to", "before", "--table", "orders", "--format", "json"];
    let value: serde_json::Value = serde_json::from_str(&program.ok(&json).stdout).unwrap();
    let one = &value["would_point_to_nothing"][0];
    assert_eq!(one["rows"], 2, "{value}");
    assert!(one["lacks_table"].as_str().unwrap().ends_with("customers"), "{value}");
    // Of what is not tracked nothing comes back.
    program.ok(&["snapshot", "untrack", "customers", "--yes"]);
    refused(&program, &["--table", "orders"], &["customers is not tracked, so it cannot go back"]);
    assert_eq!(db.value("SELECT count(*) FROM orders").await.as_deref(), Some("3"));
}

#[tokio::test]
async fn on_postgres() {
    for action in ["", "ON DELETE CASCADE", "ON DELETE SET NULL"] {
        let database = Postgres::shared().fresh_database().await;
        the_preview_says_what_is_missing(database.url(), action, "public.").await;
    }
}

#[tokio::test]
async fn on_mariadb() {
    for action in ["", "ON DELETE CASCADE"] {
        let database = MariaDb::shared().fresh_database().await;
        the_preview_says_what_is_missing(database.url(), action, "").await;
    }
}

#[tokio::test]
async fn on_sqlite() {
    for action in ["", "ON DELETE CASCADE"] {
        the_preview_says_what_is_missing(&SqliteFile::new().url(), action, "").await;
    }
}

/// A key of letters refers to its parent whatever their case, where the server says so.
#[tokio::test]
async fn letters_are_compared_as_the_server_does() {
    let database = MariaDb::shared().fresh_database().await;
    let program = Program::new(PROGRAM).database(database.url());
    let mut db = Session::connect(database.url()).await;
    db.run("CREATE TABLE parent (code varchar(10) PRIMARY KEY) COLLATE utf8mb4_general_ci").await;
    db.run("CREATE TABLE child (id int PRIMARY KEY, code varchar(10), FOREIGN KEY (code) REFERENCES parent (code)) COLLATE utf8mb4_general_ci").await;
    db.run("INSERT INTO parent VALUES ('Abc')").await;
    db.run("INSERT INTO child VALUES (1, 'aBC')").await;
    program.ok(&["snapshot", "track", "--all", "--yes"]);
    program.ok(&["snapshot", "mark", "before"]);
    db.run("DELETE FROM child").await;
    goes_through(&program, &["--table", "child"]);
}

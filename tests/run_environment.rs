//! Variables, repeatable migrations and hooks: what surrounds the files that `up` and `down` run.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use std::fs;

use downhaul::exit_code::Code;
use downhaul_kit::{Program, Session, check, on_engines};

const PROGRAM: &str = env!("CARGO_BIN_EXE_downhaul");

fn journal(url: &str) -> &'static str {
    if url.starts_with("postgres") { "downhaul." } else { "downhaul_" }
}

/// Everything that the journal and a failed command say.
async fn all_that_is_recorded(session: &mut Session, url: &str) -> String {
    let mut out = String::new();
    for table in ["migration", "operation", "step"] {
        for row in session.rows(&format!("SELECT * FROM {}{table}", journal(url))).await {
            out.extend(row.into_iter().flatten());
        }
    }
    out
}

async fn placeholders_take_values_and_secrets_stay_secret(url: &str) {
    let program = Program::new(PROGRAM).database(url).env("DOWNHAUL_VAR_secret", "s3cret'word");
    program.migration(
        "0001_settings",
        "-- ${nothing} in a comment stays\n\
         CREATE TABLE ${prefix}_settings (name varchar(40), value varchar(40));\n\
         INSERT INTO ${prefix}_settings VALUES ('key', '${secret}'), ('note', '${$}{secret}');\n",
        "DROP TABLE ${prefix}_settings;\n",
    );
    // Nothing is replaced unless it is asked for.
    let before = program.run(&["up", "--yes"]);
    assert_ne!(before.code, Some(0), "{before}");
    program.write("downhaul.toml", "[variables]\n");
    check(
        &program.run(&["up", "--yes"]),
        Code::Usage,
        &["0001_settings.up.sql:2:14", "`${prefix}` has no value", "DOWNHAUL_VAR_prefix"],
    );
    check(
        &program.run(&["up", "--yes", "--var", "prefix=app"]),
        Code::Clean,
        &["1 migration applied"],
    );
    let mut session = Session::connect(url).await;
    let values = session.rows("SELECT value FROM app_settings ORDER BY name").await;
    assert_eq!(values, [vec![Some("s3cret'word".to_owned())], vec![Some("${secret}".to_owned())]]);

    program.migration(
        "0002_wrong",
        "INSERT INTO no_such_table VALUES ('${secret}');\n",
        "SELECT 1;\n",
    );
    let failed = program.run(&["up", "--yes", "--var", "prefix=app"]);
    assert_ne!(failed.code, Some(0), "{failed}");
    assert!(failed.stderr.contains("${secret}"), "{failed}");
    for said in [&failed.stdout, &failed.stderr, &all_that_is_recorded(&mut session, url).await] {
        assert!(!said.contains("s3cret"), "{said}");
    }
    fs::remove_file(program.dir().join("migrations/0002_wrong.up.sql")).unwrap();
    fs::remove_file(program.dir().join("migrations/0002_wrong.down.sql")).unwrap();
    program.write("downhaul.toml", "[variables]\nprefix = 'app'\n");
    check(&program.run(&["down", "--yes"]), Code::Clean, &["1 migration taken back"]);
    assert!(session.try_rows("SELECT * FROM app_settings").await.is_err());
}

on_engines!(
    variables,
    super::placeholders_take_values_and_secrets_stay_secret,
    sqlite,
    postgres,
    mariadb
);

async fn repeatables_run_when_they_change_and_go_back_with_down(url: &str) {
    let program = Program::new(PROGRAM).database(url);
    program.migration(
        "0001_orders",
        "CREATE TABLE orders (id int PRIMARY KEY, total int);\nINSERT INTO orders VALUES (1, 10);\n",
        "DROP TABLE orders;\n",
    );
    let view = |columns: &str| {
        format!(
            "DROP VIEW IF EXISTS order_list;\nCREATE VIEW order_list AS SELECT {columns} FROM orders;\n"
        )
    };
    program.write("migrations/R__order_list.sql", view("id, total"));
    check(&program.run(&["status"]), Code::Clean, &["order_list", "repeatable, pending"]);
    // A plan shows it, and holds only as long as it stays the same.
    check(
        &program.run(&["plan", "--out", "plan.json"]),
        Code::Clean,
        &["1 pending migration and 1 repeatable migration", "CREATE VIEW order_list"],
    );
    let up = ["up", "--yes", "--plan", "plan.json"];
    program.write("migrations/R__order_list.sql", view("id"));
    check(&program.run(&up), Code::Drift, &["the migration files have changed"]);
    program.write("migrations/R__order_list.sql", view("id, total"));
    check(&program.run(&up), Code::Clean, &["1 migration and 1 repeatable migration applied"]);
    let mut session = Session::connect(url).await;
    session.run("SELECT total FROM order_list").await;
    check(&program.run(&["status"]), Code::Clean, &["repeatable, as it ran last"]);
    check(&program.run(&["up", "--yes"]), Code::Clean, &["nothing is pending"]);
    // A comment is no change; a new column is.
    program.write("migrations/R__order_list.sql", format!("-- all orders\n{}", view("id, total")));
    check(&program.run(&["up", "--yes"]), Code::Clean, &["nothing is pending"]);
    program.migration(
        "0002_note",
        "ALTER TABLE orders ADD COLUMN note varchar(20);\n",
        "ALTER TABLE orders DROP COLUMN note;\n",
    );
    program.write("migrations/R__order_list.sql", view("id, total, note"));
    program.write(
        "migrations/repeatable/notes.sql",
        "DROP VIEW IF EXISTS notes;\nCREATE VIEW notes AS SELECT note FROM orders;\n",
    );
    // Not while another migration is left pending.
    program.migration("0003_more", "CREATE TABLE more (id int);\n", "DROP TABLE more;\n");
    let part = program.run(&["up", "--yes", "--to", "0002"]);
    check(&part, Code::Clean, &["1 migration applied"]);
    check(
        &program.run(&["up", "--yes"]),
        Code::Clean,
        &["order_list has changed", "notes is new", "and 2 repeatable migrations"],
    );
    session.run("SELECT note FROM order_list").await;
    session.run("SELECT note FROM notes").await;
    check(&program.run(&["verify"]), Code::Clean, &[]);

    // The older statement comes back before the column goes; the newer view goes.
    let down = program.run(&["down", "--yes", "--to", "0001"]);
    check(
        &down,
        Code::Clean,
        &[
            "2 migrations taken back",
            "order_list: stated again",
            "notes: what it had made is dropped",
        ],
    );
    session.run("SELECT id, total FROM order_list").await;
    assert!(session.try_rows("SELECT note FROM order_list").await.is_err());
    assert!(session.try_rows("SELECT * FROM notes").await.is_err());
    check(&program.run(&["status", "--exit-code"]), Code::Findings, &["changed since it ran"]);
    check(
        &program.run(&["up", "--yes"]),
        Code::Clean,
        &["2 migrations and 2 repeatable migrations"],
    );
    session.run("SELECT note FROM order_list").await;

    // What destroys data needs a restore point, which a repeatable migration does not have.
    program.write("migrations/R__order_list.sql", "DROP TABLE orders;\n");
    check(&program.run(&["up", "--yes"]), Code::Usage, &["R__order_list.sql", "keeps nothing"]);
}

on_engines!(
    repeatables,
    super::repeatables_run_when_they_change_and_go_back_with_down,
    sqlite,
    postgres,
    mariadb
);

fn events(program: &Program) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(program.dir().join("events.jsonl")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn hooks_are_told_and_may_refuse(url: &str) {
    let program = Program::new(PROGRAM).database(url);
    program.migration("0001_a", "CREATE TABLE a (id int);\n", "DROP TABLE a;\n");
    program.migration("0002_b", "CREATE TABLE b (id int);\n", "DROP TABLE b;\n");
    let all = "['cat >> events.jsonl']";
    program.write(
        "downhaul.toml",
        format!(
            "[hooks]\nbefore-run = {all}\nafter-run = {all}\nbefore-migration = {all}\nafter-migration = {all}\n"
        ),
    );
    check(
        &program.run(&["up", "--yes", "--release", "v2"]),
        Code::Clean,
        &["2 migrations applied"],
    );
    let told = events(&program);
    let names: Vec<&str> = told.iter().map(|e| e["event"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "before-run",
            "before-migration",
            "after-migration",
            "before-migration",
            "after-migration",
            "after-run"
        ]
    );
    assert_eq!(told[0]["migrations"], serde_json::json!(["0001_a", "0002_b"]));
    assert_eq!((told[0]["verb"].as_str(), told[0]["release"].as_str()), (Some("up"), Some("v2")));
    assert_eq!(told[1]["migration"], "0001_a");
    assert_eq!(told[1]["direction"], "up");
    assert_eq!(told[5]["outcome"], "done");
    let said: String = told.iter().map(ToString::to_string).collect();
    assert!(!said.contains("password"), "{said}");

    // One that fails before the run stops it with nothing changed; --no-hooks goes on without.
    program.write("downhaul.toml", "[hooks]\nbefore-run = ['echo not now >&2; exit 3']\n");
    let refused = program.run(&["down", "--yes"]);
    check(&refused, Code::Findings, &["not now", "before-run hook stopped", "no migration ran"]);
    let mut session = Session::connect(url).await;
    session.run("SELECT * FROM b").await;
    check(&program.run(&["down", "--yes", "--no-hooks"]), Code::Clean, &["1 migration taken back"]);

    // One that fails before a migration leaves that one and the rest untouched.
    program.migration("0003_c", "CREATE TABLE c (id int);\n", "DROP TABLE c;\n");
    program.write(
        "downhaul.toml",
        r#"hooks.before-migration = ["! grep -q '\"migration\":\"0003_c\"'"]"#,
    );
    check(
        &program.run(&["up", "--yes"]),
        Code::Findings,
        &["0003_c (up) was not begun", "the 1 before it are done"],
    );
    session.run("SELECT * FROM b").await;
    assert!(session.try_rows("SELECT * FROM c").await.is_err());

    // A hook after the fact cannot undo it; one that hangs is ended.
    program.write(
        "downhaul.toml",
        "[hooks]\nafter-migration = ['exit 1']\nafter-run = ['sleep 60']\ntimeout = 1\n",
    );
    check(
        &program.run(&["up", "--yes"]),
        Code::Clean,
        &["after-migration hook failed", "did not end within 1 s", "1 migration applied"],
    );
    session.run("SELECT * FROM c").await;
    check(&program.run(&["status"]), Code::Clean, &["3 applied, 0 pending"]);
}

on_engines!(hooks, super::hooks_are_told_and_may_refuse, sqlite, postgres, mariadb);

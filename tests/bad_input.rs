//! The promise: whatever the program is given, it says what is wrong, what state the database is
//! in and what to do next, changes nothing half way, and ends with the documented exit code.
//!
//! Each test keeps a transcript of what users see in `tests/snapshots/`; `just gen` writes them
//! anew.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use std::fmt::Write as _;
use std::os::unix::fs::symlink;

use downhaul::exit_code::Code;
use downhaul_kit::{Postgres, PostgresOptions, Program, Session, SqliteFile};

const PROGRAM: &str = env!("CARGO_BIN_EXE_downhaul");

const CUSTOMERS: &str = "CREATE TABLE customers (id integer PRIMARY KEY, email text);\n";

/// What users see, one command after another.
#[derive(Default)]
struct Transcript {
    text: String,
    wrong: Vec<String>,
}

impl Transcript {
    fn heading(&mut self, text: &str) {
        let _ = writeln!(self.text, "{}## {text}", if self.text.is_empty() { "" } else { "\n" });
    }

    /// Runs a command, which must end with this code.
    fn run(&mut self, program: &Program, args: &[&str], expect: Code) {
        let outcome = program.run(args);
        let entry = format!("$ downhaul {}\n{outcome}", args.join(" "));
        if outcome.code != Some(expect as i32) || outcome.stderr.contains("panicked") {
            self.wrong.push(format!("expected {expect:?} = {} of\n{entry}", expect as i32));
        }
        self.text.push_str(&entry);
    }

    /// Runs a command, which must end with one of these codes.
    fn run_any(&mut self, program: &Program, args: &[&str], expect: &[Code]) {
        let outcome = program.run(args);
        let entry = format!("$ downhaul {}\n{outcome}", args.join(" "));
        let known = expect.iter().any(|code| outcome.code == Some(*code as i32));
        if !known || outcome.stderr.contains("panicked") {
            self.wrong.push(format!("unexpected end of\n{entry}"));
        }
        self.text.push_str(&without_wording(&entry));
    }

    /// The text, every command having ended as it should.
    fn finish(self) -> String {
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
        self.text
    }
}

/// Findings by code and place only: their wording is the rules' own and has tests there.
fn without_wording(text: &str) -> String {
    let mut kept = String::new();
    for line in text.lines() {
        let code = line.split_once("]: ").map(|(code, _)| code).filter(|code| {
            ["error[", "warning[", "info["].iter().any(|severity| code.starts_with(severity))
        });
        let shown = match code {
            Some(code) => &format!("{code}]"),
            None if line.starts_with(['$', '(', '✗', '✓', '!']) => line,
            None if line.starts_with("error: ") || line.starts_with("next: ") => line,
            None if line.trim_start().starts_with("╭▸") => line,
            None => continue,
        };
        let _ = writeln!(kept, "{shown}");
    }
    kept
}

/// A command and how it must end.
type Step = (&'static [&'static str], Code);

const UP: &[&str] = &["up", "--yes"];
const DOWN: &[&str] = &["down", "--yes"];

/// One bad thing about the migrations: how to make it, and what the commands then do.
struct Case {
    what: &'static str,
    make: fn(&Program),
    steps: &'static [Step],
}

const FILES: &[Case] = &[
    Case {
        what: "no folder of migrations",
        make: |_| {},
        steps: &[(UP, Code::Usage), (&["status"], Code::Usage)],
    },
    Case {
        what: "an empty folder",
        make: |p| {
            p.write("migrations/README.md", "nothing yet");
        },
        steps: &[(UP, Code::Clean), (DOWN, Code::Clean), (&["status"], Code::Clean)],
    },
    Case {
        what: "a directive that is written wrong, on which the phase hangs",
        make: |p| {
            p.migration("0001_customers", CUSTOMERS, "DROP TABLE customers;\n");
            p.migration(
                "0002_slim",
                "-- slimmer\n  -- downhaul:phase contrct\nALTER TABLE customers DROP COLUMN email;\n",
                "ALTER TABLE customers ADD COLUMN email text;\n",
            );
        },
        steps: &[(UP, Code::Usage)],
    },
    Case {
        what: "an unreadable file",
        make: |p| {
            p.migration("0001_customers", CUSTOMERS, "DROP TABLE customers;\n");
            // Root may read every file, but not what is not there.
            symlink("nowhere", p.dir().join("migrations/0002_gone.up.sql")).unwrap();
        },
        steps: &[(UP, Code::Usage), (&["status"], Code::Usage)],
    },
    Case {
        what: "a file that is not UTF-8",
        make: |p| {
            p.write("migrations/0001_caf.up.sql", b"CREATE TABLE t (a int);\n-- caf\xe9\n");
        },
        steps: &[(UP, Code::Usage)],
    },
    Case {
        what: "an empty file",
        make: |p| {
            p.migration("0001_nothing", "", "");
        },
        steps: &[(UP, Code::Clean), (DOWN, Code::Clean)],
    },
    Case {
        what: "a file of comments only",
        make: |p| {
            p.migration("0001_later", "-- to be written\n/* soon */\n", "-- nothing\n");
        },
        steps: &[(UP, Code::Clean), (DOWN, Code::Clean)],
    },
    Case {
        what: "two files of one version",
        make: |p| {
            p.migration("0001_customers", CUSTOMERS, "DROP TABLE customers;\n");
            p.migration(
                "0001_clients",
                "CREATE TABLE clients (id int);\n",
                "DROP TABLE clients;\n",
            );
        },
        steps: &[(UP, Code::Usage)],
    },
    Case {
        what: "one version written in two ways",
        make: |p| {
            p.migration("0001_customers", CUSTOMERS, "DROP TABLE customers;\n");
            p.migration("1_customers", CUSTOMERS, "DROP TABLE customers;\n");
        },
        steps: &[(UP, Code::Usage)],
    },
    Case {
        what: "an up without a down",
        make: |p| {
            p.write("migrations/0001_customers.up.sql", CUSTOMERS);
        },
        steps: &[(UP, Code::Clean), (DOWN, Code::Findings), (&["status"], Code::Clean)],
    },
    Case {
        what: "a down of comments only",
        make: |p| {
            p.migration("0001_customers", CUSTOMERS, "-- TODO\n");
        },
        steps: &[(UP, Code::Clean), (DOWN, Code::Findings)],
    },
    Case {
        what: "a down without an up",
        make: |p| {
            p.write("migrations/0001_customers.down.sql", "DROP TABLE customers;\n");
        },
        steps: &[(UP, Code::Usage)],
    },
    Case {
        what: "a name without a version",
        make: |p| {
            p.write("migrations/customers.up.sql", CUSTOMERS);
        },
        steps: &[(UP, Code::Usage)],
    },
    Case {
        what: "a quote that does not end",
        make: |p| {
            let up = "CREATE TABLE t (a text);\nINSERT INTO t VALUES ('its);\n";
            p.migration("0001_quote", up, "DROP TABLE t;\n");
        },
        steps: &[(UP, Code::Usage), (&["status"], Code::Clean)],
    },
    Case {
        what: "a statement that nobody understands, after one that works",
        make: |p| {
            let up = "CREATE TABLE t (a text);\n\nFROBNICATE TABLE t HARDER;\n";
            p.migration("0001_frobnicate", up, "DROP TABLE t;\n");
        },
        steps: &[(UP, Code::FailedUnchanged), (&["status"], Code::Clean)],
    },
    Case {
        what: "a statement that fails in the second of three migrations",
        make: |p| {
            p.migration("0001_a", "CREATE TABLE a (x int);\n", "DROP TABLE a;\n");
            p.migration(
                "0002_b",
                "CREATE TABLE b (x int);\nCREATE TABLE a (x int);\n",
                "SELECT 1;\n",
            );
            p.migration("0003_c", "CREATE TABLE c (x int);\n", "DROP TABLE c;\n");
        },
        steps: &[(UP, Code::FailedUnchanged), (&["status"], Code::Clean)],
    },
    Case {
        what: "a ROLLBACK",
        make: |p| {
            p.migration("0001_rollback", "CREATE TABLE a (x int);\nROLLBACK;\n", "DROP TABLE a;\n");
        },
        steps: &[(UP, Code::Usage)],
    },
    Case {
        what: "versions that are not there",
        make: |p| {
            p.migration("0001_customers", CUSTOMERS, "DROP TABLE customers;\n");
        },
        steps: &[
            (&["up", "--to", "0009", "--yes"], Code::Usage),
            (&["down", "--to", "0009", "--yes"], Code::Usage),
        ],
    },
    Case {
        what: "a down that nobody confirms",
        make: |p| {
            p.migration("0001_customers", CUSTOMERS, "DROP TABLE customers;\n");
        },
        steps: &[
            (UP, Code::Clean),
            (&["down"], Code::Findings),
            (&["down", "--preview"], Code::Clean),
        ],
    },
    Case {
        what: "a configuration that cannot be read",
        make: |p| {
            p.write("downhaul.toml", "dir = \"migrations\"\ncolour = true\n");
        },
        steps: &[(UP, Code::Usage)],
    },
];

#[test]
fn files_on_sqlite() {
    let mut transcript = Transcript::default();
    for case in FILES {
        let file = SqliteFile::new();
        let program = Program::new(PROGRAM).database("sqlite:shop.db");
        transcript.heading(case.what);
        (case.make)(&program);
        for (args, code) in case.steps {
            transcript.run(&program, args, *code);
        }
        drop(file);
    }
    insta::assert_snapshot!(transcript.finish());
}

#[tokio::test]
async fn files_on_postgres() {
    let mut transcript = Transcript::default();
    for case in FILES.iter().chain(POSTGRES_FILES) {
        let database = Postgres::shared().fresh_database().await;
        let program = Program::new(PROGRAM).database(database.url());
        transcript.heading(case.what);
        (case.make)(&program);
        for (args, code) in case.steps {
            transcript.run(&program, args, *code);
        }
        if case.steps.iter().all(|(args, code)| *args != UP || *code != Code::Clean) {
            // Whatever was refused left nothing of the user's behind, but for the migrations
            // before it.
            let mut session = database.session().await;
            let tables = "SELECT string_agg(relname, ',' ORDER BY relname) FROM pg_class \
                          WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'";
            let left = session.value(tables).await.unwrap_or_default();
            assert!(left.is_empty() || left == "a", "{}: {left}", case.what);
        }
    }
    insta::assert_snapshot!(transcript.finish());
}

/// `lint` needs no database, and judges what can be read although something beside it cannot.
#[test]
fn files_judged() {
    let mut transcript = Transcript::default();
    for case in FILES.iter().chain(POSTGRES_FILES) {
        let program = Program::new(PROGRAM);
        transcript.heading(case.what);
        (case.make)(&program);
        transcript.run_any(
            &program,
            &["lint", "--dialect", "postgres"],
            &[Code::Clean, Code::Findings, Code::Usage],
        );
    }
    transcript.heading("one of everything: the good file is judged all the same");
    let program = Program::new(PROGRAM);
    program.migration("0001_good", CUSTOMERS, "DROP TABLE customers;\n");
    program.migration("0002_bytes", "SELECT 1;\n", "SELECT 1;\n");
    program.write("migrations/0002_bytes.up.sql", b"SELECT '\xff\xfe';\n");
    program.migration("0003_quote", "SELECT 'it;\n", "SELECT 1;\n");
    program.migration(
        "0004_unknown",
        "FROBNICATE customers;\nALTER TABLE customers DROP COLUMN email;\n",
        "SELECT 1;\n",
    );
    program.migration("0005_nul", "SELECT 1;\0DROP TABLE customers;\n", "SELECT 1;\n");
    program.write("migrations/0006_alone.down.sql", "SELECT 1;\n");
    transcript.run_any(&program, &["lint", "--dialect", "postgres"], &[Code::Usage]);
    transcript.heading("no such path, no such dialect, no SQL");
    transcript.run(&program, &["lint", "nowhere.sql"], Code::Usage);
    transcript.run(&program, &["lint", "--dialect", "oracle"], Code::Usage);
    insta::assert_snapshot!(transcript.finish());
}

/// What only PostgreSQL knows, or knows to be wrong (SQLite lets a comment end with the file).
const POSTGRES_FILES: &[Case] = &[
    Case {
        what: "a dollar quote that does not end",
        make: |p| {
            let up =
                "CREATE TABLE t (a text);\nDO $body$ BEGIN PERFORM 1; END $bdy$;\nDROP TABLE t;\n";
            p.migration("0001_dollar", up, "DROP TABLE t;\n");
        },
        steps: &[(UP, Code::Usage)],
    },
    Case {
        what: "a comment that does not end",
        make: |p| {
            let up = "CREATE TABLE t (a text);\n/* for now /* nested */\nDROP TABLE t;\n";
            p.migration("0001_comment", up, "DROP TABLE t;\n");
        },
        steps: &[(UP, Code::Usage)],
    },
    Case {
        what: "a command of psql",
        make: |p| {
            p.migration("0001_psql", "\\set x 1\nCREATE TABLE a (x int);\n", "DROP TABLE a;\n");
        },
        steps: &[(UP, Code::Usage)],
    },
    Case {
        what: "data for COPY",
        make: |p| {
            let up = "CREATE TABLE a (x int);\nCOPY a FROM stdin;\n1\n2\n\\.\nSELECT 1;\n";
            p.migration("0001_copy", up, "DROP TABLE a;\n");
        },
        steps: &[(UP, Code::Usage)],
    },
];

#[test]
fn a_file_that_was_edited_after_it_was_applied() {
    let mut transcript = Transcript::default();
    let program = Program::new(PROGRAM).database("sqlite:shop.db");
    program.migration("0001_customers", CUSTOMERS, "DROP TABLE customers;\n");
    program.migration(
        "0002_phone",
        "ALTER TABLE customers ADD phone text;\n",
        "ALTER TABLE customers DROP phone;\n",
    );
    transcript.run(&program, &["up", "--yes", "--steps", "1"], Code::Clean);

    transcript.heading("its comments changed: no other migration");
    program.write("migrations/0001_customers.up.sql", format!("-- Our customers.\n{CUSTOMERS}"));
    transcript.run(&program, &["up", "--yes", "--steps", "1"], Code::Clean);

    transcript.heading("its up changed");
    program.write(
        "migrations/0001_customers.up.sql",
        CUSTOMERS.replace("email text", "email text NOT NULL"),
    );
    program.migration(
        "0003_city",
        "ALTER TABLE customers ADD city text;\n",
        "ALTER TABLE customers DROP city;\n",
    );
    transcript.run(&program, UP, Code::Drift);
    transcript.run(&program, &["status"], Code::Clean);
    program.write("migrations/0001_customers.up.sql", CUSTOMERS);

    transcript.heading("the down of the newest changed");
    program.write("migrations/0002_phone.down.sql", "ALTER TABLE customers DROP COLUMN email;\n");
    transcript.run(&program, DOWN, Code::Drift);
    program.write("migrations/0002_phone.down.sql", "ALTER TABLE customers DROP COLUMN phone;\n");
    transcript.run(&program, &["down", "--yes", "--use-edited-down"], Code::Clean);

    transcript.heading("its files are gone: the journal still knows the way back");
    std::fs::remove_dir_all(program.dir().join("migrations")).unwrap();
    program.write("migrations/README.md", "");
    transcript.run(&program, &["status"], Code::Clean);
    transcript.run(&program, DOWN, Code::Clean);

    transcript.heading("a version older than an applied one appears");
    program.migration("0005_late", "CREATE TABLE late (x int);\n", "DROP TABLE late;\n");
    transcript.run(&program, UP, Code::Clean);
    program.migration("0004_early", "CREATE TABLE early (x int);\n", "DROP TABLE early;\n");
    transcript.run(&program, UP, Code::Findings);
    transcript.run(&program, &["up", "--yes", "--allow-out-of-order"], Code::Clean);
    insta::assert_snapshot!(transcript.finish());
}

const SECRET: &str = "s3cr3t-w0rd";

#[tokio::test]
async fn a_server_that_cannot_be_used() {
    let mut transcript = Transcript::default();
    let server = PostgresOptions::default().password("right").start();
    let port = server.port();
    let unreachable = format!("postgres://shop:{SECRET}@127.0.0.1:1/shop");
    let urls = [
        ("no server", unreachable.as_str()),
        ("no such host", &format!("postgres://shop:{SECRET}@no-such-host.invalid/shop")),
        ("wrong password", &server.url_as("postgres", SECRET, "postgres")),
        ("no such user", &server.url_as("nobody_at_all", SECRET, "postgres")),
        ("no such database", &server.url_as("postgres", "right", "no_such_database")),
        ("no password", &server.url_as("postgres", "", "postgres")),
        ("not a URL", &format!("postgres://shop:{SECRET}@host:port/shop")),
        ("an engine that nobody knows", &format!("oracle://shop:{SECRET}@host/shop")),
    ];
    for (what, url) in urls {
        transcript.heading(what);
        let program = Program::new(PROGRAM).database(url);
        program.migration("0001_customers", CUSTOMERS, "DROP TABLE customers;\n");
        let code = if url.contains("127.0.0.1") || url.contains("invalid") {
            Code::Unreachable
        } else {
            Code::Usage
        };
        transcript.run(&program, UP, code);
        transcript.run(&program, &["status"], code);
        transcript.run(&program, DOWN, code);
        assert_eq!(transcript.text.matches(SECRET).count(), 0, "{}", transcript.text);
    }
    transcript.heading("no URL at all");
    let program = Program::new(PROGRAM);
    program.migration("0001_customers", CUSTOMERS, "DROP TABLE customers;\n");
    transcript.run(&program, UP, Code::Usage);

    transcript.heading("a password given as an argument, and help that is asked for");
    let url = server.url_as("postgres", SECRET, "postgres");
    transcript.run(&program, &["up", "--database-url", &url], Code::Unreachable);
    let text = transcript.finish().replace(&url, "URL").replace(&port.to_string(), "PORT");
    assert!(!text.contains(SECRET), "{text}");
    let help = Program::new(PROGRAM).database(url).run(&["up", "--help"]);
    assert!(!help.stdout.contains(SECRET), "{help}");
    insta::assert_snapshot!(text);
}

#[tokio::test]
async fn a_database_that_is_read_only() {
    let mut transcript = Transcript::default();
    let mut server = Postgres::start();
    let program = Program::new(PROGRAM).database(server.url());
    program.migration("0001_customers", CUSTOMERS, "DROP TABLE customers;\n");
    transcript.heading("a replica, for the first migration");
    server.restart_as_replica();
    transcript.run(&program, UP, Code::FailedUnchanged);
    transcript.run(&program, &["status"], Code::Clean);

    transcript.heading("a replica, after the first migration");
    let mut server = Postgres::start();
    let program = Program::new(PROGRAM).database(server.url());
    program.migration("0001_customers", CUSTOMERS, "DROP TABLE customers;\n");
    program.ok(UP);
    program.migration("0002_orders", "CREATE TABLE orders (id int);\n", "DROP TABLE orders;\n");
    server.restart_as_replica();
    transcript.run(&program, UP, Code::FailedUnchanged);
    transcript.run(&program, DOWN, Code::FailedUnchanged);
    transcript.run(&program, &["status"], Code::Clean);

    transcript.heading("a user who may only read");
    let shared = Postgres::shared();
    let database = shared.fresh_database().await;
    let mut session = database.session().await;
    session.run("CREATE ROLE reader LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC").await;
    let url = shared.url_as("reader", "", database.name());
    let program = Program::new(PROGRAM).database(url);
    program.migration("0001_customers", CUSTOMERS, "DROP TABLE customers;\n");
    transcript.run(&program, UP, Code::FailedUnchanged);
    session.run("DROP ROLE reader").await;

    transcript.heading("a SQLite file opened for reading");
    let file = SqliteFile::new();
    let mut session = file.session().await;
    session.run("CREATE TABLE kept (a); INSERT INTO kept VALUES (1)").await;
    session.close().await;
    let program = Program::new(PROGRAM).database(file.read_only_url());
    program.migration("0001_drop", "DROP TABLE kept;\n", "CREATE TABLE kept (a);\n");
    transcript.run(&program, UP, Code::FailedUnchanged);
    transcript.run(&program, &["status"], Code::Clean);
    let mut session = Session::connect(&file.url()).await;
    assert_eq!(session.value("SELECT count(*) FROM kept").await.as_deref(), Some("1"));

    let dir = file.dir().display().to_string();
    insta::assert_snapshot!(transcript.finish().replace(&dir, "DIR"));
}

#[tokio::test]
async fn a_file_that_is_no_database() {
    let mut transcript = Transcript::default();
    for (what, content) in [
        (
            "text",
            "This is not a database, but it is long enough to be looked at as one. ".repeat(20),
        ),
        (
            "a SQLite header and nothing good after it",
            format!("SQLite format 3\0{}", "x".repeat(4080)),
        ),
    ] {
        transcript.heading(what);
        let program = Program::new(PROGRAM).database("sqlite:shop.db");
        program.migration("0001_customers", CUSTOMERS, "DROP TABLE customers;\n");
        program.write("shop.db", &content);
        transcript.run(&program, UP, Code::Unreachable);
        transcript.run(&program, &["status"], Code::Unreachable);
        assert_eq!(std::fs::read(program.dir().join("shop.db")).unwrap(), content.as_bytes());
    }
    transcript.heading("a folder that is not there");
    let program = Program::new(PROGRAM).database("sqlite:no/such/folder/shop.db");
    program.migration("0001_customers", CUSTOMERS, "DROP TABLE customers;\n");
    transcript.run(&program, UP, Code::Unreachable);
    transcript.heading("no file yet");
    let program = Program::new(PROGRAM).database("sqlite:shop.db");
    program.migration("0001_customers", CUSTOMERS, "DROP TABLE customers;\n");
    transcript.run(&program, &["status"], Code::Clean);
    transcript.run(&program, DOWN, Code::Unreachable);
    assert!(!program.dir().join("shop.db").exists());
    insta::assert_snapshot!(transcript.finish());
}

//! The promise: an encrypted connection is one, and who does not trust the server is told why; sockets
//! work; a password comes from where the engine's own clients take it, and never shows.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use downhaul::exit_code::Code;
use downhaul_kit::{
    Certificates, MariaDb, MariaDbOptions, Outcome, Postgres, PostgresOptions, Program, Session,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_downhaul");

/// Every character of it means something in a URL.
const PASSWORD: &str = "p@ss:w/rd?a#b%c&d=e";
const ENCODED: &str = "p%40ss%3Aw%2Frd%3Fa%23b%25c%26d%3De";

fn program(url: &str) -> Program {
    let program = Program::new(PROGRAM).database(url);
    program.migration("0001_first", "CREATE TABLE t (id int PRIMARY KEY);", "DROP TABLE t;");
    program
}

/// Up and back down.
fn works(program: &Program) {
    program.ok(&["up"]);
    program.ok(&["down", "--yes"]);
}

fn refused(outcome: &Outcome, code: Code, wanted: &[&str]) {
    assert_eq!(outcome.code, Some(code as i32), "{outcome}");
    for text in wanted {
        assert!(outcome.stderr.contains(text), "`{text}` is missing in\n{outcome}");
    }
}

/// Neither the password nor a part of it that could be one.
fn no_password(outcome: &Outcome) {
    for secret in [PASSWORD, ENCODED, "p@ss", "p%40ss", "w/rd", "w%2Frd"] {
        let shown = outcome.stdout.contains(secret) || outcome.stderr.contains(secret);
        assert!(!shown, "`{secret}` shows in\n{}{}", outcome.stdout, outcome.stderr);
    }
}

#[test]
fn postgres_is_spoken_to_under_encryption() {
    let certificates = Certificates::new();
    let (root, other) = (certificates.root(), certificates.other_root());
    let server = PostgresOptions::default()
        .certificate(certificates.here())
        .setting("log_connections", "on")
        .start();
    let url = |parameters: &str| format!("{}?{parameters}", server.url());

    works(&program(&url("sslmode=require")));
    works(&program(&url(&format!("sslmode=verify-ca&sslrootcert={}", root.display()))));
    works(&program(&url(&format!("sslmode=verify-full&sslrootcert={}", root.display()))));
    let log = server.log();
    let ours: Vec<&str> = log
        .lines()
        .filter(|line| {
            line.contains("connection authorized") && line.contains("application_name=downhaul")
        })
        .collect();
    assert!(ours.len() >= 6, "{log}");
    assert!(ours.iter().all(|line| line.contains("SSL enabled")), "{ours:#?}");

    let outcome = |parameters: &str| program(&url(parameters)).run(&["status"]);
    let untrusted = "was not issued by a root that is trusted here";
    let wrong = outcome(&format!("sslmode=verify-full&sslrootcert={}", other.display()));
    refused(&wrong, Code::Unreachable, &[untrusted, "sslrootcert=/path"]);
    refused(&outcome("sslmode=verify-full"), Code::Unreachable, &[untrusted]);
    let absent = outcome("sslmode=verify-full&sslrootcert=/no/such.pem");
    refused(&absent, Code::Usage, &["sslrootcert names `/no/such.pem`", "No such file"]);
    let empty = program(&server.url());
    empty.write("empty.pem", "nothing");
    let path = empty.dir().join("empty.pem");
    let none = outcome(&format!("sslmode=verify-full&sslrootcert={}", path.display()));
    refused(&none, Code::Usage, &["holds no certificate"]);
    refused(&outcome("sslmode=verify_full"), Code::Usage, &["sslmode is none of", "verify-full"]);
}

#[test]
fn a_certificate_for_another_host_is_no_proof() {
    let certificates = Certificates::new();
    let root = certificates.root();
    let server = PostgresOptions::default().certificate(certificates.elsewhere()).start();
    let url =
        |mode: &str| format!("{}?sslmode={mode}&sslrootcert={}", server.url(), root.display());
    works(&program(&url("verify-ca")));
    let outcome = program(&url("verify-full")).run(&["status"]);
    refused(&outcome, Code::Unreachable, &["for another host name"]);

    // A server that offers no encryption at all.
    let plain = Postgres::shared();
    let outcome = program(&format!("{}?sslmode=require", plain.url())).run(&["status"]);
    refused(&outcome, Code::Unreachable, &["the server offers no encryption"]);
}

#[tokio::test]
async fn mariadb_is_spoken_to_under_encryption() {
    let certificates = Certificates::new();
    let (root, other) = (certificates.root(), certificates.other_root());
    let server = MariaDbOptions::default().certificate(certificates.here()).start();
    let mut session = Session::connect(&server.url()).await;
    session.run("CREATE DATABASE shop").await;
    session.run("CREATE USER safe@'127.0.0.1' REQUIRE SSL").await;
    session.run("GRANT ALL ON *.* TO safe@'127.0.0.1'").await;
    session.close().await;
    let url = |parameters: &str| format!("{}?{parameters}", server.url_as("safe", "", "shop"));

    works(&program(&url("ssl-mode=REQUIRED")));
    works(&program(&url(&format!("ssl-mode=VERIFY_CA&ssl-ca={}", root.display()))));
    works(&program(&url(&format!("ssl-mode=VERIFY_IDENTITY&ssl-ca={}", root.display()))));

    let outcome = |parameters: &str| program(&url(parameters)).run(&["status"]);
    // The user must come encrypted.
    refused(&outcome("ssl-mode=DISABLED"), Code::Unreachable, &["refused the login"]);
    let wrong = outcome(&format!("ssl-mode=VERIFY_CA&ssl-ca={}", other.display()));
    refused(&wrong, Code::Unreachable, &["was not issued by a root that is trusted here"]);
    let absent = outcome("ssl-mode=VERIFY_CA&ssl-ca=/no/such.pem");
    refused(&absent, Code::Usage, &["ssl-ca names `/no/such.pem`"]);
    refused(&outcome("ssl-mode=VERIFY"), Code::Usage, &["ssl-mode is none of"]);
}

#[tokio::test]
async fn sockets_lead_to_both_servers() {
    let postgres = Postgres::shared();
    works(&program(&postgres.socket_url("postgres")));
    // As psql takes it: no host but a parameter.
    let folder = postgres.socket_dir().display().to_string();
    let url = format!("postgres:///postgres?user=postgres&host={folder}&port={}", postgres.port());
    works(&program(&url));

    let mariadb = MariaDb::shared();
    let mut session = Session::connect(&mariadb.url()).await;
    session.run("CREATE DATABASE by_socket").await;
    session.close().await;
    let socket = mariadb.socket_dir().join("mariadb.sock");
    let program = program(&format!("mysql://root@localhost/by_socket?socket={}", socket.display()));
    works(&program);
    let told = program.ok(&["status"]);
    assert!(told.stdout.contains("mariadb.sock"), "{told}");
}

#[test]
fn a_password_of_postgres_comes_from_many_places_and_never_shows() {
    let server = Postgres::start_with_password(PASSWORD);
    let here = format!("127.0.0.1:{}/postgres", server.port());
    works(&program(&format!("postgres://postgres:{ENCODED}@{here}")));
    let bare = format!("postgres://postgres@{here}");
    works(&program(&bare).env("PGPASSWORD", PASSWORD));
    let kept = program(&bare);
    let line = format!("127.0.0.1:*:*:postgres:{}", PASSWORD.replace(':', "\\:"));
    kept.write(".pgpass", line);
    let file = kept.dir().join(".pgpass");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    works(&kept);

    let none = program(&bare).run(&["status"]);
    refused(&none, Code::Unreachable, &["PGPASSWORD or ~/.pgpass"]);
    let wrong = Postgres::start_with_password("another");
    for (url, code) in [
        // Wrong, not written as a URL wants it, and of no server at all.
        (
            format!("postgres://postgres:{ENCODED}@127.0.0.1:{}/postgres", wrong.port()),
            Code::Unreachable,
        ),
        (format!("postgres://postgres:{PASSWORD}@{here}"), Code::Usage),
        (format!("postgres://postgres:{ENCODED}@no-such-host.invalid/postgres"), Code::Unreachable),
        (format!("postgres://postgres:{ENCODED}@{here}?sslmode={PASSWORD}"), Code::Usage),
    ] {
        for command in ["status", "up", "verify"] {
            let outcome = program(&url).run(&[command]);
            no_password(&outcome);
            assert_eq!(outcome.code, Some(code as i32), "{outcome}");
        }
    }
}

#[test]
fn a_password_of_mariadb_comes_from_the_environment_too_and_never_shows() {
    let server = MariaDb::start_with_password(PASSWORD);
    let here = format!("127.0.0.1:{}/test_it", server.port());
    downhaul_kit::block_on(async {
        let url = format!("mysql://root:{ENCODED}@127.0.0.1:{}/mysql", server.port());
        let mut session = Session::connect(&url).await;
        session.run("CREATE DATABASE test_it").await;
        session.close().await;
    });
    works(&program(&format!("mysql://root:{ENCODED}@{here}")));
    let bare = format!("mysql://root@{here}");
    works(&program(&bare).env("MYSQL_PWD", PASSWORD));
    refused(&program(&bare).run(&["status"]), Code::Unreachable, &["MYSQL_PWD"]);
    for url in [
        format!("mysql://root:x{ENCODED}@{here}"),
        format!("mysql://root:{PASSWORD}@{here}"),
        format!("mysql://root:{ENCODED}@no-such-host.invalid/test_it"),
    ] {
        // What the URL says comes first.
        let outcome = program(&url).env("MYSQL_PWD", PASSWORD).run(&["status"]);
        no_password(&outcome);
        assert_ne!(outcome.code, Some(0), "{outcome}");
    }
}

//! No text makes the reader panic, hang, overflow the stack or lose a byte.

mod invariants;
mod quoting;

use downhaul_syntax::{Dialect, parse_script};
use invariants::check;
use proptest::prelude::*;

/// SQL of every kind, to be cut up and glued together again.
const PIECES: &[&str] = &[
    "CREATE TABLE t (a int PRIMARY KEY, b text DEFAULT 'x' NOT NULL, CHECK (a > 0));",
    "ALTER TABLE t ADD COLUMN c int REFERENCES u (id) ON DELETE CASCADE, DROP b;",
    "ALTER TABLE `t` MODIFY `a` varchar(20) CHARACTER SET utf8mb4 NOT NULL AFTER `b`;",
    "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON ONLY t USING gin (lower(a) x DESC) WHERE b;",
    "DO $$ DECLARE q text := 'a'; BEGIN EXECUTE format('DROP TABLE %I', q || 'b'); END $$;",
    "CREATE FUNCTION f(a int, OUT b text) RETURNS int LANGUAGE plpgsql AS $f$ BEGIN RETURN 1; END $f$;",
    "CREATE PROCEDURE p() BEGIN IF a THEN UPDATE t SET a = 1; END IF; END;",
    "CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM u WHERE CASE WHEN a THEN b END; END;",
    "SET @s = IF(1, 'DROP TABLE t', 'SELECT 1'); PREPARE s FROM @s; EXECUTE s;",
    "INSERT INTO t (a, b) VALUES (1, E'\\'x'), (2, U&'\\0041') ON CONFLICT DO UPDATE SET a = 1;",
    "WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x JOIN u USING (id);",
    "COPY t FROM stdin;\n1\ta\n\\.\n",
    "\\i file.sql\n",
    "DELIMITER //\nSELECT 1//\nDELIMITER ;\n",
    "/* a /* b */ c */ -- downhaul:allow x \"y\"\n",
    "/*!40101 SET NAMES utf8 */;",
    "COMMENT ON COLUMN s.t.a IS 'it''s';",
    "CREATE TABLE t (a int NOT NULL INITIALLY SOON, b int CHECK (c) NOT VALID NOT ENFORCED);",
    "CREATE TYPE e AS ENUM ('a', 'b'); ALTER TYPE e ADD VALUE 'c' AFTER 'b';",
    "GRANT SELECT (a), UPDATE ON ALL TABLES IN SCHEMA s TO r WITH GRANT OPTION;",
    "PRAGMA foreign_keys = OFF;",
    "CREATE TABLE p PARTITION OF t FOR VALUES FROM (1) TO (2) PARTITION BY RANGE (a);",
    "ALTER TABLE {{ schema }}.t ADD \"${x}\" int; SELECT :'v', :n, $1, ?, @a;",
    "-- +goose StatementBegin\nSELECT 1\n-- +goose StatementEnd\n",
    "CREATE SEQUENCE s OWNED BY t.a; SELECT setval('s', 1);",
    "CREATE VIEW v AS SELECT a::int[] FROM ONLY t;",
    "RENAME TABLE a TO b; LOCK TABLES a READ, b WRITE;",
    "MERGE INTO t USING u ON (a = b) WHEN MATCHED THEN DELETE;",
];

/// Characters that decide something.
const BITS: &[&str] = &[
    "(",
    ")",
    "[",
    "]",
    "'",
    "\"",
    "`",
    "$",
    "$$",
    "$a$",
    ";",
    ",",
    ".",
    "--",
    "/*",
    "*/",
    "\\",
    "\n",
    " ",
    ":",
    "::",
    ":=",
    "{{",
    "}}",
    "${",
    "}",
    "@",
    "#",
    "é",
    "\u{1F980}",
    "\0",
    "E'",
    "U&\"",
    "BEGIN",
    "END",
    "CASE",
    "AS",
    "NOT",
    "NULL",
    "DEFAULT",
    "IF",
    "EXISTS",
    "ON",
    "0x",
    "1e",
    "..",
    "DELIMITER ",
    "/*!",
    "/*M!",
    "\u{feff}",
    "%",
];

fn any_dialect() -> impl Strategy<Value = Dialect> {
    prop::sample::select(Dialect::ALL.to_vec())
}

/// SQL with pieces cut, doubled, swapped and bits thrown in.
fn mutated() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(PIECES).prop_map(str::to_owned),
        2 => (prop::sample::select(PIECES), any::<prop::sample::Index>(), any::<prop::sample::Index>())
            .prop_map(|(text, a, b)| {
                let (a, b) = (a.index(text.len() + 1), b.index(text.len() + 1));
                text.get(a.min(b)..a.max(b)).unwrap_or("").to_owned()
            }),
        3 => prop::sample::select(BITS).prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn any_string(source in any::<String>(), dialect in any_dialect()) {
        check(&source, dialect);
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300), dialect in any_dialect()) {
        check(&String::from_utf8_lossy(&bytes), dialect);
    }

    #[test]
    fn mutated_sql(source in mutated(), dialect in any_dialect()) {
        check(&source, dialect);
    }

    #[test]
    fn bits(source in prop::collection::vec(prop::sample::select(BITS), 0..60), dialect in any_dialect()) {
        check(&source.concat(), dialect);
    }

    #[test]
    fn any_name_is_read_back(name in any::<String>(), dialect in any_dialect()) {
        quoting::check(&name, dialect);
    }

    #[test]
    fn hostile_names_are_read_back(
        name in prop::collection::vec(prop::sample::select(BITS), 1..8), dialect in any_dialect()
    ) {
        quoting::check(&name.concat(), dialect);
    }
}

/// A statement cut off anywhere is read without a panic.
#[test]
fn every_prefix_of_every_piece() {
    for piece in PIECES {
        for end in (0..=piece.len()).filter(|i| piece.is_char_boundary(*i)) {
            for dialect in Dialect::ALL {
                check(&piece[..end], dialect);
            }
        }
    }
}

/// Texts that a careless reader takes quadratic time or endless stack for. Each is some hundred
/// kilobytes long: quadratic time would take minutes here.
fn hard_texts(n: usize) -> Vec<String> {
    let mut texts: Vec<String> = [
        "(",
        ")",
        "[",
        "((a),",
        "/*",
        "/* */",
        "'",
        "''",
        "\"",
        "$a$",
        "$$;",
        "{{",
        "${",
        ":'",
        "{%",
        "`",
        "a.",
        "a,",
        "1..",
        "@",
        "/*!1",
        "CASE ",
        "BEGIN ",
        "END ",
        "IF a THEN ",
        "NOT ",
        "- ",
        "SELECT (",
        "WITH a AS (",
        "CREATE TRIGGER t BEGIN ",
        "CREATE TRIGGER t BEGIN a; ",
        "CREATE PROCEDURE p() BEGIN ",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC ",
        "CREATE RULE r AS ON INSERT TO t DO (",
        "COPY t FROM stdin;\n",
        "\\copy t from stdin\n",
        "DO $$ BEGIN ",
        "DO $a$ DO $b$ ",
        "EXECUTE 'EXECUTE ",
        "DEFAULT (",
        "a::int[",
        "x || ",
        "DELIMITER a\n",
        "ALTER TABLE t ADD a int,",
        "INSERT INTO t VALUES (1),",
        "setval('a', ",
        "CREATE SCHEMA a ",
        "CREATE TABLE t (a int DEFAULT (",
        "-- +goose Up\n",
        "a AS (SELECT ",
        "SET a = (",
        "GRANT a ON ",
        "\u{e9}",
        "\\",
        "U&'",
        "E'\\",
        "x'",
        "#",
        "? ",
        "\r",
        "ALTER TABLE t ADD CHECK (((",
        "CREATE INDEX i ON t ((",
        "PARTITION BY RANGE (",
        "JOIN ",
    ]
    .iter()
    .map(|unit| unit.repeat(n / unit.len() + 1))
    .collect();
    texts.push(format!("DO $$ BEGIN {} END $$", "EXECUTE q || 'a'; q := q || q;".repeat(n / 30)));
    texts.push(format!(
        "DO $$ DECLARE q text := '{}'; BEGIN {} END $$",
        "a".repeat(n / 2),
        "EXECUTE q;".repeat(n / 20)
    ));
    texts.push(format!(
        "SET @a = '{}';{}",
        "SELECT 1;".repeat(n / 20),
        "PREPARE s FROM @a; EXECUTE s;".repeat(n / 60)
    ));
    texts.push(format!("SELECT {}1{}", "(".repeat(n / 2), ")".repeat(n / 2)));
    texts.push(format!("CREATE TABLE t (a int CHECK {}1{})", "(".repeat(n / 2), ")".repeat(n / 2)));
    texts.push(format!("{}{}", "/*".repeat(n / 4), "*/".repeat(n / 4)));
    let mut nested = String::new();
    for level in 0..n / 40 {
        nested.push_str(&format!("DO $a{level}$ BEGIN "));
    }
    for level in (0..n / 40).rev() {
        nested.push_str(&format!("END $a{level}$;"));
    }
    texts.push(nested);
    texts
}

#[test]
fn hard_texts_are_read_in_linear_time_and_little_stack() {
    // A thread's usual stack; the main thread of a test has no more.
    let read = std::thread::Builder::new().stack_size(2 << 20).spawn(|| {
        for text in hard_texts(40_000) {
            for dialect in Dialect::ALL {
                let _ = parse_script(&text, dialect);
            }
        }
        for text in hard_texts(2_000) {
            for dialect in Dialect::ALL {
                check(&text, dialect);
            }
        }
    });
    read.expect("a thread starts").join().expect("no text makes the reader panic");
}

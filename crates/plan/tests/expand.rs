//! Files rewritten into phases. `expand` itself replays every phase forth and back and refuses what
//! does not come back; here: which phases come out, and that the last one leads where the file does.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use downhaul_catalog::{Catalog, Origin};
use downhaul_plan::{Expansion, Refusal, expand};
use downhaul_syntax::{Dialect, parse_script};

const SHOP: &str = "
CREATE TABLE teams (id int PRIMARY KEY);
CREATE TYPE mood AS ENUM ('glad', 'sad');
CREATE TABLE users (
    id serial PRIMARY KEY,
    name text NOT NULL DEFAULT 'anon' CHECK (name <> ''),
    email varchar(80) UNIQUE,
    team int REFERENCES teams,
    born text,
    note text NOT NULL,
    \"Odd Name\" jsonb,
    feels mood
);
COMMENT ON COLUMN users.name IS 'What people call it';
CREATE INDEX users_name ON users (lower(name));
CREATE INDEX users_born ON users (born) WHERE born IS NOT NULL;
CREATE TABLE posts (id int PRIMARY KEY, author int REFERENCES users, body text);
CREATE TABLE seen (at date, what text, who int) PARTITION BY RANGE (at);
CREATE TABLE \"Grüße\" (id int PRIMARY KEY, \"select\" text NOT NULL);
CREATE VIEW bodies AS SELECT body FROM posts;
";

fn shop() -> Catalog {
    let mut catalog = Catalog::new(Dialect::Postgres);
    let problems = catalog.apply_script(&parse_script(SHOP, Dialect::Postgres), Origin::Baseline);
    assert!(problems.is_empty(), "{problems:?}");
    catalog
}

fn expanded(change: &str) -> Result<Expansion, Refusal> {
    expand(&parse_script(change, Dialect::Postgres), &shop(), "x")
}

/// A change, the migrations that come out, and what their text has to hold.
const CASES: &[(&str, &[&str], &[&str])] = &[
    (
        "ALTER TABLE users RENAME COLUMN name TO full_name",
        &["x_expand", "x_backfill", "x_contract"],
        &["COMMENT ON COLUMN users.full_name", "CREATE INDEX CONCURRENTLY", "NOT VALID"],
    ),
    (
        "ALTER TABLE users RENAME COLUMN email TO mail",
        &["x_expand", "x_backfill", "x_contract"],
        &["UNIQUE USING INDEX"],
    ),
    (
        "ALTER TABLE users RENAME COLUMN team TO crew",
        &["x_expand", "x_backfill", "x_contract"],
        &["REFERENCES teams NOT VALID", "VALIDATE CONSTRAINT"],
    ),
    (
        "ALTER TABLE users RENAME COLUMN \"Odd Name\" TO \"Ödd \"\"name\"\"\"",
        &["x_expand", "x_backfill", "x_contract"],
        &["record_image_ne(ROW"],
    ),
    (
        "ALTER TABLE \"Grüße\" RENAME COLUMN \"select\" TO a234567890123456789012345678901234567890123456789012345678901234567890",
        &["x_expand", "x_backfill", "x_contract"],
        &[],
    ),
    ("ALTER TABLE users RENAME TO people", &["x_expand", "x_contract"], &["CREATE VIEW people"]),
    ("ALTER TABLE users ALTER COLUMN email TYPE varchar(200)", &["x"], &[]),
    ("ALTER TABLE users ALTER COLUMN email TYPE text", &["x"], &[]),
    (
        "ALTER TABLE users ALTER COLUMN id TYPE bigint",
        &["x_expand", "x_backfill", "x_switch", "x_contract"],
        &["OWNED BY users.id", "PRIMARY KEY USING INDEX", "REFERENCES users (id_new) NOT VALID"],
    ),
    (
        "ALTER TABLE users ALTER COLUMN id TYPE bigint; ALTER TABLE posts ALTER COLUMN author TYPE bigint",
        &[],
        &["posts.author is changed by an earlier statement"],
    ),
    (
        "ALTER TABLE users ALTER COLUMN team TYPE bigint",
        &["x_expand", "x_backfill", "x_switch", "x_contract"],
        &["users_team_fkey_old"],
    ),
    (
        "-- downhaul:back \"to_char(born, 'YYYY-MM-DD')\"\nALTER TABLE users ALTER COLUMN born TYPE date USING born::date",
        &["x_expand", "x_backfill", "x_switch", "x_contract"],
        &["(SELECT (to_char(born, 'YYYY-MM-DD')) FROM (SELECT NEW.born AS born) AS users)"],
    ),
    (
        "ALTER TABLE users ALTER COLUMN feels TYPE text",
        &["x_expand", "x_backfill", "x_switch", "x_contract"],
        &["AS mood)"],
    ),
    (
        "ALTER TABLE users ALTER COLUMN name TYPE text COLLATE \"C\"",
        &["x_expand", "x_backfill", "x_switch", "x_contract"],
        &["COLLATE \"C\""],
    ),
    (
        "-- downhaul:forward \"lower(name) || '@example.org'\"\nALTER TABLE users ALTER COLUMN email SET NOT NULL",
        &["x_backfill", "x_contract", "x_validate"],
        &["WHERE email IS NULL"],
    ),
    ("ALTER TABLE users ALTER COLUMN name DROP NOT NULL", &["x_expand"], &["WHERE name IS NULL"]),
    ("ALTER TABLE users ADD COLUMN age int", &["x"], &[]),
    ("ALTER TABLE users ADD COLUMN age int NOT NULL DEFAULT 0", &["x"], &[]),
    (
        "ALTER TABLE users ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid()",
        &["x_expand", "x_backfill", "x_contract"],
        &["IF NEW.token IS NULL THEN"],
    ),
    (
        "-- downhaul:forward \"length(name)\"\nALTER TABLE users ADD COLUMN letters int",
        &["x_expand", "x_backfill", "x_contract"],
        &["length(name)"],
    ),
    (
        "ALTER TABLE users DROP COLUMN born",
        &["x_contract"],
        &["CREATE INDEX CONCURRENTLY users_born"],
    ),
    ("ALTER TABLE users DROP COLUMN note", &["x_expand", "x_contract"], &["DROP NOT NULL"]),
    (
        "-- downhaul:back \"''\"\nALTER TABLE users DROP COLUMN note",
        &["x_expand", "x_contract"],
        &["IF NEW.note IS NULL THEN"],
    ),
    ("DROP TABLE posts CASCADE", &["x_contract"], &[]),
    (
        "ALTER TABLE posts ADD CONSTRAINT full_body CHECK (body <> '')",
        &["x_contract", "x_validate"],
        &["NOT VALID", "VALIDATE"],
    ),
    (
        "ALTER TABLE posts ADD FOREIGN KEY (id) REFERENCES teams",
        &["x_contract", "x_validate"],
        &["posts_id_fkey"],
    ),
    (
        "ALTER TABLE posts ADD UNIQUE (body)",
        &["x_contract"],
        &["posts_body_key UNIQUE USING INDEX"],
    ),
    ("CREATE INDEX posts_body ON posts (body)", &["x"], &["CREATE INDEX CONCURRENTLY"]),
    (
        "DROP INDEX users_name",
        &["x_contract"],
        &["DROP INDEX CONCURRENTLY", "CREATE INDEX CONCURRENTLY"],
    ),
    ("ALTER TABLE users ALTER COLUMN name SET DEFAULT 'x'", &["x"], &[]),
    ("ALTER TABLE users ALTER COLUMN name DROP DEFAULT", &["x_contract"], &[]),
    (
        "CREATE TABLE a (id int PRIMARY KEY, b text UNIQUE); CREATE INDEX a_b ON a (b); ALTER TABLE a ADD c int NOT NULL",
        &["x"],
        &[],
    ),
    (
        "-- downhaul:forward first \"split_part(name, ' ', 1)\"\n-- downhaul:forward last \"split_part(name, ' ', 2)\"\n-- downhaul:back name \"first || ' ' || last\"\nALTER TABLE users ADD first text NOT NULL, ADD last text, DROP name",
        &["x_expand", "x_backfill", "x_contract"],
        &["NEW.first IS NULL AND NEW.last IS NULL"],
    ),
    (
        "ALTER TABLE users RENAME COLUMN name TO full_name; ALTER TABLE posts DROP COLUMN id; CREATE INDEX b ON seen (who)",
        &[],
        &["partitioned"],
    ),
];

#[test]
fn phases_come_out_and_lead_where_the_file_does() {
    for (change, files, holds) in CASES {
        let result = expanded(change);
        if files.is_empty() {
            let refusal = result.unwrap_err().to_string();
            assert!(holds.iter().all(|text| refusal.contains(text)), "{change}\n{refusal}");
            continue;
        }
        let expansion = result.unwrap_or_else(|refusal| panic!("{change}\n{refusal}"));
        let names: Vec<&str> = expansion.files.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(names, *files, "{change}");
        assert!(expansion.remaining.is_empty(), "{change}\n{:#?}", expansion.remaining);
        let all: String =
            expansion.files.iter().map(|f| format!("{}\n{}\n", f.up, f.down)).collect();
        for text in *holds {
            assert!(all.contains(text), "`{text}` is missing in\n{all}");
        }
        for file in &expansion.files {
            let script = parse_script(&file.up, Dialect::Postgres);
            assert!(script.errors.is_empty() && !script.statements.is_empty(), "{}", file.up);
            let declared = file.phase.map(|phase| format!("-- downhaul:phase {phase}"));
            assert!(declared.is_none_or(|head| file.up.starts_with(&head)), "{}", file.up);
        }
    }
}

/// What is not guessed: the message says what is missing.
const REFUSED: &[(&str, &str)] = &[
    ("ALTER TABLE users ALTER COLUMN born TYPE date USING to_date(born, 'YYYY')", "downhaul:back"),
    (
        "ALTER TABLE users ALTER COLUMN born TYPE timestamptz USING born::timestamptz",
        "downhaul:back",
    ),
    ("ALTER TABLE users ADD COLUMN age int NOT NULL", "downhaul:forward"),
    ("ALTER TABLE users RENAME COLUMN id TO nr", "primary key"),
    ("ALTER TABLE posts RENAME COLUMN body TO content", "view bodies reads posts.body"),
    ("ALTER TABLE seen RENAME COLUMN at TO day", "partition"),
    ("ALTER TABLE nowhere RENAME COLUMN a TO b", "no migration creates"),
    ("ALTER TABLE users RENAME COLUMN nothing TO b", "no column"),
    ("ALTER TABLE users RENAME COLUMN name TO email", "already"),
    (
        "ALTER TABLE users RENAME COLUMN name TO a; ALTER TABLE users ALTER COLUMN a SET NOT NULL",
        "earlier statement",
    ),
    ("DO $$ BEGIN EXECUTE format('DROP TABLE %I', 'x'); END $$", "when it runs"),
    ("ALTER TYPE mood RENAME VALUE 'sad' TO 'down'", "new enum type"),
    ("ALTER TABLE users ADD COLUMN n bigserial", "SEQUENCE"),
    (
        "-- downhaul:back \"1; DROP TABLE users\"\nALTER TABLE users ALTER COLUMN born TYPE date",
        "not one expression",
    ),
    (
        "-- downhaul:forward a \"upper(name)\"\nALTER TABLE users ADD a text, DROP name",
        "downhaul:back name",
    ),
];

#[test]
fn what_cannot_be_derived_is_asked_for() {
    for (change, wanted) in REFUSED {
        let refusal = match expanded(change) {
            Err(refusal) => refusal.to_string(),
            Ok(expansion) => panic!("{change} is not refused: {:#?}", expansion.files),
        };
        assert!(refusal.contains(wanted), "{change}\n{refusal}");
    }
}

#[test]
fn other_dialects_are_refused_plainly() {
    let script = parse_script("ALTER TABLE a RENAME COLUMN b TO c", Dialect::Sqlite);
    let refusal = expand(&script, &Catalog::new(Dialect::Sqlite), "x").unwrap_err();
    assert!(refusal.what.contains("sqlite"), "{refusal}");
}

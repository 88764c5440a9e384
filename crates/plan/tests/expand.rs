//! Files rewritten into phases. `expand` itself replays every phase forth and back and refuses what
//! does not come back; here: which phases come out, and that the last one leads where the file does.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use downhaul_catalog::{Catalog, Origin};
use downhaul_plan::{ExpandOptions, Expansion, Refusal, expand};
use downhaul_syntax::{Dialect, parse_script};

const SHOP: &str = "
CREATE TABLE teams (id int PRIMARY KEY, title text);
CREATE TABLE grades (id int PRIMARY KEY);
CREATE TABLE marks (id int PRIMARY KEY, grade int REFERENCES grades);
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
CREATE TABLE log (id int, day int, kind text, team int REFERENCES teams, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM (0) TO (10) PARTITION BY RANGE (day);
CREATE TABLE log_1a PARTITION OF log_1 DEFAULT;
CREATE TABLE log_rest PARTITION OF log DEFAULT;
CREATE INDEX log_kind ON log (kind);
CREATE TABLE reads (id int PRIMARY KEY, log int, day int, FOREIGN KEY (log, day) REFERENCES log);
CREATE TABLE \"Grüße\" (id int PRIMARY KEY, \"select\" text NOT NULL);
CREATE VIEW bodies AS SELECT body FROM posts;
CREATE TABLE books (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, part_of int REFERENCES books, shelf int, row int, title varchar(20), price int, isbn text UNIQUE NULLS NOT DISTINCT, stock int, worth int GENERATED ALWAYS AS (price * stock) STORED, CHECK (price > 0));
CREATE VIEW cheap AS SELECT id, title, price FROM books WHERE price < 10;
CREATE VIEW cheapest AS SELECT title FROM cheap WHERE price = 1;
GRANT SELECT ON cheap TO reader;
CREATE TABLE shops (id int PRIMARY KEY, label varchar(20));
CREATE TABLE fenced (id int PRIMARY KEY, label varchar(20));
CREATE VIEW fence WITH (security_barrier = ON) AS SELECT label FROM fenced WITH CHECK OPTION;
CREATE VIEW of_all AS SELECT * FROM shops;
CREATE MATERIALIZED VIEW shelves AS SELECT shelf, count(id) AS n FROM books GROUP BY shelf;
CREATE TABLE visits (id int PRIMARY KEY, at timestamp NOT NULL, range int CHECK (range > 0), day date, filter text, ext char(36));
CREATE POLICY shown ON books FOR SELECT TO reader USING (row IS NOT NULL);
";

fn shop() -> Catalog {
    let mut catalog = Catalog::new(Dialect::Postgres);
    let problems = catalog.apply_script(&parse_script(SHOP, Dialect::Postgres), Origin::Baseline);
    assert!(problems.is_empty(), "{problems:?}");
    catalog
}

fn expanded(change: &str) -> Result<Expansion, Refusal> {
    expand(&parse_script(change, Dialect::Postgres), &shop(), "x", ExpandOptions::default())
}

/// A change, the migrations that come out, and what their text has to hold.
const CASES: &[(&str, &[&str], &[&str])] = &[
    // As Rails writes it: the column first, and then its index.
    (
        "ALTER TABLE users RENAME COLUMN born TO born_on; ALTER INDEX users_born RENAME TO users_born_on",
        &["x_expand", "x_backfill", "x_contract"],
        &["ALTER INDEX users_born_on_new RENAME TO users_born_on"],
    ),
    // Names of columns that are words of operators elsewhere.
    (
        "alter table visits rename column at to seen_at; alter table visits rename column range to reach;",
        &["x_expand", "x_backfill", "x_contract"],
        &["CHECK (at IS NOT NULL)", "CHECK (reach > 0)"],
    ),
    (
        "ALTER TABLE visits ALTER COLUMN ext TYPE uuid USING ext::uuid",
        &["x_expand", "x_backfill", "x_switch", "x_contract"],
        &["AS char(36)"],
    ),
    // As people write it: one value from others of the row, before the old column goes.
    (
        "alter table visits add column filter_1 text, add column far boolean;\nupdate visits v set filter_1 = split_part(v.filter, ',', 1), far = range > 5 where v.filter_1 is null;\nalter table visits drop column filter;",
        &["x_expand", "x_backfill", "x_contract"],
        &["NEW.filter IS DISTINCT FROM OLD.filter", "AND (split_part(filter, ',', 1)) IS NOT NULL"],
    ),
    (
        "alter table visits add column kind text; update visits set kind = 'near' where range < 5; update visits set kind = 'far, ' || filter\nwhere range > 9 and day is not null; alter table visits alter kind set not null",
        &["x_expand", "x_backfill", "x_contract"],
        &[
            "(CASE WHEN (range > 9) AND (day is not null) THEN 'far, ' || filter WHEN range < 5 THEN 'near' END)",
        ],
    ),
    (
        "alter table posts alter column author type bigint; select setval('users_id_seq', (select max(id) from users))",
        &["x_expand", "x_backfill", "x_switch", "x_contract"],
        &["select setval('users_id_seq', (select max(id) from users))"],
    ),
    // A view over what is filled later waits for the contract: the running release would see all rows in it.
    (
        "alter table posts add column shown boolean; update posts set shown = body <> ''; drop view bodies; create view bodies as select body from posts where shown",
        &["x_expand", "x_backfill", "x_contract"],
        &["DROP FUNCTION posts_shown_sync();\ndrop view bodies;"],
    ),
    // These stay what they were: another time another value, other columns too, one that changes in the file.
    (
        "alter table visits add column k timestamp; update visits set k = at + (now() - at)",
        &["x_expand", "x_backfill"],
        &["update visits set k = at + (now() - at)"],
    ),
    (
        "alter table visits add column k text; update visits set k = filter, day = null",
        &["x_expand", "x_backfill"],
        &["update visits set k = filter, day = null"],
    ),
    (
        "alter table visits add column k text; update visits set k = filter where range > 5; update visits set k = 'rest' || range where k is null",
        &["x_expand", "x_backfill"],
        &["update visits set k = filter where range > 5", "where k is null"],
    ),
    (
        "alter table visits add column k text default 'x'; update visits set k = filter",
        &["x_expand", "x_backfill"],
        &["update visits set k = filter"],
    ),
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
        "ALTER TABLE users RENAME COLUMN id TO nr",
        &["x_expand", "x_backfill", "x_switch", "x_contract"],
        &[
            "posts cannot be built twice",
            "RENAME COLUMN id_spare TO nr",
            "CREATE UNIQUE INDEX CONCURRENTLY users_pkey_new ON users (nr)",
            "CREATE UNIQUE INDEX CONCURRENTLY users_pkey_new ON users (id)",
        ],
    ),
    (
        "ALTER TABLE books ALTER COLUMN title TYPE varchar(40)",
        &["x_expand"],
        &[
            "DROP VIEW cheapest;\nDROP VIEW cheap;",
            "CREATE VIEW cheap AS SELECT id, title, price FROM books WHERE price < 10;\n",
            "GRANT SELECT ON cheap TO reader",
            "reloptions IS NOT NULL",
        ],
    ),
    // The second column's index and rules take the names that the first one's have by then.
    (
        "ALTER TABLE users RENAME COLUMN born TO birthday; ALTER INDEX users_born RENAME TO users_birthday",
        &["x_expand", "x_backfill", "x_contract"],
        &[
            "ALTER INDEX users_born RENAME TO users_birthday;",
            "ALTER INDEX users_birthday_new RENAME TO users_birthday;",
        ],
    ),
    (
        "ALTER TABLE users RENAME COLUMN email TO mail; ALTER TABLE users RENAME CONSTRAINT users_email_key TO users_mail_key",
        &["x_expand", "x_backfill", "x_contract"],
        &[
            "RENAME CONSTRAINT users_email_key TO users_mail_key;",
            "RENAME CONSTRAINT users_mail_key_new TO users_mail_key;",
        ],
    ),
    (
        "ALTER TABLE users RENAME COLUMN team TO crew; ALTER TABLE users ALTER COLUMN crew TYPE bigint; ALTER TABLE users RENAME CONSTRAINT users_team_fkey TO users_crew_fkey",
        &["x_expand", "x_backfill", "x_contract"],
        &["RENAME CONSTRAINT users_team_fkey TO users_crew_fkey;"],
    ),
    // Options of a view go along; one that no migration gives it stops the phase.
    (
        "ALTER TABLE fenced ALTER COLUMN label TYPE text",
        &["x_expand"],
        &[
            "CREATE VIEW fence WITH (check_option=cascaded, security_barrier=true) AS SELECT label FROM fenced;\n",
            "lower(option) NOT IN ('check_option=cascaded', 'security_barrier=true', 'security_barrier=on', 'security_barrier=yes', 'security_barrier=1')",
        ],
    ),
    (
        "DROP VIEW fence; ALTER TABLE fenced ALTER COLUMN label TYPE text; CREATE VIEW fence AS SELECT label FROM fenced;",
        &["x_expand", "x_contract"],
        &[
            "CREATE VIEW fence AS SELECT label FROM fenced;",
            "CREATE VIEW fence WITH (check_option=cascaded",
        ],
    ),
    // What PostgreSQL asks for around such a change says nothing of its own.
    (
        "DROP VIEW cheapest; DROP VIEW cheap;\nALTER TABLE books ALTER COLUMN title TYPE varchar(40);\nCREATE VIEW cheap AS SELECT id, title, price FROM books WHERE price < 10; GRANT SELECT ON cheap TO reader; CREATE VIEW cheapest AS SELECT title FROM cheap WHERE price = 1;",
        &["x_expand"],
        &["ALTER COLUMN title TYPE varchar(40)"],
    ),
    (
        "DROP VIEW bodies; ALTER TABLE posts RENAME COLUMN body TO content; CREATE VIEW bodies AS SELECT content FROM posts;",
        &["x_expand", "x_backfill", "x_switch", "x_contract"],
        &["CREATE VIEW bodies AS SELECT content FROM posts;"],
    ),
    (
        "DROP POLICY shown ON books; ALTER TABLE books ALTER COLUMN row TYPE bigint; CREATE POLICY shown ON books FOR SELECT TO reader USING (row IS NOT NULL);",
        &["x_expand", "x_backfill", "x_switch", "x_contract"],
        &["DROP POLICY shown ON books", "CREATE POLICY shown ON books FOR SELECT TO reader"],
    ),
    (
        "ALTER TABLE books RENAME COLUMN isbn TO code",
        &["x_expand", "x_backfill", "x_switch", "x_contract"],
        &["CREATE UNIQUE INDEX CONCURRENTLY books_isbn_key_new ON books (code);"],
    ),
    (
        "ALTER TABLE books RENAME COLUMN stock TO copies",
        &["x_expand", "x_backfill", "x_switch", "x_contract"],
        &["the generated column worth"],
    ),
    (
        "ALTER TABLE posts RENAME COLUMN body TO content",
        &["x_expand", "x_backfill", "x_switch", "x_contract"],
        &["the view bodies"],
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
        &["x_expand", "x_backfill", "x_switch", "x_contract"],
        &[
            "LOCK TABLE posts, users IN ACCESS EXCLUSIVE MODE",
            "FOREIGN KEY (author_new) REFERENCES users (id_new) NOT VALID",
        ],
    ),
    (
        "-- downhaul:back \"substr(id, 2)::int\"\nALTER TABLE grades ALTER COLUMN id TYPE text USING ('t' || grades.id);\n-- downhaul:back \"substr(grade, 2)::int\"\nALTER TABLE marks ALTER COLUMN grade TYPE text USING ('t'||\"grade\")",
        &["x_expand", "x_backfill", "x_switch", "x_contract"],
        &[
            "FOREIGN KEY (grade_new) REFERENCES grades (id_new)",
            "DROP CONSTRAINT marks_grade_fkey;",
        ],
    ),
    (
        "ALTER TABLE marks DROP CONSTRAINT marks_grade_fkey; ALTER TABLE grades ALTER COLUMN id TYPE text; ALTER TABLE marks ALTER COLUMN grade TYPE varchar(9); ALTER TABLE marks ADD FOREIGN KEY (grade) REFERENCES grades (id)",
        &["x_expand", "x_backfill", "x_switch", "x_contract"],
        &["marks_grade_fkey_new FOREIGN KEY (grade_new) REFERENCES grades (id_new)"],
    ),
    (
        "ALTER TABLE users ALTER COLUMN note TYPE bigint USING note::bigint, ADD COLUMN age int",
        &["x_expand", "x_backfill", "x_switch", "x_contract"],
        &[
            "-- downhaul:forward note_new \"(note::bigint)\"\nALTER TABLE users DROP COLUMN note_new",
        ],
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
    // From another table: by a directive, by an UPDATE, with an alias, quoted, in parentheses.
    (
        "-- downhaul:forward \"(SELECT name FROM users WHERE users.id = author)\"\nALTER TABLE posts ADD COLUMN who text",
        &["x_expand", "x_backfill", "x_contract"],
        &["users.id = posts.author FOR SHARE OF users", "AFTER UPDATE ON users"],
    ),
    (
        "ALTER TABLE posts ADD COLUMN who text, ADD COLUMN mail text; UPDATE posts p SET who = upper(u.name || ' ' || p.body), mail = (u.email) FROM users AS u WHERE u.id = p.author AND p.who IS NULL; ALTER TABLE posts ALTER COLUMN who SET NOT NULL",
        &["x_expand", "x_backfill", "x_contract"],
        &[
            "SET who = upper(u.name || ' ' || posts.body)",
            "ELSIF NEW.body IS DISTINCT FROM OLD.body",
            "posts_who_not_null",
            "SET mail = (u.email)",
        ],
    ),
    (
        "ALTER TABLE users ADD COLUMN word text; UPDATE users SET word = (SELECT g.\"select\" FROM \"Grüße\" g WHERE g.id = users.team)",
        &["x_expand", "x_backfill", "x_contract"],
        &["AFTER INSERT OR UPDATE ON \"Grüße\"", "g.\"select\""],
    ),
    // These stay what they were: a column, and an UPDATE in the backfill phase.
    (
        "ALTER TABLE posts ADD COLUMN who text DEFAULT 'x'; UPDATE posts SET who = u.name FROM users u WHERE u.id = author",
        &["x_expand", "x_backfill"],
        &["UPDATE posts SET who = u.name FROM users u"],
    ),
    (
        "ALTER TABLE users ADD COLUMN word text; UPDATE users SET word = p.body FROM posts p WHERE p.author = users.id",
        &["x_expand", "x_backfill"],
        &["UPDATE users SET word = p.body FROM posts p"],
    ),
    (
        "ALTER TABLE posts ADD COLUMN word text; UPDATE posts SET word = u.note FROM users u WHERE u.id = posts.id;\n-- downhaul:back \"(SELECT p.word FROM posts p WHERE p.id = users.id)\"\nALTER TABLE users DROP COLUMN note",
        &["x_expand", "x_backfill", "x_contract"],
        &[
            "AFTER INSERT OR UPDATE ON posts",
            "UPDATE users SET note = p.word",
            "ALTER COLUMN note DROP NOT NULL",
        ],
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
        "CREATE INDEX log_team ON log (team)",
        &["x"],
        &[
            "CREATE INDEX CONCURRENTLY log_1a_team_idx ON log_1a (team);\nCREATE INDEX log_1_team_idx ON log_1 (team);\nCREATE INDEX CONCURRENTLY log_rest_team_idx ON log_rest (team);\n",
            "\nCREATE INDEX log_team ON log (team);",
            "\nDROP INDEX log_team;",
        ],
    ),
    (
        "DROP INDEX log_kind",
        &["x_contract"],
        &["CREATE INDEX CONCURRENTLY log_1a_kind_idx ON log_1a (kind);"],
    ),
    (
        "ALTER TABLE log RENAME COLUMN kind TO sort",
        &["x_expand", "x_backfill", "x_switch", "x_contract"],
        &[
            "RENAME COLUMN kind_spare TO sort",
            "UPDATE log SET sort = kind\nWHERE sort IS NULL AND (kind IS NOT NULL)",
        ],
    ),
    (
        "ALTER TABLE log ALTER COLUMN team TYPE bigint",
        &["x_expand", "x_backfill", "x_switch", "x_contract"],
        &[
            "LOCK TABLE log, teams IN SHARE ROW EXCLUSIVE MODE;",
            "ALTER TABLE log_1a VALIDATE CONSTRAINT log_team_fkey_new;",
            "ALTER TABLE log ADD CONSTRAINT log_team_fkey_new FOREIGN KEY (team_new) REFERENCES teams;",
        ],
    ),
    (
        "ALTER TABLE log ADD CONSTRAINT kind_once UNIQUE (kind, day)",
        &["x_contract"],
        &[
            "ALTER TABLE log_1a ADD CONSTRAINT log_1a_kind_day_key UNIQUE USING INDEX log_1a_kind_day_key;\nALTER TABLE log_1 ADD CONSTRAINT log_1_kind_day_key UNIQUE (kind, day);",
            "ALTER TABLE log ADD CONSTRAINT kind_once UNIQUE (kind, day);",
        ],
    ),
    ("ALTER TABLE log DROP COLUMN kind", &["x_contract"], &["CREATE INDEX CONCURRENTLY"]),
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
        "ALTER TABLE users RENAME COLUMN name TO full_name; ALTER TABLE posts DROP COLUMN author; CREATE INDEX b ON seen (who)",
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

/// What a file drops and makes again, and what it says of one column in several statements. Each with the migrations
/// that come out, what the first of them holds, and what the contract holds.
#[test]
fn what_a_file_says_in_several_statements_is_one_change() {
    type Case<'c> = (&'c str, &'c [&'c str], &'c [&'c str], &'c [&'c str]);
    let cases: &[Case<'_>] = &[
        (
            "DROP INDEX users_name; CREATE INDEX users_name ON users (upper(name))",
            &["x_expand", "x_contract"],
            &["CREATE INDEX CONCURRENTLY users_name_new ON users (upper(name))"],
            &["DROP INDEX CONCURRENTLY", "RENAME TO users_name;"],
        ),
        (
            "DROP INDEX users_name, users_born; CREATE UNIQUE INDEX users_name ON users (name)",
            &["x_contract"],
            &[],
            &[
                "CREATE UNIQUE INDEX CONCURRENTLY users_name_new",
                "DROP INDEX CONCURRENTLY users_born",
            ],
        ),
        (
            "DROP VIEW bodies; ALTER TABLE posts ADD COLUMN title text; CREATE VIEW bodies AS SELECT body, title FROM posts",
            &["x"],
            &["DROP VIEW bodies;\n", "CREATE VIEW bodies AS SELECT body, title FROM posts"],
            &[],
        ),
        (
            "DROP TRIGGER IF EXISTS t ON posts CASCADE; DROP FUNCTION IF EXISTS f(); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; \
             CREATE TRIGGER t BEFORE UPDATE ON posts FOR EACH ROW EXECUTE FUNCTION f()",
            &["x"],
            &["DROP TRIGGER IF EXISTS t"],
            &[],
        ),
        (
            "DROP TABLE IF EXISTS fresh CASCADE; CREATE TABLE fresh (id int PRIMARY KEY); ALTER TABLE users DROP COLUMN note",
            &["x_expand", "x_contract"],
            &["DROP TABLE IF EXISTS fresh CASCADE;\n", "CREATE TABLE fresh"],
            &["DROP COLUMN note"],
        ),
        (
            "DROP INDEX IF EXISTS fresh; CREATE INDEX fresh ON users (note); DROP VIEW IF EXISTS fv; CREATE VIEW fv AS SELECT id FROM users",
            &["x"],
            &["DROP INDEX IF EXISTS fresh;", "CREATE INDEX CONCURRENTLY fresh"],
            &[],
        ),
        ("LOCK users; ALTER TABLE users ADD COLUMN age int", &["x"], &["ADD COLUMN age"], &[]),
        ("ALTER TYPE mood ADD VALUE IF NOT EXISTS 'calm'", &["x"], &["'calm'"], &[]),
        (
            "ALTER TABLE users ADD COLUMN ok boolean; UPDATE users SET ok = true; ALTER TABLE users ALTER ok SET NOT NULL; ALTER TABLE users ALTER ok SET DEFAULT false",
            &["x_expand", "x_backfill", "x_contract", "x_validate"],
            &["SET DEFAULT false"],
            &["SET ok = false\nWHERE ok IS NULL"],
        ),
        (
            "ALTER TABLE users ADD COLUMN pal int REFERENCES teams; UPDATE users SET pal = team; ALTER TABLE users ALTER pal SET NOT NULL",
            &["x_expand", "x_backfill", "x_contract", "x_validate"],
            &[],
            &["REFERENCES teams NOT VALID", "pal IS NOT NULL"],
        ),
        (
            "CREATE TABLE copied AS SELECT * FROM generate_series(1, 3) AS id; ALTER TABLE copied ADD PRIMARY KEY (id)",
            &["x"],
            &["ADD PRIMARY KEY"],
            &[],
        ),
    ];
    for (change, files, at_once, later) in cases {
        let expansion = expanded(change).unwrap_or_else(|refusal| panic!("{change}\n{refusal}"));
        let names: Vec<&str> = expansion.files.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(names, *files, "{change}");
        assert!(expansion.remaining.is_empty(), "{change}\n{:#?}", expansion.remaining);
        let text = |of: &[&str]| -> String {
            let files = expansion.files.iter().filter(|f| of.contains(&f.name.as_str()));
            files.map(|f| f.up.as_str()).collect()
        };
        let (first, last) = (text(&["x", "x_expand"]), text(&["x_contract"]));
        assert!(at_once.iter().all(|part| first.contains(part)), "{change}\n{first}");
        assert!(later.iter().all(|part| last.contains(part)), "{change}\n{last}");
    }
}

/// As Django writes it: the name of a rule that binds behind the contract only.
#[test]
fn when_constraints_are_checked_is_no_matter_of_a_phase() {
    let expansion = expanded(
        "ALTER TABLE posts ADD COLUMN team_id int NULL CONSTRAINT posts_team_fk REFERENCES teams (id) DEFERRABLE INITIALLY DEFERRED; SET CONSTRAINTS posts_team_fk IMMEDIATE",
    )
    .unwrap();
    let names: Vec<&str> = expansion.files.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(names, ["x_expand", "x_contract", "x_validate"]);
    assert!(expansion.files.iter().all(|f| !f.up.contains("SET CONSTRAINTS")));
}

#[test]
fn what_both_releases_name_is_not_taken_from_the_old_one() {
    for (change, wanted) in [
        ("DROP TABLE posts CASCADE; CREATE TABLE posts (id bigint PRIMARY KEY)", "exists already"),
        // The new release would have to write it until the contract.
        ("ALTER TABLE posts DROP COLUMN id", "-- downhaul:back id"),
        (
            "DROP TABLE teams; CREATE TABLE teams (id bigint PRIMARY KEY)",
            "made anew under its name",
        ),
        (
            "DROP VIEW everything; ALTER TABLE teams RENAME COLUMN title TO name; CREATE VIEW everything AS SELECT * FROM teams",
            "meaning of *",
        ),
    ] {
        let refusal = expanded(change).map(|e| e.files).unwrap_err().to_string();
        assert!(refusal.contains(wanted), "{change}\n{refusal}");
    }
    // A view that shows less, or reads what the file changes, waits for the contract.
    for change in [
        "DROP VIEW bodies; CREATE VIEW bodies AS SELECT id FROM posts",
        "DROP VIEW bodies; ALTER TABLE posts RENAME COLUMN body TO text; CREATE VIEW bodies AS SELECT text AS body FROM posts",
    ] {
        let files = expanded(change).unwrap().files;
        let with =
            files.iter().filter(|f| f.up.contains("CREATE VIEW ") && f.up.contains(" AS SELECT "));
        assert_eq!(with.map(|f| f.name.as_str()).collect::<Vec<_>>(), ["x_contract"], "{change}");
    }
    // Nor on the other engines is what a file makes dropped at the end.
    for dialect in [Dialect::Sqlite, Dialect::Mysql, Dialect::MariaDb] {
        let text = "DROP TABLE IF EXISTS fresh; CREATE TABLE fresh (id integer PRIMARY KEY); DROP TABLE gone";
        let mut before = Catalog::new(dialect);
        before.apply_script(
            &parse_script("CREATE TABLE gone (id integer PRIMARY KEY)", dialect),
            Origin::Baseline,
        );
        let script = parse_script(text, dialect);
        let expansion = expand(&script, &before, "x", ExpandOptions::default()).unwrap();
        let files: Vec<(&str, bool)> = expansion
            .files
            .iter()
            .map(|f| (f.name.as_str(), f.up.contains("DROP TABLE IF EXISTS fresh")))
            .collect();
        assert_eq!(files, [("x_expand", true), ("x_contract", false)], "{dialect:?}");
    }
}

/// A change, the migrations that come out, and what they hold and do not hold.
type Told =
    (&'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str]);

/// Statements about one column.
const TOGETHER: &[Told] = &[
    // The last name counts.
    (
        "ALTER TABLE users RENAME COLUMN note TO remark; ALTER TABLE users RENAME COLUMN remark TO saying",
        &["x_expand", "x_backfill", "x_contract"],
        &["ADD COLUMN saying text"],
        &["remark"],
    ),
    // The name and the type: one second column.
    (
        "ALTER TABLE users RENAME COLUMN team TO crew; ALTER TABLE users ALTER COLUMN crew TYPE bigint; ALTER TABLE users ALTER COLUMN crew SET NOT NULL",
        &["x_expand", "x_backfill", "x_contract", "x_validate"],
        &[
            "ADD COLUMN crew bigint",
            "SET crew = CAST(team AS bigint)",
            "SET team = CAST(crew AS integer)",
            "ALTER COLUMN crew SET NOT NULL",
            "FOREIGN KEY (crew) REFERENCES teams",
        ],
        &["crew_new", "_spare"],
    ),
    (
        "-- downhaul:back \"born::text || ' AD'\"\nALTER TABLE users ALTER born TYPE date USING to_date(born, 'YYYY'); ALTER TABLE users RENAME born TO birthday",
        &["x_expand", "x_backfill", "x_contract"],
        &["ADD COLUMN birthday date", "(to_date(born, 'YYYY'))", "(birthday::text || ' AD')"],
        &["downhaul:protect off\n-- x, 3"],
    ),
    (
        "ALTER TABLE users RENAME born TO birthday; -- downhaul:back \"birthday::text || ' AD'\"\nALTER TABLE users ALTER birthday TYPE date USING to_date(birthday, 'YYYY')",
        &["x_expand", "x_backfill", "x_contract"],
        &["ADD COLUMN birthday date", "(to_date(born, 'YYYY'))", "(birthday::text || ' AD')"],
        &[],
    ),
    // A type that leaves the rows alone comes first, and the name by itself.
    (
        "ALTER TABLE users RENAME COLUMN email TO mail; ALTER TABLE users ALTER COLUMN mail TYPE text; ALTER TABLE users ALTER COLUMN mail SET DEFAULT '-'",
        &["x_expand", "x_backfill", "x_contract"],
        &[
            "ALTER COLUMN email TYPE text",
            "ALTER COLUMN email SET DEFAULT '-'",
            "ADD COLUMN mail text",
        ],
        &["CAST"],
    ),
    // The conversions one inside the other.
    (
        "-- downhaul:back \"substr(born, 2)\"\nALTER TABLE users ALTER born TYPE int USING born::int; ALTER TABLE users ALTER born TYPE text USING 'n' || born",
        &["x_expand", "x_backfill", "x_switch", "x_contract"],
        &["('n' || (born::int))"],
        &["ADD COLUMN born_new integer"],
    ),
    (
        "ALTER TABLE posts ALTER author TYPE bigint; ALTER TABLE posts ALTER author TYPE numeric(20)",
        &[],
        &["types numeric(20) and integer do not match"],
        &[],
    ),
    (
        "ALTER TABLE users ALTER note TYPE varchar(9); ALTER TABLE users ALTER note TYPE text",
        &["x_expand", "x_backfill", "x_switch", "x_contract"],
        &["CAST(CAST(note AS varchar(9)) AS text)"],
        &[],
    ),
    // Rules and defaults of a column that changes.
    (
        "ALTER TABLE users ALTER team SET DEFAULT 1; ALTER TABLE users ALTER team TYPE bigint; ALTER TABLE users ALTER team DROP DEFAULT",
        &["x_expand", "x_backfill", "x_switch", "x_contract"],
        &["DROP DEFAULT"],
        &["SET DEFAULT"],
    ),
    (
        "ALTER TABLE users RENAME COLUMN name TO a; ALTER TABLE users ALTER COLUMN a SET NOT NULL; ALTER TABLE users ALTER a DROP DEFAULT",
        &["x_expand", "x_backfill", "x_contract"],
        &["ALTER COLUMN a DROP DEFAULT"],
        &[],
    ),
    (
        "ALTER TABLE users RENAME COLUMN note TO a; ALTER TABLE users ALTER COLUMN a DROP NOT NULL",
        &["x_expand", "x_backfill", "x_contract"],
        &["ALTER COLUMN note DROP NOT NULL"],
        &["a IS NOT NULL"],
    ),
    (
        "ALTER TABLE users ADD COLUMN mail text; UPDATE users SET mail = email; ALTER TABLE users ALTER mail SET NOT NULL, DROP COLUMN email",
        &["x_expand", "x_backfill", "x_contract", "x_validate"],
        &["SET mail = email"],
        &[],
    ),
    (
        "ALTER TABLE users ADD COLUMN mail text; UPDATE users SET mail = lower(email); ALTER TABLE users ALTER mail SET NOT NULL, DROP COLUMN born; ALTER TABLE users ALTER mail SET NOT NULL, DROP COLUMN email",
        &["x_expand", "x_backfill", "x_contract", "x_validate"],
        &["DROP COLUMN born", "DROP COLUMN email"],
        &[],
    ),
    // A default that the new type does not take, in one statement and in three; one that it takes stays.
    (
        "-- downhaul:back \"feels::text\"\nALTER TABLE users ALTER feels SET DEFAULT 'sad'; ALTER TABLE users ALTER feels TYPE text USING upper(feels::text)",
        &["x_expand", "x_backfill", "x_switch", "x_contract"],
        &["SET DEFAULT 'sad'"],
        &["CAST('sad'"],
    ),
    (
        "ALTER TABLE users DROP CONSTRAINT users_name_check, DROP CONSTRAINT users_email_key; DROP INDEX users_name; -- downhaul:back \"lower(users.name::text)\"\nALTER TABLE users ALTER name DROP DEFAULT, ALTER name TYPE mood USING CASE users.name WHEN 'anon' THEN 'sad'::mood ELSE public.users.name::mood END, ALTER name SET DEFAULT 'glad'",
        &["x_expand", "x_backfill", "x_switch", "x_contract"],
        &[
            "SET DEFAULT (CASE CAST('anon' AS text) WHEN 'anon' THEN 'sad'::mood ELSE CAST('anon' AS text)::mood END)",
            "SET DEFAULT 'glad'",
            "SET DEFAULT 'anon'",
        ],
        &[],
    ),
    // What only others refer to is no part of it.
    (
        "ALTER TABLE teams ALTER title TYPE varchar(9); ALTER TABLE users ALTER team SET NOT NULL",
        &["x_expand", "x_backfill", "x_switch", "x_contract", "x_validate"],
        &[],
        &[],
    ),
    // What the rule writes is kept, beside a backfill that keeps nothing.
    (
        "ALTER TABLE users ADD COLUMN age int DEFAULT 1; ALTER TABLE users ALTER age SET NOT NULL, ALTER age TYPE bigint",
        &["x_expand", "x_backfill", "x_fill", "x_switch", "x_contract", "x_validate"],
        &["-- downhaul:phase backfill\n-- x, 3 of 6"],
        &[],
    ),
];

#[test]
fn statements_about_one_column_are_one_change() {
    for (change, names, holds, lacks) in TOGETHER {
        let (text, remaining) = match expanded(change) {
            Ok(expansion) => {
                let found: Vec<&str> = expansion.files.iter().map(|f| f.name.as_str()).collect();
                assert_eq!(found, *names, "{change}");
                let text = |f: &downhaul_plan::PhaseFile| format!("{}{}", f.up, f.down);
                (expansion.files.iter().map(text).collect(), expansion.remaining)
            }
            Err(refusal) if names.is_empty() => (refusal.to_string(), Vec::new()),
            Err(refusal) => panic!("{change}\n{refusal}"),
        };
        let text: String = text;
        assert!(remaining.is_empty(), "{change}\n{remaining:#?}");
        for part in *holds {
            assert!(text.contains(part), "{change}\n{part}\n{text}");
        }
        for part in *lacks {
            assert!(!text.contains(part), "{change}\n{part}\n{text}");
        }
    }
}

/// What is not guessed: the message says what is missing.
const REFUSED: &[(&str, &str)] = &[
    (
        "ALTER TABLE users SET SCHEMA other",
        "ALTER TABLE users SET SCHEMA other;\n  CREATE VIEW users AS SELECT * FROM other.users;",
    ),
    // Found when a release writes, if not here.
    (
        "-- downhaul:back \"(cents * 100)::int\"\nALTER TABLE books ALTER COLUMN stock TYPE numeric USING stock / 100.0",
        "reads cents, which is no column of books",
    ),
    ("ALTER TABLE users ALTER COLUMN born TYPE date USING to_date(born, 'YYYY')", "downhaul:back"),
    (
        "ALTER TABLE users ALTER COLUMN born TYPE timestamptz USING born::timestamptz",
        "downhaul:back",
    ),
    ("ALTER TABLE users ADD COLUMN age int NOT NULL", "-- downhaul:forward age \"EXPRESSION\""),
    (
        "-- downhaul:forward \"(SELECT count(*) FROM posts WHERE posts.author = users.id)\"\nALTER TABLE users ADD COLUMN written int",
        "does not look up one row",
    ),
    (
        "-- downhaul:forward \"(SELECT body FROM posts WHERE posts.author = users.id)\"\nALTER TABLE users ADD COLUMN word text",
        "several rows of posts",
    ),
    (
        "-- downhaul:forward \"(SELECT id FROM teams WHERE teams.id IS NOT DISTINCT FROM users.team)\"\nALTER TABLE users ADD COLUMN word int",
        "several rows of teams",
    ),
    (
        "-- downhaul:forward \"(SELECT u.name FROM users u WHERE u.id = users.team)\"\nALTER TABLE users ADD COLUMN word text",
        "filled from itself",
    ),
    (
        "-- downhaul:forward \"(SELECT name FROM nowhere WHERE id = users.team)\"\nALTER TABLE users ADD COLUMN word text",
        "no migration creates the table nowhere",
    ),
    ("ALTER TABLE seen RENAME COLUMN at TO day", "partition"),
    ("ALTER TABLE log RENAME COLUMN day TO at", "log is partitioned by day"),
    ("ALTER TABLE log_rest RENAME COLUMN kind TO sort", "change the partitioned table itself"),
    ("ALTER TABLE log ALTER COLUMN id TYPE bigint", "foreign keys refer to log.id"),
    ("CREATE INDEX seen_who ON seen (who)", "no migration makes a partition of it"),
    ("ALTER TABLE books ALTER COLUMN stock TYPE bigint", "the generated column books.worth"),
    ("ALTER TABLE books ALTER COLUMN shelf TYPE bigint", "materialized view shelves"),
    ("ALTER TABLE books ALTER COLUMN isbn TYPE int", "takes NULLs for equal"),
    ("ALTER TABLE books RENAME COLUMN worth TO value", "generated column"),
    (
        "-- downhaul:back \"id::int\"\nALTER TABLE books ALTER COLUMN id TYPE text",
        "only an integer counts",
    ),
    (
        "ALTER TABLE grades ALTER COLUMN id TYPE text",
        "marks.grade refers to grades.id, and does not change with it",
    ),
    (
        "ALTER TABLE marks ALTER COLUMN grade TYPE text",
        "marks.grade refers to grades.id, which does not change with it",
    ),
    (
        "ALTER TABLE grades ALTER COLUMN id TYPE text; ALTER TABLE marks ALTER COLUMN grade TYPE bigint",
        "marks.grade refers to grades.id, and gets another type",
    ),
    (
        "-- downhaul:back \"id::int\"\nALTER TABLE grades ALTER COLUMN id TYPE text USING 't' || id; ALTER TABLE marks ALTER COLUMN grade TYPE text",
        "converted by different expressions",
    ),
    (
        "-- downhaul:back \"1\"\nALTER TABLE grades ALTER COLUMN id TYPE uuid USING gen_random_uuid();\n-- downhaul:back \"1\"\nALTER TABLE marks ALTER COLUMN grade TYPE uuid USING gen_random_uuid()",
        "converted by different expressions",
    ),
    ("ALTER TABLE shops ALTER COLUMN id TYPE bigint", "the view of_all reads shops.id by *"),
    ("ALTER TABLE posts DROP COLUMN body", "drop the view before it"),
    ("ALTER TABLE nowhere RENAME COLUMN a TO b", "no migration creates"),
    ("ALTER TABLE users RENAME COLUMN nothing TO b", "no column"),
    ("ALTER TABLE users RENAME COLUMN name TO email", "already"),
    (
        "ALTER TABLE users RENAME COLUMN note TO a; ALTER TABLE users DROP COLUMN a",
        "earlier statement",
    ),
    // The old release has the name until the contract.
    (
        "ALTER TABLE users RENAME COLUMN note TO remark; ALTER TABLE users ADD COLUMN note varchar(80)",
        "into a second one, whose expand phase comes behind the contract of this one",
    ),
    (
        "ALTER TABLE users ADD COLUMN born2 date; UPDATE users SET born2 = born::date; ALTER TABLE users DROP COLUMN born; ALTER TABLE users RENAME born2 TO born",
        "ALTER TABLE users ALTER COLUMN born TYPE date USING born::date;",
    ),
    (
        "ALTER TABLE users RENAME TO people; ALTER TABLE people ADD COLUMN age int",
        "change users first, in a file of its own",
    ),
    // Rows are written in between, over the type that is there then.
    (
        "ALTER TABLE users RENAME COLUMN team TO crew; UPDATE users SET crew = 1; ALTER TABLE users ALTER COLUMN crew TYPE bigint",
        "earlier statement",
    ),
    // Two expressions one inside the other: how it comes back is not known.
    (
        "ALTER TABLE users ALTER COLUMN born TYPE int USING length(born); ALTER TABLE users ALTER COLUMN born TYPE text USING 'n' || born",
        "downhaul:back",
    ),
    (
        "ALTER TABLE users RENAME COLUMN id TO nr; ALTER TABLE users ALTER COLUMN nr TYPE bigint",
        "write two files: ALTER TABLE users ALTER COLUMN id TYPE",
    ),
    (
        "ALTER TABLE users RENAME COLUMN team TO crew; ALTER TABLE users ALTER COLUMN crew TYPE text",
        "refers to another table",
    ),
    ("DO $$ BEGIN EXECUTE format('DROP TABLE %I', 'x'); END $$", "when it runs"),
    ("ALTER TYPE mood RENAME VALUE 'sad' TO 'down'", "new enum type"),
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

const FILE: &str = "
CREATE TABLE teams (id INTEGER PRIMARY KEY, title TEXT NOT NULL);
CREATE TABLE users (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    nick TEXT COLLATE NOCASE UNIQUE,
    team INTEGER REFERENCES teams (id),
    age INTEGER DEFAULT 3
);
CREATE INDEX users_name ON users (lower(name));
CREATE VIEW names AS SELECT id, name FROM users;
CREATE INDEX teams_title ON teams (title);
CREATE TABLE posts (id INTEGER PRIMARY KEY, author INTEGER REFERENCES users (id) ON DELETE CASCADE);
CREATE TABLE \"Odd tab\" (a INTEGER, \"b c\" TEXT, PRIMARY KEY (a)) WITHOUT ROWID;
";

fn expanded_in_sqlite(change: &str) -> Result<Expansion, Refusal> {
    let mut catalog = Catalog::new(Dialect::Sqlite);
    let problems = catalog.apply_script(&parse_script(FILE, Dialect::Sqlite), Origin::Baseline);
    assert!(problems.is_empty(), "{problems:?}");
    expand(&parse_script(change, Dialect::Sqlite), &catalog, "x", ExpandOptions::default())
}

/// As [`CASES`], for SQLite.
const SQLITE: &[(&str, &[&str], &[&str])] = &[
    (
        "ALTER TABLE users RENAME COLUMN name TO full_name",
        &["x_expand", "x_backfill", "x_contract"],
        &[
            "PRAGMA foreign_keys = off",
            "CHECK (name IS NOT NULL OR full_name IS NOT NULL)",
            "users_anew",
            "CREATE VIEW names",
        ],
    ),
    (
        "ALTER TABLE users RENAME COLUMN nick TO alias",
        &["x_expand", "x_backfill", "x_contract"],
        &[
            "CREATE UNIQUE INDEX users_alias_key_new",
            "RENAME COLUMN nick TO alias",
            "COLLATE BINARY",
        ],
    ),
    (
        "ALTER TABLE \"Odd tab\" RENAME COLUMN \"b c\" TO \"d\"\"e\"",
        &["x_expand", "x_backfill", "x_contract"],
        &["WHERE a = NEW.a"],
    ),
    ("ALTER TABLE users ADD COLUMN born TEXT", &["x"], &[]),
    ("ALTER TABLE users ADD COLUMN level INTEGER NOT NULL DEFAULT 1", &["x"], &[]),
    (
        "-- downhaul:forward \"length(name)\"\nALTER TABLE users ADD COLUMN letters INTEGER NOT NULL",
        &["x_expand", "x_backfill", "x_contract"],
        &["AFTER UPDATE OF name", "-- downhaul:forward letters"],
    ),
    (
        "ALTER TABLE users ADD COLUMN made TEXT DEFAULT CURRENT_TIMESTAMP",
        &["x_expand", "x_backfill", "x_contract"],
        &["coalesce(made, "],
    ),
    ("ALTER TABLE users DROP COLUMN age", &["x_contract"], &["DROP COLUMN age"]),
    (
        "-- downhaul:back \"'?'\"\nALTER TABLE teams DROP COLUMN title",
        &["x_expand", "x_contract"],
        &["teams_anew"],
    ),
    ("ALTER TABLE users ALTER COLUMN age TYPE TEXT", &["x_expand"], &["age TEXT"]),
    (
        "-- downhaul:forward \"age * 12\"\n-- downhaul:back \"age / 12\"\nALTER TABLE users ALTER COLUMN age TYPE INTEGER",
        &["x_expand"],
        &["SET age = (age * 12)"],
    ),
    (
        "ALTER TABLE users ALTER COLUMN age SET NOT NULL",
        &["x_backfill", "x_contract"],
        &["SET age = 3"],
    ),
    ("ALTER TABLE users ALTER COLUMN name DROP NOT NULL", &["x_expand"], &["users_anew"]),
    ("ALTER TABLE users ALTER COLUMN age SET DEFAULT 4", &["x_expand"], &["DEFAULT 4"]),
    ("ALTER TABLE users ALTER COLUMN age DROP DEFAULT", &["x_contract"], &[]),
    (
        "-- downhaul:forward age \"0\"\nALTER TABLE users ADD CONSTRAINT grown CHECK (age >= 0)",
        &["x_backfill", "x_contract"],
        &["WHERE NOT (age >= 0)", "CONSTRAINT grown CHECK"],
    ),
    ("CREATE INDEX users_team ON users (team)", &["x"], &[]),
    ("CREATE UNIQUE INDEX users_once ON users (name)", &["x_contract"], &[]),
    ("DROP INDEX users_name", &["x_contract"], &[]),
    ("DROP TABLE posts", &["x_contract"], &[]),
    (
        "-- downhaul:forward a \"substr(name, 1, 1)\"\n-- downhaul:forward b \"substr(name, 2)\"\n-- downhaul:back name \"a || b\"\nALTER TABLE users ADD COLUMN a TEXT NOT NULL, ADD COLUMN b TEXT, DROP COLUMN name",
        &[],
        &["view names"],
    ),
    (
        "-- downhaul:forward a \"substr(title, 1, 1)\"\n-- downhaul:forward b \"substr(title, 2)\"\n-- downhaul:back title \"a || b\"\nALTER TABLE teams ADD COLUMN a TEXT NOT NULL, ADD COLUMN b TEXT, DROP COLUMN title",
        &["x_expand", "x_backfill", "x_contract"],
        &["CHECK (title IS NOT NULL OR a IS NOT NULL OR b IS NOT NULL)"],
    ),
    (
        "CREATE TRIGGER seen AFTER INSERT ON posts BEGIN UPDATE users SET age = age + 1 WHERE id = NEW.author; END; ALTER TABLE users DROP COLUMN age",
        &[],
        &["the trigger seen on posts names users.age"],
    ),
    (
        "-- downhaul:forward age = \"0\"\n-- downhaul:foward \"1\"\nALTER TABLE users ALTER COLUMN age SET NOT NULL",
        &[],
        &["did you mean `downhaul:forward`?"],
    ),
    ("ALTER TABLE users RENAME TO people", &[], &["two names"]),
    (
        "CREATE TABLE n (id INTEGER PRIMARY KEY); INSERT INTO n SELECT id FROM teams; DROP TABLE teams; ALTER TABLE n RENAME TO teams",
        &[],
        &["anew by hand"],
    ),
    ("ALTER TABLE users RENAME COLUMN id TO nr", &[], &["primary key"]),
    ("ALTER TABLE users ADD COLUMN age2 INTEGER NOT NULL", &[], &["downhaul:forward"]),
    (
        "ALTER TABLE teams RENAME COLUMN title TO t; ALTER TABLE teams ALTER COLUMN id TYPE TEXT",
        &[],
        &["primary key"],
    ),
    // The type first, then a second column of that type under the other name.
    (
        "ALTER TABLE users RENAME COLUMN nick TO alias; ALTER TABLE users ALTER COLUMN alias TYPE varchar(20); ALTER TABLE users ALTER COLUMN alias SET DEFAULT 'none'",
        &["x_expand", "x_backfill", "x_contract"],
        &[
            "nick varchar(20) DEFAULT 'none'",
            "ADD COLUMN alias varchar(20)",
            "RENAME COLUMN nick TO alias",
        ],
    ),
    (
        "ALTER TABLE users RENAME COLUMN age TO months;\n-- downhaul:forward \"months * 12\"\n-- downhaul:back \"months / 12\"\nALTER TABLE users ALTER COLUMN months TYPE bigint",
        &["x_expand", "x_backfill", "x_contract"],
        &["(age * 12)", "(age / 12)", "RENAME COLUMN age TO months"],
    ),
    (
        "ALTER TABLE users RENAME COLUMN nick TO alias; ALTER TABLE users ALTER COLUMN alias SET NOT NULL",
        &[],
        &["changed by an earlier statement"],
    ),
    // SQLite itself drops no column that is indexed.
    (
        "-- downhaul:back \"'?'\"\nDROP INDEX teams_title; ALTER TABLE teams DROP COLUMN title",
        &["x_expand", "x_contract"],
        &["DROP INDEX teams_title"],
    ),
    (
        "ALTER TABLE users RENAME COLUMN nick TO alias; ALTER TABLE users ALTER COLUMN age SET NOT NULL",
        &[],
        &["changed by an earlier statement"],
    ),
];

#[test]
fn sqlite_builds_anew_what_it_cannot_alter() {
    for (change, files, holds) in SQLITE {
        let result = expanded_in_sqlite(change);
        if files.is_empty() {
            let text = match result {
                Err(refusal) => refusal.to_string(),
                Ok(expansion) => format!("{:?} {:?}", expansion.files, expansion.notes),
            };
            assert!(holds.iter().all(|part| text.contains(part)), "{change}\n{text}");
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
    }
}

/// What the rows hold where a rule is new, defaults within one statement, and directives that nothing
/// uses.
#[test]
fn rows_are_mended_and_defaults_come_last() {
    let all = |change: &str| {
        let expansion = expanded(change).unwrap_or_else(|refusal| panic!("{change}\n{refusal}"));
        assert!(expansion.remaining.is_empty(), "{change}\n{:#?}", expansion.remaining);
        let files: String = expansion
            .files
            .iter()
            .map(|f| format!("## {}\n{}\n{}\n", f.name, f.up, f.down))
            .collect();
        format!("{files}{:?}", expansion.notes)
    };
    let text = all(
        "-- downhaul:forward \"lpad(body, 4, '-')\"\nALTER TABLE posts ADD CONSTRAINT long CHECK (length(body) > 3)",
    );
    assert_eq!(text.matches("WHERE NOT (length(body) > 3)").count(), 2, "{text}");
    let text = all(
        "-- downhaul:forward \"NULL\"\nALTER TABLE posts ADD CONSTRAINT fk FOREIGN KEY (author) REFERENCES teams",
    );
    assert!(text.contains("NOT EXISTS (SELECT 1 FROM teams AS parent"), "{text}");
    let text = all("-- downhaul:forward \"body || id\"\nALTER TABLE posts ADD UNIQUE (body)");
    assert!(text.contains("earlier.ctid < posts.ctid"), "{text}");
    let text = all(
        "ALTER TABLE users ALTER COLUMN team DROP DEFAULT, ALTER COLUMN team TYPE bigint, ALTER COLUMN team SET DEFAULT 7",
    );
    assert!(text.contains("team SET DEFAULT 7"), "{text}");
    let text = all("-- downhaul:forward \"1 + 2\"\nALTER TABLE users ADD COLUMN age int; ");
    assert!(text.contains("1 + 2"), "{text}");
    let text = all("-- downhaul:back \"9 + 9\"\nALTER TABLE users ADD COLUMN age int");
    assert!(text.contains("has no part in this change"), "{text}");
}

/// Rows that are copied into a table that the file makes follow where each is one row; else they are copied once.
#[test]
fn copied_rows_follow_where_each_is_one_row() {
    let all = |insert: &str| {
        let change = format!(
            "CREATE TABLE copies (id int PRIMARY KEY, post int UNIQUE, body text);\n{insert};"
        );
        let expansion = expanded(&change).unwrap_or_else(|refusal| panic!("{change}\n{refusal}"));
        assert!(expansion.remaining.is_empty(), "{change}\n{:#?}", expansion.remaining);
        let files: String =
            expansion.files.iter().map(|f| format!("{}\n{}\n", f.up, f.down)).collect();
        format!("{files}{:?}", expansion.notes)
    };
    for insert in [
        "INSERT INTO copies SELECT id, id, body FROM posts",
        "INSERT INTO copies (id, body) SELECT p.id, upper(p.body) FROM posts AS p WHERE p.body <> ''",
    ] {
        let text = all(insert);
        assert!(text.contains("CREATE FUNCTION copies_copy()"), "{insert}\n{text}");
        assert!(text.contains("DELETE FROM copies WHERE id = OLD.id"), "{insert}\n{text}");
    }
    for insert in [
        "INSERT INTO copies SELECT id + 1, id + 1, body FROM posts",
        "INSERT INTO copies SELECT DISTINCT id, id, body FROM posts",
        "INSERT INTO copies SELECT p.id, p.id, p.body FROM posts p JOIN users u ON u.id = p.author",
        "INSERT INTO copies SELECT author, author, max(body) FROM posts GROUP BY author",
        "INSERT INTO copies SELECT id, id, (SELECT 'x') FROM posts",
    ] {
        let text = all(insert);
        assert!(!text.contains("CREATE FUNCTION"), "{insert}\n{text}");
        assert!(text.contains("rows that the old release writes afterwards"), "{insert}\n{text}");
    }
}

#[test]
fn a_watch_stands_from_expand_to_contract() {
    let watched = |change: &str| {
        let options = ExpandOptions { watch: true };
        expand(&parse_script(change, Dialect::Postgres), &shop(), "x", options).unwrap()
    };
    for (change, fires) in [
        (
            "ALTER TABLE users RENAME COLUMN name TO full_name",
            "WHEN (NEW.name IS NOT NULL AND NEW.name IS DISTINCT FROM ('anon') AND NEW.full_name IS NULL)",
        ),
        ("ALTER TABLE users DROP COLUMN \"Odd Name\"", "BEFORE UPDATE OF \"Odd Name\" ON users"),
        (
            "DROP TABLE posts CASCADE",
            "BEFORE INSERT OR UPDATE OR DELETE ON posts FOR EACH STATEMENT",
        ),
    ] {
        let expansion = watched(change);
        assert!(expansion.remaining.is_empty(), "{:?}", expansion.remaining);
        let (first, last) = (expansion.files.first().unwrap(), expansion.files.last().unwrap());
        assert!(first.up.contains(fires), "{}", first.up);
        assert!(first.down.contains("DROP TABLE ") && last.up.contains("_watch"), "{}", last.up);
        assert!(last.down.contains(fires), "{}", last.down);
    }
    let none = watched("ALTER TABLE users ADD COLUMN age int");
    assert!(none.files.iter().all(|file| !file.up.contains("watch")), "{:?}", none.files);
}

const SHOP_OF_MARIADB: &str = "
CREATE TABLE teams (id int PRIMARY KEY);
CREATE TABLE users (
    id int AUTO_INCREMENT PRIMARY KEY,
    name varchar(40) CHARACTER SET latin1 NOT NULL CHECK (name <> ''),
    kind varchar(20) DEFAULT 'plain' CHECK (kind <> ''),
    team int,
    boss int,
    n int,
    seen timestamp DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
    CONSTRAINT users_team FOREIGN KEY (team) REFERENCES teams (id),
    CONSTRAINT users_boss FOREIGN KEY (boss) REFERENCES teams (id) ON DELETE SET NULL
);
CREATE TABLE logs (id int PRIMARY KEY, line varchar(20), page varchar(300));
CREATE TABLE lists (id int AUTO_INCREMENT PRIMARY KEY);
CREATE TABLE items (id int PRIMARY KEY, list int, CONSTRAINT of_list FOREIGN KEY (list) REFERENCES lists (id));
CREATE VIEW last_logs AS SELECT id FROM logs;
";

fn expanded_in(dialect: Dialect, change: &str) -> Result<Expansion, Refusal> {
    let mut catalog = Catalog::new(dialect);
    let problems = catalog.apply_script(&parse_script(SHOP_OF_MARIADB, dialect), Origin::Baseline);
    assert!(problems.is_empty(), "{problems:?}");
    expand(&parse_script(change, dialect), &catalog, "x", ExpandOptions::default())
}

/// Changes, and what the refusal says; empty where it is carried.
const MARIADB: &[(&str, &str)] = &[
    ("ALTER TABLE users RENAME COLUMN name TO full_name", ""),
    ("ALTER TABLE users RENAME COLUMN team TO crew", ""),
    ("ALTER TABLE users RENAME COLUMN boss TO head", "writes to users.boss itself"),
    ("ALTER TABLE users RENAME COLUMN kind TO sort", "has a default"),
    ("ALTER TABLE users MODIFY COLUMN id bigint AUTO_INCREMENT", "ALGORITHM=COPY, LOCK=SHARED"),
    ("ALTER TABLE users MODIFY COLUMN id bigint AUTO_INCREMENT, ALGORITHM=COPY, LOCK=SHARED", ""),
    (
        "ALTER TABLE users MODIFY COLUMN id smallint AUTO_INCREMENT, ALGORITHM=COPY",
        "hold all its values",
    ),
    ("ALTER TABLE users MODIFY COLUMN id bigint NOT NULL, ALGORITHM=COPY", "counts no more"),
    ("ALTER TABLE lists MODIFY COLUMN id bigint AUTO_INCREMENT, ALGORITHM=COPY", ""),
    (
        "ALTER TABLE items MODIFY COLUMN list bigint; ALTER TABLE lists MODIFY COLUMN id bigint AUTO_INCREMENT, ALGORITHM=COPY, LOCK=SHARED",
        "",
    ),
    ("ALTER TABLE lists MODIFY COLUMN id bigint AUTO_INCREMENT", "lists.id counts"),
    ("ALTER TABLE items MODIFY COLUMN list bigint", "lists.id counts"),
    ("ALTER TABLE users MODIFY COLUMN seen datetime", "counts"),
    ("ALTER TABLE users MODIFY COLUMN n bigint", ""),
    ("ALTER TABLE users MODIFY COLUMN n bigint NOT NULL", ""),
    ("ALTER TABLE users CHANGE n m bigint NOT NULL DEFAULT 3 COMMENT 'counted'", ""),
    ("ALTER TABLE users MODIFY n INTEGER(11)", ""),
    ("ALTER TABLE users CHANGE team crew bigint", "write two files, the second behind"),
    ("ALTER TABLE logs CHANGE line entry text NOT NULL", ""),
    ("ALTER TABLE users MODIFY n decimal(10,2)", "-- downhaul:back \"round(n)\""),
    ("ALTER TABLE logs CHANGE line entry varchar(5)", "-- downhaul:forward \"left(line, 5)\""),
    ("ALTER TABLE logs MODIFY line enum('a','it''s')", "if(line IN ('a', 'it''s'), line, 'a')"),
    ("ALTER TABLE users MODIFY COLUMN n varchar(20)", "go from the one type to the other"),
    ("-- downhaul:forward \"n\"\nALTER TABLE users MODIFY COLUMN n smallint", "only one way"),
    (
        "-- downhaul:forward \"n\"\n-- downhaul:back \"n\"\nALTER TABLE users MODIFY COLUMN n smallint",
        "",
    ),
    ("ALTER TABLE users MODIFY COLUMN team bigint", ""),
    ("ALTER TABLE teams MODIFY COLUMN id bigint", ""),
    (
        "ALTER TABLE teams MODIFY COLUMN id bigint; ALTER TABLE users MODIFY COLUMN team bigint, MODIFY COLUMN boss bigint",
        "",
    ),
    (
        "ALTER TABLE teams MODIFY COLUMN id bigint; ALTER TABLE users MODIFY COLUMN team mediumint",
        "gets another type than the column",
    ),
    (
        "ALTER TABLE teams MODIFY COLUMN id bigint; ALTER TABLE users RENAME COLUMN team TO crew",
        "changed by an earlier statement",
    ),
    ("ALTER TABLE teams MODIFY COLUMN id smallint", "does not hold each value as it is"),
    ("ALTER TABLE users MODIFY COLUMN team bigint NOT NULL", "and another NOT NULL at once"),
    ("ALTER TABLE logs MODIFY COLUMN line text", ""),
    ("ALTER TABLE logs MODIFY COLUMN page varchar(400)", ""),
    ("ALTER TABLE logs MODIFY COLUMN page varchar(80)", "go from the one type to the other"),
    ("ALTER TABLE logs CONVERT TO CHARACTER SET utf8mb4", ""),
    ("ALTER TABLE logs DROP PRIMARY KEY, ADD PRIMARY KEY (line)", "may be NULL"),
    ("ALTER TABLE users DROP PRIMARY KEY, ADD PRIMARY KEY (name)", "is AUTO_INCREMENT"),
    ("ALTER TABLE users DROP PRIMARY KEY, ADD PRIMARY KEY (id, name)", ""),
    ("ALTER TABLE teams DROP PRIMARY KEY, ADD PRIMARY KEY (id)", ""),
    ("RENAME TABLE users TO members", ""),
    ("ALTER TABLE users RENAME TO members", ""),
    ("RENAME TABLE logs TO lines", "the view last_logs names logs"),
    ("RENAME TABLE users TO teams", "there is a teams already"),
    ("ALTER TABLE users ADD CONSTRAINT rank FOREIGN KEY (n) REFERENCES teams (id)", ""),
    ("ALTER TABLE users ADD FOREIGN KEY (n) REFERENCES teams (id)", ""),
    (
        "CREATE TABLE fresh (id int PRIMARY KEY, team int); CREATE UNIQUE INDEX u ON fresh (id, team); ALTER TABLE fresh ADD FOREIGN KEY (team) REFERENCES teams (id)",
        "",
    ),
];

#[test]
fn mariadb_carries_what_it_can_and_refuses_the_rest() {
    for (change, wanted) in MARIADB {
        match expanded_in(Dialect::MariaDb, change) {
            Err(refusal) => {
                let refusal = refusal.to_string();
                assert!(!wanted.is_empty() && refusal.contains(wanted), "{change}\n{refusal}");
            }
            Ok(expansion) => {
                assert!(wanted.is_empty(), "{change}: {:#?}", expansion.files);
                // The table states no character set, which is the database's then.
                let known = change.contains("CONVERT TO") || expansion.remaining.is_empty();
                assert!(known, "{change}\n{:#?}", expansion.remaining);
            }
        }
    }
    let of_mysql = expanded_in(Dialect::Mysql, "ALTER TABLE users RENAME COLUMN name TO full_name");
    assert!(of_mysql.expect_err("a CHECK").to_string().contains("MySQL renames no such column"));
}

#[test]
fn mariadb_changes_places_in_one_statement() {
    let change = "-- downhaul:forward \"left(line, 5)\"\n-- downhaul:back \"line\"\nALTER TABLE logs MODIFY COLUMN line varchar(5)";
    let expansion = expanded_in(Dialect::MariaDb, change).expect("carried");
    let names: Vec<&str> = expansion.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["x_expand", "x_backfill", "x_switch", "x_contract"]);
    let switch = &expansion.files[2].up;
    for part in [
        "CHANGE COLUMN line line_new varchar(20)",
        "CHANGE COLUMN line_new line varchar(5)",
        "RENAME COLUMN line_side TO line_other_side",
        ", ALGORITHM=INSTANT;",
    ] {
        assert!(switch.contains(part), "{part}\n{switch}");
    }
    assert_eq!(switch.matches("ALTER TABLE").count(), 1, "{switch}");
}

/// MySQL drops no foreign key between tables that changed places in the other order (error 1091), and gives
/// no column that a foreign key names another name `INSTANT`.
#[test]
fn mysql_changes_the_places_of_what_is_referred_to_first() {
    for change in [
        "ALTER TABLE users MODIFY COLUMN team bigint",
        "ALTER TABLE teams MODIFY COLUMN id bigint; ALTER TABLE users MODIFY COLUMN team bigint, MODIFY COLUMN boss bigint",
    ] {
        let expansion = expanded_in(Dialect::Mysql, change).expect("carried");
        assert!(expansion.remaining.is_empty(), "{change}\n{:#?}", expansion.remaining);
        let switch = &expansion.files[2];
        assert_eq!(switch.name, "x_switch");
        for (text, column) in [(&switch.up, "id id_new"), (&switch.down, "id id_new")] {
            let parent = text.find(&format!("CHANGE COLUMN {column}")).expect("the key");
            let child = text.find("CHANGE COLUMN team team_new").expect("what refers to it");
            assert!(parent < child, "{change}\n{text}");
            assert!(!text.contains("ALGORITHM=INSTANT"), "{change}\n{text}");
        }
    }
    // Where the key counts, an index that the server made is given its name `INPLACE`.
    let change =
        "ALTER TABLE lists MODIFY COLUMN id bigint AUTO_INCREMENT, ALGORITHM=COPY, LOCK=SHARED";
    let expansion = expanded_in(Dialect::Mysql, change).expect("carried");
    let renamed = "RENAME INDEX of_list TO of_list_kept, ALGORITHM=INPLACE, LOCK=NONE";
    assert!(expansion.files[2].up.contains(renamed), "{}", expansion.files[2].up);
}

#[test]
fn tables_that_refer_to_each_other_have_no_order_on_mysql() {
    let base = "CREATE TABLE a (id int PRIMARY KEY, b int);\n\
                CREATE TABLE b (id int PRIMARY KEY, a int, CONSTRAINT of_a FOREIGN KEY (a) REFERENCES a (id));\n\
                ALTER TABLE a ADD CONSTRAINT of_b FOREIGN KEY (b) REFERENCES b (id);\n\
                ALTER TABLE a ADD CONSTRAINT one FOREIGN KEY (id) REFERENCES b (a);\n";
    for (dialect, carried) in [(Dialect::MariaDb, true), (Dialect::Mysql, false)] {
        let mut catalog = Catalog::new(dialect);
        let base = base.replace("a int,", "a int, UNIQUE KEY (a),");
        catalog.apply_script(&parse_script(&base, dialect), Origin::Baseline);
        let change = parse_script("ALTER TABLE a MODIFY COLUMN id bigint NOT NULL", dialect);
        match expand(&change, &catalog, "x", ExpandOptions::default()) {
            Ok(_) => assert!(carried, "{dialect:?}"),
            Err(refusal) => {
                let refusal = refusal.to_string();
                assert!(
                    !carried && refusal.contains("to itself through other tables"),
                    "{refusal}"
                );
            }
        }
    }
}

/// `MODIFY` and `CHANGE` state the whole column: each part of it goes where both releases bear it.
#[test]
fn mariadb_puts_each_part_of_a_column_into_its_phase() {
    let base = "CREATE TABLE t (id int PRIMARY KEY, name varchar(70) NOT NULL DEFAULT 'x', state enum('on','it''s off') NOT NULL, days set('a','b'), seen timestamp NULL ON UPDATE CURRENT_TIMESTAMP, note text, many int, KEY by_many (many)) DEFAULT CHARSET=utf8mb3;";
    let expanded = |change: &str| {
        let mut catalog = Catalog::new(Dialect::MariaDb);
        catalog.apply_script(&parse_script(base, Dialect::MariaDb), Origin::Baseline);
        expand(&parse_script(change, Dialect::MariaDb), &catalog, "x", ExpandOptions::default())
    };
    let carried = |change: &str| {
        let expansion = expanded(change).expect("carried");
        assert_eq!(expansion.remaining, [""; 0], "{change}");
        expansion
    };
    let phases = |expansion: &Expansion| -> Vec<String> {
        expansion.files.iter().map(|file| file.name.clone()).collect()
    };
    let all = |expansion: &Expansion| -> String {
        expansion.files.iter().map(|f| format!("{}\n{}", f.up, f.down)).collect()
    };

    // A default that the statement leaves out goes when the old release has gone.
    let longer = carried("ALTER TABLE t MODIFY name varchar(80) NOT NULL");
    assert_eq!(phases(&longer), ["x_expand", "x_contract"]);
    assert!(longer.files[0].up.contains("varchar(80) NOT NULL DEFAULT 'x'"), "{longer:#?}");
    assert!(longer.files[1].up.contains("varchar(80) NOT NULL, ALGORITHM"), "{longer:#?}");
    // What only the new type holds: `down` is told, or says beforehand that it is not.
    assert!(longer.notes.iter().any(|note| note.contains("left(name, 70)")), "{longer:#?}");
    let told = carried(
        "-- downhaul:back \"left(name, 70)\"\nALTER TABLE t MODIFY name varchar(80) NOT NULL DEFAULT 'x'",
    );
    assert!(told.files[0].down.contains("SET name = (left(name, 70))"), "{told:#?}");
    assert_eq!(told.notes, [""; 0]);
    // Beyond 255 bytes a length takes two bytes, and the server would copy the table.
    let second = carried("ALTER TABLE t MODIFY name varchar(90) NOT NULL DEFAULT 'x'");
    assert_eq!(phases(&second), ["x_expand", "x_backfill", "x_switch", "x_contract"]);
    // One more label in the same byte, or in another order.
    assert_eq!(phases(&carried("ALTER TABLE t MODIFY days set('a','b','c')")), ["x_expand"]);
    assert_eq!(phases(&carried("ALTER TABLE t MODIFY days set('c','a','b')")).len(), 4);
    // The value that stands in for a missing one is a text.
    let labels = carried("ALTER TABLE t MODIFY state enum('it''s off','on') NOT NULL");
    assert!(all(&labels).contains("NOT NULL DEFAULT 'it''s off', ALGORITHM"), "{labels:#?}");
    // As many characters, in more bytes.
    let converted = carried("ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4");
    assert!(
        all(&converted).contains("note_new mediumtext CHARACTER SET utf8mb4"),
        "{converted:#?}"
    );
    // A computed column is not added along with anything else while others write.
    let computed = carried(
        "ALTER TABLE t ADD COLUMN low varchar(70) AS (lower(name)) VIRTUAL, ADD INDEX low (low)",
    );
    assert_eq!(all(&computed).matches("ALTER TABLE t ADD COLUMN").count(), 1);
    assert!(all(&computed).contains("CREATE INDEX low ON t (low)"), "{computed:#?}");
    // The server builds it without writers only.
    let text = carried("ALTER TABLE t ADD FULLTEXT INDEX words (note)");
    assert!(all(&text).contains("ALGORITHM=INPLACE LOCK=SHARED"), "{text:#?}");
    assert!(text.notes.iter().any(|note| note.contains("writers of t wait")), "{text:#?}");
    // Both of a renamed stamp stay as they are while rows are filled.
    let renamed = carried(
        "ALTER TABLE t CHANGE days day set('a','b') DEFAULT NULL, CHANGE seen seen_at timestamp NULL ON UPDATE CURRENT_TIMESTAMP",
    );
    let kept = "SET day = days, seen = seen, seen_at = seen_at\nWHERE";
    assert!(all(&renamed).contains(kept), "{renamed:#?}");
    assert!(!renamed.notes.iter().any(|note| note.contains("has triggers")), "{renamed:#?}");
    // As frameworks write it: the name in one statement, the rest in the next, and the index last.
    let rails = carried(
        "ALTER TABLE t CHANGE name label varchar(70) NOT NULL DEFAULT 'x'; ALTER TABLE t CHANGE label label varchar(90) NOT NULL DEFAULT 'y'",
    );
    let one = carried("ALTER TABLE t CHANGE name label varchar(90) NOT NULL DEFAULT 'y'");
    assert_eq!(rails, one);
    for sql in [
        "ALTER TABLE t CHANGE many n bigint; ALTER TABLE t RENAME INDEX by_many TO by_n",
        "ALTER TABLE t CHANGE many n bigint, RENAME INDEX by_many TO by_n",
    ] {
        let expansion = carried(sql);
        assert!(all(&expansion).contains("INDEX by_n_new TO by_n"), "{sql}\n{expansion:#?}");
    }
    // Rows are written in between, or two expressions speak of two values.
    for sql in [
        "ALTER TABLE t CHANGE name label varchar(70) NOT NULL; UPDATE t SET label = 'z' WHERE id = 1; ALTER TABLE t MODIFY label varchar(90) NOT NULL",
        "-- downhaul:forward \"left(name, 5)\"\n-- downhaul:back \"name\"\nALTER TABLE t MODIFY name varchar(5) NOT NULL;\n-- downhaul:forward \"left(name, 4)\"\n-- downhaul:back \"name\"\nALTER TABLE t MODIFY name varchar(4) NOT NULL",
    ] {
        let refusal = expanded(sql).expect_err("two values").to_string();
        assert!(refusal.contains("by an earlier statement"), "{sql}\n{refusal}");
    }
    // A pause is taken only by who asks for it.
    let stamp = "ALTER TABLE t MODIFY seen timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP";
    let refusal = expanded(stamp).expect_err("a copy").to_string();
    assert!(refusal.contains("ALGORITHM=COPY, LOCK=SHARED"), "{refusal}");
    let asked = carried(&format!("{stamp}, ALGORITHM=COPY, LOCK=SHARED"));
    assert!(all(&asked).contains("CURRENT_TIMESTAMP, ALGORITHM=COPY, LOCK=SHARED"), "{asked:#?}");
}

#[test]
fn what_a_statement_of_mariadb_leaves_to_the_server() {
    let ups = |change: &str| {
        let expansion = expanded_in(Dialect::MariaDb, change).expect("carried");
        assert_eq!(expansion.remaining, [""; 0], "{change}");
        expansion.files.iter().map(|f| format!("{}\n{}", f.up, f.down)).collect::<String>()
    };
    // A name for an index, which the way back needs.
    let unnamed = ups("ALTER TABLE logs ADD INDEX (line), DROP COLUMN page");
    for part in ["CREATE INDEX line ON logs (line)", "DROP INDEX line ON logs"] {
        assert!(unnamed.contains(part), "{part}\n{unnamed}");
    }
    // What stands for a value that is missing.
    let filled = ups("ALTER TABLE logs MODIFY line varchar(20) NOT NULL DEFAULT 'none'");
    assert!(filled.contains("UPDATE logs SET line = 'none'\nWHERE line IS NULL"), "{filled}");
    // An index that is dropped and made again under its name is built beside the old one.
    let again = {
        let mut catalog = Catalog::new(Dialect::MariaDb);
        let base = "CREATE TABLE t (a int PRIMARY KEY, b int, c int, KEY b (b));";
        catalog.apply_script(&parse_script(base, Dialect::MariaDb), Origin::Baseline);
        let change = "ALTER TABLE t DROP INDEX b, ADD INDEX b (b, c)";
        let change = parse_script(change, Dialect::MariaDb);
        let expansion = expand(&change, &catalog, "x", ExpandOptions::default()).expect("carried");
        assert_eq!(expansion.remaining, [""; 0]);
        expansion.files.iter().map(|f| f.up.clone()).collect::<String>()
    };
    for part in [
        "CREATE INDEX b_new ON t (b, c) ALGORITHM=INPLACE LOCK=NONE;",
        "DROP INDEX b ON t;\nALTER TABLE t RENAME INDEX b_new TO b, ALGORITHM=INPLACE, LOCK=NONE;",
    ] {
        assert!(again.contains(part), "{part}\n{again}");
    }
    // The index of a foreign key, which goes when another one can serve.
    let served = ups("CREATE INDEX both_ways ON items (list, id)");
    assert!(
        served.contains("CREATE INDEX of_list ON items (list);\nDROP INDEX both_ways ON items;"),
        "{served}"
    );
}

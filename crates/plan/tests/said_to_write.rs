//! What a refusal says to write is written, and goes through.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use downhaul_catalog::{Catalog, Origin};
use downhaul_plan::{ExpandOptions, Expansion, Refusal, expand};
use downhaul_syntax::{Dialect, parse_script};

fn expanded(dialect: Dialect, base: &str, change: &str) -> Result<Expansion, Refusal> {
    let mut catalog = Catalog::new(dialect);
    let problems = catalog.apply_script(&parse_script(base, dialect), Origin::Baseline);
    assert!(problems.is_empty(), "{problems:?}");
    expand(&parse_script(change, dialect), &catalog, "x", ExpandOptions::default())
}

fn files(expansion: &Expansion) -> Vec<&str> {
    expansion.files.iter().map(|file| file.name.as_str()).collect()
}

/// The ready lines of a refusal, one text for each of its proposals.
fn proposals(refusal: &Refusal) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for line in refusal.next.lines() {
        match (line.strip_prefix("  "), out.last_mut()) {
            (Some(line), Some(last)) => {
                last.push_str(line);
                last.push('\n');
            }
            _ => out.push(String::new()),
        }
    }
    out.retain(|text| !text.is_empty());
    out
}

#[test]
fn a_column_without_a_value_comes_with_the_lines_that_give_it_one() {
    const BASE: &str = "CREATE TABLE users (id int PRIMARY KEY, name varchar(20));";
    const MOOD: &str = "CREATE TYPE mood AS ENUM ('it''s', 'sad'); CREATE DOMAIN word AS text;";
    for (dialect, base, change, defaults) in [
        (
            Dialect::Postgres,
            "",
            "ALTER TABLE users ADD COLUMN hash BYTEA NOT NULL, ADD COLUMN n numeric(9,2) NOT NULL, ADD COLUMN at timestamptz NOT NULL, ADD \"Is on\" bool NOT NULL, ADD COLUMN tags text[] NOT NULL, ADD COLUMN doc jsonb NOT NULL",
            Some(
                "ALTER TABLE users ADD COLUMN hash bytea NOT NULL DEFAULT '', ADD COLUMN n numeric(9,2) NOT NULL DEFAULT 0, ADD COLUMN at timestamptz NOT NULL DEFAULT now(), ADD COLUMN \"Is on\" boolean NOT NULL DEFAULT FALSE, ADD COLUMN tags text[] NOT NULL DEFAULT '{}', ADD COLUMN doc jsonb NOT NULL DEFAULT '{}';\n",
            ),
        ),
        (
            Dialect::Postgres,
            MOOD,
            "ALTER TABLE users ADD COLUMN feels mood NOT NULL",
            Some("ALTER TABLE users ADD COLUMN feels mood NOT NULL DEFAULT 'it''s';\n"),
        ),
        // A type of which nothing is known, and a rule that asks for another value in each row.
        (Dialect::Postgres, MOOD, "ALTER TABLE users ADD COLUMN w word NOT NULL", None),
        (Dialect::Postgres, "", "ALTER TABLE users ADD COLUMN mail text NOT NULL UNIQUE", None),
        (
            Dialect::MariaDb,
            "",
            "ALTER TABLE users ADD COLUMN n int NOT NULL, ADD COLUMN t text NOT NULL",
            Some(
                "ALTER TABLE users ADD COLUMN n int NOT NULL DEFAULT 0, ADD COLUMN t text NOT NULL DEFAULT '';\n",
            ),
        ),
        (
            Dialect::Sqlite,
            "",
            "ALTER TABLE users ADD COLUMN n INTEGER NOT NULL",
            Some("ALTER TABLE users ADD COLUMN n INTEGER NOT NULL DEFAULT 0;\n"),
        ),
    ] {
        let base = format!("{BASE}{base}");
        let refusal = expanded(dialect, &base, change).map(|e| e.files).unwrap_err();
        assert!(refusal.what.contains("nothing says what rows"), "{refusal}");
        let said = proposals(&refusal);
        let given = said.iter().find(|text| text.contains("DEFAULT"));
        assert_eq!(given.map(String::as_str), defaults, "{refusal}");
        if let Some(text) = given {
            let carried = expanded(dialect, &base, text).unwrap_or_else(|e| panic!("{text}\n{e}"));
            assert_eq!(files(&carried), ["x"], "{text}");
        }
        let above = said.iter().find(|text| text.starts_with("-- downhaul:forward")).unwrap();
        let computed = format!("{}{change}", above.replace("EXPRESSION", "CAST(name AS char)"));
        expanded(dialect, &base, &computed).unwrap_or_else(|e| panic!("{computed}\n{e}"));
        let empty = said.last().unwrap();
        let carried = expanded(dialect, &base, empty).unwrap_or_else(|e| panic!("{empty}\n{e}"));
        assert!(!empty.contains("NOT NULL") && files(&carried)[0].starts_with('x'), "{empty}");
    }
}

/// A rule that no two rows can keep fails at the contract, when nobody can turn round easily.
#[test]
fn a_key_over_one_value_for_all_rows_is_refused_with_the_lines() {
    const BASE: &str = "CREATE TABLE users (id int PRIMARY KEY, team int, name varchar(20));\n\
                        CREATE TABLE loose (name varchar(20));";
    let (postgres, maria, sqlite) = (Dialect::Postgres, Dialect::MariaDb, Dialect::Sqlite);
    for (dialect, change) in [
        (postgres, "ALTER TABLE users ADD COLUMN code text NOT NULL DEFAULT 'x' UNIQUE;"),
        (
            postgres,
            "ALTER TABLE users ADD COLUMN code text DEFAULT '', ADD CONSTRAINT one UNIQUE (code);",
        ),
        (
            postgres,
            "ALTER TABLE users ADD COLUMN code timestamptz DEFAULT now();\nCREATE UNIQUE INDEX CONCURRENTLY ON users (code);",
        ),
        (
            postgres,
            "ALTER TABLE users ADD COLUMN code int DEFAULT 0, ADD COLUMN more int DEFAULT 0;\nALTER TABLE users ADD UNIQUE (code, more);",
        ),
        (postgres, "ALTER TABLE loose ADD COLUMN code int DEFAULT 1, ADD PRIMARY KEY (code);"),
        (
            maria,
            "ALTER TABLE users ADD COLUMN code int NOT NULL DEFAULT 1;\nALTER TABLE users ADD UNIQUE KEY codes (code);",
        ),
        (
            sqlite,
            "ALTER TABLE users ADD COLUMN code INTEGER NOT NULL DEFAULT 1;\nCREATE UNIQUE INDEX codes ON users (code);",
        ),
    ] {
        let refusal = expanded(dialect, BASE, change).map(|e| e.files).unwrap_err();
        assert!(refusal.what.contains("could only fail"), "{change}\n{refusal}");
        let nulls = !change.contains("PRIMARY");
        assert_eq!(refusal.next.contains("NULLs are not equal"), nulls, "{change}\n{refusal}");
        // The lines, above the statement that adds the column, in place of its default.
        let [above] = &proposals(&refusal)[..] else { panic!("{refusal}") };
        let default = ["'x'", "''", "now()", "0", "1"].map(|value| format!(" DEFAULT {value}"));
        let bare = default.iter().fold(change.to_owned(), |text, d| text.replace(d, ""));
        let from = if change.contains("loose") { "length(name)" } else { "id" };
        let text = format!("{}{bare}", above.replace("EXPRESSION", from));
        let text = text.replace("timestamptz", "int");
        expanded(dialect, BASE, &text).unwrap_or_else(|e| panic!("{text}\n{e}"));
        // In a file of its own.
        if let Some((first, rule)) = change.split_once('\n') {
            let base = format!("{BASE}\n{first}");
            expanded(dialect, &base, rule).unwrap_or_else(|e| panic!("{rule}\n{e}"));
        }
    }
    // Another column or value tells rows apart, or a condition leaves them out, or it is said what they get.
    for (dialect, change) in [
        (postgres, "ALTER TABLE users ADD COLUMN code uuid DEFAULT gen_random_uuid() UNIQUE;"),
        (postgres, "ALTER TABLE users ADD COLUMN code uuid DEFAULT own() UNIQUE;"),
        (postgres, "ALTER TABLE users ADD COLUMN code text DEFAULT NULL UNIQUE;"),
        (
            postgres,
            "ALTER TABLE users ADD COLUMN code int NOT NULL DEFAULT 0, ADD UNIQUE (team, code);",
        ),
        (
            postgres,
            "ALTER TABLE users ADD COLUMN code text NOT NULL DEFAULT '';\nCREATE UNIQUE INDEX ON users (code) WHERE code <> '';",
        ),
        (
            postgres,
            "ALTER TABLE users ADD COLUMN code text NOT NULL DEFAULT '';\n-- downhaul:forward code \"CAST(id AS text)\"\nALTER TABLE users ADD CONSTRAINT one UNIQUE (code);",
        ),
        (
            maria,
            "ALTER TABLE users ADD COLUMN code int NOT NULL DEFAULT 1;\nALTER TABLE users ADD UNIQUE KEY codes (team, code);",
        ),
    ] {
        expanded(dialect, BASE, change).unwrap_or_else(|e| panic!("{change}\n{e}"));
    }
}

/// What a release or a row could not bear is asked for, in the words of the file.
#[test]
fn labels_that_go_or_come_with_an_enum_made_anew_are_asked_for() {
    const BASE: &str = "CREATE TYPE mood AS ENUM ('sad', 'ok', 'no''ne');\n\
                        CREATE TABLE people (id int PRIMARY KEY, mood mood NOT NULL, was mood[]);\n\
                        CREATE TABLE pets (id int PRIMARY KEY, mood mood);";
    let postgres = Dialect::Postgres;
    let recipe = |labels: &str, table: &str, using: &str| {
        format!(
            "ALTER TYPE mood RENAME TO mood_old;\nCREATE TYPE mood AS ENUM ({labels});\n\
             ALTER TABLE {table} ALTER COLUMN mood TYPE mood USING {using};\n\
             DROP TYPE mood_old;"
        )
    };
    const ONE: &str = "CREATE TYPE mood AS ENUM ('sad', 'ok', 'no''ne');\nCREATE TABLE people (id int PRIMARY KEY, mood mood NOT NULL);";
    let plain = "mood::text::mood";
    // Only the order: nothing is asked.
    let reordered = recipe("'no''ne', 'ok', 'sad'", "people", plain);
    let carried = expanded(postgres, ONE, &reordered).unwrap();
    assert_eq!(files(&carried), ["x_expand", "x_backfill", "x_switch", "x_contract"]);

    let refusal = expanded(postgres, ONE, &recipe("'sad', 'ok'", "people", plain)).unwrap_err();
    assert!(refusal.what.contains("mood has no 'no''ne' any more"), "{refusal}");
    let using = proposals(&refusal)[0].replace("LABEL", "ok");
    let text = recipe("'sad', 'ok'", "people", using.trim().strip_prefix("USING ").unwrap());
    let carried = expanded(postgres, ONE, &text).unwrap_or_else(|e| panic!("{text}\n{e}"));
    let told = carried.notes.iter().any(|n| n.contains("what still writes 'no'ne' fails then"));
    assert!(told, "{:?}", carried.notes);

    let more = recipe("'sad', 'ok', 'no''ne', 'new'", "people", plain);
    let refusal = expanded(postgres, ONE, &more).unwrap_err();
    assert!(refusal.what.contains("mood has 'new' besides"), "{refusal}");
    let above = proposals(&refusal)[0].replace("LABEL", "ok");
    let text = more.replace("ALTER TABLE", &format!("{above}ALTER TABLE"));
    let carried = expanded(postgres, ONE, &text).unwrap_or_else(|e| panic!("{text}\n{e}"));
    let switch = carried.files.iter().find(|f| f.name == "x_switch").unwrap();
    assert!(switch.up.contains("ALTER TYPE mood RENAME TO mood_old"), "{}", switch.up);
    assert!(switch.up.contains("ELSE CAST(mood AS text) END AS mood_old)"), "{}", switch.up);

    // The old one goes: all columns of it have to change.
    let refusal = expanded(postgres, BASE, &reordered).unwrap_err();
    assert!(refusal.what.contains("people.was is of type mood too"), "{refusal}");
    // A rule that names the type would mean another one before the switch than behind it.
    let base = format!("{ONE}\nCREATE INDEX happy ON people (id) WHERE mood = 'ok'::mood;");
    let refusal = expanded(postgres, &base, &reordered).unwrap_err();
    assert!(refusal.what.contains("happy of people names the type mood"), "{refusal}");
    let base = format!("{ONE}\nCREATE INDEX happy ON people (id) WHERE mood = 'ok';");
    expanded(postgres, &base, &reordered).unwrap_or_else(|e| panic!("{e}"));
}

/// A foreign key that goes and comes again binds until it comes: between the phases nothing else would.
#[test]
fn a_foreign_key_that_comes_again_binds_until_then() {
    const BASE: &str = "CREATE TABLE users (id int PRIMARY KEY, uid char(36) NOT NULL, CONSTRAINT by_uid UNIQUE (uid));\n\
                        CREATE TABLE orders (id int PRIMARY KEY, user_id int NOT NULL, CONSTRAINT fk FOREIGN KEY (user_id) REFERENCES users (id));";
    let again = "ALTER TABLE orders DROP CONSTRAINT fk;\n\
                 ALTER TABLE orders ADD CONSTRAINT fk2 FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE;";
    // The key that it refers to goes in between: the one moves to the other.
    let moved = "ALTER TABLE orders DROP CONSTRAINT fk;\n\
                 ALTER TABLE users DROP CONSTRAINT users_pkey, ADD PRIMARY KEY (uid);\n\
                 ALTER TABLE users ADD CONSTRAINT by_id UNIQUE (id);\n\
                 ALTER TABLE orders ADD CONSTRAINT fk FOREIGN KEY (user_id) REFERENCES users (id);";
    // Another column: the new release may write what the old one refuses.
    let other = "ALTER TABLE orders DROP CONSTRAINT fk;\nALTER TABLE orders ADD CONSTRAINT fk FOREIGN KEY (id) REFERENCES users (id);";
    let alone = "ALTER TABLE users DROP CONSTRAINT users_pkey, ADD PRIMARY KEY (uid);";
    let refusal = expanded(Dialect::Postgres, BASE, alone).unwrap_err();
    for said in ["orders DROP CONSTRAINT fk,", "users ADD UNIQUE (id),", "REFERENCES users (id)"] {
        assert!(refusal.next.contains(said), "{refusal}");
    }
    for (dialect, change, dropped) in [
        (Dialect::Postgres, again, "x_expand"),
        (Dialect::Postgres, moved, "x_contract"),
        (Dialect::Postgres, other, "x_expand"),
        (Dialect::MariaDb, again, "x_contract"),
        (Dialect::Mysql, again, "x_contract"),
    ] {
        let carried = expanded(dialect, BASE, change).unwrap_or_else(|e| panic!("{change}\n{e}"));
        let drops = |text: &str| {
            let line = text.lines().find(|l| l.contains("DROP CONSTRAINT fk"));
            line.map(str::to_owned)
        };
        let found: Vec<(&str, String)> = carried
            .files
            .iter()
            .filter_map(|file| Some((file.name.as_str(), drops(&file.up)?)))
            .collect();
        let [(file, line)] = &found[..] else { panic!("{change}: {found:?}") };
        assert_eq!(*file, dropped, "{change}");
        // In one statement with the one that takes its place.
        let together = dialect == Dialect::Postgres && change == again;
        assert_eq!(line.ends_with(','), together, "{change}: {line}");
    }
}

const KEYED: &str = "
CREATE TABLE items (id bigserial PRIMARY KEY, block int NOT NULL, nr int NOT NULL, kind text, link text NOT NULL CONSTRAINT items_link_key UNIQUE);
CREATE TABLE proofs (batch int, kind text NOT NULL, PRIMARY KEY (batch, kind));
CREATE INDEX items_block ON items (block);
";

/// Another primary key, said in several statements or by the column that takes the old one along.
#[test]
fn a_primary_key_that_goes_and_comes_in_several_statements_is_one_change() {
    for (change, wanted) in [
        (
            "ALTER TABLE items DROP CONSTRAINT items_pkey; ALTER TABLE items ADD PRIMARY KEY (block, nr)",
            &["x_contract"][..],
        ),
        (
            "ALTER TABLE items DROP CONSTRAINT IF EXISTS items_pkey; ALTER TABLE items ADD CONSTRAINT items_pkey PRIMARY KEY (nr, id)",
            &["x_expand", "x_contract"],
        ),
        (
            "ALTER TABLE items DROP CONSTRAINT items_pkey; ALTER TABLE items DROP COLUMN id; ALTER TABLE items ADD PRIMARY KEY (block, nr); DROP INDEX items_block",
            &["x_contract"],
        ),
        (
            "ALTER TABLE items DROP COLUMN id, ADD PRIMARY KEY (link), DROP CONSTRAINT items_link_key",
            &["x_contract"],
        ),
        (
            "ALTER TABLE items DROP COLUMN id; ALTER TABLE items ADD PRIMARY KEY (link)",
            &["x_contract"],
        ),
        (
            "ALTER TABLE items DROP CONSTRAINT items_pkey; UPDATE items SET kind = 'a' WHERE kind IS NULL; ALTER TABLE items ALTER COLUMN kind SET NOT NULL; ALTER TABLE items ALTER COLUMN nr SET NOT NULL; ALTER TABLE items ADD PRIMARY KEY (id, kind)",
            &["x_expand", "x_backfill", "x_contract", "x_validate"],
        ),
        (
            "ALTER TABLE items DROP CONSTRAINT items_pkey; ALTER TABLE items ADD PRIMARY KEY (kind); ALTER TABLE items DROP COLUMN id",
            &["x_contract", "x_validate"],
        ),
        (
            "ALTER TABLE items DROP CONSTRAINT items_pkey;\n-- downhaul:forward \"'a'\"\nALTER TABLE items ALTER COLUMN kind SET NOT NULL;\nALTER TABLE items ADD PRIMARY KEY (id, kind)",
            &["x_expand", "x_contract", "x_validate"],
        ),
    ] {
        let carried = expanded(Dialect::Postgres, KEYED, change)
            .unwrap_or_else(|refusal| panic!("{change}\n{refusal}"));
        assert_eq!(files(&carried), wanted, "{change}");
        assert!(carried.remaining.is_empty(), "{change}\n{:#?}", carried.remaining);
        if change.contains("downhaul:forward") {
            assert!(carried.files[1].up.contains("SET kind = ('a')"), "{}", carried.files[1].up);
        }
    }
    // A column of the key that has no default: what the new release inserts without it has none.
    let drop = "ALTER TABLE proofs DROP CONSTRAINT proofs_pkey; ALTER TABLE proofs ADD PRIMARY KEY (batch); ALTER TABLE proofs DROP COLUMN kind";
    let refusal = expanded(Dialect::Postgres, KEYED, drop).map(|e| e.files).unwrap_err();
    assert!(refusal.next.contains("-- downhaul:back kind"), "{refusal}");
    let said = drop.replace(
        "ALTER TABLE proofs DROP COL",
        "\n-- downhaul:back kind \"'sgx'\"\nALTER TABLE proofs DROP COL",
    );
    let carried = expanded(Dialect::Postgres, KEYED, &said).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(files(&carried), ["x_expand", "x_contract"]);
    assert!(carried.files[0].up.contains("CREATE TRIGGER"), "{}", carried.files[0].up);
}

/// An identity that is added is filled as a `serial` column is, and becomes the identity in an instant.
#[test]
fn an_identity_is_filled_in_the_background() {
    const BASE: &str = "CREATE TABLE notes (body text); GRANT SELECT, INSERT ON notes TO writer; GRANT SELECT ON notes TO reader;";
    for (change, wanted) in [
        (
            "ALTER TABLE notes ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY",
            &["x_expand", "x_backfill", "x_switch"][..],
        ),
        (
            "ALTER TABLE notes ADD COLUMN nr int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, ADD COLUMN at timestamptz DEFAULT now()",
            &["x_expand", "x_backfill", "x_switch", "x_contract"],
        ),
    ] {
        let carried =
            expanded(Dialect::Postgres, BASE, change).unwrap_or_else(|e| panic!("{change}\n{e}"));
        assert_eq!(files(&carried), wanted, "{change}");
        assert!(carried.remaining.is_empty(), "{change}\n{:#?}", carried.remaining);
        assert!(carried.files[0].up.contains("GRANT USAGE ON SEQUENCE"), "{}", carried.files[0].up);
        assert!(!carried.files[0].up.contains("reader"), "{}", carried.files[0].up);
        assert!(carried.files[2].up.contains(" AS IDENTITY"), "{}", carried.files[2].up);
    }
    let options =
        "ALTER TABLE notes ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY (START WITH 100)";
    let refusal = expanded(Dialect::Postgres, BASE, options).map(|e| e.files).unwrap_err();
    assert!(refusal.what.contains("options"), "{refusal}");
}

const NONCES: &str = "
CREATE TABLE nonces (nonce varchar(40) NOT NULL PRIMARY KEY, kind varchar(20), old_one int);
CREATE INDEX nonces_kind ON nonces (kind);
";

/// A table that is dropped and made anew under its name: the difference is said in statements, which go through.
#[test]
fn a_table_made_anew_by_hand_comes_with_what_changes() {
    const NEW: &str =
        "(nonce varchar(40) NOT NULL PRIMARY KEY, kind varchar(20) NOT NULL DEFAULT 'x', n int)";
    let by_name = format!("DROP TABLE nonces; CREATE TABLE nonces {NEW}");
    let beside = format!(
        "CREATE TABLE fresh {NEW}; INSERT INTO fresh (nonce) SELECT nonce FROM nonces; DROP TABLE nonces; ALTER TABLE fresh RENAME TO nonces"
    );
    for dialect in [Dialect::Postgres, Dialect::MariaDb, Dialect::Sqlite] {
        for change in [&by_name, &beside] {
            let refusal = expanded(dialect, NONCES, change).map(|e| e.files).unwrap_err();
            assert!(refusal.what.contains("anew"), "{refusal}");
            let said = proposals(&refusal);
            let said = said.first().unwrap_or_else(|| panic!("{dialect:?} {refusal}"));
            for part in ["old_one", "ADD COLUMN n ", "NOT NULL", "DROP INDEX"] {
                assert!(said.contains(part), "{part}\n{refusal}");
            }
            let parts: Vec<&str> = match dialect {
                // Each in a file of its own, it says.
                Dialect::Sqlite => said.lines().collect(),
                _ => vec![said.as_str()],
            };
            let mut base = NONCES.to_owned();
            for part in parts {
                let carried = expanded(dialect, &base, part)
                    .unwrap_or_else(|e| panic!("{dialect:?} {part}\n{e}"));
                assert!(carried.remaining.is_empty(), "{part}\n{:#?}", carried.remaining);
                for file in &carried.files {
                    base.push_str(&file.up);
                }
            }
        }
        // Where rows may go.
        let refusal = expanded(dialect, NONCES, &by_name).map(|e| e.files).unwrap_err();
        assert!(refusal.next.contains("CREATE TABLE nonces2 "), "{refusal}");
        let said = format!("CREATE TABLE nonces2 {NEW}; DROP TABLE nonces");
        let carried = expanded(dialect, NONCES, &said).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(files(&carried), ["x_expand", "x_contract"]);
    }
    // Rows that are copied under another name stay, and a value that is made of others is nobody's to guess.
    let copied = |values: &str| {
        format!(
            "CREATE TABLE fresh (nonce varchar(40) PRIMARY KEY, label text); INSERT INTO fresh (nonce, label) SELECT {values} FROM nonces; DROP TABLE nonces; ALTER TABLE fresh RENAME TO nonces"
        )
    };
    for dialect in [Dialect::MariaDb, Dialect::Sqlite] {
        let base = "CREATE TABLE nonces (nonce varchar(40) PRIMARY KEY, old_one text);";
        let refusal =
            expanded(dialect, base, &copied("nonce, old_one")).map(|e| e.files).unwrap_err();
        let said = proposals(&refusal).remove(0);
        assert!(said.contains("RENAME COLUMN old_one TO label"), "{refusal}");
        assert!(!said.contains("DROP COLUMN"), "{refusal}");
        let refusal =
            expanded(dialect, base, &copied("nonce, upper(old_one)")).map(|e| e.files).unwrap_err();
        assert!(!refusal.next.contains("DROP COLUMN"), "{refusal}");
    }
    // As Django and Prisma write names.
    let refusal = expanded(
        Dialect::Sqlite,
        "CREATE TABLE \"User\" (\"id\" INTEGER NOT NULL PRIMARY KEY, \"name\" TEXT); CREATE UNIQUE INDEX \"User_key\" ON \"User\"(\"name\");",
        "CREATE TABLE \"new__User\" (\"id\" INTEGER NOT NULL PRIMARY KEY, \"fullName\" TEXT); INSERT INTO \"new__User\" (\"id\", \"fullName\") SELECT \"id\", \"name\" FROM \"User\"; DROP TABLE \"User\"; ALTER TABLE \"new__User\" RENAME TO \"User\"; CREATE UNIQUE INDEX \"User_key\" ON \"User\"(\"fullName\");",
    );
    let refusal = refusal.map(|e| e.files).unwrap_err();
    assert!(refusal.next.contains("RENAME COLUMN name TO \"fullName\";"), "{refusal}");
    let refusal = expanded(
        Dialect::Sqlite,
        "CREATE TABLE \"User\" (\"id\" INTEGER NOT NULL PRIMARY KEY, \"name\" TEXT);",
        "CREATE TABLE \"new__User\" (\"id\" INTEGER NOT NULL PRIMARY KEY, \"name\" TEXT NOT NULL); INSERT INTO \"new__User\" (\"id\", \"name\") SELECT \"id\", coalesce(\"name\", '') FROM \"User\"; DROP TABLE \"User\"; ALTER TABLE \"new__User\" RENAME TO \"User\";",
    );
    let refusal = refusal.map(|e| e.files).unwrap_err();
    assert!(refusal.next.contains("ALTER COLUMN name SET NOT NULL;"), "{refusal}");
    // Another key, over a column that is new.
    let keyed = "DROP TABLE nonces; CREATE TABLE nonces (nonce varchar(40) NOT NULL, kind varchar(20), state text NOT NULL PRIMARY KEY)";
    let refusal = expanded(Dialect::Postgres, NONCES, keyed).map(|e| e.files).unwrap_err();
    let said = proposals(&refusal).remove(0);
    let refusal = expanded(Dialect::Postgres, NONCES, &said).map(|e| e.files).unwrap_err();
    assert!(refusal.what.contains("nonces.state is NOT NULL"), "{refusal}");
    let said = said.replace(
        "ALTER TABLE nonces ADD COLUMN",
        "-- downhaul:forward state \"nonce\"\nALTER TABLE nonces ADD COLUMN",
    );
    let carried =
        expanded(Dialect::Postgres, NONCES, &said).unwrap_or_else(|e| panic!("{said}\n{e}"));
    assert_eq!(files(&carried), ["x_expand", "x_backfill", "x_contract"]);
    assert!(carried.remaining.is_empty(), "{:#?}", carried.remaining);
}

/// All that a file lacks is asked for at once, so that the second try goes through.
#[test]
fn columns_without_a_value_in_several_statements_are_asked_for_together() {
    const BASE: &str = "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY);";
    for dialect in [Dialect::Postgres, Dialect::MariaDb, Dialect::Sqlite] {
        let change = "ALTER TABLE a ADD COLUMN n int NOT NULL; ALTER TABLE b ADD COLUMN m int DEFAULT 1; ALTER TABLE b ADD COLUMN o int NOT NULL; ALTER TABLE a ADD COLUMN p int NOT NULL";
        let refusal = expanded(dialect, BASE, change).map(|e| e.files).unwrap_err();
        assert!(refusal.what.starts_with("a.n, b.o, a.p are NOT NULL"), "{refusal}");
        let said = proposals(&refusal);
        assert_eq!(said.len(), 3, "{refusal}");
        for text in [&said[0], &said[2]] {
            let carried = expanded(dialect, BASE, text).unwrap_or_else(|e| panic!("{text}\n{e}"));
            assert_eq!(files(&carried), ["x"], "{dialect:?} {text}");
        }
    }
}

/// A column that is added, filled and takes the name of another one is one that changes its type; where the
/// file lets go what stands on the old one, it has to say so.
#[test]
fn a_change_of_type_by_hand_comes_with_its_lines() {
    const BASE: &str = "CREATE TABLE carts (id int PRIMARY KEY, total text NOT NULL DEFAULT '0', n int); CREATE INDEX carts_total ON carts (total);";
    let by_hand = |added: &str, value: &str, rest: &str| {
        format!(
            "ALTER TABLE carts ADD COLUMN total_new {added}; UPDATE carts SET total_new = {value}; ALTER TABLE carts DROP COLUMN total; ALTER TABLE carts RENAME COLUMN total_new TO total;{rest}"
        )
    };
    let whole = |change: &str| {
        let expansion = expanded(Dialect::Postgres, BASE, change)?;
        assert!(expansion.remaining.is_empty(), "{change}\n{:#?}", expansion.remaining);
        assert_eq!(files(&expansion), ["x_expand", "x_backfill", "x_switch", "x_contract"]);
        let texts = expansion.files.iter().map(|f| format!("{}{}", f.up, f.down));
        Ok::<String, Refusal>(texts.collect())
    };
    // The index goes with the column.
    let refusal = whole(&by_hand("bigint", "total::bigint", "")).unwrap_err();
    assert!(refusal.what.contains("gets another type by hand"), "{refusal}");
    let said = proposals(&refusal);
    assert_eq!(
        said,
        [
            "ALTER TABLE carts ALTER COLUMN total DROP DEFAULT;\nALTER TABLE carts ALTER COLUMN total DROP NOT NULL;\nALTER TABLE carts ALTER COLUMN total TYPE bigint USING total::bigint;\n"
        ]
    );
    whole(&format!("DROP INDEX carts_total; {}", said[0])).unwrap();
    // It comes back, or is dropped by name.
    let index = "CREATE INDEX carts_total ON carts (total);";
    whole(&by_hand("bigint", "total::bigint", index)).unwrap();
    let text =
        whole(&by_hand("bigint NOT NULL DEFAULT 3", "total::bigint WHERE total <> ''", index))
            .unwrap_err();
    assert!(text.next.contains("CASE WHEN total <> '' THEN total::bigint ELSE 3 END"), "{text}");
    let aside = "ALTER TABLE carts RENAME COLUMN total TO was; ALTER TABLE carts ADD COLUMN total bigint; UPDATE carts SET total = carts.was::bigint WHERE was IS NOT NULL; ALTER TABLE carts DROP COLUMN was;";
    let text = whole(&format!("DROP INDEX carts_total; {aside}")).unwrap();
    assert!(text.contains("carts.total::bigint"), "{text}");
    assert!(!text.contains("CASE WHEN"), "{text}");
    // Of another column, or of none, it is no change of type.
    for value in ["n", "0", "total::bigint + n"] {
        let refusal = whole(&by_hand("bigint", value, "")).unwrap_err();
        assert!(refusal.what.contains("goes only at the contract"), "{refusal}");
    }
}

//! What is found inside bodies, and where it stands.

use crate::{Change, Dialect, Span, parse_script};

/// Every change inside the bodies of `source`, one line each: its kind, and the text at its span.
fn found(dialect: Dialect, source: &str) -> Vec<String> {
    let script = parse_script(source, dialect);
    let mut lines = Vec::new();
    for statement in &script.statements {
        for (change, span) in statement.spanned_changes() {
            match change {
                Change::Do { .. } | Change::CreateRoutine { .. } | Change::Dynamic { .. } => {
                    walk(source, change, span, &mut lines);
                }
                Change::DynamicUnknown { text } => lines.push(format!("unknown: {text}")),
                _ => {}
            }
        }
    }
    lines
}

fn walk(source: &str, change: &Change, span: Span, lines: &mut Vec<String>) {
    let (changes, spans) = match change {
        Change::Do { body, body_spans, .. } => (body, body_spans),
        Change::CreateRoutine { body_changes, body_spans, .. } => (body_changes, body_spans),
        Change::Dynamic { changes, change_spans, .. } => (changes, change_spans),
        Change::DynamicUnknown { text } => {
            lines.push(format!("unknown: {text}"));
            return;
        }
        _ => {
            let json = format!("{change:?}");
            let kind = json.split([' ', '{']).next().unwrap_or_default();
            let at = span.text(source).split_whitespace().collect::<Vec<_>>().join(" ");
            lines.push(format!("{kind}: {at}"));
            return;
        }
    };
    assert_eq!(changes.len(), spans.len(), "a span for each change");
    for (change, span) in changes.iter().zip(spans) {
        walk(source, change, *span, lines);
    }
}

fn check(dialect: Dialect, source: &str, expect: &[&str]) {
    assert_eq!(found(dialect, source), expect, "{source}");
}

#[test]
fn do_blocks() {
    check(
        Dialect::Postgres,
        "DO $$
         DECLARE n int := 0; t text;
         BEGIN
           IF EXISTS (SELECT 1 FROM a WHERE CASE WHEN x THEN y END) THEN
             ALTER TABLE a ADD b int, DROP c;
           ELSIF n = 1 THEN n := n + 1;
           ELSE DROP TABLE d;
           END IF;
           FOR r IN SELECT * FROM e LOOP UPDATE f SET g = r.g; END LOOP;
           <<l>> WHILE n < 3 LOOP DELETE FROM h; EXIT l; END LOOP l;
           CASE n WHEN 1 THEN TRUNCATE i; ELSE NULL; END CASE;
           PERFORM setval('s', 1);
           BEGIN CREATE INDEX j ON k (l); EXCEPTION WHEN duplicate_table OR others THEN RAISE NOTICE 'x; DROP TABLE z'; END;
         END $$;",
        &[
            "AddColumn: ADD b int",
            "DropColumn: DROP c",
            "DropTable: d",
            "Select: SELECT * FROM e",
            "Update: UPDATE f SET g = r.g",
            "Delete: DELETE FROM h",
            "Truncate: i",
            "Select: setval('s', 1)",
            "SetSequenceValue: setval('s', 1)",
            "CreateIndex: INDEX j ON k (l)",
        ],
    );
    check(Dialect::Postgres, "DO LANGUAGE plpython3u 'x'", &["unknown: x"]);
}

#[test]
fn functions() {
    check(
        Dialect::Postgres,
        "CREATE FUNCTION f() RETURNS trigger AS $f$ BEGIN INSERT INTO log VALUES (NEW.a); RETURN NEW; END $f$ LANGUAGE plpgsql;
         CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'DELETE FROM t; SELECT 1';
         CREATE FUNCTION h() RETURNS int BEGIN ATOMIC UPDATE t SET a = 1; SELECT 2; END;
         CREATE FUNCTION i() RETURNS int LANGUAGE c AS 'DROP TABLE t';",
        &[
            "Insert: INSERT INTO log VALUES (NEW.a)",
            "Delete: DELETE FROM t",
            "Select: SELECT 1",
            "Update: UPDATE t SET a = 1",
            "Select: SELECT 2",
        ],
    );
}

#[test]
fn escaped_bodies_point_at_their_literal() {
    check(
        Dialect::Postgres,
        "DO 'BEGIN DELETE FROM t WHERE a = ''x''; END'",
        &["Delete: 'BEGIN DELETE FROM t WHERE a = ''x''; END'"],
    );
}

#[test]
fn execute_of_constants() {
    check(
        Dialect::Postgres,
        "DO $$ DECLARE q text := 'DROP TABLE '; BEGIN
           EXECUTE 'ALTER TABLE t DROP COLUMN a';
           EXECUTE q || quote_ident('Big') || ' CASCADE';
           EXECUTE format('TRUNCATE %I.%1$s, %L', 's', 'x') USING 1;
           q := $q$DELETE FROM $q$;
           EXECUTE q || 't' INTO n;
         END $$",
        &[
            "DropColumn: DROP COLUMN a",
            "DropTable: q || quote_ident('Big') || ' CASCADE'",
            "unknown: TRUNCATE s.s, 'x'",
            "Delete: q || 't'",
        ],
    );
}

#[test]
fn execute_of_what_is_only_partly_known() {
    check(
        Dialect::Postgres,
        "DO $$ BEGIN
           FOREACH t IN ARRAY ARRAY['a', 'b'] LOOP EXECUTE 'DROP TABLE ' || t; END LOOP;
           FOR r IN SELECT 1 LOOP
             EXECUTE format('ALTER TABLE %I DROP COLUMN c', r.name);
             EXECUTE format('DELETE FROM t WHERE a = %L', r.name);
             EXECUTE r.statement;
           END LOOP;
         END $$",
        &[
            "DropTable: 'DROP TABLE ' || t",
            "DropTable: 'DROP TABLE ' || t",
            "Select: SELECT 1",
            "DropColumn: format('ALTER TABLE %I DROP COLUMN c', r.name)",
            "unknown: ALTER TABLE {{r.name}} DROP COLUMN c",
            "Delete: format('DELETE FROM t WHERE a = %L', r.name)",
            "unknown: {{r.statement}}",
        ],
    );
}

#[test]
fn mysql_procedures() {
    check(
        Dialect::Mysql,
        "DELIMITER //
         CREATE PROCEDURE p()
         BEGIN
           DECLARE done INT DEFAULT 0;
           DECLARE c CURSOR FOR SELECT a FROM t;
           DECLARE CONTINUE HANDLER FOR NOT FOUND, SQLSTATE '42S01' SET done = 1;
           SET foreign_key_checks = 0;
           IF NOT EXISTS (SELECT 1) THEN ALTER TABLE t ADD b INT; END IF;
           l: LOOP FETCH c INTO x; DELETE FROM u; LEAVE l; END LOOP;
           REPEAT DROP TABLE v; UNTIL done END REPEAT;
           WHILE done < 3 DO SET done = done + 1; END WHILE;
           CASE done WHEN 1 THEN TRUNCATE w; END CASE;
         END //
         DELIMITER ;",
        &[
            "SetVariable: foreign_key_checks = 0",
            "AddColumn: ADD b INT",
            "Delete: DELETE FROM u",
            "DropTable: v",
            "Truncate: w",
        ],
    );
}

#[test]
fn mysql_prepared_statements() {
    check(
        Dialect::Mysql,
        "SET @s = (SELECT IF(COUNT(*) > 0, 'SELECT 1', 'ALTER TABLE t ADD COLUMN a INT') FROM x);
         PREPARE stmt FROM @s;
         EXECUTE stmt;
         DEALLOCATE PREPARE stmt;
         PREPARE q FROM 'DROP TABLE u';
         EXECUTE q;
         EXECUTE unheard;",
        &[
            "Select: EXECUTE stmt",
            "AddColumn: EXECUTE stmt",
            "DropTable: EXECUTE q",
            "unknown: EXECUTE unheard",
        ],
    );
    check(
        Dialect::Mysql,
        "CREATE PROCEDURE p() BEGIN SET @q = CONCAT('DROP TABLE ', n); PREPARE s FROM @q; EXECUTE s; END",
        &["DropTable: EXECUTE s", "unknown: DROP TABLE {{n}}"],
    );
}

#[test]
fn mariadb_compound_statements() {
    check(
        Dialect::MariaDb,
        "BEGIN NOT ATOMIC DROP TABLE a; END; IF 1 THEN DROP TABLE b; END IF; SELECT 1; EXECUTE IMMEDIATE 'DROP TABLE c'",
        &["DropTable: a", "DropTable: b", "DropTable: c"],
    );
}

#[test]
fn bodies_in_bodies_end_somewhere() {
    let mut sql = "DROP TABLE t".to_owned();
    for level in 0..60 {
        sql = format!("DO $a{level}$ BEGIN {sql}; END $a{level}$");
    }
    let lines = found(Dialect::Postgres, &sql);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("unknown: "), "{lines:?}");
}

#[test]
fn a_text_that_doubles_itself_is_not_followed() {
    let sql = format!(
        "DO $$ DECLARE q text := 'DROP TABLE t'; BEGIN {} EXECUTE q; END $$",
        "q := q || q || q;".repeat(200)
    );
    assert_eq!(found(Dialect::Postgres, &sql), ["unknown: {{text}}"]);
}

#[test]
fn directives_inside_bodies_are_found() {
    let source = "DO $$ BEGIN -- downhaul:allow drop-table \"old\"\n DROP TABLE t; END $$; -- downhaul:no-transaction";
    let script = parse_script(source, Dialect::Postgres);
    let found: Vec<_> = script.directives.iter().map(|d| d.span.text(source)).collect();
    assert_eq!(found, ["-- downhaul:allow drop-table \"old\"", "-- downhaul:no-transaction"]);
}

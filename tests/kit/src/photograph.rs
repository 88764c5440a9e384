//! What a database holds, by its own account: to compare two moments, whoever wrote in between.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::session::Session;

/// Schema and rows of everything but Downhaul's own tables: name of an object → what the server
/// says of it, line by line in sorted order. The order of columns does not count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Photograph(pub BTreeMap<String, Vec<String>>);

impl Photograph {
    /// Takes one.
    ///
    /// # Panics
    /// When a query fails.
    pub async fn of(session: &mut Session) -> Self {
        match session {
            Session::Postgres(_) => postgres(session).await,
            Session::Sqlite(_) => sqlite(session).await,
            Session::MySql(_) => mysql(session).await,
        }
    }

    /// What is not the same in the other one, a line each; at most ten lines for an object.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        let empty = Vec::new();
        let names: BTreeSet<_> = self.0.keys().chain(other.0.keys()).collect();
        for name in names {
            let (here, there) =
                (self.0.get(name).unwrap_or(&empty), other.0.get(name).unwrap_or(&empty));
            let (in_here, in_there): (HashSet<_>, HashSet<_>) =
                (here.iter().collect(), there.iter().collect());
            let gone = here.iter().filter(|l| !in_there.contains(l)).take(5);
            lines.extend(gone.map(|l| format!("- {name}: {l}")));
            let new = there.iter().filter(|l| !in_here.contains(l)).take(5);
            lines.extend(new.map(|l| format!("+ {name}: {l}")));
            if here.len() != there.len() {
                lines.push(format!("! {name}: {} before, {} after", here.len(), there.len()));
            }
        }
        lines
    }
}

async fn add(session: &mut Session, found: &mut BTreeMap<String, Vec<String>>, query: &str) {
    for row in session.rows(query).await {
        let mut values = row.into_iter().map(Option::unwrap_or_default);
        let name = values.next().unwrap_or_default();
        found.entry(name).or_default().push(values.collect::<Vec<_>>().join(" "));
    }
}

async fn postgres(session: &mut Session) -> Photograph {
    const OURS: &str =
        "n.nspname NOT IN ('downhaul', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'";
    let mut found = BTreeMap::new();
    for query in [
        format!(
            "SELECT 'columns of ' || c.oid::regclass, a.attname, format_type(a.atttypid, a.atttypmod), \
                    a.attnotnull::text, a.attidentity::text, a.attgenerated::text, pg_get_expr(d.adbin, d.adrelid) \
             FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
             LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum \
             WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm') AND {OURS} ORDER BY 1, 2"
        ),
        format!(
            "SELECT 'constraints', conrelid::regclass::text, conname, pg_get_constraintdef(k.oid) \
             FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace WHERE {OURS} ORDER BY 1, 2, 3"
        ),
        format!(
            "SELECT 'indexes', pg_get_indexdef(i.indexrelid), i.indisvalid::text \
             FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE {OURS} ORDER BY 1, 2"
        ),
        format!(
            "SELECT 'triggers', pg_get_triggerdef(t.oid), t.tgenabled::text FROM pg_trigger t \
             JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE NOT t.tgisinternal AND {OURS} ORDER BY 1, 2"
        ),
        format!(
            "SELECT 'views', c.oid::regclass::text, pg_get_viewdef(c.oid) FROM pg_class c \
             JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('v', 'm') AND {OURS} ORDER BY 1, 2"
        ),
        format!(
            "SELECT 'routines', pg_get_functiondef(p.oid) FROM pg_proc p \
             JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.prokind <> 'a' AND {OURS} ORDER BY 1, 2"
        ),
        format!(
            "SELECT 'enums', t.oid::regtype::text, e.enumlabel FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid \
             JOIN pg_namespace n ON n.oid = t.typnamespace WHERE {OURS} ORDER BY 1, 2, e.enumsortorder"
        ),
    ] {
        add(session, &mut found, &query).await;
    }
    let tables = session
        .rows(&format!(
            "SELECT c.oid::regclass::text, string_agg(quote_ident(a.attname) || '::text', ', ' ORDER BY a.attname) \
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
             WHERE c.relkind = 'r' AND {OURS} GROUP BY c.oid"
        ))
        .await;
    for row in tables {
        let mut values = row.into_iter().map(Option::unwrap_or_default);
        let (table, columns) =
            (values.next().unwrap_or_default(), values.next().unwrap_or_default());
        let query = format!("SELECT ROW({columns})::text FROM {table} ORDER BY 1");
        let rows = session.rows(&query).await.into_iter().flatten().flatten().collect();
        found.insert(format!("rows of {table}"), rows);
    }
    Photograph(found)
}

async fn sqlite(session: &mut Session) -> Photograph {
    const OURS: &str =
        "s.name NOT LIKE 'downhaul\\_%' ESCAPE '\\' AND s.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    let mut found = BTreeMap::new();
    for query in [
        format!(
            "SELECT 'columns of ' || s.name, c.name, c.type, c.\"notnull\", c.pk, c.hidden, c.dflt_value \
             FROM sqlite_schema s, pragma_table_xinfo(s.name) c WHERE s.type = 'table' AND {OURS} ORDER BY 1, 2"
        ),
        format!(
            "SELECT 'foreign keys', s.name, f.\"from\", f.\"table\", f.\"to\", f.on_delete, f.on_update \
             FROM sqlite_schema s, pragma_foreign_key_list(s.name) f WHERE s.type = 'table' AND {OURS} ORDER BY 2, 3, 4"
        ),
        // What only the text of a table tells; the text itself changes with every ALTER.
        format!(
            "SELECT 'options', s.name, o.word, (length(s.sql) - length(replace(upper(s.sql), o.word, ''))) / length(o.word) \
             FROM sqlite_schema s, (SELECT 'CHECK' AS word UNION ALL SELECT 'AUTOINCREMENT' UNION ALL SELECT 'UNIQUE' \
               UNION ALL SELECT 'WITHOUT ROWID' UNION ALL SELECT 'COLLATE' UNION ALL SELECT 'GENERATED') o \
             WHERE s.type = 'table' AND {OURS} ORDER BY 2, 3"
        ),
        format!(
            "SELECT s.type, s.sql FROM sqlite_schema s WHERE s.type <> 'table' AND s.sql IS NOT NULL AND {OURS} ORDER BY 1, 2"
        ),
    ] {
        add(session, &mut found, &query).await;
    }
    let tables = session
        .rows(&format!(
            "SELECT s.name, (SELECT group_concat('quote(\"' || replace(name, '\"', '\"\"') || '\")', ' || '','' || ') \
               FROM (SELECT name FROM pragma_table_info(s.name) ORDER BY name)) \
             FROM sqlite_schema s WHERE s.type = 'table' AND {OURS}"
        ))
        .await;
    for row in tables {
        let mut values = row.into_iter().map(Option::unwrap_or_default);
        let (table, columns) =
            (values.next().unwrap_or_default(), values.next().unwrap_or_default());
        let quoted = table.replace('"', "\"\"");
        let query = format!("SELECT {columns} FROM \"{quoted}\" ORDER BY 1");
        let rows = session.rows(&query).await.into_iter().flatten().flatten().collect();
        found.insert(format!("rows of {table}"), rows);
    }
    Photograph(found)
}

async fn mysql(session: &mut Session) -> Photograph {
    let tables = "table_schema = database() AND table_name NOT LIKE 'downhaul\\_%'";
    // Columns that were set aside are as much Downhaul's own.
    let columns = format!("{tables} AND column_name NOT LIKE 'downhaul\\_tomb\\_%'");
    // MariaDB tells the table of a CHECK in one view, MySQL in another.
    let checks = match session.value("SELECT version()").await {
        Some(version) if version.contains("MariaDB") => {
            "information_schema.check_constraints WHERE constraint_schema = database()"
        }
        _ => {
            "information_schema.check_constraints JOIN information_schema.table_constraints \
               USING (constraint_schema, constraint_name) \
             WHERE constraint_schema = database() AND constraint_type = 'CHECK'"
        }
    };
    let mut found = BTreeMap::new();
    for query in [
        format!(
            "SELECT concat('columns of ', table_name), column_name, column_type, is_nullable, \
                    column_default, extra, collation_name, generation_expression \
             FROM information_schema.columns WHERE {columns} ORDER BY 1, 2"
        ),
        format!(
            "SELECT 'indexes', table_name, index_name, seq_in_index, column_name, sub_part, non_unique \
             FROM information_schema.statistics WHERE {columns} ORDER BY 2, 3, 4"
        ),
        "SELECT 'foreign keys', k.table_name, k.constraint_name, k.column_name, k.referenced_table_name, \
                k.referenced_column_name, r.update_rule, r.delete_rule \
         FROM information_schema.key_column_usage k JOIN information_schema.referential_constraints r \
           ON r.constraint_schema = k.constraint_schema AND r.constraint_name = k.constraint_name \
          AND r.table_name = k.table_name \
         WHERE k.table_schema = database() AND k.table_name NOT LIKE 'downhaul\\_%' ORDER BY 2, 3, k.ordinal_position"
            .to_owned(),
        format!(
            "SELECT 'checks', table_name, constraint_name, check_clause FROM {checks} \
               AND table_name NOT LIKE 'downhaul\\_%' ORDER BY 2, 3"
        ),
        format!(
            "SELECT 'views', table_name, view_definition FROM information_schema.views WHERE {tables} ORDER BY 2"
        ),
        "SELECT 'triggers', event_object_table, trigger_name, action_timing, event_manipulation, trim(TRAILING ';' FROM action_statement) \
         FROM information_schema.triggers WHERE trigger_schema = database() \
           AND event_object_table NOT LIKE 'downhaul\\_%' ORDER BY 2, 3"
            .to_owned(),
    ] {
        add(session, &mut found, &query).await;
    }
    let names = session
        .rows(&format!(
            "SELECT table_name FROM information_schema.tables WHERE {tables} AND table_type = 'BASE TABLE'"
        ))
        .await;
    for table in names.into_iter().flatten().flatten() {
        let columns = session
            .rows(&format!(
                "SELECT column_name FROM information_schema.columns \
                 WHERE table_schema = database() AND table_name = '{}' AND column_name NOT LIKE 'downhaul\\_tomb\\_%' ORDER BY 1",
                table.replace('\'', "''")
            ))
            .await;
        let values: Vec<String> = columns
            .into_iter()
            .flatten()
            .flatten()
            .map(|column| column.replace('`', "``"))
            .map(|column| format!("ifnull(concat('x', hex(`{column}`)), 'null')"))
            .collect();
        let query = format!(
            "SELECT concat_ws(',', {}) FROM `{}` ORDER BY 1",
            values.join(", "),
            table.replace('`', "``")
        );
        let rows = session.rows(&query).await.into_iter().flatten().flatten().collect();
        found.insert(format!("rows of {table}"), rows);
    }
    Photograph(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MariaDb, Postgres, SqliteFile};

    /// Each statement is seen; its undoing is, too.
    async fn check(session: &mut Session, setup: &str, pairs: &[(&str, &str)]) {
        session.run(setup).await;
        let before = Photograph::of(session).await;
        for (change, undo) in pairs {
            session.run(change).await;
            let after = Photograph::of(session).await;
            assert!(!before.differences(&after).is_empty(), "not seen: {change}");
            session.run(undo).await;
            let back = Photograph::of(session).await;
            assert_eq!(before.differences(&back), [""; 0], "{undo}");
            assert_eq!(before, back);
        }
    }

    const SETUP: &str = "CREATE TABLE a (id integer PRIMARY KEY, b text); INSERT INTO a VALUES (1, 'x'), (2, NULL); \
                         CREATE TABLE downhaul_own (x integer)";

    #[tokio::test]
    async fn changes_of_postgres_are_seen() {
        let database = Postgres::shared().fresh_database().await;
        let pairs = [
            ("UPDATE a SET b = '' WHERE id = 2", "UPDATE a SET b = NULL WHERE id = 2"),
            ("ALTER TABLE a ADD c int DEFAULT 1", "ALTER TABLE a DROP c"),
            ("CREATE INDEX i ON a (b)", "DROP INDEX i"),
            ("ALTER TABLE a ADD CONSTRAINT k CHECK (id > 0)", "ALTER TABLE a DROP CONSTRAINT k"),
            ("CREATE VIEW v AS SELECT 1 AS x", "DROP VIEW v"),
            ("INSERT INTO a VALUES (3, 'x')", "DELETE FROM a WHERE id = 3"),
        ];
        check(&mut database.session().await, SETUP, &pairs).await;
    }

    #[tokio::test]
    async fn changes_of_mariadb_are_seen() {
        let database = MariaDb::shared().fresh_database().await;
        let pairs = [
            ("UPDATE a SET b = '' WHERE id = 2", "UPDATE a SET b = NULL WHERE id = 2"),
            ("UPDATE a SET b = 'X' WHERE id = 1", "UPDATE a SET b = 'x' WHERE id = 1"),
            ("ALTER TABLE a ADD c int DEFAULT 1", "ALTER TABLE a DROP c"),
            ("CREATE INDEX i ON a (b(10))", "DROP INDEX i ON a"),
            ("ALTER TABLE a ADD CONSTRAINT k CHECK (id > 0)", "ALTER TABLE a DROP CONSTRAINT k"),
            ("CREATE VIEW v AS SELECT 1 AS x", "DROP VIEW v"),
            ("CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW SET @n = 1", "DROP TRIGGER t"),
            ("INSERT INTO a VALUES (3, 'x')", "DELETE FROM a WHERE id = 3"),
        ];
        check(&mut database.session().await, SETUP, &pairs).await;
    }

    #[tokio::test]
    async fn changes_of_sqlite_are_seen() {
        let file = SqliteFile::new();
        let pairs = [
            ("UPDATE a SET b = '' WHERE id = 2", "UPDATE a SET b = NULL WHERE id = 2"),
            ("ALTER TABLE a ADD c int DEFAULT 1", "ALTER TABLE a DROP c"),
            ("CREATE INDEX i ON a (b)", "DROP INDEX i"),
            ("CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END", "DROP TRIGGER t"),
            ("INSERT INTO a VALUES (3, 'x')", "DELETE FROM a WHERE id = 3"),
            (
                "INSERT INTO downhaul_own VALUES (1); UPDATE a SET b = 1 WHERE id = 1",
                "UPDATE a SET b = 'x' WHERE id = 1",
            ),
        ];
        check(&mut file.session().await, SETUP, &pairs).await;
    }
}

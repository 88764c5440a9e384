//! `IF NOT EXISTS` on what is there in another shape: the statement does nothing, and nobody is told.
//! Measured by running it under another name and comparing what came of it with what stands there.

use downhaul_kit::Session;

use crate::data::Engine;

const PROBE: &str = "zz_probe";

/// A statement that only does something where nothing of that name is there.
pub(crate) struct Guarded {
    kind: Kind,
    /// Table of a column.
    table: String,
    /// Without schema and quotes.
    plain: String,
    /// As written.
    name: String,
    /// The same statement under another name.
    probe: String,
    probe_name: String,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Table,
    Index,
    Column,
}

impl Guarded {
    pub(crate) fn of(statement: &str) -> Option<Self> {
        const WORDS: &str = " IF NOT EXISTS ";
        let at = statement.to_uppercase().find(WORDS)?;
        if statement.contains("; ") {
            return None;
        }
        let (before, behind) = (&statement[..at], &statement[at + WORDS.len()..]);
        let upper = before.to_uppercase();
        let kind = match upper.split_whitespace().next_back()? {
            "TABLE" if upper.starts_with("CREATE") => Kind::Table,
            "INDEX" => Kind::Index,
            "COLUMN" | "ADD" => Kind::Column,
            _ => return None,
        };
        let end = behind.find([' ', '(']).unwrap_or(behind.len());
        let (name, rest) = behind.split_at(end);
        let (schema, plain) = name.rsplit_once('.').map_or(("", name), |(s, n)| (s, n));
        let dot = if schema.is_empty() { "" } else { "." };
        let probe_name = format!("{schema}{dot}{PROBE}");
        let table = before.split_whitespace().nth(2).unwrap_or_default().to_owned();
        Some(Self {
            kind,
            table: if kind == Kind::Column { table } else { String::new() },
            plain: plain.trim_matches(['"', '`']).to_owned(),
            name: name.to_owned(),
            probe: format!("{before} {probe_name}{rest}"),
            probe_name,
        })
    }

    /// What stands there under the name; empty where nothing does.
    pub(crate) async fn definition(&self, session: &mut Session, engine: Engine) -> Vec<String> {
        self.define(session, engine, &self.name, &self.plain).await
    }

    /// Runs it under another name: what stands there is another thing than it would have made.
    pub(crate) async fn hides(
        &self,
        session: &mut Session,
        engine: Engine,
        old: &[String],
    ) -> Option<String> {
        if old.is_empty() || session.try_run(&self.probe).await.is_err() {
            return None;
        }
        let new = self.define(session, engine, &self.probe_name, PROBE).await;
        (new != old).then(|| self.plain.clone())
    }

    async fn define(
        &self,
        session: &mut Session,
        engine: Engine,
        name: &str,
        plain: &str,
    ) -> Vec<String> {
        let table = self.table.trim_matches(['"', '`']);
        let sql = match (engine, self.kind) {
            (Engine::Postgres, Kind::Table) => format!(
                "SELECT attname, format_type(atttypid, atttypmod), attnotnull::text \
                 FROM pg_attribute WHERE attrelid = to_regclass('{name}') AND attnum > 0 \
                 AND NOT attisdropped ORDER BY attnum"
            ),
            (Engine::Postgres, Kind::Index) => format!(
                "SELECT pg_get_indexdef(oid) FROM pg_class \
                 WHERE relname = '{plain}' AND relkind IN ('i', 'I')"
            ),
            (Engine::Postgres, Kind::Column) => format!(
                "SELECT format_type(atttypid, atttypmod), attnotnull::text FROM pg_attribute \
                 WHERE attrelid = to_regclass('{}') AND attname = '{plain}'",
                self.table
            ),
            (Engine::MariaDb, Kind::Table) => format!(
                "SELECT column_name, column_type, is_nullable FROM information_schema.columns \
                 WHERE table_schema = database() AND table_name = '{plain}' \
                 ORDER BY ordinal_position"
            ),
            (Engine::MariaDb, Kind::Index) => format!(
                "SELECT table_name, non_unique, column_name, sub_part \
                 FROM information_schema.statistics WHERE table_schema = database() \
                 AND index_name = '{plain}' ORDER BY seq_in_index"
            ),
            (Engine::MariaDb, Kind::Column) => format!(
                "SELECT column_type, is_nullable FROM information_schema.columns \
                 WHERE table_schema = database() AND table_name = '{table}' \
                 AND column_name = '{plain}'"
            ),
            (Engine::Sqlite, Kind::Table) => format!(
                "SELECT name, type, CAST(\"notnull\" AS text) FROM pragma_table_info('{plain}')"
            ),
            (Engine::Sqlite, _) => format!(
                "SELECT m.tbl_name, CAST(l.\"unique\" AS text), i.name FROM sqlite_schema m \
                 JOIN pragma_index_list(m.tbl_name) l ON l.name = m.name \
                 JOIN pragma_index_info(m.name) i WHERE m.name = '{plain}' AND m.type = 'index'"
            ),
        };
        let rows = session.rows(&sql).await;
        rows.into_iter()
            .map(|row| {
                let cells: Vec<String> = row.into_iter().map(Option::unwrap_or_default).collect();
                cells.join(" ").replacen(&format!("INDEX {plain} ON"), "INDEX ON", 1)
            })
            .collect()
    }
}

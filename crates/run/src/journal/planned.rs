//! What the journal writes at the end of each of many migrations, as statements of which the server
//! keeps the plans: PostgreSQL.

use downhaul_engine::{EngineError, SchemaDump};
use downhaul_plan::{Direction, Phase, Version};
use downhaul_snapshot::{Kept, hidden, packed};

use super::{Journal, JournalEntry};

/// Names of the statements.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    up: String,
    down: String,
    keep: String,
    blank: String,
    untouched: String,
}

/// What changes with the definition of a table, whose number stands for `{table}`: the numbers of the transactions that wrote the
/// rows of the catalog.
pub(crate) const STATE: &str = "(SELECT pg_catalog.concat_ws('/', r.xmin, \
   (SELECT string_agg(a.xmin::text, ',' ORDER BY a.attnum) FROM pg_catalog.pg_attribute a WHERE a.attrelid = r.oid AND a.attnum > 0), \
   (SELECT string_agg(g.xmin::text, ',' ORDER BY g.oid) FROM pg_catalog.pg_trigger g WHERE g.tgrelid = r.oid), \
   (SELECT string_agg(i.xmin::text, ',' ORDER BY i.indexrelid) FROM pg_catalog.pg_index i WHERE i.indrelid = r.oid)) \
 FROM pg_catalog.pg_class r WHERE r.oid = {table})";

/// Fails where a condition holds; the text is what the server's log says.
pub(crate) fn fail_if(condition: &str) -> String {
    format!(
        "CASE WHEN {condition} THEN ('Downhaul runs this migration by itself, from ' || clock_timestamp()::text)::integer END"
    )
}

impl Planned {
    /// Statement that fails where a table, by its number, has a page, and so may have a row.
    pub(crate) fn refuse_unless_blank(&self, oid: &str) -> String {
        format!("EXECUTE {}({oid})", self.blank)
    }

    /// Statement that fails where rows of others' tables were changed or deleted.
    pub(crate) fn refuse_if_touched(&self) -> String {
        format!("EXECUTE {}('')", self.untouched)
    }
}

impl Journal {
    /// Types and text of the statements of [`Planned`], in its order.
    pub(crate) fn to_plan(self) -> [(&'static str, String); 5] {
        let (migration, step) = (self.table("migration"), self.table("step"));
        let (point, kept) = (self.table("restore_point"), self.table("kept"));
        let now = self.now();
        let steps = |direction: Direction, arrays: &str| {
            format!(
                "INSERT INTO {step} (operation, version, direction, ordinal, statement, state, at, duration_ms) \
                 SELECT $2, $1, '{direction}', place, statement, 'settled', {now}, ms \
                 FROM unnest({arrays}) WITH ORDINALITY s (statement, ms, place)"
            )
        };
        let empty = serde_json::to_string(&SchemaDump::default()).unwrap_or_default();
        let empty = self.text(&empty);
        [
            (
                "text, bigint, text[], bigint[], text, text, text, text, text, text, text, text, text, text, text",
                format!(
                    "WITH entry AS (INSERT INTO {migration} (version, operation, name, state, up_tokens, up_raw, up_sql, down_tokens, down_raw, down_sql, \
                       applied_by, release_label, phase, squashed, applied_at, duration_ms) \
                     VALUES ($1, $2, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, NULL, {now}, (SELECT coalesce(sum(ms), 0) FROM unnest($4) ms))) {}",
                    steps(Direction::Up, "$3, $4")
                ),
            ),
            (
                "text, bigint, text[], bigint[]",
                format!(
                    "WITH gone AS (DELETE FROM {migration} WHERE version = $1) {}",
                    steps(Direction::Down, "$3, $4")
                ),
            ),
            (
                "text, bigint, bigint, bigint, text, text, oid, text",
                format!(
                    "WITH found AS MATERIALIZED (SELECT pg_catalog.array_length(cells, 1) AS rows, {digest} AS digest, {fail} AS refused \
                       FROM {store} WHERE store = $4), \
                     point AS (INSERT INTO {point} (id, version, direction, operation, created_at, state, schema_before, schema_after) \
                       SELECT $3, $1, 'down', $2, {now}, 'held', {empty}, {empty} FROM found \
                       WHERE NOT EXISTS (SELECT FROM {point} WHERE id = $3)) \
                     INSERT INTO {kept} (id, restore_point, table_name, rows_kept, detail) \
                     SELECT $4, $3, $5, rows, ($6::jsonb || pg_catalog.jsonb_build_object('rows', rows, 'rows_gone', rows, 'digest', digest))::text \
                     FROM found WHERE refused IS NULL",
                    digest = packed::DIGEST,
                    fail = fail_if(&format!(
                        "pg_catalog.array_length(cells, 1) > {} OR {} IS DISTINCT FROM $8",
                        packed::MOST,
                        STATE.replace("{table}", "$7")
                    )),
                    store = self.table("kept_rows"),
                ),
            ),
            // A table of no page has no row.
            (
                "oid",
                format!("SELECT {}", fail_if("pg_catalog.pg_relation_size($1) IS DISTINCT FROM 0")),
            ),
            // The parameter says nothing.
            ("text", format!("SELECT {}", fail_if(&hidden::any_row_changed()))),
        ]
    }

    /// The names that the server gave to [`Self::to_plan`].
    pub(crate) fn planned(self, names: Vec<String>) -> Option<Planned> {
        let [up, down, keep, blank, untouched] = <[String; 5]>::try_from(names).ok()?;
        Some(Planned { up, down, keep, blank, untouched })
    }

    /// Statement that ends an up of several statements, each with SQL for its milliseconds.
    pub(crate) fn end_up(
        self,
        planned: &Planned,
        entry: &JournalEntry,
        operation: i64,
        steps: &[(&str, String)],
    ) -> String {
        let (tokens, raw) = entry.down_checksum();
        format!(
            "EXECUTE {}({}, {operation}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {})",
            planned.up,
            self.text(entry.version.as_str()),
            self.arrays(steps),
            self.text(&entry.name),
            self.text(entry.state.as_str()),
            self.text(&entry.up.tokens),
            self.text(&entry.up.raw),
            self.text(&entry.up_sql),
            self.opt(tokens),
            self.opt(raw),
            self.opt(entry.down_sql.as_deref()),
            self.text(&entry.applied_by),
            self.opt(entry.release.as_deref()),
            self.opt(entry.phase.map(Phase::as_str)),
        )
    }

    /// The same of a down.
    pub(crate) fn end_down(
        self,
        planned: &Planned,
        version: &Version,
        operation: i64,
        steps: &[(&str, String)],
    ) -> String {
        format!(
            "EXECUTE {}({}, {operation}, {})",
            planned.down,
            self.text(version.as_str()),
            self.arrays(steps)
        )
    }

    /// Texts and durations, as two arrays.
    fn arrays(self, steps: &[(&str, String)]) -> String {
        let texts: Vec<String> = steps.iter().map(|(text, _)| self.text(text)).collect();
        let took: Vec<&str> = steps.iter().map(|(_, took)| took.as_str()).collect();
        format!("ARRAY[{}], ARRAY[{}]", texts.join(", "), took.join(", "))
    }

    /// Statement that records what a deletion of a down kept of a table (its number, and what
    /// [`STATE`] said of it); fails where it was more than may be kept so, or the table has changed.
    /// `numbers`: of the operation and of the restore point.
    pub(crate) fn keep(
        self,
        planned: &Planned,
        version: &Version,
        numbers: (i64, i64),
        kept: &Kept,
        (oid, state): (&str, &str),
    ) -> Result<String, EngineError> {
        let detail = serde_json::to_string(kept)
            .map_err(|error| EngineError::Protocol(error.to_string()))?;
        let (operation, point) = numbers;
        Ok(format!(
            "EXECUTE {}({}, {operation}, {point}, {}, {}, {}, {oid}, {})",
            planned.keep,
            self.text(version.as_str()),
            kept.id,
            self.text(&kept.table.to_string()),
            self.text(&detail),
            self.text(state),
        ))
    }
}

//! A table is emptied and filled anew in its place, so that all that hangs on it stays as it is:
//! grants, policies, views, triggers, statistics. Its history gets the events that changing its rows
//! one by one would have left.

use downhaul_engine::{EngineError, RowDigest, Session};
use downhaul_syntax::Dialect;

use super::all_rows::AllRows;
use super::apply::failed;
use super::plan::{TablePlan, set_bulk};
use super::statement;
use crate::history::{Images, Past};
use crate::sql;
use crate::store::SnapshotError;
use crate::track::{Event, history};

const D: Dialect = Dialect::Postgres;

/// Why a table cannot be filled anew; `None`: it can.
pub(super) async fn obstacle(
    session: &mut dyn Session,
    table: &TablePlan,
    past: &Past<'_>,
) -> Result<Option<String>, SnapshotError> {
    if session.server().major < 14 {
        // No hashes of rows, no ranges of places, before.
        return Ok(Some("that needs PostgreSQL 14".to_owned()));
    }
    if !table.tracked.has_key() {
        return Ok(Some("it has no key".to_owned()));
    }
    if table.tracked.partitioned {
        return Ok(Some("it is partitioned".to_owned()));
    }
    if past.is_composite() {
        return Ok(Some("it is so wide that its rows are carried as one value each".to_owned()));
    }
    if let Some(column) = past.new.first() {
        return Ok(Some(format!("{} came since", column.name)));
    }
    let relation = table.tracked.relation;
    let row = session
        .row(&format!(
            "SELECT (SELECT min(pg_catalog.format('%I', c.relname)) FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid \
                 WHERE k.contype = 'f' AND {refers} AND k.conrelid <> {relation}), \
               (EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = {relation}) OR EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhparent = {relation})), \
               EXISTS (SELECT FROM pg_catalog.pg_rewrite WHERE ev_class = {relation} AND rulename <> '_RETURN'), \
               EXISTS (SELECT FROM pg_catalog.pg_publication WHERE puballtables) OR EXISTS (SELECT FROM pg_catalog.pg_publication_tables p \
                 JOIN pg_catalog.pg_class c ON c.relname = p.tablename JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = p.schemaname WHERE c.oid = {relation}), \
               EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = {relation} AND attnum > 0 AND NOT attisdropped AND atttypid IN ('xml'::regtype, 'xml[]'::regtype)), \
               pg_catalog.current_setting('server_encoding') = 'UTF8' AND pg_catalog.current_setting('client_encoding') = 'UTF8'",
            refers = sql::refers_to("k", &relation.to_string())
        ))
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(if let Some(child) = row.opt(0) {
        Some(format!("{child} refers to it"))
    } else if row.flag(1) {
        Some("it takes part in inheritance".to_owned())
    } else if row.flag(2) {
        Some("it has rules".to_owned())
    } else if row.flag(3) {
        Some("it is published to other servers".to_owned())
    } else if row.flag(4) {
        // What an XML value says of its encoding does not outlive its way through a client.
        Some("it holds xml, which does not pass through a client byte for byte".to_owned())
    } else if !row.flag(5) {
        Some("its text would be converted on its way, since it is not UTF-8".to_owned())
    } else {
        None
    })
}

/// Statements around the filling.
struct Around {
    before: Vec<String>,
    after: Vec<String>,
    /// An index is built anew, by which the server learns how many rows there are.
    counts: bool,
}

/// Our triggers are off, since the history is written at once; indexes that nothing depends on are
/// built afterwards, in bulk, those of primary keys and unique constraints too.
async fn around(session: &mut dyn Session, table: &TablePlan) -> Result<Around, SnapshotError> {
    let relation = table.tracked.relation;
    let name = D.quote_name(&table.tracked.name);
    let mut found = Around { before: Vec::new(), after: Vec::new(), counts: false };
    let indexes = session
        .rows(&format!(
            "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), pg_catalog.pg_get_indexdef(i.indexrelid), \
               pg_catalog.format('%I', c.relname), CASE k.contype WHEN 'p' THEN 'PRIMARY KEY' WHEN 'u' THEN 'UNIQUE' END \
             FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = c.oid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u') AND k.conname = c.relname AND NOT k.condeferrable \
               AND i.indisunique AND NOT i.indisexclusion \
             WHERE i.indrelid = {relation} AND i.indisvalid AND i.indisready AND NOT i.indisclustered AND NOT i.indisreplident \
               AND c.reltablespace = 0 \
               AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint o WHERE o.conindid = c.oid AND o.oid IS DISTINCT FROM k.oid) \
               AND pg_catalog.obj_description(c.oid, 'pg_class') IS NULL AND pg_catalog.obj_description(k.oid, 'pg_constraint') IS NULL \
               AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attstattarget >= 0) \
               AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = c.oid) \
               AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.refclassid = 'pg_catalog.pg_constraint'::regclass AND d.refobjid = k.oid \
                 AND (d.classid, d.objid) <> ('pg_catalog.pg_class'::regclass, c.oid)) \
               AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.deptype IN ('e', 'x') \
                 AND (d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid OR d.classid = 'pg_catalog.pg_constraint'::regclass AND d.objid = k.oid)) \
             ORDER BY i.indexrelid"
        ))
        .await?;
    found.counts = !indexes.is_empty();
    for index in &indexes {
        found.after.push(index.text(1).to_owned());
        if let Some(kind) = index.opt(3) {
            // The constraint takes over the index, whose form says more than that of a constraint does.
            let own = index.text(2);
            found.before.push(format!("ALTER TABLE {name} DROP CONSTRAINT {own}"));
            found
                .after
                .push(format!("ALTER TABLE {name} ADD CONSTRAINT {own} {kind} USING INDEX {own}"));
        } else {
            found.before.push(format!("DROP INDEX {}", index.text(0)));
        }
    }
    let triggers = session
        .rows(&format!(
            "SELECT pg_catalog.format('%I', tgname) FROM pg_catalog.pg_trigger WHERE tgrelid = {relation} AND NOT tgisinternal AND tgname LIKE '_downhaul\\_track%'"
        ))
        .await?;
    for trigger in &triggers {
        let trigger = trigger.text(0);
        found.before.push(format!("ALTER TABLE {name} DISABLE TRIGGER {trigger}"));
        found.after.push(format!("ALTER TABLE {name} ENABLE ALWAYS TRIGGER {trigger}"));
    }
    Ok(found)
}

/// Where the rows of a table lie that is filled anew.
struct Source {
    /// A table, temporary or of the history.
    from: String,
    /// The columns of the table that is filled, as values of its rows.
    values: Vec<String>,
    /// A condition over its rows.
    only: String,
    /// The first and the last block that has any of them, where that is known.
    blocks: Option<(i64, i64)>,
    rows: i64,
}

/// Rows of a plan that are there afterwards.
const COMES: &str = "downhaul_action IN ('I', 'U')";

/// The plan itself can be read in its order, instead of a copy of it in the order of the key: it has
/// (nearly) that order, and the types of the table.
async fn serves(session: &mut dyn Session, table: &TablePlan) -> Result<bool, SnapshotError> {
    let Some(first) = table.tracked.current().key.first() else { return Ok(false) };
    let plan = statement::name(table.tracked.id);
    let row = session
        .row(&format!(
            "SELECT abs((SELECT s.correlation FROM pg_catalog.pg_stats s, pg_catalog.pg_class c WHERE c.oid = {0}::regclass \
                 AND s.schemaname = c.relnamespace::regnamespace::text AND s.tablename = c.relname AND s.attname = {1})) > 0.99, \
               NOT EXISTS (SELECT FROM pg_catalog.pg_attribute l LEFT JOIN pg_catalog.pg_attribute p \
                 ON p.attrelid = {0}::regclass AND p.attname = l.attname AND p.atttypid = l.atttypid AND p.attnum > 0 \
                 WHERE l.attrelid = {2} AND l.attnum > 0 AND NOT l.attisdropped AND l.attgenerated = '' AND p.attname IS NULL)",
            D.literal(&plan),
            D.literal(first.as_str()),
            table.tracked.relation
        ))
        .await?;
    Ok(row.is_some_and(|row| row.flag(0) && row.flag(1)))
}

/// So many rows tell whether they have an order.
const SAMPLE: i64 = 10_000;

/// What a statement left in the history has (nearly) the order of the key, from wherever it began: some
/// pages of it are looked at. Not by statistics, since those of a history are not ours to make.
pub(super) async fn in_order(
    session: &mut dyn Session,
    table: &TablePlan,
    images: &Images,
) -> Result<bool, SnapshotError> {
    let version = table.tracked.current();
    let Some(first) = version.key.first() else { return Ok(false) };
    let mut values = version.columns.iter().zip(&images.values);
    let Some((_, value)) = values.find(|(column, _)| column.name == *first) else {
        return Ok(false);
    };
    sample_in_order(session, table, value, &images.table, &images.only).await
}

/// So many per cent of a table, or of its history, make that sample.
pub(super) fn sample_share(table: &TablePlan) -> i64 {
    (SAMPLE.saturating_mul(100) / table.rows.max(SAMPLE)).max(1)
}

/// A value of the rows `only` of a table, the live one or its history, rises (nearly) from row to row.
pub(super) async fn sample_in_order(
    session: &mut dyn Session,
    table: &TablePlan,
    value: &str,
    from: &str,
    only: &str,
) -> Result<bool, SnapshotError> {
    let share = sample_share(table);
    let row = session
        .row(&format!(
            "SELECT count(*) > 0 AND count(*) FILTER (WHERE back) * 200 < count(*) FROM (SELECT {value} < lag({value}) OVER (ORDER BY ctid) AS back \
             FROM {from} TABLESAMPLE SYSTEM ({share}) REPEATABLE (0) WHERE {only}) s"
        ))
        .await?;
    Ok(row.is_some_and(|row| row.flag(0)))
}

/// Puts images together by key where they are not in that order already.
async fn sorted(
    session: &mut dyn Session,
    table: &TablePlan,
    AllRows { images, rows, in_order, .. }: &AllRows,
    names: &[String],
) -> Result<Source, SnapshotError> {
    let Images { table: history, values, only, blocks, .. } = images;
    if *in_order {
        return Ok(Source {
            from: history.clone(),
            values: values.clone(),
            only: only.clone(),
            blocks: Some(*blocks),
            rows: *rows,
        });
    }
    let values: Vec<String> =
        values.iter().zip(names).map(|(value, name)| format!("{value} AS {name}")).collect();
    in_key_order(
        session,
        table,
        names,
        &format!("SELECT {} FROM {history} WHERE {only}", values.join(", ")),
    )
    .await
}

/// Puts all rows together that are there afterwards.
async fn gather(
    session: &mut dyn Session,
    table: &TablePlan,
    some_stay: bool,
    names: &[String],
) -> Result<Source, SnapshotError> {
    let tracked = &table.tracked;
    let (live, plan, list) = (tracked.live(), statement::name(tracked.id), names.join(", "));
    let key = &tracked.current().key;
    let unchanged = if some_stay {
        format!(
            " UNION ALL SELECT {list} FROM {live} l WHERE NOT EXISTS (SELECT FROM {plan} p WHERE {} AND p.downhaul_action IN ('U', 'D'))",
            sql::keys_match(D, "p", key, "l", key)
        )
    } else {
        String::new()
    };
    let rows = format!("SELECT {list} FROM {plan} WHERE {COMES}{unchanged}");
    in_key_order(session, table, names, &rows).await
}

/// Writes rows down by key, as an index likes it, and whoever reads the table by its key.
async fn in_key_order(
    session: &mut dyn Session,
    table: &TablePlan,
    names: &[String],
    query: &str,
) -> Result<Source, SnapshotError> {
    let tracked = &table.tracked;
    let (id, live, list) = (tracked.id, tracked.live(), names.join(", "));
    let order: Vec<String> = tracked.current().key.iter().map(|k| D.quote(k)).collect();
    session
        .execute(&format!(
            "CREATE TEMPORARY TABLE downhaul_whole_{id} ON COMMIT DROP AS SELECT {list} FROM {live} WITH NO DATA"
        ))
        .await?;
    let from = format!("pg_temp.downhaul_whole_{id}");
    let rows = session
        .execute(&format!(
            "INSERT INTO {from} ({list}) SELECT {list} FROM ({query}) s ORDER BY {}",
            order.join(", ")
        ))
        .await?;
    Ok(Source {
        from,
        values: names.to_vec(),
        only: "true".to_owned(),
        blocks: None,
        rows: i64::try_from(rows).unwrap_or(i64::MAX),
    })
}

/// Fills the table anew as the plan says. Returns statements for when all checks are done.
pub(super) async fn rewrite(
    session: &mut dyn Session,
    table: &TablePlan,
) -> Result<Vec<String>, SnapshotError> {
    let tracked = &table.tracked;
    let (live, plan) = (tracked.live(), statement::name(tracked.id));
    let version = tracked.current();
    let names: Vec<String> = version.columns.iter().map(|c| D.quote(&c.name)).collect();
    // Of a plan that was only counted an image of each row is there, also of one that does not differ.
    let (before, staying) = match &table.unwritten {
        Some(plan) => (plan.all.rows, 0),
        None => {
            let rows = session.number(&format!("SELECT count(*) FROM {live}")).await?;
            (rows, rows - table.updates - table.deletes)
        }
    };
    set_bulk(session, true).await?;
    let source = match &table.unwritten {
        Some(plan) => sorted(session, table, &plan.all, &names).await?,
        None if staying == 0 && serves(session, table).await? => Source {
            from: plan,
            values: names.clone(),
            only: COMES.to_owned(),
            blocks: None,
            rows: table.inserts + table.updates,
        },
        None => gather(session, table, staying > 0, &names).await?,
    };
    let wanted = before - table.deletes + table.inserts;
    if source.rows != wanted {
        return Err(failed(table, format!("{} rows were found instead of {wanted}", source.rows)));
    }
    let goes = if staying > 0 || table.deletes > 0 {
        Goes::Some(table.updates + table.deletes)
    } else {
        Goes::All(before)
    };
    record(session, table, goes).await?;
    let around = around(session, table).await?;
    for statement in &around.before {
        session.execute(statement).await?;
    }
    session.execute(&format!("TRUNCATE {live}")).await?;
    let filled = fill(session, table, &source, &names).await?;
    if !reads_as(session, table, &names, &source, filled).await? {
        verify(session, table, &source, &names).await?;
    }
    set_bulk(session, false).await?;
    let mut after = around.after;
    let size = session
        .number(&format!("SELECT pg_catalog.pg_relation_size({})", tracked.relation))
        .await?;
    if size <= ALONE {
        let workers = |value| format!("SET LOCAL max_parallel_maintenance_workers TO {value}");
        after.insert(0, workers("0"));
        after.push(workers("DEFAULT"));
    }
    if !around.counts {
        let key: Vec<String> = version.key.iter().map(|k| D.quote(k)).collect();
        // How many rows there are; what is known of their values still holds.
        after.push(format!("ANALYZE {} ({})", D.quote_name(&tracked.name), key.join(", ")));
    }
    Ok(after)
}

/// Up to this size (bytes) of a table one process builds its indexes: of 190 MB, another one spares a twelfth of a
/// second and costs a tenth of one.
const ALONE: i64 = 256 << 20;

/// So much of a table (bytes) stands in memory at once.
const AT_ONCE: i64 = 8 << 20;

/// What was written into a table.
struct Filled {
    rows: u64,
    format: &'static str,
    /// With nothing in it yet.
    start: RowDigest,
    /// With the rows in it.
    digest: RowDigest,
}

/// Writes rows into the table, which this transaction has emptied, in their order. They
/// are frozen (PostgreSQL manual, COPY), which no INSERT can do, and no COPY reads a table: they pass
/// through us, a piece after the other.
async fn fill(
    session: &mut dyn Session,
    table: &TablePlan,
    source: &Source,
    names: &[String],
) -> Result<Filled, SnapshotError> {
    let (name, list) = (D.quote_name(&table.tracked.name), names.join(", "));
    let values = source.values.join(", ");
    let format = format_of(session, table.tracked.relation).await?;
    let starts = pieces(session, source, names).await?;
    let start = RowDigest::default();
    let mut filled = Filled { rows: 0, format, digest: start.clone(), start };
    for (at, start) in starts.iter().enumerate() {
        let end = starts.get(at + 1).map_or(String::new(), |end| format!(" AND ctid < '{end}'"));
        filled.rows += session
            .pass_rows(
                &format!(
                    "COPY (SELECT {values} FROM {} WHERE {} AND ctid >= '{start}'{end}) TO STDOUT (FORMAT {format})",
                    source.from, source.only
                ),
                &format!("COPY {name} ({list}) FROM STDIN (FORMAT {format}, FREEZE)"),
                &mut filled.digest,
            )
            .await?;
    }
    Ok(filled)
}

/// The table, read from one end to the other, is byte for byte what was written into it. Its rows stand in
/// the order in which they came; should a server have put them otherwise, they are compared one by one.
async fn reads_as(
    session: &mut dyn Session,
    table: &TablePlan,
    names: &[String],
    source: &Source,
    filled: Filled,
) -> Result<bool, SnapshotError> {
    let Filled { rows, format, start: mut found, digest } = filled;
    let (name, list) = (D.quote_name(&table.tracked.name), names.join(", "));
    session
        .digest_rows(&format!("COPY {name} ({list}) TO STDOUT (FORMAT {format})"), &mut found)
        .await?;
    Ok(i64::try_from(rows) == Ok(source.rows) && found.value() == digest.value())
}

/// `binary` where each type of a table has a form for that which is sure to be exact, else `text`.
async fn format_of(
    session: &mut dyn Session,
    relation: i64,
) -> Result<&'static str, SnapshotError> {
    let others = session
        .number(&format!(
            "SELECT count(*) FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
             LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem \
             WHERE a.attrelid = {relation} AND a.attnum > 0 AND NOT a.attisdropped \
               AND NOT (coalesce(e.typtype, t.typtype) = 'e' OR t.typnamespace = 'pg_catalog'::regnamespace AND t.typsend <> 0 AND t.typreceive <> 0 \
                 AND (e.oid IS NULL OR e.typsend <> 0 AND e.typreceive <> 0))"
        ))
        .await?;
    if others == 0 {
        return Ok("binary");
    }
    session
        .execute("SET LOCAL DateStyle TO ISO; SET LOCAL IntervalStyle TO postgres; SET LOCAL extra_float_digits TO 3")
        .await?;
    Ok("text")
}

/// The places in a table at which pieces of it begin.
async fn pieces(
    session: &mut dyn Session,
    source: &Source,
    names: &[String],
) -> Result<Vec<String>, SnapshotError> {
    let size = session
        .row(&format!(
            "SELECT pg_catalog.pg_relation_size(c.oid) / b.size, coalesce(pg_catalog.pg_relation_size(nullif(c.reltoastrelid, 0)), 0), b.size \
             FROM pg_catalog.pg_class c, (SELECT pg_catalog.current_setting('block_size')::bigint AS size) b WHERE c.oid = {}::regclass",
            D.literal(&source.from)
        ))
        .await?;
    let Some(size) = size else { return Ok(Vec::new()) };
    let (blocks, aside, block) = (size.number(0)?, size.number(1)?, size.number(2)?);
    if aside == 0 {
        let step = usize::try_from(AT_ONCE / block).unwrap_or(1).max(1);
        let (first, last) = source.blocks.unwrap_or((0, blocks - 1));
        return Ok((first..=last).step_by(step).map(|block| format!("({block},0)")).collect());
    }
    // Large values stand elsewhere: rows are weighed one by one.
    let sizes: Vec<String> = names
        .iter()
        .map(|name| format!("coalesce(pg_catalog.pg_column_size({name}), 0)"))
        .collect();
    let rows = session
        .rows(&format!(
            "SELECT min(ctid)::text FROM (SELECT ctid, div(sum(size) OVER (ORDER BY ctid), {AT_ONCE}) AS piece FROM \
               (SELECT ctid, ({})::numeric AS size FROM {} WHERE {}) s) p GROUP BY piece ORDER BY piece",
            sizes.join(" + "),
            source.from,
            source.only
        ))
        .await?;
    Ok(rows.iter().map(|row| row.text(0).to_owned()).collect())
}

/// Compares the whole table with what was to be written into it: by the sum of the hashes of all rows.
async fn verify(
    session: &mut dyn Session,
    table: &TablePlan,
    source: &Source,
    names: &[String],
) -> Result<(), SnapshotError> {
    let sum = |from: &str, only: &str, values: &[String]| {
        let columns = table.tracked.current().columns.iter().zip(values);
        let columns: Vec<(String, &str)> = columns
            .map(|(c, value)| (value.clone(), if c.user_type { "" } else { c.ty.as_str() }))
            .collect();
        let hash = sql::row_hash(&columns);
        format!("(SELECT count(*) AS n, coalesce(sum({hash}), 0) AS h FROM {from} WHERE {only})")
    };
    let same = session
        .row(&format!(
            "SELECT l.n = {} AND l.n = w.n AND l.h = w.h FROM {} l, {} w",
            source.rows,
            sum(&table.tracked.live(), "true", names),
            sum(&source.from, &source.only, &source.values)
        ))
        .await?;
    if same.is_some_and(|row| row.flag(0)) {
        return Ok(());
    }
    Err(failed(
        table,
        "its rows are not what was written into it: something changed them on the way; --strategy rows writes them one by one",
    ))
}

/// How many rows change or go.
#[derive(Clone, Copy)]
enum Goes {
    /// So many, which are all that there are.
    All(i64),
    /// So many, which the plan names.
    Some(i64),
}

/// Writes down what the rows are before they go: what the triggers would have written.
async fn record(
    session: &mut dyn Session,
    table: &TablePlan,
    goes: Goes,
) -> Result<(), SnapshotError> {
    let tracked = &table.tracked;
    let (id, live, plan) = (tracked.id, tracked.live(), statement::name(tracked.id));
    let version = tracked.current();
    let log = history(id, version.number);
    let (mut names, mut values) = (String::new(), String::new());
    for column in &version.columns {
        let (name, cast) = (D.quote(&column.name), if column.user_type { "::text" } else { "" });
        names.push_str(&format!(", {name}"));
        values.push_str(&format!(", l.{name}{cast}"));
    }
    let own = "downhaul_pos, downhaul_xid, downhaul_op";
    let updated = Event::Updated.letter();
    if table.updates + table.deletes > 0 {
        let (op, from, wanted) = match goes {
            Goes::All(rows) => (format!("'{updated}'"), format!("{live} l"), rows),
            Goes::Some(rows) => {
                let join = sql::keys_match(D, "p", &version.key, "l", &version.key);
                (
                    format!(
                        "CASE p.downhaul_action WHEN 'D' THEN '{}' ELSE '{updated}' END::\"char\"",
                        Event::Deleted.letter()
                    ),
                    format!("{live} l JOIN {plan} p ON {join} AND p.downhaul_action IN ('U', 'D')"),
                    rows,
                )
            }
        };
        let stamp = stamp(session, id).await?;
        let kept = session
            .execute(&format!(
                "INSERT INTO {log} ({own}{names}) SELECT {stamp}, {op}{values} FROM {from}"
            ))
            .await?;
        if i64::try_from(kept) != Ok(wanted) {
            return Err(failed(table, format!("{kept} rows were kept instead of {wanted}")));
        }
    }
    if table.inserts > 0 {
        let keyed = |row: &str| -> String {
            version
                .columns
                .iter()
                .filter(|c| version.key.contains(&c.name))
                .map(|c| {
                    let cast = if c.user_type && row == "l." { "::text" } else { "" };
                    format!(", {row}{}{cast}", D.quote(&c.name))
                })
                .collect()
        };
        let stamp = stamp(session, id).await?;
        session
            .execute(&format!(
                "INSERT INTO {log} ({own}{}) SELECT {stamp}, '{}'{} FROM {plan} l WHERE l.downhaul_action = 'I'",
                keyed(""),
                Event::Born.letter(),
                keyed("l.")
            ))
            .await?;
    }
    Ok(())
}

/// The next position of a history and this transaction, as values: nothing is asked again for each row.
async fn stamp(session: &mut dyn Session, id: i64) -> Result<String, SnapshotError> {
    let row = session
        .row(&format!(
            "SELECT pg_catalog.nextval('downhaul.log_{id}_seq'), pg_catalog.pg_current_xact_id()::text"
        ))
        .await?
        .ok_or(EngineError::Protocol("a question got no answer".into()))?;
    Ok(format!("{}::bigint, '{}'::xid8", row.number(0)?, row.text(1)))
}

//! Live tables of PostgreSQL.

use std::sync::LazyLock;

use downhaul_syntax::{Dialect, Ident, ObjectName};

use super::Postgres;
use crate::session::{Row, Session};
use crate::{ColumnShape, EngineError, ForeignKeyShape, SequenceState, TableShape};

fn ident(name: &str) -> Ident {
    Ident::stored(Dialect::Postgres, name)
}

fn name(schema: &str, table: &str) -> ObjectName {
    ObjectName { schema: Some(ident(schema)), name: ident(table) }
}

/// What is asked of tables, each with a letter in front that tells their rows apart and the table's number
/// behind it: the table itself (t), columns (c), the key (k), foreign keys from it (f) and to it (r),
/// triggers (g), sequences (s). The text is always the same, for the server keeps the plans; `$1` is the
/// quoted names.
const QUESTIONS: [&str; 7] = [
    "SELECT 't', c.oid, v.name, n.nspname, c.relname, \
            c.relkind = 'p' OR c.relispartition OR (EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid) OR EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid)), \
            CASE WHEN c.reltuples < 0 THEN NULL ELSE c.reltuples::bigint END \
     FROM unnest(string_to_array($1, chr(1))) v (name) \
     JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(v.name) JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relkind IN ('r', 'p')",
    "SELECT 'c', a.attrelid, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull, \
            a.attgenerated <> '', a.attidentity = 'a', \
            t.typnamespace <> 'pg_catalog'::regnamespace OR e.typnamespace <> 'pg_catalog'::regnamespace, \
            pg_catalog.pg_get_expr(d.adbin, d.adrelid) \
     FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
     LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem AND t.typelem <> 0 \
     LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.attgenerated = '' \
     WHERE a.attrelid = ANY ({tables}) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum",
    // The primary key, else the narrowest unique index over NOT NULL columns that is valid, not
    // partial, without expressions, and checked at once.
    // A join would read all columns of all tables, for a series of numbers counts as a thousand.
    "SELECT 'k', i.indrelid, (SELECT a.attname FROM pg_catalog.pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = i.indkey[k]) FROM ( \
       SELECT DISTINCT ON (i.indrelid) i.indexrelid, i.indrelid, i.indkey, i.indnkeyatts FROM pg_catalog.pg_index i \
       WHERE i.indrelid = ANY ({tables}) AND i.indisunique AND i.indisvalid AND i.indimmediate \
         AND i.indpred IS NULL AND i.indexprs IS NULL \
         AND NOT EXISTS (SELECT FROM pg_catalog.generate_series(0, i.indnkeyatts - 1) k \
               JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k] \
               WHERE NOT a.attnotnull) \
       ORDER BY i.indrelid, i.indisprimary DESC, i.indnkeyatts, i.indexrelid) i \
     CROSS JOIN pg_catalog.generate_series(0, i.indnkeyatts - 1) k ORDER BY i.indrelid, k",
    // One row for each pair of columns. A key that refers to a partitioned table has others beside it, one
    // for each partition, which go and change with it.
    "SELECT 'f', k.conrelid, k.conname, n.nspname, c.relname, k.confdeltype IN ('c','n','d') OR k.confupdtype IN ('c','n','d'), k.condeferrable, \
       a.attname, r.attname \
     FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.confrelid \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     CROSS JOIN LATERAL unnest(k.conkey, k.confkey) WITH ORDINALITY AS u(own, other, place) \
     JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.own \
     JOIN pg_catalog.pg_attribute r ON r.attrelid = k.confrelid AND r.attnum = u.other \
     WHERE k.conrelid = ANY ({tables}) AND k.contype = 'f' \
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint o WHERE o.oid = k.conparentid AND o.conrelid = k.conrelid) \
     ORDER BY k.oid, u.place",
    // Of `confrelid` the server has no index, of what depends on a table it has one.
    "SELECT 'r', k.confrelid, n.nspname, c.relname, bool_or(k.confdeltype IN ('c','n','d') OR k.confupdtype IN ('c','n','d')) FROM pg_catalog.pg_constraint k \
     JOIN pg_catalog.pg_class c ON c.oid = k.conrelid \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE k.oid IN (SELECT d.objid FROM pg_catalog.pg_depend d WHERE d.refclassid = 'pg_catalog.pg_class'::regclass \
         AND d.refobjid = ANY ({tables}) AND d.classid = 'pg_catalog.pg_constraint'::regclass) \
       AND k.confrelid = ANY ({tables}) AND k.contype = 'f' AND k.conrelid <> k.confrelid \
     GROUP BY k.confrelid, n.nspname, c.relname ORDER BY n.nspname, c.relname",
    "SELECT 'g', tgrelid, tgname FROM pg_catalog.pg_trigger \
     WHERE tgrelid = ANY ({tables}) AND NOT tgisinternal \
       AND tgenabled = 'O' AND tgparentid = 0 ORDER BY tgname",
    "SELECT 's', d.refobjid, a.attname, n.nspname, s.relname FROM pg_catalog.pg_depend d \
     JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S' \
     JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace \
     JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid \
     WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass \
       AND d.refobjid = ANY ({tables}) AND d.deptype IN ('a', 'i') ORDER BY a.attnum",
];

/// The numbers of the tables asked about.
const TABLES: &str =
    "ARRAY(SELECT pg_catalog.to_regclass(name) FROM unnest(string_to_array($1, chr(1))) v (name))";

pub(super) async fn table_shapes(
    session: &mut Postgres,
    tables: &[ObjectName],
) -> Result<Vec<Option<TableShape>>, EngineError> {
    static QUERIES: LazyLock<[String; 7]> =
        LazyLock::new(|| QUESTIONS.map(|query| query.replace("{tables}", TABLES)));
    let queries = QUERIES.each_ref().map(String::as_str);
    let names: Vec<String> = tables.iter().map(|t| Dialect::Postgres.quote_name(t)).collect();
    let rows = session.ask_by_index(&queries, &names.join("\u{1}")).await?;
    let mut shapes = Vec::with_capacity(names.len());
    for name in &names {
        let found = rows.iter().find(|row| row.text(0) == "t" && row.text(2) == name);
        shapes.push(match found {
            Some(found) => Some(shape(session, found, &rows).await?),
            None => None,
        });
    }
    Ok(shapes)
}

pub(super) async fn table_shape(
    session: &mut Postgres,
    table: &ObjectName,
) -> Result<Option<TableShape>, EngineError> {
    Ok(table_shapes(session, std::slice::from_ref(table)).await?.pop().flatten())
}

/// What the answers say of one table.
async fn shape(
    session: &mut Postgres,
    found: &Row,
    rows: &[Row],
) -> Result<TableShape, EngineError> {
    let all = |letter: &'static str| {
        rows.iter().filter(move |row| row.text(0) == letter && row.text(1) == found.text(1))
    };
    let columns = all("c")
        .map(|row| ColumnShape {
            name: ident(row.text(2)),
            ty: row.text(3).to_owned(),
            not_null: row.flag(4),
            generated: row.flag(5),
            identity_always: row.flag(6),
            user_type: row.flag(7),
            default: row.opt(8).map(str::to_owned),
        })
        .collect();
    let key = all("k").map(|row| ident(row.text(2))).collect();

    let mut foreign_keys: Vec<ForeignKeyShape> = Vec::new();
    for row in all("f") {
        let constraint = ident(row.text(2));
        if foreign_keys.last().is_none_or(|last| last.name.as_ref() != Some(&constraint)) {
            foreign_keys.push(ForeignKeyShape {
                name: Some(constraint),
                table: name(row.text(3), row.text(4)),
                acts: row.flag(5),
                deferrable: row.flag(6),
                columns: Vec::new(),
                references: Vec::new(),
            });
        }
        if let Some(last) = foreign_keys.last_mut() {
            last.columns.push(ident(row.text(7)));
            last.references.push(ident(row.text(8)));
        }
    }
    let names = |only_acting: bool| {
        all("r")
            .filter(|row| !only_acting || row.flag(4))
            .map(|row| name(row.text(2), row.text(3)))
            .collect()
    };
    let triggers = all("g").map(|row| ident(row.text(2))).collect();

    let mut sequences = Vec::new();
    for row in all("s") {
        let own = name(row.text(3), row.text(4));
        let sequence = Dialect::Postgres.quote_name(&own);
        let state = session.rows(&format!("SELECT last_value, is_called FROM {sequence}")).await?;
        if let Some(state) = state.first() {
            sequences.push(SequenceState {
                column: Some(ident(row.text(2))),
                name: Some(own),
                last_value: state.number(0)?,
                is_called: state.flag(1),
            });
        }
    }

    Ok(TableShape {
        name: name(found.text(3), found.text(4)),
        columns,
        key,
        key_may_be_null: false,
        foreign_keys,
        acted_on: names(true),
        referenced_by: names(false),
        sequences,
        triggers,
        divided: found.flag(5),
        rows: found.opt(6).and_then(|rows| rows.parse().ok()),
    })
}

pub(super) async fn tables_of_schema(
    session: &mut Postgres,
    schema: &str,
) -> Result<Vec<ObjectName>, EngineError> {
    let rows = session
        .rows(&format!(
            "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = {} AND c.relkind IN ('r', 'p') ORDER BY c.oid",
            Dialect::Postgres.literal(schema)
        ))
        .await?;
    Ok(rows.iter().map(|row| name(row.text(0), row.text(1))).collect())
}

//! Live tables of PostgreSQL.

use downhaul_syntax::{Dialect, Ident, ObjectName};

use super::Postgres;
use crate::session::Session;
use crate::{ColumnShape, EngineError, ForeignKeyShape, SequenceState, TableShape};

fn ident(name: &str) -> Ident {
    Ident::stored(Dialect::Postgres, name)
}

fn name(schema: &str, table: &str) -> ObjectName {
    ObjectName { schema: Some(ident(schema)), name: ident(table) }
}

/// What is asked of a table, each with a letter in front that tells their rows apart: the table itself
/// (t), columns (c), the key (k), foreign keys from it (f) and to it (r), triggers (g), sequences (s).
/// The text is always the same, for the server keeps the plans; `$1` is the quoted name.
const QUESTIONS: [&str; 7] = [
    "SELECT 't', c.oid, n.nspname, c.relname, \
            c.relkind = 'p' OR c.relispartition OR EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE c.oid IN (i.inhrelid, i.inhparent)), \
            CASE WHEN c.reltuples < 0 THEN NULL ELSE c.reltuples::bigint END \
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.oid = (SELECT pg_catalog.to_regclass($1)) AND c.relkind IN ('r', 'p')",
    "SELECT 'c', a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull, \
            a.attgenerated <> '', a.attidentity = 'a', \
            t.typnamespace <> 'pg_catalog'::regnamespace OR e.typnamespace <> 'pg_catalog'::regnamespace, \
            pg_catalog.pg_get_expr(d.adbin, d.adrelid) \
     FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
     LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem AND t.typelem <> 0 \
     LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.attgenerated = '' \
     WHERE a.attrelid = (SELECT pg_catalog.to_regclass($1)) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
    // The primary key, else the narrowest unique index over NOT NULL columns that is valid, not
    // partial, without expressions, and checked at once.
    "SELECT 'k', a.attname FROM ( \
       SELECT i.indexrelid, i.indrelid, i.indkey, i.indnkeyatts FROM pg_catalog.pg_index i \
       WHERE i.indrelid = (SELECT pg_catalog.to_regclass($1)) AND i.indisunique AND i.indisvalid AND i.indimmediate \
         AND i.indpred IS NULL AND i.indexprs IS NULL \
         AND NOT EXISTS (SELECT FROM pg_catalog.generate_series(0, i.indnkeyatts - 1) k \
               JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k] \
               WHERE NOT a.attnotnull) \
       ORDER BY i.indisprimary DESC, i.indnkeyatts, i.indexrelid LIMIT 1) i \
     CROSS JOIN pg_catalog.generate_series(0, i.indnkeyatts - 1) k \
     JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k] ORDER BY k",
    // One row for each pair of columns.
    "SELECT 'f', k.conname, n.nspname, c.relname, k.confdeltype IN ('c','n','d') OR k.confupdtype IN ('c','n','d'), k.condeferrable, \
       a.attname, r.attname \
     FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.confrelid \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     CROSS JOIN LATERAL unnest(k.conkey, k.confkey) WITH ORDINALITY AS u(own, other, place) \
     JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.own \
     JOIN pg_catalog.pg_attribute r ON r.attrelid = k.confrelid AND r.attnum = u.other \
     WHERE k.conrelid = (SELECT pg_catalog.to_regclass($1)) AND k.contype = 'f' ORDER BY k.oid, u.place",
    "SELECT 'r', n.nspname, c.relname, bool_or(k.confdeltype IN ('c','n','d') OR k.confupdtype IN ('c','n','d')) FROM pg_catalog.pg_constraint k \
     JOIN pg_catalog.pg_class c ON c.oid = k.conrelid \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE k.confrelid = (SELECT pg_catalog.to_regclass($1)) AND k.contype = 'f' AND k.conrelid <> k.confrelid \
     GROUP BY n.nspname, c.relname ORDER BY n.nspname, c.relname",
    "SELECT 'g', tgname FROM pg_catalog.pg_trigger \
     WHERE tgrelid = (SELECT pg_catalog.to_regclass($1)) AND NOT tgisinternal \
       AND tgenabled = 'O' AND tgparentid = 0 ORDER BY tgname",
    "SELECT 's', a.attname, n.nspname, s.relname FROM pg_catalog.pg_depend d \
     JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S' \
     JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace \
     JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid \
     WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass \
       AND d.refobjid = (SELECT pg_catalog.to_regclass($1)) AND d.deptype IN ('a', 'i') ORDER BY a.attnum",
];

pub(super) async fn table_shape(
    session: &mut Postgres,
    table: &ObjectName,
) -> Result<Option<TableShape>, EngineError> {
    let rows = session.ask(&QUESTIONS, &Dialect::Postgres.quote_name(table)).await?;
    let all = |letter: &'static str| rows.iter().filter(move |row| row.text(0) == letter);
    let Some(found) = all("t").next() else { return Ok(None) };

    let columns = all("c")
        .map(|row| ColumnShape {
            name: ident(row.text(1)),
            ty: row.text(2).to_owned(),
            not_null: row.flag(3),
            generated: row.flag(4),
            identity_always: row.flag(5),
            user_type: row.flag(6),
            default: row.opt(7).map(str::to_owned),
        })
        .collect();
    let key = all("k").map(|row| ident(row.text(1))).collect();

    let mut foreign_keys: Vec<ForeignKeyShape> = Vec::new();
    for row in all("f") {
        let constraint = ident(row.text(1));
        if foreign_keys.last().is_none_or(|last| last.name.as_ref() != Some(&constraint)) {
            foreign_keys.push(ForeignKeyShape {
                name: Some(constraint),
                table: name(row.text(2), row.text(3)),
                acts: row.flag(4),
                deferrable: row.flag(5),
                columns: Vec::new(),
                references: Vec::new(),
            });
        }
        if let Some(last) = foreign_keys.last_mut() {
            last.columns.push(ident(row.text(6)));
            last.references.push(ident(row.text(7)));
        }
    }
    let names = |only_acting: bool| {
        all("r")
            .filter(|row| !only_acting || row.flag(3))
            .map(|row| name(row.text(1), row.text(2)))
            .collect()
    };
    let triggers = all("g").map(|row| ident(row.text(1))).collect();

    let mut sequences = Vec::new();
    for row in all("s") {
        let sequence = Dialect::Postgres.quote_name(&name(row.text(2), row.text(3)));
        let state = session.rows(&format!("SELECT last_value, is_called FROM {sequence}")).await?;
        if let Some(state) = state.first() {
            sequences.push(SequenceState {
                column: Some(ident(row.text(1))),
                last_value: state.number(0)?,
                is_called: state.flag(1),
            });
        }
    }

    Ok(Some(TableShape {
        name: name(found.text(2), found.text(3)),
        columns,
        key,
        key_may_be_null: false,
        foreign_keys,
        acted_on: names(true),
        referenced_by: names(false),
        sequences,
        triggers,
        divided: found.flag(4),
        rows: found.opt(5).and_then(|rows| rows.parse().ok()),
    }))
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

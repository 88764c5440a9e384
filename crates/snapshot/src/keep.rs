//! Before the migration: lock what it will destroy something of, and keep that.

use std::collections::{BTreeMap, BTreeSet};

use downhaul_engine::{ColumnShape, Session, TableShape};
use downhaul_syntax::{Dialect, Ident, ObjectName};

use crate::in_parts::{self, Tell};
use crate::loss::{Losses, TableLoss};
use crate::store::{Kept, KeptColumn, KeptMode, SnapshotError, store_name};
use crate::track::choose::CHANGES_ROWS;
use crate::{added, packed, sql};

/// Bytes up to which a table is copied although only some of its rows change (PostgreSQL).
const SMALL: u32 = 128 * 1024;

/// A table that loses something, and what.
#[derive(Clone, Debug)]
pub struct Endangered {
    /// The live table.
    pub shape: TableShape,
    /// What it loses.
    pub loss: TableLoss,
}

impl Endangered {
    /// Whether it is one of the tables in which PostgreSQL keeps the schema itself. They can be neither
    /// locked nor watched, and their rows are no data: what changes in them is the schema.
    #[must_use]
    pub fn is_catalog(&self, dialect: Dialect) -> bool {
        let schema = self.shape.name.schema.as_ref().map(Ident::as_str);
        dialect == Dialect::Postgres && matches!(schema, Some("pg_catalog" | "information_schema"))
    }
}

/// Finds the live tables that a migration destroys something of: those it names, those that
/// foreign keys reach, and those of schemas that are dropped.
pub async fn endangered(
    session: &mut dyn Session,
    losses: &Losses,
) -> Result<Vec<Endangered>, SnapshotError> {
    let mut found: BTreeMap<ObjectName, Endangered> = BTreeMap::new();
    // Tables still to look at, and whether `TRUNCATE … CASCADE` goes on from there.
    let mut pending: Vec<(ObjectName, TableLoss, bool)> = losses
        .tables
        .iter()
        .filter(|(_, loss)| loss.destroys())
        .map(|(name, loss)| (name.clone(), loss.clone(), false))
        .collect();
    for schema in &losses.schemas {
        for table in session.tables_of_schema(schema.as_str()).await? {
            pending.push((table, TableLoss { dropped: true, ..TableLoss::default() }, false));
        }
    }
    let truncated = || TableLoss { truncated: true, ..TableLoss::default() };
    pending.extend(losses.truncate_cascade.iter().map(|table| (table.clone(), truncated(), true)));
    let mut cascaded = BTreeSet::new();
    // On SQLite and MySQL nothing tells afterwards which rows a trigger changed.
    let mut hidden = losses.own_triggers_fire;
    let told = session.dialect() == Dialect::Postgres;
    for table in losses.inserts.iter().filter(|_| !told) {
        let shape = session.table_shape(table).await?;
        hidden |= shape.is_none_or(|shape| !shape.triggers.is_empty());
    }
    while let Some((name, loss, cascades)) = pending.pop() {
        let Some(shape) = session.table_shape(&name).await? else {
            // A view: its triggers decide which rows change.
            hidden |= loss.rows;
            continue;
        };
        hidden |= loss.rows && !shape.triggers.is_empty();
        if cascades && cascaded.insert(shape.name.clone()) {
            pending.extend(shape.referenced_by.iter().map(|t| (t.clone(), truncated(), true)));
        }
        // DROP TABLE deletes rows first on SQLite, and so acts on other tables too.
        let acts = loss.acts_on_others || loss.dropped && session.dialect() == Dialect::Sqlite;
        if acts {
            for reached in &shape.acted_on {
                if !found.contains_key(reached) {
                    let loss = TableLoss {
                        rows: true,
                        acts_on_others: true,
                        keys_follow: keys_may_change(&shape, &loss),
                        ..TableLoss::default()
                    };
                    pending.push((reached.clone(), loss, false));
                }
            }
        }
        match found.get_mut(&shape.name) {
            Some(known) => {
                known.loss.dropped |= loss.dropped;
                known.loss.truncated |= loss.truncated;
                known.loss.rows |= loss.rows;
                known.loss.acts_on_others |= loss.acts_on_others;
                known.loss.keys_follow |= loss.keys_follow;
                known.loss.assigned.extend(loss.assigned);
                known.loss.altered |= loss.altered;
                known.loss.columns.extend(loss.columns);
                known.loss.retyped.extend(loss.retyped);
                known.loss.converted.extend(loss.converted);
            }
            None => {
                found.insert(shape.name.clone(), Endangered { shape, loss });
            }
        }
    }
    if hidden && !told {
        let schema = if session.dialect() == Dialect::Sqlite { "main" } else { "" };
        for name in session.tables_of_schema(schema).await? {
            if losses.given_up.contains(&name) {
                continue;
            }
            let Some(shape) = session.table_shape(&name).await? else { continue };
            let loss = TableLoss { rows: true, ..TableLoss::default() };
            found.entry(shape.name.clone()).or_insert(Endangered { shape, loss });
        }
    }
    Ok(found.into_values().collect())
}

/// Keeps what one table would lose, and tells how far a long copy is. `id` names the store. Within the
/// migration's transaction.
pub async fn keep(
    session: &mut dyn Session,
    table: &Endangered,
    id: i64,
    tell: Tell<'_>,
) -> Result<Kept, SnapshotError> {
    let dialect = session.dialect();
    let Endangered { shape, loss } = table;
    let key = surviving_key(shape, loss);
    let mut mode = mode(shape, loss, &key);
    if dialect == Dialect::Postgres {
        // The lock that the migration's own statement will take, taken first: the copy and the
        // statement then see the same rows (each statement of READ COMMITTED sees what is
        // committed when it starts).
        let strength = strength(mode);
        let name = sql::table(dialect, &shape.name);
        let small = session
            .row(&format!(
                "LOCK TABLE {name} IN {strength} MODE; \
                 SELECT pg_catalog.pg_table_size(oid) <= {SMALL} AND NOT relrowsecurity FROM pg_catalog.pg_class \
                 WHERE oid = {}::pg_catalog.regclass",
                dialect.literal(&name)
            ))
            .await?;
        // A copy of few rows takes the server a fraction of what triggers take.
        if mode == KeptMode::Capture && small.is_some_and(|row| row.flag(0)) {
            mode = KeptMode::Copy;
        }
    }
    let columns: Vec<&ColumnShape> = shape
        .writable()
        .filter(|c| {
            mode != KeptMode::Columns
                || key.contains(&c.name)
                || loss.columns.contains(&c.name)
                || loss.retyped.contains(&c.name)
        })
        .collect();
    // Two columns of a store are ours.
    let most = sql::most_columns(dialect) - 2;
    if columns.len() > most {
        return Err(SnapshotError::TooWide {
            table: shape.name.to_string(),
            columns: columns.len(),
            most,
        });
    }
    // Few rows are compared in a temporary table: what is left of them goes to where all few rows lie.
    let few = dialect == Dialect::Sqlite && packed::sqlite::fits(session, shape, &columns).await?;
    if few && mode == KeptMode::Capture {
        mode = KeptMode::Copy;
    }
    let rows = match mode {
        KeptMode::Copy | KeptMode::Tombstone => {
            copy(session, shape, None, &columns, (id, few), tell).await?
        }
        KeptMode::Columns | KeptMode::Hidden => {
            copy(session, shape, Some(loss), &columns, (id, few), tell).await?
        }
        KeptMode::Capture => {
            capture(session, shape, &columns, id).await?;
            0
        }
    };
    Ok(Kept { packed: few, ..described(table, id, mode, key, &columns, rows) })
}

/// Reads where sequences stand once more, under the locks that the tables are kept under: others have drawn
/// numbers until then, and rows with these are kept.
pub async fn counters(session: &mut dyn Session, kept: &mut [Kept]) -> Result<(), SnapshotError> {
    for kept in kept.iter_mut().filter(|kept| !kept.sequences.is_empty()) {
        if let Some(now) = session.table_shape(&kept.table).await? {
            kept.sequences = now.sequences;
        }
    }
    Ok(())
}

/// The lock under which a table is kept on PostgreSQL.
#[must_use]
pub fn lock_of(table: &Endangered) -> &'static str {
    let key = surviving_key(&table.shape, &table.loss);
    strength(mode(&table.shape, &table.loss, &key))
}

fn strength(mode: KeptMode) -> &'static str {
    match mode {
        KeptMode::Capture => "SHARE ROW EXCLUSIVE",
        _ => "ACCESS EXCLUSIVE",
    }
}

/// What is known of a store before the migration runs.
pub(crate) fn described(
    table: &Endangered,
    id: i64,
    mode: KeptMode,
    key: Vec<Ident>,
    columns: &[&ColumnShape],
    rows: u64,
) -> Kept {
    let shape = &table.shape;
    Kept {
        id,
        mode,
        table: shape.name.clone(),
        after: None,
        key,
        columns: columns
            .iter()
            .map(|c| KeptColumn {
                name: c.name.clone(),
                ty: c.ty.clone(),
                user_type: c.user_type,
                after: Some(c.name.clone()),
                after_ty: c.ty.clone(),
                left_as: None,
                follows: table.loss.follows.contains_key(&c.name),
                formula: table.loss.follows.get(&c.name).cloned(),
            })
            .collect(),
        rows,
        rows_gone: 0,
        sequences: shape.sequences.clone(),
        keyless_after: None,
        digest: String::new(),
        shape: shape.clone(),
        tombstone: None,
        packed: false,
        pruned: None,
    }
}

/// The key, if the migration does not take a part of it away.
fn surviving_key(shape: &TableShape, loss: &TableLoss) -> Vec<Ident> {
    if shape.key.iter().any(|k| loss.columns.contains(k)) { Vec::new() } else { shape.key.clone() }
}

/// Whether a row may have another key afterwards.
pub(crate) fn keys_may_change(shape: &TableShape, loss: &TableLoss) -> bool {
    loss.keys_follow
        || shape.key.iter().any(|k| loss.assigned.contains(k) || loss.retyped.contains(k))
}

fn mode(shape: &TableShape, loss: &TableLoss, key: &[Ident]) -> KeptMode {
    // Where keys change, only a copy of all rows tells those that moved from those that are new.
    let whole = loss.dropped || loss.truncated || key.is_empty() || keys_may_change(shape, loss);
    if whole || loss.rows && (loss.altered || shape.divided) {
        KeptMode::Copy
    } else if loss.rows {
        KeptMode::Capture
    } else {
        KeptMode::Columns
    }
}

/// Makes the store and copies into it: whole rows, or what is lost of them with their key. Returns the rows copied, counted
/// against the table.
async fn copy(
    session: &mut dyn Session,
    shape: &TableShape,
    columns_lost: Option<&TableLoss>,
    columns: &[&ColumnShape],
    (id, temporary): (i64, bool),
    tell: Tell<'_>,
) -> Result<u64, SnapshotError> {
    let dialect = session.dialect();
    let (store, table) = (sql::own(dialect, &store_name(id)), sql::table(dialect, &shape.name));
    let names: Vec<String> = columns.iter().map(|c| dialect.quote(&c.name)).collect();
    let op = if columns_lost.is_some() { "U" } else { "D" };
    let only = columns_lost.and_then(|loss| added::only(loss, shape, dialect));
    let filter = only.as_ref().map(|test| format!(" WHERE {test}")).unwrap_or_default();
    let value = |c: &ColumnShape| match columns_lost {
        Some(loss) => loss.kept_value(&c.name, &c.ty, dialect),
        None => dialect.quote(&c.name),
    };
    let values: Vec<String> =
        columns.iter().map(|c| sql::to_store(dialect, &value(c), c)).collect();
    let comma = if names.is_empty() { "" } else { ", " };
    let counts = match dialect {
        Dialect::Postgres => {
            let select: Vec<String> =
                values.iter().zip(&names).map(|(v, n)| format!("{v} AS {n}")).collect();
            let select = format!(
                "SELECT '{op}'::text AS downhaul_op{comma}{} FROM {table}",
                select.join(", ")
            );
            let make = match in_parts::pages(session, shape).await? {
                None => format!("CREATE TABLE {store} AS {select}{filter}; "),
                Some(pages) => {
                    session
                        .execute(&format!("CREATE TABLE {store} AS {select} WITH NO DATA"))
                        .await?;
                    let insert = format!("INSERT INTO {store} {select}");
                    let parts = (insert.as_str(), only.as_deref());
                    in_parts::by_pages(session, parts, pages, tell).await?;
                    String::new()
                }
            };
            session
                .row(&format!(
                    "{make}SELECT (SELECT count(*) FROM {store}), (SELECT count(*) FROM {table}{filter})"
                ))
                .await?
        }
        _ => {
            // Columns without a type hold every value exactly as it is.
            let schema = if temporary { "temp." } else { "" };
            let create =
                format!("CREATE TABLE {schema}{store} (downhaul_op{comma}{})", names.join(", "));
            let insert = format!(
                "INSERT INTO {store} SELECT '{op}'{comma}{} FROM {table}",
                values.join(", ")
            );
            let live = format!("(SELECT count(*) FROM {table}{filter})");
            let count = format!("SELECT (SELECT count(*) FROM {store}), ");
            if temporary {
                session.row(&format!("{create}; {insert}{filter}; {count}{live}")).await?
            } else {
                // Nobody else writes to the file, so they may be counted before.
                let total = session.number(&format!("{create}; SELECT {live}")).await?;
                let known = u64::try_from(total).unwrap_or(0);
                let parts = (insert.as_str(), only.as_deref());
                if !in_parts::by_row_numbers(session, shape, parts, known, tell).await? {
                    session.execute(&format!("{insert}{filter}")).await?;
                }
                session.row(&format!("{count}{total}")).await?
            }
        }
    };
    let (kept, live) = match counts {
        Some(row) => (row.number(0)?, row.number(1)?),
        None => (0, -1),
    };
    if kept != live {
        return Err(SnapshotError::NotSound {
            table: shape.name.to_string(),
            reason: format!("{kept} rows were kept of {live}"),
        });
    }
    Ok(u64::try_from(kept).unwrap_or(0))
}

/// Sets triggers that record rows before they change.
async fn capture(
    session: &mut dyn Session,
    shape: &TableShape,
    columns: &[&ColumnShape],
    id: i64,
) -> Result<(), SnapshotError> {
    let dialect = session.dialect();
    let statements = match dialect {
        Dialect::Postgres => {
            let again = session
                .number(&format!(
                    "SELECT count(*) FROM pg_catalog.pg_constraint k WHERE k.conrelid = {}::pg_catalog.regclass AND k.contype = 'f' AND {CHANGES_ROWS}",
                    dialect.literal(&sql::table(dialect, &shape.name))
                ))
                .await?;
            capture_postgres(shape, columns, id, again > 0)
        }
        _ => capture_sqlite(shape, columns, id),
    };
    session.execute(&statements.join("; ")).await?;
    Ok(())
}

/// Statement triggers with transition tables: 1.25 times the cost of an untracked bulk update, as
/// measured, where row triggers cost several times that.
///
/// A row that one statement changes twice through a nested trigger would be logged in the wrong
/// order by its AFTER trigger alone; so the number that decides is drawn when the statement
/// starts, and carried on a stack in a setting that rolls back with its savepoint: one for each of INSERT,
/// UPDATE and DELETE, since what foreign keys do joins the statement that made them do it and ends in another
/// order than it began.
///
/// `again`: the table's own foreign keys change its rows ([`crate::track::choose::Facts::again`]): those rows are
/// recorded one by one, just before they change.
fn capture_postgres(
    shape: &TableShape,
    columns: &[&ColumnShape],
    id: i64,
    again: bool,
) -> Vec<String> {
    let d = Dialect::Postgres;
    let (store, table) = (sql::own(d, &store_name(id)), sql::table(d, &shape.name));
    let names: Vec<String> = columns.iter().map(|c| d.quote(&c.name)).collect();
    let list = names.join(", ");
    let typed: Vec<String> = columns
        .iter()
        .zip(&names)
        .map(|(c, name)| format!("{} AS {name}", sql::to_store(d, name, c)))
        .collect();
    let from = |op: &str, rows: &str| {
        let values: Vec<String> = columns
            .iter()
            .zip(&names)
            .map(|(c, name)| sql::to_store(d, &format!("{rows}.{name}"), c))
            .collect();
        format!(
            "INSERT INTO {store} (downhaul_seq, downhaul_op, {list}) SELECT number, '{op}', {}{};",
            values.join(", "),
            if again { String::new() } else { format!(" FROM {rows}") }
        )
    };
    let path = "RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS";
    let mut statements = vec![
        format!("CREATE SEQUENCE downhaul.kept_{id}_seq"),
        format!(
            "CREATE TABLE {store} AS SELECT 0::bigint AS downhaul_seq, ''::text AS downhaul_op, {} FROM {table} WITH NO DATA",
            typed.join(", ")
        ),
    ];
    if again {
        statements.push(format!(
            "CREATE FUNCTION downhaul.kept_{id}_end() {path} {}",
            Dialect::dollar_quoted(&format!(
                " DECLARE number bigint := nextval('downhaul.kept_{id}_seq'); \
                 BEGIN IF TG_OP = 'INSERT' THEN {} RETURN NULL; ELSIF TG_OP = 'UPDATE' THEN {} RETURN NEW; ELSE {} RETURN OLD; END IF; END ",
                from("I", "NEW"),
                from("U", "OLD"),
                from("D", "OLD"),
            )),
        ));
        // Behind the triggers that may still keep a row from being changed.
        for (time, verb) in [("AFTER", "INSERT"), ("BEFORE", "UPDATE"), ("BEFORE", "DELETE")] {
            statements.push(format!(
                "CREATE TRIGGER \"~downhaul_{id}_{}\" {time} {verb} ON {table} FOR EACH ROW EXECUTE FUNCTION downhaul.kept_{id}_end()",
                verb.to_lowercase()
            ));
        }
        return statements;
    }
    statements.extend([
        format!(
            "CREATE FUNCTION downhaul.kept_{id}_begin() {path} $downhaul$ \
             DECLARE name text := 'downhaul.stack_{id}_' || TG_OP; \
             BEGIN PERFORM set_config(name, nextval('downhaul.kept_{id}_seq') || ',' || coalesce(current_setting(name, true), ''), true); RETURN NULL; END $downhaul$"
        ),
        format!(
            "CREATE FUNCTION downhaul.kept_{id}_end() {path} {}",
            Dialect::dollar_quoted(&format!(
                " DECLARE name text := 'downhaul.stack_{id}_' || TG_OP; stack text := current_setting(name, true); number bigint := nullif(split_part(stack, ',', 1), '')::bigint; \
                 BEGIN PERFORM set_config(name, substr(stack, strpos(stack, ',') + 1), true); \
                 IF TG_OP = 'INSERT' THEN {} ELSIF TG_OP = 'UPDATE' THEN {} ELSE {} END IF; RETURN NULL; END ",
                from("I", "fresh"),
                from("U", "past"),
                from("D", "past"),
            )),
        ),
    ]);
    for (verb, rows) in [
        ("INSERT", "NEW TABLE AS fresh"),
        ("UPDATE", "OLD TABLE AS past"),
        ("DELETE", "OLD TABLE AS past"),
    ] {
        let lower = verb.to_lowercase();
        statements.push(format!(
            "CREATE TRIGGER \"!downhaul_{id}_{lower}\" BEFORE {verb} ON {table} FOR EACH STATEMENT EXECUTE FUNCTION downhaul.kept_{id}_begin()"
        ));
        statements.push(format!(
            "CREATE TRIGGER \"~downhaul_{id}_{lower}\" AFTER {verb} ON {table} REFERENCING {rows} FOR EACH STATEMENT EXECUTE FUNCTION downhaul.kept_{id}_end()"
        ));
    }
    statements
}

/// BEFORE triggers for each row: they see the row before any statement, nested or not, changes it.
fn capture_sqlite(shape: &TableShape, columns: &[&ColumnShape], id: i64) -> Vec<String> {
    let d = Dialect::Sqlite;
    let (store, table) = (sql::own(d, &store_name(id)), sql::table(d, &shape.name));
    let names: Vec<String> = columns.iter().map(|c| d.quote(&c.name)).collect();
    let of = |row: &str| names.iter().map(|n| format!("{row}.{n}")).collect::<Vec<_>>().join(", ");
    let trigger = |time: &str, verb: &str, op: &str, row: &str| {
        format!(
            "CREATE TRIGGER downhaul_kept_{id}_{} {time} {verb} ON {table} BEGIN INSERT INTO {store} VALUES ('{op}', {}); END",
            verb.to_lowercase(),
            of(row)
        )
    };
    vec![
        format!("CREATE TABLE {store} (downhaul_op, {})", names.join(", ")),
        trigger("AFTER", "INSERT", "I", "NEW"),
        trigger("BEFORE", "UPDATE", "U", "OLD"),
        trigger("BEFORE", "DELETE", "D", "OLD"),
    ]
}

/// Takes the triggers away again.
pub(crate) fn end_capture(dialect: Dialect, kept: &Kept) -> Vec<String> {
    let id = kept.id;
    let table = sql::table(dialect, &kept.table);
    match dialect {
        Dialect::Postgres => {
            let mut statements: Vec<String> = ["insert", "update", "delete"]
                .iter()
                .flat_map(|verb| {
                    ["!", "~"].map(|mark| {
                        format!("DROP TRIGGER IF EXISTS \"{mark}downhaul_{id}_{verb}\" ON {table}")
                    })
                })
                .collect();
            statements.push(format!(
                "DROP FUNCTION IF EXISTS downhaul.kept_{id}_begin(), downhaul.kept_{id}_end()"
            ));
            statements.push(format!("DROP SEQUENCE downhaul.kept_{id}_seq"));
            statements
        }
        _ => ["insert", "update", "delete"]
            .iter()
            .map(|verb| format!("DROP TRIGGER downhaul_kept_{id}_{verb}"))
            .collect(),
    }
}

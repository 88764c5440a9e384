//! After the migration: reduce what was kept to what was really lost.

use downhaul_engine::{Session, TableShape, exact};
use downhaul_syntax::{Dialect, Ident};

use crate::keep::{Endangered, end_capture, keys_may_change};
use crate::store::{Kept, KeptMode, SnapshotError};
use crate::tombstone;
use crate::{added, packed, sql};

/// Rows up to which a copy is reduced where it lies; a longer one is written anew, which costs no more
/// than what stays in it.
const FEW: u64 = 10_000;

/// Compares what was kept of a table with what the migration left of it, and keeps the net
/// difference. Afterwards every row of the store is marked: `D`, the row is gone; `U`, the row is
/// there but lost columns or had values changed. Returns `None` where nothing was lost after all
/// (the store is then gone too).
pub async fn settle(
    session: &mut dyn Session,
    table: &Endangered,
    mut kept: Kept,
) -> Result<Option<Kept>, SnapshotError> {
    let dialect = session.dialect();
    if kept.mode == KeptMode::Capture {
        session.execute(&end_capture(dialect, &kept).join("; ")).await?;
    }
    let after_name = table.loss.renamed_to.clone().unwrap_or_else(|| kept.table.clone());
    let after = session.table_shape(&after_name).await?;
    if kept.mode == KeptMode::Tombstone {
        if kept.tombstone.is_none() {
            return Err(SnapshotError::NotSound {
                table: kept.table.to_string(),
                reason: "no statement of the migration dropped it".into(),
            });
        }
        if after.is_none() {
            map_columns(&mut kept, table, None);
            kept.rows_gone = kept.rows;
            kept.digest = tombstone::signature(session, &kept).await?;
            return Ok(Some(kept));
        }
        // Another table stands in its place: what differs between them is what is lost.
        tombstone::back::into_copies(session, std::slice::from_mut(&mut kept)).await?;
    }
    if kept.mode == KeptMode::Hidden {
        map_columns(&mut kept, table, after.as_ref());
        kept.after = after.map(|after| after.name);
        kept.digest = tombstone::signature(session, &kept).await?;
        return match kept.digest.as_str() {
            "columns:none" | "columns:" => Err(SnapshotError::NotSound {
                table: kept.table.to_string(),
                reason: "no statement of the migration dropped its columns".into(),
            }),
            _ => Ok(Some(kept)),
        };
    }
    map_columns(&mut kept, table, after.as_ref());
    match &after {
        None => kept.rows_gone = kept.rows,
        Some(after) => {
            kept.after = Some(after.name.clone());
            let key_survives =
                kept.key.iter().all(|k| kept.column(k).is_some_and(|c| !c.is_lost()));
            if !key_survives {
                kept.key.clear();
            }
            if keys_may_change(&table.shape, &table.loss)
                && !kept.key.is_empty()
                && keys_moved(session, &kept, after).await?
            {
                // Nothing tells which of the new keys was which of the old ones.
                kept.key.clear();
            }
            if kept.key.is_empty() {
                settle_keyless(session, &mut kept, after, table).await?;
            } else if kept.mode == KeptMode::Columns && table.loss.retyped.is_empty() {
                // Every row keeps what it lost; nothing else can have changed.
            } else {
                settle_by_key(session, &mut kept, after).await?;
            }
        }
    }
    let store = sql::own(dialect, &kept.store());
    let rows =
        session.number(&format!("SELECT count(*) FROM {store} WHERE downhaul_op <> 'L'")).await?;
    kept.rows = u64::try_from(rows).unwrap_or(0);
    let nothing_lost = kept.rows == 0
        && kept.after.is_some()
        && (kept.lost_columns().next().is_none()
            || added::are_untouched(&table.loss, &kept, dialect));
    if nothing_lost {
        session.execute(&format!("DROP TABLE {store}")).await?;
        return Ok(None);
    }
    if kept.packed && dialect == Dialect::Sqlite {
        packed::sqlite::pack(session, &kept).await?;
    }
    kept.digest = digest(session, &kept).await?;
    Ok(Some(kept))
}

/// Fingerprint of a store.
pub async fn digest(session: &mut dyn Session, kept: &Kept) -> Result<String, SnapshotError> {
    if kept.is_aside() {
        return tombstone::signature(session, kept).await;
    }
    if kept.packed {
        return packed::digest(session, kept).await;
    }
    let dialect = session.dialect();
    let mut columns = vec!["downhaul_op".to_owned()];
    for column in &kept.columns {
        columns.push(dialect.quote(&column.name));
        columns.extend(column.left_as.as_ref().map(|left| dialect.quote(left)));
    }
    Ok(session.digest(&sql::own(dialect, &kept.store()), &columns).await?)
}

/// Finds each kept column's name and type after the migration.
fn map_columns(kept: &mut Kept, table: &Endangered, after: Option<&TableShape>) {
    for column in &mut kept.columns {
        let name = table.loss.renamed_columns.get(&column.name).unwrap_or(&column.name);
        let dropped = table.loss.columns.contains(&column.name) && !table.loss.dropped;
        let there = after.filter(|_| !dropped).and_then(|after| after.column(name));
        column.after = there.map(|c| c.name.clone());
        column.after_ty = there.map(|c| c.ty.clone()).unwrap_or_default();
    }
}

/// Joins `k` (the store) with `p` (the live table after the migration) by key.
pub(crate) fn join_after(dialect: Dialect, kept: &Kept) -> String {
    kept.key
        .iter()
        .filter_map(|key| kept.column(key))
        .map(|c| {
            let left = format!("k.{}", dialect.quote(&c.name));
            let right = format!("p.{}", dialect.quote(c.after.as_ref().unwrap_or(&c.name)));
            if dialect == Dialect::Postgres
                && (c.user_type || c.ty != c.after_ty && !both_integers(&c.ty, &c.after_ty))
            {
                format!("{left}::text = {right}::text")
            } else {
                format!("{left} = {right}")
            }
        })
        .collect::<Vec<_>>()
        .join(" AND ")
}

fn both_integers(a: &str, b: &str) -> bool {
    let integer = |ty: &str| matches!(ty, "smallint" | "integer" | "bigint");
    integer(a) && integer(b)
}

/// A test that the kept value of a column and the live one differ.
pub(crate) fn changed(dialect: Dialect, column: &crate::KeptColumn) -> Option<String> {
    let after = column.after.as_ref()?;
    let (left, right) =
        (format!("k.{}", dialect.quote(&column.name)), format!("p.{}", dialect.quote(after)));
    // A column whose type changed is compared as text: what reads the same has survived.
    let ty =
        if column.ty == column.after_ty && !column.user_type { column.ty.as_str() } else { "" };
    Some(sql::differs(dialect, &sql::exact(dialect, &left, ty), &sql::exact(dialect, &right, ty)))
}

/// Whether keys of the copy are gone and others have appeared.
pub(crate) async fn keys_moved(
    session: &mut dyn Session,
    kept: &Kept,
    after: &TableShape,
) -> Result<bool, SnapshotError> {
    let dialect = session.dialect();
    let store = sql::own(dialect, &kept.store());
    let live = sql::table(dialect, &after.name);
    let join = join_after(dialect, kept);
    let moved = session
        .number(&format!(
            "SELECT CASE WHEN EXISTS (SELECT 1 FROM {store} k WHERE NOT EXISTS (SELECT 1 FROM {live} p WHERE {join})) \
                      AND EXISTS (SELECT 1 FROM {live} p WHERE NOT EXISTS (SELECT 1 FROM {store} k WHERE {join})) \
                    THEN 1 ELSE 0 END"
        ))
        .await?;
    Ok(moved == 1)
}

async fn settle_by_key(
    session: &mut dyn Session,
    kept: &mut Kept,
    after: &TableShape,
) -> Result<(), SnapshotError> {
    let dialect = session.dialect();
    let store = sql::own(dialect, &kept.store());
    let live = sql::table(dialect, &after.name);
    let names: Vec<String> = kept.columns.iter().map(|c| dialect.quote(&c.name)).collect();
    let keys = sql::list(dialect, &kept.key);
    // What was there before the migration: of captured events the first of each key, unless that
    // is the row's birth.
    let past = match (kept.mode, dialect) {
        (KeptMode::Capture, Dialect::Postgres) => {
            // What went is changed no more, unless it is born again: a change that seems to come behind, since
            // a foreign key made it, came before.
            format!(
                "(SELECT DISTINCT ON ({keys}) * FROM (SELECT *, count(*) FILTER (WHERE downhaul_op = 'I') \
                   OVER (PARTITION BY {keys} ORDER BY downhaul_seq) AS downhaul_life FROM {store}) e \
                 ORDER BY {keys}, downhaul_life, downhaul_op = 'D', downhaul_seq)"
            )
        }
        // SQLite gives the other columns of the row that holds the minimum (lang_select.html §2.5).
        (KeptMode::Capture, _) => {
            format!("(SELECT *, min(rowid) AS downhaul_seq FROM {store} GROUP BY {keys})")
        }
        _ => store.clone(),
    };
    let born = if kept.mode == KeptMode::Capture { "k.downhaul_op <> 'I'" } else { "1 = 1" };
    let join = join_after(dialect, kept);

    // Which columns had a value changed at all?
    let candidates: Vec<(usize, String)> = kept
        .columns
        .iter()
        .enumerate()
        .filter_map(|(i, c)| Some((i, changed(dialect, c)?)))
        .collect();
    let mut any_changed = Vec::new();
    // A joined row of PostgreSQL has 1,664 columns at most: a wide table is asked in parts.
    for part in candidates.chunks(400) {
        let tests: Vec<String> = part
            .iter()
            .map(|(_, test)| format!("coalesce(max(CASE WHEN {test} THEN 1 ELSE 0 END), 0)"))
            .collect();
        let row = session
            .row(&format!(
                "SELECT {} FROM {past} k JOIN {live} p ON {join} WHERE {born}",
                tests.join(", ")
            ))
            .await?;
        if let Some(row) = row {
            for (at, (index, test)) in part.iter().enumerate() {
                if row.number(at)? == 1 {
                    any_changed.push((*index, test.clone()));
                }
            }
        }
    }
    if kept.mode == KeptMode::Copy
        && kept.rows <= FEW
        && any_changed.is_empty()
        && kept.lost_columns().next().is_none()
    {
        // Nothing but rows went: of a short copy, those that are still there are taken out.
        let those = match dialect {
            Dialect::Postgres => format!("k USING {live} p WHERE {join}"),
            _ => format!("AS k WHERE EXISTS (SELECT 1 FROM {live} p WHERE {join})"),
        };
        session.execute(&format!("DELETE FROM {store} {those}")).await?;
        kept.rows_gone =
            u64::try_from(session.number(&format!("SELECT count(*) FROM {store}")).await?)
                .unwrap_or(0);
        return Ok(());
    }
    let mut left_columns = Vec::new();
    for (number, (index, _)) in any_changed.iter().enumerate() {
        let column = &mut kept.columns[*index];
        let name = Ident::stored(dialect, &format!("downhaul_left_{}", number + 1));
        let after_column = column.after.as_ref().unwrap_or(&column.name);
        let value = format!("p.{}", dialect.quote(after_column));
        let user_type = after.column(after_column).is_some_and(|c| c.user_type);
        let value = if dialect == Dialect::Postgres && user_type {
            format!("{value}::text")
        } else {
            value
        };
        left_columns.push(format!("{value} AS {}", dialect.quote(&name)));
        column.left_as = Some(name);
    }
    let most = sql::most_columns(dialect).saturating_sub(1 + left_columns.len());
    if names.len() > most {
        let table = kept.table.to_string();
        return Err(SnapshotError::TooWide { table, columns: names.len(), most });
    }
    // NOT NULL by definition: the row is gone where the joined key is missing.
    let gone = {
        let key = &kept.key[0];
        let after = kept.column(key).and_then(|c| c.after.clone()).unwrap_or_else(|| key.clone());
        format!("p.{} IS NULL", dialect.quote(&after))
    };
    let mut wanted = vec![gone.clone()];
    wanted.extend(any_changed.iter().map(|(_, test)| test.clone()));
    if kept.lost_columns().next().is_some() {
        wanted.push("1 = 1".into());
    }
    let fresh = sql::own(dialect, &format!("settling_{}", kept.id));
    let mut select = vec![format!("CASE WHEN {gone} THEN 'D' ELSE 'U' END AS downhaul_op")];
    select.extend(names.iter().map(|n| format!("k.{n} AS {n}")));
    select.extend(left_columns);
    let body = format!(
        "SELECT {} FROM {past} k LEFT JOIN {live} p ON {join} WHERE {born} AND ({})",
        select.join(", "),
        exact::balanced(&wanted, " OR ")
    );
    if dialect == Dialect::Sqlite {
        // Again columns without types, so that no affinity touches a value.
        let mut columns = vec!["downhaul_op".to_owned()];
        columns.extend(names.iter().cloned());
        columns.extend(
            kept.columns.iter().filter_map(|c| c.left_as.as_ref()).map(|l| dialect.quote(l)),
        );
        // The order of `left` columns follows the columns', as in `select`.
        let schema = if kept.packed { "temp." } else { "" };
        session.execute(&format!("CREATE TABLE {schema}{fresh} ({})", columns.join(", "))).await?;
        session.execute(&format!("INSERT INTO {fresh} {body}")).await?;
    } else {
        session.execute(&format!("CREATE TABLE {fresh} AS {body}")).await?;
    }
    session.execute(&format!("DROP TABLE {store}")).await?;
    let bare = match dialect {
        Dialect::Postgres => kept.store(),
        _ => store.clone(),
    };
    session.execute(&format!("ALTER TABLE {fresh} RENAME TO {bare}")).await?;
    kept.rows_gone = u64::try_from(
        session.number(&format!("SELECT count(*) FROM {store} WHERE downhaul_op = 'D'")).await?,
    )
    .unwrap_or(0);
    Ok(())
}

/// One text that stands for the content of a row's columns, for joins by hash.
pub(crate) fn content(dialect: Dialect, row: &str, columns: &[(Ident, String)]) -> String {
    if columns.is_empty() {
        return "''".into();
    }
    let values: Vec<String> =
        columns.iter().map(|(name, _)| format!("{row}.{}", dialect.quote(name))).collect();
    match dialect {
        Dialect::Postgres => {
            let texts: Vec<String> = values.iter().map(|v| format!("{v}::text")).collect();
            format!("md5(ROW({})::text)", texts.join(", "))
        }
        Dialect::Mysql | Dialect::MariaDb => {
            let texts: Vec<String> = columns
                .iter()
                .zip(&values)
                .map(|((_, ty), v)| format!("COALESCE(HEX({}), 'N')", sql::exact(dialect, v, ty)))
                .collect();
            // MySQL 9 has no MD5() any more.
            let texts = texts.join(", ");
            match dialect {
                Dialect::Mysql => format!("SHA2(CONCAT_WS(',', {texts}), 256)"),
                _ => format!("MD5(CONCAT_WS(',', {texts}))"),
            }
        }
        Dialect::Sqlite => exact::row(&values),
    }
}

/// Rows that cannot be told apart: a bag difference.
pub(crate) async fn settle_keyless(
    session: &mut dyn Session,
    kept: &mut Kept,
    after: &TableShape,
    table: &Endangered,
) -> Result<(), SnapshotError> {
    let dialect = session.dialect();
    let store = sql::own(dialect, &kept.store());
    let live = sql::table(dialect, &after.name);
    let loss = &table.loss;
    let rows_may_differ = loss.rows || loss.dropped || loss.truncated || !loss.retyped.is_empty();
    if !rows_may_differ {
        // Only columns went: every row is still there.
        session.execute(&format!("UPDATE {store} SET downhaul_op = 'U'")).await?;
        return Ok(());
    }
    let before: Vec<(Ident, String)> = kept
        .columns
        .iter()
        .filter(|c| !c.is_lost())
        .map(|c| (c.name.clone(), c.ty.clone()))
        .collect();
    let now: Vec<(Ident, String)> =
        kept.columns.iter().filter_map(|c| Some((c.after.clone()?, c.after_ty.clone()))).collect();
    // Two aliases, since each has a lock of its own under LOCK TABLES.
    let numbered = |source: &str, alias: &str, columns: &[(Ident, String)]| {
        let content = content(dialect, alias, columns);
        format!(
            "(SELECT {content} AS content, row_number() OVER (PARTITION BY {content}) AS copy FROM {source} {alias})"
        )
    };
    let (past, present) = (numbered(&store, "r", &before), numbered(&live, "s", &now));
    let vanished = format!(
        "{past} k LEFT JOIN {present} p ON p.content = k.content AND p.copy = k.copy WHERE p.content IS NULL"
    );
    let appeared = format!(
        "{present} p LEFT JOIN {past} k ON k.content = p.content AND k.copy = p.copy WHERE k.content IS NULL"
    );
    let gone = session.number(&format!("SELECT count(*) FROM {vanished}")).await?;
    let new = session.number(&format!("SELECT count(*) FROM {appeared}")).await?;
    let same_types = kept.columns.iter().all(|c| c.is_lost() || c.ty == c.after_ty && !c.user_type);
    if gone > 0 && new > 0 && !same_types {
        // Changed rows cannot be paired with what they were: keep all, and put all back as long
        // as nobody has written since.
        let columns: Vec<String> = after.columns.iter().map(|c| dialect.quote(&c.name)).collect();
        kept.keyless_after = Some(session.digest(&live, &columns).await?);
        kept.rows_gone = kept.rows;
        return Ok(());
    }
    if dialect.is_mysql_family() {
        return crate::stepwise::mark_keyless(session, kept, (&before, &now), (gone, new), &live)
            .await;
    }
    // `D`: rows before that are no rows after; `L`: rows after that were none before, which the
    // migration made of them; `U`: rows that only lost columns.
    let (place, named) =
        (|row: &str| sql::row_place(dialect, row), |row: &str| sql::row_place_names(dialect, row));
    let with_id = |source: &str, columns: &[(Ident, String)]| {
        let content = content(dialect, "r", columns);
        format!(
            "(SELECT {}, {content} AS content, row_number() OVER (PARTITION BY {content}) AS copy FROM {source} r)",
            sql::row_place_named(dialect, "r.")
        )
    };
    session
        .execute(&format!(
            "UPDATE {store} SET downhaul_op = 'U' WHERE ({}) IN (SELECT {} FROM {} k JOIN {present} p ON p.content = k.content AND p.copy = k.copy)",
            place(""),
            named("k."),
            with_id(&store, &before)
        ))
        .await?;
    if gone > 0 && new > 0 {
        let names: Vec<String> =
            before.iter().map(|(name, _)| format!(", {}", dialect.quote(name))).collect();
        let values: Vec<String> =
            now.iter().map(|(name, _)| format!(", r.{}", dialect.quote(name))).collect();
        session
            .execute(&format!(
                "INSERT INTO {store} (downhaul_op{}) SELECT 'L'{} FROM {live} r WHERE ({}) IN \
                   (SELECT {} FROM {} p LEFT JOIN {past} k ON k.content = p.content AND k.copy = p.copy WHERE k.content IS NULL)",
                names.concat(),
                values.concat(),
                place("r."),
                named("p."),
                // The `past` of the join reads rows marked `D` and `U` only: `L` is written by this
                // very statement.
                with_id(&live, &now)
            ))
            .await?;
    }
    if kept.lost_columns().next().is_none() {
        session.execute(&format!("DELETE FROM {store} WHERE downhaul_op = 'U'")).await?;
    }
    kept.rows_gone = u64::try_from(gone).unwrap_or(0);
    Ok(())
}

//! What a group really destroyed, once it has run: its store is reduced to that.

use downhaul_engine::{Session, TableShape};
use downhaul_syntax::Ident;

use super::{GroupKind, left_name, left_type, store};
use crate::keep::Endangered;
use crate::loss::{Names, TableLoss};
use crate::settle::{changed, content, digest, join_after, keys_moved, settle_keyless};
use crate::store::{Kept, KeptMode, SnapshotError};
use crate::{added, sql};

/// After the group: reduces a store to what was really lost. Returns false where that is nothing;
/// the store may then go. May run again after a crash in its midst.
pub async fn settle(
    session: &mut dyn Session,
    kept: &mut Kept,
    loss: &TableLoss,
    names: &Names,
    kind: GroupKind,
) -> Result<bool, SnapshotError> {
    let before = kept.after.clone().unwrap_or_else(|| kept.table.clone());
    let now_name = loss.renamed_to.clone().unwrap_or_else(|| before.clone());
    let now = if loss.dropped { None } else { session.table_shape(&now_name).await? };
    let finally: Vec<Option<Ident>> = kept
        .columns
        .iter()
        .map(|c| c.after.as_ref().and_then(|name| names.column_will_be(&before, name)))
        .collect();
    let may_move = loss.keys_follow
        || kept
            .key
            .iter()
            .filter_map(|k| kept.column(k)?.after.as_ref())
            .any(|name| loss.assigned.contains(name) || loss.retyped.contains(name));
    for column in &mut kept.columns {
        let Some(name) = column.after.clone() else { continue };
        let dropped = loss.columns.contains(&name);
        let name = loss.renamed_columns.get(&name).unwrap_or(&name);
        let there = now.as_ref().filter(|_| !dropped).and_then(|now| now.column(name));
        column.after = there.map(|c| c.name.clone());
        column.after_ty = there.map(|c| c.ty.clone()).unwrap_or_default();
    }
    let store = store(session, kept);
    kept.after = now.as_ref().map(|now| now.name.clone());
    if let Some(now) = &now {
        let key_survives = kept.key.iter().all(|k| kept.column(k).is_some_and(|c| !c.is_lost()));
        if !key_survives {
            kept.key.clear();
        }
        if !kept.key.is_empty() && may_move && keys_moved(session, kept, now).await? {
            // Nothing tells which of the new keys was which of the old ones.
            kept.key.clear();
        }
        if kept.key.is_empty() {
            let table = Endangered { shape: now.clone(), loss: loss.clone() };
            settle_keyless(session, kept, now, &table).await?;
        } else if kept.mode == KeptMode::Copy || !loss.retyped.is_empty() {
            settle_by_key(session, kept, now, kind).await?;
        }
    } else {
        kept.rows_gone = kept.rows;
    }
    let rows =
        session.number(&format!("SELECT count(*) FROM {store} WHERE downhaul_op <> 'L'")).await?;
    kept.rows = u64::try_from(rows).unwrap_or(0);
    if now.is_none() {
        kept.rows_gone = kept.rows;
    }
    let nothing_lost =
        kept.lost_columns().next().is_none() || added::are_untouched(loss, kept, session.dialect());
    if kept.rows == 0 && kept.after.is_some() && nothing_lost {
        return Ok(false);
    }
    kept.digest = digest(session, kept).await?;
    // What later statements of the migration rename is found under its last name.
    if kept.after.is_some()
        && let Some(last) = names.table_will_be(&before)
    {
        kept.after = Some(last);
        for (column, last) in kept.columns.iter_mut().zip(finally) {
            if column.after.is_some() && last.is_some() {
                column.after = last;
            }
        }
    }
    Ok(true)
}

async fn settle_by_key(
    session: &mut dyn Session,
    kept: &mut Kept,
    now: &TableShape,
    kind: GroupKind,
) -> Result<(), SnapshotError> {
    let dialect = session.dialect();
    let store = store(session, kept);
    let live = sql::table(dialect, &now.name);
    let join = join_after(dialect, kept);
    let tests: Vec<(usize, String)> = kept
        .columns
        .iter()
        .enumerate()
        .filter_map(|(i, c)| Some((i, changed(dialect, c)?)))
        .collect();
    let any = if tests.is_empty() {
        "FALSE".to_owned()
    } else {
        tests.iter().map(|(_, test)| format!("({test})")).collect::<Vec<_>>().join(" OR ")
    };
    if kept.lost_columns().next().is_none() {
        session
            .execute(&format!(
                "DELETE k FROM {store} AS k JOIN {live} AS p ON {join} WHERE k.downhaul_op <> 'L' AND NOT ({any})"
            ))
            .await?;
    }
    let mut sets = vec!["k.downhaul_op = 'U'".to_owned()];
    if !tests.is_empty() {
        let sums: Vec<String> = tests
            .iter()
            .map(|(_, test)| format!("COALESCE(MAX(CASE WHEN {test} THEN 1 ELSE 0 END), 0)"))
            .collect();
        let row = session
            .row(&format!(
                "SELECT {} FROM {store} AS k JOIN {live} AS p ON {join}",
                sums.join(", ")
            ))
            .await?;
        for (at, (index, _)) in tests.iter().enumerate() {
            if row.as_ref().is_none_or(|row| row.text(at) != "1") {
                continue;
            }
            let name = left_name(dialect, *index);
            let column = &mut kept.columns[*index];
            let after = column.after.as_ref().unwrap_or(&column.name);
            sets.push(format!("k.{} = p.{}", dialect.quote(&name), dialect.quote(after)));
            if kind == GroupKind::Definition {
                add_left(session, &store, &name, &column.after_ty).await?;
            }
            column.left_as = Some(name);
        }
    }
    session
        .execute(&format!("UPDATE {store} AS k JOIN {live} AS p ON {join} SET {}", sets.join(", ")))
        .await?;
    let gone =
        session.number(&format!("SELECT count(*) FROM {store} WHERE downhaul_op = 'D'")).await?;
    kept.rows_gone = u64::try_from(gone).unwrap_or(0);
    Ok(())
}

/// Adds a column for values that the migration left, unless an earlier try did.
async fn add_left(
    session: &mut dyn Session,
    store: &str,
    name: &Ident,
    ty: &str,
) -> Result<(), SnapshotError> {
    let d = session.dialect();
    let there = session
        .number(&format!(
            "SELECT count(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = {} AND COLUMN_NAME = {}",
            d.literal(store),
            d.literal(name.as_str())
        ))
        .await?;
    if there == 0 {
        let (name, ty) = (d.quote(name), left_type(ty));
        session.execute(&format!("ALTER TABLE {store} ADD COLUMN {name} {ty} NULL")).await?;
    }
    Ok(())
}

/// Columns by which rows without a key are told apart: name and type.
type Content = [(Ident, String)];

/// Marks the rows of a store whose table has no key, see [`settle_keyless`]: `D` rows that are gone,
/// `L` rows that the migration made of them, `U` rows that only lost columns.
pub(crate) async fn mark_keyless(
    session: &mut dyn Session,
    kept: &mut Kept,
    (before, now): (&Content, &Content),
    (gone, new): (i64, i64),
    live: &str,
) -> Result<(), SnapshotError> {
    let dialect = session.dialect();
    let store = store(session, kept);
    let numbered = |source: &str, alias: &str, columns: &[(Ident, String)], more: &str| {
        let content = content(dialect, alias, columns);
        format!(
            "(SELECT {more}{content} AS content, row_number() OVER (PARTITION BY {content}) AS copy FROM {source} {alias})"
        )
    };
    let past = numbered(&store, "r", before, "r.downhaul_row AS id, ");
    let present = numbered(live, "s", now, "");
    session
        .execute(&format!(
            "UPDATE {store} SET downhaul_op = 'U' WHERE downhaul_row IN \
               (SELECT m.id FROM (SELECT k.id FROM {past} k JOIN {present} p ON p.content = k.content AND p.copy = k.copy) m)"
        ))
        .await?;
    if gone > 0 && new > 0 {
        let names: Vec<String> = before.iter().map(|(name, _)| dialect.quote(name)).collect();
        let columns: Vec<String> =
            now.iter().map(|(name, _)| format!("s.{}", dialect.quote(name))).collect();
        let values: Vec<String> =
            now.iter().map(|(name, _)| format!("p.{}", dialect.quote(name))).collect();
        let whole = numbered(live, "s", now, &format!("{}, ", columns.join(", ")));
        session
            .execute(&format!(
                "INSERT INTO {store} (downhaul_op, {}) SELECT 'L', {} FROM {whole} p LEFT JOIN {past} k ON k.content = p.content AND k.copy = p.copy \
                 WHERE k.content IS NULL",
                names.join(", "),
                values.join(", ")
            ))
            .await?;
    }
    if kept.lost_columns().next().is_none() {
        session.execute(&format!("DELETE FROM {store} WHERE downhaul_op = 'U'")).await?;
    }
    kept.rows_gone = u64::try_from(gone).unwrap_or(0);
    Ok(())
}

/// Whether a statement whose traces the schema does not show has taken effect: rows that were kept
/// before it are missing. With `all`, only if every one of them is (`TRUNCATE`).
pub async fn rows_are_gone(
    session: &mut dyn Session,
    kept: &Kept,
    all: bool,
) -> Result<bool, SnapshotError> {
    let dialect = session.dialect();
    let store = store(session, kept);
    let Some(name) = &kept.after else { return Ok(true) };
    let Some(now) = session.table_shape(name).await? else { return Ok(true) };
    let live = sql::table(dialect, &now.name);
    let stored = session.number(&format!("SELECT count(*) FROM {store}")).await?;
    let there = if kept.key.is_empty() {
        session.number(&format!("SELECT count(*) FROM {live}")).await?
    } else {
        let join = join_after(dialect, kept);
        session
            .number(&format!("SELECT count(*) FROM {store} AS k JOIN {live} AS p ON {join}"))
            .await?
    };
    Ok(stored > 0 && if all { there == 0 } else { there < stored })
}

//! Rows without a key: matched by all that they hold, or put back all together.

use downhaul_engine::{Session, TableShape, exact};
use downhaul_syntax::Ident;

use super::held::Held;
use super::keyed::unlike;
use super::{Restored, insert_head, live_value, number, row_columns, targets};
use crate::settle::content;
use crate::sql;
use crate::store::{Kept, SnapshotError};

/// Content of the columns that the store and the table share, to tell rows apart without a key.
fn shared(kept: &Kept, now: &TableShape, only_surviving: bool) -> Vec<(Ident, String)> {
    kept.columns
        .iter()
        .filter(|c| !only_surviving || !c.is_lost())
        .filter(|c| now.column(&c.name).is_some_and(|c| !c.generated))
        .map(|c| (c.name.clone(), c.ty.clone()))
        .collect()
}

/// Lost columns of a table without a key: rows are matched by all that they still hold.
pub(super) async fn fill_by_content(
    session: &mut dyn Session,
    kept: &Kept,
    now: &TableShape,
    restored: &mut Restored,
) -> Result<(), SnapshotError> {
    let dialect = session.dialect();
    let store = sql::own(dialect, &kept.store());
    let live = sql::table(dialect, &now.name);
    let (place, found) = (sql::row_place(dialect, "p."), sql::row_place_names(dialect, "q."));
    let columns = shared(kept, now, true);
    let content = content(dialect, "r", &columns);
    let lost = targets(kept, now, kept.lost_columns())?;
    let numbered = |source: &str, id: &str| {
        format!(
            "(SELECT {id}{content} AS downhaul_content, row_number() OVER (PARTITION BY {content}) AS downhaul_copy, r.* FROM {source} r)"
        )
    };
    let present = format!(
        "(SELECT {}, {content} AS downhaul_content, row_number() OVER (PARTITION BY {content}) AS downhaul_copy FROM {live} r)",
        sql::row_place_named(dialect, "r.")
    );
    let past = numbered(&format!("(SELECT * FROM {store} WHERE downhaul_op = 'U')"), "");
    let sets: Vec<String> = lost
        .iter()
        .map(|c| {
            let alias = if dialect.is_mysql_family() { "p." } else { "" };
            format!("{alias}{} = {}", dialect.quote(&c.name), live_value(dialect, "k", c, now))
        })
        .collect();
    restored.columns = lost.iter().map(|c| c.name.to_string()).collect();
    let source = format!(
        "{present} q JOIN {past} k ON k.downhaul_content = q.downhaul_content AND k.downhaul_copy = q.downhaul_copy"
    );
    // What is there as it was is left alone: a trigger may have filled what was empty, and a rule may ask for that.
    let unlike: Vec<String> = lost.iter().map(|column| unlike(dialect, column, now)).collect();
    let unlike = exact::balanced(&unlike, " OR ");
    let update = if dialect.is_mysql_family() {
        format!(
            "UPDATE {live} AS p JOIN ({source}) ON ({place}) = ({found}) SET {} WHERE {unlike}",
            sets.join(", ")
        )
    } else {
        format!(
            "UPDATE {live} AS p SET {} FROM {source} WHERE ({place}) = ({found}) AND ({unlike})",
            sets.join(", ")
        )
    };
    restored.updated = session.execute(&update).await?;
    let wanted =
        number(session, format!("SELECT count(*) FROM {store} WHERE downhaul_op = 'U'")).await?;
    if restored.updated < wanted {
        let found = number(session, format!("SELECT count(*) FROM {source}")).await?;
        restored.orphans += wanted.saturating_sub(found);
    }
    Ok(())
}

/// Rows of a table without a key: put back as many copies of each as are missing.
pub(super) async fn insert_bag(
    session: &mut dyn Session,
    kept: &Kept,
    now: &TableShape,
    restored: &mut Restored,
) -> Result<(), SnapshotError> {
    let dialect = session.dialect();
    let store = sql::own(dialect, &kept.store());
    let live = sql::table(dialect, &now.name);
    let columns = row_columns(kept, now)?;
    let head = insert_head(dialect, now, &columns);
    if kept.after.is_some() {
        if !take_away_left(session, kept, now).await? {
            restored.conflicts += kept.rows_gone;
            return Ok(());
        }
        // The table was never gone, so whatever it holds now is not what is missing.
        restored.rows +=
            session.execute(&format!("{head} FROM {store} k WHERE k.downhaul_op = 'D'")).await?;
        return Ok(());
    }
    let all = shared(kept, now, false);
    let content = content(dialect, "r", &all);
    let present =
        format!("(SELECT {content} AS content, count(*) AS copies FROM {live} r GROUP BY 1)");
    restored.rows += session
        .execute(&format!(
            "{head} FROM (SELECT {content} AS downhaul_content, row_number() OVER (PARTITION BY {content}) AS downhaul_copy, r.* FROM {store} r WHERE downhaul_op = 'D') k \
             LEFT JOIN {present} q ON q.content = k.downhaul_content WHERE q.copies IS NULL OR k.downhaul_copy > q.copies"
        ))
        .await?;
    Ok(())
}

/// Takes away what the migration made of changed rows, so that what they were can go back.
/// Returns false, and takes nothing, where one of them has been changed or deleted since: nothing
/// then tells which of the old rows it was.
async fn take_away_left(
    session: &mut dyn Session,
    kept: &Kept,
    now: &TableShape,
) -> Result<bool, SnapshotError> {
    let dialect = session.dialect();
    let store = sql::own(dialect, &kept.store());
    let left = format!("(SELECT * FROM {store} WHERE downhaul_op = 'L')");
    let wanted = number(session, format!("SELECT count(*) FROM {left} l")).await?;
    if wanted == 0 {
        return Ok(true);
    }
    let live = sql::table(dialect, &now.name);
    let content = content(dialect, "r", &shared(kept, now, true));
    let numbered = |source: &str, id: &str| {
        format!(
            "(SELECT {id}{content} AS content, row_number() OVER (PARTITION BY {content}) AS copy FROM {source} r)"
        )
    };
    let found = format!(
        "{} p JOIN {} k ON k.content = p.content AND k.copy = p.copy",
        numbered(&live, &format!("{}, ", sql::row_place_named(dialect, "r."))),
        numbered(&left, "")
    );
    if number(session, format!("SELECT count(*) FROM {found}")).await? < wanted {
        return Ok(false);
    }
    session
        .execute(&format!(
            "DELETE FROM {live} WHERE ({}) IN (SELECT {} FROM (SELECT {} FROM {found}) found)",
            sql::row_place(dialect, ""),
            sql::row_place_names(dialect, "found."),
            sql::row_place_names(dialect, "p."),
        ))
        .await?;
    Ok(true)
}

/// Changed rows without a key: all or nothing.
pub(super) async fn replace_all(
    session: &mut dyn Session,
    kept: &Kept,
    held: &Held,
    now: &TableShape,
    restored: &mut Restored,
) -> Result<(), SnapshotError> {
    let dialect = session.dialect();
    if !held.keyless_untouched {
        restored.conflicts += kept.rows;
        return Ok(());
    }
    let live = sql::table(dialect, &now.name);
    let columns = row_columns(kept, now)?;
    let head = insert_head(dialect, now, &columns);
    session.execute(&format!("DELETE FROM {live}")).await?;
    restored.rows +=
        session.execute(&format!("{head} FROM {} k", sql::own(dialect, &kept.store()))).await?;
    Ok(())
}

//! What is noted before the way back begins: which values are still as the migration left them.

use downhaul_engine::Session;
use downhaul_syntax::{Dialect, Ident};

use crate::settle::join_after;
use crate::sql;
use crate::store::{Kept, KeptMode, SnapshotError};

/// What was noted of one table before the way back began.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// A temporary table holds, for each row with changed values, which of them are untouched.
    pub(crate) flags: bool,
    /// Rows that cannot be told apart: nobody has written to the table since.
    pub(crate) keyless_untouched: bool,
    /// A table of that name stood there, which the way back did not make.
    pub(crate) stood: bool,
    /// Unique keys of the table under which no other row stood in the place of a lost one: whatever
    /// does so afterwards was written by the way back itself.
    pub unclaimed: Vec<Vec<Ident>>,
}

impl Held {
    /// Anything was noted.
    #[must_use]
    pub fn is_noted(&self) -> bool {
        self.flags || self.keyless_untouched
    }
}

/// Before the first statement of the way back: note which changed values are still as the
/// migration left them.
pub async fn hold(session: &mut dyn Session, kept: &Kept) -> Result<Held, SnapshotError> {
    let dialect = session.dialect();
    let mut held = Held::default();
    if kept.mode == KeptMode::Tombstone {
        held.stood = session.table_shape(&kept.table).await?.is_some();
    }
    let Some(after_name) = &kept.after else { return Ok(held) };
    let Some(after) = session.table_shape(after_name).await? else { return Ok(held) };
    let live = sql::table(dialect, &after.name);
    if let Some(left) = &kept.keyless_after {
        let columns: Vec<String> = after.columns.iter().map(|c| dialect.quote(&c.name)).collect();
        held.keyless_untouched = session.digest(&live, &columns).await? == *left;
        return Ok(held);
    }
    let flags: Vec<String> = kept
        .changed_columns()
        .filter_map(|c| {
            let (left, after) = (c.left_as.as_ref()?, c.after.as_ref()?);
            let ty = &c.after_ty;
            let test = sql::same(
                dialect,
                &sql::exact(dialect, &format!("k.{}", dialect.quote(left)), ty),
                &sql::exact(dialect, &format!("p.{}", dialect.quote(after)), ty),
            );
            Some(format!("({test}) AS {}", dialect.quote(left)))
        })
        .collect();
    if flags.is_empty() {
        return Ok(held);
    }
    let store = sql::own(dialect, &kept.store());
    let keys: Vec<String> = kept.key.iter().map(|k| format!("k.{}", dialect.quote(k))).collect();
    let hold = hold_name(dialect, kept);
    session.execute(&format!("DROP TABLE IF EXISTS {hold}")).await?;
    if dialect.is_mysql_family() {
        let body = format!(
            "SELECT {}, {} FROM {store} k JOIN {live} p ON {} WHERE k.downhaul_op = 'U'",
            keys.join(", "),
            flags.join(", "),
            join_after(dialect, kept),
        );
        crate::stepwise::hold(session, kept, &hold, &body).await?;
        held.flags = true;
        return Ok(held);
    }
    session
        .execute(&format!(
            "CREATE TEMPORARY TABLE {} AS SELECT {}, {} FROM {store} k JOIN {live} p ON {} WHERE k.downhaul_op = 'U'",
            hold.rsplit('.').next().unwrap_or(&hold),
            keys.join(", "),
            flags.join(", "),
            join_after(dialect, kept),
        ))
        .await?;
    held.flags = true;
    Ok(held)
}

pub(crate) fn hold_name(dialect: Dialect, kept: &Kept) -> String {
    sql::temporary(dialect, &format!("hold_{}", kept.id))
}

//! Migrations that delete a few rows, among others of one message: the rows are kept by a statement
//! before the one that deletes them.

use downhaul_engine::{EngineError, Row};
use downhaul_snapshot::packed::{self, mysql};
use downhaul_snapshot::{Kept, Names};
use downhaul_syntax::Dialect;

use super::Piece;
use crate::Runner;
use crate::journal::Journal;

/// How the rows of one statement are kept.
pub(super) struct Keeping {
    /// Its place in the migration.
    pub(super) statement: usize,
    kept: Kept,
    /// Number of the restore point.
    pub(super) point: i64,
    around: [String; 2],
}

impl Keeping {
    /// The statement that keeps the rows, and one behind the deletion that fails where other rows went.
    pub(super) fn around(&self) -> [String; 2] {
        self.around.clone()
    }
}

/// What the journal says of what is kept, behind the deletions.
pub(super) fn records(piece: &Piece<'_>, journal: Journal) -> Result<Vec<String>, EngineError> {
    let Some(first) = piece.keeping.first() else { return Ok(Vec::new()) };
    let (version, direction, operation) = piece.place();
    let stores: Vec<i64> = piece.keeping.iter().map(|keeping| keeping.kept.id).collect();
    let kept = packed::table(Dialect::MariaDb);
    let mut records =
        vec![journal.point_of(kept, &stores, first.point, (version, direction, operation))?];
    for keeping in &piece.keeping {
        let detail = mysql::completed(&journal.detail(&keeping.kept)?);
        records.push(format!(
            "INSERT INTO {} (id, restore_point, table_name, rows_kept, detail) SELECT store, {}, {}, {}, {detail} FROM {kept} WHERE store = {}",
            journal.table("kept"),
            keeping.point,
            journal.text(&keeping.kept.table.to_string()),
            mysql::ROWS,
            keeping.kept.id
        ));
    }
    Ok(records)
}

/// Works out how rows that go are kept, and leaves out the pieces from the first one on of which they
/// cannot be kept so.
pub(super) async fn keep(
    runner: &mut Runner,
    pieces: &mut Vec<Piece<'_>>,
) -> Result<(), EngineError> {
    let Some(first) = pieces.iter().position(|piece| !piece.deletions.is_empty()) else {
        return Ok(());
    };
    let journal = runner.journal;
    let session = &mut *runner.session;
    let question = format!(
        "SELECT DATABASE(), (SELECT COALESCE(MAX(id), 0) FROM {}), (SELECT COALESCE(MAX(id), 0) FROM {}), {}",
        journal.table("restore_point"),
        journal.table("kept"),
        mysql::BEFORE
    );
    let before = match session.row(&question).await {
        Ok(before) => before.unwrap_or(Row(Vec::new())),
        Err(EngineError::Disconnected(why)) => return Err(EngineError::Disconnected(why)),
        // It takes a privilege to see all references: by itself a migration does without.
        Err(_) => {
            pieces.truncate(first);
            return Ok(());
        }
    };
    let deletions = pieces.iter().flat_map(|piece| &piece.deletions);
    let names: Vec<_> = deletions.map(|(_, deletion)| deletion.table.clone()).collect();
    let mut shapes = session.table_shapes(&names).await?.into_iter();
    let (mut point, mut id, triggers) = (before.number(1)?, before.number(2)?, before.number(3)?);
    let mut fitting = pieces.len();
    for (place, piece) in pieces.iter_mut().enumerate() {
        point += i64::from(!piece.deletions.is_empty());
        let names = Names::before(&piece.work.prepared.statements, 0, Dialect::MariaDb);
        for (statement, deletion) in &piece.deletions {
            id += 1;
            let fits = shapes.next().flatten().and_then(|shape| {
                let kept = mysql::keeps(deletion, &shape, &names, id)?;
                let around = mysql::around(deletion, &kept, &shape, before.text(0), triggers)?;
                Some((kept, around))
            });
            match fits {
                Some((kept, around)) => {
                    piece.keeping.push(Keeping { statement: *statement, kept, point, around });
                }
                None => fitting = fitting.min(place),
            }
        }
    }
    pieces.truncate(fitting);
    Ok(())
}

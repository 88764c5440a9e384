//! A live schema as a catalog, for judging a migration against what is really there.

use downhaul_catalog::{Catalog, Origin, TableStats};
use downhaul_syntax::{ObjectName, parse_script};

use crate::{EngineError, SchemaDump, Session};

/// How large a table is, as far as the server knows without counting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSize {
    /// The table.
    pub name: ObjectName,
    /// Estimated rows.
    pub rows: u64,
    /// Bytes of heap, indexes and out-of-line values.
    pub bytes: u64,
}

/// Reads the schema through the statements that would make it again, so that it is understood in
/// exactly the way in which migrations are; and the sizes of its tables.
pub async fn live_catalog(session: &mut dyn Session) -> Result<Catalog, EngineError> {
    let dump = session.dump().await?;
    catalog_of(session, &dump).await
}

/// The same for a dump that was taken already.
pub async fn catalog_of(
    session: &mut dyn Session,
    dump: &SchemaDump,
) -> Result<Catalog, EngineError> {
    let dialect = session.dialect();
    let script = dump.script();
    let mut catalog = Catalog::new(dialect);
    catalog.apply_script(&parse_script(&script, dialect), Origin::Baseline);
    for size in session.sizes().await? {
        if let Some(table) = catalog.table_mut(&size.name) {
            table.stats = Some(TableStats { rows: size.rows, bytes: size.bytes });
        }
    }
    Ok(catalog)
}

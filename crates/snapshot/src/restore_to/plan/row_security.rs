//! Row security that binds the owner of a table stands aside while rows go back.

use downhaul_engine::Session;

use super::{D, Plan};
use crate::store::SnapshotError;
use crate::track::Tracked;

/// Row security that binds the owner would hide rows from the plan and from its verification.
pub(super) async fn lift_row_security(
    session: &mut dyn Session,
    tables: &[Tracked],
) -> Result<Vec<String>, SnapshotError> {
    let mut lifted = Vec::new();
    for tracked in tables {
        let bound = session
            .row(&format!(
                "SELECT c.relforcerowsecurity AND NOT (r.rolsuper OR r.rolbypassrls) FROM pg_catalog.pg_class c, pg_catalog.pg_roles r \
                 WHERE c.oid = {} AND r.rolname = current_user",
                tracked.relation
            ))
            .await?;
        if bound.is_some_and(|row| row.flag(0)) {
            let name = D.quote_name(&tracked.name);
            session.execute(&format!("ALTER TABLE {name} NO FORCE ROW LEVEL SECURITY")).await?;
            lifted.push(name);
        }
    }
    Ok(lifted)
}

/// Puts row security back as it was.
pub(in crate::restore_to) async fn force_row_security(
    session: &mut dyn Session,
    plan: &Plan,
) -> Result<(), SnapshotError> {
    for name in &plan.forced {
        session.execute(&format!("ALTER TABLE {name} FORCE ROW LEVEL SECURITY")).await?;
    }
    Ok(())
}

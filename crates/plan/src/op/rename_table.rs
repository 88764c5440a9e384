//! `RENAME TO`: a view lends the table its second name until nobody uses the old one.

use downhaul_syntax::{Change, Ident, ObjectKind, ObjectName};

use super::piece::{Piece, Side, Slot};
use super::{HERE, Made, Refused, Scene, refused};

/// A renamed table.
pub(crate) fn rename_table(
    from: &ObjectName,
    to: &ObjectName,
    scene: &Scene<'_>,
) -> Result<Made, Refused> {
    let (now, dialect) = (scene.now, scene.dialect());
    let table = scene.table(from)?;
    let from = table.name.clone();
    let to = ObjectName { schema: from.schema.clone(), name: to.name.clone() };
    if now.table(&to).is_some() || now.view(&to).is_some() {
        return refused(format!("there is a {to} already"), "choose another name");
    }
    let mut made = Made::default();
    if matches!(table.partitioning, Some(downhaul_syntax::Partitioning::Of { .. })) {
        made.note(format!(
            "{from} is a partition: rows reach it through its parent under either name"
        ));
    }
    let columns: Vec<String> =
        table.columns.iter().map(|c| format!("    {}", dialect.quote_if_needed(&c.name))).collect();
    let view = dialect.quote_name_if_needed(&to);
    let create = |side: &mut Side, why: &str| -> Result<(), Refused> {
        // Row security asks who reads: through a plain view that would be the view's owner.
        let options = if table.row_security { " WITH (security_invoker = true)" } else { "" };
        side.sql(
            why,
            format!(
                "CREATE VIEW {view}{options} AS SELECT\n{}\nFROM {}",
                columns.join(",\n"),
                dialect.quote_name_if_needed(&from)
            ),
        );
        for (grantee, privilege) in &table.grants {
            let grant = Change::Grant {
                privileges: vec![privilege.clone()],
                kind: ObjectKind::Table,
                objects: vec![to.clone()],
                to: vec![grantee.clone()],
            };
            side.change("", &grant, dialect)?;
        }
        Ok(())
    };
    if table.row_security {
        made.note(format!(
            "{from} has row security: the view needs PostgreSQL 15 or newer (security_invoker)"
        ));
    }
    if table.grants.is_empty() {
        made.note(format!("privileges that no migration grants on {from} are not repeated on the view {to}: grant them where the application is not the owner"));
    }
    let drop_view = Change::DropView {
        name: to.clone(),
        materialized: false,
        if_exists: false,
        cascade: false,
    };
    let (mut up, mut down) = (Side::default(), Side::default());
    create(
        &mut up,
        "The new name, for the new release: reads and writes go through to the table, which the running release does not see change.",
    )?;
    down.change("", &drop_view, dialect)?;
    made.push(Slot::EXPAND, Piece::made(up, down));

    let (mut up, mut down) = (Side::default(), Side::default());
    up.change(
        "The old release is gone. The view makes room for the table, in one transaction.",
        &drop_view,
        dialect,
    )?;
    up.change("", &Change::RenameTable { from: from.clone(), to: to.clone() }, dialect)?;
    down.change("", &Change::RenameTable { from: to.clone(), to: from.clone() }, dialect)?;
    create(&mut down, "The new release goes on under its name.")?;
    made.push(Slot::CONTRACT, Piece::made(up, down));

    // What the rename does beyond the name itself would surprise: views keep reading the table.
    let mut after = now.clone();
    after.apply(&Change::RenameTable { from: from.clone(), to }, HERE);
    if after.tables.len() != now.tables.len() {
        return refused(format!("{from} cannot be renamed"), "write the phases by hand");
    }
    let unseen: Vec<&Ident> =
        table.columns.iter().filter(|c| c.invisible).map(|c| &c.name).collect();
    if let Some(column) = unseen.first() {
        made.note(format!("the view shows the invisible column {column}"));
    }
    Ok(made)
}

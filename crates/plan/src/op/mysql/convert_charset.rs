//! `CONVERT TO CHARACTER SET`: each text column by itself, since the server copies the table for all.

use downhaul_catalog::column_def;
use downhaul_syntax::{ColumnDef, ObjectName};

use super::change_type::change_type;
use super::modify;
use super::storage::{grown, is_recoded, is_text};
use crate::op::piece::{Piece, Side, Slot};
use crate::op::{Made, Refused, Scene};

/// Another character set for every text column of a table.
pub(super) fn convert_charset(
    table: &ObjectName,
    charset: &str,
    collation: Option<&str>,
    scene: &Scene<'_>,
) -> Result<Made, Refused> {
    let dialect = scene.dialect();
    let known = scene.table(table)?;
    let mut made = Made::default();
    for old in known.columns.iter().filter(|column| is_text(column.ty.as_ref())) {
        let mut new = ColumnDef { collation: collation.map(str::to_owned), ..column_def(old) };
        if let Some(ty) = &mut new.ty {
            ty.charset = Some(charset.to_owned());
            if let Some(grown) = grown(old, charset, known) {
                grown.clone_into(&mut ty.name);
                grown.clone_into(&mut ty.raw);
            }
        }
        if is_recoded(old, &new, known) {
            made.append(change_type(table, old, &new, scene)?);
            // Said of the column, not of its table: the server means the same by both.
            made.implied.push(modify(&known.name, new));
        }
    }
    let words = |charset: &str, collation: Option<&str>| {
        let collate = collation.map(|c| format!(" COLLATE {c}")).unwrap_or_default();
        format!(
            "ALTER TABLE {} DEFAULT CHARACTER SET {charset}{collate}",
            dialect.quote_name_if_needed(&known.name)
        )
    };
    match known.options.get("charset") {
        Some(before) => {
            let (mut up, mut down) = (Side::default(), Side::default());
            up.sql("For columns to come.", words(charset, collation));
            down.sql("", words(before, known.options.get("collate").map(String::as_str)));
            made.push(Slot::CONTRACT, Piece::made(up, down));
        }
        None => made.note(format!(
            "columns that {table} gets later have the character set of the database: say it with ALTER TABLE {table} DEFAULT CHARACTER SET {charset}"
        )),
    }
    Ok(made)
}

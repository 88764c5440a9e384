//! Design: taste, off by default, except where it costs data or speed.

mod awkward_type;
mod duplicate_index;
mod enum_column;
mod float_for_money;
mod foreign_key_without_index;
mod limited_text;
mod missing_comment;
mod mysql_engine;
mod mysql_float_digits;
mod mysql_utf8mb3;
mod naming;
mod nullable_boolean;
mod reserved_word;
mod serial_not_identity;
mod small_integer_key;
mod table_without_primary_key;
mod timestamp_without_zone;

use downhaul_syntax::{Change, ColumnDef};

use crate::Rule;

/// In the order of their codes.
pub(super) static RULES: &[&Rule] = &[
    &small_integer_key::RULE,
    &serial_not_identity::RULE,
    &timestamp_without_zone::RULE,
    &limited_text::RULE,
    &awkward_type::RULE,
    &float_for_money::RULE,
    &foreign_key_without_index::RULE,
    &duplicate_index::RULE,
    &table_without_primary_key::RULE,
    &naming::RULE,
    &missing_comment::RULE,
    &nullable_boolean::RULE,
    &reserved_word::RULE,
    &mysql_utf8mb3::RULE,
    &mysql_engine::RULE,
    &mysql_float_digits::RULE,
    &enum_column::RULE,
];

/// Columns that a change states: those of a new table, an added one, a MySQL `MODIFY`.
fn new_columns(change: &Change) -> Vec<&ColumnDef> {
    match change {
        Change::CreateTable { def, .. } => def.columns.iter().collect(),
        Change::AddColumn { column, .. } | Change::ModifyColumn { column, .. } => vec![column],
        _ => Vec::new(),
    }
}

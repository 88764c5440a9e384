//! Clauses that MySQL and MariaDB alone know.

use super::Alter;
use super::postgres::partition_rest;
use crate::Change;
use crate::change::ColumnPosition;
use crate::parse::column::{empty, parse_column_rest};
use crate::parse::cursor::{Cursor, Parse};
use crate::parse::{mysql, partition};

impl Alter<'_, '_, '_> {
    pub(super) fn mysql(&mut self, from: usize) -> Parse<()> {
        let table = self.table();
        let cursor = &mut *self.cursor;
        if cursor.is_any(&["MODIFY", "CHANGE"]) {
            let change = cursor.is("CHANGE");
            cursor.bump();
            cursor.eat("COLUMN");
            cursor.if_exists();
            let old = cursor.ident("a column name")?;
            let start = cursor.pos;
            let new = if change { cursor.ident("a column name")? } else { old.clone() };
            let mut column = empty(new);
            parse_column_rest(cursor, &mut column, false)?;
            column.span = cursor.span_from(if change { start } else { start - 1 });
            let position = position(cursor)?;
            self.push(from, Change::ModifyColumn { table, from: old, column, position });
            return Ok(());
        }
        if cursor.eat_all(&["CONVERT", "TO"]) {
            if !cursor.eat_all(&["CHARACTER", "SET"]) && !cursor.eat("CHARSET") {
                return Err(cursor.expected("CHARACTER SET"));
            }
            cursor.eat_op("=");
            let charset = cursor.name_or_string("a character set")?;
            let collation = match cursor.eat("COLLATE") {
                true => {
                    cursor.eat_op("=");
                    Some(cursor.name_or_string("a collation")?)
                }
                false => None,
            };
            self.push(from, Change::ConvertCharset { table, charset, collation });
            return Ok(());
        }
        if cursor.eat_any(&["ALGORITHM", "LOCK"]).is_some() {
            // Already told by the `Online` change that stands first.
            cursor.eat_op("=");
            cursor.bump();
            return Ok(());
        }
        if cursor.is("FORCE") || cursor.eat_all(&["ORDER", "BY"]) {
            let verb = if cursor.eat("FORCE") { "force" } else { "order by" }.to_owned();
            if verb == "order by" {
                cursor.rest();
            }
            self.push(from, Change::MysqlTableVerb { table, verb });
            return Ok(());
        }
        if cursor.is_any(&["DISCARD", "IMPORT"]) && !cursor.is_at(1, "PARTITION")
            || cursor.is_any(&["ENABLE", "DISABLE"])
            || cursor.is_any(&["WITH", "WITHOUT"]) && cursor.is_at(1, "VALIDATION")
        {
            let verb = format!("{} {}", cursor.text(), cursor.text_at(1)).to_lowercase();
            cursor.pos += 2;
            self.push(from, Change::MysqlTableVerb { table, verb });
            return Ok(());
        }
        let verbs = [
            "DISCARD",
            "IMPORT",
            "TRUNCATE",
            "COALESCE",
            "REORGANIZE",
            "EXCHANGE",
            "ANALYZE",
            "CHECK",
            "OPTIMIZE",
            "REBUILD",
            "REPAIR",
            "CONVERT",
        ];
        if cursor.is_at(1, "PARTITION")
            && let Some(verb) = cursor.eat_any(&verbs)
        {
            let text = partition_rest(cursor);
            return self.mysql_partition(from, &verb.to_lowercase(), text);
        }
        if cursor.eat_all(&["REMOVE", "PARTITIONING"]) {
            return self.mysql_partition(from, "remove", String::new());
        }
        if cursor.eat_all(&["PARTITION", "BY"]) {
            let start = cursor.pos;
            partition::skip_mysql_partitioning(cursor)?;
            let text = cursor.text_from(start);
            return self.mysql_partition(from, "by", text);
        }
        let mut options = Vec::new();
        while let Some(option) = mysql::table_option(cursor)? {
            options.push(option);
        }
        if options.is_empty() {
            return Err(cursor.expected("an action such as ADD COLUMN"));
        }
        self.push(from, Change::SetTableOptions { table, options });
        Ok(())
    }

    pub(super) fn mysql_partition(&mut self, from: usize, verb: &str, text: String) -> Parse<()> {
        let table = self.table();
        self.push(from, Change::MysqlPartition { table, verb: verb.to_owned(), text });
        Ok(())
    }
}

/// MySQL `FIRST`, `AFTER column`.
pub(super) fn position(cursor: &mut Cursor<'_>) -> Parse<Option<ColumnPosition>> {
    if !cursor.is_mysql() {
        return Ok(None);
    }
    if cursor.eat("FIRST") {
        return Ok(Some(ColumnPosition::First));
    }
    if cursor.eat("AFTER") {
        return Ok(Some(ColumnPosition::After(cursor.ident("a column name")?)));
    }
    Ok(None)
}

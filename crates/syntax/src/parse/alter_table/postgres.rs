//! Clauses that PostgreSQL alone knows.

use super::Alter;
use crate::Change;
use crate::lexer::TokenKind;
use crate::parse::create_table::storage_parameters;
use crate::parse::cursor::{Cursor, Parse};
use crate::parse::partition;

impl Alter<'_, '_, '_> {
    pub(super) fn postgres(&mut self, from: usize) -> Parse<()> {
        let table = self.table();
        let kind = self.kind;
        let cursor = &mut *self.cursor;
        let change = if cursor.eat_all(&["OWNER", "TO"]) {
            let owner = cursor.ident("a role")?.as_str().to_owned();
            Change::SetOwner { kind, name: table, owner }
        } else if cursor.eat_all(&["SET", "SCHEMA"]) {
            let schema = cursor.ident("a schema name")?;
            Change::SetSchema { kind, name: table, schema }
        } else if cursor.eat_all(&["SET", "TABLESPACE"]) {
            let tablespace = cursor.ident("a tablespace")?.as_str().to_owned();
            cursor.eat("NOWAIT");
            Change::SetTablespace { kind, name: table, tablespace }
        } else if cursor.is("DEPENDS") || cursor.are(&["NO", "DEPENDS"]) {
            let text = cursor.rest();
            Change::AlterOther { kind, name: Some(table), table: None, text }
        } else if cursor.eat_all(&["SET", "LOGGED"]) {
            Change::SetLogged { table, logged: true }
        } else if cursor.eat_all(&["SET", "UNLOGGED"]) {
            Change::SetLogged { table, logged: false }
        } else if cursor.eat_all(&["SET", "ACCESS", "METHOD"]) {
            let method = cursor.ident("an access method")?.as_str().to_owned();
            Change::SetAccessMethod { table, method }
        } else if cursor.eat_all(&["SET", "WITHOUT"]) {
            let what = cursor.ident("CLUSTER or OIDS")?.as_str().to_lowercase();
            Change::SetTableOptions {
                table,
                options: vec![(format!("without {what}"), String::new())],
            }
        } else if cursor.is_any(&["SET", "RESET"])
            && cursor.kind_at(1) == Some(TokenKind::LeftParen)
        {
            let reset = cursor.is("RESET");
            cursor.bump();
            let (a, b) = cursor.skip_group()?;
            let mut options = storage_parameters(&mut cursor.over(a, b));
            if reset {
                options = options
                    .into_iter()
                    .map(|(n, _)| (format!("reset {n}"), String::new()))
                    .collect();
            }
            Change::SetTableOptions { table, options }
        } else if cursor.eat_all(&["REPLICA", "IDENTITY"]) {
            let start = cursor.pos;
            cursor.skip_until(|c| c.is_kind(TokenKind::Comma));
            let text = cursor.text_from(start);
            Change::ReplicaIdentity { table, text }
        } else if cursor.eat("INHERIT") {
            let parent = cursor.object_name("a table name")?;
            Change::Inherit { table, parent, remove: false }
        } else if cursor.eat_all(&["NO", "INHERIT"]) {
            let parent = cursor.object_name("a table name")?;
            Change::Inherit { table, parent, remove: true }
        } else if cursor.eat_all(&["ATTACH", "PARTITION"]) {
            let partition = cursor.object_name("a table name")?;
            let bounds = if cursor.eat("DEFAULT") {
                None
            } else {
                let start = cursor.pos;
                partition::skip_bounds(cursor)?;
                Some(cursor.text_from(start))
            };
            Change::AttachPartition { table, partition, bounds }
        } else if cursor.eat_all(&["DETACH", "PARTITION"]) {
            let partition = cursor.object_name("a table name")?;
            let concurrently = cursor.eat("CONCURRENTLY");
            let finalize = cursor.eat("FINALIZE");
            Change::DetachPartition { table, partition, concurrently, finalize }
        } else if cursor.is_any(&["ENABLE", "DISABLE", "FORCE", "NO"]) {
            return self.enable(from);
        } else if cursor.eat_all(&["CLUSTER", "ON"]) {
            let index = cursor.ident("an index name")?.to_string();
            Change::SetTableOptions { table, options: vec![("cluster on".to_owned(), index)] }
        } else if cursor.is_any(&["OF", "NOT", "OPTIONS", "SPLIT", "MERGE"]) {
            let text = cursor.rest();
            Change::AlterOther { kind, name: Some(table), table: None, text }
        } else {
            return Err(cursor.expected("an action such as ADD COLUMN"));
        };
        self.push(from, change);
        Ok(())
    }

    /// `ENABLE|DISABLE TRIGGER`, row security.
    fn enable(&mut self, from: usize) -> Parse<()> {
        let table = self.table();
        let cursor = &mut *self.cursor;
        let security = ["ROW", "LEVEL", "SECURITY"];
        let change = if cursor.eat("FORCE") {
            cursor.eat_words(&security)?;
            Change::RowSecurity { table, enabled: None, forced: Some(true) }
        } else if cursor.eat_all(&["NO", "FORCE"]) {
            cursor.eat_words(&security)?;
            Change::RowSecurity { table, enabled: None, forced: Some(false) }
        } else {
            let enabled = cursor.eat("ENABLE");
            if !enabled {
                cursor.expect("DISABLE")?;
            }
            if cursor.eat_all(&security) {
                Change::RowSecurity { table, enabled: Some(enabled), forced: None }
            } else {
                // One for replicas alone no longer fires for writes of clients.
                let enabled = enabled && cursor.eat_any(&["REPLICA", "ALWAYS"]) != Some("REPLICA");
                let rule = cursor.eat("RULE");
                if !rule {
                    cursor.expect("TRIGGER")?;
                }
                let trigger = if !rule && cursor.eat_any(&["ALL", "USER"]).is_some() {
                    None
                } else {
                    Some(cursor.ident("a trigger name")?)
                };
                Change::SetTriggerEnabled { table, trigger, enabled }
            }
        };
        self.push(from, change);
        Ok(())
    }
}

/// Partition clauses run to the end of the statement.
pub(super) fn partition_rest(cursor: &mut Cursor<'_>) -> String {
    cursor.eat("PARTITION");
    cursor.rest()
}

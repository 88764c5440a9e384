//! `ALTER TABLE`: one change for each clause.

use crate::change::ColumnPosition;
use crate::lexer::TokenKind;
use crate::parse::Out;
use crate::parse::column::{empty, parse_column, parse_column_rest};
use crate::parse::constraint::{self, TableElement, parse_table_element};
use crate::parse::create_table::storage_parameters;
use crate::parse::cursor::{Cursor, Parse};
use crate::parse::types::parse_type;
use crate::parse::{mysql, partition};
use crate::{Change, Dialect, Ident, Identity, ObjectKind, ObjectName};

/// Behind `ALTER [FOREIGN] TABLE`, `ALTER VIEW` or `ALTER MATERIALIZED VIEW`; `kind` says which.
pub(crate) fn alter_table(cursor: &mut Cursor<'_>, out: &mut Out, kind: ObjectKind) -> Parse<()> {
    let from = cursor.pos;
    if cursor.eat_all(&["ALL", "IN", "TABLESPACE"]) {
        let text = cursor.rest();
        out.push(cursor, from, Change::AlterOther { kind, name: None, table: None, text });
        return Ok(());
    }
    cursor.if_exists();
    let only = cursor.eat("ONLY");
    let parens = only && cursor.eat_kind(TokenKind::LeftParen);
    let table = cursor.object_name("a table name")?;
    if parens {
        cursor.expect_right()?;
    }
    cursor.eat_op("*");
    if cursor.is_mysql() {
        if let Some(online) = mysql::wait(cursor)? {
            out.push(cursor, from, Change::Online { table: table.clone(), online });
        }
        if let Some(online) = mysql::online_ahead(cursor) {
            out.push(cursor, from, Change::Online { table: table.clone(), online });
        }
    }
    if cursor.at_end() {
        return Err(cursor.expected("an action such as ADD COLUMN"));
    }
    let mut alter = Alter { cursor, out, table, kind };
    loop {
        alter.action()?;
        if alter.cursor.eat_comma() {
            continue;
        }
        if alter.cursor.at_end() {
            return Ok(());
        }
        // MySQL lets the last partitioning clause stand without a comma.
        if alter.cursor.is_mysql() && alter.cursor.is_any(&["PARTITION", "REMOVE"]) {
            continue;
        }
        // Table options stand side by side.
        if alter.cursor.is_mysql() && mysql::is_table_option(alter.cursor) {
            continue;
        }
        return Err(alter.cursor.expected("`,` or the end of the statement"));
    }
}

struct Alter<'c, 'a, 'o> {
    cursor: &'c mut Cursor<'a>,
    out: &'o mut Out,
    table: ObjectName,
    kind: ObjectKind,
}

impl Alter<'_, '_, '_> {
    fn push(&mut self, from: usize, change: Change) {
        self.out.push(self.cursor, from, change);
    }

    fn table(&self) -> ObjectName {
        self.table.clone()
    }

    fn action(&mut self) -> Parse<()> {
        let from = self.cursor.pos;
        if self.cursor.eat("ADD") {
            self.add(from)
        } else if self.cursor.eat("DROP") {
            self.drop(from)
        } else if self.cursor.eat("ALTER") {
            self.alter(from)
        } else if self.cursor.eat("RENAME") {
            self.rename(from)
        } else if self.cursor.eat("VALIDATE") && self.cursor.eat("CONSTRAINT") {
            let name = self.cursor.ident("a constraint name")?;
            let table = self.table();
            self.push(from, Change::ValidateConstraint { table, name });
            Ok(())
        } else if self.cursor.is_mysql() {
            self.mysql(from)
        } else {
            self.postgres(from)
        }
    }

    fn add(&mut self, from: usize) -> Parse<()> {
        let cursor = &mut *self.cursor;
        if cursor.is_mysql() && cursor.is("PARTITION") {
            let text = partition_rest(cursor);
            return self.mysql_partition(from, "add", text);
        }
        if cursor.is_mysql()
            && cursor.is_any(&["SYSTEM", "PERIOD"])
            && cursor.is_any_at(1, &["VERSIONING", "FOR", "IF"])
        {
            let verb = format!("add {}", cursor.text_at(0).to_lowercase());
            cursor.skip_until(|c| c.is_kind(TokenKind::Comma));
            let table = self.table();
            self.push(from, Change::MysqlTableVerb { table, verb });
            return Ok(());
        }
        let explicit = cursor.eat("COLUMN");
        if !explicit && constraint::starts(cursor) {
            let if_not_exists = cursor.are(&["CONSTRAINT", "IF", "NOT", "EXISTS"])
                || cursor.is_mysql() && self.if_not_exists_soon();
            let element = parse_table_element(self.cursor, &self.table)?;
            let table = self.table();
            match element {
                TableElement::Constraint(constraint) => {
                    self.push(from, Change::AddConstraint { table, constraint, if_not_exists });
                }
                TableElement::Index(index) => {
                    let change = Change::CreateIndex { index, concurrently: false, if_not_exists };
                    self.push(from, change);
                }
            }
            return Ok(());
        }
        let if_not_exists = cursor.if_not_exists();
        if cursor.is_mysql() && cursor.is_kind(TokenKind::LeftParen) {
            // `ADD (a int, b int, KEY (a))`
            cursor.bump();
            loop {
                let start = self.cursor.pos;
                if constraint::starts(self.cursor) {
                    let element = parse_table_element(self.cursor, &self.table)?;
                    let table = self.table();
                    let change = match element {
                        TableElement::Constraint(constraint) => {
                            Change::AddConstraint { table, constraint, if_not_exists }
                        }
                        TableElement::Index(index) => {
                            Change::CreateIndex { index, concurrently: false, if_not_exists }
                        }
                    };
                    self.push(start, change);
                } else {
                    let column = parse_column(self.cursor, false)?;
                    let table = self.table();
                    let position = None;
                    let change = Change::AddColumn { table, column, if_not_exists, position };
                    self.push(start, change);
                }
                if !self.cursor.eat_comma() {
                    break;
                }
            }
            return self.cursor.expect_right();
        }
        let column = parse_column(cursor, false)?;
        let position = position(cursor)?;
        let table = self.table();
        self.push(from, Change::AddColumn { table, column, if_not_exists, position });
        Ok(())
    }

    fn if_not_exists_soon(&self) -> bool {
        (1..4).any(|ahead| self.cursor.is_at(ahead, "IF") && self.cursor.is_at(ahead + 1, "NOT"))
    }

    fn drop(&mut self, from: usize) -> Parse<()> {
        let table = self.table();
        let cursor = &mut *self.cursor;
        if cursor.is_mysql() {
            if cursor.eat_all(&["PRIMARY", "KEY"]) {
                self.push(from, Change::DropPrimaryKey { table });
                return Ok(());
            }
            if cursor.is("PARTITION") {
                let text = partition_rest(cursor);
                return self.mysql_partition(from, "drop", text);
            }
            if cursor.is_any(&["INDEX", "KEY"]) && (cursor.is_name_at(1)) {
                cursor.bump();
                let if_exists = cursor.if_exists();
                let name = cursor.object_name("an index name")?;
                self.push(
                    from,
                    Change::DropIndex {
                        name,
                        table: Some(table),
                        concurrently: false,
                        if_exists,
                        cascade: false,
                    },
                );
                return Ok(());
            }
            if cursor.eat_all(&["FOREIGN", "KEY"])
                || cursor.dialect != Dialect::MariaDb
                    && cursor.is("CHECK")
                    && cursor.is_name_at(1)
                    && {
                        cursor.bump();
                        true
                    }
            {
                let if_exists = cursor.if_exists();
                let name = cursor.ident("a constraint name")?;
                let cascade = false;
                self.push(from, Change::DropConstraint { table, name, if_exists, cascade });
                return Ok(());
            }
            if cursor.are(&["SYSTEM", "VERSIONING"])
                || cursor.is("PERIOD") && cursor.is_any_at(1, &["FOR", "IF"])
            {
                let verb = format!("drop {}", cursor.text().to_lowercase());
                cursor.skip_until(|c| c.is_kind(TokenKind::Comma));
                self.push(from, Change::MysqlTableVerb { table, verb });
                return Ok(());
            }
        }
        if cursor.is("CONSTRAINT") && (cursor.is_name_at(1)) {
            cursor.bump();
            let if_exists = cursor.if_exists();
            let name = cursor.ident("a constraint name")?;
            let cascade = cursor.cascade();
            self.push(from, Change::DropConstraint { table, name, if_exists, cascade });
            return Ok(());
        }
        cursor.eat("COLUMN");
        let if_exists = cursor.if_exists();
        let column = cursor.ident("a column name")?;
        let cascade = cursor.cascade();
        self.push(from, Change::DropColumn { table, column, if_exists, cascade });
        Ok(())
    }

    fn rename(&mut self, from: usize) -> Parse<()> {
        let table = self.table();
        let cursor = &mut *self.cursor;
        if cursor.is("CONSTRAINT") && cursor.is_at(2, "TO") {
            cursor.bump();
            let old = cursor.ident("a constraint name")?;
            cursor.expect("TO")?;
            let to = cursor.ident("a new name")?;
            self.push(from, Change::RenameConstraint { table, from: old, to });
            return Ok(());
        }
        if cursor.is_mysql() && cursor.is_any(&["INDEX", "KEY"]) && cursor.is_at(2, "TO") {
            cursor.bump();
            let old = cursor.object_name("an index name")?;
            cursor.expect("TO")?;
            let to = cursor.ident("a new name")?;
            self.push(from, Change::RenameIndex { table: Some(table), from: old, to });
            return Ok(());
        }
        let whole = cursor.is("TO") && !cursor.is_at(1, "TO")
            || cursor.is_mysql() && cursor.is_any(&["AS"]) && cursor.is_name_at(1)
            || cursor.is_mysql() && cursor.is_op("=")
            || cursor.is_mysql()
                && cursor.is_name()
                && !cursor.is("COLUMN")
                && !cursor.is_at(1, "TO");
        if whole {
            if cursor.eat_any(&["TO", "AS"]).is_none() {
                cursor.eat_op("=");
            }
            let mut to = cursor.object_name("a new name")?;
            to.schema = to.schema.or_else(|| table.schema.clone());
            let change = match self.kind {
                ObjectKind::View => Change::RenameView { from: table, to, materialized: false },
                ObjectKind::MaterializedView => {
                    Change::RenameView { from: table, to, materialized: true }
                }
                _ => Change::RenameTable { from: table, to },
            };
            self.push(from, change);
            return Ok(());
        }
        if cursor.is("COLUMN") && !cursor.is_at(1, "TO") {
            cursor.bump();
        }
        cursor.if_exists();
        let old = cursor.ident("a column name")?;
        cursor.expect("TO")?;
        let to = cursor.ident("a new name")?;
        self.push(from, Change::RenameColumn { table, from: old, to });
        Ok(())
    }

    fn alter(&mut self, from: usize) -> Parse<()> {
        let table = self.table();
        let cursor = &mut *self.cursor;
        if cursor.is("CONSTRAINT") && cursor.is_name_at(1)
            || cursor.is_mysql() && cursor.is("CHECK")
        {
            cursor.bump();
            let name = cursor.ident("a constraint name")?;
            let start = cursor.pos;
            cursor.skip_until(|c| c.is_kind(TokenKind::Comma));
            let text = cursor.text_from(start);
            self.push(from, Change::AlterConstraint { table, name, text });
            return Ok(());
        }
        if cursor.is_mysql() && cursor.is_any(&["INDEX", "KEY"]) && cursor.is_name_at(1) {
            cursor.bump();
            let index = cursor.object_name("an index name")?;
            let start = cursor.pos;
            cursor.skip_until(|c| c.is_kind(TokenKind::Comma));
            let text = cursor.text_from(start);
            self.push(from, Change::AlterIndexOptions { index, table: Some(table), text });
            return Ok(());
        }
        // `COLUMN` may be left out, and may be a column's name; so may `TYPE`.
        let acts = cursor.is_any_at(1, &["SET", "DROP"])
            || (cursor.is_at(1, "TYPE") && !cursor.is_name_at(2));
        if cursor.is("COLUMN") && !acts {
            cursor.bump();
        }
        cursor.if_exists();
        if cursor.is_kind(TokenKind::Number) {
            // A column of an index by its number.
            cursor.bump();
            return self.column_option(from, Ident::new(self.cursor.dialect, "", true));
        }
        let column = cursor.ident("a column name")?;
        self.alter_column(from, column)
    }

    fn alter_column(&mut self, from: usize, column: Ident) -> Parse<()> {
        let table = self.table();
        let cursor = &mut *self.cursor;
        let change = if cursor.eat_all(&["SET", "NOT", "NULL"]) {
            Change::SetNotNull { table, column }
        } else if cursor.eat_all(&["DROP", "NOT", "NULL"]) {
            Change::DropNotNull { table, column }
        } else if cursor.eat_all(&["SET", "DEFAULT"]) {
            let stop = |c: &Cursor<'_>| c.is_kind(TokenKind::Comma);
            Change::SetDefault { table, column, default: cursor.expr_until(stop)? }
        } else if cursor.eat_all(&["DROP", "DEFAULT"]) {
            Change::DropDefault { table, column }
        } else if cursor.eat_all(&["SET", "DATA", "TYPE"]) || cursor.eat("TYPE") {
            let ty = parse_type(cursor)?;
            let collation = match cursor.eat("COLLATE") {
                true => Some(cursor.object_name("a collation")?.to_string()),
                false => None,
            };
            let using = match cursor.eat("USING") {
                true => Some(cursor.expr_until(|c| c.is_kind(TokenKind::Comma))?),
                false => None,
            };
            Change::AlterColumnType { table, column, ty, collation, using }
        } else if cursor.eat_all(&["DROP", "IDENTITY"]) {
            Change::DropIdentity { table, column, if_exists: cursor.if_exists() }
        } else if cursor.eat_all(&["DROP", "EXPRESSION"]) {
            Change::DropExpression { table, column, if_exists: cursor.if_exists() }
        } else if cursor.eat_all(&["SET", "EXPRESSION", "AS"]) {
            Change::SetExpression { table, column, expr: cursor.paren_expr()? }
        } else if cursor.eat_all(&["ADD", "GENERATED"]) {
            let identity = generated(cursor)?;
            cursor.expect("AS")?;
            cursor.expect("IDENTITY")?;
            if cursor.is_kind(TokenKind::LeftParen) {
                cursor.skip_group()?;
            }
            Change::AddIdentity { table, column, identity }
        } else if cursor.are(&["SET", "GENERATED"])
            || cursor.is("RESTART")
            || cursor.is("SET")
                && cursor.is_any_at(
                    1,
                    &[
                        "INCREMENT",
                        "START",
                        "RESTART",
                        "CACHE",
                        "CYCLE",
                        "NO",
                        "MINVALUE",
                        "MAXVALUE",
                    ],
                )
        {
            let start = cursor.pos;
            let identity = match cursor.eat_all(&["SET", "GENERATED"]) {
                true => Some(generated(cursor)?),
                false => None,
            };
            cursor.skip_until(|c| c.is_kind(TokenKind::Comma));
            let text = cursor.text_from(start);
            Change::AlterIdentity { table, column, identity, text }
        } else {
            return self.column_option(from, column);
        };
        self.push(from, change);
        Ok(())
    }

    fn column_option(&mut self, from: usize, column: Ident) -> Parse<()> {
        let table = self.table();
        let cursor = &mut *self.cursor;
        let verb = cursor.eat_any(&["SET", "RESET", "OPTIONS"]);
        let (option, value) = match verb {
            Some(_) if cursor.is_kind(TokenKind::LeftParen) => {
                let (a, b) = cursor.skip_group()?;
                ("options".to_owned(), cursor.text_of(a, b))
            }
            Some("SET") if cursor.is_name() => {
                let option = cursor.ident("an option")?.as_str().to_lowercase();
                let start = cursor.pos;
                cursor.skip_until(|c| c.is_kind(TokenKind::Comma));
                (option, cursor.text_from(start))
            }
            _ => {
                return Err(cursor.expected(
                    "TYPE, SET DEFAULT, DROP DEFAULT, SET NOT NULL, DROP NOT NULL or another column action",
                ));
            }
        };
        self.push(from, Change::SetColumnOption { table, column, option, value });
        Ok(())
    }

    fn postgres(&mut self, from: usize) -> Parse<()> {
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
                cursor.eat_any(&["REPLICA", "ALWAYS"]);
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

    fn mysql(&mut self, from: usize) -> Parse<()> {
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

    fn mysql_partition(&mut self, from: usize, verb: &str, text: String) -> Parse<()> {
        let table = self.table();
        self.push(from, Change::MysqlPartition { table, verb: verb.to_owned(), text });
        Ok(())
    }
}

impl Cursor<'_> {
    /// All of these keywords must follow.
    pub(crate) fn eat_words(&mut self, words: &[&str]) -> Parse<()> {
        for word in words {
            self.expect(word)?;
        }
        Ok(())
    }
}

/// Partition clauses run to the end of the statement.
fn partition_rest(cursor: &mut Cursor<'_>) -> String {
    cursor.eat("PARTITION");
    cursor.rest()
}

fn generated(cursor: &mut Cursor<'_>) -> Parse<Identity> {
    if cursor.eat("ALWAYS") {
        return Ok(Identity::Always);
    }
    cursor.expect("BY")?;
    cursor.expect("DEFAULT")?;
    Ok(Identity::ByDefault)
}

/// MySQL `FIRST`, `AFTER column`.
fn position(cursor: &mut Cursor<'_>) -> Parse<Option<ColumnPosition>> {
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

//! Which grammar a statement's first words lead to.

use crate::lexer::TokenKind;
use crate::parse::cursor::{Cursor, Parse};
use crate::parse::{
    Out, alter_table, body, create_table, dml, drop, index, mysql, other, routine, sequence,
    session, trigger, types_ddl, view,
};
use crate::{Change, Dialect, ObjectKind, RoutineKind};

/// Reads one whole statement.
pub(crate) fn statement(cursor: &mut Cursor<'_>, out: &mut Out) -> Parse<()> {
    while cursor.is_kind(TokenKind::ExecutableOpen) {
        cursor.bump();
    }
    dispatch(cursor, out)?;
    if cursor.at_end() {
        return Ok(());
    }
    Err(cursor.expected("the end of the statement"))
}

fn dispatch(cursor: &mut Cursor<'_>, out: &mut Out) -> Parse<()> {
    let from = cursor.pos;
    match cursor.kind() {
        Some(TokenKind::LeftParen) => return dml::select(cursor, out, from),
        Some(TokenKind::ClientCommand) => return client_command(cursor, out),
        Some(TokenKind::Placeholder) if cursor.tokens.len() == 1 => {
            // A whole statement from a template.
            let text = cursor.rest();
            out.push(cursor, from, Change::DynamicUnknown { text });
            return Ok(());
        }
        Some(TokenKind::Word) => {}
        _ => return Err(cursor.expected("a statement")),
    }
    let verb = cursor.text().to_ascii_uppercase();
    match verb.as_str() {
        "SELECT" | "VALUES" | "TABLE" => return dml::select(cursor, out, from),
        "WITH" => return dml::with(cursor, out),
        "INSERT" | "REPLACE" | "UPDATE" | "DELETE" | "MERGE" => {
            return dml::data_change(cursor, out, from);
        }
        _ => {}
    }
    cursor.bump();
    match verb.as_str() {
        "CREATE" => create(cursor, out),
        "ALTER" => alter(cursor, out),
        "DROP" if cursor.eat("PREPARE") => prepared(cursor, out, "deallocate"),
        "DROP" => drop::drop(cursor, out),
        "COMMENT" => {
            cursor.expect("ON")?;
            other::comment(cursor, out)
        }
        "GRANT" => other::grant(cursor, out, true),
        "REVOKE" => other::grant(cursor, out, false),
        "TRUNCATE" => dml::truncate(cursor, out),
        "COPY" if cursor.is_postgres() => dml::copy(cursor, out),
        "LOAD" if cursor.is_mysql() && cursor.eat_any(&["DATA", "XML"]).is_some() => {
            dml::load_data(cursor, out)
        }
        "BEGIN" if cursor.is_mysql() && cursor.is("NOT") => mysql_block(cursor, out, from),
        "IF" | "CASE" | "LOOP" | "WHILE" | "REPEAT" | "FOR"
            if cursor.dialect == Dialect::MariaDb && cursor.tokens.len() > 3 =>
        {
            mysql_block(cursor, out, from)
        }
        "BEGIN" | "START" | "COMMIT" | "END" | "ROLLBACK" | "ABORT" | "SAVEPOINT" | "RELEASE"
        | "XA" => session::transaction(cursor, out, &verb),
        "PREPARE" if cursor.is("TRANSACTION") => session::transaction(cursor, out, &verb),
        "PREPARE" | "EXECUTE" | "DEALLOCATE" => prepared(cursor, out, &verb),
        "SET" => session::set(cursor, out),
        "RESET" => session::reset(cursor, out),
        "LOCK" if cursor.is_mysql() => mysql::lock_tables(cursor, out),
        "FLUSH" if cursor.is_mysql() => mysql::flush(cursor, out),
        "LOCK" => session::lock(cursor, out),
        "VACUUM" => session::vacuum(cursor, out),
        "ANALYZE" | "ANALYSE" => session::analyze(cursor, out),
        "CLUSTER" => session::cluster(cursor, out),
        "REINDEX" => index::reindex(cursor, out),
        "REFRESH" => view::refresh(cursor, out),
        "PRAGMA" if cursor.is_sqlite() => session::pragma(cursor, out),
        "RENAME" if cursor.is_mysql() => mysql::rename(cursor, out),
        "OPTIMIZE" | "REPAIR" | "CHECK" | "CHECKSUM" if cursor.is_mysql() => {
            mysql::table_maintenance(cursor, out, &verb)
        }
        "DO" => body::do_block(cursor, out),
        "CALL" => {
            let name = cursor.object_name("a procedure name")?;
            if cursor.is_kind(TokenKind::LeftParen) {
                cursor.skip_group()?;
            }
            out.push(cursor, from, Change::Call { name });
            Ok(())
        }
        "USE" | "SOURCE" => {
            let text = {
                cursor.rest();
                cursor.text_from(from)
            };
            out.push(cursor, from, Change::ClientCommand { text });
            Ok(())
        }
        "EXPLAIN" | "SHOW" | "DESCRIBE" | "DESC" | "UNLOCK" | "FLUSH" | "NOTIFY" | "LISTEN"
        | "UNLISTEN" | "DISCARD" | "CHECKPOINT" | "FETCH" | "MOVE" | "CLOSE" | "DECLARE"
        | "ATTACH" | "DETACH" | "KILL" | "HELP" | "LOAD" | "PURGE" | "CHANGE" | "STOP"
        | "INSTALL" | "UNINSTALL" | "BINLOG" | "CACHE" | "HANDLER" | "SHUTDOWN" | "RESTART"
        | "SIGNAL" | "RESIGNAL" | "GET" | "EXEC" => {
            if cursor.at_end() && matches!(verb.as_str(), "SHOW" | "NOTIFY" | "LISTEN" | "ATTACH") {
                return Err(cursor.expected("a name"));
            }
            cursor.rest();
            out.push(cursor, from, Change::NoEffect { verb: verb.to_lowercase() });
            Ok(())
        }
        "REASSIGN" | "IMPORT" | "SECURITY" => {
            let text = {
                cursor.rest();
                cursor.text_from(from)
            };
            let kind = ObjectKind::Other;
            out.push(cursor, from, Change::AlterOther { kind, name: None, table: None, text });
            Ok(())
        }
        _ => {
            cursor.pos = from;
            Err(cursor.expected("a statement"))
        }
    }
}

fn create(cursor: &mut Cursor<'_>, out: &mut Out) -> Parse<()> {
    let or_replace = cursor.eat_all(&["OR", "REPLACE"]);
    let said = if cursor.is_mysql() { definer(cursor)? } else { Vec::new() };
    let mut table = create_table::Kind { or_replace, ..create_table::Kind::default() };
    let mut view = view::Kind { or_replace, said, ..view::Kind::default() };
    loop {
        if cursor.eat_any(&["TEMPORARY", "TEMP"]).is_some() {
            table.temporary = true;
            view.temporary = true;
        } else if cursor.eat("UNLOGGED") {
            table.unlogged = true;
        } else if cursor.is_any(&["GLOBAL", "LOCAL"]) && cursor.is_any_at(1, &["TEMPORARY", "TEMP"])
        {
            cursor.bump();
        } else if cursor.is("FOREIGN") && cursor.is_at(1, "TABLE") {
            cursor.bump();
            table.foreign = true;
        } else if cursor.eat("RECURSIVE") {
            view.recursive = true;
        } else if cursor.is("MATERIALIZED") && cursor.is_at(1, "VIEW") {
            cursor.bump();
            view.materialized = true;
        } else {
            break;
        }
    }
    if cursor.is_sqlite() && cursor.eat_all(&["VIRTUAL", "TABLE"]) {
        return virtual_table(cursor, out);
    }
    if cursor.eat("TABLE") {
        return create_table::create_table(cursor, out, table);
    }
    if cursor.eat("VIEW") {
        return view::create_view(cursor, out, view);
    }
    if cursor.is("INDEX")
        || cursor.is("UNIQUE") && cursor.is_any_at(1, &["INDEX", "KEY"])
        || cursor.is_any(&["FULLTEXT", "SPATIAL", "CLUSTERED", "COLUMNAR"])
        || cursor.is("UNIQUE") && cursor.is_mysql()
        || cursor.is("VECTOR") && cursor.is_at(1, "INDEX")
    {
        return index::create_index(cursor, out, or_replace);
    }
    if cursor.eat("SEQUENCE") {
        return sequence::create_sequence(cursor, out, table.temporary);
    }
    if cursor.eat("TYPE") {
        return types_ddl::create_type(cursor, out);
    }
    if cursor.eat("DOMAIN") {
        return types_ddl::create_domain(cursor, out);
    }
    if cursor.is_mysql() && cursor.is("AGGREGATE") && cursor.is_at(1, "FUNCTION") {
        cursor.bump();
    }
    if let Some(word) = cursor.eat_any(&["FUNCTION", "PROCEDURE", "AGGREGATE"]) {
        let kind = match word {
            "PROCEDURE" => RoutineKind::Procedure,
            "AGGREGATE" => RoutineKind::Aggregate,
            _ => RoutineKind::Function,
        };
        return routine::create_routine(cursor, out, kind, or_replace);
    }
    if cursor.is("TRIGGER") || cursor.is("CONSTRAINT") && cursor.is_at(1, "TRIGGER") {
        cursor.eat("CONSTRAINT");
        cursor.bump();
        return trigger::create_trigger(cursor, out, or_replace);
    }
    if cursor.eat("SCHEMA") {
        return match cursor.is_mysql() {
            true => other::create_database(cursor, out),
            false => other::create_schema(cursor, out),
        };
    }
    if cursor.eat("DATABASE") {
        return other::create_database(cursor, out);
    }
    if cursor.eat("EXTENSION") {
        return other::create_extension(cursor, out);
    }
    if cursor.eat("POLICY") {
        return other::policy(cursor, out, true);
    }
    other::create_other(cursor, out)
}

/// MySQL `DEFINER = user`, `ALGORITHM = x`, `SQL SECURITY x` behind `CREATE`: what is said, by its name.
fn definer(cursor: &mut Cursor<'_>) -> Parse<Vec<(String, String)>> {
    let mut said = Vec::new();
    loop {
        if cursor.eat("ALGORITHM") {
            cursor.eat_op("=");
            said.push(("algorithm".to_owned(), cursor.ident("an algorithm")?.to_string()));
        } else if cursor.eat("DEFINER") {
            cursor.eat_op("=");
            let from = cursor.pos;
            cursor.bump();
            if cursor.is_kind(TokenKind::Variable) {
                cursor.bump();
            } else if cursor.is_kind(TokenKind::LeftParen) {
                cursor.skip_group()?;
            }
            said.push(("definer".to_owned(), cursor.text_from(from)));
        } else if cursor.eat_all(&["SQL", "SECURITY"]) {
            let who = cursor.ident("DEFINER or INVOKER")?.to_string();
            said.push(("sql_security".to_owned(), who));
        } else {
            return Ok(said);
        }
    }
}

fn virtual_table(cursor: &mut Cursor<'_>, out: &mut Out) -> Parse<()> {
    let from = cursor.pos;
    let if_not_exists = cursor.if_not_exists();
    let name = cursor.object_name("a table name")?;
    cursor.expect("USING")?;
    let module = cursor.rest();
    let mut def = create_table::empty(name);
    def.options.push(("virtual".to_owned(), module));
    out.push(cursor, from, Change::CreateTable { def, if_not_exists });
    Ok(())
}

fn alter(cursor: &mut Cursor<'_>, out: &mut Out) -> Parse<()> {
    let mut said = Vec::new();
    if cursor.is_mysql() {
        cursor.eat_any(&["ONLINE", "OFFLINE"]);
        cursor.eat("IGNORE");
        said = definer(cursor)?;
    }
    if cursor.eat("TABLE") {
        return alter_table::alter_table(cursor, out, ObjectKind::Table);
    }
    if cursor.eat_all(&["FOREIGN", "TABLE"]) {
        return alter_table::alter_table(cursor, out, ObjectKind::ForeignTable);
    }
    if cursor.eat_all(&["MATERIALIZED", "VIEW"]) {
        return alter_table::alter_table(cursor, out, ObjectKind::MaterializedView);
    }
    if cursor.eat("VIEW") {
        if cursor.is_mysql() {
            // MySQL states the whole view anew.
            let kind = view::Kind { or_replace: true, said, ..view::Kind::default() };
            return view::create_view(cursor, out, kind);
        }
        return alter_table::alter_table(cursor, out, ObjectKind::View);
    }
    if cursor.eat("INDEX") {
        return index::alter_index(cursor, out);
    }
    if cursor.eat("SEQUENCE") {
        return sequence::alter_sequence(cursor, out);
    }
    if cursor.eat("TYPE") {
        return types_ddl::alter_type(cursor, out);
    }
    if cursor.eat("DOMAIN") {
        return types_ddl::alter_domain(cursor, out);
    }
    if let Some(word) = cursor.eat_any(&["FUNCTION", "PROCEDURE", "AGGREGATE", "ROUTINE"]) {
        let kind = match word {
            "PROCEDURE" => RoutineKind::Procedure,
            "AGGREGATE" => RoutineKind::Aggregate,
            _ => RoutineKind::Function,
        };
        return routine::alter_routine(cursor, out, kind);
    }
    if cursor.eat("POLICY") {
        return other::policy(cursor, out, false);
    }
    other::alter_other(cursor, out)
}

/// MySQL `PREPARE s FROM '…'`; PostgreSQL `PREPARE s AS …`; `EXECUTE`, `DEALLOCATE`.
fn prepared(cursor: &mut Cursor<'_>, out: &mut Out, verb: &str) -> Parse<()> {
    let from = cursor.pos;
    cursor.rest();
    out.push(cursor, from, Change::NoEffect { verb: verb.to_lowercase() });
    Ok(())
}

/// MariaDB `BEGIN NOT ATOMIC … END` and the other compound statements outside of routines.
fn mysql_block(cursor: &mut Cursor<'_>, out: &mut Out, from: usize) -> Parse<()> {
    cursor.pos = from;
    let mut found = Out::default();
    body::blocks(cursor, &mut found);
    cursor.rest();
    let body_text = cursor.text_from(from);
    let Out { changes: body, spans: body_spans } = found;
    out.push(cursor, from, Change::Do { body, body_spans, body_text });
    Ok(())
}

/// psql `\copy t from …` changes data; the others are the client's own.
fn client_command(cursor: &mut Cursor<'_>, out: &mut Out) -> Parse<()> {
    let from = cursor.pos;
    let text = cursor.text().trim_end().to_owned();
    cursor.bump();
    // psql runs what the query before it gave.
    let runs = text.starts_with("\\gexec");
    out.push(cursor, from, Change::ClientCommand { text: text.clone() });
    if runs {
        out.push(cursor, from, Change::DynamicUnknown { text });
    }
    Ok(())
}

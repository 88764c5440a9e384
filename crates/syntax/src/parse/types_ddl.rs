//! User-defined types and domains.

use crate::change::DomainAction;
use crate::lexer::TokenKind;
use crate::parse::Out;
use crate::parse::constraint::{self, TableElement, bare, parse_table_element};
use crate::parse::cursor::{Cursor, Parse};
use crate::parse::types::parse_type;
use crate::{Change, ConstraintKind, Expr, ObjectKind, ObjectName, TypeDef};

/// Behind `CREATE TYPE`.
pub(crate) fn create_type(cursor: &mut Cursor<'_>, out: &mut Out) -> Parse<()> {
    let from = cursor.pos;
    let name = cursor.object_name("a type name")?;
    let def = if cursor.eat_all(&["AS", "ENUM"]) {
        let mut labels = Vec::new();
        cursor.expect_left()?;
        while !cursor.is_kind(TokenKind::RightParen) {
            labels.push(cursor.string("a label")?);
            if !cursor.eat_comma() {
                break;
            }
        }
        cursor.expect_right()?;
        TypeDef::Enum(labels)
    } else if cursor.is("AS") && cursor.kind_at(1) == Some(TokenKind::LeftParen) {
        cursor.bump();
        cursor.expect_left()?;
        let mut attributes = Vec::new();
        while !cursor.is_kind(TokenKind::RightParen) {
            let attribute = cursor.ident("an attribute")?;
            let ty = parse_type(cursor)?;
            if cursor.eat("COLLATE") {
                cursor.object_name("a collation")?;
            }
            attributes.push((attribute, ty));
            if !cursor.eat_comma() {
                break;
            }
        }
        cursor.expect_right()?;
        TypeDef::Composite(attributes)
    } else {
        TypeDef::Other(cursor.rest())
    };
    out.push(cursor, from, Change::CreateType { name, def });
    Ok(())
}

/// Behind `ALTER TYPE`.
pub(crate) fn alter_type(cursor: &mut Cursor<'_>, out: &mut Out) -> Parse<()> {
    let from = cursor.pos;
    let name = cursor.object_name("a type name")?;
    let kind = ObjectKind::Type;
    let change = if cursor.eat_all(&["ADD", "VALUE"]) {
        let if_not_exists = cursor.if_not_exists();
        let value = cursor.string("a label")?;
        let (mut before, mut after) = (None, None);
        if cursor.eat("BEFORE") {
            before = Some(cursor.string("a label")?);
        } else if cursor.eat("AFTER") {
            after = Some(cursor.string("a label")?);
        }
        Change::AddEnumValue { name, value, if_not_exists, before, after }
    } else if cursor.eat_all(&["RENAME", "VALUE"]) {
        let old = cursor.string("a label")?;
        cursor.expect("TO")?;
        Change::RenameEnumValue { name, from: old, to: cursor.string("a label")? }
    } else if cursor.eat_all(&["RENAME", "TO"]) {
        Change::Rename { kind, table: None, from: name, to: cursor.ident("a new name")? }
    } else if cursor.eat_all(&["OWNER", "TO"]) {
        Change::SetOwner { kind, name, owner: cursor.ident("a role")?.as_str().to_owned() }
    } else if cursor.eat_all(&["SET", "SCHEMA"]) {
        Change::SetSchema { kind, name, schema: cursor.ident("a schema name")? }
    } else if cursor.is_any(&["ADD", "DROP", "ALTER", "RENAME"]) && cursor.is_at(1, "ATTRIBUTE") {
        Change::AlterCompositeType { name, text: cursor.rest() }
    } else if cursor.is("SET") && cursor.kind_at(1) == Some(TokenKind::LeftParen) {
        Change::AlterOther { kind, name: Some(name), table: None, text: cursor.rest() }
    } else {
        return Err(
            cursor.expected("ADD VALUE, RENAME, OWNER TO, SET SCHEMA or an attribute action")
        );
    };
    out.push(cursor, from, change);
    Ok(())
}

/// Behind `CREATE DOMAIN`.
pub(crate) fn create_domain(cursor: &mut Cursor<'_>, out: &mut Out) -> Parse<()> {
    let from = cursor.pos;
    let name = cursor.object_name("a domain name")?;
    cursor.eat("AS");
    let base = parse_type(cursor)?;
    let (mut not_null, mut default): (bool, Option<Expr>) = (false, None);
    let mut checks = Vec::new();
    while !cursor.at_end() {
        let start = cursor.pos;
        let label = match cursor.eat("CONSTRAINT") {
            true => Some(cursor.ident("a constraint name")?),
            false => None,
        };
        if cursor.eat_all(&["NOT", "NULL"]) {
            not_null = true;
        } else if cursor.eat("NULL") {
        } else if cursor.eat("DEFAULT") {
            default = Some(cursor.short_expr()?);
        } else if cursor.eat("COLLATE") {
            cursor.object_name("a collation")?;
        } else if cursor.eat("CHECK") {
            let expr = cursor.paren_expr()?;
            let mut check = bare(label, ConstraintKind::Check { expr, no_inherit: false });
            constraint::attributes(cursor, &mut check)?;
            check.span = cursor.span_from(start);
            checks.push(check);
        } else {
            return Err(cursor.expected("CHECK, NOT NULL, DEFAULT or COLLATE"));
        }
    }
    let def = TypeDef::Domain { base, not_null, default, checks };
    out.push(cursor, from, Change::CreateType { name, def });
    Ok(())
}

/// Behind `ALTER DOMAIN`.
pub(crate) fn alter_domain(cursor: &mut Cursor<'_>, out: &mut Out) -> Parse<()> {
    let from = cursor.pos;
    let name = cursor.object_name("a domain name")?;
    let kind = ObjectKind::Domain;
    let action = if cursor.eat_all(&["SET", "NOT", "NULL"]) {
        DomainAction::SetNotNull
    } else if cursor.eat_all(&["DROP", "NOT", "NULL"]) {
        DomainAction::DropNotNull
    } else if cursor.eat_all(&["SET", "DEFAULT"]) {
        DomainAction::SetDefault(cursor.expr_until(|_| false)?)
    } else if cursor.eat_all(&["DROP", "DEFAULT"]) {
        DomainAction::DropDefault
    } else if cursor.eat("ADD") {
        match parse_table_element(cursor, &ObjectName::bare(name.name.clone()))? {
            TableElement::Constraint(constraint) => DomainAction::AddConstraint(constraint),
            TableElement::Index(_) => return Err(cursor.expected("a constraint")),
        }
    } else if cursor.eat_all(&["DROP", "CONSTRAINT"]) {
        let if_exists = cursor.if_exists();
        let constraint = cursor.ident("a constraint name")?;
        cursor.cascade();
        DomainAction::DropConstraint { name: constraint, if_exists }
    } else if cursor.eat_all(&["VALIDATE", "CONSTRAINT"]) {
        DomainAction::ValidateConstraint(cursor.ident("a constraint name")?)
    } else if cursor.eat_all(&["RENAME", "TO"]) {
        let to = cursor.ident("a new name")?;
        out.push(cursor, from, Change::Rename { kind, table: None, from: name, to });
        return Ok(());
    } else if cursor.eat_all(&["OWNER", "TO"]) {
        let owner = cursor.ident("a role")?.as_str().to_owned();
        out.push(cursor, from, Change::SetOwner { kind, name, owner });
        return Ok(());
    } else if cursor.eat_all(&["SET", "SCHEMA"]) {
        let schema = cursor.ident("a schema name")?;
        out.push(cursor, from, Change::SetSchema { kind, name, schema });
        return Ok(());
    } else if cursor.is("RENAME") {
        DomainAction::Other(cursor.rest())
    } else {
        return Err(cursor.expected("a domain action"));
    };
    out.push(cursor, from, Change::AlterDomain { name, action });
    Ok(())
}

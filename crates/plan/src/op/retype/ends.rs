//! Both ends of a foreign key: of types that it takes, and with the same value for the same row.

use downhaul_catalog::{Table, render_type};
use downhaul_syntax::{ConstraintKind, Dialect, Ident, SqlType, significant};

use super::{Group, INTEGERS, Member};
use crate::op::add_column::VOLATILE;
use crate::op::conversion::Conv;
use crate::op::dependents::key_of;
use crate::op::{Refused, refused};

/// Types between which the server takes foreign keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Integer,
    Text,
    Uuid,
    Other,
}

fn family(ty: Option<&SqlType>) -> Family {
    match ty {
        Some(ty) if ty.dimensions > 0 || ty.schema.is_some() => Family::Other,
        Some(ty) if INTEGERS.contains(&ty.name.as_str()) => Family::Integer,
        Some(ty) if matches!(ty.name.as_str(), "text" | "varchar") => Family::Text,
        Some(ty) if ty.name == "uuid" => Family::Uuid,
        _ => Family::Other,
    }
}

impl Group<'_> {
    /// Refuses foreign keys that the new types break.
    pub(super) fn check_ends(&self) -> Result<(), Refused> {
        let now = self.scene.now;
        for reference in &self.references {
            self.check(&reference.def.kind, now.table(&reference.table), true)?;
        }
        for part in &self.parts {
            for (rule, _) in &part.parts.rules {
                self.check(&rule.kind, Some(part.table), false)?;
            }
        }
        Ok(())
    }

    fn check(
        &self,
        key: &ConstraintKind,
        from: Option<&Table>,
        referred_to: bool,
    ) -> Result<(), Refused> {
        let ConstraintKind::ForeignKey { columns, table: target, referred, .. } = key else {
            return Ok(());
        };
        let (Some(from), Some(to)) = (from, self.scene.now.table(target)) else { return Ok(()) };
        for (column, key) in columns.iter().zip(key_of(to, referred)) {
            let of = |table: &Table, column: &Ident| {
                self.part_of(&table.name).and_then(|part| part.member(column))
            };
            let (here, there) = (of(from, column), of(to, &key));
            let ty = |member: Option<&Member<'_>>, table: &Table, column: &Ident| match member {
                Some(member) => member.new.ty.clone(),
                None => table.column(column).and_then(|c| c.ty.clone()),
            };
            let (first, second) = (ty(here, from, column), ty(there, to, &key));
            let (one, other) = (family(first.as_ref()), family(second.as_ref()));
            match (here, there) {
                (None, None) => {}
                (Some(here), Some(there)) => {
                    if first != second && (one != other || one == Family::Other) {
                        return refused(
                            format!(
                                "{}.{column} refers to {target}.{key}, and gets another type",
                                from.name
                            ),
                            "give both the same type: a foreign key needs that",
                        );
                    }
                    if !self.same_function((from, here), (to, there)) {
                        return refused(
                            format!(
                                "{}.{column} refers to {target}.{key}, and the two are converted by different expressions",
                                from.name
                            ),
                            "write the same expression for both, or drop the foreign key in a migration before this one",
                        );
                    }
                }
                (None, Some(there)) => {
                    let were = family(there.old.ty.as_ref());
                    if (were, other) != (Family::Integer, Family::Integer) {
                        let ty = second.map(|ty| render_type(&ty, self.scene.dialect()));
                        return refused(
                            format!(
                                "{}.{column} refers to {target}.{key}, and does not change with it",
                                from.name
                            ),
                            format!(
                                "change both in this file: ALTER TABLE {} ALTER COLUMN {column} TYPE {} USING …; or drop the foreign key in a migration before this one",
                                from.name,
                                ty.unwrap_or_default()
                            ),
                        );
                    }
                }
                (Some(_), None) => {
                    let known = one != Family::Other && other != Family::Other;
                    if known && one != other && !referred_to {
                        return refused(
                            format!(
                                "{}.{column} refers to {target}.{key}, which does not change with it",
                                from.name
                            ),
                            "change both in this file, or drop the foreign key in a migration before this one",
                        );
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether two columns get equal values where they had equal ones, as far as their expressions say.
    fn same_function(
        &self,
        (one, here): (&Table, &Member<'_>),
        (other, there): (&Table, &Member<'_>),
    ) -> bool {
        let dialect = self.scene.dialect();
        let here = function(&here.forward, one, here, dialect);
        let there = function(&there.forward, other, there, dialect);
        here == there && !here.iter().any(|word| VOLATILE.contains(&word.as_str()))
    }
}

/// A conversion as words, whatever the column and its table are called. A mere cast is none.
fn function(conv: &Conv, table: &Table, member: &Member<'_>, dialect: Dialect) -> Vec<String> {
    let Conv::Expr { text, .. } = conv else { return Vec::new() };
    let is = |word: &str, name: &Ident| {
        word == dialect.quote(name) || word.to_lowercase() == name.as_str()
    };
    let literal = |word: &str| word.starts_with('\'') || word.starts_with('$');
    let plain = |word: &&str| {
        if is(word, &member.old.name) {
            "$".to_owned()
        } else if literal(word) {
            (*word).to_owned()
        } else {
            word.to_lowercase()
        }
    };
    let mut words: Vec<String> = significant(text, dialect).iter().map(plain).collect();
    while let Some(at) = words.windows(2).position(|w| is(&w[0], &table.name.name) && w[1] == ".") {
        words.drain(at..at + 2);
    }
    let cast = match words.as_slice() {
        [column, colons, ty] if column == "$" && colons == "::" => Some(ty),
        [cast, open, column, word, ty, close]
            if (cast.as_str(), open.as_str(), column.as_str(), word.as_str(), close.as_str())
                == ("cast", "(", "$", "as", ")") =>
        {
            Some(ty)
        }
        [column] if column == "$" => return Vec::new(),
        _ => None,
    };
    let ty = cast.map(|ty| match ty.as_str() {
        "int2" => "smallint",
        "int" | "int4" => "integer",
        "int8" => "bigint",
        other => other,
    });
    let new = member.new.ty.as_ref().filter(|new| new.args.is_empty()).map(|new| new.name.as_str());
    if ty.is_some() && ty == new { Vec::new() } else { words }
}

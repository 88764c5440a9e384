//! Schemas, types, sequences, views, routines and what is kept as text.

use downhaul_syntax::{ConstraintDef, Dialect, Ident, ObjectKind, RoutineKind, TypeDef};

use super::{Compare, DifferenceKind};
use crate::render::{constraint_sql, render_type};
use crate::text::{same_expr, same_text, same_type, usual_name};
use crate::{Routine, Sequence, UserType, View};

impl Compare<'_> {
    pub(super) fn schemas(&mut self) {
        let (left, right) = (self.left, self.right);
        for (object, l, r) in [
            ("schema", &left.schemas, &right.schemas),
            ("extension", &left.extensions, &right.extensions),
        ] {
            for name in l.iter().filter(|n| !r.contains(n)) {
                self.only_left(object, name.to_string(), String::new());
            }
            for name in r.iter().filter(|n| !l.contains(n)) {
                self.only_right(object, name.to_string(), String::new());
            }
        }
    }

    pub(super) fn types(&mut self) {
        let (left, right) = (self.left, self.right);
        for (name, l, r) in left.types.unshared(&right.types) {
            let name = name.to_string();
            match (l, r) {
                (Some(l), Some(r)) if l != r => self.user_type(&name, l, r),
                (Some(t), None) => self.only_left(type_word(&t.def), name, self.type_text(&t.def)),
                (None, Some(t)) => self.only_right(type_word(&t.def), name, self.type_text(&t.def)),
                _ => {}
            }
        }
    }

    fn user_type(&mut self, name: &str, left: &UserType, right: &UserType) {
        let dialect = self.left.dialect;
        self.property("comment", name, left.comment.clone(), right.comment.clone(), |l, r| l == r);
        match (&left.def, &right.def) {
            (TypeDef::Enum(l), TypeDef::Enum(r)) => {
                if l == r {
                    return;
                }
                let lost: Vec<_> = l.iter().filter(|v| !r.contains(v)).collect();
                let extra: Vec<_> = r.iter().filter(|v| !l.contains(v)).collect();
                for value in &lost {
                    self.only_left("enum value", format!("{name}.'{value}'"), String::new());
                }
                for value in &extra {
                    self.only_right("enum value", format!("{name}.'{value}'"), String::new());
                }
                if lost.is_empty() && extra.is_empty() {
                    self.push(
                        DifferenceKind::Changed,
                        "order of values",
                        name,
                        Some(l.join(", ")),
                        Some(r.join(", ")),
                    );
                }
            }
            (TypeDef::Composite(l), TypeDef::Composite(r)) => {
                let same = l.len() == r.len()
                    && l.iter()
                        .zip(r)
                        .all(|((ln, lt), (rn, rt))| ln == rn && same_type(lt, rt, dialect));
                if !same {
                    self.changed_type(name, left, right);
                }
            }
            (
                TypeDef::Domain { base: lb, not_null: ln, default: ld, checks: lc },
                TypeDef::Domain { base: rb, not_null: rn, default: rd, checks: rc },
            ) => {
                if !same_type(lb, rb, dialect) {
                    self.changed_type(name, left, right);
                }
                self.flag("NOT NULL", name, *ln, *rn, "NOT NULL");
                let text = |e: &Option<downhaul_syntax::Expr>| e.as_ref().map(|e| e.text.clone());
                self.property("default", name, text(ld), text(rd), |l, r| same_text(l, r, dialect));
                self.domain_checks(name, lc, rc);
            }
            (TypeDef::Other(l), TypeDef::Other(r)) => {
                if !same_text(l, r, dialect) {
                    self.changed_type(name, left, right);
                }
            }
            _ => self.changed_type(name, left, right),
        }
    }

    fn changed_type(&mut self, name: &str, left: &UserType, right: &UserType) {
        let (l, r) = (self.type_text(&left.def), self.type_text(&right.def));
        self.push(DifferenceKind::Changed, type_word(&left.def), name, Some(l), Some(r));
    }

    fn domain_checks(&mut self, name: &str, left: &[ConstraintDef], right: &[ConstraintDef]) {
        let dialect = self.left.dialect;
        // The server names an unnamed check of a domain as apply does only later on.
        let twin = |c: &ConstraintDef, others: &[ConstraintDef]| {
            others.iter().any(|o| {
                same_check(c, o, dialect)
                    && (o.name == c.name || o.name.is_none() || c.name.is_none())
            })
        };
        let full = |c: &ConstraintDef| match &c.name {
            Some(constraint) => format!("{name}.{constraint}"),
            None => name.to_owned(),
        };
        for check in left.iter().filter(|c| !twin(c, right)) {
            self.only_left("constraint", full(check), constraint_sql(check, dialect));
        }
        for check in right.iter().filter(|c| !twin(c, left)) {
            self.only_right("constraint", full(check), constraint_sql(check, dialect));
        }
    }

    fn type_text(&self, def: &TypeDef) -> String {
        let dialect = self.left.dialect;
        match def {
            TypeDef::Enum(labels) => labels.join(", "),
            TypeDef::Composite(attributes) => attributes
                .iter()
                .map(|(name, ty)| format!("{name} {}", render_type(ty, dialect)))
                .collect::<Vec<_>>()
                .join(", "),
            TypeDef::Other(text) => text.clone(),
            TypeDef::Domain { base, .. } => render_type(base, dialect),
        }
    }

    pub(super) fn sequences(&mut self) {
        let (left, right) = (self.left, self.right);
        // A sequence of an identity column is the column's: it shows there.
        let internal = |s: &Sequence, catalog: &crate::Catalog| {
            s.of_identity
                && s.owned_by.as_ref().is_some_and(|(table, column)| {
                    catalog
                        .tables
                        .get(table)
                        .and_then(|t| t.column(column))
                        .is_some_and(|c| c.identity.is_some())
                })
        };
        let dialect = left.dialect;
        for (name, l, r) in left.sequences.unshared(&right.sequences) {
            let l = l.filter(|s| !internal(s, left));
            let r = r.filter(|s| !internal(s, right));
            let name = name.to_string();
            match (l, r) {
                (Some(l), Some(r)) => {
                    let options = |s: &Sequence| Some(s.text.clone());
                    self.property("options", &name, options(l), options(r), |l, r| {
                        same_text(l, r, dialect)
                    });
                    let owner = |s: &Sequence| {
                        s.owned_by.as_ref().map(|(table, column)| format!("{table}.{column}"))
                    };
                    self.property("owning column", &name, owner(l), owner(r), |l, r| l == r);
                }
                (Some(s), None) => self.only_left("sequence", name, s.text.clone()),
                (None, Some(s)) => self.only_right("sequence", name, s.text.clone()),
                (None, None) => {}
            }
        }
    }

    pub(super) fn views(&mut self) {
        let (left, right) = (self.left, self.right);
        for (name, l, r) in left.views.unshared(&right.views) {
            match (l, r) {
                (Some(l), Some(r)) if l != r => self.view(l, r),
                (Some(v), None) => {
                    self.only_left(view_word(v), name.to_string(), v.query.text.clone())
                }
                (None, Some(v)) => {
                    self.only_right(view_word(v), name.to_string(), v.query.text.clone());
                }
                _ => {}
            }
        }
    }

    fn view(&mut self, left: &View, right: &View) {
        let dialect = self.left.dialect;
        let name = left.name.to_string();
        if left.materialized != right.materialized {
            let (l, r) = (view_word(left).to_owned(), view_word(right).to_owned());
            self.push(DifferenceKind::Changed, "kind", name.clone(), Some(l), Some(r));
        }
        let text = |v: &View| {
            let columns: Vec<_> = v.columns.iter().map(Ident::as_str).collect();
            let listed = if columns.is_empty() {
                String::new()
            } else {
                format!("({}) ", columns.join(", "))
            };
            Some(format!("{listed}{}", v.query.text))
        };
        let same_query =
            same_text(&text(left).unwrap_or_default(), &text(right).unwrap_or_default(), dialect);
        self.property("query", &name, text(left), text(right), |_, _| same_query);
        // SQLite and MySQL's views by text would see new columns at once; there `star` says nothing.
        if same_query && left.star != right.star && dialect == Dialect::Postgres {
            let shown = |v: &View| {
                let listed: Vec<&str> =
                    v.star.iter().map(|c| c.split('#').next().unwrap_or(c)).collect();
                Some(listed.join(", "))
            };
            self.push(
                DifferenceKind::Changed,
                "meaning of *",
                name.clone(),
                shown(left),
                shown(right),
            );
        }
        let options = |v: &View| {
            let all: Vec<String> = v.options.iter().map(|(n, v)| format!("{n}={v}")).collect();
            (!all.is_empty()).then(|| all.join(", "))
        };
        self.property("options", &name, options(left), options(right), |l, r| l == r);
        self.property("comment", &name, left.comment.clone(), right.comment.clone(), |l, r| l == r);
        self.indexes(&left.name, &left.indexes, &right.indexes, false);
        self.triggers(&left.name, &left.triggers, &right.triggers, false);
        self.grants(&name, &left.grants, &right.grants);
    }

    pub(super) fn routines(&mut self) {
        let (left, right) = (self.left, self.right);
        let dialect = left.dialect;
        for (key, l, r) in left.routines.unshared(&right.routines) {
            // Temporary objects end with their session.
            if key.name.schema.as_ref().is_some_and(|s| s.as_str() == "pg_temp") {
                continue;
            }
            let name = format!("{}({})", key.name, key.args.join(", "));
            match (l, r) {
                (Some(l), Some(r)) if l != r => {
                    self.property(
                        routine_word(l),
                        &name,
                        Some(l.def.definition.clone()),
                        Some(r.def.definition.clone()),
                        |a, b| same_routine(l, r) || same_text(a, b, dialect),
                    );
                    self.property(
                        "comment",
                        &name,
                        l.comment.clone(),
                        r.comment.clone(),
                        |l, r| l == r,
                    );
                }
                (Some(l), None) => self.only_left(routine_word(l), name, l.def.definition.clone()),
                (None, Some(r)) => self.only_right(routine_word(r), name, r.def.definition.clone()),
                _ => {}
            }
        }
    }

    pub(super) fn others(&mut self) {
        let (left, right) = (self.left, self.right);
        let dialect = left.dialect;
        for ((kind, name), l, r) in left.others.unshared(&right.others) {
            // A role is the server's, not this database's.
            if *kind != ObjectKind::Role {
                let name = format!("{} {name}", format!("{kind:?}").to_lowercase());
                self.property("object", &name, l.cloned(), r.cloned(), |l, r| {
                    same_text(l, r, dialect)
                });
            }
        }
        for ((kind, table, name), l, r) in left.comments.unshared(&right.comments) {
            let table = table.as_ref().map(|t| format!("{t}.")).unwrap_or_default();
            let name = format!("{} {table}{name}", format!("{kind:?}").to_lowercase());
            self.property("comment", &name, l.cloned(), r.cloned(), |l, r| l == r);
        }
        for ((kind, name), l, r) in left.owners.unshared(&right.owners) {
            let name = format!("{} {name}", format!("{kind:?}").to_lowercase());
            self.property("owner", &name, l.cloned(), r.cloned(), |l, r| l == r);
        }
        for (kind, name, who, what) in left.grants.difference(&right.grants) {
            let name = format!("{} {name} for {who}", format!("{kind:?}").to_lowercase());
            self.only_left("privilege", name, what.to_uppercase());
        }
        for (kind, name, who, what) in right.grants.difference(&left.grants) {
            let name = format!("{} {name} for {who}", format!("{kind:?}").to_lowercase());
            self.only_right("privilege", name, what.to_uppercase());
        }
    }
}

/// Whether two checks demand the same, whatever their names.
pub(crate) fn same_check(left: &ConstraintDef, right: &ConstraintDef, dialect: Dialect) -> bool {
    use downhaul_syntax::ConstraintKind as K;
    left.not_valid == right.not_valid
        && match (&left.kind, &right.kind) {
            (K::Check { expr: l, .. }, K::Check { expr: r, .. }) => same_expr(l, r, dialect),
            (l, r) => l == r,
        }
}

fn type_word(def: &TypeDef) -> &'static str {
    if matches!(def, TypeDef::Domain { .. }) { "domain" } else { "type" }
}

fn view_word(view: &View) -> &'static str {
    if view.materialized { "materialized view" } else { "view" }
}

fn routine_word(routine: &Routine) -> &'static str {
    match routine.def.kind {
        RoutineKind::Function => "function",
        RoutineKind::Procedure => "procedure",
        RoutineKind::Aggregate => "aggregate",
    }
}

/// Whether two routines are the same but for the spelling of what stands around the body. The
/// body itself is a string to the server: it counts to the letter.
pub(crate) fn same_routine(left: &Routine, right: &Routine) -> bool {
    let (l, r) = (&left.def, &right.def);
    let returns = |text: &Option<String>| {
        text.as_ref().map(|t| {
            let lower = t.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
            usual_name(&lower).map_or(lower.clone(), str::to_owned)
        })
    };
    l.body.is_some()
        && l.body == r.body
        && returns(&l.returns) == returns(&r.returns)
        && l.language == r.language
        && l.volatility.as_deref().unwrap_or("volatile")
            == r.volatility.as_deref().unwrap_or("volatile")
        && l.security_definer == r.security_definer
        && l.settings == r.settings
}

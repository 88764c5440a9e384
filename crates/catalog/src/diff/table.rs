//! Tables and their parts.

use std::collections::{BTreeMap, BTreeSet};

use downhaul_syntax::{
    ConstraintKind, Dialect, Expr, Ident, ObjectName, Partitioning, SqlType, TriggerDef,
};

use super::{Compare, DifferenceKind, matched};
use crate::apply::{column_def, constraint_def, index_def};
use crate::render::{column_sql, constraint_sql, identity_sql, index_sql, render_type};
use crate::text::{same_expr, same_list, same_text, same_type};
use crate::{Column, Constraint, Index, Part, Parts, Table};

impl Compare<'_> {
    pub(super) fn tables(&mut self) {
        let (left, right) = (self.left, self.right);
        for (name, l, r) in left.tables.unshared(&right.tables) {
            match (l, r) {
                (Some(l), Some(r)) if l == r => {}
                (Some(l), Some(r)) => self.table(l, r),
                (Some(t), None) if !t.temporary && !t.assumed => {
                    self.only_left("table", name.to_string(), columns_listed(t));
                }
                (None, Some(t)) if !t.temporary && !t.assumed => {
                    self.only_right("table", name.to_string(), columns_listed(t));
                }
                _ => {}
            }
        }
    }

    fn dialect(&self) -> Dialect {
        self.left.dialect
    }

    fn table(&mut self, left: &Table, right: &Table) {
        if left.temporary || right.temporary {
            return;
        }
        let name = left.name.to_string();
        self.columns(left, right);
        // Of a table that was only assumed nothing is known but what was stated since.
        let partly = left.assumed || right.assumed;
        self.constraints(left, right, partly);
        self.indexes(&left.name, &left.indexes, &right.indexes, partly);
        self.triggers(&left.name, &left.triggers, &right.triggers, partly);
        if partly {
            return;
        }
        let disabled = |t: &Table| t.disabled_triggers.iter().cloned().collect::<BTreeSet<_>>();
        let (l, r) = (disabled(left), disabled(right));
        for trigger in l.symmetric_difference(&r) {
            let known = |t: &Table| t.triggers.iter().any(|t| t.name == *trigger);
            if known(left) && known(right) {
                self.flag(
                    "disabled state",
                    &format!("{name}.{trigger}"),
                    l.contains(trigger),
                    r.contains(trigger),
                    "disabled",
                );
            }
        }
        self.flag("UNLOGGED", &name, left.unlogged, right.unlogged, "unlogged");
        self.flag("row security", &name, left.row_security, right.row_security, "enabled");
        self.flag(
            "forced row security",
            &name,
            left.row_security_forced,
            right.row_security_forced,
            "forced",
        );
        self.property(
            "replica identity",
            &name,
            left.replica_identity.clone(),
            right.replica_identity.clone(),
            |l, r| l.eq_ignore_ascii_case(r),
        );
        self.property("comment", &name, left.comment.clone(), right.comment.clone(), |l, r| l == r);
        self.partitioning(left, right);
        let parents = |t: &Table| {
            let listed: Vec<_> = t.inherits.iter().map(ToString::to_string).collect();
            (!listed.is_empty()).then(|| listed.join(", "))
        };
        self.property("inheritance", &name, parents(left), parents(right), |l, r| l == r);
        self.options(&name, &left.options, &right.options);
        self.policies(left, right);
        self.grants(&name, &left.grants, &right.grants);
        self.property("owner", &name, left.owner.clone(), right.owner.clone(), |l, r| l == r);
    }

    fn columns(&mut self, left: &Table, right: &Table) {
        let full = |c: &Ident| format!("{}.{c}", left.name);
        let (dialect, unknown) = (self.dialect(), left.columns_unknown || right.columns_unknown);
        let (only_left, only_right) = left.columns.unshared(&right.columns);
        for column in only_left {
            match right.column(&column.name) {
                Some(other) => self.column(&full(&column.name), column, other),
                None if unknown => {}
                None => self.only_left("column", full(&column.name), column_text(column, dialect)),
            }
        }
        for column in only_right.into_iter().filter(|c| left.column(&c.name).is_none()) {
            if !unknown {
                self.only_right("column", full(&column.name), column_text(column, dialect));
            }
        }
        if self.options.column_order && !unknown {
            let names = |t: &'_ Table| t.columns.iter().map(|c| c.name.clone()).collect();
            let (l, r): (Vec<Ident>, Vec<Ident>) = (names(left), names(right));
            let set = |names: &[Ident]| names.iter().cloned().collect::<BTreeSet<_>>();
            if l != r && l.len() == r.len() && set(&l) == set(&r) {
                let listed = |names: &[Ident]| {
                    Some(names.iter().map(Ident::as_str).collect::<Vec<_>>().join(", "))
                };
                self.push(
                    DifferenceKind::Changed,
                    "column order",
                    left.name.to_string(),
                    listed(&l),
                    listed(&r),
                );
            }
        }
    }

    fn column(&mut self, name: &str, left: &Column, right: &Column) {
        if left == right {
            return;
        }
        let dialect = self.dialect();
        let ty = |t: &Option<SqlType>| t.as_ref().map(|t| render_type(t, dialect));
        let same = match (&left.ty, &right.ty) {
            (Some(l), Some(r)) => same_type(l, r, dialect),
            (l, r) => l == r,
        };
        if !same {
            // The word for the property is "type", and not the object "type".
            self.push(DifferenceKind::Changed, "column type", name, ty(&left.ty), ty(&right.ty));
        }
        self.flag("NOT NULL", name, left.not_null, right.not_null, "NOT NULL");
        let text = |e: &Option<Expr>| e.as_ref().map(|e| e.text.clone());
        let same_default = |l: &str, r: &str| {
            same_text(l, r, dialect) || crate::text::same_default(l, r, left.ty.as_ref(), dialect)
        };
        self.property("default", name, text(&left.default), text(&right.default), same_default);
        self.property("ON UPDATE", name, text(&left.on_update), text(&right.on_update), |l, r| {
            same_text(l, r, dialect)
        });
        let generated = |c: &Column| {
            c.generated.as_ref().map(|g| {
                format!("({}) {}", g.expr.text, if g.stored { "STORED" } else { "VIRTUAL" })
            })
        };
        self.property("generation expression", name, generated(left), generated(right), |l, r| {
            same_text(l, r, dialect)
        });
        let identity = |c: &Column| c.identity.map(|i| identity_sql(i).to_owned());
        self.property("identity", name, identity(left), identity(right), |l, r| l == r);
        self.flag(
            "AUTO_INCREMENT",
            name,
            left.auto_increment,
            right.auto_increment,
            "auto increment",
        );
        self.property(
            "collation",
            name,
            left.collation.clone(),
            right.collation.clone(),
            |l, r| l.trim_matches('"') == r.trim_matches('"'),
        );
        self.flag("INVISIBLE", name, left.invisible, right.invisible, "invisible");
        self.property("comment", name, left.comment.clone(), right.comment.clone(), |l, r| l == r);
        for (option, l, r) in matched(&left.options, &right.options) {
            self.property(option, name, l.cloned(), r.cloned(), |l, r| l.eq_ignore_ascii_case(r));
        }
    }

    fn constraints(&mut self, left: &Table, right: &Table, partly: bool) {
        let dialect = self.dialect();
        let shown = |c: &Constraint| constraint_sql(&constraint_def(c), dialect);
        let full = |c: &Constraint| match &c.name {
            Some(name) => format!("{}.{name}", left.name),
            None => left.name.to_string(),
        };
        // Those without a partner of the same name are matched by what they demand: then only the
        // name differs.
        let mut unmatched: Vec<&Constraint> = Vec::new();
        let (only_left, only_right) = left.constraints.unshared(&right.constraints);
        let mut spare = Spare::new(only_right);
        let mut anonymous: Vec<&Constraint> = Vec::new();
        for constraint in only_left {
            let Some(name) = &constraint.name else {
                anonymous.push(constraint);
                continue;
            };
            match spare.take_named(name, |_| true) {
                Some(other) => {
                    if !same_constraint(constraint, other, self.left, self.right) {
                        self.push(
                            DifferenceKind::Changed,
                            "constraint",
                            full(constraint),
                            Some(shown(constraint)),
                            Some(shown(other)),
                        );
                    }
                    self.property(
                        "comment",
                        &full(constraint),
                        constraint.comment.clone(),
                        other.comment.clone(),
                        |l, r| l == r,
                    );
                }
                None => unmatched.push(constraint),
            }
        }
        for constraint in anonymous.into_iter().chain(unmatched) {
            match spare.take(|c| same_constraint(constraint, c, self.left, self.right)) {
                Some(other) => {
                    if constraint.name != other.name {
                        self.property(
                            "constraint name",
                            &full(constraint),
                            constraint.name.as_ref().map(ToString::to_string),
                            other.name.as_ref().map(ToString::to_string),
                            |_, _| false,
                        );
                    }
                }
                None if partly => {}
                None => self.only_left("constraint", full(constraint), shown(constraint)),
            }
        }
        for constraint in spare.rest() {
            if !partly {
                self.only_right("constraint", full(constraint), shown(constraint));
            }
        }
    }

    pub(super) fn indexes(
        &mut self,
        table: &ObjectName,
        left: &Parts<Index>,
        right: &Parts<Index>,
        partly: bool,
    ) {
        let dialect = self.dialect();
        let shown = |i: &Index| index_sql(&index_def(i, table), dialect);
        let (only_left, only_right) = left.unshared(right);
        let mut spare = Spare::new(only_right);
        let mut unmatched = Vec::new();
        for index in only_left {
            match spare.take_named(&index.name.name, |i| i.name == index.name) {
                Some(other) => {
                    if !same_index(index, other, dialect) {
                        self.push(
                            DifferenceKind::Changed,
                            "index",
                            index.name.to_string(),
                            Some(shown(index)),
                            Some(shown(other)),
                        );
                    }
                    let name = index.name.to_string();
                    self.flag("INVALID", &name, index.invalid, other.invalid, "invalid");
                    self.property(
                        "comment",
                        &name,
                        index.comment.clone(),
                        other.comment.clone(),
                        |l, r| l == r,
                    );
                }
                None => unmatched.push(index),
            }
        }
        for index in unmatched {
            match spare.take(|i| same_index(index, i, dialect)) {
                Some(other) => {
                    self.push(
                        DifferenceKind::Changed,
                        "index name",
                        index.name.to_string(),
                        Some(index.name.to_string()),
                        Some(other.name.to_string()),
                    );
                }
                None if partly => {}
                None => self.only_left("index", index.name.to_string(), shown(index)),
            }
        }
        for index in spare.rest() {
            if !partly {
                self.only_right("index", index.name.to_string(), shown(index));
            }
        }
    }

    pub(super) fn triggers(
        &mut self,
        table: &ObjectName,
        left: &[TriggerDef],
        right: &[TriggerDef],
        partly: bool,
    ) {
        let dialect = self.dialect();
        let full = |t: &TriggerDef| format!("{table}.{}", t.name);
        let shown = |t: &TriggerDef| format!("{} ON {table} {}", t.event, t.text);
        for trigger in left {
            match right.iter().find(|t| t.name == trigger.name) {
                Some(other) => self.property(
                    "trigger",
                    &full(trigger),
                    Some(shown(trigger)),
                    Some(shown(other)),
                    |_, _| same_trigger(trigger, other, dialect),
                ),
                None if partly => {}
                None => self.only_left("trigger", full(trigger), shown(trigger)),
            }
        }
        for trigger in right.iter().filter(|t| !left.iter().any(|o| o.name == t.name)) {
            if !partly {
                self.only_right("trigger", full(trigger), shown(trigger));
            }
        }
    }

    fn partitioning(&mut self, left: &Table, right: &Table) {
        let shown = |t: &Table| {
            t.partitioning.as_ref().map(|p| match p {
                Partitioning::By(text) => format!("BY {text}"),
                Partitioning::Of { parent, bounds } => {
                    format!("OF {parent} {}", bounds.as_deref().unwrap_or("DEFAULT"))
                }
            })
        };
        let dialect = self.dialect();
        let name = left.name.to_string();
        self.property("partitioning", &name, shown(left), shown(right), |l, r| {
            same_text(l, r, dialect)
        });
    }

    fn options(
        &mut self,
        name: &str,
        left: &BTreeMap<String, String>,
        right: &BTreeMap<String, String>,
    ) {
        for (option, l, r) in matched(left, right) {
            if is_schema_option(option) {
                self.property(option, name, l.cloned(), r.cloned(), |l, r| {
                    l.trim_matches('\'').eq_ignore_ascii_case(r.trim_matches('\''))
                });
            }
        }
    }

    fn policies(&mut self, left: &Table, right: &Table) {
        let dialect = self.dialect();
        for (policy, l, r) in matched(&left.policies, &right.policies) {
            let name = format!("{}.{policy}", left.name);
            self.property("policy", &name, l.cloned(), r.cloned(), |l, r| {
                same_text(&policy_text(l), &policy_text(r), dialect)
            });
        }
    }

    /// Privileges as a set.
    pub(super) fn grants(
        &mut self,
        name: &str,
        left: &[(String, String)],
        right: &[(String, String)],
    ) {
        let set = |grants: &[(String, String)]| -> BTreeSet<(String, String)> {
            grants.iter().map(|(who, what)| (who.to_lowercase(), what.to_lowercase())).collect()
        };
        let (l, r) = (set(left), set(right));
        let covered = |all: &BTreeSet<(String, String)>, who: &str| {
            all.contains(&(who.to_owned(), "all".to_owned()))
        };
        for (who, what) in l.difference(&r).filter(|(who, _)| !covered(&r, who)) {
            self.only_left("privilege", format!("{name} for {who}"), what.to_uppercase());
        }
        for (who, what) in r.difference(&l).filter(|(who, _)| !covered(&l, who)) {
            self.only_right("privilege", format!("{name} for {who}"), what.to_uppercase());
        }
    }
}

/// Parts of one side that have no partner yet.
struct Spare<'p, T> {
    parts: Vec<Option<&'p T>>,
    by_name: BTreeMap<&'p Ident, Vec<usize>>,
}

impl<'p, T: Part> Spare<'p, T> {
    fn new(parts: Vec<&'p T>) -> Self {
        let mut by_name: BTreeMap<&Ident, Vec<usize>> = BTreeMap::new();
        for (at, part) in parts.iter().enumerate() {
            if let Some(name) = part.name() {
                by_name.entry(name).or_default().push(at);
            }
        }
        Self { parts: parts.into_iter().map(Some).collect(), by_name }
    }

    fn take_named(&mut self, name: &Ident, fits: impl Fn(&T) -> bool) -> Option<&'p T> {
        let places = self.by_name.get(name)?;
        let at = places.iter().copied().find(|at| self.parts[*at].is_some_and(&fits))?;
        self.parts[at].take()
    }

    fn take(&mut self, fits: impl Fn(&T) -> bool) -> Option<&'p T> {
        self.parts.iter_mut().find(|p| p.is_some_and(&fits))?.take()
    }

    fn rest(self) -> impl Iterator<Item = &'p T> {
        self.parts.into_iter().flatten()
    }
}

/// Options that are no lasting property of the table.
fn is_schema_option(option: &str) -> bool {
    !matches!(option, "auto_increment" | "on commit" | "cluster on" | "without oids")
}

/// Whether two triggers do the same, whatever their names.
pub(crate) fn same_trigger(left: &TriggerDef, right: &TriggerDef, dialect: Dialect) -> bool {
    // The condition comes back from the server with parentheses of its own.
    let text = |t: &TriggerDef| {
        let flat = trigger_text(&format!("{} ON {} {}", t.event, t.table, t.text));
        if dialect == Dialect::Postgres { flat.replace(['(', ')'], " ") } else { flat }
    };
    same_text(&text(left), &text(right), dialect)
}

/// Whether two texts of policies say the same.
pub(crate) fn same_policy(left: &str, right: &str, dialect: Dialect) -> bool {
    same_text(&policy_text(left), &policy_text(right), dialect)
}

/// `EXECUTE PROCEDURE` is `EXECUTE FUNCTION`; `FOR EACH` and `FOR` are one; the order of events
/// says nothing.
fn trigger_text(text: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let upper = word.to_ascii_uppercase();
        match (upper.as_str(), words.last().map(String::as_str)) {
            ("PROCEDURE", Some("EXECUTE")) => words.push("FUNCTION".into()),
            ("EACH", Some("FOR")) => {}
            ("EXECUTE" | "FOR", _) => words.push(upper),
            _ => words.push(word.to_owned()),
        }
    }
    words.join(" ")
}

/// What a policy says where it says nothing: permissive, for all, to public.
fn policy_text(text: &str) -> String {
    let lower = text.trim_start().to_lowercase();
    let mut rest = text.trim_start();
    let mut out = String::from("as ");
    if lower.starts_with("as restrictive") {
        out.push_str("restrictive");
        rest = &rest["as restrictive".len()..];
    } else {
        out.push_str("permissive");
        if lower.starts_with("as permissive") {
            rest = &rest["as permissive".len()..];
        }
    }
    let rest = rest.trim_start();
    let lower = rest.to_lowercase();
    if !lower.starts_with("for ") {
        out.push_str(" for all");
    }
    let after_for = lower.split_whitespace().nth(2).unwrap_or("");
    let says_to = lower.starts_with("to ") || lower.starts_with("for ") && after_for == "to";
    out.push(' ');
    if says_to {
        out.push_str(rest);
    } else if lower.starts_with("for ") {
        let command = rest.split_whitespace().nth(1).unwrap_or("all");
        let at = rest.find(command).map_or(0, |i| i + command.len());
        out.push_str(&format!("{} to public {}", &rest[..at], &rest[at..]));
    } else {
        out.push_str(&format!("to public {rest}"));
    }
    out
}

fn columns_listed(table: &Table) -> String {
    let names: Vec<_> = table.columns.iter().map(|c| c.name.as_str()).collect();
    names.join(", ")
}

fn column_text(column: &Column, dialect: Dialect) -> String {
    let def = column_def(column);
    let sql = column_sql(&def, dialect);
    // The name stands before it already.
    sql.split_once(' ').map_or(String::new(), |(_, rest)| rest.to_owned())
}

/// Whether two constraints demand the same, whatever their names.
pub(crate) fn same_constraint(
    left: &Constraint,
    right: &Constraint,
    left_catalog: &crate::Catalog,
    right_catalog: &crate::Catalog,
) -> bool {
    use ConstraintKind as K;
    let dialect = left_catalog.dialect;
    let flags = |c: &Constraint| (c.not_valid, c.deferrable, c.initially_deferred, c.not_enforced);
    if flags(left) != flags(right) || left.include != right.include {
        return false;
    }
    match (&left.kind, &right.kind) {
        (K::PrimaryKey { columns: l, .. }, K::PrimaryKey { columns: r, .. }) => l == r,
        (
            K::Unique { columns: l, nulls_not_distinct: ln, .. },
            K::Unique { columns: r, nulls_not_distinct: rn, .. },
        ) => l == r && ln == rn,
        (K::Check { expr: l, no_inherit: ln }, K::Check { expr: r, no_inherit: rn }) => {
            ln == rn && same_expr(l, r, dialect)
        }
        (
            K::ForeignKey {
                columns: lc,
                table: lt,
                referred: lr,
                on_delete: ld,
                on_update: lu,
                match_full: lm,
            },
            K::ForeignKey {
                columns: rc,
                table: rt,
                referred: rr,
                on_delete: rd,
                on_update: ru,
                match_full: rm,
            },
        ) => {
            let target = |catalog: &crate::Catalog, table: &ObjectName, referred: &[Ident]| {
                if referred.is_empty() {
                    catalog.table(table).map(|t| t.primary_key().to_vec()).unwrap_or_default()
                } else {
                    referred.to_vec()
                }
            };
            let (lr, rr) = (target(left_catalog, lt, lr), target(right_catalog, rt, rr));
            lc == rc
                && lt == rt
                && (lr == rr || lr.is_empty() || rr.is_empty())
                && (ld, lu, lm) == (rd, ru, rm)
        }
        (K::Exclude { text: l, .. }, K::Exclude { text: r, .. }) => same_text(l, r, dialect),
        (K::NotNull { column: l }, K::NotNull { column: r }) => l == r,
        _ => false,
    }
}

/// Whether two indexes are the same, whatever their names.
pub(crate) fn same_index(left: &Index, right: &Index, dialect: Dialect) -> bool {
    let predicate = match (&left.predicate, &right.predicate) {
        (Some(l), Some(r)) => same_expr(l, r, dialect),
        (None, None) => true,
        _ => false,
    };
    let method = |i: &Index| i.method.as_deref().map(str::to_lowercase).filter(|m| m != "btree");
    let options = |i: &Index| {
        let mut all: Vec<String> = i
            .options
            .as_deref()
            .unwrap_or_default()
            .split(',')
            .map(|o| o.replace([' ', '\''], "").to_lowercase())
            .filter(|o| !o.is_empty())
            .collect();
        all.sort();
        all
    };
    left.unique == right.unique
        && options(left) == options(right)
        && left.invisible == right.invisible
        && left.nulls_not_distinct == right.nulls_not_distinct
        && left.include == right.include
        && method(left) == method(right)
        && predicate
        && left.parts.len() == right.parts.len()
        && left.parts.iter().zip(&right.parts).all(|(l, r)| same_list(&l.text, &r.text, dialect))
}

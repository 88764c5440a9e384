//! `RENAME COLUMN`: a second column beside the old one, kept in step, until nobody uses the old name;
//! then the second one goes and the first takes its name.

use downhaul_catalog::{Catalog, Index, Table, column_def, index_def};
use downhaul_syntax::{
    Change, ColumnDef, ConstraintDef, ConstraintKind, Expr, Ident, IndexDef, ObjectName, Span,
};

use super::anew::{lead, nullable, with};
use super::is_key_column;
use super::triggers::{self, Triggers};
use crate::Direction;
use crate::op::conversion::Conv;
use crate::op::names;
use crate::op::pair::unique_index;
use crate::op::piece::{Piece, Side, Slot};
use crate::op::sync::Sync;
use crate::op::{Made, Refused, Scene, refused};

/// A renamed column.
pub(crate) fn rename_column(
    table: &ObjectName,
    from: &Ident,
    to: &Ident,
    scene: &Scene<'_>,
) -> Result<Made, Refused> {
    let (dialect, known) = (scene.dialect(), scene.table(table)?);
    let old = scene.column(table, from)?;
    let table = &known.name;
    if known.column(to).is_some() {
        return refused(format!("{table} has a column {to} already"), "choose another name");
    }
    if old.generated.is_some() {
        return refused(
            format!("{table}.{from} is a generated column"),
            "add a second generated column under the new name, and drop the old one later",
        );
    }
    if is_key_column(known, from) {
        return refused(
            format!("{table}.{from} is part of the primary key"),
            "keep the name of the key: a view with the new name serves readers",
        );
    }
    let rename = Change::RenameColumn { table: table.clone(), from: from.clone(), to: to.clone() };
    let renamed = with(scene.now, std::slice::from_ref(&rename));
    let Some(after) = renamed.table(table) else {
        return refused(format!("{table} is not known"), "give the schema with --schema FILE");
    };
    let twins = twins(scene.now, known, after, from, to);
    let (trigger, function) = triggers::name(scene.now, table, &format!("{from}_{to}"));
    let sync = Sync {
        dialect,
        table: table.clone(),
        first: vec![(from.clone(), old.ty.clone())],
        second: vec![(to.clone(), old.ty.clone())],
        forward: vec![Conv::Same(from.clone())],
        back: vec![Conv::Same(to.clone())],
        required: Vec::new(),
        trigger,
        function,
        schema: None,
    };
    let triggers = Triggers::new(&sync, known, false)?;
    let bare = ColumnDef {
        name: to.clone(),
        not_null: false,
        not_null_name: None,
        default: None,
        constraints: Vec::new(),
        ..column_def(old)
    };
    let add = Change::AddColumn {
        table: table.clone(),
        column: bare,
        if_not_exists: false,
        position: None,
    };
    // An INSERT that knows the new name only must pass before the trigger can fill the old one.
    let relaxed = old.not_null && old.default.is_none();
    let mut middle = vec![add];
    if relaxed {
        middle.push(nullable(table, from));
        middle.push(either(table, &[from, to], dialect));
    }
    middle.extend(twins.iter().map(|index| Change::CreateIndex {
        index: index.clone(),
        concurrently: false,
        if_not_exists: false,
    }));
    let between = with(scene.now, &middle);
    let mut made = Made::default();
    if !known.triggers.is_empty() {
        made.note(format!(
            "{table} has triggers: one that reads or sets {from} has to know {to} too until contract"
        ));
    }

    let (mut up, mut down) = (Side::default(), Side::default());
    let mut built = lead(
        scene.now,
        &between,
        &[],
        "The new name, empty, and the indexes that it needs.",
        &mut up,
    )?;
    triggers.create(
        &mut up,
        "Whoever writes one name, the other follows. The triggers compare values and ask no client who it is; they stand before the first row is copied, so that none is missed.",
    );
    triggers.drop(&mut down, "Nobody uses the new name yet, or no longer.");
    built |= lead(&between, scene.now, &[], "", &mut down)?;
    made.push(Slot::EXPAND, Piece::made(up, down));
    made.derive(Slot::EXPAND, &[Direction::Down]);
    if built {
        made.derive(Slot::EXPAND, &[Direction::Up]);
    }

    let mut up = Side::default();
    up.sql(
        "Downhaul runs this in small batches, by key. Run by another client it is one long UPDATE.",
        sync.backfill(),
    );
    made.push(Slot::BACKFILL, Piece::made(up, Side::default()));
    made.derive(Slot::BACKFILL, &[Direction::Up, Direction::Down]);

    let (mut up, mut down) = (Side::default(), Side::default());
    triggers.drop(&mut up, "The old release is gone: nothing has to follow any more.");
    let q = |c: &Ident| dialect.quote_if_needed(c);
    if relaxed {
        let why = "The old name goes, and the new one takes its place and its rules.";
        lead(&between, &renamed, &[], why, &mut up)?;
        let values = [(from.clone(), q(to))];
        lead(&renamed, &between, &values, "Both names again, with the same values.", &mut down)?;
    } else {
        let table_sql = dialect.quote_name_if_needed(table);
        for index in &twins {
            let Some(name) = &index.name else { continue };
            up.sql("", format!("DROP INDEX {}", dialect.quote_name_if_needed(name)));
        }
        up.sql(
            "Both columns hold the same: the second one goes, and the first takes its name, with all that stands on it.",
            format!("ALTER TABLE {table_sql} DROP COLUMN {}", q(to)),
        );
        up.change("", &rename, dialect)?;
        let back =
            Change::RenameColumn { table: table.clone(), from: to.clone(), to: from.clone() };
        down.change("Both names again, with the same values.", &back, dialect)?;
        down.change("", &middle[0], dialect)?;
        down.sql("", format!("UPDATE {table_sql} SET {} = {}", q(to), q(from)));
        for index in &twins {
            let create = Change::CreateIndex {
                index: index.clone(),
                concurrently: false,
                if_not_exists: false,
            };
            down.change("", &create, dialect)?;
        }
    }
    triggers.create(&mut down, "");
    made.push(Slot::CONTRACT, Piece::made(up, down));
    made.derive(Slot::CONTRACT, &[Direction::Up, Direction::Down]);
    Ok(made)
}

/// `CHECK (a IS NOT NULL OR b IS NOT NULL)`.
pub(super) fn either(
    table: &ObjectName,
    columns: &[&Ident],
    dialect: downhaul_syntax::Dialect,
) -> Change {
    let text: Vec<String> =
        columns.iter().map(|c| format!("{} IS NOT NULL", dialect.quote_if_needed(c))).collect();
    let expr = Expr {
        text: text.join(" OR "),
        columns: columns.iter().map(|c| (*c).clone()).collect(),
        functions: Vec::new(),
        span: Span::default(),
    };
    let constraint = ConstraintDef {
        name: None,
        kind: ConstraintKind::Check { expr, no_inherit: false },
        not_valid: false,
        deferrable: false,
        initially_deferred: false,
        not_enforced: false,
        span: Span::default(),
    };
    Change::AddConstraint { table: table.clone(), constraint, if_not_exists: false }
}

/// What is indexed under the old name, over the new one: `ON CONFLICT` and fast queries need it.
fn twins(now: &Catalog, old: &Table, new: &Table, from: &Ident, to: &Ident) -> Vec<IndexDef> {
    let mut out: Vec<IndexDef> = Vec::new();
    let name = |base: &str| {
        let name = names::free_part(now, &old.name, &format!("{base}_new"));
        ObjectName { schema: old.name.schema.clone(), name }
    };
    let differs = |a: &Index, b: &Index| {
        (&a.parts, &a.predicate, &a.include) != (&b.parts, &b.predicate, &b.include)
    };
    for (before, after) in old.indexes.iter().zip(&new.indexes).filter(|(a, b)| differs(a, b)) {
        out.push(IndexDef {
            name: Some(name(before.name.name.as_str())),
            ..index_def(after, &old.name)
        });
    }
    for constraint in &old.constraints {
        let ConstraintKind::Unique { columns, .. } = &constraint.kind else { continue };
        if !columns.contains(from) {
            continue;
        }
        let renamed: Vec<Ident> =
            columns.iter().map(|c| if c == from { to } else { c }).cloned().collect();
        let name = name(&format!("{}_{to}_key", old.name.name)).name;
        out.push(unique_index(&old.name, &name, &renamed, now.dialect));
    }
    out
}

//! What a file drops and makes again under the same name is one change: a replacement. Dropped with the old
//! release and made before the new one, the two would meet under one name.
//!
//! A view, a trigger or a routine changes places in the expand phase, in one transaction. An index is built
//! beside the one that it replaces, and takes its name at the contract.

use downhaul_catalog::{Catalog, view_columns};
use downhaul_syntax::{Change, Ident, IndexDef, ObjectName, Query, Script};

use super::as_written::piece;
use super::piece::{Piece, Side, Slot};
use super::{Made, Refused, Scene, Touched, names, refused};

/// A name that a file takes from one thing and gives to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Replaced {
    what: What,
    /// It was there before the file, as far as the migrations tell. If not, `IF EXISTS` takes nothing away.
    was_there: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Table(ObjectName),
    Index(ObjectName),
    /// With its table, where names are the table's (MariaDB, MySQL).
    Key(ObjectName, Ident),
    View(ObjectName),
    Type(ObjectName),
    Sequence(ObjectName),
    Routine(ObjectName),
    /// With its table.
    Trigger(ObjectName, Ident),
    /// With its table.
    Policy(ObjectName, Ident),
}

impl What {
    /// Whether the migrations know of it; `None` where they do not tell.
    fn is_there(&self, now: &Catalog) -> Option<bool> {
        match self {
            Self::Table(name) => Some(now.table(name).is_some()),
            Self::Index(name) => Some(now.index_owner(name).is_some()),
            Self::Key(table, name) => {
                Some(now.table(table).is_some_and(|t| t.indexes.named(name).is_some()))
            }
            Self::View(name) => Some(now.view(name).is_some()),
            Self::Type(name) => Some(now.types.get(name).is_some()),
            Self::Sequence(name) => Some(now.sequences.get(name).is_some()),
            Self::Routine(_) | Self::Trigger(..) | Self::Policy(..) => None,
        }
    }
}

/// What a change takes away, with `IF EXISTS` and with `CASCADE`.
pub(crate) fn dropped(change: &Change, now: &Catalog) -> Option<(What, bool, bool)> {
    let name = |name: &ObjectName| now.normalize(name);
    Some(match change {
        Change::DropTable { name: n, if_exists, cascade } => {
            (What::Table(name(n)), *if_exists, *cascade)
        }
        Change::DropIndex { name: n, table, if_exists, cascade, .. } => {
            let what = match (now.dialect.is_mysql_family(), table) {
                (false, _) => What::Index(name(n)),
                (true, Some(table)) => What::Key(name(table), n.name.clone()),
                (true, None) => return None,
            };
            (what, *if_exists, *cascade)
        }
        Change::DropView { name: n, if_exists, cascade, .. } => {
            (What::View(name(n)), *if_exists, *cascade)
        }
        Change::DropType { name: n, if_exists, cascade, .. } => {
            (What::Type(name(n)), *if_exists, *cascade)
        }
        Change::DropSequence { name: n, if_exists, cascade } => {
            (What::Sequence(name(n)), *if_exists, *cascade)
        }
        Change::DropRoutine { name: n, if_exists, cascade, .. } => {
            (What::Routine(name(n)), *if_exists, *cascade)
        }
        // Nothing hangs on a trigger.
        Change::DropTrigger { name: n, table: Some(table), if_exists, .. } => {
            (What::Trigger(name(table), n.clone()), *if_exists, false)
        }
        Change::DropPolicy { name: n, table, if_exists } => {
            (What::Policy(name(table), n.clone()), *if_exists, false)
        }
        _ => return None,
    })
}

/// What a change brings.
pub(crate) fn made(change: &Change, now: &Catalog) -> Option<What> {
    Some(match change {
        Change::CreateTable { def, .. } => What::Table(now.normalize(&def.name)),
        Change::CreateIndex { index, .. } => {
            let (table, name) = (now.normalize(&index.table), index.name.clone()?.name);
            if now.dialect.is_mysql_family() {
                What::Key(table, name)
            } else {
                What::Index(ObjectName { schema: table.schema, name })
            }
        }
        Change::CreateView { name, .. } => What::View(now.normalize(name)),
        Change::CreateType { name, .. } => What::Type(now.normalize(name)),
        Change::CreateSequence { name, .. } => What::Sequence(now.normalize(name)),
        Change::CreateRoutine { def, .. } => What::Routine(now.normalize(&def.name)),
        Change::CreateTrigger { def, .. } => {
            What::Trigger(now.normalize(&def.table), def.name.clone())
        }
        Change::CreatePolicy { name, table, .. } => {
            What::Policy(now.normalize(table), name.clone())
        }
        _ => return None,
    })
}

/// What a file replaces of a schema.
pub(crate) fn replaced(script: &Script, before: &Catalog) -> Vec<Replaced> {
    let (mut gone, mut found): (Vec<Replaced>, Vec<Replaced>) = (Vec::new(), Vec::new());
    let mut now = before.clone();
    for change in script.statements.iter().flat_map(|statement| statement.changes()) {
        if let Some((what, if_exists, cascade)) = dropped(change, &now) {
            let is_there = what.is_there(&now);
            // What the file itself has made, or takes along with others, goes as ever.
            let own = is_there == Some(true) && what.is_there(before) == Some(false);
            if !own
                && (!cascade || is_there == Some(false))
                && (if_exists || is_there != Some(false))
            {
                gone.push(Replaced { what, was_there: is_there != Some(false) });
            }
        } else if let Some(what) = made(change, &now)
            && let Some(one) = gone.iter().find(|one| one.what == what)
            && !found.contains(one)
        {
            found.push(one.clone());
        }
        now.apply(change, super::HERE);
    }
    found
}

fn of<'s>(what: &What, scene: &'s Scene<'_>) -> Option<&'s Replaced> {
    scene.replaced.iter().find(|one| one.what == *what)
}

/// Whether the file replaces what was there before it.
fn was_there(what: &What, scene: &Scene<'_>) -> bool {
    of(what, scene).is_some_and(|one| one.was_there)
}

/// Whether a change takes away what the file makes again, so that both belong together.
pub(crate) fn makes_room(change: &Change, scene: &Scene<'_>) -> Result<bool, Refused> {
    let Some((what, ..)) = dropped(change, scene.now) else { return Ok(false) };
    match (of(&what, scene), &what) {
        (Some(Replaced { was_there: true, .. }), What::Table(name)) => {
            super::anew_by_hand::refuse(name, scene)
        }
        (found, _) => Ok(found.is_some()),
    }
}

/// Whether an index goes when its successor takes its name.
pub(crate) fn hands_over(change: &Change, scene: &Scene<'_>) -> bool {
    dropped(change, scene.now).is_some_and(|(what, ..)| was_there(&what, scene))
}

/// A view that takes the place of one that the old release reads: until its end too, so that it shows what
/// that one did, and nothing that is filled later. `touched`: what earlier statements take through the phases.
pub(crate) fn view(
    change: &Change,
    before: &Catalog,
    replaced: &[Replaced],
    touched: &[Touched],
) -> Result<(), Refused> {
    let Change::CreateView { name, columns, query, .. } = change else { return Ok(()) };
    let name = before.normalize(name);
    if !replaced.iter().any(|one| one.what == What::View(name.clone())) {
        return Ok(());
    }
    let meets = |held: &&Touched| {
        held.later != super::claims::Later::Rules
            && reads(query, &held.table, held.column.as_ref(), before)
    };
    if let Some(Touched { table, column, .. }) = touched.iter().find(meets) {
        let what = column.as_ref().map_or_else(|| table.to_string(), |c| format!("{table}.{c}"));
        return refused(
            format!("{name} is made again over {what}, which this file takes through the phases"),
            "put the view into a migration of its own, behind this one",
        );
    }
    match missing(&name, columns, query, before) {
        None => Ok(()),
        Some(missing) => refused(
            format!(
                "the old release reads {name}.{missing}, which the view that takes its place does not show"
            ),
            "give the new view a name of its own, and drop the old one in a migration of the contract phase; or let the new one show the column too",
        ),
    }
}

/// Whether a query reads a column of a table, as far as it says; `None`: any of them.
fn reads(query: &Query, table: &ObjectName, column: Option<&Ident>, before: &Catalog) -> bool {
    query.tables.iter().any(|read| before.normalize(read) == *table)
        && column.is_none_or(|c| query.star || query.columns.contains(c))
}

/// A column of a view that the one in its place does not show, as far as both say what they show.
fn missing(name: &ObjectName, columns: &[Ident], query: &Query, before: &Catalog) -> Option<Ident> {
    let shown = view_columns::of_view(before.view(name)?, before.dialect)?;
    let shows = view_columns::of_definition(columns, query, before.dialect)?;
    shown.into_iter().find(|column| !shows.contains(column))
}

/// Whether a view can take the place of the old one at once, for both releases: it shows all of that, and
/// reads nothing that the file changes.
pub(crate) fn at_once(change: &Change, script: &Script, before: &Catalog) -> bool {
    let (name, columns, query) = match change {
        Change::CreateView { name, columns, query, .. } => (name, columns, query),
        Change::CreatePolicy { .. } | Change::DropPolicy { .. } => return false,
        _ => return true,
    };
    let reads = |table: &ObjectName, column: Option<&Ident>| {
        reads(query, &before.normalize(table), column, before)
    };
    let touches = |change: &Change| match change {
        Change::AlterColumnType { table, column, .. }
        | Change::DropColumn { table, column, .. } => reads(table, Some(column)),
        Change::RenameColumn { table, from, to } => {
            reads(table, Some(from)) || reads(table, Some(to))
        }
        Change::RenameTable { from, to } => reads(from, None) || reads(to, None),
        Change::DropTable { name, .. } => reads(name, None),
        // Until it is filled, the running release would see rows that are none, or miss some.
        Change::Update { table, columns, .. } => columns.iter().any(|c| reads(table, Some(c))),
        _ => false,
    };
    missing(&before.normalize(name), columns, query, before).is_none()
        && !script.statements.iter().flat_map(|statement| statement.changes()).any(touches)
}

/// A key that takes the name of another one (MariaDB, MySQL), without the clauses that say how: what builds it
/// beside the other, what drops that, and what gives it the name, with the way back of that.
pub(crate) fn key(index: &IndexDef, change: &Change, scene: &Scene<'_>) -> Option<[Change; 4]> {
    let what = made(change, scene.now).filter(|what| was_there(what, scene))?;
    let What::Key(table, name) = &what else { return None };
    let beside = names::free_part(scene.now, table, &format!("{name}_new"));
    let rename = |from: &Ident, to: &Ident| Change::RenameIndex {
        table: Some(table.clone()),
        from: ObjectName::bare(from.clone()),
        to: to.clone(),
    };
    let build = Change::CreateIndex {
        index: IndexDef { name: Some(ObjectName::bare(beside.clone())), ..index.clone() },
        concurrently: false,
        if_not_exists: false,
    };
    let drop = Change::DropIndex {
        name: ObjectName::bare(name.clone()),
        table: Some(table.clone()),
        concurrently: false,
        if_exists: false,
        cascade: false,
    };
    Some([build, drop, rename(&beside, name), rename(name, &beside)])
}

/// Whether an index takes the name of another one.
pub(crate) fn takes_over(change: &Change, scene: &Scene<'_>) -> bool {
    made(change, scene.now).is_some_and(|what| was_there(&what, scene))
}

/// An index that takes the name of another one.
pub(crate) fn index(
    change: &Change,
    index: &IndexDef,
    scene: &Scene<'_>,
) -> Result<Option<Made>, Refused> {
    let Some(what @ What::Index(_)) = made(change, scene.now) else { return Ok(None) };
    let Some(Replaced { what: What::Index(name), was_there: true }) = of(&what, scene) else {
        return Ok(None);
    };
    let beside = names::free_part(
        scene.now,
        &scene.now.normalize(&index.table),
        &format!("{}_new", name.name),
    );
    let build = Change::CreateIndex {
        index: IndexDef { name: Some(ObjectName::bare(beside.clone())), ..index.clone() },
        concurrently: true,
        if_not_exists: false,
    };
    let why = format!(
        "CONCURRENTLY, beside the index whose name it takes at the contract{}.",
        if index.unique {
            ". Unique: the old release must not write duplicates any more"
        } else {
            ""
        }
    );
    let slot = if index.unique { Slot::CONTRACT } else { Slot::EXPAND };
    let mut out = Made::default();
    out.push(slot, piece(&build, None, scene, &why)?);
    let drop = Change::DropIndex {
        name: name.clone(),
        table: None,
        concurrently: true,
        if_exists: false,
        cascade: false,
    };
    out.push(
        Slot::CONTRACT,
        piece(&drop, None, scene, "Its successor stands, and takes its name.")?,
    );
    let rename = |from: &ObjectName, to: &Ident| Change::RenameIndex {
        table: None,
        from: from.clone(),
        to: to.clone(),
    };
    let own = ObjectName { schema: name.schema.clone(), name: beside.clone() };
    let (mut up, mut down) = (Side::default(), Side::default());
    up.change("", &rename(&own, &name.name), scene.dialect())?;
    down.change("", &rename(name, &beside), scene.dialect())?;
    out.push(Slot::CONTRACT, Piece::made(up, down));
    Ok(Some(out))
}

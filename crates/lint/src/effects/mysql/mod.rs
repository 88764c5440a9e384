//! What a change means for a table on MySQL and MariaDB: which operation of the server it is, by which
//! algorithm the server carries that out, and what waits meanwhile.

mod algorithm;
mod costs;
mod operation;
use downhaul_syntax::change::RowFilter;
use downhaul_syntax::{Change, ConstraintKind, ObjectName};

use super::{Blocks, Effects, LockEffect, Scene};
use algorithm::read;
pub(crate) use algorithm::{Algorithm, Online, online, rows};
pub(crate) use costs::costs;
use operation::builds_secondary;
pub(crate) use operation::{charset_of, has_charset_already, operation};

/// Adds the locks, rebuilds and index builds of a change.
pub(super) fn physical(change: &Change, scene: &Scene<'_>, out: &mut Effects) {
    let state = &scene.state;
    match change {
        Change::Truncate { tables, .. } => {
            for table in tables {
                add(
                    online("truncate", state.dialect(), state.options.version()),
                    table,
                    scene,
                    out,
                );
            }
            return;
        }
        Change::OptimizeTable { tables } => {
            for table in tables {
                add(
                    online("optimize", state.dialect(), state.options.version()),
                    table,
                    scene,
                    out,
                );
            }
            return;
        }
        Change::Update { table, rows: RowFilter::All, .. }
        | Change::Delete { table, rows: RowFilter::All, .. }
            if state.in_use(table) =>
        {
            let table = state.catalog.normalize(table);
            out.locks.push(LockEffect {
                table: table.clone(),
                mode: "row locks on all rows",
                blocks: Blocks::Writes,
            });
            out.scans.push(table);
            return;
        }
        Change::LockTable { tables, mode } => {
            for table in tables.iter().filter(|t| state.in_use(t)) {
                let read = mode.to_lowercase().contains("read");
                out.locks.push(LockEffect {
                    table: state.catalog.normalize(table),
                    mode: if read { "READ" } else { "WRITE" },
                    blocks: if read { Blocks::Writes } else { Blocks::Reads },
                });
            }
            return;
        }
        Change::CreateTable { def, .. } => {
            for query in def.as_query.iter() {
                for table in query.tables.iter().filter(|t| state.in_use(t)) {
                    out.scans.push(state.catalog.normalize(table));
                }
            }
            return;
        }
        _ => {}
    }
    if let Some((operation, table)) = operation(change, scene) {
        add(costs(change, operation, table, scene).1, table, scene, out);
    }
}

fn add(online: Online, table: &ObjectName, scene: &Scene<'_>, out: &mut Effects) {
    if !scene.state.in_use(table) {
        return;
    }
    let asked = scene.online.and_then(|o| o.algorithm.as_deref()).unwrap_or_default();
    let lock = scene.online.and_then(|o| o.lock.as_deref()).unwrap_or_default();
    let mut online = online;
    // A more expensive way may be asked for; a cheaper one than possible is refused.
    if asked == "copy" && online.algorithm != Algorithm::Copy {
        online = read("copy");
    }
    let table = scene.state.catalog.normalize(table);
    let (mode, blocks) = if lock == "exclusive" || online.exclusive {
        ("EXCLUSIVE", Blocks::Reads)
    } else if lock == "shared" || online.blocks_writes {
        if online.algorithm == Algorithm::Copy {
            ("ALGORITHM=COPY, LOCK=SHARED", Blocks::Writes)
        } else {
            ("ALGORITHM=INPLACE, LOCK=SHARED", Blocks::Writes)
        }
    } else {
        match online.algorithm {
            Algorithm::Instant => ("ALGORITHM=INSTANT", Blocks::Ddl),
            Algorithm::Nocopy => ("ALGORITHM=NOCOPY, LOCK=NONE", Blocks::Ddl),
            Algorithm::Inplace => ("ALGORITHM=INPLACE, LOCK=NONE", Blocks::Ddl),
            Algorithm::Copy => ("ALGORITHM=COPY, LOCK=SHARED", Blocks::Writes),
        }
    };
    out.locks.push(LockEffect { table: table.clone(), mode, blocks });
    if online.rebuilds {
        out.rewrites.push(table.clone());
        out.scans.push(table.clone());
    }
    // The primary key lies in the rows themselves.
    let secondary = scene.state.table(&table).is_none_or(|t| {
        t.assumed
            || !t.indexes.is_empty()
            || t.constraints.iter().any(|c| {
                matches!(c.kind, ConstraintKind::Unique { .. } | ConstraintKind::ForeignKey { .. })
            })
            || scene.siblings.iter().any(builds_secondary)
    });
    if online.builds && secondary {
        out.builds_indexes.push(table.clone());
        if !online.rebuilds {
            out.scans.push(table);
        }
    }
}

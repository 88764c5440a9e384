//! What the statements of one file leave in the session: locks, settings, what was dropped.

use std::collections::{BTreeMap, HashSet};

use downhaul_syntax::Change;

use crate::context::HeldLock;
use crate::effects::{self, Blocks, Effects};

/// Session state while the statements of one file are judged.
#[derive(Default)]
pub(super) struct Session {
    pub(super) held: Vec<HeldLock>,
    pub(super) settings: BTreeMap<String, String>,
    /// Names set with `SET LOCAL`.
    local: Vec<String>,
    /// Constraints and unique indexes that the migration dropped so far.
    pub(super) dropped: Vec<effects::dropped::Dropped>,
    transaction: usize,
    /// Rules that spoke of a transaction, where once is enough.
    pub(super) said: HashSet<(&'static str, usize)>,
}

impl Session {
    /// Before the first transaction.
    pub(super) fn new() -> Self {
        Self { transaction: usize::MAX, ..Self::default() }
    }

    /// A new transaction begins: locks and local settings of the last one are gone.
    pub(super) fn enter(&mut self, transaction: usize) {
        if self.transaction != transaction {
            self.transaction = transaction;
            self.held.clear();
            for name in self.local.drain(..) {
                self.settings.remove(&name);
            }
        }
    }

    pub(super) fn note(&mut self, change: &Change) {
        if let Change::SetVariable { name, value, local } = change {
            self.settings.insert(name.clone(), value.clone());
            if *local {
                self.local.push(name.clone());
            }
        }
    }

    pub(super) fn hold(&mut self, effects: &Effects, line: usize, statement: usize) {
        for lock in effects.locks.iter().filter(|l| l.blocks >= Blocks::Writes) {
            self.held.push(HeldLock {
                table: lock.table.clone(),
                mode: lock.mode,
                blocks: lock.blocks,
                line,
                statement,
            });
        }
    }
}

//! A stretch of a list, with sets of the names that may be found in it.

use std::sync::{Arc, OnceLock};

use downhaul_syntax::Ident;

use super::Part;

/// Chunks of fewer parts are searched as they are: most tables have no more.
const MARKED: usize = 12;

pub(super) struct Chunk<T> {
    pub(super) parts: Vec<Arc<T>>,
    /// What may be found here; made when it is first asked for.
    pub(super) marks: OnceLock<Marks>,
}

/// Sets of names that may hold too much, never too little.
#[derive(Clone, Copy, Default)]
pub(super) struct Marks {
    names: Filter,
    columns: Filter,
    /// Parts that went and are still in the sets.
    pub(super) gone: usize,
}

/// A Bloom filter of two hashes: 64 names among 2,048 bits, so that of 300 chunks about one is
/// searched in vain.
#[derive(Clone, Copy, Default)]
pub(super) struct Filter([u64; 32]);

/// Two bits of a filter, each by its word and its place in it.
type Place = [(usize, u64); 2];

impl Filter {
    /// The bits of a name.
    pub(super) fn place(name: &Ident) -> Place {
        // FNV-1a without case: short names, no enemy.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in name.key().bytes() {
            hash =
                (hash ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(0x0000_0100_0000_01b3);
        }
        hash ^= hash >> 32;
        [hash, hash >> 11].map(|hash| ((hash as usize >> 6) & 31, 1 << (hash & 63)))
    }

    fn add(&mut self, name: &Ident) {
        for (word, bit) in Self::place(name) {
            self.0[word] |= bit;
        }
    }

    fn has(&self, place: &Place) -> bool {
        place.iter().all(|(word, bit)| self.0[*word] & bit != 0)
    }
}

impl<T> Clone for Chunk<T> {
    /// A copy is made to be changed.
    fn clone(&self) -> Self {
        Self { parts: self.parts.clone(), marks: self.marks.clone() }
    }
}

impl<T: Part> Chunk<T> {
    pub(super) fn new(parts: Vec<Arc<T>>) -> Self {
        Self { parts, marks: OnceLock::new() }
    }

    fn marks(&self) -> &Marks {
        self.marks.get_or_init(|| {
            let mut marks = Marks::default();
            self.parts.iter().for_each(|part| marks.add(&**part));
            marks
        })
    }

    /// Whether a part of a name may be here.
    pub(super) fn may_be_named(&self, place: &Place) -> bool {
        self.parts.len() < MARKED || self.marks().names.has(place)
    }

    /// Whether a part that reads a column may be here.
    pub(super) fn may_read(&self, place: &Place) -> bool {
        self.parts.len() < MARKED || self.marks().columns.has(place)
    }
}

impl Marks {
    pub(super) fn add<T: Part>(&mut self, part: &T) {
        if let Some(name) = part.name() {
            self.names.add(name);
        }
        part.each_column(&mut |column| self.columns.add(column));
    }
}

//! A sorted map that is cheap to copy: what a catalog keeps its objects in.
//!
//! A copy shares everything with its origin; a write copies only the object it touches and the
//! pointers around it. So a catalog can be kept "as it was before" at every step of a long series,
//! and comparing two copies costs what differs, not what is there: parts that both share are
//! skipped unread.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use serde::de::Deserialize;
use serde::ser::Serialize;
use serde::{Deserializer, Serializer};

/// Entries of a chunk at most. Two levels of this width hold 100,000 objects with 3,000 pointers
/// to copy.
const WIDTH: usize = 64;

/// A chunk and a place in it as one number: more than a chunk ever holds.
const LAST: usize = 2 * WIDTH;

type Chunk<K, V> = Vec<(Arc<K>, Arc<V>)>;

/// A sorted map whose copies share their content.
pub struct Objects<K, V> {
    /// None is empty; keys ascend within and across chunks.
    chunks: Arc<Vec<Arc<Chunk<K, V>>>>,
    /// For each chunk a key that is above all keys before it and above none of its own; for the
    /// first chunk any. So a search does not touch every chunk that it passes.
    lows: Arc<Vec<Arc<K>>>,
    len: usize,
    /// Where the last key was found: most are asked for several times in a row. Any number will do.
    last: AtomicUsize,
}

impl<K, V> Clone for Objects<K, V> {
    fn clone(&self) -> Self {
        Self {
            chunks: Arc::clone(&self.chunks),
            lows: Arc::clone(&self.lows),
            len: self.len,
            last: AtomicUsize::new(self.last.load(Relaxed)),
        }
    }
}

impl<K, V> Default for Objects<K, V> {
    fn default() -> Self {
        Self {
            chunks: Arc::new(Vec::new()),
            lows: Arc::new(Vec::new()),
            len: 0,
            last: AtomicUsize::new(0),
        }
    }
}

/// Entries in order of their keys.
pub struct Iter<'m, K, V> {
    chunks: std::slice::Iter<'m, Arc<Chunk<K, V>>>,
    entries: std::slice::Iter<'m, (Arc<K>, Arc<V>)>,
}

impl<K, V> Clone for Iter<'_, K, V> {
    fn clone(&self) -> Self {
        Self { chunks: self.chunks.clone(), entries: self.entries.clone() }
    }
}

impl<'m, K, V> Iterator for Iter<'m, K, V> {
    type Item = (&'m K, &'m V);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((key, value)) = self.entries.next() {
                return Some((&**key, &**value));
            }
            self.entries = self.chunks.next()?.iter();
        }
    }
}

impl<K, V> Objects<K, V> {
    /// An empty map.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Entries in order of their keys.
    #[must_use]
    pub fn iter(&self) -> Iter<'_, K, V> {
        Iter { chunks: self.chunks.iter(), entries: [].iter() }
    }

    /// Keys in order.
    pub fn keys(&self) -> impl Iterator<Item = &K> + Clone {
        self.iter().map(|(key, _)| key)
    }

    /// Values in order of their keys.
    pub fn values(&self) -> impl Iterator<Item = &V> + Clone {
        self.iter().map(|(_, value)| value)
    }

    /// Removes everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

impl<K: Ord, V> Objects<K, V> {
    /// The chunk that holds a key or would, and the key's place in it.
    fn find<Q: Ord + ?Sized>(&self, key: &Q) -> (usize, Result<usize, usize>)
    where
        K: Borrow<Q>,
    {
        let last = self.last.load(Relaxed);
        let (chunk, at) = (last / LAST, last % LAST);
        if let Some((k, _)) = self.chunks.get(chunk).and_then(|chunk| chunk.get(at))
            && (**k).borrow() == key
        {
            return (chunk, Ok(at));
        }
        let behind = self.lows.partition_point(|low| (**low).borrow() <= key);
        let at = behind.saturating_sub(1);
        let place = match self.chunks.get(at) {
            Some(chunk) => chunk.binary_search_by(|(k, _)| (**k).borrow().cmp(key)),
            None => Err(0),
        };
        if let Ok(found) = place {
            self.last.store(at * LAST + found, Relaxed);
        }
        (at, place)
    }

    /// The value of a key.
    #[must_use]
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let (chunk, place) = self.find(key);
        place.ok().map(|at| &*self.chunks[chunk][at].1)
    }

    /// Whether there is an entry of this key.
    #[must_use]
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.find(key).1.is_ok()
    }

    /// Entries from a key on.
    pub fn range(&self, keys: std::ops::RangeFrom<K>) -> Iter<'_, K, V> {
        let (chunk, place) = self.find(&keys.start);
        let at = place.unwrap_or_else(|at| at);
        let entries = self.chunks.get(chunk).map_or(&[][..], |c| &c[at.min(c.len())..]);
        let rest = self.chunks.get(chunk + 1..).unwrap_or(&[]);
        Iter { chunks: rest.iter(), entries: entries.iter() }
    }

    /// Entries before a key, the nearest first.
    pub fn before(&self, key: &K) -> impl Iterator<Item = (&K, &V)> {
        let (chunk, place) = self.find(key);
        let at = place.unwrap_or_else(|at| at);
        let entries = self.chunks.get(chunk).map_or(&[][..], |c| &c[..at.min(c.len())]);
        let rest = self.chunks.get(..chunk).unwrap_or(&[]);
        entries
            .iter()
            .rev()
            .chain(rest.iter().rev().flat_map(|chunk| chunk.iter().rev()))
            .map(|(key, value)| (&**key, &**value))
    }

    /// The value of a key, to change it.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
        V: Clone,
    {
        let (chunk, place) = self.find(key);
        let at = place.ok()?;
        let chunk = Arc::make_mut(&mut Arc::make_mut(&mut self.chunks)[chunk]);
        Some(Arc::make_mut(&mut chunk[at].1))
    }

    /// Puts a value under a key; returns the one that was there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V>
    where
        V: Clone,
    {
        let (at, place) = self.find(&key);
        let chunks = Arc::make_mut(&mut self.chunks);
        let key = Arc::new(key);
        if chunks.is_empty() {
            chunks.push(Arc::new(Vec::with_capacity(WIDTH)));
            Arc::make_mut(&mut self.lows).push(Arc::clone(&key));
        }
        let chunk = Arc::make_mut(&mut chunks[at]);
        match place {
            Ok(place) => {
                let old = std::mem::replace(&mut chunk[place].1, Arc::new(value));
                Some(Arc::unwrap_or_clone(old))
            }
            Err(place) => {
                chunk.insert(place, (key, Arc::new(value)));
                self.len += 1;
                if chunk.len() > WIDTH {
                    let upper = chunk.split_off(WIDTH / 2);
                    let low = Arc::clone(&upper[0].0);
                    Arc::make_mut(&mut self.lows).insert(at + 1, low);
                    chunks.insert(at + 1, Arc::new(upper));
                }
                None
            }
        }
    }

    /// Takes an entry out.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        V: Clone,
    {
        let (at, place) = self.find(key);
        let place = place.ok()?;
        let chunks = Arc::make_mut(&mut self.chunks);
        let chunk = Arc::make_mut(&mut chunks[at]);
        let (_, value) = chunk.remove(place);
        if chunk.is_empty() {
            chunks.remove(at);
            Arc::make_mut(&mut self.lows).remove(at);
        }
        self.len -= 1;
        Some(Arc::unwrap_or_clone(value))
    }

    /// The value of a key, to change it; an empty one is put there first where there is none.
    pub(crate) fn or_default(&mut self, key: &K) -> &mut V
    where
        K: Clone,
        V: Clone + Default,
    {
        if !self.contains_key(key) {
            self.insert(key.clone(), V::default());
        }
        self.get_mut(key).expect("the entry was inserted where it was missing")
    }

    /// Keeps the entries that pass.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &V) -> bool)
    where
        V: Clone,
    {
        if self.iter().all(|(key, value)| keep(key, value)) {
            return;
        }
        let mut kept = 0;
        let chunks: Vec<Arc<Chunk<K, V>>> = self
            .chunks
            .iter()
            .map(|chunk| {
                let all: Chunk<K, V> =
                    chunk.iter().filter(|(key, value)| keep(key, value)).cloned().collect();
                kept += all.len();
                // What stays whole stays shared.
                if all.len() == chunk.len() { Arc::clone(chunk) } else { Arc::new(all) }
            })
            .filter(|chunk| !chunk.is_empty())
            .collect();
        self.lows = Arc::new(chunks.iter().map(|chunk| Arc::clone(&chunk[0].0)).collect());
        self.chunks = Arc::new(chunks);
        self.len = kept;
    }

    /// Every value, to change it. Copies all that is shared.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V>
    where
        V: Clone,
    {
        Arc::make_mut(&mut self.chunks)
            .iter_mut()
            .flat_map(|chunk| Arc::make_mut(chunk).iter_mut())
            .map(|(_, value)| Arc::make_mut(value))
    }

    /// Keys that not both maps hold with one shared value, in order, with both values. Values that
    /// are equal without being shared are among them.
    #[must_use]
    pub fn unshared<'m>(&'m self, other: &'m Self) -> Vec<(&'m K, Option<&'m V>, Option<&'m V>)> {
        let mut out = Vec::new();
        if Arc::ptr_eq(&self.chunks, &other.chunks) {
            return out;
        }
        let (mut l, mut r) = ((0, 0), (0, 0));
        let entry = |map: &'m Self, at: (usize, usize)| map.chunks.get(at.0).map(|c| &c[at.1]);
        let step = |map: &'m Self, at: &mut (usize, usize)| {
            at.1 += 1;
            if at.1 >= map.chunks[at.0].len() {
                *at = (at.0 + 1, 0);
            }
        };
        loop {
            if l.1 == 0
                && r.1 == 0
                && let (Some(a), Some(b)) = (self.chunks.get(l.0), other.chunks.get(r.0))
                && Arc::ptr_eq(a, b)
            {
                l.0 += 1;
                r.0 += 1;
                continue;
            }
            let order = match (entry(self, l), entry(other, r)) {
                (None, None) => return out,
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some((a, _)), Some((b, _))) => a.cmp(b),
            };
            let a = order.is_le().then(|| entry(self, l)).flatten();
            let b = order.is_ge().then(|| entry(other, r)).flatten();
            if let Some((key, _)) = a.or(b) {
                let shared = match (a, b) {
                    (Some((_, a)), Some((_, b))) => Arc::ptr_eq(a, b),
                    _ => false,
                };
                if !shared {
                    out.push((&**key, a.map(|(_, v)| &**v), b.map(|(_, v)| &**v)));
                }
            }
            if a.is_some() {
                step(self, &mut l);
            }
            if b.is_some() {
                step(other, &mut r);
            }
        }
    }
}

impl<'m, K, V> IntoIterator for &'m Objects<K, V> {
    type Item = (&'m K, &'m V);
    type IntoIter = Iter<'m, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<K: Ord, V: Clone> FromIterator<(K, V)> for Objects<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut out = Self::default();
        for (key, value) in entries {
            out.insert(key, value);
        }
        out
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for Objects<K, V> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.chunks, &other.chunks)
            || self.len == other.len && self.iter().eq(other.iter())
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for Objects<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// As a list of pairs: JSON knows only strings as keys.
impl<K: Serialize, V: Serialize> Serialize for Objects<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self)
    }
}

impl<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de> + Clone> Deserialize<'de>
    for Objects<K, V>
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<(K, V)>::deserialize(deserializer)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A cheap sequence of numbers without a pattern.
    fn numbers(count: u32) -> impl Iterator<Item = u32> {
        (0..count).scan(12345_u32, |state, _| {
            *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            Some(*state >> 16)
        })
    }

    #[test]
    fn it_is_a_sorted_map() {
        let (mut map, mut model) = (Objects::new(), BTreeMap::new());
        for (at, number) in numbers(4000).enumerate() {
            let key = number % 700;
            match at % 5 {
                0 => assert_eq!(map.remove(&key), model.remove(&key)),
                1 => {
                    if let Some(value) = map.get_mut(&key) {
                        *value += 1;
                    }
                    if let Some(value) = model.get_mut(&key) {
                        *value += 1;
                    }
                }
                _ => assert_eq!(map.insert(key, at), model.insert(key, at)),
            }
            assert_eq!(map.len(), model.len());
            assert_eq!(map.get(&key), model.get(&key));
        }
        assert!(map.iter().eq(model.iter()));
        assert!(map.range(350..).eq(model.range(350..)));
        assert!(map.before(&350).eq(model.range(..350).rev()));
        map.retain(|key, _| key % 3 == 0);
        model.retain(|key, _| key % 3 == 0);
        assert!(map.iter().eq(model.iter()) && map.len() == model.len());
    }

    #[test]
    fn a_copy_is_another_and_only_what_differs_is_looked_at() {
        let mut map: Objects<u32, u32> = (0..5000).map(|n| (n, n)).collect();
        let copy = map.clone();
        assert!(map.unshared(&copy).is_empty());
        map.insert(7, 8);
        map.remove(&4000);
        map.insert(9000, 1);
        assert_eq!(copy.get(&7), Some(&7), "the copy is untouched");
        let found = copy.unshared(&map);
        assert_eq!(
            found,
            [(&7, Some(&7), Some(&8)), (&4000, Some(&4000), None), (&9000, None, Some(&1)),]
        );
    }
}

//! What one expects of a list: made from others, walked over, compared, shown, written and read.

use std::fmt;
use std::sync::Arc;

use serde::de::Deserialize;
use serde::ser::Serialize;
use serde::{Deserializer, Serializer};

use super::chunk::Chunk;
use super::iter::Iter;
use super::{Part, Parts};

impl<T> std::ops::Index<usize> for Parts<T> {
    type Output = T;

    fn index(&self, at: usize) -> &T {
        self.get(at).expect("the caller asks for a place that there is")
    }
}

impl<'p, T> IntoIterator for &'p Parts<T> {
    type Item = &'p T;
    type IntoIter = Iter<'p, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: Part> FromIterator<T> for Parts<T> {
    fn from_iter<I: IntoIterator<Item = T>>(parts: I) -> Self {
        let mut out = Self::default();
        out.extend(parts);
        out
    }
}

impl<T: Part> Extend<T> for Parts<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, parts: I) {
        for part in parts {
            self.push(part);
        }
    }
}

impl<T: Part> From<Vec<T>> for Parts<T> {
    fn from(parts: Vec<T>) -> Self {
        parts.into_iter().collect()
    }
}

impl<T: PartialEq> PartialEq for Parts<T> {
    fn eq(&self, other: &Self) -> bool {
        if Arc::ptr_eq(&self.chunks, &other.chunks) {
            return true;
        }
        if self.len != other.len {
            return false;
        }
        // Copies that differ in one chunk are compared there.
        let alike = |a: &Arc<Chunk<T>>, b: &Arc<Chunk<T>>| {
            Arc::ptr_eq(a, b)
                || a.parts.len() == b.parts.len()
                    && a.parts.iter().zip(&b.parts).all(|(a, b)| Arc::ptr_eq(a, b) || a == b)
        };
        if self.chunks.len() == other.chunks.len()
            && self.chunks.iter().zip(other.chunks.iter()).all(|(a, b)| alike(a, b))
        {
            return true;
        }
        self.iter().zip(other.iter()).all(|(a, b)| std::ptr::eq(a, b) || a == b)
    }
}

impl<T: fmt::Debug> fmt::Debug for Parts<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<T: Serialize> Serialize for Parts<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self)
    }
}

impl<'de, T: Part + Deserialize<'de>> Deserialize<'de> for Parts<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<T>::deserialize(deserializer)?.into())
    }
}

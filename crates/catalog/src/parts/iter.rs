//! Parts in order, from both ends.

use std::sync::Arc;

use super::chunk::Chunk;

/// Parts in order.
pub struct Iter<'p, T> {
    pub(super) chunks: std::slice::Iter<'p, Arc<Chunk<T>>>,
    pub(super) front: std::slice::Iter<'p, Arc<T>>,
    pub(super) back: std::slice::Iter<'p, Arc<T>>,
    pub(super) len: usize,
}

impl<T> Clone for Iter<'_, T> {
    fn clone(&self) -> Self {
        Self {
            chunks: self.chunks.clone(),
            front: self.front.clone(),
            back: self.back.clone(),
            len: self.len,
        }
    }
}

impl<'p, T> Iterator for Iter<'p, T> {
    type Item = &'p T;

    fn next(&mut self) -> Option<Self::Item> {
        self.len = self.len.checked_sub(1)?;
        loop {
            if let Some(part) = self.front.next() {
                return Some(&**part);
            }
            match self.chunks.next() {
                Some(chunk) => self.front = chunk.parts.iter(),
                None => return self.back.next().map(|part| &**part),
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len, Some(self.len))
    }
}

impl<T> DoubleEndedIterator for Iter<'_, T> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.len = self.len.checked_sub(1)?;
        loop {
            if let Some(part) = self.back.next_back() {
                return Some(&**part);
            }
            match self.chunks.next_back() {
                Some(chunk) => self.back = chunk.parts.iter(),
                None => return self.front.next_back().map(|part| &**part),
            }
        }
    }
}

impl<T> ExactSizeIterator for Iter<'_, T> {}

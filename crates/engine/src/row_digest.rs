//! What the bytes of rows come to that pass through `COPY`.

use std::hash::{BuildHasher as _, DefaultHasher, Hasher as _, RandomState};

/// Of so many bytes at a time, wherever one message ends and the next one begins.
const BLOCK: usize = 64 << 10;

/// How `COPY` in its binary form begins, and how long that is with the flags and the length of what may follow
/// them, which is nothing (PostgreSQL manual, COPY, "Binary Format").
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
const HEADER: usize = SIGNATURE.len() + 8;
/// How it ends: a row of -1 columns.
const TRAILER: &[u8] = &[0xff, 0xff];

/// A number for rows in their order, which depends on each of their bytes. Two are compared that come from one
/// [`Clone`] each of the same beginning; the number is another one in each run.
#[derive(Clone, Debug)]
pub struct RowDigest {
    hasher: DefaultHasher,
    block: Vec<u8>,
    bytes: u64,
}

impl Default for RowDigest {
    fn default() -> Self {
        Self { hasher: RandomState::new().build_hasher(), block: Vec::new(), bytes: 0 }
    }
}

impl RowDigest {
    fn add(&mut self, mut bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK - self.block.len()));
            self.block.extend_from_slice(now);
            bytes = later;
            if self.block.len() == BLOCK {
                self.hasher.write(&self.block);
                self.block.clear();
            }
        }
    }

    /// How many bytes, and their hash.
    #[must_use]
    pub fn value(mut self) -> (u64, u64) {
        self.hasher.write(&self.block);
        (self.bytes, self.hasher.finish())
    }
}

/// Takes off what `COPY` puts around all rows, so that rows that pass in pieces are those that pass at once.
pub(crate) struct Unframed<'a> {
    digest: &'a mut RowDigest,
    /// What may still be part of the frame.
    held: Vec<u8>,
    binary: Option<bool>,
}

impl<'a> Unframed<'a> {
    pub(crate) fn new(digest: &'a mut RowDigest) -> Self {
        Self { digest, held: Vec::new(), binary: None }
    }

    pub(crate) fn add(&mut self, part: &[u8]) {
        self.held.extend_from_slice(part);
        if self.binary.is_none() {
            if self.held.len() < HEADER {
                return;
            }
            self.begin();
        }
        self.pass(if self.binary == Some(true) { TRAILER.len() } else { 0 });
    }

    fn begin(&mut self) {
        let binary = self.held.len() >= HEADER && self.held.starts_with(SIGNATURE);
        if binary {
            self.held.drain(..HEADER);
        }
        self.binary = Some(binary);
    }

    /// All but the last bytes.
    fn pass(&mut self, but: usize) {
        let rows = self.held.len().saturating_sub(but);
        self.digest.add(&self.held[..rows]);
        self.held.drain(..rows);
    }

    pub(crate) fn end(mut self) {
        if self.binary.is_none() {
            self.begin();
        }
        let whole = self.binary == Some(true) && self.held == TRAILER;
        self.pass(if whole { TRAILER.len() } else { 0 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(start: &RowDigest, copies: &[&[&[u8]]]) -> (u64, u64) {
        let mut digest = start.clone();
        for parts in copies {
            let mut rows = Unframed::new(&mut digest);
            for part in *parts {
                rows.add(part);
            }
            rows.end();
        }
        digest.value()
    }

    #[test]
    fn rows_in_pieces_are_those_that_pass_at_once() {
        let start = RowDigest::default();
        let head = [SIGNATURE, &[0; 8]].concat();
        let binary = |rows: &[u8]| [&head, rows, TRAILER].concat();
        let whole = binary(b"onetwo\xff\xff");
        let wanted = of(&start, &[&[&whole]]);
        assert_eq!(wanted.0, 8);
        assert_eq!(of(&start, &[&[&binary(b"one")], &[&binary(b"two\xff\xff")]]), wanted);
        assert_eq!(of(&start, &[&[b"onetwo\xff\xff"]]), wanted, "text has no frame");
        let bytes: Vec<&[u8]> = whole.chunks(1).collect();
        assert_eq!(of(&start, &[&bytes, &[&binary(b"")]]), wanted);
        let long = vec![7; 3 * BLOCK + 5];
        let parts: Vec<&[u8]> = long.chunks(999).collect();
        assert_eq!(of(&start, &[&parts]), of(&start, &[&[&binary(&long)]]));
    }

    #[test]
    fn each_byte_and_their_order_count() {
        let start = RowDigest::default();
        let wanted = of(&start, &[&[b"a\tb\nc\td\n"]]);
        for other in [&b"a\td\nc\tb\n"[..], b"c\td\na\tb\n", b"a\tb\nc\td", b"", b"a\tb\nc\t\0\n"] {
            assert_ne!(of(&start, &[&[other]]), wanted);
        }
    }
}

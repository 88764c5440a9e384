//! A list that is cheap to copy and quick to search: what a table keeps its columns, constraints
//! and indexes in.
//!
//! A copy shares everything with its origin; a write copies the part it touches and the pointers
//! around it. Parts are found by name, or by a column that they read, without a look at all of
//! them: so a table of ten thousand columns is changed about as fast as one of ten.

mod chunk;
mod iter;
mod list;

pub use iter::Iter;

use std::sync::Arc;

use downhaul_syntax::Ident;

use chunk::{Chunk, Filter};

/// Parts of a chunk at most.
const WIDTH: usize = 64;

/// What a list can be searched by.
pub trait Part: Clone {
    /// Its name.
    fn name(&self) -> Option<&Ident>;

    /// Calls with every column of its own table that it reads.
    fn each_column<'p>(&'p self, see: &mut dyn FnMut(&'p Ident));

    /// Whether it reads a column of its own table.
    fn reads(&self, column: &Ident) -> bool {
        let mut found = false;
        self.each_column(&mut |c| found |= c == column);
        found
    }
}

/// A list of a table's parts whose copies share their content.
pub struct Parts<T> {
    /// None is empty.
    chunks: Arc<Vec<Arc<Chunk<T>>>>,
    len: usize,
}

impl<T> Clone for Parts<T> {
    fn clone(&self) -> Self {
        Self { chunks: Arc::clone(&self.chunks), len: self.len }
    }
}

impl<T> Default for Parts<T> {
    fn default() -> Self {
        Self { chunks: Arc::new(Vec::new()), len: 0 }
    }
}

impl<T> Parts<T> {
    /// An empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of parts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Parts in order.
    #[must_use]
    pub fn iter(&self) -> Iter<'_, T> {
        Iter { chunks: self.chunks.iter(), front: [].iter(), back: [].iter(), len: self.len }
    }

    /// The part at a place.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<&T> {
        let (chunk, at) = self.place(at)?;
        self.chunks[chunk].parts.get(at).map(|part| &**part)
    }

    /// The first part.
    #[must_use]
    pub fn first(&self) -> Option<&T> {
        self.iter().next()
    }

    /// The last part.
    #[must_use]
    pub fn last(&self) -> Option<&T> {
        self.iter().next_back()
    }

    /// The chunk of a place and the place in it; `None` behind the end.
    fn place(&self, at: usize) -> Option<(usize, usize)> {
        let mut at = at;
        for (number, chunk) in self.chunks.iter().enumerate() {
            if at < chunk.parts.len() {
                return Some((number, at));
            }
            at -= chunk.parts.len();
        }
        None
    }
}

impl<T: Part> Parts<T> {
    /// The place of the first part of this name.
    #[must_use]
    pub fn position(&self, name: &Ident) -> Option<usize> {
        let (chunk, at) = self.find_place(name)?;
        let before: usize = self.chunks[..chunk].iter().map(|chunk| chunk.parts.len()).sum();
        Some(before + at)
    }

    /// The first part of this name.
    #[must_use]
    pub fn named(&self, name: &Ident) -> Option<&T> {
        let (chunk, at) = self.find_place(name)?;
        self.chunks[chunk].parts.get(at).map(|part| &**part)
    }

    /// The first part of this name, to change it.
    pub fn named_mut(&mut self, name: &Ident) -> Option<&mut T> {
        let (chunk, at) = self.find_place(name)?;
        self.part_mut(chunk, at)
    }

    /// The part at a place, to change it.
    pub fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        let (chunk, at) = self.place(at)?;
        self.part_mut(chunk, at)
    }

    /// Parts that read a column of their table, in order.
    pub fn reading<'p>(&'p self, column: &'p Ident) -> impl Iterator<Item = &'p T> {
        let place = Filter::place(column);
        self.chunks
            .iter()
            .filter(move |chunk| chunk.may_read(&place))
            .flat_map(|chunk| chunk.parts.iter())
            .map(|part| &**part)
            .filter(move |part| part.reads(column))
    }

    /// Parts whose name differs from this one in nothing but the case of ASCII letters, in order.
    pub fn alike<'p>(&'p self, name: &'p Ident) -> impl Iterator<Item = &'p T> {
        let place = Filter::place(name);
        self.chunks
            .iter()
            .filter(move |chunk| chunk.may_be_named(&place))
            .flat_map(|chunk| chunk.parts.iter())
            .map(|part| &**part)
            .filter(move |part| {
                part.name()
                    .is_some_and(|n| n != name && n.as_str().eq_ignore_ascii_case(name.as_str()))
            })
    }

    /// Parts of this name, in order.
    pub fn all_named<'p>(&'p self, name: &'p Ident) -> impl Iterator<Item = &'p T> {
        let place = Filter::place(name);
        self.chunks
            .iter()
            .filter(move |chunk| chunk.may_be_named(&place))
            .flat_map(|chunk| chunk.parts.iter())
            .map(|part| &**part)
            .filter(move |part| part.name() == Some(name))
    }

    fn find_place(&self, name: &Ident) -> Option<(usize, usize)> {
        let place = Filter::place(name);
        self.chunks.iter().enumerate().find_map(|(number, chunk)| {
            if !chunk.may_be_named(&place) {
                return None;
            }
            let at = chunk.parts.iter().position(|part| part.name() == Some(name))?;
            Some((number, at))
        })
    }

    fn part_mut(&mut self, chunk: usize, at: usize) -> Option<&mut T> {
        let chunk = Arc::make_mut(Arc::make_mut(&mut self.chunks).get_mut(chunk)?);
        // What it is called and reads may change.
        chunk.marks.take();
        chunk.parts.get_mut(at).map(Arc::make_mut)
    }

    /// Puts a part at the end.
    pub fn push(&mut self, part: T) {
        self.insert(self.len, part);
    }

    /// Puts a part at a place, before the one that stands there; at the end where none does.
    pub fn insert(&mut self, at: usize, part: T) {
        let place = self.place(at);
        let chunks = Arc::make_mut(&mut self.chunks);
        self.len += 1;
        let (number, at) = match (place, chunks.last()) {
            (Some(place), _) => place,
            (None, Some(last)) if last.parts.len() < WIDTH => (chunks.len() - 1, last.parts.len()),
            (None, _) => {
                chunks.push(Arc::new(Chunk::new(Vec::new())));
                (chunks.len() - 1, 0)
            }
        };
        let chunk = Arc::make_mut(&mut chunks[number]);
        if let Some(marks) = chunk.marks.get_mut() {
            marks.add(&part);
        }
        chunk.parts.insert(at, Arc::new(part));
        if chunk.parts.len() > WIDTH {
            let upper = chunk.parts.split_off(WIDTH / 2);
            chunk.marks.take();
            chunks.insert(number + 1, Arc::new(Chunk::new(upper)));
        }
    }

    /// Takes the part at a place out; `None` behind the end.
    pub fn remove(&mut self, at: usize) -> Option<T> {
        let (number, at) = self.place(at)?;
        let chunks = Arc::make_mut(&mut self.chunks);
        let chunk = Arc::make_mut(&mut chunks[number]);
        let part = chunk.parts.remove(at);
        // The sets may hold too much, within reason.
        if let Some(marks) = chunk.marks.get_mut() {
            marks.gone += 1;
            if marks.gone > WIDTH / 4 {
                chunk.marks.take();
            }
        }
        if chunk.parts.is_empty() {
            chunks.remove(number);
        }
        self.len -= 1;
        Some(Arc::unwrap_or_clone(part))
    }

    /// Takes the first part of this name out.
    pub fn remove_named(&mut self, name: &Ident) -> Option<T> {
        let at = self.position(name)?;
        self.remove(at)
    }

    /// Keeps the parts that pass.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        self.retain_where(|_| true, &mut keep);
    }

    /// Takes out the parts that read a column and do not pass.
    pub fn retain_reading(&mut self, column: &Ident, mut keep: impl FnMut(&T) -> bool) {
        let place = Filter::place(column);
        self.retain_where(|chunk| chunk.may_read(&place), |part| !part.reads(column) || keep(part));
    }

    /// Takes out the parts of a name that do not pass.
    pub fn retain_named(&mut self, name: &Ident, mut keep: impl FnMut(&T) -> bool) {
        let place = Filter::place(name);
        self.retain_where(
            |chunk| chunk.may_be_named(&place),
            |part| part.name() != Some(name) || keep(part),
        );
    }

    /// Keeps the parts that pass, those of other chunks unseen.
    fn retain_where(&mut self, look: impl Fn(&Chunk<T>) -> bool, mut keep: impl FnMut(&T) -> bool) {
        let kept: Vec<(usize, Vec<Arc<T>>)> = self
            .chunks
            .iter()
            .enumerate()
            .filter(|(_, chunk)| look(chunk))
            .filter_map(|(number, chunk)| {
                let kept: Vec<Arc<T>> =
                    chunk.parts.iter().filter(|part| keep(part)).cloned().collect();
                (kept.len() < chunk.parts.len()).then_some((number, kept))
            })
            .collect();
        if kept.is_empty() {
            return;
        }
        let chunks = Arc::make_mut(&mut self.chunks);
        for (number, parts) in kept {
            self.len -= chunks[number].parts.len() - parts.len();
            chunks[number] = Arc::new(Chunk::new(parts));
        }
        chunks.retain(|chunk| !chunk.parts.is_empty());
    }

    /// Changes the parts that `wanted` picks. Only those are copied.
    pub fn change_where(&mut self, wanted: impl Fn(&T) -> bool, mut change: impl FnMut(&mut T)) {
        self.change_in(|_| true, wanted, &mut change);
    }

    /// Changes the parts that read a column.
    pub fn change_reading(&mut self, column: &Ident, mut change: impl FnMut(&mut T)) {
        let place = Filter::place(column);
        self.change_in(|chunk| chunk.may_read(&place), |part| part.reads(column), &mut change);
    }

    /// Changes the parts of a name that `wanted` picks.
    pub fn change_named(
        &mut self,
        name: &Ident,
        wanted: impl Fn(&T) -> bool,
        mut change: impl FnMut(&mut T),
    ) {
        let place = Filter::place(name);
        self.change_in(
            |chunk| chunk.may_be_named(&place),
            |part| part.name() == Some(name) && wanted(part),
            &mut change,
        );
    }

    fn change_in(
        &mut self,
        look: impl Fn(&Chunk<T>) -> bool,
        wanted: impl Fn(&T) -> bool,
        change: &mut dyn FnMut(&mut T),
    ) {
        for number in 0..self.chunks.len() {
            let chunk = &self.chunks[number];
            if !look(chunk) || !chunk.parts.iter().any(|part| wanted(part)) {
                continue;
            }
            let chunk = Arc::make_mut(&mut Arc::make_mut(&mut self.chunks)[number]);
            chunk.marks.take();
            for part in chunk.parts.iter_mut().filter(|part| wanted(part)) {
                change(Arc::make_mut(part));
            }
        }
    }

    /// Whether both lists are one and the same in memory. Equal lists may be two.
    #[must_use]
    pub fn is_shared(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.chunks, &other.chunks)
    }

    /// Parts of this list, and of the other, that the two do not share, in order. Parts that are
    /// equal without being shared are among them.
    #[must_use]
    pub fn unshared<'p>(&'p self, other: &'p Self) -> (Vec<&'p T>, Vec<&'p T>) {
        if self.is_shared(other) {
            return (Vec::new(), Vec::new());
        }
        // Copies have their chunks in common, at the same places or shifted.
        let alone = |list: &'p Self, other: &'p Self| -> Vec<&'p Arc<Chunk<T>>> {
            let mut theirs: Vec<_> = other.chunks.iter().map(Arc::as_ptr).collect();
            theirs.sort_unstable();
            let shared = |chunk: &Arc<Chunk<T>>| theirs.binary_search(&Arc::as_ptr(chunk)).is_ok();
            list.chunks.iter().filter(|chunk| !shared(chunk)).collect()
        };
        let (left, right) = (alone(self, other), alone(other, self));
        let pointers = |chunks: &[&'p Arc<Chunk<T>>]| {
            let mut all: Vec<*const T> =
                chunks.iter().flat_map(|chunk| &chunk.parts).map(Arc::as_ptr).collect();
            all.sort_unstable();
            all
        };
        let (l, r) = (pointers(&left), pointers(&right));
        let rest = |chunks: &[&'p Arc<Chunk<T>>], theirs: &[*const T]| {
            chunks
                .iter()
                .flat_map(|chunk| &chunk.parts)
                .filter(|part| theirs.binary_search(&Arc::as_ptr(part)).is_err())
                .map(|part| &**part)
                .collect::<Vec<&'p T>>()
        };
        (rest(&left, &r), rest(&right, &l))
    }
}

#[cfg(test)]
mod tests {
    use downhaul_syntax::Dialect;

    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Named(Ident, u32);

    impl Part for Named {
        fn name(&self) -> Option<&Ident> {
            Some(&self.0)
        }

        fn each_column<'p>(&'p self, see: &mut dyn FnMut(&'p Ident)) {
            see(&self.0);
        }
    }

    fn ident(n: u32) -> Ident {
        Ident::stored(Dialect::Postgres, &format!("c{n}"))
    }

    /// A cheap sequence of numbers without a pattern.
    fn numbers(count: u32) -> impl Iterator<Item = u32> {
        (0..count).scan(12345_u32, |state, _| {
            *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            Some(*state >> 16)
        })
    }

    #[test]
    fn it_is_a_list() {
        let (mut list, mut model): (Parts<Named>, Vec<Named>) = (Parts::new(), Vec::new());
        for (step, number) in numbers(6000).enumerate() {
            let at = number as usize % (model.len() + 1);
            let name = ident(number % 400);
            let part = Named(ident(number % 300), number);
            match step % 9 {
                0..=2 => {
                    list.insert(at, part.clone());
                    model.insert(at, part);
                }
                3 => {
                    list.push(part.clone());
                    model.push(part);
                }
                4 => {
                    let there = at < model.len();
                    assert_eq!(list.remove(at), there.then(|| model.remove(at)));
                }
                5 if step % 2 == 0 => {
                    list.retain_named(&name, |p| p.1.is_multiple_of(2));
                    model.retain(|p| p.0 != name || p.1.is_multiple_of(2));
                    list.change_named(&name, |p| p.1.is_multiple_of(3), |p| p.1 += 2);
                    let hit = |p: &&mut Named| p.0 == name && p.1.is_multiple_of(3);
                    model.iter_mut().filter(hit).for_each(|p| p.1 += 2);
                }
                5 => {
                    // A part is renamed: it must be found under its new name alone.
                    let changed = list.named_mut(&name).map(|p| p.0 = ident(1000 + number % 50));
                    let model = model.iter_mut().find(|p| p.0 == name);
                    assert_eq!(changed, model.map(|p| p.0 = ident(1000 + number % 50)));
                }
                6 => {
                    list.retain_reading(&name, |p| p.1.is_multiple_of(2));
                    model.retain(|p| p.0 != name || p.1.is_multiple_of(2));
                }
                7 => {
                    list.change_reading(&name, |p| p.1 += 1);
                    model.iter_mut().filter(|p| p.0 == name).for_each(|p| p.1 += 1);
                }
                _ => {
                    list.change_where(|p| p.1.is_multiple_of(97), |p| p.0 = ident(2000));
                    model
                        .iter_mut()
                        .filter(|p| p.1.is_multiple_of(97))
                        .for_each(|p| p.0 = ident(2000));
                }
            }
            assert_eq!(list.len(), model.len());
            assert_eq!(list.position(&name), model.iter().position(|p| p.0 == name));
            assert_eq!(list.get(at), model.get(at));
            assert!(list.reading(&name).eq(model.iter().filter(|p| p.0 == name)));
        }
        assert!(list.iter().eq(model.iter()) && list.iter().rev().eq(model.iter().rev()));
        assert_eq!(list, Parts::from(model.clone()));
        list.retain(|p| p.1.is_multiple_of(3));
        model.retain(|p| p.1.is_multiple_of(3));
        assert!(list.iter().eq(model.iter()));
        assert!(list.len() > 100, "the list was long enough to be cut in pieces");
        let (mut from, mut to) = (list.iter(), model.iter());
        while let (Some(a), Some(b)) = (from.next(), to.next()) {
            assert_eq!((a, from.len()), (b, to.len()));
            assert_eq!(from.next_back(), to.next_back());
        }
    }

    #[test]
    fn a_copy_is_another_and_only_what_differs_is_looked_at() {
        let mut list: Parts<Named> = (0..5000).map(|n| Named(ident(n), n)).collect();
        let copy = list.clone();
        assert!(list.is_shared(&copy));
        list.named_mut(&ident(7)).unwrap().1 = 8;
        list.remove_named(&ident(4000));
        list.insert(0, Named(ident(9000), 1));
        assert_eq!(copy.named(&ident(7)), Some(&Named(ident(7), 7)), "the copy is untouched");
        let (old, new) = copy.unshared(&list);
        assert_eq!(old, [&Named(ident(7), 7), &Named(ident(4000), 4000)]);
        assert_eq!(new, [&Named(ident(9000), 1), &Named(ident(7), 8)]);
        assert_ne!(list, copy);
        let upper = Ident::stored(Dialect::Postgres, "C77");
        assert!(list.named(&upper).is_none());
        assert!(list.alike(&upper).eq([&Named(ident(77), 77)]));
        assert_eq!(list.alike(&ident(77)).count(), 0, "it is the same name");
    }
}

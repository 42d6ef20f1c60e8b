//! Slots with small typed indices: what the queue's parts use to speak of one another.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::marker::PhantomData;
use std::num::NonZeroU32;
use std::ops::{Index, IndexMut};

/// A place in an [`Arena`]. Four bytes, also inside an `Option`.
pub(crate) trait ArenaIndex: Copy {
    fn from_place(place: usize) -> Self;
    fn place(self) -> usize;
}

macro_rules! slot {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) struct $name(NonZeroU32);

        impl ArenaIndex for $name {
            fn from_place(place: usize) -> Self {
                let one_based = u32::try_from(place + 1).ok().and_then(NonZeroU32::new);
                Self(one_based.expect("fewer than 2^32 of a kind fit in memory"))
            }

            fn place(self) -> usize {
                self.0.get() as usize - 1
            }
        }
    )*};
}

slot! {
    /// A live job.
    JobIx
    /// An idempotency key.
    KeyIx
    /// A lock.
    LockIx
    /// A placement class: jobs with the same requirements and engines.
    ClassIx
    /// An engine's name.
    EngineIx
}

/// A set of slots.
pub(crate) type SlotSet<I> = HashSet<I, BuildHasherDefault<SlotHasher>>;

/// Spreads the numbers of slots. They are counted up here and not chosen by anybody, so the hash
/// need not be one that cannot be foreseen, which costs several times as much.
#[derive(Default)]
pub(crate) struct SlotHasher(u64);

impl Hasher for SlotHasher {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u32(byte.into());
        }
    }

    fn write_u32(&mut self, number: u32) {
        let spread = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // A table takes the place from the low bits and a tag from the high ones.
        self.0 = spread ^ (spread >> 32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Values in reusable slots.
#[derive(Clone, Debug)]
pub(crate) struct Arena<I, T> {
    slots: Vec<Option<T>>,
    free: Vec<I>,
    kind: PhantomData<I>,
}

impl<I, T> Default for Arena<I, T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), kind: PhantomData }
    }
}

impl<I: ArenaIndex, T> Arena<I, T> {
    pub(crate) fn insert(&mut self, value: T) -> I {
        if let Some(ix) = self.free.pop() {
            self.slots[ix.place()] = Some(value);
            return ix;
        }
        self.slots.push(Some(value));
        I::from_place(self.slots.len() - 1)
    }

    /// Empties a slot, which must be in use.
    pub(crate) fn remove(&mut self, ix: I) {
        self.slots[ix.place()] = None;
        self.free.push(ix);
    }

    /// One more than the largest place in use.
    pub(crate) fn places(&self) -> usize {
        self.slots.len()
    }

    /// The values in the order of their slots.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (I, &T)> {
        let slots = self.slots.iter().enumerate();
        slots.filter_map(|(place, slot)| Some((I::from_place(place), slot.as_ref()?)))
    }
}

impl<I: ArenaIndex, T> Index<I> for Arena<I, T> {
    type Output = T;

    fn index(&self, ix: I) -> &T {
        self.slots[ix.place()].as_ref().expect("an index lives as long as what it names")
    }
}

impl<I: ArenaIndex, T> IndexMut<I> for Arena<I, T> {
    fn index_mut(&mut self, ix: I) -> &mut T {
        self.slots[ix.place()].as_mut().expect("an index lives as long as what it names")
    }
}

//! A set of small numbers of which the least is wanted.

/// Numbers below a bound. A bit each, and above every 64 words a word that says which of them hold
/// any: so both verbs cost a word a level, of which a million numbers have four, and all of it
/// fits where the processor has it at hand. A heap of as many costs several times that.
#[derive(Debug)]
pub(super) struct PositionSet {
    /// From the bits themselves to a single word.
    levels: Vec<Vec<u64>>,
}

impl PositionSet {
    pub(super) fn below(bound: usize) -> Self {
        let mut levels = Vec::new();
        let mut words = bound;
        loop {
            words = words.div_ceil(64).max(1);
            levels.push(vec![0; words]);
            if words == 1 {
                return Self { levels };
            }
        }
    }

    /// Adds a number below the bound.
    pub(super) fn insert(&mut self, number: usize) {
        let mut place = number;
        for level in &mut self.levels {
            level[place / 64] |= 1 << (place % 64);
            place /= 64;
        }
    }

    /// Takes out the least.
    pub(super) fn pop_first(&mut self) -> Option<usize> {
        let mut found = 0;
        for level in self.levels.iter().rev() {
            let word = level[found];
            if word == 0 {
                return None;
            }
            found = found * 64 + word.trailing_zeros() as usize;
        }
        let mut place = found;
        for level in &mut self.levels {
            let word = &mut level[place / 64];
            *word &= !(1 << (place % 64));
            if *word != 0 {
                break;
            }
            place /= 64;
        }
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn empty_set_has_no_least() {
        assert_eq!(PositionSet::below(0).pop_first(), None);
        assert_eq!(PositionSet::below(5_000).pop_first(), None);
    }

    proptest! {
        /// `None` takes the least out.
        #[test]
        fn it_does_what_a_sorted_set_does(
            bound in prop::sample::select(vec![1_usize, 64, 65, 4_096, 4_097, 300_000]),
            steps in vec(prop::option::weighted(0.6, any::<prop::sample::Index>()), 1..200),
        ) {
            let (mut positions, mut sorted) = (PositionSet::below(bound), BTreeSet::new());
            for step in steps {
                match step {
                    Some(index) => {
                        positions.insert(index.index(bound));
                        sorted.insert(index.index(bound));
                    }
                    None => prop_assert_eq!(positions.pop_first(), sorted.pop_first()),
                }
            }
        }
    }
}

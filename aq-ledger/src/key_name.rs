//! Closed sets of keys, with the text of each.

use std::fmt::Debug;

/// The longest text of a key, in bytes.
const LONGEST: usize = 32;

/// A key of one kind of `key=value` file.
pub trait KeyName: Copy + Debug + Ord + Send + Sync + 'static {
    /// The text in the file: `a-z`, `0-9` and `_`.
    fn text(self) -> &'static str;

    /// The key of a text; `None` for a key of another version.
    fn find(text: &[u8]) -> Option<Self>;
}

/// Numbers of keys in the order of the lengths of their texts, so that a text is compared with the
/// few that are as long as it is.
#[derive(Debug)]
pub struct LengthIndex<const N: usize> {
    order: [u8; N],
    starts: [u8; LONGEST + 2],
}

impl<const N: usize> LengthIndex<N> {
    /// Sorts the texts by length, while the program is compiled.
    pub const fn new(texts: &[&str; N]) -> Self {
        assert!(N < 256, "numbers of keys are bytes");
        let mut order = [0; N];
        let mut starts = [0; LONGEST + 2];
        let mut placed = 0;
        let mut length = 0;
        while length <= LONGEST {
            starts[length] = placed as u8;
            let mut at = 0;
            while at < N {
                assert!(texts[at].len() <= LONGEST, "the text of a key is too long");
                if texts[at].len() == length {
                    order[placed] = at as u8;
                    placed += 1;
                }
                at += 1;
            }
            length += 1;
        }
        starts[LONGEST + 1] = placed as u8;
        Self { order, starts }
    }

    /// The number of a text.
    pub fn find(&self, texts: &[&str; N], text: &[u8]) -> Option<usize> {
        let start = |length: usize| self.starts.get(length).map(|&at| usize::from(at));
        let range = start(text.len())?..start(text.len() + 1)?;
        let known = self.order[range].iter().map(|&at| usize::from(at));
        known.into_iter().find(|&at| texts[at].as_bytes() == text)
    }
}

/// Defines the keys of one kind of file: an enum that is a [`KeyName`].
#[macro_export]
macro_rules! key_names {
    ($(#[$doc:meta])* $vis:vis enum $name:ident {
        $($(#[$key_doc:meta])* $variant:ident = $text:literal,)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis enum $name { $($(#[$key_doc])* $variant,)* }

        impl $crate::KeyName for $name {
            fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            fn find(text: &[u8]) -> Option<Self> {
                [$(Self::$variant),*].into_iter().find(|key| key.text().as_bytes() == text)
            }
        }
    };
}

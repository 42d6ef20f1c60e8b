//! What is in a checkout, or in its repository, and in no commit of the job's branch.

use std::fmt;

/// The most that is shown of one reason, in characters.
const MAX_WHY: usize = 300;
/// The name of what no path in the checkout can name.
const CHECKOUT: &str = "the checkout";

/// Something that the branch does not hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftOut {
    /// A path in the checkout, or a name such as `stash` or `branch gh-pages`.
    pub what: String,
    /// Why it is not on the branch.
    pub why: String,
}

impl LeftOut {
    pub(super) fn new(what: impl Into<String>, why: impl Into<String>) -> Self {
        let mut why = why.into();
        if let Some((end, _)) = why.char_indices().nth(MAX_WHY) {
            why.truncate(end);
            why.push_str(" ...");
        }
        Self { what: what.into(), why }
    }

    /// What was committed in a checkout that is gone.
    pub(super) fn checkout_gone(why: impl Into<String>) -> Self {
        Self::new(CHECKOUT, why)
    }

    /// Whether it is nowhere any more.
    pub fn is_gone(&self) -> bool {
        self.what == CHECKOUT
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}

/// All of it in one text; `None` when there is nothing.
pub fn left_out_words(left: &[LeftOut]) -> Option<String> {
    let words: Vec<String> = left.iter().map(ToString::to_string).collect();
    (!words.is_empty()).then(|| words.join("; "))
}

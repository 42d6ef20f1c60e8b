//! What the loop has to do with trackers: it says which jobs may have moved, and passes on what went
//! wrong.

use super::super::wake::Wake;
use super::{Dispatcher, Progress};

impl Dispatcher<'_> {
    pub(super) fn pass_on(&mut self, wakes: &[Wake]) {
        for wake in wakes {
            self.echoes.saw(wake);
        }
        for trouble in self.echoes.troubles() {
            (self.observer)(Progress::Trouble(&trouble));
        }
    }
}

//! Accesses that were refused, and the setting that would allow each.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Kind of an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DenialKind {
    /// A system call that no box has.
    Call,
    /// A file was to be made, changed or removed.
    Write,
    /// A hidden file was to be read.
    Read,
    /// A named socket of another program.
    Socket,
    /// A host on the network that was asked of the proxy.
    Host,
    /// An address on the network that was tried past the proxy.
    Direct,
}

/// A refused access.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Denial {
    /// Its kind.
    pub kind: DenialKind,
    /// The call's name, the path, or the host with its port.
    pub subject: String,
}

impl Denial {
    /// A refused access of a kind.
    pub fn new(kind: DenialKind, subject: impl Into<String>) -> Self {
        Self { kind, subject: subject.into() }
    }

    /// The key of the settings, and the value to add to it, that would allow this. `None` where
    /// none does.
    pub fn setting(&self) -> Option<(&'static str, &str)> {
        match self.kind {
            DenialKind::Call | DenialKind::Direct => None,
            // An abstract one has no path that could be given.
            DenialKind::Socket if self.subject.starts_with('@') => None,
            DenialKind::Write | DenialKind::Socket => Some(("write", &self.subject)),
            DenialKind::Read => Some(("read", &self.subject)),
            DenialKind::Host => Some(("allow-hosts", &self.subject)),
        }
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.kind {
            DenialKind::Call => "the system call",
            DenialKind::Write => "writing",
            DenialKind::Read => "reading",
            DenialKind::Socket => "the socket",
            DenialKind::Host => "the host",
            DenialKind::Direct => "a connection that did not ask the proxy, to",
        };
        write!(f, "{verb} {}", self.subject)
    }
}

/// The most different denials that are kept: a program that tries all of a disk fills no memory.
const MOST_KEPT: usize = 200;

/// Denials with their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DenialLog {
    found: BTreeMap<Denial, u64>,
    more: u64,
}

impl DenialLog {
    /// Adds one.
    pub fn add(&mut self, denial: Denial) {
        if self.found.len() >= MOST_KEPT && !self.found.contains_key(&denial) {
            self.more += 1;
        } else {
            *self.found.entry(denial).or_default() += 1;
        }
    }

    /// Each with its number, by kind and subject.
    pub fn iter(&self) -> impl Iterator<Item = (&Denial, u64)> {
        self.found.iter().map(|(denial, &count)| (denial, count))
    }

    /// The number of all, also of those that were too many to keep.
    pub fn total(&self) -> u64 {
        self.found.values().sum::<u64>() + self.more
    }

    /// The number of those that were too many to keep.
    pub fn more(&self) -> u64 {
        self.more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denials_are_counted_and_bounded() {
        let mut log = DenialLog::default();
        for number in 0..300 {
            log.add(Denial::new(DenialKind::Write, format!("/etc/{number}")));
        }
        log.add(Denial::new(DenialKind::Write, "/etc/7"));
        assert_eq!((log.iter().count(), log.total(), log.more()), (MOST_KEPT, 301, 100));
        let seven = Denial::new(DenialKind::Write, "/etc/7");
        assert_eq!(log.iter().find(|(denial, _)| **denial == seven).unwrap().1, 2);
    }

    #[test]
    fn each_kind_names_its_setting() {
        let setting = |kind| Denial::new(kind, "x").setting().map(|(key, _)| key);
        assert_eq!(setting(DenialKind::Host), Some("allow-hosts"));
        assert_eq!(setting(DenialKind::Write), Some("write"));
        assert_eq!(setting(DenialKind::Call), None);
    }
}

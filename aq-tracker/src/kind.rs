//! Kinds of trackers: the built-in ones, and those that a program brings.

/// A kind of tracker. One that does not answer does not keep the others from their updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TrackerKind {
    /// The item API, over HTTP or a command.
    Items,
    /// GitHub.
    GitHub,
    /// A tracker that a program brings along. Its items are `NAME:...`.
    Named(TrackerName),
}

/// Name of a tracker that a program brings along, such as `jira`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackerName(&'static str);

impl TrackerName {
    /// The name, when it has 1 to 40 lower-case letters, digits or `-`, begins with a letter, and
    /// is no built-in tracker's.
    pub const fn new(name: &'static str) -> Option<Self> {
        let bytes = name.as_bytes();
        if bytes.is_empty() || bytes.len() > 40 || !bytes[0].is_ascii_lowercase() {
            return None;
        }
        let mut at = 0;
        while at < bytes.len() {
            if !(bytes[at].is_ascii_lowercase() || bytes[at].is_ascii_digit() || bytes[at] == b'-')
            {
                return None;
            }
            at += 1;
        }
        match bytes {
            b"github" | b"items" => None,
            _ => Some(Self(name)),
        }
    }

    /// The name as it is written.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl TrackerKind {
    /// Its name in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Items => "the tracker",
            Self::GitHub => "GitHub",
            Self::Named(name) => name.as_str(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_clear_of_others() {
        assert_eq!(TrackerName::new("jira-2").map(TrackerName::as_str), Some("jira-2"));
        for bad in ["", "github", "items", "Jira", "2a", "-a", "a b", "a:b", &"x".repeat(41)] {
            let bad: &'static str = bad.to_owned().leak();
            assert_eq!(TrackerName::new(bad), None, "{bad:?}");
        }
    }
}

//! The types that values of a record have.

use std::path::Path;

use aq_caps::HostRequirement;
use aq_manifest::{
    DepsMode, FailureClass, Isolation, Outcome, Priority, ReviewPolicy, ShipMode, Stage,
};
use jiff::Timestamp;

use crate::escape::split_list;

/// A type of values.
pub trait RecordValue<'a>: Sized {
    /// The type for people, with an article; `None` for texts, which take any value.
    const EXPECTED: Option<&'static str>;

    /// The type in the table of keys.
    const NAME: &'static str;

    /// Reads a value that is not empty.
    fn read(text: &'a str) -> Option<Self>;
}

/// Defines types that parse from their text.
macro_rules! parsed {
    ($($type:ty: $name:literal, $expected:literal;)*) => { $(
        impl RecordValue<'_> for $type {
            const EXPECTED: Option<&'static str> = Some($expected);
            const NAME: &'static str = $name;

            fn read(text: &str) -> Option<Self> {
                text.parse().ok()
            }
        }
    )* };
}

parsed! {
    Timestamp: "time", "a time";
    u32: "number", "a number";
    u64: "number", "a number";
    Priority: "word", "a priority";
    DepsMode: "word", "`hard` or `soft`";
    ReviewPolicy: "word", "`auto` or `human`";
    Isolation: "word", "`worktree` or `in-place`";
    ShipMode: "word", "`accept`, `merge` or `pr`";
    Stage: "word", "a folder of jobs";
    Outcome: "word", "a result";
    FailureClass: "word", "a class of failures";
}

/// Defines types that hold the text itself, where it passes a check.
macro_rules! checked {
    ($($(#[$doc:meta])* $type:ident: $name:literal, $expected:literal, $check:expr;)*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $type<'a>(&'a str);

        impl<'a> $type<'a> {
            /// The text.
            pub fn as_str(self) -> &'a str {
                self.0
            }
        }

        impl<'a> RecordValue<'a> for $type<'a> {
            const EXPECTED: Option<&'static str> = Some($expected);
            const NAME: &'static str = $name;

            fn read(text: &'a str) -> Option<Self> {
                let is_sound: fn(&str) -> bool = $check;
                is_sound(text).then_some(Self(text))
            }
        }
    )* };
}

checked! {
    /// The full name of a commit.
    CommitName: "commit", "the name of a commit", |text| {
        matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    /// The full name of a branch.
    FullBranch: "branch", "the full name of a branch", |text| text.starts_with("refs/");
    /// The id of a job at the coordinator: a UUID of 36 lower-case characters.
    FleetId: "id", "the id of a fleet's job", |text| {
        text.len() == 36 && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
    };
}

impl<'a> CommitName<'a> {
    /// The full name of a commit, if the text is one.
    pub fn of(text: &'a str) -> Option<Self> {
        Self::read(text)
    }
}

/// A branch that is to move: its full name, its commit before, and its commit after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LandingIntent<'a> {
    /// The branch, by its full name.
    pub target: &'a str,
    /// Its commit before; `None` where it has none yet.
    pub old: Option<CommitName<'a>>,
    /// Its commit after.
    pub new: CommitName<'a>,
}

/// Stands for a branch without a commit.
const NO_COMMIT: &str = "-";

impl<'a> RecordValue<'a> for LandingIntent<'a> {
    const EXPECTED: Option<&'static str> = Some("a branch and its commits");
    const NAME: &'static str = "landing";

    fn read(text: &'a str) -> Option<Self> {
        let mut parts = text.split(' ');
        let target = parts.next().filter(|target| target.starts_with("refs/"))?;
        let old = match parts.next()? {
            NO_COMMIT => None,
            commit => Some(CommitName::read(commit)?),
        };
        let new = CommitName::read(parts.next()?)?;
        parts.next().is_none().then_some(Self { target, old, new })
    }
}

impl std::fmt::Display for LandingIntent<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let old = self.old.map_or(NO_COMMIT, CommitName::as_str);
        write!(f, "{} {old} {}", self.target, self.new.as_str())
    }
}

/// A mark that is there or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarkedOne;

impl RecordValue<'_> for MarkedOne {
    const EXPECTED: Option<&'static str> = Some("`1`");
    const NAME: &'static str = "`1`";

    fn read(text: &str) -> Option<Self> {
        (text == "1").then_some(Self)
    }
}

impl RecordValue<'_> for bool {
    const EXPECTED: Option<&'static str> = Some("`0` or `1`");
    const NAME: &'static str = "`0`, `1`";

    fn read(text: &str) -> Option<Self> {
        match text {
            "0" => Some(false),
            "1" => Some(true),
            _ => None,
        }
    }
}

impl RecordValue<'_> for f64 {
    const EXPECTED: Option<&'static str> = Some("a number");
    const NAME: &'static str = "decimal";

    fn read(text: &str) -> Option<Self> {
        text.parse().ok().filter(|number: &Self| number.is_finite())
    }
}

impl<'a> RecordValue<'a> for &'a Path {
    const EXPECTED: Option<&'static str> = Some("an absolute path");
    const NAME: &'static str = "path";

    fn read(text: &'a str) -> Option<Self> {
        text.starts_with('/').then(|| Path::new(text))
    }
}

impl RecordValue<'_> for Vec<HostRequirement> {
    const EXPECTED: Option<&'static str> = Some("a list of requirements");
    const NAME: &'static str = "list";

    fn read(text: &str) -> Option<Self> {
        split_list(text).iter().map(|one| one.parse().ok()).collect()
    }
}

impl RecordValue<'_> for Vec<String> {
    const EXPECTED: Option<&'static str> = None;
    const NAME: &'static str = "list";

    fn read(text: &str) -> Option<Self> {
        Some(split_list(text))
    }
}

impl<'a> RecordValue<'a> for &'a str {
    const EXPECTED: Option<&'static str> = None;
    const NAME: &'static str = "text";

    fn read(text: &'a str) -> Option<Self> {
        Some(text)
    }
}

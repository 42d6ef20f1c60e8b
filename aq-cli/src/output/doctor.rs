//! The output of `aq doctor`.

use std::borrow::Cow;
use std::fmt::Display;

use super::line;
use super::style::{self, paint};

/// One thing that was looked at.
#[derive(Debug)]
pub(crate) struct Finding {
    grade: Grade,
    what: String,
    mend: Option<Cow<'static, str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grade {
    Good,
    Doubtful,
    Bad,
}

impl Finding {
    pub(crate) fn good(what: impl Display) -> Self {
        Self { grade: Grade::Good, what: what.to_string(), mend: None }
    }

    /// Works, but maybe not as wanted.
    pub(crate) fn doubtful(what: impl Display, mend: impl Into<Cow<'static, str>>) -> Self {
        Self { grade: Grade::Doubtful, what: what.to_string(), mend: Some(mend.into()) }
    }

    /// Does not work.
    pub(crate) fn bad(what: impl Display, mend: impl Into<Cow<'static, str>>) -> Self {
        Self { grade: Grade::Bad, what: what.to_string(), mend: Some(mend.into()) }
    }

    pub(crate) fn is_bad(&self) -> bool {
        self.grade == Grade::Bad
    }
}

pub(crate) fn report(findings: &[Finding]) {
    for finding in findings {
        let mark = match finding.grade {
            Grade::Good => paint(style::GOOD, "✓"),
            Grade::Doubtful => paint(style::ATTENTION, "!"),
            Grade::Bad => paint(style::BAD, "✗"),
        };
        line(format_args!("{mark} {}", style::plain(&finding.what)));
        if let Some(mend) = &finding.mend {
            line(format_args!("  {}", paint(style::FAINT, style::plain(mend))));
        }
    }
}

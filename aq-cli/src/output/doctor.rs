//! The output of `aq doctor`.

use std::borrow::Cow;
use std::fmt::Display;

use super::line;
use super::style::{self, paint};

/// One thing that was looked at.
#[derive(Debug)]
pub(crate) struct DoctorFinding {
    grade: FindingGrade,
    what: String,
    mend: Option<Cow<'static, str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FindingGrade {
    Good,
    Doubtful,
    Bad,
}

impl DoctorFinding {
    pub(crate) fn good(what: impl Display) -> Self {
        Self { grade: FindingGrade::Good, what: what.to_string(), mend: None }
    }

    /// Works, but maybe not as wanted.
    pub(crate) fn doubtful(what: impl Display, mend: impl Into<Cow<'static, str>>) -> Self {
        Self { grade: FindingGrade::Doubtful, what: what.to_string(), mend: Some(mend.into()) }
    }

    /// Does not work.
    pub(crate) fn bad(what: impl Display, mend: impl Into<Cow<'static, str>>) -> Self {
        Self { grade: FindingGrade::Bad, what: what.to_string(), mend: Some(mend.into()) }
    }

    pub(crate) fn is_bad(&self) -> bool {
        self.grade == FindingGrade::Bad
    }
}

pub(crate) fn report(findings: &[DoctorFinding]) {
    for finding in findings {
        let mark = match finding.grade {
            FindingGrade::Good => paint(style::GOOD, "✓"),
            FindingGrade::Doubtful => paint(style::ATTENTION, "!"),
            FindingGrade::Bad => paint(style::BAD, "✗"),
        };
        line(format_args!("{mark} {}", style::plain(&finding.what)));
        if let Some(mend) = &finding.mend {
            line(format_args!("  {}", paint(style::FAINT, style::plain(mend))));
        }
    }
}

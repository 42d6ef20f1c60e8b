//! Records that cannot be used: a damaged file, or a newer version of aq.

use std::fmt;
use std::path::{Path, PathBuf};

use aq_ledger::{KeyName, READ_FORMAT, RecordContent, RecordProblem};

/// A record that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordFault {
    /// The record's file.
    pub path: PathBuf,
    /// The problem in it.
    pub problem: RecordProblem,
}

impl fmt::Display for RecordFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        let line = self.problem.line().map_or(String::new(), |line| format!("line {line} of "));
        match &self.problem {
            RecordProblem::Value { key, value, expected, .. } => {
                let key = key.text();
                write!(
                    f,
                    "`{key}` in {line}{path} is {value:?} and not {expected}; a further line \
                     `{key}=` there forgets it"
                )
            }
            RecordProblem::Newer { format, .. } => write!(
                f,
                "{line}{path} is of format {format:?}, and this version of aq reads {READ_FORMAT}: \
                 use a newer one"
            ),
        }
    }
}

/// The first value of a record that is not what its key is for.
pub(crate) fn record_fault(path: &Path, content: &RecordContent) -> Option<RecordFault> {
    let problem = RecordProblem::of(content)?;
    Some(RecordFault { path: path.to_owned(), problem })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        let path = Path::new("/q/.state/meta/a.meta");
        record_fault(path, &RecordContent::parse(text)).unwrap().to_string()
    }

    #[test]
    fn messages_name_line_value_and_mend() {
        assert_eq!(
            said("attempt=1\nattempts=many\n"),
            "`attempts` in line 2 of /q/.state/meta/a.meta is \"many\" and not a number; a further \
             line `attempts=` there forgets it"
        );
        assert_eq!(
            said("format=2\n"),
            "line 1 of /q/.state/meta/a.meta is of format \"2\", and this version of aq reads 1: \
             use a newer one"
        );
    }
}

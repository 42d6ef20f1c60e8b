//! Problems of a record, because of which its job is neither run nor shipped.

use crate::content::RecordContent;
use crate::table::RecordKey;

/// Format of the records that this version reads. One without the key is of this format, too.
pub const READ_FORMAT: &str = "1";

/// Characters of a value that a message shows.
const SHOWN: usize = 40;

/// A problem of a record. Nothing is guessed in the place of a value, since a guess may run a job
/// once more, or ship it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordProblem {
    /// A value that does not parse.
    #[error("`{}` is {value:?} and not {expected}", crate::KeyName::text(*key))]
    Value {
        /// Its key.
        key: RecordKey,
        /// Its line in the file, from 1, where that is known.
        line: Option<usize>,
        /// The value, or its beginning.
        value: String,
        /// The type that belongs there, with an article.
        expected: &'static str,
    },
    /// A newer version has written it.
    #[error("it is of format {format:?}, and this version of aq reads {READ_FORMAT}")]
    Newer {
        /// Its format.
        format: String,
        /// The line that says so, where that is known.
        line: Option<usize>,
    },
}

impl RecordProblem {
    /// The line of the file that has it, from 1.
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::Value { line, .. } | Self::Newer { line, .. } => *line,
        }
    }

    /// The first problem of a record, in the order of the keys.
    pub fn of(content: &RecordContent) -> Option<Self> {
        let start = |value: &str| value.chars().take(SHOWN).collect();
        match content.get(RecordKey::Format) {
            Some(format) if format != READ_FORMAT => {
                let line = content.line(RecordKey::Format);
                Some(Self::Newer { format: start(format), line })
            }
            _ => content.known().find_map(|(key, value)| {
                let expected = key.misfit(value)?;
                let line = content.line(key);
                Some(Self::Value { key, line, value: start(value), expected })
            }),
        }
    }
}

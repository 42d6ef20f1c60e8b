//! Errors of an item of which no job can be made.

/// Reason why no job can be made of an item.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MappingError {
    /// There is nothing to do.
    #[error("it has neither a title nor a description")]
    Empty,
    /// A label asks for something that there is not.
    #[error("its label {label:?} is no good: {problem}; correct it in the tracker")]
    Label {
        /// The label.
        label: String,
        /// The problem.
        problem: String,
    },
    /// The file would not be a job file.
    #[error("it makes no job file: {0}")]
    NoJobFile(String),
}

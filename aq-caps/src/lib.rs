//! Capabilities.
/// A requirement.
#[derive(Clone, Debug, PartialEq)]
pub struct Requirement;

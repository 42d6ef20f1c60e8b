//! Places in a text that a slice can begin and end at.

/// The last boundary between characters that is not behind `at`. The standard library has one that
/// the oldest compiler for this crate does not.
pub(crate) fn boundary_before(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

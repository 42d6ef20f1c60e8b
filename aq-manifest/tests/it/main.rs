//! The crate as its users see it, through its public interface only.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod hostile;
mod precedence;
mod reference;
mod reports;
mod values;

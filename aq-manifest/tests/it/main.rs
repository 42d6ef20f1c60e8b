//! The crate as its users see it, through its public interface only.

mod hostile;
mod precedence;
mod reference;
mod reports;
mod values;

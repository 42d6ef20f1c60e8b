//! What a user of the crate sees, through its public interface only.

mod hostile;
mod precedence;
mod reference;
mod reports;
mod values;

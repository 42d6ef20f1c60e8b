//! This host in a fleet: its membership, which two threads keep up, and what a job's holder tells
//! the coordinator about it.

mod holder;
mod member;
#[cfg(test)]
mod tests;

pub use holder::{Holder, Told};
pub use member::{Membership, MembershipSettings, News, Status};

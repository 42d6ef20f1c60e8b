//! Small cases, one rule each.

mod deps;
mod engines;
mod limits;
mod order;

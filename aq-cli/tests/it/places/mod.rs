//! Places of queues: finding, making, trusting and moving them.

mod finding;
pub(crate) mod lab;
mod making;
mod moving;
mod trusting;
mod users;
